#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/rsa.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "base/mem.h"
#include "session/sign.h"
#include "unit.h"

/* Kinds of keys; a key's number is its index. */
enum { RSA_KEY, PSS_KEY, P256_KEY, P384_KEY, ED25519_KEY, NKEYS };

static EVP_PKEY	*keys[NKEYS];		/* with the private part */
static X509	*certificates[NKEYS];	/* by themselves */
static int	 asked;			/* how often, and what for */
static struct sign_request last;

static ptrdiff_t
ask(void *ctx, const struct sign_request *rq, uint8_t *sig)
{
	ck_assert_ptr_eq(ctx, keys);
	asked++;
	last = *rq;
	if (rq->key >= NKEYS)
		return -1;
	return sign_make(keys[rq->key], rq, sig);
}

static X509 *
certify(EVP_PKEY *key)
{
	X509		*x = X509_new();
	X509_NAME	*name;

	ck_assert_ptr_nonnull(x);
	ck_assert_int_eq(X509_set_version(x, X509_VERSION_3), 1);
	ck_assert_int_eq(ASN1_INTEGER_set(X509_get_serialNumber(x), 1), 1);
	X509_gmtime_adj(X509_getm_notBefore(x), -60);
	X509_gmtime_adj(X509_getm_notAfter(x), 3600);
	name = X509_get_subject_name(x);
	ck_assert_int_eq(X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
	    (const unsigned char *)"unit", -1, -1, 0), 1);
	ck_assert_int_eq(X509_set_issuer_name(x, name), 1);
	ck_assert_int_eq(X509_set_pubkey(x, key), 1);
	ck_assert_int_ne(X509_sign(x, key, EVP_PKEY_is_a(key, "ED25519") ?
	    NULL : EVP_sha256()), 0);
	return x;
}

/* For SHA-256 alone, with restricted true; salt of 32 bytes at least. */
static EVP_PKEY *
make_pss(bool restricted)
{
	EVP_PKEY_CTX	*ctx = EVP_PKEY_CTX_new_from_name(NULL, "RSA-PSS",
			    NULL);
	EVP_PKEY	*key = NULL;

	ck_assert_int_eq(EVP_PKEY_keygen_init(ctx), 1);
	ck_assert_int_eq(EVP_PKEY_CTX_set_rsa_keygen_bits(ctx, 2048), 1);
	if (restricted) {
		ck_assert_int_eq(EVP_PKEY_CTX_set_rsa_pss_keygen_md(ctx,
		    EVP_sha256()), 1);
		ck_assert_int_eq(EVP_PKEY_CTX_set_rsa_pss_keygen_mgf1_md(ctx,
		    EVP_sha256()), 1);
		ck_assert_int_eq(EVP_PKEY_CTX_set_rsa_pss_keygen_saltlen(ctx,
		    32), 1);
	}
	ck_assert_int_eq(EVP_PKEY_generate(ctx, &key), 1);
	EVP_PKEY_CTX_free(ctx);
	return key;
}

/* Once for all tests: the keys take their time. */
static void
make_all(void)
{
	keys[RSA_KEY] = EVP_RSA_gen(2048);
	keys[PSS_KEY] = make_pss(false);
	keys[P256_KEY] = EVP_EC_gen("P-256");
	keys[P384_KEY] = EVP_EC_gen("P-384");
	keys[ED25519_KEY] = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	for (int i = 0; i < NKEYS; i++) {
		ck_assert_ptr_nonnull(keys[i]);
		certificates[i] = certify(keys[i]);
	}
	ck_assert_int_eq(sign_init(ask, keys), 0);
}

static void
free_all(void)
{
	for (int i = 0; i < NKEYS; i++) {
		EVP_PKEY_free(keys[i]);
		X509_free(certificates[i]);
	}
}

static void
begin(void)
{
	asked = 0;
	ERR_clear_error();
}

/* Ours, of that number, from what the certificate says. */
static EVP_PKEY *
ours(int kind, uint32_t number)
{
	EVP_PKEY	*key;

	key = sign_key_new(X509_get0_pubkey(certificates[kind]), number);
	ck_assert_ptr_nonnull(key);
	return key;
}

/* --- signatures */

static void
set_pss(EVP_PKEY_CTX *ctx)
{
	ck_assert_int_eq(EVP_PKEY_CTX_set_rsa_padding(ctx,
	    RSA_PKCS1_PSS_PADDING), 1);
	ck_assert_int_eq(EVP_PKEY_CTX_set_rsa_pss_saltlen(ctx,
	    RSA_PSS_SALTLEN_DIGEST), 1);
}

