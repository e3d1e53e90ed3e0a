#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/io.h"
#include "process/broker_ask.h"
#include "process/code_ask.h"
#include "process/codes.h"
#include "process/contexts.h"
#include "process/dial.h"
#include "process/follow.h"
#include "process/gate.h"
#include "process/known.h"
#include "process/netroxy_gate.h"
#include "process/secure.h"
#include "process/sign_ask.h"
#include "session/mysql_login.h"
#include "session/tls.h"

#define ER_CON_COUNT		1040
#define ER_HOST_IS_BLOCKED	1129
#define ER_HOST_NOT_PRIVILEGED	1130

#define COM_QUIT_LEN	5	/* bytes, header included */

static struct tls_server *
front_context(const struct session *ss)
{
	/* A mapping need not have what its hub could give. */
	return ss->l->tls.mode == CONF_TLS_OFF ? NULL :
	    contexts_server(ss->s->contexts, ss->listener);
}

static struct tls_client *
back_context(const struct session *ss)
{
	return contexts_client(ss->s->contexts, ss->backend_index);
}

static void
note_tls(char *where, const struct tls_facts *facts)
{
	if (facts->version != NULL)
		snprintf(where, SB_TLS_MAX, "%s", facts->version);
}

static void
note(struct session *ss, const struct tls_facts *front,
    const struct tls_facts *back, const char *user, const char *account)
{
	struct sb_worker	*board = ss->s->board;

	sb_write_begin(board);
	note_tls(board->session.tls, front);
	note_tls(board->session.server_tls, back);
	snprintf(board->session.user, sizeof(board->session.user), "%s",
	    user);
	snprintf(board->session.account, sizeof(board->session.account), "%s",
	    account);
	sb_write_end(board);
}

const char *
secure_server_name(const struct session *ss)
{
	const struct conf_server	*s =
	    &ss->backend->servers.v[ss->back.server];
	static char			 text[NET_TEXT_MAX];
	struct net_addr			 a = s->spec.addr;

	if (ss->backend->tls.server_name[0] != '\0')
		return ss->backend->tls.server_name;
	if (s->spec.kind == NET_NAME)
		return s->spec.name;
	if (a.u.sa.sa_family == AF_UNIX)
		return "localhost";
	return net_host_text(&a, text, sizeof(text));
}

/* --- TLS from the first byte on */

static bool
name_matches(const char *pattern, const char *name)
{
	const char	*dot;

	if (pattern[0] == '\0')
		return true;
	if (strncmp(pattern, "*.", 2) != 0)
		return strcasecmp(pattern, name) == 0;
	dot = strchr(name, '.');
	return dot != NULL && dot > name &&
	    strcasecmp(pattern + 1, dot) == 0;
}

/* The first route that fits what the client asked for. */
static void
choose_route(struct session *ss, const struct tls_facts *facts)
{
	const struct conf_routes	*list = &ss->l->tls.routes;

	for (size_t i = 0; i < list->n; i++) {
		const struct conf_route	*r = &list->v[i];

		if (!name_matches(r->server_name, facts->server_name) ||
		    (r->alpn[0] != '\0' &&
		    strcmp(r->alpn, facts->alpn) != 0))
			continue;
		ss->backend_index = r->backend;
		ss->backend = &ss->s->router.conf->backends[r->backend];
		return;
	}
}

static int
accept_tls(struct session *ss, struct tls_facts *facts)
{
	struct tls_server	*context = front_context(ss);

	if (context == NULL)
		return 0;
	ss->front_stream = tls_accept(context, ss->front.fd, ss->deadline,
	    &ss->s->told, facts, &ss->end, ss->text);
	ss->why = ss->text;
	if (ss->front_stream == NULL) {
		/* It had its alert, if it speaks TLS. */
		ss->told = ss->end == END_TLS;
		return -1;
	}
	choose_route(ss, facts);
	return 0;
}

static int
connect_tls(struct session *ss, struct tls_facts *facts)
{
	struct tls_client	*context = back_context(ss);
	size_t			 len;

	facts->version = ss->tunnel_tls;
	if (context == NULL || ss->backend->topic != NULL ||
	    ss->only != NULL)
		return 0;
	len = (size_t)snprintf(ss->text, sizeof(ss->text),
	    "TLS with the server: ");
	ss->back_stream = tls_connect(context, ss->back.fd,
	    secure_server_name(ss), ss->deadline, &ss->s->told, facts,
	    &ss->end, ss->text + len);
	ss->why = ss->text;
	return ss->back_stream != NULL ? 0 : -1;
}

