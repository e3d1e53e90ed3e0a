#include <sys/stat.h>

#include <net/if.h>
#include <netinet/tcp.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/net.h"

#define OPTIONS_MAX	16

/* A number that a socket is given. */
struct option {
	int		 level, name;
	const char	*text;
	int		 value;		/* 0: the system's */
};

#define OPTION(level, name, value)	{ level, name, #name, value }

static size_t
tcp_options(const struct net_tcp *t, struct option *out)
{
	const struct option	 o[] = {
		OPTION(SOL_SOCKET, SO_KEEPALIVE, 1),
		OPTION(IPPROTO_TCP, TCP_NODELAY, t->nodelay),
		OPTION(IPPROTO_TCP, TCP_KEEPIDLE, t->keepalive_idle),
		OPTION(IPPROTO_TCP, TCP_KEEPINTVL, t->keepalive_interval),
		OPTION(IPPROTO_TCP, TCP_KEEPCNT, t->keepalive_count),
		OPTION(IPPROTO_TCP, TCP_USER_TIMEOUT, t->user_timeout),
	};

	memcpy(out, o, sizeof(o));
	return nitems(o);
}

static size_t
listen_options(int family, const struct net_listen *l, struct option *out)
{
	const struct option	 o[] = {
		OPTION(IPPROTO_TCP, TCP_FASTOPEN, l->fast_open),
		OPTION(IPPROTO_TCP, TCP_DEFER_ACCEPT, l->defer_accept),
	};
	const struct option	 v4 = OPTION(IPPROTO_IP, IP_TRANSPARENT,
				    l->transparent);
	const struct option	 v6 = OPTION(IPPROTO_IPV6, IPV6_TRANSPARENT,
				    l->transparent);
	size_t			 n = tcp_options(&l->tcp, out);

	memcpy(out + n, o, sizeof(o));
	n += nitems(o);
	out[n++] = family == AF_INET6 ? v6 : v4;
	return n;
}

static int
set_option(int fd, int level, int name, int value)
{
	return setsockopt(fd, level, name, &value, sizeof(value));
}

static int
get_option(int fd, int level, int name, int *value)
{
	socklen_t	 len = sizeof(*value);

	return getsockopt(fd, level, name, value, &len);
}

/* A new socket has the system's values already. */
static int
set_options(int fd, const struct option *o, size_t n, const char **why)
{
	for (size_t i = 0; i < n; i++) {
		*why = o[i].text;
		if (o[i].value != 0 &&
		    set_option(fd, o[i].level, o[i].name, o[i].value) == -1)
			return -1;
	}
	return 0;
}

/* One in use may have others; `fresh' is there to tell the system's. */
static int
change_options(int fd, int fresh, const struct option *o, size_t n,
    const char **why)
{
	for (size_t i = 0; i < n; i++) {
		int	 want = o[i].value, have;

		*why = o[i].text;
		if (want == 0 &&
		    get_option(fresh, o[i].level, o[i].name, &want) == -1)
			return -1;
		if (get_option(fd, o[i].level, o[i].name, &have) == -1)
			return -1;
		if (have != want &&
		    set_option(fd, o[i].level, o[i].name, want) == -1)
			return -1;
	}
	return 0;
}

static int
set_device(int fd, const char *device, const char **why)
{
	*why = "SO_BINDTODEVICE";
	return setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, device,
	    (socklen_t)strlen(device));
}

static const char *
device_of(const struct net_listen *l)
{
	return l->device != NULL ? l->device : "";
}

/*
 * Does a process of this network namespace have the socket `st'?  By what
 * it is and not by its name, which others may have written otherwise.
 */
static bool
is_living(const struct stat *st)
{
	struct stat	 other;
	char		 line[512], *name;
	FILE		*f = fopen("/proc/net/unix", "re");
	bool		 found = false;

	if (f == NULL)
		return true;		/* as far as we can tell */
	while (!found && fgets(line, sizeof(line), f) != NULL) {
		line[strcspn(line, "\n")] = '\0';
		name = strchr(line, '/');
		found = name != NULL && stat(name, &other) == 0 &&
		    other.st_dev == st->st_dev && other.st_ino == st->st_ino;
	}
	fclose(f);
	return found;
}

