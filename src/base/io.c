#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/io.h"
#include "base/mem.h"
#include "base/sig.h"

static int64_t
now_us(clockid_t clock)
{
	struct timespec	 ts;

	clock_gettime(clock, &ts);
	return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

int64_t
io_now_ms(void)
{
	return now_us(CLOCK_MONOTONIC) / 1000;
}

int64_t
io_now_us(void)
{
	return now_us(CLOCK_MONOTONIC);
}

uint64_t
io_wall_us(void)
{
	return (uint64_t)now_us(CLOCK_REALTIME);
}

int
io_left_ms(int64_t deadline)
{
	int64_t	 left = deadline - io_now_ms();

	if (left < 0)
		return 0;
	return left > INT_MAX ? INT_MAX : (int)left;
}

int
io_wait(int fd, short events, int64_t deadline)
{
	struct pollfd	 p = { .fd = fd, .events = events };
	int		 n;

	n = sig_ppoll(&p, 1, io_left_ms(deadline));
	return n == 1 ? p.revents : n;
}

char *
io_read_file(int fd, size_t max, size_t *len)
{
	char	*data = mem_calloc(1, 1);
	size_t	 size = 0, used = 0;
	ssize_t	 n;

	for (;;) {
		if (used == size) {
			size = size == 0 ? 8192 : size * 2;
			data = mem_resize(data, size + 1, 1);
		}
		n = read(fd, data + used, size - used);
		if (n == -1 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		used += (size_t)n;
		if (used > max) {
			n = -1;
			errno = EFBIG;
			break;
		}
	}
	if (n == -1) {
		free(data);
		return NULL;
	}
	data[used] = '\0';
	*len = used;
	return data;
}

int
io_write_all(int fd, const void *data, size_t len)
{
	struct pollfd	 room = { .fd = fd, .events = POLLOUT };
	const char	*p = data;
	ssize_t		 n;

	while (len > 0) {
		n = write(fd, p, len);
		if (n == -1 && (errno == EINTR || (errno == EAGAIN &&
		    poll(&room, 1, 1000) == 1)))
			continue;
		if (n == -1)
			return -1;
		p += n;
		len -= (size_t)n;
	}
	return 0;
}
