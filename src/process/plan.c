#include <sys/mman.h>
#include <sys/random.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "process/book.h"
#include "process/channel.h"
#include "policy/conf_assign.h"
#include "process/plan.h"
#include "process/sandbox.h"

#define LANE_BYTES	(1024 * 1024)	/* of log lines that may wait */
#define RECORDS_BYTES	(8 * 1024 * 1024)	/* of records */
#define POOLS_MAX	(SETUP_LANES_MAX / 4)	/* others may be ending */

static int
lane_new(struct lane *lane, int size)
{
	int		 ends[2];

	*lane = (struct lane){ .in = -1, .out = -1, .page_fd = -1 };
	if (channel_pair(ends) == -1)
		return -1;
	lane->in = ends[0];
	lane->out = ends[1];
	/* Only root may go beyond the system's limit. */
	if (setsockopt(lane->out, SOL_SOCKET, SO_SNDBUFFORCE, &size,
	    sizeof(size)) == -1)
		(void)setsockopt(lane->out, SOL_SOCKET, SO_SNDBUF, &size,
		    sizeof(size));
	lane->page_fd = proc_memfd("log", sizeof(*lane->page));
	if (lane->page_fd == -1)
		return -1;
	lane->page = setup_map_lane(lane->page_fd);
	return lane->page == NULL ? -1 : 0;
}

static void
close_fd(int fd)
{
	if (fd != -1)
		close(fd);
}

static void
lane_free(struct lane *lane)
{
	close_fd(lane->in);
	plan_close_lane(lane);
	close_fd(lane->page_fd);
	if (lane->page != NULL)
		munmap(lane->page, sizeof(*lane->page));
}

void
plan_close_lane(struct lane *lane)
{
	close_fd(lane->out);
	lane->out = -1;
}

static int
rendezvous_new(struct rendezvous *r)
{
	int	 ends[2];

	if (channel_pair(ends) == -1)
		return -1;
	r->in = ends[0];
	r->out = ends[1];
	return 0;
}

static void
rendezvous_free(struct rendezvous *r)
{
	close_fd(r->in);
	close_fd(r->out);
}

static bool
has_path(const struct conf_backend *b)
{
	for (size_t i = 0; i < b->servers.n; i++)
		if (b->servers.v[i].spec.kind == NET_ADDR &&
		    net_is_path(&b->servers.v[i].spec.addr))
			return true;
	return false;
}

/* chroot would hide the sockets that such a pool dials. */
static bool
dials_paths(const struct conf *conf, const char *pool)
{
	for (size_t i = 0; i < conf->nlisteners; i++) {
		const struct conf_listener	*l = &conf->listeners[i];

		if (strcmp(l->pool, pool) != 0)
			continue;
		if (l->protocol == CONF_ASSIGNED && l->forward.n == 0 &&
		    conf_accepts_paths(&conf->hubs.v[l->hub]))
			return true;
		for (size_t j = 0; j < conf_ways(l); j++)
			if (has_path(conf_backend_of(conf, l, j)))
				return true;
	}
	return false;
}

static struct post *
add_post(struct master *m, const struct role *role)
{
	struct post	*p = mem_calloc(1, sizeof(*p));

	p->role = role;
	p->own_root = role->own_root;
	p->board_fd = -1;
	m->posts = mem_resize(m->posts, m->nposts + 1, sizeof(*m->posts));
	m->posts[m->nposts++] = p;
	return p;
}

void
plan_close_lanes(struct pool *p)
{
	plan_close_lane(&p->lane);
	for (size_t i = 0; i < RECORD_RECEIVERS; i++)
		plan_close_lane(&p->records[i]);
}

static struct pool *
find_pool(const struct master *m, const char *name)
{
	for (size_t i = 0; i < m->npools; i++)
		if (strcmp(m->pools[i]->name, name) == 0)
			return m->pools[i];
	return NULL;
}

