#include <sys/socket.h>
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/net.h"
#include "policy/conf_assign.h"
#include "policy/conf_tunnel.h"
#include "policy/mappings.h"
#include "process/bind.h"
#include "process/setup.h"

#define LINGER_MS	50	/* for what waits in a socket that is to go */
#define LOOK_MS		5
#define MAPPED_BACKLOG	511
#define FIRST_FD	3	/* of LISTEN_FDS, sd_listen_fds(3) */
#define CLAIM_MS	60000	/* for a broker to ask again for its ports */
#define LINK_CLAIM_MS	10000	/* for a link */
/* Of listeners, agents, hubs, and control. */
#define INHERITED_MAX	(SETUP_ADDRS_MAX + MAPPINGS_MAX + \
			 CONF_HUBS_MAX * CONF_ASSIGNS_MAX + 1)

static bool
same_spec(const struct net_spec *a, const struct net_spec *b)
{
	if (a->kind != b->kind)
		return false;
	return a->kind == NET_ANY ? a->port == b->port :
	    net_same(&a->addr, &b->addr);
}

static void
note_path(struct bound *b)
{
	struct stat	 st;

	if (b->spec.kind == NET_ADDR && net_is_path(&b->spec.addr) &&
	    lstat(b->spec.addr.u.un.sun_path, &st) == 0) {
		b->path = mem_strdup(b->spec.addr.u.un.sun_path);
		b->ino = st.st_ino;
	}
}

static struct bound *
add(struct ports *ports, const struct net_spec *spec, int fd)
{
	struct bound	*b = mem_calloc(1, sizeof(*b));

	b->spec = *spec;
	b->fd = fd;
	b->fresh = true;
	note_path(b);
	ports->v = mem_resize(ports->v, ports->n + 1, sizeof(*ports->v));
	ports->v[ports->n++] = b;
	return b;
}

/* Copies in other processes would listen on. */
static void
shut(int fd)
{
	(void)shutdown(fd, SHUT_RDWR);
}

static void
drop(struct ports *ports, size_t i, bool leave)
{
	struct bound	*b = ports->v[i];
	struct stat	 st;

	/* Another daemon may have put its own there meanwhile. */
	if (!leave && !b->lent && b->path != NULL &&
	    lstat(b->path, &st) == 0 &&
	    st.st_ino == b->ino)
		(void)unlink(b->path);
	close(b->fd);
	free(b->path);
	free(b);
	ports->v[i] = ports->v[--ports->n];
}

static void
add_inherited(struct ports *ports, int fd, const char *name, size_t len,
    bool predecessor)
{
	struct inherited	*in;

	ports->inherited = mem_resize(ports->inherited,
	    ports->ninherited + 1, sizeof(*ports->inherited));
	in = &ports->inherited[ports->ninherited++];
	in->fd = fd;
	in->name = mem_printf("%.*s", (int)len, name);
	in->heir = predecessor && strcmp(in->name, BIND_OURS) == 0;
}

void
bind_inherit(struct ports *ports, bool predecessor)
{
	const char	*pid = getenv("LISTEN_PID"), *n = getenv("LISTEN_FDS");
	const char	*names = getenv("LISTEN_FDNAMES");
	int		 count = n != NULL ? atoi(n) : 0, low, fd;
	size_t		 len;

	if (pid == NULL || atoll(pid) != getpid() || count > INHERITED_MAX)
		count = 0;
	for (int i = 0; i < count; i++) {
		len = names != NULL ? strcspn(names, ":") : 0;
		/* Low numbers are for what children are given. */
		low = FIRST_FD + i;
		fd = fcntl(low, F_DUPFD_CLOEXEC, 10 + count);
		if (fd != -1) {
			close(low);
			add_inherited(ports, fd, names != NULL ? names : "",
			    len, predecessor);
		}
		if (names != NULL)
			names += len + (names[len] == ':');
	}
	(void)unsetenv("LISTEN_PID");
	(void)unsetenv("LISTEN_FDS");
	(void)unsetenv("LISTEN_FDNAMES");
}

