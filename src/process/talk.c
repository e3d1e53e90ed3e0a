#include <sys/socket.h>

#include <openssl/err.h>
#include <openssl/ssl.h>

#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "policy/conf.h"
#include "process/talk.h"

#define MYSQL_ROUNDS	8	/* packets of a login, more than any takes */
#define MYSQL_OK	0x00
#define MYSQL_SWITCH	0xfe
#define MYSQL_ERR	0xff

struct talk {
	struct talk_task	 task;
	int			 fd;
	bool			 good;
	char			 why[TALK_WHY_MAX];
	uint8_t			 in[TALK_READ_MAX];
	size_t			 nin;
	uint8_t			 out[TALK_READ_MAX];
	size_t			 nout, sent;
	int			 rounds;	/* of CONF_CHECK_MYSQL */
	SSL			*ssl;		/* of CONF_CHECK_TLS */
};

static SSL_CTX	*tls;			/* one for all, made when needed */

static void __attribute__((format(printf, 2, 3)))
set_why(struct talk *t, const char *fmt, ...)
{
	va_list	 ap;

	va_start(ap, fmt);
	vsnprintf(t->why, sizeof(t->why), fmt, ap);
	va_end(ap);
}

static enum talk_want
good(struct talk *t)
{
	t->good = true;
	return TALK_OVER;
}

/* Send what is queued: TALK_OVER when broken, TALK_IN when all is out. */
static enum talk_want
flush(struct talk *t)
{
	ssize_t	 n;

	while (t->sent < t->nout) {
		n = send(t->fd, t->out + t->sent, t->nout - t->sent,
		    MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n == -1 && errno == EAGAIN)
			return TALK_OUT;
		if (n == -1) {
			set_why(t, "write: %s", strerror(errno));
			return TALK_OVER;
		}
		t->sent += (size_t)n;
	}
	return TALK_IN;
}

/* Read on until `upto' bytes are here: TALK_OUT then, our turn to speak. */
static enum talk_want
fill(struct talk *t, size_t upto)
{
	ssize_t	 n;

	while (t->nin < upto) {
		n = recv(t->fd, t->in + t->nin, upto - t->nin, MSG_DONTWAIT);
		if (n == -1 && errno == EAGAIN)
			return TALK_IN;
		if (n <= 0) {
			set_why(t, "read: %s", n == 0 ? "end of stream" :
			    strerror(errno));
			return TALK_OVER;
		}
		t->nin += (size_t)n;
	}
	return TALK_OUT;
}

static enum talk_want
step_expect(struct talk *t)
{
	enum talk_want	 want = flush(t);

	if (want != TALK_IN)
		return want;
	want = fill(t, sizeof(t->in));
	if (memmem(t->in, t->nin, t->task.expect,
	    strlen(t->task.expect)) != NULL)
		return good(t);
	if (want == TALK_OUT)
		set_why(t, "no \"%.64s\" in its first %d bytes",
		    t->task.expect, TALK_READ_MAX);
	return want == TALK_IN ? TALK_IN : TALK_OVER;
}

static void
put_packet(struct talk *t, uint8_t sequence, const void *payload, size_t len)
{
	struct wr	 w;

	wr_init(&w, t->out, sizeof(t->out));
	wr_u8(&w, (uint8_t)len);	/* little-endian, and short */
	wr_u16(&w, 0);
	wr_u8(&w, sequence);
	wr_bytes(&w, payload, len);
	t->nout = wr_len(&w);
	t->sent = 0;
}

/*
 * Log in as nobody.  A server counts a connection that ends before its
 * handshake is over towards max_connect_errors, and then blocks this host; one
 * that is denied it does not.
 */
static void
answer_greeting(struct talk *t, uint8_t sequence)
{
	static const uint8_t	 head[] = {
		/* LONG_PASSWORD, PROTOCOL_41, SECURE_CONNECTION, PLUGIN_AUTH */
		0x01, 0x82, 0x08, 0x00,
		0x00, 0x00, 0x00, 0x01,		/* longest packet */
		33,				/* utf8 */
	};
	static const char	 user[] = "sallyport-check";
	static const char	 plugin[] = "mysql_native_password";
	uint8_t			 payload[128];
	struct wr		 w;

	wr_init(&w, payload, sizeof(payload));
	wr_bytes(&w, head, sizeof(head));
	for (int i = 0; i < 23; i++)
		wr_u8(&w, 0);
	wr_bytes(&w, user, sizeof(user));
	wr_u8(&w, 0);				/* no password */
	wr_bytes(&w, plugin, sizeof(plugin));
	put_packet(t, sequence, payload, wr_len(&w));
}

/* "error 1040: Too many connections" */
static void
say_mysql_error(struct talk *t, struct rd *r)
{
	uint8_t		 low = rd_u8(r), high = rd_u8(r);
	const uint8_t	*text = r->p;
	int		 len = 0;

	while (r->left > 0 && len < 100 && rd_u8(r) >= ' ')
		len++;
	set_why(t, "error %u: %.*s", high * 256u + low, len,
	    len > 0 ? (const char *)text : "");
}

