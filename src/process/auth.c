/*
 * auth - knows who may log in with one-time codes, and as whom.
 *
 *	from	may ask
 *	master	MSG_CONF, MSG_FILE, MSG_STORE, MSG_MEET, MSG_COMMIT,
 *		MSG_FORGET
 *	worker	is that agent who it says: MSG_PROOF_HUB; and who are we, to
 *		a hub: MSG_PROOF_AGENT;
 *		is it who it says: MSG_CODE_CHECK; what to answer the server
 *		for the account that was granted: MSG_CODE_ANSWER; does it
 *		still have codes: MSG_CODE_STILL
 *	control	what administrators want: MSG_TOTP, see totp_ask.h
 *
 * Secrets in a table are dbclient's to look up: whoever asks about one waits
 * for its answer, and others do not.
 *
 * A password never leaves: a worker is granted an account, and has its
 * server's nonce answered.  It waits for nobody, and whoever does not take its
 * answers is dropped.
 */
#include <sys/epoll.h>
#include <sys/queue.h>
#include <sys/socket.h>

#include <openssl/crypto.h>
#include <openssl/rand.h>

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/io.h"
#include "base/loop.h"
#include "base/mem.h"
#include "base/sig.h"
#include "policy/conf_files.h"
#include "policy/conf_tunnel.h"
#include "process/channel.h"
#include "process/keyring.h"
#include "process/meet.h"
#include "process/proofs.h"
#include "process/role.h"
#include "process/sandbox.h"
#include "process/totp_ask.h"
#include "process/vault.h"

#define RESERVE_FDS	64		/* not for workers */
#define GRANT_MS	30000
#define RENEWALS	256		/* under way at a time */
#define LOOKUP_MS	2500		/* for dbclient to answer */

struct auth;

/* What a check has found, for the server that is dialled next. */
struct grant {
	uint64_t	 id;		/* 0: none */
	uint32_t	 generation, listener, account;
	int64_t		 until;		/* io_now_ms() */
	unsigned int	 answered[CODE_ANSWERS];
};

/* A worker's question that waits for a secret. */
struct waiting {
	bool			 on;
	uint32_t		 lookup;	/* the id given to dbclient */
	uint32_t		 id;		/* of the worker's message */
	struct timer		 limit;
	struct code_check	 check;
	uint8_t			 answer[PROVE_ANSWER_MAX];
	uint8_t			 code[CODE_APART_MAX];
	struct access_source	 source;
	bool			 trusted;
};

/* A secret that nobody waits for, but of whom it is a session goes on. */
struct renewal {
	uint32_t	 lookup;	/* 0: none */
	char		 user[TOTP_NAME_MAX];
};

struct peer {
	struct auth	*all;
	struct watch	 watch;
	unsigned int	 role;
	char		 pool[SETUP_NAME_MAX];
	uint32_t	 id;		/* of the message that is handled */
	struct grant	 grant;
	struct waiting	 waiting;
	LIST_ENTRY(peer) link;
};

struct auth {
	struct setup	*s;
	struct loop	*loop;
	struct vault	*vault;
	struct proofs	*proofs;
	struct watch	 master;
	struct meets	*meets;
	struct watch	 db;		/* the line to dbclient; fd or -1 */
	uint32_t	 lookups;	/* ids given out */
	uint32_t	 heard;		/* of the answer that is handled */
	struct renewal	 renewals[RENEWALS];
	LIST_HEAD(, peer) peers;	/* for leak checkers */
	size_t		 npeers, npeers_max;
};

size_t
auth_needed(const struct conf *conf)
{
	return conf->totp.wanted || conf_has_proofs(conf);
}

static void
drop(struct peer *p)
{
	loop_unwatch(p->all->loop, &p->watch);
	loop_unset(p->all->loop, &p->waiting.limit);
	close(p->watch.fd);
	LIST_REMOVE(p, link);
	p->all->npeers--;
	free(p);
}

