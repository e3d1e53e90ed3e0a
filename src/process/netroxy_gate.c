#include <sys/socket.h>

#include <openssl/crypto.h>
#include <openssl/rand.h>

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "base/mem.h"
#include "base/sig.h"
#include "policy/conf_tunnel.h"
#include "process/broker_ask.h"
#include "process/channel.h"
#include "process/contexts.h"
#include "process/line.h"
#include "process/netroxy_gate.h"
#include "process/proc.h"
#include "process/proof_ask.h"
#include "process/secure.h"
#include "session/tls.h"
#include "session/tunnel_login.h"
#include "wire/netroxy.h"

#define SAY_MS		5000	/* for a command to be taken */
#define DIAL_MS		3000	/* for the broker to take a line */

struct gate;

/* A port that the client has or waits for; number 0: none. */
struct port {
	struct gate		*gate;
	uint32_t		 number;
	bool			 mapped;	/* it was said */
	size_t			 owed;		/* TRQ, until then */
	struct broker_line	 line;
};

/* What a control connection's worker has. */
struct gate {
	struct session		*ss;
	struct stream		*stream;
	const char		*tls;		/* its version, or NULL */
	uint8_t			 secret[TUNNEL_SECRET];	/* of its password */
	char			 id[TUNNEL_ID_MAX + 1];
	uint8_t			 token[TUNNEL_TICKET];
	struct port		 ports[NETROXY_GATE_PORTS];
	int64_t			 heard;
	enum end		 end;
	const char		*why;
	bool			 over;
	size_t			 have;		/* of the next commands */
	char			 buf[NETROXY_MAX];
};

static int
refuse(struct session *ss, enum end end, const char *why)
{
	snprintf(ss->text, sizeof(ss->text), "%s", why);
	return session_refuse(ss, end, ss->text);
}

/* --- the first command */

/*
 * Not a byte more than it has: what follows TRS is a service's.  0, or -1 with
 * ss->end and why.
 */
static int
hear_first(struct session *ss, struct stream *s, char *buf,
    struct netroxy *m)
{
	int64_t	 deadline = io_now_ms() + TUNNEL_FIRST_MS;
	size_t	 n = 0;
	ssize_t	 rc = 0;

	if (deadline > ss->deadline)
		deadline = ss->deadline;
	while (rc == 0 && n < NETROXY_MAX) {
		if (stream_read_all(s, buf + n, 1, deadline, &ss->s->told,
		    END_CLIENT_RESET, &ss->end) == -1)
			return session_refuse(ss, ss->end, n == 0 ? "it left "
			    "before it said anything" : NULL);
		if (buf[n++] != '\n')
			continue;
		rc = netroxy_decode(buf, n, m);
		if (rc > 0 && m->command == NETROXY_OTHER) {
			rc = 0;
			n = 0;
		}
	}
	return rc > 0 ? 0 : refuse(ss, END_PROTOCOL, "what is no command of "
	    "Netroxy");
}

/* --- a connection that a user waits for */

static int
from_hex(const struct netroxy_text *t, uint8_t *token)
{
	static const char	 digits[] = "0123456789abcdef";
	const char		*high, *low;

	if (t->len != (size_t)2 * TUNNEL_TICKET)
		return -1;
	for (size_t i = 0; i < TUNNEL_TICKET; i++) {
		high = memchr(digits, t->p[2 * i], 16);
		low = memchr(digits, t->p[2 * i + 1], 16);
		if (high == NULL || low == NULL)
			return -1;
		token[i] = (uint8_t)((high - digits) << 4 | (low - digits));
	}
	return 0;
}

/* The broker has it from here on. */
static int
hand_over(struct session *ss, const struct netroxy_port *port, int fd)
{
	int	 code = broker_netroxy_park(ss->s->broker, fd, port,
		    ss->deadline, &ss->s->told, &ss->end);

	if (code == -1)
		return session_refuse(ss, ss->end, ss->s->broker->why);
	if (code != TUNNEL_OK)
		return refuse(ss, END_DENIED, "nobody waits for what it "
		    "brings");
	return 0;
}

