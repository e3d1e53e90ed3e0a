#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "policy/conf.h"
#include "policy/conf_value.h"

#define SHOWN_MAX	128	/* characters of a wrong value */

enum conf_unit
conf_key_unit(const struct conf_key *k)
{
	if (k->type == CONF_TIME)
		return CONF_MS;
	return k->type == CONF_SIZE ? CONF_BYTES : CONF_COUNT;
}

static void
quantity_wants(const struct conf_key *k, char *buf, size_t size)
{
	char	 min[32], max[32];

	conf_quantity_text(conf_key_unit(k), k->min, min, sizeof(min));
	conf_quantity_text(conf_key_unit(k), k->max, max, sizeof(max));
	if (k->type == CONF_TIME)
		snprintf(buf, size, "want a time from \"%s\" to \"%s\"%s "
		    "(units ms, s, m, h, d; a bare number is seconds)", min,
		    max, k->step > 1 ? " in whole seconds" : "");
	else if (k->type == CONF_SIZE)
		snprintf(buf, size, "want a size from \"%s\" to \"%s\" "
		    "(units k, m, g; a bare number is bytes)", min, max);
	else
		snprintf(buf, size, "want a number from %s to %s", min, max);
}

static void
choice_wants(const struct conf_key *k, char *buf, size_t size)
{
	size_t	 n = (size_t)snprintf(buf, size, "want ");

	for (size_t i = 0; k->choices[i] != NULL && n < size; i++)
		n += (size_t)snprintf(buf + n, size - n, "%s\"%s\"",
		    i == 0 ? "" : k->choices[i + 1] == NULL ? " or " : ", ",
		    k->choices[i]);
}

void
conf_key_wants(const struct conf_key *k, char *buf, size_t size)
{
	static const char	*const texts[] = {
		[CONF_PATH] = "an absolute path, or \"\"",
		[CONF_LOG_TO] = "\"stdout\", \"stderr\", \"syslog\" or the "
		    "absolute path of a file",
		[CONF_BOOL] = "true or false, without quotes",
		[CONF_RATE] = "a rate like \"10/s\", \"100/m\" or \"20/10s\", "
		    "or \"0\" for no limit",
		[CONF_NETS] = "a network in quotes, or a list of them: "
		    "(\"...\", \"...\")",
		[CONF_LISTEN] = "an address in quotes, or a list of them: "
		    "(\"...\", \"...\")",
		[CONF_ADDRESS] = "an address in quotes",
		[CONF_SERVERS] = "an address in quotes, a group: "
		    "{ address = \"...\"; ... }, or a list of these: "
		    "( ..., ... )",
		[CONF_PATHS] = "an absolute path in quotes, or a list of "
		    "them: (\"...\", \"...\")",
		[CONF_ROUTES] = "a group: { server_name = \"...\"; forward = "
		    "\"...\"; }, or a list of these: ( ..., ... )",
		[CONF_ACCOUNTS] = "a group: { users = \"...\"; account = "
		    "\"...\"; ... }, or a list of these: ( ..., ... )",
		[CONF_GROUPS] = "a group: { name = \"...\"; users = \"...\"; "
		    "}, or a list of these: ( ..., ... )",
		[CONF_AGENTS] = "a group: { id = \"...\"; secret_file = "
		    "\"...\"; ... }, or a list of these: ( ..., ... )",
		[CONF_TOPICS] = "a group: { name = \"...\"; ... }, or a list "
		    "of these: ( ..., ... )",
		[CONF_HUBS] = "a group: { name = \"...\"; address = \"...\"; "
		    "... }, or a list of these: ( ..., ... )",
		[CONF_PUBLISHES] = "a group: { topic = \"...\"; hub = "
		    "\"...\"; forward = \"...\"; }, or a list of these: "
		    "( ..., ... )",
		[CONF_GROUP] = "a group: { ... }",
		[CONF_LIST] = "a list of groups: ( { ... }, ... )",
	};

	switch (k->type) {
	case CONF_INT:
	case CONF_TIME:
	case CONF_SIZE:
		quantity_wants(k, buf, size);
		break;
	case CONF_ENUM:
		choice_wants(k, buf, size);
		break;
	case CONF_NAME:
		snprintf(buf, size, "want 1 to %d letters, digits, \"_\", "
		    "\"-\" or \".\"", CONF_NAME_MAX);
		break;
	case CONF_STRING:
		if (k->max == 0)
			snprintf(buf, size, "want a string in quotes");
		else
			snprintf(buf, size, "want a string of at most %"
			    PRId64 " characters in quotes", k->max);
		break;
	case CONF_TEXTS:
		snprintf(buf, size, "want a string of %" PRId64 " to %" PRId64
		    " characters in quotes, or a list of them: "
		    "(\"...\", \"...\")", k->min, k->max);
		break;
	default:
		snprintf(buf, size, "want %s", texts[k->type]);
	}
}

