#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <openssl/sha.h>

#include <stdio.h>
#include <string.h>

#include "base/io.h"
#include "session/tls.h"
#include "session/tunnel_login.h"

#define HAS(tag)	TUNNEL_HAS(TUNNEL_T_##tag)

static int
fail(struct tunnel_line *l, enum end end, const char *why, enum end *out)
{
	*out = end;
	snprintf(l->why, sizeof(l->why), "%s", why);
	return -1;
}

/* All frames until now, and what TLS has of its own. */
static int
see(struct tunnel_line *l, bool tls, struct tunnel_seen *seen)
{
	memset(seen, 0, sizeof(*seen));
	l->noting = false;
	if (SHA256(l->seen, l->nseen, seen->frames) == NULL)
		return -1;
	return tls ? tls_export(l->s, TUNNEL_EXPORTER, seen->exporter,
	    sizeof(seen->exporter)) : 0;
}

static int
say_hello(struct tunnel_line *l, const struct tunnel_agent *a,
    int64_t deadline, enum end *end)
{
	uint8_t			 nonce[TUNNEL_NONCE];
	struct tunnel_frame	 f = {
		.type = TUNNEL_HELLO,
		.has = HAS(VERSION) | HAS(ID) | HAS(INSTANCE) | HAS(NONCE) |
		    HAS(MODE) | HAS(CAPS),
		.version = { TUNNEL_VERSION, TUNNEL_VERSION },
		.id = tunnel_text_of(a->id), .instance = a->instance,
		.nonce = nonce, .mode = (uint8_t)a->mode,
	};

	if (RAND_bytes(nonce, sizeof(nonce)) != 1)
		return fail(l, END_INTERNAL, "no random numbers", end);
	return tunnel_say(l, &f, deadline, end);
}

/* The frame of that type, or -1 also for a REJECT. */
static int
expect(struct tunnel_line *l, enum tunnel_type type, struct tunnel_agent *a,
    struct tunnel_frame *f, int64_t deadline, enum end *end)
{
	char	 said[TUNNEL_TEXT_MAX + 1] = "";

	if (tunnel_hear(l, f, deadline, end) == -1)
		return -1;
	if (f->type == type)
		return 0;
	if (f->type != TUNNEL_REJECT)
		return fail(l, END_PROTOCOL, "a frame out of order", end);
	a->code = f->code < TUNNEL_CODES ? (enum tunnel_code)f->code :
	    TUNNEL_BROKEN;
	a->retry_ms = f->retry;
	if ((f->has & HAS(TEXT)) != 0)
		(void)tunnel_string(&f->text, said, sizeof(said));
	*end = END_LOGIN;
	snprintf(l->why, sizeof(l->why), "the hub says: %s%s%s",
	    tunnel_code_text(f->code), said[0] != '\0' ? ": " : "", said);
	return -1;
}

/*
 * A REJECT has no MAC, as who sends it may not know the keys: so frames are
 * sealed once it is clear that it is none.
 */
static int
hear_welcome(struct tunnel_line *l, bool tls, struct tunnel_agent *a,
    const struct tunnel_proved *p, struct tunnel_frame *f, int64_t deadline,
    enum end *end)
{
	int	 rc;

	while (!tls && l->have < TUNNEL_HEADER) {
		ssize_t	 n = stream_read(l->s, l->buf + l->have,
			    TUNNEL_HEADER - l->have);

		if (n > 0)
			l->have += (size_t)n;
		else if (n == 0 || stream_wait(l->s->fd, l->s->read_wants,
		    deadline, l->told, end) == -1)
			return fail(l, n == 0 ? l->gone : *end,
			    "the hub left in the login", end);
	}
	if (!tls && l->buf[0] != TUNNEL_REJECT)
		tunnel_line_seal(l, p->keys.hub_mac, p->keys.agent_mac);
	rc = expect(l, TUNNEL_WELCOME, a, f, deadline, end);
	if (rc == 0 && CRYPTO_memcmp(f->proof, p->hub, TUNNEL_PROOF) != 0)
		return fail(l, END_LOGIN, "it is not the hub that has our "
		    "secret", end);
	return rc;
}

/* Sealed as all that follows, though WELCOME is still to come. */
static int
say_subscribe(struct tunnel_line *l, bool tls, const struct tunnel_agent *a,
    const struct tunnel_proved *p, int64_t deadline, enum end *end)
{
	int	 rc;

	if (a->subscribe == NULL)
		return 0;
	if (!tls)
		tunnel_line_seal(l, p->keys.hub_mac, p->keys.agent_mac);
	rc = tunnel_say(l, a->subscribe, deadline, end);
	l->sealed = false;
	return rc;
}

int
tunnel_login(struct tunnel_line *l, bool tls, struct tunnel_agent *a,
    struct tunnel_terms *terms, struct tunnel_proved *p, int64_t deadline,
    enum end *end)
{
	struct tunnel_frame	 f, auth = {
		.type = TUNNEL_AUTH, .has = HAS(PROOF),
	};
	struct tunnel_seen	 seen;