static void
set_title(const struct auth *a)
{
	size_t	 n = vault_count(a->vault);

	proc_title("auth: %zu user%s", n, n == 1 ? "" : "s");
}

/* --- what workers ask */

/*
 * Who it is that counts for locks: whom the socket says, unless that is
 * somebody who may name others.
 */
static void
find_source(const struct conf_listener *l, const struct code_check *c,
    int client, struct net_addr *peer, struct access_source *source)
{
	*source = c->source;
	peer->len = sizeof(peer->u);
	if (getpeername(client, &peer->u.sa, &peer->len) == -1)
		return;
	if (l->proxy_protocol.accept && access_allows(
	    l->proxy_protocol.from.v, l->proxy_protocol.from.n, NULL, 0,
	    peer))
		return;
	access_source_of(peer, source);
}

/* Sources are what is counted: of IPv6 a network, and so it is trusted. */
static bool
is_trusted(const struct conf *conf, const struct net_addr *peer,
    const struct access_source *source)
{
	struct access_source	 of_peer;

	access_source_of(peer, &of_peer);
	if (conf->totp.trusted.n == 0 || !access_source_same(&of_peer, source))
		return false;
	return access_allows(conf->totp.trusted.v, conf->totp.trusted.n, NULL,
	    0, peer);
}

/* A line that fail2ban reads, too; see contrib/fail2ban. */
static void
log_refusal(const struct code_check *c, const char *listener,
    const char *source, const struct vault_result *r)
{
	struct logline	 l = { .level = LOGLINE_WARN };

	l.event = logline_string("refused");
	l.text = logline_string("");
	logline_add(&l, LOGLINE_STRING, "user", c->user);
	logline_add(&l, LOGLINE_STRING, "source", source);
	logline_add(&l, LOGLINE_STRING, "listener", listener);
	logline_add(&l, LOGLINE_STRING, "reason", r->reason);
	log_event(&l);
	if (r->locked)
		log_one_of(LOGLINE_ERROR, "locked: too many wrong codes for "
		    "user=%s source=%s: no more is tried for %" PRId64
		    " seconds", c->user, source, r->lock_ms / 1000);
}

static void
grant(struct peer *p, const struct code_check *c, struct code_pass *pass)
{
	p->grant = (struct grant){
		.generation = c->generation, .listener = c->listener,
		.account = pass->account, .until = io_now_ms() + GRANT_MS,
	};
	while (p->grant.id == 0)
		if (RAND_bytes((uint8_t *)&p->grant.id,
		    sizeof(p->grant.id)) != 1)
			log_fatal(1, "no random numbers");
	pass->grant = p->grant.id;
}

static int
answer(struct peer *p, uint16_t type, const void *payload, size_t len)
{
	if (channel_send_id(p->watch.fd, type, p->id, payload, len) == 0)
		return 0;
	log_warn("a process of pool %s takes no answers: %s", p->pool,
	    strerror(errno));
	(void)shutdown(p->watch.fd, SHUT_RDWR);
	return 0;
}

/* All is there that it takes. */
static int
decide(struct peer *p, const struct code_check *c,
    const struct access_source *source, bool trusted)
{
	struct vault		*v = p->all->vault;
	const struct conf	*conf = vault_conf(v, c->generation);
	struct vault_result	 result;
	char			 text[ACCESS_TEXT_MAX];
	uint8_t			 buf[64];
	struct wr		 w;

	if (conf == NULL || vault_check(v, c, source, trusted,
	    (int64_t)time(NULL), io_now_ms(), &result) == -1)
		return -1;
	if (result.pass.verdict == CODE_OK)
		grant(p, c, &result.pass);
	else
		log_refusal(c, conf->listeners[c->listener].name,
		    access_source_text(source, text, sizeof(text)), &result);
	wr_init(&w, buf, sizeof(buf));
	(void)code_pass_encode(&w, &result.pass);
	return answer(p, MSG_CODE_CHECK + 1, buf, wr_len(&w));
}

static int	 look_up(struct peer *, const char *);

