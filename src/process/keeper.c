/*
 * keeper - knows what servers' names stand for.
 *
 *	from	may ask
 *	master	nothing
 *
 * It alone reads answers of the DNS.  What it finds goes into the address
 * book, which the workers map read-only; a name that can no longer be looked
 * up keeps its last addresses.
 */
#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <stdio.h>
#include <string.h>

#include "base/io.h"
#include "base/mem.h"
#include "process/book.h"
#include "process/channel.h"
#include "process/role.h"
#include "process/sandbox.h"

#define REFRESH_MS	60000	/* after a name was found */
#define RETRY_MIN_MS	1000	/* after it was not, doubling */
#define RETRY_MAX_MS	60000

struct name {
	uint32_t			 generation;
	const struct conf_server	*server;
	struct book_entry		*entry;
	struct net_addr		 addrs[BOOK_ADDRS_MAX];
	size_t			 n;
	int			 retry_ms;
	int64_t			 next;		/* look-up, io_now_ms() */
	bool			 failing;	/* and said so */
};

struct keeper {
	struct setup		*s;
	struct name		*names;
	size_t			 nnames;
};

static void
add_name(struct keeper *k, uint32_t generation,
    const struct conf_server *server, struct book_entry *entry)
{
	struct name	*nm;

	k->names = mem_resize(k->names, k->nnames + 1, sizeof(*k->names));
	nm = &k->names[k->nnames++];
	memset(nm, 0, sizeof(*nm));
	nm->generation = generation;
	nm->server = server;
	nm->entry = entry;
	/* What a keeper before us found is in use. */
	nm->n = book_read(entry, nm->addrs, BOOK_ADDRS_MAX);
	for (size_t i = 0; i + 1 < k->nnames && nm->n == 0; i++)
		if (strcmp(k->names[i].server->text, server->text) == 0) {
			nm->n = k->names[i].n;
			memcpy(nm->addrs, k->names[i].addrs,
			    sizeof(nm->addrs));
			book_write(entry, nm->addrs, nm->n);
		}
}

static void
gather_names(struct keeper *k, const struct setup_generation *gen)
{
	struct book_entry	*book;

	book = book_map_writable(gen->book_fd, gen->conf->nservers);
	if (book == NULL)
		log_fatal(1, "address book: %s", strerror(errno));
	for (size_t i = 0; i < gen->conf->nbackends; i++) {
		const struct conf_servers	*list =
		    &gen->conf->backends[i].servers;

		for (size_t j = 0; j < list->n; j++)
			if (list->v[j].spec.kind == NET_NAME)
				add_name(k, gen->number, &list->v[j],
				    &book[list->v[j].index]);
	}
}

static size_t
collect(const struct addrinfo *res, uint16_t port, struct net_addr *addrs)
{
	size_t	 n = 0;

	for (; res != NULL && n < BOOK_ADDRS_MAX; res = res->ai_next) {
		struct net_addr	*a = &addrs[n];

		if ((res->ai_family != AF_INET &&
		    res->ai_family != AF_INET6) ||
		    res->ai_addrlen > sizeof(a->u))
			continue;
		memset(a, 0, sizeof(*a));
		memcpy(&a->u, res->ai_addr, res->ai_addrlen);
		a->len = res->ai_addrlen;
		net_set_port(a, port);
		n++;
	}
	return n;
}

/* DNS servers rotate their answers: the same set is no news. */
static bool
is_same_set(const struct name *nm, const struct net_addr *addrs, size_t n)
{
	size_t	 found = 0;

	for (size_t i = 0; i < n; i++)
		for (size_t j = 0; j < nm->n; j++)
			if (net_same(&addrs[i], &nm->addrs[j])) {
				found++;
				break;
			}
	return found == n && n == nm->n;
}

static void
learn(struct name *nm, const struct net_addr *addrs, size_t n)
{
	char	 text[NET_TEXT_MAX], all[512];
	size_t	 len = 0;

	nm->retry_ms = 0;
	nm->next = io_now_ms() + REFRESH_MS;
	if (is_same_set(nm, addrs, n) && !nm->failing)
		return;
	nm->failing = false;
	memcpy(nm->addrs, addrs, n * sizeof(*addrs));
	nm->n = n;
	book_write(nm->entry, addrs, n);
	all[0] = '\0';
	for (size_t i = 0; i < n && len < sizeof(all); i++)
		len += (size_t)snprintf(all + len, sizeof(all) - len, " %s",
		    net_text(&addrs[i], text, sizeof(text)));
	log_info("%s is%s", nm->server->text, all);
}

