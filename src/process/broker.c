/*
 * broker - knows which agents are here and what they offer, and gives each
 * user of a topic a connection to one.
 *
 *	from	may ask
 *	master	MSG_CONF, MSG_MEET, MSG_COMMIT, MSG_FORGET, MSG_DRAIN, and
 *		what answers MSG_BIND
 *	worker	MSG_AGENT_JOIN, and after it MSG_AGENT_REGISTER,
 *		MSG_AGENT_WITHDRAW, MSG_AGENT_HEALTH, MSG_AGENT_MAP;
 *		MSG_DATA_JOIN;
 *		MSG_NETROXY_JOIN; MSG_NETROXY_DATA;
 *		MSG_TOPIC_OPEN, and after it MSG_TOPIC_AGAIN
 *	control	MSG_AGENTS, MSG_TOPICS, MSG_AGENT_DRAIN, MSG_MAPPINGS,
 *		MSG_MAPPING_SET
 *
 * It waits for nobody, dials nobody, and reads no byte that came from a
 * network: connections that are parked lie here unread.  Who an agent is it
 * believes only of auth's grants, and what a pool may ask for of where it said
 * hello.
 */
#include <bsd/sys/tree.h>
#include <sys/epoll.h>
#include <sys/queue.h>
#include <sys/socket.h>

#include <openssl/crypto.h>
#include <openssl/rand.h>

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "base/loop.h"
#include "base/mem.h"
#include "base/sig.h"
#include "policy/assign.h"
#include "policy/conf_assign.h"
#include "policy/conf_tunnel.h"
#include "policy/registry.h"
#include "process/broker_ask.h"
#include "process/callers.h"
#include "process/channel.h"
#include "process/meet.h"
#include "process/proc.h"
#include "process/role.h"
#include "process/sandbox.h"

#define RESERVE_FDS	64	/* not for workers */
#define TICKET_MS	30000	/* to present one */
#define NETROXY_MS	3000	/* a client that cannot dial does not say so */
#define NETROXY_TOPICS	"netroxy."
#define SERIALS		1024	/* grants that were used, remembered */
#define LIST_MAX	(MSG_PAYLOAD_MAX - 256)	/* bytes of an answer */

struct broker;

struct ticket {
	uint8_t				 name[TUNNEL_TICKET];
	struct tunnel_ticket_keys	 keys;
	struct peer			*gate;		/* whose agent has it */
	int64_t				 until;
	RB_ENTRY(ticket)		 link;
	TAILQ_ENTRY(ticket)		 by_age;	/* the oldest first */
};

struct parked {
	struct broker			*all;
	struct watch			 watch;
	uint8_t				 name[TUNNEL_TICKET];
	struct tunnel_ticket_keys	 keys;
	bool				 tls, raw;
	char				 agent[TUNNEL_ID_MAX + 1];
};

/* A worker: it has an agent's link, a user's session, or neither yet. */
struct peer {
	struct broker	*all;
	struct watch	 watch;
	unsigned int	 role;
	char		 pool[SETUP_NAME_MAX];
	uint32_t	 id;		/* of the message that is handled */
	struct reg_link	*link;
	char		 agent[TUNNEL_ID_MAX + 1];
	bool		 tls;		/* the agent's link is */
	bool		 raw;		/* it is a Netroxy client's port: */
	struct netroxy_port netroxy;
	uint8_t		 tickets[TUNNEL_KEY];
	uint64_t	 denied;	/* its requests for ports that were
					   said to be, as it asks again */
	struct reg_user	*user;
	char		 topic[TUNNEL_TOPIC_MAX + 1];	/* that it wants */
	LIST_ENTRY(peer) next;
	RB_ENTRY(peer)	 by_port;	/* if raw */
};

struct broker {
	struct setup	*s;
	struct loop	*loop;
	struct registry	*registry;
	struct watch	 master;
	struct timer	 clock;
	struct meets	*meets;
	LIST_HEAD(, peer) peers;
	size_t		 npeers, npeers_max, nagents;
	RB_HEAD(raws, peer) raws;
	RB_HEAD(tickets, ticket) tickets;
	TAILQ_HEAD(, ticket) by_age;
	uint64_t	 serials[SERIALS];
	size_t		 nserials;
	uint8_t		 grant_key[GRANT_KEY];
	struct paces	*paces;
	struct callers	*callers;
	struct mappings	*mappings;	/* their table */
};

static int
compare(const struct ticket *a, const struct ticket *b)
{
	return memcmp(a->name, b->name, sizeof(a->name));
}

static int
compare_raws(const struct peer *a, const struct peer *b)
{
	int	 rc = memcmp(a->netroxy.token, b->netroxy.token,
		    sizeof(a->netroxy.token));

	return rc != 0 ? rc : a->netroxy.port - b->netroxy.port;
}

RB_PROTOTYPE_INTERNAL(raws, peer, by_port, compare_raws,
    static __attribute__((unused)))
RB_GENERATE_INTERNAL(raws, peer, by_port, compare_raws,
    static __attribute__((unused)))
RB_PROTOTYPE_INTERNAL(tickets, ticket, link, compare,
    static __attribute__((unused)))
RB_GENERATE_INTERNAL(tickets, ticket, link, compare,
    static __attribute__((unused)))

size_t
broker_needed(const struct conf *conf)
{
	return conf_has_broker(conf);
}

static const struct conf *
conf_now(const struct broker *b)
{
	const struct setup_generation	*gen;

	gen = setup_generation(b->s, b->s->committed);
	return gen != NULL ? gen->conf : b->s->conf;
}

static void
set_title(const struct broker *b)
{
	proc_title("broker: %zu agent%s", b->nagents,
	    b->nagents == 1 ? "" : "s");
}

/* Whoever does not take what it is told is ended: its line is heard of. */
static void
tell(const struct peer *p, uint16_t type, const void *payload, size_t len)
{
	if (channel_send_id(p->watch.fd, type, p->id, payload, len) == 0)
		return;
	if (errno != EPIPE)		/* its end is about to be heard of */
		log_warn("a process of pool %s takes no answers: %s", p->pool,
		    strerror(errno));
	(void)shutdown(p->watch.fd, SHUT_RDWR);
}

