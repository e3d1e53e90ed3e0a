/*
 * signer - has the private keys of one pool, and signs with them.
 *
 *	from	may ask
 *	master	to know one more generation, to forget one
 *	worker	for a signature: MSG_SIGN, see sign_ask.h
 *
 * The keys are nowhere else but in the master's copies of their files: who is
 * broken into by what strangers send has signatures for as long as that
 * lasts, and takes no key along.  It waits for nobody, and whoever does not
 * take its answers is dropped.  When it dies, whoever waits asks the next.
 */
#include <sys/epoll.h>
#include <sys/queue.h>
#include <sys/socket.h>

#include <openssl/err.h>

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/loop.h"
#include "base/sig.h"
#include "process/channel.h"
#include "process/keyring.h"
#include "process/role.h"
#include "process/sandbox.h"
#include "process/sign_ask.h"

#define RESERVE_FDS	64		/* not for workers */

struct signer;

/* A worker's line. */
struct peer {
	struct signer	*all;
	struct watch	 watch;
	uint32_t	 id;		/* of the message that is handled */
	LIST_ENTRY(peer) link;
};

struct signer {
	struct setup	*s;
	struct loop	*loop;
	struct keyring	*keys;
	struct watch	 master;
	struct watch	 meet;
	LIST_HEAD(, peer) peers;	/* for leak checkers */
	size_t		 npeers, npeers_max;
};

static void
drop(struct peer *p)
{
	loop_unwatch(p->all->loop, &p->watch);
	close(p->watch.fd);
	LIST_REMOVE(p, link);
	p->all->npeers--;
	free(p);
}

/*
 * That a key does not sign so is an answer, too: by what libssl asked about
 * it, it would, but a worker may ask anything.
 */
static int
on_sign(void *ctx, struct rd *r, int *fds)
{
	struct peer		*p = ctx;
	uint32_t		 generation;
	struct sign_request	 rq;
	uint8_t			 sig[SIGN_SIGNATURE_MAX];
	ptrdiff_t		 n;

	(void)fds;
	if (sign_ask_decode(r, &generation, &rq) == -1)
		return -1;
	n = keyring_sign(p->all->keys, generation, &rq, sig);
	if (n == -1) {
		ERR_clear_error();
		log_warn("pool %s: a worker asks for what is not signed: "
		    "generation %u, file %u, scheme %d", p->all->s->start.pool,
		    generation, rq.key, (int)rq.scheme);
		n = 0;
	}
	if (channel_send_id(p->watch.fd, MSG_SIGN + 1, p->id, sig,
	    (size_t)n) == 0)
		return 0;
	log_warn("a worker of pool %s takes no answers: %s",
	    p->all->s->start.pool, strerror(errno));
	(void)shutdown(p->watch.fd, SHUT_RDWR);
	return 0;
}

static const struct channel_rule requests[] = {
	{ MSG_SIGN,	ROLE_WORKER,	0,	on_sign },
};

static void
on_peer(void *ctx, uint32_t events)
{
	struct peer	*p = ctx;

	(void)events;
	switch (channel_dispatch_id(p->watch.fd, ROLE_WORKER, requests,
	    nitems(requests), p, &p->id)) {
	case 1:
		return;
	case -1:
		log_warn("a worker of pool %s said what it may not and is "
		    "heard no more", p->all->s->start.pool);
	}
	drop(p);
}

static int
on_hello(void *ctx, struct rd *r, int *fds)
{
	struct signer	*g = ctx;
	struct peer	*p;

	(void)r;
	if (!channel_is_one(fds[0]))
		return -1;
	if (g->npeers == g->npeers_max) {
		log_warn("more than %zu workers of pool %s would have "
		    "something signed; others must wait", g->npeers_max,
		    g->s->start.pool);
		return 0;
	}
	p = mem_calloc(1, sizeof(*p));
	p->all = g;
	p->watch = (struct watch){ .fd = fds[0], .run = on_peer, .ctx = p };
	if (loop_watch(g->loop, &p->watch, EPOLLIN) == -1) {
		free(p);
		return 0;
	}
	fds[0] = -1;
	LIST_INSERT_HEAD(&g->peers, p, link);
	g->npeers++;
	return 0;
}

static const struct channel_rule greetings[] = {
	{ MSG_HELLO,	ROLE_WORKER,	1,	on_hello },
};

/* What comes here is from any of many: one that errs ends it for none. */
static void
on_meet(void *ctx, uint32_t events)
{
	struct signer	*g = ctx;

	(void)events;
	switch (channel_dispatch(g->meet.fd, ROLE_WORKER, greetings,
	    nitems(greetings), g)) {
	case 0:
		loop_unwatch(g->loop, &g->meet);	/* the master is gone */
		return;
	case -1:
		log_warn("somebody of pool %s did not say hello as one does",
		    g->s->start.pool);
	}
}

