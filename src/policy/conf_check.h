/*
 * conf_check.h - what no single key can tell, of one backend or listener.
 *
 * conf_finish() calls these once names and defaults are resolved.  Each adds
 * what it finds to the report, with the place of the element.
 */
#ifndef POLICY_CONF_CHECK_H
#define POLICY_CONF_CHECK_H

#include "policy/conf.h"

/* Before what is said of the whole: the file, for "%s%s". */
#define CONF_FILE(conf)	(conf)->file != NULL ? (conf)->file : "",	\
			(conf)->file != NULL ? ": " : ""

/* Also resolves backend.bind into backend.source. */
void	 conf_check_backend(struct conf_backend *b,
	    struct conf_report *report);
void	 conf_check_listener(const struct conf_listener *l,
	    struct conf_report *report);
void	 conf_check_top(const struct conf *conf,
	    struct conf_report *report);

#endif
