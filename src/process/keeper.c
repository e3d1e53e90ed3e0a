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
#include <sys/queue.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "base/mem.h"
#include "base/sig.h"
#include "process/ask.h"
#include "process/channel.h"
#include "process/check.h"
#include "process/count.h"
#include "process/role.h"
#include "process/sandbox.h"
#include "process/servers.h"

#define READY_MS	2000	/* that the first answers may take */
#define RESERVE_FDS	(CHECK_PROBES_MAX + 128)	/* not for peers */
#define SOURCE_BYTES	(4 + 9 + 3 * 4)		/* of MSG_SOURCES */

/* Somebody's own channel. */
struct peer {
	struct client	 client;	/* first: see peer_of() */
	struct keeper	*keeper;
	struct watch	 watch;
	unsigned int	 role;
	uint32_t	 id;		/* of the message that is handled */
	uint32_t	 asked;		/* of the question without answer */
	LIST_ENTRY(peer) link;
};

/* Where they say hello. */
struct meet {
	struct keeper		*keeper;
	struct setup_meet	 from;
	struct watch		 watch;
	LIST_ENTRY(meet)	 link;
};

struct keeper {
	struct setup	*s;
	struct loop	*loop;
	struct servers	*servers;
	struct checks	*checks;
	struct count	*count;
	struct watch	 master;
	size_t		 nmet;		/* of s->meets */
	LIST_HEAD(, meet) meets;	/* these two for leak checkers */
	LIST_HEAD(, peer) peers;
	size_t		 npeers, peers_max;
	struct timer	 lag;		/* on: not ready yet */
};

static void
drop_peer(struct peer *p)
{
	struct keeper	*k = p->keeper;

	count_release(k->count, &p->client);
	loop_unwatch(k->loop, &p->watch);
	close(p->watch.fd);
	LIST_REMOVE(p, link);
	free(p);
	k->npeers--;
}

/* Who does not read is dropped, but not from here: somebody is using it. */
static void
send_to(const struct peer *p, uint16_t type, uint32_t id, const void *data,
    size_t len)
{
	if (channel_send_id(p->watch.fd, type, id, data, len) == 0)
		return;
	log_warn("a worker of pool %s takes no answers: %s", p->client.pool,
	    strerror(errno));
	(void)shutdown(p->watch.fd, SHUT_RDWR);
}

static struct peer *
peer_of(struct client *c)
{
	void	*first = c;

	return first;
}

static void
on_admitted(void *ctx, struct client *c, enum ask_verdict verdict)
{
	const struct peer	*p = peer_of(c);
	uint8_t			 buf[4];
	struct wr		 w;

	(void)ctx;
	wr_init(&w, buf, sizeof(buf));
	wr_u32(&w, verdict);
	send_to(p, MSG_ADMIT + 1, p->asked, buf, sizeof(buf));
}

static void
on_placed(void *ctx, struct client *c, enum ask_verdict verdict,
    size_t place, uint32_t index)
{
	const struct peer	*p = peer_of(c);
	uint8_t			 buf[12];
	struct wr		 w;

	(void)ctx;
	wr_init(&w, buf, sizeof(buf));
	wr_u32(&w, verdict);
	wr_u32(&w, (uint32_t)place);
	wr_u32(&w, index);
	send_to(p, MSG_PLACE + 1, p->asked, buf, sizeof(buf));
}

static void
on_yield(void *ctx, struct client *c)
{
	(void)ctx;
	send_to(peer_of(c), MSG_YIELD, 0, NULL, 0);
}

static void
on_failed_server(void *ctx, struct server *s)
{
	struct keeper	*k = ctx;

	check_report(k->checks, k->servers, s);
}

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

	if (k->count != NULL)
		count_room(k->count, g);
}

static void
rd_source(struct rd *r, struct access_source *source)
{
	const uint8_t	*p = rd_take(r, sizeof(source->bytes));

	memset(source, 0, sizeof(*source));
	if (p != NULL)
		memcpy(source->bytes, p, sizeof(source->bytes));
}

static int
on_admit(void *ctx, struct rd *r, int *fds)
{
	struct peer		*p = ctx;
	uint32_t		 generation = rd_u32(r), listener = rd_u32(r);
	struct access_source	 source;

	(void)fds;
	rd_source(r, &source);
	if (!rd_end(r))
		return -1;
	p->asked = p->id;
	return count_admit(p->keeper->count, &p->client, generation, listener,
	    &source);
}

static int
on_established(void *ctx, struct rd *r, int *fds)
{
	struct peer	*p = ctx;

	(void)r;
	(void)fds;
	return count_established(p->keeper->count, &p->client);
}

