/*
 * upgrade.h - from one program to the next, with nobody refused or cut.
 *
 * The running master starts the program that is on disk now, with its own
 * arguments, its listening sockets as sd_listen_fds(3) has them, and
 * one end of a socketpair.  The new one says UPGRADE_READY there when every
 * pool serves; the old one then lets go of the pid file, answers
 * UPGRADE_YOURS, takes no more and ends with its last session.  Anything
 * else that comes is lines that the new one has to say, and its end means
 * that nothing has changed.
 */
#ifndef PROCESS_UPGRADE_H
#define PROCESS_UPGRADE_H

#include "process/plan.h"

#define UPGRADE_ENV	"SALLYPORT_PREDECESSOR"	/* number of that descriptor */
#define UPGRADE_READY	'\001'
#define UPGRADE_YOURS	'\002'

/* The old one: begin; hear it (fd was readable); see to the deadline. */
void	 upgrade_begin(struct master *m, struct asker who);
void	 upgrade_hear(struct master *m);
int64_t	 upgrade_look_after(struct master *m);

/* If one is under way, it is not to be. */
void	 upgrade_abort(struct master *m, const char *why);

/* Was it the new one that ended?  Then that has been seen to. */
bool	 upgrade_bury(struct master *m, pid_t pid, int status);

/* The new one: our predecessor's end, or -1; not inherited any further. */
int	 upgrade_predecessor(void);

/* Have a line of ours in its log. */
void	 upgrade_tell(int predecessor, const char *text);

/*
 * It may go.  Returns 0, 1 when it is gone already without a word, or -1
 * when it does not let us.
 */
int	 upgrade_take_over(int predecessor);

#endif
