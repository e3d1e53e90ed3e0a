#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "policy/balance.h"
#include "unit.h"

#define MAX	BALANCE_SERVERS_MAX

static struct balance_server	 servers[MAX];
static uint64_t			 ids[MAX];
static size_t			 order[MAX];
static uint64_t			 dice;

/* All up and alike; ids as unlike random numbers as can be. */
static void
set_up(void)
{
	for (size_t i = 0; i < MAX; i++) {
		servers[i] = (struct balance_server){ .weight = 1,
		    .up = true, .usable = true };
		ids[i] = i;
	}
	memset(order, 0xff, sizeof(order));
	dice = 1;
}

/* Numbers that look random and are the same in each run. */
static uint64_t
roll(uint64_t below)
{
	dice = dice * 6364136223846793005u + 1442695040888963407u;
	return (dice >> 33) % below;
}

static size_t
try(enum balance_method method, size_t n, uint64_t key)
{
	return balance_order(method, servers, n, key, ids, false, order);
}

static size_t
first(enum balance_method method, size_t n, uint64_t key)
{
	ck_assert_uint_ge(try(method, n, key), 1);
	return order[0];
}

/* Expect the order written as letters: "bac" is 1, 0, 2. */
#define expect(method, n, key, letters) \
	expect_found(try(method, n, key), letters)

static void
expect_found(size_t found, const char *letters)
{
	char	 got[MAX + 1] = "";

	for (size_t i = 0; i < found; i++)
		got[i] = (char)('a' + order[i]);
	ck_assert_str_eq(got, letters);
}

/* Whatever the method, each index comes once. */
static void
expect_all_once(size_t found, size_t n)
{
	bool	 seen[MAX] = { false };

	ck_assert_uint_eq(found, n);
	for (size_t i = 0; i < n; i++) {
		if (order[i] >= n || seen[order[i]])
			ck_abort_msg("%zu, and not for once", order[i]);
		seen[order[i]] = true;
	}
}

START_TEST(every_method_tries_every_server_once)
{
	for (size_t n = 0; n <= MAX; n++)
		for (uint64_t key = 0; key < 10; key++) {
			for (size_t i = 0; i < n; i++)
				servers[i].weight = 1 + (uint32_t)roll(256);
			expect_all_once(try((enum balance_method)_i, n,
			    key * 0x0123456789abcdefu), n);
		}
}
END_TEST

START_TEST(what_is_up_is_tried_before_backups_and_these_before_the_dead)
{
	/* a, b: backups; c, d: down; e: up; f: a backup that is down. */
	servers[0].backup = servers[1].backup = true;
	servers[2].up = servers[3].up = false;
	servers[5].backup = true;
	servers[5].up = false;
	for (uint64_t key = 0; key < 100; key++) {
		ck_assert_uint_eq(try((enum balance_method)_i, 6, key), 6);
		ck_assert_uint_eq(order[0], 4);
		ck_assert_uint_le(order[1], 1);
		ck_assert_uint_le(order[2], 1);
		ck_assert(order[3] == 2 || order[3] == 3);
		ck_assert(order[4] == 2 || order[4] == 3);
		ck_assert_uint_eq(order[5], 5);
		ck_assert_uint_eq(balance_order((enum balance_method)_i,
		    servers, 6, key, ids, true, order), 3);
		ck_assert_uint_eq(order[0], 4);
	}
}
END_TEST

START_TEST(backups_share_by_the_same_method)
{
	for (size_t i = 0; i < 4; i++)
		servers[i].backup = true;
	servers[0].backup = false;
	expect(BALANCE_ROUNDROBIN, 4, 0, "abcd");
	expect(BALANCE_ROUNDROBIN, 4, 1, "acdb");
	expect(BALANCE_ROUNDROBIN, 4, 2, "adbc");
	servers[2].sessions = 1;
	expect(BALANCE_LEASTCONN, 4, 0, "abdc");
	expect(BALANCE_LEASTCONN, 4, 1, "adbc");
}
END_TEST

START_TEST(what_must_not_be_tried_is_never_tried)
{
	servers[0].weight = 0;
	servers[1].usable = false;
	servers[2].max_sessions = 3;
	servers[2].sessions = 3;
	servers[3].max_sessions = 3;
	servers[3].sessions = 4;
	servers[4].max_sessions = 3;
	servers[4].sessions = 2;
	ck_assert_uint_eq(try((enum balance_method)_i, 5, 7), 1);
	ck_assert_uint_eq(order[0], 4);
	servers[4].up = false;
	ck_assert_uint_eq(try((enum balance_method)_i, 5, 7), 1);
	servers[4].weight = 0;
	ck_assert_uint_eq(try((enum balance_method)_i, 5, 7), 0);
	ck_assert_uint_eq(try((enum balance_method)_i, 0, 7), 0);
}
END_TEST