static int
on_place(void *ctx, struct rd *r, int *fds)
{
	struct peer	*p = ctx;
	uint32_t	 generation = rd_u32(r), backend = rd_u32(r);
	uint64_t	 key = rd_u64(r), tried = rd_u64(r);

	(void)fds;
	if (!rd_end(r))
		return -1;
	p->asked = p->id;
	return count_place(p->keeper->count, &p->client, generation, backend,
	    key, tried);
}

static int
on_failed(void *ctx, struct rd *r, int *fds)
{
	struct peer	*p = ctx;
	uint32_t	 generation = rd_u32(r), server = rd_u32(r);

	(void)fds;
	return rd_end(r) ? count_failed(p->keeper->count, &p->client,
	    generation, server) : -1;
}

static int
on_release(void *ctx, struct rd *r, int *fds)
{
	struct peer	*p = ctx;

	(void)r;
	(void)fds;
	count_release(p->keeper->count, &p->client);
	return 0;
}

static int
on_hold(void *ctx, struct rd *r, int *fds)
{
	struct peer		*p = ctx;
	uint32_t		 generation = rd_u32(r), listener = rd_u32(r);
	uint32_t		 server, established;
	struct access_source	 source;

	(void)fds;
	rd_source(r, &source);
	server = rd_u32(r);
	established = rd_u32(r);
	return rd_end(r) ? count_hold(p->keeper->count, &p->client,
	    generation, listener, &source, server, established != 0) : -1;
}

static bool
set_server(struct keeper *k, uint32_t generation, uint32_t server,
    uint32_t mode, uint32_t weight)
{
	const struct generation	*g = servers_generation(k->servers,
				    generation);

	if (g == NULL || server >= g->conf->nservers ||
	    (mode != UINT32_MAX && mode > BOOK_MAINT) ||
	    (weight != UINT32_MAX && weight > BALANCE_WEIGHT_MAX))
		return false;
	if (mode != UINT32_MAX)
		server_set_mode(k->servers, g->servers[server],
		    (enum book_mode)mode);
	if (weight != UINT32_MAX)
		server_set_weight(k->servers, g->servers[server], weight);
	return true;
}

static int
on_server_set(void *ctx, struct rd *r, int *fds)
{
	struct peer	*p = ctx;
	uint32_t	 generation = rd_u32(r), server = rd_u32(r);
	uint32_t	 mode = rd_u32(r), weight = rd_u32(r);
	uint8_t		 buf[4];
	struct wr	 w;

	(void)fds;
	if (!rd_end(r))
		return -1;
	wr_init(&w, buf, sizeof(buf));
	wr_u32(&w, set_server(p->keeper, generation, server, mode, weight) ?
	    0 : 1);
	send_to(p, MSG_SERVER_SET + 1, p->id, buf, sizeof(buf));
	return 0;
}

static int
on_sources(void *ctx, struct rd *r, int *fds)
{
	struct peer		*p = ctx;
	uint32_t		 first = rd_u32(r), total;
	uint8_t			 buf[MSG_PAYLOAD_MAX];
	struct count_source	 list[(MSG_PAYLOAD_MAX - 4) / SOURCE_BYTES];
	struct wr		 w;
	size_t			 n;

	(void)fds;
	if (!rd_end(r))
		return -1;
	n = count_sources(p->keeper->count, first, list, nitems(list),
	    &total);
	wr_init(&w, buf, sizeof(buf));
	wr_u32(&w, total);
	for (size_t i = 0; i < n; i++) {
		wr_u32(&w, list[i].listener);
		wr_bytes(&w, list[i].source.bytes,
		    sizeof(list[i].source.bytes));
		wr_u32(&w, list[i].live);
		wr_u32(&w, list[i].refused);
		wr_u32(&w, list[i].held_ms);
	}
	send_to(p, MSG_SOURCES + 1, p->id, buf, wr_len(&w));
	return 0;
}

static const struct channel_rule requests[] = {
	{ MSG_ADMIT,		ROLE_WORKER,	0,	on_admit },
	{ MSG_ESTABLISHED,	ROLE_WORKER,	0,	on_established },
	{ MSG_PLACE,		ROLE_WORKER,	0,	on_place },
	{ MSG_FAILED,		ROLE_WORKER,	0,	on_failed },
	{ MSG_RELEASE,		ROLE_WORKER,	0,	on_release },
	{ MSG_HOLD,		ROLE_WORKER,	0,	on_hold },
	{ MSG_SERVER_SET,	ROLE_CONTROL,	0,	on_server_set },
	{ MSG_SOURCES,		ROLE_CONTROL,	0,	on_sources },
};

static void
on_peer(void *ctx, uint32_t events)
{
	struct peer	*p = ctx;

	(void)events;
	switch (channel_dispatch_id(p->watch.fd, p->role, requests,
	    nitems(requests), p, &p->id)) {
	case 1:
		return;
	case -1:
		log_warn("a worker of pool %s said what it may not and is "
		    "heard no more", p->client.pool);
	}
	drop_peer(p);
}

