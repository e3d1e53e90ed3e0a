#include <sys/epoll.h>
#include <sys/queue.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "process/ask.h"
#include "process/channel.h"
#include "process/check.h"
#include "process/count.h"
#include "process/peer.h"

#define RESERVE_FDS	(CHECK_PROBES_MAX + 128)	/* not for peers */
#define SOURCE_BYTES	(4 + 9 + 3 * 4)		/* of MSG_SOURCES */

/* Somebody's own channel. */
struct peer {
	struct client	 client;	/* first: see peer_of() */
	struct peers	*all;
	struct watch	 watch;
	unsigned int	 role;
	uint32_t	 id;		/* of the message that is handled */
	uint32_t	 asked;		/* of the question without answer */
	LIST_ENTRY(peer) link;
};

struct peers {
	struct loop	*loop;
	struct servers	*servers;
	struct checks	*checks;
	struct count	*count;
	LIST_HEAD(, peer) peers;	/* for leak checkers */
	size_t		 npeers, npeers_max;
};

static void
drop_peer(struct peer *p)
{
	struct peers	*all = p->all;

	count_release(all->count, &p->client);
	loop_unwatch(all->loop, &p->watch);
	close(p->watch.fd);
	LIST_REMOVE(p, link);
	free(p);
	all->npeers--;
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
	struct peers	*all = ctx;

	check_report(all->checks, all->servers, s);
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
	return count_admit(p->all->count, &p->client, generation, listener,
	    &source);
}

static int
on_established(void *ctx, struct rd *r, int *fds)
{
	struct peer	*p = ctx;

	(void)r;
	(void)fds;
	return count_established(p->all->count, &p->client);
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
	return count_place(p->all->count, &p->client, generation, backend,
	    key, tried);
}

static int
on_failed(void *ctx, struct rd *r, int *fds)
{
	struct peer	*p = ctx;
	uint32_t	 generation = rd_u32(r), server = rd_u32(r);

	(void)fds;
	return rd_end(r) ? count_failed(p->all->count, &p->client,
	    generation, server) : -1;
}

static int
on_release(void *ctx, struct rd *r, int *fds)
{
	struct peer	*p = ctx;

	(void)r;
	(void)fds;
	count_release(p->all->count, &p->client);
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
	return rd_end(r) ? count_hold(p->all->count, &p->client,
	    generation, listener, &source, server, established != 0) : -1;
}

static bool
set_server(struct peers *all, uint32_t generation, uint32_t server,
    uint32_t mode, uint32_t weight)
{
	const struct generation	*g = servers_generation(all->servers,
				    generation);

	if (g == NULL || server >= g->conf->nservers ||
	    (mode != UINT32_MAX && mode > BOOK_MAINT) ||
	    (weight != UINT32_MAX && weight > BALANCE_WEIGHT_MAX))
		return false;
	if (mode != UINT32_MAX)
		server_set_mode(all->servers, g->servers[server],
		    (enum book_mode)mode);
	if (weight != UINT32_MAX)
		server_set_weight(all->servers, g->servers[server], weight);
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
	wr_u32(&w, set_server(p->all, generation, server, mode, weight) ?
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
	n = count_sources(p->all->count, first, list, nitems(list),
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

bool
peers_hello(void *ctx, unsigned int role, const char *pool, int fd)
{
	struct peers	*all = ctx;
	struct peer	*p;

	if (all->npeers == all->npeers_max) {
		log_warn("more than %zu processes would speak to the keeper; "
		    "those of pool %s must wait", all->npeers_max, pool);
		return false;
	}
	p = mem_calloc(1, sizeof(*p));
	p->all = all;
	p->role = role;
	memcpy(p->client.pool, pool, sizeof(p->client.pool));
	p->watch = (struct watch){ .fd = fd, .run = on_peer, .ctx = p };
	if (loop_watch(all->loop, &p->watch, EPOLLIN) == -1) {
		free(p);
		return false;
	}
	LIST_INSERT_HEAD(&all->peers, p, link);
	all->npeers++;
	return true;
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

struct peers *
peers_new(struct loop *loop, struct servers *servers, struct checks *checks)
{
	struct peers			*all = mem_calloc(1, sizeof(*all));
	const struct count_hooks	 answers = {
		on_admitted, on_placed, on_yield, on_failed_server, all,
	};

	all->loop = loop;
	all->servers = servers;
	all->checks = checks;
	all->count = count_new(loop, servers, &answers);
	all->npeers_max = peers_max();
	LIST_INIT(&all->peers);
	return all;
}

struct count *
peers_count(const struct peers *all)
{
	return all->count;
}
