#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <libconfig.h>

#include "base/io.h"
#include "base/mem.h"
#include "policy/conf.h"
#include "policy/conf_keys.h"
#include "policy/conf_text.h"
#include "policy/conf_value.h"

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
		conf_complain(report, "%s:%u: %s", name, line, why);
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
		if (text == NULL)	/* newer ones know it by its path */
			text = read_whole(file, &len);
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

/*
 * libconfig ends the program when an included file opens and cannot be
 * read.  Lines that begin with @include name it; the rest is its affair.
 */
static bool
check_includes(const char *name, const char *folder, const char *text,
    struct conf_report *report)
{
	unsigned int	 line = 1;
	struct stat	 st;
	char		*path;
	bool		 good = true;

	for (const char *p = text; p != NULL; line++) {
		const char	*q = p + strspn(p, " \t");

		p = strchr(p, '\n');
		p = p != NULL ? p + 1 : NULL;
		if (strncmp(q, "@include", 8) != 0)
			continue;
		q += 8 + strspn(q + 8, " \t");
		if (*q != '"')
			continue;
		path = mem_printf("%s/%.*s", folder,
		    (int)strcspn(q + 1, "\"\n"), q + 1);
		if (stat(path, &st) == 0 && !S_ISREG(st.st_mode)) {
			conf_complain(report, "%s:%u: @include: %s is not a "
			    "file", name, line, path);
			good = false;
		}
		free(path);
	}
	return good;
}

void
conf_read_text(struct conf *conf, const char *name, const char *text,
    size_t len, struct conf_report *report)
{
	struct reading	 rd = { conf, report, name };
	config_t	 cfg;
	const char	*last = NULL;
	char		*copy, *folder;

	copy = mem_strdup(name);
	folder = dirname(copy);
	if (!check_text(name, text, len, report) ||
	    !check_includes(name, folder, text, report)) {
		free(copy);
		return;
	}
	config_init(&cfg);
	config_set_include_dir(&cfg, folder);
	if (config_read_string(&cfg, text) != CONFIG_TRUE)
		conf_complain(report, "%s:%d: %s",
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
		conf_complain(report, "%s: %s", path, errno == EFBIG ?
		    "longer than 1 MiB, so no configuration" :
		    strerror(errno));
	else
		conf_read_text(conf, path, text, len, report);
	free(text);
}
