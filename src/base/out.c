#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/out.h"

void
out_bytes(struct out *o, const void *p, size_t len)
{
	if (len > o->left)
		len = o->left;
	if (len > 0)
		memcpy(o->p, p, len);
	o->p += len;
	o->left -= len;
}

void
out_text(struct out *o, const char *text)
{
	out_bytes(o, text, strlen(text));
}

void
out_printf(struct out *o, const char *fmt, ...)
{
	char	 buf[64];
	va_list	 ap;
	int	 n;

	va_start(ap, fmt);
	n = vsnprintf(buf, sizeof(buf), fmt, ap);
	va_end(ap);
	if (n > 0)
		out_bytes(o, buf, (size_t)n < sizeof(buf) ? (size_t)n :
		    sizeof(buf) - 1);
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

/* One character, which may be several bytes.  How many it took. */
static size_t
out_one(struct out *o, const unsigned char *p, size_t left, const char *bad)
{
	size_t	 n = utf8_len(p, left);

	/* C1 controls, as U+009B, steer terminals too. */
	if (n == 2 && p[0] == 0xc2 && p[1] < 0xa0)
		out_printf(o, "\\u%04x", p[1]);
	else if (n > 1)
		out_bytes(o, p, n);
	else if (n == 0) {
		out_printf(o, "%s%02x", bad, p[0]);
		return 1;
	} else if (p[0] == '\\')
		out_bytes(o, "\\\\", 2);
	else if (p[0] == '\n')
		out_bytes(o, "\\n", 2);
	else if (p[0] < 0x20 || p[0] == 0x7f)
		out_printf(o, "\\u%04x", p[0]);
	else
		out_bytes(o, p, 1);
	return n;
}

/* Bytes of p that stand for themselves whatever is around them. */
static size_t
plain_len(const unsigned char *p, size_t left)
{
	size_t	 n = 0;

	while (n < left && p[n] >= ' ' && p[n] < 0x7f && p[n] != '"' &&
	    p[n] != '\\')
		n++;
	return n;
}

void
out_escaped(struct out *o, const void *data, size_t len, const char *bad)
{
	const unsigned char	*p = data;
	size_t			 n;

	for (size_t i = 0; i < len; i += n) {
		n = plain_len(p + i, len - i);
		if (n > 0)
			out_bytes(o, p + i, n);
		else if (p[i] == '"') {
			out_bytes(o, "\\\"", 2);
			n = 1;
		} else
			n = out_one(o, p + i, len - i, bad);
	}
}

void
out_bare(struct out *o, const void *data, size_t len)
{
	const unsigned char	*p = data;
	size_t			 n;

	for (size_t i = 0; i < len; i += n) {
		n = plain_len(p + i, len - i);
		if (n == 0 && p[i] == '"')
			n = 1;
		if (n > 0)
			out_bytes(o, p + i, n);
		else
			n = out_one(o, p + i, len - i, "\\x");
	}
}

void
out_utf8(struct out *o, const void *data, size_t len)
{
	const unsigned char	*p = data;
	size_t			 n;

	for (size_t i = 0; i < len; i += n) {
		n = utf8_len(p + i, len - i);
		if (n > 0)
			out_bytes(o, p + i, n);
		else {
			out_printf(o, "\\x%02x", p[i]);
			n = 1;
		}
	}
}

static void
local_time(uint64_t wall_us, struct tm *tm)
{
	time_t	 t = (time_t)(wall_us / 1000000);

	/* A year of five digits, in any zone, is somebody's nonsense. */
	if (t > 253402300799 - 86400 || localtime_r(&t, tm) == NULL) {
		t = 0;
		localtime_r(&t, tm);
	}
}

void
out_time(struct out *o, uint64_t wall_us)
{
	struct tm	 tm;
	char		 day[32], zone[8];

	local_time(wall_us, &tm);
	strftime(day, sizeof(day), "%Y-%m-%dT%H:%M:%S", &tm);
	strftime(zone, sizeof(zone), "%z", &tm);
	out_printf(o, "%s.%03u%.3s:%s", day, (unsigned)(wall_us / 1000 %
	    1000), zone, zone + 3);
}

void
out_slash_time(struct out *o, uint64_t wall_us)
{
	struct tm	 tm;
	char		 text[32];

	local_time(wall_us, &tm);
	strftime(text, sizeof(text), "%Y/%m/%d %H:%M:%S", &tm);
	out_text(o, text);
}
