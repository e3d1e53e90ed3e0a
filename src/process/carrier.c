/*
 * carrier - has many established sessions, and nothing to do but copy.
 *
 *	from	may ask
 *	master	MSG_STOP, MSG_DRAIN, MSG_CONF, MSG_BOOK, MSG_MEET, MSG_COMMIT,
 *		MSG_FORGET
 *	worker	MSG_CARRY, by the rendezvous of its pool
 *	control	MSG_KILL
 *
 * It parses nothing that a network sent.  Its records are in a scoreboard
 * that outlives it, so its successor can write the lines of sessions
 * that ended with it.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "base/mem.h"
#include "base/sig.h"
#include "process/channel.h"
#include "process/handover.h"
#include "process/held.h"
#include "process/role.h"
#include "process/sandbox.h"
#include "process/serve.h"
#include "session/carry.h"

#define TURN_MS		60000
#define OFFERS_MAX	512	/* more than a rendezvous holds */
#define RESERVE		64	/* descriptors that are no session's */
#define KEEPER_MS	20	/* until the keeper is tried again */
#define LOG_MS		20	/* that lines may wait for room, each turn */
#define LOG_ALL_MS	1500	/* the same for those of all sessions */

struct carrier;

/* Where a pool's workers offer their sessions. */
struct door {
	struct carrier		*carrier;
	struct carry_ear	 ear;
	int			 keeper_fd;	/* for sessions it counts */
	size_t			 sessions;	/* counted, from here */
	bool			 gone;		/* the pool; they stay */
};

struct session {
	struct carried		 c;
	struct carrier		*carrier;
	struct sb_worker	*board;
	struct door		*door;		/* of its ask */
	struct ask		*ask;		/* or NULL */
};

struct carrier {
	struct setup		*s;
	struct scoreboard	 sb;
	struct carry		*carry;
	struct session		**sessions;	/* by slot */
	uint32_t		*free;		/* slots, as a stack */
	size_t			 nfree;
	size_t			 counted;	/* sessions with an ask */
	int64_t			 keeper_at;	/* to be told then, or 0 */
	int			 descriptors;	/* there may be */
	bool			 poor;		/* there are hardly more */
	struct door		**doors;
	size_t			 ndoors;
	struct carry_ear	 master, control;
	int			 log_ms;	/* lines may wait so long yet */
	bool			 open;		/* offers are heard */
	bool			 draining;
};

static uint32_t
slot_of(const struct session *se)
{
	const struct scoreboard	*sb = &se->carrier->sb;

	return (uint32_t)((size_t)((const char *)se->board -
	    (const char *)scoreboard_worker(sb, 0)) / sb->stride);
}

/* Its line to the keeper is the pool's as long as one is held. */
static void
free_door(struct door *d)
{
	if (!d->gone || d->sessions > 0)
		return;
	close(d->keeper_fd);
	free(d);
}

static void
release(struct session *se)
{
	if (se->ask == NULL)
		return;
	ask_release(se->ask);
	ask_free(&se->ask);
	se->carrier->counted--;
	se->door->sessions--;
	free_door(se->door);
}

/* What the engine has let go of ends as a worker's session does. */
static void
on_over(struct carried *c, enum end end)
{
	struct session		*se = c->owner;
	struct sb_worker	*w = se->board;
	struct carrier		*cr = se->carrier;

	release(se);
	serve_close(&c->relay);
	cr->log_ms = log_wait(cr->log_ms);
	serve_log(&w->session, atomic_load(&w->up), atomic_load(&w->down),
	    end_text(end), NULL);
	atomic_store(&w->state, SB_BETWEEN);
	atomic_fetch_add(&w->served, 1);
}

static void
on_forget(struct carried *c)
{
	struct session	*se = c->owner;
	struct carrier	*cr = se->carrier;
	uint32_t	 slot = slot_of(se);

	cr->sessions[slot] = NULL;
	cr->free[cr->nfree++] = slot;
	cr->poor = false;
	free(se);
}

