/*
 * fdpass.h - datagrams between processes, with descriptors beside them.
 */
#ifndef BASE_FDPASS_H
#define BASE_FDPASS_H

#include <sys/types.h>

#include <stddef.h>

#include "base/msg.h"

/*
 * Send one datagram, with nfds descriptors (at most MSG_FDS_MAX), which
 * stay the caller's too.  Never waits.  Returns 0, or -1 with errno.
 */
int	 fdpass_send(int sock, const void *data, size_t len, const int *fds,
	    size_t nfds);

/*
 * Receive one datagram; never waits, whatever a peer that has the socket
 * too may have made of it.  Descriptors that came are put in fds, close-on-exec
 * and the caller's to close, the other places hold -1.  Returns the bytes, 0
 * at end of file, -1 with errno; EMSGSIZE when bytes or descriptors were
 * cut off (what had come is closed).
 */
ssize_t	 fdpass_recv(int sock, void *data, size_t size,
	    int fds[MSG_FDS_MAX]);

/* Close those that are not -1, and make them so. */
void	 fdpass_close(int fds[MSG_FDS_MAX]);

#endif
