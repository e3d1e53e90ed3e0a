/*
 * line.h - a worker's line to a service of its pool.
 *
 * Opened by MSG_HELLO through the rendezvous when something is first asked, and
 * again when the service was replaced: what was asked then is asked once more.
 */
#ifndef PROCESS_LINE_H
#define PROCESS_LINE_H

#include <stddef.h>
#include <stdint.h>

#define LINE_WHY_MAX	128	/* bytes */

struct line;

/*
 * rendezvous stays open and the caller's.  `name' is for messages: "the
 * signer"; `role' is its ROLE_.  May be made before workers are forked, as
 * long as nothing is asked before that.
 */
struct line	*line_new(int rendezvous, unsigned int role, const char *name);
void		 line_free(struct line **line);

/*
 * Ask, with `fd' or -1, and wait at most ms, and not on when SIGTERM or
 * SIG_ORPHAN have come; what other signals say stays to be heard.  The answer
 * is `type' + 1, into out of that size: a service that answers more is dialled
 * again.  Its length, or -1 with `why' of LINE_WHY_MAX bytes.
 */
ptrdiff_t	 line_ask(struct line *line, uint16_t type,
		    const void *payload, size_t len, int fd, int ms,
		    uint8_t *out, size_t size, char *why);

/* No line is kept open for the hours of a session. */
void		 line_hang_up(struct line *line);

#endif
