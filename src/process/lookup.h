/*
 * lookup.h - secrets of users out of a table of a database, which may be slow,
 * or away.
 *
 * The table is portproxy's: otp_secret (name, secret).  Nothing here waits:
 * who asks is told when there is an answer, or that there is none in time.
 */
#ifndef PROCESS_LOOKUP_H
#define PROCESS_LOOKUP_H

#include "base/loop.h"
#include "policy/conf.h"
#include "process/dblib.h"
#include "process/totp_ask.h"

#define LOOKUP_MAX	256	/* questions that may wait */

/* `secret' is of no use afterwards, and "" unless it was found. */
typedef void	 lookup_done(void *ctx, enum secret_result result,
		    const char *secret);

struct lookup;

struct lookup	*lookup_new(struct loop *loop, const struct dblib *lib);
void		 lookup_free(struct lookup **l);

/*
 * Where: the table lives until the next call; of the password a copy is kept.
 * Questions that wait are told that nobody can say.
 */
void		 lookup_configure(struct lookup *l, const struct conf_table *t,
		    const char *password);

/* A name by totp_text.h.  `done' is called once, not from in here. */
void		 lookup_ask(struct lookup *l, const char *name,
		    lookup_done *done, void *ctx);

/* Whoever asked with that ctx is no more. */
void		 lookup_forget(struct lookup *l, const void *ctx);

#endif
