#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/out.h"
#include "wire/query_record.h"

/* Numbers, and lengths of strings. */
#define FIXED	(8 * 4 + 1 + 1 + 2 + 8 + 8 + 4 + 2 + 8 + 1 + 8 * 4)
/* What a line has beside what is counted by the byte. */
#define LINE_MORE	1024

static const char *const	 outcomes[] = {
	[QUERY_UNANSWERED] = "unanswered", [QUERY_DONE] = "ok",
	[QUERY_ROWS] = "rows", [QUERY_ERROR] = "error",
	[QUERY_DENIED] = "denied",
};

/* --- as a message */

static void
put(struct wr *w, struct mysql_bytes b)
{
	wr_u32(w, (uint32_t)b.len);
	if (b.len > 0)
		wr_bytes(w, b.p, b.len);
}

static struct mysql_bytes
get(struct rd *r)
{
	struct mysql_bytes	 b;

	b.len = rd_u32(r);
	b.p = rd_take(r, b.len);
	if (b.p == NULL)
		b.len = 0;
	return b;
}

void
query_record_encode(struct wr *w, const struct query_record *q)
{
	wr_u64(w, q->session);
	wr_u64(w, q->began_us);
	wr_u64(w, q->first_us);
	wr_u64(w, q->total_us);
	wr_u8(w, q->command);
	wr_u8(w, (uint8_t)q->outcome);
	wr_u16(w, q->error);
	wr_u64(w, q->rows);
	wr_u64(w, q->affected);
	wr_u32(w, q->number);
	wr_u16(w, q->bind_port);
	wr_u64(w, q->statement_len);
	wr_u8(w, q->values_cut ? 1 : 0);
	put(w, q->listener);
	put(w, q->client);
	put(w, q->server);
	put(w, q->user);
	put(w, q->database);
	put(w, q->charset);
	put(w, q->statement);
	put(w, q->values);
}

size_t
query_record_size(const struct query_record *q)
{
	return FIXED + q->listener.len + q->client.len + q->server.len +
	    q->user.len + q->database.len + q->charset.len +
	    q->statement.len + q->values.len;
}

static bool
are_values(struct mysql_bytes list)
{
	struct query_value_at	 v;
	struct rd		 r;

	rd_init(&r, list.p, list.len);
	while (query_value_next(&r, &v))
		continue;
	return rd_end(&r);
}

int
query_record_decode(struct rd *r, struct query_record *q)
{
	uint8_t	 outcome, cut;

	*q = (struct query_record){ .session = rd_u64(r) };
	q->began_us = rd_u64(r);
	q->first_us = rd_u64(r);
	q->total_us = rd_u64(r);
	q->command = rd_u8(r);
	outcome = rd_u8(r);
	q->error = rd_u16(r);
	q->rows = rd_u64(r);
	q->affected = rd_u64(r);
	q->number = rd_u32(r);
	q->bind_port = rd_u16(r);
	q->statement_len = rd_u64(r);
	cut = rd_u8(r);
	q->listener = get(r);
	q->client = get(r);
	q->server = get(r);
	q->user = get(r);
	q->database = get(r);
	q->charset = get(r);
	q->statement = get(r);
	q->values = get(r);
	if (!rd_end(r) || outcome > QUERY_DENIED || cut > 1 ||
	    q->statement_len < q->statement.len || !are_values(q->values))
		return -1;
	q->outcome = (enum query_outcome)outcome;
	q->values_cut = cut == 1;
	return 0;
}

/* --- as people read it */

const char *
query_record_label(uint8_t command)
{
	switch (command) {
	case MYSQL_COM_INIT_DB:
		return "Schema";
	case MYSQL_COM_FIELD_LIST:
		return "Query";
	case MYSQL_COM_CREATE_DB:
		return "CreateDB";
	case MYSQL_COM_DROP_DB:
		return "DropDB";
	case MYSQL_COM_STMT_PREPARE:
		return "Prepare Query";
	case MYSQL_COM_STMT_EXECUTE:
	case MYSQL_COM_STMT_BULK_EXECUTE:
		return "Prepare Args";
	default:
		return mysql_command_text(command) != NULL ?
		    mysql_command_text(command) : "Command";
	}
}

size_t
query_record_room(const struct query_record *q)
{
	return OUT_ESCAPED_MAX * query_record_size(q) + LINE_MORE;
}

/* How bytes are written: as they are, or escaped. */
typedef void	 writer(struct out *o, const void *p, size_t len);

/* Between quotation marks, which are escaped, as escapes are. */
static void
write_quoted(struct out *o, struct mysql_bytes b, writer *write)
{
	size_t	 at = 0, n;

	out_text(o, "'");
	while (at < b.len) {
		for (n = 0; at + n < b.len && b.p[at + n] != '\''; n++)
			continue;
		write(o, b.p + at, n);
		at += n;
		if (at < b.len) {
			out_text(o, "\\'");
			at++;
		}
	}
	out_text(o, "'");
}

