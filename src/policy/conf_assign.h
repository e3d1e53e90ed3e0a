/*
 * conf_assign.h - what a hub has its agents do, in a configuration: agents'
 * assign, and accept_assign of hubs.
 */
#ifndef POLICY_CONF_ASSIGN_H
#define POLICY_CONF_ASSIGN_H

#include "policy/conf.h"

/*
 * For conf_finish(), after conf_tunnel_finish(): check it, and make listeners
 * of what is listened on here, or forwarded to from here.
 */
void	 conf_assign_finish(struct conf *conf, struct conf_report *report);

/* What that topic means; of any agent with NULL.  NULL: nothing. */
const struct conf_assign	*conf_assign_find(const struct conf *conf,
				    const char *agent, const char *topic);

/* The agent's part of it, as net_parse() reads it. */
const char	*conf_assign_address(const struct conf_assign *a);

/* May that hub have us listen there, or forward to there? */
bool	 conf_accepts(const struct conf_hub *hub, bool listen,
	    const struct net_addr *a);

/* May it have us forward to paths? */
bool	 conf_accepts_paths(const struct conf_hub *hub);

/* What serves it for the hub: a listener without addresses, or CONF_NOWHERE. */
size_t	 conf_assigned_listener(const struct conf *conf, const char *pool);

#endif
