#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <err.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "load.h"

#define BACKLOG		4096
#define ACCEPTS		64	/* at a time */
#define SENDS		4	/* at a time, of a bulk stream */

/* A session, found by its descriptor. */
struct conn {
	enum verb	 verb;		/* 0: nothing has come yet */
	size_t		 left;		/* VERB_CLOSE: bytes until the end */
	uint64_t	 sent;		/* VERB_BULK */
	uint8_t		*held;		/* NULL while the client takes all */
	size_t		 off, len;	/* what of it is left to be sent */
};

struct server {
	int		 ep, listener;
	struct conn	*conns;
	size_t		 nconns;
};

static void
end(struct conn *c, int fd)
{
	free(c->held);
	memset(c, 0, sizeof(*c));
	close(fd);
}

static void
accept_some(struct server *s)
{
	int	 fd;

	for (int i = 0; i < ACCEPTS; i++) {
		fd = accept4(s->listener, NULL, NULL,
		    SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd == -1 && (errno == EAGAIN || errno == ECONNABORTED))
			return;
		if (fd == -1)
			err(1, "server: accept");
		watch_add(s->ep, fd, EPOLLIN, &s->conns[fd]);
	}
}

/* Returns what the client has taken, or -1 when it has gone. */
static ssize_t
give(int fd, const uint8_t *p, size_t len)
{
	ssize_t	 n = send(fd, p, len, MSG_NOSIGNAL);

	if (n == -1 && errno == EAGAIN)
		return 0;
	return n;
}

static int
give_bulk(struct conn *c, int fd)
{
	ssize_t	 n;

	for (int i = 0; i < SENDS; i++) {
		n = give(fd, pattern_at(c->sent), PATTERN_MAX);
		if (n == -1)
			return -1;
		c->sent += (uint64_t)n;
		if (n < PATTERN_MAX)
			return 0;
	}
	return 0;
}

static int
give_name(int fd)
{
	struct net_addr	 a = { .len = sizeof(a.u) };
	char		 text[NET_TEXT_MAX] = "";

	if (getpeername(fd, &a.u.sa, &a.len) == 0)
		net_text(&a, text, sizeof(text));
	return give(fd, (uint8_t *)text, sizeof(text)) == sizeof(text) ?
	    0 : -1;
}

/* Send back; what the client does not take is kept, and nothing read. */
static int
echo(struct server *s, struct conn *c, int fd, const uint8_t *p, size_t len)
{
	ssize_t	 n = give(fd, p, len);

	if (n == -1)
		return -1;
	if (c->verb == VERB_CLOSE)
		c->left = len < c->left ? c->left - len : 0;
	if ((size_t)n < len) {
		c->off = 0;
		c->len = len - (size_t)n;
		c->held = mem_calloc(1, c->len);
		memcpy(c->held, p + n, c->len);
		watch_change(s->ep, fd, EPOLLOUT, c);
		return 0;
	}
	return c->verb == VERB_CLOSE && c->left == 0 ? -1 : 0;
}

static int
give_held(struct server *s, struct conn *c, int fd)
{
	ssize_t	 n = give(fd, c->held + c->off, c->len);

	if (n == -1)
		return -1;
	c->off += (size_t)n;
	c->len -= (size_t)n;
	if (c->len > 0)
		return 0;
	free(c->held);
	c->held = NULL;
	watch_change(s->ep, fd, EPOLLIN, c);
	return c->verb == VERB_CLOSE && c->left == 0 ? -1 : 0;
}

static int
take(struct server *s, struct conn *c, int fd)
{
	static uint8_t	 buf[65536];
	ssize_t		 n = recv(fd, buf, sizeof(buf), 0);

	if (n == -1 && errno == EAGAIN)
		return 0;
	if (n <= 0)
		return -1;
	if (c->verb == 0 && message_head(buf, (size_t)n, &c->verb,
	    &c->left) == -1)
		errx(1, "server: a session began with %zd bytes", n);
	switch (c->verb) {
	case VERB_ECHO:
	case VERB_CLOSE:
		return echo(s, c, fd, buf, (size_t)n);
	case VERB_BULK:
		watch_change(s->ep, fd, EPOLLIN | EPOLLOUT, c);
		return 0;
	case VERB_WHO:
		return give_name(fd);
	}
	errx(1, "server: a session began with byte %d", (int)c->verb);
}

static void
step(struct server *s, struct conn *c, uint32_t events)
{
	int	 fd = (int)(c - s->conns);
	int	 rc;

	if (c->held != NULL)
		rc = give_held(s, c, fd);
	else if (events & (EPOLLIN | EPOLLHUP | EPOLLERR))
		rc = take(s, c, fd);
	else
		rc = give_bulk(c, fd);
	if (rc == -1)
		end(c, fd);
}

static void
listen_at(struct server *s, const struct net_spec *at)
{
	const struct net_listen	 l = {
		.tcp = { .nodelay = true }, .backlog = BACKLOG,
	};
	struct net_addr		 a;
	const char		*why;
	char			 text[NET_TEXT_MAX];

	s->listener = net_listen(at, &l, &why);
	if (s->listener == -1)
		err(1, "server: %s", why);
	if (net_local(s->listener, &a) == -1)
		err(1, "getsockname");
	printf("listening=%s\n", net_text(&a, text, sizeof(text)));
	fflush(stdout);
	watch_add(s->ep, s->listener, EPOLLIN, &s->listener);
}

void
serve(const struct net_spec *at)
{
	struct server		 s = { .ep = watch_new() };
	struct epoll_event	 ev[EVENTS];
	struct rlimit		 rl;
	int			 n;

	pattern_init();
	if (getrlimit(RLIMIT_NOFILE, &rl) == -1)
		err(1, "getrlimit");
	s.nconns = (size_t)rl.rlim_cur;
	s.conns = mem_calloc(s.nconns, sizeof(*s.conns));
	listen_at(&s, at);
	for (;;) {
		n = epoll_wait(s.ep, ev, EVENTS, -1);
		for (int i = 0; i < n; i++) {
			if (ev[i].data.ptr == &s.listener)
				accept_some(&s);
			else
				step(&s, ev[i].data.ptr, ev[i].events);
		}
	}
}
