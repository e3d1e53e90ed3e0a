/*
 * conf_text.h - what libconfig reads as something else than was written.
 *
 * libconfig ends a text at a NUL byte and a string at "\x00", wraps 5000000000
 * to 705032704 and takes 010 for 10, all without a word.  These are
 * found here, before it reads the text.
 */
#ifndef POLICY_CONF_TEXT_H
#define POLICY_CONF_TEXT_H

#include <stddef.h>

/*
 * Look through len bytes.  Returns NULL when all will be read as it stands,
 * else what is wrong, with its line, counted from 1, in *line.
 */
const char	*conf_text_check(const char *text, size_t len,
		    unsigned int *line);

#endif
