/*
 * mappings.h - which ports of the hub lead to which topics, and for whom.
 *
 * An agent that publishes a topic may have a port for it.  Other agents of
 * that topic share it, each as its holder.  Who leaves without a word holds
 * it for a while longer; with the last holder it ends.  An operator's has no
 * holder and ends when it is unmapped.  A mapping that is closed keeps its
 * port from other mappings, but not from other programs.
 *
 * No descriptors, no clock: binding is asked for by mappings_ops, and its
 * outcome told.  What is bound is the caller's, as `port'.
 */
#ifndef POLICY_MAPPINGS_H
#define POLICY_MAPPINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "policy/port_range.h"
#include "wire/tunnel.h"

#define MAPPINGS_MAX		1024
#define MAPPINGS_AGENT_MAX	256	/* of one agent */
#define MAPPINGS_HOLDERS_MAX	16	/* of one mapping */
#define MAPPINGS_TRIES		64	/* ports of a range that are in use */
#define MAPPINGS_CLAIM_MS	10000	/* for who is back to ask again */
#define MAPPINGS_POOL_MAX	40	/* bytes with the NUL */

struct mappings;

/* Who asked, to be answered by number; owner NULL for nobody. */
struct mappings_asker {
	void		*owner;
	uint32_t	 number;
};

struct mappings_want {
	const char		*agent;	/* "": an operator */
	const char		*pool;	/* whose workers serve its users */
	const char		*topic;
	struct port_want	 at;
	bool			 open, tls;
};

struct mappings_ops {
	/* May that agent, or operator, have that port there? */
	bool	 (*may)(void *ctx, const char *agent,
		    const struct net_addr *a);
	/* Bind it; mappings_bound() or mappings_failed() follows. */
	void	 (*bind)(void *ctx, uint32_t id, const char *agent,
		    const struct net_addr *a);
	/* What was bound by that id is to be no more. */
	void	 (*unbind)(void *ctx, uint32_t id, void *port);
	/* With TUNNEL_OK at that address. */
	void	 (*answer)(void *ctx, const struct mappings_asker *asker,
		    enum tunnel_code code, const struct net_addr *a);
};

struct mappings_facts {
	uint32_t	 id;
	struct net_addr	 addr;
	const char	*topic, *pool;
	const char	*agent;		/* the first holder; "": none */
	size_t		 agents;
	bool		 open, tls, here;	/* is a holder connected? */
};

struct mappings	*mappings_new(const struct mappings_ops *ops, void *ctx);
/* Nobody is told. */
void		 mappings_free(struct mappings **m);

/* It is answered before the call returns, or later. */
void	 mappings_map(struct mappings *m, const struct mappings_want *want,
	    const struct mappings_asker *asker);

/*
 * The outcome of a bind.  False when the mapping has ended meanwhile: then the
 * port is the caller's to unbind.
 */
bool	 mappings_bound(struct mappings *m, uint32_t id, void *port);
void	 mappings_failed(struct mappings *m, uint32_t id,
	    enum tunnel_code why);

/*
 * By an operator: the mapping at that address, or with one of family
 * AF_UNSPEC, the only one of that port.  It is answered.
 */
void	 mappings_unmap(struct mappings *m, const struct net_addr *a,
	    const struct mappings_asker *asker);
void	 mappings_set_open(struct mappings *m, const struct net_addr *a,
	    bool open, const struct mappings_asker *asker);

/* The agent is here (again), or is not: its ports stay for `hold_ms'. */
void	 mappings_join(struct mappings *m, const char *agent, int64_t now);
void	 mappings_leave(struct mappings *m, const char *agent,
	    int64_t hold_ms, int64_t now);
/* It does not publish that topic any more; NULL: any. */
void	 mappings_withdraw(struct mappings *m, const char *agent,
	    const char *topic);
/* That asker is gone, whatever it waits for. */
void	 mappings_forget(struct mappings *m, const void *owner);

/* Rights have changed: what none may have any more ends. */
void	 mappings_review(struct mappings *m);

/* What time alone brings.  When to be called again, or INT64_MAX. */
int64_t	 mappings_tick(struct mappings *m, int64_t now);

/* Does one of the pool lead to that topic? */
bool	 mappings_lead(const struct mappings *m, const char *pool,
	    const char *topic);
bool	 mappings_find(const struct mappings *m, uint32_t id,
	    struct mappings_facts *f);
/* The one with the least id above that. */
bool	 mappings_next(const struct mappings *m, uint32_t after,
	    struct mappings_facts *f);

#endif
