/*
 * What a worker does with a job of its hub's link: a session whose front is a
 * data connection, opened by us, and whose user comes from the hub.
 */
#include <sys/socket.h>

#include <openssl/crypto.h>

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "base/mem.h"
#include "base/sig.h"
#include "policy/conf_assign.h"
#include "policy/port_range.h"
#include "process/contexts.h"
#include "process/dial.h"
#include "process/job.h"
#include "process/proc.h"
#include "process/secure.h"
#include "process/session.h"
#include "session/tunnel_line.h"

#define OPEN_MS		10000	/* for OPEN, once the hub has answered */
#define NO_MS		1000	/* for a refusal to be taken */
#define TOKEN_MS	20	/* for a Netroxy server to read one */

#define HAS(tag)	TUNNEL_HAS(TUNNEL_T_##tag)

/* A data connection while it waits. */
struct parked {
	struct server		*s;
	const struct job	*job;
	const struct conf_hub	*hub;
	struct told		 told;		/* we hold nothing yet */
	int			 fd;
	struct stream		*stream;	/* plain or TLS */
	struct tunnel_line	*line;
};

static const struct conf_hub *
find_hub(const struct conf *conf, const char *name)
{
	for (size_t i = 0; i < conf->hubs.n; i++)
		if (strcmp(conf->hubs.v[i].name, name) == 0)
			return &conf->hubs.v[i];
	return NULL;
}

static int
dial(struct parked *p)
{
	const struct net_tcp	 tcp = { .nodelay = true };
	int64_t			 deadline = io_now_ms() +
				    p->s->router.conf->timeouts.connect;
	enum end		 end;
	bool			 pending;

	p->fd = net_dial(&p->job->addr, NULL, &tcp, &pending);
	if (p->fd == -1)
		return -1;
	if (pending && (stream_wait(p->fd, POLLOUT, deadline, &p->told,
	    &end) == -1 || net_dial_result(p->fd) != 0))
		return -1;
	return 0;
}

/* The hub answers when a user comes. */
static int
wait_tls(struct parked *p, int64_t deadline)
{
	const struct tls_psk_key	 key = {
		p->job->ticket, sizeof(p->job->ticket), p->job->keys.psk,
	};
	enum end			 end;
	char				 why[TLS_WHY_MAX] = "";

	p->stream = tls_psk_connect(contexts_psk(p->s->contexts), p->fd, &key,
	    deadline, &p->told, &end, why);
	if (p->stream == NULL) {
		log_debug("a data connection to hub %s ended unused: %s",
		    p->hub->name, why);
		return -1;
	}
	tunnel_line_init(p->line, p->stream, &p->s->told, END_CLIENT_RESET);
	return 0;
}

/* The ticket in a frame; what comes next is OPEN. */
static int
wait_plain(struct parked *p, int64_t deadline)
{
	struct tunnel_frame	 data = {
		.type = TUNNEL_DATA, .has = HAS(TICKETS),
		.tickets = p->job->ticket, .ntickets = 1,
	};
	enum end		 end;

	p->stream = stream_new_plain(p->fd);
	tunnel_line_init(p->line, p->stream, &p->s->told, END_CLIENT_RESET);
	tunnel_line_seal(p->line, p->job->keys.hub_mac,
	    p->job->keys.agent_mac);
	if (tunnel_say(p->line, &data, io_now_ms() + NO_MS, &end) == -1)
		return -1;
	return stream_wait(p->fd, POLLIN, deadline, &p->told, &end);
}

/* Which of our services is it?  NULL: none of this hub's. */
static const struct conf_publish *
find_service(const struct parked *p, const struct tunnel_frame *open)
{
	const struct conf_publishes	*list =
	    &p->s->router.conf->publishes;

	for (size_t i = 0; i < list->n; i++) {
		const struct conf_publish	*s = &list->v[i];

		if (strcmp(s->hub, p->hub->name) == 0 &&
		    strlen(s->topic) == open->topic.len &&
		    memcmp(s->topic, open->topic.p, open->topic.len) == 0)
			return s;
	}
	return NULL;
}

static int
say(const struct parked *p, const struct tunnel_frame *f)
{
	enum end	 end;

	return tunnel_say(p->line, f, io_now_ms() + NO_MS, &end);
}

static void
say_no(const struct parked *p, enum tunnel_code code)
{
	const struct tunnel_frame	 f = tunnel_no(TUNNEL_OPEN_NO, code,
					    0);

	(void)say(p, &f);
}

