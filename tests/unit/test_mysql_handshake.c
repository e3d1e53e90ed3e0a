/*
 * Greetings and answers, of servers and clients as they were recorded: what
 * they say, that every cut one is refused, and that encoded again they say the
 * same.  What goes on after them: switches of plugin, COM_CHANGE_USER.
 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "unit.h"
#include "wire/mysql_auth.h"
#include "wire/mysql_handshake.h"

#define B(text)	{ (const uint8_t *)(text), sizeof(text) - 1 }
#define NONE	{ NULL, 0 }
#define NONCE	"abcdefghijklmnopqrst"
#define HASH	"HHHHHHHHHHHHHHHHHHHH"
#define ZEROS	"\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"
#define ALL	0xffffffffu

static void
ck_bytes(struct mysql_bytes got, struct mysql_bytes want)
{
	ck_assert_uint_eq(got.len, want.len);
	ck_assert(got.len == 0 || memcmp(got.p, want.p, got.len) == 0);
}

/* --- greetings */

static const struct {
	struct mysql_bytes	 payload;
	size_t			 must;		/* up to the rest of the nonce */
	const char		*version, *plugin;
	uint32_t		 caps, mariadb_caps;
} greetings[] = {
	/* MySQL 9.7 without TLS. */
	{ B("\x0a" "9.7.4-2\0" "\x0b\0\0\0" "abcdefgh\0" "\xff\xf7" "\xff"
	    "\x02\0" "\xff\xdf" "\x15" "\0\0\0\0\0\0\0\0\0\0" "ijklmnopqrst\0"
	    "caching_sha2_password\0"), 40, "9.7.4-2",
	    "caching_sha2_password", 0xdffff7ff, 0 },
	/* MariaDB 10.11: bit 0 is clear, and more bits are in the filler. */
	{ B("\x0a" "5.5.5-10.11.19-MariaDB\0" "\x04\0\0\0" "abcdefgh\0"
	    "\xfe\xf7" "\x2d" "\x02\0" "\xff\x81" "\x15"
	    "\0\0\0\0\0\0\x1d\0\0\0" "ijklmnopqrst\0"
	    "mysql_native_password\0"), 55, "5.5.5-10.11.19-MariaDB",
	    "mysql_native_password", 0x81fff7fe, 0x1d },
	/* The last NUL is missing, as old servers have it. */
	{ B("\x0a" "5.5.8\0" "\x04\0\0\0" "abcdefgh\0" "\xff\xf7" "\x08"
	    "\x02\0" "\x0f\x80" "\x15" "\0\0\0\0\0\0\0\0\0\0" "ijklmnopqrst\0"
	    "mysql_native_password"), 38, "5.5.8", "mysql_native_password",
	    0x800ff7ff, 0 },
};

START_TEST(a_greeting_is_read_and_written)
{
	struct mysql_greeting	 g, again;
	uint8_t			 buf[512];
	struct rd		 r;
	struct wr		 w;

	rd_init(&r, greetings[_i].payload.p, greetings[_i].payload.len);
	ck_assert_int_eq(mysql_greeting_decode(&r, &g), 0);
	ck_assert_uint_eq(g.version.len, strlen(greetings[_i].version));
	ck_assert_mem_eq(g.version.p, greetings[_i].version, g.version.len);
	ck_assert_uint_eq(g.plugin.len, strlen(greetings[_i].plugin));
	ck_assert_mem_eq(g.plugin.p, greetings[_i].plugin, g.plugin.len);
	ck_assert_mem_eq(g.nonce, NONCE, MYSQL_NONCE_LEN);
	ck_assert_uint_eq(g.caps, greetings[_i].caps);
	ck_assert_uint_eq(g.mariadb_caps, greetings[_i].mariadb_caps);
	wr_init(&w, buf, sizeof(buf));
	mysql_greeting_encode(&w, &g);
	ck_assert(wr_ok(&w));
	rd_init(&r, buf, wr_len(&w));
	ck_assert_int_eq(mysql_greeting_decode(&r, &again), 0);
	ck_bytes(again.version, g.version);
	ck_bytes(again.plugin, g.plugin);
	ck_assert_mem_eq(again.nonce, g.nonce, sizeof(g.nonce));
	ck_assert_uint_eq(again.caps, g.caps);
	ck_assert_uint_eq(again.mariadb_caps, g.mariadb_caps);
	ck_assert_uint_eq(again.thread_id, g.thread_id);
}
END_TEST

