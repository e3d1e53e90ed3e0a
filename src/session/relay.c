#include <poll.h>

#include "base/io.h"
#include "session/relay.h"

/* What a peer that has been told the end may take to answer with its own. */
#define LINGER_MS	1000

static short
wants(const struct flow *in, const struct flow *out, bool gone, bool *blind)
{
	short	 events = 0;

	if (!in->done && flow_can_fill(in))
		events |= flow_fill_events(in);
	if (!out->done && flow_can_drain(out))
		events |= flow_drain_events(out);
	*blind = events == 0 && gone;
	return events;
}

short
relay_front_wants(const struct relay *r, bool *blind)
{
	return wants(&r->up, &r->down, r->front_gone, blind);
}

short
relay_back_wants(const struct relay *r, bool *blind)
{
	return wants(&r->down, &r->up, r->back_gone, blind);
}

static bool
is_broken(const struct relay *r)
{
	return r->up.broken || r->down.broken;
}

static bool
is_half_closed(const struct relay *r)
{
	return r->up.done || r->down.done;
}

int
relay_patience(const struct relay *r)
{
	int	 ms = r->idle_ms;

	if ((is_half_closed(r) || is_broken(r) || r->front_gone ||
	    r->back_gone) && r->half_closed_ms < ms)
		ms = r->half_closed_ms;
	if (is_half_closed(r) && is_broken(r) && ms > LINGER_MS)
		ms = LINGER_MS;
	return ms;
}

/* The side that took no more had gone before its time. */
static enum end
outcome(const struct relay *r)
{
	if (r->up.broken)
		return END_SERVER_RESET;
	if (r->down.broken)
		return END_CLIENT_RESET;
	return END_DONE;
}

enum end
relay_silence(const struct relay *r)
{
	if (is_broken(r))
		return outcome(r);
	if (is_half_closed(r))
		return END_HALF_CLOSED;
	if (r->front_gone)
		return END_CLIENT_RESET;
	if (r->back_gone)
		return END_SERVER_RESET;
	return END_IDLE;
}

static bool
is_stream(const struct relay *r)
{
	return r->up.in != NULL || r->up.out != NULL;
}

bool
relay_is_pending(const struct relay *r)
{
	return flow_is_pending(&r->up) || flow_is_pending(&r->down);
}

int64_t
relay_wake(struct relay *r)
{
	struct flow	*f[2] = { &r->up, &r->down };
	int64_t		 now, next = 0;

	if (r->up.resting == 0 && r->down.resting == 0)
		return 0;
	now = io_now_ms();
	for (size_t i = 0; i < 2; i++) {
		if (f[i]->resting <= now)
			f[i]->resting = 0;
		else if (next == 0 || f[i]->resting < next)
			next = f[i]->resting;
	}
	return next;
}

bool
relay_is_stopped(const struct relay *r)
{
	return (r->up.stopped || r->down.stopped) &&
	    !flow_can_drain(&r->up) && !flow_can_drain(&r->down);
}

static bool
is_watched(const struct relay *r)
{
	return r->up.look != NULL || r->down.look != NULL;
}

bool
relay_is_empty(const struct relay *r)
{
	return !is_stream(r) && !is_watched(r) && !flow_can_drain(&r->up) &&
	    !flow_can_drain(&r->down) && !r->up.eof && !r->down.eof &&
	    !is_broken(r) && !r->front_gone && !r->back_gone;
}

static bool
is_readable(const struct flow *f, short events)
{
	return (events & (flow_fill_events(f) | POLLHUP | POLLERR)) != 0 ||
	    flow_is_pending(f);
}

static bool
is_writable(const struct flow *f, short events)
{
	return (events & (flow_drain_events(f) | POLLHUP | POLLERR)) != 0;
}

bool
relay_step(struct relay *r, short front, short back, enum end *end)
{
	struct flow	*up = &r->up, *down = &r->down;
	const bool	 can_read[2] = {
		is_readable(up, front), is_readable(down, back),
	};
	const bool	 can_write[2] = {
		is_writable(up, back), is_writable(down, front),
	};
	bool		 blind;

	/* Before the first step, which changes what is wanted. */
	r->front_gone |= front != 0 && relay_front_wants(r, &blind) == 0;
	r->back_gone |= back != 0 && relay_back_wants(r, &blind) == 0;
	if (flow_step(up, can_read[0], can_write[0]) ==
	    FLOW_FROM_RESET) {
		*end = up->broken ? outcome(r) : END_CLIENT_RESET;
		return false;
	}
	/* A reset is told once: here, and not to the reader. */
	down->cut |= up->reset;
	down->last = up->done;
	if (flow_step(down, can_read[1], can_write[1]) ==
	    FLOW_FROM_RESET) {
		*end = down->broken ? outcome(r) : END_SERVER_RESET;
		return false;
	}
	up->cut |= down->reset;
	up->last = down->done;
	*end = outcome(r);
	return !up->done || !down->done;
}

void
relay_end(struct relay *r)
{
	flow_end(&r->up);
	flow_end(&r->down);
}
