/*
 * gate.h - a connection to a listener of protocol "hub".
 *
 * It is an agent's data connection, which goes to the broker unread; or a user
 * of an agent's, who gets a topic and is relayed; or an agent's control link,
 * which stays with its worker until it ends.
 */
#ifndef PROCESS_GATE_H
#define PROCESS_GATE_H

#include "process/session.h"

#define GATE_HEARTBEAT_MS	10000
#define GATE_DEAD_MS		25000	/* without any frame */
#define GATE_PARK_MS		300000	/* that a data connection may wait */

/*
 * 0: a user, to be relayed: both sides are there.  -1: it is over, with
 * ss->end and why; or the broker's now, and ss->carried.
 */
int	 gate_open(struct session *ss);

#endif
