/*
 * What a session meets on its way: access rules, PROXY headers in and out,
 * which server is tried, pools.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "rig.h"

#define SERVERS	3

/* A daemon in front of a few servers that this test plays. */
struct stage {
	struct daemon	 d;
	int		 port;
	int		 lfd[SERVERS], back[SERVERS];
};

/* Dial from another of the loopback's addresses. */
static int
dial_from(const char *host, int port)
{
	struct sockaddr_in	 to = {
		.sin_family = AF_INET, .sin_port = htons((uint16_t)port),
	};
	struct sockaddr_in	 from = { .sin_family = AF_INET };
	int			 fd = socket(AF_INET, SOCK_STREAM, 0);

	ck_assert_int_eq(inet_pton(AF_INET, host, &from.sin_addr), 1);
	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&from, sizeof(from)), 0);
	ck_assert_int_eq(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
	return fd;
}

static void
open_servers(struct stage *s)
{
	s->port = rig_port();
	for (int i = 0; i < SERVERS; i++)
		s->lfd[i] = rig_listen(&s->back[i]);
}

/* One listener with `more' in it, in front of the first server. */
static void
open_stage(struct stage *s, const char *more)
{
	open_servers(s);
	rig_up(&s->d, "listeners = ( { name = \"l\"; listen = "
	    "\"127.0.0.1:%d\"; forward = \"127.0.0.1:%d\"; %s } );\n",
	    s->port, s->back[0], more);
}

/* A backend of all three, with what stands behind each address. */
static void
open_backend(struct stage *s, const char *keys, const char *const each[3])
{
	open_servers(s);
	rig_up(&s->d, "backends = ( { name = \"b\"; %s servers = (\n"
	    "{ address = \"127.0.0.1:%d\"; %s },\n"
	    "{ address = \"127.0.0.1:%d\"; %s },\n"
	    "{ address = \"127.0.0.1:%d\"; %s } ); } );\n"
	    "listeners = ( { name = \"l\"; listen = \"127.0.0.1:%d\"; "
	    "forward = \"backend:b\"; } );\n", keys, s->back[0], each[0],
	    s->back[1], each[1], s->back[2], each[2], s->port);
}

static void
kill_server(struct stage *s, int i)
{
	close(s->lfd[i]);
	s->lfd[i] = -1;
}

/* Which server has the next connection; its end is put in *fd. */
static int
taken_by(const struct stage *s, int *fd)
{
	struct pollfd	 p[SERVERS];

	for (int i = 0; i < SERVERS; i++)
		p[i] = (struct pollfd){ s->lfd[i], POLLIN, 0 };
	ck_assert_int_gt(poll(p, SERVERS, rig_patience(RIG_MS)), 0);
	for (int i = 0; i < SERVERS; i++)
		if (p[i].revents != 0) {
			*fd = rig_accept(s->lfd[i]);
			return i;
		}
	return -1;
}

/* One session, begun and ended; which server had it. */
static int
visit(const struct stage *s)
{
	int	 client = rig_dial(s->port), server, i;

	i = taken_by(s, &server);
	close(client);
	rig_hear_end(server);
	close(server);
	return i;
}

static void
expect_refused(struct stage *s, int client, const char *end)
{
	char	 text[64];

	rig_hear_reset(client);
	close(client);
	snprintf(text, sizeof(text), " end=%s", end);
	(void)rig_line(&s->d, text);
}

START_TEST(who_is_not_allowed_is_reset_and_logged)
{
	struct stage	 s;
	int		 client, server;

	open_stage(&s, "allow = \"127.0.0.0/8\"; deny = (\"127.0.0.9\", "
	    "\"127.1.0.0/16\");");
	expect_refused(&s, dial_from("127.0.0.9", s.port), "denied");
	expect_refused(&s, dial_from("127.1.2.3", s.port), "denied");
	client = dial_from("127.0.0.8", s.port);
	server = rig_accept(s.lfd[0]);
	close(client);
	close(server);
	rig_down(&s.d);
}
END_TEST

START_TEST(a_proxy_header_and_what_follows_it_come_in_one_segment)
{
	static const char	 v1[] = "PROXY TCP4 192.0.2.7 198.51.100.1 "
				    "1234 3306\r\nhello";
	static const char	 v2[] = "\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c"
				    "\xc0\0\x02\x07\xc6\x33\x64\x01"
				    "\x04\xd2\x0c\xeahello";
	struct stage		 s;
	const char		*line;
	int			 client, server;

	open_stage(&s, "allow = \"192.0.2.0/24\"; proxy_protocol = { accept "
	    "= true; from = \"127.0.0.1\"; };");
	for (int i = 0; i < 2; i++) {
		client = rig_dial(s.port);
		if (i == 0)
			rig_send(client, v1, sizeof(v1) - 1);
		else
			rig_send(client, v2, sizeof(v2) - 1);
		server = rig_accept(s.lfd[0]);
		rig_hear(server, "hello");
		close(client);
		rig_hear_end(server);
		close(server);
		line = rig_line(&s.d, " end=done");
		ck_assert_ptr_nonnull(strstr(line,
		    " client=192.0.2.7:1234 via=127.0.0.1:"));
	}
	rig_down(&s.d);
}
END_TEST

