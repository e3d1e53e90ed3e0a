/*
 * conf_text.h - a configuration as libconfig's lexer sees it.
 *
 * libconfig ends a text at a NUL byte and a string at "\x00", takes the rest
 * of a text for a comment that has no end, wraps 5000000000 to 705032704 and
 * takes 010 for 10, all without a word.  These are found here, before it
 * reads the text; as are the lines that it would follow to other files.
 */
#ifndef POLICY_CONF_TEXT_H
#define POLICY_CONF_TEXT_H

#include <stdbool.h>
#include <stddef.h>

/*
 * Look through len bytes.  Returns NULL when all will be read as it stands,
 * else what is wrong, with its line, counted from 1, in *line.
 */
const char	*conf_text_check(const char *text, size_t len,
		    unsigned int *line);

/* A walk through a text; it owns nothing. */
struct conf_walk {
	const char	*p, *start, *end;
	unsigned int	 line;		/* of p, counted from 1 */
};

struct conf_directive {
	const char	*start, *end;	/* blanks, @include, the string */
	const char	*name;		/* within the quotes */
	size_t		 len;
	unsigned int	 line;
};

/*
 * Step to behind the next @include "NAME", which stands first on its line and
 * neither in a comment nor in a string.  Returns whether there is one; len is
 * 0 where the name is empty or does not end on its line.
 */
void	 conf_walk_init(struct conf_walk *w, const char *text, size_t len);
bool	 conf_walk_include(struct conf_walk *w, struct conf_directive *d);

#endif
