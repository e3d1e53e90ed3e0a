#include <sys/socket.h>

#include <openssl/crypto.h>

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/io.h"
#include "base/mem.h"
#include "base/sig.h"
#include "policy/conf_assign.h"
#include "policy/conf_tunnel.h"
#include "process/broker_ask.h"
#include "process/channel.h"
#include "process/contexts.h"
#include "process/dial.h"
#include "process/gate.h"
#include "process/line.h"
#include "process/proc.h"
#include "process/proof_ask.h"
#include "process/secure.h"
#include "process/topic.h"
#include "session/tls.h"
#include "session/tunnel_login.h"
#include "wire/tls_hello.h"

#define PROBE_MS	1000	/* for a link to answer when a user comes */
#define SILENT_MS	5000	/* without a frame, and it is asked then */
#define BYE_MS		3000	/* for an agent to leave by itself */
#define REST_MS		2000	/* after a registration: more may come */
#define SAY_MS		5000	/* for a frame to be taken */
#define NUMBERS_MAX	65536	/* registrations that wait for the broker */

#define HAS(tag)	TUNNEL_HAS(TUNNEL_T_##tag)

/* What a control link's worker has. */
struct gate {
	struct session		*ss;
	struct tunnel_line	*line;
	int64_t			 heard;		/* the last frame */
	int64_t			 probe_until;	/* 0: it is not asked */
	int64_t			 bye_until;	/* 0: it may stay */
	int64_t			 rest_at;	/* 0: memory is given back */
	enum end		 end;
	const char		*why;
	bool			 over;
};

/* --- what comes first */

static int
refuse(struct session *ss, enum end end, const char *why)
{
	snprintf(ss->text, sizeof(ss->text), "%s", why);
	return session_refuse(ss, end, ss->text);
}

static void
wake_at(int fd, size_t bytes)
{
	const int	 n = (int)bytes;

	(void)setsockopt(fd, SOL_SOCKET, SO_RCVLOWAT, &n, sizeof(n));
}

/*
 * Look at what there is, of `want' bytes and more, and leave it there.  How
 * many; 0 when the peer ended before; or -1 with ss->end.
 */
static ssize_t
peek(struct session *ss, uint8_t *buf, size_t size, size_t want,
    int64_t deadline)
{
	int	 fd = ss->front.fd;
	ssize_t	 n;

	for (;;) {
		n = recv(fd, buf, size, MSG_PEEK);
		if (n == 0)
			return 0;
		if (n == -1 && errno != EAGAIN && errno != EINTR)
			return 0;
		if (n >= (ssize_t)want)
			return n;
		/* poll(2) shows an end, too, with less than that. */
		wake_at(fd, want);
		if (stream_wait(fd, POLLIN | POLLRDHUP, deadline, &ss->s->told,
		    &ss->end) == -1)
			return -1;
		wake_at(fd, 1);
		if (recv(fd, buf, size, MSG_PEEK) < (ssize_t)want)
			return 0;
	}
}

static int64_t
first_deadline(const struct session *ss)
{
	int64_t	 first = io_now_ms() + TUNNEL_FIRST_MS;

	return first < ss->deadline ? first : ss->deadline;
}

/* Is it a data connection?  1 with its ticket, 0, or -1. */
static int
look_tls(struct session *ss, uint8_t *ticket)
{
	static uint8_t		 buf[TLS_HELLO_MAX];
	int64_t			 deadline = first_deadline(ss);
	struct tls_hello	 h;
	size_t			 want = 1;
	ssize_t			 n, rc;

	for (;;) {
		n = peek(ss, buf, sizeof(buf), want, deadline);
		if (n <= 0)
			return n == 0 ? refuse(ss, END_CLIENT_RESET, "it left "
			    "before it said anything") : -1;
		rc = tls_hello_decode(buf, (size_t)n, &h, &want);
		if (rc != 0)
			break;
	}
	/* OpenSSL finds better words for what is no hello. */
	if (rc == -1 || h.psk_len != TUNNEL_TICKET ||
	    !tls_hello_offers(&h, TUNNEL_ALPN_DATA))
		return 0;
	memcpy(ticket, h.psk, TUNNEL_TICKET);
	return 1;
}

