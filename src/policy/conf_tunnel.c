#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "policy/conf_keys.h"
#include "policy/conf_tunnel.h"
#include "policy/conf_value.h"
#include "policy/port_range.h"
#include "wire/tunnel.h"

#define PIN_PREFIX	"sha256:"
#define PORT_USER	1024	/* the first that takes no root */

static bool
is_topic(const char *text)
{
	return tunnel_is_topic(text, strlen(text));
}

/* "*", "a.b.*", or a topic. */
static bool
is_pattern(const char *text)
{
	size_t	 len = strlen(text);

	if (strcmp(text, "*") == 0)
		return true;
	if (len > 2 && strcmp(text + len - 2, ".*") == 0)
		len -= 2;
	return tunnel_is_topic(text, len);
}

bool
conf_allows_topic(const struct conf_texts *topics, const char *topic)
{
	for (size_t i = 0; i < topics->n; i++) {
		const char	*p = topics->v[i];
		size_t		 len = strlen(p);

		if (strcmp(p, topic) == 0 || strcmp(p, "*") == 0)
			return true;
		/* With its dot. */
		if (len > 2 && p[len - 1] == '*' &&
		    strncmp(p, topic, len - 1) == 0)
			return true;
	}
	return false;
}

const struct conf_agent *
conf_agent_find(const struct conf *conf, const char *id)
{
	for (size_t i = 0; i < conf->agents.n; i++)
		if (strcmp(conf->agents.v[i].id, id) == 0)
			return &conf->agents.v[i];
	return NULL;
}

const struct conf_agent *
conf_agent_of(const struct conf *conf, const char *link)
{
	char			 id[TUNNEL_ID_MAX + 1];
	const struct conf_agent	*a;
	size_t			 len = strcspn(link, ":");

	if (link[len] == '\0')
		return conf_agent_find(conf, link);
	if (len >= sizeof(id))
		return NULL;
	memcpy(id, link, len);
	id[len] = '\0';
	a = conf_agent_find(conf, id);
	return a != NULL && a->netroxy_password_file[0] != '\0' ? a : NULL;
}

bool
conf_is_hub(const struct conf_listener *l)
{
	return l->protocol == CONF_HUB || l->protocol == CONF_NETROXY;
}

const struct conf_topic *
conf_topic_find(const struct conf *conf, const char *name)
{
	for (size_t i = 0; i < conf->topics.n; i++)
		if (strcmp(conf->topics.v[i].name, name) == 0)
			return &conf->topics.v[i];
	return NULL;
}

static size_t
find_hub(const struct conf *conf, const char *name)
{
	for (size_t i = 0; i < conf->hubs.n; i++)
		if (strcmp(conf->hubs.v[i].name, name) == 0)
			return i;
	return CONF_NOWHERE;
}

bool
conf_may_map(const struct conf_agent *a, const struct net_addr *addr)
{
	uint16_t	 port = net_port(addr), low, high;

	if (port == 0)
		return false;
	if (a == NULL)
		return port >= PORT_USER;
	if (a->addresses.n > 0 && !access_allows(a->addresses.v,
	    a->addresses.n, NULL, 0, addr))
		return false;
	for (size_t i = 0; i < a->ports.n; i++)
		if (port_range_parse(a->ports.v[i], &low, &high) == 0 &&
		    port >= low && port <= high)
			return true;
	return false;
}

size_t
conf_mapped_listener(const struct conf *conf, const char *pool)
{
	for (size_t i = 0; i < conf->nlisteners; i++)
		if (conf->listeners[i].protocol == CONF_MAPPED &&
		    strcmp(conf->listeners[i].pool, pool) == 0)
			return i;
	return CONF_NOWHERE;
}

/* --- checks */

static void
check_patterns(const struct conf_agent *a, const char *key,
    const struct conf_texts *list, struct conf_report *report)
{
	for (size_t i = 0; i < list->n; i++)
		if (!is_pattern(list->v[i]))
			conf_complain(report, "%s: %s: \"%s\": want a topic, "
			    "as words of letters, digits, \"_\" and \"-\" with "
			    "dots between; \"a.*\" for all below a; or \"*\"",
			    a->where, key, list->v[i]);
}

