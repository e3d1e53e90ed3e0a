/*
 * answer.h - a request put together, asked, and its answer kept.
 */
#ifndef CTL_ANSWER_H
#define CTL_ANSWER_H

#include <jansson.h>
#include <stdbool.h>

#include "ctl/options.h"

struct answer {
	const struct command_options	*o;
	json_t				*objects;	/* all of it */
	bool				 live;		/* print as it comes */
	bool				 quiet;		/* print nothing */
};

/* The command with the options that say which sessions are meant. */
json_t	*answer_request(const struct command_options *o,
	    const char *command);

/* Set a member to what was typed, unless that is NULL. */
void	 answer_set(json_t *request, const char *key, const char *value);

/*
 * Ask; `request' is taken over, a->objects is the caller's then.  `ms' is for
 * silence.  Refusals and mistakes are said.  Returns an exit code.
 */
int	 answer_get(struct answer *a, json_t *request, int ms);

/* The last object, or NULL. */
const json_t	*answer_last(const struct answer *a);

/* Each object on a line. */
void	 answer_print(const json_t *objects);

/* Say what is wrong. */
void	 answer_complain(const char *why);

#endif