static int
serve_plain(struct session *ss, const struct netroxy_port *port)
{
	if (hand_over(ss, port, ss->front.fd) == -1)
		return -1;
	/* Closed without a reset, and without a line: it is not ours alone. */
	ss->told = true;
	ss->carried = true;
	return session_refuse(ss, END_DONE, NULL);
}

static int
serve_tls(struct session *ss, const struct netroxy_port *port)
{
	struct sb_worker	*board = ss->s->board;
	int			 ends[2], rc;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0,
	    ends) == -1)
		return refuse(ss, END_INTERNAL, strerror(errno));
	rc = hand_over(ss, port, ends[1]);
	close(ends[1]);
	if (rc == -1) {
		close(ends[0]);
		return -1;
	}
	broker_line_hang_up(ss->s->broker);
	ss->back.fd = ends[0];
	sb_write_begin(board);
	snprintf(board->session.server, sizeof(board->session.server),
	    "port %u", port->port);
	board->session.connected_us = io_now_us();
	sb_write_end(board);
	return 0;
}

static int
serve_user(struct session *ss, const struct netroxy *m)
{
	struct netroxy_port	 port;

	memset(&port, 0, sizeof(port));	/* the padding too */
	if (from_hex(&m->token, port.token) == -1 || m->port == 0 ||
	    m->port > UINT16_MAX)
		return refuse(ss, END_DENIED, "no such token");
	port.port = (uint16_t)m->port;
	return ss->front_stream != NULL ? serve_tls(ss, &port) :
	    serve_plain(ss, &port);
}

/* --- who it is */

/* By the same question as of native agents: a proof of what it said. */
static enum tunnel_code
check(struct gate *g, uint8_t *grant)
{
	struct session		*ss = g->ss;
	struct proof_check	 c = {
		.generation = ss->s->generation,
		.listener = (uint32_t)ss->listener, .source = ss->source,
		.mode = TUNNEL_CONTROL, .tls = ss->front_stream != NULL,
	};
	uint8_t			 hub[TUNNEL_PROOF];
	struct proof_pass	 pass;
	enum tunnel_code	 code = TUNNEL_BUSY;

	snprintf(c.id, sizeof(c.id), "%s", g->id);
	if (ss->s->proofs != NULL &&
	    RAND_bytes(c.seen.frames, sizeof(c.seen.frames)) == 1 &&
	    tunnel_proofs(g->secret, &c.seen, c.proof, hub) == 0 &&
	    proof_ask_check(ss->s->proofs, &c, ss->front.fd, &pass) == 0) {
		code = pass.code;
		memcpy(grant, pass.grant, sizeof(pass.grant));
		OPENSSL_cleanse(&pass, sizeof(pass));
	}
	if (ss->s->proofs != NULL)
		line_hang_up(ss->s->proofs);
	OPENSSL_cleanse(hub, sizeof(hub));
	return code;
}

/* --- a control connection */

static void
give_up(struct gate *g, enum end end, const char *why)
{
	if (!g->over) {
		g->over = true;
		g->end = end;
		g->why = why;
	}
}

static void
say(struct gate *g, const struct netroxy *m)
{
	char		 buf[NETROXY_MAX];
	ssize_t		 n = netroxy_encode(m, buf, sizeof(buf));
	enum end	 end;

	if (!g->over && (n == -1 || stream_write_all(g->stream, buf,
	    (size_t)n, io_now_ms() + SAY_MS, &g->ss->s->told,
	    END_CLIENT_RESET, &end) == -1))
		give_up(g, n == -1 ? END_INTERNAL : end,
		    "the client takes no more");
}

