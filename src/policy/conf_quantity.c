#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policy/conf_quantity.h"

#define SECOND	((int64_t)1000)
#define MINUTE	(60 * SECOND)
#define HOUR	(60 * MINUTE)
#define DAY	(24 * HOUR)
#define KIB	((int64_t)1024)
#define MIB	(1024 * KIB)

#define RATE_COUNT_MAX	1000000

struct unit {
	const char	*name;
	int64_t		 factor;
};

/* Smallest first; a bare number has the unit without a name. */
static const struct unit	 counts[] = { { "", 1 }, { NULL, 0 } };
static const struct unit	 times[] = {
	{ "ms", 1 }, { "s", SECOND }, { "", SECOND }, { "m", MINUTE },
	{ "h", HOUR }, { "d", DAY }, { NULL, 0 },
};
static const struct unit	 sizes[] = {
	{ "", 1 }, { "k", KIB }, { "m", MIB }, { "g", 1024 * MIB },
	{ NULL, 0 },
};

static const struct unit	*const units[] = {
	[CONF_COUNT] = counts, [CONF_MS] = times, [CONF_BYTES] = sizes,
};

int
conf_quantity_parse(enum conf_unit unit, const char *text, int64_t min,
    int64_t max, int64_t *out)
{
	const struct unit	*u;
	char			*end;
	long long		 v;

	if (*text < '0' || *text > '9')
		return -1;
	errno = 0;
	v = strtoll(text, &end, 10);
	if (errno != 0)
		return -1;
	for (u = units[unit]; u->name != NULL; u++) {
		if (strcmp(u->name, end) != 0)
			continue;
		if (v > max / u->factor || v * u->factor < min)
			return -1;
		*out = v * u->factor;
		return 0;
	}
	return -1;
}

char *
conf_quantity_text(enum conf_unit unit, int64_t v, char *buf, size_t size)
{
	const struct unit	*u, *best = units[unit];

	for (u = best; u->name != NULL; u++)
		if (v != 0 && v % u->factor == 0 && u->factor > best->factor)
			best = u;
	if (v == 0)
		snprintf(buf, size, "0");
	else
		snprintf(buf, size, "%" PRId64 "%s", v / best->factor,
		    best->name);
	return buf;
}

int
conf_rate_parse(const char *text, int64_t *count, int64_t *ms)
{
	const char	*slash = strchr(text, '/');
	char		 number[32], time[32];
	int64_t		 n, t;

	if (strcmp(text, "0") == 0) {
		*count = *ms = 0;
		return 0;
	}
	if (slash == NULL || (size_t)(slash - text) >= sizeof(number))
		return -1;
	snprintf(number, sizeof(number), "%.*s", (int)(slash - text), text);
	snprintf(time, sizeof(time), "%s%.30s",
	    slash[1] >= '0' && slash[1] <= '9' ? "" : "1", slash + 1);
	if (slash[1] == '\0' || strlen(slash + 1) > 30 ||
	    conf_quantity_parse(CONF_COUNT, number, 1, RATE_COUNT_MAX,
	    &n) == -1 ||
	    conf_quantity_parse(CONF_MS, time, 1, DAY, &t) == -1)
		return -1;
	*count = n;
	*ms = t;
	return 0;
}

char *
conf_rate_text(int64_t count, int64_t ms, char *buf, size_t size)
{
	char	 time[32];
	bool	 one;

	if (count == 0) {
		snprintf(buf, size, "0");
		return buf;
	}
	conf_quantity_text(CONF_MS, ms, time, sizeof(time));
	one = time[0] == '1' && (time[1] < '0' || time[1] > '9');
	snprintf(buf, size, "%" PRId64 "/%s", count, one ? time + 1 : time);
	return buf;
}
