#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <openssl/err.h>

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "session/tls_context.h"
#include "session/tls_psk.h"

/*
 * The one whose hash a key of 32 bytes is of: with another, OpenSSL drops the
 * key and looks for a certificate.
 */
#define SUITE		"TLS_AES_128_GCM_SHA256"

static const unsigned char	 suite_id[2] = { 0x13, 0x01 };

struct tls_psk {
	SSL_CTX		*server, *client;
	uint8_t		 alpn[1 + UINT8_MAX];	/* as RFC 7301 has it */
	size_t		 alpn_len;
};

/* A session that is nothing but the key. */
static SSL_SESSION *
session_of(SSL *ssl, const struct tls_psk_key *key)
{
	const SSL_CIPHER	*cipher = SSL_CIPHER_find(ssl, suite_id);
	SSL_SESSION		*s = SSL_SESSION_new();

	if (s != NULL && cipher != NULL &&
	    SSL_SESSION_set1_master_key(s, key->key, TLS_PSK_KEY) == 1 &&
	    SSL_SESSION_set_cipher(s, cipher) == 1 &&
	    SSL_SESSION_set_protocol_version(s, TLS1_3_VERSION) == 1)
		return s;
	SSL_SESSION_free(s);
	return NULL;
}

/* For OpenSSL: 1 with no session is another key, which ends it. */
static int
on_find(SSL *ssl, const unsigned char *identity, size_t len,
    SSL_SESSION **session)
{
	const struct tls_psk_key	*key = SSL_get_app_data(ssl);

	*session = NULL;
	if (key == NULL || len != key->identity_len ||
	    memcmp(identity, key->identity, len) != 0)
		return 1;
	*session = session_of(ssl, key);
	return *session != NULL;
}

static int
on_use(SSL *ssl, const EVP_MD *md, const unsigned char **identity,
    size_t *len, SSL_SESSION **session)
{
	const struct tls_psk_key	*key = SSL_get_app_data(ssl);

	(void)md;
	*session = key != NULL ? session_of(ssl, key) : NULL;
	if (*session == NULL)
		return 0;
	*identity = key->identity;
	*len = key->identity_len;
	return 1;
}

static int
on_alpn(SSL *ssl, const unsigned char **out, unsigned char *len,
    const unsigned char *in, unsigned int in_len, void *ctx)
{
	const struct tls_psk	*p = ctx;
	unsigned char		*chosen;

	(void)ssl;
	if (SSL_select_next_proto(&chosen, len, p->alpn,
	    (unsigned int)p->alpn_len, in, in_len) != OPENSSL_NPN_NEGOTIATED)
		return SSL_TLSEXT_ERR_ALERT_FATAL;
	*out = chosen;
	return SSL_TLSEXT_ERR_OK;
}

static SSL_CTX *
make_context(const SSL_METHOD *method, char *why)
{
	SSL_CTX	*ctx = tls_context_new(method, TLS1_3_VERSION, why);

	if (ctx == NULL)
		return NULL;
	if (SSL_CTX_set_ciphersuites(ctx, SUITE) == 1 &&
	    SSL_CTX_set_num_tickets(ctx, 0) == 1) {
		(void)SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
		return ctx;
	}
	tls_why_error(why, "TLS by a key");
	SSL_CTX_free(ctx);
	return NULL;
}

struct tls_psk *
tls_psk_new(const char *alpn, char *why)
{
	struct tls_psk	*p = mem_calloc(1, sizeof(*p));
	size_t		 len = strlen(alpn);

	p->alpn[0] = (uint8_t)len;
	memcpy(p->alpn + 1, alpn, len);
	p->alpn_len = len + 1;
	p->server = make_context(TLS_server_method(), why);
	p->client = p->server != NULL ? make_context(TLS_client_method(),
	    why) : NULL;
	if (p->client == NULL || SSL_CTX_set_alpn_protos(p->client, p->alpn,
	    (unsigned int)p->alpn_len) != 0) {
		tls_psk_free(&p);
		return NULL;
	}
	SSL_CTX_set_psk_find_session_callback(p->server, on_find);
	SSL_CTX_set_alpn_select_cb(p->server, on_alpn, p);
	SSL_CTX_set_psk_use_session_callback(p->client, on_use);
	/* Its server has no certificate, and proves itself by the key. */
	SSL_CTX_set_verify(p->client, SSL_VERIFY_PEER, NULL);
	return p;
}

void
tls_psk_free(struct tls_psk **pp)
{
	struct tls_psk	*p = *pp;

	if (p == NULL)
		return;
	SSL_CTX_free(p->server);
	SSL_CTX_free(p->client);
	free(p);
	*pp = NULL;
}

