/*
 * master - stays root, so it is kept dumb: it reads no byte that came from a
 * network or a user, and from its children only that they are ready, or that
 * a worker crashed.
 *
 *	from		may say
 *	any role	MSG_READY
 *	spawner		MSG_CRASHED
 */
#include <sys/mman.h>
#include <sys/wait.h>

#include <bsd/libutil.h>

#include <errno.h>
#include <fcntl.h>
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
#include "process/book.h"
#include "process/channel.h"
#include "process/child.h"
#include "process/master.h"

#define READY_MS	30000	/* for a role to serve */
#define LAG_MS		3000	/* that others wait for one that may lag */
#define STOP_MS		2000	/* from MSG_STOP to KILL */
#define BACKOFF_MIN_MS	1000	/* for what dies young, doubling */
#define BACKOFF_MAX_MS	60000
#define RENEW_MS	1000	/* between new spawners after crashes */
#define CHILDREN_MAX	1024

/* A place that a role fills: one for each role, or role and pool. */
struct post {
	const struct role	*role;
	const char		*pool;
	size_t			 lane;		/* index */
	int			 live_fd;
	struct sb_live		*live;
	bool			 own_root;
	int64_t			 start_at;	/* 0: nothing to start */
	int			 backoff_ms;
};

struct child {
	struct post	*post;
	pid_t		 pid;
	int		 channel;
	uint32_t	 slot;
	bool		 ready;
	bool		 ending;	/* was told to; nobody replaces it */
	int64_t		 started;	/* io_now_ms() */
};

enum phase {
	STARTING,
	RUNNING,
	DRAINING,
	STOPPING,
	STOPPED,
};

struct master {
	const struct conf	*conf;
	struct supplies		 sup;
	struct bound		*bound;
	size_t			 nbound;
	struct lane		*lanes;
	size_t			 nlanes;
	struct post		*posts;
	size_t			 nposts;
	struct child		*children;
	size_t			 nchildren;
	enum phase		 phase;
	int64_t			 deadline;	/* of DRAINING and STOPPING */
	int			 status;	/* to exit with */
	struct pidfh		*pidfile;
	struct proc_powers	 powers;
	bool			 as_nobody;	/* for want of our own user */
};

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

static void
fill_again(struct master *m, const struct child *c)
{
	struct post	*p = c->post;

	if (newest(m, p) != NULL)
		return;			/* its successor is there already */
	if (c->ready && io_now_ms() - c->started >= BACKOFF_MIN_MS) {
		p->backoff_ms = 0;
		p->start_at = io_now_ms();
	} else
		try_later(p);
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
	log_error("%s %d %s; starting another", c.post->role->name,
	    (int)c.pid, death(status, how, sizeof(how)));
	fill_again(m, &c);
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
	(void)kill(c->pid, SIGKILL);
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
		case 0:
			/* It ends, or has lost its wits; both end in bury(). */
			close(c->channel);
			c->channel = -1;
			(void)kill(c->pid, SIGTERM);
			break;
		case -1:
			log_error("%s %d said what it may not",
			    c->post->role->name, (int)c->pid);
			kill_child(c);
		}
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

static void
remove_pidfile(struct master *m)
{
	if (m->pidfile != NULL)
		pidfile_remove(m->pidfile);
	m->pidfile = NULL;
}

static void
free_master(struct master *m)
{
	for (size_t i = 0; i < m->nlanes; i++)
		close(m->lanes[i].in);
	free(m->lanes);
	free(m->posts);
	free(m->children);
}

static int
finish(struct master *m)
{
	m->phase = STOPPING;
	end_children(m, false);
	bind_free(&m->bound, m->nbound);
	remove_pidfile(m);
	if (m->status == 0)
		log_info("stopped");
	/* With the last sending end gone the logger knows it has it all. */
	for (size_t i = 0; i < m->nlanes; i++)
		close(m->lanes[i].out);
	m->phase = STOPPED;
	end_children(m, true);
	free_master(m);
	return m->status;
}

