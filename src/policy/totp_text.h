/*
 * totp_text.h - what people with one-time codes may be called, and how a
 * password of theirs is put together.
 */
#ifndef POLICY_TOTP_TEXT_H
#define POLICY_TOTP_TEXT_H

#include <stdbool.h>
#include <stddef.h>

#define TOTP_NAME_MAX	129	/* bytes of 32 characters, and a NUL */

/* "want ..." what totp_is_name() is true of. */
#define TOTP_WANT_NAME	"want a name of up to 32 characters, none of them a " \
			"space, a control character, \":\", \"#\" or \"@\""

bool	 totp_is_name(const char *name, size_t len);

/*
 * A template for passwords, in which %u, %t, %p and %% mean something: see
 * prove.h.  With a code in it, %t must be; else %p must be, and %t not.  False
 * with *why.
 */
bool	 totp_is_template(const char *template, bool with_code,
	    const char **why);

#endif
