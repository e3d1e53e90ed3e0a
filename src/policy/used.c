#include <bsd/sys/tree.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "policy/totp_text.h"
#include "policy/used.h"

#define LINE_MAX_	(TOTP_NAME_MAX + 64)

struct entry {
	RB_ENTRY(entry)		 link;
	char			 name[TOTP_NAME_MAX];
	int64_t			 step;
	int64_t			 spent_until;	/* seconds: no longer needed */
	int64_t			 first;		/* seconds: it was taken */
	struct access_source	 source;	/* and by whom */
};

RB_HEAD(entries, entry);

struct used {
	struct entries	 entries;
	size_t		 n;
	int64_t		 until;
};

static int
by_name(const struct entry *a, const struct entry *b)
{
	return strcmp(a->name, b->name);
}

RB_PROTOTYPE_INTERNAL(entries, entry, link, by_name,
    static __attribute__((__unused__)))
RB_GENERATE_INTERNAL(entries, entry, link, by_name,
    static __attribute__((__unused__)))

struct used *
used_new(void)
{
	struct used	*u = mem_calloc(1, sizeof(*u));

	RB_INIT(&u->entries);
	return u;
}

static void
drop(struct used *u, struct entry *e)
{
	RB_REMOVE(entries, &u->entries, e);
	u->n--;
	free(e);
}

void
used_free(struct used **used)
{
	struct entry	*e;

	if (*used == NULL)
		return;
	while ((e = RB_MIN(entries, &(*used)->entries)) != NULL)
		drop(*used, e);
	free(*used);
	*used = NULL;
}

void
used_until(struct used *u, int64_t seconds)
{
	if (seconds > u->until)
		u->until = seconds;
}

static void
forget_old(struct used *u, int64_t now_s)
{
	struct entry	*e, *next;

	for (e = RB_MIN(entries, &u->entries); e != NULL; e = next) {
		next = RB_NEXT(entries, &u->entries, e);
		if (e->spent_until < now_s)
			drop(u, e);
	}
}

static struct entry *
find(struct used *u, const char *name)
{
	struct entry	 key;

	snprintf(key.name, sizeof(key.name), "%s", name);
	return RB_FIND(entries, &u->entries, &key);
}

static struct entry *
add(struct used *u, const char *name, int64_t now_s)
{
	struct entry	*e;

	if (u->n >= USED_MAX)
		forget_old(u, now_s);
	if (u->n >= USED_MAX)
		return NULL;
	e = mem_calloc(1, sizeof(*e));
	snprintf(e->name, sizeof(e->name), "%s", name);
	e->step = -1;
	RB_INSERT(entries, &u->entries, e);
	u->n++;
	return e;
}

/* May it be taken once more? */
static bool
may_again(const struct entry *e, int64_t step,
    const struct access_source *source, int64_t reuse_s, int64_t now_s)
{
	return e->step == step && e->first > 0 && now_s >= e->first &&
	    now_s - e->first < reuse_s &&
	    access_source_same(&e->source, source);
}

enum used_verdict
used_take(struct used *u, const char *name, const struct onetime_rule *rule,
    int64_t step, const struct access_source *source, int64_t reuse_s,
    int64_t now_s)
{
	struct entry	*e;

	if (step * rule->period <= u->until)
		return USED_SPENT;
	e = find(u, name);
	if (e != NULL && step <= e->step)
		return may_again(e, step, source, reuse_s, now_s) ?
		    USED_AGAIN : USED_SPENT;
	if (e == NULL)
		e = add(u, name, now_s);
	if (e == NULL)
		return USED_FULL;
	e->step = step;
	e->spent_until = (step + 1 + 2 * (int64_t)ONETIME_WINDOW_MAX) *
	    rule->period;
	e->first = now_s;
	e->source = *source;
	return USED_OK;
}

void
used_forget(struct used *u, const char *name)
{
	struct entry	*e = find(u, name);

	if (e != NULL)
		drop(u, e);
}

size_t
used_count(const struct used *u)
{
	return u->n;
}

char *
used_text(struct used *u, int64_t now_s, size_t *len)
{
	char		*text = NULL;
	FILE		*out = open_memstream(&text, len);
	struct entry	*e;

	if (out == NULL)
		abort();	/* as mem.h has it */
	forget_old(u, now_s);
	fprintf(out, "until %" PRId64 "\n", u->until);
	RB_FOREACH(e, entries, &u->entries)
		fprintf(out, "%" PRId64 " %" PRId64 " %s\n", e->step,
		    e->spent_until, e->name);
	if (fclose(out) != 0)
		abort();
	return text;
}

/* One of its lines, with a NUL; 0, or -1. */
static int
read_line(struct used *u, char *line)
{
	char		*step_end, *until_end;
	int64_t		 step, until;
	struct entry	*e;

	if (strncmp(line, "until ", 6) == 0) {
		u->until = strtoll(line + 6, &step_end, 10);
		return *step_end == '\0' && u->until >= 0 ? 0 : -1;
	}
	step = strtoll(line, &step_end, 10);
	if (step_end == line || *step_end != ' ')
		return -1;
	until = strtoll(step_end + 1, &until_end, 10);
	if (until_end == step_end + 1 || *until_end != ' ' || step < 0 ||
	    until < 0 || !totp_is_name(until_end + 1,
	    strlen(until_end + 1)) || find(u, until_end + 1) != NULL)
		return -1;
	e = add(u, until_end + 1, 0);
	if (e == NULL)
		return -1;
	e->step = step;
	e->spent_until = until;
	return 0;
}

static int
read_lines(struct used *u, const char *text, size_t len)
{
	char		 line[LINE_MAX_];
	const char	*end;

	while (len > 0) {
		size_t	 n;

		end = memchr(text, '\n', len);
		n = end != NULL ? (size_t)(end - text) : 0;
		if (end == NULL || n >= sizeof(line) ||
		    memchr(text, '\0', n) != NULL)
			return -1;
		memcpy(line, text, n);
		line[n] = '\0';
		if (read_line(u, line) == -1)
			return -1;
		text = end + 1;
		len -= n + 1;
	}
	return 0;
}

int
used_read(struct used *u, const char *text, size_t len)
{
	struct used	*new = used_new(), old;
	int		 rc = read_lines(new, text, len);

	if (rc == 0) {
		old = *u;	/* no entry points to a root */
		*u = *new;
		*new = old;
	}
	used_free(&new);
	return rc;
}
