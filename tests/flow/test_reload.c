/*
 * From one configuration to the next: what is in effect and when, what stays
 * as it was, and what becomes of those who are connected.
 */
#include <sys/stat.h>

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "crowd.h"
#include "rig.h"

#define EFFECT_MS	100	/* from HUP to a connection that sees it */
#define REFUSED		0	/* as crowd_who() has it */

#if defined(__SANITIZE_ADDRESS__)
#define SANITIZED	true
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SANITIZED	true
#endif
#endif
#ifndef SANITIZED
#define SANITIZED	false
#endif

/* A daemon between ports of ours; `main' is a listener that always stays. */
struct stage {
	struct daemon	 d;
	int		 main, other, third;
	int		 a, b;		/* servers that answer "a" and "b" */
	char		 common[512];	/* text of every configuration */
};

/* Sessions keep their worker, and so a spawner of their generation. */
#define STAYS	"carry = \"never\";"

static void
open_stage(struct stage *s, const char *more)
{
	memset(s, 0, sizeof(*s));
	s->main = rig_port();
	s->other = rig_port();
	s->third = rig_port();
	s->a = crowd_server('a');
	s->b = crowd_server('b');
	snprintf(s->common, sizeof(s->common), "%s", more);
	rig_up(&s->d, "%s listeners = ( { name = \"main\"; listen = "
	    "\"127.0.0.1:%d\"; forward = \"127.0.0.1:%d\"; %s } );\n",
	    s->common, s->main, s->a, STAYS);
}

/* The main listener in front of server `to', and a second one. */
static void
write_two(struct stage *s, int to, int port, int second)
{
	rig_conf(&s->d, "%s listeners = ( { name = \"main\"; listen = "
	    "\"127.0.0.1:%d\"; forward = \"127.0.0.1:%d\"; %s },\n"
	    "{ name = \"other\"; listen = \"127.0.0.1:%d\"; forward = "
	    "\"127.0.0.1:%d\"; } );\n", s->common, s->main, to, STAYS, port,
	    second);
}

static void
write_one(struct stage *s, int to)
{
	rig_conf(&s->d, "%s listeners = ( { name = \"main\"; listen = "
	    "\"127.0.0.1:%d\"; forward = \"127.0.0.1:%d\"; %s } );\n",
	    s->common, s->main, to, STAYS);
}

/* Have it read again; how long until `who' answers there. */
static int64_t
time_reload(struct stage *s, int port, char who)
{
	rig_kill(&s->d, SIGHUP);
	return crowd_until(port, who);
}

/* Have it read again, and wait until it says that it has. */
static void
reload(struct stage *s)
{
	rig_kill(&s->d, SIGHUP);
	(void)rig_line(&s->d, "is in effect");
}

/* One change of the configuration after another; when it is seen. */
static int64_t
change(struct stage *s, int i)
{
	switch (i % 4) {
	case 0:
		write_two(s, s->a, s->other, s->b);
		return time_reload(s, s->other, 'b');
	case 1:
		write_two(s, s->a, s->other, s->a);
		return time_reload(s, s->other, 'a');
	case 2:
		write_two(s, s->a, s->third, s->b);
		return time_reload(s, s->third, 'b');
	}
	write_one(s, s->a);
	return time_reload(s, s->third, REFUSED);
}

/* The three that live through it, and what they hold. */
struct holdings {
	pid_t	 pids[3];
	size_t	 fds[3];
	long	 memory[3];
};

static void
take_stock(const struct stage *s, struct holdings *h)
{
	h->pids[0] = s->d.pid;
	h->pids[1] = rig_pid(&s->d, "logger");
	h->pids[2] = rig_pid(&s->d, "keeper");
	for (size_t i = 0; i < 3; i++) {
		h->fds[i] = rig_descriptors(h->pids[i]);
		h->memory[i] = rig_memory(h->pids[i]);
	}
}

