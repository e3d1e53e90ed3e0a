#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <openssl/crypto.h>
#include <openssl/rand.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "base/mem.h"
#include "policy/conf_assign.h"
#include "policy/conf_tunnel.h"
#include "process/broker_ask.h"
#include "process/contexts.h"
#include "process/proof_ask.h"
#include "process/secure.h"
#include "process/topic.h"
#include "session/tunnel_login.h"

#define LIFE_MS		300	/* for an agent to show that it lives */
#define LIFE_ROUNDS	3	/* or so many round trips */

#define HAS(tag)	TUNNEL_HAS(TUNNEL_T_##tag)

enum outcome {
	REACHED,
	DEAD,			/* the connection; another may live */
	UNREACHED,		/* another agent may; ss->end and why: this */
	REFUSED,		/* ss->end and why say more */
};

static bool
is_ip(const struct net_addr *a)
{
	return a != NULL && (a->u.sa.sa_family == AF_INET ||
	    a->u.sa.sa_family == AF_INET6);
}

/* Who the user is, and what he had dialled. */
static void
describe_user(struct session *ss, struct tunnel_frame *f, uint8_t *session)
{
	const struct net_addr	*to = front_to(&ss->front);
	struct wr		 w;

	wr_init(&w, session, TUNNEL_SESSION);
	wr_u64(&w, ss->s->board->session.id);
	wr_u64(&w, 0);
	f->has |= HAS(SESSION);
	f->session = session;
	if (is_ip(&ss->front.client)) {
		f->has |= HAS(SOURCE);
		f->source = ss->front.client;
	}
	if (is_ip(to)) {
		f->has |= HAS(DESTINATION);
		f->destination = *to;
	}
}

static void
note_agent(struct session *ss, const char *topic, const char *agent)
{
	struct sb_worker	*board = ss->s->board;

	sb_write_begin(board);
	snprintf(board->session.server, sizeof(board->session.server),
	    "%s@%s", topic, agent);
	board->session.connected_us = io_now_us();
	sb_write_end(board);
}

static int64_t
life_deadline(int fd)
{
	struct tcp_info	 info;
	socklen_t	 len = sizeof(info);
	int64_t		 ms = LIFE_MS, rounds;

	if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len) == 0) {
		rounds = LIFE_ROUNDS * (int64_t)info.tcpi_rtt / 1000;
		if (rounds > ms)
			ms = rounds;
	}
	return io_now_ms() + ms;
}

static void
hang_up(struct session *ss)
{
	stream_free(&ss->back_stream);
	if (ss->back.fd != -1)
		net_abort(ss->back.fd);
	ss->back.fd = -1;
	ss->tunnel_tls = NULL;
}

static enum outcome
refuse(struct session *ss, enum end end, enum tunnel_code code,
    const char *why)
{
	snprintf(ss->text, sizeof(ss->text), "%s", why);
	ss->tunnel_code = code;
	(void)session_refuse(ss, end, ss->text);
	return REFUSED;
}

/* The agent has answered, or the connection is of no use. */
static enum outcome
hear_answer(struct session *ss, struct tunnel_line *line)
{
	struct tunnel_frame	 f;
	char			 why[SESSION_WHY_MAX];
	char			 said[TUNNEL_TEXT_MAX + 1] = "";
	enum end		 end;

	if (tunnel_hear(line, &f, ss->deadline, &end) == -1) {
		if (end == line->gone)
			return DEAD;
		return refuse(ss, end == END_TIMEOUT ? END_UNREACHABLE : end,
		    TUNNEL_NO_ANSWER, line->why);
	}
	if (f.type == TUNNEL_OPEN_OK) {
		ss->packed = (f.has & HAS(CAPS)) != 0 &&
		    (f.caps & TUNNEL_CAP_ZSTD) != 0;
		return REACHED;
	}
	if (f.type != TUNNEL_OPEN_NO && f.type != TUNNEL_REJECT)
		return refuse(ss, END_PROTOCOL, TUNNEL_BROKEN,
		    "a frame out of order");
	if ((f.has & HAS(TEXT)) != 0)
		(void)tunnel_string(&f.text, said, sizeof(said));
	snprintf(why, sizeof(why), "%s%s%s", tunnel_code_text(f.code),
	    said[0] != '\0' ? ": " : "", said);
	if (f.code == TUNNEL_NO_SERVICE) {
		(void)refuse(ss, END_UNREACHABLE, TUNNEL_NO_SERVICE, why);
		return UNREACHED;
	}
	return refuse(ss, f.code == TUNNEL_TOO_MANY ? END_LIMIT :
	    f.code == TUNNEL_NOT_ALLOWED ? END_DENIED : END_UNREACHABLE,
	    f.code < TUNNEL_CODES ? (enum tunnel_code)f.code :
	    TUNNEL_NO_SERVICE, why);
}

