#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "base/mem.h"
#include "process/channel.h"
#include "process/control_line.h"

void
service_line_init(struct service_line *k, int rendezvous, unsigned int role,
    void *ctx)
{
	*k = (struct service_line){
		.rendezvous = rendezvous, .role = role, .fd = -1, .ctx = ctx,
	};
}

static void
hang_up(struct service_line *k)
{
	if (k->fd != -1)
		close(k->fd);
	k->fd = -1;
}

static int
dial(struct service_line *k)
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
send_question(struct service_line *k, const struct service_question *q)
{
	if (k->fd == -1 && dial(k) == -1)
		return -1;
	return channel_send(k->fd, q->type, q->payload, q->len, NULL, 0);
}

/* Take the oldest question off and hand its answer on. */
static int
settle(struct service_line *k, struct rd *r)
{
	struct service_question	 q = k->asked[0];

	k->n--;
	memmove(k->asked, k->asked + 1, k->n * sizeof(*k->asked));
	explicit_bzero(&k->asked[k->n], sizeof(k->asked[k->n]));
	return q.answer(k->ctx, q.job, r);
}

static void
give_up(struct service_line *k)
{
	hang_up(k);
	/* An answer may bring the next question: not for this round. */
	for (size_t n = k->n; n > 0; n--)
		(void)settle(k, NULL);
}

int
service_line_ask(struct service_line *k, uint16_t type, const void *payload,
    size_t len, uint64_t job, service_answer *answer, const char **why)
{
	struct service_question	 q = {
		.type = type, .len = len, .job = job,
		.answer = answer, .deadline = io_now_ms() + SERVICE_LINE_MS,
	};

	if (k->rendezvous == -1) {
		*why = "the configuration needs none";
		return -1;
	}
	if (k->n == SERVICE_LINE_MAX || len > sizeof(q.payload)) {
		*why = "it is busy";
		return -1;
	}
	memcpy(q.payload, payload, len);
	if (send_question(k, &q) == -1) {
		/* One that has just died is noticed here, once. */
		hang_up(k);
		if (errno != EPIPE || k->n > 0 || send_question(k, &q) == -1) {
			*why = "it does not listen";
			return -1;
		}
	}
	k->asked[k->n++] = q;
	return 0;
}

static int
on_answer(void *ctx, struct rd *r, int *fds)
{
	(void)fds;
	return settle(ctx, r);
}

/* It died: its successor is asked the same, for as long as there is time. */
static void
ask_again(struct service_line *k)
{
	hang_up(k);
	for (size_t i = 0; i < k->n; i++)
		if (send_question(k, &k->asked[i]) == -1) {
			give_up(k);
			return;
		}
}

void
service_line_hear(struct service_line *k)
{
	/* Whatever is not the answer to the oldest is not to be said. */
	const struct channel_rule	 rule = {
		k->n > 0 ? (uint16_t)(k->asked[0].type + 1) : 0, k->role, 0,
		on_answer,
	};

	switch (channel_dispatch(k->fd, k->role, &rule, 1, k)) {
	case 0:
		ask_again(k);
		break;
	case -1:
		give_up(k);
	}
}

int64_t
service_line_look(struct service_line *k)
{
	if (k->n == 0)
		return io_now_ms() + 60000;
	if (io_now_ms() >= k->asked[0].deadline)
		give_up(k);
	return k->n > 0 ? k->asked[0].deadline : io_now_ms() + 60000;
}
