#include <openssl/core_dispatch.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/params.h>
#include <openssl/proverr.h>
#include <openssl/provider.h>
#include <openssl/rsa.h>

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "session/sign.h"
#include "session/sign_key.h"

#define PROVIDER	"sallyport"

/* One signature. */
struct job {
	const struct sign_key		*key;
	const struct sign_digest	*digest;	/* NULL: none */
	enum sign_scheme		 scheme;
};

/*
 * A library context of our own, in which there is no other provider: nobody
 * who asks the default one for "RSA" can then be given ours, and the default
 * provider is loaded there as if we did not exist.
 */
static OSSL_LIB_CTX	*libctx;
static sign_ask		*asker;
static void		*asker_ctx;

static void *
job_new(void *provctx, const char *properties)
{
	(void)provctx;
	(void)properties;
	return mem_calloc(1, sizeof(struct job));
}

static void
job_free(void *ctx)
{
	free(ctx);
}

static int
refuse(int reason)
{
	ERR_raise(ERR_LIB_PROV, reason);
	return 0;
}

static int
set_padding(struct job *j, const OSSL_PARAM *p)
{
	const char	*name;
	int		 mode;

	if (p->data_type == OSSL_PARAM_UTF8_STRING) {
		if (OSSL_PARAM_get_utf8_string_ptr(p, &name) != 1)
			return 0;
		mode = strcmp(name, OSSL_PKEY_RSA_PAD_MODE_PSS) == 0 ?
		    RSA_PKCS1_PSS_PADDING :
		    strcmp(name, OSSL_PKEY_RSA_PAD_MODE_PKCSV15) == 0 ?
		    RSA_PKCS1_PADDING : 0;
	} else if (OSSL_PARAM_get_int(p, &mode) != 1)
		return 0;
	if (mode == RSA_PKCS1_PSS_PADDING)
		j->scheme = SIGN_RSA_PSS;
	else if (mode == RSA_PKCS1_PADDING &&
	    strcmp(j->key->type, "RSA") == 0)
		j->scheme = SIGN_RSA_PKCS1;
	else
		return refuse(PROV_R_ILLEGAL_OR_UNSUPPORTED_PADDING_MODE);
	return 1;
}

/* As long as the digest: TLS has no other, and so none is asked for. */
static int
set_salt(const struct job *j, const OSSL_PARAM *p)
{
	const char	*name;
	int		 len;

	if (p->data_type == OSSL_PARAM_UTF8_STRING) {
		if (OSSL_PARAM_get_utf8_string_ptr(p, &name) == 1 &&
		    strcmp(name, OSSL_PKEY_RSA_PSS_SALT_LEN_DIGEST) == 0)
			return 1;
	} else if (OSSL_PARAM_get_int(p, &len) == 1 &&
	    (len == RSA_PSS_SALTLEN_DIGEST || len == (int)j->digest->len))
		return 1;
	return refuse(PROV_R_INVALID_SALT_LENGTH);
}

static int
rsa_set_params(void *ctx, const OSSL_PARAM params[])
{
	const OSSL_PARAM	*p;
	struct job		*j = ctx;

	if (j->key == NULL || j->digest == NULL)
		return 0;
	p = OSSL_PARAM_locate_const(params, OSSL_SIGNATURE_PARAM_PAD_MODE);
	if (p != NULL && !set_padding(j, p))
		return 0;
	p = OSSL_PARAM_locate_const(params, OSSL_SIGNATURE_PARAM_PSS_SALTLEN);
	return p == NULL || set_salt(j, p);
}

static const OSSL_PARAM *
rsa_settable_params(void *ctx, void *provctx)
{
	static const OSSL_PARAM	 types[] = {
		OSSL_PARAM_utf8_string(OSSL_SIGNATURE_PARAM_PAD_MODE, NULL, 0),
		OSSL_PARAM_utf8_string(OSSL_SIGNATURE_PARAM_PSS_SALTLEN, NULL,
		    0),
		OSSL_PARAM_END
	};

	(void)ctx;
	(void)provctx;
	return types;
}

/* A PSS key may be for one digest alone; who verifies would find out, too. */
static bool
key_allows(const struct sign_key *k, const struct sign_digest *d)
{
	EVP_MD_CTX	*m;
	bool		 ok;

	if (strcmp(k->type, "RSA-PSS") != 0)
		return true;
	m = EVP_MD_CTX_new();
	ok = m != NULL && EVP_DigestVerifyInit_ex(m, NULL, d->name, NULL,
	    NULL, k->pub, NULL) == 1;
	EVP_MD_CTX_free(m);
	return ok;
}

