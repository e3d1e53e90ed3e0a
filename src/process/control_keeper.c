#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "base/mem.h"
#include "process/channel.h"
#include "process/control_keeper.h"

void
keeper_line_init(struct keeper_line *k, int rendezvous, void *ctx)
{
	*k = (struct keeper_line){
		.rendezvous = rendezvous, .fd = -1, .ctx = ctx,
	};
}

static void
hang_up(struct keeper_line *k)
{
	if (k->fd != -1)
		close(k->fd);
	k->fd = -1;
}

static int
dial(struct keeper_line *k)
{
	int	 ends[2], rc;

	if (channel_pair(ends) == -1)
		return -1;
	rc = channel_send(k->rendezvous, MSG_HELLO, NULL, 0, &ends[1], 1);
	close(ends[1]);
	if (rc == -1) {
		close(ends[0]);
		return -1;
	}
	k->fd = ends[0];
	return 0;
}

static int
send_question(struct keeper_line *k, const struct keeper_question *q)
{
	if (k->fd == -1 && dial(k) == -1)
		return -1;
	return channel_send(k->fd, q->type, q->payload, q->len, NULL, 0);
}

/* Take the oldest question off and hand its answer on. */
static int
settle(struct keeper_line *k, struct rd *r)
{
	struct keeper_question	 q = k->asked[0];

	k->n--;
	memmove(k->asked, k->asked + 1, k->n * sizeof(*k->asked));
	return q.answer(k->ctx, q.job, r);
}

static void
give_up(struct keeper_line *k)
{
	hang_up(k);
	/* An answer may bring the next question: not for this round. */
	for (size_t n = k->n; n > 0; n--)
		(void)settle(k, NULL);
}

int
keeper_line_ask(struct keeper_line *k, uint16_t type, const void *payload,
    size_t len, uint64_t job, keeper_answer *answer, const char **why)
{
	struct keeper_question	 q = {
		.type = type, .len = len, .job = job,
		.answer = answer, .deadline = io_now_ms() + KEEPER_LINE_MS,
	};

	if (k->rendezvous == -1) {
		*why = "the configuration needs no keeper";
		return -1;
	}
	if (k->n == KEEPER_LINE_MAX || len > sizeof(q.payload)) {
		*why = "the keeper is busy";
		return -1;
	}
	memcpy(q.payload, payload, len);
	if (send_question(k, &q) == -1) {
		/* One that has just died is noticed here, once. */
		hang_up(k);
		if (errno != EPIPE || k->n > 0 || send_question(k, &q) == -1) {
			*why = "the keeper does not listen";
			return -1;
		}
	}
	k->asked[k->n++] = q;
	return 0;
}

static int
answered(struct keeper_line *k, uint16_t type, struct rd *r)
{
	if (k->n == 0 || k->asked[0].type + 1 != type)
		return -1;
	return settle(k, r);
}

static int
on_server_set(void *ctx, struct rd *r, int *fds)
{
	(void)fds;
	return answered(ctx, MSG_SERVER_SET + 1, r);
}

static int
on_sources(void *ctx, struct rd *r, int *fds)
{
	(void)fds;
	return answered(ctx, MSG_SOURCES + 1, r);
}

static const struct channel_rule answers[] = {
	{ MSG_SERVER_SET + 1,	ROLE_KEEPER,	0,	on_server_set },
	{ MSG_SOURCES + 1,	ROLE_KEEPER,	0,	on_sources },
};

/* It died: its successor is asked the same, for as long as there is time. */
static void
ask_again(struct keeper_line *k)
{
	hang_up(k);
	for (size_t i = 0; i < k->n; i++)
		if (send_question(k, &k->asked[i]) == -1) {
			give_up(k);
			return;
		}
}

void
keeper_line_hear(struct keeper_line *k)
{
	switch (channel_dispatch(k->fd, ROLE_KEEPER, answers, nitems(answers),
	    k)) {
	case 0:
		ask_again(k);
		break;
	case -1:
		give_up(k);
	}
}

int64_t
keeper_line_look(struct keeper_line *k)
{
	if (k->n == 0)
		return io_now_ms() + 60000;
	if (io_now_ms() >= k->asked[0].deadline)
		give_up(k);
	return k->n > 0 ? k->asked[0].deadline : io_now_ms() + 60000;
}