static void
tell_code(const struct peer *p, uint16_t type, enum tunnel_code code)
{
	const uint8_t	 c = (uint8_t)code;

	tell(p, type, &c, sizeof(c));
}

/* --- tickets and what is parked */

static void
free_ticket(struct broker *b, struct ticket *t)
{
	RB_REMOVE(tickets, &b->tickets, t);
	TAILQ_REMOVE(&b->by_age, t, by_age);
	OPENSSL_cleanse(t, sizeof(*t));
	free(t);
}

static void
forget_tickets(struct broker *b, const struct peer *gate)
{
	struct ticket	*t, *next;

	for (t = TAILQ_FIRST(&b->by_age); t != NULL; t = next) {
		next = TAILQ_NEXT(t, by_age);
		if (t->gate == gate)
			free_ticket(b, t);
	}
}

/* Those that were not presented in time are made good for. */
static void
expire_tickets(struct broker *b, int64_t now)
{
	struct ticket	*t, *next;

	for (t = TAILQ_FIRST(&b->by_age); t != NULL; t = next) {
		struct peer	*gate = t->gate;

		next = TAILQ_NEXT(t, by_age);
		if (now < t->until)
			continue;
		free_ticket(b, t);
		registry_lost(b->registry, gate->link, now);
	}
}

static void
free_parked(struct parked *k)
{
	loop_unwatch(k->all->loop, &k->watch);
	close(k->watch.fd);
	OPENSSL_cleanse(k, sizeof(*k));
	free(k);
}

/* Only its end shows: what it has said stays unread. */
static void
on_parked(void *ctx, uint32_t events)
{
	struct parked	*k = ctx;

	(void)events;
	registry_parked_died(k->all->registry, k, io_now_ms());
}

/* --- what the registry wants */

static void
op_rule(void *ctx, const char *topic, struct reg_rule *rule)
{
	const struct conf	*conf = conf_now(ctx);
	const struct conf_topic	*t = conf_topic_find(conf, topic);

	*rule = (struct reg_rule){
		.policy = CONF_POLICY_REPLACE, .hold_ms = 5000,
		.waiting = 4096, .wait_ms = conf->timeouts.handshake,
	};
	if (t == NULL)
		return;
	rule->policy = t->policy;
	rule->hold_ms = t->hold;
	rule->max_sessions = t->max_sessions;
	rule->rate_count = t->rate.count;
	rule->rate_ms = t->rate.ms;
	rule->waiting = t->waiting;
}

/* Is the session to stay where others count it? */
static bool
is_counted(const struct broker *b, const char *agent, const char *topic)
{
	const struct conf	*conf = conf_now(b);
	const struct conf_agent	*a = conf_agent_of(conf, agent);
	const struct conf_topic	*t = conf_topic_find(conf, topic);

	return (a != NULL && a->max_sessions > 0) || (t != NULL &&
	    (t->max_sessions > 0 || t->policy == CONF_POLICY_GROUP));
}

static void
op_pair(void *ctx, void *user, void *parked, void *link)
{
	struct broker		*b = ctx;
	const struct peer	*p = user;
	struct parked		*k = parked;
	const int		 fds[2] = { k->watch.fd, paces_fd(b->paces) };
	struct broker_found	 f;
	uint8_t			 buf[1 + sizeof(f)];
	bool			 paced;

	(void)link;
	memset(&f, 0, sizeof(f));
	memcpy(f.ticket, k->name, sizeof(f.ticket));
	f.keys = k->keys;
	f.tls = k->tls;
	f.raw = k->raw;
	paced = paces_find(b->paces, conf_now(b), k->agent, p->topic,
	    &f.paces);
	f.counted = paced || is_counted(b, k->agent, p->topic);
	memcpy(f.agent, k->agent, sizeof(f.agent));
	buf[0] = TUNNEL_OK;
	memcpy(buf + 1, &f, sizeof(f));
	if (channel_send_id_fds(p->watch.fd, MSG_TOPIC_OPEN + 1, p->id, buf,
	    sizeof(buf), fds, paced ? 2 : 1) == -1) {
		log_warn("a process of pool %s takes no connection: %s",
		    p->pool, strerror(errno));
		(void)shutdown(p->watch.fd, SHUT_RDWR);
	}
	OPENSSL_cleanse(&f, sizeof(f));
	OPENSSL_cleanse(buf, sizeof(buf));
	free_parked(k);
}

static void
op_refuse(void *ctx, void *user, enum tunnel_code code)
{
	struct peer	*p = user;

	(void)ctx;
	p->user = NULL;
	tell_code(p, MSG_TOPIC_OPEN + 1, code);
}

static struct ticket *
make_ticket(struct broker *b, struct peer *gate, int64_t now)
{
	struct ticket	*t = mem_calloc(1, sizeof(*t));

	t->gate = gate;
	t->until = now + (gate->raw ? NETROXY_MS : TICKET_MS);
	if (RAND_bytes(t->name, sizeof(t->name)) != 1 ||
	    tunnel_ticket_keys(gate->tickets, t->name, &t->keys) == -1)
		log_fatal(1, "no random numbers");
	RB_INSERT(tickets, &b->tickets, t);
	TAILQ_INSERT_TAIL(&b->by_age, t, by_age);
	return t;
}

static void
op_need(void *ctx, void *link, size_t n)
{
	struct broker	*b = ctx;
	struct peer	*gate = link;
	uint8_t		 buf[REGISTRY_PARKED_MAX * TUNNEL_TICKET];

	for (size_t i = 0; i < n && i < REGISTRY_PARKED_MAX; i++)
		memcpy(buf + i * TUNNEL_TICKET, make_ticket(b, gate,
		    io_now_ms())->name, TUNNEL_TICKET);
	gate->id = 0;
	tell(gate, MSG_AGENT_NEED, buf, n * TUNNEL_TICKET);
}

static void
op_evict(void *ctx, void *link, enum tunnel_code code)
{
	struct peer	*gate = link;

	forget_tickets(ctx, gate);
	gate->link = NULL;
	((struct broker *)ctx)->nagents--;
	gate->id = 0;
	tell_code(gate, MSG_AGENT_GOODBYE, code);
}

static void
op_unpark(void *ctx, void *parked)
{
	(void)ctx;
	free_parked(parked);
}

