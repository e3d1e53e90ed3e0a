#include <bsd/stdlib.h>

#include <stdlib.h>
#include <string.h>

#include "base/io.h"
#include "base/mem.h"
#include "policy/penalty.h"
#include "process/count.h"

struct door {
	char			*name;
	uint32_t		 id;		/* in the table of sources */
	int64_t			 sessions;
	TAILQ_HEAD(, client)	 handshakes;	/* oldest first */
	int64_t			 nhandshakes;
};

struct count {
	struct loop		*loop;
	struct servers		*servers;
	struct count_hooks	 hooks;
	struct penalty		*sources;
	struct places		*places;
	struct door		**doors;
	size_t			 ndoors;
	uint32_t		 next_id;
	TAILQ_HEAD(, client)	 early;		/* who ask before we know */
	struct timer		 settled;	/* on: not yet */
};

static struct door *
door_of(struct count *n, const char *name)
{
	struct door	*d;

	for (size_t i = 0; i < n->ndoors; i++)
		if (strcmp(n->doors[i]->name, name) == 0)
			return n->doors[i];
	d = mem_calloc(1, sizeof(*d));
	d->name = mem_strdup(name);
	d->id = n->next_id++;
	TAILQ_INIT(&d->handshakes);
	n->doors = mem_resize(n->doors, n->ndoors + 1,
	    sizeof(struct door *));
	n->doors[n->ndoors++] = d;
	return d;
}

static void
free_door(struct count *n, size_t i)
{
	free(n->doors[i]->name);
	free(n->doors[i]);
	n->doors[i] = n->doors[--n->ndoors];
}

/* The listener, if it is one of the client's pool. */
static const struct conf_listener *
listener_of(const struct client *c, const struct generation *g,
    uint32_t listener)
{
	const struct conf_listener	*l;

	if (g == NULL || listener >= g->conf->nlisteners)
		return NULL;
	l = &g->conf->listeners[listener];
	return strcmp(l->pool, c->pool) == 0 ? l : NULL;
}

/* The backend, if a listener of the client's pool leads to it. */
static const struct conf_backend *
backend_of(const struct client *c, const struct generation *g,
    uint32_t backend)
{
	const struct conf_listener	*l;
	const struct conf_backend	*b;

	if (g == NULL || backend >= g->conf->nbackends)
		return NULL;
	for (uint32_t i = 0; i < g->conf->nlisteners; i++) {
		l = listener_of(c, g, i);
		for (size_t j = 0; l != NULL && j < conf_ways(l); j++) {
			b = conf_backend_of(g->conf, l, j);
			if (b == &g->conf->backends[backend])
				return b;
		}
	}
	return NULL;
}

/* The server, if it is of such a backend. */
static struct server *
server_of(const struct client *c, const struct generation *g, uint32_t server)
{
	const struct conf_listener	*l;

	for (uint32_t i = 0; g != NULL && i < g->conf->nlisteners; i++) {
		l = listener_of(c, g, i);
		for (size_t j = 0; l != NULL && j < conf_ways(l); j++)
			if (conf_backend_has(conf_backend_of(g->conf, l, j),
			    server))
				return g->servers[server];
	}
	return NULL;
}

static void
stop_waiting(struct count *n, struct client *c)
{
	if (c->early != CLIENT_NO)
		TAILQ_REMOVE(&n->early, c, wait);
	c->early = CLIENT_NO;
}

static void
end_handshake(struct client *c)
{
	if (!c->in_handshake)
		return;
	TAILQ_REMOVE(&c->door->handshakes, c, handshake);
	c->door->nhandshakes--;
	c->in_handshake = false;
}

void
count_release(struct count *n, struct client *c)
{
	stop_waiting(n, c);
	if (c->door != NULL) {
		end_handshake(c);
		c->door->sessions--;
		if (c->counted)
			penalty_leave(n->sources, &c->source, c->door->id,
			    io_now_ms());
		c->counted = false;
		c->door = NULL;
	}
	place_leave(n->places, &c->place);
}

static uint32_t
clamp(int64_t v)
{
	return v > INT32_MAX ? INT32_MAX : (uint32_t)v;
}

