#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/logline.h"
#include "base/mem.h"
#include "../fuzz/json.h"
#include "unit.h"

#define WALL	((uint64_t)1700000000123456)	/* 2023-11-14T22:13:20Z */
#define STAMP	"2023-11-14T22:13:20.123+00:00"

static struct logline	 session;
static char		 out[LOGLINE_TEXT_MAX];

static void
set_up(void)
{
	setenv("TZ", "UTC", 1);
	tzset();
	memset(&session, 0, sizeof(session));
	session.level = LOGLINE_INFO;
	session.wall_us = WALL;
	session.repeat_key = 0xfeedf00d;
	session.role = logline_string("worker");
	session.event = logline_string("session");
	session.text = logline_string("");
	logline_add(&session, LOGLINE_STRING, "client", "127.0.0.1:5");
	logline_add(&session, LOGLINE_NUMBER, "up", "1234");
	logline_add(&session, LOGLINE_NUMBER, "ms", "0.125");
	logline_add(&session, LOGLINE_STRING, "why", "it is over");
}

/* In memory of exactly its size, so that a sanitizer sees the edge. */
static uint8_t *
encode(const struct logline *l, size_t *len)
{
	uint8_t		 buf[LOGLINE_MAX], *exact;
	struct wr	 w;

	wr_init(&w, buf, sizeof(buf));
	logline_encode(&w, l);
	ck_assert(wr_ok(&w));
	*len = wr_len(&w);
	exact = malloc(*len);
	ck_assert_ptr_nonnull(exact);
	memcpy(exact, buf, *len);
	return exact;
}

static void
expect_string(struct logline_string a, struct logline_string want)
{
	ck_assert_uint_eq(a.len, want.len);
	if (want.len > 0)
		ck_assert_mem_eq(a.p, want.p, want.len);
}

static void
expect_same(const struct logline *a, const struct logline *b)
{
	ck_assert_int_eq(a->level, b->level);
	ck_assert_uint_eq(a->wall_us, b->wall_us);
	ck_assert_uint_eq(a->repeat_key, b->repeat_key);
	expect_string(a->role, b->role);
	expect_string(a->event, b->event);
	expect_string(a->text, b->text);
	ck_assert_uint_eq(a->nfields, b->nfields);
	for (size_t i = 0; i < a->nfields; i++) {
		ck_assert_int_eq(a->fields[i].kind, b->fields[i].kind);
		expect_string(a->fields[i].name, b->fields[i].name);
		expect_string(a->fields[i].value, b->fields[i].value);
	}
}

START_TEST(what_was_encoded_is_decoded)
{
	struct logline	 again, empty = { .level = (enum logline_level)_i };
	struct rd	 r;
	uint8_t		*data;
	size_t		 len;

	session.level = (enum logline_level)_i;
	data = encode(&session, &len);
	rd_init(&r, data, len);
	ck_assert_int_eq(logline_decode(&r, &again), 0);
	ck_assert(rd_end(&r));
	expect_same(&again, &session);
	free(data);

	data = encode(&empty, &len);
	rd_init(&r, data, len);
	ck_assert_int_eq(logline_decode(&r, &again), 0);
	expect_same(&again, &empty);
	free(data);
}
END_TEST

START_TEST(a_message_has_its_documented_form)
{
	static const uint8_t	 want[] =
	    "\x02" "\x00\x00\x00\x00\x00\x00\x00\x07" "\x00\x00\x00\x09"
	    "\x00\x01r" "\x00\x02" "ev" "\x00\x00"
	    "\x01" "\x00\x01n" "\x00\x02" "42";
	struct logline		 l = { .level = LOGLINE_INFO, .wall_us = 7,
				    .repeat_key = 9 };
	uint8_t			*data;
	size_t			 len;

	l.role = logline_string("r");
	l.event = logline_string("ev");
	logline_add(&l, LOGLINE_NUMBER, "n", "42");
	data = encode(&l, &len);
	ck_assert_uint_eq(len, sizeof(want) - 1);
	ck_assert_mem_eq(data, want, len);
	free(data);
}
END_TEST

