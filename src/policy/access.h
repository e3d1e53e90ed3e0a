/*
 * access.h - who may connect: networks, and what counts as one source.
 *
 * The longest prefix that holds a client decides, so "deny 10.0.0.0/8" with
 * "allow 10.1.0.0/16" means what it seems to, in whatever order it is
 * written.  A client that came over IPv6 with an IPv4 address in it
 * (::ffff:192.0.2.7, RFC 4291 section 2.5.5.2) is an IPv4 client everywhere
 * here.  Networks of one family hold no clients of another: all clients are
 * 0.0.0.0/0 and ::/0 and unix.
 *
 * All of it is plain values; nothing here owns anything.
 */
#ifndef POLICY_ACCESS_H
#define POLICY_ACCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/net.h"

#define ACCESS_TEXT_MAX	64	/* bytes that hold any network as text */

struct access_net {
	int		 family;	/* AF_INET, AF_INET6 or AF_UNIX */
	uint8_t		 addr[16];	/* IPv4 in the first 4; the rest 0 */
	unsigned int	 prefix;	/* bits of addr that count */
};

/*
 * Read "10.0.0.0/8", "192.0.2.7", "2001:db8::/32", "::1" or the word "unix",
 * the clients of a local socket.  Bits beyond the prefix are a mistake and
 * so are leading zeros, which others read as octal.  Returns 0, or -1 with
 * what is wrong in *why; *net is of no use then.
 */
int	 access_net_parse(const char *text, struct access_net *net,
	    const char **why);

/*
 * Write the network as access_net_parse() reads it into buf, a prefix of
 * full length left out.  Always ends with a NUL; returns buf.
 */
char	*access_net_text(const struct access_net *net, char *buf,
	    size_t size);

/* Is the client in that network? */
bool	 access_matches(const struct access_net *net,
	    const struct net_addr *client);

/*
 * May the client connect?  The longest matching prefix decides; where both
 * lists have it, no.  A client that no network holds may when `allow' is
 * empty; one of an unknown family only when `deny' is empty too.
 */
bool	 access_allows(const struct access_net *allow, size_t nallow,
	    const struct access_net *deny, size_t ndeny,
	    const struct net_addr *client);

/*
 * The source by which clients are counted: an IPv4 address, the /64 of an
 * IPv6 address, which is what one subscriber has at the least (RFC 6177),
 * or all clients of local sockets as one.  Its bytes are the same in every
 * process: they may be sent, and hashed with balance_hash().
 */
struct access_source {
	uint8_t		 bytes[9];	/* kind, then the bits that count */
};

void	 access_source_of(const struct net_addr *client,
	    struct access_source *source);
bool	 access_source_same(const struct access_source *a,
	    const struct access_source *b);

/*
 * A hash for tables.  With a secret seed nobody outside can choose sources
 * that collide: two of one kind never have the same 64 bits.
 */
uint64_t access_source_hash(const struct access_source *source,
	    uint64_t seed);

/* "192.0.2.7", "2001:db8::/64" or "unix"; as access_net_text(). */
char	*access_source_text(const struct access_source *source, char *buf,
	    size_t size);

#endif
