#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

#include <arpa/inet.h>

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "base/sig.h"
#include "session/back.h"
#include "wire/proxy_header.h"
#include "unit.h"

static int		 client, front;
static struct back	 b;
static enum end		 end;
static int64_t		 begun;

/* Servers that were told of as failed, in order. */
static uint32_t		 failed[16];
static size_t		 nfailed;
/* Of each candidate; their places where a test says nothing else. */
static const uint32_t	*numbers;

static const struct net_tcp	 tcp = { .nodelay = true };
static struct back_options	 options;

static void
note_failed(void *ctx, uint32_t server)
{
	ck_assert_ptr_eq(ctx, &nfailed);
	ck_assert_uint_lt(nfailed, 16);
	failed[nfailed++] = server;
}

static void
open_front(void)
{
	static const int	 signals[] = {
		SIGTERM, SIG_ORPHAN, SIG_KILLED, SIGUSR2, SIGIO, 0
	};
	int			 ends[2];

	sig_init(signals);
	numbers = NULL;
	options = (struct back_options){
		.tcp = &tcp, .failed = note_failed, .ctx = &nfailed,
	};
	unit_tcp_pair(ends);
	client = ends[0];
	front = ends[1];
}

static void
close_front(void)
{
	if (client != -1)
		close(client);
	close(front);
	unit_folder_remove();
}

static struct net_addr
at(uint16_t port)
{
	struct net_addr	 a = { .len = sizeof(a.u.in) };

	a.u.in.sin_family = AF_INET;
	a.u.in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	a.u.in.sin_port = htons(port);
	return a;
}

static struct net_addr
address(const char *text)
{
	struct net_spec	 s;
	const char	*why = "";

	ck_assert_msg(net_parse(text, false, &s, &why) == 0, "%s", why);
	return s.addr;
}

static int
dial(const struct net_addr *candidates, size_t n, int ms)
{
	struct back_candidate	 c[8];

	ck_assert_uint_le(n, 8);
	for (size_t i = 0; i < n; i++)
		c[i] = (struct back_candidate){ candidates[i],
			numbers != NULL ? numbers[i] : (uint32_t)i };
	nfailed = 0;
	begun = io_now_ms();
	return back_dial(&b, c, n, &options, front, begun + ms, &end);
}

static int
took(void)
{
	return (int)(io_now_ms() - begun);
}

/* Whose queue is full: what comes now is answered by nobody. */
struct hole {
	int		 listener;
	int		 fillers[16];
	size_t		 n;
	struct net_addr	 addr;
};

static void
dig(struct hole *h)
{
	uint16_t	 port;
	bool		 pending;
	int		 fd;

	h->listener = unit_tcp_listen(0, &port);
	h->addr = at(port);
	for (h->n = 0; h->n < 16;) {
		fd = net_dial(&h->addr, NULL, &tcp, &pending);
		ck_assert_int_ne(fd, -1);
		h->fillers[h->n++] = fd;
		if (pending && unit_wait(fd, POLLOUT, 60) == 0)
			return;
	}
	ck_abort_msg("the queue never fills");
}

static void
fill_up(struct hole *h)
{
	for (size_t i = 0; i < h->n; i++)
		close(h->fillers[i]);
	close(h->listener);
}

static void
expect_open(int listener)
{
	int	 s = unit_accept(listener);

	ck_assert_int_ne(b.fd, -1);
	unit_write(b.fd, "hi", 2);
	unit_expect(s, "hi", 2);
	close(s);
	close(b.fd);
}

START_TEST(a_server_that_listens_is_reached)
{
	uint16_t	 port;
	int		 l = unit_tcp_listen(4, &port);
	struct net_addr	 a = at(port);

	ck_assert_int_eq(dial(&a, 1, UNIT_MS), 0);
	ck_assert_uint_eq(b.tried, 1);
	ck_assert_str_eq(b.why, "");
	ck_assert(net_same(&b.addr, &a));
	expect_open(l);
	close(l);
}
END_TEST

