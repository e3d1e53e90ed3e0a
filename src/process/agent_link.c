/*
 * link - an agent's standing connection to one hub.
 *
 *	from	may ask
 *	master	MSG_STOP, MSG_DRAIN, and what answers MSG_BIND
 *
 * It offers what we publish there, hears for how many users connections are
 * wanted, and has workers of its pool open them (MSG_JOB).  It never gives up:
 * what the hub's name means is looked up anew by the keeper, and every
 * address is tried each time.  What the hub assigns it obeys as far as
 * accept_assign goes.  No byte of a session comes here.
 */
#include <sys/random.h>

#include <openssl/crypto.h>

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "base/mem.h"
#include "base/sig.h"
#include "policy/conf_tunnel.h"
#include "policy/conf_assign.h"
#include "process/assigned.h"
#include "process/book.h"
#include "process/channel.h"
#include "process/contexts.h"
#include "process/job.h"
#include "process/line.h"
#include "process/netroxy_link.h"
#include "process/proc.h"
#include "process/proof_ask.h"
#include "process/role.h"
#include "process/route.h"
#include "process/sandbox.h"
#include "session/back.h"
#include "session/tunnel_login.h"

#define PAUSE_MIN_MS	250
#define PAUSE_MAX_MS	30000
#define RETRY_MAX_MS	600000	/* that a hub may have us stay away */
#define SUPERSEDED_MS	5000	/* another of us is there, */
#define SOON_MS		250	/* or was: the one of the last generation */
#define AGAIN_MS	60000	/* it is not the first time */
#define ASK_AGAIN_MS	10000	/* for a topic that was refused */
#define PORT_AGAIN_MS	1000	/* for a port, the first time */
#define HEALTH_MS	1000	/* between looks at our services */
#define SAY_MS		5000
#define SETTLE_MS	3000	/* for the hub to assign all that it does */
#define KEEP_MS		30000	/* what it did assign, without it */
#define LINK_WHY_MAX	256	/* bytes */

#define HAS(tag)	TUNNEL_HAS(TUNNEL_T_##tag)

/* A service of ours, at this hub. */
struct service {
	const struct conf_publish	*p;
	bool				 refused;
	bool				 up;	/* as the hub was told */
	bool				 unmapped;	/* port refused */
	enum tunnel_code		 told;	/* why, in the log; or OK */
};

struct link {
	struct setup		*s;
	const struct conf	*conf;
	size_t			 index;		/* of the hub */
	const struct conf_hub	*hub;
	struct router		 router;
	struct tls_client	*tls;		/* or NULL */
	struct line		*auth;
	struct told		 told;
	uint8_t			 instance[TUNNEL_INSTANCE];
	struct service		*services;
	size_t			 nservices;
	/* Topics of what the hub has us forward. */
	char			 errands[CONF_ASSIGNS_MAX]
				    [TUNNEL_TOPIC_MAX + 1];
	size_t			 nerrands;
	struct assigned		*assigned;	/* ports */
	int64_t			 settle_at;	/* what the hub does not assign
						   again goes; or INT64_MAX */
	/* The connection there is. */
	int			 fd;
	struct net_addr		 addr;
	struct stream		*stream;
	struct tunnel_line	*line;
	struct tunnel_terms	 terms;
	struct net_addr		 data;		/* where data connections go */
	int64_t			 heard, ping_at, ask_at, look_at;
	bool			 over;
	char			 why[LINK_WHY_MAX];
	enum tunnel_code	 code;		/* what the hub said, or OK */
	uint32_t		 retry_ms;
	/* What was said last of it, in the log. */
	char			 told_why[LINK_WHY_MAX];
	bool			 was_up;
	bool			 told_jobs;
	int64_t			 pause_ms;
	int64_t			 superseded_at;	/* io_now_ms(), or 0 */
};

bool
link_wanted(const struct conf *conf, const char *pool)
{
	return conf_pool_publishes(conf, pool) != CONF_NOWHERE;
}

/* --- the master, who is heard whenever we wait */

static _Noreturn void
leave(void)
{
	exit(0);
}

static int
on_stop(void *ctx, struct rd *r, int *fds)
{
	(void)ctx;
	(void)r;
	(void)fds;
	leave();
}

