/*
 * From one program to the next, and sockets that others hand us.
 */
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <netinet/in.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "crowd.h"
#include "rig.h"

#define REFUSED		0	/* as crowd_who() has it */

/* A daemon that runs from a copy of the program, which can be replaced. */
struct stage {
	struct daemon	 d;
	int		 main, other;
	int		 a, b;		/* servers that answer "a" and "b" */
	char		 dir[64];
	char		 program[128], pid_file[128], path[128];
};

static void
run(const char *fmt, const char *a, const char *b)
{
	char	 cmd[1024];

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	snprintf(cmd, sizeof(cmd), fmt, a, b);
#pragma GCC diagnostic pop
	ck_assert_int_eq(system(cmd), 0);
}

/* Put a program there as packages do: never written to in its place. */
static void
install(const struct stage *s, const char *from)
{
	char	 fresh[160];

	snprintf(fresh, sizeof(fresh), "%s.new", s->program);
	run("cp '%s' '%s'", from, fresh);
	ck_assert_int_eq(chmod(fresh, 0755), 0);
	ck_assert_int_eq(rename(fresh, s->program), 0);
}

static void
install_text(const struct stage *s, const char *text)
{
	char	 path[160];
	FILE	*f;

	snprintf(path, sizeof(path), "%s/text", s->dir);
	f = fopen(path, "w");
	ck_assert_ptr_nonnull(f);
	fputs(text, f);
	ck_assert_int_eq(fclose(f), 0);
	install(s, path);
}

static const char *
original(void)
{
	static char	 path[1024];

	if (path[0] == '\0')
		snprintf(path, sizeof(path), "%s",
		    getenv("SALLYPORTD") != NULL ? getenv("SALLYPORTD") :
		    "./sallyportd");
	return path;
}

static void
write_conf(struct stage *s, int to, const char *more)
{
	rig_conf(&s->d, "pid_file = \"%s\"; %s listeners = ( { name = "
	    "\"main\"; listen = ( \"127.0.0.1:%d\", \"unix:%s\" ); forward = "
	    "\"127.0.0.1:%d\"; } );\n", s->pid_file, more, s->main, s->path,
	    to);
}

