#include <netinet/in.h>

#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "wire/tunnel.h"

#define MUST	0x80		/* of a tag: who does not know it must end */
#define FIELD	3		/* bytes before its value */

#define V4_LEN	(1 + 4 + 2)
#define V6_LEN	(1 + 16 + 2)

#define HAS(tag)	TUNNEL_HAS(TUNNEL_T_##tag)

/* What a frame must have, and what it may have beside that. */
static const struct shape {
	const char	*name;
	uint32_t	 must, may;
} shapes[TUNNEL_TYPES] = {
	[TUNNEL_HELLO] = { "HELLO", HAS(VERSION) | HAS(ID) | HAS(INSTANCE) |
	    HAS(NONCE) | HAS(MODE), HAS(CAPS) },
	[TUNNEL_CHALLENGE] = { "CHALLENGE", HAS(NONCE), 0 },
	[TUNNEL_AUTH] = { "AUTH", HAS(PROOF), 0 },
	[TUNNEL_WELCOME] = { "WELCOME", HAS(VERSION) | HAS(PROOF) |
	    HAS(TIMERS), HAS(CAPS) | HAS(ADDRESS) },
	[TUNNEL_REJECT] = { "REJECT", HAS(CODE), HAS(RETRY) | HAS(TEXT) },
	[TUNNEL_REGISTER] = { "REGISTER", HAS(NUMBER) | HAS(TOPIC),
	    HAS(WEIGHT) },
	[TUNNEL_REGISTERED] = { "REGISTERED", HAS(NUMBER), 0 },
	[TUNNEL_REFUSED] = { "REFUSED", HAS(NUMBER) | HAS(CODE), HAS(TEXT) },
	[TUNNEL_WITHDRAW] = { "WITHDRAW", HAS(NUMBER) | HAS(TOPIC), 0 },
	[TUNNEL_HEALTH] = { "HEALTH", HAS(TOPIC) | HAS(UP), 0 },
	[TUNNEL_NEED] = { "NEED", HAS(TICKETS), 0 },
	[TUNNEL_PING] = { "PING", 0, HAS(NUMBER) },
	[TUNNEL_PONG] = { "PONG", 0, HAS(NUMBER) },
	[TUNNEL_GOAWAY] = { "GOAWAY", HAS(CODE), HAS(RETRY) | HAS(TEXT) },
	[TUNNEL_SUBSCRIBE] = { "SUBSCRIBE", HAS(TOPIC),
	    HAS(SESSION) | HAS(SOURCE) | HAS(DESTINATION) | HAS(CAPS) },
	[TUNNEL_OPEN] = { "OPEN", HAS(TOPIC) | HAS(SESSION),
	    HAS(SOURCE) | HAS(DESTINATION) | HAS(CAPS) | HAS(ADDRESS) },
	[TUNNEL_OPEN_OK] = { "OPEN_OK", 0, HAS(CAPS) },
	[TUNNEL_OPEN_NO] = { "OPEN_NO", HAS(CODE), HAS(TEXT) },
	[TUNNEL_DATA] = { "DATA", HAS(TICKETS), 0 },
	[TUNNEL_MAP] = { "MAP", HAS(NUMBER) | HAS(TOPIC) | HAS(ADDRESS) |
	    HAS(MAP), 0 },
	[TUNNEL_MAPPED] = { "MAPPED", HAS(NUMBER) | HAS(ADDRESS), 0 },
	[TUNNEL_ASSIGN] = { "ASSIGN", HAS(NUMBER) | HAS(TOPIC) | HAS(ADDRESS) |
	    HAS(MAP), 0 },
};

static const char *const	 codes[TUNNEL_CODES] = {
	[TUNNEL_OK] = "ok",
	[TUNNEL_BAD_VERSION] = "no version that both speak",
	[TUNNEL_BAD_LOGIN] = "no such agent, or a wrong secret",
	[TUNNEL_THROTTLED] = "too many wrong secrets from there",
	[TUNNEL_NOT_ALLOWED] = "the topic is not allowed to this agent",
	[TUNNEL_TAKEN] = "another agent has the topic",
	[TUNNEL_TOO_MANY] = "too many",
	[TUNNEL_NO_AGENT] = "no agent publishes the topic",
	[TUNNEL_NO_SERVICE] = "the agent cannot reach the service",
	[TUNNEL_NO_ANSWER] = "the agent does not answer",
	[TUNNEL_SUPERSEDED] = "the agent has logged in again",
	[TUNNEL_SHUTDOWN] = "the hub ends",
	[TUNNEL_RELOAD] = "the hub has a new configuration",
	[TUNNEL_WRONG_HUB] = "the ticket is not of this hub",
	[TUNNEL_BROKEN] = "a frame is not as it must be",
	[TUNNEL_BUSY] = "the hub is busy",
	[TUNNEL_PORT_DENIED] = "the port is not allowed to this agent",
	[TUNNEL_PORT_TAKEN] = "the port is in use",
	[TUNNEL_NO_CERTIFICATE] = "the hub has no certificate for TLS",
	[TUNNEL_NOT_ACCEPTED] = "the agent does not accept that",
	[TUNNEL_NO_ADDRESS] = "the hub does not have that address",
};

