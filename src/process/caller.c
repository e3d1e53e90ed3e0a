/*
 * What a worker does with who came by a mapping: a session to the mapping's
 * topic, with TLS if the mapping has it and the hub's certificate.  And with
 * who came by what a hub has us listen on: a session to its topic there.
 */
#include <stdio.h>
#include <string.h>

#include "base/io.h"
#include "base/sig.h"
#include "policy/conf_assign.h"
#include "policy/conf_tunnel.h"
#include "process/job.h"
#include "process/session.h"

/* How such a session is to be let in: as the topic says. */
static struct conf_listener
rules_of(const struct conf *conf, const struct conf_listener *l,
    const struct caller *c)
{
	const struct conf_topic	*t = conf_topic_find(conf, c->topic);
	struct conf_listener	 rules = *l;

	rules.tls.mode = c->tls ? CONF_TLS_REQUIRE : CONF_TLS_OFF;
	if (t != NULL) {
		rules.allow = t->allow;
		rules.deny = t->deny;
	}
	return rules;
}

/* In the log it is the port that counts. */
static void
note_port(struct server *s, const struct caller *c)
{
	struct sb_session	*session = &s->board->session;

	sb_write_begin(s->board);
	net_text(&c->at, session->listener, sizeof(session->listener));
	sb_write_end(s->board);
}

void
serve_caller(struct server *s, const struct caller *c, int fd)
{
	const struct conf	*conf = s->router.conf;
	size_t			 number = conf_mapped_listener(conf, s->pool);
	struct conf_listener	 rules;
	struct conf_backend	 backend;
	char			 topic[TUNNEL_TOPIC_MAX + 1];
	struct session		 ss = {
		.s = s, .l = &rules, .backend = &backend, .back.fd = -1,
	};

	if (number == CONF_NOWHERE)
		number = conf_assigned_listener(conf, s->pool);
	if (number == CONF_NOWHERE) {
		net_abort(fd);
		return;
	}
	ss.listener = number;
	rules = rules_of(conf, &conf->listeners[number], c);
	backend = conf->backends[rules.backend];
	memcpy(topic, c->topic, sizeof(topic));
	backend.topic = topic;
	ss.backend_index = rules.backend;
	ss.tcp = session_tcp(&rules);
	session_begin(&ss, fd, &c->client);
	note_port(s, c);
	/* It may have waited for a worker. */
	ss.deadline = c->since + conf->timeouts.handshake;
	session_serve(&ss);
}
