#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "policy/conf_diff.h"
#include "policy/conf_value.h"

#define SHOWN_MAX	200	/* characters of a value */

/* One of the things that a list holds. */
struct item {
	char		*name;
	const void	*base;		/* of its section; NULL: it has none */
};

struct items {
	struct item	*v;
	size_t		 n;
};

struct diff {
	const struct conf	*old, *now;
	conf_diff_line		*line;
	void			*ctx;
};

static void	 diff_section(const struct diff *, enum conf_section,
		    const void *, const void *, const char *);

static void
say(const struct diff *d, char *text)
{
	d->line(d->ctx, text);
	free(text);
}

static const char *
dots(const char *text)
{
	return strlen(text) > SHOWN_MAX ? "..." : "";
}

static void
diff_value(const struct diff *d, const struct conf_key *k, const void *old,
    const void *now, const char *prefix)
{
	char	*was = conf_key_text(k, old), *is = conf_key_text(k, now);

	if (strcmp(was, is) != 0)
		say(d, mem_printf("%s%s: %.*s%s -> %.*s%s%s", prefix, k->name,
		    SHOWN_MAX, was, dots(was), SHOWN_MAX, is, dots(is),
		    k->restart ? ": takes a restart" : ""));
	free(was);
	free(is);
}

static void
add_item(struct items *items, const char *name, const void *base)
{
	items->v = mem_resize(items->v, items->n + 1, sizeof(*items->v));
	items->v[items->n++] = (struct item){ mem_strdup(name), base };
}

static void
gather_texts(struct items *items, const struct conf_key *k, const void *member)
{
	const struct conf_addrs	*addrs = member;
	const struct conf_nets	*nets = member;
	char			 text[ACCESS_TEXT_MAX];

	if (k->type == CONF_LISTEN)
		for (size_t i = 0; i < addrs->n; i++)
			add_item(items, addrs->v[i].text, NULL);
	else
		for (size_t i = 0; i < nets->n; i++)
			add_item(items, access_net_text(&nets->v[i], text,
			    sizeof(text)), NULL);
}

/* As "db.example", "db.example (h2)", "(h2)". */
static char *
route_name(const struct conf_route *r)
{
	if (r->alpn[0] == '\0')
		return mem_strdup(r->server_name);
	return mem_printf("%s%s(%s)", r->server_name,
	    r->server_name[0] != '\0' ? " " : "", r->alpn);
}

static void
gather_routes(struct items *items, const struct conf_routes *routes)
{
	for (size_t i = 0; i < routes->n; i++) {
		char	*name = route_name(&routes->v[i]);

		add_item(items, name, &routes->v[i]);
		free(name);
	}
}

static char *
join(const struct conf_texts *texts)
{
	char	*all = mem_strdup(""), *more;

	for (size_t i = 0; i < texts->n; i++) {
		more = mem_printf("%s%s%s", all, i > 0 ? ", " : "",
		    texts->v[i]);
		free(all);
		all = more;
	}
	return all;
}

/* "app_rw for alice, @dba": more than one may have the same account. */
static void
gather_accounts(struct items *items, const struct conf_accounts *accounts)
{
	for (size_t i = 0; i < accounts->n; i++) {
		char	*users = join(&accounts->v[i].users);
		char	*name = mem_printf("%s for %s",
			    accounts->v[i].account, users);

		add_item(items, name, &accounts->v[i]);
		free(name);
		free(users);
	}
}

static void
gather_groups(struct items *items, const struct conf_groups *groups)
{
	for (size_t i = 0; i < groups->n; i++)
		add_item(items, groups->v[i].name, &groups->v[i]);
}

static void
gather_agents(struct items *items, const struct conf_agents *agents)
{
	for (size_t i = 0; i < agents->n; i++)
		add_item(items, agents->v[i].id, &agents->v[i]);
}

static void
gather_topics(struct items *items, const struct conf_topics *topics)
{
	for (size_t i = 0; i < topics->n; i++)
		add_item(items, topics->v[i].name, &topics->v[i]);
}

static void
gather_hubs(struct items *items, const struct conf_hubs *hubs)
{
	for (size_t i = 0; i < hubs->n; i++)
		add_item(items, hubs->v[i].name, &hubs->v[i]);
}

static void
gather_publishes(struct items *items, const struct conf_publishes *list)
{
	for (size_t i = 0; i < list->n; i++) {
		char	*name = mem_printf("%s@%s", list->v[i].topic,
			    list->v[i].hub);

		add_item(items, name, &list->v[i]);
		free(name);
	}
}

static void
gather_assigns(struct items *items, const struct conf_assigns *list)
{
	for (size_t i = 0; i < list->n; i++)
		add_item(items, list->v[i].listen, &list->v[i]);
}

