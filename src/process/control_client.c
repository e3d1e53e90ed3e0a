#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "base/log.h"
#include "base/mem.h"
#include "process/control_client.h"

static void
touch(struct client *c)
{
	c->deadline = io_now_ms() + CLIENT_MS;
}

json_t *
client_text(const char *s)
{
	json_t	*text = json_string(s);
	char	*safe, *p;

	if (text != NULL)
		return text;
	safe = p = mem_calloc(strlen(s) + 1, 4);
	for (; *s != '\0'; s++)
		p += sprintf(p, (unsigned char)*s < 0x80 ? "%c" : "\\x%02x",
		    (unsigned char)*s);
	text = json_string(safe);
	free(safe);
	return text;
}

json_t *
client_count(uint64_t n)
{
	return json_integer(n > INT64_MAX ? INT64_MAX : (json_int_t)n);
}

static void
put(struct client *c, const char *p, size_t len)
{
	if (len > CLIENT_OUT_MAX - c->out_len) {
		c->dead = true;		/* it does not read */
		return;
	}
	if (c->out_len == 0)
		touch(c);
	if (len > c->out_size - c->out_len) {
		c->out_size = c->out_len + len + 4096;
		c->out = mem_resize(c->out, c->out_size, 1);
	}
	memcpy(c->out + c->out_len, p, len);
	c->out_len += len;
}

void
client_say(struct client *c, json_t *object)
{
	char	*line = json_dumps(object, JSON_COMPACT | JSON_ENSURE_ASCII);

	json_decref(object);
	if (line == NULL) {
		c->dead = true;
		return;
	}
	put(c, line, strlen(line));
	put(c, "\n", 1);
	free(line);
}

static void
end_job(struct client *c)
{
	free(c->job.state);
	c->job = (struct client_job){ .name = NULL };
	touch(c);
}

void
client_done(struct client *c, json_t *object, int status)
{
	if (object == NULL)
		object = json_object();
	json_object_set_new(object, "done", json_true());
	json_object_set_new(object, "status", json_integer(status));
	client_say(c, object);
	end_job(c);
}

void
client_refuse(struct client *c, int status, const char *fmt, ...)
{
	json_t	*object = json_object();
	char	 why[1024];
	va_list	 ap;

	va_start(ap, fmt);
	vsnprintf(why, sizeof(why), fmt, ap);
	va_end(ap);
	json_object_set_new(object, "error", client_text(why));
	client_done(c, object, status);
}

void
client_begin(struct client *c, const char *name, client_step *step,
    void *state, int ms, const char *late)
{
	static uint64_t	 last;

	c->job = (struct client_job){
		.name = name, .id = ++last, .step = step, .state = state,
		.late = late, .deadline = io_now_ms() + ms,
	};
}

void
client_next(struct client *c, const char *name, client_step *step,
    void *state, int ms, const char *late)
{
	free(c->job.state);
	client_begin(c, name, step, state, ms, late);
}

bool
client_has_room(const struct client *c)
{
	return c->out_len < CLIENT_ROOM && !c->dead;
}

static struct client *
new_client(int fd)
{
	struct client	*c = mem_calloc(1, sizeof(*c));
	socklen_t	 len = sizeof(c->cred);

	c->fd = fd;
	c->in = mem_calloc(1, CLIENT_LINE_MAX);
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &c->cred, &len) == -1)
		c->cred = (struct ucred){ 0, (uid_t)-1, (gid_t)-1 };
	touch(c);
	return c;
}

static void
free_client(struct client *c)
{
	close(c->fd);
	free(c->job.state);
	free(c->in);
	free(c->out);
	free(c);
}

int
clients_accept(struct clients *cs, int listener)
{
	static const char	 full[] = "{\"error\":\"too many are asking "
				    "already\",\"done\":true,\"status\":1}\n";
	int			 fd;

	fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (fd == -1)
		return -1;
	if (cs->n == CLIENTS_MAX) {
		(void)send(fd, full, sizeof(full) - 1,
		    MSG_DONTWAIT | MSG_NOSIGNAL);
		close(fd);
		return 0;
	}
	cs->v[cs->n++] = new_client(fd);
	return 0;
}

struct client *
clients_find_job(struct clients *cs, uint64_t id)
{
	for (size_t i = 0; i < cs->n; i++)
		if (cs->v[i]->job.name != NULL && cs->v[i]->job.id == id &&
		    !cs->v[i]->dead)
			return cs->v[i];
	return NULL;
}

struct client *
clients_find_tag(struct clients *cs, uint32_t tag)
{
	for (size_t i = 0; i < cs->n && tag != 0; i++)
		if (cs->v[i]->job.tag == tag && !cs->v[i]->dead)
			return cs->v[i];
	return NULL;
}

static bool
wants_bytes(const struct client *c)
{
	return c->job.name == NULL && !c->ended && !c->closing &&
	    c->out_len == 0;
}