static void
op_tell(void *ctx, const char *topic, const char *from, const char *to,
    bool frozen)
{
	(void)ctx;
	if (frozen)
		log_error("topic %s: agents %s and %s take it from each other "
		    "again and again; %s keeps it for now", topic, from, to,
		    from);
	else
		log_warn("topic %s: agent %s takes over from %s", topic, to,
		    from);
}

static uint32_t
op_random(void *ctx)
{
	uint32_t	 n = 0;

	(void)ctx;
	(void)RAND_bytes((uint8_t *)&n, sizeof(n));
	return n;
}

static const struct registry_ops	 ops = {
	.rule = op_rule, .pair = op_pair, .refuse = op_refuse,
	.need = op_need, .evict = op_evict, .unpark = op_unpark,
	.tell = op_tell, .random = op_random,
};

/* --- what became of a mapping */

static void
answer_operator(struct peer *p, uint32_t id, enum tunnel_code code,
    const struct net_addr *a)
{
	char	 text[1 + NET_TEXT_MAX];
	size_t	 n = 1;

	text[0] = (char)code;
	if (a != NULL)
		n += strlen(net_text(a, text + 1, sizeof(text) - 1));
	p->id = id;
	tell(p, MSG_MAPPING_SET + 1, text, n);
}

static void
answer_agent(struct peer *p, uint32_t number, enum tunnel_code code,
    const struct net_addr *a)
{
	struct map_answer	 answer;
	char			 text[NET_TEXT_MAX];
	uint64_t		 bit = (uint64_t)1 << number % 64;

	memset(&answer, 0, sizeof(answer));
	answer.number = number;
	answer.code = (uint8_t)code;
	if (a != NULL)
		answer.addr = *a;
	if (code == TUNNEL_OK)
		log_info("agent %s has port %s", p->agent,
		    net_text(a, text, sizeof(text)));
	else if ((p->denied & bit) == 0)
		log_warn("agent %s does not have a port that it wants: %s",
		    p->agent, tunnel_code_text(code));
	p->denied = code == TUNNEL_OK ? p->denied & ~bit : p->denied | bit;
	p->id = 0;
	tell(p, MSG_AGENT_MAP + 1, &answer, sizeof(answer));
}

static void
op_answer(void *ctx, const struct mappings_asker *asker,
    enum tunnel_code code, const struct net_addr *a)
{
	struct peer	*p = asker->owner;

	(void)ctx;
	if (p->role == ROLE_CONTROL)
		answer_operator(p, asker->number, code, a);
	else
		answer_agent(p, asker->number, code, a);
}

static const struct conf *
op_conf(void *ctx)
{
	return conf_now(ctx);
}

static int
op_jobs(void *ctx, const char *pool)
{
	const struct broker	*b = ctx;

	return meets_more(b->meets, pool);
}

static const struct callers_ops	 caller_ops = {
	.conf = op_conf, .jobs = op_jobs, .answer = op_answer,
};

/* --- what workers ask */

/* How long an agent's ports stay open without it. */
static int64_t
ports_hold(const struct broker *b, const char *agent)
{
	const struct conf_agent	*a = conf_agent_of(conf_now(b), agent);

	return a != NULL ? a->ports_hold : 0;
}

static void
drop(struct peer *p)
{
	struct broker	*b = p->all;

	loop_unwatch(b->loop, &p->watch);
	mappings_forget(b->mappings, p);
	if (p->link != NULL) {
		mappings_leave(b->mappings, p->agent, ports_hold(b, p->agent),
		    io_now_ms());
		log_info("agent %s has left", p->agent);
		forget_tickets(b, p);
		b->nagents--;
		registry_leave(b->registry, p->link, io_now_ms());
		set_title(b);
	}
	if (p->user != NULL)
		registry_close(b->registry, p->user, io_now_ms());
	if (p->raw)
		RB_REMOVE(raws, &b->raws, p);
	close(p->watch.fd);
	LIST_REMOVE(p, next);
	b->npeers--;
	OPENSSL_cleanse(p->tickets, sizeof(p->tickets));
	free(p);
}

/* Each grant is good once. */
static bool
is_first_use(struct broker *b, uint64_t serial)
{
	for (size_t i = 0; i < SERIALS; i++)
		if (b->serials[i] == serial)
			return false;
	b->serials[b->nserials++ % SERIALS] = serial;
	return true;
}

/* What auth has found, if it is for that pool and now. */
static int
open_grant(struct peer *p, struct rd *r, enum tunnel_mode mode,
    struct grant_text *g)
{
	const uint8_t	*sealed = rd_take(r, GRANT_SEALED);

	if (sealed == NULL ||
	    grant_open(p->all->grant_key, sealed, g) == -1 ||
	    g->mode != (uint8_t)mode || strcmp(g->pool, p->pool) != 0)
		return -1;
	if (io_now_ms() > g->until || !is_first_use(p->all, g->serial)) {
		log_warn("a process of pool %s has a grant that is over",
		    p->pool);
		return -1;
	}
	return 0;
}

/* The peer is a link from here on, of an agent that may be here. */
static void
enrol(struct peer *p, const struct conf_agent *a, const struct grant_text *g,
    const char *link)
{
	struct broker			*b = p->all;
	const struct reg_limits		 limits = {
		a->max_sessions, a->rate.count, a->rate.ms, p->raw,
	};

	snprintf(p->agent, sizeof(p->agent), "%s", link);
	memcpy(p->tickets, g->tickets, sizeof(p->tickets));
	p->tls = g->tls;
	p->link = registry_join(b->registry, p, p->agent, &limits,
	    io_now_ms());
	b->nagents++;
	mappings_join(b->mappings, p->agent, io_now_ms());
	set_title(b);
	log_info("agent %s is here%s", p->agent, p->tls ? "" :
	    ", not protected by TLS");
}

/* Workers of a generation are there a moment before it is in effect. */
static bool
is_expected(const struct broker *b, const char *id)
{
	const struct setup	*s = b->s;

	for (size_t i = 0; i < s->ngenerations; i++)
		if (s->generations[i].number > s->committed &&
		    conf_agent_find(s->generations[i].conf, id) != NULL)
			return true;
	return false;
}

