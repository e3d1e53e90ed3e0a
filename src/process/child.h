/*
 * child.h - the master's children: started, told, heard of, buried.
 *
 * Each is this program executed afresh.  It is handed what its role needs and
 * nothing else, over the channel by which it reports.
 */
#ifndef PROCESS_CHILD_H
#define PROCESS_CHILD_H

#include "process/plan.h"

/*
 * Start one in the post.  Returns 0, also when all its slots are taken and
 * it is to be tried later; -1 having said why, to be tried with back-off.
 */
int		 child_start(struct master *m, struct post *p);

/* The newest of a post that was not told to end, or NULL. */
struct child	*child_newest(const struct master *m, const struct post *p);

/* The newest of a role that has no pool, or NULL. */
struct child	*child_of(const struct master *m, unsigned int role_id);

/* Does a process serve this generation still? */
bool		 child_serves(const struct master *m,
		    const struct generation *gen);

/* Send one that does not wait; one that does not read is told of. */
void		 child_tell(const struct child *c, uint16_t type);
void		 child_tell_u32(const struct child *c, uint16_t type,
		    uint32_t number);

/*
 * Give a generation to a role that outlives them, with what is new in it.
 * -1 with errno.
 */
int		 child_give(const struct master *m, struct child *c,
		    const struct generation *gen);

/* Give control what it needs to know of a spawner. */
void		 child_show(const struct master *m,
		    const struct child *spawner);

/* Tell to take nothing new and end with the last session. */
void		 child_drain(struct child *c);

/* Have it end now; kill it with KILL. */
void		 child_stop(struct child *c);
void		 child_kill(const struct child *c);

/* Let go of what the master had for child i, which has ended. */
void		 child_bury(struct master *m, size_t i, int status);

/* Start what is due, kill what does not get ready; when to look again. */
int64_t		 child_look_after(struct master *m);

#endif
