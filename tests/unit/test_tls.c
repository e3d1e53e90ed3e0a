/*
 * The server's side.  It is a child, and the test is a client that is
 * OpenSSL itself.
 */
#include <sys/mman.h>
#include <sys/socket.h>

#include <netinet/in.h>
#include <netinet/tcp.h>

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "base/mem.h"
#include "base/sig.h"
#include "tls_kit.h"
#include "unit.h"

static const struct kit_cert	*ca, *other_ca, *middle;
static const struct kit_cert	*a_ec, *b_ec, *b_rsa, *wild_ec, *chained;
static const struct kit_cert	*joe, *revoked, *stranger, *expired;
static struct tls_identity	 ids[4];
static struct tls_server_options o;
static struct tls_server	*server;
static SSL_CTX			*client;
static SSL			*ssl;
static int			 fd;
static const struct kit_report	*r;
static SSL_SESSION		*ticket;

/* Once, in the process that the tests are forked from. */
static void
make_certificates(void)
{
	if (ca != NULL)
		return;
	ca = kit_cert(&(struct kit_spec){ .cn = "ca", .ca = true });
	other_ca = kit_cert(&(struct kit_spec){ .cn = "other", .ca = true });
	middle = kit_cert(&(struct kit_spec){ .cn = "middle", .ca = true,
	    .by = ca });
	a_ec = kit_cert(&(struct kit_spec){ .cn = "a ec", .by = ca,
	    .san = "DNS:a.example,DNS:both.example" });
	b_ec = kit_cert(&(struct kit_spec){ .cn = "b ec", .by = ca,
	    .san = "DNS:b.example,DNS:both.example" });
	b_rsa = kit_cert(&(struct kit_spec){ .cn = "b rsa", .by = ca,
	    .san = "DNS:b.example,DNS:r.example", .key = KIT_RSA });
	wild_ec = kit_cert(&(struct kit_spec){ .cn = "wild ec", .by = ca,
	    .san = "DNS:*.w.example" });
	chained = kit_cert(&(struct kit_spec){ .cn = "chained", .by = middle,
	    .san = "DNS:c.example" });
	joe = kit_cert(&(struct kit_spec){ .cn = "joe", .by = ca });
	revoked = kit_cert(&(struct kit_spec){ .cn = "rev", .by = ca });
	stranger = kit_cert(&(struct kit_spec){ .cn = "str",
	    .by = other_ca });
	expired = kit_cert(&(struct kit_spec){ .cn = "exp", .by = ca,
	    .until = -10 });
}

static void
open_options(void)
{
	static const int	 signals[] = { SIGTERM, 0 };

	sig_init(signals);
	o = (struct tls_server_options){
		.identities = ids, .nidentities = 4,
		.min_version = TLS1_2_VERSION,
		.ciphers = "", .ciphersuites = "", .curves = "",
		.name = "here",
	};
	ids[0] = kit_identity(a_ec, NULL);
	ids[1] = kit_identity(b_ec, NULL);
	ids[2] = kit_identity(b_rsa, NULL);
	ids[3] = kit_identity(wild_ec, NULL);
	client = kit_client(ca);
	fd = -1;
}

static void
hang_up(void)
{
	SSL_free(ssl);
	ssl = NULL;
	if (fd != -1)
		close(fd);
	fd = -1;
}

static void
close_all(void)
{
	hang_up();
	SSL_SESSION_free(ticket);
	ticket = NULL;
	SSL_CTX_free(client);
	tls_server_free(&server);
	ck_assert_ptr_null(server);
}

static void
make_server(void)
{
	char	 why[TLS_WHY_MAX] = "";

	tls_server_free(&server);
	server = tls_server_new(&o, why);
	ck_assert_msg(server != NULL, "%s", why);
}

/* A connection that has not begun its handshake. */
static void
dial(void)
{
	hang_up();
	if (server == NULL)
		make_server();
	fd = kit_serve(server, UNIT_MS, NULL);
	ssl = kit_open(client, fd, false);
}

/* ... and goes through it, says something, and ends. */
static void
finish(void)
{
	ck_assert_msg(kit_shake(ssl), "%s",
	    ERR_reason_error_string(ERR_peek_error()));
	kit_write(ssl, "ping", 4);
	kit_expect(ssl, "ping", 4);
	ck_assert_int_eq(SSL_shutdown(ssl), 0);
	kit_expect_end(ssl);
	r = kit_served();
	ck_assert_msg(r->ok, "%s", r->why);
}

static void
talk(void)
{
	dial();
	finish();
}

/* One that our side refuses, or the peer does. */
static void
expect_refused(enum end end, const char *why)
{
	size_t	 len;

	if (kit_shake(ssl))
		(void)kit_drain(ssl, &len);
	hang_up();
	r = kit_served();
	ck_assert(!r->ok);
	ck_assert_str_eq(end_text(r->end), end_text(end));
	ck_assert_str_eq(r->why, why);
}

