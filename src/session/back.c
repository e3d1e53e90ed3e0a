#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "base/sig.h"
#include "session/back.h"
#include "session/told.h"

#define RETRY_MS	10	/* until a local socket's queue has room */

enum outcome {
	CONNECTED,
	FAILED,			/* errno says how; another may do better */
	OVER,			/* the session is; *end says why */
};

/* Wait for the dial, or with fd -1 for nothing, until `deadline'. */
static enum outcome
wait_for(int fd, int front, int64_t deadline, enum end *end)
{
	struct pollfd	 p[2] = {
		{ .fd = fd, .events = POLLOUT },
		{ .fd = front, .events = 0 },	/* POLLHUP and POLLERR */
	};

	for (;;) {
		switch (sig_ppoll(p, 2, io_left_ms(deadline))) {
		case -1:
			if (errno != EINTR)
				*end = END_INTERNAL;
			else if (!told_to_end(NULL, end))
				continue;
			return OVER;
		case 0:
			errno = ETIMEDOUT;
			return FAILED;
		}
		if (p[1].revents & POLLERR) {
			*end = END_CLIENT_RESET;
			return OVER;
		}
		if (p[0].revents != 0)
			return CONNECTED;
		/* A local client that sent all it had and left: serve it. */
		p[1].fd = -1;
	}
}

static enum outcome
dial_one(struct back *b, int front, int64_t deadline, enum end *end)
{
	static const struct net_tcp	 tcp = { .nodelay = true };
	enum outcome			 rc;
	bool				 pending;
	int				 error;

	while ((b->fd = net_dial(&b->server, NULL, &tcp, &pending)) == -1) {
		if (errno != EAGAIN || b->server.u.sa.sa_family != AF_UNIX)
			return FAILED;
		if (io_left_ms(deadline) == 0) {
			errno = ETIMEDOUT;
			return FAILED;
		}
		rc = wait_for(-1, front, io_now_ms() + RETRY_MS, end);
		if (rc == OVER)
			return OVER;
	}
	if (!pending)
		return CONNECTED;
	rc = wait_for(b->fd, front, deadline, end);
	if (rc == CONNECTED && (error = net_dial_result(b->fd)) != 0) {
		errno = error;
		rc = FAILED;
	}
	if (rc != CONNECTED) {
		error = errno;
		net_abort(b->fd);
		b->fd = -1;
		errno = error;
	}
	return rc;
}

int
back_dial(struct back *b, const struct net_addr *candidates, size_t n,
    int front, int64_t deadline, enum end *end)
{
	char	 text[NET_TEXT_MAX];
	int64_t	 until;

	*b = (struct back){ .fd = -1, .why = "no server has an address" };
	*end = END_UNREACHABLE;
	for (size_t i = 0; i < n; i++) {
		if (i > 0 && io_left_ms(deadline) == 0)
			break;
		b->server = candidates[i];
		b->tried++;
		until = deadline;
		if (i + 1 < n)
			until -= io_left_ms(deadline) / 2;
		switch (dial_one(b, front, until, end)) {
		case CONNECTED:
			b->why[0] = '\0';
			return 0;
		case OVER:
			b->why[0] = '\0';
			return -1;
		case FAILED:
			snprintf(b->why, sizeof(b->why), "connect to %s: %s",
			    net_text(&b->server, text, sizeof(text)),
			    strerror(errno));
		}
	}
	return -1;
}
