/*
 * Carriers: sessions go there whole, and stay whole whatever happens.
 */
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "rig.h"

#define LISTENER "listeners = ( { name = \"l\"; listen = \"127.0.0.1:%d\"; " \
	"forward = \"127.0.0.1:%d\"; %s } );\n"
#define ALWAYS	"carry = \"always\"; "

static struct daemon	 d;
static int		 port, lfd, server_port;

/* One listener with keys of its own, and what else the daemon has. */
static void
up(const char *listener, const char *others)
{
	lfd = rig_listen(&server_port);
	port = rig_port();
	rig_up(&d, LISTENER "%s", port, server_port, listener, others);
}

/* Carriers, so many, with room for so many each. */
static void
up_with(const char *listener, int carriers, int sessions)
{
	char	 buf[256];

	snprintf(buf, sizeof(buf), "carriers = { count = %d; sessions = %d; "
	    "};\nworkers = { spare = 2; };\n", carriers, sessions);
	up(listener, buf);
}

static void
down(void)
{
	rig_down(&d);
	close(lfd);
}

struct pair {
	int	 client, server;
};

static void
talk(const struct pair *p)
{
	rig_say(p->client, "ping");
	rig_hear(p->server, "ping");
	rig_say(p->server, "pong!");
	rig_hear(p->client, "pong!");
}

/* A session that is relayed. */
static struct pair
begin(void)
{
	struct pair	 p = { .client = rig_dial(port) };

	ck_assert_int_ne(p.client, -1);
	p.server = rig_accept(lfd);
	talk(&p);
	return p;
}

static void
end(struct pair *p)
{
	close(p->client);
	rig_hear_end(p->server);
	close(p->server);
}

/* Sessions in all carriers, by their titles. */
static int
carried(pid_t *least, pid_t *most)
{
	pid_t	 pids[64];
	char	 title[512], *p;
	int	 sum = 0, n, low = 1 << 30, high = -1;
	size_t	 found = rig_pids(&d, "carrier: ", pids, 64);

	for (size_t i = 0; i < found; i++) {
		p = strstr(rig_proc(pids[i], "cmdline", title,
		    sizeof(title)), "carrier: ");
		n = p == NULL ? 0 : atoi(p + strlen("carrier: "));
		sum += n;
		if (n < low && least != NULL)
			*least = pids[i];
		if (n > high && most != NULL)
			*most = pids[i];
		low = n < low ? n : low;
		high = n > high ? n : high;
	}
	return sum;
}

/* Under valgrind titles are its own; there most will be by then. */
static void
until_carried(int n)
{
	int64_t	 deadline = rig_now() + rig_patience(RIG_MS);
	int	 now;

	if (rig_is_slow()) {
		(void)poll(NULL, 0, 3000);
		return;
	}
	while ((now = carried(NULL, NULL)) != n) {
		ck_assert_msg(rig_now() < deadline, "%d are carried, not %d",
		    now, n);
		(void)poll(NULL, 0, 2);
	}
}

/* The line of a session that had `talk' so often, and its end. */
static void
expect_line(int talks, const char *how)
{
	const char	*line = rig_line(&d, " end=");

	ck_assert_msg(strstr(line, how) != NULL, "not %s: %s", how, line);
	ck_assert_int_eq((int)rig_number(line, "up"), 4 * talks);
	ck_assert_int_eq((int)rig_number(line, "down"), 5 * talks);
}

START_TEST(a_session_is_handed_over_when_the_listener_says_so)
{
	static const struct {
		const char	*carry;
		int		 carried;
	}		 table[] = {
		{ ALWAYS, 1 },
		{ "", 1 },			/* quiet for a second */
		{ "carry = \"never\"; ", 0 },
	};
	struct pair	 p;

	up(table[_i].carry, "");
	p = begin();
	if (table[_i].carried)
		until_carried(1);
	else
		(void)poll(NULL, 0, 1500);
	ck_assert_int_eq(carried(NULL, NULL), table[_i].carried);
	rig_until(&d, "worker tcp: l ", table[_i].carried == 0);
	for (int i = 0; i < 100; i++)
		talk(&p);
	end(&p);
	expect_line(101, "end=done");
	ck_assert_uint_eq(rig_count(&d, " end="), 1);
	until_carried(0);
	down();
}
END_TEST

