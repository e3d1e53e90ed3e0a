#include <sys/wait.h>

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "base/sig.h"
#include "session/mysql_login.h"
#include "session/mysql_rsa.h"
#include "unit.h"
#include "wire/mysql_auth.h"

#define CAPS	0xdfffffffu	/* of a MySQL 9 with TLS */
#define MARIA	0x81fffffeu	/* of a MariaDB 11.8 with TLS */
#define NATIVE	"mysql_native_password"
#define SHA2	"caching_sha2_password"
#define SHA256	"sha256_password"
#define NONCE	"ABCDEFGHIJKLMNOPQRST"
#define NONCE2	"abcdefghijklmnopqrst"
#define HASH	"01234567890123456789"

/*
 * A peer runs in a process of its own and says at its end whether all went
 * as it should: each fails by a status that is not 0.
 */
struct peer {
	int	 fd;
	uint8_t	 seq;
	uint8_t	 buf[8192];
	size_t	 len;
};

typedef void	 peer_run(struct peer *p);

static int			 ends[2][2];	/* client, server */
static pid_t			 peers[2];
static struct mysql_rules	 rules;
static struct mysql_login	 login;
static struct mysql_known	 known;
static enum end			 end;
static bool			 front_local, back_local, reachable;
static EVP_PKEY			*servers_key;
static int			 dials;
static const char		*asked;	/* that the server asks for */

#define want(cond) do {							\
	if (!(cond)) {							\
		fprintf(stderr, "%s:%d: %s\n", __func__, __LINE__,	\
		    #cond);						\
		_exit(1);						\
	}								\
} while (0)

static void
say(struct peer *p, const void *payload, size_t len)
{
	const struct mysql_header	 h = { (uint32_t)len, p->seq++ };
	uint8_t				 buf[9000];

	mysql_header_encode(buf, &h);
	memcpy(buf + MYSQL_HEADER_LEN, payload, len);
	want(io_write_all(p->fd, buf, MYSQL_HEADER_LEN + len) == 0);
}

static void
take(struct peer *p, void *buf, size_t len)
{
	uint8_t	*at = buf;
	ssize_t	 n;

	while (len > 0) {
		want(unit_wait(p->fd, POLLIN, UNIT_MS) != 0);
		n = read(p->fd, at, len);
		want(n > 0);
		at += n;
		len -= (size_t)n;
	}
}

static void
hear(struct peer *p)
{
	uint8_t			 buf[MYSQL_HEADER_LEN];
	struct mysql_header	 h;

	take(p, buf, sizeof(buf));
	mysql_header_decode(buf, &h);
	want(h.seq == p->seq);
	want(h.len <= sizeof(p->buf));
	p->seq++;
	p->len = h.len;
	take(p, p->buf, h.len);
}

static void
expect(struct peer *p, const void *payload, size_t len)
{
	hear(p);
	want(p->len == len && memcmp(p->buf, payload, len) == 0);
}

static struct mysql_bytes
bytes(const char *text)
{
	return (struct mysql_bytes){ (const uint8_t *)text, strlen(text) };
}

static bool
is(struct mysql_bytes b, const char *text)
{
	return b.len == strlen(text) && (b.len == 0 ||
	    memcmp(b.p, text, b.len) == 0);
}

/* --- what peers say */

static void
greet(struct peer *p, uint32_t caps, const char *plugin)
{
	struct mysql_greeting	 g = {
		.version = bytes("9.7.4"), .thread_id = 4711, .caps = caps,
		.charset = 45, .status = 2, .plugin = bytes(plugin),
	};
	uint8_t			 buf[256];
	struct wr		 w;

	memcpy(g.nonce, NONCE, sizeof(g.nonce));
	wr_init(&w, buf, sizeof(buf));
	mysql_greeting_encode(&w, &g);
	say(p, buf, wr_len(&w));
}

static void
respond(struct peer *p, uint32_t caps, const char *plugin, const char *auth)
{
	const struct mysql_response	 a = {
		.caps = caps, .max_packet = 1 << 24, .charset = 45,
		.user = bytes("alice"), .auth = bytes(auth),
		.database = bytes("shop"), .plugin = bytes(plugin),
	};
	uint8_t				 buf[512];
	struct wr			 w;

	wr_init(&w, buf, sizeof(buf));
	mysql_response_encode(&w, &a);
	say(p, buf, wr_len(&w));
}

static void
hear_greeting(struct peer *p, struct mysql_greeting *g)
{
	struct rd	 r;

	hear(p);
	rd_init(&r, p->buf, p->len);
	want(mysql_greeting_decode(&r, g) == 0);
}

