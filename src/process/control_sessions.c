#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/io.h"
#include "base/mem.h"
#include "process/channel.h"
#include "process/control.h"

#define PAGES_AT_ONCE	2048	/* looked at before others have their turn */
#define GONE_MS		1000	/* for killed sessions to end */
#define KILL_MS		8000	/* for a kill in all */
#define LOOK_MS		10
#define LEFT_MAX	1000	/* named of those that stay */

static void
id_text(uint64_t id, char text[20])
{
	snprintf(text, 20, "%016" PRIx64, id);
}

/* A broken worker may have written any time of day. */
static int64_t
age_ms(int64_t since_us)
{
	int64_t	 now = io_now_us();

	return since_us > 0 && since_us < now ? (now - since_us) / 1000 : 0;
}

/* What there may be none of. */
static void
add_text(json_t *o, const char *key, const char *text)
{
	if (text[0] != '\0')
		json_object_set_new(o, key, client_text(text));
}

static json_t *
session_object(const struct board_session *s)
{
	json_t	*o = json_object();
	char	 id[20];

	id_text(s->s.id, id);
	json_object_set_new(o, "id", json_string(id));
	json_object_set_new(o, "pid", json_integer(s->pid));
	json_object_set_new(o, "pool", client_text(s->pool));
	json_object_set_new(o, "generation", json_integer(s->generation));
	json_object_set_new(o, "listener", client_text(s->s.listener));
	json_object_set_new(o, "client", client_text(s->s.client));
	add_text(o, "via", s->s.via);
	add_text(o, "tls", s->s.tls);
	add_text(o, "user", s->s.user);
	json_object_set_new(o, "server", client_text(s->s.server));
	add_text(o, "account", s->s.account);
	add_text(o, "server_tls", s->s.server_tls);
	json_object_set_new(o, "connected",
	    json_boolean(s->s.connected_us != 0));
	json_object_set_new(o, "age_ms",
	    json_integer(age_ms(s->s.accepted_us)));
	json_object_set_new(o, "up", client_count(s->up));
	json_object_set_new(o, "down", client_count(s->down));
	return json_pack("{so}", "session", o);
}

/* A walk that tells what it meets. */
struct listing {
	struct board_cursor	 at;
	struct filter		 filter;
	uint64_t		 told;
};

static void
list_more(void *ctx, struct client *c)
{
	struct control		*ct = ctx;
	struct listing		*l = c->job.state;
	struct board_session	 s;
	size_t			 pages = PAGES_AT_ONCE;

	while (client_has_room(c) &&
	    boards_next(&ct->boards, &l->at, &pages, &s))
		if (filter_matches(&l->filter, &s)) {
			l->told++;
			client_say(c, session_object(&s));
		}
	if (l->at.end)
		client_done(c, json_pack("{so}", "sessions",
		    client_count(l->told)), 0);
}

void
control_sessions(void *ctx, struct client *c, json_t *request)
{
	struct listing	*l = mem_calloc(1, sizeof(*l));

	if (filter_read(&l->filter, ctx, c, request) == -1) {
		free(l);
		return;
	}
	client_begin(c, "sessions", list_more, l, CLIENT_MS * 6,
	    "this takes too long");
}

/* Sessions that shall end. */
struct target {
	uint64_t	 board;
	uint64_t	 id;
	uint32_t	 slot;
};

struct killing {
	size_t		 n;
	size_t		 sent;
	int64_t		 wait_until;	/* once all were sent */
	bool		 followed;
	struct target	 v[];
};

static void
add_target(struct killing **k, size_t *size, const struct board_session *s)
{
	if ((*k)->n == *size) {
		*size = *size == 0 ? 16 : *size * 2;
		*k = mem_resize(*k, 1, sizeof(**k) +
		    *size * sizeof((*k)->v[0]));
	}
	(*k)->v[(*k)->n++] = (struct target){ s->serial, s->s.id, s->slot };
}

static struct killing *
find_targets(const struct control *ct, const struct filter *f)
{
	struct killing		*k = mem_calloc(1, sizeof(*k));
	struct board_cursor	 at = { .end = false };
	struct board_session	 s;
	size_t			 size = 0, pages = SIZE_MAX;

	while (boards_next(&ct->boards, &at, &pages, &s))
		if (filter_matches(f, &s))
			add_target(&k, &size, &s);
	return k;
}