/* libssl does as much as this to find out whether we know a digest. */
static int
job_init(struct job *j, enum sign_scheme scheme, const char *digest,
    const struct sign_key *k)
{
	if (k == NULL)
		k = j->key;		/* the same one again */
	if (k == NULL || !k->ours || k->pub == NULL)
		return refuse(PROV_R_NOT_A_PRIVATE_KEY);
	j->key = k;
	j->scheme = scheme;
	j->digest = NULL;
	if (scheme == SIGN_ED25519)
		return digest == NULL || digest[0] == '\0' ||
		    refuse(PROV_R_DIGEST_NOT_ALLOWED);
	if (digest == NULL || (j->digest = sign_digest_find(digest)) == NULL ||
	    !key_allows(k, j->digest))
		return refuse(PROV_R_DIGEST_NOT_ALLOWED);
	return 1;
}

static int
rsa_sign_init(void *ctx, const char *digest, void *data,
    const OSSL_PARAM params[])
{
	const struct sign_key	*k = data;
	struct job		*j = ctx;
	bool			 pss;

	if (k == NULL)
		k = j->key;
	pss = k != NULL && strcmp(k->type, "RSA-PSS") == 0;
	return job_init(j, pss ? SIGN_RSA_PSS : SIGN_RSA_PKCS1, digest, k) &&
	    (params == NULL || rsa_set_params(j, params));
}

static int
ec_sign_init(void *ctx, const char *digest, void *data,
    const OSSL_PARAM params[])
{
	(void)params;
	return job_init(ctx, SIGN_ECDSA, digest, data);
}

static int
ed25519_sign_init(void *ctx, const char *digest, void *data,
    const OSSL_PARAM params[])
{
	(void)params;
	return job_init(ctx, SIGN_ED25519, digest, data);
}

/* Put what is to be sent into rq: the message, or its digest in md. */
static int
prepare(const struct job *j, const uint8_t *tbs, size_t len,
    struct sign_request *rq, uint8_t *md)
{
	EVP_MD	*algorithm;
	int	 ok;

	rq->data = tbs;
	rq->len = len;
	if (j->digest == NULL)
		return len <= SIGN_DATA_MAX;
	memcpy(rq->digest, j->digest->name, strlen(j->digest->name) + 1);
	algorithm = EVP_MD_fetch(NULL, j->digest->name, NULL);
	ok = algorithm != NULL &&
	    EVP_Digest(tbs, len, md, NULL, algorithm, NULL) == 1;
	EVP_MD_free(algorithm);
	rq->data = md;
	rq->len = j->digest->len;
	return ok;
}

/*
 * All of it in one call is all that TLS asks for.  With sig NULL only the
 * room is asked for that it will need.
 */
static int
job_sign(void *ctx, unsigned char *out, size_t *outlen, size_t room,
    const unsigned char *tbs, size_t len)
{
	const struct job	*j = ctx;
	struct sign_request	 rq = { 0 };
	uint8_t			 md[EVP_MAX_MD_SIZE];
	uint8_t			 sig[SIGN_SIGNATURE_MAX];
	ptrdiff_t		 n;

	if (j->key == NULL)
		return 0;
	if (out == NULL) {
		*outlen = (size_t)EVP_PKEY_get_size(j->key->pub);
		return 1;
	}
	rq.key = j->key->number;
	rq.scheme = j->scheme;
	if (!prepare(j, tbs, len, &rq, md))
		return refuse(PROV_R_FAILED_TO_SIGN);
	n = asker(asker_ctx, &rq, sig);
	if (n <= 0 || (size_t)n > sizeof(sig) || (size_t)n > room)
		return refuse(PROV_R_FAILED_TO_SIGN);
	memcpy(out, sig, (size_t)n);
	*outlen = (size_t)n;
	return 1;
}

#define FN(f)	((void (*)(void))(f))

static const OSSL_DISPATCH	 rsa_signature[] = {
	{ OSSL_FUNC_SIGNATURE_NEWCTX, FN(job_new) },
	{ OSSL_FUNC_SIGNATURE_FREECTX, FN(job_free) },
	{ OSSL_FUNC_SIGNATURE_DIGEST_SIGN_INIT, FN(rsa_sign_init) },
	{ OSSL_FUNC_SIGNATURE_DIGEST_SIGN, FN(job_sign) },
	{ OSSL_FUNC_SIGNATURE_SET_CTX_PARAMS, FN(rsa_set_params) },
	{ OSSL_FUNC_SIGNATURE_SETTABLE_CTX_PARAMS, FN(rsa_settable_params) },
	{ 0, NULL }
};

