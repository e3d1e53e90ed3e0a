#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fdpass.h"
#include "base/io.h"
#include "base/mem.h"
#include "base/net.h"
#include "base/sig.h"
#include "relay_cases.h"
#include "session/carry.h"
#include "unit.h"

/* --- the cases of every relay, for a carry that has just one */

static enum end	 outcome;
static bool	 is_over;

static void
note_end(struct carried *c, enum end end)
{
	(void)c;
	outcome = end;
	is_over = true;
}

static void
forget(struct carried *c)
{
	(void)c;
}

static enum end
carry_one(struct relay *r, size_t buffer, const struct told *told)
{
	struct carry	*carry = carry_new(note_end, forget);
	struct carried	 c = { .relay = *r, .buffer = buffer };
	enum end	 end;

	if (carry == NULL || carry_add(carry, &c) == -1)
		return END_INTERNAL;
	while (!is_over) {
		if (carry_turn(carry, io_now_ms() + UNIT_MS) == -1)
			return END_INTERNAL;
		if (!is_over && told_to_end(told, &end))
			carry_end(carry, &c, end);
	}
	carry_free(&carry);
	*r = c.relay;
	return outcome;
}

/* --- many of them, in this process */

#define MANY		1000

struct one {
	struct carried	 c;
	flow_count	 up, down;
	int		 client, server;
	bool		 over, forgotten;
	enum end	 end;
	int64_t		 ended;
};

static const int	 signals[] = { SIGTERM, SIGALRM, 0 };
static struct carry	*carry;
static struct one	*all;
static size_t		 nall;
static size_t		 nover, nforgotten;

static void
on_over(struct carried *c, enum end end)
{
	struct one	*o = c->owner;

	ck_assert(!o->over);
	o->over = true;
	o->end = end;
	o->ended = io_now_ms();
	nover++;
	if (c->relay.down.done)
		close(c->relay.up.from);
	else
		net_abort(c->relay.up.from);
	if (c->relay.up.done)
		close(c->relay.down.from);
	else
		net_abort(c->relay.down.from);
}

static void
on_forget(struct carried *c)
{
	struct one	*o = c->owner;

	ck_assert(o->over);
	ck_assert(!o->forgotten);
	o->forgotten = true;
	nforgotten++;
	/* Whoever looks at it after this finds nonsense. */
	memset(c, 0x5a, sizeof(*c));
}

static void
open_many(void)
{
	struct rlimit	 rl;

	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &rl), 0);
	rl.rlim_cur = rl.rlim_max;
	(void)setrlimit(RLIMIT_NOFILE, &rl);
	sig_init(signals);
	carry = carry_new(on_over, on_forget);
	ck_assert_ptr_nonnull(carry);
	all = mem_calloc(MANY, sizeof(*all));
	nall = nover = nforgotten = 0;
}

static void
shut(int *fd)
{
	if (*fd != -1)
		close(*fd);
	*fd = -1;
}

static void
close_many(void)
{
	for (size_t i = 0; i < nall; i++)
		if (!all[i].over)
			carry_end(carry, &all[i].c, END_SHUTDOWN);
	ck_assert_int_eq(carry_turn(carry, 0), 0);
	carry_free(&carry);
	ck_assert_ptr_null(carry);
	for (size_t i = 0; i < nall; i++) {
		shut(&all[i].client);
		shut(&all[i].server);
	}
	free(all);
}

/* One more session; local sockets unless `tcp'. */
static struct one *
add(bool tcp, int idle_ms, int half_closed_ms, int64_t end_by)
{
	struct one	*o = &all[nall++];
	int		 a[2], b[2];

	if (tcp) {
		unit_tcp_pair(a);
		unit_tcp_pair(b);
	} else {
		unit_local_pair(a);
		unit_local_pair(b);
	}
	o->client = a[0];
	o->server = b[1];
	o->c = (struct carried){
		.relay.idle_ms = idle_ms,
		.relay.half_closed_ms = half_closed_ms,
		.buffer = 65536, .end_by = end_by, .owner = o,
	};
	flow_init(&o->c.relay.up, a[1], b[0], NULL, 0, &o->up);
	flow_init(&o->c.relay.down, b[0], a[1], NULL, 0, &o->down);
	ck_assert_int_eq(carry_add(carry, &o->c), 0);
	return o;
}

static void
turn(int ms)
{
	ck_assert_int_eq(carry_turn(carry, io_now_ms() + ms), 0);
}

