/*
 * proxy_header.h - what a proxy says of its client, ahead of its bytes.
 *
 * PROXY protocol, haproxy doc/proxy-protocol.txt: section 2.1 is version 1,
 * a line of text; section 2.2 is version 2, a binary block with TLVs.  The
 * decoder takes either.  It believes what it reads: who may say it is for
 * its caller to settle, who must know whether a header is due at all.
 *
 * Nothing is owned here: what a decoded header points to lies in the bytes
 * that it was decoded from.
 */
#ifndef WIRE_PROXY_HEADER_H
#define WIRE_PROXY_HEADER_H

#include <sys/types.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/net.h"

#define PROXY_HEADER_LINE_MAX	107	/* bytes of version 1, with CR LF */
/* Bytes of version 2; 65535 would be legal behind its first 16. */
#define PROXY_HEADER_MAX	(16 + 4096)
#define PROXY_HEADER_ID_MAX	128	/* section 2.2.5 */
/* Bytes that hold any header of ours: two local sockets and an id. */
#define PROXY_HEADER_OUT_MAX	(16 + 2 * 108 + 3 + PROXY_HEADER_ID_MAX)

/* Bits of ssl_client, section 2.2.6. */
#define PROXY_HEADER_SSL	0x01	/* the client came by TLS */
#define PROXY_HEADER_CERT_CONN	0x02	/* a certificate, this connection */
#define PROXY_HEADER_CERT_SESS	0x04	/* a certificate, this TLS session */

/*
 * Local: the proxy speaks for itself, as to check our health, or cannot tell
 * for whom (LOCAL or UNSPEC in version 2, UNKNOWN in 1).  Whoever sent the
 * header is the client then, and all that follows here is empty.
 */
struct proxy_header {
	bool		 local;
	struct net_addr	 from;		/* the client, as the proxy saw it */
	struct net_addr	 to;		/* what the client had dialled */

	/* TLVs of version 2.  NULL: there is none.  They may hold any byte. */
	const uint8_t	*id;		/* names the connection */
	size_t		 id_len;	/* at most PROXY_HEADER_ID_MAX */
	const uint8_t	*authority;	/* the host name asked for, SNI */
	size_t		 authority_len;
	uint8_t		 ssl_client;	/* bits; 0 if there is no such TLV */
	/*
	 * 0: the certificate of the client was verified.  Ask it only where
	 * a certificate bit is set: some send 0 when there was none.
	 */
	uint32_t	 ssl_verify;
};

/*
 * Decode the header that data begins with; what stands behind it is left
 * alone.  Returns the bytes that it takes, at most PROXY_HEADER_MAX; 0 when
 * more are needed; or -1 with the reason in *why when no further byte can
 * make a header of it.  That is told at the first byte that fits neither
 * version, field by field in version 1, and in version 2 by the first 16
 * bytes and then at the end, as its sender has promised a length.
 * Only what was returned with a number above 0 is whole in *h.
 *
 * Datagrams, types of TLV that come twice where once is all that makes
 * sense, and a wrong PP2_TYPE_CRC32C are refused; other TLVs are skipped.
 */
ssize_t	 proxy_header_decode(const void *data, size_t size,
	    struct proxy_header *h, const char **why);

/*
 * Encode a header of version 1 or 2 into buf, PROXY_HEADER_OUT_MAX bytes.
 * Returns the bytes written.
 *
 * IPv4 mapped into IPv6 is written as IPv4 when both ends can be.  Ends of
 * two families, and in version 1 local sockets, cannot be told: the header
 * says UNKNOWN or AF_UNSPEC.  Both are NULL on a connection of our own, which
 * is LOCAL in version 2; version 1 has nothing better than UNKNOWN, which
 * some servers refuse.  Version 2 carries the id as PP2_TYPE_UNIQUE_ID unless
 * it is NULL, or longer than PROXY_HEADER_ID_MAX, or the header LOCAL.
 */
size_t	 proxy_header_encode(int version, const struct net_addr *from,
	    const struct net_addr *to, const void *id, size_t id_len,
	    uint8_t *buf);

#endif
