#include <sys/socket.h>
#include <sys/wait.h>

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "base/mem.h"
#include "base/sig.h"
#include "session/stream.h"
#include "unit.h"

static int		 peer, fd;
static struct stream	*s;
static enum end		 end;
static int		 heard;
static bool		 gives_way;

static bool
hear(void *ctx)
{
	(void)ctx;
	heard++;
	return gives_way;
}

static const struct told	 told = { .heard = hear };

static void
open_pair(void)
{
	static const int	 signals[] = {
		SIGTERM, SIGALRM, SIG_ORPHAN, SIG_KILLED, SIGIO, 0
	};
	int			 ends[2];

	sig_init(signals);
	unit_local_pair(ends);
	peer = ends[0];
	fd = ends[1];
	s = stream_new_plain(fd);
	end = END_DONE;
}

static void
close_pair(void)
{
	stream_free(&s);
	ck_assert_ptr_null(s);
	stream_free(&s);
	if (peer != -1)
		close(peer);
	ck_assert_int_eq(close(fd), 0);	/* it has stayed open */
}

static int
read_all(void *buf, size_t len, int ms)
{
	return stream_read_all(s, buf, len, io_now_ms() + ms, &told,
	    END_CLIENT_RESET, &end);
}

static int
write_all(const void *data, size_t len, int ms)
{
	return stream_write_all(s, data, len, io_now_ms() + ms, &told,
	    END_SERVER_RESET, &end);
}

START_TEST(a_plain_stream_is_its_socket)
{
	char	 buf[8];

	ck_assert_int_eq(stream_read(s, buf, sizeof(buf)), -1);
	ck_assert_int_eq(errno, EAGAIN);
	ck_assert_int_eq(s->read_wants, POLLIN);
	ck_assert_int_eq(s->write_wants, POLLOUT);
	unit_write(peer, "hello", 5);
	ck_assert(!stream_pending(s));
	ck_assert_int_eq(stream_read(s, buf, 3), 3);
	ck_assert_mem_eq(buf, "hel", 3);
	/* What is left is the kernel's, and poll(2) tells. */
	ck_assert(!stream_pending(s));
	ck_assert_int_eq(stream_read(s, buf, 8), 2);
	ck_assert_int_eq(stream_write(s, "bye", 3), 3);
	ck_assert_int_eq(stream_shut(s), 0);
	unit_expect(peer, "bye", 3);
	unit_expect_end(peer);
	shutdown(peer, SHUT_WR);
	ck_assert_int_eq(stream_read(s, buf, 8), 0);
	close(peer);
	peer = -1;
	ck_assert_int_eq(stream_write(s, "x", 1), -1);
	ck_assert_int_eq(errno, EPIPE);
}
END_TEST

START_TEST(exactly_so_much_is_read_however_it_comes)
{
	char	 buf[6] = "";
	pid_t	 child = check_fork();

	if (child == 0) {
		for (int i = 0; i < 6; i++) {
			unit_write(peer, &"sixth!"[i], 1);
			(void)poll(NULL, 0, 2);
		}
		_exit(0);
	}
	ck_assert_int_eq(read_all(buf, 5, UNIT_MS), 0);
	ck_assert_mem_eq(buf, "sixth", 5);
	ck_assert_int_eq(read_all(buf, 1, UNIT_MS), 0);
	ck_assert_int_eq(buf[0], '!');
	ck_assert_int_eq(waitpid(child, NULL, 0), child);
}
END_TEST

START_TEST(nothing_is_read_beyond_it)
{
	char	 buf[4];

	unit_write(peer, "abcdef", 6);
	ck_assert_int_eq(read_all(buf, 4, UNIT_MS), 0);
	ck_assert_mem_eq(buf, "abcd", 4);
	ck_assert_int_eq(recv(fd, buf, 4, 0), 2);
}
END_TEST

