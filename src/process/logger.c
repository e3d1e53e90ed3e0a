/*
 * logger - owns the log file, or the connection to syslog.
 *
 *	from	may ask
 *	master	MSG_REOPEN, MSG_CONF, MSG_COMMIT, MSG_FORGET, MSG_LANE_IN
 *	anyone	MSG_LOG, over the lanes
 *
 * It is waited for by nobody: what it cannot read in time stays in the
 * sockets, and what does not fit there is counted by who dropped it.
 */
#include <sys/mman.h>
#include <sys/socket.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>

#include "base/io.h"
#include "base/mem.h"
#include "base/msg.h"
#include "base/sig.h"
#include "process/channel.h"
#include "process/role.h"
#include "process/sandbox.h"

#define REPEATS_MAX	10	/* of one line in a window, before silence */
#define WINDOW_MS	10000
#define LAST_WORDS_MS	1000	/* to read on once the master is gone */
#define GATHER_MS	2	/* from lines written to the next */
#define BATCH		64	/* lines of a lane before the next one */

/* One line that keeps coming. */
struct repeat {
	uint32_t	 key;		/* 0: free */
	unsigned int	 seen;		/* in this window */
	enum logline_level level;
	int64_t		 until;		/* its end, io_now_ms() */
	char		 text[100];	/* the beginning of the last one */
};

/* Where lines go under one generation. */
struct target {
	uint32_t	 generation;	/* 0: there is none */
	const char	*to;		/* of its configuration */
	int		 out;		/* -1: syslog */
	bool		 to_file;
	bool		 json;
};

struct logger {
	struct setup	*s;
	struct target	 t;
	struct target	 next;		/* prepared, not in effect yet */
	/* Lanes that nobody writes to any more. */
	bool		 closed[SETUP_LANES_MAX];
	struct repeat	 repeats[64];
	char		 buf[LOGLINE_TEXT_MAX * 2];
	size_t		 len;
	uint64_t	 lost;		/* lines that could not be written */
};

static int
open_file(const char *path)
{
	return open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC |
	    O_NOCTTY, 0640);
}

static void	 say(struct logger *, enum logline_level, const char *, ...)
		    __attribute__((format(printf, 3, 4)));

/* Lines in a buffer, to count what is lost with it. */
static uint64_t
count_lines(const char *p, size_t len)
{
	uint64_t	 n = 0;

	for (size_t i = 0; i < len; i++)
		n += p[i] == '\n';
	return n;
}

static void
flush(struct logger *g)
{
	uint64_t	 lost;

	if (g->len == 0)
		return;
	if (io_write_all(g->t.out, g->buf, g->len) == -1)
		g->lost += count_lines(g->buf, g->len);
	g->len = 0;
	if (g->lost == 0)
		return;
	/* Try to say so; if that works too, it is over. */
	lost = g->lost;
	say(g, LOGLINE_ERROR, "%ju lines were lost: the log could not be "
	    "written", (uintmax_t)lost);
	if (io_write_all(g->t.out, g->buf, g->len) == 0)
		g->lost = 0;
	g->len = 0;
}

static void
to_syslog(const struct logline *l, pid_t pid, char *text)
{
	static const int	 priorities[] = {
		LOG_ERR, LOG_WARNING, LOG_INFO, LOG_DEBUG,
	};
	size_t			 n = logline_text(l, pid, false, text);

	syslog(priorities[l->level], "%.*s", (int)(n - 1), text);
}

static void
emit(struct logger *g, const struct logline *l, pid_t pid)
{
	if (sizeof(g->buf) - g->len < LOGLINE_TEXT_MAX)
		flush(g);
	if (g->t.out == -1)
		to_syslog(l, pid, g->buf);
	else if (g->t.json)
		g->len += logline_json(l, pid, g->buf + g->len);
	else
		g->len += logline_text(l, pid, true, g->buf + g->len);
}

/* The logger's own lines go no way round. */
static void
say(struct logger *g, enum logline_level level, const char *fmt, ...)
{
	struct logline	 l = { .level = level, .wall_us = io_wall_us() };
	char		 text[1024];
	va_list		 ap;

	if (!log_wants(level))
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	l.role = logline_string("logger");
	l.event = logline_string("");
	l.text = logline_string(text);
	emit(g, &l, getpid());
}

