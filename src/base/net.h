/*
 * net.h - addresses to text and back, sockets that listen, sockets that dial.
 *
 * An address as people write it (struct net_spec) may hold a name that must
 * be looked up; an address as the kernel takes it (struct net_addr) never
 * does.  Nothing here asks the DNS, so root may call all of it.
 */
#ifndef BASE_NET_H
#define BASE_NET_H

#include <sys/socket.h>
#include <sys/un.h>

#include <netinet/in.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NET_TEXT_MAX	128	/* bytes that hold any address as text */
#define NET_NAME_MAX	253	/* longest DNS name, RFC 1035 section 2.3.4 */

struct net_addr {
	socklen_t	 len;
	union {
		struct sockaddr		 sa;
		struct sockaddr_in	 in;
		struct sockaddr_in6	 in6;
		struct sockaddr_un	 un;
	} u;
};

enum net_kind {
	NET_ANY,		/* ":port" or "*:port": all addresses */
	NET_ADDR,		/* a numeric address, or a local socket */
	NET_NAME,		/* a name to be looked up, and a port */
};

struct net_spec {
	enum net_kind	 kind;
	uint16_t	 port;
	char		 name[NET_NAME_MAX + 1];	/* NET_NAME only */
	struct net_addr	 addr;				/* NET_ADDR only */
};

/*
 * Read "host:port", ":port", "*:port", "[v6]:port", "unix:/path" or
 * "unix:@abstract".  Ports are numbers, 1 to 65535, or 0 where `zero_ok'.
 * Returns 0, or -1 with what is wrong in *why.
 */
int	 net_parse(const char *text, bool zero_ok, struct net_spec *spec,
	    const char **why);

/* Is it a socket with a path in the file system? */
bool	 net_is_path(const struct net_addr *a);

/* Do both mean the same address and port? */
bool	 net_same(const struct net_addr *a, const struct net_addr *b);

/* Set the port of an IPv4 or IPv6 address; others are left alone. */
void	 net_set_port(struct net_addr *a, uint16_t port);

/*
 * Write the address as net_parse() reads it into buf; IPv4 mapped into
 * IPv6 is shown as IPv4.  Always ends with a NUL; returns buf.
 */
char	*net_text(const struct net_addr *a, char *buf, size_t size);

/*
 * A listening socket, non-blocking, close-on-exec; accepted sockets inherit
 * TCP_NODELAY and SO_KEEPALIVE from it.  For NET_ANY the socket serves IPv6
 * and IPv4, or IPv4 alone where the kernel has no IPv6; an explicit IPv6
 * address serves IPv6 only.  A socket that nobody listens on any more is
 * replaced; anything else that stands at the path is left alone.
 * Returns the descriptor, or -1 with errno and the failed step in *why.
 */
int	 net_listen(const struct net_spec *spec, int backlog,
	    const char **why);

/* The address a socket is bound to; 0, or -1 with errno. */
int	 net_local(int fd, struct net_addr *a);

/*
 * Start a connection, non-blocking, close-on-exec, TCP_NODELAY and
 * SO_KEEPALIVE set.  Returns the descriptor with *pending telling whether
 * the outcome is still to come (POLLOUT, then net_dial_result()); or -1 with
 * errno, EAGAIN when the queue of a local socket is full for now.
 */
int	 net_dial(const struct net_addr *a, bool *pending);

/* The outcome of a dial that was pending: 0 or an errno. */
int	 net_dial_result(int fd);

/* Close so that the peer sees a reset and not an orderly end. */
void	 net_abort(int fd);

#endif
