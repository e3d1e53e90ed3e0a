#include <sys/socket.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
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
	return !f->eof && !f->stopped && f->resting == 0 && f->pipe == NULL &&
	    f->len < f->size;
}

bool
flow_can_drain(const struct flow *f)
{
	return f->pipe != NULL || f->off < f->len - f->kept || f->ending;
}

bool
flow_is_pending(const struct flow *f)
{
	return f->in != NULL && flow_can_fill(f) && stream_pending(f->in);
}

short
flow_fill_events(const struct flow *f)
{
	return f->in != NULL ? f->in->read_wants : POLLIN;
}

short
flow_drain_events(const struct flow *f)
{
	return f->out != NULL ? f->out->write_wants : POLLOUT;
}

/* Nobody takes what is held. */
static void
discard(struct flow *f)
{
	/* What is in a pipe was read before: it shortens no patience. */
	flow_end(f);
	f->discarded += f->len - f->off;
	f->off = f->len = f->kept = 0;
	if (f->discarded > FLOW_DISCARD_MAX)
		f->done = true;
}

/* What has passed makes room. */
static void
tidy(struct flow *f)
{
	if (f->off != f->len - f->kept)
		return;
	if (f->kept > 0)
		memmove(f->buf, f->buf + f->off, f->kept);
	f->off = 0;
	f->len = f->kept;
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
	    f->len == 0 && f->in == NULL && f->out == NULL &&
	    f->look == NULL;
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

static ssize_t
read_some(const struct flow *f)
{
	uint8_t	*p = f->buf + f->len;
	size_t	 room = f->size - f->len;

	return f->in != NULL ? stream_read(f->in, p, room) :
	    recv(f->from, p, room, MSG_DONTWAIT);
}

static ssize_t
write_some(const struct flow *f)
{
	const uint8_t	*p = f->buf + f->off;
	size_t		 len = f->len - f->kept - f->off;

	return f->out != NULL ? stream_write(f->out, p, len) :
	    send(f->to, p, len, MSG_DONTWAIT | MSG_NOSIGNAL);
}

/*
 * Who has closed answers the end that TLS says with a reset, though it went
 * in order.
 */
static bool
is_answer(const struct flow *f)
{
	return f->in != NULL && f->last && errno == ECONNRESET;
}

/* The last `n' bytes are new, or were kept. */
static void
look(struct flow *f, size_t n)
{
	if (f->look != NULL)
		f->kept = n - f->look(f->look_ctx, f->buf + f->len - n, n,
		    &f->stopped);
}

void
flow_resume(struct flow *f, size_t used)
{
	f->off += used;
	f->kept -= used;
	f->stopped = false;
	look(f, f->kept);
	tidy(f);
}

/* So many were read: it may be enough for now. */
static void
rest(struct flow *f, size_t n)
{
	if (f->pace != NULL)
		f->resting = pace_take(f->pace, n);
}

static enum flow_result
fill(struct flow *f)
{
	ssize_t	 n;
	int	 rc = is_bulk(f) ? fill_pipe(f) : 0;

	if (rc == 1)
		rest(f, f->piped);
	if (rc != 0)
		return rc == 1 ? FLOW_OK : FLOW_FROM_RESET;
	n = read_some(f);
	if (n > 0) {
		rest(f, (size_t)n);
		f->full = (size_t)n < at_most(f->size, BULK_READ) ? 0 :
		    f->full + 1;
		f->len += (size_t)n;
		look(f, f->kept + (size_t)n);
	} else if (n == 0 || is_answer(f)) {
		f->eof = true;
		f->kept = 0;		/* no more will tell what it is */
	} else if (errno != EAGAIN && errno != EINTR)
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
	ssize_t	 n = write_some(f);

	if (n == -1) {
		refused(f, errno);
		return;
	}
	f->off += (size_t)n;
	count(f, (size_t)n);
	tidy(f);
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
	else if (f->off < f->len - f->kept)
		drain_buffer(f);
}

/* Tell the receiver the end.  False: it does not take it yet. */
static bool
pass_on_end(struct flow *f)
{
	if (f->broken)
		return true;
	/* TLS has an end of its own, which is said also before a close. */
	if (f->out != NULL)
		return stream_shut(f->out) == 0 || errno != EAGAIN;
	if (!f->last)
		(void)shutdown(f->to, SHUT_WR);
	return true;
}

static enum flow_result
finish(struct flow *f)
{
	if (f->cut)
		return FLOW_FROM_RESET;
	f->done = pass_on_end(f);
	f->ending = !f->done;
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
	if (f->eof && !f->done && f->pipe == NULL && f->off == f->len &&
	    (writable || !f->ending))
		return finish(f);
	return FLOW_OK;
}
