/*
 * conf_include.h - a configuration with all that it includes, as one text.
 *
 * @include "FILE" at the beginning of a line gives way to the text of FILE,
 * which is looked for in the folder of the file that holds the line, up to
 * ten files deep.  libconfig's own way differs between its versions, and it
 * ends the program over a file that it cannot read; so it sees none of these
 * lines.  For each line of the whole it is known where it came from.
 *
 * Only regular files are opened, without waiting: root reads here.
 */
#ifndef POLICY_CONF_INCLUDE_H
#define POLICY_CONF_INCLUDE_H

#include <stddef.h>

#include "policy/conf_report.h"

#define CONF_FILE_MAX	(1024 * 1024)		/* bytes of one file */
#define CONF_TOTAL_MAX	(4 * CONF_FILE_MAX)	/* and of all */

struct conf_include;

/*
 * Read a file, or text of len bytes that stands under `name', and all that it
 * includes.  What is read from files is taken off *left, which begins as
 * CONF_TOTAL_MAX.  Returns NULL with the reasons in the report: what cannot
 * be read, and what libconfig would misread (conf_text.h).
 */
struct conf_include	*conf_include_file(const char *path, size_t *left,
			    struct conf_report *report);
struct conf_include	*conf_include_text(const char *name, const char *text,
			    size_t len, size_t *left,
			    struct conf_report *report);
void			 conf_include_free(struct conf_include **inc);

/* The whole; it ends with a NUL. */
const char		*conf_include_whole(const struct conf_include *inc);

/* Where a line of the whole came from: the name of its file and *line. */
const char		*conf_include_place(const struct conf_include *inc,
			    unsigned int whole_line, unsigned int *line);

#endif
