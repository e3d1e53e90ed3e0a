#include <openssl/crypto.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/io.h"
#include "session/tunnel_line.h"

void
tunnel_line_init(struct tunnel_line *l, struct stream *s,
    const struct told *told, enum end gone)
{
	memset(l, 0, offsetof(struct tunnel_line, buf));
	l->s = s;
	l->told = told;
	l->gone = gone;
	l->max = TUNNEL_EARLY_MAX;
	l->noting = true;
	l->why[0] = '\0';
}

void
tunnel_line_end(struct tunnel_line *l)
{
	OPENSSL_cleanse(l, sizeof(*l));
}

void
tunnel_line_seal(struct tunnel_line *l, const uint8_t *in_key,
    const uint8_t *out_key)
{
	memcpy(l->in_key, in_key, sizeof(l->in_key));
	memcpy(l->out_key, out_key, sizeof(l->out_key));
	l->sealed = true;
}

static int
fail(struct tunnel_line *l, enum end end, const char *why, enum end *out)
{
	*out = end;
	snprintf(l->why, sizeof(l->why), "%s", why);
	return -1;
}

/* What stream.h says of an end, in words. */
static int
fail_io(struct tunnel_line *l, enum end end, enum end *out)
{
	const char	*why = "";

	if (end == l->gone)
		why = "the other end left";
	else if (end == END_TIMEOUT)
		why = "the other end was silent for too long";
	return fail(l, end, why, out);
}

static void
note(struct tunnel_line *l, const uint8_t *frame, size_t len)
{
	if (!l->noting || len > sizeof(l->seen) - l->nseen)
		return;
	memcpy(l->seen + l->nseen, frame, len);
	l->nseen += len;
}

int
tunnel_say(struct tunnel_line *l, const struct tunnel_frame *f,
    int64_t deadline, enum end *end)
{
	uint8_t	 buf[TUNNEL_FRAME_MAX];
	ssize_t	 n = tunnel_encode(f, buf, sizeof(buf) - TUNNEL_MAC);

	if (n != -1 && l->sealed)
		n = tunnel_seal(l->out_key, l->nout++, buf, (size_t)n);
	if (n == -1)
		return fail(l, END_INTERNAL, "a frame that cannot be said",
		    end);
	note(l, buf, (size_t)n);
	if (stream_write_all(l->s, buf, (size_t)n, deadline, l->told, l->gone,
	    end) == -1)
		return fail_io(l, *end, end);
	return 0;
}

static int
decode(struct tunnel_line *l, size_t len, struct tunnel_frame *f,
    enum end *end)
{
	if (l->sealed != (l->buf[1] == TUNNEL_FLAG_MAC) || (l->sealed &&
	    !tunnel_is_sealed(l->in_key, l->nin++, l->buf, len)))
		return fail(l, END_PROTOCOL, "a frame that somebody else may "
		    "have made", end);
	if (tunnel_decode(l->buf, len, f) == -1)
		return fail(l, END_PROTOCOL, "what is no frame of this "
		    "protocol", end);
	note(l, l->buf, len);
	return 0;
}

/* How many bytes the frame has, or with less than its header, that. */
static ssize_t
wanted(const struct tunnel_line *l)
{
	return l->have < TUNNEL_HEADER ? TUNNEL_HEADER :
	    tunnel_frame_len(l->buf, l->max);
}

int
tunnel_hear_now(struct tunnel_line *l, struct tunnel_frame *f, enum end *end)
{
	for (;;) {
		ssize_t	 want = wanted(l), n;

		if (want == -1)
			return fail(l, END_PROTOCOL, "a frame that is too "
			    "long, or none", end);
		if (l->have >= TUNNEL_HEADER && l->have == (size_t)want) {
			l->have = 0;
			return decode(l, (size_t)want, f, end) == 0 ? 1 : -1;
		}
		n = stream_read(l->s, l->buf + l->have,
		    (size_t)want - l->have);
		if (n > 0)
			l->have += (size_t)n;
		else if (n == -1 && (errno == EAGAIN || errno == EINTR))
			return 0;
		else
			return fail_io(l, l->gone, end);
	}
}

int
tunnel_hear(struct tunnel_line *l, struct tunnel_frame *f, int64_t deadline,
    enum end *end)
{
	int	 rc;

	while ((rc = tunnel_hear_now(l, f, end)) == 0)
		if (stream_wait(l->s->fd, l->s->read_wants, deadline, l->told,
		    end) == -1)
			return fail_io(l, *end, end);
	return rc == 1 ? 0 : -1;
}

struct tunnel_frame
tunnel_no(enum tunnel_type type, enum tunnel_code code, uint32_t retry_ms)
{
	return (struct tunnel_frame){
		.type = (uint8_t)type,
		.has = TUNNEL_HAS(TUNNEL_T_CODE) |
		    (type == TUNNEL_OPEN_NO ? 0 : TUNNEL_HAS(TUNNEL_T_RETRY)),
		.code = (uint16_t)code, .retry = retry_ms,
	};
}
