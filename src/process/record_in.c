#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>

#include "base/mem.h"
#include "process/record_in.h"

/* --- parts */

static void
drop_partial(struct record_in *in, size_t i)
{
	in->bytes -= in->partials[i].len;
	free(in->partials[i].p);
	in->partials[i] = in->partials[--in->npartials];
}

/* Of that process; it does one at a time. */
static size_t
find_partial(const struct record_in *in, pid_t pid)
{
	size_t	 i = 0;

	while (i < in->npartials && in->partials[i].pid != pid)
		i++;
	return i;
}

/* The first part: what the process had begun before it has given up. */
static struct record_partial *
begin_partial(struct record_in *in, pid_t pid, uint64_t session, uint32_t n)
{
	size_t	 i = find_partial(in, pid);

	if (i < in->npartials)
		drop_partial(in, i);
	while (in->npartials == RECORD_PARTIALS_MAX) {
		drop_partial(in, 0);
		in->malformed++;
	}
	in->partials = mem_resize(in->partials, in->npartials + 1,
	    sizeof(*in->partials));
	in->partials[in->npartials] = (struct record_partial){
		.pid = pid, .session = session, .n = n,
	};
	return &in->partials[in->npartials++];
}

/* The partial that the part belongs to, or NULL. */
static struct record_partial *
partial_of(struct record_in *in, pid_t pid, uint64_t session, uint32_t part,
    uint32_t n)
{
	struct record_partial	*p;
	size_t			 i;

	if (part == 0)
		return begin_partial(in, pid, session, n);
	i = find_partial(in, pid);
	if (i == in->npartials)
		return NULL;
	p = &in->partials[i];
	if (p->session == session && p->next == part && p->n == n)
		return p;
	drop_partial(in, i);
	return NULL;
}

/*
 * Others give way to who goes on: some may be of processes that are no more.
 * Returns where the partial is then.
 */
static struct record_partial *
make_room(struct record_in *in, struct record_partial *partial, size_t more)
{
	const pid_t	 pid = partial->pid;

	while (in->bytes + more > RECORD_PARTIALS_BYTES &&
	    in->npartials > 1) {
		drop_partial(in, in->partials[0].pid == pid);
		in->malformed++;
	}
	return &in->partials[find_partial(in, pid)];
}

int
record_in_part(struct record_in *in, pid_t pid, const uint8_t *payload,
    size_t size, const uint8_t **p, size_t *len)
{
	static uint8_t		*whole;	/* until the next call */
	struct record_partial	*partial;
	struct rd		 r;
	uint64_t		 session;
	uint32_t		 part, n;

	free(whole);
	whole = NULL;
	rd_init(&r, payload, size);
	session = rd_u64(&r);
	part = rd_u32(&r);
	n = rd_u32(&r);
	if (!rd_ok(&r) || part >= n || r.left > QUERY_RECORD_PART ||
	    n > QUERY_RECORD_MAX / QUERY_RECORD_PART + 1)
		return -1;
	if (n == 1) {
		*p = r.p;
		*len = r.left;
		return 1;
	}
	partial = partial_of(in, pid, session, part, n);
	if (partial == NULL)
		return -1;
	partial = make_room(in, partial, r.left);
	partial->p = mem_resize(partial->p, partial->len + r.left, 1);
	memcpy(partial->p + partial->len, r.p, r.left);
	partial->len += r.left;
	in->bytes += r.left;
	if (++partial->next < n)
		return 0;
	*p = whole = partial->p;
	*len = partial->len;
	partial->p = NULL;
	drop_partial(in, (size_t)(partial - in->partials));
	return 1;
}

/* --- where to */

static struct record_file *
find_file(const struct record_in *in, const char *path)
{
	for (size_t i = 0; i < in->nfiles; i++)
		if (strcmp(in->files[i]->path, path) == 0)
			return in->files[i];
	return NULL;
}

static int
open_file(struct record_in *in, const char *path)
{
	struct record_file	*f = mem_calloc(1, sizeof(*f));
	int			 saved;

	f->path = mem_strdup(path);
	if (sink_open(&f->sink, f->path) == -1) {
		saved = errno;
		free(f->path);
		free(f);
		errno = saved;
		return -1;
	}
	in->files = mem_resize(in->files, in->nfiles + 1, sizeof(*in->files));
	in->files[in->nfiles++] = f;
	return 0;
}

