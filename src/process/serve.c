#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/sig.h"
#include "process/broker_ask.h"
#include "process/codes.h"
#include "process/follow.h"
#include "process/proc.h"
#include "process/serve.h"
#include "process/secure.h"
#include "process/session.h"
#include "session/compress.h"
#include "session/pump.h"

#define PAUSE_MS	10	/* without a byte, and a crowd goes first */
#define QUIET_MS	1000	/* without a byte, and a session is idle */
#define TURNS		8	/* waits between looks for a crowd */
#define REST_MS		500	/* without a byte, and pages are given back */
#define CROWD_MS	3000	/* that one is remembered */

void
session_id_text(uint64_t id, char *buf, size_t size)
{
	snprintf(buf, size, "%016" PRIx64, id);
}

int
session_refuse(struct session *ss, enum end end, const char *why)
{
	ss->end = end;
	ss->why = why;
	return -1;
}

/* What there may be none of. */
static void
add_text(struct logline *l, const char *key, const char *text)
{
	if (text[0] != '\0')
		logline_add(l, LOGLINE_STRING, key, text);
}

void
serve_log(const struct sb_session *s, uint64_t up, uint64_t down,
    const char *end, const char *why)
{
	struct logline	 l = { .level = LOGLINE_INFO };
	int64_t		 took = io_now_us() - s->accepted_us;
	int64_t		 dial = s->connected_us - s->accepted_us;
	char		 id[SESSION_ID_MAX], bytes[2][24], ms[32], connect[32];

	if (!log_wants(LOGLINE_INFO))
		return;
	l.event = logline_string("session");
	l.text = logline_string("");
	session_id_text(s->id, id, sizeof(id));
	snprintf(bytes[0], sizeof(bytes[0]), "%" PRIu64, up);
	snprintf(bytes[1], sizeof(bytes[1]), "%" PRIu64, down);
	snprintf(ms, sizeof(ms), "%" PRId64 ".%03d", took / 1000,
	    (int)(took % 1000));
	logline_add(&l, LOGLINE_STRING, "id", id);
	logline_add(&l, LOGLINE_STRING, "listener", s->listener);
	logline_add(&l, LOGLINE_STRING, "client", s->client);
	add_text(&l, "via", s->via);
	add_text(&l, "tls", s->tls);
	add_text(&l, "user", s->user);
	add_text(&l, "account", s->account);
	add_text(&l, "server", s->server);
	add_text(&l, "server_tls", s->server_tls);
	logline_add(&l, LOGLINE_NUMBER, "up", bytes[0]);
	logline_add(&l, LOGLINE_NUMBER, "down", bytes[1]);
	logline_add(&l, LOGLINE_NUMBER, "ms", ms);
	if (s->connected_us != 0) {
		snprintf(connect, sizeof(connect), "%" PRId64 ".%03d",
		    dial / 1000, (int)(dial % 1000));
		logline_add(&l, LOGLINE_NUMBER, "connect_ms", connect);
	}
	logline_add(&l, LOGLINE_STRING, "end", end);
	if (why != NULL)
		add_text(&l, "why", why);
	log_event(&l);
}

void
serve_log_lost(const struct sb_worker *w, enum end end, const char *why)
{
	struct sb_session	 session;

	if (atomic_load(&w->state) != SB_BUSY)
		return;
	if (!sb_read(w, &session)) {
		log_warn("a session ended without a readable trace");
		return;
	}
	sb_tame(&session);
	serve_log(&session, atomic_load(&w->up), atomic_load(&w->down),
	    end_text(end), why);
}

/* An address of a peer that has none of its own says who it is. */
static void
client_text(int fd, const struct net_addr *a, char *buf, size_t size)
{
	struct ucred	 cred;
	socklen_t	 len = sizeof(cred);

	if (a->u.sa.sa_family == AF_UNIX && getsockopt(fd, SOL_SOCKET,
	    SO_PEERCRED, &cred, &len) == 0)
		snprintf(buf, size, "unix:uid=%u,pid=%d",
		    (unsigned)cred.uid, (int)cred.pid);
	else
		net_text(a, buf, size);
}

/* Have SIGALRM come when a session has lasted that long; 0: never. */
static void
set_alarm(int64_t ms)
{
	const struct itimerval	 it = {
		.it_value = { ms / 1000, (ms % 1000) * 1000 },
	};

	(void)setitimer(ITIMER_REAL, &it, NULL);
	if (ms == 0)
		sig_forget(SIGALRM);
}

static int
ms_to_int(int64_t ms)
{
	return ms > INT32_MAX ? INT32_MAX : (int)ms;
}

void
serve_close(const struct relay *r)
{
	if (r->down.done)
		close(r->up.from);
	else
		net_abort(r->up.from);
	if (r->up.done)
		close(r->down.from);
	else
		net_abort(r->down.from);
}

/*
 * Are so many workers busy that carriers do better, or will there be none?
 * Those that carriers took are busy still: the last of a crowd, who would have
 * a CPU each if there had been no others, are to go too.
 */
