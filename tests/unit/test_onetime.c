#include <stdio.h>
#include <string.h>

#include "policy/onetime.h"
#include "policy/prove.h"
#include "policy/totp_text.h"
#include "unit.h"

#define T0	1600000000	/* some time */

static const struct onetime_rule	 usual = {
	.digits = 6, .period = 30, .hash = ONETIME_SHA1, .window = 1,
};

/* RFC 6238, appendix B, with the seeds of its program. */
START_TEST(codes_are_those_of_the_rfc)
{
	static const struct {
		int64_t		 time;
		const char	*code[3];
	} v[] = {
		{ 59, { "94287082", "46119246", "90693936" } },
		{ 1111111109, { "07081804", "68084774", "25091201" } },
		{ 1111111111, { "14050471", "67062674", "99943326" } },
		{ 1234567890, { "89005924", "91819424", "93441116" } },
		{ 2000000000, { "69279037", "90698825", "38618901" } },
		{ 20000000000, { "65353130", "77737706", "47863826" } },
	};
	static const char	 seed[] = "12345678901234567890"
	    "12345678901234567890123456789012345678901234";
	static const size_t	 len[] = { 20, 32, 64 };
	char			 code[ONETIME_CODE_MAX];

	for (size_t i = 0; i < sizeof(v) / sizeof(v[0]); i++)
		for (int h = 0; h < 3; h++) {
			struct onetime_rule	 r = usual;

			r.digits = 8;
			r.hash = h;
			ck_assert_int_eq(onetime_code(&r,
			    (const uint8_t *)seed, len[h],
			    onetime_step(&r, v[i].time), code), 0);
			ck_assert_str_eq(code, v[i].code[h]);
			r.digits = 6;
			ck_assert_int_eq(onetime_code(&r,
			    (const uint8_t *)seed, len[h],
			    onetime_step(&r, v[i].time), code), 0);
			ck_assert_str_eq(code, v[i].code[h] + 2);
		}
}
END_TEST

START_TEST(base32_is_read_as_people_write_it)
{
	static const char *const	 same[] = {
		"JBSWY3DPEHPK3PXPJBSWY3DP", "jbswy3dpehpk3pxpjbswy3dp",
		"JBSW Y3DP EHPK 3PXP JBSW Y3DP", "jbsw-y3dp-ehpk-3pxp-jbswy3dp",
		"JBSWY3DPEHPK3PXPJBSWY3DP=", "JBSWY3DPEHPK3PXPJBSWY3DP======",
	};
	uint8_t		 out[ONETIME_SECRET_MAX];
	char		 text[ONETIME_BASE32_MAX];
	const char	*why;

	for (size_t i = 0; i < sizeof(same) / sizeof(same[0]); i++) {
		ck_assert_uint_eq(onetime_base32_decode(same[i],
		    strlen(same[i]), out, &why), 15);
		ck_assert_int_eq(onetime_base32_encode(out, 15, text), 0);
		ck_assert_str_eq(text, same[0]);
	}
}
END_TEST

START_TEST(base32_that_is_none_is_refused)
{
	static const struct {
		const char	*text, *why;
	} bad[] = {
		{ "", "want base 32" },
		{ "    ", "want base 32" },
		{ "JBSWY3DPEHPK3PX1", "want base 32" },
		{ "JBSWY3DPEHPK3PX\"", "want base 32" },
		{ "JBSWY3DP", "shorter than 10 bytes" },
	};
	uint8_t		 out[ONETIME_SECRET_MAX];
	char		 longest[200];
	const char	*why;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		ck_assert_uint_eq(onetime_base32_decode(bad[i].text,
		    strlen(bad[i].text), out, &why), 0);
		ck_assert_msg(strncmp(why, bad[i].why,
		    strlen(bad[i].why)) == 0, "%s: %s", bad[i].text, why);
	}
	memset(longest, 'A', sizeof(longest));
	ck_assert_uint_eq(onetime_base32_decode(longest, 200, out, &why), 0);
	ck_assert_uint_eq(onetime_base32_decode(longest, 104, out, &why), 0);
	ck_assert_str_eq(why, "longer than 64 bytes");
	ck_assert_uint_eq(onetime_base32_decode(longest, 103, out, &why), 64);
}
END_TEST