int
record_in_prepare(struct record_in *in, const struct conf *conf,
    const char **path)
{
	for (size_t i = 0; i < conf->nlisteners; i++) {
		const struct conf_listener	*l = &conf->listeners[i];

		*path = l->query_log.to;
		if (l->query_log.kind == CONF_RECORD_FILE &&
		    find_file(in, *path) == NULL && open_file(in, *path) == -1)
			return -1;
	}
	return 0;
}

static bool
is_named(const struct setup *s, const char *path)
{
	for (size_t i = 0; i < s->ngenerations; i++) {
		const struct conf	*c = s->generations[i].conf;

		for (size_t j = 0; j < c->nlisteners; j++)
			if (c->listeners[j].query_log.kind ==
			    CONF_RECORD_FILE &&
			    strcmp(c->listeners[j].query_log.to, path) == 0)
				return true;
	}
	return false;
}

void
record_in_trim(struct record_in *in)
{
	struct record_file	*f;

	for (size_t i = in->nfiles; i-- > 0;) {
		f = in->files[i];
		if (is_named(in->setup, f->path))
			continue;
		sink_close(&f->sink, &in->malformed);
		free(f->path);
		free(f);
		in->files[i] = in->files[--in->nfiles];
	}
}

/*
 * The listener of that name: of the newest generation that has one.  A session
 * may be of an older one.
 */
const struct conf_listener *
record_in_listener(const struct record_in *in, struct mysql_bytes name)
{
	for (size_t i = in->setup->ngenerations; i-- > 0;) {
		const struct conf	*c = in->setup->generations[i].conf;

		for (size_t j = 0; j < c->nlisteners; j++) {
			const struct conf_listener	*l = &c->listeners[j];

			if (l->query_log.kind != CONF_RECORD_NONE &&
			    strlen(l->name) == name.len &&
			    memcmp(l->name, name.p, name.len) == 0)
				return l;
		}
	}
	return NULL;
}

static void
to_syslog(const struct query_record *q, bool json)
{
	char	*line = mem_calloc(1, query_record_room(q));
	size_t	 n = json ? query_record_json(q, line) :
		    query_record_text(q, false, line);

	syslog(LOG_INFO, "%.*s", (int)(n - 1), line);
	free(line);
}

static struct sink *
sink_of(const struct record_in *in, const struct conf_listener *l)
{
	struct record_file	*f;

	if (l->query_log.kind == CONF_RECORD_LOG)
		return in->log;
	if (l->query_log.kind != CONF_RECORD_FILE)
		return NULL;
	f = find_file(in, l->query_log.to);
	return f != NULL ? &f->sink : NULL;
}

enum record_result
record_in_write(struct record_in *in, const uint8_t *p, size_t len)
{
	const struct conf_listener	*l;
	struct query_record		 q;
	struct sink			*sink;
	struct rd			 r;
	bool				 json;
	char				*line;

	rd_init(&r, p, len);
	if (query_record_decode(&r, &q) == -1 ||
	    (l = record_in_listener(in, q.listener)) == NULL) {
		in->malformed++;
		return RECORD_TAKEN;
	}
	json = l->query_log.format == CONF_LOG_JSON;
	sink = sink_of(in, l);
	if (sink == NULL) {
		to_syslog(&q, json);
		return RECORD_TAKEN;
	}
	line = sink_room(sink, query_record_room(&q));
	if (line != NULL)
		sink_add(sink, json ? query_record_json(&q, line) :
		    query_record_text(&q, true, line));
	else if (l->query_log.on_overflow != CONF_OVERFLOW_DROP)
		return RECORD_LATER;
	else
		sink->lost++;
	return RECORD_TAKEN;
}

static bool
flush_file(struct record_file *f, record_in_say *say, void *ctx)
{
	uint64_t	 lost;

	if (!sink_flush(&f->sink)) {
		if (!f->told)
			say(ctx, f, f->sink.error, 0);
		f->told = true;
		return false;
	}
	if (f->told || f->sink.lost > 0) {
		lost = f->sink.lost;
		f->sink.lost = 0;
		f->told = false;
		say(ctx, f, 0, lost);
	}
	return true;
}

bool
record_in_flush(struct record_in *in, record_in_say *say, void *ctx)
{
	bool	 all = true;

	for (size_t i = 0; i < in->nfiles; i++)
		all &= flush_file(in->files[i], say, ctx);
	return all;
}

void
record_in_reopen(struct record_in *in, record_in_say *say, void *ctx)
{
	for (size_t i = 0; i < in->nfiles; i++)
		if (sink_reopen(&in->files[i]->sink) == -1)
			say(ctx, in->files[i], errno, 0);
}
