/*
 * A record: encoded and decoded, as a line of text and of JSON.  Whatever a
 * client wrote, there is one line, and nobody else's.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/mem.h"
#include "../fuzz/json.h"
#include "unit.h"
#include "wire/query_record.h"

#define WALL	((uint64_t)1484242052123456)	/* 2017-01-12 17:27:32 UTC */

static struct query_record	 q;
static uint8_t			 list[4096];
static char			*line;

static struct mysql_bytes
bytes(const char *text)
{
	return (struct mysql_bytes){ (const uint8_t *)text, strlen(text) };
}

static void
set_statement(const void *p, size_t len)
{
	q.statement = (struct mysql_bytes){ p, len };
	q.statement_len = len;
}

static void
set_up(void)
{
	setenv("TZ", "UTC", 1);
	tzset();
	q = (struct query_record){
		.session = 0xbc6bb485f5eb8f40, .began_us = WALL,
		.first_us = 210, .total_us = 1233,
		.command = MYSQL_COM_QUERY, .outcome = QUERY_ROWS, .rows = 1,
		.listener = bytes("db"),
		.client = bytes("10.0.21.7:29110"),
		.server = bytes("10.0.21.5:3301"),
		.user = bytes("app"), .charset = bytes("utf8mb4"),
	};
	set_statement("select 1", 8);
}

static void
tear_down(void)
{
	free(line);
	line = NULL;
}

static const char *
text(void)
{
	size_t	 n;

	free(line);
	line = mem_calloc(1, query_record_room(&q) + 1);
	n = query_record_text(&q, true, line);
	ck_assert_uint_eq(strlen(line), n);
	ck_assert_uint_lt(n, query_record_room(&q));
	return line;
}

static const char *
json(void)
{
	size_t	 n;

	free(line);
	line = mem_calloc(1, query_record_room(&q) + 1);
	n = query_record_json(&q, line);
	ck_assert_uint_eq(strlen(line), n);
	ck_assert(json_object(line, n - 1, NULL, NULL));
	ck_assert_int_eq(line[n - 1], '\n');
	return line;
}

static void
expect_bytes(struct mysql_bytes a, struct mysql_bytes want)
{
	ck_assert_uint_eq(a.len, want.len);
	ck_assert(a.len == 0 || memcmp(a.p, want.p, a.len) == 0);
}

/* --- values */

static void
values(void (*fill)(struct wr *w))
{
	struct wr	 w;

	wr_init(&w, list, sizeof(list));
	fill(&w);
	ck_assert(wr_ok(&w));
	q.values = (struct mysql_bytes){ list, wr_len(&w) };
}

static void
some_values(struct wr *w)
{
	query_value_add(w, QUERY_NUMBER, "-17", 3, 3);
	query_value_add(w, QUERY_TEXT, "it's\n", 5, 5);
	query_value_add(w, QUERY_NULL, "", 0, 0);
	query_value_add(w, QUERY_TEXT, "begin", 5, 70000);
	query_value_add(w, QUERY_SECRET, "", 0, 0);
}

static void
two_rows(struct wr *w)
{
	query_value_add(w, QUERY_NUMBER, "1", 1, 1);
	query_value_add(w, QUERY_TEXT, "a", 1, 1);
	query_value_add(w, QUERY_NEXT_ROW, "", 0, 0);
	query_value_add(w, QUERY_UNKNOWN, "DEFAULT", 7, 7);
	query_value_add(w, QUERY_NULL, "", 0, 0);
}

START_TEST(what_was_encoded_is_decoded)
{
	struct query_record	 again;
	uint8_t			 buf[1024], *exact;
	struct rd		 r;
	struct wr		 w;
	size_t			 n;

	q.affected = 7;
	q.error = 1064;
	q.number = 42;
	q.bind_port = 3306;
	q.values_cut = true;
	q.database = bytes("shop");
	q.statement_len = 100;
	values(some_values);
	wr_init(&w, buf, query_record_size(&q));
	query_record_encode(&w, &q);
	ck_assert(wr_ok(&w));
	n = wr_len(&w);
	ck_assert_uint_eq(n, query_record_size(&q));
	rd_init(&r, buf, n);
	ck_assert_int_eq(query_record_decode(&r, &again), 0);
	expect_bytes(again.listener, q.listener);
	expect_bytes(again.client, q.client);
	expect_bytes(again.server, q.server);
	expect_bytes(again.user, q.user);
	expect_bytes(again.database, q.database);
	expect_bytes(again.charset, q.charset);
	expect_bytes(again.statement, q.statement);
	expect_bytes(again.values, q.values);
	ck_assert_uint_eq(again.session, q.session);
	ck_assert_uint_eq(again.began_us, q.began_us);
	ck_assert_uint_eq(again.first_us, q.first_us);
	ck_assert_uint_eq(again.total_us, q.total_us);
	ck_assert_uint_eq(again.command, q.command);
	ck_assert_int_eq(again.outcome, q.outcome);
	ck_assert_uint_eq(again.error, q.error);
	ck_assert_uint_eq(again.rows, q.rows);
	ck_assert_uint_eq(again.affected, q.affected);
	ck_assert_uint_eq(again.number, q.number);
	ck_assert_uint_eq(again.bind_port, q.bind_port);
	ck_assert_uint_eq(again.statement_len, 100);
	ck_assert(again.values_cut);
	for (size_t i = 0; i < n; i++) {
		exact = unit_exact(buf, i);
		rd_init(&r, exact, i);
		ck_assert_int_eq(query_record_decode(&r, &again), -1);
		free(exact);
	}
	buf[n] = 0;
	rd_init(&r, buf, n + 1);
	ck_assert_int_eq(query_record_decode(&r, &again), -1);
}
END_TEST