static const int	 versions[] = { TLS1_2_VERSION, TLS1_3_VERSION };

static void
speak(int version)
{
	SSL_CTX_set_min_proto_version(client, version);
	SSL_CTX_set_max_proto_version(client, version);
}

static void
expect_subject(const char *cn)
{
	char	 text[64];

	X509_NAME_get_text_by_NID(X509_get_subject_name(
	    SSL_get0_peer_certificate(ssl)), NID_commonName, text,
	    sizeof(text));
	ck_assert_str_eq(text, cn);
}

START_TEST(both_sides_hear_each_other_and_the_end)
{
	speak(versions[_i]);
	talk();
	ck_assert_str_eq(r->facts.version, SSL_get_version(ssl));
	ck_assert_str_eq(r->facts.version, _i == 0 ? "TLSv1.2" : "TLSv1.3");
	ck_assert_str_eq(r->facts.cipher, SSL_get_cipher_name(ssl));
	ck_assert(!r->facts.resumed);
	ck_assert_str_eq(r->facts.server_name, "");
	ck_assert_str_eq(r->facts.alpn, "");
	ck_assert_str_eq(r->facts.subject, "");
	ck_assert_str_eq(r->broke, "");
}
END_TEST

START_TEST(the_certificate_is_of_a_kind_that_the_client_can_check)
{
	speak(versions[_i]);
	talk();
	expect_subject("a ec");
	kit_sigalgs(client, "RSA-PSS+SHA256:RSA+SHA256");
	/* Chains are signed with ECDSA here. */
	SSL_CTX_set_verify(client, SSL_VERIFY_NONE, NULL);
	talk();
	expect_subject("b rsa");
}
END_TEST

static const struct {
	const char	*name, *cn;
	bool		 rsa;		/* that is all that the client can */
} names[] = {
	{ "a.example", "a ec", false },
	{ "b.example", "b ec", false },
	{ "B.Example", "b ec", false },
	{ "r.example", "b rsa", false },	/* though it can do better */
	{ "both.example", "a ec", false },	/* the first */
	{ "x.w.example", "wild ec", false },
	{ "x.y.w.example", "a ec", false },
	{ "w.example", "a ec", false },
	{ "unknown.example", "a ec", false },
	{ "b.example", "b rsa", true },
	{ "a.example", "b rsa", true },		/* better than none */
	{ "unknown.example", "b rsa", true },
};

START_TEST(a_name_chooses_among_certificates)
{
	for (size_t v = 0; v < nitems(versions); v++) {
		speak(versions[v]);
		if (names[_i].rsa) {
			kit_sigalgs(client,
			    "RSA-PSS+SHA256:RSA+SHA256");
			SSL_CTX_set_verify(client, SSL_VERIFY_NONE, NULL);
		}
		dial();
		kit_name(ssl, names[_i].name);
		finish();
		expect_subject(names[_i].cn);
		ck_assert_str_eq(r->facts.server_name, names[_i].name);
	}
}
END_TEST

START_TEST(the_whole_chain_is_sent)
{
	struct kit_cert	 both = *chained;
	char		*text;

	/* In a file of its own, or after the certificate, or both. */
	ids[0] = kit_identity(chained, middle);
	text = kit_keep(mem_printf("%.*s%.*s", (int)chained->pem.len,
	    chained->pem.data, (int)middle->pem.len, middle->pem.data));
	both.pem = (struct tls_pem){ text, strlen(text) };
	if (_i > 0)
		ids[0] = kit_identity(&both, _i == 2 ? &both : NULL);
	o.nidentities = 1;
	talk();
	expect_subject("chained");
	ck_assert_int_eq(sk_X509_num(SSL_get_peer_cert_chain(ssl)), 2);
}
END_TEST

/* What is trusted in clients is no part of our own chain. */
START_TEST(no_chain_is_made_up_of_client_ca)
{
	ids[0] = kit_identity(chained, NULL);
	o.nidentities = 1;
	o.verify = TLS_CLIENT_OPTIONAL;
	o.client_ca = middle->pem;
	SSL_CTX_set_verify(client, SSL_VERIFY_NONE, NULL);
	talk();
	ck_assert_int_eq(sk_X509_num(SSL_get_peer_cert_chain(ssl)), 1);
}
END_TEST

static const struct {
	const char	*offered, *chosen;	/* NULL: refused */
} alpns[] = {
	{ "\5mysql", "mysql" },
	{ "\1x\5other\5mysql", "mysql" },	/* by our order */
	{ "\5other", "other" },
	{ "\1x", NULL },
	{ "", "" },
};

