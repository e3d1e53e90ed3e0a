/*
 * sink.h - lines on their way into a file that may have no room for a while.
 *
 * What the file does not take is kept, up to a bound, and written when it
 * takes it.  A line that was begun is always completed, or begun anew in the
 * file that follows; so there is no half of one and none that is two.
 */
#ifndef PROCESS_SINK_H
#define PROCESS_SINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SINK_BYTES	((size_t)1024 * 1024)	/* that may wait */

struct sink {
	const char	*path;		/* the caller's; NULL: fd is not ours */
	int		 fd;		/* or -1 */
	char		*buf;
	size_t		 room, len;
	size_t		 off;		/* of the line that was begun, and of
					   what follows: written already */
	uint64_t	 lost;		/* lines, not told of yet */
	int		 error;		/* why nothing could be written, or 0 */
};

/* Opened to append, created with mode 0640.  0, or -1 with errno. */
int	 sink_open(struct sink *s, const char *path);
void	 sink_use(struct sink *s, int fd);
/* What was not written is counted in *lost. */
void	 sink_close(struct sink *s, uint64_t *lost);

/*
 * Room for a line of at most `max' bytes, or NULL when too much waits; then
 * sink_add() with its true length.
 */
char	*sink_room(struct sink *s, size_t max);
void	 sink_add(struct sink *s, size_t len);

/* Write what waits.  True when nothing waits any more. */
bool	 sink_flush(struct sink *s);

/*
 * The same path, which may be another file now.  0, or -1 with errno; then
 * the old one goes on.
 */
int	 sink_reopen(struct sink *s);

#endif
