#include <arpa/inet.h>

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "policy/conf_check.h"
#include "policy/conf_value.h"

static bool
parse_source(const char *text, struct net_addr *a)
{
	memset(a, 0, sizeof(*a));
	if (inet_pton(AF_INET, text, &a->u.in.sin_addr) == 1) {
		a->u.in.sin_family = AF_INET;
		a->len = sizeof(a->u.in);
	} else if (inet_pton(AF_INET6, text, &a->u.in6.sin6_addr) == 1) {
		a->u.in6.sin6_family = AF_INET6;
		a->len = sizeof(a->u.in6);
	}
	return a->len > 0;
}

/* Names may turn out to be of either family; local sockets have none. */
static void
check_bind(struct conf_backend *b, struct conf_report *report)
{
	const struct conf_server	*s;
	int				 family;

	if (b->bind[0] == '\0')
		return;
	if (!parse_source(b->bind, &b->source)) {
		conf_complain(report, "%s: bind: \"%s\": want an IPv4 or IPv6 "
		    "address without a port, or \"\"", b->where, b->bind);
		return;
	}
	for (size_t i = 0; i < b->servers.n; i++) {
		s = &b->servers.v[i];
		family = s->spec.addr.u.sa.sa_family;
		if (s->spec.kind == NET_ADDR && family != AF_UNIX &&
		    family != b->source.u.sa.sa_family)
			conf_complain(report, "%s: bind: \"%s\" cannot reach "
			    "\"%s\": one is IPv4, the other IPv6", b->where,
			    b->bind, s->text);
	}
}

static void
check_servers(const struct conf_backend *b, struct conf_report *report)
{
	const struct conf_servers	*list = &b->servers;
	bool				 weighty = false, first = false;

	for (size_t i = 0; i < list->n; i++) {
		weighty |= list->v[i].weight > 0;
		first |= !list->v[i].backup;
		for (size_t j = 0; j < i; j++)
			if (strcmp(list->v[i].text, list->v[j].text) == 0) {
				conf_complain(report, "%s: servers: \"%s\" is "
				    "there twice", b->where, list->v[i].text);
				break;
			}
	}
	if (list->n > 0 && !weighty)
		conf_complain(report, "%s: servers: all have weight 0, so "
		    "none would take a session", b->where);
	if (list->n > 0 && !first)
		conf_warn(report, "%s: servers: all are backup, which is the "
		    "same as none", b->where);
}

static void
check_check(const struct conf_backend *b, struct conf_report *report)
{
	bool	 expects = b->check.type == CONF_CHECK_EXPECT;

	if (expects && b->check.expect[0] == '\0')
		conf_complain(report, "%s: check.expect: type \"expect\" "
		    "needs it", b->where);
	if (!expects && b->check.expect[0] != '\0')
		conf_complain(report, "%s: check.expect: only type \"expect\" "
		    "awaits it", b->where);
	if (!expects && b->check.send[0] != '\0')
		conf_complain(report, "%s: check.send: only type \"expect\" "
		    "says it", b->where);
	if (b->check.type != CONF_CHECK_NONE &&
	    b->check.timeout > b->check.interval)
		conf_warn(report, "%s: check.timeout: longer than "
		    "check.interval, so a server that hangs is checked less "
		    "often", b->where);
}

void
conf_check_backend(struct conf_backend *b, struct conf_report *report)
{
	check_servers(b, report);
	check_bind(b, report);
	check_check(b, report);
}

struct net_line {
	char	 text[NET_TEXT_MAX];
	bool	 deny;
};

static int
compare(const void *a, const void *b)
{
	const struct net_line	*x = a, *y = b;
	int			 order = strcmp(x->text, y->text);

	return order != 0 ? order : x->deny - y->deny;
}

static size_t
add_lines(struct net_line *lines, const struct conf_nets *list, bool deny)
{
	for (size_t i = 0; i < list->n; i++) {
		lines[i].deny = deny;
		access_net_text(&list->v[i], lines[i].text,
		    sizeof(lines[i].text));
	}
	return list->n;
}

/* Sorted, because each of a thousand against each takes a while. */
static void
check_nets(const struct conf_listener *l, const char *key,
    const struct conf_nets *allow, const struct conf_nets *deny,
    struct conf_report *report)
{
	struct net_line	*lines = mem_calloc(allow->n + deny->n + 1,
			    sizeof(*lines));
	size_t		 n = add_lines(lines, allow, false);