/* Fields go on to the end, so a cut between two of them leaves a message. */
START_TEST(a_cut_message_is_refused_unless_the_cut_is_between_fields)
{
	struct logline	 l, some = session;
	struct rd	 r;
	uint8_t		*data, *cut;
	size_t		 len, whole[LOGLINE_FIELDS_MAX];
	bool		 between;

	for (size_t n = 0; n < session.nfields; n++) {
		some.nfields = n;
		free(encode(&some, &whole[n]));
	}
	data = encode(&session, &len);
	for (size_t i = 0; i < len; i++) {
		between = false;
		for (size_t n = 0; n < session.nfields; n++)
			between |= whole[n] == i;
		cut = malloc(i > 0 ? i : 1);
		ck_assert_ptr_nonnull(cut);
		memcpy(cut, data, i);
		rd_init(&r, cut, i);
		ck_assert_int_eq(logline_decode(&r, &l), between ? 0 : -1);
		free(cut);
	}
	free(data);
}
END_TEST

static const char *const	 numbers[] = {
	"0", "1", "10", "0.5", "0.0", "12.000", "18446744073709551615",
};

START_TEST(a_number_is_digits_and_at_most_one_point)
{
	struct logline	 l = { .level = LOGLINE_INFO }, again;
	struct rd	 r;
	uint8_t		*data;
	size_t		 len;

	logline_add(&l, LOGLINE_NUMBER, "n", numbers[_i]);
	data = encode(&l, &len);
	rd_init(&r, data, len);
	ck_assert_int_eq(logline_decode(&r, &again), 0);
	len = logline_json(&again, 1, out);
	ck_assert(json_object(out, len - 1, NULL, NULL));
	free(data);
}
END_TEST

static const char *const	 no_numbers[] = {
	"", ".", "1.", ".1", "01", "00", "00.1", "1.2.3", "-1", "+1", "1e5",
	"0x1", " 1", "1 ", "1,2", "nan", "1\n", "\"", "1}",
};

START_TEST(a_number_that_is_none_is_refused)
{
	struct logline	 l = { .level = LOGLINE_INFO }, again;
	struct rd	 r;
	uint8_t		*data;
	size_t		 len;

	logline_add(&l, LOGLINE_NUMBER, "n", no_numbers[_i]);
	data = encode(&l, &len);
	rd_init(&r, data, len);
	ck_assert_int_eq(logline_decode(&r, &again), -1);
	free(data);
}
END_TEST

#define HEAD	"\0\0\0\0\0\0\0\0" "\0\0\0\0"
#define BAD(s)	{ s, sizeof(s) - 1 }

static const struct {
	const char	*data;
	size_t		 len;
} bad[] = {
	BAD("\x04" HEAD "\0\0\0\0\0\0"),			/* level */
	BAD("\xff" HEAD "\0\0\0\0\0\0"),
	BAD("\0" HEAD "\0\1" "\0\0\0\0"),			/* role */
	BAD("\0" HEAD "\xff\xff" "\0\0\0\0"),
	BAD("\0" HEAD "\0\0\0\0\0\1"),				/* text */
	BAD("\0" HEAD "\0\0\0\0\0\0" "\2" "\0\1n" "\0\1" "1"),	/* kind */
	BAD("\0" HEAD "\0\0\0\0\0\0" "\xff" "\0\1n" "\0\1" "1"),
	BAD("\0" HEAD "\0\0\0\0\0\0" "\0"),			/* field */
	BAD("\0" HEAD "\0\0\0\0\0\0" "\0" "\0\2n"),
	BAD("\0" HEAD "\0\0\0\0\0\0" "\0" "\0\1n" "\xff\xff" "1"),
	BAD("\0" HEAD "\0\0\0\0\0\0" "\1" "\0\1n" "\0\1" "x"),	/* number */
};

