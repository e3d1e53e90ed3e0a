/*
 * plan.h - what the master holds.
 *
 *	generation	one loaded configuration, and what was made for it
 *	pool		what its processes share, whatever the generation
 *	post		a place that a role fills: one a role, one a role and
 *			pool, or one a role, pool and generation
 *	child		a process that fills a post
 */
#ifndef PROCESS_PLAN_H
#define PROCESS_PLAN_H

#include <sys/types.h>

#include <bsd/libutil.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/log.h"
#include "process/bind.h"
#include "process/files.h"
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

/* Both ends are the master's, so what was said outlives who reads it. */
struct rendezvous {
	int	 in, out;
};

struct pool {
	char			 name[SETUP_NAME_MAX];
	uint32_t		 since;		/* generation that made it */
	struct lane		 lane;
	struct lane		 records[RECORD_RECEIVERS];
	int			 live_fd;
	struct sb_live		*live;
	struct rendezvous	 keeper;	/* workers say hello to it */
	struct rendezvous	 carriers;	/* and offer sessions to them */
	struct rendezvous	 signer;	/* and hello to it, too */
	struct rendezvous	 auth;
	struct rendezvous	 dbclient;
	struct rendezvous	 broker;
	struct rendezvous	 jobs;		/* of an agent's link */
};

struct generation {
	uint32_t	 number;	/* from 1 */
	struct conf	*conf;
	int		 conf_fd;	/* its text */
	int		 book_fd;
	int		 book_read_fd;	/* the same, if it can be had */
	struct files	 files;		/* copies of what it names */
	int		 stores[STORES];	/* that auth writes; or -1 */
	struct binding	*bindings;
	size_t		 nbindings;
};

struct post {
	const struct role	*role;
	struct pool		*pool;		/* or NULL */
	struct generation	*gen;		/* or NULL: of all */
	uint32_t		 since;		/* with a pool: generation
						   that made it */
	bool			 unneeded;	/* by any generation now */
	bool			 own_root;
	int			 board_fd;	/* a carrier's, or -1 */
	int64_t			 start_at;	/* 0: nothing to start */
	int			 backoff_ms;
};

struct child {
	struct post	*post;
	pid_t		 pid;
	int		 channel;
	int		 board_fd;	/* spawner's: its scoreboard, and */
	int		 orders_fd;	/* control's end of their channel */
	uint32_t	 records;	/* of its scoreboard */
	uint32_t	 slot;		/* spawner's, in pool->live */
	uint32_t	 given;		/* newest generation it was told of */
	uint32_t	 prepared;	/* and can serve */
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

/* Whom to tell what became of a request; control 0 for nobody. */
struct asker {
	pid_t		 control;
	uint32_t	 tag;
};

struct reload {				/* while m->next is not NULL */
	struct asker	 who;
	int64_t		 began;		/* io_now_ms() */
	bool		 started;	/* its spawners */
	const char	*failed;	/* why, when it has */
};

struct upgrade {
	struct asker	 who;
	pid_t		 pid;		/* of the new master, 0: none */
	int		 fd;		/* to it, or -1 */
	int64_t		 deadline;
	bool		 deaf;		/* it has said its last word */
	bool		 done;		/* it has taken over */
};

struct master {
	struct conf			*(*load)(struct files *,
					    struct conf_report *);
	bool				 background;
	const char			*path;		/* of the program */
	char				**argv;
	int				 predecessor;	/* or -1 */
	struct generation		**gens;		/* oldest first */
	size_t				 ngens;
	struct generation		*now;		/* in effect */
	struct generation		*next;		/* being loaded */
	uint32_t			 numbers;	/* given out */
	struct reload			 reload;
	struct upgrade			 upgrade;
	struct ports			 ports;
	struct bound			*control;	/* socket, or NULL */
	struct lane			 lane;		/* of all but pools */
	struct rendezvous		 keeper;	/* for control */
	struct rendezvous		 auth;		/* the same */
	struct rendezvous		 dbclient;	/* for auth */
	struct rendezvous		 broker;	/* for control */
	uint8_t				 grant_key[GRANT_KEY];
	struct pool			**pools;
	size_t				 npools;
	struct post			**posts;
	size_t				 nposts;
	struct child			*children;
	size_t				 nchildren;
	enum phase			 phase;
	int64_t				 deadline;	/* of DRAINING */
	bool				 stop;		/* asked by control */
	int				 status;	/* to exit with */
	int				 self;		/* the program */
	struct proc_user		 user;
	struct proc_user		 auth_user;
	struct pidfh			*pidfile;
	struct proc_powers		 powers;
	bool				 as_nobody;	/* no user of ours */
	bool				 auth_as_user;	/* no auth_user */
};

/*
 * Find out, open and reserve all that there must be before the first child
 * is started.  Takes over conf and files, which become generation 1.  Returns
 * 0, or the status to exit with, having said why.
 */
int	 plan_make(struct master *m, struct conf *conf, struct files *files);

/* What is not as it should be, though everything works: for the log. */
void	 plan_say_what_is_lost(const struct master *m);

/* Lock the pid file of the configuration; 0, or the status to exit with. */
int	 plan_lock_pidfile(struct master *m, const struct conf *conf);

/* Remove the pid file, if there is one that is ours. */
void	 plan_remove_pidfile(struct master *m);

/* Nobody sends there any more but those who have it already. */
void	 plan_close_lane(struct lane *lane);
void	 plan_close_lanes(struct pool *p);

/* Close and free what is left when all children are gone. */
void	 plan_free(struct master *m);

/*
 * Make a generation of the configuration and its files, which it takes over:
 * its text, book, sockets, pools and posts.  NULL with the report, and *status
 * if that is not NULL; then nothing has changed.
 */
struct generation	*plan_add_generation(struct master *m,
			    struct conf *conf, struct files *files,
			    struct conf_report *report, int *status);

/*
 * Free a generation without children, its posts, and pools without any.
 * Posts that no other needs are marked, and to be dropped without children.
 */
void	 plan_drop_generation(struct master *m, struct generation *gen);
void	 plan_drop_post(struct master *m, struct post *post);

#endif
