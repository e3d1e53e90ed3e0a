/*
 * sign_ask.h - a worker's line to the signer of its pool, who has the keys.
 *
 *	MSG_SIGN	generation u32, key u32 (its file's number, by
 *			conf_files.h), scheme u32 (enum sign_scheme), digest
 *			16 bytes with a NUL; what is to be signed, to the end
 *			-> the signature; nothing: it is not signed
 */
#ifndef PROCESS_SIGN_ASK_H
#define PROCESS_SIGN_ASK_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "session/sign.h"

#define SIGN_ASK_MS	2000	/* that a signature may take, dialling again
				   when the signer has died included */

#define SIGN_ASK_HEAD	(4 + 4 + 4 + 16)	/* bytes before the data */

struct sign_line;

/*
 * rendezvous is setup.h's signer_fd and stays open.  Hello is said when a
 * signature is first asked for: so it may be made before workers are forked,
 * as long as no signature is asked for before that.
 */
struct sign_line	*sign_ask_new(int rendezvous, uint32_t generation);
void			 sign_ask_free(struct sign_line **line);

/*
 * For sign_init(), with the line as ctx.  Waits, at most SIGN_ASK_MS, and not
 * on when SIGTERM or SIG_ORPHAN have come; what other signals say stays to be
 * heard.  -1 is logged with its reason.
 */
ptrdiff_t	 sign_ask_signature(void *ctx, const struct sign_request *rq,
		    uint8_t *sig);

/* The handshake is over: no line is kept open for the hours of a session. */
void		 sign_ask_hang_up(struct sign_line *line);

/*
 * The payload of MSG_SIGN.  -1: there is no room, or too much is to be
 * signed; or it is none.  What was decoded points into what was read.
 */
int	 sign_ask_encode(struct wr *w, uint32_t generation,
	    const struct sign_request *rq);
int	 sign_ask_decode(struct rd *r, uint32_t *generation,
	    struct sign_request *rq);

#endif
