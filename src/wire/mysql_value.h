/*
 * mysql_value.h - one value of MySQL's binary protocol, as people write it.
 *
 * Source: MySQL Internals, "Binary Protocol Value"; time zones as its client
 * library sends them.
 */
#ifndef WIRE_MYSQL_VALUE_H
#define WIRE_MYSQL_VALUE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "wire/mysql_packet.h"
#include "wire/query_record.h"

#define MYSQL_TYPE_UNSIGNED	0x8000	/* of a type as it is sent */

struct mysql_value {
	enum query_value	 kind;
	uint64_t		 len;		/* true length */
	struct mysql_bytes	 bytes;		/* in the payload, or in text;
						   p NULL: none */
	char			 text[64];
};

/* Is the type one that values have, so that their length can be told? */
bool	 mysql_type_is_known(uint16_t type);

/*
 * The next value, of a known type.
 *
 *	integers		digits
 *	FLOAT, DOUBLE		the shortest that reads back the same;
 *				"nan", "inf" and "-inf" are texts
 *	DATE, DATETIME,
 *	TIMESTAMP		YYYY-MM-DD[ hh:mm:ss[.ffffff[+hh:mm]]], as much
 *				of it as was sent
 *	TIME			[-]hh:mm:ss[.ffffff], days are hours
 *	all others		the bytes, as a text
 *
 * 1; or 0 when the payload ends before it does: then bytes is what is there of
 * a text, or none.  A date or time that is longer or shorter than any is
 * QUERY_UNKNOWN without bytes.
 */
int	 mysql_value_decode(struct rd *r, uint16_t type,
	    struct mysql_value *v);

#endif
