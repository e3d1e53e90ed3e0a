/*
 * job.h - what a hub's link has a worker of its pool do: MSG_JOB.
 *
 * Open a data connection with this ticket, wait there for a user, and serve
 * that one.  As one build hands it to itself.
 */
#ifndef PROCESS_JOB_H
#define PROCESS_JOB_H

#include "base/net.h"
#include "policy/conf.h"
#include "wire/tunnel_keys.h"

struct job {
	char				 hub[CONF_NAME_MAX + 1];	/* its name */
	struct net_addr			 addr;
	bool				 tls;
	uint32_t			 park_ms;	/* that it may wait */
	uint8_t				 ticket[TUNNEL_TICKET];
	struct tunnel_ticket_keys	 keys;
};

#endif
