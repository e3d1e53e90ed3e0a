/*
 * onetime.h - codes that are right for half a minute.
 *
 * The code of a step is made from a secret and the step's number; both sides
 * count steps from 1970 on.
 *
 * Source: RFC 6238 (TOTP), RFC 4226 (HOTP), RFC 4648 section 6 (base 32).
 */
#ifndef POLICY_ONETIME_H
#define POLICY_ONETIME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ONETIME_SECRET_MAX	64	/* bytes: a block of SHA-1 or SHA-256 */
#define ONETIME_SECRET_MIN	10	/* portproxy's have 80 bits */
#define ONETIME_BASE32_MAX	161	/* bytes of its text, and a NUL */
#define ONETIME_CODE_MAX	9	/* bytes of a code, and a NUL */
#define ONETIME_WINDOW_MAX	10	/* steps */
#define ONETIME_PERIOD_MAX	300	/* seconds */

enum onetime_hash {
	ONETIME_SHA1,
	ONETIME_SHA256,
	ONETIME_SHA512,
};

struct onetime_rule {
	int	 digits;		/* 6 or 8 */
	int	 period;		/* seconds of a step */
	int	 hash;			/* enum onetime_hash */
	int	 window;		/* steps before and after this one that
					   count as well */
};

/* The step that goes on at that time, in seconds of time(2). */
int64_t	 onetime_step(const struct onetime_rule *rule, int64_t now);

/*
 * The code of a step, leading zeros included, into ONETIME_CODE_MAX bytes.
 * 0, or -1 when it cannot be made.
 */
int	 onetime_code(const struct onetime_rule *rule, const uint8_t *secret,
	    size_t len, int64_t step, char *code);

/*
 * A secret from base 32: in any case, with spaces or dashes between, padded or
 * not.  Bytes written to ONETIME_SECRET_MAX, or 0 with *why.
 */
size_t	 onetime_base32_decode(const char *text, size_t len, uint8_t *secret,
	    const char **why);

/* Upper case, without padding; ONETIME_BASE32_MAX bytes with the NUL. */
int	 onetime_base32_encode(const uint8_t *secret, size_t len, char *text);

/* "SHA1", "SHA256" or "SHA512", as otpauth: URIs have them; NULL, or -1. */
const char	*onetime_hash_text(int hash);
int		 onetime_hash_find(const char *text);

#endif
