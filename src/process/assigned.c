#include <sys/socket.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "base/mem.h"
#include "process/assigned.h"
#include "process/bind_ask.h"
#include "process/channel.h"
#include "process/job.h"

#define TURN	16	/* connections of one port at a time */
#define REST_MS	10	/* until workers may take more */

struct port {
	uint32_t	 id;		/* 0: no port */
	uint32_t	 number;	/* of the hub's frame */
	bool		 wanted;	/* by the hub, since it is here */
	int		 fd;		/* or -1: not bound yet */
	struct net_addr	 addr;
	char		 topic[TUNNEL_TOPIC_MAX + 1];
	int		 waiting;	/* who was accepted and not given, or
					   -1 */
	struct net_addr	 client;	/* of that one */
	int64_t		 since;
	int64_t		 rest_until;	/* nobody can take more; 0 */
};

struct assigned {
	const struct setup		*s;
	const struct assigned_ops	*ops;
	void				*ctx;
	struct port			 ports[CONF_ASSIGNS_MAX];
	uint32_t			 last_id;
	bool				 lacking;	/* it was said */
};

struct assigned *
assigned_new(const struct setup *s, const struct assigned_ops *ops, void *ctx)
{
	struct assigned	*a = mem_calloc(1, sizeof(*a));

	a->s = s;
	a->ops = ops;
	a->ctx = ctx;
	return a;
}

static struct port *
find(struct assigned *a, uint32_t id)
{
	for (size_t i = 0; i < CONF_ASSIGNS_MAX; i++)
		if (a->ports[i].id == id)
			return &a->ports[i];
	return NULL;
}

static struct port *
find_same(struct assigned *a, const struct net_addr *addr)
{
	for (size_t i = 0; i < CONF_ASSIGNS_MAX; i++)
		if (a->ports[i].id != 0 &&
		    net_same(&a->ports[i].addr, addr))
			return &a->ports[i];
	return NULL;
}

static void
answer(struct assigned *a, const struct port *p, enum tunnel_code code)
{
	char	 text[NET_TEXT_MAX];

	a->ops->answer(a->ctx, p->number, code,
	    net_text(&p->addr, text, sizeof(text)));
}

static void
free_port(struct port *p)
{
	if (p->fd != -1)
		close(p->fd);
	if (p->waiting != -1)
		net_abort(p->waiting);
	p->id = 0;
}

static void
ask_master(const struct assigned *a, const struct port *p)
{
	struct bind_ask	 ask;

	memset(&ask, 0, sizeof(ask));	/* the padding too */
	ask.id = p->id;
	ask.addr = p->addr;
	if (channel_send(a->s->channel, MSG_BIND, &ask, sizeof(ask), NULL,
	    0) == -1)
		log_fatal(1, "the master does not listen: %s",
		    strerror(errno));
}

static void
drop(const struct assigned *a, struct port *p)
{
	if (channel_send_u32(a->s->channel, MSG_UNBIND, p->id) == -1)
		log_fatal(1, "the master does not listen: %s",
		    strerror(errno));
	free_port(p);
}

void
assigned_add(struct assigned *a, uint32_t number, const char *topic,
    const struct net_addr *addr)
{
	struct port	*p = find_same(a, addr);
	bool		 is_new = p == NULL;

	if (is_new)
		p = find(a, 0);
	if (p == NULL) {
		a->ops->answer(a->ctx, number, TUNNEL_TOO_MANY, NULL);
		return;
	}
	if (is_new)
		*p = (struct port){
			.id = ++a->last_id, .addr = *addr, .fd = -1,
			.waiting = -1,
		};
	p->number = number;
	p->wanted = true;
	snprintf(p->topic, sizeof(p->topic), "%s", topic);
	if (is_new)
		ask_master(a, p);
	else if (p->fd != -1)
		answer(a, p, TUNNEL_OK);
}

int
assigned_bound(struct assigned *a, struct rd *r, int *fds)
{
	uint32_t	 id = rd_u32(r);
	struct port	*p = id != 0 ? find(a, id) : NULL;

	if (!rd_end(r))
		return -1;
	if (p == NULL || p->fd != -1)
		return 0;		/* it is not wanted any more */
	p->fd = fds[0];
	fds[0] = -1;
	answer(a, p, TUNNEL_OK);
	return 0;
}

static enum tunnel_code
code_of(uint32_t error)
{
	switch (error) {
	case EADDRINUSE:
	case EEXIST:
		return TUNNEL_PORT_TAKEN;
	case EACCES:
	case EPERM:
		return TUNNEL_NOT_ACCEPTED;
	}
	return TUNNEL_NO_ADDRESS;
}

