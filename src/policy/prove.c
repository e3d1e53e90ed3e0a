#include <openssl/crypto.h>

#include <string.h>

#include "policy/prove.h"

#define PASSWORD_MAX	512	/* bytes of one that a template makes */

/* One run over all that could be. */
struct search {
	const struct person		*person;
	const char			*template;
	const struct prove_answer	*answer;
	struct prove_result		*result;
	bool				 failed;
};

static int
append(char *out, size_t size, size_t *n, const char *text, size_t len)
{
	if (len >= size - *n)
		return -1;
	memcpy(out + *n, text, len);
	*n += len;
	out[*n] = '\0';
	return 0;
}

int
prove_password(const struct person *person, const char *template,
    const char *code, char *out, size_t size)
{
	size_t	 n = 0;

	out[0] = '\0';
	for (const char *p = template; *p != '\0'; p++) {
		const char	*text = p;
		size_t		 len = 1;

		if (*p == '%' && *++p != '%') {
			text = *p == 'u' ? person->name : *p == 'p' ?
			    person->password : code;
			len = strlen(text);
		}
		if (append(out, size, &n, text, len) == -1)
			return -1;
	}
	return (int)n;
}

/* What this password would have been answered with. */
static int
answer_of(const struct prove_answer *a, struct mysql_bytes password,
    uint8_t *out, size_t *len)
{
	switch (a->how) {
	case PROVE_NATIVE:
		*len = MYSQL_NATIVE_LEN;
		return mysql_native_scramble(password, a->nonce, out);
	case PROVE_SHA2:
		*len = MYSQL_SHA2_LEN;
		return mysql_sha2_scramble(password, a->nonce, out);
	case PROVE_CLEAR:
		*len = password.len;
		memcpy(out, password.p, password.len);
		return 0;
	}
	return -1;
}

/* Was it this one? */
static bool
try(struct search *s, const char *code)
{
	char			 text[PASSWORD_MAX];
	uint8_t			 expected[PASSWORD_MAX];
	struct mysql_bytes	 password;
	size_t			 len = 0;
	int			 n;
	bool			 same = false;

	n = prove_password(s->person, s->template, code, text, sizeof(text));
	if (n <= 0)
		return false;
	password.p = (const uint8_t *)text;
	password.len = (size_t)n;
	if (answer_of(s->answer, password, expected, &len) == -1)
		s->failed = true;
	else
		same = len == s->answer->bytes.len && CRYPTO_memcmp(expected,
		    s->answer->bytes.p, len) == 0;
	if (same)
		s->failed |= mysql_native_stored(password,
		    s->result->stored) == -1;
	OPENSSL_cleanse(text, sizeof(text));
	OPENSSL_cleanse(expected, sizeof(expected));
	return same;
}

static void
try_step(struct search *s, int64_t step)
{
	char	 code[ONETIME_CODE_MAX], *p = code;
	bool	 same;

	if (onetime_code(&s->person->rule, s->person->secret,
	    s->person->nsecret, step, code) == -1)
		return;
	same = try(s, code);
	/* As portproxy had it, and as users leave them out. */
	while (p[0] == '0' && p[1] != '\0')
		p++;
	same |= p != code && try(s, p);
	OPENSSL_cleanse(code, sizeof(code));
	if (!same)
		return;
	s->result->proved = true;
	s->result->recovery = false;
	s->result->step = step;
}

int
prove(const struct person *person, const char *template, int64_t now,
    const struct prove_answer *answer, const struct prove_answer *code,
    struct prove_result *result)
{
	struct search	 s = { person, template, answer, result, false };
	int64_t		 step = onetime_step(&person->rule, now);
	uint8_t		 stored[MYSQL_SHA1_LEN];
	bool		 password = true;

	*result = (struct prove_result){ .proved = false };
	if (code != NULL) {
		password = try(&s, "") && person->password[0] != '\0';
		memcpy(stored, result->stored, sizeof(stored));
		s.template = "%t";
		s.answer = code;
	}
	for (size_t i = 0; i < person->nrecovery; i++)
		if (try(&s, person->recovery[i])) {
			result->proved = result->recovery = true;
			result->code = i;
		}
	for (int i = -person->rule.window; i <= person->rule.window; i++)
		try_step(&s, step + i);
	result->proved &= password;
	/* What a certificate is vouched for with is the password's. */
	if (code != NULL)
		memcpy(result->stored, stored, sizeof(stored));
	return s.failed ? -1 : 0;
}
