#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/io.h"
#include "base/mem.h"
#include "base/sig.h"
#include "process/ask.h"
#include "process/channel.h"
#include "session/told.h"

#define PAUSE_MIN_MS	10	/* until the keeper is dialled again */
#define PAUSE_MAX_MS	200

struct ask {
	int			 rendezvous;
	uint32_t		 generation;
	int			 fd;		/* the line, or -1 */
	uint32_t		 id;		/* of the last question */
	bool			 answered;
	uint32_t		 verdict, place, index;
	bool			 asked;		/* something may be held */
	/* What the keeper counts for us. */
	uint32_t		 listener;	/* or ASK_NOTHING */
	struct access_source	 source;
	uint32_t		 server;	/* or ASK_NOTHING */
	bool			 established;
	bool			 yield;
	int64_t			 hello;		/* when it was last said */
	bool			 has_timer;
	timer_t			 timer;		/* to dial again */
};

const char *
ask_text(enum ask_verdict verdict)
{
	switch (verdict) {
	case ASK_OK:
		return "let in";
	case ASK_SESSIONS:
		return "more than max_sessions";
	case ASK_SOURCE_SESSIONS:
		return "more than max_sessions_per_source";
	case ASK_SOURCE_RATE:
		return "more than rate_per_source";
	case ASK_SOURCE_HELD:
		return "within the penalty of its source";
	case ASK_SOURCES_FULL:
		return "more sources than can be counted";
	case ASK_QUEUE_FULL:
		return "every server has max_sessions, and the queue is full";
	case ASK_QUEUE_TIMEOUT:
		return "no server had room in time";
	case ASK_NO_SERVER:
		return "no server is up";
	case ASK_GIVE_WAY:
		return TOLD_GIVE_WAY;
	}
	return "for no reason that is known";
}

struct ask *
ask_new(int rendezvous, uint32_t generation)
{
	struct ask	*a = mem_calloc(1, sizeof(*a));

	a->rendezvous = rendezvous;
	a->generation = generation;
	a->fd = -1;
	a->listener = a->server = ASK_NOTHING;
	return a;
}

static void
hang_up(struct ask *a)
{
	if (a->fd != -1)
		close(a->fd);
	a->fd = -1;
}

void
ask_free(struct ask **ask)
{
	struct ask	*a = *ask;

	if (a == NULL)
		return;
	hang_up(a);
	if (a->has_timer)
		(void)timer_delete(a->timer);
	free(a);
	*ask = NULL;
}

static bool
holds_anything(const struct ask *a)
{
	return a->listener != ASK_NOTHING || a->server != ASK_NOTHING;
}

static int
say_hold(const struct ask *a)
{
	uint8_t		 buf[64];
	struct wr	 w;

	wr_init(&w, buf, sizeof(buf));
	wr_u32(&w, a->generation);
	wr_u32(&w, a->listener);
	wr_bytes(&w, a->source.bytes, sizeof(a->source.bytes));
	wr_u32(&w, a->server);
	wr_u32(&w, a->established);
	return channel_send(a->fd, MSG_HOLD, buf, wr_len(&w), NULL, 0);
}

/* Messages and the end of the line shall raise SIGIO. */
static int
make_audible(int fd)
{
	return fcntl(fd, F_SETOWN, getpid()) == -1 ||
	    fcntl(fd, F_SETFL, O_NONBLOCK | O_ASYNC) == -1 ? -1 : 0;
}

/*
 * Open a line and tell what we hold.  Nobody may be there yet to take its
 * other end: it waits in the rendezvous.  -1 with errno; EAGAIN and
 * ETOOMANYREFS pass.
 */
static int
say_hello(struct ask *a)
{
	int	 ends[2], rc, saved;

	if (channel_pair(ends) == -1)
		return -1;
	rc = make_audible(ends[0]);
	if (rc == 0)
		rc = channel_send(a->rendezvous, MSG_HELLO, NULL, 0,
		    &ends[1], 1);
	saved = errno;
	close(ends[1]);
	a->fd = ends[0];
	a->hello = io_now_ms();
	if (rc == 0 && holds_anything(a) && say_hold(a) == -1) {
		rc = -1;
		saved = EAGAIN;		/* it hung up: there is a next one */
	}
	if (rc == 0)
		return 0;
	hang_up(a);
	errno = saved;
	return -1;
}

/* Have ask_hear() called again in a while. */
static void
try_later(struct ask *a)
{
	struct sigevent		 ev = {
		.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGIO,
	};
	struct itimerspec	 it = {
		.it_value.tv_nsec = PAUSE_MAX_MS * 1000000L,
	};

	if (!a->has_timer &&
	    timer_create(CLOCK_MONOTONIC, &ev, &a->timer) == -1)
		return;
	a->has_timer = true;
	(void)timer_settime(a->timer, 0, &it, NULL);
}

