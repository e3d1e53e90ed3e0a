#include <stdlib.h>
#include <string.h>

#include "base/io.h"
#include "base/mem.h"
#include "session/mysql_tap.h"

#define MARIADB_CAP_PROGRESS		0x01u
#define MARIADB_CAP_CACHE_METADATA	0x10u
#define ERROR_PROGRESS			0xffff	/* no error */

#define STATUS_CURSOR_EXISTS	0x0040
#define SEMI_SYNC_ACK		0xef	/* a replica's, amid events */
#define TRACK_SCHEMA		0x01

#define ROOM_KEPT	(16 * 1024)	/* of a buffer, for the next command */
#define EOF_MAX		9		/* bytes of an EOF are fewer */

/* Where in the answer to the first command the server is. */
enum {
	FIRST,			/* nothing of it, or of a further result */
	COLUMNS,		/* definitions, then perhaps an EOF */
	ROWS,			/* until an EOF or an error */
	PREPARED,		/* so many packets more */
	FILE_ANSWER,		/* what became of the client's file */
};

static bool
fail(struct mysql_tap *tap, const char *why)
{
	if (tap->stop != MYSQL_TAP_FAILED) {
		tap->stop = MYSQL_TAP_FAILED;
		tap->why = why;
	}
	return false;
}

/* --- the commands that wait for their answers */

static struct mysql_tap_command *
command_at(struct mysql_tap *tap, size_t i)
{
	return &tap->commands[(tap->first + i) % MYSQL_TAP_COMMANDS];
}

static struct mysql_tap_command *
last_command(struct mysql_tap *tap)
{
	return command_at(tap, tap->ncommands - 1);
}

bool
mysql_tap_is_answered(uint8_t command)
{
	return command != MYSQL_COM_QUIT && command != MYSQL_COM_STMT_CLOSE &&
	    command != MYSQL_COM_STMT_SEND_LONG_DATA;
}

static bool
is_query(uint8_t command)
{
	return command == MYSQL_COM_QUERY ||
	    command == MYSQL_COM_STMT_EXECUTE ||
	    command == MYSQL_COM_STMT_BULK_EXECUTE;
}

static bool
is_dump(uint8_t command)
{
	return command == MYSQL_COM_BINLOG_DUMP ||
	    command == MYSQL_COM_BINLOG_DUMP_GTID;
}

static struct mysql_tap_command *
add_command(struct mysql_tap *tap, uint8_t command)
{
	struct mysql_tap_command	*c;
	uint8_t				*payload;
	size_t				 room;

	c = command_at(tap, tap->ncommands++);
	payload = c->payload;
	room = c->room;
	*c = (struct mysql_tap_command){
		.command = command, .payload = payload, .room = room,
		.began_us = io_now_us(), .began_wall_us = io_wall_us(),
		.outcome = QUERY_UNANSWERED,
	};
	return c;
}

static void
keep(struct mysql_tap *tap, struct mysql_tap_command *c, const uint8_t *p,
    size_t n)
{
	size_t	 room;

	if (n > tap->keep - c->len)
		n = tap->keep - c->len;
	if (n == 0)
		return;
	if (n > c->room - c->len) {
		room = c->len + n < 512 ? 512 : (c->len + n) * 2;
		if (room > tap->keep)
			room = tap->keep;
		c->payload = mem_resize(c->payload, room, 1);
		c->room = room;
	}
	memcpy(c->payload + c->len, p, n);
	c->len += n;
	tap->kept += n;
}

/* The first one is over. */
static bool
finish(struct mysql_tap *tap, enum query_outcome outcome)
{
	struct mysql_tap_command	*c = command_at(tap, 0);
	bool				 ok;

	c->outcome = outcome;
	c->done_us = io_now_us();
	if (tap->ncommands == 1)
		tap->receiving = false;
	ok = tap->done(tap->ctx, c);
	tap->kept -= c->len;
	if (c->room > ROOM_KEPT) {
		free(c->payload);
		c->payload = NULL;
		c->room = 0;
	}
	tap->first = (tap->first + 1) % MYSQL_TAP_COMMANDS;
	tap->ncommands--;
	tap->at = FIRST;
	return ok || fail(tap, NULL);
}