static int
on_bound(void *ctx, struct rd *r, int *fds)
{
	return assigned_bound(((struct link *)ctx)->assigned, r, fds);
}

static int
on_not_bound(void *ctx, struct rd *r, int *fds)
{
	(void)fds;
	return assigned_not_bound(((struct link *)ctx)->assigned, r);
}

static const struct channel_rule orders[] = {
	{ MSG_BOUND,	ROLE_MASTER,	1,	on_bound },
	{ MSG_NOT_BOUND, ROLE_MASTER,	0,	on_not_bound },
	{ MSG_STOP,	ROLE_MASTER,	0,	on_stop },
	{ MSG_DRAIN,	ROLE_MASTER,	0,	on_stop },
};

static void
hear_master(struct link *l)
{
	if (channel_dispatch(l->s->channel, ROLE_MASTER, orders,
	    nitems(orders), l) != 1)
		leave();
}

/*
 * Wait until then for the master, for users of assigned ports, and, unless
 * hub is -1, for the hub, of which it tells whether there is something.
 */
static bool
wait_for_all(struct link *l, int hub, int64_t until)
{
	struct pollfd	 p[2 + CONF_ASSIGNS_MAX] = {
		{ hub, POLLIN, 0 }, { l->s->channel, POLLIN, 0 },
	};
	nfds_t		 n = assigned_gather(l->assigned, p + 2);
	int64_t		 at = assigned_due(l->assigned);

	if (l->settle_at < at)
		at = l->settle_at;
	(void)sig_ppoll(p, 2 + n, io_left_ms(at < until ? at : until));
	if (sig_is_set(SIGTERM))
		leave();
	assigned_hear(l->assigned, p + 2, n);
	if (p[1].revents != 0)
		hear_master(l);
	if (io_now_ms() >= l->settle_at) {
		assigned_settle(l->assigned);
		l->settle_at = INT64_MAX;
	}
	return p[0].revents != 0;
}

static void
sleep_until(struct link *l, int64_t deadline)
{
	while (io_left_ms(deadline) > 0)
		(void)wait_for_all(l, -1, deadline);
}

/* --- getting there */

static int
fail(struct link *l, const char *why)
{
	snprintf(l->why, sizeof(l->why), "%s", why);
	return -1;
}

static int
dial(struct link *l)
{
	const struct net_tcp	 tcp = { .nodelay = true };
	const struct back_options o = { .tcp = &tcp, .told = &l->told };
	struct back_candidate	 c[BACK_CANDIDATES_MAX];
	size_t			 n = 0;
	struct back		 b;
	enum end		 end;

	for (size_t i = 0; i < l->hub->address.n; i++)
		n += route_addresses(&l->router, l->hub->backend, i, c + n,
		    BACK_CANDIDATES_MAX - n);
	if (back_dial(&b, c, n, &o, -1, io_now_ms() +
	    l->conf->timeouts.connect, &end) == -1)
		return fail(l, b.why);
	l->fd = b.fd;
	l->addr = b.addr;
	return 0;
}

static int
secure(struct link *l, int64_t deadline)
{
	char			 text[NET_TEXT_MAX], why[TLS_WHY_MAX] = "";
	struct tls_facts	 facts;
	enum end		 end;

	if (l->tls == NULL) {
		l->stream = stream_new_plain(l->fd);
		return 0;
	}
	l->stream = tls_connect(l->tls, l->fd, contexts_hub_name(l->hub,
	    &l->addr, text), deadline, &l->told, &facts, &end, why);
	return l->stream != NULL ? 0 : fail(l, why);
}

static int
prove(void *ctx, const struct tunnel_seen *seen, struct tunnel_proved *proved)
{
	struct link	*l = ctx;
	int		 rc;

	rc = proof_ask_prove(l->auth, l->s->start.generation,
	    (uint32_t)l->index, seen, proved);
	line_hang_up(l->auth);
	return rc;
}

/* Where data connections go: where the hub says, or where it is. */
static void
choose_data_address(struct link *l)
{
	struct net_spec	 spec;
	const char	*why;

	l->data = l->addr;
	if (l->terms.address[0] == '\0')
		return;
	if (net_parse(l->terms.address, false, &spec, &why) == 0 &&
	    spec.kind == NET_ADDR)
		l->data = spec.addr;
	else
		log_warn("hub %s wants data connections at \"%s\", which is "
		    "no address", l->hub->name, l->terms.address);
}

