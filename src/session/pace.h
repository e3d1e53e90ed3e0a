/*
 * pace.h - no more than so many bytes a second, over all that share a bucket.
 *
 * A bucket lies in memory that processes share: what passes moves its time on
 * by what it took, and who finds that time ahead of the clock reads nothing
 * until then.  A tenth of a second's worth may come at once.  It bounds what is
 * read, so the sender is slowed by its own TCP window.
 */
#ifndef SESSION_PACE_H
#define SESSION_PACE_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#define PACE_BUCKETS	2	/* that one direction may be held by */
#define PACE_WAIT_MS	60000	/* at the most, whatever a bucket says */

struct pace_bucket {
	_Atomic int64_t	 due;		/* us, of io_now_us() */
};

struct pace {
	struct pace_bucket	*bucket[PACE_BUCKETS];	/* or NULL */
	int64_t			 rate[PACE_BUCKETS];	/* bytes a second */
};

/*
 * So many bytes were read.  When more may be, as io_now_ms(); 0 for at once.
 */
int64_t	 pace_take(const struct pace *p, size_t bytes);

#endif
