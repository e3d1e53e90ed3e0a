#include <stdbool.h>
#include <string.h>

#include "policy/conf_text.h"

static char
peek(const struct conf_walk *s, size_t ahead)
{
	return ahead < (size_t)(s->end - s->p) ? s->p[ahead] : '\0';
}

static void
step(struct conf_walk *s)
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
skip_line(struct conf_walk *s)
{
	while (s->p < s->end && *s->p != '\n')
		s->p++;
}

static const char *
check_block(struct conf_walk *s)
{
	const unsigned int	 line = s->line;

	step(s);
	step(s);
	while (s->p < s->end && !(peek(s, 0) == '*' && peek(s, 1) == '/'))
		step(s);
	if (s->p == s->end) {
		s->line = line;
		return "a comment that has no end";
	}
	step(s);
	step(s);
	return NULL;
}

static const char *
check_string(struct conf_walk *s)
{
	const unsigned int	 line = s->line;

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
	if (s->p == s->end) {
		s->line = line;
		return "a string that has no end";
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
check_hex(struct conf_walk *s)
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
check_number(struct conf_walk *s, bool negative)
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
check_token(struct conf_walk *s)
{
	const char	*why = NULL;
	bool		 negative;

	if (peek(s, 0) == '#' || (peek(s, 0) == '/' && peek(s, 1) == '/'))
		skip_line(s);
	else if (peek(s, 0) == '/' && peek(s, 1) == '*')
		return check_block(s);
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

void
conf_walk_init(struct conf_walk *w, const char *text, size_t len)
{
	*w = (struct conf_walk){
		.p = text, .start = text, .end = text + len, .line = 1,
	};
}

const char *
conf_text_check(const char *text, size_t len, unsigned int *line)
{
	struct conf_walk	 s;
	const char		*nul = memchr(text, '\0', len), *why = NULL;

	conf_walk_init(&s, text, nul != NULL ? (size_t)(nul - text) : len);
	while (why == NULL && s.p < s.end)
		why = check_token(&s);
	if (nul != NULL && (why == NULL || s.p == s.end)) {
		why = "a NUL byte; a configuration is text";
		s.line = 1;
		for (const char *p = text; p < nul; p++)
			s.line += *p == '\n';
	}
	*line = s.line;
	return why;
}

static size_t
blanks(const struct conf_walk *w, size_t from)
{
	size_t	 n = from;

	while (peek(w, n) == ' ' || peek(w, n) == '\t')
		n++;
	return n - from;
}

/* Does libconfig see the beginning of an @include here? */
static bool
at_directive(const struct conf_walk *w, size_t *quote)
{
	static const char	 word[] = "@include";
	const size_t		 len = sizeof(word) - 1;
	size_t			 n, gap;

	if (w->p > w->start && w->p[-1] != '\n')
		return false;
	n = blanks(w, 0);
	if (len > (size_t)(w->end - w->p) - n ||
	    memcmp(w->p + n, word, len) != 0)
		return false;
	n += len;
	gap = blanks(w, n);
	*quote = n + gap;
	return gap > 0 && peek(w, *quote) == '"';
}

/* The string behind @include; it has no escapes but of "\" and quotes. */
static void
take_directive(struct conf_walk *w, size_t quote, struct conf_directive *d)
{
	const char	*p = w->p + quote + 1;

	*d = (struct conf_directive){
		.start = w->p, .name = p, .line = w->line,
	};
	while (p < w->end && *p != '"' && *p != '\n')
		p += *p == '\\' && w->end - p > 1 && p[1] != '\n' ? 2 : 1;
	if (p < w->end && *p == '"')
		d->len = (size_t)(p++ - d->name);
	d->end = p;
	w->p = p;
}

bool
conf_walk_include(struct conf_walk *w, struct conf_directive *d)
{
	size_t	 quote;

	while (w->p < w->end) {
		if (at_directive(w, &quote)) {
			take_directive(w, quote, d);
			return true;
		}
		(void)check_token(w);
	}
	return false;
}
