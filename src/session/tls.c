#include <sys/socket.h>

#include <arpa/inet.h>

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "session/tls_context.h"

struct tls_stream {
	struct stream	 s;
	SSL		*ssl;
	/*
	 * Bytes that are in memory may make a whole record: not known to be
	 * none since a read came back without any.
	 */
	bool		 more;
	bool		 ended;		/* we told the peer */
	bool		 failed;	/* OpenSSL must not be called */
	unsigned long	 error;		/* of OpenSSL, since it failed */
};

static struct tls_stream *
of(const struct stream *s)
{
	return (struct tls_stream *)(uintptr_t)s;
}

/* What OpenSSL says itself, and not what that is made of, tells more. */
static unsigned long
first_error(void)
{
	unsigned long	 first = ERR_peek_error(), e;

	while ((e = ERR_get_error()) != 0)
		if (ERR_GET_LIB(e) == ERR_LIB_SSL)
			return e;
	return first;
}

/*
 * After a call that gave nothing, and `error' as errno was then: -1 with
 * errno, or 0 for the end of the stream.
 */
static int
outcome(struct tls_stream *t, int rc, int error, short *wants)
{
	switch (SSL_get_error(t->ssl, rc)) {
	case SSL_ERROR_WANT_READ:
		*wants = POLLIN;
		errno = EAGAIN;
		return -1;
	case SSL_ERROR_WANT_WRITE:
		*wants = POLLOUT;
		errno = EAGAIN;
		return -1;
	case SSL_ERROR_ZERO_RETURN:
		return 0;
	case SSL_ERROR_SYSCALL:
		t->failed = true;
		errno = error != 0 ? error : ECONNRESET;
		return -1;
	default:
		t->failed = true;
		t->error = first_error();
		errno = EPROTO;
		return -1;
	}
}

static ssize_t
tls_read(struct stream *s, void *buf, size_t size)
{
	struct tls_stream	*t = of(s);
	size_t			 n;
	int			 rc;

	if (t->failed) {
		errno = EPROTO;
		return -1;
	}
	ERR_clear_error();
	errno = 0;
	rc = SSL_read_ex(t->ssl, buf, size, &n);
	if (rc == 1) {
		t->more = true;
		s->read_wants = POLLIN;
		return (ssize_t)n;
	}
	t->more = false;
	return outcome(t, rc, errno, &s->read_wants);
}

static ssize_t
tls_write(struct stream *s, const void *data, size_t len)
{
	struct tls_stream	*t = of(s);
	size_t			 n;
	int			 rc, error;

	if (t->failed || t->ended) {
		errno = EPIPE;
		return -1;
	}
	ERR_clear_error();
	errno = 0;
	rc = SSL_write_ex(t->ssl, data, len, &n);
	if (rc == 1) {
		s->write_wants = POLLOUT;
		return (ssize_t)n;
	}
	error = errno;
	if (outcome(t, rc, error, &s->write_wants) == 0) {
		/* The peer's end was what OpenSSL remembered last. */
		t->failed = true;
		errno = error != 0 ? error : EPIPE;
	}
	return -1;
}

static bool
tls_pending(const struct stream *s)
{
	return of(s)->more && SSL_has_pending(of(s)->ssl);
}

static int
tls_shut(struct stream *s)
{
	struct tls_stream	*t = of(s);
	int			 rc;

	if (!t->failed && !t->ended) {
		ERR_clear_error();
		rc = SSL_shutdown(t->ssl);
		if (rc == -1 && outcome(t, rc, errno, &s->write_wants) ==
		    -1 && errno == EAGAIN)
			return -1;
	}
	t->ended = true;
	(void)shutdown(s->fd, SHUT_WR);
	return 0;
}

static void
tls_free(struct stream *s)
{
	SSL_free(of(s)->ssl);
	free(of(s));
}

static const struct stream_ops	 tls_ops = {
	.read = tls_read, .write = tls_write, .pending = tls_pending,
	.shut = tls_shut, .free = tls_free,
};

