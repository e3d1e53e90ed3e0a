/*
 * logline.h - one event for the log: fields, as a message, as text, as JSON.
 *
 * Whoever has something to say encodes the event; the logger decodes and
 * renders it.  The message: level, 1 byte; wall clock in microseconds, 8;
 * key that says which events are repeats of each other (0: none is), 4;
 * role, event and text, and then fields to the end.  A string is its length,
 * 2 bytes, and its bytes; a field is its kind, 1 byte, a string that names
 * it and one that is its value.
 *
 * Values may hold any byte: text and JSON stay one line and unambiguous.
 */
#ifndef BASE_LOGLINE_H
#define BASE_LOGLINE_H

#include <sys/types.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

#define LOGLINE_FIELDS_MAX	24
#define LOGLINE_MAX		8192	/* bytes of one encoded event */
/* Bytes that hold any rendered event: every byte may become \u00xx. */
#define LOGLINE_TEXT_MAX	(6 * LOGLINE_MAX + 1024)

enum logline_level {
	LOGLINE_ERROR,
	LOGLINE_WARN,
	LOGLINE_INFO,
	LOGLINE_DEBUG,
};

enum logline_kind {
	LOGLINE_STRING,
	LOGLINE_NUMBER,		/* digits, and at most one point */
};

struct logline_string {
	const char	*p;		/* without a NUL */
	size_t		 len;
};

struct logline_field {
	enum logline_kind	 kind;
	struct logline_string	 name;
	struct logline_string	 value;
};

struct logline {
	enum logline_level	 level;
	uint64_t		 wall_us;	/* since 1970 */
	uint32_t		 repeat_key;
	struct logline_string	 role;		/* who says it */
	struct logline_string	 event;		/* "session"; "" for prose */
	struct logline_string	 text;		/* prose; "" for an event */
	struct logline_field	 fields[LOGLINE_FIELDS_MAX];
	size_t			 nfields;
};

struct logline_string	 logline_string(const char *s);

/* Add a field; one more than LOGLINE_FIELDS_MAX is left out. */
void	 logline_add(struct logline *l, enum logline_kind kind,
	    const char *name, const char *value);

/* Encode; wr_ok() tells whether it fitted. */
void	 logline_encode(struct wr *w, const struct logline *l);

/*
 * Decode what logline_encode() wrote; the strings point into r's bytes.
 * Returns 0, or -1 when it is malformed.
 */
int	 logline_decode(struct rd *r, struct logline *l);

/*
 * Render one line with its newline into buf of LOGLINE_TEXT_MAX bytes,
 * without the NUL.  Returns the bytes.  The process id is the sender's, as the
 * kernel tells it.  logline_text() puts the time in front only if `stamp'.
 */
size_t	 logline_text(const struct logline *l, pid_t pid, bool stamp,
	    char *buf);
size_t	 logline_json(const struct logline *l, pid_t pid, char *buf);

const char	*logline_level_name(enum logline_level level);

#endif
