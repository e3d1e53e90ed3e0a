#include <sys/epoll.h>
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
#include "process/sandbox.h"
#include "process/worker.h"
#include "session/back.h"
#include "session/pump.h"

#define ACCEPT_PAUSE_MS	100	/* when the system lacks something */

struct worker {
	const struct worker_start	*start;
	const struct conf		*conf;
	struct sb_pool			*pool;
	struct sb_worker		*board;
	int				 ep;
	uint64_t			 next_id;
	uint8_t				*buf;	/* for both directions */
	bool				 closed;	/* listeners, by the
							   master */
};

static const struct conf_listener *
listener_of(const struct worker *w, const struct setup_listener *sl)
{
	return &w->conf->listeners[sl->listener];
}

void
worker_log_session(const struct sb_session *s, uint64_t up, uint64_t down,
    const char *end, const char *why)
{
	struct logline	 l = { .level = LOGLINE_INFO };
	int64_t		 took = io_now_us() - s->accepted_us;
	int64_t		 dial = s->connected_us - s->accepted_us;
	char		 id[20], bytes[2][24], ms[32], connect[32];

	if (!log_wants(LOGLINE_INFO))
		return;
	l.event = logline_string("session");
	l.text = logline_string("");
	snprintf(id, sizeof(id), "%016" PRIx64, s->id);
	snprintf(bytes[0], sizeof(bytes[0]), "%" PRIu64, up);
	snprintf(bytes[1], sizeof(bytes[1]), "%" PRIu64, down);
	snprintf(ms, sizeof(ms), "%" PRId64 ".%03d", took / 1000,
	    (int)(took % 1000));
	logline_add(&l, LOGLINE_STRING, "id", id);
	logline_add(&l, LOGLINE_STRING, "listener", s->listener);
	logline_add(&l, LOGLINE_STRING, "client", s->client);
	if (s->server[0] != '\0')
		logline_add(&l, LOGLINE_STRING, "server", s->server);
	logline_add(&l, LOGLINE_NUMBER, "up", bytes[0]);
	logline_add(&l, LOGLINE_NUMBER, "down", bytes[1]);
	logline_add(&l, LOGLINE_NUMBER, "ms", ms);
	if (s->connected_us != 0) {
		snprintf(connect, sizeof(connect), "%" PRId64 ".%03d",
		    dial / 1000, (int)(dial % 1000));
		logline_add(&l, LOGLINE_NUMBER, "connect_ms", connect);
	}
	logline_add(&l, LOGLINE_STRING, "end", end);
	if (why != NULL && why[0] != '\0')
		logline_add(&l, LOGLINE_STRING, "why", why);
	log_event(&l);
}

/* An address of a peer that has none of its own says who it is. */
static void
client_text(int fd, const struct net_addr *a, char *buf, size_t size)
{
	struct ucred	 cred;
	socklen_t	 len = sizeof(cred);

	if (a->u.sa.sa_family == AF_UNIX && getsockopt(fd, SOL_SOCKET,
	    SO_PEERCRED, &cred, &len) == 0)
		snprintf(buf, size, "unix:uid=%u,pid=%d",
		    (unsigned)cred.uid, (int)cred.pid);
	else
		net_text(a, buf, size);
}

/* All addresses of all servers of the listener's backend, in order. */
static size_t
candidates(const struct worker *w, const struct conf_listener *l,
    struct back_candidate *out, size_t max)
{
	const struct conf_servers	*list =
	    &w->conf->backends[l->backend].servers;
	struct net_addr			 found[BOOK_ADDRS_MAX];
	size_t				 n = 0, m;

	for (size_t i = 0; i < list->n; i++) {
		m = 1;
		if (list->v[i].spec.kind != NET_NAME)
			found[0] = list->v[i].spec.addr;
		else
			m = book_read(&w->start->book[list->v[i].index],
			    found, nitems(found));
		for (size_t j = 0; j < m && n < max; j++)
			out[n++] = (struct back_candidate){
				found[j], (uint32_t)i
			};
	}
	return n;
}

/* Have SIGALRM come when a session has lasted that long; 0: never. */
static void
set_alarm(int64_t ms)
{
	const struct itimerval	 it = {
		.it_value = { ms / 1000, (ms % 1000) * 1000 },
	};

	(void)setitimer(ITIMER_REAL, &it, NULL);
	if (ms == 0)
		sig_forget(SIGALRM);
}

static int
ms_to_int(int64_t ms)
{
	return ms > INT32_MAX ? INT32_MAX : (int)ms;
}

static enum end
relay(struct worker *w, const struct conf_listener *l, int front, int back)
{
	const struct conf	*c = w->conf;
	size_t			 size = (size_t)l->buffer;
	struct pump		 p = {
		.idle_ms = ms_to_int(c->timeouts.idle),
		.half_closed_ms = ms_to_int(c->timeouts.half_closed),
	};
	enum end		 end;

	flow_init(&p.up, front, back, w->buf, size, &w->board->up);
	flow_init(&p.down, back, front, w->buf + size, size, &w->board->down);
	if (c->timeouts.session > 0)
		set_alarm(c->timeouts.session);
	end = pump_run(&p);
	if (c->timeouts.session > 0)
		set_alarm(0);
	/* A stream that was cut off must not look like one that ended. */
	if (p.down.done)
		close(front);
	else
		net_abort(front);
	if (p.up.done)
		close(back);
	else
		net_abort(back);
	return end;
}