static void
check_ports(const struct conf_agent *a, struct conf_report *report)
{
	uint16_t	 low, high;

	for (size_t i = 0; i < a->ports.n; i++)
		if (port_range_parse(a->ports.v[i], &low, &high) == -1)
			conf_complain(report, "%s: ports: \"%s\": want a port, "
			    "as \"443\", or the first and the last, as "
			    "\"13000-13999\"", a->where, a->ports.v[i]);
}

/* Its client has ports, and no words for anything else. */
static void
check_netroxy(const struct conf_agent *a, struct conf_report *report)
{
	if (a->secret_file[0] != '\0')
		conf_complain(report, "%s: netroxy_password_file: agent %s has "
		    "a secret_file; a Netroxy client is an agent of its own, "
		    "as its password may be read on the way", a->where, a->id);
	if (strlen(a->id) > CONF_NETROXY_ID_MAX)
		conf_complain(report, "%s: id: \"%s\": want at most %d "
		    "characters for a Netroxy client", a->where, a->id,
		    CONF_NETROXY_ID_MAX);
	if (a->publish.n > 0 || a->subscribe.n > 0)
		conf_complain(report, "%s: %s: Netroxy clients know no topics; "
		    "ports are what agent %s may have", a->where,
		    a->publish.n > 0 ? "publish" : "subscribe", a->id);
	if (a->ports.n == 0)
		conf_warn(report, "%s: ports: agent %s may have none",
		    a->where, a->id);
}

static void
check_agents(const struct conf *conf, struct conf_report *report)
{
	for (size_t i = 0; i < conf->agents.n; i++) {
		const struct conf_agent	*a = &conf->agents.v[i];
		const struct conf_agent	*o = conf_agent_find(conf, a->id);

		if (o != NULL && o != a)
			conf_complain(report, "%s: id: \"%s\" is the id of an "
			    "earlier agent, %s", a->where, a->id, o->where);
		if (a->netroxy_password_file[0] != '\0')
			check_netroxy(a, report);
		else if (a->secret_file[0] == '\0')
			conf_complain(report, "%s: secret_file: agent %s needs "
			    "one; \"sallyportctl secret FILE\" makes it",
			    a->where, a->id);
		else if (a->publish.n == 0 && a->subscribe.n == 0 &&
		    a->assign.n == 0)
			conf_warn(report, "%s: agent %s may neither publish "
			    "nor subscribe", a->where, a->id);
		check_ports(a, report);
		check_patterns(a, "publish", &a->publish, report);
		check_patterns(a, "subscribe", &a->subscribe, report);
	}
}

static void
complain_topic(const char *where, const char *key, const char *text,
    struct conf_report *report)
{
	conf_complain(report, "%s: %s: \"%s\": want words of letters, digits, "
	    "\"_\" and \"-\" with dots between, at most %d characters", where,
	    key, text, TUNNEL_TOPIC_MAX);
}

static void
check_topics(const struct conf *conf, struct conf_report *report)
{
	for (size_t i = 0; i < conf->topics.n; i++) {
		const struct conf_topic	*t = &conf->topics.v[i];
		const struct conf_topic	*o = conf_topic_find(conf, t->name);

		if (!is_topic(t->name))
			complain_topic(t->where, "name", t->name, report);
		if (o != NULL && o != t)
			conf_complain(report, "%s: name: \"%s\" is the name of "
			    "an earlier topic, %s", t->where, t->name,
			    o->where);
	}
}

static int
digit(char c)
{
	const char	*all = "0123456789abcdef", *p;

	if (c >= 'A' && c <= 'F')
		c = (char)(c - 'A' + 'a');
	p = c == '\0' ? NULL : strchr(all, c);
	return p == NULL ? -1 : (int)(p - all);
}

static int
parse_pin(const char *text, uint8_t *pin)
{
	size_t	 n = strlen(PIN_PREFIX);
	int	 high, low;

	if (strncmp(text, PIN_PREFIX, n) != 0 ||
	    strlen(text + n) != (size_t)2 * CONF_PIN_LEN)
		return -1;
	for (size_t i = 0; i < CONF_PIN_LEN; i++) {
		high = digit(text[n + 2 * i]);
		low = digit(text[n + 2 * i + 1]);
		if (high == -1 || low == -1)
			return -1;
		pin[i] = (uint8_t)(high << 4 | low);
	}
	return 0;
}

