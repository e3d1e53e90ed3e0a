#include <stdio.h>
#include <string.h>

#include "base/logline.h"
#include "base/out.h"

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
		out_time(&o, l->wall_us);
		out_bytes(&o, " ", 1);
	}
	out_printf(&o, "%s ", level_names[l->level]);
	out_escaped(&o, l->role.p, l->role.len, "\\x");
	out_printf(&o, "[%d]:", (int)pid);
	if (l->event.len > 0) {
		out_bytes(&o, " ", 1);
		out_escaped(&o, l->event.p, l->event.len, "\\x");
	}
	if (l->text.len > 0) {
		out_bytes(&o, " ", 1);
		out_escaped(&o, l->text.p, l->text.len, "\\x");
	}
	for (f = l->fields; f < l->fields + l->nfields; f++) {
		out_bytes(&o, " ", 1);
		out_escaped(&o, f->name.p, f->name.len, "\\x");
		out_bytes(&o, "=", 1);
		if (is_bare(&f->value)) {
			out_bytes(&o, f->value.p, f->value.len);
			continue;
		}
		out_bytes(&o, "\"", 1);
		out_escaped(&o, f->value.p, f->value.len, "\\x");
		out_bytes(&o, "\"", 1);
	}
	*o.p++ = '\n';
	return (size_t)(o.p - buf);
}

static void
json_string(struct out *o, const char *name, const struct logline_string *s)
{
	out_printf(o, ",\"%s\":\"", name);
	out_escaped(o, s->p, s->len, "\\udc");
	out_bytes(o, "\"", 1);
}

size_t
logline_json(const struct logline *l, pid_t pid, char *buf)
{
	const struct logline_field	*f;
	struct out			 o;

	start(&o, buf);
	out_bytes(&o, "{\"time\":\"", 9);
	out_time(&o, l->wall_us);
	out_printf(&o, "\",\"level\":\"%s\"", level_names[l->level]);
	json_string(&o, "role", &l->role);
	out_printf(&o, ",\"pid\":%d", (int)pid);
	if (l->event.len > 0)
		json_string(&o, "event", &l->event);
	if (l->text.len > 0)
		json_string(&o, "text", &l->text);
	for (f = l->fields; f < l->fields + l->nfields; f++) {
		out_bytes(&o, ",\"", 2);
		out_escaped(&o, f->name.p, f->name.len, "\\udc");
		out_bytes(&o, "\":", 2);
		if (f->kind == LOGLINE_NUMBER) {
			out_bytes(&o, f->value.p, f->value.len);
			continue;
		}
		out_bytes(&o, "\"", 1);
		out_escaped(&o, f->value.p, f->value.len, "\\udc");
		out_bytes(&o, "\"", 1);
	}
	out_bytes(&o, "}", 1);
	*o.p++ = '\n';
	return (size_t)(o.p - buf);
}
