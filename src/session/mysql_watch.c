#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "session/mysql_watch.h"
#include "wire/mysql_auth.h"

#define ER_HANDSHAKE	1043
#define ER_NET_READ	1158

#define COMMAND_MORE	128	/* bytes, when it is written anew */

/* Is it, by its number, the first of a command? */
static bool
is_first(const struct mysql_watch *w, const struct mysql_header *h,
    uint64_t down)
{
	return h->seq == 0 && h->len > 0 && !w->goes_on &&
	    (w->seq != UINT8_MAX || down != w->down_then);
}

/* How many bytes of it may pass that stand before its payload; 0: wait. */
static size_t
look_at_header(struct mysql_watch *w, const uint8_t *p, size_t n, bool *stop)
{
	uint64_t		 down = atomic_load_explicit(w->down,
				    memory_order_relaxed);
	struct mysql_header	 h;

	if (n < MYSQL_HEADER_LEN)
		return 0;
	mysql_header_decode(p, &h);
	if (is_first(w, &h, down)) {
		if (n == MYSQL_HEADER_LEN)
			return 0;
		*stop = p[MYSQL_HEADER_LEN] == MYSQL_COM_CHANGE_USER;
		if (*stop)
			return 0;
	}
	w->left = h.len;
	w->goes_on = h.len == MYSQL_PACKET_MAX;
	w->seq = h.seq;
	w->down_then = down;
	return MYSQL_HEADER_LEN;
}

size_t
mysql_watch_look(void *ctx, const uint8_t *p, size_t n, bool *stop)
{
	struct mysql_watch	*w = ctx;
	size_t			 at = 0, len;

	while (at < n) {
		if (w->left > 0) {
			len = n - at < w->left ? n - at : w->left;
			w->left -= (uint32_t)len;
		} else {
			len = look_at_header(w, p + at, n - at, stop);
			if (len == 0)
				break;
		}
		at += len;
	}
	return at;
}

/* Pass the command on, without what must not be seen at the server's side. */
static int
begin(struct mysql_exchange *x, uint32_t caps, uint32_t back_caps,
    struct mysql_who *who, enum end *end)
{
	struct mysql_change_user	 c;
	uint8_t				*buf;
	size_t				 room;
	const char			*why = "";
	struct rd			 r;
	struct wr			 w;
	int				 rc;

	if (mysql_side_read(&x->front, x->deadline, x->told, end, &why) == -1)
		return mysql_exchange_refuse(x, end, *end, ER_NET_READ,
		    "08S01", "%s", why);
	rd_init(&r, mysql_side_payload(&x->front), x->front.len);
	if (mysql_change_user_decode(&r, caps, &c) == -1)
		return mysql_exchange_refuse(x, end, END_PROTOCOL,
		    ER_HANDSHAKE, "08S01", "COM_CHANGE_USER is malformed");
	mysql_who_set(who, c.user, c.database, c.has_charset ?
	    (uint8_t)c.charset : who->charset);
	if (!mysql_exchange_is_hash(c.plugin)) {
		c.plugin = mysql_exchange_nobodys_plugin();
		c.auth = (struct mysql_bytes){ (const uint8_t *)"", 0 };
	} else if (c.plugin.len > 0)
		mysql_exchange_rename_plugin(x, c.plugin);
	room = x->front.len + COMMAND_MORE;
	buf = mem_calloc(1, room);
	wr_init(&w, buf, room);
	mysql_change_user_encode(&w, back_caps, &c);
	rc = wr_ok(&w) ? mysql_side_write(&x->back, buf, wr_len(&w),
	    x->deadline, x->told, end, &why) : -1;
	explicit_bzero(buf, room);
	free(buf);
	if (!wr_ok(&w))
		return mysql_exchange_refuse(x, end, END_PROTOCOL,
		    ER_HANDSHAKE, "08S01", "COM_CHANGE_USER is too long");
	if (rc == -1)
		return mysql_exchange_refuse(x, end, *end, ER_NET_READ,
		    "08S01", "%s", why);
	return 0;
}

/* The login goes on, with bytes that are here already. */
static void
take_up(struct mysql_exchange *x, const uint8_t *p, size_t n)
{
	x->front.early = p;
	x->front.nearly = n;
	x->front.seq = x->back.seq = 0;
	x->refusal.code = 0;
	x->settled = x->server_waits = false;
}

bool
mysql_watch_deny(struct mysql_exchange *x, bool answered, const uint8_t *p,
    size_t n, size_t *used, enum end *end)
{
	static const char	 text[] = "Access denied: this command is "
				    "not allowed here (deny_commands)";
	const struct mysql_error e = {
		.code = MYSQL_ER_DENIED, .state = "42000",
		.text = { (const uint8_t *)text, sizeof(text) - 1 },
	};
	uint8_t			 buf[128];
	const char		*why = "";
	struct wr		 w;
	int			 rc;

	take_up(x, p, n);
	rc = mysql_side_read(&x->front, x->deadline, x->told, end, &why);
	*used = n - x->front.nearly;
	x->front.nearly = 0;
	if (rc == 0 && answered) {
		wr_init(&w, buf, sizeof(buf));
		mysql_error_encode(&w, &e);
		rc = mysql_side_write(&x->front, buf, wr_len(&w),
		    x->deadline, x->told, end, &why);
	}
	if (rc == 0)
		return true;
	(void)mysql_exchange_refuse(x, end, *end, ER_NET_READ, "08S01", "%s",
	    why);
	mysql_exchange_tell(x, *end, true);
	return false;
}

bool
mysql_watch_change(struct mysql_exchange *x, uint32_t caps,
    uint32_t back_caps, const uint8_t *p, size_t n, size_t *used,
    struct mysql_who *who, enum end *end)
{
	bool	 begun;
	int	 rc;

	take_up(x, p, n);
	begun = begin(x, caps, back_caps, who, end) == 0;
	rc = begun ? mysql_exchange_run(x, end) : -1;
	*used = n - x->front.nearly;
	x->front.nearly = 0;
	/* What the server refused the client has heard from itself. */
	if (rc == 0 || (begun && *end == END_LOGIN && x->settled &&
	    x->refusal.code == 0))
		return true;
	mysql_exchange_tell(x, *end, true);
	if (begun)
		mysql_exchange_give_up(x);
	return false;
}
