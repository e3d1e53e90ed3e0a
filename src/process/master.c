/*
 * master - stays root, so it is kept dumb: it reads no byte that came from a
 * network or a user but the configuration, and from its children only what
 * stands here.
 *
 *	from		may say
 *	any role	MSG_READY
 *	those who outlive
 *	generations	MSG_PREPARED, MSG_REFUSED
 *	spawner		MSG_CRASHED
 *	control		MSG_ASK
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
#include "process/child.h"
#include "process/mapped.h"
#include "process/master.h"
#include "process/notify.h"
#include "process/plan.h"
#include "process/reload.h"
#include "process/upgrade.h"

#define READY_MS	30000	/* for a role to serve, at the start */
#define LAG_MS		3000	/* that others wait for one that may lag */
#define STOP_MS		2000	/* from MSG_STOP to KILL */
#define RENEW_MS	1000	/* between new spawners after crashes */

/* Who sent what is being dispatched. */
struct sender {
	struct master	*m;
	size_t		 child;		/* index */
};

/* The newcomer serves; those before it take nothing new. */
static int
on_ready(void *ctx, struct rd *r, int *fds)
{
	struct sender	*from = ctx;
	struct master	*m = from->m;
	struct child	*c = &m->children[from->child];

	(void)r;
	(void)fds;
	if (c->ready)
		return -1;	/* it would have its successor end */
	c->ready = true;
	for (size_t i = 0; i < m->nchildren; i++) {
		struct child	*old = &m->children[i];

		if (old->post == c->post && old != c && !old->ending &&
		    !c->ending)
			child_drain(old);
	}
	return 0;
}

static int
on_prepared(void *ctx, struct rd *r, int *fds)
{
	struct sender	*from = ctx;
	struct child	*c = &from->m->children[from->child];
	uint32_t	 number = rd_u32(r);

	(void)fds;
	if (number > c->given)
		return -1;
	if (number > c->prepared)
		c->prepared = number;
	return 0;
}

static int
on_refused(void *ctx, struct rd *r, int *fds)
{
	struct sender	*from = ctx;
	uint32_t	 number = rd_u32(r);
	size_t		 len = r->left;
	const uint8_t	*text = rd_take(r, len);
	char		 why[512];

	(void)fds;
	if (text == NULL)
		return -1;
	snprintf(why, sizeof(why), "%.*s", (int)len, (const char *)text);
	if (from->m->next != NULL && from->m->next->number == number)
		reload_fail(from->m, why);
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
	    c != child_newest(from->m, c->post) || c->post->start_at != 0)
		return 0;
	c->post->start_at = io_now_ms() > earliest ? io_now_ms() : earliest;
	return 0;
}

static void	 drain(struct master *);

/* What each child is, one message each, as long as they are read. */
static void
tell_status(const struct master *m, struct asker who, int channel)
{
	for (size_t i = 0; i < m->nchildren; i++) {
		const struct child	*c = &m->children[i];
		struct setup_child	 s;
		uint8_t			 buf[4 + sizeof(s)];
		struct wr		 w;

		memset(&s, 0, sizeof(s));
		s.pid = c->pid;
		s.generation = c->post->gen != NULL ?
		    c->post->gen->number : 0;
		s.started_us = c->started * 1000;
		s.ready = c->ready;
		s.ending = c->ending;
		s.own_root = c->post->own_root && m->powers.chroot;
		snprintf(s.role, sizeof(s.role), "%s", c->post->role->name);
		if (c->post->pool != NULL)
			snprintf(s.pool, sizeof(s.pool), "%s",
			    c->post->pool->name);
		wr_init(&w, buf, sizeof(buf));
		wr_u32(&w, who.tag);
		wr_bytes(&w, &s, sizeof(s));
		if (channel_send_by(channel, MSG_CHILD, buf, sizeof(buf),
		    NULL, 0, io_now_ms() + 100) == -1)
			break;
	}
	reload_answer(m, who, EXIT_OK);
}

static bool
is_busy(struct master *m, struct asker who)
{
	if (m->next == NULL && m->upgrade.fd == -1 && m->phase == RUNNING)
		return false;
	reload_report(m, who, m->phase != RUNNING ?
	    "it is about to stop" : m->next != NULL ?
	    "a reload is under way" : "an upgrade is under way");
	reload_answer(m, who, EXIT_RUNTIME);
	return true;
}

static void
reopen(const struct master *m)
{
	const struct child	*c = child_of(m, ROLE_LOGGER);

	if (c != NULL)
		child_tell(c, MSG_REOPEN);
}

