#include <arpa/inet.h>

#include <string.h>

#include "base/mem.h"
#include "base/net.h"
#include "policy/penalty.h"
#include "unit.h"

#define SIZE	4096

static struct penalty		*table;
static struct penalty_rule	 rule;

static void
set_up(void)
{
	table = penalty_new(SIZE, 12345);
	rule = (struct penalty_rule){ 0 };
}

static void
tear_down(void)
{
	penalty_free(&table);
	ck_assert_ptr_null(table);
}

static void
small(uint32_t size)
{
	penalty_free(&table);
	table = penalty_new(size, 12345);
}

static struct access_source
source(uint32_t n)
{
	struct net_addr		 a = { .len = sizeof(a.u.in) };
	struct access_source	 s;

	a.u.in.sin_family = AF_INET;
	a.u.in.sin_addr.s_addr = htonl(n);
	access_source_of(&a, &s);
	return s;
}

/* By listener 1, unless said otherwise. */
static enum penalty_verdict
enter(uint32_t n, int64_t now)
{
	struct access_source	 s = source(n);

	return penalty_enter(table, &s, 1, &rule, now);
}

static void
leave(uint32_t n, int64_t now)
{
	struct access_source	 s = source(n);

	penalty_leave(table, &s, 1, now);
}

static int
add(uint32_t n)
{
	struct access_source	 s = source(n);

	return penalty_add(table, &s, 1);
}

/* One that begins and ends at once. */
static enum penalty_verdict
pass(uint32_t n, int64_t now)
{
	enum penalty_verdict	 v = enter(n, now);

	if (v == PENALTY_OK)
		leave(n, now);
	return v;
}

static struct {
	struct access_source	 source;
	struct penalty_status	 status;
	uint32_t		 found, all;
	uint64_t		 live;
} seen;

static void
look(const struct penalty_status *s, void *arg)
{
	ck_assert_ptr_eq(arg, &seen);
	seen.all++;
	seen.live += s->live;
	if (access_source_same(&s->source, &seen.source)) {
		seen.status = *s;
		seen.found++;
	}
}

/* What the table says of a source; NULL when it is not there. */
static const struct penalty_status *
status(uint32_t n)
{
	memset(&seen, 0, sizeof(seen));
	seen.source = source(n);
	penalty_each(table, look, &seen);
	ck_assert_uint_eq(seen.all, penalty_count(table));
	ck_assert_uint_le(seen.found, 1);
	return seen.found == 1 ? &seen.status : NULL;
}

START_TEST(without_limits_all_pass_and_are_counted)
{
	for (int i = 0; i < 1000; i++)
		ck_assert_int_eq(enter(7, 5), PENALTY_OK);
	ck_assert_uint_eq(status(7)->live, 1000);
	leave(7, 6);
	ck_assert_uint_eq(status(7)->live, 999);
	ck_assert_uint_eq(status(7)->refused, 0);
	ck_assert_uint_eq(status(7)->listener, 1);
	ck_assert_ptr_null(status(8));
}
END_TEST

START_TEST(a_source_has_at_most_max_sessions)
{
	rule.max_sessions = 2;
	ck_assert_int_eq(enter(7, 0), PENALTY_OK);
	ck_assert_int_eq(enter(7, 0), PENALTY_OK);
	ck_assert_int_eq(enter(7, 0), PENALTY_SESSIONS);
	ck_assert_int_eq(enter(8, 0), PENALTY_OK);
	ck_assert_uint_eq(status(7)->live, 2);
	ck_assert_uint_eq(status(7)->refused, 1);
	leave(7, 1);
	ck_assert_int_eq(enter(7, 1), PENALTY_OK);
	ck_assert_int_eq(enter(7, 1), PENALTY_SESSIONS);
}
END_TEST

START_TEST(each_listener_counts_for_itself)
{
	struct access_source	 s = source(7);

	rule.max_sessions = 1;
	ck_assert_int_eq(penalty_enter(table, &s, 1, &rule, 0), PENALTY_OK);
	ck_assert_int_eq(penalty_enter(table, &s, 2, &rule, 0), PENALTY_OK);
	ck_assert_int_eq(penalty_enter(table, &s, 2, &rule, 0),
	    PENALTY_SESSIONS);
	penalty_leave(table, &s, 2, 0);
	ck_assert_int_eq(penalty_enter(table, &s, 1, &rule, 0),
	    PENALTY_SESSIONS);
	ck_assert_int_eq(penalty_enter(table, &s, 2, &rule, 0), PENALTY_OK);
}
END_TEST