static void
free_pool(struct pool *p)
{
	lane_free(&p->lane);
	for (size_t i = 0; i < RECORD_RECEIVERS; i++)
		lane_free(&p->records[i]);
	rendezvous_free(&p->keeper);
	rendezvous_free(&p->carriers);
	rendezvous_free(&p->signer);
	rendezvous_free(&p->auth);
	rendezvous_free(&p->dbclient);
	rendezvous_free(&p->broker);
	rendezvous_free(&p->jobs);
	close_fd(p->live_fd);
	if (p->live != NULL)
		munmap(p->live, sizeof(*p->live));
	free(p);
}

/* NULL with errno. */
static struct pool *
add_pool(struct master *m, const char *name, uint32_t since)
{
	struct pool	*p = mem_calloc(1, sizeof(*p));
	int		 saved;

	snprintf(p->name, sizeof(p->name), "%s", name);
	p->since = since;
	p->keeper = p->carriers = p->signer = p->auth = p->dbclient =
	    p->broker = p->jobs = (struct rendezvous){ -1, -1 };
	for (size_t i = 0; i < RECORD_RECEIVERS; i++)
		p->records[i] = (struct lane){ -1, -1, -1, NULL };
	p->live_fd = proc_memfd("live", sizeof(*p->live));
	if (lane_new(&p->lane, LANE_BYTES) == -1 ||
	    lane_new(&p->records[RECORD_TO_LOG], RECORDS_BYTES) == -1 ||
	    lane_new(&p->records[RECORD_TO_TABLE], RECORDS_BYTES) == -1 ||
	    rendezvous_new(&p->keeper) == -1 ||
	    rendezvous_new(&p->carriers) == -1 ||
	    rendezvous_new(&p->signer) == -1 ||
	    rendezvous_new(&p->auth) == -1 ||
	    rendezvous_new(&p->dbclient) == -1 ||
	    rendezvous_new(&p->broker) == -1 ||
	    rendezvous_new(&p->jobs) == -1 ||
	    p->live_fd == -1 ||
	    (p->live = scoreboard_map_live(p->live_fd)) == NULL) {
		saved = errno;
		free_pool(p);
		errno = saved;
		return NULL;
	}
	m->pools = mem_resize(m->pools, m->npools + 1, sizeof(*m->pools));
	m->pools[m->npools++] = p;
	return p;
}

static struct post *
find_post(const struct master *m, const struct generation *gen,
    const struct role *role, const char *pool)
{
	for (size_t i = 0; i < m->nposts; i++)
		if (m->posts[i]->role == role && m->posts[i]->gen == gen &&
		    strcmp(m->posts[i]->pool->name, pool) == 0)
			return m->posts[i];
	return NULL;
}

/* -1 with errno. */
static int
add_pool_posts(struct master *m, struct generation *gen,
    const struct role *role)
{
	struct generation	*only = role->lasting ? NULL : gen;

	for (size_t i = 0; i < gen->conf->nlisteners; i++) {
		const char	*name = gen->conf->listeners[i].pool;
		struct pool	*pool = find_pool(m, name);
		struct post	*p = find_post(m, only, role, name);

		if ((p != NULL && !p->unneeded) || (role->wanted != NULL &&
		    !role->wanted(gen->conf, name)))
			continue;
		if (pool == NULL)
			pool = add_pool(m, name, gen->number);
		if (pool == NULL)
			return -1;
		if (p == NULL)
			p = add_post(m, role);
		p->gen = only;
		p->pool = pool;
		p->since = gen->number;
		p->unneeded = false;
		if (only != NULL)	/* it serves, and so dials */
			p->own_root &= !dials_paths(gen->conf, name);
	}
	return 0;
}

/* With those that others still have sessions in. */
static size_t
count_pools(const struct master *m, const struct conf *conf)
{
	size_t	 n = m->npools, j;

	for (size_t i = 0; i < conf->nlisteners; i++) {
		const char	*name = conf->listeners[i].pool;

		for (j = 0; j < i; j++)
			if (strcmp(conf->listeners[j].pool, name) == 0)
				break;
		n += j == i && find_pool(m, name) == NULL;
	}
	return n;
}