START_TEST(alpn_is_chosen_by_our_own_order)
{
	static const char	*const ours[] = { "mysql", "other", NULL };
	const char		*offered = alpns[_i].offered;

	o.alpn = ours;
	if (offered[0] != '\0')
		SSL_CTX_set_alpn_protos(client,
		    (const unsigned char *)offered,
		    (unsigned int)strlen(offered));
	if (alpns[_i].chosen == NULL) {
		dial();
		expect_refused(END_TLS, "no shared ALPN protocol");
		ck_assert_int_eq(ERR_GET_REASON(ERR_peek_last_error()),
		    SSL_R_TLSV1_ALERT_NO_APPLICATION_PROTOCOL);
		return;
	}
	talk();
	ck_assert_str_eq(r->facts.alpn, alpns[_i].chosen);
}
END_TEST

START_TEST(without_alpn_of_our_own_what_is_offered_does_not_matter)
{
	SSL_CTX_set_alpn_protos(client, (const unsigned char *)"\1x", 2);
	talk();
	ck_assert_str_eq(r->facts.alpn, "");
}
END_TEST

/* --- certificates of clients */

static const struct {
	enum tls_client_verify	  verify;
	const struct kit_cert	**cert;		/* NULL: none */
	const char		 *subject;	/* if it is let in */
	const char		 *why;		/* if not */
} clients[] = {
	{ TLS_CLIENT_NONE, NULL, "", NULL },
	{ TLS_CLIENT_NONE, &joe, "", NULL },
	{ TLS_CLIENT_NONE, &stranger, "", NULL },
	{ TLS_CLIENT_OPTIONAL, NULL, "", NULL },
	{ TLS_CLIENT_OPTIONAL, &joe, "CN=joe", NULL },
	{ TLS_CLIENT_OPTIONAL, &stranger, NULL, "the client's certificate: "
	    "unable to get local issuer certificate" },
	{ TLS_CLIENT_OPTIONAL, &revoked, NULL,
	    "the client's certificate: certificate revoked" },
	{ TLS_CLIENT_REQUIRE, NULL, NULL, "the client sent no certificate" },
	{ TLS_CLIENT_REQUIRE, &joe, "CN=joe", NULL },
	{ TLS_CLIENT_REQUIRE, &stranger, NULL, "the client's certificate: "
	    "unable to get local issuer certificate" },
	{ TLS_CLIENT_REQUIRE, &revoked, NULL,
	    "the client's certificate: certificate revoked" },
	{ TLS_CLIENT_REQUIRE, &expired, NULL,
	    "the client's certificate: certificate has expired" },
};

START_TEST(a_client_is_let_in_by_its_certificate)
{
	for (size_t v = 0; v < nitems(versions); v++) {
		speak(versions[v]);
		o.verify = clients[_i].verify;
		o.client_ca = ca->pem;
		o.client_crl = kit_crl(ca, revoked);
		if (clients[_i].cert != NULL)
			kit_use(client, *clients[_i].cert);
		dial();
		if (clients[_i].why != NULL) {
			expect_refused(END_TLS, clients[_i].why);
			continue;
		}
		finish();
		ck_assert_str_eq(r->facts.subject, clients[_i].subject);
	}
}
END_TEST

START_TEST(without_a_crl_nobody_is_revoked)
{
	o.verify = TLS_CLIENT_REQUIRE;
	o.client_ca = ca->pem;
	kit_use(client, revoked);
	talk();
	ck_assert_str_eq(r->facts.subject, "CN=rev");
}
END_TEST

START_TEST(a_crl_by_someone_else_lets_nobody_in)
{
	o.verify = TLS_CLIENT_REQUIRE;
	o.client_ca = ca->pem;
	o.client_crl = kit_crl(other_ca, NULL);
	kit_use(client, joe);
	dial();
	expect_refused(END_TLS,
	    "the client's certificate: unable to get certificate CRL");
}
END_TEST

/* --- sessions that are resumed */

static struct tls_tickets	*tickets;