static void
open_stage(struct stage *s)
{
	memset(s, 0, sizeof(*s));
	rig_adopt();
	snprintf(s->dir, sizeof(s->dir), "/tmp/sallyport-flow.XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(s->dir));
	snprintf(s->program, sizeof(s->program), "%s/sallyportd", s->dir);
	snprintf(s->pid_file, sizeof(s->pid_file), "%s/pid", s->dir);
	snprintf(s->path, sizeof(s->path), "%s/sock", s->dir);
	install(s, original());
	(void)setenv("SALLYPORTD", s->program, 1);
	s->main = rig_port();
	s->other = rig_port();
	s->a = crowd_server('a');
	s->b = crowd_server('b');
	rig_up(&s->d, "pid_file = \"%s\"; listeners = ( { name = \"main\"; "
	    "listen = ( \"127.0.0.1:%d\", \"unix:%s\" ); forward = "
	    "\"127.0.0.1:%d\"; } );\n", s->pid_file, s->main, s->path, s->a);
}

static void
close_stage(struct stage *s)
{
	rig_down(&s->d);
	ck_assert_int_eq(access(s->path, F_OK), -1);
	ck_assert_int_eq(access(s->pid_file, F_OK), -1);
	run("rm -r '%s' %s", s->dir, "");
}

static pid_t
read_pid(const struct stage *s)
{
	char	 buf[32] = "";
	int	 fd = open(s->pid_file, O_RDONLY | O_CLOEXEC);
	ssize_t	 n;

	if (fd == -1)
		return 0;
	n = read(fd, buf, sizeof(buf) - 1);
	close(fd);
	return n > 0 ? (pid_t)strtol(buf, NULL, 10) : 0;
}

/* Wait until the pid file names another process, which is returned. */
static pid_t
wait_for_another(const struct stage *s, pid_t old)
{
	int64_t	 deadline = rig_now() + rig_patience(RIG_MS);
	pid_t	 pid;

	while ((pid = read_pid(s)) == old || pid == 0) {
		if (rig_now() >= deadline)
			ck_abort_msg("process %d is still in the pid file",
			    (int)pid);
		(void)poll(NULL, 0, 2);
	}
	return pid;
}

static pid_t
upgrade(const struct stage *s, pid_t old)
{
	ck_assert_int_eq(kill(old, SIGUSR2), 0);
	return wait_for_another(s, old);
}

START_TEST(fifty_upgrades_refuse_nobody_and_cut_nobody)
{
	enum { TIMES = 50 };
	struct stage	 s;
	struct load	 load;
	int64_t		 began;
	pid_t		 masters[TIMES + 1];
	int		 held, brief;

	open_stage(&s);
	crowd_load(&load, s.main);
	masters[0] = s.d.pid;
	held = crowd_session(s.main);
	began = rig_now();
	for (int i = 0; i < TIMES; i++) {
		brief = crowd_session(s.main);
		masters[i + 1] = upgrade(&s, masters[i]);
		crowd_check(held);
		crowd_check(brief);
		close(brief);
		(void)rig_count(&s.d, "");
		/* Those in between have no session left. */
		if (i > 0)
			rig_until_gone(masters[i], RIG_MS);
	}
	printf("upgrade: %lld ms\n", (long long)(rig_now() - began) / TIMES);
	ck_assert_int_eq(crowd_who_unix(s.path), 'a');
	ck_assert_uint_gt(crowd_rest(&load), TIMES);
	crowd_check(held);
	close(held);
	rig_follow(&s.d, masters[TIMES]);
	rig_until(&s.d, "sallyportd: master", 1);
	ck_assert_uint_eq(rig_count(&s.d, "end=shutdown"), 0);
	ck_assert_uint_eq(rig_count(&s.d, "end=crashed"), 0);
	close_stage(&s);
}
END_TEST

/* Programs that do not take over, and what the log says of them. */
static const struct {
	const char	*text, *why;
} bad[] = {
	{ "#!/bin/sh\nexit 3\n", "the new program ended with status 3" },
	{ "#!/bin/sh\nkill -9 $$\n", "the new program died by signal 9" },
	{ "\177ELF garbage", "Exec format error" },
	{ "#!/none/of/this\n", "No such file or directory" },
};

START_TEST(a_program_that_does_not_start_changes_nothing)
{
	struct stage	 s;
	pid_t		 next;
	int		 held;

	open_stage(&s);
	held = crowd_session(s.main);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		install_text(&s, bad[i].text);
		rig_kill(&s.d, SIGUSR2);
		if (strstr(rig_line(&s.d, bad[i].why), "nothing has "
		    "changed") == NULL)
			(void)rig_line(&s.d, "nothing has changed");
		crowd_check(held);
		(void)crowd_until(s.main, 'a');
		ck_assert_int_eq(crowd_who_unix(s.path), 'a');
		ck_assert_int_eq(read_pid(&s), s.d.pid);
	}
	ck_assert_int_eq(unlink(s.program), 0);
	rig_kill(&s.d, SIGUSR2);
	(void)rig_line(&s.d, "No such file or directory");
	(void)rig_line(&s.d, "nothing has changed");
	install(&s, original());
	next = upgrade(&s, s.d.pid);
	(void)crowd_until(s.main, 'a');
	close(held);
	rig_follow(&s.d, next);
	close_stage(&s);
}
END_TEST

