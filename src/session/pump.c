#include <errno.h>
#include <poll.h>

#include "base/io.h"
#include "base/sig.h"
#include "session/pump.h"

#define AGAIN_MS	1000	/* until a quiet one is offered again */

enum wait {
	READY,
	QUIET,			/* for so long that it may be handed over */
	OVER,
};

static struct pollfd
interest(int fd, short events, bool blind)
{
	return (struct pollfd){ .fd = blind ? -1 : fd, .events = events };
}

/* Wait for either side, at most ms, which is told from the first signal. */
static enum wait
wait_for_sides(const struct pump *p, struct pollfd pfd[2], int ms,
    enum end *end)
{
	int64_t	 since = 0;		/* the first signal */

	for (;;) {
		switch (sig_ppoll(pfd, 2, since == 0 ? ms :
		    io_left_ms(since + ms))) {
		case -1:
			*end = END_INTERNAL;
			if (errno != EINTR || told_to_end(p->told, end))
				return OVER;
			/*
			 * Signals must not stretch the wait for ever, and who
			 * hears none need not ask for the time.
			 */
			if (since == 0)
				since = io_now_ms();
			break;
		case 0:
			return QUIET;
		default:
			return READY;
		}
	}
}

/* Does it go on elsewhere from here? */
static bool
is_handed_over(struct pump *p, bool quiet)
{
	p->carried = p->hand_over != NULL && relay_is_empty(&p->relay) &&
	    p->hand_over(p->ctx, quiet);
	return p->carried;
}

/* Nothing is in the buffers, and there is time. */
static void
rest(const struct pump *p)
{
	const struct flow	*up = &p->relay.up, *down = &p->relay.down;

	if (up->off == up->len && down->off == down->len)
		p->rest(p->ctx);
}

/* Look what shows, and hear signals, but do not wait. */
static enum wait
look(const struct pump *p, struct pollfd pfd[2], enum end *end)
{
	return wait_for_sides(p, pfd, 0, end) == OVER ? OVER : READY;
}

/* While one side is held back, its silence says nothing. */
static enum wait
await_until(const struct pump *p, struct pollfd pfd[2], int64_t until,
    enum end *end)
{
	return wait_for_sides(p, pfd, io_left_ms(until), end) == OVER ? OVER :
	    READY;
}

/*
 * Wait for either side; a silence of some length is a time to hand over, or
 * else to rest.
 */
static enum wait
await(struct pump *p, struct pollfd pfd[2], enum end *end)
{
	int		 ms = relay_patience(&p->relay);
	bool		 quiet = p->pause_ms == 0, awake = p->rest != NULL;
	int		 next = quiet ? p->quiet_ms : p->pause_ms;
	enum wait	 rc;

	while ((p->hand_over != NULL || awake) && next < ms) {
		rc = wait_for_sides(p, pfd, next, end);
		if (rc != QUIET)
			return rc;
		if (is_handed_over(p, quiet))
			return OVER;
		if (quiet && next > 0 && awake) {
			rest(p);
			awake = false;
		}
		ms -= next;
		next = quiet ? AGAIN_MS : p->quiet_ms - p->pause_ms;
		quiet = true;
	}
	rc = wait_for_sides(p, pfd, ms, end);
	if (rc == QUIET)
		*end = relay_silence(&p->relay);
	return rc;
}

enum end
pump_run(struct pump *p)
{
	struct relay	*r = &p->relay;
	struct pollfd	 pfd[2];
	unsigned int	 turns = 0;
	enum end	 end = END_DONE;
	int64_t		 until;
	bool		 blind;
	short		 events;
	enum wait	 rc;

	do {
		if (p->hand_over != NULL && ++turns > p->turns) {
			turns = 0;
			if (is_handed_over(p, false))
				break;
		}
		if (relay_is_stopped(r) && !p->stopped(p->ctx, r, &end))
			break;
		until = relay_wake(r);
		events = relay_front_wants(r, &blind);
		pfd[0] = interest(r->up.from, events, blind);
		events = relay_back_wants(r, &blind);
		pfd[1] = interest(r->down.from, events, blind);
		if (relay_is_pending(r))
			rc = look(p, pfd, &end);
		else if (until != 0)
			rc = await_until(p, pfd, until, &end);
		else
			rc = await(p, pfd, &end);
		if (rc != READY)
			break;
	} while (relay_step(r, pfd[0].revents, pfd[1].revents, &end));
	relay_end(r);
	return end;
}