static void
open_tickets(void)
{
	open_options();
	tickets = mmap(NULL, sizeof(*tickets), PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ck_assert(tickets != MAP_FAILED);
	ck_assert_int_eq(tls_ticket_rotate(tickets), 0);
	o.tickets = tickets;
	SSL_CTX_set_session_cache_mode(client, SSL_SESS_CACHE_CLIENT);
}

static void
close_tickets(void)
{
	close_all();
	munmap(tickets, sizeof(*tickets));
}

/* With TLS 1.3 it came after the handshake, so not before talk() is over. */
static void
keep_ticket(void)
{
	SSL_SESSION_free(ticket);
	ticket = SSL_get1_session(ssl);
}

static bool
resume(void)
{
	dial();
	ck_assert_int_eq(SSL_set_session(ssl, ticket), 1);
	finish();
	ck_assert_int_eq(r->facts.resumed, SSL_session_reused(ssl));
	return r->facts.resumed;
}

START_TEST(a_session_is_resumed_at_its_listener)
{
	speak(versions[_i]);
	talk();
	ck_assert(!r->facts.resumed);
	/* With TLS 1.3 a client uses a ticket once, and gets another. */
	keep_ticket();
	ck_assert(resume());
	keep_ticket();
	/* Another process with the same name and the same keys. */
	make_server();
	ck_assert(resume());
	keep_ticket();
	ck_assert(resume());
}
END_TEST

START_TEST(a_session_is_not_resumed_at_another_listener)
{
	speak(versions[_i]);
	talk();
	keep_ticket();
	o.name = "there";
	make_server();
	ck_assert(!resume());
}
END_TEST

START_TEST(a_resumed_session_has_shown_its_certificate)
{
	speak(versions[_i]);
	o.verify = TLS_CLIENT_REQUIRE;
	o.client_ca = ca->pem;
	kit_use(client, joe);
	talk();
	keep_ticket();
	ck_assert(resume());
	ck_assert_str_eq(r->facts.subject, "CN=joe");
}
END_TEST

/* What has changed since: who is asked, by which CA, with which CRL. */
START_TEST(a_session_does_not_outlive_what_let_it_in)
{
	speak(versions[_i % 2]);
	kit_use(client, joe);
	o.client_ca = ca->pem;
	o.verify = _i / 2 == 0 ? TLS_CLIENT_NONE : TLS_CLIENT_REQUIRE;
	talk();
	keep_ticket();
	ck_assert(resume());
	o.verify = TLS_CLIENT_REQUIRE;
	if (_i / 2 == 1)
		o.client_crl = kit_crl(ca, joe);
	if (_i / 2 == 2)
		o.client_ca = other_ca->pem;
	make_server();
	if (_i / 2 == 0) {
		ck_assert(!resume());
		ck_assert_str_eq(r->facts.subject, "CN=joe");
		return;
	}
	dial();
	SSL_set_session(ssl, ticket);
	expect_refused(END_TLS, _i / 2 == 1 ?
	    "the client's certificate: certificate revoked" :
	    "the client's certificate: self-signed certificate in "
	    "certificate chain");
}
END_TEST

START_TEST(a_session_does_not_outlive_its_certificate)
{
	const struct kit_cert	*brief;
	int64_t			 begun = io_now_ms();

	brief = kit_cert(&(struct kit_spec){ .cn = "brief", .by = ca,
	    .until = 2 });
	speak(versions[_i]);
	o.verify = TLS_CLIENT_REQUIRE;
	o.client_ca = ca->pem;
	kit_use(client, brief);
	talk();
	keep_ticket();
	(void)poll(NULL, 0, 3100 - (int)(io_now_ms() - begun));
	dial();
	SSL_set_session(ssl, ticket);
	expect_refused(END_TLS,
	    "the client's certificate: certificate has expired");
}
END_TEST

START_TEST(a_ticket_lives_for_one_rotation_and_is_renewed)
{
	speak(versions[_i]);
	talk();
	keep_ticket();
	ck_assert_int_eq(tls_ticket_rotate(tickets), 0);
	ck_assert(resume());
	keep_ticket();		/* the renewed one */
	ck_assert_int_eq(tls_ticket_rotate(tickets), 0);
	ck_assert(resume());
	ck_assert_int_eq(tls_ticket_rotate(tickets), 0);
	ck_assert_int_eq(tls_ticket_rotate(tickets), 0);
	ck_assert(!resume());
}
END_TEST

START_TEST(a_ticket_that_is_not_renewed_is_refused_after_two_rotations)
{
	speak(versions[_i]);
	talk();
	keep_ticket();
	ck_assert_int_eq(tls_ticket_rotate(tickets), 0);
	ck_assert_int_eq(tls_ticket_rotate(tickets), 0);
	ck_assert(!resume());
}
END_TEST

static const struct {
	bool		 none;		/* no keys at all */
	uint32_t	 version;
} no_keys[] = {
	{ true, 0 },
	{ false, 0 },			/* before the first rotation */
	{ false, 7 },			/* a writer has died */
};

START_TEST(without_keys_there_are_no_tickets_and_no_harm)
{
	speak(versions[_i % 2]);
	atomic_store(&tickets->version, no_keys[_i / 2].version);
	if (no_keys[_i / 2].none)
		o.tickets = NULL;
	talk();
	ck_assert(!SSL_SESSION_is_resumable(SSL_get0_session(ssl)));
	talk();
}
END_TEST

START_TEST(keys_are_never_zeros)
{
	static const struct tls_ticket_key	 zeros;
	struct tls_tickets			 t = { 0 };

	/* As a spawner leaves them that died in its first rotation. */
	atomic_store(&t.version, (uint32_t)_i);
	ck_assert_int_eq(tls_ticket_rotate(&t), 0);
	for (size_t i = 0; i < TLS_TICKET_KEYS; i++)
		ck_assert_mem_ne(&t.keys[i], &zeros, sizeof(zeros));
	ck_assert_uint_eq(atomic_load(&t.version), 2);
}
END_TEST

START_TEST(a_rotation_moves_keys_back_and_repairs)
{
	struct tls_tickets	 t = { 0 }, before;

	ck_assert_int_eq(tls_ticket_rotate(&t), 0);
	before = t;
	ck_assert_int_eq(tls_ticket_rotate(&t), 0);
	ck_assert_mem_eq(&t.keys[1], &before.keys[0], sizeof(t.keys[0]));
	ck_assert_mem_ne(&t.keys[0], &before.keys[0], sizeof(t.keys[0]));
	ck_assert_uint_eq(atomic_load(&t.version), 4);
	atomic_store(&t.version, 5);
	ck_assert_int_eq(tls_ticket_rotate(&t), 0);
	ck_assert_uint_eq(atomic_load(&t.version), 6);
	atomic_store(&t.version, UINT32_MAX - 1);
	ck_assert_int_eq(tls_ticket_rotate(&t), 0);
	ck_assert_uint_eq(atomic_load(&t.version), 2);
}
END_TEST

static bool
is_fingerprint_of(const struct kit_cert *cert)
{
	unsigned char	 hash[EVP_MAX_MD_SIZE];

	ck_assert(r->fingerprinted);
	X509_digest(cert->x, EVP_sha256(), hash, NULL);
	return memcmp(r->fingerprint, hash, sizeof(r->fingerprint)) == 0;
}

/* ... also where another certificate would be presented by then. */
START_TEST(the_fingerprint_is_of_the_certificate_that_the_client_has_seen)
{
	speak(versions[_i]);
	dial();
	kit_name(ssl, "b.example");
	finish();
	ck_assert(is_fingerprint_of(b_ec));
	keep_ticket();
	ids[1] = kit_identity(wild_ec, NULL);
	make_server();
	for (int i = 0; i < 2; i++) {
		dial();
		kit_name(ssl, "b.example");
		SSL_set_session(ssl, ticket);
		finish();
		ck_assert(r->facts.resumed);
		ck_assert_str_eq(r->facts.server_name, "b.example");
		ck_assert(is_fingerprint_of(b_ec));
		keep_ticket();
	}
}
END_TEST

/* --- handshakes that fail */

START_TEST(an_old_client_is_told_and_named)
{
	o.min_version = _i == 2 ? TLS1_3_VERSION : TLS1_2_VERSION;
	speak(_i == 0 ? TLS1_VERSION : _i == 1 ? TLS1_1_VERSION :
	    TLS1_2_VERSION);
	dial();
	expect_refused(END_TLS, _i == 0 ?
	    "the client speaks TLSv1.0, min_version is TLSv1.2" : _i == 1 ?
	    "the client speaks TLSv1.1, min_version is TLSv1.2" :
	    "the client speaks TLSv1.2, min_version is TLSv1.3");
	ck_assert_int_eq(ERR_GET_REASON(ERR_peek_last_error()),
	    SSL_R_TLSV1_ALERT_PROTOCOL_VERSION);
}
END_TEST

START_TEST(an_old_client_is_let_in_where_that_is_wanted)
{
	o.min_version = TLS1_1_VERSION;
	speak(TLS1_1_VERSION);
	talk();
	ck_assert_str_eq(r->facts.version, "TLSv1.1");
}
END_TEST

START_TEST(what_is_not_shared_is_named)
{
	static const char	*const why[] = {
		"no shared cipher, or none that our certificates are for",
		"no shared cipher, or none that our certificates are for",
		"no shared curve",
	};

	o.ciphers = "ECDHE+AESGCM";
	o.ciphersuites = "TLS_AES_256_GCM_SHA384";
	o.curves = "P-256";
	if (_i == 0) {
		speak(TLS1_2_VERSION);
		SSL_CTX_set_cipher_list(client, "ECDHE+CHACHA20");
	} else if (_i == 1)
		SSL_CTX_set_ciphersuites(client, "TLS_AES_128_GCM_SHA256");
	else
		kit_groups(client, "X25519");
	if (_i > 0)
		speak(TLS1_3_VERSION);
	dial();
	expect_refused(END_TLS, why[_i]);
}
END_TEST

START_TEST(ciphers_and_curves_are_those_that_are_set)
{
	o.ciphers = "ECDHE-ECDSA-CHACHA20-POLY1305";
	o.ciphersuites = "TLS_CHACHA20_POLY1305_SHA256";
	o.curves = "P-384";
	speak(versions[_i]);
	talk();
	ck_assert_str_eq(r->facts.cipher, _i == 0 ? o.ciphers :
	    o.ciphersuites);
	ck_assert_int_eq(SSL_get_negotiated_group(ssl), NID_secp384r1);
}
END_TEST

START_TEST(a_client_that_does_not_trust_us_is_heard)
{
	speak(versions[_i]);
	SSL_CTX_free(client);
	client = kit_client(other_ca);
	dial();
	expect_refused(END_TLS, "the client does not trust our certificate "
	    "(alert unknown_ca)");
}
END_TEST

static const struct {
	const char	*bytes, *why;
} garbage[] = {
	{ "GET / HTTP/1.1\r\n\r\n", "not TLS at all: an HTTP request" },
	{ "CONNECT db:3306 HTTP/1.1\r\n\r\n",
	    "not TLS at all: an HTTP request" },
	{ "SSH-2.0-OpenSSH_9.2p1\r\n", "not TLS at all" },
	{ "\1\2\3\4\5\6\7\10\11\12\13\14\15\16", "not TLS at all" },
};

START_TEST(what_is_not_tls_is_named)
{
	dial();
	unit_write(fd, garbage[_i].bytes, strlen(garbage[_i].bytes));
	shutdown(fd, SHUT_WR);
	r = kit_served();
	ck_assert(!r->ok);
	ck_assert_str_eq(end_text(r->end), "tls");
	ck_assert_str_eq(r->why, garbage[_i].why);
}
END_TEST

/* A server gives every first byte a chance, and takes none for TLS. */
START_TEST(no_garbage_is_let_in)
{
	uint8_t	 bytes[600];

	dial();
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)(i * 7 + (size_t)_i * 13);
	bytes[0] = (uint8_t)_i;
	unit_write(fd, bytes, sizeof(bytes));
	shutdown(fd, SHUT_WR);
	r = kit_served();
	ck_assert(!r->ok);
	ck_assert(r->end == END_TLS || r->end == END_CLIENT_RESET);
	ck_assert_str_ne(r->why, "");
}
END_TEST