/* In so small a table many of these meet in one chain. */
START_TEST(listeners_that_meet_in_a_chain_are_told_apart)
{
	struct access_source	 s = source(7);

	rule.max_sessions = 1;
	for (uint32_t other = 2; other < 20; other++) {
		small(2);
		ck_assert_int_eq(enter(7, 0), PENALTY_OK);
		ck_assert_int_eq(penalty_enter(table, &s, other, &rule, 0),
		    PENALTY_OK);
		ck_assert_uint_eq(penalty_count(table), 2);
	}
}
END_TEST

START_TEST(a_full_bucket_allows_a_burst_and_then_refills_evenly)
{
	rule.rate_count = 3;
	rule.rate_ms = 1000;
	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(pass(7, 50), PENALTY_OK);
	ck_assert_int_eq(pass(7, 50), PENALTY_RATE);
	ck_assert_int_eq(pass(7, 50 + 333), PENALTY_RATE);
	ck_assert_int_eq(pass(7, 50 + 334), PENALTY_OK);
	ck_assert_int_eq(pass(7, 50 + 666), PENALTY_RATE);
	ck_assert_int_eq(pass(7, 50 + 667), PENALTY_OK);
	ck_assert_int_eq(pass(7, 50 + 999), PENALTY_RATE);
	ck_assert_int_eq(pass(7, 50 + 1000), PENALTY_OK);
	ck_assert_int_eq(pass(7, 50 + 1000), PENALTY_RATE);
	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(pass(7, 9000), PENALTY_OK);
	ck_assert_int_eq(pass(7, 9000), PENALTY_RATE);
}
END_TEST

/* Tried each millisecond: the burst, and then the rate, to the last one. */
START_TEST(the_rate_loses_nothing_to_rounding)
{
	uint32_t	 passed = 0;

	rule.rate_count = 7;
	rule.rate_ms = 1000;
	for (int64_t now = 0; now <= 100000; now++)
		passed += pass(7, now) == PENALTY_OK;
	ck_assert_uint_eq(passed, 7 + 700);
}
END_TEST

START_TEST(a_session_refused_takes_nothing_out_of_the_bucket)
{
	rule.max_sessions = 1;
	rule.rate_count = 2;
	rule.rate_ms = 1000;
	ck_assert_int_eq(enter(7, 0), PENALTY_OK);
	for (int i = 0; i < 10; i++)
		ck_assert_int_eq(enter(7, 0), PENALTY_SESSIONS);
	leave(7, 0);
	ck_assert_int_eq(enter(7, 0), PENALTY_OK);
	leave(7, 0);
	ck_assert_int_eq(enter(7, 0), PENALTY_RATE);
}
END_TEST

START_TEST(a_source_that_exceeds_its_rate_is_held_until_it_is_quiet)
{
	rule.rate_count = 1;
	rule.rate_ms = 10;
	rule.penalty_ms = 1000;
	ck_assert_int_eq(pass(7, 0), PENALTY_OK);
	ck_assert_int_eq(pass(7, 5), PENALTY_RATE);
	ck_assert_int_eq(status(7)->held_until, 1005);
	ck_assert_int_eq(pass(7, 1004), PENALTY_HELD);
	ck_assert_int_eq(pass(7, 2003), PENALTY_HELD);
	ck_assert_int_eq(status(7)->held_until, 3003);
	ck_assert_uint_eq(status(7)->refused, 3);
	ck_assert_int_eq(pass(8, 2003), PENALTY_OK);
	ck_assert_int_eq(pass(7, 3003), PENALTY_OK);
	ck_assert_int_eq(status(7)->held_until, 0);
}
END_TEST

