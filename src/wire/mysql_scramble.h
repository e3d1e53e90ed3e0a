/*
 * mysql_scramble.h - what a client answers a server's nonce with, so that it
 * need not say its password.
 *
 * For who has the password: to answer with, or to compare with what came.
 *
 * Source: MySQL Source Code Documentation, "Native Authentication",
 * "Caching_sha2_password information"; MariaDB Knowledge Base, "Authentication
 * Plugin - PARSEC", "- ed25519", and "Secure Connections", for the OK that
 * vouches for a certificate.
 */
#ifndef WIRE_MYSQL_SCRAMBLE_H
#define WIRE_MYSQL_SCRAMBLE_H

#include <stdint.h>

#include "wire/mysql_ed25519.h"
#include "wire/mysql_handshake.h"

#define MYSQL_SHA1_LEN		20
#define MYSQL_SHA256_LEN	32
#define MYSQL_NATIVE_LEN	MYSQL_SHA1_LEN
#define MYSQL_SHA2_LEN		MYSQL_SHA256_LEN
#define MYSQL_PARSEC_NONCE_LEN	32	/* of either side */
#define MYSQL_PARSEC_LEN	96	/* the client's nonce, a signature */
#define MYSQL_VOUCH_LEN		65	/* '\1' and 64 digits */

/*
 * SHA1(password) XOR SHA1(nonce, SHA1(SHA1(password))), nonce being
 * MYSQL_NONCE_LEN bytes.  0, or -1 when OpenSSL fails, as below.
 */
int	 mysql_native_scramble(struct mysql_bytes password,
	    const uint8_t *nonce, uint8_t *out);

/* SHA256(password) XOR SHA256(SHA256(SHA256(password)), nonce). */
int	 mysql_sha2_scramble(struct mysql_bytes password,
	    const uint8_t *nonce, uint8_t *out);

/*
 * What PARSEC's server says of the account: 'P', the iterations as a power
 * of two above 1024, at most 3 of them, and the salt, 18 bytes.  The answer
 * is our nonce and an Ed25519 signature of both by a key that is derived from
 * the password.  -1 also when that is malformed.
 */
int	 mysql_parsec_answer(struct mysql_bytes password,
	    const uint8_t *server_nonce, struct mysql_bytes salt,
	    const uint8_t *our_nonce, uint8_t *out);

/*
 * What servers keep of a password of mysql_native_password: SHA1(SHA1(it)).
 */
int	 mysql_native_stored(struct mysql_bytes password, uint8_t *out);

/*
 * What the info of an OK tells a MariaDB client that could not check the
 * certificate, of which it has the SHA-256: that who sent it knows what the
 * server has of the password.  MYSQL_VOUCH_LEN bytes, without a NUL.
 */
int	 mysql_vouch(const uint8_t *native_stored, const uint8_t *nonce,
	    const uint8_t *certificate_sha256, uint8_t *out);

#endif
