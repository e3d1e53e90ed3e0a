#include "wire/mysql_value.h"
#include "wire/mysql_values.h"

#define BULK_TYPES	0x80	/* of a bulk's flags: types are sent */

/* What stands before each value of a bulk. */
enum indicator {
	IS_VALUE,
	IS_NULL,
	IS_DEFAULT,
	IS_IGNORE,
};

int
mysql_execute_decode(struct rd *r, bool bulk, struct mysql_execute *x)
{
	x->bulk = bulk;
	x->id = rd_le32(r);
	if (bulk) {
		x->flags = rd_le16(r);
	} else {
		x->flags = rd_u8(r);
		(void)rd_le32(r);		/* how often: 1 */
	}
	return rd_ok(r) ? 0 : -1;
}

/* False: the list is full. */
static bool
tell(const struct mysql_values *v, struct wr *w, enum query_value kind,
    struct mysql_bytes bytes, uint64_t len)
{
	struct wr	 try = *w;

	if (v->secret && kind != QUERY_NEXT_ROW) {
		kind = QUERY_SECRET;
		bytes.len = 0;
		len = 0;
	}
	query_value_add(&try, kind, NULL, 0, len);
	if (!wr_ok(&try))
		return false;
	if (kind == QUERY_TEXT) {
		if (bytes.len > v->value_max)
			bytes.len = v->value_max;
		if (bytes.len > try.left)
			bytes.len = try.left;
	}
	try = *w;
	query_value_add(&try, kind, bytes.p, bytes.len, len);
	if (!wr_ok(&try))
		return false;
	*w = try;
	return true;
}

static bool
tell_plain(const struct mysql_values *v, struct wr *w, enum query_value kind)
{
	return tell(v, w, kind, (struct mysql_bytes){ NULL, 0 }, 0);
}

static bool
tell_word(const struct mysql_values *v, struct wr *w, const char *word,
    size_t len)
{
	const struct mysql_bytes	 b = { (const uint8_t *)word, len };

	return tell(v, w, QUERY_UNKNOWN, b, len);
}

/*
 * Below, 1 says that it was read and told, 0 that there was more of it, and -1
 * that it contradicts itself.
 */

static int
read_value(struct rd *r, size_t i, const struct mysql_values *v, struct wr *w)
{
	struct mysql_value	 value;
	int			 rc;

	if (!*v->have_types || !mysql_type_is_known(v->types[i])) {
		(void)tell_plain(v, w, QUERY_UNKNOWN);
		return 0;
	}
	rc = mysql_value_decode(r, v->types[i], &value);
	if (rc == 0 && value.bytes.p == NULL)
		return 0;
	return tell(v, w, value.kind, value.bytes, value.len) ? rc : 0;
}

static bool
is_null(const uint8_t *nulls, size_t i)
{
	return nulls[i / 8] >> (i % 8) & 1;
}

/* How many bytes a bit for each of them takes; one without end is cut. */
static const uint8_t *
read_nulls(struct rd *r, uint64_t count)
{
	uint64_t	 len = count / 8 + (count % 8 != 0);

	if (len > r->left)
		r->bad = true;
	return rd_take(r, (size_t)len);
}

static void
read_types(struct rd *r, uint64_t count, bool named,
    const struct mysql_values *v)
{
	uint16_t	 type;

	for (uint64_t i = 0; i < count && rd_ok(r); i++) {
		type = rd_le16(r);
		if (named)
			(void)mysql_rd_string(r);
		if (i < v->nparams)
			v->types[i] = type;
	}
	*v->have_types = rd_ok(r);
}

/* Of the parameters themselves; attributes may follow. */
static int
read_params(struct rd *r, const uint8_t *nulls, const struct mysql_values *v,
    struct wr *w)
{
	const struct mysql_long_data	*sent;
	bool				 told;
	int				 rc;

	for (size_t i = 0; i < v->nparams; i++) {
		sent = v->long_data == NULL ? NULL : &v->long_data[i];
		if (sent != NULL && sent->is_sent) {
			/* Servers do not look at the bit of such a one. */
			told = tell(v, w, QUERY_TEXT, sent->kept, sent->len);
		} else if (is_null(nulls, i)) {
			told = tell_plain(v, w, QUERY_NULL);
		} else {
			rc = read_value(r, i, v, w);
			if (rc != 1)
				return rc;
			continue;
		}
		if (!told)
			return 0;
	}
	return 1;
}

