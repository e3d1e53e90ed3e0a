#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "policy/conf_report.h"

#define LINES_MAX	100	/* more help nobody */

static void	 add_line(char ***, size_t *, const char *, va_list)
		    __attribute__((format(printf, 3, 0)));

/* A line more, in memory of its own. */
static void
add_line(char ***lines, size_t *n, const char *fmt, va_list ap)
{
	char	 text[1024];

	if (*n == LINES_MAX)
		return;
	if (*n == LINES_MAX - 1)
		snprintf(text, sizeof(text), "and there are more");
	else
		vsnprintf(text, sizeof(text), fmt, ap);
	*lines = mem_resize(*lines, *n + 1, sizeof(**lines));
	(*lines)[(*n)++] = mem_strdup(text);
}

void
conf_complain(struct conf_report *report, const char *fmt, ...)
{
	va_list	 ap;

	va_start(ap, fmt);
	add_line(&report->errors, &report->nerrors, fmt, ap);
	va_end(ap);
}

void
conf_warn(struct conf_report *report, const char *fmt, ...)
{
	va_list	 ap;

	va_start(ap, fmt);
	add_line(&report->warnings, &report->nwarnings, fmt, ap);
	va_end(ap);
}

static void
free_lines(char **lines, size_t n)
{
	for (size_t i = 0; i < n; i++)
		free(lines[i]);
	free(lines);
}

void
conf_report_free(struct conf_report *report)
{
	free_lines(report->errors, report->nerrors);
	free_lines(report->warnings, report->nwarnings);
	*report = (struct conf_report){ .errors = NULL };
}
