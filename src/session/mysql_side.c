#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "session/mysql_side.h"

#define ROOM	1024	/* bytes at first: most packets are shorter */

void
mysql_side_init(struct mysql_side *m, struct stream *s, enum end gone)
{
	*m = (struct mysql_side){
		.stream = s, .gone = gone, .packet = mem_calloc(1, ROOM),
		.room = ROOM,
	};
}

/* Passwords may have been in it. */
static void
drop(uint8_t *packet, size_t room)
{
	if (packet != NULL)
		explicit_bzero(packet, room);
	free(packet);
}

void
mysql_side_end(struct mysql_side *m)
{
	drop(m->packet, m->room);
	m->packet = NULL;
}

static void
make_room(struct mysql_side *m, size_t len)
{
	uint8_t	*packet;

	if (len <= m->room)
		return;
	packet = mem_calloc(1, len);
	memcpy(packet, m->packet, MYSQL_HEADER_LEN);
	drop(m->packet, m->room);
	m->packet = packet;
	m->room = len;
}

static int
fail(enum end *end, enum end how, const char **why, const char *what)
{
	*end = how;
	*why = what;
	return -1;
}

/* What is told of a stream that gave nothing more. */
static const char *
reason(const struct mysql_side *m, enum end end)
{
	bool	 client = m->gone == END_CLIENT_RESET;

	if (end == END_TIMEOUT)
		return client ? "the client did not log in within the time" :
		    "the server did not answer within the time";
	if (end == END_LIMIT)
		return TOLD_GIVE_WAY;
	if (end != m->gone)
		return "";
	return client ? "the client left before it was logged in" :
	    "the server broke off the login";
}

static int
take(struct mysql_side *m, void *buf, size_t len, int64_t deadline,
    const struct told *told, enum end *end, const char **why)
{
	size_t	 n = len < m->nearly ? len : m->nearly;

	if (n > 0)
		memcpy(buf, m->early, n);
	m->early += n;
	m->nearly -= n;
	if (stream_read_all(m->stream, (uint8_t *)buf + n, len - n, deadline,
	    told, m->gone, end) == 0)
		return 0;
	*why = reason(m, *end);
	return -1;
}

int
mysql_side_read(struct mysql_side *m, int64_t deadline,
    const struct told *told, enum end *end, const char **why)
{
	struct mysql_header	 h;

	m->len = 0;
	if (take(m, m->packet, MYSQL_HEADER_LEN, deadline, told, end,
	    why) == -1)
		return -1;
	mysql_header_decode(m->packet, &h);
	if (h.len > MYSQL_PAYLOAD_MAX)
		return fail(end, END_PROTOCOL, why,
		    m->gone == END_CLIENT_RESET ?
		    "what the client sent is no packet of a login" :
		    "what the server sent is no packet of a login");
	if (h.seq != m->seq)
		return fail(end, END_PROTOCOL, why,
		    m->gone == END_CLIENT_RESET ?
		    "a packet of the client is out of order" :
		    "a packet of the server is out of order");
	make_room(m, MYSQL_HEADER_LEN + h.len);
	if (take(m, m->packet + MYSQL_HEADER_LEN, h.len, deadline, told, end,
	    why) == -1)
		return -1;
	m->len = h.len;
	m->seq++;
	return 0;
}

int
mysql_side_write(struct mysql_side *m, const void *payload, size_t len,
    int64_t deadline, const struct told *told, enum end *end,
    const char **why)
{
	const struct mysql_header	 h = {
		.len = (uint32_t)len, .seq = m->seq,
	};
	uint8_t				*packet;
	int				 rc;

	if (len > MYSQL_PAYLOAD_MAX)
		return fail(end, END_INTERNAL, why, "a packet is too long");
	/* In one write: a peer may take a header alone for a slow one. */
	packet = mem_calloc(1, MYSQL_HEADER_LEN + len);
	mysql_header_encode(packet, &h);
	if (len > 0)
		memcpy(packet + MYSQL_HEADER_LEN, payload, len);
	rc = stream_write_all(m->stream, packet, MYSQL_HEADER_LEN + len,
	    deadline, told, m->gone, end);
	drop(packet, MYSQL_HEADER_LEN + len);
	if (rc == -1) {
		*why = reason(m, *end);
		return -1;
	}
	m->seq++;
	return 0;
}