/* Turn until nothing has come for a moment. */
static void
settle(void)
{
	for (int i = 0; i < 50; i++)
		turn(1);
}

static void
talk(struct one *o)
{
	unit_write(o->client, "ping", 4);
	while (unit_wait(o->server, POLLIN, 0) == 0)
		turn(10);
	unit_expect(o->server, "ping", 4);
	unit_write(o->server, "pong!", 5);
	while (unit_wait(o->client, POLLIN, 0) == 0)
		turn(10);
	unit_expect(o->client, "pong!", 5);
}

START_TEST(a_thousand_events_at_once_are_all_done)
{
	for (int i = 0; i < MANY; i++)
		(void)add(false, UNIT_MS * 4, UNIT_MS * 4, 0);
	ck_assert_uint_eq(carry_count(carry), MANY);
	for (int round = 0; round < 3; round++) {
		for (size_t i = 0; i < MANY; i++) {
			unit_write(all[i].client, &i, sizeof(i));
			unit_write(all[i].server, &i, sizeof(i));
		}
		/* Both sides of each, at 256 events a turn. */
		for (int i = 0; i < 8; i++)
			turn(100);
		for (size_t i = 0; i < MANY; i++) {
			unit_expect(all[i].client, &i, sizeof(i));
			unit_expect(all[i].server, &i, sizeof(i));
		}
	}
	for (size_t i = 0; i < MANY; i++) {
		ck_assert_uint_eq(all[i].up, 3 * sizeof(i));
		ck_assert_uint_eq(all[i].down, 3 * sizeof(i));
		shut(&all[i].client);
		shut(&all[i].server);
	}
	for (int i = 0; i < 100 && nover < MANY; i++)
		turn(100);
	ck_assert_uint_eq(nforgotten, MANY);
	ck_assert_uint_eq(carry_count(carry), 0);
	for (size_t i = 0; i < MANY; i++)
		ck_assert_str_eq(end_text(all[i].end), end_text(END_DONE));
}
END_TEST

/* The first of the two ends it; the second finds it over and still there. */
START_TEST(both_sides_of_a_session_break_off_in_one_batch)
{
	for (int i = 0; i < 64; i++) {
		struct one	*o = add(true, UNIT_MS, UNIT_MS, 0);

		unit_reset(o->client);
		unit_reset(o->server);
		o->client = o->server = -1;
	}
	for (int i = 0; i < 100 && nover < nall; i++)
		turn(100);
	ck_assert_uint_eq(nover, 64);
	ck_assert_uint_eq(nforgotten, 64);
}
END_TEST

struct killer {
	struct carry_ear	 ear;
	size_t			 from, n;
};

static void
kill_all(void *ctx)
{
	struct killer	*k = ctx;
	char		 c;

	ck_assert_int_eq(read(k->ear.fd, &c, 1), 1);
	for (size_t i = k->from; i < k->from + k->n; i++)
		carry_end(carry, &all[i].c, END_KILLED);
	/* Twice is as good as once. */
	carry_end(carry, &all[k->from].c, END_TIMEOUT);
}

/* The ear comes first in the batch, and the events of all behind it. */
START_TEST(sessions_that_an_ear_ends_have_events_in_the_same_batch)
{
	int		 ends[2];
	struct killer	 k = { .n = 50 };

	unit_local_pair(ends);
	k.ear = (struct carry_ear){ ends[0], kill_all, &k };
	unit_write(ends[1], "k", 1);
	ck_assert_int_eq(carry_listen(carry, &k.ear, _i == 1), 0);
	for (int i = 0; i < 100; i++) {
		struct one	*o = add(false, UNIT_MS, UNIT_MS, 0);

		unit_write(o->client, "up", 2);
		unit_write(o->server, "down", 4);
	}
	turn(100);
	ck_assert_uint_eq(nover, 50);
	ck_assert_uint_eq(nforgotten, 50);
	ck_assert_uint_eq(carry_count(carry), 50);
	for (size_t i = 0; i < 50; i++)
		ck_assert_str_eq(end_text(all[i].end), "killed");
	carry_unlisten(carry, &k.ear);
	unit_write(ends[1], "k", 1);
	turn(10);
	ck_assert_uint_eq(nover, 50);
	for (size_t i = 50; i < 100; i++)
		unit_expect(all[i].client, "down", 4);
	shut(&ends[0]);
	shut(&ends[1]);
}
END_TEST

