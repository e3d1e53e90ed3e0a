#include <sys/epoll.h>
#include <sys/queue.h>
#include <sys/socket.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "base/mem.h"
#include "policy/conf_tunnel.h"
#include "process/bind_ask.h"
#include "process/callers.h"
#include "process/channel.h"
#include "process/job.h"

#define TURN		16	/* connections of one port at a time */
#define REST_MS		10	/* until workers may take more */

struct port {
	struct callers	*all;
	struct watch	 watch;
	uint32_t	 id;
	int		 waiting;	/* who was accepted and not given, or
					   -1 */
	struct net_addr	 client;	/* of that one */
	int64_t		 since;
	bool		 rests;
	LIST_ENTRY(port) next;
};

struct callers {
	const struct setup		*s;
	struct loop			*loop;
	const struct callers_ops	*ops;
	void				*ctx;
	struct mappings			*mappings;
	LIST_HEAD(, port)		 ports;
	struct timer			 again;
	bool				 lacking;	/* it was said */
	bool				 drained;
};

/* --- what mappings.c wants */

static bool
op_may(void *ctx, const char *agent, const struct net_addr *a)
{
	const struct callers	*c = ctx;
	const struct conf_agent	*found = NULL;

	if (agent[0] != '\0' && (found = conf_agent_of(c->ops->conf(c->ctx),
	    agent)) == NULL)
		return false;
	return conf_may_map(found, a);
}

static void
op_bind(void *ctx, uint32_t id, const char *agent, const struct net_addr *a)
{
	const struct callers	*c = ctx;
	struct bind_ask		 ask;

	memset(&ask, 0, sizeof(ask));	/* the padding too */
	ask.id = id;
	snprintf(ask.agent, sizeof(ask.agent), "%s", agent);
	ask.addr = *a;
	if (channel_send(c->s->channel, MSG_BIND, &ask, sizeof(ask), NULL,
	    0) == -1)
		log_fatal(1, "the master does not listen: %s",
		    strerror(errno));
}

static void
tell_unbound(const struct callers *c, uint32_t id)
{
	if (!c->drained && channel_send_u32(c->s->channel, MSG_UNBIND,
	    id) == -1)
		log_fatal(1, "the master does not listen: %s",
		    strerror(errno));
}

static void
free_port(struct port *p)
{
	loop_unwatch(p->all->loop, &p->watch);
	if (p->watch.fd != -1)
		close(p->watch.fd);
	if (p->waiting != -1)
		net_abort(p->waiting);
	LIST_REMOVE(p, next);
	free(p);
}

static void
op_unbind(void *ctx, uint32_t id, void *port)
{
	tell_unbound(ctx, id);
	free_port(port);
}

static void
op_answer(void *ctx, const struct mappings_asker *asker,
    enum tunnel_code code, const struct net_addr *a)
{
	const struct callers	*c = ctx;

	c->ops->answer(c->ctx, asker, code, a);
}

static const struct mappings_ops	 ops = {
	.may = op_may, .bind = op_bind, .unbind = op_unbind,
	.answer = op_answer,
};

/* --- those who come */

/* 0 when it is a worker's, or nobody's; -1 to try again. */
static int
give(struct port *p)
{
	struct mappings_facts	 f;
	struct caller		 caller;
	int			 jobs = -1, rc = 0;

	if (mappings_find(p->all->mappings, p->id, &f))
		jobs = p->all->ops->jobs(p->all->ctx, f.pool);
	if (jobs != -1) {
		memset(&caller, 0, sizeof(caller));
		snprintf(caller.topic, sizeof(caller.topic), "%s", f.topic);
		caller.at = f.addr;
		caller.client = p->client;
		caller.tls = f.tls;
		caller.since = p->since;
		rc = channel_send(jobs, MSG_CALLER, &caller, sizeof(caller),
		    &p->waiting, 1);
	}
	if (rc == -1 && (errno == EAGAIN || errno == ETOOMANYREFS))
		return -1;
	close(p->waiting);
	p->waiting = -1;
	return 0;
}

