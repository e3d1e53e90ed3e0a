/*
 * control_board.h - the scoreboards of all spawners, as control sees them.
 *
 * Each spawner has one, mapped read-only here, and a channel to control whose
 * end of stream says that this spawner is gone.  Workers write the pages, and
 * any of them may be broken: whatever is found is copied, its texts are ended,
 * and a record that stays torn is passed over.
 */
#ifndef PROCESS_CONTROL_BOARD_H
#define PROCESS_CONTROL_BOARD_H

#include <sys/types.h>

#include "process/scoreboard.h"
#include "process/setup.h"

#define BOARDS_MAX		1024	/* spawners, old ones included */
#define BOARDS_PAGES_MAX	65536	/* of one */

struct board {
	uint64_t		 serial;	/* never used again */
	struct setup_board	 info;
	struct scoreboard	 sb;
	int			 channel;	/* to the spawner */
};

struct boards {
	struct board	*v;		/* by serial, ascending */
	size_t		 n;
	uint64_t	 last;		/* serial given */
};

/* A place in a walk over all pages; begins as zeros. */
struct board_cursor {
	uint64_t	 serial;
	uint32_t	 slot;
	bool		 end;		/* that was all */
};

/* What a busy worker was doing when we looked. */
struct board_session {
	uint64_t		 serial;	/* of the board */
	uint32_t		 slot;
	uint32_t		 generation;
	const char		*pool;		/* valid until a board goes */
	pid_t			 pid;
	uint64_t		 up, down;
	struct sb_session	 s;
};

struct board_totals {
	size_t	 workers;
	size_t	 idle;
	size_t	 sessions;
};

/* Map one; takes over both descriptors whatever happens.  0, or -1, errno. */
int	 boards_add(struct boards *bs, const struct setup_board *info,
	    int page_fd, int channel);
void	 boards_remove(struct boards *bs, size_t i);

/* The board of that serial, or NULL. */
const struct board	*boards_find(const struct boards *bs,
			    uint64_t serial);

/*
 * The next session from *at on, looking at no more than *pages pages,
 * which are counted off.  False when there was none among them; at->end tells
 * whether that was all.
 */
bool	 boards_next(const struct boards *bs, struct board_cursor *at,
	    size_t *pages, struct board_session *out);

/* Is the worker there still at the session of that id? */
bool	 boards_has(const struct boards *bs, uint64_t serial, uint32_t slot,
	    uint64_t id);

void	 board_count(const struct board *b, struct board_totals *t);

#endif
