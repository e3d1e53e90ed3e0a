#include <stdint.h>
#include <string.h>
#include <strings.h>

#include "wire/mysql_redact.h"

#define SECRET		"<secret>"
#define SECRET_SHORT	"***"
#define SECRET_HEX	"secret"
#define DEPTH_MAX	256

/* --- what a statement is made of */

enum kind {
	WORD,		/* also in backquotes, also a number */
	VALUE,		/* a string, a hexadecimal number, a placeholder */
	MARK,		/* any other character */
};

struct token {
	enum kind	 kind;
	bool		 is_hex;	/* digits without quotes */
	size_t		 from, to;	/* its inside */
};

struct sql {
	const char	*p;
	size_t		 len, at;
	bool		 executable;	/* within such a comment */
};

static bool
is_blank(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

static bool
is_word(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	    (c >= '0' && c <= '9') || c == '_' || c == '$' || c & 0x80;
}

static bool
comes(const struct sql *s, const char *what)
{
	const size_t	 n = strlen(what);

	return n <= s->len - s->at && memcmp(s->p + s->at, what, n) == 0;
}

/* "--" begins a comment only in front of a blank or a control character. */
static bool
is_line_comment(const struct sql *s)
{
	const size_t	 left = s->len - s->at;

	return comes(s, "#") || (comes(s, "--") && (left == 2 ||
	    (unsigned char)s->p[s->at + 2] <= ' ' || s->p[s->at + 2] == 0x7f));
}

/* Behind the next of these, or the end. */
static void
skip_past(struct sql *s, const char *what)
{
	const char	*q;
	const size_t	 n = strlen(what);

	q = memmem(s->p + s->at, s->len - s->at, what, n);
	s->at = q == NULL ? s->len : (size_t)(q - s->p) + n;
}

/* What is in an executable comment is SQL; so only its ends are skipped. */
static void
skip_comment(struct sql *s)
{
	const bool	 mysql = comes(s, "/*!");

	if (!mysql && !comes(s, "/*M!")) {
		s->at += 2;
		skip_past(s, "*/");
		return;
	}
	s->at += mysql ? 3 : 4;
	for (int i = 0; i < 6 && s->at < s->len && s->p[s->at] >= '0' &&
	    s->p[s->at] <= '9'; i++)
		s->at++;			/* a version */
	s->executable = true;
}

static void
skip_space(struct sql *s)
{
	while (s->at < s->len) {
		if (is_blank(s->p[s->at])) {
			s->at++;
		} else if (is_line_comment(s)) {
			skip_past(s, "\n");
		} else if (comes(s, "/*")) {
			skip_comment(s);
		} else if (s->executable && comes(s, "*/")) {
			s->at += 2;
			s->executable = false;
		} else {
			break;
		}
	}
}

/* From the first quote to behind the last, if there is one. */
static void
read_quoted(struct sql *s, struct token *t)
{
	const char	 quote = s->p[s->at++];

	t->from = s->at;
	for (; s->at < s->len; s->at++) {
		if (s->p[s->at] == '\\' && quote != '`' &&
		    s->at + 1 < s->len) {
			s->at++;
		} else if (s->p[s->at] == quote) {
			if (s->at + 1 == s->len || s->p[s->at + 1] != quote)
				break;
			s->at++;
		}
	}
	t->to = s->at;
	if (s->at < s->len)
		s->at++;
}

/* Is the word that was just read a prefix of the string behind it? */
static bool
is_prefix(const struct sql *s, const struct token *t)
{
	return t->to - t->from == 1 && s->at < s->len &&
	    (s->p[s->at] == '\'' || s->p[s->at] == '"') &&
	    strchr("xXbBnN", s->p[t->from]) != NULL;
}

static void
read_word(struct sql *s, struct token *t)
{
	t->from = s->at;
	while (s->at < s->len && is_word(s->p[s->at]))
		s->at++;
	t->to = s->at;
	t->kind = WORD;
	if (is_prefix(s, t)) {
		t->kind = VALUE;
		read_quoted(s, t);
	} else if (t->to - t->from > 2 && s->p[t->from] == '0' &&
	    strchr("xXbB", s->p[t->from + 1]) != NULL) {
		t->kind = VALUE;
		t->is_hex = true;
		t->from += 2;
	}
}

/* False at the end. */
static bool
next_token(struct sql *s, struct token *t)
{
	skip_space(s);
	t->is_hex = false;
	if (s->at == s->len)
		return false;
	switch (s->p[s->at]) {
	case '\'':
	case '"':
		t->kind = VALUE;
		read_quoted(s, t);
		return true;
	case '`':
		t->kind = WORD;
		read_quoted(s, t);
		return true;
	}
	if (is_word(s->p[s->at])) {
		read_word(s, t);
		return true;
	}
	t->from = s->at++;
	t->kind = s->p[t->from] == '?' ? VALUE : MARK;
	t->to = t->kind == MARK ? s->at : t->from;	/* no inside */
	return true;
}

/* --- where secrets stand */

enum word {
	OTHER,
	IDENTIFIED,
	BY,
	WITH,
	AS,
	PASSWORD,
	RANDOM,
	REPLACE,
	FOR,
	TO,
	OR,
	BINARY,		/* and introducers */
	ENCRYPT,
	ENCODE,
};

static const struct {
	const char	*text;
	enum word	 word;
} words[] = {
	{ "IDENTIFIED",		IDENTIFIED },
	{ "BY",			BY },
	{ "WITH",		WITH },
	{ "VIA",		WITH },
	{ "AS",			AS },
	{ "USING",		AS },
	{ "PASSWORD",		PASSWORD },
	{ "OLD_PASSWORD",	PASSWORD },
	{ "MASTER_PASSWORD",	PASSWORD },
	{ "SOURCE_PASSWORD",	PASSWORD },
	{ "RANDOM",		RANDOM },
	{ "REPLACE",		REPLACE },
	{ "FOR",		FOR },
	{ "TO",			TO },
	{ "OR",			OR },
	{ "BINARY",		BINARY },
	{ "ENCRYPT",		ENCRYPT },
	{ "ENCODE",		ENCODE },
	{ "DECODE",		ENCODE },
	{ "AES_ENCRYPT",	ENCODE },
	{ "AES_DECRYPT",	ENCODE },
	{ "DES_ENCRYPT",	ENCODE },
	{ "DES_DECRYPT",	ENCODE },
};

/* What has just been read, and so what may follow. */
enum state {
	NOWHERE,
	AT_IDENTIFIED,
	AT_WITH,	/* the name of a plugin follows */
	AT_PLUGIN,
	AT_PASSWORD,
	AT_FOR,		/* ... and whose it is, up to "=" or TO */
	AT_SECRET,	/* one follows */
	BEHIND_SECRET,	/* perhaps it goes on */
	AT_CALL,	/* a function's name, where a secret was due */
	AT_ENCODE,	/* the name of one with a key */
};

/* What stands in parentheses. */
enum inside {
	PLAIN,
	KEY,		/* behind the next comma */
	ALL,		/* all strings are secrets */
};

struct watch {
	enum state	 state;
	size_t		 depth;
	uint8_t		 inside[DEPTH_MAX];
};

static enum inside
innermost(const struct watch *g)
{
	if (g->depth == 0)
		return PLAIN;
	/* Rather too much than too little. */
	return g->depth > DEPTH_MAX ? ALL :
	    (enum inside)g->inside[g->depth - 1];
}

static enum word
find_word(const char *p, size_t len)
{
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (strlen(words[i].text) == len &&
		    strncasecmp(words[i].text, p, len) == 0)
			return words[i].word;
	return len > 0 && p[0] == '_' ? BINARY : OTHER;
}

/* What a word begins where nothing goes on. */
static enum state
begin(enum word w)
{
	switch (w) {
	case IDENTIFIED:
		return AT_IDENTIFIED;
	case PASSWORD:
		return AT_PASSWORD;
	case ENCRYPT:
		return AT_CALL;
	case ENCODE:
		return AT_ENCODE;
	default:
		return NOWHERE;
	}
}

static enum state
on_word(enum state state, enum word w)
{
	const enum state	 anew = begin(w);

	switch (state) {
	case AT_IDENTIFIED:
		return w == BY ? AT_SECRET : w == WITH ? AT_WITH : anew;
	case AT_WITH:
		return anew == NOWHERE ? AT_PLUGIN : anew;
	case AT_PLUGIN:
		return w == BY || w == AS ? AT_SECRET :
		    w == OR ? AT_WITH : anew;
	case AT_PASSWORD:
		return w == FOR ? AT_FOR : w == TO ? AT_SECRET : anew;
	case AT_FOR:
		return w == TO ? AT_SECRET : anew == NOWHERE ? AT_FOR : anew;
	case AT_SECRET:
		return w == PASSWORD || w == RANDOM || w == REPLACE ||
		    w == BINARY ? AT_SECRET : AT_CALL;
	case BEHIND_SECRET:
		return w == BINARY ? BEHIND_SECRET : w == REPLACE ? AT_SECRET :
		    w == OR ? AT_WITH : anew;
	default:
		return anew;
	}
}

static void
open_parenthesis(struct watch *g)
{
	enum inside	 inside = PLAIN;

	if (innermost(g) == ALL || g->state == AT_SECRET ||
	    g->state == AT_PASSWORD || g->state == AT_CALL)
		inside = ALL;
	else if (g->state == AT_ENCODE)
		inside = KEY;
	if (g->depth < DEPTH_MAX)
		g->inside[g->depth] = (uint8_t)inside;
	g->depth++;
	if (g->state != AT_FOR)
		g->state = NOWHERE;
}

static void
close_parenthesis(struct watch *g)
{
	if (innermost(g) == ALL)
		g->state = BEHIND_SECRET;
	else if (g->state != AT_FOR)
		g->state = NOWHERE;
	if (g->depth > 0)
		g->depth--;
}

static void
on_mark(struct watch *g, char c)
{
	switch (c) {
	case '(':
		open_parenthesis(g);
		return;
	case ')':
		close_parenthesis(g);
		return;
	case ',':
		if (innermost(g) == KEY)
			g->inside[g->depth - 1] = ALL;
		g->state = NOWHERE;
		return;
	case ';':
		g->depth = 0;
		g->state = NOWHERE;
		return;
	case '=':
		if (g->state == AT_FOR)
			g->state = AT_SECRET;
		/* FALLTHROUGH */
	case ':':
	case '<':
	case '>':
	case '!':
		if (g->state == AT_PASSWORD || g->state == AT_SECRET) {
			g->state = AT_SECRET;
			return;
		}
		break;
	}
	if (g->state != AT_FOR)			/* 'user'@host.example */
		g->state = NOWHERE;
}

/* Is it one? */
static bool
on_value(struct watch *g)
{
	const bool	 all = innermost(g) == ALL;

	switch (g->state) {
	case AT_WITH:
		g->state = AT_PLUGIN;
		return all;
	case AT_FOR:
		return all;
	case AT_PASSWORD:
	case AT_SECRET:
	case BEHIND_SECRET:
		g->state = BEHIND_SECRET;
		return true;
	default:
		g->state = NOWHERE;
		return all;
	}
}

static bool
is_secret(struct watch *g, const struct sql *s, const struct token *t)
{
	switch (t->kind) {
	case WORD:
		g->state = on_word(g->state,
		    find_word(s->p + t->from, t->to - t->from));
		return false;
	case MARK:
		on_mark(g, s->p[t->from]);
		return false;
	case VALUE:
		return on_value(g);
	}
	return false;
}

/* --- what is written instead */

static size_t
mask(char *out, const struct token *t)
{
	const char	*text = SECRET;
	size_t		 len = t->to - t->from;

	if (t->is_hex)
		text = SECRET_HEX;
	else if (len < strlen(SECRET))
		text = SECRET_SHORT;
	if (len > strlen(text))
		len = strlen(text);
	memcpy(out, text, len);
	return len;
}

size_t
mysql_redact(char *sql, size_t len, bool *any)
{
	struct sql	 s = { .p = sql, .len = len };
	struct watch	 g = { .state = NOWHERE };
	struct token	 t;
	size_t		 done = 0;	/* of what was there */
	size_t		 out = 0;	/* of what is there now */

	*any = false;
	while (next_token(&s, &t)) {
		if (!is_secret(&g, &s, &t))
			continue;
		*any = true;
		/* What is written never overtakes what is read. */
		memmove(sql + out, sql + done, t.from - done);
		out += t.from - done;
		out += mask(sql + out, &t);
		done = t.to;
	}
	if (done < len)				/* sql may be NULL */
		memmove(sql + out, sql + done, len - done);
	return out + (len - done);
}