/* Wait until they hold no more than before. */
static void
expect_flat(const struct stage *s, const struct holdings *was)
{
	const long	 slack = 256;	/* kB; pages come and go */
	int64_t		 deadline = rig_now() + RIG_MS;
	struct holdings	 is;
	bool		 flat = false;

	while (!flat) {
		take_stock(s, &is);
		flat = true;
		for (size_t i = 0; i < 3; i++) {
			ck_assert_int_eq(is.pids[i], was->pids[i]);
			flat &= is.fds[i] <= was->fds[i];
		}
		if (!flat && rig_now() >= deadline)
			ck_abort_msg("descriptors: %zu %zu %zu, were %zu "
			    "%zu %zu", is.fds[0], is.fds[1], is.fds[2],
			    was->fds[0], was->fds[1], was->fds[2]);
		(void)poll(NULL, 0, 5);
	}
	for (size_t i = 0; i < 3 && !SANITIZED; i++)
		ck_assert_int_le(is.memory[i], was->memory[i] + slack);
}

START_TEST(two_hundred_reloads_refuse_nobody_and_cut_nobody)
{
	enum { WARM = 20, TIMES = 200, HELD = 4 };
	struct stage	 s;
	struct load	 load;
	struct holdings	 before;
	int64_t		 ms, worst = 0, sum = 0;
	int		 held[HELD], late = 0, slowest = 0;

	open_stage(&s, "workers = { spare = 4; };\n");
	crowd_load(&load, s.main);
	for (int i = 0; i < HELD; i++)
		held[i] = crowd_session(s.main);
	for (int i = 0; i < TIMES; i++) {
		if (i == WARM) {
			rig_until(&s.d, "spawner", 2);
			take_stock(&s, &before);
		}
		ms = change(&s, i);
		sum += ms;
		late += ms > EFFECT_MS;
		slowest = ms > worst ? i % 4 : slowest;
		worst = ms > worst ? ms : worst;
		/* Keeps its pipe from being full. */
		(void)rig_count(&s.d, "");
		for (int j = 0; j < HELD; j++)
			crowd_check(held[j]);
	}
	printf("reload: %lld ms, at the worst %lld in step %d, %d of %d over "
	    "%d\n", (long long)(sum / TIMES), (long long)worst, slowest, late,
	    TIMES, EFFECT_MS);
	/* Others keep this machine busy too. */
	ck_assert_int_lt(late, SANITIZED ? TIMES : TIMES / 10);
	ck_assert_uint_gt(crowd_rest(&load), TIMES);
	/* The first, whose sessions live, and the last. */
	rig_until(&s.d, "spawner", 2);
	expect_flat(&s, &before);
	for (int j = 0; j < HELD; j++)
		close(held[j]);
	rig_until(&s.d, "spawner", 1);
	ck_assert_uint_eq(rig_count(&s.d, "end=shutdown"), 0);
	ck_assert_uint_eq(rig_count(&s.d, "end=crashed"), 0);
	rig_down(&s.d);
}
END_TEST

/* Text of a file that is not taken, and what the log says of it. */
static const struct {
	const char	*text, *why;
	bool		 taken;		/* its port is somebody else's */
} broken[] = {
	{ "listeners = (\n", "syntax error" },
	{ "nonsense = 1;\n", "nonsense" },
	{ "workers = { max = 0; };\n", "max" },
	{ "listeners = ( { name = \"l\"; listen = \"127.0.0.1:%d\"; "
	    "forward = \"none\"; } );\n", "none" },
	{ "listeners = ( { name = \"l\"; listen = \"127.0.0.1:%d\"; "
	    "forward = \"127.0.0.1:1\"; } );\n", "Address already in use",
	    true },
	{ "log = { to = \"/proc/none/of/this\"; };\n listeners = ( { name = "
	    "\"l\"; listen = \"127.0.0.1:%d\"; forward = \"127.0.0.1:1\"; "
	    "} );\n", "cannot open /proc/none/of/this" },
};

static void
expect_not_taken(struct stage *s, const char *why)
{
	rig_kill(&s->d, SIGHUP);
	(void)rig_line(&s->d, why);
	(void)rig_line(&s->d, "is not taken; generation 1 stays");
	ck_assert_int_eq(crowd_who(s->main), 'a');
}

