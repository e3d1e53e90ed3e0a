#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "unit.h"
#include "wire/proxy_header.h"

#define TEXT(s)	s, sizeof(s) - 1

/* Version 2 up to its version and command. */
#define SIG	"\r\n\r\n\0\r\nQUIT\n"
#define TCP4	"\x0a\x01\x02\x03" "\x0a\x04\x05\x06" "\xdc\x04" "\x01\xbb"
#define TCP6	"\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01" \
		"\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01" "\xdc\x04" "\x01\xbb"
#define MAPPED	"\0\0\0\0\0\0\0\0\0\0\xff\xff\x0a\x01\x02\x03" \
		"\0\0\0\0\0\0\0\0\0\0\xff\xff\x0a\x04\x05\x06" \
		"\xdc\x04" "\x01\xbb"
#define Z8	"\0\0\0\0\0\0\0\0"
#define Z96	Z8 Z8 Z8 Z8 Z8 Z8 Z8 Z8 Z8 Z8 Z8 Z8
#define P107	"/2345678901234567890123456789012345678901234567890123" \
		"456789012345678901234567890123456789012345678901234567"
#define X32	"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
#define X64	X32 X32
#define X128	X64 X64
#define X1024	X128 X128 X128 X128 X128 X128 X128 X128
#define F4	"10.1.2.3:56324"
#define T4	"10.4.5.6:443"
#define F6	"[2001:db8::1]:56324"
#define T6	"[::1]:443"

/* As a load balancer in the field had sent it, with a checksum. */
#define FIELD	SIG "\x21\x11\0\x54" "\xac\x1f\x07\x71" "\xac\x1f\x0a\x1f" \
		"\xc8\xf2" "\0\x50" "\x03\0\x04\xe8\xd6\x89\x2d" \
		"\xea\0\x17\x01vpce-08d2bf15fac5001c9" \
		"\x04\0\x24" Z8 Z8 Z8 Z8 "\0\0\0\0"

/* Exactly size bytes, so that a sanitizer sees the edge. */
static uint8_t *
exact(const void *data, size_t size)
{
	uint8_t	*p = malloc(size > 0 ? size : 1);

	ck_assert_ptr_nonnull(p);
	if (size > 0)
		memcpy(p, data, size);
	return p;
}

static ssize_t
decode(const void *data, size_t size, const char **why)
{
	uint8_t			*p = exact(data, size);
	struct proxy_header	 h;
	ssize_t			 n;

	*why = "";
	n = proxy_header_decode(p, size, &h, why);
	free(p);
	return n;
}

