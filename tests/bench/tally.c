#include <err.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"
#include "load.h"

int64_t
now_ns(void)
{
	struct timespec	 ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

/*
 * The CPU time of a cgroup in ns: cpuacct.usage is that number, and cpu.stat
 * of version 2 begins with the word usage_usec.
 */
static uint64_t
read_cpu(int fd)
{
	static const char	 v2[] = "usage_usec ";
	char			 text[128];
	ssize_t			 n;

	if (fd == -1)
		return 0;
	n = pread(fd, text, sizeof(text) - 1, 0);
	if (n <= 0)
		err(1, "the file of CPU time");
	text[n] = '\0';
	if (strncmp(text, v2, sizeof(v2) - 1) == 0)
		return strtoull(text + sizeof(v2) - 1, NULL, 10) * 1000;
	return strtoull(text, NULL, 10);
}

void
tally_init(struct tally *t, const struct load *load)
{
	*t = (struct tally){ .load = load, .room = 1 << 20 };
	t->ns = mem_calloc(t->room, sizeof(*t->ns));
	t->begin = now_ns() + load->warm_ns;
}

void
tally_free(struct tally *t)
{
	free(t->ns);
	t->ns = NULL;
}

bool
tally_counts(struct tally *t, int64_t now)
{
	t->all++;
	if (!t->began) {
		if (now < t->begin)
			return false;
		t->began = true;
		t->begin = now;
		t->end = now + t->load->time_ns;
		t->cpu_ns = read_cpu(t->load->cpu_fd);
		return false;
	}
	if (!t->over && now >= t->end) {
		t->over = true;
		t->end = now;
		t->cpu_ns = read_cpu(t->load->cpu_fd) - t->cpu_ns;
		return true;
	}
	return !t->over;
}

void
tally_add(struct tally *t, int64_t took_ns)
{
	if (t->n == t->room) {
		t->room *= 2;
		t->ns = mem_resize(t->ns, t->room, sizeof(*t->ns));
	}
	t->ns[t->n++] = took_ns > UINT32_MAX ? UINT32_MAX : (uint32_t)took_ns;
}

static int
by_value(const void *a, const void *b)
{
	uint32_t	 x, y;

	memcpy(&x, a, sizeof(x));
	memcpy(&y, b, sizeof(y));
	return (x > y) - (x < y);
}

/* The least value that is not below so many hundredths of all. */
static double
percentile_us(const struct tally *t, size_t percent)
{
	return t->ns[(t->n * percent + 99) / 100 - 1] / 1000.0;
}

void
tally_print(struct tally *t, const char *mode)
{
	const struct load	*l = t->load;
	double			 seconds = (double)(t->end - t->begin) / 1e9;

	if (t->n == 0)
		errx(1, "%s: nothing was done in %.3f s", mode, seconds);
	qsort(t->ns, t->n, sizeof(*t->ns), by_value);
	printf("mode=%s sessions=%u idle=%u size=%zu seconds=%.3f "
	    "done=%zu all=%" PRIu64 " rate=%.0f p50_us=%.1f p99_us=%.1f "
	    "bytes=%" PRIu64 " mb_per_s=%.1f cpu_ns=%" PRIu64 "\n", mode, l->sessions,
	    l->idle, l->size, seconds, t->n, t->all, (double)t->n / seconds,
	    percentile_us(t, 50), percentile_us(t, 99), t->bytes,
	    (double)t->bytes / 1e6 / seconds, t->cpu_ns);
}
