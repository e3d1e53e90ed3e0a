#include <sys/queue.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "policy/mappings.h"

#define FOREVER	INT64_MAX

struct holder {
	char			 agent[TUNNEL_ID_MAX + 1];
	struct mappings_asker	 asker;		/* of its claim */
	bool			 here;
	bool			 open;		/* as it asked for */
	int64_t			 until;		/* FOREVER: it has claimed it */
};

struct mapping {
	uint32_t		 id;
	struct net_addr		 addr;		/* with the port */
	uint16_t		 high;		/* the last that will do */
	unsigned int		 tries;
	char			 topic[TUNNEL_TOPIC_MAX + 1];
	char			 pool[MAPPINGS_POOL_MAX];
	struct holder		 holders[MAPPINGS_HOLDERS_MAX];
	size_t			 nholders;
	bool			 kept;		/* an operator's */
	bool			 open, tls;
	bool			 settled;	/* it has had its port once */
	bool			 binding;
	void			*port;		/* bound, or NULL */
	struct mappings_asker	 asker;		/* who waits for the bind */
	TAILQ_ENTRY(mapping)	 next;
};

struct mappings {
	const struct mappings_ops	*ops;
	void				*ctx;
	TAILQ_HEAD(, mapping)		 all;	/* by id */
	size_t				 n;
	uint32_t			 ids;
};

struct mappings *
mappings_new(const struct mappings_ops *ops, void *ctx)
{
	struct mappings	*m = mem_calloc(1, sizeof(*m));

	m->ops = ops;
	m->ctx = ctx;
	TAILQ_INIT(&m->all);
	return m;
}

void
mappings_free(struct mappings **mp)
{
	struct mappings	*m = *mp;
	struct mapping	*p;

	if (m == NULL)
		return;
	while ((p = TAILQ_FIRST(&m->all)) != NULL) {
		TAILQ_REMOVE(&m->all, p, next);
		free(p);
	}
	free(m);
	*mp = NULL;
}

static void
answer(const struct mappings *m, const struct mappings_asker *asker,
    enum tunnel_code code, const struct net_addr *a)
{
	if (asker->owner != NULL)
		m->ops->answer(m->ctx, asker, code, a);
}

static struct mapping *
by_id(const struct mappings *m, uint32_t id)
{
	struct mapping	*p;

	TAILQ_FOREACH(p, &m->all, next)
		if (p->id == id)
			return p;
	return NULL;
}

static bool
same_host(const struct net_addr *a, const struct net_addr *b)
{
	struct net_addr	 x = *a, y = *b;

	net_set_port(&x, 0);
	net_set_port(&y, 0);
	return net_same(&x, &y);
}

static struct holder *
holder_of(struct mapping *p, const char *agent)
{
	for (size_t i = 0; i < p->nholders; i++)
		if (strcmp(p->holders[i].agent, agent) == 0)
			return &p->holders[i];
	return NULL;
}

static void
close_port(const struct mappings *m, struct mapping *p)
{
	/* One that is being bound is closed when it has been. */
	if (p->port != NULL)
		m->ops->unbind(m->ctx, p->id, p->port);
	p->port = NULL;
}

static void
end(struct mappings *m, struct mapping *p)
{
	close_port(m, p);
	TAILQ_REMOVE(&m->all, p, next);
	m->n--;
	free(p);
}

static void
drop_holder(struct mappings *m, struct mapping *p, size_t i)
{
	p->holders[i] = p->holders[--p->nholders];
	if (p->nholders == 0 && !p->kept)
		end(m, p);
}

/* --- finding a port */

/* Does another mapping have it, or will it? */
static bool
is_ours(const struct mappings *m, const struct mapping *but,
    const struct net_addr *a)
{
	const struct mapping	*p;

	TAILQ_FOREACH(p, &m->all, next)
		if (p != but && net_same(&p->addr, a))
			return true;
	return false;
}

static const char *
whose(const struct mapping *p)
{
	return p->nholders > 0 ? p->holders[0].agent : "";
}

/* The first port from its own on that it may have; false: there is none. */
static bool
next_port(const struct mappings *m, struct mapping *p)
{
	for (uint32_t port = net_port(&p->addr); port <= p->high; port++) {
		net_set_port(&p->addr, (uint16_t)port);
		if (m->ops->may(m->ctx, whose(p), &p->addr) &&
		    !is_ours(m, p, &p->addr))
			return true;
	}
	return false;
}

