/*
 * sallyportctl and the daemon, both for real.
 */
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "rig.h"

#define CLIENTS_MAX	32	/* that control hears at a time */

static struct daemon	 d;
static int		 port, lfd, server_port;
static char		 out[65536];	/* of the last command */

/* Two listeners in front of one server of ours. */
static void
write_and_start(int workers)
{
	lfd = rig_listen(&server_port);
	port = rig_port();
	rig_up(&d, "control = { path = \"%%D/sock\"; };\n"
	    "workers = { spare = 2; max = %d; };\n"
	    "backends = ( { name = \"back\"; servers = ( \"127.0.0.1:%d\" ); "
	    "} );\n"
	    "listeners = ( { name = \"web\"; listen = \"127.0.0.1:%d\"; "
	    "forward = \"backend:back\"; carry = \"never\"; },\n"
	    "{ name = \"sql\"; listen = \"127.0.0.1:%d\"; "
	    "forward = \"127.0.0.1:%d\"; } );\n", workers, server_port, port,
	    rig_port(), server_port);
}

static void
up(void)
{
	write_and_start(16);
}

static void
down(void)
{
	rig_down(&d);
	close(lfd);
}

/* Run a command on d; what it says is in out.  Returns its exit code. */
static int	 ctl(const char *, ...) __attribute__((format(printf, 1, 2)));

static int
ctl(const char *fmt, ...)
{
	const char	*prog = getenv("SALLYPORTCTL");
	char		 args[512], cmd[1024];
	va_list		 ap;
	FILE		*p;
	size_t		 n;
	int		 status;

	va_start(ap, fmt);
	vsnprintf(args, sizeof(args), fmt, ap);
	va_end(ap);
	snprintf(cmd, sizeof(cmd), "exec timeout %d %s -s %s/sock %s 2>&1",
	    rig_patience(20000) / 1000, prog != NULL ? prog :
	    "./sallyportctl", d.dir, args);
	p = popen(cmd, "re");
	ck_assert_ptr_nonnull(p);
	n = fread(out, 1, sizeof(out) - 1, p);
	out[n] = '\0';
	status = pclose(p);
	ck_assert_msg(WIFEXITED(status), "%s: %x", cmd, (unsigned)status);
	return WEXITSTATUS(status);
}

/* The command ends with that status and says that. */
static void
expect(int status, const char *text, const char *args)
{
	int	 got = ctl("%s", args);

	ck_assert_msg(got == status && strstr(out, text) != NULL,
	    "%s: want %d and \"%s\", got %d: %s", args, status, text, got,
	    out);
}

/* The same, once that is so: what follows from it may take a moment. */
static void
expect_soon(int status, const char *text, const char *args)
{
	int64_t	 deadline = rig_now() + rig_patience(RIG_MS);

	while (rig_now() < deadline)
		if (ctl("%s", args) == status && strstr(out, text) != NULL)
			return;
	expect(status, text, args);
}

/* A session with a byte each way; the ends in *front and *back. */
static void
begin(int *front, int *back)
{
	*front = rig_dial(port);
	*back = rig_accept(lfd);
	rig_say(*front, "ping");
	rig_hear(*back, "ping");
	rig_say(*back, "pong!");
	rig_hear(*front, "pong!");
}

/* The id of the first session that is shown. */
static const char *
id_of_first(void)
{
	static char	 id[20];
	json_t		*o;

	ck_assert_int_eq(ctl("--json sessions --limit=1"), 0);
	o = json_loads(out, JSON_DISABLE_EOF_CHECK, NULL);
	ck_assert_ptr_nonnull(o);
	snprintf(id, sizeof(id), "%s", json_string_value(json_object_get(
	    json_object_get(o, "session"), "id")));
	json_decref(o);
	return id;
}

START_TEST(a_session_is_shown_and_killed_by_its_id)
{
	const char	*line;
	char		 cmd[64], text[64];
	int		 front, back, other, other_back;

	begin(&front, &back);
	(void)poll(NULL, 0, 10);	/* or they are of the same age */
	begin(&other, &other_back);
	expect(0, " 2 sessions\n", "status");
	expect(0, " 4     5\n", "sessions --sort=age");
	snprintf(cmd, sizeof(cmd), "kill %s", id_of_first());
	expect(0, "1 session killed\n", cmd);
	rig_hear_reset(front);
	rig_hear_reset(back);
	line = rig_line(&d, "control command=kill ");
	ck_assert_ptr_nonnull(strstr(line, " uid="));
	snprintf(text, sizeof(text), "id=%s ", cmd + 5);
	line = rig_line(&d, text);
	ck_assert_msg(strstr(line, " end=killed") != NULL, "%s", line);
	/* The other one has not noticed, and this one is no more. */
	rig_say(other, "x");
	rig_hear(other_back, "x");
	expect(1, "no such session", cmd);
	rig_reset(other);
	close(other_back);
	close(front);
	close(back);
}
END_TEST

