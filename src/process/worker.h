/*
 * worker.h - one session at a time, from accept to its line in the log.
 */
#ifndef PROCESS_WORKER_H
#define PROCESS_WORKER_H

#include "process/book.h"
#include "process/scoreboard.h"
#include "process/setup.h"

struct contexts;
struct sign_line;

/* What a spawner's child begins with. */
struct worker_start {
	const struct setup	*s;
	const struct book_entry	*book;		/* or NULL */
	struct scoreboard	*sb;
	size_t			 slot;		/* its page */
	int			 kick;		/* eventfd: wakes the spawner */
	pid_t			 spawner;
	const struct contexts	*contexts;
	struct sign_line	*signer;	/* or NULL */
	const struct sandbox	*sandbox;
	const struct guess	*crashers;
};

/*
 * Serve until told to end or until `reuse' sessions are over.
 *
 *	SIGTERM	end the session and the process
 *	SIGQUIT	end the process when the session is over
 *	SIG_KILLED	end the session
 *	SIGIO	the keeper says something
 *	SIG_ORPHAN	the spawner is dead: end both at once
 */
_Noreturn void	 worker_main(const struct worker_start *start);

#endif