START_TEST(a_crowd_is_handed_over_while_it_is_busy)
{
	struct pair	 p[16];
	int64_t		 deadline;
	int		 talks = 1;

	up("", "workers = { spare = 2; };\n");
	for (int i = 0; i < 16; i++)
		p[i] = begin();
	/* Also the last ones, of whom there are no more than CPUs. */
	deadline = rig_now() + rig_patience(RIG_MS);
	while (carried(NULL, NULL) != 16 && !(rig_is_slow() && talks > 1)) {
		ck_assert_int_lt(rig_now(), deadline);
		for (int i = 0; i < 50; i++, talks++)
			for (int j = 0; j < 16; j++)
				talk(&p[j]);
	}
	for (int i = 0; i < 16; i++) {
		end(&p[i]);
		expect_line(talks, "end=done");
	}
	down();
}
END_TEST

/* Bytes that show what is lost, doubled or out of order. */
static uint8_t
pattern(size_t at)
{
	return (uint8_t)(at ^ at >> 8 ^ at >> 16);
}

struct stream {
	size_t	 sent, got;
};

static void
push(struct stream *s, int fd, size_t most, size_t piece)
{
	uint8_t	 buf[16384];
	size_t	 n = most - s->sent;
	ssize_t	 rc;

	n = n > piece ? piece : n;
	for (size_t i = 0; i < n; i++)
		buf[i] = pattern(s->sent + i);
	rc = n > 0 ? send(fd, buf, n, MSG_DONTWAIT | MSG_NOSIGNAL) : 0;
	if (rc > 0)
		s->sent += (size_t)rc;
}

static void
pull(struct stream *s, int fd)
{
	uint8_t	 buf[16384];
	ssize_t	 n = recv(fd, buf, sizeof(buf), MSG_DONTWAIT);

	for (ssize_t i = 0; i < n; i++)
		if (buf[i] != pattern(s->got + (size_t)i))
			ck_abort_msg("byte %zu is not what was sent",
			    s->got + (size_t)i);
	if (n > 0)
		s->got += (size_t)n;
}

#define FLOODS	8

struct flood {
	struct pair	 p[FLOODS];
	struct stream	 up[FLOODS], down[FLOODS];
	size_t		 n;
};

/* Bytes both ways through all of them, in pieces of odd sizes. */
static void
flow(struct flood *f, int ms)
{
	int64_t	 until = rig_now() + ms;

	for (size_t round = 1; rig_now() < until; round++)
		for (size_t i = 0; i < f->n; i++) {
			push(&f->up[i], f->p[i].client, SIZE_MAX,
			    1 + round * 7 % 16000);
			push(&f->down[i], f->p[i].server, SIZE_MAX,
			    1 + round * 13 % 16000);
			pull(&f->up[i], f->p[i].server);
			pull(&f->down[i], f->p[i].client);
		}
}

/* All that was sent arrives, and each leaves its line. */
static void
finish_flood(struct flood *f)
{
	int64_t		 deadline = rig_now() + rig_patience(RIG_MS);
	size_t		 up_bytes = 0, lines_up = 0;
	const char	*line;

	for (size_t i = 0; i < f->n; i++) {
		while (f->up[i].got < f->up[i].sent ||
		    f->down[i].got < f->down[i].sent) {
			ck_assert_int_lt(rig_now(), deadline);
			pull(&f->up[i], f->p[i].server);
			pull(&f->down[i], f->p[i].client);
		}
		end(&f->p[i]);
		up_bytes += f->up[i].sent + 4;
	}
	for (size_t i = 0; i < f->n; i++) {
		line = rig_line(&d, " end=");
		ck_assert_ptr_nonnull(strstr(line, "end=done"));
		lines_up += (size_t)rig_number(line, "up");
	}
	ck_assert_uint_eq(lines_up, up_bytes);
	ck_assert_uint_eq(rig_count(&d, " end="), f->n);
}

/* The first pause in a stream is enough for one to move. */
START_TEST(bytes_that_flow_while_it_is_handed_over_arrive_as_they_were_sent)
{
	struct flood	 f = { .n = FLOODS };

	up(_i == 0 ? ALWAYS : "", "workers = { spare = 2; };\n");
	for (size_t i = 0; i < f.n; i++)
		f.p[i] = begin();
	for (int i = 0; i < 12; i++) {
		flow(&f, 50);
		(void)poll(NULL, 0, i == 5 ? 1100 : 1);
	}
	until_carried(FLOODS);
	finish_flood(&f);
	down();
}
END_TEST

