#include <sys/socket.h>
#include <sys/un.h>

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "base/mem.h"
#include "ctl/link.h"

struct reader {
	int	 fd;
	char	*buf;
	size_t	 len, size;
};

static int
dial(const char *path, int ms)
{
	struct sockaddr_un	 un = { .sun_family = AF_UNIX };
	const struct timeval	 patience = { ms / 1000, ms % 1000 * 1000 };
	int			 fd, saved;

	if (strlen(path) >= sizeof(un.sun_path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	memcpy(un.sun_path, path, strlen(path));
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd == -1)
		return -1;
	/* A full queue of connections holds connect(2) up for as long. */
	(void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience,
	    sizeof(patience));
	if (connect(fd, (struct sockaddr *)&un, sizeof(un)) == 0)
		return fd;
	saved = errno;
	close(fd);
	errno = saved;
	return -1;
}

static void
explain(const char *path, char *why, size_t size)
{
	switch (errno) {
	case ENOENT:
		snprintf(why, size, "not running: there is no %s (the "
		    "configuration sets it with control.path)", path);
		break;
	case ECONNREFUSED:
		snprintf(why, size, "not running: nobody listens at %s",
		    path);
		break;
	case EACCES:
	case EPERM:
		snprintf(why, size, "%s: permission denied: it is for root "
		    "and for the group that the configuration names with "
		    "control.group", path);
		break;
	case EAGAIN:
		snprintf(why, size, "%s: the daemon does not answer", path);
		break;
	default:
		snprintf(why, size, "%s: %s", path, strerror(errno));
	}
}

static int
send_request(int fd, const json_t *request)
{
	char	*text = json_dumps(request, JSON_COMPACT | JSON_ENSURE_ASCII);
	char	*line;
	size_t	 len;
	ssize_t	 n;

	if (text == NULL)
		return -1;
	line = mem_printf("%s\n", text);
	len = strlen(line);
	n = send(fd, line, len, MSG_NOSIGNAL);
	free(line);
	free(text);
	return n == (ssize_t)len ? 0 : -1;
}

/* The next line, without its end; NULL when there is none, errno says why. */
static char *
next_line(struct reader *r, int64_t deadline)
{
	struct pollfd	 p = { .fd = r->fd, .events = POLLIN };
	char		*end, *line;
	ssize_t		 n;

	while ((end = r->len > 0 ? memchr(r->buf, '\n', r->len) : NULL) ==
	    NULL) {
		if (r->len == LINK_LINE_MAX || io_left_ms(deadline) == 0) {
			errno = ETIMEDOUT;
			return NULL;
		}
		if (r->size - r->len < 4096) {
			r->size = r->size + 65536 < LINK_LINE_MAX ?
			    r->size + 65536 : LINK_LINE_MAX;
			r->buf = mem_resize(r->buf, r->size, 1);
		}
		if (poll(&p, 1, io_left_ms(deadline)) <= 0)
			continue;
		n = recv(r->fd, r->buf + r->len, r->size - r->len,
		    MSG_DONTWAIT);
		if (n == 0 || (n == -1 && errno != EAGAIN && errno != EINTR)) {
			errno = ECONNRESET;
			return NULL;
		}
		r->len += n > 0 ? (size_t)n : 0;
	}
	*end = '\0';
	line = mem_strdup(r->buf);
	r->len -= (size_t)(end + 1 - r->buf);
	memmove(r->buf, end + 1, r->len);
	return line;
}

static int
read_answers(struct reader *r, int ms, link_object *object, void *ctx,
    char *why, size_t size)
{
	for (;;) {
		char	*line = next_line(r, io_now_ms() + ms);
		json_t	*o;
		bool	 done;
		int	 status;

		if (line == NULL) {
			snprintf(why, size, errno == ECONNRESET ?
			    "the daemon broke off" :
			    "the daemon does not answer");
			return errno == ECONNRESET ? CTL_NOT_RUNNING :
			    CTL_FAILED;
		}
		o = json_loads(line, 0, NULL);
		free(line);
		if (!json_is_object(o)) {
			json_decref(o);
			snprintf(why, size, "what listens there is no "
			    "sallyportd");
			return CTL_FAILED;
		}
		object(ctx, o);
		done = json_is_true(json_object_get(o, "done"));
		status = (int)json_integer_value(json_object_get(o,
		    "status"));
		json_decref(o);
		if (done)
			return status >= CTL_OK && status <= CTL_NOT_RUNNING ?
			    status : CTL_FAILED;
	}
}

int
link_ask(const char *path, const json_t *request, int ms,
    link_object *object, void *ctx, char *why, size_t size)
{
	struct reader	 r = { .fd = dial(path, ms) };
	int		 rc;

	why[0] = '\0';
	if (r.fd == -1) {
		explain(path, why, size);
		return errno == EAGAIN ? CTL_FAILED : CTL_NOT_RUNNING;
	}
	/* One that has no place for us answers without having read. */
	(void)send_request(r.fd, request);
	rc = read_answers(&r, ms, object, ctx, why, size);
	close(r.fd);
	free(r.buf);
	return rc;
}
