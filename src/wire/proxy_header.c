#include <arpa/inet.h>

#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "wire/proxy_header.h"

/* Version 2: what stands behind the signature. */
#define VERSION		0x20
#define CMD_LOCAL	0x00
#define CMD_PROXY	0x01
#define FAMILY_INET	0x10
#define FAMILY_INET6	0x20
#define FAMILY_UNIX	0x30
#define PROTO_UNSPEC	0x00
#define PROTO_STREAM	0x01
#define PROTO_DGRAM	0x02

#define TYPE_AUTHORITY	0x02
#define TYPE_CRC32C	0x03
#define TYPE_UNIQUE_ID	0x05
#define TYPE_SSL	0x20

#define UNIX_LEN	108	/* bytes of one local address */
#define CRC_LEN		4
#define V6_TEXT_MAX	39	/* the longest that the line has room for */

static const uint8_t	 signature[12] = "\r\n\r\n\0\r\nQUIT\n";

_Static_assert(sizeof(((struct sockaddr_un *)0)->sun_path) == UNIX_LEN,
    "a local address is another here than on the wire");

/*
 * Below, 1 says that something is there and has been read, 0 that what is
 * there may become it, and -1 that it cannot.
 */

static int
match(struct rd *r, const void *want, size_t len)
{
	size_t	 n = r->left < len ? r->left : len;

	if (memcmp(r->p, want, n) != 0)
		return -1;
	(void)rd_take(r, n);
	return n == len;
}

/* From 1 to max characters out of `allowed', and the one that ends them. */
static int
read_field(struct rd *r, const char *allowed, size_t max, char end, char *text)
{
	size_t	 n = 0;

	while (n < max && n < r->left && r->p[n] != '\0' &&
	    strchr(allowed, r->p[n]) != NULL)
		n++;
	if (n == r->left)
		return 0;
	if (n == 0 || r->p[n] != (uint8_t)end)
		return -1;
	memcpy(text, rd_take(r, n), n);
	text[n] = '\0';
	(void)rd_take(r, 1);
	return 1;
}

static int
read_protocol(struct rd *r, sa_family_t *family)
{
	static const struct {
		const char	*word;
		sa_family_t	 family;
	} protocols[] = {
		{ "TCP4 ",	AF_INET },
		{ "TCP6 ",	AF_INET6 },
		{ "UNKNOWN",	AF_UNSPEC },
	};
	struct rd	 try;
	int		 rc = -1;

	for (size_t i = 0; i < sizeof(protocols) / sizeof(*protocols); i++) {
		try = *r;
		switch (match(&try, protocols[i].word,
		    strlen(protocols[i].word))) {
		case 1:
			*r = try;
			*family = protocols[i].family;
			return 1;
		case 0:
			rc = 0;
		}
	}
	return rc;
}

static void
set_inet(struct net_addr *a, const void *addr, uint16_t port)
{
	a->len = sizeof(a->u.in);
	a->u.in.sin_family = AF_INET;
	a->u.in.sin_port = htons(port);
	memcpy(&a->u.in.sin_addr, addr, sizeof(a->u.in.sin_addr));
}

static void
set_inet6(struct net_addr *a, const void *addr, uint16_t port)
{
	a->len = sizeof(a->u.in6);
	a->u.in6.sin6_family = AF_INET6;
	a->u.in6.sin6_port = htons(port);
	memcpy(&a->u.in6.sin6_addr, addr, sizeof(a->u.in6.sin6_addr));
}

static int
read_address(struct rd *r, sa_family_t family, struct net_addr *a)
{
	const bool	 v4 = family == AF_INET;
	char		 text[V6_TEXT_MAX + 1];
	uint8_t		 addr[16];
	int		 rc;

	/* Points in IPv6 too: some write what is mapped with them. */
	rc = read_field(r, v4 ? "0123456789." : "0123456789abcdefABCDEF:.",
	    v4 ? INET_ADDRSTRLEN - 1 : V6_TEXT_MAX, ' ', text);
	if (rc != 1)
		return rc;
	if (inet_pton(family, text, addr) != 1)
		return -1;
	if (v4)
		set_inet(a, addr, 0);
	else
		set_inet6(a, addr, 0);
	return 1;
}

static int
read_port(struct rd *r, char end, struct net_addr *a)
{
	char		 text[6];
	uint32_t	 v = 0;
	int		 rc = read_field(r, "0123456789", 5, end, text);

	if (rc != 1)
		return rc;
	if (text[0] == '0' && text[1] != '\0')
		return -1;
	for (const char *p = text; *p != '\0'; p++)
		v = v * 10 + (uint32_t)(*p - '0');
	if (v > 65535)
		return -1;
	net_set_port(a, (uint16_t)v);
	return 1;
}

