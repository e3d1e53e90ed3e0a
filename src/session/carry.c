#include <sys/epoll.h>
#include <sys/socket.h>

#include <netinet/in.h>

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "base/mem.h"
#include "base/sig.h"
#include "session/carry.h"

#define BATCH		256	/* events taken at once */
#define SCRATCH		(64 * 1024)

/* With these a short read need not be the last. */
#define STOPS		(EPOLLRDHUP | EPOLLPRI | EPOLLHUP | EPOLLERR)
/* What a relay knows; the others are ours. */
#define SHOWN		(EPOLLIN | EPOLLOUT | EPOLLHUP | EPOLLERR)

_Static_assert(EPOLLIN == POLLIN && EPOLLOUT == POLLOUT &&
    EPOLLHUP == POLLHUP && EPOLLERR == POLLERR, "epoll(7) and poll(2) differ");

/* What an event is about, in the low bits of a pointer that has none. */
enum {
	FRONT,
	BACK,
	EAR,
	KINDS,			/* a mask when made one less: 0 to 3 */
};

struct carry {
	int			 ep;
	void			(*over)(struct carried *, enum end);
	void			(*forget)(struct carried *);
	size_t			 n;
	int64_t			 now;
	struct carried		*dead;		/* until the batch is done */
	RB_HEAD(clock, carried)	 clock;		/* soonest first */
	uint8_t			*scratch;
};

static int
compare(const struct carried *a, const struct carried *b)
{
	if (a->at != b->at)
		return a->at < b->at ? -1 : 1;
	if (a == b)
		return 0;
	return a < b ? -1 : 1;
}

RB_PROTOTYPE_INTERNAL(clock, carried, link, compare,
    static __attribute__((unused)))
RB_GENERATE_INTERNAL(clock, carried, link, compare,
    static __attribute__((unused)))

static void *
tag(void *p, int kind)
{
	return (char *)p + kind;
}

static int
kind_of(const void *p)
{
	return (int)((uintptr_t)p & KINDS);
}

struct carry *
carry_new(void (*over)(struct carried *, enum end),
    void (*forget)(struct carried *))
{
	struct carry	*carry = mem_calloc(1, sizeof(*carry));

	carry->over = over;
	carry->forget = forget;
	RB_INIT(&carry->clock);
	carry->scratch = mem_calloc(1, SCRATCH);
	carry->ep = epoll_create1(EPOLL_CLOEXEC);
	if (carry->ep == -1)
		carry_free(&carry);
	return carry;
}

void
carry_free(struct carry **carryp)
{
	struct carry	*carry = *carryp;
	int		 saved = errno;

	if (carry == NULL)
		return;
	if (carry->ep != -1)
		close(carry->ep);
	free(carry->scratch);
	free(carry);
	*carryp = NULL;
	errno = saved;
}

size_t
carry_count(const struct carry *carry)
{
	return carry->n;
}

static int
side_fd(const struct carried *c, int side)
{
	return side == FRONT ? c->relay.up.from : c->relay.down.from;
}

static bool
is_tcp(int fd)
{
	int		 protocol = 0;
	socklen_t	 len = sizeof(protocol);

	return getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, &protocol, &len) == 0 &&
	    protocol == IPPROTO_TCP;
}

/*
 * Bring the set in line with what the relay wants of one side.  With `again'
 * what is there already is told once more.
 */
static int
watch(const struct carry *carry, struct carried *c, int side, bool again)
{
	bool			 blind;
	short			 events = side == FRONT ?
				    relay_front_wants(&c->relay, &blind) :
				    relay_back_wants(&c->relay, &blind);
	struct epoll_event	 ev = {
		.events = (uint32_t)events, .data.ptr = tag(c, side),
	};
	int			 op = EPOLL_CTL_MOD;

	if (events == c->watched[side] && blind == c->blind[side] && !again)
		return 0;
	if (blind != c->blind[side])
		op = blind ? EPOLL_CTL_DEL : EPOLL_CTL_ADD;
	c->watched[side] = events;
	c->blind[side] = blind;
	if (c->edge[side])
		ev.events |= EPOLLET | (events & EPOLLIN ?
		    EPOLLRDHUP | EPOLLPRI : 0);
	return epoll_ctl(carry->ep, op, side_fd(c, side), &ev);
}

