/*
 * tls_psk.h - TLS 1.3 between two who share a key that only they have.
 *
 * Without certificates or signatures, and with an ECDHE exchange beside the
 * key, so that whoever learns the key later can read nothing.  The server
 * speaks in its first flight already: the binder in the client's hello has
 * proved by then that the client has the key.
 *
 * Source: RFC 8446 sections 2.2 and 4.2.11; OpenSSL 3.0 manual,
 * SSL_CTX_set_psk_use_session_callback(3), SSL_read_early_data(3).
 */
#ifndef SESSION_TLS_PSK_H
#define SESSION_TLS_PSK_H

#include <stddef.h>
#include <stdint.h>

#include "session/end.h"
#include "session/stream.h"
#include "session/told.h"

#define TLS_PSK_KEY	32	/* bytes */

struct tls_psk;

struct tls_psk_key {
	const uint8_t	*identity;
	size_t		 identity_len;
	const uint8_t	*key;			/* TLS_PSK_KEY bytes */
};

/* Contexts of both kinds; `alpn' is what both must say.  NULL with `why'. */
struct tls_psk	*tls_psk_new(const char *alpn, char *why);
void		 tls_psk_free(struct tls_psk **p);

/*
 * As tls_accept() and tls_connect() in tls.h.  The server says the first len
 * bytes with its own hello: that is, before it knows that the client lives.
 * The client's waits for the server's hello may be long: until `deadline'.
 */
struct stream	*tls_psk_accept(struct tls_psk *p, int fd,
		    const struct tls_psk_key *key, const void *first,
		    size_t len, int64_t deadline, const struct told *told,
		    enum end *end, char *why);
struct stream	*tls_psk_connect(struct tls_psk *p, int fd,
		    const struct tls_psk_key *key, int64_t deadline,
		    const struct told *told, enum end *end, char *why);

#endif