START_TEST(a_broken_configuration_stops_an_upgrade_only)
{
	struct stage	 s;
	pid_t		 next;
	int		 taken;

	open_stage(&s);
	write_conf(&s, s.b, "nonsense = 1;");
	rig_kill(&s.d, SIGUSR2);
	(void)rig_line(&s.d, "nonsense: no such key");
	(void)rig_line(&s.d, "ended with status 78; nothing has changed");
	/* One that is found wrong when half of it runs. */
	(void)rig_listen(&taken);
	rig_conf(&s.d, "pid_file = \"%s\"; listeners = ( { name = \"main\"; "
	    "listen = ( \"127.0.0.1:%d\", \"unix:%s\", \"127.0.0.1:%d\" ); "
	    "forward = \"127.0.0.1:%d\"; } );\n", s.pid_file, s.main, s.path,
	    taken, s.b);
	rig_kill(&s.d, SIGUSR2);
	(void)rig_line(&s.d, "ended with status 1; nothing has changed");
	write_conf(&s, s.b, "log = { to = \"/proc/none/of/this\"; };\n");
	rig_kill(&s.d, SIGUSR2);
	(void)rig_line(&s.d, "ended with status 77; nothing has changed");
	(void)crowd_until(s.main, 'a');
	ck_assert_int_eq(crowd_who_unix(s.path), 'a');
	write_conf(&s, s.b, "");
	next = upgrade(&s, s.d.pid);
	rig_follow(&s.d, next);
	(void)crowd_until(s.main, 'b');
	ck_assert_int_eq(crowd_who_unix(s.path), 'b');
	close_stage(&s);
}
END_TEST

START_TEST(the_old_master_hears_signals_while_it_drains)
{
	const int	 signals[] = { SIGQUIT, SIGTERM };
	struct stage	 s;
	pid_t		 next;
	int		 held;

	open_stage(&s);
	for (size_t i = 0; i < 2; i++) {
		held = crowd_session(s.main);
		next = upgrade(&s, s.d.pid);
		rig_kill(&s.d, SIGHUP);
		(void)rig_line(&s.d, "neither reload nor upgrade");
		crowd_check(held);
		rig_kill(&s.d, signals[i]);
		if (signals[i] == SIGQUIT) {
			crowd_check(held);
			close(held);
		} else
			rig_hear_reset(held);
		rig_follow(&s.d, next);
		(void)crowd_until(s.main, 'a');
		ck_assert_int_eq(crowd_who_unix(s.path), 'a');
		ck_assert_int_eq(read_pid(&s), next);
	}
	close_stage(&s);
}
END_TEST

START_TEST(the_new_master_can_be_stopped_before_the_old_one_ends)
{
	struct stage	 s;
	pid_t		 next;
	int		 held;

	open_stage(&s);
	held = crowd_session(s.main);
	next = upgrade(&s, s.d.pid);
	ck_assert_int_eq(kill(next, SIGTERM), 0);
	rig_until_gone(next, RIG_MS);
	/* Nobody serves there, and nobody is kept waiting for it. */
	(void)crowd_until(s.main, REFUSED);
	ck_assert_int_eq(crowd_who_unix(s.path), REFUSED);
	crowd_check(held);
	close(held);
	ck_assert_int_eq(rig_wait(&s.d, RIG_MS), 0);
}
END_TEST

START_TEST(an_upgrade_takes_up_what_the_file_says_now)
{
	struct stage	 s;
	pid_t		 next;
	int		 held;

	open_stage(&s);
	held = crowd_session(s.main);
	/* One address goes, and one comes. */
	rig_conf(&s.d, "pid_file = \"%s\"; listeners = ( { name = \"main\"; "
	    "listen = \"127.0.0.1:%d\"; forward = \"127.0.0.1:%d\"; } );\n",
	    s.pid_file, s.other, s.b);
	next = upgrade(&s, s.d.pid);
	(void)crowd_until(s.other, 'b');
	(void)crowd_until(s.main, REFUSED);
	ck_assert_int_eq(crowd_who_unix(s.path), REFUSED);
	ck_assert_int_eq(access(s.path, F_OK), -1);
	crowd_check(held);
	close(held);
	rig_follow(&s.d, next);
	close_stage(&s);
}
END_TEST