/* Whatever stands behind UNKNOWN, up to CR LF; `max' bytes with them. */
static int
skip_line(struct rd *r, size_t max)
{
	size_t	 n = 0;

	if (r->left > 0 && r->p[0] != ' ' && r->p[0] != '\r')
		return -1;
	while (n < max - 2 && n < r->left && r->p[n] != '\r' &&
	    r->p[n] != '\n')
		n++;
	(void)rd_take(r, n);
	return match(r, "\r\n", 2);
}

static int
decode_line(struct rd *r, struct proxy_header *h, const char **why)
{
	const size_t	 all = r->left;
	sa_family_t	 family;
	int		 rc;

	*why = "neither a PROXY line nor a PROXY header of version 2";
	if ((rc = match(r, "PROXY ", 6)) != 1)
		return rc;
	*why = "the PROXY line says none of TCP4, TCP6 and UNKNOWN";
	if ((rc = read_protocol(r, &family)) != 1)
		return rc;
	if (family == AF_UNSPEC) {
		*why = "the PROXY line does not end within 107 bytes";
		h->local = true;
		return skip_line(r, PROXY_HEADER_LINE_MAX - (all - r->left));
	}
	*why = "the PROXY line has a malformed address";
	if ((rc = read_address(r, family, &h->from)) != 1 ||
	    (rc = read_address(r, family, &h->to)) != 1)
		return rc;
	*why = "the PROXY line has a malformed port";
	if ((rc = read_port(r, ' ', &h->from)) != 1 ||
	    (rc = read_port(r, '\r', &h->to)) != 1)
		return rc;
	*why = "the PROXY line does not end with CR LF";
	return match(r, "\n", 1);
}

/* CRC-32C, RFC 3720 appendix B.4, over one more part; begins with ~0. */
static uint32_t
crc32c(uint32_t crc, const uint8_t *p, size_t len)
{
	while (len-- > 0) {
		crc ^= *p++;
		for (int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78 : 0);
	}
	return crc;
}

/* Does the sum at `at' fit the header that it stands in as zeros? */
static bool
is_sum_right(const uint8_t *header, const uint8_t *end, const uint8_t *at)
{
	static const uint8_t	 zeros[CRC_LEN];
	struct rd		 r;
	uint32_t		 crc = UINT32_MAX;

	rd_init(&r, at, CRC_LEN);
	crc = crc32c(crc, header, (size_t)(at - header));
	crc = crc32c(crc, zeros, CRC_LEN);
	crc = crc32c(crc, at + CRC_LEN, (size_t)(end - at - CRC_LEN));
	return rd_u32(&r) == ~crc;
}

static int
read_ssl(const uint8_t *value, size_t len, struct proxy_header *h)
{
	struct rd	 r;

	rd_init(&r, value, len);
	h->ssl_client = rd_u8(&r);
	h->ssl_verify = rd_u32(&r);
	while (rd_ok(&r) && r.left > 0) {
		(void)rd_u8(&r);
		(void)rd_take(&r, rd_u16(&r));
	}
	return rd_ok(&r) ? 0 : -1;
}

static int
read_tlvs(struct rd *r, struct proxy_header *h, const uint8_t **sum,
    const char **why)
{
	bool	 seen[UINT8_MAX + 1] = { false };

	while (r->left > 0) {
		uint8_t		 type = rd_u8(r);
		size_t		 len = rd_u16(r);
		const uint8_t	*value = rd_take(r, len);

		*why = "a TLV reaches beyond the PROXY header";
		if (!rd_ok(r))
			return -1;
		*why = "a TLV of the PROXY header is malformed";
		switch (type) {
		case TYPE_UNIQUE_ID:
			if (len > PROXY_HEADER_ID_MAX)
				return -1;
			h->id = value;
			h->id_len = len;
			break;
		case TYPE_AUTHORITY:
			h->authority = value;
			h->authority_len = len;
			break;
		case TYPE_SSL:
			if (read_ssl(value, len, h) == -1)
				return -1;
			break;
		case TYPE_CRC32C:
			if (len != CRC_LEN)
				return -1;
			*sum = value;
			break;
		default:
			continue;
		}
		*why = "a TLV of the PROXY header comes twice";
		if (seen[type])
			return -1;
		seen[type] = true;
	}
	return 0;
}

/* Bytes of both addresses and their ports. */
static size_t
addresses_len(uint8_t family)
{
	switch (family) {
	case FAMILY_INET:
		return 2 * 4 + 2 * 2;
	case FAMILY_INET6:
		return 2 * 16 + 2 * 2;
	case FAMILY_UNIX:
		return 2 * UNIX_LEN;
	default:
		return 0;
	}
}

