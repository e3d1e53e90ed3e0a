#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "base/mem.h"
#include "policy/conf_include.h"
#include "policy/conf_text.h"

#define DEPTH_MAX	10
#define FILES_MAX	1000	/* empty ones cost time too */

/* From here on, lines of the whole are those of a file. */
struct stretch {
	unsigned int	 whole_line;
	unsigned int	 line;
	size_t		 name;
};

struct conf_include {
	FILE		*out;		/* while it is put together */
	char		*whole;
	size_t		 len;
	unsigned int	 line;		/* of the whole, the next one's */
	char		**names;
	size_t		 nnames;
	struct stretch	*map;
	size_t		 nmap;
};

/* A file that is being read, and the one that includes it. */
struct source {
	const struct source	*by;
	const char		*name;
	size_t			 depth;
	dev_t			 dev;		/* 0 and 0: no file */
	ino_t			 ino;
};

/* What one run of reading needs at every step. */
struct run {
	struct conf_include	*inc;
	struct conf_report	*report;
	size_t			*left;
	bool			 bad;		/* some reason was told */
	bool			 full;		/* a limit was met */
};

static char *
read_whole(const char *path, struct stat *st, size_t *len, const char **why)
{
	char	*text = NULL;
	int	 fd;

	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (fd == -1 || fstat(fd, st) == -1)
		*why = strerror(errno);
	else if (S_ISDIR(st->st_mode))
		*why = strerror(EISDIR);
	else if (!S_ISREG(st->st_mode))
		*why = "not a regular file";
	else {
		text = io_read_file(fd, CONF_FILE_MAX, len);
		*why = errno == EFBIG ?
		    "longer than 1 MiB, so no configuration" :
		    strerror(errno);
	}
	if (fd != -1)
		close(fd);
	return text;
}

static void
begin_stretch(struct conf_include *inc, size_t name, unsigned int line)
{
	inc->map = mem_resize(inc->map, inc->nmap + 1, sizeof(*inc->map));
	inc->map[inc->nmap++] = (struct stretch){
		.whole_line = inc->line, .line = line, .name = name,
	};
}

static void
emit(struct conf_include *inc, const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
		inc->line += text[i] == '\n';
	(void)fwrite(text, 1, len, inc->out);
}

static void	 include_file(struct run *, const struct source *,
		    const struct conf_directive *);

/* Add a text to the whole; what it includes comes in between. */
static void
expand(struct run *run, const struct source *src, const char *text, size_t len)
{
	struct conf_include	*inc = run->inc;
	struct conf_directive	 d;
	struct conf_walk	 w;
	const char		*from = text, *why;
	unsigned int		 line;
	size_t			 name = inc->nnames;

	why = conf_text_check(text, len, &line);
	if (why != NULL) {
		conf_complain(run->report, "%s:%u: %s", src->name, line, why);
		run->bad = true;
		return;
	}
	inc->names = mem_resize(inc->names, name + 1, sizeof(*inc->names));
	inc->names[inc->nnames++] = mem_strdup(src->name);
	begin_stretch(inc, name, 1);
	conf_walk_init(&w, text, len);
	while (!run->full && conf_walk_include(&w, &d)) {
		emit(inc, from, (size_t)(d.start - from));
		include_file(run, src, &d);
		begin_stretch(inc, name, d.line);
		from = d.end;
	}
	emit(inc, from, (size_t)(text + len - from));
	/* What follows it begins a line, whatever it ended with. */
	if (src->by != NULL && len > 0 && text[len - 1] != '\n')
		emit(inc, "\n", 1);
}

/* The name as a path, in memory of its own. */
static char *
path_of(const struct source *src, const struct conf_directive *d)
{
	const char	*slash = strrchr(src->name, '/');
	char		*name = mem_calloc(d->len + 1, 1), *path;
	size_t		 n = 0;

	for (size_t i = 0; i < d->len; i++) {
		if (d->name[i] == '\\' && i + 1 < d->len &&
		    (d->name[i + 1] == '\\' || d->name[i + 1] == '"'))
			i++;
		name[n++] = d->name[i];
	}
	if (name[0] == '/' || slash == NULL)
		return name;
	path = mem_printf("%.*s/%s", (int)(slash - src->name), src->name,
	    name);
	free(name);
	return path;
}

