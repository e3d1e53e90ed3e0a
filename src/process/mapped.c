#include <errno.h>
#include <string.h>

#include "policy/conf_assign.h"
#include "policy/conf_tunnel.h"
#include "process/channel.h"
#include "process/child.h"
#include "process/mapped.h"
#include "process/role.h"

/* The one before it may have something to say yet. */
static bool
is_newest(const struct master *m, const struct child *c)
{
	return m->phase == RUNNING && c == child_newest(m, c->post);
}

/* Of two brokers the newer has all. */
static pid_t
owner(const struct child *c)
{
	return c->post->role->id == ROLE_LINK ? c->pid : 0;
}

/* May the hub of that link have us listen there? */
static bool
may_listen(const struct child *c, const struct net_addr *a)
{
	const struct conf	*conf = c->post->gen->conf;
	size_t			 hub = conf_pool_publishes(conf,
				    c->post->pool->name);

	return hub != CONF_NOWHERE &&
	    conf_accepts(&conf->hubs.v[hub], true, a);
}

static bool
may_map(const struct master *m, const struct child *c,
    const struct bind_ask *b)
{
	const struct conf		*conf = m->now->conf;
	const struct conf_agent		*a = NULL;

	if (c->post->role->id == ROLE_LINK)
		return may_listen(c, &b->addr);
	if (b->agent[0] != '\0' &&
	    (a = conf_agent_of(conf, b->agent)) == NULL)
		return false;
	return conf_may_map(a, &b->addr);
}

static void
refuse(const struct child *c, uint32_t id, int error)
{
	uint8_t		 buf[8];
	struct wr	 w;

	wr_init(&w, buf, sizeof(buf));
	wr_u32(&w, id);
	wr_u32(&w, (uint32_t)error);
	if (c->channel != -1 && channel_send(c->channel, MSG_NOT_BOUND, buf,
	    sizeof(buf), NULL, 0) == -1)
		child_kill(c);
}

int
mapped_bind(struct master *m, const struct child *c, struct rd *r)
{
	const uint8_t		*p = rd_take(r, sizeof(struct bind_ask));
	const struct bound	*b = NULL;
	struct bound_claim	 who;
	struct bind_ask		 ask;
	uint8_t			 buf[4];
	struct wr		 w;

	if (p == NULL)
		return -1;
	memcpy(&ask, p, sizeof(ask));
	if (ask.id == 0 || memchr(ask.agent, '\0', sizeof(ask.agent)) == NULL ||
	    ask.addr.len > sizeof(ask.addr.u) || (ask.addr.u.sa.sa_family ==
	    AF_UNIX && memchr(ask.addr.u.un.sun_path, '\0',
	    sizeof(ask.addr.u.un.sun_path)) == NULL))
		return -1;
	who = (struct bound_claim){
		owner(c), ask.id, owner(c) != 0 ? c->post->gen->number : 0,
	};
	errno = EACCES;
	if (is_newest(m, c) && may_map(m, c, &ask))
		b = bind_map(&m->ports, &ask.addr, &who);
	if (b == NULL) {
		refuse(c, ask.id, errno);
		return 0;
	}
	wr_init(&w, buf, sizeof(buf));
	wr_u32(&w, ask.id);
	if (channel_send(c->channel, MSG_BOUND, buf, sizeof(buf), &b->fd,
	    1) == -1) {
		bind_unmap(&m->ports, owner(c), ask.id);
		child_kill(c);
	}
	return 0;
}

int
mapped_unbind(struct master *m, const struct child *c, struct rd *r)
{
	uint32_t	 id = rd_u32(r);

	if (!rd_ok(r) || id == 0)
		return -1;
	if (is_newest(m, c))
		bind_unmap(&m->ports, owner(c), id);
	return 0;
}
