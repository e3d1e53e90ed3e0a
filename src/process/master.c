/*
 * master - stays root, so it is kept dumb: it reads no byte that came from a
 * network or a user, and from its children only that they are ready, or that
 * a worker crashed.
 *
 *	from		may say
 *	any role	MSG_READY
 *	spawner		MSG_CRASHED
 */
#include <sys/wait.h>

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config.h"

#include "base/io.h"
#include "base/mem.h"
#include "base/sig.h"
#include "process/channel.h"
#include "process/master.h"
#include "process/plan.h"

#define READY_MS	30000	/* for a role to serve */
#define LAG_MS		3000	/* that others wait for one that may lag */
#define STOP_MS		2000	/* from MSG_STOP to KILL */
#define BACKOFF_MIN_MS	1000	/* for what dies young, doubling */
#define BACKOFF_MAX_MS	60000
#define RENEW_MS	1000	/* between new spawners after crashes */
#define CHILDREN_MAX	1024

/* Who sent what is being dispatched. */
struct sender {
	struct master	*m;
	size_t		 child;		/* index */
};

static struct child *
newest(const struct master *m, const struct post *post)
{
	struct child	*best = NULL;

	for (size_t i = 0; i < m->nchildren; i++) {
		struct child	*c = &m->children[i];

		if (c->post == post && !c->ending &&
		    (best == NULL || c->started >= best->started))
			best = c;
	}
	return best;
}

static bool
slot_is_used(const struct master *m, const struct post *post, uint32_t slot)
{
	for (size_t i = 0; i < m->nchildren; i++)
		if (m->children[i].post == post && m->children[i].slot == slot)
			return true;
	return false;
}

/* A place in the pool's counts; SB_SPAWNERS_MAX when all are taken. */
static uint32_t
free_slot(const struct master *m, const struct post *post)
{
	uint32_t	 slot = 0;

	while (slot < SB_SPAWNERS_MAX && slot_is_used(m, post, slot))
		slot++;
	return slot;
}

static void
try_later(struct post *p)
{
	p->backoff_ms = p->backoff_ms == 0 ? BACKOFF_MIN_MS :
	    p->backoff_ms * 2;
	if (p->backoff_ms > BACKOFF_MAX_MS)
		p->backoff_ms = BACKOFF_MAX_MS;
	p->start_at = io_now_ms() + p->backoff_ms;
}

static int
start_child(struct master *m, struct post *p)
{
	struct child_order	 order = {
		.role = p->role, .pool = p->pool,
		.lane = &m->lanes[p->lane], .live_fd = p->live_fd,
		.slot = free_slot(m, p), .own_root = p->own_root,
	};
	struct child		*c;
	pid_t			 pid;
	int			 channel;

	p->start_at = 0;
	if (order.slot == SB_SPAWNERS_MAX || m->nchildren == CHILDREN_MAX) {
		/* Old ones still have sessions; the newest serves on. */
		p->start_at = io_now_ms() + RENEW_MS;
		return 0;
	}
	channel = child_start(&m->sup, &order, &pid);
	if (channel == -1) {
		log_error("cannot start %s: %s", p->role->name,
		    strerror(errno));
		try_later(p);
		return -1;
	}
	m->children = mem_resize(m->children, m->nchildren + 1,
	    sizeof(*m->children));
	c = &m->children[m->nchildren++];
	*c = (struct child){
		.post = p, .pid = pid, .channel = channel,
		.slot = order.slot, .started = io_now_ms(),
	};
	return 0;
}

static void
tell(const struct child *c, uint16_t type)
{
	/* One that does not read will be killed at its deadline. */
	if (channel_send(c->channel, type, NULL, 0, NULL, 0) == -1 &&
	    errno != EPIPE)
		log_warn("%s %d does not listen: %s", c->post->role->name,
		    (int)c->pid, strerror(errno));
}

