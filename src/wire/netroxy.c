#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "wire/netroxy.h"

#define NUMBER_MAX	9	/* digits */

/* What is read, line by line. */
struct lines {
	const char	*p;
	size_t		 left;
	bool		 more;		/* the last line has no end yet */
	bool		 bad;
};

static const char *const	 words[NETROXY_COMMANDS] = {
	[NETROXY_ATH] = "ATH", [NETROXY_ARS] = "ARS", [NETROXY_MAP] = "MAP",
	[NETROXY_MRS] = "MRS", [NETROXY_TRQ] = "TRQ", [NETROXY_TRS] = "TRS",
	[NETROXY_SRQ] = "SRQ", [NETROXY_SRS] = "SRS",
};

bool
netroxy_is(const struct netroxy_text *t, const char *s)
{
	return t->len == strlen(s) && memcmp(t->p, s, t->len) == 0;
}

static struct netroxy_text
next_line(struct lines *l)
{
	struct netroxy_text	 t = { l->p, 0 };
	size_t			 most = l->left < NETROXY_LINE_MAX ? l->left :
				    NETROXY_LINE_MAX;
	const char		*end;

	if (l->more || l->bad)
		return t;
	end = most > 0 ? memchr(l->p, '\n', most) : NULL;
	if (end == NULL) {
		l->more = most < NETROXY_LINE_MAX;
		l->bad = !l->more;
		return t;
	}
	t.len = (size_t)(end - l->p);
	l->bad = t.len > 0 && memchr(l->p, '\0', t.len) != NULL;
	l->left -= t.len + 1;
	l->p = end + 1;
	return t;
}

static bool
is_whole(const struct lines *l)
{
	return !l->more && !l->bad;
}

static bool
next_bool(struct lines *l)
{
	struct netroxy_text	 t = next_line(l);
	bool			 yes = netroxy_is(&t, "true");

	if (is_whole(l) && !yes && !netroxy_is(&t, "false"))
		l->bad = true;
	return yes;
}

static uint32_t
next_number(struct lines *l)
{
	struct netroxy_text	 t = next_line(l);
	uint32_t		 n = 0;

	if (!is_whole(l))
		return 0;
	l->bad |= t.len == 0 || t.len > NUMBER_MAX;
	for (size_t i = 0; i < t.len && !l->bad; i++) {
		l->bad |= t.p[i] < '0' || t.p[i] > '9';
		n = n * 10 + (uint32_t)(t.p[i] - '0');
	}
	return l->bad ? 0 : n;
}

static struct netroxy_text
next_token(struct lines *l)
{
	struct netroxy_text	 t = next_line(l);

	if (is_whole(l) && (t.len == 0 || t.len > NETROXY_TOKEN_MAX))
		l->bad = true;
	return t;
}

static void
decode_fields(struct lines *l, struct netroxy *m)
{
	switch (m->command) {
	case NETROXY_ATH:
		m->client = next_line(l);
		m->user = next_line(l);
		m->password = next_line(l);
		break;
	case NETROXY_ARS:
		m->ok = next_bool(l);
		if (!m->ok)
			break;
		m->timeout = next_number(l);
		m->token = next_token(l);
		break;
	case NETROXY_MAP:
		m->port = next_number(l);
		m->address = next_line(l);
		m->ok = next_bool(l);
		break;
	case NETROXY_MRS:
		m->port = next_number(l);
		m->ok = next_bool(l);
		break;
	case NETROXY_TRQ:
		m->port = next_number(l);
		break;
	case NETROXY_TRS:
		m->token = next_token(l);
		m->port = next_number(l);
		break;
	default:
		break;
	}
}

ssize_t
netroxy_decode(const char *buf, size_t len, struct netroxy *m)
{
	struct lines		 l = { .p = buf, .left = len };
	struct netroxy_text	 word = next_line(&l);

	*m = (struct netroxy){ .command = NETROXY_OTHER };
	for (unsigned int i = NETROXY_ATH; i < NETROXY_COMMANDS; i++)
		if (is_whole(&l) && netroxy_is(&word, words[i]))
			m->command = (enum netroxy_command)i;
	decode_fields(&l, m);
	if (l.bad)
		return -1;
	return l.more ? 0 : (ssize_t)(len - l.left);
}

static int
cannot_be(const struct netroxy_text *t)
{
	return t->len >= NETROXY_LINE_MAX ||
	    (t->len > 0 && (memchr(t->p, '\n', t->len) != NULL ||
	    memchr(t->p, '\0', t->len) != NULL));
}

static const char *
bool_text(bool b)
{
	return b ? "true" : "false";
}

#define TEXT(t)	(int)(t).len, (t).len > 0 ? (t).p : ""

ssize_t
netroxy_encode(const struct netroxy *m, char *buf, size_t size)
{
	int	 n = -1;

	if (cannot_be(&m->client) || cannot_be(&m->user) ||
	    cannot_be(&m->password) || cannot_be(&m->token) ||
	    cannot_be(&m->address))
		return -1;
	switch (m->command) {
	case NETROXY_ATH:
		n = snprintf(buf, size, "ATH\n%.*s\n%.*s\n%.*s\n",
		    TEXT(m->client), TEXT(m->user), TEXT(m->password));
		break;
	case NETROXY_ARS:
		n = m->ok ? snprintf(buf, size, "ARS\ntrue\n%u\n%.*s\n",
		    m->timeout, TEXT(m->token)) :
		    snprintf(buf, size, "ARS\nfalse\n");
		break;
	case NETROXY_MAP:
		n = snprintf(buf, size, "MAP\n%u\n%.*s\n%s\n", m->port,
		    TEXT(m->address), bool_text(m->ok));
		break;
	case NETROXY_MRS:
		n = snprintf(buf, size, "MRS\n%u\n%s\n", m->port,
		    bool_text(m->ok));
		break;
	case NETROXY_TRQ:
		n = snprintf(buf, size, "TRQ\n%u\n", m->port);
		break;
	case NETROXY_TRS:
		n = snprintf(buf, size, "TRS\n%.*s\n%u\n", TEXT(m->token),
		    m->port);
		break;
	case NETROXY_SRQ:
	case NETROXY_SRS:
		n = snprintf(buf, size, "%s\n", words[m->command]);
		break;
	default:
		break;
	}
	return n < 0 || (size_t)n >= size ? -1 : n;
}