static void
bind_port(const struct mappings *m, struct mapping *p)
{
	p->binding = true;
	m->ops->bind(m->ctx, p->id, whose(p), &p->addr);
}

static void
settle(struct mapping *p)
{
	p->settled = true;
	p->high = net_port(&p->addr);
}

/* --- what agents want */

/* Is the mapping where that wants to be? */
static bool
is_at(const struct mapping *p, const struct port_want *at)
{
	uint16_t	 port = net_port(&p->addr);

	return same_host(&p->addr, &at->addr) && port >= at->low &&
	    port <= at->high;
}

/*
 * The one that is meant: of that very port; of several, the one that the
 * agent has for the topic, or that others have who publish it.
 */
static struct mapping *
find(const struct mappings *m, const struct mappings_want *w)
{
	struct mapping	*p, *shared = NULL;

	TAILQ_FOREACH(p, &m->all, next) {
		if (!is_at(p, &w->at))
			continue;
		if (w->at.low == w->at.high)
			return p;
		if (strcmp(p->topic, w->topic) != 0 ||
		    strcmp(p->pool, w->pool) != 0)
			continue;
		if (holder_of(p, w->agent) != NULL)
			return p;
		shared = p;
	}
	return shared;
}

/* Its only holder may have it lead elsewhere. */
static bool
is_only_holder(const struct mapping *p, const char *agent)
{
	return !p->kept && p->nholders == 1 &&
	    strcmp(p->holders[0].agent, agent) == 0;
}

static bool
leads_there(const struct mapping *p, const struct mappings_want *w)
{
	return strcmp(p->topic, w->topic) == 0 &&
	    strcmp(p->pool, w->pool) == 0 && p->tls == w->tls;
}

static size_t
count_of(const struct mappings *m, const char *agent)
{
	struct mapping	*p;
	size_t		 n = 0;

	TAILQ_FOREACH(p, &m->all, next)
		n += holder_of(p, agent) != NULL;
	return n;
}

static struct holder *
add_holder(struct mapping *p, const char *agent)
{
	struct holder	*h;

	if (p->nholders == MAPPINGS_HOLDERS_MAX)
		return NULL;
	h = &p->holders[p->nholders++];
	memset(h, 0, sizeof(*h));
	snprintf(h->agent, sizeof(h->agent), "%s", agent);
	return h;
}

static void
claim(struct holder *h, const struct mappings_want *w,
    const struct mappings_asker *asker)
{
	h->asker = *asker;
	h->here = true;
	h->open = w->open;
	h->until = FOREVER;
}

static void
lead(struct mapping *p, const struct mappings_want *w)
{
	snprintf(p->topic, sizeof(p->topic), "%s", w->topic);
	snprintf(p->pool, sizeof(p->pool), "%s", w->pool);
	p->tls = w->tls;
}

/* It is bound, closed, or about to be bound: then the answer waits for that. */
static void
answer_state(const struct mappings *m, struct mapping *p,
    const struct mappings_asker *asker)
{
	if (!p->binding)
		answer(m, asker, TUNNEL_OK, &p->addr);
	else if (p->asker.owner != NULL)
		answer(m, asker, TUNNEL_BUSY, NULL);
	else
		p->asker = *asker;
}

static void
set_open(const struct mappings *m, struct mapping *p, bool open)
{
	p->open = open;
	if (!open)
		close_port(m, p);
	else if (p->port == NULL && !p->binding)
		bind_port(m, p);
}

static void
join_mapping(const struct mappings *m, struct mapping *p,
    const struct mappings_want *w, const struct mappings_asker *asker)
{
	struct holder	*h = holder_of(p, w->agent);
	bool		 changed = h != NULL && h->open != w->open;

	if (!leads_there(p, w) && !is_only_holder(p, w->agent)) {
		answer(m, asker, TUNNEL_PORT_TAKEN, NULL);
		return;
	}
	if (w->agent[0] == '\0')
		p->kept = true;
	else if (h == NULL && (h = add_holder(p, w->agent)) == NULL) {
		answer(m, asker, TUNNEL_TOO_MANY, NULL);
		return;
	}
	lead(p, w);
	if (h != NULL)
		claim(h, w, asker);
	/* What an operator has done stands, until the agent says otherwise. */
	if (changed || w->agent[0] == '\0')
		set_open(m, p, w->open);
	answer_state(m, p, asker);
}

