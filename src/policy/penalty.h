/*
 * penalty.h - what is known of sources, and what follows from it.
 *
 * A table of bounded size counts the live sessions and the starts of each
 * source at each listener.  An entry without live sessions has something to
 * say only until its bucket is full again and its penalty over; when room is
 * needed the one that would fall silent first gives way.  So a flood of new
 * sources pushes out its own, long before those that are kept out, and what
 * holds live sessions is never forgotten.
 *
 * Time is in milliseconds, 0 or more, of a clock that does not go back; one
 * that does stands still here.  Nothing is allocated after penalty_new().
 * What an operation costs grows with the logarithm of the size, no more.
 */
#ifndef POLICY_PENALTY_H
#define POLICY_PENALTY_H

#include <stdint.h>

#include "policy/access.h"

#define PENALTY_SOURCES_MAX	((uint32_t)1 << 20)
#define PENALTY_COUNT_MAX	((uint32_t)1000000)
#define PENALTY_MS_MAX		((int64_t)366 * 24 * 60 * 60 * 1000)

/*
 * What a listener grants each source; what is beyond the limits above counts
 * as these.  A rule may change from call to call: what a source used under
 * the old one counts as at most a full bucket of the new.
 */
struct penalty_rule {
	uint32_t	 max_sessions;	/* live ones; 0 for no limit */
	/*
	 * A token bucket of rate_count, which fills in rate_ms: so many
	 * starts at once, and as many in each rate_ms that follows.  0 in
	 * either for no limit.
	 */
	uint32_t	 rate_count;
	int64_t		 rate_ms;
	/*
	 * A source that exceeds its rate is held: refused until it has tried
	 * nothing for so long.  0: refused only as long as its bucket is
	 * empty.
	 */
	int64_t		 penalty_ms;
};

enum penalty_verdict {
	PENALTY_OK,
	PENALTY_SESSIONS,	/* it has max_sessions */
	PENALTY_RATE,		/* its bucket is empty; now it may be held */
	PENALTY_HELD,		/* it is held, and from now on once more */
	PENALTY_FULL,		/* no room: all entries have live sessions */
};

struct penalty;

/*
 * A table of that many entries, from 1 to PENALTY_SOURCES_MAX.  The seed is
 * to be random, lest somebody chooses sources that all meet in one place.
 */
struct penalty	*penalty_new(uint32_t size, uint64_t seed);
/* Free it and set it to NULL. */
void		 penalty_free(struct penalty **p);

/*
 * A source wants to start a session at a listener.  On PENALTY_OK a live
 * session is counted until penalty_leave(); with all else nothing is
 * counted but the refusal, and with PENALTY_FULL not even that.  A penalty
 * is looked at first, then sessions, then the rate; what is refused takes
 * nothing out of the bucket.
 */
enum penalty_verdict
		 penalty_enter(struct penalty *p,
		    const struct access_source *source, uint32_t listener,
		    const struct penalty_rule *rule, int64_t now_ms);

/* A session has ended.  One that is not known of is let go in silence. */
void		 penalty_leave(struct penalty *p,
		    const struct access_source *source, uint32_t listener,
		    int64_t now_ms);

/*
 * Count a session that lives already, as after the table was lost: it is
 * judged by no rule and takes nothing out of the bucket.  Returns 0, or -1
 * when there is no room; then it is not to leave either.
 */
int		 penalty_add(struct penalty *p,
		    const struct access_source *source, uint32_t listener);

/* Forget entries that have nothing to say any more. */
void		 penalty_tidy(struct penalty *p, int64_t now_ms);

struct penalty_status {
	struct access_source	 source;
	uint32_t		 listener;
	uint32_t		 live;		/* sessions */
	uint64_t		 refused;	/* since it is known of */
	int64_t			 held_until;	/* ms; past or 0: is not held */
};

/*
 * Call `each' for every entry, in no order; it must not touch the table.
 * After penalty_tidy() these are the ones that matter.
 */
void		 penalty_each(const struct penalty *p,
		    void (*each)(const struct penalty_status *, void *arg),
		    void *arg);

/* Entries there are now. */
uint32_t	 penalty_count(const struct penalty *p);

#endif
