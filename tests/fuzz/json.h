/*
 * json.h - a strict reader of one flat JSON object (RFC 8259), for tests.
 *
 * It takes an object whose values are strings, numbers, arrays of these (and
 * arrays of arrays), true, false and null, and refuses all that the grammar
 * does not have: control bytes, broken UTF-8, unknown escapes, numbers such as
 * 01 or 1., white space, anything behind it.  A lone low surrogate \udc80 to
 * \udcff stands for that byte, as in Python's surrogateescape; any other lone
 * surrogate is refused.
 */
#ifndef FUZZ_JSON_H
#define FUZZ_JSON_H

#include <stdbool.h>
#include <stddef.h>

/*
 * A member; name and value as bytes, escapes undone.  What is `raw' is no
 * string, and the value as it stands.
 */
typedef void	 json_member(void *ctx, const char *name, size_t name_len,
		    bool raw, const char *value, size_t value_len);

/*
 * Read all len bytes as one object; `each' may be NULL.  False when it is
 * not one.
 */
bool	 json_object(const char *p, size_t len, json_member *each, void *ctx);

#endif