static enum talk_want
on_greeting(struct talk *t, struct rd *r, uint8_t sequence)
{
	switch (rd_u8(r)) {
	case 10:
		t->good = true;
		answer_greeting(t, (uint8_t)(sequence + 1));
		return TALK_OUT;
	case MYSQL_ERR:
		say_mysql_error(t, r);
		return TALK_OVER;
	}
	set_why(t, "it does not greet as MySQL does");
	return TALK_OVER;
}

/* The server is good; all that is left is to part as it likes it. */
static enum talk_want
on_login_answer(struct talk *t, struct rd *r, uint8_t sequence)
{
	static const uint8_t	 quit[] = { 0x01 };

	switch (rd_u8(r)) {
	case MYSQL_SWITCH:
		put_packet(t, (uint8_t)(sequence + 1), NULL, 0);
		return TALK_OUT;
	case MYSQL_OK:			/* nobody is welcome there */
		put_packet(t, 0, quit, sizeof(quit));
		(void)flush(t);
	}
	return TALK_OVER;
}

/* One packet; what follows it must wait for our answer. */
static enum talk_want
step_mysql(struct talk *t)
{
	enum talk_want	 want = flush(t);
	struct rd	 r;
	size_t		 len;
	uint8_t		 sequence;

	if (want != TALK_IN)
		return want;
	if ((want = fill(t, 4)) != TALK_OUT)
		return want;
	rd_init(&r, t->in, t->nin);
	len = rd_u8(&r);
	len |= (size_t)rd_u8(&r) << 8 | (size_t)rd_u8(&r) << 16;
	sequence = rd_u8(&r);
	if (len == 0 || len > sizeof(t->in) - 4 ||
	    t->rounds == MYSQL_ROUNDS) {
		set_why(t, "it does not greet as MySQL does");
		return TALK_OVER;
	}
	if ((want = fill(t, 4 + len)) != TALK_OUT)
		return want;
	t->nin = 0;
	t->rounds++;
	rd_init(&r, t->in + 4, len);
	want = t->good ? on_login_answer(t, &r, sequence) :
	    on_greeting(t, &r, sequence);
	return want == TALK_OUT ? step_mysql(t) : want;
}

static const char *
tls_reason(int error)
{
	unsigned long	 e = ERR_peek_last_error();
	const char	*text = e == 0 ? NULL : ERR_reason_error_string(e);

	if (text != NULL)
		return text;
	return error == SSL_ERROR_SYSCALL && errno != 0 ? strerror(errno) :
	    "end of stream";
}

static enum talk_want
step_tls(struct talk *t)
{
	int	 rc, error;

	if (t->ssl == NULL)
		return TALK_OVER;
	ERR_clear_error();
	errno = 0;
	rc = SSL_connect(t->ssl);
	if (rc == 1) {
		(void)SSL_shutdown(t->ssl);
		return good(t);
	}
	error = SSL_get_error(t->ssl, rc);
	if (error == SSL_ERROR_WANT_READ)
		return TALK_IN;
	if (error == SSL_ERROR_WANT_WRITE)
		return TALK_OUT;
	set_why(t, "TLS: %s", tls_reason(error));
	return TALK_OVER;
}

/* What SSL_set_tlsext_host_name() is, without casting const away. */
static bool
set_name(SSL *ssl, const char *name)
{
	return SSL_ctrl(ssl, SSL_CTRL_SET_TLSEXT_HOSTNAME,
	    TLSEXT_NAMETYPE_host_name, (void *)(uintptr_t)name) == 1;
}

/* Whose certificate it is matters to those who serve, not to a check. */
static void
begin_tls(struct talk *t)
{
	if (tls == NULL && (tls = SSL_CTX_new(TLS_client_method())) != NULL)
		SSL_CTX_set_verify(tls, SSL_VERIFY_NONE, NULL);
	t->ssl = tls == NULL ? NULL : SSL_new(tls);
	if (t->ssl == NULL || SSL_set_fd(t->ssl, t->fd) != 1 ||
	    (t->task.name != NULL && !set_name(t->ssl, t->task.name))) {
		set_why(t, "TLS: %s", tls_reason(SSL_ERROR_SSL));
		SSL_free(t->ssl);
		t->ssl = NULL;
	}
}

struct talk *
talk_new(const struct talk_task *task, int fd)
{
	struct talk	*t = mem_calloc(1, sizeof(*t));
	size_t		 len;

	t->task = *task;
	t->fd = fd;
	set_why(t, task->type == CONF_CHECK_MYSQL ? "no greeting in time" :
	    "no answer in time");
	if (task->type == CONF_CHECK_TLS)
		begin_tls(t);
	if (task->type == CONF_CHECK_EXPECT) {
		len = strlen(task->send);
		t->nout = len < sizeof(t->out) ? len : sizeof(t->out);
		memcpy(t->out, task->send, t->nout);
	}
	return t;
}

void
talk_free(struct talk **talk)
{
	if (*talk == NULL)
		return;
	SSL_free((*talk)->ssl);
	free(*talk);
	*talk = NULL;
}

enum talk_want
talk_step(struct talk *t)
{
	switch (t->task.type) {
	case CONF_CHECK_MYSQL:
		return step_mysql(t);
	case CONF_CHECK_TLS:
		return step_tls(t);
	case CONF_CHECK_EXPECT:
		return step_expect(t);
	}
	return good(t);
}

const char *
talk_verdict(const struct talk *t)
{
	return t->good ? NULL : t->why;
}