static void
add_lane(struct master *m)
{
	m->lanes = mem_resize(m->lanes, m->nlanes + 1, sizeof(*m->lanes));
	if (lane_new(&m->lanes[m->nlanes]) == -1)
		log_fatal(EXIT_RUNTIME, "log socket: %s", strerror(errno));
	m->nlanes++;
}

/* chroot would hide the sockets that such a pool dials. */
static bool
dials_paths(const struct master *m, const char *pool)
{
	for (size_t i = 0; i < m->conf->nlisteners; i++) {
		const struct conf_listener	*l = &m->conf->listeners[i];
		const struct conf_addrs		*list =
		    &m->conf->backends[l->backend].servers;

		if (strcmp(l->pool, pool) != 0)
			continue;
		for (size_t j = 0; j < list->n; j++)
			if (list->v[j].spec.kind == NET_ADDR &&
			    net_is_path(&list->v[j].spec.addr))
				return true;
	}
	return false;
}

static struct post *
add_post(struct master *m, const struct role *role, const char *pool)
{
	struct post	*p = &m->posts[m->nposts++];

	*p = (struct post){
		.role = role, .pool = pool, .live_fd = -1,
		.own_root = role->own_root,
	};
	return p;
}

static void
add_pool(struct master *m, const struct role *role, const char *pool)
{
	struct post	*p = add_post(m, role, pool);

	if (m->nlanes == SETUP_LANES_MAX)
		log_fatal(EXIT_CONFIG, "more than %d pools",
		    SETUP_LANES_MAX - 1);
	add_lane(m);
	p->lane = m->nlanes - 1;
	p->live_fd = proc_memfd("live", sizeof(*p->live));
	if (p->live_fd == -1 ||
	    (p->live = scoreboard_map_live(p->live_fd)) == NULL)
		log_fatal(EXIT_RUNTIME, "counts of pool %s: %s", pool,
		    strerror(errno));
	p->own_root &= !dials_paths(m, pool);
}

static bool
has_post(const struct master *m, const struct role *role, const char *pool)
{
	for (size_t i = 0; i < m->nposts; i++)
		if (m->posts[i].role == role &&
		    strcmp(m->posts[i].pool, pool) == 0)
			return true;
	return false;
}

static void
plan_posts(struct master *m)
{
	size_t	 nroles = 0;

	while (roles[nroles].name != NULL)
		nroles++;
	m->posts = mem_calloc(nroles * (m->conf->nlisteners + 1),
	    sizeof(*m->posts));
	for (const struct role *r = roles; r->name != NULL; r++) {
		if (r->needed != NULL && !r->needed(m->conf))
			continue;
		if (!r->per_pool) {
			add_post(m, r, "");
			continue;
		}
		for (size_t i = 0; i < m->conf->nlisteners; i++)
			if (!has_post(m, r, m->conf->listeners[i].pool))
				add_pool(m, r, m->conf->listeners[i].pool);
	}
}

static void
make_conf_fd(struct master *m)
{
	int	 fd = memfd_create("configuration", MFD_CLOEXEC);
	FILE	*out = fd == -1 ? NULL : fdopen(fd, "w");

	if (out == NULL)
		log_fatal(EXIT_RUNTIME, "memfd: %s", strerror(errno));
	conf_print(m->conf, out);
	m->sup.conf_fd = fcntl(fd, F_DUPFD_CLOEXEC, 10);
	if (fclose(out) == EOF || m->sup.conf_fd == -1)
		log_fatal(EXIT_RUNTIME, "memfd: %s", strerror(errno));
}

static void
make_book(struct master *m)
{
	m->sup.book_fd = m->sup.book_read_fd = -1;
	if (m->conf->nbook == 0)
		return;
	m->sup.book_fd = proc_memfd("book", book_size(m->conf->nbook));
	if (m->sup.book_fd == -1)
		log_fatal(EXIT_RUNTIME, "address book: %s", strerror(errno));
	m->sup.book_read_fd = proc_memfd_readonly(m->sup.book_fd);
	if (m->sup.book_read_fd == -1) {
		log_warn("without /proc, workers could write to the address "
		    "book");
		m->sup.book_read_fd = m->sup.book_fd;
	}
}