static int
on_ask(void *ctx, struct rd *r, int *fds)
{
	struct sender	*from = ctx;
	struct master	*m = from->m;
	struct child	*c = &m->children[from->child];
	uint32_t	 what = rd_u32(r);
	struct asker	 who = { c->pid, rd_u32(r) };

	(void)fds;
	if (!rd_ok(r))
		return -1;
	switch (what) {
	case ASK_STATUS:
		tell_status(m, who, c->channel);
		return 0;
	case ASK_CHECK:
		reload_check(m, who);
		return 0;
	case ASK_RELOAD:
		if (!is_busy(m, who))
			reload_begin(m, who);
		return 0;
	case ASK_REOPEN:
		reopen(m);
		reload_answer(m, who, EXIT_OK);
		return 0;
	case ASK_UPGRADE:
		if (!is_busy(m, who))
			upgrade_begin(m, who);
		return 0;
	case ASK_STOP:
		reload_answer(m, who, EXIT_OK);
		m->stop = true;
		return 0;
	case ASK_DRAIN:
		reload_answer(m, who, EXIT_OK);
		drain(m);
		return 0;
	}
	return -1;
}

static int
on_bind(void *ctx, struct rd *r, int *fds)
{
	const struct sender	*from = ctx;

	(void)fds;
	return mapped_bind(from->m, &from->m->children[from->child], r);
}

static int
on_unbind(void *ctx, struct rd *r, int *fds)
{
	const struct sender	*from = ctx;

	(void)fds;
	return mapped_unbind(from->m, &from->m->children[from->child], r);
}

#define ROLE_LASTING	(ROLE_LOGGER | ROLE_KEEPER | ROLE_CONTROL | \
			 ROLE_CARRIER | ROLE_SIGNER | ROLE_DBCLIENT | \
			 ROLE_AUTH | ROLE_BROKER)

static const struct channel_rule requests[] = {
	{ MSG_READY,	ROLE_ANY,	0,	on_ready },
	{ MSG_PREPARED,	ROLE_LASTING,	0,	on_prepared },
	{ MSG_REFUSED,	ROLE_LASTING,	0,	on_refused },
	{ MSG_CRASHED,	ROLE_SPAWNER,	0,	on_crashed },
	{ MSG_ASK,	ROLE_CONTROL,	0,	on_ask },
	{ MSG_BIND,	ROLE_BROKER | ROLE_LINK, 0, on_bind },
	{ MSG_UNBIND,	ROLE_BROKER | ROLE_LINK, 0, on_unbind },
};

static void
reap(struct master *m)
{
	int	 status;
	pid_t	 pid;

	(void)sig_take(SIGCHLD);
	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		if (upgrade_bury(m, pid, status))
			continue;
		for (size_t i = 0; i < m->nchildren; i++)
			if (m->children[i].pid == pid) {
				child_bury(m, i, status);
				break;
			}
	}
}

/* One that cannot be understood has no business here any more. */
static void
hear_child(struct master *m, size_t i)
{
	struct sender	 from = { m, i };
	struct child	*c = &m->children[i];

	switch (channel_dispatch(c->channel, c->post->role->id, requests,
	    nitems(requests), &from)) {
	case 1:
		return;
	case -1:
		c = &m->children[i];
		log_error("%s %d said what it may not", c->post->role->name,
		    (int)c->pid);
		child_kill(c);
	}
	/* It ends, or has lost its wits; both end in child_bury(). */
	c = &m->children[i];
	close(c->channel);
	c->channel = -1;
	c->kill_at = io_now_ms() + STOP_MS;
	(void)kill(c->pid, SIGTERM);
}

/* Wait for whatever comes next, at most until `deadline', and take it in. */
static void
wait_once(struct master *m, int64_t deadline)
{
	static struct pollfd	*p;
	size_t			 n = m->nchildren;

	p = mem_resize(p, n + 1, sizeof(*p));
	for (size_t i = 0; i < n; i++)
		p[i] = (struct pollfd){ m->children[i].channel, POLLIN, 0 };
	p[n] = (struct pollfd){
		m->upgrade.deaf ? -1 : m->upgrade.fd, POLLIN, 0,
	};
	if (sig_ppoll(p, n + 1, io_left_ms(deadline)) > 0) {
		/* A handler may add children, behind these. */
		for (size_t i = 0; i < n; i++)
			if (p[i].revents != 0)
				hear_child(m, i);
		if (p[n].revents != 0 && m->upgrade.fd != -1)
			upgrade_hear(m);
	}
	reap(m);
	reload_tidy(m);
}

static bool
is_stop_asked(const struct master *m)
{
	return m->stop || sig_is_set(SIGTERM) || sig_is_set(SIGINT);
}

