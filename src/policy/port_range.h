/*
 * port_range.h - ports as people write them: one, or from one to another.
 */
#ifndef POLICY_PORT_RANGE_H
#define POLICY_PORT_RANGE_H

#include <stdint.h>

#include "base/net.h"

/* What an agent wants to have at a hub: one of these ports, at an address. */
struct port_want {
	struct net_addr	 addr;		/* IPv4 or IPv6; its port is 0 */
	uint16_t	 low, high;	/* 1 to 65535: any */
};

/* "80" or "13000-13999".  0, or -1. */
int	 port_range_parse(const char *text, uint16_t *low, uint16_t *high);

/*
 * "0.0.0.0:13389", "[::1]:13000-13999" or "192.0.2.1:0", where 0 is any port;
 * ":13389" is of all addresses, "[::]".  0, or -1 with what is wrong in *why.
 */
int	 port_want_parse(const char *text, struct port_want *w,
	    const char **why);

#endif