static struct items
gather(const struct conf *conf, const struct conf_key *k, const void *base)
{
	const void			*member =
	    (const char *)base + k->offset;
	const struct conf_servers	*servers = member;
	struct items			 items = { NULL, 0 };

	if (k->type == CONF_SERVERS)
		for (size_t i = 0; i < servers->n; i++)
			add_item(&items, servers->v[i].text, &servers->v[i]);
	else if (k->type == CONF_ROUTES)
		gather_routes(&items, member);
	else if (k->type == CONF_ACCOUNTS)
		gather_accounts(&items, member);
	else if (k->type == CONF_GROUPS)
		gather_groups(&items, member);
	else if (k->type == CONF_AGENTS)
		gather_agents(&items, member);
	else if (k->type == CONF_TOPICS)
		gather_topics(&items, member);
	else if (k->type == CONF_HUBS)
		gather_hubs(&items, member);
	else if (k->type == CONF_PUBLISHES)
		gather_publishes(&items, member);
	else if (k->type == CONF_ASSIGNS)
		gather_assigns(&items, member);
	else if (k->type != CONF_LIST)
		gather_texts(&items, k, member);
	else if (k->inner == CONF_LISTENER)
		for (size_t i = 0; i < conf->nlisteners &&
		    !conf->listeners[i].implicit; i++)
			add_item(&items, conf->listeners[i].name,
			    &conf->listeners[i]);
	else
		for (size_t i = 0; i < conf->nbackends; i++)
			if (!conf->backends[i].implicit)
				add_item(&items, conf->backends[i].name,
				    &conf->backends[i]);
	return items;
}

static void
free_items(struct items *items)
{
	for (size_t i = 0; i < items->n; i++)
		free(items->v[i].name);
	free(items->v);
}

static const struct item *
find(const struct items *items, const char *name)
{
	for (size_t i = 0; i < items->n; i++)
		if (strcmp(items->v[i].name, name) == 0)
			return &items->v[i];
	return NULL;
}

static bool
has_same_names(const struct items *a, const struct items *b)
{
	if (a->n != b->n)
		return false;
	for (size_t i = 0; i < a->n; i++)
		if (strcmp(a->v[i].name, b->v[i].name) != 0)
			return false;
	return true;
}

/* What an item is called: "listener web", "server h:1", "deny: ::/0". */
static char *
title(const struct conf_key *k, const char *prefix, const char *name)
{
	const char	*kind = k->name, *gap = ": ";

	if (k->inner != CONF_TOP) {
		kind = k->inner == CONF_LISTENER ? "listener" :
		    k->inner == CONF_BACKEND ? "backend" :
		    k->inner == CONF_ROUTE ? "route" :
		    k->inner == CONF_ACCOUNT ? "account" :
		    k->inner == CONF_USERS ? "group" :
		    k->inner == CONF_AN_AGENT ? "agent" :
		    k->inner == CONF_A_TOPIC ? "topic" :
		    k->inner == CONF_A_HUB ? "hub" :
		    k->inner == CONF_A_PUBLISH ? "publish" :
		    k->inner == CONF_AN_ASSIGN ? "assign" : "server";
		gap = " ";
	}
	return mem_printf("%s%s%s%s: ", prefix, kind, gap, name);
}

/* Comings and goings; also whether those that stay have changed places. */
static void
diff_names(const struct diff *d, const struct conf_key *k,
    const struct items *old, const struct items *now, const char *prefix)
{
	const struct item	*was, *last = NULL;
	bool			 moved = false;
	char			*text;

	for (size_t i = 0; i < old->n; i++) {
		if (find(now, old->v[i].name) != NULL)
			continue;
		text = title(k, prefix, old->v[i].name);
		say(d, mem_printf("%sremoved", text));
		free(text);
	}
	for (size_t i = 0; i < now->n; i++) {
		was = find(old, now->v[i].name);
		if (was != NULL) {
			moved |= last != NULL && was < last;
			last = was;
			continue;
		}
		text = title(k, prefix, now->v[i].name);
		say(d, mem_printf("%sadded", text));
		free(text);
	}
	if (moved)
		say(d, mem_printf("%s%s: in another order", prefix, k->name));
}

static void
diff_list(const struct diff *d, const struct conf_key *k, const void *old,
    const void *now, const char *prefix)
{
	struct items		 was = gather(d->old, k, old);
	struct items		 is = gather(d->now, k, now);
	const struct item	*same;
	char			*text;

	if (!has_same_names(&was, &is))
		diff_names(d, k, &was, &is, prefix);
	for (size_t i = 0; i < is.n && is.v[i].base != NULL; i++) {
		same = find(&was, is.v[i].name);
		if (same == NULL)
			continue;
		text = title(k, prefix, is.v[i].name);
		diff_section(d, k->inner, same->base, is.v[i].base, text);
		free(text);
	}
	free_items(&was);
	free_items(&is);
}

static void
diff_section(const struct diff *d, enum conf_section section, const void *old,
    const void *now, const char *prefix)
{
	char	*inner;

	for (const struct conf_key *k = conf_keys; k->name != NULL; k++) {
		if (k->section != section)
			continue;
		switch (k->type) {
		case CONF_GROUP:
			inner = mem_printf("%s%s.", prefix, k->name);
			diff_section(d, k->inner, old, now, inner);
			free(inner);
			break;
		case CONF_LIST:
		case CONF_SERVERS:
		case CONF_ROUTES:
		case CONF_ACCOUNTS:
		case CONF_GROUPS:
		case CONF_AGENTS:
		case CONF_TOPICS:
		case CONF_HUBS:
		case CONF_PUBLISHES:
		case CONF_ASSIGNS:
		case CONF_LISTEN:
		case CONF_NETS:
			diff_list(d, k, old, now, prefix);
			break;
		default:
			diff_value(d, k, old, now, prefix);
		}
	}
}

void
conf_diff(const struct conf *old, const struct conf *now,
    conf_diff_line *line, void *ctx)
{
	const struct diff	 d = { old, now, line, ctx };

	diff_section(&d, CONF_TOP, old, now, "");
}