static int
on_admitted(void *ctx, struct rd *r, int *fds)
{
	struct ask	*a = ctx;

	(void)fds;
	a->verdict = rd_u32(r);
	return 0;
}

static int
on_placed(void *ctx, struct rd *r, int *fds)
{
	struct ask	*a = ctx;

	(void)fds;
	a->verdict = rd_u32(r);
	a->place = rd_u32(r);
	a->index = rd_u32(r);
	return 0;
}

static int
on_yield(void *ctx, struct rd *r, int *fds)
{
	(void)r;
	(void)fds;
	((struct ask *)ctx)->yield = true;
	return 0;
}

static const struct channel_rule rules[] = {
	{ MSG_ADMIT + 1,	ROLE_KEEPER,	0,	on_admitted },
	{ MSG_PLACE + 1,	ROLE_KEEPER,	0,	on_placed },
	{ MSG_YIELD,		ROLE_KEEPER,	0,	on_yield },
};

/* Take all that is on the line.  Answers that came too late are ignored. */
static void
take_all(struct ask *a)
{
	struct pollfd	 p = { .fd = a->fd, .events = POLLIN };
	uint32_t	 id = 0;

	while (a->fd != -1 && poll(&p, 1, 0) == 1) {
		if (channel_dispatch_id(a->fd, ROLE_KEEPER, rules,
		    nitems(rules), a, &id) != 1)
			hang_up(a);
		else if (id != 0 && id == a->id)
			a->answered = true;
	}
}

static void
hear(struct ask *a)
{
	/* Before it is read: what comes then is signalled anew. */
	sig_forget(SIGIO);
	take_all(a);
}

/* Wait for the line, or with fd -1 for the deadline.  -1: the session ends. */
static int
wait_for(struct ask *a, int *front, int64_t deadline, enum end *end)
{
	struct pollfd	 p[2] = {
		{ .fd = a->fd, .events = POLLIN },
		{ .fd = *front, .events = 0 },
	};

	switch (sig_ppoll(p, 2, io_left_ms(deadline))) {
	case -1:
		if (errno == EINTR && !told_to_end(NULL, end))
			return 0;
		if (errno != EINTR)
			*end = END_INTERNAL;
		return -1;
	case 0:
		return 0;
	}
	if (p[1].revents & POLLERR) {
		*end = END_CLIENT_RESET;
		return -1;
	}
	/* A local client that sent all it had and left: serve it. */
	if (p[1].revents != 0)
		*front = -1;
	if (p[0].revents != 0)
		hear(a);
	return 0;
}

/* Have a line, however long the keeper takes to come back. */
static int
open_line(struct ask *a, int *front, int64_t deadline, enum end *end)
{
	while (a->fd == -1 && say_hello(a) == -1) {
		if (errno != EAGAIN && errno != ETOOMANYREFS) {
			*end = END_INTERNAL;
			return -1;
		}
		if (io_left_ms(deadline) == 0) {
			*end = END_TIMEOUT;
			return -1;
		}
		if (wait_for(a, front, io_now_ms() + PAUSE_MIN_MS, end) == -1)
			return -1;
	}
	return 0;
}

/* Wait for the answer to what was asked: 0, 1 if the line ended, or -1. */
static int
await(struct ask *a, int *front, int64_t deadline, enum end *end)
{
	while (a->fd != -1 && !a->answered && !a->yield) {
		if (io_left_ms(deadline) == 0) {
			*end = END_TIMEOUT;
			return -1;
		}
		if (wait_for(a, front, deadline, end) == -1)
			return -1;
	}
	if (!a->yield)
		return a->answered ? 0 : 1;
	a->verdict = ASK_GIVE_WAY;
	a->yield = false;
	return 0;
}

