/*
 * Records of a session: the statement that was prepared and its values, who
 * runs it and in which schema, without secrets.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "session/mysql_recorder.h"
#include "unit.h"

#define B(text)	(text), sizeof(text) - 1
#define OK	"\0\0\0\x02\0\0\0"

static struct mysql_recorder	 rec;
static uint8_t			 commands[32];
static char			 told[8192];
static size_t			 ntold;

static bool
on_record(void *ctx, const struct query_record *q)
{
	char	 line[8192];
	size_t	 n;

	ck_assert_ptr_eq(ctx, &told);
	ck_assert_uint_le(query_record_room(q), sizeof(line));
	n = query_record_text(q, false, line);
	/* From the label on, without the session's id and the times. */
	line[n - 1] = '\0';
	ck_assert_ptr_nonnull(strstr(line, " first_ms="));
	*strstr(line, " first_ms=") = '\0';
	ck_assert_ptr_nonnull(strstr(line, "\tid="));
	memmove(strstr(line, "\tid=") + 1, strstr(line, "\tid=") + 21,
	    strlen(strstr(line, "\tid=") + 21) + 1);
	ntold += (size_t)snprintf(told + ntold, sizeof(told) - ntold, "%s\n",
	    strstr(line, "; ") + 2);
	ck_assert_uint_lt(ntold, sizeof(told));
	return true;
}

static void
set_up(void)
{
	memset(&rec, 0, sizeof(rec));
	memset(commands, 0xff, sizeof(commands));
	rec.tap.caps = MYSQL_CAP_PROTOCOL_41;
	rec.tap.keep = 256;
	rec.commands = commands;
	rec.redact = true;
	rec.send = on_record;
	rec.ctx = told;
	rec.q.user = (struct mysql_bytes){ (const uint8_t *)"app", 3 };
	mysql_recorder_begin(&rec, (struct mysql_bytes){ NULL, 0 });
	ntold = 0;
	told[0] = '\0';
}

static void
tear_down(void)
{
	mysql_recorder_end(&rec);
}

static void
say(char who, uint8_t seq, const void *p, size_t len)
{
	uint8_t	*all = mem_calloc(1, len + 4);
	bool	 stop;
	size_t	 n;

	all[0] = (uint8_t)len;
	all[1] = (uint8_t)(len >> 8);
	all[2] = (uint8_t)(len >> 16);
	all[3] = seq;
	if (len > 0)
		memcpy(all + 4, p, len);
	n = who == 'c' ? mysql_tap_client(&rec.tap, all, len + 4, &stop) :
	    mysql_tap_server(&rec.tap, all, len + 4, &stop);
	ck_assert_msg(!stop, "%s", rec.tap.why);
	ck_assert_uint_eq(n, len + 4);
	free(all);
}

/* A statement with so many parameters, as number 7. */
static void
prepare(const char *sql, uint8_t params)
{
	uint8_t	 answer[] = {
		0, 7, 0, 0, 0, 0, 0, params, 0, 0, 0, 0,
	};
	char	 buf[300];

	snprintf(buf, sizeof(buf), "\x16%s", sql);
	say('c', 0, buf, strlen(buf));
	say('s', 1, answer, sizeof(answer));
	for (uint8_t i = 0; i < params; i++)
		say('s', 2, B("\x03" "def"));
	if (params > 0)
		say('s', 3, B("\xfe\0\0\x02\0"));
}

static void
expect(const char *want)
{
	ck_assert_str_eq(told, want);
	ntold = 0;
	told[0] = '\0';
}

START_TEST(a_statement_is_recorded_with_its_values)
{
	prepare("insert into t values (?, ?)", 2);
	say('c', 0, B("\x17\x07\0\0\0\0\x01\0\0\0\0\x01\x03\0\xfe\0"
	    "\x11\0\0\0\x03" "abc"));
	say('s', 1, B("\0\x01\0\x02\0\0\0"));
	/* Types are those of before; the first is NULL. */
	say('c', 0, B("\x17\x07\0\0\0\0\x01\0\0\0\x01\0\x01" "z"));
	say('s', 1, B(OK));
	expect("Prepare Query: insert into t values (?, ?)\tuser=app end=ok\n"
	    "Prepare Args: (17, 'abc'); insert into t values (?, ?)\tuser=app "
	    "end=ok affected=1\n"
	    "Prepare Args: (NULL, 'z'); insert into t values (?, ?)\tuser=app "
	    "end=ok\n");
}
END_TEST