START_TEST(a_header_is_neither_guessed_nor_believed_from_anyone)
{
	const char	*const header =
	    "PROXY TCP4 198.51.100.7 198.51.100.1 1 2\r\n";
	struct stage	 s;
	int		 client;

	open_stage(&s, "deny = \"192.0.2.0/24\"; proxy_protocol = { accept = "
	    "true; from = \"127.0.0.1\"; };");
	client = dial_from("127.0.0.2", s.port);
	/* It is refused for where it is from, perhaps before this is sent. */
	if (send(client, header, strlen(header), MSG_NOSIGNAL) != -1)
		rig_hear_reset(client);
	else
		ck_assert_int_eq(errno, ECONNRESET);
	close(client);
	(void)rig_line(&s.d, " end=denied");
	client = rig_dial(s.port);
	rig_say(client, "hello, is this the server?");
	expect_refused(&s, client, "proxy_header");
	client = rig_dial(s.port);
	rig_say(client, "PROXY TCP4 198.51.100.7 198.51");
	rig_end(client);
	expect_refused(&s, client, "proxy_header");
	client = rig_dial(s.port);
	rig_say(client, "PROXY TCP4 192.0.2.7 198.51.100.1 1 2\r\n");
	expect_refused(&s, client, "denied");
	rig_down(&s.d);
}
END_TEST

START_TEST(a_client_that_sends_no_header_has_until_handshake)
{
	struct stage	 s;
	int		 client;

	open_servers(&s);
	rig_up(&s.d, "timeouts = { handshake = \"300ms\"; };\nlisteners = ( "
	    "{ name = \"l\"; listen = \"127.0.0.1:%d\"; forward = "
	    "\"127.0.0.1:%d\"; proxy_protocol = { accept = true; from = "
	    "\"127.0.0.1\"; }; } );\n", s.port, s.back[0]);
	client = rig_dial(s.port);
	rig_say(client, "PROXY TC");
	expect_refused(&s, client, "timeout");
	rig_down(&s.d);
}
END_TEST

START_TEST(servers_hear_of_the_client_as_they_want_it)
{
	const char	*const each[3] = {
		"send_proxy = 1;", "send_proxy = 2;", "",
	};
	struct stage	 s;
	char		 head[64], want[64];
	int		 client, server, port;
	socklen_t	 len = sizeof(struct sockaddr_in);

	for (int version = 1; version <= 2; version++) {
		struct sockaddr_in	 me;

		open_backend(&s, "balance = \"first\";", each);
		if (version == 2)
			kill_server(&s, 0);
		client = rig_dial(s.port);
		ck_assert_int_eq(getsockname(client, (struct sockaddr *)&me,
		    &len), 0);
		port = ntohs(me.sin_port);
		ck_assert_int_eq(taken_by(&s, &server), version - 1);
		if (version == 1) {
			snprintf(want, sizeof(want), "PROXY TCP4 127.0.0.1 "
			    "127.0.0.1 %d %d\r\n", port, s.port);
			rig_hear(server, want);
		} else {
			rig_hear_bytes(server, head, 47);
			ck_assert_mem_eq(head, "\r\n\r\n\0\r\nQUIT\n\x21\x11"
			    "\0\x1f\x7f\0\0\x01\x7f\0\0\x01", 24);
			ck_assert_int_eq((uint8_t)head[24] << 8 |
			    (uint8_t)head[25], port);
			ck_assert_int_eq((uint8_t)head[26] << 8 |
			    (uint8_t)head[27], s.port);
			/* PP2_TYPE_UNIQUE_ID: the id that the log has. */
			ck_assert_mem_eq(head + 28, "\x05\0\x10", 3);
		}
		rig_say(client, "and then");
		rig_hear(server, "and then");
		close(client);
		close(server);
		rig_down(&s.d);
	}
}
END_TEST

START_TEST(servers_take_turns_by_their_weight)
{
	const char	*const each[3] = {
		"weight = 1;", "weight = 3;", "weight = 2;",
	};
	struct stage	 s;
	int		 had[3] = { 0 };

	open_backend(&s, "", each);
	for (int i = 0; i < 24; i++)
		had[visit(&s)]++;
	ck_assert_int_eq(had[0], 4);
	ck_assert_int_eq(had[1], 12);
	ck_assert_int_eq(had[2], 8);
	rig_down(&s.d);
}
END_TEST

