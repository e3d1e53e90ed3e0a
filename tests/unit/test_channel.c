#include <sys/socket.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "base/fdpass.h"
#include "base/io.h"
#include "process/channel.h"
#include "unit.h"

#define ASK	4
#define ASK_FD	6

static int	 pair[2];
static int	 ran, kept;

static int
on_ask(void *ctx, struct rd *r, int *fds)
{
	(void)fds;
	ck_assert_ptr_eq(ctx, &ran);
	ran++;
	return rd_u16(r) == 0xbad ? -1 : 0;
}

static int
on_ask_fd(void *ctx, struct rd *r, int *fds)
{
	(void)ctx;
	ran++;
	kept = fds[0];
	fds[0] = -1;
	(void)rd_u16(r);
	return 0;
}

static const struct channel_rule	 rules[] = {
	{ ASK,		ROLE_SPAWNER | ROLE_KEEPER,	0,	on_ask },
	{ ASK_FD,	ROLE_SPAWNER,			1,	on_ask_fd },
};

static void
open_pair(void)
{
	ck_assert_int_eq(channel_pair(pair), 0);
	ran = 0;
	kept = -1;
}

static void
close_pair(void)
{
	close(pair[0]);
	close(pair[1]);
}

static int
dispatch(unsigned int from)
{
	return channel_dispatch(pair[1], from, rules, 2, &ran);
}

START_TEST(a_request_that_is_listed_runs)
{
	ck_assert_int_eq(channel_send(pair[0], ASK, "\0\1", 2, NULL, 0), 0);
	ck_assert_int_eq(dispatch(ROLE_SPAWNER), 1);
	ck_assert_int_eq(ran, 1);
	ck_assert_int_eq(channel_send(pair[0], ASK, "\0\1", 2, NULL, 0), 0);
	ck_assert_int_eq(dispatch(ROLE_KEEPER), 1);
	ck_assert_int_eq(ran, 2);
}
END_TEST

START_TEST(a_handler_keeps_a_descriptor_and_the_rest_is_closed)
{
	int	 before = unit_count_fds(), null = 0;

	ck_assert_int_eq(channel_send(pair[0], ASK_FD, "\0\1", 2, &null, 1),
	    0);
	ck_assert_int_eq(dispatch(ROLE_SPAWNER), 1);
	ck_assert_int_ne(kept, -1);
	ck_assert_int_eq(unit_count_fds(), before + 1);
	close(kept);
}
END_TEST

static const struct {
	uint16_t	 type;
	const char	*payload;
	size_t		 len;
	size_t		 nfds;
	unsigned int	 from;
	int		 ran;
} bad[] = {
	{ 8,		"\0\1",		2, 0, ROLE_SPAWNER,	0 },
	{ ASK,		"\0\1",		2, 0, ROLE_LOGGER,	0 },
	{ ASK,		"\0\1",		2, 1, ROLE_SPAWNER,	0 },
	{ ASK,		"\0\1",		2, 2, ROLE_SPAWNER,	0 },
	{ ASK_FD,	"\0\1",		2, 0, ROLE_SPAWNER,	0 },
	{ ASK_FD,	"\0\1",		2, 2, ROLE_SPAWNER,	0 },
	{ ASK,		"\0",		1, 0, ROLE_SPAWNER,	1 },
	{ ASK,		"\0\1\2",	3, 0, ROLE_SPAWNER,	1 },
	{ ASK,		"\x0b\xad",	2, 0, ROLE_SPAWNER,	1 },
};

START_TEST(what_is_not_listed_or_malformed_is_refused)
{
	const int	 fds[2] = { 0, 0 };
	int		 before = unit_count_fds();

	ck_assert_int_eq(channel_send(pair[0], bad[_i].type, bad[_i].payload,
	    bad[_i].len, fds, bad[_i].nfds), 0);
	ck_assert_int_eq(dispatch(bad[_i].from), -1);
	ck_assert_int_eq(ran, bad[_i].ran);
	ck_assert_int_eq(unit_count_fds(), before);
}
END_TEST

START_TEST(bytes_that_are_no_message_are_refused)
{
	const int	 fds[2] = { 0, 0 };
	int		 before = unit_count_fds();

	ck_assert_int_eq(fdpass_send(pair[0], "\0\4\0", 3, fds, 2), 0);
	ck_assert_int_eq(dispatch(ROLE_SPAWNER), -1);
	ck_assert_int_eq(unit_count_fds(), before);
}
END_TEST

