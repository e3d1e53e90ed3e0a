/*
 * codes.h - a session's questions to auth, for a login with a one-time code.
 */
#ifndef PROCESS_CODES_H
#define PROCESS_CODES_H

#include "process/session.h"

/* For mysql_rules; NULL where the server knows who may. */
const struct mysql_codes	*codes_of(struct session *ss);

#endif
