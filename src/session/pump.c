#include <errno.h>
#include <poll.h>

#include "base/io.h"
#include "base/sig.h"
#include "session/pump.h"

/* What a peer that has been told the end may take to answer with its own. */
#define LINGER_MS	1000

/*
 * Watch a side for what its flows have room or data for.  With neither it is
 * watched for its death alone, until that has shown: it would show for ever.
 */
static struct pollfd
interest(int fd, const struct flow *in, const struct flow *out, bool gone)
{
	struct pollfd	 p = { .fd = fd };

	if (!in->done && flow_can_fill(in))
		p.events |= POLLIN;
	if (!out->done && flow_can_drain(out))
		p.events |= POLLOUT;
	if (p.events == 0 && gone)
		p.fd = -1;
	return p;
}

static bool
is_broken(const struct pump *p)
{
	return p->up.broken || p->down.broken;
}

static bool
is_half_closed(const struct pump *p)
{
	return p->up.done || p->down.done;
}

static int
patience(const struct pump *p)
{
	int	 ms = p->idle_ms;

	if ((is_half_closed(p) || is_broken(p) || p->front_gone ||
	    p->back_gone) && p->half_closed_ms < ms)
		ms = p->half_closed_ms;
	if (is_half_closed(p) && is_broken(p) && ms > LINGER_MS)
		ms = LINGER_MS;
	return ms;
}

/* The side that took no more had gone before its time. */
static enum end
outcome(const struct pump *p)
{
	if (p->up.broken)
		return END_SERVER_RESET;
	if (p->down.broken)
		return END_CLIENT_RESET;
	return END_DONE;
}

static enum end
silence(const struct pump *p)
{
	if (is_broken(p))
		return outcome(p);
	if (is_half_closed(p))
		return END_HALF_CLOSED;
	if (p->front_gone)
		return END_CLIENT_RESET;
	if (p->back_gone)
		return END_SERVER_RESET;
	return END_IDLE;
}

/* Wait for either side; false when the session is over instead. */
static bool
wait_for_sides(const struct pump *p, struct pollfd pfd[2], enum end *end)
{
	int64_t	 since = 0;		/* the first signal */
	int	 ms = patience(p);

	for (;;) {
		switch (sig_ppoll(pfd, 2, since == 0 ? ms :
		    io_left_ms(since + ms))) {
		case -1:
			*end = END_INTERNAL;
			if (errno != EINTR || told_to_end(p->told, end))
				return false;
			/*
			 * Signals must not stretch the wait for ever, and who
			 * hears none need not ask for the time.
			 */
			if (since == 0)
				since = io_now_ms();
			break;
		case 0:
			*end = silence(p);
			return false;
		default:
			return true;
		}
	}
}

enum end
pump_run(struct pump *p)
{
	const short	 in = POLLIN | POLLHUP | POLLERR;
	const short	 out = POLLOUT | POLLHUP | POLLERR;
	struct flow	*up = &p->up, *down = &p->down;
	struct pollfd	 pfd[2];
	enum end	 end;

	while (!up->done || !down->done) {
		pfd[0] = interest(up->from, up, down, p->front_gone);
		pfd[1] = interest(down->from, down, up, p->back_gone);
		if (!wait_for_sides(p, pfd, &end))
			return end;
		p->front_gone |= pfd[0].events == 0 && pfd[0].revents != 0;
		p->back_gone |= pfd[1].events == 0 && pfd[1].revents != 0;
		if (flow_step(up, (pfd[0].revents & in) != 0,
		    (pfd[1].revents & out) != 0) == FLOW_FROM_RESET)
			return up->broken ? outcome(p) : END_CLIENT_RESET;
		/* A reset is told once: here, and not to the reader. */
		down->cut |= up->reset;
		if (flow_step(down, (pfd[1].revents & in) != 0,
		    (pfd[0].revents & out) != 0) == FLOW_FROM_RESET)
			return down->broken ? outcome(p) : END_SERVER_RESET;
		up->cut |= down->reset;
	}
	return outcome(p);
}
