#include "base/io.h"
#include "session/pace.h"

#define SECOND_US	1000000
#define BURST_US	(SECOND_US / 10)
#define FAR_US		((int64_t)SECOND_US * 3600)
#define TRIES		64	/* against others who take at the same time */

/* From when on it is to be reckoned. */
static int64_t
begins(int64_t due, int64_t now)
{
	if (due < now - BURST_US)
		return now - BURST_US;
	/* Workers share it: one that is broken may write anything. */
	return due > now + FAR_US ? now + FAR_US : due;
}

/* Us from now until it may be taken from again; 0 or less for at once. */
static int64_t
take(struct pace_bucket *b, int64_t rate, size_t bytes, int64_t now)
{
	int64_t	 due = atomic_load_explicit(&b->due, memory_order_relaxed);
	int64_t	 cost = (int64_t)bytes * SECOND_US / rate, next = now;

	for (int i = 0; i < TRIES; i++) {
		next = begins(due, now) + cost;
		if (atomic_compare_exchange_weak_explicit(&b->due, &due, next,
		    memory_order_relaxed, memory_order_relaxed))
			break;
	}
	return next - now;
}

int64_t
pace_take(const struct pace *p, size_t bytes)
{
	int64_t	 now = io_now_us(), wait = 0, one;

	for (size_t i = 0; i < PACE_BUCKETS; i++) {
		if (p->bucket[i] == NULL || p->rate[i] <= 0)
			continue;
		one = take(p->bucket[i], p->rate[i], bytes, now);
		if (one > wait)
			wait = one;
	}
	if (wait == 0)
		return 0;
	wait = (wait + 999) / 1000;
	return io_now_ms() + (wait < PACE_WAIT_MS ? wait : PACE_WAIT_MS);
}