/* Where a byte is that has few good values: outcome, values_cut. */
START_TEST(nonsense_is_refused)
{
	static const size_t	 at[] = { 33, 66 };
	struct query_record	 again;
	uint8_t			 buf[1024];
	struct rd		 r;
	struct wr		 w;

	wr_init(&w, buf, sizeof(buf));
	query_record_encode(&w, &q);
	buf[at[_i]] = 77;
	rd_init(&r, buf, wr_len(&w));
	ck_assert_int_eq(query_record_decode(&r, &again), -1);
}
END_TEST

START_TEST(a_statement_is_no_longer_than_it_was)
{
	struct query_record	 again;
	uint8_t			 buf[1024];
	struct rd		 r;
	struct wr		 w;

	q.statement_len = 7;
	wr_init(&w, buf, sizeof(buf));
	query_record_encode(&w, &q);
	rd_init(&r, buf, wr_len(&w));
	ck_assert_int_eq(query_record_decode(&r, &again), -1);
}
END_TEST

START_TEST(text_is_what_portproxy_wrote_and_more)
{
	ck_assert_str_eq(text(), "2017/01/12 17:27:32 From 10.0.21.7:29110 "
	    "To 10.0.21.5:3301; Query: select 1\tid=bc6bb485f5eb8f40 "
	    "user=app end=rows rows=1 first_ms=0.210 ms=1.233\n");
	q.command = MYSQL_COM_INIT_DB;
	q.outcome = QUERY_DONE;
	q.database = bytes("a \"b\"\t");
	set_statement("percona", 7);
	ck_assert_str_eq(text(), "2017/01/12 17:27:32 From 10.0.21.7:29110 "
	    "To 10.0.21.5:3301; schema: use percona\tid=bc6bb485f5eb8f40 "
	    "user=app db=\"a \\\"b\\\"\\u0009\" end=ok first_ms=0.210 "
	    "ms=1.233\n");
}
END_TEST

static const struct {
	uint8_t		 command;
	const char	*statement;
	uint32_t	 number;
	const char	*want;
} labels[] = {
	{ MYSQL_COM_QUIT, "", 0, "; Quit: user quit\t" },
	{ MYSQL_COM_FIELD_LIST, "item", 0,
	    "; Query: table columns list: item\t" },
	{ MYSQL_COM_CREATE_DB, "a", 0, "; CreateDB: a\t" },
	{ MYSQL_COM_DROP_DB, "a", 0, "; DropDB: a\t" },
	{ MYSQL_COM_REFRESH, "", 4, "; Refresh: 4\t" },
	{ MYSQL_COM_PROCESS_KILL, "", 17, "; Kill: kill connection 17\t" },
	{ MYSQL_COM_STMT_PREPARE, "select ?", 3,
	    "; Prepare Query: select ?\t" },
	{ MYSQL_COM_STMT_EXECUTE, "do 1", 3, "; Prepare Args: do 1\t" },
	{ MYSQL_COM_CHANGE_USER, "bob", 0, "; Change user: bob\t" },
	{ MYSQL_COM_PING, "", 0, "; Ping: \t" },
	{ 99, "", 0, "; Command: \t" },
};

START_TEST(each_command_has_its_label)
{
	q.command = labels[_i].command;
	q.number = labels[_i].number;
	set_statement(labels[_i].statement, strlen(labels[_i].statement));
	ck_assert_ptr_nonnull(strstr(text(), labels[_i].want));
	(void)json();
}
END_TEST

