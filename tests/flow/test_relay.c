/*
 * Bytes through a real daemon: both ways, half-closed, slow, broken off, to
 * servers that are there or not, over every kind of socket.
 */
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <fcntl.h>
#include <linux/sockios.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "rig.h"

/* A daemon in front of a scripted server, and one session through it. */
struct stage {
	struct daemon	 d;
	int		 port;		/* the daemon's */
	int		 lfd;		/* the server's listening socket */
	int		 client, server;
};

static void
open_stage(struct stage *s, const char *more)
{
	int	 port;

	s->port = rig_port();
	s->lfd = rig_listen(&port);
	rig_up(&s->d, "listeners = ( { name = \"l\"; listen = "
	    "\"127.0.0.1:%d\"; forward = \"127.0.0.1:%d\"; } );\n%s",
	    s->port, port, more);
	s->client = rig_dial(s->port);
	s->server = rig_accept(s->lfd);
}

static void
close_stage(struct stage *s)
{
	rig_down(&s->d);
	close(s->lfd);
}

/* The session's line, which must have that end. */
static const char *
expect_end(struct daemon *d, const char *end)
{
	const char	*line = rig_line(d, " session id=");
	char		 want[64];

	snprintf(want, sizeof(want), " end=%s", end);
	if (strstr(line, want) == NULL)
		ck_abort_msg("want%s in: %s", want, line);
	return line;
}

START_TEST(bytes_go_both_ways_and_are_counted)
{
	struct stage	 s;
	const char	*line;

	open_stage(&s, "");
	rig_say(s.server, "banner");
	rig_hear(s.client, "banner");
	rig_say(s.client, "hello");
	rig_hear(s.server, "hello");
	rig_end(s.client);
	rig_hear_end(s.server);
	rig_end(s.server);
	rig_hear_end(s.client);
	line = expect_end(&s.d, "done");
	ck_assert_double_eq(rig_number(line, "up"), 5);
	ck_assert_double_eq(rig_number(line, "down"), 6);
	ck_assert_double_ge(rig_number(line, "ms"),
	    rig_number(line, "connect_ms"));
	ck_assert_ptr_nonnull(strstr(line, " listener=l client=127.0.0.1:"));
	ck_assert_ptr_nonnull(strstr(line, " server=127.0.0.1:"));
	close_stage(&s);
}
END_TEST

START_TEST(the_server_goes_on_after_the_client_has_ended)
{
	struct stage	 s;

	open_stage(&s, "");
	rig_say(s.client, "question");
	rig_end(s.client);
	rig_hear(s.server, "question");
	rig_hear_end(s.server);
	rig_say(s.server, "a long ");
	rig_hear(s.client, "a long ");
	rig_say(s.server, "answer");
	rig_hear(s.client, "answer");
	rig_hear_nothing(s.client);
	close(s.server);
	rig_hear_end(s.client);
	expect_end(&s.d, "done");
	close_stage(&s);
}
END_TEST

START_TEST(the_client_goes_on_after_the_server_has_ended)
{
	struct stage	 s;

	open_stage(&s, "");
	rig_say(s.server, "bye");
	rig_end(s.server);
	rig_hear(s.client, "bye");
	rig_hear_end(s.client);
	rig_say(s.client, "one more");
	rig_hear(s.server, "one more");
	close(s.client);
	rig_hear_end(s.server);
	expect_end(&s.d, "done");
	close_stage(&s);
}
END_TEST

/* Byte i of a long stream, so that a lost or doubled block shows. */
static unsigned char
byte_at(size_t i)
{
	return (unsigned char)(i ^ i >> 8 ^ i >> 16);
}

#define FLOOD	((size_t)50 * 1024 * 1024)

/* Send `total' bytes of the stream from a child process. */
static pid_t
flood_from_child(int fd, size_t total)
{
	static unsigned char	 buf[65536];
	pid_t			 pid = fork();

	ck_assert_int_ne(pid, -1);
	if (pid != 0)
		return pid;
	for (size_t i = 0; i < total; i += sizeof(buf)) {
		for (size_t j = 0; j < sizeof(buf); j++)
			buf[j] = byte_at(i + j);
		rig_send(fd, buf, sizeof(buf));
	}
	rig_end(fd);
	_exit(0);
}