/* The other end compresses from here on, if we offered it. */
static int
pack(struct session *ss, uint32_t offered)
{
	if (!ss->packed)
		return 0;
	if ((offered & TUNNEL_CAP_ZSTD) == 0) {
		hang_up(ss);
		(void)refuse(ss, END_PROTOCOL, TUNNEL_BROKEN,
		    "what was not offered was taken");
		return -1;
	}
	if (session_pack(&ss->back_stream, ss->back.fd) == 0)
		return 0;
	hang_up(ss);
	(void)refuse(ss, END_INTERNAL, TUNNEL_BUSY, "no memory to compress");
	return -1;
}

static struct tunnel_line *
new_line(struct session *ss, struct stream *s)
{
	struct tunnel_line	*l = mem_calloc(1, sizeof(*l));

	tunnel_line_init(l, s, &ss->s->told, END_SERVER_RESET);
	l->noting = false;
	return l;
}

static void
free_line(struct tunnel_line *l)
{
	tunnel_line_end(l);
	free(l);
}

/* Did the peer, and not the session, end it? */
static bool
is_dead(enum end end)
{
	return end == END_TIMEOUT || end == END_SERVER_RESET ||
	    end == END_TLS || end == END_PROTOCOL;
}

/* OPEN in the flight of our hello; the agent's Finished shows that it lives. */
static enum outcome
open_tls(struct session *ss, const struct broker_found *found,
    const struct tunnel_frame *open)
{
	const struct tls_psk_key	 key = {
		found->ticket, sizeof(found->ticket), found->keys.psk,
	};
	uint8_t				 first[TUNNEL_EARLY_MAX];
	ssize_t				 n = tunnel_encode(open, first,
					    sizeof(first));
	struct tunnel_line		*line;
	char				 why[TLS_WHY_MAX] = "";
	enum outcome			 rc;

	if (n == -1)
		return refuse(ss, END_INTERNAL, TUNNEL_BROKEN,
		    "a user who cannot be described");
	ss->back_stream = tls_psk_accept(contexts_psk(ss->s->contexts),
	    ss->back.fd, &key, first, (size_t)n, life_deadline(ss->back.fd),
	    &ss->s->told, &ss->end, why);
	if (ss->back_stream == NULL)
		return is_dead(ss->end) ? DEAD :
		    refuse(ss, ss->end, TUNNEL_NO_ANSWER, why);
	line = new_line(ss, ss->back_stream);
	rc = hear_answer(ss, line);
	free_line(line);
	ss->tunnel_tls = "TLSv1.3";
	return rc;
}

/* The same in frames with MACs: PONG is the sign of life. */
static enum outcome
open_plain(struct session *ss, const struct broker_found *found,
    const struct tunnel_frame *open)
{
	struct stream		*s = stream_new_plain(ss->back.fd);
	struct tunnel_line	*line = new_line(ss, s);
	struct tunnel_frame	 f;
	enum outcome		 rc = DEAD;
	enum end		 end;

	tunnel_line_seal(line, found->keys.agent_mac, found->keys.hub_mac);
	line->nin = 1;			/* the broker had the first */
	if (tunnel_say(line, open, life_deadline(ss->back.fd), &end) == 0 &&
	    tunnel_hear(line, &f, life_deadline(ss->back.fd), &end) == 0 &&
	    f.type == TUNNEL_PONG)
		rc = hear_answer(ss, line);
	else if (!is_dead(end))
		rc = refuse(ss, end, TUNNEL_NO_ANSWER, line->why);
	free_line(line);
	stream_free(&s);
	return rc;
}