static int
open_tcp(struct session *ss)
{
	struct tls_facts	 front = { .version = NULL };
	struct tls_facts	 back = { .version = NULL };

	if (accept_tls(ss, &front) == -1)
		return -1;
	note(ss, &front, &back, "", "");
	if (dial_server(ss) == -1 || connect_tls(ss, &back) == -1)
		return -1;
	note(ss, &front, &back, "", "");
	return 0;
}

/* --- MySQL */

/* How the server is spoken to: of the backend that it was found in. */
static void
set_back_rules(struct session *ss, struct mysql_rules *r)
{
	bool	 topic = ss->backend->topic != NULL;

	r->back_tls = topic ? MYSQL_BACK_PLAIN :
	    (enum mysql_back_tls)ss->backend->tls.mode;
	r->back_client = topic ? NULL : back_context(ss);
	r->server_key = contexts_server_key(ss->s->contexts,
	    ss->backend_index);
}

static int
dial_for_login(void *ctx, struct mysql_dialled *d, enum end *end,
    const char **why)
{
	struct session	*ss = ctx;

	if ((ss->again ? dial_again(ss) : dial_server(ss)) == 0) {
		*d = (struct mysql_dialled){
			.fd = ss->back.fd,
			.local = ss->back.addr.u.sa.sa_family == AF_UNIX,
			.name = ss->backend->topic == NULL ?
			    secure_server_name(ss) : NULL,
			.tunnel = ss->back_stream,
			.tunnel_tls = ss->tunnel_tls,
		};
		set_back_rules(ss, ss->rules);
		/* From here on it is the login's. */
		ss->back_stream = NULL;
		return 0;
	}
	*end = ss->end;
	*why = ss->end == END_UNREACHABLE ? "no server answers" :
	    ss->why != NULL ? ss->why : "";
	return -1;
}

static void
hang_up_for_login(void *ctx)
{
	struct session	*ss = ctx;

	if (ss->s->broker != NULL)
		broker_line_hang_up(ss->s->broker);
	close(ss->back.fd);
	ss->back.fd = -1;
	ss->again = true;
}

static struct mysql_rules
rules_of(struct session *ss, struct mysql_known *known)
{
	const struct conf_listener	*l = ss->l;
	struct mysql_rules		 r = {
		.tls = front_context(ss),
		.tls_required = l->tls.mode == CONF_TLS_REQUIRE,
		.compression = l->compression,
		.local_infile = l->local_infile,
		.followed = follow_commands(l),
		.dial = dial_for_login, .hang_up = hang_up_for_login,
		.ctx = ss,
		.thread_id = (uint32_t)ss->s->board->session.id,
	};

	set_back_rules(ss, &r);
	r.codes = codes_of(ss);
	if (l->greeting == CONF_GREETING_OWN && known_read(
	    ss->s->router.pool, ss->backend_index, known))
		r.known = known;
	return r;
}

static int
open_mysql(struct session *ss)
{
	struct mysql_known	 known;
	struct mysql_rules	 r = rules_of(ss, &known);
	struct mysql_login	*m = &ss->mysql;
	int			 rc;

	ss->rules = &r;
	rc = mysql_login_run(m, &r, ss->front.fd, ss->front.peer.u.sa.
	    sa_family == AF_UNIX, ss->deadline, &ss->s->told, &ss->end);
	if (m->server.version[0] != '\0')
		known_learn(ss->s->router.pool, ss->backend_index,
		    &m->server);
	note(ss, &m->front_tls, &m->back_tls, m->who.user, m->account);
	ss->front_stream = m->front;
	ss->back_stream = m->back;
	snprintf(ss->text, sizeof(ss->text), "%s", m->why);
	/* A dial's own words say more than what the client was told. */
	if (rc == -1 && ss->end != END_UNREACHABLE)
		ss->why = ss->text;
	ss->told = rc == -1;
	ss->watched = rc == 0 && (follow_commands(ss->l) ||
	    m->x.front_secure != m->x.back_secure);
	if (!ss->watched)
		mysql_login_end(m);
	return rc;
}

/* Where nothing is encrypted the sockets are all there is. */
static void
forget_plain(struct stream **s, const char *tls)
{
	if (tls[0] == '\0')
		stream_free(s);
}

