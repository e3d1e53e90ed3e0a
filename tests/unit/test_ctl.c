#include <sys/socket.h>
#include <sys/un.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ctl/link.h"
#include "ctl/show.h"
#include "ctl/text.h"
#include "unit.h"

static const struct {
	uint64_t	 bytes;
	const char	*text;
} sizes[] = {
	{ 0, "0" }, { 1, "1" }, { 999, "999" }, { 1000, "1.0k" },
	{ 1024, "1.0k" }, { 1229, "1.2k" }, { 10240, "10k" },
	{ 999 * 1024, "999k" }, { 1023 * 1024, "1.0M" },
	{ 1258291, "1.2M" }, { 1ull << 30, "1.0G" }, { 1ull << 40, "1.0T" },
	{ 1ull << 50, "1.0P" }, { UINT64_MAX, "16E" },
};

START_TEST(bytes_are_told_in_four_characters)
{
	char	 buf[TEXT_FIGURE_MAX];

	ck_assert_str_eq(text_bytes(sizes[_i].bytes, buf), sizes[_i].text);
	ck_assert_uint_le(strlen(buf), 4);
}
END_TEST

static const struct {
	int64_t		 ms;
	const char	*text;
} ages[] = {
	{ -5, "0ms" }, { 0, "0ms" }, { 999, "999ms" }, { 1000, "1s" },
	{ 59999, "59s" }, { 60000, "1m00s" }, { 192000, "3m12s" },
	{ 3599999, "59m59s" }, { 3600000, "1h00m" }, { 7500000, "2h05m" },
	{ 86400000, "1d00h" }, { INT64_MAX, "106751991167d07h" },
};

START_TEST(ages_are_told_in_two_units)
{
	char	 buf[TEXT_FIGURE_MAX];

	ck_assert_str_eq(text_age(ages[_i].ms, buf), ages[_i].text);
}
END_TEST

static const struct {
	const char	*text, *safe;
} texts[] = {
	{ "", "" },
	{ "10.0.0.1:80", "10.0.0.1:80" },
	{ "gr\xc3\xbc\xc3\x9f", "gr\xc3\xbc\xc3\x9f" },
	{ "\xf0\x9f\x90\x96", "\xf0\x9f\x90\x96" },
	{ "a\033[2Jb", "a\\x1b[2Jb" },
	{ "a\nb\tc\rd\x7f", "a\\x0ab\\x09c\\x0dd\\x7f" },
	{ "\xc2\x9b" "31m", "\\u009b31m" },		/* CSI in one */
	{ "\xe2\x80\xae" "cba", "\\u202ecba" },		/* right to left */
	{ "\xff\xfe", "\\xff\\xfe" },
	{ "\xc0\x8a", "\\xc0\\x8a" },			/* overlong newline */
	{ "\xe0\x80\x9b", "\\xe0\\x80\\x9b" },
	{ "\xed\xa0\x80", "\\xed\\xa0\\x80" },		/* surrogate */
	{ "\xe2\x80", "\\xe2\\x80" },			/* cut */
	{ "\x9b", "\\x9b" },
};

START_TEST(no_text_steers_a_terminal)
{
	char	*safe = text_safe(texts[_i].text);

	ck_assert_str_eq(safe, texts[_i].safe);
	free(safe);
}
END_TEST

/* What a function prints, to be freed. */
static char		*printed;
static size_t		 printed_len;

static FILE *
open_print(void)
{
	free(printed);
	return open_memstream(&printed, &printed_len);
}

START_TEST(columns_are_aligned_and_numbers_stand_to_the_right)
{
	struct table	*t = table_new("NAME N> LAST");
	FILE		*f = open_print();

	table_cell(t, "gr\xc3\xbc\xc3\x9f" "e");
	table_number(t, 5);
	table_cell(t, "x");
	table_cell(t, "");
	table_number(t, 1234);
	table_cell(t, "\033");
	table_print(t, f);
	fclose(f);
	table_free(&t);
	ck_assert_ptr_null(t);
	ck_assert_str_eq(printed,
	    "NAME      N  LAST\n"
	    "gr\xc3\xbc\xc3\x9f" "e     5  x\n"
	    "-      1234  \\x1b\n");
}
END_TEST

