#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

#include <limits.h>
#include <string.h>

#include "session/mysql_rsa.h"

#define PAIR_BITS	2048

EVP_PKEY *
mysql_rsa_public(const void *pem, size_t len)
{
	EVP_PKEY	*key = NULL;
	BIO		*bio = NULL;

	if (len > 0 && len <= INT_MAX)
		bio = BIO_new_mem_buf(pem, (int)len);
	if (bio != NULL)
		key = PEM_read_bio_PUBKEY(bio, NULL, NULL, NULL);
	BIO_free(bio);
	if (key != NULL && (!EVP_PKEY_is_a(key, "RSA") ||
	    EVP_PKEY_get_size(key) > MYSQL_RSA_MAX)) {
		EVP_PKEY_free(key);
		key = NULL;
	}
	ERR_clear_error();
	return key;
}

static void
mix(uint8_t *p, size_t len, struct mysql_bytes nonce)
{
	for (size_t i = 0; i < len; i++)
		p[i] ^= nonce.p[i % nonce.len];
}

/* Whether it encrypts or not, the padding is the same. */
static EVP_PKEY_CTX *
context(EVP_PKEY *key, int (*init)(EVP_PKEY_CTX *))
{
	EVP_PKEY_CTX	*ctx = EVP_PKEY_CTX_new(key, NULL);

	if (ctx != NULL && init(ctx) == 1 &&
	    EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_OAEP_PADDING) == 1)
		return ctx;
	EVP_PKEY_CTX_free(ctx);
	return NULL;
}

ssize_t
mysql_rsa_encrypt(EVP_PKEY *key, struct mysql_bytes password,
    struct mysql_bytes nonce, uint8_t *out)
{
	EVP_PKEY_CTX	*ctx = context(key, EVP_PKEY_encrypt_init);
	uint8_t		 mixed[MYSQL_PASSWORD_MAX];
	size_t		 len = MYSQL_RSA_MAX;
	ssize_t		 rc = -1;

	if (ctx != NULL && nonce.len > 0 && password.len <= sizeof(mixed)) {
		memcpy(mixed, password.p, password.len);
		mix(mixed, password.len, nonce);
		if (EVP_PKEY_encrypt(ctx, out, &len, mixed,
		    password.len) == 1)
			rc = (ssize_t)len;
		explicit_bzero(mixed, sizeof(mixed));
	}
	EVP_PKEY_CTX_free(ctx);
	ERR_clear_error();
	return rc;
}

EVP_PKEY *
mysql_rsa_pair(void)
{
	EVP_PKEY	*key = EVP_RSA_gen((unsigned)PAIR_BITS);

	ERR_clear_error();
	return key;
}

ssize_t
mysql_rsa_pem(EVP_PKEY *key, void *pem, size_t size)
{
	BIO	*bio = BIO_new(BIO_s_mem());
	char	*p = NULL;
	long	 len = -1;

	if (bio != NULL && PEM_write_bio_PUBKEY(bio, key) == 1)
		len = BIO_get_mem_data(bio, &p);
	if (len > 0 && (size_t)len <= size)
		memcpy(pem, p, (size_t)len);
	else
		len = -1;
	BIO_free(bio);
	ERR_clear_error();
	return len;
}

ssize_t
mysql_rsa_decrypt(EVP_PKEY *key, struct mysql_bytes sealed,
    struct mysql_bytes nonce, uint8_t *out)
{
	EVP_PKEY_CTX	*ctx = context(key, EVP_PKEY_decrypt_init);
	size_t		 len = MYSQL_PASSWORD_MAX;
	ssize_t		 rc = -1;

	if (ctx != NULL && nonce.len > 0 &&
	    EVP_PKEY_decrypt(ctx, out, &len, sealed.p, sealed.len) == 1) {
		mix(out, len, nonce);
		if (len > 0 && out[len - 1] == '\0')
			rc = (ssize_t)len;
	}
	EVP_PKEY_CTX_free(ctx);
	ERR_clear_error();
	return rc;
}
