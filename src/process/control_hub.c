#include <bsd/string.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "process/broker_ask.h"
#include "process/channel.h"
#include "process/control.h"
#include "wire/tunnel.h"

#define HUB_MS	10000	/* for a list, or an answer */

#define NOT_HERE	"there is no broker: has a listener protocol \"hub\"?"

/* What a client asked of the broker. */
struct hub {
	uint16_t	 type;
	const char	*member;	/* of what is answered */
	const char	*total;
	size_t		 told;
	char		 last[NET_TEXT_MAX];
};

static int	 ask_list(struct control *, struct client *, struct hub *);

/* A line "NAME key=value ..." as an object. */
static void
say_line(struct client *c, struct hub *h, char *line)
{
	json_t	*o = json_object();
	char	*next, *value, *end;
	long	 n;

	next = strchr(line, ' ');
	if (next != NULL)
		*next++ = '\0';
	(void)strlcpy(h->last, line, sizeof(h->last));
	json_object_set_new(o, "name", client_text(line));
	while (next != NULL) {
		line = next;
		next = strchr(line, ' ');
		if (next != NULL)
			*next++ = '\0';
		value = strchr(line, '=');
		if (value == NULL)
			continue;
		*value++ = '\0';
		n = strtol(value, &end, 10);
		json_object_set_new(o, line, strcmp(line, "agent") == 0 ||
		    strcmp(line, "topic") == 0 ||
		    *end != '\0' || end == value ? client_text(value) :
		    json_integer(n));
	}
	client_say(c, json_pack("{so}", h->member, o));
}

static int
on_list(void *ctx, uint64_t job, struct rd *r)
{
	struct control	*ct = ctx;
	struct client	*c = clients_find_job(&ct->clients, job);
	char		 text[MSG_PAYLOAD_MAX + 1] = "";
	char		*line, *end;
	struct hub	*h;
	size_t		 n = 0;

	if (r != NULL) {
		snprintf(text, sizeof(text), "%.*s", (int)r->left,
		    (const char *)r->p);
		(void)rd_take(r, r->left);
	}
	if (c == NULL)
		return 0;
	h = c->job.state;
	if (r == NULL) {
		client_refuse(c, 1, "the broker does not answer");
		return 0;
	}
	for (line = text; (end = strchr(line, '\n')) != NULL; line = end + 1) {
		*end = '\0';
		say_line(c, h, line);
		n++;
	}
	h->told += n;
	if (n == 0)
		client_done(c, json_pack("{so}", h->total,
		    client_count(h->told)), 0);
	else if (ask_list(ct, c, h) == -1)
		client_refuse(c, 1, "the broker does not listen");
	return 0;
}

/* Those behind the last that was told. */
static int
ask_list(struct control *ct, struct client *c, struct hub *h)
{
	const char	*why;

	return service_line_ask(&ct->broker, h->type, h->last,
	    strlen(h->last), c->job.id, on_list, &why);
}

static void
list(struct control *ct, struct client *c, uint16_t type, const char *member,
    const char *total)
{
	struct hub	*h = mem_calloc(1, sizeof(*h));

	h->type = type;
	h->member = member;
	h->total = total;
	client_begin(c, total, NULL, h, HUB_MS, "the broker does not answer");
	if (ask_list(ct, c, h) == -1)
		client_refuse(c, 1, NOT_HERE);
}

void
control_agents(void *ctx, struct client *c, json_t *request)
{
	(void)request;
	list(ctx, c, MSG_AGENTS, "agent", "agents");
}

void
control_topics(void *ctx, struct client *c, json_t *request)
{
	(void)request;
	list(ctx, c, MSG_TOPICS, "topic", "topics");
}

void
control_mappings(void *ctx, struct client *c, json_t *request)
{
	(void)request;
	list(ctx, c, MSG_MAPPINGS, "mapping", "mappings");
}

static int
on_set(void *ctx, uint64_t job, struct rd *r)
{
	struct control	*ct = ctx;
	struct client	*c = clients_find_job(&ct->clients, job);
	uint8_t		 code = r != NULL ? rd_u8(r) : TUNNEL_BUSY;
	size_t		 n = r != NULL ? r->left : 0;
	const uint8_t	*p = n > 0 ? rd_take(r, n) : NULL;
	char		 text[NET_TEXT_MAX] = "";

	if (c == NULL)
		return 0;
	if (p != NULL)
		snprintf(text, sizeof(text), "%.*s", (int)n, (const char *)p);
	if (r == NULL)
		client_refuse(c, 1, "the broker does not answer");
	else if (code == TUNNEL_OK)
		client_done(c, json_pack("{ss}", "mapping", text), 0);
	else if (code == TUNNEL_NO_AGENT)
		client_refuse(c, 1, "no mapping has that address, or more "
		    "than one has that port");
	else if (code == TUNNEL_PORT_DENIED)
		client_refuse(c, 1, "the port is below 1024 and takes a "
		    "listener, or it is not allowed to its agent any more");
	else
		client_refuse(c, 1, "%s", tunnel_code_text(code));
	return 0;
}