/* Those that nobody answers are over when those before them are. */
static bool
finish_unanswered(struct mysql_tap *tap)
{
	while (tap->ncommands > 0 &&
	    !mysql_tap_is_answered(command_at(tap, 0)->command) &&
	    !(tap->receiving && tap->ncommands == 1))
		if (!finish(tap, QUERY_DONE))
			return false;
	return true;
}

static bool
finish_answer(struct mysql_tap *tap, enum query_outcome outcome)
{
	return finish(tap, outcome) && finish_unanswered(tap);
}

/* --- what the server says */

static const char *const	 lost =
    "what the server answers cannot be followed";

static bool
is_ok(const uint8_t *p, uint64_t len)
{
	return len > 0 && p[0] == MYSQL_OK;
}

/* An EOF, or the OK that stands for it. */
static bool
is_end(const struct mysql_tap *tap, const uint8_t *p, uint64_t len)
{
	return len > 0 && p[0] == MYSQL_EOF &&
	    len < (tap->caps & MYSQL_CAP_DEPRECATE_EOF ? MYSQL_PACKET_MAX :
	    EOF_MAX);
}

/* The schema in use, if the server tells that it is another. */
static void
note_schema(struct mysql_tap *tap, struct mysql_bytes changes)
{
	struct mysql_tap_command *c = command_at(tap, 0);
	struct mysql_bytes	 data;
	struct rd		 r, one;
	uint8_t			 type;

	rd_init(&r, changes.p, changes.len);
	while (rd_ok(&r) && r.left > 0) {
		type = rd_u8(&r);
		data = mysql_rd_string(&r);
		if (!rd_ok(&r) || type != TRACK_SCHEMA)
			continue;
		rd_init(&one, data.p, data.len);
		data = mysql_rd_string(&one);
		if (!rd_ok(&one) || data.len > sizeof(tap->schema))
			continue;
		/* The command may have further results before it is over. */
		if (data.len > 0)
			memcpy(tap->schema, data.p, data.len);
		c->schema = (struct mysql_bytes){ tap->schema, data.len };
	}
}

/*
 * What an OK, or an end of rows, has to say; *status is its.  False when it
 * cannot be told.
 */
static bool
read_ok(struct mysql_tap *tap, const uint8_t *p, size_t n, uint64_t len,
    uint16_t *status)
{
	struct mysql_tap_command	*c = command_at(tap, 0);
	struct mysql_ok			 ok;
	struct rd			 r;

	rd_init(&r, p, n);
	if (p[0] == MYSQL_EOF && (tap->caps & MYSQL_CAP_DEPRECATE_EOF) == 0) {
		(void)rd_take(&r, 3);	/* that byte, and warnings */
		*status = rd_le16(&r);
		return true;
	}
	if (n < len) {
		/* Cut by us: what is said of the session is left out. */
		(void)rd_u8(&r);
		ok = (struct mysql_ok){ .affected = mysql_rd_lenenc(&r) };
		(void)mysql_rd_lenenc(&r);
		ok.status = rd_le16(&r);
		if (!rd_ok(&r))
			return false;
	} else if (mysql_ok_decode(&r, tap->caps, &ok) == -1)
		return false;
	c->affected += ok.affected;
	*status = ok.status;
	if (ok.state_changes.p != NULL)
		note_schema(tap, ok.state_changes);
	return true;
}

/* A result is over: was it the last? */
static bool
end_result(struct mysql_tap *tap, uint16_t status, enum query_outcome outcome)
{
	if (status & MYSQL_STATUS_MORE_RESULTS) {
		tap->at = FIRST;
		return true;
	}
	return finish_answer(tap, outcome);
}

