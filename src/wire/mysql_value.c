#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "wire/mysql_value.h"

#define LENGTH_16	0xfc
#define LENGTH_24	0xfd
#define LENGTH_LONG	0xfb	/* and what is not among them from there on */

enum shape {
	NO_TYPE,
	NOTHING,
	INT_8,
	INT_16,
	INT_32,
	INT_64,
	SINGLE,
	TWOFOLD,
	DAY,
	TIME,
	STRING,
};

/*
 * By the number of the type.  INT24, YEAR, BIT and GEOMETRY are missing:
 * MariaDB takes NULL for them and no byte, MySQL 9.7 refuses them, and older
 * ones took a string.
 */
static const uint8_t	 shapes[UINT8_MAX + 1] = {
	[0] = STRING,			/* DECIMAL */
	[1] = INT_8,			/* TINY */
	[2] = INT_16,			/* SHORT */
	[3] = INT_32,			/* LONG */
	[4] = SINGLE,			/* FLOAT */
	[5] = TWOFOLD,			/* DOUBLE */
	[6] = NOTHING,			/* NULL */
	[7] = DAY,			/* TIMESTAMP */
	[8] = INT_64,			/* LONGLONG */
	[10] = DAY,			/* DATE */
	[11] = TIME,			/* TIME */
	[12] = DAY,			/* DATETIME */
	[14] = DAY,			/* NEWDATE */
	[15] = STRING,			/* VARCHAR */
	[242] = STRING,			/* VECTOR */
	[245] = STRING,			/* JSON */
	[246] = STRING,			/* NEWDECIMAL */
	[247] = STRING,			/* ENUM */
	[248] = STRING,			/* SET */
	[249] = STRING,			/* TINY_BLOB */
	[250] = STRING,			/* MEDIUM_BLOB */
	[251] = STRING,			/* LONG_BLOB */
	[252] = STRING,			/* BLOB */
	[253] = STRING,			/* VAR_STRING */
	[254] = STRING,			/* STRING */
};

bool
mysql_type_is_known(uint16_t type)
{
	return shapes[type & UINT8_MAX] != NO_TYPE;
}

__attribute__((format(printf, 3, 4)))
static void
say(struct mysql_value *v, enum query_value kind, const char *fmt, ...)
{
	const size_t	 at = v->bytes.len;
	va_list		 ap;
	int		 n;

	va_start(ap, fmt);
	n = vsnprintf(v->text + at, sizeof(v->text) - at, fmt, ap);
	va_end(ap);
	if (n > 0 && (size_t)n < sizeof(v->text) - at)
		v->bytes.len = at + (size_t)n;
	v->kind = kind;
	v->bytes.p = (const uint8_t *)v->text;
	v->len = v->bytes.len;
}

static int
read_int(struct rd *r, size_t size, bool is_unsigned, struct mysql_value *v)
{
	const uint8_t	*p = rd_take(r, size);
	uint8_t		 all[8];
	struct rd	 whole;
	uint64_t	 n;

	if (p == NULL)
		return 0;
	/* What stands above it is its sign. */
	memset(all, !is_unsigned && p[size - 1] & 0x80 ? 0xff : 0,
	    sizeof(all));
	memcpy(all, p, size);
	rd_init(&whole, all, sizeof(all));
	n = rd_le64(&whole);
	if (is_unsigned)
		say(v, QUERY_NUMBER, "%" PRIu64, n);
	else
		say(v, QUERY_NUMBER, "%" PRId64, (int64_t)n);
	return 1;
}

/* Neither is a number to anybody else. */
static bool
say_odd(double d, struct mysql_value *v)
{
	if (isnan(d))
		say(v, QUERY_TEXT, "nan");
	else if (isinf(d))
		say(v, QUERY_TEXT, d < 0 ? "-inf" : "inf");
	else
		return false;
	return true;
}

static int
read_float(struct rd *r, struct mysql_value *v)
{
	uint32_t	 bits = rd_le32(r);
	float		 f;

	if (!rd_ok(r))
		return 0;
	memcpy(&f, &bits, sizeof(f));
	if (say_odd((double)f, v))
		return 1;
	for (int digits = 6; digits <= 9; digits++) {
		v->bytes.len = 0;
		say(v, QUERY_NUMBER, "%.*g", digits, (double)f);
		if (strtof(v->text, NULL) == f)
			break;
	}
	return 1;
}

static int
read_double(struct rd *r, struct mysql_value *v)
{
	uint64_t	 bits = rd_le64(r);
	double		 d;

	if (!rd_ok(r))
		return 0;
	memcpy(&d, &bits, sizeof(d));
	if (say_odd(d, v))
		return 1;
	for (int digits = 15; digits <= 17; digits++) {
		v->bytes.len = 0;
		say(v, QUERY_NUMBER, "%.*g", digits, d);
		if (strtod(v->text, NULL) == d)
			break;
	}
	return 1;
}

