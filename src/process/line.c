#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "base/mem.h"
#include "base/sig.h"
#include "process/channel.h"
#include "process/line.h"

#define PAUSE_MIN_MS	10	/* until the service is dialled again */
#define PAUSE_MAX_MS	200

struct line {
	int		 rendezvous;
	unsigned int	 role;
	const char	*name;
	int		 fd;			/* or -1 */
	uint32_t	 id;			/* of the last question */
	/* The question under way. */
	uint16_t	 type;
	uint8_t		*out;
	size_t		 size;
	size_t		 len;
	bool		 answered;
	char		*why;
};

struct line *
line_new(int rendezvous, unsigned int role, const char *name)
{
	struct line	*l = mem_calloc(1, sizeof(*l));

	*l = (struct line){
		.rendezvous = rendezvous, .role = role, .name = name,
		.fd = -1,
	};
	return l;
}

void
line_hang_up(struct line *l)
{
	if (l->fd != -1)
		close(l->fd);
	l->fd = -1;
}

void
line_free(struct line **line)
{
	if (*line == NULL)
		return;
	line_hang_up(*line);
	free(*line);
	*line = NULL;
}

static int
say(struct line *l, const char *why)
{
	snprintf(l->why, LINE_WHY_MAX, "%s", why);
	return -1;
}

static int
say_of_it(struct line *l, const char *what)
{
	snprintf(l->why, LINE_WHY_MAX, "%s %s", l->name, what);
	return -1;
}

static int
on_answer(void *ctx, struct rd *r, int *fds)
{
	struct line	*l = ctx;
	size_t		 len = r->left;

	(void)fds;
	if (len > l->size)
		return -1;
	if (len > 0)
		memcpy(l->out, rd_take(r, len), len);
	l->len = len;
	return 0;
}

static void
hear(struct line *l)
{
	const struct channel_rule	 rule = {
		(uint16_t)(l->type + 1), l->role, 0, on_answer,
	};
	uint32_t			 id = 0;

	if (channel_dispatch_id(l->fd, l->role, &rule, 1, l, &id) != 1)
		line_hang_up(l);
	else if (id == l->id)
		l->answered = true;
}

/* Nobody may be there yet: it waits in the rendezvous.  -1 with errno. */
static int
say_hello(struct line *l)
{
	int	 ends[2], rc, saved;

	if (channel_pair(ends) == -1)
		return -1;
	rc = channel_send(l->rendezvous, MSG_HELLO, NULL, 0, &ends[1], 1);
	saved = errno;
	close(ends[1]);
	l->fd = ends[0];
	if (rc == -1)
		line_hang_up(l);
	errno = saved;
	return rc;
}

/*
 * Wait for the line, or with none for the time.  -1 when the session is to
 * end or a wait fails.  Flags are left for whoever asks how it ends.
 */
static int
wait_for(struct line *l, int64_t until)
{
	struct pollfd	 p = { .fd = l->fd, .events = POLLIN };

	if (sig_is_set(SIGTERM) || sig_is_set(SIG_ORPHAN))
		return say(l, "the session is to end");
	switch (sig_ppoll(&p, 1, io_left_ms(until))) {
	case -1:
		return errno == EINTR ? 0 : say(l, strerror(errno));
	case 0:
		return 0;
	}
	hear(l);
	return 0;
}

static int
open_line(struct line *l, int64_t deadline)
{
	while (l->fd == -1 && say_hello(l) == -1) {
		if (errno != EAGAIN && errno != ETOOMANYREFS)
			return say(l, strerror(errno));
		if (io_left_ms(deadline) == 0)
			return say_of_it(l, "takes no more questions");
		if (wait_for(l, io_now_ms() + PAUSE_MIN_MS) == -1)
			return -1;
	}
	return 0;
}

/* 0, 1 if the line ended, or -1. */
static int
await(struct line *l, int64_t deadline)
{
	while (l->fd != -1 && !l->answered) {
		if (io_left_ms(deadline) == 0)
			return say_of_it(l, "does not answer");
		if (wait_for(l, deadline) == -1)
			return -1;
	}
	return l->answered ? 0 : 1;
}

static int
send_question(struct line *l, const void *payload, size_t len, int fd)
{
	if (fd == -1)
		return channel_send_id(l->fd, l->type, l->id, payload, len);
	return channel_send_id_fds(l->fd, l->type, l->id, payload, len, &fd,
	    1);
}

ptrdiff_t
line_ask(struct line *l, uint16_t type, const void *payload, size_t len,
    int fd, int ms, uint8_t *out, size_t size, char *why)
{
	int64_t	 deadline = io_now_ms() + ms, until;
	int64_t	 pause = PAUSE_MIN_MS;
	int	 rc;

	l->type = type;
	l->out = out;
	l->size = size;
	l->why = why;
	l->answered = false;
	for (;;) {
		if (open_line(l, deadline) == -1)
			return -1;
		l->id++;
		if (send_question(l, payload, len, fd) == -1)
			line_hang_up(l);
		rc = await(l, deadline);
		if (rc == 0)
			return (ptrdiff_t)l->len;
		if (rc == -1)
			break;
		until = io_now_ms() + pause;
		if (until >= deadline) {
			say_of_it(l, "ends each line");
			break;
		}
		if (wait_for(l, until) == -1)
			break;
		pause = 2 * pause < PAUSE_MAX_MS ? 2 * pause : PAUSE_MAX_MS;
	}
	/* What comes late would be taken for what is asked next. */
	line_hang_up(l);
	return -1;
}
