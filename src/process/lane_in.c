#include <sys/socket.h>

#include <stdatomic.h>
#include <string.h>

#include "process/lane_in.h"

void
lane_watch(const struct setup_lane *lane)
{
	const int	 on = 1;

	(void)setsockopt(lane->fd, SOL_SOCKET, SO_PASSCRED, &on, sizeof(on));
}

ssize_t
lane_receive(const struct setup_lane *lane, void *data, size_t size,
    pid_t *pid, bool *end)
{
	union {
		char		 buf[CMSG_SPACE(sizeof(struct ucred))];
		struct cmsghdr	 align;
	}		 ctl = { .buf = { 0 } };
	struct iovec	 iov = { data, size };
	struct msghdr	 mh = {
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = &ctl, .msg_controllen = sizeof(ctl),
	};
	struct cmsghdr	*c;
	struct ucred	 cred;
	ssize_t		 n;

	n = recvmsg(lane->fd, &mh, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	c = n >= 0 ? CMSG_FIRSTHDR(&mh) : NULL;
	*pid = 0;
	if (c != NULL && c->cmsg_level == SOL_SOCKET &&
	    c->cmsg_type == SCM_CREDENTIALS &&
	    c->cmsg_len == CMSG_LEN(sizeof(cred))) {
		memcpy(&cred, CMSG_DATA(c), sizeof(cred));
		*pid = cred.pid;
	}
	/* Who says nothing has sent something; only at the end nobody has. */
	*end = n == 0 && c == NULL;
	return n;
}

uint64_t
lane_dropped(const struct setup_lane *lane)
{
	uint64_t	 dropped = atomic_load(&lane->lane->dropped);

	return dropped - atomic_exchange(&lane->lane->reported, dropped);
}