static int
look_plain(struct session *ss, uint8_t *frame, size_t *len, uint8_t *ticket)
{
	int64_t			 deadline = first_deadline(ss);
	struct tunnel_frame	 f;
	struct stream		*s;
	ssize_t			 n = peek(ss, frame, TUNNEL_HEADER,
				    TUNNEL_HEADER, deadline);
	int			 rc;

	if (n < TUNNEL_HEADER)
		return n == -1 ? -1 : refuse(ss, END_CLIENT_RESET,
		    "it left before it said anything");
	if (frame[0] != TUNNEL_DATA)
		return 0;
	n = tunnel_frame_len(frame, TUNNEL_EARLY_MAX);
	if (n == -1)
		return refuse(ss, END_PROTOCOL, "a frame that is too long");
	s = stream_new_plain(ss->front.fd);
	rc = stream_read_all(s, frame, (size_t)n, deadline, &ss->s->told,
	    END_CLIENT_RESET, &ss->end);
	stream_free(&s);
	if (rc == -1)
		return -1;
	if (tunnel_decode(frame, (size_t)n, &f) == -1 || f.ntickets != 1)
		return refuse(ss, END_PROTOCOL, "what is no frame of this "
		    "protocol");
	memcpy(ticket, f.tickets, TUNNEL_TICKET);
	*len = (size_t)n;
	return 1;
}

/* The connection is the broker's from here on, and leaves no line. */
static int
park(struct session *ss, const uint8_t *ticket, const uint8_t *frame,
    size_t len)
{
	int	 code = broker_park(ss->s->broker, ss->front.fd, ticket, frame,
		    len, ss->deadline, &ss->s->told, &ss->end);

	if (code == -1)
		return session_refuse(ss, ss->end, ss->s->broker->why);
	if (code != TUNNEL_OK)
		return refuse(ss, END_DENIED,
		    tunnel_code_text((unsigned)code));
	/* Closed without a reset: it is not ours alone. */
	ss->told = true;
	ss->carried = true;
	return session_refuse(ss, END_DONE, NULL);
}

/* --- who it is */

static enum tunnel_code
check(void *ctx, const char *id, enum tunnel_mode mode,
    const struct tunnel_seen *seen, const uint8_t *proof,
    struct tunnel_proved *proved, uint32_t *retry_ms)
{
	struct session		*ss = ctx;
	struct proof_check	 c = {
		.generation = ss->s->generation,
		.listener = (uint32_t)ss->listener, .source = ss->source,
		.mode = mode, .tls = ss->front_stream != NULL, .seen = *seen,
	};
	struct proof_pass	 pass;
	enum tunnel_code	 code = TUNNEL_BUSY;

	snprintf(c.id, sizeof(c.id), "%s", id);
	memcpy(c.proof, proof, sizeof(c.proof));
	if (ss->s->proofs != NULL && c.id[0] != '\0' &&
	    proof_ask_check(ss->s->proofs, &c, ss->front.fd, &pass) == 0) {
		code = pass.code;
		*retry_ms = pass.wait_ms;
		*proved = pass.proved;
		memcpy(ss->granted, pass.grant, sizeof(ss->granted));
	}
	if (ss->s->proofs != NULL)
		line_hang_up(ss->s->proofs);
	OPENSSL_cleanse(&pass, sizeof(pass));
	return code;
}

/* What is spoken here, and nothing older. */
static const char *
tls_of(const struct session *ss)
{
	return ss->front_stream != NULL ? "TLSv1.3" : NULL;
}

/* --- a user of an agent's */

static int
say_no(struct session *ss, struct tunnel_line *line)
{
	struct tunnel_frame	 f = tunnel_no(TUNNEL_OPEN_NO,
				    ss->tunnel_code, 0);
	enum end		 ignored;

	(void)tunnel_say(line, &f, io_now_ms() + PROBE_MS, &ignored);
	ss->told = true;
	return -1;
}

static void
be_user(struct session *ss, const struct tunnel_frame *f)
{
	if ((f->has & HAS(SOURCE)) == 0)
		return;
	ss->front.client = f->source;
	ss->front.proxied = true;
	if ((f->has & HAS(DESTINATION)) != 0)
		ss->front.to = f->destination;
	session_note_client(ss);
}

