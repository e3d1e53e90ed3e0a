#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <libconfig.h>

#include "base/io.h"
#include "base/mem.h"
#include "policy/conf.h"
#include "policy/conf_keys.h"
#include "policy/conf_text.h"

#define ERRORS_MAX	100	/* more help nobody */

static void __attribute__((format(printf, 2, 3)))
complain(struct conf_report *report, const char *fmt, ...)
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

static struct conf_backend *
add_backend(struct conf *conf, const char *where)
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

static struct conf_listener *
add_listener(struct conf *conf, const char *where)
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

/* What one run of reading needs at every step. */
struct reading {
	struct conf		*conf;
	struct conf_report	*report;
	const char		*name;		/* of the file being read */
};

/* "file:line" of a setting; included files are known by their own name. */
static const char *
place(const struct reading *rd, const config_setting_t *s, char *buf,
    size_t size)
{
	const char	*file = config_setting_source_file(s);

	snprintf(buf, size, "%s:%u", file != NULL ? file : rd->name,
	    (unsigned)config_setting_source_line(s));
	return buf;
}

/* Elements of a list have no name: "listeners[0].listen". */
static void
path_of(const config_setting_t *s, char *buf, size_t size)
{
	const config_setting_t	*up = config_setting_parent(s);
	const char		*name = config_setting_name(s);
	size_t			 n;

	if (up == NULL) {
		buf[0] = '\0';
		return;
	}
	path_of(up, buf, size);
	n = strlen(buf);
	if (name != NULL)
		snprintf(buf + n, size - n, "%s%s", n > 0 ? "." : "", name);
	else
		snprintf(buf + n, size - n, "[%d]",
		    config_setting_index(s));
}

static void
complain_at(const struct reading *rd, const config_setting_t *s,
    const char *what)
{
	char	 where[512], path[256];

	path_of(s, path, sizeof(path));
	complain(rd->report, "%s: %s: %s",
	    place(rd, s, where, sizeof(where)), path, what);
}

static void
complain_wants(const struct reading *rd, const config_setting_t *s,
    const struct conf_key *k)
{
	char	 wants[256];

	conf_key_wants(k, wants, sizeof(wants));
	complain_at(rd, s, wants);
}

/* The scalar as text when its type is one that the key may have. */
static const char *
scalar(const struct conf_key *k, const config_setting_t *s, char *buf,
    size_t size)
{
	bool	 number = k->type == CONF_INT || k->type == CONF_TIME ||
		    k->type == CONF_SIZE;

	switch (config_setting_type(s)) {
	case CONFIG_TYPE_INT:
	case CONFIG_TYPE_INT64:
		if (!number)
			return NULL;
		snprintf(buf, size, "%lld",
		    (long long)config_setting_get_int64(s));
		return buf;
	case CONFIG_TYPE_STRING:
		return k->type == CONF_INT ? NULL :
		    config_setting_get_string(s);
	default:
		return NULL;
	}
}

static void
read_scalar(const struct reading *rd, const config_setting_t *s,
    const struct conf_key *k, void *base)
{
	char		 buf[32], why[512];
	const char	*text = scalar(k, s, buf, sizeof(buf));

	if (text == NULL)
		complain_wants(rd, s, k);
	else if (conf_key_set(k, base, text, why, sizeof(why)) == -1)
		complain_at(rd, s, why);
}

/* One address, or a list or array of them. */
static void
read_addrs(const struct reading *rd, const config_setting_t *s,
    const struct conf_key *k, void *base)
{
	if (!config_setting_is_aggregate(s) || config_setting_is_group(s)) {
		read_scalar(rd, s, k, base);
		return;
	}
	if (config_setting_length(s) == 0)
		complain_at(rd, s, "the list is empty");
	for (int i = 0; i < config_setting_length(s); i++)
		read_scalar(rd, config_setting_get_elem(s, (unsigned)i), k,
		    base);
}

static void	 read_section(const struct reading *,
		    const config_setting_t *, enum conf_section, void *);