static enum ask_verdict
enter_source(struct count *n, struct client *c, const struct door *d,
    const struct conf_listener *l)
{
	const struct penalty_rule	 rule = {
		.max_sessions = clamp(l->max_sessions_per_source),
		.rate_count = clamp(l->rate_per_source.count),
		.rate_ms = l->rate_per_source.ms,
		.penalty_ms = l->penalty,
	};

	if (rule.max_sessions == 0 && rule.rate_count == 0)
		return ASK_OK;
	switch (penalty_enter(n->sources, &c->source, d->id, &rule,
	    io_now_ms())) {
	case PENALTY_OK:
		c->counted = true;
		return ASK_OK;
	case PENALTY_SESSIONS:
		return ASK_SOURCE_SESSIONS;
	case PENALTY_RATE:
		return ASK_SOURCE_RATE;
	case PENALTY_HELD:
		return ASK_SOURCE_HELD;
	case PENALTY_FULL:
		break;
	}
	return ASK_SOURCES_FULL;
}

/* Where too many are in their handshake, the oldest gives way. */
static void
begin_handshake(struct count *n, struct client *c, struct door *d,
    const struct conf_listener *l)
{
	struct client	*oldest;

	while (l->handshakes > 0 && d->nhandshakes >= l->handshakes) {
		oldest = TAILQ_FIRST(&d->handshakes);
		end_handshake(oldest);
		n->hooks.yield(n->hooks.ctx, oldest);
	}
	TAILQ_INSERT_TAIL(&d->handshakes, c, handshake);
	d->nhandshakes++;
	c->in_handshake = true;
}

static enum ask_verdict
admit(struct count *n, struct client *c, const struct conf_listener *l)
{
	struct door		*d = door_of(n, l->name);
	enum ask_verdict	 verdict;

	if (l->max_sessions > 0 && d->sessions >= l->max_sessions)
		return ASK_SESSIONS;
	verdict = enter_source(n, c, d, l);
	if (verdict != ASK_OK)
		return verdict;
	c->door = d;
	d->sessions++;
	begin_handshake(n, c, d, l);
	return ASK_OK;
}

static void
wait_early(struct count *n, struct client *c, enum client_early what)
{
	c->early = what;
	TAILQ_INSERT_TAIL(&n->early, c, wait);
}

int
count_admit(struct count *n, struct client *c, uint32_t generation,
    uint32_t listener, const struct access_source *source)
{
	const struct conf_listener	*l = listener_of(c,
	    servers_generation(n->servers, generation), listener);

	if (l == NULL || c->door != NULL)
		return -1;
	stop_waiting(n, c);	/* who asks anew waits no more */
	c->generation = generation;
	c->index = listener;
	c->source = *source;
	if (n->settled.on)
		wait_early(n, c, CLIENT_ADMIT);
	else
		n->hooks.admitted(n->hooks.ctx, c, admit(n, c, l));
	return 0;
}

int
count_established(struct count *n, struct client *c)
{
	(void)n;
	end_handshake(c);
	return 0;
}

int
count_place(struct count *n, struct client *c, uint32_t generation,
    uint32_t backend, uint64_t key, uint64_t tried)
{
	if (backend_of(c, servers_generation(n->servers, generation),
	    backend) == NULL)
		return -1;
	stop_waiting(n, c);
	place_leave(n->places, &c->place);
	c->generation = generation;
	c->index = backend;
	c->key = key;
	c->tried = tried;
	if (n->settled.on)
		wait_early(n, c, CLIENT_PLACE);
	else
		place_ask(n->places, &c->place, generation, backend, key,
		    tried);
	return 0;
}

int
count_failed(struct count *n, struct client *c, uint32_t generation,
    uint32_t server)
{
	struct server	*s = server_of(c,
	    servers_generation(n->servers, generation), server);

	if (s == NULL)
		return -1;
	/* First that it failed: its place is not for the next in the queue. */
	n->hooks.failed(n->hooks.ctx, s);
	if (c->place.server == s)
		place_leave(n->places, &c->place);
	return 0;
}

int
count_hold(struct count *n, struct client *c, uint32_t generation,
    uint32_t listener, const struct access_source *source, uint32_t server,
    bool established)
{
	const struct generation		*g =
	    servers_generation(n->servers, generation);
	const struct conf_listener	*l = listener_of(c, g, listener);
	struct server			*s = server_of(c, g, server);

	if ((listener != UINT32_MAX && l == NULL) ||
	    (server != UINT32_MAX && s == NULL) ||
	    c->door != NULL || c->place.server != NULL ||
	    c->place.group != NULL || c->early != CLIENT_NO)
		return -1;
	if (l != NULL) {
		c->door = door_of(n, l->name);
		c->door->sessions++;
		c->source = *source;
		c->counted = (l->max_sessions_per_source > 0 ||
		    l->rate_per_source.count > 0) && penalty_add(n->sources,
		    source, c->door->id) == 0;
		if (!established)
			begin_handshake(n, c, c->door, l);
	}
	if (s != NULL)
		place_hold(&c->place, s);
	return 0;
}