/* So that a piece of it is still in the worker when it is asked to go. */
START_TEST(a_session_moves_at_any_offset)
{
	up(ALWAYS, "");
	for (int i = 0; i < 60; i += rig_is_slow() ? 9 : 1) {
		struct pair	 p = { .client = rig_dial(port) };
		struct stream	 s = { 0, 0 };

		while (s.sent < (size_t)i * 700)
			push(&s, p.client, (size_t)i * 700, 511);
		p.server = rig_accept(lfd);
		while (s.sent < 200000 || s.got < 200000) {
			push(&s, p.client, 200000, 16384);
			pull(&s, p.server);
		}
		end(&p);
		ck_assert_int_eq((int)rig_number(rig_line(&d, " end=done"),
		    "up"), 200000);
	}
	down();
}
END_TEST

START_TEST(a_killed_carrier_ends_its_own_sessions_and_is_replaced)
{
	struct pair	 p[12];
	pid_t		 victim = -1;
	int		 lost = 0;
	char		 c;

	up_with(ALWAYS, 2, 100);
	for (int i = 0; i < 12; i++)
		p[i] = begin();
	until_carried(12);
	(void)carried(NULL, &victim);
	ck_assert_int_eq(kill(victim, SIGKILL), 0);
	(void)rig_line(&d, "carrier");
	rig_until(&d, "carrier: ", 2);
	for (int i = 0; i < 12; i++) {
		struct pollfd	 q = { .fd = p[i].client, .events = POLLIN };

		if (poll(&q, 1, 0) == 1 && recv(p[i].client, &c, 1, 0) <= 0) {
			lost++;
			close(p[i].client);
			close(p[i].server);
			continue;
		}
		talk(&p[i]);
		end(&p[i]);
	}
	ck_assert_int_ge(lost, 1);
	for (int i = 0; i < 12; i++)
		(void)rig_line(&d, " end=");
	ck_assert_uint_eq(rig_count(&d, " end="), 12);
	ck_assert_uint_eq(rig_count(&d, " end=crashed"), (size_t)lost);
	ck_assert_uint_eq(rig_count(&d, " end=done"), 12 - (size_t)lost);
	/* The next ones find carriers again. */
	p[0] = begin();
	until_carried(1);
	end(&p[0]);
	down();
}
END_TEST

START_TEST(a_lost_session_has_all_its_bytes_in_its_line)
{
	struct pair	 p;
	const char	*line;
	pid_t		 pid = -1;

	up_with(ALWAYS, 1, 100);
	p = begin();
	until_carried(1);
	for (int i = 0; i < 10; i++)
		talk(&p);
	/* Bytes are counted when they have gone. */
	(void)poll(NULL, 0, 50);
	(void)carried(NULL, &pid);
	ck_assert_int_eq(kill(pid, SIGKILL), 0);
	line = rig_line(&d, " end=crashed");
	ck_assert_int_eq((int)rig_number(line, "up"), 44);
	ck_assert_int_eq((int)rig_number(line, "down"), 55);
	ck_assert_ptr_nonnull(strstr(line, "carrier"));
	close(p.client);
	close(p.server);
	down();
}
END_TEST

START_TEST(full_carriers_leave_sessions_where_they_are)
{
	struct pair	 p[9];

	up_with(ALWAYS, 2, 2);
	for (int i = 0; i < 9; i++)
		p[i] = begin();
	/* Each has tried by now, some of them a second time. */
	for (int64_t until = rig_now() + 2500; rig_now() < until;)
		for (int i = 0; i < 9; i++)
			talk(&p[i]);
	ck_assert_int_eq(carried(NULL, NULL), 4);
	for (int i = 0; i < 9; i++)
		end(&p[i]);
	for (int i = 0; i < 9; i++)
		(void)rig_line(&d, " end=done");
	until_carried(0);
	/* And there is room again. */
	p[0] = begin();
	until_carried(1);
	end(&p[0]);
	down();
}
END_TEST

static size_t
all_carriers(pid_t *pids, size_t max)
{
	return rig_pids(&d, "carrier: ", pids, max);
}

static void
signal_carriers(int signo)
{
	pid_t	 pids[8];
	size_t	 n = all_carriers(pids, 8);

	for (size_t i = 0; i < n && i < 8; i++)
		(void)kill(pids[i], signo);
}

