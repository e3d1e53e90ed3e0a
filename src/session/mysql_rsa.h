/*
 * mysql_rsa.h - passwords as caching_sha2_password and sha256_password send
 * them over a plain connection: encrypted to a key of the server.
 *
 * The password with its NUL is mixed with the server's nonce by exclusive or,
 * then encrypted by RSA with OAEP and SHA-1.
 *
 * Source: MySQL Source Code Documentation, "Caching_sha2_password
 * information"; RFC 8017 section 7.1.
 */
#ifndef SESSION_MYSQL_RSA_H
#define SESSION_MYSQL_RSA_H

#include <openssl/evp.h>

#include <sys/types.h>

#include <stddef.h>
#include <stdint.h>

#include "wire/mysql_packet.h"

#define MYSQL_RSA_MAX		1024	/* bytes of a key of 8192 bits */
#define MYSQL_PASSWORD_MAX	1024	/* bytes with the NUL */

/* A public key in PEM, as a server answers or a file holds it; or NULL. */
EVP_PKEY	*mysql_rsa_public(const void *pem, size_t len);

/*
 * Encrypt a password, its NUL included, into out (MYSQL_RSA_MAX bytes).
 * Returns the length; -1 when it does not fit the key, or is no RSA key.
 */
ssize_t		 mysql_rsa_encrypt(EVP_PKEY *key, struct mysql_bytes password,
		    struct mysql_bytes nonce, uint8_t *out);

/*
 * For clients whose connection is plain while the server's is not: a pair of
 * our own, made for one session, its public half as PEM (to be freed with
 * the key: it points into *pem), and back from what they encrypted to it,
 * into out of MYSQL_PASSWORD_MAX bytes.
 */
EVP_PKEY	*mysql_rsa_pair(void);
/* Bytes written to pem, or -1. */
ssize_t		 mysql_rsa_pem(EVP_PKEY *key, void *pem, size_t size);
/* The length with the NUL, or -1: it is not to this key, or no password. */
ssize_t		 mysql_rsa_decrypt(EVP_PKEY *key, struct mysql_bytes sealed,
		    struct mysql_bytes nonce, uint8_t *out);

#endif
