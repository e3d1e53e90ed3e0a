/*
 * plan.h - what the master holds, and how it comes to hold it.
 *
 * All that is found out, opened, bound and reserved before the first child
 * is started; from then on master.c alone changes it.
 */
#ifndef PROCESS_PLAN_H
#define PROCESS_PLAN_H

#include <bsd/libutil.h>

#include "process/child.h"

/* A place that a role fills: one for each role, or role and pool. */
struct post {
	const struct role	*role;
	const char		*pool;
	size_t			 lane;		/* index */
	int			 live_fd;
	struct sb_live		*live;
	bool			 own_root;
	int64_t			 start_at;	/* 0: nothing to start */
	int			 backoff_ms;
};

struct child {
	struct post	*post;
	pid_t		 pid;
	int		 channel;
	uint32_t	 slot;
	bool		 ready;
	bool		 ending;	/* was told to; nobody replaces it */
	int64_t		 started;	/* io_now_ms() */
	int64_t		 kill_at;	/* 0: it need not be */
};

enum phase {
	STARTING,
	RUNNING,
	DRAINING,
	STOPPING,
	STOPPED,
};

struct master {
	const struct conf	*conf;
	struct supplies		 sup;
	struct bound		*bound;
	size_t			 nbound;
	struct lane		*lanes;
	size_t			 nlanes;
	struct post		*posts;
	size_t			 nposts;
	struct child		*children;
	size_t			 nchildren;
	enum phase		 phase;
	int64_t			 deadline;	/* of DRAINING */
	int			 status;	/* to exit with */
	struct pidfh		*pidfile;
	struct proc_powers	 powers;
	bool			 as_nobody;	/* for want of our own user */
};

/*
 * Fill in all but posts' children.  m->conf and m->sup.background are set
 * already.  Returns 0, or the status to exit with, having said why.
 */
int	 plan_make(struct master *m);

/* What is not as it should be, though everything works: for the log. */
void	 plan_say_what_is_lost(const struct master *m);

/* Remove the pid file, if there is one that is ours. */
void	 plan_remove_pidfile(struct master *m);

/* Close and free what is left when all children are gone. */
void	 plan_free(struct master *m);

#endif
