/* Netroxy's commands, read as they come: whole, in pieces, and wrong. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "wire/netroxy.h"
#include "unit.h"

#define TOKEN	"0123456789abcdef0123456789abcdef"

static const struct {
	const char		*text;
	enum netroxy_command	 command;
	uint32_t		 port;
	bool			 ok;
} good[] = {
	{ "ATH\nhost-1f\nalice\nse cret\n", NETROXY_ATH, 0, false },
	{ "ATH\n\n\n\n", NETROXY_ATH, 0, false },
	{ "ARS\ntrue\n100\n" TOKEN "\n", NETROXY_ARS, 0, true },
	{ "ARS\nfalse\n", NETROXY_ARS, 0, false },
	{ "MAP\n13389\n127.0.0.1:3389\ntrue\n", NETROXY_MAP, 13389, true },
	{ "MAP\n0\n:1\nfalse\n", NETROXY_MAP, 0, false },
	{ "MAP\n99999\n\ntrue\n", NETROXY_MAP, 99999, true },
	{ "MRS\n13389\ntrue\n", NETROXY_MRS, 13389, true },
	{ "MRS\n13389\nfalse\n", NETROXY_MRS, 13389, false },
	{ "TRQ\n13389\n", NETROXY_TRQ, 13389, false },
	{ "TRS\n" TOKEN "\n13389\n", NETROXY_TRS, 13389, false },
	{ "SRQ\n", NETROXY_SRQ, 0, false },
	{ "SRS\n", NETROXY_SRS, 0, false },
};

static const char *const	 bad[] = {
	"MAP\nx\n:1\ntrue\n", "MAP\n-1\n:1\ntrue\n", "MAP\n1\n:1\nyes\n",
	"MAP\n1234567890\n:1\ntrue\n", "MAP\n\n:1\ntrue\n",
	"MAP\n1\r\n:1\ntrue\n", "MRS\n1\n\n", "ARS\nTrue\n", "TRQ\n1 \n",
	"TRS\n\n1\n", "ARS\ntrue\n1\n\n",
	"TRS\n" TOKEN TOKEN "0\n1\n",
};

START_TEST(each_command_is_read_as_it_was_written)
{
	const char	*text = good[_i].text;
	size_t		 len = strlen(text);
	struct netroxy	 m;
	char		 buf[NETROXY_MAX];
	uint8_t		*exact = unit_exact(text, len);

	ck_assert_int_eq(netroxy_decode((char *)exact, len, &m),
	    (ssize_t)len);
	ck_assert_int_eq(m.command, good[_i].command);
	ck_assert_uint_eq(m.port, good[_i].port);
	ck_assert_int_eq(m.ok, good[_i].ok);
	ck_assert_int_eq(netroxy_encode(&m, buf, sizeof(buf)), (ssize_t)len);
	ck_assert_mem_eq(buf, text, len);
	ck_assert_int_eq(netroxy_encode(&m, buf, len), -1);
	free(exact);
}
END_TEST

START_TEST(what_follows_is_left_and_less_is_waited_for)
{
	const char	*text = good[_i].text;
	size_t		 len = strlen(text);
	struct netroxy	 m;
	char		 more[NETROXY_MAX];

	snprintf(more, sizeof(more), "%s%s", text, "SSH-2.0-banner\n");
	ck_assert_int_eq(netroxy_decode(more, strlen(more), &m),
	    (ssize_t)len);
	for (size_t i = 0; i < len; i++) {
		uint8_t	*exact = unit_exact(text, i);

		ck_assert_int_eq(netroxy_decode((char *)exact, i, &m), 0);
		free(exact);
	}
}
END_TEST

START_TEST(what_is_none_is_refused)
{
	struct netroxy	 m;

	ck_assert_int_eq(netroxy_decode(bad[_i], strlen(bad[_i]), &m), -1);
}
END_TEST

START_TEST(a_nul_is_no_text)
{
	static const char	 text[] = "TRS\n\0" TOKEN "\n13389\n";
	struct netroxy		 m = {
		.command = NETROXY_TRS, .port = 1, .token = { "a\0b", 3 },
	};
	char			 buf[NETROXY_MAX];

	ck_assert_int_eq(netroxy_encode(&m, buf, sizeof(buf)), -1);
	ck_assert_int_eq(netroxy_decode(text, sizeof(text) - 1, &m), -1);
}
END_TEST

START_TEST(texts_are_those_that_were_said)
{
	static const char	 text[] = "ATH\nhost\nalice\nsecret\n";
	struct netroxy		 m;

	ck_assert_int_gt(netroxy_decode(text, strlen(text), &m), 0);
	ck_assert(netroxy_is(&m.client, "host"));
	ck_assert(netroxy_is(&m.user, "alice"));
	ck_assert(netroxy_is(&m.password, "secret"));
	ck_assert(!netroxy_is(&m.password, "secre"));
	m.password = (struct netroxy_text){ "a\nb", 3 };
	ck_assert_int_eq(netroxy_encode(&m, (char[99]){ 0 }, 99), -1);
}
END_TEST

START_TEST(other_lines_are_passed_over_and_long_ones_are_not)
{
	char		 line[2 * NETROXY_LINE_MAX];
	struct netroxy	 m;

	ck_assert_int_eq(netroxy_decode("HELLO\nSRQ\n", 10, &m), 6);
	ck_assert_int_eq(m.command, NETROXY_OTHER);
	memset(line, 'x', sizeof(line));
	ck_assert_int_eq(netroxy_decode(line, NETROXY_LINE_MAX - 1, &m), 0);
	ck_assert_int_eq(netroxy_decode(line, NETROXY_LINE_MAX, &m), -1);
	line[NETROXY_LINE_MAX - 1] = '\n';
	ck_assert_int_eq(netroxy_decode(line, sizeof(line), &m),
	    NETROXY_LINE_MAX);
	memcpy(line, "ATH\n", 4);
	ck_assert_int_eq(netroxy_decode(line, 4 + NETROXY_LINE_MAX, &m), 0);
}
END_TEST

int
main(void)
{
	Suite	*s = suite_create("netroxy");
	TCase	*tc = tcase_create("netroxy");

	suite_add_tcase(s, tc);
	tcase_add_loop_test(tc, each_command_is_read_as_it_was_written, 0,
	    (int)nitems(good));
	tcase_add_loop_test(tc, what_follows_is_left_and_less_is_waited_for,
	    0, (int)nitems(good));
	tcase_add_loop_test(tc, what_is_none_is_refused, 0,
	    (int)nitems(bad));
	tcase_add_test(tc, a_nul_is_no_text);
	tcase_add_test(tc, texts_are_those_that_were_said);
	tcase_add_test(tc,
	    other_lines_are_passed_over_and_long_ones_are_not);
	return unit_run(s);
}
