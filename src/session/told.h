/*
 * told.h - what signals tell a session while it waits.
 *
 *	SIGTERM		the daemon stops: END_SHUTDOWN
 *	SIG_ORPHAN	the process that counts it has crashed: END_CRASHED
 *	SIG_KILLED	somebody wants it ended: END_KILLED
 *	SIGALRM		its time is over: END_TIMEOUT
 *	SIGIO		there is something to hear: see below
 *
 * The flags of the first two stay, as they end the worker too.  The others
 * are for one session and are taken.  So a worker that serves on forgets
 * SIGALRM before the next session, as it may have come late.
 */
#ifndef SESSION_TOLD_H
#define SESSION_TOLD_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "session/end.h"

/* Why a session that gave way did so; for the log. */
#define TOLD_GIVE_WAY	"others wait while the handshake takes this long"

/*
 * Who hears SIGIO.  Several may have come since it was called last.  True
 * when the session is to give way to others: END_LIMIT.
 */
struct told {
	bool	(*heard)(void *ctx);
	void	 *ctx;
	/*
	 * Which session SIG_KILLED is meant for, and which this is: one that
	 * comes late must not end the next.  NULL: whichever it finds.
	 */
	const _Atomic uint64_t	*victim;
	uint64_t		 id;
	bool			 idle;	/* it holds nothing yet: SIGQUIT
					   ends it as well, END_SHUTDOWN */
};

/*
 * After a wait that ended with EINTR: does the session end, and how?  With
 * `told' NULL nobody hears SIGIO.
 */
bool	 told_to_end(const struct told *told, enum end *end);

#endif