static struct tunnel_link_keys	 ticket_keys;	/* of the link there is */

static int
log_in(struct link *l, int64_t deadline)
{
	struct tunnel_agent	 a = {
		.id = l->hub->id, .instance = l->instance,
		.mode = TUNNEL_CONTROL, .prove = prove, .ctx = l,
	};
	struct tunnel_proved	 proved;
	enum end		 end;
	int			 rc;

	tunnel_line_init(l->line, l->stream, &l->told, END_SERVER_RESET);
	rc = tunnel_login(l->line, l->tls != NULL, &a, &l->terms, &proved,
	    deadline, &end);
	if (rc == -1) {
		l->code = a.code;
		l->retry_ms = a.retry_ms;
		(void)fail(l, l->line->why);
	} else {
		ticket_keys = proved.keys;
		choose_data_address(l);
	}
	OPENSSL_cleanse(&proved, sizeof(proved));
	return rc;
}

/* --- being there */

static void
give_up(struct link *l, const char *why)
{
	l->over = true;
	(void)fail(l, why);
}

static void
say(struct link *l, const struct tunnel_frame *f)
{
	enum end	 end;

	if (!l->over && tunnel_say(l->line, f, io_now_ms() + SAY_MS,
	    &end) == -1)
		give_up(l, l->line->why);
}

static void
offer(struct link *l, size_t i)
{
	const struct conf_publish	*p = l->services[i].p;
	const struct tunnel_frame	 f = {
		.type = TUNNEL_REGISTER,
		.has = HAS(NUMBER) | HAS(TOPIC) | HAS(WEIGHT),
		.number = (uint32_t)i, .topic = tunnel_text_of(p->topic),
		.weight = (uint8_t)p->weight,
	};

	say(l, &f);
}

/* A port for it, by a number behind those of services. */
static void
ask_for_port(struct link *l, size_t i)
{
	const struct conf_publish	*p = l->services[i].p;
	const struct tunnel_frame	 f = {
		.type = TUNNEL_MAP, .has = HAS(NUMBER) | HAS(TOPIC) |
		    HAS(ADDRESS) | HAS(MAP),
		.number = (uint32_t)(l->nservices + i),
		.topic = tunnel_text_of(p->topic),
		.address = tunnel_text_of(p->map),
		.map = (uint8_t)((p->open ? TUNNEL_MAP_OPEN : 0) |
		    (p->map_tls ? TUNNEL_MAP_TLS : 0)),
	};

	l->services[i].unmapped = false;
	say(l, &f);
}

/* Are all servers of a service down, as far as they are checked? */
static bool
is_up(const struct link *l, const struct conf_publish *p)
{
	const struct conf_backend	*b =
	    &l->conf->backends[l->conf->listeners[p->listener].backend];

	for (size_t i = 0; i < b->servers.n; i++)
		if (atomic_load(&l->router.book[b->servers.v[i].index].
		    state) != BOOK_DOWN)
			return true;
	return b->servers.n == 0;
}

static void
look_at_services(struct link *l)
{
	for (size_t i = 0; i < l->nservices; i++) {
		struct service		*s = &l->services[i];
		bool			 up = is_up(l, s->p);
		struct tunnel_frame	 f = {
			.type = TUNNEL_HEALTH, .has = HAS(TOPIC) | HAS(UP),
			.topic = tunnel_text_of(s->p->topic), .up = up,
		};

		if (up == s->up || s->refused)
			continue;
		s->up = up;
		say(l, &f);
	}
	l->look_at = io_now_ms() + HEALTH_MS;
}

static void
ask_again(struct link *l)
{
	for (size_t i = 0; i < l->nservices; i++)
		if (l->services[i].refused)
			offer(l, i);
		else if (l->services[i].unmapped)
			ask_for_port(l, i);
	l->ask_at = INT64_MAX;
}

