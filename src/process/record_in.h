/*
 * record_in.h - records as they arrive, in parts, and where they are written.
 *
 * Each line of a file is complete, and what could not be written is counted.
 * Of listeners that would rather wait than lose a line, the one that finds no
 * room is kept, and whoever reads the lane must stop.
 */
#ifndef PROCESS_RECORD_IN_H
#define PROCESS_RECORD_IN_H

#include <sys/types.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "process/setup.h"
#include "process/sink.h"
#include "wire/query_record.h"

#define RECORD_PARTIALS_MAX	1024		/* not yet whole, at a time */
#define RECORD_PARTIALS_BYTES	((size_t)256 * 1024 * 1024)	/* in all */

/* One that has begun to arrive. */
struct record_partial {
	pid_t		 pid;			/* whose */
	uint64_t	 session;
	uint32_t	 next, n;		/* parts */
	uint8_t		*p;
	size_t		 len;
};

struct record_file {
	char		*path;
	struct sink	 sink;
	bool		 told;			/* that it has no room */
};

/* Begins as all zero, but for the first two. */
struct record_in {
	const struct setup	*setup;		/* the generations */
	struct sink		*log;		/* or NULL: syslog */
	struct record_file	**files;
	size_t			 nfiles;
	struct record_partial	*partials;
	size_t			 npartials;
	size_t			 bytes;		/* of these */
	uint64_t		 malformed;	/* records, not told of yet */
};

enum record_result {
	RECORD_TAKEN,
	RECORD_LATER,			/* the whole one is to be tried again */
};

/*
 * Open the files that a configuration names, where they are not open.  0, or
 * -1 with errno and *path.
 */
int	 record_in_prepare(struct record_in *in, const struct conf *conf,
	    const char **path);
/* Close those that no generation names. */
void	 record_in_trim(struct record_in *in);

/*
 * One more part, the payload of a message, by a process.  1 when with it a
 * record is whole: then it is at *p until the next call; 0; or -1: malformed.
 */
int	 record_in_part(struct record_in *in, pid_t pid,
	    const uint8_t *payload, size_t size, const uint8_t **p,
	    size_t *len);

/* The listener of that name that has a record, or NULL. */
const struct conf_listener *record_in_listener(const struct record_in *in,
	    struct mysql_bytes name);

/* Write a whole one.  With RECORD_LATER nothing has become of it yet. */
enum record_result	 record_in_write(struct record_in *in,
			    const uint8_t *p, size_t len);

/* Who hears what is to be said of a file; error 0: it can be written again. */
typedef void	 record_in_say(void *ctx, const struct record_file *f,
		    int error, uint64_t lost);

/* Write what waits.  True when nothing does. */
bool	 record_in_flush(struct record_in *in, record_in_say *say, void *ctx);
/* The paths may be other files now; those that cannot be opened go on. */
void	 record_in_reopen(struct record_in *in, record_in_say *say,
	    void *ctx);

#endif
