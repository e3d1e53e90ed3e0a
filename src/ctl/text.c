#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "ctl/text.h"

#define COLUMNS_MAX	16
#define GAP		2	/* blanks between columns */

/*
 * Bytes of the UTF-8 character at p and which one it is; 0 where it is none.
 * Overlong forms and surrogates (RFC 3629) are none.
 */
static size_t
decode(const unsigned char *p, uint32_t *c)
{
	static const uint32_t	 least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	size_t			 n;

	if (p[0] < 0x80) {
		*c = p[0];
		return 1;
	}
	n = p[0] >= 0xf0 ? 4 : p[0] >= 0xe0 ? 3 : 2;
	if (p[0] < 0xc2 || p[0] > 0xf4)
		return 0;
	*c = p[0] & (0x7fu >> n);
	for (size_t i = 1; i < n; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
		*c = *c << 6 | (p[i] & 0x3f);
	}
	if (*c < least[n] || *c > 0x10ffff || (*c >= 0xd800 && *c <= 0xdfff))
		return 0;
	return n;
}

/* Controls, and what changes the direction in which the rest is read. */
static bool
is_unsafe(uint32_t c)
{
	return c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0x200e ||
	    c == 0x200f || (c >= 0x2028 && c <= 0x202e) ||
	    (c >= 0x2066 && c <= 0x2069);
}

char *
text_safe(const char *s)
{
	const unsigned char	*p = (const unsigned char *)s;
	char			*safe = mem_calloc(strlen(s) + 1, 6), *q = safe;
	uint32_t		 c;
	size_t			 n;

	while (*p != '\0') {
		n = decode(p, &c);
		if (n == 0)
			q += sprintf(q, "\\x%02x", *p);
		else if (is_unsafe(c))
			q += sprintf(q, c < 0x80 ? "\\x%02x" : "\\u%04x", c);
		else {
			memcpy(q, p, n);
			q += n;
		}
		p += n > 0 ? n : 1;
	}
	return safe;
}

char *
text_bytes(uint64_t bytes, char buf[TEXT_FIGURE_MAX])
{
	static const char	 units[] = "kMGTPE";
	double			 v = (double)bytes;
	size_t			 i = 0;

	if (bytes < 1000) {
		snprintf(buf, TEXT_FIGURE_MAX, "%" PRIu64, bytes);
		return buf;
	}
	/* "1000k" is wider than "1.0M". */
	for (v /= 1024; v >= 999.5 && i + 2 < sizeof(units); i++)
		v /= 1024;
	snprintf(buf, TEXT_FIGURE_MAX, v < 9.95 ? "%.1f%c" : "%.0f%c", v,
	    units[i]);
	return buf;
}

char *
text_age(int64_t ms, char buf[TEXT_FIGURE_MAX])
{
	int64_t	 s = ms / 1000;

	if (ms < 1000)
		snprintf(buf, TEXT_FIGURE_MAX, "%dms", ms < 0 ? 0 : (int)ms);
	else if (s < 60)
		snprintf(buf, TEXT_FIGURE_MAX, "%ds", (int)s);
	else if (s < 3600)
		snprintf(buf, TEXT_FIGURE_MAX, "%dm%02ds", (int)(s / 60),
		    (int)(s % 60));
	else if (s < 86400)
		snprintf(buf, TEXT_FIGURE_MAX, "%dh%02dm", (int)(s / 3600),
		    (int)(s / 60 % 60));
	else
		snprintf(buf, TEXT_FIGURE_MAX, "%" PRId64 "d%02dh", s / 86400,
		    (int)(s / 3600 % 24));
	return buf;
}

struct table {
	size_t	  columns;
	bool	  right[COLUMNS_MAX];
	char	**cells;		/* headings first */
	size_t	  n;
};

static void
add(struct table *t, char *cell)
{
	if (t->n % 64 == 0)
		t->cells = mem_resize(t->cells, t->n + 64, sizeof(*t->cells));
	t->cells[t->n++] = cell;
}

struct table *
table_new(const char *headings)
{
	struct table	*t = mem_calloc(1, sizeof(*t));
	char		*copy = mem_strdup(headings), *save = NULL, *word;
	size_t		 len;

	for (word = strtok_r(copy, " ", &save);
	    word != NULL && t->columns < COLUMNS_MAX;
	    word = strtok_r(NULL, " ", &save)) {
		len = strlen(word);
		t->right[t->columns] = word[len - 1] == '>';
		if (t->right[t->columns++])
			word[len - 1] = '\0';
		add(t, mem_strdup(word));
	}
	free(copy);
	return t;
}

void
table_free(struct table **t)
{
	if (*t == NULL)
		return;
	for (size_t i = 0; i < (*t)->n; i++)
		free((*t)->cells[i]);
	free((*t)->cells);
	free(*t);
	*t = NULL;
}

void
table_cell(struct table *t, const char *text)
{
	add(t, text_safe(text == NULL || text[0] == '\0' ? "-" : text));
}

void
table_number(struct table *t, int64_t number)
{
	char	 text[TEXT_FIGURE_MAX];

	snprintf(text, sizeof(text), "%" PRId64, number);
	table_cell(t, text);
}

/* Characters, of which each is taken to be as wide as any other. */
static size_t
width(const char *s)
{
	size_t	 n = 0;

	for (; *s != '\0'; s++)
		n += ((unsigned char)*s & 0xc0) != 0x80;
	return n;
}

static void
blanks(size_t n, FILE *out)
{
	while (n-- > 0)
		fputc(' ', out);
}

void
table_print(const struct table *t, FILE *out)
{
	size_t	 widths[COLUMNS_MAX] = { 0 };

	for (size_t i = 0; i < t->n; i++)
		if (width(t->cells[i]) > widths[i % t->columns])
			widths[i % t->columns] = width(t->cells[i]);
	for (size_t i = 0; i < t->n; i++) {
		size_t	 col = i % t->columns;
		size_t	 fill = widths[col] - width(t->cells[i]);
		bool	 last = col + 1 == t->columns;

		if (t->right[col])
			blanks(fill, out);
		fputs(t->cells[i], out);
		if (!t->right[col] && !last)
			blanks(fill, out);
		if (last)
			fputc('\n', out);
		else
			blanks(GAP, out);
	}
}