static bool
is_name(const char *text)
{
	size_t	 n = strspn(text, "abcdefghijklmnopqrstuvwxyz"
		    "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.");

	return n > 0 && n <= CONF_NAME_MAX && text[n] == '\0';
}

static bool
is_acceptable(const struct conf_key *k, const char *text)
{
	switch (k->type) {
	case CONF_NAME:		/* "" where conf_finish() has a better one */
		return is_name(text) || (*text == '\0' && k->preset != NULL);
	case CONF_PATH:
	case CONF_PATHS:
		return text[0] == '/' || text[0] == '\0';
	case CONF_LOG_TO:
		return text[0] == '/' || strcmp(text, "stdout") == 0 ||
		    strcmp(text, "stderr") == 0 || strcmp(text, "syslog") == 0;
	default:
		return strlen(text) >= (size_t)k->min &&
		    (k->max == 0 || strlen(text) <= (size_t)k->max);
	}
}

static int
refuse(const char *text, const char *fault, char *why, size_t size)
{
	snprintf(why, size, "\"%.*s%s\": %s", SHOWN_MAX, text,
	    strlen(text) > SHOWN_MAX ? "..." : "", fault);
	return -1;
}

static int
parse_listen(const char *text, struct net_spec *spec, const char **fault)
{
	char	 local[32];

	/* The one name that needs no look-up, and that people write. */
	if (strncmp(text, "localhost:", 10) == 0) {
		snprintf(local, sizeof(local), "127.0.0.1:%s", text + 10);
		return net_parse(local, false, spec, fault);
	}
	if (net_parse(text, false, spec, fault) == -1)
		return -1;
	*fault = "listen takes an address and no name, because root looks "
	    "up nothing in the DNS";
	return spec->kind == NET_NAME ? -1 : 0;
}

static int
parse_server(const char *text, struct net_spec *spec, const char **fault)
{
	if (net_parse(text, false, spec, fault) == -1)
		return -1;
	*fault = "a server needs a host before the port";
	return spec->kind == NET_ANY ? -1 : 0;
}

static int
add_listen(struct conf_addrs *list, const char *text, char *why, size_t size)
{
	struct net_spec	 spec;
	const char	*fault;

	if (parse_listen(text, &spec, &fault) == -1)
		return refuse(text, fault, why, size);
	if (list->n == CONF_ADDRS_MAX) {
		snprintf(why, size, "more than %d addresses", CONF_ADDRS_MAX);
		return -1;
	}
	list->v = mem_resize(list->v, list->n + 1, sizeof(*list->v));
	list->v[list->n++] = (struct conf_addr){
		.text = mem_strdup(text), .spec = spec,
	};
	return 0;
}

