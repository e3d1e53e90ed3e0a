/*
 * Lines into a file that has no room for a while: each is there once and
 * whole, or counted.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "process/sink.h"
#include "unit.h"

static struct sink	 sink;
static int		 pipes[2];

static void
put(const char *line)
{
	char	*p = sink_room(&sink, 1000);

	if (p == NULL) {
		sink.lost++;
		return;
	}
	memcpy(p, line, strlen(line));
	sink_add(&sink, strlen(line));
}

/* A pipe takes no more than it holds. */
static void
set_up(void)
{
	ck_assert_int_eq(pipe2(pipes, O_NONBLOCK | O_CLOEXEC), 0);
	ck_assert_int_ge(fcntl(pipes[1], F_SETPIPE_SZ, 4096), 0);
	sink_use(&sink, pipes[1]);
}

static void
tear_down(void)
{
	uint64_t	 lost = 0;

	sink_close(&sink, &lost);
	close(pipes[0]);
	close(pipes[1]);
}

/* Read all that is there, as lines that count up from *next. */
static void
expect_lines(char *held, unsigned int *next)
{
	char	 buf[8192], want[64], *p, *end;
	ssize_t	 n;

	snprintf(buf, sizeof(buf), "%s", held);
	n = read(pipes[0], buf + strlen(held), 4096);
	ck_assert_int_gt(n, 0);
	buf[strlen(held) + (size_t)n] = '\0';
	for (p = buf; (end = strchr(p, '\n')) != NULL; p = end + 1) {
		*end = '\0';
		snprintf(want, sizeof(want), "line %u", (*next)++);
		ck_assert_str_eq(p, want);
	}
	strcpy(held, p);
}

START_TEST(what_does_not_fit_waits_and_is_whole)
{
	char		 line[64], held[64] = "";
	unsigned int	 next = 0;

	for (unsigned int i = 0; i < 2000; i++) {
		snprintf(line, sizeof(line), "line %u\n", i);
		put(line);
		(void)sink_flush(&sink);
	}
	ck_assert(!sink_flush(&sink));
	ck_assert_int_ne(sink.error, 0);
	while (next < 2000) {
		expect_lines(held, &next);
		(void)sink_flush(&sink);
	}
	ck_assert_str_eq(held, "");
	ck_assert(sink_flush(&sink));
	ck_assert_uint_eq(sink.lost, 0);
}
END_TEST

START_TEST(no_more_waits_than_may_and_the_rest_is_counted)
{
	uint64_t	 lost = 0;
	size_t		 n = 0;
	char		*p;

	while ((p = sink_room(&sink, 1000)) != NULL) {
		memset(p, 'x', 999);
		p[999] = '\n';
		sink_add(&sink, 1000);
		n++;
	}
	ck_assert_uint_ge(n, SINK_BYTES / 1000);
	ck_assert_uint_le(n, (SINK_BYTES + 4096) / 1000);
	sink.lost = 3;
	sink_close(&sink, &lost);
	/* Four pages of 1,000 are in the pipe, the fifth in part. */
	ck_assert_uint_eq(lost, n - 4 + 3);
}
END_TEST

START_TEST(a_line_that_is_alone_may_be_long)
{
	size_t	 len = 3 * SINK_BYTES;
	char	*p = sink_room(&sink, len);

	ck_assert_ptr_nonnull(p);
	memset(p, 'x', len);
	sink_add(&sink, len);
	ck_assert(!sink_flush(&sink));
	ck_assert_ptr_null(sink_room(&sink, 1));
}
END_TEST

START_TEST(a_line_that_was_begun_is_in_the_next_file_from_its_start)
{
	char	 path[64], buf[64];
	FILE	*f;

	snprintf(path, sizeof(path), "/tmp/sink.%d", (int)getpid());
	sink.path = path;
	put("whole\n");
	put("begun\n");
	ck_assert(sink_flush(&sink));
	/* As if the second line had been cut off by a full disk. */
	free(sink.buf);
	sink.buf = strdup("begun\n");
	sink.room = sink.len = 6;
	sink.off = 3;
	close(pipes[0]);
	signal(SIGPIPE, SIG_IGN);
	ck_assert_int_eq(sink_reopen(&sink), 0);
	ck_assert(sink_flush(&sink));
	f = fopen(path, "r");
	ck_assert_ptr_nonnull(f);
	ck_assert_ptr_nonnull(fgets(buf, sizeof(buf), f));
	ck_assert_str_eq(buf, "begun\n");
	ck_assert_ptr_null(fgets(buf, sizeof(buf), f));
	fclose(f);
	unlink(path);
}
END_TEST

START_TEST(a_file_that_cannot_be_opened_again_goes_on)
{
	char	 buf[64];

	sink.path = "/nonexistent/file";
	ck_assert_int_eq(sink_reopen(&sink), -1);
	sink.path = NULL;
	put("line 0\n");
	ck_assert(sink_flush(&sink));
	ck_assert_int_eq(sink_reopen(&sink), 0);
	ck_assert_int_eq(read(pipes[0], buf, sizeof(buf)), 7);
	ck_assert_mem_eq(buf, "line 0\n", 7);
}
END_TEST

START_TEST(a_full_disk_is_told)
{
	uint64_t	 lost = 0;

	ck_assert_int_eq(sink_open(&sink, "/dev/full"), 0);
	put("line\n");
	ck_assert(!sink_flush(&sink));
	ck_assert_int_ne(sink.error, 0);
	sink_close(&sink, &lost);
	ck_assert_uint_eq(lost, 1);
	sink_use(&sink, pipes[1]);
}
END_TEST

int
main(void)
{
	Suite	*s = suite_create("sink");
	TCase	*tc = tcase_create("sink");

	suite_add_tcase(s, tc);
	tcase_add_checked_fixture(tc, set_up, tear_down);
	tcase_add_test(tc, what_does_not_fit_waits_and_is_whole);
	tcase_add_test(tc, no_more_waits_than_may_and_the_rest_is_counted);
	tcase_add_test(tc, a_line_that_is_alone_may_be_long);
	tcase_add_test(tc,
	    a_line_that_was_begun_is_in_the_next_file_from_its_start);
	tcase_add_test(tc, a_file_that_cannot_be_opened_again_goes_on);
	tcase_add_test(tc, a_full_disk_is_told);
	return unit_run(s);
}