START_TEST(without_a_carrier_that_answers_workers_go_on)
{
	struct pair	 p;
	pid_t		 pids[8];
	size_t		 n;

	up_with(ALWAYS, 2, 100);
	signal_carriers(SIGSTOP);
	p = begin();
	for (int i = 0; i < 200; i++)
		talk(&p);
	ck_assert_int_eq(carried(NULL, NULL), 0);
	signal_carriers(SIGCONT);
	/* What they find is an offer that was withdrawn. */
	for (int i = 0; i < 100; i++)
		talk(&p);
	/* And one that is silent by now still goes, when there is one. */
	until_carried(1);
	end(&p);
	expect_line(301, "end=done");
	ck_assert_uint_eq(rig_count(&d, " end="), 1);
	n = all_carriers(pids, 8);
	ck_assert_uint_eq(n, 2);
	down();
}
END_TEST

/* The kernel gives each to one of the two, whenever they stop. */
START_TEST(carriers_that_stop_and_go_on_under_load_corrupt_nothing)
{
	struct flood	 f = { .n = FLOODS };

	up_with(ALWAYS, 2, 100);
	for (int i = 0; i < FLOODS; i++) {
		signal_carriers(SIGSTOP);
		f.p[i].client = rig_dial(port);
		f.p[i].server = rig_accept(lfd);
		if (i % 2 == 0)
			(void)poll(NULL, 0, 10 + i * 4);
		signal_carriers(SIGCONT);
		talk(&f.p[i]);
	}
	for (int i = 0; i < 10; i++) {
		flow(&f, 60);
		signal_carriers(SIGSTOP);
		flow(&f, 60);
		signal_carriers(SIGCONT);
	}
	finish_flood(&f);
	down();
}
END_TEST

/* Killed at a moment of its own choice, a worker leaves one line. */
START_TEST(a_worker_killed_while_it_offers_leaves_one_line_or_a_session)
{
	pid_t	 pid;
	char	 title[64];

	up_with(ALWAYS, 1, 100);
	for (int i = 0; i < 10; i++) {
		struct pair	 p;

		signal_carriers(SIGSTOP);
		p.client = rig_dial(port);
		p.server = rig_accept(lfd);
		snprintf(title, sizeof(title), "worker tcp: l 127");
		if (rig_pids(&d, title, &pid, 1) == 1)
			(void)kill(pid, SIGKILL);
		signal_carriers(SIGCONT);
		close(p.client);
		close(p.server);
		(void)rig_line(&d, " end=");
		ck_assert_uint_eq(rig_count(&d, " end="), (size_t)i + 1);
		rig_until(&d, title, 0);
	}
	down();
}
END_TEST

START_TEST(times_end_carried_sessions_as_they_end_others)
{
	static const struct {
		const char	*conf, *end;
		int		 at_least, half;
	}		 table[] = {
		{ "timeouts = { idle = \"400ms\"; };\n", "end=idle", 400, 0 },
		{ "timeouts = { half_closed = \"400ms\"; };\n",
		    "end=half_closed", 400, 1 },
		{ "timeouts = { session = \"700ms\"; };\n", "end=timeout",
		    700, 0 },
	};
	struct pair	 p;
	const char	*line;

	up(ALWAYS, table[_i].conf);
	p = begin();
	until_carried(1);
	if (table[_i].half) {
		rig_end(p.client);
		rig_hear_end(p.server);
	} else
		rig_hear_reset(p.server);
	line = rig_line(&d, " end=");
	ck_assert_msg(strstr(line, table[_i].end) != NULL, "%s", line);
	ck_assert_int_ge((int)rig_number(line, "ms"), table[_i].at_least);
	if (!rig_is_slow())
		ck_assert_int_lt((int)rig_number(line, "ms"),
		    table[_i].at_least + 1000);
	close(p.client);
	close(p.server);
	down();
}
END_TEST

START_TEST(a_stop_ends_them_with_a_line_each)
{
	struct pair	 p[20];

	up(ALWAYS, "");
	for (int i = 0; i < 20; i++)
		p[i] = begin();
	until_carried(20);
	rig_kill(&d, SIGTERM);
	ck_assert_int_eq(rig_wait(&d, RIG_MS), 0);
	ck_assert_uint_eq(rig_count(&d, " end=shutdown"), 20);
	ck_assert_uint_eq(rig_count(&d, " end="), 20);
	for (int i = 0; i < 20; i++) {
		rig_hear_reset(p[i].client);
		rig_hear_reset(p[i].server);
	}
}
END_TEST

