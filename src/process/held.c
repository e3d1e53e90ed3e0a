#include <string.h>

#include "process/held.h"

static uint32_t
listener_in(const struct conf *to, const struct conf_listener *l)
{
	for (size_t i = 0; i < to->nlisteners; i++)
		if (strcmp(to->listeners[i].name, l->name) == 0 &&
		    strcmp(to->listeners[i].pool, l->pool) == 0)
			return (uint32_t)i;
	return ASK_NOTHING;
}

static uint32_t
server_in(const struct conf *to, const char *backend, const char *text)
{
	for (size_t i = 0; i < to->nbackends; i++) {
		const struct conf_backend	*b = &to->backends[i];

		if (strcmp(b->name, backend) != 0)
			continue;
		for (size_t j = 0; j < b->servers.n; j++)
			if (strcmp(b->servers.v[j].text, text) == 0)
				return (uint32_t)b->servers.v[j].index;
	}
	return ASK_NOTHING;
}

static uint32_t
renumber_server(const struct conf *from, const struct conf *to,
    uint32_t index)
{
	for (size_t i = 0; i < from->nbackends; i++) {
		const struct conf_backend	*b = &from->backends[i];

		for (size_t j = 0; j < b->servers.n; j++)
			if (b->servers.v[j].index == index)
				return server_in(to, b->name,
				    b->servers.v[j].text);
	}
	return ASK_NOTHING;
}

void
held_renumber(struct ask_held *held, const struct conf *from,
    const struct conf *to, uint32_t number)
{
	held->listener = held->listener < from->nlisteners ?
	    listener_in(to, &from->listeners[held->listener]) : ASK_NOTHING;
	held->server = renumber_server(from, to, held->server);
	held->generation = number;
}
