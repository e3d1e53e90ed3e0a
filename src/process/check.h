/*
 * check.h - which servers answer: asked by turns, and whenever one did not.
 *
 * A backend with a check has each of its servers probed every interval;
 * `fall' bad ones in a row make it BOOK_DOWN, `rise' good ones BOOK_UP, the
 * first one counts alone.  Any server that a session could not reach is
 * BOOK_FAILED at once, and dialled from here until it answers, so that
 * sessions need not find out each for itself.
 */
#ifndef PROCESS_CHECK_H
#define PROCESS_CHECK_H

#include "process/servers.h"

#define CHECK_RETRY_MIN_MS	1000	/* of a server that failed, doubling */
#define CHECK_RETRY_MAX_MS	10000
#define CHECK_PROBES_MAX	256	/* at a time */

struct checks;

struct checks	*checks_new(struct loop *loop);
/* All servers must be gone. */
void		 checks_free(struct checks **checks);

/* The server, its configuration, mode or addresses are new. */
void		 check_update(struct checks *checks, struct servers *servers,
		    struct server *s);
/* The server goes. */
void		 check_end(struct checks *checks, struct server *s);

/*
 * A session could not reach it.  Whoever says so may err: one that
 * answers us is up again at once, but is dialled for it once a second at
 * most.
 */
void		 check_report(struct checks *checks, struct servers *servers,
		    struct server *s);

#endif