START_TEST(a_drain_waits_for_them)
{
	struct pair	 p;

	up(ALWAYS, "timeouts = { drain = \"10s\"; };\n");
	p = begin();
	until_carried(1);
	rig_kill(&d, SIGQUIT);
	(void)rig_line(&d, "taking no more connections");
	rig_until(&d, "1 sessions, ending", 1);
	/* Who has not heard yet takes one more, and waits for it, too. */
	rig_until(&d, "worker tcp: idle", 0);
	rig_until_refused(port);
	for (int i = 0; i < 50; i++)
		talk(&p);
	end(&p);
	ck_assert_int_eq(rig_wait(&d, RIG_MS), 0);
	ck_assert_uint_eq(rig_count(&d, " end=done"), 1);
}
END_TEST

START_TEST(a_drain_that_lasts_too_long_ends_them)
{
	struct pair	 p;

	up(ALWAYS, "timeouts = { drain = \"1s\"; };\n");
	p = begin();
	until_carried(1);
	rig_kill(&d, SIGQUIT);
	ck_assert_int_eq(rig_wait(&d, RIG_MS), 0);
	ck_assert_uint_eq(rig_count(&d, " end=shutdown"), 1);
	rig_hear_reset(p.client);
}
END_TEST

/* Write another configuration and have it read. */
static void	 reload(const char *, ...)
		    __attribute__((format(printf, 1, 2)));

static void
reload(const char *fmt, ...)
{
	char	 path[128];
	va_list	 ap;
	FILE	*f;

	snprintf(path, sizeof(path), "%s/conf", d.dir);
	f = fopen(path, "w");
	fprintf(f, "user = \"nobody\";\n"
	    "log = { to = \"stdout\"; level = \"debug\"; };\n");
	va_start(ap, fmt);
	vfprintf(f, fmt, ap);
	va_end(ap);
	ck_assert_int_eq(fclose(f), 0);
	rig_kill(&d, SIGHUP);
	(void)rig_line(&d, "generation");
}

START_TEST(reloads_leave_them_alone_and_pools_may_vanish)
{
	struct pair	 old, p;
	int		 old_port;

	up("pool = \"first\"; max_sessions = 5; " ALWAYS, "");
	old = begin();
	until_carried(1);
	old_port = port;
	for (int i = 0; i < 6; i++) {
		port = rig_port();
		reload("listeners = ( { name = \"l%d\"; pool = \"p%d\"; "
		    "listen = \"127.0.0.1:%d\"; forward = \"127.0.0.1:%d\"; "
		    "max_sessions = 5; " ALWAYS "} );\n", i, i, port,
		    server_port);
		rig_until(&d, "spawner ", 1);
		p = begin();
		until_carried(2);
		talk(&old);
		end(&p);
		until_carried(1);
	}
	/* The pool's keeper is of no more use to it, and is not missed. */
	ck_assert_int_eq(kill(rig_pid(&d, "sallyportd: keeper"), SIGKILL), 0);
	(void)rig_line(&d, "keeper");
	for (int i = 0; i < 50; i++)
		talk(&old);
	p = begin();
	talk(&old);
	end(&p);
	rig_hear_nothing(old.client);
	rig_hear_nothing(old.server);
	end(&old);
	(void)rig_line(&d, " end=done");
	ck_assert_uint_eq(rig_count(&d, "what it may not"), 0);
	rig_until_refused(old_port);
	down();
}
END_TEST

/* Does a visitor get in? */
static bool
is_let_in(void)
{
	struct pair	 p = { .client = rig_dial(port) };
	struct pollfd	 q[2] = {
		{ .fd = p.client, .events = POLLIN },
		{ .fd = lfd, .events = POLLIN },
	};
	bool		 in;

	ck_assert_int_gt(poll(q, 2, rig_patience(RIG_MS)), 0);
	in = q[1].revents != 0;
	if (in) {
		p.server = rig_accept(lfd);
		close(p.server);
	}
	close(p.client);
	return in;
}

static void
until_let_in(void)
{
	int64_t	 deadline = rig_now() + rig_patience(RIG_MS);

	while (!is_let_in())
		ck_assert_int_lt(rig_now(), deadline);
}

