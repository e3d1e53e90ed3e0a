/*
 * conf_check_tls.h - what no single key can tell, of TLS and of MySQL.
 *
 * As conf_check.h.  What files hold is not looked at here.
 */
#ifndef POLICY_CONF_CHECK_TLS_H
#define POLICY_CONF_CHECK_TLS_H

#include "policy/conf.h"

void	 conf_check_listener_tls(const struct conf_listener *l,
	    struct conf_report *report);
void	 conf_check_backend_tls(const struct conf_backend *b,
	    struct conf_report *report);

/* What a backend has and the protocol of a listener before it cannot use. */
void	 conf_check_links_tls(const struct conf *conf,
	    struct conf_report *report);

#endif