START_TEST(what_is_beyond_the_limits_counts_as_these)
{
	struct balance_server	 many[MAX + 1];
	uint64_t		 many_ids[MAX + 1] = { 0 };
	size_t			 room[MAX + 1];

	for (size_t i = 0; i <= MAX; i++)
		many[i] = servers[0];
	ck_assert_uint_eq(balance_order((enum balance_method)_i, many,
	    MAX + 1, 7, many_ids, false, room), MAX);
	servers[0].weight = UINT32_MAX;
	servers[1].weight = BALANCE_WEIGHT_MAX;
	expect_all_once(try((enum balance_method)_i, 2, 1), 2);
	expect(BALANCE_ROUNDROBIN, 2, 0, "ab");
	expect(BALANCE_ROUNDROBIN, 2, 1, "ba");
}
END_TEST

START_TEST(first_takes_them_as_they_stand)
{
	servers[1].weight = 256;
	servers[2].sessions = 9;
	expect(BALANCE_FIRST, 4, 0, "abcd");
	expect(BALANCE_FIRST, 4, 3, "abcd");
	servers[0].max_sessions = servers[0].sessions = 5;
	expect(BALANCE_FIRST, 4, 3, "bcd");
}
END_TEST

START_TEST(servers_of_one_weight_take_turns_as_they_stand)
{
	for (size_t n = 1; n <= MAX; n++) {
		for (size_t i = 0; i < n; i++)
			servers[i].weight = (uint32_t)_i;
		for (uint64_t key = 0; key < 3 * n; key++) {
			ck_assert_uint_eq(try(BALANCE_ROUNDROBIN, n, key), n);
			for (size_t i = 0; i < n; i++)
				if (order[i] != (key + i) % n)
					ck_abort_msg("%zu of %zu", i, n);
		}
	}
}
END_TEST

/* The times of turns by hand: a 1/4 3/4, b 1/2; a 1/6 1/2 5/6, b 1/4 3/4. */
START_TEST(turns_lie_evenly_in_a_round)
{
	servers[0].weight = 2;
	expect(BALANCE_ROUNDROBIN, 2, 0, "ab");
	expect(BALANCE_ROUNDROBIN, 2, 1, "ba");
	expect(BALANCE_ROUNDROBIN, 2, 2, "ab");
	expect(BALANCE_ROUNDROBIN, 2, 3, "ab");
	expect(BALANCE_ROUNDROBIN, 2, 4, "ba");
	servers[0].weight = 3;
	servers[1].weight = 2;
	expect(BALANCE_ROUNDROBIN, 3, 0, "abc");	/* a b a c b a */
	expect(BALANCE_ROUNDROBIN, 3, 1, "bac");
	expect(BALANCE_ROUNDROBIN, 3, 2, "acb");
	expect(BALANCE_ROUNDROBIN, 3, 3, "cba");
	expect(BALANCE_ROUNDROBIN, 3, 4, "bac");
	expect(BALANCE_ROUNDROBIN, 3, 5, "abc");
	expect(BALANCE_ROUNDROBIN, 3, 6, "abc");
}
END_TEST

/* The definition itself: every turn of a round, sorted. */
struct turn {
	size_t		 who;
	uint64_t	 num, den;
};

static struct turn	 round_of[MAX * BALANCE_WEIGHT_MAX];

static int
by_time(const void *va, const void *vb)
{
	const struct turn	*a = va, *b = vb;
	uint64_t		 x = a->num * b->den, y = b->num * a->den;

	if (x != y)
		return x < y ? -1 : 1;
	return (a->who > b->who) - (a->who < b->who);
}

static size_t
lay_out(size_t n)
{
	size_t	 all = 0;

	for (size_t i = 0; i < n; i++)
		for (uint32_t j = 0; j < servers[i].weight; j++)
			round_of[all++] = (struct turn){ i, 2 * j + 1,
			    2 * servers[i].weight };
	qsort(round_of, all, sizeof(round_of[0]), by_time);
	return all;
}

static void
expect_as_laid_out(size_t n, size_t all, size_t at)
{
	bool	 seen[MAX] = { false };
	size_t	 found = 0;

	ck_assert_uint_eq(try(BALANCE_ROUNDROBIN, n, at), n);
	for (; found < n; at++) {
		size_t	 who = round_of[at % all].who;

		if (!seen[who] && order[found++] != who)
			ck_abort_msg("turn %zu: %zu is not there", at, who);
		seen[who] = true;
	}
}