/* And hear nothing of what comes back. */
static void
say_hello(void)
{
	BIO	*deaf = BIO_new(BIO_s_mem());

	BIO_set_mem_eof_return(deaf, -1);
	SSL_set0_rbio(ssl, deaf);
	ck_assert_int_eq(SSL_do_handshake(ssl), -1);
}

START_TEST(a_client_that_leaves_is_named)
{
	dial();
	if (_i == 0)
		shutdown(fd, SHUT_WR);
	else {
		/* Its hello has gone out. */
		say_hello();
		ck_assert_int_ne(unit_wait(fd, POLLIN, UNIT_MS), 0);
		if (_i == 1)
			shutdown(fd, SHUT_WR);
		else {
			unit_reset(fd);
			fd = -1;
		}
	}
	r = kit_served();
	ck_assert(!r->ok);
	ck_assert_str_eq(end_text(r->end), "client_reset");
	ck_assert_str_eq(r->why, "the client left in the TLS handshake");
}
END_TEST

START_TEST(a_silent_client_ends_at_the_deadline)
{
	int64_t	 begun = io_now_ms();

	make_server();
	fd = kit_serve(server, 100, NULL);
	ssl = kit_open(client, fd, false);
	if (_i == 1)
		say_hello();
	while (unit_wait(fd, POLLRDHUP, UNIT_MS) == 0)
		continue;
	ck_assert_int_ge(io_now_ms() - begun, 99);
	hang_up();
	r = kit_served();
	ck_assert(!r->ok);
	ck_assert_str_eq(end_text(r->end), "timeout");
	ck_assert_str_eq(r->why, "the TLS handshake took too long");
}
END_TEST

