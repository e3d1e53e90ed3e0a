/*
 * tunnel_line.h - frames of the tunnel over a stream, plain or TLS.
 *
 * What is read is exactly a frame and never a byte more: after the last frame
 * of a handshake the stream carries what a user says.  On a plain stream frames
 * have MACs once both ends know the keys.
 */
#ifndef SESSION_TUNNEL_LINE_H
#define SESSION_TUNNEL_LINE_H

#include "session/end.h"
#include "session/stream.h"
#include "session/told.h"
#include "wire/tunnel.h"
#include "wire/tunnel_keys.h"

#define TUNNEL_WHY_MAX	192	/* bytes */

struct tunnel_line {
	struct stream		*s;		/* the caller's */
	const struct told	*told;
	enum end		 gone;		/* what its end means */
	size_t			 max;		/* bytes of a frame */
	bool			 sealed;
	uint8_t			 in_key[TUNNEL_KEY], out_key[TUNNEL_KEY];
	uint64_t		 nin, nout;	/* sealed frames so far */
	/* What was said and heard until the proofs. */
	bool			 noting;
	uint8_t			 seen[2 * TUNNEL_EARLY_MAX];
	size_t			 nseen;
	size_t			 have;		/* of the next frame */
	uint8_t			 buf[TUNNEL_FRAME_MAX];
	char			 why[TUNNEL_WHY_MAX];
};

void	 tunnel_line_init(struct tunnel_line *l, struct stream *s,
	    const struct told *told, enum end gone);
/* Keys and frames are wiped; the stream is left alone. */
void	 tunnel_line_end(struct tunnel_line *l);

/* From here on frames have MACs, made and judged by these. */
void	 tunnel_line_seal(struct tunnel_line *l, const uint8_t *in_key,
	    const uint8_t *out_key);

/*
 * Say one frame until `deadline'.  0, or -1 with *end and l->why.
 */
int	 tunnel_say(struct tunnel_line *l, const struct tunnel_frame *f,
	    int64_t deadline, enum end *end);

/*
 * Hear the next frame until `deadline'; what it has is valid until the next
 * is heard.  0, or -1 with *end and l->why: END_PROTOCOL for what is none.
 */
int	 tunnel_hear(struct tunnel_line *l, struct tunnel_frame *f,
	    int64_t deadline, enum end *end);

/*
 * The same of what is there, for who waits for others too.  1; 0: it is not
 * whole yet; or -1.
 */
int	 tunnel_hear_now(struct tunnel_line *l, struct tunnel_frame *f,
	    enum end *end);

/* A frame that carries a code and what is in words behind it. */
struct tunnel_frame	 tunnel_no(enum tunnel_type type,
			    enum tunnel_code code, uint32_t retry_ms);

#endif