static void
check_native_hub(const struct conf_hub *h, struct conf_report *report)
{
	if (h->secret_file[0] == '\0')
		conf_complain(report, "%s: secret_file: hub %s needs one, "
		    "which holds the same line as the hub's own", h->where,
		    h->name);
	if (h->password_file[0] != '\0')
		conf_complain(report, "%s: password_file: hub %s takes a "
		    "secret_file; that is for protocol \"netroxy\"", h->where,
		    h->name);
}

/* Such a server knows a password, ports, and nothing else. */
static void
check_netroxy_hub(const struct conf_hub *h, struct conf_report *report)
{
	if (h->password_file[0] == '\0')
		conf_complain(report, "%s: password_file: hub %s needs one, "
		    "of the password of user %s there", h->where, h->name,
		    h->id);
	if (h->secret_file[0] != '\0')
		conf_complain(report, "%s: secret_file: a Netroxy server takes "
		    "a password_file", h->where);
	if (h->accept_assign.n > 0)
		conf_complain(report, "%s: accept_assign: a Netroxy server "
		    "assigns nothing", h->where);
	if (h->compression != CONF_COMPRESSION_OFF)
		conf_complain(report, "%s: compression: a Netroxy server has "
		    "none", h->where);
}

static void
check_hub(const struct conf *conf, size_t i, struct conf_report *report)
{
	struct conf_hub	*h = &conf->hubs.v[i];
	size_t		 o = find_hub(conf, h->name);

	if (o != i)
		conf_complain(report, "%s: name: \"%s\" is the name of an "
		    "earlier hub, %s", h->where, h->name,
		    conf->hubs.v[o].where);
	if (h->address.n == 0)
		conf_complain(report, "%s: address: hub %s has none",
		    h->where, h->name);
	if (h->protocol == CONF_HUB_NETROXY)
		check_netroxy_hub(h, report);
	else
		check_native_hub(h, report);
	if (h->tls.mode == CONF_TLS_OFF)
		conf_warn(report, "%s: tls.mode: whoever is on the way to hub "
		    "%s can read and change what sessions say", h->where,
		    h->name);
	else if (h->pin[0] == '\0' && h->tls.ca[0] == '\0')
		conf_complain(report, "%s: pin: how shall hub %s be known?  "
		    "\"sallyportctl pin CERTIFICATE\" tells the pin, at the "
		    "hub; or name a file as tls.ca", h->where, h->name);
	if (h->pin[0] != '\0' && parse_pin(h->pin, h->pinned) == -1)
		conf_complain(report, "%s: pin: \"%s\": want \"sha256:\" and "
		    "64 hexadecimal digits, as \"sallyportctl pin\" tells at "
		    "the hub", h->where, h->pin);
}

static bool
has_hub_listener(const struct conf *conf)
{
	for (size_t i = 0; i < conf->nlisteners; i++)
		if (conf_is_hub(&conf->listeners[i]))
			return true;
	return false;
}

void
conf_check_listener_hub(const struct conf_listener *l,
    struct conf_report *report)
{
	struct net_spec	 spec;
	const char	*why;

	if (l->protocol != CONF_HUB && l->data_address[0] != '\0')
		conf_warn(report, "%s: data_address: only agents of a hub "
		    "are told it", l->where);
	if (!conf_is_hub(l))
		return;
	if (l->forward.n > 0)
		conf_complain(report, "%s: forward: sessions at a hub go to "
		    "agents, and not to \"%s\"", l->where, l->forward.v[0]);
	if (l->tls.mode == CONF_TLS_OFFER)
		conf_complain(report, "%s: tls.mode: a hub takes \"require\" "
		    "or \"off\"", l->where);
	if (l->tls.mode == CONF_TLS_OFF)
		conf_warn(report, "%s: tls.mode: whoever is on the way to this "
		    "hub can read and change what sessions say%s", l->where,
		    l->protocol == CONF_NETROXY ? ", and read passwords" : "");
	if (l->data_address[0] != '\0' && (net_parse(l->data_address, false,
	    &spec, &why) == -1 || spec.kind != NET_ADDR))
		conf_complain(report, "%s: data_address: \"%s\": want an "
		    "address and a port, without a name", l->where,
		    l->data_address);
	if (l->protocol == CONF_HUB && l->tls.alpn.n > 0)
		conf_complain(report, "%s: tls.alpn: a hub has its own",
		    l->where);
	if (l->tls.routes.n > 0)
		conf_complain(report, "%s: tls.routes: sessions at a hub go to "
		    "topics", l->where);
}

