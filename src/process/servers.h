/*
 * servers.h - what the keeper knows of servers, whatever generation asks.
 *
 * A server is the same one in all generations of the configuration that
 * have it under the same backend with the same text; so its state, its
 * sessions and what was set at run time outlive a reload.  Whatever
 * changes is written to the books of all generations at once.
 *
 * The table owns all of it.  A server that no generation has any more lives
 * on while sessions are placed on it, a group while some wait for it.
 */
#ifndef PROCESS_SERVERS_H
#define PROCESS_SERVERS_H

#include <sys/queue.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/loop.h"
#include "policy/conf.h"
#include "process/book.h"
#include "process/names.h"

struct place;			/* see place.h */
struct check;			/* see check.h */

/* A backend. */
struct group {
	char			*name;
	uint64_t		 turn;		/* of leastconn */
	TAILQ_HEAD(, place)	 queue;		/* who wait for a place */
	size_t			 queued;
	struct server		**servers;	/* all that are its */
	size_t			 nservers;
	bool			 used;		/* by a generation */
};

struct server {
	char				*text;		/* its address */
	char				*label;		/* for the log */
	struct group			*group;
	const struct conf_server	*conf;		/* the newest that is
							   in effect, or NULL */
	const struct conf_backend	*backend;	/* the same */
	enum book_state			 state;
	int64_t				 since_us;	/* of state */
	enum book_mode			 mode;
	uint32_t			 weight;
	int64_t				 conf_weight;	/* it was set over */
	uint32_t			 sessions;
	uint32_t			 failures;
	struct name			*name;		/* NULL: a number */
	struct net_addr			 addrs[BOOK_ADDRS_MAX];
	size_t				 n;
	struct check			*check;
	struct book_entry		**entries;	/* one a generation */
	size_t				 nentries;
	RB_ENTRY(server)		 link;
};

/* A generation, with the shared objects by its own indices. */
struct generation {
	uint32_t		 number;
	const struct conf	*conf;
	struct book_entry	*book;
	struct server		**servers;	/* conf->nservers */
	struct group		**groups;	/* conf->nbackends */
	bool			 in_effect;	/* it was, or is */
};

struct servers;

/* What follows from a change is others' business. */
struct servers_hooks {
	void	(*changed)(void *ctx, struct server *s);	/* its conf */
	void	(*gone)(void *ctx, struct server *s);
	void	(*room)(void *ctx, struct group *g);	/* there may be more */
	void	*ctx;
};

struct servers	*servers_new(struct loop *loop,
		    const struct servers_hooks *hooks);
void		 servers_free(struct servers **servers);

/*
 * Serve one more generation; conf must live until servers_forget().  What a
 * keeper before us had written to the book is taken over.  0, or -1 with
 * errno.
 */
int		 servers_add(struct servers *servers, uint32_t number,
		    const struct conf *conf, int book_fd);
void		 servers_commit(struct servers *servers, uint32_t number);
void		 servers_forget(struct servers *servers, uint32_t number);

/* NULL when it is not served. */
struct generation	*servers_generation(const struct servers *servers,
			    uint32_t number);
/* The newest in effect, or NULL. */
struct generation	*servers_newest(const struct servers *servers);

/* Does any generation have a listener of that name? */
bool		 servers_has_listener(const struct servers *servers,
		    const char *name);

struct names	*servers_names(const struct servers *servers);

/* Did some book hold what a keeper before us knew? */
bool	 servers_inherited(const struct servers *servers);

/*
 * Changes of a server, written to all books.  A transition between good and
 * bad is logged: `why' for the bad, for how long it was for the good.
 */
void	 server_set_state(struct servers *servers, struct server *s,
	    enum book_state state, const char *why);
void	 server_set_mode(struct servers *servers, struct server *s,
	    enum book_mode mode);
void	 server_set_weight(struct servers *servers, struct server *s,
	    uint32_t weight);
void	 server_failed_once(struct server *s);	/* counted, no more */
void	 server_take(struct server *s);		/* a session is placed */
void	 server_release(struct servers *servers, struct server *s);

/* One more waits, or one less. */
void	 group_queued(struct group *g, bool more);

#endif
