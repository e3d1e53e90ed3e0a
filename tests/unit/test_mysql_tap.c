/*
 * What goes on in a session, told from both directions: commands with their
 * outcomes, in whatever pieces the bytes come, and nothing a client sends
 * makes up a command or hides one.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "session/mysql_tap.h"
#include "unit.h"

#define B(text)	(text), sizeof(text) - 1

/* What one side says: a packet, or bytes as they are. */
struct saying {
	char		 who;		/* 'c', 's'; 'C', 'S': no header */
	uint8_t		 seq;
	const char	*p;
	size_t		 len;
};

struct end {
	uint8_t	*buf;			/* not yet passed */
	size_t	 len;
	size_t	 passed;
	bool	 stop;
};

static struct mysql_tap	 tap;
static struct end	 client, server;
static char		 told[4096];
static size_t		 ntold;
static bool		 refuse;

static void __attribute__((format(printf, 1, 2)))
tell(const char *fmt, ...)
{
	va_list	 ap;

	va_start(ap, fmt);
	ntold += (size_t)vsnprintf(told + ntold, sizeof(told) - ntold, fmt,
	    ap);
	va_end(ap);
	ck_assert_uint_lt(ntold, sizeof(told));
}

static bool
on_done(void *ctx, struct mysql_tap_command *c)
{
	static const char	*const outcomes[] = {
		"unanswered", "ok", "rows", "error", "denied",
	};

	ck_assert_ptr_eq(ctx, &told);
	tell("%02x", c->command);
	if (c->len > 0)
		tell("(%.*s)", (int)c->len, (const char *)c->payload);
	if (c->len != c->total)
		tell("of %ju", (uintmax_t)c->total);
	tell(" %s", outcomes[c->outcome]);
	if (c->rows > 0)
		tell(" rows=%ju", (uintmax_t)c->rows);
	if (c->affected > 0)
		tell(" affected=%ju", (uintmax_t)c->affected);
	if (c->error > 0)
		tell(" error=%d", c->error);
	if (c->command == MYSQL_COM_STMT_PREPARE && c->outcome == QUERY_DONE)
		tell(" id=%u params=%u", c->prepared.id, c->prepared.params);
	if (c->schema.p != NULL)
		tell(" schema=%.*s", (int)c->schema.len,
		    (const char *)c->schema.p);
	tell("\n");
	return !refuse;
}

static void
begin(uint32_t caps)
{
	free(client.buf);
	free(server.buf);
	client = server = (struct end){ .buf = NULL };
	tap = (struct mysql_tap){
		.caps = caps | MYSQL_CAP_PROTOCOL_41, .keep = 256,
		.done = on_done, .ctx = told,
	};
	ntold = 0;
	told[0] = '\0';
	refuse = false;
}

static void
finish(void)
{
	mysql_tap_end(&tap);
	free(client.buf);
	free(server.buf);
	client = server = (struct end){ .buf = NULL };
}

/* Bytes come to one side, and pass as far as they may. */
static void
come(struct end *e, const void *p, size_t n)
{
	size_t	 passed;

	e->buf = mem_resize(e->buf, e->len + n, 1);
	if (n > 0)
		memcpy(e->buf + e->len, p, n);
	e->len += n;
	if (e->stop)
		return;
	passed = e == &client ?
	    mysql_tap_client(&tap, e->buf, e->len, &e->stop) :
	    mysql_tap_server(&tap, e->buf, e->len, &e->stop);
	ck_assert_uint_le(passed, e->len);
	memmove(e->buf, e->buf + passed, e->len - passed);
	e->len -= passed;
	e->passed += passed;
}

/* What a session does with a client that was stopped. */
static void
go_on(void)
{
	while (client.stop && tap.stop != MYSQL_TAP_FAILED &&
	    mysql_tap_is_ready(&tap)) {
		if (tap.ncommands == 0 && !tap.file &&
		    tap.stop != MYSQL_TAP_WAIT)
			return;
		client.stop = false;
		come(&client, "", 0);
	}
}

