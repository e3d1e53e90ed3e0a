#include <bsd/stdlib.h>

#include <stdlib.h>
#include <string.h>

#include "base/io.h"
#include "base/mem.h"
#include "policy/balance.h"
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

	for (uint32_t i = 0; g != NULL && i < g->conf->nlisteners; i++) {
		l = listener_of(c, g, i);
		if (l != NULL && l->backend == backend)
			return &g->conf->backends[backend];
	}
	return NULL;
}

/* The server, if it is of such a backend. */
static struct server *
server_of(const struct client *c, const struct generation *g, uint32_t server)
{
	const struct conf_listener	*l;
	const struct conf_servers	*list;

	for (uint32_t i = 0; g != NULL && i < g->conf->nlisteners; i++) {
		l = listener_of(c, g, i);
		if (l == NULL)
			continue;
		list = &g->conf->backends[l->backend].servers;
		if (list->n > 0 && server >= list->v[0].index &&
		    server - list->v[0].index < list->n)
			return g->servers[server];
	}
	return NULL;
}

static void
stop_waiting(struct count *n, struct client *c)
{
	switch (c->waits) {
	case CLIENT_NO:
		return;
	case CLIENT_ADMIT:
	case CLIENT_PLACE:
		TAILQ_REMOVE(&n->early, c, wait);
		break;
	case CLIENT_QUEUE:
		TAILQ_REMOVE(&c->group->queue, c, wait);
		loop_unset(n->loop, &c->timer);
		group_queued(c->group, false);
		c->group = NULL;
		break;
	}
	c->waits = CLIENT_NO;
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

static void
leave_server(struct count *n, struct client *c)
{
	struct server	*s = c->server;

	c->server = NULL;
	if (s != NULL)
		server_release(n->servers, s);
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
	leave_server(n, c);
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
admit(struct count *n, struct client *c, const struct conf_listener *l,
    const struct access_source *source)
{
	struct door		*d = door_of(n, l->name);
	enum ask_verdict	 verdict;

	if (l->max_sessions > 0 && d->sessions >= l->max_sessions)
		return ASK_SESSIONS;
	c->source = *source;
	verdict = enter_source(n, c, d, l);
	if (verdict != ASK_OK)
		return verdict;
	c->door = d;
	d->sessions++;
	begin_handshake(n, c, d, l);
	return ASK_OK;
}

static void
wait_early(struct count *n, struct client *c, enum client_wait what)
{
	c->waits = what;
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
	c->asked_for = *source;
	if (n->settled.on)
		wait_early(n, c, CLIENT_ADMIT);
	else
		n->hooks.admitted(n->hooks.ctx, c, admit(n, c, l, source));
	return 0;
}

int
count_established(struct count *n, struct client *c)
{
	(void)n;
	end_handshake(c);
	return 0;
}

/* How a server looks to the one who asks. */
static struct balance_server
view(const struct server *s, const struct conf_server *conf, bool tried)
{
	return (struct balance_server){
		.weight = s->weight,
		.backup = conf->backup,
		.up = s->state == BOOK_UP,
		.usable = !tried && s->mode == BOOK_READY &&
		    s->state != BOOK_DOWN && s->n > 0,
		.sessions = s->sessions,
		.max_sessions = clamp(s->conf != NULL ?
		    s->conf->max_sessions : conf->max_sessions),
	};
}

static bool
is_full(const struct balance_server *b)
{
	return b->usable && b->weight > 0 && b->max_sessions > 0 &&
	    b->sessions >= b->max_sessions;
}

/*
 * Find a server: its place in the backend, or -1.  Of those that have no room
 * *full tells: then it is worth while to wait.
 */
static int
choose(const struct client *c, const struct generation *g,
    const struct conf_backend *b, bool *full)
{
	struct balance_server	 bs[BALANCE_SERVERS_MAX];
	uint64_t		 ids[BALANCE_SERVERS_MAX];
	size_t			 order[BALANCE_SERVERS_MAX];
	size_t			 n = b->servers.n;
	uint64_t		 key = c->key;
	bool			 up_full = false;

	*full = false;
	if (n > BALANCE_SERVERS_MAX)
		n = BALANCE_SERVERS_MAX;
	for (size_t i = 0; i < n; i++) {
		const struct conf_server	*conf = &b->servers.v[i];

		bs[i] = view(g->servers[conf->index], conf,
		    (c->tried >> i & 1) != 0);
		ids[i] = balance_hash(conf->text, strlen(conf->text));
		*full |= is_full(&bs[i]);
		up_full |= is_full(&bs[i]) && bs[i].up;
	}
	if (b->balance == BALANCE_LEASTCONN)
		key = g->groups[b - g->conf->backends]->turn++;
	if (balance_order((enum balance_method)b->balance, bs, n, key, ids,
	    false, order) == 0)
		return -1;
	/* One that failed is for when there is no other, not no room. */
	return up_full && !bs[order[0]].up ? -1 : (int)order[0];
}

static bool
try_place(struct count *n, struct client *c, bool *full)
{
	const struct generation		*g =
	    servers_generation(n->servers, c->generation);
	const struct conf_backend	*b;
	int				 place;
	uint32_t			 index;

	*full = true;
	if (g == NULL)
		return false;
	b = &g->conf->backends[c->index];
	place = choose(c, g, b, full);
	if (place == -1)
		return false;
	index = (uint32_t)b->servers.v[place].index;
	stop_waiting(n, c);
	c->server = g->servers[index];
	server_take(c->server);
	n->hooks.placed(n->hooks.ctx, c, ASK_OK, (size_t)place, index);
	return true;
}

static void
refuse_place(struct count *n, struct client *c, enum ask_verdict verdict)
{
	n->hooks.placed(n->hooks.ctx, c, verdict, 0, 0);
}

static void
on_queue_timeout(void *ctx)
{
	struct client	*c = ctx;
	struct count	*n = c->count;

	stop_waiting(n, c);
	refuse_place(n, c, ASK_QUEUE_TIMEOUT);
}

static void
place(struct count *n, struct client *c)
{
	const struct generation		*g;
	const struct conf_backend	*b;
	struct group			*group;
	bool				 full;

	if (try_place(n, c, &full))
		return;
	g = servers_generation(n->servers, c->generation);
	if (!full || g == NULL) {
		refuse_place(n, c, ASK_NO_SERVER);
		return;
	}
	b = &g->conf->backends[c->index];
	group = g->groups[c->index];
	if ((int64_t)group->queued >= b->queue.size) {
		refuse_place(n, c, ASK_QUEUE_FULL);
		return;
	}
	c->waits = CLIENT_QUEUE;
	c->group = group;
	c->count = n;
	c->timer = (struct timer){ .run = on_queue_timeout, .ctx = c };
	loop_set(n->loop, &c->timer, io_now_ms() + b->queue.timeout);
	TAILQ_INSERT_TAIL(&group->queue, c, wait);
	group_queued(group, true);
}

int
count_place(struct count *n, struct client *c, uint32_t generation,
    uint32_t backend, uint64_t key, uint64_t tried)
{
	if (backend_of(c, servers_generation(n->servers, generation),
	    backend) == NULL)
		return -1;
	stop_waiting(n, c);
	leave_server(n, c);
	c->generation = generation;
	c->index = backend;
	c->key = key;
	c->tried = tried;
	if (n->settled.on)
		wait_early(n, c, CLIENT_PLACE);
	else
		place(n, c);
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
	if (c->server == s)
		leave_server(n, c);
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
	    c->door != NULL || c->server != NULL || c->waits != CLIENT_NO)
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
	if (s != NULL) {
		c->server = s;
		server_take(s);
	}
	return 0;
}

void
count_room(struct count *n, struct group *g)
{
	struct client	*c, *next;
	uint32_t	 behind = 0;
	bool		 blocked = false, full;

	for (c = TAILQ_FIRST(&g->queue); c != NULL; c = next) {
		next = TAILQ_NEXT(c, wait);
		/* What the first one cannot have, those behind cannot. */
		if (blocked && c->generation == behind)
			continue;
		if (try_place(n, c, &full) || c->tried != 0)
			continue;
		blocked = true;
		behind = c->generation;
	}
}

static void
on_settled(void *ctx)
{
	struct count			*n = ctx;
	const struct conf_listener	*l;
	struct client			*c;
	enum client_wait		 what;

	while ((c = TAILQ_FIRST(&n->early)) != NULL) {
		what = c->waits;
		stop_waiting(n, c);
		if (what == CLIENT_PLACE) {
			place(n, c);
			continue;
		}
		l = listener_of(c, servers_generation(n->servers,
		    c->generation), c->index);
		n->hooks.admitted(n->hooks.ctx, c, l == NULL ? ASK_SESSIONS :
		    admit(n, c, l, &c->asked_for));
	}
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
