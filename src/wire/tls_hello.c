#include <string.h>

#include "base/buf.h"
#include "wire/tls_hello.h"

#define RECORD_HEADER	5
#define CLIENT_HELLO	1

enum {
	EXT_SERVER_NAME = 0,
	EXT_ALPN = 16,
	EXT_PRE_SHARED_KEY = 41,
};

/* A part with its length before it. */
static struct rd
part(struct rd *r, size_t len)
{
	const uint8_t	*p = rd_take(r, len);
	struct rd	 inner;

	rd_init(&inner, p, p != NULL ? len : 0);
	inner.bad = p == NULL;
	return inner;
}

static void
server_name(struct rd e, struct tls_hello *h)
{
	struct rd	 list = part(&e, rd_u16(&e));
	uint8_t		 type = rd_u8(&list);
	size_t		 len = rd_u16(&list);
	const uint8_t	*name = rd_take(&list, len);

	if (name != NULL && type == 0) {
		h->server_name = name;
		h->server_name_len = len;
	}
}

static void
alpn(struct rd e, struct tls_hello *h)
{
	struct rd	 list = part(&e, rd_u16(&e));

	if (rd_ok(&list)) {
		h->alpn = list.p;
		h->alpn_len = list.left;
	}
}

static void
pre_shared_key(struct rd e, struct tls_hello *h)
{
	struct rd	 list = part(&e, rd_u16(&e));
	size_t		 len = rd_u16(&list);
	const uint8_t	*id = rd_take(&list, len);

	if (id != NULL) {
		h->psk = id;
		h->psk_len = len;
	}
}

static int
extensions(struct rd *r, struct tls_hello *h)
{
	while (r->left > 0) {
		uint16_t	 type = rd_u16(r);
		struct rd	 e = part(r, rd_u16(r));

		if (!rd_ok(r))
			return -1;
		switch (type) {
		case EXT_SERVER_NAME:
			server_name(e, h);
			break;
		case EXT_ALPN:
			alpn(e, h);
			break;
		case EXT_PRE_SHARED_KEY:
			pre_shared_key(e, h);
			break;
		}
	}
	return 0;
}

static int
decode(struct rd *r, struct tls_hello *h)
{
	struct rd	 ext;
	uint32_t	 len;

	if (rd_u8(r) != CLIENT_HELLO)
		return -1;
	len = (uint32_t)rd_u8(r) << 16;
	len |= rd_u16(r);
	if (!rd_ok(r) || len != r->left)
		return -1;
	rd_take(r, 2 + 32);			/* version, random */
	rd_take(r, rd_u8(r));			/* session */
	rd_take(r, rd_u16(r));			/* ciphers */
	rd_take(r, rd_u8(r));			/* compression */
	if (!rd_ok(r))
		return -1;
	if (r->left == 0)
		return 0;			/* an old one has no more */
	ext = part(r, rd_u16(r));
	if (!rd_end(r) || !rd_ok(&ext))
		return -1;
	return extensions(&ext, h);
}

ssize_t
tls_hello_decode(const uint8_t *data, size_t len, struct tls_hello *h,
    size_t *want)
{
	struct rd	 r;
	size_t		 size;

	*h = (struct tls_hello){ .psk = NULL };
	*want = RECORD_HEADER;
	rd_init(&r, data, len);
	if (len > 0 && data[0] != TLS_HELLO_RECORD)
		return -1;
	if (len < RECORD_HEADER)
		return 0;
	rd_take(&r, 3);
	size = rd_u16(&r);
	if (size > TLS_HELLO_MAX - RECORD_HEADER)
		return -1;
	*want = RECORD_HEADER + size;
	if (len < *want)
		return 0;
	rd_init(&r, data + RECORD_HEADER, size);
	return decode(&r, h) == 0 ? (ssize_t)*want : -1;
}

bool
tls_hello_offers(const struct tls_hello *h, const char *protocol)
{
	struct rd	 r;
	size_t		 want = strlen(protocol), len;
	const uint8_t	*p;

	rd_init(&r, h->alpn, h->alpn_len);
	while (r.left > 0) {
		len = rd_u8(&r);
		p = rd_take(&r, len);
		if (p == NULL)
			return false;
		if (len == want && memcmp(p, protocol, len) == 0)
			return true;
	}
	return false;
}
