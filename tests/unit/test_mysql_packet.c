#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "unit.h"
#include "wire/mysql_packet.h"

#define TEXT(s)	s, sizeof(s) - 1
#define BYTES(s) \
	((struct mysql_bytes){ (const uint8_t *)(s), sizeof(s) - 1 })

#define TRACK	MYSQL_CAP_SESSION_TRACK

/* As servers sent them: MySQL 9.7, MariaDB 11.8. */
#define DENIED	"\xff\x15\x04#28000Access denied for user 'none'@'localhost'" \
		" (using password: YES)"
#define MANY	"\xff\x10\x04Too many connections"
#define LOGIN	"\0\0\0\x02\x40\0\0\0\x06\x01\x04\x03" "app"
#define INFO	"Records: 3  Duplicates: 0  Warnings: 0"
#define INSERT	"\0\x03\x01\x01\0\0\0\x26" INFO
#define UPDATE	\
	"\0\x03\0\x21\0\0\0\x28" "Rows matched: 3  Changed: 3  Warnings: 0"

static void
same_bytes(struct mysql_bytes a, struct mysql_bytes b)
{
	ck_assert_uint_eq(a.len, b.len);
	if (a.len > 0)
		ck_assert_mem_eq(a.p, b.p, a.len);
}

START_TEST(a_header_is_little_endian)
{
	static const uint8_t	 bytes[] = { 0x01, 0x02, 0x03, 0xfe };
	static const uint8_t	 most[] = { 0xff, 0xff, 0xff, 0 };
	uint8_t			 again[MYSQL_HEADER_LEN];
	struct mysql_header	 h;

	mysql_header_decode(bytes, &h);
	ck_assert_uint_eq(h.len, 0x030201);
	ck_assert_uint_eq(h.seq, 0xfe);
	mysql_header_encode(again, &h);
	ck_assert_mem_eq(again, bytes, sizeof(bytes));
	mysql_header_decode(most, &h);
	ck_assert_uint_eq(h.len, MYSQL_PACKET_MAX);
	ck_assert_uint_eq(h.seq, 0);
}
END_TEST

static const struct {
	const char	*data;
	size_t		 len;
	uint64_t	 n;
} numbers[] = {
	{ TEXT("\0"), 0 },
	{ TEXT("\x01"), 1 },
	{ TEXT("\xfa"), 0xfa },
	{ TEXT("\xfc\xfb\0"), 0xfb },
	{ TEXT("\xfc\xff\0"), 0xff },
	{ TEXT("\xfc\x34\x12"), 0x1234 },
	{ TEXT("\xfc\xff\xff"), 0xffff },
	{ TEXT("\xfd\0\0\x01"), 0x010000 },
	{ TEXT("\xfd\xff\xff\xff"), 0xffffff },
	{ TEXT("\xfe\0\0\0\x01\0\0\0\0"), 0x01000000 },
	{ TEXT("\xfe\x01\x02\x03\x04\x05\x06\x07\x08"), 0x0807060504030201 },
	{ TEXT("\xfe\xff\xff\xff\xff\xff\xff\xff\xff"), UINT64_MAX },
};

START_TEST(a_number_has_the_length_it_needs)
{
	uint8_t		*p = unit_exact(numbers[_i].data, numbers[_i].len);
	uint8_t		 buf[16];
	struct rd	 r;
	struct wr	 w;

	rd_init(&r, p, numbers[_i].len);
	ck_assert_uint_eq(mysql_rd_lenenc(&r), numbers[_i].n);
	ck_assert(rd_end(&r));
	wr_init(&w, buf, sizeof(buf));
	mysql_wr_lenenc(&w, numbers[_i].n);
	ck_assert(wr_ok(&w));
	ck_assert_uint_eq(wr_len(&w), numbers[_i].len);
	ck_assert_mem_eq(buf, p, numbers[_i].len);
	free(p);
}
END_TEST

START_TEST(a_cut_number_is_refused)
{
	for (size_t len = 0; len < numbers[_i].len; len++) {
		uint8_t		*p = unit_exact(numbers[_i].data, len);
		struct rd	 r;

		rd_init(&r, p, len);
		ck_assert_uint_eq(mysql_rd_lenenc(&r), 0);
		ck_assert(!rd_ok(&r));
		free(p);
	}
}
END_TEST

