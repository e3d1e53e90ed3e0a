/*
 * grant.h - what auth has found about an agent, for the broker alone to read.
 *
 * It goes through a worker, which speaks with strangers: so it is sealed with a
 * key that only those two have, says for which pool it is and until when, and
 * is taken once.
 */
#ifndef POLICY_GRANT_H
#define POLICY_GRANT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wire/tunnel_keys.h"

#define GRANT_KEY	32	/* bytes */
#define GRANT_POOL_MAX	40
#define GRANT_VALID_MS	10000	/* it may be used */
#define GRANT_SEALED	(12 + 16 + 8 + 8 + 1 + 1 + TUNNEL_ID_MAX + 1 + \
			    GRANT_POOL_MAX + TUNNEL_KEY)

struct grant_text {
	uint64_t	 serial;	/* no two have the same */
	int64_t		 until;		/* io_now_ms() */
	uint8_t		 mode;		/* enum tunnel_mode */
	bool		 tls;		/* so is its link */
	char		 id[TUNNEL_ID_MAX + 1];
	char		 pool[GRANT_POOL_MAX];
	uint8_t		 tickets[TUNNEL_KEY];
};

/* Into GRANT_SEALED bytes.  0, or -1 when OpenSSL fails. */
int	 grant_seal(const uint8_t key[GRANT_KEY], const struct grant_text *g,
	    uint8_t *sealed);
/* 0, or -1 when it is not one that was sealed with the key. */
int	 grant_open(const uint8_t key[GRANT_KEY], const uint8_t *sealed,
	    struct grant_text *g);

#endif