/* --- what is made */

/* A backend of the hub's addresses. */
static size_t
add_hub_backend(struct conf *conf, size_t hub, const char *where)
{
	const struct conf_key	*servers = conf_key_find(CONF_BACKEND,
				    "servers");
	const struct conf_hub	*h = &conf->hubs.v[hub];
	struct conf_backend	*b = conf_add_backend(conf, where);
	char			 why[512];

	b->implicit = true;
	b->hub = hub;
	b->name = mem_printf("hub:%s", h->name);
	/* They were found good once; as many as one may have. */
	for (size_t i = 0; i < h->address.n; i++)
		if (conf_key_set(servers, b, h->address.v[i].text, why,
		    sizeof(why)) == 0) {
			b->servers.v[i].weight = h->address.v[i].weight;
			b->servers.v[i].backup = h->address.v[i].backup;
		}
	b->balance = BALANCE_FIRST;
	b->tls.mode = h->tls.mode == CONF_TLS_OFF ? CONF_TLS_OFF :
	    CONF_TLS_REQUIRE;
	b->tls.verify = h->pin[0] != '\0' ? CONF_VERIFY_NONE :
	    CONF_VERIFY_FULL;
	b->tls.min_version = h->protocol == CONF_HUB_NETROXY ?
	    CONF_TLS_1_2 : CONF_TLS_1_3;
	conf_set_text(&b->tls.ca, h->tls.ca);
	conf_set_text(&b->tls.server_name, h->tls.server_name);
	return conf->nbackends - 1;
}

static void
finish_hubs(struct conf *conf, struct conf_report *report)
{
	for (size_t i = 0; i < conf->hubs.n; i++) {
		struct conf_hub	*h = &conf->hubs.v[i];

		check_hub(conf, i, report);
		h->pool = mem_printf("agent-%s", h->name);
		h->backend = add_hub_backend(conf, i, h->where);
	}
}

static void
check_map(const struct conf_publish *p, struct conf_report *report)
{
	struct port_want	 w;
	const char		*why;

	if (p->map[0] != '\0' && port_want_parse(p->map, &w, &why) == -1)
		conf_complain(report, "%s: map: \"%s\": %s", p->where, p->map,
		    why);
	if (p->map[0] == '\0' && (p->map_tls || !p->open))
		conf_warn(report, "%s: %s: there is no map that it is about",
		    p->where, p->map_tls ? "map_tls" : "open");
}

/* Its port is all that a service has there. */
static void
check_netroxy_map(const struct conf_publish *p, struct conf_report *report)
{
	struct port_want	 w;
	const char		*why;

	if (p->map[0] == '\0' || (port_want_parse(p->map, &w, &why) == 0 &&
	    w.low != w.high))
		conf_complain(report, "%s: map: \"%s\": want the one port that "
		    "the Netroxy server %s is to open, as \"0.0.0.0:13389\"",
		    p->where, p->map, p->hub);
	if (p->map_tls)
		conf_complain(report, "%s: map_tls: a Netroxy server has none",
		    p->where);
	if (p->allow.n > 0 || p->deny.n > 0)
		conf_complain(report, "%s: %s: a Netroxy server does not tell "
		    "who its users are", p->where, p->allow.n > 0 ? "allow" :
		    "deny");
}

static void
copy_nets(struct conf_nets *to, const struct conf_nets *from)
{
	to->v = mem_resize(to->v, from->n, sizeof(*to->v));
	to->n = from->n;
	if (from->n > 0)
		memcpy(to->v, from->v, from->n * sizeof(*to->v));
}