const char *
tunnel_code_text(unsigned int code)
{
	return code < TUNNEL_CODES ? codes[code] : "a reason of a newer hub";
}

const char *
tunnel_type_text(unsigned int type)
{
	return type < TUNNEL_TYPES && shapes[type].name != NULL ?
	    shapes[type].name : "an unknown frame";
}

struct tunnel_text
tunnel_text_of(const char *s)
{
	return (struct tunnel_text){ (const uint8_t *)s, strlen(s) };
}

char *
tunnel_string(const struct tunnel_text *t, char *buf, size_t size)
{
	size_t	 n = t->len < size ? t->len : size - 1;

	for (size_t i = 0; i < n; i++)
		buf[i] = t->p[i] >= ' ' && t->p[i] < 0x7f ? (char)t->p[i] :
		    '?';
	buf[n] = '\0';
	return buf;
}

bool
tunnel_is_topic(const char *text, size_t len)
{
	bool	 word = false;		/* one has begun */

	if (len > TUNNEL_TOPIC_MAX)
		return false;
	for (size_t i = 0; i < len; i++) {
		char	 c = text[i];

		if (c == '.' && !word)
			return false;
		word = c != '.';
		if (word && c != '_' && c != '-' && !(c >= '0' && c <= '9') &&
		    !(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z'))
			return false;
	}
	return word;
}

ssize_t
tunnel_frame_len(const uint8_t header[TUNNEL_HEADER], size_t max)
{
	size_t	 len = TUNNEL_HEADER + ((size_t)header[2] << 8 | header[3]);
	bool	 mac = header[1] == TUNNEL_FLAG_MAC;

	if (header[1] > TUNNEL_FLAG_MAC || len > max ||
	    (mac && len < TUNNEL_HEADER + TUNNEL_MAC))
		return -1;
	return (ssize_t)len;
}

static int
decode_text(struct rd *r, size_t max, struct tunnel_text *t)
{
	t->len = r->left;
	t->p = rd_take(r, r->left);
	return t->len >= 1 && t->len <= max ? 0 : -1;
}

static int
decode_address(struct rd *r, struct net_addr *a)
{
	uint8_t	 family = rd_u8(r);

	*a = (struct net_addr){ .len = 0 };
	if (family == 4 && r->left == V4_LEN - 1) {
		a->len = sizeof(a->u.in);
		a->u.in.sin_family = AF_INET;
		memcpy(&a->u.in.sin_addr, rd_take(r, 4), 4);
		a->u.in.sin_port = htons(rd_u16(r));
		return 0;
	}
	if (family == 6 && r->left == V6_LEN - 1) {
		a->len = sizeof(a->u.in6);
		a->u.in6.sin6_family = AF_INET6;
		memcpy(&a->u.in6.sin6_addr, rd_take(r, 16), 16);
		a->u.in6.sin6_port = htons(rd_u16(r));
		return 0;
	}
	return -1;
}

static int
decode_tickets(struct rd *r, struct tunnel_frame *f)
{
	f->ntickets = r->left / TUNNEL_TICKET;
	if (f->ntickets == 0 || f->ntickets > TUNNEL_TICKETS_MAX ||
	    r->left % TUNNEL_TICKET != 0)
		return -1;
	f->tickets = rd_take(r, r->left);
	return 0;
}

/* The value of a tag that is known; the caller sees whether all was read. */
static int
decode_value(unsigned int tag, struct rd *r, struct tunnel_frame *f)
{
	switch (tag) {
	case TUNNEL_T_VERSION:
		f->version[0] = rd_u8(r);
		f->version[1] = rd_u8(r);
		return f->version[0] <= f->version[1] ? 0 : -1;
	case TUNNEL_T_ID:
		return decode_text(r, TUNNEL_ID_MAX, &f->id);
	case TUNNEL_T_INSTANCE:
		f->instance = rd_take(r, TUNNEL_INSTANCE);
		return 0;
	case TUNNEL_T_NONCE:
		f->nonce = rd_take(r, TUNNEL_NONCE);
		return 0;
	case TUNNEL_T_MODE:
		f->mode = rd_u8(r);
		return f->mode == TUNNEL_CONTROL || f->mode == TUNNEL_USER ?
		    0 : -1;
	case TUNNEL_T_CAPS:
		f->caps = rd_u32(r);
		return 0;
	case TUNNEL_T_PROOF:
		f->proof = rd_take(r, TUNNEL_PROOF);
		return 0;
	case TUNNEL_T_TIMERS:
		f->heartbeat = rd_u32(r);
		f->dead = rd_u32(r);
		f->park = rd_u32(r);
		return 0;
	case TUNNEL_T_CODE:
		f->code = rd_u16(r);
		return 0;
	case TUNNEL_T_RETRY:
		f->retry = rd_u32(r);
		return 0;
	case TUNNEL_T_TEXT:
		return decode_text(r, TUNNEL_TEXT_MAX, &f->text);
	case TUNNEL_T_NUMBER:
		f->number = rd_u32(r);
		return 0;
	case TUNNEL_T_TOPIC:
		if (decode_text(r, TUNNEL_TOPIC_MAX, &f->topic) == -1)
			return -1;
		return tunnel_is_topic((const char *)f->topic.p,
		    f->topic.len) ? 0 : -1;
	case TUNNEL_T_WEIGHT:
		f->weight = rd_u8(r);
		return 0;
	case TUNNEL_T_TICKETS:
		return decode_tickets(r, f);
	case TUNNEL_T_SESSION:
		f->session = rd_take(r, TUNNEL_SESSION);
		return 0;
	case TUNNEL_T_SOURCE:
		return decode_address(r, &f->source);
	case TUNNEL_T_DESTINATION:
		return decode_address(r, &f->destination);
	case TUNNEL_T_UP:
		f->up = rd_u8(r);
		return f->up <= 1 ? 0 : -1;
	case TUNNEL_T_ADDRESS:
		return decode_text(r, TUNNEL_TEXT_MAX, &f->address);
	case TUNNEL_T_MAP:
		f->map = rd_u8(r);
		return 0;
	}
	return -1;
}

static int
decode_field(struct rd *r, const struct shape *shape, struct tunnel_frame *f)
{
	uint8_t		 tag = rd_u8(r);
	size_t		 len = rd_u16(r);
	const uint8_t	*p = rd_take(r, len);
	unsigned int	 known = tag & ~(unsigned int)MUST;
	struct rd	 value;

	if (p == NULL)
		return -1;
	if (known == 0 || known >= TUNNEL_TAGS ||
	    ((shape->must | shape->may) & TUNNEL_HAS(known)) == 0)
		return (tag & MUST) != 0 ? -1 : 0;
	if ((f->has & TUNNEL_HAS(known)) != 0)
		return -1;
	f->has |= TUNNEL_HAS(known);
	rd_init(&value, p, len);
	if (decode_value(known, &value, f) == -1)
		return -1;
	return rd_end(&value) ? 0 : -1;
}

int
tunnel_decode(const uint8_t *frame, size_t len, struct tunnel_frame *f)
{
	const struct shape	*shape;
	struct rd		 r;
	size_t			 mac;

	*f = (struct tunnel_frame){ .type = 0 };
	if (len < TUNNEL_HEADER ||
	    tunnel_frame_len(frame, TUNNEL_FRAME_MAX) != (ssize_t)len)
		return -1;
	mac = frame[1] == TUNNEL_FLAG_MAC ? TUNNEL_MAC : 0;
	f->type = frame[0];
	if (f->type >= TUNNEL_TYPES || shapes[f->type].name == NULL)
		return -1;
	shape = &shapes[f->type];
	rd_init(&r, frame + TUNNEL_HEADER, len - TUNNEL_HEADER - mac);
	while (r.left > 0)
		if (decode_field(&r, shape, f) == -1)
			return -1;
	return (f->has & shape->must) == shape->must ? 0 : -1;
}

static void
encode_address(struct wr *w, const struct net_addr *a)
{
	if (a->u.sa.sa_family == AF_INET) {
		wr_u8(w, 4);
		wr_bytes(w, &a->u.in.sin_addr, 4);
		wr_u16(w, ntohs(a->u.in.sin_port));
	} else if (a->u.sa.sa_family == AF_INET6) {
		wr_u8(w, 6);
		wr_bytes(w, &a->u.in6.sin6_addr, 16);
		wr_u16(w, ntohs(a->u.in6.sin6_port));
	} else
		w->bad = true;
}

static void
encode_text(struct wr *w, const struct tunnel_text *t, size_t max)
{
	if (t->len == 0 || t->len > max)
		w->bad = true;
	else
		wr_bytes(w, t->p, t->len);
}

static void
encode_value(unsigned int tag, const struct tunnel_frame *f, struct wr *w)
{
	switch (tag) {
	case TUNNEL_T_VERSION:
		wr_bytes(w, f->version, 2);
		break;
	case TUNNEL_T_ID:
		encode_text(w, &f->id, TUNNEL_ID_MAX);
		break;
	case TUNNEL_T_INSTANCE:
		wr_bytes(w, f->instance, TUNNEL_INSTANCE);
		break;
	case TUNNEL_T_NONCE:
		wr_bytes(w, f->nonce, TUNNEL_NONCE);
		break;
	case TUNNEL_T_MODE:
		wr_u8(w, f->mode);
		break;
	case TUNNEL_T_CAPS:
		wr_u32(w, f->caps);
		break;
	case TUNNEL_T_PROOF:
		wr_bytes(w, f->proof, TUNNEL_PROOF);
		break;
	case TUNNEL_T_TIMERS:
		wr_u32(w, f->heartbeat);
		wr_u32(w, f->dead);
		wr_u32(w, f->park);
		break;
	case TUNNEL_T_CODE:
		wr_u16(w, f->code);
		break;
	case TUNNEL_T_RETRY:
		wr_u32(w, f->retry);
		break;
	case TUNNEL_T_TEXT:
		encode_text(w, &f->text, TUNNEL_TEXT_MAX);
		break;
	case TUNNEL_T_NUMBER:
		wr_u32(w, f->number);
		break;
	case TUNNEL_T_TOPIC:
		encode_text(w, &f->topic, TUNNEL_TOPIC_MAX);
		break;
	case TUNNEL_T_WEIGHT:
		wr_u8(w, f->weight);
		break;
	case TUNNEL_T_TICKETS:
		wr_bytes(w, f->tickets, f->ntickets * TUNNEL_TICKET);
		break;
	case TUNNEL_T_SESSION:
		wr_bytes(w, f->session, TUNNEL_SESSION);
		break;
	case TUNNEL_T_SOURCE:
		encode_address(w, &f->source);
		break;
	case TUNNEL_T_DESTINATION:
		encode_address(w, &f->destination);
		break;
	case TUNNEL_T_UP:
		wr_u8(w, f->up);
		break;
	case TUNNEL_T_ADDRESS:
		encode_text(w, &f->address, TUNNEL_TEXT_MAX);
		break;
	case TUNNEL_T_MAP:
		wr_u8(w, f->map);
		break;
	}
}

/* What one must know to understand the frame is marked so. */
static void
encode_field(unsigned int tag, bool must, const struct tunnel_frame *f,
    struct wr *w)
{
	uint8_t		*start = w->p;
	size_t		 before, len;
	struct wr	 length;

	wr_u8(w, (uint8_t)(tag | (must ? MUST : 0)));
	wr_u16(w, 0);
	before = wr_len(w);
	encode_value(tag, f, w);
	if (!wr_ok(w))
		return;
	len = wr_len(w) - before;
	wr_init(&length, start + 1, 2);
	wr_u16(&length, (uint16_t)len);
}

ssize_t
tunnel_encode(const struct tunnel_frame *f, uint8_t *buf, size_t size)
{
	const struct shape	*shape;
	struct wr		 w, length;
	size_t			 len;

	if (f->type >= TUNNEL_TYPES || shapes[f->type].name == NULL)
		return -1;
	shape = &shapes[f->type];
	if ((f->has & shape->must) != shape->must ||
	    (f->has & ~(shape->must | shape->may)) != 0)
		return -1;
	wr_init(&w, buf, size < TUNNEL_FRAME_MAX ? size : TUNNEL_FRAME_MAX);
	wr_u8(&w, f->type);
	wr_u8(&w, 0);
	wr_u16(&w, 0);
	for (unsigned int tag = 1; tag < TUNNEL_TAGS; tag++)
		if ((f->has & TUNNEL_HAS(tag)) != 0)
			encode_field(tag,
			    (shape->must & TUNNEL_HAS(tag)) != 0, f, &w);
	if (!wr_ok(&w))
		return -1;
	len = wr_len(&w);
	wr_init(&length, buf + 2, 2);
	wr_u16(&length, (uint16_t)(len - TUNNEL_HEADER));
	return (ssize_t)len;
}
