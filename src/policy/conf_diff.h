/*
 * conf_diff.h - what another configuration changes, for the log of a reload.
 *
 * A line for each key, element or server that differs, such as
 *
 *	log.level: "info" -> "debug"
 *	listener web: added
 *	listener web: deny: 10.0.0.0/8: removed
 *	backend db: server 10.0.0.3:3306: weight: 1 -> 5
 *	user: "a" -> "b": takes a restart
 *
 * and none at all just when conf_print() writes the same of both.  Elements
 * are the same that have the same name, servers that have the same address.
 */
#ifndef POLICY_CONF_DIFF_H
#define POLICY_CONF_DIFF_H

#include "policy/conf.h"

typedef void	 conf_diff_line(void *ctx, const char *text);

/* Both are finished.  The text is valid during the call of line() only. */
void	 conf_diff(const struct conf *old, const struct conf *now,
	    conf_diff_line *line, void *ctx);

#endif
