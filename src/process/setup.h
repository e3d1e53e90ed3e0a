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

#include "base/buf.h"
#include "base/log.h"
#include "policy/conf.h"
#include "policy/grant.h"
#include "process/proc.h"
#include "process/record_lane.h"
#include "process/store.h"

#define SETUP_FD	3
#define SETUP_ADDRS_MAX	1024	/* listening sockets of one daemon */
#define SETUP_LANES_MAX	256	/* that one logger reads */
#define SETUP_BOARDS_MAX 1024	/* spawners of one daemon */
#define SETUP_NAME_MAX	40	/* bytes with the NUL, of a pool's name */
#define SETUP_FILE_MAX	(1024 * 1024)	/* bytes, see files.h */

/* The bytes of a file, of which few roles are given any. */
struct setup_file {
	char	*data;			/* and a NUL; NULL: not given */
	size_t	 len;
};

/* One loaded configuration. */
struct setup_generation {
	uint32_t	 number;
	struct conf	*conf;
	int		 book_fd;		/* or -1 */
	struct setup_file *files;		/* by number, conf_files.h */
	size_t		 nfiles;
	int		 stores[STORES];	/* auth: see store.h; or -1 */
};

struct setup_listener {
	size_t	 listener;		/* index in the configuration */
	int	 fd;
};

struct setup_lane {
	int			 fd;
	struct log_lane		*lane;
	bool			 records;	/* and no lines */
};

/* Whence MSG_HELLO comes. */
struct setup_meet {
	unsigned int	 role;			/* of those who send it */
	char		 pool[SETUP_NAME_MAX];
	int		 fd;
	int		 more_fd;		/* of that pool: a carrier's,
						   where the keeper is; the
						   broker's, for MSG_CALLER;
						   or -1 */
};

/* Payloads that one build hands to itself. */
struct setup_board {
	uint32_t	 generation;
	uint32_t	 workers;		/* records; see scoreboard.h */
	uint32_t	 stride;		/* bytes from one to the next */
	pid_t		 spawner;		/* or carrier, of no pool */
	char		 pool[SETUP_NAME_MAX];
};

struct setup_child {
	pid_t		 pid;
	uint32_t	 generation;		/* 0: none of its own */
	int64_t		 started_us;		/* io_now_us() */
	bool		 ready;
	bool		 ending;
	bool		 own_root;
	char		 role[SETUP_NAME_MAX];
	char		 pool[SETUP_NAME_MAX];
};

struct setup_start {
	struct proc_user	 user;
	bool			 background;	/* nobody reads stderr */
	uint32_t		 slot;		/* its place in sb_live */
	uint32_t		 generation;	/* that a spawner serves */
	pid_t			 master;
	char			 pool[SETUP_NAME_MAX];
	uint8_t			 grant_key[GRANT_KEY];	/* auth, broker */
};

struct setup {
	int			 channel;	/* to the master */
	struct conf		*conf;		/* of the newest generation */
	struct setup_generation	*generations;	/* oldest first */
	size_t			 ngenerations;
	uint32_t		 committed;	/* the number in effect */
	struct setup_start	 start;
	int			 log_fd;	/* the sending end */
	struct record_lanes	 records;	/* the same, spawner */
	struct setup_listener	*listeners;
	size_t			 nlisteners;
	struct setup_lane	*lanes;		/* logger, dbclient */
	size_t			 nlanes;
	struct setup_meet	*meets;		/* services */
	size_t			 nmeets;
	struct setup_board	*boards;	/* control: all; spawner: [0] */
	int			(*board_fds)[2];	/* page, channel */
	size_t			 nboards;
	int			 live_fd;	/* spawner, or -1 */
	int			 keeper_fd;	/* for MSG_HELLO, or -1 */
	int			 carrier_fd;	/* for MSG_CARRY, or -1 */
	int			 signer_fd;	/* for MSG_HELLO, or -1 */
	int			 auth_fd;	/* the same */
	int			 dbclient_fd;	/* the same */
	int			 broker_fd;	/* the same */
	int			 jobs_fd;	/* a link: for MSG_JOB;
						   spawner: whence they come;
						   or -1 */
	int			 socket_fd;	/* control, or -1 */
};

/*
 * Receive it all, log by what was received, and give up root: `chroot' sends
 * the process into the empty folder that came with MSG_START, if one did.
 * `role' is the name for the log.  Ends the process when the master is
 * gone, or after ten seconds.
 */
struct setup	*setup_receive(const char *role);

/*
 * For roles that outlive a generation: handlers of MSG_CONF, MSG_BOOK,
 * MSG_FILE, MSG_STORE, MSG_LANE_IN, MSG_MEET, MSG_BOARD and MSG_FORGET that
 * arrive later;
 * ctx is the setup, which then holds what came.  The caller maps, polls and
 * answers.  What files held is cleansed when their generation is forgotten.
 */
int	 setup_on_conf(void *ctx, struct rd *r, int *fds);
int	 setup_on_book(void *ctx, struct rd *r, int *fds);
int	 setup_on_file(void *ctx, struct rd *r, int *fds);
int	 setup_on_store(void *ctx, struct rd *r, int *fds);
int	 setup_on_meet(void *ctx, struct rd *r, int *fds);
int	 setup_on_board(void *ctx, struct rd *r, int *fds);
int	 setup_on_lane_in(void *ctx, struct rd *r, int *fds);
int	 setup_on_forget(void *ctx, struct rd *r, int *fds);

/* The generation of that number, or NULL. */
struct setup_generation	*setup_generation(const struct setup *s,
			    uint32_t number);

/* Cleanse a file that is needed no more; it counts as not given then. */
void	 setup_forget_file(struct setup_file *file);

/* Map a lane's page; NULL with errno. */
struct log_lane	*setup_map_lane(int fd);

/* Tell the master that we serve. */
void	 setup_ready(const struct setup *s);

#endif
