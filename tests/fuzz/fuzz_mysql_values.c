/*
 * What is told of a command's values lies within its payload, in the payload's
 * order, and fits into what it is told to; it is a list that can be read.  Of
 * a beginning of a payload, a beginning of it is told.
 *
 * Redaction never lengthens a statement, done again changes nothing, and where
 * it says that there was no secret there is no change.
 *
 * The first byte chooses: 0 and 1 the values of one row and of a bulk, 2
 * attributes, 3 the answer to a prepare, 4 a statement.  The next two are
 * parameters and flags.
 */
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "wire/mysql_redact.h"
#include "wire/mysql_values.h"

#define HEAD		3
#define PARAMS		8
#define VALUE_MAX	100

struct told {
	uint8_t	 list[64 * 1024];
	size_t	 len;
	int	 rc;
};

static void
must(bool so)
{
	if (!so)
		abort();
}

static void
tell(struct told *t, const uint8_t *data, size_t size, bool bulk,
    uint8_t nparams, uint8_t flags)
{
	const struct mysql_long_data	 sent[PARAMS] = {
		[1] = { .is_sent = flags & 8, .len = 1000,
		    .kept = { (const uint8_t *)"abc", 3 } },
	};
	uint16_t		 types[PARAMS] = { 1, 253, 12, 5, 0x8008 };
	bool			 have_types = flags & 1;
	struct mysql_values	 v = {
		.caps = flags & 2 ? MYSQL_CAP_QUERY_ATTRIBUTES : 0,
		.nparams = nparams % (PARAMS + 1),
		.types = types,
		.have_types = &have_types,
		.long_data = flags & 4 ? sent : NULL,
		.secret = flags & 16,
		.value_max = VALUE_MAX,
	};
	struct mysql_execute	 x;
	struct rd		 r;
	struct wr		 w;

	t->len = 0;
	t->rc = 0;
	rd_init(&r, data, size);
	if (mysql_execute_decode(&r, bulk, &x) == -1)
		return;
	wr_init(&w, t->list, flags & 32 ? 200 : sizeof(t->list));
	t->rc = mysql_values_decode(&r, &x, &v, &w);
	must(wr_ok(&w) && (r.bad || r.left <= size));
	t->len = wr_len(&w);
}

/* Texts are found in the payload, one behind the other, or were sent ahead. */
static void
in_order(const struct told *t, const uint8_t *data, size_t size, bool secret)
{
	struct query_value_at	 v;
	const uint8_t		*at;
	struct rd		 r;

	rd_init(&r, t->list, t->len);
	while (query_value_next(&r, &v)) {
		must(v.bytes.len <= VALUE_MAX && v.bytes.len <= v.len);
		if (secret)
			must(v.kind == QUERY_NEXT_ROW ||
			    (v.kind == QUERY_SECRET && v.len == 0));
		if (v.kind == QUERY_NUMBER)
			must(v.len == v.bytes.len && v.len > 0);
		/* Shorter ones may be dates or "nan". */
		if (v.kind != QUERY_TEXT || v.bytes.len <= 64)
			continue;
		at = memmem(data, size, v.bytes.p, v.bytes.len);
		must(at != NULL);
		size -= (size_t)(at - data) + v.bytes.len;
		data = at + v.bytes.len;
	}
	must(rd_end(&r));
}

/* Of a cut one the last value may be one with less of it. */
static void
is_beginning(const struct told *whole, const struct told *cut)
{
	struct query_value_at	 a, b;
	struct rd		 rw, rc;

	rd_init(&rw, whole->list, whole->len);
	rd_init(&rc, cut->list, cut->len);
	while (query_value_next(&rc, &b)) {
		must(query_value_next(&rw, &a));
		must(a.kind == b.kind && a.len == b.len &&
		    b.bytes.len <= a.bytes.len);
		if (b.bytes.len > 0)
			must(memcmp(a.bytes.p, b.bytes.p, b.bytes.len) == 0);
		must(a.bytes.len == b.bytes.len || rc.left == 0);
	}
	must(rd_end(&rc));
}

static void
values(const uint8_t *data, size_t size, bool bulk, uint8_t nparams,
    uint8_t flags)
{
	static struct told	 whole, cut;
	uint8_t			*half;

	tell(&whole, data, size, bulk, nparams, flags);
	in_order(&whole, data, size, flags & 16);
	for (size_t n = 1; n < size; n += 1 + size / 16) {
		half = malloc(n);
		must(half != NULL);
		memcpy(half, data, n);
		tell(&cut, half, n, bulk, nparams, flags);
		free(half);
		is_beginning(&whole, &cut);
	}
}

static void
attributes(const uint8_t *data, size_t size)
{
	struct rd	 r;

	rd_init(&r, data, size);
	must(mysql_attributes_skip(&r, 0) == 0 && r.left == size);
	if (mysql_attributes_skip(&r, MYSQL_CAP_QUERY_ATTRIBUTES) == 0)
		must(rd_ok(&r) && r.left < size && r.p + r.left == data + size);
}

static void
prepared(const uint8_t *data, size_t size, uint32_t caps)
{
	struct mysql_prepared	 p;
	struct rd		 r;

	rd_init(&r, data, size);
	if (mysql_prepared_decode(&r, caps, &p) == 0)
		must(rd_ok(&r) && size >= 9 && data[0] == 0);
}

static void
statement(const uint8_t *data, size_t size)
{
	char	*sql = malloc(size + 1), *once = malloc(size + 1);
	size_t	 len, again;
	bool	 any, more;

	must(sql != NULL && once != NULL);
	memcpy(sql, data, size);
	len = mysql_redact(sql, size, &any);
	must(len <= size);
	if (!any)
		must(len == size && memcmp(sql, data, size) == 0);
	memcpy(once, sql, len);
	again = mysql_redact(sql, len, &more);
	must(again == len && more == any && memcmp(sql, once, len) == 0);
	free(sql);
	free(once);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	const uint8_t	*p = data + HEAD;
	const size_t	 size = len - HEAD;

	if (len <= HEAD || len > 4096)
		return 0;
	switch (data[0] % 5) {
	case 0:
	case 1:
		values(p, size, data[0] % 5 == 1, data[1], data[2]);
		break;
	case 2:
		attributes(p, size);
		break;
	case 3:
		prepared(p, size, data[1] & 1 ?
		    MYSQL_CAP_OPTIONAL_METADATA : 0);
		break;
	case 4:
		statement(p, size);
		break;
	}
	return 0;
}
