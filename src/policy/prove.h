/*
 * prove.h - which of a person's passwords of this minute it was.
 *
 * What a client answers a nonce with cannot be turned back into a password,
 * but there are few that are right: those of the steps within the window, as
 * the template has them, and with recovery codes in place of those.
 *
 * Or the code comes apart from the password, and then both must be right.
 *
 *	%u	the name
 *	%t	the code, with its leading zeros or without them
 *	%p	the person's own password
 *	%%	a percent sign
 */
#ifndef POLICY_PROVE_H
#define POLICY_PROVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "policy/people.h"
#include "wire/mysql_scramble.h"

#define PROVE_TEMPLATE_MAX	64	/* characters */
#define PROVE_ANSWER_MAX	256	/* bytes */

enum prove_how {
	PROVE_NATIVE,			/* mysql_native_password */
	PROVE_SHA2,			/* caching_sha2_password */
	PROVE_CLEAR,			/* the password itself */
};

/* What a client answered, and to which nonce. */
struct prove_answer {
	enum prove_how		 how;
	uint8_t			 nonce[MYSQL_NONCE_LEN];
	struct mysql_bytes	 bytes;
};

struct prove_result {
	bool		 proved;
	bool		 recovery;	/* by one of those codes */
	int64_t		 step;		/* else of this step */
	size_t		 code;		/* which recovery code */
	uint8_t		 stored[MYSQL_SHA1_LEN];	/* mysql_native_stored()
						   of the password */
};

/*
 * At `now', in seconds of time(2).  With `code' not NULL that is for the code
 * alone, and `answer' for a password without one, which must not be empty.  It
 * takes as long whichever it is, and whether it is one or not.  0, or -1 when
 * OpenSSL fails.
 */
int	 prove(const struct person *person, const char *template, int64_t now,
	    const struct prove_answer *answer,
	    const struct prove_answer *code, struct prove_result *result);

/*
 * The password that the template makes of a code, into `out'.  Its length,
 * or -1: it does not fit.
 */
int	 prove_password(const struct person *person, const char *template,
	    const char *code, char *out, size_t size);

#endif
