#include <sys/resource.h>
#include <sys/socket.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "base/fdpass.h"
#include "unit.h"

static int	 pair[2];

static void
open_pair(void)
{
	ck_assert_int_eq(socketpair(AF_UNIX,
	    SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair), 0);
}

static void
close_pair(void)
{
	close(pair[0]);
	close(pair[1]);
}

/* Send with as many descriptors as a hostile peer likes. */
static void
send_raw(const void *data, size_t len, size_t nfds)
{
	union {
		char		 buf[CMSG_SPACE(16 * sizeof(int))];
		struct cmsghdr	 align;
	}		 ctl = { .buf = { 0 } };
	char		 copy[64];
	struct iovec	 iov = { copy, len };
	struct msghdr	 mh = { .msg_iov = &iov, .msg_iovlen = 1 };
	struct cmsghdr	*c;
	int		 fds[16];

	ck_assert_uint_le(len, sizeof(copy));
	memcpy(copy, data, len);
	for (size_t i = 0; i < nfds; i++)
		fds[i] = STDIN_FILENO;
	mh.msg_control = &ctl;
	mh.msg_controllen = CMSG_SPACE(nfds * sizeof(int));
	c = CMSG_FIRSTHDR(&mh);
	ck_assert_ptr_nonnull(c);
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(nfds * sizeof(int));
	memcpy(CMSG_DATA(c), fds, nfds * sizeof(int));
	ck_assert_int_eq(sendmsg(pair[0], &mh, 0), (ssize_t)len);
}

START_TEST(bytes_come_with_the_descriptors_that_were_sent)
{
	size_t		 nfds = (size_t)_i;
	int		 before, fds[MSG_FDS_MAX], sent[MSG_FDS_MAX];
	char		 buf[16];

	for (size_t i = 0; i < MSG_FDS_MAX; i++)
		sent[i] = open("/dev/null", O_RDONLY | O_CLOEXEC);
	before = unit_count_fds();
	ck_assert_int_eq(fdpass_send(pair[0], "ping", 4, sent, nfds), 0);
	ck_assert_int_eq(fdpass_recv(pair[1], buf, sizeof(buf), fds), 4);
	ck_assert_mem_eq(buf, "ping", 4);
	for (size_t i = 0; i < MSG_FDS_MAX; i++) {
		if (i >= nfds) {
			ck_assert_int_eq(fds[i], -1);
			continue;
		}
		ck_assert_int_ne(fds[i], -1);
		ck_assert_int_ne(fds[i], sent[i]);
		ck_assert_int_eq(fcntl(fds[i], F_GETFD) & FD_CLOEXEC,
		    FD_CLOEXEC);
	}
	ck_assert_int_eq(unit_count_fds(), before + (int)nfds);
	fdpass_close(fds);
	ck_assert_int_eq(unit_count_fds(), before);
	for (size_t i = 0; i < MSG_FDS_MAX; i++)
		ck_assert_int_eq(fds[i], -1);
}
END_TEST

START_TEST(closing_leaves_alone_what_is_not_there)
{
	int	 fds[MSG_FDS_MAX] = { -1, -1, -1 };
	int	 before = unit_count_fds();

	fds[1] = open("/dev/null", O_RDONLY | O_CLOEXEC);
	fdpass_close(fds);
	ck_assert_int_eq(fds[0], -1);
	ck_assert_int_eq(fds[1], -1);
	ck_assert_int_eq(unit_count_fds(), before);
}
END_TEST

START_TEST(more_descriptors_than_a_message_has_are_not_sent)
{
	int	 fds[MSG_FDS_MAX + 1] = { 0, 0, 0 };

	errno = 0;
	ck_assert_int_eq(fdpass_send(pair[0], "x", 1, fds, MSG_FDS_MAX + 1),
	    -1);
	ck_assert_int_eq(errno, EINVAL);
	ck_assert_int_eq(unit_wait(pair[1], POLLIN, 0), 0);
}
END_TEST

START_TEST(more_descriptors_than_a_message_has_are_refused_and_none_stays)
{
	int	 before = unit_count_fds(), fds[MSG_FDS_MAX];
	char	 buf[16];

	send_raw("x", 1, (size_t)_i);
	errno = 0;
	ck_assert_int_eq(fdpass_recv(pair[1], buf, sizeof(buf), fds), -1);
	ck_assert_int_eq(errno, EMSGSIZE);
	ck_assert_int_eq(fds[0], -1);
	ck_assert_int_eq(fds[1], -1);
	ck_assert_int_eq(unit_count_fds(), before);
	/* The next message is read as if nothing had been. */
	ck_assert_int_eq(fdpass_send(pair[0], "ok", 2, NULL, 0), 0);
	ck_assert_int_eq(fdpass_recv(pair[1], buf, sizeof(buf), fds), 2);
}
END_TEST

