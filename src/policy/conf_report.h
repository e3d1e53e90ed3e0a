/*
 * conf_report.h - what is wrong with a configuration, and what may be.
 *
 * Whole sentences, each beginning with its place.  A report begins as all
 * zero, and owns its lines.
 */
#ifndef POLICY_CONF_REPORT_H
#define POLICY_CONF_REPORT_H

#include <stddef.h>

struct conf_report {
	char	**errors;
	size_t	  nerrors;
	char	**warnings;		/* what -t says; none is fatal */
	size_t	  nwarnings;
};

/* Add an error or a warning; of each 99 are kept, and that there were more. */
void	 conf_complain(struct conf_report *report, const char *fmt, ...)
	    __attribute__((format(printf, 2, 3)));
void	 conf_warn(struct conf_report *report, const char *fmt, ...)
	    __attribute__((format(printf, 2, 3)));

void	 conf_report_free(struct conf_report *report);

#endif
