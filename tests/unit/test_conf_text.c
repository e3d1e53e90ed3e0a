#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "policy/conf_text.h"
#include "unit.h"

#define TEXT(s)	s, sizeof(s) - 1

static const char *
check(const char *text, size_t len, unsigned int *line)
{
	char		*exact = malloc(len > 0 ? len : 1);
	const char	*why;

	/* No byte more, so that a sanitizer sees the edge. */
	ck_assert_ptr_nonnull(exact);
	memcpy(exact, text, len);
	*line = 0;
	why = conf_text_check(exact, len, line);
	free(exact);
	return why;
}

static const struct {
	const char	*text;
	size_t		 len;
} good[] = {
	{ TEXT("") },
	{ TEXT("a = 0; b = 10; c = -1; d = +1;") },
	{ TEXT("a = 2147483647; b = -2147483648;") },
	{ TEXT("a = 5000000000L; b = -5000000000L;") },
	{ TEXT("a = 0.5; b = 5000000000.5; c = 1e10; d = 00.5;") },
	{ TEXT("a = 0x10; b = 0x7fffffff; c = 0x7fffffffffffffffL;") },
	{ TEXT("a5000000000 = 1; b-010 = 1; c_010 = 1; *010 = 1;") },
	{ TEXT("a = \"5000000000 010\";") },
	{ TEXT("a = \"\\\" 5000000000 \\\\\"; b = \"\\x01\\x10\";") },
	{ TEXT("a = \"\\\\x00\";") },
	{ TEXT("# 5000000000 \\x00 \"\n// 010 \"\n/* 010 \" \n ** / */") },
	{ TEXT("a = \"# not a comment\"; /") },
	{ TEXT("a = \"cut") },
	{ TEXT("a = \"cut\\") },
	{ TEXT("a = \"cut\\x0") },
	{ TEXT("/* cut *") },
	{ TEXT("/*") },
	{ TEXT("/") },
	{ TEXT("-") },
	{ TEXT("\xff\xfe") },
};

START_TEST(what_is_read_as_it_stands_is_let_through)
{
	unsigned int	 line;

	ck_assert_pstr_eq(check(good[_i].text, good[_i].len, &line), NULL);
}
END_TEST

#define LARGE	"a number beyond 2147483647 would be read as another; an L " \
		"behind it helps"
#define ZERO	"a number that begins with 0 would be read as decimal: " \
		"write it without"
#define X00	"\\x00 would end the string there"
#define NUL	"a NUL byte; a configuration is text"

static const struct {
	const char	*text;
	size_t		 len;
	unsigned int	 line;
	const char	*why;
} bad[] = {
	{ TEXT("a = 2147483648;"),		1, LARGE },
	{ TEXT("a = +2147483648;"),		1, LARGE },
	{ TEXT("a = -2147483649;"),		1, LARGE },
	{ TEXT("\n\na = 5000000000;"),		3, LARGE },
	{ TEXT("a=5000000000"),			1, LARGE },
	{ TEXT("a = 99999999999999999999;"),	1, LARGE },
	{ TEXT("a = (1, 5000000000);"),		1, LARGE },
	{ TEXT("a = \"x\"; b = 5000000000;"),	1, LARGE },
	{ TEXT("a = \"x\ny\";\nb = 5000000000;"), 3, LARGE },
	{ TEXT("/* \n */ b = 5000000000;"),	2, LARGE },
	{ TEXT("// \"\nb = 5000000000;"),	2, LARGE },
	{ TEXT("# \"\nb = 5000000000;"),	2, LARGE },
	{ TEXT("/* \" */b = 5000000000;"),	1, LARGE },
	{ TEXT("a = \"\\\\\"; b = 5000000000;"), 1, LARGE },
	{ TEXT("a = 0x100000002;"),		1, NULL },	/* 2 */
	{ TEXT("a = 010;"),			1, ZERO },
	{ TEXT("a = -010;"),			1, ZERO },
	{ TEXT("a = 00;"),			1, ZERO },
	{ TEXT("a = 010L;"),			1, ZERO },
	{ TEXT("a = \"x\\x00y\";"),		1, X00 },
	{ TEXT("a = \"x\n\\n\\x00\";"),		2, X00 },
	{ TEXT("a = 1;\n\0b = 1;"),		2, NUL },
	{ TEXT("\0"),				1, NUL },
	{ TEXT("# x\0"),			1, NUL },
	{ TEXT("a = \"x\0y\";"),		1, NUL },
	{ TEXT("a = 010;\n\0"),			1, ZERO },
};

START_TEST(what_would_be_misread_is_told_with_its_line)
{
	const char	*why;
	unsigned int	 line;

	why = check(bad[_i].text, bad[_i].len, &line);
	ck_assert_ptr_nonnull(why);
	ck_assert_uint_eq(line, bad[_i].line);
	if (bad[_i].why != NULL)
		ck_assert_str_eq(why, bad[_i].why);
}
END_TEST

int
main(void)
{
	Suite	*s = suite_create("conf_text");
	TCase	*tc = tcase_create("conf_text");

	suite_add_tcase(s, tc);
	tcase_add_loop_test(tc, what_is_read_as_it_stands_is_let_through, 0,
	    (int)nitems(good));
	tcase_add_loop_test(tc, what_would_be_misread_is_told_with_its_line,
	    0, (int)nitems(bad));
	return unit_run(s);
}