START_TEST(a_rule_may_change_under_a_source)
{
	rule = (struct penalty_rule){ 0, 100, 100000, 50000 };
	for (int i = 0; i < 100; i++)
		ck_assert_int_eq(pass(7, 0), PENALTY_OK);
	ck_assert_int_eq(pass(7, 0), PENALTY_RATE);
	rule.penalty_ms = 0;
	ck_assert_int_eq(pass(7, 0), PENALTY_RATE);
	rule.rate_ms = 10;
	ck_assert_int_eq(pass(7, 10), PENALTY_OK);
	rule.rate_ms = 0;
	ck_assert_int_eq(pass(7, 10), PENALTY_OK);
}
END_TEST

START_TEST(numbers_beyond_the_limits_do_not_wrap)
{
	rule = (struct penalty_rule){ UINT32_MAX, UINT32_MAX, INT64_MAX,
	    INT64_MAX };
	ck_assert_int_eq(pass(7, 0), PENALTY_OK);
	ck_assert_int_eq(pass(7, INT64_MAX), PENALTY_OK);
	rule.rate_count = 1;
	ck_assert_int_eq(pass(8, INT64_MAX), PENALTY_OK);
	ck_assert_int_eq(pass(8, INT64_MAX), PENALTY_RATE);
	ck_assert_int_eq(status(8)->held_until, INT64_MAX);
	ck_assert_int_eq(pass(9, 0), PENALTY_OK);
	ck_assert_int_eq(pass(9, INT64_MAX), PENALTY_OK);
	rule = (struct penalty_rule){ 0, 5, -1, -1 };
	for (int i = 0; i < 10; i++)
		ck_assert_int_eq(pass(10, 0), PENALTY_OK);
}
END_TEST

START_TEST(a_clock_that_goes_back_stands_still)
{
	rule.rate_count = 1;
	rule.rate_ms = 100;
	ck_assert_int_eq(pass(7, 1000), PENALTY_OK);
	ck_assert_int_eq(pass(7, 0), PENALTY_RATE);
	ck_assert_int_eq(pass(7, 1099), PENALTY_RATE);
	ck_assert_int_eq(pass(7, 1100), PENALTY_OK);
}
END_TEST

START_TEST(a_session_that_is_not_known_of_may_leave)
{
	leave(7, 0);
	ck_assert_uint_eq(penalty_count(table), 0);
	ck_assert_int_eq(pass(7, 0), PENALTY_OK);
	leave(7, 0);
	ck_assert_uint_eq(status(7)->live, 0);
}
END_TEST

START_TEST(sessions_are_told_again_and_judged_by_no_rule)
{
	rule.max_sessions = 2;
	rule.rate_count = 1;
	rule.rate_ms = 1000;
	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(add(7), 0);
	ck_assert_uint_eq(status(7)->live, 3);
	ck_assert_int_eq(enter(7, 0), PENALTY_SESSIONS);
	leave(7, 0);
	leave(7, 0);
	ck_assert_int_eq(enter(7, 0), PENALTY_OK);
}
END_TEST

START_TEST(what_has_nothing_to_say_is_tidied_away)
{
	rule = (struct penalty_rule){ 0, 2, 1000, 5000 };
	ck_assert_int_eq(enter(1, 0), PENALTY_OK);	/* lives */
	ck_assert_int_eq(pass(2, 0), PENALTY_OK);	/* to 500 */
	for (int i = 0; i < 3; i++)
		(void)pass(3, 0);			/* held to 5000 */
	penalty_tidy(table, 499);
	ck_assert_uint_eq(penalty_count(table), 3);
	penalty_tidy(table, 500);
	ck_assert_uint_eq(penalty_count(table), 2);
	ck_assert_ptr_null(status(2));
	penalty_tidy(table, 4999);
	ck_assert_uint_eq(penalty_count(table), 2);
	penalty_tidy(table, 5000);
	ck_assert_uint_eq(penalty_count(table), 1);
	leave(1, 6000);
	penalty_tidy(table, 6000);
	ck_assert_uint_eq(penalty_count(table), 0);
}
END_TEST

START_TEST(the_entry_that_is_silent_first_gives_way)
{
	small(3);
	rule = (struct penalty_rule){ 0, 2, 1000, 5000 };
	for (int i = 0; i < 3; i++)
		(void)pass(1, 0);
	ck_assert_int_eq(pass(2, 10), PENALTY_OK);
	ck_assert_int_eq(pass(3, 5), PENALTY_OK);
	ck_assert_int_eq(pass(4, 20), PENALTY_OK);
	ck_assert_ptr_nonnull(status(1));
	ck_assert_ptr_nonnull(status(2));
	ck_assert_ptr_null(status(3));
	ck_assert_ptr_nonnull(status(4));
	ck_assert_uint_eq(penalty_count(table), 3);
}
END_TEST