static int
make_conf_fd(const struct conf *conf)
{
	int	 fd = memfd_create("configuration", MFD_CLOEXEC);
	FILE	*out = fd == -1 ? NULL : fdopen(fd, "w");
	int	 copy;

	if (out == NULL) {
		close_fd(fd);
		return -1;
	}
	conf_print(conf, out);
	copy = fcntl(fd, F_DUPFD_CLOEXEC, 10);
	if (fclose(out) == 0)
		return copy;
	close_fd(copy);
	return -1;
}

/* What holds before the keeper has said anything, or if it cannot. */
static int
fill_book(const struct generation *gen)
{
	struct book_entry	*book;

	book = book_map_writable(gen->book_fd, gen->conf->nservers);
	if (book == NULL)
		return -1;
	for (size_t i = 0; i < gen->conf->nbackends; i++) {
		const struct conf_servers	*list =
		    &gen->conf->backends[i].servers;

		for (size_t j = 0; j < list->n; j++)
			atomic_store(&book[list->v[j].index].weight,
			    (uint32_t)list->v[j].weight);
	}
	return munmap(book, book_size(gen->conf->nservers));
}

static int
make_book(struct generation *gen)
{
	gen->book_fd = proc_memfd("book", book_size(gen->conf->nservers));
	if (gen->book_fd == -1)
		return -1;
	gen->book_read_fd = proc_memfd_readonly(gen->book_fd);
	return fill_book(gen);
}

static void
free_generation(struct generation *gen)
{
	close_fd(gen->conf_fd);
	close_fd(gen->book_fd);
	close_fd(gen->book_read_fd);
	files_release(&gen->files);
	store_close(gen->stores);
	free(gen->bindings);
	conf_free(&gen->conf);
	free(gen);
}

/* Those of all generations: what an earlier one did without is added. */
static void
add_common_posts(struct master *m, const struct conf *conf,
    const struct role *role)
{
	size_t	 n = role->needed == NULL ? 1 : role->needed(conf), had = 0;

	for (size_t i = 0; i < m->nposts; i++)
		had += m->posts[i]->role == role;
	for (; had < n; had++)
		(void)add_post(m, role);
}

static int
add_posts(struct master *m, struct generation *gen)
{
	for (const struct role *r = roles; r->name != NULL; r++)
		if (!r->per_pool)
			add_common_posts(m, gen->conf, r);
		else if (add_pool_posts(m, gen, r) == -1)
			return -1;
	return 0;
}

struct generation *
plan_add_generation(struct master *m, struct conf *conf, struct files *files,
    struct conf_report *report, int *status)
{
	struct generation	*gen = mem_calloc(1, sizeof(*gen));
	int			 rc = EXIT_RUNTIME;

	gen->conf = conf;
	gen->files = *files;
	*files = (struct files){ .v = NULL };
	gen->conf_fd = gen->book_fd = gen->book_read_fd = -1;
	gen->stores[STORE_PEOPLE] = gen->stores[STORE_USED] = -1;
	if (count_pools(m, conf) > POOLS_MAX)
		conf_complain(report, "more than %d pools, with those of "
		    "earlier generations that still have sessions",
		    POOLS_MAX);
	else if ((gen->conf_fd = make_conf_fd(conf)) == -1 ||
	    make_book(gen) == -1)
		conf_complain(report, "memory to share: %s", strerror(errno));
	else if (store_open(conf, gen->stores, report) == -1)
		rc = EXIT_CONFIG;
	else
		rc = bind_conf(&m->ports, conf, &gen->bindings,
		    &gen->nbindings, report);
	if (status != NULL)
		*status = rc;
	if (rc != 0) {
		free_generation(gen);
		return NULL;
	}
	gen->number = ++m->numbers;
	m->gens = mem_resize(m->gens, m->ngens + 1, sizeof(*m->gens));
	m->gens[m->ngens++] = gen;
	if (add_posts(m, gen) == 0)
		return gen;
	conf_complain(report, "memory to share: %s", strerror(errno));
	if (status != NULL)
		*status = EXIT_RUNTIME;
	bind_abandon(&m->ports);
	plan_drop_generation(m, gen);
	return NULL;
}

