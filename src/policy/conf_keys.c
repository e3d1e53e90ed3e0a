#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "policy/conf.h"
#include "policy/conf_keys.h"

#define SHOWN_MAX	128	/* characters of a wrong value */

#define SECOND	((int64_t)1000)
#define MINUTE	(60 * SECOND)
#define HOUR	(60 * MINUTE)
#define DAY	(24 * HOUR)
#define KIB	((int64_t)1024)
#define MIB	(1024 * KIB)

static const char *const levels[] = { "error", "warn", "info", "debug", NULL };
static const char *const formats[] = { "text", "json", NULL };
static const char *const protocols[] = { "tcp", NULL };

#define TOP(member)		offsetof(struct conf, member)
#define BACKEND(member)		offsetof(struct conf_backend, member)
#define LISTENER(member)	offsetof(struct conf_listener, member)

const struct conf_key	 conf_keys[] = {
	{ CONF_TOP, "user", CONF_STRING, TOP(user),
	    .preset = CONF_USER_PRESET,
	    .help = "user that all processes but the master become" },
	{ CONF_TOP, "pid_file", CONF_PATH, TOP(pid_file), .preset = "",
	    .help = "file that holds the master's process id" },
	{ CONF_TOP, "log", CONF_GROUP, 0, .preset = "", .inner = CONF_LOG,
	    .help = "where lines go, which, and how they look" },
	{ CONF_TOP, "workers", CONF_GROUP, 0, .preset = "",
	    .inner = CONF_WORKERS, .help = "how many processes serve" },
	{ CONF_TOP, "timeouts", CONF_GROUP, 0, .preset = "",
	    .inner = CONF_TIMEOUTS, .help = "how long each phase may last" },
	{ CONF_TOP, "backends", CONF_LIST, 0, .preset = "",
	    .inner = CONF_BACKEND, .help = "named sets of servers" },
	{ CONF_TOP, "listeners", CONF_LIST, 0, .inner = CONF_LISTENER,
	    .help = "addresses that users connect to" },

	{ CONF_LOG, "to", CONF_LOG_TO, TOP(log.to), .preset = "syslog",
	    .help = "\"stdout\", \"stderr\", \"syslog\" or a file" },
	{ CONF_LOG, "level", CONF_ENUM, TOP(log.level), .preset = "info",
	    .choices = levels, .help = "the least important line written" },
	{ CONF_LOG, "format", CONF_ENUM, TOP(log.format), .preset = "text",
	    .choices = formats, .help = "how a line looks" },

	{ CONF_WORKERS, "spare", CONF_INT, TOP(workers.spare), 1, 4096, "8",
	    .help = "idle workers kept for the next connections" },
	{ CONF_WORKERS, "max", CONF_INT, TOP(workers.max), 1, 32768, "4096",
	    .help = "workers, and so sessions, at the most" },
	{ CONF_WORKERS, "reuse", CONF_INT, TOP(workers.reuse), 1, 1000000000,
	    "10000", .help = "sessions after which a worker is replaced" },

	{ CONF_TIMEOUTS, "connect", CONF_TIME, TOP(timeouts.connect), 1,
	    10 * MINUTE, "5s", .help = "to find a server that answers" },
	{ CONF_TIMEOUTS, "handshake", CONF_TIME, TOP(timeouts.handshake), 1,
	    10 * MINUTE, "10s",
	    .help = "from accept until bytes are relayed" },
	{ CONF_TIMEOUTS, "idle", CONF_TIME, TOP(timeouts.idle), 1, 24 * DAY,
	    "8h", .help = "without a byte in either direction" },
	{ CONF_TIMEOUTS, "half_closed", CONF_TIME, TOP(timeouts.half_closed),
	    1, 24 * DAY, "5m",
	    .help = "without a byte once one side has ended its stream" },
	{ CONF_TIMEOUTS, "session", CONF_TIME, TOP(timeouts.session), 0,
	    365 * DAY, "0", .help = "a session in all; 0 for no limit" },
	{ CONF_TIMEOUTS, "drain", CONF_TIME, TOP(timeouts.drain), 0, 30 * DAY,
	    "1h", .help = "for sessions to end by themselves after QUIT" },

	{ CONF_BACKEND, "name", CONF_NAME, BACKEND(name),
	    .help = "what forward = \"backend:NAME\" refers to" },
	{ CONF_BACKEND, "servers", CONF_SERVERS, BACKEND(servers),
	    .help = "addresses to dial, tried in this order" },

	{ CONF_LISTENER, "name", CONF_NAME, LISTENER(name),
	    .help = "what the log calls it" },
	{ CONF_LISTENER, "listen", CONF_LISTEN, LISTENER(listen),
	    .help = "addresses to accept on" },
	{ CONF_LISTENER, "protocol", CONF_ENUM, LISTENER(protocol),
	    .preset = "tcp", .choices = protocols,
	    .help = "what is spoken there" },
	{ CONF_LISTENER, "forward", CONF_STRING, LISTENER(forward),
	    .help = "\"host:port\", \"unix:/path\" or \"backend:NAME\"" },
	{ CONF_LISTENER, "buffer", CONF_SIZE, LISTENER(buffer), 512, 16 * MIB,
	    "64k", .help = "bytes held for each direction of a session" },
	{ .name = NULL },
};

