#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policy/people.h"
#include "unit.h"

#define SECRET	"JBSWY3DPEHPK3PXP"

static const struct onetime_rule	 usual = {
	.digits = 6, .period = 30, .hash = ONETIME_SHA1, .window = 1,
};

static char		 told[1024];
static struct people	*people;

static void
tell(void *ctx, unsigned int line, const char *why)
{
	size_t	 n = strlen(told);

	(void)ctx;
	snprintf(told + n, sizeof(told) - n, "%u: %s\n", line, why);
}

static void
parse(const char *text)
{
	uint8_t	*p = unit_exact(text, strlen(text));

	people_free(&people);
	told[0] = '\0';
	people = people_parse((const char *)p, strlen(text), &usual, tell,
	    NULL);
	free(p);
}

static void
tear_down(void)
{
	people_free(&people);
}

START_TEST(a_line_is_a_person)
{
	const struct person	*p;

	parse("# who may\n\nbob " SECRET "\r\n  alice jbsw y3dp ehpk 3pxp "
	    "digits=8 period=60 algorithm=sha256 window=2 password=a:b "
	    "recovery=AAAABBBBCCCC,------------,DDDDEEEEFFFF\n");
	ck_assert_str_eq(told, "");
	ck_assert_uint_eq(people_count(people), 2);
	p = people_find(people, "alice");
	ck_assert_ptr_nonnull(p);
	ck_assert_ptr_eq(p, people_at(people, 0));
	ck_assert_int_eq(p->rule.digits, 8);
	ck_assert_int_eq(p->rule.period, 60);
	ck_assert_int_eq(p->rule.hash, ONETIME_SHA256);
	ck_assert_int_eq(p->rule.window, 2);
	ck_assert_str_eq(p->password, "a:b");
	ck_assert_uint_eq(p->nrecovery, 2);
	ck_assert_str_eq(p->recovery[1], "DDDDEEEEFFFF");
	p = people_find(people, "bob");
	ck_assert_uint_eq(p->nsecret, 10);
	ck_assert_mem_eq(p->secret, "Hello!\xde\xad\xbe\xef", 10);
	ck_assert_int_eq(p->rule.digits, 6);
	ck_assert_ptr_null(people_find(people, "Alice"));
	ck_assert_ptr_null(people_find(people, ""));
}
END_TEST

START_TEST(of_two_lines_the_later_one_counts)
{
	parse("bob " SECRET "\nann " SECRET "\nbob " SECRET " digits=8\n"
	    "ann " SECRET " window=0\nann " SECRET " window=3");
	ck_assert_uint_eq(people_count(people), 2);
	ck_assert_int_eq(people_find(people, "bob")->rule.digits, 8);
	ck_assert_int_eq(people_find(people, "ann")->rule.window, 3);
}
END_TEST

START_TEST(what_is_malformed_is_told_with_its_line)
{
	static const struct {
		const char	*text, *told;
	} bad[] = {
		{ "bob\n", "1: there is no secret\n" },
		{ "\nbob digits=8\n", "2: there is no secret\n" },
		{ "bob " SECRET " digits=7\n", "1: digits: want 6 or 8\n" },
		{ "bob " SECRET " digits=\n", "1: digits: want 6 or 8\n" },
		{ "bob " SECRET " period=9\n",
		    "1: period: want seconds, from 10 to 300\n" },
		{ "bob " SECRET " window=11\n",
		    "1: window: want steps, from 0 to 10\n" },
		{ "bob " SECRET " algorithm=MD5\n",
		    "1: algorithm: want SHA1, SHA256 or SHA512\n" },
		{ "bob " SECRET " digits=8 digit=6\n",
		    "1: no such key; there are digits, period, algorithm, "
		    "window, password and recovery\n" },
		{ "bob " SECRET " password=a\001b\n",
		    "1: there is a control character in it\n" },
		{ "bob ABCD\n",
		    "1: shorter than 10 bytes, which are 16 characters\n" },
		{ "bob " SECRET "\nann 1\n", "2: want base 32: the letters A "
		    "to Z and the digits 2 to 7\n" },
		{ "bob " SECRET " recovery=ABC\n",
		    "1: recovery: want up to 10 codes of 12 characters, with "
		    "commas between\n" },
		{ "b@b " SECRET "\n",
		    "1: " TOTP_WANT_NAME "\n" },
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		parse(bad[i].text);
		ck_assert_str_eq(told, bad[i].told);
	}
	ck_assert_uint_eq(people_count(people), 0);
}
END_TEST

START_TEST(a_line_comes_back)
{
	static const char *const	 lines[] = {
		"bob " SECRET,
		"bob " SECRET " digits=8 period=60 algorithm=SHA512 window=0 "
		"password=x recovery=AAAABBBBCCCC,DDDDEEEEFFFF",
	};
	char				 line[PEOPLE_LINE_MAX];

	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		parse(lines[i]);
		ck_assert_int_eq(people_line(people_at(people, 0), &usual,
		    line), (int)strlen(lines[i]));
		ck_assert_str_eq(line, lines[i]);
	}
}
END_TEST

START_TEST(names_are_those_of_mysql)
{
	char	 name[TOTP_NAME_MAX + 1];

	memset(name, 'a', sizeof(name));
	ck_assert(totp_is_name(name, 32));
	ck_assert(!totp_is_name(name, 33));
	for (size_t i = 0; i < 32; i++)
		memcpy(name + 4 * i, "\xf0\x9f\x8d\x8e", 4);
	ck_assert(totp_is_name(name, 128));
	ck_assert(!totp_is_name(name, 0));
	ck_assert(!totp_is_name("a\nb", 3));
	ck_assert(!totp_is_name("a b", 3));
	ck_assert(totp_is_name("x'--", 4));
}
END_TEST

START_TEST(many_people_are_found)
{
	char	 text[200 * 32], name[16];
	size_t	 n = 0;

	for (int i = 199; i >= 0; i--)
		n += (size_t)snprintf(text + n, sizeof(text) - n,
		    "user%03d " SECRET "\n", i);
	parse(text);
	ck_assert_uint_eq(people_count(people), 200);
	for (int i = 0; i < 200; i++) {
		snprintf(name, sizeof(name), "user%03d", i);
		ck_assert_str_eq(people_find(people, name)->name, name);
	}
}
END_TEST

int
main(void)
{
	Suite	*s = suite_create("people");
	TCase	*t = tcase_create("plain");

	tcase_add_checked_fixture(t, NULL, tear_down);
	tcase_add_test(t, a_line_is_a_person);
	tcase_add_test(t, of_two_lines_the_later_one_counts);
	tcase_add_test(t, what_is_malformed_is_told_with_its_line);
	tcase_add_test(t, a_line_comes_back);
	tcase_add_test(t, names_are_those_of_mysql);
	tcase_add_test(t, many_people_are_found);
	suite_add_tcase(s, t);
	return unit_run(s);
}