static json_t *
parse(const char *text)
{
	json_error_t	 error;
	json_t		*v = json_loads(text, 0, &error);

	ck_assert_msg(v != NULL, "%s", error.text);
	return v;
}

static const char	 sessions[] = "["
"{\"session\":{\"id\":\"0a\",\"pid\":7,\"listener\":\"db\","
"\"client\":\"1.2.3.4:5\",\"server\":\"\",\"age_ms\":50,\"up\":10,"
"\"down\":2048}},"
"{\"session\":{\"id\":\"0b\",\"pid\":8,\"listener\":\"a\\u001b\","
"\"client\":\"[::1]:5\",\"tls\":\"TLSv1.3\",\"user\":\"joe\","
"\"server\":\"10.0.0.1:3306\",\"age_ms\":192000,"
"\"up\":9000000,\"down\":1}},"
"{\"sessions\":2,\"done\":true,\"status\":0}]";

START_TEST(sessions_are_a_table)
{
	json_t	*v = parse(sessions);
	FILE	*f = open_print();

	show_sessions(v, false, f);
	fclose(f);
	json_decref(v);
	ck_assert_str_eq(printed,
	    "ID  PID  LISTENER  CLIENT     TLS      USER  SERVER           "
	    "AGE    UP  DOWN\n"
	    "0a    7  db        1.2.3.4:5  -        -     -               "
	    "50ms    10  2.0k\n"
	    "0b    8  a\\x1b     [::1]:5    TLSv1.3  joe   10.0.0.1:3306  "
	    "3m12s  8.6M     1\n");
}
END_TEST

static const struct {
	const char	*key;
	size_t		 limit;
	const char	*first;
	size_t		 n;
} orders[] = {
	{ "age", 0, "0b", 2 }, { "up", 0, "0b", 2 }, { "down", 1, "0a", 1 },
	{ "bytes", 0, "0b", 2 }, { "id", 1, "0a", 1 },
	{ "listener", 0, "0b", 2 }, { "server", 0, "0a", 2 },
};

START_TEST(sessions_are_sorted_and_cut)
{
	json_t		*v = parse(sessions), *s;
	const json_t	*first;

	ck_assert(show_can_sort(orders[_i].key));
	s = show_sort(v, orders[_i].key, orders[_i].limit);
	first = json_object_get(json_array_get(s, 0), "session");
	ck_assert_str_eq(json_string_value(json_object_get(first, "id")),
	    orders[_i].first);
	/* What ends the answer stays. */
	ck_assert_uint_eq(json_array_size(s), orders[_i].n + 1);
	json_decref(s);
	json_decref(v);
}
END_TEST

START_TEST(other_words_are_no_order)
{
	ck_assert(!show_can_sort("idle"));
	ck_assert(!show_can_sort(""));
}
END_TEST

START_TEST(rates_come_from_two_answers)
{
	json_t		*before = parse(sessions), *now = parse(sessions);
	json_t		*s;

	s = json_object_get(json_array_get(now, 0), "session");
	json_object_set_new(s, "up", json_integer(2010));
	s = json_object_get(json_array_get(before, 1), "session");
	json_object_set_new(s, "id", json_string("another"));
	show_add_rates(now, before, 500);
	s = json_object_get(json_array_get(now, 0), "session");
	ck_assert_int_eq(json_integer_value(json_object_get(s, "up_rate")),
	    4000);
	ck_assert_int_eq(json_integer_value(json_object_get(s, "down_rate")),
	    0);
	s = json_object_get(json_array_get(now, 1), "session");
	ck_assert_int_eq(json_integer_value(json_object_get(s, "up_rate")),
	    0);
	show_add_rates(now, NULL, 500);
	json_decref(before);
	json_decref(now);
}
END_TEST

