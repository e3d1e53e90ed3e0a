/*
 * mysql_handshake.h - how a MySQL session begins: the server's greeting, and
 * what the client answers.
 *
 * Everything is driven by capabilities, never by the text of a version.
 * Decoders take what real peers send, odd tails included; encoders write what
 * the manual says.  What they return points into the bytes that were decoded.
 *
 * Source: MySQL Internals, "Protocol::HandshakeV10", "Protocol::SSLRequest",
 * "Protocol::HandshakeResponse41"; MariaDB, "Connecting".
 */
#ifndef WIRE_MYSQL_HANDSHAKE_H
#define WIRE_MYSQL_HANDSHAKE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "wire/mysql_packet.h"

#define MYSQL_PROTOCOL_10	10
#define MYSQL_NONCE_LEN		20
#define MYSQL_SSL_REQUEST_LEN	32
#define MYSQL_PAYLOAD_MAX	(64 * 1024)	/* of a login's packet */

struct mysql_greeting {
	struct mysql_bytes	 version;
	uint32_t		 thread_id;
	/* What the plugin is to use; MYSQL_NONCE_LEN bytes of it are sent. */
	uint8_t			 nonce[MYSQL_NONCE_LEN];
	uint32_t		 caps;
	uint32_t		 mariadb_caps;	/* bits 32 up; LONG_PASSWORD
						   being clear */
	uint8_t			 charset;
	uint16_t		 status;
	struct mysql_bytes	 plugin;
};

/*
 * The payload of a server's first packet.  0, or -1: another version, or cut
 * before the end of the 10 bytes of filler.  What is missing behind them is
 * zero or empty: a server without PLUGIN_AUTH names no plugin, and the nonce
 * of an odd one may be shorter.
 */
int	 mysql_greeting_decode(struct rd *r, struct mysql_greeting *g);
void	 mysql_greeting_encode(struct wr *w, const struct mysql_greeting *g);

/* Of what may be missing, an empty one is none. */
struct mysql_response {
	uint32_t		 caps;		/* the client's that the server
						   had offered */
	uint32_t		 mariadb_caps;	/* all of the client's */
	uint32_t		 max_packet;
	uint8_t			 charset;
	struct mysql_bytes	 user;		/* from here on not in an
						   SSLRequest */
	struct mysql_bytes	 auth;
	struct mysql_bytes	 database;	/* p NULL: none */
	struct mysql_bytes	 plugin;	/* p NULL: none */
	struct mysql_bytes	 attributes;	/* within their length; p
						   NULL: none */
	uint8_t			 zstd_level;	/* with ZSTD */
	struct mysql_bytes	 tail;		/* what nobody understands */
};

/*
 * Is this payload, of `len' bytes in all, an SSLRequest?  Only if it has
 * CLIENT_SSL and that very length; it is decoded by the same function,
 * which then stops after the charset.
 */
bool	 mysql_is_ssl_request(const uint8_t *payload, size_t len);

/*
 * The payload of a client's answer.  Its own capabilities decide the layout,
 * those that the server had offered limit them: `offered' is what it saw.
 * Clients set bits that were not offered and write no field for them.
 * 0, or -1 when it is cut or of before 4.1.
 *
 * The user and the authentication data must be there.  Of the fields behind
 * them, those that are announced but missing are none; a database or plugin
 * may end with the payload; and from attributes that reach beyond it on, all
 * is tail.
 */
int	 mysql_response_decode(struct rd *r, uint32_t offered,
	    struct mysql_response *a);
void	 mysql_response_encode(struct wr *w, const struct mysql_response *a);
void	 mysql_ssl_request_encode(struct wr *w,
	    const struct mysql_response *a);

#endif
