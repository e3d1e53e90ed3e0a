/*
 * netroxy_gate.h - a connection to a listener of protocol "netroxy".
 *
 * It is a client's control connection, which stays with its worker until it
 * ends, and each of whose ports is a link to the broker; or one that a user of
 * such a port waits for.  That goes to the broker as it is, or with TLS by a
 * pair of sockets, as the session has to stay here.
 */
#ifndef PROCESS_NETROXY_GATE_H
#define PROCESS_NETROXY_GATE_H

#include "process/session.h"

#define NETROXY_GATE_PORTS	64	/* of one connection */
#define NETROXY_GATE_TIMEOUT_S	30	/* between two SRQ, as told */
#define NETROXY_GATE_DEAD_MS	75000	/* without any command */

/* As gate_open(). */
int	 netroxy_gate_open(struct session *ss);

#endif
