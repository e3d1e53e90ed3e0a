/*
 * place.h - which server takes a session, and who waits for one with room.
 *
 * Sessions of servers are counted for all generations together.  Where all
 * servers that are up have what they may have, a session waits in the
 * queue of its backend; a place that becomes free is for the first of
 * those who can have it.
 */
#ifndef PROCESS_PLACE_H
#define PROCESS_PLACE_H

#include <sys/queue.h>

#include <stdbool.h>
#include <stdint.h>

#include "base/loop.h"
#include "process/ask.h"
#include "process/servers.h"

/* What one session has, or waits for; zeroed.  It must not move. */
struct place {
	struct server		*server;	/* it has, or NULL */
	struct group		*group;		/* in whose queue, or NULL */
	TAILQ_ENTRY(place)	 wait;
	struct timer		 timer;		/* of the queue */
	struct places		*places;
	uint32_t		 generation, backend;
	uint64_t		 key, tried;
};

/* `index' is the server's in its backend, `server' among all. */
typedef void	 place_answer(void *ctx, struct place *p,
		    enum ask_verdict verdict, size_t index, uint32_t server);

struct places;

/* `answer' may be called from within, or later; it must not free p. */
struct places	*places_new(struct loop *loop, struct servers *servers,
		    place_answer *answer, void *ctx);
/* Nobody may have or want a place any more. */
void		 places_free(struct places **places);

/*
 * Want a server of a backend, which the generation must have; see
 * MSG_PLACE.  What p had or waited for it has no more.
 */
void	 place_ask(struct places *places, struct place *p,
	    uint32_t generation, uint32_t backend, uint64_t key,
	    uint64_t tried);

/* It has that one, whatever the limits say: it had it before. */
void	 place_hold(struct place *p, struct server *s);

/* It neither has a server nor waits for one. */
void	 place_leave(struct places *places, struct place *p);

/* There may be room for those who wait for this backend. */
void	 place_room(struct places *places, struct group *g);

#endif