/* As libssl does it.  Bytes in sig, or -1. */
static int
sign(EVP_PKEY *key, const char *digest, bool pss, const void *data,
    size_t len, uint8_t *sig)
{
	EVP_MD_CTX	*m = EVP_MD_CTX_new();
	EVP_PKEY_CTX	*ctx;
	size_t		 n = 0;
	int		 rc = -1;

	if (EVP_DigestSignInit_ex(m, &ctx, digest, NULL, NULL, key,
	    NULL) == 1) {
		if (pss)
			set_pss(ctx);
		ck_assert_int_eq(EVP_DigestSign(m, NULL, &n, data, len), 1);
		ck_assert_uint_le(n, SIGN_SIGNATURE_MAX);
		if (EVP_DigestSign(m, sig, &n, data, len) == 1)
			rc = (int)n;
	}
	EVP_MD_CTX_free(m);
	return rc;
}

static bool
is_good(int kind, const char *digest, bool pss, const void *data, size_t len,
    const uint8_t *sig, int siglen)
{
	EVP_MD_CTX	*m = EVP_MD_CTX_new();
	EVP_PKEY_CTX	*ctx;
	int		 rc;

	ck_assert_int_eq(EVP_DigestVerifyInit_ex(m, &ctx, digest, NULL, NULL,
	    X509_get0_pubkey(certificates[kind]), NULL), 1);
	if (pss)
		set_pss(ctx);
	rc = EVP_DigestVerify(m, sig, (size_t)siglen, data, len);
	EVP_MD_CTX_free(m);
	return rc == 1;
}

static const struct {
	int			 kind;
	const char		*digest;	/* as libssl has it */
	bool			 pss;
	enum sign_scheme	 scheme;
	const char		*asked;		/* as it is asked for */
	size_t			 len;
} ways[] = {
	{ RSA_KEY, "SHA256", false, SIGN_RSA_PKCS1, "SHA256", 32 },
	{ RSA_KEY, "SHA2-384", false, SIGN_RSA_PKCS1, "SHA384", 48 },
	{ RSA_KEY, "SHA512", false, SIGN_RSA_PKCS1, "SHA512", 64 },
	{ RSA_KEY, "SHA256", true, SIGN_RSA_PSS, "SHA256", 32 },
	{ RSA_KEY, "SHA512", true, SIGN_RSA_PSS, "SHA512", 64 },
	{ PSS_KEY, "SHA2-256", true, SIGN_RSA_PSS, "SHA256", 32 },
	{ PSS_KEY, "SHA384", true, SIGN_RSA_PSS, "SHA384", 48 },
	{ PSS_KEY, "SHA256", false, SIGN_RSA_PSS, "SHA256", 32 },
	{ P256_KEY, "SHA256", false, SIGN_ECDSA, "SHA256", 32 },
	{ P256_KEY, "SHA512", false, SIGN_ECDSA, "SHA512", 64 },
	{ P384_KEY, "SHA384", false, SIGN_ECDSA, "SHA384", 48 },
	{ ED25519_KEY, NULL, false, SIGN_ED25519, "", 11 },
};

START_TEST(what_was_signed_elsewhere_is_good)
{
	const uint32_t	 number = (uint32_t)ways[_i].kind;
	EVP_PKEY	*key = ours(ways[_i].kind, number);
	uint8_t		 sig[SIGN_SIGNATURE_MAX];
	int		 n;

	n = sign(key, ways[_i].digest, ways[_i].pss, "hello world", 11, sig);
	ck_assert_int_gt(n, 0);
	ck_assert(is_good(ways[_i].kind, ways[_i].digest, ways[_i].pss,
	    "hello world", 11, sig, n));
	ck_assert(!is_good(ways[_i].kind, ways[_i].digest, ways[_i].pss,
	    "hello w0rld", 11, sig, n));
	ck_assert_int_eq(asked, 1);
	ck_assert_uint_eq(last.key, number);
	ck_assert_int_eq(last.scheme, ways[_i].scheme);
	ck_assert_str_eq(last.digest, ways[_i].asked);
	ck_assert_uint_eq(last.len, ways[_i].len);
	EVP_PKEY_free(key);
}
END_TEST

