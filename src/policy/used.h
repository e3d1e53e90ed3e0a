/*
 * used.h - codes that were used, so that none works twice.
 *
 * For each person the last step whose code was taken; that one and all
 * before it are spent.  A step is forgotten when it is too old to be taken
 * by anyone.
 *
 * It outlives its process as text, if that came to write it.  Who finds none,
 * or one that is not the last, takes all steps for spent that could have been
 * used until then.
 *
 * Source: RFC 6238 section 5.2.
 */
#ifndef POLICY_USED_H
#define POLICY_USED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "policy/access.h"
#include "policy/onetime.h"

#define USED_MAX	65536		/* people at a time */
#define USED_BYTES_MAX	(16 * 1024 * 1024)	/* of its text */

struct used;

struct used	*used_new(void);
void		 used_free(struct used **used);

/* All steps that began until then, in seconds of time(2), are spent. */
void		 used_until(struct used *used, int64_t seconds);

enum used_verdict {
	USED_OK,		/* it is spent now */
	USED_AGAIN,		/* the last one, and it may be reused */
	USED_SPENT,
	USED_FULL,		/* no room, so it is not taken */
};

/*
 * Take the code of a step.  Within reuse_s seconds after it was first taken
 * the same one is taken again from the same source.
 */
enum used_verdict	 used_take(struct used *used, const char *name,
			    const struct onetime_rule *rule, int64_t step,
			    const struct access_source *source,
			    int64_t reuse_s, int64_t now_s);

/* Of somebody who has another secret now. */
void		 used_forget(struct used *used, const char *name);

/* How many are kept. */
size_t		 used_count(const struct used *used);

/*
 * What matters still, as text to be freed, with its length in *len; and back:
 * 0, or -1 when the text is none, and then nothing was taken from it.
 */
char		*used_text(struct used *used, int64_t now_s, size_t *len);
int		 used_read(struct used *used, const char *text, size_t len);

#endif
