/*
 * What is accepted prints, is read back, and prints the same again; what is
 * refused has a reason.  Between two configurations there is a difference to
 * tell just when they print otherwise.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "fuzz.h"
#include "policy/conf.h"
#include "policy/conf_diff.h"

/* libconfig forgets the string it was reading when the syntax is wrong. */
const char	*__lsan_default_suppressions(void);

const char *
__lsan_default_suppressions(void)
{
	return "leak:libconfig.so";
}

/* What others are held against. */
static const char	 plain[] =
	"backends = ( { name = \"b\"; servers = ( \"h:1\", \"h:2\" ); } );\n"
	"listeners = ( { name = \"a\"; listen = \":1\"; "
	"forward = \"backend:b\"; } );\n";

static char *
print(const struct conf *conf)
{
	char	*text = NULL;
	size_t	 len;
	FILE	*out = open_memstream(&text, &len);

	if (out == NULL)
		abort();
	conf_print(conf, out);
	if (fclose(out) != 0)
		abort();
	return text;
}

/* Nor has libconfig seen an @include: that is expanded before. */
static void
check_lines(char **lines, size_t n)
{
	static const char	 seen[] = ": cannot open include file";
	size_t			 len;

	for (size_t i = 0; i < n; i++) {
		len = strlen(lines[i]);
		if (len == 0 || (len >= sizeof(seen) &&
		    strcmp(lines[i] + len - sizeof(seen) + 1, seen) == 0))
			abort();
	}
}

/* The configuration, or NULL when it is refused. */
static struct conf *
read_all(const char *text, size_t len)
{
	struct conf_report	 report = { .errors = NULL };
	struct conf		*conf = conf_new();

	conf_read_text(conf, "/nonexistent/f", text, len, &report);
	if (conf_finish(conf, &report) == -1)
		conf_free(&conf);
	if ((conf == NULL) != (report.nerrors > 0))
		abort();
	check_lines(report.errors, report.nerrors);
	check_lines(report.warnings, report.nwarnings);
	conf_report_free(&report);
	return conf;
}

static void
count_line(void *ctx, const char *line)
{
	if (line[0] == '\0')
		abort();
	++*(size_t *)ctx;
}

static void
check_pair(const struct conf *a, const struct conf *b)
{
	size_t	 there = 0, back = 0;
	char	*one = print(a), *two = print(b);

	conf_diff(a, b, count_line, &there);
	conf_diff(b, a, count_line, &back);
	if ((there == 0) != (strcmp(one, two) == 0) || there != back)
		abort();
	free(one);
	free(two);
}

static void
check_accepted(const struct conf *conf)
{
	char		*one = print(conf), *two;
	struct conf	*again = read_all(one, strlen(one));
	struct conf	*other = read_all(plain, sizeof(plain) - 1);

	if (again == NULL || other == NULL)
		abort();
	two = print(again);
	if (strcmp(one, two) != 0)
		abort();
	check_pair(conf, again);
	check_pair(conf, other);
	free(one);
	free(two);
	conf_free(&again);
	conf_free(&other);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct conf	*conf;
	char		*text;

	/* Other files are not there, but for absolute paths. */
	if (memmem(data, size, "conf_d", 6) != NULL ||
	    (memmem(data, size, "@include", 8) != NULL &&
	    memmem(data, size, "\"/", 2) != NULL))
		return 0;
	text = mem_calloc(size + 1, 1);
	if (size > 0)
		memcpy(text, data, size);
	conf = read_all(text, size);
	free(text);
	if (conf != NULL)
		check_accepted(conf);
	conf_free(&conf);
	return 0;
}