START_TEST(all_sessions_of_a_listener_or_source_are_killed)
{
	int	 front[3], back[3];

	for (int i = 0; i < 3; i++)
		begin(&front[i], &back[i]);
	expect(1, "no such session", "kill --listener=sql");
	expect(1, "no such session", "kill --source=192.0.2.0/24");
	expect(1, "no listener wbe; there are web, sql",
	    "kill --listener=wbe");
	expect(0, "3 sessions killed", "kill --listener=web "
	    "--source=127.0.0.0/8");
	for (int i = 0; i < 3; i++) {
		rig_hear_reset(front[i]);
		rig_hear_reset(back[i]);
		(void)rig_line(&d, "end=killed");
		close(front[i]);
		close(back[i]);
	}
	expect(0, " 0 sessions\n", "status");
}
END_TEST

START_TEST(sessions_are_counted_at_servers_and_listeners)
{
	char	 want[64];
	int	 front, back;

	begin(&front, &back);
	ck_assert_int_eq(ctl("--json servers back"), 0);
	ck_assert_ptr_nonnull(strstr(out, "\"sessions\":1,"));
	ck_assert_int_eq(ctl("--json servers"), 0);
	ck_assert_ptr_nonnull(strstr(out, "\"sessions\":0,"));
	(void)ctl("--json limits");
	ck_assert_ptr_nonnull(strstr(out,
	    "\"listener\":\"web\",\"sessions\":1,"));
	snprintf(want, sizeof(want), "sessions --server=127.0.0.1:%d",
	    server_port);
	expect(0, "web", want);
	expect(0, "ID  PID  LISTENER  CLIENT  TLS  USER  SERVER  AGE  UP  "
	    "DOWN\n",
	    "sessions --server=127.0.0.1:9");
	rig_end(front);
	rig_end(back);
	(void)rig_line(&d, "end=done");
	ck_assert_int_eq(ctl("--json servers back"), 0);
	ck_assert_ptr_nonnull(strstr(out, "\"sessions\":0,"));
	close(front);
	close(back);
}
END_TEST

/* Two servers, of which the first takes all unless it is told not to. */
START_TEST(a_server_is_drained_and_comes_back)
{
	char	 cmd[64];
	int	 second, second_port, front, back;

	lfd = rig_listen(&server_port);
	second = rig_listen(&second_port);
	port = rig_port();
	rig_up(&d, "control = { path = \"%%D/sock\"; };\n"
	    "backends = ( { name = \"back\"; balance = \"first\"; "
	    "servers = ( \"127.0.0.1:%d\", \"127.0.0.1:%d\" ); } );\n"
	    "listeners = ( { name = \"web\"; listen = \"127.0.0.1:%d\"; "
	    "forward = \"backend:back\"; max_sessions_per_source = 2; } );\n",
	    server_port, second_port, port);
	snprintf(cmd, sizeof(cmd), "server back/127.0.0.1:%d drain",
	    server_port);
	expect(0, "", cmd);
	(void)rig_line(&d, "control command=server");
	expect_soon(0, "drain", "servers back");
	front = rig_dial(port);
	back = rig_accept(second);
	expect(0, "web              1           0\n", "limits");
	ck_assert_int_eq(ctl("--json limits"), 0);
	ck_assert_ptr_nonnull(strstr(out, "{\"source\":{\"listener\":\"web\","
	    "\"source\":\"127.0.0.1\",\"sessions\":1,"));
	snprintf(cmd, sizeof(cmd), "server 127.0.0.1:%d ready", server_port);
	expect(0, "", cmd);
	close(front);
	close(back);
	front = rig_dial(port);
	back = rig_accept(lfd);
	close(front);
	close(back);
	snprintf(cmd, sizeof(cmd), "server 127.0.0.1:%d weight 17",
	    server_port);
	expect(0, "", cmd);
	expect_soon(0, "    17  ", "servers");
	expect(1, "no server back/x; there are", "server back/x ready");
	close(second);
	down();
}
END_TEST