/* Who was here before us may be about to leave. */
static void
port_refused(struct link *l, size_t i, enum tunnel_code code)
{
	struct service	*s = &l->services[i];
	int64_t		 at = io_now_ms() + (s->told == TUNNEL_OK ?
			    PORT_AGAIN_MS : ASK_AGAIN_MS);

	if (s->told != code)
		log_warn("hub %s does not open %s for topic %s: %s",
		    l->hub->name, s->p->map, s->p->topic,
		    tunnel_code_text(code));
	s->told = code;
	s->unmapped = true;
	if (at < l->ask_at)
		l->ask_at = at;
}

/* By a number behind those of services and their ports. */
static const char *
errand_of(const struct link *l, uint32_t number)
{
	size_t	 i = number - 2 * l->nservices;

	return number >= 2 * l->nservices && i < l->nerrands ?
	    l->errands[i] : NULL;
}

static void
refused(struct link *l, const struct tunnel_frame *f)
{
	struct service	*s;

	if (f->number >= l->nservices && f->number < 2 * l->nservices)
		port_refused(l, f->number - l->nservices,
		    f->code < TUNNEL_CODES ? (enum tunnel_code)f->code :
		    TUNNEL_BROKEN);
	if (errand_of(l, f->number) != NULL)
		log_warn("hub %s does not take topic %s, which it has "
		    "assigned: %s", l->hub->name, errand_of(l, f->number),
		    tunnel_code_text(f->code));
	if (f->number >= l->nservices)
		return;
	s = &l->services[f->number];
	if (!s->refused)
		log_warn("hub %s does not take topic %s: %s", l->hub->name,
		    s->p->topic, tunnel_code_text(f->code));
	s->refused = true;
	if (io_now_ms() + ASK_AGAIN_MS < l->ask_at)
		l->ask_at = io_now_ms() + ASK_AGAIN_MS;
}

static void
registered(struct link *l, const struct tunnel_frame *f)
{
	struct service	*s;

	if (f->number >= l->nservices)
		return;
	s = &l->services[f->number];
	s->refused = false;
	s->up = true;
	log_info("hub %s has topic %s of ours", l->hub->name, s->p->topic);
	if (s->p->map[0] != '\0')
		ask_for_port(l, f->number);
}

static void
mapped(struct link *l, const struct tunnel_frame *f)
{
	char		 text[TUNNEL_TEXT_MAX + 1];
	struct service	*s;

	if (f->number < l->nservices || f->number >= 2 * l->nservices)
		return;
	s = &l->services[f->number - l->nservices];
	s->told = TUNNEL_OK;
	log_info("hub %s has port %s for topic %s%s", l->hub->name,
	    tunnel_string(&f->address, text, sizeof(text)), s->p->topic,
	    s->p->open ? "" : ", closed as long as nobody opens it there");
}

/* --- what the hub assigns */

static void
refuse_assignment(struct link *l, uint32_t number, enum tunnel_code code)
{
	const struct tunnel_frame	 f = {
		.type = TUNNEL_REFUSED, .has = HAS(NUMBER) | HAS(CODE),
		.number = number, .code = (uint16_t)code,
	};

	say(l, &f);
}

static void
on_assigned(void *ctx, uint32_t number, enum tunnel_code code,
    const char *address)
{
	struct link		*l = ctx;
	struct tunnel_frame	 f = {
		.type = TUNNEL_MAPPED, .has = HAS(NUMBER) | HAS(ADDRESS),
		.number = number,
	};

	if (code != TUNNEL_OK) {
		log_warn("hub %s wants us to listen on %s: %s", l->hub->name,
		    address != NULL ? address : "one port more",
		    tunnel_code_text(code));
		if (l->stream != NULL)
			refuse_assignment(l, number, code);
		return;
	}
	log_info("hub %s has us listen on %s", l->hub->name, address);
	if (l->stream == NULL)
		return;			/* it will assign it again */
	f.address = tunnel_text_of(address);
	say(l, &f);
}

static const struct assigned_ops	 assigned_ops = { on_assigned };

