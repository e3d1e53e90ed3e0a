#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "base/mem.h"
#include "base/sig.h"
#include "policy/conf_tunnel.h"
#include "process/broker_ask.h"
#include "process/channel.h"
#include "process/code_ask.h"
#include "process/codes.h"
#include "process/job.h"
#include "process/line.h"
#include "process/sandbox.h"
#include "process/serve.h"
#include "process/worker.h"

#define JOBS		UINT32_MAX	/* in place of a listener's number */
#define ACCEPT_PAUSE_MS	100	/* when the system lacks something */

struct worker {
	const struct worker_start	*start;
	const struct conf		*conf;
	struct sb_pool			*pool;
	struct sb_worker		*board;
	struct server			 server;
	struct broker_line		 broker;
	struct job			 job;		/* the one just taken */
	bool				 has_job;
	struct caller			 caller;	/* the same */
	int				 caller_fd;	/* or -1 */
	unsigned int			 boss;		/* who gives jobs */
	int				 ep;
	bool				 closed;	/* listeners, by the
							   master */
};

static const struct conf_listener *
listener_of(const struct worker *w, const struct setup_listener *sl)
{
	return &w->conf->listeners[sl->listener];
}

static void
accept_failed(struct worker *w, const struct conf_listener *l)
{
	switch (errno) {
	case EINVAL:		/* the master has shut it: no more come */
		w->closed = true;
		return;
	case EMFILE:
	case ENFILE:
	case ENOBUFS:
	case ENOMEM:
		break;
	default:		/* it left the queue before we came */
		return;
	}
	if (atomic_exchange(&w->pool->lacking, 1) == 0)
		log_warn("listener %s: accept: %s; connections wait until "
		    "there is more", l->name, strerror(errno));
	(void)sig_ppoll(NULL, 0, ACCEPT_PAUSE_MS);
}

/* Take one connection if there is one.  Returns whether there was. */
static bool
try_accept(const struct setup_listener *sl, struct net_addr *client, int *fd)
{
	client->len = sizeof(client->u);
	*fd = accept4(sl->fd, &client->u.sa, &client->len,
	    SOCK_NONBLOCK | SOCK_CLOEXEC);
	return *fd != -1;
}

/* Have connections wake us, or no more. */
static void
watch_listeners(struct worker *w, bool on)
{
	const struct setup	*s = w->start->s;

	for (size_t i = 0; i < s->nlisteners; i++) {
		struct epoll_event	 ev = {
			.events = EPOLLIN | EPOLLEXCLUSIVE,
			.data.u32 = (uint32_t)i,
		};

		if (epoll_ctl(w->ep, on ? EPOLL_CTL_ADD : EPOLL_CTL_DEL,
		    s->listeners[i].fd, &ev) == -1)
			log_fatal(1, "epoll_ctl: %s", strerror(errno));
	}
}

static void
watch_jobs(struct worker *w, bool on)
{
	struct epoll_event	 ev = {
		.events = EPOLLIN | EPOLLEXCLUSIVE, .data.u32 = JOBS,
	};
	int			 fd = w->start->s->jobs_fd;

	if (fd != -1 && epoll_ctl(w->ep, on ? EPOLL_CTL_ADD : EPOLL_CTL_DEL,
	    fd, &ev) == -1)
		log_fatal(1, "epoll_ctl: %s", strerror(errno));
}

static int
on_job(void *ctx, struct rd *r, int *fds)
{
	struct worker	*w = ctx;
	const uint8_t	*p = rd_take(r, sizeof(w->job));

	(void)fds;
	if (p == NULL)
		return -1;
	memcpy(&w->job, p, sizeof(w->job));
	w->job.hub[sizeof(w->job.hub) - 1] = '\0';
	w->job.token[sizeof(w->job.token) - 1] = '\0';
	w->has_job = true;
	return 0;
}

static int
on_caller(void *ctx, struct rd *r, int *fds)
{
	struct worker	*w = ctx;
	const uint8_t	*p = rd_take(r, sizeof(w->caller));

	if (p == NULL)
		return -1;
	memcpy(&w->caller, p, sizeof(w->caller));
	w->caller.topic[sizeof(w->caller.topic) - 1] = '\0';
	w->caller_fd = fds[0];
	fds[0] = -1;
	w->has_job = true;
	return 0;
}

