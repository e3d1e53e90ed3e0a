#include <stdlib.h>
#include <string.h>

#include "base/io.h"
#include "base/mem.h"
#include "policy/balance.h"
#include "process/place.h"

struct places {
	struct loop	*loop;
	struct servers	*servers;
	place_answer	*answer;
	void		*ctx;
};

struct places *
places_new(struct loop *loop, struct servers *servers, place_answer *answer,
    void *ctx)
{
	struct places	*all = mem_calloc(1, sizeof(*all));

	all->loop = loop;
	all->servers = servers;
	all->answer = answer;
	all->ctx = ctx;
	return all;
}

void
places_free(struct places **places)
{
	free(*places);
	*places = NULL;
}

static void
stop_waiting(struct places *all, struct place *p)
{
	if (p->group == NULL)
		return;
	TAILQ_REMOVE(&p->group->queue, p, wait);
	loop_unset(all->loop, &p->timer);
	group_queued(p->group, false);
	p->group = NULL;
}

void
place_hold(struct place *p, struct server *s)
{
	p->server = s;
	server_take(s);
}

/* No limit that is near what a count can hold is one. */
static uint32_t
clamp(int64_t v)
{
	return v > INT32_MAX ? INT32_MAX : (uint32_t)v;
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
choose(const struct place *p, const struct generation *g,
    const struct conf_backend *b, bool *full)
{
	struct balance_server	 bs[BALANCE_SERVERS_MAX];
	uint64_t		 ids[BALANCE_SERVERS_MAX];
	size_t			 order[BALANCE_SERVERS_MAX];
	size_t			 n = b->servers.n;
	uint64_t		 key = p->key;
	bool			 up_full = false;

	*full = false;
	if (n > BALANCE_SERVERS_MAX)
		n = BALANCE_SERVERS_MAX;
	for (size_t i = 0; i < n; i++) {
		const struct conf_server	*conf = &b->servers.v[i];

		bs[i] = view(g->servers[conf->index], conf,
		    (p->tried >> i & 1) != 0);
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
try_now(struct places *all, struct place *p, bool *full)
{
	const struct generation		*g =
	    servers_generation(all->servers, p->generation);
	const struct conf_backend	*b;
	int				 i;
	uint32_t			 index;

	*full = true;
	if (g == NULL)
		return false;
	b = &g->conf->backends[p->backend];
	i = choose(p, g, b, full);
	if (i == -1)
		return false;
	index = (uint32_t)b->servers.v[i].index;
	stop_waiting(all, p);
	place_hold(p, g->servers[index]);
	all->answer(all->ctx, p, ASK_OK, (size_t)i, index);
	return true;
}

static void
refuse(struct places *all, struct place *p, enum ask_verdict verdict)
{
	all->answer(all->ctx, p, verdict, 0, 0);
}

static void
on_timeout(void *ctx)
{
	struct place	*p = ctx;
	struct places	*all = p->places;

	stop_waiting(all, p);
	refuse(all, p, ASK_QUEUE_TIMEOUT);
}

static void
wait_in_queue(struct places *all, struct place *p, struct group *g,
    int64_t timeout)
{
	p->group = g;
	p->places = all;
	p->timer = (struct timer){ .run = on_timeout, .ctx = p };
	loop_set(all->loop, &p->timer, io_now_ms() + timeout);
	TAILQ_INSERT_TAIL(&g->queue, p, wait);
	group_queued(g, true);
}

void
place_ask(struct places *all, struct place *p, uint32_t generation,
    uint32_t backend, uint64_t key, uint64_t tried)
{
	const struct generation		*g;
	const struct conf_backend	*b;
	bool				 full;

	place_leave(all, p);
	p->generation = generation;
	p->backend = backend;
	p->key = key;
	p->tried = tried;
	if (try_now(all, p, &full))
		return;
	g = servers_generation(all->servers, generation);
	if (g == NULL || !full) {
		refuse(all, p, ASK_NO_SERVER);
		return;
	}
	b = &g->conf->backends[backend];
	if ((int64_t)g->groups[backend]->queued >= b->queue.size)
		refuse(all, p, ASK_QUEUE_FULL);
	else
		wait_in_queue(all, p, g->groups[backend], b->queue.timeout);
}

void
place_leave(struct places *all, struct place *p)
{
	struct server	*s = p->server;

	stop_waiting(all, p);
	p->server = NULL;
	if (s != NULL)
		server_release(all->servers, s);
}

void
place_room(struct places *all, struct group *g)
{
	struct place	*p, *next;
	uint32_t	 behind = 0;
	bool		 blocked = false, full;

	for (p = TAILQ_FIRST(&g->queue); p != NULL; p = next) {
		next = TAILQ_NEXT(p, wait);
		/* What the first one cannot have, those behind cannot. */
		if (blocked && p->generation == behind)
			continue;
		if (try_now(all, p, &full) || p->tried != 0)
			continue;
		blocked = true;
		behind = p->generation;
	}
}
