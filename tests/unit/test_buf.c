#include <string.h>

#include "base/buf.h"
#include "unit.h"

static const uint8_t	 bytes[] = {
	0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08,
	0x09, 0x0a, 0x0b, 0x0c, 0x0d, 0x0e, 0x0f,
};

START_TEST(numbers_are_read_big_endian)
{
	struct rd	 r;

	rd_init(&r, bytes, sizeof(bytes));
	ck_assert_uint_eq(rd_u8(&r), 0x01);
	ck_assert_uint_eq(rd_u16(&r), 0x0203);
	ck_assert_uint_eq(rd_u32(&r), 0x04050607);
	ck_assert_uint_eq(rd_u64(&r), 0x08090a0b0c0d0e0f);
	ck_assert(rd_ok(&r));
	ck_assert(rd_end(&r));
}
END_TEST

START_TEST(numbers_are_read_little_endian)
{
	static const uint8_t	 more[] = { 0xfc, 0xfd, 0xfe, 0xff, 0xff };
	struct rd		 r;

	rd_init(&r, bytes, sizeof(bytes));
	ck_assert_uint_eq(rd_le16(&r), 0x0201);
	ck_assert_uint_eq(rd_le32(&r), 0x06050403);
	ck_assert_uint_eq(rd_le64(&r), 0x0e0d0c0b0a090807);
	rd_init(&r, more, sizeof(more));
	ck_assert_uint_eq(rd_le24(&r), 0xfefdfc);
	ck_assert_uint_eq(rd_le16(&r), 0xffff);
	ck_assert(rd_end(&r));
}
END_TEST

START_TEST(little_endian_numbers_end_with_the_bytes_too)
{
	struct rd	 r;

	rd_init(&r, bytes, 1);
	ck_assert_uint_eq(rd_le16(&r), 0);
	ck_assert(!rd_ok(&r));
	rd_init(&r, bytes, 2);
	ck_assert_uint_eq(rd_le24(&r), 0);
	ck_assert(!rd_ok(&r));
	rd_init(&r, bytes, 3);
	ck_assert_uint_eq(rd_le32(&r), 0);
	ck_assert(!rd_ok(&r));
	rd_init(&r, bytes, 7);
	ck_assert_uint_eq(rd_le64(&r), 0);
	ck_assert(!rd_ok(&r));
}
END_TEST

START_TEST(what_was_taken_lies_inside)
{
	const uint8_t	*p;
	struct rd	 r;

	rd_init(&r, bytes, sizeof(bytes));
	p = rd_take(&r, 4);
	ck_assert_ptr_eq(p, bytes);
	p = rd_take(&r, sizeof(bytes) - 4);
	ck_assert_ptr_eq(p, bytes + 4);
	ck_assert(rd_end(&r));
	ck_assert_ptr_nonnull(rd_take(&r, 0));
	ck_assert(rd_ok(&r));
}
END_TEST

START_TEST(a_read_past_the_end_yields_nothing_and_spoils_all_later_ones)
{
	struct rd	 r;

	rd_init(&r, bytes, 3);
	ck_assert_uint_eq(rd_u32(&r), 0);
	ck_assert(!rd_ok(&r));
	ck_assert(!rd_end(&r));
	ck_assert_uint_eq(rd_u8(&r), 0);
	ck_assert_ptr_null(rd_take(&r, 0));
	ck_assert(!rd_ok(&r));
}
END_TEST

START_TEST(a_length_that_would_wrap_is_past_the_end)
{
	struct rd	 r;

	rd_init(&r, bytes, sizeof(bytes));
	(void)rd_u8(&r);
	ck_assert_ptr_null(rd_take(&r, SIZE_MAX));
	ck_assert(!rd_ok(&r));
	ck_assert_ptr_eq(r.p, bytes + 1);
}
END_TEST

START_TEST(an_end_with_bytes_left_over_is_none)
{
	struct rd	 r;

	rd_init(&r, bytes, 3);
	(void)rd_u16(&r);
	ck_assert(rd_ok(&r));
	ck_assert(!rd_end(&r));
	(void)rd_u8(&r);
	ck_assert(rd_end(&r));
}
END_TEST

START_TEST(what_is_written_is_read_back)
{
	static const uint64_t	 values[] = {
		0, 1, 0x7f, 0x80, 0xff, 0x100, 0xffff, 0x10000, 0x12345678,
		UINT32_MAX, 0x123456789abcdef0, UINT64_MAX,
	};
	uint64_t		 v = values[_i];
	uint8_t			 buf[15];
	struct wr		 w;
	struct rd		 r;

	wr_init(&w, buf, sizeof(buf));
	wr_u8(&w, (uint8_t)v);
	wr_u16(&w, (uint16_t)v);
	wr_u32(&w, (uint32_t)v);
	wr_u64(&w, v);
	ck_assert(wr_ok(&w));
	ck_assert_uint_eq(wr_len(&w), sizeof(buf));
	rd_init(&r, buf, sizeof(buf));
	ck_assert_uint_eq(rd_u8(&r), (uint8_t)v);
	ck_assert_uint_eq(rd_u16(&r), (uint16_t)v);
	ck_assert_uint_eq(rd_u32(&r), (uint32_t)v);
	ck_assert_uint_eq(rd_u64(&r), v);
	ck_assert(rd_end(&r));
}
END_TEST