static void
write_value(struct out *o, const struct query_value_at *v, writer *write)
{
	switch (v->kind) {
	case QUERY_NULL:
		out_text(o, "NULL");
		break;
	case QUERY_NUMBER:
		write(o, v->bytes.p, v->bytes.len);
		break;
	case QUERY_TEXT:
		write_quoted(o, v->bytes, write);
		break;
	case QUERY_SECRET:
		out_text(o, "<secret>");
		break;
	default:
		if (v->bytes.len > 0)
			write(o, v->bytes.p, v->bytes.len);
		else
			out_text(o, "?");
	}
	if (v->len > v->bytes.len && v->kind == QUERY_TEXT)
		out_printf(o, "... of %" PRIu64, v->len);
}

/* "(1, 'a'), (2, NULL)" */
static void
write_values(struct out *o, const struct query_record *q, writer *write)
{
	struct query_value_at	 v;
	struct rd		 r;
	bool			 first = true;

	out_text(o, "(");
	rd_init(&r, q->values.p, q->values.len);
	while (query_value_next(&r, &v)) {
		if (v.kind == QUERY_NEXT_ROW) {
			out_text(o, "), (");
			first = true;
			continue;
		}
		if (!first)
			out_text(o, ", ");
		first = false;
		write_value(o, &v, write);
	}
	if (q->values_cut)
		out_text(o, first ? "..." : ", ...");
	out_text(o, ")");
}

static bool
has_number(uint8_t command)
{
	return command == MYSQL_COM_REFRESH ||
	    command == MYSQL_COM_SET_OPTION ||
	    command == MYSQL_COM_STMT_CLOSE ||
	    command == MYSQL_COM_STMT_RESET ||
	    command == MYSQL_COM_STMT_FETCH ||
	    command == MYSQL_COM_STMT_SEND_LONG_DATA;
}

/* What stands behind the label. */
static void
write_string(struct out *o, const struct query_record *q, writer *write)
{
	if (q->command == MYSQL_COM_QUIT)
		out_text(o, "user quit");
	else if (q->command == MYSQL_COM_INIT_DB)
		out_text(o, "use ");
	else if (q->command == MYSQL_COM_FIELD_LIST)
		out_text(o, "table columns list: ");
	else if (q->command == MYSQL_COM_PROCESS_KILL)
		out_printf(o, "kill connection %" PRIu32, q->number);
	else if (has_number(q->command))
		out_printf(o, "%" PRIu32, q->number);
	if (q->values.len > 0 || q->values_cut) {
		write_values(o, q, write);
		out_text(o, "; ");
	}
	write(o, q->statement.p, q->statement.len);
}

static void
write_as_it_is(struct out *o, const void *p, size_t len)
{
	out_bytes(o, p, len);
}

static struct out
room(const struct query_record *q, char *buf)
{
	return (struct out){ buf, query_record_room(q) - 1 };
}

size_t
query_record_string(const struct query_record *q, char *buf)
{
	struct out	 o = room(q, buf);

	write_string(&o, q, write_as_it_is);
	return (size_t)(o.p - buf);
}

static void
write_ms(struct out *o, uint64_t us)
{
	out_printf(o, "%" PRIu64 ".%03u", us / 1000, (unsigned)(us % 1000));
}

/* A name that a client chose: quoted unless it is a plain word. */
static void
write_name(struct out *o, const char *key, struct mysql_bytes b)
{
	bool	 plain = b.len > 0;

	if (b.len == 0)
		return;
	for (size_t i = 0; i < b.len; i++)
		plain &= b.p[i] > ' ' && b.p[i] < 0x7f && b.p[i] != '"' &&
		    b.p[i] != '\\' && b.p[i] != '=';
	out_printf(o, " %s=", key);
	if (plain) {
		out_bytes(o, b.p, b.len);
		return;
	}
	out_text(o, "\"");
	out_escaped(o, b.p, b.len, "\\x");
	out_text(o, "\"");
}

/* Behind the tab. */
static void
write_facts(struct out *o, const struct query_record *q)
{
	out_printf(o, "id=%016" PRIx64, q->session);
	write_name(o, "user", q->user);
	write_name(o, "db", q->database);
	if (q->statement_len > q->statement.len)
		out_printf(o, " cut=%" PRIu64, q->statement_len);
	out_printf(o, " end=%s", outcomes[q->outcome]);
	if (q->outcome == QUERY_ROWS)
		out_printf(o, " rows=%" PRIu64, q->rows);
	if (q->affected > 0)
		out_printf(o, " affected=%" PRIu64, q->affected);
	if (q->error > 0)
		out_printf(o, " error=%u", q->error);
	out_text(o, " first_ms=");
	write_ms(o, q->first_us);
	out_text(o, " ms=");
	write_ms(o, q->total_us);
}

size_t
query_record_text(const struct query_record *q, bool stamp, char *buf)
{
	struct out	 o = room(q, buf);

	if (stamp) {
		out_slash_time(&o, q->began_us);
		out_text(&o, " ");
	}
	out_text(&o, "From ");
	out_bare(&o, q->client.p, q->client.len);
	out_text(&o, " To ");
	out_bare(&o, q->server.p, q->server.len);
	out_printf(&o, "; %s: ", q->command == MYSQL_COM_INIT_DB ? "schema" :
	    query_record_label(q->command));
	write_string(&o, q, out_bare);
	out_text(&o, "\t");
	write_facts(&o, q);
	*o.p++ = '\n';
	return (size_t)(o.p - buf);
}

