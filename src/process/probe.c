#include <sys/epoll.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "base/mem.h"
#include "process/probe.h"
#include "session/back.h"

struct probe {
	struct loop		*loop;
	struct probe_task	 task;
	size_t			 next;		/* address */
	int64_t			 deadline;	/* of all of it */
	struct watch		 watch;
	struct timer		 timer;		/* of this address */
	struct talk		*talk;		/* once connected */
	char			*strings[3];	/* copies, of the task */
	char			 why[TALK_WHY_MAX];
	probe_done		*done;
	void			*ctx;
};

static void	 try_next(struct probe *p);

static void
hang_up(struct probe *p)
{
	loop_unset(p->loop, &p->timer);
	loop_unwatch(p->loop, &p->watch);
	talk_free(&p->talk);
	if (p->watch.fd != -1)
		close(p->watch.fd);
	p->watch.fd = -1;
}

static void
dispose(struct probe *p)
{
	hang_up(p);
	for (size_t i = 0; i < nitems(p->strings); i++)
		free(p->strings[i]);
	free(p);
}

void
probe_cancel(struct probe **probe)
{
	if (*probe == NULL)
		return;
	dispose(*probe);
	*probe = NULL;
}

static void
finish(struct probe *p, bool good)
{
	hang_up(p);
	p->done(p->ctx, good ? NULL : p->why);
	dispose(p);
}

static void
set_why(struct probe *p, const char *step, const char *why)
{
	snprintf(p->why, sizeof(p->why), "%s%s", step, why);
}

/* This address is not it. */
static void
fail(struct probe *p)
{
	hang_up(p);
	if (p->next < p->task.n && io_left_ms(p->deadline) > 0)
		try_next(p);
	else
		finish(p, false);
}

static void
judge(struct probe *p)
{
	const char	*why = talk_verdict(p->talk);

	if (why == NULL) {
		finish(p, true);
		return;
	}
	set_why(p, "", why);
	fail(p);
}

static void
speak(struct probe *p)
{
	enum talk_want	 want = talk_step(p->talk);

	if (want != TALK_OVER) {
		if (loop_watch(p->loop, &p->watch,
		    want == TALK_IN ? EPOLLIN : EPOLLOUT) == 0)
			return;
		set_why(p, "epoll_ctl: ", strerror(errno));
		fail(p);
		return;
	}
	judge(p);
}

/* The dial has an outcome.  -1 when it is a bad one. */
static int
on_connected(struct probe *p)
{
	int		 error = net_dial_result(p->watch.fd);
	const char	*why;

	if (error != 0) {
		set_why(p, "connect: ", strerror(error));
		return -1;
	}
	if (p->task.send_proxy != 0 && back_send_proxy(p->watch.fd,
	    p->task.send_proxy, NULL, NULL, NULL, &why) == -1) {
		set_why(p, "", why);
		return -1;
	}
	p->talk = talk_new(&p->task.talk, p->watch.fd);
	return 0;
}

static void
on_event(void *ctx, uint32_t events)
{
	struct probe	*p = ctx;

	(void)events;
	if (p->talk == NULL && on_connected(p) == -1)
		fail(p);
	else
		speak(p);
}

static void
on_timer(void *ctx)
{
	struct probe	*p = ctx;

	if (p->talk != NULL) {
		judge(p);
		return;
	}
	if (p->watch.fd != -1)		/* else it could not be dialled */
		set_why(p, "connect: ", strerror(ETIMEDOUT));
	fail(p);
}

static void
try_next(struct probe *p)
{
	static const struct net_tcp	 tcp = { .nodelay = true };
	const struct net_addr		*a = &p->task.addrs[p->next++];
	int64_t				 until = p->deadline;
	bool				 pending;

	if (p->next < p->task.n)
		until -= io_left_ms(p->deadline) / 2;
	p->watch.fd = net_dial(a, &p->task.source, &tcp, &pending);
	/* One that connected at once has room to write, which is an event. */
	if (p->watch.fd == -1 ||
	    loop_watch(p->loop, &p->watch, EPOLLOUT) == -1) {
		set_why(p, "connect: ", strerror(errno));
		hang_up(p);
		until = io_now_ms();
	}
	loop_set(p->loop, &p->timer, until);
}

static const char *
copy(char **place, const char *s)
{
	return *place = s == NULL ? NULL : mem_strdup(s);
}

struct probe *
probe_start(struct loop *loop, const struct probe_task *task,
    probe_done *done, void *ctx)
{
	struct probe	*p = mem_calloc(1, sizeof(*p));

	p->loop = loop;
	p->task = *task;
	p->task.talk.name = copy(&p->strings[0], task->talk.name);
	p->task.talk.send = copy(&p->strings[1], task->talk.send);
	p->task.talk.expect = copy(&p->strings[2], task->talk.expect);
	p->deadline = io_now_ms() + task->timeout;
	p->watch = (struct watch){ .fd = -1, .run = on_event, .ctx = p };
	p->timer = (struct timer){ .run = on_timer, .ctx = p };
	p->done = done;
	p->ctx = ctx;
	try_next(p);
	return p;
}