START_TEST(a_stop_in_the_middle_of_an_upgrade_is_a_stop)
{
	struct stage	 s;

	for (int i = 0; i < 6; i++) {
		open_stage(&s);
		rig_kill(&s.d, SIGUSR2);
		(void)poll(NULL, 0, i * 2);
		rig_kill(&s.d, i % 2 == 0 ? SIGTERM : SIGQUIT);
		ck_assert_int_eq(rig_wait(&s.d, RIG_MS), 0);
		/* If it had been taken over before, that one goes on. */
		if (rig_count(&s.d, "has taken over") == 0)
			(void)crowd_until(s.main, REFUSED);
	}
}
END_TEST

START_TEST(a_program_that_hangs_keeps_nobody_from_stopping)
{
	struct stage	 s;
	int		 held;

	open_stage(&s);
	held = crowd_session(s.main);
	install_text(&s, "#!/bin/sh\nexec sleep 300\n");
	rig_kill(&s.d, SIGUSR2);
	(void)rig_line(&s.d, "upgrade: starting");
	(void)crowd_until(s.main, 'a');
	rig_kill(&s.d, SIGQUIT);
	(void)rig_line(&s.d, "upgrade: the daemon is about to stop");
	(void)crowd_until(s.main, REFUSED);
	crowd_check(held);
	close(held);
	ck_assert_int_eq(rig_wait(&s.d, RIG_MS), 0);
	rig_until(&s.d, "sleep 300", 0);
}
END_TEST

START_TEST(an_old_master_that_is_late_serves_on)
{
	struct stage	 s;
	char		 script[1100];
	int		 held;

	open_stage(&s);
	held = crowd_session(s.main);
	snprintf(script, sizeof(script), "#!/bin/sh\nkill -STOP $PPID\n"
	    "exec '%s' \"$@\"\n", original());
	install_text(&s, script);
	rig_kill(&s.d, SIGUSR2);
	/* It waits five seconds, longer than a line is waited for. */
	(void)rig_line(&s.d, "upgrade: starting");
	(void)poll(NULL, 0, 2000);
	(void)rig_line(&s.d, "before this one does not let go");
	/* The new one is about to end: nobody may think that it serves. */
	rig_kill(&s.d, SIGCONT);
	(void)rig_line(&s.d, "nothing has changed");
	(void)crowd_until(s.main, 'a');
	crowd_check(held);
	close(held);
	rig_down(&s.d);
}
END_TEST

START_TEST(when_the_old_master_is_killed_in_between_somebody_serves_or_nobody)
{
	struct stage	 s;
	int64_t		 deadline;
	pid_t		 pid;
	char		 who;

	for (int i = 0; i < 6; i++) {
		open_stage(&s);
		rig_kill(&s.d, SIGUSR2);
		(void)poll(NULL, 0, i * 2);
		rig_kill(&s.d, SIGKILL);
		(void)rig_wait(&s.d, RIG_MS);
		/* Whoever is left serves; a port that hangs would fail. */
		deadline = rig_now() + RIG_MS;
		while ((who = crowd_who(s.main)) != 'a' &&
		    rig_now() < deadline && waitpid(-1, NULL, WNOHANG) >= 0)
			(void)poll(NULL, 0, 5);
		ck_assert(who == 'a' || who == REFUSED);
		pid = read_pid(&s);
		if (pid > 0 && pid != s.d.pid) {
			ck_assert_int_eq(who, 'a');
			(void)kill(pid, SIGTERM);
			rig_until_gone(pid, RIG_MS);
		}
	}
}
END_TEST

START_TEST(reload_and_upgrade_follow_each_other)
{
	struct stage	 s;
	pid_t		 next;

	open_stage(&s);
	/* Both at once: one is done after the other, by whoever is there. */
	write_conf(&s, s.b, "");
	rig_kill(&s.d, SIGHUP);
	rig_kill(&s.d, SIGUSR2);
	next = wait_for_another(&s, s.d.pid);
	(void)crowd_until(s.main, 'b');
	rig_follow(&s.d, next);
	/* One that is asked for during an upgrade is for the new one. */
	rig_kill(&s.d, SIGUSR2);
	(void)rig_line(&s.d, "upgrade: starting");
	rig_kill(&s.d, SIGHUP);
	next = wait_for_another(&s, s.d.pid);
	(void)rig_line(&s.d, "reload: nothing has changed");
	rig_follow(&s.d, next);
	close_stage(&s);
}
END_TEST