static void
say_mapped(struct gate *g, uint32_t port, bool ok)
{
	const struct netroxy	 m = {
		.command = NETROXY_MRS, .port = port, .ok = ok,
	};

	say(g, &m);
}

/* Users want so many connections. */
static void
ask_for(struct port *p, size_t n)
{
	const struct netroxy	 m = {
		.command = NETROXY_TRQ, .port = p->number,
	};

	while (n-- > 0)
		say(p->gate, &m);
}

static void
free_port(struct port *p)
{
	broker_line_hang_up(&p->line);
	p->number = 0;
}

/* The client has it, or not, or not any more. */
static int
on_mapped(void *ctx, struct rd *r, int *fds)
{
	const uint8_t		*payload = rd_take(r,
				    sizeof(struct map_answer));
	struct port		*p = ctx;
	struct map_answer	 a;

	(void)fds;
	if (payload == NULL)
		return -1;
	memcpy(&a, payload, sizeof(a));
	say_mapped(p->gate, p->number, a.code == TUNNEL_OK);
	if (a.code != TUNNEL_OK)
		return -1;
	p->mapped = true;
	ask_for(p, p->owed);
	p->owed = 0;
	return 0;
}

static int
on_need(void *ctx, struct rd *r, int *fds)
{
	struct port	*p = ctx;
	size_t		 n = r->left / TUNNEL_TICKET;

	(void)fds;
	if (n == 0 || rd_take(r, n * TUNNEL_TICKET) == NULL)
		return -1;
	if (p->mapped)
		ask_for(p, n);
	else
		p->owed += n;
	return 0;
}

/* Another client has come for it, or none may have it any more. */
static int
on_goodbye(void *ctx, struct rd *r, int *fds)
{
	const struct port	*p = ctx;

	(void)fds;
	(void)rd_u8(r);
	say_mapped(p->gate, p->number, false);
	return -1;
}

static const struct channel_rule orders[] = {
	{ MSG_AGENT_MAP + 1,	ROLE_BROKER,	0,	on_mapped },
	{ MSG_AGENT_NEED,	ROLE_BROKER,	0,	on_need },
	{ MSG_AGENT_GOODBYE,	ROLE_BROKER,	0,	on_goodbye },
};

/* 0: the line is heard on; without it the port is no more. */
static void
hear_broker(struct gate *g, struct port *p)
{
	switch (channel_dispatch(p->line.fd, ROLE_BROKER, orders,
	    nitems(orders), p)) {
	case 1:
		return;
	case 0:
		/* The client comes again, and asks for its ports. */
		give_up(g, END_INTERNAL, "the broker ended");
	}
	free_port(p);
}

/* Its place, or where it may have one; NULL: it has all that it may. */
static struct port *
find_port(struct gate *g, uint32_t number)
{
	for (size_t i = 0; i < NETROXY_GATE_PORTS; i++)
		if (g->ports[i].number == number)
			return &g->ports[i];
	return NULL;
}

static bool
ask_for_port(struct gate *g, struct port *p, const struct netroxy *m)
{
	struct netroxy_port	 port;
	uint8_t			 grant[GRANT_SEALED];
	enum end		 end;

	memset(&port, 0, sizeof(port));
	memcpy(port.token, g->token, sizeof(port.token));
	port.port = (uint16_t)m->port;
	port.open = m->ok;
	broker_line_init(&p->line, g->ss->s->broker->rendezvous);
	return check(g, grant) == TUNNEL_OK &&
	    broker_netroxy_join(&p->line, grant, &port, io_now_ms() + DIAL_MS,
	    &g->ss->s->told, &end) == 0;
}

static void
map(struct gate *g, const struct netroxy *m)
{
	struct port	*p = NULL;

	if (m->port > 0 && m->port <= UINT16_MAX &&
	    find_port(g, m->port) == NULL)
		p = find_port(g, 0);
	if (p == NULL) {
		log_warn("agent %s may not have port %u: it is none, or it "
		    "has that or %d already", g->id, m->port,
		    NETROXY_GATE_PORTS);
		say_mapped(g, m->port, false);
		return;
	}
	*p = (struct port){ .gate = g, .number = m->port };
	if (!ask_for_port(g, p, m)) {
		say_mapped(g, m->port, false);
		free_port(p);
	}
}

