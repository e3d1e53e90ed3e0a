/*
 * route.h - to which servers a session may be dialled, in which order.
 *
 * Worked out by each worker from the address book, by the backend's method.
 * Where sessions are counted (conf_backend.placed) the keeper chooses
 * instead, and this tells the addresses of its choice alone.
 */
#ifndef PROCESS_ROUTE_H
#define PROCESS_ROUTE_H

#include <stddef.h>
#include <stdint.h>

#include "policy/access.h"
#include "policy/conf.h"
#include "process/book.h"
#include "process/scoreboard.h"
#include "session/back.h"

/* What stays the same for a worker. */
struct router {
	const struct conf	*conf;
	const struct book_entry	*book;
	struct sb_pool		*pool;		/* whose turn it is */
};

/* What the backend's method makes its choice by; see balance.h. */
uint64_t route_key(const struct router *r, size_t backend,
	    const struct access_source *client);

/*
 * A server could not be dialled: until the keeper has written so into the
 * book, the workers of this pool have it from here.
 */
void	 route_failed(const struct router *r, uint32_t server_index);

/*
 * The addresses of the servers to try, at most 1 + retries servers; the
 * candidates' numbers are places in the backend.  Returns how many; 0 with
 * *why when there is none.
 */
size_t	 route_candidates(const struct router *r, size_t backend,
	    uint64_t key, struct back_candidate *out, size_t max,
	    const char **why);

/* Those of one server. */
size_t	 route_addresses(const struct router *r, size_t backend,
	    size_t server, struct back_candidate *out, size_t max);

#endif
