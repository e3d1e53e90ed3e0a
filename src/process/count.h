/*
 * count.h - who is let in, and what each client holds.
 *
 * Counts the sessions of listeners and of sources, for all generations
 * together; place.h has those of servers.  What a client says is judged
 * here: it may name only what its pool has in the generation that it names,
 * and has one session at most.
 */
#ifndef PROCESS_COUNT_H
#define PROCESS_COUNT_H

#include <sys/queue.h>

#include <stdbool.h>
#include <stdint.h>

#include "policy/access.h"
#include "process/ask.h"
#include "process/place.h"
#include "process/setup.h"

#define COUNT_SOURCES_MAX	16384	/* of all listeners */
#define COUNT_SETTLE_MS		300	/* in which those who hold tell */

struct door;			/* a listener, by its name */

/* Who asks before all that was held is counted again. */
enum client_early {
	CLIENT_NO,
	CLIENT_ADMIT,
	CLIENT_PLACE,
};

/* One worker's line; zeroed but for its pool.  It must not move. */
struct client {
	struct place		 place;		/* first: see on_placed() */
	char			 pool[SETUP_NAME_MAX];
	struct door		*door;		/* it was let in, or NULL */
	struct access_source	 source;
	bool			 counted;	/* in the table of sources */
	bool			 in_handshake;
	TAILQ_ENTRY(client)	 handshake;	/* oldest first */
	enum client_early	 early;
	TAILQ_ENTRY(client)	 wait;
	uint32_t		 generation, index;	/* what it asked for */
	uint64_t		 key, tried;
};

/* Answers, which may come at once or later; they must not end a client. */
struct count_hooks {
	void	(*admitted)(void *ctx, struct client *c,
		    enum ask_verdict verdict);
	void	(*placed)(void *ctx, struct client *c,
		    enum ask_verdict verdict, size_t place, uint32_t index);
	void	(*yield)(void *ctx, struct client *c);
	void	(*failed)(void *ctx, struct server *s);	/* so it is said */
	void	*ctx;
};

struct count;

struct count	*count_new(struct loop *loop, struct servers *servers,
		    const struct count_hooks *hooks);
/* All clients must have ended. */
void		 count_free(struct count **count);

/* Wait for those who hold something from before us to say so. */
void		 count_settle(struct count *count);

/* The requests of ask.h.  -1 when the client may not say that: drop it. */
int	 count_admit(struct count *count, struct client *c,
	    uint32_t generation, uint32_t listener,
	    const struct access_source *source);
int	 count_established(struct count *count, struct client *c);
int	 count_place(struct count *count, struct client *c,
	    uint32_t generation, uint32_t backend, uint64_t key,
	    uint64_t tried);
int	 count_failed(struct count *count, struct client *c,
	    uint32_t generation, uint32_t server);
int	 count_hold(struct count *count, struct client *c,
	    uint32_t generation, uint32_t listener,
	    const struct access_source *source, uint32_t server,
	    bool established);

/* It holds and waits for nothing any more; also before it is freed. */
void	 count_release(struct count *count, struct client *c);

/* There may be room for those who wait for this backend. */
void	 count_room(struct count *count, struct group *g);

/* A generation has gone, and listeners with it. */
void	 count_sweep(struct count *count);

/* An entry of the table of sources, its listener in the newest generation. */
struct count_source {
	uint32_t		 listener;
	struct access_source	 source;
	uint32_t		 live, refused, held_ms;
};

/*
 * The entries from the `first' on, at most `max'; returns how many, with how
 * many there are in all in *total.
 */
size_t	 count_sources(struct count *count, uint32_t first,
	    struct count_source *out, size_t max, uint32_t *total);

#endif