START_TEST(a_cut_greeting_is_refused)
{
	struct mysql_greeting	 g;
	struct rd		 r;

	for (size_t n = 0; n < greetings[_i].must; n++) {
		rd_init(&r, greetings[_i].payload.p, n);
		ck_assert_msg(mysql_greeting_decode(&r, &g) == -1, "%zu", n);
	}
	/* Behind the filler there may be less. */
	rd_init(&r, greetings[_i].payload.p, greetings[_i].must);
	ck_assert_int_eq(mysql_greeting_decode(&r, &g), 0);
}
END_TEST

static const struct mysql_bytes	 no_greetings[] = {
	B("\x09" "3.23\0"), B("\xff\x10\x04Too many connections"),
	B("HTTP/1.1 400 Bad Request\r\n\r\n"), B("SSH-2.0-OpenSSH_9.2\r\n"),
};

START_TEST(what_is_no_greeting_is_refused)
{
	struct mysql_greeting	 g;
	struct rd		 r;

	rd_init(&r, no_greetings[_i].p, no_greetings[_i].len);
	ck_assert_int_eq(mysql_greeting_decode(&r, &g), -1);
}
END_TEST

/* --- answers */

#define FIXED(caps)	caps "\0\0\0\x01" "\x2d" ZEROS

static const struct {
	struct mysql_bytes	 payload;
	size_t			 must;
	struct mysql_bytes	 auth, database, plugin, attributes, tail;
} responses[] = {
	/* All there is: lenenc auth, database, plugin, attributes. */
	{ B(FIXED("\x8d\xa2\x38\0") "app\0" "\x14" HASH "shop\0"
	    "mysql_native_password\0" "\x04\x01" "a" "\x01" "b"), 32 + 4 + 21,
	    B(HASH), B("shop"), B("mysql_native_password"),
	    B("\x01" "a\x01" "b"), NONE },
	/* As npm's mysql: no plugin, and no PLUGIN_AUTH. */
	{ B(FIXED("\x8d\xa2\0\0") "app\0" "\x14" HASH "shop\0"), 32 + 4 + 21,
	    B(HASH), B("shop"), NONE, NONE, NONE },
	/* The database and the plugin end with the payload. */
	{ B(FIXED("\x8d\xa2\x08\0") "app\0" "\0" "shop"), 32 + 4 + 1, B(""),
	    B("shop"), NONE, NONE, NONE },
	{ B(FIXED("\x85\xa2\x08\0") "app\0" "\0" "dialog"), 32 + 4 + 1,
	    B(""), NONE, B("dialog"), NONE, NONE },
	/* Attributes that reach beyond the payload are left alone. */
	{ B(FIXED("\x85\xa2\x18\0") "app\0" "\0" "dialog\0" "\x09" "x"),
	    32 + 4 + 1, B(""), NONE, B("dialog"), NONE, B("\x09" "x") },
	/* Something behind all that. */
	{ B(FIXED("\x85\xa2\x08\0") "app\0" "\0" "dialog\0" "more"),
	    32 + 4 + 1, B(""), NONE, B("dialog"), NONE, B("more") },
};

static void
ck_response(const struct mysql_response *a, size_t i)
{
	const struct mysql_bytes	 app = B("app");

	ck_bytes(a->user, app);
	ck_bytes(a->auth, responses[i].auth);
	ck_bytes(a->database, responses[i].database);
	ck_bytes(a->plugin, responses[i].plugin);
	ck_bytes(a->attributes, responses[i].attributes);
	ck_bytes(a->tail, responses[i].tail);
	ck_assert_uint_eq(a->charset, 0x2d);
	ck_assert_uint_eq(a->max_packet, 0x01000000);
}