START_TEST(a_broken_file_leaves_all_as_it_is)
{
	struct stage	 s;
	char		 path[128];
	int		 taken, held;

	open_stage(&s, "");
	held = crowd_session(s.main);
	(void)rig_listen(&taken);
	for (size_t i = 0; i < sizeof(broken) / sizeof(broken[0]); i++) {
		char	 text[1024];

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
		snprintf(text, sizeof(text), broken[i].text,
		    broken[i].taken ? taken : s.other);
#pragma GCC diagnostic pop
		rig_conf(&s.d, "%s", text);
		expect_not_taken(&s, broken[i].why);
		(void)crowd_until(s.other, REFUSED);
	}
	snprintf(path, sizeof(path), "%s/conf", s.d.dir);
	ck_assert_int_eq(unlink(path), 0);
	expect_not_taken(&s, "No such file or directory");
	ck_assert_int_eq(mkdir(path, 0700), 0);
	expect_not_taken(&s, path);
	ck_assert_int_eq(rmdir(path), 0);
	crowd_check(held);
	write_two(&s, s.b, s.other, s.b);
	reload(&s);
	(void)crowd_until(s.other, 'b');
	(void)crowd_until(s.main, 'b');
	crowd_check(held);
	rig_down(&s.d);
}
END_TEST

START_TEST(the_log_has_every_mistake_and_every_change)
{
	static const char *const	 times[] = {
		"connect", "handshake", "idle", "half_closed", "session",
		"drain", "connecz", "handshakez", "idlez", "half_closez",
		"sessioz", "draiz",
	};
	struct stage			 s;

	open_stage(&s, "");
	/* Twice, one time after the other: more than are not repeats. */
	for (int i = 0; i < 2; i++) {
		rig_conf(&s.d, "timeouts = { connecz = 1; handshakez = 1; "
		    "idlez = 1; half_closez = 1; sessioz = 1; draiz = 1; };\n"
		    "listeners = ();\n");
		expect_not_taken(&s, "timeouts.draiz: no such key");
	}
	for (size_t i = 6; i < 12; i++) {
		char	 line[64];

		snprintf(line, sizeof(line), "timeouts.%s: no such", times[i]);
		ck_assert_uint_eq(rig_count(&s.d, line), 2);
	}
	snprintf(s.common, sizeof(s.common), "timeouts = { connect = 7; "
	    "handshake = 11; idle = 12; half_closed = 13; session = 14; "
	    "drain = 15; };\nworkers = { spare = 3; max = 77; reuse = 78; "
	    "};\n");
	write_two(&s, s.b, s.other, s.b);
	reload(&s);
	s.common[0] = '\0';
	write_one(&s, s.a);
	reload(&s);
	for (size_t i = 0; i < 6; i++) {
		char	 line[64];

		snprintf(line, sizeof(line), "reload: timeouts.%s: ", times[i]);
		ck_assert_uint_eq(rig_count(&s.d, line), 2);
	}
	rig_down(&s.d);
}
END_TEST

START_TEST(a_reload_that_changes_nothing_says_so)
{
	struct stage	 s;

	open_stage(&s, "");
	rig_kill(&s.d, SIGHUP);
	(void)rig_line(&s.d, "reload: nothing has changed");
	/* And the next is heard. */
	write_one(&s, s.b);
	reload(&s);
	(void)crowd_until(s.main, 'b');
	rig_down(&s.d);
}
END_TEST

START_TEST(what_takes_a_restart_stays_as_it_was)
{
	struct stage	 s;
	char		 path[128];

	open_stage(&s, "pid_file = \"%D/pid\";\n");
	snprintf(s.common, sizeof(s.common), "pid_file = \"%%D/other\";\n");
	write_one(&s, s.a);
	rig_kill(&s.d, SIGHUP);
	(void)rig_line(&s.d, "reload: nothing has changed");
	write_one(&s, s.b);
	reload(&s);
	(void)crowd_until(s.main, 'b');
	snprintf(path, sizeof(path), "%s/other", s.d.dir);
	ck_assert_int_eq(access(path, F_OK), -1);
	snprintf(path, sizeof(path), "%s/pid", s.d.dir);
	ck_assert_int_eq(access(path, F_OK), 0);
	rig_down(&s.d);
}
END_TEST