static bool
is_open(const struct source *src, const struct stat *st)
{
	for (; src != NULL; src = src->by)
		if (src->ino == st->st_ino && src->dev == st->st_dev)
			return true;
	return false;
}

/* Why a file that was read may not stand here, or NULL. */
static const char *
judge(struct run *run, const struct source *by, const struct stat *st,
    size_t len)
{
	if (is_open(by, st))
		return "it includes itself";
	run->full = true;
	if (len > *run->left)
		return "all files together are longer than 4 MiB";
	if (run->inc->nnames >= FILES_MAX)
		return "more than 1000 files";
	run->full = false;
	if (by->depth == DEPTH_MAX)
		return "more than 10 files deep";
	*run->left -= len;
	return NULL;
}

static void
include_file(struct run *run, const struct source *by,
    const struct conf_directive *d)
{
	struct source	 src = { .by = by, .depth = by->depth + 1 };
	struct stat	 st;
	const char	*why;
	char		*path = path_of(by, d), *text = NULL;
	size_t		 len = 0;

	if (d->len == 0)
		why = "want a file's name in quotes";
	else {
		text = read_whole(path, &st, &len, &why);
		if (text != NULL)
			why = judge(run, by, &st, len);
	}
	if (text == NULL || why != NULL) {
		conf_complain(run->report, "%s:%u: @include: %s%s%s",
		    by->name, d->line, d->len > 0 ? path : "",
		    d->len > 0 ? ": " : "", why);
		run->bad = true;
	} else {
		src.name = path;
		src.dev = st.st_dev;
		src.ino = st.st_ino;
		expand(run, &src, text, len);
	}
	free(text);
	free(path);
}

static struct conf_include *
include(const struct source *src, const char *text, size_t len, size_t *left,
    struct conf_report *report)
{
	struct conf_include	*inc = mem_calloc(1, sizeof(*inc));
	struct run		 run = {
		.inc = inc, .report = report, .left = left,
	};

	inc->line = 1;
	inc->out = open_memstream(&inc->whole, &inc->len);
	if (inc->out == NULL)
		abort();	/* as mem.h has it */
	expand(&run, src, text, len);
	(void)fclose(inc->out);
	if (run.bad)
		conf_include_free(&inc);
	return inc;
}

struct conf_include *
conf_include_text(const char *name, const char *text, size_t len, size_t *left,
    struct conf_report *report)
{
	const struct source	 src = { .name = name };

	return include(&src, text, len, left, report);
}

struct conf_include *
conf_include_file(const char *path, size_t *left, struct conf_report *report)
{
	struct conf_include	*inc = NULL;
	struct source		 src = { .name = path };
	struct stat		 st;
	const char		*why;
	size_t			 len;
	char			*text = read_whole(path, &st, &len, &why);

	if (text == NULL)
		conf_complain(report, "%s: %s", path, why);
	else if (len > *left)
		conf_complain(report, "%s: all files together are longer "
		    "than 4 MiB", path);
	else {
		*left -= len;
		src.dev = st.st_dev;
		src.ino = st.st_ino;
		inc = include(&src, text, len, left, report);
	}
	free(text);
	return inc;
}

void
conf_include_free(struct conf_include **incp)
{
	struct conf_include	*inc = *incp;

	if (inc == NULL)
		return;
	for (size_t i = 0; i < inc->nnames; i++)
		free(inc->names[i]);
	free(inc->names);
	free(inc->map);
	free(inc->whole);
	free(inc);
	*incp = NULL;
}

const char *
conf_include_whole(const struct conf_include *inc)
{
	return inc->whole;
}

const char *
conf_include_place(const struct conf_include *inc, unsigned int whole_line,
    unsigned int *line)
{
	const struct stretch	*s;
	size_t			 first = 0, behind = inc->nmap, mid;

	/* The last that begins there or before; some are empty. */
	while (behind - first > 1) {
		mid = first + (behind - first) / 2;
		if (inc->map[mid].whole_line <= whole_line)
			first = mid;
		else
			behind = mid;
	}
	s = &inc->map[first];
	*line = s->line + (whole_line - s->whole_line);
	return inc->names[s->name];
}
