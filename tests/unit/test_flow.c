#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include <linux/filter.h>
#include <linux/seccomp.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "session/flow.h"
#include "unit.h"

#define SIZE	16
#define PAGE	4096		/* the buffer of those that have pipes */
#define PIPES	2

static int		 in[2], out[2];	/* the peers hold in[0] and out[1] */
static uint8_t		 buf[SIZE];
static flow_count	 bytes;
static struct flow	 f;

static uint8_t		 page[PAGE];
static struct pipes	*pipes;
static size_t		 sent, got;	/* of the pattern */
static int		 fds;

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
	size_t	 stuffed = unit_fill(out[0], 0), came;

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
	came = unit_drain(out[1], &reset);
	ck_assert_uint_eq(came, 1);
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
add_pipes(void)
{
	signal(SIGPIPE, SIG_IGN);
	fds = unit_count_fds();
	pipes = pipes_new(PIPES);
	f.buf = page;
	f.size = PAGE;
	f.pipes = pipes;
	sent = got = 0;
}

static void
open_pairs_and_pipes(void)
{
	open_pairs();
	add_pipes();
}

static void
open_tcp_pairs_and_pipes(void)
{
	open_tcp_pairs();
	add_pipes();
}

/* Whatever happened, no pipe is left, nor lost. */
static void
close_pipes(void)
{
	int	 before = unit_count_fds();

	flow_end(&f);
	for (int i = 0; i < PIPES; i++)
		ck_assert_ptr_nonnull(pipes_take(pipes));
	ck_assert_ptr_null(pipes_take(pipes));
	pipes_free(&pipes);
	ck_assert_int_le(unit_count_fds(), before);
	ck_assert_int_le(unit_count_fds(), fds);
}

/* The sender sends the next n bytes, as far as it can at once. */
static void
say(size_t n)
{
	uint8_t	*p = mem_calloc(1, n);
	ssize_t	 rc;

	unit_paint(p, n, sent);
	rc = send(in[0], p, n, MSG_NOSIGNAL);
	free(p);
	if (rc > 0)
		sent += (size_t)rc;
	else
		ck_assert_int_eq(errno, EAGAIN);
}

/* The receiver takes n bytes at most, and compares; how many. */
static size_t
hear(size_t n)
{
	uint8_t	*p = mem_calloc(2, n), *want = p + n;
	ssize_t	 rc = recv(out[1], p, n, 0);

	if (rc > 0) {
		unit_paint(want, (size_t)rc, got);
		ck_assert_mem_eq(p, want, (size_t)rc);
		got += (size_t)rc;
	} else
		ck_assert_int_eq(rc == 0 ? EAGAIN : errno, EAGAIN);
	free(p);
	return rc > 0 ? (size_t)rc : 0;
}

static void
hear_all(void)
{
	while (got < sent) {
		ck_assert_msg(unit_wait(out[1], POLLIN, UNIT_MS) != 0,
		    "%zu bytes did not come", sent - got);
		(void)hear(PAGE);
	}
}

/* What is read and not passed on. */
static size_t
held(void)
{
	return f.len - f.off + f.piped;
}

/*
 * A step as after poll(2) with what is watched for: false if nothing is
 * ready.  It has to move something, or to change what is watched.
 */
static bool
step_when_ready(int ms, enum flow_result *result)
{
	struct pollfd	 p[2] = {
		{ flow_can_fill(&f) ? in[1] : -1, POLLIN, 0 },
		{ flow_can_drain(&f) ? out[0] : -1, POLLOUT, 0 },
	};
	bool		 fill = flow_can_fill(&f), drain = flow_can_drain(&f);
	uint64_t	 passed = atomic_load(&bytes);
	size_t		 kept = held() + f.discarded;

	if (poll(p, 2, ms) == 0)
		return false;
	*result = flow_step(&f, p[0].revents != 0, p[1].revents != 0);
	ck_assert_msg(*result != FLOW_OK || f.done || f.broken ||
	    passed != atomic_load(&bytes) || kept != held() + f.discarded ||
	    fill != flow_can_fill(&f) || drain != flow_can_drain(&f),
	    "a step that nothing came of");
	ck_assert((f.pipe == NULL) == (f.piped == 0));
	return true;
}

