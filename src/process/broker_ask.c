#include <openssl/crypto.h>

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/fdpass.h"
#include "base/io.h"
#include "base/mem.h"
#include "base/sig.h"
#include "process/broker_ask.h"
#include "process/channel.h"

#define PAUSE_MS	20	/* until the broker is dialled again */

/* The answer that is waited for. */
struct answer {
	bool			 there;
	uint8_t			 code;
	struct broker_found	*found;
	int			 fd, paces;
};

void
broker_line_init(struct broker_line *b, int rendezvous)
{
	*b = (struct broker_line){ .rendezvous = rendezvous, .fd = -1 };
}

void
broker_line_hang_up(struct broker_line *b)
{
	if (b->fd != -1)
		close(b->fd);
	b->fd = -1;
}

static int
fail(struct broker_line *b, enum end what, const char *why, enum end *end)
{
	*end = what;
	snprintf(b->why, sizeof(b->why), "%s", why);
	broker_line_hang_up(b);
	return -1;
}

/*
 * Wait until the line shows something, or with -1 for the time alone.  1; 0
 * when it is over; -1 with *end.
 */
static int
wait_for(struct broker_line *b, int fd, int front, int64_t deadline,
    const struct told *told, enum end *end)
{
	struct pollfd	 p[2] = {
		{ .fd = fd, .events = POLLIN },
		{ .fd = front, .events = 0 },	/* POLLHUP and POLLERR */
	};

	for (;;) {
		switch (sig_ppoll(p, 2, io_left_ms(deadline))) {
		case -1:
			if (errno != EINTR)
				return fail(b, END_INTERNAL, strerror(errno),
				    end);
			if (told_to_end(told, end))
				return fail(b, *end, "", end);
			continue;
		case 0:
			return 0;
		}
		if (p[0].revents != 0)
			return 1;
		if ((p[1].revents & POLLERR) != 0)
			return fail(b, END_CLIENT_RESET, "", end);
		p[1].fd = -1;		/* it may be only half gone */
	}
}

int
broker_dial(struct broker_line *b, int64_t deadline, const struct told *told,
    enum end *end)
{
	int	 ends[2], rc;

	if (b->fd != -1)
		return 0;
	if (b->rendezvous == -1)
		return fail(b, END_INTERNAL, "there is no broker", end);
	for (;;) {
		if (channel_pair(ends) == -1)
			return fail(b, END_INTERNAL, strerror(errno), end);
		rc = channel_send(b->rendezvous, MSG_HELLO, NULL, 0, &ends[1],
		    1);
		close(ends[1]);
		b->fd = ends[0];
		if (rc == 0)
			return 0;
		rc = errno;
		broker_line_hang_up(b);
		if ((rc != EAGAIN && rc != ETOOMANYREFS) ||
		    io_left_ms(deadline) == 0)
			return fail(b, END_INTERNAL, "the broker takes no "
			    "more questions", end);
		if (wait_for(b, -1, -1, io_now_ms() + PAUSE_MS, told,
		    end) == -1)
			return -1;
	}
}

static int
on_code(void *ctx, struct rd *r, int *fds)
{
	struct answer	*a = ctx;

	(void)fds;
	a->code = rd_u8(r);
	a->there = rd_end(r) && a->code < TUNNEL_CODES;
	return a->there ? 0 : -1;
}

static int
on_found(void *ctx, struct rd *r, int *fds)
{
	struct answer	*a = ctx;
	const uint8_t	*found;

	a->code = rd_u8(r);
	found = rd_take(r, sizeof(*a->found));
	if (!rd_end(r) || a->code != TUNNEL_OK)
		return -1;
	memcpy(a->found, found, sizeof(*a->found));
	a->found->agent[sizeof(a->found->agent) - 1] = '\0';
	a->fd = fds[0];
	fds[0] = -1;
	a->there = true;
	return 0;
}

static int
on_found_paced(void *ctx, struct rd *r, int *fds)
{
	struct answer	*a = ctx;

	if (on_found(ctx, r, fds) == -1)
		return -1;
	a->paces = fds[1];
	fds[1] = -1;
	return 0;
}

static const struct channel_rule answers[] = {
	{ MSG_AGENT_JOIN + 1,	ROLE_BROKER,	0,	on_code },
	{ MSG_DATA_JOIN + 1,	ROLE_BROKER,	0,	on_code },
	{ MSG_NETROXY_DATA + 1,	ROLE_BROKER,	0,	on_code },
	{ MSG_TOPIC_OPEN + 1,	ROLE_BROKER,	0,	on_code },
	{ MSG_TOPIC_OPEN + 1,	ROLE_BROKER,	1,	on_found },
	{ MSG_TOPIC_OPEN + 1,	ROLE_BROKER,	2,	on_found_paced },
};

