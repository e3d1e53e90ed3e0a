#include <stdbool.h>
#include <stddef.h>

#include "policy/crashers.h"

/* Of one kind no two have the same; nobody gains by one of another kind. */
static uint64_t
key_of(const struct access_source *source)
{
	return access_source_hash(source, 0);
}

/* Its place, or CRASHERS_MAX. */
static size_t
find(const struct crashers *t, uint64_t key)
{
	uint32_t	 n = t->n;

	for (size_t i = 0; i < n && i < CRASHERS_MAX; i++)
		if (t->v[i].key == key)
			return i;
	return CRASHERS_MAX;
}

/* A place for one more: that of who is refused for the shortest time yet. */
static size_t
make_room(struct crashers *t)
{
	size_t	 first = 0;

	if (t->n < CRASHERS_MAX)
		return t->n++;
	for (size_t i = 1; i < CRASHERS_MAX; i++)
		if (t->v[i].until < t->v[first].until)
			first = i;
	return first;
}

static int64_t
penalty(uint32_t crashes)
{
	int64_t	 ms = CRASHERS_FIRST_MS;

	if (crashes <= CRASHERS_FREE)
		return 0;
	for (crashes -= CRASHERS_FREE + 1; crashes > 0 && ms <
	    CRASHERS_LAST_MS; crashes--)
		ms *= 2;
	return ms < CRASHERS_LAST_MS ? ms : CRASHERS_LAST_MS;
}

int64_t
crashers_note(struct crashers *t, const struct access_source *source,
    int64_t now_ms)
{
	uint64_t	 key = key_of(source);
	size_t		 at = find(t, key);
	bool		 known = at < CRASHERS_MAX;
	struct crasher	*c = &t->v[known ? at : make_room(t)];
	uint32_t	 before = known && now_ms - c->last <
			    CRASHERS_FORGET_MS ? c->crashes : 0;
	int64_t		 ms = penalty(before + 1);

	c->key = key;
	c->crashes = before + 1;
	c->last = now_ms;
	c->until = now_ms + ms;
	return ms;
}

int64_t
crashers_held(const struct crashers *t, const struct access_source *source,
    int64_t now_ms)
{
	size_t	 at;
	int64_t	 until;

	if (t->n == 0)
		return 0;
	at = find(t, key_of(source));
	until = at < CRASHERS_MAX ? t->v[at].until : 0;
	return until > now_ms ? until - now_ms : 0;
}