/* Another may have been as fast. */
static void
take_job(struct worker *w)
{
	static const struct channel_rule	 rules[] = {
		{ MSG_JOB,	ROLE_LINK,	0,	on_job },
		{ MSG_CALLER,	ROLE_BROKER | ROLE_LINK, 1, on_caller },
	};

	w->has_job = false;
	if (channel_dispatch(w->start->s->jobs_fd, w->boss, rules,
	    nitems(rules), w) == -1)
		log_warn("somebody wants what is no job");
}

static void
do_job(struct worker *w)
{
	int	 fd = w->caller_fd;

	w->caller_fd = -1;
	if (fd != -1)
		serve_caller(&w->server, &w->caller, fd);
	else
		serve_job(&w->server, &w->job);
	w->has_job = false;
}

static void
kick_spawner(struct worker *w)
{
	const uint64_t	 one = 1;

	if (atomic_exchange(&w->pool->kicked, 1) == 0)
		(void)!write(w->start->kick, &one, sizeof(one));
}

static void
become_idle(struct worker *w)
{
	atomic_store(&w->board->state, SB_IDLE);
	atomic_fetch_add(&w->pool->idle, 1);
	watch_listeners(w, true);
	watch_jobs(w, true);
	proc_title("worker %s: idle", w->start->s->start.pool);
}

/* Leave the idle ones; wake the spawner if too few of them remain. */
static void
become_busy(struct worker *w)
{
	int32_t	 left;

	watch_listeners(w, false);
	watch_jobs(w, false);
	/* Who dies between is counted out twice: better one too many forked. */
	left = atomic_fetch_sub(&w->pool->idle, 1) - 1;
	atomic_store(&w->board->state, SB_BETWEEN);
	if (left < w->conf->workers.spare && !atomic_load(&w->pool->full))
		kick_spawner(w);
}

/*
 * Wait until a listener has a connection and take it.  Returns the listener,
 * or NULL when there was none for us, or a signal came.
 */
static const struct setup_listener *
wait_for_client(struct worker *w, struct net_addr *client, int *fd)
{
	const struct setup_listener	*sl;
	struct epoll_event		 ev;

	if (sig_epoll_wait(w->ep, &ev, 1, -1) != 1)
		return NULL;
	if (ev.data.u32 == JOBS) {
		take_job(w);
		return NULL;
	}
	/* The end of a listener wakes all, and is no connection. */
	if ((ev.events & EPOLLHUP) == 0)
		atomic_fetch_add(&w->board->wakeups, 1);
	sl = &w->start->s->listeners[ev.data.u32];
	if (try_accept(sl, client, fd)) {
		if (atomic_load(&w->pool->lacking) != 0 &&
		    atomic_exchange(&w->pool->lacking, 0) != 0)
			log_info("accepting again");
		return sl;
	}
	accept_failed(w, listener_of(w, sl));
	return NULL;
}

/*
 * Once the listeners are out of the set no connection can wake us, but one
 * may have done so already, and the kernel will wake nobody else for it.
 */
static void
serve_last(struct worker *w)
{
	const struct setup	*s = w->start->s;
	struct net_addr		 client;
	int			 fd;

	for (size_t i = 0; i < s->nlisteners; i++)
		if (try_accept(&s->listeners[i], &client, &fd)) {
			serve(&w->server, s->listeners[i].listener, fd,
			    &client);
			return;
		}
}

static bool
is_told_to_end(const struct worker *w)
{
	return w->closed || sig_is_set(SIGTERM) || sig_is_set(SIGQUIT) ||
	    sig_is_set(SIG_ORPHAN);
}

