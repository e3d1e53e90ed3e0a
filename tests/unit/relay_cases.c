/*
 * The relay runs in a child, as in a worker or a carrier; the test is client
 * and server.
 */
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>

#include <netinet/in.h>
#include <netinet/tcp.h>

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "base/mem.h"
#include "base/net.h"
#include "base/sig.h"
#include "relay_cases.h"
#include "unit.h"

#define BUFFER		4096

/* What the child tells. */
struct report {
	flow_count	 up, down;
	bool		 up_done, down_done;
	_Atomic bool	 running;
	_Atomic int	 heard;
	long		 cpu_ms;
};

static int		 client, server;	/* the test's ends */
static int		 front, back;		/* the relay's */
static struct report	*told;
static pid_t		 child;
static int		 idle_ms, half_closed_ms;
static size_t		 buffer;
static bool		 deaf, gives_way;
static relay_way	*way;

static void
open_common(void)
{
	told = mmap(NULL, sizeof(*told), PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ck_assert(told != MAP_FAILED);
	idle_ms = half_closed_ms = 4 * UNIT_MS;
	buffer = BUFFER;
	child = -1;
}

static void
open_local(void)
{
	int	 a[2], b[2];

	open_common();
	unit_local_pair(a);
	unit_local_pair(b);
	client = a[0];
	front = a[1];
	back = b[0];
	server = b[1];
}

static void
open_tcp(void)
{
	int	 a[2], b[2];

	open_common();
	unit_tcp_pair(a);
	unit_tcp_pair(b);
	client = a[0];
	front = a[1];
	back = b[0];
	server = b[1];
}

static void
shut(int *fd)
{
	if (*fd != -1)
		close(*fd);
	*fd = -1;
}

static void
close_all(void)
{
	shut(&client);
	shut(&server);
	shut(&front);
	shut(&back);
	if (child != -1) {
		kill(child, SIGKILL);
		waitpid(child, NULL, 0);
	}
	munmap(told, sizeof(*told));
}

static bool
hear(void *ctx)
{
	atomic_fetch_add((_Atomic int *)ctx, 1);
	return gives_way;
}

/* What a role does around it. */
static _Noreturn void
relay(void)
{
	static const int	 signals[] = {
		SIGTERM, SIGALRM, SIG_ORPHAN, SIG_KILLED, SIGIO, 0
	};
	const struct told	 ears = { .heard = hear, .ctx = &told->heard };
	struct relay		 r = {
		.idle_ms = idle_ms, .half_closed_ms = half_closed_ms,
	};
	struct rusage		 ru;
	enum end		 end;

	close(client);
	close(server);
	sig_init(signals);
	flow_init(&r.up, front, back, NULL, 0, &told->up);
	flow_init(&r.down, back, front, NULL, 0, &told->down);
	atomic_store(&told->running, true);
	end = way(&r, buffer, deaf ? NULL : &ears);
	told->up_done = r.up.done;
	told->down_done = r.down.done;
	getrusage(RUSAGE_SELF, &ru);
	told->cpu_ms = (ru.ru_utime.tv_sec + ru.ru_stime.tv_sec) * 1000 +
	    (ru.ru_utime.tv_usec + ru.ru_stime.tv_usec) / 1000;
	if (r.down.done)
		close(front);
	else
		net_abort(front);
	if (r.up.done)
		close(back);
	else
		net_abort(back);
	_exit((int)end);
}

static void
start(void)
{
	child = check_fork();
	if (child == 0)
		relay();
	shut(&front);
	shut(&back);
}

static bool
has_ended(enum end *end)
{
	int	 status;

	if (waitpid(child, &status, WNOHANG) != child)
		return false;
	child = -1;
	ck_assert_msg(WIFEXITED(status), "killed by signal %d",
	    WTERMSIG(status));
	*end = (enum end)WEXITSTATUS(status);
	return true;
}

static void
expect_end(enum end want)
{
	int64_t		 deadline = io_now_ms() + UNIT_MS;
	enum end	 end = END_INTERNAL;

	while (!has_ended(&end)) {
		ck_assert_msg(io_now_ms() < deadline, "it goes on");
		(void)poll(NULL, 0, 1);
	}
	ck_assert_str_eq(end_text(end), end_text(want));
}

static void
expect_counts(uint64_t up, uint64_t down)
{
	ck_assert_uint_eq(atomic_load(&told->up), up);
	ck_assert_uint_eq(atomic_load(&told->down), down);
}

static void
talk(void)
{
	unit_write(client, "ping", 4);
	unit_expect(server, "ping", 4);
	unit_write(server, "pong!", 5);
	unit_expect(client, "pong!", 5);
}

START_TEST(both_ways_are_relayed_until_both_have_ended)
{
	start();
	for (int i = 0; i < 100; i++)
		talk();
	shutdown(client, SHUT_WR);
	unit_expect_end(server);
	shutdown(server, SHUT_WR);
	unit_expect_end(client);
	expect_end(END_DONE);
	expect_counts(400, 500);
	ck_assert(told->up_done);
	ck_assert(told->down_done);
}
END_TEST

START_TEST(a_client_that_has_ended_still_gets_its_answer)
{
	static const char	 answer[200000] = "answer";

	start();
	unit_write(client, "query", 5);
	shutdown(client, SHUT_WR);
	unit_expect(server, "query", 5);
	unit_expect_end(server);
	for (size_t i = 0; i < sizeof(answer); i += 50000) {
		unit_write(server, answer + i, 50000);
		unit_expect(client, answer + i, 50000);
	}
	shut(&server);
	unit_expect_end(client);
	expect_end(END_DONE);
	expect_counts(5, sizeof(answer));
}
END_TEST

START_TEST(a_server_that_has_ended_still_gets_the_rest)
{
	static const char	 rest[200000] = "rest";

	start();
	unit_write(server, "banner", 6);
	shutdown(server, SHUT_WR);
	unit_expect(client, "banner", 6);
	unit_expect_end(client);
	for (size_t i = 0; i < sizeof(rest); i += 50000) {
		unit_write(client, rest + i, 50000);
		unit_expect(server, rest + i, 50000);
	}
	shut(&client);
	unit_expect_end(server);
	expect_end(END_DONE);
	expect_counts(sizeof(rest), 6);
}
END_TEST

static void
set_small(int fd, int name)
{
	/* A smaller window than this makes TCP wait for its timers. */
	const int	 size = name == SO_RCVBUF ? 65536 : 4096;

	ck_assert_int_eq(setsockopt(fd, SOL_SOCKET, name, &size,
	    sizeof(size)), 0);
}

struct parcel {
	size_t	 sent, got;
};

/* One write and one read of what poll says is ready, compared. */
static void
move(struct parcel *s, int to, int from, size_t all)
{
	uint8_t		 out[8192], in[8192];
	size_t		 len = all - s->sent;
	ssize_t		 n;

	if (len > sizeof(out))
		len = sizeof(out);
	unit_paint(out, len, s->sent);
	n = len > 0 ? send(to, out, len, MSG_DONTWAIT | MSG_NOSIGNAL) : 0;
	if (n > 0)
		s->sent += (size_t)n;
	n = recv(from, in, sizeof(in), MSG_DONTWAIT);
	if (n <= 0)
		return;
	unit_paint(out, (size_t)n, s->got);
	ck_assert_mem_eq(in, out, (size_t)n);
	s->got += (size_t)n;
}

START_TEST(tiny_socket_buffers_lose_nothing_either_way)
{
	const size_t	 all = 3000000;
	struct parcel	 up = { 0, 0 }, down = { 0, 0 };
	int64_t		 deadline = io_now_ms() + 4 * UNIT_MS;

	set_small(front, SO_SNDBUF);
	set_small(back, SO_SNDBUF);
	set_small(client, SO_RCVBUF);
	set_small(server, SO_RCVBUF);
	buffer = 1000 + (size_t)_i * 4000;
	start();
	while (up.got < all || down.got < all) {
		struct pollfd	 p[2] = {
			{ client, POLLIN | (up.sent < all ? POLLOUT : 0), 0 },
			{ server, POLLIN | (down.sent < all ? POLLOUT : 0),
			    0 },
		};

		ck_assert_int_lt(io_now_ms(), deadline);
		ck_assert_int_ge(poll(p, 2, UNIT_MS), 1);
		move(&up, client, server, all);
		move(&down, server, client, all);
	}
	shut(&client);
	unit_expect_end(server);
	shut(&server);
	expect_end(END_DONE);
	expect_counts(all, all);
}
END_TEST

/* While a receiver does not read, its sender is not read for ever either. */
START_TEST(a_slow_receiver_holds_its_sender_and_no_one_else)
{
	size_t	 sent, got;
	bool	 reset;

	set_small(back, SO_SNDBUF);
	set_small(server, SO_RCVBUF);
	set_small(front, SO_RCVBUF);
	set_small(client, SO_SNDBUF);
	start();
	sent = unit_fill(client, 200);
	ck_assert_uint_gt(sent, 0);
	ck_assert_uint_lt(sent, 4000000);
	/* The other way is as quick as ever. */
	unit_write(server, "pong", 4);
	unit_expect(client, "pong", 4);
	/* And waiting costs nothing: see the processor time below. */
	ck_assert_int_eq(unit_wait(client, POLLIN, 300), 0);
	shutdown(client, SHUT_WR);
	got = unit_drain(server, &reset);
	ck_assert_uint_eq(got, sent);
	ck_assert(!reset);
	shut(&server);
	expect_end(END_DONE);
	expect_counts(sent, 4);
	ck_assert_int_lt(told->cpu_ms, 250);
}
END_TEST

START_TEST(a_side_that_hung_up_does_not_make_it_spin)
{
	start();
	shutdown(client, SHUT_RDWR);
	unit_expect_end(server);
	ck_assert_int_eq(unit_wait(server, 0, 400), 0);
	shut(&server);
	expect_end(END_DONE);
	ck_assert_int_lt(told->cpu_ms, 200);
}
END_TEST

START_TEST(a_client_that_breaks_off_resets_the_server)
{
	start();
	talk();
	unit_reset(client);
	client = -1;
	unit_expect_reset(server);
	expect_end(END_CLIENT_RESET);
	expect_counts(4, 5);
	ck_assert(!told->up_done);
}
END_TEST

START_TEST(a_server_that_breaks_off_resets_the_client)
{
	start();
	talk();
	unit_reset(server);
	server = -1;
	unit_expect_reset(client);
	expect_end(END_SERVER_RESET);
	expect_counts(4, 5);
	ck_assert(!told->down_done);
}
END_TEST

/*
 * The reset comes while bytes for the one who sent it are waiting, and its
 * error is told to whoever writes: the end that the reader sees then must
 * not be passed on as an orderly one.
 */
START_TEST(a_server_that_breaks_off_in_the_middle_of_a_flood_resets_the_client)
{
	start();
	(void)unit_fill(client, 100);
	unit_reset(server);
	server = -1;
	unit_expect_reset(client);
	expect_end(END_SERVER_RESET);
	ck_assert(!told->down_done);
}
END_TEST

START_TEST(a_client_that_breaks_off_in_the_middle_of_a_flood_resets_the_server)
{
	start();
	(void)unit_fill(server, 100);
	unit_reset(client);
	client = -1;
	unit_expect_reset(server);
	expect_end(END_CLIENT_RESET);
	ck_assert(!told->up_done);
}
END_TEST

/*
 * A server that answers no more, as when its host is gone: the connection
 * times out with bytes waiting.  That is no end of the answer either.
 */
START_TEST(a_connection_that_times_out_under_a_flood_resets_the_client)
{
	const unsigned int	 ms = 100;

	ck_assert_int_eq(setsockopt(back, IPPROTO_TCP, TCP_USER_TIMEOUT, &ms,
	    sizeof(ms)), 0);
	start();
	(void)unit_fill(client, 50);
	unit_expect_reset(client);
	expect_end(END_SERVER_RESET);
	ck_assert(!told->down_done);
}
END_TEST

/* Data follows a close: the server's host resets, the answer is kept. */
START_TEST(what_a_server_said_before_it_closed_reaches_a_client_that_talks_on)
{
	static const char	 zeros[100000];

	start();
	unit_write(server, "go away", 7);
	shut(&server);
	unit_expect(client, "go away", 7);
	unit_expect_end(client);
	for (int i = 0; i < 2; i++)
		unit_write(client, zeros, sizeof(zeros));
	shut(&client);
	expect_end(END_SERVER_RESET);
	ck_assert_uint_eq(atomic_load(&told->down), 7);
}
END_TEST

START_TEST(a_client_that_talks_on_to_nobody_is_cut_off)
{
	start();
	shut(&server);
	unit_expect_end(client);
	unit_write(client, "x", 1);
	(void)unit_fill(client, 100);
	expect_end(END_SERVER_RESET);
	ck_assert_int_ne(unit_wait(client, POLLIN | POLLHUP, UNIT_MS), 0);
}
END_TEST

/* It has heard the end, and nobody hears it: it has a second to leave. */
START_TEST(a_silent_client_of_a_server_that_is_gone_is_not_kept)
{
	int64_t	 begun;

	start();
	shut(&server);
	unit_expect_end(client);
	/* Over TCP the first byte is what the reset answers. */
	unit_write(client, "x", 1);
	(void)unit_wait(client, 0, 100);
	unit_write(client, "y", 1);
	begun = io_now_ms();
	expect_end(END_SERVER_RESET);
	ck_assert_int_lt(io_now_ms() - begun, UNIT_MS / 2);
}
END_TEST

START_TEST(a_client_that_left_before_the_answer_is_named)
{
	start();
	unit_write(client, "query", 5);
	unit_expect(server, "query", 5);
	shut(&client);
	unit_expect_end(server);
	unit_write(server, "answer", 6);
	/* Over TCP the first bytes are taken, and answered with a reset. */
	(void)unit_fill(server, 100);
	shut(&server);
	expect_end(END_CLIENT_RESET);
}
END_TEST

START_TEST(silence_ends_the_session)
{
	int64_t	 begun = io_now_ms();

	idle_ms = 150;
	start();
	talk();
	expect_end(END_IDLE);
	ck_assert_int_ge(io_now_ms() - begun, 149);
	ck_assert(!told->up_done);
	ck_assert(!told->down_done);
}
END_TEST

START_TEST(traffic_one_way_keeps_both_alive)
{
	int64_t	 begun = io_now_ms();

	idle_ms = 300;
	start();
	while (io_now_ms() - begun < 900) {
		unit_write(server, "tick", 4);
		unit_expect(client, "tick", 4);
		(void)unit_wait(client, POLLIN, 50);
	}
	shut(&client);
	unit_expect_end(server);
	shut(&server);
	expect_end(END_DONE);
	ck_assert_uint_gt(atomic_load(&told->down), 4);
}
END_TEST

static void
wait_until_running(void)
{
	int64_t	 deadline = io_now_ms() + UNIT_MS;

	while (!atomic_load(&told->running)) {
		ck_assert_int_lt(io_now_ms(), deadline);
		(void)poll(NULL, 0, 1);
	}
}

/* It wants to tell something: heard once, and the session goes on. */
START_TEST(a_signal_to_be_heard_ends_nothing)
{
	int64_t	 deadline = io_now_ms() + UNIT_MS;

	deaf = _i == 1;
	start();
	talk();
	for (int i = 1; i <= 3; i++) {
		ck_assert_int_eq(kill(child, SIGIO), 0);
		while (!deaf && atomic_load(&told->heard) < i) {
			ck_assert_int_lt(io_now_ms(), deadline);
			(void)poll(NULL, 0, 1);
		}
		talk();
	}
	shut(&client);
	unit_expect_end(server);
	shut(&server);
	expect_end(END_DONE);
	ck_assert_int_eq(atomic_load(&told->heard), deaf ? 0 : 3);
}
END_TEST

START_TEST(a_session_that_is_to_give_way_does)
{
	gives_way = true;
	start();
	wait_until_running();
	ck_assert_int_eq(kill(child, SIGIO), 0);
	expect_end(END_LIMIT);
}
END_TEST

/* The idle time runs from the last byte, and a signal is none. */
START_TEST(signals_do_not_keep_a_silent_session)
{
	int64_t		 begun;
	enum end	 end = END_INTERNAL;

	idle_ms = 200;
	start();
	talk();
	begun = io_now_ms();
	while (!has_ended(&end)) {
		ck_assert_int_lt(io_now_ms() - begun, 1500);
		ck_assert_int_eq(kill(child, SIGIO), 0);
		(void)poll(NULL, 0, 20);
	}
	ck_assert_str_eq(end_text(end), end_text(END_IDLE));
	ck_assert_int_ge(io_now_ms() - begun, 199);
}
END_TEST

START_TEST(half_closed_has_a_time_of_its_own)
{
	int64_t	 begun;

	half_closed_ms = 150;
	start();
	talk();
	/* It does not run before one side has ended. */
	ck_assert_int_eq(unit_wait(server, POLLIN, 300), 0);
	begun = io_now_ms();
	shutdown(_i == 0 ? client : server, SHUT_WR);
	unit_expect_end(_i == 0 ? server : client);
	unit_expect_reset(_i == 0 ? client : server);
	expect_end(END_HALF_CLOSED);
	ck_assert_int_ge(io_now_ms() - begun, 149);
	ck_assert_int_eq(told->up_done, _i == 0);
	ck_assert_int_eq(told->down_done, _i == 1);
}
END_TEST

/* Local sockets know no reset, or not always. */
START_TEST(half_closed_has_a_time_of_its_own_on_local_sockets)
{
	half_closed_ms = 100;
	start();
	shutdown(client, SHUT_WR);
	unit_expect_end(server);
	expect_end(END_HALF_CLOSED);
}
END_TEST

START_TEST(half_closed_cannot_outlast_idle)
{
	idle_ms = 100;
	start();
	shutdown(client, SHUT_WR);
	unit_expect_end(server);
	expect_end(END_HALF_CLOSED);
}
END_TEST

static const struct {
	int		 signo;
	enum end	 end;
} endings[] = {
	{ SIGTERM, END_SHUTDOWN },
	{ SIGALRM, END_TIMEOUT },
	{ SIG_ORPHAN, END_CRASHED },
	{ SIG_KILLED, END_KILLED },
};

START_TEST(a_signal_ends_a_silent_session)
{
	start();
	wait_until_running();
	ck_assert_int_eq(kill(child, endings[_i].signo), 0);
	expect_end(endings[_i].end);
	unit_expect_reset(client);
	unit_expect_reset(server);
}
END_TEST

/* Two more processes see to it that it never has to wait. */
START_TEST(a_signal_ends_a_session_that_never_pauses)
{
	pid_t	 talker, listener;
	bool	 reset;

	start();
	wait_until_running();
	talker = check_fork();
	if (talker == 0) {
		(void)unit_fill(client, UNIT_MS);
		_exit(0);
	}
	listener = check_fork();
	if (listener == 0) {
		(void)unit_drain(server, &reset);
		_exit(0);
	}
	while (atomic_load(&told->up) < 1000000)
		ck_assert_int_eq(kill(child, 0), 0);
	ck_assert_int_eq(kill(child, endings[_i].signo), 0);
	expect_end(endings[_i].end);
	ck_assert_int_eq(waitpid(talker, NULL, 0), talker);
	ck_assert_int_eq(waitpid(listener, NULL, 0), listener);
}
END_TEST

START_TEST(a_local_peer_that_closed_unread_is_a_reset)
{
	start();
	unit_write(server, "unread", 6);
	(void)unit_wait(client, POLLIN, UNIT_MS);
	shut(&client);
	expect_end(END_CLIENT_RESET);
}
END_TEST

static void
add_common(TCase *tc)
{
	tcase_set_timeout(tc, 30);
	tcase_add_test(tc, both_ways_are_relayed_until_both_have_ended);
	tcase_add_test(tc, a_client_that_has_ended_still_gets_its_answer);
	tcase_add_test(tc, a_server_that_has_ended_still_gets_the_rest);
	tcase_add_loop_test(tc, tiny_socket_buffers_lose_nothing_either_way,
	    0, 2);
	tcase_add_test(tc, a_slow_receiver_holds_its_sender_and_no_one_else);
	tcase_add_test(tc, a_side_that_hung_up_does_not_make_it_spin);
	tcase_add_test(tc, silence_ends_the_session);
	tcase_add_test(tc, traffic_one_way_keeps_both_alive);
	tcase_add_loop_test(tc, a_signal_to_be_heard_ends_nothing, 0, 2);
	tcase_add_test(tc, a_session_that_is_to_give_way_does);
	tcase_add_test(tc, signals_do_not_keep_a_silent_session);
	tcase_add_test(tc, half_closed_cannot_outlast_idle);
	tcase_add_test(tc, a_client_that_talks_on_to_nobody_is_cut_off);
	tcase_add_test(tc,
	    what_a_server_said_before_it_closed_reaches_a_client_that_talks_on
	    );
	tcase_add_test(tc,
	    a_silent_client_of_a_server_that_is_gone_is_not_kept);
	tcase_add_test(tc, a_client_that_left_before_the_answer_is_named);
	tcase_add_loop_test(tc, a_signal_ends_a_session_that_never_pauses, 0,
	    (int)nitems(endings));
}

Suite *
relay_cases(const char *name, relay_way *of)
{
	Suite	*s = suite_create(name);
	TCase	*tc = tcase_create("local");

	way = of;
	suite_add_tcase(s, tc);
	tcase_add_checked_fixture(tc, open_local, close_all);
	add_common(tc);
	tcase_add_test(tc,
	    half_closed_has_a_time_of_its_own_on_local_sockets);
	tcase_add_test(tc, a_local_peer_that_closed_unread_is_a_reset);

	tc = tcase_create("tcp");
	suite_add_tcase(s, tc);
	tcase_add_checked_fixture(tc, open_tcp, close_all);
	add_common(tc);
	tcase_add_test(tc, a_client_that_breaks_off_resets_the_server);
	tcase_add_test(tc, a_server_that_breaks_off_resets_the_client);
	tcase_add_test(tc,
	    a_server_that_breaks_off_in_the_middle_of_a_flood_resets_the_client
	    );
	tcase_add_test(tc,
	    a_client_that_breaks_off_in_the_middle_of_a_flood_resets_the_server
	    );
	tcase_add_test(tc,
	    a_connection_that_times_out_under_a_flood_resets_the_client);
	tcase_add_loop_test(tc, half_closed_has_a_time_of_its_own, 0, 2);
	tcase_add_loop_test(tc, a_signal_ends_a_silent_session, 0,
	    (int)nitems(endings));
	return s;
}
