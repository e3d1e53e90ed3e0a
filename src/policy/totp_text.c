#include <string.h>

#include "policy/totp_text.h"

#define CHARACTERS_MAX	32	/* of a name, as MySQL has it */

static bool
is_name_byte(unsigned char c)
{
	return c > ' ' && c != 0x7f && strchr(":#@", c) == NULL;
}

bool
totp_is_name(const char *name, size_t len)
{
	size_t	 characters = 0;

	if (len == 0 || len >= TOTP_NAME_MAX)
		return false;
	for (size_t i = 0; i < len; i++) {
		if (!is_name_byte((unsigned char)name[i]))
			return false;
		characters += ((unsigned char)name[i] & 0xc0) != 0x80;
	}
	return characters <= CHARACTERS_MAX;
}

bool
totp_is_template(const char *template, bool with_code, const char **why)
{
	bool	 code = false, password = false;

	for (const char *p = template; *p != '\0'; p++) {
		if (*p != '%')
			continue;
		p++;
		if (*p == '\0' || strchr("utp%", *p) == NULL) {
			*why = "after \"%\" want u, t, p or %";
			return false;
		}
		code |= *p == 't';
		password |= *p == 'p';
	}
	*why = with_code ? "want \"%t\" in it, for the code" : "want \"%p\" "
	    "and no \"%t\" in it, as the code is asked for apart";
	return with_code ? code : password && !code;
}
