/*
 * known.h - what a pool's workers have seen of the MySQL servers of each
 * backend: the least that all of them can, for a greeting of our own.
 *
 * Each worker adds what the server it met had said.  Nothing is forgotten but
 * with the spawner, so servers that learn more are believed after a reload.
 * A broken worker may write anything here: it spoils greetings of its pool,
 * and nothing else is taken from them.
 */
#ifndef PROCESS_KNOWN_H
#define PROCESS_KNOWN_H

#include <stdbool.h>
#include <stddef.h>

#include "process/scoreboard.h"
#include "session/mysql_login.h"

/* False: nothing is known yet, or it is just being changed. */
bool	 known_read(struct sb_pool *pool, size_t backend,
	    struct mysql_known *known);
void	 known_learn(struct sb_pool *pool, size_t backend,
	    const struct mysql_known *server);

#endif
