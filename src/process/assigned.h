/*
 * assigned.h - what its hub has a link listen on: the ports, and who comes.
 *
 * The master binds, as far as accept_assign goes; the link accepts, and hands
 * each connection to a worker of its pool.  Ports live on for a while when the
 * hub is gone, until it assigns them again or does not.
 */
#ifndef PROCESS_ASSIGNED_H
#define PROCESS_ASSIGNED_H

#include <poll.h>

#include "policy/conf.h"
#include "process/setup.h"
#include "wire/tunnel.h"

struct assigned;

struct assigned_ops {
	/* The hub is to hear of it, by its number. */
	void	 (*answer)(void *ctx, uint32_t number, enum tunnel_code code,
		    const char *address);
};

struct assigned	*assigned_new(const struct setup *s,
		    const struct assigned_ops *ops, void *ctx);

/* The hub wants it: it is answered now, or when the master has. */
void	 assigned_add(struct assigned *a, uint32_t number, const char *topic,
	    const struct net_addr *addr);

/* What answers MSG_BIND: 0, or -1 for what is no answer. */
int	 assigned_bound(struct assigned *a, struct rd *r, int *fds);
int	 assigned_not_bound(struct assigned *a, struct rd *r);

/* The hub has gone, or is here and has had time to assign: drop the rest. */
void	 assigned_lost(struct assigned *a);
void	 assigned_settle(struct assigned *a);

/* What to poll(2), at most CONF_ASSIGNS_MAX; and what came of it. */
nfds_t	 assigned_gather(struct assigned *a, struct pollfd *fds);
void	 assigned_hear(struct assigned *a, const struct pollfd *fds,
	    nfds_t n);
/* When to call that without any, or INT64_MAX. */
int64_t	 assigned_due(const struct assigned *a);

#endif
