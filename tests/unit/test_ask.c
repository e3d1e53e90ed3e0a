#include <sys/socket.h>
#include <sys/wait.h>

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fdpass.h"
#include "base/io.h"
#include "base/mem.h"
#include "base/sig.h"
#include "process/ask.h"
#include "process/channel.h"
#include "unit.h"

/*
 * The keeper is a child that does what each test scripts; it ends with 0
 * when all came as expected.  ck_assert in there ends it otherwise.
 */
static int			 meet[2];	/* ours, the keeper's */
static int			 front[2];
static struct ask		*a;
static pid_t			 keeper;
static struct access_source	 source = { { 4, 192, 0, 2, 1 } };
static enum ask_verdict		 verdict;
static enum end			 end;
static size_t			 place;

static void
open_all(void)
{
	static const int	 signals[] = {
		SIGTERM, SIGIO, SIG_KILLED, SIGALRM, SIG_ORPHAN, 0,
	};

	sig_init(signals);
	ck_assert_int_eq(channel_pair(meet), 0);
	unit_tcp_pair(front);
	a = ask_new(meet[0], 7);
	keeper = -1;
}

static void
close_all(void)
{
	ask_free(&a);
	ck_assert_ptr_null(a);
	if (keeper != -1) {
		(void)kill(keeper, SIGKILL);
		(void)waitpid(keeper, NULL, 0);
	}
	close(meet[0]);
	close(meet[1]);
	close(front[0]);
	close(front[1]);
}

/* The keeper's part ends well. */
static void
expect_end(void)
{
	int	 status;

	ck_assert_int_eq(waitpid(keeper, &status, 0), keeper);
	ck_assert_int_eq(status, 0);
	keeper = -1;
}

static int64_t
soon(void)
{
	return io_now_ms() + UNIT_MS;
}

static int
hear_hello(void)
{
	uint8_t		 buf[64];
	int		 fds[MSG_FDS_MAX];
	struct msg	 m;
	ssize_t		 n;

	ck_assert_int_ne(unit_wait(meet[1], POLLIN, UNIT_MS), 0);
	n = fdpass_recv(meet[1], buf, sizeof(buf), fds);
	ck_assert_int_gt(n, 0);
	ck_assert_int_eq(msg_decode(buf, (size_t)n, &m), 0);
	ck_assert_int_eq(m.type, MSG_HELLO);
	ck_assert_int_ne(fds[0], -1);
	return fds[0];
}

/* The next message must be of the type and `r' is then its payload. */
static uint32_t
hear(int fd, uint16_t type, struct rd *r)
{
	static uint8_t	 buf[MSG_HEADER + MSG_PAYLOAD_MAX];
	int		 fds[MSG_FDS_MAX];
	struct msg	 m;
	ssize_t		 n;

	ck_assert_int_ne(unit_wait(fd, POLLIN, UNIT_MS), 0);
	n = fdpass_recv(fd, buf, sizeof(buf), fds);
	ck_assert_int_gt(n, 0);
	ck_assert_int_eq(msg_decode(buf, (size_t)n, &m), 0);
	ck_assert_int_eq(m.type, type);
	rd_init(r, m.payload, m.len);
	return m.id;
}

static uint32_t
hear_admit(int fd)
{
	struct rd	 r;
	uint32_t	 id = hear(fd, MSG_ADMIT, &r);

	ck_assert_uint_eq(rd_u32(&r), 7);
	ck_assert_uint_eq(rd_u32(&r), 3);
	ck_assert_mem_eq(rd_take(&r, 9), source.bytes, 9);
	ck_assert(rd_end(&r));
	return id;
}

static void
answer(int fd, uint16_t type, uint32_t id, uint32_t v, uint32_t p,
    uint32_t index)
{
	uint8_t		 buf[12];
	struct wr	 w;

	wr_init(&w, buf, sizeof(buf));
	wr_u32(&w, v);
	if (type == MSG_PLACE + 1) {
		wr_u32(&w, p);
		wr_u32(&w, index);
	}
	ck_assert_int_eq(channel_send_id(fd, type, id, buf, wr_len(&w)), 0);
}