static void
set_unix(struct net_addr *a, const uint8_t *path)
{
	struct sockaddr_un	*un = &a->u.un;
	size_t			 n = UNIX_LEN;

	/* The wire has no length: zeros at the end are taken for padding. */
	while (n > 0 && path[n - 1] == '\0')
		n--;
	if (path[0] != '\0')
		n = strnlen((const char *)path, n);
	un->sun_family = AF_UNIX;
	memcpy(un->sun_path, path, n);
	a->len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n);
	if (path[0] != '\0' && n < UNIX_LEN)
		a->len++;		/* the NUL, as in net_parse() */
}

/* Reads addresses_len() bytes, which the caller knows to be there. */
static void
read_addresses(struct rd *r, uint8_t family, struct proxy_header *h)
{
	size_t		 len = family == FAMILY_INET ? 4 : 16;
	const uint8_t	*from, *to;
	uint16_t	 port;

	if (family == FAMILY_UNIX) {
		set_unix(&h->from, rd_take(r, UNIX_LEN));
		set_unix(&h->to, rd_take(r, UNIX_LEN));
		return;
	}
	from = rd_take(r, len);
	to = rd_take(r, len);
	port = rd_u16(r);
	if (family == FAMILY_INET) {
		set_inet(&h->from, from, port);
		set_inet(&h->to, to, rd_u16(r));
	} else {
		set_inet6(&h->from, from, port);
		set_inet6(&h->to, to, rd_u16(r));
	}
}

/* Judge the version, the command and what it is about, as far as they came. */
static int
check_start(const uint8_t *p, size_t len, const char **why)
{
	*why = "a PROXY header of an unknown version";
	if (len > 0 && (p[0] & 0xf0) != VERSION)
		return -1;
	*why = "a PROXY header with an unknown command";
	if (len > 0 && (p[0] & 0x0f) > CMD_PROXY)
		return -1;
	if (len < 2 || (p[0] & 0x0f) == CMD_LOCAL)
		return 0;		/* LOCAL: "the family is ignored" */
	*why = "a PROXY header of an unknown family or protocol";
	if ((p[1] & 0xf0) > FAMILY_UNIX || (p[1] & 0x0f) > PROTO_DGRAM)
		return -1;
	*why = "a PROXY header for datagrams";
	return (p[1] & 0x0f) == PROTO_DGRAM ? -1 : 0;
}

static int
decode_block(struct rd *r, struct proxy_header *h, const char **why)
{
	const uint8_t	*header = r->p, *sum = NULL;
	uint8_t		 command, family, proto;
	struct rd	 block;
	size_t		 len;
	int		 rc;

	*why = "neither a PROXY line nor a PROXY header of version 2";
	if ((rc = match(r, signature, sizeof(signature))) != 1)
		return rc;
	if (check_start(r->p, r->left, why) == -1)
		return -1;
	if (r->left < 4)
		return 0;
	command = rd_u8(r) & 0x0f;
	family = rd_u8(r);
	proto = family & 0x0f;
	family &= 0xf0;
	len = rd_u16(r);
	*why = "a PROXY header of more than 4112 bytes";
	if (len > PROXY_HEADER_MAX - 16)
		return -1;
	h->local = command == CMD_LOCAL || proto == PROTO_UNSPEC ||
	    addresses_len(family) == 0;
	*why = "the PROXY header is too short for its addresses";
	if (!h->local && len < addresses_len(family))
		return -1;
	if (len > r->left)
		return 0;
	rd_init(&block, rd_take(r, len), len);
	if (h->local)		/* nobody knows where its TLVs begin */
		return 1;
	read_addresses(&block, family, h);
	if (read_tlvs(&block, h, &sum, why) == -1)
		return -1;
	*why = "the checksum of the PROXY header is wrong";
	return sum == NULL || is_sum_right(header, r->p, sum) ? 1 : -1;
}

ssize_t
proxy_header_decode(const void *data, size_t size, struct proxy_header *h,
    const char **why)
{
	struct rd	 r;
	int		 rc;

	memset(h, 0, sizeof(*h));
	h->ssl_verify = UINT32_MAX;	/* 0 is what must be said */
	if (size == 0)
		return 0;
	rd_init(&r, data, size);
	if (r.p[0] == signature[0])
		rc = decode_block(&r, h, why);
	else
		rc = decode_line(&r, h, why);
	return rc == 1 ? (ssize_t)(size - r.left) : rc;
}

static sa_family_t
family_of(const struct net_addr *a)
{
	return a->len == 0 ? AF_UNSPEC : a->u.sa.sa_family;
}

static struct net_addr
unmap(const struct net_addr *a)
{
	struct net_addr	 v4 = { 0 };

	if (family_of(a) != AF_INET6 ||
	    !IN6_IS_ADDR_V4MAPPED(&a->u.in6.sin6_addr))
		return *a;
	set_inet(&v4, a->u.in6.sin6_addr.s6_addr + 12,
	    ntohs(a->u.in6.sin6_port));
	return v4;
}

