#include <inttypes.h>
#include <string.h>

#include "base/io.h"
#include "base/log.h"
#include "process/broker_ask.h"
#include "process/dial.h"
#include "process/topic.h"

static void
note_server(struct session *ss)
{
	struct sb_worker	*board = ss->s->board;
	const struct back	*b = &ss->back;

	sb_write_begin(board);
	if (b->tried > 0) {
		net_text(&b->addr, board->session.server,
		    sizeof(board->session.server));
		board->session.server_index =
		    (uint32_t)ss->backend->servers.v[b->server].index;
	}
	if (b->fd != -1)
		board->session.connected_us = io_now_us();
	sb_write_end(board);
}

/* A server did not answer: nobody else need find out for himself. */
static void
on_failed(void *ctx, uint32_t server)
{
	struct session	*ss = ctx;
	uint32_t	 index =
			    (uint32_t)ss->backend->servers.v[server].index;

	route_failed(&ss->s->router, index);
	ask_failed(ss->s->ask, index);
	ss->asked |= ss->backend->placed;
}

static int
dial(struct session *ss, const struct back_candidate *candidates, size_t n,
    int64_t deadline)
{
	const struct back_options	 o = {
		.source = &ss->backend->source, .tcp = &ss->tcp,
		.told = &ss->s->told, .failed = on_failed, .ctx = ss,
	};
	int				 rc;

	rc = back_dial(&ss->back, candidates, n, &o, ss->front.fd, deadline,
	    &ss->end);
	ss->why = ss->back.why;
	note_server(ss);
	return rc;
}

/* Servers of the worker's own choice, in turn. */
static int
dial_by_book(struct session *ss, uint64_t key, int64_t deadline)
{
	/* Of the stack each page would be touched, and so be the worker's. */
	static struct back_candidate	 candidates[BACK_CANDIDATES_MAX];
	const char			*why;
	size_t				 n;

	n = route_candidates(&ss->s->router, ss->backend_index, key, candidates,
	    BACK_CANDIDATES_MAX, &why);
	if (n == 0)
		return session_refuse(ss, END_UNREACHABLE, why);
	return dial(ss, candidates, n, deadline);
}

/* Servers of the keeper's choice, one after the other. */
static int
dial_by_keeper(struct session *ss, uint64_t key, int64_t deadline)
{
	struct back_candidate	 candidates[BOOK_ADDRS_MAX];
	int64_t			 left = ss->backend->retries, began, until;
	uint64_t		 tried = 0;
	enum ask_verdict	 verdict;
	size_t			 server, n;

	for (;; left--) {
		began = io_now_ms();
		ss->asked = true;
		if (ask_place(ss->s->ask, (uint32_t)ss->backend_index, key,
		    tried, ss->front.fd, began + SESSION_ANSWER_MS +
		    ss->backend->queue.timeout, &verdict, &server,
		    &ss->end) == -1)
			return -1;
		if (verdict != ASK_OK) {
			/* The servers that were tried say more. */
			if (tried != 0)
				return -1;
			return session_refuse(ss, verdict == ASK_NO_SERVER ?
			    END_UNREACHABLE : END_LIMIT, ask_text(verdict));
		}
		if (server >= ss->backend->servers.n)
			return session_refuse(ss, END_INTERNAL, "the keeper "
			    "chose a server that there is not");
		/* Time in the queue is not time that a server took. */
		deadline += io_now_ms() - began;
		tried |= (uint64_t)1 << server;
		n = route_addresses(&ss->s->router, ss->backend_index, server,
		    candidates, BOOK_ADDRS_MAX);
		until = left > 0 && ss->backend->servers.n > 1 ?
		    deadline - io_left_ms(deadline) / 2 : deadline;
		if (dial(ss, candidates, n, until) == 0)
			return 0;
		if (ss->end != END_UNREACHABLE || left == 0 ||
		    io_left_ms(deadline) == 0)
			return -1;
	}
}

