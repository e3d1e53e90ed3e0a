/*
 * keyring.h - the private keys of a pool, and who is signed for with them.
 *
 * They stay in here: what can be asked for is a signature by one of them, of
 * a generation, by its file's number (conf_files.h).  What generations have
 * in common is kept once.
 */
#ifndef PROCESS_KEYRING_H
#define PROCESS_KEYRING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "process/setup.h"
#include "session/sign.h"

#define KEYRING_WHY_MAX	512	/* bytes */

struct keyring;

/*
 * To be called once and before any key is read: they are then in memory of
 * their own, which is not swapped out and in no core dump.  False: it may be
 * swapped out.
 */
bool		 keyring_lock_memory(void);

struct keyring	*keyring_new(void);
void		 keyring_free(struct keyring **keyring);

/* Have all private keys of that pool come that the generation names? */
bool		 keyring_is_given(const struct setup_generation *g,
		    const char *pool);

/*
 * Take the keys out of the files of the generation, which are cleansed.  0,
 * or -1 with `why'; then none is taken.
 */
int		 keyring_add(struct keyring *keyring,
		    struct setup_generation *g, char *why);
void		 keyring_forget(struct keyring *keyring, uint32_t generation);

/* How many there are, each counted once. */
size_t		 keyring_count(const struct keyring *keyring);

/* As sign_ask; -1 also when there is no such key. */
ptrdiff_t	 keyring_sign(const struct keyring *keyring,
		    uint32_t generation, const struct sign_request *rq,
		    uint8_t *sig);

/* Does that pool need private keys? */
bool		 keyring_is_needed(const struct conf *conf,
		    const char *pool);

#endif