int
secure_open_back(struct session *ss)
{
	struct tls_facts	 front = { .version = "TLSv1.3" };
	struct tls_facts	 back = { .version = NULL };

	if (ss->front_stream == NULL)
		front.version = NULL;
	note(ss, &front, &back, "", "");
	if (dial_server(ss) == -1 || connect_tls(ss, &back) == -1)
		return -1;
	note(ss, &front, &back, "", "");
	return 0;
}

void
secure_note_tunnel(struct session *ss, const char *agent,
    const char *version)
{
	const struct tls_facts	 front = { .version = version };
	const struct tls_facts	 back = { .version = ss->tunnel_tls };

	note(ss, &front, &back, agent, "");
}

int
secure_open(struct session *ss)
{
	const struct sb_session	*s = &ss->s->board->session;
	bool			 mysql = ss->l->protocol == CONF_MYSQL;
	int			 rc;

	/* A hub's may be handed on unread; see gate.c. */
	ss->s->spent |= mysql || (front_context(ss) != NULL &&
	    ss->l->protocol != CONF_HUB);
	rc = mysql ? open_mysql(ss) : ss->l->protocol == CONF_HUB ?
	    gate_open(ss) : ss->l->protocol == CONF_NETROXY ?
	    netroxy_gate_open(ss) : open_tcp(ss);
	if (ss->s->signer != NULL)
		sign_ask_hang_up(ss->s->signer);
	if (ss->s->codes != NULL)
		code_ask_hang_up(ss->s->codes);
	ss->s->spent |= s->server_tls[0] != '\0';
	if (rc == -1) {
		if (ss->back_stream != NULL)
			stream_shut(ss->back_stream);
		if (ss->back.fd != -1)
			close(ss->back.fd);
		ss->back.fd = -1;
		return -1;
	}
	if (!ss->watched && !ss->packed) {
		forget_plain(&ss->front_stream, s->tls);
		forget_plain(&ss->back_stream, s->server_tls);
	}
	return 0;
}

/* What OpenSSL has against the bytes of a side. */
static void
add_why(struct session *ss, const struct stream *s)
{
	char	 why[TLS_WHY_MAX] = "";

	if (s == NULL)
		return;
	tls_stream_why(s, why);
	if (why[0] == '\0')
		return;
	snprintf(ss->text, sizeof(ss->text), "TLS: %.*s",
	    (int)sizeof(ss->text) - 6, why);
	ss->why = ss->text;
}

/*
 * Clients of MariaDB, from 11.4 on, have a certificate vouched for by the
 * server's answer to their password; where that is about another one than
 * ours, or missing, they leave without a word.
 */
static bool
has_left_at_once(const struct session *ss)
{
	uint64_t	 said = atomic_load(&ss->s->board->up);

	return ss->l->protocol == CONF_MYSQL && ss->front_stream != NULL &&
	    (said == 0 || (said == COM_QUIT_LEN &&
	    ss->mysql.server_vouched)) &&
	    (ss->end == END_DONE || ss->end == END_CLIENT_RESET);
}

void
secure_over(struct session *ss)
{
	if (ss->end == END_CLIENT_RESET)
		add_why(ss, ss->front_stream);
	if (ss->end == END_SERVER_RESET)
		add_why(ss, ss->back_stream);
	if (ss->why == NULL && has_left_at_once(ss))
		ss->why = "the client left right after its login: a MariaDB "
		    "client of 11.4 or later does so if it cannot check our "
		    "certificate";
}

void
secure_close(struct session *ss)
{
	follow_end(ss);
	if (ss->watched)
		mysql_login_end(&ss->mysql);
	stream_free(&ss->front_stream);
	stream_free(&ss->back_stream);
}

void
secure_deny(struct session *ss)
{
	if (ss->l->protocol != CONF_MYSQL ||
	    (ss->end != END_LIMIT && ss->end != END_DENIED))
		return;
	if (ss->suspect)
		mysql_login_deny(ss->front.fd, ER_HOST_IS_BLOCKED,
		    "This host is blocked for a while: its sessions made "
		    "processes of the gate crash");
	else if (ss->end == END_LIMIT)
		mysql_login_deny(ss->front.fd, ER_CON_COUNT,
		    "Too many connections");
	else
		mysql_login_deny(ss->front.fd, ER_HOST_NOT_PRIVILEGED,
		    "This host is not allowed to connect to this MySQL "
		    "server");
	ss->told = true;
}
