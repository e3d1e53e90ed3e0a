#include <sys/wait.h>

#include <arpa/inet.h>

#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "base/sig.h"
#include "policy/conf.h"
#include "process/check.h"
#include "process/probe.h"
#include "process/proc.h"
#include "unit.h"

static struct loop	*loop;
static int		 lfd;
static uint16_t		 port;
static int		 finished;
static char		 verdict[256];	/* "" for good */
static pid_t		 server;

static void
open_all(void)
{
	static const int	 none[] = { 0 };

	sig_init(none);
	loop = loop_new();
	lfd = unit_tcp_listen(8, &port);
	finished = 0;
	server = -1;
}

static void
close_all(void)
{
	if (server != -1) {
		(void)kill(server, SIGKILL);
		(void)waitpid(server, NULL, 0);
	}
	close(lfd);
	loop_free(&loop);
}

static void
on_done(void *ctx, const char *why)
{
	(void)ctx;
	finished++;
	snprintf(verdict, sizeof(verdict), "%s", why == NULL ? "" : why);
}

static struct net_addr
address(uint16_t p)
{
	struct net_addr	 a = { .len = sizeof(a.u.in) };

	a.u.in.sin_family = AF_INET;
	a.u.in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	a.u.in.sin_port = htons(p);
	return a;
}

static struct probe_task
task(int type)
{
	return (struct probe_task){
		.talk = { .type = type, .send = "PING\r\n", .expect = "PONG" },
		.addrs = { address(port) }, .n = 1, .timeout = 300,
	};
}

static const char *
run(const struct probe_task *t)
{
	int64_t	 deadline = io_now_ms() + UNIT_MS;
	int	 before = finished;

	ck_assert_ptr_nonnull(probe_start(loop, t, on_done, NULL));
	ck_assert_int_eq(finished, before);	/* never from within */
	while (finished == before) {
		ck_assert_int_lt(io_now_ms(), deadline);
		ck_assert_int_eq(loop_turn(loop), 0);
	}
	return verdict;
}

/* Have a child serve one connection after the other: hear, then say. */
static void
serve(const char *hear, const void *say, size_t len, const char *then)
{
	char	 buf[4096];
	int	 fd;

	server = check_fork();
	if (server != 0)
		return;
	for (;;) {
		fd = unit_accept(lfd);
		if (hear != NULL)
			unit_expect(fd, hear, strlen(hear));
		unit_write(fd, say, len);
		if (then != NULL) {
			(void)unit_wait(fd, POLLIN, UNIT_MS);
			(void)!read(fd, buf, sizeof(buf));
			unit_write(fd, then, strlen(then));
		}
		(void)unit_wait(fd, POLLIN, UNIT_MS);
		(void)!read(fd, buf, sizeof(buf));
		close(fd);
	}
}

START_TEST(a_server_that_accepts_is_good_for_tcp)
{
	struct probe_task	 t = task(CONF_CHECK_TCP);
	int			 before = unit_count_fds();

	ck_assert_str_eq(run(&t), "");
	ck_assert_int_eq(unit_count_fds(), before);
}
END_TEST

START_TEST(one_that_refuses_is_bad)
{
	struct probe_task	 t = task(CONF_CHECK_TCP);
	int			 held;

	t.addrs[0] = address(unit_dead_port(&held));
	ck_assert_str_eq(run(&t), "connect: Connection refused");
	close(held);
}
END_TEST

START_TEST(of_several_addresses_one_is_enough)
{
	struct probe_task	 t = task(CONF_CHECK_TCP);
	int			 held;

	t.addrs[0] = address(unit_dead_port(&held));
	t.addrs[1] = address(port);
	t.n = 2;
	ck_assert_str_eq(run(&t), "");
	close(held);
}
END_TEST

