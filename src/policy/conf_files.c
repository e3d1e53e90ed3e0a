#include <string.h>

#include "base/mem.h"
#include "policy/conf_files.h"

static const char *const	 keys[] = {
	[CONF_FILE_CERTIFICATE] = "tls.certificate",
	[CONF_FILE_CHAIN] = "tls.chain",
	[CONF_FILE_KEY] = "tls.key",
	[CONF_FILE_CLIENT_CA] = "tls.client_ca",
	[CONF_FILE_CLIENT_CRL] = "tls.client_crl",
	[CONF_FILE_OCSP] = "tls.ocsp",
	[CONF_FILE_BACKEND_CA] = "tls.ca",
	[CONF_FILE_BACKEND_CERTIFICATE] = "tls.certificate",
	[CONF_FILE_BACKEND_KEY] = "tls.key",
	[CONF_FILE_SERVER_PUBLIC_KEY] = "server_public_key",
	[CONF_FILE_TABLE_PASSWORD] = "query_table.password_file",
	[CONF_FILE_OTP_PASSWORD] = "otp_table.password_file",
	[CONF_FILE_ACCOUNT_PASSWORD] = "password_file",
	[CONF_FILE_AGENT_SECRET] = "secret_file",
	[CONF_FILE_AGENT_PASSWORD] = "netroxy_password_file",
	[CONF_FILE_HUB_SECRET] = "secret_file",
	[CONF_FILE_HUB_PASSWORD] = "password_file",
};

struct list {
	struct conf_file	*v;
	size_t			 n;
};

/* Whose files are being listed. */
struct owner {
	size_t		 index;
	const char	*where;
};

static void
add(struct list *list, const struct owner *o, enum conf_file_kind kind,
    size_t position, const char *path)
{
	if (path[0] == '\0')
		return;
	list->v = mem_resize(list->v, list->n + 1, sizeof(*list->v));
	list->v[list->n++] = (struct conf_file){
		.kind = kind, .owner = o->index, .position = position,
		.path = path, .where = o->where, .key = keys[kind],
	};
}

static void
add_listener(struct list *list, const struct conf_listener *l,
    const struct owner *o)
{
	if (l->tls.mode == CONF_TLS_OFF)
		return;
	for (size_t i = 0; i < l->tls.certificate.n; i++) {
		add(list, o, CONF_FILE_CERTIFICATE, i,
		    l->tls.certificate.v[i]);
		if (l->tls.chain.n > 0)
			add(list, o, CONF_FILE_CHAIN, i, l->tls.chain.v[i]);
		add(list, o, CONF_FILE_KEY, i, l->tls.key.v[i]);
	}
	if (l->tls.client_verify != CONF_CLIENT_NONE) {
		add(list, o, CONF_FILE_CLIENT_CA, 0, l->tls.client_ca);
		add(list, o, CONF_FILE_CLIENT_CRL, 0, l->tls.client_crl);
	}
	add(list, o, CONF_FILE_OCSP, 0, l->tls.ocsp);
}

static void
add_backend(struct list *list, const struct conf_backend *b,
    const struct owner *o)
{
	if (b->tls.mode != CONF_TLS_OFF) {
		if (b->tls.verify != CONF_VERIFY_NONE)
			add(list, o, CONF_FILE_BACKEND_CA, 0,
			    b->tls.ca[0] != '\0' ? b->tls.ca :
			    CONF_SYSTEM_CA);
		add(list, o, CONF_FILE_BACKEND_CERTIFICATE, 0,
		    b->tls.certificate);
		add(list, o, CONF_FILE_BACKEND_KEY, 0, b->tls.key);
	}
	add(list, o, CONF_FILE_SERVER_PUBLIC_KEY, 0, b->server_public_key);
}

/* Does a listener of the pool, or with NULL any, lead to the backend? */
static bool
is_used(const struct conf *conf, const struct conf_backend *b,
    const char *pool)
{
	for (size_t i = 0; i < conf->nlisteners; i++) {
		const struct conf_listener	*l = &conf->listeners[i];

		if (pool != NULL && strcmp(l->pool, pool) != 0)
			continue;
		for (size_t j = 0; j < conf_ways(l); j++)
			if (conf_backend_of(conf, l, j) == b)
				return true;
	}
	for (size_t i = 0; i < conf->hubs.n; i++) {
		const struct conf_hub	*h = &conf->hubs.v[i];

		if (h->publishes && &conf->backends[h->backend] == b &&
		    (pool == NULL || strcmp(h->pool, pool) == 0))
			return true;
	}
	return false;
}

