#include <inttypes.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "ctl/show.h"
#include "ctl/text.h"

static const char *
text(const json_t *o, const char *key)
{
	const char	*s = json_string_value(json_object_get(o, key));

	return s != NULL ? s : "";
}

static int64_t
number(const json_t *o, const char *key)
{
	return json_integer_value(json_object_get(o, key));
}

static void
cell_age(struct table *t, const json_t *o, const char *key)
{
	char	 buf[TEXT_FIGURE_MAX];

	table_cell(t, text_age(number(o, key), buf));
}

static void
cell_bytes(struct table *t, const json_t *o, const char *key)
{
	char	 buf[TEXT_FIGURE_MAX];

	table_cell(t, text_bytes((uint64_t)number(o, key), buf));
}

/* "12/100", or "12" where nothing limits it. */
static void
cell_of(struct table *t, int64_t n, int64_t max)
{
	char	 buf[2 * TEXT_FIGURE_MAX];

	snprintf(buf, sizeof(buf), max > 0 ? "%" PRId64 "/%" PRId64 :
	    "%" PRId64, n, max);
	table_cell(t, buf);
}

static void
cell_user(struct table *t, const json_t *role)
{
	const json_t		*uid = json_object_get(role, "uid");
	const struct passwd	*pw;

	if (uid == NULL) {
		table_cell(t, "?");
		return;
	}
	pw = getpwuid((uid_t)json_integer_value(uid));
	if (pw != NULL)
		table_cell(t, pw->pw_name);
	else
		table_number(t, json_integer_value(uid));
}

static void
cell_confined(struct table *t, const json_t *role)
{
	static const char *const	 modes[] = {
		"off", "strict", "filter",
	};
	int64_t				 mode = number(role, "seccomp");
	bool				 known;

	known = json_object_get(role, "uid") != NULL;
	table_cell(t, !known ? "?" : json_is_true(json_object_get(role,
	    "capabilities")) ? "some" : "none");
	table_cell(t, !known ? "?" : json_is_true(json_object_get(role,
	    "no_new_privs")) ? "no" : "may");
	table_cell(t, !known || mode < 0 || mode > 2 ? "?" : modes[mode]);
	table_cell(t, json_is_true(json_object_get(role, "own_root")) ?
	    "own" : "host");
}

static void
show_roles(const json_t *objects, FILE *out)
{
	struct table	*t = table_new("ROLE POOL PID> GEN> STATE UP> USER "
			    "CAPS NEWPRIVS SECCOMP ROOT");
	const json_t	*o;
	size_t		 i;

	json_array_foreach(objects, i, o) {
		const json_t	*r = json_object_get(o, "role");

		if (r == NULL)
			continue;
		table_cell(t, text(r, "role"));
		table_cell(t, text(r, "pool"));
		table_number(t, number(r, "pid"));
		if (number(r, "generation") == 0)
			table_cell(t, "");
		else
			table_number(t, number(r, "generation"));
		table_cell(t, text(r, "state"));
		cell_age(t, r, "uptime_ms");
		cell_user(t, r);
		cell_confined(t, r);
	}
	table_print(t, out);
	table_free(&t);
}

static void
show_pools(const json_t *objects, FILE *out)
{
	struct table	*t = table_new("POOL SESSIONS> IDLE> WORKERS>");
	const json_t	*o;
	size_t		 i;

	json_array_foreach(objects, i, o) {
		const json_t	*p = json_object_get(o, "pool");

		if (p == NULL)
			continue;
		/* Carriers are of no pool; no pool's name has a bracket. */
		table_cell(t, text(p, "pool")[0] != '\0' ? text(p, "pool") :
		    "(carriers)");
		table_number(t, number(p, "sessions"));
		table_number(t, number(p, "idle"));
		table_number(t, number(p, "workers"));
	}
	table_print(t, out);
	table_free(&t);
}

void
show_status(const json_t *objects, FILE *out)
{
	const json_t	*o;
	size_t		 i;
	char		 age[TEXT_FIGURE_MAX];

	json_array_foreach(objects, i, o) {
		const json_t	*d = json_object_get(o, "daemon");
		char		*version;

		if (d == NULL)
			continue;
		version = text_safe(text(d, "version"));
		fprintf(out, "sallyportd %s, process %" PRId64 ", up %s, "
		    "generation %" PRId64 ", %" PRId64 " listeners, %" PRId64
		    " sessions\n\n", version, number(d, "pid"),
		    text_age(number(d, "uptime_ms"), age),
		    number(d, "generation"), number(d, "listeners"),
		    number(d, "sessions"));
		free(version);
	}
	show_roles(objects, out);
	fputc('\n', out);
	show_pools(objects, out);
}