static const struct {
	const char	*data;
	size_t		 len;
	const char	*from;		/* NULL: local */
	const char	*to;
} good[] = {
	{ TEXT("PROXY TCP4 10.1.2.3 10.4.5.6 56324 443\r\n"), F4, T4 },
	{ TEXT("PROXY TCP4 0.0.0.0 0.0.0.0 0 0\r\n"),
	    "0.0.0.0:0", "0.0.0.0:0" },
	{ TEXT("PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n"),
	    "255.255.255.255:65535", "255.255.255.255:65535" },
	{ TEXT("PROXY TCP6 2001:db8::1 ::1 56324 443\r\n"), F6, T6 },
	{ TEXT("PROXY TCP6 2001:DB8:0:0::1 :: 0 65535\r\n"),
	    "[2001:db8::1]:0", "[::]:65535" },
	{ TEXT("PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff "
	    "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n"),
	    "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535",
	    "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535" },
	{ TEXT("PROXY TCP6 ::ffff:10.1.2.3 ::FFFF:0a04:0506 56324 443\r\n"),
	    F4, T4 },
	{ TEXT("PROXY UNKNOWN\r\n"), NULL, NULL },
	{ TEXT("PROXY UNKNOWN \r\n"), NULL, NULL },
	{ TEXT("PROXY UNKNOWN TCP4 \0 \xff\r\n"), NULL, NULL },
	{ TEXT("PROXY UNKNOWN ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff "
	    "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n"),
	    NULL, NULL },

	{ TEXT(SIG "\x20\0\0\0"), NULL, NULL },
	{ TEXT(SIG "\x20\0\0\x05" "junk!"), NULL, NULL },
	{ TEXT(SIG "\x20\x11\0\x0c" TCP4), NULL, NULL },
	{ TEXT(SIG "\x20\x11\0\0"), NULL, NULL },
	{ TEXT(SIG "\x20\xff\0\0"), NULL, NULL },
	{ TEXT(SIG "\x21\0\0\0"), NULL, NULL },
	{ TEXT(SIG "\x21\0\0\x05" "junk!"), NULL, NULL },
	{ TEXT(SIG "\x21\x01\0\0"), NULL, NULL },
	{ TEXT(SIG "\x21\x10\0\x0c" TCP4), NULL, NULL },
	{ TEXT(SIG "\x21\x11\0\x0c" TCP4), F4, T4 },
	{ TEXT(SIG "\x21\x21\0\x24" TCP6), F6, T6 },
	{ TEXT(SIG "\x21\x21\0\x24" MAPPED), F4, T4 },
	{ TEXT(SIG "\x21\x31\0\xd8" Z96 Z8 "\0\0\0\0" "/run/x\0garbage"
	    Z8 Z8 Z8 Z8 Z8 Z8 Z8 Z8 Z8 Z8 Z8 "\0\0\0\0\0\0"),
	    "unix:", "unix:/run/x" },
	{ TEXT(SIG "\x21\x31\0\xd8" P107 "\0" "\0name" Z96 "\0\0\0\0\0\0\0"),
	    "unix:" P107, "unix:@name" },
	{ TEXT(SIG "\x21\x31\0\xd8" P107 "8" P107 "\0"),
	    "unix:" P107 "8", "unix:" P107 },
	{ TEXT(SIG "\x21\x11\0\x0f" TCP4 "\x04\0\0"), F4, T4 },
	{ TEXT(SIG "\x21\x11\0\x18" TCP4 "\xe0\0\x02\0\0" "\xff\0\x01\xff"
	    "\x04\0\0"), F4, T4 },
	{ TEXT(SIG "\x21\x11\0\x13" TCP4 "\x03\0\x04\x93\xff\x46\xe9"),
	    F4, T4 },
	{ TEXT(FIELD), "172.31.7.113:51442", "172.31.10.31:80" },
	{ TEXT(SIG "\x21\x11\x10\0" TCP4 "\xe0\x0f\xf1" X1024 X1024 X1024
	    X128 X128 X128 X128 X128 X128 X128 X64 "1234567890123456789"
	    "012345678901234567890123456789"), F4, T4 },
};

START_TEST(a_good_header_is_read)
{
	uint8_t			*p = exact(good[_i].data, good[_i].len);
	char			 text[NET_TEXT_MAX];
	struct proxy_header	 h;
	const char		*why = "";

	ck_assert_msg(proxy_header_decode(p, good[_i].len, &h, &why) ==
	    (ssize_t)good[_i].len, "%d: %s", _i, why);
	ck_assert(h.local == (good[_i].from == NULL));
	if (h.local) {
		ck_assert_uint_eq(h.from.len, 0);
		ck_assert_uint_eq(h.to.len, 0);
	} else {
		ck_assert_str_eq(net_text(&h.from, text, sizeof(text)),
		    good[_i].from);
		ck_assert_str_eq(net_text(&h.to, text, sizeof(text)),
		    good[_i].to);
	}
	free(p);
}
END_TEST

START_TEST(a_cut_header_asks_for_more)
{
	const char	*why;

	for (size_t len = 0; len < good[_i].len; len++)
		ck_assert_int_eq(decode(good[_i].data, len, &why), 0);
}
END_TEST

START_TEST(before_the_first_byte_there_is_nothing_to_read)
{
	struct proxy_header	 h;
	const char		*why;

	ck_assert_int_eq(proxy_header_decode(NULL, 0, &h, &why), 0);
}
END_TEST

START_TEST(what_stands_behind_a_header_is_left_alone)
{
	static const char	 payload[] = "\r\nPROXY TCP4 \0\xff";
	static char		 all[PROXY_HEADER_MAX + sizeof(payload)];
	const size_t		 len = good[_i].len;
	const char		*why;

	memcpy(all, good[_i].data, len);
	memcpy(all + len, payload, sizeof(payload));
	for (size_t n = 1; n <= sizeof(payload); n++)
		ck_assert_int_eq(decode(all, len + n, &why), (ssize_t)len);
}
END_TEST