START_TEST(base32_comes_back_at_every_length)
{
	uint8_t		 in[ONETIME_SECRET_MAX], out[ONETIME_SECRET_MAX];
	char		 text[ONETIME_BASE32_MAX];
	const char	*why;

	unit_paint(in, sizeof(in), 7);
	for (size_t n = ONETIME_SECRET_MIN; n <= sizeof(in); n++) {
		ck_assert_int_eq(onetime_base32_encode(in, n, text), 0);
		ck_assert_uint_eq(onetime_base32_decode(text, strlen(text),
		    out, &why), n);
		ck_assert_mem_eq(out, in, n);
	}
	ck_assert_int_eq(onetime_base32_encode(in, 65, text), -1);
}
END_TEST

/* --- prove.h */

static struct person	 alice;

static void
set_up(void)
{
	alice = (struct person){ .name = "alice", .rule = usual,
	    .nsecret = 20, .password = "pw", .nrecovery = 2 };
	memcpy(alice.secret, "12345678901234567890", 20);
	strcpy(alice.recovery[0], "AAAABBBBCCCC");
	strcpy(alice.recovery[1], "DDDDEEEEFFFF");
}

static const uint8_t	 nonce[MYSQL_NONCE_LEN] = "abcdefghijklmnopqrst";

/* Is that password one of hers, said in each way? */
static bool
proves(const char *template, const char *password, struct prove_result *r)
{
	struct mysql_bytes	 p = { (const uint8_t *)password,
				    strlen(password) };
	uint8_t			 buf[MYSQL_SHA2_LEN];
	struct prove_answer	 a = { .how = PROVE_CLEAR, .bytes = p };
	bool			 proved[3];

	memcpy(a.nonce, nonce, sizeof(a.nonce));
	ck_assert_int_eq(prove(&alice, template, T0, &a, NULL, r), 0);
	proved[0] = r->proved;
	a.how = PROVE_NATIVE;
	a.bytes = (struct mysql_bytes){ buf, MYSQL_NATIVE_LEN };
	ck_assert_int_eq(mysql_native_scramble(p, nonce, buf), 0);
	ck_assert_int_eq(prove(&alice, template, T0, &a, NULL, r), 0);
	proved[1] = r->proved;
	a.how = PROVE_SHA2;
	a.bytes.len = MYSQL_SHA2_LEN;
	ck_assert_int_eq(mysql_sha2_scramble(p, nonce, buf), 0);
	ck_assert_int_eq(prove(&alice, template, T0, &a, NULL, r), 0);
	proved[2] = r->proved;
	ck_assert(proved[0] == proved[1] && proved[1] == proved[2]);
	return proved[0];
}

static char *
password_at(int64_t step, const char *template)
{
	static char	 out[128];
	char		 code[ONETIME_CODE_MAX];

	ck_assert_int_eq(onetime_code(&alice.rule, alice.secret, 20, step,
	    code), 0);
	ck_assert_int_gt(prove_password(&alice, template, code, out,
	    sizeof(out)), 0);
	return out;
}

START_TEST(steps_within_the_window_prove)
{
	struct prove_result	 r;
	int64_t			 now = T0 / 30;

	for (int i = -4; i <= 4; i++) {
		bool	 near = i >= -1 && i <= 1;

		ck_assert(proves("%u%t", password_at(now + i, "%u%t"), &r) ==
		    near);
		if (near)
			ck_assert_int_eq(r.step, now + i);
	}
	alice.rule.window = 0;
	ck_assert(proves("%u%t", password_at(now, "%u%t"), &r));
	ck_assert(!proves("%u%t", password_at(now + 1, "%u%t"), &r));
}
END_TEST

START_TEST(leading_zeros_may_be_left_out)
{
	struct prove_result	 r;
	char			 code[ONETIME_CODE_MAX], password[32];
	int64_t			 step = T0 / 30;

	/* A secret whose code begins with one. */
	do {
		alice.secret[0]++;
		ck_assert_int_eq(onetime_code(&alice.rule, alice.secret, 20,
		    step, code), 0);
	} while (code[0] != '0' || code[1] == '0');
	snprintf(password, sizeof(password), "alice%s", code);
	ck_assert(proves("%u%t", password, &r));
	snprintf(password, sizeof(password), "alice%s", code + 1);
	ck_assert(proves("%u%t", password, &r));
	snprintf(password, sizeof(password), "alice%s", code + 2);
	ck_assert(!proves("%u%t", password, &r));
}
END_TEST

