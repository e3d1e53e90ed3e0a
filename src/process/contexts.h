/*
 * contexts.h - what the sessions of a pool need for TLS: made by its spawner,
 * from the files that came with the configuration, before workers are forked.
 *
 * So workers share the memory of it, and can neither read a file nor find a
 * private key in what they have: the pool's signer has those.
 */
#ifndef PROCESS_CONTEXTS_H
#define PROCESS_CONTEXTS_H

#include <openssl/evp.h>

#include <stddef.h>

#include "process/setup.h"
#include "session/tls.h"
#include "session/tls_psk.h"

struct contexts;

/*
 * For the listeners of this pool and the backends they lead to.  Keys ask for
 * signatures as sign_init() says.  NULL with `why', of
 * TLS_WHY_MAX bytes.
 */
struct contexts	*contexts_new(const struct setup *s, char *why);

/* NULL: no TLS there. */
struct tls_server	*contexts_server(const struct contexts *c,
			    size_t listener);
struct tls_client	*contexts_client(const struct contexts *c,
			    size_t backend);
/* The RSA key that is pinned, or NULL. */
EVP_PKEY		*contexts_server_key(const struct contexts *c,
			    size_t backend);

/* For data connections of tunnels, or NULL. */
struct tls_psk		*contexts_psk(const struct contexts *c);

/*
 * For a link to a hub: its TLS; NULL with `why', of TLS_WHY_MAX bytes.
 */
struct tls_client	*contexts_hub(const struct setup *s, size_t hub,
			    char *why);
/* The name that its certificate must have; buf of NET_TEXT_MAX bytes. */
const char		*contexts_hub_name(const struct conf_hub *hub,
			    const struct net_addr *reached, char *buf);

/* Is there any, for clients or for servers? */
bool			 contexts_any(const struct contexts *c);

/* Does any of them give tickets; and a new key for those.  In the spawner. */
bool			 contexts_has_tickets(const struct contexts *c);
void			 contexts_rotate(struct contexts *c);

#endif