static void
hear_response(struct peer *p, struct mysql_response *a)
{
	struct rd	 r;

	hear(p);
	rd_init(&r, p->buf, p->len);
	want(mysql_response_decode(&r, CAPS, a) == 0);
	want(is(a->user, "alice"));
}

static void
say_switch(struct peer *p, const char *plugin, const char *nonce)
{
	const struct mysql_switch	 s = { bytes(plugin), bytes(nonce) };
	uint8_t				 buf[128];
	struct wr			 w;

	wr_init(&w, buf, sizeof(buf));
	mysql_switch_encode(&w, &s);
	say(p, buf, wr_len(&w));
}

static void
hear_switch(struct peer *p, const char *plugin, const char *nonce)
{
	struct mysql_switch	 s;
	struct rd		 r;

	hear(p);
	rd_init(&r, p->buf, p->len);
	want(mysql_switch_decode(&r, &s) == 0);
	want(is(s.plugin, plugin) && is(s.data, nonce));
}

static const uint8_t	 ok[] = { 0, 0, 0, 2, 0, 0, 0 };
#define DENIED	"\xff\x15\x04#28000Access denied"

static void
say_denied(struct peer *p)
{
	say(p, DENIED, sizeof(DENIED) - 1);
}

static void
hear_error(struct peer *p, uint16_t code, const char *state,
    const char *part)
{
	struct mysql_error	 e;
	struct rd		 r;

	hear(p);
	rd_init(&r, p->buf, p->len);
	want(mysql_error_decode(&r, &e) == 0);
	if (e.code != code)
		fprintf(stderr, "error %u: %.*s\n", e.code, (int)e.text.len,
		    (const char *)e.text.p);
	want(e.code == code && strcmp(e.state, state) == 0);
	want(memmem(e.text.p, e.text.len, part, strlen(part)) != NULL);
}

static void
expect_end(struct peer *p)
{
	char	 c;

	want(unit_wait(p->fd, POLLIN, UNIT_MS) != 0);
	want(read(p->fd, &c, 1) <= 0);
}

/* --- the rig */

static int
dial(void *ctx, struct mysql_dialled *d, enum end *how, const char **why)
{
	(void)ctx;
	dials++;
	*d = (struct mysql_dialled){ .fd = ends[1][0], .local = back_local };
	if (reachable)
		return 0;
	*how = END_UNREACHABLE;
	*why = "no server answers";
	return -1;
}

static void
start(int i, peer_run *run)
{
	struct peer	*p;

	peers[i] = fork();
	ck_assert_int_ne(peers[i], -1);
	if (peers[i] != 0)
		return;
	p = calloc(1, sizeof(*p));
	p->fd = ends[i][1];
	for (int j = 0; j < 2; j++)
		close(ends[j][0]);
	close(ends[1 - i][1]);
	run(p);
	_exit(0);
}

static int
run_ms(peer_run *client, peer_run *server, int ms)
{
	int	 rc, status;

	start(0, client);
	start(1, server);
	close(ends[0][1]);
	close(ends[1][1]);
	rc = mysql_login_run(&login, &rules, ends[0][0], front_local,
	    io_now_ms() + ms, NULL, &end);
	mysql_login_end(&login);
	stream_free(&login.front);
	stream_free(&login.back);
	close(ends[0][0]);
	close(ends[1][0]);
	for (int i = 0; i < 2; i++) {
		ck_assert_int_eq(waitpid(peers[i], &status, 0), peers[i]);
		ck_assert_msg(status == 0, "the %s has a complaint; %s",
		    i == 0 ? "client" : "server", login.why);
	}
	return rc;
}

static int
run(peer_run *client, peer_run *server)
{
	return run_ms(client, server, UNIT_MS);
}

static void
setup(void)
{
	static const int	 signals[] = { SIGTERM, SIG_KILLED, 0 };

	sig_init(signals);
	for (int i = 0; i < 2; i++)
		unit_local_pair(ends[i]);
	rules = (struct mysql_rules){ .dial = dial, .local_infile = true };
	known = (struct mysql_known){
		.caps = CAPS, .charset = 45, .version = "9.7.4",
	};
	front_local = back_local = false;
	reachable = true;
	dials = 0;
	servers_key = EVP_RSA_gen(2048);
}

static void
teardown(void)
{
	EVP_PKEY_free(servers_key);
}

static void
nobody_comes(struct peer *p)
{
	expect_end(p);
}

/* --- a login as it comes */

