#ifndef POLICY_CONF_DIFF_H
#define POLICY_CONF_DIFF_H
#include "policy/conf.h"
void	 conf_diff(const struct conf *old, const struct conf *now,
	    void (*line)(void *ctx, const char *text), void *ctx);
#endif
