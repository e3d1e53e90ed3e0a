/*
 * back.h - the service's side of a session: find a server and connect to it.
 *
 * Servers are tried in the order the backend has them, and of each name
 * every address, until one answers or the time is over.  Each but the last
 * gets half of what time is left, so that one that swallows packets leaves
 * some for the next.
 */
#ifndef SESSION_BACK_H
#define SESSION_BACK_H

#include <stddef.h>
#include <stdint.h>

#include "base/net.h"
#include "session/end.h"

#define BACK_CANDIDATES_MAX	256
#define BACK_WHY_MAX		192	/* bytes */

struct back {
	int		 fd;		/* -1, or the connection, the caller's */
	struct net_addr	 server;	/* reached, or tried last */
	size_t		 tried;		/* addresses */
	char		 why[BACK_WHY_MAX];	/* when there is none */
};

/*
 * Dial the candidates in turn until `deadline' (io_now_ms).  The front is
 * watched: a client that is gone wants no server; SIGTERM ends it too.
 * Returns 0 with an open, non-blocking b->fd, or -1 with *end and b->why.
 */
int	 back_dial(struct back *b, const struct net_addr *candidates,
	    size_t n, int front, int64_t deadline, enum end *end);

#endif
