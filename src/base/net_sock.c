#include <sys/stat.h>

#include <netinet/tcp.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/net.h"

static int
set_on(int fd, int level, int name)
{
	const int	 on = 1;

	return setsockopt(fd, level, name, &on, sizeof(on));
}

static int
set_tcp_options(int fd)
{
	if (set_on(fd, IPPROTO_TCP, TCP_NODELAY) == -1)
		return -1;
	return set_on(fd, SOL_SOCKET, SO_KEEPALIVE);
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
bind_path(int fd, const struct net_addr *a, const char **why)
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
		errno = EADDRINUSE;
		if (is_living(&st))
			return -1;
		*why = "removing what a dead process left";
		if (unlink(path) == -1)
			return -1;
	}
	*why = "bind";
	/*
	 * As with a port, whoever reaches the host may connect.  No chmod:
	 * whose folder it is might have put a link there meanwhile.
	 */
	mask = umask(0111);
	rc = bind(fd, &a->u.sa, a->len);
	umask(mask);
	return rc;
}

static int
listen_inet(int fd, const struct net_addr *a, bool v6only, const char **why)
{
	const int	 only = v6only;

	*why = "setsockopt";
	if (set_on(fd, SOL_SOCKET, SO_REUSEADDR) == -1 ||
	    set_tcp_options(fd) == -1)
		return -1;
	if (a->u.sa.sa_family == AF_INET6 && setsockopt(fd, IPPROTO_IPV6,
	    IPV6_V6ONLY, &only, sizeof(only)) == -1)
		return -1;
	*why = "bind";
	return bind(fd, &a->u.sa, a->len);
}

static int
listen_addr(const struct net_addr *a, bool v6only, int backlog,
    const char **why)
{
	int	 fd, rc, saved;

	*why = "socket";
	fd = socket(a->u.sa.sa_family,
	    SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd == -1)
		return -1;
	if (net_is_path(a))
		rc = bind_path(fd, a, why);
	else if (a->u.sa.sa_family == AF_UNIX) {
		*why = "bind";
		rc = bind(fd, &a->u.sa, a->len);
	} else
		rc = listen_inet(fd, a, v6only, why);
	if (rc == 0) {
		*why = "listen";
		rc = listen(fd, backlog);
	}
	if (rc == -1) {
		saved = errno;
		close(fd);
		errno = saved;
		return -1;
	}
	return fd;
}

int
net_listen(const struct net_spec *spec, int backlog, const char **why)
{
	struct net_addr	 a = { .len = sizeof(a.u.in6) };
	int		 fd;

	if (spec->kind == NET_ADDR)
		return listen_addr(&spec->addr, true, backlog, why);
	a.u.in6.sin6_family = AF_INET6;
	a.u.in6.sin6_port = htons(spec->port);
	fd = listen_addr(&a, false, backlog, why);
	if (fd != -1 || (errno != EAFNOSUPPORT && errno != EADDRNOTAVAIL))
		return fd;
	memset(&a.u, 0, sizeof(a.u));
	a.len = sizeof(a.u.in);
	a.u.in.sin_family = AF_INET;
	a.u.in.sin_port = htons(spec->port);
	return listen_addr(&a, false, backlog, why);
}

int
net_local(int fd, struct net_addr *a)
{
	a->len = sizeof(a->u);
	return getsockname(fd, &a->u.sa, &a->len);
}

int
net_dial(const struct net_addr *a, bool *pending)
{
	int	 fd, saved;

	*pending = false;
	fd = socket(a->u.sa.sa_family,
	    SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd == -1)
		return -1;
	if ((a->u.sa.sa_family == AF_UNIX || set_tcp_options(fd) == 0)) {
		if (connect(fd, &a->u.sa, a->len) == 0)
			return fd;
		if (errno == EINPROGRESS) {
			*pending = true;
			return fd;
		}
	}
	saved = errno;
	close(fd);
	errno = saved;
	return -1;
}

int
net_dial_result(int fd)
{
	int		 error = 0;
	socklen_t	 len = sizeof(error);

	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) == -1)
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
