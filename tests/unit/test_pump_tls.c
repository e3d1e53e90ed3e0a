/*
 * A relay between streams.  It is a child, as in a worker; the test is the
 * client, which is OpenSSL itself, and the server, which may be.
 */
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <openssl/err.h>

#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "base/mem.h"
#include "base/net.h"
#include "session/pump.h"
#include "tls_kit.h"
#include "unit.h"

#define BUFFER_MAX	65536

/* What the relay tells, besides its end. */
struct facts {
	flow_count	 up, down;
	long		 cpu_ms;
	int		 offered;	/* to be handed over */
};

/* In a loop of four: TLS 1.2 and 1.3, first with a server that has none. */
#define VERSION(i)	((i) % 2 == 0 ? TLS1_2_VERSION : TLS1_3_VERSION)
#define BACK_TLS(i)	((i) / 2 == 1)

static const struct kit_cert	*ca, *cert;
static struct tls_server	*context;
static struct tls_client	*back_context;	/* NULL: a plain server */
static SSL_CTX			*client_ctx, *server_ctx;
static SSL			*client, *server;
static int			 client_fd, server_fd, back;
static struct facts		*facts;
static size_t			 buffer;
static int			 idle_ms;
static const struct kit_report	*r;

static void
make_certificates(void)
{
	ca = kit_cert(&(struct kit_spec){ .cn = "ca", .ca = true });
	cert = kit_cert(&(struct kit_spec){ .cn = "here", .by = ca,
	    .san = "DNS:here.example" });
}