static void
hear_flood(int fd, size_t total)
{
	static unsigned char	 buf[65536];

	for (size_t i = 0; i < total; i += sizeof(buf)) {
		rig_hear_bytes(fd, buf, sizeof(buf));
		for (size_t j = 0; j < sizeof(buf); j++)
			if (buf[j] != byte_at(i + j))
				ck_abort_msg("byte %zu is wrong", i + j);
	}
}

static void
expect_clean(pid_t pid)
{
	int	 status;

	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
}

START_TEST(fifty_megabytes_wait_for_a_peer_that_speaks_first)
{
	struct stage	 s;
	const char	*line;
	pid_t		 down, up;

	/* Each side sends all of it before it reads a byte. */
	open_stage(&s, "");
	down = flood_from_child(s.server, FLOOD);
	up = flood_from_child(s.client, 65536);
	expect_clean(up);
	hear_flood(s.server, 65536);
	rig_hear_end(s.server);
	hear_flood(s.client, FLOOD);
	rig_hear_end(s.client);
	expect_clean(down);
	line = expect_end(&s.d, "done");
	ck_assert_double_eq(rig_number(line, "down"), (double)FLOOD);
	close_stage(&s);
}
END_TEST

START_TEST(floods_cross_each_other)
{
	struct stage	 s;
	pid_t		 down, up, reader;

	open_stage(&s, "");
	down = flood_from_child(s.server, FLOOD);
	up = flood_from_child(s.client, FLOOD);
	reader = fork();
	if (reader == 0) {
		hear_flood(s.server, FLOOD);
		_exit(0);
	}
	hear_flood(s.client, FLOOD);
	expect_clean(reader);
	expect_clean(down);
	expect_clean(up);
	expect_end(&s.d, "done");
	close_stage(&s);
}
END_TEST

START_TEST(single_bytes_arrive_one_by_one)
{
	struct stage	 s;
	char		 c;

	open_stage(&s, "");
	for (int i = 0; i < 500; i++) {
		c = (char)i;
		rig_send(i % 2 ? s.client : s.server, &c, 1);
		rig_hear_bytes(i % 2 ? s.server : s.client, &c, 1);
		ck_assert_int_eq(c, (char)i);
	}
	close_stage(&s);
}
END_TEST

START_TEST(a_small_buffer_carries_all_the_same)
{
	struct daemon	 d;
	int		 port = rig_port(), back, lfd = rig_listen(&back);
	int		 client, server;
	pid_t		 pid;

	rig_up(&d, "listeners = ( { name = \"l\"; listen = \"127.0.0.1:%d\"; "
	    "forward = \"127.0.0.1:%d\"; buffer = 512; } );\n", port, back);
	client = rig_dial(port);
	server = rig_accept(lfd);
	pid = flood_from_child(client, 1024 * 1024);
	hear_flood(server, 1024 * 1024);
	expect_clean(pid);
	rig_down(&d);
}
END_TEST

START_TEST(a_reset_by_the_client_reaches_the_server)
{
	struct stage	 s;

	open_stage(&s, "");
	rig_say(s.client, "half a que");
	rig_hear(s.server, "half a que");
	rig_reset(s.client);
	rig_hear_reset(s.server);
	expect_end(&s.d, "client_reset");
	close_stage(&s);
}
END_TEST

START_TEST(a_reset_by_the_server_reaches_the_client)
{
	struct stage	 s;

	open_stage(&s, "");
	rig_say(s.server, "half an ans");
	rig_hear(s.client, "half an ans");
	rig_reset(s.server);
	rig_hear_reset(s.client);
	expect_end(&s.d, "server_reset");
	close_stage(&s);
}
END_TEST