/* Until nothing has been ready for ms. */
static void
run_for(int ms)
{
	enum flow_result	 result = FLOW_OK;

	while (!f.done && step_when_ready(ms, &result))
		ck_assert_int_eq(result, FLOW_OK);
}

static void
run_while_ready(void)
{
	run_for(50);
}

/* The receiver takes it all, a piece after the other. */
static void
run_and_hear_all(void)
{
	while (got < sent) {
		run_for(1);
		(void)hear(64 * PAGE);
	}
	run_while_ready();
}

/* Until the flow has had enough full buffers. */
static void
begin_bulk(void)
{
	for (int i = 0; i < 4; i++) {
		say(PAGE);
		run_while_ready();
		hear_all();
	}
	/* The first piece is no larger than the buffer. */
	say(PAGE);
	run_while_ready();
	hear_all();
}

/* ... and has a pipe with bytes that nobody takes. */
static void
fill_pipe(void)
{
	begin_bulk();
	for (size_t before = sent + 1; before != sent;) {
		before = sent;
		say(64 * PAGE);
		run_for(5);
		if (sent == before) {	/* it may only have been slow */
			run_while_ready();
			say(64 * PAGE);
		}
	}
	ck_assert_ptr_nonnull(f.pipe);
	ck_assert_uint_gt(f.piped, 0);
	ck_assert_uint_eq(f.len, 0);
	ck_assert(!flow_can_fill(&f));
	ck_assert(flow_can_drain(&f));
}

START_TEST(many_full_buffers_are_followed_by_more_than_a_buffer_at_once)
{
	begin_bulk();
	say(8 * PAGE);
	(void)unit_wait(in[1], POLLIN, UNIT_MS);
	ck_assert_int_eq(flow_step(&f, true, false), FLOW_OK);
	ck_assert_uint_gt(atomic_load(&bytes), 6 * PAGE);
	run_while_ready();
	hear_all();
	ck_assert_uint_eq(atomic_load(&bytes), sent);
}
END_TEST

/* Two of these, and never three, could tell that they are bulk. */
START_TEST(little_at_a_time_takes_no_pipe)
{
	for (int i = 0; i < 50; i++) {
		say(i % 4 == 3 ? PAGE - 1 : PAGE);
		run_while_ready();
		hear_all();
	}
	ck_assert_int_eq(unit_count_fds(), fds);
}
END_TEST

START_TEST(little_at_once_ends_a_bulk)
{
	begin_bulk();
	say(100);
	run_while_ready();
	hear_all();
	say(8 * PAGE);
	(void)unit_wait(in[1], POLLIN, UNIT_MS);
	ck_assert_int_eq(flow_step(&f, true, false), FLOW_OK);
	ck_assert_uint_eq(atomic_load(&bytes), sent - 7 * PAGE);
	run_while_ready();
	hear_all();
}
END_TEST

START_TEST(who_is_silent_has_no_pipe)
{
	begin_bulk();
	ck_assert_ptr_null(f.pipe);
	/* It is the pool's again. */
	pipes_trim(pipes);
	ck_assert_int_eq(unit_count_fds(), fds);
}
END_TEST

START_TEST(a_pipe_of_a_slow_receiver_waits_and_nothing_more_is_read)
{
	enum flow_result	 result;
	uint64_t		 passed;

	fill_pipe();
	passed = atomic_load(&bytes);
	ck_assert(!step_when_ready(50, &result));
	/* Nobody said that it is writable yet. */
	ck_assert_int_eq(flow_step(&f, true, false), FLOW_OK);
	ck_assert_uint_eq(atomic_load(&bytes), passed);
	run_and_hear_all();
	ck_assert_ptr_null(f.pipe);
	ck_assert_uint_eq(atomic_load(&bytes), sent);
}
END_TEST

START_TEST(the_end_is_passed_on_after_the_last_byte_of_a_pipe)
{
	enum flow_result	 result;

	fill_pipe();
	shutdown(in[0], SHUT_WR);
	ck_assert(!step_when_ready(50, &result));
	ck_assert(!f.eof);
	run_and_hear_all();
	ck_assert(f.done);
	unit_expect_end(out[1]);
}
END_TEST

