#include <openssl/evp.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "unit.h"
#include "wire/mysql_scramble.h"

/* From MariaDB's manual. */
#define PUBLIC { \
	0x64, 0x88, 0x14, 0x44, 0x45, 0x20, 0xe4, 0xf5, \
	0x60, 0x43, 0xa2, 0xec, 0x92, 0x15, 0xe6, 0x3b, \
	0xe7, 0x99, 0x2d, 0x2d, 0x27, 0x0b, 0xc6, 0xde, \
	0xe8, 0x73, 0xe3, 0x61, 0x64, 0x78, 0x60, 0x96, \
}
#define NATIVE	"1da0a3101c8429f3fc571cab86e89caad709b209"
#define SHA2	"316ab66e2317712816277632c1715824" \
		"fef8f685ca8c2cbcc4759834db50d2dc"
#define VOUCH	"40CB206D9660796CC409979B4952B02C" \
		"ACBD26F36650090D1B2A9313DFB25774"

static const uint8_t	 nonce[MYSQL_NONCE_LEN] = "ABCDEFGHIJKLMNOPQRST";

static struct mysql_bytes
bytes(const char *text)
{
	return (struct mysql_bytes){ (const uint8_t *)text, strlen(text) };
}

static void
expect_hex(const uint8_t *p, size_t len, const char *hex)
{
	char	 text[2 * MYSQL_PARSEC_LEN + 1];

	for (size_t i = 0; i < len; i++)
		snprintf(text + 2 * i, 3, "%02x", p[i]);
	ck_assert_str_eq(text, hex);
}

/* Figures that Python's hashlib gives for the manual's formulas. */
START_TEST(native_is_what_the_manual_says)
{
	uint8_t	 out[MYSQL_NATIVE_LEN];

	ck_assert_int_eq(mysql_native_scramble(bytes("alice123456"), nonce,
	    out), 0);
	expect_hex(out, sizeof(out), NATIVE);
	ck_assert_int_eq(mysql_native_stored(bytes("password"), out), 0);
	/* PASSWORD('password') of any server. */
	expect_hex(out, sizeof(out),
	    "2470c0c06dee42fd1618bb99005adca2ec9d1e19");
}
END_TEST

START_TEST(sha2_is_what_the_manual_says)
{
	uint8_t	 out[MYSQL_SHA2_LEN];

	ck_assert_int_eq(mysql_sha2_scramble(bytes("alice123456"), nonce,
	    out), 0);
	expect_hex(out, sizeof(out), SHA2);
}
END_TEST

/* What a server does with it: verify by the public key of the account. */
START_TEST(parsec_is_signed_by_the_derived_key)
{
	static const uint8_t	 salt[20] = "P\1saltsaltsaltsalt12";
	static const uint8_t	 theirs[32] = "server", ours[32] = "client";
	uint8_t			 out[MYSQL_PARSEC_LEN], both[64], seed[32];
	struct mysql_bytes	 s = { salt, sizeof(salt) };
	EVP_PKEY		*key;
	EVP_MD_CTX		*ctx = EVP_MD_CTX_new();

	ck_assert_int_eq(mysql_parsec_answer(bytes("secret"), theirs, s, ours,
	    out), 0);
	ck_assert_mem_eq(out, ours, sizeof(ours));
	ck_assert_int_eq(PKCS5_PBKDF2_HMAC("secret", 6, salt + 2, 18, 2048,
	    EVP_sha512(), 32, seed), 1);
	key = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, seed, 32);
	memcpy(both, theirs, 32);
	memcpy(both + 32, ours, 32);
	ck_assert_int_eq(EVP_DigestVerifyInit(ctx, NULL, NULL, NULL, key), 1);
	ck_assert_int_eq(EVP_DigestVerify(ctx, out + 32, 64, both, 64), 1);
	EVP_MD_CTX_free(ctx);
	EVP_PKEY_free(key);
}
END_TEST

