/*
 * How the daemon lives and dies: each role killed in each state, stop and
 * drain, the log when nobody reads it, limits, privileges.
 */
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "rig.h"

/* A daemon in front of a server that this test plays. */
struct stage {
	struct daemon	 d;
	int		 port, lfd;
};

static void
open_stage(struct stage *s, const char *more)
{
	int	 back;

	s->port = rig_port();
	s->lfd = rig_listen(&back);
	/* Sessions that stay where these tests look for them. */
	rig_up(&s->d, "listeners = ( { name = \"l\"; listen = "
	    "\"127.0.0.1:%d\"; forward = \"127.0.0.1:%d\"; carry = "
	    "\"never\"; } );\n%s", s->port, back, more);
}

static void
open_session(const struct stage *s, int *client, int *server)
{
	*client = rig_dial(s->port);
	ck_assert_int_ne(*client, -1);
	*server = rig_accept(s->lfd);
}

/* A session that works from end to end, now. */
static void
try_session(const struct stage *s)
{
	int	 client, server;

	open_session(s, &client, &server);
	rig_say(client, "ping");
	rig_hear(server, "ping");
	rig_say(server, "pong");
	rig_hear(client, "pong");
	close(client);
	rig_hear_end(server);
	close(server);
}

static void
expect_works(int client, int server)
{
	rig_say(client, "still");
	rig_hear(server, "still");
	rig_say(server, "there");
	rig_hear(client, "there");
}

START_TEST(a_killed_worker_takes_its_session_only)
{
	struct stage	 s;
	const char	*line;
	char		 title[64];
	int		 a[2], b[2];
	int64_t		 deadline;
	pid_t		 spawner, found[2];
	size_t		 serving;

	open_stage(&s, "");
	open_session(&s, &a[0], &a[1]);
	open_session(&s, &b[0], &b[1]);
	rig_say(a[0], "abc");
	rig_hear(a[1], "abc");
	snprintf(title, sizeof(title), "worker tcp: l");
	spawner = rig_pid(&s.d, "spawner tcp");
	/* The first session's line names its worker by the id of the page. */
	{
		pid_t	 pids[8];
		size_t	 n = rig_pids(&s.d, title, pids, 8);
		char	 buf[64];

		ck_assert_uint_eq(n, 2);
		rig_proc(pids[0], "comm", buf, sizeof(buf));
		ck_assert_int_eq(kill(pids[0], SIGKILL), 0);
	}
	line = rig_line(&s.d, " end=crashed");
	ck_assert_ptr_nonnull(strstr(line, " why=Killed"));
	ck_assert_ptr_nonnull(strstr(line, " listener=l client=127.0.0.1:"));
	/* One of the two ended; the other relays on. */
	{
		struct pollfd	 p[2] = {
			{ a[0], POLLIN, 0 }, { b[0], POLLIN, 0 },
		};

		ck_assert_int_eq(poll(p, 2, rig_patience(RIG_MS)), 1);
		if (p[0].revents != 0)
			expect_works(b[0], b[1]);
		else
			expect_works(a[0], a[1]);
	}
	/* Others serve at once, forked by a spawner with another layout. */
	try_session(&s);
	(void)rig_line(&s.d, "worker");
	/* The old one has as many for a moment, before it is told to end. */
	deadline = rig_now() + rig_patience(RIG_MS);
	do {
		(void)poll(NULL, 0, 1);
		serving = rig_pids(&s.d, "spawner tcp: 8 workers", found, 2);
	} while ((serving != 1 || found[0] == spawner) &&
	    rig_now() < deadline);
	ck_assert_uint_eq(serving, 1);
	ck_assert_int_ne(found[0], spawner);
	rig_down(&s.d);
}
END_TEST

/* Where the stack begins, as the memory map tells. */
static unsigned long
layout(pid_t pid)
{
	static char	 buf[65536];
	char		*line;
	ssize_t		 n;
	size_t		 len = 0;
	int		 fd;

	snprintf(buf, sizeof(buf), "/proc/%d/maps", (int)pid);
	fd = open(buf, O_RDONLY | O_CLOEXEC);
	ck_assert_int_ne(fd, -1);
	while ((n = read(fd, buf + len, sizeof(buf) - 1 - len)) > 0)
		len += (size_t)n;
	close(fd);
	buf[len] = '\0';
	line = strstr(buf, "[stack]");
	ck_assert_ptr_nonnull(line);
	while (line > buf && line[-1] != '\n')
		line--;
	return strtoul(line, NULL, 16);
}

START_TEST(after_a_crash_workers_have_other_addresses)
{
	struct stage	 s;
	unsigned long	 before;
	pid_t		 worker, spawner;
	int		 client, server;

	if (geteuid() != 0)
		return;		/* only root may look into a worker */
	open_stage(&s, "");
	open_session(&s, &client, &server);
	spawner = rig_pid(&s.d, "spawner tcp");
	worker = rig_pid(&s.d, "worker tcp: l");
	before = layout(worker);
	ck_assert_uint_ne(before, 0);
	ck_assert_int_eq(kill(worker, SIGSEGV), 0);
	(void)rig_line(&s.d, " end=crashed");
	rig_until_gone(spawner, RIG_MS);
	ck_assert_uint_ne(layout(rig_pid(&s.d, "worker tcp: idle")), before);
	try_session(&s);
	rig_down(&s.d);
}
END_TEST

