#include <sys/epoll.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/io.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/out.h"
#include "policy/totp_text.h"
#include "process/lookup.h"

#define TIMEOUT_S	2	/* for anything that the database does */
#define PAUSE_MS	200	/* after it failed, until it is tried again */
#define SQL_MAX		1024

enum state {
	AWAY,
	CONNECTING,
	READY,
	ASKING,
	STORING,
};

struct question {
	char		 name[TOTP_NAME_MAX];
	lookup_done	*done;		/* NULL: forgotten */
	void		*ctx;
};

struct lookup {
	const struct dblib	*lib;
	struct loop		*loop;
	struct watch		 watch;
	struct timer		 limit;		/* of what it does */
	struct timer		 begin;		/* there is something to do */
	const struct conf_table	*table;		/* or NULL */
	char			*password;
	enum state		 state;
	MYSQL			*db;
	struct question		 asked[LOOKUP_MAX];	/* a ring */
	size_t			 first, n;
	char			 sql[SQL_MAX];
	char			 why[256];	/* it does not work; or "" */
};

static void	 go_on(struct lookup *, int);
static void	 ask_next(struct lookup *);

static void
hang_up(struct lookup *l)
{
	loop_unwatch(l->loop, &l->watch);
	loop_unset(l->loop, &l->limit);
	if (l->db != NULL)
		l->lib->close(l->db);
	l->db = NULL;
	l->state = AWAY;
}

/* The oldest one has its answer. */
static void
settle(struct lookup *l, enum secret_result result, const char *secret)
{
	struct question	 q = l->asked[l->first];

	l->first = (l->first + 1) % LOOKUP_MAX;
	l->n--;
	if (q.done != NULL)
		q.done(q.ctx, result, secret);
}

/* Told once for each reason. */
static void
fail(struct lookup *l, const char *why)
{
	char	 text[sizeof(l->why)];

	snprintf(text, sizeof(text), "%s", why);
	hang_up(l);
	if (strcmp(text, l->why) != 0 && l->table != NULL)
		log_error("table %s.%s at %s: %s", l->table->database,
		    l->table->name, l->table->server, text);
	memcpy(l->why, text, sizeof(l->why));
	/* An answer may bring the next question: not for this round. */
	for (size_t n = l->n; n > 0; n--)
		settle(l, SECRET_AWAY, "");
}

static void
on_limit(void *ctx)
{
	fail(ctx, "it took too long");
}

static void
on_event(void *ctx, uint32_t events)
{
	struct lookup	*l = ctx;

	if (l->state == READY)
		hang_up(l);		/* nothing was asked: it is gone */
	else
		go_on(l, dblib_status(events));
}

static void
await(struct lookup *l, int status)
{
	int	 fd = l->lib->get_socket(l->db);

	/* While it connects it may try one address after the other. */
	if (l->watch.on && l->watch.fd != fd)
		loop_unwatch(l->loop, &l->watch);
	l->watch.fd = fd;
	if (loop_watch(l->loop, &l->watch, dblib_events(status)) == -1)
		fail(l, "its socket cannot be watched");
}

static void
ready(struct lookup *l)
{
	l->state = READY;
	l->why[0] = '\0';
	loop_unset(l->loop, &l->limit);
	if (loop_watch(l->loop, &l->watch, EPOLLIN) == -1)
		fail(l, "its socket cannot be watched");
	else
		ask_next(l);
}

/*
 * The row of that very name: to the database others may be the same, as those
 * in capitals, but each would have its codes once more.
 */
static void
take_rows(struct lookup *l, MYSQL_RES *result)
{
	const char	*name = l->asked[l->first].name;
	char		 secret[256] = "";
	bool		 found = false;
	MYSQL_ROW	 row;

	while ((row = l->lib->fetch_row(result)) != NULL) {
		if (row[0] == NULL || row[1] == NULL ||
		    strcmp(row[0], name) != 0)
			continue;
		snprintf(secret, sizeof(secret), "%s", row[1]);
		explicit_bzero(row[1], strlen(row[1]));
		found = true;
	}
	l->lib->free_result(result);
	l->state = READY;
	settle(l, found ? SECRET_FOUND : SECRET_NONE, secret);
	explicit_bzero(secret, sizeof(secret));
	ready(l);
}

static void
asked(struct lookup *l)
{
	MYSQL_RES	*result = NULL;
	int		 status;

	l->state = STORING;
	status = l->lib->store_start(&result, l->db);
	if (status != 0)
		await(l, status);
	else if (result == NULL)
		fail(l, l->lib->get_error(l->db));
	else
		take_rows(l, result);
}

