#include <sys/socket.h>

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "base/io.h"
#include "session/front.h"
#include "wire/proxy_header.h"

void
front_init(struct front *f, int fd, const struct net_addr *peer)
{
	*f = (struct front){ .fd = fd, .peer = *peer, .client = *peer };
}

static int
refuse(struct front *f, enum end *end, enum end how, const char *why)
{
	*end = how;
	snprintf(f->why, sizeof(f->why), "%s", why);
	return -1;
}

/* Wait until there is more to read; -1 when the session is over instead. */
static int
wait_for_more(struct front *f, int64_t deadline, const struct told *told,
    enum end *end)
{
	int	 shown;

	while ((shown = io_wait(f->fd, POLLIN, deadline)) == -1) {
		if (errno != EINTR)
			return refuse(f, end, END_INTERNAL, strerror(errno));
		if (told_to_end(told, end))
			return refuse(f, end, *end,
			    *end == END_LIMIT ? TOLD_GIVE_WAY : "");
	}
	if (shown == 0)
		return refuse(f, end, END_TIMEOUT,
		    "the PROXY header did not come in time");
	return 0;
}

/*
 * Look at what has come, without taking it.  Returns its length, or -1 when
 * the session is over instead.
 */
static ssize_t
peek(struct front *f, uint8_t *buf, size_t size, int64_t deadline,
    const struct told *told, enum end *end)
{
	ssize_t	 n;

	while ((n = recv(f->fd, buf, size, MSG_PEEK)) == -1) {
		if (errno != EAGAIN && errno != EINTR)
			return refuse(f, end, END_CLIENT_RESET, "");
		if (wait_for_more(f, deadline, told, end) == -1)
			return -1;
	}
	return n;
}

/* What was looked at is there to be taken, all at once. */
static int
take(struct front *f, uint8_t *buf, size_t len, enum end *end)
{
	if (recv(f->fd, buf, len, 0) == (ssize_t)len)
		return 0;
	return refuse(f, end, END_CLIENT_RESET, "");
}

static void
believe(struct front *f, const struct proxy_header *h)
{
	if (h->local)
		return;
	f->proxied = true;
	f->client = h->from;
	f->to = h->to;
}

/*
 * While the header is not whole, all that has come belongs to it and is
 * taken: bytes that are left unread would end every wait at once.  Of the
 * piece that makes it whole only its own part is.
 */
static int
read_header(struct front *f, int64_t deadline, const struct told *told,
    enum end *end)
{
	uint8_t			 buf[PROXY_HEADER_MAX];
	struct proxy_header	 h;
	size_t			 len = 0;
	ssize_t			 n, used;
	const char		*why;

	do {
		n = peek(f, buf + len, sizeof(buf) - len, deadline, told,
		    end);
		if (n == -1)
			return -1;
		if (n == 0)
			return refuse(f, end, END_PROXY_HEADER, len == 0 ?
			    "the stream ended before a PROXY header" :
			    "the stream ended within the PROXY header");
		used = proxy_header_decode(buf, len + (size_t)n, &h, &why);
		if (used == -1)
			return refuse(f, end, END_PROXY_HEADER, why);
		if (used > 0)
			n = used - (ssize_t)len;
		if (take(f, buf + len, (size_t)n, end) == -1)
			return -1;
		len += (size_t)n;
	} while (used == 0);
	believe(f, &h);
	return 0;
}

/* The smallest network of a list that holds the client, or NULL. */
static const struct access_net *
find_net(const struct access_net *nets, size_t n,
    const struct net_addr *client)
{
	const struct access_net	*best = NULL;

	for (size_t i = 0; i < n; i++)
		if (access_matches(&nets[i], client) &&
		    (best == NULL || nets[i].prefix > best->prefix))
			best = &nets[i];
	return best;
}

static int
check_access(struct front *f, const struct front_rules *r, enum end *end)
{
	const struct access_net	*net;
	char			 text[ACCESS_TEXT_MAX];

	if (r->nallow == 0 && r->ndeny == 0)
		return 0;
	if (access_allows(r->allow, r->nallow, r->deny, r->ndeny, &f->client))
		return 0;
	net = find_net(r->deny, r->ndeny, &f->client);
	if (net == NULL)
		return refuse(f, end, END_DENIED, r->nallow > 0 ?
		    "not in allow" : "an address of an unknown kind");
	*end = END_DENIED;
	snprintf(f->why, sizeof(f->why), "denied by %s",
	    access_net_text(net, text, sizeof(text)));
	return -1;
}

int
front_open(struct front *f, const struct front_rules *r, int64_t deadline,
    const struct told *told, enum end *end)
{
	if (r->proxy_accept) {
		if (find_net(r->proxy_from, r->nfrom, &f->peer) == NULL)
			return refuse(f, end, END_DENIED,
			    "not among proxy_protocol.from");
		if (read_header(f, deadline, told, end) == -1)
			return -1;
	}
	return check_access(f, r, end);
}

const struct net_addr *
front_to(struct front *f)
{
	if (f->to.len == 0 && net_local(f->fd, &f->to) == -1) {
		f->to.len = 0;
		return NULL;
	}
	return &f->to;
}
