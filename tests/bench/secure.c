#include <sys/epoll.h>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>

#include <err.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "load.h"
#include "secure.h"

static _Noreturn void
fail(const struct secure *c, const char *what)
{
	unsigned long	 e = ERR_get_error();

	errx(1, "session %u: %s%s%s", c->s.id, what, e != 0 ? ": " : "",
	    e != 0 ? ERR_reason_error_string(e) : "");
}

static X509 *
read_certificate(const char *path)
{
	FILE	*f = fopen(path, "re");
	X509	*x;

	if (f == NULL)
		err(1, "%s", path);
	x = PEM_read_X509(f, NULL, NULL, NULL);
	fclose(f);
	if (x == NULL)
		errx(1, "%s: not a certificate", path);
	return x;
}

/* The newest ticket of a session is what its next one begins with. */
static int
on_ticket(SSL *ssl, SSL_SESSION *ticket)
{
	struct secure	*c = SSL_get_app_data(ssl);

	SSL_SESSION_free(c->ticket);
	c->ticket = ticket;
	return 1;
}

void
secure_init(struct secure_kind *k, const struct load *l, enum verb verb)
{
	*k = (struct secure_kind){
		.load = l, .resume = l->resume,
		.certificate = read_certificate(l->certificate),
		.ctx = SSL_CTX_new(TLS_client_method()),
	};
	message_init(&k->m, verb, l->size);
	if (k->ctx == NULL ||
	    SSL_CTX_set_min_proto_version(k->ctx, TLS1_3_VERSION) != 1)
		errx(1, "there is no TLS 1.3");
	/* Who the server is is seen by its certificate, to the byte. */
	SSL_CTX_set_verify(k->ctx, SSL_VERIFY_NONE, NULL);
	(void)SSL_CTX_set_options(k->ctx, SSL_OP_IGNORE_UNEXPECTED_EOF);
	(void)SSL_CTX_set_session_cache_mode(k->ctx, SSL_SESS_CACHE_CLIENT |
	    SSL_SESS_CACHE_NO_INTERNAL_STORE);
	SSL_CTX_sess_set_new_cb(k->ctx, on_ticket);
}

void
secure_end(struct secure_kind *k)
{
	SSL_CTX_free(k->ctx);
	X509_free(k->certificate);
}

void
secure_dial(struct secure *c, struct secure_kind *k, unsigned nth)
{
	c->kind = k;
	c->at = session_dial(&c->s, k->load, nth) ? SECURE_SHAKE : SECURE_DIAL;
	c->ssl = SSL_new(k->ctx);
	if (c->ssl == NULL || SSL_set_fd(c->ssl, c->s.fd) != 1 ||
	    SSL_set_app_data(c->ssl, c) != 1)
		fail(c, "TLS");
	c->resumes = k->resume && c->ticket != NULL;
	if (c->resumes && SSL_set_session(c->ssl, c->ticket) != 1)
		fail(c, "the ticket");
	SSL_set_connect_state(c->ssl);
	SSL_set_quiet_shutdown(c->ssl, 1);
}

/* What OpenSSL waits for; 0 when the stream has ended. */
static uint32_t
wants(struct secure *c, int rc, const char *what)
{
	switch (SSL_get_error(c->ssl, rc)) {
	case SSL_ERROR_WANT_READ:
		return EPOLLIN;
	case SSL_ERROR_WANT_WRITE:
		return EPOLLOUT;
	case SSL_ERROR_ZERO_RETURN:
		return 0;
	}
	fail(c, what);
}

/* Is it what was to be measured? */
static void
check_handshake(const struct secure *c)
{
	X509	*x = SSL_get0_peer_certificate(c->ssl);

	if (x == NULL || X509_cmp(x, c->kind->certificate) != 0)
		fail(c, "the server has another certificate");
	if (SSL_session_reused(c->ssl) != (int)c->resumes)
		fail(c, c->resumes ? "the ticket was of no use" :
		    "it was resumed, but without a ticket");
}

static uint32_t
shake(struct secure *c)
{
	uint32_t	 events;
	int		 rc;

	ERR_clear_error();
	rc = SSL_do_handshake(c->ssl);
	if (rc == 1) {
		check_handshake(c);
		secure_say(c);
		return EPOLLIN;
	}
	events = wants(c, rc, "handshake");
	if (events == 0)
		fail(c, "it ended in the handshake");
	return events;
}

void
secure_say(struct secure *c)
{
	struct message	*m = &c->kind->m;
	size_t		 n;

	message_stamp(m, c->s.id, ++c->s.number);
	c->s.got = 0;
	c->at = SECURE_HEAR;
	ERR_clear_error();
	/* An empty socket takes it whole. */
	if (SSL_write_ex(c->ssl, m->bytes, m->size, &n) != 1)
		fail(c, "write");
}

static uint32_t
hear(struct secure *c)
{
	static uint8_t	 buf[MESSAGE_MAX + 1];
	const size_t	 size = c->kind->m.size;
	uint32_t	 events;
	size_t		 n;

	/* Bytes that OpenSSL has already wake nobody. */
	for (;;) {
		ERR_clear_error();
		if (SSL_read_ex(c->ssl, buf, sizeof(buf), &n) != 1)
			break;
		session_compare(&c->s, &c->kind->m, buf, n);
	}
	events = wants(c, 0, "read");
	if (events == 0 && c->s.got < size)
		fail(c, "it ended without a whole reply");
	if (events == 0 && c->kind->resume && c->ticket == NULL)
		fail(c, "there was no ticket");
	return events;
}

uint32_t
secure_step(struct secure *c)
{
	switch (c->at) {
	case SECURE_DIAL:
		session_dialled(&c->s);
		c->at = SECURE_SHAKE;
		/* FALLTHROUGH */
	case SECURE_SHAKE:
		return shake(c);
	case SECURE_HEAR:
		return hear(c);
	}
	abort();
}

bool
secure_is_answered(const struct secure *c)
{
	return c->at == SECURE_HEAR && c->s.got == c->kind->m.size;
}

void
secure_close(struct secure *c)
{
	/* Without this OpenSSL takes the ticket for spoilt. */
	(void)SSL_shutdown(c->ssl);
	SSL_free(c->ssl);
	c->ssl = NULL;
	session_close(&c->s);
}

void
secure_free(struct secure *v, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		if (v[i].ssl != NULL)
			secure_close(&v[i]);
		SSL_SESSION_free(v[i].ticket);
	}
	free(v);
}