/* What users want of it, workers hold against accept_assign again. */
static void
run_errand(struct link *l, const struct tunnel_frame *f, const char *address)
{
	struct tunnel_frame	 answer = {
		.type = TUNNEL_REGISTER, .has = HAS(NUMBER) | HAS(TOPIC),
		.number = (uint32_t)(2 * l->nservices + l->nerrands),
		.topic = f->topic,
	};

	if (l->nerrands == CONF_ASSIGNS_MAX) {
		refuse_assignment(l, f->number, TUNNEL_TOO_MANY);
		return;
	}
	(void)tunnel_string(&f->topic, l->errands[l->nerrands],
	    sizeof(l->errands[l->nerrands]));
	l->nerrands++;
	log_info("hub %s has us forward to %s", l->hub->name, address);
	say(l, &answer);
}

static void
hear_assign(struct link *l, const struct tunnel_frame *f)
{
	bool		 listen = (f->map & TUNNEL_MAP_LISTEN) != 0;
	char		 text[TUNNEL_TEXT_MAX + 1];
	char		 topic[TUNNEL_TOPIC_MAX + 1];
	struct net_spec	 spec;
	const char	*why;

	(void)tunnel_string(&f->address, text, sizeof(text));
	(void)tunnel_string(&f->topic, topic, sizeof(topic));
	if (net_parse(text, false, &spec, &why) == -1 ||
	    spec.kind != NET_ADDR ||
	    !conf_accepts(l->hub, listen, &spec.addr)) {
		log_warn("hub %s wants us to %s %s, which accept_assign does "
		    "not have", l->hub->name, listen ? "listen on" :
		    "forward to", text);
		refuse_assignment(l, f->number, TUNNEL_NOT_ACCEPTED);
	} else if (listen)
		assigned_add(l->assigned, f->number, topic, &spec.addr);
	else
		run_errand(l, f, text);
}

/* Workers open as many connections as there are tickets. */
static void
open_connections(struct link *l, const struct tunnel_frame *f)
{
	struct job	 j;
	size_t		 sent = 0;

	memset(&j, 0, sizeof(j));
	snprintf(j.hub, sizeof(j.hub), "%s", l->hub->name);
	j.addr = l->data;
	j.tls = l->tls != NULL;
	j.park_ms = l->terms.park_ms;
	for (size_t i = 0; i < f->ntickets; i++) {
		memcpy(j.ticket, f->tickets + i * TUNNEL_TICKET,
		    sizeof(j.ticket));
		if (tunnel_ticket_keys(ticket_keys.tickets, j.ticket,
		    &j.keys) == 0 && channel_send(l->s->jobs_fd, MSG_JOB, &j,
		    sizeof(j), NULL, 0) == 0)
			sent++;
	}
	if (sent < f->ntickets && !l->told_jobs)
		log_warn("workers do not come after: %zu connections for hub "
		    "%s are late", f->ntickets - sent, l->hub->name);
	l->told_jobs = sent < f->ntickets;
	OPENSSL_cleanse(&j, sizeof(j));
}

static void
hear_goaway(struct link *l, const struct tunnel_frame *f)
{
	l->code = f->code < TUNNEL_CODES ? (enum tunnel_code)f->code :
	    TUNNEL_BROKEN;
	l->retry_ms = f->retry;
	give_up(l, tunnel_code_text(f->code));
}

static void
hear(struct link *l, const struct tunnel_frame *f)
{
	struct tunnel_frame	 pong = {
		.type = TUNNEL_PONG, .has = f->has, .number = f->number,
	};

	l->heard = io_now_ms();
	switch (f->type) {
	case TUNNEL_PING:
		say(l, &pong);
		break;
	case TUNNEL_PONG:
		break;
	case TUNNEL_NEED:
		open_connections(l, f);
		break;
	case TUNNEL_REGISTERED:
		registered(l, f);
		break;
	case TUNNEL_MAPPED:
		mapped(l, f);
		break;
	case TUNNEL_REFUSED:
		refused(l, f);
		break;
	case TUNNEL_ASSIGN:
		hear_assign(l, f);
		break;
	case TUNNEL_GOAWAY:
		hear_goaway(l, f);
		break;
	default:
		give_up(l, "the hub said what it may not");
	}
}

static void
hear_hub(struct link *l)
{
	struct tunnel_frame	 f;
	enum end		 end;
	int			 rc;

	while (!l->over && (rc = tunnel_hear_now(l->line, &f, &end)) != 0) {
		if (rc == 1)
			hear(l, &f);
		else
			give_up(l, l->line->why);
	}
}