START_TEST(an_answer_is_read_and_written)
{
	struct mysql_response	 a, again;
	uint8_t			 buf[512];
	struct rd		 r;
	struct wr		 w;

	rd_init(&r, responses[_i].payload.p, responses[_i].payload.len);
	ck_assert_int_eq(mysql_response_decode(&r, ALL, &a), 0);
	ck_response(&a, (size_t)_i);
	wr_init(&w, buf, sizeof(buf));
	mysql_response_encode(&w, &a);
	ck_assert(wr_ok(&w));
	rd_init(&r, buf, wr_len(&w));
	ck_assert_int_eq(mysql_response_decode(&r, a.caps, &again), 0);
	ck_bytes(again.user, a.user);
	ck_bytes(again.auth, a.auth);
	ck_bytes(again.database, a.database);
	ck_bytes(again.plugin, a.plugin);
}
END_TEST

START_TEST(a_cut_answer_is_refused)
{
	struct mysql_response	 a;
	struct rd		 r;

	for (size_t n = 0; n < responses[_i].must; n++) {
		/* This one has a meaning of its own, but without the bit. */
		rd_init(&r, responses[_i].payload.p, n);
		ck_assert_msg(mysql_response_decode(&r, ALL, &a) == -1, "%zu",
		    n);
	}
	rd_init(&r, responses[_i].payload.p, responses[_i].must);
	ck_assert_int_eq(mysql_response_decode(&r, ALL, &a), 0);
}
END_TEST

START_TEST(bits_that_were_not_offered_have_no_fields)
{
	struct mysql_response	 a;
	struct rd		 r;

	rd_init(&r, responses[0].payload.p, responses[0].payload.len);
	ck_assert_int_eq(mysql_response_decode(&r, ALL &
	    ~MYSQL_CAP_PLUGIN_AUTH & ~MYSQL_CAP_CONNECT_ATTRS, &a), 0);
	ck_assert_uint_eq(a.caps & MYSQL_CAP_PLUGIN_AUTH, 0);
	ck_assert_ptr_null(a.plugin.p);
	ck_assert_ptr_null(a.attributes.p);
}
END_TEST

START_TEST(a_wish_for_tls_has_its_bit_and_its_length)
{
	static const uint8_t	 wish[] = "\x8d\xaa\x38\0" "\0\0\0\x01" "\x2d"
				    ZEROS;
	uint8_t			 other[33];
	struct mysql_response	 a;
	struct rd		 r;

	ck_assert(mysql_is_ssl_request(wish, 32));
	ck_assert(!mysql_is_ssl_request(wish, 31));
	memcpy(other, wish, 33);
	ck_assert(!mysql_is_ssl_request(other, 33));
	other[1] &= 0xf7;
	ck_assert(!mysql_is_ssl_request(other, 32));
	rd_init(&r, wish, 32);
	ck_assert_int_eq(mysql_response_decode(&r, ALL, &a), 0);
	ck_assert_uint_eq(a.charset, 0x2d);
}
END_TEST

/* --- switches and COM_CHANGE_USER */

static const struct {
	struct mysql_bytes	 payload;
	struct mysql_bytes	 plugin, data;
} switches[] = {
	{ B("\xfe" "mysql_native_password\0" NONCE "\0"),
	    B("mysql_native_password"), B(NONCE) },
	{ B("\xfe" "client_ed25519\0" "01234567890123456789012345678901"),
	    B("client_ed25519"), B("01234567890123456789012345678901") },
	{ B("\xfe" "dialog\0" "\x04" "Code? "), B("dialog"),
	    B("\x04" "Code? ") },
	{ B("\xfe" "mysql_clear_password\0"), B("mysql_clear_password"),
	    B("") },
};

START_TEST(a_switch_is_read_and_written)
{
	struct mysql_switch	 s, again;
	uint8_t			 buf[256];
	struct rd		 r;
	struct wr		 w;

	rd_init(&r, switches[_i].payload.p, switches[_i].payload.len);
	ck_assert_int_eq(mysql_switch_decode(&r, &s), 0);
	ck_bytes(s.plugin, switches[_i].plugin);
	ck_bytes(s.data, switches[_i].data);
	wr_init(&w, buf, sizeof(buf));
	mysql_switch_encode(&w, &s);
	ck_assert(wr_ok(&w));
	ck_assert_uint_eq(wr_len(&w), switches[_i].payload.len);
	ck_assert_mem_eq(buf, switches[_i].payload.p, wr_len(&w));
	rd_init(&r, buf, wr_len(&w));
	ck_assert_int_eq(mysql_switch_decode(&r, &again), 0);
	buf[0] = MYSQL_NEXT_FACTOR;
	rd_init(&r, buf, wr_len(&w));
	ck_assert_int_eq(mysql_next_factor_decode(&r, &again), 0);
	ck_bytes(again.plugin, s.plugin);
	rd_init(&r, buf, wr_len(&w));
	ck_assert_int_eq(mysql_switch_decode(&r, &again), -1);
}
END_TEST