START_TEST(roundrobin_is_its_definition)
{
	size_t	 n, all;

	for (int run = 0; run < 12; run++) {
		n = 1 + roll(6);
		for (size_t i = 0; i < n; i++)
			servers[i].weight = 1 + (uint32_t)roll((uint64_t)_i);
		all = lay_out(n);
		for (size_t at = 0; at < all; at++)
			expect_as_laid_out(n, all, at);
	}
}
END_TEST

START_TEST(roundrobin_is_its_definition_at_its_limits)
{
	size_t	 all;

	for (size_t i = 0; i < MAX; i++)
		servers[i].weight = BALANCE_WEIGHT_MAX - (uint32_t)i *
		    (uint32_t)_i;
	all = lay_out(MAX);
	for (size_t at = 0; at < all; at += 1 + roll(99))
		expect_as_laid_out(MAX, all, at);
	expect_as_laid_out(MAX, all, all - 1);
}
END_TEST

START_TEST(a_round_gives_each_server_its_weight_wherever_it_begins)
{
	uint32_t	 weights[] = { 5, 256, 1, 77, 77 };
	uint64_t	 from = 0xffffffff00000000u + (uint64_t)_i * 997;
	uint32_t	 got[nitems(weights)] = { 0 }, all = 0;

	for (size_t i = 0; i < nitems(weights); i++) {
		servers[i].weight = weights[i];
		all += weights[i];
	}
	for (uint32_t k = 0; k < all; k++)
		got[first(BALANCE_ROUNDROBIN, nitems(weights), from + k)]++;
	for (size_t i = 0; i < nitems(weights); i++)
		ck_assert_uint_eq(got[i], weights[i]);
}
END_TEST

START_TEST(a_server_that_takes_none_leaves_the_round_to_the_others)
{
	servers[1].usable = false;
	expect(BALANCE_ROUNDROBIN, 3, 0, "ac");
	expect(BALANCE_ROUNDROBIN, 3, 1, "ca");
	expect(BALANCE_ROUNDROBIN, 3, 2, "ac");
	servers[1].usable = true;
	servers[1].up = false;
	expect(BALANCE_ROUNDROBIN, 3, 1, "cab");
}
END_TEST

START_TEST(the_server_with_fewest_sessions_for_its_weight_is_first)
{
	servers[0].sessions = 3;
	servers[1].sessions = 2;
	servers[2].sessions = 5;
	expect(BALANCE_LEASTCONN, 3, 0, "bac");
	expect(BALANCE_LEASTCONN, 3, 1, "bac");
	servers[2].weight = 2;				/* 3, 2, 2.5 */
	expect(BALANCE_LEASTCONN, 3, 0, "bca");
	servers[2].weight = 3;				/* 3, 2, 1.67 */
	expect(BALANCE_LEASTCONN, 3, 1, "cba");
	servers[0].sessions = UINT32_MAX;
	servers[1].sessions = UINT32_MAX - 1;
	servers[0].weight = servers[1].weight = 256;
	expect(BALANCE_LEASTCONN, 3, 2, "cba");
}
END_TEST

START_TEST(servers_with_as_many_sessions_are_first_in_turn)
{
	servers[1].sessions = 7;
	servers[3].sessions = 6;
	servers[3].weight = 2;
	servers[4].sessions = 3;			/* 0 7 0 3 3 */
	expect(BALANCE_LEASTCONN, 5, 0, "acdeb");
	expect(BALANCE_LEASTCONN, 5, 1, "caedb");
	expect(BALANCE_LEASTCONN, 5, 2, "acdeb");
	set_up();
	expect(BALANCE_LEASTCONN, 5, 2, "cdeab");
	expect(BALANCE_LEASTCONN, 5, 4, "eabcd");
}
END_TEST

static uint64_t
client(uint32_t n)
{
	return balance_hash(&n, sizeof(n));
}

START_TEST(a_client_is_led_to_the_same_server)
{
	size_t	 was[MAX], found;

	for (uint32_t c = 0; c < 100; c++) {
		found = try(BALANCE_SOURCE, 20, client(c));
		memcpy(was, order, sizeof(was));
		ck_assert_uint_eq(try(BALANCE_SOURCE, 20, client(c)), found);
		ck_assert_mem_eq(was, order, found * sizeof(*was));
	}
}
END_TEST

static void
weigh(size_t n)
{
	for (size_t i = 0; i < n; i++) {
		servers[i].weight = 1 + (uint32_t)roll(8);
		ids[i] = roll(UINT64_MAX);
	}
}

