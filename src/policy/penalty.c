#include <stdlib.h>

#include "base/mem.h"
#include "policy/penalty.h"

#define NONE	UINT32_MAX

/*
 * Tokens are counted in parts, so that no division loses any: one has
 * rate_ms parts and rate_count parts come back each millisecond.
 */
struct entry {
	struct penalty_status	 s;
	uint64_t		 owed;		/* parts the bucket lacks ... */
	int64_t			 seen;		/* ... at this time */
	int64_t			 silent_at;	/* heap: nothing to say then */
	uint32_t		 next;		/* in its chain, or free */
	uint32_t		 place;		/* in the heap */
	bool			 known;		/* it is in a chain */
};

/* Entries without live sessions are in the heap, first to be silent on top. */
struct penalty {
	uint64_t	 seed;
	uint32_t	 size;
	uint32_t	 known;
	uint32_t	 free;		/* the first of the free */
	uint32_t	 nheap;
	uint32_t	*heads;		/* of chains, by hash */
	uint32_t	*heap;
	struct entry	 entries[];
};

struct penalty *
penalty_new(uint32_t size, uint64_t seed)
{
	struct penalty	*p;

	if (size < 1)
		size = 1;
	if (size > PENALTY_SOURCES_MAX)
		size = PENALTY_SOURCES_MAX;
	p = mem_calloc(1, sizeof(*p) + size * (sizeof(p->entries[0]) +
	    sizeof(p->heads[0]) + sizeof(p->heap[0])));
	p->seed = seed;
	p->size = size;
	p->heads = (uint32_t *)(p->entries + size);
	p->heap = p->heads + size;
	for (uint32_t i = 0; i < size; i++) {
		p->heads[i] = NONE;
		p->entries[i].next = i + 1 < size ? i + 1 : NONE;
	}
	return p;
}

void
penalty_free(struct penalty **p)
{
	free(*p);
	*p = NULL;
}

/* Sums and differences that end where the numbers do. */
static int64_t
after(int64_t now, int64_t ms)
{
	return now > INT64_MAX - ms ? INT64_MAX : now + ms;
}

static uint64_t
since(int64_t then, int64_t now)
{
	return now <= then ? 0 : (uint64_t)now - (uint64_t)then;
}

/* The heap. */

static bool
sooner(const struct penalty *p, uint32_t a, uint32_t b)
{
	return p->entries[p->heap[a]].silent_at <
	    p->entries[p->heap[b]].silent_at;
}

static void
heap_swap(struct penalty *p, uint32_t a, uint32_t b)
{
	uint32_t	 i = p->heap[a];

	p->heap[a] = p->heap[b];
	p->heap[b] = i;
	p->entries[p->heap[a]].place = a;
	p->entries[p->heap[b]].place = b;
}

static void
heap_settle(struct penalty *p, uint32_t at)
{
	uint32_t	 child;

	for (; at > 0 && sooner(p, at, (at - 1) / 2); at = (at - 1) / 2)
		heap_swap(p, at, (at - 1) / 2);
	for (; (child = 2 * at + 1) < p->nheap; at = child) {
		if (child + 1 < p->nheap && sooner(p, child + 1, child))
			child++;
		if (!sooner(p, child, at))
			break;
		heap_swap(p, at, child);
	}
}

static void
heap_add(struct penalty *p, struct entry *e)
{
	e->place = p->nheap++;
	p->heap[e->place] = (uint32_t)(e - p->entries);
	heap_settle(p, e->place);
}

static void
heap_remove(struct penalty *p, const struct entry *e)
{
	uint32_t	 at = e->place;

	heap_swap(p, at, --p->nheap);
	if (at < p->nheap)
		heap_settle(p, at);
}

/* The table. */

static uint32_t *
chain(struct penalty *p, const struct access_source *source,
    uint32_t listener)
{
	uint64_t	 seed = p->seed ^ (uint64_t)listener << 32;

	return &p->heads[access_source_hash(source, seed) % p->size];
}

static struct entry *
find(struct penalty *p, const struct access_source *source, uint32_t listener)
{
	struct entry	*e;

	for (uint32_t i = *chain(p, source, listener); i != NONE; i = e->next) {
		e = &p->entries[i];
		if (e->s.listener == listener &&
		    access_source_same(&e->s.source, source))
			return e;
	}
	return NULL;
}

/* Forget one that is in the heap. */
static void
forget(struct penalty *p, struct entry *e)
{
	uint32_t	*link = chain(p, &e->s.source, e->s.listener);

	while (&p->entries[*link] != e)
		link = &p->entries[*link].next;
	*link = e->next;
	heap_remove(p, e);
	e->known = false;
	e->next = p->free;
	p->free = (uint32_t)(e - p->entries);
	p->known--;
}