static bool
is_crowded(const struct server *s)
{
	struct sb_pool	*pool = s->router.pool;
	int32_t		 busy = (int32_t)atomic_load(&pool->workers) -
			    atomic_load(&pool->idle);
	uint32_t	 was = atomic_load(&pool->crowd);

	/* With a CPU for each, nothing is as fast as they are. */
	if (busy > s->cpus) {
		atomic_store(&pool->crowd, (uint32_t)io_now_ms() | 1);
		return true;
	}
	return atomic_load(&pool->full) != 0 || (was != 0 &&
	    (uint32_t)io_now_ms() - (was & ~1U) < CROWD_MS);
}

static bool
offer(struct session *ss)
{
	struct server		*s = ss->s;
	struct handover_record	 h = {
		.session = s->board->session,
		.up = atomic_load(&s->board->up),
		.down = atomic_load(&s->board->down),
		.end_by = ss->end_by, .buffer = (uint64_t)ss->l->buffer,
		.idle_ms = ms_to_int(s->router.conf->timeouts.idle),
		.half_closed_ms =
		    ms_to_int(s->router.conf->timeouts.half_closed),
	};
	int			 line;

	ss->counted = ask_holds(s->ask, &h.held, &line);
	if (ss->counted && line == -1)
		return false;		/* the keeper is to be told first */
	return handover_offer(&s->handover, &h, ss->front.fd, ss->back.fd,
	    ss->counted ? line : -1);
}

/* Nothing is held and nothing has come for a while, or much has. */
static bool
hand_over(void *ctx, bool quiet)
{
	struct session	*ss = ctx;

	if (ss->l->carry == CONF_CARRY_AUTO && !quiet && !is_crowded(ss->s))
		return false;
	return offer(ss);
}

void
session_rest(const struct session *ss)
{
	(void)madvise(ss->s->buf, 2 * (size_t)ss->l->buffer, MADV_DONTNEED);
	mem_give_back();
}

/* Sessions that are short do not pay for it. */
static void
rest(void *ctx)
{
	session_rest(ctx);
}

void
session_relay(struct session *ss)
{
	const struct conf	*c = ss->s->router.conf;
	struct sb_worker	*board = ss->s->board;
	size_t			 size = (size_t)ss->l->buffer;
	int			 front = ss->front.fd, back = ss->back.fd;
	struct pump		 p = {
		.relay.idle_ms = ms_to_int(c->timeouts.idle),
		.relay.half_closed_ms = ms_to_int(c->timeouts.half_closed),
		.told = &ss->s->told, .ctx = ss, .rest = rest,
		.quiet_ms = REST_MS,
	};

	flow_init(&p.relay.up, front, back, ss->s->buf, size, &board->up);
	flow_init(&p.relay.down, back, front, ss->s->buf + size, size,
	    &board->down);
	p.relay.up.in = p.relay.down.out = ss->front_stream;
	p.relay.down.in = p.relay.up.out = ss->back_stream;
	p.relay.up.pipes = p.relay.down.pipes = ss->s->pipes;
	if (ss->paces != NULL) {
		p.relay.up.pace = &ss->pace[0];
		p.relay.down.pace = &ss->pace[1];
	}
	follow_begin(ss, &p);
	if (ss->l->carry != CONF_CARRY_NEVER && !ss->stays &&
	    ss->front_stream == NULL && ss->back_stream == NULL) {
		p.hand_over = hand_over;
		p.quiet_ms = ss->l->carry == CONF_CARRY_ALWAYS ? 0 : QUIET_MS;
		p.pause_ms = ss->l->carry == CONF_CARRY_ALWAYS ? 0 : PAUSE_MS;
		p.turns = ss->l->carry == CONF_CARRY_ALWAYS ? 0 : TURNS;
	}
	if (c->timeouts.session > 0) {
		set_alarm(c->timeouts.session);
		ss->end_by = io_now_ms() + c->timeouts.session;
	}
	codes_watch(ss);
	ss->end = pump_run(&p);
	secure_over(ss);
	pipes_trim(ss->s->pipes);
	if (c->timeouts.session > 0)
		set_alarm(0);
	if (p.carried) {
		close(front);
		close(back);
		if (ss->counted) {
			ask_let_go(ss->s->ask);
			ss->asked = false;
		}
	} else
		serve_close(&p.relay);
	ss->carried = p.carried;
}

/* Is there room for one more, here and from there? */
static int
ask_in(struct session *ss)
{
	enum ask_verdict	 verdict;

	if (!ss->l->admitted)
		return 0;
	ss->asked = true;
	if (ask_admit(ss->s->ask, (uint32_t)ss->listener, &ss->source,
	    ss->front.fd, io_now_ms() + SESSION_ANSWER_MS, &verdict,
	    &ss->end) == -1)
		return -1;
	if (verdict == ASK_OK)
		return 0;
	return session_refuse(ss, END_LIMIT, ask_text(verdict));
}

