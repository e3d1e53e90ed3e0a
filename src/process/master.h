/*
 * master.h - root: binds, starts the roles, starts again what dies.
 */
#ifndef PROCESS_MASTER_H
#define PROCESS_MASTER_H

#include <stdbool.h>

#include "policy/conf.h"

/*
 * Run until a signal ends it; returns the exit code.  `announce' is called
 * once, with 0, when every pool serves.  In the background nobody reads
 * standard error after that, and standard input is /dev/null.
 */
int	 master_run(const struct conf *conf, bool background,
	    void (*announce)(int status));

#endif