START_TEST(last_words_of_a_server_arrive_though_the_client_still_speaks)
{
	static char	 noise[200000];
	struct stage	 s;

	/* As "Too many connections": an answer, an end, no ear any more. */
	open_stage(&s, "");
	rig_say(s.server, "Too many connections");
	close(s.server);
	rig_send(s.client, noise, sizeof(noise));
	rig_hear(s.client, "Too many connections");
	close(s.client);
	(void)rig_line(&s.d, " session id=");
	close_stage(&s);
}
END_TEST

START_TEST(a_client_that_leaves_before_the_answer_ends_the_session)
{
	struct stage	 s;

	open_stage(&s, "");
	rig_say(s.client, "question");
	close(s.client);
	rig_hear(s.server, "question");
	rig_hear_end(s.server);
	rig_say(s.server, "too late");
	rig_say(s.server, " for you");
	close(s.server);
	(void)rig_line(&s.d, " session id=");
	close_stage(&s);
}
END_TEST

START_TEST(a_refusing_server_resets_the_client_and_is_named)
{
	struct daemon	 d;
	char		 server[64];
	const char	*line;
	int		 port = rig_port(), client;

	snprintf(server, sizeof(server), "127.0.0.1:%d", rig_port());
	rig_up_simple(&d, port, server);
	client = rig_dial(port);
	rig_hear_reset(client);
	line = expect_end(&d, "unreachable");
	ck_assert_ptr_nonnull(strstr(line, "Connection refused"));
	ck_assert_ptr_nonnull(strstr(line, server));
	rig_down(&d);
}
END_TEST

START_TEST(the_next_server_is_taken_when_one_refuses)
{
	struct daemon	 d;
	int		 port = rig_port(), back, lfd = rig_listen(&back);
	int		 client, server;

	rig_up(&d, "backends = ( { name = \"b\"; servers = (\"127.0.0.1:%d\", "
	    "\"127.0.0.1:%d\"); } );\nlisteners = ( { name = \"l\"; listen = "
	    "\"127.0.0.1:%d\"; forward = \"backend:b\"; } );\n", rig_port(),
	    back, port);
	client = rig_dial(port);
	server = rig_accept(lfd);
	rig_say(server, "here");
	rig_hear(client, "here");
	rig_down(&d);
	close(lfd);
}
END_TEST

/* A listener whose queue is full: it neither accepts nor refuses. */
static int
black_hole(int *port)
{
	int	 fd = rig_listen(port);

	ck_assert_int_eq(listen(fd, 0), 0);
	/* One in the queue, the rest wait for a handshake for ever. */
	for (int i = 0; i < 4; i++) {
		int	 c = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK |
			    SOCK_CLOEXEC, 0);
		struct sockaddr_storage	 ss;
		socklen_t		 len = sizeof(ss);

		ck_assert_int_eq(getsockname(fd, (void *)&ss, &len), 0);
		(void)connect(c, (void *)&ss, len);
	}
	return fd;
}

START_TEST(a_silent_server_leaves_time_for_the_next)
{
	struct daemon	 d;
	const char	*line;
	int		 port = rig_port(), back, lfd = rig_listen(&back);
	int		 hole, client, server;

	black_hole(&hole);
	rig_up(&d, "timeouts = { connect = \"2s\"; };\nbackends = ( { name = "
	    "\"b\"; servers = (\"127.0.0.1:%d\", \"127.0.0.1:%d\"); } );\n"
	    "listeners = ( { name = \"l\"; listen = \"127.0.0.1:%d\"; "
	    "forward = \"backend:b\"; } );\n", hole, back, port);
	client = rig_dial(port);
	server = rig_accept(lfd);
	rig_say(server, "here");
	rig_hear(client, "here");
	close(client);
	close(server);
	line = expect_end(&d, "done");
	ck_assert_double_ge(rig_number(line, "connect_ms"), 900);
	ck_assert_double_le(rig_number(line, "connect_ms"), 1900);
	rig_down(&d);
}
END_TEST

