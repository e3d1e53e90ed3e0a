#include "base/buf.h"
#include "base/msg.h"

void
msg_encode_header(uint8_t *buf, uint16_t type, size_t len, uint32_t id)
{
	struct wr	 w;

	wr_init(&w, buf, MSG_HEADER);
	wr_u16(&w, type);
	wr_u16(&w, (uint16_t)len);
	wr_u32(&w, id);
}

int
msg_decode(const void *data, size_t size, struct msg *m)
{
	struct rd	 r;

	rd_init(&r, data, size);
	m->type = rd_u16(&r);
	m->len = rd_u16(&r);
	m->id = rd_u32(&r);
	m->payload = rd_take(&r, m->len);
	return rd_end(&r) ? 0 : -1;
}
