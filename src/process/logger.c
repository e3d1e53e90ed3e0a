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
#include "process/lane_in.h"
#include "process/record_in.h"
#include "process/role.h"
#include "process/sandbox.h"

#define REPEATS_MAX	10	/* of one line in a window, before silence */
#define WINDOW_MS	10000
#define LAST_WORDS_MS	1000	/* to read on once the master is gone */
#define GATHER_MS	2	/* from lines written to the next */
#define BATCH		64	/* lines of a lane before the next one */
#define STUCK_MS	100	/* until a full disk is tried again */
#define WHY_MAX		512

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
	struct sink	 sink;		/* fd -1: syslog */
	bool		 json;
};

struct held {
	uint8_t		*p;		/* NULL: none */
	size_t		 len;
};

struct logger {
	struct setup	*s;
	struct target	 t;
	struct target	 next;		/* prepared, not in effect yet */
	/* Lanes that nobody writes to any more. */
	bool		 closed[SETUP_LANES_MAX];
	struct repeat	 repeats[64];
	struct record_in in;
	/* A record of each lane that finds no room yet: it is not read. */
	struct held	 held[SETUP_LANES_MAX];
};

static void	 say(struct logger *, enum logline_level, const char *, ...)
		    __attribute__((format(printf, 3, 4)));

/* Write what waits; what was lost meanwhile is told when it is over. */
static bool
flush(struct logger *g)
{
	struct sink	*sink = &g->t.sink;
	uint64_t	 lost;

	if (!sink_flush(sink))
		return false;
	if (sink->lost == 0)
		return true;
	lost = sink->lost;
	sink->lost = 0;
	say(g, LOGLINE_ERROR, "%ju lines were lost: the log could not be "
	    "written", (uintmax_t)lost);
	return sink_flush(sink);
}

/* A file of records cannot be written, or can again. */
static void
on_file(void *ctx, const struct record_file *f, int error, uint64_t lost)
{
	struct logger	*g = ctx;

	if (error != 0)
		say(g, LOGLINE_ERROR, "cannot write to %s: %s", f->path,
		    strerror(error));
	else if (lost > 0)
		say(g, LOGLINE_ERROR, "%ju records were lost: %s could not "
		    "be written", (uintmax_t)lost, f->path);
	else
		say(g, LOGLINE_INFO, "%s can be written again; no record was "
		    "lost", f->path);
}

/* Write what waits everywhere.  True when nothing does. */
static bool
flush_all(struct logger *g)
{
	uint64_t	 malformed = g->in.malformed;
	bool		 all = record_in_flush(&g->in, on_file, g);

	g->in.malformed = 0;
	if (malformed > 0)
		say(g, LOGLINE_ERROR, "%ju records were lost: they did not "
		    "arrive whole", (uintmax_t)malformed);
	return flush(g) && all;
}

/* Records may go there as well. */
static void
note_log(struct logger *g)
{
	g->in.log = g->t.sink.fd != -1 ? &g->t.sink : NULL;
}

static void
to_syslog(const struct logline *l, pid_t pid)
{
	static char		 text[LOGLINE_TEXT_MAX];
	static const int	 priorities[] = {
		LOG_ERR, LOG_WARNING, LOG_INFO, LOG_DEBUG,
	};
	size_t			 n = logline_text(l, pid, false, text);

	syslog(priorities[l->level], "%.*s", (int)(n - 1), text);
}