/* The newcomer serves; those before it take nothing new. */
static int
on_ready(void *ctx, struct rd *r, int *fds)
{
	struct sender	*from = ctx;
	struct master	*m = from->m;
	struct child	*c = &m->children[from->child];

	(void)r;
	(void)fds;
	c->ready = true;
	for (size_t i = 0; i < m->nchildren; i++) {
		struct child	*old = &m->children[i];

		if (old->post != c->post || old == c || old->ending ||
		    c->ending)
			continue;
		old->ending = true;
		tell(old, MSG_DRAIN);
	}
	return 0;
}

/*
 * Whoever crashed a worker knows more about the addresses in it than he
 * should: a spawner executed afresh has others.
 */
static int
on_crashed(void *ctx, struct rd *r, int *fds)
{
	struct sender	*from = ctx;
	struct child	*c = &from->m->children[from->child];
	int64_t		 earliest = c->started + RENEW_MS;

	(void)r;
	(void)fds;
	if (c->ending || from->m->phase != RUNNING ||
	    c != newest(from->m, c->post) || c->post->start_at != 0)
		return 0;
	c->post->start_at = io_now_ms() > earliest ? io_now_ms() : earliest;
	return 0;
}

static const struct channel_rule requests[] = {
	{ MSG_READY,	ROLE_ANY,	0,	on_ready },
	{ MSG_CRASHED,	ROLE_SPAWNER,	0,	on_crashed },
};

static const char *
death(int status, char *buf, size_t size)
{
	if (WIFSIGNALED(status))
		snprintf(buf, size, "died by signal %d (%s)",
		    WTERMSIG(status), strsignal(WTERMSIG(status)));
	else
		snprintf(buf, size, "ended with status %d",
		    WEXITSTATUS(status));
	return buf;
}

/* Have another started, unless there is one. */
static bool
fill_again(struct master *m, const struct child *c)
{
	struct post	*p = c->post;

	if (newest(m, p) != NULL)
		return false;		/* its successor is there already */
	if (c->ready && io_now_ms() - c->started >= BACKOFF_MIN_MS) {
		p->backoff_ms = 0;
		p->start_at = io_now_ms();
	} else
		try_later(p);
	return true;
}

static void
bury(struct master *m, size_t i, int status)
{
	struct child	 c = m->children[i];
	char		 how[128];

	m->children[i] = m->children[--m->nchildren];
	if (c.channel != -1)
		close(c.channel);
	if (c.post->live != NULL)
		atomic_store(&c.post->live->workers[c.slot], 0);
	if (c.ending || m->phase >= STOPPING)
		return;
	if (m->phase == STARTING) {
		/* It has said why on standard error. */
		m->status = WIFEXITED(status) && WEXITSTATUS(status) != 0 ?
		    WEXITSTATUS(status) : EXIT_RUNTIME;
		if (WIFSIGNALED(status))
			log_error("%s %s", c.post->role->name,
			    death(status, how, sizeof(how)));
		return;
	}
	log_error("%s %d %s%s", c.post->role->name, (int)c.pid,
	    death(status, how, sizeof(how)), fill_again(m, &c) ?
	    "; starting another" : "");
}

static void
reap(struct master *m)
{
	int	 status;
	pid_t	 pid;

	(void)sig_take(SIGCHLD);
	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		for (size_t i = 0; i < m->nchildren; i++)
			if (m->children[i].pid == pid) {
				bury(m, i, status);
				break;
			}
}

static void
kill_child(const struct child *c)
{
	log_warn("killing %s %d", c->post->role->name, (int)c->pid);
	if (kill(c->pid, SIGKILL) == -1)
		log_error("cannot kill it: %s", strerror(errno));
}

/* One that cannot be understood has no business here any more. */
static void
hear_children(struct master *m, const struct pollfd *p, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct sender	 from = { m, i };
		struct child	*c = &m->children[i];

		if (p[i].revents == 0)
			continue;
		switch (channel_dispatch(c->channel, c->post->role->id,
		    requests, nitems(requests), &from)) {
		case 1:
			continue;
		case -1:
			log_error("%s %d said what it may not",
			    c->post->role->name, (int)c->pid);
			kill_child(c);
		}
		/* It ends, or has lost its wits; both end in bury(). */
		close(c->channel);
		c->channel = -1;
		c->kill_at = io_now_ms() + STOP_MS;
		(void)kill(c->pid, SIGTERM);
	}
}

