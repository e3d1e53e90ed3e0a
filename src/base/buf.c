#include <string.h>

#include "base/buf.h"

void
rd_init(struct rd *r, const void *data, size_t len)
{
	r->p = data;
	r->left = len;
	r->bad = false;
}

const uint8_t *
rd_take(struct rd *r, size_t len)
{
	const uint8_t	*p = r->p;

	if (r->bad || len > r->left) {	/* not "p + len > end": it can wrap */
		r->bad = true;
		return NULL;
	}
	r->p += len;
	r->left -= len;
	return p;
}

/* An unsigned big-endian number of len bytes, at most 8. */
static uint64_t
number(struct rd *r, size_t len)
{
	const uint8_t	*p = rd_take(r, len);
	uint64_t	 v = 0;

	if (p == NULL)
		return 0;
	while (len-- > 0)
		v = v << 8 | *p++;
	return v;
}

uint8_t
rd_u8(struct rd *r)
{
	return (uint8_t)number(r, 1);
}

uint16_t
rd_u16(struct rd *r)
{
	return (uint16_t)number(r, 2);
}

uint32_t
rd_u32(struct rd *r)
{
	return (uint32_t)number(r, 4);
}

uint64_t
rd_u64(struct rd *r)
{
	return number(r, 8);
}

/* A little-endian one. */
static uint64_t
number_le(struct rd *r, size_t len)
{
	const uint8_t	*p = rd_take(r, len);
	uint64_t	 v = 0;

	if (p == NULL)
		return 0;
	while (len-- > 0)
		v = v << 8 | p[len];
	return v;
}

uint16_t
rd_le16(struct rd *r)
{
	return (uint16_t)number_le(r, 2);
}

uint32_t
rd_le24(struct rd *r)
{
	return (uint32_t)number_le(r, 3);
}

uint32_t
rd_le32(struct rd *r)
{
	return (uint32_t)number_le(r, 4);
}

uint64_t
rd_le64(struct rd *r)
{
	return number_le(r, 8);
}

bool
rd_ok(const struct rd *r)
{
	return !r->bad;
}

bool
rd_end(const struct rd *r)
{
	return !r->bad && r->left == 0;
}

void
wr_init(struct wr *w, void *data, size_t size)
{
	w->p = w->start = data;
	w->left = size;
	w->bad = false;
}

void
wr_bytes(struct wr *w, const void *data, size_t len)
{
	if (w->bad || len > w->left) {
		w->bad = true;
		return;
	}
	if (len > 0)			/* data may be NULL then */
		memcpy(w->p, data, len);
	w->p += len;
	w->left -= len;
}

static void
put(struct wr *w, uint64_t v, size_t len)
{
	uint8_t	 b[8];

	for (size_t i = 0; i < len; i++)
		b[i] = (uint8_t)(v >> (8 * (len - 1 - i)));
	wr_bytes(w, b, len);
}

void
wr_u8(struct wr *w, uint8_t v)
{
	put(w, v, 1);
}

void
wr_u16(struct wr *w, uint16_t v)
{
	put(w, v, 2);
}

void
wr_u32(struct wr *w, uint32_t v)
{
	put(w, v, 4);
}

void
wr_u64(struct wr *w, uint64_t v)
{
	put(w, v, 8);
}

static void
put_le(struct wr *w, uint64_t v, size_t len)
{
	uint8_t	 b[8];

	for (size_t i = 0; i < len; i++)
		b[i] = (uint8_t)(v >> (8 * i));
	wr_bytes(w, b, len);
}

void
wr_le16(struct wr *w, uint16_t v)
{
	put_le(w, v, 2);
}

void
wr_le24(struct wr *w, uint32_t v)
{
	if (v > 0xffffff)
		w->bad = true;
	put_le(w, v, 3);
}

void
wr_le32(struct wr *w, uint32_t v)
{
	put_le(w, v, 4);
}

void
wr_le64(struct wr *w, uint64_t v)
{
	put_le(w, v, 8);
}

size_t
wr_len(const struct wr *w)
{
	return (size_t)(w->p - w->start);
}

bool
wr_ok(const struct wr *w)
{
	return !w->bad;
}