static void
begin(struct session *ss, const struct parked *p,
    const struct tunnel_frame *open)
{
	session_begin(ss, p->fd, &p->job->addr);
	if ((open->has & HAS(SOURCE)) == 0)
		return;
	ss->front.client = open->source;
	ss->front.proxied = true;
	if ((open->has & HAS(DESTINATION)) != 0)
		ss->front.to = open->destination;
	access_source_of(&ss->front.client, &ss->source);
	session_note_client(ss);
}

static int
may_come(struct session *ss)
{
	if (!access_allows(ss->l->allow.v, ss->l->allow.n, ss->l->deny.v,
	    ss->l->deny.n, &ss->front.client))
		return session_refuse(ss, END_DENIED, NULL);
	return session_suspect(ss);
}

/*
 * A user of what a listener leads to; or, unless `only' is NULL, of an
 * address.
 */
static void
serve_user(struct parked *p, size_t listener, const struct net_addr *only,
    const struct tunnel_frame *open)
{
	const struct conf		*c = p->s->router.conf;
	const struct conf_listener	*l = &c->listeners[listener];
	struct tunnel_frame		 ok = { .type = TUNNEL_OPEN_OK };
	struct session			 ss = {
		.s = p->s, .l = l, .listener = listener,
		.backend = &c->backends[l->backend],
		.backend_index = l->backend, .tcp = session_tcp(l),
		.back.fd = -1, .only = only,
	};

	begin(&ss, p, open);
	if (p->hub->compression == CONF_COMPRESSION_ZSTD &&
	    (open->has & HAS(CAPS)) != 0 &&
	    (open->caps & TUNNEL_CAP_ZSTD) != 0) {
		ok.has |= HAS(CAPS);
		ok.caps = TUNNEL_CAP_ZSTD;
	}
	if (p->job->tls) {
		ss.front_stream = p->stream;
		p->stream = NULL;
	}
	if (may_come(&ss) == -1) {
		say_no(p, TUNNEL_NOT_ALLOWED);
		ss.told = true;
		session_close_front(&ss);
	} else if (secure_open_back(&ss) == -1) {
		say_no(p, TUNNEL_NO_SERVICE);
		ss.told = true;
		session_close_front(&ss);
	} else if (say(p, &ok) == -1 || (ok.caps != 0 &&
	    session_pack(&ss.front_stream, p->fd) == -1)) {
		ss.end = END_CLIENT_RESET;
		close(ss.back.fd);
		session_close_front(&ss);
	} else
		session_relay(&ss);
	p->fd = -1;
	secure_close(&ss);
	session_finish(&ss);
}

/* May the hub have us forward to where it says?  The listener, or none. */
static size_t
find_errand(const struct parked *p, const struct tunnel_frame *open,
    struct net_addr *to)
{
	char		 text[TUNNEL_TEXT_MAX + 1];
	struct net_spec	 spec;
	const char	*why;

	if ((open->has & HAS(ADDRESS)) == 0)
		return CONF_NOWHERE;
	(void)tunnel_string(&open->address, text, sizeof(text));
	if (net_parse(text, false, &spec, &why) == -1 ||
	    spec.kind != NET_ADDR ||
	    !conf_accepts(p->hub, false, &spec.addr))
		return CONF_NOWHERE;
	*to = spec.addr;
	return conf_assigned_listener(p->s->router.conf, p->s->pool);
}

static void
serve_errand(struct parked *p, const struct tunnel_frame *open)
{
	struct net_addr	 to;
	size_t		 listener = find_errand(p, open, &to);

	if (listener == CONF_NOWHERE)
		say_no(p, TUNNEL_NO_SERVICE);
	else
		serve_user(p, listener, &to, open);
}

/* The hub has a user for us. */
static void
hear_open(struct parked *p)
{
	const struct tunnel_frame	 pong = { .type = TUNNEL_PONG };
	const struct conf_publish	*service;
	struct tunnel_frame		 f;
	enum end			 end;

	p->line->noting = false;
	if (tunnel_hear(p->line, &f, io_now_ms() + OPEN_MS, &end) == -1 ||
	    f.type != TUNNEL_OPEN)
		return;
	p->s->spent |= p->job->tls;
	if (!p->job->tls && say(p, &pong) == -1)
		return;
	service = find_service(p, &f);
	if (service == NULL)
		serve_errand(p, &f);
	else
		serve_user(p, service->listener, NULL, &f);
}

