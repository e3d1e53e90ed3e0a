#include <sys/epoll.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/out.h"
#include "process/dblib.h"
#include "process/scoreboard.h"
#include "process/table.h"

#define GATHER_MS	200	/* from the first row to its writing */
#define BATCH_ROWS	500
#define BATCH_BYTES	((size_t)512 * 1024)
#define TIMEOUT_S	5	/* for anything that the database does */
#define RETRY_MS	1000	/* doubled up to the next */
#define RETRY_MAX_MS	30000
#define STRING_MAX	60000	/* bytes of sql_string, a TEXT */
#define UTF8_MAX	4	/* bytes that one may become, as "\\xff" */
#define CUT_MAX		64	/* what says that it was cut */
#define ROW_MORE	1024	/* the other columns, escaped */
#define CHECK_VIOLATED	3819	/* ER_CHECK_CONSTRAINT_VIOLATED of MySQL */

enum state {
	AWAY,			/* no connection; perhaps a time to try */
	CONNECTING,
	READY,
	WRITING,
};

/* One row as SQL: "(3306, 'a', ...)". */
struct row {
	char	*sql;
	size_t	 len;
};

struct table {
	const struct dblib	*lib;
	struct loop		*loop;
	struct watch		 watch;		/* of the connection */
	struct timer		 limit;		/* of what it does */
	struct timer		 retry;		/* or to write */
	struct conf_table	 to;		/* of our own */
	char			*password;
	enum state		 state;
	MYSQL			*db;
	int64_t			 pause_ms;	/* until the next try */
	struct row		 rows[TABLE_ROWS_MAX];	/* a ring */
	size_t			 first, n;
	size_t			 bytes;
	size_t			 batch;		/* rows being written */
	size_t			 alone;		/* rows, of which one was
						   refused: each is written by
						   itself */
	char			*sql;		/* that writes them */
	uint64_t		 lost;
	char			 why[256];	/* it does not work; or "" */
};

/* --- the connection */

static void	 go_on(struct table *, int);
static void	 write_some(struct table *);

static void
hang_up(struct table *t)
{
	loop_unwatch(t->loop, &t->watch);
	loop_unset(t->loop, &t->limit);
	if (t->db != NULL)
		t->lib->close(t->db);
	t->db = NULL;
	free(t->sql);
	t->sql = NULL;
	t->batch = 0;
	t->state = AWAY;
}

/* It does not work: told once for each reason, and tried again later. */
static void
fail(struct table *t, const char *why)
{
	char	 text[sizeof(t->why)];

	snprintf(text, sizeof(text), "%s", why);
	hang_up(t);
	if (strcmp(text, t->why) != 0)
		log_error("table %s.%s at %s: %s", t->to.database, t->to.name,
		    t->to.server, text);
	memcpy(t->why, text, sizeof(t->why));
	loop_set(t->loop, &t->retry, io_now_ms() + t->pause_ms);
	t->pause_ms = t->pause_ms * 2 < RETRY_MAX_MS ? t->pause_ms * 2 :
	    RETRY_MAX_MS;
}

static void
on_limit(void *ctx)
{
	fail(ctx, "it took too long");
}

static void
on_event(void *ctx, uint32_t events)
{
	struct table	*t = ctx;

	if (t->state == READY) {
		/* Nothing was asked: it is gone. */
		hang_up(t);
		return;
	}
	go_on(t, dblib_status(events));
}

/* What the library waits for. */
static void
await(struct table *t, int status)
{
	/* While it connects it may try one address after the other. */
	if (t->watch.on && t->watch.fd != t->lib->get_socket(t->db))
		loop_unwatch(t->loop, &t->watch);
	t->watch.fd = t->lib->get_socket(t->db);
	if (loop_watch(t->loop, &t->watch, dblib_events(status)) == -1)
		fail(t, "its socket cannot be watched");
}