static void
say(char who, uint8_t seq, const void *p, size_t len, size_t piece)
{
	struct end	*e = who == 'c' || who == 'C' ? &client : &server;
	const uint8_t	 header[4] = {
		(uint8_t)len, (uint8_t)(len >> 8), (uint8_t)(len >> 16), seq,
	};
	uint8_t		*all = mem_calloc(1, len + sizeof(header));
	size_t		 n = 0, at = 0, some;

	if (who == 'c' || who == 's') {
		memcpy(all, header, sizeof(header));
		n = sizeof(header);
	}
	if (len > 0)
		memcpy(all + n, p, len);
	n += len;
	for (; at < n; at += some) {
		some = n - at < piece ? n - at : piece;
		come(e, all + at, some);
		go_on();
	}
	free(all);
}

/* The same in pieces of every size; what is told must be `want'. */
static void
expect(uint32_t caps, const struct saying *s, size_t n, const char *want)
{
	static const size_t	 pieces[] = { 1, 2, 3, 5, 7, 64, 1 << 25 };

	for (size_t i = 0; i < nitems(pieces); i++) {
		begin(caps);
		for (size_t k = 0; k < n; k++)
			say(s[k].who, s[k].seq, s[k].p, s[k].len, pieces[i]);
		ck_assert_msg(tap.stop != MYSQL_TAP_FAILED, "%s after:\n%s",
		    tap.why, told);
		ck_assert_uint_eq(client.len, 0);
		ck_assert_uint_eq(server.len, 0);
		ck_assert_str_eq(told, want);
		finish();
		ck_assert_str_eq(told, want);
	}
}

#define EXPECT(caps, s, want)	expect((caps), (s), nitems(s), (want))

#define OK	"\0\0\0\x02\0\0\0"
#define COUNT1	"\x01"
#define DEF	"\x03" "def"
#define EOF0	"\xfe\0\0\x02\0"
#define END_OK	"\xfe\0\0\x02\0\0\0"
#define ERR	"\xff\x48\x04#42000No"

START_TEST(results_are_counted)
{
	static const struct saying	 s[] = {
		{ 'c', 0, B("\x03" "select 1") },
		{ 's', 1, B(COUNT1) }, { 's', 2, B(DEF) }, { 's', 3, B(EOF0) },
		{ 's', 4, B("\x01" "a") }, { 's', 5, B("\xfb") },
		{ 's', 6, B(EOF0) },
		{ 'c', 0, B("\x03" "update") },
		{ 's', 1, B("\0\x05\0\x02\0\0\0") },
		{ 'c', 0, B("\x03" "bad") }, { 's', 1, B(ERR) },
		{ 'c', 0, B("\x0e") }, { 's', 1, B(OK) },
		{ 'c', 0, B("\x01") },
	};

	EXPECT(0, s, "03(select 1) rows rows=2\n03(update) ok affected=5\n"
	    "03(bad) error error=1096\n0e ok\n01 ok\n");
}
END_TEST

START_TEST(without_eofs_rows_end_in_an_ok)
{
	static const struct saying	 s[] = {
		{ 'c', 0, B("\x03" "select 1") },
		{ 's', 1, B(COUNT1) }, { 's', 2, B(DEF) },
		{ 's', 3, B("\x01" "a") }, { 's', 4, B("\xfe\0\0\x0a\0\0\0") },
		{ 's', 5, B("\x02") }, { 's', 6, B(DEF) }, { 's', 7, B(DEF) },
		{ 's', 8, B(END_OK) },
		{ 'c', 0, B("\x03" "x") }, { 's', 1, B(OK) },
	};

	EXPECT(MYSQL_CAP_DEPRECATE_EOF, s, "03(select 1) rows rows=1\n"
	    "03(x) ok\n");
}
END_TEST

/* Rows of the text protocol may begin with the byte of an EOF. */
START_TEST(a_row_that_looks_like_an_end_is_none)
{
	static uint8_t	 row[300];
	const char	*want = "03(q) rows rows=2\n";

	memset(row, 'x', sizeof(row));
	row[0] = 0xfe;
	begin(0);
	say('c', 0, B("\x03q"), 1);
	say('s', 1, B(COUNT1), 1);
	say('s', 2, B(DEF), 1);
	say('s', 3, B(EOF0), 1);
	say('s', 4, row, sizeof(row), 7);
	say('s', 5, row, 9, 7);
	ck_assert_str_eq(told, "");
	say('s', 6, B(EOF0), 1);
	ck_assert_str_eq(told, want);
	finish();
}
END_TEST