static void
close_window(struct logger *g, struct repeat *r)
{
	if (r->key != 0 && r->seen > REPEATS_MAX)
		say(g, r->level, "%u more suppressed within %d seconds, "
		    "the last: %s", r->seen - REPEATS_MAX, WINDOW_MS / 1000,
		    r->text);
	r->key = 0;
	r->seen = 0;
}

/* Sessions and debugging are told in full; prose at most so many times. */
static bool
is_repeat(struct logger *g, const struct logline *l)
{
	struct repeat	*r;

	if (l->repeat_key == 0 || l->level == LOGLINE_DEBUG)
		return false;
	r = &g->repeats[l->repeat_key % nitems(g->repeats)];
	if (r->key != l->repeat_key || io_now_ms() >= r->until) {
		close_window(g, r);
		r->key = l->repeat_key;
		r->until = io_now_ms() + WINDOW_MS;
	}
	r->level = l->level;
	snprintf(r->text, sizeof(r->text), "%.*s", (int)l->text.len,
	    l->text.p);
	return ++r->seen > REPEATS_MAX;
}

static void
close_windows(struct logger *g, int64_t now)
{
	for (size_t i = 0; i < nitems(g->repeats); i++)
		if (g->repeats[i].key != 0 && now >= g->repeats[i].until)
			close_window(g, &g->repeats[i]);
}

