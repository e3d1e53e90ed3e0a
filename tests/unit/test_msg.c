#include <stdlib.h>
#include <string.h>

#include "base/msg.h"
#include "unit.h"

#define PAYLOAD	"hello"

static const uint8_t	 message[] =
    "\x12\x34\x00\x05\xde\xad\xbe\xef" PAYLOAD;
#define MESSAGE_LEN	(sizeof(message) - 1)

/* Exactly len bytes, so that a sanitizer sees the edge. */
static uint8_t *
exact(const uint8_t *data, size_t len)
{
	uint8_t	*p = malloc(len > 0 ? len : 1);

	ck_assert_ptr_nonnull(p);
	memcpy(p, data, len);
	return p;
}

START_TEST(a_header_is_type_length_and_id)
{
	uint8_t	 buf[MSG_HEADER + 1];

	buf[MSG_HEADER] = 0x77;
	msg_encode_header(buf, 0x1234, 5, 0xdeadbeef);
	ck_assert_mem_eq(buf, message, MSG_HEADER);
	ck_assert_uint_eq(buf[MSG_HEADER], 0x77);
}
END_TEST

START_TEST(what_was_encoded_is_decoded)
{
	static const size_t	 lengths[] = { 0, 1, MSG_PAYLOAD_MAX, 65535 };
	size_t			 len = lengths[_i];
	uint8_t			*buf = calloc(1, MSG_HEADER + len);
	struct msg		 m;

	ck_assert_ptr_nonnull(buf);
	msg_encode_header(buf, 0xfffe, len, UINT32_MAX);
	ck_assert_int_eq(msg_decode(buf, MSG_HEADER + len, &m), 0);
	ck_assert_uint_eq(m.type, 0xfffe);
	ck_assert_uint_eq(m.id, UINT32_MAX);
	ck_assert_uint_eq(m.len, len);
	ck_assert_ptr_eq(m.payload, buf + MSG_HEADER);
	free(buf);
}
END_TEST

START_TEST(a_cut_message_is_refused)
{
	size_t		 len = (size_t)_i;
	uint8_t		*cut = exact(message, len);
	struct msg	 m;

	ck_assert_int_eq(msg_decode(cut, len, &m), -1);
	free(cut);
}
END_TEST

START_TEST(a_message_with_a_tail_is_refused)
{
	uint8_t		 tail[MESSAGE_LEN + 1] = { 0 };
	struct msg	 m;

	memcpy(tail, message, MESSAGE_LEN);
	ck_assert_int_eq(msg_decode(tail, MESSAGE_LEN, &m), 0);
	ck_assert_mem_eq(m.payload, PAYLOAD, m.len);
	ck_assert_int_eq(msg_decode(tail, sizeof(tail), &m), -1);
}
END_TEST

int
main(void)
{
	Suite	*s = suite_create("msg");
	TCase	*tc = tcase_create("msg");

	suite_add_tcase(s, tc);
	tcase_add_test(tc, a_header_is_type_length_and_id);
	tcase_add_loop_test(tc, what_was_encoded_is_decoded, 0, 4);
	tcase_add_loop_test(tc, a_cut_message_is_refused, 0,
	    (int)MESSAGE_LEN);
	tcase_add_test(tc, a_message_with_a_tail_is_refused);
	return unit_run(s);
}
