/*
 * proofs.h - what auth knows of agents: their secrets, ours at hubs, and who
 * guesses.
 *
 * An agent that there is none of and one with a wrong secret are refused alike
 * and after the same work.  What fails counts for that name from that source:
 * agents are named by whoever wants to, and many may have one address.
 */
#ifndef PROCESS_PROOFS_H
#define PROCESS_PROOFS_H

#include "process/proof_ask.h"
#include "process/setup.h"

struct proofs;

/* The keys are secret: of grants, and of a table, 32 bytes each. */
struct proofs	*proofs_new(const uint8_t grant_key[GRANT_KEY],
		    const uint8_t *seed);
void		 proofs_free(struct proofs **p);

/* Take the secrets out of a generation's files, which are cleansed. */
void		 proofs_add(struct proofs *p, struct setup_generation *gen);
void		 proofs_forget(struct proofs *p, uint32_t generation);

/*
 * `source' is whom it counts for, pool who asks.  0; or -1 when that is no
 * question of theirs.  *refused is why, for the log, or NULL.
 */
int		 proofs_check(struct proofs *p, const struct proof_check *c,
		    const struct access_source *source, const char *pool,
		    int64_t now_ms, struct proof_pass *pass,
		    const char **refused);
int		 proofs_prove(const struct proofs *p, uint32_t generation,
		    uint32_t hub, const char *pool,
		    const struct tunnel_seen *seen,
		    struct tunnel_proved *proved);

#endif
