#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "unit.h"
#include "wire/mysql_value.h"
#include "wire/mysql_values.h"

#define TEXT(s)		s, sizeof(s) - 1
#define PARAMS		16
#define ATTRIBUTES	MYSQL_CAP_QUERY_ATTRIBUTES

/* What there is besides the payload. */
struct setting {
	uint32_t			 caps;
	size_t				 nparams;
	bool				 bulk;
	uint16_t			 types[PARAMS];
	bool				 have_types;
	const struct mysql_long_data	*long_data;
	bool				 secret;
	size_t				 value_max;	/* 0: no limit */
	size_t				 room;		/* 0: enough */
};

/*
 * The list as text: numbers, 'texts' with their true length where they are
 * cut, NULL, ? for what is not known, # for secrets, ; between rows.
 */
static void
describe(const uint8_t *list, size_t len, char *out)
{
	struct query_value_at	 v;
	const char		*blank = "";
	struct rd		 r;

	out[0] = '\0';
	rd_init(&r, list, len);
	while (query_value_next(&r, &v)) {
		out += sprintf(out, "%s", blank);
		blank = " ";
		if (v.kind == QUERY_NULL)
			out += sprintf(out, "NULL");
		else if (v.kind == QUERY_TEXT)
			out += sprintf(out, "'%.*s'", (int)v.bytes.len,
			    (const char *)v.bytes.p);
		else
			out += sprintf(out, "%s%.*s",
			    v.kind == QUERY_NUMBER ? "" :
			    v.kind == QUERY_UNKNOWN ? "?" :
			    v.kind == QUERY_SECRET ? "#" : ";",
			    (int)v.bytes.len, (const char *)v.bytes.p);
		if (v.len != v.bytes.len)
			out += sprintf(out, "/%ju", (uintmax_t)v.len);
	}
	ck_assert(rd_end(&r));
}

static int
decode(struct setting *s, const void *data, size_t len, char *out)
{
	static uint8_t		 list[8192];
	uint8_t			*p = unit_exact(data, len);
	uint16_t		*types = mem_calloc(s->nparams,
				    sizeof(*types));
	struct mysql_values	 v = {
		.caps = s->caps,
		.nparams = s->nparams,
		.types = types,
		.have_types = &s->have_types,
		.long_data = s->long_data,
		.secret = s->secret,
		.value_max = s->value_max > 0 ? s->value_max : SIZE_MAX,
	};
	struct mysql_execute	 x;
	struct rd		 r;
	struct wr		 w;
	int			 rc = -2;

	for (size_t i = 0; i < s->nparams; i++)
		types[i] = s->types[i];
	out[0] = '\0';
	rd_init(&r, p, len);
	wr_init(&w, list, s->room > 0 ? s->room : sizeof(list));
	if (mysql_execute_decode(&r, s->bulk, &x) == 0) {
		rc = mysql_values_decode(&r, &x, &v, &w);
		ck_assert(wr_ok(&w));
		describe(list, wr_len(&w), out);
	}
	free(types);
	free(p);
	return rc;
}

#define HEAD	"\x07\0\0\0" "\0" "\x01\0\0\0"

/* As MariaDB's library sent it, and sent again with one value ahead. */
#define TYPES \
	"\x01\0\x02\x80\x03\0\x08\x80\x08\0\x04\0\x05\0\x02\0\x03\0\x0c\0" \
	"\x0a\0\x0b\0\xfe\0\x06\0\xfb\0\xf6\0"
#define VALUES(tiny, blob) \
	tiny "\xfa\xff" "\x90\xee\xfe\xff" \
	"\xff\xff\xff\xff\xff\xff\xff\xff" "\0\xe6\x8e\xe7\xfd\xff\xff\xff" \
	"\xcd\xcc\xcc\x3d" "\x7d\xc3\x94\x25\xad\x49\xb2\x54" "\xe8\x07" \
	"\xb3\xff\xff\xff" "\x0b\xe8\x07\x02\x1d\x0d\x0e\x0f\x40\xe2\x01\0" \
	"\x04\xcf\x07\x0c\x1f" "\x0c\x01\x01\0\0\0\x03\x01\x02\x05\0\0\0" \
	"\x06" "a'\\\nb!" blob "\x06" "12.340"