static int
on_check(void *ctx, struct rd *r, int *fds)
{
	struct peer			*p = ctx;
	struct vault			*v = p->all->vault;
	struct waiting			*w = &p->waiting;
	struct code_check		*c = &w->check;
	struct net_addr			 peer;
	const struct conf		*conf;
	const struct conf_listener	*l;

	p->grant.id = 0;
	if (w->on || code_check_decode(r, c) == -1)
		return -1;
	conf = vault_conf(v, c->generation);
	if (conf == NULL || c->listener >= conf->nlisteners)
		return -1;
	l = &conf->listeners[c->listener];
	/* Each pool speaks for its own listeners. */
	if (strcmp(l->pool, p->pool) != 0)
		return -1;
	find_source(l, c, fds[0], &peer, &w->source);
	w->trusted = is_trusted(conf, &peer, &w->source);
	if (!vault_must_ask(v, c->user, io_now_ms()))
		return decide(p, c, &w->source, w->trusted);
	if (c->answer.bytes.len > 0)
		memcpy(w->answer, c->answer.bytes.p, c->answer.bytes.len);
	c->answer.bytes.p = w->answer;
	if (c->apart && c->code.bytes.len > 0)
		memcpy(w->code, c->code.bytes.p, c->code.bytes.len);
	c->code.bytes.p = w->code;
	return look_up(p, c->user);
}

/* A server that has to be told the password first is logged in to twice. */
static bool
is_granted(struct grant *g, const struct code_question *q)
{
	unsigned int	 most = q->how == CODE_SHA2 ? 2 : 1;

	return g->id != 0 && g->id == q->grant && io_now_ms() <= g->until &&
	    g->answered[q->how]++ < most;
}

static int
on_answer(void *ctx, struct rd *r, int *fds)
{
	struct peer		*p = ctx;
	const struct grant	*g = &p->grant;
	struct code_question	 q;
	uint8_t			 out[CODE_ANSWER_MAX];
	ptrdiff_t		 n = 0;

	(void)fds;
	if (code_question_decode(r, &q) == -1)
		return -1;
	if (is_granted(&p->grant, &q))
		n = vault_answer(p->all->vault, g->generation, g->listener,
		    g->account, &q, out);
	else
		log_warn("a worker of pool %s asks for what it was not "
		    "granted, or not any more", p->pool);
	return answer(p, MSG_CODE_ANSWER + 1, out, n > 0 ? (size_t)n : 0);
}

static void	 renew(struct auth *, const char *);

/*
 * A session waits for this: what is known is said at once, and whether that
 * still holds is known when it is asked the next time.
 */
static int
on_still(void *ctx, struct rd *r, int *fds)
{
	struct peer	*p = ctx;
	char		 user[TOTP_NAME_MAX] = "";
	uint8_t		 still;

	(void)fds;
	if (r->left >= sizeof(user))
		return -1;
	if (r->left > 0)
		memcpy(user, r->p, r->left);
	(void)rd_take(r, r->left);
	still = vault_has(p->all->vault, user);
	if (vault_must_ask(p->all->vault, user, io_now_ms()))
		renew(p->all, user);
	return answer(p, MSG_CODE_STILL + 1, &still, sizeof(still));
}

/* --- agents and hubs */

/* A line that fail2ban reads, too. */
static void
log_agent_refused(const struct proof_check *c, const char *listener,
    const char *source, const char *reason)
{
	struct logline	 l = { .level = LOGLINE_WARN };

	l.event = logline_string("refused");
	l.text = logline_string("");
	logline_add(&l, LOGLINE_STRING, "agent", c->id);
	logline_add(&l, LOGLINE_STRING, "source", source);
	logline_add(&l, LOGLINE_STRING, "listener", listener);
	logline_add(&l, LOGLINE_STRING, "reason", reason);
	log_event(&l);
}

