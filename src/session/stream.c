#include <sys/socket.h>

#include <errno.h>
#include <poll.h>
#include <stdlib.h>

#include "base/io.h"
#include "base/mem.h"
#include "session/stream.h"

static ssize_t
plain_read(struct stream *s, void *buf, size_t size)
{
	return recv(s->fd, buf, size, MSG_DONTWAIT);
}

static ssize_t
plain_write(struct stream *s, const void *data, size_t len)
{
	return send(s->fd, data, len, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static bool
plain_pending(const struct stream *s)
{
	(void)s;
	return false;
}

static int
plain_shut(struct stream *s)
{
	(void)shutdown(s->fd, SHUT_WR);
	return 0;
}

static void
plain_free(struct stream *s)
{
	free(s);
}

static const struct stream_ops	 plain = {
	.read = plain_read, .write = plain_write, .pending = plain_pending,
	.shut = plain_shut, .free = plain_free,
};

struct stream *
stream_new_plain(int fd)
{
	struct stream	*s = mem_calloc(1, sizeof(*s));

	*s = (struct stream){
		.ops = &plain, .fd = fd,
		.read_wants = POLLIN, .write_wants = POLLOUT,
	};
	return s;
}

void
stream_free(struct stream **s)
{
	if (*s != NULL)
		(*s)->ops->free(*s);
	*s = NULL;
}

ssize_t
stream_read(struct stream *s, void *buf, size_t size)
{
	return s->ops->read(s, buf, size);
}

ssize_t
stream_write(struct stream *s, const void *data, size_t len)
{
	return s->ops->write(s, data, len);
}

bool
stream_pending(const struct stream *s)
{
	return s->ops->pending(s);
}

int
stream_shut(struct stream *s)
{
	return s->ops->shut(s);
}

int
stream_wait(int fd, short events, int64_t deadline, const struct told *told,
    enum end *end)
{
	int	 shown = 0;

	while (shown == 0) {
		/* Asked here too: who is always ready must end as well. */
		if (io_left_ms(deadline) == 0) {
			*end = END_TIMEOUT;
			return -1;
		}
		shown = io_wait(fd, events, deadline);
		if (shown != -1)
			continue;
		*end = END_INTERNAL;
		if (errno != EINTR || told_to_end(told, end))
			return -1;
		shown = 0;
	}
	return 0;
}

/* After a read or a write that moved nothing: is it worth another try? */
static int
try_again(const struct stream *s, short events, int64_t deadline,
    const struct told *told, enum end reset, enum end *end)
{
	if (errno == EINTR)
		return 0;
	if (errno == EAGAIN)
		return stream_wait(s->fd, events, deadline, told, end);
	*end = reset;
	return -1;
}

int
stream_read_all(struct stream *s, void *buf, size_t len, int64_t deadline,
    const struct told *told, enum end reset, enum end *end)
{
	uint8_t	*p = buf;
	ssize_t	 n;

	while (len > 0) {
		n = stream_read(s, p, len);
		if (n == 0) {
			*end = reset;
			return -1;
		}
		if (n == -1) {
			if (try_again(s, s->read_wants, deadline, told, reset,
			    end) == -1)
				return -1;
			continue;
		}
		p += n;
		len -= (size_t)n;
	}
	return 0;
}

int
stream_write_all(struct stream *s, const void *data, size_t len,
    int64_t deadline, const struct told *told, enum end reset, enum end *end)
{
	const uint8_t	*p = data;
	ssize_t		 n;

	while (len > 0) {
		n = stream_write(s, p, len);
		if (n == -1) {
			if (try_again(s, s->write_wants, deadline, told,
			    reset, end) == -1)
				return -1;
			continue;
		}
		p += n;
		len -= (size_t)n;
	}
	return 0;
}
