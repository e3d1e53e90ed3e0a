#include <sys/mman.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "policy/conf_files.h"
#include "policy/conf_tunnel.h"
#include "process/contexts.h"
#include "session/mysql_rsa.h"
#include "session/sign.h"
#include "wire/tunnel.h"

struct contexts {
	struct tls_server	**servers;	/* by listener */
	struct tls_client	**clients;	/* by backend */
	EVP_PKEY		**server_keys;
	struct tls_psk		 *psk;		/* or NULL */
	bool			  any;
	struct tls_tickets	 *tickets;	/* NULL: nobody gives any */
	const struct tls_tickets *shown;	/* the same, for workers */
};

/* For as long as they are made. */
struct making {
	const struct conf		*conf;
	const struct setup_generation	*gen;
	struct conf_file		*files;
	size_t				 nfiles;
	struct contexts			*contexts;
	char				*why;
};

static struct tls_pem
file_of(const struct making *m, enum conf_file_kind kind, size_t owner,
    size_t position)
{
	size_t	 i = conf_files_find(m->files, m->nfiles, kind, owner,
		    position);

	if (i == CONF_NOWHERE || i >= m->gen->nfiles)
		return (struct tls_pem){ .data = NULL };
	return (struct tls_pem){
		.data = m->gen->files[i].data, .len = m->gen->files[i].len,
	};
}

/* A key that asks the signer, for that certificate; or NULL with why. */
static EVP_PKEY *
ask_key(const struct making *m, const struct tls_pem *certificate,
    enum conf_file_kind kind, size_t owner, size_t position)
{
	STACK_OF(X509)	*list;
	EVP_PKEY	*key;

	list = tls_pem_certificates(certificate, "certificate", m->why);
	if (list == NULL)
		return NULL;
	key = sign_key_new(X509_get0_pubkey(sk_X509_value(list, 0)),
	    (uint32_t)conf_files_find(m->files, m->nfiles, kind, owner,
	    position));
	if (key == NULL)
		snprintf(m->why, TLS_WHY_MAX, "certificate: its key is "
		    "none of RSA, ECDSA and Ed25519");
	sk_X509_pop_free(list, X509_free);
	return key;
}

static int
add_identities(const struct making *m, size_t listener,
    struct tls_identity *ids, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		ids[i].certificate = file_of(m, CONF_FILE_CERTIFICATE,
		    listener, i);
		ids[i].chain = file_of(m, CONF_FILE_CHAIN, listener, i);
		ids[i].key = ask_key(m, &ids[i].certificate, CONF_FILE_KEY,
		    listener, i);
		if (ids[i].key == NULL)
			return -1;
	}
	return 0;
}

static int
version_of(int version)
{
	return TLS1_VERSION + version;
}

static const char *const *
alpn_of(const struct conf_texts *t)
{
	const char	**list;

	if (t->n == 0)
		return NULL;
	list = mem_calloc(t->n + 1, sizeof(*list));
	for (size_t i = 0; i < t->n; i++)
		list[i] = t->v[i];
	return list;
}

/* All that a hub speaks with those who are known by certificates. */
static char			 hub_word[] = TUNNEL_ALPN;
static char			*hub_words[] = { hub_word };
static const struct conf_texts	 hub_alpn = { hub_words, 1 };

/* For listener i, what listener `of' has: another one where i is mapped. */
static int
add_server(const struct making *m, size_t i, size_t of)
{
	const struct conf_listener	*l = &m->conf->listeners[of];
	size_t				 n = l->tls.certificate.n;
	struct tls_identity		*ids = mem_calloc(n + 1, sizeof(*ids));
	const struct tls_server_options	 o = {
		.identities = ids, .nidentities = n,
		.min_version = version_of(l->tls.min_version),
		.ciphers = l->tls.ciphers,
		.ciphersuites = l->tls.ciphersuites,
		.curves = l->tls.curves,
		.verify = (enum tls_client_verify)l->tls.client_verify,
		.client_ca = file_of(m, CONF_FILE_CLIENT_CA, of, 0),
		.client_crl = file_of(m, CONF_FILE_CLIENT_CRL, of, 0),
		.ocsp = file_of(m, CONF_FILE_OCSP, of, 0),
		.alpn = alpn_of(i == of && l->protocol == CONF_HUB ?
		    &hub_alpn : &l->tls.alpn),
		.tickets = l->tls.tickets ? m->contexts->shown : NULL,
		.name = l->name,
	};

	if (add_identities(m, of, ids, n) == 0)
		m->contexts->servers[i] = tls_server_new(&o, m->why);
	for (size_t j = 0; j < n; j++)
		EVP_PKEY_free(ids[j].key);
	free(ids);
	free((void *)(uintptr_t)o.alpn);
	m->contexts->any = true;
	return m->contexts->servers[i] != NULL ? 0 : -1;
}

