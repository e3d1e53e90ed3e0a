#include <openssl/crypto.h>
#include <openssl/rand.h>

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "policy/conf_files.h"
#include "policy/conf_tunnel.h"
#include "policy/guess.h"
#include "process/proofs.h"

#define SOURCES		4096	/* that are known to guess */

/* A lock is short: an agent with an old secret tries for ever. */
static const struct guess_rule	 rule = {
	.tries = 10, .lock_ms = 60000, .memory_ms = 60000,
};

struct secret {
	uint8_t	 bytes[TUNNEL_SECRET];
	bool	 there;
};

/* Secrets of one generation: of agents, then of hubs. */
struct known {
	uint32_t	 generation;
	const struct conf *conf;
	struct secret	*agents, *hubs;		/* of OpenSSL */
	struct known	*next;
};

struct proofs {
	uint8_t		 grant_key[GRANT_KEY];
	uint64_t	 seed;
	uint8_t		 nobody[TUNNEL_SECRET];	/* the secret of none */
	struct guess	*guess;
	struct known	*known;
};

struct proofs *
proofs_new(const uint8_t grant_key[GRANT_KEY], const uint8_t *seed)
{
	struct proofs	*p = OPENSSL_secure_zalloc(sizeof(*p));

	if (p == NULL || RAND_bytes(p->nobody, sizeof(p->nobody)) != 1)
		log_fatal(1, "no memory for secrets, or no random numbers");
	memcpy(p->grant_key, grant_key, sizeof(p->grant_key));
	memcpy(&p->seed, seed, sizeof(p->seed));
	p->guess = guess_new(SOURCES);
	return p;
}

static void
free_known(struct known *k)
{
	OPENSSL_secure_clear_free(k->agents, (k->conf->agents.n + 1) *
	    sizeof(*k->agents));
	OPENSSL_secure_clear_free(k->hubs, (k->conf->hubs.n + 1) *
	    sizeof(*k->hubs));
	free(k);
}

void
proofs_free(struct proofs **pp)
{
	struct proofs	*p = *pp;
	struct known	*k;

	if (p == NULL)
		return;
	while ((k = p->known) != NULL) {
		p->known = k->next;
		free_known(k);
	}
	guess_free(&p->guess);
	OPENSSL_secure_clear_free(p, sizeof(*p));
	*pp = NULL;
}

static void
take_secret(struct setup_file *f, struct secret *s)
{
	s->there = f->data != NULL && tunnel_secret_decode(f->data, f->len,
	    s->bytes) == 0;
	setup_forget_file(f);
}

/* Up to an end of line of either kind, as any password. */
static void
take_password(struct setup_file *f, struct secret *s)
{
	size_t	 n = 0;

	while (f->data != NULL && n < f->len && f->data[n] != '\n' &&
	    f->data[n] != '\r')
		n++;
	s->there = n > 0 && proof_secret_of(f->data, n, s->bytes) == 0;
	setup_forget_file(f);
}

void
proofs_add(struct proofs *p, struct setup_generation *gen)
{
	struct known		*k = mem_calloc(1, sizeof(*k));
	size_t			 n;
	struct conf_file	*files = conf_files(gen->conf, &n);

	k->generation = gen->number;
	k->conf = gen->conf;
	k->agents = OPENSSL_secure_zalloc((gen->conf->agents.n + 1) *
	    sizeof(*k->agents));
	k->hubs = OPENSSL_secure_zalloc((gen->conf->hubs.n + 1) *
	    sizeof(*k->hubs));
	if (k->agents == NULL || k->hubs == NULL)
		log_fatal(1, "no memory for secrets");
	for (size_t i = 0; i < n && i < gen->nfiles; i++) {
		if (files[i].kind == CONF_FILE_AGENT_SECRET)
			take_secret(&gen->files[i],
			    &k->agents[files[i].owner]);
		if (files[i].kind == CONF_FILE_AGENT_PASSWORD)
			take_password(&gen->files[i],
			    &k->agents[files[i].owner]);
		if (files[i].kind == CONF_FILE_HUB_SECRET)
			take_secret(&gen->files[i], &k->hubs[files[i].owner]);
	}
	free(files);
	k->next = p->known;
	p->known = k;
}

void
proofs_forget(struct proofs *p, uint32_t generation)
{
	struct known	**at = &p->known, *k;

	while (*at != NULL && (*at)->generation != generation)
		at = &(*at)->next;
	if ((k = *at) == NULL)
		return;
	*at = k->next;
	free_known(k);
}

static const struct known *
find(const struct proofs *p, uint32_t generation)
{
	const struct known	*k = p->known;

	while (k != NULL && k->generation != generation)
		k = k->next;
	return k;
}

