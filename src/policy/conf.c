#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "policy/conf.h"
#include "policy/conf_keys.h"

#define ERRORS_MAX	100	/* more help nobody */

void
conf_complain(struct conf_report *report, const char *fmt, ...)
{
	char	 text[1024];
	va_list	 ap;

	if (report->nerrors == ERRORS_MAX)
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	report->errors = mem_resize(report->errors, report->nerrors + 1,
	    sizeof(*report->errors));
	report->errors[report->nerrors++] = mem_strdup(text);
}

void
conf_report_free(struct conf_report *report)
{
	for (size_t i = 0; i < report->nerrors; i++)
		free(report->errors[i]);
	free(report->errors);
	*report = (struct conf_report){ NULL, 0 };
}

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
		free(conf->backends[i].where);
	}
	for (size_t i = 0; i < conf->nlisteners; i++) {
		conf_keys_release(CONF_LISTENER, &conf->listeners[i]);
		free(conf->listeners[i].where);
	}
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

void
conf_set(struct conf *conf, const char *flag, const char *key,
    const char *value, struct conf_report *report)
{
	const char		*dot = strchr(key, '.');
	const struct conf_key	*group, *k;
	char			 name[32], why[512];
	void			*base = conf;

	snprintf(name, sizeof(name), "%.*s",
	    dot != NULL ? (int)(dot - key) : 0, key);
	if (strcmp(name, "listener") == 0) {
		if (conf->nlisteners == 0)
			conf_add_listener(conf, flag);
		base = &conf->listeners[0];
		k = conf_key_find(CONF_LISTENER, dot + 1);
	} else {
		group = conf_key_find(CONF_TOP, name);
		k = conf_key_find(group != NULL ? group->inner : CONF_TOP,
		    dot != NULL ? dot + 1 : key);
	}
	if (k == NULL)
		abort();	/* our own flags name our own keys */
	if (conf_key_set(k, base, value, why, sizeof(why)) == -1)
		conf_complain(report, "%s: %s", flag, why);
}

static bool
has_earlier_listener(const struct conf *conf, size_t i)
{
	for (size_t j = 0; j < i; j++)
		if (conf->listeners[j].name != NULL &&
		    strcmp(conf->listeners[j].name,
		    conf->listeners[i].name) == 0)
			return true;
	return false;
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

static void
resolve_forward(struct conf *conf, size_t i, struct conf_report *report)
{
	const char		*text = conf->listeners[i].forward;
	const char		*where = conf->listeners[i].where;
	const struct conf_key	*servers;
	struct conf_backend	*b;
	char			 why[512];

	if (strncmp(text, "backend:", 8) == 0) {
		b = find_backend(conf, text + 8, conf->nbackends);
		if (b == NULL)
			conf_complain(report, "%s: forward: \"%s\": there "
			    "is no backend of that name", where, text);
		else
			conf->listeners[i].backend =
			    (size_t)(b - conf->backends);
		return;
	}
	b = conf_add_backend(conf, where);
	b->implicit = true;
	b->name = mem_strdup(text);
	conf->listeners[i].backend = conf->nbackends - 1;
	servers = conf_key_find(CONF_BACKEND, "servers");
	if (conf_key_set(servers, b, text, why, sizeof(why)) == -1)
		conf_complain(report, "%s: forward: %s", where, why);
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

static void
check_listeners(struct conf *conf, struct conf_report *report)
{
	for (size_t i = 0; i < conf->nlisteners; i++) {
		struct conf_listener	*l = &conf->listeners[i];

		l->pool = "tcp";
		if (l->name != NULL && has_earlier_listener(conf, i))
			conf_complain(report, "%s: name: \"%s\" is the name "
			    "of an earlier listener", l->where, l->name);
		check_listen(conf, l, report);
		if (l->forward != NULL)
			resolve_forward(conf, i, report);
	}
}

static void
check_backends(struct conf *conf, struct conf_report *report)
{
	for (size_t i = 0; i < conf->nbackends; i++) {
		struct conf_backend	*b = &conf->backends[i];

		if (!b->implicit && b->name != NULL &&
		    find_backend(conf, b->name, i) != NULL)
			conf_complain(report, "%s: name: \"%s\" is the name "
			    "of an earlier backend", b->where, b->name);
		for (size_t j = 0; j < b->servers.n; j++)
			if (b->servers.v[j].spec.kind == NET_NAME)
				b->servers.v[j].book = conf->nbook++;
	}
}

int
conf_finish(struct conf *conf, struct conf_report *report)
{
	if (conf->workers.spare > conf->workers.max)
		conf->workers.spare = conf->workers.max;
	if (conf->nlisteners == 0 && report->nerrors == 0)
		conf_complain(report, "listeners: there is none, so nothing "
		    "to do");
	check_listeners(conf, report);
	check_backends(conf, report);
	return report->nerrors == 0 ? 0 : -1;
}

static void	 print_section(const struct conf *, enum conf_section,
		    const void *, int, FILE *);

static void
print_list(const struct conf *conf, const struct conf_key *k, FILE *out)
{
	bool	 backends = k->inner == CONF_BACKEND, first = true;
	size_t	 n = backends ? conf->nbackends : conf->nlisteners;

	fprintf(out, "%s = (", k->name);
	for (size_t i = 0; i < n; i++) {
		if (backends && conf->backends[i].implicit)
			continue;
		fprintf(out, "%s\n\t{\n", first ? "" : ",");
		first = false;
		print_section(conf, k->inner, backends ?
		    (const void *)&conf->backends[i] :
		    (const void *)&conf->listeners[i], 2, out);
		fprintf(out, "\t}");
	}
	fprintf(out, "\n);\n");
}

static void
print_section(const struct conf *conf, enum conf_section section,
    const void *base, int depth, FILE *out)
{
	for (const struct conf_key *k = conf_keys; k->name != NULL; k++) {
		if (k->section != section)
			continue;
		if (k->type == CONF_LIST) {
			print_list(conf, k, out);
			continue;
		}
		fprintf(out, "%.*s%s = ", depth, "\t\t\t", k->name);
		if (k->type == CONF_GROUP) {
			fprintf(out, "{\n");
			print_section(conf, k->inner, base, depth + 1, out);
			fprintf(out, "}");
		} else
			conf_key_print(k, base, out);
		fprintf(out, ";\n");
	}
}

void
conf_print(const struct conf *conf, FILE *out)
{
	print_section(conf, CONF_TOP, conf, 0, out);
}