START_TEST(a_signal_ends_a_handshake)
{
	dial();
	ck_assert_int_eq(kill(kit_child(), SIGTERM), 0);
	ck_assert_int_ne(unit_wait(fd, POLLRDHUP, UNIT_MS), 0);
	hang_up();
	r = kit_served();
	ck_assert(!r->ok);
	ck_assert_str_eq(end_text(r->end), "shutdown");
}
END_TEST

/* The client's bytes go one by one through a BIO of ours. */
START_TEST(a_handshake_may_come_one_byte_at_a_time)
{
	const int	 one = 1;
	BIO		*in = BIO_new(BIO_s_mem()), *out = BIO_new(BIO_s_mem());
	char		 buf[4096];
	int64_t		 deadline = io_now_ms() + UNIT_MS;
	ssize_t		 n;

	speak(versions[_i]);
	dial();
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	BIO_set_mem_eof_return(in, -1);
	SSL_set_bio(ssl, in, out);
	while (SSL_do_handshake(ssl) != 1) {
		ck_assert_int_lt(io_now_ms(), deadline);
		while (BIO_read(out, buf, 1) == 1)
			unit_write(fd, buf, 1);
		n = recv(fd, buf, sizeof(buf), MSG_DONTWAIT);
		if (n > 0)
			BIO_write(in, buf, (int)n);
	}
	ck_assert_int_eq(SSL_write(ssl, "ping", 4), 4);
	while (BIO_read(out, buf, 1) == 1)
		unit_write(fd, buf, 1);
	while (SSL_read(ssl, buf, 4) != 4) {
		ck_assert_int_lt(io_now_ms(), deadline);
		ck_assert_int_ne(unit_wait(fd, POLLIN, UNIT_MS), 0);
		n = recv(fd, buf, sizeof(buf), MSG_DONTWAIT);
		if (n > 0)
			BIO_write(in, buf, (int)n);
	}
	ck_assert_mem_eq(buf, "ping", 4);
	shutdown(fd, SHUT_WR);
	r = kit_served();
	ck_assert(r->ok);
}
END_TEST

