/*
 * conf_check_mysql.h - what no single key can tell of a listener whose clients
 * speak MySQL.
 */
#ifndef POLICY_CONF_CHECK_MYSQL_H
#define POLICY_CONF_CHECK_MYSQL_H

#include "policy/conf.h"

/*
 * Also resolves query_log.to and both lists of commands.  `conf' has the
 * listeners before it, to be compared with.
 */
void	 conf_check_listener_mysql(const struct conf *conf,
	    struct conf_listener *l, struct conf_report *report);

/* Also resolves their servers, and whether they are wanted. */
void	 conf_check_tables(struct conf *conf, struct conf_report *report);

#endif