static void
plain_client(struct peer *p)
{
	struct mysql_greeting	 g;

	hear_greeting(p, &g);
	want(g.thread_id == 4711 && is(g.version, "9.7.4"));
	want(memcmp(g.nonce, NONCE, sizeof(g.nonce)) == 0);
	want((g.caps & (MYSQL_CAP_SSL | MYSQL_CAP_COMPRESS |
	    MYSQL_CAP_ZSTD)) == 0);
	respond(p, CAPS & ~MYSQL_CAP_SSL & ~MYSQL_CAP_CONNECT_ATTRS, SHA2,
	    HASH);
	expect(p, "\1\3", 2);
	expect(p, ok, sizeof(ok));
}

static void
plain_server(struct peer *p)
{
	struct mysql_response	 a;

	greet(p, CAPS, SHA2);
	hear_response(p, &a);
	want(is(a.auth, HASH) && is(a.plugin, SHA2) &&
	    is(a.database, "shop"));
	/* The client had set them although nobody offered. */
	want((a.caps & (MYSQL_CAP_COMPRESS | MYSQL_CAP_ZSTD)) == 0);
	say(p, "\1\3", 2);
	say(p, ok, sizeof(ok));
}

START_TEST(a_login_passes_as_it_comes)
{
	ck_assert_int_eq(run(plain_client, plain_server), 0);
	ck_assert_str_eq(login.who.user, "alice");
	ck_assert_uint_eq(login.thread_id, 4711);
	ck_assert_str_eq(login.server.version, "9.7.4");
	ck_assert_uint_eq(login.server.caps, CAPS);
}
END_TEST

static void
masked_client(struct peer *p)
{
	struct mysql_greeting	 g;

	hear_greeting(p, &g);
	want((g.caps & MYSQL_CAP_LOCAL_FILES) == 0);
	want((g.caps & (MYSQL_CAP_COMPRESS | MYSQL_CAP_ZSTD)) ==
	    (MYSQL_CAP_COMPRESS | MYSQL_CAP_ZSTD));
	respond(p, CAPS & ~MYSQL_CAP_SSL & ~MYSQL_CAP_CONNECT_ATTRS, NATIVE,
	    HASH);
	expect(p, ok, sizeof(ok));
}

static void
masked_server(struct peer *p)
{
	struct mysql_response	 a;

	greet(p, CAPS, NATIVE);
	hear_response(p, &a);
	want((a.caps & MYSQL_CAP_LOCAL_FILES) == 0);
	want((a.caps & MYSQL_CAP_COMPRESS) != 0);
	say(p, ok, sizeof(ok));
}

START_TEST(capabilities_are_masked_as_the_rules_say)
{
	rules.local_infile = false;
	rules.compression = true;
	ck_assert_int_eq(run(masked_client, masked_server), 0);
}
END_TEST

/* --- a greeting of ours */

static void
own_client(struct peer *p)
{
	struct mysql_greeting	 g;

	hear_greeting(p, &g);
	want(g.thread_id == 99 && is(g.plugin, NATIVE));
	for (size_t i = 0; i < sizeof(g.nonce); i++)
		want(g.nonce[i] > ' ' && g.nonce[i] < 127);
	respond(p, CAPS & ~MYSQL_CAP_SSL & ~MYSQL_CAP_CONNECT_ATTRS, NATIVE,
	    "a hash of our nonce, useless");
	hear_switch(p, SHA2, NONCE2);
	say(p, HASH, 20);
	expect(p, "\1\3", 2);
	expect(p, ok, sizeof(ok));
}

static void
own_server(struct peer *p)
{
	struct mysql_response	 a;

	greet(p, CAPS, SHA2);
	hear_response(p, &a);
	want(a.auth.len == 0 && !is(a.plugin, NATIVE) && !is(a.plugin, SHA2));
	say_switch(p, SHA2, NONCE2);
	expect(p, HASH, 20);
	say(p, "\1\3", 2);
	say(p, ok, sizeof(ok));
}

START_TEST(with_our_greeting_the_server_asks_once_more)
{
	rules.known = &known;
	rules.thread_id = 99;
	ck_assert_int_eq(run(own_client, own_server), 0);
	ck_assert_uint_eq(login.thread_id, 4711);
}
END_TEST

static void
scanner(struct peer *p)
{
	struct mysql_greeting	 g;

	hear_greeting(p, &g);
}

START_TEST(with_our_greeting_a_scanner_costs_no_server)
{
	rules.known = &known;
	ck_assert_int_eq(run(scanner, nobody_comes), -1);
	ck_assert_str_eq(end_text(end), "client_reset");
	ck_assert_int_eq(dials, 0);
}
END_TEST

