#include <arpa/inet.h>

#include <stdio.h>
#include <string.h>

#include "policy/access.h"

/* The first byte of a source. */
enum kind {
	KIND_UNKNOWN,
	KIND_UNIX,
	KIND_INET,
	KIND_INET6,
};

static const uint8_t	 mapped[12] = { [10] = 0xff, [11] = 0xff };

static unsigned int
full_prefix(int family)
{
	if (family == AF_UNIX)
		return 0;
	return family == AF_INET ? 32 : 128;
}

/* Clear the bits beyond the prefix. */
static void
cut(uint8_t addr[16], unsigned int prefix)
{
	for (size_t i = 0; i < 16; i++)
		if (prefix >= 8)
			prefix -= 8;
		else {
			addr[i] = (uint8_t)(addr[i] & (0xff00u >> prefix));
			prefix = 0;
		}
}

static int
parse_prefix(const char *text, struct access_net *net, const char **why)
{
	unsigned int	 v = 0;

	*why = "the prefix of an IPv4 network is a number from 0 to 32";
	if (net->family == AF_INET6)
		*why = "the prefix of an IPv6 network is a number from 0 "
		    "to 128";
	if (*text == '\0' || strlen(text) > 3 ||
	    (text[0] == '0' && text[1] != '\0'))
		return -1;
	for (; *text != '\0'; text++) {
		if (*text < '0' || *text > '9')
			return -1;
		v = v * 10 + (unsigned int)(*text - '0');
	}
	if (v > full_prefix(net->family))
		return -1;
	net->prefix = v;
	return 0;
}

/* What was read as it should be may still not mean what it seems to. */
static int
check_meaning(const struct access_net *net, const char **why)
{
	uint8_t	 kept[16];

	*why = "the address has bits beyond its prefix: 10.0.0.0/8 is a "
	    "network, 10.0.0.1 a host in it";
	memcpy(kept, net->addr, sizeof(kept));
	cut(kept, net->prefix);
	if (memcmp(kept, net->addr, sizeof(kept)) != 0)
		return -1;
	*why = "an IPv4 network is written without ::ffff:";
	if (net->family == AF_INET6 &&
	    memcmp(net->addr, mapped, sizeof(mapped)) == 0)
		return -1;
	return 0;
}

int
access_net_parse(const char *text, struct access_net *net, const char **why)
{
	char	 host[INET6_ADDRSTRLEN];
	size_t	 len = strcspn(text, "/");

	memset(net, 0, sizeof(*net));
	if (strcmp(text, "unix") == 0) {
		net->family = AF_UNIX;
		return 0;
	}
	*why = "want an address, a network such as 10.0.0.0/8 or "
	    "2001:db8::/32, or unix";
	if (len >= sizeof(host))
		return -1;
	memcpy(host, text, len);
	host[len] = '\0';
	if (inet_pton(AF_INET, host, net->addr) == 1)
		net->family = AF_INET;
	else if (inet_pton(AF_INET6, host, net->addr) == 1)
		net->family = AF_INET6;
	else
		return -1;
	net->prefix = full_prefix(net->family);
	if (text[len] == '/' && parse_prefix(text + len + 1, net, why) == -1)
		return -1;
	return check_meaning(net, why);
}

char *
access_net_text(const struct access_net *net, char *buf, size_t size)
{
	char	 host[INET6_ADDRSTRLEN] = "?";

	if (net->family == AF_UNIX) {
		snprintf(buf, size, "unix");
		return buf;
	}
	inet_ntop(net->family, net->addr, host, sizeof(host));
	if (net->prefix == full_prefix(net->family))
		snprintf(buf, size, "%s", host);
	else
		snprintf(buf, size, "%s/%u", host, net->prefix);
	return buf;
}

