/*
 * tls_kit.h - what TLS is tested with: certificates made here, and a peer
 * that is OpenSSL itself and none of our code.
 *
 * All that is made stays until the process ends, which is no leak.
 */
#ifndef TLS_KIT_H
#define TLS_KIT_H

#include <sys/types.h>

#include <openssl/ssl.h>

#include <stdbool.h>
#include <stddef.h>

#include "session/stream.h"
#include "session/tls.h"

enum kit_key {
	KIT_P256,
	KIT_RSA,			/* 2048 bits: made once, then shared */
};

struct kit_cert {
	X509		*x;
	EVP_PKEY	*key;
	struct tls_pem	 pem;
};

struct kit_spec {
	const char		*cn;
	const char		*san;	/* "DNS:a.example,IP:::1"; NULL: none */
	enum kit_key		 key;
	const struct kit_cert	*by;	/* NULL: itself */
	bool			 ca;
	long			 until;	/* seconds from now; 0: a day */
};

/* Not to be freed.  Returns p. */
void			*kit_keep(void *p);
const struct kit_cert	*kit_cert(const struct kit_spec *spec);
/* A CRL of ca that takes back one, or none with NULL. */
struct tls_pem		 kit_crl(const struct kit_cert *ca,
			    const struct kit_cert *revoked);
/* What its CA says of it, for so many seconds from now: it is good. */
struct tls_pem		 kit_ocsp(const struct kit_cert *ca,
			    const struct kit_cert *cert, long until);
struct tls_identity	 kit_identity(const struct kit_cert *cert,
			    const struct kit_cert *chain);

/* Contexts of the peer; it trusts ca, or anybody with NULL. */
SSL_CTX	*kit_client(const struct kit_cert *ca);
SSL_CTX	*kit_server(const struct kit_cert *cert);
void	 kit_use(SSL_CTX *ctx, const struct kit_cert *cert);

/* OpenSSL's own macros for these take no constant text. */
void	 kit_name(SSL *ssl, const char *name);
void	 kit_groups(SSL_CTX *ctx, const char *list);
void	 kit_sigalgs(SSL_CTX *ctx, const char *list);

SSL	*kit_open(SSL_CTX *ctx, int fd, bool server);
/* Each waits UNIT_MS at most. */
bool	 kit_shake(SSL *ssl);
void	 kit_write(SSL *ssl, const void *data, size_t len);
void	 kit_expect(SSL *ssl, const void *data, size_t len);
/* Read on until there is no more, and count; what SSL_get_error(3) says. */
int	 kit_drain(SSL *ssl, size_t *len);
/* It has ended its stream with close_notify, and said nothing more. */
void	 kit_expect_end(SSL *ssl);

/*
 * Our side in a child, as in a worker that was forked after its contexts were
 * made: tls_accept(), and then what `then' does; NULL: all comes back, and the
 * end of it too.
 */
struct kit_report {
	bool			 ok;	/* the handshake */
	enum end		 end;
	char			 why[TLS_WHY_MAX];
	struct tls_facts	 facts;
	bool			 fingerprinted;
	uint8_t			 fingerprint[32];
	char			 broke[TLS_WHY_MAX];	/* tls_stream_why() */
	int			 value;	/* of `then' */
};

typedef void	 kit_then(struct stream *s, struct kit_report *r);

/* Which has `ms' for its handshake.  The peer's end of a TCP connection. */
int			 kit_serve(struct tls_server *server, int ms,
			    kit_then *then);
/* It is over, or the test fails. */
const struct kit_report	*kit_served(void);
pid_t			 kit_child(void);

#endif
