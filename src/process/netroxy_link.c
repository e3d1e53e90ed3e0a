#include <openssl/crypto.h>
#include <openssl/rand.h>

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/io.h"
#include "base/log.h"
#include "policy/conf_files.h"
#include "policy/port_range.h"
#include "process/channel.h"
#include "process/job.h"
#include "process/netroxy_link.h"
#include "process/proc.h"
#include "wire/netroxy.h"

#define LOGIN_MS	10000	/* for ARS */
#define SAY_MS		5000	/* for a command to be taken */
#define ASK_MIN_MS	1000	/* between two SRQ */
#define ASK_MAX_MS	60000
#define SILENT		3	/* of them without any answer */

struct talk {
	struct netroxy_link	*n;
	const struct conf	*conf;
	const struct conf_hub	*hub;
	bool			 over;
	bool			 in;
	char			 token[NETROXY_TOKEN_MAX + 1];
	int64_t			 every_ms, ask_at;
	unsigned int		 asked;		/* since it was heard last */
	bool			 told_jobs;
	size_t			 have;		/* of the next commands */
	char			 buf[NETROXY_MAX];
};

static void
give_up(struct talk *t, const char *why)
{
	if (t->over)
		return;
	t->over = true;
	snprintf(t->n->why, sizeof(t->n->why), "%s", why);
}

static void
say(struct talk *t, const struct netroxy *m)
{
	char		 buf[NETROXY_MAX];
	ssize_t		 len = netroxy_encode(m, buf, sizeof(buf));
	enum end	 end;

	if (!t->over && (len == -1 || stream_write_all(t->n->stream, buf,
	    (size_t)len, io_now_ms() + SAY_MS, t->n->told,
	    END_SERVER_RESET, &end) == -1))
		give_up(t, len == -1 ? "what is to be said does not fit a "
		    "line" : "the server takes no more");
	OPENSSL_cleanse(buf, sizeof(buf));
}

/* --- the login */

/* The file's first line. */
static struct netroxy_text
password(const struct talk *t)
{
	const struct setup		*s = t->n->s;
	const struct setup_generation	*gen =
	    &s->generations[s->ngenerations - 1];
	struct netroxy_text		 text = { "", 0 };
	size_t				 n, i;
	struct conf_file		*files = conf_files(gen->conf, &n);

	i = conf_files_find(files, n, CONF_FILE_HUB_PASSWORD, t->n->hub, 0);
	free(files);
	if (i != CONF_NOWHERE && i < gen->nfiles &&
	    gen->files[i].data != NULL) {
		text.p = gen->files[i].data;
		text.len = strcspn(text.p, "\r\n");
	}
	return text;
}

static void
log_in(struct talk *t)
{
	uint64_t	 random = 0;
	char		 client[40];
	struct netroxy	 m = {
		.command = NETROXY_ATH, .password = password(t),
		.user = { t->hub->id, strlen(t->hub->id) },
	};

	(void)RAND_bytes((uint8_t *)&random, sizeof(random));
	m.client.p = client;
	m.client.len = (size_t)snprintf(client, sizeof(client),
	    "sallyport-%016" PRIx64, random);
	say(t, &m);
}

static uint16_t
port_of(const struct conf_publish *p)
{
	struct port_want	 w;
	const char		*why;

	return port_want_parse(p->map, &w, &why) == 0 ? w.low : 0;
}

static const struct conf_publish *
service_at(const struct talk *t, uint32_t port)
{
	const struct conf_publishes	*list = &t->conf->publishes;

	for (size_t i = 0; i < list->n; i++)
		if (strcmp(list->v[i].hub, t->hub->name) == 0 &&
		    port_of(&list->v[i]) == port)
			return &list->v[i];
	return NULL;
}

static void
ask_for_ports(struct talk *t)
{
	const struct conf_publishes	*list = &t->conf->publishes;

	for (size_t i = 0; i < list->n; i++) {
		const struct conf_publish	*p = &list->v[i];
		struct netroxy			 m = {
			.command = NETROXY_MAP, .port = port_of(p),
			.address = { p->forward, strlen(p->forward) },
			.ok = p->open,
		};

		if (strcmp(p->hub, t->hub->name) == 0)
			say(t, &m);
	}
}

static void
hear_login(struct talk *t, const struct netroxy *m)
{
	int64_t	 ms = (int64_t)m->timeout * 1000 / 3;

	if (!m->ok || m->token.len == 0) {
		t->n->denied = true;
		give_up(t, "no such user, or a wrong password");
		return;
	}
	memcpy(t->token, m->token.p, m->token.len);
	t->every_ms = ms < ASK_MIN_MS ? ASK_MIN_MS :
	    ms > ASK_MAX_MS ? ASK_MAX_MS : ms;
	t->ask_at = io_now_ms() + t->every_ms;
	t->in = true;
	t->n->up = true;
	ask_for_ports(t);
}

