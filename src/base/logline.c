#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/logline.h"

/* Text that grows to a fixed end; what does not fit is left out. */
struct out {
	char	*p;
	size_t	 left;
};

static const char *const level_names[] = { "error", "warn", "info", "debug" };

const char *
logline_level_name(enum logline_level level)
{
	return level_names[level];
}

struct logline_string
logline_string(const char *s)
{
	return (struct logline_string){ s, strlen(s) };
}

void
logline_add(struct logline *l, enum logline_kind kind, const char *name,
    const char *value)
{
	struct logline_field	*f;

	if (l->nfields == LOGLINE_FIELDS_MAX)
		return;
	f = &l->fields[l->nfields++];
	f->kind = kind;
	f->name = logline_string(name);
	f->value = logline_string(value);
}

static void
put_string(struct wr *w, const struct logline_string *s)
{
	size_t	 len = s->len < UINT16_MAX ? s->len : UINT16_MAX;

	wr_u16(w, (uint16_t)len);
	wr_bytes(w, s->p, len);
}

static void
get_string(struct rd *r, struct logline_string *s)
{
	s->len = rd_u16(r);
	s->p = (const char *)rd_take(r, s->len);
	if (s->p == NULL) {
		s->p = "";
		s->len = 0;
	}
}

void
logline_encode(struct wr *w, const struct logline *l)
{
	wr_u8(w, (uint8_t)l->level);
	wr_u64(w, l->wall_us);
	wr_u32(w, l->repeat_key);
	put_string(w, &l->role);
	put_string(w, &l->event);
	put_string(w, &l->text);
	for (size_t i = 0; i < l->nfields; i++) {
		wr_u8(w, (uint8_t)l->fields[i].kind);
		put_string(w, &l->fields[i].name);
		put_string(w, &l->fields[i].value);
	}
}

/* Would JSON take it as a number? */
static bool
is_number(const struct logline_string *s)
{
	size_t	 i, points = 0;

	for (i = 0; i < s->len; i++) {
		if (s->p[i] == '.' && i > 0 && i + 1 < s->len)
			points++;
		else if (s->p[i] < '0' || s->p[i] > '9')
			return false;
	}
	if (s->len > 1 && s->p[0] == '0' && s->p[1] != '.')
		return false;
	return s->len > 0 && points <= 1;
}

int
logline_decode(struct rd *r, struct logline *l)
{
	struct logline_field	*f;
	uint8_t			 level, kind;

	memset(l, 0, sizeof(*l));
	level = rd_u8(r);
	if (level > LOGLINE_DEBUG)
		return -1;
	l->level = (enum logline_level)level;
	l->wall_us = rd_u64(r);
	l->repeat_key = rd_u32(r);
	get_string(r, &l->role);
	get_string(r, &l->event);
	get_string(r, &l->text);
	while (rd_ok(r) && !rd_end(r)) {
		if (l->nfields == LOGLINE_FIELDS_MAX)
			return -1;
		f = &l->fields[l->nfields++];
		kind = rd_u8(r);
		get_string(r, &f->name);
		get_string(r, &f->value);
		f->kind = kind == LOGLINE_NUMBER ? LOGLINE_NUMBER :
		    LOGLINE_STRING;
		if (kind > LOGLINE_NUMBER ||
		    (kind == LOGLINE_NUMBER && !is_number(&f->value)))
			return -1;
	}
	return rd_ok(r) ? 0 : -1;
}

static void
put(struct out *o, const char *p, size_t len)
{
	if (len > o->left)
		len = o->left;
	memcpy(o->p, p, len);
	o->p += len;
	o->left -= len;
}

static void __attribute__((format(printf, 2, 3)))
putf(struct out *o, const char *fmt, ...)
{
	char	 buf[64];
	va_list	 ap;
	int	 n;

	va_start(ap, fmt);
	n = vsnprintf(buf, sizeof(buf), fmt, ap);
	va_end(ap);
	if (n > 0)
		put(o, buf, (size_t)n < sizeof(buf) ? (size_t)n :
		    sizeof(buf) - 1);
}

/* RFC 3339 with milliseconds and the local offset. */
static void
put_time(struct out *o, uint64_t wall_us)
{
	time_t		 t = (time_t)(wall_us / 1000000);
	struct tm	 tm;
	char		 day[32], zone[8];

	/* A year of five digits, in any zone, is somebody's nonsense. */
	if (t > 253402300799 - 86400 || localtime_r(&t, &tm) == NULL) {
		t = 0;
		localtime_r(&t, &tm);
	}
	strftime(day, sizeof(day), "%Y-%m-%dT%H:%M:%S", &tm);
	strftime(zone, sizeof(zone), "%z", &tm);
	putf(o, "%s.%03u%.3s:%s", day, (unsigned)(wall_us / 1000 % 1000),
	    zone, zone + 3);
}