START_TEST(other_answers_are_tables_too)
{
	json_t	*v = parse("["
	    "{\"role\":{\"role\":\"spawner\",\"pool\":\"tcp\",\"pid\":9,"
	    "\"generation\":2,\"state\":\"serving\",\"uptime_ms\":1000,"
	    "\"own_root\":true,\"uid\":4294967,\"no_new_privs\":true,"
	    "\"seccomp\":2,\"capabilities\":false}},"
	    "{\"role\":{\"role\":\"keeper\",\"pool\":\"\",\"pid\":10,"
	    "\"generation\":0,\"state\":\"ending\",\"uptime_ms\":1000,"
	    "\"own_root\":false}},"
	    "{\"pool\":{\"pool\":\"tcp\",\"workers\":9,\"idle\":8,"
	    "\"sessions\":1}},"
	    "{\"daemon\":{\"version\":\"1\",\"pid\":1,\"uptime_ms\":5000,"
	    "\"generation\":2,\"listeners\":3,\"sessions\":1}},"
	    "{\"server\":{\"backend\":\"db\",\"server\":\"h:1\","
	    "\"state\":\"up\",\"mode\":\"ready\",\"weight\":1,"
	    "\"sessions\":2,\"max_sessions\":10,\"queued\":0,"
	    "\"failures\":3,\"since_ms\":60000,"
	    "\"addresses\":[\"1.2.3.4:1\",\"1.2.3.5:1\"]}},"
	    "{\"listener\":{\"listener\":\"web\",\"sessions\":1,"
	    "\"max_sessions\":0,\"handshakes\":0,\"max_handshakes\":5}},"
	    "{\"source\":{\"source\":\"10.0.0.1\",\"listener\":\"web\","
	    "\"sessions\":1,\"refused\":2,\"held_ms\":3000}},"
	    "{\"done\":true,\"status\":0}]");
	FILE	*f = open_print();

	show_status(v, f);
	show_servers(v, f);
	show_limits(v, f);
	show_sessions(v, true, f);
	fclose(f);
	json_decref(v);
	ck_assert_str_eq(printed,
"sallyportd 1, process 1, up 5s, generation 2, 3 listeners, 1 sessions\n\n"
"ROLE     POOL  PID  GEN  STATE    UP  USER     CAPS  NEWPRIVS  SECCOMP  ROOT\n"
"spawner  tcp     9    2  serving  1s  4294967  none  no        filter   own\n"
"keeper   -      10    -  ending   1s  ?        ?     ?         ?        host\n"
"\n"
"POOL  SESSIONS  IDLE  WORKERS\n"
"tcp          1     8        9\n"
"BACKEND  SERVER  STATE  SINCE  MODE   WEIGHT  SESSIONS  QUEUED  FAILURES  "
"ADDRESSES\n"
"db       h:1     up     1m00s  ready       1      2/10       0         3  "
"1.2.3.4:1 1.2.3.5:1\n"
"LISTENER  SESSIONS  HANDSHAKES\n"
"web              1         0/5\n"
"\n"
"SOURCE    LISTENER  SESSIONS  REFUSED  HELD\n"
"10.0.0.1  web              1        2    3s\n"
"ID  PID  LISTENER  CLIENT  TLS  USER  SERVER  AGE  UP  DOWN  UP/S  "
"DOWN/S\n");
}
END_TEST

/* A daemon that says what it is told to, whatever it is asked. */
static const struct {
	const char	*says;
	int		 status;
	size_t		 objects;
	const char	*why;
} daemons[] = {
	{ "{\"done\":true,\"status\":0}\n", CTL_OK, 1, "" },
	{ "{\"a\":1}\n{\"done\":true,\"status\":1}\n", CTL_FAILED, 2, "" },
	{ "{\"done\":true,\"status\":2}\n", CTL_USAGE, 1, "" },
	{ "{\"done\":true,\"status\":99}\n", CTL_FAILED, 1, "" },
	{ "{\"done\":true,\"status\":-1}\n", CTL_FAILED, 1, "" },
	{ "{\"a\":1}\n", CTL_NOT_RUNNING, 1, "broke off" },
	{ "", CTL_NOT_RUNNING, 0, "broke off" },
	{ "{\"a\":1", CTL_NOT_RUNNING, 0, "broke off" },
	{ "SSH-2.0\n", CTL_FAILED, 0, "no sallyportd" },
	{ "[1]\n", CTL_FAILED, 0, "no sallyportd" },
};

