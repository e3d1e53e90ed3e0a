#include <sys/epoll.h>

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/io.h"
#include "base/loop.h"
#include "base/mem.h"
#include "base/sig.h"

RB_HEAD(timers, timer);

struct loop {
	int		 ep;
	struct timers	 timers;
};

static int
compare(const struct timer *a, const struct timer *b)
{
	if (a->at != b->at)
		return a->at < b->at ? -1 : 1;
	if (a == b)
		return 0;
	return (uintptr_t)a < (uintptr_t)b ? -1 : 1;
}

/* Not the _STATIC ones: they want a word that glibc does not have. */
RB_PROTOTYPE_INTERNAL(timers, timer, link, compare,
    static __attribute__((unused)))
RB_GENERATE_INTERNAL(timers, timer, link, compare,
    static __attribute__((unused)))

struct loop *
loop_new(void)
{
	int		 ep = epoll_create1(EPOLL_CLOEXEC);
	struct loop	*loop;

	if (ep == -1)
		return NULL;
	loop = mem_calloc(1, sizeof(*loop));
	loop->ep = ep;
	RB_INIT(&loop->timers);
	return loop;
}

void
loop_free(struct loop **loop)
{
	if (*loop == NULL)
		return;
	close((*loop)->ep);
	free(*loop);
	*loop = NULL;
}

int
loop_watch(struct loop *loop, struct watch *w, uint32_t events)
{
	struct epoll_event	 ev = { .events = events, .data.ptr = w };
	int			 rc = -1;

	if (w->on)
		rc = epoll_ctl(loop->ep, EPOLL_CTL_MOD, w->fd, &ev);
	/* A library may have closed it, and opened another of that number. */
	if (!w->on || (rc == -1 && errno == ENOENT))
		rc = epoll_ctl(loop->ep, EPOLL_CTL_ADD, w->fd, &ev);
	w->on |= rc == 0;
	return rc;
}

void
loop_unwatch(struct loop *loop, struct watch *w)
{
	if (w->on)
		(void)epoll_ctl(loop->ep, EPOLL_CTL_DEL, w->fd, NULL);
	w->on = false;
}

void
loop_set(struct loop *loop, struct timer *t, int64_t at)
{
	loop_unset(loop, t);
	t->at = at;
	t->on = true;
	RB_INSERT(timers, &loop->timers, t);
}

void
loop_unset(struct loop *loop, struct timer *t)
{
	if (t->on)
		RB_REMOVE(timers, &loop->timers, t);
	t->on = false;
}

/* One that sets itself to now again waits for the next turn. */
static void
run_due(struct loop *loop)
{
	int64_t		 now = io_now_ms();
	struct timer	*t;

	for (int i = 0; i < 1000; i++) {
		t = RB_MIN(timers, &loop->timers);
		if (t == NULL || t->at > now)
			return;
		loop_unset(loop, t);
		t->run(t->ctx);
	}
}

int
loop_turn(struct loop *loop)
{
	const struct timer	*t = RB_MIN(timers, &loop->timers);
	struct epoll_event	 ev;
	struct watch		*w;
	int			 n;

	n = sig_epoll_wait(loop->ep, &ev, 1,
	    t == NULL ? -1 : io_left_ms(t->at));
	if (n == -1)
		return errno == EINTR ? 0 : -1;
	if (n == 1) {
		w = ev.data.ptr;
		w->run(w->ctx, ev.events);
	}
	run_due(loop);
	return 0;
}
