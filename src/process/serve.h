/*
 * serve.h - one session, from accept to its line in the log.
 */
#ifndef PROCESS_SERVE_H
#define PROCESS_SERVE_H

#include <stdbool.h>
#include <stdint.h>

#include "policy/totp_text.h"
#include "process/ask.h"
#include "process/handover.h"
#include "process/route.h"
#include "process/scoreboard.h"
#include "session/pipes.h"
#include "session/relay.h"
#include "session/told.h"

struct broker_line;
struct code_line;
struct contexts;
struct caller;
struct job;
struct line;
struct record_lanes;
struct sign_line;

/* What a worker has for all its sessions. */
struct server {
	const char	*pool;		/* its name */
	struct router	 router;
	struct sb_worker *board;
	struct ask	*ask;
	struct handover	 handover;
	int		 cpus;
	struct told	 told;		/* of what the keeper says */
	uint32_t	 generation;
	uint64_t	 next_id;
	uint8_t		*buf;		/* for both directions */
	struct pipes	*pipes;		/* as well */
	const struct contexts *contexts;	/* or NULL: no TLS at all */
	struct sign_line *signer;	/* or NULL: nobody has keys */
	int		 dbclient_fd;	/* to say hello to it, or -1 */
	struct code_line *codes;	/* or NULL: no codes anywhere */
	char		 code_user[TOTP_NAME_MAX];	/* who logged in by
						   one; or "" */
	int64_t		 code_look_at;	/* io_now_ms(): is he still one */
	struct broker_line *broker;	/* or NULL */
	struct line	*proofs;	/* to auth, or NULL: no tunnels */
	const struct record_lanes *records;
	const struct guess *crashers;	/* by sources */
	bool		 spent;		/* it has read what only one session
					   may have said */
};

/*
 * Serve one client from its first byte to its last.  Takes over fd.
 * Whatever happens, the session leaves one line in the log, from here.
 */
void	 serve(struct server *s, size_t listener, int fd,
	    const struct net_addr *peer);

/*
 * Do what the link to a hub wants: open a data connection, and serve the user
 * who may come by it.
 */
void	 serve_job(struct server *s, const struct job *job);

/* Serve who came by a mapping.  Takes over fd. */
void	 serve_caller(struct server *s, const struct caller *c, int fd);

/*
 * Close both sides of a relay that is over: with a reset where its stream
 * was cut off, which must not look like one that ended.
 */
void	 serve_close(const struct relay *r);

/*
 * The line of the session that a process had when it died, if it had one and
 * nobody else may have taken it: from whoever finds its record.
 */
void	 serve_log_lost(const struct sb_worker *w, enum end end,
	    const char *why);

/*
 * The line in the log that each session leaves, from whoever ends it.  `why'
 * may be NULL.
 */
void	 serve_log(const struct sb_session *s, uint64_t up, uint64_t down,
	    const char *end, const char *why);

#endif
