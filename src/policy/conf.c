#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "policy/conf.h"
#include "policy/conf_keys.h"
#include "policy/conf_value.h"

struct conf *
conf_new(void)
{
	struct conf	*conf = mem_calloc(1, sizeof(*conf));

	conf_keys_preset(CONF_TOP, conf);
	return conf;
}

void
conf_free(struct conf **confp)
{
	struct conf	*conf = *confp;

	if (conf == NULL)
		return;
	for (size_t i = 0; i < conf->nbackends; i++) {
		conf_keys_release(CONF_BACKEND, &conf->backends[i]);
		free(conf->backends[i].topic);
		free(conf->backends[i].where);
	}
	for (size_t i = 0; i < conf->nlisteners; i++) {
		conf_keys_release(CONF_LISTENER, &conf->listeners[i]);
		free(conf->listeners[i].where);
	}
	for (size_t i = 0; i < conf->hubs.n; i++)
		free(conf->hubs.v[i].pool);
	free(conf->file);
	free(conf->ini);
	free(conf->backends);
	free(conf->listeners);
	conf_keys_release(CONF_TOP, conf);
	free(conf);
	*confp = NULL;
}

struct conf_backend *
conf_add_backend(struct conf *conf, const char *where)
{
	struct conf_backend	*b;

	conf->backends = mem_resize(conf->backends, conf->nbackends + 1,
	    sizeof(*conf->backends));
	b = &conf->backends[conf->nbackends++];
	memset(b, 0, sizeof(*b));
	b->where = mem_strdup(where);
	b->hub = CONF_NOWHERE;
	conf_keys_preset(CONF_BACKEND, b);
	return b;
}

struct conf_listener *
conf_add_listener(struct conf *conf, const char *where)
{
	struct conf_listener	*l;

	conf->listeners = mem_resize(conf->listeners, conf->nlisteners + 1,
	    sizeof(*conf->listeners));
	l = &conf->listeners[conf->nlisteners++];
	memset(l, 0, sizeof(*l));
	l->where = mem_strdup(where);
	conf_keys_preset(CONF_LISTENER, l);
	return l;
}

size_t
conf_ways(const struct conf_listener *l)
{
	return 1 + l->tls.routes.n + l->nfallbacks;
}

const struct conf_backend *
conf_backend_of(const struct conf *conf, const struct conf_listener *l,
    size_t i)
{
	size_t	 b = CONF_NOWHERE;

	if (i == 0)
		b = l->backend;
	else if (i <= l->tls.routes.n)
		b = l->tls.routes.v[i - 1].backend;
	else if (i < conf_ways(l))
		b = l->fallbacks[i - 1 - l->tls.routes.n];
	return b == CONF_NOWHERE ? NULL : &conf->backends[b];
}

bool
conf_backend_has(const struct conf_backend *b, size_t index)
{
	return b != NULL && b->servers.n > 0 &&
	    index >= b->servers.v[0].index &&
	    index - b->servers.v[0].index < b->servers.n;
}

/* "key", or "group.key", of a section. */
static const struct conf_key *
find_in(enum conf_section section, const char *key)
{
	const char		*dot = strchr(key, '.');
	const struct conf_key	*group;
	char			 name[32];

	if (dot == NULL)
		return conf_key_find(section, key);
	snprintf(name, sizeof(name), "%.*s", (int)(dot - key), key);
	group = conf_key_find(section, name);
	return group != NULL ? conf_key_find(group->inner, dot + 1) : NULL;
}

void
conf_set(struct conf *conf, const char *flag, const char *key,
    const char *value, struct conf_report *report)
{
	const char		*dot = strchr(key, '.');
	const struct conf_key	*k;
	char			 name[32], why[512];
	void			*base = conf;

	snprintf(name, sizeof(name), "%.*s",
	    dot != NULL ? (int)(dot - key) : 0, key);
	if (strcmp(name, "listener") == 0) {
		if (conf->nlisteners == 0)
			conf_add_listener(conf, flag);
		base = &conf->listeners[0];
		k = find_in(CONF_LISTENER, dot + 1);
	} else
		k = find_in(CONF_TOP, key);
	if (k == NULL)
		abort();	/* our own flags name our own keys */
	if (conf_key_set(k, base, value, why, sizeof(why)) == -1)
		conf_complain(report, "%s: %s", flag, why);
}
