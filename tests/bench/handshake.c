#include <sys/epoll.h>

#include <err.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/mem.h"
#include "load.h"
#include "secure.h"

/*
 * Handshakes: connect, TLS, one message and its echo, end.  The server closes
 * first, as in connect.c.  With -r each session brings the ticket of the one
 * before it in its place, so that all but the first are resumed.
 */
struct shakes {
	struct secure_kind	 kind;
	int			 ep;
	unsigned		 dials;
	struct tally		 t;
};

static void
dial(struct shakes *sh, struct secure *c)
{
	secure_dial(c, &sh->kind, sh->dials++);
	watch_add(sh->ep, c->s.fd, EPOLLOUT, c);
}

static void
step(struct shakes *sh, struct secure *c, uint32_t had)
{
	uint32_t	 events = secure_step(c);
	int64_t		 now;

	if (events != 0) {
		if (events != had)
			watch_change(sh->ep, c->s.fd, events, c);
		return;
	}
	secure_close(c);
	now = now_ns();
	if (tally_counts(&sh->t, now))
		tally_add(&sh->t, now - c->s.since);
	if (!sh->t.over)
		dial(sh, c);
}

void
run_handshake(const struct load *l)
{
	static struct shakes	 sh;
	struct epoll_event	 ev[EVENTS];
	struct secure		*v = mem_calloc(l->sessions, sizeof(*v));
	int			 n;

	secure_init(&sh.kind, l, VERB_CLOSE);
	sh.ep = watch_new();
	tally_init(&sh.t, l);
	for (unsigned i = 0; i < l->sessions; i++) {
		v[i].s.id = i;
		dial(&sh, &v[i]);
	}
	while (!sh.t.over) {
		n = watch_wait(sh.ep, ev);
		for (int i = 0; i < n; i++)
			step(&sh, ev[i].data.ptr, ev[i].events);
	}
	tally_print(&sh.t, l->resume ? "resume" : "handshake");
	tally_free(&sh.t);
	secure_free(v, l->sessions);
	secure_end(&sh.kind);
	close(sh.ep);
}

/* Go on until the reply to the last message is there. */
static void
await(struct secure *c)
{
	uint32_t	 events = EPOLLOUT;

	for (;;) {
		session_wait(&c->s, (short)events);
		events = secure_step(c);
		if (events == 0)
			errx(1, "session %u: it ended", c->s.id);
		if (secure_is_answered(c))
			return;
	}
}

void
run_keep(const struct load *l)
{
	static struct secure_kind	 kind;
	struct secure			*v;

	v = mem_calloc(l->sessions, sizeof(*v));
	secure_init(&kind, l, VERB_ECHO);
	for (unsigned i = 0; i < l->sessions; i++) {
		v[i].s.id = i;
		secure_dial(&v[i], &kind, i);
		await(&v[i]);
	}
	hold_begin(l);
	for (unsigned i = 0; i < l->sessions; i++) {
		secure_say(&v[i]);
		await(&v[i]);
	}
	hold_end(l);
	secure_free(v, l->sessions);
	secure_end(&kind);
}