#define TOLD(tiny, blob) \
	tiny " 65530 -70000 18446744073709551615 -9000000000 0.1 1e+100 " \
	"2024 -77 '2024-02-29 13:14:15.123456' '1999-12-31' " \
	"'-27:01:02.000005' 'a'\\\nb!' NULL '" blob "' '12.340'"

#define ALL	HEAD "\0\x20\x01" TYPES VALUES("\xfb", "\x06" "xyzzy!")
#define AGAIN	HEAD "\0\x20\0" VALUES("\x09", "")

#define BULK \
	"\x08\0\0\0" "\x80\0" "\x03\0\xfe\0\x0c\0" \
	"\0\x01\0\0\0\0\x03one\0\x0b\xe8\x07\x02\x1d\x0d\x0e\x0f\x40\xe2\x01\0" \
	"\x01\x02\0\x04\xe8\x07\x02\x1d" \
	"\x02\0\x05three\x03"
#define BULK_TOLD \
	"1 'one' '2024-02-29 13:14:15.123456' ; NULL ?DEFAULT '2024-02-29' ; " \
	"?DEFAULT 'three' ?IGNORE"

static const struct mysql_long_data	 ahead[PARAMS] = {
	[0] = { .is_sent = true },
};
static const struct mysql_long_data	 ahead_14[PARAMS] = {
	[14] = { .is_sent = true, .len = 4,
	    .kept = { (const uint8_t *)"LONG", 4 } },
};

static const struct {
	const char	*data;
	size_t		 len;
	const char	*told;
	struct setting	 s;
} good[] = {
	{ TEXT(ALL), TOLD("-5", "xyzzy!"), { .nparams = 16 } },
	{ TEXT(AGAIN), TOLD("9", "LONG"),
	  { .nparams = 16, .have_types = true, .long_data = ahead_14,
	    .types = { 1, 0x8002, 3, 0x8008, 8, 4, 5, 2, 3, 12, 10, 11, 254,
	    6, 251, 246 } } },
	{ TEXT(BULK), BULK_TOLD, { .nparams = 3, .bulk = true } },
	{ TEXT(HEAD), "", { .nparams = 0 } },
	/* Types from before. */
	{ TEXT(HEAD "\0\0\xff\xff"), "255 -1",
	  { .nparams = 2, .have_types = true, .types = { 0x8001, 1 } } },
	{ TEXT("\x08\0\0\0\0\0\0\xff\x01"), "-1 ; NULL",
	  { .nparams = 1, .bulk = true, .have_types = true, .types = { 1 } } },
	/* Sent ahead, whatever its bit says. */
	{ TEXT(HEAD "\x01\0\x05"), "'' 5",
	  { .nparams = 2, .have_types = true, .types = { 254, 1 },
	    .long_data = ahead } },
	/* MySQL: counted, with names, with attributes, with neither. */
	{ TEXT(HEAD "\x01\0\x01\xfe\0\0\x03" "abc"), "'abc'",
	  { .caps = ATTRIBUTES, .nparams = 1 } },
	{ TEXT("\x07\0\0\0\x08\x01\0\0\0" "\x02\0\x01\xfe\0\0\xfe\0\x02" "at"
	    "\x03" "abc\x02zz"), "'abc'", { .caps = ATTRIBUTES, .nparams = 1 } },
	{ TEXT("\x07\0\0\0\x08\x01\0\0\0" "\0"), "",
	  { .caps = ATTRIBUTES, .nparams = 0 } },
	{ TEXT("\x07\0\0\0\x08\x01\0\0\0" "\x01\0\x01\xfe\0\x02" "at\x01z"), "",
	  { .caps = ATTRIBUTES, .nparams = 0 } },
	/* Not to be told: no length either. */
	{ TEXT(HEAD "\x02\x01\xfe\0\x03\0\x03\0\x03" "abc\x01\0\0\0"), "# # #",
	  { .nparams = 3, .secret = true } },
	{ TEXT(BULK), "# # # ; # # # ; # # #",
	  { .nparams = 3, .bulk = true, .secret = true } },
	/* Texts are cut, numbers are not. */
	{ TEXT(HEAD "\0\x01\xfe\0\x08\0\x05hello\x15\xcd\x5b\x07\0\0\0\0"),
	  "'he'/5 123456789", { .nparams = 2, .value_max = 2 } },
	/* What stands behind is ignored. */
	{ TEXT(HEAD "\0\x01\x01\0\x05zzz"), "5", { .nparams = 1 } },
};