START_TEST(what_was_sent_ahead_is_part_of_it_once)
{
	prepare("insert into t values (?)", 1);
	say('c', 0, B("\x18\x07\0\0\0\0\0hello "));
	say('c', 0, B("\x18\x07\0\0\0\0\0world"));
	say('c', 0, B("\x17\x07\0\0\0\0\x01\0\0\0\0\x01\xfc\0"));
	say('s', 1, B(OK));
	expect("Prepare Query: insert into t values (?)\tuser=app end=ok\n"
	    "Long Data: 7\tuser=app end=ok\nLong Data: 7\tuser=app end=ok\n"
	    "Prepare Args: ('hello world'); insert into t values (?)\t"
	    "user=app end=ok\n");
	say('c', 0, B("\x17\x07\0\0\0\0\x01\0\0\0\0\0\x02" "no"));
	say('s', 1, B(OK));
	expect("Prepare Args: ('no'); insert into t values (?)\tuser=app "
	    "end=ok\n");
}
END_TEST

START_TEST(the_last_prepared_may_be_run_by_no_number)
{
	say('c', 0, B("\x16" "do ?"));
	say('c', 0, B("\x17\xff\xff\xff\xff\0\x01\0\0\0\0\x01\x01\0\x05"));
	say('s', 1, B("\0\x09\0\0\0\0\0\x01\0\0\0\0"));
	say('s', 2, B("\x03" "def"));
	say('s', 3, B("\xfe\0\0\x02\0"));
	say('s', 1, B(OK));
	expect("Prepare Query: do ?\tuser=app end=ok\n"
	    "Prepare Args: (5); do ?\tuser=app end=ok\n");
	/* It could not be prepared: none is the last. */
	say('c', 0, B("\x16" "bad"));
	say('s', 1, B("\xff\x48\x04#42000No"));
	say('c', 0, B("\x17\xff\xff\xff\xff\0\x01\0\0\0"));
	say('s', 1, B("\xff\x48\x04#42000No"));
	expect("Prepare Query: bad\tuser=app end=error error=1096\n"
	    "Prepare Args: (...); \tuser=app end=error error=1096\n");
}
END_TEST

START_TEST(a_closed_statement_is_forgotten)
{
	prepare("do ?", 1);
	say('c', 0, B("\x19\x07\0\0\0"));
	say('c', 0, B("\x17\x07\0\0\0\0\x01\0\0\0\0\x01\x01\0\x05"));
	say('s', 1, B("\xff\xdb\x04#HY000Unknown"));
	expect("Prepare Query: do ?\tuser=app end=ok\n"
	    "Close stmt: 7\tuser=app end=ok\n"
	    "Prepare Args: (...); \tuser=app end=error error=1243\n");
}
END_TEST

START_TEST(secrets_are_not_recorded)
{
	say('c', 0, B("\x03" "create user u identified by 'geheim123'"));
	say('s', 1, B(OK));
	prepare("set password = ?", 1);
	say('c', 0, B("\x17\x07\0\0\0\0\x01\0\0\0\0\x01\xfe\0\x03" "geh"));
	say('s', 1, B(OK));
	ck_assert_ptr_null(strstr(told, "geh"));
	expect("Query: create user u identified by '<secret>'\tuser=app "
	    "end=ok\nPrepare Query: set password = ?\tuser=app end=ok\n"
	    "Prepare Args: (<secret>); set password = ?\tuser=app end=ok\n");
}
END_TEST

START_TEST(the_schema_in_use_is_known)
{
	say('c', 0, B("\x02shop"));
	say('s', 1, B(OK));
	say('c', 0, B("\x03" " USE `a b` "));
	say('s', 1, B(OK));
	say('c', 0, B("\x03" "use no"));
	say('s', 1, B("\xff\x48\x04#42000No"));
	say('c', 0, B("\x03" "q"));
	say('s', 1, B(OK));
	expect("schema: use shop\tuser=app end=ok\n"
	    "Query:  USE `a b` \tuser=app db=shop end=ok\n"
	    "Query: use no\tuser=app db=\"a b\" end=error error=1096\n"
	    "Query: q\tuser=app db=\"a b\" end=ok\n");
}
END_TEST

START_TEST(another_user_begins_anew)
{
	prepare("do ?", 1);
	rec.q.user = (struct mysql_bytes){ (const uint8_t *)"bob", 3 };
	ck_assert(mysql_recorder_changed(&rec, (struct mysql_bytes){
	    (const uint8_t *)"bank", 4 }, QUERY_DONE, 0));
	say('c', 0, B("\x17\x07\0\0\0\0\x01\0\0\0\0\x01\x01\0\x05"));
	say('s', 1, B("\xff\xdb\x04#HY000Unknown"));
	expect("Prepare Query: do ?\tuser=app end=ok\n"
	    "Change user: bob\tuser=bob db=bank end=ok\n"
	    "Prepare Args: (...); \tuser=bob db=bank end=error "
	    "error=1243\n");
}
END_TEST

