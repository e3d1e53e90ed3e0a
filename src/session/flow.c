#include <sys/socket.h>

#include <errno.h>

#include "session/flow.h"

void
flow_init(struct flow *f, int from, int to, uint8_t *buf, size_t size,
    flow_count *bytes)
{
	*f = (struct flow){
		.from = from, .to = to, .buf = buf, .size = size,
		.bytes = bytes,
	};
}

bool
flow_can_fill(const struct flow *f)
{
	return !f->eof && f->len < f->size;
}

bool
flow_can_drain(const struct flow *f)
{
	return f->off < f->len;
}

/* Nobody takes what is held. */
static void
discard(struct flow *f)
{
	f->discarded += f->len - f->off;
	f->off = f->len = 0;
	if (f->discarded > FLOW_DISCARD_MAX)
		f->done = true;
}

static enum flow_result
fill(struct flow *f)
{
	ssize_t	 n;

	n = recv(f->from, f->buf + f->len, f->size - f->len,
	    MSG_DONTWAIT);
	if (n > 0)
		f->len += (size_t)n;
	else if (n == 0)
		f->eof = true;
	else if (errno != EAGAIN && errno != EINTR)
		return FLOW_FROM_RESET;
	return FLOW_OK;
}

static void
drain(struct flow *f)
{
	ssize_t	 n;

	n = send(f->to, f->buf + f->off, f->len - f->off,
	    MSG_DONTWAIT | MSG_NOSIGNAL);
	if (n == -1) {
		if (errno == EAGAIN || errno == EINTR)
			return;
		f->broken = true;
		/* EPIPE comes after an orderly end, all else without one. */
		f->reset = errno != EPIPE;
		return;
	}
	f->off += (size_t)n;
	atomic_store_explicit(f->bytes, atomic_load_explicit(f->bytes,
	    memory_order_relaxed) + (uint64_t)n, memory_order_relaxed);
	if (f->off == f->len)
		f->off = f->len = 0;
}

static enum flow_result
finish(struct flow *f)
{
	if (f->cut)
		return FLOW_FROM_RESET;
	if (!f->broken && !f->last)
		(void)shutdown(f->to, SHUT_WR);
	f->done = true;
	return FLOW_OK;
}

enum flow_result
flow_step(struct flow *f, bool readable, bool writable)
{
	size_t	 held = f->len;

	if (f->done)
		return FLOW_OK;
	if (readable && flow_can_fill(f) && fill(f) == FLOW_FROM_RESET)
		return FLOW_FROM_RESET;
	/* Bytes that wait already wait for POLLOUT, new ones need not ask. */
	if (!f->broken && flow_can_drain(f) && (writable || held == 0))
		drain(f);
	if (f->broken)
		discard(f);
	if (f->eof && !flow_can_drain(f) && !f->done)
		return finish(f);
	return FLOW_OK;
}
