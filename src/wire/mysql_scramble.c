#include <openssl/crypto.h>
#include <openssl/evp.h>

#include <string.h>

#include "wire/mysql_scramble.h"

#define PARSEC_HASH		'P'
#define PARSEC_SALT_LEN		18
#define PARSEC_POWER_MAX	3
#define PARSEC_ITERATIONS	1024
#define PARSEC_KEY_LEN		32
#define VOUCHED			'\1'

/* The hash of one after the other; 0, or -1. */
static int
hash(const EVP_MD *md, const void *a, size_t na, const void *b, size_t nb,
    uint8_t *out)
{
	EVP_MD_CTX	*ctx = EVP_MD_CTX_new();
	int		 ok;

	ok = ctx != NULL && EVP_DigestInit_ex(ctx, md, NULL) == 1 &&
	    EVP_DigestUpdate(ctx, a, na) == 1 &&
	    EVP_DigestUpdate(ctx, b, nb) == 1 &&
	    EVP_DigestFinal_ex(ctx, out, NULL) == 1;
	EVP_MD_CTX_free(ctx);
	return ok ? 0 : -1;
}

static void
mix(uint8_t *out, const uint8_t *with, size_t len)
{
	for (size_t i = 0; i < len; i++)
		out[i] ^= with[i];
}

int
mysql_native_stored(struct mysql_bytes password, uint8_t *out)
{
	uint8_t	 once[MYSQL_SHA1_LEN];
	int	 rc;

	rc = hash(EVP_sha1(), password.p, password.len, "", 0, once);
	if (rc == 0)
		rc = hash(EVP_sha1(), once, sizeof(once), "", 0, out);
	OPENSSL_cleanse(once, sizeof(once));
	return rc;
}

int
mysql_native_scramble(struct mysql_bytes password, const uint8_t *nonce,
    uint8_t *out)
{
	uint8_t	 once[MYSQL_SHA1_LEN], twice[MYSQL_SHA1_LEN];
	int	 rc = -1;

	if (hash(EVP_sha1(), password.p, password.len, "", 0, once) == 0 &&
	    hash(EVP_sha1(), once, sizeof(once), "", 0, twice) == 0 &&
	    hash(EVP_sha1(), nonce, MYSQL_NONCE_LEN, twice, sizeof(twice),
	    out) == 0) {
		mix(out, once, sizeof(once));
		rc = 0;
	}
	OPENSSL_cleanse(once, sizeof(once));
	OPENSSL_cleanse(twice, sizeof(twice));
	return rc;
}

int
mysql_sha2_scramble(struct mysql_bytes password, const uint8_t *nonce,
    uint8_t *out)
{
	uint8_t	 once[MYSQL_SHA256_LEN], twice[MYSQL_SHA256_LEN];
	int	 rc = -1;

	if (hash(EVP_sha256(), password.p, password.len, "", 0, once) == 0 &&
	    hash(EVP_sha256(), once, sizeof(once), "", 0, twice) == 0 &&
	    hash(EVP_sha256(), twice, sizeof(twice), nonce, MYSQL_NONCE_LEN,
	    out) == 0) {
		mix(out, once, sizeof(once));
		rc = 0;
	}
	OPENSSL_cleanse(once, sizeof(once));
	OPENSSL_cleanse(twice, sizeof(twice));
	return rc;
}

/* 0, or -1. */
static int
sign(const uint8_t *seed, const uint8_t *data, size_t len, uint8_t *sig)
{
	EVP_PKEY	*key = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519,
			    NULL, seed, PARSEC_KEY_LEN);
	EVP_MD_CTX	*ctx = EVP_MD_CTX_new();
	size_t		 n = MYSQL_ED25519_LEN;
	int		 ok;

	ok = key != NULL && ctx != NULL &&
	    EVP_DigestSignInit(ctx, NULL, NULL, NULL, key) == 1 &&
	    EVP_DigestSign(ctx, sig, &n, data, len) == 1 &&
	    n == MYSQL_ED25519_LEN;
	EVP_MD_CTX_free(ctx);
	EVP_PKEY_free(key);
	return ok ? 0 : -1;
}

int
mysql_parsec_answer(struct mysql_bytes password, const uint8_t *server_nonce,
    struct mysql_bytes salt, const uint8_t *our_nonce, uint8_t *out)
{
	uint8_t	 key[PARSEC_KEY_LEN], both[2 * MYSQL_PARSEC_NONCE_LEN];
	int	 rc = -1;

	if (salt.len != 2 + PARSEC_SALT_LEN || salt.p[0] != PARSEC_HASH ||
	    salt.p[1] > PARSEC_POWER_MAX || password.len > INT16_MAX)
		return -1;
	memcpy(both, server_nonce, MYSQL_PARSEC_NONCE_LEN);
	memcpy(both + MYSQL_PARSEC_NONCE_LEN, our_nonce,
	    MYSQL_PARSEC_NONCE_LEN);
	if (PKCS5_PBKDF2_HMAC((const char *)password.p, (int)password.len,
	    salt.p + 2, PARSEC_SALT_LEN, PARSEC_ITERATIONS << salt.p[1],
	    EVP_sha512(), sizeof(key), key) == 1)
		rc = sign(key, both, sizeof(both),
		    out + MYSQL_PARSEC_NONCE_LEN);
	memcpy(out, our_nonce, MYSQL_PARSEC_NONCE_LEN);
	OPENSSL_cleanse(key, sizeof(key));
	return rc;
}

int
mysql_vouch(const uint8_t *native_stored, const uint8_t *nonce,
    const uint8_t *certificate_sha256, uint8_t *out)
{
	static const char	 digits[] = "0123456789ABCDEF";
	uint8_t			 first[MYSQL_SHA1_LEN + MYSQL_NONCE_LEN];
	uint8_t			 sum[MYSQL_SHA256_LEN];

	memcpy(first, native_stored, MYSQL_SHA1_LEN);
	memcpy(first + MYSQL_SHA1_LEN, nonce, MYSQL_NONCE_LEN);
	if (hash(EVP_sha256(), first, sizeof(first), certificate_sha256,
	    MYSQL_SHA256_LEN, sum) == -1)
		return -1;
	*out++ = VOUCHED;
	for (size_t i = 0; i < sizeof(sum); i++) {
		*out++ = (uint8_t)digits[sum[i] >> 4];
		*out++ = (uint8_t)digits[sum[i] & 15];
	}
	return 0;
}