START_TEST(errors_end_rows_and_several_results)
{
	static const struct saying	 s[] = {
		{ 'c', 0, B("\x03" "a;b;c") },
		{ 's', 1, B("\0\x02\0\x0a\0\0\0") },
		{ 's', 2, B(COUNT1) }, { 's', 3, B(DEF) }, { 's', 4, B(EOF0) },
		{ 's', 5, B("\x01" "a") }, { 's', 6, B("\xfe\0\0\x0a\0") },
		{ 's', 7, B("\0\x03\0\x0a\0\0\0") },
		{ 's', 8, B(ERR) },
		{ 'c', 0, B("\x03" "d") },
		{ 's', 1, B(COUNT1) }, { 's', 2, B(DEF) }, { 's', 3, B(EOF0) },
		{ 's', 4, B("\x01" "a") }, { 's', 5, B(ERR) },
		{ 'c', 0, B("\x0e") }, { 's', 1, B(OK) },
	};

	EXPECT(0, s, "03(a;b;c) error rows=1 affected=5 error=1096\n"
	    "03(d) error rows=1 error=1096\n0e ok\n");
}
END_TEST

START_TEST(a_prepared_statement_is_followed)
{
	static const struct saying	 s[] = {
		{ 'c', 0, B("\x16" "select ?,?") },
		{ 's', 1, B("\0\x07\0\0\0\x02\0\x02\0\0\0\0") },
		{ 's', 2, B(DEF) }, { 's', 3, B(DEF) }, { 's', 4, B(EOF0) },
		{ 's', 5, B(DEF) }, { 's', 6, B(DEF) }, { 's', 7, B(EOF0) },
		/* No answer: told at once. */
		{ 'c', 0, B("\x18xxxx") },
		{ 'c', 0, B("\x17" "args") },
		/* A cursor: rows come later. */
		{ 's', 1, B(COUNT1) }, { 's', 2, B(DEF) },
		{ 's', 3, B("\xfe\0\0\x42\0") },
		{ 'c', 0, B("\x1c" "four") },
		{ 's', 1, B("\0\0a") }, { 's', 2, B("\xfe\0\0\x82\0") },
		{ 'c', 0, B("\x19iiii") },
		{ 'c', 0, B("\x16" "do 1") },
		{ 's', 1, B("\0\x08\0\0\0\0\0\0\0\0\0\0") },
	};

	EXPECT(0, s, "16(select ?,?) ok id=7 params=2\n18(xxxx) ok\n"
	    "17(args) rows\n1c(four) rows rows=1\n19(iiii) ok\n"
	    "16(do 1) ok id=8 params=0\n");
}
END_TEST

START_TEST(commands_may_be_ahead_of_answers)
{
	static const struct saying	 s[] = {
		{ 'c', 0, B("\x16" "p") }, { 'c', 0, B("\x17" "e") },
		{ 'c', 0, B("\x19iiii") }, { 'c', 0, B("\x0e") },
		{ 's', 1, B("\0\x08\0\0\0\0\0\0\0\0\0\0") },
		{ 's', 1, B("\0\x01\0\x02\0\0\0") }, { 's', 1, B(OK) },
	};

	EXPECT(0, s, "16(p) ok id=8 params=0\n17(e) ok affected=1\n"
	    "19(iiii) ok\n0e ok\n");
}
END_TEST

/* What a file is made of looks like commands, and is none. */
START_TEST(a_local_file_holds_no_commands)
{
	static const struct saying	 s[] = {
		{ 'c', 0, B("\x03" "load") }, { 's', 1, B("\xfb" "/f") },
		{ 'c', 0, B("\x03" "drop table a") },
		{ 'c', 0, B("\x01") }, { 'c', 0, B("\x11") },
		{ 'c', 4, B("") },
		{ 's', 5, B("\0\x03\0\x02\0\0\0") },
		{ 'c', 0, B("\x03" "q") }, { 's', 1, B(OK) },
	};

	EXPECT(MYSQL_CAP_LOCAL_FILES, s, "03(load) ok affected=3\n"
	    "03(q) ok\n");
}
END_TEST

