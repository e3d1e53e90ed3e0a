/*
 * paces.h - where a hub's limits on bandwidth are counted: buckets in memory
 * that the broker shares with the workers whose sessions they hold.
 *
 * A worker that is broken into can lift or tighten these limits, for all whose
 * sessions it might have had; it can do no more.
 */
#ifndef PROCESS_PACES_H
#define PROCESS_PACES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "policy/conf.h"
#include "session/pace.h"

struct paces;

/* What a session is held by, as one build hands it to itself. */
struct paces_found {
	int64_t		 rate[PACE_BUCKETS];	/* bytes a second; 0: none */
	uint32_t	 slot[PACE_BUCKETS];
};

/* The broker's.  Logs and returns NULL without memory to share. */
struct paces	*paces_new(void);
int		 paces_fd(const struct paces *p);

/* What an agent and a topic may have now.  False: as much as there is. */
bool		 paces_find(struct paces *p, const struct conf *conf,
		    const char *agent, const char *topic,
		    struct paces_found *found);
/* Slots of those that have no limit any more are for others. */
void		 paces_tidy(struct paces *p, const struct conf *conf);

/*
 * A worker's: map them, and fill in what holds its session, up and down.  The
 * map, for paces_unmap(), or NULL with errno; fd stays the caller's.
 */
void		*paces_map(int fd, const struct paces_found *found,
		    struct pace pace[2]);
void		 paces_unmap(void *map);	/* NULL is fine */

#endif