START_TEST(a_bulk_that_just_ends_is_an_end)
{
	begin_bulk();
	shutdown(in[0], SHUT_WR);
	run_while_ready();
	ck_assert(f.done);
	unit_expect_end(out[1]);
}
END_TEST

START_TEST(a_bulk_that_is_cut_off_is_no_end)
{
	enum flow_result	 result;

	begin_bulk();
	f.cut = true;
	shutdown(in[0], SHUT_WR);
	ck_assert(step_when_ready(UNIT_MS, &result));
	ck_assert_int_eq(result, FLOW_FROM_RESET);
	ck_assert_int_eq(unit_wait(out[1], POLLIN, 0), 0);
}
END_TEST

START_TEST(a_sender_that_breaks_off_in_a_bulk_is_told)
{
	enum flow_result	 result;

	begin_bulk();
	unit_reset(in[0]);
	ck_assert(step_when_ready(UNIT_MS, &result));
	ck_assert_int_eq(result, FLOW_FROM_RESET);
	ck_assert(!f.eof);
}
END_TEST

/* What had been read still comes, and then no end. */
START_TEST(a_sender_that_breaks_off_beside_a_full_pipe_is_told_after_it)
{
	enum flow_result	 result = FLOW_OK;
	size_t			 all;

	fill_pipe();
	all = atomic_load(&bytes) + f.piped;
	unit_reset(in[0]);
	ck_assert(!step_when_ready(50, &result));
	while (result == FLOW_OK) {
		(void)hear(64 * PAGE);
		(void)step_when_ready(50, &result);
	}
	ck_assert_int_eq(result, FLOW_FROM_RESET);
	ck_assert_uint_ge(atomic_load(&bytes), all);
}
END_TEST

START_TEST(a_full_pipe_for_nobody_is_thrown_away)
{
	int	 before;

	fill_pipe();
	before = unit_count_fds();
	close(out[1]);
	ck_assert_int_eq(flow_step(&f, false, true), FLOW_OK);
	ck_assert(f.broken);
	ck_assert(!f.reset);
	ck_assert(!f.done);
	ck_assert_ptr_null(f.pipe);
	ck_assert_int_eq(unit_count_fds(), before - 3);
	/* The sender is heard as long as it would have been without it. */
	ck_assert_uint_eq(f.discarded, 0);
	while (!f.done) {
		say(PAGE);
		(void)unit_wait(in[1], POLLIN, UNIT_MS);
		ck_assert_int_eq(step(), FLOW_OK);
		ck_assert_uint_eq(f.piped, 0);
	}
	ck_assert_uint_gt(f.discarded, FLOW_DISCARD_MAX);
}
END_TEST

START_TEST(a_receiver_that_broke_off_beside_a_full_pipe_is_told)
{
	fill_pipe();
	unit_reset(out[1]);
	(void)unit_wait(out[0], POLLIN, UNIT_MS);
	ck_assert_int_eq(flow_step(&f, false, true), FLOW_OK);
	ck_assert(f.broken);
	ck_assert(f.reset);
	ck_assert_ptr_null(f.pipe);
}
END_TEST

START_TEST(without_a_pipe_to_be_had_all_is_copied)
{
	struct pipe	*p[PIPES];

	for (int i = 0; i < PIPES; i++)
		p[i] = pipes_take(pipes);
	for (int i = 0; i < 10; i++) {
		say(8 * PAGE);
		run_while_ready();
		hear_all();
	}
	/* As soon as there is one it is taken. */
	pipes_drop(pipes, p[0]);
	begin_bulk();
	say(8 * PAGE);
	run_while_ready();
	hear_all();
	ck_assert_uint_ge(f.full, 4);
	pipes_give(pipes, p[1]);
}
END_TEST

/* Nothing is for splice(2) that is written to at its end. */
START_TEST(a_receiver_that_cannot_have_it_by_splice_is_copied_to)
{
	ck_assert_int_eq(fcntl(out[0], F_SETFL, O_NONBLOCK | O_APPEND), 0);
	begin_bulk();
	ck_assert_ptr_null(f.pipes);
	ck_assert_ptr_null(f.pipe);
	for (int i = 0; i < 10; i++) {
		say(8 * PAGE);
		run_while_ready();
		hear_all();
	}
	ck_assert_uint_eq(atomic_load(&bytes), sent);
}
END_TEST