/* Out of the order, and no two others change places. */
static void
expect_without(const size_t *was, size_t n, size_t gone)
{
	size_t	 at = 0;

	for (size_t i = 0; i < n; i++)
		if (was[i] != gone)
			ck_assert_uint_eq(order[at++], was[i]);
}

START_TEST(a_server_that_goes_moves_only_its_own_clients)
{
	const size_t	 n = 9, gone = (size_t)_i;
	size_t		 was[MAX];

	weigh(n);
	for (uint32_t c = 0; c < 500; c++) {
		servers[gone].up = servers[gone].usable = true;
		ck_assert_uint_eq(try(BALANCE_SOURCE, n, client(c)), n);
		memcpy(was, order, sizeof(was));
		servers[gone].usable = false;
		ck_assert_uint_eq(try(BALANCE_SOURCE, n, client(c)), n - 1);
		expect_without(was, n, gone);
		servers[gone].usable = true;
		servers[gone].up = false;
		ck_assert_uint_eq(try(BALANCE_SOURCE, n, client(c)), n);
		expect_without(was, n, gone);
		ck_assert_uint_eq(order[n - 1], gone);
	}
}
END_TEST

/* Removed from the list, those behind it move up and keep their ids. */
START_TEST(a_server_is_known_by_its_id_and_not_by_its_place)
{
	struct balance_server	 all[9];
	uint64_t		 all_ids[9];
	const size_t		 gone = (size_t)_i;
	size_t			 was;

	weigh(9);
	memcpy(all, servers, sizeof(all));
	memcpy(all_ids, ids, sizeof(all_ids));
	memmove(servers + gone, servers + gone + 1,
	    (8 - gone) * sizeof(servers[0]));
	memmove(ids + gone, ids + gone + 1, (8 - gone) * sizeof(ids[0]));
	for (uint32_t c = 0; c < 500; c++) {
		ck_assert_uint_eq(balance_order(BALANCE_SOURCE, all, 9,
		    client(c), all_ids, false, order), 9);
		was = order[0];
		if (was != gone)
			ck_assert_uint_eq(ids[first(BALANCE_SOURCE, 8,
			    client(c))], all_ids[was]);
	}
}
END_TEST

START_TEST(more_weight_takes_clients_and_gives_none)
{
	size_t	 was, is, taken = 0;

	weigh(9);
	for (uint32_t c = 0; c < 500; c++) {
		servers[4].weight = 3;
		was = first(BALANCE_SOURCE, 9, client(c));
		servers[4].weight = 6;
		is = first(BALANCE_SOURCE, 9, client(c));
		ck_assert(is == was || is == 4);
		taken += is != was;
	}
	ck_assert_uint_ge(taken, 10);
}
END_TEST

/*
 * Of 30,000 draws by weight each server is to have its share within 2 in a
 * hundred of all, among those it was drawn with; so of the second places.
 */
#define DRAWS	30000
#define NEAR	(DRAWS / 100 * 2)

static void
expect_near(size_t got, size_t want)
{
	ck_assert_msg(got + NEAR > want && got < want + NEAR,
	    "%zu instead of %zu", got, want);
}

static void
expect_shares(enum balance_method method, const uint32_t *weights, size_t n)
{
	size_t	 one[MAX] = { 0 }, two[MAX] = { 0 }, all = 0, rest;

	for (size_t i = 0; i < n; i++) {
		servers[i].weight = weights[i];
		all += weights[i];
	}
	rest = all - weights[n - 1];
	for (uint32_t c = 0; c < DRAWS; c++) {
		try(method, n, client(c));
		one[order[0]]++;
		if (order[0] == n - 1)
			two[order[1]]++;
	}
	for (size_t i = 0; i < n; i++)
		expect_near(one[i], DRAWS * weights[i] / all);
	/* Where the last was drawn first, the others share by weight too. */
	for (size_t i = 0; i < n - 1; i++)
		expect_near(two[i], one[n - 1] * weights[i] / rest);
}

START_TEST(lots_fall_by_weight)
{
	static const uint32_t	 even[] = { 1, 1, 1, 1, 1, 1, 1, 1, 1, 1 };
	static const uint32_t	 uneven[] = { 1, 2, 5, 8 };
	static const uint32_t	 far_apart[] = { 256, 16, 128, 100 };
	const enum balance_method	 m = _i == 0 ? BALANCE_SOURCE :
	    BALANCE_RANDOM;

	expect_shares(m, even, nitems(even));
	expect_shares(m, uneven, nitems(uneven));
	expect_shares(m, far_apart, nitems(far_apart));
}
END_TEST