START_TEST(a_removed_listener_refuses_at_once_and_keeps_its_sessions)
{
	struct stage	 s;
	char		 path[128];
	int		 held[2];

	open_stage(&s, "");
	snprintf(path, sizeof(path), "%s/sock", s.d.dir);
	rig_conf(&s.d, "listeners = ( { name = \"main\"; listen = ( "
	    "\"127.0.0.1:%d\", \"127.0.0.1:%d\", \"unix:%s\" ); forward = "
	    "\"127.0.0.1:%d\"; } );\n", s.main, s.other, path, s.a);
	reload(&s);
	for (int round = 0; round < 3; round++) {
		held[0] = crowd_session(s.other);
		held[1] = rig_dial_unix(path);
		ck_assert_int_ne(held[1], -1);
		rig_hear(held[1], "a");
		write_one(&s, s.b);
		reload(&s);
		/* It was said a moment before it was done. */
		ck_assert_int_le(crowd_until(s.other, REFUSED),
		    rig_patience(EFFECT_MS));
		ck_assert_int_eq(rig_dial_unix(path), -1);
		ck_assert_int_eq(access(path, F_OK), -1);
		crowd_check(held[0]);
		crowd_check(held[1]);
		/* And it may come back while they go on. */
		rig_conf(&s.d, "listeners = ( { name = \"main\"; listen = ( "
		    "\"127.0.0.1:%d\", \"127.0.0.1:%d\", \"unix:%s\" ); "
		    "forward = \"127.0.0.1:%d\"; } );\n", s.main, s.other,
		    path, s.a);
		reload(&s);
		(void)crowd_until(s.other, 'a');
		ck_assert_int_eq(crowd_who_unix(path), 'a');
		crowd_check(held[0]);
		crowd_check(held[1]);
	}
	rig_down(&s.d);
}
END_TEST

static bool
serves_the_queue(struct stage *s)
{
	pid_t	 pids[16];
	size_t	 n;
	int	 fds[3];
	bool	 served = true;

	write_two(s, s->a, s->other, s->b);
	reload(s);
	rig_until(&s->d, "spawner", 1);
	rig_until(&s->d, "worker tcp: idle", 8);
	n = rig_pids(&s->d, "worker tcp: idle", pids, 16);
	for (size_t i = 0; i < n; i++)
		(void)kill(pids[i], SIGSTOP);
	for (size_t i = 0; i < 3; i++)
		ck_assert_int_ne(fds[i] = rig_dial(s->other), -1);
	write_one(s, s->a);
	reload(s);
	for (size_t i = 0; i < n; i++)
		(void)kill(pids[i], SIGCONT);
	for (size_t i = 0; i < 3; i++) {
		struct pollfd	 p = { fds[i], POLLIN, 0 };
		char		 id = 0;

		ck_assert_int_eq(poll(&p, 1, RIG_MS), 1);
		served &= read(fds[i], &id, 1) == 1 && id == 'b';
		close(fds[i]);
	}
	rig_until(&s->d, "spawner", 1);
	return served;
}

START_TEST(connections_in_the_queue_of_a_removed_listener_are_served)
{
	struct stage	 s;
	bool		 good = false;

	open_stage(&s, "");
	/* There are 50 ms for it; one good try of ten is proof. */
	for (int i = 0; i < 10 && !good; i++)
		good = serves_the_queue(&s);
	ck_assert(good);
	rig_down(&s.d);
}
END_TEST

START_TEST(an_address_that_overlaps_ours_is_explained)
{
	struct stage	 s;

	open_stage(&s, "");
	rig_conf(&s.d, "listeners = ( { name = \"main\"; listen = \":%d\"; "
	    "forward = \"127.0.0.1:%d\"; } );\n", s.main, s.b);
	rig_kill(&s.d, SIGHUP);
	(void)rig_line(&s.d, "this daemon itself has that port");
	(void)crowd_until(s.main, 'a');
	/* As the line says: away, and then the other. */
	rig_conf(&s.d, "listeners = ( { name = \"main\"; listen = "
	    "\"127.0.0.1:%d\"; forward = \"127.0.0.1:%d\"; } );\n", s.other,
	    s.b);
	reload(&s);
	rig_conf(&s.d, "listeners = ( { name = \"main\"; listen = \":%d\"; "
	    "forward = \"127.0.0.1:%d\"; } );\n", s.main, s.b);
	reload(&s);
	(void)crowd_until(s.main, 'b');
	rig_down(&s.d);
}
END_TEST

