#include <fcntl.h>
#include <unistd.h>

#include "session/pipes.h"
#include "unit.h"

#define MOST	3
#define NOBODY	61234		/* whose pipes are counted for itself */
#define MANY	256		/* pipes, more than a user may have as a rule */

static struct pipes	*pool;
static int		 fds;

static void
open_pool(void)
{
	fds = unit_count_fds();
	pool = pipes_new(MOST);
}

static void
close_pool(void)
{
	pipes_free(&pool);
	ck_assert_ptr_null(pool);
	ck_assert_int_eq(unit_count_fds(), fds);
}

START_TEST(no_pipe_is_open_before_it_is_wanted)
{
	ck_assert_int_eq(unit_count_fds(), fds);
}
END_TEST

START_TEST(a_pipe_passes_bytes_on_and_never_waits)
{
	struct pipe	*p = pipes_take(pool);
	char		 buf[8];

	ck_assert_int_eq(read(p->out, buf, sizeof(buf)), -1);
	ck_assert_int_eq(write(p->in, "hello", 5), 5);
	ck_assert_int_eq(read(p->out, buf, sizeof(buf)), 5);
	ck_assert_mem_eq(buf, "hello", 5);
	ck_assert_int_ne(fcntl(p->in, F_GETFL) & O_NONBLOCK, 0);
	ck_assert_int_ne(fcntl(p->in, F_GETFD) & FD_CLOEXEC, 0);
	ck_assert_int_ne(fcntl(p->out, F_GETFD) & FD_CLOEXEC, 0);
	pipes_give(pool, p);
}
END_TEST

START_TEST(no_more_than_most_are_lent)
{
	struct pipe	*p[MOST];

	for (int i = 0; i < MOST; i++) {
		p[i] = pipes_take(pool);
		ck_assert_ptr_nonnull(p[i]);
		for (int j = 0; j < i; j++)
			ck_assert_ptr_ne(p[i], p[j]);
	}
	ck_assert_ptr_null(pipes_take(pool));
	pipes_give(pool, p[1]);
	ck_assert_ptr_eq(pipes_take(pool), p[1]);
	ck_assert_ptr_null(pipes_take(pool));
	ck_assert_int_eq(unit_count_fds(), fds + 2 * MOST);
}
END_TEST

/* The second slot has an open pipe, the first has none. */
START_TEST(one_that_is_open_is_lent_before_another_is_opened)
{
	struct pipe	*a = pipes_take(pool), *b = pipes_take(pool);

	pipes_give(pool, b);
	pipes_drop(pool, a);
	ck_assert_int_eq(unit_count_fds(), fds + 2);
	ck_assert_ptr_eq(pipes_take(pool), b);
	ck_assert_int_eq(unit_count_fds(), fds + 2);
}
END_TEST

START_TEST(what_is_in_one_that_is_dropped_is_gone)
{
	struct pipe	*p = pipes_take(pool);
	char		 c;

	ck_assert_int_eq(write(p->in, "x", 1), 1);
	pipes_drop(pool, p);
	ck_assert_int_eq(unit_count_fds(), fds);
	for (int i = 0; i < MOST; i++) {
		p = pipes_take(pool);
		ck_assert_int_eq(read(p->out, &c, 1), -1);
	}
}
END_TEST

START_TEST(trimming_closes_what_nobody_has)
{
	struct pipe	*p = pipes_take(pool);

	pipes_give(pool, pipes_take(pool));
	pipes_trim(pool);
	ck_assert_int_eq(unit_count_fds(), fds + 2);
	ck_assert_int_eq(write(p->in, "x", 1), 1);
}
END_TEST

START_TEST(a_pool_of_none_lends_none)
{
	pipes_free(&pool);
	pool = pipes_new(0);
	ck_assert_ptr_null(pipes_take(pool));
	pipes_trim(pool);
}
END_TEST

/* Pipes of a user who has as many as the system allows; or false. */
static bool
use_up(int held[MANY], int *n)
{
	int	 p[2];

	if (setuid(NOBODY) == -1)
		return false;
	for (*n = 0; *n < MANY; (*n)++) {
		if (pipe(p) == -1)
			return false;
		held[*n] = p[0];
		if (fcntl(p[0], F_SETPIPE_SZ, 1024 * 1024) == -1)
			return *n > 0;
	}
	return false;
}

START_TEST(a_pipe_too_small_to_be_of_use_is_not_lent)
{
	int	 held[MANY], n;

	if (geteuid() != 0 || !use_up(held, &n))
		return;
	fds = unit_count_fds();
	ck_assert_ptr_null(pipes_take(pool));
	ck_assert_int_eq(unit_count_fds(), fds);
	/* Half of one is free again. */
	ck_assert_int_ne(fcntl(held[0], F_SETPIPE_SZ, 512 * 1024), -1);
	ck_assert_ptr_nonnull(pipes_take(pool));
}
END_TEST

int
main(void)
{
	Suite	*s = suite_create("pipes");
	TCase	*tc = tcase_create("pipes");

	suite_add_tcase(s, tc);
	tcase_add_checked_fixture(tc, open_pool, close_pool);
	tcase_add_test(tc, no_pipe_is_open_before_it_is_wanted);
	tcase_add_test(tc, a_pipe_passes_bytes_on_and_never_waits);
	tcase_add_test(tc, no_more_than_most_are_lent);
	tcase_add_test(tc, one_that_is_open_is_lent_before_another_is_opened);
	tcase_add_test(tc, what_is_in_one_that_is_dropped_is_gone);
	tcase_add_test(tc, trimming_closes_what_nobody_has);
	tcase_add_test(tc, a_pool_of_none_lends_none);
	tcase_add_test(tc, a_pipe_too_small_to_be_of_use_is_not_lent);
	return unit_run(s);
}