static bool
is_record(const struct handover_record *h)
{
	return h->buffer >= 512 && h->buffer <= (uint64_t)INT32_MAX &&
	    h->idle_ms > 0 && h->half_closed_ms > 0 && h->end_by >= 0;
}

/*
 * Written before the session is taken: who dies in between leaves a record
 * that nobody believes.
 */
static void
note(struct sb_worker *w, const struct handover_record *h)
{
	sb_write_begin(w);
	w->session = h->session;
	sb_tame(&w->session);
	sb_write_end(w);
	atomic_store(&w->up, h->up);
	atomic_store(&w->down, h->down);
	atomic_store(&w->pid, getpid());
}

static struct session *
new_session(struct carrier *cr, const struct handover_record *h)
{
	struct session	*se = mem_calloc(1, sizeof(*se));
	uint32_t	 slot = cr->free[--cr->nfree];
	_Atomic uint32_t *used = &cr->sb.pool->used;

	se->carrier = cr;
	if (atomic_load(used) <= slot)
		atomic_store(used, slot + 1);
	se->board = scoreboard_worker(&cr->sb, slot);
	cr->sessions[slot] = se;
	se->c.relay.idle_ms = h->idle_ms;
	se->c.relay.half_closed_ms = h->half_closed_ms;
	se->c.buffer = (size_t)h->buffer;
	se->c.end_by = h->end_by;
	se->c.owner = se;
	note(se->board, h);
	return se;
}

/* From here on nobody else touches its sockets. */
static void
begin(struct session *se, struct door *d, const struct ask_held *held,
    int *fds)
{
	struct carrier	*cr = d->carrier;
	struct ask_held	 known = *held;

	/* One that nobody knows any more is held as long as the line is. */
	if (setup_generation(cr->s, held->generation) == NULL)
		known.listener = known.server = ASK_NOTHING;
	flow_init(&se->c.relay.up, fds[0], fds[1], NULL, 0, &se->board->up);
	flow_init(&se->c.relay.down, fds[1], fds[0], NULL, 0,
	    &se->board->down);
	if (fds[2] != -1) {
		se->ask = ask_adopt(d->keeper_fd, &known, fds[2]);
		se->door = d;
		d->sessions++;
		cr->counted++;
		/* What came before it was ours was not told to us. */
		if (!ask_look(se->ask) && cr->keeper_at == 0)
			cr->keeper_at = io_now_ms() + KEEPER_MS;
	}
	if (carry_add(cr->carry, &se->c) == -1) {
		log_warn("epoll: %s", strerror(errno));
		on_over(&se->c, END_INTERNAL);
		on_forget(&se->c);
	}
}

/* Is there room for one more?  A descriptor's number tells how many are. */
static bool
has_room(struct carrier *cr, int token)
{
	cr->poor = token >= cr->descriptors - RESERVE;
	return cr->nfree > 0 && !cr->poor;
}

static void
listen_at(struct door *d)
{
	/* One carrier is woken for one session. */
	if (carry_listen(d->carrier->carry, &d->ear, true) == -1)
		log_fatal(1, "epoll: %s", strerror(errno));
}

/*
 * Who has taken one goes to the end of the line of those who wait: before it
 * says so, as the next may be offered then and would be seen at once.
 */
static void
listen_last(struct door *d)
{
	if (!d->carrier->open)
		return;
	carry_unlisten(d->carrier->carry, &d->ear);
	listen_at(d);
}

