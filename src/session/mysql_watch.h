/*
 * mysql_watch.h - COM_CHANGE_USER among what a MySQL client says after its
 * login: with it a login goes on again, in the middle of a session.
 *
 * Where one side of a session keeps a secret and the other does not, that
 * must be led as the first one was (mysql_exchange.h), or a password that was
 * meant for TLS would go on in clear.  So whoever relays has the client's
 * packets looked at, and stops where one begins that is such a command.
 *
 * A packet with number 0 begins a command, but for one that continues a
 * longer one, and one of those that a client sends when it is asked for a
 * local file: these count on from the server's, beyond 255 and over 0, and
 * the server says nothing between them.
 */
#ifndef SESSION_MYSQL_WATCH_H
#define SESSION_MYSQL_WATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "session/end.h"
#include "session/flow.h"
#include "session/mysql_exchange.h"

#define MYSQL_ER_DENIED	1227	/* ER_SPECIFIC_ACCESS_DENIED_ERROR */

struct mysql_watch {
	const flow_count	*down;		/* what the client was sent */
	uint64_t		 down_then;	/* at its last packet */
	uint32_t		 left;		/* of that packet */
	bool			 goes_on;	/* in the next one */
	uint8_t			 seq;
};

/* A flow_look; ctx is the watch, which begins behind the login. */
size_t	 mysql_watch_look(void *ctx, const uint8_t *p, size_t n, bool *stop);

/*
 * Change the user, by the exchange of the login, whose `deadline' is set
 * anew.  The command begins at p, of which n bytes are here; *used says how
 * many were of it.  The client's capabilities, and those the server has been
 * told; *who is what the command says, whatever becomes of it.
 * True when the session goes on, whatever the server has said; else *end and
 * x->why, and the client has been told.
 */
bool	 mysql_watch_change(struct mysql_exchange *x, uint32_t caps,
	    uint32_t back_caps, const uint8_t *p, size_t n, size_t *used,
	    struct mysql_who *who, enum end *end);

/*
 * Answer a command ourselves: with error 1227, if it is one that is answered.
 * It begins at p, of which n bytes are here; *used says how many were of it.
 * Its payload is mysql_side_payload() of x->front then.  False, with *end and
 * x->why, when the session cannot go on.
 */
bool	 mysql_watch_deny(struct mysql_exchange *x, bool answered,
	    const uint8_t *p, size_t n, size_t *used, enum end *end);

#endif
