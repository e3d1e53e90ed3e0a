#include <sys/socket.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/io.h"
#include "base/sig.h"
#include "session/back.h"
#include "wire/proxy_header.h"

#define RETRY_MS	10	/* until a local socket's queue has room */
#define FAIR_MS		1000	/* whoever has not answered then is at fault */

enum outcome {
	CONNECTED,
	FAILED,			/* errno says how; another may do better */
	OVER,			/* the session is; *end says why */
};

/* A dial has an outcome; what poll shows tells a good one. */
static enum outcome
result(int fd, short revents)
{
	int	 error;

	if ((revents & (POLLERR | POLLHUP)) == 0 ||
	    (error = net_dial_result(fd)) == 0)
		return CONNECTED;
	errno = error;
	return FAILED;
}

/* Wait for the dial, or with fd -1 for nothing, until `deadline'. */
static enum outcome
wait_for(int fd, int front, const struct told *told, int64_t deadline,
    enum end *end)
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
			else if (!told_to_end(told, end))
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
			return result(fd, p[0].revents);
		/* A local client that sent all it had and left: serve it. */
		p[1].fd = -1;
	}
}

static enum outcome
dial_one(struct back *b, const struct back_options *o, int front,
    int64_t deadline, enum end *end)
{
	enum outcome	 rc;
	bool		 pending;
	int		 error;

	while ((b->fd = net_dial(&b->addr, o->source, o->tcp,
	    &pending)) == -1) {
		if (errno != EAGAIN || b->addr.u.sa.sa_family != AF_UNIX)
			return FAILED;
		if (io_left_ms(deadline) == 0) {
			errno = ETIMEDOUT;
			return FAILED;
		}
		rc = wait_for(-1, front, o->told, io_now_ms() + RETRY_MS,
		    end);
		if (rc == OVER)
			return OVER;
	}
	if (!pending)
		return CONNECTED;
	rc = wait_for(b->fd, front, o->told, deadline, end);
	if (rc != CONNECTED) {
		error = errno;
		net_abort(b->fd);
		b->fd = -1;
		errno = error;
	}
	return rc;
}

static bool
can_reach(const struct net_addr *source, const struct net_addr *a)
{
	return source == NULL || source->len == 0 ||
	    a->u.sa.sa_family == AF_UNIX ||
	    a->u.sa.sa_family == source->u.sa.sa_family;
}

/* Does the error tell of the server, or of a lack on our side? */
static bool
is_theirs(int error, int64_t had_ms, int64_t fair_ms)
{
	switch (error) {
	case EADDRINUSE:
	case EADDRNOTAVAIL:
	case EAFNOSUPPORT:
	case EAGAIN:
	case EINVAL:
	case EMFILE:
	case ENFILE:
	case ENOBUFS:
	case ENOMEM:
		return false;
	case ETIMEDOUT:
		return had_ms >= fair_ms;
	}
	return true;
}

/* All addresses of the server were tried, or all that there was time for. */
static void
settle(const struct back *b, const struct back_options *o, bool *at_fault)
{
	if (*at_fault && o->failed != NULL)
		o->failed(o->ctx, b->server);
	*at_fault = false;
}

static int64_t
fair_share(int64_t deadline)
{
	int	 eighth = io_left_ms(deadline) / 8;

	return eighth < FAIR_MS ? eighth : FAIR_MS;
}

static void
note_failure(struct back *b)
{
	char	 text[NET_TEXT_MAX];

	snprintf(b->why, sizeof(b->why), "connect to %s: %s",
	    net_text(&b->addr, text, sizeof(text)), strerror(errno));
}

int
back_dial(struct back *b, const struct back_candidate *c, size_t n,
    const struct back_options *o, int front, int64_t deadline, enum end *end)
{
	const int64_t	 fair = fair_share(deadline);
	int64_t		 until, begun;
	bool		 at_fault = false;

	*b = (struct back){ .fd = -1, .why = "no server has an address" };
	*end = END_UNREACHABLE;
	for (size_t i = 0; i < n; i++) {
		if (!can_reach(o->source, &c[i].addr))
			continue;
		if (b->tried > 0 && io_left_ms(deadline) == 0)
			break;
		if (c[i].server != b->server)
			settle(b, o, &at_fault);
		b->addr = c[i].addr;
		b->server = c[i].server;
		b->tried++;
		begun = io_now_ms();
		until = deadline;
		if (i + 1 < n)
			until -= io_left_ms(deadline) / 2;
		switch (dial_one(b, o, front, until, end)) {
		case CONNECTED:
			b->why[0] = '\0';
			return 0;
		case OVER:
			snprintf(b->why, sizeof(b->why), "%s",
			    *end == END_LIMIT ? TOLD_GIVE_WAY : "");
			return -1;
		case FAILED:
			at_fault |= is_theirs(errno, until - begun, fair);
			note_failure(b);
		}
	}
	settle(b, o, &at_fault);
	return -1;
}

int
back_send_proxy(int fd, int version, const struct net_addr *from,
    const struct net_addr *to, const char *id, const char **why)
{
	uint8_t	 buf[PROXY_HEADER_OUT_MAX];
	size_t	 len = proxy_header_encode(version, from, to, id,
		    id != NULL ? strlen(id) : 0, buf);
	ssize_t	 n;

	/* Nothing was written yet, so there is room, or no connection. */
	n = send(fd, buf, len, MSG_NOSIGNAL | MSG_DONTWAIT);
	if (n == (ssize_t)len)
		return 0;
	*why = "the server did not take the PROXY header";
	return -1;
}