static void
lacking_client(struct peer *p)
{
	struct mysql_greeting	 g;

	hear_greeting(p, &g);
	respond(p, CAPS & ~MYSQL_CAP_SSL & ~MYSQL_CAP_CONNECT_ATTRS, NATIVE,
	    "");
	hear_error(p, 1043, "08S01", "this server lacks");
	expect_end(p);
}

/* Whoever is denied so is no aborted handshake. */
static void
denying_server(struct peer *p)
{
	struct mysql_response	 a;
	struct rd		 r;

	greet(p, MARIA, NATIVE);
	hear(p);
	rd_init(&r, p->buf, p->len);
	want(mysql_response_decode(&r, MARIA, &a) == 0);
	want(is(a.user, "sallyport-check"));
	say_denied(p);
	expect_end(p);
}

START_TEST(a_server_that_lacks_what_was_offered_ends_the_login)
{
	rules.known = &known;
	ck_assert_int_eq(run(lacking_client, denying_server), -1);
	ck_assert_str_eq(end_text(end), "login");
}
END_TEST

static void
unlucky_client(struct peer *p)
{
	struct mysql_greeting	 g;

	hear_greeting(p, &g);
	respond(p, CAPS & ~MYSQL_CAP_SSL & ~MYSQL_CAP_CONNECT_ATTRS, NATIVE,
	    "");
	hear_error(p, 1429, "HY000", "no server answers");
}

START_TEST(without_a_server_the_client_is_told)
{
	rules.known = &known;
	reachable = false;
	ck_assert_int_eq(run(unlucky_client, nobody_comes), -1);
	ck_assert_str_eq(end_text(end), "unreachable");
}
END_TEST

static void
early_client(struct peer *p)
{
	hear_error(p, 1429, "", "no server answers");
}

START_TEST(before_the_greeting_an_error_has_no_state)
{
	reachable = false;
	ck_assert_int_eq(run(early_client, nobody_comes), -1);
}
END_TEST

/* --- a password that would go in clear */

static void
cold_client(struct peer *p)
{
	struct mysql_greeting	 g;

	hear_greeting(p, &g);
	respond(p, CAPS & ~MYSQL_CAP_SSL & ~MYSQL_CAP_CONNECT_ATTRS, SHA2,
	    HASH);
	expect(p, "\1\4", 2);
	say(p, "secret", 7);
	expect(p, ok, sizeof(ok));
}

static void
say_key(struct peer *p)
{
	uint8_t	 buf[2048] = { 1 };
	ssize_t	 n = mysql_rsa_pem(servers_key, buf + 1, sizeof(buf) - 1);

	want(n > 0);
	say(p, buf, (size_t)n + 1);
}

static void
hear_sealed(struct peer *p, const char *nonce, const char *password)
{
	uint8_t	 out[MYSQL_PASSWORD_MAX];
	ssize_t	 n;

	hear(p);
	want(memmem(p->buf, p->len, password, strlen(password)) == NULL);
	n = mysql_rsa_decrypt(servers_key, (struct mysql_bytes){ p->buf,
	    p->len }, bytes(nonce), out);
	want(n == (ssize_t)strlen(password) + 1);
	want(memcmp(out, password, (size_t)n) == 0);
}

static void
cold_server(struct peer *p)
{
	struct mysql_response	 a;

	greet(p, CAPS, SHA2);
	hear_response(p, &a);
	say(p, "\1\4", 2);
	expect(p, "\2", 1);
	say_key(p);
	hear_sealed(p, NONCE, "secret");
	say(p, ok, sizeof(ok));
}

START_TEST(a_password_goes_encrypted_where_the_server_has_no_tls)
{
	front_local = true;
	ck_assert_int_eq(run(cold_client, cold_server), 0);
}
END_TEST

static void
pinned_server(struct peer *p)
{
	struct mysql_response	 a;

	greet(p, CAPS, SHA2);
	hear_response(p, &a);
	say(p, "\1\4", 2);
	hear_sealed(p, NONCE, "secret");
	say(p, ok, sizeof(ok));
}

START_TEST(a_pinned_key_is_not_asked_for)
{
	front_local = true;
	rules.server_key = servers_key;
	ck_assert_int_eq(run(cold_client, pinned_server), 0);
}
END_TEST

static void
keyless_server(struct peer *p)
{
	struct mysql_response	 a;

	greet(p, CAPS, SHA2);
	hear_response(p, &a);
	say(p, "\1\4", 2);
	expect(p, "\2", 1);
	say(p, "\1no key", 7);
	expect(p, "", 0);
	say_denied(p);
}

