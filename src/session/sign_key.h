/*
 * sign_key.h - the keys of the provider behind sign.h.
 *
 * OpenSSL makes, compares and asks them by these tables; a signature is
 * given one and looks inside.  They hold public parts only.
 *
 * Source: OpenSSL 3.0 manual, provider-keymgmt(7).
 */
#ifndef SESSION_SIGN_KEY_H
#define SESSION_SIGN_KEY_H

#include <openssl/core.h>
#include <openssl/evp.h>

#include <stdbool.h>
#include <stdint.h>

/* A parameter of EVP_PKEY_fromdata(): an unsigned number of 32 bits. */
#define SIGN_KEY_NUMBER	"sallyport-number"

struct sign_key {
	const char	*type;		/* "RSA", "RSA-PSS", "EC", "ED25519" */
	EVP_PKEY	*pub;		/* of the default provider */
	bool		 ours;		/* has a number: may be signed with */
	uint32_t	 number;
};

/* For OSSL_OP_KEYMGMT; ends with a NULL name. */
extern const OSSL_ALGORITHM	 sign_key_types[];

#endif