/* --- JSON */

static void
json_quoted(struct out *o, struct mysql_bytes b)
{
	out_text(o, "\"");
	out_escaped(o, b.p, b.len, "\\udc");
	out_text(o, "\"");
}

static void
json_string(struct out *o, const char *key, struct mysql_bytes b)
{
	if (b.len == 0)
		return;
	out_printf(o, ",\"%s\":", key);
	json_quoted(o, b);
}

static size_t
digits(struct mysql_bytes b, size_t at)
{
	size_t	 n = 0;

	while (at + n < b.len && b.p[at + n] >= '0' && b.p[at + n] <= '9')
		n++;
	return n;
}

/* RFC 8259, section 6. */
static bool
is_json_number(struct mysql_bytes b)
{
	size_t	 at = b.len > 0 && b.p[0] == '-' ? 1 : 0, n = digits(b, at);

	if (n == 0 || (n > 1 && b.p[at] == '0'))
		return false;
	at += n;
	if (at < b.len && b.p[at] == '.') {
		n = digits(b, at + 1);
		if (n == 0)
			return false;
		at += 1 + n;
	}
	if (at < b.len && (b.p[at] == 'e' || b.p[at] == 'E')) {
		at++;
		at += at < b.len && (b.p[at] == '+' || b.p[at] == '-');
		n = digits(b, at);
		if (n == 0)
			return false;
		at += n;
	}
	return at == b.len;
}

static void
json_value(struct out *o, const struct query_value_at *v)
{
	if (v->kind == QUERY_NULL)
		out_text(o, "null");
	else if (v->kind == QUERY_NUMBER && is_json_number(v->bytes))
		out_bytes(o, v->bytes.p, v->bytes.len);
	else if (v->kind == QUERY_SECRET)
		out_text(o, "\"<secret>\"");
	else
		json_quoted(o, v->bytes);
}

static bool
has_rows(struct mysql_bytes list)
{
	struct query_value_at	 v;
	struct rd		 r;

	rd_init(&r, list.p, list.len);
	while (query_value_next(&r, &v))
		if (v.kind == QUERY_NEXT_ROW)
			return true;
	return false;
}

/* [1,"a"], or of a bulk [[1,"a"],[2,"b"]]. */
static void
json_values(struct out *o, const struct query_record *q)
{
	const bool		 rows = has_rows(q->values);
	struct query_value_at	 v;
	struct rd		 r;
	bool			 first = true;

	out_text(o, rows ? ",\"values\":[[" : ",\"values\":[");
	rd_init(&r, q->values.p, q->values.len);
	while (query_value_next(&r, &v)) {
		if (v.kind == QUERY_NEXT_ROW) {
			out_text(o, "],[");
			first = true;
			continue;
		}
		if (!first)
			out_text(o, ",");
		first = false;
		json_value(o, &v);
	}
	out_text(o, rows ? "]]" : "]");
}

size_t
query_record_json(const struct query_record *q, char *buf)
{
	struct out	 o = room(q, buf);
	const char	*name = mysql_command_name(q->command);

	out_text(&o, "{\"time\":\"");
	out_time(&o, q->began_us);
	out_printf(&o, "\",\"event\":\"query\",\"id\":\"%016" PRIx64 "\"",
	    q->session);
	json_string(&o, "listener", q->listener);
	json_string(&o, "client", q->client);
	json_string(&o, "server", q->server);
	json_string(&o, "user", q->user);
	json_string(&o, "database", q->database);
	json_string(&o, "charset", q->charset);
	if (name != NULL)
		out_printf(&o, ",\"command\":\"%s\"", name);
	else
		out_printf(&o, ",\"command\":\"%u\"", q->command);
	if (has_number(q->command) || q->number > 0)
		out_printf(&o, ",\"number\":%" PRIu32, q->number);
	json_string(&o, "statement", q->statement);
	if (q->statement_len > q->statement.len)
		out_printf(&o, ",\"cut\":true,\"statement_length\":%" PRIu64,
		    q->statement_len);
	if (q->values.len > 0)
		json_values(&o, q);
	if (q->values_cut)
		out_text(&o, ",\"values_cut\":true");
	out_printf(&o, ",\"outcome\":\"%s\"", outcomes[q->outcome]);
	if (q->outcome == QUERY_ROWS)
		out_printf(&o, ",\"rows\":%" PRIu64, q->rows);
	out_printf(&o, ",\"affected\":%" PRIu64, q->affected);
	if (q->error > 0)
		out_printf(&o, ",\"error\":%u", q->error);
	out_text(&o, ",\"first_ms\":");
	write_ms(&o, q->first_us);
	out_text(&o, ",\"ms\":");
	write_ms(&o, q->total_us);
	out_text(&o, "}");
	*o.p++ = '\n';
	return (size_t)(o.p - buf);
}