/* Whoever counts for it, a session counts until it is over. */
START_TEST(limits_count_carried_sessions_through_a_death_of_the_keeper)
{
	struct pair	 p[3];

	up("max_sessions = 3; " ALWAYS, "");
	for (int i = 0; i < 3; i++)
		p[i] = begin();
	until_carried(3);
	for (int i = 0; i < 5; i++)
		ck_assert(!is_let_in());
	if (_i > 0) {
		/* And once its generation is forgotten. */
		reload("listeners = ( { name = \"new\"; listen = "
		    "\"127.0.0.1:%d\"; forward = \"127.0.0.1:%d\"; pool = "
		    "\"tcp\"; }, { name = \"l\"; listen = \"127.0.0.1:%d\"; "
		    "forward = \"127.0.0.1:%d\"; max_sessions = 3; " ALWAYS
		    "} );\n", rig_port(), server_port, port, server_port);
		rig_until(&d, "spawner ", 1);
		ck_assert(!is_let_in());
		(void)poll(NULL, 0, 100);
	}
	ck_assert_int_eq(kill(rig_pid(&d, "sallyportd: keeper"), SIGKILL), 0);
	(void)rig_line(&d, "keeper");
	for (int i = 0; i < 5; i++)
		ck_assert(!is_let_in());
	end(&p[1]);
	until_let_in();
	for (int i = 0; i < 10; i++)
		talk(&p[0]);
	end(&p[0]);
	end(&p[2]);
	ck_assert_uint_eq(rig_count(&d, "what it may not"), 0);
	down();
}
END_TEST

START_TEST(a_carrier_that_dies_lets_go_of_what_it_held)
{
	struct pair	 p[3];
	pid_t		 pid = -1;

	up("max_sessions = 3; " ALWAYS, "carriers = { count = 1; };\n");
	for (int i = 0; i < 3; i++)
		p[i] = begin();
	until_carried(3);
	ck_assert(!is_let_in());
	(void)carried(NULL, &pid);
	ck_assert_int_eq(kill(pid, SIGKILL), 0);
	until_let_in();
	for (int i = 0; i < 3; i++) {
		close(p[i].client);
		close(p[i].server);
		(void)rig_line(&d, " end=crashed");
	}
	down();
}
END_TEST

START_TEST(leastconn_counts_carried_sessions)
{
	int	 lfds[2], ports[2], fds[8], taken[2] = { 0, 0 };

	for (int i = 0; i < 2; i++)
		lfds[i] = rig_listen(&ports[i]);
	port = rig_port();
	rig_up(&d, "backends = ( { name = \"b\"; balance = \"leastconn\"; "
	    "servers = ( \"127.0.0.1:%d\", \"127.0.0.1:%d\" ); } );\n"
	    "listeners = ( { name = \"l\"; listen = \"127.0.0.1:%d\"; "
	    "forward = \"backend:b\"; " ALWAYS "} );\n", ports[0], ports[1],
	    port);
	for (int i = 0; i < 8; i++) {
		struct pollfd	 q[2] = {
			{ lfds[0], POLLIN, 0 }, { lfds[1], POLLIN, 0 },
		};
		int		 to;

		fds[i] = rig_dial(port);
		ck_assert_int_ge(poll(q, 2, rig_patience(RIG_MS)), 1);
		to = q[1].revents != 0;
		taken[to]++;
		(void)rig_accept(lfds[to]);
		until_carried(i + 1);
		if (i == 3) {
			ck_assert_int_eq(kill(rig_pid(&d,
			    "sallyportd: keeper"), SIGKILL), 0);
			(void)rig_line(&d, "starting another");
			rig_until(&d, "sallyportd: keeper", 1);
		}
	}
	ck_assert_int_eq(taken[0], 4);
	ck_assert_int_eq(taken[1], 4);
	for (int i = 0; i < 8; i++)
		close(fds[i]);
	rig_down(&d);
}
END_TEST

/* How many of 40 that begin now does the carrier have that has least? */
static int
least_of_40(void)
{
	struct pair	 p[40];
	pid_t		 least = -1;
	char		 title[512], *at;

	for (int i = 0; i < 40; i++)
		p[i] = begin();
	until_carried(40);
	(void)carried(&least, NULL);
	at = strstr(rig_proc(least, "cmdline", title, sizeof(title)),
	    "carrier: ");
	ck_assert_ptr_nonnull(at);
	for (int i = 0; i < 40; i++)
		end(&p[i]);
	until_carried(0);
	return atoi(at + strlen("carrier: "));
}