/* No digest that nobody should use, and of Ed25519 none at all. */
START_TEST(other_digests_are_not_signed)
{
	static const struct {
		int		 kind;
		const char	*digest;
	} bad[] = {
		{ RSA_KEY, "MD5" }, { RSA_KEY, "SHA1" },
		{ RSA_KEY, "MD5-SHA1" }, { RSA_KEY, "SHA3-256" },
		{ PSS_KEY, "SHA1" }, { P256_KEY, "SHA1" },
		{ P256_KEY, "SHA224" }, { P256_KEY, "none such" },
		{ ED25519_KEY, "SHA512" },
	};
	uint8_t		 sig[SIGN_SIGNATURE_MAX];
	EVP_PKEY	*key;

	for (size_t i = 0; i < nitems(bad); i++) {
		key = ours(bad[i].kind, 0);
		ck_assert_int_eq(sign(key, bad[i].digest, false, "x", 1, sig),
		    -1);
		EVP_PKEY_free(key);
	}
	ck_assert_int_eq(asked, 0);
}
END_TEST

START_TEST(a_key_for_one_digest_signs_no_other)
{
	EVP_PKEY	*all = make_pss(true), *key;
	X509		*x = certify(all);
	uint8_t		 sig[SIGN_SIGNATURE_MAX];

	EVP_PKEY_free(keys[PSS_KEY]);
	keys[PSS_KEY] = all;
	key = sign_key_new(X509_get0_pubkey(x), PSS_KEY);
	ck_assert_int_gt(sign(key, "SHA256", true, "x", 1, sig), 0);
	ck_assert_int_eq(sign(key, "SHA384", true, "x", 1, sig), -1);
	ck_assert_int_eq(asked, 1);
	X509_free(x);
	EVP_PKEY_free(key);
}
END_TEST

/* By name, or with text NULL by number. */
static const struct {
	const char	*param;
	const char	*text;
	int		 number;
	bool		 rsa, pss;	/* may be set of such a key */
} settings[] = {
	{ OSSL_SIGNATURE_PARAM_PAD_MODE, "pss", 0, true, true },
	{ OSSL_SIGNATURE_PARAM_PAD_MODE, "pkcs1", 0, true, false },
	{ OSSL_SIGNATURE_PARAM_PAD_MODE, "none", 0, false, false },
	{ OSSL_SIGNATURE_PARAM_PAD_MODE, "x931", 0, false, false },
	{ OSSL_SIGNATURE_PARAM_PAD_MODE, NULL, RSA_PKCS1_PSS_PADDING, true,
	    true },
	{ OSSL_SIGNATURE_PARAM_PAD_MODE, NULL, RSA_PKCS1_PADDING, true,
	    false },
	{ OSSL_SIGNATURE_PARAM_PAD_MODE, NULL, RSA_NO_PADDING, false, false },
	{ OSSL_SIGNATURE_PARAM_PAD_MODE, NULL, RSA_X931_PADDING, false,
	    false },
	{ OSSL_SIGNATURE_PARAM_PSS_SALTLEN, "digest", 0, true, true },
	{ OSSL_SIGNATURE_PARAM_PSS_SALTLEN, "max", 0, false, false },
	{ OSSL_SIGNATURE_PARAM_PSS_SALTLEN, "auto", 0, false, false },
	{ OSSL_SIGNATURE_PARAM_PSS_SALTLEN, NULL, RSA_PSS_SALTLEN_DIGEST,
	    true, true },
	{ OSSL_SIGNATURE_PARAM_PSS_SALTLEN, NULL, 32, true, true },
	{ OSSL_SIGNATURE_PARAM_PSS_SALTLEN, NULL, 20, false, false },
	{ OSSL_SIGNATURE_PARAM_PSS_SALTLEN, NULL, RSA_PSS_SALTLEN_MAX, false,
	    false },
};

static bool
can_set(EVP_PKEY *key, int i)
{
	EVP_MD_CTX	*m = EVP_MD_CTX_new();
	EVP_PKEY_CTX	*ctx;
	char		 text[16];
	int		 number = settings[i].number, rc;
	OSSL_PARAM	 params[] = {
		OSSL_PARAM_int(settings[i].param, &number),
		OSSL_PARAM_END
	};

	if (settings[i].text != NULL) {
		snprintf(text, sizeof(text), "%s", settings[i].text);
		params[0] = OSSL_PARAM_construct_utf8_string(
		    settings[i].param, text, 0);
	}
	ck_assert_int_eq(EVP_DigestSignInit_ex(m, &ctx, "SHA256", NULL, NULL,
	    key, NULL), 1);
	rc = EVP_PKEY_CTX_set_params(ctx, params);
	EVP_MD_CTX_free(m);
	return rc == 1;
}

START_TEST(of_rsa_only_what_tls_has_can_be_set)
{
	EVP_PKEY	*key = ours(RSA_KEY, RSA_KEY), *pss = ours(PSS_KEY, 1);

	ck_assert_int_eq(can_set(key, _i), settings[_i].rsa);
	ck_assert_int_eq(can_set(pss, _i), settings[_i].pss);
	EVP_PKEY_free(key);
	EVP_PKEY_free(pss);
}
END_TEST