static bool
on_error(struct mysql_tap *tap, const uint8_t *p, size_t n)
{
	struct rd	 r;
	uint16_t	 code;

	rd_init(&r, p, n);
	(void)rd_u8(&r);
	code = rd_le16(&r);
	if (code == ERROR_PROGRESS &&
	    (tap->mariadb_caps & MARIADB_CAP_PROGRESS) != 0)
		return true;
	if (tap->ncommands == 0)
		return true;		/* of the session: it is over */
	command_at(tap, 0)->error = code;
	/* It does not wait for the end of what it refuses. */
	return finish_answer(tap, QUERY_ERROR);
}

static bool
on_prepared(struct mysql_tap *tap, const uint8_t *p, size_t n)
{
	struct mysql_prepared	*d = &command_at(tap, 0)->prepared;
	const uint32_t		 end =
				    tap->caps & MYSQL_CAP_DEPRECATE_EOF ? 0 :
				    1;
	struct rd		 r;

	rd_init(&r, p, n);
	if (mysql_prepared_decode(&r, tap->caps, d) == -1)
		return fail(tap, lost);
	tap->definitions = 0;
	if (d->metadata && d->params > 0)
		tap->definitions += d->params + end;
	if (d->metadata && d->columns > 0)
		tap->definitions += d->columns + end;
	tap->at = PREPARED;
	return tap->definitions > 0 || finish_answer(tap, QUERY_DONE);
}

static bool
on_columns(struct mysql_tap *tap, const uint8_t *p, size_t n)
{
	struct rd	 r;
	uint64_t	 count;
	bool		 metadata = true;

	rd_init(&r, p, n);
	count = mysql_rd_lenenc(&r);
	if (rd_ok(&r) && r.left > 0 &&
	    (tap->mariadb_caps & MARIADB_CAP_CACHE_METADATA) != 0)
		metadata = rd_u8(&r) != 0;
	if (!rd_end(&r) || count == 0 || count > UINT16_MAX)
		return fail(tap, lost);
	command_at(tap, 0)->outcome = QUERY_ROWS;
	tap->definitions = (metadata ? (uint32_t)count : 0) +
	    (tap->caps & MYSQL_CAP_DEPRECATE_EOF ? 0 : 1);
	tap->at = tap->definitions > 0 ? COLUMNS : ROWS;
	return true;
}

static bool
on_column(struct mysql_tap *tap, const uint8_t *p, size_t n, uint64_t len)
{
	uint16_t	 status = 0;

	if (--tap->definitions > 0)
		return true;
	tap->at = ROWS;
	if (tap->caps & MYSQL_CAP_DEPRECATE_EOF)
		return true;
	if (!is_end(tap, p, len) || !read_ok(tap, p, n, len, &status))
		return fail(tap, lost);
	/* Rows of a cursor come when they are fetched. */
	return (status & STATUS_CURSOR_EXISTS) == 0 ||
	    end_result(tap, status, QUERY_ROWS);
}

static bool
on_row(struct mysql_tap *tap, const uint8_t *p, size_t n, uint64_t len)
{
	uint16_t	 status = 0;

	if (!is_end(tap, p, len)) {
		command_at(tap, 0)->rows++;
		return true;
	}
	if (!read_ok(tap, p, n, len, &status))
		return fail(tap, lost);
	return end_result(tap, is_dump(command_at(tap, 0)->command) ? 0 :
	    status, QUERY_ROWS);
}

static bool
on_file_wanted(struct mysql_tap *tap)
{
	if ((tap->caps & MYSQL_CAP_LOCAL_FILES) == 0 ||
	    tap->client.inside || tap->ncommands > 1)
		return fail(tap, lost);
	tap->file = true;
	tap->at = FILE_ANSWER;
	return true;
}

