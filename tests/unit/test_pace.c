/* So many bytes a second, alone and together, and relayed at that. */
#include <sys/socket.h>

#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "session/pump.h"
#include "unit.h"

#define KIB	1024

static struct pace_bucket	 buckets[2];

static void
set_up(void)
{
	memset(buckets, 0, sizeof(buckets));
}

START_TEST(a_tenth_of_a_second_comes_at_once)
{
	struct pace	 p = { { &buckets[0] }, { 100000 } };
	int64_t		 at;

	ck_assert_int_eq(pace_take(&p, 5000), 0);
	ck_assert_int_eq(pace_take(&p, 4000), 0);
	at = pace_take(&p, 51000) - io_now_ms();
	ck_assert_int_ge(at, 450);
	ck_assert_int_le(at, 501);
}
END_TEST

START_TEST(the_slower_of_two_holds)
{
	struct pace	 p = {
		{ &buckets[0], &buckets[1] }, { 1000000, 10000 },
	};
	int64_t		 at = pace_take(&p, 11000) - io_now_ms();

	ck_assert_int_ge(at, 950);
	ck_assert_int_le(at, 1001);
}
END_TEST

START_TEST(who_shares_a_bucket_waits_for_the_others)
{
	struct pace	 p = { { NULL, &buckets[0] }, { 0, 10000 } };
	struct pace	 q = p;

	ck_assert_int_ne(pace_take(&p, 6000), 0);
	ck_assert_int_ge(pace_take(&q, 5000) - io_now_ms(), 900);
}
END_TEST

START_TEST(what_a_bucket_says_is_bounded)
{
	struct pace	 p = { { &buckets[0] }, { 10 } };

	atomic_store(&buckets[0].due, INT64_MAX);
	ck_assert_int_le(pace_take(&p, 1) - io_now_ms(), PACE_WAIT_MS);
	atomic_store(&buckets[0].due, INT64_MIN);
	ck_assert_int_eq(pace_take(&p, 1), 0);
}
END_TEST

/* 100 KiB each way at 200 KiB/s, by one pump: about half a second. */
START_TEST(a_relay_keeps_to_it_both_ways)
{
	static uint8_t	 buf[2 * 4 * KIB], data[100 * KIB];
	struct pace	 up = { { &buckets[0] }, { (int64_t)200 * KIB } };
	struct pace	 down = { { &buckets[1] }, { (int64_t)200 * KIB } };
	flow_count	 nup = 0, ndown = 0;
	struct pump	 p = {
		/* Who is held back is not idle. */
		.relay.idle_ms = 100, .relay.half_closed_ms = 100,
	};
	int		 front[2], back[2];
	int64_t		 began;

	unit_local_pair(front);
	unit_local_pair(back);
	unit_write(front[0], data, sizeof(data));
	unit_write(back[0], data, sizeof(data));
	shutdown(front[0], SHUT_WR);
	shutdown(back[0], SHUT_WR);
	flow_init(&p.relay.up, front[1], back[1], buf, sizeof(buf) / 2, &nup);
	flow_init(&p.relay.down, back[1], front[1], buf + sizeof(buf) / 2,
	    sizeof(buf) / 2, &ndown);
	p.relay.up.pace = &up;
	p.relay.down.pace = &down;
	began = io_now_ms();
	ck_assert_int_eq(pump_run(&p), END_DONE);
	ck_assert_int_ge(io_now_ms() - began, 380);
	ck_assert_int_le(io_now_ms() - began, UNIT_MS);
	ck_assert_uint_eq(atomic_load(&nup), sizeof(data));
	ck_assert_uint_eq(atomic_load(&ndown), sizeof(data));
	for (size_t i = 0; i < 2; i++) {
		close(front[i]);
		close(back[i]);
	}
}
END_TEST

int
main(void)
{
	Suite	*suite = suite_create("pace");
	TCase	*tc = tcase_create("core");

	suite_add_tcase(suite, tc);
	tcase_add_checked_fixture(tc, set_up, NULL);
	tcase_add_test(tc, a_tenth_of_a_second_comes_at_once);
	tcase_add_test(tc, the_slower_of_two_holds);
	tcase_add_test(tc, who_shares_a_bucket_waits_for_the_others);
	tcase_add_test(tc, what_a_bucket_says_is_bounded);
	tcase_add_test(tc, a_relay_keeps_to_it_both_ways);
	return unit_run(suite);
}
