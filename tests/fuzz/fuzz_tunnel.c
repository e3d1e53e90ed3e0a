/*
 * A frame that is read says the same when it is written and read again; what a
 * hello tells lies inside it.
 *
 * The first byte says which of the two it is.
 */
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "wire/tls_hello.h"
#include "wire/tunnel.h"

static void
try_frame(const uint8_t *data, size_t len)
{
	struct tunnel_frame	 f, again;
	uint8_t			 one[TUNNEL_FRAME_MAX], two[TUNNEL_FRAME_MAX];
	ssize_t			 n, m;

	if (tunnel_decode(data, len, &f) == -1)
		return;
	if (tunnel_frame_len(data, TUNNEL_FRAME_MAX) != (ssize_t)len)
		abort();
	n = tunnel_encode(&f, one, sizeof(one));
	if (n == -1 || tunnel_decode(one, (size_t)n, &again) == -1 ||
	    again.has != f.has)
		abort();
	m = tunnel_encode(&again, two, sizeof(two));
	if (m != n || memcmp(one, two, (size_t)n) != 0)
		abort();
}

static bool
is_inside(const uint8_t *p, size_t len, const uint8_t *data, size_t size)
{
	return p == NULL || (p >= data && len <= size &&
	    (size_t)(p - data) <= size - len);
}

static void
try_hello(const uint8_t *data, size_t len)
{
	struct tls_hello	 h;
	size_t			 want;
	ssize_t			 n = tls_hello_decode(data, len, &h, &want);

	if (n > (ssize_t)len || (n == 0 && want <= len))
		abort();
	if (n <= 0)
		return;
	if (!is_inside(h.psk, h.psk_len, data, (size_t)n) ||
	    !is_inside(h.alpn, h.alpn_len, data, (size_t)n) ||
	    !is_inside(h.server_name, h.server_name_len, data, (size_t)n))
		abort();
	(void)tls_hello_offers(&h, "sallyport/1");
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0)
		return 0;
	if (data[0] % 2 == 0)
		try_frame(data + 1, size - 1);
	else
		try_hello(data + 1, size - 1);
	return 0;
}
