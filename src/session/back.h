/*
 * back.h - the service's side of a session: find a server and connect to it.
 *
 * Candidates are tried in their order, of each server every address, until
 * one answers or the time is over.  Each but the last gets half of what time
 * is left, so that one that swallows packets leaves some for the next.
 */
#ifndef SESSION_BACK_H
#define SESSION_BACK_H

#include <stddef.h>
#include <stdint.h>

#include "base/net.h"
#include "session/end.h"
#include "session/told.h"

#define BACK_CANDIDATES_MAX	256
#define BACK_WHY_MAX		192	/* bytes */

/* An address of a server; those of one server stand side by side. */
struct back_candidate {
	struct net_addr	 addr;
	uint32_t	 server;	/* the caller's number for it */
};

struct back_options {
	/* Dialled from; NULL or len 0: the kernel's choice. */
	const struct net_addr	*source;
	const struct net_tcp	*tcp;
	const struct told	*told;	/* NULL: nobody hears SIGIO */
	/*
	 * Called, unless NULL, for a server none of whose addresses could be
	 * dialled, before the next one is.  Not when the session ended
	 * meanwhile, and not for what is no fault of the server: a lack of
	 * ports, descriptors or memory, a source address that is not ours, or
	 * silence for less than both a second and an eighth of the time.
	 */
	void			(*failed)(void *ctx, uint32_t server);
	void			*ctx;
};

struct back {
	int		 fd;		/* -1, or the caller's connection */
	struct net_addr	 addr;		/* reached, or tried last */
	uint32_t	 server;	/* whose address that is */
	size_t		 tried;		/* addresses; 0: the two are unset */
	char		 why[BACK_WHY_MAX];	/* when there is none */
};

/*
 * Dial the candidates in turn until `deadline' (io_now_ms).  Those that the
 * source cannot reach, as of another family, are passed over.  The front is
 * watched: a client that is gone wants no server; signals are heard, see
 * told.h.
 * Returns 0 with an open, non-blocking b->fd, or -1 with *end and b->why.
 */
int	 back_dial(struct back *b, const struct back_candidate *candidates,
	    size_t n, const struct back_options *o, int front,
	    int64_t deadline, enum end *end);

/*
 * Say on a connection that is new who the client is and what it had dialled,
 * in a PROXY header of version 1 or 2; both NULL if it is for ourselves, as
 * for a check.  Version 2 carries the session's id unless that is NULL.
 * Returns 0, or -1 with *why when not all of it was taken: then
 * the connection is of no use.
 */
int	 back_send_proxy(int fd, int version, const struct net_addr *from,
	    const struct net_addr *to, const char *id, const char **why);

#endif
