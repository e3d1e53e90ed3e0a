#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "policy/assign.h"
#include "policy/conf_assign.h"
#include "policy/conf_keys.h"
#include "policy/conf_tunnel.h"
#include "policy/conf_value.h"

static const char *
address_of(const char *text)
{
	const char	*address = "";
	bool		 agent;

	return assign_side_parse(text, &agent, &address) == 0 ? address : "";
}

const char *
conf_assign_address(const struct conf_assign *a)
{
	return address_of(a->by_agent ? a->listen : a->forward);
}

const struct conf_assign *
conf_assign_find(const struct conf *conf, const char *agent,
    const char *topic)
{
	/* Of most sessions it is another. */
	if (strncmp(topic, ASSIGN_TOPICS, strlen(ASSIGN_TOPICS)) != 0)
		return NULL;
	for (size_t i = 0; i < conf->agents.n; i++) {
		const struct conf_agent	*a = &conf->agents.v[i];

		if (agent != NULL && strcmp(a->id, agent) != 0)
			continue;
		for (size_t j = 0; j < a->assign.n; j++)
			if (strcmp(a->assign.v[j].topic, topic) == 0)
				return &a->assign.v[j];
	}
	return NULL;
}

bool
conf_accepts(const struct conf_hub *hub, bool listen,
    const struct net_addr *a)
{
	struct assign_rule	 rule;
	const char		*why;

	for (size_t i = 0; i < hub->accept_assign.n; i++)
		if (assign_rule_parse(hub->accept_assign.v[i], &rule,
		    &why) == 0 && assign_rule_allows(&rule, listen, a))
			return true;
	return false;
}

bool
conf_accepts_paths(const struct conf_hub *hub)
{
	struct assign_rule	 rule;
	const char		*why;

	for (size_t i = 0; i < hub->accept_assign.n; i++)
		if (assign_rule_parse(hub->accept_assign.v[i], &rule,
		    &why) == 0 && !rule.listen && rule.path[0] != '\0')
			return true;
	return false;
}

size_t
conf_assigned_listener(const struct conf *conf, const char *pool)
{
	for (size_t i = 0; i < conf->nlisteners; i++)
		if (conf->listeners[i].protocol == CONF_ASSIGNED &&
		    conf->listeners[i].forward.n == 0 &&
		    strcmp(conf->listeners[i].pool, pool) == 0)
			return i;
	return CONF_NOWHERE;
}

/* --- checks */

static int
check_sides(const struct conf_agent *a, struct conf_assign *s,
    struct conf_report *report)
{
	const char	*listen, *forward;
	bool		 there;

	if (assign_side_parse(s->listen, &s->by_agent, &listen) == -1 ||
	    assign_side_parse(s->forward, &there, &forward) == -1 ||
	    there == s->by_agent) {
		conf_complain(report, "%s: assign: listen = \"%s\", forward = "
		    "\"%s\": want \"hub:ADDRESS\" for the one and "
		    "\"agent:ADDRESS\" for the other", a->where, s->listen,
		    s->forward);
		return -1;
	}
	return 0;
}

/* The agent looks nothing up for us. */
static int
check_address(const struct conf_agent *a, const struct conf_assign *s,
    struct conf_report *report)
{
	const char	*text = conf_assign_address(s), *why;
	struct net_spec	 spec;

	if (net_parse(text, false, &spec, &why) == 0 &&
	    spec.kind == NET_ADDR && strlen(text) <= TUNNEL_TEXT_MAX &&
	    (spec.addr.u.sa.sa_family != AF_UNIX || net_is_path(&spec.addr)))
		return 0;
	conf_complain(report, "%s: assign: \"agent:%s\": want an address and a "
	    "port without names, or \"unix:\" and a path", a->where, text);
	return -1;
}

/* --- what is made */

static struct conf_listener *
add_listener(struct conf *conf, const struct conf_agent *a,
    const struct conf_assign *s)
{
	struct conf_listener	*l = conf_add_listener(conf, a->where);

	l->implicit = true;
	l->name = mem_printf("%s for %s", address_of(s->listen), a->id);
	return l;
}

static void
set_key(struct conf_listener *l, const char *name, const char *text,
    struct conf_report *report)
{
	char	 why[512];

	if (conf_key_set(conf_key_find(CONF_LISTENER, name), l, text, why,
	    sizeof(why)) == -1)
		conf_complain(report, "%s: assign: %s", l->where, why);
}

/* The workers that have agents' users serve these, too. */
static const char *
hub_pool(const struct conf *conf)
{
	for (size_t i = 0; i < conf->nlisteners; i++)
		if (conf->listeners[i].protocol == CONF_MAPPED)
			return conf->listeners[i].pool;
	return "";
}

static void
finish_assign(struct conf *conf, struct conf_agent *a, size_t i,
    struct conf_report *report)
{
	struct conf_assign	*s = &a->assign.v[i];
	struct conf_listener	*l;
	char			*topic;

	if (check_sides(a, s, report) == -1 ||
	    check_address(a, s, report) == -1)
		return;
	assign_topic(a->id, s->listen, s->forward, s->topic,
	    sizeof(s->topic));
	if (!tunnel_is_topic(s->topic, strlen(s->topic)))
		conf_complain(report, "%s: assign: \"%s\": want an id of "
		    "letters, digits, \"_\" and \"-\"", a->where, a->id);
	if (conf_assign_find(conf, a->id, s->topic) != s) {
		conf_complain(report, "%s: assign: listen = \"%s\" is there "
		    "twice", a->where, s->listen);
		return;
	}
	l = add_listener(conf, a, s);
	if (s->by_agent) {
		l->protocol = CONF_ASSIGNED;
		conf_set_text(&l->pool, hub_pool(conf));
		set_key(l, "forward", address_of(s->forward), report);
	} else {
		set_key(l, "listen", address_of(s->listen), report);
		topic = mem_printf("topic:%s", s->topic);
		set_key(l, "forward", topic, report);
		free(topic);
	}
	s->listener = conf->nlisteners - 1;
}

static void
finish_hub(struct conf *conf, size_t i, struct conf_report *report)
{
	struct conf_hub		*h = &conf->hubs.v[i];
	struct conf_listener	*l;
	struct assign_rule	 rule;
	const char		*why;

	for (size_t j = 0; j < h->accept_assign.n; j++)
		if (assign_rule_parse(h->accept_assign.v[j], &rule,
		    &why) == -1)
			conf_complain(report, "%s: accept_assign: \"%s\": %s",
			    h->where, h->accept_assign.v[j], why);
	if (h->accept_assign.n == 0)
		return;
	h->publishes = true;
	l = conf_add_listener(conf, h->where);
	l->implicit = true;
	l->protocol = CONF_ASSIGNED;
	l->name = mem_printf("assigned by %s", h->name);
	conf_set_text(&l->pool, h->pool);
	l->hub = i;
}

void
conf_assign_finish(struct conf *conf, struct conf_report *report)
{
	for (size_t i = 0; i < conf->agents.n; i++) {
		struct conf_agent	*a = &conf->agents.v[i];

		if (a->assign.n > 0 && a->netroxy_password_file[0] != '\0')
			conf_complain(report, "%s: assign: a Netroxy client "
			    "cannot be told", a->where);
		else
			for (size_t j = 0; j < a->assign.n; j++)
				finish_assign(conf, a, j, report);
	}
	for (size_t i = 0; i < conf->hubs.n; i++)
		finish_hub(conf, i, report);
}