static void
set_title(const struct signer *g)
{
	size_t	 n = keyring_count(g->keys);

	proc_title("signer %s: %zu key%s", g->s->start.pool, n,
	    n == 1 ? "" : "s");
}

static int
refuse(const struct signer *g, uint32_t number, const char *why)
{
	uint8_t		 buf[4 + KEYRING_WHY_MAX];
	struct wr	 w;

	wr_init(&w, buf, sizeof(buf));
	wr_u32(&w, number);
	wr_bytes(&w, why, strlen(why));
	return channel_send(g->s->channel, MSG_REFUSED, buf, wr_len(&w),
	    NULL, 0);
}

/* As soon as all is there. */
static int
prepare(struct signer *g, struct setup_generation *gen)
{
	char	 why[KEYRING_WHY_MAX];

	if (!keyring_is_given(gen, g->s->start.pool))
		return 0;
	if (keyring_add(g->keys, gen, why) == -1)
		return refuse(g, gen->number, why);
	set_title(g);
	return channel_send_u32(g->s->channel, MSG_PREPARED, gen->number);
}

static int
on_conf(void *ctx, struct rd *r, int *fds)
{
	struct signer	*g = ctx;

	if (setup_on_conf(g->s, r, fds) == -1)
		return -1;
	return prepare(g, &g->s->generations[g->s->ngenerations - 1]);
}

static int
on_file(void *ctx, struct rd *r, int *fds)
{
	struct signer	*g = ctx;
	struct rd	 copy = *r;
	uint32_t	 number = rd_u32(&copy);

	if (setup_on_file(g->s, r, fds) == -1)
		return -1;
	return prepare(g, setup_generation(g->s, number));
}

static int
on_commit(void *ctx, struct rd *r, int *fds)
{
	struct signer			*g = ctx;
	const struct setup_generation	*gen;

	(void)fds;
	gen = setup_generation(g->s, rd_u32(r));
	if (gen == NULL)
		return -1;
	log_init("signer", (enum logline_level)gen->conf->log.level);
	return 0;
}

static int
on_forget(void *ctx, struct rd *r, int *fds)
{
	struct signer	*g = ctx;
	struct rd	 copy = *r;

	keyring_forget(g->keys, rd_u32(&copy));
	set_title(g);
	return setup_on_forget(g->s, r, fds);
}

static const struct channel_rule orders[] = {
	{ MSG_CONF,	ROLE_MASTER,	1,	on_conf },
	{ MSG_FILE,	ROLE_MASTER,	1,	on_file },
	{ MSG_COMMIT,	ROLE_MASTER,	0,	on_commit },
	{ MSG_FORGET,	ROLE_MASTER,	0,	on_forget },
};

static void
on_master(void *ctx, uint32_t events)
{
	struct signer	*g = ctx;

	(void)events;
	if (channel_dispatch(g->s->channel, ROLE_MASTER, orders,
	    nitems(orders), g) != 1)
		exit(0);
}

static size_t
peers_max(void)
{
	int	 n = proc_descriptors();

	return n < 2 * RESERVE_FDS ? RESERVE_FDS / 2 :
	    (size_t)n - RESERVE_FDS;
}

static void
begin(struct signer *g)
{
	char	 why[KEYRING_WHY_MAX];

	if (g->s->nmeets != 1)
		log_fatal(1, "nobody can be met");
	if (!keyring_lock_memory())
		log_info("pool %s: its private keys may be swapped out, for "
		    "memory cannot be locked", g->s->start.pool);
	g->keys = keyring_new();
	for (size_t i = 0; i < g->s->ngenerations; i++)
		if (keyring_add(g->keys, &g->s->generations[i], why) == -1)
			log_fatal(1, "%s", why);
	g->npeers_max = peers_max();
	LIST_INIT(&g->peers);
	g->master = (struct watch){
		.fd = g->s->channel, .run = on_master, .ctx = g,
	};
	g->meet = (struct watch){
		.fd = g->s->meets[0].fd, .run = on_meet, .ctx = g,
	};
	if ((g->loop = loop_new()) == NULL ||
	    loop_watch(g->loop, &g->master, EPOLLIN) == -1 ||
	    loop_watch(g->loop, &g->meet, EPOLLIN) == -1)
		log_fatal(1, "epoll: %s", strerror(errno));
}

bool
signer_wanted(const struct conf *conf, const char *pool)
{
	return keyring_is_needed(conf, pool);
}

void
signer_main(struct setup *s)
{
	static const int	 signals[] = { SIGTERM, 0 };
	static struct signer	 signer;	/* leak checkers see it */
	struct signer		*g = &signer;

	sig_init(signals);
	/* Before there are keys to be seen. */
	sandbox_enter(ROLE_SIGNER, s->conf, NULL);
	g->s = s;
	begin(g);
	set_title(g);
	setup_ready(s);
	while (!sig_is_set(SIGTERM))
		if (loop_turn(g->loop) == -1)
			log_fatal(1, "epoll_wait: %s", strerror(errno));
	exit(0);
}