START_TEST(values_are_told)
{
	struct setting	 s = good[_i].s;
	char		 out[4096];

	ck_assert_int_eq(decode(&s, good[_i].data, good[_i].len, out), 1);
	ck_assert_str_eq(out, good[_i].told);
}
END_TEST

/* Of a cut payload the beginning is told, and of its last text too. */
START_TEST(of_a_cut_payload_the_beginning_is_told)
{
	struct setting	 s;
	char		 out[4096], whole[4096];
	size_t		 same;
	int		 rc;

	s = good[_i].s;
	(void)decode(&s, good[_i].data, good[_i].len, whole);
	for (size_t len = 0; len < good[_i].len; len++) {
		s = good[_i].s;
		rc = decode(&s, good[_i].data, len, out);
		ck_assert(rc == -2 ? len < (s.bulk ? 6 : 9) : rc >= 0);
		/* All that is whole is the same. */
		same = strlen(out);
		if (strrchr(out, '/') != NULL)
			same = (size_t)(strrchr(out, '/') - out) - 1;
		ck_assert_msg(strncmp(out, whole, same) == 0, "%s", out);
		if (rc == 1 && !s.bulk)
			ck_assert_str_eq(out, whole);
	}
}
END_TEST

START_TEST(a_cut_text_has_its_true_length)
{
	static const char	 data[] = HEAD "\0\x01\x01\0\xfe\0\x05\xfc\x2c\x01xyz";
	struct setting		 s = { .nparams = 2 };
	char			 out[100];

	ck_assert_int_eq(decode(&s, data, sizeof(data) - 1, out), 0);
	ck_assert_str_eq(out, "5 'xyz'/300");
	ck_assert_int_eq(decode(&s, data, sizeof(data) - 4, out), 0);
	ck_assert_str_eq(out, "5 ''/300");
	ck_assert_int_eq(decode(&s, data, sizeof(data) - 5, out), 0);
	ck_assert_str_eq(out, "5");
}
END_TEST

/* Else values would be told by types that no longer hold. */
START_TEST(cut_types_are_not_known)
{
	static const char	 data[] = HEAD "\0\x01\x01\0\xfe\0\x05\x01x";
	static const char	 bulk[] = "\x08\0\0\0\x80\0\x01\0\xfe\0\0\x05";
	const size_t		 head = sizeof(HEAD) - 1;
	struct setting		 s;
	char			 out[100];

	for (size_t len = head; len < sizeof(data); len++) {
		s = (struct setting){ .nparams = 2, .have_types = true };
		(void)decode(&s, data, len, out);
		ck_assert(s.have_types == (len >= head + 6));
		s.have_types = false;
		(void)decode(&s, data, len, out);
		ck_assert(s.have_types == (len >= head + 6));
	}
	for (size_t len = 6; len < sizeof(bulk); len++) {
		s = (struct setting){ .nparams = 2, .bulk = true,
		    .have_types = true };
		(void)decode(&s, bulk, len, out);
		ck_assert(s.have_types == (len >= 10));
	}
}
END_TEST

static const struct {
	const char	*data;
	size_t		 len;
	int		 rc;
	const char	*told;
	struct setting	 s;
} bad[] = {
	/* Nobody said which types. */
	{ TEXT(HEAD "\x01\0\x05"), 0, "NULL ?", { .nparams = 2 } },
	/* Types that are none, or of which servers think differently. */
	{ TEXT(HEAD "\0\x01\x01\0\x14\0\x05\x05"), 0, "5 ?", { .nparams = 2 } },
	{ TEXT(HEAD "\0\x01\x01\0\x0d\0\x05\x05\0"), 0, "5 ?",
	  { .nparams = 2 } },
	/* Fewer than the statement has. */
	{ TEXT(HEAD "\x01\0\x01\xfe\0\0\x03" "abc"), -1, "?",
	  { .caps = ATTRIBUTES, .nparams = 2 } },
	{ TEXT(HEAD "\0"), -1, "?", { .caps = ATTRIBUTES, .nparams = 2 } },
	{ TEXT(HEAD "\xfe\xff\xff\xff\xff\xff\xff\xff\xff\0\x01"), 0, "",
	  { .caps = ATTRIBUTES, .nparams = 1 } },
	{ TEXT("\x08\0\0\0\0\0\x01\x04\x05"), -1, "NULL ?",
	  { .nparams = 2, .bulk = true, .have_types = true } },
	/* The list is full: a text is cut, a number is not. */
	{ TEXT(HEAD "\0\x01\xfe\0\xfe\0\x05hello\x05world"), 0, "'hello'",
	  { .nparams = 2, .room = 13 + 5 + 12 } },
	{ TEXT(HEAD "\0\x01\xfe\0\xfe\0\x05hello\x05world"), 1,
	  "'hello' 'w'/5", { .nparams = 2, .room = 13 + 5 + 14 } },
	{ TEXT(HEAD "\0\x01\xfe\0\x01\0\x05hello\x7f"), 0, "'hello'",
	  { .nparams = 2, .room = 13 + 5 + 15 } },
	{ TEXT("\x08\0\0\0\0\0\x01\x01"), 0, "NULL",
	  { .nparams = 1, .bulk = true, .have_types = true, .room = 13 } },
};