/* One of our own kind, on which a send or a receive ends as it should? */
static bool
is_channel(int fd)
{
	int		 domain, type;
	socklen_t	 len = sizeof(int);

	return getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &len) == 0 &&
	    getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) == 0 &&
	    domain == AF_UNIX && type == SOCK_SEQPACKET;
}

static int
on_hello(void *ctx, struct rd *r, int *fds)
{
	struct meet	*m = ctx;
	struct keeper	*k = m->keeper;
	struct peer	*p;

	(void)r;
	if (!is_channel(fds[0]))
		return -1;
	if (k->npeers == k->peers_max) {
		log_warn("more than %zu processes would speak to the keeper; "
		    "those of pool %s must wait", k->peers_max, m->from.pool);
		return 0;
	}
	p = mem_calloc(1, sizeof(*p));
	p->keeper = k;
	p->role = m->from.role;
	memcpy(p->client.pool, m->from.pool, sizeof(p->client.pool));
	p->watch = (struct watch){ .fd = fds[0], .run = on_peer, .ctx = p };
	if (loop_watch(k->loop, &p->watch, EPOLLIN) == -1) {
		free(p);
		return 0;
	}
	fds[0] = -1;
	LIST_INSERT_HEAD(&k->peers, p, link);
	k->npeers++;
	return 0;
}

static const struct channel_rule greetings[] = {
	{ MSG_HELLO,	ROLE_WORKER | ROLE_CONTROL,	1,	on_hello },
};

/* The pool is no more. */
static void
part(struct meet *m)
{
	struct keeper	*k = m->keeper;
	struct setup	*s = k->s;

	for (size_t i = 0; i < k->nmet; i++)
		if (s->meets[i].fd == m->watch.fd) {
			memmove(&s->meets[i], &s->meets[i + 1],
			    (--s->nmeets - i) * sizeof(*s->meets));
			k->nmet--;
			break;
		}
	loop_unwatch(k->loop, &m->watch);
	close(m->watch.fd);
	LIST_REMOVE(m, link);
	free(m);
}

/* What comes here is from any of many: one that errs ends it for none. */
static void
on_meet_event(void *ctx, uint32_t events)
{
	struct meet	*m = ctx;

	(void)events;
	switch (channel_dispatch(m->watch.fd, m->from.role, greetings,
	    nitems(greetings), m)) {
	case 0:
		part(m);
		return;
	case -1:
		log_warn("somebody of pool %s did not say hello as one does",
		    m->from.pool);
	}
}

static void
meet_all(struct keeper *k)
{
	struct meet	*m;

	for (; k->nmet < k->s->nmeets; k->nmet++) {
		m = mem_calloc(1, sizeof(*m));
		m->keeper = k;
		m->from = k->s->meets[k->nmet];
		m->watch = (struct watch){
			.fd = m->from.fd, .run = on_meet_event, .ctx = m,
		};
		LIST_INSERT_HEAD(&k->meets, m, link);
		if (loop_watch(k->loop, &m->watch, EPOLLIN) == -1)
			log_fatal(1, "epoll_ctl: %s", strerror(errno));
	}
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
	count_sweep(k->count);
	set_title(k);
	return setup_on_forget(k->s, r, fds);
}

static int
on_meet(void *ctx, struct rd *r, int *fds)
{
	struct keeper	*k = ctx;

	if (setup_on_meet(k->s, r, fds) == -1)
		return -1;
	meet_all(k);
	return 0;
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

static size_t
peers_max(void)
{
	struct rlimit	 rl;

	if (getrlimit(RLIMIT_NOFILE, &rl) == -1 ||
	    rl.rlim_cur < 2 * RESERVE_FDS)
		return RESERVE_FDS / 2;
	return rl.rlim_cur - RESERVE_FDS;
}

static void
begin(struct keeper *k)
{
	const struct servers_hooks	 hooks = {
		on_changed, on_gone, on_room, k,
	};
	const struct count_hooks	 answers = {
		on_admitted, on_placed, on_yield, on_failed_server, k,
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
	k->count = count_new(k->loop, k->servers, &answers);
	if (servers_inherited(k->servers))
		count_settle(k->count);
	k->peers_max = peers_max();
	k->lag = (struct timer){ .run = on_lag, .ctx = k };
	k->master = (struct watch){
		.fd = k->s->channel, .run = on_master, .ctx = k,
	};
	if (loop_watch(k->loop, &k->master, EPOLLIN) == -1)
		log_fatal(1, "epoll_ctl: %s", strerror(errno));
	meet_all(k);
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
	sandbox_enter();
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
