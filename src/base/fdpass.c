#include <sys/socket.h>

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/fdpass.h"

union fdctl {
	char		 buf[CMSG_SPACE(MSG_FDS_MAX * sizeof(int))];
	struct cmsghdr	 align;
};

int
fdpass_send(int sock, const void *data, size_t len, const int *fds, size_t nfds)
{
	union fdctl	 ctl;
	struct iovec	 iov = { .iov_base = (void *)(uintptr_t)data,
			    .iov_len = len };
	struct msghdr	 mh = { .msg_iov = &iov, .msg_iovlen = 1 };
	struct cmsghdr	*c;
	ssize_t		 n;

	if (nfds > MSG_FDS_MAX) {
		errno = EINVAL;
		return -1;
	}
	if (nfds > 0) {
		memset(&ctl, 0, sizeof(ctl));
		mh.msg_control = &ctl;
		mh.msg_controllen = CMSG_SPACE(nfds * sizeof(int));
		c = CMSG_FIRSTHDR(&mh);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(nfds * sizeof(int));
		memcpy(CMSG_DATA(c), fds, nfds * sizeof(int));
	}
	do
		n = sendmsg(sock, &mh, MSG_DONTWAIT | MSG_NOSIGNAL);
	while (n == -1 && errno == EINTR);
	return n == -1 ? -1 : 0;
}

ssize_t
fdpass_recv(int sock, void *data, size_t size, int fds[MSG_FDS_MAX])
{
	union fdctl	 ctl = { .buf = { 0 } };
	struct iovec	 iov = { data, size };
	struct msghdr	 mh = { .msg_iov = &iov, .msg_iovlen = 1 };
	struct cmsghdr	*c;
	ssize_t		 n;

	/*
	 * CMSG_LEN, not CMSG_SPACE: padding would let one descriptor more
	 * in, unseen and never closed.
	 */
	mh.msg_control = &ctl;
	mh.msg_controllen = CMSG_LEN(MSG_FDS_MAX * sizeof(int));
	for (size_t i = 0; i < MSG_FDS_MAX; i++)
		fds[i] = -1;
	do
		n = recvmsg(sock, &mh, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
	while (n == -1 && errno == EINTR);
	if (n == -1)
		return -1;
	c = CMSG_FIRSTHDR(&mh);
	if (c != NULL && c->cmsg_level == SOL_SOCKET &&
	    c->cmsg_type == SCM_RIGHTS && c->cmsg_len > CMSG_LEN(0))
		memcpy(fds, CMSG_DATA(c), c->cmsg_len - CMSG_LEN(0));
	if (n == 0)			/* looks like an end: nothing stays */
		fdpass_close(fds);
	if (mh.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) {
		fdpass_close(fds);
		errno = EMSGSIZE;
		return -1;
	}
	return n;
}

void
fdpass_close(int fds[MSG_FDS_MAX])
{
	for (size_t i = 0; i < MSG_FDS_MAX; i++) {
		if (fds[i] != -1)
			close(fds[i]);
		fds[i] = -1;
	}
}