START_TEST(commands_may_be_left_out_but_what_is_denied)
{
	memset(commands, 0, sizeof(commands));
	commands[0] = 1 << MYSQL_COM_QUERY;
	prepare("do 1", 0);
	say('c', 0, B("\x17\x07\0\0\0\0\x01\0\0\0"));
	say('s', 1, B(OK));
	say('c', 0, B("\x03" "q"));
	say('s', 1, B(OK));
	ck_assert(mysql_tap_others(&rec.tap, MYSQL_COM_SHUTDOWN,
	    (struct mysql_bytes){ NULL, 0 }, 0, QUERY_DENIED, 1227));
	expect("Query: q\tuser=app end=ok\n"
	    "Shutdown: \tuser=app end=denied error=1227\n");
}
END_TEST

START_TEST(attributes_of_a_query_are_no_part_of_it)
{
	rec.tap.caps |= MYSQL_CAP_QUERY_ATTRIBUTES;
	say('c', 0, B("\x03\x01\x01\0\x01\xfe\0\x04name\x05value"
	    "select 1"));
	say('s', 1, B(OK));
	say('c', 0, B("\x03\0\x01select 2"));
	say('s', 1, B(OK));
	expect("Query: select 1\tuser=app end=ok\n"
	    "Query: select 2\tuser=app end=ok\n");
}
END_TEST

START_TEST(a_long_statement_is_cut)
{
	char	 sql[1000], want[400];

	memset(sql, 'x', sizeof(sql));
	sql[0] = MYSQL_COM_QUERY;
	say('c', 0, sql, sizeof(sql));
	say('s', 1, B(OK));
	snprintf(want, sizeof(want), "Query: %.256s\tuser=app cut=999 "
	    "end=ok\n", sql + 1);
	expect(want);
}
END_TEST

START_TEST(no_more_statements_are_known_than_may)
{
	struct mysql_statements	 m = { .n = 0 };
	struct mysql_prepared	 p = { .params = 3 };

	for (uint32_t i = 0; i < MYSQL_STATEMENTS_MAX + 10; i++) {
		p.id = i;
		(void)mysql_statements_add(&m, &p, "select", 6);
		/* The first is used, so others give way. */
		ck_assert_ptr_nonnull(mysql_statements_find(&m, 0));
	}
	ck_assert_uint_eq(m.n, MYSQL_STATEMENTS_MAX);
	ck_assert_ptr_null(mysql_statements_find(&m, 1));
	ck_assert_ptr_null(mysql_statements_find(&m, 10));
	ck_assert_ptr_nonnull(mysql_statements_find(&m, 11));
	mysql_statements_clear(&m);
	ck_assert_uint_eq(m.n, 0);
	ck_assert_uint_eq(m.bytes, 0);
}
END_TEST

START_TEST(what_is_sent_ahead_is_bounded)
{
	struct mysql_statements	 m = { .n = 0 };
	struct mysql_prepared	 p = { .id = 1, .params = 2 };
	struct mysql_statement	*s = mysql_statements_add(&m, &p, "s", 1);

	mysql_statements_ahead(&m, 1, 0, (const uint8_t *)"abcdef", 6, 6, 8);
	mysql_statements_ahead(&m, 1, 0, (const uint8_t *)"ghijkl", 6, 90, 8);
	mysql_statements_ahead(&m, 1, 2, (const uint8_t *)"x", 1, 1, 8);
	mysql_statements_ahead(&m, 2, 0, (const uint8_t *)"x", 1, 1, 8);
	ck_assert(s->long_data[0].is_sent && !s->long_data[1].is_sent);
	ck_assert_uint_eq(s->long_data[0].len, 96);
	ck_assert_uint_eq(s->long_data[0].kept.len, 8);
	ck_assert_mem_eq(s->long_data[0].kept.p, "abcdefgh", 8);
	mysql_statements_clear(&m);
	ck_assert_uint_eq(m.bytes, 0);
}
END_TEST

int
main(void)
{
	Suite	*s = suite_create("mysql_recorder");
	TCase	*tc = tcase_create("mysql_recorder");

	suite_add_tcase(s, tc);
	tcase_add_checked_fixture(tc, set_up, tear_down);
	tcase_add_test(tc, a_statement_is_recorded_with_its_values);
	tcase_add_test(tc, what_was_sent_ahead_is_part_of_it_once);
	tcase_add_test(tc, the_last_prepared_may_be_run_by_no_number);
	tcase_add_test(tc, a_closed_statement_is_forgotten);
	tcase_add_test(tc, secrets_are_not_recorded);
	tcase_add_test(tc, the_schema_in_use_is_known);
	tcase_add_test(tc, another_user_begins_anew);
	tcase_add_test(tc, commands_may_be_left_out_but_what_is_denied);
	tcase_add_test(tc, attributes_of_a_query_are_no_part_of_it);
	tcase_add_test(tc, a_long_statement_is_cut);
	tcase_add_test(tc, no_more_statements_are_known_than_may);
	tcase_add_test(tc, what_is_sent_ahead_is_bounded);
	return unit_run(s);
}