void
tls_stream_why(const struct stream *s, char *why)
{
	why[0] = '\0';
	if (s->ops == &tls_ops && of(s)->error != 0)
		tls_why_failed(why, of(s)->ssl, of(s)->error);
}

/* Why the handshake is over, and what it is to the log. */
static enum end
verdict(struct tls_stream *t, int rc, int error, enum end reset, char *why)
{
	const char	*peer = SSL_is_server(t->ssl) ? "client" : "server";
	short		 wants;

	if (outcome(t, rc, error, &wants) == -1 && t->error != 0) {
		tls_why_failed(why, t->ssl, t->error);
		return END_TLS;
	}
	snprintf(why, TLS_WHY_MAX, "the %s left in the TLS handshake", peer);
	return reset;
}

static int
shake(struct tls_stream *t, int64_t deadline, const struct told *told,
    enum end reset, enum end *end, char *why)
{
	short	 wants;
	int	 rc;

	for (;;) {
		ERR_clear_error();
		errno = 0;
		rc = SSL_do_handshake(t->ssl);
		if (rc == 1)
			return 0;
		switch (SSL_get_error(t->ssl, rc)) {
		case SSL_ERROR_WANT_READ:
			wants = POLLIN;
			break;
		case SSL_ERROR_WANT_WRITE:
			wants = POLLOUT;
			break;
		default:
			*end = verdict(t, rc, errno, reset, why);
			return -1;
		}
		if (stream_wait(t->s.fd, wants, deadline, told, end) == -1) {
			snprintf(why, TLS_WHY_MAX, "%s", *end == END_TIMEOUT ?
			    "the TLS handshake took too long" :
			    *end == END_LIMIT ? TOLD_GIVE_WAY : "");
			return -1;
		}
	}
}

struct stream *
tls_stream_new(SSL_CTX *ctx, int fd)
{
	struct tls_stream	*t = mem_calloc(1, sizeof(*t));

	*t = (struct tls_stream){
		.s = {
			.ops = &tls_ops, .fd = fd,
			.read_wants = POLLIN, .write_wants = POLLOUT,
		},
		.ssl = SSL_new(ctx), .more = true,
	};
	if (t->ssl != NULL && SSL_set_fd(t->ssl, fd) == 1)
		return &t->s;
	tls_free(&t->s);
	return NULL;
}

SSL *
tls_stream_ssl(const struct stream *s)
{
	return of(s)->ssl;
}

int
tls_stream_shake(struct stream *s, int64_t deadline, const struct told *told,
    enum end reset, enum end *end, char *why)
{
	return shake(of(s), deadline, told, reset, end, why);
}

static void
note_subject(SSL *ssl, char *text, size_t size)
{
	X509	*x = SSL_get0_peer_certificate(ssl);
	BIO	*bio = x != NULL ? BIO_new(BIO_s_mem()) : NULL;
	int	 n;

	text[0] = '\0';
	if (bio == NULL)
		return;
	if (X509_NAME_print_ex(bio, X509_get_subject_name(x), 0,
	    XN_FLAG_RFC2253) != -1) {
		n = BIO_read(bio, text, (int)size - 1);
		text[n > 0 ? n : 0] = '\0';
	}
	BIO_free(bio);
}

static void
note_facts(SSL *ssl, struct tls_facts *f)
{
	const char		*name = SSL_get_servername(ssl,
				    TLSEXT_NAMETYPE_host_name);
	const unsigned char	*alpn;
	unsigned int		 len;

	*f = (struct tls_facts){
		.version = SSL_get_version(ssl),
		.cipher = SSL_get_cipher_name(ssl),
		.resumed = SSL_session_reused(ssl),
	};
	snprintf(f->server_name, sizeof(f->server_name), "%s",
	    name != NULL ? name : "");
	SSL_get0_alpn_selected(ssl, &alpn, &len);
	if (len < sizeof(f->alpn) && len > 0)
		memcpy(f->alpn, alpn, len);
	note_subject(ssl, f->subject, sizeof(f->subject));
}

