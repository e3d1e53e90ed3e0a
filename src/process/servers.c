#include <sys/mman.h>

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/io.h"
#include "base/log.h"
#include "base/mem.h"
#include "process/servers.h"

RB_HEAD(server_tree, server);

struct servers {
	struct loop		*loop;
	struct servers_hooks	 hooks;
	struct names		*names;
	struct server_tree	 tree;
	struct group		**groups;
	size_t			 ngroups;
	struct generation	*gens;		/* oldest first */
	size_t			 ngens;
	bool			 inherited;
};

static int
compare(const struct server *a, const struct server *b)
{
	int	 rc = strcmp(a->group->name, b->group->name);

	return rc != 0 ? rc : strcmp(a->text, b->text);
}

RB_PROTOTYPE_INTERNAL(server_tree, server, link, compare,
    static __attribute__((unused)))
RB_GENERATE_INTERNAL(server_tree, server, link, compare,
    static __attribute__((unused)))

static void
write_counts(const struct server *s)
{
	for (size_t i = 0; i < s->nentries; i++) {
		struct book_entry	*e = s->entries[i];

		atomic_store(&e->sessions, s->sessions);
		atomic_store(&e->queued, (uint32_t)s->group->queued);
		atomic_store(&e->failures, s->failures);
	}
}

static void
write_state(const struct server *s)
{
	for (size_t i = 0; i < s->nentries; i++) {
		struct book_entry	*e = s->entries[i];

		atomic_store(&e->since_us, s->since_us);
		atomic_store(&e->state, s->state);
		atomic_store(&e->mode, s->mode);
		atomic_store(&e->weight, s->weight);
	}
}

static void
write_all(const struct server *s)
{
	write_state(s);
	write_counts(s);
	/* Last: it makes the entry one that is written. */
	for (size_t i = 0; i < s->nentries; i++)
		book_write(s->entries[i], s->addrs, s->name != NULL ? s->n :
		    0);
}

static struct group *
group_of(struct servers *t, const struct conf_backend *b)
{
	struct group	*g;

	for (size_t i = 0; i < t->ngroups; i++)
		if (strcmp(t->groups[i]->name, b->name) == 0)
			return t->groups[i];
	g = mem_calloc(1, sizeof(*g));
	g->name = mem_strdup(b->name);
	TAILQ_INIT(&g->queue);
	t->groups = mem_resize(t->groups, t->ngroups + 1,
	    sizeof(struct group *));
	t->groups[t->ngroups++] = g;
	return g;
}

static void
free_group(struct servers *t, struct group *g)
{
	for (size_t i = 0; i < t->ngroups; i++)
		if (t->groups[i] == g) {
			t->groups[i] = t->groups[--t->ngroups];
			break;
		}
	free(g->servers);
	free(g->name);
	free(g);
}

static void
take_name(struct servers *t, struct server *s)
{
	const struct net_addr	*addrs;

	s->name = names_want(t->names, s->text, &s->conf->spec, s->addrs,
	    s->n);
	addrs = names_addrs(s->name, &s->n);
	memcpy(s->addrs, addrs, s->n * sizeof(*addrs));
}

/* What a keeper before us has left, or what every server begins with. */
static void
begin(struct servers *t, struct server *s, const struct book_entry *e)
{
	uint32_t	 state, mode;

	s->weight = (uint32_t)s->conf->weight;
	s->conf_weight = s->conf->weight;
	s->since_us = io_now_us();
	if (book_is_written(e)) {
		t->inherited = true;
		state = atomic_load(&e->state);
		mode = atomic_load(&e->mode);
		s->state = state <= BOOK_DOWN ? (enum book_state)state :
		    BOOK_UP;
		s->mode = mode <= BOOK_MAINT ? (enum book_mode)mode :
		    BOOK_READY;
		s->weight = atomic_load(&e->weight);
		s->since_us = atomic_load(&e->since_us);
		s->failures = atomic_load(&e->failures);
		s->n = book_read(e, s->addrs, BOOK_ADDRS_MAX);
	}
	if (s->conf->spec.kind == NET_NAME)
		take_name(t, s);
	else {
		s->addrs[0] = s->conf->spec.addr;
		s->n = 1;
	}
}

static struct server *
server_of(struct servers *t, const struct conf_backend *b,
    const struct conf_server *conf, const struct book_entry *e)
{
	struct group	*g = group_of(t, b);
	struct server	*s = mem_calloc(1, sizeof(*s)), *old;

	s->group = g;
	s->text = mem_strdup(conf->text);
	if ((old = RB_INSERT(server_tree, &t->tree, s)) != NULL) {
		free(s->text);
		free(s);
		return old;
	}
	s->label = b->implicit ? mem_printf("server %s", s->text) :
	    mem_printf("backend %s: server %s", g->name, s->text);
	s->conf = conf;
	g->servers = mem_resize(g->servers, g->nservers + 1,
	    sizeof(struct server *));
	g->servers[g->nservers++] = s;
	begin(t, s, e);
	return s;
}

