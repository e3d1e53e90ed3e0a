/*
 * conf_quantity.h - numbers with a unit, and rates, to text and back.
 *
 * "8h", "64k", "20/10s".  What is written has the largest unit that loses
 * nothing, and reads back as the same.
 */
#ifndef POLICY_CONF_QUANTITY_H
#define POLICY_CONF_QUANTITY_H

#include <stddef.h>
#include <stdint.h>

enum conf_unit {
	CONF_COUNT,		/* none */
	CONF_MS,		/* ms, s, m, h, d; bare numbers are seconds */
	CONF_BYTES,		/* k, m, g; bare numbers are bytes */
};

/* Returns 0, or -1 for what is no quantity or not within min and max. */
int	 conf_quantity_parse(enum conf_unit unit, const char *text,
	    int64_t min, int64_t max, int64_t *out);

/* Write v, not negative, as conf_quantity_parse() reads it; returns buf. */
char	*conf_quantity_text(enum conf_unit unit, int64_t v, char *buf,
	    size_t size);

/*
 * A rate is COUNT/TIME, where a TIME of one unit may be the unit alone, as
 * in "10/s"; or "0" for none, which is a count and a time of 0.
 */
int	 conf_rate_parse(const char *text, int64_t *count, int64_t *ms);
char	*conf_rate_text(int64_t count, int64_t ms, char *buf, size_t size);

#endif