#define WHAT	"neither a PROXY line nor a PROXY header of version 2"
#define WORD	"the PROXY line says none of TCP4, TCP6 and UNKNOWN"
#define ADDR	"the PROXY line has a malformed address"
#define PORT	"the PROXY line has a malformed port"
#define CRLF	"the PROXY line does not end with CR LF"
#define LONG	"the PROXY line does not end within 107 bytes"
#define VERS	"a PROXY header of an unknown version"
#define CMD	"a PROXY header with an unknown command"
#define FAMILY	"a PROXY header of an unknown family or protocol"
#define DGRAM	"a PROXY header for datagrams"
#define LARGE	"a PROXY header of more than 4112 bytes"
#define SHORT	"the PROXY header is too short for its addresses"
#define BEYOND	"a TLV reaches beyond the PROXY header"
#define TLV	"a TLV of the PROXY header is malformed"
#define TWICE	"a TLV of the PROXY header comes twice"
#define SUM	"the checksum of the PROXY header is wrong"

/* Each ends with the byte that gives it away. */
static const struct {
	const char	*data;
	size_t		 len;
	const char	*why;
} bad[] = {
	{ TEXT("G"), WHAT },
	{ TEXT("\x16"), WHAT },
	{ TEXT("\0"), WHAT },
	{ TEXT("\n"), WHAT },
	{ TEXT(" "), WHAT },
	{ TEXT("p"), WHAT },
	{ TEXT("PO"), WHAT },
	{ TEXT("PROXY\t"), WHAT },
	{ TEXT("PROXY\r"), WHAT },
	{ TEXT("PROXY  "), WORD },
	{ TEXT("PROXY t"), WORD },
	{ TEXT("PROXY TCP5"), WORD },
	{ TEXT("PROXY TCP\0"), WORD },
	{ TEXT("PROXY TCP4\r"), WORD },
	{ TEXT("PROXY TCP66"), WORD },
	{ TEXT("PROXY UD"), WORD },
	{ TEXT("PROXY UNKNOWNS"), LONG },
	{ TEXT("PROXY UNKNOWN\n"), LONG },
	{ TEXT("PROXY UNKNOWN\r\r"), LONG },
	{ TEXT("PROXY UNKNOWN x\n"), LONG },
	{ TEXT("PROXY UNKNOWN x\rx"), LONG },
	{ TEXT("PROXY UNKNOWN x\r\r"), LONG },
	{ TEXT("PROXY UNKNOWN " X64 "7890123456789012345678901234"), LONG },

	{ TEXT("PROXY TCP4  "), ADDR },
	{ TEXT("PROXY TCP4 \0"), ADDR },
	{ TEXT("PROXY TCP4 a"), ADDR },
	{ TEXT("PROXY TCP4 :"), ADDR },
	{ TEXT("PROXY TCP4 1.2.3 "), ADDR },
	{ TEXT("PROXY TCP4 1.2.3. "), ADDR },
	{ TEXT("PROXY TCP4 1.2.3.4.5 "), ADDR },
	{ TEXT("PROXY TCP4 1.2.3.256 "), ADDR },
	{ TEXT("PROXY TCP4 1.2.3.04 "), ADDR },
	{ TEXT("PROXY TCP4 00.2.3.4 "), ADDR },
	{ TEXT("PROXY TCP4 1.2.3.4\t"), ADDR },
	{ TEXT("PROXY TCP4 1.2.3.4\r"), ADDR },
	{ TEXT("PROXY TCP4 255.255.255.2551"), ADDR },
	{ TEXT("PROXY TCP4 1.2.3.4  "), ADDR },
	{ TEXT("PROXY TCP4 1.2.3.4 1.2.3 "), ADDR },
	{ TEXT("PROXY TCP4 1.2.3.4 :"), ADDR },
	{ TEXT("PROXY TCP6 1.2.3.4 "), ADDR },
	{ TEXT("PROXY TCP6 [") , ADDR },
	{ TEXT("PROXY TCP6 fe80::1%"), ADDR },
	{ TEXT("PROXY TCP6 g"), ADDR },
	{ TEXT("PROXY TCP6 1::2::3 "), ADDR },
	{ TEXT("PROXY TCP6 1:2:3:4:5:6:7 "), ADDR },
	{ TEXT("PROXY TCP6 1:2:3:4:5:6:7:8:9 "), ADDR },
	{ TEXT("PROXY TCP6 12345:: "), ADDR },
	{ TEXT("PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff0"), ADDR },
	{ TEXT("PROXY TCP4 1.2.3.4 1.2.3.4  "), PORT },
	{ TEXT("PROXY TCP4 1.2.3.4 1.2.3.4 -"), PORT },
	{ TEXT("PROXY TCP4 1.2.3.4 1.2.3.4 01 "), PORT },
	{ TEXT("PROXY TCP4 1.2.3.4 1.2.3.4 00 "), PORT },
	{ TEXT("PROXY TCP4 1.2.3.4 1.2.3.4 65536 "), PORT },
	{ TEXT("PROXY TCP4 1.2.3.4 1.2.3.4 100000"), PORT },
	{ TEXT("PROXY TCP4 1.2.3.4 1.2.3.4 1\r"), PORT },
	{ TEXT("PROXY TCP4 1.2.3.4 1.2.3.4 1  "), PORT },
	{ TEXT("PROXY TCP4 1.2.3.4 1.2.3.4 1 \r"), PORT },
	{ TEXT("PROXY TCP4 1.2.3.4 1.2.3.4 1 2 "), PORT },
	{ TEXT("PROXY TCP4 1.2.3.4 1.2.3.4 1 2\n"), PORT },
	{ TEXT("PROXY TCP4 1.2.3.4 1.2.3.4 1 02\r"), PORT },
	{ TEXT("PROXY TCP4 1.2.3.4 1.2.3.4 1 65536\r"), PORT },
	{ TEXT("PROXY TCP4 1.2.3.4 1.2.3.4 1 2\r\r"), CRLF },
	{ TEXT("PROXY TCP4 1.2.3.4 1.2.3.4 1 2\r "), CRLF },

	{ TEXT("\r\n\r\r"), WHAT },
	{ TEXT("\r\n\r\n\0\r\nQUIT\0"), WHAT },
	{ TEXT(SIG "\x11"), VERS },
	{ TEXT(SIG "\x01"), VERS },
	{ TEXT(SIG "\x31"), VERS },
	{ TEXT(SIG "\xa1"), VERS },
	{ TEXT(SIG "\x22"), CMD },
	{ TEXT(SIG "\x2f"), CMD },
	{ TEXT(SIG "\x21\x41"), FAMILY },
	{ TEXT(SIG "\x21\xf1"), FAMILY },
	{ TEXT(SIG "\x21\x13"), FAMILY },
	{ TEXT(SIG "\x21\x0f"), FAMILY },
	{ TEXT(SIG "\x21\x02"), DGRAM },
	{ TEXT(SIG "\x21\x12"), DGRAM },
	{ TEXT(SIG "\x21\x22"), DGRAM },
	{ TEXT(SIG "\x21\x32"), DGRAM },
	{ TEXT(SIG "\x20\0\x10\x01"), LARGE },
	{ TEXT(SIG "\x21\x11\x10\x01"), LARGE },
	{ TEXT(SIG "\x21\x11\xff\xff"), LARGE },
	{ TEXT(SIG "\x21\x11\0\0"), SHORT },
	{ TEXT(SIG "\x21\x11\0\x0b"), SHORT },
	{ TEXT(SIG "\x21\x21\0\x23"), SHORT },
	{ TEXT(SIG "\x21\x31\0\xd7"), SHORT },
	{ TEXT(SIG "\x21\x11\0\x0d" TCP4 "\x04"), BEYOND },
	{ TEXT(SIG "\x21\x11\0\x0e" TCP4 "\x04\0"), BEYOND },
	{ TEXT(SIG "\x21\x11\0\x0f" TCP4 "\x04\0\x01"), BEYOND },
	{ TEXT(SIG "\x21\x11\0\x11" TCP4 "\x04\xff\xff\0\0"), BEYOND },
	{ TEXT(SIG "\x21\x11\0\x12" TCP4 "\x04\0\0\x05\0\x01"), BEYOND },
	{ TEXT(SIG "\x21\x11\0\x90" TCP4 "\x05\0\x81" X128 "x"), TLV },
	{ TEXT(SIG "\x21\x11\0\x12" TCP4 "\x03\0\x03\0\0\0"), TLV },
	{ TEXT(SIG "\x21\x11\0\x14" TCP4 "\x03\0\x05\0\0\0\0\0"), TLV },
	{ TEXT(SIG "\x21\x11\0\x13" TCP4 "\x20\0\x04\x01\0\0\0"), TLV },
	{ TEXT(SIG "\x21\x11\0\x16" TCP4 "\x20\0\x07\x01\0\0\0\0\x21\0"),
	    TLV },
	/* The inner one would end where the outer does not. */
	{ TEXT(SIG "\x21\x11\0\x1b" TCP4 "\x20\0\x08\x01\0\0\0\0\x21\0\x04"
	    "\x04\0\x01x"), TLV },
	{ TEXT(SIG "\x21\x11\0\x12" TCP4 "\x05\0\0\x05\0\0"), TWICE },
	{ TEXT(SIG "\x21\x11\0\x12" TCP4 "\x02\0\0\x02\0\0"), TWICE },
	{ TEXT(SIG "\x21\x11\0\x1c" TCP4 "\x20\0\x05\0\0\0\0\0"
	    "\x20\0\x05\0\0\0\0\0"), TWICE },
	{ TEXT(SIG "\x21\x11\0\x1a" TCP4 "\x03\0\x04\0\0\0\0"
	    "\x03\0\x04\0\0\0\0"), TWICE },
	{ TEXT(SIG "\x21\x11\0\x13" TCP4 "\x03\0\x04\0\0\0\0"), SUM },
	{ TEXT(SIG "\x21\x11\0\x13" TCP4 "\x03\0\x04\x93\xff\x46\xea"), SUM },
};

