#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"
#include "session/mysql_recorder.h"
#include "wire/mysql_redact.h"

#define VALUES_MORE	4096	/* room beyond the bytes that are kept */
#define LONG_DATA_HEAD	6	/* bytes: statement, parameter */

static struct mysql_bytes
bytes_of(const void *p, size_t len)
{
	return (struct mysql_bytes){ p, len };
}

static void
set_schema(struct mysql_recorder *r, struct mysql_bytes name)
{
	if (name.len > sizeof(r->schema))
		name.len = sizeof(r->schema);
	if (name.len > 0)
		memcpy(r->schema, name.p, name.len);
	r->q.database = bytes_of(r->schema, name.len);
}

/* Without the secrets, as it is longer recorded. */
static void
set_statement(struct mysql_recorder *r, struct query_record *q, uint8_t *p,
    size_t len, uint64_t true_len, bool *secret)
{
	size_t	 left = len;

	*secret = false;
	if (r->redact && len > 0)
		left = mysql_redact((char *)p, len, secret);
	q->statement = bytes_of(p, left);
	q->statement_len = true_len - (len - left);
}

static bool
is_space(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

/*
 * The schema that a USE names, where the server does not tell.  A comment in
 * front, which has nothing to do there, hides it.
 */
static struct mysql_bytes
schema_of_use(const char *p, size_t len)
{
	const char	*end = p + len, *start;
	bool		 quoted;

	while (p < end && is_space(*p))
		p++;
	if (end - p < 5 || strncasecmp(p, "use", 3) != 0 ||
	    (!is_space(p[3]) && p[3] != '`'))
		return bytes_of(NULL, 0);
	for (p += 3; p < end && is_space(*p); p++)
		continue;
	quoted = p < end && *p == '`';
	p += quoted ? 1 : 0;
	for (start = p; p < end && (quoted ? *p != '`' :
	    !is_space(*p) && *p != ';'); p++)
		continue;
	return bytes_of(start, (size_t)(p - start));
}

static void
on_query(struct mysql_recorder *r, struct mysql_tap_command *c,
    struct query_record *q)
{
	struct rd	 rd;
	size_t		 head;
	bool		 secret;

	rd_init(&rd, c->payload, c->len);
	if (mysql_attributes_skip(&rd, r->tap.caps) == -1) {
		/* All that is kept are attributes. */
		q->statement_len = c->total;
		return;
	}
	head = c->len - rd.left;
	if (c->outcome == QUERY_DONE &&
	    (r->tap.caps & MYSQL_CAP_SESSION_TRACK) == 0)
		c->schema = schema_of_use((const char *)rd.p, rd.left);
	set_statement(r, q, c->payload + head, rd.left, c->total - head,
	    &secret);
}

static void
on_prepare(struct mysql_recorder *r, struct mysql_tap_command *c,
    struct query_record *q)
{
	struct mysql_statement	*s;
	bool			 secret;

	set_statement(r, q, c->payload, c->len, c->total, &secret);
	if (c->outcome != QUERY_DONE) {
		mysql_statements_none(&r->statements);
		return;
	}
	s = mysql_statements_add(&r->statements, &c->prepared,
	    (const char *)q->statement.p, q->statement.len);
	s->true_len = q->statement_len;
	s->secret = secret;
	q->number = s->id;
}

static void
read_values(struct mysql_recorder *r, struct mysql_tap_command *c,
    struct mysql_statement *s, const struct mysql_execute *x, struct rd *rd,
    struct query_record *q)
{
	const struct mysql_values	 v = {
		.caps = r->tap.caps, .nparams = s->nparams,
		.types = s->types, .have_types = &s->have_types,
		.long_data = s->long_data, .secret = s->secret,
		.value_max = r->tap.keep,
	};
	struct wr			 w;

	if (r->values == NULL)
		r->values = mem_calloc(1, r->tap.keep + VALUES_MORE);
	wr_init(&w, r->values, r->tap.keep + VALUES_MORE);
	/* What contradicts itself the server has refused. */
	q->values_cut = mysql_values_decode(rd, x, &v, &w) != 1 ||
	    c->len < c->total;
	q->values = bytes_of(r->values, wr_len(&w));
}

static void
on_execute(struct mysql_recorder *r, struct mysql_tap_command *c,
    struct query_record *q)
{
	struct mysql_execute	 x;
	struct mysql_statement	*s;
	struct rd		 rd;

	rd_init(&rd, c->payload, c->len);
	if (mysql_execute_decode(&rd, c->command ==
	    MYSQL_COM_STMT_BULK_EXECUTE, &x) == -1)
		return;
	q->number = x.id;
	s = mysql_statements_find(&r->statements, x.id);
	if (s == NULL) {
		q->values_cut = true;
		return;
	}
	q->number = s->id;
	q->statement = bytes_of(s->sql, s->len);
	q->statement_len = s->true_len;
	if (s->nparams > 0)
		read_values(r, c, s, &x, &rd, q);
	mysql_statements_forget_ahead(&r->statements, s);
}

static void
on_long_data(struct mysql_recorder *r, struct mysql_tap_command *c,
    struct query_record *q)
{
	struct rd	 rd;
	uint16_t	 param;

	rd_init(&rd, c->payload, c->len);
	q->number = rd_le32(&rd);
	param = rd_le16(&rd);
	if (rd_ok(&rd))
		mysql_statements_ahead(&r->statements, q->number, param,
		    rd.p, rd.left, c->total - LONG_DATA_HEAD, r->tap.keep);
}

/* What has a number and no text. */
static void
on_number(struct mysql_recorder *r, struct mysql_tap_command *c,
    struct query_record *q)
{
	struct mysql_statement	*s;
	struct rd		 rd;

	rd_init(&rd, c->payload, c->len);
	q->number = c->len >= 4 ? rd_le32(&rd) : c->len >= 2 ? rd_le16(&rd) :
	    rd_u8(&rd);
	if (c->command == MYSQL_COM_STMT_CLOSE)
		mysql_statements_close(&r->statements, q->number);
	if (c->command != MYSQL_COM_STMT_RESET)
		return;
	s = mysql_statements_find(&r->statements, q->number);
	if (s != NULL)
		mysql_statements_forget_ahead(&r->statements, s);
}

/* A name, up to a NUL. */
static void
on_name(struct mysql_tap_command *c, struct query_record *q)
{
	size_t	 len = c->len > 0 ? strnlen((const char *)c->payload, c->len) :
		    0;

	q->statement = bytes_of(c->payload, len);
	q->statement_len = len < c->len ? len : c->total;
}

static void
understand(struct mysql_recorder *r, struct mysql_tap_command *c,
    struct query_record *q)
{
	switch (c->command) {
	case MYSQL_COM_QUERY:
		on_query(r, c, q);
		break;
	case MYSQL_COM_STMT_PREPARE:
		on_prepare(r, c, q);
		break;
	case MYSQL_COM_STMT_EXECUTE:
	case MYSQL_COM_STMT_BULK_EXECUTE:
		on_execute(r, c, q);
		break;
	case MYSQL_COM_STMT_SEND_LONG_DATA:
		on_long_data(r, c, q);
		break;
	case MYSQL_COM_INIT_DB:
	case MYSQL_COM_FIELD_LIST:
	case MYSQL_COM_CREATE_DB:
	case MYSQL_COM_DROP_DB:
	case MYSQL_COM_CHANGE_USER:
		on_name(c, q);
		break;
	case MYSQL_COM_STMT_CLOSE:
	case MYSQL_COM_STMT_RESET:
	case MYSQL_COM_STMT_FETCH:
	case MYSQL_COM_PROCESS_KILL:
	case MYSQL_COM_REFRESH:
	case MYSQL_COM_SET_OPTION:
		on_number(r, c, q);
		break;
	case MYSQL_COM_RESET_CONNECTION:
		if (c->outcome == QUERY_DONE)
			mysql_statements_clear(&r->statements);
		break;
	default:
		/* Passwords of replicas are in some of these. */
		break;
	}
}

static uint64_t
between(int64_t from, int64_t to)
{
	return to > from ? (uint64_t)(to - from) : 0;
}

static bool
is_wanted(const struct mysql_recorder *r, const struct mysql_tap_command *c)
{
	return r->commands != NULL && (c->outcome == QUERY_DENIED ||
	    (r->commands[c->command / 8] >> (c->command % 8) & 1) != 0);
}

/* A mysql_tap_done. */
static bool
done(void *ctx, struct mysql_tap_command *c)
{
	struct mysql_recorder	*r = ctx;
	struct query_record	 q = r->q;
	bool			 ok;

	q.command = c->command;
	q.outcome = c->outcome;
	q.error = c->error;
	q.rows = c->rows;
	q.affected = c->affected;
	q.began_us = c->began_wall_us;
	q.total_us = between(c->began_us, c->done_us);
	q.first_us = c->first_us == 0 ? q.total_us :
	    between(c->began_us, c->first_us);
	understand(r, c, &q);
	if (c->schema.p == NULL && c->command == MYSQL_COM_INIT_DB &&
	    c->outcome == QUERY_DONE)
		c->schema = q.statement;
	ok = !is_wanted(r, c) || r->send(r->ctx, &q);
	/* It was given in the schema before. */
	if (c->schema.p != NULL)
		set_schema(r, c->schema);
	return ok;
}

void
mysql_recorder_begin(struct mysql_recorder *r, struct mysql_bytes schema)
{
	r->tap.done = done;
	r->tap.ctx = r;
	set_schema(r, schema);
}

bool
mysql_recorder_changed(struct mysql_recorder *r, struct mysql_bytes schema,
    enum query_outcome outcome, uint16_t error)
{
	if (outcome == QUERY_DONE) {
		mysql_statements_clear(&r->statements);
		set_schema(r, schema);
	}
	return mysql_tap_others(&r->tap, MYSQL_COM_CHANGE_USER, r->q.user,
	    r->q.user.len, outcome, error);
}

void
mysql_recorder_end(struct mysql_recorder *r)
{
	mysql_tap_end(&r->tap);
	mysql_statements_clear(&r->statements);
	free(r->values);
	r->values = NULL;
}
