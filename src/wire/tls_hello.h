/*
 * tls_hello.h - what a TLS client says in its first words, without answering.
 *
 * For who has to know whom a connection is for before anybody takes part in
 * the handshake: the bytes are looked at and stay where they are.
 *
 * Source: RFC 8446 sections 4.1.2, 4.2 and 5.1; RFC 6066 section 3; RFC 7301.
 */
#ifndef WIRE_TLS_HELLO_H
#define WIRE_TLS_HELLO_H

#include <sys/types.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TLS_HELLO_RECORD	0x16	/* the first byte of any TLS client */
#define TLS_HELLO_MAX		(5 + 16384)	/* bytes, one record */

/* All point into what was decoded; NULL for what is not there. */
struct tls_hello {
	const uint8_t	*server_name;	/* the first */
	size_t		 server_name_len;
	const uint8_t	*alpn;		/* each a length u8 and so many bytes */
	size_t		 alpn_len;
	const uint8_t	*psk;		/* the first identity */
	size_t		 psk_len;
};

/*
 * Decode the record that data begins with.  Returns the bytes that it takes,
 * 0 when more are needed, or -1 when it is no ClientHello or one that goes on
 * in a second record.  *want is, with 0, how many bytes there must be to know
 * more.
 */
ssize_t	 tls_hello_decode(const uint8_t *data, size_t len,
	    struct tls_hello *h, size_t *want);

/* Is that protocol among those it can speak? */
bool	 tls_hello_offers(const struct tls_hello *h, const char *protocol);

#endif