static int
add_net(struct conf_nets *list, const char *text, char *why, size_t size)
{
	struct access_net	 net;
	const char		*fault;

	if (access_net_parse(text, &net, &fault) == -1)
		return refuse(text, fault, why, size);
	if (list->n == CONF_NETS_MAX) {
		snprintf(why, size, "more than %d networks", CONF_NETS_MAX);
		return -1;
	}
	list->v = mem_resize(list->v, list->n + 1, sizeof(*list->v));
	list->v[list->n++] = net;
	return 0;
}

static int
add_text(const struct conf_key *k, struct conf_texts *list, const char *text,
    char *why, size_t size)
{
	char	 wants[256];

	if (!is_acceptable(k, text)) {
		conf_key_wants(k, wants, sizeof(wants));
		return refuse(text, wants, why, size);
	}
	if (list->n == CONF_TEXTS_MAX) {
		snprintf(why, size, "more than %d of them", CONF_TEXTS_MAX);
		return -1;
	}
	list->v = mem_resize(list->v, list->n + 1, sizeof(*list->v));
	list->v[list->n++] = mem_strdup(text);
	return 0;
}

/* The types that are lists of sections, their structures and bounds. */
#define LISTS(LIST) \
	LIST(CONF_SERVERS, conf_servers, CONF_ADDRS_MAX) \
	LIST(CONF_ROUTES, conf_routes, CONF_ROUTES_MAX) \
	LIST(CONF_ACCOUNTS, conf_accounts, CONF_ACCOUNTS_MAX) \
	LIST(CONF_GROUPS, conf_groups, CONF_GROUPS_MAX) \
	LIST(CONF_AGENTS, conf_agents, CONF_AGENTS_MAX) \
	LIST(CONF_TOPICS, conf_topics, CONF_TOPICS_MAX) \
	LIST(CONF_HUBS, conf_hubs, CONF_HUBS_MAX) \
	LIST(CONF_PUBLISHES, conf_publishes, CONF_PUBLISHES_MAX) \
	LIST(CONF_ASSIGNS, conf_assigns, CONF_ASSIGNS_MAX)

void
conf_set_text(char **place, const char *text)
{
	free(*place);
	*place = mem_strdup(text);
}

bool
conf_key_is_list(const struct conf_key *k)
{
#define LIST(kind, name, max) k->type == kind ||
	return LISTS(LIST) false;
#undef LIST
}

size_t
conf_key_count(const struct conf_key *k, const void *base)
{
	const void	*member = (const char *)base + k->offset;

	switch (k->type) {
#define LIST(kind, name, max) \
	case kind: \
		return ((const struct name *)member)->n;
	LISTS(LIST)
#undef LIST
	default:
		return 0;
	}
}

size_t
conf_key_count_max(const struct conf_key *k)
{
	switch (k->type) {
#define LIST(kind, name, max) \
	case kind: \
		return max;
	LISTS(LIST)
#undef LIST
	default:
		return 0;
	}
}

const void *
conf_key_item(const struct conf_key *k, const void *base, size_t i)
{
	const void	*member = (const char *)base + k->offset;

	switch (k->type) {
#define LIST(kind, name, max) \
	case kind: \
		return &((const struct name *)member)->v[i];
	LISTS(LIST)
#undef LIST
	default:
		return NULL;
	}
}

/* One more, all zero. */
static void *
add_item(const struct conf_key *k, void *member)
{
	switch (k->type) {
#define LIST(kind, name, max) \
	case kind: { \
		struct name	*list = member; \
\
		list->v = mem_resize(list->v, list->n + 1, \
		    sizeof(*list->v)); \
		memset(&list->v[list->n], 0, sizeof(*list->v)); \
		return &list->v[list->n++]; \
	}
	LISTS(LIST)
#undef LIST
	default:
		return NULL;
	}
}

void *
conf_key_add_item(const struct conf_key *k, void *base)
{
	void	*item;

	if (conf_key_count(k, base) == conf_key_count_max(k))
		return NULL;
	item = add_item(k, (char *)base + k->offset);
	conf_keys_preset(k->inner, item);
	return item;
}

