#include <sys/socket.h>

#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "session/flow.h"
#include "unit.h"

#define SIZE	16

static int		 in[2], out[2];	/* the peers hold in[0] and out[1] */
static uint8_t		 buf[SIZE];
static flow_count	 bytes;
static struct flow	 f;

static void
open_pairs(void)
{
	unit_local_pair(in);
	unit_local_pair(out);
	atomic_store(&bytes, 0);
	flow_init(&f, in[1], out[0], buf, SIZE, &bytes);
}

static void
open_tcp_pairs(void)
{
	unit_tcp_pair(in);
	unit_tcp_pair(out);
	atomic_store(&bytes, 0);
	flow_init(&f, in[1], out[0], buf, SIZE, &bytes);
}

static enum flow_result
step(void)
{
	return flow_step(&f, true, true);
}

START_TEST(what_is_read_is_written_in_the_same_step)
{
	unit_write(in[0], "hello", 5);
	(void)unit_wait(in[1], POLLIN, UNIT_MS);
	ck_assert(flow_can_fill(&f));
	ck_assert(!flow_can_drain(&f));
	ck_assert_int_eq(flow_step(&f, true, false), FLOW_OK);
	unit_expect(out[1], "hello", 5);
	ck_assert_uint_eq(atomic_load(&bytes), 5);
	ck_assert(!flow_can_drain(&f));
	ck_assert(!f.done);
}
END_TEST

START_TEST(nothing_is_read_unasked)
{
	unit_write(in[0], "hello", 5);
	(void)unit_wait(in[1], POLLIN, UNIT_MS);
	ck_assert_int_eq(flow_step(&f, false, true), FLOW_OK);
	ck_assert_uint_eq(f.len, 0);
	ck_assert_int_eq(unit_wait(out[1], POLLIN, 0), 0);
}
END_TEST

START_TEST(a_step_reads_and_writes_at_most_once)
{
	unit_write(in[0], "0123456789abcdef0123456789abcdef", 2 * SIZE);
	(void)unit_wait(in[1], POLLIN, UNIT_MS);
	ck_assert_int_eq(step(), FLOW_OK);
	ck_assert_uint_eq(atomic_load(&bytes), SIZE);
	ck_assert_int_eq(step(), FLOW_OK);
	ck_assert_uint_eq(atomic_load(&bytes), 2 * SIZE);
	unit_expect(out[1], "0123456789abcdef0123456789abcdef", 2 * SIZE);
}
END_TEST

/* The buffer is full, the receiver takes nothing: nobody reads. */
START_TEST(what_is_not_taken_is_held_and_nothing_more_is_read)
{
	bool	 reset;
	size_t	 stuffed = unit_fill(out[0], 0), got;

	unit_write(in[0], "0123456789abcdefX", SIZE + 1);
	(void)unit_wait(in[1], POLLIN, UNIT_MS);
	ck_assert_int_eq(step(), FLOW_OK);
	ck_assert(!flow_can_fill(&f));
	ck_assert(flow_can_drain(&f));
	ck_assert_uint_eq(atomic_load(&bytes), 0);
	ck_assert_int_eq(step(), FLOW_OK);
	ck_assert_uint_eq(f.len, SIZE);
	/* The receiver wakes up: all comes, in order, then the end. */
	while (stuffed > 0) {
		char	 skip[4096];
		ssize_t	 n = read(out[1], skip, sizeof(skip));

		ck_assert_int_gt(n, 0);
		stuffed -= (size_t)n;
	}
	/* Nobody said that it is writable yet. */
	ck_assert_int_eq(flow_step(&f, true, false), FLOW_OK);
	ck_assert(flow_can_drain(&f));
	ck_assert_int_eq(flow_step(&f, false, true), FLOW_OK);
	ck_assert(flow_can_fill(&f));
	unit_expect(out[1], "0123456789abcdef", SIZE);
	shutdown(in[0], SHUT_WR);
	for (int i = 0; i < 3 && !f.done; i++)
		ck_assert_int_eq(step(), FLOW_OK);
	ck_assert(f.done);
	got = unit_drain(out[1], &reset);
	ck_assert_uint_eq(got, 1);
	ck_assert(!reset);
}
END_TEST

START_TEST(held_bytes_wait_until_the_receiver_is_writable)
{
	(void)unit_fill(out[0], 50);
	unit_write(in[0], "a", 1);
	(void)unit_wait(in[1], POLLIN, UNIT_MS);
	ck_assert_int_eq(step(), FLOW_OK);
	ck_assert(flow_can_drain(&f));
	unit_write(in[0], "b", 1);
	(void)unit_wait(in[1], POLLIN, UNIT_MS);
	ck_assert_int_eq(flow_step(&f, true, false), FLOW_OK);
	ck_assert_uint_eq(f.len - f.off, 2);
	ck_assert_mem_eq(f.buf + f.off, "ab", 2);
}
END_TEST

START_TEST(an_end_waits_for_bytes_that_are_held)
{
	(void)unit_fill(out[0], 50);
	unit_write(in[0], "a", 1);
	(void)unit_wait(in[1], POLLIN, UNIT_MS);
	ck_assert_int_eq(step(), FLOW_OK);
	ck_assert(flow_can_drain(&f));
	shutdown(in[0], SHUT_WR);
	(void)unit_wait(in[1], POLLIN, UNIT_MS);
	ck_assert_int_eq(flow_step(&f, true, false), FLOW_OK);
	ck_assert(f.eof);
	ck_assert(!f.done);
	ck_assert(flow_can_drain(&f));
}
END_TEST

