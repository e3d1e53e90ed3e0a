#include <openssl/crypto.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "policy/people.h"

struct people {
	struct person	*v;
	size_t		 n, room;
};

/* One line while it is read. */
struct line {
	const char	*p, *end;
	const char	*text;		/* of all */
	struct person	*person;
	const char	*why;
};

static bool
is_space(char c)
{
	return c == ' ' || c == '\t';
}

/* The next word and its length; NULL after the last. */
static const char *
word(struct line *l, size_t *len)
{
	const char	*begin;

	while (l->p < l->end && is_space(*l->p))
		l->p++;
	begin = l->p;
	while (l->p < l->end && !is_space(*l->p))
		l->p++;
	*len = (size_t)(l->p - begin);
	return *len > 0 ? begin : NULL;
}

static int
number(const char *p, size_t len, int min, int max, int *out)
{
	int	 v = 0;

	if (len == 0 || len > 3)
		return -1;
	for (size_t i = 0; i < len; i++) {
		if (p[i] < '0' || p[i] > '9')
			return -1;
		v = 10 * v + (p[i] - '0');
	}
	if (v < min || v > max)
		return -1;
	*out = v;
	return 0;
}

static int
set_digits(struct line *l, const char *p, size_t len)
{
	l->why = "digits: want 6 or 8";
	return number(p, len, 6, 8, &l->person->rule.digits) == 0 &&
	    l->person->rule.digits != 7 ? 0 : -1;
}

static int
set_period(struct line *l, const char *p, size_t len)
{
	l->why = "period: want seconds, from 10 to 300";
	return number(p, len, 10, ONETIME_PERIOD_MAX,
	    &l->person->rule.period);
}

static int
set_window(struct line *l, const char *p, size_t len)
{
	l->why = "window: want steps, from 0 to 10";
	return number(p, len, 0, ONETIME_WINDOW_MAX, &l->person->rule.window);
}

static int
set_algorithm(struct line *l, const char *p, size_t len)
{
	char	 name[16];

	l->why = "algorithm: want SHA1, SHA256 or SHA512";
	snprintf(name, sizeof(name), "%.*s", (int)len, p);
	l->person->rule.hash = onetime_hash_find(name);
	return l->person->rule.hash == -1 || len >= sizeof(name) ? -1 : 0;
}

static int
set_password(struct line *l, const char *p, size_t len)
{
	l->why = "password: longer than 64 bytes";
	if (len >= PEOPLE_PASSWORD_MAX)
		return -1;
	memcpy(l->person->password, p, len);
	l->person->password[len] = '\0';
	return 0;
}

static bool
is_used(const char *p, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (p[i] != '-')
			return false;
	return true;
}

static int
set_recovery(struct line *l, const char *p, size_t len)
{
	struct person	*me = l->person;
	const char	*end = p + len, *comma;
	size_t		 n;

	l->why = "recovery: want up to 10 codes of 12 characters, with "
	    "commas between";
	for (; p < end; p = comma + 1) {
		comma = memchr(p, ',', (size_t)(end - p));
		if (comma == NULL)
			comma = end;
		n = (size_t)(comma - p);
		if (n != PEOPLE_RECOVERY_LEN)
			return -1;
		if (is_used(p, n))
			continue;
		if (me->nrecovery == PEOPLE_RECOVERY_MAX)
			return -1;
		memcpy(me->recovery[me->nrecovery], p, n);
		me->recovery_at[me->nrecovery++] = (size_t)(p - l->text);
	}
	return 0;
}

static const struct {
	const char	*name;
	int		(*set)(struct line *, const char *, size_t);
} options[] = {
	{ "digits=",	set_digits },
	{ "period=",	set_period },
	{ "algorithm=",	set_algorithm },
	{ "window=",	set_window },
	{ "password=",	set_password },
	{ "recovery=",	set_recovery },
};

/* 1: it was an option; 0: it is none; -1: it is none that is good. */
static int
option(struct line *l, const char *p, size_t len)
{
	for (size_t i = 0; i < nitems(options); i++) {
		size_t	 n = strlen(options[i].name);

		if (len >= n && memcmp(p, options[i].name, n) == 0)
			return options[i].set(l, p + n, len - n) == 0 ? 1 :
			    -1;
	}
	return 0;
}

/* The words of the secret, and then options. */
static int
read_rest(struct line *l)
{
	const char	*p, *secret = NULL, *end = NULL;
	size_t		 len;
	bool		 over = false;

	while ((p = word(l, &len)) != NULL) {
		int	 rc = option(l, p, len);

		if (rc == -1)
			return -1;
		if (rc == 1) {
			over = true;
			continue;
		}
		if (over) {
			l->why = "no such key; there are digits, period, "
			    "algorithm, window, password and recovery";
			return -1;
		}
		if (secret == NULL)
			secret = p;
		end = p + len;
	}
	if (secret == NULL) {
		l->why = "there is no secret";
		return -1;
	}
	l->person->nsecret = onetime_base32_decode(secret,
	    (size_t)(end - secret), l->person->secret, &l->why);
	return l->person->nsecret > 0 ? 0 : -1;
}