static int
on_proof_hub(void *ctx, struct rd *r, int *fds)
{
	struct peer			*p = ctx;
	struct proof_check		 c;
	struct proof_pass		 pass;
	struct access_source		 source;
	struct net_addr			 peer;
	const struct conf		*conf;
	const char			*refused;
	char				 text[ACCESS_TEXT_MAX];
	uint8_t				 buf[512];
	struct code_check		 whose = { .generation = 0 };
	struct wr			 w;
	int				 rc;

	if (proof_check_decode(r, &c) == -1)
		return -1;
	conf = vault_conf(p->all->vault, c.generation);
	if (conf == NULL || c.listener >= conf->nlisteners)
		return -1;
	whose.source = c.source;
	find_source(&conf->listeners[c.listener], &whose, fds[0], &peer,
	    &source);
	if (proofs_check(p->all->proofs, &c, &source, p->pool, io_now_ms(),
	    &pass, &refused) == -1)
		return -1;
	if (refused != NULL)
		log_agent_refused(&c, conf->listeners[c.listener].name,
		    access_source_text(&source, text, sizeof(text)), refused);
	wr_init(&w, buf, sizeof(buf));
	(void)proof_pass_encode(&w, &pass);
	rc = answer(p, MSG_PROOF_HUB + 1, buf, wr_len(&w));
	OPENSSL_cleanse(&pass, sizeof(pass));
	OPENSSL_cleanse(buf, sizeof(buf));
	return rc;
}

static int
on_proof_agent(void *ctx, struct rd *r, int *fds)
{
	struct peer		*p = ctx;
	uint32_t		 generation = rd_u32(r), hub = rd_u32(r);
	const uint8_t		*frames = rd_take(r, TUNNEL_HASH);
	const uint8_t		*exporter = rd_take(r, TUNNEL_KEY);
	struct tunnel_seen	 seen;
	struct tunnel_proved	 proved = { { 0 }, { 0 }, { { 0 }, { 0 },
				    { 0 } } };
	uint8_t			 buf[1 + sizeof(proved)];
	int			 rc;

	(void)fds;
	if (!rd_end(r))
		return -1;
	memcpy(seen.frames, frames, sizeof(seen.frames));
	memcpy(seen.exporter, exporter, sizeof(seen.exporter));
	buf[0] = proofs_prove(p->all->proofs, generation, hub, p->pool, &seen,
	    &proved) == 0;
	memcpy(buf + 1, &proved, sizeof(proved));
	rc = answer(p, MSG_PROOF_AGENT + 1, buf, buf[0] ? sizeof(buf) : 1);
	OPENSSL_cleanse(&proved, sizeof(proved));
	OPENSSL_cleanse(buf, sizeof(buf));
	return rc;
}

/* --- what dbclient is asked */

/* The secret is known, or that there is none. */
static void
go_on(struct peer *p)
{
	struct waiting	*w = &p->waiting;

	w->on = false;
	loop_unset(p->all->loop, &w->limit);
	p->id = w->id;
	if (decide(p, &w->check, &w->source, w->trusted) == -1)
		(void)shutdown(p->watch.fd, SHUT_RDWR);
}

/* Nobody knows: who is not in may try later. */
static void
give_up(struct peer *p)
{
	struct waiting		*w = &p->waiting;
	struct code_pass	 pass = { .verdict = CODE_LATER };
	uint8_t			 buf[64];
	struct wr		 o;

	w->on = false;
	loop_unset(p->all->loop, &w->limit);
	p->id = w->id;
	log_warn("the secret of %s cannot be had now", w->check.user);
	wr_init(&o, buf, sizeof(buf));
	(void)code_pass_encode(&o, &pass);
	(void)answer(p, MSG_CODE_CHECK + 1, buf, wr_len(&o));
}

static void
on_late(void *ctx)
{
	give_up(ctx);
}

static void
hang_up_db(struct auth *a)
{
	struct peer	*p;

	loop_unwatch(a->loop, &a->db);
	close(a->db.fd);
	a->db.fd = -1;
	memset(a->renewals, 0, sizeof(a->renewals));
	LIST_FOREACH(p, &a->peers, link)
		if (p->waiting.on)
			give_up(p);
}

