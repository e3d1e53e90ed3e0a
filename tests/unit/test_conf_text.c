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
#define STRING	"a string that has no end"
#define COMMENT	"a comment that has no end"
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
	{ TEXT("a = \"x\n\0"),			2, NUL },
	{ TEXT("\n/* x\n\0*/"),			3, NUL },
	{ TEXT("a = \"cut"),			1, STRING },
	{ TEXT("\na = \"\n\ncut\\"),		2, STRING },
	{ TEXT("a = \"cut\\x0"),		1, STRING },
	{ TEXT("a = 1;\n/* cut\n *"),		2, COMMENT },
	{ TEXT("/*"),				1, COMMENT },
	{ TEXT("/*/"),				1, COMMENT },
	{ TEXT("/* /* */ \"*/"),		1, STRING },
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

static const struct {
	const char	*text;
	const char	*names[3];
	unsigned int	 lines[3];
} walks[] = {
	{ "", { NULL }, { 0 } },
	{ "@include \"a\"", { "a" }, { 1 } },
	{ "\n \t@include \t \"a b\" x = 1;\n@include\t\"/c\"\n",
	    { "a b", "/c" }, { 2, 3 } },
	{ "@include \"a\"@include \"b\"", { "a" }, { 1 } },
	{ "@include \"a\\\"b\\\\\"\n", { "a\\\"b\\\\" }, { 1 } },
	{ "@include \"\"\n", { "" }, { 1 } },
	{ "@include \"a\n\"\"\n@include \"b\"", { "", "b" }, { 1, 3 } },
	/* What libconfig does not take for one. */
	{ "x = 1; @include \"a\"", { NULL }, { 0 } },
	{ "@include\"a\"", { NULL }, { 0 } },
	{ "@include a", { NULL }, { 0 } },
	{ "@includes \"a\"", { NULL }, { 0 } },
	{ "include \"a\"", { NULL }, { 0 } },
	{ "# @include \"a\"\n// @include \"b\"\n", { NULL }, { 0 } },
	{ "/*\n@include \"a\"\n*/ @include \"b\"\n", { NULL }, { 0 } },
	{ "/*\n*/\n@include \"b\"\n", { "b" }, { 3 } },
	{ "x = \"\n@include \\\"a\\\"\n\";\n@include \"b\"", { "b" }, { 4 } },
	{ "// \"\n@include \"a\"\n// \"", { "a" }, { 2 } },
	/* Cut. */
	{ "@", { NULL }, { 0 } },
	{ "@include", { NULL }, { 0 } },
	{ "@include ", { NULL }, { 0 } },
	{ "@include \"", { "" }, { 1 } },
	{ "@include \"a", { "" }, { 1 } },
	{ "@include \"a\\", { "" }, { 1 } },
};

START_TEST(what_is_included_is_what_libconfig_would_include)
{
	size_t			 len = strlen(walks[_i].text), n = 0;
	char			*exact = malloc(len > 0 ? len : 1);
	struct conf_walk	 w;
	struct conf_directive	 d;

	ck_assert_ptr_nonnull(exact);
	memcpy(exact, walks[_i].text, len);
	conf_walk_init(&w, exact, len);
	for (; n < 3 && walks[_i].names[n] != NULL; n++) {
		ck_assert(conf_walk_include(&w, &d));
		ck_assert_uint_eq(d.len, strlen(walks[_i].names[n]));
		ck_assert_mem_eq(d.name, walks[_i].names[n], d.len);
		ck_assert_uint_eq(d.line, walks[_i].lines[n]);
		ck_assert(d.start >= exact && d.end <= exact + len);
		ck_assert_ptr_eq(w.p, d.end);
	}
	ck_assert(!conf_walk_include(&w, &d));
	free(exact);
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
	tcase_add_loop_test(tc,
	    what_is_included_is_what_libconfig_would_include, 0,
	    (int)nitems(walks));
	return unit_run(s);
}