static int
on_carry(void *ctx, struct rd *r, int *fds)
{
	struct door		*d = ctx;
	struct carrier		*cr = d->carrier;
	struct handover_record	 h;
	const uint8_t		*p = rd_take(r, sizeof(h));
	struct session		*se;
	int			 got[MSG_FDS_MAX];

	if (p == NULL)
		return -1;
	memcpy(&h, p, sizeof(h));
	if (!is_record(&h))
		return -1;
	if (!has_room(cr, fds[0])) {
		handover_leave(fds[0]);
		return 0;
	}
	se = new_session(cr, &h);
	if (!handover_take(fds[0], got)) {
		on_forget(&se->c);
		return 0;
	}
	atomic_store(&se->board->state, SB_BUSY);
	listen_last(d);
	handover_took(fds[0]);
	begin(se, d, &h.held, got);
	return 0;
}

static const struct channel_rule offers[] = {
	{ MSG_CARRY,	ROLE_WORKER,	1,	on_carry },
};

/* Of a pool that is no more. */
static void
close_door(struct carrier *cr, size_t i)
{
	struct door	*d = cr->doors[i];

	carry_unlisten(cr->carry, &d->ear);
	close(d->ear.fd);
	d->gone = true;
	free_door(d);
	cr->doors[i] = cr->doors[--cr->ndoors];
}

/* One that can take nothing leaves what comes to the others. */
static void
open_or_close(struct carrier *cr)
{
	bool	 open = !cr->draining && !cr->poor && cr->nfree > 0;

	if (open == cr->open)
		return;
	cr->open = open;
	for (size_t i = 0; i < cr->ndoors; i++)
		if (open)
			listen_at(cr->doors[i]);
		else
			carry_unlisten(cr->carry, &cr->doors[i]->ear);
}

static void
on_knock(void *ctx)
{
	struct door	*d = ctx;
	struct carrier	*cr = d->carrier;
	size_t		 i = 0;

	switch (channel_dispatch(d->ear.fd, ROLE_WORKER, offers,
	    nitems(offers), d)) {
	case 0:
		while (cr->doors[i] != d)
			i++;
		close_door(cr, i);
		break;
	case -1:
		log_error("a worker offered what is no session");
	}
}

static void
open_door(struct carrier *cr, const struct setup_meet *meet)
{
	struct door	*d = mem_calloc(1, sizeof(*d));

	d->carrier = cr;
	d->keeper_fd = meet->more_fd;
	d->ear = (struct carry_ear){ meet->fd, on_knock, d };
	cr->doors = mem_resize(cr->doors, cr->ndoors + 1, sizeof(*cr->doors));
	cr->doors[cr->ndoors++] = d;
	if (cr->open)
		listen_at(d);
}

/* Whoever offered these may be dead, and nobody else would end them. */
static void
take_what_waits(struct carrier *cr)
{
	for (size_t i = 0; i < cr->ndoors; i++) {
		struct door	*d = cr->doors[i];
		struct pollfd	 p = { .fd = d->ear.fd, .events = POLLIN };

		for (int n = 0; n < OFFERS_MAX && poll(&p, 1, 0) == 1 &&
		    (p.revents & POLLIN) != 0; n++)
			(void)channel_dispatch(p.fd, ROLE_WORKER, offers,
			    nitems(offers), d);
	}
}

static void
stop(struct carrier *cr)
{
	take_what_waits(cr);
	cr->log_ms = LOG_ALL_MS;
	for (size_t i = 0; i < cr->sb.workers; i++)
		if (cr->sessions[i] != NULL)
			carry_end(cr->carry, &cr->sessions[i]->c,
			    END_SHUTDOWN);
	_exit(0);
}

static int
on_stop(void *ctx, struct rd *r, int *fds)
{
	(void)r;
	(void)fds;
	stop(ctx);
	return 0;
}

static int
on_drain(void *ctx, struct rd *r, int *fds)
{
	(void)r;
	(void)fds;
	((struct carrier *)ctx)->draining = true;
	return 0;
}

static int
on_conf(void *ctx, struct rd *r, int *fds)
{
	return setup_on_conf(((struct carrier *)ctx)->s, r, fds);
}

