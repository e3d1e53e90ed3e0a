/* A stream over a stream: all arrives, each write at once, ends are told. */
#include <sys/socket.h>

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "session/compress.h"
#include "unit.h"

#define BIG	((size_t)3 * 1024 * 1024)

static int		 ends[2];
static struct stream	*a, *b;

static void
open_pair(void)
{
	unit_local_pair(ends);
	a = stream_new_zstd(stream_new_plain(ends[0]));
	b = stream_new_zstd(stream_new_plain(ends[1]));
	ck_assert_ptr_nonnull(a);
	ck_assert_ptr_nonnull(b);
}

static void
close_pair(void)
{
	stream_free(&a);
	stream_free(&b);
	close(ends[0]);
	close(ends[1]);
}

START_TEST(each_write_arrives_by_itself)
{
	char	 buf[64];

	for (size_t i = 1; i < 30; i++) {
		ck_assert_int_eq(stream_write(a, "abcdefghijklmnopqrstuvwxyzabcd",
		    i), (ssize_t)i);
		ck_assert_int_eq(stream_read(b, buf, sizeof(buf)), (ssize_t)i);
		ck_assert_mem_eq(buf, "abcdefghijklmnopqrstuvwxyzabcd", i);
		ck_assert(!stream_pending(b));
		ck_assert_int_eq(stream_read(b, buf, sizeof(buf)), -1);
		ck_assert_int_eq(errno, EAGAIN);
		ck_assert_int_eq(b->read_wants, POLLIN);
	}
}
END_TEST

START_TEST(what_is_not_read_at_once_is_pending)
{
	char	 buf[3];

	ck_assert_int_eq(stream_write(a, "hello", 5), 5);
	ck_assert_int_eq(stream_read(b, buf, 3), 3);
	ck_assert(stream_pending(b));
	ck_assert_int_eq(stream_read(b, buf, 3), 2);
	ck_assert_mem_eq(buf, "lo", 2);
}
END_TEST

/* Move what both take until all is there, with little read at a time. */
static void
pass(const uint8_t *in, uint8_t *out, size_t len, size_t step)
{
	size_t	 sent = 0, got = 0;
	ssize_t	 n;

	while (got < len) {
		n = sent < len ? stream_write(a, in + sent, len - sent) : 0;
		if (n > 0)
			sent += (size_t)n;
		else if (n == -1)
			ck_assert_int_eq(errno, EAGAIN);
		do {
			n = stream_read(b, out + got,
			    step < len - got ? step : len - got);
			if (n > 0)
				got += (size_t)n;
		} while (n > 0 && got < len);
		ck_assert(got == len || errno == EAGAIN);
	}
}

START_TEST(much_passes_unchanged_to_a_slow_reader)
{
	uint8_t	*in = mem_calloc(1, BIG), *out = mem_calloc(1, BIG);

	/* Half of it like anything, half of it all the same. */
	unit_paint(in, BIG / 2, 7);
	pass(in, out, BIG, _i == 0 ? 100000 : 777);
	ck_assert_mem_eq(in, out, BIG);
	free(in);
	free(out);
}
END_TEST

START_TEST(what_repeats_takes_less)
{
	uint8_t	*in = mem_calloc(1, BIG);
	size_t	 sent = 0;
	ssize_t	 n;

	while (sent < BIG && (n = stream_write(a, in + sent, BIG - sent)) > 0)
		sent += (size_t)n;
	/* All of it is in the buffers of a socket. */
	ck_assert_uint_eq(sent, BIG);
	free(in);
}
END_TEST

