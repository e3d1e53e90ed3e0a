/*
 * meet.h - where others say hello to a role that outlives generations: the
 * workers of each pool, and who else may ask it.
 *
 * Each has one end of a line of its own ready, and sends the other.  A pool
 * that is no more is forgotten with the last process that could say hello.
 */
#ifndef PROCESS_MEET_H
#define PROCESS_MEET_H

#include <stdbool.h>

#include "base/loop.h"
#include "process/setup.h"

struct meets;

/*
 * Somebody of that role and pool said hello; fd is the end of a line to it.
 * True when it was taken, else it is closed: no room, and it may come again.
 */
typedef bool	 meet_hello(void *ctx, unsigned int role, const char *pool,
		    int fd);

/* Of the roles that may come, ROLE_; hello() is told ctx. */
struct meets	*meets_new(struct loop *loop, unsigned int roles,
		    meet_hello *hello, void *ctx);

/*
 * Take over all places that s has been given by now.  0, or -1 with errno;
 * then some may be its still.
 */
int		 meets_take(struct meets *meets, struct setup *s);

/* What came with the latest of the workers of that pool, more_fd; or -1. */
int		 meets_more(const struct meets *meets, const char *pool);

#endif