static void
cold_client_refused(struct peer *p)
{
	struct mysql_greeting	 g;

	hear_greeting(p, &g);
	respond(p, CAPS & ~MYSQL_CAP_SSL & ~MYSQL_CAP_CONNECT_ATTRS, SHA2,
	    HASH);
	expect(p, "\1\4", 2);
	say(p, "secret", 7);
	hear_error(p, 1043, "08S01", "no RSA key");
}

START_TEST(a_server_without_a_key_gets_no_password)
{
	front_local = true;
	ck_assert_int_eq(run(cold_client_refused, keyless_server), -1);
	ck_assert_str_eq(end_text(end), "login");
}
END_TEST

/* One that names sha256_password has the password in its first answer. */
static void
sha256_client(struct peer *p)
{
	struct mysql_greeting	 g;

	hear_greeting(p, &g);
	respond(p, CAPS & ~MYSQL_CAP_SSL & ~MYSQL_CAP_CONNECT_ATTRS, SHA256,
	    "secret");
	hear_switch(p, SHA256, NONCE2);
	say(p, "secret", 7);
	expect(p, ok, sizeof(ok));
}

static void
sha256_server(struct peer *p)
{
	struct mysql_response	 a;

	greet(p, CAPS, SHA256);
	hear_response(p, &a);
	want(a.auth.len == 0);
	want(memmem(p->buf, p->len, "secret", 6) == NULL);
	say_switch(p, SHA256, NONCE2);
	expect(p, "\1", 1);
	say_key(p);
	hear_sealed(p, NONCE2, "secret");
	say(p, ok, sizeof(ok));
}

START_TEST(the_first_answer_gives_no_password_away)
{
	front_local = true;
	ck_assert_int_eq(run(sha256_client, sha256_server), 0);
}
END_TEST

static void
sealing_client(struct peer *p)
{
	struct mysql_greeting	 g;
	uint8_t			 sealed[MYSQL_RSA_MAX];
	EVP_PKEY		*key;
	ssize_t			 n;

	hear_greeting(p, &g);
	respond(p, CAPS & ~MYSQL_CAP_SSL & ~MYSQL_CAP_CONNECT_ATTRS, SHA2,
	    HASH);
	expect(p, "\1\4", 2);
	say(p, "\2", 1);
	hear(p);
	want(p->buf[0] == 1);
	key = mysql_rsa_public(p->buf + 1, p->len - 1);
	want(key != NULL);
	n = mysql_rsa_encrypt(key, (struct mysql_bytes){
	    (const uint8_t *)"secret", 7 }, bytes(NONCE), sealed);
	want(n > 0);
	say(p, sealed, (size_t)n);
	expect(p, ok, sizeof(ok));
}

static void
trusting_server(struct peer *p)
{
	struct mysql_response	 a;

	greet(p, CAPS, SHA2);
	hear_response(p, &a);
	say(p, "\1\4", 2);
	expect(p, "secret", 7);
	say(p, ok, sizeof(ok));
}

START_TEST(a_client_without_tls_is_given_a_key_of_ours)
{
	back_local = true;
	ck_assert_int_eq(run(sealing_client, trusting_server), 0);
}
END_TEST

static void
stubborn_client(struct peer *p)
{
	struct mysql_greeting	 g;

	hear_greeting(p, &g);
	respond(p, CAPS & ~MYSQL_CAP_SSL & ~MYSQL_CAP_CONNECT_ATTRS, SHA2,
	    HASH);
	expect(p, "\1\4", 2);
	say(p, "encrypted to some key that it knows", 35);
	hear_error(p, 1043, "08S01", "another key");
}

static void
spared_server(struct peer *p)
{
	struct mysql_response	 a;

	greet(p, CAPS, SHA2);
	hear_response(p, &a);
	say(p, "\1\4", 2);
	expect(p, "", 0);
	say_denied(p);
}

START_TEST(what_is_encrypted_to_another_key_is_refused)
{
	back_local = true;
	ck_assert_int_eq(run(stubborn_client, spared_server), -1);
}
END_TEST

static void
clear_client(struct peer *p)
{
	struct mysql_greeting	 g;

	hear_greeting(p, &g);
	respond(p, CAPS & ~MYSQL_CAP_SSL & ~MYSQL_CAP_CONNECT_ATTRS, NATIVE,
	    HASH);
	hear_error(p, 1251, "08004", "clear");
}

static void
clear_server(struct peer *p)
{
	struct mysql_response	 a;

	greet(p, CAPS, NATIVE);
	hear_response(p, &a);
	say_switch(p, asked, "");
	expect(p, "", 0);
	say_denied(p);
}

static const char *const clears[] = {
	"mysql_clear_password", "dialog",
	"authentication_openid_connect_client",
};