static void
free_server(struct servers *t, struct server *s)
{
	struct group	*g = s->group;

	t->hooks.gone(t->hooks.ctx, s);
	RB_REMOVE(server_tree, &t->tree, s);
	names_unwant(t->names, &s->name);
	for (size_t i = 0; i < g->nservers; i++)
		if (g->servers[i] == s) {
			g->servers[i] = g->servers[--g->nservers];
			break;
		}
	free(s->entries);
	free(s->label);
	free(s->text);
	free(s);
}

/* Drop what no generation has, unless somebody still does. */
static void
sweep(struct servers *t)
{
	struct server	*s, *next;

	for (s = RB_MIN(server_tree, &t->tree); s != NULL; s = next) {
		next = RB_NEXT(server_tree, &t->tree, s);
		if (s->conf == NULL && s->sessions == 0)
			free_server(t, s);
	}
	for (size_t i = t->ngroups; i > 0; i--)
		if (!t->groups[i - 1]->used && t->groups[i - 1]->queued == 0 &&
		    t->groups[i - 1]->nservers == 0)
			free_group(t, t->groups[i - 1]);
}

/* The configuration's weight counts again when it is another. */
static void
adopt(struct servers *t, struct server *s)
{
	if (s->conf == NULL)
		return;
	if (s->conf->weight != s->conf_weight) {
		s->conf_weight = s->conf->weight;
		s->weight = (uint32_t)s->conf->weight;
	}
	write_all(s);
	t->hooks.changed(t->hooks.ctx, s);
}

static void
connect_generation(struct generation *g)
{
	for (size_t b = 0; b < g->conf->nbackends; b++) {
		const struct conf_backend	*backend =
		    &g->conf->backends[b];

		g->groups[b]->used = true;
		for (size_t i = 0; i < backend->servers.n; i++) {
			const struct conf_server	*conf =
			    &backend->servers.v[i];
			struct server			*s =
			    g->servers[conf->index];

			s->entries = mem_resize(s->entries, s->nentries + 1,
			    sizeof(struct book_entry *));
			s->entries[s->nentries++] = &g->book[conf->index];
			/* One not in effect yet speaks for what is new. */
			if (!g->in_effect && s->conf != NULL)
				continue;
			s->conf = conf;
			s->backend = backend;
		}
	}
}

/* Generations have changed: find out anew who speaks for each server. */
static void
reconnect(struct servers *t)
{
	struct server	*s;

	RB_FOREACH(s, server_tree, &t->tree) {
		s->nentries = 0;
		s->conf = NULL;
		s->backend = NULL;
	}
	for (size_t i = 0; i < t->ngroups; i++)
		t->groups[i]->used = false;
	for (size_t i = 0; i < t->ngens; i++)
		if (t->gens[i].in_effect)
			connect_generation(&t->gens[i]);
	for (size_t i = 0; i < t->ngens; i++)
		if (!t->gens[i].in_effect)
			connect_generation(&t->gens[i]);
	sweep(t);
	RB_FOREACH(s, server_tree, &t->tree)
		adopt(t, s);
	for (size_t i = 0; i < t->ngroups; i++)
		t->hooks.room(t->hooks.ctx, t->groups[i]);
}

static void
on_name(void *ctx, const struct name *name)
{
	struct servers		*t = ctx;
	const struct net_addr	*addrs;
	struct server		*s;

	RB_FOREACH(s, server_tree, &t->tree) {
		if (s->name != name)
			continue;
		addrs = names_addrs(name, &s->n);
		memcpy(s->addrs, addrs, s->n * sizeof(*addrs));
		for (size_t i = 0; i < s->nentries; i++)
			book_write(s->entries[i], s->addrs, s->n);
		if (s->conf != NULL)
			t->hooks.changed(t->hooks.ctx, s);
		t->hooks.room(t->hooks.ctx, s->group);
	}
}

struct servers *
servers_new(struct loop *loop, const struct servers_hooks *hooks)
{
	struct servers	*t = mem_calloc(1, sizeof(*t));

	t->loop = loop;
	t->hooks = *hooks;
	t->names = names_new(loop, on_name, t);
	RB_INIT(&t->tree);
	return t;
}

static void
free_generation(struct generation *g)
{
	munmap(g->book, book_size(g->conf->nservers));
	free(g->servers);
	free(g->groups);
}

void
servers_free(struct servers **servers)
{
	struct servers	*t = *servers;

	if (t == NULL)
		return;
	while (t->ngens > 0)
		servers_forget(t, t->gens[0].number);
	names_free(&t->names);
	free(t->gens);
	free(t->groups);
	free(t);
	*servers = NULL;
}

