/*
 * tls_why.h - what OpenSSL complains of, in words for who runs the daemon.
 *
 * All take `why' of TLS_WHY_MAX bytes.
 */
#ifndef SESSION_TLS_WHY_H
#define SESSION_TLS_WHY_H

#include <openssl/ssl.h>

#define TLS_WHY_MAX	256	/* bytes */

/* "what: the first error of OpenSSL's queue", which is empty after that. */
void	 tls_why_error(char *why, const char *what);

/* The version as configurations have it: "TLSv1.2"; "" when unknown. */
const char	*tls_why_version(int version);

/*
 * A handshake that has failed, or a connection after it, for the `error' that
 * ERR_peek_error(3) gave.
 */
void	 tls_why_failed(char *why, SSL *ssl, unsigned long error);

#endif
