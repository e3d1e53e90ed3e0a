/*
 * bind_ask.h - what the broker, or a link, asks of the master: MSG_BIND.
 */
#ifndef PROCESS_BIND_ASK_H
#define PROCESS_BIND_ASK_H

#include "base/net.h"
#include "wire/tunnel.h"

/* As one build hands it to itself. */
struct bind_ask {
	uint32_t	 id;
	char		 agent[TUNNEL_ID_MAX + 1];	/* "": an operator, or
						   a link asks */
	struct net_addr	 addr;
};

#endif