START_TEST(what_cannot_be_told_further_is_said)
{
	struct setting	 s = bad[_i].s;
	char		 out[4096];

	ck_assert_int_eq(decode(&s, bad[_i].data, bad[_i].len, out),
	    bad[_i].rc);
	ck_assert_str_eq(out, bad[_i].told);
}
END_TEST

static const struct {
	uint16_t	 type;
	const char	*data;
	size_t		 len;
	const char	*text;
} values[] = {
	{ 1, TEXT("\x80"), "-128" },
	{ 0x8001, TEXT("\x80"), "128" },
	{ 2, TEXT("\0\x80"), "-32768" },
	{ 3, TEXT("\xff\xff\xff\x7f"), "2147483647" },
	{ 0x8003, TEXT("\xff\xff\xff\xff"), "4294967295" },
	{ 8, TEXT("\0\0\0\0\0\0\0\x80"), "-9223372036854775808" },
	{ 4, TEXT("\x01\0\0\0"), "1.4013e-45" },
	{ 4, TEXT("\xff\xff\x7f\x7f"), "3.4028235e+38" },
	{ 4, TEXT("\0\0\xc0\x7f"), "nan" },
	{ 4, TEXT("\0\0\xc0\xff"), "nan" },
	{ 5, TEXT("\x9a\x99\x99\x99\x99\x99\xb9\x3f"), "0.1" },
	{ 5, TEXT("\x34\x33\x33\x33\x33\x33\xd3\x3f"), "0.30000000000000004" },
	{ 5, TEXT("\0\0\0\0\0\0\xf0\xff"), "-inf" },
	{ 5, TEXT("\0\0\0\0\0\0\xf0\x7f"), "inf" },
	{ 10, TEXT("\0"), "0000-00-00" },
	{ 7, TEXT("\x07\xe8\x07\x01\x02\x03\x04\x05"), "2024-01-02 03:04:05" },
	{ 12, TEXT("\x0d\xe8\x07\x01\x02\x03\x04\x05\x06\0\0\0\xb5\xff"),
	  "2024-01-02 03:04:05.000006-01:15" },
	{ 12, TEXT("\x0d\xe8\x07\x01\x02\x03\x04\x05\x06\0\0\0\x4a\x01"),
	  "2024-01-02 03:04:05.000006+05:30" },
	{ 12, TEXT("\x0d\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\0\x80"),
	  "65535-255-255 255:255:255.4294967295-546:08" },
	{ 11, TEXT("\0"), "00:00:00" },
	{ 11, TEXT("\x08\0\x22\0\0\0\x16\x3b\x3a"), "838:59:58" },
	{ 11, TEXT("\x0c\x01\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"),
	  "-103079215335:255:255.4294967295" },
	{ 11, TEXT("\x09\0\0\0\0\0\x01\x02\x03\x04"), "?" },
	{ 10, TEXT("\x05\xe8\x07\x01\x02\x03"), "?" },
	{ 10, TEXT("\x0c\xe8\x07\x01\x02\x03\x03\x03\x03\x03\x03\x03\x03"), "?" },
	{ 0, TEXT("\x02" "12"), "12" },
	{ 245, TEXT("\xfc\x03\0[1]"), "[1]" },
	{ 242, TEXT("\xfd\x04\0\0\x01\x02\x03\x04"), "\x01\x02\x03\x04" },
	{ 252, TEXT("\xfe\x01\0\0\0\0\0\0\0z"), "z" },
	/* As MariaDB has it. */
	{ 254, TEXT("\xfb\x03\0\0\0\0\0\0\x01" "abc"), "abc" },
	{ 254, TEXT("\xff\x03\0\0\0\0\0\0\0" "abc"), "abc" },
};

