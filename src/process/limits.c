#include <sys/resource.h>

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "process/limits.h"

/* Of a worker besides its listeners: log, keeper, session, two pipes. */
#define WORKER_FDS	16

/* The number in a file of proc(5), or 0. */
static int64_t
system_limit(const char *path)
{
	FILE		*f = fopen(path, "re");
	int64_t		 n = 0;

	if (f == NULL)
		return 0;
	if (fscanf(f, "%" SCNd64, &n) != 1)
		n = 0;
	fclose(f);
	return n;
}

static int64_t
hard_limit(__rlimit_resource_t what)
{
	struct rlimit	 rl;

	if (getrlimit(what, &rl) == -1 || rl.rlim_max == RLIM_INFINITY)
		return 0;
	return (int64_t)rl.rlim_max;
}

static void
compare(int64_t wanted, int64_t limit, const char *what, const char *of,
    struct conf_report *report)
{
	if (limit > 0 && wanted > limit)
		conf_warn(report, "workers.max: %" PRId64 " %s may be wanted, "
		    "and %s is %" PRId64, wanted, what, of, limit);
}

void
limits_check(const struct conf *conf, struct conf_report *report)
{
	int64_t	 workers = 0, fds, addrs = 0;

	for (size_t i = 0; i < conf->nlisteners; i++) {
		size_t	 j = 0;

		addrs += (int64_t)conf->listeners[i].listen.n;
		while (strcmp(conf->listeners[j].pool,
		    conf->listeners[i].pool) != 0)
			j++;
		if (j == i)		/* the first of its pool */
			workers += conf->workers.max;
	}
	fds = workers * (WORKER_FDS + addrs);
	compare(workers, system_limit("/proc/sys/kernel/pid_max"),
	    "processes", "kernel.pid_max", report);
	compare(workers, system_limit("/proc/sys/kernel/threads-max"),
	    "processes", "kernel.threads-max", report);
	compare(workers, hard_limit(RLIMIT_NPROC), "processes",
	    "the limit of processes (ulimit -u)", report);
	compare(fds, system_limit("/proc/sys/fs/file-max"), "descriptors",
	    "fs.file-max", report);
	compare(WORKER_FDS + addrs, hard_limit(RLIMIT_NOFILE),
	    "descriptors in one process", "their limit (ulimit -n)", report);
}
