/*
 * book.h - the address book: what names stand for now.
 *
 * The keeper looks names up and writes; everyone else has it read-only.
 * There is an entry for each server, by conf_server.index; those whose
 * address needs no look-up stay empty.
 */
#ifndef PROCESS_BOOK_H
#define PROCESS_BOOK_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "base/net.h"

#define BOOK_ADDRS_MAX	16	/* of one name; more are left out */

struct book_entry {
	_Atomic uint32_t	 version;	/* odd while it changes */
	uint32_t		 n;
	struct net_addr		 addrs[BOOK_ADDRS_MAX];
};

/* Bytes that a book of so many names takes. */
size_t	 book_size(size_t names);

/* Map a book; NULL with errno. */
struct book_entry	*book_map_writable(int fd, size_t names);
const struct book_entry	*book_map(int fd, size_t names);

void	 book_write(struct book_entry *e, const struct net_addr *addrs,
	    size_t n);

/* Copy an entry's addresses, at most `max'; returns how many. */
size_t	 book_read(const struct book_entry *e, struct net_addr *addrs,
	    size_t max);

#endif