static void
finish_publish(struct conf *conf, size_t i, struct conf_report *report)
{
	struct conf_publish	*p = &conf->publishes.v[i];
	size_t			 hub = find_hub(conf, p->hub);
	struct conf_listener	*l;
	char			 why[512];

	if (!is_topic(p->topic))
		complain_topic(p->where, "topic", p->topic, report);
	check_map(p, report);
	for (size_t j = 0; j < i; j++)
		if (strcmp(conf->publishes.v[j].topic, p->topic) == 0 &&
		    strcmp(conf->publishes.v[j].hub, p->hub) == 0)
			conf_complain(report, "%s: topic: \"%s\" is published "
			    "at hub %s already, by %s", p->where, p->topic,
			    p->hub, conf->publishes.v[j].where);
	if (strncmp(p->forward, "topic:", 6) == 0 || p->forward[0] == '\0')
		conf_complain(report, "%s: forward: \"%s\": want a service",
		    p->where, p->forward);
	if (hub == CONF_NOWHERE) {
		conf_complain(report, "%s: hub: \"%s\": there is no hub of "
		    "that name", p->where, p->hub);
		return;
	}
	if (conf->hubs.v[hub].protocol == CONF_HUB_NETROXY)
		check_netroxy_map(p, report);
	conf->hubs.v[hub].publishes = true;
	l = conf_add_listener(conf, p->where);
	l->implicit = true;
	l->protocol = CONF_AGENT;
	l->name = mem_printf("%s@%s", p->topic, p->hub);
	(void)conf_key_set(conf_key_find(CONF_LISTENER, "forward"), l,
	    p->forward, why, sizeof(why));
	conf_set_text(&l->pool, conf->hubs.v[hub].pool);
	copy_nets(&l->allow, &p->allow);
	copy_nets(&l->deny, &p->deny);
	p->listener = conf->nlisteners - 1;
}

/* Those who come by a port of the hub's pool, whichever. */
static void
add_mapped(struct conf *conf)
{
	const struct conf_key	*k = conf_key_find(CONF_LISTENER, "protocol");
	size_t			 n = conf->nlisteners;

	for (size_t i = 0; i < n; i++) {
		const char		*pool = conf->listeners[i].pool;
		struct conf_listener	*l;

		if (!conf_is_hub(&conf->listeners[i]))
			continue;
		if (pool[0] == '\0')
			pool = k->choices[conf->listeners[i].protocol];
		if (conf_mapped_listener(conf, pool) != CONF_NOWHERE)
			continue;
		l = conf_add_listener(conf, conf->listeners[i].where);
		l->implicit = true;
		l->protocol = CONF_MAPPED;
		l->name = mem_printf("mapped by %s", pool);
		conf_set_text(&l->pool, pool);
		l->hub = i;
	}
}

void
conf_tunnel_finish(struct conf *conf, struct conf_report *report)
{
	check_agents(conf, report);
	check_topics(conf, report);
	if (conf->agents.n > 0 && !has_hub_listener(conf))
		conf_warn(report, "%s: agents: without a listener of protocol "
		    "\"hub\" none can connect", conf->agents.v[0].where);
	if (conf->agents.n == 0)
		for (size_t i = 0; i < conf->nlisteners; i++)
			if (conf_is_hub(&conf->listeners[i]))
				conf_warn(report, "%s: there are no agents "
				    "that may connect", conf->listeners[i].
				    where);
	finish_hubs(conf, report);
	add_mapped(conf);
	for (size_t i = 0; i < conf->publishes.n; i++)
		finish_publish(conf, i, report);
}

size_t
conf_topic_backend(struct conf *conf, const char *where, const char *key,
    const char *text, struct conf_report *report)
{
	const char		*at = strchr(text, '@');
	char			*topic = mem_strdup(text + strlen("topic:"));
	size_t			 hub = CONF_NOWHERE, i;
	struct conf_backend	*b;

	if (at != NULL) {
		topic[strcspn(topic, "@")] = '\0';
		hub = find_hub(conf, at + 1);
	}
	if (!is_topic(topic))
		complain_topic(where, key, topic, report);
	if (at != NULL && hub == CONF_NOWHERE)
		conf_complain(report, "%s: %s: \"%s\": there is no hub of that "
		    "name", where, key, text);
	else if (hub != CONF_NOWHERE && conf->hubs.v[hub].protocol ==
	    CONF_HUB_NETROXY)
		conf_complain(report, "%s: %s: \"%s\": users of a Netroxy "
		    "server come by its ports", where, key, text);
	else if (at == NULL && !has_hub_listener(conf))
		conf_complain(report, "%s: %s: \"%s\": want \"topic:NAME@HUB\" "
		    "with the name of a hub, or a listener of protocol "
		    "\"hub\" here", where, key, text);
	else {
		i = conf->nbackends;
		if (hub != CONF_NOWHERE)
			(void)add_hub_backend(conf, hub, where);
		else
			(void)conf_add_backend(conf, where);
		b = &conf->backends[i];
		b->implicit = true;
		if (b->name == NULL)
			b->name = mem_strdup(text);
		b->topic = topic;
		return i;
	}
	free(topic);
	return CONF_NOWHERE;
}