/* It listens because we told it to: we forward. */
static int
forward_assigned(struct session *ss, const struct conf_assign *a)
{
	const struct conf	*c = ss->s->router.conf;

	ss->listener = a->listener;
	ss->l = &c->listeners[a->listener];
	ss->backend_index = ss->l->backend;
	ss->backend = &c->backends[ss->backend_index];
	ss->tcp = session_tcp(ss->l);
	if (dial_server(ss) == 0)
		return 0;
	ss->tunnel_code = TUNNEL_NO_SERVICE;
	return -1;
}

static int
reach(struct session *ss, const char *agent, const char *topic)
{
	const struct conf_assign	*a =
	    conf_assign_find(ss->s->router.conf, agent, topic);

	ss->tunnel_code = TUNNEL_BUSY;
	return a != NULL && a->by_agent ? forward_assigned(ss, a) :
	    topic_by_broker(ss, topic, ss->granted);
}

static int
serve_user(struct session *ss, struct tunnel_line *line)
{
	struct tunnel_frame	 f, ok = { .type = TUNNEL_OPEN_OK };
	uint32_t		 offered;
	char			 topic[TUNNEL_TOPIC_MAX + 1];
	char			 agent[SB_USER_MAX];
	enum end		 end;

	snprintf(agent, sizeof(agent), "%s", ss->s->board->session.user);
	if (tunnel_hear(line, &f, ss->deadline, &end) == -1)
		return refuse(ss, end, line->why);
	if (f.type != TUNNEL_SUBSCRIBE)
		return refuse(ss, END_PROTOCOL, "a frame out of order");
	(void)tunnel_string(&f.topic, topic, sizeof(topic));
	offered = (f.has & HAS(CAPS)) != 0 ? f.caps : 0;
	be_user(ss, &f);
	if (reach(ss, agent, topic) == -1)
		return say_no(ss, line);
	secure_note_tunnel(ss, agent, tls_of(ss));
	if ((offered & TUNNEL_CAP_ZSTD) != 0 && topic_may_pack(ss, topic)) {
		ok.has |= HAS(CAPS);
		ok.caps = TUNNEL_CAP_ZSTD;
	}
	if (tunnel_say(line, &ok, ss->deadline, &end) == -1)
		return refuse(ss, end, line->why);
	if (ok.caps == 0)
		return 0;
	ss->packed = true;
	return session_pack(&ss->front_stream, ss->front.fd) == 0 ? 0 :
	    refuse(ss, END_INTERNAL, "no memory to compress");
}

/* --- an agent's control link */

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
say(struct gate *g, const struct tunnel_frame *f)
{
	enum end	 end;

	if (!g->over && tunnel_say(g->line, f, io_now_ms() + SAY_MS,
	    &end) == -1)
		give_up(g, end, "the agent takes no more");
}

static void
say_goodbye(struct gate *g, enum tunnel_code code, uint32_t retry_ms)
{
	struct tunnel_frame	 f = tunnel_no(TUNNEL_GOAWAY, code, retry_ms);

	if (g->bye_until != 0)
		return;
	say(g, &f);
	g->bye_until = io_now_ms() + BYE_MS;
}

static void
ask_for_life(struct gate *g)
{
	const struct tunnel_frame	 f = { .type = TUNNEL_PING };

	if (g->probe_until != 0 || io_now_ms() - g->heard < SILENT_MS)
		return;
	say(g, &f);
	g->probe_until = io_now_ms() + PROBE_MS;
}

static int
on_need(void *ctx, struct rd *r, int *fds)
{
	struct gate		*g = ctx;
	struct tunnel_frame	 f = {
		.type = TUNNEL_NEED, .has = HAS(TICKETS),
		.ntickets = r->left / TUNNEL_TICKET,
	};

	(void)fds;
	if (r->left == 0 || r->left % TUNNEL_TICKET != 0 ||
	    f.ntickets > TUNNEL_TICKETS_MAX)
		return -1;
	f.tickets = rd_take(r, r->left);
	say(g, &f);
	ask_for_life(g);
	return 0;
}

static int
on_goodbye(void *ctx, struct rd *r, int *fds)
{
	uint8_t	 code = rd_u8(r);

	(void)fds;
	if (code >= TUNNEL_CODES)
		return -1;
	say_goodbye(ctx, (enum tunnel_code)code, 0);
	return 0;
}

