/*
 * dial.h - find a server for a session, connect to it, and say who comes.
 */
#ifndef PROCESS_DIAL_H
#define PROCESS_DIAL_H

#include "process/session.h"

/*
 * By the book, or by the keeper where it counts; the PROXY header is sent if
 * the server wants one.  0 with ss->back connected; or -1 with ss->end and
 * ss->why.
 */
int	 dial_server(struct session *ss);

/* The server that was dialled last, whose connection was closed; likewise. */
int	 dial_again(struct session *ss);

#endif
