/*
 * COM_CHANGE_USER among what a client says: found wherever it stands, in
 * whatever pieces it comes, and nothing else taken for it.
 */
#include <stdlib.h>
#include <string.h>

#include "session/mysql_watch.h"
#include "unit.h"

static struct mysql_watch	 watch;
static flow_count		 down;
static bool			 stop;

static void
setup(void)
{
	watch = (struct mysql_watch){ .down = &down };
	atomic_store(&down, 0);
	stop = false;
}

/* A packet at p, of `len' bytes that begin with that one.  Its length. */
static size_t
packet(uint8_t *p, size_t len, uint8_t seq, uint8_t first)
{
	p[0] = (uint8_t)len;
	p[1] = (uint8_t)(len >> 8);
	p[2] = (uint8_t)(len >> 16);
	p[3] = seq;
	memset(p + 4, 'x', len);
	if (len > 0)
		p[4] = first;
	return 4 + len;
}

static size_t
look(const uint8_t *p, size_t n)
{
	return mysql_watch_look(&watch, p, n, &stop);
}

/* Two commands, and then that one. */
static size_t
three(uint8_t *p, size_t *at)
{
	size_t	 n = packet(p, 9, 0, MYSQL_COM_QUERY);

	n += packet(p + n, 1, 0, MYSQL_COM_PING);
	*at = n;
	return n + packet(p + n, 30, 0, MYSQL_COM_CHANGE_USER);
}

START_TEST(it_stops_where_the_command_begins)
{
	uint8_t	 p[100];
	size_t	 at, n = three(p, &at);

	ck_assert_uint_eq(look(p, n), at);
	ck_assert(stop);
}
END_TEST

START_TEST(pieces_of_any_size_make_no_difference)
{
	uint8_t	 p[100];
	size_t	 at, n = three(p, &at), passed = 0, step = (size_t)_i + 1;

	/* What did not pass comes again, with more. */
	for (size_t end = step; passed < n && !stop; end += step) {
		size_t	 upto = end < n ? end : n;

		passed += look(p + passed, upto - passed);
	}
	ck_assert(stop);
	ck_assert_uint_eq(passed, at);
}
END_TEST

START_TEST(the_rest_of_a_long_packet_is_no_command)
{
	uint8_t	*p = calloc(1, MYSQL_PACKET_MAX + 100);
	size_t	 n = packet(p, MYSQL_PACKET_MAX, 255, MYSQL_COM_QUERY);

	ck_assert_ptr_nonnull(p);
	n += packet(p + n, 10, 0, MYSQL_COM_CHANGE_USER);
	ck_assert_uint_eq(look(p, n), n);
	ck_assert(!stop);
	free(p);
}
END_TEST

/* Of a file that a client sends: numbers go round, the server is silent. */
START_TEST(a_file_is_no_command)
{
	uint8_t	 p[64];
	size_t	 n;

	for (int i = 2; i < 600; i++) {
		n = packet(p, 20, (uint8_t)i, MYSQL_COM_CHANGE_USER);
		ck_assert_uint_eq(look(p, n), n);
		ck_assert_msg(!stop, "packet %d", i);
	}
}
END_TEST

/* But what comes after an answer is, whatever its number was before. */
START_TEST(an_answer_ends_a_file)
{
	uint8_t	 p[64];
	size_t	 n = packet(p, 0, 255, 0);

	ck_assert_uint_eq(look(p, n), n);
	atomic_store(&down, 11);
	n = packet(p, 20, 0, MYSQL_COM_CHANGE_USER);
	ck_assert_uint_eq(look(p, n), 0);
	ck_assert(stop);
}
END_TEST

START_TEST(other_commands_and_numbers_pass)
{
	uint8_t	 p[64];
	size_t	 n;

	for (int i = 0; i < 256; i++) {
		if (i == MYSQL_COM_CHANGE_USER)
			continue;
		n = packet(p, 5, 0, (uint8_t)i);
		ck_assert_uint_eq(look(p, n), n);
	}
	n = packet(p, 5, 1, MYSQL_COM_CHANGE_USER);
	ck_assert_uint_eq(look(p, n), n);
	n = packet(p, 0, 0, 0);
	ck_assert_uint_eq(look(p, n), n);
	ck_assert(!stop);
}
END_TEST

int
main(void)
{
	Suite	*s = suite_create("mysql_watch");
	TCase	*tc = tcase_create("mysql_watch");

	suite_add_tcase(s, tc);
	tcase_add_checked_fixture(tc, setup, NULL);
	tcase_add_test(tc, it_stops_where_the_command_begins);
	tcase_add_loop_test(tc, pieces_of_any_size_make_no_difference, 0, 50);
	tcase_add_test(tc, the_rest_of_a_long_packet_is_no_command);
	tcase_add_test(tc, a_file_is_no_command);
	tcase_add_test(tc, an_answer_ends_a_file);
	tcase_add_test(tc, other_commands_and_numbers_pass);
	return unit_run(s);
}