static void
emit(struct logger *g, const struct logline *l, pid_t pid)
{
	char	*line;

	if (g->t.sink.fd == -1) {
		to_syslog(l, pid);
		return;
	}
	line = sink_room(&g->t.sink, LOGLINE_TEXT_MAX);
	if (line == NULL)
		g->t.sink.lost++;
	else
		sink_add(&g->t.sink, g->t.json ?
		    logline_json(l, pid, line) :
		    logline_text(l, pid, true, line));
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

/* Say how many found no room, once there is room again. */
static void
report_dropped(struct logger *g, size_t i)
{
	uint64_t	 n = lane_dropped(&g->s->lanes[i]);

	if (n > 0)
		say(g, LOGLINE_ERROR, "%ju %s were dropped: they came "
		    "faster than they could be written", (uintmax_t)n,
		    g->s->lanes[i].records ? "records" : "lines");
}

/* Does the lane hold no record, or has that found room now? */
static bool
is_free(struct logger *g, size_t i)
{
	struct held	*h = &g->held[i];

	if (h->p == NULL)
		return true;
	if (record_in_write(&g->in, h->p, h->len) == RECORD_LATER)
		return false;
	free(h->p);
	*h = (struct held){ NULL, 0 };
	return true;
}

static void
hold(struct held *h, const uint8_t *p, size_t len)
{
	h->p = mem_calloc(1, len);
	memcpy(h->p, p, len);
	h->len = len;
}

/* A part of a record.  False when that finds no room. */
static bool
on_record(struct logger *g, size_t i, const uint8_t *data, size_t size,
    pid_t pid)
{
	struct msg	 m;
	const uint8_t	*p;
	size_t		 len;

	if (msg_decode(data, size, &m) == -1 || m.type != MSG_RECORD) {
		g->in.malformed++;
		return true;
	}
	switch (record_in_part(&g->in, pid, m.payload, m.len, &p, &len)) {
	case -1:
		g->in.malformed++;
		return true;
	case 0:
		return true;
	default:
		break;
	}
	if (record_in_write(&g->in, p, len) == RECORD_TAKEN)
		return true;
	hold(&g->held[i], p, len);
	return false;
}

/* Read a batch of one lane.  True when no more can be read now. */
static bool
read_lane(struct logger *g, size_t i)
{
	static uint8_t	 data[MSG_HEADER + QUERY_RECORD_PART_HEAD +
			    QUERY_RECORD_PART];
	ssize_t		 n;
	pid_t		 pid;
	bool		 end;

	for (int lines = 0; lines < BATCH; lines++) {
		n = lane_receive(&g->s->lanes[i], data, sizeof(data), &pid,
		    &end);
		if (n >= 0 && !end && g->s->lanes[i].records) {
			if (!on_record(g, i, data, (size_t)n, pid))
				return true;
		} else if (n >= 0 && !end)
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

static void
cannot_reopen(struct logger *g, const char *path, int error)
{
	say(g, LOGLINE_ERROR, "cannot open %s again: %s; writing on where I "
	    "was", path, strerror(error));
}

static void
on_no_reopen(void *ctx, const struct record_file *f, int error, uint64_t lost)
{
	(void)lost;
	cannot_reopen(ctx, f->path, error);
}

static int
on_reopen(void *ctx, struct rd *r, int *fds)
{
	struct logger	*g = ctx;

	(void)r;
	(void)fds;
	record_in_reopen(&g->in, on_no_reopen, g);
	if (g->t.sink.path == NULL)
		return 0;
	if (sink_reopen(&g->t.sink) == 0)
		say(g, LOGLINE_INFO, "log file opened again");
	else
		cannot_reopen(g, g->t.to, errno);
	return 0;
}

/* 0, or -1 with errno. */
static int
open_target(struct target *t, const struct setup_generation *gen)
{
	*t = (struct target){
		.generation = gen->number, .to = gen->conf->log.to,
		.sink.fd = -1,
		.json = gen->conf->log.format == CONF_LOG_JSON,
	};
	if (strcmp(t->to, "stdout") == 0)
		sink_use(&t->sink, STDOUT_FILENO);
	else if (strcmp(t->to, "stderr") == 0)
		sink_use(&t->sink, STDERR_FILENO);
	else if (strcmp(t->to, "syslog") == 0)
		openlog("sallyportd", LOG_NDELAY, LOG_DAEMON);
	else
		return sink_open(&t->sink, t->to);
	return 0;
}

/* Lines that were lost with it are told by the next one. */
static void
close_target(struct target *t, struct target *next)
{
	uint64_t	 lost = 0;

	sink_close(&t->sink, &lost);
	if (next != NULL)
		next->sink.lost += lost;
	*t = (struct target){ .sink.fd = -1 };
}

static void
refusal(const struct target *t, char *buf, size_t size)
{
	snprintf(buf, size, "log.to: cannot open %s as user %u, group %u: %s",
	    t->to, (unsigned)geteuid(), (unsigned)getegid(), strerror(errno));
}

static void
record_refusal(const char *path, char *buf, size_t size)
{
	snprintf(buf, size, "query_log.to: cannot open %s as user %u, "
	    "group %u: %s", path, (unsigned)geteuid(), (unsigned)getegid(),
	    strerror(errno));
}

static int
refuse(const struct logger *g, uint32_t generation, const char *why)
{
	uint8_t		 buf[4 + WHY_MAX];
	struct wr	 w;

	wr_init(&w, buf, sizeof(buf));
	wr_u32(&w, generation);
	wr_bytes(&w, why, strlen(why));
	return channel_send(g->s->channel, MSG_REFUSED, buf, wr_len(&w), NULL,
	    0);
}

/* Could lines be written as a new generation wants it? */
static int
try_target(struct logger *g, const struct setup_generation *gen)
{
	char		 why[WHY_MAX];

	close_target(&g->next, NULL);
	if (open_target(&g->next, gen) == 0)
		return channel_send_u32(g->s->channel, MSG_PREPARED,
		    gen->number);
	refusal(&g->next, why, sizeof(why));
	close_target(&g->next, NULL);
	return refuse(g, gen->number, why);
}

/* The same for the files of its records. */
static int
try_generation(struct logger *g, const struct setup_generation *gen)
{
	const char	*path;
	char		 why[WHY_MAX];

	if (record_in_prepare(&g->in, gen->conf, &path) == 0)
		return try_target(g, gen);
	record_refusal(path, why, sizeof(why));
	return refuse(g, gen->number, why);
}
static int
on_conf(void *ctx, struct rd *r, int *fds)
{
	struct logger	*g = ctx;

	if (setup_on_conf(g->s, r, fds) == -1)
		return -1;
	return try_generation(g,
	    &g->s->generations[g->s->ngenerations - 1]);
}

static int
on_commit(void *ctx, struct rd *r, int *fds)
{
	struct logger	*g = ctx;

	(void)fds;
	if (rd_u32(r) != g->next.generation)
		return 0;
	close_target(&g->t, &g->next);
	g->t = g->next;
	g->next = (struct target){ .sink.fd = -1 };
	note_log(g);
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
		close_target(&g->next, NULL);
	if (setup_on_forget(g->s, r, fds) == -1)
		return -1;
	record_in_trim(&g->in);
	return 0;
}

static int
on_lane_in(void *ctx, struct rd *r, int *fds)
{
	struct logger	*g = ctx;

	if (setup_on_lane_in(g->s, r, fds) == -1)
		return -1;
	lane_watch(&g->s->lanes[g->s->nlanes - 1]);
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
		g->held[i] = g->held[s->nlanes];
		g->held[s->nlanes] = (struct held){ NULL, 0 };
	}
}

/* One that holds a record is read when that has found room. */
static struct pollfd
interest(const struct logger *g, size_t i)
{
	return (struct pollfd){
		.fd = g->closed[i] || g->held[i].p != NULL ? -1 :
		    g->s->lanes[i].fd,
		.events = POLLIN,
	};
}

/* Read what lies in all lanes until it is over or the last words are said. */
static _Noreturn void
finish(struct logger *g)
{
	int64_t		 deadline = io_now_ms() + LAST_WORDS_MS;
	struct pollfd	 p[SETUP_LANES_MAX];
	bool		 open = true, stuck;

	while (open && io_left_ms(deadline) > 0) {
		open = false;
		stuck = !flush_all(g);
		for (size_t i = 0; i < g->s->nlanes; i++) {
			while (!g->closed[i] && is_free(g, i) &&
			    !read_lane(g, i))
				continue;
			p[i] = interest(g, i);
			open |= !g->closed[i];
		}
		stuck |= !flush_all(g);
		if (open)
			(void)sig_ppoll(p, g->s->nlanes, stuck ? STUCK_MS :
			    io_left_ms(deadline));
	}
	close_windows(g, INT64_MAX);
	(void)flush_all(g);
	exit(0);
}

/* What is in effect: the one that was committed, or at the start the only. */
static void
open_log(struct logger *g)
{
	const struct setup_generation	*gen;
	char				 why[WHY_MAX];
	const char			*path;

	gen = setup_generation(g->s, g->s->committed);
	if (gen == NULL)
		gen = &g->s->generations[0];
	log_init("logger", (enum logline_level)gen->conf->log.level);
	if (open_target(&g->t, gen) == -1) {
		refusal(&g->t, why, sizeof(why));
		log_fatal(77, "%s", why);
	}
	note_log(g);
	if (record_in_prepare(&g->in, gen->conf, &path) == -1) {
		record_refusal(path, why, sizeof(why));
		log_fatal(77, "%s", why);
	}
	/* Started in the middle of a reload. */
	gen = &g->s->generations[g->s->ngenerations - 1];
	if (gen->number > g->s->committed)
		(void)try_generation(g, gen);
}

static void
serve_once(struct logger *g)
{
	struct setup	*s = g->s;
	struct pollfd	 p[SETUP_LANES_MAX + 1];
	size_t		 n = s->nlanes;
	bool		 stuck = !flush_all(g), read = false;

	p[n] = (struct pollfd){ s->channel, POLLIN, 0 };
	for (size_t i = 0; i < n; i++) {
		if (is_free(g, i))
			p[i] = interest(g, i);
		else
			p[i] = (struct pollfd){ .fd = -1 };
	}
	/* Its end comes by the channel; TERM tells of a dead master. */
	if (sig_ppoll(p, n + 1, stuck ? STUCK_MS : 1000) == -1) {
		if (sig_is_set(SIGTERM))
			finish(g);
		return;
	}
	/* First, as lines that come after it are meant for what it names. */
	if (p[n].revents != 0 && channel_dispatch(s->channel, ROLE_MASTER,
	    requests, nitems(requests), g) != 1)
		finish(g);
	for (size_t i = 0; i < n; i++)
		if (p[i].revents != 0) {
			(void)read_lane(g, i);
			read = true;
		}
	close_windows(g, io_now_ms());
	drop_closed_lanes(g);
	if (read) {
		(void)flush_all(g);
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
	g->in.setup = s;
	g->next.sink.fd = g->t.sink.fd = -1;
	sig_init(signals);
	open_log(g);
	for (size_t i = 0; i < s->nlanes; i++)
		lane_watch(&s->lanes[i]);
	sandbox_enter(ROLE_LOGGER, s->conf, NULL);
	proc_title("logger");
	setup_ready(s);
	for (;;)
		serve_once(g);
}