START_TEST(servers_are_tried_in_their_order)
{
	uint16_t	 port[2];
	int		 l[2] = {
		unit_tcp_listen(4, &port[0]), unit_tcp_listen(4, &port[1]),
	};
	struct net_addr	 a[2] = { at(port[0]), at(port[1]) };

	ck_assert_int_eq(dial(a, 2, UNIT_MS), 0);
	ck_assert(net_same(&b.addr, &a[0]));
	expect_open(l[0]);
	ck_assert_int_eq(unit_wait(l[1], POLLIN, 0), 0);
	close(l[0]);
	close(l[1]);
}
END_TEST

START_TEST(after_one_that_refuses_comes_the_next)
{
	uint16_t	 port;
	int		 held[2], l = unit_tcp_listen(4, &port), before;
	struct net_addr	 a[3];

	a[0] = at(unit_dead_port(&held[0]));
	a[1] = at(unit_dead_port(&held[1]));
	a[2] = at(port);
	before = unit_count_fds();
	ck_assert_int_eq(dial(a, 3, UNIT_MS), 0);
	ck_assert_uint_eq(b.tried, 3);
	ck_assert_str_eq(b.why, "");
	ck_assert(net_same(&b.addr, &a[2]));
	ck_assert_uint_eq(b.server, 2);
	ck_assert_uint_eq(nfailed, 2);
	ck_assert_uint_eq(failed[0], 0);
	ck_assert_uint_eq(failed[1], 1);
	ck_assert_int_eq(unit_count_fds(), before + 1);
	expect_open(l);
	close(l);
	close(held[0]);
	close(held[1]);
}
END_TEST

START_TEST(when_all_refuse_the_last_is_named)
{
	char		 want[128], text[NET_TEXT_MAX];
	int		 held[2], before;
	struct net_addr	 a[2];

	a[0] = at(unit_dead_port(&held[0]));
	a[1] = at(unit_dead_port(&held[1]));
	before = unit_count_fds();
	ck_assert_int_eq(dial(a, 2, UNIT_MS), -1);
	ck_assert_int_eq(end, END_UNREACHABLE);
	ck_assert_int_eq(b.fd, -1);
	ck_assert_uint_eq(b.tried, 2);
	snprintf(want, sizeof(want), "connect to %s: Connection refused",
	    net_text(&a[1], text, sizeof(text)));
	ck_assert_str_eq(b.why, want);
	ck_assert_uint_eq(nfailed, 2);
	ck_assert_int_lt(took(), UNIT_MS);
	ck_assert_int_eq(unit_count_fds(), before);
	close(held[0]);
	close(held[1]);
}
END_TEST

START_TEST(without_a_candidate_there_is_no_server)
{
	ck_assert_int_eq(dial(NULL, 0, UNIT_MS), -1);
	ck_assert_int_eq(end, END_UNREACHABLE);
	ck_assert_int_eq(b.fd, -1);
	ck_assert_uint_eq(b.tried, 0);
	ck_assert_str_eq(b.why, "no server has an address");
}
END_TEST

START_TEST(one_that_does_not_answer_leaves_time_for_the_next)
{
	struct hole	 h;
	uint16_t	 port;
	int		 l = unit_tcp_listen(4, &port);
	struct net_addr	 a[2];

	dig(&h);
	a[0] = h.addr;
	a[1] = at(port);
	ck_assert_int_eq(dial(a, 2, 400), 0);
	ck_assert_int_ge(took(), 190);
	ck_assert_int_lt(took(), 390);
	ck_assert_uint_eq(b.tried, 2);
	ck_assert_uint_eq(nfailed, 1);
	ck_assert_uint_eq(failed[0], 0);
	expect_open(l);
	close(l);
	fill_up(&h);
}
END_TEST

