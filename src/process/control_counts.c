#include <stdlib.h>
#include <string.h>

#include "base/io.h"
#include "base/mem.h"
#include "policy/balance.h"
#include "process/channel.h"
#include "process/control.h"

#define JOB_MS		5000	/* for a keeper that answers slowly */
#define AS_IT_IS	UINT32_MAX	/* in MSG_SERVER_SET */
#define ASKED_MAX	16	/* of one change, unanswered */

/* A change of one server in all the backends that have it. */
struct change {
	uint32_t	 generation;
	uint32_t	 mode, weight;		/* or AS_IT_IS */
	size_t		 n, sent, answered;
	const char	*failed;		/* why, or NULL */
	uint32_t	 index[];		/* conf_server.index */
};

static bool
is_meant(const struct conf_backend *b, const struct conf_server *server,
    const char *name)
{
	size_t	 len = strlen(b->name);

	/* Names of servers have slashes too: unix:/run/x. */
	if (strcmp(server->text, name) == 0)
		return true;
	return !b->implicit && strncmp(name, b->name, len) == 0 &&
	    name[len] == '/' && strcmp(server->text, name + len + 1) == 0;
}

static struct change *
find_servers(const struct setup_generation *g, const char *name)
{
	struct change	*ch;

	ch = mem_calloc(1, sizeof(*ch) +
	    g->conf->nservers * sizeof(ch->index[0]));
	ch->generation = g->number;
	for (size_t i = 0; i < g->conf->nbackends; i++) {
		const struct conf_backend	*b = &g->conf->backends[i];

		for (size_t j = 0; j < b->servers.n; j++)
			if (is_meant(b, &b->servers.v[j], name))
				ch->index[ch->n++] =
				    (uint32_t)b->servers.v[j].index;
	}
	return ch;
}

static int
on_changed(void *ctx, uint64_t job, struct rd *r)
{
	struct control	*ct = ctx;
	struct client	*c = clients_find_job(&ct->clients, job);
	uint32_t	 refused = r != NULL ? rd_u32(r) : 1;
	struct change	*ch;

	if (c == NULL)
		return 0;
	ch = c->job.state;
	ch->answered++;
	c->job.wake_at = 0;
	if (r == NULL)
		ch->failed = "the keeper does not answer";
	else if (refused != 0)
		ch->failed = "the keeper refused";
	return 0;
}

static int
ask_change(struct control *ct, const struct client *c, struct change *ch)
{
	uint8_t		 buf[16];
	struct wr	 w;

	wr_init(&w, buf, sizeof(buf));
	wr_u32(&w, ch->generation);
	wr_u32(&w, ch->index[ch->sent]);
	wr_u32(&w, ch->mode);
	wr_u32(&w, ch->weight);
	if (service_line_ask(&ct->keeper, MSG_SERVER_SET, buf, sizeof(buf),
	    c->job.id, on_changed, &ch->failed) == -1)
		return -1;
	ch->sent++;
	return 0;
}

static void
change_more(void *ctx, struct client *c)
{
	struct change	*ch = c->job.state;

	c->job.wake_at = c->job.deadline;
	while (ch->failed == NULL && ch->sent < ch->n &&
	    ch->sent - ch->answered < ASKED_MAX)
		(void)ask_change(ctx, c, ch);
	if (ch->answered < ch->sent)
		return;
	if (ch->failed != NULL)
		client_refuse(c, 1, "%s", ch->failed);
	else if (ch->sent == ch->n)
		client_done(c, json_pack("{so}", "changed",
		    client_count(ch->n)), 0);
}

static int
read_change(struct change *ch, struct client *c, const json_t *request)
{
	static const char *const	 modes[] = {
		[BOOK_READY] = "ready", [BOOK_DRAIN] = "drain",
		[BOOK_MAINT] = "maint",
	};
	const json_t			*weight;
	const char			*mode;

	ch->mode = ch->weight = AS_IT_IS;
	if (control_string(c, request, "mode", &mode) == -1)
		return -1;
	for (uint32_t i = 0; mode != NULL && i < nitems(modes); i++)
		if (strcmp(modes[i], mode) == 0)
			ch->mode = i;
	weight = json_object_get(request, "weight");
	if (json_is_integer(weight) && json_integer_value(weight) >= 0 &&
	    json_integer_value(weight) <= BALANCE_WEIGHT_MAX)
		ch->weight = (uint32_t)json_integer_value(weight);
	if ((mode != NULL) != (ch->mode != AS_IT_IS) ||
	    (weight != NULL) != (ch->weight != AS_IT_IS) ||
	    (mode == NULL && weight == NULL)) {
		client_refuse(c, 2, "server: want ready, drain, maint or a "
		    "weight from 0 to %d", BALANCE_WEIGHT_MAX);
		return -1;
	}
	return 0;
}

/* As it may be given: one name for each, and the most telling. */
static void
add_server(struct names *names, const struct conf_backend *b,
    const char *text)
{
	char	*name;

	if (b->implicit) {
		names_add(names, text);
		return;
	}
	name = mem_printf("%s/%s", b->name, text);
	names_add(names, name);
	free(name);
}

static void
refuse_server(struct client *c, const struct conf *conf, const char *name)
{
	struct names	 names = { .n = 0 };

	for (size_t i = 0; i < conf->nbackends; i++)
		for (size_t j = 0; j < conf->backends[i].servers.n; j++)
			add_server(&names, &conf->backends[i],
			    conf->backends[i].servers.v[j].text);
	names_refuse(&names, c, "server", name);
}