START_TEST(no_plugin_sends_a_password_in_clear)
{
	asked = clears[_i / 2];
	/* Neither to the server, nor from the client. */
	front_local = _i % 2 == 0;
	back_local = _i % 2 != 0;
	ck_assert_int_eq(run(clear_client, clear_server), -1);
	ck_assert_str_eq(end_text(end), "login");
}
END_TEST

START_TEST(a_plugin_that_nobody_knows_might)
{
	asked = "something_new";
	front_local = true;
	ck_assert_int_eq(run(clear_client, clear_server), -1);
}
END_TEST

static void
any_client(struct peer *p)
{
	struct mysql_greeting	 g;

	hear_greeting(p, &g);
	respond(p, CAPS & ~MYSQL_CAP_SSL & ~MYSQL_CAP_CONNECT_ATTRS, NATIVE,
	    HASH);
	hear_switch(p, asked, "");
	say(p, "secret", 7);
	expect(p, ok, sizeof(ok));
}

static void
any_server(struct peer *p)
{
	struct mysql_response	 a;

	greet(p, CAPS, NATIVE);
	hear_response(p, &a);
	say_switch(p, asked, "");
	expect(p, "secret", 7);
	say(p, ok, sizeof(ok));
}

START_TEST(where_both_keep_a_secret_each_plugin_passes)
{
	asked = _i == 0 ? "something_new" : clears[_i - 1];
	front_local = back_local = true;
	ck_assert_int_eq(run(any_client, any_server), 0);
}
END_TEST

/* --- no */

static void
insecure_client(struct peer *p)
{
	struct mysql_greeting	 g;

	hear_greeting(p, &g);
	want((g.caps & MYSQL_CAP_SSL) != 0);
	/* Not even looked at: it is nothing that could be decoded. */
	say(p, "not a response", 14);
	hear_error(p, 3159, "HY000", "TLS");
	expect_end(p);
}

static void
server_of_nobody(struct peer *p)
{
	struct mysql_response	 a;
	struct rd		 r;

	greet(p, CAPS, SHA2);
	hear(p);
	rd_init(&r, p->buf, p->len);
	want(mysql_response_decode(&r, CAPS, &a) == 0);
	want(is(a.user, "sallyport-check") && a.auth.len == 0);
	say_denied(p);
	expect_end(p);
}

START_TEST(who_must_use_tls_and_does_not_is_told_so)
{
	rules.tls = (struct tls_server *)(void *)&known;	/* not used */
	rules.tls_required = true;
	ck_assert_int_eq(run(insecure_client, server_of_nobody), -1);
	ck_assert_str_eq(end_text(end), "login");
}
END_TEST

START_TEST(who_leaves_early_is_no_aborted_handshake)
{
	ck_assert_int_eq(run(scanner, server_of_nobody), -1);
	ck_assert_str_eq(end_text(end), "client_reset");
}
END_TEST

static void
silent_client(struct peer *p)
{
	struct mysql_greeting	 g;

	hear_greeting(p, &g);
	hear_error(p, 1159, "08S01", "within the time");
}

START_TEST(who_says_nothing_is_told_that_time_is_over)
{
	ck_assert_int_eq(run_ms(silent_client, server_of_nobody, 50), -1);
	ck_assert_str_eq(end_text(end), "timeout");
}
END_TEST

static void
wild_client(struct peer *p)
{
	struct mysql_greeting	 g;

	hear_greeting(p, &g);
	p->seq = 7;
	respond(p, CAPS & ~MYSQL_CAP_SSL & ~MYSQL_CAP_CONNECT_ATTRS, NATIVE,
	    HASH);
	p->seq = 1;
	hear_error(p, 1043, "08S01", "out of order");
}

START_TEST(packets_out_of_order_end_it)
{
	ck_assert_int_eq(run(wild_client, server_of_nobody), -1);
	ck_assert_str_eq(end_text(end), "protocol");
}
END_TEST

static void
huge_client(struct peer *p)
{
	struct mysql_greeting	 g;
	static const uint8_t	 header[] = { 0xff, 0xff, 0xff, 1 };

	hear_greeting(p, &g);
	want(io_write_all(p->fd, header, sizeof(header)) == 0);
	hear_error(p, 1043, "08S01", "no packet of a login");
}

START_TEST(a_packet_of_16_mib_is_none_of_a_login)
{
	ck_assert_int_eq(run(huge_client, server_of_nobody), -1);
	ck_assert_str_eq(end_text(end), "protocol");
}
END_TEST

static void
full_client(struct peer *p)
{
	hear_error(p, 1040, "", "Too many connections");
}