struct unit {
	const char	*name;
	int64_t		 factor;
};

/* Smallest first; a bare number has the first unit without a name. */
static const struct unit	 times[] = {
	{ "ms", 1 }, { "s", SECOND }, { "", SECOND }, { "m", MINUTE },
	{ "h", HOUR }, { "d", DAY }, { NULL, 0 },
};
static const struct unit	 sizes[] = {
	{ "", 1 }, { "k", KIB }, { "m", MIB }, { "g", 1024 * MIB },
	{ NULL, 0 },
};
static const struct unit	 counts[] = { { "", 1 }, { NULL, 0 } };

static const struct unit *
units(const struct conf_key *k)
{
	if (k->type == CONF_TIME)
		return times;
	return k->type == CONF_SIZE ? sizes : counts;
}

const struct conf_key *
conf_key_find(enum conf_section section, const char *name)
{
	const struct conf_key	*k;

	for (k = conf_keys; k->name != NULL; k++)
		if (k->section == section && strcmp(k->name, name) == 0)
			return k;
	return NULL;
}

/* The number with the largest unit that loses nothing: 8h, 64k, 1500ms. */
static void
quantity_text(const struct conf_key *k, int64_t v, char *buf, size_t size)
{
	const struct unit	*u, *best = units(k);

	for (u = best; u->name != NULL; u++)
		if (v != 0 && v % u->factor == 0 && u->factor > best->factor)
			best = u;
	if (v == 0)
		snprintf(buf, size, "0");
	else
		snprintf(buf, size, "%" PRId64 "%s", v / best->factor,
		    best->name);
}

static int
quantity_parse(const struct conf_key *k, const char *text, int64_t *out)
{
	const struct unit	*u;
	char			*end;
	long long		 v;

	if (*text < '0' || *text > '9')
		return -1;
	errno = 0;
	v = strtoll(text, &end, 10);
	if (errno != 0)
		return -1;
	for (u = units(k); u->name != NULL; u++) {
		if (strcmp(u->name, end) != 0)
			continue;
		if (v > k->max / u->factor || v * u->factor < k->min)
			return -1;
		*out = v * u->factor;
		return 0;
	}
	return -1;
}