static void
add_mapping(struct mappings *m, const struct mappings_want *w,
    const struct mappings_asker *asker)
{
	struct mapping	*p = mem_calloc(1, sizeof(*p));
	struct holder	*h;

	p->addr = w->at.addr;
	net_set_port(&p->addr, w->at.low);
	p->high = w->at.high;
	p->open = w->open;
	p->kept = w->agent[0] == '\0';
	lead(p, w);
	h = p->kept ? NULL : add_holder(p, w->agent);
	if (h != NULL)
		claim(h, w, asker);
	if (!next_port(m, p)) {
		/* Is it that none is free, or that none is its? */
		net_set_port(&p->addr, w->at.low);
		answer(m, asker, w->at.low == w->at.high ? TUNNEL_PORT_DENIED :
		    TUNNEL_PORT_TAKEN, NULL);
		free(p);
		return;
	}
	p->id = ++m->ids;
	TAILQ_INSERT_TAIL(&m->all, p, next);
	m->n++;
	if (!p->open) {
		settle(p);
		answer(m, asker, TUNNEL_OK, &p->addr);
		return;
	}
	p->asker = *asker;
	bind_port(m, p);
}

void
mappings_map(struct mappings *m, const struct mappings_want *w,
    const struct mappings_asker *asker)
{
	struct mapping	*p = find(m, w);

	if (p != NULL && m->ops->may(m->ctx, w->agent, &p->addr))
		join_mapping(m, p, w, asker);
	else if (p != NULL)
		answer(m, asker, TUNNEL_PORT_DENIED, NULL);
	else if (m->n == MAPPINGS_MAX || (w->agent[0] != '\0' &&
	    count_of(m, w->agent) >= MAPPINGS_AGENT_MAX))
		answer(m, asker, TUNNEL_TOO_MANY, NULL);
	else
		add_mapping(m, w, asker);
}

/* --- what became of it */

static struct mappings_asker
take_asker(struct mapping *p)
{
	struct mappings_asker	 a = p->asker;

	p->asker.owner = NULL;
	return a;
}

bool
mappings_bound(struct mappings *m, uint32_t id, void *port)
{
	struct mapping		*p = by_id(m, id);
	struct mappings_asker	 a;

	if (p == NULL || !p->binding)
		return false;
	p->binding = false;
	p->port = port;
	settle(p);
	if (!p->open)
		close_port(m, p);
	a = take_asker(p);
	answer(m, &a, TUNNEL_OK, &p->addr);
	return true;
}

void
mappings_failed(struct mappings *m, uint32_t id, enum tunnel_code why)
{
	struct mapping		*p = by_id(m, id);
	struct mappings_asker	 a;
	uint16_t		 port;

	if (p == NULL || !p->binding)
		return;
	port = net_port(&p->addr);
	if (why == TUNNEL_PORT_TAKEN && port < p->high &&
	    ++p->tries < MAPPINGS_TRIES) {
		net_set_port(&p->addr, (uint16_t)(port + 1));
		if (next_port(m, p)) {
			bind_port(m, p);
			return;
		}
	}
	p->binding = false;
	p->open = false;
	a = take_asker(p);
	answer(m, &a, why, NULL);
	if (!p->settled)
		end(m, p);
}

/* --- what operators want */

/* NULL: there is none, or more than one. */
static struct mapping *
meant(const struct mappings *m, const struct net_addr *a, bool port_only)
{
	struct mapping	*p, *found = NULL;

	TAILQ_FOREACH(p, &m->all, next) {
		if (port_only ? net_port(&p->addr) != net_port(a) :
		    !net_same(&p->addr, a))
			continue;
		if (found != NULL)
			return NULL;
		found = p;
	}
	return found;
}

/* With no address it is one of IPv4, 0.0.0.0, that stands for any. */
static struct mapping *
find_meant(const struct mappings *m, const struct net_addr *a)
{
	struct mapping	*p = meant(m, a, false);

	return p != NULL ? p : meant(m, a, a->len == 0 ||
	    (a->u.sa.sa_family == AF_INET &&
	    a->u.in.sin_addr.s_addr == INADDR_ANY));
}

void
mappings_unmap(struct mappings *m, const struct net_addr *a,
    const struct mappings_asker *asker)
{
	struct mapping	*p = find_meant(m, a);

	if (p == NULL) {
		answer(m, asker, TUNNEL_NO_AGENT, NULL);
		return;
	}
	end(m, p);
	answer(m, asker, TUNNEL_OK, a);
}

void
mappings_set_open(struct mappings *m, const struct net_addr *a, bool open,
    const struct mappings_asker *asker)
{
	struct mapping	*p = find_meant(m, a);

	if (p == NULL) {
		answer(m, asker, TUNNEL_NO_AGENT, NULL);
		return;
	}
	set_open(m, p, open);
	answer_state(m, p, asker);
}