/* OK, with more results or not. */
static bool
on_ok(struct mysql_tap *tap, const uint8_t *p, size_t n, uint64_t len)
{
	struct mysql_tap_command	*c = command_at(tap, 0);
	uint16_t			 status = 0;

	if (tap->file)
		return fail(tap, "the server answers before the client's file "
		    "is sent");
	if (!read_ok(tap, p, n, len, &status) && is_query(c->command))
		return fail(tap, lost);
	return end_result(tap, is_query(c->command) ? status : 0,
	    c->outcome == QUERY_ROWS ? QUERY_ROWS : QUERY_DONE);
}

static bool
on_first(struct mysql_tap *tap, const uint8_t *p, size_t n, uint64_t len)
{
	const uint8_t	 command = command_at(tap, 0)->command;

	switch (command) {
	case MYSQL_COM_STATISTICS:
		return finish_answer(tap, QUERY_DONE);
	case MYSQL_COM_FIELD_LIST:
	case MYSQL_COM_STMT_FETCH:
	case MYSQL_COM_BINLOG_DUMP:
	case MYSQL_COM_BINLOG_DUMP_GTID:
		tap->at = ROWS;
		return on_row(tap, p, n, len);
	case MYSQL_COM_STMT_PREPARE:
		return is_ok(p, len) ? on_prepared(tap, p, n) :
		    fail(tap, lost);
	case MYSQL_COM_QUERY:
	case MYSQL_COM_STMT_EXECUTE:
	case MYSQL_COM_STMT_BULK_EXECUTE:
	case MYSQL_COM_PROCESS_INFO:
		if (p[0] == MYSQL_LOCAL_INFILE)
			return on_file_wanted(tap);
		if (!is_ok(p, len) && !is_end(tap, p, len))
			return on_columns(tap, p, n);
		break;
	default:
		if (!is_ok(p, len) && !is_end(tap, p, len))
			return fail(tap, lost);
		break;
	}
	return on_ok(tap, p, n, len);
}

/* A message of `len' bytes, the first n of which are at p. */
static bool
on_message(struct mysql_tap *tap, const uint8_t *p, size_t n, uint64_t len)
{
	struct mysql_tap_command	*c = command_at(tap, 0);

	if (tap->ncommands > 0 && c->first_us == 0)
		c->first_us = io_now_us();
	/* It may come at any time, and nothing else begins like it. */
	if (len > 0 && p[0] == MYSQL_ERR)
		return on_error(tap, p, n);
	if (tap->ncommands == 0)
		return fail(tap, "the server speaks unasked");
	if (tap->receiving && tap->ncommands == 1)
		return fail(tap, "the server answers what it has not heard");
	if (len == 0)
		return tap->at == ROWS || fail(tap, lost);
	switch (tap->at) {
	case COLUMNS:
		return on_column(tap, p, n, len);
	case ROWS:
		return on_row(tap, p, n, len);
	case PREPARED:
		return --tap->definitions > 0 ||
		    finish_answer(tap, QUERY_DONE);
	case FILE_ANSWER:
		return is_ok(p, len) ? on_ok(tap, p, n, len) :
		    fail(tap, lost);
	default:
		return on_first(tap, p, n, len);
	}
}

/* The bytes of a header, which may come one by one.  True when it is whole. */
static bool
gather_header(struct mysql_tap_side *s, const uint8_t *p, size_t n,
    size_t *used, struct mysql_header *h)
{
	*used = MYSQL_HEADER_LEN - s->nheader;
	if (*used > n)
		*used = n;
	memcpy(s->header + s->nheader, p, *used);
	s->nheader += *used;
	if (s->nheader < MYSQL_HEADER_LEN)
		return false;
	s->nheader = 0;
	mysql_header_decode(s->header, h);
	return true;
}

