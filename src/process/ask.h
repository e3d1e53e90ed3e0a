/*
 * ask.h - a worker's line to the keeper, who counts for all of them.
 *
 * Two questions, asked only where the configuration needs them: may this
 * session begin (ADMIT), and which server takes it (PLACE).  What the worker
 * holds counts until ask_release() or until the worker ends, which the keeper
 * sees as the end of its channel.  When the keeper dies, the worker
 * tells its successor what it holds (MSG_HOLD).
 *
 *	MSG_ADMIT	generation u32, listener u32, source (9 bytes)
 *			-> enum ask_verdict u32
 *	MSG_ESTABLISHED	nothing; the handshake is over
 *	MSG_PLACE	generation u32, backend u32, key u64, tried u64 (bits
 *			of the backend's servers)
 *			-> enum ask_verdict u32, server u32 (its place in the
 *			backend), its conf_server.index u32; the answer may
 *			take the queue's timeout; who had a place moves
 *	MSG_FAILED	generation u32, server u32 (conf_server.index): it
 *			could not be dialled; whoever was placed there is not
 *			any more
 *	MSG_RELEASE	nothing; the session is over
 *	MSG_HOLD	generation u32, listener u32 or ~0, source (9 bytes),
 *			server (index) u32 or ~0, established u32
 *	MSG_YIELD	from the keeper: the handshake takes too long while
 *			others wait
 *	MSG_SOURCES	first u32 -> total u32, then entries: listener u32
 *			(of the newest generation), source (9 bytes), live
 *			u32, refused u32, held u32 (ms)
 */
#ifndef PROCESS_ASK_H
#define PROCESS_ASK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "policy/access.h"
#include "session/end.h"

enum ask_verdict {
	ASK_OK,
	ASK_SESSIONS,		/* the listener has max_sessions */
	ASK_SOURCE_SESSIONS,
	ASK_SOURCE_RATE,
	ASK_SOURCE_HELD,	/* still within its penalty */
	ASK_SOURCES_FULL,	/* the table of sources is */
	ASK_QUEUE_FULL,
	ASK_QUEUE_TIMEOUT,
	ASK_NO_SERVER,		/* none is up */
	ASK_GIVE_WAY,		/* MSG_YIELD came while it waited */
};

/* Half a sentence for the log: "more than max_sessions_per_source". */
const char	*ask_text(enum ask_verdict verdict);

/* In place of a listener's or a server's number. */
#define ASK_NOTHING	UINT32_MAX

struct ask;

/*
 * Hello is said when something is first asked.  rendezvous stays open.
 * SIGIO must be among the signals of sig_init(), or the first message ends
 * the process; SIG_KILLED, if it is, ends a wait with END_KILLED.
 */
struct ask	*ask_new(int rendezvous, uint32_t generation);
void		 ask_free(struct ask **ask);

/*
 * Ask, and wait until `deadline' (io_now_ms).  `front' is watched: a client
 * that has gone wants no answer; SIGTERM and the like end the wait too.
 * Returns 0 with *verdict, or -1 with *end.  A keeper that is being
 * restarted is waited for.
 */
int	 ask_admit(struct ask *a, uint32_t listener,
	    const struct access_source *source, int front, int64_t deadline,
	    enum ask_verdict *verdict, enum end *end);
/* *server is the place in the backend. */
int	 ask_place(struct ask *a, uint32_t backend, uint64_t key,
	    uint64_t tried, int front, int64_t deadline,
	    enum ask_verdict *verdict, size_t *server, enum end *end);

/* These need no answer and never wait. */
void	 ask_established(struct ask *a);
void	 ask_failed(struct ask *a, uint32_t server_index);
void	 ask_release(struct ask *a);

/*
 * Let go of what is held, for another process to hold on: its line, which
 * is not released by us any more.  False when nothing is held.  What goes
 * with it is to be sent there; ask_adopt() takes the line over.  The new
 * holder is silent until the line ends, then it tells the next keeper.
 */
struct ask_held {
	uint32_t		 generation;
	uint32_t		 listener;	/* or ASK_NOTHING */
	uint32_t		 server;	/* or ASK_NOTHING */
	struct access_source	 source;
};
bool		 ask_holds(const struct ask *a, struct ask_held *held,
		    int *line);
void		 ask_let_go(struct ask *a);
struct ask	*ask_adopt(int rendezvous, const struct ask_held *held,
		    int line);

/* Its generation goes: the next keeper is told in those numbers. */
void		 ask_renumber(struct ask *a, const struct ask_held *held);

/*
 * For who has many lines and takes SIGIO once for all, before he looks at
 * any: take what is on this one.  False when something is held that the
 * keeper could not be told: to be called again in a while.
 */
bool		 ask_look(struct ask *a);

/*
 * SIGIO has come: something is on the line while nothing was asked.
 * Returns true when the session is to give way (MSG_YIELD).
 */
bool	 ask_hear(struct ask *a);

#endif