static const uint8_t *
pin_of(const struct conf *conf, const struct conf_backend *b)
{
	if (b->hub == CONF_NOWHERE || conf->hubs.v[b->hub].pin[0] == '\0')
		return NULL;
	return conf->hubs.v[b->hub].pinned;
}

static const char *
alpn_at(const struct conf *conf, size_t hub)
{
	return hub != CONF_NOWHERE &&
	    conf->hubs.v[hub].protocol == CONF_HUB_NATIVE ? TUNNEL_ALPN :
	    NULL;
}

static int
add_client(const struct making *m, size_t i)
{
	const struct conf_backend	*b = &m->conf->backends[i];
	struct tls_identity		 id = {
		.certificate = file_of(m, CONF_FILE_BACKEND_CERTIFICATE, i, 0),
	};
	const struct tls_client_options	 o = {
		.min_version = version_of(b->tls.min_version),
		.ca = file_of(m, CONF_FILE_BACKEND_CA, i, 0),
		.verify_chain = b->tls.verify != CONF_VERIFY_NONE,
		.verify_name = b->tls.verify == CONF_VERIFY_FULL,
		.identity = id.certificate.data != NULL ? &id : NULL,
		.pin = pin_of(m->conf, b),
		.alpn = alpn_at(m->conf, b->hub),
	};

	if (o.identity != NULL) {
		id.key = ask_key(m, &id.certificate, CONF_FILE_BACKEND_KEY, i,
		    0);
		if (id.key == NULL)
			return -1;
	}
	m->contexts->clients[i] = tls_client_new(&o, m->why);
	EVP_PKEY_free(id.key);
	m->contexts->any = true;
	return m->contexts->clients[i] != NULL ? 0 : -1;
}

static int
add_server_key(const struct making *m, size_t i)
{
	struct tls_pem	 file = file_of(m, CONF_FILE_SERVER_PUBLIC_KEY, i, 0);

	if (file.data == NULL)
		return 0;
	m->contexts->server_keys[i] = mysql_rsa_public(file.data, file.len);
	if (m->contexts->server_keys[i] != NULL)
		return 0;
	snprintf(m->why, TLS_WHY_MAX, "server_public_key: no RSA key");
	return -1;
}

static int
add_backends(const struct making *m, const struct conf_listener *l)
{
	const struct conf_backend	*b;

	for (size_t j = 0; j < conf_ways(l); j++) {
		size_t	 i;

		if ((b = conf_backend_of(m->conf, l, j)) == NULL)
			continue;
		i = (size_t)(b - m->conf->backends);
		if (m->contexts->clients[i] == NULL &&
		    b->tls.mode != CONF_TLS_OFF && add_client(m, i) == -1)
			return -1;
		if (m->contexts->server_keys[i] == NULL &&
		    add_server_key(m, i) == -1)
			return -1;
	}
	return 0;
}

/*
 * Memory that the spawner writes and workers can only read: what is mapped
 * after the seal can never be made writable.
 */
static int
make_tickets(struct contexts *c)
{
	size_t	 size = sizeof(*c->tickets);
	void	*own = MAP_FAILED, *shown = MAP_FAILED;
	int	 fd;

	fd = memfd_create("tickets", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd != -1 && ftruncate(fd, (off_t)size) == 0)
		own = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd,
		    0);
	if (own != MAP_FAILED && fcntl(fd, F_ADD_SEALS, F_SEAL_FUTURE_WRITE |
	    F_SEAL_SHRINK | F_SEAL_GROW) == 0)
		shown = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);
	if (fd != -1)
		close(fd);
	if (own == MAP_FAILED || shown == MAP_FAILED ||
	    madvise(own, size, MADV_DONTFORK) == -1)
		return -1;
	(void)madvise(own, size, MADV_DONTDUMP);
	(void)madvise(shown, size, MADV_DONTDUMP);
	(void)mlock(shown, size);	/* as far as RLIMIT_MEMLOCK goes */
	c->tickets = own;
	c->shown = shown;
	return tls_ticket_rotate(c->tickets);
}

static int
want_tickets(const struct making *m, const char *pool)
{
	for (size_t i = 0; i < m->conf->nlisteners; i++) {
		const struct conf_listener	*l = &m->conf->listeners[i];

		if (strcmp(l->pool, pool) != 0 || l->tls.mode ==
		    CONF_TLS_OFF || !l->tls.tickets)
			continue;
		if (make_tickets(m->contexts) == 0)
			return 0;
		snprintf(m->why, TLS_WHY_MAX, "memory of tickets: %s",
		    strerror(errno));
		return -1;
	}
	return 0;
}

