/*
 * reload.h - from one generation to the next, with nobody refused or cut.
 *
 *	begin	read, check, bind what is new; give it to the roles that live on
 *	step	they have it: start spawners for it; those serve: in effect
 *	fail	at any point before: nothing has changed
 *
 * Sessions of the old generation end as they would; its processes end with
 * them, and only then is it forgotten.
 */
#ifndef PROCESS_RELOAD_H
#define PROCESS_RELOAD_H

#include "process/plan.h"

/* Whether or not it is taken is told to the log and to `who'. */
void	 reload_begin(struct master *m, struct asker who);

/* Read the configuration and say what is wrong with it, no more. */
void	 reload_check(struct master *m, struct asker who);

/* Go on if it can; when to look again. */
int64_t	 reload_step(struct master *m);

void	 reload_fail(struct master *m, const char *why);

/* Let go of generations that nobody serves any more. */
void	 reload_tidy(struct master *m);

/* Tell systemd that we serve, and what. */
void	 reload_say_ready(const struct master *m);

/* A line, or the end, of the answer to `who', if there is one. */
void	 reload_report(const struct master *m, struct asker who,
	    const char *text);
void	 reload_answer(const struct master *m, struct asker who, int status);

#endif
