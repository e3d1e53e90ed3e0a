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

/* Is it whole, and IPv4 or IPv6?  For what another process has made. */
bool	 net_is_inet(const struct net_addr *a);

/* Is it a socket with a path in the file system? */
bool	 net_is_path(const struct net_addr *a);

/* Do both mean the same address and port? */
bool	 net_same(const struct net_addr *a, const struct net_addr *b);

/* The port of an IPv4 or IPv6 address; 0 of others. */
uint16_t net_port(const struct net_addr *a);
/* Set the port of an IPv4 or IPv6 address; others are left alone. */
void	 net_set_port(struct net_addr *a, uint16_t port);

/*
 * Write the address as net_parse() reads it into buf; IPv4 mapped into
 * IPv6 is shown as IPv4.  Always ends with a NUL; returns buf.
 */
char	*net_text(const struct net_addr *a, char *buf, size_t size);
/* The same without the port. */
char	*net_host_text(const struct net_addr *a, char *buf, size_t size);

/* What a TCP connection is given; keepalive itself is always on. */
struct net_tcp {
	bool	 nodelay;
	int	 keepalive_idle;	/* seconds; here and below, 0 leaves */
	int	 keepalive_interval;	/* seconds	    the system's own */
	int	 keepalive_count;
	int	 user_timeout;		/* ms */
};

/*
 * What a listening socket is given; local sockets take the backlog and the
 * mode alone.
 */
struct net_listen {
	struct net_tcp	 tcp;		/* accepted sockets inherit it */
	int		 backlog;	/* the kernel may hold it lower */
	mode_t		 mode;		/* of a path; 0: all may connect */
	bool		 v6only;	/* of an explicit IPv6 address */
	bool		 transparent;	/* takes CAP_NET_ADMIN or _NET_RAW */
	/* An interface; NULL or "": any.  To change it takes CAP_NET_RAW. */
	const char	*device;
	int		 fast_open;	/* its queue; 0: off */
	int		 defer_accept;	/* seconds; 0: off */
};

/*
 * A listening socket, non-blocking, close-on-exec.  For NET_ANY it serves
 * IPv6 and IPv4, or IPv4 alone where the kernel has no IPv6.  A local socket
 * that nobody listens on any more is replaced; anything else that stands at
 * the path is left alone.
 * Returns the descriptor, or -1 with errno and the failed step in *why.
 */
int	 net_listen(const struct net_spec *spec, const struct net_listen *l,
	    const char **why);

/*
 * Give the options to a socket that listens at `spec' already, as after a
 * reload or when it was inherited; what changes is seen by connections that
 * come from then on.  It is made non-blocking and close-on-exec too.
 * Returns 0, or -1 with errno and the failed step in *why: EINVAL for v6only,
 * which no bound socket can change.  What came before that step is in effect.
 */
int	 net_listen_again(int fd, const struct net_spec *spec,
	    const struct net_listen *l, const char **why);

/*
 * Does this socket, which may be anything, listen where `spec' says?  For
 * NET_ANY it must serve both families, or IPv4 of all addresses.
 */
bool	 net_listens_at(int fd, const struct net_spec *spec);

/* The address a socket is bound to; 0, or -1 with errno. */
int	 net_local(int fd, struct net_addr *a);

/*
 * Start a connection, non-blocking, close-on-exec, from `source' unless that
 * is NULL or has len 0.  Local sockets have neither source nor `tcp'.
 * Returns the descriptor with *pending telling whether the outcome is still
 * to come (POLLOUT, then net_dial_result()); or -1 with errno: EAGAIN when
 * the queue of a local socket is full for now, EAFNOSUPPORT when the source
 * is of another family.
 */
int	 net_dial(const struct net_addr *a, const struct net_addr *source,
	    const struct net_tcp *tcp, bool *pending);

/* The outcome of a dial that was pending: 0 or an errno. */
int	 net_dial_result(int fd);

/* Close so that the peer sees a reset and not an orderly end. */
void	 net_abort(int fd);

#endif
