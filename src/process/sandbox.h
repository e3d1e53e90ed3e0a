/*
 * sandbox.h - the last step before a process meets the outside.
 *
 * A list of the system calls that a role makes (seccomp(2)): any other ends the
 * process, which says in the log which one it was.  And where the kernel has
 * Landlock (landlock(7)): no file at all for roles that open none, TCP only to
 * the ports of the configuration, signals only to one's own workers.
 */
#ifndef PROCESS_SANDBOX_H
#define PROCESS_SANDBOX_H

#include "policy/conf.h"

struct sandbox;				/* what a worker will be held to */

/*
 * Confine this process to what its role, a ROLE_ bit, needs, for good.  Called
 * once by each role when all it was given is open and mapped; with ROLE_SPAWNER
 * also for all that it forks.  `pool' is NULL for roles without one.  A kernel
 * that cannot do a part of it does the rest.
 */
void	 sandbox_enter(unsigned int role, const struct conf *conf,
	    const char *pool);

/*
 * A worker's own list is made once by its spawner, before sandbox_enter(), and
 * entered by each; it is shorter than the spawner's.
 */
struct sandbox	*sandbox_worker_new(const struct conf *conf);
void		 sandbox_worker_enter(const struct sandbox *sb);

/* What this kernel can do of it, for people: "system calls, files, ...". */
const char	*sandbox_text(const struct conf *conf);

#endif