START_TEST(the_deadline_holds_when_nobody_answers)
{
	struct hole	 h;
	struct net_addr	 a[3];
	int		 before;

	dig(&h);
	a[0] = a[1] = a[2] = h.addr;
	before = unit_count_fds();
	ck_assert_int_eq(dial(a, (size_t)_i, 400), -1);
	ck_assert_int_ge(took(), 390);
	ck_assert_int_lt(took(), 1500);
	ck_assert_int_eq(end, END_UNREACHABLE);
	ck_assert_uint_eq(b.tried, (size_t)_i);
	ck_assert_ptr_nonnull(strstr(b.why, "Connection timed out"));
	ck_assert_uint_eq(nfailed, (size_t)_i);
	ck_assert_int_eq(unit_count_fds(), before);
	fill_up(&h);
}
END_TEST

/* In a child, what the test does to the front or the dialling process. */
static pid_t
after_a_moment(void (*act)(void))
{
	pid_t	 pid = check_fork();

	if (pid == 0) {
		(void)poll(NULL, 0, 50);
		act();
		_exit(0);
	}
	return pid;
}

static void
reset_client(void)
{
	unit_reset(client);
}

START_TEST(a_client_that_broke_off_wants_no_server)
{
	struct hole	 h;
	pid_t		 pid;
	int		 before;

	dig(&h);
	before = unit_count_fds();
	pid = after_a_moment(reset_client);
	close(client);			/* the child's is the last one */
	client = -1;
	ck_assert_int_eq(dial(&h.addr, 1, UNIT_MS), -1);
	ck_assert_int_lt(took(), UNIT_MS / 2);
	ck_assert_int_eq(end, END_CLIENT_RESET);
	ck_assert_uint_eq(nfailed, 0);
	ck_assert_int_eq(b.fd, -1);
	ck_assert_str_eq(b.why, "");
	ck_assert_int_eq(unit_count_fds(), before - 1);
	ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
	fill_up(&h);
}
END_TEST

/* Told once, and only when there is none left to try. */
START_TEST(a_server_failed_when_all_its_addresses_did)
{
	static const uint32_t	 two[] = { 7, 7, 9, 9, 5 };
	uint16_t		 port;
	int			 held[3], l = unit_tcp_listen(4, &port);
	struct net_addr		 a[5];

	for (int i = 0; i < 3; i++)
		a[i] = at(unit_dead_port(&held[i]));
	a[3] = a[4] = at(port);
	numbers = two;
	ck_assert_int_eq(dial(a, 5, UNIT_MS), 0);
	ck_assert_uint_eq(b.tried, 4);
	ck_assert_uint_eq(b.server, 9);
	ck_assert_uint_eq(nfailed, 1);
	ck_assert_uint_eq(failed[0], 7);
	expect_open(l);
	options.failed = NULL;
	ck_assert_int_eq(dial(a, 3, UNIT_MS), -1);
	close(l);
	for (int i = 0; i < 3; i++)
		close(held[i]);
}
END_TEST

START_TEST(one_that_had_next_to_no_time_did_not_fail)
{
	struct hole	 h;
	struct net_addr	 a[6];

	dig(&h);
	for (int i = 0; i < 6; i++)
		a[i] = h.addr;
	ck_assert_int_eq(dial(a, 6, 640), -1);
	ck_assert_uint_eq(b.tried, 6);
	ck_assert_uint_ge(nfailed, 2);
	ck_assert_uint_le(nfailed, 3);
	fill_up(&h);
}
END_TEST

static struct net_addr
source(const char *text)
{
	struct net_addr	 a = address(text);

	net_set_port(&a, 0);
	return a;
}

START_TEST(a_lack_of_ours_is_no_failure_of_the_server)
{
	struct net_addr	 a, mine = source("192.0.2.1:1");
	uint16_t	 port;
	int		 l = unit_tcp_listen(4, &port);

	a = at(port);
	options.source = &mine;
	ck_assert_int_eq(dial(&a, 1, UNIT_MS), -1);
	ck_assert_int_eq(end, END_UNREACHABLE);
	ck_assert_ptr_nonnull(strstr(b.why, "Cannot assign"));
	ck_assert_uint_eq(nfailed, 0);
	close(l);
}
END_TEST

