#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"
#include "policy/conf_check.h"
#include "policy/conf_check_tls.h"

#define LABEL_MAX	63	/* characters between two dots */

static void
check_min_version(const char *where, int version, struct conf_report *report)
{
	if (version < CONF_TLS_1_2)
		conf_warn(report, "%s: tls.min_version: versions before "
		    "TLSv1.2 are broken, see RFC 8996", where);
}

/* Each certificate has a key, and each a chain or none of them has. */
static void
check_identities(const struct conf_listener *l, struct conf_report *report)
{
	const struct conf_texts	*c = &l->tls.certificate, *k = &l->tls.key;
	size_t			 nchains = l->tls.chain.n;

	if (c->n == 0)
		conf_complain(report, "%s: tls.certificate: mode \"%s\" needs "
		    "it", l->where, l->tls.mode == CONF_TLS_OFFER ? "offer" :
		    "require");
	if (k->n != c->n)
		conf_complain(report, "%s: tls.key: want as many as of "
		    "tls.certificate, %zu and not %zu", l->where, c->n, k->n);
	if (nchains != 0 && nchains != c->n)
		conf_complain(report, "%s: tls.chain: want none, or as many "
		    "as of tls.certificate, %zu and not %zu, \"\" where one "
		    "has none", l->where, c->n, nchains);
	for (size_t i = 0; i < c->n; i++) {
		if (c->v[i][0] == '\0')
			conf_complain(report, "%s: tls.certificate: \"\": want "
			    "an absolute path", l->where);
		for (size_t j = 0; j < i; j++)
			if (strcmp(c->v[i], c->v[j]) == 0) {
				conf_complain(report, "%s: tls.certificate: "
				    "\"%s\" is there twice", l->where,
				    c->v[i]);
				break;
			}
	}
	for (size_t i = 0; i < k->n; i++)
		if (k->v[i][0] == '\0')
			conf_complain(report, "%s: tls.key: \"\": want an "
			    "absolute path", l->where);
}

static void
check_clients(const struct conf_listener *l, struct conf_report *report)
{
	bool	 verify = l->tls.client_verify != CONF_CLIENT_NONE;

	if (verify && l->tls.client_ca[0] == '\0')
		conf_complain(report, "%s: tls.client_ca: client_verify needs "
		    "it, or no certificate would be good", l->where);
	if (!verify && l->tls.client_ca[0] != '\0')
		conf_warn(report, "%s: tls.client_ca: without client_verify "
		    "it is of no effect", l->where);
	if (!verify && l->tls.client_crl[0] != '\0')
		conf_warn(report, "%s: tls.client_crl: without client_verify "
		    "it is of no effect", l->where);
}

/* Letters, digits, "-" and "_" between dots, as hosts are called. */
static bool
is_host(const char *name)
{
	size_t	 n;

	for (;;) {
		n = strspn(name, "abcdefghijklmnopqrstuvwxyz"
		    "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_");
		if (n == 0 || n > LABEL_MAX || name[0] == '-')
			return false;
		if (name[n] == '\0')
			return true;
		if (name[n] != '.')
			return false;
		name += n + 1;
	}
}

static bool
has_alpn(const struct conf_listener *l, const char *alpn)
{
	for (size_t i = 0; i < l->tls.alpn.n; i++)
		if (strcmp(l->tls.alpn.v[i], alpn) == 0)
			return true;
	return false;
}

static void
check_route(const struct conf_listener *l, size_t i,
    struct conf_report *report)
{
	const struct conf_route	*r = &l->tls.routes.v[i], *o;
	const char		*name = r->server_name;

	if (name[0] == '\0' && r->alpn[0] == '\0')
		conf_complain(report, "%s: tls.routes[%zu]: needs the key "
		    "server_name or alpn; where all others go is said by "
		    "forward", l->where, i);
	if (name[0] != '\0' &&
	    !is_host(strncmp(name, "*.", 2) == 0 ? name + 2 : name))
		conf_complain(report, "%s: tls.routes[%zu].server_name: "
		    "\"%s\": want the name of a host, or \"*.\" and a name "
		    "for all below that", l->where, i, name);
	if (r->alpn[0] != '\0' && !has_alpn(l, r->alpn))
		conf_complain(report, "%s: tls.routes[%zu].alpn: \"%s\": want "
		    "one of tls.alpn, or no client gets there", l->where, i,
		    r->alpn);
	for (size_t j = 0; j < i; j++) {
		o = &l->tls.routes.v[j];
		if (strcasecmp(o->server_name, name) == 0 &&
		    strcmp(o->alpn, r->alpn) == 0) {
			conf_complain(report, "%s: tls.routes[%zu]: the same "
			    "as tls.routes[%zu], which comes first", l->where,
			    i, j);
			break;
		}
	}
}

/* What only those have who speak TLS from the first byte. */
static void
check_tcp_only(const struct conf_listener *l, struct conf_report *report)
{
	if (l->tls.alpn.n > 0)
		conf_complain(report, "%s: tls.alpn: only with protocol "
		    "\"tcp\" is there a choice", l->where);
	if (l->tls.routes.n > 0)
		conf_complain(report, "%s: tls.routes: only with protocol "
		    "\"tcp\" is there a choice", l->where);
}

static void
check_mysql_only(const struct conf_listener *l, struct conf_report *report)
{
	if (l->tls.mode == CONF_TLS_OFFER)
		conf_complain(report, "%s: tls.mode: \"offer\": want \"off\" "
		    "or \"require\", because with protocol \"tcp\" a client "
		    "either speaks TLS from the first byte or never",
		    l->where);
	if (l->greeting != CONF_GREETING_OWN)
		conf_complain(report, "%s: greeting: only protocol \"mysql\" "
		    "has one", l->where);
	if (!l->local_infile)
		conf_complain(report, "%s: local_infile: only protocol "
		    "\"mysql\" knows of it", l->where);
	if (l->compression)
		conf_complain(report, "%s: compression: only protocol "
		    "\"mysql\" knows of it", l->where);
}

