/*
 * limits.h - is what the configuration allows more than the system does?
 */
#ifndef PROCESS_LIMITS_H
#define PROCESS_LIMITS_H

#include "policy/conf.h"

/*
 * Warn of more sessions than the system has processes or descriptors for,
 * by what proc(5) and getrlimit(2) tell; nothing is said where they do not.
 */
void	 limits_check(const struct conf *conf, struct conf_report *report);

#endif
