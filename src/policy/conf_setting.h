/*
 * conf_setting.h - what libconfig makes of a text, into the configuration.
 */
#ifndef POLICY_CONF_SETTING_H
#define POLICY_CONF_SETTING_H

#include "policy/conf.h"
#include "policy/conf_include.h"

/*
 * Parse the whole text and set what it says.  A file of conf_d may hold
 * lists only.  When the text has the key conf_d, its place is written into
 * `where'.  What is wrong goes into the report.
 */
void	 conf_setting_read(struct conf *conf, const struct conf_include *inc,
	    bool lists_only, struct conf_report *report, char *where,
	    size_t size);

#endif
