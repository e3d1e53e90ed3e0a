/*
 * scoreboard.h - what each worker is doing, where its spawner can see it.
 *
 * One memory object a spawner: what all its workers share, for counting and
 * what they know, then one page a worker, which that worker and the spawner
 * alone map.  A worker writes its page and nobody locks; a reader takes a copy
 * and asks whether it was written meanwhile.  What a worker wrote is believed
 * only as far as it is possible: the spawner counts the pages against it.
 */
#ifndef PROCESS_SCOREBOARD_H
#define PROCESS_SCOREBOARD_H

#include <sys/types.h>

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "policy/conf.h"
#include "policy/guess.h"
#include "session/flow.h"

#define SB_LISTENER_MAX	40	/* bytes with the NUL, of each text */
#define SB_ADDR_MAX	128
#define SB_USER_MAX	64	/* longer names are cut */
#define SB_TLS_MAX	8
#define SB_CRASHERS	64
#define SB_TROUBLE	128	/* servers that just failed */
/* What lies between records: a page where each has its own owner. */
#define SB_STRIDE_PAGE	4096
#define SB_STRIDE_DENSE	((sizeof(struct sb_worker) + 63) / 64 * 64)
#define SB_NO_SERVER	UINT32_MAX
#define SB_SPAWNERS_MAX	256	/* of one pool at once, old ones draining */

/* What is known of the servers of one backend; see known.h. */
struct sb_known {
	_Atomic uint32_t	 version;	/* 0: none; odd while changed */
	uint32_t		 caps, mariadb_caps;
	uint8_t			 charset;
	char			 text[64];
};

/* Shared by the workers of one spawner. */
struct sb_pool {
	_Atomic int32_t		 idle;		/* workers that wait */
	_Atomic uint32_t	 arrived;	/* that ever began to */
	_Atomic uint32_t	 kicked;	/* the spawner was woken */
	_Atomic uint32_t	 full;		/* it can fork no more */
	_Atomic uint32_t	 used;		/* records, by a carrier; none
						   lies beyond */
	_Atomic int32_t		 workers;	/* there are, by the spawner */
	_Atomic uint32_t	 lacking;	/* accept fails; it was said */
	_Atomic uint32_t	 crowd;		/* when there last was one, as
						   io_now_ms(); 0: never */
	_Atomic uint32_t	 turns[CONF_BACKENDS_MAX];	/* sessions */
	_Atomic uint64_t	 trouble[SB_TROUBLE];	/* see route.c */
	struct sb_known		 known[CONF_BACKENDS_MAX];
};

/*
 * What outlives a spawner: its pool's live workers, by spawner, and sources
 * that are kept out.  Spawners and master write it, workers only read.
 */
struct sb_live {
	_Atomic uint32_t	 workers[SB_SPAWNERS_MAX];
	/* Of guess.h: by sources, whose sessions crash workers. */
	_Alignas(8) uint8_t	 crashers[GUESS_BYTES(SB_CRASHERS)];
};

enum sb_state {
	SB_STARTING,
	SB_IDLE,		/* counted in sb_pool.idle */
	SB_BUSY,		/* its session is in the page */
	SB_BETWEEN,		/* neither */
	SB_OFFERED,		/* the session may be a carrier's already */
};

struct sb_session {
	uint64_t	 id;
	int64_t		 accepted_us;	/* io_now_us() */
	int64_t		 connected_us;	/* 0 until then */
	uint32_t	 generation;
	uint32_t	 server_index;	/* conf_server.index, or SB_NO_SERVER */
	char		 listener[SB_LISTENER_MAX];
	char		 client[SB_ADDR_MAX];
	char		 via[SB_ADDR_MAX];	/* the proxy before it, or "" */
	char		 server[SB_ADDR_MAX];
	char		 user[SB_USER_MAX];	/* who logged in, or "" */
	char		 account[SB_USER_MAX];	/* that this is, or "" */
	char		 tls[SB_TLS_MAX];	/* "TLSv1.3", or "" */
	char		 server_tls[SB_TLS_MAX];
};

struct sb_worker {
	_Atomic uint32_t	 state;		/* enum sb_state */
	_Atomic int32_t		 pid;		/* 0: nobody has the page */
	_Atomic uint32_t	 version;	/* odd while session changes */
	_Atomic uint32_t	 wakeups;	/* from waiting for work */
	_Atomic uint32_t	 served;	/* sessions */
	flow_count		 up, down;	/* bytes of this session */
	_Atomic uint64_t	 victim;	/* session to be killed */
	struct sb_session	 session;
};

/*
 * The spawner's view.  Children do not inherit the mapping, only the fd.  A
 * carrier, which has nobody to hide records from, packs them densely.
 */
struct scoreboard {
	int		 fd;
	size_t		 workers;	/* records of so many */
	size_t		 stride;	/* bytes from one to the next */
	struct sb_pool	*pool;
};

/* The memory of one, which the master makes and never maps; -1, errno. */
int	 scoreboard_create(size_t workers, size_t stride);

/* Map it all, in the spawner; takes over fd.  0, or -1 with errno. */
int	 scoreboard_open(struct scoreboard *sb, int fd, size_t workers,
	    size_t stride);
struct sb_worker *scoreboard_worker(const struct scoreboard *sb, size_t i);
/* Make a page as new, for the next worker. */
void	 scoreboard_clear(const struct scoreboard *sb, size_t i);

/*
 * In a worker: map the shared page and the page of worker i and close the
 * descriptor, so that no other page can be had.  0, or -1 with errno.
 */
int	 scoreboard_enter(struct scoreboard *sb, size_t i,
	    struct sb_pool **pool, struct sb_worker **me);

/*
 * Map all of it read-only, for who only looks: a write ends the process.
 * EINVAL when the memory is smaller than so many pages.  fd stays the
 * caller's.  0, or -1 with errno.
 */
int	 scoreboard_map(struct scoreboard *sb, int fd, size_t workers,
	    size_t stride);
void	 scoreboard_unmap(struct scoreboard *sb);

/*
 * Map it, hidden from children; or for children, who can only read it there.
 * NULL with errno.
 */
struct sb_live	*scoreboard_map_live(int fd);
const struct sb_live
		*scoreboard_show_live(int fd);

/* Has it a session, if perhaps not for long? */
bool	 sb_has_session(const struct sb_worker *w);

/* The owner changes its session between these two. */
void	 sb_write_begin(struct sb_worker *w);
void	 sb_write_end(struct sb_worker *w);

/*
 * What a broken worker may have written: its strings are ended and its times
 * are possible ones.
 */
void	 sb_tame(struct sb_session *s);

/*
 * Copy a worker's session, all strings ended.  False when it was torn each
 * of a few times, as when its owner died in the middle.
 */
bool	 sb_read(const struct sb_worker *w, struct sb_session *copy);

/* The address in a text of it; false when that has none. */
bool	 sb_address(const char *text, struct net_addr *a);

#endif
