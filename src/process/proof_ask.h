/*
 * proof_ask.h - a process's questions to auth, who has the secrets of agents.
 *
 *	MSG_PROOF_HUB	an agent wants in: generation u32, listener u32, source
 *			9 bytes, mode u8, TLS u8, what was seen 64 bytes, proof
 *			32, id to the end; the agent's socket
 *			-> code u8, ms u32 to wait, the hub's proof 32 bytes,
 *			keys of MACs 64, a grant of GRANT_SEALED
 *	MSG_PROOF_AGENT	we want in at a hub: generation u32, hub u32, what was
 *			seen 64 bytes
 *			-> 0 u8, or 1 and struct tunnel_proved
 *
 * A pool is told of the hubs that its listeners lead to, or that it publishes
 * at, and lets agents in at its own listeners.
 */
#ifndef PROCESS_PROOF_ASK_H
#define PROCESS_PROOF_ASK_H

#include <stdint.h>

#include "policy/access.h"
#include "policy/grant.h"
#include "session/tunnel_login.h"

#define PROOF_ASK_MS	3000	/* for auth to answer */

struct line;

struct proof_check {
	uint32_t		 generation, listener;
	struct access_source	 source;
	enum tunnel_mode	 mode;
	bool			 tls;
	struct tunnel_seen	 seen;
	uint8_t			 proof[TUNNEL_PROOF];
	char			 id[TUNNEL_ID_MAX + 1];
};

struct proof_pass {
	enum tunnel_code	 code;
	uint32_t		 wait_ms;
	struct tunnel_proved	 proved;	/* hub, and keys of MACs */
	uint8_t			 grant[GRANT_SEALED];
};

/* 0, or -1 when nobody answers, which was logged. */
int	 proof_ask_check(struct line *line, const struct proof_check *check,
	    int client, struct proof_pass *pass);
int	 proof_ask_prove(struct line *line, uint32_t generation, uint32_t hub,
	    const struct tunnel_seen *seen, struct tunnel_proved *proved);

/*
 * A Netroxy client's password is proved as a secret is, by what this makes of
 * it.  0, or -1 when OpenSSL fails.
 */
int	 proof_secret_of(const char *password, size_t len,
	    uint8_t secret[TUNNEL_SECRET]);

/* Payloads; 0, or -1. */
int	 proof_check_encode(struct wr *w, const struct proof_check *check);
int	 proof_check_decode(struct rd *r, struct proof_check *check);
int	 proof_pass_encode(struct wr *w, const struct proof_pass *pass);
int	 proof_pass_decode(struct rd *r, struct proof_pass *pass);

#endif