static int
read_row(struct rd *r, const struct mysql_execute *x,
    const struct mysql_values *v, struct wr *w)
{
	const bool	 named = v->caps & MYSQL_CAP_QUERY_ATTRIBUTES;
	const uint8_t	*nulls;
	uint64_t	 count = v->nparams;

	/* MySQL wants it wherever there are parameters, flag or not. */
	if (named && (count > 0 || x->flags & MYSQL_PARAMS_COUNTED))
		count = mysql_rd_lenenc(r);
	if (rd_ok(r) && count < v->nparams) {
		(void)tell_plain(v, w, QUERY_UNKNOWN);
		return -1;
	}
	if (rd_ok(r) && count == 0)
		return 1;
	nulls = read_nulls(r, count);
	if (rd_u8(r) != 0)
		read_types(r, count, named, v);
	if (!rd_ok(r)) {
		/* Were there new types, and which? */
		*v->have_types = false;
		return 0;
	}
	return read_params(r, nulls, v, w);
}

static int
read_bulk_value(struct rd *r, size_t i, const struct mysql_values *v,
    struct wr *w)
{
	uint8_t	 indicator = rd_u8(r);

	if (!rd_ok(r))
		return 0;
	switch (indicator) {
	case IS_VALUE:
		return read_value(r, i, v, w);
	case IS_NULL:
		return tell_plain(v, w, QUERY_NULL);
	case IS_DEFAULT:
		return tell_word(v, w, "DEFAULT", 7);
	case IS_IGNORE:
		return tell_word(v, w, "IGNORE", 6);
	}
	(void)tell_plain(v, w, QUERY_UNKNOWN);
	return -1;
}

static int
read_bulk(struct rd *r, const struct mysql_execute *x,
    const struct mysql_values *v, struct wr *w)
{
	bool	 first = true;
	int	 rc;

	if (x->flags & BULK_TYPES)
		read_types(r, v->nparams, false, v);
	if (!rd_ok(r))
		return 0;
	if (v->nparams == 0)
		return 1;
	for (; r->left > 0; first = false) {
		if (!first && !tell_plain(v, w, QUERY_NEXT_ROW))
			return 0;
		for (size_t i = 0; i < v->nparams; i++) {
			rc = read_bulk_value(r, i, v, w);
			if (rc != 1)
				return rc;
		}
	}
	return 1;
}

int
mysql_values_decode(struct rd *r, const struct mysql_execute *x,
    const struct mysql_values *v, struct wr *w)
{
	return x->bulk ? read_bulk(r, x, v, w) : read_row(r, x, v, w);
}

int
mysql_attributes_skip(struct rd *r, uint32_t caps)
{
	struct mysql_value	 value;
	struct rd		 types;
	const uint8_t		*nulls;
	uint64_t		 count;
	uint16_t		 type;

	if ((caps & MYSQL_CAP_QUERY_ATTRIBUTES) == 0)
		return 0;
	count = mysql_rd_lenenc(r);
	if (mysql_rd_lenenc(r) != 1)		/* sets of them */
		return -1;
	if (count == 0)
		return rd_ok(r) ? 0 : -1;
	nulls = read_nulls(r, count);
	if (rd_u8(r) == 0)			/* types are sent */
		return -1;
	types = *r;
	for (uint64_t i = 0; i < count && rd_ok(r); i++) {
		(void)rd_le16(r);
		(void)mysql_rd_string(r);	/* its name */
	}
	for (uint64_t i = 0; i < count && rd_ok(r); i++) {
		type = rd_le16(&types);
		(void)mysql_rd_string(&types);
		if (!is_null(nulls, i) &&
		    mysql_value_decode(r, type, &value) != 1)
			return -1;
	}
	return rd_ok(r) ? 0 : -1;
}

int
mysql_prepared_decode(struct rd *r, uint32_t caps, struct mysql_prepared *p)
{
	if (rd_u8(r) != MYSQL_OK)
		return -1;
	p->id = rd_le32(r);
	p->columns = rd_le16(r);
	p->params = rd_le16(r);
	p->metadata = true;
	if (!rd_ok(r))
		return -1;
	if (r->left == 0)
		return 0;
	(void)rd_u8(r);				/* filler */
	if (r->left == 0)
		return 0;
	(void)rd_le16(r);			/* warnings */
	if (caps & MYSQL_CAP_OPTIONAL_METADATA && r->left > 0)
		p->metadata = rd_u8(r) != 0;
	return rd_ok(r) ? 0 : -1;
}
