#include <openssl/core_dispatch.h>
#include <openssl/core_names.h>

#include <stdlib.h>

#include "base/mem.h"
#include "session/sign_key.h"

static struct sign_key *
key_new(const char *type)
{
	struct sign_key	*k = mem_calloc(1, sizeof(*k));

	k->type = type;
	return k;
}

static void *
rsa_new(void *provctx)
{
	(void)provctx;
	return key_new("RSA");
}

static void *
pss_new(void *provctx)
{
	(void)provctx;
	return key_new("RSA-PSS");
}

static void *
ec_new(void *provctx)
{
	(void)provctx;
	return key_new("EC");
}

static void *
ed25519_new(void *provctx)
{
	(void)provctx;
	return key_new("ED25519");
}

static void
key_free(void *data)
{
	struct sign_key	*k = data;

	if (k == NULL)
		return;
	EVP_PKEY_free(k->pub);
	free(k);
}

/*
 * Keys come in here by sign_key_new(), with a number, and when OpenSSL
 * compares one of its own with ours.  A private part is left where it is.
 */
static int
key_import(void *data, int selection, const OSSL_PARAM params[])
{
	const OSSL_PARAM	*p;
	struct sign_key		*k = data;
	EVP_PKEY_CTX		*ctx;
	int			 rc;

	(void)selection;
	if (k->pub != NULL)
		return 0;
	p = OSSL_PARAM_locate_const(params, SIGN_KEY_NUMBER);
	if (p != NULL) {
		if (OSSL_PARAM_get_uint32(p, &k->number) != 1)
			return 0;
		k->ours = true;
	}
	ctx = EVP_PKEY_CTX_new_from_name(NULL, k->type, NULL);
	/* It takes what it may change and does not change it. */
	rc = ctx != NULL && EVP_PKEY_fromdata_init(ctx) == 1 &&
	    EVP_PKEY_fromdata(ctx, &k->pub, EVP_PKEY_PUBLIC_KEY,
	    (OSSL_PARAM *)(uintptr_t)params) == 1;
	EVP_PKEY_CTX_free(ctx);
	return rc;
}

static const OSSL_PARAM *
key_import_types(int selection)
{
	static const OSSL_PARAM	 types[] = {
		OSSL_PARAM_uint32(SIGN_KEY_NUMBER, NULL),
		OSSL_PARAM_END
	};

	(void)selection;
	return types;
}

/*
 * There is no export: OpenSSL would take it for the whole key, carry it to
 * the default provider and have it sign there, without the private part.
 */
static int
key_has(const void *data, int selection)
{
	const struct sign_key	*k = data;

	if (k->pub == NULL)
		return 0;
	return k->ours || (selection & OSSL_KEYMGMT_SELECT_PRIVATE_KEY) == 0;
}

static int
key_match(const void *a, const void *b, int selection)
{
	const struct sign_key	*one = a, *two = b;

	if (one->pub == NULL || two->pub == NULL)
		return 0;
	if (selection & OSSL_KEYMGMT_SELECT_KEYPAIR)
		return EVP_PKEY_eq(one->pub, two->pub) == 1;
	return EVP_PKEY_parameters_eq(one->pub, two->pub) == 1;
}

/* Size, strength, group: libssl chooses by what the public part says. */
static int
key_get_params(void *data, OSSL_PARAM params[])
{
	const struct sign_key	*k = data;

	return k->pub != NULL && EVP_PKEY_get_params(k->pub, params) == 1;
}

static const OSSL_PARAM *
key_gettable_params(void *provctx)
{
	static const OSSL_PARAM	 types[] = {
		OSSL_PARAM_int(OSSL_PKEY_PARAM_BITS, NULL),
		OSSL_PARAM_int(OSSL_PKEY_PARAM_SECURITY_BITS, NULL),
		OSSL_PARAM_int(OSSL_PKEY_PARAM_MAX_SIZE, NULL),
		OSSL_PARAM_utf8_string(OSSL_PKEY_PARAM_DEFAULT_DIGEST, NULL,
		    0),
		OSSL_PARAM_utf8_string(OSSL_PKEY_PARAM_MANDATORY_DIGEST, NULL,
		    0),
		OSSL_PARAM_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, NULL, 0),
		OSSL_PARAM_END
	};

	(void)provctx;
	return types;
}

static const char *
rsa_operation(int operation)
{
	return operation == OSSL_OP_SIGNATURE ? "RSA" : NULL;
}

static const char *
ec_operation(int operation)
{
	return operation == OSSL_OP_SIGNATURE ? "ECDSA" : NULL;
}

static const char *
ed25519_operation(int operation)
{
	return operation == OSSL_OP_SIGNATURE ? "ED25519" : NULL;
}

#define FN(f)	((void (*)(void))(f))

#define KEYMGMT(kind, operation) {					\
	{ OSSL_FUNC_KEYMGMT_NEW, FN(kind##_new) },			\
	{ OSSL_FUNC_KEYMGMT_FREE, FN(key_free) },			\
	{ OSSL_FUNC_KEYMGMT_HAS, FN(key_has) },				\
	{ OSSL_FUNC_KEYMGMT_MATCH, FN(key_match) },			\
	{ OSSL_FUNC_KEYMGMT_IMPORT, FN(key_import) },			\
	{ OSSL_FUNC_KEYMGMT_IMPORT_TYPES, FN(key_import_types) },	\
	{ OSSL_FUNC_KEYMGMT_GET_PARAMS, FN(key_get_params) },		\
	{ OSSL_FUNC_KEYMGMT_GETTABLE_PARAMS, FN(key_gettable_params) },	\
	{ OSSL_FUNC_KEYMGMT_QUERY_OPERATION_NAME, FN(operation) },	\
	{ 0, NULL }							\
}

static const OSSL_DISPATCH	 rsa_keymgmt[] = KEYMGMT(rsa, rsa_operation);
static const OSSL_DISPATCH	 pss_keymgmt[] = KEYMGMT(pss, rsa_operation);
static const OSSL_DISPATCH	 ec_keymgmt[] = KEYMGMT(ec, ec_operation);
static const OSSL_DISPATCH	 ed25519_keymgmt[] =
    KEYMGMT(ed25519, ed25519_operation);

/* The names of the default provider: libssl knows certificates by them. */
const OSSL_ALGORITHM	 sign_key_types[] = {
	{ "RSA:rsaEncryption:1.2.840.113549.1.1.1", "", rsa_keymgmt, NULL },
	{ "RSA-PSS:RSASSA-PSS:1.2.840.113549.1.1.10", "", pss_keymgmt, NULL },
	{ "EC:id-ecPublicKey:1.2.840.10045.2.1", "", ec_keymgmt, NULL },
	{ "ED25519:1.3.101.112", "", ed25519_keymgmt, NULL },
	{ NULL, NULL, NULL, NULL }
};