static void
rest(struct port *p)
{
	struct callers	*c = p->all;

	p->rests = true;
	loop_unwatch(c->loop, &p->watch);
	if (!c->again.on)
		loop_set(c->loop, &c->again, io_now_ms() + REST_MS);
}

/* One who waits; false: there is none. */
static bool
take_in(struct port *p)
{
	struct callers	*c = p->all;

	p->client.len = sizeof(p->client.u);
	p->waiting = accept4(p->watch.fd, &p->client.u.sa, &p->client.len,
	    SOCK_NONBLOCK | SOCK_CLOEXEC);
	p->since = io_now_ms();
	if (p->waiting != -1) {
		c->lacking = false;
		return true;
	}
	switch (errno) {
	case EINVAL:			/* the master has shut it */
		loop_unwatch(c->loop, &p->watch);
		break;
	case EMFILE:
	case ENFILE:
	case ENOBUFS:
	case ENOMEM:
		if (!c->lacking)
			log_warn("a mapped port: accept: %s; connections wait "
			    "until there is more", strerror(errno));
		c->lacking = true;
		rest(p);
	}
	return false;
}

static void
on_port(void *ctx, uint32_t events)
{
	struct port	*p = ctx;

	(void)events;
	for (int i = 0; i < TURN; i++) {
		if (p->waiting == -1 && !take_in(p))
			return;
		if (give(p) == -1) {
			rest(p);
			return;
		}
	}
}

static void
on_again(void *ctx)
{
	struct callers	*c = ctx;
	struct port	*p;

	LIST_FOREACH(p, &c->ports, next) {
		if (!p->rests)
			continue;
		p->rests = false;
		if (loop_watch(c->loop, &p->watch, EPOLLIN) == -1)
			rest(p);
		else
			on_port(p, 0);
	}
}

/* --- what the master says */

int
callers_bound(struct callers *c, struct rd *r, int *fds)
{
	uint32_t	 id = rd_u32(r);
	struct port	*p;

	if (!rd_ok(r))
		return -1;
	p = mem_calloc(1, sizeof(*p));
	p->all = c;
	p->id = id;
	p->waiting = -1;
	p->watch = (struct watch){ .fd = fds[0], .run = on_port, .ctx = p };
	fds[0] = -1;
	LIST_INSERT_HEAD(&c->ports, p, next);
	if (loop_watch(c->loop, &p->watch, EPOLLIN) == -1)
		log_fatal(1, "epoll: %s", strerror(errno));
	if (!mappings_bound(c->mappings, id, p))
		op_unbind(c, id, p);
	return 0;
}

int
callers_not_bound(struct callers *c, struct rd *r)
{
	uint32_t	 id = rd_u32(r);
	int		 error = (int)rd_u32(r);

	if (!rd_ok(r))
		return -1;
	mappings_failed(c->mappings, id, error == EADDRINUSE ?
	    TUNNEL_PORT_TAKEN : error == EADDRNOTAVAIL ||
	    error == EAFNOSUPPORT ? TUNNEL_NO_ADDRESS : TUNNEL_PORT_DENIED);
	return 0;
}

void
callers_drain(struct callers *c)
{
	struct port	*p;

	c->drained = true;
	LIST_FOREACH(p, &c->ports, next) {
		loop_unwatch(c->loop, &p->watch);
		p->rests = false;
		/* Closed here, it is our successor's alone. */
		close(p->watch.fd);
		p->watch.fd = -1;
	}
}

struct mappings *
callers_mappings(struct callers *c)
{
	return c->mappings;
}

struct callers *
callers_new(const struct setup *s, struct loop *loop,
    const struct callers_ops *o, void *ctx)
{
	struct callers	*c = mem_calloc(1, sizeof(*c));

	c->s = s;
	c->loop = loop;
	c->ops = o;
	c->ctx = ctx;
	c->mappings = mappings_new(&ops, c);
	LIST_INIT(&c->ports);
	c->again = (struct timer){ .run = on_again, .ctx = c };
	return c;
}
