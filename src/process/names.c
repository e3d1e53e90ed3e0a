#include <sys/epoll.h>
#include <sys/queue.h>
#include <sys/stat.h>

#include <netdb.h>

#include <ares.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/io.h"
#include "base/log.h"
#include "base/mem.h"
#include "process/names.h"

#define TTL_MIN_MS	1000
#define TTL_MAX_MS	3600000
#define FILE_MS		60000	/* what /etc/hosts said */
#define RETRY_MIN_MS	1000	/* after it was not found, doubling */
#define RETRY_MAX_MS	60000
#define TRY_MS		1000	/* for a DNS server to answer, at first */
#define TRIES		2	/* of each */
#define ASKED_MAX	64	/* names at a time */

#define RESOLV_CONF	"/etc/resolv.conf"

struct name {
	char			*text;
	struct net_spec		 spec;
	struct net_addr		 addrs[NAMES_ADDRS_MAX];
	size_t			 n;
	struct names		*names;
	unsigned int		 wanted;
	bool			 answered;	/* once at least */
	bool			 failing;	/* and said so */
	bool			 asking;
	int			 retry_ms;
	struct timer		 timer;		/* of the next look-up */
	RB_ENTRY(name)		 link;
	TAILQ_ENTRY(name)	 due;
	bool			 is_due;
};

/* A socket of c-ares. */
struct sock {
	struct watch		 watch;
	struct names		*names;
	LIST_ENTRY(sock)	 link;
};

RB_HEAD(tree, name);

struct names {
	struct loop		*loop;
	names_changed		*changed;
	void			*ctx;
	struct tree		 tree;		/* by text */
	TAILQ_HEAD(, name)	 due;		/* to be asked */
	size_t			 count, asked, unanswered;
	ares_channel		 channel;	/* NULL: none yet */
	struct stat		 resolv_conf;	/* that it has read */
	LIST_HEAD(, sock)	 socks;
	struct timer		 turn;		/* to ask what is due */
	struct timer		 patience;	/* of c-ares */
	bool			 inside;	/* ares_getaddrinfo() */
};

static int
compare(const struct name *a, const struct name *b)
{
	return strcmp(a->text, b->text);
}

RB_PROTOTYPE_INTERNAL(tree, name, link, compare,
    static __attribute__((unused)))
RB_GENERATE_INTERNAL(tree, name, link, compare,
    static __attribute__((unused)))

int
names_ttl_ms(long ttl)
{
	if (ttl > TTL_MAX_MS / 1000)
		return TTL_MAX_MS;
	return ttl < 1 ? TTL_MIN_MS : (int)ttl * 1000;
}

/* c-ares has waits of its own. */
static void
rearm(struct names *ns)
{
	struct timeval	 tv;

	if (ns->channel == NULL ||
	    ares_timeout(ns->channel, NULL, &tv) == NULL)
		loop_unset(ns->loop, &ns->patience);
	else
		loop_set(ns->loop, &ns->patience, io_now_ms() +
		    tv.tv_sec * 1000 + tv.tv_usec / 1000 + 1);
}