static void
obey(struct gate *g, const struct netroxy *m)
{
	const struct netroxy	 here = { .command = NETROXY_SRS };

	g->heard = io_now_ms();
	switch (m->command) {
	case NETROXY_MAP:
		map(g, m);
		break;
	case NETROXY_SRQ:
		say(g, &here);
		break;
	case NETROXY_OTHER:
		break;
	default:
		give_up(g, END_PROTOCOL, "a command out of order");
	}
}

/* What is whole of what there is. */
static void
obey_all(struct gate *g)
{
	struct netroxy	 m;
	ssize_t		 n;
	size_t		 done = 0;

	while (!g->over && (n = netroxy_decode(g->buf + done, g->have - done,
	    &m)) != 0) {
		if (n == -1) {
			give_up(g, END_PROTOCOL, "what is no command of "
			    "Netroxy");
			return;
		}
		obey(g, &m);
		done += (size_t)n;
	}
	memmove(g->buf, g->buf + done, g->have - done);
	g->have -= done;
}

static void
hear_client(struct gate *g)
{
	ssize_t	 n;

	do {
		n = stream_read(g->stream, g->buf + g->have,
		    sizeof(g->buf) - g->have);
		if (n > 0) {
			g->have += (size_t)n;
			obey_all(g);
		} else if (n == 0 || (errno != EAGAIN && errno != EINTR))
			give_up(g, n == 0 ? END_DONE : END_CLIENT_RESET,
			    n == 0 ? NULL : "the client left");
	} while (!g->over && n > 0 && stream_pending(g->stream));
}

static void
hear_signals(struct gate *g)
{
	enum end	 end;

	if (told_to_end(&g->ss->s->told, &end))
		give_up(g, end, NULL);
}

/* Whom to hear: the client, and whichever ports have a line. */
static nfds_t
gather(const struct gate *g, struct pollfd *fds, size_t *whose)
{
	nfds_t	 n = 1;

	fds[0] = (struct pollfd){ g->ss->front.fd, POLLIN, 0 };
	for (size_t i = 0; i < NETROXY_GATE_PORTS; i++)
		if (g->ports[i].number != 0) {
			fds[n] = (struct pollfd){
				g->ports[i].line.fd, POLLIN, 0,
			};
			whose[n++] = i;
		}
	return n;
}

static void
stay(struct gate *g)
{
	struct pollfd	 fds[1 + NETROXY_GATE_PORTS];
	size_t		 whose[1 + NETROXY_GATE_PORTS];
	nfds_t		 n;

	g->heard = io_now_ms();
	session_rest(g->ss);
	while (!g->over) {
		n = gather(g, fds, whose);
		if (sig_ppoll(fds, n, io_left_ms(g->heard +
		    NETROXY_GATE_DEAD_MS)) == -1 && errno == EINTR)
			hear_signals(g);
		for (nfds_t i = 1; i < n && !g->over; i++)
			if (fds[i].revents != 0)
				hear_broker(g, &g->ports[whose[i]]);
		if (fds[0].revents != 0 && !g->over)
			hear_client(g);
		if (io_now_ms() >= g->heard + NETROXY_GATE_DEAD_MS)
			give_up(g, END_TIMEOUT, "the client is silent");
		/* A new configuration: it comes again, to another worker. */
		if (sig_is_set(SIGQUIT))
			give_up(g, END_DONE, NULL);
	}
	for (size_t i = 0; i < NETROXY_GATE_PORTS; i++)
		if (g->ports[i].number != 0)
			free_port(&g->ports[i]);
}

/* --- its login */

