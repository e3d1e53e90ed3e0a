#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "policy/assign.h"
#include "policy/port_range.h"

#define PORT_USER	1024	/* the first that takes no root */
#define UNIX		"unix:"

int
assign_side_parse(const char *text, bool *agent, const char **address)
{
	if (strncmp(text, "hub:", 4) == 0) {
		*agent = false;
		*address = text + 4;
	} else if (strncmp(text, "agent:", 6) == 0) {
		*agent = true;
		*address = text + 6;
	} else
		return -1;
	return **address != '\0' ? 0 : -1;
}

static int
parse_path(const char *text, struct assign_rule *rule, const char **why)
{
	size_t	 len = strlen(text);

	*why = "want \"unix:\" and a whole path, whose last part may be \"*\"";
	rule->any_path = len > 2 && strcmp(text + len - 2, "/*") == 0;
	if (rule->any_path)
		len--;
	if (text[0] != '/' || len >= sizeof(rule->path) ||
	    (!rule->any_path && text[len - 1] == '/') ||
	    memchr(text, '*', len) != NULL)
		return -1;
	memcpy(rule->path, text, len);
	rule->path[len] = '\0';
	return 0;
}

static int
parse_net(const char *text, size_t len, struct assign_rule *rule,
    const char **why)
{
	char	 net[ACCESS_TEXT_MAX];

	if (len > 2 && text[0] == '[' && text[len - 1] == ']') {
		text++;
		len -= 2;
	}
	rule->any_host = len == 1 && text[0] == '*';
	if (rule->any_host)
		return 0;
	if (len >= sizeof(net))
		return -1;
	memcpy(net, text, len);
	net[len] = '\0';
	return strcmp(net, "unix") == 0 ? -1 :
	    access_net_parse(net, &rule->net, why);
}

int
assign_rule_parse(const char *text, struct assign_rule *rule,
    const char **why)
{
	const char	*ports;

	memset(rule, 0, sizeof(*rule));
	*why = "want \"forward \" or \"listen \", and an address: \"any\", "
	    "\"127.0.0.1:3389\", \"10.0.0.0/8:22\", \"*:13000-13999\", "
	    "\"[::1]:*\", \"unix:/run/x.sock\" or \"unix:/run/x/*\"";
	if (strncmp(text, "listen ", 7) == 0) {
		rule->listen = true;
		text += 7;
	} else if (strncmp(text, "forward ", 8) == 0)
		text += 8;
	else
		return -1;
	if (strncmp(text, UNIX, strlen(UNIX)) == 0)
		return parse_path(text + strlen(UNIX), rule, why);
	if (strcmp(text, "any") == 0) {
		rule->any_host = rule->any_port = true;
		return 0;
	}
	ports = strrchr(text, ':');
	if (ports == NULL)
		return -1;
	rule->any_port = strcmp(ports + 1, "*") == 0;
	if (!rule->any_port && port_range_parse(ports + 1, &rule->low,
	    &rule->high) == -1)
		return -1;
	return parse_net(text, (size_t)(ports - text), rule, why);
}

static bool
allows_path(const struct assign_rule *rule, const char *path)
{
	size_t	 len = strlen(rule->path);

	if (!rule->any_path)
		return strcmp(rule->path, path) == 0;
	return strncmp(rule->path, path, len) == 0 && path[len] != '\0' &&
	    strchr(path + len, '/') == NULL;
}

bool
assign_rule_allows(const struct assign_rule *rule, bool listen,
    const struct net_addr *a)
{
	uint16_t	 port = net_port(a);

	if (rule->listen != listen)
		return false;
	if (a->u.sa.sa_family == AF_UNIX)
		return rule->path[0] != '\0' && net_is_path(a) &&
		    allows_path(rule, a->u.un.sun_path);
	if (rule->path[0] != '\0' || port == 0)
		return false;
	if (rule->any_port ? listen && port < PORT_USER :
	    port < rule->low || port > rule->high)
		return false;
	return rule->any_host || access_matches(&rule->net, a);
}

void
assign_topic(const char *agent, const char *listen, const char *forward,
    char *buf, size_t size)
{
	const char	*const parts[] = { listen, "\n", forward };
	uint64_t	 h = 0xcbf29ce484222325;	/* FNV-1a */

	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
		for (const char *p = parts[i]; *p != '\0'; p++)
			h = (h ^ (uint8_t)*p) * 0x100000001b3;
	snprintf(buf, size, ASSIGN_TOPICS "%s.%016" PRIx64, agent, h);
}
