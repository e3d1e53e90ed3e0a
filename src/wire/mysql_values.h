/*
 * mysql_values.h - the values that a client sends with a prepared statement,
 * or with a query (its attributes).
 *
 * They come in the binary protocol.  Types are sent when they have changed;
 * else the ones that were sent last hold, which is why whoever follows a
 * statement keeps them.  What was sent ahead by COM_STMT_SEND_LONG_DATA has
 * no value here.
 *
 * The payload may be cut, as only so much of it was kept: what is whole of it
 * is told, and that there was more.
 *
 * Source: MySQL Internals, "COM_STMT_EXECUTE", "COM_QUERY", "Binary Protocol
 * Value"; MariaDB, "COM_STMT_BULK_EXECUTE".
 */
#ifndef WIRE_MYSQL_VALUES_H
#define WIRE_MYSQL_VALUES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "wire/mysql_packet.h"
#include "wire/query_record.h"

#define MYSQL_PARAMS_MAX	65535

#define MYSQL_CURSOR_MASK	0x07	/* of the flags: which cursor */
#define MYSQL_PARAMS_COUNTED	0x08	/* of the flags: how many follows, even
					   where the statement has none */

/* A parameter's value as it was sent ahead. */
struct mysql_long_data {
	bool			 is_sent;
	uint64_t		 len;		/* in all */
	struct mysql_bytes	 kept;		/* what is kept of it */
};

struct mysql_values {
	uint32_t		 caps;		/* agreed on: MYSQL_CAP_* */
	size_t			 nparams;	/* of the statement */
	uint16_t		*types;		/* of each: kept from one to the
						   next; bit 15: unsigned */
	bool			*have_types;	/* known?  Set when they
						   are read, cleared when new
						   ones were cut off; never
						   NULL */
	const struct mysql_long_data *long_data; /* of each, or NULL */
	bool			 secret;	/* values are not to be told */
	size_t			 value_max;	/* bytes kept of a text */
};

/* How a prepared statement is run: the head of the payload. */
struct mysql_execute {
	uint32_t	 id;			/* 0xffffffff: the last one
						   prepared (MariaDB) */
	uint16_t	 flags;
	bool		 bulk;
};

/*
 * The head of COM_STMT_EXECUTE or COM_STMT_BULK_EXECUTE, that byte left out.
 * 0, or -1 when it is cut.
 */
int	 mysql_execute_decode(struct rd *r, bool bulk,
	    struct mysql_execute *x);

/*
 * The rest of it: one list of values (query_record.h), of a bulk one for each
 * row, into w.  Then 1; or 0 when there was more: the payload ended too early,
 * the list is full, or a type is not known; or -1 when it contradicts itself.
 * Whatever was told before that stays in the list, with QUERY_UNKNOWN where the
 * payload did not end but could not be told further.  What stands behind the
 * last value is ignored, as servers do.  That a bulk was cut between two rows
 * does not show here.
 *
 * Numbers are whole; of anything else at most value_max bytes are kept, or
 * what fits into the list, or what is there of the last one: its true length
 * says so.  DEFAULT and IGNORE of a bulk are QUERY_UNKNOWN with that word.  A
 * date or time of a length that is none is QUERY_UNKNOWN as well, and servers
 * go on behind it, as we do.  With `secret', all values are QUERY_SECRET, and
 * neither their bytes nor their lengths are kept.
 *
 * MySQL's attributes behind the parameters are left out.  w is never bad
 * after it.
 */
int	 mysql_values_decode(struct rd *r, const struct mysql_execute *x,
	    const struct mysql_values *v, struct wr *w);

/*
 * Skip the attributes in front of a COM_QUERY's text, the command's byte left
 * out, where CLIENT_QUERY_ATTRIBUTES is agreed on: then r is at the text.
 * 0, or -1 when they are cut or malformed.
 */
int	 mysql_attributes_skip(struct rd *r, uint32_t caps);

/* The answer to COM_STMT_PREPARE, its 0x00 included. */
struct mysql_prepared {
	uint32_t	 id;
	uint16_t	 columns, params;
	bool		 metadata;	/* their definitions follow */
};

int	 mysql_prepared_decode(struct rd *r, uint32_t caps,
	    struct mysql_prepared *p);

#endif