static int
on_registered(void *ctx, struct rd *r, int *fds)
{
	uint32_t		 number = rd_u32(r);
	uint8_t			 code = rd_u8(r);
	struct tunnel_frame	 f = {
		.type = code == TUNNEL_OK ? TUNNEL_REGISTERED : TUNNEL_REFUSED,
		.has = HAS(NUMBER) | (code == TUNNEL_OK ? 0 : HAS(CODE)),
		.number = number, .code = code,
	};

	(void)fds;
	if (!rd_end(r))
		return -1;
	say(ctx, &f);
	return 0;
}

/* The agent has its port, or another answer; or it is taken away. */
static int
on_mapped(void *ctx, struct rd *r, int *fds)
{
	const uint8_t		*p = rd_take(r, sizeof(struct map_answer));
	struct tunnel_frame	 f = { .has = HAS(NUMBER) };
	struct map_answer	 a;
	char			 text[NET_TEXT_MAX];

	(void)fds;
	if (p == NULL)
		return -1;
	memcpy(&a, p, sizeof(a));
	f.number = a.number;
	if (a.code == TUNNEL_OK) {
		f.type = TUNNEL_MAPPED;
		f.has |= HAS(ADDRESS);
		f.address = tunnel_text_of(net_text(&a.addr, text,
		    sizeof(text)));
	} else {
		f.type = TUNNEL_REFUSED;
		f.has |= HAS(CODE);
		f.code = a.code;
	}
	say(ctx, &f);
	return 0;
}

static const struct channel_rule orders[] = {
	{ MSG_AGENT_MAP + 1,		ROLE_BROKER,	0,	on_mapped },
	{ MSG_AGENT_NEED,		ROLE_BROKER,	0,	on_need },
	{ MSG_AGENT_GOODBYE,		ROLE_BROKER,	0,	on_goodbye },
	{ MSG_AGENT_REGISTER + 1,	ROLE_BROKER,	0,	on_registered },
};

static void
pass_on(struct gate *g, uint16_t type, const struct tunnel_frame *f)
{
	uint8_t		 buf[8 + TUNNEL_TOPIC_MAX];
	struct wr	 w;

	wr_init(&w, buf, sizeof(buf));
	if (type != MSG_AGENT_HEALTH)
		wr_u32(&w, f->number);
	if (type == MSG_AGENT_REGISTER)
		wr_u8(&w, (f->has & HAS(WEIGHT)) != 0 ? f->weight : 1);
	if (type == MSG_AGENT_HEALTH)
		wr_u8(&w, f->up);
	wr_bytes(&w, f->topic.p, f->topic.len);
	if (channel_send(g->ss->s->broker->fd, type, buf, wr_len(&w), NULL,
	    0) == -1)
		give_up(g, END_INTERNAL, "the broker takes no more");
}

static void
pass_on_map(struct gate *g, const struct tunnel_frame *f)
{
	struct tunnel_frame	 no = {
		.type = TUNNEL_REFUSED, .has = HAS(NUMBER) | HAS(CODE),
		.number = f->number, .code = TUNNEL_NO_ADDRESS,
	};
	struct map_ask		 ask;
	char			 text[TUNNEL_TEXT_MAX + 1];
	const char		*why;

	memset(&ask, 0, sizeof(ask));
	ask.number = f->number;
	ask.open = (f->map & TUNNEL_MAP_OPEN) != 0;
	ask.tls = (f->map & TUNNEL_MAP_TLS) != 0;
	(void)tunnel_string(&f->topic, ask.topic, sizeof(ask.topic));
	(void)tunnel_string(&f->address, text, sizeof(text));
	if (port_want_parse(text, &ask.at, &why) == -1)
		say(g, &no);
	else if (channel_send(g->ss->s->broker->fd, MSG_AGENT_MAP, &ask,
	    sizeof(ask), NULL, 0) == -1)
		give_up(g, END_INTERNAL, "the broker takes no more");
}

/* --- what it is to do */

