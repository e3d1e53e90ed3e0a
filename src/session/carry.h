/*
 * carry.h - many relays in one epoll set.
 *
 * While both sides keep up, a message costs its read and its write, and
 * nothing is changed in the set.  All relays read into one buffer; what a
 * peer does not take at once is kept in memory of its own and the other
 * side is not read until it is gone.  Times are kept in a tree and looked at
 * when they may have come, so a byte costs no change there either.
 *
 * TCP is watched edge-triggered: level-triggered, the kernel asks each socket
 * that was just read a second time, to find nothing.  Who then leaves
 * something unread must ask to be told again.  A read that does not fill the
 * buffer leaves nothing (epoll(7)), but for an end behind the bytes and for
 * urgent data, where reads stop; both show in the events.  Of other sockets
 * that is not so (reads of a local one stop where descriptors were sent),
 * and they are watched level-triggered.
 */
#ifndef SESSION_CARRY_H
#define SESSION_CARRY_H

#include <bsd/sys/tree.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "session/relay.h"

struct carry;

/* One session; in memory of its owner, who zeroes it first. */
struct carried {
	struct relay		 relay;	/* descriptors, times, counters */
	size_t			 buffer;	/* bytes read at once */
	int64_t			 end_by;	/* io_now_ms(), or 0 */
	void			*owner;
	/* The rest is carry.c's. */
	int64_t			 active;	/* io_now_ms() */
	int64_t			 at;		/* to be looked at */
	short			 watched[2];	/* POLLIN and POLLOUT */
	bool			 blind[2];
	bool			 edge[2];	/* triggered so */
	bool			 dead;
	struct carried		*next;		/* of the dead */
	RB_ENTRY(carried)	 link;
};

/*
 * `over' is told when a session has ended: the descriptors are open and out
 * of the set, and are the owner's again.  The memory must live until
 * `forget' is called for it, in the same carry_turn().  NULL with errno.
 */
struct carry	*carry_new(void (*over)(struct carried *c, enum end end),
		    void (*forget)(struct carried *c));
void		 carry_free(struct carry **carry);

/*
 * Take a session on: c->relay.up and .down have their descriptors and
 * counters, no buffer, and hold nothing.  0, or -1 with errno.
 */
int		 carry_add(struct carry *carry, struct carried *c);

/* End one from outside, with that outcome; `over' and `forget' follow. */
void		 carry_end(struct carry *carry, struct carried *c,
		    enum end end);

size_t		 carry_count(const struct carry *carry);

/*
 * Have `run' called when a descriptor that is no session's is readable, one
 * of those who wait for it alone if `exclusive'.  0, or -1 with errno.
 */
struct carry_ear {
	int	  fd;
	void	(*run)(void *ctx);
	void	 *ctx;
};
int		 carry_listen(struct carry *carry, struct carry_ear *ear,
		    bool exclusive);
void		 carry_unlisten(struct carry *carry, struct carry_ear *ear);

/*
 * Wait, hearing signals, at most until `deadline' (io_now_ms), and do what
 * shows.  0, also when a signal came, or -1 with errno.
 */
int		 carry_turn(struct carry *carry, int64_t deadline);

#endif