START_TEST(a_source_of_another_family_is_no_way_there)
{
	struct probe_task	 t = task(CONF_CHECK_TCP);

	t.source.len = sizeof(t.source.u.in6);
	t.source.u.in6.sin6_family = AF_INET6;
	t.source.u.in6.sin6_addr = in6addr_loopback;
	ck_assert_ptr_nonnull(strstr(run(&t), "connect: Address family"));
}
END_TEST

START_TEST(a_full_backlog_is_bad_in_time)
{
	struct probe_task	 t = task(CONF_CHECK_TCP);
	int			 fds[4], full;
	int64_t			 start;

	full = unit_tcp_listen(0, &port);
	t.addrs[0] = address(port);
	for (size_t i = 0; i < 4; i++) {
		bool	 pending;

		fds[i] = net_dial(&t.addrs[0], NULL,
		    &(struct net_tcp){ .nodelay = true }, &pending);
	}
	start = io_now_ms();
	ck_assert_str_eq(run(&t), "connect: Connection timed out");
	ck_assert_int_ge(io_now_ms() - start, 299);
	for (size_t i = 0; i < 4; i++)
		close(fds[i]);
	close(full);
}
END_TEST

START_TEST(what_is_expected_makes_it_good)
{
	struct probe_task	 t = task(CONF_CHECK_EXPECT);

	serve("PING\r\n", "+PONG\r\n", 7, NULL);
	ck_assert_str_eq(run(&t), "");
	t.talk.expect = "PANG";
	ck_assert_str_eq(run(&t), "no answer in time");
}
END_TEST

START_TEST(a_server_that_wants_a_proxy_header_gets_one_from_us)
{
	struct probe_task	 t = task(CONF_CHECK_EXPECT);

	t.send_proxy = 1;
	serve("PROXY UNKNOWN\r\nPING\r\n", "+PONG\r\n", 7, NULL);
	ck_assert_str_eq(run(&t), "");
}
END_TEST

START_TEST(nothing_is_looked_for_beyond_four_kilobytes)
{
	struct probe_task	 t = task(CONF_CHECK_EXPECT);
	static char		 zeros[5000];

	memset(zeros, 'x', sizeof(zeros));
	memcpy(zeros + 4500, "PONG", 4);
	serve("PING\r\n", zeros, sizeof(zeros), NULL);
	ck_assert_str_eq(run(&t), "no \"PONG\" in its first 4096 bytes");
}
END_TEST

static const char	 greeting[] =
	"\x4a\0\0\0\x0a" "8.0.0\0\1\2\3\4" "12345678\0\xff\xff\x21\2\0\xff\xdf"
	"\x15\0\0\0\0\0\0\0\0\0\0" "123456789012\0caching_sha2_password\0";

/* The denial of our login ends it, and so does our part of its waiting. */
START_TEST(a_mysql_server_that_greets_is_good)
{
	struct probe_task	 t = task(CONF_CHECK_MYSQL);

	serve(NULL, greeting, 78, "\x09\0\0\2\xff\x15\4#28000");
	ck_assert_str_eq(run(&t), "");
}
END_TEST

START_TEST(one_that_greets_and_says_no_more_is_good_in_the_end)
{
	struct probe_task	 t = task(CONF_CHECK_MYSQL);

	serve(NULL, greeting, 78, NULL);
	ck_assert_str_eq(run(&t), "");
}
END_TEST

static const struct {
	const char	*say;
	size_t		 len;
	const char	*why;
} not_mysql[] = {
	{ "\x17\0\0\0\xff\x10\4Too many connections", 27,
	    "error 1040: Too many connections" },
	{ "\x07\0\0\0\xff\x69\4a\x1b[m", 11, "error 1129: a" },
	{ "\x03\0\0\0\xff\x69\4", 7, "error 1129: " },
	{ "\x01\0\0\0\x09", 5, "it does not greet as MySQL does" },
	{ "SSH-2.0-OpenSSH_9.2\r\n", 21, "it does not greet as MySQL does" },
	{ "\0\0\0\0", 4, "it does not greet as MySQL does" },
	{ "\x4a\0\0\0\x0a", 5, "no greeting in time" },
	{ "\x4a\0", 2, "no greeting in time" },
	{ "", 0, "no greeting in time" },
};

