/*
 * conf_check.h - what no single key can tell, of one backend or listener.
 *
 * conf_finish() calls these once names and defaults are resolved.  Each adds
 * what it finds to the report, with the place of the element.
 */
#ifndef POLICY_CONF_CHECK_H
#define POLICY_CONF_CHECK_H

#include "policy/conf.h"
#include "policy/conf_keys.h"

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

/*
 * Warn of each key of the group that is not as by default, because of what
 * makes it of no effect, such as "with mode \"off\"".  `base' is what the
 * members of the section are in, and `where' its place.
 */
void	 conf_check_unused(const char *where, const char *group,
	    const char *because, enum conf_section section, const void *base,
	    struct conf_report *report);

#endif