/* Whose secret was asked for with that id, with nobody waiting: or NULL. */
static struct renewal *
find_renewal(struct auth *a, uint32_t lookup)
{
	for (size_t i = 0; i < RENEWALS; i++)
		if (a->renewals[i].lookup == lookup)
			return &a->renewals[i];
	return NULL;
}

static void
renewed(struct auth *a, struct renewal *n, enum secret_result result,
    const char *secret)
{
	if (n == NULL)
		return;
	n->lookup = 0;
	if (result != SECRET_AWAY)
		vault_learn(a->vault, n->user, result == SECRET_FOUND ?
		    secret : NULL, io_now_ms());
}

static int
on_secret(void *ctx, struct rd *r, int *fds)
{
	struct auth	*a = ctx;
	struct peer	*p;
	uint8_t		 result = rd_u8(r);
	char		 secret[256] = "";

	(void)fds;
	if (!rd_ok(r) || result > SECRET_AWAY || r->left >= sizeof(secret))
		return -1;
	if (r->left > 0)
		memcpy(secret, r->p, r->left);
	(void)rd_take(r, r->left);
	LIST_FOREACH(p, &a->peers, link)
		if (p->waiting.on && p->waiting.lookup == a->heard)
			break;
	if (p == NULL)
		renewed(a, a->heard != 0 ? find_renewal(a, a->heard) : NULL,
		    (enum secret_result)result, secret);
	else if (result == SECRET_AWAY)
		give_up(p);
	else {
		vault_learn(a->vault, p->waiting.check.user,
		    result == SECRET_FOUND ? secret : NULL, io_now_ms());
		go_on(p);
	}
	OPENSSL_cleanse(secret, sizeof(secret));
	return 0;
}

static const struct channel_rule secrets[] = {
	{ MSG_SECRET + 1,	ROLE_DBCLIENT,	0,	on_secret },
};

static void
on_db(void *ctx, uint32_t events)
{
	struct auth	*a = ctx;

	(void)events;
	if (channel_dispatch_id(a->db.fd, ROLE_DBCLIENT, secrets,
	    nitems(secrets), a, &a->heard) != 1)
		hang_up_db(a);
}

static int
dial_db(struct auth *a)
{
	int	 ends[2], rc;

	if (a->s->dbclient_fd == -1 || channel_pair(ends) == -1)
		return -1;
	rc = channel_send(a->s->dbclient_fd, MSG_HELLO, NULL, 0, &ends[1], 1);
	close(ends[1]);
	a->db = (struct watch){ .fd = ends[0], .run = on_db, .ctx = a };
	if (rc == 0 && loop_watch(a->loop, &a->db, EPOLLIN) == 0)
		return 0;
	close(ends[0]);
	a->db.fd = -1;
	return -1;
}

/* -1: dbclient does not hear. */
static int
ask_secret(struct auth *a, uint32_t id, const char *user)
{
	if (a->db.fd == -1 && dial_db(a) == -1)
		return -1;
	return channel_send_id(a->db.fd, MSG_SECRET, id, user, strlen(user));
}

/* Once at a time for each; who finds no room is asked for later. */
static void
renew(struct auth *a, const char *user)
{
	struct renewal	*n = find_renewal(a, 0);

	for (size_t i = 0; i < RENEWALS; i++)
		if (a->renewals[i].lookup != 0 &&
		    strcmp(a->renewals[i].user, user) == 0)
			return;
	if (n == NULL || ask_secret(a, ++a->lookups, user) == -1)
		return;
	n->lookup = a->lookups;
	snprintf(n->user, sizeof(n->user), "%s", user);
}

static int
look_up(struct peer *p, const char *user)
{
	struct auth	*a = p->all;
	struct waiting	*w = &p->waiting;

	w->on = true;
	w->id = p->id;
	w->lookup = ++a->lookups;
	w->limit = (struct timer){ .run = on_late, .ctx = p };
	loop_set(a->loop, &w->limit, io_now_ms() + LOOKUP_MS);
	if (ask_secret(a, w->lookup, user) == -1)
		give_up(p);
	return 0;
}