static int
admit(int64_t deadline)
{
	return ask_admit(a, 3, &source, front[0], deadline, &verdict, &end);
}

static int
ask_for_place(int64_t deadline)
{
	return ask_place(a, 5, 42, 1, front[0], deadline, &verdict, &place,
	    &end);
}

START_TEST(each_question_has_its_answer)
{
	struct rd	 r;
	uint32_t	 id;
	int		 fd;

	keeper = check_fork();
	if (keeper == 0) {
		fd = hear_hello();
		id = hear_admit(fd);
		answer(fd, MSG_ADMIT + 1, id, ASK_OK, 0, 0);
		id = hear(fd, MSG_PLACE, &r);
		ck_assert_uint_eq(rd_u32(&r), 7);
		ck_assert_uint_eq(rd_u32(&r), 5);
		ck_assert_uint_eq(rd_u64(&r), 42);
		ck_assert_uint_eq(rd_u64(&r), 1);
		ck_assert(rd_end(&r));
		answer(fd, MSG_PLACE + 1, id, ASK_OK, 2, 17);
		(void)hear(fd, MSG_ESTABLISHED, &r);
		(void)hear(fd, MSG_FAILED, &r);
		ck_assert_uint_eq(rd_u32(&r), 7);
		ck_assert_uint_eq(rd_u32(&r), 16);
		ck_assert(rd_end(&r));
		(void)hear(fd, MSG_RELEASE, &r);
		_exit(0);
	}
	ck_assert_int_eq(admit(soon()), 0);
	ck_assert_int_eq(verdict, ASK_OK);
	ck_assert_int_eq(ask_for_place(soon()), 0);
	ck_assert_int_eq(verdict, ASK_OK);
	ck_assert_uint_eq(place, 2);
	ask_established(a);
	ask_failed(a, 16);
	ask_release(a);
	expect_end();
}
END_TEST

START_TEST(an_answer_that_came_too_late_is_not_another_ones)
{
	struct rd	 r;
	uint32_t	 id, late;
	int		 fd;

	keeper = check_fork();
	if (keeper == 0) {
		fd = hear_hello();
		late = hear_admit(fd);
		(void)hear(fd, MSG_RELEASE, &r);
		id = hear_admit(fd);
		answer(fd, MSG_ADMIT + 1, late, ASK_OK, 0, 0);
		answer(fd, MSG_ADMIT + 1, id, ASK_SESSIONS, 0, 0);
		_exit(0);
	}
	ck_assert_int_eq(admit(io_now_ms() + 50), -1);
	ck_assert_int_eq(end, END_TIMEOUT);
	ask_release(a);
	ck_assert_int_eq(admit(soon()), 0);
	ck_assert_int_eq(verdict, ASK_SESSIONS);
	expect_end();
}
END_TEST

/* Nobody is there yet: what was said waits in the rendezvous. */
START_TEST(a_keeper_that_dies_over_a_question_is_asked_again)
{
	int	 fd;

	keeper = check_fork();
	if (keeper == 0) {
		fd = hear_hello();
		(void)hear_admit(fd);
		close(fd);
		fd = hear_hello();
		answer(fd, MSG_ADMIT + 1, hear_admit(fd), ASK_OK, 0, 0);
		_exit(0);
	}
	ck_assert_int_eq(admit(soon()), 0);
	ck_assert_int_eq(verdict, ASK_OK);
	expect_end();
}
END_TEST

static void
wait_for_sigio(void)
{
	int64_t	 deadline = soon();

	while (!sig_is_set(SIGIO)) {
		ck_assert_int_lt(io_now_ms(), deadline);
		(void)sig_ppoll(NULL, 0, 100);
	}
}

