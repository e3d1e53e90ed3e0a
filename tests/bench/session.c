#include <arpa/inet.h>
#include <sys/socket.h>

#include <err.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "load.h"

/*
 * Who dials thousands of times a second soon has used each port of one
 * address, and those of 127.0.0.0/8 are all ours.
 */
static struct net_addr
source_of(const struct load *l, unsigned nth)
{
	struct net_addr	 a = { .len = 0 };

	if (l->sources < 2 || l->to.u.sa.sa_family != AF_INET)
		return a;
	a.len = sizeof(a.u.in);
	a.u.in.sin_family = AF_INET;
	a.u.in.sin_addr.s_addr = htonl(INADDR_LOOPBACK + nth % l->sources);
	return a;
}

bool
session_dial(struct session *s, const struct load *l, unsigned nth)
{
	const struct net_tcp	 tcp = { .nodelay = true };
	const struct net_addr	 source = source_of(l, nth);
	bool			 pending;

	s->got = 0;
	s->since = now_ns();
	s->fd = net_dial(&l->to, &source, &tcp, &pending);
	if (s->fd == -1)
		err(1, "session %u: connect%s", s->id,
		    errno == EADDRNOTAVAIL ? ", out of ports" : "");
	return !pending;
}

void
session_dialled(const struct session *s)
{
	errno = net_dial_result(s->fd);
	if (errno != 0)
		err(1, "session %u: connect", s->id);
}

void
session_wait(const struct session *s, short events)
{
	struct pollfd	 p = { .fd = s->fd, .events = events };

	if (poll(&p, 1, STALL_MS) != 1)
		errx(1, "session %u: nothing for %d ms", s->id, STALL_MS);
}

void
session_say(struct session *s, struct message *m)
{
	size_t	 off = 0;
	ssize_t	 n;

	message_stamp(m, s->id, ++s->number);
	s->got = 0;
	while (off < m->size) {
		n = send(s->fd, m->bytes + off, m->size - off, MSG_NOSIGNAL);
		if (n == -1 && errno != EAGAIN)
			err(1, "session %u: send", s->id);
		if (n == -1)
			session_wait(s, POLLOUT);
		else
			off += (size_t)n;
	}
}

void
session_compare(struct session *s, struct message *m, const uint8_t *p,
    size_t n)
{
	message_stamp(m, s->id, s->number);
	if (n > m->size - s->got || memcmp(p, m->bytes + s->got, n) != 0)
		errx(1, "session %u: other bytes than were sent", s->id);
	s->got += n;
}

int
session_hear(struct session *s, struct message *m)
{
	static uint8_t	 buf[MESSAGE_MAX + 1];
	ssize_t		 n;

	n = recv(s->fd, buf, sizeof(buf), 0);
	if (n == -1 && errno == EAGAIN)
		return 0;
	if (n == -1)
		err(1, "session %u: recv", s->id);
	if (n == 0 && s->got == m->size)
		return -1;
	if (n == 0)
		errx(1, "session %u: it ended after %zu of %zu bytes", s->id,
		    s->got, m->size);
	session_compare(s, m, buf, (size_t)n);
	return s->got == m->size;
}

void
session_ask(struct session *s, struct message *m)
{
	session_say(s, m);
	do
		session_wait(s, POLLIN);
	while (session_hear(s, m) == 0);
}

void
session_close(struct session *s)
{
	close(s->fd);
	s->fd = -1;
}

struct session *
sessions_open(const struct load *l, unsigned n, struct message *m)
{
	struct session	*v = mem_calloc(n + 1, sizeof(*v));

	for (unsigned i = 0; i < n; i++) {
		v[i].id = i;
		if (!session_dial(&v[i], l, i)) {
			session_wait(&v[i], POLLOUT);
			session_dialled(&v[i]);
		}
		session_ask(&v[i], m);
	}
	return v;
}

void
sessions_ask(struct session *v, unsigned n, struct message *m)
{
	for (unsigned i = 0; i < n; i++)
		session_ask(&v[i], m);
}

void
sessions_free(struct session *v, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		session_close(&v[i]);
	free(v);
}

/* What the server takes for the client's address, as text in buf. */
static void
ask_who(struct session *s, char *buf, size_t size)
{
	static struct message	 m;
	size_t			 got = 0;
	ssize_t			 n;

	message_init(&m, VERB_WHO, MESSAGE_MIN);
	session_say(s, &m);
	while (got < size) {
		session_wait(s, POLLIN);
		n = recv(s->fd, buf + got, size - got, 0);
		if (n <= 0)
			errx(1, "the server did not say whom it sees");
		got += (size_t)n;
	}
	buf[size - 1] = '\0';
}

void
check_way(const struct load *l)
{
	struct session	 s = { .fd = -1 };
	struct net_addr	 own;
	char		 seen[NET_TEXT_MAX], text[NET_TEXT_MAX];
	bool		 direct;

	if (!session_dial(&s, l, 0)) {
		session_wait(&s, POLLOUT);
		session_dialled(&s);
	}
	if (net_local(s.fd, &own) == -1)
		err(1, "getsockname");
	ask_who(&s, seen, sizeof(seen));
	session_close(&s);
	direct = strcmp(seen, net_text(&own, text, sizeof(text))) == 0;
	if (direct && !l->direct)
		errx(1, "there is no proxy between us and the server");
	if (!direct && l->direct)
		errx(1, "the server sees %s and not us, %s", seen, text);
}