static void
note_server(struct worker *w, const struct back *b)
{
	struct sb_session	*s = &w->board->session;

	sb_write_begin(w->board);
	if (b->tried > 0)
		net_text(&b->addr, s->server, sizeof(s->server));
	if (b->fd != -1)
		s->connected_us = io_now_us();
	sb_write_end(w->board);
}

/* Find a server; -1 when the session ends here. */
static int
connect_back(struct worker *w, const struct conf_listener *l, int front,
    struct back *b, enum end *end)
{
	static const struct net_tcp	 tcp = { .nodelay = true };
	const struct back_options	 options = { .tcp = &tcp };
	const struct conf	*c = w->conf;
	struct back_candidate	 servers[BACK_CANDIDATES_MAX];
	size_t			 n;
	/* Nothing comes before the dial yet, so the smaller one rules both. */
	bool			 hasty = c->timeouts.handshake <
				    c->timeouts.connect;
	int64_t			 deadline = io_now_ms() + (hasty ?
				    c->timeouts.handshake :
				    c->timeouts.connect);
	int			 rc;

	n = candidates(w, l, servers, nitems(servers));
	rc = back_dial(b, servers, n, &options, front, deadline, end);
	if (rc == -1 && *end == END_UNREACHABLE && hasty &&
	    io_left_ms(deadline) == 0)
		*end = END_TIMEOUT;
	note_server(w, b);
	return rc;
}

static void
begin_session(struct worker *w, const struct conf_listener *l, int front,
    const struct net_addr *client)
{
	struct sb_session	*s = &w->board->session;

	sb_write_begin(w->board);
	memset(s, 0, sizeof(*s));
	s->id = w->next_id++;
	s->accepted_us = io_now_us();
	snprintf(s->listener, sizeof(s->listener), "%s", l->name);
	client_text(front, client, s->client, sizeof(s->client));
	sb_write_end(w->board);
	atomic_store(&w->board->up, 0);
	atomic_store(&w->board->down, 0);
	atomic_store(&w->board->state, SB_BUSY);
}

/*
 * Serve one client from its first byte to its last.  Takes over front.
 * Whatever happens, the session leaves one line in the log, from here.
 */
static void
serve(struct worker *w, const struct conf_listener *l, int front,
    const struct net_addr *client)
{
	const struct sb_session	*s = &w->board->session;
	struct back		 b;
	enum end		 end;

	begin_session(w, l, front, client);
	proc_title("worker %s: %s %s", w->start->s->start.pool, l->name,
	    s->client);
	if (connect_back(w, l, front, &b, &end) == 0)
		end = relay(w, l, front, b.fd);
	else
		net_abort(front);
	worker_log_session(s, atomic_load(&w->board->up),
	    atomic_load(&w->board->down), end_text(end), b.why);
	atomic_store(&w->board->state, SB_BETWEEN);
	atomic_fetch_add(&w->board->served, 1);
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
	log_warn("listener %s: accept: %s; trying again", l->name,
	    strerror(errno));
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
	proc_title("worker %s: idle", w->start->s->start.pool);
}

/* Leave the idle ones; wake the spawner if too few of them remain. */
static void
become_busy(struct worker *w)
{
	int32_t	 left;

	watch_listeners(w, false);
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
	atomic_fetch_add(&w->board->wakeups, 1);
	sl = &w->start->s->listeners[ev.data.u32];
	if (try_accept(sl, client, fd))
		return sl;
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
			serve(w, listener_of(w, &s->listeners[i]), fd,
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
		if (sl == NULL)
			continue;
		become_busy(w);
		serve(w, listener_of(w, sl), fd, &client);
		if (--left == 0 || is_told_to_end(w))
			return;
		become_idle(w);
	}
	become_busy(w);
	if (!sig_is_set(SIGTERM) && !sig_is_set(SIG_ORPHAN))
		serve_last(w);
}

static void
allocate_buffers(struct worker *w)
{
	int64_t	 most = 0;

	for (size_t i = 0; i < w->conf->nlisteners; i++)
		if (w->conf->listeners[i].buffer > most)
			most = w->conf->listeners[i].buffer;
	w->buf = mem_calloc(2, (size_t)most);
}

_Noreturn void
worker_main(const struct worker_start *start)
{
	static const int	 signals[] = {
		SIGTERM, SIGQUIT, SIGALRM, SIG_ORPHAN, 0,
	};
	struct worker		 w = { .start = start, .conf = start->s->conf };

	log_init("worker", (enum logline_level)w.conf->log.level);
	sig_init(signals);
	proc_die_with(start->spawner, SIG_ORPHAN);
	proc_title("worker %s: starting", start->s->start.pool);
	if (scoreboard_enter(start->sb, start->slot, &w.pool, &w.board) == -1)
		log_fatal(1, "scoreboard: %s", strerror(errno));
	close(start->s->channel);
	close(start->s->board_fds[0][1]);
	allocate_buffers(&w);
	if (getrandom(&w.next_id, sizeof(w.next_id), 0) !=
	    (ssize_t)sizeof(w.next_id))
		log_fatal(1, "getrandom: %s", strerror(errno));
	w.ep = epoll_create1(EPOLL_CLOEXEC);
	if (w.ep == -1)
		log_fatal(1, "epoll: %s", strerror(errno));
	sandbox_enter();
	serve_until_told(&w);
	log_debug("served %u sessions in %u wake-ups",
	    atomic_load(&w.board->served), atomic_load(&w.board->wakeups));
	_exit(0);
}