struct pollfd
client_pollfd(const struct client *c)
{
	struct pollfd	 p = { .fd = c->fd };

	if (wants_bytes(c))
		p.events |= POLLIN;
	if (c->out_len > 0)
		p.events |= POLLOUT;
	return p;
}

static void
receive(struct client *c)
{
	ssize_t	 n;

	n = recv(c->fd, c->in + c->in_len, CLIENT_LINE_MAX - c->in_len,
	    MSG_DONTWAIT);
	if (n > 0)
		c->in_len += (size_t)n;
	else if (n == 0)
		c->ended = true;
	else if (errno != EAGAIN && errno != EINTR)
		c->dead = true;
}

static void
run_line(struct client *c, const char *line, size_t len, client_run *run,
    void *ctx)
{
	json_error_t	 error;
	json_t		*request;

	request = json_loadb(line, len, JSON_REJECT_DUPLICATES, &error);
	if (json_is_object(request))
		run(ctx, c, request);
	else {
		c->closing = true;
		client_refuse(c, 2, "a request is an object of JSON on a "
		    "line");
	}
	json_decref(request);
}

/* Run the first line that is complete.  Returns whether there was one. */
static bool
run_next(struct client *c, client_run *run, void *ctx)
{
	char	*end = memchr(c->in, '\n', c->in_len);
	size_t	 len;

	if (end == NULL) {
		if (c->in_len == CLIENT_LINE_MAX) {
			c->closing = true;
			c->in_len = 0;
			client_refuse(c, 2, "a request has at most %d bytes",
			    CLIENT_LINE_MAX);
		}
		return false;
	}
	len = (size_t)(end - c->in);
	run_line(c, c->in, len, run, ctx);
	c->in_len -= len + 1;
	memmove(c->in, end + 1, c->in_len);
	return true;
}

static void
transmit(struct client *c)
{
	ssize_t	 n;

	if (c->out_len == 0 || c->dead)
		return;
	n = send(c->fd, c->out, c->out_len, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (n == -1) {
		c->dead |= errno != EAGAIN && errno != EINTR;
		return;
	}
	c->out_len -= (size_t)n;
	memmove(c->out, c->out + n, c->out_len);
	touch(c);
}

/* A job that waits for others is no fault of the client. */
static bool
is_late(const struct client *c, int64_t now)
{
	return now >= c->deadline &&
	    (c->out_len > 0 || c->job.name == NULL);
}

static void
go_on(struct client *c, short shown, client_run *run, void *ctx)
{
	int64_t	 now = io_now_ms();

	if ((shown & (POLLHUP | POLLERR)) != 0 && (shown & POLLIN) == 0)
		c->dead = true;		/* nobody is there to be answered */
	if ((shown & POLLIN) != 0)
		receive(c);
	if (c->job.name == NULL && c->out_len == 0 && !c->closing)
		(void)run_next(c, run, ctx);
	if (c->job.name != NULL && c->job.step != NULL &&
	    now >= c->job.wake_at && client_has_room(c))
		c->job.step(ctx, c);
	if (c->job.name != NULL && now >= c->job.deadline)
		client_refuse(c, 1, "%s", c->job.late);
	transmit(c);
	if (is_late(c, now) || (c->out_len == 0 && c->job.name == NULL &&
	    (c->closing || (c->ended &&
	    memchr(c->in, '\n', c->in_len) == NULL))))
		c->dead = true;
}

void
clients_go_on(struct clients *cs, const struct pollfd *p, size_t n,
    client_run *run, void *ctx)
{
	size_t	 kept = 0;

	for (size_t i = 0; i < cs->n; i++)
		go_on(cs->v[i], i < n ? p[i].revents : 0, run, ctx);
	for (size_t i = 0; i < cs->n; i++) {
		if (cs->v[i]->dead)
			free_client(cs->v[i]);
		else
			cs->v[kept++] = cs->v[i];
	}
	cs->n = kept;
}

/* Is there a line that was not begun because the one before was under way? */
static bool
has_more(const struct client *c)
{
	return wants_bytes(c) && memchr(c->in, '\n', c->in_len) != NULL;
}

int64_t
clients_next(const struct clients *cs)
{
	int64_t	 next = io_now_ms() + 60000;

	for (size_t i = 0; i < cs->n; i++) {
		const struct client	*c = cs->v[i];
		int64_t			 at = c->deadline;

		if (c->job.name != NULL && c->out_len == 0)
			at = c->job.deadline;
		if (c->job.step != NULL && c->job.wake_at < at &&
		    client_has_room(c))
			at = c->job.wake_at;
		if (has_more(c))
			at = 0;
		if (at < next)
			next = at;
	}
	return next;
}

void
clients_end(struct clients *cs)
{
	for (size_t i = 0; i < cs->n; i++) {
		transmit(cs->v[i]);
		free_client(cs->v[i]);
	}
	cs->n = 0;
}