/* What a dead daemon left is in the way; what a living one has is not ours. */
static int
bind_path(int fd, const struct net_addr *a, mode_t mode, const char **why)
{
	const char	*path = a->u.un.sun_path;
	struct stat	 st;
	mode_t		 mask;
	int		 rc;

	if (lstat(path, &st) == 0) {
		*why = "not a socket, so it is left alone";
		errno = EEXIST;
		if (!S_ISSOCK(st.st_mode))
			return -1;
		*why = "another process listens there";
		if (is_living(&st)) {
			errno = EADDRINUSE;
			return -1;
		}
		*why = "removing what a dead process left";
		if (unlink(path) == -1)
			return -1;
	}
	*why = "bind";
	/*
	 * As with a port, whoever reaches the host may connect.  No chmod:
	 * whose folder it is might have put a link there meanwhile.
	 */
	mask = umask(~(mode != 0 ? mode : 0666) & 0777);
	rc = bind(fd, &a->u.sa, a->len);
	umask(mask);
	return rc;
}

static int
listen_inet(int fd, const struct net_addr *a, bool v6only,
    const struct net_listen *l, const char **why)
{
	struct option	 o[OPTIONS_MAX];
	const char	*device = device_of(l);
	size_t		 n = listen_options(a->u.sa.sa_family, l, o);

	*why = "SO_REUSEADDR";
	if (set_option(fd, SOL_SOCKET, SO_REUSEADDR, 1) == -1)
		return -1;
	*why = "IPV6_V6ONLY";
	if (a->u.sa.sa_family == AF_INET6 &&
	    set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY, v6only) == -1)
		return -1;
	if (set_options(fd, o, n, why) == -1)
		return -1;
	if (device[0] != '\0' && set_device(fd, device, why) == -1)
		return -1;
	*why = "bind";
	return bind(fd, &a->u.sa, a->len);
}

static int
open_stream(int family)
{
	return socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
}

static void
close_quietly(int fd)
{
	int	 saved = errno;

	close(fd);
	errno = saved;
}

static int
listen_addr(const struct net_addr *a, bool v6only, const struct net_listen *l,
    const char **why)
{
	int	 fd, rc;

	*why = "socket";
	fd = open_stream(a->u.sa.sa_family);
	if (fd == -1)
		return -1;
	if (net_is_path(a))
		rc = bind_path(fd, a, l->mode, why);
	else if (a->u.sa.sa_family == AF_UNIX) {
		*why = "bind";
		rc = bind(fd, &a->u.sa, a->len);
	} else
		rc = listen_inet(fd, a, v6only, l, why);
	if (rc == 0) {
		*why = "listen";
		rc = listen(fd, l->backlog);
	}
	if (rc == -1) {
		close_quietly(fd);
		return -1;
	}
	return fd;
}

/* All addresses of a family, IPv6 with IPv4 in it. */
static struct net_addr
any_addr(int family, uint16_t port)
{
	struct net_addr	 a = { .len = sizeof(a.u.in6) };

	a.u.sa.sa_family = (sa_family_t)family;
	if (family == AF_INET)
		a.len = sizeof(a.u.in);
	net_set_port(&a, port);
	return a;
}

int
net_listen(const struct net_spec *spec, const struct net_listen *l,
    const char **why)
{
	struct net_addr	 a;
	int		 fd;

	if (spec->kind == NET_ADDR)
		return listen_addr(&spec->addr, l->v6only, l, why);
	a = any_addr(AF_INET6, spec->port);
	fd = listen_addr(&a, false, l, why);
	if (fd != -1 || (errno != EAFNOSUPPORT && errno != EADDRNOTAVAIL))
		return fd;
	a = any_addr(AF_INET, spec->port);
	return listen_addr(&a, false, l, why);
}

static int
change_v6only(int fd, bool want, const char **why)
{
	int	 have;

	*why = "IPV6_V6ONLY";
	if (get_option(fd, IPPROTO_IPV6, IPV6_V6ONLY, &have) == -1)
		return -1;
	if ((have != 0) == want)
		return 0;
	*why = "v6only cannot change while the address is in use";
	errno = EINVAL;
	return -1;
}

static int
change_device(int fd, const struct net_listen *l, const char **why)
{
	const char	*want = device_of(l);
	char		 have[IFNAMSIZ] = "";
	socklen_t	 len = sizeof(have);

	*why = "SO_BINDTODEVICE";
	if (getsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, have, &len) == -1)
		return -1;
	if (strcmp(have, want) == 0)
		return 0;
	return set_device(fd, want, why);
}