void
session_note_client(struct session *ss)
{
	struct sb_worker	*board = ss->s->board;

	sb_write_begin(board);
	memcpy(board->session.via, board->session.client,
	    sizeof(board->session.via));
	net_text(&ss->front.client, board->session.client,
	    sizeof(board->session.client));
	sb_write_end(board);
}

/* The client as a header names it is the one that counts. */
static int
open_front(struct session *ss)
{
	const struct conf_listener	*l = ss->l;
	const struct front_rules	 rules = {
		.allow = l->allow.v, .nallow = l->allow.n,
		.deny = l->deny.v, .ndeny = l->deny.n,
		.proxy_accept = l->proxy_protocol.accept,
		.proxy_from = l->proxy_protocol.from.v,
		.nfrom = l->proxy_protocol.from.n,
	};
	int				 rc;

	rc = front_open(&ss->front, &rules, ss->deadline, &ss->s->told,
	    &ss->end);
	if (ss->front.proxied)
		session_note_client(ss);	/* also of one that is denied */
	if (rc == -1)
		ss->why = ss->front.why;
	else
		access_source_of(&ss->front.client, &ss->source);
	return rc;
}

int
session_suspect(struct session *ss)
{
	if (guess_wait(ss->s->crashers, access_source_hash(&ss->source, 0),
	    io_now_ms()) == 0)
		return 0;
	ss->suspect = true;
	return session_refuse(ss, END_LIMIT,
	    "sessions of its source made workers crash");
}

static int
let_in(struct session *ss)
{
	if (open_front(ss) == 0 && session_suspect(ss) == 0 && ask_in(ss) == 0)
		return 0;
	secure_deny(ss);
	return -1;
}

void
session_begin(struct session *ss, int fd, const struct net_addr *peer)
{
	struct sb_worker	*board = ss->s->board;
	struct sb_session	*s = &board->session;

	front_init(&ss->front, fd, peer);
	ss->deadline = io_now_ms() + ss->s->router.conf->timeouts.handshake;
	sb_write_begin(board);
	memset(s, 0, sizeof(*s));
	s->id = ss->s->next_id++;
	s->accepted_us = io_now_us();
	s->generation = ss->s->generation;
	s->server_index = SB_NO_SERVER;
	snprintf(s->listener, sizeof(s->listener), "%s", ss->l->name);
	client_text(fd, peer, s->client, sizeof(s->client));
	sb_write_end(board);
	ss->s->told.id = s->id;
	atomic_store(&board->up, 0);
	atomic_store(&board->down, 0);
	atomic_store(&board->state, SB_BUSY);
	proc_title("worker %s: %s %s", ss->s->pool, s->listener, s->client);
}

void
session_finish(struct session *ss)
{
	struct sb_worker	*board = ss->s->board;

	if (ss->asked)
		ask_release(ss->s->ask);
	if (ss->s->broker != NULL)
		broker_line_hang_up(ss->s->broker);
	paces_unmap(ss->paces);
	if (!ss->carried)
		serve_log(&board->session, atomic_load(&board->up),
		    atomic_load(&board->down), end_text(ss->end), ss->why);
	atomic_store(&board->state, SB_BETWEEN);
	atomic_fetch_add(&board->served, 1);
}

int
session_pack(struct stream **stream, int fd)
{
	struct stream	*inner = *stream != NULL ? *stream :
			    stream_new_plain(fd);
	struct stream	*s = stream_new_zstd(inner);

	*stream = s != NULL ? s : inner;
	return s != NULL ? 0 : -1;
}

/* Who was told why is given the time to read it; others see a reset. */
void
session_close_front(struct session *ss)
{
	if (ss->told) {
		if (ss->front_stream != NULL)
			stream_shut(ss->front_stream);
		close(ss->front.fd);
	} else
		net_abort(ss->front.fd);
}

struct net_tcp
session_tcp(const struct conf_listener *l)
{
	return (struct net_tcp){
		.nodelay = l->nodelay,
		.keepalive_idle = (int)(l->keepalive.idle / 1000),
		.keepalive_interval = (int)(l->keepalive.interval / 1000),
		.keepalive_count = (int)l->keepalive.count,
		.user_timeout = (int)l->user_timeout,
	};
}

void
session_serve(struct session *ss)
{
	if (let_in(ss) == 0 && secure_open(ss) == 0) {
		if (ss->asked)
			ask_established(ss->s->ask);
		session_relay(ss);
	} else
		session_close_front(ss);
	secure_close(ss);
	session_finish(ss);
}

void
serve(struct server *s, size_t listener, int fd, const struct net_addr *peer)
{
	const struct conf		*c = s->router.conf;
	const struct conf_listener	*l = &c->listeners[listener];
	struct session			 ss = {
		.s = s, .l = l, .listener = listener,
		.backend = &c->backends[l->backend],
		.backend_index = l->backend,
		.tcp = session_tcp(l),
		.back.fd = -1,
	};

	session_begin(&ss, fd, peer);
	session_serve(&ss);
}