static void
drop_unused_pools(struct master *m)
{
	for (size_t i = m->npools; i-- > 0;) {
		bool	 used = false;

		for (size_t j = 0; j < m->nposts; j++)
			used |= m->posts[j]->pool == m->pools[i];
		if (used)
			continue;
		free_pool(m->pools[i]);
		m->pools[i] = m->pools[--m->npools];
	}
}

void
plan_drop_post(struct master *m, struct post *post)
{
	size_t	 i = 0;

	while (m->posts[i] != post)
		i++;
	free(post);
	m->posts[i] = m->posts[--m->nposts];
	drop_unused_pools(m);
}

/* Those of a pool and all generations, of which none needs them now. */
static void
mark_unneeded(const struct master *m)
{
	for (size_t i = 0; i < m->nposts; i++) {
		struct post	*p = m->posts[i];

		if (!p->role->lasting || p->role->wanted == NULL)
			continue;
		p->unneeded = true;
		for (size_t j = 0; j < m->ngens; j++)
			p->unneeded &= !p->role->wanted(m->gens[j]->conf,
			    p->pool->name);
	}
}

void
plan_drop_generation(struct master *m, struct generation *gen)
{
	size_t	 i;

	for (i = m->nposts; i-- > 0;)
		if (m->posts[i]->gen == gen) {
			free(m->posts[i]);
			m->posts[i] = m->posts[--m->nposts];
		}
	drop_unused_pools(m);
	for (i = 0; m->gens[i] != gen; i++)
		continue;
	memmove(&m->gens[i], &m->gens[i + 1],
	    (--m->ngens - i) * sizeof(struct generation *));
	free_generation(gen);
	mark_unneeded(m);
}

/* Whom the roles become, or an exit status. */
static int
find_user(struct master *m, const struct conf *conf)
{
	const char	*name = conf->user, *why;
	bool		 unknown;
	int		 rc;

	m->user.change = true;
	rc = proc_user_find(name, &m->user, &unknown, &why);
	if (rc == 0)
		return 0;
	/* The default is a user that a package makes: do without it. */
	if (unknown && strcmp(name, CONF_USER_PRESET) == 0 &&
	    proc_user_find("nobody", &m->user, &unknown, &why) == 0) {
		m->as_nobody = true;
		return 0;
	}
	log_error("user: \"%s\": %s", name, why);
	return EXIT_CONFIG;
}

/* The same for those who hold secrets: without a user of their own, ours. */
static int
find_auth_user(struct master *m, const struct conf *conf)
{
	const char	*name = conf->auth_user, *why;
	bool		 unknown;

	m->auth_user.change = true;
	if (proc_user_find(name, &m->auth_user, &unknown, &why) == 0)
		return 0;
	if (unknown && strcmp(name, CONF_AUTH_USER_PRESET) == 0) {
		m->auth_user = m->user;
		m->auth_as_user = true;
		return 0;
	}
	log_error("auth_user: \"%s\": %s", name, why);
	return EXIT_CONFIG;
}

static int
find_users(struct master *m, const struct conf *conf)
{
	int	 rc;

	if (!m->powers.setid) {
		m->user.change = false;
		m->user.uid = geteuid();
		m->user.gid = getegid();
		m->auth_user = m->user;
		return 0;
	}
	rc = find_user(m, conf);
	return rc == 0 ? find_auth_user(m, conf) : rc;
}

/* Is there one who holds secrets? */
static bool
has_auth(const struct master *m)
{
	for (size_t i = 0; i < m->nposts; i++)
		if (m->posts[i]->role->as_auth)
			return true;
	return false;
}