/* Fill it until both sides take no more; bytes that went in. */
static size_t
flood(struct one *o, bool up)
{
	static char	 zeros[65536];
	int		 fd = up ? o->client : o->server;
	size_t		 sent = 0;
	ssize_t		 n;

	for (int idle = 0; idle < 10;) {
		n = send(fd, zeros, sizeof(zeros), MSG_DONTWAIT |
		    MSG_NOSIGNAL);
		if (n > 0)
			sent += (size_t)n;
		idle = n > 0 ? 0 : idle + 1;
		turn(1);
	}
	return sent;
}

/* Bytes; valgrind and sanitizers have them in accounts of their own. */
static size_t
used(void)
{
	return mallinfo2().uordblks + mallinfo2().hblkhd;
}

START_TEST(a_session_has_memory_of_its_own_only_while_a_peer_is_slow)
{
	struct one	*o = add(true, UNIT_MS, UNIT_MS, 0);
	struct one	*other = add(true, UNIT_MS, UNIT_MS, 0);
	size_t		 before, sent, got = 0;
	char		 buf[65536];
	ssize_t		 n;

	talk(o);
	before = used();
	ck_assert_ptr_null(o->c.relay.up.buf);
	sent = flood(o, _i == 0);
	ck_assert_ptr_nonnull(_i == 0 ? o->c.relay.up.buf :
	    o->c.relay.down.buf);
	ck_assert_ptr_null(_i == 1 ? o->c.relay.up.buf :
	    o->c.relay.down.buf);
	/* Nobody else is in its way. */
	talk(other);
	while (got < sent) {
		n = recv(_i == 0 ? o->server : o->client, buf, sizeof(buf),
		    MSG_DONTWAIT);
		if (n > 0)
			got += (size_t)n;
		turn(n > 0 ? 0 : 10);
	}
	settle();
	ck_assert_ptr_null(o->c.relay.up.buf);
	ck_assert_ptr_null(o->c.relay.down.buf);
	ck_assert_uint_eq(used(), before);
	ck_assert_uint_eq(_i == 0 ? o->up : o->down, sent +
	    (_i == 0 ? 4 : 5));
	talk(o);
}
END_TEST

START_TEST(a_slow_session_that_is_ended_gives_its_memory_back)
{
	struct one	*o = add(true, UNIT_MS, UNIT_MS, 0);
	size_t		 before = used();

	(void)flood(o, true);
	(void)flood(o, false);
	if (before > 0)
		ck_assert_uint_gt(used(), before);
	carry_end(carry, &o->c, END_KILLED);
	turn(0);
	ck_assert_uint_eq(nforgotten, 1);
	ck_assert_uint_eq(used(), before);
}
END_TEST

/* One that reads so little at once. */
static struct one *
add_narrow(bool tcp, size_t size)
{
	struct one	*o = add(tcp, UNIT_MS, UNIT_MS, 0);

	o->c.buffer = o->c.relay.up.size = o->c.relay.down.size = size;
	return o;
}

/* Nothing tells of the rest but that it was not all. */
START_TEST(what_a_read_leaves_is_read_though_nothing_more_comes)
{
	static const size_t	 lens[] = {
		1, 511, 512, 513, 1023, 1024, 1025, 40000
	};
	static uint8_t		 bytes[40000];
	struct one		*o = add_narrow(_i % 2 == 0, 512);
	size_t			 len = lens[_i / 2];

	unit_paint(bytes, len, 0);
	for (size_t round = 1; round <= 3; round++) {
		unit_write(o->client, bytes, len);
		unit_write(o->server, bytes, len);
		settle();
		for (int i = 0; i < 100 && o->down < round * len; i++)
			turn(1);
		unit_expect(o->server, bytes, len);
		unit_expect(o->client, bytes, len);
	}
	talk(o);
}
END_TEST

START_TEST(an_end_that_is_there_before_the_bytes_are_read_is_passed_on)
{
	struct one	*o = add(_i < 2, UNIT_MS, UNIT_MS, 0);
	bool		 up = _i % 2 == 0;

	talk(o);
	unit_write(up ? o->client : o->server, "last", 4);
	shutdown(up ? o->client : o->server, SHUT_WR);
	settle();
	unit_expect(up ? o->server : o->client, "last", 4);
	unit_expect_end(up ? o->server : o->client);
	/* The other way is open yet. */
	unit_write(up ? o->server : o->client, "more", 4);
	settle();
	unit_expect(up ? o->client : o->server, "more", 4);
}
END_TEST

