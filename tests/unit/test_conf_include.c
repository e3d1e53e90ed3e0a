#include <sys/stat.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "policy/conf_include.h"
#include "unit.h"

/* Where the files of a test are; messages have it before their names. */
static const char		*folder;
static struct conf_report	 report;
static struct conf_include	*inc;
static size_t			 left;

static void
set_up(void)
{
	folder = unit_folder();
	report = (struct conf_report){ .errors = NULL };
	inc = NULL;
	left = CONF_TOTAL_MAX;
}

static void
tear_down(void)
{
	conf_include_free(&inc);
	ck_assert_ptr_null(inc);
	conf_include_free(&inc);
	conf_report_free(&report);
	unit_folder_remove();
}

static char *
path(const char *name)
{
	return mem_printf("%s/%s", folder, name);
}

static void
put(const char *name, const char *text)
{
	char	*p = path(name);
	FILE	*out = fopen(p, "we");

	ck_assert_ptr_nonnull(out);
	fputs(text, out);
	ck_assert_int_eq(fclose(out), 0);
	free(p);
}

static void
take(const char *name)
{
	char	*p = path(name);

	inc = conf_include_file(p, &left, &report);
	free(p);
}

static void
expect_whole(const char *want)
{
	ck_assert_msg(inc != NULL, "%s", report.nerrors > 0 ?
	    report.errors[0] : "no reason");
	ck_assert_str_eq(conf_include_whole(inc), want);
}

static void
expect_place(unsigned int whole_line, const char *name, unsigned int line)
{
	char		*p = path(name);
	unsigned int	 at;

	ck_assert_str_eq(conf_include_place(inc, whole_line, &at), p);
	ck_assert_uint_eq(at, line);
	free(p);
}

/* The error without the folder, which each test has its own of. */
static void
expect_error(size_t i, const char *want)
{
	char	*text, *p;
	size_t	 len = strlen(folder) + 1;

	ck_assert_uint_lt(i, report.nerrors);
	text = mem_strdup(report.errors[i]);
	while ((p = strstr(text, folder)) != NULL)
		memmove(p, p + len, strlen(p + len) + 1);
	ck_assert_str_eq(text, want);
	free(text);
}

static void
expect_refused(const char *want)
{
	ck_assert_ptr_null(inc);
	ck_assert_uint_eq(report.nerrors, 1);
	expect_error(0, want);
}

START_TEST(a_file_that_includes_none_stands_as_it_is)
{
	put("a", "one\n\ntwo");
	take("a");
	expect_whole("one\n\ntwo");
	expect_place(1, "a", 1);
	expect_place(3, "a", 3);
	ck_assert_uint_eq(left, CONF_TOTAL_MAX - 8);
}
END_TEST

START_TEST(an_empty_file_is_an_empty_whole)
{
	put("a", "");
	take("a");
	expect_whole("");
	expect_place(1, "a", 1);
}
END_TEST

START_TEST(what_is_included_stands_in_place_of_its_line)
{
	put("a", "a1\n@include \"b\" # more\na3\n@include \"c\"\n");
	put("b", "b1\n@include \"c\"\nb3");
	put("c", "c1\nc2\n");
	take("a");
	expect_whole("a1\nb1\nc1\nc2\n\nb3\n # more\na3\nc1\nc2\n\n");
	expect_place(1, "a", 1);
	expect_place(2, "b", 1);
	expect_place(3, "c", 1);
	expect_place(4, "c", 2);
	expect_place(5, "b", 2);
	expect_place(6, "b", 3);
	expect_place(7, "a", 2);
	expect_place(8, "a", 3);
	expect_place(9, "c", 1);
	expect_place(10, "c", 2);
	expect_place(11, "a", 4);
}
END_TEST

START_TEST(a_name_is_relative_to_the_file_that_has_it)
{
	char	*sub = path("sub"), *abs;

	ck_assert_int_eq(mkdir(sub, 0700), 0);
	abs = mem_printf("@include \"../b\"\n@include \"%s/c\"\n"
	    "@include \"d \\\"q\\\" \\\\\"\n", folder);
	put("a", "@include \"sub/a\"\n");
	put("sub/a", abs);
	put("b", "b\n");
	put("c", "c\n");
	put("sub/d \"q\" \\", "d\n");
	ck_assert_int_eq(chdir("/"), 0);
	take("a");
	expect_whole("b\n\nc\n\nd\n\n\n");
	expect_place(1, "sub/../b", 1);
	expect_place(3, "c", 1);
	free(abs);
	free(sub);
}
END_TEST

START_TEST(text_includes_from_the_folder_of_its_name)
{
	char	*name = path("text");

	put("b", "b\n");
	inc = conf_include_text(name, "@include \"b\"", 12, &left, &report);
	expect_whole("b\n");
	free(name);
	conf_include_free(&inc);
	ck_assert_int_eq(chdir(folder), 0);
	inc = conf_include_text("f", "@include \"b\"", 12, &left, &report);
	expect_whole("b\n");
	ck_assert_int_eq(chdir("/"), 0);
}
END_TEST