/* --- being there */

static void
hear_mapped(const struct talk *t, const struct netroxy *m)
{
	const struct conf_publish	*p = service_at(t, m->port);

	if (p == NULL)
		return;
	if (m->ok)
		log_info("hub %s has port %u for topic %s%s", t->hub->name,
		    m->port, p->topic, p->open ? "" :
		    ", closed as long as nobody opens it there");
	else
		log_warn("hub %s does not open %s for topic %s",
		    t->hub->name, p->map, p->topic);
}

static void
hear_wanted(struct talk *t, const struct netroxy *m)
{
	const struct conf_publish	*p = service_at(t, m->port);
	struct job			 j;
	bool				 sent;

	if (p == NULL)
		return;
	memset(&j, 0, sizeof(j));
	snprintf(j.hub, sizeof(j.hub), "%s", t->hub->name);
	j.addr = t->n->addr;
	j.tls = t->hub->tls.mode != CONF_TLS_OFF;
	memcpy(j.token, t->token, sizeof(j.token));
	j.port = (uint16_t)m->port;
	sent = channel_send(t->n->s->jobs_fd, MSG_JOB, &j, sizeof(j), NULL,
	    0) == 0;
	if (!sent && !t->told_jobs)
		log_warn("workers do not come after: a user of hub %s has "
		    "nobody", t->hub->name);
	t->told_jobs = !sent;
	OPENSSL_cleanse(&j, sizeof(j));
}

static void
hear(struct talk *t, const struct netroxy *m)
{
	t->asked = 0;
	if (!t->in && m->command != NETROXY_ARS) {
		give_up(t, "the server said what it may not");
		return;
	}
	switch (m->command) {
	case NETROXY_ARS:
		if (!t->in)
			hear_login(t, m);
		break;
	case NETROXY_MRS:
		hear_mapped(t, m);
		break;
	case NETROXY_TRQ:
		hear_wanted(t, m);
		break;
	case NETROXY_SRS:
	case NETROXY_OTHER:
		break;
	default:
		give_up(t, "the server said what it may not");
	}
}

/* What is whole of what there is. */
static void
hear_all(struct talk *t)
{
	struct netroxy	 m;
	size_t		 done = 0;
	ssize_t		 n;

	while (!t->over && (n = netroxy_decode(t->buf + done,
	    t->have - done, &m)) != 0) {
		if (n == -1) {
			give_up(t, "the server said what is no command");
			return;
		}
		hear(t, &m);
		done += (size_t)n;
	}
	memmove(t->buf, t->buf + done, t->have - done);
	t->have -= done;
}

static void
hear_server(struct talk *t)
{
	ssize_t	 n;

	do {
		n = stream_read(t->n->stream, t->buf + t->have,
		    sizeof(t->buf) - t->have);
		if (n > 0) {
			t->have += (size_t)n;
			hear_all(t);
		} else if (n == 0 || (errno != EAGAIN && errno != EINTR))
			give_up(t, "the server has left");
	} while (!t->over && n > 0 && stream_pending(t->n->stream));
}

static void
look_at_time(struct talk *t)
{
	const struct netroxy	 ask = { .command = NETROXY_SRQ };

	if (io_now_ms() < t->ask_at)
		return;
	if (!t->in || t->asked == SILENT) {
		give_up(t, "the server is silent");
		return;
	}
	say(t, &ask);
	t->asked++;
	t->ask_at = io_now_ms() + t->every_ms;
}

void
netroxy_link_run(struct netroxy_link *n)
{
	char		 text[NET_TEXT_MAX];
	struct talk	 t = {
		.n = n, .conf = n->s->conf, .hub = &n->s->conf->hubs.v[n->hub],
		.ask_at = io_now_ms() + LOGIN_MS,
	};
	bool		 told = false;

	log_in(&t);
	while (!t.over) {
		if (n->wait(n->ctx, n->fd, t.ask_at) ||
		    stream_pending(n->stream))
			hear_server(&t);
		look_at_time(&t);
		if (!t.in || told)
			continue;
		told = true;
		proc_title("link %s: connected", t.hub->name);
		log_info("hub %s: connected to %s, a Netroxy server%s",
		    t.hub->name, net_text(&n->addr, text, sizeof(text)),
		    t.hub->tls.mode != CONF_TLS_OFF ? "" :
		    "; not protected by TLS");
	}
	OPENSSL_cleanse(&t, sizeof(t));
}
