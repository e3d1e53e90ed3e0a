#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/sig.h"
#include "process/channel.h"
#include "process/sign_ask.h"

#define PAUSE_MIN_MS	10	/* until the signer is dialled again */
#define PAUSE_MAX_MS	200

_Static_assert(SIGN_ASK_HEAD + SIGN_DATA_MAX <= MSG_PAYLOAD_MAX,
    "what is to be signed must fit into a message");

struct sign_line {
	int		 rendezvous;
	uint32_t	 generation;
	int		 fd;			/* or -1 */
	uint32_t	 id;			/* of the last question */
	bool		 answered;
	uint8_t		 sig[SIGN_SIGNATURE_MAX];
	size_t		 len;
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

	l->rendezvous = rendezvous;
	l->generation = generation;
	l->fd = -1;
	return l;
}

void
sign_ask_hang_up(struct sign_line *l)
{
	if (l->fd != -1)
		close(l->fd);
	l->fd = -1;
}

void
sign_ask_free(struct sign_line **line)
{
	if (*line == NULL)
		return;
	sign_ask_hang_up(*line);
	free(*line);
	*line = NULL;
}

static int
on_signed(void *ctx, struct rd *r, int *fds)
{
	struct sign_line	*l = ctx;
	size_t			 len = r->left;

	(void)fds;
	if (len > sizeof(l->sig))
		return -1;
	memcpy(l->sig, rd_take(r, len), len);
	l->len = len;
	return 0;
}

static const struct channel_rule rules[] = {
	{ MSG_SIGN + 1,	ROLE_SIGNER,	0,	on_signed },
};

static void
hear(struct sign_line *l)
{
	uint32_t	 id = 0;

	if (channel_dispatch_id(l->fd, ROLE_SIGNER, rules, nitems(rules), l,
	    &id) != 1)
		sign_ask_hang_up(l);
	else if (id == l->id)
		l->answered = true;
}

/* Nobody may be there yet: it waits in the rendezvous.  -1 with errno. */
static int
say_hello(struct sign_line *l)
{
	int	 ends[2], rc, saved;

	if (channel_pair(ends) == -1)
		return -1;
	rc = channel_send(l->rendezvous, MSG_HELLO, NULL, 0, &ends[1], 1);
	saved = errno;
	close(ends[1]);
	l->fd = ends[0];
	if (rc == -1)
		sign_ask_hang_up(l);
	errno = saved;
	return rc;
}

/*
 * Wait for the line, or with none for the time.  -1 when the session is to
 * end or a wait fails.  Flags are left for whoever asks how it ends.
 */
static int
wait_for(struct sign_line *l, int64_t until, const char **why)
{
	struct pollfd	 p = { .fd = l->fd, .events = POLLIN };

	if (sig_is_set(SIGTERM) || sig_is_set(SIG_ORPHAN)) {
		*why = "the session is to end";
		return -1;
	}
	switch (sig_ppoll(&p, 1, io_left_ms(until))) {
	case -1:
		if (errno == EINTR)
			return 0;
		*why = strerror(errno);
		return -1;
	case 0:
		return 0;
	}
	hear(l);
	return 0;
}

static int
open_line(struct sign_line *l, int64_t deadline, const char **why)
{
	while (l->fd == -1 && say_hello(l) == -1) {
		if (errno != EAGAIN && errno != ETOOMANYREFS) {
			*why = strerror(errno);
			return -1;
		}
		if (io_left_ms(deadline) == 0) {
			*why = "the signer takes no more questions";
			return -1;
		}
		if (wait_for(l, io_now_ms() + PAUSE_MIN_MS, why) == -1)
			return -1;
	}
	return 0;
}

/* 0, 1 if the line ended, or -1. */
static int
await(struct sign_line *l, int64_t deadline, const char **why)
{
	while (l->fd != -1 && !l->answered) {
		if (io_left_ms(deadline) == 0) {
			*why = "the signer does not answer";
			return -1;
		}
		if (wait_for(l, deadline, why) == -1)
			return -1;
	}
	return l->answered ? 0 : 1;
}

/* Ask until there is an answer: a signer may die over a question. */
static int
question(struct sign_line *l, const struct wr *w, const char **why)
{
	int64_t	 deadline = io_now_ms() + SIGN_ASK_MS, until;
	int64_t	 pause = PAUSE_MIN_MS;
	int	 rc;

	l->answered = false;
	for (;;) {
		if (open_line(l, deadline, why) == -1)
			return -1;
		l->id++;
		if (channel_send_id(l->fd, MSG_SIGN, l->id, w->start,
		    wr_len(w)) == -1)
			sign_ask_hang_up(l);
		rc = await(l, deadline, why);
		if (rc != 1)
			return rc;
		*why = "the signer ends each line";
		until = io_now_ms() + pause;
		if (until >= deadline || wait_for(l, until, why) == -1)
			return -1;
		pause = 2 * pause < PAUSE_MAX_MS ? 2 * pause : PAUSE_MAX_MS;
	}
}

ptrdiff_t
sign_ask_signature(void *ctx, const struct sign_request *rq, uint8_t *sig)
{
	struct sign_line	*l = ctx;
	uint8_t			 buf[MSG_PAYLOAD_MAX];
	struct wr		 w;
	const char		*why = "the signer does not sign that";
	int			 rc;

	wr_init(&w, buf, sizeof(buf));
	if (sign_ask_encode(&w, l->generation, rq) == -1) {
		why = "too much is to be signed";
		rc = -1;
	} else
		rc = question(l, &w, &why);
	if (rc == 0 && l->len > 0) {
		memcpy(sig, l->sig, l->len);
		return (ptrdiff_t)l->len;
	}
	/* What comes late would be taken for what is asked next. */
	sign_ask_hang_up(l);
	log_warn("TLS: no signature: %s", why);
	return -1;
}