static void
go_on(struct lookup *l, int status)
{
	MYSQL		*db = NULL;
	MYSQL_RES	*result = NULL;
	int		 rc = 0;

	switch (l->state) {
	case CONNECTING:
		status = l->lib->connect_cont(&db, l->db, status);
		break;
	case ASKING:
		status = l->lib->query_cont(&rc, l->db, status);
		break;
	case STORING:
		status = l->lib->store_cont(&result, l->db, status);
		break;
	case AWAY:
	case READY:
		return;
	}
	if (status != 0)
		await(l, status);
	else if ((l->state == CONNECTING && db == NULL) || rc != 0 ||
	    (l->state == STORING && result == NULL))
		fail(l, l->lib->get_error(l->db));
	else if (l->state == CONNECTING)
		ready(l);
	else if (l->state == ASKING)
		asked(l);
	else
		take_rows(l, result);
}

static void
connect_to(struct lookup *l)
{
	MYSQL	*db = NULL;
	int	 status;

	l->db = l->lib->init(NULL);
	if (l->db == NULL) {
		fail(l, "no memory");
		return;
	}
	l->state = CONNECTING;
	loop_set(l->loop, &l->limit, io_now_ms() + TIMEOUT_S * 1000);
	status = dblib_connect(l->lib, &db, l->db, l->table, l->password,
	    TIMEOUT_S);
	if (status != 0)
		await(l, status);
	else if (db == NULL)
		fail(l, l->lib->get_error(l->db));
	else
		ready(l);
}

/* Backslashes are escapes, as sql_mode is ours, and it is all UTF-8. */
static void
make_sql(struct lookup *l)
{
	struct out	 o = { l->sql, sizeof(l->sql) - 1 };

	out_text(&o, "SELECT name, secret FROM `");
	out_text(&o, l->table->name);
	out_text(&o, "` WHERE name = '");
	for (const char *p = l->asked[l->first].name; *p != '\0'; p++) {
		if (*p == '\'' || *p == '\\')
			out_text(&o, "\\");
		out_bytes(&o, p, 1);
	}
	out_text(&o, "'");
	*o.p = '\0';
}

static void
ask_next(struct lookup *l)
{
	int	 rc = 0, status;

	if (l->n == 0 || l->state != READY)
		return;
	make_sql(l);
	l->state = ASKING;
	loop_set(l->loop, &l->limit, io_now_ms() + TIMEOUT_S * 1000);
	status = l->lib->query_start(&rc, l->db, l->sql, strlen(l->sql));
	if (status != 0)
		await(l, status);
	else if (rc != 0)
		fail(l, l->lib->get_error(l->db));
	else
		asked(l);
}

static void
on_begin(void *ctx)
{
	struct lookup	*l = ctx;

	if (l->n == 0)
		return;
	if (l->table == NULL)
		fail(l, "the configuration names none");
	else if (l->state == AWAY)
		connect_to(l);
	else
		ask_next(l);
}

struct lookup *
lookup_new(struct loop *loop, const struct dblib *lib)
{
	struct lookup	*l = mem_calloc(1, sizeof(*l));

	l->lib = lib;
	l->loop = loop;
	l->password = mem_strdup("");
	l->watch = (struct watch){ .fd = -1, .run = on_event, .ctx = l };
	l->limit = (struct timer){ .run = on_limit, .ctx = l };
	l->begin = (struct timer){ .run = on_begin, .ctx = l };
	return l;
}

static void
forget_password(struct lookup *l)
{
	explicit_bzero(l->password, strlen(l->password));
	free(l->password);
}

void
lookup_free(struct lookup **lookup)
{
	struct lookup	*l = *lookup;

	if (l == NULL)
		return;
	hang_up(l);
	loop_unset(l->loop, &l->begin);
	forget_password(l);
	free(l);
	*lookup = NULL;
}

void
lookup_configure(struct lookup *l, const struct conf_table *t,
    const char *password)
{
	hang_up(l);
	for (size_t n = l->n; n > 0; n--)
		settle(l, SECRET_AWAY, "");
	forget_password(l);
	l->password = mem_strdup(password);
	l->table = t;
	l->why[0] = '\0';
}

void
lookup_ask(struct lookup *l, const char *name, lookup_done *done, void *ctx)
{
	struct question	*q;

	/* Whoever waits longest has waited for nothing. */
	if (l->n == LOOKUP_MAX)
		fail(l, "too many users at once");
	q = &l->asked[(l->first + l->n++) % LOOKUP_MAX];
	snprintf(q->name, sizeof(q->name), "%s", name);
	q->done = done;
	q->ctx = ctx;
	if (!l->begin.on)
		loop_set(l->loop, &l->begin, io_now_ms() +
		    (l->why[0] != '\0' ? PAUSE_MS : 0));
}

void
lookup_forget(struct lookup *l, const void *ctx)
{
	for (size_t i = 0; i < l->n; i++) {
		struct question	*q = &l->asked[(l->first + i) % LOOKUP_MAX];

		if (q->ctx == ctx)
			q->done = NULL;
	}
}