static void
full_server(struct peer *p)
{
	say(p, "\xff\x10\x04Too many connections", 23);
	expect_end(p);
}

START_TEST(an_error_instead_of_a_greeting_is_passed_on)
{
	ck_assert_int_eq(run(full_client, full_server), -1);
	ck_assert_str_eq(end_text(end), "login");
}
END_TEST

static void
denied_client(struct peer *p)
{
	struct mysql_greeting	 g;

	hear_greeting(p, &g);
	respond(p, CAPS & ~MYSQL_CAP_SSL & ~MYSQL_CAP_CONNECT_ATTRS, NATIVE,
	    HASH);
	expect(p, DENIED, sizeof(DENIED) - 1);
	expect_end(p);
}

static void
firm_server(struct peer *p)
{
	struct mysql_response	 a;

	greet(p, CAPS, NATIVE);
	hear_response(p, &a);
	say_denied(p);
	expect_end(p);
}

START_TEST(a_denial_is_passed_on_and_in_the_log)
{
	ck_assert_int_eq(run(denied_client, firm_server), -1);
	ck_assert_str_eq(login.why, "the server said 1045: Access denied");
}
END_TEST

static void
strict_client(struct peer *p)
{
	struct mysql_greeting	 g;

	hear_greeting(p, &g);
	respond(p, CAPS & ~MYSQL_CAP_SSL & ~MYSQL_CAP_CONNECT_ATTRS, NATIVE,
	    HASH);
	hear_error(p, 3159, "08004", "set tls in its backend");
}

static void
strict_server(struct peer *p)
{
	static const char	 no[] = "\xff\x57\x0c#HY000Connections using "
				    "insecure transport are prohibited";
	struct mysql_response	 a;

	greet(p, CAPS, NATIVE);
	hear_response(p, &a);
	say(p, no, sizeof(no) - 1);
}

START_TEST(who_demands_tls_of_us_is_named_with_the_remedy)
{
	ck_assert_int_eq(run(strict_client, strict_server), -1);
}
END_TEST

static void
chatty_client(struct peer *p)
{
	struct mysql_greeting	 g;

	hear_greeting(p, &g);
	respond(p, CAPS & ~MYSQL_CAP_SSL & ~MYSQL_CAP_CONNECT_ATTRS, NATIVE,
	    HASH);
	do
		hear(p);
	while (p->buf[0] == 'x');
	want(p->buf[0] == 0xff);
}

static void
chatty_server(struct peer *p)
{
	struct mysql_response	 a;

	greet(p, CAPS, NATIVE);
	hear_response(p, &a);
	for (int i = 0; i < MYSQL_EXCHANGE_ROUNDS; i++)
		say(p, "x", 1);
	expect(p, "", 0);
	say_denied(p);
}

START_TEST(a_login_without_end_is_ended)
{
	ck_assert_int_eq(run(chatty_client, chatty_server), -1);
	ck_assert_str_eq(end_text(end), "protocol");
}
END_TEST

static void
signing_server(struct peer *p)
{
	static const char	 yes[] = "\0\0\0\2\0\0\0\x41\1"
	    "0123456789ABCDEF0123456789ABCDEF0123456789ABCDEF0123456789ABCDEF";
	struct mysql_response	 a;

	greet(p, MARIA & ~MYSQL_CAP_SESSION_TRACK, NATIVE);
	hear_response(p, &a);
	say(p, yes, sizeof(yes) - 1);
}

static void
vouched_client(struct peer *p)
{
	struct mysql_greeting	 g;

	hear_greeting(p, &g);
	respond(p, g.caps & ~MYSQL_CAP_SSL & ~MYSQL_CAP_CONNECT_ATTRS,
	    NATIVE, HASH);
	hear(p);
	want(p->buf[0] == 0 && p->len == 73);
}

START_TEST(a_certificate_that_a_server_vouches_for_is_noted)
{
	ck_assert_int_eq(run(vouched_client, signing_server), 0);
	ck_assert(login.server_vouched);
}
END_TEST

/* --- by a code */

#define ATTRIBUTES	3000	/* bytes of them */

static void
coded_client(struct peer *p)
{
	static uint8_t		 attributes[ATTRIBUTES];
	struct mysql_greeting	 g;
	struct mysql_response	 a = {
		.caps = CAPS & ~MYSQL_CAP_SSL, .max_packet = 1 << 24,
		.charset = 45, .user = bytes("alice"), .auth = bytes(HASH),
		.plugin = bytes(SHA2),
		.attributes = { attributes, sizeof(attributes) },
	};
	uint8_t			 buf[4096];
	struct wr		 w;

	hear_greeting(p, &g);
	wr_init(&w, buf, sizeof(buf));
	mysql_response_encode(&w, &a);
	say(p, buf, wr_len(&w));
	hear(p);			/* an AuthSwitchRequest */
	want(p->len > 0 && p->buf[0] == MYSQL_SWITCH);
	say(p, HASH "901234567890", 32);
	expect(p, "\1\3", 2);
	expect(p, ok, sizeof(ok));
}

