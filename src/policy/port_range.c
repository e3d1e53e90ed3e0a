#include <string.h>

#include "policy/port_range.h"

#define PORT_MAX	65535

/* Digits and nothing else; -1 for what is no port. */
static long
parse_port(const char *text, size_t len, long least)
{
	long	 n = 0;

	if (len == 0 || len > 5 || (text[0] == '0' && len > 1))
		return -1;
	for (size_t i = 0; i < len; i++) {
		if (text[i] < '0' || text[i] > '9')
			return -1;
		n = n * 10 + (text[i] - '0');
	}
	return n < least || n > PORT_MAX ? -1 : n;
}

int
port_range_parse(const char *text, uint16_t *low, uint16_t *high)
{
	size_t	 len = strcspn(text, "-");
	long	 from = parse_port(text, len, 1), to = from;

	if (text[len] == '-')
		to = parse_port(text + len + 1, strlen(text + len + 1), 1);
	if (from == -1 || to < from)
		return -1;
	*low = (uint16_t)from;
	*high = (uint16_t)to;
	return 0;
}

int
port_want_parse(const char *text, struct port_want *w, const char **why)
{
	const char	*ports = strrchr(text, ':');
	char		 host[NET_TEXT_MAX];
	struct net_spec	 spec;
	size_t		 len;

	*why = "want an address, a colon, and a port, two with \"-\" between "
	    "them, or 0 for any";
	if (ports == NULL)
		return -1;
	len = (size_t)(++ports - text);
	if (len + 2 > sizeof(host))
		return -1;
	memcpy(host, text, len);
	memcpy(host + len, "1", 2);
	if (strcmp(ports, "0") == 0) {
		w->low = 1;
		w->high = PORT_MAX;
	} else if (port_range_parse(ports, &w->low, &w->high) == -1)
		return -1;
	if (len == 1)
		memcpy(host, "[::]:1", sizeof("[::]:1"));
	if (net_parse(host, false, &spec, why) == -1)
		return -1;
	*why = "want an address of the hub, and no name";
	if (spec.kind != NET_ADDR || net_port(&spec.addr) == 0)
		return -1;
	w->addr = spec.addr;
	net_set_port(&w->addr, 0);
	return 0;
}
