/*
 * Whatever a server says, the conversation of a check ends when the server's
 * part does.  One that is good has greeted, or said what was expected in its
 * first bytes; what is wrong with another is a line of text.
 */
#include <sys/socket.h>

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fuzz.h"
#include "policy/conf.h"
#include "process/talk.h"

#define STEPS_MAX	32
#define SAID_MAX	8192

/* A packet that is here and begins as a greeting does. */
static bool
has_greeted(const uint8_t *data, size_t size)
{
	size_t	 len;

	if (size < 5)
		return false;
	len = data[0] | (size_t)data[1] << 8 | (size_t)data[2] << 16;
	return len > 0 && len <= TALK_READ_MAX - 4 && len <= size - 4 &&
	    data[4] == 10;
}

static bool
is_good(int type, const uint8_t *data, size_t size)
{
	if (type == CONF_CHECK_MYSQL)
		return has_greeted(data, size);
	return memmem(data, size < TALK_READ_MAX ? size : TALK_READ_MAX,
	    "PONG", 4) != NULL;
}

static void
check(int type, const uint8_t *data, size_t size)
{
	const struct talk_task	 task = {
		.type = type, .send = "PING", .expect = "PONG",
	};
	struct talk		*t;
	const char		*why;
	int			 ends[2], steps = 0;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends) == -1)
		abort();
	if (size > 0 && send(ends[1], data, size, 0) != (ssize_t)size)
		abort();
	(void)shutdown(ends[1], SHUT_WR);
	t = talk_new(&task, ends[0]);
	while (talk_step(t) != TALK_OVER)
		if (++steps == STEPS_MAX)
			abort();
	why = talk_verdict(t);
	if ((why == NULL) != is_good(type, data, size))
		abort();
	for (; why != NULL && *why != '\0'; why++)
		if ((unsigned char)*why < ' ')
			abort();
	talk_free(&t);
	close(ends[0]);
	close(ends[1]);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size > SAID_MAX)
		return 0;
	check(CONF_CHECK_MYSQL, data, size);
	check(CONF_CHECK_EXPECT, data, size);
	return 0;
}