static const struct {
	const char	*data;
	size_t		 len;
	uint64_t	 n;
} longer[] = {
	{ TEXT("\xfc\0\0"), 0 },
	{ TEXT("\xfd\x05\0\0"), 5 },
	{ TEXT("\xfe\x05\0\0\0\0\0\0\0"), 5 },
};

START_TEST(a_number_may_be_longer_than_it_needs)
{
	struct rd	 r;

	rd_init(&r, longer[_i].data, longer[_i].len);
	ck_assert_uint_eq(mysql_rd_lenenc(&r), longer[_i].n);
	ck_assert(rd_end(&r));
}
END_TEST

START_TEST(null_and_the_mark_of_an_error_are_no_numbers)
{
	static const char	*const first[] = { "\xfb", "\xff" };

	for (size_t i = 0; i < nitems(first); i++) {
		struct rd	 r;

		rd_init(&r, first[i], 1);
		ck_assert_uint_eq(mysql_rd_lenenc(&r), 0);
		ck_assert(!rd_ok(&r));
	}
}
END_TEST

enum kind { STRING, SHORT, CSTRING };

static const struct {
	const char	*data;
	size_t		 len;
	const char	*s;
	size_t		 slen;
	enum kind	 kind;
} strings[] = {
	{ TEXT("\0"), TEXT(""), STRING },
	{ TEXT("\x03" "a\0b"), TEXT("a\0b"), STRING },
	{ TEXT("\0"), TEXT(""), SHORT },
	{ TEXT("\x03" "a\0b"), TEXT("a\0b"), SHORT },
	{ TEXT("\0"), TEXT(""), CSTRING },
	{ TEXT("ab\0"), TEXT("ab"), CSTRING },
};

static struct mysql_bytes
read_string(enum kind kind, struct rd *r)
{
	switch (kind) {
	case STRING:
		return mysql_rd_string(r);
	case SHORT:
		return mysql_rd_short(r);
	default:
		return mysql_rd_cstring(r);
	}
}

static void
write_string(enum kind kind, struct wr *w, struct mysql_bytes b)
{
	switch (kind) {
	case STRING:
		mysql_wr_string(w, b);
		break;
	case SHORT:
		mysql_wr_short(w, b);
		break;
	default:
		mysql_wr_cstring(w, b);
	}
}

START_TEST(a_string_is_read_and_written)
{
	uint8_t			*p = unit_exact(strings[_i].data,
				    strings[_i].len);
	struct mysql_bytes	 b;
	uint8_t			 buf[16];
	struct rd		 r;
	struct wr		 w;

	rd_init(&r, p, strings[_i].len);
	b = read_string(strings[_i].kind, &r);
	ck_assert(rd_end(&r));
	ck_assert_ptr_nonnull(b.p);
	ck_assert_uint_eq(b.len, strings[_i].slen);
	ck_assert_mem_eq(b.p, strings[_i].s, b.len);
	wr_init(&w, buf, sizeof(buf));
	write_string(strings[_i].kind, &w, b);
	ck_assert(wr_ok(&w));
	ck_assert_uint_eq(wr_len(&w), strings[_i].len);
	ck_assert_mem_eq(buf, p, strings[_i].len);
	free(p);
}
END_TEST

START_TEST(a_cut_string_is_refused)
{
	for (size_t len = 0; len < strings[_i].len; len++) {
		uint8_t			*p = unit_exact(strings[_i].data, len);
		struct mysql_bytes	 b;
		struct rd		 r;

		rd_init(&r, p, len);
		b = read_string(strings[_i].kind, &r);
		ck_assert(!rd_ok(&r));
		ck_assert_ptr_null(b.p);
		ck_assert_uint_eq(b.len, 0);
		free(p);
	}
}
END_TEST

static const struct {
	const char	*data;
	size_t		 len;
} beyond[] = {
	{ TEXT("\x05" "four") },
	{ TEXT("\xfc\xff\xff" "x") },
	{ TEXT("\xfd\xff\xff\xff" "x") },
	{ TEXT("\xfe\x01\0\0\0\x01\0\0\0" "x") },	/* 1 in 32 bits */
	{ TEXT("\xfe\0\0\0\0\0\0\0\x80" "x") },
	{ TEXT("\xfe\xff\xff\xff\xff\xff\xff\xff\xff" "x") },
	{ TEXT("\xfb") },
	{ TEXT("\xff") },
};

