/*
 * channel.h - requests between our processes: sent, received, dispatched.
 *
 * A receiver lists in one table all that may be asked of it: type, by which
 * roles, with how many descriptors.  What is not listed is refused, and the
 * channel that it came by is at fault.
 */
#ifndef PROCESS_CHANNEL_H
#define PROCESS_CHANNEL_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/msg.h"

/* All but MSG_LOG (2, see log.h).  Requests are even. */
enum {
	MSG_CONF = 4,		/* master: text of the configuration, 1 fd */
	MSG_LANE = 6,		/* master: socket and lane to log by, 2 fds */
	MSG_LANE_IN = 8,	/* master: the logger's ends of one, 2 fds */
	MSG_LISTENER = 10,	/* master: index of a listener, 1 fd */
	MSG_BOOK = 12,		/* master: the address book, 1 fd */
	MSG_LIVE = 14,		/* master: the counts of the pool, 1 fd */
	MSG_START = 16,		/* master: who you are; that was all */
	MSG_READY = 18,		/* to master: serving now */
	MSG_CRASHED = 20,	/* spawner: a worker died by a signal */
	MSG_STOP = 22,		/* master: end now */
	MSG_DRAIN = 24,		/* master: take nothing new, end when idle */
	MSG_REOPEN = 26,	/* master: open the log file again */
};

enum {
	ROLE_MASTER = 1,
	ROLE_LOGGER = 2,
	ROLE_KEEPER = 4,
	ROLE_SPAWNER = 8,
	ROLE_ANY = 15,
};

/*
 * Runs one request.  It takes over what it wants of the descriptors by
 * setting their place to -1; the rest is closed after it.  Returns -1 when
 * the content is not as it must be.
 */
typedef int	 channel_handler(void *ctx, struct rd *payload, int *fds);

struct channel_rule {
	uint16_t		 type;
	unsigned int		 from;		/* roles that may ask */
	size_t			 nfds;
	channel_handler		*run;
};

/*
 * Send one request without waiting.  The descriptors stay the caller's.
 * 0, or -1 with errno.
 */
int	 channel_send(int fd, uint16_t type, const void *payload, size_t len,
	    const int *fds, size_t nfds);

/* The same, but waiting until io_now_ms() is `deadline' for room. */
int	 channel_send_by(int fd, uint16_t type, const void *payload,
	    size_t len, const int *fds, size_t nfds, int64_t deadline);

/*
 * Receive one request, which a poll has announced, from a peer of the role
 * `from', and run it by the table.  Returns 1; 0 when the peer is gone; -1
 * when it sent what it may not, or something broke: drop it.
 */
int	 channel_dispatch(int fd, unsigned int from,
	    const struct channel_rule *rules, size_t nrules, void *ctx);

/* Two connected ends, close-on-exec.  0, or -1 with errno. */
int	 channel_pair(int ends[2]);

#endif