START_TEST(a_malformed_message_is_refused)
{
	struct logline	 l;
	struct rd	 r;

	rd_init(&r, bad[_i].data, bad[_i].len);
	ck_assert_int_eq(logline_decode(&r, &l), -1);
}
END_TEST

START_TEST(there_are_no_more_fields_than_there_is_room_for)
{
	static const char	 field[] = "\0" "\0\1n" "\0\1" "v";
	struct logline		 l = { .level = LOGLINE_INFO }, again;
	uint8_t			*data, *more;
	struct rd		 r;
	size_t			 len;

	for (int i = 0; i < LOGLINE_FIELDS_MAX + 2; i++)
		logline_add(&l, LOGLINE_STRING, "n", "v");
	ck_assert_uint_eq(l.nfields, LOGLINE_FIELDS_MAX);
	data = encode(&l, &len);
	rd_init(&r, data, len);
	ck_assert_int_eq(logline_decode(&r, &again), 0);
	ck_assert_uint_eq(again.nfields, LOGLINE_FIELDS_MAX);
	more = malloc(len + sizeof(field) - 1);
	ck_assert_ptr_nonnull(more);
	memcpy(more, data, len);
	memcpy(more + len, field, sizeof(field) - 1);
	rd_init(&r, more, len + sizeof(field) - 1);
	ck_assert_int_eq(logline_decode(&r, &again), -1);
	free(more);
	free(data);
}
END_TEST

START_TEST(what_does_not_fit_a_message_is_told)
{
	uint8_t		 buf[LOGLINE_MAX];
	char		*value = malloc(70001);
	struct logline	 l = { .level = LOGLINE_INFO };
	struct wr	 w;

	ck_assert_ptr_nonnull(value);
	memset(value, 'x', 70000);
	value[70000] = '\0';
	logline_add(&l, LOGLINE_STRING, "n", value);
	wr_init(&w, buf, sizeof(buf));
	logline_encode(&w, &l);
	ck_assert(!wr_ok(&w));
	free(value);
}
END_TEST

static void
expect_line(size_t len, const char *want)
{
	ck_assert_uint_le(len, sizeof(out) - 1);
	out[len] = '\0';
	ck_assert_str_eq(out, want);
}

START_TEST(a_session_is_a_line_of_text)
{
	expect_line(logline_text(&session, 42, true, out), STAMP
	    " info worker[42]: session client=127.0.0.1:5 up=1234 ms=0.125 "
	    "why=\"it is over\"\n");
	expect_line(logline_text(&session, 42, false, out),
	    "info worker[42]: session client=127.0.0.1:5 up=1234 ms=0.125 "
	    "why=\"it is over\"\n");
}
END_TEST

START_TEST(a_session_is_a_line_of_json)
{
	expect_line(logline_json(&session, 42, out), "{\"time\":\"" STAMP
	    "\",\"level\":\"info\",\"role\":\"worker\",\"pid\":42,"
	    "\"event\":\"session\",\"client\":\"127.0.0.1:5\",\"up\":1234,"
	    "\"ms\":0.125,\"why\":\"it is over\"}\n");
}
END_TEST

START_TEST(prose_is_a_line)
{
	struct logline	 l = { .level = LOGLINE_ERROR, .wall_us = WALL };

	l.role = logline_string("master");
	l.text = logline_string("cannot bind \"x\"\n");
	expect_line(logline_text(&l, 1, false, out),
	    "error master[1]: cannot bind \\\"x\\\"\\n\n");
	expect_line(logline_json(&l, 1, out), "{\"time\":\"" STAMP
	    "\",\"level\":\"error\",\"role\":\"master\",\"pid\":1,"
	    "\"text\":\"cannot bind \\\"x\\\"\\n\"}\n");
}
END_TEST

