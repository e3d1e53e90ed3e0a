/*
 * mysql_ed25519.h - how MariaDB's plugin ed25519 signs a nonce.
 *
 * As RFC 8032 section 5.1.6, but the secret is a password of any length where
 * the RFC has 32 bytes.  OpenSSL signs with keys of 32 bytes only, so the curve
 * is done here, with its numbers.  Of the curve's own operations none depends
 * on the secret; those of OpenSSL's numbers may take more or less time by
 * their values.
 *
 * Source: MariaDB Knowledge Base, "Authentication Plugin - ed25519"; RFC 8032;
 * Hisil, Wong, Carter, Dawson, "Twisted Edwards Curves Revisited", section 3.1.
 */
#ifndef WIRE_MYSQL_ED25519_H
#define WIRE_MYSQL_ED25519_H

#include <stdint.h>

#include "wire/mysql_packet.h"

#define MYSQL_ED25519_LEN	64

/* Into MYSQL_ED25519_LEN bytes.  0, or -1 when OpenSSL fails. */
int	 mysql_ed25519_sign(struct mysql_bytes password,
	    struct mysql_bytes nonce, uint8_t *out);

#endif
