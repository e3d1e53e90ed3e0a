#include <signal.h>
#include <stddef.h>

#include "base/sig.h"
#include "session/told.h"

static bool
is_victim(const struct told *told)
{
	return told == NULL || told->victim == NULL ||
	    atomic_load(told->victim) == told->id;
}

bool
told_to_end(const struct told *told, enum end *end)
{
	if (sig_is_set(SIGTERM) || (told != NULL && told->idle &&
	    sig_is_set(SIGQUIT)))
		*end = END_SHUTDOWN;
	else if (sig_is_set(SIG_ORPHAN))
		*end = END_CRASHED;
	else if (sig_take(SIG_KILLED) && is_victim(told))
		*end = END_KILLED;
	else if (sig_take(SIGALRM))
		*end = END_TIMEOUT;
	else if (sig_take(SIGIO) && told != NULL && told->heard(told->ctx))
		*end = END_LIMIT;
	else
		return false;
	return true;
}