START_TEST(a_silent_server_is_given_up_at_the_deadline)
{
	struct daemon	 d;
	const char	*line;
	int		 port = rig_port(), hole, client;

	black_hole(&hole);
	rig_up(&d, "timeouts = { connect = \"300ms\"; };\nlisteners = ( { "
	    "name = \"l\"; listen = \"127.0.0.1:%d\"; forward = "
	    "\"127.0.0.1:%d\"; } );\n", port, hole);
	client = rig_dial(port);
	rig_hear_reset(client);
	line = expect_end(&d, "unreachable");
	ck_assert_ptr_nonnull(strstr(line, "timed out"));
	rig_down(&d);
}
END_TEST

START_TEST(a_client_that_leaves_while_we_dial_is_noticed)
{
	struct daemon	 d;
	const char	*line;
	int		 port = rig_port(), hole, client;

	black_hole(&hole);
	rig_up(&d, "timeouts = { connect = \"60s\"; handshake = \"60s\"; };\n"
	    "listeners = ( { name = \"l\"; listen = \"127.0.0.1:%d\"; "
	    "forward = \"127.0.0.1:%d\"; } );\n", port, hole);
	client = rig_dial(port);
	(void)rig_pid(&d, "worker tcp: l");
	rig_reset(client);
	line = expect_end(&d, "client_reset");
	ck_assert_ptr_null(strstr(line, "connect_ms"));
	rig_down(&d);
}
END_TEST

START_TEST(a_short_handshake_time_ends_a_dial)
{
	struct daemon	 d;
	int		 port = rig_port(), hole, client;

	black_hole(&hole);
	rig_up(&d, "timeouts = { handshake = \"200ms\"; };\n"
	    "listeners = ( { name = \"l\"; listen = \"127.0.0.1:%d\"; "
	    "forward = \"127.0.0.1:%d\"; } );\n", port, hole);
	client = rig_dial(port);
	rig_hear_reset(client);
	ck_assert_double_lt(rig_number(expect_end(&d, "timeout"), "ms"),
	    rig_patience(2000));
	rig_down(&d);
}
END_TEST

START_TEST(an_idle_session_ends)
{
	struct stage	 s;

	open_stage(&s, "timeouts = { idle = \"300ms\"; };\n");
	rig_say(s.client, "x");
	rig_hear(s.server, "x");
	rig_hear_reset(s.client);
	rig_hear_reset(s.server);
	expect_end(&s.d, "idle");
	close_stage(&s);
}
END_TEST

START_TEST(a_client_that_is_reset_beside_a_stalled_server_is_not_kept)
{
	static char	 noise[65536];
	struct stage	 s;
	struct pollfd	 p;
	int		 small = 4096;

	open_stage(&s, "timeouts = { half_closed = \"300ms\"; };\n");
	ck_assert_int_eq(setsockopt(s.server, SOL_SOCKET, SO_RCVBUF, &small,
	    sizeof(small)), 0);
	p = (struct pollfd){ .fd = s.client, .events = POLLOUT };
	while (poll(&p, 1, 200) == 1 && send(s.client, noise, sizeof(noise),
	    MSG_DONTWAIT | MSG_NOSIGNAL) > 0)
		continue;
	rig_reset(s.client);
	expect_end(&s.d, "client_reset");
	close_stage(&s);
}
END_TEST

START_TEST(a_half_closed_session_ends_sooner)
{
	struct stage	 s;

	open_stage(&s, "timeouts = { half_closed = \"300ms\"; };\n");
	rig_end(s.client);
	rig_hear_end(s.server);
	rig_hear_reset(s.client);
	expect_end(&s.d, "half_closed");
	close_stage(&s);
}
END_TEST

START_TEST(a_session_ends_at_its_limit_even_if_bytes_move)
{
	struct stage	 s;
	struct pollfd	 p;
	char		 c = 'x';

	open_stage(&s, "timeouts = { session = \"500ms\"; };\n");
	p = (struct pollfd){ .fd = s.client, .events = POLLIN };
	while (send(s.server, &c, 1, MSG_NOSIGNAL) == 1 &&
	    poll(&p, 1, rig_patience(RIG_MS)) == 1 &&
	    recv(s.client, &c, 1, 0) == 1)
		continue;
	expect_end(&s.d, "timeout");
	close_stage(&s);
}
END_TEST