START_TEST(the_end_is_passed_on_after_the_last_byte)
{
	unit_write(in[0], "bye", 3);
	shutdown(in[0], SHUT_WR);
	ck_assert_int_eq(step(), FLOW_OK);
	ck_assert(!f.done);
	ck_assert_int_eq(step(), FLOW_OK);
	ck_assert(f.done);
	ck_assert(f.eof);
	unit_expect(out[1], "bye", 3);
	unit_expect_end(out[1]);
	/* The other way is open still. */
	unit_write(out[1], "yes", 3);
	unit_expect(out[0], "yes", 3);
}
END_TEST

START_TEST(a_flow_that_is_done_does_nothing_more)
{
	shutdown(in[0], SHUT_WR);
	ck_assert_int_eq(step(), FLOW_OK);
	ck_assert(f.done);
	close(in[1]);
	f.from = f.to = -1;
	ck_assert_int_eq(step(), FLOW_OK);
	ck_assert(!flow_can_fill(&f));
}
END_TEST

START_TEST(a_sender_that_breaks_off_is_told)
{
	unit_reset(in[0]);
	(void)unit_wait(in[1], POLLIN, UNIT_MS);
	ck_assert_int_eq(step(), FLOW_FROM_RESET);
	ck_assert(!f.done);
	ck_assert(!f.eof);
}
END_TEST

/* Closed in order: EPIPE, and what it had said before may be read. */
START_TEST(a_receiver_that_has_gone_has_the_rest_thrown_away)
{
	static const char	 zeros[SIZE];
	size_t			 held;

	close(out[1]);
	unit_write(in[0], "x", 1);
	(void)unit_wait(in[1], POLLIN, UNIT_MS);
	ck_assert_int_eq(step(), FLOW_OK);
	ck_assert(f.broken);
	ck_assert(!f.reset);
	ck_assert(!f.done);
	ck_assert_uint_eq(f.discarded, 1);
	ck_assert_uint_eq(atomic_load(&bytes), 0);
	while (f.discarded + SIZE <= FLOW_DISCARD_MAX) {
		unit_write(in[0], zeros, SIZE);
		ck_assert_int_eq(step(), FLOW_OK);
		ck_assert(!f.done);
	}
	unit_write(in[0], zeros, SIZE);
	ck_assert_int_eq(step(), FLOW_OK);
	ck_assert(f.done);
	/* Enough is enough. */
	held = f.discarded;
	unit_write(in[0], zeros, SIZE);
	ck_assert_int_eq(step(), FLOW_OK);
	ck_assert_uint_eq(f.discarded, held);
}
END_TEST

START_TEST(a_sender_may_end_while_the_rest_is_thrown_away)
{
	close(out[1]);
	unit_write(in[0], "x", 1);
	(void)unit_wait(in[1], POLLIN, UNIT_MS);
	ck_assert_int_eq(step(), FLOW_OK);
	ck_assert(f.broken);
	shutdown(in[0], SHUT_WR);
	ck_assert_int_eq(step(), FLOW_OK);
	ck_assert(f.done);
}
END_TEST

START_TEST(a_receiver_that_broke_off_is_told_from_one_that_ended)
{
	unit_reset(out[1]);
	(void)unit_wait(out[0], POLLIN, UNIT_MS);
	unit_write(in[0], "x", 1);
	(void)unit_wait(in[1], POLLIN, UNIT_MS);
	ck_assert_int_eq(step(), FLOW_OK);
	ck_assert(f.broken);
	ck_assert(f.reset);
}
END_TEST

START_TEST(an_end_that_is_none_is_not_passed_on)
{
	f.cut = true;
	shutdown(in[0], SHUT_WR);
	(void)unit_wait(in[1], POLLIN, UNIT_MS);
	ck_assert_int_eq(step(), FLOW_FROM_RESET);
	ck_assert(!f.done);
	ck_assert_int_eq(unit_wait(out[1], POLLIN, 0), 0);
}
END_TEST

static void
add_both(Suite *s, const char *name, void (*open)(void), bool tcp)
{
	TCase	*tc = tcase_create(name);

	suite_add_tcase(s, tc);
	tcase_add_checked_fixture(tc, open, NULL);
	tcase_add_test(tc, what_is_read_is_written_in_the_same_step);
	tcase_add_test(tc, nothing_is_read_unasked);
	tcase_add_test(tc, a_step_reads_and_writes_at_most_once);
	tcase_add_test(tc, held_bytes_wait_until_the_receiver_is_writable);
	tcase_add_test(tc, an_end_waits_for_bytes_that_are_held);
	tcase_add_test(tc, a_flow_that_is_done_does_nothing_more);
	tcase_add_test(tc, an_end_that_is_none_is_not_passed_on);
	if (tcp) {
		tcase_add_test(tc, a_sender_that_breaks_off_is_told);
		tcase_add_test(tc,
		    a_receiver_that_broke_off_is_told_from_one_that_ended);
		return;
	}
	/* When TCP tells is up to the peer; a socketpair tells at once. */
	tcase_add_test(tc,
	    what_is_not_taken_is_held_and_nothing_more_is_read);
	tcase_add_test(tc, the_end_is_passed_on_after_the_last_byte);
	tcase_add_test(tc,
	    a_receiver_that_has_gone_has_the_rest_thrown_away);
	tcase_add_test(tc, a_sender_may_end_while_the_rest_is_thrown_away);
}

int
main(void)
{
	Suite	*s = suite_create("flow");

	add_both(s, "local", open_pairs, false);
	add_both(s, "tcp", open_tcp_pairs, true);
	return unit_run(s);
}
