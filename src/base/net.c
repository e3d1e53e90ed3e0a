#include <arpa/inet.h>

#include <stdio.h>
#include <string.h>

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
net_is_inet(const struct net_addr *a)
{
	switch (a->u.sa.sa_family) {
	case AF_INET:
		return a->len == sizeof(a->u.in);
	case AF_INET6:
		return a->len == sizeof(a->u.in6);
	}
	return false;
}

bool
net_same(const struct net_addr *a, const struct net_addr *b)
{
	return a->len == b->len && memcmp(&a->u, &b->u, a->len) == 0;
}

uint16_t
net_port(const struct net_addr *a)
{
	if (a->u.sa.sa_family == AF_INET)
		return ntohs(a->u.in.sin_port);
	if (a->u.sa.sa_family == AF_INET6)
		return ntohs(a->u.in6.sin6_port);
	return 0;
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
net_host_text(const struct net_addr *a, char *buf, size_t size)
{
	static const uint8_t	 mapped[12] = { [10] = 0xff, [11] = 0xff };
	const struct in6_addr	*in6 = &a->u.in6.sin6_addr;

	snprintf(buf, size, "?");
	switch (a->u.sa.sa_family) {
	case AF_INET:
		(void)inet_ntop(AF_INET, &a->u.in.sin_addr, buf,
		    (socklen_t)size);
		break;
	case AF_INET6:
		if (memcmp(in6, mapped, sizeof(mapped)) == 0)
			(void)inet_ntop(AF_INET, in6->s6_addr + 12, buf,
			    (socklen_t)size);
		else
			(void)inet_ntop(AF_INET6, in6, buf, (socklen_t)size);
		break;
	case AF_UNIX:
		unix_text(a, buf, size);
	}
	return buf;
}

char *
net_text(const struct net_addr *a, char *buf, size_t size)
{
	char	 host[NET_TEXT_MAX];
	bool	 bare;

	net_host_text(a, host, sizeof(host));
	/* An IPv6 address that has kept its colons. */
	bare = a->u.sa.sa_family == AF_INET6 && strchr(host, ':') != NULL;
	switch (a->u.sa.sa_family) {
	case AF_INET:
	case AF_INET6:
		snprintf(buf, size, bare ? "[%s]:%u" : "%s:%u", host,
		    ntohs(a->u.sa.sa_family == AF_INET ? a->u.in.sin_port :
		    a->u.in6.sin6_port));
		break;
	default:
		snprintf(buf, size, "%s", host);
	}
	return buf;
}
