#include <sys/epoll.h>

#include <err.h>

#include "load.h"

int
watch_new(void)
{
	int	 ep = epoll_create1(EPOLL_CLOEXEC);

	if (ep == -1)
		err(1, "epoll_create1");
	return ep;
}

void
watch_add(int ep, int fd, uint32_t events, void *ctx)
{
	struct epoll_event	 ev = { .events = events, .data.ptr = ctx };

	if (epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev) == -1)
		err(1, "epoll_ctl");
}

void
watch_change(int ep, int fd, uint32_t events, void *ctx)
{
	struct epoll_event	 ev = { .events = events, .data.ptr = ctx };

	if (epoll_ctl(ep, EPOLL_CTL_MOD, fd, &ev) == -1)
		err(1, "epoll_ctl");
}

int
watch_wait(int ep, struct epoll_event *ev)
{
	int	 n = epoll_wait(ep, ev, EVENTS, STALL_MS);

	if (n == -1)
		err(1, "epoll_wait");
	if (n == 0)
		errx(1, "nothing has moved for %d ms", STALL_MS);
	return n;
}