static void
free_inherited(struct ports *ports)
{
	for (size_t i = 0; i < ports->ninherited; i++) {
		if (ports->inherited[i].fd != -1)
			close(ports->inherited[i].fd);
		free(ports->inherited[i].name);
	}
	free(ports->inherited);
	ports->inherited = NULL;
	ports->ninherited = 0;
}

/* Of what our predecessor made and we do not want. */
static void
end_inherited(int fd, const struct net_addr *a)
{
	shut(fd);
	if (net_is_path(a))
		(void)unlink(a->u.un.sun_path);
}

static struct net_spec
spec_of(const struct net_addr *a)
{
	struct net_spec	 spec = { .kind = NET_ADDR, .port = net_port(a) };

	spec.addr = *a;
	if (a->u.sa.sa_family == AF_INET6 &&
	    IN6_IS_ADDR_UNSPECIFIED(&a->u.in6.sin6_addr))
		spec.kind = NET_ANY;
	return spec;
}

/* May it be one that an agent, or a hub, had our predecessor open? */
static bool
is_for_others(const struct ports *ports, const struct net_addr *a)
{
	const struct conf	*conf = ports->conf;

	for (size_t i = 0; i < conf->agents.n; i++)
		if (conf_may_map(&conf->agents.v[i], a))
			return true;
	for (size_t i = 0; i < conf->hubs.n; i++)
		if (conf_accepts(&conf->hubs.v[i], true, a))
			return true;
	return false;
}

static void
await_claim(struct bound *b, int64_t ms)
{
	b->claim_by = io_now_ms() + ms;
	b->mapped = true;
}

void
bind_disinherit(struct ports *ports)
{
	struct net_addr	 a;

	for (size_t i = 0; i < ports->n; i++)
		if (ports->v[i]->heir)
			ports->v[i]->lent = false;
	for (size_t i = 0; i < ports->ninherited; i++) {
		struct inherited	*in = &ports->inherited[i];
		char			 text[NET_TEXT_MAX] = "?";
		bool			 bound = net_local(in->fd, &a) == 0;

		if (bound)
			net_text(&a, text, sizeof(text));
		if (bound && in->heir && is_for_others(ports, &a)) {
			struct net_spec	 spec = spec_of(&a);
			struct bound	*b = add(ports, &spec, in->fd);

			b->fresh = false;
			await_claim(b, CLAIM_MS);
			in->fd = -1;
		} else if (bound && in->heir)
			end_inherited(in->fd, &a);
		else
			log_warn("the socket %s that was handed to us as "
			    "\"%s\" is in no listener's listen: closed",
			    text, in->name);
	}
	free_inherited(ports);
}

static struct bound *
adopt(struct ports *ports, const struct net_spec *spec)
{
	for (size_t i = 0; i < ports->ninherited; i++) {
		struct inherited	 in = ports->inherited[i];
		struct bound		*b;

		if (!net_listens_at(in.fd, spec))
			continue;
		free(in.name);
		ports->inherited[i] = ports->inherited[--ports->ninherited];
		b = add(ports, spec, in.fd);
		b->lent = true;
		b->heir = in.heir;
		return b;
	}
	return NULL;
}

static struct bound *
find(const struct ports *ports, const struct net_spec *spec)
{
	for (size_t i = 0; i < ports->n; i++)
		if (same_spec(&ports->v[i]->spec, spec))
			return ports->v[i];
	return NULL;
}

static struct net_listen
options(const struct conf_listener *l)
{
	return (struct net_listen){
		.tcp = {
			.nodelay = l->nodelay,
			.keepalive_idle = (int)(l->keepalive.idle / 1000),
			.keepalive_interval =
			    (int)(l->keepalive.interval / 1000),
			.keepalive_count = (int)l->keepalive.count,
			.user_timeout = (int)l->user_timeout,
		},
		.backlog = (int)l->backlog,
		.v6only = l->v6only,
		.transparent = l->transparent,
		.device = l->device,
		.fast_open = (int)l->fast_open,
		.defer_accept = (int)(l->defer_accept / 1000),
	};
}

/* 0 where there is none. */
static uint16_t
port_of(const struct net_spec *spec)
{
	if (spec->kind != NET_ADDR)
		return spec->port;
	switch (spec->addr.u.sa.sa_family) {
	case AF_INET:
		return ntohs(spec->addr.u.in.sin_port);
	case AF_INET6:
		return ntohs(spec->addr.u.in6.sin6_port);
	}
	return 0;
}