/* --- who does what */

/* The next backend that a listener of the pool, or with NULL any, leads to. */
static const struct conf_backend *
next_backend(const struct conf *conf, const char *pool, size_t *listener,
    size_t *number)
{
	const struct conf_backend	*b;

	for (; *listener < conf->nlisteners; ++*listener, *number = 0) {
		const struct conf_listener	*l =
		    &conf->listeners[*listener];

		if (pool != NULL && strcmp(l->pool, pool) != 0)
			continue;
		while (*number < conf_ways(l)) {
			b = conf_backend_of(conf, l, (*number)++);
			if (b != NULL)
				return b;
		}
	}
	return NULL;
}

static bool
has_agents(const struct conf *conf, const char *pool)
{
	for (size_t i = 0; i < conf->nlisteners; i++)
		if (conf_is_hub(&conf->listeners[i]) && (pool == NULL ||
		    strcmp(conf->listeners[i].pool, pool) == 0))
			return true;
	return false;
}

bool
conf_pool_may_open(const struct conf *conf, const char *pool,
    const char *topic)
{
	size_t				 l = 0, n = 0;
	const struct conf_backend	*b;

	while ((b = next_backend(conf, pool, &l, &n)) != NULL)
		if (b->topic != NULL && b->hub == CONF_NOWHERE &&
		    strcmp(b->topic, topic) == 0)
			return true;
	return false;
}

bool
conf_pool_has_broker(const struct conf *conf, const char *pool)
{
	size_t				 l = 0, n = 0;
	const struct conf_backend	*b;

	if (has_agents(conf, pool))
		return true;
	while ((b = next_backend(conf, pool, &l, &n)) != NULL)
		if (b->topic != NULL && b->hub == CONF_NOWHERE)
			return true;
	return false;
}

bool
conf_has_broker(const struct conf *conf)
{
	return conf_pool_has_broker(conf, NULL);
}

size_t
conf_pool_publishes(const struct conf *conf, const char *pool)
{
	for (size_t i = 0; i < conf->hubs.n; i++)
		if (conf->hubs.v[i].publishes &&
		    strcmp(conf->hubs.v[i].pool, pool) == 0)
			return i;
	return CONF_NOWHERE;
}

bool
conf_pool_knows_hub(const struct conf *conf, const char *pool, size_t hub)
{
	size_t				 l = 0, n = 0;
	const struct conf_backend	*b;

	if (hub < conf->hubs.n && conf->hubs.v[hub].publishes &&
	    strcmp(conf->hubs.v[hub].pool, pool) == 0)
		return true;
	while ((b = next_backend(conf, pool, &l, &n)) != NULL)
		if (b->topic != NULL && b->hub == hub)
			return true;
	return false;
}

bool
conf_pool_has_proofs(const struct conf *conf, const char *pool)
{
	if (has_agents(conf, pool))
		return true;
	for (size_t i = 0; i < conf->hubs.n; i++)
		if (conf_pool_knows_hub(conf, pool, i))
			return true;
	return false;
}

bool
conf_has_proofs(const struct conf *conf)
{
	return conf->hubs.n > 0 || has_agents(conf, NULL);
}

size_t
conf_pool_workers(const struct conf *conf, const char *pool)
{
	size_t	 n = (size_t)conf->workers.max;

	if (has_agents(conf, pool))
		n += (size_t)conf->agents_max;
	if (conf_pool_publishes(conf, pool) != CONF_NOWHERE)
		n += CONF_PARKED_MAX;
	return n;
}
