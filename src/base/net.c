#include <sys/stat.h>

#include <arpa/inet.h>
#include <netinet/tcp.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/net.h"

/* Room that text must leave in sun_path, for the NUL or the leading one. */
#define UNIX_PATH_MAX	(sizeof(((struct sockaddr_un *)0)->sun_path) - 1)

static int
parse_port(const char *text, bool zero_ok, uint16_t *port, const char **why)
{
	unsigned long	 v = 0;

	*why = "the port must be a number from 1 to 65535";
	if (*text == '\0' || strlen(text) > 5)
		return -1;
	for (; *text != '\0'; text++) {
		if (*text < '0' || *text > '9')
			return -1;
		v = v * 10 + (unsigned long)(*text - '0');
	}
	if (v > 65535 || (v == 0 && !zero_ok))
		return -1;
	*port = (uint16_t)v;
	return 0;
}

static int
parse_unix(const char *path, struct net_spec *s, const char **why)
{
	struct sockaddr_un	*un = &s->addr.u.un;
	size_t			 len = strlen(path);

	*why = "want unix:/path or unix:@name";
	if (path[0] != '/' && path[0] != '@')
		return -1;
	if (len < 2)
		return -1;
	*why = "the path of a socket has at most 107 characters";
	if (len > UNIX_PATH_MAX)
		return -1;
	s->kind = NET_ADDR;
	un->sun_family = AF_UNIX;
	memcpy(un->sun_path, path, len);
	s->addr.len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
	if (path[0] == '@')
		un->sun_path[0] = '\0';	/* abstract: the length ends it */
	else
		s->addr.len++;
	return 0;
}

static int
parse_v6(const char *text, size_t len, struct net_spec *s, const char **why)
{
	struct sockaddr_in6	*in6 = &s->addr.u.in6;
	char			 host[INET6_ADDRSTRLEN];

	*why = "not an IPv6 address between [ and ]";
	if (len >= sizeof(host))
		return -1;
	memcpy(host, text, len);
	host[len] = '\0';
	if (inet_pton(AF_INET6, host, &in6->sin6_addr) != 1)
		return -1;
	s->kind = NET_ADDR;
	s->addr.len = sizeof(*in6);
	in6->sin6_family = AF_INET6;
	in6->sin6_port = htons(s->port);
	return 0;
}

/* May the text stand as a host name (RFC 1123, and _ as found in the wild)? */
static bool
is_name(const char *text, size_t len)
{
	bool	 digits = true;

	if (len == 0 || len > NET_NAME_MAX || text[0] == '-' || text[0] == '.')
		return false;
	for (size_t i = 0; i < len; i++) {
		unsigned char	 c = (unsigned char)text[i];

		if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
		    (c >= '0' && c <= '9') || c == '-' || c == '.' ||
		    c == '_'))
			return false;
		if (c != '.' && (c < '0' || c > '9'))
			digits = false;
	}
	return !digits;		/* 10.0.0.300 is a mistake and no name */
}

static int
parse_host(const char *text, size_t len, struct net_spec *s, const char **why)
{
	struct sockaddr_in	*in = &s->addr.u.in;

	if (len == 0 || (len == 1 && text[0] == '*')) {
		s->kind = NET_ANY;
		return 0;
	}
	if (len <= NET_NAME_MAX) {
		memcpy(s->name, text, len);
		s->name[len] = '\0';
		if (inet_pton(AF_INET, s->name, &in->sin_addr) == 1) {
			s->name[0] = '\0';
			s->kind = NET_ADDR;
			s->addr.len = sizeof(*in);
			in->sin_family = AF_INET;
			in->sin_port = htons(s->port);
			return 0;
		}
	}
	*why = "not an IPv4 address or a host name";
	if (memchr(text, ':', len) != NULL)
		*why = "an IPv6 address stands between [ and ]";
	if (!is_name(text, len))
		return -1;
	s->kind = NET_NAME;
	return 0;
}

int
net_parse(const char *text, bool zero_ok, struct net_spec *s, const char **why)
{
	const char	*colon;
	size_t		 len;

	memset(s, 0, sizeof(*s));
	if (strncmp(text, "unix:", 5) == 0)
		return parse_unix(text + 5, s, why);
	colon = strrchr(text, ':');
	*why = "want host:port, :port, [v6]:port or unix:/path";
	if (colon == NULL)
		return -1;
	if (parse_port(colon + 1, zero_ok, &s->port, why) == -1)
		return -1;
	len = (size_t)(colon - text);
	if (text[0] == '[') {
		*why = "the address after [ does not end with ]";
		if (len < 2 || text[len - 1] != ']')
			return -1;
		return parse_v6(text + 1, len - 2, s, why);
	}
	return parse_host(text, len, s, why);
}

bool
net_is_path(const struct net_addr *a)
{
	return a->len > offsetof(struct sockaddr_un, sun_path) &&
	    a->u.sa.sa_family == AF_UNIX && a->u.un.sun_path[0] != '\0';
}

bool
net_same(const struct net_addr *a, const struct net_addr *b)
{
	return a->len == b->len && memcmp(&a->u, &b->u, a->len) == 0;
}

void
net_set_port(struct net_addr *a, uint16_t port)
{
	if (a->u.sa.sa_family == AF_INET)
		a->u.in.sin_port = htons(port);
	else if (a->u.sa.sa_family == AF_INET6)
		a->u.in6.sin6_port = htons(port);
}

static void
unix_text(const struct net_addr *a, char *buf, size_t size)
{
	size_t	 head = offsetof(struct sockaddr_un, sun_path);
	size_t	 len = a->len > head ? a->len - head : 0;

	if (len > sizeof(a->u.un.sun_path))
		len = sizeof(a->u.un.sun_path);
	if (len == 0)
		snprintf(buf, size, "unix:");
	else if (a->u.un.sun_path[0] == '\0')
		snprintf(buf, size, "unix:@%.*s", (int)(len - 1),
		    a->u.un.sun_path + 1);
	else
		snprintf(buf, size, "unix:%.*s", (int)len, a->u.un.sun_path);
}

char *
net_text(const struct net_addr *a, char *buf, size_t size)
{
	static const uint8_t	 mapped[12] = { [10] = 0xff, [11] = 0xff };
	const struct in6_addr	*in6 = &a->u.in6.sin6_addr;
	char			 host[INET6_ADDRSTRLEN] = "?";

	switch (a->u.sa.sa_family) {
	case AF_INET:
		inet_ntop(AF_INET, &a->u.in.sin_addr, host, sizeof(host));
		snprintf(buf, size, "%s:%u", host, ntohs(a->u.in.sin_port));
		break;
	case AF_INET6:
		if (memcmp(in6, mapped, sizeof(mapped)) == 0) {
			inet_ntop(AF_INET, in6->s6_addr + 12, host,
			    sizeof(host));
			snprintf(buf, size, "%s:%u", host,
			    ntohs(a->u.in6.sin6_port));
			break;
		}
		inet_ntop(AF_INET6, in6, host, sizeof(host));
		snprintf(buf, size, "[%s]:%u", host,
		    ntohs(a->u.in6.sin6_port));
		break;
	case AF_UNIX:
		unix_text(a, buf, size);
		break;
	default:
		snprintf(buf, size, "?");
	}
	return buf;
}

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
