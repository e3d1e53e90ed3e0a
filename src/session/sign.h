/*
 * sign.h - private keys that are elsewhere.
 *
 * OpenSSL is given a key that has only its public part; when it wants a
 * signature, whoever has the other part is asked for it.  That takes a
 * provider of our own, built in, which knows RSA (PKCS #1 v1.5 and PSS), ECDSA
 * and Ed25519, for as much as TLS needs.
 *
 * Source: OpenSSL 3.0 manual, provider-keymgmt(7), provider-signature(7).
 */
#ifndef SESSION_SIGN_H
#define SESSION_SIGN_H

#include <openssl/evp.h>

#include <stddef.h>
#include <stdint.h>

#define SIGN_DATA_MAX		4000	/* bytes: a digest, or with Ed25519 the
					   message itself; for a message of
					   our own */
#define SIGN_SIGNATURE_MAX	1024	/* bytes: RSA of 8192 bits */

/* What is signed is a digest of one of these, unless the scheme has its own. */
struct sign_digest {
	const char	*name;		/* "SHA256", "SHA384", "SHA512" */
	size_t		 len;		/* bytes */
};

enum sign_scheme {
	SIGN_RSA_PKCS1,
	SIGN_RSA_PSS,			/* salt as long as the digest */
	SIGN_ECDSA,			/* DER */
	SIGN_ED25519,
};

/* What is to be signed: a digest made with `digest', or the message. */
struct sign_request {
	uint32_t		 key;	/* the number that it was made with */
	enum sign_scheme	 scheme;
	char			 digest[16];	/* "SHA256"; "" for none */
	const uint8_t		*data;
	size_t			 len;
};

/*
 * Called for each signature: sig has SIGN_SIGNATURE_MAX bytes.  Returns its
 * length, or -1 when there is none.
 */
typedef ptrdiff_t	 sign_ask(void *ctx, const struct sign_request *rq,
			    uint8_t *sig);

/*
 * Before any key is made; again, for another to ask.  0, or -1: OpenSSL
 * would not have it.
 */
int		 sign_init(sign_ask *ask, void *ctx);

/*
 * A key with the public part of `pub' (of a certificate, perhaps), number
 * `key'.  NULL when it is of a kind that we do not know, or too large.
 *
 * It is for a certificate of an SSL_CTX of the default library context, and
 * signs by EVP_DigestSign() in one call alone.  It does not decrypt: a
 * client that knows no key exchange but that by RSA is not served.
 */
EVP_PKEY	*sign_key_new(EVP_PKEY *pub, uint32_t key);

/*
 * For who has the private part: make that signature.  As sign_ask; -1 also
 * when the key does not sign so, or the data is no digest of that name.  A
 * padding is always added, so an asker cannot have numbers of its choice
 * raised to the private exponent, which would be to decrypt.
 */
ptrdiff_t	 sign_make(EVP_PKEY *key, const struct sign_request *rq,
		    uint8_t *sig);

/* By any of its names ("SHA2-256").  NULL: not one that we sign. */
const struct sign_digest	*sign_digest_find(const char *name);

#endif