START_TEST(an_end_within_it_is_the_callers_reset)
{
	char	 buf[4];

	unit_write(peer, "abc", 3);
	close(peer);
	peer = -1;
	ck_assert_int_eq(read_all(buf, 4, UNIT_MS), -1);
	ck_assert_int_eq(end, END_CLIENT_RESET);
	ck_assert_int_eq(write_all("x", 1, UNIT_MS), -1);
	ck_assert_int_eq(end, END_SERVER_RESET);
}
END_TEST

START_TEST(silence_ends_at_the_deadline)
{
	int64_t	 begun = io_now_ms();
	char	 buf[4];

	unit_write(peer, "abc", 3);
	ck_assert_int_eq(read_all(buf, 4, 100), -1);
	ck_assert_int_eq(end, END_TIMEOUT);
	ck_assert_int_ge(io_now_ms() - begun, 99);
	ck_assert_int_lt(io_now_ms() - begun, UNIT_MS);
}
END_TEST

/* Each byte is a new wait, and none of them moves the deadline. */
START_TEST(a_trickle_ends_at_the_deadline)
{
	static char	 buf[100000];
	int64_t		 begun = io_now_ms();
	pid_t		 child = check_fork();

	if (child == 0) {
		while (send(peer, "x", 1, MSG_NOSIGNAL) == 1)
			(void)poll(NULL, 0, 5);
		_exit(0);
	}
	ck_assert_int_eq(read_all(buf, sizeof(buf), 150), -1);
	ck_assert_int_eq(end, END_TIMEOUT);
	ck_assert_int_lt(io_now_ms() - begun, UNIT_MS / 2);
	shutdown(fd, SHUT_RDWR);
	ck_assert_int_eq(waitpid(child, NULL, 0), child);
}
END_TEST

START_TEST(who_takes_nothing_ends_a_write_at_the_deadline)
{
	static const char	 zeros[4000000];
	int64_t			 begun = io_now_ms();

	ck_assert_int_eq(write_all(zeros, sizeof(zeros), 100), -1);
	ck_assert_int_eq(end, END_TIMEOUT);
	ck_assert_int_ge(io_now_ms() - begun, 99);
}
END_TEST

START_TEST(all_is_written_to_a_slow_peer)
{
	static uint8_t	 data[2000000];
	pid_t		 child;
	int		 status;

	unit_paint(data, sizeof(data), 0);
	child = check_fork();
	if (child == 0) {
		unit_expect(peer, data, sizeof(data));
		_exit(7);
	}
	ck_assert_int_eq(write_all(data, sizeof(data), UNIT_MS), 0);
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert_int_eq(WEXITSTATUS(status), 7);
}
END_TEST

static const struct {
	int		 signo;
	enum end	 end;
} endings[] = {
	{ SIGTERM, END_SHUTDOWN },
	{ SIGALRM, END_TIMEOUT },
	{ SIG_ORPHAN, END_CRASHED },
	{ SIG_KILLED, END_KILLED },
};

START_TEST(a_signal_ends_a_wait)
{
	static const char	 zeros[4000000];
	char			 buf[4];

	raise(endings[_i].signo);
	ck_assert_int_eq(read_all(buf, 4, UNIT_MS), -1);
	ck_assert_int_eq(end, endings[_i].end);
	end = END_DONE;
	raise(endings[_i].signo);
	ck_assert_int_eq(write_all(zeros, sizeof(zeros), UNIT_MS), -1);
	ck_assert_int_eq(end, endings[_i].end);
}
END_TEST

START_TEST(a_signal_to_be_heard_ends_a_wait_only_of_who_gives_way)
{
	char	 buf[4];

	raise(SIGIO);
	ck_assert_int_eq(read_all(buf, 4, 50), -1);
	ck_assert_int_eq(end, END_TIMEOUT);
	ck_assert_int_eq(heard, 1);
	gives_way = true;
	raise(SIGIO);
	ck_assert_int_eq(read_all(buf, 4, UNIT_MS), -1);
	ck_assert_int_eq(end, END_LIMIT);
}
END_TEST

/* A stream that has to write before it can read, and the other way round. */

