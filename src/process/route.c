#include <sys/random.h>

#include <stdatomic.h>
#include <string.h>

#include "base/io.h"
#include "policy/balance.h"
#include "process/route.h"

#define TROUBLE_MS	100	/* by when the keeper has heard and judged */

static const struct conf_backend *
backend_of(const struct router *r, size_t backend)
{
	return &r->conf->backends[backend];
}

uint64_t
route_key(const struct router *r, size_t backend,
    const struct access_source *client)
{
	uint64_t	 key = 0;

	switch (backend_of(r, backend)->balance) {
	case BALANCE_ROUNDROBIN:
	case BALANCE_LEASTCONN:
		return atomic_fetch_add(&r->pool->turns[backend], 1);
	case BALANCE_SOURCE:
		return balance_hash(client->bytes, sizeof(client->bytes));
	case BALANCE_RANDOM:
		(void)!getrandom(&key, sizeof(key), 0);
		break;
	}
	return key;
}

size_t
route_addresses(const struct router *r, size_t backend, size_t server,
    struct back_candidate *out, size_t max)
{
	const struct conf_server	*s =
	    &backend_of(r, backend)->servers.v[server];
	struct net_addr			 found[BOOK_ADDRS_MAX];
	size_t				 n = 1;

	if (s->spec.kind != NET_NAME)
		found[0] = s->spec.addr;
	else
		n = book_read(&r->book[s->index], found, BOOK_ADDRS_MAX);
	if (n > max)
		n = max;
	for (size_t i = 0; i < n; i++)
		out[i] = (struct back_candidate){
			found[i], (uint32_t)server
		};
	return n;
}

static _Atomic uint64_t *
trouble_of(const struct router *r, uint32_t server_index)
{
	return &r->pool->trouble[server_index % SB_TROUBLE];
}

/* The server and the time in one word, so that neither is without the other. */
static uint64_t
trouble_now(uint32_t server_index)
{
	return (uint64_t)server_index << 32 | (uint32_t)io_now_ms();
}

void
route_failed(const struct router *r, uint32_t server_index)
{
	atomic_store(trouble_of(r, server_index), trouble_now(server_index));
}

static bool
is_in_trouble(const struct router *r, uint32_t server_index)
{
	uint64_t	 said = atomic_load(trouble_of(r, server_index));

	return said != 0 && said >> 32 == server_index &&
	    (uint32_t)trouble_now(0) - (uint32_t)said < TROUBLE_MS;
}

/* Servers that the checks took down are as if they were not there. */
static size_t
look_up(const struct router *r, const struct conf_backend *b,
    struct balance_server *out, uint64_t *ids)
{
	size_t	 up = 0;

	for (size_t i = 0; i < b->servers.n; i++) {
		const struct conf_server	*s = &b->servers.v[i];
		const struct book_entry		*e = &r->book[s->index];
		uint32_t			 state =
		    atomic_load(&e->state);

		out[i] = (struct balance_server){
			.weight = atomic_load(&e->weight),
			.backup = s->backup,
			.up = state == BOOK_UP &&
			    !is_in_trouble(r, (uint32_t)s->index),
			.usable = atomic_load(&e->mode) == BOOK_READY &&
			    state != BOOK_DOWN,
		};
		if (b->balance == BALANCE_SOURCE)
			ids[i] = balance_hash(s->text, strlen(s->text));
		up += out[i].usable;
	}
	return up;
}

size_t
route_candidates(const struct router *r, size_t backend, uint64_t key,
    struct back_candidate *out, size_t max, const char **why)
{
	const struct conf_backend	*b = backend_of(r, backend);
	struct balance_server		 servers[BALANCE_SERVERS_MAX];
	uint64_t			 ids[BALANCE_SERVERS_MAX];
	size_t				 order[BALANCE_SERVERS_MAX];
	size_t				 n, found = 0;

	*why = "no server is up";
	if (look_up(r, b, servers, ids) == 0)
		return 0;
	n = balance_order((enum balance_method)b->balance, servers,
	    b->servers.n, key, ids, false, order);
	if (n > (size_t)b->retries + 1)
		n = (size_t)b->retries + 1;
	*why = "no server has an address";
	for (size_t i = 0; i < n; i++)
		found += route_addresses(r, backend, order[i], out + found,
		    max - found);
	return found;
}