static int64_t
sooner(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

/* Ask until there is an answer: a keeper may die over a question. */
static int
question(struct ask *a, uint16_t type, const struct wr *w, int front,
    int64_t deadline, enum end *end)
{
	int64_t	 pause = PAUSE_MIN_MS;
	int	 rc;

	a->asked = true;
	a->answered = false;
	for (;;) {
		if (open_line(a, &front, deadline, end) == -1)
			return -1;
		a->id = a->id == UINT32_MAX ? 1 : a->id + 1;
		if (channel_send_id(a->fd, type, a->id, w->start,
		    wr_len(w)) == -1)
			hang_up(a);
		rc = await(a, &front, deadline, end);
		if (rc != 1)
			return rc;
		if (wait_for(a, &front, sooner(deadline, io_now_ms() + pause),
		    end) == -1)
			return -1;
		pause = sooner(2 * pause, PAUSE_MAX_MS);
	}
}

int
ask_admit(struct ask *a, uint32_t listener,
    const struct access_source *source, int front, int64_t deadline,
    enum ask_verdict *verdict, enum end *end)
{
	uint8_t		 buf[64];
	struct wr	 w;

	a->yield = a->established = false;
	wr_init(&w, buf, sizeof(buf));
	wr_u32(&w, a->generation);
	wr_u32(&w, listener);
	wr_bytes(&w, source->bytes, sizeof(source->bytes));
	if (question(a, MSG_ADMIT, &w, front, deadline, end) == -1)
		return -1;
	*verdict = (enum ask_verdict)a->verdict;
	if (*verdict == ASK_OK) {
		a->listener = listener;
		a->source = *source;
	}
	return 0;
}

int
ask_place(struct ask *a, uint32_t backend, uint64_t key, uint64_t tried,
    int front, int64_t deadline, enum ask_verdict *verdict, size_t *server,
    enum end *end)
{
	uint8_t		 buf[64];
	struct wr	 w;

	a->server = ASK_NOTHING;
	wr_init(&w, buf, sizeof(buf));
	wr_u32(&w, a->generation);
	wr_u32(&w, backend);
	wr_u64(&w, key);
	wr_u64(&w, tried);
	if (question(a, MSG_PLACE, &w, front, deadline, end) == -1)
		return -1;
	*verdict = (enum ask_verdict)a->verdict;
	*server = a->place;
	if (*verdict == ASK_OK)
		a->server = a->index;
	return 0;
}

/* A line that takes no more is given up; what we hold is told on the next. */
static void
tell(struct ask *a, uint16_t type, const void *payload, size_t len)
{
	if (channel_send(a->fd, type, payload, len, NULL, 0) == 0)
		return;
	hang_up(a);
	if (holds_anything(a))
		try_later(a);
}

void
ask_established(struct ask *a)
{
	a->established = true;
	if (a->fd != -1 && a->listener != ASK_NOTHING)
		tell(a, MSG_ESTABLISHED, NULL, 0);
}

void
ask_failed(struct ask *a, uint32_t server_index)
{
	uint8_t		 buf[8];
	struct wr	 w;

	if (a->server == server_index)
		a->server = ASK_NOTHING;
	wr_init(&w, buf, sizeof(buf));
	wr_u32(&w, a->generation);
	wr_u32(&w, server_index);
	if (a->fd != -1 || say_hello(a) == 0)
		tell(a, MSG_FAILED, buf, wr_len(&w));
}

void
ask_release(struct ask *a)
{
	bool	 asked = a->asked;

	a->asked = a->established = a->yield = false;
	a->listener = a->server = ASK_NOTHING;
	if (a->fd != -1 && asked)
		tell(a, MSG_RELEASE, NULL, 0);
}

bool
ask_hear(struct ask *a)
{
	bool	 yield;

	hear(a);
	/* One that ends each line at once is not worth a loop. */
	if (a->fd == -1 && holds_anything(a) &&
	    (io_now_ms() < a->hello + PAUSE_MAX_MS || say_hello(a) == -1))
		try_later(a);
	yield = a->yield && !a->established;
	a->yield = false;
	return yield;
}

bool
ask_look(struct ask *a)
{
	take_all(a);
	a->yield = false;
	if (a->fd != -1 || !holds_anything(a))
		return true;
	/* One that ends each line at once is not worth a loop. */
	if (io_now_ms() < a->hello + PAUSE_MAX_MS)
		return false;
	if (say_hello(a) == 0)
		return true;
	/* Many have much to say at once, and the next keeper waits for it. */
	if (errno == EAGAIN || errno == ETOOMANYREFS)
		a->hello = 0;
	/* Of a pool that is no more nobody counts anything. */
	if (errno == EPIPE)
		a->listener = a->server = ASK_NOTHING;
	return errno == EPIPE;
}

bool
ask_holds(const struct ask *a, struct ask_held *held, int *line)
{
	*held = (struct ask_held){
		a->generation, a->listener, a->server, a->source,
	};
	*line = a->fd;
	return holds_anything(a);
}

void
ask_let_go(struct ask *a)
{
	hang_up(a);
	a->asked = a->established = a->yield = false;
	a->listener = a->server = ASK_NOTHING;
}

void
ask_renumber(struct ask *a, const struct ask_held *held)
{
	a->generation = held->generation;
	a->listener = held->listener;
	a->server = held->server;
	a->source = held->source;
}

struct ask *
ask_adopt(int rendezvous, const struct ask_held *held, int line)
{
	struct ask	*a = ask_new(rendezvous, held->generation);

	ask_renumber(a, held);
	a->asked = a->established = true;
	a->fd = line;
	if (make_audible(line) == -1)
		hang_up(a);
	return a;
}
