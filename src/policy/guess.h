/*
 * guess.h - who guesses has to wait longer after each try, and then for long.
 *
 * A key is a name or a source, hashed with a secret seed by the caller.  The
 * first GUESS_FREE tries that fail cost nothing, as people mistype; each one
 * after it doubles the wait, from a second on, and from `tries' on the wait
 * is the whole of `lock_ms'.  A key is forgotten when it has been quiet for
 * memory_ms after its wait, or proved who it is.
 *
 * The table is of a fixed size; where it is full, what has the shortest time
 * left gives way.  So a flood of new keys pushes out its own.
 *
 * The table may be in memory that several processes share: nobody locks, and
 * of two that write at once one may lose what it wrote.
 *
 * Source: RFC 4226 section 7.3.
 */
#ifndef POLICY_GUESS_H
#define POLICY_GUESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define GUESS_FREE	2

struct guess_rule {
	int64_t	 tries;			/* failed ones until it is locked */
	int64_t	 lock_ms;
	int64_t	 memory_ms;
};

struct guess;

/* Room for at least so many keys. */
struct guess	*guess_new(size_t keys);
void		 guess_free(struct guess **guess);

/* The same in GUESS_BYTES(keys) of the caller's, zeroed when it begins. */
#define GUESS_WAYS		8	/* places that a key may have */
#define GUESS_ENTRY		32	/* bytes of one */
#define GUESS_BYTES(keys)	\
    (((keys) + GUESS_WAYS - 1) / GUESS_WAYS * GUESS_WAYS * GUESS_ENTRY)
struct guess	*guess_in(void *memory, size_t keys);
/* For who only asks. */
const struct guess *
		 guess_of(const void *memory, size_t keys);

/* Milliseconds until it may be tried again; 0: now. */
int64_t	 guess_wait(const struct guess *g, uint64_t key, int64_t now_ms);

/*
 * A try has failed.  Returns the wait that follows; *locked is set when it
 * is that of a lock, which begins now.
 */
int64_t	 guess_failed(struct guess *g, uint64_t key,
	    const struct guess_rule *rule, int64_t now_ms, bool *locked);

/* Forget it; false when it was not known of. */
bool	 guess_forget(struct guess *g, uint64_t key);

#endif
