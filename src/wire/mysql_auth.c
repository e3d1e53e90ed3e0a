#include <string.h>

#include "wire/mysql_auth.h"
#include "wire/mysql_handshake.h"

static int
read_switch(struct rd *r, uint8_t first, struct mysql_switch *s)
{
	memset(s, 0, sizeof(*s));
	if (rd_u8(r) != first)
		return -1;
	s->plugin = mysql_rd_cstring(r);
	if (s->plugin.len == 0)
		return -1;
	if (r->left == 0)
		return 0;
	s->data = mysql_rd_rest(r);
	if (s->data.len == MYSQL_NONCE_LEN + 1 &&
	    s->data.p[MYSQL_NONCE_LEN] == '\0')
		s->data.len--;
	return 0;
}

int
mysql_switch_decode(struct rd *r, struct mysql_switch *s)
{
	return read_switch(r, MYSQL_SWITCH, s);
}

int
mysql_next_factor_decode(struct rd *r, struct mysql_switch *s)
{
	return read_switch(r, MYSQL_NEXT_FACTOR, s);
}

static void
write_switch(struct wr *w, uint8_t first, const struct mysql_switch *s)
{
	wr_u8(w, first);
	mysql_wr_cstring(w, s->plugin);
	wr_bytes(w, s->data.p, s->data.len);
	if (s->data.len == MYSQL_NONCE_LEN)
		wr_u8(w, '\0');
}

void
mysql_switch_encode(struct wr *w, const struct mysql_switch *s)
{
	write_switch(w, MYSQL_SWITCH, s);
}

void
mysql_next_factor_encode(struct wr *w, const struct mysql_switch *s)
{
	write_switch(w, MYSQL_NEXT_FACTOR, s);
}

int
mysql_change_user_decode(struct rd *r, uint32_t caps,
    struct mysql_change_user *c)
{
	struct rd	 try;

	memset(c, 0, sizeof(*c));
	if (rd_u8(r) != MYSQL_COM_CHANGE_USER)
		return -1;
	c->user = mysql_rd_cstring(r);
	if (caps & MYSQL_CAP_SECURE_CONNECTION)
		c->auth = mysql_rd_short(r);
	else
		c->auth = mysql_rd_cstring(r);
	if (!rd_ok(r) || r->left == 0)
		return -1;
	c->database = mysql_rd_last(r);
	if (r->left == 0)
		return 0;
	c->charset = rd_le16(r);
	c->has_charset = true;
	if (!rd_ok(r))
		return -1;
	if (caps & MYSQL_CAP_PLUGIN_AUTH)
		c->plugin = mysql_rd_last(r);
	try = *r;
	if (caps & MYSQL_CAP_CONNECT_ATTRS)
		c->attributes = mysql_rd_string(&try);
	if (c->attributes.len == 0)
		c->attributes.p = NULL;
	return 0;
}

void
mysql_change_user_encode(struct wr *w, uint32_t caps,
    const struct mysql_change_user *c)
{
	wr_u8(w, MYSQL_COM_CHANGE_USER);
	mysql_wr_cstring(w, c->user);
	if (caps & MYSQL_CAP_SECURE_CONNECTION)
		mysql_wr_short(w, c->auth);
	else
		mysql_wr_cstring(w, c->auth);
	mysql_wr_cstring(w, c->database);
	if (!c->has_charset)
		return;
	wr_le16(w, c->charset);
	if (caps & MYSQL_CAP_PLUGIN_AUTH)
		mysql_wr_cstring(w, c->plugin);
	if (caps & MYSQL_CAP_CONNECT_ATTRS)
		mysql_wr_string(w, c->attributes);
}

bool
mysql_plugin_is(struct mysql_bytes plugin, const char *name)
{
	return plugin.p != NULL && plugin.len == strlen(name) &&
	    memcmp(plugin.p, name, plugin.len) == 0;
}