START_TEST(a_template_says_how_it_is_put_together)
{
	struct prove_result	 r;
	int64_t			 now = T0 / 30;

	ck_assert(proves("%p:%t", password_at(now, "%p:%t"), &r));
	ck_assert_int_eq(strncmp(password_at(now, "%p:%t"), "pw:", 3), 0);
	ck_assert(proves("%t", password_at(now, "%t"), &r));
	ck_assert(!proves("%t", password_at(now, "%u%t"), &r));
	ck_assert(proves("100%%%t", password_at(now, "100%%%t"), &r));
	ck_assert(!proves("%u%t", "", &r));
	ck_assert(!proves("%u%t", "alice", &r));
}
END_TEST

START_TEST(a_recovery_code_stands_for_a_code)
{
	struct prove_result	 r;

	ck_assert(proves("%u%t", "aliceDDDDEEEEFFFF", &r));
	ck_assert(r.recovery);
	ck_assert_uint_eq(r.code, 1);
	ck_assert(!proves("%u%t", "aliceDDDDEEEEFFFG", &r));
	ck_assert(!proves("%u%t", "DDDDEEEEFFFF", &r));
}
END_TEST

START_TEST(what_is_stored_of_it_is_told)
{
	struct prove_result	 r;
	uint8_t			 stored[MYSQL_SHA1_LEN];
	char			*p = password_at(T0 / 30, "%u%t");
	struct mysql_bytes	 b = { (const uint8_t *)p, strlen(p) };

	ck_assert(proves("%u%t", p, &r));
	ck_assert_int_eq(mysql_native_stored(b, stored), 0);
	ck_assert_mem_eq(r.stored, stored, sizeof(stored));
}
END_TEST

START_TEST(a_code_may_come_apart)
{
	struct prove_answer	 a = { .how = PROVE_CLEAR }, b = a;
	struct prove_result	 r;
	static const struct {
		const char	*password, *code;
		bool		 right;
	} v[] = {
		{ "pw", NULL, true }, { "pW", NULL, false },
		{ "pw", "000000", false }, { "", NULL, false },
		{ "pw", "DDDDEEEEFFFF", true },
	};

	for (size_t i = 0; i < sizeof(v) / sizeof(v[0]); i++) {
		const char	*code = v[i].code != NULL ? v[i].code :
				    password_at(T0 / 30, "%t");

		a.bytes = (struct mysql_bytes){
			(const uint8_t *)v[i].password, strlen(v[i].password) };
		b.bytes = (struct mysql_bytes){
			(const uint8_t *)code, strlen(code) };
		ck_assert_int_eq(prove(&alice, "%p", T0, &a, &b, &r), 0);
		ck_assert(r.proved == v[i].right);
	}
	/* Nobody without a password is let in by a code. */
	alice.password[0] = '\0';
	a.bytes.len = 0;
	ck_assert_int_eq(prove(&alice, "%p", T0, &a, &b, &r), 0);
	ck_assert(!r.proved);
}
END_TEST

START_TEST(templates_without_a_code_are_none)
{
	static const char *const	 bad[] = {
		"", "%u", "%p", "%t%", "%x%t", "%%t",
	};
	const char			*why;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ck_assert_msg(!totp_is_template(bad[i], true, &why), "%s",
		    bad[i]);
	ck_assert(totp_is_template("%u%t", true, &why));
	ck_assert(totp_is_template("%p", false, &why));
	ck_assert(!totp_is_template("%u", false, &why));
	ck_assert(!totp_is_template("%p%t", false, &why));
	ck_assert(totp_is_template("a%%%p-%t", true, &why));
}
END_TEST

int
main(void)
{
	Suite	*s = suite_create("onetime");
	TCase	*t = tcase_create("plain");

	tcase_add_checked_fixture(t, set_up, NULL);
	tcase_add_test(t, codes_are_those_of_the_rfc);
	tcase_add_test(t, base32_is_read_as_people_write_it);
	tcase_add_test(t, base32_that_is_none_is_refused);
	tcase_add_test(t, base32_comes_back_at_every_length);
	tcase_add_test(t, steps_within_the_window_prove);
	tcase_add_test(t, leading_zeros_may_be_left_out);
	tcase_add_test(t, a_template_says_how_it_is_put_together);
	tcase_add_test(t, a_recovery_code_stands_for_a_code);
	tcase_add_test(t, what_is_stored_of_it_is_told);
	tcase_add_test(t, a_code_may_come_apart);
	tcase_add_test(t, templates_without_a_code_are_none);
	suite_add_tcase(s, t);
	return unit_run(s);
}