static struct stream *
finish(struct stream *s, int64_t deadline, const struct told *told,
    struct tls_facts *facts, enum end reset, enum end *end, char *why)
{
	if (shake(of(s), deadline, told, reset, end, why) == -1)
		stream_free(&s);
	else
		note_facts(of(s)->ssl, facts);
	return s;
}

/* OpenSSL would not begin. */
static void
fail(enum end *end, char *why)
{
	*end = END_INTERNAL;
	tls_why_error(why, "TLS");
}

struct stream *
tls_accept(struct tls_server *server, int fd, int64_t deadline,
    const struct told *told, struct tls_facts *facts, enum end *end,
    char *why)
{
	struct stream	*s;

	ERR_clear_error();
	s = tls_stream_new(server->ctx, fd);
	if (s == NULL) {
		fail(end, why);
		return NULL;
	}
	SSL_set_accept_state(of(s)->ssl);
	return finish(s, deadline, told, facts, END_CLIENT_RESET, end, why);
}

static bool
is_address(const char *name)
{
	unsigned char	 any[sizeof(struct in6_addr)];

	return inet_pton(AF_INET, name, any) == 1 ||
	    inet_pton(AF_INET6, name, any) == 1;
}

/* Say whom we want, and expect them.  Addresses are no names: RFC 6066. */
static int
expect(SSL *ssl, char *name, bool verify)
{
	X509_VERIFY_PARAM	*param = SSL_get0_param(ssl);

	if (is_address(name))
		return !verify ||
		    X509_VERIFY_PARAM_set1_ip_asc(param, name) == 1 ? 0 : -1;
	if (SSL_set_tlsext_host_name(ssl, name) != 1)
		return -1;
	X509_VERIFY_PARAM_set_hostflags(param,
	    X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
	return !verify || X509_VERIFY_PARAM_set1_host(param, name, 0) == 1 ?
	    0 : -1;
}

struct stream *
tls_connect(struct tls_client *c, int fd, const char *server_name,
    int64_t deadline, const struct told *told, struct tls_facts *facts,
    enum end *end, char *why)
{
	char		 name[TLS_NAME_MAX];
	size_t		 len;
	struct stream	*s;

	snprintf(name, sizeof(name), "%s", server_name != NULL ?
	    server_name : "");
	len = strlen(name);
	if (len > 0 && name[len - 1] == '.')
		name[len - 1] = '\0';	/* the root is not a part of it */
	if (name[0] == '\0' && c->verify_name) {
		*end = END_TLS;
		snprintf(why, TLS_WHY_MAX, "no name that the server's "
		    "certificate could be compared with");
		return NULL;
	}
	ERR_clear_error();
	s = tls_stream_new(c->ctx, fd);
	if (s == NULL || (name[0] != '\0' && expect(of(s)->ssl, name,
	    c->verify_name) == -1)) {
		fail(end, why);
		stream_free(&s);
		return NULL;
	}
	SSL_set_connect_state(of(s)->ssl);
	return finish(s, deadline, told, facts, END_SERVER_RESET, end, why);
}

int
tls_own_fingerprint(const struct stream *s, uint8_t *hash)
{
	unsigned int	 len;
	X509		*x;
	SSL		*ssl;
	void		*mark;
	size_t		 n;

	if (s->ops != &tls_ops)
		return -1;
	ssl = of(s)->ssl;
	if (SSL_session_reused(ssl)) {
		if (SSL_SESSION_get0_ticket_appdata(SSL_get_session(ssl),
		    &mark, &n) != 1 || n != 32)
			return -1;
		memcpy(hash, mark, n);
		return 0;
	}
	x = SSL_get_certificate(ssl);
	return x != NULL && X509_digest(x, EVP_sha256(), hash, &len) == 1 ?
	    0 : -1;
}

int
tls_export(const struct stream *s, const char *label, uint8_t *out, size_t len)
{
	if (s->ops != &tls_ops)
		return -1;
	return SSL_export_keying_material(of(s)->ssl, out, len, label,
	    strlen(label), NULL, 0, 0) == 1 ? 0 : -1;
}