START_TEST(a_message_that_is_too_long_is_refused_and_its_descriptors_closed)
{
	int	 before = unit_count_fds(), fds[MSG_FDS_MAX];
	char	 buf[4];

	send_raw("12345", 5, 2);
	errno = 0;
	ck_assert_int_eq(fdpass_recv(pair[1], buf, sizeof(buf), fds), -1);
	ck_assert_int_eq(errno, EMSGSIZE);
	ck_assert_int_eq(fds[0], -1);
	ck_assert_int_eq(fds[1], -1);
	ck_assert_int_eq(unit_count_fds(), before);
}
END_TEST

START_TEST(a_message_that_fits_exactly_is_received)
{
	int	 fds[MSG_FDS_MAX];
	char	 buf[5];

	ck_assert_int_eq(fdpass_send(pair[0], "12345", 5, NULL, 0), 0);
	ck_assert_int_eq(fdpass_recv(pair[1], buf, sizeof(buf), fds), 5);
}
END_TEST

/* Nothing else tells it from the end of the stream. */
START_TEST(an_empty_message_leaves_no_descriptor_behind)
{
	int	 before = unit_count_fds(), fds[MSG_FDS_MAX];
	char	 buf[4];

	send_raw("", 0, 2);
	ck_assert_int_le(fdpass_recv(pair[1], buf, sizeof(buf), fds), 0);
	ck_assert_int_eq(fds[0], -1);
	ck_assert_int_eq(fds[1], -1);
	ck_assert_int_eq(unit_count_fds(), before);
}
END_TEST

START_TEST(without_room_for_descriptors_the_message_is_refused)
{
	int		 before, fds[MSG_FDS_MAX];
	struct rlimit	 rl;
	char		 buf[4];

	if (unit_under_valgrind())	/* it keeps limits to itself */
		return;
	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &rl), 0);
	before = unit_count_fds();
	send_raw("x", 1, 2);
	rl.rlim_cur = (rlim_t)pair[0] < (rlim_t)pair[1] ?
	    (rlim_t)pair[1] + 1 : (rlim_t)pair[0] + 1;
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &rl), 0);
	errno = 0;
	ck_assert_int_eq(fdpass_recv(pair[1], buf, sizeof(buf), fds), -1);
	ck_assert_int_eq(errno, EMSGSIZE);
	rl.rlim_cur = rl.rlim_max;
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &rl), 0);
	ck_assert_int_eq(unit_count_fds(), before);
}
END_TEST

START_TEST(the_end_of_the_channel_is_no_message)
{
	int	 fds[MSG_FDS_MAX] = { 77, 77 };
	char	 buf[4];

	close(pair[0]);
	ck_assert_int_eq(fdpass_recv(pair[1], buf, sizeof(buf), fds), 0);
	ck_assert_int_eq(fds[0], -1);
	ck_assert_int_eq(fds[1], -1);
	errno = 0;
	ck_assert_int_eq(fdpass_send(pair[1], "x", 1, NULL, 0), -1);
	ck_assert_int_eq(errno, EPIPE);
}
END_TEST

START_TEST(sending_never_waits)
{
	char	 buf[4096] = { 0 };
	int	 n = 0;

	/* Blocking itself, so that only the call's own flag can help. */
	ck_assert_int_ne(fcntl(pair[0], F_SETFL, 0), -1);
	while (fdpass_send(pair[0], buf, sizeof(buf), NULL, 0) == 0)
		ck_assert_int_lt(n++, 100000);
	ck_assert_int_eq(errno, EAGAIN);
}
END_TEST

int
main(void)
{
	Suite	*s = suite_create("fdpass");
	TCase	*tc = tcase_create("fdpass");

	suite_add_tcase(s, tc);
	tcase_add_checked_fixture(tc, open_pair, close_pair);
	tcase_add_loop_test(tc, bytes_come_with_the_descriptors_that_were_sent,
	    0, MSG_FDS_MAX + 1);
	tcase_add_test(tc, closing_leaves_alone_what_is_not_there);
	tcase_add_test(tc, more_descriptors_than_a_message_has_are_not_sent);
	tcase_add_loop_test(tc,
	    more_descriptors_than_a_message_has_are_refused_and_none_stays,
	    MSG_FDS_MAX + 1, 17);
	tcase_add_test(tc,
	    a_message_that_is_too_long_is_refused_and_its_descriptors_closed);
	tcase_add_test(tc, a_message_that_fits_exactly_is_received);
	tcase_add_test(tc, an_empty_message_leaves_no_descriptor_behind);
	tcase_add_test(tc,
	    without_room_for_descriptors_the_message_is_refused);
	tcase_add_test(tc, the_end_of_the_channel_is_no_message);
	tcase_add_test(tc, sending_never_waits);
	return unit_run(s);
}