/* Have we the port ourselves, at another address that overlaps? */
static bool
is_our_port(const struct ports *ports, uint16_t port)
{
	for (size_t i = 0; i < ports->n && port != 0; i++)
		if (port_of(&ports->v[i]->spec) == port)
			return true;
	return false;
}

static int
complain(const struct ports *ports, const struct conf_listener *l,
    const struct conf_addr *a, const char *why, struct conf_report *report)
{
	int		 error = errno;
	bool		 denied = error == EACCES || error == EPERM;
	const char	*hint = "";
	struct bound	*b = find(ports, &a->spec);

	if (b != NULL && b->mapped)
		hint = " (an agent has it: see \"sallyportctl mappings\")";
	else if (denied && geteuid() != 0)
		hint = " (binding there takes root, or CAP_NET_BIND_SERVICE "
		    "for a port below 1024)";
	else if (error == EADDRINUSE && ports->conf == NULL &&
	    is_our_port(ports, port_of(&a->spec)))
		hint = " (an earlier address of this configuration has that "
		    "port too)";
	else if (error == EADDRINUSE && is_our_port(ports, port_of(&a->spec)))
		hint = " (this daemon itself has that port at another "
		    "address: take that away in one reload and add this in "
		    "the next, or restart)";
	conf_complain(report, "%s: listen: \"%s\": %s: %s%s", l->where,
	    a->text, why, strerror(error), hint);
	return denied ? 77 : 1;
}

static struct bound *
have(struct ports *ports, const struct conf_listener *l,
    const struct conf_addr *a, const char **why)
{
	struct net_listen	 o = options(l);
	struct bound		*b = find(ports, &a->spec);
	int			 fd;

	if (b == NULL)
		b = adopt(ports, &a->spec);
	if (b != NULL && b->mapped) {
		*why = "bind";
		errno = EADDRINUSE;
		return NULL;
	}
	if (b != NULL)
		return net_listen_again(b->fd, &a->spec, &o, why) == 0 ? b :
		    NULL;
	fd = net_listen(&a->spec, &o, why);
	return fd == -1 ? NULL : add(ports, &a->spec, fd);
}

static int
bind_listener(struct ports *ports, const struct conf *conf, size_t i,
    struct binding **v, size_t *n, struct conf_report *report)
{
	const struct conf_listener	*l = &conf->listeners[i];
	struct bound			*b;
	const char			*why;

	for (size_t j = 0; j < l->listen.n; j++) {
		if (*n == SETUP_ADDRS_MAX) {
			conf_complain(report, "%s: listen: more than %d "
			    "addresses in all", l->where, SETUP_ADDRS_MAX);
			return 1;
		}
		b = have(ports, l, &l->listen.v[j], &why);
		if (b == NULL)
			return complain(ports, l, &l->listen.v[j], why,
			    report);
		*v = mem_resize(*v, *n + 1, sizeof(**v));
		(*v)[(*n)++] = (struct binding){ i, b };
	}
	return 0;
}

int
bind_conf(struct ports *ports, const struct conf *conf, struct binding **out,
    size_t *nout, struct conf_report *report)
{
	struct binding	*v = NULL;
	size_t		 n = 0;
	int		 status = 0, rc;

	/* An address that comes back at once must be free by now. */
	for (size_t i = 0; i < ports->n; i++)
		if (ports->v[i]->close_by != 0)
			ports->v[i]->close_by = io_now_ms();
	(void)bind_tidy(ports);
	/* All that cannot be had is told in one run. */
	for (size_t i = 0; i < conf->nlisteners; i++) {
		rc = bind_listener(ports, conf, i, &v, &n, report);
		if (rc > status)
			status = rc;
	}
	if (status != 0) {
		bind_abandon(ports);
		free(v);
		v = NULL;
		n = 0;
	}
	*out = v;
	*nout = n;
	return status;
}

