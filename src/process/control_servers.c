#include <sys/mman.h>

#include <stdlib.h>
#include <string.h>

#include "base/io.h"
#include "base/mem.h"
#include "process/control.h"

static const char *const	 modes[] = {
	[BOOK_READY] = "ready", [BOOK_DRAIN] = "drain",
	[BOOK_MAINT] = "maint",
};

static const char *const	 states[] = {
	[BOOK_UP] = "up", [BOOK_FAILED] = "failed", [BOOK_DOWN] = "down",
};

static const char *
word(const char *const *words, size_t n, uint32_t i)
{
	return i < n ? words[i] : "?";
}

const struct book_entry *
control_map_book(const struct setup_generation *g)
{
	if (g->book_fd == -1)
		return NULL;
	return book_map(g->book_fd, g->conf->nservers);
}

void
control_unmap_book(const struct setup_generation *g,
    const struct book_entry *book)
{
	if (book != NULL)
		(void)munmap((void *)(uintptr_t)book,
		    book_size(g->conf->nservers));
}

size_t
control_server_addrs(const struct conf_server *server,
    const struct book_entry *book, struct net_addr *addrs)
{
	if (server->spec.kind == NET_ADDR) {
		addrs[0] = server->spec.addr;
		return 1;
	}
	return book == NULL ? 0 : book_read(&book[server->index], addrs,
	    BOOK_ADDRS_MAX);
}

/* One generation's servers, and how many sessions each has. */
struct tally {
	uint32_t	 generation;
	size_t		 backend, server;	/* to be told next */
	size_t		 end;			/* backend before which to */
	uint32_t	 sessions[];		/* by conf_server.index */
};

static const struct conf_backend *
backend_named(const struct conf *conf, const char *name, bool implicit)
{
	for (size_t i = 0; i < conf->nbackends; i++)
		if (conf->backends[i].implicit == implicit &&
		    strcmp(conf->backends[i].name, name) == 0)
			return &conf->backends[i];
	return NULL;
}

/* The server of that index, and its backend; NULL when there is none. */
static const struct conf_server *
server_at(const struct conf *conf, uint32_t index,
    const struct conf_backend **b)
{
	for (size_t i = 0; i < conf->nbackends; i++) {
		const struct conf_backend	*at = &conf->backends[i];

		if (!conf_backend_has(at, index))
			continue;
		*b = at;
		return &at->servers.v[index - at->servers.v[0].index];
	}
	return NULL;
}

static const struct conf_server *
server_named(const struct conf_backend *b, const char *text)
{
	for (size_t i = 0; b != NULL && i < b->servers.n; i++)
		if (strcmp(b->servers.v[i].text, text) == 0)
			return &b->servers.v[i];
	return NULL;
}

/* The server, as it is now, of a session of any generation; or NULL. */
static const struct conf_server *
server_of(const struct control *ct, const struct setup_generation *now,
    const struct board_session *s)
{
	const struct setup_generation	*g;
	const struct conf_backend	*b;
	const struct conf_server	*server;

	g = setup_generation(ct->s, s->generation);
	if (g == NULL)
		return NULL;
	server = server_at(g->conf, s->s.server_index, &b);
	if (server == NULL || g == now)
		return server;
	return server_named(backend_named(now->conf, b->name, b->implicit),
	    server->text);
}

static struct tally *
count_sessions(const struct control *ct, const struct setup_generation *now)
{
	struct tally			*t;
	struct board_cursor		 at = { .end = false };
	struct board_session		 s;
	const struct conf_server	*server;
	size_t				 pages = SIZE_MAX;

	t = mem_calloc(1, sizeof(*t) +
	    now->conf->nservers * sizeof(t->sessions[0]));
	t->generation = now->number;
	while (boards_next(&ct->boards, &at, &pages, &s)) {
		server = server_of(ct, now, &s);
		if (server != NULL)
			t->sessions[server->index]++;
	}
	return t;
}

