#include <sys/epoll.h>

#include <err.h>
#include <stdio.h>
#include <unistd.h>

#include "load.h"

/*
 * One reply.  The clock is read once for it, at the end of this message and
 * the beginning of the next.
 */
static void
step(struct session *s, struct message *m, struct tally *t)
{
	int64_t	 now;

	switch (session_hear(s, m)) {
	case 0:
		return;
	case -1:
		errx(1, "session %u: it ended", s->id);
	}
	now = now_ns();
	if (tally_counts(t, now))
		tally_add(t, now - s->since);
	s->since = now;
	if (!t->over)
		session_say(s, m);
}

static void
play(const struct load *l, struct session *busy, struct session *idle,
    struct message *m, struct tally *t)
{
	struct epoll_event	 ev[EVENTS];
	int			 ep = watch_new(), n;
	struct session		*s;

	for (unsigned i = 0; i < l->idle; i++)
		watch_add(ep, idle[i].fd, EPOLLIN, &idle[i]);
	for (unsigned i = 0; i < l->sessions; i++)
		watch_add(ep, busy[i].fd, EPOLLIN, &busy[i]);
	tally_init(t, l);
	for (unsigned i = 0; i < l->sessions; i++) {
		busy[i].since = now_ns();
		session_say(&busy[i], m);
	}
	while (!t->over) {
		n = watch_wait(ep, ev);
		for (int i = 0; i < n; i++) {
			s = ev[i].data.ptr;
			if (s >= idle && s < idle + l->idle)
				errx(1, "session %u: idle, but it woke",
				    s->id);
			step(s, m, t);
		}
	}
	close(ep);
}

/* The last replies are under way still, and must be right too. */
static void
finish(struct session *v, unsigned n, struct message *m)
{
	for (unsigned i = 0; i < n; i++)
		while (v[i].got < m->size) {
			session_wait(&v[i], EPOLLIN);
			session_hear(&v[i], m);
		}
	sessions_ask(v, n, m);
}

void
run_pingpong(const struct load *l)
{
	static struct message	 m;
	struct session		*idle, *busy;
	struct tally		 t;

	message_init(&m, VERB_ECHO, l->size);
	idle = sessions_open(l, l->idle, &m);
	busy = sessions_open(l, l->sessions, &m);
	play(l, busy, idle, &m, &t);
	finish(busy, l->sessions, &m);
	sessions_ask(idle, l->idle, &m);
	tally_print(&t, l->idle > 0 ? "mixed" : "pingpong");
	tally_free(&t);
	sessions_free(busy, l->sessions);
	sessions_free(idle, l->idle);
}

void
hold_begin(const struct load *l)
{
	char	 c;

	printf("mode=hold held=%u\n", l->sessions);
	fflush(stdout);
	while (read(STDIN_FILENO, &c, 1) > 0)
		;
}

void
hold_end(const struct load *l)
{
	printf("mode=hold answered=%u\n", l->sessions);
}

/* Until standard input ends; then all must answer. */
void
run_hold(const struct load *l)
{
	static struct message	 m;
	struct session		*v;

	message_init(&m, VERB_ECHO, l->size);
	v = sessions_open(l, l->sessions, &m);
	hold_begin(l);
	sessions_ask(v, l->sessions, &m);
	hold_end(l);
	sessions_free(v, l->sessions);
}