START_TEST(a_bad_header_is_refused_at_the_byte_that_tells)
{
	const char	*why;

	for (size_t len = 0; len < bad[_i].len; len++)
		ck_assert_msg(decode(bad[_i].data, len, &why) == 0,
		    "%d: %zu bytes: %s", _i, len, why);
	ck_assert_msg(decode(bad[_i].data, bad[_i].len, &why) == -1,
	    "%d: %s", _i, bad[_i].why);
	ck_assert_str_eq(why, bad[_i].why);
}
END_TEST

START_TEST(a_refusal_is_final)
{
	const char	 tails[] = { '\0', ' ', '\r', '\n', '0', ':', '\xff' };
	uint8_t		*all = malloc(bad[_i].len + 200);
	const char	*why;

	ck_assert_ptr_nonnull(all);
	memcpy(all, bad[_i].data, bad[_i].len);
	for (size_t i = 0; i < nitems(tails); i++) {
		memset(all + bad[_i].len, tails[i], 200);
		ck_assert_int_eq(decode(all, bad[_i].len + 1, &why), -1);
		ck_assert_int_eq(decode(all, bad[_i].len + 200, &why), -1);
		ck_assert_str_eq(why, bad[_i].why);
	}
	free(all);
}
END_TEST

START_TEST(any_damage_to_a_header_with_a_checksum_is_seen)
{
	const char	 field[] = FIELD;
	char		 damaged[sizeof(field) - 1];
	const char	*why;

	for (size_t bit = 0; bit < 8 * sizeof(damaged); bit++) {
		memcpy(damaged, field, sizeof(damaged));
		damaged[bit / 8] ^= (char)(1 << (bit % 8));
		/*
		 * A type of TLV that is not the sum's any more hides it, one
		 * bit makes LOCAL of it, another UNSPEC of its protocol or
		 * family, and a longer one is waited for.
		 */
		if (decode(damaged, sizeof(damaged), &why) > 0)
			ck_assert_msg(bit / 8 == 28 || bit == 12 * 8 ||
			    bit == 13 * 8 || bit == 13 * 8 + 4, "bit %zu",
			    bit);
	}
}
END_TEST

