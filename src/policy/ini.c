#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"
#include "policy/ini.h"

struct span {
	const char	*p;
	size_t		 len;
};

static bool
is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

static struct span
trim(struct span s)
{
	while (s.len > 0 && is_space(s.p[0])) {
		s.p++;
		s.len--;
	}
	while (s.len > 0 && is_space(s.p[s.len - 1]))
		s.len--;
	return s;
}

static bool
is(struct span s, const char *text)
{
	return s.len == strlen(text) && strncasecmp(s.p, text, s.len) == 0;
}

static bool
is_comment(struct span s)
{
	return s.len == 0 || s.p[0] == '#' || s.p[0] == ';' ||
	    (s.len >= 4 && strncasecmp(s.p, "rem ", 4) == 0);
}

/* Without what stands behind " #" or " ;". */
static struct span
uncomment(struct span s)
{
	for (size_t i = 1; i < s.len; i++)
		if ((s.p[i] == '#' || s.p[i] == ';') && is_space(s.p[i - 1])) {
			s.len = i;
			break;
		}
	return trim(s);
}

static void
forget(char **text)
{
	if (*text != NULL)
		explicit_bzero(*text, strlen(*text));
	free(*text);
	*text = NULL;
}

static void
append(char **value, struct span more)
{
	char	*was = *value;

	*value = mem_printf("%s%s%.*s", was != NULL ? was : "",
	    was != NULL && was[0] != '\0' ? "\n" : "", (int)more.len, more.p);
	forget(&was);
}

/* What one line says; *open while its value may go on. */
static void
read_line(struct span line, const char *key, bool *inside,
    const char *section, bool *open, char **value)
{
	struct span	 s = trim(line);
	size_t		 at;

	if (is_comment(s))
		return;
	if (is_space(line.p[0])) {
		if (*open)
			append(value, uncomment(s));
		return;
	}
	*open = false;
	if (s.p[0] == '[' && s.p[s.len - 1] == ']') {
		*inside = is((struct span){ s.p + 1, s.len - 2 }, section);
		return;
	}
	for (at = 0; at < s.len && s.p[at] != '=' && s.p[at] != ':'; at++)
		continue;
	if (!*inside || at == s.len || !is(trim((struct span){ s.p, at }),
	    key))
		return;
	forget(value);
	append(value, uncomment(trim((struct span){ s.p + at + 1,
	    s.len - at - 1 })));
	*open = true;
}

char *
ini_value(const char *text, size_t len, const char *section, const char *key)
{
	bool		 inside = false, open = false;
	char		*value = NULL;
	const char	*end;

	for (const char *p = text; p < text + len; p = end + 1) {
		struct span	 line = { .p = p };

		end = memchr(p, '\n', (size_t)(text + len - p));
		if (end == NULL)
			end = text + len;
		line.len = (size_t)(end - p);
		if (line.len > 0)
			read_line(line, key, &inside, section, &open, &value);
	}
	return value;
}

static char *
copy(const char *p, size_t len)
{
	return mem_printf("%.*s", (int)len, p);
}

/* "tcp(host:port)", "unix(/path)", "tcp" or nothing, as an address. */
static char *
server_of(struct span s, const char **why)
{
	const char	*open = memchr(s.p, '(', s.len);
	struct span	 net = { s.p, open != NULL ? (size_t)(open - s.p) :
			    s.len }, at = { "", 0 };

	*why = "behind \"@\" want tcp(host:port) or unix(/path)";
	if (open != NULL) {
		if (s.p[s.len - 1] != ')')
			return NULL;
		at = (struct span){ open + 1, s.len - net.len - 2 };
	}
	if (is(net, "unix") && at.len > 0)
		return mem_printf("unix:%.*s", (int)at.len, at.p);
	if (!is(net, "tcp") && net.len > 0)
		return NULL;
	if (at.len == 0)
		return mem_strdup("127.0.0.1:3306");
	if (memchr(at.p, ':', at.len) == NULL)
		return mem_printf("%.*s:3306", (int)at.len, at.p);
	return copy(at.p, at.len);
}

int
ini_dsn_parse(const char *text, struct ini_dsn *dsn, const char **why)
{
	const char	*slash = strrchr(text, '/'), *at, *colon;
	size_t		 before;

	*dsn = (struct ini_dsn){ .user = NULL };
	*why = "want user:password@tcp(host:port)/database";
	if (slash == NULL)
		return -1;
	before = (size_t)(slash - text);
	at = memrchr(text, '@', before);
	if (at == NULL)
		return -1;
	dsn->server = server_of((struct span){ at + 1,
	    (size_t)(slash - at) - 1 }, why);
	if (dsn->server == NULL)
		return -1;
	colon = memchr(text, ':', (size_t)(at - text));
	dsn->user = copy(text, (size_t)((colon != NULL ? colon : at) - text));
	dsn->password = colon != NULL ? copy(colon + 1,
	    (size_t)(at - colon) - 1) : mem_strdup("");
	dsn->database = copy(slash + 1, strcspn(slash + 1, "?"));
	return 0;
}

void
ini_dsn_release(struct ini_dsn *dsn)
{
	forget(&dsn->user);
	forget(&dsn->password);
	forget(&dsn->server);
	forget(&dsn->database);
}
