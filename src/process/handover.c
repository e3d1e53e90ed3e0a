#include <sys/socket.h>

#include <errno.h>
#include <poll.h>
#include <unistd.h>

#include "base/fdpass.h"
#include "base/io.h"
#include "process/channel.h"
#include "process/handover.h"

#define ANSWER_MS	20	/* that a session stands still at the most */
#define PAUSE_MS	1000	/* after nobody took one, */
#define PAUSE_MAX_MS	60000	/* doubling while nobody even answers */

_Static_assert(sizeof(struct handover_record) <= MSG_PAYLOAD_MAX,
    "a session is one message");

void
handover_init(struct handover *h, int rendezvous, struct sb_worker *board)
{
	*h = (struct handover){
		.rendezvous = rendezvous, .board = board, .ends = { -1, -1 },
		.pause_ms = PAUSE_MS,
	};
}

void
handover_end(struct handover *h)
{
	for (int i = 0; i < 2; i++) {
		if (h->ends[i] != -1)
			close(h->ends[i]);
		h->ends[i] = -1;
	}
}

#define TAKEN	'y'
#define LEFT	'n'

static void
say(int fd, char c)
{
	(void)send(fd, &c, 1, MSG_DONTWAIT | MSG_NOSIGNAL);
}

/* Receive the token.  Descriptors that find no place here are gone too. */
static bool
receive(int fd, int fds[MSG_FDS_MAX])
{
	char	 c;
	ssize_t	 n = fdpass_recv(fd, &c, 1, fds);

	return n == 1 || (n == -1 && errno == EMSGSIZE);
}

static bool
take_back(struct handover *h)
{
	int	 fds[MSG_FDS_MAX];
	bool	 mine = receive(h->ends[1], fds);

	fdpass_close(fds);
	return mine;
}

/* Lay out the token and tell all carriers where it is. */
static bool
lay_out(struct handover *h, const struct handover_record *record, int front,
    int back, int line)
{
	const int	 fds[3] = { front, back, line };

	if (h->ends[0] == -1 && channel_pair(h->ends) == -1)
		return false;
	if (fdpass_send(h->ends[0], "t", 1, fds, line == -1 ? 2 : 3) == -1)
		return false;
	atomic_store(&h->board->state, SB_OFFERED);
	if (channel_send(h->rendezvous, MSG_CARRY, record, sizeof(*record),
	    &h->ends[1], 1) == 0)
		return true;
	atomic_store(&h->board->state, SB_BUSY);
	return false;
}

/* Wait for the answer, or 0; signals may wait that long. */
static char
hear(const struct handover *h)
{
	struct pollfd	 p = { .fd = h->ends[0], .events = POLLIN };
	char		 c;

	(void)poll(&p, 1, ANSWER_MS);
	return recv(h->ends[0], &c, 1, MSG_DONTWAIT) == 1 ? c : 0;
}

/* Without an answer, the next one will hardly be quicker. */
static void
pause_after(struct handover *h, char answer)
{
	if (answer == LEFT)
		h->pause_ms = PAUSE_MS;
	h->not_before = io_now_ms() + h->pause_ms;
	if (answer != LEFT && h->pause_ms < PAUSE_MAX_MS)
		h->pause_ms *= 2;
}

bool
handover_offer(struct handover *h, const struct handover_record *record,
    int front, int back, int line)
{
	char	 answer = 0;

	if (h->rendezvous == -1 || io_now_ms() < h->not_before)
		return false;
	if (lay_out(h, record, front, back, line)) {
		answer = hear(h);
		if (answer == TAKEN || !take_back(h)) {
			h->pause_ms = PAUSE_MS;
			/* One that did not answer has a copy still. */
			if (answer != TAKEN)
				handover_end(h);
			return true;
		}
		atomic_store(&h->board->state, SB_BUSY);
	}
	/* Who finds the offer later finds its token gone. */
	handover_end(h);
	pause_after(h, answer);
	return false;
}

bool
handover_take(int token, int fds[MSG_FDS_MAX])
{
	return receive(token, fds);
}

void
handover_took(int token)
{
	say(token, TAKEN);
}

void
handover_leave(int token)
{
	say(token, LEFT);
}