/* Both flights of the server as one segment, or each goes alone. */
static void
cork(int fd, int on)
{
	(void)setsockopt(fd, IPPROTO_TCP, TCP_CORK, &on, sizeof(on));
}

/* Is it worth another try, once something shows? */
static int
wait_for_ssl(struct stream *s, int rc, int64_t deadline,
    const struct told *told, enum end *end, char *why)
{
	short	 events;

	switch (SSL_get_error(tls_stream_ssl(s), rc)) {
	case SSL_ERROR_WANT_READ:
		events = POLLIN;
		break;
	case SSL_ERROR_WANT_WRITE:
		events = POLLOUT;
		break;
	default:
		*end = ERR_peek_error() != 0 ? END_TLS : END_SERVER_RESET;
		tls_why_error(why, "TLS by a key");
		return -1;
	}
	if (stream_wait(s->fd, events, deadline, told, end) == 0)
		return 0;
	snprintf(why, TLS_WHY_MAX, "the agent does not answer");
	return -1;
}

/* As far as our first flight. */
static int
begin(struct stream *s, int64_t deadline, const struct told *told,
    enum end *end, char *why)
{
	SSL	*ssl = tls_stream_ssl(s);
	uint8_t	 none[1];
	size_t	 n;
	int	 rc;

	for (;;) {
		ERR_clear_error();
		rc = SSL_read_early_data(ssl, none, sizeof(none), &n);
		if (rc == SSL_READ_EARLY_DATA_FINISH)
			return 0;
		if (rc == SSL_READ_EARLY_DATA_SUCCESS) {
			*end = END_PROTOCOL;
			snprintf(why, TLS_WHY_MAX, "data before the handshake, "
			    "which could be a copy of another time's");
			return -1;
		}
		if (wait_for_ssl(s, 0, deadline, told, end, why) == -1)
			return -1;
	}
}

static int
say_early(struct stream *s, const uint8_t *p, size_t len, int64_t deadline,
    const struct told *told, enum end *end, char *why)
{
	SSL	*ssl = tls_stream_ssl(s);
	size_t	 n;
	int	 rc;

	while (len > 0) {
		ERR_clear_error();
		rc = SSL_write_early_data(ssl, p, len, &n);
		if (rc == 1) {
			p += n;
			len -= n;
		} else if (wait_for_ssl(s, rc, deadline, told, end, why) == -1)
			return -1;
	}
	return 0;
}

static struct stream *
new_stream(SSL_CTX *ctx, int fd, const struct tls_psk_key *key, enum end *end,
    char *why)
{
	struct stream	*s;

	ERR_clear_error();
	s = tls_stream_new(ctx, fd);
	if (s != NULL && SSL_set_app_data(tls_stream_ssl(s),
	    (char *)(uintptr_t)key) == 1)
		return s;
	*end = END_INTERNAL;
	tls_why_error(why, "TLS by a key");
	stream_free(&s);
	return NULL;
}

static void
forget_key(struct stream *s)
{
	(void)SSL_set_app_data(tls_stream_ssl(s), NULL);
}

struct stream *
tls_psk_accept(struct tls_psk *p, int fd, const struct tls_psk_key *key,
    const void *first, size_t len, int64_t deadline, const struct told *told,
    enum end *end, char *why)
{
	struct stream	*s = new_stream(p->server, fd, key, end, why);
	int		 rc;

	if (s == NULL)
		return NULL;
	SSL_set_accept_state(tls_stream_ssl(s));
	cork(fd, 1);
	rc = begin(s, deadline, told, end, why);
	if (rc == 0)
		rc = say_early(s, first, len, deadline, told, end, why);
	cork(fd, 0);
	if (rc == 0)
		rc = tls_stream_shake(s, deadline, told, END_SERVER_RESET,
		    end, why);
	if (rc == 0) {
		forget_key(s);
		return s;
	}
	stream_free(&s);
	return NULL;
}

struct stream *
tls_psk_connect(struct tls_psk *p, int fd, const struct tls_psk_key *key,
    int64_t deadline, const struct told *told, enum end *end, char *why)
{
	struct stream	*s = new_stream(p->client, fd, key, end, why);

	if (s == NULL)
		return NULL;
	SSL_set_connect_state(tls_stream_ssl(s));
	if (tls_stream_shake(s, deadline, told, END_SERVER_RESET, end,
	    why) == 0) {
		forget_key(s);
		return s;
	}
	stream_free(&s);
	return NULL;
}
