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
 * Owns nothing: descriptors and buffer are the caller's.
 */
#ifndef SESSION_FLOW_H
#define SESSION_FLOW_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FLOW_DISCARD_MAX	(256 * 1024)	/* bytes */

/* Counted where others may look; see scoreboard.h. */
typedef _Atomic uint64_t flow_count;

struct flow {
	int		 from, to;	/* non-blocking */
	uint8_t		*buf;
	size_t		 size;
	size_t		 off, len;	/* what is held: buf[off..len) */
	bool		 eof;		/* the sender has ended */
	bool		 broken;	/* the receiver takes no more */
	bool		 reset;		/* it did so without an orderly end */
	bool		 cut;		/* an end of `from' is no orderly one */
	bool		 done;		/* nothing will move any more */
	bool		 last;		/* the other one is done: `to' is
					   about to be closed anyway */
	size_t		 discarded;	/* bytes, since broken */
	flow_count	*bytes;		/* passed on */
};

enum flow_result {
	FLOW_OK,
	FLOW_FROM_RESET,	/* the sender is gone without an end */
};

void	 flow_init(struct flow *f, int from, int to, uint8_t *buf,
	    size_t size, flow_count *bytes);

/* Is there room to read into; is there something to write? */
bool	 flow_can_fill(const struct flow *f);
bool	 flow_can_drain(const struct flow *f);

/*
 * Read if `readable' and there is room, then write what is held if it was
 * just read or `writable'.  At most one read and one write.
 */
enum flow_result	flow_step(struct flow *f, bool readable,
			    bool writable);

#endif
