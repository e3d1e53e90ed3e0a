/*
 * The test is the worker; a carrier is a child, or the test itself where
 * nobody need wait for the other.
 */
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "base/fdpass.h"
#include "base/io.h"
#include "process/channel.h"
#include "process/handover.h"
#include "process/held.h"
#include "unit.h"

static int			 meet[2];	/* carriers', workers' */
static int			 front[2], back[2];	/* the peer's, ours */
static struct handover		 h;
static struct sb_worker		*board;
static struct handover_record	 record;
static pid_t			 carrier;

static void
open_all(void)
{
	ck_assert_int_eq(channel_pair(meet), 0);
	unit_tcp_pair(front);
	unit_tcp_pair(back);
	board = mmap(NULL, sizeof(*board), PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ck_assert(board != MAP_FAILED);
	atomic_store(&board->state, SB_BUSY);
	record = (struct handover_record){
		.up = 11, .down = 22, .buffer = 4096, .idle_ms = 1000,
		.half_closed_ms = 500, .end_by = 77,
	};
	record.session.id = 0xabcdef;
	handover_init(&h, meet[1], board);
	carrier = -1;
}

static void
close_all(void)
{
	handover_end(&h);
	if (carrier != -1) {
		(void)kill(carrier, SIGKILL);
		(void)waitpid(carrier, NULL, 0);
	}
	for (int i = 0; i < 2; i++) {
		close(meet[i]);
		close(front[i]);
		close(back[i]);
	}
	munmap(board, sizeof(*board));
}

/* What a carrier does with what it hears. */
enum act {
	TAKE,
	LEAVE,
	DROP,			/* no answer at all */
	TAKE_SILENTLY,
	TAKE_AND_DIE,
};

static enum act		 act;
static int		 taken;

static int
on_carry(void *ctx, struct rd *r, int *fds)
{
	struct handover_record	 got;
	const uint8_t		*p = rd_take(r, sizeof(got));
	int			 mine[MSG_FDS_MAX];

	(void)ctx;
	ck_assert_ptr_nonnull(p);
	memcpy(&got, p, sizeof(got));
	ck_assert_uint_eq(got.session.id, 0xabcdef);
	ck_assert_uint_eq(got.up, 11);
	ck_assert_uint_eq(got.down, 22);
	switch (act) {
	case DROP:
		return 0;
	case LEAVE:
		handover_leave(fds[0]);
		return 0;
	case TAKE:
	case TAKE_SILENTLY:
	case TAKE_AND_DIE:
		break;
	}
	if (!handover_take(fds[0], mine))
		return 0;
	taken++;
	if (act == TAKE_AND_DIE)
		_exit(0);
	if (act == TAKE)
		handover_took(fds[0]);
	/* They are the connections that were meant. */
	unit_write(mine[0], "front", 5);
	unit_write(mine[1], "back", 4);
	fdpass_close(mine);
	return 0;
}

static const struct channel_rule offers[] = {
	{ MSG_CARRY,	ROLE_WORKER,	1,	on_carry },
};

/* Hear one offer, which is there. */
static int
hear_one(void)
{
	(void)unit_wait(meet[0], POLLIN, UNIT_MS);
	return channel_dispatch(meet[0], ROLE_WORKER, offers, 1, NULL);
}

static void
start_carrier(enum act what, int offers_heard)
{
	act = what;
	carrier = check_fork();
	if (carrier != 0)
		return;
	close(meet[1]);
	handover_end(&h);
	while (offers_heard-- > 0)
		if (hear_one() != 1)
			_exit(1);
	_exit(0);
}

static void
end_carrier(void)
{
	int	 status;

	ck_assert_int_eq(waitpid(carrier, &status, 0), carrier);
	carrier = -1;
	ck_assert_int_eq(status, 0);
}

static bool
offer(void)
{
	return handover_offer(&h, &record, front[1], back[1], -1);
}

static void
expect_state(enum sb_state state)
{
	ck_assert_int_eq((int)atomic_load(&board->state), (int)state);
}

START_TEST(a_carrier_takes_it_with_both_connections)
{
	int64_t	 begun = io_now_ms();

	start_carrier(TAKE, 1);
	ck_assert(offer());
	if (!unit_under_valgrind())
		ck_assert_int_lt(io_now_ms() - begun, 1000);
	/* Its own line is to come: the worker says when it has left it. */
	expect_state(SB_OFFERED);
	unit_expect(front[0], "front", 5);
	unit_expect(back[0], "back", 4);
	end_carrier();
}
END_TEST

START_TEST(the_pair_serves_for_the_next_one)
{
	int	 before;

	start_carrier(TAKE, 20);
	ck_assert(offer());
	before = unit_count_fds();
	for (int i = 1; i < 20; i++) {
		atomic_store(&board->state, SB_BUSY);
		ck_assert_msg(offer(), "not the %dth", i);
	}
	ck_assert_int_eq(unit_count_fds(), before);
	end_carrier();
}
END_TEST

START_TEST(the_line_to_the_keeper_goes_along_where_there_is_one)
{
	int	 line[2], mine[MSG_FDS_MAX], fds[MSG_FDS_MAX];
	char	 buf[MSG_HEADER + MSG_PAYLOAD_MAX];

	ck_assert_int_eq(channel_pair(line), 0);
	/* Nobody answers: it is withdrawn, so look before. */
	carrier = check_fork();
	if (carrier == 0) {
		(void)unit_wait(meet[0], POLLIN, UNIT_MS);
		if (fdpass_recv(meet[0], buf, sizeof(buf), fds) <= 0 ||
		    fds[0] == -1 || fds[1] != -1 ||
		    !handover_take(fds[0], mine) || mine[2] == -1)
			_exit(1);
		_exit(send(mine[2], "hello", 5, 0) == 5 ? 0 : 2);
	}
	ck_assert(handover_offer(&h, &record, front[1], back[1], line[0]));
	end_carrier();
	unit_expect(line[1], "hello", 5);
	close(line[0]);
	close(line[1]);
}
END_TEST

START_TEST(nobody_there_leaves_it_where_it_is)
{
	int64_t	 begun = io_now_ms();
	int	 before = unit_count_fds();

	ck_assert(!offer());
	ck_assert_int_ge(io_now_ms() - begun, 19);
	ck_assert_int_lt(io_now_ms() - begun, 1000);
	expect_state(SB_BUSY);
	ck_assert_int_eq(unit_count_fds(), before);
	/* For a while nobody is asked again, and nothing is waited for. */
	begun = io_now_ms();
	for (int i = 0; i < 100; i++)
		ck_assert(!offer());
	ck_assert_int_lt(io_now_ms() - begun, 15);
	expect_state(SB_BUSY);
}
END_TEST

START_TEST(without_a_rendezvous_nothing_is_offered)
{
	h.rendezvous = -1;
	ck_assert(!offer());
	expect_state(SB_BUSY);
}
END_TEST

START_TEST(a_late_carrier_finds_the_token_gone)
{
	int	 before = unit_count_fds();

	ck_assert(!offer());
	act = TAKE;
	ck_assert_int_eq(hear_one(), 1);
	ck_assert_int_eq(taken, 0);
	ck_assert_int_eq(unit_wait(front[0], POLLIN, 0), 0);
	ck_assert_int_eq(unit_count_fds(), before);
}
END_TEST

/* An offer that lies about must not keep a connection from ending. */
START_TEST(an_offer_that_nobody_took_holds_no_connection)
{
	ck_assert(!offer());
	close(front[1]);
	front[1] = -1;
	unit_expect_end(front[0]);
	unit_reset(back[1]);
	back[1] = -1;
	unit_expect_reset(back[0]);
}
END_TEST

START_TEST(a_stopped_carrier_that_goes_on_later_has_not_got_it)
{
	start_carrier(TAKE, 2);
	ck_assert_int_eq(kill(carrier, SIGSTOP), 0);
	ck_assert_int_eq(waitpid(carrier, NULL, WUNTRACED), carrier);
	ck_assert(!offer());
	expect_state(SB_BUSY);
	ck_assert_int_eq(kill(carrier, SIGCONT), 0);
	h.not_before = 0;
	for (int i = 0; i < 50 && !offer(); i++)
		h.not_before = 0;
	expect_state(SB_OFFERED);
	/* Once, that is. */
	unit_expect(front[0], "front", 5);
	ck_assert_int_eq(unit_wait(front[0], POLLIN, 50), 0);
}
END_TEST

START_TEST(one_that_is_full_says_so_at_once)
{
	int64_t	 begun = io_now_ms();

	start_carrier(LEAVE, 1);
	ck_assert(!offer());
	expect_state(SB_BUSY);
	end_carrier();
	ck_assert_int_ge(h.not_before, begun + 900);
	ck_assert_int_eq(h.pause_ms, 1000);
	ck_assert_int_eq(h.ends[0], -1);
}
END_TEST

START_TEST(one_that_does_not_answer_has_not_got_it)
{
	start_carrier(DROP, 1);
	ck_assert(!offer());
	expect_state(SB_BUSY);
	end_carrier();
}
END_TEST

/* Whoever has the token has the session, if he says so or not. */
START_TEST(one_that_took_it_and_does_not_say_so_has_it)
{
	start_carrier(_i == 0 ? TAKE_SILENTLY : TAKE_AND_DIE, 1);
	ck_assert(offer());
	expect_state(SB_OFFERED);
	end_carrier();
	/* Not the same pair again. */
	ck_assert_int_eq(h.ends[0], -1);
}
END_TEST

START_TEST(pauses_grow_while_nobody_answers)
{
	int64_t	 begun;

	for (int i = 0, want = 1000; i < 8; i++) {
		h.not_before = 0;
		begun = io_now_ms();
		ck_assert(!offer());
		ck_assert_int_ge(h.not_before, begun + want);
		want = want < 60000 ? want * 2 : want;
	}
	ck_assert_int_lt(h.not_before, io_now_ms() + 70000);
	/* Eight offers lie there, and whoever comes takes the ninth. */
	start_carrier(TAKE, 9);
	for (int i = 0; i < 50 && atomic_load(&board->state) == SB_BUSY;
	    i++) {
		h.not_before = 0;
		if (offer())
			break;
	}
	expect_state(SB_OFFERED);
	ck_assert_int_eq(h.pause_ms, 1000);
}
END_TEST

START_TEST(a_rendezvous_that_is_full_is_not_waited_for)
{
	int64_t	 begun;
	int	 n = 0, before = unit_count_fds();

	while (n < 10000 && channel_send(meet[1], MSG_CARRY, &record,
	    sizeof(record), &back[1], 1) == 0)
		n++;
	begun = io_now_ms();
	ck_assert(!offer());
	ck_assert_int_lt(io_now_ms() - begun, 15);
	expect_state(SB_BUSY);
	ck_assert_int_eq(unit_count_fds(), before);
}
END_TEST

START_TEST(a_rendezvous_that_is_closed_takes_nothing)
{
	int	 before;

	close(meet[0]);
	meet[0] = -1;
	before = unit_count_fds();
	ck_assert(!offer());
	expect_state(SB_BUSY);
	ck_assert_int_eq(unit_count_fds(), before);
}
END_TEST

START_TEST(two_carriers_never_both_have_it)
{
	pid_t	 other;

	start_carrier(TAKE, 20);
	other = carrier;
	start_carrier(TAKE, 20);
	for (int i = 0; i < 40; i++) {
		int	 n = 0;
		char	 buf[64];

		h.not_before = 0;
		atomic_store(&board->state, SB_BUSY);
		if (!offer())
			continue;
		/* One word each, not two. */
		unit_expect(front[0], "front", 5);
		unit_expect(back[0], "back", 4);
		n = (int)recv(front[0], buf, sizeof(buf), MSG_DONTWAIT);
		ck_assert_int_eq(n, -1);
	}
	ck_assert_int_eq(kill(other, SIGKILL), 0);
	ck_assert_int_eq(waitpid(other, NULL, 0), other);
}
END_TEST

/* The worker is killed between its offer and the answer. */
START_TEST(the_offer_of_a_worker_that_died_is_a_session_still)
{
	int	 status;
	pid_t	 worker = check_fork();

	if (worker == 0) {
		(void)offer();
		_exit(0);
	}
	ck_assert_int_ne(unit_wait(meet[0], POLLIN, UNIT_MS), 0);
	ck_assert_int_eq(kill(worker, SIGKILL), 0);
	ck_assert_int_eq(waitpid(worker, &status, 0), worker);
	if (!WIFSIGNALED(status) || atomic_load(&board->state) == SB_BUSY)
		return;		/* it was quicker than we */
	act = TAKE;
	ck_assert_int_eq(hear_one(), 1);
	ck_assert_int_eq(taken, 1);
	unit_expect(front[0], "front", 5);
	unit_expect(back[0], "back", 4);
}
END_TEST

/* What a broken worker may send in place of a token. */
START_TEST(garbage_is_no_token_or_one_without_connections)
{
	int	 fds[2], mine[MSG_FDS_MAX], before = unit_count_fds();

	switch (_i) {
	case 0:
		ck_assert_int_eq(pipe2(fds, O_CLOEXEC), 0);
		ck_assert(!handover_take(fds[0], mine));
		break;
	case 1:			/* it would block, if we let it */
		ck_assert_int_eq(channel_pair(fds), 0);
		ck_assert(!handover_take(fds[0], mine));
		break;
	case 2:			/* long, and with nothing */
		ck_assert_int_eq(channel_pair(fds), 0);
		unit_write(fds[1], "tttt", 4);
		ck_assert(handover_take(fds[0], mine));
		break;
	case 3:
		ck_assert_int_eq(channel_pair(fds), 0);
		unit_write(fds[1], "t", 1);
		ck_assert(handover_take(fds[0], mine));
		break;
	default:		/* its other end is gone */
		ck_assert_int_eq(channel_pair(fds), 0);
		close(fds[1]);
		fds[1] = dup(fds[0]);
		ck_assert(!handover_take(fds[0], mine));
	}
	for (int i = 0; i < MSG_FDS_MAX; i++)
		ck_assert_int_eq(mine[i], -1);
	handover_took(fds[0]);
	handover_leave(fds[0]);
	close(fds[0]);
	close(fds[1]);
	ck_assert_int_eq(unit_count_fds(), before);
}
END_TEST

static struct conf *
parse(const char *text)
{
	struct conf_report	 report = { .errors = NULL };
	struct conf		*conf = conf_new();

	conf_read_text(conf, "f", text, strlen(text), &report);
	ck_assert_int_eq(conf_finish(conf, &report), 0);
	conf_report_free(&report);
	return conf;
}

#define BACKENDS(servers)						\
	"backends = ( { name = \"b\"; servers = ( " servers " ); } );\n"
#define LISTENERS(names)	"listeners = ( " names " );\n"
#define L(name)		"{ name = \"" name "\"; listen = \"127.0.0.1:1" \
	name "\"; pool = \"p\"; forward = \"backend:b\"; }"

START_TEST(what_is_held_has_other_numbers_in_another_generation)
{
	struct conf	*from = parse(BACKENDS("\"127.0.0.1:5\", "
			    "\"127.0.0.1:6\"") LISTENERS(L("1") ", "
			    L("2")));
	struct conf	*to = parse(BACKENDS("\"127.0.0.1:6\", "
			    "\"127.0.0.1:7\"") LISTENERS(L("2")));
	struct ask_held	 held = { 3, 1, 1, { { 0 } } };

	held_renumber(&held, from, to, 4);
	ck_assert_uint_eq(held.generation, 4);
	ck_assert_uint_eq(held.listener, 0);
	ck_assert_uint_eq(held.server, 0);
	/* And what is gone has none. */
	held = (struct ask_held){ 3, 0, 0, { { 0 } } };
	held_renumber(&held, from, to, 4);
	ck_assert_uint_eq(held.listener, ASK_NOTHING);
	ck_assert_uint_eq(held.server, ASK_NOTHING);
	/* Nor has what never was. */
	held = (struct ask_held){ 3, 7, 9, { { 0 } } };
	held_renumber(&held, from, to, 4);
	ck_assert_uint_eq(held.listener, ASK_NOTHING);
	ck_assert_uint_eq(held.server, ASK_NOTHING);
	conf_free(&from);
	conf_free(&to);
}
END_TEST

int
main(void)
{
	Suite	*s = suite_create("handover");
	TCase	*tc = tcase_create("handover");

	suite_add_tcase(s, tc);
	tcase_set_timeout(tc, 30);
	tcase_add_checked_fixture(tc, open_all, close_all);
	tcase_add_test(tc, a_carrier_takes_it_with_both_connections);
	tcase_add_test(tc, the_pair_serves_for_the_next_one);
	tcase_add_test(tc,
	    the_line_to_the_keeper_goes_along_where_there_is_one);
	tcase_add_test(tc, nobody_there_leaves_it_where_it_is);
	tcase_add_test(tc, without_a_rendezvous_nothing_is_offered);
	tcase_add_test(tc, a_late_carrier_finds_the_token_gone);
	tcase_add_test(tc, an_offer_that_nobody_took_holds_no_connection);
	tcase_add_test(tc,
	    a_stopped_carrier_that_goes_on_later_has_not_got_it);
	tcase_add_test(tc, one_that_is_full_says_so_at_once);
	tcase_add_test(tc, one_that_does_not_answer_has_not_got_it);
	tcase_add_loop_test(tc,
	    one_that_took_it_and_does_not_say_so_has_it, 0, 2);
	tcase_add_test(tc, pauses_grow_while_nobody_answers);
	tcase_add_test(tc, a_rendezvous_that_is_full_is_not_waited_for);
	tcase_add_test(tc, a_rendezvous_that_is_closed_takes_nothing);
	tcase_add_test(tc, two_carriers_never_both_have_it);
	tcase_add_test(tc,
	    the_offer_of_a_worker_that_died_is_a_session_still);
	tcase_add_loop_test(tc,
	    garbage_is_no_token_or_one_without_connections, 0, 5);
	tcase_add_test(tc,
	    what_is_held_has_other_numbers_in_another_generation);
	return unit_run(s);
}