	a->code = TUNNEL_OK;
	a->retry_ms = 0;
	if (say_hello(l, a, deadline, end) == -1)
		return -1;
	if (!tls && expect(l, TUNNEL_CHALLENGE, a, &f, deadline, end) == -1)
		return -1;
	if (see(l, tls, &seen) == -1 || a->prove(a->ctx, &seen, p) == -1)
		return fail(l, END_INTERNAL, "nobody has our secret now", end);
	auth.proof = p->agent;
	if (tunnel_say(l, &auth, deadline, end) == -1 ||
	    say_subscribe(l, tls, a, p, deadline, end) == -1 ||
	    hear_welcome(l, tls, a, p, &f, deadline, end) == -1)
		return -1;
	*terms = (struct tunnel_terms){
		.heartbeat_ms = f.heartbeat, .dead_ms = f.dead,
		.park_ms = f.park,
	};
	if ((f.has & HAS(ADDRESS)) != 0)
		(void)tunnel_string(&f.address, terms->address,
		    sizeof(terms->address));
	l->max = TUNNEL_FRAME_MAX;
	return 0;
}

static int
reject(struct tunnel_line *l, enum tunnel_code code, uint32_t retry_ms,
    enum end *end)
{
	struct tunnel_frame	 f = tunnel_no(TUNNEL_REJECT, code, retry_ms);
	enum end		 ignored;

	(void)tunnel_say(l, &f, io_now_ms() + 1000, &ignored);
	return fail(l, END_LOGIN, tunnel_code_text(code), end);
}

static int
challenge(struct tunnel_line *l, int64_t deadline, enum end *end)
{
	uint8_t			 nonce[TUNNEL_NONCE];
	struct tunnel_frame	 f = {
		.type = TUNNEL_CHALLENGE, .has = HAS(NONCE), .nonce = nonce,
	};

	if (RAND_bytes(nonce, sizeof(nonce)) != 1)
		return fail(l, END_INTERNAL, "no random numbers", end);
	return tunnel_say(l, &f, deadline, end);
}

static int
welcome(struct tunnel_line *l, bool tls, const struct tunnel_hub *h,
    const struct tunnel_proved *p, int64_t deadline, enum end *end)
{
	struct tunnel_frame	 f = {
		.type = TUNNEL_WELCOME,
		.has = HAS(VERSION) | HAS(PROOF) | HAS(TIMERS),
		.version = { TUNNEL_VERSION, TUNNEL_VERSION },
		.proof = p->hub, .heartbeat = h->terms.heartbeat_ms,
		.dead = h->terms.dead_ms, .park = h->terms.park_ms,
	};

	if (h->terms.address[0] != '\0') {
		f.has |= HAS(ADDRESS);
		f.address = tunnel_text_of(h->terms.address);
	}
	if (!tls)
		tunnel_line_seal(l, p->keys.agent_mac, p->keys.hub_mac);
	l->max = TUNNEL_FRAME_MAX;
	return tunnel_say(l, &f, deadline, end);
}

int
tunnel_let_in(struct tunnel_line *l, bool tls, struct tunnel_hub *h,
    int64_t deadline, enum end *end)
{
	int64_t			 first = io_now_ms() + TUNNEL_FIRST_MS;
	struct tunnel_frame	 f;
	struct tunnel_seen	 seen;
	struct tunnel_proved	 proved;
	uint32_t		 retry_ms = 0;
	int			 rc;

	h->code = TUNNEL_BROKEN;
	if (tunnel_hear(l, &f, first < deadline ? first : deadline, end) == -1)
		return -1;
	if (f.type != TUNNEL_HELLO)
		return reject(l, TUNNEL_BROKEN, 0, end);
	(void)tunnel_string(&f.id, h->id, sizeof(h->id));
	memcpy(h->instance, f.instance, sizeof(h->instance));
	h->mode = (enum tunnel_mode)f.mode;
	if (f.version[0] > TUNNEL_VERSION || f.version[1] < TUNNEL_VERSION)
		return reject(l, h->code = TUNNEL_BAD_VERSION, 0, end);
	if (!tls && challenge(l, deadline, end) == -1)
		return -1;
	if (see(l, tls, &seen) == -1)
		return fail(l, END_INTERNAL, "TLS tells no secret", end);
	if (tunnel_hear(l, &f, deadline, end) == -1)
		return -1;
	if (f.type != TUNNEL_AUTH)
		return reject(l, TUNNEL_BROKEN, 0, end);
	h->code = h->check(h->ctx, h->id, h->mode, &seen, f.proof, &proved,
	    &retry_ms);
	if (h->code != TUNNEL_OK)
		return reject(l, h->code, retry_ms, end);
	rc = welcome(l, tls, h, &proved, deadline, end);
	OPENSSL_cleanse(&proved, sizeof(proved));
	return rc;
}