START_TEST(a_source_that_crashes_workers_is_kept_out_for_a_while)
{
	struct stage	 s;
	int		 client, server;
	int64_t		 since;

	open_stage(&s, "");
	for (int i = 0; i < 3; i++) {
		open_session(&s, &client, &server);
		ck_assert_int_eq(kill(rig_pid(&s.d, "worker tcp: l"),
		    SIGSEGV), 0);
		(void)rig_line(&s.d, " end=crashed");
		rig_hear_end(client);
		close(client);
		close(server);
	}
	since = rig_now();
	(void)rig_line(&s.d, "sessions of 127.0.0.1 made workers crash: "
	    "it is refused for 1 s");
	rig_hear_reset(rig_dial(s.port));
	(void)rig_line(&s.d, " end=limit why=\"sessions of its source made "
	    "workers crash\"");
	/* A new spawner knows of it, and it passes. */
	while (rig_now() < since + 1000)
		(void)poll(NULL, 0, 10);
	try_session(&s);
	rig_down(&s.d);
}
END_TEST

START_TEST(a_worker_told_to_retire_keeps_its_session)
{
	struct stage	 s;
	int		 client, server;

	/* And an alarm of the session before is not taken for one of this. */
	open_stage(&s, "workers = { spare = 1; max = 1; };\n"
	    "timeouts = { session = \"500ms\"; };\n");
	open_session(&s, &client, &server);
	rig_hear_reset(client);
	open_session(&s, &client, &server);
	rig_say(client, "x");
	rig_hear(server, "x");
	ck_assert_int_eq(kill(rig_pid(&s.d, "worker tcp: l"), SIGQUIT), 0);
	expect_works(client, server);
	rig_hear_reset(client);
	(void)rig_line(&s.d, " end=timeout");
	ck_assert_double_ge(rig_number(rig_line(&s.d, " end=timeout"), "ms"),
	    490);
	rig_down(&s.d);
}
END_TEST

/* Milliseconds from the death of a worker to the birth of another. */
static int64_t
time_replacement(struct stage *s)
{
	pid_t	 before[64], now[64];
	size_t	 nbefore, nnow, known;
	int64_t	 began = rig_now();

	nbefore = rig_pids(&s->d, "worker tcp", before, 64);
	ck_assert_uint_gt(nbefore, 0);
	ck_assert_int_eq(kill(rig_pid(&s->d, "worker tcp: idle"), SIGKILL), 0);
	do {
		nnow = rig_pids(&s->d, "worker tcp", now, 64);
		known = 0;
		for (size_t i = 0; i < nnow && i < 64; i++)
			for (size_t j = 0; j < nbefore && j < 64; j++)
				known += now[i] == before[j];
		ck_assert_int_lt(rig_now() - began, RIG_MS);
	} while (known == nnow);
	return rig_now() - began;
}

START_TEST(a_killed_idle_worker_is_replaced_within_50_ms)
{
	struct stage	 s;
	int64_t		 best = RIG_MS;

	/* The machine may be busy with others: one good try of ten is proof. */
	open_stage(&s, "workers = { spare = 2; };\n");
	for (int i = 0; i < 10 && best > 50; i++) {
		rig_until(&s.d, "worker tcp: idle", 2);
		best = time_replacement(&s);
		(void)rig_line(&s.d, "worker died by signal 9");
	}
	ck_assert_int_le(best, 50);
	try_session(&s);
	rig_down(&s.d);
}
END_TEST

START_TEST(a_worker_killed_while_it_dials_leaves_its_line)
{
	struct daemon	 d;
	const char	*line;
	int		 port = rig_port(), hole, full, client;

	/* A queue that is full: nobody accepts, nobody refuses. */
	full = rig_listen(&hole);
	ck_assert_int_eq(listen(full, 0), 0);
	(void)rig_dial(hole);
	rig_up(&d, "timeouts = { connect = \"60s\"; handshake = \"60s\"; };\n"
	    "listeners = ( { name = \"l\"; listen = \"127.0.0.1:%d\"; "
	    "forward = \"127.0.0.1:%d\"; } );\n", port, hole);
	client = rig_dial(port);
	ck_assert_int_ne(client, -1);
	ck_assert_int_eq(kill(rig_pid(&d, "worker tcp: l"), SIGKILL), 0);
	line = rig_line(&d, " end=crashed");
	ck_assert_ptr_null(strstr(line, "connect_ms"));
	rig_down(&d);
}
END_TEST

