/*
 * mapped.h - the master opens ports that the broker wants for agents, and a
 * link for its hub.
 *
 * What they ask for is held against the configuration here: whoever has taken
 * one of them over gets no port that agents, or that hub, may not have.
 */
#ifndef PROCESS_MAPPED_H
#define PROCESS_MAPPED_H

#include "process/bind_ask.h"
#include "process/plan.h"

/* Answer MSG_BIND and MSG_UNBIND of that child.  -1 for what is neither. */
int	 mapped_bind(struct master *m, const struct child *c, struct rd *r);
int	 mapped_unbind(struct master *m, const struct child *c, struct rd *r);

#endif