/* Wait for whatever comes next, at most until `deadline', and take it in. */
static void
wait_once(struct master *m, int64_t deadline)
{
	struct pollfd	 p[CHILDREN_MAX];
	size_t		 n = m->nchildren;
	int		 ready;

	for (size_t i = 0; i < n; i++)
		p[i] = (struct pollfd){ m->children[i].channel, POLLIN, 0 };
	ready = sig_ppoll(p, n, io_left_ms(deadline));
	if (ready > 0)
		hear_children(m, p, n);
	reap(m);
}

static bool
is_stop_asked(void)
{
	return sig_is_set(SIGTERM) || sig_is_set(SIGINT) ||
	    sig_is_set(SIGQUIT);
}

/* Start one post and wait until it serves.  -1 when it cannot. */
static int
start_post(struct master *m, struct post *p)
{
	int64_t		 deadline = io_now_ms() +
			    (p->role->may_lag ? LAG_MS : READY_MS);
	struct child	*c;

	if (start_child(m, p) == -1) {
		m->status = EXIT_RUNTIME;
		return -1;
	}
	while (m->status == 0 && !is_stop_asked()) {
		c = newest(m, p);
		if (c == NULL || c->ready)
			break;
		if (io_left_ms(deadline) == 0) {
			if (p->role->may_lag)
				break;
			log_error("%s does not get ready", p->role->name);
			m->status = EXIT_RUNTIME;
		}
		wait_once(m, deadline);
	}
	if (is_stop_asked() && m->status == 0)
		m->phase = STOPPING;
	return m->status == 0 && !is_stop_asked() ? 0 : -1;
}

static void
stop_child(struct child *c)
{
	c->ending = true;
	tell(c, MSG_STOP);
	/* For one that is in a look-up and hears no messages. */
	(void)kill(c->pid, SIGTERM);
}

/* Have all but the logger end, or the logger too. */
static void
end_children(struct master *m, bool logger)
{
	int64_t	 deadline = io_now_ms() + STOP_MS;
	bool	 killed = false, left;

	for (size_t i = 0; i < m->nchildren; i++)
		if (logger || m->children[i].post->role->id != ROLE_LOGGER)
			stop_child(&m->children[i]);
	for (;;) {
		left = false;
		for (size_t i = 0; i < m->nchildren; i++) {
			if (!m->children[i].ending)
				continue;
			left = true;
			if (io_left_ms(deadline) == 0 && !killed)
				kill_child(&m->children[i]);
		}
		if (!left)
			return;
		if (io_left_ms(deadline) == 0) {
			if (killed)
				return;	/* not ours to kill */
			killed = true;
			deadline = io_now_ms() + STOP_MS;
		}
		wait_once(m, deadline);
	}
}

static int
finish(struct master *m)
{
	m->phase = STOPPING;
	end_children(m, false);
	bind_free(&m->bound, m->nbound);
	plan_remove_pidfile(m);
	if (m->status == 0)
		log_info("stopped");
	/* With the last sending end gone the logger knows it has it all. */
	for (size_t i = 0; i < m->nlanes; i++)
		close(m->lanes[i].out);
	m->phase = STOPPED;
	end_children(m, true);
	plan_free(m);
	return m->status;
}

static void
start_all(struct master *m)
{
	bool	 logging = false;

	for (size_t i = 0; i < m->nposts; i++) {
		if (start_post(m, &m->posts[i]) == -1)
			return;
		if (!logging && m->posts[i].role->id == ROLE_LOGGER) {
			/* From here on others read what we have to say. */
			log_open(m->lanes[0].out, m->lanes[0].page);
			log_info("sallyportd %s starts, master is process %d",
			    PACKAGE_VERSION, (int)getpid());
			plan_say_what_is_lost(m);
			logging = true;
		}
	}
	m->phase = RUNNING;
}