START_TEST(pools_come_and_go_and_come_again)
{
	enum { ROUNDS = 16, POOLS = 10 };
	struct stage	 s;
	char		 text[8192], name[64];
	size_t		 len;
	int		 ports[POOLS];

	/* More in all than can be at one time. */
	open_stage(&s, "workers = { spare = 1; };\n");
	for (int i = 0; i < POOLS; i++)
		ports[i] = rig_port();
	for (int round = 0; round < ROUNDS; round++) {
		len = 0;
		for (int i = 0; i < POOLS; i++)
			len += (size_t)snprintf(text + len,
			    sizeof(text) - len, ", { name = \"l%d\"; pool = "
			    "\"p%d-%d\"; listen = \"127.0.0.1:%d\"; forward "
			    "= \"127.0.0.1:%d\"; }", i, i, round / 2 * 2,
			    ports[i], s.b);
		if (round % 2 == 1)
			text[0] = '\0';
		rig_conf(&s.d, "%s listeners = ( { name = \"main\"; listen = "
		    "\"127.0.0.1:%d\"; forward = \"127.0.0.1:%d\"; }%s );\n",
		    s.common, s.main, s.a, text);
		(void)time_reload(&s, ports[round % POOLS],
		    round % 2 == 1 ? REFUSED : 'b');
		if (round % 2 == 1)
			continue;
		/* What its processes say is heard. */
		snprintf(name, sizeof(name), " listener=l%d ",
		    round % POOLS);
		(void)rig_line(&s.d, name);
	}
	ck_assert_uint_eq(rig_count(&s.d, "logger ended"), 0);
	(void)crowd_until(s.main, 'a');
	rig_down(&s.d);
}
END_TEST

START_TEST(a_session_keeps_its_pool_while_it_is_gone_and_back)
{
	struct stage	 s;
	int		 held;

	open_stage(&s, "");
	for (int round = 0; round < 3; round++) {
		rig_conf(&s.d, "listeners = ( { name = \"main\"; listen = "
		    "\"127.0.0.1:%d\"; forward = \"127.0.0.1:%d\"; }, { name "
		    "= \"other\"; pool = \"side\"; listen = \"127.0.0.1:%d\"; "
		    "forward = \"127.0.0.1:%d\"; } );\n", s.main, s.a,
		    s.other, s.b);
		reload(&s);
		if (round > 0) {
			crowd_check(held);
			close(held);
			(void)rig_line(&s.d, " listener=other ");
		}
		held = crowd_session(s.other);
		write_one(&s, s.a);
		reload(&s);
		crowd_check(held);
	}
	close(held);
	rig_until(&s.d, "spawner side", 0);
	rig_down(&s.d);
}
END_TEST

/* Wait until the file holds the text. */
static void
expect_in_file(const char *path, const char *text)
{
	int64_t	 deadline = rig_now() + rig_patience(RIG_MS);
	char	 buf[65536];
	ssize_t	 n;
	int	 fd;

	for (;;) {
		fd = open(path, O_RDONLY | O_CLOEXEC);
		n = fd == -1 ? 0 : read(fd, buf, sizeof(buf) - 1);
		buf[n > 0 ? n : 0] = '\0';
		if (fd != -1)
			close(fd);
		if (strstr(buf, text) != NULL)
			return;
		if (rig_now() >= deadline)
			ck_abort_msg("no \"%s\" in %s:\n%s", text, path, buf);
		(void)poll(NULL, 0, 5);
	}
}

START_TEST(the_log_moves_with_a_reload)
{
	struct stage	 s;
	char		 one[128], two[128];
	size_t		 lines;

	open_stage(&s, "");
	snprintf(one, sizeof(one), "%s/one", s.d.dir);
	snprintf(two, sizeof(two), "%s/two", s.d.dir);
	snprintf(s.common, sizeof(s.common), "log = { to = \"%s\"; };\n",
	    one);
	write_one(&s, s.a);
	rig_kill(&s.d, SIGHUP);
	expect_in_file(one, "generation 2 is in effect");
	lines = rig_count(&s.d, "\n");
	(void)crowd_until(s.main, 'a');
	expect_in_file(one, " listener=main ");
	snprintf(s.common, sizeof(s.common), "log = { to = \"%s\"; level = "
	    "\"debug\"; format = \"json\"; };\n", two);
	write_one(&s, s.a);
	rig_kill(&s.d, SIGHUP);
	expect_in_file(two, "\"text\":\"generation 3 is in effect");
	(void)crowd_until(s.main, 'a');
	expect_in_file(two, "\"listener\":\"main\"");
	ck_assert_uint_eq(rig_count(&s.d, "\n"), lines);
	s.common[0] = '\0';
	write_one(&s, s.b);
	reload(&s);
	(void)crowd_until(s.main, 'b');
	(void)rig_line(&s.d, " listener=main ");
	rig_down(&s.d);
}
END_TEST

