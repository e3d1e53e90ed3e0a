/*
 * A message that is accepted is its header and a payload that ends where the
 * input does.  Through a channel, the only handler that runs is the one of
 * its type and number of descriptors; it is a fault unless the handler read
 * the payload to its end; and no descriptor stays behind.
 *
 * The first byte says how many descriptors come along; the rest is the
 * datagram.
 */
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fdpass.h"
#include "fuzz.h"
#include "process/channel.h"

static unsigned int	 ran;		/* a bit each */

/* As the handlers of setup.c read: nothing, numbers, a structure, a text. */
static int
on_nothing(void *ctx, struct rd *r, int *fds)
{
	(void)ctx;
	(void)r;
	(void)fds;
	ran |= 1;
	return 0;
}

static int
on_numbers(void *ctx, struct rd *r, int *fds)
{
	(void)ctx;
	ran |= 2;
	(void)rd_u32(r);
	(void)rd_u32(r);
	close(fds[0]);
	fds[0] = -1;
	return 0;
}

static int
on_structure(void *ctx, struct rd *r, int *fds)
{
	const uint8_t	*p = rd_take(r, 40);
	uint8_t		 copy[40];

	(void)ctx;
	(void)fds;
	ran |= 4;
	if (p == NULL)
		return -1;
	memcpy(copy, p, sizeof(copy));
	return 0;
}

static int
on_text(void *ctx, struct rd *r, int *fds)
{
	size_t		 len = rd_u16(r);
	const uint8_t	*p = rd_take(r, len);
	volatile uint8_t last;

	(void)ctx;
	(void)fds;
	ran |= 8;
	if (p != NULL && len > 0)
		last = p[len - 1];
	(void)last;
	return 0;
}

static const struct channel_rule	 rules[] = {
	{ 4,	ROLE_MASTER,	0,	on_nothing },
	{ 6,	ROLE_MASTER,	1,	on_numbers },
	{ 8,	ROLE_MASTER,	2,	on_structure },
	{ 10,	ROLE_MASTER,	0,	on_text },
	{ 12,	ROLE_SPAWNER,	0,	on_nothing },
};

/* What must come of it: the handler's bit, and whether it is no fault. */
static unsigned int
model(const uint8_t *data, size_t size, size_t nfds, bool *good)
{
	unsigned int	 type;
	size_t		 len;

	*good = false;
	if (size < MSG_HEADER || size > MSG_HEADER + MSG_PAYLOAD_MAX)
		return 0;
	type = (unsigned int)(data[0] << 8 | data[1]);
	len = (size_t)(data[2] << 8 | data[3]);
	if (len != size - MSG_HEADER)
		return 0;
	if (type == 4 && nfds == 0) {
		*good = len == 0;
		return 1;
	}
	if (type == 6 && nfds == 1) {
		*good = len == 8;
		return 2;
	}
	if (type == 8 && nfds == 2) {
		*good = len == 40;
		return 4;
	}
	if (type == 10 && nfds == 0) {
		*good = len >= 2 && len ==
		    2 + (size_t)(data[MSG_HEADER] << 8 |
		    data[MSG_HEADER + 1]);
		return 8;
	}
	return 0;
}

static void
check_message(const uint8_t *data, size_t size)
{
	uint8_t		 header[MSG_HEADER];
	struct msg	 m;

	if (msg_decode(data, size, &m) == -1)
		return;
	if (size < MSG_HEADER || m.payload != data + MSG_HEADER ||
	    m.len != size - MSG_HEADER)
		abort();
	msg_encode_header(header, m.type, m.len, m.id);
	if (memcmp(header, data, MSG_HEADER) != 0)
		abort();
}

static void
check_channel(const uint8_t *data, size_t size, size_t nfds)
{
	const int	 fds[MSG_FDS_MAX] = { STDERR_FILENO, STDERR_FILENO };
	unsigned int	 want;
	bool		 good;
	int		 pair[2], first, next, rc;

	if (channel_pair(pair) == -1)
		abort();
	first = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0);
	close(first);
	if (fdpass_send(pair[0], data, size, fds, nfds) == -1)
		abort();
	ran = 0;
	rc = channel_dispatch(pair[1], ROLE_MASTER, rules,
	    sizeof(rules) / sizeof(rules[0]), NULL);
	want = model(data, size, nfds, &good);
	if (ran != want || (rc == 1) != good)
		abort();
	/* The lowest free descriptor is the one it was. */
	next = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0);
	if (next != first)
		abort();
	close(next);
	close(pair[0]);
	close(pair[1]);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0 || size > 8192)
		return 0;
	check_message(data + 1, size - 1);
	check_channel(data + 1, size - 1, data[0] % (MSG_FDS_MAX + 1));
	return 0;
}