static const OSSL_DISPATCH	 ec_signature[] = {
	{ OSSL_FUNC_SIGNATURE_NEWCTX, FN(job_new) },
	{ OSSL_FUNC_SIGNATURE_FREECTX, FN(job_free) },
	{ OSSL_FUNC_SIGNATURE_DIGEST_SIGN_INIT, FN(ec_sign_init) },
	{ OSSL_FUNC_SIGNATURE_DIGEST_SIGN, FN(job_sign) },
	{ 0, NULL }
};

static const OSSL_DISPATCH	 ed25519_signature[] = {
	{ OSSL_FUNC_SIGNATURE_NEWCTX, FN(job_new) },
	{ OSSL_FUNC_SIGNATURE_FREECTX, FN(job_free) },
	{ OSSL_FUNC_SIGNATURE_DIGEST_SIGN_INIT, FN(ed25519_sign_init) },
	{ OSSL_FUNC_SIGNATURE_DIGEST_SIGN, FN(job_sign) },
	{ 0, NULL }
};

static const OSSL_ALGORITHM	 signatures[] = {
	{ "RSA:rsaEncryption:1.2.840.113549.1.1.1", "", rsa_signature, NULL },
	{ "ECDSA", "", ec_signature, NULL },
	{ "ED25519:1.3.101.112", "", ed25519_signature, NULL },
	{ NULL, NULL, NULL, NULL }
};

static const OSSL_ALGORITHM *
provider_query(void *provctx, int operation, int *no_cache)
{
	(void)provctx;
	*no_cache = 0;
	switch (operation) {
	case OSSL_OP_KEYMGMT:
		return sign_key_types;
	case OSSL_OP_SIGNATURE:
		return signatures;
	}
	return NULL;
}

static int
provider_init(const OSSL_CORE_HANDLE *handle, const OSSL_DISPATCH *in,
    const OSSL_DISPATCH **out, void **provctx)
{
	static const OSSL_DISPATCH	 functions[] = {
		{ OSSL_FUNC_PROVIDER_QUERY_OPERATION, FN(provider_query) },
		{ 0, NULL }
	};

	(void)in;
	*out = functions;
	*provctx = (void *)(uintptr_t)handle;
	return 1;
}

int
sign_init(sign_ask *ask, void *ctx)
{
	asker = ask;
	asker_ctx = ctx;
	if (libctx != NULL)
		return 0;
	if ((libctx = OSSL_LIB_CTX_new()) != NULL &&
	    OSSL_PROVIDER_add_builtin(libctx, PROVIDER, provider_init) == 1 &&
	    OSSL_PROVIDER_load(libctx, PROVIDER) != NULL)
		return 0;
	OSSL_LIB_CTX_free(libctx);
	libctx = NULL;
	return -1;
}

/* A key of our provider, of what describes it to key_import(). */
static EVP_PKEY *
make_key(const char *type, OSSL_PARAM *params)
{
	EVP_PKEY_CTX	*ctx = EVP_PKEY_CTX_new_from_name(libctx, type, NULL);
	EVP_PKEY	*pkey = NULL;

	if (ctx != NULL && EVP_PKEY_fromdata_init(ctx) == 1)
		(void)EVP_PKEY_fromdata(ctx, &pkey, EVP_PKEY_KEYPAIR, params);
	EVP_PKEY_CTX_free(ctx);
	return pkey;
}

EVP_PKEY *
sign_key_new(EVP_PKEY *pub, uint32_t key)
{
	static const char *const	 types[] = {
		"RSA", "RSA-PSS", "EC", "ED25519"
	};
	const OSSL_PARAM		 number[] = {
		OSSL_PARAM_uint32(SIGN_KEY_NUMBER, &key),
		OSSL_PARAM_END
	};
	OSSL_PARAM			*own = NULL, *all = NULL;
	EVP_PKEY			*pkey = NULL;
	size_t				 i = 0;

	while (i < nitems(types) && EVP_PKEY_is_a(pub, types[i]) != 1)
		i++;
	if (i < nitems(types) && libctx != NULL &&
	    EVP_PKEY_get_size(pub) <= SIGN_SIGNATURE_MAX &&
	    EVP_PKEY_todata(pub, EVP_PKEY_PUBLIC_KEY, &own) == 1 &&
	    (all = OSSL_PARAM_merge(own, number)) != NULL)
		pkey = make_key(types[i], all);
	OPENSSL_free(all);
	OSSL_PARAM_free(own);
	return pkey;
}