START_TEST(a_spawner_killed_while_it_drains_ends_the_drain)
{
	struct stage	 s;
	int		 client, server;

	open_stage(&s, "");
	open_session(&s, &client, &server);
	rig_kill(&s.d, SIGQUIT);
	rig_until(&s.d, "worker tcp: idle", 0);
	ck_assert_int_eq(kill(rig_pid(&s.d, "spawner tcp"), SIGKILL), 0);
	ck_assert_int_eq(rig_wait(&s.d, RIG_MS), 0);
	rig_hear_reset(client);
	ck_assert_uint_eq(rig_count(&s.d, " end=crashed"), 1);
}
END_TEST

START_TEST(a_full_pool_is_renewed_after_a_crash_too)
{
	struct stage	 s;
	pid_t		 spawner;

	open_stage(&s, "workers = { spare = 2; max = 2; };\n");
	rig_until(&s.d, "worker tcp: idle", 2);
	spawner = rig_pid(&s.d, "spawner tcp");
	ck_assert_int_eq(kill(rig_pid(&s.d, "worker tcp: idle"), SIGSEGV), 0);
	rig_until_gone(spawner, RIG_MS);
	rig_until(&s.d, "worker tcp: idle", 2);
	try_session(&s);
	rig_down(&s.d);
}
END_TEST

START_TEST(signals_to_all_processes_mean_the_master_only)
{
	const int	 signals[] = { SIGHUP, SIGUSR1, SIGUSR2, SIGINT };
	struct stage	 s;
	pid_t		 pids[64];
	size_t		 n;
	int		 client, server;

	open_stage(&s, "");
	open_session(&s, &client, &server);
	rig_until(&s.d, "worker tcp: idle", 8);
	n = rig_pids(&s.d, "sallyportd: ", pids, 64);
	ck_assert_uint_ge(n, 12);
	for (size_t i = 0; i < n; i++)
		for (size_t j = 0; j < 4 && pids[i] != s.d.pid; j++)
			ck_assert_int_eq(kill(pids[i], signals[j]), 0);
	expect_works(client, server);
	try_session(&s);
	ck_assert_uint_eq(rig_count(&s.d, "died by signal"), 0);
	rig_down(&s.d);
}
END_TEST

START_TEST(an_empty_message_does_not_silence_the_log)
{
	struct stage	 s;
	pid_t		 worker;
	int		 pidfd, fd, type, sent = 0;
	socklen_t	 len;

	if (geteuid() != 0)
		return;		/* only root may take a worker's socket */
	open_stage(&s, "");
	worker = rig_pid(&s.d, "worker tcp: idle");
	pidfd = (int)syscall(SYS_pidfd_open, worker, 0);
	ck_assert_int_ne(pidfd, -1);
	for (int i = 3; i < 32; i++) {
		fd = (int)syscall(SYS_pidfd_getfd, pidfd, i, 0);
		len = sizeof(type);
		if (fd == -1)
			continue;
		if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) == 0 &&
		    type == SOCK_SEQPACKET) {
			ck_assert_int_eq(send(fd, "", 0, 0), 0);
			sent++;
		}
		close(fd);
	}
	close(pidfd);
	/* To the logger, the keeper and the carriers. */
	ck_assert_int_eq(sent, 3);
	(void)rig_line(&s.d, "sent what is no line");
	try_session(&s);
	(void)rig_line(&s.d, " end=done");
	rig_down(&s.d);
}
END_TEST

START_TEST(a_killed_spawner_is_replaced)
{
	struct stage	 s;
	pid_t		 spawner;
	int		 client, server;

	open_stage(&s, "");
	open_session(&s, &client, &server);
	spawner = rig_pid(&s.d, "spawner tcp");
	ck_assert_int_eq(kill(spawner, SIGKILL), 0);
	rig_hear_reset(client);
	(void)rig_line(&s.d, "spawner");
	rig_until_gone(spawner, RIG_MS);
	(void)rig_pid(&s.d, "worker tcp: idle");
	try_session(&s);
	ck_assert_uint_eq(rig_count(&s.d, " end=crashed"), 1);
	rig_down(&s.d);
}
END_TEST

START_TEST(a_killed_logger_is_replaced_and_loses_no_line)
{
	struct stage	 s;
	pid_t		 logger;

	open_stage(&s, "");
	try_session(&s);
	(void)rig_line(&s.d, " end=done");
	logger = rig_pid(&s.d, "sallyportd: logger");
	/* Stopped first, so that a line lies in its socket when it dies. */
	ck_assert_int_eq(kill(logger, SIGSTOP), 0);
	try_session(&s);
	ck_assert_int_eq(kill(logger, SIGKILL), 0);
	rig_until_gone(logger, RIG_MS);
	(void)rig_line(&s.d, " end=done");
	ck_assert_uint_eq(rig_count(&s.d, "died by signal 9 (Killed); "
	    "starting another"), 1);
	try_session(&s);
	(void)rig_line(&s.d, " end=done");
	rig_down(&s.d);
}
END_TEST