static void
connected(struct table *t)
{
	t->state = READY;
	loop_unset(t->loop, &t->limit);
	if (loop_watch(t->loop, &t->watch, EPOLLIN) == -1) {
		fail(t, "its socket cannot be watched");
		return;
	}
	write_some(t);
}

static void
drop_first(struct table *t, size_t n)
{
	for (; n > 0; n--, t->n--) {
		t->bytes -= t->rows[t->first].len;
		free(t->rows[t->first].sql);
		t->first = (t->first + 1) % TABLE_ROWS_MAX;
	}
}

/* The first rows are done with, and so is what wrote them. */
static void
end_batch(struct table *t, size_t done)
{
	drop_first(t, done);
	t->alone -= done < t->alone ? done : t->alone;
	t->batch = 0;
	free(t->sql);
	t->sql = NULL;
}

static void
written(struct table *t)
{
	end_batch(t, t->batch);
	t->pause_ms = RETRY_MS;
	if (t->lost > 0)
		log_error("%" PRIu64 " records were lost: the table could "
		    "not be written: %s", t->lost, t->why[0] != '\0' ?
		    t->why : "they came too fast");
	else if (t->why[0] != '\0')
		log_info("the table can be written again");
	t->lost = 0;
	t->why[0] = '\0';
	connected(t);
}

/* Is it a row that the table does not take, and not all of them? */
static bool
is_of_a_row(const struct table *t)
{
	const char	*state = t->lib->get_sqlstate(t->db);

	/*
	 * Constraint violation, and SIGNAL of a trigger; MySQL has its CHECK in
	 * the class of all that has none.  With our sql_mode the rest fits.
	 */
	return strncmp(state, "23", 2) == 0 || strncmp(state, "45", 2) == 0 ||
	    t->lib->get_errno(t->db) == CHECK_VIOLATED;
}

/* Others shall not wait for a row that is never taken. */
static void
refused(struct table *t)
{
	if (!is_of_a_row(t)) {
		fail(t, t->lib->get_error(t->db));
		return;
	}
	if (t->batch > 1) {
		t->alone = t->batch;
		end_batch(t, 0);
	} else {
		log_error("table %s.%s at %s refused a record: %s",
		    t->to.database, t->to.name, t->to.server,
		    t->lib->get_error(t->db));
		end_batch(t, 1);
	}
	connected(t);
}

static void
go_on(struct table *t, int status)
{
	MYSQL	*db = NULL;
	int	 rc = 0;

	if (t->state == CONNECTING)
		status = t->lib->connect_cont(&db, t->db, status);
	else
		status = t->lib->query_cont(&rc, t->db, status);
	if (status != 0) {
		await(t, status);
		return;
	}
	if (t->state == CONNECTING && db == NULL)
		fail(t, t->lib->get_error(t->db));
	else if (t->state == WRITING && rc != 0)
		refused(t);
	else if (t->state == CONNECTING)
		connected(t);
	else
		written(t);
}

static void
connect_to(struct table *t)
{
	MYSQL	*db = NULL;
	int	 status;

	t->db = t->lib->init(NULL);
	if (t->db == NULL) {
		fail(t, "no memory");
		return;
	}
	t->state = CONNECTING;
	loop_set(t->loop, &t->limit, io_now_ms() + TIMEOUT_S * 1000);
	status = dblib_connect(t->lib, &db, t->db, &t->to,
	    t->password, TIMEOUT_S);
	if (status != 0)
		await(t, status);
	else if (db == NULL)
		fail(t, t->lib->get_error(t->db));
	else
		connected(t);
}

/* --- rows */

static size_t
batch_of(const struct table *t, size_t *bytes)
{
	size_t	 n = 0, most = t->alone > 0 ? 1 : BATCH_ROWS;

	*bytes = 0;
	while (n < t->n && n < most &&
	    (n == 0 || *bytes < BATCH_BYTES))
		*bytes += t->rows[(t->first + n++) % TABLE_ROWS_MAX].len + 1;
	return n;
}