/* What keeps an agent out; TUNNEL_OK: nothing does, and *a is it. */
static enum tunnel_code
may_join(const struct broker *b, const char *id, bool netroxy,
    const struct conf_agent **a)
{
	*a = conf_agent_find(conf_now(b), id);
	if (*a == NULL && is_expected(b, id))
		return TUNNEL_BUSY;
	if (*a == NULL ||
	    ((*a)->netroxy_password_file[0] != '\0') != netroxy)
		return TUNNEL_BAD_LOGIN;
	return b->nagents >= (size_t)conf_now(b)->agents_max ?
	    TUNNEL_TOO_MANY : TUNNEL_OK;
}

static int
on_join(void *ctx, struct rd *r, int *fds)
{
	struct peer		*p = ctx;
	const struct conf_agent	*a;
	struct grant_text	 g;
	enum tunnel_code	 code;

	(void)fds;
	if (p->link != NULL || p->user != NULL ||
	    open_grant(p, r, TUNNEL_CONTROL, &g) == -1)
		return -1;
	code = may_join(p->all, g.id, false, &a);
	tell_code(p, MSG_AGENT_JOIN + 1, code);
	if (code == TUNNEL_OK)
		enrol(p, a, &g, g.id);
	OPENSSL_cleanse(&g, sizeof(g));
	return 0;
}

/* Netroxy has no words for addresses: all, or the only one that it may have. */
static struct net_addr
address_for(const struct conf_agent *a)
{
	struct net_spec	 spec;
	char		 text[ACCESS_TEXT_MAX + 8], at[ACCESS_TEXT_MAX];
	const char	*why;

	if (a->addresses.n > 0) {
		(void)access_net_text(&a->addresses.v[0], at, sizeof(at));
		snprintf(text, sizeof(text), strchr(at, ':') != NULL ?
		    "[%s]:1" : "%s:1", at);
		if (net_parse(text, false, &spec, &why) == 0 &&
		    spec.kind == NET_ADDR) {
			net_set_port(&spec.addr, 0);
			return spec.addr;
		}
	}
	(void)net_parse("0.0.0.0:1", false, &spec, &why);
	net_set_port(&spec.addr, 0);
	return spec.addr;
}

/* A port of a Netroxy client: a link, a topic and a mapping in one. */
static int
on_netroxy(void *ctx, struct rd *r, int *fds)
{
	struct peer		*p = ctx;
	struct broker		*b = p->all;
	const uint8_t		*payload;
	const struct conf_agent	*a;
	struct grant_text	 g;
	struct mappings_asker	 asker = { p, 0 };
	struct mappings_want	 want = { .pool = p->pool };
	char			 link[2 * TUNNEL_ID_MAX];
	char			 topic[sizeof(link) + sizeof(NETROXY_TOPICS)];
	enum tunnel_code	 code;

	(void)fds;
	if (p->link != NULL || p->user != NULL || p->raw ||
	    open_grant(p, r, TUNNEL_CONTROL, &g) == -1)
		return -1;
	payload = rd_take(r, sizeof(p->netroxy));
	if (payload == NULL)
		return -1;
	memcpy(&p->netroxy, payload, sizeof(p->netroxy));
	asker.number = p->netroxy.port;
	snprintf(link, sizeof(link), "%s:%u", g.id, p->netroxy.port);
	code = may_join(b, g.id, true, &a);
	if (p->netroxy.port == 0)
		code = TUNNEL_PORT_DENIED;
	p->raw = code == TUNNEL_OK &&
	    RB_INSERT(raws, &b->raws, p) == NULL;
	if (!p->raw) {
		snprintf(p->agent, sizeof(p->agent), "%s", g.id);
		op_answer(b, &asker, code == TUNNEL_OK ? TUNNEL_BROKEN : code,
		    NULL);
		return 0;
	}
	enrol(p, a, &g, link);
	OPENSSL_cleanse(&g, sizeof(g));
	snprintf(topic, sizeof(topic), NETROXY_TOPICS "%s.%u", a->id,
	    p->netroxy.port);
	code = registry_register(b->registry, p->link, topic, 1,
	    io_now_ms());
	want.agent = p->agent;
	want.topic = topic;
	want.at.addr = address_for(a);
	want.at.low = want.at.high = p->netroxy.port;
	want.open = p->netroxy.open;
	if (code != TUNNEL_OK)
		op_answer(b, &asker, code, NULL);
	else
		mappings_map(b->mappings, &want, &asker);
	return 0;
}

/* The rest of a message as a topic. */
static int
take_topic(struct rd *r, char topic[TUNNEL_TOPIC_MAX + 1])
{
	size_t		 len = r->left;
	const uint8_t	*p = rd_take(r, len);

	if (p == NULL || !tunnel_is_topic((const char *)p, len))
		return -1;
	memcpy(topic, p, len);
	topic[len] = '\0';
	return 0;
}

/* Topics that we name are for whom we name them. */
static bool
may_publish(const struct conf *conf, const struct conf_agent *a,
    const char *topic)
{
	const struct conf_assign	*s;

	if (strncmp(topic, ASSIGN_TOPICS, strlen(ASSIGN_TOPICS)) == 0) {
		s = conf_assign_find(conf, a->id, topic);
		return s != NULL && !s->by_agent;
	}
	return conf_allows_topic(&a->publish, topic) &&
	    strncmp(topic, NETROXY_TOPICS, strlen(NETROXY_TOPICS)) != 0;
}

static int
on_register(void *ctx, struct rd *r, int *fds)
{
	struct peer		*p = ctx;
	uint32_t		 number = rd_u32(r);
	uint8_t			 weight = rd_u8(r), buf[5];
	char			 topic[TUNNEL_TOPIC_MAX + 1];
	const struct conf_agent	*a;
	enum tunnel_code	 code = TUNNEL_NOT_ALLOWED;
	struct wr		 w;

	(void)fds;
	if (take_topic(r, topic) == -1)
		return -1;
	a = conf_agent_find(conf_now(p->all), p->agent);
	if (p->link == NULL)
		code = TUNNEL_SUPERSEDED;
	else if (a != NULL && may_publish(conf_now(p->all), a, topic))
		code = registry_register(p->all->registry, p->link, topic,
		    weight, io_now_ms());
	if (code == TUNNEL_OK)
		log_info("agent %s offers topic %s", p->agent, topic);
	else if (p->agent[0] != '\0')	/* else it was not let in */
		log_warn("agent %s may not offer topic %s: %s", p->agent,
		    topic, tunnel_code_text(code));
	wr_init(&w, buf, sizeof(buf));
	wr_u32(&w, number);
	wr_u8(&w, (uint8_t)code);
	tell(p, MSG_AGENT_REGISTER + 1, buf, wr_len(&w));
	return 0;
}