static void
miss(struct name *nm, const char *why)
{
	nm->retry_ms = nm->retry_ms == 0 ? RETRY_MIN_MS : nm->retry_ms * 2;
	if (nm->retry_ms > RETRY_MAX_MS)
		nm->retry_ms = RETRY_MAX_MS;
	nm->next = io_now_ms() + nm->retry_ms;
	if (nm->failing)
		return;
	nm->failing = true;
	log_warn("%s cannot be looked up: %s; %s", nm->server->text, why,
	    nm->n > 0 ? "its last addresses stay in use" :
	    "trying until it can");
}

static void
look_up(struct name *nm)
{
	const struct addrinfo	 hints = { .ai_socktype = SOCK_STREAM };
	struct addrinfo		*res;
	struct net_addr		 addrs[BOOK_ADDRS_MAX];
	size_t			 n;
	int			 error;

	error = getaddrinfo(nm->server->spec.name, NULL, &hints, &res);
	if (error != 0) {
		miss(nm, error == EAI_SYSTEM ? strerror(errno) :
		    gai_strerror(error));
		return;
	}
	n = collect(res, nm->server->spec.port, addrs);
	freeaddrinfo(res);
	if (n == 0)
		miss(nm, "it has no address");
	else
		learn(nm, addrs, n);
}

/* Look up what is due; returns milliseconds until the next is. */
static int
look_up_due(struct keeper *k)
{
	int64_t	 next = INT64_MAX;

	for (size_t i = 0; i < k->nnames; i++) {
		if (io_now_ms() >= k->names[i].next)
			look_up(&k->names[i]);
		if (k->names[i].next < next)
			next = k->names[i].next;
	}
	return io_left_ms(next);
}

static int
on_conf(void *ctx, struct rd *r, int *fds)
{
	return setup_on_conf(((struct keeper *)ctx)->s, r, fds);
}

static int
on_book(void *ctx, struct rd *r, int *fds)
{
	struct keeper	*k = ctx;
	struct setup	*s = k->s;

	if (setup_on_book(s, r, fds) == -1)
		return -1;
	gather_names(k, &s->generations[s->ngenerations - 1]);
	return channel_send_u32(s->channel, MSG_PREPARED,
	    s->generations[s->ngenerations - 1].number);
}

static int
on_meet(void *ctx, struct rd *r, int *fds)
{
	return setup_on_meet(((struct keeper *)ctx)->s, r, fds);
}

static int
on_forget(void *ctx, struct rd *r, int *fds)
{
	struct keeper	*k = ctx;
	struct rd	 copy = *r;
	uint32_t	 number = rd_u32(&copy);

	for (size_t i = k->nnames; i-- > 0;)
		if (k->names[i].generation == number)
			k->names[i] = k->names[--k->nnames];
	return setup_on_forget(k->s, r, fds);
}

static int
on_commit(void *ctx, struct rd *r, int *fds)
{
	(void)ctx;
	(void)fds;
	(void)rd_u32(r);
	return 0;
}

static const struct channel_rule requests[] = {
	{ MSG_CONF,	ROLE_MASTER,	1,	on_conf },
	{ MSG_BOOK,	ROLE_MASTER,	1,	on_book },
	{ MSG_MEET,	ROLE_MASTER,	1,	on_meet },
	{ MSG_COMMIT,	ROLE_MASTER,	0,	on_commit },
	{ MSG_FORGET,	ROLE_MASTER,	0,	on_forget },
};

void
keeper_main(struct setup *s)
{
	struct keeper		 k = { .s = s };
	struct pollfd		 p = { .fd = s->channel, .events = POLLIN };
	sigset_t		 none;
	int			 wait;

	/* TERM ends this process wherever it is: a look-up may take long. */
	signal(SIGTERM, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	/* One dead DNS server must not hold up all other names for long. */
	(void)setenv("RES_OPTIONS", "timeout:1 attempts:2", 0);
	for (size_t i = 0; i < s->ngenerations; i++)
		gather_names(&k, &s->generations[i]);
	sandbox_enter();
	proc_title("keeper: %zu names", k.nnames);
	wait = look_up_due(&k);
	setup_ready(s);
	for (;;) {
		if (poll(&p, 1, wait) == 1 && channel_dispatch(s->channel,
		    ROLE_MASTER, requests, nitems(requests), &k) != 1)
			exit(0);
		wait = look_up_due(&k);
	}
}