START_TEST(the_next_keeper_is_told_what_is_held)
{
	struct rd	 r;
	int		 fd;

	keeper = check_fork();
	if (keeper == 0) {
		fd = hear_hello();
		answer(fd, MSG_ADMIT + 1, hear_admit(fd), ASK_OK, 0, 0);
		answer(fd, MSG_PLACE + 1, hear(fd, MSG_PLACE, &r), ASK_OK, 0,
		    17);
		(void)hear(fd, MSG_ESTABLISHED, &r);
		close(fd);
		fd = hear_hello();
		(void)hear(fd, MSG_HOLD, &r);
		ck_assert_uint_eq(rd_u32(&r), 7);
		ck_assert_uint_eq(rd_u32(&r), 3);
		ck_assert_mem_eq(rd_take(&r, 9), source.bytes, 9);
		ck_assert_uint_eq(rd_u32(&r), 17);
		ck_assert_uint_eq(rd_u32(&r), 1);
		ck_assert(rd_end(&r));
		_exit(0);
	}
	ck_assert_int_eq(admit(soon()), 0);
	ck_assert_int_eq(ask_for_place(soon()), 0);
	ask_established(a);
	/* As a session does it: hear, whenever there is a signal. */
	for (int64_t until = soon(); waitpid(keeper, NULL, WNOHANG) == 0;) {
		ck_assert_int_lt(io_now_ms(), until);
		(void)sig_ppoll(NULL, 0, 20);
		if (sig_take(SIGIO))
			ck_assert(!ask_hear(a));
	}
	keeper = -1;
}
END_TEST

START_TEST(a_handshake_that_is_to_give_way_is_told_by_a_signal)
{
	struct rd	 r;
	int		 fd;

	keeper = check_fork();
	if (keeper == 0) {
		fd = hear_hello();
		answer(fd, MSG_ADMIT + 1, hear_admit(fd), ASK_OK, 0, 0);
		(void)hear(fd, MSG_FAILED, &r);
		(void)channel_send(fd, MSG_YIELD, NULL, 0, NULL, 0);
		(void)hear(fd, MSG_RELEASE, &r);
		_exit(0);
	}
	ck_assert_int_eq(admit(soon()), 0);
	ask_failed(a, 1);
	wait_for_sigio();
	ck_assert(sig_take(SIGIO));
	ck_assert(ask_hear(a));
	ck_assert(!ask_hear(a));	/* once */
	ask_release(a);
	expect_end();
}
END_TEST

START_TEST(who_waits_for_a_place_is_told_to_give_way_too)
{
	struct rd	 r;
	int		 fd;

	keeper = check_fork();
	if (keeper == 0) {
		fd = hear_hello();
		answer(fd, MSG_ADMIT + 1, hear_admit(fd), ASK_OK, 0, 0);
		(void)hear(fd, MSG_PLACE, &r);
		(void)channel_send(fd, MSG_YIELD, NULL, 0, NULL, 0);
		(void)unit_wait(fd, POLLIN, UNIT_MS);
		_exit(0);
	}
	ck_assert_int_eq(admit(soon()), 0);
	ck_assert_int_eq(ask_for_place(soon()), 0);
	ck_assert_int_eq(verdict, ASK_GIVE_WAY);
	ask_release(a);
	expect_end();
}
END_TEST

static const struct {
	int		 signo;
	enum end	 end;
} signals[] = {
	{ SIGTERM,	END_SHUTDOWN },
	{ SIG_ORPHAN,	END_CRASHED },
	{ SIG_KILLED,	END_KILLED },
	{ SIGALRM,	END_TIMEOUT },
};

START_TEST(signals_end_the_wait_for_an_answer)
{
	pid_t	 me = getpid();

	keeper = check_fork();
	if (keeper == 0) {
		(void)hear_admit(hear_hello());
		(void)kill(me, signals[_i].signo);
		(void)pause();
	}
	ck_assert_int_eq(admit(soon()), -1);
	ck_assert_int_eq(end, signals[_i].end);
}
END_TEST

START_TEST(a_client_that_is_gone_wants_no_answer)
{
	unit_reset(front[1]);
	ck_assert_int_eq(admit(soon()), -1);
	ck_assert_int_eq(end, END_CLIENT_RESET);
	front[1] = -1;
}
END_TEST