/* A generation has no book for us: its end is what is answered. */
static int
on_book(void *ctx, struct rd *r, int *fds)
{
	struct setup	*s = ((struct carrier *)ctx)->s;

	if (setup_on_book(s, r, fds) == -1)
		return -1;
	return channel_send_u32(s->channel, MSG_PREPARED,
	    s->generations[s->ngenerations - 1].number);
}

static void
renumber(const struct carrier *cr, const struct setup_generation *from,
    const struct setup_generation *to)
{
	struct ask_held	 held;
	struct ask	*a;
	int		 line;

	for (size_t i = 0; i < cr->sb.workers; i++) {
		a = cr->sessions[i] != NULL ? cr->sessions[i]->ask : NULL;
		if (a == NULL || !ask_holds(a, &held, &line) ||
		    held.generation != from->number)
			continue;
		held_renumber(&held, from->conf, to->conf, to->number);
		ask_renumber(a, &held);
	}
}

static int
on_forget_generation(void *ctx, struct rd *r, int *fds)
{
	struct carrier			*cr = ctx;
	struct rd			 copy = *r;
	const struct setup_generation	*from, *to;

	from = setup_generation(cr->s, rd_u32(&copy));
	to = setup_generation(cr->s, cr->s->committed);
	if (from != NULL && to != NULL && cr->counted > 0)
		renumber(cr, from, to);
	return setup_on_forget(cr->s, r, fds);
}

static int
on_commit(void *ctx, struct rd *r, int *fds)
{
	struct setup_generation	*gen = setup_generation(
				    ((struct carrier *)ctx)->s, rd_u32(r));

	(void)fds;
	if (gen == NULL)
		return -1;
	((struct carrier *)ctx)->s->committed = gen->number;
	log_init("carrier", (enum logline_level)gen->conf->log.level);
	return 0;
}

static int
on_meet(void *ctx, struct rd *r, int *fds)
{
	struct carrier	*cr = ctx;

	if (setup_on_meet(cr->s, r, fds) == -1)
		return -1;
	open_door(cr, &cr->s->meets[--cr->s->nmeets]);
	return 0;
}

/* End one session, if it is still the one that was meant. */
static int
on_kill(void *ctx, struct rd *r, int *fds)
{
	struct carrier	*cr = ctx;
	uint32_t	 slot = rd_u32(r);
	uint64_t	 id = rd_u64(r);

	(void)fds;
	if (slot >= cr->sb.workers)
		return -1;
	if (cr->sessions[slot] != NULL &&
	    cr->sessions[slot]->board->session.id == id)
		carry_end(cr->carry, &cr->sessions[slot]->c, END_KILLED);
	return 0;
}

static const struct channel_rule requests[] = {
	{ MSG_STOP,	ROLE_MASTER,	0,	on_stop },
	{ MSG_DRAIN,	ROLE_MASTER,	0,	on_drain },
	{ MSG_CONF,	ROLE_MASTER,	1,	on_conf },
	{ MSG_BOOK,	ROLE_MASTER,	1,	on_book },
	{ MSG_MEET,	ROLE_MASTER,	2,	on_meet },
	{ MSG_COMMIT,	ROLE_MASTER,	0,	on_commit },
	{ MSG_FORGET,	ROLE_MASTER,	0,	on_forget_generation },
	{ MSG_KILL,	ROLE_CONTROL,	0,	on_kill },
};

static void
hear_master(void *ctx)
{
	struct carrier	*cr = ctx;

	if (channel_dispatch(cr->master.fd, ROLE_MASTER, requests,
	    nitems(requests), cr) != 1)
		stop(cr);
}

static void
hear_control(void *ctx)
{
	struct carrier	*cr = ctx;

	if (channel_dispatch(cr->control.fd, ROLE_CONTROL, requests,
	    nitems(requests), cr) == 1)
		return;
	carry_unlisten(cr->carry, &cr->control);
	close(cr->control.fd);
}