START_TEST(a_value_is_as_people_write_it)
{
	uint8_t			*p = unit_exact(values[_i].data,
				    values[_i].len);
	struct mysql_value	 v;
	struct rd		 r;

	rd_init(&r, p, values[_i].len);
	ck_assert(mysql_type_is_known(values[_i].type));
	ck_assert_int_eq(mysql_value_decode(&r, values[_i].type, &v), 1);
	ck_assert(rd_end(&r));
	if (strcmp(values[_i].text, "?") == 0) {
		ck_assert_int_eq(v.kind, QUERY_UNKNOWN);
		ck_assert_ptr_null(v.bytes.p);
	} else {
		ck_assert_uint_eq(v.len, strlen(values[_i].text));
		ck_assert_uint_eq(v.bytes.len, v.len);
		ck_assert_mem_eq(v.bytes.p, values[_i].text, v.len);
	}
	free(p);
	for (size_t len = 0; len < values[_i].len; len++) {
		p = unit_exact(values[_i].data, len);
		rd_init(&r, p, len);
		ck_assert_int_eq(mysql_value_decode(&r, values[_i].type, &v),
		    0);
		ck_assert(v.bytes.p == NULL || v.kind == QUERY_TEXT);
		free(p);
	}
}
END_TEST

#define QUERY	"select 42"

static const struct {
	const char	*data;
	size_t		 len;
	size_t		 head;	/* 0: refused */
} queries[] = {
	{ TEXT("\0\x01" QUERY), 2 },
	{ TEXT("\x01\x01\0\x01\xfe\0\x01" "a\x01v" QUERY), 10 },
	{ TEXT("\x02\x01\x01\x01\xfe\0\x01" "a\x03\0\x01" "b\x01\0\0\0" QUERY),
	  16 },
	{ TEXT("\x01\x01\0\x02\x0b\0\0\0" QUERY), 8 },
	{ TEXT("\0\0" QUERY), 0 },
	{ TEXT("\0\x02" QUERY), 0 },
	{ TEXT("\x01\x01\0\0\xfe\0\x01" "a\x01v" QUERY), 0 },
	{ TEXT("\x01\x01\0\x01\x14\0\x01" "a\x01v" QUERY), 0 },
	{ TEXT("\x01\x01\0\x01\xfe\0\x01" "a\x40v" QUERY), 0 },
	{ TEXT("\xfb\x01" QUERY), 0 },
};

START_TEST(attributes_are_skipped)
{
	const size_t	 n = queries[_i].head;
	uint8_t		*p;
	struct rd	 r;
	int		 rc;

	for (size_t len = 0; len <= queries[_i].len; len++) {
		p = unit_exact(queries[_i].data, len);
		rd_init(&r, p, len);
		rc = mysql_attributes_skip(&r, ATTRIBUTES);
		ck_assert_int_eq(rc, n > 0 && len >= n ? 0 : -1);
		ck_assert(rc == -1 || (rd_ok(&r) && r.p == p + n));
		rd_init(&r, p, len);
		ck_assert_int_eq(mysql_attributes_skip(&r, 0), 0);
		ck_assert_ptr_eq(r.p, p);
		free(p);
	}
}
END_TEST

START_TEST(an_answer_to_prepare_is_read)
{
	static const uint8_t	 data[] = {
		0, 0x78, 0x56, 0x34, 0x12, 2, 1, 3, 0, 0, 5, 0, 0
	};
	struct mysql_prepared	 p;
	struct rd		 r;
	uint8_t			*q;

	for (size_t len = 0; len <= sizeof(data); len++) {
		q = unit_exact(data, len);
		rd_init(&r, q, len);
		if (mysql_prepared_decode(&r, MYSQL_CAP_OPTIONAL_METADATA,
		    &p) == 0) {
			/* Older servers say less. */
			ck_assert(len == 9 || len == 10 || len >= 12);
			ck_assert_uint_eq(p.id, 0x12345678);
			ck_assert_uint_eq(p.columns, 0x102);
			ck_assert_uint_eq(p.params, 3);
			ck_assert(p.metadata == (len < 13));
		} else {
			ck_assert(len < 9 || len == 11);
		}
		free(q);
	}
	rd_init(&r, data, sizeof(data));
	ck_assert_int_eq(mysql_prepared_decode(&r, 0, &p), 0);
	ck_assert(p.metadata);
	rd_init(&r, "\xff\x78\x56\x34\x12\x02\x01\x03\0", 9);
	ck_assert_int_eq(mysql_prepared_decode(&r, 0, &p), -1);
}
END_TEST