START_TEST(what_is_no_mysql_greeting_is_bad)
{
	struct probe_task	 t = task(CONF_CHECK_MYSQL);

	serve(NULL, not_mysql[_i].say, not_mysql[_i].len, NULL);
	ck_assert_str_eq(run(&t), not_mysql[_i].why);
}
END_TEST

static SSL_CTX *
tls_server(void)
{
	EVP_PKEY	*key = EVP_EC_gen("P-256");
	X509		*cert = X509_new();
	SSL_CTX		*ctx = SSL_CTX_new(TLS_server_method());

	X509_gmtime_adj(X509_getm_notBefore(cert), 0);
	X509_gmtime_adj(X509_getm_notAfter(cert), 3600);
	X509_set_pubkey(cert, key);
	ck_assert_int_ne(X509_sign(cert, key, EVP_sha256()), 0);
	ck_assert_int_eq(SSL_CTX_use_certificate(ctx, cert), 1);
	ck_assert_int_eq(SSL_CTX_use_PrivateKey(ctx, key), 1);
	X509_free(cert);
	EVP_PKEY_free(key);
	return ctx;
}

START_TEST(a_tls_handshake_is_good_whoever_signed)
{
	struct probe_task	 t = task(CONF_CHECK_TLS);
	SSL_CTX			*ctx;
	SSL			*ssl;
	int			 fd;

	t.timeout = UNIT_MS;
	t.talk.name = "db.example";
	server = check_fork();
	if (server == 0) {
		ctx = tls_server();
		fd = unit_accept(lfd);
		(void)fcntl(fd, F_SETFL, 0);
		ssl = SSL_new(ctx);
		SSL_set_fd(ssl, fd);
		_exit(SSL_accept(ssl) == 1 && strcmp(SSL_get_servername(ssl,
		    TLSEXT_NAMETYPE_host_name), "db.example") == 0 ? 0 : 1);
	}
	ck_assert_str_eq(run(&t), "");
}
END_TEST

START_TEST(no_tls_is_bad_for_tls)
{
	struct probe_task	 t = task(CONF_CHECK_TLS);

	serve(NULL, "HTTP/1.0 400\r\n\r\n", 16, NULL);
	ck_assert_str_eq(run(&t), "TLS: wrong version number");
}
END_TEST

START_TEST(one_that_is_cancelled_leaves_nothing)
{
	struct probe_task	 t = task(CONF_CHECK_EXPECT);
	int			 before = unit_count_fds();
	struct probe		*p = probe_start(loop, &t, on_done, NULL);

	ck_assert_int_eq(loop_turn(loop), 0);
	probe_cancel(&p);
	ck_assert_ptr_null(p);
	probe_cancel(&p);
	ck_assert_int_eq(unit_count_fds(), before);
	ck_assert_int_eq(finished, 0);
}
END_TEST

#define MANY	(CHECK_PROBES_MAX + 20)	/* more than are probed at a time */

static struct checks	*checks;
static struct servers	*servers;

static void
on_changed(void *ctx, struct server *s)
{
	(void)ctx;
	check_update(checks, servers, s);
}

static void
on_gone(void *ctx, struct server *s)
{
	(void)ctx;
	check_end(checks, s);
}

static void
on_room(void *ctx, struct group *g)
{
	(void)ctx;
	(void)g;
}