START_TEST(a_source_that_is_held_moves_behind_the_others)
{
	small(2);
	rule = (struct penalty_rule){ 0, 2, 1000, 5000 };
	ck_assert_int_eq(pass(1, 0), PENALTY_OK);
	ck_assert_int_eq(pass(2, 10), PENALTY_OK);
	ck_assert_int_eq(pass(2, 10), PENALTY_OK);
	ck_assert_int_eq(pass(1, 0), PENALTY_OK);
	ck_assert_int_eq(pass(1, 0), PENALTY_RATE);
	ck_assert_int_eq(pass(3, 20), PENALTY_OK);
	ck_assert_ptr_nonnull(status(1));
	ck_assert_ptr_null(status(2));
}
END_TEST

START_TEST(of_the_silent_the_one_that_left_first_gives_way)
{
	small(2);
	rule = (struct penalty_rule){ 0, 2, 1000, 0 };
	ck_assert_int_eq(pass(2, 0), PENALTY_OK);
	ck_assert_int_eq(add(1), 0);
	leave(1, 600);
	ck_assert_int_eq(pass(3, 600), PENALTY_OK);
	ck_assert_ptr_nonnull(status(1));
	ck_assert_ptr_null(status(2));
}
END_TEST

START_TEST(a_bucket_is_full_when_its_last_part_is_back)
{
	rule = (struct penalty_rule){ 0, 3, 1000, 0 };
	ck_assert_int_eq(pass(7, 0), PENALTY_OK);
	penalty_tidy(table, 333);
	ck_assert_ptr_nonnull(status(7));
	penalty_tidy(table, 334);
	ck_assert_ptr_null(status(7));
}
END_TEST

/* 2^62 ms of 4 parts each would be none in 64 bits. */
START_TEST(a_long_rest_fills_the_bucket)
{
	rule = (struct penalty_rule){ 0, 4, 1000, 0 };
	for (int i = 0; i < 4; i++)
		ck_assert_int_eq(pass(7, 0), PENALTY_OK);
	ck_assert_int_eq(pass(7, INT64_C(1) << 62), PENALTY_OK);
}
END_TEST

/* 37 does not divide 101: each time once, in no order. */
START_TEST(entries_give_way_in_the_order_of_their_silence)
{
	small(101);
	rule = (struct penalty_rule){ 0, 2, 1000, 0 };
	for (uint32_t i = 0; i < 101; i++)
		ck_assert_int_eq(pass(i * 37 % 101, i * 37 % 101),
		    PENALTY_OK);
	for (uint32_t i = 0; i < 101; i++) {
		ck_assert_ptr_nonnull(status(i));
		ck_assert_int_eq(enter(1000 + i, 200), PENALTY_OK);
		ck_assert_ptr_null(status(i));
	}
	ck_assert_int_eq(enter(2000, 200), PENALTY_FULL);
}
END_TEST

START_TEST(a_table_of_live_sessions_is_full)
{
	small(2);
	ck_assert_int_eq(enter(1, 0), PENALTY_OK);
	ck_assert_int_eq(add(2), 0);
	ck_assert_int_eq(enter(3, 0), PENALTY_FULL);
	ck_assert_int_eq(add(3), -1);
	ck_assert_int_eq(enter(1, 0), PENALTY_OK);
	ck_assert_int_eq(enter(2, 0), PENALTY_OK);
	leave(1, 0);
	ck_assert_int_eq(enter(3, 0), PENALTY_FULL);
	leave(1, 0);
	ck_assert_int_eq(enter(3, 0), PENALTY_OK);
	ck_assert_ptr_null(status(1));
	ck_assert_uint_eq(status(2)->live, 2);
	small(0);
	ck_assert_int_eq(enter(1, 0), PENALTY_OK);
	ck_assert_int_eq(enter(2, 0), PENALTY_FULL);
}
END_TEST

