#include <limits.h>
#include <string.h>

#include "base/io.h"
#include "base/sig.h"
#include "process/names.h"
#include "unit.h"

static struct loop	*loop;
static struct names	*names;
static int		 changes;

static void
on_changed(void *ctx, const struct name *name)
{
	(void)ctx;
	(void)name;
	changes++;
}

static void
open_names(void)
{
	static const int	 none[] = { 0 };

	sig_init(none);
	loop = loop_new();
	names = names_new(loop, on_changed, NULL);
	changes = 0;
}

static void
close_names(void)
{
	names_free(&names);
	ck_assert_ptr_null(names);
	loop_free(&loop);
}

static struct name *
want(const char *text, const struct net_addr *known, size_t n)
{
	struct net_spec	 spec;
	const char	*why;

	ck_assert_int_eq(net_parse(text, false, &spec, &why), 0);
	ck_assert_int_eq(spec.kind, NET_NAME);
	return names_want(names, text, &spec, known, n);
}

static void
wait_for_answers(void)
{
	int64_t	 deadline = io_now_ms() + 2 * UNIT_MS;

	while (names_pending(names)) {
		ck_assert_int_lt(io_now_ms(), deadline);
		ck_assert_int_eq(loop_turn(loop), 0);
	}
}

static const struct {
	long	 ttl;
	int	 ms;
} ttls[] = {
	{ LONG_MIN, 1000 }, { -1, 1000 }, { 0, 1000 }, { 1, 1000 },
	{ 2, 2000 }, { 3600, 3600000 }, { 3601, 3600000 },
	{ LONG_MAX, 3600000 },
};

START_TEST(a_time_to_live_is_kept_within_bounds)
{
	ck_assert_int_eq(names_ttl_ms(ttls[_i].ttl), ttls[_i].ms);
}
END_TEST

START_TEST(a_name_of_the_hosts_file_is_found_with_its_port)
{
	struct name		*nm = want("localhost:4711", NULL, 0);
	const struct net_addr	*a;
	char			 text[NET_TEXT_MAX];
	size_t			 n;

	ck_assert(names_pending(names));
	wait_for_answers();
	ck_assert_int_eq(changes, 1);
	a = names_addrs(nm, &n);
	ck_assert_uint_ge(n, 1);
	for (size_t i = 0; i < n; i++) {
		net_text(&a[i], text, sizeof(text));
		ck_assert_ptr_nonnull(strstr(text, ":4711"));
	}
	names_unwant(names, &nm);
	ck_assert_ptr_null(nm);
	ck_assert_uint_eq(names_count(names), 0);
}
END_TEST

START_TEST(one_name_wanted_twice_is_asked_for_once)
{
	struct name	*a = want("localhost:1", NULL, 0);
	struct name	*b = want("localhost:1", NULL, 0);

	ck_assert_ptr_eq(a, b);
	ck_assert_uint_eq(names_count(names), 1);
	names_unwant(names, &a);
	ck_assert_uint_eq(names_count(names), 1);
	wait_for_answers();
	ck_assert_int_eq(changes, 1);
}
END_TEST

START_TEST(what_is_known_stays_when_the_name_is_gone)
{
	struct net_addr	 known = { .len = sizeof(known.u.in) };
	struct name	*nm;
	size_t		 n;

	known.u.in.sin_family = AF_INET;
	known.u.in.sin_port = 1;
	nm = want("no-such-host.invalid:1", &known, 1);
	wait_for_answers();
	ck_assert_int_eq(changes, 0);
	ck_assert(net_same(&names_addrs(nm, &n)[0], &known));
	ck_assert_uint_eq(n, 1);
}
END_TEST

START_TEST(names_that_are_no_longer_wanted_may_be_asked_for_still)
{
	struct name	*nm = want("no-such-host.invalid:1", NULL, 0);

	ck_assert_int_eq(loop_turn(loop), 0);
	names_unwant(names, &nm);
}
END_TEST

int
main(void)
{
	Suite	*s = suite_create("names");
	TCase	*tc = tcase_create("names");

	suite_add_tcase(s, tc);
	tcase_set_timeout(tc, 20);
	tcase_add_checked_fixture(tc, open_names, close_names);
	tcase_add_loop_test(tc, a_time_to_live_is_kept_within_bounds, 0,
	    (int)(sizeof(ttls) / sizeof(ttls[0])));
	tcase_add_test(tc, a_name_of_the_hosts_file_is_found_with_its_port);
	tcase_add_test(tc, one_name_wanted_twice_is_asked_for_once);
	tcase_add_test(tc, what_is_known_stays_when_the_name_is_gone);
	tcase_add_test(tc,
	    names_that_are_no_longer_wanted_may_be_asked_for_still);
	return unit_run(s);
}
