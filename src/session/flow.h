/*
 * flow.h - bytes in one direction, from one descriptor to another.
 *
 * A flow reads when it has room and writes at once what it read; only what
 * the receiver does not take stays in its buffer, and while it is full
 * nothing is read: that is all back-pressure is.  When the sender ends its
 * stream, the end is passed on after the last byte.
 *
 * When the receiver takes nothing any more (it closed), the flow reads on
 * and throws away, up to FLOW_DISCARD_MAX bytes: closing at once would reset
 * the sender, who may not have read yet what the receiver had said before.
 *
 * Who sends much, so that reads fill the buffer again and again, is passed
 * on by splice(2), which copies nothing, until little comes at once.  A pipe
 * is taken for each piece and given back when the piece is out: an idle flow
 * has none, and as only an empty one is filled, splice(2) finds nothing to
 * read only where there is nothing, never for want of room.
 *
 * Either side may be a stream (stream.h), for which `from' and `to' are its
 * descriptors, and somebody may look at the bytes.  Then none are spliced.
 *
 * Owns nothing: descriptors, streams, buffer and pipes are the caller's.
 * SIGPIPE must be ignored, and nobody else may make the sockets of who has
 * pipes block: splice(2) has no flags against either.
 */
#ifndef SESSION_FLOW_H
#define SESSION_FLOW_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "session/pace.h"
#include "session/pipes.h"
#include "session/stream.h"

#define FLOW_DISCARD_MAX	(256 * 1024)	/* bytes */

/* Counted where others may look; see scoreboard.h. */
typedef _Atomic uint64_t flow_count;

/*
 * Shown what was read before it is passed on: the `n' bytes at p that have not
 * passed yet.  Says how many of them may; those after are shown again, with
 * what follows them.  With *stop nothing is read and nothing more passes,
 * until flow_resume().
 */
typedef size_t	 flow_look(void *ctx, const uint8_t *p, size_t n, bool *stop);

struct flow {
	int		 from, to;	/* non-blocking */
	struct stream	*in, *out;	/* NULL: the socket as it is */
	uint8_t		*buf;
	size_t		 size;
	size_t		 off, len;	/* what is held: buf[off..len) */
	bool		 eof;		/* the sender has ended */
	bool		 broken;	/* the receiver takes no more */
	bool		 reset;		/* it did so without an orderly end */
	bool		 cut;		/* an end of `from' is no orderly one */
	bool		 ending;	/* the end waits until `out' takes it */
	bool		 done;		/* nothing will move any more */
	bool		 last;		/* the other one is done: `to' is
					   about to be closed anyway */
	flow_look	*look;		/* NULL: all may pass */
	void		*look_ctx;
	size_t		 kept;		/* of what is held, bytes at its end
					   that may not pass yet */
	bool		 stopped;
	const struct pace *pace;	/* NULL: as fast as it comes */
	int64_t		 resting;	/* io_now_ms(): nothing is read until
					   then; 0: it may be */
	size_t		 discarded;	/* bytes, since broken */
	struct pipes	*pipes;		/* NULL: all is copied */
	struct pipe	*pipe;		/* has bytes, or is NULL */
	size_t		 piped;		/* so many */
	unsigned int	 full;		/* reads in a row that got much */
	flow_count	*bytes;		/* passed on */
};

enum flow_result {
	FLOW_OK,
	FLOW_FROM_RESET,	/* the sender is gone without an end */
};

/* Without pipes: who has some sets f->pipes, and calls flow_end(). */
void	 flow_init(struct flow *f, int from, int to, uint8_t *buf,
	    size_t size, flow_count *bytes);
/* It moves no more: a pipe that is lent to it is taken back. */
void	 flow_end(struct flow *f);

/* Is there room to read into; is there something to write? */
bool	 flow_can_fill(const struct flow *f);
bool	 flow_can_drain(const struct flow *f);

/*
 * What it was stopped for is done, which took the first `used' bytes of those
 * that were kept.
 */
void	 flow_resume(struct flow *f, size_t used);

/* Is there something to read that poll(2) does not tell of? */
bool	 flow_is_pending(const struct flow *f);

/* Which events of poll(2) tell that `from' can be read, `to' written. */
short	 flow_fill_events(const struct flow *f);
short	 flow_drain_events(const struct flow *f);

/*
 * Read if `readable' and there is room, then write what is held if it was
 * just read or `writable'.  At most one read and one write; when splice(2)
 * does neither, the same once more by copying.
 */
enum flow_result	flow_step(struct flow *f, bool readable,
			    bool writable);

#endif