/* --- who comes and goes */

void
mappings_join(struct mappings *m, const char *agent, int64_t now)
{
	struct mapping	*p;
	struct holder	*h;

	TAILQ_FOREACH(p, &m->all, next)
		if ((h = holder_of(p, agent)) != NULL) {
			h->here = true;
			h->until = now + MAPPINGS_CLAIM_MS;
		}
}

void
mappings_leave(struct mappings *m, const char *agent, int64_t hold_ms,
    int64_t now)
{
	struct mapping	*p;
	struct holder	*h;

	TAILQ_FOREACH(p, &m->all, next)
		if ((h = holder_of(p, agent)) != NULL) {
			h->here = false;
			h->until = now + hold_ms;
		}
}

void
mappings_withdraw(struct mappings *m, const char *agent, const char *topic)
{
	struct mapping	*p, *next;
	struct holder	*h;

	for (p = TAILQ_FIRST(&m->all); p != NULL; p = next) {
		next = TAILQ_NEXT(p, next);
		h = holder_of(p, agent);
		if (h != NULL && (topic == NULL ||
		    strcmp(p->topic, topic) == 0))
			drop_holder(m, p, (size_t)(h - p->holders));
	}
}

void
mappings_forget(struct mappings *m, const void *owner)
{
	struct mapping	*p;

	TAILQ_FOREACH(p, &m->all, next) {
		if (p->asker.owner == owner)
			p->asker.owner = NULL;
		for (size_t i = 0; i < p->nholders; i++)
			if (p->holders[i].asker.owner == owner)
				p->holders[i].asker.owner = NULL;
	}
}

void
mappings_review(struct mappings *m)
{
	struct mapping	*p, *next;

	for (p = TAILQ_FIRST(&m->all); p != NULL; p = next) {
		bool	 kept = p->kept;
		size_t	 n = p->nholders;

		next = TAILQ_NEXT(p, next);
		for (size_t i = n; i-- > 0;) {
			struct holder	 h = p->holders[i];

			if (m->ops->may(m->ctx, h.agent, &p->addr))
				continue;
			answer(m, &h.asker, TUNNEL_PORT_DENIED, NULL);
			drop_holder(m, p, i);
			if (--n == 0 && !kept)
				break;		/* it is gone */
		}
	}
}

static int64_t
expire_holders(struct mappings *m, struct mapping *p, int64_t now)
{
	bool	 kept = p->kept;
	size_t	 n = p->nholders;
	int64_t	 first = FOREVER;

	for (size_t i = n; i-- > 0;) {
		int64_t	 until = p->holders[i].until;

		if (until > now) {
			first = until < first ? until : first;
			continue;
		}
		drop_holder(m, p, i);
		if (--n == 0 && !kept)
			break;
	}
	return first;
}

int64_t
mappings_tick(struct mappings *m, int64_t now)
{
	struct mapping	*p, *next;
	int64_t		 first = FOREVER, at;

	for (p = TAILQ_FIRST(&m->all); p != NULL; p = next) {
		next = TAILQ_NEXT(p, next);
		at = expire_holders(m, p, now);
		first = at < first ? at : first;
	}
	return first;
}

/* --- for who asks */

bool
mappings_lead(const struct mappings *m, const char *pool, const char *topic)
{
	const struct mapping	*p;

	TAILQ_FOREACH(p, &m->all, next)
		if (strcmp(p->topic, topic) == 0 &&
		    strcmp(p->pool, pool) == 0)
			return true;
	return false;
}

static void
tell(const struct mapping *p, struct mappings_facts *f)
{
	*f = (struct mappings_facts){
		.id = p->id, .addr = p->addr, .topic = p->topic,
		.pool = p->pool, .agent = whose(p), .agents = p->nholders,
		.open = p->open, .tls = p->tls,
	};
	for (size_t i = 0; i < p->nholders; i++)
		f->here |= p->holders[i].here;
}

bool
mappings_find(const struct mappings *m, uint32_t id, struct mappings_facts *f)
{
	const struct mapping	*p = by_id(m, id);

	if (p != NULL)
		tell(p, f);
	return p != NULL;
}

bool
mappings_next(const struct mappings *m, uint32_t after,
    struct mappings_facts *f)
{
	const struct mapping	*p;

	TAILQ_FOREACH(p, &m->all, next)
		if (p->id > after) {
			tell(p, f);
			return true;
		}
	return false;
}