START_TEST(what_is_written_little_endian_is_read_back)
{
	static const uint8_t	 want[] = {
		0x02, 0x01, 0x05, 0x04, 0x03, 0x09, 0x08, 0x07, 0x06,
		0xff, 0x10, 0x0f, 0x0e, 0x0d, 0x0c, 0x0b, 0x0a,
	};
	uint8_t			 buf[sizeof(want)];
	struct wr		 w;
	struct rd		 r;

	wr_init(&w, buf, sizeof(buf));
	wr_le16(&w, 0x0102);
	wr_le24(&w, 0x030405);
	wr_le32(&w, 0x06070809);
	wr_le64(&w, 0x0a0b0c0d0e0f10ff);
	ck_assert(wr_ok(&w));
	ck_assert_uint_eq(wr_len(&w), sizeof(want));
	ck_assert_mem_eq(buf, want, sizeof(want));
	rd_init(&r, buf, sizeof(buf));
	ck_assert_uint_eq(rd_le16(&r), 0x0102);
	ck_assert_uint_eq(rd_le24(&r), 0x030405);
	ck_assert_uint_eq(rd_le32(&r), 0x06070809);
	ck_assert_uint_eq(rd_le64(&r), 0x0a0b0c0d0e0f10ff);
	ck_assert(rd_end(&r));
}
END_TEST

START_TEST(what_takes_more_than_24_bits_is_not_written_as_24)
{
	uint8_t		 buf[8];
	struct wr	 w;

	wr_init(&w, buf, sizeof(buf));
	wr_le24(&w, 0xffffff);
	ck_assert(wr_ok(&w));
	wr_le24(&w, 0x1000000);
	ck_assert(!wr_ok(&w));
	ck_assert_uint_eq(wr_len(&w), 3);
}
END_TEST

START_TEST(bytes_are_written_as_they_are)
{
	uint8_t		 buf[sizeof(bytes)];
	struct wr	 w;

	wr_init(&w, buf, sizeof(buf));
	wr_bytes(&w, bytes, 5);
	wr_bytes(&w, NULL, 0);
	wr_bytes(&w, bytes + 5, sizeof(bytes) - 5);
	ck_assert(wr_ok(&w));
	ck_assert_uint_eq(wr_len(&w), sizeof(bytes));
	ck_assert_mem_eq(buf, bytes, sizeof(bytes));
}
END_TEST

START_TEST(what_does_not_fit_is_not_written_and_nothing_after_it)
{
	uint8_t		 buf[8];
	struct wr	 w;

	memset(buf, 0xaa, sizeof(buf));
	wr_init(&w, buf, 5);
	wr_u16(&w, 0x0102);
	wr_u32(&w, 0x03040506);		/* 3 bytes of room */
	ck_assert(!wr_ok(&w));
	wr_u8(&w, 7);			/* would fit */
	wr_bytes(&w, NULL, 0);
	ck_assert(!wr_ok(&w));
	ck_assert_uint_eq(wr_len(&w), 2);
	ck_assert_mem_eq(buf, "\x01\x02\xaa\xaa\xaa\xaa\xaa\xaa", 8);
}
END_TEST

START_TEST(a_length_that_would_wrap_does_not_fit)
{
	uint8_t		 buf[8];
	struct wr	 w;

	wr_init(&w, buf, sizeof(buf));
	wr_u8(&w, 1);
	wr_bytes(&w, bytes, SIZE_MAX);
	ck_assert(!wr_ok(&w));
	ck_assert_uint_eq(wr_len(&w), 1);
}
END_TEST

int
main(void)
{
	Suite	*s = suite_create("buf");
	TCase	*tc = tcase_create("buf");

	suite_add_tcase(s, tc);
	tcase_add_test(tc, numbers_are_read_big_endian);
	tcase_add_test(tc, numbers_are_read_little_endian);
	tcase_add_test(tc, little_endian_numbers_end_with_the_bytes_too);
	tcase_add_test(tc, what_was_taken_lies_inside);
	tcase_add_test(tc,
	    a_read_past_the_end_yields_nothing_and_spoils_all_later_ones);
	tcase_add_test(tc, a_length_that_would_wrap_is_past_the_end);
	tcase_add_test(tc, an_end_with_bytes_left_over_is_none);
	tcase_add_loop_test(tc, what_is_written_is_read_back, 0, 12);
	tcase_add_test(tc, what_is_written_little_endian_is_read_back);
	tcase_add_test(tc,
	    what_takes_more_than_24_bits_is_not_written_as_24);
	tcase_add_test(tc, bytes_are_written_as_they_are);
	tcase_add_test(tc,
	    what_does_not_fit_is_not_written_and_nothing_after_it);
	tcase_add_test(tc, a_length_that_would_wrap_does_not_fit);
	return unit_run(s);
}
