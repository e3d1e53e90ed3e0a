/*
 * netroxy_link.h - a link to a Netroxy server: what its client does there.
 *
 * Ports are asked for by publish.map, and for each user a worker of the pool
 * is given a job, as for other hubs.
 */
#ifndef PROCESS_NETROXY_LINK_H
#define PROCESS_NETROXY_LINK_H

#include "process/setup.h"
#include "session/stream.h"
#include "session/told.h"

#define NETROXY_LINK_WHY_MAX	128

struct netroxy_link {
	const struct setup	*s;
	size_t			 hub;		/* its index */
	struct net_addr		 addr;		/* where it was reached */
	struct stream		*stream;
	int			 fd;		/* under that */
	const struct told	*told;
	/* Wait for it until then: is there something?  May not return. */
	bool			 (*wait)(void *ctx, int fd, int64_t until);
	void			*ctx;
	/* What became of it. */
	bool			 up;		/* it let us in */
	bool			 denied;	/* or it did not */
	char			 why[NETROXY_LINK_WHY_MAX];
};

/* Log in and stay until one of the two ends it. */
void	 netroxy_link_run(struct netroxy_link *n);

#endif