/* Start one post and wait until it serves.  -1 when it cannot. */
static int
start_post(struct master *m, struct post *p)
{
	int64_t		 deadline = io_now_ms() +
			    (p->role->may_lag ? LAG_MS : READY_MS);
	struct child	*c;

	if (child_start(m, p) == -1)
		m->status = EXIT_RUNTIME;
	while (m->status == 0 && !is_stop_asked(m) && !sig_is_set(SIGQUIT)) {
		c = child_newest(m, p);
		if (c == NULL || c->ready)
			return 0;
		if (io_left_ms(deadline) == 0) {
			if (p->role->may_lag)
				return 0;
			log_error("%s does not get ready", p->role->name);
			m->status = EXIT_RUNTIME;
		}
		wait_once(m, deadline);
	}
	return -1;
}

/* Have all but the logger end, or the logger too. */
static void
stop_children(struct master *m, bool logger)
{
	for (size_t i = 0; i < m->nchildren; i++)
		if (logger || m->children[i].post->role->id != ROLE_LOGGER)
			child_stop(&m->children[i]);
}

/* Until those that were told to have ended. */
static void
await_children(struct master *m)
{
	int64_t	 deadline = io_now_ms() + STOP_MS;
	bool	 killed = false, left;

	for (;;) {
		left = false;
		for (size_t i = 0; i < m->nchildren; i++) {
			if (!m->children[i].ending)
				continue;
			left = true;
			if (io_left_ms(deadline) == 0 && !killed)
				child_kill(&m->children[i]);
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
	if (!m->upgrade.done && m->predecessor == -1)
		notify_stopping();
	upgrade_abort(m, "the daemon stops");
	/* First, or spawners would replace the workers that this ends. */
	stop_children(m, false);
	/* One that we have replaced may have copies for long. */
	if (!m->upgrade.done)
		bind_shut(&m->ports);
	await_children(m);
	bind_free(&m->ports, m->upgrade.done);
	plan_remove_pidfile(m);
	if (m->status == 0)
		log_info("stopped");
	/* With the last sending end gone the logger knows it has it all. */
	for (size_t i = 0; i < m->npools; i++)
		plan_close_lanes(m->pools[i]);
	plan_close_lane(&m->lane);
	m->phase = STOPPED;
	stop_children(m, true);
	await_children(m);
	plan_free(m);
	return m->status;
}

/* Everything in the order of the table; then it serves. */
static void
start_all(struct master *m, const struct conf_report *report)
{
	bool	 logging = false;

	for (size_t i = 0; i < m->nposts; i++) {
		if (start_post(m, m->posts[i]) == -1)
			return;
		if (!logging && m->posts[i]->role->id == ROLE_LOGGER) {
			/* From here on others read what we have to say. */
			log_open(m->lane.out, m->lane.page);
			log_info("sallyportd %s starts, master is process %d",
			    PACKAGE_VERSION, (int)getpid());
			plan_say_what_is_lost(m);
			for (size_t j = 0; j < report->nwarnings; j++)
				log_one_of(LOGLINE_WARN, "%s",
				    report->warnings[j]);
			logging = true;
		}
	}
	m->phase = RUNNING;
}

static bool
has_sessions(const struct child *c)
{
	return (c->post->role->id & (ROLE_SPAWNER | ROLE_CARRIER)) != 0;
}

/* Pools take nothing new; the master ends when their sessions have. */
static void
drain_pools(struct master *m, int64_t deadline)
{
	m->phase = DRAINING;
	m->deadline = deadline;
	for (size_t i = 0; i < m->nposts; i++)
		if (m->posts[i]->gen != NULL)
			m->posts[i]->start_at = 0;
	for (size_t i = 0; i < m->nchildren; i++)
		if (has_sessions(&m->children[i]))
			child_drain(&m->children[i]);
}

static void
drain(struct master *m)
{
	int64_t	 ms = m->now->conf->timeouts.drain;

	if (m->phase == DRAINING && m->upgrade.done)
		m->deadline = io_now_ms() + ms;
	if (m->phase != RUNNING)
		return;
	log_info("taking no more connections; sessions have %lld seconds to "
	    "end", (long long)ms / 1000);
	notify_stopping();
	reload_fail(m, "the daemon is about to stop");
	upgrade_abort(m, "the daemon is about to stop");
	drain_pools(m, io_now_ms() + ms);
	bind_shut(&m->ports);
}

/* Our successor serves: its control is to answer, and its workers. */
static void
retire(struct master *m)
{
	const int	 signals[] = { SIGHUP, SIGUSR2 };
	struct child	*control = child_of(m, ROLE_CONTROL);
	struct child	*broker = child_of(m, ROLE_BROKER);

	if (control != NULL)
		child_stop(control);
	/* Its successor has the agents' ports. */
	if (broker != NULL)
		child_tell(broker, MSG_DRAIN);
	for (size_t i = 0; i < m->nposts; i++)
		if (m->posts[i]->role->id == ROLE_CONTROL)
			m->posts[i]->start_at = 0;
	drain_pools(m, INT64_MAX);
	bind_free(&m->ports, true);
	/* Who asked before that means the one who can. */
	for (size_t i = 0; i < nitems(signals); i++)
		if (sig_take(signals[i]) && m->upgrade.pid != 0)
			(void)kill(m->upgrade.pid, signals[i]);
	proc_title("master, replaced by process %d", (int)m->upgrade.pid);
}

static bool
is_drained(const struct master *m)
{
	if (m->phase != DRAINING)
		return false;
	for (size_t i = 0; i < m->nchildren; i++)
		if (has_sessions(&m->children[i]))
			return io_left_ms(m->deadline) == 0;
	return true;
}

/* True when there was one to see to. */
static bool
hear_signals(struct master *m)
{
	const struct asker	 nobody = { 0, 0 };
	bool			 free = m->phase == RUNNING &&
				    m->next == NULL && m->upgrade.fd == -1;

	if (sig_take(SIGQUIT))
		drain(m);
	else if (sig_take(SIGUSR1))
		reopen(m);
	/* What comes in the middle of one is the next to be done. */
	else if (free && sig_take(SIGHUP))
		reload_begin(m, nobody);
	else if (free && sig_take(SIGUSR2))
		upgrade_begin(m, nobody);
	else if (m->phase == DRAINING && (sig_take(SIGHUP) ||
	    sig_take(SIGUSR2)))
		log_warn("neither reload nor upgrade: ending with the last "
		    "session");
	else
		return false;
	return true;
}

static int64_t
earlier(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

/* See to everything that has a time; when the next of it comes. */
static int64_t
look_after_all(struct master *m)
{
	int64_t	 next = io_now_ms() + 60000, dog = notify_watchdog_ms();

	if (dog > 0) {
		notify_watchdog();
		next = earlier(next, io_now_ms() + dog);
	}
	next = earlier(next, reload_step(m));
	next = earlier(next, child_look_after(m));
	next = earlier(next, upgrade_look_after(m));
	next = earlier(next, bind_tidy(&m->ports));
	if (m->phase == DRAINING)
		next = earlier(next, m->deadline);
	return next;
}

/* The pid file is ours once the one before us has let go of it. */
static int
take_over(struct master *m)
{
	bool	 dead;
	int	 rc;

	if (m->predecessor == -1)
		return 0;
	rc = upgrade_take_over(m->predecessor);
	if (rc == -1) {
		log_error("the daemon before this one does not let go");
		return EXIT_RUNTIME;
	}
	dead = rc == 1;
	/* Without the lock this one serves all the same, if it may. */
	rc = plan_lock_pidfile(m, m->now->conf);
	if (dead && rc != 0)
		return rc;
	if (dead)
		log_warn("the daemon before this one has died meanwhile");
	close(m->predecessor);
	m->predecessor = -1;
	return 0;
}

/* Those that have an address. */
static size_t
count_listeners(const struct conf *conf)
{
	size_t	 n = 0;

	for (size_t i = 0; i < conf->nlisteners; i++)
		n += conf->listeners[i].listen.n > 0;
	return n;
}

static void
run(struct master *m, void (*announce)(int status))
{
	size_t	 n = count_listeners(m->now->conf);
	int64_t	 next;

	bind_disinherit(&m->ports);
	if (m->pidfile != NULL)
		(void)pidfile_write(m->pidfile);
	proc_title("master, %zu listeners", n);
	log_info("ready: %zu listeners", n);
	reload_say_ready(m);
	announce(EXIT_OK);
	while (!is_stop_asked(m) && !is_drained(m)) {
		if (m->upgrade.done && m->phase == RUNNING)
			retire(m);
		next = look_after_all(m);
		/* A signal may have waited for what has just ended. */
		wait_once(m, hear_signals(m) ? 0 : next);
	}
}

int
master_run(struct master_order *order)
{
	static const int	 signals[] = {
		SIGTERM, SIGINT, SIGQUIT, SIGHUP, SIGUSR1, SIGUSR2, SIGCHLD,
		0,
	};
	struct master		 m = {
		.load = order->load, .background = order->background,
		.path = order->path, .argv = order->argv,
		.predecessor = order->predecessor,
	};

	log_init("master", (enum logline_level)order->conf->log.level);
	sig_init(signals);
	notify_init();
	m.status = plan_make(&m, order->conf, &order->files);
	if (m.status != 0) {
		bind_free(&m.ports, false);
		plan_remove_pidfile(&m);
		plan_free(&m);
		return m.status;
	}
	start_all(&m, order->report);
	if (m.phase == RUNNING)
		m.status = take_over(&m);
	if (m.phase == RUNNING && m.status == 0)
		run(&m, order->announce);
	return finish(&m);
}