struct contrary {
	struct stream	 s;
	int		 refusals;
};

static ssize_t
contrary_read(struct stream *x, void *buf, size_t size)
{
	struct contrary	*c = (struct contrary *)x;

	if (c->refusals > 0) {
		c->refusals--;
		errno = EAGAIN;
		return -1;
	}
	memset(buf, 'r', size);
	return (ssize_t)size;
}

static ssize_t
contrary_write(struct stream *x, const void *data, size_t len)
{
	(void)data;
	return contrary_read(x, (char[1]){ 0 }, 1) == 1 ? (ssize_t)len : -1;
}

static const struct stream_ops	 contrary_ops = {
	.read = contrary_read, .write = contrary_write,
};

START_TEST(what_a_stream_wants_is_waited_for)
{
	struct contrary	 c = {
		.s = {
			.ops = &contrary_ops, .fd = fd,
			.read_wants = POLLOUT, .write_wants = POLLIN,
		},
	};
	char		 buf[2];

	/* There is room to write, and nothing to read. */
	c.refusals = 1;
	ck_assert_int_eq(stream_read_all(&c.s, buf, 2, io_now_ms() + UNIT_MS,
	    NULL, END_CLIENT_RESET, &end), 0);
	c.refusals = 1;
	ck_assert_int_eq(stream_write_all(&c.s, "x", 1, io_now_ms() + 50,
	    NULL, END_CLIENT_RESET, &end), -1);
	ck_assert_int_eq(end, END_TIMEOUT);
	/* The same with the room gone and a byte to read. */
	unit_fill(fd, 0);
	unit_write(peer, "x", 1);
	c.refusals = 1;
	ck_assert_int_eq(stream_write_all(&c.s, "x", 1, io_now_ms() + UNIT_MS,
	    NULL, END_CLIENT_RESET, &end), 0);
	c.refusals = 1;
	ck_assert_int_eq(stream_read_all(&c.s, buf, 2, io_now_ms() + 50,
	    NULL, END_CLIENT_RESET, &end), -1);
	ck_assert_int_eq(end, END_TIMEOUT);
}
END_TEST

/* Something shows at once each time, and nothing comes of it. */
START_TEST(who_is_always_ready_ends_at_the_deadline)
{
	struct contrary	 c = {
		.s = {
			.ops = &contrary_ops, .fd = fd,
			.read_wants = POLLOUT,
		},
		.refusals = 1 << 30,
	};
	char		 buf[2];

	ck_assert_int_eq(stream_read_all(&c.s, buf, 2, io_now_ms() + 50,
	    NULL, END_CLIENT_RESET, &end), -1);
	ck_assert_int_eq(end, END_TIMEOUT);
}
END_TEST

int
main(void)
{
	Suite	*suite = suite_create("stream");
	TCase	*tc = tcase_create("core");

	suite_add_tcase(suite, tc);
	tcase_add_checked_fixture(tc, open_pair, close_pair);
	tcase_set_timeout(tc, 30);
	tcase_add_test(tc, a_plain_stream_is_its_socket);
	tcase_add_test(tc, exactly_so_much_is_read_however_it_comes);
	tcase_add_test(tc, nothing_is_read_beyond_it);
	tcase_add_test(tc, an_end_within_it_is_the_callers_reset);
	tcase_add_test(tc, silence_ends_at_the_deadline);
	tcase_add_test(tc, a_trickle_ends_at_the_deadline);
	tcase_add_test(tc, who_takes_nothing_ends_a_write_at_the_deadline);
	tcase_add_test(tc, all_is_written_to_a_slow_peer);
	tcase_add_loop_test(tc, a_signal_ends_a_wait, 0,
	    (int)nitems(endings));
	tcase_add_test(tc,
	    a_signal_to_be_heard_ends_a_wait_only_of_who_gives_way);
	tcase_add_test(tc, what_a_stream_wants_is_waited_for);
	tcase_add_test(tc, who_is_always_ready_ends_at_the_deadline);
	return unit_run(suite);
}
