#include "config.h"

#include <sys/prctl.h>
#include <sys/resource.h>

#include "process/sandbox.h"

void
sandbox_enter(void)
{
#ifndef WITH_SANITIZER			/* which must look at itself */
	const struct rlimit	 none = { 0, 0 };

	(void)setrlimit(RLIMIT_CORE, &none);
	(void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
#endif
}