/* "13389" is of any address. */
static int
take_address(struct client *c, const char *text, bool port_only,
    struct port_want *at)
{
	const char	*why;

	if (port_only && port_range_parse(text, &at->low, &at->high) == 0 &&
	    at->low == at->high)
		return 0;
	if (port_want_parse(text, at, &why) == 0 &&
	    (!port_only || at->low == at->high))
		return 0;
	client_refuse(c, 2, "\"%s\": want an address with a port%s", text,
	    port_only ? ", or a port" : "");
	return -1;
}

static void
set_mapping(struct control *ct, struct client *c, const json_t *request,
    enum map_what what)
{
	struct map_set	 set;
	const char	*at, *topic = NULL, *why;

	memset(&set, 0, sizeof(set));
	set.what = (uint8_t)what;
	if (control_string(c, request, "address", &at) == -1 ||
	    control_string(c, request, "topic", &topic) == -1)
		return;
	set.tls = json_is_true(json_object_get(request, "tls"));
	if (at == NULL || (what == MAP_ADD) != (topic != NULL)) {
		client_refuse(c, 2, "want an address%s",
		    what == MAP_ADD ? " and a topic" : "");
		return;
	}
	if (take_address(c, at, what != MAP_ADD, &set.at) == -1)
		return;
	if (topic != NULL && !tunnel_is_topic(topic, strlen(topic))) {
		client_refuse(c, 2, "\"%s\" is no topic", topic);
		return;
	}
	if (topic != NULL)
		snprintf(set.topic, sizeof(set.topic), "%s", topic);
	client_begin(c, "mapping", NULL, mem_calloc(1, 1), HUB_MS,
	    "the broker does not answer");
	if (service_line_ask(&ct->broker, MSG_MAPPING_SET, &set, sizeof(set),
	    c->job.id, on_set, &why) == -1)
		client_refuse(c, 1, NOT_HERE);
}

void
control_map(void *ctx, struct client *c, json_t *request)
{
	set_mapping(ctx, c, request, MAP_ADD);
}

void
control_unmap(void *ctx, struct client *c, json_t *request)
{
	set_mapping(ctx, c, request, MAP_DROP);
}

void
control_open(void *ctx, struct client *c, json_t *request)
{
	set_mapping(ctx, c, request, MAP_OPEN);
}

void
control_close(void *ctx, struct client *c, json_t *request)
{
	set_mapping(ctx, c, request, MAP_CLOSE);
}

static int
on_drained(void *ctx, uint64_t job, struct rd *r)
{
	struct control	*ct = ctx;
	struct client	*c = clients_find_job(&ct->clients, job);
	uint8_t		 code = r != NULL ? rd_u8(r) : TUNNEL_BUSY;

	if (c == NULL)
		return 0;
	if (r == NULL)
		client_refuse(c, 1, "the broker does not answer");
	else if (code == TUNNEL_OK)
		client_done(c, NULL, 0);
	else if (code == TUNNEL_NO_AGENT)
		client_refuse(c, 1, "no agent and no topic has that name");
	else
		client_refuse(c, 1, "%s", tunnel_code_text(code));
	return 0;
}

static void
drain(struct control *ct, struct client *c, const json_t *request,
    uint8_t drained)
{
	uint8_t		 buf[1 + TUNNEL_TOPIC_MAX];
	const char	*name, *why;
	struct wr	 w;

	if (control_string(c, request, "name", &name) == -1)
		return;
	wr_init(&w, buf, sizeof(buf));
	wr_u8(&w, drained);
	if (name != NULL)
		wr_bytes(&w, name, strlen(name));
	if (name == NULL || name[0] == '\0' || !wr_ok(&w)) {
		client_refuse(c, 2, "want the name of an agent or a topic");
		return;
	}
	client_begin(c, "drain", NULL, mem_calloc(1, 1), HUB_MS,
	    "the broker does not answer");
	if (service_line_ask(&ct->broker, MSG_AGENT_DRAIN, buf, wr_len(&w),
	    c->job.id, on_drained, &why) == -1)
		client_refuse(c, 1, NOT_HERE);
}

void
control_drain(void *ctx, struct client *c, json_t *request)
{
	drain(ctx, c, request, 1);
}

void
control_undrain(void *ctx, struct client *c, json_t *request)
{
	drain(ctx, c, request, 0);
}