struct conf_file *
conf_files(const struct conf *conf, size_t *n)
{
	struct list	 list = { mem_calloc(1, sizeof(*list.v)), 0 };

	for (size_t i = 0; i < conf->nlisteners; i++) {
		const struct conf_listener	*l = &conf->listeners[i];
		const struct owner		 o = { i, l->where };

		add_listener(&list, l, &o);
	}
	for (size_t i = 0; i < conf->nbackends; i++) {
		const struct conf_backend	*b = &conf->backends[i];
		const struct owner		 o = { i, b->where };

		/* One made from a forward to a server has no files. */
		if ((!b->implicit || b->hub != CONF_NOWHERE) &&
		    is_used(conf, b, NULL))
			add_backend(&list, b, &o);
	}
	if (conf->query_table.wanted)
		add(&list, &(const struct owner){ 0, conf->file != NULL ?
		    conf->file : "" }, CONF_FILE_TABLE_PASSWORD, 0,
		    conf->query_table.password_file);
	if (conf->otp_table.wanted)
		add(&list, &(const struct owner){ 0, conf->file != NULL ?
		    conf->file : "" }, CONF_FILE_OTP_PASSWORD, 0,
		    conf->otp_table.password_file);
	for (size_t i = 0; i < conf->accounts.n && conf->totp.wanted; i++)
		add(&list, &(const struct owner){ i,
		    conf->accounts.v[i].where }, CONF_FILE_ACCOUNT_PASSWORD, 0,
		    conf->accounts.v[i].password_file);
	for (size_t i = 0; i < conf->agents.n; i++) {
		const struct conf_agent		*a = &conf->agents.v[i];
		const struct owner		 o = { i, a->where };

		add(&list, &o, CONF_FILE_AGENT_SECRET, 0, a->secret_file);
		add(&list, &o, CONF_FILE_AGENT_PASSWORD, 0,
		    a->netroxy_password_file);
	}
	for (size_t i = 0; i < conf->hubs.n; i++) {
		const struct conf_hub		*h = &conf->hubs.v[i];
		const struct owner		 o = { i, h->where };

		add(&list, &o, CONF_FILE_HUB_SECRET, 0, h->secret_file);
		add(&list, &o, CONF_FILE_HUB_PASSWORD, 0, h->password_file);
	}
	*n = list.n;
	return list.v;
}

size_t
conf_files_find(const struct conf_file *files, size_t n,
    enum conf_file_kind kind, size_t owner, size_t position)
{
	for (size_t i = 0; i < n; i++)
		if (files[i].kind == kind && files[i].owner == owner &&
		    files[i].position == position)
			return i;
	return CONF_NOWHERE;
}

bool
conf_file_is_secret(const struct conf_file *f)
{
	return f->kind == CONF_FILE_KEY ||
	    f->kind == CONF_FILE_BACKEND_KEY ||
	    f->kind == CONF_FILE_AGENT_SECRET ||
	    f->kind == CONF_FILE_AGENT_PASSWORD ||
	    f->kind == CONF_FILE_HUB_SECRET ||
	    f->kind == CONF_FILE_HUB_PASSWORD ||
	    conf_file_is_for_dbclient(f);
}

bool
conf_file_is_for_link(const struct conf *conf, const struct conf_file *f,
    const char *pool)
{
	if (f->kind == CONF_FILE_HUB_PASSWORD)
		return strcmp(conf->hubs.v[f->owner].pool, pool) == 0;
	return !conf_file_is_secret(f) && conf_file_is_for(conf, f, pool);
}

bool
conf_file_is_for_dbclient(const struct conf_file *f)
{
	return f->kind == CONF_FILE_TABLE_PASSWORD ||
	    f->kind == CONF_FILE_OTP_PASSWORD ||
	    f->kind == CONF_FILE_ACCOUNT_PASSWORD;
}

bool
conf_file_is_for_auth(const struct conf_file *f)
{
	return f->kind == CONF_FILE_ACCOUNT_PASSWORD ||
	    f->kind == CONF_FILE_AGENT_SECRET ||
	    f->kind == CONF_FILE_AGENT_PASSWORD ||
	    f->kind == CONF_FILE_HUB_SECRET ||
	    f->kind == CONF_FILE_SERVER_PUBLIC_KEY;
}

bool
conf_file_is_for(const struct conf *conf, const struct conf_file *f,
    const char *pool)
{
	if (f->kind >= CONF_FILE_TABLE_PASSWORD)
		return false;		/* of no pool */
	if (f->kind < CONF_FILE_BACKEND_CA)
		return strcmp(conf->listeners[f->owner].pool, pool) == 0;
	return is_used(conf, &conf->backends[f->owner], pool);
}