START_TEST(a_killed_keeper_is_replaced_and_names_stay)
{
	struct daemon	 d;
	struct stage	 s;
	pid_t		 keeper;
	int		 back;

	s.port = rig_port();
	s.lfd = rig_listen(&back);
	rig_up(&d, "listeners = ( { name = \"l\"; listen = \"127.0.0.1:%d\"; "
	    "forward = \"localhost:%d\"; } );\n", s.port, back);
	s.d = d;
	keeper = rig_pid(&s.d, "keeper: 1 names");
	ck_assert_int_eq(kill(keeper, SIGKILL), 0);
	try_session(&s);
	rig_until_gone(keeper, RIG_MS);
	(void)rig_pid(&s.d, "keeper: 1 names");
	try_session(&s);
	rig_down(&s.d);
}
END_TEST

START_TEST(a_killed_master_leaves_nothing_behind)
{
	struct stage	 s;
	pid_t		 pids[64];
	size_t		 n;
	int		 client, server;

	open_stage(&s, "");
	open_session(&s, &client, &server);
	rig_until(&s.d, "worker tcp: idle", 8);
	n = rig_pids(&s.d, "sallyportd: ", pids, 64);
	ck_assert_uint_ge(n, 11);
	rig_kill(&s.d, SIGKILL);
	ck_assert_int_eq(rig_wait(&s.d, RIG_MS), -SIGKILL);
	for (size_t i = 0; i < n; i++)
		rig_until_gone(pids[i], 1000);
	rig_hear_reset(client);
	ck_assert_uint_eq(rig_count(&s.d, " end=shutdown"), 1);
}
END_TEST

START_TEST(term_ends_sessions_with_a_line_each)
{
	struct stage	 s;
	int		 a[2], b[2];

	open_stage(&s, "");
	open_session(&s, &a[0], &a[1]);
	open_session(&s, &b[0], &b[1]);
	rig_kill(&s.d, SIGTERM);
	ck_assert_int_eq(rig_wait(&s.d, RIG_MS), 0);
	rig_hear_reset(a[0]);
	rig_hear_reset(b[1]);
	ck_assert_uint_eq(rig_count(&s.d, " end=shutdown"), 2);
	(void)rig_line(&s.d, "stopped");
	ck_assert_int_eq(rig_dial(s.port), -1);
}
END_TEST

START_TEST(int_ends_it_too)
{
	struct stage	 s;

	open_stage(&s, "");
	rig_kill(&s.d, SIGINT);
	ck_assert_int_eq(rig_wait(&s.d, RIG_MS), 0);
}
END_TEST

START_TEST(quit_waits_for_sessions_and_takes_no_new_ones)
{
	struct stage	 s;
	int		 client, server;

	open_stage(&s, "");
	open_session(&s, &client, &server);
	rig_kill(&s.d, SIGQUIT);
	(void)rig_line(&s.d, "taking no more connections");
	rig_until(&s.d, "worker tcp: idle", 0);
	rig_until_refused(s.port);
	expect_works(client, server);
	close(client);
	rig_hear_end(server);
	close(server);
	ck_assert_int_eq(rig_wait(&s.d, RIG_MS), 0);
	(void)rig_line(&s.d, " end=done");
}
END_TEST

START_TEST(quit_waits_no_longer_than_drain)
{
	struct stage	 s;
	int		 client, server;

	open_stage(&s, "timeouts = { drain = \"300ms\"; };\n");
	open_session(&s, &client, &server);
	rig_kill(&s.d, SIGQUIT);
	rig_hear_reset(client);
	ck_assert_int_eq(rig_wait(&s.d, RIG_MS), 0);
	(void)rig_line(&s.d, " end=shutdown");
}
END_TEST

START_TEST(term_is_heard_while_bytes_never_pause)
{
	static char	 buf[65536];
	struct stage	 s;
	int		 client, server;
	pid_t		 pump[2];

	open_stage(&s, "");
	open_session(&s, &client, &server);
	for (int i = 0; i < 2; i++) {
		pump[i] = fork();
		if (pump[i] != 0)
			continue;
		while (i == 0 ? send(client, buf, sizeof(buf),
		    MSG_NOSIGNAL) > 0 : recv(server, buf, sizeof(buf), 0) > 0)
			continue;
		_exit(0);
	}
	rig_kill(&s.d, SIGTERM);
	ck_assert_int_eq(rig_wait(&s.d, RIG_MS), 0);
	(void)rig_line(&s.d, " end=shutdown");
	close(client);
	close(server);
}
END_TEST