/* What the session is to be held by; the descriptor is closed. */
static int
pace(struct session *ss, const struct broker_found *found, int fd)
{
	paces_unmap(ss->paces);
	ss->paces = NULL;
	if (fd == -1)
		return 0;
	ss->paces = paces_map(fd, &found->paces, ss->pace);
	close(fd);
	if (ss->paces != NULL)
		return 0;
	hang_up(ss);
	(void)refuse(ss, END_INTERNAL, TUNNEL_BUSY, "no memory");
	return -1;
}

/* 0 with a connection; or -1 with ss->end, why and tunnel_code. */
static int
ask_broker(struct session *ss, enum broker_want want, const char *topic,
    const uint8_t *grant, struct broker_found *found)
{
	struct broker_line	*b = ss->s->broker;
	int			 paces = -1;
	int			 code = broker_open(b, want, topic, grant,
				    ss->front.fd, ss->deadline, &ss->s->told,
				    found, &ss->back.fd, &paces, &ss->end);

	if (code == TUNNEL_OK)
		return pace(ss, found, paces);
	if (code == -1) {
		ss->tunnel_code = TUNNEL_BUSY;
		return session_refuse(ss, ss->end, b->why);
	}
	/* Nobody else is there: what the last one said stands. */
	if (want != BROKER_ELSEWHERE || code != TUNNEL_NO_SERVICE)
		(void)refuse(ss, code == TUNNEL_TOO_MANY ? END_LIMIT :
		    code == TUNNEL_NOT_ALLOWED ? END_DENIED :
		    END_UNREACHABLE, (enum tunnel_code)code,
		    tunnel_code_text((unsigned)code));
	return -1;
}

bool
topic_may_pack(const struct session *ss, const char *topic)
{
	const struct conf_topic	*t = conf_topic_find(ss->s->router.conf,
				    topic);

	return t != NULL && t->compression == CONF_COMPRESSION_ZSTD;
}

int
topic_by_broker(struct session *ss, const char *topic, const uint8_t *grant)
{
	struct tunnel_frame	 open = {
		.type = TUNNEL_OPEN, .has = HAS(TOPIC),
		.topic = tunnel_text_of(topic),
	};
	const struct conf_assign *assigned =
	    conf_assign_find(ss->s->router.conf, NULL, topic);
	uint8_t			 session[TUNNEL_SESSION];
	struct broker_found	 found;
	enum broker_want	 want = BROKER_TOPIC;
	enum outcome		 rc = DEAD;

	if (ss->s->broker == NULL)
		return session_refuse(ss, END_INTERNAL, "there is no broker");
	describe_user(ss, &open, session);
	if (assigned != NULL) {
		open.has |= HAS(ADDRESS);
		open.address = tunnel_text_of(conf_assign_address(assigned));
	}
	if (topic_may_pack(ss, topic)) {
		open.has |= HAS(CAPS);
		open.caps = TUNNEL_CAP_ZSTD;
	}
	while (rc != REACHED) {
		if (ask_broker(ss, want, topic, grant, &found) == -1)
			return -1;
		ss->s->spent |= found.tls;
		rc = found.raw ? REACHED : found.tls ?
		    open_tls(ss, &found, &open) :
		    open_plain(ss, &found, &open);
		OPENSSL_cleanse(&found.keys, sizeof(found.keys));
		if (rc != REACHED)
			hang_up(ss);
		if (rc == REFUSED)
			return -1;
		want = rc == UNREACHED ? BROKER_ELSEWHERE : BROKER_ALIVE;
	}
	ss->why = NULL;			/* of one that was tried before */
	ss->stays |= found.counted;
	note_agent(ss, topic, found.agent);
	return pack(ss, open.caps);
}

