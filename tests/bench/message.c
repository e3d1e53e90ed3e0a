#include <string.h>

#include "base/buf.h"
#include "load.h"

#define HEAD		5	/* verb, size */
#define STAMP		8	/* session, number */
#define PERIOD		65521	/* the largest prime of 16 bits */

static uint8_t	pattern[PERIOD + PATTERN_MAX];

void
message_init(struct message *m, enum verb verb, size_t size)
{
	struct wr	 w;

	m->size = size;
	for (size_t i = 0; i < size; i++)
		m->bytes[i] = (uint8_t)(i * 7);
	wr_init(&w, m->bytes, size);
	wr_u8(&w, (uint8_t)verb);
	wr_u32(&w, (uint32_t)size);
}

void
message_stamp(struct message *m, uint32_t session, uint32_t number)
{
	struct wr	 w;

	wr_init(&w, m->bytes + HEAD, STAMP);
	wr_u32(&w, session);
	wr_u32(&w, number);
}

int
message_head(const uint8_t *p, size_t len, enum verb *verb, size_t *size)
{
	struct rd	 r;

	rd_init(&r, p, len);
	*verb = (enum verb)rd_u8(&r);
	*size = rd_u32(&r);
	return rd_ok(&r) ? 0 : -1;
}

void
pattern_init(void)
{
	uint32_t	 x = 1;

	for (size_t i = 0; i < PERIOD; i++) {
		x = x * 1664525u + 1013904223u;
		pattern[i] = (uint8_t)(x >> 24);
	}
	for (size_t i = PERIOD; i < sizeof(pattern); i++)
		pattern[i] = pattern[i - PERIOD];
}

const uint8_t *
pattern_at(uint64_t offset)
{
	return pattern + offset % PERIOD;
}
