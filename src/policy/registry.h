/*
 * registry.h - who offers which topic, who wants one, and who gets whom.
 *
 * A link is an agent that is connected; it offers topics, and has data
 * connections that are parked until a user comes.  A user wants a topic, and
 * waits for one of these.  No descriptors, no clock: the caller has the first
 * and gives the time (ms) with each call, and is told by registry_ops what is
 * to be done.  Handles are of this module; `owner' is the caller's.
 *
 * An agent that logs in again takes its own place at once.  Who else offers
 * the topic of another is placed by the topic's policy.  More than
 * REGISTRY_TAKEOVERS of them in a minute freeze who has it for a minute: two
 * agents do not evict each other for ever.
 */
#ifndef POLICY_REGISTRY_H
#define POLICY_REGISTRY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wire/tunnel.h"

#define REGISTRY_TAKEOVERS	3	/* a minute */
#define REGISTRY_PARKED_MIN	2	/* data connections of a link */
#define REGISTRY_PARKED_MAX	32
#define REGISTRY_PARK_MS	240000	/* +-20 %: then it is replaced */
#define REGISTRY_TICK_MS	1000
#define REGISTRY_LINK_TOPICS	4096	/* of one link */
#define REGISTRY_ELSEWHERE	8	/* agents that a user is tried with */

struct registry;
struct reg_link;
struct reg_parked;
struct reg_user;

struct reg_rule {
	int	 policy;		/* enum conf_policy */
	int64_t	 hold_ms;		/* without an agent */
	int64_t	 wait_ms;		/* with one, for a connection */
	int64_t	 max_sessions;		/* 0: no limit */
	int64_t	 rate_count, rate_ms;	/* users in that time; 0: no limit */
	int64_t	 waiting;
};

/* Of an agent; 0: no limit. */
struct reg_limits {
	int64_t	 max_sessions;
	int64_t	 rate_count, rate_ms;	/* users in that time */
	bool	 on_demand;		/* nothing is parked there: a
					   connection is for a user who waits */
};

struct registry_ops {
	/* What holds for that topic now. */
	void	 (*rule)(void *ctx, const char *topic, struct reg_rule *rule);
	/*
	 * The user has the connection, which is not parked any more; the
	 * session counts until registry_close().
	 */
	void	 (*pair)(void *ctx, void *user, void *parked, void *link);
	/* It has none, and is gone from here. */
	void	 (*refuse)(void *ctx, void *user, enum tunnel_code code);
	/* Have the agent open so many more. */
	void	 (*need)(void *ctx, void *link, size_t n);
	/* The link is gone from here: say goodbye to it. */
	void	 (*evict)(void *ctx, void *link, enum tunnel_code code);
	/* The connection is gone from here: close it. */
	void	 (*unpark)(void *ctx, void *parked);
	/* For the log: who has lost a topic to whom, or cannot have it. */
	void	 (*tell)(void *ctx, const char *topic, const char *from,
		    const char *to, bool frozen);
	/* A number at random, for what should not happen at one time. */
	uint32_t (*random)(void *ctx);
};

struct registry	*registry_new(const struct registry_ops *ops, void *ctx);
/* Nobody is told. */
void		 registry_free(struct registry **r);

/* The agent is connected; another link of the same id is evicted. */
struct reg_link	*registry_join(struct registry *r, void *owner,
		    const char *id, const struct reg_limits *limits,
		    int64_t now);
/* Its parked connections are unparked; sessions go on. */
void		 registry_leave(struct registry *r, struct reg_link *link,
		    int64_t now);

/* TUNNEL_OK, TUNNEL_TAKEN or TUNNEL_TOO_MANY. */
enum tunnel_code registry_register(struct registry *r, struct reg_link *link,
		    const char *topic, unsigned int weight, int64_t now);
void		 registry_withdraw(struct registry *r, struct reg_link *link,
		    const char *topic, int64_t now);
/* May users be sent there?  An agent says so of its service. */
void		 registry_health(struct registry *r, struct reg_link *link,
		    const char *topic, bool up, int64_t now);

/*
 * A connection that was asked for has come; or will not, as its ticket was
 * lost.  What was parked may be paired before the call returns.
 */
void		 registry_park(struct registry *r, struct reg_link *link,
		    void *owner, int64_t now);
void		 registry_lost(struct registry *r, struct reg_link *link,
		    int64_t now);
/* One that is parked has died. */
void		 registry_parked_died(struct registry *r, void *owner,
		    int64_t now);

/*
 * A user wants a topic: paired or refused then, or later.  With `again' the
 * connection that it had was dead, which it lets go of by that: it gets one
 * that was made after this, and none of those that lie there.  `elsewhere':
 * that agent does not reach its service; another one is tried, or the user
 * refused with TUNNEL_NO_SERVICE.
 */
struct reg_user	*registry_open(struct registry *r, void *owner,
		    const char *topic, int64_t now);
void		 registry_again(struct registry *r, struct reg_user *user,
		    int64_t now);
void		 registry_elsewhere(struct registry *r, struct reg_user *user,
		    int64_t now);
/* It has left, or its session is over. */
void		 registry_close(struct registry *r, struct reg_user *user,
		    int64_t now);

/*
 * No new users for an agent or a topic of that name, whether it is there or
 * not, until it is taken back.  False when there are REGISTRY_DRAINED_MAX.
 */
#define REGISTRY_DRAINED_MAX	256
bool		 registry_drain(struct registry *r, const char *name,
		    bool drained, int64_t now);

/* What time alone brings.  Returns when to be called again. */
int64_t		 registry_tick(struct registry *r, int64_t now);

/* For people. */
struct reg_link_facts {
	const char	*id;
	size_t		 topics, parked, sessions, waiting;
	bool		 drained;
	int64_t		 since;
};
struct reg_topic_facts {
	const char	*name;
	const char	*agent;		/* that users get; NULL: none */
	size_t		 agents, sessions, waiting;
	uint64_t	 takeovers;	/* ever */
	bool		 frozen, drained;
};
/* The one after that owner, or id, or name; NULL or "": the first. */
bool		 registry_next_link(const struct registry *r,
		    const char *after, struct reg_link_facts *f, int64_t now);
bool		 registry_next_topic(const struct registry *r,
		    const char *after, struct reg_topic_facts *f, int64_t now);
/* The link of an agent, or NULL. */
struct reg_link	*registry_find_link(const struct registry *r,
		    const char *id);
void		*registry_link_owner(const struct reg_link *link);

#endif