/* --- at another hub */

struct proving {
	struct session	*ss;
	uint32_t	 hub;
};

static int
prove(void *ctx, const struct tunnel_seen *seen, struct tunnel_proved *proved)
{
	const struct proving	*p = ctx;
	struct server		*s = p->ss->s;

	if (s->proofs == NULL)
		return -1;
	return proof_ask_prove(s->proofs, s->generation, p->hub, seen,
	    proved);
}

static int
log_in(struct session *ss, struct tunnel_line *line, bool tls,
    const struct conf_hub *h, const struct tunnel_frame *subscribe)
{
	struct proving		 proving = {
		ss, (uint32_t)ss->backend->hub,
	};
	uint8_t			 instance[TUNNEL_INSTANCE];
	struct tunnel_agent	 a = {
		.id = h->id, .instance = instance, .mode = TUNNEL_USER,
		.subscribe = subscribe, .prove = prove, .ctx = &proving,
	};
	struct tunnel_terms	 terms;
	struct tunnel_proved	 proved;
	enum end		 end;
	int			 rc;

	if (RAND_bytes(instance, sizeof(instance)) != 1)
		return refuse(ss, END_INTERNAL, TUNNEL_BUSY,
		    "no random numbers") == REACHED ? 0 : -1;
	rc = tunnel_login(line, tls, &a, &terms, &proved, ss->deadline, &end);
	if (rc == -1)
		(void)refuse(ss, end, a.code, line->why);
	OPENSSL_cleanse(&proved, sizeof(proved));
	return rc;
}

/* Is it reached?  What it takes until then is the caller's. */
static int
subscribe(struct session *ss, struct stream *s, bool tls)
{
	const struct conf_hub	*h =
	    &ss->s->router.conf->hubs.v[ss->backend->hub];
	struct tunnel_frame	 f = {
		.type = TUNNEL_SUBSCRIBE, .has = HAS(TOPIC),
		.topic = tunnel_text_of(ss->backend->topic),
	};
	uint8_t			 session[TUNNEL_SESSION];
	struct tunnel_line	*line = new_line(ss, s);
	enum outcome		 rc = REFUSED;

	line->noting = true;
	describe_user(ss, &f, session);
	if (h->compression == CONF_COMPRESSION_ZSTD) {
		f.has |= HAS(CAPS);
		f.caps = TUNNEL_CAP_ZSTD;
	}
	if (log_in(ss, line, tls, h, &f) == 0)
		rc = hear_answer(ss, line);
	if (rc == DEAD)
		(void)refuse(ss, END_UNREACHABLE, TUNNEL_NO_ANSWER,
		    "the hub left before it had an answer");
	free_line(line);
	if (rc != REACHED)
		return -1;
	note_agent(ss, ss->backend->topic, h->name);
	return pack(ss, f.caps);
}

int
topic_by_hub(struct session *ss)
{
	struct tls_client	*context = contexts_client(ss->s->contexts,
				    ss->backend_index);
	struct tls_facts	 facts;
	struct stream		*s;
	char			 why[TLS_WHY_MAX] = "";
	int			 rc;

	ss->s->spent |= context != NULL;
	if (context == NULL) {
		s = stream_new_plain(ss->back.fd);
		rc = subscribe(ss, s, false);
		stream_free(&s);
	} else {
		ss->back_stream = tls_connect(context, ss->back.fd,
		    secure_server_name(ss), ss->deadline, &ss->s->told,
		    &facts, &ss->end, why);
		if (ss->back_stream == NULL) {
			snprintf(ss->text, sizeof(ss->text), "TLS with the "
			    "hub: %.*s", (int)sizeof(ss->text) - 24, why);
			rc = session_refuse(ss, ss->end, ss->text);
		} else
			rc = subscribe(ss, ss->back_stream, true);
		ss->tunnel_tls = "TLSv1.3";
	}
	if (rc == -1)
		hang_up(ss);
	return rc;
}
