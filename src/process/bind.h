/*
 * bind.h - the listening sockets, which the master binds and keeps.
 */
#ifndef PROCESS_BIND_H
#define PROCESS_BIND_H

#include <stddef.h>

#include "policy/conf.h"

struct bound {
	size_t	 listener;	/* index in the configuration */
	int	 fd;
	char	*path;		/* of a socket in the file system, or NULL */
	ino_t	 ino;		/* of that path as we made it */
};

/*
 * Bind every address of every listener.  Returns 0 with *bound and *n, or an
 * exit status (1, or 77 for lack of permission), having said why.
 */
int	 bind_all(const struct conf *conf, struct bound **bound, size_t *n);

/* Refuse connections from now on, in every process that has a copy. */
void	 bind_shut(const struct bound *bound, size_t n);

/* Remove paths that are still ours, close, free. */
void	 bind_free(struct bound **bound, size_t n);

#endif
