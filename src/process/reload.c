#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/io.h"
#include "base/mem.h"
#include "policy/conf_diff.h"
#include "process/channel.h"
#include "process/child.h"
#include "process/notify.h"
#include "process/reload.h"

#define STOP_MS		2000	/* for what was started in vain */
#define RELOAD_MS	20000	/* from begin to effect */

/* What conf_diff() calls back with. */
struct changes {
	const struct master	*m;
	struct asker		 who;
};

void
reload_say_ready(const struct master *m)
{
	char	 status[64];

	snprintf(status, sizeof(status), "%zu listeners, generation %u",
	    m->now->conf->nlisteners, m->now->number);
	notify_ready(status);
}

static const struct child *
asking(const struct master *m, struct asker who)
{
	const struct child	*c = child_of(m, ROLE_CONTROL);

	return c != NULL && who.control == c->pid ? c : NULL;
}

void
reload_report(const struct master *m, struct asker who, const char *text)
{
	const struct child	*c = asking(m, who);
	uint8_t			 buf[MSG_PAYLOAD_MAX];
	struct wr		 w;
	size_t			 len = strlen(text);

	if (c == NULL)
		return;
	wr_init(&w, buf, sizeof(buf));
	wr_u32(&w, who.tag);
	wr_bytes(&w, text, len < sizeof(buf) - 4 ? len : sizeof(buf) - 4);
	(void)channel_send_by(c->channel, MSG_REPORT, buf, wr_len(&w), NULL,
	    0, io_now_ms() + 100);
}

void
reload_answer(const struct master *m, struct asker who, int status)
{
	const struct child	*c = asking(m, who);
	uint8_t			 buf[8];
	struct wr		 w;

	if (c == NULL)
		return;
	wr_init(&w, buf, sizeof(buf));
	wr_u32(&w, who.tag);
	wr_u32(&w, (uint32_t)status);
	(void)channel_send_by(c->channel, MSG_ASKED, buf, sizeof(buf), NULL,
	    0, io_now_ms() + 100);
}

static void
report_warning(const struct master *m, struct asker who, const char *warning)
{
	char	*text = mem_printf("warning: %s", warning);

	reload_report(m, who, text);
	free(text);
}

/* Each error is told to whoever asked and to the log. */
static void
refuse(const struct master *m, struct asker who,
    const struct conf_report *report)
{
	char	 text[128];

	for (size_t i = 0; i < report->nerrors; i++) {
		log_one_of(LOGLINE_ERROR, "%s", report->errors[i]);
		reload_report(m, who, report->errors[i]);
	}
	snprintf(text, sizeof(text), "the configuration on disk is not taken; "
	    "generation %u stays in effect", m->now->number);
	log_one_of(LOGLINE_ERROR, "%s", text);
	reload_report(m, who, text);
	reload_answer(m, who, EXIT_RUNTIME);
}

static void
say_change(void *ctx, const char *text)
{
	const struct changes	*c = ctx;

	log_one_of(LOGLINE_INFO, "reload: %s", text);
	reload_report(c->m, c->who, text);
}

void
reload_check(struct master *m, struct asker who)
{
	struct conf_report	 report = { .errors = NULL };
	struct files		 files = { .v = NULL };
	struct conf		*conf = m->load(&files, &report);

	for (size_t i = 0; i < report.nerrors; i++)
		reload_report(m, who, report.errors[i]);
	for (size_t i = 0; i < report.nwarnings; i++)
		report_warning(m, who, report.warnings[i]);
	reload_answer(m, who, conf == NULL ? EXIT_RUNTIME : EXIT_OK);
	files_release(&files);
	conf_free(&conf);
	conf_report_free(&report);
}

static void
keep(char **now, const char *old)
{
	free(*now);
	*now = mem_strdup(old);
}

/* What takes a restart stays as it is. */
static void
keep_fixed(struct conf *now, const struct conf *old)
{
	keep(&now->user, old->user);
	keep(&now->auth_user, old->auth_user);
	keep(&now->pid_file, old->pid_file);
	keep(&now->control.path, old->control.path);
	keep(&now->control.group, old->control.group);
	now->carriers = old->carriers;
}

