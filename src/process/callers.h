/*
 * callers.h - the broker's side of mappings: who comes by such a port is given
 * to a worker of the hub's pool.
 *
 * The master opens ports (mapped.h), the table of them is mappings.h's, and
 * here are the sockets.  Whoever finds no worker stays in the port's queue.
 */
#ifndef PROCESS_CALLERS_H
#define PROCESS_CALLERS_H

#include "base/loop.h"
#include "policy/conf.h"
#include "policy/mappings.h"
#include "process/setup.h"

struct callers;

struct callers_ops {
	const struct conf	*(*conf)(void *ctx);	/* in effect */
	/* Where the workers of a pool take jobs from, or -1. */
	int			 (*jobs)(void *ctx, const char *pool);
	/* As mappings_ops has it. */
	void			 (*answer)(void *ctx,
				    const struct mappings_asker *asker,
				    enum tunnel_code code,
				    const struct net_addr *a);
};

struct callers	*callers_new(const struct setup *s, struct loop *loop,
		    const struct callers_ops *ops, void *ctx);
struct mappings	*callers_mappings(struct callers *c);

/* MSG_BOUND and MSG_NOT_BOUND; -1 for what is not as it must be. */
int	 callers_bound(struct callers *c, struct rd *r, int *fds);
int	 callers_not_bound(struct callers *c, struct rd *r);

/* Another daemon has the ports: take nobody in any more. */
void	 callers_drain(struct callers *c);

#endif
