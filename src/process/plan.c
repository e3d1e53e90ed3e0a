#include <sys/mman.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "process/book.h"
#include "process/plan.h"

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
		const struct conf_servers	*list =
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
	if (!keeper_needed(m->conf))
		return;
	m->sup.book_fd = proc_memfd("book", book_size(m->conf->nservers));
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

int
plan_make(struct master *m)
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
	for (size_t i = 0; i < m->nlanes; i++)
		close(m->lanes[i].in);
	free(m->lanes);
	free(m->posts);
	free(m->children);
}