static const struct mysql_bytes	 no_switches[] = {
	B("\xfe"), B("\xfe\0\0\x02\0"), B("\0"), B(""),
};

START_TEST(what_is_no_switch_is_refused)
{
	struct mysql_switch	 s;
	struct rd		 r;

	rd_init(&r, no_switches[_i].p, no_switches[_i].len);
	ck_assert_int_eq(mysql_switch_decode(&r, &s), -1);
}
END_TEST

#define CHANGE_CAPS	(MYSQL_CAP_PROTOCOL_41 | MYSQL_CAP_SECURE_CONNECTION | \
			MYSQL_CAP_PLUGIN_AUTH | MYSQL_CAP_CONNECT_ATTRS)

START_TEST(a_change_of_user_is_read_and_written)
{
	static const uint8_t		 command[] = "\x11" "joe\0" "\x14" HASH
					    "shop\0" "\x2d\0"
					    "caching_sha2_password\0"
					    "\x04\x01" "a" "\x01" "b";
	static const struct mysql_bytes	 want[] = {
		B("joe"), B(HASH), B("shop"), B("caching_sha2_password"),
	};
	const size_t			 len = sizeof(command) - 1;
	struct mysql_change_user	 c;
	uint8_t				 buf[256];
	struct rd			 r;
	struct wr			 w;

	rd_init(&r, command, len);
	ck_assert_int_eq(mysql_change_user_decode(&r, CHANGE_CAPS, &c), 0);
	ck_bytes(c.user, want[0]);
	ck_bytes(c.auth, want[1]);
	ck_bytes(c.database, want[2]);
	ck_bytes(c.plugin, want[3]);
	ck_assert(c.has_charset);
	ck_assert_uint_eq(c.charset, 0x2d);
	wr_init(&w, buf, sizeof(buf));
	mysql_change_user_encode(&w, CHANGE_CAPS, &c);
	ck_assert(wr_ok(&w));
	ck_assert_uint_eq(wr_len(&w), len);
	ck_assert_mem_eq(buf, command, len);
	/* The user and what proves it must be there, whole. */
	for (size_t n = 0; n < 1 + 4 + 21; n++) {
		rd_init(&r, command, n);
		ck_assert_msg(mysql_change_user_decode(&r, CHANGE_CAPS, &c) ==
		    -1, "%zu", n);
	}
}
END_TEST

int
main(void)
{
	Suite	*s = suite_create("mysql_handshake");
	TCase	*tc = tcase_create("mysql_handshake");

	suite_add_tcase(s, tc);
	tcase_add_loop_test(tc, a_greeting_is_read_and_written, 0,
	    (int)nitems(greetings));
	tcase_add_loop_test(tc, a_cut_greeting_is_refused, 0,
	    (int)nitems(greetings));
	tcase_add_loop_test(tc, what_is_no_greeting_is_refused, 0,
	    (int)nitems(no_greetings));
	tcase_add_loop_test(tc, an_answer_is_read_and_written, 0,
	    (int)nitems(responses));
	tcase_add_loop_test(tc, a_cut_answer_is_refused, 0,
	    (int)nitems(responses));
	tcase_add_test(tc, bits_that_were_not_offered_have_no_fields);
	tcase_add_test(tc, a_wish_for_tls_has_its_bit_and_its_length);
	tcase_add_loop_test(tc, a_switch_is_read_and_written, 0,
	    (int)nitems(switches));
	tcase_add_loop_test(tc, what_is_no_switch_is_refused, 0,
	    (int)nitems(no_switches));
	tcase_add_test(tc, a_change_of_user_is_read_and_written);
	return unit_run(s);
}
