#include <sys/mman.h>
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "process/proc.h"
#include "process/scoreboard.h"
#include "unit.h"

#define WORKERS	3

static struct scoreboard	 sb;

static void
open_board(void)
{
	ck_assert_int_eq(scoreboard_open(&sb, scoreboard_create(WORKERS,
	    SB_STRIDE_PAGE), WORKERS, SB_STRIDE_PAGE), 0);
}

/* Run in a child, as a worker does; its exit status. */
static int
in_worker(void (*run)(void))
{
	int	 status;
	pid_t	 pid = check_fork();

	if (pid == 0) {
		run();
		_exit(0);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void
write_page_1(void)
{
	struct sb_pool		*pool;
	struct sb_worker	*me;

	if (scoreboard_enter(&sb, 1, &pool, &me) == -1)
		_exit(2);
	atomic_fetch_add(&pool->idle, 5);
	atomic_store(&me->up, 77);
	sb_write_begin(me);
	me->session.id = 42;
	strcpy(me->session.client, "1.2.3.4:5");
	sb_write_end(me);
}

START_TEST(the_spawner_sees_what_a_worker_wrote)
{
	struct sb_session	 copy;

	ck_assert_int_eq(in_worker(write_page_1), 0);
	ck_assert_int_eq(atomic_load(&sb.pool->idle), 5);
	ck_assert(sb_read(scoreboard_worker(&sb, 1), &copy));
	ck_assert_uint_eq(copy.id, 42);
	ck_assert_str_eq(copy.client, "1.2.3.4:5");
	ck_assert_uint_eq(atomic_load(&scoreboard_worker(&sb, 1)->up), 77);
	/* Nobody else's page. */
	ck_assert(sb_read(scoreboard_worker(&sb, 0), &copy));
	ck_assert_uint_eq(copy.id, 0);
	ck_assert(sb_read(scoreboard_worker(&sb, 2), &copy));
	ck_assert_uint_eq(copy.id, 0);
}
END_TEST

START_TEST(a_cleared_page_is_as_new)
{
	static const char	 zeros[sizeof(struct sb_worker)];
	struct sb_worker	*w = scoreboard_worker(&sb, 1);

	ck_assert_int_eq(in_worker(write_page_1), 0);
	atomic_fetch_add(&scoreboard_worker(&sb, 2)->served, 1);
	scoreboard_clear(&sb, 1);
	ck_assert_mem_eq(w, zeros, sizeof(zeros));
	ck_assert_uint_eq(atomic_load(&scoreboard_worker(&sb, 2)->served), 1);
	ck_assert_int_eq(atomic_load(&sb.pool->idle), 5);
}
END_TEST

static void
look_for_others(void)
{
	struct sb_pool		*pool;
	struct sb_worker	*me;
	unsigned char		 vec;

	/* The spawner's mapping is not inherited... */
	if (mincore(sb.pool, 4096, &vec) != -1 || errno != ENOMEM)
		_exit(2);
	if (scoreboard_enter(&sb, 0, &pool, &me) == -1)
		_exit(3);
	/* ...and the descriptor to make another is gone. */
	if (fcntl(sb.fd, F_GETFD) != -1)
		_exit(4);
}

START_TEST(a_worker_can_reach_no_page_but_its_own)
{
	ck_assert_int_eq(in_worker(look_for_others), 0);
}
END_TEST

START_TEST(a_torn_record_is_noticed)
{
	struct sb_worker	*w = scoreboard_worker(&sb, 0);
	struct sb_session	 copy;

	ck_assert(sb_read(w, &copy));
	sb_write_begin(w);
	w->session.id = 1;
	ck_assert(!sb_read(w, &copy));
	sb_write_end(w);
	ck_assert(sb_read(w, &copy));
	ck_assert_uint_eq(copy.id, 1);
}
END_TEST

START_TEST(texts_that_do_not_end_are_ended)
{
	struct sb_worker	*w = scoreboard_worker(&sb, 0);
	struct sb_session	 copy;

	memset(&w->session, 'x', sizeof(w->session));
	ck_assert(sb_read(w, &copy));
	ck_assert_uint_eq(strlen(copy.listener), SB_LISTENER_MAX - 1);
	ck_assert_uint_eq(strlen(copy.client), SB_ADDR_MAX - 1);
	ck_assert_uint_eq(strlen(copy.server), SB_ADDR_MAX - 1);
	/* Also of a record that is torn: it may be told all the same. */
	sb_write_begin(w);
	memset(&copy, 'y', sizeof(copy));
	ck_assert(!sb_read(w, &copy));
	ck_assert_uint_eq(strlen(copy.listener), SB_LISTENER_MAX - 1);
	ck_assert_uint_eq(strlen(copy.client), SB_ADDR_MAX - 1);
	ck_assert_uint_eq(strlen(copy.server), SB_ADDR_MAX - 1);
}
END_TEST

/* A writer and a reader at once, until the reader has seen enough. */
START_TEST(a_reader_never_sees_half_of_two_records)
{
	struct sb_session	 copy;
	struct sb_pool		*pool;
	struct sb_worker	*me;
	int64_t			 deadline = io_now_ms() + 1000;
	pid_t			 pid = check_fork();

	if (pid == 0) {
		if (scoreboard_enter(&sb, 0, &pool, &me) == -1)
			_exit(2);
		for (uint64_t i = 1;; i++) {
			sb_write_begin(me);
			me->session.id = i;
			memset(me->session.listener, 'a' + (char)(i % 20),
			    sizeof(me->session.listener));
			memset(me->session.server, 'a' + (char)(i % 20),
			    sizeof(me->session.server));
			me->session.accepted_us = (int64_t)i;
			sb_write_end(me);
		}
	}
	for (int i = 0; i < 200000 && io_now_ms() < deadline; i++) {
		if (!sb_read(scoreboard_worker(&sb, 0), &copy))
			continue;
		ck_assert_uint_eq(copy.id, (uint64_t)copy.accepted_us);
		if (copy.id > 0) {
			ck_assert_int_eq(copy.listener[0],
			    'a' + (char)(copy.id % 20));
			ck_assert_int_eq(copy.server[SB_ADDR_MAX - 2],
			    copy.listener[0]);
		}
	}
	ck_assert_int_eq(kill(pid, SIGKILL), 0);
	ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
}
END_TEST

static struct sb_live	*live;

static void
look_for_live(void)
{
	unsigned char	 vec;

	if (mincore(live, sizeof(*live), &vec) != -1 || errno != ENOMEM)
		_exit(2);
}

START_TEST(the_counts_of_a_pool_are_shared_and_hidden_from_workers)
{
	struct sb_live	*other;
	int		 fd = proc_memfd("live", sizeof(*live));

	ck_assert_int_ne(fd, -1);
	live = scoreboard_map_live(fd);
	ck_assert_ptr_nonnull(live);
	other = scoreboard_map_live(fd);
	ck_assert_ptr_nonnull(other);
	atomic_store(&live->workers[SB_SPAWNERS_MAX - 1], 9);
	ck_assert_uint_eq(atomic_load(&other->workers[SB_SPAWNERS_MAX - 1]),
	    9);
	ck_assert_int_eq(in_worker(look_for_live), 0);
}
END_TEST

int
main(void)
{
	Suite	*s = suite_create("scoreboard");
	TCase	*tc = tcase_create("scoreboard");

	suite_add_tcase(s, tc);
	tcase_add_checked_fixture(tc, open_board, NULL);
	tcase_add_test(tc, the_spawner_sees_what_a_worker_wrote);
	tcase_add_test(tc, a_cleared_page_is_as_new);
	tcase_add_test(tc, a_worker_can_reach_no_page_but_its_own);
	tcase_add_test(tc, a_torn_record_is_noticed);
	tcase_add_test(tc, texts_that_do_not_end_are_ended);
	tcase_add_test(tc, a_reader_never_sees_half_of_two_records);
	tcase_add_test(tc,
	    the_counts_of_a_pool_are_shared_and_hidden_from_workers);
	return unit_run(s);
}