static int
on_withdraw(void *ctx, struct rd *r, int *fds)
{
	struct peer	*p = ctx;
	char		 topic[TUNNEL_TOPIC_MAX + 1];

	(void)fds;
	(void)rd_u32(r);
	if (take_topic(r, topic) == -1)
		return -1;
	if (p->link != NULL) {
		registry_withdraw(p->all->registry, p->link, topic,
		    io_now_ms());
		mappings_withdraw(p->all->mappings, p->agent, topic);
	}
	return 0;
}

/* Can users of the pool's mappings be given TLS? */
static bool
has_certificate(const struct broker *b, const char *pool)
{
	const struct conf	*conf = conf_now(b);
	size_t			 i = conf_mapped_listener(conf, pool);

	return i != CONF_NOWHERE && conf->listeners[conf->listeners[i].hub].
	    tls.mode != CONF_TLS_OFF;
}

/* It has a port for what it may publish. */
static int
on_map(void *ctx, struct rd *r, int *fds)
{
	struct peer		*p = ctx;
	const uint8_t		*payload = rd_take(r, sizeof(struct map_ask));
	const struct conf_agent	*a = conf_agent_find(conf_now(p->all),
				    p->agent);
	struct map_ask		 ask;
	struct mappings_asker	 asker = { p, 0 };
	struct mappings_want	 want;

	(void)fds;
	if (payload == NULL)
		return -1;
	memcpy(&ask, payload, sizeof(ask));
	if (!net_is_inet(&ask.at.addr) || !tunnel_is_topic(ask.topic,
	    strnlen(ask.topic, sizeof(ask.topic))))
		return -1;
	want = (struct mappings_want){
		.agent = p->agent, .pool = p->pool, .topic = ask.topic,
		.at = ask.at, .open = ask.open, .tls = ask.tls,
	};
	asker.number = ask.number;
	if (p->link == NULL)
		op_answer(p->all, &asker, TUNNEL_SUPERSEDED, NULL);
	else if (a == NULL || !may_publish(conf_now(p->all), a, ask.topic))
		op_answer(p->all, &asker, TUNNEL_NOT_ALLOWED, NULL);
	else if (ask.tls && !has_certificate(p->all, p->pool))
		op_answer(p->all, &asker, TUNNEL_NO_CERTIFICATE, NULL);
	else
		mappings_map(p->all->mappings, &want, &asker);
	return 0;
}

static int
on_health(void *ctx, struct rd *r, int *fds)
{
	struct peer	*p = ctx;
	uint8_t		 up = rd_u8(r);
	char		 topic[TUNNEL_TOPIC_MAX + 1];

	(void)fds;
	if (take_topic(r, topic) == -1 || up > 1)
		return -1;
	if (p->link != NULL)
		registry_health(p->all->registry, p->link, topic, up != 0,
		    io_now_ms());
	return 0;
}

static struct ticket *
find_ticket(struct broker *b, const uint8_t *name)
{
	struct ticket	 key;

	memcpy(key.name, name, sizeof(key.name));
	return RB_FIND(tickets, &b->tickets, &key);
}

/* Is it as whoever has the ticket's key would have it? */
static bool
is_genuine(const struct ticket *t, const struct peer *p, bool tls,
    struct rd *r)
{
	size_t		 len = r->left;
	const uint8_t	*frame = rd_take(r, len);

	if (t == NULL || t->gate->tls != tls ||
	    strcmp(t->gate->pool, p->pool) != 0)
		return false;
	/* With TLS the user's worker looks, in the handshake. */
	return tls ? len == 0 : tunnel_is_sealed(t->keys.agent_mac, 0, frame,
	    len);
}

/* A connection that was asked for by that ticket is here. */
static void
park(const struct peer *p, struct ticket *t, bool tls, int *fds,
    uint16_t answer)
{
	struct broker	*b = p->all;
	struct parked	*k = mem_calloc(1, sizeof(*k));
	struct reg_link	*link = t->gate->link;

	k->all = b;
	memcpy(k->name, t->name, sizeof(k->name));
	k->keys = t->keys;
	k->tls = tls;
	k->raw = t->gate->raw;
	memcpy(k->agent, t->gate->agent, sizeof(k->agent));
	k->watch = (struct watch){ .fd = fds[0], .run = on_parked, .ctx = k };
	free_ticket(b, t);
	if (loop_watch(b->loop, &k->watch, EPOLLRDHUP) == -1) {
		free(k);
		registry_lost(b->registry, link, io_now_ms());
		tell_code(p, answer, TUNNEL_BUSY);
		return;
	}
	fds[0] = -1;
	tell_code(p, answer, TUNNEL_OK);
	registry_park(b->registry, link, k, io_now_ms());
}

static int
on_data(void *ctx, struct rd *r, int *fds)
{
	struct peer	*p = ctx;
	uint8_t		 tls = rd_u8(r);
	const uint8_t	*name = rd_take(r, TUNNEL_TICKET);
	struct ticket	*t = name != NULL ? find_ticket(p->all, name) : NULL;

	if (name == NULL)
		return -1;
	if (is_genuine(t, p, tls != 0, r))
		park(p, t, tls != 0, fds, MSG_DATA_JOIN + 1);
	else
		tell_code(p, MSG_DATA_JOIN + 1, TUNNEL_WRONG_HUB);
	return 0;
}

/* The ticket that the client was asked for that connection by, if it was. */
static struct ticket *
netroxy_ticket(struct broker *b, const struct netroxy_port *port,
    const char *pool)
{
	struct peer	 key, *gate;
	struct ticket	*t;

	key.netroxy = *port;
	gate = RB_FIND(raws, &b->raws, &key);
	if (gate == NULL || strcmp(gate->pool, pool) != 0)
		return NULL;
	TAILQ_FOREACH(t, &b->by_age, by_age)
		if (t->gate == gate)
			return t;
	return NULL;
}