	n += add_lines(lines + n, deny, true);
	qsort(lines, n, sizeof(*lines), compare);
	for (size_t i = 1; i < n; i++) {
		if (strcmp(lines[i - 1].text, lines[i].text) != 0)
			continue;
		if (lines[i - 1].deny == lines[i].deny)
			conf_complain(report, "%s: %s: \"%s\" is there twice",
			    l->where, lines[i].deny ? "deny" : key,
			    lines[i].text);
		else
			conf_warn(report, "%s: allow: \"%s\" is denied too, "
			    "and so denied", l->where, lines[i].text);
	}
	free(lines);
}

void
conf_check_listener(const struct conf_listener *l, struct conf_report *report)
{
	static const struct conf_nets	 none = { NULL, 0 };

	check_nets(l, "allow", &l->allow, &l->deny, report);
	check_nets(l, "proxy_protocol.from", &l->proxy_protocol.from, &none,
	    report);
	if (l->proxy_protocol.accept && l->proxy_protocol.from.n == 0)
		conf_complain(report, "%s: proxy_protocol.from: accept needs "
		    "it, or nobody may send a header", l->where);
	if (!l->proxy_protocol.accept && l->proxy_protocol.from.n > 0)
		conf_warn(report, "%s: proxy_protocol.from: without accept it "
		    "is of no effect", l->where);
	if (l->penalty > 0 && l->rate_per_source.count == 0)
		conf_warn(report, "%s: penalty: without rate_per_source "
		    "nobody exceeds it", l->where);
}

static bool
is_preset(const struct conf_key *k, const void *base, const void *fresh)
{
	char	*is, *was;
	bool	 same;

	if (conf_key_is_list(k))
		return conf_key_count(k, base) == 0;
	is = conf_key_text(k, base);
	was = conf_key_text(k, fresh);
	same = strcmp(is, was) == 0;
	free(is);
	free(was);
	return same;
}

void
conf_check_unused(const char *where, const char *group, const char *because,
    enum conf_section section, const void *base, struct conf_report *report)
{
	union {
		struct conf		 conf;
		struct conf_backend	 backend;
		struct conf_listener	 listener;
	} fresh;

	memset(&fresh, 0, sizeof(fresh));
	conf_keys_preset(section, &fresh);
	for (const struct conf_key *k = conf_keys; k->name != NULL; k++)
		if (k->section == section && !is_preset(k, base, &fresh))
			conf_warn(report, "%s: %s.%s: %s it is of no effect",
			    where, group, k->name, because);
	conf_keys_release(section, &fresh);
}

static bool
is_loopback(const struct net_addr *a)
{
	return (a->u.sa.sa_family == AF_INET &&
	    ntohl(a->u.in.sin_addr.s_addr) >> 24 == 127) ||
	    (a->u.sa.sa_family == AF_INET6 &&
	    IN6_IS_ADDR_LOOPBACK(&a->u.in6.sin6_addr));
}

static bool
listens_at(const struct conf_listener *l, const struct net_spec *server)
{
	if (server->kind != NET_ADDR)
		return false;
	for (size_t i = 0; i < l->listen.n; i++) {
		const struct net_spec	*s = &l->listen.v[i].spec;

		if (s->kind == NET_ANY ? s->port == server->port &&
		    is_loopback(&server->addr) :
		    net_same(&s->addr, &server->addr))
			return true;
	}
	return false;
}

/* One connection would go round until no worker is left. */
static void
check_circle(const struct conf_listener *l, const char *key,
    const struct conf_backend *b, struct conf_report *report)
{
	for (size_t i = 0; i < b->servers.n; i++)
		if (listens_at(l, &b->servers.v[i].spec))
			conf_warn(report, "%s: %s: \"%s\" is where it "
			    "listens itself", l->where, key,
			    b->servers.v[i].text);
}

static void
check_circles(const struct conf *conf, struct conf_report *report)
{
	for (size_t i = 0; i < conf->nlisteners; i++) {
		const struct conf_listener	*l = &conf->listeners[i];

		for (size_t j = 0; j < conf_ways(l); j++)
			check_circle(l, j == 0 ||
			    j > l->tls.routes.n ? "forward" : "tls.routes",
			    conf_backend_of(conf, l, j), report);
	}
}

void
conf_check_top(const struct conf *conf, struct conf_report *report)
{
	if (report->nerrors == 0)	/* then all references are good */
		check_circles(conf, report);
	if (conf->timeouts.handshake < conf->timeouts.connect)
		conf_warn(report, "%s%stimeouts.handshake: shorter than "
		    "timeouts.connect, which is never reached",
		    CONF_FILE(conf));
	if (conf->control.path[0] == '\0' && conf->control.group[0] != '\0')
		conf_warn(report, "%s%scontrol.group: without control.path it "
		    "is of no effect", CONF_FILE(conf));
}
