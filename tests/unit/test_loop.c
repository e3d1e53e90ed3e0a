#include <sys/epoll.h>

#include <errno.h>
#include <unistd.h>

#include "base/io.h"
#include "base/loop.h"
#include "base/sig.h"
#include "unit.h"

static struct loop	*loop;
static int		 pair[2];
static int		 ran[4];

static void
open_loop(void)
{
	static const int	 none[] = { 0 };

	sig_init(none);
	loop = loop_new();
	ck_assert_ptr_nonnull(loop);
	unit_local_pair(pair);
	for (size_t i = 0; i < 4; i++)
		ran[i] = 0;
}

static void
close_loop(void)
{
	loop_free(&loop);
	ck_assert_ptr_null(loop);
	close(pair[0]);
	close(pair[1]);
}

static void
on_event(void *ctx, uint32_t events)
{
	int	*n = ctx;

	*n += (events & EPOLLIN) != 0 ? 1 : 100;
}

static void
on_time(void *ctx)
{
	int	*n = ctx;

	++*n;
}

START_TEST(a_descriptor_is_heard_until_it_is_unwatched)
{
	struct watch	 w = { .fd = pair[0], .run = on_event,
			    .ctx = &ran[0] };

	ck_assert_int_eq(loop_watch(loop, &w, EPOLLIN), 0);
	unit_write(pair[1], "x", 1);
	ck_assert_int_eq(loop_turn(loop), 0);
	ck_assert_int_eq(loop_turn(loop), 0);
	ck_assert_int_eq(ran[0], 2);	/* level-triggered */
	ck_assert_int_eq(loop_watch(loop, &w, EPOLLOUT), 0);
	ck_assert_int_eq(loop_turn(loop), 0);
	ck_assert_int_eq(ran[0], 102);
	loop_unwatch(loop, &w);
	loop_unwatch(loop, &w);
	ck_assert(!w.on);
	ck_assert_int_eq(loop_watch(loop, &w, EPOLLIN), 0);
	loop_unwatch(loop, &w);
}
END_TEST

/* As libmariadb does, which tries one address after the other. */
START_TEST(a_number_that_is_another_descriptors_by_now_is_heard)
{
	struct watch	 w = { .fd = pair[0], .run = on_event,
			    .ctx = &ran[0] };
	int		 other[2];

	ck_assert_int_eq(loop_watch(loop, &w, EPOLLOUT), 0);
	unit_local_pair(other);
	close(pair[0]);
	ck_assert_int_eq(dup(other[0]), pair[0]);
	ck_assert_int_eq(loop_watch(loop, &w, EPOLLIN), 0);
	unit_write(other[1], "x", 1);
	ck_assert_int_eq(loop_turn(loop), 0);
	ck_assert_int_eq(ran[0], 1);
	loop_unwatch(loop, &w);
	close(other[0]);
	close(other[1]);
}
END_TEST

START_TEST(what_cannot_be_watched_is_told)
{
	struct watch	 w = { .fd = -1, .run = on_event };

	errno = 0;
	ck_assert_int_eq(loop_watch(loop, &w, EPOLLIN), -1);
	ck_assert_int_eq(errno, EBADF);
	ck_assert(!w.on);
}
END_TEST

START_TEST(timers_run_in_their_order_and_once)
{
	struct timer	 t[3];
	int64_t		 now = io_now_ms();

	for (size_t i = 0; i < 3; i++)
		t[i] = (struct timer){ .run = on_time, .ctx = &ran[i] };
	loop_set(loop, &t[0], now + 40);
	loop_set(loop, &t[1], now + 20);
	loop_set(loop, &t[2], now + 20);
	while (ran[1] == 0 && io_now_ms() < now + UNIT_MS)
		ck_assert_int_eq(loop_turn(loop), 0);
	ck_assert_int_ge(io_now_ms(), now + 20);
	ck_assert_int_eq(ran[2], 1);
	ck_assert_int_eq(ran[0], 0);
	loop_set(loop, &t[1], now + UNIT_MS);	/* and not after all */
	loop_set(loop, &t[1], now);
	loop_unset(loop, &t[1]);
	loop_unset(loop, &t[1]);
	while (ran[0] == 0 && io_now_ms() < now + UNIT_MS)
		ck_assert_int_eq(loop_turn(loop), 0);
	ck_assert_int_ge(io_now_ms(), now + 40);
	ck_assert_int_eq(ran[1], 1);
	ck_assert_int_eq(ran[2], 1);
}
END_TEST

static struct timer	 again;

static void
on_again(void *ctx)
{
	on_time(ctx);
	loop_set(loop, &again, io_now_ms());
}

START_TEST(one_that_is_always_due_starves_nobody)
{
	struct watch	 w = { .fd = pair[0], .run = on_event,
			    .ctx = &ran[0] };

	again = (struct timer){ .run = on_again, .ctx = &ran[1] };
	loop_set(loop, &again, io_now_ms());
	unit_write(pair[1], "x", 1);
	ck_assert_int_eq(loop_watch(loop, &w, EPOLLIN), 0);
	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(loop_turn(loop), 0);
	ck_assert_int_eq(ran[0], 3);
	ck_assert_int_ge(ran[1], 3);
	loop_unset(loop, &again);
}
END_TEST

int
main(void)
{
	Suite	*s = suite_create("loop");
	TCase	*tc = tcase_create("loop");

	suite_add_tcase(s, tc);
	tcase_add_checked_fixture(tc, open_loop, close_loop);
	tcase_add_test(tc, a_descriptor_is_heard_until_it_is_unwatched);
	tcase_add_test(tc,
	    a_number_that_is_another_descriptors_by_now_is_heard);
	tcase_add_test(tc, what_cannot_be_watched_is_told);
	tcase_add_test(tc, timers_run_in_their_order_and_once);
	tcase_add_test(tc, one_that_is_always_due_starves_nobody);
	return unit_run(s);
}
