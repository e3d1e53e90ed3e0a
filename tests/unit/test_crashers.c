#include <arpa/inet.h>

#include <string.h>

#include "base/net.h"
#include "policy/crashers.h"
#include "unit.h"

static struct crashers	 table;

static void
set_up(void)
{
	memset(&table, 0, sizeof(table));
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

static int64_t
note(uint32_t n, int64_t now)
{
	struct access_source	 s = source(n);

	return crashers_note(&table, &s, now);
}

static int64_t
held(uint32_t n, int64_t now)
{
	struct access_source	 s = source(n);

	return crashers_held(&table, &s, now);
}

START_TEST(the_first_crashes_are_our_own_fault)
{
	ck_assert_int_eq(held(1, 0), 0);
	for (int i = 0; i < CRASHERS_FREE; i++)
		ck_assert_int_eq(note(1, 100), 0);
	ck_assert_int_eq(held(1, 100), 0);
	ck_assert_int_eq(note(1, 100), CRASHERS_FIRST_MS);
	ck_assert_int_eq(held(1, 100), CRASHERS_FIRST_MS);
	ck_assert_int_eq(held(1, 99 + CRASHERS_FIRST_MS), 1);
	ck_assert_int_eq(held(1, 100 + CRASHERS_FIRST_MS), 0);
	ck_assert_int_eq(held(2, 100), 0);
}
END_TEST

START_TEST(each_crash_doubles_it_up_to_a_bound)
{
	int64_t	 want = CRASHERS_FIRST_MS;

	for (int i = 0; i < CRASHERS_FREE; i++)
		(void)note(1, 0);
	for (int i = 0; i < 100; i++) {
		ck_assert_int_eq(note(1, i), want);
		want = want * 2 < CRASHERS_LAST_MS ? want * 2 :
		    CRASHERS_LAST_MS;
	}
}
END_TEST

START_TEST(it_is_forgotten_in_time)
{
	for (int i = 0; i <= CRASHERS_FREE; i++)
		(void)note(1, 1000);
	ck_assert_int_eq(note(1, 999 + CRASHERS_FORGET_MS),
	    2 * CRASHERS_FIRST_MS);
	ck_assert_int_eq(note(1, 999 + 2 * CRASHERS_FORGET_MS), 0);
}
END_TEST

START_TEST(a_crowd_does_not_push_out_who_is_refused)
{
	for (int i = 0; i < 20; i++)
		(void)note(1, 0);
	for (uint32_t n = 2; n < 2 + 3 * CRASHERS_MAX; n++)
		ck_assert_int_eq(note(n, n), 0);
	ck_assert_int_gt(held(1, 3 * CRASHERS_MAX), 0);
	/* The last ones are known of, too. */
	ck_assert_int_eq(note(1 + 3 * CRASHERS_MAX, 300), 0);
	ck_assert_int_gt(note(1 + 3 * CRASHERS_MAX, 300), 0);
}
END_TEST

START_TEST(whatever_lies_there_can_be_read)
{
	memset(&table, 0xff, sizeof(table));
	ck_assert_int_eq(held(1, 0), 0);
}
END_TEST

int
main(void)
{
	Suite	*s = suite_create("crashers");
	TCase	*tc = tcase_create("crashers");

	tcase_add_checked_fixture(tc, set_up, NULL);
	tcase_add_test(tc, the_first_crashes_are_our_own_fault);
	tcase_add_test(tc, each_crash_doubles_it_up_to_a_bound);
	tcase_add_test(tc, it_is_forgotten_in_time);
	tcase_add_test(tc, a_crowd_does_not_push_out_who_is_refused);
	tcase_add_test(tc, whatever_lies_there_can_be_read);
	suite_add_tcase(s, tc);
	return unit_run(s);
}
