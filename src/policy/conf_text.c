#include <stdbool.h>
#include <string.h>

#include "policy/conf_text.h"

struct scan {
	const char	*p, *end;
	unsigned int	 line;
};

static char
peek(const struct scan *s, size_t ahead)
{
	return ahead < (size_t)(s->end - s->p) ? s->p[ahead] : '\0';
}

static void
step(struct scan *s)
{
	if (s->p < s->end && *s->p++ == '\n')
		s->line++;
}

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool
is_word(char c)
{
	return is_digit(c) || (c >= 'a' && c <= 'z') ||
	    (c >= 'A' && c <= 'Z') || c == '_' || c == '-' || c == '*' ||
	    c == '.';
}

static void
skip_line(struct scan *s)
{
	while (s->p < s->end && *s->p != '\n')
		s->p++;
}

static void
skip_block(struct scan *s)
{
	step(s);
	step(s);
	while (s->p < s->end && !(peek(s, 0) == '*' && peek(s, 1) == '/'))
		step(s);
	step(s);
	step(s);
}

static const char *
check_string(struct scan *s)
{
	step(s);
	while (s->p < s->end && *s->p != '"') {
		if (*s->p == '\\') {
			if (peek(s, 1) == 'x' && peek(s, 2) == '0' &&
			    peek(s, 3) == '0')
				return "\\x00 would end the string there";
			step(s);
		}
		step(s);
	}
	step(s);
	return NULL;
}

/* More than an int, without the L that asks for more. */
static bool
is_too_large(const char *digits, size_t n, bool negative)
{
	const char	*most = negative ? "2147483648" : "2147483647";

	if (n != 10)
		return n > 10;
	return memcmp(digits, most, 10) > 0;
}

#define LARGE	"a number beyond 2147483647 would be read as another; an L " \
		"behind it helps"

static const char *
check_hex(struct scan *s)
{
	size_t	 n = 0;

	s->p += 2;
	while (n < (size_t)(s->end - s->p) && strchr("0123456789abcdefABCDEF",
	    s->p[n]) != NULL)
		n++;
	s->p += n;
	return n > 8 && peek(s, 0) != 'L' ? LARGE : NULL;
}

static const char *
check_number(struct scan *s, bool negative)
{
	const char	*digits = s->p;
	size_t		 n;
	char		 next;

	if (peek(s, 0) == '0' && (peek(s, 1) == 'x' || peek(s, 1) == 'X'))
		return check_hex(s);
	while (is_digit(peek(s, 0)))
		s->p++;
	n = (size_t)(s->p - digits);
	next = peek(s, 0);
	if (next == '.' || next == 'e' || next == 'E')
		return NULL;
	if (n > 1 && digits[0] == '0')
		return "a number that begins with 0 would be read as decimal: "
		    "write it without";
	if (next == 'L')
		return NULL;
	if (is_too_large(digits, n, negative))
		return LARGE;
	return NULL;
}

/* Where a token begins: step over it, or say what is wrong with it. */
static const char *
check_token(struct scan *s)
{
	const char	*why = NULL;
	bool		 negative;

	if (peek(s, 0) == '#' || (peek(s, 0) == '/' && peek(s, 1) == '/'))
		skip_line(s);
	else if (peek(s, 0) == '/' && peek(s, 1) == '*')
		skip_block(s);
	else if (peek(s, 0) == '"')
		return check_string(s);
	else if (is_digit(peek(s, 0)) || ((peek(s, 0) == '-' ||
	    peek(s, 0) == '+') && is_digit(peek(s, 1)))) {
		negative = peek(s, 0) == '-';
		if (!is_digit(peek(s, 0)))
			s->p++;
		why = check_number(s, negative);
		while (why == NULL && is_word(peek(s, 0)))
			s->p++;
	} else if (is_word(peek(s, 0))) {
		while (is_word(peek(s, 0)))
			s->p++;
	} else
		step(s);
	return why;
}

const char *
conf_text_check(const char *text, size_t len, unsigned int *line)
{
	struct scan	 s = { text, text + len, 1 };
	const char	*nul = memchr(text, '\0', len), *why = NULL;

	if (nul != NULL)
		s.end = nul;
	while (why == NULL && s.p < s.end)
		why = check_token(&s);
	if (why == NULL && nul != NULL)
		why = "a NUL byte; a configuration is text";
	*line = s.line;
	return why;
}
