#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "policy/conf.h"
#include "policy/conf_assign.h"
#include "policy/conf_check.h"
#include "policy/conf_check_mysql.h"
#include "policy/conf_check_tls.h"
#include "policy/conf_check_totp.h"
#include "policy/conf_keys.h"
#include "policy/conf_tunnel.h"
#include "policy/conf_value.h"

static const struct conf_listener *
earlier_listener(const struct conf *conf, const struct conf_listener *l)
{
	for (const struct conf_listener *o = conf->listeners; o < l; o++)
		if (o->name != NULL && strcmp(o->name, l->name) == 0)
			return o;
	return NULL;
}

static struct conf_backend *
find_backend(const struct conf *conf, const char *name, size_t before)
{
	for (size_t i = 0; i < before; i++)
		if (conf->backends[i].name != NULL &&
		    !conf->backends[i].implicit &&
		    strcmp(conf->backends[i].name, name) == 0)
			return &conf->backends[i];
	return NULL;
}

/* The number of the backend that the key's text means. */
static size_t
resolve(struct conf *conf, const char *where, const char *key,
    const char *text, struct conf_report *report)
{
	const struct conf_key	*servers;
	struct conf_backend	*b;
	char			 why[512];

	if (text == NULL)		/* told already, as is what follows */
		return CONF_NOWHERE;
	if (strncmp(text, "backend:", 8) == 0) {
		b = find_backend(conf, text + 8, conf->nbackends);
		if (b != NULL)
			return (size_t)(b - conf->backends);
		conf_complain(report, "%s: %s: \"%s\": there is no backend "
		    "of that name", where, key, text);
		return CONF_NOWHERE;
	}
	if (strncmp(text, "topic:", 6) == 0)
		return conf_topic_backend(conf, where, key, text, report);
	b = conf_add_backend(conf, where);
	b->implicit = true;
	b->name = mem_strdup(text);
	servers = conf_key_find(CONF_BACKEND, "servers");
	if (conf_key_set(servers, b, text, why, sizeof(why)) == -1)
		conf_complain(report, "%s: %s: %s", where, key, why);
	return conf->nbackends - 1;
}

/* A backend of no servers, for who must have one. */
static size_t
nowhere(struct conf *conf, const char *where)
{
	struct conf_backend	*b = conf_add_backend(conf, where);

	b->implicit = true;
	b->name = mem_strdup("");
	return conf->nbackends - 1;
}

static void
resolve_forwards(struct conf *conf, struct conf_listener *l,
    struct conf_report *report)
{
	char	 key[64];

	if (l->protocol == CONF_ASSIGNED && l->forward.n == 0)
		l->backend = conf->hubs.v[l->hub].backend;
	else if (conf_is_hub(l) || l->protocol == CONF_MAPPED)
		l->backend = nowhere(conf, l->where);
	else
		l->backend = resolve(conf, l->where, "forward",
		    l->forward.n > 0 ? l->forward.v[0] : NULL, report);
	if (l->forward.n > CONF_FORWARDS_MAX)
		conf_complain(report, "%s: forward: more than %d of them",
		    l->where, CONF_FORWARDS_MAX);
	for (size_t i = 1; i < l->forward.n && i < CONF_FORWARDS_MAX; i++)
		l->fallbacks[l->nfallbacks++] = resolve(conf, l->where,
		    "forward", l->forward.v[i], report);
	for (size_t i = 0; i < l->tls.routes.n; i++) {
		snprintf(key, sizeof(key), "tls.routes[%zu].forward", i);
		l->tls.routes.v[i].backend = resolve(conf, l->where, key,
		    l->tls.routes.v[i].forward, report);
	}
}

/* The listener before `l', or `l' itself before address i, that has `text'. */
static const struct conf_listener *
taken_by(const struct conf *conf, const struct conf_listener *l, size_t i,
    const char *text)
{
	for (const struct conf_listener *o = conf->listeners; o <= l; o++)
		for (size_t j = 0; j < (o == l ? i : o->listen.n); j++)
			if (strcmp(o->listen.v[j].text, text) == 0)
				return o;
	return NULL;
}

/* ":80" and "0.0.0.0:80" clash in the kernel; equal text clashes here. */
static void
check_listen(const struct conf *conf, const struct conf_listener *l,
    struct conf_report *report)
{
	const struct conf_listener	*o;

	for (size_t i = 0; i < l->listen.n; i++) {
		o = taken_by(conf, l, i, l->listen.v[i].text);
		if (o != NULL)
			conf_complain(report, "%s: listen: \"%s\" is taken "
			    "by %s", l->where, l->listen.v[i].text, o->where);
	}
}