START_TEST(tlvs_are_found_within_the_bytes)
{
	static const uint8_t	 data[] = SIG "\x21\x11\0\x42" TCP4
	    "\x01\0\x02h2"
	    "\x20\0\x17\x05\0\0\0\x2a" "\x21\0\x07TLSv1.3"
	    "\x22\0\x05" "a\0b\xff!"
	    "\x02\0\x0b" "example.org"
	    "\x05\0\x06" "id\0\xffid";
	struct proxy_header	 h;
	const char		*why = "";

	ck_assert_msg(proxy_header_decode(data, sizeof(data) - 1, &h, &why) ==
	    sizeof(data) - 1, "%s", why);
	ck_assert_uint_eq(h.ssl_client,
	    PROXY_HEADER_SSL | PROXY_HEADER_CERT_SESS);
	ck_assert_uint_eq(h.ssl_verify, 42);
	ck_assert_uint_eq(h.authority_len, 11);
	ck_assert_mem_eq(h.authority, "example.org", 11);
	ck_assert_uint_eq(h.id_len, 6);
	ck_assert_mem_eq(h.id, "id\0\xffid", 6);
	ck_assert(h.id > data && h.id < data + sizeof(data));
}
END_TEST

START_TEST(without_tlvs_nothing_is_verified)
{
	struct proxy_header	 h;
	const char		*why;

	ck_assert_int_gt(proxy_header_decode(TEXT(SIG "\x21\x11\0\x0c" TCP4),
	    &h, &why), 0);
	ck_assert_ptr_null(h.id);
	ck_assert_ptr_null(h.authority);
	ck_assert_uint_eq(h.ssl_client, 0);
	ck_assert_uint_ne(h.ssl_verify, 0);
}
END_TEST