/* A read stops before it, and the next leaves it out. */
START_TEST(bytes_behind_urgent_data_are_read_and_it_costs_nothing_to_wait)
{
	struct one	*o = add(true, UNIT_MS, UNIT_MS, 0);
	int64_t		 until;
	int		 turns = 0;

	unit_write(o->client, "before", 6);
	ck_assert_int_eq(send(o->client, "!", 1, MSG_OOB), 1);
	unit_write(o->client, "behind", 6);
	settle();
	unit_expect(o->server, "beforebehind", 12);
	ck_assert_int_eq(send(o->client, "!", 1, MSG_OOB), 1);
	until = io_now_ms() + 200;
	for (; io_now_ms() < until; turns++)
		ck_assert_int_eq(carry_turn(carry, until), 0);
	ck_assert_int_lt(turns, 20);
	talk(o);
}
END_TEST

/* A read of a local socket stops at them, and nothing tells of the rest. */
START_TEST(bytes_behind_descriptors_are_read_though_these_go_nowhere)
{
	struct one	*o = add(false, UNIT_MS, UNIT_MS, 0);
	const int	 fds[] = { o->server };

	unit_write(o->client, "before", 6);
	ck_assert_int_eq(fdpass_send(o->client, "with", 4, fds, 1), 0);
	unit_write(o->client, "behind", 6);
	settle();
	unit_expect(o->server, "beforewithbehind", 16);
}
END_TEST

/* It is behind the bytes as an end is. */
START_TEST(a_reset_that_is_there_before_the_bytes_are_read_is_passed_on)
{
	struct one	*o = add(true, UNIT_MS, UNIT_MS, 0);
	int64_t		 until = io_now_ms() + UNIT_MS / 2;

	unit_write(o->client, "last words", 10);
	unit_reset(o->client);
	o->client = -1;
	while (!o->over && io_now_ms() < until)
		turn(10);
	ck_assert(o->over);
	ck_assert_str_eq(end_text(o->end), end_text(END_CLIENT_RESET));
}
END_TEST

/* As long as it is the last that came, it is passed on to nobody. */
START_TEST(urgent_data_alone_keeps_no_session_alive)
{
	struct one	*o = add(true, 1000, 1000, 0);
	int64_t		 since = io_now_ms();

	while (io_now_ms() < since + 500)
		turn(10);
	ck_assert_int_eq(send(o->client, "!", 1, MSG_OOB), 1);
	while (!o->over && io_now_ms() < since + UNIT_MS)
		turn(10);
	ck_assert(o->over);
	ck_assert_str_eq(end_text(o->end), end_text(END_IDLE));
	ck_assert_int_lt(o->ended - since, 1400);
}
END_TEST

/* Both ways at once, each read while the other can not be written. */
START_TEST(what_comes_while_a_peer_is_slow_is_passed_on_when_it_is_not)
{
	struct one	*o = add(true, UNIT_MS, UNIT_MS, 0);
	size_t		 up = flood(o, true), down = flood(o, false);
	size_t		 got_up = 0, got_down = 0;
	int64_t		 until = io_now_ms() + UNIT_MS;
	char		 buf[65536];
	ssize_t		 n;

	shutdown(o->client, SHUT_WR);
	settle();
	while (got_up < up || got_down < down) {
		ck_assert_int_lt(io_now_ms(), until);
		n = recv(o->server, buf, sizeof(buf), MSG_DONTWAIT);
		got_up += n > 0 ? (size_t)n : 0;
		n = recv(o->client, buf, sizeof(buf), MSG_DONTWAIT);
		got_down += n > 0 ? (size_t)n : 0;
		turn(1);
	}
	settle();
	unit_expect_end(o->server);
	ck_assert_uint_eq(o->up, up);
	ck_assert_uint_eq(o->down, down);
}
END_TEST

static long
cpu_ms(void)
{
	struct rusage	 ru;

	getrusage(RUSAGE_SELF, &ru);
	return (ru.ru_utime.tv_sec + ru.ru_stime.tv_sec) * 1000 +
	    (ru.ru_utime.tv_usec + ru.ru_stime.tv_usec) / 1000;
}

