/*
 * link - an agent's standing connection to one hub.
 *
 *	from	may ask
 *	master	MSG_STOP, MSG_DRAIN
 *
 * It offers what we publish there, hears for how many users connections are
 * wanted, and has workers of its pool open them (MSG_JOB).  It never gives up:
 * what the hub's name means is looked up anew by the keeper, and every
 * address is tried each time.  No byte of a session comes here.
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
#include "process/book.h"
#include "process/channel.h"
#include "process/contexts.h"
#include "process/job.h"
#include "process/line.h"
#include "process/proc.h"
#include "process/proof_ask.h"
#include "process/role.h"
#include "process/route.h"
#include "process/sandbox.h"
#include "session/back.h"
#include "session/tunnel_login.h"

#define PAUSE_MIN_MS	250
#define PAUSE_MAX_MS	30000
#define SUPERSEDED_MS	5000	/* another of us is there, or was */
#define ASK_AGAIN_MS	10000	/* for a topic that was refused */
#define HEALTH_MS	1000	/* between looks at our services */
#define SAY_MS		5000
#define LINK_WHY_MAX	256	/* bytes */

#define HAS(tag)	TUNNEL_HAS(TUNNEL_T_##tag)

/* A service of ours, at this hub. */
struct service {
	const struct conf_publish	*p;
	bool				 refused;
	bool				 up;	/* as the hub was told */
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

static const struct channel_rule orders[] = {
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

static void
sleep_until(struct link *l, int64_t deadline)
{
	while (io_left_ms(deadline) > 0) {
		struct pollfd	 p = { l->s->channel, POLLIN, 0 };

		if (sig_ppoll(&p, 1, io_left_ms(deadline)) > 0)
			hear_master(l);
		if (sig_is_set(SIGTERM))
			leave();
	}
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
	const struct net_spec	*spec = &l->hub->address.v[0].spec;
	const char		*name = l->hub->tls.server_name;
	char			 text[NET_TEXT_MAX], why[TLS_WHY_MAX] = "";
	struct tls_facts	 facts;
	enum end		 end;

	if (l->tls == NULL) {
		l->stream = stream_new_plain(l->fd);
		return 0;
	}
	if (name[0] == '\0')
		name = spec->kind == NET_NAME ? spec->name :
		    net_host_text(&l->addr, text, sizeof(text));
	l->stream = tls_connect(l->tls, l->fd, name, deadline, &l->told,
	    &facts, &end, why);
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
	l->ask_at = INT64_MAX;
}

static void
refused(struct link *l, const struct tunnel_frame *f)
{
	struct service	*s;

	if (f->number >= l->nservices)
		return;
	s = &l->services[f->number];
	if (!s->refused)
		log_warn("hub %s does not take topic %s: %s", l->hub->name,
		    s->p->topic, tunnel_code_text(f->code));
	s->refused = true;
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
	case TUNNEL_REFUSED:
		refused(l, f);
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
	for (size_t i = 0; i < l->nservices; i++)
		offer(l, i);
	while (!l->over) {
		struct pollfd	 p[2] = {
			{ l->fd, POLLIN, 0 }, { l->s->channel, POLLIN, 0 },
		};

		(void)sig_ppoll(p, 2, io_left_ms(due(l)));
		if (sig_is_set(SIGTERM))
			leave();
		if (p[1].revents != 0)
			hear_master(l);
		if (p[0].revents != 0 || stream_pending(l->stream))
			hear_hub(l);
		look_at_time(l);
	}
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
	if (dial(l) == 0 && secure(l, deadline) == 0 &&
	    log_in(l, deadline) == 0)
		stay(l);
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

/* Doubling, at any moment of each: or all agents would come at one time. */
static int64_t
pause_for(struct link *l)
{
	int64_t	 ms;

	if (l->code == TUNNEL_RELOAD)
		return (int64_t)any_number(50);
	if (l->code == TUNNEL_SUPERSEDED)
		return SUPERSEDED_MS + (int64_t)any_number(SUPERSEDED_MS);
	if (l->code == TUNNEL_BAD_LOGIN || l->code == TUNNEL_BAD_VERSION)
		l->pause_ms = PAUSE_MAX_MS;
	else
		l->pause_ms = l->pause_ms == 0 ? PAUSE_MIN_MS :
		    l->pause_ms * 2;
	if (l->pause_ms > PAUSE_MAX_MS)
		l->pause_ms = PAUSE_MAX_MS;
	ms = l->pause_ms / 2 + (int64_t)any_number((uint32_t)l->pause_ms / 2);
	return ms > (int64_t)l->retry_ms ? ms : (int64_t)l->retry_ms;
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
}

void
link_main(struct setup *s)
{
	static const int	 signals[] = { SIGTERM, 0 };
	static struct link	 link;		/* leak checkers see it */
	struct link		*l = &link;

	sig_init(signals);
	prepare(l, s);
	sandbox_enter();
	setup_ready(s);
	for (;;) {
		proc_title("link %s: connecting", l->hub->name);
		connect_once(l);
		tell(l);
		sleep_until(l, io_now_ms() + pause_for(l));
	}
}
