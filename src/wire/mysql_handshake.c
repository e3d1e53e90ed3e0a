#include <string.h>

#include "wire/mysql_handshake.h"

#define NONCE_1_LEN	8	/* what stands in front of the capabilities */
#define NONCE_2_LEN	13	/* the rest and a NUL, at least */

static void
write_zeros(struct wr *w, size_t len)
{
	static const uint8_t	 zeros[32];

	wr_bytes(w, zeros, len);
}

/*
 * The second part of the nonce, as far as it is there.  Its place is told by
 * the length of both parts, which old servers leave zero.
 */
static void
read_nonce_2(struct rd *r, size_t authlen, uint8_t nonce[MYSQL_NONCE_LEN])
{
	size_t	 len = NONCE_2_LEN;
	size_t	 copied = MYSQL_NONCE_LEN - NONCE_1_LEN;

	if (authlen > NONCE_1_LEN + NONCE_2_LEN)
		len = authlen - NONCE_1_LEN;
	if (len > r->left)
		len = r->left;
	if (copied > len)
		copied = len;
	if (copied > 0)
		memcpy(nonce + NONCE_1_LEN, r->p, copied);
	(void)rd_take(r, len);
}

int
mysql_greeting_decode(struct rd *r, struct mysql_greeting *g)
{
	const uint8_t	*nonce;
	uint8_t		 authlen;

	memset(g, 0, sizeof(*g));
	if (rd_u8(r) != MYSQL_PROTOCOL_10)
		return -1;
	g->version = mysql_rd_cstring(r);
	g->thread_id = rd_le32(r);
	nonce = rd_take(r, NONCE_1_LEN);
	(void)rd_u8(r);				/* filler */
	g->caps = rd_le16(r);
	g->charset = rd_u8(r);
	g->status = rd_le16(r);
	g->caps |= (uint32_t)rd_le16(r) << 16;
	authlen = rd_u8(r);
	(void)rd_take(r, 6);			/* filler */
	g->mariadb_caps = rd_le32(r);
	if (!rd_ok(r))
		return -1;
	if (g->caps & MYSQL_CAP_LONG_PASSWORD)
		g->mariadb_caps = 0;
	memcpy(g->nonce, nonce, NONCE_1_LEN);
	read_nonce_2(r, authlen, g->nonce);
	/* Before 5.5.10 no NUL ended it. */
	if (g->caps & MYSQL_CAP_PLUGIN_AUTH)
		g->plugin = mysql_rd_last(r);
	return 0;
}

void
mysql_greeting_encode(struct wr *w, const struct mysql_greeting *g)
{
	const bool	 mysql = g->caps & MYSQL_CAP_LONG_PASSWORD;

	wr_u8(w, MYSQL_PROTOCOL_10);
	mysql_wr_cstring(w, g->version);
	wr_le32(w, g->thread_id);
	wr_bytes(w, g->nonce, NONCE_1_LEN);
	wr_u8(w, 0);
	wr_le16(w, (uint16_t)g->caps);
	wr_u8(w, g->charset);
	wr_le16(w, g->status);
	wr_le16(w, (uint16_t)(g->caps >> 16));
	wr_u8(w, NONCE_1_LEN + NONCE_2_LEN);
	write_zeros(w, 6);
	wr_le32(w, mysql ? 0 : g->mariadb_caps);
	wr_bytes(w, g->nonce + NONCE_1_LEN, MYSQL_NONCE_LEN - NONCE_1_LEN);
	wr_u8(w, 0);
	if (g->caps & MYSQL_CAP_PLUGIN_AUTH)
		mysql_wr_cstring(w, g->plugin);
}

bool
mysql_is_ssl_request(const uint8_t *payload, size_t len)
{
	struct rd	 r;

	rd_init(&r, payload, len);
	return len == MYSQL_SSL_REQUEST_LEN && rd_le32(&r) & MYSQL_CAP_SSL;
}

static struct mysql_bytes
read_auth(struct rd *r, uint32_t caps)
{
	if (caps & MYSQL_CAP_PLUGIN_AUTH_LENENC)
		return mysql_rd_string(r);
	if (caps & MYSQL_CAP_SECURE_CONNECTION)
		return mysql_rd_short(r);
	return mysql_rd_cstring(r);
}

/* What may be missing, or worse, where nothing that is needed follows. */
static void
read_optional(struct rd *r, struct mysql_response *a)
{
	struct rd	 try;

	if (a->caps & MYSQL_CAP_CONNECT_WITH_DB)
		a->database = mysql_rd_last(r);
	if (a->caps & MYSQL_CAP_PLUGIN_AUTH)
		a->plugin = mysql_rd_last(r);
	try = *r;
	if (a->caps & MYSQL_CAP_CONNECT_ATTRS && r->left > 0)
		a->attributes = mysql_rd_string(&try);
	if (a->attributes.len == 0)
		a->attributes.p = NULL;
	if (rd_ok(&try)) {
		*r = try;
		if (a->caps & MYSQL_CAP_ZSTD && r->left > 0)
			a->zstd_level = rd_u8(r);
	}
	if (r->left > 0)
		a->tail = mysql_rd_rest(r);
}

int
mysql_response_decode(struct rd *r, uint32_t offered, struct mysql_response *a)
{
	const bool	 ssl = mysql_is_ssl_request(r->p, r->left);
	uint32_t	 caps;

	memset(a, 0, sizeof(*a));
	caps = rd_le32(r);
	a->max_packet = rd_le32(r);
	a->charset = rd_u8(r);
	(void)rd_take(r, 19);			/* filler */
	a->mariadb_caps = rd_le32(r);
	if (!rd_ok(r) || (caps & MYSQL_CAP_PROTOCOL_41) == 0)
		return -1;
	if (caps & MYSQL_CAP_LONG_PASSWORD)
		a->mariadb_caps = 0;
	a->caps = caps & offered;
	if (ssl)
		return 0;
	a->user = mysql_rd_cstring(r);
	a->auth = read_auth(r, a->caps);
	if (!rd_ok(r))
		return -1;
	read_optional(r, a);
	return 0;
}

void
mysql_ssl_request_encode(struct wr *w, const struct mysql_response *a)
{
	const bool	 mysql = a->caps & MYSQL_CAP_LONG_PASSWORD;

	wr_le32(w, a->caps);
	wr_le32(w, a->max_packet);
	wr_u8(w, a->charset);
	write_zeros(w, 19);
	wr_le32(w, mysql ? 0 : a->mariadb_caps);
}

static void
write_auth(struct wr *w, uint32_t caps, struct mysql_bytes auth)
{
	if (caps & MYSQL_CAP_PLUGIN_AUTH_LENENC)
		mysql_wr_string(w, auth);
	else if (caps & MYSQL_CAP_SECURE_CONNECTION)
		mysql_wr_short(w, auth);
	else
		mysql_wr_cstring(w, auth);
}

void
mysql_response_encode(struct wr *w, const struct mysql_response *a)
{
	mysql_ssl_request_encode(w, a);
	mysql_wr_cstring(w, a->user);
	write_auth(w, a->caps, a->auth);
	if (a->caps & MYSQL_CAP_CONNECT_WITH_DB)
		mysql_wr_cstring(w, a->database);
	if (a->caps & MYSQL_CAP_PLUGIN_AUTH)
		mysql_wr_cstring(w, a->plugin);
	if (a->caps & MYSQL_CAP_CONNECT_ATTRS)
		mysql_wr_string(w, a->attributes);
	if (a->caps & MYSQL_CAP_ZSTD)
		wr_u8(w, a->zstd_level);
}