/* The first listener of the same pool, which may be this one. */
static const struct conf_listener *
first_of_pool(const struct conf *conf, const struct conf_listener *l)
{
	const struct conf_listener	*o = conf->listeners;

	while (o < l && strcmp(o->pool, l->pool) != 0)
		o++;
	return o;
}

/* Without a pool a listener has the one of its protocol. */
static void
resolve_pool(const struct conf *conf, struct conf_listener *l, size_t *npools,
    struct conf_report *report)
{
	const struct conf_key		*k = conf_key_find(CONF_LISTENER,
					    "protocol");
	const struct conf_listener	*first;

	if (l->pool[0] == '\0') {
		free(l->pool);
		l->pool = mem_strdup(k->choices[l->protocol]);
	}
	first = first_of_pool(conf, l);
	if (first->protocol != l->protocol && l->protocol != CONF_MAPPED &&
	    l->protocol != CONF_ASSIGNED)
		conf_complain(report, "%s: pool: \"%s\" has listeners of "
		    "another protocol, as %s", l->where, l->pool,
		    first->where);
	*npools += first == l;
	if (first == l && *npools == CONF_POOLS_MAX + 1)
		conf_complain(report, "%s: pool: more than %d pools",
		    l->where, CONF_POOLS_MAX);
}

static void
finish_listener(struct conf *conf, size_t i, size_t *npools,
    struct conf_report *report)
{
	struct conf_listener		*l = &conf->listeners[i];
	const struct conf_listener	*o;

	o = l->name != NULL ? earlier_listener(conf, l) : NULL;
	if (o != NULL)
		conf_complain(report, "%s: name: \"%s\" is the name of an "
		    "earlier listener, %s", l->where, l->name, o->where);
	check_listen(conf, l, report);
	resolve_pool(conf, l, npools, report);
	resolve_forwards(conf, l, report);
	conf_check_listener(l, report);
	conf_check_listener_tls(l, report);
	conf_check_listener_hub(l, report);
	conf_check_listener_mysql(conf, l, report);
	l->admitted = l->max_sessions > 0 || l->max_sessions_per_source > 0 ||
	    l->rate_per_source.count > 0 || l->handshakes > 0;
}

static void
finish_backend(struct conf *conf, size_t i, struct conf_report *report)
{
	struct conf_backend		*b = &conf->backends[i];
	const struct conf_backend	*o;

	o = !b->implicit && b->name != NULL ?
	    find_backend(conf, b->name, i) : NULL;
	if (o != NULL)
		conf_complain(report, "%s: name: \"%s\" is the name of an "
		    "earlier backend, %s", b->where, b->name, o->where);
	b->placed = b->balance == BALANCE_LEASTCONN;
	for (size_t j = 0; j < b->servers.n; j++) {
		b->placed |= b->servers.v[j].max_sessions > 0;
		b->servers.v[j].index = conf->nservers++;
		if (conf->nservers == CONF_SERVERS_MAX + 1)
			conf_complain(report, "%s: servers: more than %d in "
			    "all backends", b->where, CONF_SERVERS_MAX);
	}
	conf_check_backend(b, report);
	if (b->hub == CONF_NOWHERE)
		conf_check_backend_tls(b, report);
}

/* A hub may have it do something. */
static bool
accepts_any(const struct conf *conf)
{
	for (size_t i = 0; i < conf->hubs.n; i++)
		if (conf->hubs.v[i].accept_assign.n > 0)
			return true;
	return false;
}

int
conf_finish(struct conf *conf, struct conf_report *report)
{
	size_t	 npools = 0;

	if (conf->workers.spare > conf->workers.max)
		conf->workers.spare = conf->workers.max;
	if (conf->nlisteners == 0 && conf->publishes.n == 0 &&
	    !accepts_any(conf) && report->nerrors == 0)
		conf_complain(report, "%s%slisteners: there is none, so "
		    "nothing to do", CONF_FILE(conf));
	conf_tunnel_finish(conf, report);
	conf_assign_finish(conf, report);
	/* Listeners first: what they forward to may be a backend more. */
	for (size_t i = 0; i < conf->nlisteners; i++)
		finish_listener(conf, i, &npools, report);
	conf->nservers = 0;
	for (size_t i = 0; i < conf->nbackends; i++)
		finish_backend(conf, i, report);
	conf_check_links_tls(conf, report);
	conf_check_tables(conf, report);
	conf_check_totp(conf, report);
	conf_check_top(conf, report);
	return report->nerrors == 0 ? 0 : -1;
}