void
show_sessions(const json_t *objects, bool rates, FILE *out)
{
	struct table	*t = table_new(rates ?
			    "ID PID> LISTENER CLIENT TLS USER SERVER AGE> "
			    "UP> DOWN> "
			    "UP/S> DOWN/S>" :
			    "ID PID> LISTENER CLIENT TLS USER SERVER AGE> "
			    "UP> DOWN>");
	const json_t	*o;
	size_t		 i;

	json_array_foreach(objects, i, o) {
		const json_t	*s = json_object_get(o, "session");

		if (s == NULL)
			continue;
		table_cell(t, text(s, "id"));
		table_number(t, number(s, "pid"));
		table_cell(t, text(s, "listener"));
		table_cell(t, text(s, "client"));
		table_cell(t, text(s, "tls"));
		table_cell(t, text(s, "user"));
		table_cell(t, text(s, "server"));
		cell_age(t, s, "age_ms");
		cell_bytes(t, s, "up");
		cell_bytes(t, s, "down");
		if (rates) {
			cell_bytes(t, s, "up_rate");
			cell_bytes(t, s, "down_rate");
		}
	}
	table_print(t, out);
	table_free(&t);
}

static char *
join(const json_t *list)
{
	char		*all = mem_strdup(""), *more;
	const json_t	*v;
	size_t		 i;

	json_array_foreach(list, i, v) {
		more = mem_printf("%s%s%s", all, i > 0 ? " " : "",
		    json_string_value(v));
		free(all);
		all = more;
	}
	return all;
}

void
show_servers(const json_t *objects, FILE *out)
{
	struct table	*t = table_new("BACKEND SERVER STATE SINCE> MODE "
			    "WEIGHT> SESSIONS> QUEUED> FAILURES> ADDRESSES");
	const json_t	*o;
	size_t		 i;

	json_array_foreach(objects, i, o) {
		const json_t	*s = json_object_get(o, "server");
		char		*all;

		if (s == NULL)
			continue;
		all = join(json_object_get(s, "addresses"));
		/* A server that stands in a listener has no backend's name. */
		table_cell(t, json_is_true(json_object_get(s, "implicit")) ?
		    "" : text(s, "backend"));
		table_cell(t, text(s, "server"));
		table_cell(t, text(s, "state"));
		cell_age(t, s, "since_ms");
		table_cell(t, text(s, "mode"));
		table_number(t, number(s, "weight"));
		cell_of(t, number(s, "sessions"), number(s, "max_sessions"));
		table_number(t, number(s, "queued"));
		table_number(t, number(s, "failures"));
		table_cell(t, all);
		free(all);
	}
	table_print(t, out);
	table_free(&t);
}

static void
show_sources(const json_t *objects, FILE *out)
{
	struct table	*t = table_new("SOURCE LISTENER SESSIONS> REFUSED> "
			    "HELD>");
	const json_t	*o;
	size_t		 i, n = 0;

	json_array_foreach(objects, i, o) {
		const json_t	*s = json_object_get(o, "source");

		if (s == NULL)
			continue;
		table_cell(t, text(s, "source"));
		table_cell(t, text(s, "listener"));
		table_number(t, number(s, "sessions"));
		table_number(t, number(s, "refused"));
		if (number(s, "held_ms") > 0)
			cell_age(t, s, "held_ms");
		else
			table_cell(t, "");
		n++;
	}
	if (n > 0) {
		fputc('\n', out);
		table_print(t, out);
	}
	table_free(&t);
}

void
show_limits(const json_t *objects, FILE *out)
{
	struct table	*t = table_new("LISTENER SESSIONS> HANDSHAKES>");
	const json_t	*o;
	size_t		 i;

	json_array_foreach(objects, i, o) {
		const json_t	*l = json_object_get(o, "listener");

		if (l == NULL)
			continue;
		table_cell(t, text(l, "listener"));
		cell_of(t, number(l, "sessions"), number(l, "max_sessions"));
		cell_of(t, number(l, "handshakes"),
		    number(l, "max_handshakes"));
	}
	table_print(t, out);
	table_free(&t);
	show_sources(objects, out);
}

void
show_agents(const json_t *objects, FILE *out)
{
	struct table	*t = table_new("AGENT SINCE> TLS TOPICS> SESSIONS> "
			    "WAITING> PARKED> STATE");
	const json_t	*o;
	size_t		 i;
	char		 buf[TEXT_FIGURE_MAX];

	json_array_foreach(objects, i, o) {
		const json_t	*a = json_object_get(o, "agent");

		if (a == NULL)
			continue;
		table_cell(t, text(a, "name"));
		table_cell(t, text_age(1000 * number(a, "seconds"), buf));
		table_cell(t, number(a, "tls") != 0 ? "yes" : "NO");
		table_number(t, number(a, "topics"));
		table_number(t, number(a, "sessions"));
		table_number(t, number(a, "waiting"));
		table_number(t, number(a, "parked"));
		table_cell(t, number(a, "drained") != 0 ? "drained" : "");
	}
	table_print(t, out);
	table_free(&t);
}

