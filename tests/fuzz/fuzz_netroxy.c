/* Netroxy's commands: what was read is written as it was. */
#include <stdlib.h>

#include "fuzz.h"
#include "wire/netroxy.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char	*p = (const char *)data;
	char		 buf[NETROXY_MAX + 64];
	struct netroxy	 m, again;
	ssize_t		 n, written;

	while (size > 0 && (n = netroxy_decode(p, size, &m)) > 0) {
		if (m.command != NETROXY_OTHER) {
			written = netroxy_encode(&m, buf, sizeof(buf));
			if (written <= 0 || written > n ||
			    netroxy_decode(buf, (size_t)written, &again) !=
			    written || again.command != m.command ||
			    again.port != m.port || again.ok != m.ok)
				abort();
		}
		p += n;
		size -= (size_t)n;
	}
	return 0;
}