/* --- OCSP */

static long
stapled(const char *name)
{
	const unsigned char	*response;

	SSL_CTX_set_tlsext_status_type(client, TLSEXT_STATUSTYPE_ocsp);
	dial();
	kit_name(ssl, name);
	finish();
	return SSL_get_tlsext_status_ocsp_resp(ssl, &response);
}

START_TEST(an_ocsp_response_goes_with_its_certificate)
{
	speak(versions[_i]);
	o.ocsp = kit_ocsp(ca, b_ec, 1000);
	ck_assert_int_eq(stapled("b.example"), (long)o.ocsp.len);
	ck_assert_int_eq(stapled("a.example"), -1);
	/* And is sent to nobody who did not ask. */
	SSL_CTX_set_tlsext_status_type(client, -1);
	dial();
	kit_name(ssl, "b.example");
	finish();
}
END_TEST

START_TEST(an_ocsp_response_that_has_expired_is_not_sent)
{
	o.ocsp = kit_ocsp(ca, b_ec, -1);
	ck_assert_int_eq(stapled("b.example"), -1);
}
END_TEST

/* --- options */

static const struct tls_pem	 nothing = { "", 0 };
static const struct tls_pem	 no_pem = { "hello", 5 };
static const struct tls_pem	 bad_pem = {
	"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", 59
};

static void
no_identity(void)
{
	o.nidentities = 0;
}

static void
empty_certificate(void)
{
	ids[0].certificate = nothing;
}

static void
no_certificate(void)
{
	ids[1].certificate = no_pem;
}

static void
bad_certificate(void)
{
	ids[1].certificate = bad_pem;
}

static void
bad_chain(void)
{
	ids[1].chain = no_pem;
}

static void
no_key(void)
{
	ids[0].key = NULL;
}

static void
wrong_key(void)
{
	ids[0].key = b_ec->key;
}

static void
wrong_kind_of_key(void)
{
	ids[0].key = b_rsa->key;
}

static void
bad_ciphers(void)
{
	o.ciphers = "NO-SUCH-THING";
}

static void
bad_ciphersuites(void)
{
	o.ciphersuites = "NO-SUCH-THING";
}

static void
bad_curves(void)
{
	o.curves = "P-256:Q-1";
}

static void
no_ca(void)
{
	o.verify = TLS_CLIENT_REQUIRE;
}

static void
bad_crl(void)
{
	o.verify = TLS_CLIENT_OPTIONAL;
	o.client_ca = ca->pem;
	o.client_crl = ca->pem;
}

static void
bad_alpn(void)
{
	static const char	*const empty[] = { "mysql", "", NULL };

	o.alpn = empty;
}

static void
bad_ocsp(void)
{
	o.ocsp = no_pem;
}

static void
ocsp_of_another(void)
{
	o.ocsp = kit_ocsp(ca, joe, 1000);
}

static const struct {
	void		(*spoil)(void);
	const char	 *why;
} faults[] = {
	{ no_identity, "no certificate" },
	{ empty_certificate, "certificate 1: it is empty" },
	{ no_certificate, "certificate 2: no certificate in it" },
	{ bad_certificate, "certificate 2: " },
	{ bad_chain, "certificate 2: no certificate in it" },
	{ no_key, "certificate 1: it has no key" },
	{ wrong_key, "certificate 1: " },
	{ wrong_kind_of_key, "certificate 1: " },
	{ bad_ciphers, "ciphers: no cipher match" },
	{ bad_ciphersuites, "ciphersuites: " },
	{ bad_curves, "curves: unknown, or twice the same" },
	{ no_ca, "CA: it is empty" },
	{ bad_crl, "CRL: no CRL in it" },
	{ bad_alpn, "ALPN: a protocol of 0 bytes" },
	{ bad_ocsp, "OCSP: not an OCSP response in DER" },
	{ ocsp_of_another, "OCSP: it is about none of the certificates" },
};

START_TEST(what_is_wrong_with_options_is_told)
{
	char	 why[TLS_WHY_MAX] = "";

	faults[_i].spoil();
	server = tls_server_new(&o, why);
	ck_assert_ptr_null(server);
	ck_assert_msg(strncmp(why, faults[_i].why, strlen(faults[_i].why)) ==
	    0, "%s", why);
	ck_assert_uint_ge(strlen(why), strlen("no certificate"));
	ck_assert_int_ne(why[strlen(why) - 1], ' ');
	ck_assert_uint_eq(ERR_peek_error(), 0);
}
END_TEST