START_TEST(parsec_wants_its_salt)
{
	static const struct {
		const char	*salt;
		size_t		 len;
	} bad[] = {
		{ "P\1saltsaltsaltsalt1", 19 },
		{ "P\1saltsaltsaltsalt123", 21 },
		{ "Q\1saltsaltsaltsalt12", 20 },
		{ "P\4saltsaltsaltsalt12", 20 },
		{ "", 0 },
	};
	uint8_t	 zero[32] = { 0 }, out[MYSQL_PARSEC_LEN];

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		uint8_t			*p = unit_exact(bad[i].salt,
					    bad[i].len);
		struct mysql_bytes	 s = { p, bad[i].len };

		ck_assert_msg(mysql_parsec_answer(bytes("x"), zero, s, zero,
		    out) == -1, "salt %zu is taken", i);
		free(p);
	}
}
END_TEST

/*
 * With 32 bytes for a password it is what RFC 8032 has for a key, which OpenSSL
 * signs with; and with any it verifies.
 */
START_TEST(ed25519_is_that_of_the_rfc)
{
	uint8_t			 seed[32], nonce32[32], sig[64], theirs[64];
	struct mysql_bytes	 n = { nonce32, sizeof(nonce32) };
	struct mysql_bytes	 password = { seed, sizeof(seed) };
	EVP_PKEY		*key;
	EVP_MD_CTX		*ctx;
	size_t			 len = sizeof(theirs);

	for (int i = 0; i < 20; i++) {
		unit_paint(seed, sizeof(seed), (size_t)i * 977);
		unit_paint(nonce32, sizeof(nonce32), (size_t)i * 31 + 5);
		ck_assert_int_eq(mysql_ed25519_sign(password, n, sig), 0);
		key = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL,
		    seed, 32);
		ctx = EVP_MD_CTX_new();
		ck_assert_int_eq(EVP_DigestSignInit(ctx, NULL, NULL, NULL,
		    key), 1);
		ck_assert_int_eq(EVP_DigestSign(ctx, theirs, &len, nonce32,
		    32), 1);
		ck_assert_mem_eq(sig, theirs, sizeof(sig));
		EVP_MD_CTX_free(ctx);
		EVP_PKEY_free(key);
	}
}
END_TEST

/* The public key that MariaDB keeps of the password "secret". */
START_TEST(ed25519_takes_passwords_of_any_length)
{
	static const uint8_t	 public[32] = PUBLIC;
	static const uint8_t	 nonce32[32] = "a nonce of thirty-two bytes";
	struct mysql_bytes	 n = { nonce32, sizeof(nonce32) };
	uint8_t			 sig[64];
	EVP_PKEY		*key;
	EVP_MD_CTX		*ctx = EVP_MD_CTX_new();

	ck_assert_int_eq(mysql_ed25519_sign(bytes("secret"), n, sig), 0);
	key = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, public, 32);
	ck_assert_int_eq(EVP_DigestVerifyInit(ctx, NULL, NULL, NULL, key), 1);
	ck_assert_int_eq(EVP_DigestVerify(ctx, sig, 64, nonce32, 32), 1);
	ck_assert_int_eq(mysql_ed25519_sign(bytes("secreT"), n, sig), 0);
	ck_assert_int_eq(EVP_DigestVerify(ctx, sig, 64, nonce32, 32), 0);
	EVP_MD_CTX_free(ctx);
	EVP_PKEY_free(key);
}
END_TEST

START_TEST(vouches_for_a_certificate)
{
	uint8_t	 stored[MYSQL_SHA1_LEN], sum[32] = "certificate";
	uint8_t	 out[MYSQL_VOUCH_LEN];

	ck_assert_int_eq(mysql_native_stored(bytes("alice123456"), stored),
	    0);
	ck_assert_int_eq(mysql_vouch(stored, nonce, sum, out), 0);
	ck_assert_uint_eq(out[0], 1);
	ck_assert_mem_eq(out + 1, VOUCH, 64);
}
END_TEST

int
main(void)
{
	Suite	*s = suite_create("mysql_scramble");
	TCase	*t = tcase_create("plain");

	tcase_add_test(t, native_is_what_the_manual_says);
	tcase_add_test(t, sha2_is_what_the_manual_says);
	tcase_add_test(t, parsec_is_signed_by_the_derived_key);
	tcase_add_test(t, parsec_wants_its_salt);
	tcase_add_test(t, ed25519_is_that_of_the_rfc);
	tcase_add_test(t, ed25519_takes_passwords_of_any_length);
	tcase_add_test(t, vouches_for_a_certificate);
	suite_add_tcase(s, t);
	return unit_run(s);
}