START_TEST(an_id_may_be_empty_and_as_long_as_the_format_allows)
{
	static const size_t	 lengths[] = { 0, 1, PROXY_HEADER_ID_MAX };
	struct net_spec		 a;
	struct proxy_header	 h;
	const char		*why;
	uint8_t			 buf[PROXY_HEADER_OUT_MAX];
	size_t			 len;

	ck_assert_int_eq(net_parse(F4, true, &a, &why), 0);
	len = proxy_header_encode(2, &a.addr, &a.addr, X128, lengths[_i], buf);
	ck_assert_uint_eq(len, 16 + 12 + 3 + lengths[_i]);
	ck_assert_int_eq(proxy_header_decode(buf, len, &h, &why),
	    (ssize_t)len);
	ck_assert_ptr_nonnull(h.id);
	ck_assert_uint_eq(h.id_len, lengths[_i]);
	ck_assert_mem_eq(h.id, X128, lengths[_i]);
}
END_TEST

START_TEST(an_id_that_is_too_long_is_left_out)
{
	struct net_spec	 a;
	const char	*why;
	uint8_t		 buf[PROXY_HEADER_OUT_MAX];

	ck_assert_int_eq(net_parse(F4, true, &a, &why), 0);
	ck_assert_uint_eq(proxy_header_encode(2, &a.addr, &a.addr, X128 "x",
	    PROXY_HEADER_ID_MAX + 1, buf), 28);
}
END_TEST

#define M4	"[::ffff:10.1.2.3]:56324"
#define N4	"[::ffff:10.4.5.6]:443"
#define UNKNOWN	TEXT("PROXY UNKNOWN\r\n")
#define UNSPEC	TEXT(SIG "\x21\0\0\x05" "\x05\0\x02id")

static const struct {
	int		 version;
	const char	*from;		/* NULL: there is none */
	const char	*to;
	const char	*data;
	size_t		 len;
} written[] = {
	{ 1, F4, T4, TEXT("PROXY TCP4 10.1.2.3 10.4.5.6 56324 443\r\n") },
	{ 1, M4, N4, TEXT("PROXY TCP4 10.1.2.3 10.4.5.6 56324 443\r\n") },
	{ 1, F4, N4, TEXT("PROXY TCP4 10.1.2.3 10.4.5.6 56324 443\r\n") },
	{ 1, F6, T6, TEXT("PROXY TCP6 2001:db8::1 ::1 56324 443\r\n") },
	{ 1, M4, T6, TEXT("PROXY TCP6 ::ffff:10.1.2.3 ::1 56324 443\r\n") },
	{ 1, F4, T6, UNKNOWN },
	{ 1, F6, T4, UNKNOWN },
	{ 1, "unix:/a", "unix:/b", UNKNOWN },
	{ 1, "unix:/a", T4, UNKNOWN },
	{ 1, NULL, NULL, UNKNOWN },
	{ 1, NULL, T4, UNKNOWN },
	{ 2, F4, T4, TEXT(SIG "\x21\x11\0\x11" TCP4 "\x05\0\x02id") },
	{ 2, M4, N4, TEXT(SIG "\x21\x11\0\x11" TCP4 "\x05\0\x02id") },
	{ 2, M4, T4, TEXT(SIG "\x21\x11\0\x11" TCP4 "\x05\0\x02id") },
	{ 2, F6, T6, TEXT(SIG "\x21\x21\0\x29" TCP6 "\x05\0\x02id") },
	{ 2, "unix:" P107, "unix:@name", TEXT(SIG "\x21\x31\0\xdd"
	    P107 "\0" "\0name" Z96 "\0\0\0\0\0\0\0" "\x05\0\x02id") },
	{ 2, F4, T6, UNSPEC },
	{ 2, "unix:/a", T4, UNSPEC },
	{ 2, NULL, T4, UNSPEC },
	{ 2, NULL, NULL, TEXT(SIG "\x20\0\0\0") },
};