static ptrdiff_t	 answer;

static ptrdiff_t
answer_anything(void *ctx, const struct sign_request *rq, uint8_t *sig)
{
	(void)ctx;
	(void)rq;
	memset(sig, 'x', SIGN_SIGNATURE_MAX);
	return answer;
}

/* Of 64 bytes at most, as all that signs with Ed25519. */
START_TEST(an_answer_of_a_wrong_length_is_an_error)
{
	static const ptrdiff_t	 lengths[] = {
		-1, 0, 65, SIGN_SIGNATURE_MAX, SIGN_SIGNATURE_MAX + 1,
		PTRDIFF_MAX, PTRDIFF_MIN
	};
	EVP_PKEY		*key = ours(ED25519_KEY, 0);
	uint8_t			 sig[SIGN_SIGNATURE_MAX] = { 0 };

	ck_assert_int_eq(sign_init(answer_anything, NULL), 0);
	for (size_t i = 0; i < nitems(lengths); i++) {
		answer = lengths[i];
		ck_assert_int_eq(sign(key, NULL, false, "x", 1, sig), -1);
		ck_assert_ptr_nonnull(strstr(ERR_reason_error_string(
		    ERR_peek_last_error()), "failed to sign"));
		ck_assert_uint_eq(sig[0], 0);
	}
	answer = 64;
	ck_assert_int_eq(sign(key, NULL, false, "x", 1, sig), 64);
	EVP_PKEY_free(key);
}
END_TEST

/* Who wants a signature may have more room for it than we have. */
START_TEST(an_answer_that_is_too_long_for_us_is_an_error)
{
	EVP_PKEY	*key = ours(ED25519_KEY, 0);
	EVP_MD_CTX	*m = EVP_MD_CTX_new();
	uint8_t		 sig[2 * SIGN_SIGNATURE_MAX];
	size_t		 len = sizeof(sig);

	ck_assert_int_eq(sign_init(answer_anything, NULL), 0);
	ck_assert_int_eq(EVP_DigestSignInit_ex(m, NULL, NULL, NULL, NULL,
	    key, NULL), 1);
	answer = SIGN_SIGNATURE_MAX + 1;
	ck_assert_int_ne(EVP_DigestSign(m, sig, &len, (const uint8_t *)"x",
	    1), 1);
	EVP_MD_CTX_free(m);
	EVP_PKEY_free(key);
}
END_TEST

START_TEST(a_message_that_is_too_long_is_not_sent)
{
	static const uint8_t	 data[SIGN_DATA_MAX + 1];
	EVP_PKEY		*key = ours(ED25519_KEY, ED25519_KEY);
	uint8_t			 sig[SIGN_SIGNATURE_MAX];

	ck_assert_int_eq(sign(key, NULL, false, data, SIGN_DATA_MAX, sig),
	    64);
	ck_assert_int_eq(sign(key, NULL, false, data, SIGN_DATA_MAX + 1, sig),
	    -1);
	ck_assert_int_eq(asked, 1);
	EVP_PKEY_free(key);
	/* What is hashed here may be of any length. */
	key = ours(P256_KEY, P256_KEY);
	ck_assert_int_gt(sign(key, "SHA256", false, data, SIGN_DATA_MAX + 1,
	    sig), 0);
	EVP_PKEY_free(key);
}
END_TEST

/* --- keys */

START_TEST(a_private_part_is_left_where_it_is)
{
	static const char *const	 names[] = {
		OSSL_PKEY_PARAM_RSA_D, OSSL_PKEY_PARAM_RSA_FACTOR1,
		OSSL_PKEY_PARAM_PRIV_KEY
	};
	EVP_PKEY	*key = sign_key_new(keys[_i], 0);
	uint8_t		 raw[64];
	BIGNUM		*bn = NULL;
	size_t		 len = sizeof(raw);

	for (size_t i = 0; i < nitems(names); i++)
		ck_assert_int_ne(EVP_PKEY_get_bn_param(key, names[i], &bn),
		    1);
	ck_assert_int_ne(EVP_PKEY_get_raw_private_key(key, raw, &len), 1);
	ck_assert_int_le(i2d_PrivateKey(key, NULL), 0);
	EVP_PKEY_free(key);
}
END_TEST

