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
	MYSQL_COM_STMT_BULK_EXECUTE = 0xfa,
};

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
 * A length-encoded number: 1, 3, 4 or 9 bytes.  0xfb (NULL of a row) and
 * 0xff are none: r->bad.
 */
uint64_t		 mysql_rd_lenenc(struct rd *r);
void			 mysql_wr_lenenc(struct wr *w, uint64_t n);
/* The bytes that such a number announces; NUL-ended ones without the NUL. */
struct mysql_bytes	 mysql_rd_string(struct rd *r);
struct mysql_bytes	 mysql_rd_cstring(struct rd *r);
/* All that is left. */
struct mysql_bytes	 mysql_rd_rest(struct rd *r);
void			 mysql_wr_string(struct wr *w, struct mysql_bytes b);
void			 mysql_wr_cstring(struct wr *w, struct mysql_bytes b);

/* An error.  Before the capabilities are agreed on it has no state. */
struct mysql_error {
	uint16_t		 code;
	char			 state[6];	/* "" for none */
	struct mysql_bytes	 text;
};

/* The payload of one, its 0xff included.  0, or -1 when it is none. */
int	 mysql_error_decode(struct rd *r, struct mysql_error *e);
void	 mysql_error_encode(struct wr *w, const struct mysql_error *e);

/*
 * An OK; `caps' as client and server agreed on them (MYSQL_CAP_*): with
 * SESSION_TRACK the information is length-encoded and the state may follow.
 */
struct mysql_ok {
	uint64_t		 affected, insert_id;
	uint16_t		 status, warnings;
	struct mysql_bytes	 info;
	struct mysql_bytes	 state_changes;	/* SESSION_STATE_CHANGED */
};

#define MYSQL_STATUS_MORE_RESULTS	0x0008
#define MYSQL_STATUS_STATE_CHANGED	0x4000

/* 0x00 or, where results end so, 0xfe first.  0, or -1 when it is none. */
int	 mysql_ok_decode(struct rd *r, uint32_t caps, struct mysql_ok *ok);
void	 mysql_ok_encode(struct wr *w, uint32_t caps,
	    const struct mysql_ok *ok);

/* "Query", "Prepare" and so on, as MySQL names them; NULL: no command. */
const char	*mysql_command_text(uint8_t command);

#endif