/* It is the system that shares them out, and not evenly when it is busy. */
START_TEST(they_are_spread_over_the_carriers)
{
	int	 most = 0;

	up_with(ALWAYS, 2, 100);
	for (int i = 0; i < 5 && most < 10; i++) {
		int	 n = least_of_40();

		most = n > most ? n : most;
	}
	ck_assert_int_ge(most, 10);
	down();
}
END_TEST

START_TEST(the_client_that_a_header_names_is_in_the_line)
{
	static const char	 header[] =
	    "PROXY TCP4 192.0.2.7 192.0.2.9 1234 80\r\n";
	struct pair		 p;
	const char		*line;

	up("proxy_protocol = { accept = true; from = "
	    "( \"127.0.0.0/8\" ); }; max_sessions_per_source = 1; " ALWAYS,
	    "");
	p.client = rig_dial(port);
	rig_say(p.client, header);
	p.server = rig_accept(lfd);
	talk(&p);
	until_carried(1);
	talk(&p);
	end(&p);
	line = rig_line(&d, " end=done");
	ck_assert_ptr_nonnull(strstr(line, "client=192.0.2.7:1234"));
	ck_assert_ptr_nonnull(strstr(line, "via=127.0.0.1"));
	ck_assert_int_eq((int)rig_number(line, "up"), 8);
	down();
}
END_TEST

/* A command of sallyportctl; what it says, without its end of line. */
static const char *
ctl(const char *args)
{
	static char	 out[8192];
	const char	*prog = getenv("SALLYPORTCTL");
	char		 cmd[512];
	FILE		*p;
	size_t		 n;

	snprintf(cmd, sizeof(cmd), "%s -s %s/sock %s 2>&1", prog != NULL ?
	    prog : "./sallyportctl", d.dir, args);
	p = popen(cmd, "r");
	n = fread(out, 1, sizeof(out) - 1, p);
	out[n] = '\0';
	(void)pclose(p);
	return out;
}

START_TEST(sallyportctl_sees_and_kills_them)
{
	struct pair	 p[3];
	const char	*say;
	char		 kill_it[64], id[17];

	up(ALWAYS, "control = { path = \"%D/sock\"; };\n");
	for (int i = 0; i < 3; i++)
		p[i] = begin();
	until_carried(3);
	say = ctl("--json sessions");
	ck_assert_msg(strstr(say, "\"sessions\"") != NULL, "%s", say);
	say = strstr(say, "\"id\"");
	ck_assert_ptr_nonnull(say);
	snprintf(id, sizeof(id), "%.16s", strpbrk(say + 4, "0123456789abcdef"));
	snprintf(kill_it, sizeof(kill_it), "kill %s", id);
	(void)ctl(kill_it);
	say = rig_line(&d, " end=killed");
	ck_assert_msg(strstr(say, id) != NULL, "not %s: %s", id, say);
	until_carried(2);
	(void)ctl("kill --listener l");
	(void)rig_line(&d, " end=killed");
	(void)rig_line(&d, " end=killed");
	until_carried(0);
	for (int i = 0; i < 3; i++) {
		rig_hear_reset(p[i].client);
		close(p[i].client);
		close(p[i].server);
	}
	down();
}
END_TEST

START_TEST(an_upgrade_leaves_them_with_the_old_carriers)
{
	struct pair	 old, p;
	pid_t		 carrier = -1;

	up_with(ALWAYS, 1, 100);
	old = begin();
	until_carried(1);
	(void)carried(NULL, &carrier);
	rig_kill(&d, SIGUSR2);
	(void)rig_line(&d, "ready: ");
	rig_until(&d, "sessions, ending", 1);
	/* Those of the old master could take it, and keep it. */
	rig_until(&d, "worker tcp: idle", 2);
	p = begin();
	talk(&old);
	until_carried(2);
	end(&p);
	for (int i = 0; i < 50; i++)
		talk(&old);
	end(&old);
	rig_until_gone(carrier, RIG_MS);
	/* The rest of it is another's child by now: ask it to end. */
	ck_assert_int_eq(rig_wait(&d, RIG_MS), 0);
}
END_TEST