/* The rest of a packet, or what is here of it.  Its bytes. */
static size_t
take_answer(struct mysql_tap *tap, const uint8_t *p, size_t n, bool *ok)
{
	struct mysql_tap_side	*s = &tap->server;
	size_t			 len = n < s->left ? n : s->left;
	size_t			 room = sizeof(tap->head) - tap->nhead;

	/* Mostly it is all here, and need not be copied. */
	if (len == s->len && !s->inside && !s->goes_on) {
		s->left = 0;
		*ok = on_message(tap, p, len, len);
		return len;
	}
	memcpy(tap->head + tap->nhead, p, len < room ? len : room);
	tap->nhead += len < room ? len : room;
	s->left -= (uint32_t)len;
	if (s->left > 0)
		return len;
	s->inside = s->goes_on;
	tap->total += s->len;
	if (!s->inside) {
		*ok = on_message(tap, tap->head, tap->nhead, tap->total);
		tap->nhead = 0;
		tap->total = 0;
	}
	return len;
}

size_t
mysql_tap_server(void *ctx, const uint8_t *p, size_t n, bool *stop)
{
	struct mysql_tap	*tap = ctx;
	struct mysql_tap_side	*s = &tap->server;
	struct mysql_header	 h;
	size_t			 at = 0, used;
	bool			 ok = tap->stop != MYSQL_TAP_FAILED;

	while (ok && at < n) {
		if (s->left == 0) {
			if (!gather_header(s, p + at, n - at, &used, &h)) {
				at += used;
				break;
			}
			at += used;
			s->len = s->left = h.len;
			s->goes_on = h.len == MYSQL_PACKET_MAX;
			if (h.len > 0)
				continue;
		}
		at += take_answer(tap, p + at, n - at, &ok);
	}
	*stop = !ok;
	return ok ? n : 0;
}

/* --- what the client says */

/* Must that command wait, or is it not the tap's? */
static enum mysql_tap_stop
reason_to_stop(struct mysql_tap *tap, uint8_t command)
{
	if (tap->ncommands == MYSQL_TAP_COMMANDS ||
	    (tap->ncommands > 0 && tap->kept >= tap->keep))
		return MYSQL_TAP_WAIT;
	/* What follows may turn out to be a file. */
	if (tap->ncommands > 0 && (tap->caps & MYSQL_CAP_LOCAL_FILES) != 0)
		for (size_t i = 0; i < tap->ncommands; i++)
			if (is_query(command_at(tap, i)->command))
				return MYSQL_TAP_WAIT;
	if (tap->deny != NULL &&
	    (tap->deny[command / 8] >> (command % 8) & 1) != 0)
		return MYSQL_TAP_DENY;
	if (command == MYSQL_COM_CHANGE_USER)
		return MYSQL_TAP_CHANGE_USER;
	return MYSQL_TAP_NOT;
}

bool
mysql_tap_is_ready(struct mysql_tap *tap)
{
	return tap->stop == MYSQL_TAP_FAILED || tap->file ||
	    tap->ncommands == 0 ||
	    (tap->stop == MYSQL_TAP_WAIT &&
	    reason_to_stop(tap, MYSQL_COM_PING) == MYSQL_TAP_NOT);
}

/* Of a command's payload, or a file's. */
static size_t
take_payload(struct mysql_tap *tap, const uint8_t *p, size_t n)
{
	struct mysql_tap_side	*s = &tap->client;
	size_t			 len = n < s->left ? n : s->left;

	if (tap->receiving)
		keep(tap, last_command(tap), p, len);
	s->left -= (uint32_t)len;
	return len;
}

/* A message is whole. */
static bool
end_message(struct mysql_tap *tap)
{
	tap->client.inside = false;
	tap->receiving = false;
	return finish_unanswered(tap);
}

/*
 * The first packet of a message, its command behind the header.  How many
 * bytes it takes; 0: stop, or wait for more.
 */