static void
read_list(const struct reading *rd, const config_setting_t *list,
    const struct conf_key *k)
{
	size_t	 max = k->inner == CONF_BACKEND ? CONF_BACKENDS_MAX :
		    CONF_LISTENERS_MAX;
	size_t	 had = k->inner == CONF_BACKEND ? rd->conf->nbackends :
		    rd->conf->nlisteners;
	char	 where[512];

	if (!config_setting_is_list(list)) {
		complain_wants(rd, list, k);
		return;
	}
	if (had + (size_t)config_setting_length(list) > max) {
		snprintf(where, sizeof(where), "at most %zu of them", max);
		complain_at(rd, list, where);
		return;
	}
	for (int i = 0; i < config_setting_length(list); i++) {
		config_setting_t	*s =
		    config_setting_get_elem(list, (unsigned)i);
		void			*base;

		if (!config_setting_is_group(s)) {
			complain_wants(rd, s, k);
			continue;
		}
		place(rd, s, where, sizeof(where));
		if (k->inner == CONF_BACKEND)
			base = add_backend(rd->conf, where);
		else
			base = add_listener(rd->conf, where);
		read_section(rd, s, k->inner, base);
	}
}

static void
read_setting(const struct reading *rd, const config_setting_t *s,
    const struct conf_key *k, void *base)
{
	switch (k->type) {
	case CONF_GROUP:
		if (config_setting_is_group(s))
			read_section(rd, s, k->inner, base);
		else
			complain_wants(rd, s, k);
		break;
	case CONF_LIST:
		read_list(rd, s, k);
		break;
	case CONF_LISTEN:
	case CONF_SERVERS:
		read_addrs(rd, s, k, base);
		break;
	default:
		read_scalar(rd, s, k, base);
	}
}

/* "unknown key; here are: a, b, c" */
static void
complain_unknown(const struct reading *rd, const config_setting_t *s,
    enum conf_section section)
{
	char	 what[512];
	size_t	 n;

	n = (size_t)snprintf(what, sizeof(what),
	    "no such key; there are");
	for (const struct conf_key *k = conf_keys; k->name != NULL; k++)
		if (k->section == section && n < sizeof(what))
			n += (size_t)snprintf(what + n, sizeof(what) - n,
			    " %s", k->name);
	complain_at(rd, s, what);
}

static void
read_section(const struct reading *rd, const config_setting_t *group,
    enum conf_section section, void *base)
{
	for (int i = 0; i < config_setting_length(group); i++) {
		config_setting_t	*s =
		    config_setting_get_elem(group, (unsigned)i);
		const struct conf_key	*k =
		    conf_key_find(section, config_setting_name(s));

		if (k == NULL) {
			complain_unknown(rd, s, section);
			continue;
		}
		read_setting(rd, s, k, base);
	}
	for (const struct conf_key *k = conf_keys; k->name != NULL; k++) {
		char	 what[128];

		if (k->section != section || k->preset != NULL ||
		    section == CONF_TOP ||
		    config_setting_get_member(group, k->name) != NULL)
			continue;
		snprintf(what, sizeof(what), "needs the key %s", k->name);
		complain_at(rd, group, what);
	}
}

/* Would libconfig read the text as it stands? */
static bool
check_text(const char *name, const char *text, size_t len,
    struct conf_report *report)
{
	unsigned int	 line;
	const char	*why = conf_text_check(text, len, &line);

	if (why != NULL)
		complain(report, "%s:%u: %s", name, line, why);
	return why == NULL;
}

static char *
read_whole(const char *path, size_t *len)
{
	char	*text = NULL;
	int	 fd, error;

	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (fd == -1)
		return NULL;
	text = io_read_file(fd, CONF_FILE_MAX, len);
	error = errno;
	close(fd);
	errno = error;
	return text;
}

/*
 * Files that were included: libconfig has read them without our check.  It
 * knows them as they were written, to be found in `folder'.
 */