START_TEST(the_next_session_of_a_worker_has_its_own_time)
{
	struct daemon	 d;
	int		 port = rig_port(), back, lfd = rig_listen(&back);

	rig_up(&d, "workers = { spare = 1; max = 1; };\ntimeouts = { session "
	    "= \"400ms\"; };\nlisteners = ( { name = \"l\"; listen = "
	    "\"127.0.0.1:%d\"; forward = \"127.0.0.1:%d\"; } );\n", port,
	    back);
	for (int i = 0; i < 2; i++) {
		int	 client = rig_dial(port);
		int	 server = rig_accept(lfd);

		rig_hear_reset(client);
		close(client);
		close(server);
		ck_assert_double_ge(rig_number(expect_end(&d, "timeout"),
		    "ms"), 390);
	}
	rig_down(&d);
}
END_TEST

START_TEST(local_sockets_with_a_path_serve_both_sides)
{
	struct daemon	 d;
	char		 front[128], back[128];
	const char	*line;
	int		 lfd, client, server;

	snprintf(back, sizeof(back), "/tmp/sallyport-flow-%d.sock",
	    (int)getpid());
	lfd = rig_listen_unix(back);
	rig_up(&d, "listeners = ( { name = \"l\"; listen = "
	    "\"unix:%%D/front\"; forward = \"unix:%s\"; } );\n", back);
	snprintf(front, sizeof(front), "%s/front", d.dir);
	client = rig_dial_unix(front);
	ck_assert_int_ne(client, -1);
	server = rig_accept(lfd);
	rig_say(client, "hello");
	rig_hear(server, "hello");
	rig_say(server, "world");
	rig_hear(client, "world");
	close(client);
	rig_hear_end(server);
	close(server);
	line = expect_end(&d, "done");
	ck_assert_ptr_nonnull(strstr(line, " client=\"unix:uid="));
	rig_kill(&d, SIGTERM);
	ck_assert_int_eq(rig_wait(&d, RIG_MS), 0);
	ck_assert_int_eq(access(front, F_OK), -1);	/* tidied up */
	unlink(back);
}
END_TEST

START_TEST(a_local_client_that_sends_and_leaves_is_served)
{
	struct daemon	 d;
	char		 front[128];
	int		 back, lfd = rig_listen(&back), client, server;

	rig_up(&d, "listeners = ( { name = \"l\"; listen = "
	    "\"unix:%%D/front\"; forward = \"127.0.0.1:%d\"; } );\n", back);
	snprintf(front, sizeof(front), "%s/front", d.dir);
	client = rig_dial_unix(front);
	rig_say(client, "fire and forget");
	close(client);
	server = rig_accept(lfd);
	rig_hear(server, "fire and forget");
	rig_hear_end(server);
	close(server);
	(void)rig_line(&d, " session id=");
	rig_down(&d);
}
END_TEST

START_TEST(a_dead_daemons_socket_is_replaced_and_a_living_ones_is_not)
{
	struct daemon	 d, second;
	char		 path[128];
	int		 lfd, back, client;

	snprintf(path, sizeof(path), "/tmp/sallyport-flow-%d.left",
	    (int)getpid());
	close(rig_listen_unix(path));	/* leaves the path behind */
	lfd = rig_listen(&back);
	rig_up(&d, "listeners = ( { name = \"l\"; listen = \"unix:%s\"; "
	    "forward = \"127.0.0.1:%d\"; } );\n", path, back);
	rig_start(&second, "listeners = ( { name = \"l\"; listen = "
	    "\"unix:/tmp/.%s\"; forward = \"127.0.0.1:%d\"; } );\n",
	    path + 4, back);	/* the same, spelled otherwise */
	ck_assert_int_eq(rig_wait(&second, RIG_MS), 1);
	client = rig_dial_unix(path);
	ck_assert_int_ne(client, -1);
	close(rig_accept(lfd));
	rig_down(&d);
}
END_TEST

