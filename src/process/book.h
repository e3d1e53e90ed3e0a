/*
 * book.h - the address book: what is known of servers now.
 *
 * One entry for each server of a generation, by conf_server.index.  The
 * keeper writes; everyone else has it read-only.
 */
#ifndef PROCESS_BOOK_H
#define PROCESS_BOOK_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/net.h"

#define BOOK_ADDRS_MAX	16	/* of one name; more are left out */

/* What the administrator wants of a server. */
enum book_mode {
	BOOK_READY,
	BOOK_DRAIN,		/* no new sessions */
	BOOK_MAINT,		/* nor checks */
};

enum book_state {
	BOOK_UP,
	BOOK_FAILED,		/* a dial failed; last resort until one does
				   not */
	BOOK_DOWN,		/* so the checks say: not to be dialled */
};

struct book_entry {
	_Atomic uint32_t	 state;		/* enum book_state */
	_Atomic uint32_t	 mode;		/* enum book_mode */
	_Atomic uint32_t	 weight;	/* 0 to 256 */
	_Atomic uint32_t	 sessions;	/* placed by the keeper */
	_Atomic uint32_t	 queued;	/* waiting for its backend; the
						   same in all of its servers */
	_Atomic uint32_t	 failures;	/* dials and checks, ever */
	_Atomic int64_t		 since_us;	/* of state, io_now_us() */
	_Atomic uint32_t	 version;	/* odd while it changes */
	uint32_t		 n;		/* of a name; else 0 */
	struct net_addr		 addrs[BOOK_ADDRS_MAX];
};

/* Bytes that a book of so many servers takes; never 0. */
size_t	 book_size(size_t servers);

/* Map a book; NULL with errno. */
struct book_entry	*book_map_writable(int fd, size_t servers);
const struct book_entry	*book_map(int fd, size_t servers);

void	 book_write(struct book_entry *e, const struct net_addr *addrs,
	    size_t n);

/* Has a keeper ever written it?  A book begins as zeros. */
bool	 book_is_written(const struct book_entry *e);

/* Copy an entry's addresses, at most `max'; returns how many. */
size_t	 book_read(const struct book_entry *e, struct net_addr *addrs,
	    size_t max);

#endif
