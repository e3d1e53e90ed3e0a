#include <sys/socket.h>

#include <errno.h>
#include <poll.h>
#include <string.h>

#include "base/fdpass.h"
#include "base/io.h"
#include "base/sig.h"
#include "process/channel.h"

static int
send_message(int fd, uint16_t type, uint32_t id, const void *payload,
    size_t len, const int *fds, size_t nfds)
{
	uint8_t	 buf[MSG_HEADER + MSG_PAYLOAD_MAX];

	if (len > MSG_PAYLOAD_MAX) {
		errno = EMSGSIZE;
		return -1;
	}
	msg_encode_header(buf, type, len, id);
	if (len > 0)
		memcpy(buf + MSG_HEADER, payload, len);
	return fdpass_send(fd, buf, MSG_HEADER + len, fds, nfds);
}

int
channel_send_u32(int fd, uint16_t type, uint32_t number)
{
	uint8_t		 buf[4];
	struct wr	 w;

	wr_init(&w, buf, sizeof(buf));
	wr_u32(&w, number);
	return channel_send(fd, type, buf, sizeof(buf), NULL, 0);
}

int
channel_send(int fd, uint16_t type, const void *payload, size_t len,
    const int *fds, size_t nfds)
{
	return send_message(fd, type, 0, payload, len, fds, nfds);
}

int
channel_send_id(int fd, uint16_t type, uint32_t id, const void *payload,
    size_t len)
{
	return send_message(fd, type, id, payload, len, NULL, 0);
}

int
channel_send_id_fds(int fd, uint16_t type, uint32_t id, const void *payload,
    size_t len, const int *fds, size_t nfds)
{
	return send_message(fd, type, id, payload, len, fds, nfds);
}

int
channel_send_by(int fd, uint16_t type, const void *payload, size_t len,
    const int *fds, size_t nfds, int64_t deadline)
{
	struct pollfd	 p = { .fd = fd, .events = POLLOUT };

	while (channel_send(fd, type, payload, len, fds, nfds) == -1) {
		if (errno != EAGAIN && errno != ETOOMANYREFS)
			return -1;
		if (io_left_ms(deadline) == 0) {
			errno = ETIMEDOUT;
			return -1;
		}
		/* Room for bytes does not tell of descriptors in flight. */
		p.fd = errno == EAGAIN ? fd : -1;
		(void)sig_ppoll(&p, 1, errno == EAGAIN ?
		    io_left_ms(deadline) : 2);
	}
	return 0;
}

/* Nothing read may be the end, or a message of no bytes. */
static bool
is_over(int fd)
{
	struct pollfd	 p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, 0) == 1 && (p.revents & POLLHUP) != 0;
}

int
channel_dispatch(int fd, unsigned int from, const struct channel_rule *rules,
    size_t nrules, void *ctx)
{
	uint32_t	 id;

	return channel_dispatch_id(fd, from, rules, nrules, ctx, &id);
}

int
channel_dispatch_id(int fd, unsigned int from,
    const struct channel_rule *rules, size_t nrules, void *ctx, uint32_t *id)
{
	uint8_t		 buf[MSG_HEADER + MSG_PAYLOAD_MAX];
	int		 fds[MSG_FDS_MAX];
	struct msg	 m;
	struct rd	 r;
	size_t		 nfds = 0;
	ssize_t		 n;
	int		 rc = -1;

	n = fdpass_recv(fd, buf, sizeof(buf), fds);
	if (n == -1 && errno == EAGAIN)
		return 1;
	if (n == 0)
		return is_over(fd) ? 0 : -1;
	if (n == -1)
		return errno == ECONNRESET ? 0 : -1;
	while (nfds < MSG_FDS_MAX && fds[nfds] != -1)
		nfds++;
	if (msg_decode(buf, (size_t)n, &m) == 0) {
		rd_init(&r, m.payload, m.len);
		*id = m.id;
		for (size_t i = 0; i < nrules; i++)
			if (rules[i].type == m.type &&
			    (rules[i].from & from) != 0 &&
			    rules[i].nfds == nfds)
				rc = rules[i].run(ctx, &r, fds);
		if (!rd_end(&r))
			rc = -1;
	}
	fdpass_close(fds);
	return rc == -1 ? -1 : 1;
}

bool
channel_is_one(int fd)
{
	int		 domain, type;
	socklen_t	 len = sizeof(int);

	return getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &len) == 0 &&
	    getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) == 0 &&
	    domain == AF_UNIX && type == SOCK_SEQPACKET;
}

int
channel_pair(int ends[2])
{
	return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends);
}