START_TEST(the_head_says_how_it_is_run)
{
	struct mysql_execute	 x;
	struct rd		 r;

	rd_init(&r, "\xff\xff\xff\xff\x0a\x01\0\0\0", 9);
	ck_assert_int_eq(mysql_execute_decode(&r, false, &x), 0);
	ck_assert(rd_end(&r) && !x.bulk);
	ck_assert_uint_eq(x.id, UINT32_MAX);
	ck_assert_uint_eq(x.flags, 0x0a);
	rd_init(&r, "\x01\x02\0\0\x80\x01", 6);
	ck_assert_int_eq(mysql_execute_decode(&r, true, &x), 0);
	ck_assert(rd_end(&r) && x.bulk);
	ck_assert_uint_eq(x.id, 0x201);
	ck_assert_uint_eq(x.flags, 0x180);
}
END_TEST

START_TEST(a_list_holds_whole_entries)
{
	uint8_t			 list[13 + 3 + 13 + 3];
	struct query_value_at	 v;
	struct rd		 r;
	struct wr		 w;

	wr_init(&w, list, sizeof(list));
	query_value_add(&w, QUERY_TEXT, "abc", 3, 1000);
	ck_assert(wr_ok(&w));
	w.left = 12;
	query_value_add(&w, QUERY_NULL, NULL, 0, 0);
	ck_assert(!wr_ok(&w));
	ck_assert_uint_eq(wr_len(&w), 16);
	w.bad = false;
	w.left = 15;
	query_value_add(&w, QUERY_TEXT, "abc", 3, 3);
	ck_assert(!wr_ok(&w));
	ck_assert_uint_eq(wr_len(&w), 16);
	for (size_t len = 1; len < 16; len++) {
		rd_init(&r, list, len);
		ck_assert(!query_value_next(&r, &v));
		ck_assert(!rd_ok(&r));
	}
	rd_init(&r, list, 16);
	ck_assert(query_value_next(&r, &v));
	ck_assert_int_eq(v.kind, QUERY_TEXT);
	ck_assert_uint_eq(v.len, 1000);
	ck_assert_uint_eq(v.bytes.len, 3);
	ck_assert_mem_eq(v.bytes.p, "abc", 3);
	ck_assert(!query_value_next(&r, &v));
	ck_assert(rd_end(&r));
	/* A kind that is none, and more bytes than there were. */
	list[0] = QUERY_SECRET + 1;
	rd_init(&r, list, 16);
	ck_assert(!query_value_next(&r, &v) && !rd_ok(&r));
	wr_init(&w, list, sizeof(list));
	query_value_add(&w, QUERY_TEXT, "abc", 3, 2);
	rd_init(&r, list, 16);
	ck_assert(!query_value_next(&r, &v) && !rd_ok(&r));
}
END_TEST

int
main(void)
{
	Suite	*s = suite_create("mysql_values");
	TCase	*tc = tcase_create("mysql_values");

	suite_add_tcase(s, tc);
	tcase_add_loop_test(tc, values_are_told, 0, nitems(good));
	tcase_add_loop_test(tc, of_a_cut_payload_the_beginning_is_told, 0,
	    nitems(good));
	tcase_add_test(tc, a_cut_text_has_its_true_length);
	tcase_add_test(tc, cut_types_are_not_known);
	tcase_add_loop_test(tc, what_cannot_be_told_further_is_said, 0,
	    nitems(bad));
	tcase_add_loop_test(tc, a_value_is_as_people_write_it, 0,
	    nitems(values));
	tcase_add_loop_test(tc, attributes_are_skipped, 0, nitems(queries));
	tcase_add_test(tc, an_answer_to_prepare_is_read);
	tcase_add_test(tc, the_head_says_how_it_is_run);
	tcase_add_test(tc, a_list_holds_whole_entries);
	return unit_run(s);
}