static int
on_netroxy_data(void *ctx, struct rd *r, int *fds)
{
	struct peer		*p = ctx;
	struct netroxy_port	 port;
	const uint8_t		*payload = rd_take(r, sizeof(port));
	struct ticket		*t;

	if (payload == NULL)
		return -1;
	memcpy(&port, payload, sizeof(port));
	t = netroxy_ticket(p->all, &port, p->pool);
	if (t != NULL)
		park(p, t, false, fds, MSG_NETROXY_DATA + 1);
	else
		tell_code(p, MSG_NETROXY_DATA + 1, TUNNEL_WRONG_HUB);
	return 0;
}

/* May users of that pool have the topic, or with a grant that agent's? */
static bool
may_open(struct peer *p, const struct grant_text *g, const char *topic)
{
	const struct broker	*b = p->all;
	const struct conf_agent	*a;

	if (g != NULL) {
		a = conf_agent_find(conf_now(b), g->id);
		return a != NULL && conf_allows_topic(&a->subscribe, topic);
	}
	for (size_t i = 0; i < b->s->ngenerations; i++)
		if (conf_pool_may_open(b->s->generations[i].conf, p->pool,
		    topic))
			return true;
	return mappings_lead(b->mappings, p->pool, topic);
}

static int
on_open(void *ctx, struct rd *r, int *fds)
{
	struct peer		*p = ctx;
	uint8_t			 granted = rd_u8(r);
	struct grant_text	 g;
	char			 topic[TUNNEL_TOPIC_MAX + 1];
	bool			 may;

	(void)fds;
	if (p->link != NULL || p->user != NULL || (granted != 0 &&
	    (granted != GRANT_SEALED ||
	    open_grant(p, r, TUNNEL_USER, &g) == -1)) ||
	    take_topic(r, topic) == -1)
		return -1;
	may = may_open(p, granted != 0 ? &g : NULL, topic);
	OPENSSL_cleanse(g.tickets, sizeof(g.tickets));
	if (!may) {
		if (granted == 0 && conf_mapped_listener(conf_now(p->all),
		    p->pool) == CONF_NOWHERE)
			return -1;	/* its own configuration says so */
		if (granted == 0) {	/* its mapping has just ended */
			tell_code(p, MSG_TOPIC_OPEN + 1, TUNNEL_NO_AGENT);
			return 0;
		}
		log_warn("agent %s may not reach topic %s", g.id, topic);
		tell_code(p, MSG_TOPIC_OPEN + 1, TUNNEL_NOT_ALLOWED);
		return 0;
	}
	memcpy(p->topic, topic, sizeof(p->topic));
	p->user = registry_open(p->all->registry, p, topic, io_now_ms());
	return 0;
}

static int
on_again(void *ctx, struct rd *r, int *fds)
{
	struct peer	*p = ctx;
	uint8_t		 elsewhere = rd_u8(r);

	(void)fds;
	if (p->user == NULL || !rd_end(r) || elsewhere > 1)
		return -1;
	if (elsewhere != 0)
		registry_elsewhere(p->all->registry, p->user, io_now_ms());
	else
		registry_again(p->all->registry, p->user, io_now_ms());
	return 0;
}

/* --- what control asks */

static int
take_name(struct rd *r, char *name, size_t size)
{
	size_t		 len = r->left;
	const uint8_t	*p = rd_take(r, len);

	if (len >= size)
		return -1;
	memset(name, 0, size);
	if (len > 0)
		memcpy(name, p, len);
	return 0;
}

static bool
is_tls(const struct broker *b, const char *agent)
{
	const struct reg_link	*l = registry_find_link(b->registry, agent);

	return l != NULL && ((const struct peer *)registry_link_owner(l))->tls;
}

static int
on_agents(void *ctx, struct rd *r, int *fds)
{
	const struct peer	*p = ctx;
	const struct broker	*b = p->all;
	struct reg_link_facts	 f;
	char			 after[TUNNEL_ID_MAX + 1];
	char			 text[MSG_PAYLOAD_MAX];
	size_t			 n = 0;

	(void)fds;
	if (take_name(r, after, sizeof(after)) == -1)
		return -1;
	while (n < LIST_MAX && registry_next_link(b->registry, after, &f,
	    io_now_ms())) {
		n += (size_t)snprintf(text + n, sizeof(text) - n, "%s "
		    "topics=%zu sessions=%zu parked=%zu waiting=%zu "
		    "seconds=%" PRId64 " tls=%d drained=%d\n", f.id, f.topics,
		    f.sessions, f.parked, f.waiting, (io_now_ms() -
		    f.since) / 1000, is_tls(b, f.id), f.drained);
		snprintf(after, sizeof(after), "%s", f.id);
	}
	tell(p, MSG_AGENTS + 1, text, n);
	return 0;
}

static int
on_topics(void *ctx, struct rd *r, int *fds)
{
	const struct peer	*p = ctx;
	struct reg_topic_facts	 f;
	char			 after[TUNNEL_TOPIC_MAX + 1];
	char			 text[MSG_PAYLOAD_MAX];
	size_t			 n = 0;

	(void)fds;
	if (take_name(r, after, sizeof(after)) == -1)
		return -1;
	while (n < LIST_MAX && registry_next_topic(p->all->registry, after,
	    &f, io_now_ms())) {
		n += (size_t)snprintf(text + n, sizeof(text) - n, "%s "
		    "agent=%s agents=%zu sessions=%zu waiting=%zu "
		    "takeovers=%" PRIu64 " frozen=%d drained=%d\n", f.name,
		    f.agent != NULL ? f.agent : "", f.agents, f.sessions,
		    f.waiting, f.takeovers, f.frozen, f.drained);
		snprintf(after, sizeof(after), "%s", f.name);
	}
	tell(p, MSG_TOPICS + 1, text, n);
	return 0;
}

/* Is there an agent or a topic of that name, or may there be? */
static bool
is_known(const struct broker *b, const char *name)
{
	const struct conf	*conf = conf_now(b);

	if (conf_agent_of(conf, name) != NULL)
		return true;
	if (!tunnel_is_topic(name, strlen(name)))
		return false;
	if (conf_topic_find(conf, name) != NULL)
		return true;
	for (size_t i = 0; i < conf->agents.n; i++)
		if (conf_allows_topic(&conf->agents.v[i].publish, name))
			return true;
	return false;
}

