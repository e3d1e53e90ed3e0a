/*
 * out.h - lines of text, of bytes that may be anybody's.
 *
 * Text grows to a fixed end; what does not fit is left out.  What others sent
 * is escaped, so that a line stays one and nothing in it can be imitated.
 */
#ifndef BASE_OUT_H
#define BASE_OUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct out {
	char	*p;			/* where the next byte goes */
	size_t	 left;
};

/* Bytes that one may become, in any of the functions below. */
#define OUT_ESCAPED_MAX	6

void	 out_bytes(struct out *o, const void *p, size_t len);
void	 out_text(struct out *o, const char *text);
/* At most 63 bytes. */
void	 out_printf(struct out *o, const char *fmt, ...)
	    __attribute__((format(printf, 2, 3)));

/*
 * The inside of a quoted string.  A byte that is no UTF-8 stands after `bad'
 * in hex: "\\x" in text, "\\udc" in JSON (as Python's surrogateescape).
 */
void	 out_escaped(struct out *o, const void *p, size_t len,
	    const char *bad);
/* The same where nothing quotes it: a quotation mark stays as it is. */
void	 out_bare(struct out *o, const void *p, size_t len);

/* The same, but that bytes of UTF-8 stay as they are, whatever they are. */
void	 out_utf8(struct out *o, const void *p, size_t len);

/* RFC 3339 with milliseconds and the local offset. */
void	 out_time(struct out *o, uint64_t wall_us);
/* The same as "2017/01/12 17:27:32". */
void	 out_slash_time(struct out *o, uint64_t wall_us);

#endif