static const struct net_addr *
address(const char *text, struct net_spec *s)
{
	const char	*why;

	if (text == NULL)
		return NULL;
	ck_assert_int_eq(net_parse(text, true, s, &why), 0);
	return &s->addr;
}

START_TEST(a_header_is_written_as_the_format_has_it)
{
	struct net_spec	 from, to;
	uint8_t		 buf[PROXY_HEADER_OUT_MAX];
	size_t		 len;

	len = proxy_header_encode(written[_i].version,
	    address(written[_i].from, &from), address(written[_i].to, &to),
	    "id", 2, buf);
	ck_assert_uint_eq(len, written[_i].len);
	ck_assert_mem_eq(buf, written[_i].data, len);
}
END_TEST

static const struct {
	const char	*from;
	const char	*to;
	int		 first;		/* version that can tell it */
} pairs[] = {
	{ F4, T4, 1 },
	{ "0.0.0.0:0", "255.255.255.255:65535", 1 },
	{ F6, T6, 1 },
	{ "[::]:0", "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535", 1 },
	{ "[::ffff:1.2.3.4]:5", "[::1]:6", 1 },
	{ "[::1]:6", "[::ffff:1.2.3.4]:5", 1 },
	{ "unix:/run/x", "unix:" P107, 2 },
	{ "unix:@name", "unix:/run/x", 2 },
};

START_TEST(what_was_encoded_is_decoded)
{
	struct net_spec		 from, to;
	struct proxy_header	 h;
	uint8_t			 buf[PROXY_HEADER_OUT_MAX];
	const char		*why = "";
	size_t			 len;

	(void)address(pairs[_i].from, &from);
	(void)address(pairs[_i].to, &to);
	for (int version = pairs[_i].first; version <= 2; version++) {
		len = proxy_header_encode(version, &from.addr, &to.addr,
		    "session", 7, buf);
		ck_assert_msg(proxy_header_decode(buf, len, &h, &why) ==
		    (ssize_t)len, "%s", why);
		ck_assert(!h.local);
		ck_assert(net_same(&h.from, &from.addr));
		ck_assert(net_same(&h.to, &to.addr));
		if (version == 2)
			ck_assert_mem_eq(h.id, "session", 7);
	}
}
END_TEST

START_TEST(mapped_ends_come_back_as_ipv4)
{
	struct net_spec		 from, to, plain;
	struct proxy_header	 h;
	uint8_t			 buf[PROXY_HEADER_OUT_MAX];
	const char		*why;
	size_t			 len;

	(void)address(M4, &from);
	(void)address(N4, &to);
	for (int version = 1; version <= 2; version++) {
		len = proxy_header_encode(version, &from.addr, &to.addr, NULL,
		    0, buf);
		ck_assert_int_eq(proxy_header_decode(buf, len, &h, &why),
		    (ssize_t)len);
		ck_assert(net_same(&h.from, address(F4, &plain)));
		ck_assert(net_same(&h.to, address(T4, &plain)));
	}
}
END_TEST

START_TEST(a_client_without_a_path_stays_without)
{
	struct net_addr		 from = { .len = sizeof(sa_family_t) };
	struct net_spec		 to;
	struct proxy_header	 h;
	uint8_t			 buf[PROXY_HEADER_OUT_MAX];
	const char		*why;
	size_t			 len;

	from.u.sa.sa_family = AF_UNIX;
	len = proxy_header_encode(2, &from, address("unix:/run/x", &to), NULL,
	    0, buf);
	ck_assert_uint_eq(len, 16 + 2 * 108);
	ck_assert_int_eq(proxy_header_decode(buf, len, &h, &why),
	    (ssize_t)len);
	ck_assert(net_same(&h.from, &from));
	ck_assert(net_same(&h.to, &to.addr));
}
END_TEST

