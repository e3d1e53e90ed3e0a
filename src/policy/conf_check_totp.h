/*
 * conf_check_totp.h - what no single key can tell of logins with one-time
 * codes.
 */
#ifndef POLICY_CONF_CHECK_TOTP_H
#define POLICY_CONF_CHECK_TOTP_H

#include "policy/conf.h"

/* Once all listeners are finished; also resolves whether codes are wanted. */
void	 conf_check_totp(struct conf *conf, struct conf_report *report);

#endif
