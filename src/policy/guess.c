#include <stdlib.h>

#include "base/mem.h"
#include "policy/guess.h"

#define FIRST_MS	1000
#define DOUBLINGS_MAX	20

struct entry {
	uint64_t	 key;
	int64_t		 may_at;	/* ms */
	int64_t		 forget_at;	/* ms; 0: nobody's */
	uint32_t	 failed;
};

_Static_assert(sizeof(struct entry) == GUESS_ENTRY, "see GUESS_BYTES");

struct guess {
	struct entry	*v;
	size_t		 sets;
	bool		 lent;		/* v is the caller's */
};

struct guess *
guess_in(void *memory, size_t keys)
{
	struct guess	*g = mem_calloc(1, sizeof(*g));

	g->sets = (keys + GUESS_WAYS - 1) / GUESS_WAYS;
	g->v = memory;
	g->lent = true;
	return g;
}

const struct guess *
guess_of(const void *memory, size_t keys)
{
	return guess_in((void *)(uintptr_t)memory, keys);
}

struct guess *
guess_new(size_t keys)
{
	struct guess	*g = guess_in(mem_calloc(1, GUESS_BYTES(keys)), keys);

	g->lent = false;
	return g;
}

void
guess_free(struct guess **g)
{
	if (*g == NULL)
		return;
	if (!(*g)->lent)
		free((*g)->v);
	free(*g);
	*g = NULL;
}

/* The places of a key. */
static struct entry *
set_of(const struct guess *g, uint64_t key)
{
	return &g->v[(size_t)(key % g->sets) * GUESS_WAYS];
}

static struct entry *
find(const struct guess *g, uint64_t key)
{
	struct entry	*set = set_of(g, key);

	for (size_t i = 0; i < GUESS_WAYS; i++)
		if (set[i].forget_at != 0 && set[i].key == key)
			return &set[i];
	return NULL;
}

int64_t
guess_wait(const struct guess *g, uint64_t key, int64_t now_ms)
{
	const struct entry	*e = find(g, key);

	return e == NULL || e->may_at <= now_ms ? 0 : e->may_at - now_ms;
}

/* The one that is forgotten first has its place, if none is free. */
static struct entry *
take(const struct guess *g, uint64_t key, int64_t now_ms)
{
	struct entry	*e = find(g, key), *set = set_of(g, key);

	if (e != NULL && e->forget_at > now_ms)
		return e;
	if (e == NULL) {
		e = &set[0];
		for (size_t i = 1; i < GUESS_WAYS; i++)
			if (set[i].forget_at < e->forget_at)
				e = &set[i];
	}
	*e = (struct entry){ .key = key };
	return e;
}

static int64_t
wait_after(const struct guess_rule *rule, uint32_t failed)
{
	int64_t		 ms = 0;
	uint32_t	 doublings;

	if (failed >= rule->tries)
		return rule->lock_ms;
	if (failed > GUESS_FREE) {
		doublings = failed - GUESS_FREE - 1;
		ms = doublings > DOUBLINGS_MAX ? rule->lock_ms :
		    (int64_t)FIRST_MS << doublings;
	}
	return ms < rule->lock_ms ? ms : rule->lock_ms;
}

int64_t
guess_failed(struct guess *g, uint64_t key, const struct guess_rule *rule,
    int64_t now_ms, bool *locked)
{
	struct entry	*e = take(g, key, now_ms);
	int64_t		 ms;

	if (e->failed < UINT32_MAX)
		e->failed++;
	ms = wait_after(rule, e->failed);
	*locked = e->failed >= rule->tries;
	e->may_at = now_ms + ms;
	e->forget_at = e->may_at + rule->memory_ms + 1;
	return ms;
}

bool
guess_forget(struct guess *g, uint64_t key)
{
	struct entry	*e = find(g, key);

	if (e != NULL)
		e->forget_at = 0;
	return e != NULL;
}
