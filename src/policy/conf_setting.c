#include <string.h>

#include <libconfig.h>

#include "base/mem.h"
#include "policy/conf_keys.h"
#include "policy/conf_setting.h"
#include "policy/conf_tunnel.h"
#include "policy/conf_value.h"

/* What one run of reading needs at every step. */
struct reading {
	struct conf			*conf;
	struct conf_report		*report;
	const struct conf_include	*inc;
	bool				 lists_only;	/* a file of conf_d */
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
	size_t	 len;

	conf_key_wants(k, wants, sizeof(wants));
	len = strlen(wants);
	if (k->type == CONF_INT &&
	    config_setting_type(s) == CONFIG_TYPE_STRING)
		snprintf(wants + len, sizeof(wants) - len,
		    ", without quotes");
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

/* Is a text missing that the section cannot be without? */
static bool
lacks_text(enum conf_section section, const void *item)
{
	for (const struct conf_key *k = conf_keys; k->name != NULL; k++)
		if (k->section == section && k->preset == NULL &&
		    k->type != CONF_TEXTS && k->type != CONF_SERVERS &&
		    *(char *const *)(const void *)((const char *)item +
		    k->offset) == NULL)
			return true;
	return false;
}

/* A server with more than its address, a route, an account or a group. */
static void
read_item(const struct reading *rd, const config_setting_t *s,
    const struct conf_key *k, void *base)
{
	void	*item = conf_key_add_item(k, base);
	char	**where, what[512];

	if (item == NULL) {
		snprintf(what, sizeof(what), "more than %zu %s",
		    conf_key_count_max(k), k->name);
		complain_at(rd, s, what);
		return;
	}
	where = conf_key_where(k, item);
	if (where != NULL)
		*where = mem_strdup(place(rd, s, what, sizeof(what)));
	read_section(rd, s, k->inner, item);
	/* Without where it is or leads, which was told, it is none. */
	if (lacks_text(k->inner, item))
		conf_key_drop_item(k, base);
}

static void
read_element(const struct reading *rd, const config_setting_t *s,
    const struct conf_key *k, void *base)
{
	if (!config_setting_is_group(s))
		read_scalar(rd, s, k, base);
	else if (conf_key_is_list(k))
		read_item(rd, s, k, base);
	else
		complain_wants(rd, s, k);
}

/* Sessions at a hub go where they ask to, or where agents have them from. */
static bool
leads_nowhere(const struct conf_key *k, const void *base)
{
	return k->section == CONF_LISTENER &&
	    strcmp(k->name, "forward") == 0 &&
	    conf_is_hub(base);
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
	if (config_setting_length(s) == 0 && k->preset == NULL &&
	    !leads_nowhere(k, base))
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
	case CONF_TEXTS:
	case CONF_PATHS:
	case CONF_ROUTES:
	case CONF_ACCOUNTS:
	case CONF_GROUPS:
	case CONF_AGENTS:
	case CONF_TOPICS:
	case CONF_HUBS:
	case CONF_PUBLISHES:
	case CONF_ASSIGNS:
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
		if (rd->lists_only && section == CONF_TOP &&
		    k->type != CONF_LIST) {
			complain_at(rd, s, "a file of conf_d may hold "
			    "backends and listeners only");
			continue;
		}
		read_setting(rd, s, k, base);
	}
	for (const struct conf_key *k = conf_keys; k->name != NULL; k++) {
		char	 what[128];

		if (k->section != section || k->preset != NULL ||
		    section == CONF_TOP || leads_nowhere(k, base) ||
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

void
conf_setting_read(struct conf *conf, const struct conf_include *inc,
    bool lists_only, struct conf_report *report, char *where, size_t size)
{
	const struct reading	 rd = { conf, report, inc, lists_only };
	const config_setting_t	*root, *s;
	config_t		 cfg;

	config_init(&cfg);
	if (config_read_string(&cfg, conf_include_whole(inc)) != CONFIG_TRUE)
		complain_parse(&rd, &cfg);
	else {
		root = config_root_setting(&cfg);
		read_section(&rd, root, CONF_TOP, conf);
		s = config_setting_get_member(root, "conf_d");
		if (s != NULL)
			place(&rd, s, where, size);
	}
	config_destroy(&cfg);
}