static int
read_line(struct line *l)
{
	size_t		 len;
	const char	*p = word(l, &len);

	l->why = TOTP_WANT_NAME;
	if (p == NULL || !totp_is_name(p, len))
		return -1;
	memcpy(l->person->name, p, len);
	l->person->name[len] = '\0';
	return read_rest(l);
}

static int
by_name(const void *a, const void *b)
{
	const struct person	*x = a, *y = b;
	int			 rc = strcmp(x->name, y->name);

	/* Of two the later one comes first. */
	return rc != 0 ? rc : x->at < y->at ? 1 : -1;
}

/* Where none is left, memory that is locked is twice that of before. */
static struct person *
add(struct people *people)
{
	struct person	*v;
	size_t		 room = people->room > 0 ? 2 * people->room : 16;

	if (people->n == people->room) {
		v = OPENSSL_secure_zalloc(room * sizeof(*v));
		if (v == NULL)
			v = mem_calloc(room, sizeof(*v));
		if (people->n > 0)
			memcpy(v, people->v, people->n * sizeof(*v));
		OPENSSL_secure_clear_free(people->v,
		    people->room * sizeof(*v));
		people->v = v;
		people->room = room;
	}
	return &people->v[people->n];
}

static void
keep_latest(struct people *people)
{
	size_t	 n = 0;

	qsort(people->v, people->n, sizeof(*people->v), by_name);
	for (size_t i = 0; i < people->n; i++)
		if (n == 0 || strcmp(people->v[n - 1].name,
		    people->v[i].name) != 0)
			people->v[n++] = people->v[i];
	if (n < people->n)
		OPENSSL_cleanse(&people->v[n],
		    (people->n - n) * sizeof(*people->v));
	people->n = n;
}

static int
check_bytes(struct line *l, size_t len)
{
	l->why = "longer than 1024 bytes";
	if (len > PEOPLE_LINE_MAX)
		return -1;
	l->why = "there is a control character in it";
	for (const char *p = l->p; p < l->end; p++)
		if (((unsigned char)*p < ' ' && *p != '\t') || *p == 0x7f)
			return -1;
	return 0;
}

struct people *
people_parse(const char *text, size_t len, const struct onetime_rule *usual,
    people_complain *tell, void *ctx)
{
	struct people	*people = mem_calloc(1, sizeof(*people));
	unsigned int	 number_of = 0;
	const char	*p = text, *end;

	for (; p < text + len; p = end + 1) {
		struct line	 l = { .p = p, .text = text };

		number_of++;
		end = memchr(p, '\n', (size_t)(text + len - p));
		if (end == NULL)
			end = text + len;
		l.end = end > p && end[-1] == '\r' ? end - 1 : end;
		while (l.p < l.end && is_space(*l.p))
			l.p++;
		if (l.p == l.end || *l.p == '#')
			continue;
		l.person = add(people);
		*l.person = (struct person){
			.rule = *usual, .at = (size_t)(p - text),
			.len = (size_t)(end - p),
		};
		if (check_bytes(&l, l.person->len) == 0 &&
		    read_line(&l) == 0) {
			people->n++;
			continue;
		}
		tell(ctx, number_of, l.why);
		OPENSSL_cleanse(l.person, sizeof(*l.person));
	}
	if (people->n > 0)
		keep_latest(people);
	return people;
}

void
people_free(struct people **people)
{
	if (*people == NULL)
		return;
	OPENSSL_secure_clear_free((*people)->v,
	    (*people)->room * sizeof(*(*people)->v));
	free(*people);
	*people = NULL;
}

static int
is_name(const void *name, const void *person)
{
	return strcmp(name, ((const struct person *)person)->name);
}

const struct person *
people_find(const struct people *people, const char *name)
{
	return people->n == 0 ? NULL : bsearch(name, people->v, people->n,
	    sizeof(*people->v), is_name);
}

size_t
people_count(const struct people *people)
{
	return people->n;
}

const struct person *
people_at(const struct people *people, size_t i)
{
	return &people->v[i];
}

/* What follows what is there; the length grows beyond size if it is cut. */
#define APPEND(...) \
	(n += n < PEOPLE_LINE_MAX ? (size_t)snprintf(line + n, \
	    PEOPLE_LINE_MAX - n, __VA_ARGS__) : 0)

int
people_line(const struct person *p, const struct onetime_rule *usual,
    char *line)
{
	char	 secret[ONETIME_BASE32_MAX];
	size_t	 n = 0;

	if (onetime_base32_encode(p->secret, p->nsecret, secret) == -1)
		return -1;
	APPEND("%s %s", p->name, secret);
	OPENSSL_cleanse(secret, sizeof(secret));
	if (p->rule.digits != usual->digits)
		APPEND(" digits=%d", p->rule.digits);
	if (p->rule.period != usual->period)
		APPEND(" period=%d", p->rule.period);
	if (p->rule.hash != usual->hash)
		APPEND(" algorithm=%s", onetime_hash_text(p->rule.hash));
	if (p->rule.window != usual->window)
		APPEND(" window=%d", p->rule.window);
	if (p->password[0] != '\0')
		APPEND(" password=%s", p->password);
	for (size_t i = 0; i < p->nrecovery; i++)
		APPEND("%s%s", i == 0 ? " recovery=" : ",", p->recovery[i]);
	return n < PEOPLE_LINE_MAX ? (int)n : -1;
}
