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
#include "session/tls_pem.h"
#include "session/tls_ticket.h"
#include "session/tls_why.h"
#include "session/told.h"

#define TLS_NAME_MAX	256	/* bytes of a server name */

/* A certificate, what it was signed by, and its key. */
struct tls_identity {
	struct tls_pem	 certificate;	/* may hold the chain, too */
	struct tls_pem	 chain;
	EVP_PKEY	*key;		/* see sign.h; stays the caller's */
};

enum tls_client_verify {
	TLS_CLIENT_NONE,		/* no certificate is asked for */
	TLS_CLIENT_OPTIONAL,		/* one that is sent must be good */
	TLS_CLIENT_REQUIRE,
};

/*
 * Of the identities a client gets the first that its hello names, as it also
 * tells which kinds of key it can check; else the first of those kinds.
 * Before TLS 1.2 signatures are made with SHA-1, which takes OpenSSL's
 * security level 0: a min_version below has that, for all.
 * With client_crl each certificate of a client's chain needs a CRL by its
 * issuer.  A CA that is listed is trusted, whoever signed it.
 * An OCSP response goes out with the certificate that it is about, until it
 * has expired.
 */
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
	/*
	 * Of the listener: sessions are resumed at no other, nor under another
	 * client_ca or client_crl, nor with a certificate that has expired.
	 */
	const char		*name;
};

struct tls_client_options {
	int			 min_version;
	struct tls_pem		 ca;		/* data NULL: the system's */
	bool			 verify_chain;
	bool			 verify_name;	/* against server_name; takes
						   verify_chain */
	const struct tls_identity *identity;	/* NULL: none */
	/*
	 * SHA-256 of the only public key that the server may have, as its
	 * certificate holds it; NULL: any that the rest lets pass.  With one,
	 * nothing else is verified.
	 */
	const uint8_t		*pin;
	const char		*alpn;		/* NULL: none is asked for */
};

#define TLS_PIN_LEN	32	/* bytes */

struct tls_server;
struct tls_client;

/*
 * NULL with what is wrong in `why', of TLS_WHY_MAX bytes.  Nothing of the
 * options is needed afterwards but tickets.
 */
struct tls_server	*tls_server_new(const struct tls_server_options *o,
			    char *why);
void			 tls_server_free(struct tls_server **s);
struct tls_client	*tls_client_new(const struct tls_client_options *o,
			    char *why);
void			 tls_client_free(struct tls_client **c);

/* The file of the CAs that the system trusts, which "the system's" are. */
const char		*tls_system_ca(void);

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
 * A server_name (NULL or "": none) that is an address is compared with the
 * server's certificate, and not sent.
 * The new stream, or NULL with *end and `why' (TLS_WHY_MAX bytes): END_TLS,
 * END_TIMEOUT, what told.h says, END_CLIENT_RESET of tls_accept() and
 * END_SERVER_RESET of tls_connect() when the peer is gone, or END_INTERNAL.
 * The peer has been sent an alert then, if there was room: who resets the
 * connection at once may keep it from being read.
 */
struct stream	*tls_accept(struct tls_server *s, int fd, int64_t deadline,
		    const struct told *told, struct tls_facts *facts,
		    enum end *end, char *why);
struct stream	*tls_connect(struct tls_client *c, int fd,
		    const char *server_name, int64_t deadline,
		    const struct told *told, struct tls_facts *facts,
		    enum end *end, char *why);

/*
 * What broke a stream whose read or write gave EPROTO, as for the log; "" when
 * nothing did.  With TLS 1.3 a server refuses our certificate only after
 * tls_connect(): so it is told here.
 */
void		 tls_stream_why(const struct stream *s, char *why);

/*
 * SHA-256 of the certificate that we presented, in 32 bytes: in a session
 * that was resumed, of the one that it began with.  0, or -1: there is none.
 */
int		 tls_own_fingerprint(const struct stream *s, uint8_t *hash);

/* Keying material of this connection, RFC 8446 section 7.5; 0, or -1. */
int	 tls_export(const struct stream *s, const char *label, uint8_t *out,
	    size_t len);

#endif