/* One agent that has it wrong does not lock out others behind its address. */
static uint64_t
key_of(const struct proofs *p, const struct access_source *source,
    const char *id)
{
	uint64_t	 hash = 14695981039346656037U;	/* FNV-1a */

	for (; *id != '\0'; id++)
		hash = (hash ^ (unsigned char)*id) * 1099511628211U;
	return access_source_hash(source, p->seed ^ hash);
}

/*
 * What the agent's proof must be; a secret of nobody for one there is not at
 * such a listener: what crosses the net in clear is good for nothing else.
 */
static const uint8_t *
secret_of(const struct proofs *p, const struct known *k,
    const struct conf_listener *l, const char *id, bool *there)
{
	const struct conf_agent	*a = conf_agent_find(k->conf, id);
	const struct secret	*s = a != NULL ?
				    &k->agents[a - k->conf->agents.v] : NULL;

	*there = s != NULL && s->there && (l->protocol == CONF_NETROXY) ==
	    (a->netroxy_password_file[0] != '\0');
	return *there ? s->bytes : p->nobody;
}

static int
make_grant(const struct proofs *p, const struct proof_check *c,
    const char *pool, int64_t now_ms, struct proof_pass *pass)
{
	struct grant_text	 g = {
		.until = now_ms + GRANT_VALID_MS, .mode = (uint8_t)c->mode,
		.tls = c->tls,
	};
	int			 rc = -1;

	memcpy(g.id, c->id, sizeof(g.id));
	memcpy(g.pool, pool, strnlen(pool, sizeof(g.pool) - 1));
	memcpy(g.tickets, pass->proved.keys.tickets, sizeof(g.tickets));
	if (RAND_bytes((uint8_t *)&g.serial, sizeof(g.serial)) == 1)
		rc = grant_seal(p->grant_key, &g, pass->grant);
	OPENSSL_cleanse(&g, sizeof(g));
	return rc;
}

int
proofs_check(struct proofs *p, const struct proof_check *c,
    const struct access_source *source, const char *pool, int64_t now_ms,
    struct proof_pass *pass, const char **refused)
{
	const struct known		*k = find(p, c->generation);
	const struct conf_listener	*l;
	uint64_t			 key = key_of(p, source, c->id);
	const uint8_t			*secret;
	int64_t				 wait;
	bool				 there, locked;

	memset(pass, 0, sizeof(*pass));
	*refused = NULL;
	if (k == NULL || c->listener >= k->conf->nlisteners)
		return -1;
	l = &k->conf->listeners[c->listener];
	/* Each pool speaks for its own. */
	if (!conf_is_hub(l) || strcmp(l->pool, pool) != 0 ||
	    c->tls != (l->tls.mode != CONF_TLS_OFF))
		return -1;
	wait = guess_wait(p->guess, key, now_ms);
	if (wait > 0) {
		pass->code = TUNNEL_THROTTLED;
		pass->wait_ms = (uint32_t)wait;
		*refused = "too many wrong ones";
		return 0;
	}
	secret = secret_of(p, k, l, c->id, &there);
	if (tunnel_proofs(secret, &c->seen, pass->proved.agent,
	    pass->proved.hub) == -1 || tunnel_link_keys(secret, &c->seen,
	    &pass->proved.keys) == -1)
		return -1;
	if (CRYPTO_memcmp(pass->proved.agent, c->proof, TUNNEL_PROOF) == 0 &&
	    there) {
		(void)guess_forget(p->guess, key);
		pass->code = TUNNEL_OK;
		return make_grant(p, c, pool, now_ms, pass);
	}
	wait = guess_failed(p->guess, key, &rule, now_ms, &locked);
	OPENSSL_cleanse(pass, sizeof(*pass));
	pass->code = TUNNEL_BAD_LOGIN;
	pass->wait_ms = (uint32_t)wait;
	*refused = there ? "wrong secret" : "no such agent";
	return 0;
}

int
proofs_prove(const struct proofs *p, uint32_t generation, uint32_t hub,
    const char *pool, const struct tunnel_seen *seen,
    struct tunnel_proved *proved)
{
	const struct known	*k = find(p, generation);

	if (k == NULL || hub >= k->conf->hubs.n || !k->hubs[hub].there ||
	    !conf_pool_knows_hub(k->conf, pool, hub))
		return -1;
	if (tunnel_proofs(k->hubs[hub].bytes, seen, proved->agent,
	    proved->hub) == -1)
		return -1;
	return tunnel_link_keys(k->hubs[hub].bytes, seen, &proved->keys);
}