START_TEST(a_key_is_the_same_as_the_one_of_its_certificate)
{
	EVP_PKEY	*key = ours(_i, 7), *again = ours(_i, 8);

	for (int i = 0; i < NKEYS; i++) {
		EVP_PKEY	*other = X509_get0_pubkey(certificates[i]);
		EVP_PKEY	*like = ours(i, 9);

		ck_assert_int_eq(EVP_PKEY_eq(other, key) == 1, i == _i);
		ck_assert_int_eq(EVP_PKEY_eq(key, other) == 1, i == _i);
		ck_assert_int_eq(EVP_PKEY_eq(key, like) == 1, i == _i);
		ck_assert_int_eq(X509_check_private_key(certificates[i],
		    key), i == _i);
		EVP_PKEY_free(like);
	}
	ck_assert_int_eq(EVP_PKEY_eq(key, again), 1);
	ck_assert_int_eq(EVP_PKEY_get_bits(key), EVP_PKEY_get_bits(keys[_i]));
	ck_assert_int_eq(EVP_PKEY_get_size(key), EVP_PKEY_get_size(keys[_i]));
	ck_assert_int_eq(EVP_PKEY_get_security_bits(key),
	    EVP_PKEY_get_security_bits(keys[_i]));
	ck_assert_int_eq(EVP_PKEY_get_base_id(key),
	    EVP_PKEY_get_base_id(keys[_i]));
	EVP_PKEY_free(key);
	EVP_PKEY_free(again);
}
END_TEST

/* A modulus of so many bits, which is all that is looked at. */
static EVP_PKEY *
large_rsa(size_t bits)
{
	EVP_PKEY_CTX	*ctx = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);
	EVP_PKEY	*key = NULL;
	uint8_t		*n = mem_calloc(1, bits / 8);
	unsigned int	 e = 65537;
	OSSL_PARAM	 params[] = {
		OSSL_PARAM_BN(OSSL_PKEY_PARAM_RSA_N, n, bits / 8),
		OSSL_PARAM_uint(OSSL_PKEY_PARAM_RSA_E, &e),
		OSSL_PARAM_END
	};

	n[0] = 1;
	n[bits / 8 - 1] = 0x80;
	ck_assert_int_eq(EVP_PKEY_fromdata_init(ctx), 1);
	ck_assert_int_eq(EVP_PKEY_fromdata(ctx, &key, EVP_PKEY_PUBLIC_KEY,
	    params), 1);
	EVP_PKEY_CTX_free(ctx);
	free(n);
	return key;
}

START_TEST(keys_of_other_kinds_are_not_made)
{
	EVP_PKEY	*x25519 = EVP_PKEY_Q_keygen(NULL, NULL, "X25519");
	EVP_PKEY	*ed448 = EVP_PKEY_Q_keygen(NULL, NULL, "ED448");
	EVP_PKEY	*most = large_rsa(8192), *more = large_rsa(8200), *key;

	ck_assert_ptr_null(sign_key_new(x25519, 0));
	ck_assert_ptr_null(sign_key_new(ed448, 0));
	ck_assert_ptr_null(sign_key_new(more, 0));
	key = sign_key_new(most, 0);
	ck_assert_ptr_nonnull(key);
	EVP_PKEY_free(key);
	EVP_PKEY_free(x25519);
	EVP_PKEY_free(ed448);
	EVP_PKEY_free(most);
	EVP_PKEY_free(more);
}
END_TEST

/* --- who has the private part */

/* Whatever is not a digest of the right length, for a key of that kind. */
static const struct {
	int			 kind;
	enum sign_scheme	 scheme;
	const char		*digest;
	size_t			 len;
	bool			 good;
} requests[] = {
	{ RSA_KEY, SIGN_RSA_PKCS1, "SHA256", 32, true },
	{ RSA_KEY, SIGN_RSA_PKCS1, "SHA256", 31, false },
	{ RSA_KEY, SIGN_RSA_PKCS1, "SHA256", 33, false },
	{ RSA_KEY, SIGN_RSA_PKCS1, "SHA256", 0, false },
	{ RSA_KEY, SIGN_RSA_PKCS1, "SHA384", 32, false },
	{ RSA_KEY, SIGN_RSA_PKCS1, "", 32, false },
	{ RSA_KEY, SIGN_RSA_PKCS1, "", 256, false },
	{ RSA_KEY, SIGN_RSA_PKCS1, "SHA1", 20, false },
	{ RSA_KEY, SIGN_RSA_PKCS1, "MD5-SHA1", 36, false },
	{ RSA_KEY, SIGN_RSA_PKCS1, "MD5", 16, false },
	{ RSA_KEY, SIGN_RSA_PKCS1, "NULL", 256, false },
	{ RSA_KEY, SIGN_RSA_PSS, "SHA512", 64, true },
	{ RSA_KEY, SIGN_RSA_PSS, "SHA512", 63, false },
	{ RSA_KEY, SIGN_RSA_PSS, "", 64, false },
	{ RSA_KEY, SIGN_ECDSA, "SHA256", 32, false },
	{ RSA_KEY, SIGN_ED25519, "", 32, false },
	{ RSA_KEY, SIGN_ED25519, "", 256, false },
	{ RSA_KEY, (enum sign_scheme)4, "SHA256", 32, false },
	{ RSA_KEY, (enum sign_scheme)-1, "", 256, false },
	{ PSS_KEY, SIGN_RSA_PSS, "SHA256", 32, true },
	{ PSS_KEY, SIGN_RSA_PKCS1, "SHA256", 32, false },
	{ P256_KEY, SIGN_ECDSA, "SHA256", 32, true },
	{ P256_KEY, SIGN_ECDSA, "SHA512", 64, true },
	{ P256_KEY, SIGN_ECDSA, "SHA512", 32, false },
	{ P256_KEY, SIGN_ECDSA, "", 32, false },
	{ P256_KEY, SIGN_RSA_PKCS1, "SHA256", 32, false },
	{ ED25519_KEY, SIGN_ED25519, "", 200, true },
	{ ED25519_KEY, SIGN_ED25519, "", SIGN_DATA_MAX, true },
	{ ED25519_KEY, SIGN_ED25519, "", SIGN_DATA_MAX + 1, false },
	{ ED25519_KEY, SIGN_ED25519, "SHA512", 64, false },
	{ ED25519_KEY, SIGN_ECDSA, "SHA256", 32, false },
};

