/*
 * vault.h - what auth knows: who has which secret, which codes were used, who
 * guesses, and the real accounts.
 *
 * Passwords and secrets are in OpenSSL's secure memory, if there is any, and
 * leave only as the answer to a server's nonce.  It waits for nothing but the
 * disk, and for that only when an administrator changes something.
 *
 * The state on disk is "clean" and the text of used.h when its last user
 * ended in order, else the word of who uses it: who begins on that takes for
 * spent whatever could have been used.
 */
#ifndef PROCESS_VAULT_H
#define PROCESS_VAULT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "process/code_ask.h"
#include "process/setup.h"

#define VAULT_WHY_MAX	512	/* bytes */

struct vault;

/* The seed is secret and random, 32 bytes. */
struct vault	*vault_new(const uint8_t *seed);
void		 vault_free(struct vault **vault);

/*
 * Take the passwords and keys out of the files of a generation, which are
 * cleansed; its stores stay its own.  0, or -1 with why; nothing is taken.
 */
int	 vault_add(struct vault *v, struct setup_generation *gen, char *why);
void	 vault_forget(struct vault *v, uint32_t generation);

/*
 * From now on this generation's stores are in use: its people, and codes that
 * were used, if that is another file than before.  Lines and trouble are
 * logged.
 */
void	 vault_use(struct vault *v, uint32_t generation, int64_t now_s);

/* Write the state, for who begins after us. */
void	 vault_end(struct vault *v, int64_t now_s);

/* People there are. */
size_t	 vault_count(const struct vault *v);

/*
 * With secrets in a table: must the secret of that user be looked up first?
 * What was learnt holds for VAULT_FRESH_MS, also that there is none.
 */
#define VAULT_FRESH_MS	10000
bool	 vault_must_ask(const struct vault *v, const char *user,
	    int64_t now_ms);
/* NULL: there is none. */
void	 vault_learn(struct vault *v, const char *user, const char *secret,
	    int64_t now_ms);

/* Does somebody have codes, as the file is now, or was learnt? */
bool	 vault_has(struct vault *v, const char *user);

/* What a check came to, and for the log why. */
struct vault_result {
	struct code_pass	 pass;		/* grant 0 */
	const char		*reason;	/* NULL when it is right */
	bool			 locked;	/* from now on: an alarm */
	int64_t			 lock_ms;
};

/*
 * `source' is whom the tries count for; 0, or -1 when the question is none:
 * no such generation or listener, or not with codes.
 */
int	 vault_check(struct vault *v, const struct code_check *c,
	    const struct access_source *source, bool trusted, int64_t now_s,
	    int64_t now_ms, struct vault_result *result);

/*
 * The answer for an account of a listener into CODE_ANSWER_MAX bytes; its
 * length, or -1: the account has no password, or the nonce is none.
 */
ptrdiff_t	 vault_answer(const struct vault *v, uint32_t generation,
		    uint32_t listener, uint32_t account,
		    const struct code_question *q, uint8_t *out);

/* The configuration of a generation, or NULL. */
const struct conf	*vault_conf(const struct vault *v,
			    uint32_t generation);

/* --- for administrators: 0, or -1 with why, a sentence. */

/*
 * Somebody new, or with a new secret: in base 32, or "" to have one made, and
 * options as in people.h.  `uri' of VAULT_URI_MAX bytes then has what an app
 * is shown.
 */
#define VAULT_URI_MAX	768
int	 vault_add_person(struct vault *v, const char *name,
	    const char *secret, const char *options, char *uri, char *why);
int	 vault_remove_person(struct vault *v, const char *name, char *why);

/* Ten codes that work once, into text, a line each; earlier ones do not. */
#define VAULT_CODES_MAX	256
int	 vault_recovery(struct vault *v, const char *name, char *text,
	    char *why);

/* Is it right now?  Nothing is spent; text says more. */
int	 vault_try_code(struct vault *v, const char *name, const char *code,
	    int64_t now_s, char *text, char *why);

/* A name or an address; -1 when nothing was held against it. */
int	 vault_unlock(struct vault *v, const char *what, char *why);

/*
 * The i-th person, by name, as "NAME key=value..." without a secret.  1; 0
 * behind the last; -1 with why in text, of VAULT_WHY_MAX bytes.
 */
int	 vault_person_text(struct vault *v, size_t i, char *text);

#endif