void
conf_key_wants(const struct conf_key *k, char *buf, size_t size)
{
	char	 min[32], max[32];
	size_t	 n;

	quantity_text(k, k->min, min, sizeof(min));
	quantity_text(k, k->max, max, sizeof(max));
	switch (k->type) {
	case CONF_INT:
		snprintf(buf, size, "want a number from %s to %s", min, max);
		break;
	case CONF_TIME:
		snprintf(buf, size, "want a time from \"%s\" to \"%s\" "
		    "(units ms, s, m, h, d; a bare number is seconds)", min,
		    max);
		break;
	case CONF_SIZE:
		snprintf(buf, size, "want a size from \"%s\" to \"%s\" "
		    "(units k, m, g; a bare number is bytes)", min, max);
		break;
	case CONF_ENUM:
		n = (size_t)snprintf(buf, size, "want ");
		for (size_t i = 0; k->choices[i] != NULL && n < size; i++)
			n += (size_t)snprintf(buf + n, size - n, "%s\"%s\"",
			    i == 0 ? "" :
			    k->choices[i + 1] == NULL ? " or " : ", ",
			    k->choices[i]);
		break;
	case CONF_NAME:
		snprintf(buf, size, "want 1 to %d letters, digits, \"_\", "
		    "\"-\" or \".\"", CONF_NAME_MAX);
		break;
	case CONF_STRING:
		snprintf(buf, size, "want a string in quotes");
		break;
	case CONF_PATH:
		snprintf(buf, size, "want an absolute path, or \"\"");
		break;
	case CONF_LOG_TO:
		snprintf(buf, size, "want \"stdout\", \"stderr\", "
		    "\"syslog\" or the absolute path of a file");
		break;
	case CONF_LISTEN:
	case CONF_SERVERS:
		snprintf(buf, size, "want an address in quotes, or a list "
		    "of them: (\"...\", \"...\")");
		break;
	case CONF_GROUP:
		snprintf(buf, size, "want a group: { ... }");
		break;
	case CONF_LIST:
		snprintf(buf, size, "want a list of groups: ( { ... }, ... )");
		break;
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
is_acceptable(enum conf_type type, const char *text)
{
	if (type == CONF_NAME)
		return is_name(text);
	if (type == CONF_PATH)
		return text[0] == '/' || text[0] == '\0';
	return text[0] == '/' || strcmp(text, "stdout") == 0 ||
	    strcmp(text, "stderr") == 0 || strcmp(text, "syslog") == 0;
}

static int
add_addr(const struct conf_key *k, struct conf_addrs *list, const char *text,
    char *why, size_t size)
{
	struct conf_addr	*a;
	struct net_spec		 spec;
	const char		*fault = NULL, *port;
	char			 local[32];

	/* The one name that needs no look-up, and that people write. */
	if (k->type == CONF_LISTEN && strncmp(text, "localhost:", 10) == 0) {
		port = text + 10;
		snprintf(local, sizeof(local), "127.0.0.1:%s", port);
		if (net_parse(local, false, &spec, &fault) == -1)
			goto bad;
	} else if (net_parse(text, false, &spec, &fault) == -1)
		goto bad;
	fault = "listen takes an address and no name, because root looks "
	    "up nothing in the DNS";
	if (k->type == CONF_LISTEN && spec.kind == NET_NAME)
		goto bad;
	fault = "a server needs a host before the port";
	if (k->type == CONF_SERVERS && spec.kind == NET_ANY)
		goto bad;
	if (list->n == CONF_ADDRS_MAX) {
		snprintf(why, size, "more than %d addresses", CONF_ADDRS_MAX);
		return -1;
	}
	list->v = mem_resize(list->v, list->n + 1, sizeof(*list->v));
	a = &list->v[list->n++];
	a->text = mem_strdup(text);
	a->spec = spec;
	a->book = CONF_NO_BOOK;
	return 0;
 bad:
	snprintf(why, size, "\"%.*s%s\": %s", SHOWN_MAX, text,
	    strlen(text) > SHOWN_MAX ? "..." : "", fault);
	return -1;
}

int
conf_key_set(const struct conf_key *k, void *base, const char *text, char *why,
    size_t size)
{
	void	*member = (char *)base + k->offset;
	char	 wants[256];

	switch (k->type) {
	case CONF_LISTEN:
	case CONF_SERVERS:
		return add_addr(k, member, text, why, size);
	case CONF_NAME:
	case CONF_PATH:
	case CONF_LOG_TO:
		if (!is_acceptable(k->type, text))
			break;
		/* FALLTHROUGH */
	case CONF_STRING:
		free(*(char **)member);
		*(char **)member = mem_strdup(text);
		return 0;
	case CONF_INT:
	case CONF_TIME:
	case CONF_SIZE:
		if (quantity_parse(k, text, member) == -1)
			break;
		return 0;
	case CONF_ENUM:
		for (int i = 0; k->choices[i] != NULL; i++)
			if (strcmp(k->choices[i], text) == 0) {
				*(int *)member = i;
				return 0;
			}
		break;
	case CONF_GROUP:
	case CONF_LIST:
		break;
	}
	conf_key_wants(k, wants, sizeof(wants));
	snprintf(why, size, "\"%.*s%s\": %s", SHOWN_MAX, text,
	    strlen(text) > SHOWN_MAX ? "..." : "", wants);
	return -1;
}

/* A string as libconfig reads it back. */
static void
print_string(const char *s, FILE *out)
{
	fputc('"', out);
	for (; *s != '\0'; s++) {
		if (*s == '"' || *s == '\\')
			fprintf(out, "\\%c", *s);
		else if ((unsigned char)*s < ' ' || *s == 0x7f)
			fprintf(out, "\\x%02x", (unsigned char)*s);
		else
			fputc(*s, out);
	}
	fputc('"', out);
}

static void
print_addrs(const struct conf_addrs *list, FILE *out)
{
	fputc('(', out);
	for (size_t i = 0; i < list->n; i++) {
		fputs(i > 0 ? ", " : " ", out);
		print_string(list->v[i].text, out);
	}
	fputs(" )", out);
}

void
conf_key_print(const struct conf_key *k, const void *base, FILE *out)
{
	const char	*member = (const char *)base + k->offset;
	const void	*value = member;
	char		 text[32];

	switch (k->type) {
	case CONF_STRING:
	case CONF_NAME:
	case CONF_PATH:
	case CONF_LOG_TO:
		print_string(*(char *const *)value, out);
		break;
	case CONF_INT:
		fprintf(out, "%" PRId64, *(const int64_t *)value);
		break;
	case CONF_TIME:
	case CONF_SIZE:
		quantity_text(k, *(const int64_t *)value, text, sizeof(text));
		print_string(text, out);
		break;
	case CONF_ENUM:
		print_string(k->choices[*(const int *)value], out);
		break;
	case CONF_LISTEN:
	case CONF_SERVERS:
		print_addrs(value, out);
		break;
	case CONF_GROUP:
	case CONF_LIST:
		break;
	}
}

void
conf_keys_preset(enum conf_section section, void *base)
{
	const struct conf_key	*k;
	char			 why[512];

	for (k = conf_keys; k->name != NULL; k++) {
		if (k->section != section || k->preset == NULL ||
		    k->type == CONF_LIST)
			continue;
		if (k->type == CONF_GROUP)
			conf_keys_preset(k->inner, base);
		else if (conf_key_set(k, base, k->preset, why, sizeof(why)) ==
		    -1)
			abort();	/* the table contradicts itself */
	}
}

void
conf_keys_release(enum conf_section section, void *base)
{
	const struct conf_key	*k;
	struct conf_addrs	*list;
	void			*member;

	for (k = conf_keys; k->name != NULL; k++) {
		if (k->section != section)
			continue;
		member = (char *)base + k->offset;
		switch (k->type) {
		case CONF_STRING:
		case CONF_NAME:
		case CONF_PATH:
		case CONF_LOG_TO:
			free(*(char **)member);
			*(char **)member = NULL;
			break;
		case CONF_LISTEN:
		case CONF_SERVERS:
			list = member;
			for (size_t i = 0; i < list->n; i++)
				free(list->v[i].text);
			free(list->v);
			*list = (struct conf_addrs){ NULL, 0 };
			break;
		case CONF_GROUP:
			conf_keys_release(k->inner, base);
			break;
		default:
			break;
		}
	}
}
