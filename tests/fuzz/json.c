#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"

#define DEPTH	2	/* arrays in arrays */

struct in {
	const unsigned char	*p;
	size_t			 left;
};

struct text {
	char	*p;		/* as large as the whole input */
	size_t	 len;
};

static bool
eat(struct in *in, char c)
{
	if (in->left == 0 || *in->p != (unsigned char)c)
		return false;
	in->p++;
	in->left--;
	return true;
}

static bool
hex4(struct in *in, uint32_t *v)
{
	*v = 0;
	if (in->left < 4)
		return false;
	for (int i = 0; i < 4; i++, in->p++, in->left--) {
		unsigned char	 c = *in->p;

		*v <<= 4;
		if (c >= '0' && c <= '9')
			*v |= (uint32_t)(c - '0');
		else if (c >= 'a' && c <= 'f')
			*v |= (uint32_t)(c - 'a' + 10);
		else if (c >= 'A' && c <= 'F')
			*v |= (uint32_t)(c - 'A' + 10);
		else
			return false;
	}
	return true;
}

static void
add(struct text *t, uint32_t byte)
{
	t->p[t->len++] = (char)byte;
}

static void
add_char(struct text *t, uint32_t c)
{
	if (c < 0x80)
		add(t, c);
	else if (c < 0x800) {
		add(t, 0xc0 | c >> 6);
		add(t, 0x80 | (c & 0x3f));
	} else if (c < 0x10000) {
		add(t, 0xe0 | c >> 12);
		add(t, 0x80 | (c >> 6 & 0x3f));
		add(t, 0x80 | (c & 0x3f));
	} else {
		add(t, 0xf0 | c >> 18);
		add(t, 0x80 | (c >> 12 & 0x3f));
		add(t, 0x80 | (c >> 6 & 0x3f));
		add(t, 0x80 | (c & 0x3f));
	}
}

static bool
escaped_unit(struct in *in, struct text *t)
{
	uint32_t	 c, low;

	if (!hex4(in, &c))
		return false;
	if (c >= 0xd800 && c < 0xdc00) {
		if (!eat(in, '\\') || !eat(in, 'u') || !hex4(in, &low) ||
		    low < 0xdc00 || low > 0xdfff)
			return false;
		add_char(t, 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00));
	} else if (c >= 0xdc80 && c <= 0xdcff)
		add(t, c - 0xdc00);
	else if (c >= 0xdc00 && c <= 0xdfff)
		return false;
	else
		add_char(t, c);
	return true;
}

static bool
escape(struct in *in, struct text *t)
{
	static const char	 names[] = "\"\\/bfnrt";
	static const char	 bytes[] = "\"\\/\b\f\n\r\t";
	const char		*at;

	if (in->left == 0 || *in->p == '\0')
		return false;
	if (eat(in, 'u'))
		return escaped_unit(in, t);
	at = strchr(names, *in->p);
	if (at == NULL)
		return false;
	add(t, (uint32_t)bytes[at - names]);
	in->p++;
	in->left--;
	return true;
}

/* RFC 3629, by decoding and asking whether it was the shortest form. */
static bool
utf8(struct in *in, struct text *t)
{
	static const uint32_t	 least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	uint32_t		 c = *in->p;
	size_t			 n;

	n = c < 0x80 ? 1 : c >> 5 == 6 ? 2 : c >> 4 == 14 ? 3 :
	    c >> 3 == 30 ? 4 : 0;
	if (n == 0 || n > in->left)
		return false;
	if (n > 1)
		c &= 0x7fu >> n;
	for (size_t i = 1; i < n; i++) {
		if (in->p[i] >> 6 != 2)
			return false;
		c = c << 6 | (in->p[i] & 0x3fu);
	}
	if (c < least[n] || c > 0x10ffff || (c >= 0xd800 && c < 0xe000))
		return false;
	add_char(t, c);
	in->p += n;
	in->left -= n;
	return true;
}

static bool
string(struct in *in, struct text *t)
{
	t->len = 0;
	if (!eat(in, '"'))
		return false;
	while (in->left > 0 && *in->p != '"') {
		if (*in->p < 0x20)
			return false;
		if (eat(in, '\\') ? !escape(in, t) : !utf8(in, t))
			return false;
	}
	return eat(in, '"');
}

static bool
digits(struct in *in, struct text *t)
{
	size_t	 had = t->len;

	while (in->left > 0 && *in->p >= '0' && *in->p <= '9') {
		add(t, *in->p++);
		in->left--;
	}
	return t->len > had;
}

static bool
number(struct in *in, struct text *t)
{
	t->len = 0;
	if (eat(in, '-'))
		add(t, '-');
	if (eat(in, '0'))
		add(t, '0');
	else if (!digits(in, t))
		return false;
	if (eat(in, '.')) {
		add(t, '.');
		if (!digits(in, t))
			return false;
	}
	if (!eat(in, 'e') && !eat(in, 'E'))
		return true;
	add(t, 'e');
	if (eat(in, '-'))
		add(t, '-');
	else
		(void)eat(in, '+');
	return digits(in, t);
}

static bool
word(struct in *in, const char *text)
{
	size_t	 len = strlen(text);

	if (in->left < len || memcmp(in->p, text, len) != 0)
		return false;
	in->p += len;
	in->left -= len;
	return true;
}

static bool	 array(struct in *, struct text *, int);

/* Anything but an object; a string or a number is in t then. */
static bool
value(struct in *in, struct text *t, int depth)
{
	if (in->left == 0)
		return false;
	switch (*in->p) {
	case '"':
		return string(in, t);
	case '[':
		return depth > 0 && array(in, t, depth - 1);
	case 'n':
		return word(in, "null");
	case 't':
		return word(in, "true");
	case 'f':
		return word(in, "false");
	default:
		return number(in, t);
	}
}

static bool
array(struct in *in, struct text *t, int depth)
{
	if (!eat(in, '['))
		return false;
	if (eat(in, ']'))
		return true;
	do
		if (!value(in, t, depth))
			return false;
	while (eat(in, ','));
	return eat(in, ']');
}

/* As it stands. */
static void
set_raw(struct text *t, const unsigned char *from, const struct in *in)
{
	t->len = (size_t)(in->p - from);
	memcpy(t->p, from, t->len);
}

static bool
member(struct in *in, struct text t[2], json_member *each, void *ctx)
{
	const unsigned char	*from;
	bool			 is_string;

	if (!string(in, &t[0]) || !eat(in, ':') || in->left == 0)
		return false;
	from = in->p;
	is_string = *from == '"';
	if (!value(in, &t[1], DEPTH))
		return false;
	if (!is_string)
		set_raw(&t[1], from, in);
	if (each != NULL)
		each(ctx, t[0].p, t[0].len, !is_string, t[1].p, t[1].len);
	return true;
}

bool
json_object(const char *p, size_t len, json_member *each, void *ctx)
{
	struct in	 in = { (const unsigned char *)p, len };
	struct text	 t[2] = { { malloc(len + 1), 0 },
			    { malloc(len + 1), 0 } };
	bool		 ok = t[0].p != NULL && t[1].p != NULL &&
			    eat(&in, '{');

	if (ok && !eat(&in, '}')) {
		do
			ok = member(&in, t, each, ctx);
		while (ok && eat(&in, ','));
		ok = ok && eat(&in, '}');
	}
	free(t[0].p);
	free(t[1].p);
	return ok && in.left == 0;
}