static void
assign(struct gate *g)
{
	const struct conf_agent	*a =
	    conf_agent_find(g->ss->s->router.conf,
	    g->ss->s->board->session.user);

	for (size_t i = 0; a != NULL && i < a->assign.n; i++) {
		const struct conf_assign	*s = &a->assign.v[i];
		const struct tunnel_frame	 f = {
			.type = TUNNEL_ASSIGN, .has = HAS(NUMBER) |
			    HAS(TOPIC) | HAS(ADDRESS) | HAS(MAP),
			.number = (uint32_t)i,
			.topic = tunnel_text_of(s->topic),
			.address = tunnel_text_of(conf_assign_address(s)),
			.map = s->by_agent ? TUNNEL_MAP_LISTEN : 0,
		};

		say(g, &f);
	}
}

/* It listens, or does not do what it was told to. */
static void
hear_assigned(struct gate *g, const struct tunnel_frame *f)
{
	const struct conf_agent	*a =
	    conf_agent_find(g->ss->s->router.conf,
	    g->ss->s->board->session.user);
	const char		*address;

	if (a == NULL || f->number >= a->assign.n) {
		give_up(g, END_PROTOCOL, "an answer to no question");
		return;
	}
	address = conf_assign_address(&a->assign.v[f->number]);
	if (f->type == TUNNEL_MAPPED)
		log_info("agent %s listens on %s", a->id, address);
	else
		log_warn("agent %s does not %s %s: %s", a->id,
		    a->assign.v[f->number].by_agent ? "listen on" :
		    "forward to", address, tunnel_code_text(f->code));
}

static void
hear(struct gate *g, const struct tunnel_frame *f)
{
	struct tunnel_frame	 pong = {
		.type = TUNNEL_PONG, .has = f->has, .number = f->number,
	};

	g->heard = io_now_ms();
	g->probe_until = 0;
	switch (f->type) {
	case TUNNEL_PING:
		say(g, &pong);
		break;
	case TUNNEL_PONG:
		break;
	case TUNNEL_REGISTER:
		pass_on(g, MSG_AGENT_REGISTER, f);
		g->rest_at = g->heard + REST_MS;
		break;
	case TUNNEL_MAP:
		pass_on_map(g, f);
		break;
	case TUNNEL_MAPPED:
	case TUNNEL_REFUSED:
		hear_assigned(g, f);
		break;
	case TUNNEL_WITHDRAW:
		pass_on(g, MSG_AGENT_WITHDRAW, f);
		break;
	case TUNNEL_HEALTH:
		pass_on(g, MSG_AGENT_HEALTH, f);
		break;
	case TUNNEL_GOAWAY:
		give_up(g, END_DONE, NULL);
		break;
	default:
		give_up(g, END_PROTOCOL, "a frame out of order");
	}
}

static void
hear_agent(struct gate *g)
{
	struct tunnel_frame	 f;
	enum end		 end;
	int			 rc;

	while (!g->over && (rc = tunnel_hear_now(g->line, &f, &end)) != 0) {
		if (rc == 1)
			hear(g, &f);
		else if (end == g->line->gone)
			give_up(g, g->bye_until != 0 ? END_DONE : end,
			    g->bye_until != 0 ? NULL : "the agent left");
		else
			give_up(g, end, g->line->why);
	}
}

/* When something is due if nobody says anything. */
static int64_t
due(const struct gate *g)
{
	int64_t	 at = g->heard + GATE_DEAD_MS;

	if (g->probe_until != 0 && g->probe_until < at)
		at = g->probe_until;
	if (g->bye_until != 0 && g->bye_until < at)
		at = g->bye_until;
	if (g->rest_at != 0 && g->rest_at < at)
		at = g->rest_at;
	return at;
}

static void
look_at_time(struct gate *g)
{
	int64_t	 now = io_now_ms();

	if (g->bye_until != 0 && now >= g->bye_until)
		give_up(g, END_DONE, NULL);
	else if (g->probe_until != 0 && now >= g->probe_until)
		give_up(g, END_TIMEOUT, "the agent does not answer");
	else if (now >= g->heard + GATE_DEAD_MS)
		give_up(g, END_TIMEOUT, "the agent is silent");
	if (sig_is_set(SIGQUIT))
		say_goodbye(g, TUNNEL_RELOAD, 0);
	if (g->rest_at != 0 && now >= g->rest_at) {
		session_rest(g->ss);
		g->rest_at = 0;
	}
}

static void
hear_signals(struct gate *g)
{
	enum end	 end;

	if (!told_to_end(&g->ss->s->told, &end))
		return;
	say_goodbye(g, TUNNEL_SHUTDOWN, 0);
	give_up(g, end, NULL);
}