void
conf_check_listener_tls(const struct conf_listener *l,
    struct conf_report *report)
{
	if (l->protocol == CONF_TCP)
		check_mysql_only(l, report);
	else
		check_tcp_only(l, report);
	for (size_t i = 0; i < l->tls.routes.n; i++)
		check_route(l, i, report);
	if (l->tls.mode == CONF_TLS_OFF) {
		conf_check_unused(l->where, "tls", "with mode \"off\"",
		    CONF_FRONT_TLS, l, report);
		return;
	}
	check_identities(l, report);
	check_clients(l, report);
	check_min_version(l->where, l->tls.min_version, report);
	if (l->tls.mode == CONF_TLS_REQUIRE && l->carry == CONF_CARRY_ALWAYS)
		conf_warn(report, "%s: carry: sessions with TLS stay in the "
		    "processes that have their keys", l->where);
}

static bool
has_local(const struct conf_servers *list)
{
	for (size_t i = 0; i < list->n; i++)
		if (list->v[i].spec.kind == NET_ADDR &&
		    list->v[i].spec.addr.u.sa.sa_family == AF_UNIX)
			return true;
	return false;
}

static void
check_verify(const struct conf_backend *b, struct conf_report *report)
{
	if (b->tls.verify == CONF_VERIFY_NONE)
		conf_warn(report, "%s: tls.verify: with \"none\" whoever is "
		    "on the way to a server can pass for it", b->where);
	if (b->tls.verify == CONF_VERIFY_NONE && b->tls.ca[0] != '\0')
		conf_warn(report, "%s: tls.ca: with verify \"none\" it is of "
		    "no effect", b->where);
	if (b->tls.verify == CONF_VERIFY_FULL &&
	    b->tls.server_name[0] == '\0' && has_local(&b->servers))
		conf_complain(report, "%s: tls.server_name: verify \"full\" "
		    "needs it, because a server on a local socket has no "
		    "name; or want verify \"ca\"", b->where);
}

void
conf_check_backend_tls(const struct conf_backend *b,
    struct conf_report *report)
{
	if (b->tls.mode == CONF_TLS_OFF) {
		conf_check_unused(b->where, "tls", "with mode \"off\"",
		    CONF_BACK_TLS, b, report);
		return;
	}
	check_verify(b, report);
	check_min_version(b->where, b->tls.min_version, report);
	if (b->tls.server_name[0] != '\0' && !is_host(b->tls.server_name))
		conf_complain(report, "%s: tls.server_name: \"%s\": want the "
		    "name of a host", b->where, b->tls.server_name);
	if (b->tls.certificate[0] != '\0' && b->tls.key[0] == '\0')
		conf_complain(report, "%s: tls.key: tls.certificate needs it",
		    b->where);
	if (b->tls.certificate[0] == '\0' && b->tls.key[0] != '\0')
		conf_complain(report, "%s: tls.certificate: tls.key needs it",
		    b->where);
}

static void
check_link(const struct conf_listener *l, const struct conf_backend *b,
    struct conf_report *report)
{
	if (b->tls.mode == CONF_TLS_PREFER)
		conf_complain(report, "%s: tls.mode: \"prefer\": want \"off\" "
		    "or \"require\", because listener %s has protocol "
		    "\"tcp\", in which no server says whether it knows TLS",
		    b->where, l->name);
	if (b->server_public_key[0] != '\0')
		conf_complain(report, "%s: server_public_key: listener %s has "
		    "protocol \"tcp\", which knows no passwords", b->where,
		    l->name);
}

static bool
listens_locally(const struct conf_listener *l)
{
	for (size_t i = 0; i < l->listen.n; i++)
		if (l->listen.v[i].spec.kind == NET_ADDR &&
		    l->listen.v[i].spec.addr.u.sa.sa_family == AF_UNIX)
			return true;
	return false;
}

/*
 * Where a password may cross one side in clear and not the other, a session's
 * commands are looked at, for it may log in again: so none is compressed.
 */
static void
check_compression(const struct conf_listener *l,
    const struct conf_backend *b, struct conf_report *report)
{
	bool	 both = l->tls.mode == CONF_TLS_REQUIRE &&
		    b->tls.mode == CONF_TLS_REQUIRE;
	bool	 neither = l->tls.mode == CONF_TLS_OFF &&
		    b->tls.mode == CONF_TLS_OFF && !listens_locally(l) &&
		    !has_local(&b->servers);

	if (l->compression && !both && !neither)
		conf_complain(report, "%s: compression: want false, or "
		    "tls.mode \"require\" for clients and servers alike, or "
		    "TLS and local sockets for neither: else logins could not "
		    "be looked after", l->where);
}

void
conf_check_links_tls(const struct conf *conf, struct conf_report *report)
{
	bool	*told = mem_calloc(conf->nbackends + 1, sizeof(*told));

	for (size_t i = 0; i < conf->nlisteners; i++) {
		const struct conf_listener	*l = &conf->listeners[i];

		for (size_t j = 0; j < conf_ways(l); j++) {
			const struct conf_backend	*b =
			    conf_backend_of(conf, l, j);

			if (b != NULL && l->protocol == CONF_MYSQL)
				check_compression(l, b, report);
			if (l->protocol != CONF_TCP || l->name == NULL ||
			    b == NULL || b->topic != NULL ||
			    told[b - conf->backends])
				continue;
			told[b - conf->backends] = true;
			check_link(l, b, report);
		}
	}
	free(told);
}
