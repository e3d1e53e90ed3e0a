#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <libconfig.h>

#include "base/mem.h"
#include "policy/conf.h"
#include "policy/conf_include.h"
#include "policy/conf_keys.h"
#include "policy/conf_value.h"

#define EXTRA_MAX	1000	/* files of conf_d */

/* What one run of reading needs at every step. */
struct reading {
	struct conf			*conf;
	struct conf_report		*report;
	const struct conf_include	*inc;
	bool				 extra;		/* a file of conf_d */
};

/* "file:line" of a setting. */
static const char *
place(const struct reading *rd, const config_setting_t *s, char *buf,
    size_t size)
{
	unsigned int	 line;
	const char	*file = conf_include_place(rd->inc,
			    (unsigned)config_setting_source_line(s), &line);

	snprintf(buf, size, "%s:%u", file, line);
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
	conf_complain(rd->report, "%s: %s: %s",
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
		    k->type == CONF_SIZE || k->type == CONF_RATE;

	switch (config_setting_type(s)) {
	case CONFIG_TYPE_BOOL:
		if (k->type != CONF_BOOL)
			return NULL;
		return config_setting_get_bool(s) ? "true" : "false";
	case CONFIG_TYPE_INT:
	case CONFIG_TYPE_INT64:
		if (!number)
			return NULL;
		snprintf(buf, size, "%lld",
		    (long long)config_setting_get_int64(s));
		return buf;
	case CONFIG_TYPE_STRING:
		return k->type == CONF_INT || k->type == CONF_BOOL ? NULL :
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

static void	 read_section(const struct reading *,
		    const config_setting_t *, enum conf_section, void *);

/* A server with more than its address. */
static void
read_server(const struct reading *rd, const config_setting_t *s,
    const struct conf_key *k, void *base)
{
	struct conf_servers	*list = (void *)((char *)base + k->offset);
	struct conf_server	*server = conf_key_add_server(k, base);
	char			 what[64];

	if (server == NULL) {
		snprintf(what, sizeof(what), "more than %d servers",
		    CONF_ADDRS_MAX);
		complain_at(rd, s, what);
		return;
	}
	read_section(rd, s, k->inner, server);
	/* Without an address, which was told, it is none. */
	if (server->text == NULL)
		list->n--;
}

static void
read_element(const struct reading *rd, const config_setting_t *s,
    const struct conf_key *k, void *base)
{
	if (k->type == CONF_SERVERS && config_setting_is_group(s))
		read_server(rd, s, k, base);
	else
		read_scalar(rd, s, k, base);
}

/* One value, or a list or array of them. */
static void
read_elements(const struct reading *rd, const config_setting_t *s,
    const struct conf_key *k, void *base)
{
	if (!config_setting_is_aggregate(s) || config_setting_is_group(s)) {
		read_element(rd, s, k, base);
		return;
	}
	if (config_setting_length(s) == 0 && k->type != CONF_NETS)
		complain_at(rd, s, "the list is empty");
	for (int i = 0; i < config_setting_length(s); i++)
		read_element(rd, config_setting_get_elem(s, (unsigned)i), k,
		    base);
}

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
			base = conf_add_backend(rd->conf, where);
		else
			base = conf_add_listener(rd->conf, where);
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
	case CONF_NETS:
		read_elements(rd, s, k, base);
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
		if (rd->extra && section == CONF_TOP && k->type != CONF_LIST) {
			complain_at(rd, s, "a file of conf_d may hold "
			    "backends and listeners only");
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

/* Where libconfig says it is, as the user knows it. */
static void
complain_parse(const struct reading *rd, const config_t *cfg)
{
	unsigned int	 line;
	const char	*file = conf_include_place(rd->inc,
			    (unsigned)config_error_line(cfg), &line);

	conf_complain(rd->report, "%s:%u: %s", file, line,
	    config_error_text(cfg));
}

/*
 * Read what was put together.  When it names a folder conf_d, `where' tells
 * the place.  Takes over inc, which may be NULL: the reason was told then.
 */
static void
read_included(struct reading *rd, struct conf_include *inc, char *where,
    size_t size)
{
	const config_setting_t	*s;
	config_t		 cfg;

	if (inc == NULL)
		return;
	rd->inc = inc;
	config_init(&cfg);
	if (config_read_string(&cfg, conf_include_whole(inc)) != CONFIG_TRUE)
		complain_parse(rd, &cfg);
	else {
		read_section(rd, config_root_setting(&cfg), CONF_TOP,
		    rd->conf);
		s = config_setting_get_member(config_root_setting(&cfg),
		    "conf_d");
		if (s != NULL)
			place(rd, s, where, size);
	}
	config_destroy(&cfg);
	rd->inc = NULL;
	conf_include_free(&inc);
}

static int
is_extra(const struct dirent *d)
{
	size_t	 len = strlen(d->d_name);

	return d->d_name[0] != '.' && len > 5 &&
	    strcmp(d->d_name + len - 5, ".conf") == 0;
}

static int
in_order(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static void
read_folder(struct reading *rd, const char *folder, const char *where,
    size_t *left)
{
	struct dirent	**entries;
	char		 *path, unused[1];
	int		  n = scandir(folder, &entries, is_extra, in_order);

	if (n == -1) {
		conf_complain(rd->report, "%s: conf_d: %s: %s", where, folder,
		    strerror(errno));
		return;
	}
	if (n > EXTRA_MAX)
		conf_complain(rd->report, "%s: conf_d: %s: more than %d "
		    "files", where, folder, EXTRA_MAX);
	rd->extra = true;
	for (int i = 0; i < n; i++) {
		path = mem_printf("%s/%s", folder, entries[i]->d_name);
		if (n <= EXTRA_MAX)
			read_included(rd, conf_include_file(path, left,
			    rd->report), unused, sizeof(unused));
		free(path);
		free(entries[i]);
	}
	free(entries);
}

/* The folder is meant from the main file's. */
static void
read_conf_d(struct reading *rd, const char *name, const char *where,
    size_t *left)
{
	const char	*slash = strrchr(name, '/');
	char		*folder, *given = rd->conf->conf_d;

	if (given[0] == '\0')
		return;
	if (given[0] == '/' || slash == NULL)
		folder = mem_strdup(given);
	else
		folder = mem_printf("%.*s/%s", (int)(slash - name), name,
		    given);
	read_folder(rd, folder, where, left);
	free(folder);
	given[0] = '\0';
}

void
conf_read_text(struct conf *conf, const char *name, const char *text,
    size_t len, struct conf_report *report)
{
	struct reading	 rd = { .conf = conf, .report = report };
	size_t		 left = CONF_TOTAL_MAX;
	char		 where[512];

	read_included(&rd, conf_include_text(name, text, len, &left, report),
	    where, sizeof(where));
	read_conf_d(&rd, name, where, &left);
}

void
conf_read_file(struct conf *conf, const char *path, struct conf_report *report)
{
	struct reading	 rd = { .conf = conf, .report = report };
	size_t		 left = CONF_TOTAL_MAX;
	char		 where[512];

	read_included(&rd, conf_include_file(path, &left, report), where,
	    sizeof(where));
	read_conf_d(&rd, path, where, &left);
}