START_TEST(waiting_costs_nothing_whatever_the_peers_have_done)
{
	long	 before;
	int64_t	 until;
	int	 turns = 0;

	/* Quiet, slow, half closed, and gone while the other is slow. */
	(void)add(true, UNIT_MS, UNIT_MS, 0);
	(void)flood(add(true, UNIT_MS, UNIT_MS, 0), true);
	(void)add(true, UNIT_MS, UNIT_MS, 0);
	shutdown(all[2].client, SHUT_WR);
	(void)flood(add(true, UNIT_MS, UNIT_MS, 0), true);
	shut(&all[3].client);
	(void)add(false, UNIT_MS, UNIT_MS, 0);
	shutdown(all[4].client, SHUT_RDWR);
	(void)flood(add(false, UNIT_MS, UNIT_MS, 0), false);
	shut(&all[5].server);
	settle();
	before = cpu_ms();
	until = io_now_ms() + 500;
	for (; io_now_ms() < until; turns++)
		ck_assert_int_eq(carry_turn(carry, until), 0);
	ck_assert_int_lt(turns, 20);
	ck_assert_int_lt(cpu_ms() - before, 100);
}
END_TEST

/* What ended so long after it was begun, within a busy machine's reason. */
static void
expect_after(const struct one *o, int64_t since, int ms, enum end end)
{
	ck_assert(o->over);
	ck_assert_str_eq(end_text(o->end), end_text(end));
	ck_assert_int_ge(o->ended - since, ms);
	ck_assert_int_lt(o->ended - since, ms + 200);
}

START_TEST(each_has_times_of_its_own)
{
	int64_t		 since = io_now_ms();
	struct one	*last = add(true, 400, UNIT_MS, 0);
	struct one	*half = add(true, UNIT_MS, 200, 0);
	struct one	*whole = add(true, UNIT_MS, UNIT_MS, since + 300);
	struct one	*first = add(true, 100, UNIT_MS, 0);
	struct one	*busy = add(true, 150, UNIT_MS, 0);
	struct one	*past = add(true, UNIT_MS, UNIT_MS, since - 1);

	shutdown(half->client, SHUT_WR);
	while (io_now_ms() < since + 500) {
		turn(30);
		if (!busy->over)
			unit_write(busy->client, "x", 1);
		if (!whole->over)
			unit_write(whole->server, "x", 1);
	}
	expect_after(past, since, 0, END_TIMEOUT);
	expect_after(first, since, 100, END_IDLE);
	expect_after(half, since, 200, END_HALF_CLOSED);
	expect_after(whole, since, 300, END_TIMEOUT);
	expect_after(last, since, 400, END_IDLE);
	ck_assert(!busy->over);
}
END_TEST

START_TEST(a_thousand_times_come_each_when_it_is_due)
{
	int64_t	 since = io_now_ms();

	for (int i = 0; i < 200; i++)
		(void)add(false, 100 + i * 37 % 200, UNIT_MS, 0);
	while (nover < nall && io_now_ms() < since + UNIT_MS)
		turn(UNIT_MS);
	ck_assert_uint_eq(nforgotten, 200);
	for (int i = 0; i < 200; i++) {
		ck_assert_str_eq(end_text(all[i].end), "idle");
		ck_assert_int_ge(all[i].ended - since, 100 + i * 37 % 200);
	}
}
END_TEST

START_TEST(a_turn_ends_with_a_signal_or_at_its_deadline)
{
	int64_t	 since = io_now_ms();

	(void)add(false, UNIT_MS, UNIT_MS, 0);
	turn(50);
	ck_assert_int_ge(io_now_ms() - since, 50);
	ck_assert_int_lt(io_now_ms() - since, 500);
	ck_assert_int_eq(raise(SIGTERM), 0);
	turn(UNIT_MS);
	ck_assert(sig_take(SIGTERM));
	ck_assert_int_lt(io_now_ms() - since, UNIT_MS / 2);
}
END_TEST