/* Who was here before us died with these. */
static void
log_lost_sessions(struct carrier *cr)
{
	size_t	 n = atomic_load(&cr->sb.pool->used);
	int	 ms = LOG_ALL_MS;

	for (size_t i = 0; i < n && i < cr->sb.workers; i++) {
		ms = log_wait(ms);
		serve_log_lost(scoreboard_worker(&cr->sb, i), END_CRASHED,
		    "its carrier died");
		scoreboard_clear(&cr->sb, i);
	}
}

static void
prepare(struct carrier *cr, struct setup *s)
{
	size_t	 n;

	cr->s = s;
	cr->carry = carry_new(on_over, on_forget);
	if (cr->carry == NULL || s->nboards != 1 ||
	    scoreboard_open(&cr->sb, s->board_fds[0][0],
	    s->boards[0].workers, s->boards[0].stride) == -1)
		log_fatal(1, "scoreboard: %s", strerror(errno));
	log_lost_sessions(cr);
	cr->sessions = mem_calloc(cr->sb.workers, sizeof(*cr->sessions));
	n = cr->sb.workers;
	cr->descriptors = proc_descriptors();
	cr->free = mem_calloc(n, sizeof(*cr->free));
	/* The lowest on top: records lie together. */
	while (n-- > 0)
		cr->free[cr->nfree++] = (uint32_t)n;
	cr->master = (struct carry_ear){ s->channel, hear_master, cr };
	cr->control = (struct carry_ear){
		s->board_fds[0][1], hear_control, cr
	};
	if (carry_listen(cr->carry, &cr->master, false) == -1 ||
	    carry_listen(cr->carry, &cr->control, false) == -1)
		log_fatal(1, "epoll: %s", strerror(errno));
	for (size_t i = 0; i < s->nmeets; i++)
		open_door(cr, &s->meets[i]);
	s->nmeets = 0;
	open_or_close(cr);
}

/* The keeper is another: who holds something says so. */
static void
hear_keeper(struct carrier *cr)
{
	bool	 all = true;

	if (!sig_take(SIGIO) &&
	    (cr->keeper_at == 0 || io_left_ms(cr->keeper_at) > 0))
		return;
	for (size_t i = 0; i < cr->sb.workers && cr->counted > 0; i++)
		if (cr->sessions[i] != NULL && cr->sessions[i]->ask != NULL)
			all &= ask_look(cr->sessions[i]->ask);
	cr->keeper_at = all ? 0 : io_now_ms() + KEEPER_MS;
}

size_t
carriers_needed(const struct conf *conf)
{
	return (size_t)(conf->carriers.count > 0 ? conf->carriers.count :
	    proc_cpus());
}

static void
set_title(const struct carrier *cr)
{
	static size_t	 told = SIZE_MAX;
	static bool	 told_draining;

	if (carry_count(cr->carry) == told && cr->draining == told_draining)
		return;
	told = carry_count(cr->carry);
	told_draining = cr->draining;
	proc_title("carrier: %zu sessions%s", told, told_draining ?
	    ", ending" : "");
}

void
carrier_main(struct setup *s)
{
	static const int	 signals[] = { SIGTERM, SIGIO, 0 };
	static struct carrier	 carrier;
	struct carrier		*cr = &carrier;

	sig_init(signals);
	prepare(cr, s);
	sandbox_enter(ROLE_CARRIER, s->conf, NULL);
	setup_ready(s);
	for (;;) {
		int64_t	 until = cr->keeper_at != 0 ? cr->keeper_at :
			    io_now_ms() + TURN_MS;

		set_title(cr);
		cr->log_ms = LOG_MS;
		if (carry_turn(cr->carry, until) == -1)
			log_fatal(1, "epoll: %s", strerror(errno));
		if (sig_is_set(SIGTERM))
			stop(cr);
		hear_keeper(cr);
		open_or_close(cr);
		if (cr->draining && carry_count(cr->carry) == 0)
			_exit(0);
	}
}