START_TEST(a_reload_asked_for_during_another_is_not_lost)
{
	struct stage	 s;
	int		 held;

	open_stage(&s, "");
	/* With a session the old spawner stays, and wakes nobody. */
	for (int i = 0; i < 10; i++) {
		held = crowd_session(s.main);
		write_two(&s, s.a, s.other, s.a);
		rig_kill(&s.d, SIGHUP);
		(void)rig_line(&s.d, "reload:");
		write_two(&s, s.b, s.other, s.b);
		rig_kill(&s.d, SIGHUP);
		(void)time_reload(&s, s.main, 'b');
		crowd_check(held);
		close(held);
		write_one(&s, s.a);
		(void)time_reload(&s, s.other, REFUSED);
	}
	rig_down(&s.d);
}
END_TEST

START_TEST(twenty_reloads_in_a_burst_end_with_the_last_file)
{
	struct stage	 s;
	struct load	 load;

	open_stage(&s, "");
	crowd_load(&load, s.main);
	for (int i = 0; i < 20; i++) {
		if (i % 2 == 0)
			write_two(&s, s.a, s.other, s.a);
		else
			write_two(&s, s.b, s.other, s.b);
		rig_kill(&s.d, SIGHUP);
		(void)poll(NULL, 0, i % 4);
	}
	(void)time_reload(&s, s.other, 'b');
	ck_assert_uint_gt(crowd_rest(&load), 0);
	rig_until(&s.d, "spawner", 1);
	rig_down(&s.d);
}
END_TEST

START_TEST(a_reload_is_refused_while_sessions_drain)
{
	struct stage	 s;
	int		 held;

	open_stage(&s, "");
	held = crowd_session(s.main);
	rig_kill(&s.d, SIGQUIT);
	(void)rig_line(&s.d, "taking no more connections");
	write_two(&s, s.b, s.other, s.b);
	rig_kill(&s.d, SIGHUP);
	(void)rig_line(&s.d, "neither reload nor upgrade");
	crowd_check(held);
	ck_assert_int_eq(crowd_who(s.other), REFUSED);
	close(held);
	ck_assert_int_eq(rig_wait(&s.d, RIG_MS), 0);
}
END_TEST

START_TEST(a_stop_in_the_middle_of_a_reload_is_a_stop)
{
	struct stage	 s;

	for (int i = 0; i < 5; i++) {
		open_stage(&s, "");
		write_two(&s, s.b, s.other, s.b);
		rig_kill(&s.d, SIGHUP);
		(void)poll(NULL, 0, i * 3);
		rig_kill(&s.d, i % 2 == 0 ? SIGTERM : SIGQUIT);
		ck_assert_int_eq(rig_wait(&s.d, RIG_MS), 0);
		ck_assert_int_eq(crowd_who(s.main), REFUSED);
		ck_assert_int_eq(crowd_who(s.other), REFUSED);
	}
}
END_TEST

/* Killed at one moment or another of a reload. */
static const char	*const victims[] = { "keeper", "logger", "spawner" };

START_TEST(whoever_dies_in_the_middle_of_a_reload_the_next_one_works)
{
	const char	*victim = victims[_i % 3];
	struct stage	 s;
	pid_t		 pid;
	int		 held;

	open_stage(&s, "");
	held = crowd_session(s.main);
	pid = rig_pid(&s.d, victim);
	write_one(&s, s.b);
	rig_kill(&s.d, SIGHUP);
	(void)poll(NULL, 0, _i / 3 * 2);
	(void)kill(pid, SIGKILL);
	rig_until_gone(pid, RIG_MS);
	/* It was taken, or refused with a reason; so this one is a change. */
	write_two(&s, s.b, s.other, s.a);
	(void)time_reload(&s, s.other, 'a');
	(void)crowd_until(s.main, 'b');
	if (strcmp(victim, "spawner") != 0)
		crowd_check(held);
	rig_until(&s.d, "logger", 1);
	rig_until(&s.d, "keeper", 1);
	(void)rig_line(&s.d, " listener=other ");
	rig_down(&s.d);
}
END_TEST