/* Add a line to the configuration on disk. */
static void
append(const char *text)
{
	char	 path[100];
	FILE	*f;

	snprintf(path, sizeof(path), "%s/conf", d.dir);
	f = fopen(path, "a");
	ck_assert_ptr_nonnull(f);
	fputs(text, f);
	ck_assert_int_eq(fclose(f), 0);
}

START_TEST(a_reload_tells_what_changes_or_every_mistake)
{
	int	 front, back;

	begin(&front, &back);
	expect(0, "nothing has changed", "reload");
	append("timeouts = { idle = \"1h\"; };\n");
	expect(0, "", "check");
	expect(0, "timeouts", "reload");
	(void)rig_line(&d, "control command=reload");
	expect_soon(0, "generation 2", "status");
	/* The session has its old spawner, and both are shown. */
	expect(0, " 1 sessions\n", "status");
	expect(0, "ending", "status");
	expect(0, "web", "sessions");
	append("pid_file = 5;\nnonsense = 1;\n");
	expect(1, "nonsense", "check");
	expect(1, "pid_file", "check");
	expect(1, "nonsense", "reload");
	expect(1, "pid_file", "reload");
	expect(0, "generation 2", "status");
	expect(0, "1 session killed", "kill --listener=web");
	rig_hear_reset(front);
	close(front);
	close(back);
}
END_TEST

START_TEST(control_comes_back_when_it_is_killed)
{
	int64_t	 began;
	pid_t	 pid;
	int	 front, back;

	begin(&front, &back);
	for (int i = 0; i < 2; i++) {
		expect(0, "web", "sessions");
		pid = rig_pid(&d, "sallyportd: control");
		/* One that dies young is started later. */
		while (i == 0 && !rig_is_slow() &&
		    strstr(out, "control") == NULL)
			(void)ctl("status");
		if (i == 0)
			(void)poll(NULL, 0, 1000);
		began = rig_now();
		ck_assert_int_eq(kill(pid, SIGKILL), 0);
		rig_until_gone(pid, RIG_MS);
		expect_soon(0, "web", "sessions");
		if (i == 0)
			ck_assert_int_lt(rig_now() - began,
			    rig_patience(1000));
	}
	expect(0, "1 session killed", "kill --source=127.0.0.1");
	rig_hear_reset(front);
	close(front);
	close(back);
}
END_TEST

/* Connections without end, from a process of its own. */
static pid_t
flood(int to)
{
	pid_t	 pid = check_fork();

	if (pid != 0)
		return pid;
	for (;;) {
		int	 fds[50];

		for (int i = 0; i < 50; i++)
			fds[i] = rig_dial(to);
		for (int i = 0; i < 50; i++)
			if (fds[i] != -1)
				rig_reset(fds[i]);
	}
}

START_TEST(answers_come_within_a_second_while_all_is_busy)
{
	int64_t	 began;
	pid_t	 pid;
	int	 front[4], back[4];

	write_and_start(4);
	for (int i = 0; i < 4; i++)
		begin(&front[i], &back[i]);
	pid = flood(port);
	for (int i = 0; i < 10; i++) {
		began = rig_now();
		expect(0, " 4 sessions\n", "status");
		ck_assert_int_lt(rig_now() - began, rig_patience(1000));
		expect(0, "web", "sessions");
		ck_assert_int_lt(rig_now() - began, rig_patience(1500));
	}
	expect(0, "4 sessions killed", "kill --listener=web");
	ck_assert_int_eq(kill(pid, SIGKILL), 0);
	ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
	for (int i = 0; i < 4; i++) {
		close(front[i]);
		close(back[i]);
	}
	down();
}
END_TEST

static int
dial_control(void)
{
	char	 path[100];
	int	 fd;

	snprintf(path, sizeof(path), "%s/sock", d.dir);
	fd = rig_dial_unix(path);
	ck_assert_int_ne(fd, -1);
	return fd;
}