/* The length of the UTF-8 sequence at p (RFC 3629), or 0 if it is none. */
static size_t
utf8_len(const unsigned char *p, size_t left)
{
	size_t	 n;

	if (p[0] < 0x80)
		return 1;
	if (p[0] >= 0xc2 && p[0] <= 0xdf)
		n = 2;
	else if ((p[0] & 0xf0) == 0xe0)
		n = 3;
	else if (p[0] >= 0xf0 && p[0] <= 0xf4)
		n = 4;
	else
		return 0;
	if (n > left)
		return 0;
	for (size_t i = 1; i < n; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f) ||
	    (p[0] == 0xf0 && p[1] < 0x90) || (p[0] == 0xf4 && p[1] > 0x8f))
		return 0;
	return n;
}

/*
 * The inside of a quoted string.  A byte that is no UTF-8 stands after `bad'
 * in hex, so that what a peer sent can be told from what it imitates.
 */
static void
put_escaped(struct out *o, const struct logline_string *s, const char *bad)
{
	const unsigned char	*p = (const unsigned char *)s->p;
	size_t			 n;

	for (size_t i = 0; i < s->len; i += n) {
		n = utf8_len(p + i, s->len - i);
		/* C1 controls, as U+009B, steer terminals too. */
		if (n == 2 && p[i] == 0xc2 && p[i + 1] < 0xa0)
			putf(o, "\\u%04x", p[i + 1]);
		else if (n > 1)
			put(o, s->p + i, n);
		else if (n == 0) {
			n = 1;
			putf(o, "%s%02x", bad, p[i]);
		} else if (p[i] == '"' || p[i] == '\\')
			putf(o, "\\%c", p[i]);
		else if (p[i] == '\n')
			put(o, "\\n", 2);
		else if (p[i] < 0x20 || p[i] == 0x7f)
			putf(o, "\\u%04x", p[i]);
		else
			put(o, s->p + i, 1);
	}
}

/* Can the value stand without quotes in key=value? */
static bool
is_bare(const struct logline_string *s)
{
	for (size_t i = 0; i < s->len; i++)
		if (s->p[i] <= ' ' || s->p[i] == '"' || s->p[i] == '\\' ||
		    s->p[i] == '=' || (unsigned char)s->p[i] >= 0x7f)
			return false;
	return s->len > 0;
}

static void
start(struct out *o, char *buf)
{
	o->p = buf;
	o->left = LOGLINE_TEXT_MAX - 2;		/* for the end */
}

size_t
logline_text(const struct logline *l, pid_t pid, bool stamp, char *buf)
{
	const struct logline_field	*f;
	struct out			 o;

	start(&o, buf);
	if (stamp) {
		put_time(&o, l->wall_us);
		put(&o, " ", 1);
	}
	putf(&o, "%s ", level_names[l->level]);
	put_escaped(&o, &l->role, "\\x");
	putf(&o, "[%d]:", (int)pid);
	if (l->event.len > 0) {
		put(&o, " ", 1);
		put_escaped(&o, &l->event, "\\x");
	}
	if (l->text.len > 0) {
		put(&o, " ", 1);
		put_escaped(&o, &l->text, "\\x");
	}
	for (f = l->fields; f < l->fields + l->nfields; f++) {
		put(&o, " ", 1);
		put_escaped(&o, &f->name, "\\x");
		put(&o, "=", 1);
		if (is_bare(&f->value)) {
			put(&o, f->value.p, f->value.len);
			continue;
		}
		put(&o, "\"", 1);
		put_escaped(&o, &f->value, "\\x");
		put(&o, "\"", 1);
	}
	*o.p++ = '\n';
	return (size_t)(o.p - buf);
}

static void
json_string(struct out *o, const char *name, const struct logline_string *s)
{
	putf(o, ",\"%s\":\"", name);
	put_escaped(o, s, "\\udc");	/* as Python's surrogateescape */
	put(o, "\"", 1);
}

size_t
logline_json(const struct logline *l, pid_t pid, char *buf)
{
	const struct logline_field	*f;
	struct out			 o;

	start(&o, buf);
	put(&o, "{\"time\":\"", 9);
	put_time(&o, l->wall_us);
	putf(&o, "\",\"level\":\"%s\"", level_names[l->level]);
	json_string(&o, "role", &l->role);
	putf(&o, ",\"pid\":%d", (int)pid);
	if (l->event.len > 0)
		json_string(&o, "event", &l->event);
	if (l->text.len > 0)
		json_string(&o, "text", &l->text);
	for (f = l->fields; f < l->fields + l->nfields; f++) {
		put(&o, ",\"", 2);
		put_escaped(&o, &f->name, "\\udc");
		put(&o, "\":", 2);
		if (f->kind == LOGLINE_NUMBER) {
			put(&o, f->value.p, f->value.len);
			continue;
		}
		put(&o, "\"", 1);
		put_escaped(&o, &f->value, "\\udc");
		put(&o, "\"", 1);
	}
	put(&o, "}", 1);
	*o.p++ = '\n';
	return (size_t)(o.p - buf);
}