/* Have a generation with n backends in effect, each of one server. */
static struct conf *
serve_backends(uint32_t number, int n)
{
	struct conf_report	 report = { .nerrors = 0 };
	struct conf		*c = conf_new();
	char			*text = NULL;
	size_t			 len;
	FILE			*f = open_memstream(&text, &len);
	int			 book;

	fputs("backends = (", f);
	for (int i = 0; i < n; i++)
		fprintf(f, "%s{ name = \"b%d\"; servers = \"127.0.0.1:%u\"; "
		    "check = { type = \"expect\"; expect = \"x\"; interval = "
		    "\"2s\"; timeout = \"1500ms\"; }; }", i > 0 ? "," : "", i,
		    port);
	fputs("); listeners = ( { name = \"l\"; listen = \"127.0.0.1:1\"; "
	    "forward = \"backend:b0\"; } );\n", f);
	ck_assert_int_eq(fclose(f), 0);
	conf_read_text(c, "test", text, len, &report);
	ck_assert_msg(conf_finish(c, &report) == 0, "%s",
	    report.nerrors > 0 ? report.errors[0] : "?");
	conf_report_free(&report);
	free(text);
	book = proc_memfd("book", book_size(c->nservers));
	ck_assert_int_eq(servers_add(servers, number, c, book), 0);
	servers_commit(servers, number);
	close(book);
	return c;
}

/* Sessions may outlive the backend that a reload took away. */
START_TEST(servers_that_go_while_they_wait_for_a_probe_are_not_probed)
{
	const struct servers_hooks	 hooks = {
		on_changed, on_gone, on_room, NULL,
	};
	struct server			*held[MANY];
	struct conf			*before, *after;
	int64_t				 until;

	checks = checks_new(loop);
	servers = servers_new(loop, &hooks);
	before = serve_backends(1, MANY);
	/* All begin within a second, and none is over by then. */
	for (until = io_now_ms() + 1100; io_now_ms() < until;)
		ck_assert_int_eq(loop_turn(loop), 0);
	for (size_t i = 0; i < MANY; i++) {
		held[i] = servers_generation(servers, 1)->servers[i];
		server_take(held[i]);
	}
	after = serve_backends(2, 1);
	servers_forget(servers, 1);
	conf_free(&before);
	/* Those under way end, and those that waited would be next. */
	for (until = io_now_ms() + 1500; io_now_ms() < until;)
		ck_assert_int_eq(loop_turn(loop), 0);
	for (size_t i = 0; i < MANY; i++)
		server_release(servers, held[i]);
	servers_free(&servers);
	checks_free(&checks);
	conf_free(&after);
}
END_TEST

int
main(void)
{
	Suite	*s = suite_create("probe");
	TCase	*tc = tcase_create("probe");

	suite_add_tcase(s, tc);
	tcase_add_checked_fixture(tc, open_all, close_all);
	tcase_add_test(tc, a_server_that_accepts_is_good_for_tcp);
	tcase_add_test(tc, one_that_refuses_is_bad);
	tcase_add_test(tc, of_several_addresses_one_is_enough);
	tcase_add_test(tc, a_source_of_another_family_is_no_way_there);
	tcase_add_test(tc, a_full_backlog_is_bad_in_time);
	tcase_add_test(tc, what_is_expected_makes_it_good);
	tcase_add_test(tc,
	    a_server_that_wants_a_proxy_header_gets_one_from_us);
	tcase_add_test(tc, nothing_is_looked_for_beyond_four_kilobytes);
	tcase_add_test(tc, a_mysql_server_that_greets_is_good);
	tcase_add_test(tc,
	    one_that_greets_and_says_no_more_is_good_in_the_end);
	tcase_add_loop_test(tc, what_is_no_mysql_greeting_is_bad, 0,
	    (int)(sizeof(not_mysql) / sizeof(not_mysql[0])));
	tcase_add_test(tc, a_tls_handshake_is_good_whoever_signed);
	tcase_add_test(tc, no_tls_is_bad_for_tls);
	tcase_add_test(tc, one_that_is_cancelled_leaves_nothing);
	tcase_add_test(tc,
	    servers_that_go_while_they_wait_for_a_probe_are_not_probed);
	return unit_run(s);
}