START_TEST(a_server_is_dialled_from_the_source)
{
	struct net_addr		 a[2], seen, mine = source("127.0.0.9:1");
	uint16_t		 port;
	int			 s, l = unit_tcp_listen(4, &port);

	a[0] = address("[::1]:1");	/* not to be reached from there */
	a[1] = at(port);
	options.source = &mine;
	ck_assert_int_eq(dial(a, 2, UNIT_MS), 0);
	ck_assert_uint_eq(b.tried, 1);
	ck_assert_uint_eq(b.server, 1);
	ck_assert_uint_eq(nfailed, 0);
	s = unit_accept(l);
	seen.len = sizeof(seen.u);
	ck_assert_int_eq(getpeername(s, &seen.u.sa, &seen.len), 0);
	net_set_port(&seen, 0);
	ck_assert(net_same(&seen, &mine));
	close(s);
	close(b.fd);
	close(l);
}
END_TEST

static void
terminate_parent(void)
{
	kill(getppid(), SIGTERM);
}

START_TEST(a_shutdown_ends_the_dial)
{
	struct hole	 h;
	pid_t		 pid;
	int		 before;

	dig(&h);
	before = unit_count_fds();
	pid = after_a_moment(terminate_parent);
	ck_assert_int_eq(dial(&h.addr, 1, UNIT_MS), -1);
	ck_assert_int_lt(took(), UNIT_MS / 2);
	ck_assert_int_eq(end, END_SHUTDOWN);
	ck_assert_int_eq(b.fd, -1);
	ck_assert_int_eq(unit_count_fds(), before);
	ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
	fill_up(&h);
}
END_TEST

static void
crash_spawner(void)
{
	kill(getppid(), SIG_ORPHAN);
}

START_TEST(a_crashed_spawner_ends_the_dial)
{
	struct hole	 h;
	pid_t		 pid;

	dig(&h);
	pid = after_a_moment(crash_spawner);
	ck_assert_int_eq(dial(&h.addr, 1, UNIT_MS), -1);
	ck_assert_int_lt(took(), UNIT_MS / 2);
	ck_assert_int_eq(end, END_CRASHED);
	ck_assert_int_eq(b.fd, -1);
	ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
	fill_up(&h);
}
END_TEST

static void
kill_session(void)
{
	kill(getppid(), SIG_KILLED);
}

START_TEST(a_killed_session_dials_no_more_and_the_next_does)
{
	struct hole	 h;
	pid_t		 pid;
	uint16_t	 port;
	int		 l = unit_tcp_listen(4, &port);
	struct net_addr	 a = at(port);

	dig(&h);
	pid = after_a_moment(kill_session);
	ck_assert_int_eq(dial(&h.addr, 1, UNIT_MS), -1);
	ck_assert_int_lt(took(), UNIT_MS / 2);
	ck_assert_int_eq(end, END_KILLED);
	ck_assert_int_eq(b.fd, -1);
	ck_assert_str_eq(b.why, "");
	ck_assert_uint_eq(nfailed, 0);
	ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
	ck_assert_int_eq(dial(&a, 1, UNIT_MS), 0);
	expect_open(l);
	close(l);
	fill_up(&h);
}
END_TEST

static bool	 gives_way;

static bool
hear(void *ctx)
{
	++*(int *)ctx;
	return gives_way;
}

static void
tell_parent(void)
{
	kill(getppid(), SIGIO);
}

