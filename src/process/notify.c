#include <sys/socket.h>

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "base/net.h"
#include "process/notify.h"

#define MESSAGE_MAX	512	/* bytes */

static int		 sock = -1;
static struct net_addr	 manager;
static char		 where[NET_TEXT_MAX];	/* as it was given to us */
static int64_t		 watchdog_us;		/* 0: none */

/* A number of the environment, which goes with it; 0 for what is none. */
static int64_t
take_number(const char *name)
{
	const char	*text = getenv(name);
	char		*end;
	int64_t		 v = 0;

	if (text != NULL && text[0] >= '0' && text[0] <= '9') {
		errno = 0;
		v = strtoll(text, &end, 10);
		if (*end != '\0' || errno != 0)
			v = 0;
	}
	(void)unsetenv(name);
	return v;
}

static void
init_watchdog(void)
{
	const bool	 named = getenv("WATCHDOG_PID") != NULL;
	const int64_t	 pid = take_number("WATCHDOG_PID");

	watchdog_us = take_number("WATCHDOG_USEC");
	if (named && pid != getpid())
		watchdog_us = 0;
}

static int
init_socket(const char *text)
{
	struct net_spec	 spec;
	const char	*why;
	char		 buf[NET_TEXT_MAX];

	/* The reader of addresses knows paths and abstract names. */
	if ((size_t)snprintf(buf, sizeof(buf), "unix:%s", text) >=
	    sizeof(buf) || net_parse(buf, false, &spec, &why) == -1) {
		errno = EAFNOSUPPORT;
		return -1;
	}
	sock = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (sock == -1)
		return -1;
	manager = spec.addr;
	snprintf(where, sizeof(where), "%s", text);
	return 0;
}

int
notify_init(void)
{
	const char	*text = getenv("NOTIFY_SOCKET");
	int		 rc = 0;

	init_watchdog();
	if (text == NULL)
		return 0;
	rc = init_socket(text);
	(void)unsetenv("NOTIFY_SOCKET");
	return rc;
}

static void
hand_on_number(const char *name, int64_t v)
{
	char	 text[24];

	snprintf(text, sizeof(text), "%" PRId64, v);
	(void)setenv(name, text, 1);
}

void
notify_hand_on(void)
{
	if (sock == -1)
		return;
	(void)setenv("NOTIFY_SOCKET", where, 1);
	if (watchdog_us == 0)
		return;
	hand_on_number("WATCHDOG_USEC", watchdog_us);
	hand_on_number("WATCHDOG_PID", getpid());
}

/* Bytes that end a line would begin another variable. */
static void
flatten(char *text)
{
	for (; *text != '\0'; text++)
		if (*text == '\n')
			*text = ' ';
}

static void
tell(const char *text)
{
	if (sock != -1)
		(void)!sendto(sock, text, strlen(text),
		    MSG_DONTWAIT | MSG_NOSIGNAL, &manager.u.sa, manager.len);
}

void
notify_ready(const char *status)
{
	char	 line[MESSAGE_MAX / 2], text[MESSAGE_MAX];

	snprintf(line, sizeof(line), "%s", status);
	flatten(line);
	snprintf(text, sizeof(text), "READY=1\nSTATUS=%s", line);
	tell(text);
}

void
notify_reloading(void)
{
	char	 text[MESSAGE_MAX];

	/* Type=notify-reload tells by the time which reload it was. */
	snprintf(text, sizeof(text), "RELOADING=1\nMONOTONIC_USEC=%" PRId64,
	    io_now_us());
	tell(text);
}

void
notify_stopping(void)
{
	tell("STOPPING=1");
}

void
notify_status(const char *fmt, ...)
{
	char	 line[MESSAGE_MAX / 2], text[MESSAGE_MAX];
	va_list	 ap;

	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	flatten(line);
	snprintf(text, sizeof(text), "STATUS=%s", line);
	tell(text);
}

void
notify_mainpid(pid_t pid)
{
	char	 text[MESSAGE_MAX];

	snprintf(text, sizeof(text), "MAINPID=%d", (int)pid);
	tell(text);
}

int
notify_watchdog_ms(void)
{
	int64_t	 half = watchdog_us / 2000;

	if (watchdog_us == 0)
		return -1;
	if (half < 1)
		return 1;
	return half > INT_MAX ? INT_MAX : (int)half;
}

void
notify_watchdog(void)
{
	tell("WATCHDOG=1");
}