/* The client as a network of its own; family AF_UNSPEC for what we know not. */
static struct access_net
host_of(const struct net_addr *client)
{
	const uint8_t		*in6 = client->u.in6.sin6_addr.s6_addr;
	struct access_net	 host = { .family = client->u.sa.sa_family };

	switch (host.family) {
	case AF_INET:
		memcpy(host.addr, &client->u.in.sin_addr, 4);
		break;
	case AF_INET6:
		if (memcmp(in6, mapped, sizeof(mapped)) == 0) {
			host.family = AF_INET;
			memcpy(host.addr, in6 + sizeof(mapped), 4);
		} else
			memcpy(host.addr, in6, sizeof(host.addr));
		break;
	case AF_UNIX:
		break;
	default:
		host.family = AF_UNSPEC;
	}
	host.prefix = full_prefix(host.family);
	return host;
}

static bool
holds(const struct access_net *net, struct access_net host)
{
	if (net->family != host.family)
		return false;
	cut(host.addr, net->prefix);
	return memcmp(host.addr, net->addr, sizeof(host.addr)) == 0;
}

bool
access_matches(const struct access_net *net, const struct net_addr *client)
{
	return holds(net, host_of(client));
}

/* The length of the longest prefix that holds the host, or -1. */
static int
longest(const struct access_net *nets, size_t n, struct access_net host)
{
	int	 best = -1;

	for (size_t i = 0; i < n; i++)
		if ((int)nets[i].prefix > best && holds(&nets[i], host))
			best = (int)nets[i].prefix;
	return best;
}

bool
access_allows(const struct access_net *allow, size_t nallow,
    const struct access_net *deny, size_t ndeny,
    const struct net_addr *client)
{
	struct access_net	 host = host_of(client);
	int			 yes = longest(allow, nallow, host);
	int			 no = longest(deny, ndeny, host);

	if (host.family == AF_UNSPEC)
		return nallow == 0 && ndeny == 0;
	if (yes == -1 && no == -1)
		return nallow == 0;
	return yes > no;
}

void
access_source_of(const struct net_addr *client, struct access_source *source)
{
	struct access_net	 host = host_of(client);

	memset(source, 0, sizeof(*source));
	/* An IPv4 host has zeros after its 4 bytes. */
	memcpy(source->bytes + 1, host.addr, sizeof(source->bytes) - 1);
	if (host.family == AF_UNIX)
		source->bytes[0] = KIND_UNIX;
	else if (host.family == AF_INET)
		source->bytes[0] = KIND_INET;
	else if (host.family == AF_INET6)
		source->bytes[0] = KIND_INET6;
}

bool
access_source_same(const struct access_source *a,
    const struct access_source *b)
{
	return memcmp(a->bytes, b->bytes, sizeof(a->bytes)) == 0;
}

/* The finalizer of MurmurHash3: one to one, and every bit moves all. */
static uint64_t
mix(uint64_t h)
{
	h = (h ^ h >> 33) * 0xff51afd7ed558ccdu;
	h = (h ^ h >> 33) * 0xc4ceb9fe1a85ec53u;
	return h ^ h >> 33;
}

uint64_t
access_source_hash(const struct access_source *source, uint64_t seed)
{
	uint64_t	 bits;

	memcpy(&bits, source->bytes + 1, sizeof(bits));
	return mix(mix(bits ^ seed) + mix(seed + source->bytes[0]));
}

char *
access_source_text(const struct access_source *source, char *buf, size_t size)
{
	struct access_net	 net = { .prefix = 64 };

	memcpy(net.addr, source->bytes + 1, sizeof(source->bytes) - 1);
	switch (source->bytes[0]) {
	case KIND_UNIX:
		net.family = AF_UNIX;
		break;
	case KIND_INET:
		net.family = AF_INET;
		net.prefix = 32;
		break;
	case KIND_INET6:
		net.family = AF_INET6;
		break;
	default:
		snprintf(buf, size, "?");
		return buf;
	}
	return access_net_text(&net, buf, size);
}