void
count_room(struct count *n, struct group *g)
{
	place_room(n->places, g);
}

static void
on_settled(void *ctx)
{
	struct count			*n = ctx;
	const struct conf_listener	*l;
	struct client			*c;
	enum client_early		 what;

	while ((c = TAILQ_FIRST(&n->early)) != NULL) {
		what = c->early;
		stop_waiting(n, c);
		if (what == CLIENT_PLACE) {
			place_ask(n->places, &c->place, c->generation,
			    c->index, c->key, c->tried);
			continue;
		}
		l = listener_of(c, servers_generation(n->servers,
		    c->generation), c->index);
		n->hooks.admitted(n->hooks.ctx, c, l == NULL ? ASK_SESSIONS :
		    admit(n, c, l));
	}
}

/* It is the first member of a client. */
static void
on_placed(void *ctx, struct place *p, enum ask_verdict verdict, size_t index,
    uint32_t server)
{
	struct count	*n = ctx;
	void		*first = p;

	n->hooks.placed(n->hooks.ctx, first, verdict, index, server);
}

void
count_settle(struct count *n)
{
	loop_set(n->loop, &n->settled, io_now_ms() + COUNT_SETTLE_MS);
}

void
count_sweep(struct count *n)
{
	for (size_t i = n->ndoors; i > 0; i--)
		if (n->doors[i - 1]->sessions == 0 &&
		    !servers_has_listener(n->servers, n->doors[i - 1]->name))
			free_door(n, i - 1);
}

struct count *
count_new(struct loop *loop, struct servers *servers,
    const struct count_hooks *hooks)
{
	struct count	*n = mem_calloc(1, sizeof(*n));
	uint64_t	 seed;

	arc4random_buf(&seed, sizeof(seed));
	n->loop = loop;
	n->servers = servers;
	n->hooks = *hooks;
	n->places = places_new(loop, servers, on_placed, n);
	n->sources = penalty_new(COUNT_SOURCES_MAX, seed);
	TAILQ_INIT(&n->early);
	n->settled = (struct timer){ .run = on_settled, .ctx = n };
	return n;
}

void
count_free(struct count **count)
{
	struct count	*n = *count;

	if (n == NULL)
		return;
	loop_unset(n->loop, &n->settled);
	while (n->ndoors > 0)
		free_door(n, n->ndoors - 1);
	free(n->doors);
	penalty_free(&n->sources);
	places_free(&n->places);
	free(n);
	*count = NULL;
}

struct collect {
	const struct count	*count;
	const struct conf	*conf;		/* the newest */
	struct count_source	*out;
	size_t			 first, max, seen, n;
	int64_t			 now;
};

static uint32_t
listener_index(const struct collect *x, uint32_t id)
{
	const struct door	*d = NULL;

	for (size_t i = 0; i < x->count->ndoors; i++)
		if (x->count->doors[i]->id == id)
			d = x->count->doors[i];
	for (uint32_t i = 0; d != NULL && x->conf != NULL &&
	    i < x->conf->nlisteners; i++)
		if (strcmp(x->conf->listeners[i].name, d->name) == 0)
			return i;
	return UINT32_MAX;
}

static void
collect(const struct penalty_status *s, void *arg)
{
	struct collect		*x = arg;
	struct count_source	*o;

	if (x->seen++ < x->first || x->n == x->max)
		return;
	o = &x->out[x->n++];
	o->listener = listener_index(x, s->listener);
	o->source = s->source;
	o->live = s->live;
	o->refused = s->refused > UINT32_MAX ? UINT32_MAX :
	    (uint32_t)s->refused;
	o->held_ms = s->held_until <= x->now ? 0 :
	    clamp(s->held_until - x->now);
}

size_t
count_sources(struct count *n, uint32_t first, struct count_source *out,
    size_t max, uint32_t *total)
{
	const struct generation	*g = servers_newest(n->servers);
	struct collect		 x = {
		.count = n, .conf = g == NULL ? NULL : g->conf, .out = out,
		.first = first, .max = max, .now = io_now_ms(),
	};

	penalty_tidy(n->sources, x.now);
	penalty_each(n->sources, collect, &x);
	*total = (uint32_t)x.seen;
	return x.n;
}