/* Workers dial a Netroxy server for each user. */
static int
add_hub(const struct making *m, size_t hub)
{
	const struct conf_hub	*h;

	if (hub == CONF_NOWHERE)
		return 0;
	h = &m->conf->hubs.v[hub];
	return h->protocol == CONF_HUB_NETROXY &&
	    h->tls.mode != CONF_TLS_OFF ? add_client(m, h->backend) : 0;
}

static int
make_all(const struct making *m, const char *pool)
{
	if (want_tickets(m, pool) == -1)
		return -1;
	if (conf_pool_has_broker(m->conf, pool) ||
	    conf_pool_publishes(m->conf, pool) != CONF_NOWHERE) {
		m->contexts->psk = tls_psk_new(TUNNEL_ALPN_DATA, m->why);
		if (m->contexts->psk == NULL)
			return -1;
		m->contexts->any = true;
	}
	if (add_hub(m, conf_pool_publishes(m->conf, pool)) == -1)
		return -1;
	for (size_t i = 0; i < m->conf->nlisteners; i++) {
		const struct conf_listener	*l = &m->conf->listeners[i];
		size_t				 of;

		if (strcmp(l->pool, pool) != 0)
			continue;
		of = l->protocol == CONF_MAPPED ? l->hub : i;
		if ((m->conf->listeners[of].tls.mode != CONF_TLS_OFF &&
		    add_server(m, i, of) == -1) ||
		    add_backends(m, l) == -1)
			return -1;
	}
	return 0;
}

struct contexts *
contexts_new(const struct setup *s, char *why)
{
	const struct conf	*conf = s->conf;
	struct contexts		*c = mem_calloc(1, sizeof(*c));
	struct making		 m = {
		.conf = conf, .contexts = c, .why = why,
		.gen = &s->generations[s->ngenerations - 1],
	};
	int			 rc;

	/* Never freed: it lasts as long as the spawner does. */
	c->servers = mem_calloc(conf->nlisteners + 1, sizeof(*c->servers));
	c->clients = mem_calloc(conf->nbackends + 1, sizeof(*c->clients));
	c->server_keys = mem_calloc(conf->nbackends + 1,
	    sizeof(*c->server_keys));
	m.files = conf_files(conf, &m.nfiles);
	rc = make_all(&m, s->start.pool);
	free(m.files);
	return rc == 0 ? c : NULL;
}

struct tls_client *
contexts_hub(const struct setup *s, size_t hub, char *why)
{
	const struct setup_generation	*gen =
	    &s->generations[s->ngenerations - 1];
	const struct conf		*conf = gen->conf;
	const struct conf_hub		*h = &conf->hubs.v[hub];
	struct contexts			 none = { .servers = NULL };
	struct making			 m = {
		.conf = conf, .gen = gen, .contexts = &none, .why = why,
	};
	const struct tls_client_options	 o = {
		.min_version = version_of(conf->backends[h->backend].
		    tls.min_version),
		.verify_chain = h->pin[0] == '\0',
		.verify_name = h->pin[0] == '\0',
		.pin = h->pin[0] != '\0' ? h->pinned : NULL,
		.alpn = alpn_at(conf, hub),
	};
	struct tls_client_options	 all = o;
	struct tls_client		*c;

	m.files = conf_files(conf, &m.nfiles);
	all.ca = file_of(&m, CONF_FILE_BACKEND_CA, h->backend, 0);
	c = tls_client_new(&all, why);
	free(m.files);
	return c;
}

struct tls_psk *
contexts_psk(const struct contexts *c)
{
	return c->psk;
}

struct tls_server *
contexts_server(const struct contexts *c, size_t listener)
{
	return c->servers[listener];
}

struct tls_client *
contexts_client(const struct contexts *c, size_t backend)
{
	return c->clients[backend];
}

EVP_PKEY *
contexts_server_key(const struct contexts *c, size_t backend)
{
	return c->server_keys[backend];
}

bool
contexts_any(const struct contexts *c)
{
	return c->any;
}

bool
contexts_has_tickets(const struct contexts *c)
{
	return c->tickets != NULL;
}

void
contexts_rotate(struct contexts *c)
{
	if (tls_ticket_rotate(c->tickets) == -1)
		log_warn("no new key for session tickets: the last is used on");
}

const char *
contexts_hub_name(const struct conf_hub *hub, const struct net_addr *reached,
    char *buf)
{
	const struct net_spec	*spec = &hub->address.v[0].spec;

	if (hub->tls.server_name[0] != '\0')
		return hub->tls.server_name;
	return spec->kind == NET_NAME ? spec->name :
	    net_host_text(reached, buf, NET_TEXT_MAX);
}