static void
answer(struct gate *g, bool ok)
{
	char		 token[2 * TUNNEL_TICKET + 1] = "";
	struct netroxy	 m = { .command = NETROXY_ARS, .ok = ok };

	if (ok) {
		m.timeout = NETROXY_GATE_TIMEOUT_S;
		for (size_t i = 0; i < TUNNEL_TICKET; i++)
			snprintf(token + 2 * i, 3, "%02x", g->token[i]);
		m.token = (struct netroxy_text){ token, strlen(token) };
	}
	say(g, &m);
}

static int
log_in(struct gate *g, const struct netroxy *m)
{
	uint8_t			 grant[GRANT_SEALED];
	enum tunnel_code	 code = TUNNEL_BAD_LOGIN;

	if (m->user.len == 0 || m->user.len >= sizeof(g->id)) {
		answer(g, false);
		return refuse(g->ss, END_LOGIN, "no such agent");
	}
	memcpy(g->id, m->user.p, m->user.len);
	if (memchr(g->id, '\0', m->user.len) == NULL &&
	    proof_secret_of(m->password.p, m->password.len, g->secret) == 0)
		code = check(g, grant);
	OPENSSL_cleanse(grant, sizeof(grant));
	if (code == TUNNEL_OK && RAND_bytes(g->token, sizeof(g->token)) != 1)
		code = TUNNEL_BUSY;
	secure_note_tunnel(g->ss, g->id, g->tls);
	answer(g, code == TUNNEL_OK);
	if (code != TUNNEL_OK)
		return refuse(g->ss, END_LOGIN, tunnel_code_text(code));
	return 0;
}

static int
serve_client(struct session *ss, struct stream *s, const char *tls,
    const struct netroxy *m)
{
	struct gate	*g = mem_calloc(1, sizeof(*g));
	int		 rc;

	g->ss = ss;
	g->stream = s;
	g->tls = tls;
	rc = log_in(g, m);
	ss->told = true;
	if (rc == 0) {
		if (ss->asked)
			ask_established(ss->s->ask);
		proc_title("gate %s: %s", ss->s->pool, g->id);
		stay(g);
		rc = session_refuse(ss, g->end, g->why);
	}
	OPENSSL_cleanse(g, sizeof(*g));
	free(g);
	return rc;
}

static int
hear_and_serve(struct session *ss, struct stream *s, const char *tls)
{
	char		 buf[NETROXY_MAX];
	struct netroxy	 m;
	int		 rc = hear_first(ss, s, buf, &m);

	if (rc == 0 && m.command == NETROXY_TRS)
		return serve_user(ss, &m);
	ss->s->spent = true;
	if (rc == 0 && m.command == NETROXY_ATH)
		rc = serve_client(ss, s, tls, &m);
	else if (rc == 0)
		rc = refuse(ss, END_PROTOCOL, "a command out of order");
	OPENSSL_cleanse(buf, sizeof(buf));
	return rc;
}

int
netroxy_gate_open(struct session *ss)
{
	struct tls_server	*context = contexts_server(ss->s->contexts,
				    ss->listener);
	struct tls_facts	 facts;
	struct stream		*plain;
	int			 rc;

	if (ss->s->broker == NULL)
		return refuse(ss, END_INTERNAL, "there is no broker");
	if (context == NULL) {
		plain = stream_new_plain(ss->front.fd);
		rc = hear_and_serve(ss, plain, NULL);
		stream_free(&plain);
		return rc;
	}
	ss->front_stream = tls_accept(context, ss->front.fd, ss->deadline,
	    &ss->s->told, &facts, &ss->end, ss->text);
	ss->why = ss->text;
	if (ss->front_stream == NULL) {
		ss->told = ss->end == END_TLS;
		return -1;
	}
	secure_note_tunnel(ss, "", facts.version);
	return hear_and_serve(ss, ss->front_stream, facts.version);
}
