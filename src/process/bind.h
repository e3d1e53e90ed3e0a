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

struct bound {
	struct net_spec	 spec;
	int		 fd;
	char		*path;		/* in the file system, or NULL */
	ino_t		 ino;		/* of that path as we made it */
	bool		 keep;		/* control's: of every generation */
	bool		 fresh;		/* of a generation not in effect yet */
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
};

struct ports {
	struct bound		**v;
	size_t			  n;
	struct inherited	 *inherited;	/* that nobody has used yet */
	size_t			  ninherited;
};

/*
 * Take the sockets that LISTEN_FDS announces (sd_listen_fds(3)) and forget
 * the variables.  They are used where a configuration names their address.
 */
void	 bind_inherit(struct ports *ports);

/* Close those that no listener wanted, saying so. */
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

/* These are in effect: whatever is in none of them is to be closed. */
void	 bind_commit(struct ports *ports, const struct binding *bindings,
	    size_t n);

/* They will not be: close what was opened for them. */
void	 bind_abandon(struct ports *ports);

/*
 * Close what is to be closed and has no connection waiting, or has had its
 * time.  Returns when to look again, INT64_MAX for never.
 */
int64_t	 bind_tidy(struct ports *ports);

/* Refuse connections from now on, in every process that has a copy. */
void	 bind_shut(const struct ports *ports);

/* Close and free; remove paths that are still ours unless `leave'. */
void	 bind_free(struct ports *ports, bool leave);

#endif
