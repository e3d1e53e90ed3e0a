#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "policy/conf.h"
#include "policy/conf_include.h"
#include "policy/conf_setting.h"

#define EXTRA_MAX	1000	/* files of conf_d */
#define WHERE_MAX	512

/* What one run of reading needs at every step. */
struct reading {
	struct conf		*conf;
	struct conf_report	*report;
	size_t			 left;		/* bytes of all files */
	char			 where[WHERE_MAX];	/* conf_d is set */
};

/* Takes over inc, which may be NULL: the reason was told then. */
static void
read_included(struct reading *rd, struct conf_include *inc, bool lists_only)
{
	if (inc != NULL)
		conf_setting_read(rd->conf, inc, lists_only, rd->report,
		    rd->where, sizeof(rd->where));
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
read_extra(struct reading *rd, const char *folder, const char *name)
{
	char	*path = mem_printf("%s/%s", folder, name);

	read_included(rd, conf_include_file(path, &rd->left, rd->report),
	    true);
	free(path);
}

static void
read_folder(struct reading *rd, const char *folder)
{
	struct dirent	**entries;
	int		  n = scandir(folder, &entries, is_extra, in_order);

	if (n == -1) {
		conf_complain(rd->report, "%s: conf_d: %s: %s", rd->where,
		    folder, strerror(errno));
		return;
	}
	if (n > EXTRA_MAX)
		conf_complain(rd->report, "%s: conf_d: %s: more than %d "
		    "files", rd->where, folder, EXTRA_MAX);
	for (int i = 0; i < n; i++) {
		if (n <= EXTRA_MAX)
			read_extra(rd, folder, entries[i]->d_name);
		free(entries[i]);
	}
	free(entries);
}

/* The folder is meant from the main file's. */
static void
read_conf_d(struct reading *rd, const char *name)
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
	read_folder(rd, folder);
	free(folder);
	given[0] = '\0';
}

/* What is wrong with the whole of it has no line, but the file. */
static void
set_file(struct conf *conf, const char *name)
{
	free(conf->file);
	conf->file = mem_strdup(name);
}

void
conf_read_text(struct conf *conf, const char *name, const char *text,
    size_t len, struct conf_report *report)
{
	struct reading	 rd = { conf, report, CONF_TOTAL_MAX, "" };

	set_file(conf, name);
	read_included(&rd, conf_include_text(name, text, len, &rd.left,
	    report), false);
	read_conf_d(&rd, name);
}

void
conf_read_file(struct conf *conf, const char *path, struct conf_report *report)
{
	struct reading	 rd = { conf, report, CONF_TOTAL_MAX, "" };

	set_file(conf, path);
	read_included(&rd, conf_include_file(path, &rd.left, report), false);
	read_conf_d(&rd, path);
}
