/*
 * names.h - what servers' names stand for, kept fresh by the DNS's own terms.
 *
 * A name is looked up when it is first wanted and again when its answer's
 * time to live is over, all at once and without waiting for any.  One that
 * vanishes keeps its last addresses.
 */
#ifndef PROCESS_NAMES_H
#define PROCESS_NAMES_H

#include <stdbool.h>
#include <stddef.h>

#include "base/loop.h"
#include "base/net.h"

#define NAMES_ADDRS_MAX	16	/* of one name; more are left out */

struct names;
struct name;

/* Called when the addresses of a name are others than before. */
typedef void	 names_changed(void *ctx, const struct name *name);

struct names	*names_new(struct loop *loop, names_changed *changed,
		    void *ctx);
void		 names_free(struct names **names);

/*
 * Keep a name ("db.example:3306", and spec what it was read to) looked up,
 * beginning with the addresses that are known.  Wanted twice, it is the
 * same one, to be unwanted twice.
 */
struct name	*names_want(struct names *names, const char *text,
		    const struct net_spec *spec, const struct net_addr *known,
		    size_t n);
void		 names_unwant(struct names *names, struct name **name);

/* Its addresses now, with the port; valid until the next turn. */
const struct net_addr	*names_addrs(const struct name *name, size_t *n);

size_t		 names_count(const struct names *names);
/* Are there some that were not answered once, well or badly? */
bool		 names_pending(const struct names *names);

/*
 * Milliseconds that an answer is good for: its time to live in seconds,
 * between 1 s and an hour.
 */
int		 names_ttl_ms(long ttl);

#endif