static int
on_drain(void *ctx, struct rd *r, int *fds)
{
	const struct peer	*p = ctx;
	uint8_t			 drained = rd_u8(r);
	char			 name[TUNNEL_TOPIC_MAX + 1];
	enum tunnel_code	 code = TUNNEL_NO_AGENT;

	(void)fds;
	if (take_name(r, name, sizeof(name)) == -1 || drained > 1)
		return -1;
	if (is_known(p->all, name))
		code = registry_drain(p->all->registry, name, drained != 0,
		    io_now_ms()) ? TUNNEL_OK : TUNNEL_TOO_MANY;
	tell_code(p, MSG_AGENT_DRAIN + 1, code);
	return 0;
}

/* The mapping at that address, as people write it. */
static uint32_t
mapping_named(const struct broker *b, const char *name)
{
	struct mappings_facts	 f;
	char			 text[NET_TEXT_MAX];

	for (uint32_t id = 0; mappings_next(b->mappings, id, &f); id = f.id)
		if (strcmp(net_text(&f.addr, text, sizeof(text)), name) == 0)
			return f.id;
	return name[0] == '\0' ? 0 : UINT32_MAX;
}

static int
on_mappings(void *ctx, struct rd *r, int *fds)
{
	const struct peer	*p = ctx;
	const struct broker	*b = p->all;
	struct mappings_facts	 f;
	char			 after[NET_TEXT_MAX], at[NET_TEXT_MAX];
	char			 text[MSG_PAYLOAD_MAX];
	uint32_t		 id;
	size_t			 n = 0;

	(void)fds;
	if (take_name(r, after, sizeof(after)) == -1)
		return -1;
	id = mapping_named(b, after);
	for (; n < LIST_MAX && mappings_next(b->mappings, id, &f); id = f.id)
		n += (size_t)snprintf(text + n, sizeof(text) - n, "%s "
		    "topic=%s agent=%s agents=%zu open=%d tls=%d here=%d\n",
		    net_text(&f.addr, at, sizeof(at)), f.topic, f.agent,
		    f.agents, f.open, f.tls, f.here);
	tell(p, MSG_MAPPINGS + 1, text, n);
	return 0;
}

/* Whose workers serve what an operator maps. */
static const char *
first_pool(const struct broker *b)
{
	const struct conf	*conf = conf_now(b);

	for (size_t i = 0; i < conf->nlisteners; i++)
		if (conf->listeners[i].protocol == CONF_MAPPED)
			return conf->listeners[i].pool;
	return NULL;
}

static void
map_by_operator(struct peer *p, const struct map_set *set,
    const struct mappings_asker *asker)
{
	struct broker			*b = p->all;
	const struct mappings_want	 want = {
		.agent = "", .pool = first_pool(b), .topic = set->topic,
		.at = set->at, .open = true, .tls = set->tls,
	};

	if (want.pool == NULL)
		op_answer(b, asker, TUNNEL_NO_AGENT, NULL);
	else if (want.tls && !has_certificate(b, want.pool))
		op_answer(b, asker, TUNNEL_NO_CERTIFICATE, NULL);
	else
		mappings_map(b->mappings, &want, asker);
}

static int
on_mapping_set(void *ctx, struct rd *r, int *fds)
{
	struct peer		*p = ctx;
	const uint8_t		*payload = rd_take(r, sizeof(struct map_set));
	struct mappings_asker	 asker = { p, p->id };
	struct map_set		 set;
	struct net_addr		 a;

	(void)fds;
	if (payload == NULL)
		return -1;
	memcpy(&set, payload, sizeof(set));
	a = set.at.addr;
	if (a.len == 0)
		a.u.sa.sa_family = AF_INET;
	else if (!net_is_inet(&a))
		return -1;
	net_set_port(&a, set.at.low);
	switch (set.what) {
	case MAP_ADD:
		if (a.len == 0 || !tunnel_is_topic(set.topic,
		    strnlen(set.topic, sizeof(set.topic))))
			return -1;
		map_by_operator(p, &set, &asker);
		return 0;
	case MAP_DROP:
		mappings_unmap(p->all->mappings, &a, &asker);
		return 0;
	case MAP_OPEN:
	case MAP_CLOSE:
		mappings_set_open(p->all->mappings, &a, set.what == MAP_OPEN,
		    &asker);
		return 0;
	}
	return -1;
}

static const struct channel_rule requests[] = {
	{ MSG_AGENT_JOIN,	ROLE_WORKER,	0,	on_join },
	{ MSG_AGENT_REGISTER,	ROLE_WORKER,	0,	on_register },
	{ MSG_AGENT_WITHDRAW,	ROLE_WORKER,	0,	on_withdraw },
	{ MSG_AGENT_HEALTH,	ROLE_WORKER,	0,	on_health },
	{ MSG_AGENT_MAP,	ROLE_WORKER,	0,	on_map },
	{ MSG_DATA_JOIN,	ROLE_WORKER,	1,	on_data },
	{ MSG_NETROXY_JOIN,	ROLE_WORKER,	0,	on_netroxy },
	{ MSG_NETROXY_DATA,	ROLE_WORKER,	1,	on_netroxy_data },
	{ MSG_TOPIC_OPEN,	ROLE_WORKER,	0,	on_open },
	{ MSG_TOPIC_AGAIN,	ROLE_WORKER,	0,	on_again },
	{ MSG_AGENTS,		ROLE_CONTROL,	0,	on_agents },
	{ MSG_TOPICS,		ROLE_CONTROL,	0,	on_topics },
	{ MSG_AGENT_DRAIN,	ROLE_CONTROL,	0,	on_drain },
	{ MSG_MAPPINGS,		ROLE_CONTROL,	0,	on_mappings },
	{ MSG_MAPPING_SET,	ROLE_CONTROL,	0,	on_mapping_set },
};

static void
on_peer(void *ctx, uint32_t events)
{
	struct peer	*p = ctx;

	(void)events;
	switch (channel_dispatch_id(p->watch.fd, p->role, requests,
	    nitems(requests), p, &p->id)) {
	case 1:
		return;
	case -1:
		log_warn("a process of pool %s said what it may not and is "
		    "heard no more", p->pool);
	}
	drop(p);
}