START_TEST(a_dial_gives_way_when_it_is_to)
{
	struct hole	 h;
	pid_t		 pid;
	int		 heard = 0;
	struct told	 told = { .heard = hear, .ctx = &heard };

	gives_way = _i == 1;
	options.told = &told;
	dig(&h);
	pid = after_a_moment(tell_parent);
	ck_assert_int_eq(dial(&h.addr, 1, 300), -1);
	ck_assert_int_eq(heard, 1);
	ck_assert_int_eq(b.fd, -1);
	if (gives_way) {
		ck_assert_int_lt(took(), 290);
		ck_assert_int_eq(end, END_LIMIT);
		ck_assert_str_eq(b.why, TOLD_GIVE_WAY);
		ck_assert_uint_eq(nfailed, 0);
	} else {
		ck_assert_int_ge(took(), 290);
		ck_assert_int_eq(end, END_UNREACHABLE);
	}
	ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
	fill_up(&h);
}
END_TEST

static void
disturb_parent(void)
{
	kill(getppid(), SIGUSR2);
}

START_TEST(another_signal_does_not)
{
	struct hole	 h;
	pid_t		 pid;

	dig(&h);
	pid = after_a_moment(disturb_parent);
	ck_assert_int_eq(dial(&h.addr, 1, 300), -1);
	ck_assert_int_ge(took(), 290);
	ck_assert_int_eq(end, END_UNREACHABLE);
	ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
	fill_up(&h);
}
END_TEST

/* A client that has sent all it will is not gone: "echo x | nc". */
START_TEST(a_client_that_ended_its_stream_is_served)
{
	uint16_t	 port;
	int		 l = unit_tcp_listen(4, &port);
	struct net_addr	 a = at(port);

	unit_write(client, "all", 3);
	shutdown(client, SHUT_WR);
	(void)unit_wait(front, POLLRDHUP, UNIT_MS);
	ck_assert_int_eq(dial(&a, 1, UNIT_MS), 0);
	expect_open(l);
	close(l);
}
END_TEST

/* A local one that closed shows as hung up, with its bytes to be read. */
START_TEST(a_local_client_that_sent_and_closed_is_served)
{
	struct hole	 h;
	uint16_t	 port;
	int		 l = unit_tcp_listen(4, &port), ends[2];
	struct net_addr	 a[2];

	dig(&h);
	a[0] = h.addr;
	a[1] = at(port);
	close(front);
	unit_local_pair(ends);
	front = ends[1];
	unit_write(ends[0], "all", 3);
	close(ends[0]);
	ck_assert_int_ne(unit_wait(front, POLLHUP, UNIT_MS) & POLLHUP, 0);
	ck_assert_int_eq(dial(a, 2, 300), 0);
	/* Not sooner either, as by spinning over the hang-up. */
	ck_assert_int_ge(took(), 140);
	expect_open(l);
	unit_expect(front, "all", 3);
	close(l);
	fill_up(&h);
}
END_TEST

