/*
 * crashers.h - sources whose sessions made workers crash.
 *
 * One table a pool, which its spawners write and its workers only read: it
 * outlives the spawner, whom a crash has replaced.  The first crashes of a
 * source pass for our own fault; from then on each has it refused for longer,
 * so that nobody can try one guess of our addresses after the other.  Where
 * the table is full, who is refused no longer gives way first.
 *
 * Nobody locks: of two spawners that write at once one may lose what it wrote.
 * Time is in milliseconds of one clock for all processes.
 */
#ifndef POLICY_CRASHERS_H
#define POLICY_CRASHERS_H

#include <stdatomic.h>
#include <stdint.h>

#include "policy/access.h"

#define CRASHERS_MAX		64
#define CRASHERS_FREE		2	/* crashes without a consequence */
#define CRASHERS_FIRST_MS	1000	/* for the next; each one doubles it */
#define CRASHERS_LAST_MS	60000
#define CRASHERS_FORGET_MS	600000	/* after the last crash */

/* Zeroed, it is empty. */
struct crashers {
	_Atomic uint32_t	 n;
	struct crasher {
		_Atomic uint64_t	 key;	/* of the source */
		_Atomic uint32_t	 crashes;
		_Atomic int64_t		 last, until;
	}			 v[CRASHERS_MAX];
};

/* A session of that source ended so.  How long it is refused now, or 0. */
int64_t	 crashers_note(struct crashers *t, const struct access_source *source,
	    int64_t now_ms);

/* How long it is refused yet, or 0. */
int64_t	 crashers_held(const struct crashers *t,
	    const struct access_source *source, int64_t now_ms);

#endif
