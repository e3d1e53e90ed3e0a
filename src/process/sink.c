#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "process/sink.h"

static int
open_file(const char *path)
{
	return open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC |
	    O_NOCTTY, 0640);
}

int
sink_open(struct sink *s, const char *path)
{
	*s = (struct sink){ .path = path, .fd = open_file(path) };
	return s->fd == -1 ? -1 : 0;
}

void
sink_use(struct sink *s, int fd)
{
	*s = (struct sink){ .fd = fd };
}

static uint64_t
count_lines(const struct sink *s)
{
	uint64_t	 n = 0;

	for (size_t i = s->off; i < s->len; i++)
		n += s->buf[i] == '\n';
	return n;
}

void
sink_close(struct sink *s, uint64_t *lost)
{
	if (!sink_flush(s))
		s->lost += count_lines(s);
	*lost += s->lost;
	if (s->path != NULL && s->fd != -1)
		close(s->fd);
	free(s->buf);
	*s = (struct sink){ .fd = -1 };
}

/* One that is alone may be longer than what may wait. */
char *
sink_room(struct sink *s, size_t max)
{
	if (s->len > 0 && s->len + max > SINK_BYTES && !sink_flush(s))
		return NULL;
	if (s->len + max > s->room) {
		s->room = s->len + max;
		s->buf = mem_resize(s->buf, s->room, 1);
	}
	return s->buf + s->len;
}

void
sink_add(struct sink *s, size_t len)
{
	s->len += len;
}

/* Lines that are out need not be kept; the one that was begun may. */
static void
tidy(struct sink *s)
{
	size_t	 whole = s->off;

	if (s->off == s->len) {
		s->off = s->len = 0;
		if (s->room > 4 * SINK_BYTES) {
			free(s->buf);
			s->buf = NULL;
			s->room = 0;
		}
		return;
	}
	while (whole > 0 && s->buf[whole - 1] != '\n')
		whole--;
	memmove(s->buf, s->buf + whole, s->len - whole);
	s->len -= whole;
	s->off -= whole;
}

bool
sink_flush(struct sink *s)
{
	ssize_t	 n = 0;

	if (s->len == 0)
		return true;
	while (s->off < s->len) {
		n = write(s->fd, s->buf + s->off, s->len - s->off);
		if (n > 0)
			s->off += (size_t)n;
		else if (n == 0 || errno != EINTR)
			break;
	}
	s->error = n == -1 ? errno : 0;
	tidy(s);
	return s->len == 0;
}

int
sink_reopen(struct sink *s)
{
	int	 fd;

	if (s->path == NULL)
		return 0;
	fd = open_file(s->path);
	if (fd == -1)
		return -1;
	/* What does not go into the old one begins the new one. */
	if (!sink_flush(s))
		s->off = 0;
	close(s->fd);
	s->fd = fd;
	return 0;
}