/* Receive one datagram and who sent it, or that no more will come. */
static ssize_t
receive(int fd, void *data, size_t size, pid_t *pid, bool *end)
{
	union {
		char		 buf[CMSG_SPACE(sizeof(struct ucred))];
		struct cmsghdr	 align;
	}		 ctl = { .buf = { 0 } };
	struct iovec	 iov = { data, size };
	struct msghdr	 mh = {
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = &ctl, .msg_controllen = sizeof(ctl),
	};
	struct cmsghdr	*c;
	struct ucred	 cred;
	ssize_t		 n;

	n = recvmsg(fd, &mh, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	c = n >= 0 ? CMSG_FIRSTHDR(&mh) : NULL;
	*pid = 0;
	if (c != NULL && c->cmsg_level == SOL_SOCKET &&
	    c->cmsg_type == SCM_CREDENTIALS &&
	    c->cmsg_len == CMSG_LEN(sizeof(cred))) {
		memcpy(&cred, CMSG_DATA(c), sizeof(cred));
		*pid = cred.pid;
	}
	/* Who says nothing has sent something; only at the end nobody has. */
	*end = n == 0 && c == NULL;
	return n;
}

static void
on_line(struct logger *g, const uint8_t *data, size_t size, pid_t pid)
{
	struct logline	 l;
	struct msg	 m;
	struct rd	 r;

	if (msg_decode(data, size, &m) == -1 || m.type != MSG_LOG) {
		say(g, LOGLINE_ERROR, "process %d sent what is no line",
		    (int)pid);
		return;
	}
	rd_init(&r, m.payload, m.len);
	if (logline_decode(&r, &l) == -1)
		say(g, LOGLINE_ERROR, "process %d sent a malformed line",
		    (int)pid);
	else if (!is_repeat(g, &l))
		emit(g, &l, pid);
}

/* Say how many lines found no room, once there is room again. */
static void
report_dropped(struct logger *g, size_t i)
{
	struct log_lane	*lane = g->s->lanes[i].lane;
	uint64_t	 dropped = atomic_load(&lane->dropped);
	uint64_t	 reported = atomic_exchange(&lane->reported, dropped);

	if (dropped != reported)
		say(g, LOGLINE_ERROR, "%ju lines were dropped: they came "
		    "faster than they could be written",
		    (uintmax_t)(dropped - reported));
}

/* Read a batch of one lane.  True when it is empty now. */
static bool
read_lane(struct logger *g, size_t i)
{
	uint8_t	 data[MSG_HEADER + LOGLINE_MAX];
	ssize_t	 n;
	pid_t	 pid;
	bool	 end;

	for (int lines = 0; lines < BATCH; lines++) {
		n = receive(g->s->lanes[i].fd, data, sizeof(data), &pid,
		    &end);
		if (n >= 0 && !end)
			on_line(g, data, (size_t)n, pid);
		else if (n == -1 && errno == EINTR)
			continue;
		else {
			if (n == 0)
				g->closed[i] = end;
			report_dropped(g, i);
			return true;
		}
	}
	return false;
}

static int
on_reopen(void *ctx, struct rd *r, int *fds)
{
	struct logger	*g = ctx;
	int		 fd;

	(void)r;
	(void)fds;
	if (!g->t.to_file)
		return 0;
	fd = open_file(g->t.to);
	if (fd == -1) {
		say(g, LOGLINE_ERROR, "cannot open %s again: %s; writing on "
		    "where I was", g->t.to, strerror(errno));
		return 0;
	}
	flush(g);
	close(g->t.out);
	g->t.out = fd;
	say(g, LOGLINE_INFO, "log file opened again");
	return 0;
}

/* 0, or -1 with errno. */
static int
open_target(struct target *t, const struct setup_generation *gen)
{
	*t = (struct target){
		.generation = gen->number, .to = gen->conf->log.to, .out = -1,
		.json = gen->conf->log.format == CONF_LOG_JSON,
	};
	if (strcmp(t->to, "stdout") == 0)
		t->out = STDOUT_FILENO;
	else if (strcmp(t->to, "stderr") == 0)
		t->out = STDERR_FILENO;
	else if (strcmp(t->to, "syslog") == 0)
		openlog("sallyportd", LOG_NDELAY, LOG_DAEMON);
	else {
		t->to_file = true;
		t->out = open_file(t->to);
		return t->out == -1 ? -1 : 0;
	}
	return 0;
}

static void
close_target(struct target *t)
{
	if (t->to_file && t->out != -1)
		close(t->out);
	*t = (struct target){ .out = -1 };
}

static void
refusal(const struct target *t, char *buf, size_t size)
{
	snprintf(buf, size, "log.to: cannot open %s as user %u, group %u: %s",
	    t->to, (unsigned)geteuid(), (unsigned)getegid(), strerror(errno));
}

/* Could lines be written as a new generation wants it? */
static int
try_target(struct logger *g, const struct setup_generation *gen)
{
	char		 why[512];
	uint8_t		 buf[4 + sizeof(why)];
	struct wr	 w;

	close_target(&g->next);
	if (open_target(&g->next, gen) == 0)
		return channel_send_u32(g->s->channel, MSG_PREPARED,
		    gen->number);
	refusal(&g->next, why, sizeof(why));
	close_target(&g->next);
	wr_init(&w, buf, sizeof(buf));
	wr_u32(&w, gen->number);
	wr_bytes(&w, why, strlen(why));
	return channel_send(g->s->channel, MSG_REFUSED, buf, wr_len(&w), NULL,
	    0);
}

static int
on_conf(void *ctx, struct rd *r, int *fds)
{
	struct logger	*g = ctx;

	if (setup_on_conf(g->s, r, fds) == -1)
		return -1;
	return try_target(g, &g->s->generations[g->s->ngenerations - 1]);
}

static int
on_commit(void *ctx, struct rd *r, int *fds)
{
	struct logger	*g = ctx;

	(void)fds;
	if (rd_u32(r) != g->next.generation)
		return 0;
	flush(g);
	close_target(&g->t);
	g->t = g->next;
	g->next = (struct target){ .out = -1 };
	log_init("logger", (enum logline_level)setup_generation(g->s,
	    g->t.generation)->conf->log.level);
	return 0;
}

static int
on_forget(void *ctx, struct rd *r, int *fds)
{
	struct logger	*g = ctx;
	struct rd	 copy = *r;
	uint32_t	 number = rd_u32(&copy);

	if (number == g->t.generation)
		return -1;
	if (number == g->next.generation)
		close_target(&g->next);
	return setup_on_forget(g->s, r, fds);
}

static void
watch_lane(const struct setup_lane *lane)
{
	const int	 on = 1;

	(void)setsockopt(lane->fd, SOL_SOCKET, SO_PASSCRED, &on, sizeof(on));
}

static int
on_lane_in(void *ctx, struct rd *r, int *fds)
{
	struct logger	*g = ctx;

	if (setup_on_lane_in(g->s, r, fds) == -1)
		return -1;
	watch_lane(&g->s->lanes[g->s->nlanes - 1]);
	g->closed[g->s->nlanes - 1] = false;
	return 0;
}

static const struct channel_rule requests[] = {
	{ MSG_REOPEN,	ROLE_MASTER,	0,	on_reopen },
	{ MSG_CONF,	ROLE_MASTER,	1,	on_conf },
	{ MSG_COMMIT,	ROLE_MASTER,	0,	on_commit },
	{ MSG_FORGET,	ROLE_MASTER,	0,	on_forget },
	{ MSG_LANE_IN,	ROLE_MASTER,	2,	on_lane_in },
};

/* Those of the pools that are no more. */
static void
drop_closed_lanes(struct logger *g)
{
	struct setup	*s = g->s;

	for (size_t i = s->nlanes; i-- > 0;) {
		if (!g->closed[i])
			continue;
		close(s->lanes[i].fd);
		(void)munmap(s->lanes[i].lane, sizeof(*s->lanes[i].lane));
		s->lanes[i] = s->lanes[--s->nlanes];
		g->closed[i] = g->closed[s->nlanes];
	}
}

/* Read what lies in all lanes until it is over or the last words are said. */
static _Noreturn void
finish(struct logger *g)
{
	int64_t		 deadline = io_now_ms() + LAST_WORDS_MS;
	struct pollfd	 p[SETUP_LANES_MAX];
	bool		 open = true;

	while (open && io_left_ms(deadline) > 0) {
		open = false;
		for (size_t i = 0; i < g->s->nlanes; i++) {
			while (!g->closed[i] && !read_lane(g, i))
				continue;
			p[i].fd = g->closed[i] ? -1 : g->s->lanes[i].fd;
			p[i].events = POLLIN;
			open |= !g->closed[i];
		}
		flush(g);
		if (open)
			(void)sig_ppoll(p, g->s->nlanes,
			    io_left_ms(deadline));
	}
	close_windows(g, INT64_MAX);
	flush(g);
	exit(0);
}

/* What is in effect: the one that was committed, or at the start the only. */
static void
open_log(struct logger *g)
{
	const struct setup_generation	*gen;
	char				 why[512];

	gen = setup_generation(g->s, g->s->committed);
	if (gen == NULL)
		gen = &g->s->generations[0];
	log_init("logger", (enum logline_level)gen->conf->log.level);
	if (open_target(&g->t, gen) == -1) {
		refusal(&g->t, why, sizeof(why));
		log_fatal(77, "%s", why);
	}
	/* Started in the middle of a reload. */
	gen = &g->s->generations[g->s->ngenerations - 1];
	if (gen->number > g->s->committed)
		(void)try_target(g, gen);
}

static void
serve_once(struct logger *g)
{
	struct setup	*s = g->s;
	struct pollfd	 p[SETUP_LANES_MAX + 1];
	size_t		 n = s->nlanes;

	p[n] = (struct pollfd){ s->channel, POLLIN, 0 };
	for (size_t i = 0; i < n; i++)
		p[i] = (struct pollfd){ s->lanes[i].fd, POLLIN, 0 };
	/* Its end comes by the channel; TERM tells of a dead master. */
	if (sig_ppoll(p, n + 1, 1000) == -1) {
		if (sig_is_set(SIGTERM))
			finish(g);
		return;
	}
	/* First, as lines that come after it are meant for what it names. */
	if (p[n].revents != 0 && channel_dispatch(s->channel, ROLE_MASTER,
	    requests, nitems(requests), g) != 1)
		finish(g);
	for (size_t i = 0; i < n; i++)
		if (p[i].revents != 0)
			(void)read_lane(g, i);
	close_windows(g, io_now_ms());
	drop_closed_lanes(g);
	if (g->len > 0) {
		flush(g);
		/* Lines that come in a rush are read and written together. */
		(void)sig_ppoll(&p[n], 1, GATHER_MS);
	}
}

void
logger_main(struct setup *s)
{
	static const int	 signals[] = { SIGTERM, 0 };
	static struct logger	 logger;
	struct logger		*g = &logger;

	g->s = s;
	sig_init(signals);
	open_log(g);
	for (size_t i = 0; i < s->nlanes; i++)
		watch_lane(&s->lanes[i]);
	sandbox_enter();
	proc_title("logger");
	setup_ready(s);
	for (;;)
		serve_once(g);
}