/* A full packet and the empty one behind it are one message, not an end. */
START_TEST(a_full_packet_ends_no_file)
{
	uint8_t	*full = mem_calloc(1, MYSQL_PACKET_MAX);

	begin(MYSQL_CAP_LOCAL_FILES);
	say('c', 0, B("\x03" "load"), 64);
	say('s', 1, B("\xfb" "/f"), 64);
	say('c', 2, full, MYSQL_PACKET_MAX, 1 << 25);
	say('c', 3, "", 0, 64);
	say('c', 0, B("\x03" "drop"), 64);
	say('c', 5, "", 0, 64);
	say('s', 6, B(OK), 64);
	ck_assert_str_eq(told, "03(load) ok\n");
	finish();
	free(full);
}
END_TEST

/* What was sent ahead of the answer may be of a file, as the server sees it. */
START_TEST(what_follows_a_query_waits_where_files_may_be_asked_for)
{
	begin(MYSQL_CAP_LOCAL_FILES);
	say('c', 0, B("\x03" "load"), 64);
	say('c', 0, B("\x03" "drop"), 64);
	ck_assert(client.stop);
	ck_assert_int_eq(tap.stop, MYSQL_TAP_WAIT);
	ck_assert_uint_eq(client.passed, 9);
	ck_assert(!mysql_tap_is_ready(&tap));
	say('s', 1, B("\xfb" "/f"), 64);
	go_on();
	ck_assert_uint_eq(client.passed, 18);
	say('c', 0, "", 0, 64);
	say('s', 1, B(OK), 64);
	ck_assert_str_eq(told, "03(load) ok\n");
	/* The same, and no file is asked for. */
	say('c', 0, B("\x03" "one"), 64);
	say('c', 0, B("\x03" "two"), 64);
	say('s', 1, B(OK), 64);
	go_on();
	say('s', 1, B(OK), 64);
	ck_assert_str_eq(told, "03(load) ok\n03(one) ok\n03(two) ok\n");
	finish();
}
END_TEST

START_TEST(a_long_command_is_kept_in_part)
{
	uint8_t	*p = mem_calloc(1, MYSQL_PACKET_MAX + 10);
	char	 want[512];

	memset(p, 'x', MYSQL_PACKET_MAX + 10);
	p[0] = MYSQL_COM_QUERY;
	begin(0);
	say('c', 0, p, MYSQL_PACKET_MAX, 100000);
	ck_assert_str_eq(told, "");
	/* What continues is no command. */
	p[0] = MYSQL_COM_QUIT;
	say('c', 1, p, 10, 3);
	say('s', 2, B(OK), 64);
	snprintf(want, sizeof(want), "03(%.256s)of %u ok\n", (char *)p + 1,
	    MYSQL_PACKET_MAX - 1 + 10);
	ck_assert_str_eq(told, want);
	finish();
	free(p);
}
END_TEST

START_TEST(a_command_of_exactly_one_packet_is_not_over)
{
	uint8_t	*p = mem_calloc(1, MYSQL_PACKET_MAX);

	p[0] = MYSQL_COM_STMT_SEND_LONG_DATA;
	begin(0);
	say('c', 0, p, MYSQL_PACKET_MAX, 1 << 25);
	ck_assert_str_eq(told, "");
	say('c', 1, "", 0, 1);
	ck_assert_uint_gt(ntold, 0);
	finish();
	free(p);
}
END_TEST