static int64_t
due(const struct link *l)
{
	int64_t	 at = l->heard + l->terms.dead_ms;

	if (l->ping_at < at)
		at = l->ping_at;
	if (l->look_at < at)
		at = l->look_at;
	return l->ask_at < at ? l->ask_at : at;
}

static void
look_at_time(struct link *l)
{
	const struct tunnel_frame	 ping = { .type = TUNNEL_PING };
	int64_t				 now = io_now_ms();

	if (now >= l->heard + l->terms.dead_ms)
		give_up(l, "the hub is silent");
	if (now >= l->ping_at) {
		say(l, &ping);
		l->ping_at = now + l->terms.heartbeat_ms;
	}
	if (now >= l->ask_at)
		ask_again(l);
	if (now >= l->look_at)
		look_at_services(l);
}

/* What keeps a hub from having us send without end, or never. */
static void
bound_terms(struct tunnel_terms *t)
{
	if (t->heartbeat_ms < 1000)
		t->heartbeat_ms = 1000;
	if (t->heartbeat_ms > 600000)
		t->heartbeat_ms = 600000;
	if (t->dead_ms < 2 * t->heartbeat_ms)
		t->dead_ms = 2 * t->heartbeat_ms;
	if (t->park_ms > 3600000)
		t->park_ms = 3600000;
}

static void
stay(struct link *l)
{
	char	 text[NET_TEXT_MAX];

	bound_terms(&l->terms);
	log_info("hub %s: connected to %s%s", l->hub->name,
	    net_text(&l->addr, text, sizeof(text)), l->tls != NULL ? "" :
	    ", not protected by TLS");
	proc_title("link %s: connected", l->hub->name);
	l->was_up = true;
	l->told_why[0] = '\0';
	l->pause_ms = 0;
	l->heard = io_now_ms();
	l->ping_at = l->heard + l->terms.heartbeat_ms;
	l->ask_at = INT64_MAX;
	l->look_at = l->heard + HEALTH_MS;
	l->nerrands = 0;
	l->settle_at = l->heard + SETTLE_MS;
	for (size_t i = 0; i < l->nservices; i++)
		offer(l, i);
	while (!l->over) {
		if (wait_for_all(l, l->fd, due(l)) ||
		    stream_pending(l->stream))
			hear_hub(l);
		look_at_time(l);
	}
}

static bool
wait_for_server(void *ctx, int fd, int64_t until)
{
	return wait_for_all(ctx, fd, until);
}

static void
speak_netroxy(struct link *l)
{
	struct netroxy_link	 n = {
		.s = l->s, .hub = l->index, .addr = l->addr,
		.stream = l->stream, .fd = l->fd, .told = &l->told,
		.wait = wait_for_server, .ctx = l,
	};

	netroxy_link_run(&n);
	l->was_up = n.up;
	if (n.up)
		l->pause_ms = 0;
	if (n.denied)
		l->code = TUNNEL_BAD_LOGIN;
	(void)fail(l, n.why);
}

static void
connect_once(struct link *l)
{
	int64_t	 deadline = io_now_ms() + l->conf->timeouts.handshake;

	l->over = false;
	l->code = TUNNEL_OK;
	l->retry_ms = 0;
	l->was_up = false;
	l->why[0] = '\0';
	if (dial(l) == 0 && secure(l, deadline) == 0) {
		if (l->hub->protocol == CONF_HUB_NETROXY)
			speak_netroxy(l);
		else if (log_in(l, deadline) == 0)
			stay(l);
	}
	if (l->was_up) {
		assigned_lost(l->assigned);
		l->settle_at = io_now_ms() + KEEP_MS;
	}
	if (l->stream != NULL)
		(void)stream_shut(l->stream);
	stream_free(&l->stream);
	if (l->fd != -1)
		close(l->fd);
	l->fd = -1;
	tunnel_line_end(l->line);
	OPENSSL_cleanse(&ticket_keys, sizeof(ticket_keys));
	if (sig_is_set(SIGTERM))
		leave();
}

