/*
 * mysql_side.h - one side of a MySQL session while its login goes on: whole
 * packets, in turn, with that side's own sequence numbers.
 *
 * Each side counts by itself, because TLS and what is said to one side alone
 * put the two out of step; so every packet that is passed on is written anew.
 * Not a byte is read beyond a packet: what follows belongs to TLS, or to
 * those who relay.
 *
 * The stream is the caller's, and may be another after an upgrade to TLS.
 */
#ifndef SESSION_MYSQL_SIDE_H
#define SESSION_MYSQL_SIDE_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "session/end.h"
#include "session/stream.h"
#include "session/told.h"
#include "wire/mysql_handshake.h"

struct mysql_side {
	struct stream		*stream;
	uint8_t			 seq;		/* of the next packet */
	enum end		 gone;		/* what its end means */
	/* A packet, header and payload: the last that was read. */
	uint8_t			*packet;
	size_t			 room;		/* in it */
	size_t			 len;		/* of the payload */
	/* Read already, by others, and first in turn. */
	const uint8_t		*early;
	size_t			 nearly;
};

/* Frees the memory of packets, wiped; the stream is left alone. */
void	 mysql_side_init(struct mysql_side *m, struct stream *s,
	    enum end gone);
void	 mysql_side_end(struct mysql_side *m);

static inline const uint8_t *
mysql_side_payload(const struct mysql_side *m)
{
	return m->packet + MYSQL_HEADER_LEN;
}

/*
 * Read one packet.  0; or -1 with *end, and *why in the words of the log:
 * m->gone, END_PROTOCOL for one that is longer than MYSQL_PAYLOAD_MAX or out
 * of order, END_TIMEOUT, or what told.h says.
 */
int	 mysql_side_read(struct mysql_side *m, int64_t deadline,
	    const struct told *told, enum end *end, const char **why);

/* Write one.  At most MYSQL_PAYLOAD_MAX bytes, and 0 may be. */
int	 mysql_side_write(struct mysql_side *m, const void *payload,
	    size_t len, int64_t deadline, const struct told *told,
	    enum end *end, const char **why);

#endif
