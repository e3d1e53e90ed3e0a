#include <sys/mman.h>
#include <sys/wait.h>

#include <arpa/inet.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "process/book.h"
#include "process/proc.h"
#include "unit.h"

#define NAMES	3

static int			 fd;
static struct book_entry	*book;

static void
open_book(void)
{
	fd = proc_memfd("book", book_size(NAMES));
	ck_assert_int_ne(fd, -1);
	book = book_map_writable(fd, NAMES);
	ck_assert_ptr_nonnull(book);
}

static void
close_book(void)
{
	munmap(book, book_size(NAMES));
	close(fd);
}

static struct net_addr
address(uint16_t port)
{
	struct net_addr	 a = { .len = sizeof(a.u.in) };

	a.u.in.sin_family = AF_INET;
	a.u.in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	a.u.in.sin_port = htons(port);
	return a;
}

static void
make(struct net_addr *addrs, size_t n, uint16_t first)
{
	for (size_t i = 0; i < n; i++)
		addrs[i] = address((uint16_t)(first + i));
}

START_TEST(a_new_book_is_empty)
{
	struct net_addr	 addrs[BOOK_ADDRS_MAX];

	for (size_t i = 0; i < NAMES; i++)
		ck_assert_uint_eq(book_read(&book[i], addrs,
		    BOOK_ADDRS_MAX), 0);
}
END_TEST

START_TEST(others_read_what_the_keeper_wrote)
{
	const struct book_entry	*other = book_map(fd, NAMES);
	struct net_addr		 in[2], out[BOOK_ADDRS_MAX];

	ck_assert_ptr_nonnull(other);
	make(in, 2, 100);
	book_write(&book[1], in, 2);
	ck_assert_uint_eq(book_read(&other[0], out, BOOK_ADDRS_MAX), 0);
	ck_assert_uint_eq(book_read(&other[2], out, BOOK_ADDRS_MAX), 0);
	ck_assert_uint_eq(book_read(&other[1], out, BOOK_ADDRS_MAX), 2);
	ck_assert(net_same(&in[0], &out[0]));
	ck_assert(net_same(&in[1], &out[1]));
	/* It may shrink. */
	book_write(&book[1], in + 1, 1);
	ck_assert_uint_eq(book_read(&other[1], out, BOOK_ADDRS_MAX), 1);
	ck_assert(net_same(&in[1], &out[0]));
}
END_TEST

START_TEST(more_addresses_than_there_is_room_for_are_left_out)
{
	struct net_addr	 in[BOOK_ADDRS_MAX + 4], out[BOOK_ADDRS_MAX + 4];

	make(in, BOOK_ADDRS_MAX + 4, 200);
	book_write(&book[0], in, BOOK_ADDRS_MAX + 4);
	ck_assert_uint_eq(book_read(&book[0], out, BOOK_ADDRS_MAX + 4),
	    BOOK_ADDRS_MAX);
	ck_assert_uint_eq(book_read(&book[1], out, BOOK_ADDRS_MAX), 0);
	memset(out, 0x5a, sizeof(out));
	ck_assert_uint_eq(book_read(&book[0], out, 3), 3);
	ck_assert_uint_eq(out[3].len, 0x5a5a5a5a);
}
END_TEST

/* Readers do not trust a count: the memory is another process's. */
START_TEST(a_count_beyond_the_entry_is_not_believed)
{
	struct net_addr	 in[1], out[BOOK_ADDRS_MAX + 1];

	make(in, 1, 300);
	book_write(&book[NAMES - 1], in, 1);
	book[NAMES - 1].n = UINT32_MAX;
	ck_assert_uint_eq(book_read(&book[NAMES - 1], out,
	    BOOK_ADDRS_MAX + 1), BOOK_ADDRS_MAX);
}
END_TEST

START_TEST(a_torn_entry_is_not_read)
{
	struct net_addr	 in[1], out[1];

	make(in, 1, 400);
	book_write(&book[0], in, 1);
	atomic_fetch_add(&book[0].version, 1);	/* as a writer begins */
	ck_assert_uint_eq(book_read(&book[0], out, 1), 0);
	atomic_fetch_add(&book[0].version, 1);
	ck_assert_uint_eq(book_read(&book[0], out, 1), 1);
}
END_TEST

/* The keeper may be killed at any point; the next one has the same book. */
START_TEST(an_entry_that_was_left_torn_is_mended_by_the_next_writer)
{
	struct net_addr	 in[1], out[1];

	make(in, 1, 500);
	atomic_fetch_add(&book[0].version, 1);	/* and died there */
	book_write(&book[0], in, 1);
	ck_assert_uint_eq(book_read(&book[0], out, 1), 1);
	ck_assert(net_same(&in[0], &out[0]));
	book_write(&book[0], in, 1);
	ck_assert_uint_eq(book_read(&book[0], out, 1), 1);
}
END_TEST

/* A writer and a reader at once, until the reader has seen enough. */
START_TEST(a_reader_never_sees_half_of_two_entries)
{
	struct net_addr	 in[2][4], out[4];
	size_t		 n;
	int64_t		 deadline;
	pid_t		 pid;

	make(in[0], 4, 1000);
	make(in[1], 4, 2000);
	book_write(&book[0], in[0], 4);
	pid = check_fork();
	if (pid == 0)
		for (unsigned int i = 0;; i++)
			book_write(&book[0], in[i % 2], 4);
	deadline = io_now_ms() + 1000;
	for (int i = 0; i < 200000 && io_now_ms() < deadline; i++) {
		n = book_read(&book[0], out, 4);
		ck_assert(n == 0 || n == 4);
		if (n == 4)
			ck_assert_uint_eq(ntohs(out[3].u.in.sin_port),
			    ntohs(out[0].u.in.sin_port) + 3u);
	}
	ck_assert_int_eq(kill(pid, SIGKILL), 0);
	ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
}
END_TEST

START_TEST(a_book_mapped_for_reading_cannot_be_written)
{
	const struct book_entry	*other = book_map(fd, NAMES);
	int			 zero = open("/dev/zero",
				    O_RDONLY | O_CLOEXEC);

	ck_assert_ptr_nonnull(other);
	errno = 0;
	ck_assert_int_eq(read(zero, (void *)(uintptr_t)other, 1), -1);
	ck_assert_int_eq(errno, EFAULT);
	close(zero);
}
END_TEST

int
main(void)
{
	Suite	*s = suite_create("book");
	TCase	*tc = tcase_create("book");

	suite_add_tcase(s, tc);
	tcase_add_checked_fixture(tc, open_book, close_book);
	tcase_add_test(tc, a_new_book_is_empty);
	tcase_add_test(tc, others_read_what_the_keeper_wrote);
	tcase_add_test(tc,
	    more_addresses_than_there_is_room_for_are_left_out);
	tcase_add_test(tc, a_count_beyond_the_entry_is_not_believed);
	tcase_add_test(tc, a_torn_entry_is_not_read);
	tcase_add_test(tc,
	    an_entry_that_was_left_torn_is_mended_by_the_next_writer);
	tcase_add_test(tc, a_reader_never_sees_half_of_two_entries);
	tcase_add_test(tc, a_book_mapped_for_reading_cannot_be_written);
	return unit_run(s);
}