START_TEST(an_empty_datagram_with_descriptors_leaves_none_behind)
{
	const int	 fds[2] = { 0, 0 };
	int		 before = unit_count_fds();

	ck_assert_int_eq(fdpass_send(pair[0], "", 0, fds, 2), 0);
	ck_assert_int_ne(dispatch(ROLE_SPAWNER), 1);
	ck_assert_int_eq(unit_count_fds(), before);
}
END_TEST

START_TEST(a_peer_that_is_gone_is_told_from_one_that_errs)
{
	close(pair[0]);
	ck_assert_int_eq(dispatch(ROLE_SPAWNER), 0);
	ck_assert_int_eq(ran, 0);
}
END_TEST

START_TEST(nothing_to_read_is_no_fault)
{
	ck_assert_int_ne(fcntl(pair[1], F_SETFL, O_NONBLOCK), -1);
	ck_assert_int_eq(dispatch(ROLE_SPAWNER), 1);
	ck_assert_int_eq(ran, 0);
}
END_TEST

START_TEST(the_longest_payload_passes_and_one_byte_more_does_not)
{
	static const char	 zeros[MSG_PAYLOAD_MAX + 1];
	uint8_t			 buf[MSG_HEADER + MSG_PAYLOAD_MAX];
	int			 fds[MSG_FDS_MAX];

	ck_assert_int_eq(channel_send(pair[0], ASK, zeros, MSG_PAYLOAD_MAX,
	    NULL, 0), 0);
	ck_assert_int_eq(fdpass_recv(pair[1], buf, sizeof(buf), fds),
	    (ssize_t)sizeof(buf));
	errno = 0;
	ck_assert_int_eq(channel_send(pair[0], ASK, zeros,
	    MSG_PAYLOAD_MAX + 1, NULL, 0), -1);
	ck_assert_int_eq(errno, EMSGSIZE);
}
END_TEST

START_TEST(waiting_for_room_ends_at_the_deadline)
{
	static const char	 zeros[MSG_PAYLOAD_MAX];
	int64_t			 start;

	while (channel_send(pair[0], ASK, zeros, sizeof(zeros), NULL, 0) == 0)
		continue;
	ck_assert_int_eq(errno, EAGAIN);
	start = io_now_ms();
	errno = 0;
	ck_assert_int_eq(channel_send_by(pair[0], ASK, zeros, sizeof(zeros),
	    NULL, 0, start + 50), -1);
	ck_assert_int_eq(errno, ETIMEDOUT);
	ck_assert_int_ge(io_now_ms() - start, 49);
	ck_assert_int_lt(io_now_ms() - start, UNIT_MS);
}
END_TEST

START_TEST(a_peer_that_is_gone_ends_the_wait_for_room)
{
	int64_t	 start = io_now_ms();

	close(pair[1]);
	errno = 0;
	ck_assert_int_eq(channel_send_by(pair[0], ASK, "\0\1", 2, NULL, 0,
	    start + 2 * UNIT_MS), -1);
	ck_assert_int_eq(errno, EPIPE);
	ck_assert_int_lt(io_now_ms() - start, UNIT_MS);
}
END_TEST

START_TEST(both_ends_are_close_on_exec)
{
	ck_assert_int_eq(fcntl(pair[0], F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
	ck_assert_int_eq(fcntl(pair[1], F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
}
END_TEST

int
main(void)
{
	Suite	*s = suite_create("channel");
	TCase	*tc = tcase_create("channel");

	suite_add_tcase(s, tc);
	tcase_add_checked_fixture(tc, open_pair, close_pair);
	tcase_add_test(tc, a_request_that_is_listed_runs);
	tcase_add_test(tc,
	    a_handler_keeps_a_descriptor_and_the_rest_is_closed);
	tcase_add_loop_test(tc, what_is_not_listed_or_malformed_is_refused, 0,
	    (int)(sizeof(bad) / sizeof(bad[0])));
	tcase_add_test(tc, bytes_that_are_no_message_are_refused);
	tcase_add_test(tc,
	    an_empty_datagram_with_descriptors_leaves_none_behind);
	tcase_add_test(tc, a_peer_that_is_gone_is_told_from_one_that_errs);
	tcase_add_test(tc, nothing_to_read_is_no_fault);
	tcase_add_test(tc,
	    the_longest_payload_passes_and_one_byte_more_does_not);
	tcase_add_test(tc, waiting_for_room_ends_at_the_deadline);
	tcase_add_test(tc, a_peer_that_is_gone_ends_the_wait_for_room);
	tcase_add_test(tc, both_ends_are_close_on_exec);
	return unit_run(s);
}
