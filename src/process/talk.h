/*
 * talk.h - what a check says to a server once it is connected.
 *
 * One conversation over one non-blocking descriptor, which stays the
 * caller's, by a caller that polls: each step does what can be done at once
 * and tells what to wait for.
 */
#ifndef PROCESS_TALK_H
#define PROCESS_TALK_H

#include <stdbool.h>
#include <stddef.h>

#define TALK_WHY_MAX	160	/* bytes */
#define TALK_READ_MAX	4096	/* bytes, of one answer */

/* What is to be said: conf_backend.check, and to whom. */
struct talk_task {
	int		 type;		/* enum conf_check_type */
	const char	*name;		/* the server's, or NULL */
	const char	*send;		/* of CONF_CHECK_EXPECT */
	const char	*expect;
};

enum talk_want {
	TALK_IN,		/* wait until there is something to read */
	TALK_OUT,		/* or room to write */
	TALK_OVER,		/* close it; talk_verdict() is final */
};

struct talk;

/* The strings of the task must live as long. */
struct talk	*talk_new(const struct talk_task *task, int fd);
void		 talk_free(struct talk **talk);

enum talk_want	 talk_step(struct talk *talk);

/*
 * NULL when the server is good, else half a sentence about what is wrong.
 * It may be called at any time: a conversation that is cut short, by a
 * deadline, is good when what was to be found out is known.
 */
const char	*talk_verdict(const struct talk *talk);

#endif