static json_t *
addresses(const struct conf_server *server, const struct book_entry *book)
{
	struct net_addr	 addrs[BOOK_ADDRS_MAX];
	json_t		*list = json_array();
	char		 text[NET_TEXT_MAX];
	size_t		 n = control_server_addrs(server, book, addrs);

	for (size_t i = 0; i < n; i++)
		json_array_append_new(list, client_text(net_text(&addrs[i],
		    text, sizeof(text))));
	return list;
}

static void
add_book(json_t *o, const struct book_entry *e)
{
	int64_t	 since = atomic_load(&e->since_us), now = io_now_us();

	json_object_set_new(o, "state", json_string(word(states,
	    nitems(states), atomic_load(&e->state))));
	json_object_set_new(o, "mode", json_string(word(modes,
	    nitems(modes), atomic_load(&e->mode))));
	json_object_set_new(o, "weight",
	    json_integer(atomic_load(&e->weight)));
	json_object_set_new(o, "queued",
	    json_integer(atomic_load(&e->queued)));
	json_object_set_new(o, "failures",
	    json_integer(atomic_load(&e->failures)));
	json_object_set_new(o, "since_ms", json_integer(since > 0 &&
	    since < now ? (now - since) / 1000 : 0));
}

static json_t *
server_object(const struct conf_backend *b, const struct conf_server *server,
    const struct book_entry *book, uint32_t sessions)
{
	json_t	*o = json_object(), *list;

	json_object_set_new(o, "backend", client_text(b->name));
	json_object_set_new(o, "implicit", json_boolean(b->implicit));
	json_object_set_new(o, "server", client_text(server->text));
	json_object_set_new(o, "backup", json_boolean(server->backup));
	json_object_set_new(o, "sessions", json_integer(sessions));
	json_object_set_new(o, "max_sessions",
	    json_integer(server->max_sessions));
	if (book != NULL)
		add_book(o, &book[server->index]);
	list = addresses(server, book);
	/* A name that was never found is not dialled, so it is not up. */
	if (book != NULL && json_array_size(list) == 0)
		json_object_set_new(o, "state", json_string("unresolved"));
	json_object_set_new(o, "addresses", list);
	return json_pack("{so}", "server", o);
}

static void
servers_more(void *ctx, struct client *c)
{
	struct control			*ct = ctx;
	struct tally			*t = c->job.state;
	const struct setup_generation	*g = setup_generation(ct->s,
					    t->generation);
	const struct book_entry		*book;

	if (g == NULL) {
		client_refuse(c, 1, "the configuration has changed meanwhile");
		return;
	}
	book = control_map_book(g);
	while (client_has_room(c) && t->backend < t->end) {
		const struct conf_backend	*b =
		    &g->conf->backends[t->backend];
		const struct conf_server	*server =
		    &b->servers.v[t->server];

		client_say(c, server_object(b, server, book,
		    t->sessions[server->index]));
		if (++t->server == b->servers.n) {
			t->server = 0;
			t->backend++;
		}
	}
	control_unmap_book(g, book);
	if (t->backend == t->end)
		client_done(c, NULL, 0);
}

static void
refuse_backend(struct client *c, const struct conf *conf, const char *name)
{
	struct names	 names = { .n = 0 };

	for (size_t i = 0; i < conf->nbackends; i++)
		if (!conf->backends[i].implicit)
			names_add(&names, conf->backends[i].name);
	names_refuse(&names, c, "backend", name);
}

void
control_servers(void *ctx, struct client *c, json_t *request)
{
	struct control			*ct = ctx;
	const struct setup_generation	*g = control_now(ct);
	const struct conf_backend	*b = NULL;
	const char			*name;
	struct tally			*t;

	if (control_string(c, request, "backend", &name) == -1)
		return;
	if (name != NULL) {
		b = backend_named(g->conf, name, false);
		if (b == NULL) {
			refuse_backend(c, g->conf, name);
			return;
		}
	}
	t = count_sessions(ct, g);
	t->backend = b != NULL ? (size_t)(b - g->conf->backends) : 0;
	t->end = b != NULL ? t->backend + 1 : g->conf->nbackends;
	client_begin(c, "servers", servers_more, t, CLIENT_MS * 6,
	    "this takes too long");
}
