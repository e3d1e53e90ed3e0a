/*
 * link.h - a question to the daemon, and its answers.
 *
 * Each question has a connection of its own: the daemon lets none stay
 * silent for long.
 */
#ifndef CTL_LINK_H
#define CTL_LINK_H

#include <jansson.h>

/* Exit codes of sallyportctl(8). */
enum {
	CTL_OK = 0,
	CTL_FAILED = 1,		/* or the daemon refused */
	CTL_USAGE = 2,
	CTL_NOT_RUNNING = 3,
};

#define LINK_LINE_MAX	(1024 * 1024)	/* bytes of one answer */

/* One object of the answer; it stays the caller's. */
typedef void	 link_object(void *ctx, json_t *object);

/*
 * Ask, and hand on each object that is answered, the last one too.  `ms' is
 * for silence: each object gives as much again.  Returns the status that came
 * with the last, or another exit code with what is wrong in why.
 */
int	 link_ask(const char *path, const json_t *request, int ms,
	    link_object *object, void *ctx, char *why, size_t size);

#endif