static void
add_handshakes(Suite *s)
{
	TCase	*tc = tcase_create("handshake");

	suite_add_tcase(s, tc);
	tcase_add_unchecked_fixture(tc, make_certificates, NULL);
	tcase_add_checked_fixture(tc, open_options, close_all);
	tcase_set_timeout(tc, 30);
	tcase_add_loop_test(tc, both_sides_hear_each_other_and_the_end, 0, 2);
	tcase_add_loop_test(tc,
	    the_certificate_is_of_a_kind_that_the_client_can_check, 0, 2);
	tcase_add_loop_test(tc, a_name_chooses_among_certificates, 0,
	    (int)nitems(names));
	tcase_add_loop_test(tc, the_whole_chain_is_sent, 0, 3);
	tcase_add_test(tc, no_chain_is_made_up_of_client_ca);
	tcase_add_loop_test(tc, alpn_is_chosen_by_our_own_order, 0,
	    (int)nitems(alpns));
	tcase_add_test(tc,
	    without_alpn_of_our_own_what_is_offered_does_not_matter);
	tcase_add_loop_test(tc, a_client_is_let_in_by_its_certificate, 0,
	    (int)nitems(clients));
	tcase_add_test(tc, without_a_crl_nobody_is_revoked);
	tcase_add_test(tc, a_crl_by_someone_else_lets_nobody_in);
	tcase_add_loop_test(tc, an_ocsp_response_goes_with_its_certificate, 0,
	    2);
	tcase_add_test(tc, an_ocsp_response_that_has_expired_is_not_sent);
	tcase_add_test(tc, an_old_client_is_let_in_where_that_is_wanted);
	tcase_add_loop_test(tc, ciphers_and_curves_are_those_that_are_set, 0,
	    2);
	tcase_add_loop_test(tc, a_handshake_may_come_one_byte_at_a_time, 0,
	    2);
}

static void
add_resumption(Suite *s)
{
	TCase	*tc = tcase_create("resumption");

	suite_add_tcase(s, tc);
	tcase_add_unchecked_fixture(tc, make_certificates, NULL);
	tcase_add_checked_fixture(tc, open_tickets, close_tickets);
	tcase_set_timeout(tc, 30);
	tcase_add_loop_test(tc, a_session_is_resumed_at_its_listener, 0, 2);
	tcase_add_loop_test(tc,
	    a_session_is_not_resumed_at_another_listener, 0, 2);
	tcase_add_loop_test(tc, a_resumed_session_has_shown_its_certificate,
	    0, 2);
	tcase_add_loop_test(tc, a_session_does_not_outlive_what_let_it_in, 0,
	    6);
	tcase_add_loop_test(tc, a_session_does_not_outlive_its_certificate, 0,
	    2);
	tcase_add_loop_test(tc,
	    a_ticket_lives_for_one_rotation_and_is_renewed, 0, 2);
	tcase_add_loop_test(tc,
	    a_ticket_that_is_not_renewed_is_refused_after_two_rotations, 0,
	    2);
	tcase_add_loop_test(tc,
	    without_keys_there_are_no_tickets_and_no_harm, 0, 6);
	tcase_add_loop_test(tc, keys_are_never_zeros, 0, 2);
	tcase_add_test(tc, a_rotation_moves_keys_back_and_repairs);
	tcase_add_loop_test(tc,
	    the_fingerprint_is_of_the_certificate_that_the_client_has_seen,
	    0, 2);
}

static void
add_failures(Suite *s)
{
	TCase	*tc = tcase_create("failures");

	suite_add_tcase(s, tc);
	tcase_add_unchecked_fixture(tc, make_certificates, NULL);
	tcase_add_checked_fixture(tc, open_options, close_all);
	tcase_set_timeout(tc, 30);
	tcase_add_loop_test(tc, an_old_client_is_told_and_named, 0, 3);
	tcase_add_loop_test(tc, what_is_not_shared_is_named, 0, 3);
	tcase_add_loop_test(tc, a_client_that_does_not_trust_us_is_heard, 0,
	    2);
	tcase_add_loop_test(tc, what_is_not_tls_is_named, 0,
	    (int)nitems(garbage));
	tcase_add_loop_test(tc, no_garbage_is_let_in, 0, 256);
	tcase_add_loop_test(tc, a_client_that_leaves_is_named, 0, 3);
	tcase_add_loop_test(tc, a_silent_client_ends_at_the_deadline, 0, 2);
	tcase_add_test(tc, a_signal_ends_a_handshake);
	tcase_add_loop_test(tc, what_is_wrong_with_options_is_told, 0,
	    (int)nitems(faults));
}

int
main(void)
{
	Suite	*s = suite_create("tls");

	add_handshakes(s);
	add_resumption(s);
	add_failures(s);
	return unit_run(s);
}