START_TEST(only_a_digest_is_signed)
{
	static const uint8_t	 data[SIGN_DATA_MAX + 1];
	struct sign_request	 rq = {
		.scheme = requests[_i].scheme, .data = data,
		.len = requests[_i].len,
	};
	uint8_t			 sig[SIGN_SIGNATURE_MAX];

	snprintf(rq.digest, sizeof(rq.digest), "%s", requests[_i].digest);
	if (requests[_i].good)
		ck_assert_int_gt(sign_make(keys[requests[_i].kind], &rq, sig),
		    0);
	else
		ck_assert_int_eq(sign_make(keys[requests[_i].kind], &rq, sig),
		    -1);
}
END_TEST

/* --- handshakes */

static void
load(SSL_CTX *ctx, int kind, EVP_PKEY *key)
{
	ck_assert_int_eq(SSL_CTX_use_certificate(ctx, certificates[kind]), 1);
	ck_assert_int_eq(SSL_CTX_use_PrivateKey(ctx, key), 1);
	ck_assert_int_eq(SSL_CTX_check_private_key(ctx), 1);
}

static SSL *
open_ssl(SSL_CTX *ctx, int fd, int version)
{
	SSL	*s;

	ck_assert_int_eq(SSL_CTX_set_min_proto_version(ctx, version), 1);
	ck_assert_int_eq(SSL_CTX_set_max_proto_version(ctx, version), 1);
	ck_assert_ptr_nonnull(s = SSL_new(ctx));
	ck_assert_int_eq(SSL_set_fd(s, fd), 1);
	return s;
}

/* One side's next step; false when it has failed. */
static bool
step(SSL *s, bool *done)
{
	int	 rc = SSL_do_handshake(s), error = SSL_get_error(s, rc);

	*done = rc == 1;
	return *done || error == SSL_ERROR_WANT_READ ||
	    error == SSL_ERROR_WANT_WRITE;
}

/* Until both are done; false when either of them refuses. */
static bool
shake(SSL_CTX *server, SSL_CTX *client, int version)
{
	bool	 up = false, down = false, ok = true;
	int64_t	 end = io_now_ms() + UNIT_MS;
	int	 ends[2];
	SSL	*s, *c;
	char	 word[5];

	unit_local_pair(ends);
	s = open_ssl(server, ends[0], version);
	c = open_ssl(client, ends[1], version);
	SSL_set_accept_state(s);
	SSL_set_connect_state(c);
	while (ok && !(up && down)) {
		ck_assert_int_lt(io_now_ms(), end);
		ok = step(c, &up) && step(s, &down);
	}
	if (ok) {
		ck_assert_int_eq(SSL_write(s, "hello", 5), 5);
		ck_assert_int_eq(SSL_read(c, word, 5), 5);
	}
	SSL_free(s);
	SSL_free(c);
	close(ends[0]);
	close(ends[1]);
	return ok;
}

static const int	 versions[] = { TLS1_2_VERSION, TLS1_3_VERSION };

/* The client believes just this certificate. */
static SSL_CTX *
client_of(int kind)
{
	SSL_CTX	*ctx = SSL_CTX_new(TLS_client_method());

	ck_assert_ptr_nonnull(ctx);
	ck_assert_int_eq(X509_STORE_add_cert(SSL_CTX_get_cert_store(ctx),
	    certificates[kind]), 1);
	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
	return ctx;
}