/* Two of one address are two lots: ids do not count. */
START_TEST(random_asks_for_no_ids)
{
	size_t	 got[2] = { 0 };

	for (uint32_t c = 0; c < 1000; c++) {
		ck_assert_uint_eq(balance_order(BALANCE_RANDOM, servers, 2,
		    client(c), NULL, false, order), 2);
		got[order[0]]++;
	}
	ck_assert_uint_ge(got[0], 400);
	ck_assert_uint_ge(got[1], 400);
}
END_TEST

/* Whoever counts on from a random number gets as good an order. */
START_TEST(keys_and_ids_need_not_look_random)
{
	size_t	 got[8] = { 0 };

	for (uint64_t key = 0; key < 8000; key++)
		got[first(BALANCE_RANDOM, 8, key)]++;
	for (size_t i = 0; i < nitems(got); i++) {
		ck_assert_uint_ge(got[i], 850);
		ck_assert_uint_le(got[i], 1150);
	}
}
END_TEST

/* FNV-1a as published, then mixed, reckoned outside of this program. */
static const struct {
	const char	*data;
	size_t		 len;
	uint64_t	 hash;
} hashes[] = {
	{ "", 0,		0xefd01f60ba992926u },
	{ "\0", 1,		0xb9034ad37056f5fbu },
	{ "a", 1,		0x82a2a958a9bece5bu },
	{ "foobar", 6,		0x2c22194922d1672bu },
	{ "192.0.2.7:3306", 14,	0x0cbeb0138c42df50u },
};

START_TEST(the_hash_is_the_same_everywhere)
{
	ck_assert_uint_eq(balance_hash(hashes[_i].data, hashes[_i].len),
	    hashes[_i].hash);
}
END_TEST

static void
add_shares(Suite *s)
{
	TCase	*tc = tcase_create("shares");

	suite_add_tcase(s, tc);
	tcase_add_checked_fixture(tc, set_up, NULL);
	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, roundrobin_is_its_definition, 1, 7);
	tcase_add_loop_test(tc, roundrobin_is_its_definition, 250, 257);
	tcase_add_loop_test(tc, roundrobin_is_its_definition_at_its_limits,
	    0, 5);
	tcase_add_loop_test(tc,
	    a_round_gives_each_server_its_weight_wherever_it_begins, 0, 5);
	tcase_add_loop_test(tc, a_server_that_goes_moves_only_its_own_clients,
	    0, 9);
	tcase_add_loop_test(tc,
	    a_server_is_known_by_its_id_and_not_by_its_place, 0, 9);
	tcase_add_test(tc, more_weight_takes_clients_and_gives_none);
	tcase_add_loop_test(tc, lots_fall_by_weight, 0, 2);
	tcase_add_test(tc, random_asks_for_no_ids);
	tcase_add_test(tc, keys_and_ids_need_not_look_random);
}

int
main(void)
{
	Suite	*s = suite_create("balance");
	TCase	*tc = tcase_create("balance");

	suite_add_tcase(s, tc);
	tcase_add_checked_fixture(tc, set_up, NULL);
	tcase_add_loop_test(tc, every_method_tries_every_server_once,
	    BALANCE_ROUNDROBIN, BALANCE_RANDOM + 1);
	tcase_add_loop_test(tc,
	    what_is_up_is_tried_before_backups_and_these_before_the_dead,
	    BALANCE_ROUNDROBIN, BALANCE_RANDOM + 1);
	tcase_add_test(tc, backups_share_by_the_same_method);
	tcase_add_loop_test(tc, what_must_not_be_tried_is_never_tried,
	    BALANCE_ROUNDROBIN, BALANCE_RANDOM + 1);
	tcase_add_loop_test(tc, what_is_beyond_the_limits_counts_as_these,
	    BALANCE_ROUNDROBIN, BALANCE_RANDOM + 1);
	tcase_add_test(tc, first_takes_them_as_they_stand);
	tcase_add_loop_test(tc, servers_of_one_weight_take_turns_as_they_stand,
	    1, 4);
	tcase_add_loop_test(tc, servers_of_one_weight_take_turns_as_they_stand,
	    255, 257);
	tcase_add_test(tc, turns_lie_evenly_in_a_round);
	tcase_add_test(tc,
	    a_server_that_takes_none_leaves_the_round_to_the_others);
	tcase_add_test(tc,
	    the_server_with_fewest_sessions_for_its_weight_is_first);
	tcase_add_test(tc, servers_with_as_many_sessions_are_first_in_turn);
	tcase_add_test(tc, a_client_is_led_to_the_same_server);
	tcase_add_loop_test(tc, the_hash_is_the_same_everywhere, 0,
	    (int)nitems(hashes));
	add_shares(s);
	return unit_run(s);
}