START_TEST(a_level_has_a_name)
{
	static const char *const	 names[] = {
		"error", "warn", "info", "debug",
	};

	ck_assert_str_eq(logline_level_name((enum logline_level)_i),
	    names[_i]);
}
END_TEST

static const struct {
	const char	*tz;
	uint64_t	 wall_us;
	const char	*want;
} times[] = {
	{ "UTC",	WALL,		STAMP },
	{ "XXX-5:30",	WALL,		"2023-11-15T03:43:20.123+05:30" },
	{ "XXX3",	WALL,		"2023-11-14T19:13:20.123-03:00" },
	{ "UTC",	0,		"1970-01-01T00:00:00.000+00:00" },
	{ "UTC",	999999,		"1970-01-01T00:00:00.999+00:00" },
	{ "UTC",	253402214399999999,
	    "9999-12-30T23:59:59.999+00:00" },
	/* What no clock shows is somebody's nonsense, and still a time. */
	{ "UTC",	253402300800000000,
	    "1970-01-01T00:00:00.000+00:00" },
	{ "UTC",	UINT64_MAX,	"1970-01-01T00:00:00.551+00:00" },
};

START_TEST(times_are_those_of_rfc_3339)
{
	struct logline	 l = { .level = LOGLINE_INFO,
			    .wall_us = times[_i].wall_us };
	char		 want[128];

	setenv("TZ", times[_i].tz, 1);
	tzset();
	l.role = logline_string("w");
	snprintf(want, sizeof(want), "%s info w[1]:\n", times[_i].want);
	expect_line(logline_text(&l, 1, true, out), want);
}
END_TEST

/* A year of five digits is none of RFC 3339, in no time zone. */
START_TEST(the_last_year_does_not_overflow_in_the_east)
{
	struct logline	 l = { .level = LOGLINE_INFO,
			    .wall_us = 253402300799000000 };

	if (_i == 1)
		l.wall_us = 253402214399000000;
	setenv("TZ", "XXX-12", 1);
	tzset();
	l.role = logline_string("w");
	out[logline_text(&l, 1, true, out)] = '\0';
	ck_assert_msg(out[4] == '-' && out[10] == 'T', "%s", out);
}
END_TEST

#define B(s)	s, sizeof(s) - 1

