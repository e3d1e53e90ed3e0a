/*
 * stream.h - a connection that may be plain or TLS.
 *
 * The calls behave as those of sockets do that never block, so a flow
 * (flow.h) moves bytes the same way whatever the connection is.  What TLS
 * adds: bytes may wait in memory while poll(2) shows nothing to read, and to
 * read it may have to write.  stream_pending() tells the one, read_wants and
 * write_wants the other.
 *
 * An end is orderly when the peer said so.  With TLS it says close_notify,
 * but most peers of MySQL only end their TCP stream, and that is taken for
 * an orderly end too.  Whoever must know whether a message is whole has to
 * have its length, as MySQL has.
 *
 * A stream does not own its descriptor, which is non-blocking.  SIGPIPE must
 * be ignored.  TLS streams are made by tls.h.
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
	int	 (*shut)(struct stream *s);
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

/*
 * As recv(2) and send(2): bytes, 0 for an orderly end, -1 with errno.  A
 * write that gave EAGAIN is to be tried again with the same bytes, wherever
 * they are by then; more may follow them.
 */
ssize_t		 stream_read(struct stream *s, void *buf, size_t size);
ssize_t		 stream_write(struct stream *s, const void *data, size_t len);
/* May a read give bytes that poll(2) does not know of? */
bool		 stream_pending(const struct stream *s);
/*
 * Nothing more is written: tell the peer so, without waiting.  0, also when
 * there is nobody to tell, or -1 with EAGAIN: to be called again when
 * what write_wants says shows.
 */
int		 stream_shut(struct stream *s);

/*
 * Wait for one of the poll(2) events until `deadline' (io_now_ms), hearing
 * signals; `told' may be NULL.  0, or -1 with *end: END_TIMEOUT, what told.h
 * says, or END_INTERNAL.
 */
int		 stream_wait(int fd, short events, int64_t deadline,
		    const struct told *told, enum end *end);

/*
 * Exactly len bytes, until `deadline', as stream_wait() waits.  0, or -1 with
 * *end: its own, or the `reset' of the caller, also for an orderly end.
 */
int		 stream_read_all(struct stream *s, void *buf, size_t len,
		    int64_t deadline, const struct told *told,
		    enum end reset, enum end *end);
int		 stream_write_all(struct stream *s, const void *data,
		    size_t len, int64_t deadline, const struct told *told,
		    enum end reset, enum end *end);

#endif