static void
check_included(const config_setting_t *s, const char *folder,
    const char **last, struct conf_report *report)
{
	const char	*file = config_setting_source_file(s);
	char		*path, *text;
	size_t		 len;

	if (file != NULL && (*last == NULL || strcmp(file, *last) != 0)) {
		*last = file;
		path = mem_printf("%s/%s", folder, file);
		text = read_whole(path, &len);
		if (text != NULL)
			(void)check_text(file, text, len, report);
		free(text);
		free(path);
	}
	if (!config_setting_is_aggregate(s))
		return;
	for (int i = 0; i < config_setting_length(s); i++)
		check_included(config_setting_get_elem(s, (unsigned)i), folder,
		    last, report);
}

void
conf_read_text(struct conf *conf, const char *name, const char *text,
    size_t len, struct conf_report *report)
{
	struct reading	 rd = { conf, report, name };
	config_t	 cfg;
	const char	*last = NULL;
	char		*copy, *folder;

	if (!check_text(name, text, len, report))
		return;
	config_init(&cfg);
	copy = mem_strdup(name);
	folder = dirname(copy);
	config_set_include_dir(&cfg, folder);
	if (config_read_string(&cfg, text) != CONFIG_TRUE)
		complain(report, "%s:%d: %s",
		    config_error_file(&cfg) != NULL ?
		    config_error_file(&cfg) : name,
		    config_error_line(&cfg), config_error_text(&cfg));
	else {
		check_included(config_root_setting(&cfg), folder, &last,
		    report);
		read_section(&rd, config_root_setting(&cfg), CONF_TOP, conf);
	}
	config_destroy(&cfg);
	free(copy);
}

void
conf_read_file(struct conf *conf, const char *path, struct conf_report *report)
{
	size_t	 len;
	char	*text = read_whole(path, &len);

	if (text == NULL)
		complain(report, "%s: %s", path, errno == EFBIG ?
		    "longer than 1 MiB, so no configuration" :
		    strerror(errno));
	else
		conf_read_text(conf, path, text, len, report);
	free(text);
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
			add_listener(conf, flag);
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
		complain(report, "%s: %s", flag, why);
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
			complain(report, "%s: forward: \"%s\": there is no "
			    "backend of that name", where, text);
		else
			conf->listeners[i].backend =
			    (size_t)(b - conf->backends);
		return;
	}
	b = add_backend(conf, where);
	b->implicit = true;
	b->name = mem_strdup(text);
	conf->listeners[i].backend = conf->nbackends - 1;
	servers = conf_key_find(CONF_BACKEND, "servers");
	if (conf_key_set(servers, b, text, why, sizeof(why)) == -1)
		complain(report, "%s: forward: %s", where, why);
}

/* ":80" and "0.0.0.0:80" clash in the kernel; equal text clashes here. */
static void
check_listen(const struct conf *conf, const struct conf_listener *l,
    struct conf_report *report)
{
	for (size_t i = 0; i < l->listen.n; i++) {
		const char	*text = l->listen.v[i].text;

		for (const struct conf_listener *o = conf->listeners;
		    o <= l; o++)
			for (size_t j = 0; j < o->listen.n; j++) {
				if (o == l && j >= i)
					break;
				if (strcmp(o->listen.v[j].text, text) == 0)
					complain(report, "%s: listen: \"%s\" "
					    "is taken by %s", l->where, text,
					    o->where);
			}
	}
}

static void
check_listeners(struct conf *conf, struct conf_report *report)
{
	for (size_t i = 0; i < conf->nlisteners; i++) {
		struct conf_listener	*l = &conf->listeners[i];

		l->pool = "tcp";
		if (l->name != NULL && has_earlier_listener(conf, i))
			complain(report, "%s: name: \"%s\" is the name of an "
			    "earlier listener", l->where, l->name);
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
			complain(report, "%s: name: \"%s\" is the name of an "
			    "earlier backend", b->where, b->name);
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
		complain(report, "listeners: there is none, so nothing "
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