START_TEST(one_in_the_background_upgrades_too)
{
	struct stage	 s;
	char		 cmd[512];
	pid_t		 pids[4];
	int		 held;

	open_stage(&s);
	rig_kill(&s.d, SIGTERM);
	ck_assert_int_eq(rig_wait(&s.d, RIG_MS), 0);
	/* From a folder that it leaves, by names that mean something there. */
	snprintf(cmd, sizeof(cmd), "cd '%s' && cp '%s/conf' conf && "
	    "./sallyportd --daemon -f conf --log-to=log", s.dir, s.d.dir);
	ck_assert_int_eq(chmod(s.dir, 0777), 0);
	ck_assert_int_eq(system(cmd), 0);
	pids[0] = read_pid(&s);
	held = crowd_session(s.main);
	for (size_t i = 1; i < 4; i++)
		pids[i] = upgrade(&s, pids[i - 1]);
	crowd_check(held);
	(void)crowd_until(s.main, 'a');
	/* What is wrong is in its log. */
	run("echo 'nonsense = 1;' >> '%s/conf'%s", s.dir, "");
	ck_assert_int_eq(kill(pids[3], SIGUSR2), 0);
	snprintf(cmd, sizeof(cmd), "for i in $(seq 500); do grep -q "
	    "'nonsense: no such key' '%s/log' && exit 0; sleep 0.01; done; "
	    "exit 1", s.dir);
	ck_assert_int_eq(system(cmd), 0);
	close(held);
	rig_until_gone(pids[0], RIG_MS);
	ck_assert_int_eq(kill(pids[3], SIGTERM), 0);
	rig_until_gone(pids[3], RIG_MS);
	ck_assert_int_eq(access(s.path, F_OK), -1);
	run("rm -r '%s' '%s'", s.dir, s.d.dir);
}
END_TEST


static int	 handed_fd = -1;
static bool	 handed_to_other;

/* Before the rig starts the daemon, whose pid nobody knows yet: a wrapper. */
static void
hand(struct stage *s)
{
	char	 wrapper[160];

	snprintf(wrapper, sizeof(wrapper), "%s/handed", s->dir);
	{
		char	 text[1024];
		FILE	*f = fopen(wrapper, "w");

		ck_assert_ptr_nonnull(f);
		snprintf(text, sizeof(text), "#!/bin/sh\n"
		    "LISTEN_PID=%s LISTEN_FDS=1 LISTEN_FDNAMES=web\n"
		    "export LISTEN_PID LISTEN_FDS LISTEN_FDNAMES\n"
		    "exec '%s' \"$@\" 3<&%d\n", handed_to_other ? "1" : "$$",
		    s->program, handed_fd);
		fputs(text, f);
		ck_assert_int_eq(fclose(f), 0);
	}
	ck_assert_int_eq(chmod(wrapper, 0755), 0);
	(void)setenv("SALLYPORTD", wrapper, 1);
}

