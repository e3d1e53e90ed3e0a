/*
 * worker.h - one session at a time, from accept to its line in the log.
 */
#ifndef PROCESS_WORKER_H
#define PROCESS_WORKER_H

#include "process/book.h"
#include "process/scoreboard.h"
#include "process/setup.h"

/* What a spawner's child begins with. */
struct worker_start {
	const struct setup	*s;
	const struct book_entry	*book;		/* or NULL */
	struct scoreboard	*sb;
	size_t			 slot;		/* its page */
	int			 kick;		/* eventfd: wakes the spawner */
	pid_t			 spawner;
};

/*
 * Serve until told to end or until `reuse' sessions are over.
 *
 *	SIGTERM	end the session and the process
 *	SIGQUIT	end the process when the session is over
 *	SIG_ORPHAN	the spawner is dead: end both at once
 */
_Noreturn void	 worker_main(const struct worker_start *start);

/*
 * The line in the log that each session leaves, from whoever ends it.  `why'
 * may be NULL.
 */
void	 worker_log_session(const struct sb_session *s, uint64_t up,
	    uint64_t down, const char *end, const char *why);

#endif