static int
hear(struct broker_line *b, struct answer *a, int front, int64_t deadline,
    const struct told *told, enum end *end)
{
	while (!a->there) {
		switch (wait_for(b, b->fd, front, deadline, told, end)) {
		case -1:
			return -1;
		case 0:
			return fail(b, END_TIMEOUT, "the broker has found "
			    "nobody in time", end);
		}
		if (channel_dispatch(b->fd, ROLE_BROKER, answers,
		    nitems(answers), a) != 1)
			return fail(b, END_INTERNAL, "the broker ended",
			    end);
	}
	return a->code;
}

int
broker_join(struct broker_line *b, const uint8_t *grant, int64_t deadline,
    const struct told *told, enum end *end)
{
	struct answer	 a = { .fd = -1 };

	if (broker_dial(b, deadline, told, end) == -1)
		return -1;
	if (channel_send(b->fd, MSG_AGENT_JOIN, grant, GRANT_SEALED, NULL,
	    0) == -1)
		return fail(b, END_INTERNAL, strerror(errno), end);
	return hear(b, &a, -1, deadline, told, end);
}

int
broker_park(struct broker_line *b, int fd, const uint8_t *ticket,
    const uint8_t *frame, size_t frame_len, int64_t deadline,
    const struct told *told, enum end *end)
{
	struct answer	 a = { .fd = -1 };
	uint8_t		 buf[1 + TUNNEL_TICKET + TUNNEL_EARLY_MAX];
	struct wr	 w;

	wr_init(&w, buf, sizeof(buf));
	wr_u8(&w, frame == NULL);
	wr_bytes(&w, ticket, TUNNEL_TICKET);
	if (frame != NULL)
		wr_bytes(&w, frame, frame_len);
	if (!wr_ok(&w))
		return fail(b, END_PROTOCOL, "a frame that is too long", end);
	if (broker_dial(b, deadline, told, end) == -1)
		return -1;
	if (channel_send(b->fd, MSG_DATA_JOIN, buf, wr_len(&w), &fd, 1) == -1)
		return fail(b, END_INTERNAL, strerror(errno), end);
	return hear(b, &a, -1, deadline, told, end);
}

int
broker_netroxy_join(struct broker_line *b, const uint8_t *grant,
    const struct netroxy_port *port, int64_t deadline,
    const struct told *told, enum end *end)
{
	uint8_t		 buf[GRANT_SEALED + sizeof(*port)];

	memcpy(buf, grant, GRANT_SEALED);
	memcpy(buf + GRANT_SEALED, port, sizeof(*port));
	if (broker_dial(b, deadline, told, end) == -1)
		return -1;
	if (channel_send(b->fd, MSG_NETROXY_JOIN, buf, sizeof(buf), NULL,
	    0) == -1)
		return fail(b, END_INTERNAL, strerror(errno), end);
	return 0;
}

int
broker_netroxy_park(struct broker_line *b, int fd,
    const struct netroxy_port *port, int64_t deadline,
    const struct told *told, enum end *end)
{
	struct answer	 a = { .fd = -1 };

	if (broker_dial(b, deadline, told, end) == -1)
		return -1;
	if (channel_send(b->fd, MSG_NETROXY_DATA, port, sizeof(*port), &fd,
	    1) == -1)
		return fail(b, END_INTERNAL, strerror(errno), end);
	return hear(b, &a, -1, deadline, told, end);
}

static int
ask_open(struct broker_line *b, enum broker_want want, const char *topic,
    const uint8_t *grant)
{
	const uint8_t	 elsewhere = want == BROKER_ELSEWHERE;
	uint8_t		 buf[1 + GRANT_SEALED + TUNNEL_TOPIC_MAX];
	struct wr	 w;

	if (want != BROKER_TOPIC)
		return channel_send(b->fd, MSG_TOPIC_AGAIN, &elsewhere,
		    sizeof(elsewhere), NULL, 0);
	wr_init(&w, buf, sizeof(buf));
	wr_u8(&w, grant != NULL ? GRANT_SEALED : 0);
	if (grant != NULL)
		wr_bytes(&w, grant, GRANT_SEALED);
	wr_bytes(&w, topic, strlen(topic));
	if (!wr_ok(&w)) {
		errno = EMSGSIZE;
		return -1;
	}
	return channel_send(b->fd, MSG_TOPIC_OPEN, buf, wr_len(&w), NULL, 0);
}

int
broker_open(struct broker_line *b, enum broker_want want, const char *topic,
    const uint8_t *grant, int front, int64_t deadline,
    const struct told *told, struct broker_found *found, int *fd, int *paces,
    enum end *end)
{
	struct answer	 a = { .found = found, .fd = -1, .paces = -1 };
	int		 rc;

	if (want != BROKER_TOPIC && b->fd == -1)
		return fail(b, END_INTERNAL, "the broker ended", end);
	if (broker_dial(b, deadline, told, end) == -1)
		return -1;
	if (ask_open(b, want, topic, grant) == -1)
		return fail(b, END_INTERNAL, strerror(errno), end);
	rc = hear(b, &a, front, deadline, told, end);
	*fd = a.fd;
	*paces = a.paces;
	return rc;
}