static const int	 no_splice[] = { ENOSYS, EINVAL, EPERM };

START_TEST(a_system_without_splice_copies)
{
	struct sock_filter	 code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0),	/* the number */
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_splice, 0, 1),
		BPF_STMT(BPF_RET | BPF_K,
		    SECCOMP_RET_ERRNO | (unsigned int)no_splice[_i]),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog	 filter = { nitems(code), code };

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == -1 ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) == -1)
		return;
	begin_bulk();
	ck_assert_ptr_null(f.pipes);
	say(8 * PAGE);
	run_while_ready();
	hear_all();
}
END_TEST

/* splice(2) stops before it, and says that there is nothing. */
START_TEST(urgent_data_in_a_bulk_does_not_make_it_spin)
{
	for (int i = 0; i < 3; i++) {
		begin_bulk();
		say(3 * PAGE);
		ck_assert_int_eq(send(in[0], "!", 1, MSG_OOB), 1);
		(void)unit_wait(in[1], POLLPRI, UNIT_MS);
		say(5 * PAGE);
		run_while_ready();
		hear_all();
	}
	shutdown(in[0], SHUT_WR);
	run_while_ready();
	ck_assert(f.done);
	unit_expect_end(out[1]);
}
END_TEST

/*
 * Senders and receivers of all paces, with
 * full pipes, empty sockets, and bulks that begin and end.
 */
START_TEST(no_pace_loses_a_byte_or_makes_it_spin)
{
	const size_t		 most = unit_under_valgrind() ? 500000 :
	    100000000;
	size_t			 all = unit_under_valgrind() ? 500000 : 3000000;
	enum flow_result	 result;
	size_t			 stop = 0;
	int			 tiny = 4096;
	bool			 bulk = false;

	srand48(_i);
	if (_i % 2 == 1)
		(void)setsockopt(out[0], SOL_SOCKET, SO_SNDBUF, &tiny,
		    sizeof(tiny));
	while (got < all || got < sent) {
		/* Now and then only messages, one after the other. */
		if (got >= stop)
			stop = got + (size_t)(lrand48() % 1000000);
		if (sent < all && (got % 3 != 0 || got == sent))
			say(stop % 2 == 0 ? 1 + (size_t)(lrand48() % 2000) :
			    1 + (size_t)(lrand48() % 300000));
		for (long i = lrand48() % 4; i > 0; i--)
			(void)step_when_ready(0, &result);
		bulk |= f.full > 4;
		(void)hear(1 + (size_t)(lrand48() % 200000));
		/* When the system brings it is the system's affair. */
		if (!bulk && got >= all && all < most)
			all += 1000000;
	}
	ck_assert_uint_eq(atomic_load(&bytes), sent);
	ck_assert(bulk || unit_under_valgrind());
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

static void
add_bulk(Suite *s, const char *name, void (*open)(void), bool tcp)
{
	TCase	*tc = tcase_create(name);

	suite_add_tcase(s, tc);
	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, open, close_pipes);
	tcase_add_test(tc,
	    many_full_buffers_are_followed_by_more_than_a_buffer_at_once);
	tcase_add_test(tc, little_at_a_time_takes_no_pipe);
	tcase_add_test(tc, little_at_once_ends_a_bulk);
	tcase_add_test(tc, who_is_silent_has_no_pipe);
	tcase_add_test(tc,
	    a_pipe_of_a_slow_receiver_waits_and_nothing_more_is_read);
	tcase_add_test(tc,
	    the_end_is_passed_on_after_the_last_byte_of_a_pipe);
	tcase_add_test(tc, a_bulk_that_just_ends_is_an_end);
	tcase_add_test(tc, a_bulk_that_is_cut_off_is_no_end);
	tcase_add_test(tc, without_a_pipe_to_be_had_all_is_copied);
	tcase_add_test(tc,
	    a_receiver_that_cannot_have_it_by_splice_is_copied_to);
	tcase_add_loop_test(tc, a_system_without_splice_copies, 0,
	    (int)nitems(no_splice));
	tcase_add_loop_test(tc, no_pace_loses_a_byte_or_makes_it_spin, 0, 8);
	if (tcp) {
		tcase_add_test(tc, a_sender_that_breaks_off_in_a_bulk_is_told);
		tcase_add_test(tc,
		    a_sender_that_breaks_off_beside_a_full_pipe_is_told_after_it
		    );
		tcase_add_test(tc,
		    a_receiver_that_broke_off_beside_a_full_pipe_is_told);
		tcase_add_test(tc,
		    urgent_data_in_a_bulk_does_not_make_it_spin);
	} else
		tcase_add_test(tc, a_full_pipe_for_nobody_is_thrown_away);
}

