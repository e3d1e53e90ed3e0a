#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/net.h"
#include "process/control.h"

/* Servers stand in several backends, and in several listeners. */
static bool
has_name(const struct names *names, const char *name)
{
	const char	*p = names->text;
	size_t		 len = strlen(name);

	for (; names->n > 0; p += 2) {
		if (strncmp(p, name, len) == 0 &&
		    (p[len] == '\0' || strncmp(p + len, ", ", 2) == 0))
			return true;
		p = strstr(p, ", ");
		if (p == NULL)
			break;
	}
	return false;
}

void
names_add(struct names *names, const char *name)
{
	size_t	 left = sizeof(names->text) - names->len;
	int	 len;

	if (has_name(names, name))
		return;
	len = snprintf(names->text + names->len, left, "%s%s",
	    names->n > 0 ? ", " : "", name);
	if (len < 0 || (size_t)len >= left) {
		names->text[names->len] = '\0';
		names->left_out++;
		return;
	}
	names->len += (size_t)len;
	names->n++;
}

void
names_refuse(struct names *names, struct client *c, const char *what,
    const char *name)
{
	if (names->n == 0)
		client_refuse(c, 1, "no %s %s; there is none", what, name);
	else if (names->left_out > 0)
		client_refuse(c, 1, "no %s %s; there are %s and %zu more",
		    what, name, names->text, names->left_out);
	else
		client_refuse(c, 1, "no %s %s; there %s %s", what, name,
		    names->n == 1 ? "is" : "are", names->text);
}

static int
read_id(struct filter *f, struct client *c, const char *text)
{
	char	*end;

	errno = 0;
	f->id = strtoull(text, &end, 16);
	if (strspn(text, "0123456789abcdefABCDEF") != strlen(text) ||
	    end == text || errno != 0) {
		client_refuse(c, 2, "session %s: want the hexadecimal number "
		    "that the log and sessions show", text);
		return -1;
	}
	f->by_id = true;
	return 0;
}

/* Sessions may outlive the listener that they came by. */
static int
read_listener(struct filter *f, const struct control *ct, struct client *c,
    const char *text)
{
	const struct conf	*now = control_now(ct)->conf;
	struct names		 names = { .n = 0 };

	for (size_t i = 0; i < ct->s->ngenerations; i++) {
		const struct conf	*conf = ct->s->generations[i].conf;

		for (size_t j = 0; j < conf->nlisteners; j++) {
			if (strcmp(conf->listeners[j].name, text) != 0)
				continue;
			snprintf(f->listener, sizeof(f->listener), "%s",
			    text);
			f->by_listener = true;
			return 0;
		}
	}
	for (size_t j = 0; j < now->nlisteners; j++)
		names_add(&names, now->listeners[j].name);
	names_refuse(&names, c, "listener", text);
	return -1;
}

static int
read_source(struct filter *f, struct client *c, const char *text)
{
	const char	*why;

	if (access_net_parse(text, &f->source, &why) == -1) {
		client_refuse(c, 2, "source %s: %s", text, why);
		return -1;
	}
	f->by_source = true;
	return 0;
}

static void
add_addrs(struct filter *f, const struct conf_server *server,
    const struct book_entry *book)
{
	struct net_addr	 addrs[BOOK_ADDRS_MAX];
	size_t		 n = control_server_addrs(server, book, addrs);

	for (size_t i = 0; i < n && f->nservers < FILTER_SERVERS_MAX; i++)
		f->servers[f->nservers++] = addrs[i];
}

static void
add_servers(struct filter *f, const struct setup_generation *g,
    const char *text)
{
	const struct book_entry	*book = control_map_book(g);

	for (size_t i = 0; i < g->conf->nbackends; i++)
		for (size_t j = 0; j < g->conf->backends[i].servers.n; j++) {
			const struct conf_server	*server =
			    &g->conf->backends[i].servers.v[j];

			if (strcmp(server->text, text) != 0)
				continue;
			f->by_server = true;
			add_addrs(f, server, book);
		}
	control_unmap_book(g, book);
}

/* As it is configured, in any backend, or an address that sessions show. */
static int
read_server(struct filter *f, const struct control *ct, struct client *c,
    const char *text)
{
	const struct conf	*now = control_now(ct)->conf;
	struct names		 names = { .n = 0 };
	struct net_spec		 spec;
	const char		*why;

	for (size_t i = 0; i < ct->s->ngenerations; i++)
		add_servers(f, &ct->s->generations[i], text);
	if (f->by_server)
		return 0;
	if (net_parse(text, false, &spec, &why) == 0 &&
	    spec.kind == NET_ADDR) {
		f->servers[f->nservers++] = spec.addr;
		f->by_server = true;
		return 0;
	}
	for (size_t i = 0; i < now->nbackends; i++)
		for (size_t j = 0; j < now->backends[i].servers.n; j++)
			names_add(&names, now->backends[i].servers.v[j].text);
	names_refuse(&names, c, "server", text);
	return -1;
}

int
filter_read(struct filter *f, const struct control *ct, struct client *c,
    const json_t *request)
{
	const char	*session, *listener, *source, *server, *user;

	memset(f, 0, sizeof(*f));
	if (control_string(c, request, "session", &session) == -1 ||
	    control_string(c, request, "listener", &listener) == -1 ||
	    control_string(c, request, "source", &source) == -1 ||
	    control_string(c, request, "user", &user) == -1 ||
	    control_string(c, request, "server", &server) == -1)
		return -1;
	if (user != NULL) {
		snprintf(f->user, sizeof(f->user), "%s", user);
		f->by_user = true;
	}
	if ((session != NULL && read_id(f, c, session) == -1) ||
	    (listener != NULL && read_listener(f, ct, c, listener) == -1) ||
	    (source != NULL && read_source(f, c, source) == -1) ||
	    (server != NULL && read_server(f, ct, c, server) == -1))
		return -1;
	return 0;
}

static bool
is_at_server(const struct filter *f, const char *text)
{
	struct net_addr	 a;

	if (!sb_address(text, &a))
		return false;
	for (size_t i = 0; i < f->nservers; i++)
		if (net_same(&f->servers[i], &a))
			return true;
	return false;
}

bool
filter_matches(const struct filter *f, const struct board_session *s)
{
	struct net_addr	 client;

	if (f->by_id && f->id != s->s.id)
		return false;
	if (f->by_listener && strcmp(f->listener, s->s.listener) != 0)
		return false;
	if (f->by_user && strcmp(f->user, s->s.user) != 0)
		return false;
	if (f->by_source && (!sb_address(s->s.client, &client) ||
	    !access_matches(&f->source, &client)))
		return false;
	return !f->by_server || is_at_server(f, s->s.server);
}
