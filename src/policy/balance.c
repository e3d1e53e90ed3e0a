#include <stdlib.h>
#include <string.h>

#include "policy/balance.h"

/*
 * Two turns of a round that do not fall together lie at least
 * 1 / (2 * BALANCE_WEIGHT_MAX * BALANCE_WEIGHT_MAX) apart, so of this many
 * steps of a round none holds turns of two times.
 */
#define ROUND_BITS	17
#define ROUND_STEPS	((uint32_t)1 << ROUND_BITS)
_Static_assert(2 * BALANCE_WEIGHT_MAX * BALANCE_WEIGHT_MAX <= ROUND_STEPS,
    "turns of two times may fall into one step");

/* One that may be tried.  The least of num/den, then of index, is first. */
struct rival {
	size_t		 index;
	uint32_t	 weight;
	uint64_t	 num, den;
};

/* The finalizer of MurmurHash3: one to one, and every bit moves all. */
static uint64_t
mix(uint64_t h)
{
	h = (h ^ h >> 33) * 0xff51afd7ed558ccdu;
	h = (h ^ h >> 33) * 0xc4ceb9fe1a85ec53u;
	return h ^ h >> 33;
}

uint64_t
balance_hash(const void *data, size_t len)
{
	const uint8_t	*p = data;
	uint64_t	 h = 0xcbf29ce484222325u;

	for (; len > 0; len--)
		h = (h ^ *p++) * 0x100000001b3u;
	return mix(h);
}

/* Turns that a weight has had at the end of that step: (2j+1)/2w <= step. */
static uint32_t
turns(uint32_t weight, uint32_t step)
{
	return (weight * step + ROUND_STEPS / 2) >> ROUND_BITS;
}

static uint32_t
all_turns(const struct rival *r, size_t n, uint32_t step)
{
	uint32_t	 all = 0;

	for (size_t i = 0; i < n; i++)
		all += turns(r[i].weight, step);
	return all;
}

/* Rank by the time of the next turn, from the one with that number on. */
static void
rank_by_turn(struct rival *r, size_t n, uint64_t key)
{
	uint32_t	 nth = (uint32_t)(key % all_turns(r, n, ROUND_STEPS));
	uint32_t	 before = 0, at = ROUND_STEPS, mid;
	size_t		 now;

	/* The turn falls into step `at', and nothing of another time does. */
	while (at - before > 1) {
		mid = before + (at - before) / 2;
		if (all_turns(r, n, mid) > nth)
			at = mid;
		else
			before = mid;
	}
	nth -= all_turns(r, n, before);
	for (now = 0; now < n - 1; now++)
		if (turns(r[now].weight, at) > turns(r[now].weight, before) &&
		    nth-- == 0)
			break;
	/* One whose turns are over goes on in the next round by itself. */
	for (size_t i = 0; i < n; i++) {
		r[i].num = 1 + 2 * (uint64_t)turns(r[i].weight,
		    i < now ? at : before);
		r[i].den = r[i].weight;
	}
}

static void
rank_by_sessions(struct rival *r, size_t n,
    const struct balance_server *servers)
{
	for (size_t i = 0; i < n; i++) {
		r[i].num = servers[r[i].index].sessions;
		r[i].den = r[i].weight;
	}
}

/*
 * -log2(h / 2^64) with 32 bits after the point, more than 0.  Squaring a
 * number from 1 up to 2 shifts its logarithm left by a bit.
 */
static uint64_t
minus_log2(uint64_t h)
{
	unsigned int	 zeros = (unsigned int)__builtin_clzll(h | 1);
	uint64_t	 m = ((h | 1) << zeros) >> 32, bits = 0;

	for (int i = 0; i < 32; i++) {
		m = m * m >> 31;
		bits = bits << 1 | m >> 32;
		m >>= m >> 32;
	}
	return ((uint64_t)(zeros + 1) << 32) - bits;
}

/*
 * -log(u) / weight with a u from 0 to 1 of its own for each: the first of
 * these is spread by weight, and so is the first of any that remain.
 */
static void
rank_by_lot(struct rival *r, size_t n, uint64_t key, const uint64_t *ids)
{
	uint64_t	 id;

	for (size_t i = 0; i < n; i++) {
		id = ids != NULL ? ids[r[i].index] : r[i].index;
		r[i].num = minus_log2(mix(key ^ mix(id + 1)));
		r[i].den = r[i].weight;
	}
}

/* Weights end at 256 and what is ranked at 2^38: products do not wrap. */
static int
compare(const struct rival *a, const struct rival *b)
{
	uint64_t	 x = a->num * b->den, y = b->num * a->den;

	return (x > y) - (x < y);
}

static int
by_rank(const void *va, const void *vb)
{
	const struct rival	*a = va, *b = vb;
	int			 c = compare(a, b);

	return c != 0 ? c : (a->index > b->index) - (a->index < b->index);
}

/* Of those with one rank let each be the first in turn. */
static void
rotate_equals(struct rival *r, size_t n, uint64_t key)
{
	struct rival	 first[BALANCE_SERVERS_MAX];
	size_t		 same, shift;

	for (; n > 0; r += same, n -= same) {
		for (same = 1; same < n && compare(r, r + same) == 0; same++)
			continue;
		shift = (size_t)(key % same);
		memcpy(first, r, shift * sizeof(*r));
		memmove(r, r + shift, (same - shift) * sizeof(*r));
		memcpy(r + same - shift, first, shift * sizeof(*r));
	}
}

static bool
may_have_more(const struct balance_server *s)
{
	return s->usable && s->weight > 0 &&
	    (s->max_sessions == 0 || s->sessions < s->max_sessions);
}

static size_t
collect(const struct balance_server *servers, size_t n, bool up, bool backup,
    struct rival *r)
{
	size_t	 found = 0;

	for (size_t i = 0; i < n; i++) {
		if (servers[i].up != up || servers[i].backup != backup ||
		    !may_have_more(&servers[i]))
			continue;
		r[found++] = (struct rival){ .index = i, .den = 1,
		    .weight = servers[i].weight < BALANCE_WEIGHT_MAX ?
		    servers[i].weight : BALANCE_WEIGHT_MAX };
	}
	return found;
}

size_t
balance_order(enum balance_method method,
    const struct balance_server *servers, size_t n, uint64_t key,
    const uint64_t *ids, bool up_only, size_t *order)
{
	struct rival	 r[BALANCE_SERVERS_MAX];
	size_t		 found, all = 0;

	if (n > BALANCE_SERVERS_MAX)
		n = BALANCE_SERVERS_MAX;
	for (int tier = 0; tier < (up_only ? 2 : 4); tier++) {
		found = collect(servers, n, tier < 2, tier % 2 == 1, r);
		if (found == 0)
			continue;
		if (method == BALANCE_ROUNDROBIN)
			rank_by_turn(r, found, key);
		else if (method == BALANCE_LEASTCONN)
			rank_by_sessions(r, found, servers);
		else if (method == BALANCE_SOURCE)
			rank_by_lot(r, found, key, ids);
		else if (method == BALANCE_RANDOM)
			rank_by_lot(r, found, key, NULL);
		qsort(r, found, sizeof(r[0]), by_rank);
		if (method == BALANCE_LEASTCONN)
			rotate_equals(r, found, key);
		for (size_t i = 0; i < found; i++)
			order[all++] = r[i].index;
	}
	return all;
}