/* A stream that does what a test sets. */
static struct {
	struct stream	 s;
	int		 error;		/* of a read, after which it is an end */
	bool		 pending;
	bool		 full;		/* takes no end yet */
	int		 shuts;
} fake;

static ssize_t
fake_read(struct stream *s, void *p, size_t size)
{
	(void)s;
	(void)p;
	(void)size;
	errno = fake.error;
	return fake.error != 0 ? -1 : 0;
}

static bool
fake_pending(const struct stream *s)
{
	(void)s;
	return fake.pending;
}

static int
fake_shut(struct stream *s)
{
	s->write_wants = POLLIN;
	fake.shuts++;
	errno = EAGAIN;
	return fake.full ? -1 : 0;
}

static const struct stream_ops	 fake_ops = {
	.read = fake_read, .pending = fake_pending, .shut = fake_shut,
};

static struct stream *
fake_stream(void)
{
	memset(&fake, 0, sizeof(fake));
	fake.s = (struct stream){
		.ops = &fake_ops, .fd = -1,
		.read_wants = POLLIN, .write_wants = POLLOUT,
	};
	return &fake.s;
}

START_TEST(an_end_that_is_not_taken_yet_is_passed_on_later)
{
	f.out = fake_stream();
	fake.full = true;
	shutdown(in[0], SHUT_WR);
	ck_assert_int_eq(step(), FLOW_OK);
	ck_assert(!f.done);
	ck_assert(flow_can_drain(&f));
	ck_assert_int_eq(flow_drain_events(&f), POLLIN);
	ck_assert_int_eq(flow_step(&f, true, false), FLOW_OK);
	ck_assert_int_eq(fake.shuts, 1);
	fake.full = false;
	ck_assert_int_eq(step(), FLOW_OK);
	ck_assert_int_eq(fake.shuts, 2);
	ck_assert(f.done);
}
END_TEST

START_TEST(a_stream_says_what_it_waits_for)
{
	f.in = fake_stream();
	fake.s.read_wants = POLLOUT;
	ck_assert_int_eq(flow_fill_events(&f), POLLOUT);
	ck_assert(!flow_is_pending(&f));
	fake.pending = true;
	ck_assert(flow_is_pending(&f));
	f.len = SIZE;
	ck_assert(!flow_is_pending(&f));
}
END_TEST

/* A peer that has closed can answer the end that TLS says with nothing else. */
START_TEST(a_reset_after_our_own_end_is_an_end)
{
	f.in = fake_stream();
	fake.error = ECONNRESET;
	f.last = _i == 1;
	ck_assert_int_eq(step(), f.last ? FLOW_OK : FLOW_FROM_RESET);
	ck_assert(f.done == f.last);
}
END_TEST

static void
add_streams(Suite *s)
{
	TCase	*tc = tcase_create("streams");

	suite_add_tcase(s, tc);
	tcase_add_checked_fixture(tc, open_pairs, NULL);
	tcase_add_test(tc, an_end_that_is_not_taken_yet_is_passed_on_later);
	tcase_add_test(tc, a_stream_says_what_it_waits_for);
	tcase_add_loop_test(tc, a_reset_after_our_own_end_is_an_end, 0, 2);
}

int
main(void)
{
	Suite	*s = suite_create("flow");

	add_both(s, "local", open_pairs, false);
	add_both(s, "tcp", open_tcp_pairs, true);
	add_bulk(s, "local bulk", open_pairs_and_pipes, false);
	add_bulk(s, "tcp bulk", open_tcp_pairs_and_pipes, true);
	add_streams(s);
	return unit_run(s);
}