#define THOUSANDS	9000

static struct pair	 thousands[THOUSANDS];

START_TEST(thousands_in_one_carrier_all_answer)
{
	struct rlimit	 rl;
	int64_t		 begun;
	size_t		 lines;

	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &rl), 0);
	if (rl.rlim_max < 2 * THOUSANDS + 1000 || rig_is_slow()) {
		fprintf(stderr, "skipped: no more than %ju descriptors\n",
		    (uintmax_t)rl.rlim_max);
		return;
	}
	rl.rlim_cur = rl.rlim_max;
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &rl), 0);
	up_with(ALWAYS, 1, 10000);
	for (int i = 0; i < THOUSANDS; i++) {
		thousands[i].client = rig_dial(port);
		thousands[i].server = rig_accept(lfd);
		rig_say(thousands[i].client, "x");
		rig_hear(thousands[i].server, "x");
	}
	until_carried(THOUSANDS);
	for (int i = 0; i < THOUSANDS; i++)
		rig_say(thousands[i].client, "ping");
	for (int i = 0; i < THOUSANDS; i++)
		rig_hear(thousands[i].server, "ping");
	for (int i = 0; i < THOUSANDS; i++)
		talk(&thousands[i]);
	/* All their lines within the time that a stop has. */
	begun = rig_now();
	rig_kill(&d, SIGTERM);
	ck_assert_int_eq(rig_wait(&d, RIG_MS), 0);
	lines = rig_count(&d, " end=shutdown");
	ck_assert_uint_eq(lines, THOUSANDS);
	ck_assert_int_lt(rig_now() - begun, 4000);
}
END_TEST

static void
add_tests(TCase *tc)
{
	tcase_add_loop_test(tc,
	    times_end_carried_sessions_as_they_end_others, 0, 3);
	tcase_add_test(tc, a_stop_ends_them_with_a_line_each);
	tcase_add_test(tc, a_session_moves_at_any_offset);
	tcase_add_test(tc, a_drain_that_lasts_too_long_ends_them);
}

/* These look at titles, or at the clock. */
static void
add_seen(TCase *tc)
{
	tcase_add_loop_test(tc,
	    a_session_is_handed_over_when_the_listener_says_so, 0, 3);
	tcase_add_test(tc, a_crowd_is_handed_over_while_it_is_busy);
	tcase_add_loop_test(tc,
	    bytes_that_flow_while_it_is_handed_over_arrive_as_they_were_sent,
	    0, 2);
	tcase_add_test(tc,
	    a_killed_carrier_ends_its_own_sessions_and_is_replaced);
	tcase_add_test(tc, a_lost_session_has_all_its_bytes_in_its_line);
	tcase_add_test(tc, full_carriers_leave_sessions_where_they_are);
	tcase_add_test(tc, without_a_carrier_that_answers_workers_go_on);
	tcase_add_test(tc,
	    carriers_that_stop_and_go_on_under_load_corrupt_nothing);
	tcase_add_test(tc,
	    a_worker_killed_while_it_offers_leaves_one_line_or_a_session);
	tcase_add_test(tc, a_drain_waits_for_them);
	tcase_add_test(tc, reloads_leave_them_alone_and_pools_may_vanish);
	tcase_add_loop_test(tc,
	    limits_count_carried_sessions_through_a_death_of_the_keeper,
	    0, 2);
	tcase_add_test(tc, a_carrier_that_dies_lets_go_of_what_it_held);
	tcase_add_test(tc, leastconn_counts_carried_sessions);
	tcase_add_test(tc, they_are_spread_over_the_carriers);
	tcase_add_test(tc, the_client_that_a_header_names_is_in_the_line);
	tcase_add_test(tc, sallyportctl_sees_and_kills_them);
	tcase_add_test(tc, an_upgrade_leaves_them_with_the_old_carriers);
	tcase_add_test(tc, thousands_in_one_carrier_all_answer);
}

int
main(void)
{
	Suite	*s = suite_create("carry");
	TCase	*plain = tcase_create("plain"), *seen = tcase_create("seen");

	suite_add_tcase(s, plain);
	suite_add_tcase(s, seen);
	tcase_set_timeout(plain, rig_patience(30000) / 1000);
	tcase_set_timeout(seen, rig_patience(60000) / 1000);
	add_tests(plain);
	add_seen(seen);
	return rig_run(s);
}