START_TEST(a_string_that_reaches_beyond_the_payload_is_refused)
{
	uint8_t			*p = unit_exact(beyond[_i].data,
				    beyond[_i].len);
	struct mysql_bytes	 b;
	struct rd		 r;

	rd_init(&r, p, beyond[_i].len);
	b = mysql_rd_string(&r);
	ck_assert(!rd_ok(&r));
	ck_assert_ptr_null(b.p);
	ck_assert_uint_eq(b.len, 0);
	free(p);
}
END_TEST

START_TEST(what_does_not_fit_is_not_written)
{
	static uint8_t	 bytes[256], buf[512];
	struct wr	 w;

	memset(bytes, 'x', sizeof(bytes));
	wr_init(&w, buf, sizeof(buf));
	mysql_wr_short(&w, (struct mysql_bytes){ bytes, 255 });
	ck_assert(wr_ok(&w));
	ck_assert_uint_eq(wr_len(&w), 256);
	mysql_wr_short(&w, (struct mysql_bytes){ bytes, 256 });
	ck_assert(!wr_ok(&w));

	wr_init(&w, buf, sizeof(buf));
	mysql_wr_cstring(&w, BYTES("a\0b"));
	ck_assert(!wr_ok(&w));

	wr_init(&w, buf, 3);
	mysql_wr_string(&w, BYTES("abc"));
	ck_assert(!wr_ok(&w));
}
END_TEST

START_TEST(the_last_string_may_miss_its_nul)
{
	struct mysql_bytes	 b;
	struct rd		 r;

	rd_init(&r, "ab\0c", 4);
	b = mysql_rd_last(&r);
	same_bytes(b, BYTES("ab"));
	ck_assert_uint_eq(r.left, 1);
	b = mysql_rd_last(&r);
	same_bytes(b, BYTES("c"));
	ck_assert(rd_end(&r));
	b = mysql_rd_last(&r);
	ck_assert_ptr_null(b.p);
	ck_assert(rd_end(&r));
	rd_init(&r, "\0", 1);
	b = mysql_rd_last(&r);
	ck_assert_ptr_null(b.p);
	ck_assert(rd_end(&r));
}
END_TEST

static const struct {
	const char	*data;
	size_t		 len;
	uint16_t	 code;
	const char	*state;
	const char	*text;
} errors[] = {
	{ TEXT(DENIED), 1045, "28000", "Access denied for user "
	    "'none'@'localhost' (using password: YES)" },
	{ TEXT(MANY), 1040, "", "Too many connections" },
	{ TEXT("\xff\x01\0"), 1, "", "" },
	{ TEXT("\xff\x28\x04#42000"), 1064, "42000", "" },
	{ TEXT("\xff\x28\x04#HY000x"), 1064, "HY000", "x" },
	{ TEXT("\xff\x28\x04#"), 1064, "", "#" },
	{ TEXT("\xff\x28\x04#4200"), 1064, "", "#4200" },
	{ TEXT("\xff\x28\x04# is no state"), 1064, "", "# is no state" },
	{ TEXT("\xff\xff\xff\x01\x01\x01\0\0\0"), 0xffff, "", NULL },
};

START_TEST(an_error_is_read_and_written)
{
	uint8_t			*p = unit_exact(errors[_i].data,
				    errors[_i].len);
	struct mysql_error	 e;
	uint8_t			 buf[128];
	struct rd		 r;
	struct wr		 w;

	rd_init(&r, p, errors[_i].len);
	ck_assert_int_eq(mysql_error_decode(&r, &e), 0);
	ck_assert(rd_end(&r));
	ck_assert_uint_eq(e.code, errors[_i].code);
	ck_assert_str_eq(e.state, errors[_i].state);
	if (errors[_i].text != NULL) {
		ck_assert_uint_eq(e.text.len, strlen(errors[_i].text));
		ck_assert_mem_eq(e.text.p, errors[_i].text, e.text.len);
	}
	wr_init(&w, buf, sizeof(buf));
	mysql_error_encode(&w, &e);
	ck_assert(wr_ok(&w));
	ck_assert_uint_eq(wr_len(&w), errors[_i].len);
	ck_assert_mem_eq(buf, p, errors[_i].len);
	free(p);
}
END_TEST

