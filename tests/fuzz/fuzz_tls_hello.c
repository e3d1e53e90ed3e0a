/* A ClientHello: what is found lies in it, and less of it is not known yet. */
#include <stdlib.h>

#include "fuzz.h"
#include "wire/tls_hello.h"

/* Nothing there, or within the record. */
static void
expect_within(const uint8_t *data, size_t n, const uint8_t *p, size_t len)
{
	if (p != NULL && (p < data || len > n || p + len > data + n))
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct tls_hello	 h, less;
	size_t			 want = 0, more;
	ssize_t			 n = tls_hello_decode(data, size, &h, &want);

	if (n == 0) {
		/* There is something to wait for, and it has an end. */
		if (want <= size || want > TLS_HELLO_MAX)
			abort();
		return 0;
	}
	if (n == -1)
		return 0;
	if ((size_t)n > size)
		abort();
	expect_within(data, (size_t)n, h.server_name, h.server_name_len);
	expect_within(data, (size_t)n, h.alpn, h.alpn_len);
	expect_within(data, (size_t)n, h.psk, h.psk_len);
	(void)tls_hello_offers(&h, "h2");
	/* Before its last byte nobody knows. */
	if (tls_hello_decode(data, (size_t)n - 1, &less, &more) != 0 ||
	    more != (size_t)n)
		abort();
	return 0;
}