static int
serve_agent(struct session *ss, struct tunnel_line *line)
{
	struct broker_line	*b = ss->s->broker;
	struct gate		 g = {
		.ss = ss, .line = line, .heard = io_now_ms(),
		.rest_at = io_now_ms() + REST_MS,
	};
	int			 code;

	code = broker_join(b, ss->granted, ss->deadline, &ss->s->told,
	    &ss->end);
	if (code == -1)
		return session_refuse(ss, ss->end, b->why);
	if (code != TUNNEL_OK)
		say_goodbye(&g, (enum tunnel_code)code, PROBE_MS);
	else
		assign(&g);
	if (ss->asked)
		ask_established(ss->s->ask);
	proc_title("gate %s: %s", ss->s->pool, ss->s->board->session.user);
	while (!g.over) {
		struct pollfd	 p[2] = {
			{ ss->front.fd, POLLIN, 0 }, { b->fd, POLLIN, 0 },
		};

		if (sig_ppoll(p, 2, io_left_ms(due(&g))) == -1 &&
		    errno == EINTR)
			hear_signals(&g);
		if (p[0].revents != 0 || (line->s != NULL &&
		    stream_pending(line->s)))
			hear_agent(&g);
		if (p[1].revents != 0 && !g.over && channel_dispatch(b->fd,
		    ROLE_BROKER, orders, nitems(orders), &g) != 1)
			give_up(&g, END_INTERNAL, "the broker ended");
		look_at_time(&g);
	}
	broker_line_hang_up(b);
	ss->told = true;
	return session_refuse(ss, g.end, g.why);
}

/* --- */

static int
let_in(struct session *ss, struct stream *s)
{
	struct tunnel_hub	 h = {
		.terms = {
			.heartbeat_ms = GATE_HEARTBEAT_MS,
			.dead_ms = GATE_DEAD_MS, .park_ms = GATE_PARK_MS,
		},
		.check = check, .ctx = ss,
	};
	struct tunnel_line	*line = mem_calloc(1, sizeof(*line));
	enum end		 end;
	int			 rc;

	snprintf(h.terms.address, sizeof(h.terms.address), "%s",
	    ss->l->data_address);
	tunnel_line_init(line, s, &ss->s->told, END_CLIENT_RESET);
	rc = tunnel_let_in(line, ss->front_stream != NULL, &h, ss->deadline,
	    &end);
	if (rc == -1) {
		ss->told = end == END_LOGIN;
		(void)refuse(ss, end, line->why);
	} else {
		secure_note_tunnel(ss, h.id, tls_of(ss));
		rc = h.mode == TUNNEL_USER ? serve_user(ss, line) :
		    serve_agent(ss, line);
	}
	tunnel_line_end(line);
	free(line);
	return rc;
}

static int
let_in_tls(struct session *ss, struct tls_server *context)
{
	struct tls_facts	 facts;

	ss->front_stream = tls_accept(context, ss->front.fd, ss->deadline,
	    &ss->s->told, &facts, &ss->end, ss->text);
	ss->why = ss->text;
	if (ss->front_stream == NULL) {
		ss->told = ss->end == END_TLS;
		return -1;
	}
	return let_in(ss, ss->front_stream);
}

static int
let_in_plain(struct session *ss)
{
	struct stream	*s = stream_new_plain(ss->front.fd);
	int		 rc = let_in(ss, s);

	stream_free(&s);
	return rc;
}

int
gate_open(struct session *ss)
{
	struct tls_server	*context = contexts_server(ss->s->contexts,
				    ss->listener);
	uint8_t			 ticket[TUNNEL_TICKET];
	static uint8_t		 frame[TUNNEL_EARLY_MAX];
	size_t			 len = 0;
	int			 rc;

	if (ss->s->broker == NULL)
		return refuse(ss, END_INTERNAL, "there is no broker");
	rc = context != NULL ? look_tls(ss, ticket) :
	    look_plain(ss, frame, &len, ticket);
	if (rc == 1)
		return park(ss, ticket, context != NULL ? NULL : frame, len);
	if (rc == -1)
		return -1;
	ss->s->spent = true;
	return context != NULL ? let_in_tls(ss, context) : let_in_plain(ss);
}