START_TEST(a_flood_of_sources_pushes_out_only_its_own)
{
	rule = (struct penalty_rule){ 2, 2, 1000, 600000 };
	for (uint32_t n = 0; n < 1000; n++)
		ck_assert_int_eq(enter(n, 0), PENALTY_OK);
	for (int i = 0; i < 3; i++)
		(void)pass(5000, 0);
	for (uint32_t n = 0; n < 20000; n++) {
		if (pass(100000 + n, n) != PENALTY_OK)
			ck_abort_msg("source %u was refused", n);
		if (penalty_count(table) > SIZE)
			ck_abort_msg("the table has grown");
	}
	ck_assert_uint_eq(penalty_count(table), SIZE);
	ck_assert_int_eq(pass(5000, 30000), PENALTY_HELD);
	ck_assert_uint_eq(status(0)->live, 1);
	ck_assert_uint_eq(seen.live, 1000);
	for (uint32_t n = 0; n < 1000; n++)
		leave(n, 30000);
	penalty_tidy(table, 30000);
	ck_assert_uint_eq(penalty_count(table), 1);
}
END_TEST

/* Against a plain account of what 300 sources do in 100 entries. */
START_TEST(live_sessions_are_counted_right_whatever_happens)
{
	uint32_t	 live[300] = { 0 }, n, who = (uint32_t)_i;
	uint64_t	 all = 0;

	small(100);
	rule = (struct penalty_rule){ 3, 5, 200, 50 };
	for (int64_t now = 0; now < 50000; now++) {
		who = who * 1664525 + 1013904223;
		n = (who >> 8) % (now % 2000 < 1000 ? 300 : 90);
		if ((who >> 20) % 2 == 0 && live[n] > 0) {
			leave(n, now);
			live[n]--;
			all--;
		} else if (enter(n, now) == PENALTY_OK) {
			live[n]++;
			all++;
		}
		if (now % 100 == 0)
			penalty_tidy(table, now - 20);
	}
	for (n = 0; n < 300; n++) {
		const struct penalty_status	*s = status(n);

		ck_assert_uint_eq(s == NULL ? 0 : s->live, live[n]);
		ck_assert_uint_eq(seen.live, all);
	}
}
END_TEST

int
main(void)
{
	Suite	*s = suite_create("penalty");
	TCase	*tc = tcase_create("penalty");

	suite_add_tcase(s, tc);
	tcase_add_checked_fixture(tc, set_up, tear_down);
	tcase_add_test(tc, without_limits_all_pass_and_are_counted);
	tcase_add_test(tc, a_source_has_at_most_max_sessions);
	tcase_add_test(tc, each_listener_counts_for_itself);
	tcase_add_test(tc, listeners_that_meet_in_a_chain_are_told_apart);
	tcase_add_test(tc,
	    a_full_bucket_allows_a_burst_and_then_refills_evenly);
	tcase_add_test(tc, the_rate_loses_nothing_to_rounding);
	tcase_add_test(tc, a_session_refused_takes_nothing_out_of_the_bucket);
	tcase_add_test(tc,
	    a_source_that_exceeds_its_rate_is_held_until_it_is_quiet);
	tcase_add_test(tc, a_rule_may_change_under_a_source);
	tcase_add_test(tc, numbers_beyond_the_limits_do_not_wrap);
	tcase_add_test(tc, a_clock_that_goes_back_stands_still);
	tcase_add_test(tc, a_session_that_is_not_known_of_may_leave);
	tcase_add_test(tc, sessions_are_told_again_and_judged_by_no_rule);
	tcase_add_test(tc, what_has_nothing_to_say_is_tidied_away);
	tcase_add_test(tc, the_entry_that_is_silent_first_gives_way);
	tcase_add_test(tc, a_source_that_is_held_moves_behind_the_others);
	tcase_add_test(tc, of_the_silent_the_one_that_left_first_gives_way);
	tcase_add_test(tc, a_bucket_is_full_when_its_last_part_is_back);
	tcase_add_test(tc, a_long_rest_fills_the_bucket);
	tcase_add_test(tc, entries_give_way_in_the_order_of_their_silence);
	tcase_add_test(tc, a_table_of_live_sessions_is_full);
	tcase_add_test(tc, a_flood_of_sources_pushes_out_only_its_own);
	tcase_add_loop_test(tc,
	    live_sessions_are_counted_right_whatever_happens, 1, 5);
	return unit_run(s);
}