static int
change_inet(int fd, int family, bool v6only, const struct net_listen *l,
    const char **why)
{
	struct option	 o[OPTIONS_MAX];
	size_t		 n = listen_options(family, l, o);
	int		 fresh, rc;

	if (family == AF_INET6 && change_v6only(fd, v6only, why) == -1)
		return -1;
	*why = "socket";
	fresh = open_stream(family);
	if (fresh == -1)
		return -1;
	rc = change_options(fd, fresh, o, n, why);
	close_quietly(fresh);
	return rc == -1 ? -1 : change_device(fd, l, why);
}

int
net_listen_again(int fd, const struct net_spec *spec,
    const struct net_listen *l, const char **why)
{
	bool	 v6only = spec->kind == NET_ADDR && l->v6only;
	int	 family, flags;

	*why = "fcntl";
	flags = fcntl(fd, F_GETFL);
	if (flags == -1 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) == -1 ||
	    fcntl(fd, F_SETFD, FD_CLOEXEC) == -1)
		return -1;
	*why = "SO_DOMAIN";
	if (get_option(fd, SOL_SOCKET, SO_DOMAIN, &family) == -1)
		return -1;
	if (family != AF_UNIX &&
	    change_inet(fd, family, v6only, l, why) == -1)
		return -1;
	*why = "listen";
	return listen(fd, l->backlog);
}

static bool
listens_anywhere(int fd, const struct net_addr *a, uint16_t port)
{
	struct net_addr	 v4 = any_addr(AF_INET, port);
	struct net_addr	 v6 = any_addr(AF_INET6, port);
	int		 v6only;

	if (net_same(a, &v4))
		return true;
	return net_same(a, &v6) && get_option(fd, IPPROTO_IPV6, IPV6_V6ONLY,
	    &v6only) == 0 && v6only == 0;
}

bool
net_listens_at(int fd, const struct net_spec *spec)
{
	struct net_addr	 a;
	int		 type, listens;

	if (get_option(fd, SOL_SOCKET, SO_TYPE, &type) == -1 ||
	    type != SOCK_STREAM ||
	    get_option(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens) == -1 ||
	    !listens || net_local(fd, &a) == -1)
		return false;
	switch (spec->kind) {
	case NET_ANY:
		return listens_anywhere(fd, &a, spec->port);
	case NET_ADDR:
		return net_same(&a, &spec->addr);
	case NET_NAME:
		break;
	}
	return false;
}

int
net_local(int fd, struct net_addr *a)
{
	a->len = sizeof(a->u);
	return getsockname(fd, &a->u.sa, &a->len);
}

/*
 * The kernel is to choose the port at connect, when it knows the other end:
 * one chosen here would be taken for all servers.
 */
static int
bind_source(int fd, const struct net_addr *source)
{
	if (set_option(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1) == -1)
		return -1;
	return bind(fd, &source->u.sa, source->len);
}

static int
prepare_dial(int fd, const struct net_addr *a, const struct net_addr *source,
    const struct net_tcp *tcp)
{
	struct option	 o[OPTIONS_MAX];
	const char	*why;

	if (a->u.sa.sa_family == AF_UNIX)
		return 0;
	if (set_options(fd, o, tcp_options(tcp, o), &why) == -1)
		return -1;
	if (source == NULL || source->len == 0)
		return 0;
	if (source->u.sa.sa_family != a->u.sa.sa_family) {
		errno = EAFNOSUPPORT;
		return -1;
	}
	return bind_source(fd, source);
}

int
net_dial(const struct net_addr *a, const struct net_addr *source,
    const struct net_tcp *tcp, bool *pending)
{
	int	 fd;

	*pending = false;
	fd = open_stream(a->u.sa.sa_family);
	if (fd == -1)
		return -1;
	if (prepare_dial(fd, a, source, tcp) == 0) {
		if (connect(fd, &a->u.sa, a->len) == 0)
			return fd;
		if (errno == EINPROGRESS) {
			*pending = true;
			return fd;
		}
	}
	close_quietly(fd);
	return -1;
}

int
net_dial_result(int fd)
{
	int	 error;

	if (get_option(fd, SOL_SOCKET, SO_ERROR, &error) == -1)
		return errno;
	return error;
}

void
net_abort(int fd)
{
	const struct linger	 now = { .l_onoff = 1, .l_linger = 0 };

	/* Local sockets have no reset and refuse nothing here. */
	(void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	close(fd);
}