void
show_topics(const json_t *objects, FILE *out)
{
	struct table	*t = table_new("TOPIC AGENT AGENTS> SESSIONS> "
			    "WAITING> TAKEOVERS> STATE");
	const json_t	*o;
	size_t		 i;

	json_array_foreach(objects, i, o) {
		const json_t	*p = json_object_get(o, "topic");

		if (p == NULL)
			continue;
		table_cell(t, text(p, "name"));
		table_cell(t, text(p, "agent"));
		table_number(t, number(p, "agents"));
		table_number(t, number(p, "sessions"));
		table_number(t, number(p, "waiting"));
		table_number(t, number(p, "takeovers"));
		table_cell(t, number(p, "drained") != 0 ? "drained" :
		    number(p, "frozen") != 0 ? "frozen" : "");
	}
	table_print(t, out);
	table_free(&t);
}

void
show_mappings(const json_t *objects, FILE *out)
{
	struct table	*t = table_new("ADDRESS TOPIC AGENT AGENTS> TLS STATE");
	const json_t	*o;
	size_t		 i;

	json_array_foreach(objects, i, o) {
		const json_t	*m = json_object_get(o, "mapping");

		if (m == NULL)
			continue;
		table_cell(t, text(m, "name"));
		table_cell(t, text(m, "topic"));
		table_cell(t, text(m, "agent"));
		table_number(t, number(m, "agents"));
		table_cell(t, number(m, "tls") != 0 ? "yes" : "");
		table_cell(t, number(m, "open") == 0 ? "closed" :
		    number(m, "agents") != 0 && number(m, "here") == 0 ?
		    "open, agent away" : "open");
	}
	table_print(t, out);
	table_free(&t);
}

static const struct order {
	const char	*name;
	const char	*key;
	bool		 text;
	const char	*more;		/* is added, of a figure */
} orders[] = {
	{ "age",	"age_ms",	false,	NULL },
	{ "up",		"up",		false,	NULL },
	{ "down",	"down",		false,	NULL },
	{ "bytes",	"up",		false,	"down" },
	{ "rate",	"up_rate",	false,	"down_rate" },
	{ "id",		"id",		true,	NULL },
	{ "listener",	"listener",	true,	NULL },
	{ "client",	"client",	true,	NULL },
	{ "server",	"server",	true,	NULL },
};

static const struct order *
order_named(const char *name)
{
	for (size_t i = 0; i < nitems(orders); i++)
		if (strcmp(orders[i].name, name) == 0)
			return &orders[i];
	return NULL;
}

bool
show_can_sort(const char *key)
{
	return order_named(key) != NULL;
}

static int64_t
figure(const json_t *s, const struct order *by)
{
	return number(s, by->key) +
	    (by->more != NULL ? number(s, by->more) : 0);
}

static int
compare(const void *a, const void *b, void *arg)
{
	const struct order	*by = arg;
	const json_t		*x, *y;
	int64_t			 m, n;

	x = json_object_get(*(json_t *const *)a, "session");
	y = json_object_get(*(json_t *const *)b, "session");
	if (by->text)
		return strcmp(text(x, by->key), text(y, by->key));
	m = figure(x, by);
	n = figure(y, by);
	return m < n ? 1 : m > n ? -1 : 0;
}

json_t *
show_sort(const json_t *objects, const char *key, size_t limit)
{
	const struct order	*by = order_named(key);
	json_t			**v, *sorted = json_array(), *o;
	size_t			 i, n = 0;

	v = mem_calloc(json_array_size(objects) + 1, sizeof(json_t *));
	json_array_foreach(objects, i, o)
		if (json_object_get(o, "session") != NULL)
			v[n++] = o;
	qsort_r(v, n, sizeof(json_t *), compare, (void *)(uintptr_t)by);
	for (i = 0; i < n && (limit == 0 || i < limit); i++)
		json_array_append(sorted, v[i]);
	json_array_foreach(objects, i, o)
		if (json_object_get(o, "session") == NULL)
			json_array_append(sorted, o);
	free(v);
	return sorted;
}

static void
add_rate(json_t *now, const json_t *was, const char *key, const char *rate,
    int64_t ms)
{
	int64_t	 moved = number(now, key) - number(was, key);

	json_object_set_new(now, rate, json_integer(was != NULL && ms > 0 &&
	    moved > 0 ? moved * 1000 / ms : 0));
}

void
show_add_rates(json_t *objects, const json_t *before, int64_t ms)
{
	json_t	*known = json_object(), *o;
	size_t	 i;

	json_array_foreach(before, i, o) {
		json_t	*s = json_object_get(o, "session");

		if (s != NULL)
			json_object_set(known, text(s, "id"), s);
	}
	json_array_foreach(objects, i, o) {
		json_t		*s = json_object_get(o, "session");
		const json_t	*was;

		if (s == NULL)
			continue;
		was = json_object_get(known, text(s, "id"));
		add_rate(s, was, "up", "up_rate", ms);
		add_rate(s, was, "down", "down_rate", ms);
	}
	json_decref(known);
}
