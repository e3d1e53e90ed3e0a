#include <sys/socket.h>

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "base/log.h"
#include "base/msg.h"

static const char		*me = "sallyportd";
static enum logline_level	 most = LOGLINE_INFO;
static int			 out = -1;
static struct log_lane		*out_lane;

void
log_init(const char *role, enum logline_level level)
{
	me = role;
	most = level;
}

void
log_open(int sock, struct log_lane *lane)
{
	out = sock;
	out_lane = lane;
}

bool
log_wants(enum logline_level level)
{
	return level <= most;
}

static void
send_line(const struct logline *l)
{
	uint8_t		 buf[MSG_HEADER + LOGLINE_MAX];
	struct wr	 w;
	ssize_t		 n;

	wr_init(&w, buf + MSG_HEADER, LOGLINE_MAX);
	logline_encode(&w, l);
	n = -1;
	if (wr_ok(&w)) {
		msg_encode_header(buf, MSG_LOG, wr_len(&w), 0);
		do
			n = send(out, buf, MSG_HEADER + wr_len(&w),
			    MSG_DONTWAIT | MSG_NOSIGNAL);
		while (n == -1 && errno == EINTR);
	}
	if (n == -1)
		atomic_fetch_add(&out_lane->dropped, 1);
}

int
log_wait(int ms)
{
	struct pollfd	 p = { .fd = out, .events = POLLOUT };
	int64_t		 deadline;

	/* Mostly there is, and nobody need ask for the time. */
	if (out == -1 || ms <= 0 || poll(&p, 1, 0) != 0)
		return ms;
	deadline = io_now_ms() + ms;
	(void)poll(&p, 1, ms);
	return io_left_ms(deadline);
}

void
log_event(struct logline *l)
{
	char	 buf[LOGLINE_TEXT_MAX];

	l->role = logline_string(me);
	l->wall_us = io_wall_us();
	if (out != -1)
		send_line(l);
	else
		io_write_all(STDERR_FILENO, buf,
		    logline_text(l, getpid(), true, buf));
}

/* FNV-1a of the format, so that all processes agree; never 0. */
static uint32_t
repeat_key(const char *fmt)
{
	uint32_t	 h = 2166136261;

	for (; *fmt != '\0'; fmt++)
		h = (h ^ (unsigned char)*fmt) * 16777619;
	return h != 0 ? h : 1;
}

static void __attribute__((format(printf, 3, 0)))
prose(enum logline_level level, uint32_t key, const char *fmt, va_list ap)
{
	struct logline	 l = { .level = level };
	char		 text[2048];

	if (level > most)
		return;
	vsnprintf(text, sizeof(text), fmt, ap);
	l.event = logline_string("");
	if (out == -1 && level <= LOGLINE_WARN) {
		/* Nobody collects these: they are for whoever typed. */
		fprintf(stderr, "sallyportd: %s\n", text);
		return;
	}
	l.text = logline_string(text);
	l.repeat_key = key;
	log_event(&l);
}

#define PROSE(level) do {						\
	va_list	 ap;							\
									\
	va_start(ap, fmt);						\
	prose(level, repeat_key(fmt), fmt, ap);				\
	va_end(ap);							\
} while (0)

void
log_error(const char *fmt, ...)
{
	PROSE(LOGLINE_ERROR);
}

void
log_warn(const char *fmt, ...)
{
	PROSE(LOGLINE_WARN);
}

void
log_info(const char *fmt, ...)
{
	PROSE(LOGLINE_INFO);
}

void
log_debug(const char *fmt, ...)
{
	PROSE(LOGLINE_DEBUG);
}

void
log_one_of(enum logline_level level, const char *fmt, ...)
{
	va_list	 ap;

	va_start(ap, fmt);
	prose(level, 0, fmt, ap);
	va_end(ap);
}

_Noreturn void
log_fatal(int status, const char *fmt, ...)
{
	PROSE(LOGLINE_ERROR);
	_exit(status);
}
