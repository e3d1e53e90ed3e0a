/*
 * A header takes no more than there is, and what it points to lies within.
 * An answer is final: bytes that are still to come change neither a header
 * nor a refusal, and no proper prefix of a header is one.  What was decoded
 * and is encoded again says the same, in both versions.
 */
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "wire/proxy_header.h"

#define TAIL	64

static void
check_inside(const uint8_t *p, size_t len, const uint8_t *data, size_t used)
{
	if (p == NULL) {
		if (len != 0)
			abort();
		return;
	}
	if (p < data || (size_t)(p - data) > used ||
	    len > used - (size_t)(p - data))
		abort();
}

/* Each prefix asks for more until the answer is there, and then it stays. */
static void
check_prefixes(const uint8_t *data, size_t size, ssize_t all)
{
	struct proxy_header	 h;
	const char		*why;
	bool			 refused = false;
	ssize_t			 n;

	for (size_t len = 0; len < size && len < 512; len++) {
		n = proxy_header_decode(data, len, &h, &why);
		if (refused && n != -1)
			abort();
		if (n == -1 && all != -1)
			abort();
		if (n > 0 && (n != all || len < (size_t)all))
			abort();
		refused = n == -1;
	}
}

static void
check_same(const struct net_addr *a, const struct net_addr *b)
{
	char	 text[2][NET_TEXT_MAX];

	/* As text: what is mapped into IPv6 is IPv4 behind the encoder. */
	net_text(a, text[0], sizeof(text[0]));
	net_text(b, text[1], sizeof(text[1]));
	if (strcmp(text[0], text[1]) != 0)
		abort();
	if (a->u.sa.sa_family == AF_UNIX && !net_same(a, b))
		abort();
}

static void
check_again(const struct proxy_header *h, int version)
{
	uint8_t			 buf[PROXY_HEADER_OUT_MAX + TAIL];
	struct proxy_header	 again;
	const char		*why;
	bool			 told;
	size_t			 len;

	memset(buf, 'x', sizeof(buf));
	len = proxy_header_encode(version, &h->from, &h->to, h->id, h->id_len,
	    buf);
	if (len > PROXY_HEADER_OUT_MAX ||
	    (version == 1 && len > PROXY_HEADER_LINE_MAX))
		abort();
	if (proxy_header_decode(buf, len + TAIL, &again, &why) != (ssize_t)len)
		abort();
	told = !h->local && (version == 2 || h->from.u.sa.sa_family != AF_UNIX);
	if (again.local == told)
		abort();
	if (!told)
		return;
	check_same(&h->from, &again.from);
	check_same(&h->to, &again.to);
	if (version == 1)
		return;
	if (again.id_len != h->id_len ||
	    (again.id == NULL) != (h->id == NULL) ||
	    (h->id != NULL && memcmp(again.id, h->id, h->id_len) != 0))
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct proxy_header	 h;
	const char		*why = NULL;
	ssize_t			 n = proxy_header_decode(data, size, &h, &why);

	check_prefixes(data, size, n);
	if (n == -1 && (why == NULL || *why == '\0'))
		abort();
	if (n == 0 && size >= PROXY_HEADER_MAX)
		abort();
	if (n <= 0)
		return 0;
	if ((size_t)n > size || n > PROXY_HEADER_MAX)
		abort();
	if (h.local && (h.from.len > 0 || h.to.len > 0 || h.id != NULL ||
	    h.authority != NULL || h.ssl_client != 0))
		abort();
	if (!h.local && (h.from.len == 0 || h.to.len == 0 ||
	    h.from.u.sa.sa_family != h.to.u.sa.sa_family))
		abort();
	check_inside(h.id, h.id_len, data, (size_t)n);
	check_inside(h.authority, h.authority_len, data, (size_t)n);
	check_again(&h, 1);
	check_again(&h, 2);
	return 0;
}
