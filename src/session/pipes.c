#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/mem.h"
#include "session/pipes.h"

/* What a pipe has when nobody asks; who is over the limits gets a page. */
#define ORDINARY	(64 * 1024)

struct slot {
	struct pipe	 pipe;		/* first: it is what is lent */
	bool		 taken;
};

struct pipes {
	size_t		 most;
	struct slot	 slots[];
};

struct pipes *
pipes_new(size_t most)
{
	struct pipes	*p = mem_calloc(1, sizeof(*p) +
			    most * sizeof(p->slots[0]));

	p->most = most;
	for (size_t i = 0; i < most; i++)
		p->slots[i].pipe = (struct pipe){ -1, -1 };
	return p;
}

static bool
is_open(const struct slot *s)
{
	return s->pipe.in != -1;
}

static void
close_slot(struct slot *s)
{
	if (is_open(s)) {
		close(s->pipe.in);
		close(s->pipe.out);
	}
	s->pipe = (struct pipe){ -1, -1 };
	s->taken = false;
}

void
pipes_free(struct pipes **pipesp)
{
	struct pipes	*p = *pipesp;

	if (p == NULL)
		return;
	for (size_t i = 0; i < p->most; i++)
		close_slot(&p->slots[i]);
	free(p);
	*pipesp = NULL;
}

/* As large as the system allows; -1 if that is too small to be worth it. */
static int
enlarge(int fd)
{
	for (int size = PIPES_SIZE; size > ORDINARY; size /= 2)
		if (fcntl(fd, F_SETPIPE_SZ, size) != -1)
			return 0;
	return fcntl(fd, F_GETPIPE_SZ) < ORDINARY ? -1 : 0;
}

static int
open_slot(struct slot *s)
{
	int	 fds[2];

	if (pipe2(fds, O_NONBLOCK | O_CLOEXEC) == -1)
		return -1;
	s->pipe = (struct pipe){ .in = fds[1], .out = fds[0] };
	if (enlarge(s->pipe.in) == -1) {
		close_slot(s);
		return -1;
	}
	return 0;
}

struct pipe *
pipes_take(struct pipes *p)
{
	struct slot	*s = NULL;

	/* One that is open, before one that would have to be. */
	for (size_t i = 0; i < p->most; i++)
		if (!p->slots[i].taken && (s == NULL || !is_open(s)))
			s = &p->slots[i];
	if (s == NULL || (!is_open(s) && open_slot(s) == -1))
		return NULL;
	s->taken = true;
	return &s->pipe;
}

static struct slot *
slot_of(struct pipes *p, const struct pipe *pipe)
{
	size_t	 i = 0;

	while (&p->slots[i].pipe != pipe)
		i++;
	return &p->slots[i];
}

void
pipes_give(struct pipes *p, struct pipe *pipe)
{
	slot_of(p, pipe)->taken = false;
}

void
pipes_drop(struct pipes *p, struct pipe *pipe)
{
	close_slot(slot_of(p, pipe));
}

void
pipes_trim(struct pipes *p)
{
	for (size_t i = 0; i < p->most; i++)
		if (!p->slots[i].taken)
			close_slot(&p->slots[i]);
}