START_TEST(abstract_sockets_serve_both_sides)
{
	struct daemon	 d;
	char		 front[64], back[64];
	int		 lfd, client, server;

	snprintf(front, sizeof(front), "@sallyport-f%d", (int)getpid());
	snprintf(back, sizeof(back), "@sallyport-b%d", (int)getpid());
	lfd = rig_listen_unix(back);
	rig_up(&d, "listeners = ( { name = \"l\"; listen = \"unix:%s\"; "
	    "forward = \"unix:%s\"; } );\n", front, back);
	client = rig_dial_unix(front);
	ck_assert_int_ne(client, -1);
	server = rig_accept(lfd);
	rig_say(client, "hello");
	rig_hear(server, "hello");
	rig_down(&d);
}
END_TEST

START_TEST(a_bare_port_serves_ipv6_and_ipv4)
{
	struct daemon	 d;
	int		 port = rig_port(), back, lfd = rig_listen(&back);
	int		 client, server;

	client = rig_dial_v6(port);	/* refused, or no IPv6 here */
	rig_up(&d, "listeners = ( { name = \"l\"; listen = \":%d\"; forward "
	    "= \"127.0.0.1:%d\"; } );\n", port, back);
	client = rig_dial(port);
	server = rig_accept(lfd);
	close(client);
	close(server);
	(void)rig_line(&d, " client=127.0.0.1:");
	client = rig_dial_v6(port);
	if (client != -1) {
		server = rig_accept(lfd);
		close(client);
		close(server);
		(void)rig_line(&d, " client=[::1]:");
	}
	rig_down(&d);
}
END_TEST

START_TEST(a_server_has_a_name)
{
	struct daemon	 d;
	char		 server[64];
	int		 port = rig_port(), back, lfd = rig_listen(&back);
	int		 client;

	snprintf(server, sizeof(server), "localhost:%d", back);
	rig_up_simple(&d, port, server);
	client = rig_dial(port);
	close(rig_accept(lfd));
	close(client);
	(void)rig_line(&d, " server=127.0.0.1:");
	rig_down(&d);
}
END_TEST

START_TEST(a_name_nobody_knows_is_told_and_refuses_sessions)
{
	struct daemon	 d;
	int		 port = rig_port();

	rig_up_simple(&d, port, "no-such-host.invalid:1");
	d.seen = 0;		/* it may come before we are ready, or after */
	(void)rig_line_ms(&d, "no-such-host.invalid:1 cannot be looked up",
	    30000);
	rig_hear_reset(rig_dial(port));
	expect_end(&d, "unreachable");
	rig_down(&d);
}
END_TEST

START_TEST(the_log_is_json_when_asked)
{
	struct daemon	 d;
	const char	*line;
	int		 port = rig_port(), back, lfd = rig_listen(&back);
	int		 client;

	rig_up(&d, "log = { to = \"stdout\"; format = \"json\"; };\n"
	    "listeners = ( { name = \"l\"; listen = \"127.0.0.1:%d\"; "
	    "forward = \"127.0.0.1:%d\"; } );\n", port, back);
	client = rig_dial(port);
	close(rig_accept(lfd));
	close(client);
	line = rig_line(&d, "\"event\":\"session\"");
	ck_assert_ptr_nonnull(strstr(line, "\"end\":\""));
	ck_assert_ptr_nonnull(strstr(line, "\"up\":0,"));
	rig_down(&d);
}
END_TEST

/* Only root may look into a worker; run-tests installs strace. */
static bool
can_trace(void)
{
	return geteuid() == 0 && system("strace -V >/dev/null 2>&1") == 0;
}