/* --- what control asks */

static int
list(struct auth *a, const char *from, char *text, size_t size)
{
	size_t	 i = strtoul(from, NULL, 10), n = 0;
	char	 line[VAULT_WHY_MAX];
	int	 rc;

	while ((rc = vault_person_text(a->vault, i++, line)) == 1) {
		if (n + strlen(line) + 2 > size)
			return 0;
		n += (size_t)snprintf(text + n, size - n, "%s\n", line);
	}
	if (rc == -1)
		snprintf(text, size, "%s", line);
	return rc;
}

/* The text that answers, or with -1 why not. */
static int
administer(struct auth *a, enum totp_what what, const char *name,
    const char *argument, char *text, size_t size)
{
	struct vault	*v = a->vault;
	size_t		 secret = strlen(argument);

	text[0] = '\0';
	switch (what) {
	case TOTP_ADD:
		/* Both are within what was read, and a NUL was added. */
		return vault_add_person(v, name, argument,
		    argument + secret + 1, text, text);
	case TOTP_REMOVE:
		return vault_remove_person(v, name, text);
	case TOTP_LIST:
		return list(a, argument, text, size);
	case TOTP_CHECK:
		return vault_try_code(v, name, argument,
		    (int64_t)time(NULL), text, text);
	case TOTP_RECOVERY:
		return vault_recovery(v, name, text, text);
	case TOTP_UNLOCK:
		return vault_unlock(v, name, text);
	case TOTP_WHATS:
		break;
	}
	return -1;
}

static int
on_totp(void *ctx, struct rd *r, int *fds)
{
	struct peer	*p = ctx;
	uint8_t		 what = rd_u8(r), len = rd_u8(r);
	const uint8_t	*name = rd_take(r, len);
	char		 called[UINT8_MAX + 1] = "";
	char		 argument[TOTP_ARGUMENT_MAX + 2] = "";
	char		 text[MSG_PAYLOAD_MAX - 1];
	uint8_t		 buf[MSG_PAYLOAD_MAX];
	struct wr	 w;
	int		 rc;

	(void)fds;
	if (!rd_ok(r) || what >= TOTP_WHATS || r->left > TOTP_ARGUMENT_MAX)
		return -1;
	memcpy(called, name, len);
	len = 0;
	if (r->left > 0)
		memcpy(argument, r->p, r->left);
	(void)rd_take(r, r->left);
	rc = administer(p->all, (enum totp_what)what, called, argument, text,
	    sizeof(text) / 2);
	set_title(p->all);
	wr_init(&w, buf, sizeof(buf));
	wr_u8(&w, rc == 0 ? 0 : 1);
	wr_bytes(&w, text, strlen(text));
	OPENSSL_cleanse(argument, sizeof(argument));
	rc = answer(p, MSG_TOTP + 1, buf, wr_len(&w));
	OPENSSL_cleanse(text, sizeof(text));
	OPENSSL_cleanse(buf, sizeof(buf));
	return rc;
}

static const struct channel_rule requests[] = {
	{ MSG_CODE_CHECK,	ROLE_WORKER,	1,	on_check },
	{ MSG_CODE_ANSWER,	ROLE_WORKER,	0,	on_answer },
	{ MSG_CODE_STILL,	ROLE_WORKER,	0,	on_still },
	{ MSG_PROOF_HUB,	ROLE_WORKER,	1,	on_proof_hub },
	{ MSG_PROOF_AGENT,	ROLE_WORKER,	0,	on_proof_agent },
	{ MSG_TOTP,		ROLE_CONTROL,	0,	on_totp },
};