/* One that has just died is given it all when it is started again. */
static int
prepare(struct master *m)
{
	for (size_t i = 0; i < m->nchildren; i++) {
		struct child	*c = &m->children[i];

		if (c->post->gen == NULL && !c->ending &&
		    c->channel != -1 && child_give(m, c, m->next) == -1 &&
		    errno != EPIPE && errno != ECONNRESET)
			return -1;
	}
	return 0;
}

/* Roles that are new, or that have a pool more. */
static int
start_lasting(struct master *m)
{
	for (size_t i = 0; i < m->nposts; i++) {
		struct post	*p = m->posts[i];

		if (p->gen == NULL && !p->unneeded && p->start_at == 0 &&
		    child_newest(m, p) == NULL && child_start(m, p) == -1)
			return -1;
	}
	return 0;
}

static void
count_change(void *ctx, const char *text)
{
	(void)text;
	++*(size_t *)ctx;
}

/*
 * Say what is otherwise on disk, and leave as it is what takes a restart.
 * Does anything change?
 */
static bool
take_changes(const struct master *m, struct asker who, struct conf *conf,
    const struct files *files)
{
	struct changes	 changes = { m, who };
	size_t		 n = 0;

	conf_diff(m->now->conf, conf, say_change, &changes);
	files_diff(&m->now->files, files, conf, say_change, &changes);
	keep_fixed(conf, m->now->conf);
	conf_diff(m->now->conf, conf, count_change, &n);
	files_diff(&m->now->files, files, conf, count_change, &n);
	return n > 0;
}

void
reload_begin(struct master *m, struct asker who)
{
	struct conf_report	 report = { .errors = NULL };
	struct files		 files = { .v = NULL };
	struct conf		*conf;

	notify_reloading();
	conf = m->load(&files, &report);
	for (size_t i = 0; i < report.nwarnings; i++) {
		log_one_of(LOGLINE_WARN, "%s", report.warnings[i]);
		report_warning(m, who, report.warnings[i]);
	}
	if (conf != NULL && !take_changes(m, who, conf, &files) &&
	    !store_has_moved(conf, m->now->stores)) {
		log_one_of(LOGLINE_INFO, "reload: nothing has changed");
		reload_report(m, who, "nothing has changed");
		files_release(&files);
		conf_free(&conf);
		reload_answer(m, who, EXIT_OK);
		goto out;
	}
	if (conf != NULL)
		m->next = plan_add_generation(m, conf, &files, &report, NULL);
	if (m->next == NULL) {
		refuse(m, who, &report);
		goto out;
	}
	m->reload = (struct reload){ .who = who, .began = io_now_ms() };
	if (prepare(m) == -1)
		reload_fail(m, strerror(errno));
	else if (start_lasting(m) == -1)
		reload_fail(m, "a process cannot be started");
 out:
	conf_report_free(&report);
	if (m->next == NULL)
		reload_say_ready(m);
}

static bool
are_prepared(const struct master *m)
{
	for (size_t i = 0; i < m->nposts; i++) {
		const struct child	*c;

		if (m->posts[i]->gen != NULL || m->posts[i]->unneeded)
			continue;
		c = child_newest(m, m->posts[i]);
		if (c == NULL || !c->ready || c->prepared < m->next->number)
			return false;
	}
	return true;
}

static bool
are_ready(const struct master *m)
{
	for (size_t i = 0; i < m->nposts; i++) {
		const struct child	*c;

		if (m->posts[i]->gen != m->next)
			continue;
		c = child_newest(m, m->posts[i]);
		if (c == NULL || !c->ready)
			return false;
	}
	return true;
}

static void
start_spawners(struct master *m)
{
	m->reload.started = true;
	for (size_t i = 0; i < m->nposts && m->next != NULL; i++) {
		if (m->posts[i]->gen != m->next)
			continue;
		if (child_start(m, m->posts[i]) == -1)
			reload_fail(m, "a process cannot be started");
		else if (m->posts[i]->start_at != 0)
			reload_fail(m, "no more processes can be started "
			    "while so many of earlier generations have "
			    "sessions");
	}
}

