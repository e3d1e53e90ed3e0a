#include <openssl/rsa.h>

#include <stdbool.h>

#include "base/mem.h"
#include "session/sign.h"

/* TLS 1.2 and 1.3 sign with no others that are still good for it. */
static const struct sign_digest	 digests[] = {
	{ "SHA256", 32 },
	{ "SHA384", 48 },
	{ "SHA512", 64 },
};

const struct sign_digest *
sign_digest_find(const char *name)
{
	const struct sign_digest	*found = NULL;
	EVP_MD				*md = EVP_MD_fetch(NULL, name, NULL);

	for (size_t i = 0; md != NULL && i < nitems(digests); i++)
		if (EVP_MD_is_a(md, digests[i].name))
			found = &digests[i];
	EVP_MD_free(md);
	return found;
}

/*
 * Does the key sign in that way?  Whatever is asked for gets its padding
 * here, from us: what is signed is never a number of the asker's choice,
 * or this would decrypt, too.
 */
static bool
fits(const EVP_PKEY *key, enum sign_scheme scheme)
{
	switch (scheme) {
	case SIGN_RSA_PKCS1:
		return EVP_PKEY_is_a(key, "RSA") == 1;
	case SIGN_RSA_PSS:
		return EVP_PKEY_is_a(key, "RSA") == 1 ||
		    EVP_PKEY_is_a(key, "RSA-PSS") == 1;
	case SIGN_ECDSA:
		return EVP_PKEY_is_a(key, "EC") == 1;
	case SIGN_ED25519:
		return EVP_PKEY_is_a(key, "ED25519") == 1;
	}
	return false;
}

static ptrdiff_t
make_of_message(EVP_PKEY *key, const struct sign_request *rq, uint8_t *sig)
{
	EVP_MD_CTX	*m = EVP_MD_CTX_new();
	size_t		 len = SIGN_SIGNATURE_MAX;
	int		 ok;

	ok = m != NULL && rq->digest[0] == '\0' && rq->len <= SIGN_DATA_MAX &&
	    EVP_DigestSignInit_ex(m, NULL, NULL, NULL, NULL, key, NULL) == 1 &&
	    EVP_DigestSign(m, sig, &len, rq->data, rq->len) == 1;
	EVP_MD_CTX_free(m);
	return ok ? (ptrdiff_t)len : -1;
}

static bool
set_padding(EVP_PKEY_CTX *ctx, enum sign_scheme scheme)
{
	if (scheme == SIGN_RSA_PKCS1)
		return EVP_PKEY_CTX_set_rsa_padding(ctx,
		    RSA_PKCS1_PADDING) == 1;
	if (scheme != SIGN_RSA_PSS)
		return true;
	return EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PSS_PADDING) == 1 &&
	    EVP_PKEY_CTX_set_rsa_pss_saltlen(ctx,
	    RSA_PSS_SALTLEN_DIGEST) == 1;
}

static ptrdiff_t
make_of_digest(EVP_PKEY *key, const struct sign_request *rq, uint8_t *sig)
{
	const struct sign_digest	*d = sign_digest_find(rq->digest);
	EVP_PKEY_CTX		*ctx = EVP_PKEY_CTX_new_from_pkey(NULL, key,
				    NULL);
	EVP_MD			*md = EVP_MD_fetch(NULL, rq->digest, NULL);
	size_t			 len = SIGN_SIGNATURE_MAX;
	int			 ok;

	ok = d != NULL && rq->len == d->len && ctx != NULL && md != NULL &&
	    EVP_PKEY_sign_init(ctx) == 1 &&
	    EVP_PKEY_CTX_set_signature_md(ctx, md) == 1 &&
	    set_padding(ctx, rq->scheme) &&
	    EVP_PKEY_sign(ctx, sig, &len, rq->data, rq->len) == 1;
	EVP_MD_free(md);
	EVP_PKEY_CTX_free(ctx);
	return ok ? (ptrdiff_t)len : -1;
}

ptrdiff_t
sign_make(EVP_PKEY *key, const struct sign_request *rq, uint8_t *sig)
{
	if (!fits(key, rq->scheme) ||
	    EVP_PKEY_get_size(key) > SIGN_SIGNATURE_MAX)
		return -1;
	return rq->scheme == SIGN_ED25519 ? make_of_message(key, rq, sig) :
	    make_of_digest(key, rq, sig);
}