static void
open_handed(struct stage *s, bool to_other)
{
	memset(s, 0, sizeof(*s));
	rig_adopt();
	snprintf(s->dir, sizeof(s->dir), "/tmp/sallyport-flow.XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(s->dir));
	snprintf(s->program, sizeof(s->program), "%s/sallyportd", s->dir);
	snprintf(s->pid_file, sizeof(s->pid_file), "%s/pid", s->dir);
	install(s, original());
	s->a = crowd_server('a');
	s->other = rig_port();
	/* Some shells know no descriptors of two digits. */
	handed_fd = dup2(rig_listen(&s->main), 9);
	ck_assert_int_eq(handed_fd, 9);
	handed_to_other = to_other;
	hand(s);
}

START_TEST(a_socket_that_was_handed_to_it_is_used)
{
	struct stage	 s;
	pid_t		 next;

	open_handed(&s, false);
	rig_up(&s.d, "pid_file = \"%s\"; listeners = ( { name = \"l\"; listen "
	    "= \"127.0.0.1:%d\"; forward = \"127.0.0.1:1\"; } );\n",
	    s.pid_file, s.main);
	rig_conf(&s.d, "pid_file = \"%s\"; listeners = ( { name = \"l\"; "
	    "listen = \"127.0.0.1:%d\"; forward = \"127.0.0.1:%d\"; } );\n",
	    s.pid_file, s.main, s.a);
	rig_kill(&s.d, SIGHUP);
	(void)rig_line(&s.d, "is in effect");
	(void)crowd_until(s.main, 'a');
	next = upgrade(&s, s.d.pid);
	(void)crowd_until(s.main, 'a');
	rig_follow(&s.d, next);
	ck_assert_uint_eq(rig_count(&s.d, "that was handed to us"), 0);
	rig_down(&s.d);
	/* It was lent: whoever is next finds it open. */
	ck_assert_int_ne(rig_dial(s.main), -1);
}
END_TEST

START_TEST(a_socket_that_no_listener_wants_is_closed_and_named)
{
	struct stage	 s;

	open_handed(&s, false);
	rig_up_simple(&s.d, s.other, "127.0.0.1:1");
	ck_assert_ptr_nonnull(strstr(s.d.log, "that was handed to us as "
	    "\\\"web\\\" is in no listener's listen: closed"));
	rig_down(&s.d);
}
END_TEST

START_TEST(a_socket_that_was_handed_to_another_is_left_alone)
{
	struct stage	 s;

	open_handed(&s, true);
	rig_start(&s.d, "listeners = ( { name = \"l\"; listen = "
	    "\"127.0.0.1:%d\"; forward = \"127.0.0.1:1\"; } );\n", s.main);
	/* Somebody has it, so this one cannot. */
	ck_assert_int_eq(rig_wait(&s.d, RIG_MS), 1);
}
END_TEST

int
main(void)
{
	Suite	*s = suite_create("upgrade");
	/* valgrind takes long to end a worker that was not killed. */
	TCase	*tc = tcase_create("plain"), *seen = tcase_create("seen");

	tcase_set_timeout(tc, rig_is_slow() ? 300 : 60);
	tcase_set_timeout(seen, 60);
	tcase_add_test(seen, fifty_upgrades_refuse_nobody_and_cut_nobody);
	tcase_add_test(seen, a_program_that_does_not_start_changes_nothing);
	tcase_add_test(seen, a_broken_configuration_stops_an_upgrade_only);
	tcase_add_test(seen, the_old_master_hears_signals_while_it_drains);
	tcase_add_test(seen,
	    the_new_master_can_be_stopped_before_the_old_one_ends);
	tcase_add_test(seen, an_upgrade_takes_up_what_the_file_says_now);
	tcase_add_test(seen, a_stop_in_the_middle_of_an_upgrade_is_a_stop);
	tcase_add_test(seen, a_program_that_hangs_keeps_nobody_from_stopping);
	tcase_add_test(seen, an_old_master_that_is_late_serves_on);
	tcase_add_test(seen,
	    when_the_old_master_is_killed_in_between_somebody_serves_or_nobody);
	tcase_add_test(seen, reload_and_upgrade_follow_each_other);
	tcase_add_test(seen, one_in_the_background_upgrades_too);
	tcase_add_test(seen, a_socket_that_was_handed_to_it_is_used);
	tcase_add_test(tc, a_socket_that_no_listener_wants_is_closed_and_named);
	tcase_add_test(tc, a_socket_that_was_handed_to_another_is_left_alone);
	suite_add_tcase(s, tc);
	suite_add_tcase(s, seen);
	return rig_run(s);
}
