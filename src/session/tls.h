/*
 * tls.h - TLS over a connection that is open, as a server or as a client.
 *
 * What a listener or a backend wants is made into a context once, before
 * workers are forked, from bytes that others read from files: so that they
 * share its memory, and a worker can read no file.  Private keys are not in
 * it: a context has certificates, and keys that are used by asking for each
 * signature (sign.h).
 *
 * Source: OpenSSL 3.0 manual, SSL_CTX_new(3) and on.
 */
#ifndef SESSION_TLS_H
#define SESSION_TLS_H

#include <openssl/evp.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "session/end.h"
#include "session/stream.h"
#include "session/told.h"

#define TLS_WHY_MAX	256	/* bytes */
#define TLS_NAME_MAX	256	/* bytes of a server name */
#define TLS_TICKET_KEYS	2	/* the one in use and the one before */

/* A file's bytes. */
struct tls_pem {
	const char	*data;		/* NULL: none */
	size_t		 len;
};

/* A certificate, what it was signed by, and its key. */
struct tls_identity {
	struct tls_pem	 certificate;	/* may hold the chain, too */
	struct tls_pem	 chain;
	EVP_PKEY	*key;		/* see sign.h; stays the caller's */
};

/*
 * Keys that seal session tickets, where all workers of a pool see them and
 * only the spawner writes: see tls_ticket_rotate().  RFC 5077 section 4.
 */
struct tls_ticket_key {
	uint8_t	 name[16];
	uint8_t	 aes[32];
	uint8_t	 hmac[32];
};

struct tls_tickets {
	_Atomic uint32_t	 version;	/* odd while they change */
	struct tls_ticket_key	 keys[TLS_TICKET_KEYS];	/* newest first */
};

enum tls_client_verify {
	TLS_CLIENT_NONE,		/* no certificate is asked for */
	TLS_CLIENT_OPTIONAL,		/* one that is sent must be good */
	TLS_CLIENT_REQUIRE,
};

struct tls_server_options {
	const struct tls_identity *identities;
	size_t			 nidentities;
	int			 min_version;	/* TLS1_2_VERSION and so on */
	const char		*ciphers;	/* TLS 1.2; "" for OpenSSL's */
	const char		*ciphersuites;	/* TLS 1.3; "" for OpenSSL's */
	const char		*curves;	/* "" for OpenSSL's */
	enum tls_client_verify	 verify;
	struct tls_pem		 client_ca, client_crl;
	struct tls_pem		 ocsp;		/* DER: a response to staple */
	const char		*const *alpn;	/* ends with NULL; NULL: none */
	const struct tls_tickets *tickets;	/* NULL: none are given */
	const char		*name;		/* of the listener: sessions are
						   resumed at no other */
};

struct tls_client_options {
	int			 min_version;
	struct tls_pem		 ca;		/* data NULL: the system's */
	bool			 verify_chain;
	bool			 verify_name;	/* against server_name */
	const struct tls_identity *identity;	/* NULL: none */
};

struct tls_server;
struct tls_client;

/* NULL with what is wrong in `why', of TLS_WHY_MAX bytes. */
struct tls_server	*tls_server_new(const struct tls_server_options *o,
			    char *why);
void			 tls_server_free(struct tls_server **s);
struct tls_client	*tls_client_new(const struct tls_client_options *o,
			    char *why);
void			 tls_client_free(struct tls_client **c);

/* A new key, the newest; those before move back.  By the spawner alone. */
void			 tls_ticket_rotate(struct tls_tickets *t);

/* What was agreed on. */
struct tls_facts {
	const char	*version;	/* "TLSv1.3" */
	const char	*cipher;
	bool		 resumed;
	char		 server_name[TLS_NAME_MAX];	/* "" for none */
	char		 alpn[TLS_NAME_MAX];		/* "" for none */
	char		 subject[TLS_NAME_MAX];	/* of the peer's certificate */
};

/*
 * The handshake, until `deadline', hearing signals.  The descriptor stays
 * the caller's and must be read by nobody else: what came before TLS is
 * never taken for a part of it, as nothing is read ahead of it.
 * The new stream, or NULL with *end and `why' (TLS_WHY_MAX bytes): END_TLS,
 * END_TIMEOUT, what told.h says, or `reset' when the peer is gone.
 */
struct stream	*tls_accept(struct tls_server *s, int fd, int64_t deadline,
		    const struct told *told, struct tls_facts *facts,
		    enum end *end, char *why);
struct stream	*tls_connect(struct tls_client *c, int fd,
		    const char *server_name, int64_t deadline,
		    const struct told *told, struct tls_facts *facts,
		    enum end *end, char *why);

/* SHA-256 of the certificate that we presented, in 32 bytes; -1: none. */
int		 tls_own_fingerprint(const struct stream *s, uint8_t *hash);

#endif