static bool
on_hello(void *ctx, unsigned int role, const char *pool, int fd)
{
	struct broker	*b = ctx;
	struct peer	*p;

	if (b->npeers == b->npeers_max) {
		log_warn("more than %zu agents and users at once; others must "
		    "wait", b->npeers_max);
		return false;
	}
	p = mem_calloc(1, sizeof(*p));
	p->all = b;
	p->role = role;
	memcpy(p->pool, pool, sizeof(p->pool));
	p->watch = (struct watch){ .fd = fd, .run = on_peer, .ctx = p };
	if (loop_watch(b->loop, &p->watch, EPOLLIN) == -1) {
		free(p);
		return false;
	}
	LIST_INSERT_HEAD(&b->peers, p, next);
	b->npeers++;
	return true;
}

/* --- what the master says */

static int
on_conf(void *ctx, struct rd *r, int *fds)
{
	struct setup	*s = ((struct broker *)ctx)->s;

	if (setup_on_conf(s, r, fds) == -1)
		return -1;
	return channel_send_u32(s->channel, MSG_PREPARED,
	    s->generations[s->ngenerations - 1].number);
}

static int
on_meet_given(void *ctx, struct rd *r, int *fds)
{
	struct broker	*b = ctx;

	return setup_on_meet(b->s, r, fds) == -1 ? -1 :
	    meets_take(b->meets, b->s);
}

/* Who may not be here any more goes; topics are looked at when it comes. */
static void
evict_strangers(struct broker *b)
{
	struct peer	*p;

	LIST_FOREACH(p, &b->peers, next) {
		if (p->link == NULL || conf_agent_of(conf_now(b),
		    p->agent) != NULL)
			continue;
		registry_leave(b->registry, p->link, io_now_ms());
		op_evict(b, p, TUNNEL_BAD_LOGIN);
	}
}

static int
on_commit(void *ctx, struct rd *r, int *fds)
{
	struct broker			*b = ctx;
	const struct setup_generation	*gen;

	(void)fds;
	gen = setup_generation(b->s, rd_u32(r));
	if (gen == NULL)
		return -1;
	b->s->committed = gen->number;
	log_init("broker", (enum logline_level)gen->conf->log.level);
	evict_strangers(b);
	paces_tidy(b->paces, gen->conf);
	mappings_review(b->mappings);
	set_title(b);
	return 0;
}

static int
on_forget(void *ctx, struct rd *r, int *fds)
{
	return setup_on_forget(((struct broker *)ctx)->s, r, fds);
}

static int
on_bound(void *ctx, struct rd *r, int *fds)
{
	return callers_bound(((struct broker *)ctx)->callers, r, fds);
}

static int
on_not_bound(void *ctx, struct rd *r, int *fds)
{
	(void)fds;
	return callers_not_bound(((struct broker *)ctx)->callers, r);
}

static int
on_replaced(void *ctx, struct rd *r, int *fds)
{
	(void)r;
	(void)fds;
	callers_drain(((struct broker *)ctx)->callers);
	return 0;
}

static const struct channel_rule orders[] = {
	{ MSG_CONF,	ROLE_MASTER,	1,	on_conf },
	{ MSG_MEET,	ROLE_MASTER,	2,	on_meet_given },
	{ MSG_BOUND,	ROLE_MASTER,	1,	on_bound },
	{ MSG_NOT_BOUND, ROLE_MASTER,	0,	on_not_bound },
	{ MSG_DRAIN,	ROLE_MASTER,	0,	on_replaced },
	{ MSG_COMMIT,	ROLE_MASTER,	0,	on_commit },
	{ MSG_FORGET,	ROLE_MASTER,	0,	on_forget },
};

static void
on_master(void *ctx, uint32_t events)
{
	struct broker	*b = ctx;

	(void)events;
	if (channel_dispatch(b->s->channel, ROLE_MASTER, orders,
	    nitems(orders), b) != 1)
		exit(0);
}

static void
on_clock(void *ctx)
{
	struct broker	*b = ctx;
	int64_t		 now = io_now_ms(), next;

	expire_tickets(b, now);
	(void)mappings_tick(b->mappings, now);
	next = registry_tick(b->registry, now);
	loop_set(b->loop, &b->clock, next);
}

static size_t
peers_max(void)
{
	int	 n = proc_descriptors();

	return n < 2 * RESERVE_FDS ? RESERVE_FDS / 2 :
	    (size_t)n - RESERVE_FDS;
}

static void
begin(struct broker *b)
{
	memcpy(b->grant_key, b->s->start.grant_key, sizeof(b->grant_key));
	OPENSSL_cleanse(b->s->start.grant_key,
	    sizeof(b->s->start.grant_key));
	b->registry = registry_new(&ops, b);
	b->paces = paces_new();
	b->npeers_max = peers_max();
	LIST_INIT(&b->peers);
	RB_INIT(&b->tickets);
	RB_INIT(&b->raws);
	TAILQ_INIT(&b->by_age);
	b->master = (struct watch){
		.fd = b->s->channel, .run = on_master, .ctx = b,
	};
	b->clock = (struct timer){ .run = on_clock, .ctx = b };
	if ((b->loop = loop_new()) == NULL ||
	    loop_watch(b->loop, &b->master, EPOLLIN) == -1)
		log_fatal(1, "epoll: %s", strerror(errno));
	b->meets = meets_new(b->loop, ROLE_WORKER | ROLE_CONTROL, on_hello, b);
	if (meets_take(b->meets, b->s) == -1)
		log_fatal(1, "epoll: %s", strerror(errno));
	b->callers = callers_new(b->s, b->loop, &caller_ops, b);
	b->mappings = callers_mappings(b->callers);
	on_clock(b);
}

void
broker_main(struct setup *s)
{
	static const int	 signals[] = { SIGTERM, 0 };
	static struct broker	 broker;	/* leak checkers see it */
	struct broker		*b = &broker;

	sig_init(signals);
	sandbox_enter(ROLE_BROKER, s->conf, NULL);
	b->s = s;
	begin(b);
	set_title(b);
	setup_ready(s);
	while (!sig_is_set(SIGTERM))
		if (loop_turn(b->loop) == -1)
			log_fatal(1, "epoll_wait: %s", strerror(errno));
	exit(0);
}
