/*
 * tls_context.h - what the files of tls.h know of each other.
 */
#ifndef SESSION_TLS_CONTEXT_H
#define SESSION_TLS_CONTEXT_H

#include <openssl/ssl.h>

#include "session/tls.h"

struct tls_server {
	SSL_CTX			*ctx;
	struct tls_own		*own;		/* in the order given */
	size_t			 nown;
	uint8_t			*alpn;		/* as RFC 7301 has them */
	size_t			 alpn_len;
	uint8_t			*ocsp;
	size_t			 ocsp_len;
	const X509		*stapled;	/* whose ocsp is */
	int64_t			 ocsp_until;	/* time(3) */
};

/* A certificate with what goes with it; each a reference of ours. */
struct tls_own {
	X509			*certificate;
	STACK_OF(X509)		*chain;		/* without it */
	EVP_PKEY		*key;
};

struct tls_client {
	SSL_CTX			*ctx;
	bool			 verify_name;
	bool			 pinned;
	uint8_t			 pin[TLS_PIN_LEN];
};

/* A stream of the context, before its handshake; NULL. */
struct stream	*tls_stream_new(SSL_CTX *ctx, int fd);
SSL		*tls_stream_ssl(const struct stream *s);

/* The handshake, as tls_accept() and tls_connect() have it. */
int	 tls_stream_shake(struct stream *s, int64_t deadline,
	    const struct told *told, enum end reset, enum end *end, char *why);

/* 0, or -1 with `why', which begins with `what'. */
int	 tls_own_init(struct tls_own *own, const struct tls_identity *id,
	    const char *what, char *why);
/* Have ctx present it, with its chain and nothing else. */
int	 tls_own_use(SSL_CTX *ctx, const struct tls_own *own,
	    const char *what, char *why);
void	 tls_own_end(struct tls_own *own);

/* What contexts of both kinds have; NULL with `why'. */
SSL_CTX	*tls_context_new(const SSL_METHOD *method, int min_version,
	    char *why);

/*
 * Remember in the session which certificate it began with: when it is
 * resumed none is presented.  See tls_own_fingerprint().
 */
int	 tls_context_mark(SSL *ssl, void *unused);

#endif
