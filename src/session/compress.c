#include <errno.h>
#include <stdlib.h>

#include <zstd.h>

#include "base/mem.h"
#include "session/compress.h"

#define LEVEL	1
#define PIECE	((size_t)16 * 1024)	/* bytes of one write */

struct zstream {
	struct stream	 s;
	struct stream	*inner;
	ZSTD_CCtx	*c;
	ZSTD_DCtx	*d;
	/* Compressed, not written yet: out[out_off..out_len). */
	size_t		 out_off, out_len;
	size_t		 taken;		/* bytes of the caller's, in it */
	bool		 ended;		/* so is the end of the frame */
	/* Read, not decompressed yet. */
	ZSTD_inBuffer	 in;
	bool		 more;		/* the last read filled what it had */
	bool		 whole;		/* what was read ends a frame */
	uint8_t		*in_buf, *out_buf;
};

static struct zstream *
of(struct stream *s)
{
	return (struct zstream *)s;
}

/* What the inner one waits for is what we wait for. */
static int
again(struct zstream *z)
{
	z->s.read_wants = z->inner->read_wants;
	z->s.write_wants = z->inner->write_wants;
	return -1;
}

static ssize_t
zstd_read(struct stream *s, void *buf, size_t size)
{
	struct zstream	*z = of(s);
	ZSTD_outBuffer	 out = { buf, size, 0 };
	ssize_t		 n;
	size_t		 rc;

	while (out.pos == 0) {
		if (z->in.pos == z->in.size && !z->more) {
			n = stream_read(z->inner, z->in_buf, PIECE);
			if (n == -1)
				return again(z);
			if (n == 0 && !z->whole)
				errno = ECONNRESET;
			if (n == 0)
				return z->whole ? 0 : -1;
			z->in = (ZSTD_inBuffer){ z->in_buf, (size_t)n, 0 };
		}
		rc = ZSTD_decompressStream(z->d, &out, &z->in);
		if (ZSTD_isError(rc)) {
			errno = EPROTO;
			return -1;
		}
		/* After the end of a frame another call would begin one. */
		z->whole = rc == 0;
		z->more = out.pos == out.size && !z->whole;
	}
	return (ssize_t)out.pos;
}

static bool
zstd_pending(const struct stream *s)
{
	const struct zstream	*z = (const struct zstream *)s;

	return z->in.pos < z->in.size || z->more || stream_pending(z->inner);
}

/* Write what is compressed.  0, or -1: there is more. */
static int
flush(struct zstream *z)
{
	ssize_t	 n;

	while (z->out_off < z->out_len) {
		n = stream_write(z->inner, z->out_buf + z->out_off,
		    z->out_len - z->out_off);
		if (n == -1)
			return again(z);
		z->out_off += (size_t)n;
	}
	z->out_off = z->out_len = 0;
	return 0;
}

/* All of it, into what is empty and has the room. */
static int
compress(struct zstream *z, const void *data, size_t len,
    ZSTD_EndDirective how)
{
	ZSTD_inBuffer	 in = { data, len, 0 };
	ZSTD_outBuffer	 out = { z->out_buf, ZSTD_compressBound(PIECE), 0 };

	if (ZSTD_compressStream2(z->c, &out, &in, how) != 0) {
		errno = EPROTO;
		return -1;
	}
	z->out_len = out.pos;
	return 0;
}

static ssize_t
zstd_write(struct stream *s, const void *data, size_t len)
{
	struct zstream	*z = of(s);
	size_t		 n;

	if (z->taken == 0) {
		n = len < PIECE ? len : PIECE;
		if (n == 0)
			return 0;
		if (compress(z, data, n, ZSTD_e_flush) == -1)
			return -1;
		z->taken = n;
	}
	if (flush(z) == -1)
		return -1;
	n = z->taken;
	z->taken = 0;
	return (ssize_t)n;
}

static int
zstd_shut(struct stream *s)
{
	struct zstream	*z = of(s);

	if (z->taken == 0 && !z->ended) {
		if (compress(z, NULL, 0, ZSTD_e_end) == -1)
			return -1;
		z->ended = true;
	}
	if (flush(z) == -1 || stream_shut(z->inner) == -1)
		return again(z);
	return 0;
}

static void
zstd_free(struct stream *s)
{
	struct zstream	*z = of(s);

	stream_free(&z->inner);
	ZSTD_freeCCtx(z->c);
	ZSTD_freeDCtx(z->d);
	free(z->in_buf);
	free(z->out_buf);
	free(z);
}

static const struct stream_ops	 zstd = {
	.read = zstd_read, .write = zstd_write, .pending = zstd_pending,
	.shut = zstd_shut, .free = zstd_free,
};

static bool
is_set(size_t rc)
{
	return !ZSTD_isError(rc);
}

struct stream *
stream_new_zstd(struct stream *inner)
{
	struct zstream	*z = mem_calloc(1, sizeof(*z));

	z->s = (struct stream){
		.ops = &zstd, .fd = inner->fd,
		.read_wants = inner->read_wants,
		.write_wants = inner->write_wants,
	};
	z->whole = true;		/* no frame has begun */
	z->in_buf = mem_calloc(1, PIECE);
	z->out_buf = mem_calloc(1, ZSTD_compressBound(PIECE));
	z->c = ZSTD_createCCtx();
	z->d = ZSTD_createDCtx();
	if (z->c == NULL || z->d == NULL ||
	    !is_set(ZSTD_CCtx_setParameter(z->c, ZSTD_c_compressionLevel,
	    LEVEL)) ||
	    !is_set(ZSTD_CCtx_setParameter(z->c, ZSTD_c_windowLog,
	    COMPRESS_WINDOW_LOG)) ||
	    !is_set(ZSTD_DCtx_setParameter(z->d, ZSTD_d_windowLogMax,
	    COMPRESS_WINDOW_LOG))) {
		zstd_free(&z->s);
		return NULL;
	}
	z->inner = inner;
	return &z->s;
}