/* Whom the roles become, or an exit status. */
static int
find_user(struct master *m)
{
	const char	*name = m->conf->user, *why;
	bool		 unknown;
	int		 rc;

	m->sup.user.change = false;
	if (!m->powers.setid) {
		m->sup.user.uid = geteuid();
		m->sup.user.gid = getegid();
		return 0;
	}
	m->sup.user.change = true;
	rc = proc_user_find(name, &m->sup.user, &unknown, &why);
	if (rc == 0)
		return 0;
	/* The default is a user that a package makes: do without it. */
	if (unknown && strcmp(name, CONF_USER_PRESET) == 0 &&
	    proc_user_find("nobody", &m->sup.user, &unknown, &why) == 0) {
		m->as_nobody = true;
		return 0;
	}
	log_error("user: \"%s\": %s", name, why);
	return EXIT_CONFIG;
}

/* What is not as it should be, though everything works. */
static void
say_what_is_lost(const struct master *m)
{
	if (geteuid() != 0 && !m->powers.setid)
		log_warn("not started as root: all processes stay user %u and "
		    "see the whole file system", (unsigned)geteuid());
	else if (!m->powers.setid)
		log_warn("started without CAP_SETUID and CAP_SETGID: all "
		    "processes stay root, without its capabilities%s",
		    m->powers.chroot ? "" : ", and without CAP_SYS_CHROOT "
		    "they see the whole file system");
	else if (!m->powers.chroot)
		log_warn("started without CAP_SYS_CHROOT: processes see the "
		    "whole file system");
	if (m->as_nobody)
		log_warn("there is no user \"%s\": serving as \"nobody\", "
		    "which other programs may share", m->conf->user);
	for (size_t i = 0; i < m->nposts; i++)
		if (m->posts[i].role->own_root && !m->posts[i].own_root)
			log_info("pool %s has servers on socket paths, so "
			    "its processes see the file system",
			    m->posts[i].pool);
}

static int
lock_pidfile(struct master *m)
{
	pid_t	 other = 0;

	if (m->conf->pid_file[0] == '\0')
		return 0;
	m->pidfile = pidfile_open(m->conf->pid_file, 0644, &other);
	if (m->pidfile != NULL) {
		/* The lock is the master's alone, not its children's. */
		(void)fcntl(pidfile_fileno(m->pidfile), F_SETFD, FD_CLOEXEC);
		return 0;
	}
	if (errno == EEXIST) {
		log_error("already running, as process %d (%s)", (int)other,
		    m->conf->pid_file);
		return EXIT_RUNTIME;
	}
	log_error("pid_file: %s: %s", m->conf->pid_file, strerror(errno));
	return errno == EACCES || errno == EPERM ? EXIT_PERMISSION :
	    EXIT_RUNTIME;
}

/* All that must be there before the first child. */
static int
prepare(struct master *m)
{
	int	 status;

	m->powers = proc_powers();
	m->sup.conf = m->conf;
	m->sup.can_chroot = m->powers.chroot;
	proc_raise_limits();
	if ((status = find_user(m)) != 0 || (status = lock_pidfile(m)) != 0)
		return status;
	status = bind_all(m->conf, &m->bound, &m->nbound);
	if (status != 0)
		return status;
	m->sup.bound = m->bound;
	m->sup.nbound = m->nbound;
	m->sup.self = proc_self_open();
	if (m->sup.self == -1) {
		log_error("/proc/self/exe: %s", strerror(errno));
		return EXIT_RUNTIME;
	}
	make_conf_fd(m);
	make_book(m);
	add_lane(m);
	plan_posts(m);
	m->sup.lanes = m->lanes;
	m->sup.nlanes = m->nlanes;
	return 0;
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
			say_what_is_lost(m);
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

		if (c->ready || c->ending || c->post->role->may_lag)
			continue;
		if (io_now_ms() >= c->started + READY_MS)
			kill_child(c);
		else if (c->started + READY_MS < next)
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
	m.status = prepare(&m);
	if (m.status != 0) {
		bind_free(&m.bound, m.nbound);
		remove_pidfile(&m);
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
