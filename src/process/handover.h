/*
 * handover.h - an established session goes from its worker to a carrier.
 *
 * One message, MSG_CARRY, with the session's record and one descriptor: the
 * token.  All carriers read the pool's rendezvous; which one takes it is no
 * matter.
 *
 * The token is one end of a socketpair in which a message lies, with the
 * session's descriptors: front, back, and the line to the keeper if it counts
 * the session.  Whoever receives that message owns the session, and the
 * kernel gives it to one of the two only: the carrier before it touches a
 * socket, or the worker when it has waited long enough.  So an offer that
 * nobody took holds no socket of a peer, however long it lies there.  The
 * carrier then answers through the token, so that the worker need not
 * wait long.
 *
 * While it is offered, a session is SB_OFFERED: when its worker dies then, it
 * lives on with the offer, and nobody else writes its line.
 */
#ifndef PROCESS_HANDOVER_H
#define PROCESS_HANDOVER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/msg.h"
#include "process/ask.h"
#include "process/scoreboard.h"

/* The payload, as one build hands it to itself. */
struct handover_record {
	struct sb_session	 session;
	uint64_t		 up, down;	/* bytes so far */
	int64_t			 end_by;	/* io_now_ms(), or 0 */
	uint64_t		 buffer;	/* bytes */
	int32_t			 idle_ms, half_closed_ms;
	struct ask_held		 held;
};

/* A worker's side. */
struct handover {
	int		 rendezvous;	/* or -1: there are no carriers */
	struct sb_worker *board;
	int		 ends[2];	/* the worker's, the carriers'; or -1 */
	int64_t		 not_before;	/* io_now_ms(): the last one failed */
	int		 pause_ms;	/* after the next that nobody answers */
};

void	 handover_init(struct handover *h, int rendezvous,
	    struct sb_worker *board);
void	 handover_end(struct handover *h);

/*
 * Offer the session of the board, which is SB_BUSY, and wait a moment.  True
 * when a carrier has it: then the caller closes its descriptors and forgets
 * it.  line: -1 for none.
 */
bool	 handover_offer(struct handover *h,
	    const struct handover_record *record, int front, int back,
	    int line);

/*
 * A carrier's side.  Is the session ours?  Then fds are its front, back and
 * line, -1 for what did not come, and are the caller's.  It says so to the
 * worker with handover_took().  Or it leaves it where it is, which the
 * worker need not wait to find out.
 */
bool	 handover_take(int token, int fds[MSG_FDS_MAX]);
void	 handover_took(int token);
void	 handover_leave(int token);

#endif