int
servers_add(struct servers *t, uint32_t number, const struct conf *conf,
    int book_fd)
{
	struct generation	*g;
	struct book_entry	*book;

	book = book_map_writable(book_fd, conf->nservers);
	if (book == NULL)
		return -1;
	t->gens = mem_resize(t->gens, t->ngens + 1, sizeof(*t->gens));
	g = &t->gens[t->ngens++];
	*g = (struct generation){
		.number = number, .conf = conf, .book = book,
		.servers = mem_calloc(conf->nservers,
		    sizeof(struct server *)),
		.groups = mem_calloc(conf->nbackends, sizeof(struct group *)),
	};
	for (size_t b = 0; b < conf->nbackends; b++) {
		const struct conf_backend	*backend = &conf->backends[b];

		g->groups[b] = group_of(t, backend);
		for (size_t i = 0; i < backend->servers.n; i++) {
			const struct conf_server	*s =
			    &backend->servers.v[i];

			g->servers[s->index] = server_of(t, backend, s,
			    &book[s->index]);
		}
	}
	reconnect(t);
	return 0;
}

struct generation *
servers_generation(const struct servers *t, uint32_t number)
{
	for (size_t i = 0; i < t->ngens; i++)
		if (t->gens[i].number == number)
			return &t->gens[i];
	return NULL;
}

struct generation *
servers_newest(const struct servers *t)
{
	for (size_t i = t->ngens; i > 0; i--)
		if (t->gens[i - 1].in_effect)
			return &t->gens[i - 1];
	return NULL;
}

void
servers_commit(struct servers *t, uint32_t number)
{
	struct generation	*g = servers_generation(t, number);

	if (g == NULL)
		return;
	g->in_effect = true;
	reconnect(t);
}

void
servers_forget(struct servers *t, uint32_t number)
{
	struct generation	*g = servers_generation(t, number);
	size_t			 after;

	if (g == NULL)
		return;
	free_generation(g);
	after = t->ngens - (size_t)(g - t->gens) - 1;
	memmove(g, g + 1, after * sizeof(*g));
	t->ngens--;
	reconnect(t);
}

bool
servers_has_listener(const struct servers *t, const char *name)
{
	for (size_t i = 0; i < t->ngens; i++)
		for (size_t j = 0; j < t->gens[i].conf->nlisteners; j++)
			if (strcmp(t->gens[i].conf->listeners[j].name,
			    name) == 0)
				return true;
	return false;
}

struct names *
servers_names(const struct servers *t)
{
	return t->names;
}

bool
servers_inherited(const struct servers *t)
{
	return t->inherited;
}

/* What is said must be so by then: whoever reads it acts on it. */
static void
say_state(const struct server *s, enum book_state before, int64_t for_us,
    const char *why)
{
	if (s->state == BOOK_UP)
		log_info("%s is up again after %" PRId64 " s", s->label,
		    for_us / 1000000);
	else if (s->state == BOOK_DOWN)
		log_warn("%s is down: %s", s->label, why);
	else if (before == BOOK_UP)
		log_warn("%s does not answer: %s; others go first until it "
		    "does", s->label, why);
}

void
server_set_state(struct servers *t, struct server *s, enum book_state state,
    const char *why)
{
	enum book_state	 before = s->state;
	int64_t		 now = io_now_us(), since = s->since_us;

	if (before == state)
		return;
	/* Down and failed are one time of absence. */
	if (before == BOOK_UP || state == BOOK_UP)
		s->since_us = now;
	s->state = state;
	write_state(s);
	say_state(s, before, now - since, why);
	if (state == BOOK_UP)
		t->hooks.room(t->hooks.ctx, s->group);
}

void
server_set_mode(struct servers *t, struct server *s, enum book_mode mode)
{
	static const char *const	 words[] = {
		[BOOK_READY] = "ready", [BOOK_DRAIN] = "drain",
		[BOOK_MAINT] = "maint",
	};

	if (s->mode == mode)
		return;
	s->mode = mode;
	write_state(s);
	log_info("%s: %s", s->label, words[mode]);
	t->hooks.changed(t->hooks.ctx, s);
	t->hooks.room(t->hooks.ctx, s->group);
}

void
server_set_weight(struct servers *t, struct server *s, uint32_t weight)
{
	if (s->weight == weight)
		return;
	s->weight = weight;
	write_state(s);
	log_info("%s: weight %u", s->label, weight);
	t->hooks.room(t->hooks.ctx, s->group);
}

void
server_failed_once(struct server *s)
{
	s->failures++;
	write_counts(s);
}

void
server_take(struct server *s)
{
	s->sessions++;
	write_counts(s);
}

void
server_release(struct servers *t, struct server *s)
{
	struct group	*g = s->group;

	s->sessions--;
	write_counts(s);
	t->hooks.room(t->hooks.ctx, g);
	if (s->conf == NULL && s->sessions == 0)
		sweep(t);
}

void
group_queued(struct group *g, bool more)
{
	g->queued += more ? 1 : SIZE_MAX;
	for (size_t i = 0; i < g->nservers; i++)
		write_counts(g->servers[i]);
}
