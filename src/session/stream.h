/*
 * stream.h - a connection that may be plain or TLS.
 *
 * The five calls behave as those of sockets do that never block, so a flow
 * (flow.h) moves bytes the same way whatever the connection is.  What TLS
 * adds: bytes may wait in memory while poll(2) shows nothing to read, and to
 * read it may have to write.  stream_pending() and stream_wants() tell.
 *
 * A stream does not own its descriptor, which is non-blocking.  TLS streams
 * are made by tls.h.
 */
#ifndef SESSION_STREAM_H
#define SESSION_STREAM_H

#include <sys/types.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "session/end.h"
#include "session/told.h"

struct stream;

/* What a kind of stream is; each may be called with any descriptor state. */
struct stream_ops {
	ssize_t	 (*read)(struct stream *s, void *buf, size_t size);
	ssize_t	 (*write)(struct stream *s, const void *data, size_t len);
	bool	 (*pending)(const struct stream *s);
	void	 (*shut)(struct stream *s);
	void	 (*free)(struct stream *s);
};

/* First in whatever a kind adds. */
struct stream {
	const struct stream_ops	*ops;
	int			 fd;
	/*
	 * What the last read or write that gave EAGAIN waits for: POLLIN or
	 * POLLOUT.
	 */
	short			 read_wants, write_wants;
};

struct stream	*stream_new_plain(int fd);
/* Frees what it is; the descriptor stays open.  NULL is fine. */
void		 stream_free(struct stream **s);

/* As recv(2) and send(2): bytes, 0 for an orderly end, -1 with errno. */
ssize_t		 stream_read(struct stream *s, void *buf, size_t size);
ssize_t		 stream_write(struct stream *s, const void *data, size_t len);
/* Are there bytes to be read that poll(2) does not know of? */
bool		 stream_pending(const struct stream *s);
/* Nothing more is written: tell the peer so, without waiting. */
void		 stream_shut(struct stream *s);

/*
 * Exactly len bytes, until `deadline' (io_now_ms), hearing signals; `told' may
 * be NULL.  0, or -1 with *end: END_TIMEOUT, what told.h says, or the
 * `reset' of the caller, also for an orderly end.
 */
int		 stream_read_all(struct stream *s, void *buf, size_t len,
		    int64_t deadline, const struct told *told,
		    enum end reset, enum end *end);
int		 stream_write_all(struct stream *s, const void *data,
		    size_t len, int64_t deadline, const struct told *told,
		    enum end reset, enum end *end);

#endif