static void
open_contexts(void)
{
	static struct tls_identity	 id;
	char				 why[TLS_WHY_MAX] = "";

	id = kit_identity(cert, NULL);
	context = tls_server_new(&(struct tls_server_options){
	    .identities = &id, .nidentities = 1,
	    .min_version = TLS1_2_VERSION, .ciphers = "",
	    .ciphersuites = "", .curves = "", .name = "here" }, why);
	ck_assert_msg(context != NULL, "%s", why);
	client_ctx = kit_client(ca);
	server_ctx = kit_server(cert);
	facts = mmap(NULL, sizeof(*facts), PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ck_assert(facts != MAP_FAILED);
	buffer = 4096;
	idle_ms = 4 * UNIT_MS;
	client_fd = server_fd = back = -1;
}

static void
shut(int *fd)
{
	if (*fd != -1)
		close(*fd);
	*fd = -1;
}

static void
close_all(void)
{
	SSL_free(client);
	SSL_free(server);
	client = server = NULL;
	shut(&client_fd);
	shut(&server_fd);
	shut(&back);
	SSL_CTX_free(client_ctx);
	SSL_CTX_free(server_ctx);
	tls_server_free(&context);
	tls_client_free(&back_context);
	munmap(facts, sizeof(*facts));
}

static bool
offer(void *ctx, bool quiet)
{
	(void)ctx;
	(void)quiet;
	facts->offered++;
	return true;
}

static void
pump(struct stream *front, struct stream *to, struct kit_report *report)
{
	static uint8_t	 buf[2 * BUFFER_MAX];
	struct pipes	*pipes = pipes_new(2);
	struct pump	 p = {
		.relay = { .idle_ms = idle_ms, .half_closed_ms = idle_ms },
		.hand_over = offer, .pause_ms = 1, .quiet_ms = 2,
	};
	struct flow	*up = &p.relay.up, *down = &p.relay.down;

	flow_init(up, front->fd, back, buf, buffer, &facts->up);
	flow_init(down, back, front->fd, buf + BUFFER_MAX, buffer,
	    &facts->down);
	up->in = down->out = front;
	up->out = down->in = to;
	up->pipes = down->pipes = pipes;
	report->value = (int)pump_run(&p);
	if (!down->done)
		net_abort(front->fd);
	if (up->done)
		close(back);
	else
		net_abort(back);
	pipes_free(&pipes);
}

static void
relay(struct stream *front, struct kit_report *report)
{
	struct stream	*to = NULL;
	struct tls_facts agreed;
	struct rusage	 ru;

	close(server_fd);
	if (back_context != NULL) {
		to = tls_connect(back_context, back, "here.example",
		    io_now_ms() + UNIT_MS, NULL, &agreed, &report->end,
		    report->why);
		if (to == NULL)
			return;
	}
	pump(front, to, report);
	stream_free(&to);
	getrusage(RUSAGE_SELF, &ru);
	facts->cpu_ms = (ru.ru_utime.tv_sec + ru.ru_stime.tv_sec) * 1000 +
	    (ru.ru_utime.tv_usec + ru.ru_stime.tv_usec) / 1000;
}

static void
want_back_tls(void)
{
	char	 why[TLS_WHY_MAX] = "";

	back_context = tls_client_new(&(struct tls_client_options){
	    .min_version = TLS1_2_VERSION, .ca = ca->pem,
	    .verify_chain = true, .verify_name = true }, why);
	ck_assert_msg(back_context != NULL, "%s", why);
}

static void
set_small(int fd, int name)
{
	/* As in the tests of plain relays. */
	const int	 size = name == SO_RCVBUF ? 65536 : 4096;

	ck_assert_int_eq(setsockopt(fd, SOL_SOCKET, name, &size,
	    sizeof(size)), 0);
}

/* Both sides are connected, and have been through their handshakes. */
static void
start(int version, bool back_tls)
{
	int	 ends[2];

	SSL_CTX_set_min_proto_version(client_ctx, version);
	SSL_CTX_set_max_proto_version(client_ctx, version);
	if (back_tls)
		want_back_tls();
	unit_tcp_pair(ends);
	back = ends[0];
	server_fd = ends[1];
	set_small(back, SO_SNDBUF);
	set_small(server_fd, SO_RCVBUF);
	client_fd = kit_serve(context, UNIT_MS, relay);
	shut(&back);
	set_small(client_fd, SO_RCVBUF);
	client = kit_open(client_ctx, client_fd, false);
	ck_assert(kit_shake(client));
	if (back_tls) {
		server = kit_open(server_ctx, server_fd, true);
		ck_assert(kit_shake(server));
	}
}

static void
server_write(const void *data, size_t len)
{
	if (server != NULL)
		kit_write(server, data, len);
	else
		unit_write(server_fd, data, len);
}

static void
server_expect(const void *data, size_t len)
{
	if (server != NULL)
		kit_expect(server, data, len);
	else
		unit_expect(server_fd, data, len);
}

static void
server_expect_end(void)
{
	if (server != NULL)
		kit_expect_end(server);
	else
		unit_expect_end(server_fd);
}

static void
server_end(void)
{
	if (server != NULL)
		ck_assert_int_ge(SSL_shutdown(server), 0);
	shutdown(server_fd, SHUT_WR);
}

static void
talk(void)
{
	kit_write(client, "ping", 4);
	server_expect("ping", 4);
	server_write("pong!", 5);
	kit_expect(client, "pong!", 5);
}

static void
expect_end(enum end end)
{
	r = kit_served();
	ck_assert_msg(r->ok, "%s", r->why);
	ck_assert_str_eq(end_text((enum end)r->value), end_text(end));
	/* What TLS remembers cannot go to another process. */
	ck_assert_int_eq(facts->offered, 0);
}

static void
end_all(void)
{
	ck_assert_int_eq(SSL_shutdown(client), 0);
	server_expect_end();
	server_end();
	kit_expect_end(client);
	expect_end(END_DONE);
}

START_TEST(both_ways_are_relayed_until_both_have_ended)
{
	start(VERSION(_i), BACK_TLS(_i));
	for (int i = 0; i < 100; i++)
		talk();
	end_all();
	ck_assert_uint_eq(atomic_load(&facts->up), 400);
	ck_assert_uint_eq(atomic_load(&facts->down), 500);
}
END_TEST

/* Nothing shows in poll(2) when the rest of a record is to be read. */
START_TEST(a_record_larger_than_the_buffer_is_passed_on_at_once)
{
	uint8_t	 record[16000];

	buffer = 1000;
	unit_paint(record, sizeof(record), 0);
	start(VERSION(_i), BACK_TLS(_i));
	kit_write(client, record, sizeof(record));
	server_expect(record, sizeof(record));
	server_write(record, sizeof(record));
	kit_expect(client, record, sizeof(record));
	end_all();
}
END_TEST

/* Write until nothing more is taken for a while; bytes written. */
static size_t
fill(void)
{
	uint8_t	 out[8000];
	size_t	 sent = 0, n;

	do {
		unit_paint(out, sizeof(out), sent);
		while (SSL_write_ex(client, out, sizeof(out), &n) == 1) {
			sent += n;
			unit_paint(out, sizeof(out), sent);
		}
		ck_assert_uint_lt(sent, 20000000);
	} while (unit_wait(client_fd, POLLOUT, 200) != 0);
	return sent;
}

static void
expect_painted(size_t len)
{
	uint8_t	 want[8000];
	size_t	 n;

	for (size_t at = 0; at < len; at += n) {
		n = len - at < sizeof(want) ? len - at : sizeof(want);
		unit_paint(want, n, at);
		server_expect(want, n);
	}
}

START_TEST(bytes_that_nobody_takes_yet_do_not_make_it_spin)
{
	uint8_t	 rest[8000];
	size_t	 sent;

	buffer = 1000;
	start(VERSION(_i), BACK_TLS(_i));
	sent = fill();
	ck_assert_uint_gt(sent, 0);
	/* The other way is as quick as ever. */
	server_write("pong", 4);
	kit_expect(client, "pong", 4);
	ck_assert_int_eq(unit_wait(client_fd, POLLIN, 300), 0);
	expect_painted(sent);
	/* OpenSSL has a part of this record still. */
	unit_paint(rest, sizeof(rest), sent);
	kit_write(client, rest, sizeof(rest));
	server_expect(rest, sizeof(rest));
	end_all();
	ck_assert_int_lt(facts->cpu_ms, 400);
}
END_TEST

struct parcel {
	size_t	 sent, got;
};

static ssize_t
some(SSL *ssl, int fd, bool out, void *p, size_t len)
{
	size_t	 n;
	int	 rc;

	if (ssl == NULL)
		return out ? send(fd, p, len, MSG_DONTWAIT | MSG_NOSIGNAL) :
		    recv(fd, p, len, MSG_DONTWAIT);
	ERR_clear_error();
	rc = out ? SSL_write_ex(ssl, p, len, &n) : SSL_read_ex(ssl, p, len,
	    &n);
	return rc == 1 ? (ssize_t)n : -1;
}

/* Write and read what goes, and compare.  False: nothing went. */
static bool
move(struct parcel *s, SSL *to, int to_fd, SSL *from, int from_fd, size_t all)
{
	uint8_t	 out[8192], in[8192];
	size_t	 len = all - s->sent < sizeof(out) ? all - s->sent :
		    sizeof(out);
	ssize_t	 w, n;

	unit_paint(out, len, s->sent);
	w = len > 0 ? some(to, to_fd, true, out, len) : 0;
	if (w > 0)
		s->sent += (size_t)w;
	n = some(from, from_fd, false, in, sizeof(in));
	if (n > 0) {
		unit_paint(out, (size_t)n, s->got);
		ck_assert_mem_eq(in, out, (size_t)n);
		s->got += (size_t)n;
	}
	return w > 0 || n > 0;
}

/* So much both ways; keys are changed meanwhile if that is wanted. */
static void
bulk(size_t all, bool update)
{
	struct parcel	 up = { 0, 0 }, down = { 0, 0 };
	int64_t		 deadline = io_now_ms() + 4 * UNIT_MS;
	size_t		 next = update ? all / 20 : all;
	bool		 moved;

	while (up.got < all || down.got < all) {
		struct pollfd	 p[2] = {
			{ client_fd, POLLIN, 0 }, { server_fd, POLLIN, 0 },
		};

		ck_assert_int_lt(io_now_ms(), deadline);
		moved = move(&up, client, client_fd, server, server_fd, all);
		moved |= move(&down, server, server_fd, client, client_fd,
		    all);
		if (up.sent < all && up.sent >= next && SSL_key_update(client,
		    SSL_KEY_UPDATE_REQUESTED) == 1)
			next += all / 20;
		if (!moved)
			(void)poll(p, 2, 1);
	}
}

START_TEST(much_passes_both_ways_and_nothing_is_lost)
{
	buffer = _i < 4 ? 1000 : BUFFER_MAX;
	start(VERSION(_i), BACK_TLS(_i % 4));
	bulk(10000000, false);
	end_all();
	ck_assert_uint_eq(atomic_load(&facts->up), 10000000);
	ck_assert_uint_eq(atomic_load(&facts->down), 10000000);
}
END_TEST

START_TEST(keys_may_be_changed_at_any_time)
{
	start(TLS1_3_VERSION, _i == 1);
	for (int i = 0; i < 5; i++) {
		ck_assert_int_eq(SSL_key_update(client,
		    SSL_KEY_UPDATE_REQUESTED), 1);
		/* Alone, and then with something after it. */
		ck_assert_int_eq(SSL_do_handshake(client), 1);
		talk();
	}
	bulk(2000000, true);
	end_all();
}
END_TEST

/* As TLS says it, and as most peers do. */
START_TEST(a_client_that_has_ended_still_gets_its_answer)
{
	static uint8_t	 answer[200000];

	unit_paint(answer, sizeof(answer), 0);
	start(VERSION(_i), BACK_TLS(_i % 4));
	kit_write(client, "query", 5);
	if (_i < 4)
		ck_assert_int_eq(SSL_shutdown(client), 0);
	else
		shutdown(client_fd, SHUT_WR);
	server_expect("query", 5);
	server_expect_end();
	for (size_t i = 0; i < sizeof(answer); i += 50000) {
		server_write(answer + i, 50000);
		kit_expect(client, answer + i, 50000);
	}
	server_end();
	kit_expect_end(client);
	expect_end(END_DONE);
}
END_TEST

START_TEST(a_server_that_has_ended_still_gets_the_rest)
{
	static uint8_t	 rest[200000];

	unit_paint(rest, sizeof(rest), 0);
	start(VERSION(_i), BACK_TLS(_i));
	server_write("banner", 6);
	server_end();
	kit_expect(client, "banner", 6);
	kit_expect_end(client);
	for (size_t i = 0; i < sizeof(rest); i += 50000) {
		kit_write(client, rest + i, 50000);
		server_expect(rest + i, 50000);
	}
	ck_assert_int_ge(SSL_shutdown(client), 0);
	server_expect_end();
	expect_end(END_DONE);
}
END_TEST

/* The answer to an end may be no more than a closed socket. */
START_TEST(a_server_that_closes_at_once_ends_it_orderly)
{
	start(VERSION(_i), BACK_TLS(_i));
	talk();
	server_write("bye", 3);
	server_end();
	shut(&server_fd);
	kit_expect(client, "bye", 3);
	kit_expect_end(client);
	shut(&client_fd);
	expect_end(END_DONE);
}
END_TEST

START_TEST(a_client_that_breaks_off_resets_the_server)
{
	size_t	 len;

	start(VERSION(_i), BACK_TLS(_i));
	talk();
	unit_reset(client_fd);
	client_fd = -1;
	if (server != NULL)
		ck_assert_int_ne(kit_drain(server, &len),
		    SSL_ERROR_ZERO_RETURN);
	else
		unit_expect_reset(server_fd);
	expect_end(END_CLIENT_RESET);
}
END_TEST

/* A cut stream must not look whole: no close_notify. */
START_TEST(a_server_that_breaks_off_resets_the_client)
{
	size_t	 len;

	start(VERSION(_i), BACK_TLS(_i));
	talk();
	unit_reset(server_fd);
	server_fd = -1;
	ck_assert_int_ne(kit_drain(client, &len), SSL_ERROR_ZERO_RETURN);
	ck_assert_uint_eq(len, 0);
	expect_end(END_SERVER_RESET);
}
END_TEST

START_TEST(a_record_that_is_damaged_breaks_it_off)
{
	/* Application data, as far as its header tells. */
	static const uint8_t	 record[] = "\x17\x03\x03\x00\x20"
	    "0123456789abcdef0123456789abcdef";
	size_t			 len;

	start(VERSION(_i), BACK_TLS(_i));
	talk();
	unit_write(client_fd, record, sizeof(record) - 1);
	if (server != NULL)
		ck_assert_int_ne(kit_drain(server, &len),
		    SSL_ERROR_ZERO_RETURN);
	else
		unit_expect_reset(server_fd);
	expect_end(END_CLIENT_RESET);
	ck_assert_str_eq(r->broke, "decryption failed or bad record mac");
}
END_TEST

START_TEST(silence_ends_it)
{
	idle_ms = 50;
	start(VERSION(_i), BACK_TLS(_i));
	expect_end(END_IDLE);
}
END_TEST

static void
add_cases(TCase *tc)
{
	tcase_add_loop_test(tc, both_ways_are_relayed_until_both_have_ended,
	    0, 4);
	tcase_add_loop_test(tc,
	    a_record_larger_than_the_buffer_is_passed_on_at_once, 0, 4);
	tcase_add_loop_test(tc,
	    bytes_that_nobody_takes_yet_do_not_make_it_spin, 0, 4);
	tcase_add_loop_test(tc, much_passes_both_ways_and_nothing_is_lost, 0,
	    8);
	tcase_add_loop_test(tc, keys_may_be_changed_at_any_time, 0, 2);
	tcase_add_loop_test(tc,
	    a_client_that_has_ended_still_gets_its_answer, 0, 8);
	tcase_add_loop_test(tc, a_server_that_has_ended_still_gets_the_rest,
	    0, 4);
	tcase_add_loop_test(tc, a_server_that_closes_at_once_ends_it_orderly,
	    0, 4);
	tcase_add_loop_test(tc, a_client_that_breaks_off_resets_the_server, 0,
	    4);
	tcase_add_loop_test(tc, a_server_that_breaks_off_resets_the_client, 0,
	    4);
	tcase_add_loop_test(tc, a_record_that_is_damaged_breaks_it_off, 0, 4);
	tcase_add_loop_test(tc, silence_ends_it, 0, 4);
}

int
main(void)
{
	Suite	*s = suite_create("pump_tls");
	TCase	*tc = tcase_create("pump_tls");

	suite_add_tcase(s, tc);
	tcase_add_unchecked_fixture(tc, make_certificates, NULL);
	tcase_add_checked_fixture(tc, open_contexts, close_all);
	tcase_set_timeout(tc, 30);
	add_cases(tc);
	return unit_run(s);
}