START_TEST(what_is_no_error_is_refused)
{
	struct mysql_error	 e;
	struct rd		 r;

	for (size_t len = 0; len < 3; len++) {
		uint8_t	*p = unit_exact(MANY, len);

		rd_init(&r, p, len);
		ck_assert_int_eq(mysql_error_decode(&r, &e), -1);
		free(p);
	}
	rd_init(&r, "\xfe\x10\x04no", 5);
	ck_assert_int_eq(mysql_error_decode(&r, &e), -1);
	rd_init(&r, LOGIN, sizeof(LOGIN) - 1);
	ck_assert_int_eq(mysql_error_decode(&r, &e), -1);
}
END_TEST

static const struct {
	const char	*data;
	size_t		 len;
	uint32_t	 caps;
	uint64_t	 affected, insert_id;
	uint16_t	 status, warnings;
	const char	*info;
	size_t		 changes;	/* bytes */
} oks[] = {
	{ TEXT("\0\0\0\x02\0\0\0"), 0, 0, 0, 2, 0, "", 0 },
	{ TEXT("\0\0\0\x02\0\0\0"), TRACK, 0, 0, 2, 0, "", 0 },
	{ TEXT(LOGIN), TRACK, 0, 0, 0x4002, 0, "", 6 },
	{ TEXT(INSERT), 0, 3, 1, 1, 0, INFO, 0 },
	{ TEXT(INSERT), TRACK, 3, 1, 1, 0, INFO, 0 },
	{ TEXT(UPDATE), TRACK, 3, 0, 0x21, 0,
	    "Rows matched: 3  Changed: 3  Warnings: 0", 0 },
	{ TEXT("\0\xfc\x2c\x01\xfd\0\0\x01\x0a\0\x02\0"), TRACK, 300, 65536,
	    MYSQL_STATUS_MORE_RESULTS | 2, 2, "", 0 },
	{ TEXT("\0\0\0\x02\x40\0\0\x01i\x02\x05\0"), TRACK, 0, 0, 0x4002, 0,
	    "i", 2 },
};

static struct mysql_ok
read_ok(const uint8_t *p, size_t len, uint32_t caps)
{
	struct mysql_ok	 ok;
	struct rd	 r;

	rd_init(&r, p, len);
	ck_assert_int_eq(mysql_ok_decode(&r, caps, &ok), 0);
	return ok;
}

START_TEST(an_ok_is_read)
{
	uint8_t		*p = unit_exact(oks[_i].data, oks[_i].len);
	struct mysql_ok	 ok = read_ok(p, oks[_i].len, oks[_i].caps);

	ck_assert_uint_eq(ok.affected, oks[_i].affected);
	ck_assert_uint_eq(ok.insert_id, oks[_i].insert_id);
	ck_assert_uint_eq(ok.status, oks[_i].status);
	ck_assert_uint_eq(ok.warnings, oks[_i].warnings);
	ck_assert_uint_eq(ok.info.len, strlen(oks[_i].info));
	if (ok.info.len > 0)
		ck_assert_mem_eq(ok.info.p, oks[_i].info, ok.info.len);
	ck_assert_uint_eq(ok.state_changes.len, oks[_i].changes);
	free(p);
}
END_TEST

START_TEST(an_ok_is_written_as_it_was)
{
	uint8_t		*p = unit_exact(oks[_i].data, oks[_i].len);
	struct mysql_ok	 ok = read_ok(p, oks[_i].len, oks[_i].caps);
	uint8_t		 buf[128];
	struct wr	 w;

	wr_init(&w, buf, sizeof(buf));
	mysql_ok_encode(&w, oks[_i].caps, &ok);
	ck_assert(wr_ok(&w));
	ck_assert_uint_eq(wr_len(&w), oks[_i].len);
	ck_assert_mem_eq(buf, p, oks[_i].len);
	free(p);
}
END_TEST

