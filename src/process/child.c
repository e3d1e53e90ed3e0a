#include <sys/socket.h>
#include <sys/syscall.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "process/channel.h"
#include "process/child.h"

#define HAND_MS		5000		/* to take what it is given */
#define LANE_BYTES	(1024 * 1024)	/* of log lines that may wait */

int
lane_new(struct lane *lane)
{
	const int	 size = LANE_BYTES;
	int		 ends[2];

	if (channel_pair(ends) == -1)
		return -1;
	lane->in = ends[0];
	lane->out = ends[1];
	/* Only root may go beyond the system's limit. */
	if (setsockopt(lane->out, SOL_SOCKET, SO_SNDBUFFORCE, &size,
	    sizeof(size)) == -1)
		(void)setsockopt(lane->out, SOL_SOCKET, SO_SNDBUF, &size,
		    sizeof(size));
	lane->page_fd = proc_memfd("log", sizeof(*lane->page));
	if (lane->page_fd == -1)
		return -1;
	lane->page = setup_map_lane(lane->page_fd);
	return lane->page == NULL ? -1 : 0;
}

static _Noreturn void
execute(const struct supplies *sup, const struct role *role, int channel)
{
	char	 arg[64], name[] = "sallyportd";
	char	*argv[] = { name, arg, NULL };

	snprintf(arg, sizeof(arg), "--role=%s", role->name);
	if (channel == SETUP_FD)
		(void)fcntl(channel, F_SETFD, 0);
	else if (dup2(channel, SETUP_FD) == -1)
		_exit(1);
	/* By descriptor: the file on disk may be a newer build by now. */
	syscall(SYS_execveat, sup->self, "", argv, environ, AT_EMPTY_PATH);
	fprintf(stderr, "sallyportd: cannot execute itself: %s\n",
	    strerror(errno));
	_exit(1);
}

struct giving {
	int	 fd;
	int64_t	 deadline;
};

static int
give(const struct giving *g, uint16_t type, int fd1, int fd2)
{
	const int	 fds[2] = { fd1, fd2 };

	return channel_send_by(g->fd, type, NULL, 0, fds,
	    fd2 == -1 ? 1 : 2, g->deadline);
}

static int
give_listeners(const struct giving *g, const struct supplies *sup,
    const char *pool)
{
	for (size_t i = 0; i < sup->nbound; i++) {
		const struct bound	*b = &sup->bound[i];
		uint8_t			 buf[4];
		struct wr		 w;

		if (strcmp(sup->conf->listeners[b->listener].pool, pool) != 0)
			continue;
		wr_init(&w, buf, sizeof(buf));
		wr_u32(&w, (uint32_t)b->listener);
		if (channel_send_by(g->fd, MSG_LISTENER, buf, sizeof(buf),
		    &b->fd, 1, g->deadline) == -1)
			return -1;
	}
	return 0;
}

static int
give_start(const struct giving *g, const struct supplies *sup,
    const struct child_order *order)
{
	struct setup_start	 start;
	int			 dir = -1, rc;

	memset(&start, 0, sizeof(start));	/* the padding too */
	start.user = sup->user;
	start.background = sup->background;
	start.slot = order->slot;
	start.master = getpid();
	snprintf(start.pool, sizeof(start.pool), "%s", order->pool);
	if (order->own_root && sup->can_chroot) {
		dir = proc_empty_dir();
		if (dir == -1)
			return -1;
	}
	rc = channel_send_by(g->fd, MSG_START, &start, sizeof(start), &dir,
	    dir == -1 ? 0 : 1, g->deadline);
	if (dir != -1)
		close(dir);
	return rc;
}

/* Nobody gets what its role has no use for. */
static int
give_all(const struct giving *g, const struct supplies *sup,
    const struct child_order *order)
{
	unsigned int	 id = order->role->id;

	if (give(g, MSG_CONF, sup->conf_fd, -1) == -1)
		return -1;
	if (id == ROLE_LOGGER) {
		for (size_t i = 0; i < sup->nlanes; i++)
			if (give(g, MSG_LANE_IN, sup->lanes[i].in,
			    sup->lanes[i].page_fd) == -1)
				return -1;
	} else if (give(g, MSG_LANE, order->lane->out,
	    order->lane->page_fd) == -1)
		return -1;
	if (id == ROLE_KEEPER && give(g, MSG_BOOK, sup->book_fd, -1) == -1)
		return -1;
	if (order->role->per_pool) {
		if (sup->book_read_fd != -1 &&
		    give(g, MSG_BOOK, sup->book_read_fd, -1) == -1)
			return -1;
		if (give(g, MSG_LIVE, order->live_fd, -1) == -1 ||
		    give_listeners(g, sup, order->pool) == -1)
			return -1;
	}
	return give_start(g, sup, order);
}

int
child_start(const struct supplies *sup, const struct child_order *order,
    pid_t *pid)
{
	struct giving	 g = { .deadline = io_now_ms() + HAND_MS };
	int		 ends[2], saved;

	if (channel_pair(ends) == -1)
		return -1;
	*pid = fork();
	if (*pid == 0)
		execute(sup, order->role, ends[1]);
	saved = errno;
	close(ends[1]);
	g.fd = ends[0];
	if (*pid != -1 && give_all(&g, sup, order) == 0)
		return ends[0];
	/* It finds its channel closed and ends; the master buries it. */
	if (*pid != -1)
		saved = errno;
	close(ends[0]);
	errno = saved;
	return -1;
}
