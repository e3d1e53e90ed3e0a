/*
 * assign.h - what a hub has agents listen on and forward to, as it is written,
 * and what an agent lets be asked of it.
 *
 *	assign = { listen = "hub:127.0.0.1:13389"; forward = "agent:..."; }
 *	accept_assign = ( "forward 127.0.0.1:3389", "listen unix:/run/x.sock" )
 *
 * A rule's address is "any", for all hosts and ports; a host or network, or
 * "*", a colon and a port, two with "-" between them, or "*"; or "unix:" and a
 * path, whose last part may be "*".  Ports below 1024 are listened on only
 * where a rule has them in numbers.
 */
#ifndef POLICY_ASSIGN_H
#define POLICY_ASSIGN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/net.h"
#include "policy/access.h"

#define ASSIGN_TOPICS	"assign."	/* what their topics begin with */

struct assign_rule {
	bool			 listen;	/* or to forward */
	bool			 any_host, any_port, any_path;
	struct access_net	 net;		/* unless any_host */
	uint16_t		 low, high;	/* unless any_port */
	/* "": no path; any_path: all that is directly in it. */
	char			 path[sizeof(((struct sockaddr_un *)0)->
				    sun_path)];
};

/*
 * "hub:ADDRESS" or "agent:ADDRESS": is it at the agent?  *address is within
 * the text.  0, or -1.
 */
int	 assign_side_parse(const char *text, bool *agent,
	    const char **address);

/* 0, or -1 with what would be right in *why. */
int	 assign_rule_parse(const char *text, struct assign_rule *rule,
	    const char **why);
bool	 assign_rule_allows(const struct assign_rule *rule, bool listen,
	    const struct net_addr *a);

/* The topic of such a pair of addresses, "assign.ID." and 16 digits. */
void	 assign_topic(const char *agent, const char *listen,
	    const char *forward, char *buf, size_t size);

#endif
