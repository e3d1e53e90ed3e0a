/*
 * job.h - what a worker is given to do by others than its listeners.
 *
 * By a hub's link, MSG_JOB: open a data connection with this ticket, wait
 * there for a user, and serve that one; with a token, at a Netroxy server,
 * where he waits already.  By the broker, MSG_CALLER: serve who came by a
 * mapping, whose connection comes with it.  As one build hands it to itself.
 */
#ifndef PROCESS_JOB_H
#define PROCESS_JOB_H

#include "base/net.h"
#include "policy/conf.h"
#include "wire/netroxy.h"
#include "wire/tunnel_keys.h"

struct job {
	char				 hub[CONF_NAME_MAX + 1];
	struct net_addr			 addr;
	bool				 tls;
	uint32_t			 park_ms;	/* that it may wait */
	uint8_t				 ticket[TUNNEL_TICKET];
	struct tunnel_ticket_keys	 keys;
	/* Both at a Netroxy server; else "" and 0. */
	char				 token[NETROXY_TOKEN_MAX + 1];
	uint16_t			 port;
};

struct caller {
	char		 topic[TUNNEL_TOPIC_MAX + 1];
	struct net_addr	 at;		/* the mapping's */
	struct net_addr	 client;
	bool		 tls;
	int64_t		 since;		/* io_now_ms() when it was accepted */
};

#endif
