/*
 * relay.h - two flows between two descriptors: what to wait for, what to do
 * when it shows, and how it ended.
 *
 * It waits for nothing itself: a worker does that for one relay (pump.h), a
 * carrier for thousands (carry.h).  Events are those of poll(2), which
 * epoll(7) shares.
 */
#ifndef SESSION_RELAY_H
#define SESSION_RELAY_H

#include <stdbool.h>

#include "session/end.h"
#include "session/flow.h"

struct relay {
	struct flow	 up;		/* front to back */
	struct flow	 down;		/* back to front */
	bool		 front_gone;	/* seen while nothing was to do */
	bool		 back_gone;
	int		 idle_ms;	/* without a byte either way */
	int		 half_closed_ms;	/* the same, one side gone */
};

/*
 * What to watch a side for: POLLIN and POLLOUT, or 0 for its death alone,
 * until that has shown; then *blind, as it would show for ever.
 */
short	 relay_front_wants(const struct relay *r, bool *blind);
short	 relay_back_wants(const struct relay *r, bool *blind);

/*
 * Do what the events of both sides allow.  False when it is over, with *end;
 * the descriptors stay open.  END_CLIENT_RESET and END_SERVER_RESET tell who
 * broke off; what is to become of the other side is the caller's.
 */
bool	 relay_step(struct relay *r, short front, short back, enum end *end);

/* It is over, or goes on elsewhere: pipes that it has are taken back. */
void	 relay_end(struct relay *r);

/*
 * Has somebody who looks stopped a flow, and is all before that passed on, on
 * both sides?
 */
bool	 relay_is_stopped(const struct relay *r);

/* How long, in ms, nothing may show, and what it means when nothing did. */
int	 relay_patience(const struct relay *r);
enum end relay_silence(const struct relay *r);

/*
 * Is there something to do that poll(2) does not tell of, as TLS has bytes in
 * memory?  Then relay_step() does it whatever shows.
 */
bool	 relay_is_pending(const struct relay *r);

/*
 * Flows that a pace holds back may read again when their time has come.  When
 * the next one may, as io_now_ms(), or 0: none is held back.
 */
int64_t	 relay_wake(struct relay *r);

/*
 * Is every byte passed on that was read, and has no side ended?  Not with
 * streams: what they remember cannot go elsewhere.
 */
bool	 relay_is_empty(const struct relay *r);

#endif
