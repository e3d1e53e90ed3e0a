#include <stdlib.h>
#include <string.h>
#include "policy/conf_diff.h"
void
conf_diff(const struct conf *old, const struct conf *now,
    void (*line)(void *ctx, const char *text), void *ctx)
{
	char	*t[2];
	size_t	 n[2];
	FILE	*f;

	f = open_memstream(&t[0], &n[0]);
	conf_print(old, f);
	fclose(f);
	f = open_memstream(&t[1], &n[1]);
	conf_print(now, f);
	fclose(f);
	if (n[0] != n[1] || memcmp(t[0], t[1], n[0]) != 0)
		line(ctx, "something");
	free(t[0]);
	free(t[1]);
}