static int
listen_unix(const char *text, int backlog)
{
	struct net_addr	 a = address(text);
	int		 fd = socket(AF_UNIX,
			    SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	ck_assert_int_eq(bind(fd, &a.u.sa, a.len), 0);
	ck_assert_int_eq(listen(fd, backlog), 0);
	return fd;
}

START_TEST(a_local_server_is_reached)
{
	char		 text[128];
	struct net_addr	 a;
	int		 l;

	if (_i == 0)
		snprintf(text, sizeof(text), "unix:%s/sock", unit_folder());
	else
		snprintf(text, sizeof(text), "unix:@sallyport-back-%d",
		    (int)getpid());
	l = listen_unix(text, 4);
	a = address(text);
	ck_assert_int_eq(dial(&a, 1, UNIT_MS), 0);
	expect_open(l);
	close(l);
}
END_TEST

START_TEST(a_local_server_that_is_not_there_is_passed_over)
{
	uint16_t	 port;
	int		 l = unit_tcp_listen(4, &port);
	struct net_addr	 a[2] = {
		address("unix:/nonexistent/sock"), at(port),
	};

	ck_assert_int_eq(dial(a, 1, UNIT_MS), -1);
	ck_assert_str_eq(b.why, "connect to unix:/nonexistent/sock: "
	    "No such file or directory");
	ck_assert_int_eq(dial(a, 2, UNIT_MS), 0);
	expect_open(l);
	close(l);
}
END_TEST

static int	 full, waiting[64], nwaiting;

static void
fill_queue(const struct net_addr *a)
{
	bool	 pending;

	for (nwaiting = 0; nwaiting < 64; nwaiting++) {
		waiting[nwaiting] = net_dial(a, NULL, &tcp, &pending);
		if (waiting[nwaiting] == -1)
			return;
	}
	ck_abort_msg("the queue never fills");
}

static void
accept_one(void)
{
	int	 fd = accept(full, NULL, NULL);

	/* Held until the test is over. */
	if (fd != -1)
		(void)poll(NULL, 0, 100);
}

START_TEST(a_full_local_queue_is_waited_for)
{
	char		 text[64];
	struct net_addr	 a;
	pid_t		 pid;

	snprintf(text, sizeof(text), "unix:@sallyport-queue-%d",
	    (int)getpid());
	full = listen_unix(text, 0);
	a = address(text);
	fill_queue(&a);
	ck_assert_int_eq(dial(&a, 1, 100), -1);
	ck_assert_int_eq(end, END_UNREACHABLE);
	ck_assert_int_ge(took(), 99);
	ck_assert_int_lt(took(), 1000);
	ck_assert_ptr_nonnull(strstr(b.why, "Connection timed out"));
	pid = after_a_moment(accept_one);
	ck_assert_int_eq(dial(&a, 1, UNIT_MS), 0);
	ck_assert_int_lt(took(), UNIT_MS / 2);
	close(b.fd);
	ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
	close(full);
}
END_TEST

START_TEST(a_shutdown_ends_the_wait_for_a_local_queue)
{
	char		 text[64];
	struct net_addr	 a;
	pid_t		 pid;

	snprintf(text, sizeof(text), "unix:@sallyport-stop-%d",
	    (int)getpid());
	full = listen_unix(text, 0);
	a = address(text);
	fill_queue(&a);
	pid = after_a_moment(terminate_parent);
	ck_assert_int_eq(dial(&a, 1, UNIT_MS), -1);
	ck_assert_int_lt(took(), UNIT_MS / 2);
	ck_assert_int_eq(end, END_SHUTDOWN);
	ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
	close(full);
}
END_TEST

START_TEST(an_ipv6_server_is_reached)
{
	struct net_addr	 a = address("[::1]:1");
	uint16_t	 port;
	int		 l = unit_tcp6_listen(4, &port);

	if (l == -1)
		return;
	net_set_port(&a, port);
	ck_assert_int_eq(dial(&a, 1, UNIT_MS), 0);
	expect_open(l);
	close(l);
}
END_TEST

START_TEST(a_server_reads_who_its_client_is)
{
	static const char	 v1[] =
	    "PROXY TCP4 10.0.0.1 10.0.0.2 1000 2000\r\n";
	struct net_addr		 from = address("10.0.0.1:1000");
	struct net_addr		 to = address("10.0.0.2:2000");
	struct proxy_header	 h;
	const char		*why = "";
	uint8_t			 buf[PROXY_HEADER_OUT_MAX];
	int			 ends[2];

	unit_tcp_pair(ends);
	ck_assert_int_eq(back_send_proxy(ends[0], 1, &from, &to, "0123",
	    &why), 0);
	unit_expect(ends[1], v1, sizeof(v1) - 1);
	ck_assert_int_eq(back_send_proxy(ends[0], 2, &from, &to, "0123",
	    &why), 0);
	ck_assert_int_ne(unit_wait(ends[1], POLLIN, UNIT_MS), 0);
	ck_assert_int_eq(recv(ends[1], buf, sizeof(buf), 0), 35);
	ck_assert_int_eq(proxy_header_decode(buf, 35, &h, &why), 35);
	ck_assert_uint_eq(h.id_len, 4);
	ck_assert_mem_eq(h.id, "0123", 4);
	ck_assert(net_same(&h.from, &from));
	ck_assert(net_same(&h.to, &to));
	ck_assert_int_eq(back_send_proxy(ends[0], 2, NULL, NULL, NULL, &why),
	    0);
	ck_assert_int_ne(unit_wait(ends[1], POLLIN, UNIT_MS), 0);
	ck_assert_int_eq(recv(ends[1], buf, sizeof(buf), 0), 16);
	ck_assert_int_eq(proxy_header_decode(buf, 16, &h, &why), 16);
	ck_assert(h.local);
	unit_reset(ends[1]);
	ck_assert_int_ne(unit_wait(ends[0], POLLERR, UNIT_MS), 0);
	ck_assert_int_eq(back_send_proxy(ends[0], 2, &from, &to, NULL, &why),
	    -1);
	ck_assert_str_eq(why, "the server did not take the PROXY header");
	close(ends[0]);
}
END_TEST

START_TEST(every_end_has_a_word_of_its_own)
{
	for (int i = END_DONE; i <= END_INTERNAL; i++)
		for (int j = END_DONE; j < i; j++)
			ck_assert_str_ne(end_text((enum end)i),
			    end_text((enum end)j));
	ck_assert_str_eq(end_text(END_DONE), "done");
	ck_assert_str_eq(end_text(END_INTERNAL), "internal");
}
END_TEST

int
main(void)
{
	Suite	*s = suite_create("back");
	TCase	*tc = tcase_create("back");

	suite_add_tcase(s, tc);
	tcase_set_timeout(tc, 30);
	tcase_add_checked_fixture(tc, open_front, close_front);
	tcase_add_test(tc, a_server_that_listens_is_reached);
	tcase_add_test(tc, servers_are_tried_in_their_order);
	tcase_add_test(tc, after_one_that_refuses_comes_the_next);
	tcase_add_test(tc, when_all_refuse_the_last_is_named);
	tcase_add_test(tc, without_a_candidate_there_is_no_server);
	tcase_add_test(tc, one_that_does_not_answer_leaves_time_for_the_next);
	tcase_add_loop_test(tc, the_deadline_holds_when_nobody_answers, 1, 4);
	tcase_add_test(tc, a_client_that_broke_off_wants_no_server);
	tcase_add_test(tc, a_server_failed_when_all_its_addresses_did);
	tcase_add_test(tc, one_that_had_next_to_no_time_did_not_fail);
	tcase_add_test(tc, a_lack_of_ours_is_no_failure_of_the_server);
	tcase_add_test(tc, a_server_is_dialled_from_the_source);
	tcase_add_test(tc, a_shutdown_ends_the_dial);
	tcase_add_test(tc, a_crashed_spawner_ends_the_dial);
	tcase_add_test(tc,
	    a_killed_session_dials_no_more_and_the_next_does);
	tcase_add_loop_test(tc, a_dial_gives_way_when_it_is_to, 0, 2);
	tcase_add_test(tc, another_signal_does_not);
	tcase_add_test(tc, a_client_that_ended_its_stream_is_served);
	tcase_add_test(tc, a_local_client_that_sent_and_closed_is_served);
	tcase_add_loop_test(tc, a_local_server_is_reached, 0, 2);
	tcase_add_test(tc, a_local_server_that_is_not_there_is_passed_over);
	tcase_add_test(tc, a_full_local_queue_is_waited_for);
	tcase_add_test(tc, a_shutdown_ends_the_wait_for_a_local_queue);
	tcase_add_test(tc, an_ipv6_server_is_reached);
	tcase_add_test(tc, a_server_reads_who_its_client_is);
	tcase_add_test(tc, every_end_has_a_word_of_its_own);
	return unit_run(s);
}
