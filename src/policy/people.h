/*
 * people.h - who may log in with one-time codes: a line of text each.
 *
 *	NAME SECRET [digits=6|8] [period=SECONDS] [algorithm=SHA1|SHA256|
 *	    SHA512] [window=STEPS] [password=TEXT] [recovery=CODE,CODE...]
 *
 * The secret is in base 32 and may be written in groups.  A name is one by
 * totp_text.h.
 * What is not said is as the configuration has it.  Empty lines and those that
 * begin with "#" say nothing; of two lines for a name the later one counts.
 * A recovery code that was used is all dashes.
 */
#ifndef POLICY_PEOPLE_H
#define POLICY_PEOPLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "policy/onetime.h"
#include "policy/totp_text.h"

#define PEOPLE_PASSWORD_MAX	65	/* bytes with the NUL */
#define PEOPLE_RECOVERY_MAX	10	/* codes of one */
#define PEOPLE_RECOVERY_LEN	12	/* characters of each */
#define PEOPLE_BYTES_MAX	(1024 * 1024)
#define PEOPLE_LINE_MAX		1024

struct person {
	char			 name[TOTP_NAME_MAX];
	struct onetime_rule	 rule;
	uint8_t			 secret[ONETIME_SECRET_MAX];
	size_t			 nsecret;
	char			 password[PEOPLE_PASSWORD_MAX];
	char			 recovery[PEOPLE_RECOVERY_MAX]
				    [PEOPLE_RECOVERY_LEN + 1];
	size_t			 recovery_at[PEOPLE_RECOVERY_MAX];	/* in
				    the text */
	size_t			 nrecovery;
	/* Of its line in the text. */
	size_t			 at, len;
};

struct people;

/* Told of each line that is not as it must be, from 1. */
typedef void	 people_complain(void *ctx, unsigned int line,
		    const char *why);

/*
 * All that the text names; lines that are malformed are told, and left out.
 * What is secret is in OpenSSL's secure memory, if there is any.
 */
struct people	*people_parse(const char *text, size_t len,
		    const struct onetime_rule *usual, people_complain *tell,
		    void *ctx);
void		 people_free(struct people **people);

const struct person	*people_find(const struct people *people,
			    const char *name);
size_t			 people_count(const struct people *people);
/* In the order of their names. */
const struct person	*people_at(const struct people *people, size_t i);

/*
 * The line of a person, without the end of line, into PEOPLE_LINE_MAX bytes.
 * What is as usual is not written.  Its length, or -1: it does not fit.
 */
int		 people_line(const struct person *person,
		    const struct onetime_rule *usual, char *line);

#endif
