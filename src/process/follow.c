#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/io.h"
#include "base/mem.h"
#include "process/follow.h"
#include "process/record_lane.h"
#include "session/mysql_recorder.h"
#include "session/mysql_watch.h"
#include "wire/mysql_charset.h"

bool
follow_commands(const struct conf_listener *l)
{
	return l->query_log.kind != CONF_RECORD_NONE ||
	    l->deny_commands.n > 0 || l->login == CONF_LOGIN_TOTP;
}

static struct mysql_bytes
bytes(const char *text)
{
	return (struct mysql_bytes){ (const uint8_t *)text, strlen(text) };
}

static void
note_user(struct session *ss)
{
	struct sb_worker	*board = ss->s->board;

	sb_write_begin(board);
	snprintf(board->session.user, sizeof(board->session.user), "%s",
	    ss->mysql.who.user);
	sb_write_end(board);
}

/* It cannot go on; the client was told, and has time to read that. */
static bool
end_told(struct session *ss, struct relay *r)
{
	snprintf(ss->text, sizeof(ss->text), "%s", ss->mysql.x.why);
	ss->why = ss->text;
	r->down.done = true;
	(void)stream_shut(ss->front_stream);
	return false;
}

static void
set_deadline(struct session *ss)
{
	ss->mysql.x.deadline = io_now_ms() +
	    ss->s->router.conf->timeouts.handshake;
}

/* --- nothing but changes of user */

static bool
change_user(struct session *ss, struct relay *r, enum end *end)
{
	struct mysql_login	*m = &ss->mysql;
	struct flow		*up = &r->up;
	size_t			 used;
	bool			 ok;

	set_deadline(ss);
	ok = mysql_watch_change(&m->x, m->caps, m->back_caps,
	    up->buf + up->off, up->kept, &used, &m->who, end);
	note_user(ss);
	if (!ok)
		return end_told(ss, r);
	flow_resume(up, used);
	return true;
}

static bool
on_change(void *ctx, struct relay *r, enum end *end)
{
	return change_user(ctx, r, end);
}

/* --- each command */

static void
note_who(struct session *ss)
{
	const struct mysql_who	*who = &ss->mysql.who;
	struct query_record	*q = &ss->recorder->q;

	q->user = bytes(who->user);
	q->charset = bytes(mysql_charset_text(who->charset));
}

/* The record of a command is whole. */
static bool
send_record(void *ctx, const struct query_record *q)
{
	struct session			*ss = ctx;
	const struct conf_listener	*l = ss->l;

	return record_send(ss->s->records, l->query_log.kind ==
	    CONF_RECORD_TABLE ? RECORD_TO_TABLE : RECORD_TO_LOG, q,
	    (enum record_overflow)l->query_log.on_overflow, &ss->s->told,
	    ss->s->router.conf->timeouts.idle, &ss->end) == 0;
}

/* The tap could not go on, or was told not to. */
static bool
fail(struct session *ss, enum end *end)
{
	const struct mysql_tap	*tap = &ss->recorder->tap;

	*end = tap->why != NULL ? END_PROTOCOL : ss->end;
	ss->why = tap->why;
	return false;
}

static bool
deny(struct session *ss, struct relay *r, enum end *end)
{
	struct mysql_login	*m = &ss->mysql;
	struct flow		*up = &r->up;
	const uint8_t		*p = up->buf + up->off;
	const uint8_t		 command = p[MYSQL_HEADER_LEN];
	struct mysql_bytes	 payload;
	size_t			 used;

	set_deadline(ss);
	if (!mysql_watch_deny(&m->x, mysql_tap_is_answered(command), p,
	    up->kept, &used, end))
		return end_told(ss, r);
	payload.p = mysql_side_payload(&m->x.front) + 1;
	payload.len = m->x.front.len - 1;
	if (!mysql_tap_others(&ss->recorder->tap, command, payload,
	    payload.len, QUERY_DENIED, MYSQL_ER_DENIED))
		return fail(ss, end);
	flow_resume(up, used);
	return true;
}