static size_t
begin_message(struct mysql_tap *tap, const struct mysql_header *h,
    const uint8_t *p, size_t n)
{
	struct mysql_tap_side	*s = &tap->client;
	uint8_t			 command = 0;
	struct mysql_tap_command *c;

	if (h->seq != 0) {
		fail(tap, "the client's packets are out of order");
		return 0;
	}
	if (h->len > 0) {
		if (n == MYSQL_HEADER_LEN)
			return 0;
		command = p[MYSQL_HEADER_LEN];
	}
	s->len = h->len;
	s->left = h->len > 0 ? h->len - 1 : 0;
	s->goes_on = h->len == MYSQL_PACKET_MAX;
	s->seq = 1;
	/* It is no command, and has no answer. */
	if (command == SEMI_SYNC_ACK && tap->ncommands > 0 &&
	    is_dump(command_at(tap, 0)->command)) {
		s->inside = true;
		return MYSQL_HEADER_LEN + 1;
	}
	tap->stop = reason_to_stop(tap, command);
	if (tap->stop != MYSQL_TAP_NOT) {
		s->left = 0;
		return 0;
	}
	c = add_command(tap, command);
	c->total = s->left;
	tap->receiving = s->inside = true;
	return MYSQL_HEADER_LEN + (h->len > 0 ? 1 : 0);
}

/* A further packet of one, or one of a file. */
static bool
go_on(struct mysql_tap *tap, const struct mysql_header *h)
{
	struct mysql_tap_side	*s = &tap->client;

	if (tap->file) {
		/* It ends with an empty message, which no long one ends. */
		tap->file = h->len > 0 || s->goes_on;
		s->goes_on = h->len == MYSQL_PACKET_MAX;
		s->left = h->len;
		return true;
	}
	if (h->seq != s->seq)
		return fail(tap, "the client's packets are out of order");
	s->seq++;
	s->left = h->len;
	s->goes_on = h->len == MYSQL_PACKET_MAX;
	if (tap->receiving)
		last_command(tap)->total += h->len;
	return true;
}

static size_t
take_header(struct mysql_tap *tap, const uint8_t *p, size_t n)
{
	struct mysql_header	 h;

	if (n < MYSQL_HEADER_LEN)
		return 0;
	mysql_header_decode(p, &h);
	if (!tap->client.inside && !tap->file)
		return begin_message(tap, &h, p, n);
	return go_on(tap, &h) ? MYSQL_HEADER_LEN : 0;
}

size_t
mysql_tap_client(void *ctx, const uint8_t *p, size_t n, bool *stop)
{
	struct mysql_tap	*tap = ctx;
	struct mysql_tap_side	*s = &tap->client;
	size_t			 at = 0, used;

	if (tap->stop != MYSQL_TAP_FAILED)
		tap->stop = MYSQL_TAP_NOT;
	while (tap->stop == MYSQL_TAP_NOT && at < n) {
		used = s->left > 0 ? take_payload(tap, p + at, n - at) :
		    take_header(tap, p + at, n - at);
		at += used;
		if (used == 0)
			break;
		if (s->left == 0 && s->inside && !s->goes_on)
			(void)end_message(tap);
	}
	*stop = tap->stop != MYSQL_TAP_NOT;
	return tap->stop != MYSQL_TAP_FAILED ? at : 0;
}

bool
mysql_tap_others(struct mysql_tap *tap, uint8_t command,
    struct mysql_bytes payload, uint64_t total, enum query_outcome outcome,
    uint16_t error)
{
	struct mysql_tap_command	*c = add_command(tap, command);

	keep(tap, c, payload.p, payload.len);
	c->total = total;
	c->error = error;
	return finish(tap, outcome);
}

void
mysql_tap_end(struct mysql_tap *tap)
{
	struct mysql_tap_command	*c;

	while (tap->ncommands > 0) {
		c = command_at(tap, 0);
		(void)finish(tap, mysql_tap_is_answered(c->command) ?
		    QUERY_UNANSWERED : QUERY_DONE);
	}
	for (size_t i = 0; i < MYSQL_TAP_COMMANDS; i++) {
		free(tap->commands[i].payload);
		tap->commands[i].payload = NULL;
	}
}