static void
on_peer(void *ctx, uint32_t events)
{
	struct peer	*p = ctx;

	(void)events;
	switch (channel_dispatch_id(p->watch.fd, p->role, requests,
	    nitems(requests), p, &p->id)) {
	case 1:
		return;
	case -1:
		log_warn("a process of pool %s said what it may not and is "
		    "heard no more", p->pool);
	}
	drop(p);
}

static bool
on_hello(void *ctx, unsigned int role, const char *pool, int fd)
{
	struct auth	*a = ctx;
	struct peer	*p;

	if (a->npeers == a->npeers_max) {
		log_warn("more than %zu logins at once; others must wait",
		    a->npeers_max);
		return false;
	}
	p = mem_calloc(1, sizeof(*p));
	p->all = a;
	p->role = role;
	memcpy(p->pool, pool, sizeof(p->pool));
	p->watch = (struct watch){ .fd = fd, .run = on_peer, .ctx = p };
	if (loop_watch(a->loop, &p->watch, EPOLLIN) == -1) {
		free(p);
		return false;
	}
	LIST_INSERT_HEAD(&a->peers, p, link);
	a->npeers++;
	return true;
}

/* --- what the master says */

static int
refuse(const struct auth *a, uint32_t number, const char *why)
{
	uint8_t		 buf[4 + VAULT_WHY_MAX];
	struct wr	 w;

	wr_init(&w, buf, sizeof(buf));
	wr_u32(&w, number);
	wr_bytes(&w, why, strlen(why));
	return channel_send(a->s->channel, MSG_REFUSED, buf, wr_len(&w),
	    NULL, 0);
}

/* Is all there that the generation has for us? */
static bool
is_given(const struct setup_generation *gen)
{
	size_t			 n;
	struct conf_file	*files = conf_files(gen->conf, &n);
	bool			 given = true;

	for (size_t i = 0; i < n; i++)
		given &= gen->files[i].data != NULL ||
		    !conf_file_is_for_auth(&files[i]);
	free(files);
	if (gen->conf->totp.wanted)
		given &= (gen->stores[STORE_PEOPLE] != -1 ||
		    gen->conf->totp.secrets == CONF_SECRETS_TABLE) &&
		    (gen->conf->totp.state[0] == '\0' ||
		    gen->stores[STORE_USED] != -1);
	return given;
}

static int
prepare(struct auth *a, struct setup_generation *gen)
{
	char	 why[VAULT_WHY_MAX];

	if (gen == NULL || !is_given(gen))
		return 0;
	if (vault_add(a->vault, gen, why) == -1)
		return refuse(a, gen->number, why);
	proofs_add(a->proofs, gen);
	return channel_send_u32(a->s->channel, MSG_PREPARED, gen->number);
}

static int
on_conf(void *ctx, struct rd *r, int *fds)
{
	struct auth	*a = ctx;

	if (setup_on_conf(a->s, r, fds) == -1)
		return -1;
	return prepare(a, &a->s->generations[a->s->ngenerations - 1]);
}

static int
on_file(void *ctx, struct rd *r, int *fds)
{
	struct auth	*a = ctx;
	struct rd	 copy = *r;

	if (setup_on_file(a->s, r, fds) == -1)
		return -1;
	return prepare(a, setup_generation(a->s, rd_u32(&copy)));
}

static int
on_store(void *ctx, struct rd *r, int *fds)
{
	struct auth	*a = ctx;
	struct rd	 copy = *r;

	if (setup_on_store(a->s, r, fds) == -1)
		return -1;
	return prepare(a, setup_generation(a->s, rd_u32(&copy)));
}

static int
on_meet_given(void *ctx, struct rd *r, int *fds)
{
	struct auth	*a = ctx;

	return setup_on_meet(a->s, r, fds) == -1 ? -1 :
	    meets_take(a->meets, a->s);
}

static int
on_commit(void *ctx, struct rd *r, int *fds)
{
	struct auth			*a = ctx;
	const struct setup_generation	*gen;

	(void)fds;
	gen = setup_generation(a->s, rd_u32(r));
	if (gen == NULL)
		return -1;
	log_init("auth", (enum logline_level)gen->conf->log.level);
	vault_use(a->vault, gen->number, (int64_t)time(NULL));
	set_title(a);
	return 0;
}