START_TEST(what_needs_no_answer_never_waits)
{
	int64_t	 start = io_now_ms();

	/* Nobody reads the rendezvous, nor any line. */
	for (int i = 0; i < 2000; i++) {
		ask_failed(a, 1);
		ask_established(a);
		ask_release(a);
	}
	ck_assert_int_lt(io_now_ms() - start, UNIT_MS);
	(void)ask_hear(a);
}
END_TEST

START_TEST(the_end_of_an_idle_line_costs_nothing)
{
	int	 fd, before;

	ask_failed(a, 1);
	fd = hear_hello();
	before = unit_count_fds();
	close(fd);
	wait_for_sigio();
	ck_assert(!ask_hear(a));
	ck_assert_int_eq(unit_count_fds(), before - 2);
	/* It holds nothing: so it says nothing. */
	ck_assert_int_eq(unit_wait(meet[1], POLLIN, 0), 0);
}
END_TEST

START_TEST(a_full_rendezvous_is_tried_again)
{
	struct rd	 r;
	int		 fd, n = 0;

	keeper = check_fork();
	if (keeper == 0) {
		fd = hear_hello();
		answer(fd, MSG_ADMIT + 1, hear_admit(fd), ASK_OK, 0, 0);
		(void)unit_wait(fd, POLLIN, UNIT_MS);
		_exit(0);
	}
	ck_assert_int_eq(admit(soon()), 0);
	while (channel_send(meet[0], MSG_HELLO, NULL, 0, NULL, 0) == 0)
		n++;
	ck_assert_int_eq(errno, EAGAIN);
	ck_assert_int_eq(kill(keeper, SIGKILL), 0);
	wait_for_sigio();
	ck_assert(sig_take(SIGIO));
	ck_assert(!ask_hear(a));
	while (n-- > 0) {
		uint8_t	 buf[64];
		int	 fds[MSG_FDS_MAX];

		ck_assert_int_gt(fdpass_recv(meet[1], buf, sizeof(buf), fds),
		    0);
	}
	do {
		wait_for_sigio();
		ck_assert(sig_take(SIGIO));
		ck_assert(!ask_hear(a));
	} while (unit_wait(meet[1], POLLIN, 0) == 0);
	fd = hear_hello();
	(void)hear(fd, MSG_HOLD, &r);
	close(fd);
}
END_TEST

START_TEST(every_verdict_has_words)
{
	for (int i = ASK_OK; i <= ASK_GIVE_WAY; i++)
		for (int j = ASK_OK; j < i; j++)
			ck_assert_str_ne(ask_text((enum ask_verdict)i),
			    ask_text((enum ask_verdict)j));
}
END_TEST

int
main(void)
{
	Suite	*s = suite_create("ask");
	TCase	*tc = tcase_create("ask");

	suite_add_tcase(s, tc);
	tcase_set_timeout(tc, 20);
	tcase_add_checked_fixture(tc, open_all, close_all);
	tcase_add_test(tc, each_question_has_its_answer);
	tcase_add_test(tc, an_answer_that_came_too_late_is_not_another_ones);
	tcase_add_test(tc, a_keeper_that_dies_over_a_question_is_asked_again);
	tcase_add_test(tc, the_next_keeper_is_told_what_is_held);
	tcase_add_test(tc,
	    a_handshake_that_is_to_give_way_is_told_by_a_signal);
	tcase_add_test(tc, who_waits_for_a_place_is_told_to_give_way_too);
	tcase_add_loop_test(tc, signals_end_the_wait_for_an_answer, 0,
	    (int)nitems(signals));
	tcase_add_test(tc, a_client_that_is_gone_wants_no_answer);
	tcase_add_test(tc, what_needs_no_answer_never_waits);
	tcase_add_test(tc, the_end_of_an_idle_line_costs_nothing);
	tcase_add_test(tc, a_full_rendezvous_is_tried_again);
	tcase_add_test(tc, every_verdict_has_words);
	return unit_run(s);
}