static const struct {
	const char	*raw;
	size_t		 len;
	const char	*text;		/* as the value of a field */
	const char	*json;		/* between the quotes */
} hostile[] = {
	{ B(""),		"\"\"",		"" },
	{ B("plain"),		"plain",	"plain" },
	{ B("a b"),		"\"a b\"",	"a b" },
	{ B("a=b"),		"\"a=b\"",	"a=b" },
	{ B("\n"),		"\"\\n\"",	"\\n" },
	{ B("x\r\ny"),		"\"x\\u000d\\ny\"", "x\\u000d\\ny" },
	{ B("\t"),		"\"\\u0009\"",	"\\u0009" },
	{ B("\0"),		"\"\\u0000\"",	"\\u0000" },
	{ B("\x1b[2J"),		"\"\\u001b[2J\"", "\\u001b[2J" },
	{ B("\x7f"),		"\"\\u007f\"",	"\\u007f" },
	{ B("\""),		"\"\\\"\"",	"\\\"" },
	{ B("\\"),		"\"\\\\\"",	"\\\\" },
	{ B("\\n"),		"\"\\\\n\"",	"\\\\n" },
	{ B("\\xff"),		"\"\\\\xff\"",	"\\\\xff" },
	{ B("\xff"),		"\"\\xff\"",	"\\udcff" },
	{ B("\x80"),		"\"\\x80\"",	"\\udc80" },
	{ B("\xc2\x9b" "2J"),	"\"\\u009b2J\"", "\\u009b2J" },
	{ B("\xc2\x85"),	"\"\\u0085\"",	"\\u0085" },
	{ B("\xc2\xa0"),	"\"\xc2\xa0\"",	"\xc2\xa0" },
	{ B("\xc2\xad"),	"\"\xc2\xad\"",	"\xc2\xad" },
	{ B("\xc3\xa9"),	"\"\xc3\xa9\"",	"\xc3\xa9" },
	{ B("\xe2\x82\xac"),	"\"\xe2\x82\xac\"", "\xe2\x82\xac" },
	{ B("\xf0\x9f\x92\xa9"), "\"\xf0\x9f\x92\xa9\"",
	    "\xf0\x9f\x92\xa9" },
	{ B("\xf4\x8f\xbf\xbf"), "\"\xf4\x8f\xbf\xbf\"",
	    "\xf4\x8f\xbf\xbf" },
	/* Cut, overlong, a surrogate, past the last character. */
	{ B("\xc3"),		"\"\\xc3\"",	"\\udcc3" },
	{ B("\xe2\x82"),	"\"\\xe2\\x82\"", "\\udce2\\udc82" },
	{ B("\xc0\xaf"),	"\"\\xc0\\xaf\"", "\\udcc0\\udcaf" },
	{ B("\xc1\x81"),	"\"\\xc1\\x81\"", "\\udcc1\\udc81" },
	{ B("\xe0\x80\x8a"),	"\"\\xe0\\x80\\x8a\"",
	    "\\udce0\\udc80\\udc8a" },
	{ B("\xf0\x80\x80\x8a"), "\"\\xf0\\x80\\x80\\x8a\"",
	    "\\udcf0\\udc80\\udc80\\udc8a" },
	{ B("\xed\xb2\x80"),	"\"\\xed\\xb2\\x80\"",
	    "\\udced\\udcb2\\udc80" },
	{ B("\xf4\x90\x80\x80"), "\"\\xf4\\x90\\x80\\x80\"",
	    "\\udcf4\\udc90\\udc80\\udc80" },
	{ B("\xf5\x80\x80\x80"), "\"\\xf5\\x80\\x80\\x80\"",
	    "\\udcf5\\udc80\\udc80\\udc80" },
	{ B("\xe2" "a\xac"),	"\"\\xe2a\\xac\"", "\\udce2a\\udcac" },
	{ B("\xc3\n"),		"\"\\xc3\\n\"",	"\\udcc3\\n" },
};

static struct logline
with_value(const char *p, size_t len)
{
	struct logline	 l = { .level = LOGLINE_INFO };

	l.role = logline_string("w");
	l.event = logline_string("e");
	l.nfields = 1;
	l.fields[0].kind = LOGLINE_STRING;
	l.fields[0].name = logline_string("v");
	l.fields[0].value = (struct logline_string){ p, len };
	return l;
}

START_TEST(hostile_bytes_stay_one_line_of_text)
{
	struct logline	 l = with_value(hostile[_i].raw, hostile[_i].len);
	char		 want[256];

	snprintf(want, sizeof(want), "info w[1]: e v=%s\n", hostile[_i].text);
	expect_line(logline_text(&l, 1, false, out), want);
}
END_TEST

struct seen {
	const char	*raw;
	size_t		 len;
	int		 n;
};

static void
look_at(void *ctx, const char *name, size_t name_len, bool number,
    const char *value, size_t len)
{
	struct seen	*s = ctx;

	if (name_len != 1 || name[0] != 'v')
		return;
	s->n++;
	ck_assert(!number);
	ck_assert_uint_eq(len, s->len);
	if (len > 0)
		ck_assert_mem_eq(value, s->raw, len);
}

START_TEST(hostile_bytes_stay_strict_json_and_can_be_read_back)
{
	struct logline	 l = with_value(hostile[_i].raw, hostile[_i].len);
	struct seen	 s = { hostile[_i].raw, hostile[_i].len, 0 };
	size_t		 len = logline_json(&l, 1, out);
	char		 want[256];

	ck_assert_uint_gt(len, 1);
	ck_assert_int_eq(out[len - 1], '\n');
	ck_assert_ptr_null(memchr(out, '\n', len - 1));
	ck_assert(json_object(out, len - 1, look_at, &s));
	ck_assert_int_eq(s.n, 1);
	out[len] = '\0';
	snprintf(want, sizeof(want), "\"v\":\"%s\"}\n", hostile[_i].json);
	ck_assert_ptr_nonnull(strstr(out, want));
}
END_TEST

