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
#define MYSQL_PAYLOAD_MAX	(64 * 1024)	/* of any while a login goes on */

#define MYSQL_CAP_LONG_PASSWORD		0x00000001u	/* clear: MariaDB */
#define MYSQL_CAP_FOUND_ROWS		0x00000002u
#define MYSQL_CAP_LONG_FLAG		0x00000004u
#define MYSQL_CAP_CONNECT_WITH_DB	0x00000008u
#define MYSQL_CAP_NO_SCHEMA		0x00000010u
#define MYSQL_CAP_COMPRESS		0x00000020u
#define MYSQL_CAP_ODBC			0x00000040u
#define MYSQL_CAP_LOCAL_FILES		0x00000080u
#define MYSQL_CAP_IGNORE_SPACE		0x00000100u
#define MYSQL_CAP_PROTOCOL_41		0x00000200u
#define MYSQL_CAP_INTERACTIVE		0x00000400u
#define MYSQL_CAP_SSL			0x00000800u
#define MYSQL_CAP_IGNORE_SIGPIPE	0x00001000u
#define MYSQL_CAP_TRANSACTIONS		0x00002000u
#define MYSQL_CAP_SECURE_CONNECTION	0x00008000u
#define MYSQL_CAP_MULTI_STATEMENTS	0x00010000u
#define MYSQL_CAP_MULTI_RESULTS		0x00020000u
#define MYSQL_CAP_PS_MULTI_RESULTS	0x00040000u
#define MYSQL_CAP_PLUGIN_AUTH		0x00080000u
#define MYSQL_CAP_CONNECT_ATTRS		0x00100000u
#define MYSQL_CAP_PLUGIN_AUTH_LENENC	0x00200000u
#define MYSQL_CAP_EXPIRED_PASSWORDS	0x00400000u
#define MYSQL_CAP_SESSION_TRACK		0x00800000u
#define MYSQL_CAP_DEPRECATE_EOF		0x01000000u
#define MYSQL_CAP_OPTIONAL_METADATA	0x02000000u
#define MYSQL_CAP_ZSTD			0x04000000u
#define MYSQL_CAP_QUERY_ATTRIBUTES	0x08000000u
#define MYSQL_CAP_MULTI_FACTOR		0x10000000u
#define MYSQL_CAP_EXTENSION		0x20000000u
#define MYSQL_CAP_VERIFY_CERT		0x40000000u
#define MYSQL_CAP_REMEMBER_OPTIONS	0x80000000u

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

/* The payload of a server's first packet.  0, or -1: another version or cut. */
int	 mysql_greeting_decode(struct rd *r, struct mysql_greeting *g);
void	 mysql_greeting_encode(struct wr *w, const struct mysql_greeting *g);

struct mysql_response {
	uint32_t		 caps;
	uint32_t		 mariadb_caps;
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
 * 0, or -1 when it is cut or of before 4.1.
 */
int	 mysql_response_decode(struct rd *r, uint32_t offered,
	    struct mysql_response *a);
/* By a->caps; what is not in them is not written. */
void	 mysql_response_encode(struct wr *w, const struct mysql_response *a);
void	 mysql_ssl_request_encode(struct wr *w,
	    const struct mysql_response *a);

#endif