/* One line for each change. */
static void
tell(struct link *l)
{
	if (strcmp(l->why, l->told_why) == 0)
		return;
	snprintf(l->told_why, sizeof(l->told_why), "%s", l->why);
	if (l->code == TUNNEL_RELOAD)
		log_info("hub %s: %s", l->hub->name, l->why);
	else
		log_warn("hub %s: %s%s; trying again", l->hub->name,
		    l->was_up ? "" : "cannot connect: ", l->why);
}

static uint32_t
any_number(uint32_t below)
{
	uint32_t	 n = 0;

	(void)!getrandom(&n, sizeof(n), 0);
	return below == 0 ? 0 : n % below;
}

/* At a reload each link may be the last that came; only one of them stays. */
static int64_t
pause_superseded(struct link *l)
{
	int64_t	 now = io_now_ms(), ms = SUPERSEDED_MS;

	if (l->superseded_at == 0 || now - l->superseded_at > AGAIN_MS)
		ms = SOON_MS;
	l->superseded_at = now;
	return ms + (int64_t)any_number((uint32_t)ms);
}

/* Doubling, at any moment of each: or all agents would come at one time. */
static int64_t
pause_for(struct link *l)
{
	int64_t	 ms, least = l->retry_ms < RETRY_MAX_MS ? l->retry_ms :
		    RETRY_MAX_MS;

	if (l->code == TUNNEL_RELOAD)
		return (int64_t)any_number(50);
	if (l->code == TUNNEL_SUPERSEDED)
		return pause_superseded(l);
	if (l->code == TUNNEL_BAD_LOGIN || l->code == TUNNEL_BAD_VERSION)
		l->pause_ms = PAUSE_MAX_MS;
	else
		l->pause_ms = l->pause_ms == 0 ? PAUSE_MIN_MS :
		    l->pause_ms * 2;
	if (l->pause_ms > PAUSE_MAX_MS)
		l->pause_ms = PAUSE_MAX_MS;
	ms = l->pause_ms / 2 + (int64_t)any_number((uint32_t)l->pause_ms / 2);
	return ms > least ? ms : least;
}

static void
gather_services(struct link *l)
{
	const struct conf_publishes	*list = &l->conf->publishes;

	l->services = mem_calloc(list->n + 1, sizeof(*l->services));
	for (size_t i = 0; i < list->n; i++)
		if (strcmp(list->v[i].hub, l->hub->name) == 0)
			l->services[l->nservices++] = (struct service){
				.p = &list->v[i], .up = true,
			};
}

static void
prepare(struct link *l, struct setup *s)
{
	char	 why[TLS_WHY_MAX] = "";

	l->s = s;
	l->conf = s->conf;
	l->index = conf_pool_publishes(s->conf, s->start.pool);
	if (l->index == CONF_NOWHERE || s->jobs_fd == -1 || s->auth_fd == -1)
		log_fatal(1, "started without a hub");
	l->hub = &s->conf->hubs.v[l->index];
	l->fd = -1;
	l->router = (struct router){
		s->conf, book_map(s->generations[0].book_fd,
		    s->conf->nservers), NULL,
	};
	if (l->router.book == NULL)
		log_fatal(1, "address book: %s", strerror(errno));
	if (l->hub->tls.mode != CONF_TLS_OFF) {
		l->tls = contexts_hub(s, l->index, why);
		if (l->tls == NULL)
			log_fatal(1, "hub %s: %s", l->hub->name, why);
	}
	if (getrandom(l->instance, sizeof(l->instance), 0) !=
	    (ssize_t)sizeof(l->instance))
		log_fatal(1, "getrandom: %s", strerror(errno));
	l->auth = line_new(s->auth_fd, ROLE_AUTH, "auth");
	l->line = mem_calloc(1, sizeof(*l->line));
	gather_services(l);
	l->assigned = assigned_new(s, &assigned_ops, l);
	l->settle_at = INT64_MAX;
}

void
link_main(struct setup *s)
{
	static const int	 signals[] = { SIGTERM, 0 };
	static struct link	 link;		/* leak checkers see it */
	struct link		*l = &link;

	sig_init(signals);
	prepare(l, s);
	sandbox_enter(ROLE_LINK, s->conf, s->start.pool);
	setup_ready(s);
	for (;;) {
		proc_title("link %s: connecting", l->hub->name);
		connect_once(l);
		tell(l);
		sleep_until(l, io_now_ms() + pause_for(l));
	}
}