/*
 * As MariaDB reads it, or what hides a value from us would be one to it.  MySQL
 * refuses other first bytes than 0xfe for eight, and more than fits into four.
 */
static uint64_t
read_length(struct rd *r)
{
	uint8_t		 first = rd_u8(r);
	uint32_t	 len;

	if (first < LENGTH_LONG)
		return first;
	if (first == LENGTH_16)
		return rd_le16(r);
	if (first == LENGTH_24)
		return rd_le24(r);
	len = rd_le32(r);
	(void)rd_le32(r);
	return rd_ok(r) ? len : 0;
}

static int
read_string(struct rd *r, struct mysql_value *v)
{
	uint64_t	 len = read_length(r);

	if (!rd_ok(r))
		return 0;
	v->kind = QUERY_TEXT;
	v->len = len;
	v->bytes.len = len < r->left ? (size_t)len : r->left;
	v->bytes.p = rd_take(r, v->bytes.len);
	return v->bytes.len == len;
}

/* The bytes of a date or a time. */
static int
read_fields(struct rd *r, struct rd *fields, struct mysql_value *v)
{
	const uint8_t	*p;

	v->len = read_length(r);
	p = rd_take(r, (size_t)v->len);
	if (p == NULL)
		return 0;
	rd_init(fields, p, (size_t)v->len);
	return 1;
}

static void
say_zone(struct rd *fields, struct mysql_value *v)
{
	int16_t	 minutes = (int16_t)rd_le16(fields);
	int	 all = minutes < 0 ? -minutes : minutes;

	say(v, QUERY_TEXT, "%c%02d:%02d", minutes < 0 ? '-' : '+', all / 60,
	    all % 60);
}

static void
say_clock(struct rd *fields, unsigned int days, struct mysql_value *v)
{
	uint64_t	 hours = (uint64_t)days * 24 + rd_u8(fields);
	uint8_t		 minutes = rd_u8(fields);
	uint8_t		 seconds = rd_u8(fields);

	say(v, QUERY_TEXT, "%02" PRIu64 ":%02u:%02u", hours, minutes, seconds);
	if (fields->left >= 4)
		say(v, QUERY_TEXT, ".%06" PRIu32, rd_le32(fields));
}

static int
read_day(struct rd *r, struct mysql_value *v)
{
	struct rd	 f;
	unsigned int	 year, month, day;

	if (read_fields(r, &f, v) == 0)
		return 0;
	switch (f.left) {
	case 0:
		say(v, QUERY_TEXT, "0000-00-00");
		return 1;
	case 4:
	case 7:
	case 11:
	case 13:			/* MySQL from 8.0.19 on */
		break;
	default:
		return 1;
	}
	year = rd_le16(&f);
	month = rd_u8(&f);
	day = rd_u8(&f);
	say(v, QUERY_TEXT, "%04u-%02u-%02u", year, month, day);
	if (f.left > 0) {
		say(v, QUERY_TEXT, " ");
		say_clock(&f, 0, v);
	}
	if (f.left > 0)
		say_zone(&f, v);
	return 1;
}

static int
read_time(struct rd *r, struct mysql_value *v)
{
	struct rd	 f;

	if (read_fields(r, &f, v) == 0)
		return 0;
	switch (f.left) {
	case 0:
		say(v, QUERY_TEXT, "00:00:00");
		return 1;
	case 8:
	case 12:
		break;
	default:
		return 1;
	}
	if (rd_u8(&f) != 0)
		say(v, QUERY_TEXT, "-");
	say_clock(&f, rd_le32(&f), v);
	return 1;
}

int
mysql_value_decode(struct rd *r, uint16_t type, struct mysql_value *v)
{
	const bool	 is_unsigned = type & MYSQL_TYPE_UNSIGNED;

	v->kind = QUERY_UNKNOWN;
	v->len = 0;
	v->bytes.p = NULL;
	v->bytes.len = 0;
	switch (shapes[type & UINT8_MAX]) {
	case NOTHING:
		v->kind = QUERY_NULL;
		return 1;
	case INT_8:
		return read_int(r, 1, is_unsigned, v);
	case INT_16:
		return read_int(r, 2, is_unsigned, v);
	case INT_32:
		return read_int(r, 4, is_unsigned, v);
	case INT_64:
		return read_int(r, 8, is_unsigned, v);
	case SINGLE:
		return read_float(r, v);
	case TWOFOLD:
		return read_double(r, v);
	case DAY:
		return read_day(r, v);
	case TIME:
		return read_time(r, v);
	case STRING:
		return read_string(r, v);
	}
	return 0;
}
