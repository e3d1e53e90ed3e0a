/*
 * keeper - what is known of servers and sources, and who may have which.
 *
 *	from	may ask
 *	master	to serve one more generation, to forget one, to meet a pool
 *	worker	to let a session in, to place it; says what became of it
 *	control	to change a server's mode and weight; what sources there are
 *
 * It alone reads answers of the DNS, and what servers answer to checks.
 * What it finds goes into the address books, which the workers map
 * read-only.  It waits for nobody, and whoever does not take its answers is
 * dropped.  When it dies, names, states and modes are in the books, and
 * those who hold sessions say so to the next one.
 */
#include <sys/epoll.h>

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "base/io.h"
#include "base/mem.h"
#include "base/sig.h"
#include "process/channel.h"
#include "process/check.h"
#include "process/meet.h"
#include "process/peer.h"
#include "process/role.h"
#include "process/sandbox.h"
#include "process/servers.h"

#define READY_MS	2000	/* that the first answers may take */

struct keeper {
	struct setup	*s;
	struct loop	*loop;
	struct servers	*servers;
	struct checks	*checks;
	struct peers	*peers;
	struct meets	*meets;
	struct watch	 master;
	struct timer	 lag;		/* on: not ready yet */
};

static void
on_changed(void *ctx, struct server *s)
{
	struct keeper	*k = ctx;

	check_update(k->checks, k->servers, s);
}

static void
on_gone(void *ctx, struct server *s)
{
	struct keeper	*k = ctx;

	check_end(k->checks, s);
}

static void
on_room(void *ctx, struct group *g)
{
	struct keeper	*k = ctx;

	if (k->peers != NULL)
		count_room(peers_count(k->peers), g);
}

static void
set_title(const struct keeper *k)
{
	proc_title("keeper: %zu names",
	    names_count(servers_names(k->servers)));
}

static int
on_conf(void *ctx, struct rd *r, int *fds)
{
	return setup_on_conf(((struct keeper *)ctx)->s, r, fds);
}

static int
refuse(const struct keeper *k, uint32_t number, const char *why)
{
	uint8_t		 buf[256];
	struct wr	 w;

	wr_init(&w, buf, sizeof(buf));
	wr_u32(&w, number);
	wr_bytes(&w, why, strlen(why));
	return channel_send(k->s->channel, MSG_REFUSED, buf, wr_len(&w),
	    NULL, 0);
}

static int
on_book(void *ctx, struct rd *r, int *fds)
{
	struct keeper			*k = ctx;
	const struct setup_generation	*g;
	struct rd			 copy = *r;
	uint32_t			 number = rd_u32(&copy);

	if (setup_on_book(k->s, r, fds) == -1 ||
	    (g = setup_generation(k->s, number)) == NULL ||
	    servers_generation(k->servers, number) != NULL)
		return -1;
	if (servers_add(k->servers, number, g->conf, g->book_fd) == -1)
		return refuse(k, number, strerror(errno));
	set_title(k);
	return channel_send_u32(k->s->channel, MSG_PREPARED, number);
}

static int
on_commit(void *ctx, struct rd *r, int *fds)
{
	struct keeper			*k = ctx;
	const struct generation		*g;

	(void)fds;
	servers_commit(k->servers, rd_u32(r));
	if ((g = servers_newest(k->servers)) != NULL)
		log_init("keeper", (enum logline_level)g->conf->log.level);
	return 0;
}

static int
on_forget(void *ctx, struct rd *r, int *fds)
{
	struct keeper	*k = ctx;
	struct rd	 copy = *r;

	/* Before its configuration goes. */
	servers_forget(k->servers, rd_u32(&copy));
	count_sweep(peers_count(k->peers));
	set_title(k);
	return setup_on_forget(k->s, r, fds);
}

static int
on_meet(void *ctx, struct rd *r, int *fds)
{
	struct keeper	*k = ctx;

	return setup_on_meet(k->s, r, fds) == -1 ? -1 :
	    meets_take(k->meets, k->s);
}

static const struct channel_rule orders[] = {
	{ MSG_CONF,	ROLE_MASTER,	1,	on_conf },
	{ MSG_BOOK,	ROLE_MASTER,	1,	on_book },
	{ MSG_COMMIT,	ROLE_MASTER,	0,	on_commit },
	{ MSG_FORGET,	ROLE_MASTER,	0,	on_forget },
	{ MSG_MEET,	ROLE_MASTER,	1,	on_meet },
};

static void
on_master(void *ctx, uint32_t events)
{
	struct keeper	*k = ctx;

	(void)events;
	if (channel_dispatch(k->s->channel, ROLE_MASTER, orders,
	    nitems(orders), k) != 1)
		exit(0);
}

static void
on_lag(void *ctx)
{
	struct keeper	*k = ctx;

	setup_ready(k->s);
}

static void
begin(struct keeper *k)
{
	const struct servers_hooks	 hooks = {
		on_changed, on_gone, on_room, k,
	};

	if ((k->loop = loop_new()) == NULL)
		log_fatal(1, "epoll_create1: %s", strerror(errno));
	k->checks = checks_new(k->loop);
	k->servers = servers_new(k->loop, &hooks);
	for (size_t i = 0; i < k->s->ngenerations; i++) {
		const struct setup_generation	*g = &k->s->generations[i];

		if (servers_add(k->servers, g->number, g->conf,
		    g->book_fd) == -1)
			log_fatal(1, "address book: %s", strerror(errno));
		if (g->number <= k->s->committed)
			servers_commit(k->servers, g->number);
	}
	k->peers = peers_new(k->loop, k->servers, k->checks);
	k->meets = meets_new(k->loop, ROLE_WORKER | ROLE_CONTROL, peers_hello,
	    k->peers);
	if (servers_inherited(k->servers))
		count_settle(peers_count(k->peers));
	k->lag = (struct timer){ .run = on_lag, .ctx = k };
	k->master = (struct watch){
		.fd = k->s->channel, .run = on_master, .ctx = k,
	};
	if (loop_watch(k->loop, &k->master, EPOLLIN) == -1 ||
	    meets_take(k->meets, k->s) == -1)
		log_fatal(1, "epoll_ctl: %s", strerror(errno));
}

void
keeper_main(struct setup *s)
{
	static const int	 signals[] = { SIGTERM, 0 };
	static struct keeper	 keeper;	/* leak checkers see it */
	struct keeper		*k = &keeper;

	sig_init(signals);
	k->s = s;
	begin(k);
	sandbox_enter(ROLE_KEEPER, s->conf, NULL);
	set_title(k);
	loop_set(k->loop, &k->lag, io_now_ms() + READY_MS);
	while (!sig_is_set(SIGTERM)) {
		if (k->lag.on && !names_pending(servers_names(k->servers))) {
			loop_unset(k->loop, &k->lag);
			setup_ready(s);
		}
		if (loop_turn(k->loop) == -1)
			log_fatal(1, "epoll_wait: %s", strerror(errno));
	}
	exit(0);
}
