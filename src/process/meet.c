#include <sys/epoll.h>
#include <sys/queue.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "process/channel.h"
#include "process/meet.h"

struct meet {
	struct meets		*all;
	struct setup_meet	 from;
	struct watch		 watch;
	TAILQ_ENTRY(meet)	 next;
};

struct meets {
	struct loop		*loop;
	unsigned int		 roles;
	meet_hello		*hello;
	void			*ctx;
	TAILQ_HEAD(, meet)	 v;		/* the latest comes first */
	size_t			 n;
};

struct meets *
meets_new(struct loop *loop, unsigned int roles, meet_hello *hello, void *ctx)
{
	struct meets	*all = mem_calloc(1, sizeof(*all));

	all->loop = loop;
	all->roles = roles;
	all->hello = hello;
	all->ctx = ctx;
	TAILQ_INIT(&all->v);
	return all;
}

static int
on_hello(void *ctx, struct rd *r, int *fds)
{
	const struct meet	*m = ctx;

	(void)r;
	if (!channel_is_one(fds[0]))
		return -1;
	if (m->all->hello(m->all->ctx, m->from.role, m->from.pool, fds[0]))
		fds[0] = -1;
	return 0;
}

/* The pool is no more. */
static void
part(struct meet *m)
{
	struct meets	*all = m->all;

	loop_unwatch(all->loop, &m->watch);
	close(m->watch.fd);
	if (m->from.more_fd != -1)
		close(m->from.more_fd);
	TAILQ_REMOVE(&all->v, m, next);
	all->n--;
	free(m);
}

/* What comes here is from any of many: one that errs ends it for none. */
static void
on_event(void *ctx, uint32_t events)
{
	struct meet			*m = ctx;
	const struct channel_rule	 rules[] = {
		{ MSG_HELLO,	m->all->roles,	1,	on_hello },
	};

	(void)events;
	switch (channel_dispatch(m->watch.fd, m->from.role, rules,
	    nitems(rules), m)) {
	case 0:
		part(m);
		return;
	case -1:
		log_warn("somebody of pool %s did not say hello as one does",
		    m->from.pool);
	}
}

static int
take_one(struct meets *all, const struct setup_meet *from)
{
	struct meet	*m;

	if (all->n == SETUP_LANES_MAX) {
		errno = ENOSPC;
		return -1;
	}
	m = mem_calloc(1, sizeof(*m));
	m->all = all;
	m->from = *from;
	m->watch = (struct watch){
		.fd = from->fd, .run = on_event, .ctx = m,
	};
	if (loop_watch(all->loop, &m->watch, EPOLLIN) == -1) {
		free(m);
		return -1;
	}
	TAILQ_INSERT_HEAD(&all->v, m, next);
	all->n++;
	return 0;
}

int
meets_take(struct meets *all, struct setup *s)
{
	while (s->nmeets > 0) {
		if (take_one(all, &s->meets[s->nmeets - 1]) == -1)
			return -1;
		s->nmeets--;
	}
	return 0;
}

int
meets_more(const struct meets *all, const char *pool)
{
	const struct meet	*m;

	TAILQ_FOREACH(m, &all->v, next)
		if (m->from.role == ROLE_WORKER &&
		    strcmp(m->from.pool, pool) == 0)
			return m->from.more_fd;
	return -1;
}
