/*
 * tunnel_keys.h - what an agent's secret is used for, and nothing else is.
 *
 * Both ends know the secret, have seen the same bytes, and have, with TLS, the
 * same exporter of the connection.  From these come the proofs of each to the
 * other, keys for the MACs of a link without TLS, and a key that each ticket's
 * own keys are derived from.  None of it is ever sent but the proofs.
 *
 * Source: sallyport-protocol(7); RFC 2104, RFC 5869, RFC 8446 section 7.5.
 */
#ifndef WIRE_TUNNEL_KEYS_H
#define WIRE_TUNNEL_KEYS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wire/tunnel.h"

#define TUNNEL_SECRET		32	/* bytes; 64 digits in its file */
#define TUNNEL_HASH		32
#define TUNNEL_KEY		32
#define TUNNEL_EXPORTER		"EXPORTER-sallyport-1"

/* Of one connection, once HELLO and, if there is one, CHALLENGE have gone. */
struct tunnel_seen {
	uint8_t	 frames[TUNNEL_HASH];	/* SHA-256 of those, as they were */
	uint8_t	 exporter[TUNNEL_KEY];	/* zeros without TLS */
};

struct tunnel_link_keys {
	uint8_t	 tickets[TUNNEL_KEY];
	uint8_t	 agent_mac[TUNNEL_KEY];	/* of what the agent says */
	uint8_t	 hub_mac[TUNNEL_KEY];
};

struct tunnel_ticket_keys {
	uint8_t	 psk[TUNNEL_KEY];	/* of TLS */
	uint8_t	 agent_mac[TUNNEL_KEY];	/* without TLS */
	uint8_t	 hub_mac[TUNNEL_KEY];
};

/* The first line of a secret file, 64 hexadecimal digits.  0, or -1. */
int	 tunnel_secret_decode(const char *text, size_t len,
	    uint8_t secret[TUNNEL_SECRET]);

/* 0, or -1 when OpenSSL fails; so do all that follow. */
int	 tunnel_proofs(const uint8_t secret[TUNNEL_SECRET],
	    const struct tunnel_seen *seen, uint8_t agent[TUNNEL_PROOF],
	    uint8_t hub[TUNNEL_PROOF]);
int	 tunnel_link_keys(const uint8_t secret[TUNNEL_SECRET],
	    const struct tunnel_seen *seen, struct tunnel_link_keys *keys);
int	 tunnel_ticket_keys(const uint8_t tickets[TUNNEL_KEY],
	    const uint8_t ticket[TUNNEL_TICKET],
	    struct tunnel_ticket_keys *keys);

/*
 * Add to a frame of len bytes, with room for TUNNEL_MAC more, its MAC; number
 * counts from 0 what that end has said with the key.  The new length, or -1.
 */
ssize_t	 tunnel_seal(const uint8_t key[TUNNEL_KEY], uint64_t number,
	    uint8_t *frame, size_t len);
/* Is the MAC there, and right? */
bool	 tunnel_is_sealed(const uint8_t key[TUNNEL_KEY], uint64_t number,
	    const uint8_t *frame, size_t len);

#endif
