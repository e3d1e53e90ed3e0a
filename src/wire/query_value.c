#include "wire/query_record.h"

#define HEAD	(1 + 8 + 4)	/* kind, true length, bytes that follow */

void
query_value_add(struct wr *list, enum query_value kind, const void *bytes,
    size_t kept, uint64_t len)
{
	/* All of it or nothing, so that the list can be read to its end. */
	if (list->left < HEAD || kept > list->left - HEAD ||
	    kept > UINT32_MAX) {
		list->bad = true;
		return;
	}
	wr_u8(list, (uint8_t)kind);
	wr_u64(list, len);
	wr_u32(list, (uint32_t)kept);
	wr_bytes(list, bytes, kept);
}

bool
query_value_next(struct rd *list, struct query_value_at *v)
{
	uint8_t	 kind;

	if (!rd_ok(list) || list->left == 0)
		return false;
	kind = rd_u8(list);
	v->kind = (enum query_value)kind;
	v->len = rd_u64(list);
	v->bytes.len = rd_u32(list);
	v->bytes.p = rd_take(list, v->bytes.len);
	if (kind > QUERY_SECRET || v->bytes.len > v->len)
		list->bad = true;
	return rd_ok(list);
}
