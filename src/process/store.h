/*
 * store.h - files that auth reads and writes: users with their secrets, and
 * codes that were used.
 *
 * They belong to root.  The master opens them, makes those that are not there,
 * and hands over descriptors, so that auth needs no right to any folder.
 */
#ifndef PROCESS_STORE_H
#define PROCESS_STORE_H

#include "policy/conf.h"

enum store {
	STORE_PEOPLE,			/* totp.file */
	STORE_USED,			/* totp.state */
	STORES,
};

/* What a state says that nobody has to fear for; see vault.h. */
#define STORE_CLEAN	"clean\n"

/*
 * Open what the configuration names into fds; -1 for what it does not.  0, or
 * -1 with the report, and none is open then.
 */
int	 store_open(const struct conf *conf, int fds[STORES],
	    struct conf_report *report);
void	 store_close(int fds[STORES]);

/* Whoever loads a configuration looks whether the file is as it must be. */
void	 store_vet(const struct conf *conf, struct conf_report *report);

/* Is a descriptor another file than what stands at its path now? */
bool	 store_has_moved(const struct conf *conf, const int fds[STORES]);

#endif
