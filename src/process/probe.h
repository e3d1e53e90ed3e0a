/*
 * probe.h - one look at one server: is it there, and does it answer?
 *
 * Dials the addresses in turn until one is good: each but the last gets half
 * of what time is left, as sessions do it (back.h).  Runs on a loop; many
 * at once.
 */
#ifndef PROCESS_PROBE_H
#define PROCESS_PROBE_H

#include <stddef.h>
#include <stdint.h>

#include "base/loop.h"
#include "base/net.h"
#include "process/talk.h"

#define PROBE_ADDRS_MAX	16

struct probe_task {
	struct talk_task	 talk;
	struct net_addr		 source;	/* len 0: any */
	int			 send_proxy;	/* version of a PROXY header
						   that is said first, or 0 */
	struct net_addr		 addrs[PROBE_ADDRS_MAX];
	size_t			 n;		/* at least 1 */
	int64_t			 timeout;	/* ms, for all of it */
};

struct probe;

/* `why' is NULL when the server is good; the probe is gone then. */
typedef void	 probe_done(void *ctx, const char *why);

/*
 * Begin.  `done' is called once, never from within, unless probe_cancel()
 * comes first.
 */
struct probe	*probe_start(struct loop *loop, const struct probe_task *task,
		    probe_done *done, void *ctx);
void		 probe_cancel(struct probe **probe);

#endif
