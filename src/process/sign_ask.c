#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "process/channel.h"
#include "process/line.h"
#include "process/sign_ask.h"

_Static_assert(SIGN_ASK_HEAD + SIGN_DATA_MAX <= MSG_PAYLOAD_MAX,
    "what is to be signed must fit into a message");

struct sign_line {
	struct line	*line;
	uint32_t	 generation;
};

int
sign_ask_encode(struct wr *w, uint32_t generation,
    const struct sign_request *rq)
{
	wr_u32(w, generation);
	wr_u32(w, rq->key);
	wr_u32(w, rq->scheme);
	wr_bytes(w, rq->digest, sizeof(rq->digest));
	if (rq->len > SIGN_DATA_MAX)
		return -1;
	wr_bytes(w, rq->data, rq->len);
	return wr_ok(w) ? 0 : -1;
}

int
sign_ask_decode(struct rd *r, uint32_t *generation, struct sign_request *rq)
{
	const uint8_t	*digest;
	uint32_t	 scheme;

	*generation = rd_u32(r);
	rq->key = rd_u32(r);
	scheme = rd_u32(r);
	digest = rd_take(r, sizeof(rq->digest));
	if (!rd_ok(r) || scheme > SIGN_ED25519 || r->left > SIGN_DATA_MAX ||
	    memchr(digest, '\0', sizeof(rq->digest)) == NULL)
		return -1;
	rq->scheme = (enum sign_scheme)scheme;
	memcpy(rq->digest, digest, sizeof(rq->digest));
	rq->len = r->left;
	rq->data = rd_take(r, rq->len);
	return 0;
}

struct sign_line *
sign_ask_new(int rendezvous, uint32_t generation)
{
	struct sign_line	*l = mem_calloc(1, sizeof(*l));

	l->line = line_new(rendezvous, ROLE_SIGNER, "the signer");
	l->generation = generation;
	return l;
}

void
sign_ask_hang_up(struct sign_line *l)
{
	line_hang_up(l->line);
}

void
sign_ask_free(struct sign_line **line)
{
	if (*line == NULL)
		return;
	line_free(&(*line)->line);
	free(*line);
	*line = NULL;
}

ptrdiff_t
sign_ask_signature(void *ctx, const struct sign_request *rq, uint8_t *sig)
{
	struct sign_line	*l = ctx;
	uint8_t			 buf[MSG_PAYLOAD_MAX];
	char			 why[LINE_WHY_MAX];
	struct wr		 w;
	ptrdiff_t		 n;

	wr_init(&w, buf, sizeof(buf));
	if (sign_ask_encode(&w, l->generation, rq) == -1) {
		log_warn("TLS: no signature: too much is to be signed");
		return -1;
	}
	n = line_ask(l->line, MSG_SIGN, buf, wr_len(&w), -1, SIGN_ASK_MS, sig,
	    SIGN_SIGNATURE_MAX, why);
	if (n > 0)
		return n;
	line_hang_up(l->line);
	log_warn("TLS: no signature: %s", n == -1 ? why :
	    "the signer does not sign that");
	return -1;
}
