#include <sys/socket.h>

#include <poll.h>
#include <unistd.h>

#include "base/io.h"
#include "process/channel.h"
#include "process/handover.h"

#define ANSWER_MS	20	/* that a session stands still at the most */
#define PAUSE_MS	1000	/* after nobody took one */

_Static_assert(sizeof(struct handover_record) <= MSG_PAYLOAD_MAX,
    "a session is one message");

void
handover_init(struct handover *h, int rendezvous)
{
	*h = (struct handover){ .rendezvous = rendezvous, .ends = { -1, -1 } };
}

static void
close_ends(struct handover *h)
{
	for (int i = 0; i < 2; i++) {
		if (h->ends[i] != -1)
			close(h->ends[i]);
		h->ends[i] = -1;
	}
}

#define TOKEN	't'
#define TAKEN	'y'
#define LEFT	'n'

static bool
say(int fd, char c)
{
	return send(fd, &c, 1, MSG_DONTWAIT | MSG_NOSIGNAL) == 1;
}

/* What was said, or 0. */
static char
hear(int fd)
{
	char	 c;

	return recv(fd, &c, 1, MSG_DONTWAIT) == 1 ? c : 0;
}

static bool
put_token(struct handover *h)
{
	if (h->ends[0] == -1 && channel_pair(h->ends) == -1)
		return false;
	return say(h->ends[0], TOKEN);
}

/* Wait for the answer; signals may wait that long. */
static bool
is_taken(const struct handover *h)
{
	struct pollfd	 p = { .fd = h->ends[0], .events = POLLIN };

	(void)poll(&p, 1, ANSWER_MS);
	return hear(h->ends[0]) == TAKEN;
}

bool
handover_offer(struct handover *h, const struct handover_record *record,
    int front, int back, int line)
{
	bool	 taken = false;

	if (h->rendezvous == -1 || io_now_ms() < h->not_before)
		return false;
	if (put_token(h)) {
		const int	 fds[4] = { front, back, h->ends[1], line };

		if (channel_send(h->rendezvous, MSG_CARRY, record,
		    sizeof(*record), fds, line == -1 ? 3 : 4) == 0) {
			if (is_taken(h))
				return true;	/* the pair serves again */
			taken = hear(h->ends[1]) != TOKEN;
		}
	}
	/* Somebody may hold a copy still: another pair next time. */
	close_ends(h);
	if (!taken)
		h->not_before = io_now_ms() + PAUSE_MS;
	return taken;
}

bool
handover_take(int token)
{
	if (hear(token) != TOKEN)
		return false;
	(void)say(token, TAKEN);
	return true;
}

void
handover_leave(int token)
{
	(void)say(token, LEFT);
}
