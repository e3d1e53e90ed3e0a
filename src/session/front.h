/*
 * front.h - the user's side of a session until a server is dialled: who is
 * it, and may they come in?
 *
 * Where a proxy stands before us, its PROXY header tells who the client is,
 * and is believed only from those who may say it.  Whether a header is due
 * is a matter of configuration and never of a guess at the first bytes, or
 * any client could name itself as it likes.
 *
 * The descriptor is the caller's.  With no rule at all nothing is asked of
 * the system.
 */
#ifndef SESSION_FRONT_H
#define SESSION_FRONT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/net.h"
#include "policy/access.h"
#include "session/end.h"
#include "session/told.h"

#define FRONT_WHY_MAX	192	/* bytes */

struct front_rules {
	const struct access_net	*allow, *deny;	/* see access_allows() */
	size_t			 nallow, ndeny;
	bool			 proxy_accept;	/* a PROXY header is due */
	const struct access_net	*proxy_from;	/* from these alone */
	size_t			 nfrom;
};

struct front {
	int		 fd;		/* non-blocking */
	struct net_addr	 peer;		/* who is connected */
	struct net_addr	 client;	/* who it is: the peer, or whom the
					   peer's header names */
	struct net_addr	 to;		/* len 0: ask front_to() */
	bool		 proxied;	/* client and `to' are of a header */
	char		 why[FRONT_WHY_MAX];	/* when it is not let in */
};

/* A connection as it was accepted, with the address that accept(2) gave. */
void	 front_init(struct front *f, int fd, const struct net_addr *peer);

/*
 * Read the PROXY header, if one is due, and look whether the client may come
 * in, until `deadline' (io_now_ms).  Of what follows the header not a byte
 * is read.  Signals are heard while it waits; `told' may be NULL.
 * Returns 0, or -1 with *end and f->why: END_DENIED, END_PROXY_HEADER,
 * END_TIMEOUT, END_CLIENT_RESET, or what told.h says.
 */
int	 front_open(struct front *f, const struct front_rules *rules,
	    int64_t deadline, const struct told *told, enum end *end);

/*
 * What the client had dialled: as the header has it, or as the socket has.
 * NULL with errno when that cannot be told.
 */
const struct net_addr	*front_to(struct front *f);

#endif