START_TEST(a_change_of_user_and_what_is_denied_stop_the_client)
{
	static const uint8_t	 deny[32] = { 1 << MYSQL_COM_DROP_DB };

	begin(0);
	tap.deny = deny;
	say('c', 0, B("\x0e"), 64);
	say('c', 0, B("\x11" "bob\0"), 64);
	ck_assert_int_eq(tap.stop, MYSQL_TAP_CHANGE_USER);
	ck_assert(!mysql_tap_is_ready(&tap));
	ck_assert_uint_eq(client.passed, 5);
	say('s', 1, B(OK), 64);
	ck_assert(mysql_tap_is_ready(&tap));
	ck_assert_uint_eq(client.len, 9);
	/* Others lead it, and take its bytes. */
	client.len = 0;
	client.stop = false;
	ck_assert(mysql_tap_others(&tap, MYSQL_COM_CHANGE_USER,
	    (struct mysql_bytes){ (const uint8_t *)"bob", 3 }, 3, QUERY_DONE,
	    0));
	say('c', 0, B("\x06" "shop"), 64);
	ck_assert_int_eq(tap.stop, MYSQL_TAP_DENY);
	ck_assert(mysql_tap_is_ready(&tap));
	ck_assert_str_eq(told, "0e ok\n11(bob) ok\n");
	finish();
}
END_TEST

/* Else who logged in by a code would become another without one. */
START_TEST(a_change_of_user_that_is_denied_is_none)
{
	static const uint8_t	 deny[32] = {
		[MYSQL_COM_CHANGE_USER / 8] = 1 << MYSQL_COM_CHANGE_USER % 8,
	};

	begin(0);
	tap.deny = deny;
	say('c', 0, B("\x11" "bob\0"), 64);
	ck_assert_int_eq(tap.stop, MYSQL_TAP_DENY);
	finish();
}
END_TEST

START_TEST(no_more_than_so_many_wait_for_answers)
{
	begin(0);
	for (size_t i = 0; i < MYSQL_TAP_COMMANDS; i++)
		say('c', 0, B("\x0e"), 64);
	ck_assert(!client.stop);
	say('c', 0, B("\x0e"), 64);
	ck_assert(client.stop);
	ck_assert_uint_eq(client.len, 5);
	say('s', 1, B(OK), 64);
	go_on();
	ck_assert(!client.stop);
	ck_assert_uint_eq(client.len, 0);
	finish();
	/* Those that were not answered are told of as well. */
	ck_assert_ptr_nonnull(strstr(told, "0e ok\n0e unanswered\n"));
}
END_TEST

static const struct {
	const char	*why;
	struct saying	 s[4];
} lies[] = {
	{ "the client's packets are out of order", {
	    { 'c', 1, B("\x0e") } } },
	{ "the server speaks unasked", { { 's', 1, B(OK) } } },
	{ "the server answers what it has not heard", {
	    { 'C', 0, B("\x05\0\0\0\x03q") }, { 's', 1, B(OK) } } },
	{ "what the server answers cannot be followed", {
	    { 'c', 0, B("\x03q") }, { 's', 1, B("\xfb" "f") } } },
	{ "what the server answers cannot be followed", {
	    { 'c', 0, B("\x03q") }, { 's', 1, B("") } } },
	{ "what the server answers cannot be followed", {
	    { 'c', 0, B("\x03q") }, { 's', 1, B("\x01\x01") } } },
	{ "what the server answers cannot be followed", {
	    { 'c', 0, B("\x03q") }, { 's', 1, B(COUNT1) },
	    { 's', 2, B(DEF) }, { 's', 3, B(DEF) } } },
	{ "what the server answers cannot be followed", {
	    { 'c', 0, B("\x0e") }, { 's', 1, B("\x05" "hello") } } },
	{ "what the server answers cannot be followed", {
	    { 'c', 0, B("\x16p") }, { 's', 1, B("\0\x01") } } },
};

START_TEST(what_cannot_be_followed_passes_no_more)
{
	begin(0);
	for (size_t i = 0; i < 4 && lies[_i].s[i].who != 0; i++)
		say(lies[_i].s[i].who, lies[_i].s[i].seq, lies[_i].s[i].p,
		    lies[_i].s[i].len, 1 << 25);
	ck_assert_int_eq(tap.stop, MYSQL_TAP_FAILED);
	ck_assert_str_eq(tap.why, lies[_i].why);
	ck_assert(client.stop || server.stop);
	ck_assert_uint_gt(client.len + server.len, 0);
	ck_assert(mysql_tap_is_ready(&tap));
	finish();
}
END_TEST