/* --- at a Netroxy server, where a user waits already */

static const struct conf_publish *
find_port(const struct parked *p)
{
	const struct conf_publishes	*list =
	    &p->s->router.conf->publishes;
	struct port_want		 w;
	const char			*why;

	for (size_t i = 0; i < list->n; i++)
		if (strcmp(list->v[i].hub, p->hub->name) == 0 &&
		    port_want_parse(list->v[i].map, &w, &why) == 0 &&
		    w.low == p->job->port)
			return &list->v[i];
	return NULL;
}

static int
secure_netroxy(struct parked *p, int64_t deadline)
{
	char			 text[NET_TEXT_MAX], why[TLS_WHY_MAX] = "";
	struct tls_facts	 facts;
	enum end		 end;

	if (!p->job->tls) {
		p->stream = stream_new_plain(p->fd);
		return 0;
	}
	p->s->spent = true;
	p->stream = tls_connect(contexts_client(p->s->contexts,
	    p->hub->backend), p->fd, contexts_hub_name(p->hub, &p->job->addr,
	    text), deadline, &p->s->told, &facts, &end, why);
	return p->stream != NULL ? 0 : -1;
}

/*
 * Netroxy's own server drops what it reads together with this command: a
 * service that speaks first is given a moment, one whose user does none.
 */
static int
present_token(const struct parked *p, int64_t deadline)
{
	const struct netroxy	 m = {
		.command = NETROXY_TRS, .port = p->job->port,
		.token = { p->job->token, strlen(p->job->token) },
	};
	char			 buf[NETROXY_MAX];
	ssize_t			 len = netroxy_encode(&m, buf, sizeof(buf));
	enum end		 end;

	if (len == -1 || stream_write_all(p->stream, buf, (size_t)len,
	    deadline, &p->s->told, END_CLIENT_RESET, &end) == -1)
		return -1;
	(void)stream_wait(p->fd, POLLIN, io_now_ms() + TOKEN_MS, &p->s->told,
	    &end);
	return 0;
}

/* Who cannot be served sees an end, which is all that can be said there. */
static void
serve_at_netroxy(struct parked *p)
{
	const struct conf		*c = p->s->router.conf;
	const struct conf_publish	*service = find_port(p);
	const struct conf_listener	*l;
	struct session			 ss = { .s = p->s, .back.fd = -1 };

	if (service == NULL)
		return;
	l = &c->listeners[service->listener];
	ss.l = l;
	ss.listener = service->listener;
	ss.backend = &c->backends[l->backend];
	ss.backend_index = l->backend;
	ss.tcp = session_tcp(l);
	session_begin(&ss, p->fd, &p->job->addr);
	if (p->job->tls) {
		ss.front_stream = p->stream;
		p->stream = NULL;
	}
	if (secure_open_back(&ss) == -1) {
		ss.told = true;
		session_close_front(&ss);
	} else
		session_relay(&ss);
	p->fd = -1;
	secure_close(&ss);
	session_finish(&ss);
}

static void
answer_netroxy(struct parked *p)
{
	int64_t	 deadline = io_now_ms() +
		    p->s->router.conf->timeouts.handshake;

	if (dial(p) == 0 && secure_netroxy(p, deadline) == 0 &&
	    present_token(p, deadline) == 0)
		serve_at_netroxy(p);
}

void
serve_job(struct server *s, const struct job *job)
{
	int64_t		 deadline = io_now_ms() + (int64_t)job->park_ms;
	struct parked	 p = {
		.s = s, .job = job, .fd = -1, .told = s->told,
		.hub = find_hub(s->router.conf, job->hub),
	};

	if (p.hub == NULL || sig_is_set(SIGQUIT))
		return;
	p.told.idle = true;
	p.told.id = 0;
	proc_title("worker %s: parked", s->pool);
	p.line = mem_calloc(1, sizeof(*p.line));
	if (p.hub->protocol == CONF_HUB_NETROXY)
		answer_netroxy(&p);
	else if (dial(&p) == 0 && (job->tls ? wait_tls(&p, deadline) :
	    wait_plain(&p, deadline)) == 0)
		hear_open(&p);
	stream_free(&p.stream);
	if (p.fd != -1)
		close(p.fd);
	tunnel_line_end(p.line);
	free(p.line);
}