static void
commit(struct master *m)
{
	struct generation	*old = m->now;

	m->now = m->next;
	m->next = NULL;
	for (size_t i = 0; i < m->nposts; i++)
		if (m->posts[i]->gen == old)
			m->posts[i]->start_at = 0;
	for (size_t i = 0; i < m->nchildren; i++) {
		struct child	*c = &m->children[i];

		if (c->post->gen == NULL)
			child_tell_u32(c, MSG_COMMIT, m->now->number);
		else if (c->post->gen == old && !c->ending)
			child_drain(c);
	}
	bind_commit(&m->ports, m->now->conf, m->now->bindings,
	    m->now->nbindings);
	free(old->bindings);
	old->bindings = NULL;
	old->nbindings = 0;
	log_init("master", (enum logline_level)m->now->conf->log.level);
	proc_title("master, %zu listeners", m->now->conf->nlisteners);
	log_one_of(LOGLINE_INFO, "generation %u is in effect, after %lld ms",
	    m->now->number, (long long)(io_now_ms() - m->reload.began));
	reload_say_ready(m);
	reload_answer(m, m->reload.who, EXIT_OK);
}

int64_t
reload_step(struct master *m)
{
	int64_t	 deadline = m->reload.began + RELOAD_MS;

	if (m->next == NULL)
		return INT64_MAX;
	if (m->reload.failed != NULL)
		reload_fail(m, m->reload.failed);
	else if (io_left_ms(deadline) == 0)
		reload_fail(m, "not all processes got ready for it in time");
	else if (!m->reload.started && are_prepared(m))
		start_spawners(m);
	else if (m->reload.started && are_ready(m))
		commit(m);
	return m->next == NULL ? INT64_MAX : deadline;
}

/* It may have sessions already, as good as any. */
static void
let_go(struct child *c)
{
	if (c->ready) {
		child_drain(c);
		return;
	}
	child_stop(c);
	c->kill_at = io_now_ms() + STOP_MS;
}

void
reload_fail(struct master *m, const char *why)
{
	struct conf_report	 report = { .errors = NULL };
	struct generation	*gen = m->next;

	if (gen == NULL)
		return;
	m->next = NULL;
	conf_complain(&report, "reload: %s", why);
	refuse(m, m->reload.who, &report);
	conf_report_free(&report);
	for (size_t i = 0; i < m->nposts; i++)
		if (m->posts[i]->gen == gen)
			m->posts[i]->start_at = 0;
	for (size_t i = 0; i < m->nchildren; i++)
		if (m->children[i].post->gen == gen)
			let_go(&m->children[i]);
	bind_abandon(&m->ports);
	reload_say_ready(m);
}

/* Have their processes end, and drop them when those have. */
static void
tidy_posts(struct master *m)
{
	for (size_t i = m->nposts; i-- > 0;) {
		struct post	*p = m->posts[i];
		bool		 used = false;

		for (size_t j = 0; j < m->nchildren && p->unneeded; j++) {
			struct child	*c = &m->children[j];

			if (c->post != p)
				continue;
			used = true;
			if (c->ending)
				continue;
			child_stop(c);
			c->kill_at = io_now_ms() + STOP_MS;
		}
		if (p->unneeded)
			p->start_at = 0;
		if (p->unneeded && !used)
			plan_drop_post(m, p);
	}
}

void
reload_tidy(struct master *m)
{
	for (size_t i = m->ngens; i-- > 0;) {
		struct generation	*gen = m->gens[i];

		if (gen == m->now || gen == m->next || child_serves(m, gen))
			continue;
		for (size_t j = 0; j < m->nchildren; j++)
			if (m->children[j].post->gen == NULL &&
			    m->children[j].given >= gen->number)
				child_tell_u32(&m->children[j], MSG_FORGET,
				    gen->number);
		plan_drop_generation(m, gen);
	}
	tidy_posts(m);
}
