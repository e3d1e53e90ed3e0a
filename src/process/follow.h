/*
 * follow.h - what a MySQL client does after its login, where that matters:
 * it changes its user, which is a login; it gives a command that is denied;
 * it is recorded.
 */
#ifndef PROCESS_FOLLOW_H
#define PROCESS_FOLLOW_H

#include <stdbool.h>

#include "process/session.h"
#include "session/pump.h"

/* Must each command be seen, and not only a change of user? */
bool	 follow_commands(const struct conf_listener *l);

/*
 * Have the relay of a session, whose login is ss->mysql, shown to whoever
 * must see it; p->ctx is the session.
 */
void	 follow_begin(struct session *ss, struct pump *p);

/* It is relayed no more: tells the record of the last commands. */
void	 follow_end(struct session *ss);

#endif