/* Bring both ends to one family.  Returns it, or AF_UNSPEC if none is. */
static sa_family_t
pair(const struct net_addr *from, const struct net_addr *to,
    struct net_addr ends[2])
{
	if (from == NULL || to == NULL)
		return AF_UNSPEC;
	ends[0] = unmap(from);
	ends[1] = unmap(to);
	if (family_of(&ends[0]) == AF_INET && family_of(&ends[1]) == AF_INET)
		return AF_INET;
	ends[0] = *from;
	ends[1] = *to;
	return family_of(from) == family_of(to) ? family_of(from) : AF_UNSPEC;
}

static size_t
encode_line(sa_family_t family, const struct net_addr ends[2], char *buf)
{
	char		 text[2][INET6_ADDRSTRLEN];
	uint16_t	 port[2];
	int		 n;

	if (family != AF_INET && family != AF_INET6)
		return (size_t)snprintf(buf, PROXY_HEADER_OUT_MAX,
		    "PROXY UNKNOWN\r\n");
	for (int i = 0; i < 2; i++) {
		const void	*addr = &ends[i].u.in.sin_addr;

		port[i] = ntohs(ends[i].u.in.sin_port);
		if (family == AF_INET6) {
			addr = &ends[i].u.in6.sin6_addr;
			port[i] = ntohs(ends[i].u.in6.sin6_port);
		}
		(void)inet_ntop(family, addr, text[i], sizeof(text[i]));
	}
	n = snprintf(buf, PROXY_HEADER_OUT_MAX, "PROXY TCP%d %s %s %u %u\r\n",
	    family == AF_INET ? 4 : 6, text[0], text[1], port[0], port[1]);
	return (size_t)n;
}

static void
write_unix(struct wr *w, const struct net_addr *a)
{
	static const uint8_t	 zeros[UNIX_LEN];
	const char		*path = a->u.un.sun_path;
	size_t			 head = offsetof(struct sockaddr_un, sun_path);
	size_t			 n = a->len > head ? a->len - head : 0;

	if (n > UNIX_LEN)
		n = UNIX_LEN;
	if (n > 0 && path[0] != '\0')
		n = strnlen(path, n);
	wr_bytes(w, path, n);
	wr_bytes(w, zeros, UNIX_LEN - n);
}

static void
write_addresses(struct wr *w, uint8_t family, const struct net_addr ends[2])
{
	switch (family) {
	case FAMILY_INET:
		wr_bytes(w, &ends[0].u.in.sin_addr, 4);
		wr_bytes(w, &ends[1].u.in.sin_addr, 4);
		wr_u16(w, ntohs(ends[0].u.in.sin_port));
		wr_u16(w, ntohs(ends[1].u.in.sin_port));
		break;
	case FAMILY_INET6:
		wr_bytes(w, &ends[0].u.in6.sin6_addr, 16);
		wr_bytes(w, &ends[1].u.in6.sin6_addr, 16);
		wr_u16(w, ntohs(ends[0].u.in6.sin6_port));
		wr_u16(w, ntohs(ends[1].u.in6.sin6_port));
		break;
	case FAMILY_UNIX:
		write_unix(w, &ends[0]);
		write_unix(w, &ends[1]);
	}
}

static uint8_t
wire_family(sa_family_t family)
{
	switch (family) {
	case AF_INET:
		return FAMILY_INET;
	case AF_INET6:
		return FAMILY_INET6;
	case AF_UNIX:
		return FAMILY_UNIX;
	default:
		return 0;
	}
}

size_t
proxy_header_encode(int version, const struct net_addr *from,
    const struct net_addr *to, const void *id, size_t id_len, uint8_t *buf)
{
	struct net_addr	 ends[2];
	sa_family_t	 family = pair(from, to, ends);
	const bool	 own = from == NULL && to == NULL;
	const bool	 has_id = id != NULL && !own &&
	    id_len <= PROXY_HEADER_ID_MAX;
	uint8_t		 wire = wire_family(family);
	size_t		 len = addresses_len(wire);
	struct wr	 w;

	if (version == 1)
		return encode_line(family, ends, (char *)buf);
	if (has_id)
		len += 3 + id_len;
	wr_init(&w, buf, PROXY_HEADER_OUT_MAX);
	wr_bytes(&w, signature, sizeof(signature));
	wr_u8(&w, VERSION | (own ? CMD_LOCAL : CMD_PROXY));
	wr_u8(&w, wire == 0 ? 0 : wire | PROTO_STREAM);
	wr_u16(&w, (uint16_t)len);
	write_addresses(&w, wire, ends);
	if (has_id) {
		wr_u8(&w, TYPE_UNIQUE_ID);
		wr_u16(&w, (uint16_t)id_len);
		wr_bytes(&w, id, id_len);
	}
	return wr_len(&w);
}
