#include <liboath/oath.h>
#include <openssl/crypto.h>

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "policy/onetime.h"

static const char *const	 hashes[] = {
	[ONETIME_SHA1] = "SHA1", [ONETIME_SHA256] = "SHA256",
	[ONETIME_SHA512] = "SHA512",
};

#define NHASHES	((int)(sizeof(hashes) / sizeof(hashes[0])))

const char *
onetime_hash_text(int hash)
{
	return hash >= 0 && hash < NHASHES ? hashes[hash] : NULL;
}

int
onetime_hash_find(const char *text)
{
	for (int i = 0; i < NHASHES; i++)
		if (strcasecmp(text, hashes[i]) == 0)
			return i;
	return -1;
}

int64_t
onetime_step(const struct onetime_rule *rule, int64_t now)
{
	return now < 0 ? 0 : now / rule->period;
}

int
onetime_code(const struct onetime_rule *rule, const uint8_t *secret,
    size_t len, int64_t step, char *code)
{
	static const int	 flags[] = {
		[ONETIME_SHA1] = 0, [ONETIME_SHA256] = OATH_TOTP_HMAC_SHA256,
		[ONETIME_SHA512] = OATH_TOTP_HMAC_SHA512,
	};

	if (step < 0)
		return -1;
	return oath_totp_generate2((const char *)secret, len,
	    (time_t)(step * rule->period), (unsigned)rule->period, 0,
	    (unsigned)rule->digits, flags[rule->hash], code) == OATH_OK ? 0 :
	    -1;
}

size_t
onetime_base32_decode(const char *text, size_t len, uint8_t *secret,
    const char **why)
{
	char	 packed[2 * ONETIME_BASE32_MAX], *out = NULL;
	size_t	 n = 0, size = 0;
	int	 rc;

	*why = "longer than 64 bytes";
	for (size_t i = 0; i < len; i++) {
		if (text[i] == ' ' || text[i] == '-' || text[i] == '\t')
			continue;
		if (n == ONETIME_BASE32_MAX - 1)
			return 0;
		packed[n++] = text[i];
	}
	while (n > 0 && packed[n - 1] == '=')
		n--;
	rc = oath_base32_decode(packed, n, &out, &size);
	OPENSSL_cleanse(packed, sizeof(packed));
	if (rc != OATH_OK || size == 0) {
		*why = "want base 32: the letters A to Z and the digits 2 to "
		    "7";
		size = 0;
	} else if (size < ONETIME_SECRET_MIN) {
		*why = "shorter than 10 bytes, which are 16 characters";
		size = 0;
	} else if (size > ONETIME_SECRET_MAX)
		size = 0;
	else
		memcpy(secret, out, size);
	if (out != NULL)
		OPENSSL_cleanse(out, size);
	free(out);
	return size;
}

int
onetime_base32_encode(const uint8_t *secret, size_t len, char *text)
{
	static const char	 digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
	uint32_t		 bits = 0;
	int			 nbits = 0;

	if (len > ONETIME_SECRET_MAX)
		return -1;
	for (size_t i = 0; i < len; i++) {
		bits = bits << 8 | secret[i];
		for (nbits += 8; nbits >= 5; nbits -= 5)
			*text++ = digits[bits >> (nbits - 5) & 31];
	}
	if (nbits > 0)
		*text++ = digits[bits << (5 - nbits) & 31];
	*text = '\0';
	return 0;
}