static bool
on_stop(void *ctx, struct relay *r, enum end *end)
{
	struct session		*ss = ctx;
	struct mysql_recorder	*rec = ss->recorder;
	struct mysql_tap	*tap = &rec->tap;
	const struct mysql_who	*who = &ss->mysql.who;

	if (tap->stop == MYSQL_TAP_FAILED)
		return fail(ss, end);
	if (!mysql_tap_is_ready(tap))
		return true;
	if (tap->file || tap->stop == MYSQL_TAP_WAIT) {
		flow_resume(&r->up, 0);
		return true;
	}
	if (tap->stop == MYSQL_TAP_DENY)
		return deny(ss, r, end);
	if (!change_user(ss, r, end))
		return false;
	note_who(ss);
	return mysql_recorder_changed(rec, bytes(who->schema),
	    ss->mysql.x.error == 0 ? QUERY_DONE : QUERY_ERROR,
	    ss->mysql.x.error) || fail(ss, end);
}

/* What all records of a session have in common. */
static struct query_record
common(const struct session *ss)
{
	const struct sb_session	*s = &ss->s->board->session;
	struct net_addr		 mine;
	struct query_record	 q = {
		.session = s->id, .listener = bytes(ss->l->name),
		.client = bytes(s->client), .server = bytes(s->server),
	};

	mine.len = sizeof(mine.u);
	if (getsockname(ss->front.fd, &mine.u.sa, &mine.len) == 0)
		q.bind_port = net_port(&mine);
	return q;
}

static void
begin_record(struct session *ss, struct pump *p)
{
	const struct conf_listener	*l = ss->l;
	struct mysql_recorder		*rec = mem_calloc(1, sizeof(*rec));
	bool				 on;

	on = l->query_log.kind != CONF_RECORD_NONE;
	rec->tap.caps = ss->mysql.caps;
	rec->tap.mariadb_caps = ss->mysql.mariadb_caps;
	rec->tap.keep = (size_t)l->query_log.max_statement;
	memcpy(rec->deny, l->denied.bits, sizeof(rec->deny));
	/* These begin another protocol, which nobody could follow. */
	rec->deny[MYSQL_COM_CLONE / 8] |= 1 << MYSQL_COM_CLONE % 8;
	rec->deny[MYSQL_COM_SUBSCRIBE_GROUP / 8] |=
	    1 << MYSQL_COM_SUBSCRIBE_GROUP % 8;
	rec->tap.deny = rec->deny;
	rec->commands = on ? l->query_log.set.bits : NULL;
	rec->redact = l->query_log.redact;
	rec->q = common(ss);
	rec->send = send_record;
	rec->ctx = ss;
	ss->recorder = rec;
	note_who(ss);
	mysql_recorder_begin(rec, bytes(ss->mysql.who.schema));
	p->relay.up.look = mysql_tap_client;
	p->relay.down.look = mysql_tap_server;
	p->relay.up.look_ctx = p->relay.down.look_ctx = &rec->tap;
	p->stopped = on_stop;
}

void
follow_begin(struct session *ss, struct pump *p)
{
	if (!ss->watched)
		return;
	if (follow_commands(ss->l)) {
		begin_record(ss, p);
		return;
	}
	ss->watch = (struct mysql_watch){ .down = &ss->s->board->down };
	p->relay.up.look = mysql_watch_look;
	p->relay.up.look_ctx = &ss->watch;
	p->stopped = on_change;
}

void
follow_end(struct session *ss)
{
	enum end	 end = ss->end;

	if (ss->recorder == NULL)
		return;
	/* The last records change nothing of how it ended. */
	mysql_recorder_end(ss->recorder);
	ss->end = end;
	free(ss->recorder);
	ss->recorder = NULL;
}
