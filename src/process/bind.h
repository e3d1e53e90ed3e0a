/*
 * bind.h - the listening sockets, which the master binds and keeps.
 *
 * A socket lives as long as some generation wants its address: a reload
 * finds those that stay, opens those that come, and lets go of those that
 * are gone only when what was waiting in them has been taken.
 */
#ifndef PROCESS_BIND_H
#define PROCESS_BIND_H

#include <sys/types.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "policy/conf.h"

#define BIND_CLAIMS_MAX	8

/* Who asked for a socket that is mapped. */
struct bound_claim {
	pid_t		 owner;		/* 0, the broker; or a link */
	uint32_t	 id;		/* by which that one knows it */
	uint32_t	 generation;	/* of a link */
};

struct bound {
	struct net_spec	 spec;
	int		 fd;
	char		*path;		/* in the file system, or NULL */
	ino_t		 ino;		/* of that path as we made it */
	bool		 keep;		/* control's: of every generation */
	bool		 lent;		/* not ours to shut, nor its path */
	bool		 heir;		/* it will be: of our predecessor */
	bool		 fresh;		/* of a generation not in effect yet */
	bool		 mapped;	/* an agent's, or a hub's: of no
					   generation */
	/* Until the link of one generation leaves that of the next has it. */
	struct bound_claim claims[BIND_CLAIMS_MAX];
	size_t		 nclaims;
	int64_t		 claim_by;	/* io_now_ms(), to be asked for again;
					   or 0 */
	int64_t		 close_by;	/* io_now_ms(); 0: it is wanted */
};

/* A listener of one generation and a socket of its. */
struct binding {
	size_t		 listener;	/* index in its configuration */
	struct bound	*bound;
};

struct inherited {
	int	 fd;
	char	*name;			/* as LISTEN_FDNAMES has it, or "" */
	bool	 heir;
};

struct ports {
	struct bound		**v;
	size_t			  n;
	struct inherited	 *inherited;	/* that nobody has used yet */
	size_t			  ninherited;
	const struct conf	 *conf;		/* in effect, or NULL */
	const struct binding	 *bindings;	/* its */
	size_t			  nbindings;
};

/* By this name a daemon hands its successor what it made itself. */
#define BIND_OURS	"sallyport"

/*
 * Take the sockets that LISTEN_FDS announces (sd_listen_fds(3)) and forget
 * the variables.  They are used where a configuration names their address.
 * They stay the business of who handed them to us; what our predecessor
 * made becomes ours with bind_disinherit().
 */
void	 bind_inherit(struct ports *ports, bool predecessor);

/*
 * Nobody before us serves any more.  Close what no listener wanted, saying
 * so; of a predecessor's too nobody is to keep it listening.
 */
void	 bind_disinherit(struct ports *ports);

/*
 * Have a socket for every address of every listener.  Returns 0 with
 * *out and *n, or an exit status (1, or 77 for lack of permission) with the
 * report; then nothing has changed.
 */
int	 bind_conf(struct ports *ports, const struct conf *conf,
	    struct binding **out, size_t *n, struct conf_report *report);

/* The same for one socket at a path, of that mode and group. */
struct bound	*bind_control(struct ports *ports, const struct conf *conf,
		    struct conf_report *report);

/*
 * These are in effect, and must live on until the next are: whatever is in
 * none of them is to be closed.
 */
void	 bind_commit(struct ports *ports, const struct conf *conf,
	    const struct binding *bindings, size_t n);

/*
 * Those of the last bind_conf() will not be: close what was opened for them
 * in every process, and give the rest back the options it had.
 */
void	 bind_abandon(struct ports *ports);

/*
 * A socket at that address for whom that is.  One that is mapped already is
 * the same, unless the broker and a link, or two links of one generation,
 * would have it.  NULL with errno.
 */
struct bound	*bind_map(struct ports *ports, const struct net_addr *a,
		    const struct bound_claim *who);
/* That one wants it no more; when nobody else does, it is closed. */
void		 bind_unmap(struct ports *ports, pid_t owner, uint32_t id);
/* The owner is no more: who comes after it asks for those that it wants. */
void		 bind_orphan(struct ports *ports, pid_t owner);

/*
 * Close what is to be closed and has no connection waiting, or has had its
 * time.  Returns when to look again, INT64_MAX for never.
 */
int64_t	 bind_tidy(struct ports *ports);

/*
 * Refuse connections from now on, in every process that has a copy; but
 * those that were lent to us wait for whoever is next.
 */
void	 bind_shut(const struct ports *ports);

/* Close and free; remove paths that are still ours unless `leave'. */
void	 bind_free(struct ports *ports, bool leave);

#endif
