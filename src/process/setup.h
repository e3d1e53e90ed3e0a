/*
 * setup.h - what a role is given before it begins.
 *
 * The master executes this program afresh for each role, with one end of a
 * channel as descriptor SETUP_FD.  Over it come the configuration, sockets
 * and shared memory, each in a message of its own, then MSG_START.
 */
#ifndef PROCESS_SETUP_H
#define PROCESS_SETUP_H

#include <sys/types.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/log.h"
#include "policy/conf.h"
#include "process/proc.h"

#define SETUP_FD	3
#define SETUP_ADDRS_MAX	1024	/* listening sockets of one daemon */
#define SETUP_LANES_MAX	64	/* that one logger reads */
#define SETUP_NAME_MAX	40	/* bytes with the NUL, of a pool's name */

struct setup_listener {
	size_t	 listener;		/* index in the configuration */
	int	 fd;
};

struct setup_lane {
	int			 fd;
	struct log_lane		*lane;
};

/* The payload of MSG_START, as one build hands it to itself. */
struct setup_start {
	struct proc_user	 user;
	bool			 background;	/* nobody reads stderr */
	uint32_t		 slot;		/* its place in sb_live */
	pid_t			 master;
	char			 pool[SETUP_NAME_MAX];
};

struct setup {
	int			 channel;	/* to the master */
	struct conf		*conf;
	struct setup_start	 start;
	int			 log_fd;	/* the sending end */
	struct setup_listener	*listeners;
	size_t			 nlisteners;
	struct setup_lane	*lanes;		/* logger */
	size_t			 nlanes;
	int			 book_fd;	/* or -1 */
	int			 live_fd;	/* spawner, or -1 */
};

/*
 * Receive it all, log by what was received, and give up root: `chroot' sends
 * the process into the empty folder that came with MSG_START, if one did.
 * `role' is the name for the log.  Ends the process when the master is
 * gone, or after ten seconds.
 */
struct setup	*setup_receive(const char *role);

/* Map a lane's page; NULL with errno. */
struct log_lane	*setup_map_lane(int fd);

/* Tell the master that we serve. */
void	 setup_ready(const struct setup *s);

#endif