static void
on_patience(void *ctx)
{
	struct names	*ns = ctx;

	ares_process_fd(ns->channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
	rearm(ns);
}

static void
on_socket(void *ctx, uint32_t events)
{
	const struct sock	*s = ctx;
	struct names		*ns = s->names;
	ares_socket_t		 fd = s->watch.fd;
	bool			 broken = (events & (EPOLLHUP | EPOLLERR)) != 0;

	ares_process_fd(ns->channel,
	    broken || (events & EPOLLIN) ? fd : ARES_SOCKET_BAD,
	    broken || (events & EPOLLOUT) ? fd : ARES_SOCKET_BAD);
	rearm(ns);
}

/* c-ares opens a socket, wants other events of it, or is about to close. */
static void
on_socket_state(void *ctx, ares_socket_t fd, int readable, int writable)
{
	struct names	*ns = ctx;
	struct sock	*s;

	LIST_FOREACH(s, &ns->socks, link)
		if (s->watch.fd == fd)
			break;
	if (!readable && !writable) {
		if (s == NULL)
			return;
		loop_unwatch(ns->loop, &s->watch);
		LIST_REMOVE(s, link);
		free(s);
		return;
	}
	if (s == NULL) {
		s = mem_calloc(1, sizeof(*s));
		s->names = ns;
		s->watch.fd = fd;
		s->watch.run = on_socket;
		s->watch.ctx = s;
		LIST_INSERT_HEAD(&ns->socks, s, link);
	}
	/* Unheard, its queries run into their time. */
	(void)loop_watch(ns->loop, &s->watch,
	    (readable ? (uint32_t)EPOLLIN : 0) |
	    (writable ? (uint32_t)EPOLLOUT : 0));
}

static void
close_channel(struct names *ns)
{
	if (ns->channel == NULL)
		return;
	ares_cancel(ns->channel);	/* what it asked becomes due again */
	ares_destroy(ns->channel);
	ns->channel = NULL;
	rearm(ns);
}

static bool
is_same_file(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino &&
	    a->st_size == b->st_size &&
	    a->st_mtim.tv_sec == b->st_mtim.tv_sec &&
	    a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

/* It reads which DNS servers there are once; hosts move between networks. */
static void
open_channel(struct names *ns)
{
	struct ares_options	 o = {
		.timeout = TRY_MS, .tries = TRIES,
		.sock_state_cb = on_socket_state, .sock_state_cb_data = ns,
	};
	struct stat		 st = { .st_ino = 0 };
	int			 rc;

	(void)stat(RESOLV_CONF, &st);
	if (ns->channel != NULL && is_same_file(&st, &ns->resolv_conf))
		return;
	close_channel(ns);
	ns->resolv_conf = st;
	rc = ares_init_options(&ns->channel, &o, ARES_OPT_TIMEOUTMS |
	    ARES_OPT_TRIES | ARES_OPT_SOCK_STATE_CB);
	if (rc != ARES_SUCCESS) {
		ns->channel = NULL;
		log_warn("no names can be looked up: %s", ares_strerror(rc));
	}
}

static void
make_due(struct names *ns, struct name *nm)
{
	if (nm->is_due || nm->asking)
		return;
	nm->is_due = true;
	TAILQ_INSERT_TAIL(&ns->due, nm, due);
	loop_set(ns->loop, &ns->turn, io_now_ms());
}

static void
on_timer(void *ctx)
{
	struct name	*nm = ctx;

	make_due(nm->names, nm);
}

static size_t
collect(const struct ares_addrinfo *res, uint16_t port,
    struct net_addr *addrs)
{
	size_t	 n = 0;

	for (const struct ares_addrinfo_node *i = res->nodes;
	    i != NULL && n < NAMES_ADDRS_MAX; i = i->ai_next) {
		struct net_addr	*a = &addrs[n];

		if ((i->ai_family != AF_INET && i->ai_family != AF_INET6) ||
		    i->ai_addrlen > sizeof(a->u))
			continue;
		memset(a, 0, sizeof(*a));
		memcpy(&a->u, i->ai_addr, i->ai_addrlen);
		a->len = i->ai_addrlen;
		net_set_port(a, port);
		n++;
	}
	return n;
}

/* How long the answer is good for: as long as the shortest part of it. */
static int
lifetime(const struct ares_addrinfo *res, bool from_file)
{
	long	 ttl = INT_MAX;

	if (from_file)
		return FILE_MS;
	for (const struct ares_addrinfo_cname *c = res->cnames; c != NULL;
	    c = c->next)
		if (c->ttl < ttl)
			ttl = c->ttl;
	for (const struct ares_addrinfo_node *i = res->nodes; i != NULL;
	    i = i->ai_next)
		if (i->ai_ttl < ttl)
			ttl = i->ai_ttl;
	return names_ttl_ms(ttl);
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
say(const struct name *nm)
{
	char	 text[NET_TEXT_MAX], all[512];
	size_t	 len = 0;

	all[0] = '\0';
	for (size_t i = 0; i < nm->n && len < sizeof(all); i++)
		len += (size_t)snprintf(all + len, sizeof(all) - len, " %s",
		    net_text(&nm->addrs[i], text, sizeof(text)));
	log_info("%s is%s", nm->text, all);
}

static void
learn(struct names *ns, struct name *nm, const struct net_addr *addrs,
    size_t n, int lifetime_ms)
{
	bool	 same = is_same_set(nm, addrs, n);

	nm->retry_ms = 0;
	loop_set(ns->loop, &nm->timer, io_now_ms() + lifetime_ms);
	if (same && !nm->failing)
		return;
	nm->failing = false;
	if (!same) {
		memcpy(nm->addrs, addrs, n * sizeof(*addrs));
		nm->n = n;
	}
	if (!same)
		ns->changed(ns->ctx, nm);
	say(nm);		/* when it is so for all */
}

static void
miss(struct names *ns, struct name *nm, const char *why)
{
	nm->retry_ms = nm->retry_ms == 0 ? RETRY_MIN_MS : nm->retry_ms * 2;
	if (nm->retry_ms > RETRY_MAX_MS)
		nm->retry_ms = RETRY_MAX_MS;
	loop_set(ns->loop, &nm->timer, io_now_ms() + nm->retry_ms);
	if (nm->failing)
		return;
	nm->failing = true;
	log_warn("%s cannot be looked up: %s; %s", nm->text, why, nm->n > 0 ?
	    "its last addresses stay in use" : "trying until it can");
}

static void
forget(struct names *ns, struct name *nm)
{
	RB_REMOVE(tree, &ns->tree, nm);
	ns->count--;
	if (!nm->answered)
		ns->unanswered--;
	loop_unset(ns->loop, &nm->timer);
	if (nm->is_due)
		TAILQ_REMOVE(&ns->due, nm, due);
	free(nm->text);
	free(nm);
}

static void
on_answer(void *ctx, int status, int timeouts, struct ares_addrinfo *res)
{
	struct name	*nm = ctx;
	struct names	*ns = nm->names;
	struct net_addr	 addrs[NAMES_ADDRS_MAX];
	size_t		 n = 0;
	/* Nobody else could have answered before we have begun to wait. */
	int		 ms = res == NULL ? 0 : lifetime(res, ns->inside);

	(void)timeouts;
	ns->asked--;
	nm->asking = false;
	if (res != NULL) {
		n = collect(res, nm->spec.port, addrs);
		ares_freeaddrinfo(res);
	}
	if (nm->wanted == 0) {
		forget(ns, nm);
		return;
	}
	if (status == ARES_ECANCELLED || status == ARES_EDESTRUCTION) {
		make_due(ns, nm);
		return;
	}
	if (!nm->answered)
		ns->unanswered--;
	nm->answered = true;
	if (status != ARES_SUCCESS)
		miss(ns, nm, ares_strerror(status));
	else if (n == 0)
		miss(ns, nm, "it has no address");
	else
		learn(ns, nm, addrs, n, ms);
	if (!TAILQ_EMPTY(&ns->due))
		loop_set(ns->loop, &ns->turn, io_now_ms());
}

/* Ask what is due; never from an answer, for c-ares is still at work then. */
static void
on_turn(void *ctx)
{
	const struct ares_addrinfo_hints	 hints = {
		.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM,
	};
	struct names				*ns = ctx;
	struct name				*nm;

	open_channel(ns);
	while (ns->asked < ASKED_MAX &&
	    (nm = TAILQ_FIRST(&ns->due)) != NULL) {
		TAILQ_REMOVE(&ns->due, nm, due);
		nm->is_due = false;
		if (ns->channel == NULL) {
			loop_set(ns->loop, &nm->timer,
			    io_now_ms() + RETRY_MAX_MS);
			continue;
		}
		nm->asking = true;
		ns->asked++;
		ns->inside = true;
		ares_getaddrinfo(ns->channel, nm->spec.name, NULL, &hints,
		    on_answer, nm);
		ns->inside = false;
	}
	rearm(ns);
}

struct names *
names_new(struct loop *loop, names_changed *changed, void *ctx)
{
	struct names	*ns = mem_calloc(1, sizeof(*ns));

	ns->loop = loop;
	ns->changed = changed;
	ns->ctx = ctx;
	RB_INIT(&ns->tree);
	TAILQ_INIT(&ns->due);
	LIST_INIT(&ns->socks);
	ns->turn = (struct timer){ .run = on_turn, .ctx = ns };
	ns->patience = (struct timer){ .run = on_patience, .ctx = ns };
	return ns;
}

void
names_free(struct names **names)
{
	struct names	*ns = *names;
	struct name	*nm;

	if (ns == NULL)
		return;
	close_channel(ns);
	while ((nm = RB_MIN(tree, &ns->tree)) != NULL)
		forget(ns, nm);
	loop_unset(ns->loop, &ns->turn);
	free(ns);
	*names = NULL;
}

struct name *
names_want(struct names *ns, const char *text, const struct net_spec *spec,
    const struct net_addr *known, size_t n)
{
	struct name	*nm = mem_calloc(1, sizeof(*nm)), *old;

	nm->text = mem_strdup(text);
	nm->names = ns;
	nm->timer = (struct timer){ .run = on_timer, .ctx = nm };
	nm->spec = *spec;
	if ((old = RB_INSERT(tree, &ns->tree, nm)) != NULL) {
		free(nm->text);
		free(nm);
		old->wanted++;
		return old;
	}
	nm->wanted = 1;
	nm->n = n < NAMES_ADDRS_MAX ? n : NAMES_ADDRS_MAX;
	if (nm->n > 0)
		memcpy(nm->addrs, known, nm->n * sizeof(*known));
	ns->count++;
	ns->unanswered++;
	make_due(ns, nm);
	return nm;
}

void
names_unwant(struct names *ns, struct name **name)
{
	struct name	*nm = *name;

	*name = NULL;
	/* One that is being asked for goes with its answer. */
	if (nm != NULL && --nm->wanted == 0 && !nm->asking)
		forget(ns, nm);
}

const struct net_addr *
names_addrs(const struct name *nm, size_t *n)
{
	*n = nm->n;
	return nm->addrs;
}

size_t
names_count(const struct names *ns)
{
	return ns->count;
}

bool
names_pending(const struct names *ns)
{
	return ns->unanswered > 0;
}