static void
write_some(struct table *t)
{
	size_t		 bytes, room;
	struct out	 o;
	int		 rc = 0, status;

	if (t->n == 0 || t->state != READY)
		return;
	t->batch = batch_of(t, &bytes);
	room = bytes + 512;
	t->sql = mem_calloc(1, room);
	o = (struct out){ t->sql, room };
	out_text(&o, "INSERT INTO `");
	out_text(&o, t->to.name);
	out_text(&o, "` (bindport, client, client_port, server, server_port, "
	    "sql_type, sql_string, create_time) VALUES ");
	for (size_t i = 0; i < t->batch; i++) {
		const struct row	*r =
		    &t->rows[(t->first + i) % TABLE_ROWS_MAX];

		out_bytes(&o, i > 0 ? "," : "", i > 0 ? 1 : 0);
		out_bytes(&o, r->sql, r->len);
	}
	t->state = WRITING;
	loop_set(t->loop, &t->limit, io_now_ms() + TIMEOUT_S * 1000);
	status = t->lib->query_start(&rc, t->db, t->sql,
	    (unsigned long)(o.p - t->sql));
	if (status != 0)
		await(t, status);
	else if (rc != 0)
		refused(t);
	else
		written(t);
}

/* Rows wait, or a time to try again has come. */
static void
on_retry(void *ctx)
{
	struct table	*t = ctx;

	if (t->n == 0)
		return;
	if (t->state == AWAY)
		connect_to(t);
	else
		write_some(t);
}

/* An address is one: a worker that is broken may have written anything. */
static bool
is_plain(struct mysql_bytes text)
{
	for (size_t i = 0; i < text.len; i++)
		if (text.p[i] < ' ' || text.p[i] > '~')
			return false;
	return text.len < SB_ADDR_MAX;
}

/* A literal.  Backslashes are escapes, as sql_mode is ours. */
static void
put_literal(struct out *o, const char *p, size_t len)
{
	out_text(o, "'");
	for (size_t i = 0; i < len; i++) {
		if (p[i] == '\0')
			out_text(o, "\\0");
		else if (p[i] == '\'' || p[i] == '\\')
			out_printf(o, "\\%c", p[i]);
		else
			out_bytes(o, p + i, 1);
	}
	out_text(o, "'");
}

/* "10.0.0.1:3306", "[::1]:3306", or what is no address: without a port. */
static void
put_address(struct out *o, struct mysql_bytes text)
{
	const char	*p = (const char *)text.p, *colon;
	size_t		 len = text.len;
	unsigned int	 port = 0;

	colon = len > 0 ? memrchr(p, ':', len) : NULL;
	if (colon != NULL && strncmp(p, "unix:", 5) != 0) {
		for (const char *d = colon + 1; d < p + len; d++)
			port = port * 10 + (unsigned int)(*d - '0');
		len = (size_t)(colon - p);
		if (len > 2 && p[0] == '[' && p[len - 1] == ']') {
			p++;
			len -= 2;
		}
	}
	put_literal(o, p, len);
	out_printf(o, ", %u, ", port & 0xffff);
}

/*
 * What the column gets, in UTF-8, whatever it was, and no longer than that
 * holds.  To be freed.
 */
static char *
string_of(const struct query_record *q, size_t *len)
{
	char		*raw = mem_calloc(1, query_record_room(q));
	size_t		 n = query_record_string(q, raw);
	size_t		 most = n < STRING_MAX / UTF8_MAX ? UTF8_MAX * n :
			    STRING_MAX;
	char		*text = mem_calloc(1, most + CUT_MAX);
	struct out	 o = { text, most };

	out_utf8(&o, raw, n);
	if (o.left == 0 || q->statement_len > q->statement.len) {
		o.left = CUT_MAX;
		out_printf(&o, "... of %" PRIu64, q->statement_len);
	}
	free(raw);
	*len = (size_t)(o.p - text);
	return text;
}