static int
on_forget(void *ctx, struct rd *r, int *fds)
{
	struct auth	*a = ctx;
	struct rd	 copy = *r;
	uint32_t	 number = rd_u32(&copy);

	vault_forget(a->vault, number);
	proofs_forget(a->proofs, number);
	return setup_on_forget(a->s, r, fds);
}

static const struct channel_rule orders[] = {
	{ MSG_CONF,	ROLE_MASTER,	1,	on_conf },
	{ MSG_FILE,	ROLE_MASTER,	1,	on_file },
	{ MSG_STORE,	ROLE_MASTER,	1,	on_store },
	{ MSG_MEET,	ROLE_MASTER,	1,	on_meet_given },
	{ MSG_COMMIT,	ROLE_MASTER,	0,	on_commit },
	{ MSG_FORGET,	ROLE_MASTER,	0,	on_forget },
};

static _Noreturn void
finish(struct auth *a)
{
	vault_end(a->vault, (int64_t)time(NULL));
	vault_free(&a->vault);
	proofs_free(&a->proofs);
	exit(0);
}

static void
on_master(void *ctx, uint32_t events)
{
	struct auth	*a = ctx;

	(void)events;
	if (channel_dispatch(a->s->channel, ROLE_MASTER, orders,
	    nitems(orders), a) != 1)
		finish(a);
}

static size_t
peers_max(void)
{
	int	 n = proc_descriptors();

	return n < 2 * RESERVE_FDS ? RESERVE_FDS / 2 :
	    (size_t)n - RESERVE_FDS;
}

static void
begin(struct auth *a)
{
	uint8_t	 seed[32];
	char	 why[VAULT_WHY_MAX];

	if (!keyring_lock_memory())
		log_info("secrets and passwords may be swapped out, for "
		    "memory cannot be locked");
	if (RAND_bytes(seed, sizeof(seed)) != 1)
		log_fatal(1, "no random numbers");
	a->vault = vault_new(seed);
	a->proofs = proofs_new(a->s->start.grant_key, seed);
	OPENSSL_cleanse(a->s->start.grant_key,
	    sizeof(a->s->start.grant_key));
	OPENSSL_cleanse(seed, sizeof(seed));
	for (size_t i = 0; i < a->s->ngenerations; i++) {
		if (vault_add(a->vault, &a->s->generations[i], why) == -1)
			log_fatal(1, "%s", why);
		proofs_add(a->proofs, &a->s->generations[i]);
	}
	a->npeers_max = peers_max();
	a->db.fd = -1;
	LIST_INIT(&a->peers);
	a->master = (struct watch){
		.fd = a->s->channel, .run = on_master, .ctx = a,
	};
	if ((a->loop = loop_new()) == NULL ||
	    loop_watch(a->loop, &a->master, EPOLLIN) == -1)
		log_fatal(1, "epoll: %s", strerror(errno));
	a->meets = meets_new(a->loop, ROLE_WORKER | ROLE_CONTROL, on_hello, a);
	if (meets_take(a->meets, a->s) == -1)
		log_fatal(1, "epoll: %s", strerror(errno));
	vault_use(a->vault, a->s->committed != 0 ? a->s->committed :
	    a->s->generations[0].number, (int64_t)time(NULL));
}

void
auth_main(struct setup *s)
{
	static const int	 signals[] = { SIGTERM, 0 };
	static struct auth	 auth;		/* leak checkers see it */
	struct auth		*a = &auth;

	sig_init(signals);
	/* Before there are secrets. */
	sandbox_enter(ROLE_AUTH, s->conf, NULL);
	a->s = s;
	begin(a);
	set_title(a);
	setup_ready(s);
	while (!sig_is_set(SIGTERM))
		if (loop_turn(a->loop) == -1)
			log_fatal(1, "epoll_wait: %s", strerror(errno));
	finish(a);
}