/* A new entry, in the heap as one with nothing to say; NULL without room. */
static struct entry *
learn(struct penalty *p, const struct access_source *source,
    uint32_t listener)
{
	struct entry	*e;
	uint32_t	*head;

	if (p->free == NONE) {
		if (p->nheap == 0)
			return NULL;
		forget(p, &p->entries[p->heap[0]]);
	}
	head = chain(p, source, listener);
	e = &p->entries[p->free];
	p->free = e->next;
	p->known++;
	*e = (struct entry){ .s.source = *source, .s.listener = listener,
	    .silent_at = INT64_MIN, .known = true, .next = *head };
	*head = (uint32_t)(e - p->entries);
	heap_add(p, e);
	return e;
}

/* The rule. */

/* Within limits that keep all products below 2^63; no limit is all zero. */
static struct penalty_rule
bounded(const struct penalty_rule *rule)
{
	struct penalty_rule	 r = *rule;

	if (r.rate_count > PENALTY_COUNT_MAX)
		r.rate_count = PENALTY_COUNT_MAX;
	if (r.rate_ms > PENALTY_MS_MAX)
		r.rate_ms = PENALTY_MS_MAX;
	if (r.penalty_ms > PENALTY_MS_MAX)
		r.penalty_ms = PENALTY_MS_MAX;
	if (r.rate_count == 0 || r.rate_ms <= 0) {
		r.rate_count = 0;
		r.rate_ms = 0;
	}
	if (r.rate_ms == 0 || r.penalty_ms < 0)
		r.penalty_ms = 0;
	return r;
}

/* Reckon what the bucket lacks now. */
static void
refill(struct entry *e, const struct penalty_rule *r, int64_t now)
{
	const uint64_t	 full = (uint64_t)r->rate_ms * r->rate_count;
	uint64_t	 ms = since(e->seen, now), back;

	if (ms > (uint64_t)r->rate_ms)
		ms = (uint64_t)r->rate_ms;
	back = ms * r->rate_count;
	if (e->owed > full)
		e->owed = full;
	e->owed = e->owed > back ? e->owed - back : 0;
	if (now > e->seen)
		e->seen = now;
}

static enum penalty_verdict
judge(struct entry *e, const struct penalty_rule *r, int64_t now)
{
	const uint64_t	 full = (uint64_t)r->rate_ms * r->rate_count;

	refill(e, r, now);
	if (r->penalty_ms > 0 && e->s.held_until > now) {
		e->s.held_until = after(now, r->penalty_ms);
		return PENALTY_HELD;
	}
	e->s.held_until = 0;
	if (r->max_sessions > 0 && e->s.live >= r->max_sessions)
		return PENALTY_SESSIONS;
	if (e->owed + (uint64_t)r->rate_ms > full) {
		if (r->penalty_ms > 0)
			e->s.held_until = after(now, r->penalty_ms);
		return PENALTY_RATE;
	}
	e->owed += (uint64_t)r->rate_ms;
	return PENALTY_OK;
}

/* When the bucket will be full, rounded up, and no penalty left. */
static int64_t
silence(const struct entry *e, const struct penalty_rule *r)
{
	int64_t		 at = e->seen;
	uint64_t	 ms;

	if (r->rate_count > 0) {
		ms = (e->owed + r->rate_count - 1) / r->rate_count;
		at = after(at, (int64_t)ms);
	}
	return at > e->s.held_until ? at : e->s.held_until;
}

enum penalty_verdict
penalty_enter(struct penalty *p, const struct access_source *source,
    uint32_t listener, const struct penalty_rule *rule, int64_t now_ms)
{
	struct penalty_rule	 r = bounded(rule);
	enum penalty_verdict	 verdict;
	struct entry		*e = find(p, source, listener);

	if (e == NULL)
		e = learn(p, source, listener);
	if (e == NULL)
		return PENALTY_FULL;
	verdict = judge(e, &r, now_ms);
	e->silent_at = silence(e, &r);
	if (verdict != PENALTY_OK)
		e->s.refused++;
	else if (e->s.live++ == 0)
		heap_remove(p, e);
	if (e->s.live == 0)
		heap_settle(p, e->place);
	return verdict;
}

void
penalty_leave(struct penalty *p, const struct access_source *source,
    uint32_t listener, int64_t now_ms)
{
	struct entry	*e = find(p, source, listener);

	if (e == NULL || e->s.live == 0 || --e->s.live > 0)
		return;
	if (e->silent_at < now_ms)
		e->silent_at = now_ms;
	heap_add(p, e);
}

int
penalty_add(struct penalty *p, const struct access_source *source,
    uint32_t listener)
{
	struct entry	*e = find(p, source, listener);

	if (e == NULL)
		e = learn(p, source, listener);
	if (e == NULL)
		return -1;
	if (e->s.live++ == 0)
		heap_remove(p, e);
	return 0;
}

void
penalty_tidy(struct penalty *p, int64_t now_ms)
{
	while (p->nheap > 0 &&
	    p->entries[p->heap[0]].silent_at <= now_ms)
		forget(p, &p->entries[p->heap[0]]);
}

void
penalty_each(const struct penalty *p,
    void (*each)(const struct penalty_status *, void *), void *arg)
{
	for (uint32_t i = 0; i < p->size; i++)
		if (p->entries[i].known)
			each(&p->entries[i].s, arg);
}

uint32_t
penalty_count(const struct penalty *p)
{
	return p->known;
}