START_TEST(users_who_send_nonsense_hold_nobody_up)
{
	static char	 huge[70000];
	int		 fds[CLIENTS_MAX], nonsense = dial_control();
	int		 big = dial_control();

	rig_say(nonsense, "GET / HTTP/1.0\r\n\r\n");
	rig_hear(nonsense, "{\"error\":\"a request is an object of JSON on a "
	    "line\",\"done\":true,\"status\":2}\n");
	memset(huge, '{', sizeof(huge));
	(void)send(big, huge, sizeof(huge), MSG_NOSIGNAL | MSG_DONTWAIT);
	rig_hear(big, "{\"error\":\"a request has at most 65536 bytes\"");
	close(nonsense);
	close(big);
	expect_soon(0, "process", "status");
	for (int i = 0; i < CLIENTS_MAX; i++)
		fds[i] = dial_control();
	rig_say(fds[0], "{\"command\":");
	expect(1, "too many are asking already", "status");
	for (int i = 0; i < CLIENTS_MAX; i++)
		close(fds[i]);
	expect_soon(0, "process", "status");
}
END_TEST

START_TEST(stop_waits_until_the_daemon_is_gone)
{
	int	 front, back;

	up();
	begin(&front, &back);
	expect(0, "", "stop");
	ck_assert_int_eq(rig_wait(&d, 0), 0);
	(void)rig_line(&d, "end=shutdown");
	expect(3, "not running", "status");
	close(front);
	close(back);
	close(lfd);
}
END_TEST

START_TEST(stop_when_idle_lets_sessions_end)
{
	pid_t	 pid;
	int	 front, back, status;

	up();
	begin(&front, &back);
	pid = check_fork();
	if (pid == 0)
		_exit(ctl("stop --when-idle"));
	(void)rig_line(&d, "taking no more connections");
	expect(0, " 1 sessions\n", "status");
	rig_say(front, "more");
	rig_hear(back, "more");
	ck_assert_int_eq(waitpid(pid, &status, WNOHANG), 0);
	rig_end(front);
	rig_end(back);
	(void)rig_line(&d, "end=done");
	ck_assert_int_eq(rig_wait(&d, RIG_MS), 0);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
	close(front);
	close(back);
	close(lfd);
}
END_TEST

START_TEST(status_tells_how_processes_are_confined)
{
	json_t	*o;
	char	*p = out;
	size_t	 n = 0;

	ck_assert_int_eq(ctl("--json status"), 0);
	while ((o = json_loads(p, JSON_DISABLE_EOF_CHECK, NULL)) != NULL) {
		const json_t	*r = json_object_get(o, "role");
		const char	*name = json_string_value(json_object_get(r,
				    "role"));

		if (name != NULL && strcmp(name, "master") != 0) {
			ck_assert(json_is_true(json_object_get(r,
			    "no_new_privs")));
			ck_assert(json_is_false(json_object_get(r,
			    "capabilities")));
			ck_assert_int_eq(json_integer_value(json_object_get(
			    r, "uid")) == 0, false);
			n++;
		}
		json_decref(o);
		p = strchr(p, '\n');
		if (p++ == NULL)
			break;
	}
	ck_assert_uint_ge(n, 4);
}
END_TEST

static void
add_plain(Suite *s)
{
	TCase	*tc = tcase_create("plain");

	suite_add_tcase(s, tc);
	tcase_set_timeout(tc, 120);
	tcase_add_checked_fixture(tc, up, down);
	tcase_add_test(tc, a_session_is_shown_and_killed_by_its_id);
	tcase_add_test(tc, all_sessions_of_a_listener_or_source_are_killed);
	tcase_add_test(tc, sessions_are_counted_at_servers_and_listeners);
	tcase_add_test(tc, a_reload_tells_what_changes_or_every_mistake);
	tcase_add_test(tc, users_who_send_nonsense_hold_nobody_up);
}

int
main(void)
{
	Suite	*s = suite_create("control");
	TCase	*seen = tcase_create("seen"), *ends = tcase_create("ends");

	add_plain(s);
	suite_add_tcase(s, seen);
	tcase_set_timeout(seen, 120);
	tcase_add_checked_fixture(seen, up, down);
	tcase_add_test(seen, control_comes_back_when_it_is_killed);
	tcase_add_test(seen, status_tells_how_processes_are_confined);
	suite_add_tcase(s, ends);
	tcase_set_timeout(ends, 120);
	tcase_add_test(ends, answers_come_within_a_second_while_all_is_busy);
	tcase_add_test(ends, a_server_is_drained_and_comes_back);
	tcase_add_test(ends, stop_waits_until_the_daemon_is_gone);
	tcase_add_test(ends, stop_when_idle_lets_sessions_end);
	return rig_run(s);
}