bool
table_add(struct table *t, const struct query_record *q)
{
	const char	*label = query_record_label(q->command);
	struct row	*r;
	struct out	 o;
	char		*sql, *string;
	size_t		 len, room;

	if (t->n == TABLE_ROWS_MAX || t->bytes > TABLE_BYTES_MAX)
		return false;
	/* The database would refuse it, and all rows beside it, for ever. */
	if (!is_plain(q->client) || !is_plain(q->server)) {
		t->lost++;
		return true;
	}
	string = string_of(q, &len);
	room = 2 * len + ROW_MORE;
	sql = mem_calloc(1, room);
	o = (struct out){ sql, room };
	out_printf(&o, "(%u, ", q->bind_port);
	put_address(&o, q->client);
	put_address(&o, q->server);
	put_literal(&o, label, strlen(label));
	out_text(&o, ", ");
	put_literal(&o, string, len);
	free(string);
	out_printf(&o, ", FROM_UNIXTIME(%" PRIu64 "))", q->began_us /
	    1000000);
	r = &t->rows[(t->first + t->n++) % TABLE_ROWS_MAX];
	r->len = (size_t)(o.p - sql);
	r->sql = mem_resize(sql, r->len, 1);
	t->bytes += r->len;
	/* The first begins to wait; of many some need not. */
	if (!t->retry.on && (t->state == AWAY || t->state == READY))
		loop_set(t->loop, &t->retry, io_now_ms() + GATHER_MS);
	if (t->state == READY && t->n >= BATCH_ROWS)
		write_some(t);
	return true;
}

void
table_lost(struct table *t, uint64_t n)
{
	t->lost += n;
}

bool
table_is_empty(const struct table *t)
{
	return t->n == 0;
}

struct table *
table_new(struct loop *loop, const struct dblib *lib)
{
	struct table	*t = mem_calloc(1, sizeof(*t));

	t->lib = lib;
	t->loop = loop;
	t->pause_ms = RETRY_MS;
	t->watch = (struct watch){ .fd = -1, .run = on_event, .ctx = t };
	t->limit = (struct timer){ .run = on_limit, .ctx = t };
	t->retry = (struct timer){ .run = on_retry, .ctx = t };
	return t;
}

static void
forget_password(struct table *t)
{
	if (t->password != NULL)
		explicit_bzero(t->password, strlen(t->password));
	free(t->password);
	t->password = NULL;
}

static void
forget_place(struct table *t)
{
	free(t->to.server);
	free(t->to.user);
	free(t->to.database);
	free(t->to.name);
	free(t->to.ca);
	t->to = (struct conf_table){ .server = NULL };
}

void
table_configure(struct table *t, const struct conf_table *to,
    const char *password)
{
	hang_up(t);
	forget_password(t);
	forget_place(t);
	t->to = (struct conf_table){
		.server = mem_strdup(to->server), .spec = to->spec,
		.user = mem_strdup(to->user),
		.database = mem_strdup(to->database),
		.name = mem_strdup(to->name), .tls = to->tls,
		.ca = mem_strdup(to->ca),
	};
	t->password = mem_strdup(password);
	t->pause_ms = RETRY_MS;
	if (t->n > 0)
		loop_set(t->loop, &t->retry, io_now_ms());
}

void
table_free(struct table **table)
{
	struct table	*t = *table;

	if (t == NULL)
		return;
	t->lost += t->n;
	if (t->lost > 0)
		log_error("%" PRIu64 " records were lost: the table could "
		    "not be written: %s", t->lost, t->why[0] != '\0' ?
		    t->why : "the daemon stops");
	hang_up(t);
	loop_unset(t->loop, &t->retry);
	drop_first(t, t->n);
	forget_password(t);
	forget_place(t);
	free(t);
	*table = NULL;
}