START_TEST(a_source_keeps_its_server_and_moves_only_when_it_dies)
{
	const char	*const each[3] = { "", "", "" };
	struct stage	 s;
	int		 first;

	open_backend(&s, "balance = \"source\";", each);
	first = visit(&s);
	for (int i = 0; i < 5; i++)
		ck_assert_int_eq(visit(&s), first);
	kill_server(&s, first);
	for (int i = 0; i < 3; i++)
		ck_assert_int_ne(visit(&s), first);
	rig_down(&s.d);
}
END_TEST

START_TEST(a_backup_serves_when_no_other_does)
{
	const char	*const each[3] = { "backup = true;", "", "" };
	struct stage	 s;

	open_backend(&s, "", each);
	for (int i = 0; i < 6; i++)
		ck_assert_int_ne(visit(&s), 0);
	kill_server(&s, 1);
	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(visit(&s), 2);
	kill_server(&s, 2);
	ck_assert_int_eq(visit(&s), 0);
	rig_down(&s.d);
}
END_TEST

START_TEST(no_more_servers_are_tried_than_retries_allow)
{
	const char	*const each[3] = { "", "", "" };
	struct stage	 s;
	int		 client;

	open_backend(&s, "balance = \"first\"; retries = 1;", each);
	kill_server(&s, 0);
	kill_server(&s, 1);
	client = rig_dial(s.port);
	expect_refused(&s, client, "unreachable");
	rig_down(&s.d);
}
END_TEST

START_TEST(dials_leave_from_the_address_that_is_bound)
{
	struct stage		 s;
	struct sockaddr_in	 from;
	socklen_t		 len = sizeof(from);
	char			 text[32];
	int			 client, server;

	open_servers(&s);
	rig_up(&s.d, "backends = ( { name = \"b\"; bind = \"127.0.0.77\"; "
	    "servers = \"127.0.0.1:%d\"; } );\nlisteners = ( { name = \"l\"; "
	    "listen = \"127.0.0.1:%d\"; forward = \"backend:b\"; } );\n",
	    s.back[0], s.port);
	client = rig_dial(s.port);
	server = rig_accept(s.lfd[0]);
	ck_assert_int_eq(getpeername(server, (struct sockaddr *)&from, &len),
	    0);
	ck_assert_str_eq(inet_ntop(AF_INET, &from.sin_addr, text,
	    sizeof(text)), "127.0.0.77");
	close(client);
	close(server);
	rig_down(&s.d);
}
END_TEST

START_TEST(each_pool_has_processes_of_its_own)
{
	struct stage	 s;
	int		 other = rig_port();

	open_servers(&s);
	rig_up(&s.d, "workers = { spare = 2; };\nlisteners = ( { name = \"a\";"
	    " listen = \"127.0.0.1:%d\"; forward = \"127.0.0.1:%d\"; }, "
	    "{ name = \"b\"; listen = \"127.0.0.1:%d\"; forward = "
	    "\"127.0.0.1:%d\"; pool = \"other\"; } );\n", s.port, s.back[0],
	    other, s.back[1]);
	rig_until(&s.d, "worker tcp: idle", 2);
	rig_until(&s.d, "worker other: idle", 2);
	ck_assert_int_eq(visit(&s), 0);
	s.port = other;
	ck_assert_int_eq(visit(&s), 1);
	rig_down(&s.d);
}
END_TEST

int
main(void)
{
	Suite	*suite = suite_create("serve");
	TCase	*tc = tcase_create("plain"), *rest = tcase_create("rest");
	TCase	*seen = tcase_create("seen");

	tcase_set_timeout(tc, rig_is_slow() ? 300 : 60);
	tcase_set_timeout(rest, 60);
	tcase_set_timeout(seen, 60);
	tcase_add_test(tc, who_is_not_allowed_is_reset_and_logged);
	tcase_add_test(tc,
	    a_proxy_header_and_what_follows_it_come_in_one_segment);
	tcase_add_test(rest,
	    a_header_is_neither_guessed_nor_believed_from_anyone);
	tcase_add_test(rest, a_client_that_sends_no_header_has_until_handshake);
	tcase_add_test(tc, servers_hear_of_the_client_as_they_want_it);
	tcase_add_test(rest, servers_take_turns_by_their_weight);
	tcase_add_test(rest,
	    a_source_keeps_its_server_and_moves_only_when_it_dies);
	tcase_add_test(rest, a_backup_serves_when_no_other_does);
	tcase_add_test(rest, no_more_servers_are_tried_than_retries_allow);
	tcase_add_test(rest, dials_leave_from_the_address_that_is_bound);
	tcase_add_test(seen, each_pool_has_processes_of_its_own);
	suite_add_tcase(suite, tc);
	suite_add_tcase(suite, rest);
	suite_add_tcase(suite, seen);
	return rig_run(suite);
}