static int
change_rights(int fd, gid_t gid, mode_t mode, const char **why)
{
	struct stat	 st;
	char		 self[32];

	*why = "stat";
	if (fstat(fd, &st) == -1)
		return -1;
	*why = "no socket any more";
	errno = EINVAL;
	if (!S_ISSOCK(st.st_mode))
		return -1;
	*why = "chown";
	if (gid != (gid_t)-1 &&
	    fchownat(fd, "", (uid_t)-1, gid, AT_EMPTY_PATH) == -1)
		return -1;
	/* fchmod(2) wants more of a descriptor than that it has a place. */
	*why = "chmod";
	snprintf(self, sizeof(self), "/proc/self/fd/%d", fd);
	return chmod(self, mode);
}

/* Not by its path: whose folder it is might have put a link there meanwhile. */
static int
set_rights(const char *path, gid_t gid, mode_t mode, const char **why)
{
	int	 fd, rc, saved;

	*why = "open";
	fd = open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (fd == -1)
		return -1;
	rc = change_rights(fd, gid, mode, why);
	saved = errno;
	close(fd);
	errno = saved;
	return rc;
}

/* Only the group may. */
static int
control_rights(const struct conf *conf, struct conf_report *report)
{
	const char	*path = conf->control.path, *name = conf->control.group;
	struct group	*gr = NULL;
	const char	*why;

	if (name[0] != '\0' && (gr = getgrnam(name)) == NULL) {
		conf_complain(report, "control.group: \"%s\": there is no such "
		    "group", name);
		return -1;
	}
	if (set_rights(path, gr != NULL ? gr->gr_gid : (gid_t)-1,
	    gr != NULL ? 0660 : 0600, &why) == 0)
		return 0;
	conf_complain(report, "control.path: %s %s: %s", why, path,
	    strerror(errno));
	return -1;
}

/* The last one alone: a path that is wrong from the start is a slip. */
static void
make_folder(const char *path)
{
	char	*copy = mem_strdup(path), *slash = strrchr(copy, '/');

	if (slash != NULL && slash != copy) {
		*slash = '\0';
		(void)mkdir(copy, 0755);
	}
	free(copy);
}

struct bound *
bind_control(struct ports *ports, const struct conf *conf,
    struct conf_report *report)
{
	const struct net_listen	 o = { .backlog = 64, .mode = 0600 };
	const char		*why;
	struct net_spec		 spec;
	struct bound		*b;
	char			*text;
	int			 fd;

	text = mem_printf("unix:%s", conf->control.path);
	if (net_parse(text, false, &spec, &why) == -1)
		abort();	/* the configuration was checked */
	free(text);
	make_folder(conf->control.path);
	b = adopt(ports, &spec);
	if (b == NULL) {
		fd = net_listen(&spec, &o, &why);
		if (fd == -1) {
			conf_complain(report, "control.path: %s: %s: %s",
			    conf->control.path, why, strerror(errno));
			return NULL;
		}
		b = add(ports, &spec, fd);
	}
	b->fresh = false;
	b->keep = true;
	if (control_rights(conf, report) == 0)
		return b;
	drop(ports, ports->n - 1, false);
	return NULL;
}

static bool
is_in(const struct binding *v, size_t n, const struct bound *b)
{
	for (size_t i = 0; i < n; i++)
		if (v[i].bound == b)
			return true;
	return false;
}

void
bind_commit(struct ports *ports, const struct conf *conf,
    const struct binding *bindings, size_t n)
{
	ports->conf = conf;
	ports->bindings = bindings;
	ports->nbindings = n;
	for (size_t i = 0; i < ports->n; i++) {
		struct bound	*b = ports->v[i];

		b->fresh = false;
		if (!b->keep && !b->mapped && !is_in(bindings, n, b))
			b->close_by = io_now_ms() + LINGER_MS;
	}
}

void
bind_abandon(struct ports *ports)
{
	for (size_t i = ports->n; i-- > 0;) {
		const struct bound	*b = ports->v[i];

		if (!b->fresh)
			continue;
		if (!b->lent)
			shut(b->fd);
		drop(ports, i, false);
	}
	for (size_t i = 0; i < ports->nbindings; i++) {
		const struct binding	*v = &ports->bindings[i];
		struct net_listen	 o =
		    options(&ports->conf->listeners[v->listener]);
		const char		*why;

		(void)net_listen_again(v->bound->fd, &v->bound->spec, &o,
		    &why);
	}
}