START_TEST(old_generations_live_as_long_as_their_sessions)
{
	enum { N = 24 };
	struct stage	 s;
	char		 title[64];
	size_t		 fds;
	int		 held[N];

	open_stage(&s, "workers = { spare = 1; };\n");
	fds = rig_descriptors(s.d.pid);
	for (int i = 0; i < N; i++) {
		held[i] = crowd_session(s.main);
		write_one(&s, i % 2 == 0 ? s.b : s.a);
		(void)time_reload(&s, s.main, i % 2 == 0 ? 'b' : 'a');
		/* Or one before it might still take the next session. */
		snprintf(title, sizeof(title), "spawner tcp: 1 workers, "
		    "generation %d, ending", i + 1);
		rig_until(&s.d, title, 1);
	}
	rig_until(&s.d, "spawner", N + 1);
	/* In no order that anybody could count on. */
	for (int i = 0; i < N; i++) {
		for (int j = i; j < N; j++)
			crowd_check(held[j * 7 % N]);
		close(held[i * 7 % N]);
		held[i * 7 % N] = -1;
		rig_until(&s.d, "spawner", (size_t)(N - i));
		if (i + 1 < N)
			crowd_check(held[(i + 1) * 7 % N]);
	}
	/* The last one is not buried yet, perhaps. */
	for (int64_t until = rig_now() + RIG_MS; rig_now() < until &&
	    rig_descriptors(s.d.pid) != fds;)
		(void)poll(NULL, 0, 2);
	ck_assert_uint_eq(rig_descriptors(s.d.pid), fds);
	rig_down(&s.d);
}
END_TEST

START_TEST(listeners_that_stay_get_their_new_options)
{
	struct stage	 s;

	open_stage(&s, "");
	rig_conf(&s.d, "listeners = ( { name = \"main\"; listen = "
	    "\"127.0.0.1:%d\"; forward = \"127.0.0.1:%d\"; backlog = 1; } "
	    ");\n", s.main, s.b);
	reload(&s);
	(void)crowd_until(s.main, 'b');
	rig_down(&s.d);
}
END_TEST

int
main(void)
{
	Suite	*s = suite_create("reload");
	/* valgrind takes long to end a worker that was not killed. */
	TCase	*tc = tcase_create("plain"), *seen = tcase_create("seen");

	tcase_set_timeout(tc, rig_is_slow() ? 300 : 60);
	tcase_set_timeout(seen, SANITIZED ? 180 : 60);
	tcase_add_test(seen, two_hundred_reloads_refuse_nobody_and_cut_nobody);
	tcase_add_test(tc, a_broken_file_leaves_all_as_it_is);
	tcase_add_test(tc, the_log_has_every_mistake_and_every_change);
	tcase_add_test(tc, a_reload_that_changes_nothing_says_so);
	tcase_add_test(tc, what_takes_a_restart_stays_as_it_was);
	tcase_add_test(tc,
	    a_removed_listener_refuses_at_once_and_keeps_its_sessions);
	tcase_add_test(seen,
	    connections_in_the_queue_of_a_removed_listener_are_served);
	tcase_add_test(tc, an_address_that_overlaps_ours_is_explained);
	tcase_add_test(seen, pools_come_and_go_and_come_again);
	tcase_add_test(seen,
	    a_session_keeps_its_pool_while_it_is_gone_and_back);
	tcase_add_test(tc, the_log_moves_with_a_reload);
	tcase_add_test(tc, a_reload_asked_for_during_another_is_not_lost);
	tcase_add_test(seen, twenty_reloads_in_a_burst_end_with_the_last_file);
	tcase_add_test(seen, a_reload_is_refused_while_sessions_drain);
	tcase_add_test(seen, a_stop_in_the_middle_of_a_reload_is_a_stop);
	tcase_add_loop_test(seen,
	    whoever_dies_in_the_middle_of_a_reload_the_next_one_works, 0, 9);
	tcase_add_test(seen, old_generations_live_as_long_as_their_sessions);
	tcase_add_test(tc, listeners_that_stay_get_their_new_options);
	suite_add_tcase(s, tc);
	suite_add_tcase(s, seen);
	return rig_run(s);
}