static const struct {
	const char	*text, *error;
} bad[] = {
	{ "\n@include \"none\"", "a:2: @include: none: No such file or "
	    "directory" },
	{ "@include \".\"", "a:1: @include: .: Is a directory" },
	{ "@include \"/dev/zero\"",
	    "a:1: @include: /dev/zero: not a regular file" },
	{ "@include \"fifo\"",
	    "a:1: @include: fifo: not a regular file" },
	{ "@include \"a\"", "a:1: @include: a: it includes itself" },
	{ "@include \"link\"", "a:1: @include: link: it includes itself" },
	{ "@include \"b\"", "b:2: @include: a: it includes itself" },
	{ "@include \"\"", "a:1: @include: want a file's name in quotes" },
	{ "@include \"a\n\"", "a:1: @include: want a file's name in quotes" },
	{ "\n@include \"number\"", "number:2: a number that begins with 0 "
	    "would be read as decimal: write it without" },
	{ "@include \"comment\"\n*/", "comment:1: a comment that has no end" },
	{ "@include \"string\"\n", "string:1: a string that has no end" },
	{ "@include \"large\"", "a:1: @include: large: longer than 1 MiB, so "
	    "no configuration" },
};

static void
put_bad_files(void)
{
	char	*p = path("link"), *large = mem_calloc(CONF_FILE_MAX + 2, 1);

	ck_assert_int_eq(symlink("a", p), 0);
	free(p);
	p = path("fifo");
	ck_assert_int_eq(mkfifo(p, 0600), 0);
	free(p);
	memset(large, ' ', CONF_FILE_MAX + 1);
	put("large", large);
	free(large);
	put("b", "\n@include \"a\"\n");
	put("number", "\na = 010;\n");
	put("comment", "/* \n");
	put("string", "a = \" \n");
}

START_TEST(what_cannot_be_included_is_told_with_its_place)
{
	put_bad_files();
	put("a", bad[_i].text);
	take("a");
	expect_refused(bad[_i].error);
}
END_TEST

START_TEST(each_mistake_is_told_in_one_run)
{
	put_bad_files();
	put("a", "@include \"x\"\n@include \"number\"\n@include \"y\"\n");
	take("a");
	ck_assert_ptr_null(inc);
	ck_assert_uint_eq(report.nerrors, 3);
	expect_error(0, "a:1: @include: x: No such file or directory");
	expect_error(1, "number:2: a number that begins with 0 would be read "
	    "as decimal: write it without");
	expect_error(2, "a:3: @include: y: No such file or directory");
}
END_TEST

START_TEST(files_include_each_other_up_to_ten_deep)
{
	char	 name[16], text[32];

	for (int i = 0; i < 10; i++) {
		snprintf(name, sizeof(name), "%d", i);
		snprintf(text, sizeof(text), "@include \"%d\"\n", i + 1);
		put(name, text);
	}
	put("10", "");
	take("0");
	ck_assert_ptr_nonnull(inc);
	conf_include_free(&inc);
	put("10", "@include \"11\"\n");
	put("11", "");
	take("0");
	expect_refused("10:1: @include: 11: more than 10 files deep");
}
END_TEST

START_TEST(there_is_a_limit_to_files)
{
	char	*text = NULL;
	size_t	 len;
	FILE	*out = open_memstream(&text, &len);

	ck_assert_ptr_nonnull(out);
	for (int i = 0; i < 2000; i++)
		fputs("@include \"b\"\n", out);
	fclose(out);
	put("a", text);
	put("b", "");
	take("a");
	expect_refused("a:1000: @include: b: more than 1000 files");
	free(text);
}
END_TEST

START_TEST(there_is_a_limit_to_all_files_together)
{
	char	*text = mem_calloc(CONF_FILE_MAX + 1, 1);

	memset(text, '\n', CONF_FILE_MAX);
	put("b", text);
	put("a", "@include \"b\"\n@include \"b\"\n@include \"b\"\n"
	    "@include \"b\"\n@include \"b\"\n");
	take("a");
	expect_refused("a:4: @include: b: all files together are longer than "
	    "4 MiB");
	conf_report_free(&report);
	left = 10;
	take("a");
	expect_refused("a: all files together are longer than 4 MiB");
	free(text);
}
END_TEST

int
main(void)
{
	Suite	*s = suite_create("conf_include");
	TCase	*tc = tcase_create("conf_include");

	suite_add_tcase(s, tc);
	tcase_add_checked_fixture(tc, set_up, tear_down);
	tcase_add_test(tc, a_file_that_includes_none_stands_as_it_is);
	tcase_add_test(tc, an_empty_file_is_an_empty_whole);
	tcase_add_test(tc, what_is_included_stands_in_place_of_its_line);
	tcase_add_test(tc, a_name_is_relative_to_the_file_that_has_it);
	tcase_add_test(tc, text_includes_from_the_folder_of_its_name);
	tcase_add_loop_test(tc,
	    what_cannot_be_included_is_told_with_its_place, 0,
	    (int)nitems(bad));
	tcase_add_test(tc, each_mistake_is_told_in_one_run);
	tcase_add_test(tc, files_include_each_other_up_to_ten_deep);
	tcase_add_test(tc, there_is_a_limit_to_files);
	tcase_add_test(tc, there_is_a_limit_to_all_files_together);
	return unit_run(s);
}