START_TEST(usr1_opens_the_log_file_again)
{
	struct stage	 s;
	char		 log[160], moved[170], buf[4096] = "";
	int64_t		 deadline;
	int		 back, fd;

	s.port = rig_port();
	s.lfd = rig_listen(&back);
	rig_start(&s.d, "log = { to = \"%%D/log\"; };\nlisteners = ( { name "
	    "= \"l\"; listen = \"127.0.0.1:%d\"; forward = "
	    "\"127.0.0.1:%d\"; } );\n", s.port, back);
	(void)rig_pid(&s.d, "sallyportd: master");
	try_session(&s);
	snprintf(log, sizeof(log), "%s/log", s.d.dir);
	snprintf(moved, sizeof(moved), "%s/log.1", s.d.dir);
	ck_assert_int_eq(rename(log, moved), 0);
	rig_kill(&s.d, SIGUSR1);
	deadline = rig_now() + rig_patience(RIG_MS);
	while (access(log, F_OK) == -1)
		ck_assert_int_lt(rig_now(), deadline);
	try_session(&s);
	while (strstr(buf, " end=done") == NULL) {
		ck_assert_int_lt(rig_now(), deadline);
		fd = open(log, O_RDONLY | O_CLOEXEC);
		ck_assert_int_ne(read(fd, buf, sizeof(buf) - 1), -1);
		close(fd);
	}
	rig_down(&s.d);
}
END_TEST

START_TEST(sessions_do_not_wait_for_a_stopped_logger)
{
	struct stage	 s;
	const char	*line;
	pid_t		 logger;
	size_t		 lines, dropped;
	const int	 n = 6000;

	/* Enough to fill the socket even where it holds a megabyte. */
	open_stage(&s, "");
	logger = rig_pid(&s.d, "sallyportd: logger");
	ck_assert_int_eq(kill(logger, SIGSTOP), 0);
	for (int i = 0; i < n; i++) {
		int	 client, server;

		open_session(&s, &client, &server);
		close(server);
		close(client);
	}
	rig_until(&s.d, "worker tcp: l", 0);
	ck_assert_int_eq(kill(logger, SIGCONT), 0);
	line = strstr(rig_line(&s.d, "lines were dropped"), "logger[");
	ck_assert_ptr_nonnull(line);
	line = strstr(line, "]: ");
	ck_assert_ptr_nonnull(line);
	dropped = strtoul(line + 3, NULL, 10);
	ck_assert_uint_gt(dropped, 0);
	try_session(&s);
	rig_kill(&s.d, SIGTERM);
	ck_assert_int_eq(rig_wait(&s.d, RIG_MS), 0);
	lines = rig_count(&s.d, " session id=");
	ck_assert_uint_eq(lines + dropped, (size_t)n + 1);
}
END_TEST

START_TEST(lines_that_repeat_are_counted_and_not_all_written)
{
	struct daemon	 d;
	pid_t		 pids[16];
	size_t		 n;

	/* Each killed worker is one and the same complaint. */
	rig_up(&d, "workers = { spare = 16; };\nlisteners = ( { name = "
	    "\"l\"; listen = \"127.0.0.1:%d\"; forward = \"127.0.0.1:1\"; "
	    "} );\n", rig_port());
	rig_until(&d, "worker tcp: idle", 16);
	n = rig_pids(&d, "worker tcp: idle", pids, 16);
	ck_assert_uint_eq(n, 16);
	for (size_t i = 0; i < n; i++)
		ck_assert_int_eq(kill(pids[i], SIGKILL), 0);
	for (size_t i = 0; i < n; i++)
		rig_until_buried(pids[i]);
	rig_kill(&d, SIGTERM);
	ck_assert_int_eq(rig_wait(&d, RIG_MS), 0);
	ck_assert_uint_eq(rig_count(&d, "]: worker died by signal 9"), 10);
	(void)rig_line(&d, "6 more suppressed within 10 seconds, the last: "
	    "worker died");
}
END_TEST

START_TEST(a_stop_makes_no_workers_anew)
{
	struct daemon	 d;
	char		 text[2048];
	size_t		 n = 0;

	/* Of several pools one is the last to be told. */
	for (int i = 0; i < 8; i++)
		n += (size_t)snprintf(text + n, sizeof(text) - n, "%s{ name = "
		    "\"l%d\"; pool = \"p%d\"; listen = \"127.0.0.1:%d\"; "
		    "forward = \"127.0.0.1:1\"; }", i > 0 ? ",\n" : "", i, i,
		    rig_port());
	rig_up(&d, "workers = { spare = 4; };\nlisteners = ( %s );\n", text);
	rig_until(&d, ": idle", 32);
	rig_kill(&d, SIGTERM);
	ck_assert_int_eq(rig_wait(&d, RIG_MS), 0);
	ck_assert_uint_eq(rig_count(&d, "served 0 sessions"), 32);
}
END_TEST

START_TEST(a_spawner_that_comes_late_makes_no_workers_anew)
{
	struct daemon	 d;
	pid_t		 spawner;

	rig_up(&d, "workers = { spare = 4; };\nlisteners = ( { name = "
	    "\"l\"; listen = \"127.0.0.1:%d\"; forward = \"127.0.0.1:1\"; "
	    "} );\n", rig_port());
	rig_until(&d, "worker tcp: idle", 4);
	spawner = rig_pid(&d, "spawner tcp: 4 workers");
	ck_assert_int_eq(kill(spawner, SIGSTOP), 0);
	/* The listeners are shut, which the workers see before it can. */
	rig_kill(&d, SIGQUIT);
	rig_until(&d, "worker tcp: idle", 0);
	ck_assert_int_eq(kill(spawner, SIGCONT), 0);
	ck_assert_int_eq(rig_wait(&d, RIG_MS), 0);
	ck_assert_uint_eq(rig_count(&d, "served 0 sessions"), 4);
}
END_TEST