/* Servers, routes and what is assigned have no place of their own. */
char **
conf_key_where(const struct conf_key *k, void *item)
{
	switch (k->type) {
	case CONF_ACCOUNTS:
		return &((struct conf_account *)item)->where;
	case CONF_GROUPS:
		return &((struct conf_group *)item)->where;
	case CONF_AGENTS:
		return &((struct conf_agent *)item)->where;
	case CONF_TOPICS:
		return &((struct conf_topic *)item)->where;
	case CONF_HUBS:
		return &((struct conf_hub *)item)->where;
	case CONF_PUBLISHES:
		return &((struct conf_publish *)item)->where;
	default:
		return NULL;
	}
}

static void
release_item(const struct conf_key *k, void *item)
{
	char	**where = conf_key_where(k, item);

	conf_keys_release(k->inner, item);
	if (where != NULL)
		free(*where);
}

void
conf_key_drop_item(const struct conf_key *k, void *base)
{
	void	*member = (char *)base + k->offset;

	switch (k->type) {
#define LIST(kind, name, max) \
	case kind: { \
		struct name	*list = member; \
\
		release_item(k, &list->v[--list->n]); \
		break; \
	}
	LISTS(LIST)
#undef LIST
	default:
		break;
	}
}

static void
release_list(const struct conf_key *k, void *base)
{
	void	*member = (char *)base + k->offset;

	while (conf_key_count(k, base) > 0)
		conf_key_drop_item(k, base);
	switch (k->type) {
#define LIST(kind, name, max) \
	case kind: { \
		struct name	*list = member; \
\
		free(list->v); \
		list->v = NULL; \
		break; \
	}
	LISTS(LIST)
#undef LIST
	default:
		break;
	}
}

static int
set_server(struct conf_server *s, const char *text, char *why, size_t size)
{
	struct net_spec	 spec;
	const char	*fault;

	if (parse_server(text, &spec, &fault) == -1)
		return refuse(text, fault, why, size);
	free(s->text);
	s->text = mem_strdup(text);
	s->spec = spec;
	return 0;
}

static int
add_server(const struct conf_key *k, void *base, const char *text, char *why,
    size_t size)
{
	struct conf_server	 s = { .text = NULL }, *added;

	if (set_server(&s, text, why, size) == -1)
		return -1;
	added = conf_key_add_item(k, base);
	if (added == NULL) {
		free(s.text);
		snprintf(why, size, "more than %d servers", CONF_ADDRS_MAX);
		return -1;
	}
	added->text = s.text;
	added->spec = s.spec;
	return 0;
}

static int
set_choice(const struct conf_key *k, const char *text, int *out)
{
	for (int i = 0; k->choices[i] != NULL; i++)
		if (strcmp(k->choices[i], text) == 0) {
			*out = i;
			return 0;
		}
	return -1;
}

static int
set_bool(const char *text, bool *out)
{
	if (strcmp(text, "true") != 0 && strcmp(text, "false") != 0)
		return -1;
	*out = text[0] == 't';
	return 0;
}

static int
set_quantity(const struct conf_key *k, const char *text, int64_t *out)
{
	int64_t	 v;

	if (conf_quantity_parse(conf_key_unit(k), text, k->min, k->max,
	    &v) == -1 ||
	    (k->step > 1 && v % k->step != 0))
		return -1;
	*out = v;
	return 0;
}

/* What is one value and can be refused without more words. */
static int
set_scalar(const struct conf_key *k, void *member, const char *text)
{
	struct conf_rate	*rate = member;

	switch (k->type) {
	case CONF_STRING:
	case CONF_NAME:
	case CONF_PATH:
	case CONF_LOG_TO:
		if (!is_acceptable(k, text))
			return -1;
		free(*(char **)member);
		*(char **)member = mem_strdup(text);
		return 0;
	case CONF_BOOL:
		return set_bool(text, member);
	case CONF_INT:
	case CONF_TIME:
	case CONF_SIZE:
		return set_quantity(k, text, member);
	case CONF_ENUM:
		return set_choice(k, text, member);
	case CONF_RATE:
		return conf_rate_parse(text, &rate->count, &rate->ms);
	default:
		return -1;
	}
}

