/*
 * pipes.h - a few pipes for splice(2), lent to one flow after the other.
 *
 * Pipes are opened when they are wanted and kept, empty, for the next who
 * wants one.  They count against fs.pipe-user-pages-soft whether anything is
 * in them or not, so there are never more of them than `most', and
 * pipes_trim() closes those that nobody has.
 */
#ifndef SESSION_PIPES_H
#define SESSION_PIPES_H

#include <stddef.h>

/*
 * Bytes of one, where allowed.  One of 1m saves nothing more, and a user may
 * then have 64, and not 256.
 */
#define PIPES_SIZE	(256 * 1024)

struct pipes;

/* Non-blocking. */
struct pipe {
	int	 in, out;
};

struct pipes	*pipes_new(size_t most);
/* Closes them all; nobody may have one. */
void		 pipes_free(struct pipes **pipes);

/*
 * An empty pipe, or NULL when `most' are taken or the system gives none that
 * is worth it.
 */
struct pipe	*pipes_take(struct pipes *pipes);
/* It is empty again. */
void		 pipes_give(struct pipes *pipes, struct pipe *p);
/* It is not: it is closed, and another may be opened. */
void		 pipes_drop(struct pipes *pipes, struct pipe *p);

void		 pipes_trim(struct pipes *pipes);

#endif