START_TEST(an_end_is_orderly_after_the_frame)
{
	char	 buf[8];

	ck_assert_int_eq(stream_write(a, "bye", 3), 3);
	ck_assert_int_eq(stream_shut(a), 0);
	ck_assert_int_eq(stream_shut(a), 0);
	ck_assert_int_eq(stream_read(b, buf, 8), 3);
	ck_assert_int_eq(stream_read(b, buf, 8), 0);
	/* The other way is open yet. */
	ck_assert_int_eq(stream_write(b, "ok", 2), 2);
	ck_assert_int_eq(stream_read(a, buf, 8), 2);
	ck_assert_int_eq(stream_shut(b), 0);
	ck_assert_int_eq(stream_read(a, buf, 8), 0);
}
END_TEST

/* What fills the reader's buffer to the last byte, and the end with it. */
START_TEST(an_end_shows_however_much_is_read_at_once)
{
	static uint8_t	 data[4 * 16384], buf[4 * 16384];
	size_t		 step = (size_t)1 << _i, got = 0;
	ssize_t		 n;

	for (size_t sent = 0; sent < sizeof(data); sent += (size_t)n) {
		n = stream_write(a, data + sent, sizeof(data) - sent);
		ck_assert_int_gt(n, 0);
	}
	ck_assert_int_eq(stream_shut(a), 0);
	while ((n = stream_read(b, buf, step)) > 0)
		got += (size_t)n;
	ck_assert_int_eq(n, 0);
	ck_assert_uint_eq(got, sizeof(data));
}
END_TEST

START_TEST(an_end_before_anything_is_orderly)
{
	char	 buf[8];

	ck_assert_int_eq(stream_shut(a), 0);
	ck_assert_int_eq(stream_read(b, buf, 8), 0);
	shutdown(ends[1], SHUT_WR);
	ck_assert_int_eq(stream_read(a, buf, 8), 0);
}
END_TEST

START_TEST(what_is_cut_short_is_a_reset)
{
	char	 buf[8];

	ck_assert_int_eq(stream_write(a, "bye", 3), 3);
	shutdown(ends[0], SHUT_WR);
	ck_assert_int_eq(stream_read(b, buf, 8), 3);
	ck_assert_int_eq(stream_read(b, buf, 8), -1);
	ck_assert_int_eq(errno, ECONNRESET);
}
END_TEST

START_TEST(what_is_no_zstd_is_refused)
{
	char	 buf[8];

	unit_write(ends[0], "this is no frame", 16);
	ck_assert_int_eq(stream_read(b, buf, 8), -1);
	ck_assert_int_eq(errno, EPROTO);
}
END_TEST

/* RFC 8878, 3.1.1: no single segment, a window of 1 << 21. */
START_TEST(a_window_too_large_is_refused)
{
	static const uint8_t	 large[] = {
		0x28, 0xb5, 0x2f, 0xfd, 0x00, 11 << 3, 0x03, 0x80, 0x02, 'x',
	};
	char			 buf[8];

	unit_write(ends[0], large, sizeof(large));
	ck_assert_int_eq(stream_read(b, buf, 8), -1);
	ck_assert_int_eq(errno, EPROTO);
}
END_TEST

int
main(void)
{
	Suite	*suite = suite_create("compress");
	TCase	*tc = tcase_create("core");

	suite_add_tcase(suite, tc);
	tcase_add_checked_fixture(tc, open_pair, close_pair);
	tcase_add_test(tc, each_write_arrives_by_itself);
	tcase_add_test(tc, what_is_not_read_at_once_is_pending);
	tcase_add_loop_test(tc, much_passes_unchanged_to_a_slow_reader, 0, 2);
	tcase_add_test(tc, what_repeats_takes_less);
	tcase_add_test(tc, an_end_is_orderly_after_the_frame);
	tcase_add_loop_test(tc, an_end_shows_however_much_is_read_at_once, 0,
	    17);
	tcase_add_test(tc, an_end_before_anything_is_orderly);
	tcase_add_test(tc, what_is_cut_short_is_a_reset);
	tcase_add_test(tc, what_is_no_zstd_is_refused);
	tcase_add_test(tc, a_window_too_large_is_refused);
	return unit_run(suite);
}
