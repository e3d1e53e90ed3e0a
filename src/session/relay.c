#include <poll.h>

#include "session/relay.h"

/* What a peer that has been told the end may take to answer with its own. */
#define LINGER_MS	1000

static short
wants(const struct flow *in, const struct flow *out, bool gone, bool *blind)
{
	short	 events = 0;

	if (!in->done && flow_can_fill(in))
		events |= POLLIN;
	if (!out->done && flow_can_drain(out))
		events |= POLLOUT;
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

bool
relay_is_empty(const struct relay *r)
{
	return !flow_can_drain(&r->up) && !flow_can_drain(&r->down) &&
	    !r->up.eof && !r->down.eof && !is_broken(r) && !r->front_gone &&
	    !r->back_gone;
}

bool
relay_step(struct relay *r, short front, short back, enum end *end)
{
	const short	 in = POLLIN | POLLHUP | POLLERR;
	const short	 out = POLLOUT | POLLHUP | POLLERR;
	struct flow	*up = &r->up, *down = &r->down;
	bool		 blind;

	/* Before the first step, which changes what is wanted. */
	r->front_gone |= front != 0 && relay_front_wants(r, &blind) == 0;
	r->back_gone |= back != 0 && relay_back_wants(r, &blind) == 0;
	if (flow_step(up, (front & in) != 0, (back & out) != 0) ==
	    FLOW_FROM_RESET) {
		*end = up->broken ? outcome(r) : END_CLIENT_RESET;
		return false;
	}
	/* A reset is told once: here, and not to the reader. */
	down->cut |= up->reset;
	down->last = up->done;
	if (flow_step(down, (back & in) != 0, (front & out) != 0) ==
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
