#include <sys/epoll.h>
#include <sys/socket.h>

#include <err.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "load.h"

#define STRIDE	4096	/* bytes from one that is checked to the next */

/* A stream that flows from the server to us. */
struct stream {
	struct session	 s;
	uint64_t	 got;
};

/* A byte of each page, and the last: whatever is lost moves the rest. */
static void
check(const struct stream *st, const uint8_t *buf, size_t len)
{
	const uint8_t	*want = pattern_at(st->got);

	for (size_t i = 0; i < len; i += STRIDE)
		if (buf[i] != want[i])
			errx(1, "stream %u: a wrong byte", st->s.id);
	if (buf[len - 1] != want[len - 1])
		errx(1, "stream %u: a wrong byte", st->s.id);
}

static void
step(struct stream *st, struct tally *t)
{
	static uint8_t	 buf[PATTERN_MAX];
	ssize_t		 n;
	int64_t		 now;

	n = recv(st->s.fd, buf, sizeof(buf), 0);
	if (n == -1 && errno == EAGAIN)
		return;
	if (n == -1)
		err(1, "stream %u: recv", st->s.id);
	if (n == 0)
		errx(1, "stream %u: it ended", st->s.id);
	check(st, buf, (size_t)n);
	st->got += (uint64_t)n;
	now = now_ns();
	if (tally_counts(t, now)) {
		tally_add(t, now - st->s.since);
		t->bytes += (uint64_t)n;
	}
	st->s.since = now;
}

static struct stream *
open_streams(const struct load *l, int ep)
{
	static struct message	 m;
	struct stream		*v = mem_calloc(l->sessions, sizeof(*v));
	struct session		*s;

	message_init(&m, VERB_BULK, MESSAGE_MIN);
	for (unsigned i = 0; i < l->sessions; i++) {
		s = &v[i].s;
		s->id = i;
		if (!session_dial(s, l, i)) {
			session_wait(s, EPOLLOUT);
			session_dialled(s);
		}
		session_say(s, &m);
		watch_add(ep, s->fd, EPOLLIN, &v[i]);
	}
	return v;
}

void
run_bulk(const struct load *l)
{
	struct epoll_event	 ev[EVENTS];
	int			 ep = watch_new(), n;
	struct stream		*v;
	struct tally		 t;

	pattern_init();
	v = open_streams(l, ep);
	tally_init(&t, l);
	while (!t.over) {
		n = watch_wait(ep, ev);
		for (int i = 0; i < n && !t.over; i++)
			step(ev[i].data.ptr, &t);
	}
	tally_print(&t, "bulk");
	tally_free(&t);
	for (unsigned i = 0; i < l->sessions; i++)
		session_close(&v[i].s);
	free(v);
	close(ep);
}
