/*
 * mysql_packet.h - what MySQL's protocol is made of: packets, and the
 * numbers, strings and answers in them.
 *
 * A packet is a length of three bytes, little-endian, a sequence number and
 * that many bytes.  One of MYSQL_PACKET_MAX bytes is continued by the next,
 * even if that is empty.  Decoders here work on a payload, which is what the
 * packets of one message carry together.
 *
 * Source: MySQL Internals, "MySQL Packets" and "Generic Response Packets";
 * MariaDB, "Client/Server Protocol".
 */
#ifndef WIRE_MYSQL_PACKET_H
#define WIRE_MYSQL_PACKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

#define MYSQL_HEADER_LEN	4
#define MYSQL_PACKET_MAX	0xffffffu

/* What a side can do; what both can is agreed on. */
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

/* The first byte of what a server answers. */
enum {
	MYSQL_OK = 0x00,
	MYSQL_MORE_DATA = 0x01,		/* while a login goes on */
	MYSQL_NEXT_FACTOR = 0x02,	/* while a login goes on */
	MYSQL_LOCAL_INFILE = 0xfb,
	MYSQL_EOF = 0xfe,
	MYSQL_SWITCH = 0xfe,		/* while a login goes on */
	MYSQL_ERR = 0xff,
};

/* The first byte of what a client asks. */
enum mysql_command {
	MYSQL_COM_QUIT = 0x01,
	MYSQL_COM_INIT_DB = 0x02,
	MYSQL_COM_QUERY = 0x03,
	MYSQL_COM_FIELD_LIST = 0x04,
	MYSQL_COM_CREATE_DB = 0x05,
	MYSQL_COM_DROP_DB = 0x06,
	MYSQL_COM_REFRESH = 0x07,
	MYSQL_COM_SHUTDOWN = 0x08,
	MYSQL_COM_STATISTICS = 0x09,
	MYSQL_COM_PROCESS_INFO = 0x0a,
	MYSQL_COM_PROCESS_KILL = 0x0c,
	MYSQL_COM_DEBUG = 0x0d,
	MYSQL_COM_PING = 0x0e,
	MYSQL_COM_CHANGE_USER = 0x11,
	MYSQL_COM_BINLOG_DUMP = 0x12,
	MYSQL_COM_REGISTER_SLAVE = 0x15,
	MYSQL_COM_STMT_PREPARE = 0x16,
	MYSQL_COM_STMT_EXECUTE = 0x17,
	MYSQL_COM_STMT_SEND_LONG_DATA = 0x18,
	MYSQL_COM_STMT_CLOSE = 0x19,
	MYSQL_COM_STMT_RESET = 0x1a,
	MYSQL_COM_SET_OPTION = 0x1b,
	MYSQL_COM_STMT_FETCH = 0x1c,
	MYSQL_COM_BINLOG_DUMP_GTID = 0x1e,
	MYSQL_COM_RESET_CONNECTION = 0x1f,
	MYSQL_COM_CLONE = 0x20,
	MYSQL_COM_SUBSCRIBE_GROUP = 0x21,
	MYSQL_COM_STMT_BULK_EXECUTE = 0xfa,
};

#define MYSQL_COMMANDS	256		/* numbers that there may be */

struct mysql_header {
	uint32_t	 len;		/* at most MYSQL_PACKET_MAX */
	uint8_t		 seq;
};

void	 mysql_header_decode(const uint8_t p[MYSQL_HEADER_LEN],
	    struct mysql_header *h);
void	 mysql_header_encode(uint8_t p[MYSQL_HEADER_LEN],
	    const struct mysql_header *h);

/* Bytes that are not a string of C: they may hold NULs. */
struct mysql_bytes {
	const uint8_t	*p;		/* NULL: there is none */
	size_t		 len;
};

/*
 * A length-encoded number: 1, 3, 4 or 9 bytes, also more than it needs.  0xfb
 * (NULL of a row) and 0xff are none: r->bad.
 */
uint64_t		 mysql_rd_lenenc(struct rd *r);
void			 mysql_wr_lenenc(struct wr *w, uint64_t n);
/*
 * The bytes that such a number announces, or one of a single byte; NUL-ended
 * ones without the NUL.
 */
struct mysql_bytes	 mysql_rd_string(struct rd *r);
struct mysql_bytes	 mysql_rd_short(struct rd *r);
struct mysql_bytes	 mysql_rd_cstring(struct rd *r);
/*
 * Ended by a NUL or with the payload, as some peers leave the last NUL out.
 * An empty one is none.
 */
struct mysql_bytes	 mysql_rd_last(struct rd *r);
/* All that is left. */
struct mysql_bytes	 mysql_rd_rest(struct rd *r);
void			 mysql_wr_string(struct wr *w, struct mysql_bytes b);
/* More than 255 bytes do not fit. */
void			 mysql_wr_short(struct wr *w, struct mysql_bytes b);
/* What has a NUL inside would end there: it is not written, w->bad. */
void			 mysql_wr_cstring(struct wr *w, struct mysql_bytes b);

/*
 * An error.  Before the capabilities are agreed on it has no state.  From
 * MariaDB, code 0xffff is no error but how far a statement has come, where
 * that was agreed on; it is not taken apart here.
 */
struct mysql_error {
	uint16_t		 code;
	char			 state[6];	/* 5 letters and digits, or ""
						   for none */
	struct mysql_bytes	 text;
};

/* The payload of one, its 0xff included.  0, or -1 when it is none. */
int	 mysql_error_decode(struct rd *r, struct mysql_error *e);
void	 mysql_error_encode(struct wr *w, const struct mysql_error *e);

/*
 * An OK; `caps' as client and server agreed on them (MYSQL_CAP_*): with
 * SESSION_TRACK the state may follow the information.  That is always
 * length-encoded: the manual has it to the end of the payload where there is
 * no SESSION_TRACK, but servers write the length there too, and clients skip
 * it unseen.  What has none, as the manual says, is decoded as well.
 */
struct mysql_ok {
	uint64_t		 affected, insert_id;
	uint16_t		 status, warnings;
	struct mysql_bytes	 info;
	struct mysql_bytes	 state_changes;	/* with STATE_CHANGED */
};

#define MYSQL_STATUS_MORE_RESULTS	0x0008
#define MYSQL_STATUS_STATE_CHANGED	0x4000

/*
 * 0x00 or, where results end so, 0xfe first; 0x00 is encoded.  0, or -1 when
 * it is none; what stands behind one is left alone.
 */
int	 mysql_ok_decode(struct rd *r, uint32_t caps, struct mysql_ok *ok);
void	 mysql_ok_encode(struct wr *w, uint32_t caps,
	    const struct mysql_ok *ok);

/* "Query", "Prepare" and so on, as MySQL names them; NULL: no command. */
const char	*mysql_command_text(uint8_t command);

/* "query", "stmt_prepare": the manual's, without COM_; NULL: no command. */
const char	*mysql_command_name(uint8_t command);
/* The command of that name, or -1. */
int		 mysql_command_find(const char *name);

#endif