static void
count(void *ctx, json_t *object)
{
	ck_assert(json_is_object(object));
	(*(size_t *)ctx)++;
}

static int
listen_at(const char *path)
{
	struct sockaddr_un	 un = { .sun_family = AF_UNIX };
	int			 fd = socket(AF_UNIX, SOCK_STREAM, 0);

	snprintf(un.sun_path, sizeof(un.sun_path), "%s", path);
	ck_assert_int_eq(bind(fd, (void *)&un, sizeof(un)), 0);
	ck_assert_int_eq(listen(fd, 8), 0);
	return fd;
}

START_TEST(answers_end_with_done_or_badly)
{
	json_t	*request = json_object();
	char	 path[100], why[512], buf[64];
	size_t	 n = 0;
	int	 lfd, fd;
	pid_t	 pid;

	snprintf(path, sizeof(path), "%s/s", unit_folder());
	lfd = listen_at(path);
	pid = check_fork();
	if (pid == 0) {
		fd = accept(lfd, NULL, NULL);
		(void)!read(fd, buf, sizeof(buf));
		(void)!write(fd, daemons[_i].says, strlen(daemons[_i].says));
		_exit(0);
	}
	close(lfd);
	ck_assert_int_eq(link_ask(path, request, UNIT_MS, count, &n, why,
	    sizeof(why)), daemons[_i].status);
	ck_assert_uint_eq(n, daemons[_i].objects);
	ck_assert_ptr_nonnull(strstr(why, daemons[_i].why));
	ck_assert_int_eq(why[0] == '\0', daemons[_i].why[0] == '\0');
	json_decref(request);
}
END_TEST

START_TEST(a_daemon_that_is_not_there_is_told_from_one_that_is_silent)
{
	json_t	*request = json_object();
	char	 path[100], why[512];
	size_t	 n = 0;
	int	 lfd;

	snprintf(path, sizeof(path), "%s/s", unit_folder());
	ck_assert_int_eq(link_ask(path, request, 50, count, &n, why,
	    sizeof(why)), CTL_NOT_RUNNING);
	ck_assert_ptr_nonnull(strstr(why, "there is no"));
	lfd = listen_at(path);
	ck_assert_int_eq(link_ask(path, request, 50, count, &n, why,
	    sizeof(why)), CTL_FAILED);
	ck_assert_ptr_nonnull(strstr(why, "does not answer"));
	close(lfd);
	ck_assert_int_eq(link_ask(path, request, 50, count, &n, why,
	    sizeof(why)), CTL_NOT_RUNNING);
	ck_assert_ptr_nonnull(strstr(why, "nobody listens"));
	json_decref(request);
}
END_TEST

static void
clean(void)
{
	free(printed);
	printed = NULL;
	unit_folder_remove();
}

#define N(a)	(int)(sizeof(a) / sizeof((a)[0]))

int
main(void)
{
	Suite	*s = suite_create("ctl");
	TCase	*tc = tcase_create("ctl");

	suite_add_tcase(s, tc);
	tcase_add_checked_fixture(tc, NULL, clean);
	tcase_add_loop_test(tc, bytes_are_told_in_four_characters, 0,
	    N(sizes));
	tcase_add_loop_test(tc, ages_are_told_in_two_units, 0, N(ages));
	tcase_add_loop_test(tc, no_text_steers_a_terminal, 0, N(texts));
	tcase_add_test(tc,
	    columns_are_aligned_and_numbers_stand_to_the_right);
	tcase_add_test(tc, sessions_are_a_table);
	tcase_add_loop_test(tc, sessions_are_sorted_and_cut, 0, N(orders));
	tcase_add_test(tc, other_words_are_no_order);
	tcase_add_test(tc, rates_come_from_two_answers);
	tcase_add_test(tc, other_answers_are_tables_too);
	tcase_add_loop_test(tc, answers_end_with_done_or_badly, 0,
	    N(daemons));
	tcase_add_test(tc,
	    a_daemon_that_is_not_there_is_told_from_one_that_is_silent);
	return unit_run(s);
}