/* A broken worker may hand over anything. */
START_TEST(descriptors_that_are_no_connections_end_at_once_or_are_refused)
{
	struct one	*o = &all[nall++];
	int		 fds[2];

	o->client = o->server = -1;
	o->c = (struct carried){
		.relay.idle_ms = UNIT_MS, .relay.half_closed_ms = UNIT_MS,
		.buffer = 65536, .owner = o,
	};
	switch (_i) {
	case 0:
		fds[0] = unit_tcp_listen(1, &(uint16_t){ 0 });
		fds[1] = dup(fds[0]);
		break;
	case 1:
		ck_assert_int_eq(pipe(fds), 0);
		ck_assert_int_eq(write(fds[1], "x", 1), 1);
		break;
	case 2:
		fds[0] = socket(AF_INET, SOCK_STREAM, 0);
		fds[1] = socket(AF_INET, SOCK_STREAM, 0);
		break;
	default:
		fds[0] = memfd_create("file", 0);
		fds[1] = -1;
	}
	flow_init(&o->c.relay.up, fds[0], fds[1], NULL, 0, &o->up);
	flow_init(&o->c.relay.down, fds[1], fds[0], NULL, 0, &o->down);
	if (_i == 3) {
		ck_assert_int_eq(carry_add(carry, &o->c), -1);
		ck_assert_uint_eq(carry_count(carry), 0);
		o->over = true;
		close(fds[0]);
		return;
	}
	ck_assert_int_eq(carry_add(carry, &o->c), 0);
	settle();
	if (_i == 0)		/* nothing ever comes: its time ends it */
		carry_end(carry, &o->c, END_IDLE);
	turn(0);
	ck_assert_uint_eq(nforgotten, 1);
	ck_assert_uint_eq(carry_count(carry), 0);
}
END_TEST

/* Shared with others, whose flags they are too. */
START_TEST(a_socket_that_blocks_does_not_stop_the_others)
{
	struct one	*o = add(true, UNIT_MS, UNIT_MS, 0);
	struct one	*other = add(true, UNIT_MS, UNIT_MS, 0);
	const int	 fds[] = { o->c.relay.up.from, o->c.relay.up.to };

	for (int i = 0; i < 2; i++)
		ck_assert_int_eq(fcntl(fds[i], F_SETFL, 0), 0);
	(void)flood(o, true);
	(void)flood(o, false);
	talk(other);
}
END_TEST

START_TEST(no_descriptor_is_left)
{
	int	 before = unit_count_fds();

	for (int i = 0; i < 10; i++)
		(void)add(i % 2 == 0, UNIT_MS, UNIT_MS, 0);
	for (size_t i = 0; i < nall; i++) {
		carry_end(carry, &all[i].c, END_SHUTDOWN);
		shut(&all[i].client);
		shut(&all[i].server);
	}
	ck_assert_int_eq(unit_count_fds(), before);
	turn(0);
}
END_TEST

int
main(void)
{
	Suite	*s = relay_cases("carry", carry_one);
	TCase	*tc = tcase_create("many");

	suite_add_tcase(s, tc);
	tcase_set_timeout(tc, 30);
	tcase_add_checked_fixture(tc, open_many, close_many);
	tcase_add_test(tc, a_thousand_events_at_once_are_all_done);
	tcase_add_test(tc, both_sides_of_a_session_break_off_in_one_batch);
	tcase_add_loop_test(tc,
	    sessions_that_an_ear_ends_have_events_in_the_same_batch, 0, 2);
	tcase_add_loop_test(tc,
	    a_session_has_memory_of_its_own_only_while_a_peer_is_slow, 0, 2);
	tcase_add_test(tc,
	    a_slow_session_that_is_ended_gives_its_memory_back);
	tcase_add_loop_test(tc,
	    what_a_read_leaves_is_read_though_nothing_more_comes, 0, 16);
	tcase_add_loop_test(tc,
	    an_end_that_is_there_before_the_bytes_are_read_is_passed_on, 0,
	    4);
	tcase_add_test(tc,
	    bytes_behind_urgent_data_are_read_and_it_costs_nothing_to_wait);
	tcase_add_test(tc,
	    bytes_behind_descriptors_are_read_though_these_go_nowhere);
	tcase_add_test(tc,
	    a_reset_that_is_there_before_the_bytes_are_read_is_passed_on);
	tcase_add_test(tc, urgent_data_alone_keeps_no_session_alive);
	tcase_add_test(tc,
	    what_comes_while_a_peer_is_slow_is_passed_on_when_it_is_not);
	tcase_add_test(tc,
	    waiting_costs_nothing_whatever_the_peers_have_done);
	tcase_add_test(tc, each_has_times_of_its_own);
	tcase_add_test(tc, a_thousand_times_come_each_when_it_is_due);
	tcase_add_test(tc, a_turn_ends_with_a_signal_or_at_its_deadline);
	tcase_add_loop_test(tc,
	    descriptors_that_are_no_connections_end_at_once_or_are_refused,
	    0, 4);
	tcase_add_test(tc, a_socket_that_blocks_does_not_stop_the_others);
	tcase_add_test(tc, no_descriptor_is_left);
	return unit_run(s);
}