/* When it has been silent for too long, if nothing comes until then. */
static int64_t
due(const struct carried *c)
{
	int64_t	 at = c->active + relay_patience(&c->relay);

	return c->end_by != 0 && c->end_by < at ? c->end_by : at;
}

/* Times only ever move on while bytes flow: that is seen when they come. */
static void
set_clock(struct carry *carry, struct carried *c)
{
	int64_t	 at = due(c);

	if (c->at != 0 && at >= c->at)
		return;
	if (c->at != 0)
		(void)RB_REMOVE(clock, &carry->clock, c);
	c->at = at;
	(void)RB_INSERT(clock, &carry->clock, c);
}

static void
drop_held(struct flow *f)
{
	free(f->buf);
	f->buf = NULL;
}

void
carry_end(struct carry *carry, struct carried *c, enum end end)
{
	if (c->dead)
		return;
	for (int side = FRONT; side <= BACK; side++)
		if (!c->blind[side])
			(void)epoll_ctl(carry->ep, EPOLL_CTL_DEL,
			    side_fd(c, side), NULL);
	if (c->at != 0)
		(void)RB_REMOVE(clock, &carry->clock, c);
	drop_held(&c->relay.up);
	drop_held(&c->relay.down);
	carry->n--;
	c->dead = true;
	c->next = carry->dead;
	carry->dead = c;
	carry->over(c, end);
}

/* Its other side may still be in the batch of events that is being read. */
static void
bury(struct carry *carry)
{
	struct carried	*c;

	while ((c = carry->dead) != NULL) {
		carry->dead = c->next;
		carry->forget(c);
	}
}

int
carry_add(struct carry *carry, struct carried *c)
{
	int	 saved;

	c->relay.up.size = c->relay.down.size = c->buffer < SCRATCH ?
	    c->buffer : SCRATCH;
	/* As if they had been watched for nothing: then they are added. */
	c->blind[FRONT] = c->blind[BACK] = true;
	c->edge[FRONT] = is_tcp(c->relay.up.from);
	c->edge[BACK] = is_tcp(c->relay.down.from);
	if (watch(carry, c, FRONT, false) == -1 ||
	    watch(carry, c, BACK, false) == -1) {
		saved = errno;
		(void)epoll_ctl(carry->ep, EPOLL_CTL_DEL, c->relay.up.from,
		    NULL);
		errno = saved;
		return -1;
	}
	c->active = io_now_ms();
	set_clock(carry, c);
	carry->n++;
	return 0;
}

static void
lend(const struct carry *carry, struct flow *f)
{
	if (f->buf == NULL)
		f->buf = carry->scratch;
}

/* Keep what was not taken; give back what is not needed any more. */
static void
settle(const struct carry *carry, struct carried *c, struct flow *f)
{
	size_t	 n = f->len - f->off;
	uint8_t	*keep;

	if (f->buf == carry->scratch) {
		f->buf = NULL;
		if (n == 0)
			return;
		keep = mem_resize(NULL, n, 1);
		memcpy(keep, carry->scratch + f->off, n);
		f->buf = keep;
		f->off = 0;
		f->len = f->size = n;	/* full: nothing more is read */
	} else if (n == 0 && f->buf != NULL) {
		drop_held(f);
		f->size = c->buffer < SCRATCH ? c->buffer : SCRATCH;
	}
}

/* Bytes that have come, whatever became of them. */
static uint64_t
come(const struct flow *f)
{
	return atomic_load_explicit(f->bytes, memory_order_relaxed) +
	    (f->len - f->off) + f->discarded;
}