/* Have the calls of a process written to a file. */
static pid_t
trace(pid_t traced, const char *file)
{
	char	 pid[16], line[512];
	pid_t	 tracer;
	FILE	*f;

	snprintf(pid, sizeof(pid), "%d", (int)traced);
	tracer = fork();
	if (tracer == 0) {
		execlp("strace", "strace", "-q", "-o", file, "-p", pid, NULL);
		_exit(99);
	}
	/* It shows the call that the worker waits in once it is attached. */
	for (int64_t end = rig_now() + RIG_MS; rig_now() < end;) {
		f = fopen(file, "r");
		if (f != NULL && fgets(line, sizeof(line), f) != NULL &&
		    fclose(f) == 0)
			break;
		if (f != NULL)
			fclose(f);
		(void)poll(NULL, 0, 5);
	}
	return tracer;
}

/* ... and no more. */
static void
trace_end(pid_t tracer)
{
	kill(tracer, SIGINT);
	ck_assert_int_eq(waitpid(tracer, NULL, 0), tracer);
}

/* Calls in the file that are called so, or begin so. */
static size_t
count_calls(const char *file, const char *name)
{
	char	 line[512];
	size_t	 calls = 0;
	FILE	*f = fopen(file, "r");

	while (f != NULL && fgets(line, sizeof(line), f) != NULL)
		calls += strchr(line, '(') != NULL &&
		    strncmp(line, name, strlen(name)) == 0;
	if (f != NULL)
		fclose(f);
	return calls;
}

START_TEST(a_message_costs_a_poll_a_recv_and_a_send)
{
	struct stage	 s;
	char		 file[128], c = 'x';
	pid_t		 tracer;

	if (!can_trace())
		return;
	open_stage(&s, "");
	rig_say(s.client, "x");
	rig_hear(s.server, "x");
	snprintf(file, sizeof(file), "%s/trace", s.d.dir);
	tracer = trace(rig_pid(&s.d, "worker tcp: l"), file);
	for (int i = 0; i < 200; i++) {
		rig_send(s.client, &c, 1);
		rig_hear_bytes(s.server, &c, 1);
		rig_send(s.server, &c, 1);
		rig_hear_bytes(s.client, &c, 1);
	}
	trace_end(tracer);
	/* 400 messages of 3 calls, and one look for signals in 128. */
	ck_assert_uint_ge(count_calls(file, ""), 1200);
	ck_assert_uint_le(count_calls(file, ""), 1210);
	close_stage(&s);
}
END_TEST

/*
 * Have a child send so much at once that the relay always finds more than
 * it can take, however the processes take turns: wait until the kernel holds
 * the last 4 MB of it, as nobody reads at the other end yet.
 */
static pid_t
dam_up(int fd, size_t total)
{
	int		 room = (int)total, queued = 0;
	pid_t		 sender;

	ck_assert_int_eq(setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &room,
	    sizeof(room)), 0);
	sender = flood_from_child(fd, total);
	for (int64_t end = rig_now() + RIG_MS; rig_now() < end &&
	    queued < 4 * 1024 * 1024;) {
		(void)poll(NULL, 0, 5);
		ck_assert_int_eq(ioctl(fd, SIOCOUTQ, &queued), 0);
	}
	ck_assert_int_ge(queued, 4 * 1024 * 1024);
	return sender;
}

START_TEST(workers_splice_what_is_much_and_a_message_after_it_not)
{
	const size_t	 all = 32 * 1024 * 1024;
	struct stage	 s;
	char		 file[128];
	size_t		 spliced;
	pid_t		 tracer, sender;
	int		 port;

	if (!can_trace())
		return;
	s.port = rig_port();
	s.lfd = rig_listen(&port);
	rig_up(&s.d, "carriers = { count = 1; }; listeners = ( { "
	    "name = \"l\"; listen = \"127.0.0.1:%d\"; "
	    "forward = \"127.0.0.1:%d\"; carry = \"%s\"; } );\n",
	    s.port, port, _i == 1 ? "always" : "never");
	s.client = rig_dial(s.port);
	s.server = rig_accept(s.lfd);
	snprintf(file, sizeof(file), "%s/trace", s.d.dir);
	tracer = trace(rig_pid(&s.d, _i == 1 ? "carrier: 1 session" :
	    "worker tcp: l"), file);
	sender = dam_up(s.server, all);
	hear_flood(s.client, all);
	expect_clean(sender);
	rig_hear_end(s.client);
	spliced = count_calls(file, "splice(");
	/* A carrier must not wait for one, and splice(2) might. */
	if (_i == 1)
		ck_assert_uint_eq(spliced, 0);
	else
		ck_assert_uint_gt(spliced, 8);
	for (int i = 0; i < 10; i++) {
		rig_say(s.client, "x");
		rig_hear(s.server, "x");
	}
	trace_end(tracer);
	ck_assert_uint_eq(count_calls(file, "splice("), spliced);
	rig_end(s.client);
	expect_end(&s.d, "done");
	close_stage(&s);
}
END_TEST