int
conf_key_set(const struct conf_key *k, void *base, const char *text, char *why,
    size_t size)
{
	void	*member = (char *)base + k->offset;
	char	 wants[256];

	switch (k->type) {
	case CONF_LISTEN:
		return add_listen(member, text, why, size);
	case CONF_NETS:
		return add_net(member, text, why, size);
	case CONF_TEXTS:
	case CONF_PATHS:
		return add_text(k, member, text, why, size);
	case CONF_SERVERS:
		return add_server(k, base, text, why, size);
	case CONF_ADDRESS:
		return set_server(base, text, why, size);
	default:
		break;
	}
	if (set_scalar(k, member, text) == 0)
		return 0;
	conf_key_wants(k, wants, sizeof(wants));
	return refuse(text, wants, why, size);
}

char *
conf_key_text(const struct conf_key *k, const void *base)
{
	char	*text = NULL;
	size_t	 len;
	FILE	*out = open_memstream(&text, &len);

	if (out == NULL)
		abort();	/* as mem.h has it */
	conf_key_print(k, base, out);
	(void)fclose(out);
	return text;
}

/* Those whose default is to be empty. */
static bool
is_optional_list(const struct conf_key *k)
{
	return k->type == CONF_LIST || k->type == CONF_NETS ||
	    k->type == CONF_TEXTS || k->type == CONF_PATHS ||
	    (conf_key_is_list(k) && k->type != CONF_SERVERS);
}

void
conf_keys_preset(enum conf_section section, void *base)
{
	const struct conf_key	*k;
	char			 why[512];

	for (k = conf_keys; k->name != NULL; k++) {
		if (k->section != section || k->preset == NULL ||
		    is_optional_list(k))
			continue;
		if (k->type == CONF_GROUP)
			conf_keys_preset(k->inner, base);
		else if (conf_key_set(k, base, k->preset, why, sizeof(why)) ==
		    -1)
			abort();	/* the table contradicts itself */
	}
}

static void
release_listen(struct conf_addrs *list)
{
	for (size_t i = 0; i < list->n; i++)
		free(list->v[i].text);
	free(list->v);
	*list = (struct conf_addrs){ NULL, 0 };
}

static void
release_texts(struct conf_texts *list)
{
	for (size_t i = 0; i < list->n; i++)
		free(list->v[i]);
	free(list->v);
	*list = (struct conf_texts){ NULL, 0 };
}

static void
release_value(const struct conf_key *k, void *base)
{
	void			*member = (char *)base + k->offset;
	struct conf_nets	*nets = member;

	switch (k->type) {
	case CONF_STRING:
	case CONF_NAME:
	case CONF_PATH:
	case CONF_LOG_TO:
	case CONF_ADDRESS:
		free(*(char **)member);
		*(char **)member = NULL;
		break;
	case CONF_LISTEN:
		release_listen(member);
		break;
	case CONF_NETS:
		free(nets->v);
		*nets = (struct conf_nets){ NULL, 0 };
		break;
	case CONF_TEXTS:
	case CONF_PATHS:
		release_texts(member);
		break;
	case CONF_SERVERS:
	case CONF_ROUTES:
	case CONF_ACCOUNTS:
	case CONF_GROUPS:
	case CONF_AGENTS:
	case CONF_TOPICS:
	case CONF_HUBS:
	case CONF_PUBLISHES:
	case CONF_ASSIGNS:
		release_list(k, base);
		break;
	case CONF_GROUP:
		conf_keys_release(k->inner, base);
		break;
	default:
		break;
	}
}

void
conf_keys_release(enum conf_section section, void *base)
{
	for (const struct conf_key *k = conf_keys; k->name != NULL; k++)
		if (k->section == section)
			release_value(k, base);
}