int
assigned_not_bound(struct assigned *a, struct rd *r)
{
	uint32_t	 id = rd_u32(r), error = rd_u32(r);
	struct port	*p = id != 0 ? find(a, id) : NULL;

	if (!rd_end(r))
		return -1;
	if (p == NULL || p->fd != -1)
		return 0;
	answer(a, p, code_of(error));
	free_port(p);
	return 0;
}

void
assigned_lost(struct assigned *a)
{
	for (size_t i = 0; i < CONF_ASSIGNS_MAX; i++)
		a->ports[i].wanted = false;
}

void
assigned_settle(struct assigned *a)
{
	for (size_t i = 0; i < CONF_ASSIGNS_MAX; i++)
		if (a->ports[i].id != 0 && !a->ports[i].wanted)
			drop(a, &a->ports[i]);
}

/* --- those who come */

/* 0 when it is a worker's, or nobody's; -1 to try again. */
static int
give(const struct assigned *a, struct port *p)
{
	struct caller	 caller;
	int		 rc;

	memset(&caller, 0, sizeof(caller));
	snprintf(caller.topic, sizeof(caller.topic), "%s", p->topic);
	caller.at = p->addr;
	caller.client = p->client;
	caller.since = p->since;
	rc = channel_send(a->s->jobs_fd, MSG_CALLER, &caller, sizeof(caller),
	    &p->waiting, 1);
	if (rc == -1 && (errno == EAGAIN || errno == ETOOMANYREFS)) {
		p->rest_until = io_now_ms() + REST_MS;
		return -1;
	}
	close(p->waiting);
	p->waiting = -1;
	return 0;
}

static void
lack(struct assigned *a, struct port *p)
{
	switch (errno) {
	case EMFILE:
	case ENFILE:
	case ENOBUFS:
	case ENOMEM:
		if (!a->lacking)
			log_warn("a port of the hub's: accept: %s; "
			    "connections wait until there is more",
			    strerror(errno));
		a->lacking = true;
		p->rest_until = io_now_ms() + REST_MS;
		break;
	case EINVAL:			/* the master has shut it */
		free_port(p);
	}
}

/* The next who waits; false when nobody does, or they cannot be taken. */
static bool
accept_one(struct assigned *a, struct port *p)
{
	p->client.len = sizeof(p->client.u);
	p->waiting = accept4(p->fd, &p->client.u.sa, &p->client.len,
	    SOCK_NONBLOCK | SOCK_CLOEXEC);
	p->since = io_now_ms();
	if (p->waiting == -1) {
		lack(a, p);
		return false;
	}
	a->lacking = false;
	return true;
}

/* Nobody is kept but one whom no worker has room for, until others are done. */
static void
take_in(struct assigned *a, struct port *p)
{
	for (int i = 0; i < TURN; i++)
		if ((p->waiting == -1 && !accept_one(a, p)) ||
		    give(a, p) == -1)
			return;
}

nfds_t
assigned_gather(struct assigned *a, struct pollfd *fds)
{
	nfds_t	 n = 0;

	for (size_t i = 0; i < CONF_ASSIGNS_MAX; i++)
		if (a->ports[i].id != 0 && a->ports[i].fd != -1 &&
		    a->ports[i].rest_until == 0)
			fds[n++] = (struct pollfd){
				a->ports[i].fd, POLLIN, 0,
			};
	return n;
}

void
assigned_hear(struct assigned *a, const struct pollfd *fds, nfds_t n)
{
	int64_t	 now = io_now_ms();

	for (size_t i = 0; i < CONF_ASSIGNS_MAX; i++) {
		struct port	*p = &a->ports[i];

		if (p->id == 0 || p->fd == -1)
			continue;
		if (p->rest_until != 0 && now >= p->rest_until) {
			p->rest_until = 0;
			take_in(a, p);
			continue;
		}
		for (nfds_t j = 0; j < n; j++)
			if (fds[j].fd == p->fd && fds[j].revents != 0) {
				take_in(a, p);
				break;
			}
	}
}

int64_t
assigned_due(const struct assigned *a)
{
	int64_t	 at = INT64_MAX;

	for (size_t i = 0; i < CONF_ASSIGNS_MAX; i++)
		if (a->ports[i].id != 0 && a->ports[i].rest_until != 0 &&
		    a->ports[i].rest_until < at)
			at = a->ports[i].rest_until;
	return at;
}