int
main(void)
{
	Suite	*s = suite_create("relay");
	/*
	 * Under valgrind only the plain ones: a daemon takes seconds to begin
	 * there, and ps(1) shows no titles.
	 */
	TCase	*tc = tcase_create("plain"), *rest = tcase_create("rest");
	TCase	*seen = tcase_create("seen");

	tcase_set_timeout(tc, rig_is_slow() ? 300 : 60);
	tcase_set_timeout(rest, 60);
	tcase_set_timeout(seen, 60);
	tcase_add_test(tc, bytes_go_both_ways_and_are_counted);
	tcase_add_test(tc, the_server_goes_on_after_the_client_has_ended);
	tcase_add_test(rest, the_client_goes_on_after_the_server_has_ended);
	tcase_add_test(rest, fifty_megabytes_wait_for_a_peer_that_speaks_first);
	tcase_add_test(rest, floods_cross_each_other);
	tcase_add_test(rest, single_bytes_arrive_one_by_one);
	tcase_add_test(rest, a_small_buffer_carries_all_the_same);
	tcase_add_test(tc, a_reset_by_the_client_reaches_the_server);
	tcase_add_test(rest, a_reset_by_the_server_reaches_the_client);
	tcase_add_test(rest,
	    last_words_of_a_server_arrive_though_the_client_still_speaks);
	tcase_add_test(rest,
	    a_client_that_leaves_before_the_answer_ends_the_session);
	tcase_add_test(rest, a_refusing_server_resets_the_client_and_is_named);
	tcase_add_test(tc, the_next_server_is_taken_when_one_refuses);
	tcase_add_test(rest, a_silent_server_leaves_time_for_the_next);
	tcase_add_test(rest, a_silent_server_is_given_up_at_the_deadline);
	tcase_add_test(seen, a_client_that_leaves_while_we_dial_is_noticed);
	tcase_add_test(rest, a_short_handshake_time_ends_a_dial);
	tcase_add_test(tc, an_idle_session_ends);
	tcase_add_test(rest,
	    a_client_that_is_reset_beside_a_stalled_server_is_not_kept);
	tcase_add_test(rest, a_half_closed_session_ends_sooner);
	tcase_add_test(rest, a_session_ends_at_its_limit_even_if_bytes_move);
	tcase_add_test(rest, the_next_session_of_a_worker_has_its_own_time);
	tcase_add_test(tc, local_sockets_with_a_path_serve_both_sides);
	tcase_add_test(rest, a_local_client_that_sends_and_leaves_is_served);
	tcase_add_test(rest,
	    a_dead_daemons_socket_is_replaced_and_a_living_ones_is_not);
	tcase_add_test(rest, abstract_sockets_serve_both_sides);
	tcase_add_test(rest, a_bare_port_serves_ipv6_and_ipv4);
	tcase_add_test(tc, a_server_has_a_name);
	tcase_add_test(rest, a_name_nobody_knows_is_told_and_refuses_sessions);
	tcase_add_test(rest, the_log_is_json_when_asked);
	tcase_add_test(seen, a_message_costs_a_poll_a_recv_and_a_send);
	tcase_add_loop_test(seen,
	    workers_splice_what_is_much_and_a_message_after_it_not, 0, 2);
	suite_add_tcase(s, tc);
	suite_add_tcase(s, rest);
	suite_add_tcase(s, seen);
	return rig_run(s);
}