START_TEST(a_server_proves_who_it_is)
{
	const int	 kind = _i / 2, version = versions[_i % 2];
	SSL_CTX		*server = SSL_CTX_new(TLS_server_method());
	SSL_CTX		*client = client_of(kind);
	EVP_PKEY	*key = ours(kind, (uint32_t)kind);

	load(server, kind, key);
	ck_assert(shake(server, client, version));
	ck_assert_int_eq(asked, 1);
	ck_assert_uint_eq(last.key, (uint32_t)kind);
	SSL_CTX_free(server);
	SSL_CTX_free(client);
	EVP_PKEY_free(key);
}
END_TEST

START_TEST(a_client_proves_who_it_is)
{
	const int	 kind = _i / 2, version = versions[_i % 2];
	SSL_CTX		*server = SSL_CTX_new(TLS_server_method());
	SSL_CTX		*client = client_of(P256_KEY);
	EVP_PKEY	*key = ours(kind, (uint32_t)kind);

	load(server, P256_KEY, keys[P256_KEY]);
	SSL_CTX_set_verify(server, SSL_VERIFY_PEER |
	    SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
	ck_assert_int_eq(X509_STORE_add_cert(SSL_CTX_get_cert_store(server),
	    certificates[kind]), 1);
	load(client, kind, key);
	ck_assert(shake(server, client, version));
	ck_assert_int_eq(asked, 1);
	SSL_CTX_free(server);
	SSL_CTX_free(client);
	EVP_PKEY_free(key);
}
END_TEST

/* There is no such key, or it is another's: the client would see that. */
START_TEST(a_server_that_nobody_signs_for_fails)
{
	const int	 kind = _i / 2, version = versions[_i % 2];
	const int	 other = kind == P256_KEY ? P384_KEY : P256_KEY;
	SSL_CTX		*server = SSL_CTX_new(TLS_server_method());
	SSL_CTX		*client = client_of(kind);
	EVP_PKEY	*key = ours(kind, NKEYS);

	load(server, kind, key);
	ck_assert(!shake(server, client, version));
	ck_assert_int_eq(asked, 1);
	EVP_PKEY_free(key);
	SSL_CTX_free(server);

	server = SSL_CTX_new(TLS_server_method());
	key = ours(kind, (uint32_t)other);
	load(server, kind, key);
	ck_assert(!shake(server, client, version));
	EVP_PKEY_free(key);
	SSL_CTX_free(server);
	SSL_CTX_free(client);
}
END_TEST

START_TEST(a_key_of_another_certificate_is_refused)
{
	SSL_CTX		*ctx;
	EVP_PKEY	*key = ours(_i, 0), *other;
	EVP_PKEY	*fresh = _i == P256_KEY ? EVP_EC_gen("P-256") :
			    _i == P384_KEY ? EVP_EC_gen("P-384") :
			    _i == ED25519_KEY ?
			    EVP_PKEY_Q_keygen(NULL, NULL, "ED25519") :
			    _i == PSS_KEY ? make_pss(false) :
			    EVP_RSA_gen(2048);

	other = sign_key_new(fresh, 0);
	ctx = SSL_CTX_new(TLS_server_method());
	ck_assert_int_eq(SSL_CTX_use_certificate(ctx, certificates[_i]), 1);
	ck_assert_int_ne(SSL_CTX_use_PrivateKey(ctx, other), 1);
	ck_assert_int_eq(SSL_CTX_use_PrivateKey(ctx, key), 1);
	SSL_CTX_free(ctx);
	/* The other way round libssl keeps the certificate alone. */
	ctx = SSL_CTX_new(TLS_server_method());
	ck_assert_int_eq(SSL_CTX_use_PrivateKey(ctx, other), 1);
	ck_assert_int_eq(SSL_CTX_use_certificate(ctx, certificates[_i]), 1);
	ck_assert_int_ne(SSL_CTX_check_private_key(ctx), 1);
	SSL_CTX_free(ctx);
	EVP_PKEY_free(key);
	EVP_PKEY_free(other);
	EVP_PKEY_free(fresh);
}
END_TEST

static void
know_only(SSL_CTX *ctx, const char *algorithm)
{
	char	 list[32];

	snprintf(list, sizeof(list), "%s", algorithm);
	ck_assert_int_eq(SSL_CTX_set1_sigalgs_list(ctx, list), 1);
}

/* Ours and others in one context, each found by its kind. */
START_TEST(keys_of_the_default_provider_work_beside_ours)
{
	SSL_CTX		*server = SSL_CTX_new(TLS_server_method());
	SSL_CTX		*rsa = client_of(RSA_KEY), *ec = client_of(P256_KEY);
	EVP_PKEY	*key = ours(RSA_KEY, RSA_KEY);

	load(server, RSA_KEY, key);
	load(server, P256_KEY, keys[P256_KEY]);
	know_only(rsa, "rsa_pss_rsae_sha256");
	know_only(ec, "ecdsa_secp256r1_sha256");
	ck_assert(shake(server, rsa, TLS1_3_VERSION));
	ck_assert_int_eq(asked, 1);
	ck_assert(shake(server, ec, TLS1_3_VERSION));
	ck_assert_int_eq(asked, 1);
	SSL_CTX_free(server);
	SSL_CTX_free(rsa);
	SSL_CTX_free(ec);
	EVP_PKEY_free(key);
}
END_TEST

/* That would take a decryption, for which nobody can ask. */
START_TEST(a_client_that_only_encrypts_to_us_is_not_served)
{
	SSL_CTX		*server = SSL_CTX_new(TLS_server_method());
	SSL_CTX		*client = client_of(RSA_KEY);
	EVP_PKEY	*key = ours(RSA_KEY, RSA_KEY);

	load(server, RSA_KEY, key);
	ck_assert_int_eq(SSL_CTX_set_cipher_list(client,
	    "AES128-GCM-SHA256"), 1);
	ck_assert(!shake(server, client, TLS1_2_VERSION));
	ck_assert_int_eq(asked, 0);
	SSL_CTX_free(server);
	SSL_CTX_free(client);
	EVP_PKEY_free(key);
}
END_TEST

/* libssl goes by the name of the curve in TLS 1.3. */
START_TEST(a_curve_is_signed_with_by_its_own_algorithm)
{
	SSL_CTX		*server = SSL_CTX_new(TLS_server_method());
	SSL_CTX		*client = client_of(P384_KEY);
	EVP_PKEY	*key = ours(P384_KEY, P384_KEY);

	load(server, P384_KEY, key);
	ck_assert(shake(server, client, TLS1_3_VERSION));
	ck_assert_str_eq(last.digest, "SHA384");
	know_only(client, "ecdsa_secp256r1_sha256");
	ck_assert(!shake(server, client, TLS1_3_VERSION));
	ck_assert_int_eq(asked, 1);
	SSL_CTX_free(server);
	SSL_CTX_free(client);
	EVP_PKEY_free(key);
}
END_TEST

int
main(void)
{
	Suite	*s = suite_create("sign");
	TCase	*tc = tcase_create("sign");

	suite_add_tcase(s, tc);
	tcase_set_timeout(tc, 60);
	tcase_add_unchecked_fixture(tc, make_all, free_all);
	tcase_add_checked_fixture(tc, begin, NULL);
	tcase_add_loop_test(tc, what_was_signed_elsewhere_is_good, 0,
	    (int)nitems(ways));
	tcase_add_test(tc, other_digests_are_not_signed);
	tcase_add_test(tc, a_key_for_one_digest_signs_no_other);
	tcase_add_loop_test(tc, of_rsa_only_what_tls_has_can_be_set, 0,
	    (int)nitems(settings));
	tcase_add_test(tc, an_answer_of_a_wrong_length_is_an_error);
	tcase_add_test(tc, an_answer_that_is_too_long_for_us_is_an_error);
	tcase_add_test(tc, a_message_that_is_too_long_is_not_sent);
	tcase_add_loop_test(tc, a_private_part_is_left_where_it_is, 0, NKEYS);
	tcase_add_loop_test(tc,
	    a_key_is_the_same_as_the_one_of_its_certificate, 0, NKEYS);
	tcase_add_test(tc, keys_of_other_kinds_are_not_made);
	tcase_add_loop_test(tc, only_a_digest_is_signed, 0,
	    (int)nitems(requests));
	tcase_add_loop_test(tc, a_server_proves_who_it_is, 0, 2 * NKEYS);
	tcase_add_loop_test(tc, a_client_proves_who_it_is, 0, 2 * NKEYS);
	tcase_add_loop_test(tc, a_server_that_nobody_signs_for_fails, 0,
	    2 * NKEYS);
	tcase_add_loop_test(tc, a_key_of_another_certificate_is_refused, 0,
	    NKEYS);
	tcase_add_test(tc, keys_of_the_default_provider_work_beside_ours);
	tcase_add_test(tc, a_client_that_only_encrypts_to_us_is_not_served);
	tcase_add_test(tc, a_curve_is_signed_with_by_its_own_algorithm);
	return unit_run(s);
}