void
plan_say_what_is_lost(const struct master *m)
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
		    "which other programs may share", m->now->conf->user);
	if (m->auth_as_user && has_auth(m))
		log_warn("there is no user \"%s\": who holds private keys is "
		    "the same user as who serves strangers",
		    m->now->conf->auth_user);
	for (size_t i = 0; i < m->nposts; i++)
		if (m->posts[i]->role->own_root && !m->posts[i]->own_root)
			log_info("pool %s has servers on socket paths, so "
			    "its processes see the file system",
			    m->posts[i]->pool->name);
	log_info("processes are held to their work, as to %s",
	    sandbox_text(m->now->conf));
	if (m->gens[0]->book_read_fd == -1)
		log_warn("without /proc, workers could write to the address "
		    "book");
}

int
plan_lock_pidfile(struct master *m, const struct conf *conf)
{
	const char	*path = conf->pid_file;
	pid_t		 other = 0;

	if (path[0] == '\0')
		return 0;
	m->pidfile = pidfile_open(path, 0644, &other);
	if (m->pidfile != NULL) {
		/* The lock is the master's alone, not its children's. */
		(void)fcntl(pidfile_fileno(m->pidfile), F_SETFD, FD_CLOEXEC);
		return 0;
	}
	if (errno == EEXIST) {
		log_error("already running, as process %d (%s)", (int)other,
		    path);
		return EXIT_RUNTIME;
	}
	log_error("pid_file: %s: %s", path, strerror(errno));
	return errno == EACCES || errno == EPERM ? EXIT_PERMISSION :
	    EXIT_RUNTIME;
}

static int
make_sockets(struct master *m, struct conf *conf, struct files *files)
{
	struct conf_report	 report = { .errors = NULL };
	int			 status = 0;

	m->now = plan_add_generation(m, conf, files, &report, &status);
	if (m->now != NULL && conf->control.path[0] != '\0') {
		m->control = bind_control(&m->ports, conf, &report);
		if (m->control == NULL)
			status = EXIT_RUNTIME;
	}
	if (m->now != NULL)
		bind_commit(&m->ports, conf, m->now->bindings,
		    m->now->nbindings);
	for (size_t i = 0; i < report.nerrors; i++)
		log_error("%s", report.errors[i]);
	conf_report_free(&report);
	return status;
}

int
plan_make(struct master *m, struct conf *conf, struct files *files)
{
	int	 status;

	m->powers = proc_powers();
	m->upgrade.fd = -1;
	proc_raise_limits();
	if ((status = find_users(m, conf)) != 0)
		return status;
	/* Whom we take over from has it still. */
	if (m->predecessor == -1 &&
	    (status = plan_lock_pidfile(m, conf)) != 0)
		return status;
	m->self = proc_self_open();
	if (m->self == -1) {
		log_error("/proc/self/exe: %s", strerror(errno));
		return EXIT_RUNTIME;
	}
	if (lane_new(&m->lane, LANE_BYTES) == -1 ||
	    rendezvous_new(&m->keeper) == -1 ||
	    rendezvous_new(&m->auth) == -1 ||
	    rendezvous_new(&m->dbclient) == -1 ||
	    rendezvous_new(&m->broker) == -1) {
		log_error("socketpair: %s", strerror(errno));
		return EXIT_RUNTIME;
	}
	if (getrandom(m->grant_key, sizeof(m->grant_key), 0) !=
	    (ssize_t)sizeof(m->grant_key)) {
		log_error("getrandom: %s", strerror(errno));
		return EXIT_RUNTIME;
	}
	bind_inherit(&m->ports, m->predecessor != -1);
	return make_sockets(m, conf, files);
}

void
plan_remove_pidfile(struct master *m)
{
	if (m->pidfile != NULL)
		pidfile_remove(m->pidfile);
	m->pidfile = NULL;
}

void
plan_free(struct master *m)
{
	/* Pools go with the last post of theirs. */
	while (m->nposts > 0)
		plan_drop_post(m, m->posts[m->nposts - 1]);
	while (m->ngens > 0)
		plan_drop_generation(m, m->gens[0]);
	free(m->posts);
	free(m->pools);
	free(m->gens);
	free(m->children);
}