static void
coded_server(struct peer *p)
{
	struct mysql_response	 a;
	struct rd		 r;

	greet(p, CAPS, SHA2);
	hear(p);
	rd_init(&r, p->buf, p->len);
	want(mysql_response_decode(&r, CAPS, &a) == 0);
	want(is(a.user, "app") && a.attributes.len == ATTRIBUTES);
	want(memmem(p->buf, p->len, HASH, strlen(HASH)) == NULL);
	say_switch(p, SHA2, NONCE2);
	expect(p, "answer", 6);
	say(p, "\1\3", 2);
	say(p, ok, sizeof(ok));
}

static int
say_right(void *ctx, const struct mysql_code_try *t, struct mysql_code_pass *p)
{
	(void)ctx;
	ck_assert_uint_eq(t->password.answer.len, 32);
	*p = (struct mysql_code_pass){
		.right = true, .account = bytes("app"),
	};
	return 0;
}

static ssize_t
answer_server(void *ctx, enum mysql_code_how how, struct mysql_bytes nonce,
    struct mysql_bytes more, uint8_t *out)
{
	(void)ctx;
	(void)more;
	ck_assert_int_eq(how, MYSQL_CODE_SHA2);
	ck_assert(is(nonce, NONCE2));
	memcpy(out, "answer", 6);
	return 6;
}

START_TEST(attributes_of_any_length_go_with_a_code)
{
	static const struct mysql_codes	 codes = {
		.check = say_right, .answer = answer_server, .from = "here",
	};

	rules.codes = &codes;
	ck_assert_msg(run(coded_client, coded_server) == 0, "%s", login.why);
	ck_assert_str_eq(login.account, "app");
}
END_TEST

int
main(void)
{
	Suite	*s = suite_create("mysql_login");
	TCase	*tc = tcase_create("login");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, a_login_passes_as_it_comes);
	tcase_add_test(tc, capabilities_are_masked_as_the_rules_say);
	tcase_add_test(tc, with_our_greeting_the_server_asks_once_more);
	tcase_add_test(tc, with_our_greeting_a_scanner_costs_no_server);
	tcase_add_test(tc, a_server_that_lacks_what_was_offered_ends_the_login);
	tcase_add_test(tc, without_a_server_the_client_is_told);
	tcase_add_test(tc, before_the_greeting_an_error_has_no_state);
	tcase_add_test(tc,
	    a_password_goes_encrypted_where_the_server_has_no_tls);
	tcase_add_test(tc, a_pinned_key_is_not_asked_for);
	tcase_add_test(tc, a_server_without_a_key_gets_no_password);
	tcase_add_test(tc, the_first_answer_gives_no_password_away);
	tcase_add_test(tc, a_client_without_tls_is_given_a_key_of_ours);
	tcase_add_test(tc, what_is_encrypted_to_another_key_is_refused);
	tcase_add_loop_test(tc, no_plugin_sends_a_password_in_clear, 0,
	    2 * (int)(sizeof(clears) / sizeof(clears[0])));
	tcase_add_test(tc, a_plugin_that_nobody_knows_might);
	tcase_add_loop_test(tc, where_both_keep_a_secret_each_plugin_passes,
	    0, 1 + (int)(sizeof(clears) / sizeof(clears[0])));
	tcase_add_test(tc, who_must_use_tls_and_does_not_is_told_so);
	tcase_add_test(tc, who_leaves_early_is_no_aborted_handshake);
	tcase_add_test(tc, who_says_nothing_is_told_that_time_is_over);
	tcase_add_test(tc, packets_out_of_order_end_it);
	tcase_add_test(tc, a_packet_of_16_mib_is_none_of_a_login);
	tcase_add_test(tc, an_error_instead_of_a_greeting_is_passed_on);
	tcase_add_test(tc, a_denial_is_passed_on_and_in_the_log);
	tcase_add_test(tc, who_demands_tls_of_us_is_named_with_the_remedy);
	tcase_add_test(tc, a_login_without_end_is_ended);
	tcase_add_test(tc, a_certificate_that_a_server_vouches_for_is_noted);
	tcase_add_test(tc, attributes_of_any_length_go_with_a_code);
	suite_add_tcase(s, tc);
	return unit_run(s);
}