START_TEST(a_cut_ok_is_refused)
{
	struct mysql_ok	 ok;
	struct rd	 r;

	/* Before its warnings end; with a state, also in what follows. */
	for (size_t len = 0; len < sizeof(LOGIN) - 1; len++) {
		uint8_t	*p = unit_exact(LOGIN, len);

		rd_init(&r, p, len);
		ck_assert_int_eq(mysql_ok_decode(&r, TRACK, &ok),
		    len == 7 || len == 8 ? 0 : -1);
		rd_init(&r, p, len);
		ck_assert_int_eq(mysql_ok_decode(&r, 0, &ok),
		    len < 7 ? -1 : 0);
		free(p);
	}
}
END_TEST

START_TEST(what_is_no_ok_is_refused)
{
	static const char	*const other[] = {
		"\x01\0\0\x02\0\0\0", "\xff\0\0\x02\0\0\0",
		"\0\xfb\0\x02\0\0\0", "\0\0\xff\x02\0\0\0",
	};

	for (size_t i = 0; i < nitems(other); i++) {
		struct mysql_ok	 ok;
		struct rd	 r;

		rd_init(&r, other[i], 7);
		ck_assert_int_eq(mysql_ok_decode(&r, 0, &ok), -1);
	}
}
END_TEST

START_TEST(an_ok_may_end_a_result)
{
	struct mysql_ok	 ok = read_ok((const uint8_t *)"\xfe\0\0\x22\0\x01\0",
			    7, TRACK);

	ck_assert_uint_eq(ok.status, 0x22);
	ck_assert_uint_eq(ok.warnings, 1);
}
END_TEST

START_TEST(information_without_its_length_is_read_as_well)
{
	struct mysql_ok	 ok;

	ok = read_ok((const uint8_t *)"\0\0\0\x02\0\0\0Rows", 11, 0);
	same_bytes(ok.info, BYTES("Rows"));
	/* Its first byte is no length: something follows. */
	ok = read_ok((const uint8_t *)"\0\0\0\x02\0\0\0\x01" "ab", 10, 0);
	same_bytes(ok.info, BYTES("\x01" "ab"));
}
END_TEST

START_TEST(commands_have_names)
{
	ck_assert_str_eq(mysql_command_text(MYSQL_COM_QUERY), "Query");
	ck_assert_str_eq(mysql_command_text(MYSQL_COM_STMT_PREPARE),
	    "Prepare");
	ck_assert_str_eq(mysql_command_text(MYSQL_COM_STMT_BULK_EXECUTE),
	    "Bulk_execute");
	ck_assert_ptr_null(mysql_command_text(0));
	ck_assert_ptr_null(mysql_command_text(0x7f));
	ck_assert_ptr_null(mysql_command_text(0xff));
}
END_TEST

int
main(void)
{
	Suite	*s = suite_create("mysql_packet");
	TCase	*tc = tcase_create("mysql_packet");

	suite_add_tcase(s, tc);
	tcase_add_test(tc, a_header_is_little_endian);
	tcase_add_loop_test(tc, a_number_has_the_length_it_needs, 0,
	    nitems(numbers));
	tcase_add_loop_test(tc, a_cut_number_is_refused, 0, nitems(numbers));
	tcase_add_loop_test(tc, a_number_may_be_longer_than_it_needs, 0,
	    nitems(longer));
	tcase_add_test(tc, null_and_the_mark_of_an_error_are_no_numbers);
	tcase_add_loop_test(tc, a_string_is_read_and_written, 0,
	    nitems(strings));
	tcase_add_loop_test(tc, a_cut_string_is_refused, 0, nitems(strings));
	tcase_add_loop_test(tc,
	    a_string_that_reaches_beyond_the_payload_is_refused, 0,
	    nitems(beyond));
	tcase_add_test(tc, what_does_not_fit_is_not_written);
	tcase_add_test(tc, the_last_string_may_miss_its_nul);
	tcase_add_loop_test(tc, an_error_is_read_and_written, 0,
	    nitems(errors));
	tcase_add_test(tc, what_is_no_error_is_refused);
	tcase_add_loop_test(tc, an_ok_is_read, 0, nitems(oks));
	tcase_add_loop_test(tc, an_ok_is_written_as_it_was, 0, nitems(oks));
	tcase_add_test(tc, a_cut_ok_is_refused);
	tcase_add_test(tc, what_is_no_ok_is_refused);
	tcase_add_test(tc, an_ok_may_end_a_result);
	tcase_add_test(tc, information_without_its_length_is_read_as_well);
	tcase_add_test(tc, commands_have_names);
	return unit_run(s);
}