START_TEST(hostile_bytes_in_any_place_stay_one_line)
{
	struct logline	 l = { .level = LOGLINE_WARN };
	size_t		 len;

	l.role = l.event = l.text = (struct logline_string){
		hostile[_i].raw, hostile[_i].len,
	};
	l.nfields = 1;
	l.fields[0].name = l.fields[0].value = l.role;
	len = logline_json(&l, 1, out);
	ck_assert(json_object(out, len - 1, NULL, NULL));
	len = logline_text(&l, 1, true, out);
	ck_assert_int_eq(out[len - 1], '\n');
	for (size_t i = 0; i < len - 1; i++) {
		unsigned char	 c = (unsigned char)out[i];

		ck_assert(c >= 0x20 && c != 0x7f);
	}
}
END_TEST

/* Each two bytes there are, against the checker's own idea of UTF-8. */
START_TEST(every_pair_of_bytes_can_be_read_back_from_json)
{
	for (unsigned int i = 0; i < 0x10000; i++) {
		const char	 raw[4] = {
			(char)(i >> 8), (char)i, (char)0x80, (char)0xbf,
		};
		struct logline	 l = with_value(raw, sizeof(raw));
		struct seen	 s = { raw, sizeof(raw), 0 };
		size_t		 len = logline_json(&l, 1, out);

		ck_assert_msg(json_object(out, len - 1, look_at, &s),
		    "%04x: %.*s", i, (int)len, out);
		ck_assert_int_eq(s.n, 1);
	}
}
END_TEST

/* The largest message of the worst bytes is neither cut nor overruns. */
START_TEST(the_largest_message_is_rendered_whole)
{
	uint8_t		 buf[LOGLINE_MAX];
	char		*value = malloc(LOGLINE_MAX), *exact;
	struct logline	 l;
	struct wr	 w;
	size_t		 len = LOGLINE_MAX - (1 + 8 + 4 + 3 + 3 + 2 + 1 + 3 + 2);

	exact = malloc(LOGLINE_TEXT_MAX);
	ck_assert_ptr_nonnull(value);
	ck_assert_ptr_nonnull(exact);
	memset(value, _i == 0 ? '\x01' : '\xff', LOGLINE_MAX);
	l = with_value(value, len);
	wr_init(&w, buf, sizeof(buf));
	logline_encode(&w, &l);
	ck_assert(wr_ok(&w));
	ck_assert_uint_eq(wr_len(&w), LOGLINE_MAX);
	len = logline_json(&l, 1, exact);
	ck_assert_uint_le(len, LOGLINE_TEXT_MAX);
	ck_assert(json_object(exact, len - 1, NULL, NULL));
	len = logline_text(&l, 1, true, exact);
	ck_assert_uint_le(len, LOGLINE_TEXT_MAX);
	ck_assert_int_eq(exact[len - 1], '\n');
	ck_assert_int_eq(exact[len - 2], '"');
	free(exact);
	free(value);
}
END_TEST

START_TEST(a_line_too_long_for_its_room_is_cut_and_still_ends)
{
	size_t		 size = 7 * LOGLINE_MAX, len;
	char		*value = malloc(size), *exact;
	struct logline	 l;

	exact = malloc(LOGLINE_TEXT_MAX);
	ck_assert_ptr_nonnull(value);
	ck_assert_ptr_nonnull(exact);
	memset(value, '\x01', size);
	l = with_value(value, size);
	len = logline_text(&l, 1, true, exact);
	ck_assert_uint_le(len, LOGLINE_TEXT_MAX);
	ck_assert_int_eq(exact[len - 1], '\n');
	free(exact);
	free(value);
}
END_TEST