START_TEST(a_path_ends_with_its_nul)
{
	static const uint8_t	 data[] = SIG "\x21\x31\0\xd8"
	    "/run/x\0other" X64 X32 P107 "8";
	struct net_spec		 path;
	struct proxy_header	 h;
	uint8_t			 buf[PROXY_HEADER_OUT_MAX];
	const char		*why;
	size_t			 len;

	ck_assert_int_eq(proxy_header_decode(data, sizeof(data) - 1, &h, &why),
	    sizeof(data) - 1);
	ck_assert(net_same(&h.from, address("unix:/run/x", &path)));
	/* One that fills its room has none. */
	ck_assert_uint_eq(h.to.len, sizeof(h.to.u.un));
	ck_assert_mem_eq(h.to.u.un.sun_path, P107 "8", 108);

	/* As getsockname(2) has it: room beyond, and one more for the NUL. */
	memcpy(h.from.u.un.sun_path, data + 16, 108);
	h.from.len = sizeof(h.from.u.un);
	h.to.len = sizeof(h.to.u.un) + 1;
	len = proxy_header_encode(2, &h.from, &h.to, NULL, 0, buf);
	ck_assert_uint_eq(len, 16 + 2 * 108);
	ck_assert_mem_eq(buf + 16, "/run/x\0\0", 8);
	ck_assert_mem_eq(buf + 16 + 108, P107 "8", 108);
	h.to.u.un.sun_path[0] = '\0';
	ck_assert_uint_eq(proxy_header_encode(2, &h.from, &h.to, NULL, 0,
	    buf), len);
}
END_TEST

START_TEST(an_address_that_is_none_is_not_told)
{
	struct net_addr		 none = { .len = 0 };
	struct net_spec		 to;
	uint8_t			 buf[PROXY_HEADER_OUT_MAX];

	none.u.sa.sa_family = AF_INET;
	(void)address(T4, &to);
	ck_assert_uint_eq(proxy_header_encode(1, &none, &to.addr, NULL, 0,
	    buf), 15);
	ck_assert_uint_eq(proxy_header_encode(1, &none, &none, NULL, 0, buf),
	    15);
	ck_assert_uint_eq(proxy_header_encode(2, &none, &none, NULL, 0, buf),
	    16);
	ck_assert_mem_eq(buf + 12, "\x21\0\0\0", 4);
}
END_TEST

int
main(void)
{
	Suite	*s = suite_create("proxy_header");
	TCase	*tc = tcase_create("proxy_header");

	suite_add_tcase(s, tc);
	tcase_add_loop_test(tc, a_good_header_is_read, 0, nitems(good));
	tcase_add_loop_test(tc, a_cut_header_asks_for_more, 0, nitems(good));
	tcase_add_test(tc, before_the_first_byte_there_is_nothing_to_read);
	tcase_add_loop_test(tc, what_stands_behind_a_header_is_left_alone, 0,
	    nitems(good));
	tcase_add_loop_test(tc, a_bad_header_is_refused_at_the_byte_that_tells,
	    0, nitems(bad));
	tcase_add_loop_test(tc, a_refusal_is_final, 0, nitems(bad));
	tcase_add_test(tc, any_damage_to_a_header_with_a_checksum_is_seen);
	tcase_add_test(tc, tlvs_are_found_within_the_bytes);
	tcase_add_test(tc, without_tlvs_nothing_is_verified);
	tcase_add_loop_test(tc,
	    an_id_may_be_empty_and_as_long_as_the_format_allows, 0, 3);
	tcase_add_test(tc, an_id_that_is_too_long_is_left_out);
	tcase_add_loop_test(tc, a_header_is_written_as_the_format_has_it, 0,
	    nitems(written));
	tcase_add_loop_test(tc, what_was_encoded_is_decoded, 0,
	    nitems(pairs));
	tcase_add_test(tc, mapped_ends_come_back_as_ipv4);
	tcase_add_test(tc, a_client_without_a_path_stays_without);
	tcase_add_test(tc, a_path_ends_with_its_nul);
	tcase_add_test(tc, an_address_that_is_none_is_not_told);
	return unit_run(s);
}
