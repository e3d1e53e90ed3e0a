/*
 * child.h - starting a role: execute it afresh and hand it what it needs.
 */
#ifndef PROCESS_CHILD_H
#define PROCESS_CHILD_H

#include <sys/types.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/log.h"
#include "process/bind.h"
#include "process/role.h"
#include "process/scoreboard.h"
#include "process/setup.h"

/*
 * A log socket and its page.  The master keeps both ends, so that what is
 * in it outlives the logger.
 */
struct lane {
	int		 in, out;	/* the logger reads, others write */
	int		 page_fd;
	struct log_lane	*page;
};

/* All that a child may be given; the master's. */
struct supplies {
	int			 self;		/* the program */
	int			 conf_fd;
	const struct conf	*conf;
	struct proc_user	 user;
	bool			 can_chroot;
	bool			 background;
	const struct bound	*bound;
	size_t			 nbound;
	const struct lane	*lanes;		/* [0] the master's own */
	size_t			 nlanes;
	int			 book_fd;	/* or -1 */
	int			 book_read_fd;	/* or -1 */
};

/* What this one child is. */
struct child_order {
	const struct role	*role;
	const char		*pool;		/* "" for none */
	const struct lane	*lane;		/* to log by */
	int			 live_fd;	/* or -1 */
	uint32_t		 slot;
	bool			 own_root;
};

/* 0, or -1 with errno. */
int	 lane_new(struct lane *lane);

/*
 * Start it.  Returns the master's end of its channel and *pid, or -1 with
 * errno; then there is no child.
 */
int	 child_start(const struct supplies *sup,
	    const struct child_order *order, pid_t *pid);

#endif