/* Have the spawner end it.  -1 when that must be tried again. */
static int
send_kill(const struct control *ct, const struct target *t)
{
	const struct board	*b = boards_find(&ct->boards, t->board);
	uint8_t			 buf[12];
	struct wr		 w;

	if (b == NULL)
		return 0;		/* the session went with it */
	wr_init(&w, buf, sizeof(buf));
	wr_u32(&w, t->slot);
	wr_u64(&w, t->id);
	if (channel_send(b->channel, MSG_KILL, buf, sizeof(buf), NULL,
	    0) == -1 && errno == EAGAIN)
		return -1;
	return 0;
}

static void
kill_over(struct client *c, const struct killing *k, size_t nleft,
    json_t *left)
{
	json_t	*o = json_object();

	json_object_set_new(o, "matched", client_count(k->n));
	json_object_set_new(o, "killed", client_count(k->n - nleft));
	json_object_set_new(o, "left", left);
	client_done(c, o, nleft == 0 ? 0 : 1);
}

static int
compare_ids(const void *a, const void *b)
{
	const struct target	*s = a, *t = b;

	return s->id < t->id ? -1 : s->id > t->id;
}

/*
 * Who has left its worker may have gone to a carrier, once, instead of ended:
 * then it is told there.
 */
static bool
follow(const struct control *ct, struct killing *k)
{
	struct board_cursor	 at = { .end = false };
	struct board_session	 s;
	size_t			 pages = SIZE_MAX;
	bool			 found = false;

	qsort(k->v, k->n, sizeof(k->v[0]), compare_ids);
	while (boards_next(&ct->boards, &at, &pages, &s)) {
		const struct target	 now = { s.serial, s.s.id, s.slot };
		struct target		*t = bsearch(&now, k->v, k->n,
					    sizeof(now), compare_ids);

		if (t == NULL || t->board == now.board)
			continue;
		*t = now;
		found = true;
	}
	if (found)
		k->sent = 0;
	return found;
}

static void
kill_more(void *ctx, struct client *c)
{
	struct control	*ct = ctx;
	struct killing	*k = c->job.state;
	json_t		*left;
	size_t		 nleft = 0;
	char		 id[20];

	c->job.wake_at = io_now_ms() + LOOK_MS;
	while (k->sent < k->n && send_kill(ct, &k->v[k->sent]) == 0)
		k->sent++;
	if (k->sent < k->n)
		return;
	if (k->wait_until == 0)
		k->wait_until = io_now_ms() + GONE_MS;
	left = json_array();
	for (size_t i = 0; i < k->n; i++) {
		if (!boards_has(&ct->boards, k->v[i].board, k->v[i].slot,
		    k->v[i].id))
			continue;
		if (++nleft > LEFT_MAX)
			continue;
		id_text(k->v[i].id, id);
		json_array_append_new(left, json_string(id));
	}
	if (nleft == 0 && !k->followed) {
		k->followed = true;
		if (follow(ct, k)) {
			json_decref(left);
			return;
		}
	}
	if (nleft == 0 || io_left_ms(k->wait_until) == 0)
		kill_over(c, k, nleft, left);
	else
		json_decref(left);
}

void
control_kill(void *ctx, struct client *c, json_t *request)
{
	struct filter	 f;
	struct killing	*k;

	if (filter_read(&f, ctx, c, request) == -1)
		return;
	if (!f.by_id && !f.by_listener && !f.by_source && !f.by_user) {
		client_refuse(c, 2, "kill: want a session, source, listener "
		    "or user");
		return;
	}
	k = find_targets(ctx, &f);
	if (k->n == 0) {
		free(k);
		client_refuse(c, 1, "there is no such session");
		return;
	}
	client_begin(c, "kill", kill_more, k, KILL_MS,
	    "not all could be told to end");
}

void
control_kill_user(struct control *ct, struct client *c, const char *user)
{
	struct filter	 f = { .by_user = true };
	struct killing	*k;

	snprintf(f.user, sizeof(f.user), "%s", user);
	k = find_targets(ct, &f);
	if (k->n == 0) {
		kill_over(c, k, 0, json_array());
		free(k);
		return;
	}
	/* What was asked before is answered: this is another job. */
	client_next(c, "kill", kill_more, k, KILL_MS,
	    "not all could be told to end");
}