static void
serve_until_told(struct worker *w)
{
	const struct setup_listener	*sl;
	struct net_addr			 client;
	int64_t				 left = w->conf->workers.reuse;
	int				 fd;

	become_idle(w);
	atomic_fetch_add(&w->pool->arrived, 1);
	kick_spawner(w);
	while (!is_told_to_end(w)) {
		sl = wait_for_client(w, &client, &fd);
		if (sl == NULL && !w->has_job)
			continue;
		become_busy(w);
		if (sl != NULL)
			serve(&w->server, sl->listener, fd, &client);
		else
			do_job(w);
		/* What one has said shall not be there for the next. */
		if (--left == 0 || w->server.spent || is_told_to_end(w))
			return;
		become_idle(w);
	}
	become_busy(w);
	if (!sig_is_set(SIGTERM) && !sig_is_set(SIG_ORPHAN))
		serve_last(w);
}

static bool
hear_keeper(void *ctx)
{
	struct server	*v = ctx;

	codes_look(v);
	return ask_hear(v->ask);
}

static void
allocate_buffers(struct worker *w)
{
	int64_t	 most = 0;

	for (size_t i = 0; i < w->conf->nlisteners; i++)
		if (w->conf->listeners[i].buffer > most)
			most = w->conf->listeners[i].buffer;
	/* Of the system, for the heap may have to clear what it gives. */
	w->server.buf = mmap(NULL, 2 * (size_t)most, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (w->server.buf == MAP_FAILED)
		log_fatal(1, "buffers: %s", strerror(errno));
	w->server.pipes = pipes_new(2);
}

static void
prepare_server(struct worker *w)
{
	const struct setup	*s = w->start->s;
	struct server		*v = &w->server;

	v->pool = s->start.pool;
	v->generation = s->start.generation;
	v->router = (struct router){ w->conf, w->start->book, w->pool };
	v->board = w->board;
	v->contexts = w->start->contexts;
	v->signer = w->start->signer;
	if (s->auth_fd != -1 && w->conf->totp.wanted)
		v->codes = code_ask_new(s->auth_fd, s->start.generation);
	v->dbclient_fd = s->dbclient_fd;
	if (s->broker_fd != -1) {
		broker_line_init(&w->broker, s->broker_fd);
		v->broker = &w->broker;
	}
	if (s->auth_fd != -1 && conf_pool_has_proofs(w->conf, v->pool))
		v->proofs = line_new(s->auth_fd, ROLE_AUTH, "auth");
	v->records = &w->start->s->records;
	v->crashers = w->start->crashers;
	v->ask = ask_new(s->keeper_fd, s->start.generation);
	v->cpus = proc_cpus();
	handover_init(&v->handover, s->carrier_fd, w->board);
	v->told = (struct told){
		.heard = hear_keeper, .ctx = v,
		.victim = &w->board->victim,
	};
	if (getrandom(&v->next_id, sizeof(v->next_id), 0) !=
	    (ssize_t)sizeof(v->next_id))
		log_fatal(1, "getrandom: %s", strerror(errno));
	allocate_buffers(w);
}

_Noreturn void
worker_main(const struct worker_start *start)
{
	static const int	 signals[] = {
		SIGTERM, SIGQUIT, SIGALRM, SIG_KILLED, SIGIO, SIG_ORPHAN, 0,
	};
	struct worker		 w = {
		.start = start, .conf = start->s->conf, .caller_fd = -1,
		.boss = conf_mapped_listener(start->s->conf,
		    start->s->start.pool) != CONF_NOWHERE ? ROLE_BROKER :
		    ROLE_LINK,
	};

	log_init("worker", (enum logline_level)w.conf->log.level);
	sig_init(signals);
	proc_die_with(start->spawner, SIG_ORPHAN);
	proc_title("worker %s: starting", start->s->start.pool);
	if (scoreboard_enter(start->sb, start->slot, &w.pool, &w.board) == -1)
		log_fatal(1, "scoreboard: %s", strerror(errno));
	close(start->s->channel);
	close(start->s->board_fds[0][1]);
	prepare_server(&w);
	w.ep = epoll_create1(EPOLL_CLOEXEC);
	if (w.ep == -1)
		log_fatal(1, "epoll: %s", strerror(errno));
	sandbox_worker_enter(start->sandbox);
	serve_until_told(&w);
	log_debug("served %u sessions in %u wake-ups",
	    atomic_load(&w.board->served), atomic_load(&w.board->wakeups));
	_exit(0);
}