static bool
advance(const struct carry *carry, struct carried *c, int side, short events,
    enum end *end)
{
	bool	 on;

	/* The only flow that may read now. */
	lend(carry, side == FRONT ? &c->relay.up : &c->relay.down);
	on = relay_step(&c->relay, side == FRONT ? events : 0,
	    side == BACK ? events : 0, end);
	settle(carry, c, &c->relay.up);
	settle(carry, c, &c->relay.down);
	return on;
}

static void
step(struct carry *carry, struct carried *c, int side, uint32_t events)
{
	const struct flow	*in = side == FRONT ? &c->relay.up :
				    &c->relay.down;
	uint64_t		 before = come(in);
	bool			 on, left;
	enum end		 end;

	/* Urgent data alone is nothing. */
	if ((events & SHOWN) == 0)
		return;
	on = advance(carry, c, side, (short)(events & SHOWN), &end);
	c->active = carry->now;
	/*
	 * May something be left of which nothing else would tell?  Not where
	 * nothing came, which is no reason to go round for ever.
	 */
	left = c->edge[side] && come(in) != before &&
	    (in->full > 0 || (events & STOPS) != 0);
	if (on && (watch(carry, c, FRONT, left && side == FRONT) == -1 ||
	    watch(carry, c, BACK, left && side == BACK) == -1)) {
		on = false;
		end = END_INTERNAL;
	}
	if (on)
		set_clock(carry, c);
	else
		carry_end(carry, c, end);
}

int
carry_listen(struct carry *carry, struct carry_ear *ear, bool exclusive)
{
	struct epoll_event	 ev = {
		.events = EPOLLIN | (exclusive ? EPOLLEXCLUSIVE : 0),
		.data.ptr = tag(ear, EAR),
	};

	return epoll_ctl(carry->ep, EPOLL_CTL_ADD, ear->fd, &ev);
}

void
carry_unlisten(struct carry *carry, struct carry_ear *ear)
{
	(void)epoll_ctl(carry->ep, EPOLL_CTL_DEL, ear->fd, NULL);
}

static void
hear(struct carry *carry, const struct epoll_event *ev)
{
	char			*p = ev->data.ptr;
	int			 kind = kind_of(p);
	struct carry_ear	*ear;
	struct carried		*c;

	if (kind == EAR) {
		ear = (struct carry_ear *)(void *)(p - kind);
		ear->run(ear->ctx);
		return;
	}
	c = (struct carried *)(void *)(p - kind);
	if (!c->dead)
		step(carry, c, kind, ev->events);
}

/* Those whose time may have come; most had something to do since. */
static void
look_at_clock(struct carry *carry)
{
	struct carried	*c;

	while ((c = RB_MIN(clock, &carry->clock)) != NULL &&
	    c->at <= carry->now) {
		if (due(c) <= carry->now) {
			carry_end(carry, c, c->end_by != 0 &&
			    c->end_by <= carry->now ? END_TIMEOUT :
			    relay_silence(&c->relay));
			continue;
		}
		(void)RB_REMOVE(clock, &carry->clock, c);
		c->at = due(c);
		(void)RB_INSERT(clock, &carry->clock, c);
	}
}

int
carry_turn(struct carry *carry, int64_t deadline)
{
	struct epoll_event	 events[BATCH];
	struct carried		*c = RB_MIN(clock, &carry->clock);
	int			 n;

	if (c != NULL && c->at < deadline)
		deadline = c->at;
	n = sig_epoll_wait(carry->ep, events, BATCH, io_left_ms(deadline));
	carry->now = io_now_ms();
	for (int i = 0; i < n; i++)
		hear(carry, &events[i]);
	look_at_clock(carry);
	bury(carry);
	return n == -1 && errno != EINTR ? -1 : 0;
}
