/*
 * Of what is accepted, the encoding decodes to the same; text is one line
 * without a control byte; JSON is strict, and each value in it is the one
 * that was sent, byte for byte.
 */
#include <stdlib.h>
#include <string.h>

#include "base/logline.h"
#include "fuzz.h"
#include "json.h"

#define PID	4242

/* Members are to come in this order. */
struct expect {
	const struct logline	*l;
	size_t			 next;
};

static bool
is(const char *p, size_t len, const char *want)
{
	return len == strlen(want) && memcmp(p, want, len) == 0;
}

static bool
same(const char *p, size_t len, const struct logline_string *s)
{
	return len == s->len && (len == 0 || memcmp(p, s->p, len) == 0);
}

static void
check_member(void *ctx, const char *name, size_t name_len, bool number,
    const char *value, size_t len)
{
	struct expect			*e = ctx;
	const struct logline		*l = e->l;
	const struct logline_field	*f;
	bool				 ok;

	if (e->next == 4 && l->event.len == 0)
		e->next++;
	if (e->next == 5 && l->text.len == 0)
		e->next++;
	switch (e->next++) {
	case 0:
		ok = is(name, name_len, "time") && !number && len == 29;
		break;
	case 1:
		ok = is(name, name_len, "level") &&
		    is(value, len, logline_level_name(l->level));
		break;
	case 2:
		ok = is(name, name_len, "role") && same(value, len, &l->role);
		break;
	case 3:
		ok = is(name, name_len, "pid") && number &&
		    is(value, len, "4242");
		break;
	case 4:
		ok = is(name, name_len, "event") &&
		    same(value, len, &l->event);
		break;
	case 5:
		ok = is(name, name_len, "text") && same(value, len, &l->text);
		break;
	default:
		if (e->next - 7 >= l->nfields)
			abort();
		f = &l->fields[e->next - 7];
		ok = same(name, name_len, &f->name) &&
		    same(value, len, &f->value) &&
		    number == (f->kind == LOGLINE_NUMBER);
	}
	if (!ok)
		abort();
}

static void
check_json(const struct logline *l)
{
	static char	 line[LOGLINE_TEXT_MAX];
	struct expect	 e = { l, 0 };
	size_t		 len = logline_json(l, PID, line);

	if (len == 0 || len > sizeof(line) || line[len - 1] != '\n')
		abort();
	if (!json_object(line, len - 1, check_member, &e))
		abort();
	if (l->nfields > 0 && e.next != 6 + l->nfields)
		abort();
}

static void
check_text(const struct logline *l)
{
	static char	 line[LOGLINE_TEXT_MAX];
	size_t		 len = logline_text(l, PID, true, line);

	if (len == 0 || len > sizeof(line) || line[len - 1] != '\n')
		abort();
	for (size_t i = 0; i + 1 < len; i++) {
		unsigned char	 c = (unsigned char)line[i];

		if (c < 0x20 || c == 0x7f)
			abort();
		if (c == 0xc2 && (unsigned char)line[i + 1] < 0xa0)
			abort();
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t		 buf[2][LOGLINE_MAX];
	struct logline	 l, again;
	struct wr	 w[2];
	struct rd	 r;

	if (size > LOGLINE_MAX)		/* the logger has room for no more */
		return 0;
	rd_init(&r, data, size);
	if (logline_decode(&r, &l) == -1)
		return 0;
	if (!rd_end(&r))
		abort();
	wr_init(&w[0], buf[0], sizeof(buf[0]));
	logline_encode(&w[0], &l);
	if (!wr_ok(&w[0]) || wr_len(&w[0]) != size ||
	    memcmp(buf[0], data, size) != 0)
		abort();
	rd_init(&r, buf[0], size);
	if (logline_decode(&r, &again) == -1)
		abort();
	wr_init(&w[1], buf[1], sizeof(buf[1]));
	logline_encode(&w[1], &again);
	if (wr_len(&w[1]) != size || memcmp(buf[1], buf[0], size) != 0)
		abort();
	check_text(&l);
	check_json(&l);
	return 0;
}
