#include <bsd/stdlib.h>

#include <stdlib.h>
#include <string.h>

#include "base/io.h"
#include "base/mem.h"
#include "process/check.h"
#include "process/probe.h"

#define FIRST_MS	1000	/* in which the first of all servers begin */
#define TIMEOUT_MS	2000	/* of servers without a check of their own */

struct check {
	struct checks		*all;
	struct servers		*servers;
	struct server		*server;
	struct timer		 timer;		/* of the next probe */
	struct probe		*probe;		/* under way, or NULL */
	TAILQ_ENTRY(check)	 wait;
	bool			 waiting;	/* for others' to end */
	bool			 fresh;		/* nothing is known yet */
	int64_t			 good, bad;	/* in a row */
	int64_t			 retry_ms;
	int64_t			 report_at;	/* when one may be believed */
};

struct checks {
	struct loop		*loop;
	TAILQ_HEAD(, check)	 waiting;
	size_t			 probes;
};

static void	 begin(struct check *c);

static bool
has_check(const struct server *s)
{
	return s->backend->check.type != CONF_CHECK_NONE;
}

static bool
is_wanted(const struct server *s)
{
	return s->conf != NULL && s->mode != BOOK_MAINT && s->n > 0 &&
	    (has_check(s) || s->state == BOOK_FAILED);
}

/* Up to a tenth sooner, so that those which began together drift apart. */
static int64_t
interval(const struct server *s)
{
	int64_t	 ms = s->backend->check.interval;

	return ms - arc4random_uniform((uint32_t)(ms / 10 + 1));
}

static void
schedule(struct check *c)
{
	const struct server	*s = c->server;
	int64_t			 ms;

	if (!is_wanted(s)) {
		loop_unset(c->all->loop, &c->timer);
		return;
	}
	ms = has_check(s) ? interval(s) : CHECK_RETRY_MAX_MS;
	if (s->state == BOOK_FAILED && c->retry_ms < ms)
		ms = c->retry_ms;
	loop_set(c->all->loop, &c->timer, io_now_ms() + ms);
}

/* A probe has ended: there is room for one of those who wait. */
static void
end_one(struct checks *all)
{
	struct check	*c;

	all->probes--;
	do {
		c = TAILQ_FIRST(&all->waiting);
		if (c == NULL)
			return;
		TAILQ_REMOVE(&all->waiting, c, wait);
		c->waiting = false;
		/* One that has but sessions left has no backend any more. */
	} while (!is_wanted(c->server));
	begin(c);
}

static void
stop(struct check *c)
{
	loop_unset(c->all->loop, &c->timer);
	if (c->waiting)
		TAILQ_REMOVE(&c->all->waiting, c, wait);
	c->waiting = false;
	if (c->probe == NULL)
		return;
	probe_cancel(&c->probe);
	end_one(c->all);
}

static void
on_good(struct check *c)
{
	const struct server	*s = c->server;

	c->bad = 0;
	c->good++;
	c->retry_ms = CHECK_RETRY_MIN_MS;
	if (s->state != BOOK_DOWN || c->fresh ||
	    c->good >= s->backend->check.rise)
		server_set_state(c->servers, c->server, BOOK_UP, NULL);
}

static void
on_bad(struct check *c, const char *why)
{
	const struct server	*s = c->server;

	c->good = 0;
	c->bad++;
	server_failed_once(c->server);
	if (has_check(s) && (c->fresh || c->bad >= s->backend->check.fall))
		server_set_state(c->servers, c->server, BOOK_DOWN, why);
	c->retry_ms *= 2;
	if (c->retry_ms > CHECK_RETRY_MAX_MS)
		c->retry_ms = CHECK_RETRY_MAX_MS;
}

static void
on_done(void *ctx, const char *why)
{
	struct check	*c = ctx;

	c->probe = NULL;
	if (is_wanted(c->server)) {
		if (why == NULL)
			on_good(c);
		else
			on_bad(c, why);
		c->fresh = false;
	}
	schedule(c);
	end_one(c->all);
}

static void
begin(struct check *c)
{
	const struct server		*s = c->server;
	const struct conf_backend	*b = s->backend;
	struct probe_task		 task = {
		.talk = {
			.type = has_check(s) ? b->check.type : CONF_CHECK_TCP,
			.send = b->check.send, .expect = b->check.expect,
			.name = s->name != NULL ? s->conf->spec.name : NULL,
		},
		.source = b->source,
		.send_proxy = (int)s->conf->send_proxy,
		.timeout = has_check(s) ? b->check.timeout : TIMEOUT_MS,
		.n = s->n,
	};

	memcpy(task.addrs, s->addrs, s->n * sizeof(s->addrs[0]));
	c->probe = probe_start(c->all->loop, &task, on_done, c);
	c->all->probes++;
}

static void
on_timer(void *ctx)
{
	struct check	*c = ctx;

	if (c->probe != NULL || c->waiting || !is_wanted(c->server))
		return;
	if (c->all->probes < CHECK_PROBES_MAX) {
		begin(c);
		return;
	}
	c->waiting = true;
	TAILQ_INSERT_TAIL(&c->all->waiting, c, wait);
}

struct checks *
checks_new(struct loop *loop)
{
	struct checks	*all = mem_calloc(1, sizeof(*all));

	all->loop = loop;
	TAILQ_INIT(&all->waiting);
	return all;
}

void
checks_free(struct checks **checks)
{
	free(*checks);
	*checks = NULL;
}

void
check_update(struct checks *all, struct servers *servers, struct server *s)
{
	struct check	*c = s->check;

	if (c == NULL) {
		c = s->check = mem_calloc(1, sizeof(*c));
		c->all = all;
		c->servers = servers;
		c->server = s;
		c->timer = (struct timer){ .run = on_timer, .ctx = c };
		c->fresh = true;
		c->retry_ms = CHECK_RETRY_MIN_MS;
	}
	if (!is_wanted(s)) {
		stop(c);
		c->fresh = true;
		/* Who is no longer checked cannot be told to be down. */
		if (s->state == BOOK_DOWN && s->conf != NULL && !has_check(s))
			server_set_state(servers, s, BOOK_UP, NULL);
		return;
	}
	if (c->probe != NULL || c->waiting)
		return;
	if (!c->timer.on)
		loop_set(all->loop, &c->timer, io_now_ms() +
		    arc4random_uniform(FIRST_MS));
	else if (has_check(s) && c->timer.at > io_now_ms() +
	    s->backend->check.interval)
		schedule(c);	/* it was longer before */
}

void
check_end(struct checks *all, struct server *s)
{
	(void)all;
	if (s->check == NULL)
		return;
	stop(s->check);
	free(s->check);
	s->check = NULL;
}

void
check_report(struct checks *all, struct servers *servers, struct server *s)
{
	struct check	*c = s->check;
	int64_t		 now = io_now_ms();

	server_failed_once(s);
	if (c == NULL || s->conf == NULL || s->state != BOOK_UP ||
	    s->mode == BOOK_MAINT)
		return;
	server_set_state(servers, s, BOOK_FAILED,
	    "a session could not be connected");
	c->retry_ms = CHECK_RETRY_MIN_MS;
	if (c->probe != NULL || c->waiting)
		return;
	if (c->report_at < now)
		c->report_at = now;
	loop_set(all->loop, &c->timer, c->report_at);
	c->report_at += CHECK_RETRY_MIN_MS;
}