START_TEST(a_server_may_say_that_the_session_is_over)
{
	static const struct saying	 s[] = {
		{ 'c', 0, B("\x0e") }, { 's', 1, B(OK) },
		{ 's', 0, B("\xff\xbf\x0f#HY000timeout") },
	};

	EXPECT(0, s, "0e ok\n");
}
END_TEST

START_TEST(an_early_error_ends_a_command_that_is_still_sent)
{
	begin(0);
	say('C', 0, B("\x11\0\0\0\x03too "), 64);
	say('s', 1, B(ERR), 64);
	ck_assert_str_eq(told, "03(too )of 16 error error=1096\n");
	say('C', 0, B("long to hear"), 64);
	say('c', 0, B("\x0e"), 64);
	say('s', 1, B(OK), 64);
	ck_assert_str_eq(told, "03(too )of 16 error error=1096\n0e ok\n");
	finish();
}
END_TEST

START_TEST(a_server_tells_which_schema_is_in_use)
{
	static const struct saying	 s[] = {
		{ 'c', 0, B("\x03" "use shop") },
		{ 's', 1, B("\0\0\0\x02\x40\0\0\0\x07\x01\x05\x04shop") },
	};

	EXPECT(MYSQL_CAP_SESSION_TRACK, s, "03(use shop) ok schema=shop\n");
}
END_TEST

START_TEST(replicas_are_followed)
{
	static const struct saying	 s[] = {
		{ 'c', 0, B("\x12pppp") },
		{ 's', 1, B("\0event") }, { 's', 2, B("\0event") },
		{ 'c', 0, B("\xef" "ack") },
		{ 's', 3, B(EOF0) },
		{ 'c', 0, B("\x03q") }, { 's', 1, B(OK) },
	};

	EXPECT(0, s, "12(pppp) rows rows=2\n03(q) ok\n");
}
END_TEST

START_TEST(who_is_told_may_end_it)
{
	begin(0);
	refuse = true;
	say('c', 0, B("\x0e"), 64);
	say('s', 1, B(OK), 64);
	ck_assert(server.stop);
	ck_assert_int_eq(tap.stop, MYSQL_TAP_FAILED);
	ck_assert_uint_eq(server.passed, 0);
	finish();
}
END_TEST

int
main(void)
{
	Suite	*suite = suite_create("mysql_tap");
	TCase	*tc = tcase_create("all");

	tcase_add_test(tc, results_are_counted);
	tcase_add_test(tc, without_eofs_rows_end_in_an_ok);
	tcase_add_test(tc, a_row_that_looks_like_an_end_is_none);
	tcase_add_test(tc, errors_end_rows_and_several_results);
	tcase_add_test(tc, a_prepared_statement_is_followed);
	tcase_add_test(tc, commands_may_be_ahead_of_answers);
	tcase_add_test(tc, a_local_file_holds_no_commands);
	tcase_add_test(tc, a_full_packet_ends_no_file);
	tcase_add_test(tc,
	    what_follows_a_query_waits_where_files_may_be_asked_for);
	tcase_add_test(tc, a_long_command_is_kept_in_part);
	tcase_add_test(tc, a_command_of_exactly_one_packet_is_not_over);
	tcase_add_test(tc,
	    a_change_of_user_and_what_is_denied_stop_the_client);
	tcase_add_test(tc, a_change_of_user_that_is_denied_is_none);
	tcase_add_test(tc, no_more_than_so_many_wait_for_answers);
	tcase_add_loop_test(tc, what_cannot_be_followed_passes_no_more, 0,
	    (int)nitems(lies));
	tcase_add_test(tc, a_server_may_say_that_the_session_is_over);
	tcase_add_test(tc, an_early_error_ends_a_command_that_is_still_sent);
	tcase_add_test(tc, a_server_tells_which_schema_is_in_use);
	tcase_add_test(tc, replicas_are_followed);
	tcase_add_test(tc, who_is_told_may_end_it);
	suite_add_tcase(suite, tc);
	return unit_run(suite);
}