/* The judge is judged. */
START_TEST(the_checker_of_json_is_strict)
{
	static const char *const	 yes[] = {
		"{}", "{\"a\":1}", "{\"a\":\"b\",\"c\":-0.5}",
		"{\"\":\"\\u00e9\\ud83d\\udca9\\udcff\"}",
	};
	static const char *const	 no[] = {
		"", "{", "}", "[]", "{\"a\"}", "{\"a\":}", "{\"a\":1,}",
		"{\"a\":1 }", "{\"a\":01}", "{\"a\":1.}", "{\"a\":.1}",
		"{\"a\":1}x", "{a:1}", "{\"a\":\"\n\"}", "{\"a\":\"\\x\"}",
		"{\"a\":\"\\u12\"}", "{\"a\":\"\\ud800\"}",
		"{\"a\":\"\\udc00\"}", "{\"a\":\"\xff\"}",
		"{\"a\":\"\xc0\xaf\"}", "{\"a\":\"\xed\xb2\x80\"}",
		"{\"a\":\"b}", "{\"a\":1\"b\":2}", "{\"a\":+1}",
	};

	for (size_t i = 0; i < nitems(yes); i++)
		ck_assert_msg(json_object(yes[i], strlen(yes[i]), NULL,
		    NULL), "%s", yes[i]);
	for (size_t i = 0; i < nitems(no); i++)
		ck_assert_msg(!json_object(no[i], strlen(no[i]), NULL, NULL),
		    "%s", no[i]);
}
END_TEST

int
main(void)
{
	Suite	*s = suite_create("logline");
	TCase	*tc = tcase_create("logline");

	suite_add_tcase(s, tc);
	tcase_add_checked_fixture(tc, set_up, NULL);
	tcase_set_timeout(tc, 30);
	tcase_add_loop_test(tc, what_was_encoded_is_decoded, 0, 4);
	tcase_add_test(tc, a_message_has_its_documented_form);
	tcase_add_test(tc,
	    a_cut_message_is_refused_unless_the_cut_is_between_fields);
	tcase_add_loop_test(tc, a_number_is_digits_and_at_most_one_point, 0,
	    (int)nitems(numbers));
	tcase_add_loop_test(tc, a_number_that_is_none_is_refused, 0,
	    (int)nitems(no_numbers));
	tcase_add_loop_test(tc, a_malformed_message_is_refused, 0,
	    (int)nitems(bad));
	tcase_add_test(tc, there_are_no_more_fields_than_there_is_room_for);
	tcase_add_test(tc, what_does_not_fit_a_message_is_told);
	tcase_add_test(tc, a_session_is_a_line_of_text);
	tcase_add_test(tc, a_session_is_a_line_of_json);
	tcase_add_test(tc, prose_is_a_line);
	tcase_add_loop_test(tc, a_level_has_a_name, 0, 4);
	tcase_add_loop_test(tc, times_are_those_of_rfc_3339, 0,
	    (int)nitems(times));
	tcase_add_loop_test(tc, the_last_year_does_not_overflow_in_the_east,
	    0, 2);
	tcase_add_loop_test(tc, hostile_bytes_stay_one_line_of_text, 0,
	    (int)nitems(hostile));
	tcase_add_loop_test(tc,
	    hostile_bytes_stay_strict_json_and_can_be_read_back, 0,
	    (int)nitems(hostile));
	tcase_add_loop_test(tc, hostile_bytes_in_any_place_stay_one_line, 0,
	    (int)nitems(hostile));
	tcase_add_test(tc, every_pair_of_bytes_can_be_read_back_from_json);
	tcase_add_loop_test(tc, the_largest_message_is_rendered_whole, 0, 2);
	tcase_add_test(tc,
	    a_line_too_long_for_its_room_is_cut_and_still_ends);
	tcase_add_test(tc, the_checker_of_json_is_strict);
	return unit_run(s);
}
