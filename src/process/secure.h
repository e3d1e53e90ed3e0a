/*
 * secure.h - the way of a session from its client to its server: TLS and
 * MySQL logins, where the configuration has them.
 */
#ifndef PROCESS_SECURE_H
#define PROCESS_SECURE_H

#include "process/session.h"

/*
 * Bring a session that was let in to where bytes can be relayed: ss->back is
 * connected, and a side that speaks TLS has its stream.  0; or -1 with
 * ss->end and ss->why, no connection to a server, and ss->told when the
 * client has heard of it.
 */
int	 secure_open(struct session *ss);

/* The back side of that alone, for a session whose front is a tunnel. */
int	 secure_open_back(struct session *ss);
/*
 * Say in the session's record that the front is a tunnel, and whose; version
 * NULL: without TLS.
 */
void	 secure_note_tunnel(struct session *ss, const char *agent,
	    const char *version);

/* The name that the server's certificate must have, and that is asked for. */
const char *secure_server_name(const struct session *ss);

/* Relayed it was, and ss->end is set: is there more to say? */
void	 secure_over(struct session *ss);

/* When it is over, and both descriptors are closed. */
void	 secure_close(struct session *ss);

/* Tell a client that is not let in, if its protocol has words for that. */
void	 secure_deny(struct session *ss);

#endif