static int
connect_back(struct session *ss)
{
	const struct conf	*c = ss->s->router.conf;
	int64_t			 deadline = io_now_ms() +
				    c->timeouts.connect;
	bool			 hasty = ss->deadline < deadline;
	uint64_t		 key = route_key(&ss->s->router,
				    ss->backend_index, &ss->source);
	int			 rc;

	if (hasty)
		deadline = ss->deadline;
	if (ss->backend->placed)
		rc = dial_by_keeper(ss, key, deadline);
	else
		rc = dial_by_book(ss, key, deadline);
	if (rc == -1 && ss->end == END_UNREACHABLE && hasty &&
	    io_left_ms(deadline) == 0)
		ss->end = END_TIMEOUT;
	return rc;
}

/* Say to the server who the client is, if it wants to hear that. */
static int
introduce(struct session *ss)
{
	const struct conf_server	*server =
	    &ss->backend->servers.v[ss->back.server];
	const char			*why;
	char				 id[20];

	if (server->send_proxy == 0)
		return 0;
	session_id_text(ss->s->board->session.id, id, sizeof(id));
	if (back_send_proxy(ss->back.fd, (int)server->send_proxy,
	    &ss->front.client, front_to(&ss->front), id, &why) == 0)
		return 0;
	net_abort(ss->back.fd);
	ss->back.fd = -1;
	return session_refuse(ss, END_SERVER_RESET, why);
}

/* Topics have no servers; at another hub, that hub is reached first. */
static int
dial_topic(struct session *ss)
{
	if (ss->backend->hub == CONF_NOWHERE)
		return topic_by_broker(ss, ss->backend->topic, NULL);
	return connect_back(ss) == 0 ? topic_by_hub(ss) : -1;
}

/* Where a hub has us forward to. */
static int
dial_only(struct session *ss)
{
	const struct back_candidate	 c = { *ss->only, 0 };
	const struct back_options	 o = {
		.tcp = &ss->tcp, .told = &ss->s->told,
	};
	struct sb_worker		*board = ss->s->board;
	int64_t				 deadline = io_now_ms() +
					    ss->s->router.conf->
					    timeouts.connect;
	int				 rc;

	rc = back_dial(&ss->back, &c, 1, &o, ss->front.fd, deadline,
	    &ss->end);
	ss->why = ss->back.why;
	sb_write_begin(board);
	net_text(ss->only, board->session.server,
	    sizeof(board->session.server));
	if (rc == 0)
		board->session.connected_us = io_now_us();
	sb_write_end(board);
	return rc;
}

static int
dial_backend(struct session *ss)
{
	if (ss->only != NULL)
		return dial_only(ss);
	if (ss->backend->topic != NULL)
		return dial_topic(ss);
	return connect_back(ss) == 0 ? introduce(ss) : -1;
}

/*
 * The next forward, if the last led nowhere.  Who asked for something by name
 * does not get something else.
 */
static bool
fall_back(struct session *ss)
{
	size_t	 next;

	if (ss->fallbacks >= ss->l->nfallbacks || ss->backend_index != (
	    ss->fallbacks == 0 ? ss->l->backend :
	    ss->l->fallbacks[ss->fallbacks - 1]))
		return false;
	if (ss->end != END_UNREACHABLE && ss->end != END_LIMIT &&
	    ss->end != END_LOGIN && ss->end != END_TLS &&
	    ss->end != END_SERVER_RESET && ss->end != END_DENIED)
		return false;
	if (ss->why != NULL)
		log_warn("listener %s: %s: %s; trying %s", ss->l->name,
		    ss->l->forward.v[ss->fallbacks], ss->why,
		    ss->l->forward.v[ss->fallbacks + 1]);
	next = ss->l->fallbacks[ss->fallbacks++];
	ss->backend_index = next;
	ss->backend = &ss->s->router.conf->backends[next];
	ss->tunnel_tls = NULL;
	ss->why = NULL;
	if (ss->s->broker != NULL)
		broker_line_hang_up(ss->s->broker);
	return true;
}

int
dial_server(struct session *ss)
{
	int	 rc;

	while ((rc = dial_backend(ss)) == -1 && fall_back(ss))
		continue;
	return rc;
}

int
dial_again(struct session *ss)
{
	struct back_candidate	 candidates[BOOK_ADDRS_MAX];
	size_t			 n;

	if (ss->backend->topic != NULL)
		return dial_topic(ss);
	n = route_addresses(&ss->s->router, ss->backend_index,
	    ss->back.server, candidates, BOOK_ADDRS_MAX);
	return dial(ss, candidates, n, ss->deadline) == 0 ? introduce(ss) :
	    -1;
}