/* Does a connection wait to be accepted? */
static bool
is_waiting(int fd)
{
	struct pollfd	 p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, 0) == 1 && (p.revents & POLLIN) != 0;
}

/* A place for it, or that which it has already; NULL with errno. */
static struct bound_claim *
claim(struct bound *b, const struct bound_claim *who)
{
	struct bound_claim	*mine = NULL, *c;

	for (c = b->claims; c < b->claims + b->nclaims; c++)
		if (c->owner == who->owner)
			mine = c;
		else if (c->owner == 0 || who->owner == 0 ||
		    c->generation == who->generation) {
			errno = EADDRINUSE;
			return NULL;
		}
	if (mine == NULL && b->nclaims < BIND_CLAIMS_MAX)
		mine = &b->claims[b->nclaims++];
	if (mine == NULL)
		errno = EADDRINUSE;
	return mine;
}

/* True when that was the last one. */
static bool
disclaim(struct bound *b, const struct bound_claim *c)
{
	b->claims[c - b->claims] = b->claims[--b->nclaims];
	return b->nclaims == 0;
}

static struct bound_claim *
claim_of(struct bound *b, pid_t owner)
{
	for (size_t i = 0; i < b->nclaims; i++)
		if (b->claims[i].owner == owner)
			return &b->claims[i];
	return NULL;
}

struct bound *
bind_map(struct ports *ports, const struct net_addr *a,
    const struct bound_claim *who)
{
	const struct net_listen	 o = {
		.tcp.nodelay = true, .backlog = MAPPED_BACKLOG, .v6only = true,
	};
	struct net_spec		 spec = spec_of(a);
	struct bound		*b = find(ports, &spec);
	struct bound_claim	*mine;
	const char		*why;
	int			 fd;

	if (b != NULL && !b->mapped) {
		errno = EADDRINUSE;
		return NULL;
	}
	if (b == NULL) {
		fd = net_listen(&spec, &o, &why);
		if (fd == -1)
			return NULL;
		b = add(ports, &spec, fd);
	}
	mine = claim(b, who);
	if (mine == NULL)
		return NULL;
	*mine = *who;
	b->fresh = false;
	b->mapped = true;
	b->claim_by = 0;
	return b;
}

void
bind_unmap(struct ports *ports, pid_t owner, uint32_t id)
{
	for (size_t i = ports->n; i-- > 0;) {
		const struct bound_claim *c = claim_of(ports->v[i], owner);

		if (c == NULL || c->id != id || !disclaim(ports->v[i], c))
			continue;
		shut(ports->v[i]->fd);
		drop(ports, i, false);
	}
}

void
bind_orphan(struct ports *ports, pid_t owner)
{
	for (size_t i = 0; i < ports->n; i++) {
		const struct bound_claim *c = claim_of(ports->v[i], owner);

		if (c != NULL && disclaim(ports->v[i], c))
			await_claim(ports->v[i], owner == 0 ? CLAIM_MS :
			    LINK_CLAIM_MS);
	}
}

int64_t
bind_tidy(struct ports *ports)
{
	int64_t	 next = INT64_MAX, now = io_now_ms();

	for (size_t i = ports->n; i-- > 0;) {
		struct bound	*b = ports->v[i];

		if (b->claim_by != 0 && now >= b->claim_by)
			b->close_by = now;
		else if (b->claim_by != 0 && b->claim_by < next)
			next = b->claim_by;
		if (b->close_by == 0)
			continue;
		if (now < b->close_by && is_waiting(b->fd)) {
			next = now + LOOK_MS;	/* the soonest there is */
			continue;
		}
		shut(b->fd);
		drop(ports, i, false);
	}
	return next;
}

void
bind_shut(const struct ports *ports)
{
	for (size_t i = 0; i < ports->n; i++)
		if (!ports->v[i]->keep && !ports->v[i]->lent)
			shut(ports->v[i]->fd);
}

void
bind_free(struct ports *ports, bool leave)
{
	while (ports->n > 0)
		drop(ports, ports->n - 1, leave);
	free(ports->v);
	ports->v = NULL;
	ports->bindings = NULL;
	ports->nbindings = 0;
	free_inherited(ports);
}