static void
drain(struct master *m)
{
	if (m->phase != RUNNING)
		return;
	log_info("taking no more connections; sessions have %lld seconds to "
	    "end", (long long)m->conf->timeouts.drain / 1000);
	m->phase = DRAINING;
	m->deadline = io_now_ms() + m->conf->timeouts.drain;
	for (size_t i = 0; i < m->nposts; i++)
		m->posts[i].start_at = 0;
	for (size_t i = 0; i < m->nchildren; i++)
		if (m->children[i].post->role->per_pool) {
			m->children[i].ending = true;
			tell(&m->children[i], MSG_DRAIN);
		}
	bind_shut(m->bound, m->nbound);
}

static bool
is_drained(const struct master *m)
{
	if (m->phase != DRAINING)
		return false;
	for (size_t i = 0; i < m->nchildren; i++)
		if (m->children[i].post->role->per_pool)
			return io_left_ms(m->deadline) == 0;
	return true;
}

static void
hear_signals(struct master *m)
{
	if (sig_take(SIGQUIT))
		drain(m);
	if (sig_take(SIGHUP))
		log_warn("HUP: a running daemon does not read its "
		    "configuration again yet; start it again instead");
	if (sig_take(SIGUSR1))
		for (size_t i = 0; i < m->nchildren; i++)
			if (m->children[i].post->role->id == ROLE_LOGGER)
				tell(&m->children[i], MSG_REOPEN);
}

/* Start what is due, kill what does not get ready; when to look again. */
static int64_t
look_after_posts(struct master *m)
{
	int64_t	 next = io_now_ms() + 60000;

	for (size_t i = 0; i < m->nposts; i++) {
		struct post	*p = &m->posts[i];

		if (p->start_at != 0 && io_now_ms() >= p->start_at)
			(void)start_child(m, p);
		if (p->start_at != 0 && p->start_at < next)
			next = p->start_at;
	}
	for (size_t i = 0; i < m->nchildren; i++) {
		struct child	*c = &m->children[i];

		if (c->kill_at != 0 && io_now_ms() >= c->kill_at) {
			kill_child(c);
			c->kill_at = io_now_ms() + STOP_MS;
		}
		if (c->kill_at != 0 && c->kill_at < next)
			next = c->kill_at;
		if (c->ready || c->ending || c->post->role->may_lag)
			continue;
		if (io_now_ms() >= c->started + READY_MS && c->kill_at == 0) {
			kill_child(c);
			c->kill_at = io_now_ms() + STOP_MS;
		} else if (c->started + READY_MS < next)
			next = c->started + READY_MS;
	}
	if (m->phase == DRAINING && m->deadline < next)
		next = m->deadline;
	return next;
}

int
master_run(const struct conf *conf, bool background,
    void (*announce)(int status))
{
	static const int	 signals[] = {
		SIGTERM, SIGINT, SIGQUIT, SIGHUP, SIGUSR1, SIGCHLD, 0,
	};
	struct master		 m = { .conf = conf };

	log_init("master", (enum logline_level)conf->log.level);
	sig_init(signals);
	m.sup.background = background;
	m.status = plan_make(&m);
	if (m.status != 0) {
		bind_free(&m.bound, m.nbound);
		plan_remove_pidfile(&m);
		return m.status;
	}
	start_all(&m);
	if (m.phase != RUNNING)
		return finish(&m);
	if (m.pidfile != NULL)
		(void)pidfile_write(m.pidfile);
	proc_title("master, %zu listeners", conf->nlisteners);
	log_info("ready: %zu listeners", conf->nlisteners);
	announce(EXIT_OK);
	while (!sig_is_set(SIGTERM) && !sig_is_set(SIGINT) && !is_drained(&m)) {
		wait_once(&m, look_after_posts(&m));
		hear_signals(&m);
	}
	return finish(&m);
}
