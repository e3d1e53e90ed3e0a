/*
 * relay_cases.h - what every way to relay must do, whoever waits for it.
 */
#ifndef RELAY_CASES_H
#define RELAY_CASES_H

#include <check.h>
#include <stddef.h>

#include "session/relay.h"
#include "session/told.h"

#define BUFFER_MAX	65536

/*
 * Relay in this process until it is over; r has descriptors, times and
 * counters, and no buffers of `buffer' bytes yet.  What it was in the
 * end is left in *r, its descriptors open.
 */
typedef enum end	 relay_way(struct relay *r, size_t buffer,
			    const struct told *told);

/* All cases, each over local sockets and over TCP. */
Suite	*relay_cases(const char *name, relay_way *of);

#endif