START_TEST(values_are_told)
{
	q.command = MYSQL_COM_STMT_EXECUTE;
	values(some_values);
	ck_assert_ptr_nonnull(strstr(text(), "; Prepare Args: (-17, "
	    "'it\\'s\\n', NULL, 'begin'... of 70000, <secret>); select 1\t"));
	ck_assert_ptr_nonnull(strstr(json(), "\"values\":[-17,\"it's\\n\","
	    "null,\"begin\",\"<secret>\"],\"outcome\""));
	q.values_cut = true;
	ck_assert_ptr_nonnull(strstr(text(), "<secret>, ...); select"));
	ck_assert_ptr_nonnull(strstr(json(), "],\"values_cut\":true,"));
	values(two_rows);
	q.values_cut = false;
	ck_assert_ptr_nonnull(strstr(text(), "(1, 'a'), (DEFAULT, NULL); "));
	ck_assert_ptr_nonnull(strstr(json(), "\"values\":[[1,\"a\"],"
	    "[\"DEFAULT\",null]]"));
}
END_TEST

static void
odd_number(struct wr *w)
{
	static const char	*const texts[] = {
		"01", "1.", "-", "nan", "1e", "1e+5", "0.5", "-0", "1.5e-7",
	};

	for (size_t i = 0; i < nitems(texts); i++)
		query_value_add(w, QUERY_NUMBER, texts[i], strlen(texts[i]),
		    strlen(texts[i]));
}

START_TEST(a_number_that_json_has_not_is_a_string)
{
	values(odd_number);
	ck_assert_ptr_nonnull(strstr(json(), "[\"01\",\"1.\",\"-\",\"nan\","
	    "\"1e\",1e+5,0.5,-0,1.5e-7]"));
}
END_TEST

START_TEST(a_cut_statement_says_so)
{
	q.statement_len = 20971520;
	ck_assert_ptr_nonnull(strstr(text(), " cut=20971520 "));
	ck_assert_ptr_nonnull(strstr(json(), "\"statement\":\"select 1\","
	    "\"cut\":true,\"statement_length\":20971520,"));
}
END_TEST

START_TEST(a_statement_makes_no_line_of_its_own)
{
	static const char	 forged[] = "select 1\tid=0 user=root\n2017/01/"
				    "12 From a To b; Query: x\r\\n\0\x1b[2J"
				    "\xff\xc2\x9b\"'";
	const char		*p;

	set_statement(forged, sizeof(forged) - 1);
	p = text();
	ck_assert_ptr_nonnull(strstr(p, "Query: select 1\\u0009id=0 "
	    "user=root\\n2017/01/12 From a To b; Query: x\\u000d\\\\n\\u0000"
	    "\\u001b[2J\\xff\\u009b\"'\tid=bc6b"));
	ck_assert_ptr_eq(strchr(p, '\n'), p + strlen(p) - 1);
	ck_assert_ptr_eq(strchr(p, '\t'), strrchr(p, '\t'));
	ck_assert_ptr_nonnull(strstr(json(), "\"statement\":\"select 1\\u0009"
	    "id=0 user=root\\n2017/01/12 From a To b; Query: x\\u000d\\\\n"
	    "\\u0000\\u001b[2J\\udcff\\u009b\\\"'\""));
}
END_TEST

START_TEST(a_string_is_for_a_table)
{
	char	*buf = mem_calloc(1, query_record_room(&q));
	size_t	 n;

	set_statement("a\n\0b", 4);
	n = query_record_string(&q, buf);
	ck_assert_uint_eq(n, 4);
	ck_assert_mem_eq(buf, "a\n\0b", 4);
	ck_assert_str_eq(query_record_label(MYSQL_COM_INIT_DB), "Schema");
	free(buf);
}
END_TEST

START_TEST(the_worst_that_may_come_fits)
{
	char	*p = mem_calloc(1, 70000);

	memset(p, 0x1b, 70000);
	set_statement(p, 70000);
	q.user = q.database = q.client = q.server = q.listener =
	    (struct mysql_bytes){ (uint8_t *)p, 250 };
	values(some_values);
	(void)text();
	(void)json();
	free(p);
}
END_TEST

int
main(void)
{
	Suite	*s = suite_create("query_record");
	TCase	*tc = tcase_create("query_record");

	suite_add_tcase(s, tc);
	tcase_add_checked_fixture(tc, set_up, tear_down);
	tcase_add_test(tc, what_was_encoded_is_decoded);
	tcase_add_loop_test(tc, nonsense_is_refused, 0, 2);
	tcase_add_test(tc, a_statement_is_no_longer_than_it_was);
	tcase_add_test(tc, text_is_what_portproxy_wrote_and_more);
	tcase_add_loop_test(tc, each_command_has_its_label, 0,
	    (int)nitems(labels));
	tcase_add_test(tc, values_are_told);
	tcase_add_test(tc, a_number_that_json_has_not_is_a_string);
	tcase_add_test(tc, a_cut_statement_says_so);
	tcase_add_test(tc, a_statement_makes_no_line_of_its_own);
	tcase_add_test(tc, a_string_is_for_a_table);
	tcase_add_test(tc, the_worst_that_may_come_fits);
	return unit_run(s);
}
