#include <sys/socket.h>

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "session/flow.h"

/*
 * So many reads in a row, each of a buffer's size or this, begin a bulk.
 * More than this cannot be asked: with a receive window of 96 kB, reads of
 * 64 kB take turns with what is left, however much the sender has.
 */
#define BULK_READS	4
#define BULK_READ	((size_t)24 * 1024)
/* Less than this at once ends it: copied, it costs no more. */
#define BULK_END	((size_t)16 * 1024)

void
flow_init(struct flow *f, int from, int to, uint8_t *buf, size_t size,
    flow_count *bytes)
{
	*f = (struct flow){
		.from = from, .to = to, .buf = buf, .size = size,
		.bytes = bytes,
	};
}

void
flow_end(struct flow *f)
{
	if (f->pipe != NULL)
		pipes_drop(f->pipes, f->pipe);
	f->pipe = NULL;
	f->piped = 0;
}

bool
flow_can_fill(const struct flow *f)
{
	return !f->eof && f->pipe == NULL && f->len < f->size;
}

bool
flow_can_drain(const struct flow *f)
{
	return f->pipe != NULL || f->off < f->len;
}

/* Nobody takes what is held. */
static void
discard(struct flow *f)
{
	/* What is in a pipe was read before: it shortens no patience. */
	flow_end(f);
	f->discarded += f->len - f->off;
	f->off = f->len = 0;
	if (f->discarded > FLOW_DISCARD_MAX)
		f->done = true;
}

static size_t
at_most(size_t a, size_t b)
{
	return a < b ? a : b;
}

static bool
is_bulk(const struct flow *f)
{
	return f->full >= BULK_READS && f->pipes != NULL && !f->broken &&
	    f->len == 0;
}

/* splice(2) is not for these, or not here. */
static bool
is_unable(int error)
{
	return error == EINVAL || error == ENOSYS || error == EPERM;
}

/*
 * Read into a pipe.  1; 0 when it is to be done without one, which also
 * tells an end from urgent data, where splice(2) stops; or -1.
 */
static int
fill_pipe(struct flow *f)
{
	struct pipe	*p = pipes_take(f->pipes);
	/* The first piece must have room in the buffer: see retrieve(). */
	bool		 first = f->full == BULK_READS;
	ssize_t		 n;

	if (p == NULL) {
		f->full = 0;
		return 0;
	}
	n = splice(f->from, NULL, p->in, NULL, first ?
	    at_most(f->size, PIPES_SIZE) : PIPES_SIZE,
	    SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
	if (n > 0) {
		f->pipe = p;
		f->piped = (size_t)n;
		f->full = f->piped < at_most(f->size, BULK_END) ? 0 :
		    f->full + 1;
		return 1;
	}
	pipes_give(f->pipes, p);
	f->full = 0;
	if (n == 0 || errno == EAGAIN || errno == EINTR)
		return 0;
	if (!is_unable(errno))
		return -1;
	f->pipes = NULL;
	return 0;
}

static enum flow_result
fill(struct flow *f)
{
	ssize_t	 n;
	int	 rc = is_bulk(f) ? fill_pipe(f) : 0;

	if (rc != 0)
		return rc == 1 ? FLOW_OK : FLOW_FROM_RESET;
	n = recv(f->from, f->buf + f->len, f->size - f->len,
	    MSG_DONTWAIT);
	if (n > 0) {
		f->full = (size_t)n < at_most(f->size, BULK_READ) ? 0 :
		    f->full + 1;
		f->len += (size_t)n;
	} else if (n == 0)
		f->eof = true;
	else if (errno != EAGAIN && errno != EINTR)
		return FLOW_FROM_RESET;
	return FLOW_OK;
}

static void
count(const struct flow *f, size_t n)
{
	atomic_store_explicit(f->bytes, atomic_load_explicit(f->bytes,
	    memory_order_relaxed) + n, memory_order_relaxed);
}

/* Nothing was written: for now, or will never be. */
static void
refused(struct flow *f, int error)
{
	if (error == EAGAIN || error == EINTR)
		return;
	f->broken = true;
	/* EPIPE comes after an orderly end, all else without one. */
	f->reset = error != EPIPE;
}

static void
drain_buffer(struct flow *f)
{
	ssize_t	 n;

	n = send(f->to, f->buf + f->off, f->len - f->off,
	    MSG_DONTWAIT | MSG_NOSIGNAL);
	if (n == -1) {
		refused(f, errno);
		return;
	}
	f->off += (size_t)n;
	count(f, (size_t)n);
	if (f->off == f->len)
		f->off = f->len = 0;
}

/* The receiver is not for splice(2): from now on all is copied to it. */
static void
retrieve(struct flow *f)
{
	ssize_t	 n;

	n = read(f->pipe->out, f->buf, f->piped);
	if (n != (ssize_t)f->piped) {
		refused(f, EIO);
		return;
	}
	f->len = f->piped;
	flow_end(f);
	f->pipes = NULL;
	drain_buffer(f);
}

static void
drain_pipe(struct flow *f)
{
	ssize_t	 n;

	n = splice(f->pipe->out, NULL, f->to, NULL, f->piped,
	    SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
	if (n <= 0) {
		if (n == -1 && is_unable(errno) && f->buf != NULL &&
		    f->piped <= f->size)
			retrieve(f);
		else
			refused(f, n == -1 ? errno : EIO);
		return;
	}
	f->piped -= (size_t)n;
	count(f, (size_t)n);
	if (f->piped == 0) {
		pipes_give(f->pipes, f->pipe);
		f->pipe = NULL;
	}
}

static void
drain(struct flow *f)
{
	if (f->pipe != NULL)
		drain_pipe(f);
	else
		drain_buffer(f);
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
	bool	 held = flow_can_drain(f);

	if (f->done)
		return FLOW_OK;
	if (readable && flow_can_fill(f) && fill(f) == FLOW_FROM_RESET)
		return FLOW_FROM_RESET;
	/* Bytes that wait already wait for POLLOUT, new ones need not ask. */
	if (!f->broken && flow_can_drain(f) && (writable || !held))
		drain(f);
	if (f->broken)
		discard(f);
	if (f->eof && !flow_can_drain(f) && !f->done)
		return finish(f);
	return FLOW_OK;
}