void
control_server(void *ctx, struct client *c, json_t *request)
{
	struct control			*ct = ctx;
	const struct setup_generation	*g = control_now(ct);
	struct change			*ch;
	const char			*name;

	if (control_string(c, request, "server", &name) == -1)
		return;
	if (name == NULL) {
		client_refuse(c, 2, "server: want the name of one");
		return;
	}
	ch = find_servers(g, name);
	if (ch->n == 0)
		refuse_server(c, g->conf, name);
	else if (read_change(ch, c, request) == 0) {
		client_begin(c, "server", change_more, ch, JOB_MS,
		    "the keeper does not answer");
		return;
	}
	free(ch);
}

static json_t *
listener_object(const struct conf_listener *l, uint32_t sessions,
    uint32_t handshakes)
{
	json_t	*o = json_object();

	json_object_set_new(o, "listener", client_text(l->name));
	json_object_set_new(o, "sessions", json_integer(sessions));
	json_object_set_new(o, "max_sessions", json_integer(l->max_sessions));
	json_object_set_new(o, "handshakes", json_integer(handshakes));
	json_object_set_new(o, "max_handshakes", json_integer(l->handshakes));
	json_object_set_new(o, "max_sessions_per_source",
	    json_integer(l->max_sessions_per_source));
	json_object_set_new(o, "rate_per_source",
	    json_integer(l->rate_per_source.count));
	json_object_set_new(o, "rate_per_source_ms",
	    json_integer(l->rate_per_source.ms));
	json_object_set_new(o, "penalty_ms", json_integer(l->penalty));
	return json_pack("{so}", "listener", o);
}

static void
say_listeners(const struct control *ct, struct client *c)
{
	const struct conf	*conf = control_now(ct)->conf;
	struct board_cursor	 at = { .end = false };
	struct board_session	 s;
	uint32_t		 sessions[CONF_LISTENERS_MAX] = { 0 };
	uint32_t		 handshakes[CONF_LISTENERS_MAX] = { 0 };
	size_t			 pages = SIZE_MAX;

	while (boards_next(&ct->boards, &at, &pages, &s))
		for (size_t i = 0; i < conf->nlisteners; i++) {
			if (strcmp(conf->listeners[i].name,
			    s.s.listener) != 0)
				continue;
			sessions[i]++;
			if (s.s.connected_us == 0)
				handshakes[i]++;
		}
	for (size_t i = 0; i < conf->nlisteners; i++)
		client_say(c, listener_object(&conf->listeners[i],
		    sessions[i], handshakes[i]));
}

/* The keeper tells of sources page by page. */
struct sources {
	uint32_t	 generation;
	uint32_t	 next;
	bool		 waiting;		/* for a page */
	const char	*failed;
};

static int
read_source(const struct conf *conf, struct rd *r, struct client *c)
{
	uint32_t		 listener = rd_u32(r);
	struct access_source	 source;
	const uint8_t		*p = rd_take(r, sizeof(source.bytes));
	json_t			*o;
	char			 text[ACCESS_TEXT_MAX];

	if (p == NULL)
		return -1;
	memcpy(source.bytes, p, sizeof(source.bytes));
	o = json_object();
	json_object_set_new(o, "listener", client_text(listener <
	    conf->nlisteners ? conf->listeners[listener].name : "?"));
	json_object_set_new(o, "source", client_text(access_source_text(
	    &source, text, sizeof(text))));
	json_object_set_new(o, "sessions", json_integer(rd_u32(r)));
	json_object_set_new(o, "refused", json_integer(rd_u32(r)));
	json_object_set_new(o, "held_ms", json_integer(rd_u32(r)));
	client_say(c, json_pack("{so}", "source", o));
	return rd_ok(r) ? 0 : -1;
}

static int
on_sources(void *ctx, uint64_t job, struct rd *r)
{
	struct control	*ct = ctx;
	struct client	*c = clients_find_job(&ct->clients, job);
	uint32_t	 total = r != NULL ? rd_u32(r) : 0;
	uint32_t	 before;
	struct sources	*so;

	if (c == NULL) {
		if (r != NULL)
			(void)rd_take(r, r->left);
		return 0;
	}
	so = c->job.state;
	so->waiting = false;
	c->job.wake_at = 0;
	before = so->next;
	if (r == NULL)
		so->failed = "the keeper does not answer";
	for (; r != NULL && rd_ok(r) && !rd_end(r); so->next++)
		if (read_source(control_now(ct)->conf, r, c) == -1)
			return -1;
	if (so->next >= total || so->next == before)
		so->next = UINT32_MAX;		/* that was all */
	return 0;
}

static void
sources_more(void *ctx, struct client *c)
{
	struct control	*ct = ctx;
	struct sources	*so = c->job.state;
	uint8_t		 buf[4];
	struct wr	 w;

	c->job.wake_at = c->job.deadline;
	if (so->waiting)
		return;
	if (so->failed == NULL && so->next != UINT32_MAX) {
		wr_init(&w, buf, sizeof(buf));
		wr_u32(&w, so->next);
		so->waiting = service_line_ask(&ct->keeper, MSG_SOURCES, buf,
		    sizeof(buf), c->job.id, on_sources, &so->failed) == 0;
		if (so->waiting)
			return;
	}
	if (so->failed != NULL)
		client_refuse(c, 1, "sources: %s", so->failed);
	else
		client_done(c, NULL, 0);
}

void
control_limits(void *ctx, struct client *c, json_t *request)
{
	struct control	*ct = ctx;

	(void)request;
	say_listeners(ct, c);
	if (ct->keeper.rendezvous == -1) {
		client_done(c, NULL, 0);
		return;
	}
	client_begin(c, "limits", sources_more,
	    mem_calloc(1, sizeof(struct sources)), JOB_MS,
	    "the keeper does not answer");
}