/* How many seccomp filters a process has; 0 where that is not told. */
static unsigned int
filters_of(pid_t pid)
{
	char		 buf[4096];
	const char	*p;
	unsigned int	 n = 0;

	p = strstr(rig_proc(pid, "status", buf, sizeof(buf)),
	    "\nSeccomp_filters:");
	if (p != NULL)
		(void)sscanf(p, "\nSeccomp_filters: %u", &n);
	return n;
}

START_TEST(workers_have_a_filter_on_top_of_their_spawners)
{
	struct daemon	 d;
	unsigned int	 spawner;

	rig_up(&d, "workers = { spare = 1; };\nlisteners = ( { name = "
	    "\"l\"; listen = \"127.0.0.1:%d\"; forward = \"127.0.0.1:1\"; "
	    "} );\n", rig_port());
	spawner = filters_of(rig_pid(&d, "spawner tcp"));
	/* A build that is looked into has none, nor has one in valgrind. */
	if (spawner > filters_of(d.pid))
		ck_assert_uint_eq(filters_of(rig_pid(&d, "worker tcp: idle")),
		    spawner + 1);
	rig_down(&d);
}
END_TEST

START_TEST(when_all_workers_are_busy_connections_wait)
{
	struct stage	 s;
	int		 a[2], b[2];

	open_stage(&s, "workers = { spare = 1; max = 2; };\n");
	open_session(&s, &a[0], &a[1]);
	open_session(&s, &b[0], &b[1]);
	(void)rig_line(&s.d, "all 2 workers of pool tcp are busy");
	{
		int	 third = rig_dial(s.port), server;

		rig_say(third, "patience");
		close(a[0]);
		close(a[1]);
		server = rig_accept(s.lfd);
		rig_hear(server, "patience");
	}
	ck_assert_uint_eq(rig_count(&s.d, "workers of pool"), 1);
	rig_down(&s.d);
}
END_TEST

START_TEST(honest_clients_are_answered_beside_two_thousand_silent_ones)
{
	static int	 silent[2000];
	struct stage	 s;
	struct rlimit	 rl;
	int64_t		 began;
	int		 n = 2000;

	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &rl), 0);
	rl.rlim_cur = rl.rlim_max;
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &rl), 0);
	if (rig_is_slow() || rl.rlim_cur < 4200)
		n = 20;
	open_stage(&s, "");
	for (int i = 0; i < n; i++) {
		silent[i] = rig_dial(s.port);
		ck_assert_int_ne(silent[i], -1);
	}
	for (int i = 0; i < n; i++)
		(void)rig_accept(s.lfd);	/* and say nothing */
	for (int i = 0; i < 20; i++) {
		began = rig_now();
		try_session(&s);
		ck_assert_int_lt(rig_now() - began, rig_patience(100));
	}
	rig_down(&s.d);
}
END_TEST

START_TEST(a_connection_wakes_one_worker)
{
	struct stage	 s;
	const char	*line;
	double		 wakeups = 0, served = 0;

	open_stage(&s, "workers = { spare = 100; };\n");
	rig_until(&s.d, "worker tcp: idle", 100);
	for (int i = 0; i < 1000; i++) {
		int	 client, server;

		open_session(&s, &client, &server);
		close(server);
		close(client);
		/* One that comes back finds what has come meanwhile, too. */
		(void)poll(NULL, 0, 2);
	}
	rig_until(&s.d, "worker tcp: l", 0);
	rig_kill(&s.d, SIGTERM);
	ck_assert_int_eq(rig_wait(&s.d, RIG_MS), 0);
	for (size_t n = rig_count(&s.d, " wake-ups"); n > 0; n--) {
		line = strstr(rig_line(&s.d, " wake-ups"), "served ");
		served += strtod(line + 7, NULL);
		wakeups += strtod(strstr(line, " in ") + 4, NULL);
	}
	ck_assert_double_eq(served, 1000);
	ck_assert_double_le(wakeups, 1200);
}
END_TEST

START_TEST(a_worker_is_replaced_after_its_share_of_sessions)
{
	struct stage	 s;

	open_stage(&s, "workers = { spare = 1; max = 1; reuse = 3; };\n");
	for (int i = 0; i < 7; i++)
		try_session(&s);
	(void)rig_line(&s.d, "served 3 sessions");
	(void)rig_line(&s.d, "served 3 sessions");
	rig_down(&s.d);
}
END_TEST

static const rlim_t	 few[] = { 64, 256, 4096, RLIM_INFINITY };

