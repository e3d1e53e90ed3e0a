/*
 * codes.h - a session's questions to auth, for a login with a one-time code.
 */
#ifndef PROCESS_CODES_H
#define PROCESS_CODES_H

#include "process/serve.h"
#include "process/session.h"

/* For mysql_rules; NULL where the server knows who may. */
const struct mysql_codes	*codes_of(struct session *ss);

/*
 * From now on the session's user is looked after: one whose codes are taken
 * away is ended, within CODES_LOOK_S seconds.
 */
#define CODES_LOOK_S	10
void	 codes_watch(const struct session *ss);

/* Look now, if it is time: SIGIO has come. */
void	 codes_look(struct server *s);

#endif
