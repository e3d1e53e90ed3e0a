#include <sys/epoll.h>

#include <stdlib.h>
#include <unistd.h>

#include "base/mem.h"
#include "load.h"

/*
 * Connect, one message and its echo, end.  The server closes first, so it is
 * there that addresses are kept in TIME_WAIT, where they are in nobody's
 * way: the next connection from the same port may take them over.
 */
struct churn {
	const struct load	*l;
	int			 ep;
	unsigned		 dials;
	struct message		 m;
	struct tally		 t;
};

static void
dial(struct churn *ch, struct session *s)
{
	if (session_dial(s, ch->l, ch->dials++)) {
		watch_add(ch->ep, s->fd, EPOLLIN, s);
		session_say(s, &ch->m);
	} else
		watch_add(ch->ep, s->fd, EPOLLOUT, s);
}

static void
step(struct churn *ch, struct session *s, uint32_t events)
{
	int64_t	 now;

	if (events == EPOLLOUT) {
		session_dialled(s);
		session_say(s, &ch->m);
		watch_change(ch->ep, s->fd, EPOLLIN, s);
		return;
	}
	if (session_hear(s, &ch->m) != -1)
		return;
	session_close(s);
	now = now_ns();
	if (tally_counts(&ch->t, now))
		tally_add(&ch->t, now - s->since);
	if (!ch->t.over)
		dial(ch, s);
}

void
run_connect(const struct load *l)
{
	static struct churn	 ch;
	struct epoll_event	 ev[EVENTS];
	struct session		*v = mem_calloc(l->sessions, sizeof(*v));
	int			 n;

	ch.l = l;
	ch.ep = watch_new();
	message_init(&ch.m, VERB_CLOSE, l->size);
	tally_init(&ch.t, l);
	for (unsigned i = 0; i < l->sessions; i++) {
		v[i].id = i;
		dial(&ch, &v[i]);
	}
	while (!ch.t.over) {
		n = watch_wait(ch.ep, ev);
		for (int i = 0; i < n; i++)
			step(&ch, ev[i].data.ptr, ev[i].events);
	}
	tally_print(&ch.t, "connect");
	tally_free(&ch.t);
	close(ch.ep);
	free(v);
}
