/*
 * tunnel_login.h - an agent and a hub prove to each other who they are.
 *
 *	agent	HELLO		AUTH			(with TLS in one flight)
 *	hub		CHALLENGE	WELCOME or REJECT
 *		(plain only)
 *
 * The secret is with others, who are asked.  With TLS each proof is bound to
 * the connection by its exporter; without, to the nonces of both, and frames
 * have MACs from WELCOME on.
 *
 * Source: sallyport-protocol(7).
 */
#ifndef SESSION_TUNNEL_LOGIN_H
#define SESSION_TUNNEL_LOGIN_H

#include "session/tunnel_line.h"

#define TUNNEL_FIRST_MS	5000	/* until the first frame */
#define TUNNEL_LOGIN_MS	10000	/* until it is known who it is */

/* What the hub says of how the link is kept. */
struct tunnel_terms {
	uint32_t	 heartbeat_ms, dead_ms, park_ms;
	char		 address[TUNNEL_TEXT_MAX + 1];	/* for data; or "" */
};

/* What whoever has the secret makes of what was seen. */
struct tunnel_proved {
	uint8_t			 agent[TUNNEL_PROOF], hub[TUNNEL_PROOF];
	struct tunnel_link_keys	 keys;		/* tickets: an agent's alone */
};

struct tunnel_agent {
	const char	*id;
	const uint8_t	*instance;
	enum tunnel_mode mode;
	/* A user's session: said after AUTH, in the same flight. */
	const struct tunnel_frame *subscribe;
	/* 0, or -1: nobody can prove. */
	int		 (*prove)(void *ctx, const struct tunnel_seen *seen,
			    struct tunnel_proved *proved);
	void		*ctx;
	/* Out: why the hub does not want us, and for how long. */
	enum tunnel_code code;
	uint32_t	 retry_ms;
};

/*
 * Log in at a hub, until `deadline'.  0 with the terms and keys; or -1 with
 * *end and line->why: END_LOGIN when the hub said no, or is not who it says.
 */
int	 tunnel_login(struct tunnel_line *line, bool tls,
	    struct tunnel_agent *a, struct tunnel_terms *terms,
	    struct tunnel_proved *proved, int64_t deadline, enum end *end);

struct tunnel_hub {
	struct tunnel_terms	 terms;
	/*
	 * Is it who it says?  TUNNEL_OK with `proved', of which the agent's
	 * proof is not set; or why not.
	 */
	enum tunnel_code	 (*check)(void *ctx, const char *id,
				    enum tunnel_mode mode,
				    const struct tunnel_seen *seen,
				    const uint8_t *proof,
				    struct tunnel_proved *proved,
				    uint32_t *retry_ms);
	void			*ctx;
	/* Out. */
	char			 id[TUNNEL_ID_MAX + 1];
	uint8_t			 instance[TUNNEL_INSTANCE];
	enum tunnel_mode	 mode;
	enum tunnel_code	 code;
};

/* Let an agent in.  0, or -1 with *end and line->why; it was told then. */
int	 tunnel_let_in(struct tunnel_line *line, bool tls,
	    struct tunnel_hub *h, int64_t deadline, enum end *end);

#endif
