/*
 * tls_ticket.h - keys that seal session tickets, shared by many processes.
 *
 * They are where all workers of a pool see them and only the spawner
 * writes.  Who has one can read what was said under the tickets that it
 * sealed, so they are never in a file, and should be in memory that is locked
 * and not dumped: that is up to who maps it.
 *
 * Source: RFC 5077 section 4; OpenSSL 3.0 manual,
 * SSL_CTX_set_tlsext_ticket_key_evp_cb(3).
 */
#ifndef SESSION_TLS_TICKET_H
#define SESSION_TLS_TICKET_H

#include <openssl/ssl.h>

#include <stdint.h>

#define TLS_TICKET_KEYS	2	/* the one in use and the one before */

struct tls_ticket_key {
	uint8_t	 name[16];
	uint8_t	 aes[32];
	uint8_t	 hmac[32];
};

/* Zeroed at first: until the first rotation no tickets are given. */
struct tls_tickets {
	_Atomic uint32_t	 version;	/* odd while they change */
	struct tls_ticket_key	 keys[TLS_TICKET_KEYS];	/* newest first */
};

/*
 * A new key, the newest; the others move back.  By the spawner alone; what a
 * spawner that died within it has left is repaired.  0, or -1: there is no
 * randomness, and nothing has changed.
 */
int	 tls_ticket_rotate(struct tls_tickets *t);

/*
 * Have ctx, of a server, seal its sessions with these and keep none in
 * memory.  t must outlive it; NULL: no tickets at all.
 */
void	 tls_ticket_use(SSL_CTX *ctx, const struct tls_tickets *t);

#endif