START_TEST(it_serves_with_few_descriptors_and_with_many)
{
	struct rlimit	 rl;
	struct stage	 s;
	int		 c[20][2];

	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &rl), 0);
	if (few[_i] < rl.rlim_max)
		rl.rlim_max = few[_i];
	rl.rlim_cur = rl.rlim_max;
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &rl), 0);
	open_stage(&s, "");
	for (int i = 0; i < 20; i++)
		open_session(&s, &c[i][0], &c[i][1]);
	for (int i = 0; i < 20; i++)
		expect_works(c[i][0], c[i][1]);
	rig_down(&s.d);
}
END_TEST

/* As the user they run as, who may do so without any capability. */
static void
limit_descriptors(const pid_t *pids, size_t n, rlim_t most)
{
	const struct passwd	*nobody = getpwnam("nobody");
	struct rlimit		 rl;
	int			 status;
	pid_t			 pid;

	ck_assert_ptr_nonnull(nobody);
	pid = fork();
	ck_assert_int_ne(pid, -1);
	if (pid == 0) {
		if (setresgid(nobody->pw_gid, nobody->pw_gid,
		    nobody->pw_gid) == -1 || setresuid(nobody->pw_uid,
		    nobody->pw_uid, nobody->pw_uid) == -1)
			_exit(1);
		for (size_t i = 0; i < n; i++) {
			if (prlimit(pids[i], RLIMIT_NOFILE, NULL, &rl) == -1)
				_exit(2);
			rl.rlim_cur = most < rl.rlim_max ? most : rl.rlim_max;
			if (prlimit(pids[i], RLIMIT_NOFILE, &rl, NULL) == -1)
				_exit(3);
		}
		_exit(0);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
}

START_TEST(a_lack_of_descriptors_is_told_once_and_waited_out)
{
	struct stage	 s;
	pid_t		 pids[8];
	int		 client, server;
	int64_t		 began;

	if (geteuid() != 0)
		return;		/* only root may become their user */
	open_stage(&s, "");
	rig_until(&s.d, "worker tcp: idle", 8);
	(void)rig_pids(&s.d, "worker tcp: idle", pids, 8);
	limit_descriptors(pids, 8, 3);
	client = rig_dial(s.port);
	(void)rig_line(&s.d, "listener l: accept: Too many open files");
	/* Time for all of them to have tried, and more than once. */
	rig_hear_nothing(client);
	(void)poll(NULL, 0, 400);
	ck_assert_uint_eq(rig_count(&s.d, "Too many open files"), 1);
	limit_descriptors(pids, 8, 4096);
	began = rig_now();
	server = rig_accept(s.lfd);
	ck_assert_int_lt(rig_now() - began, rig_patience(1000));
	(void)rig_line(&s.d, "accepting again");
	expect_works(client, server);
	try_session(&s);
	rig_down(&s.d);
}
END_TEST

START_TEST(root_is_gone_for_good)
{
	struct stage	 s;
	char		 status[4096], link[64], root[256];
	ssize_t		 n;
	pid_t		 worker;

	if (geteuid() != 0)
		return;
	open_stage(&s, "");
	worker = rig_pid(&s.d, "worker tcp: idle");
	rig_proc(worker, "status", status, sizeof(status));
	ck_assert_ptr_nonnull(strstr(status,
	    "Uid:\t65534\t65534\t65534\t65534\n"));
	ck_assert_ptr_nonnull(strstr(status,
	    "Gid:\t65534\t65534\t65534\t65534\n"));
	ck_assert_ptr_nonnull(strstr(status, "Groups:\t65534 \n"));
	ck_assert_ptr_nonnull(strstr(status, "CapPrm:\t0000000000000000\n"));
	ck_assert_ptr_nonnull(strstr(status, "CapEff:\t0000000000000000\n"));
	ck_assert_ptr_nonnull(strstr(status, "CapBnd:\t0000000000000000\n"));
	ck_assert_ptr_nonnull(strstr(status, "NoNewPrivs:\t1\n"));
	snprintf(link, sizeof(link), "/proc/%d/root", (int)worker);
	n = readlink(link, root, sizeof(root) - 1);
	ck_assert_int_gt(n, 0);
	root[n] = '\0';
	/* A folder without a name: nothing can be put there. */
	ck_assert_ptr_nonnull(strstr(root, "(deleted)"));
	rig_down(&s.d);
}
END_TEST

START_TEST(a_second_daemon_with_the_same_pid_file_ends)
{
	struct daemon	 d, second;
	char		 file[160], buf[32] = "";
	int		 fd;

	rig_up(&d, "pid_file = \"%%D/pid\";\nlisteners = ( { name = \"l\"; "
	    "listen = \"127.0.0.1:%d\"; forward = \"127.0.0.1:1\"; } );\n",
	    rig_port());
	snprintf(file, sizeof(file), "%s/pid", d.dir);
	fd = open(file, O_RDONLY | O_CLOEXEC);
	ck_assert_int_gt(read(fd, buf, sizeof(buf) - 1), 0);
	close(fd);
	if (!rig_is_slow())
		ck_assert_int_eq(strtol(buf, NULL, 10), d.pid);
	rig_start(&second, "pid_file = \"%s\";\nlisteners = ( { name = "
	    "\"l\"; listen = \"127.0.0.1:%d\"; forward = \"127.0.0.1:1\"; "
	    "} );\n", file, rig_port());
	ck_assert_int_eq(rig_wait(&second, RIG_MS), 1);
	rig_kill(&d, SIGTERM);
	ck_assert_int_eq(rig_wait(&d, RIG_MS), 0);
	ck_assert_int_eq(access(file, F_OK), -1);
}
END_TEST

START_TEST(a_port_in_use_ends_the_start)
{
	struct daemon	 d;
	int		 port;

	(void)rig_listen(&port);
	rig_start(&d, "listeners = ( { name = \"l\"; listen = "
	    "\"127.0.0.1:%d\"; forward = \"127.0.0.1:1\"; } );\n", port);
	ck_assert_int_eq(rig_wait(&d, RIG_MS), 1);
}
END_TEST

START_TEST(a_log_file_that_cannot_be_opened_ends_the_start)
{
	struct daemon	 d;

	rig_start(&d, "log = { to = \"/proc/none/of/this\"; };\nlisteners = "
	    "( { name = \"l\"; listen = \"127.0.0.1:%d\"; forward = "
	    "\"127.0.0.1:1\"; } );\n", rig_port());
	ck_assert_int_eq(rig_wait(&d, RIG_MS), 77);
}
END_TEST

int
main(void)
{
	Suite	*s = suite_create("life");
	/* Under valgrind only the plain ones: there ps(1) shows no titles. */
	TCase	*tc = tcase_create("plain"), *seen = tcase_create("seen");

	tcase_set_timeout(tc, rig_is_slow() ? 300 : 60);
	tcase_set_timeout(seen, 60);
	tcase_add_test(seen, a_killed_worker_takes_its_session_only);
	tcase_add_test(seen, after_a_crash_workers_have_other_addresses);
	tcase_add_test(seen,
	    a_source_that_crashes_workers_is_kept_out_for_a_while);
	tcase_add_test(seen, a_killed_idle_worker_is_replaced_within_50_ms);
	tcase_add_test(seen, a_worker_told_to_retire_keeps_its_session);
	tcase_add_test(seen, a_worker_killed_while_it_dials_leaves_its_line);
	tcase_add_test(seen,
	    a_spawner_killed_while_it_drains_ends_the_drain);
	tcase_add_test(seen, a_full_pool_is_renewed_after_a_crash_too);
	tcase_add_test(seen, signals_to_all_processes_mean_the_master_only);
	tcase_add_test(seen, an_empty_message_does_not_silence_the_log);
	tcase_add_test(seen, a_killed_spawner_is_replaced);
	tcase_add_test(seen, a_killed_logger_is_replaced_and_loses_no_line);
	tcase_add_test(seen, a_killed_keeper_is_replaced_and_names_stay);
	tcase_add_test(seen, a_killed_master_leaves_nothing_behind);
	tcase_add_test(tc, term_ends_sessions_with_a_line_each);
	tcase_add_test(tc, int_ends_it_too);
	tcase_add_test(seen, quit_waits_for_sessions_and_takes_no_new_ones);
	tcase_add_test(tc, quit_waits_no_longer_than_drain);
	tcase_add_test(tc, term_is_heard_while_bytes_never_pause);
	tcase_add_test(seen, usr1_opens_the_log_file_again);
	tcase_add_test(seen, sessions_do_not_wait_for_a_stopped_logger);
	tcase_add_test(seen, lines_that_repeat_are_counted_and_not_all_written);
	tcase_add_test(tc, a_stop_makes_no_workers_anew);
	tcase_add_test(tc, a_spawner_that_comes_late_makes_no_workers_anew);
	tcase_add_test(tc, workers_have_a_filter_on_top_of_their_spawners);
	tcase_add_test(tc, when_all_workers_are_busy_connections_wait);
	tcase_add_test(tc,
	    honest_clients_are_answered_beside_two_thousand_silent_ones);
	tcase_add_test(seen, a_connection_wakes_one_worker);
	tcase_add_test(tc, a_worker_is_replaced_after_its_share_of_sessions);
	tcase_add_loop_test(tc, it_serves_with_few_descriptors_and_with_many,
	    0, 4);
	tcase_add_test(seen,
	    a_lack_of_descriptors_is_told_once_and_waited_out);
	tcase_add_test(seen, root_is_gone_for_good);
	tcase_add_test(tc, a_second_daemon_with_the_same_pid_file_ends);
	tcase_add_test(tc, a_port_in_use_ends_the_start);
	tcase_add_test(tc, a_log_file_that_cannot_be_opened_ends_the_start);
	suite_add_tcase(s, tc);
	suite_add_tcase(s, seen);
	return rig_run(s);
}
