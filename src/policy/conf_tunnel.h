/*
 * conf_tunnel.h - what a configuration says of hubs, agents and topics.
 */
#ifndef POLICY_CONF_TUNNEL_H
#define POLICY_CONF_TUNNEL_H

#include "policy/conf.h"
#include "wire/tunnel.h"

#define CONF_PARKED_MAX		32	/* data connections of an agent */
#define CONF_NETROXY_ID_MAX	(TUNNEL_ID_MAX - 6)	/* ":65535" */

/*
 * For conf_finish(), before listeners: check all of it, give each hub a
 * backend of its addresses and each service that is published a listener.
 */
void	 conf_tunnel_finish(struct conf *conf, struct conf_report *report);

/*
 * The backend that a forward "topic:NAME" or "topic:NAME@HUB" means, which is
 * made for it; or CONF_NOWHERE with the report.
 */
size_t	 conf_topic_backend(struct conf *conf, const char *where,
	    const char *key, const char *text, struct conf_report *report);

void	 conf_check_listener_hub(const struct conf_listener *l,
	    struct conf_report *report);

/* Is the topic among those?  They may be "*", and end with ".*". */
bool	 conf_allows_topic(const struct conf_texts *topics, const char *topic);

/*
 * May it have that port at that address opened here?  NULL, who is an
 * operator, may what is not below 1024.
 */
bool	 conf_may_map(const struct conf_agent *a, const struct net_addr *addr);

/* What serves the mappings of a pool with a hub, or CONF_NOWHERE. */
size_t	 conf_mapped_listener(const struct conf *conf, const char *pool);

/* Do agents connect there, of whichever protocol? */
bool	 conf_is_hub(const struct conf_listener *l);

/*
 * NULL: there is none.  A Netroxy client has a link "ID:PORT" for each of its
 * ports, and conf_agent_of() finds the agent of such a link, too.
 */
const struct conf_agent	*conf_agent_find(const struct conf *conf,
			    const char *id);
const struct conf_agent	*conf_agent_of(const struct conf *conf,
			    const char *link);
const struct conf_topic	*conf_topic_find(const struct conf *conf,
			    const char *name);

/* Does a pool ask the broker: has it agents, or users of topics here? */
bool	 conf_pool_has_broker(const struct conf *conf, const char *pool);
/* And does any?  With agents alone, topics may still be asked for. */
bool	 conf_has_broker(const struct conf *conf);
/* Does a pool speak to that hub, as its publisher or for users? */
bool	 conf_pool_knows_hub(const struct conf *conf, const char *pool,
	    size_t hub);
/* The hub that a pool publishes at, or CONF_NOWHERE. */
size_t	 conf_pool_publishes(const struct conf *conf, const char *pool);
/* Does a pool log in to a hub, or let agents in? */
bool	 conf_pool_has_proofs(const struct conf *conf, const char *pool);
bool	 conf_has_proofs(const struct conf *conf);
/* May a worker of the pool ask the broker for a topic on its own? */
bool	 conf_pool_may_open(const struct conf *conf, const char *pool,
	    const char *topic);

/* Workers of a pool at the most, with those that only wait. */
size_t	 conf_pool_workers(const struct conf *conf, const char *pool);

#endif
