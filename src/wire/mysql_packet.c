#include <string.h>

#include "wire/mysql_packet.h"

#define LENENC_NULL	0xfb
#define LENENC_16	0xfc
#define LENENC_24	0xfd
#define LENENC_64	0xfe

#define STATE_LEN	5

void
mysql_header_decode(const uint8_t p[MYSQL_HEADER_LEN], struct mysql_header *h)
{
	h->len = p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16;
	h->seq = p[3];
}

void
mysql_header_encode(uint8_t p[MYSQL_HEADER_LEN], const struct mysql_header *h)
{
	p[0] = (uint8_t)h->len;
	p[1] = (uint8_t)(h->len >> 8);
	p[2] = (uint8_t)(h->len >> 16);
	p[3] = h->seq;
}

uint64_t
mysql_rd_lenenc(struct rd *r)
{
	uint8_t	 first = rd_u8(r);

	if (first < LENENC_NULL)
		return first;
	switch (first) {
	case LENENC_16:
		return rd_le16(r);
	case LENENC_24:
		return rd_le24(r);
	case LENENC_64:
		return rd_le64(r);
	default:
		r->bad = true;
		return 0;
	}
}

void
mysql_wr_lenenc(struct wr *w, uint64_t n)
{
	if (n < LENENC_NULL) {
		wr_u8(w, (uint8_t)n);
	} else if (n <= 0xffff) {
		wr_u8(w, LENENC_16);
		wr_le16(w, (uint16_t)n);
	} else if (n <= 0xffffff) {
		wr_u8(w, LENENC_24);
		wr_le24(w, (uint32_t)n);
	} else {
		wr_u8(w, LENENC_64);
		wr_le64(w, n);
	}
}

static struct mysql_bytes
take(struct rd *r, size_t len)
{
	struct mysql_bytes	 b = { .p = rd_take(r, len) };

	if (b.p != NULL)
		b.len = len;
	return b;
}

struct mysql_bytes
mysql_rd_string(struct rd *r)
{
	uint64_t	 len = mysql_rd_lenenc(r);

	if (len > r->left)		/* it may not even be a size_t */
		r->bad = true;
	return take(r, (size_t)len);
}

struct mysql_bytes
mysql_rd_short(struct rd *r)
{
	return take(r, rd_u8(r));
}

/* The NUL that ends what comes next, or NULL. */
static const uint8_t *
find_nul(const struct rd *r)
{
	return r->left == 0 ? NULL : memchr(r->p, '\0', r->left);
}

struct mysql_bytes
mysql_rd_cstring(struct rd *r)
{
	const uint8_t		*nul = find_nul(r);
	struct mysql_bytes	 b = { NULL, 0 };

	if (nul == NULL) {
		r->bad = true;
		return b;
	}
	b = take(r, (size_t)(nul - r->p));
	(void)rd_take(r, 1);
	return b;
}

struct mysql_bytes
mysql_rd_last(struct rd *r)
{
	struct mysql_bytes	 b;

	b = find_nul(r) == NULL ? mysql_rd_rest(r) : mysql_rd_cstring(r);
	if (b.len == 0)
		b.p = NULL;
	return b;
}

struct mysql_bytes
mysql_rd_rest(struct rd *r)
{
	return take(r, r->left);
}

void
mysql_wr_string(struct wr *w, struct mysql_bytes b)
{
	mysql_wr_lenenc(w, b.len);
	wr_bytes(w, b.p, b.len);
}

void
mysql_wr_short(struct wr *w, struct mysql_bytes b)
{
	if (b.len > UINT8_MAX)
		w->bad = true;
	wr_u8(w, (uint8_t)b.len);
	wr_bytes(w, b.p, b.len);
}

void
mysql_wr_cstring(struct wr *w, struct mysql_bytes b)
{
	if (b.len > 0 && memchr(b.p, '\0', b.len) != NULL)
		w->bad = true;
	wr_bytes(w, b.p, b.len);
	wr_u8(w, '\0');
}

/* Does a state come next?  A text may begin with '#' as well. */
static bool
is_state(const struct rd *r)
{
	uint8_t	 c;

	if (r->left < 1 + STATE_LEN || r->p[0] != '#')
		return false;
	for (size_t i = 1; i <= STATE_LEN; i++) {
		c = r->p[i];
		if ((c < '0' || c > '9') && (c < 'A' || c > 'Z') &&
		    (c < 'a' || c > 'z'))
			return false;
	}
	return true;
}

int
mysql_error_decode(struct rd *r, struct mysql_error *e)
{
	memset(e, 0, sizeof(*e));
	if (rd_u8(r) != MYSQL_ERR)
		return -1;
	e->code = rd_le16(r);
	if (!rd_ok(r))
		return -1;
	if (is_state(r))
		memcpy(e->state, rd_take(r, 1 + STATE_LEN) + 1, STATE_LEN);
	e->text = mysql_rd_rest(r);
	return 0;
}

void
mysql_error_encode(struct wr *w, const struct mysql_error *e)
{
	wr_u8(w, MYSQL_ERR);
	wr_le16(w, e->code);
	if (e->state[0] != '\0') {
		wr_u8(w, '#');
		wr_bytes(w, e->state, STATE_LEN);
	}
	wr_bytes(w, e->text.p, e->text.len);
}

/* Without SESSION_TRACK: nothing follows it, but is its length there? */
static struct mysql_bytes
read_info(struct rd *r)
{
	struct rd		 try = *r;
	struct mysql_bytes	 info = mysql_rd_string(&try);

	if (!rd_end(&try))
		return mysql_rd_rest(r);
	*r = try;
	return info;
}

int
mysql_ok_decode(struct rd *r, uint32_t caps, struct mysql_ok *ok)
{
	uint8_t	 first = rd_u8(r);

	memset(ok, 0, sizeof(*ok));
	if (first != MYSQL_OK && first != MYSQL_EOF)
		return -1;
	ok->affected = mysql_rd_lenenc(r);
	ok->insert_id = mysql_rd_lenenc(r);
	ok->status = rd_le16(r);
	ok->warnings = rd_le16(r);
	if ((caps & MYSQL_CAP_SESSION_TRACK) == 0) {
		ok->info = read_info(r);
	} else if (r->left > 0) {
		ok->info = mysql_rd_string(r);
		if (ok->status & MYSQL_STATUS_STATE_CHANGED && r->left > 0)
			ok->state_changes = mysql_rd_string(r);
	}
	return rd_ok(r) ? 0 : -1;
}

void
mysql_ok_encode(struct wr *w, uint32_t caps, const struct mysql_ok *ok)
{
	const bool	 changed = caps & MYSQL_CAP_SESSION_TRACK &&
	    ok->status & MYSQL_STATUS_STATE_CHANGED;

	wr_u8(w, MYSQL_OK);
	mysql_wr_lenenc(w, ok->affected);
	mysql_wr_lenenc(w, ok->insert_id);
	wr_le16(w, ok->status);
	wr_le16(w, ok->warnings);
	if (ok->info.len > 0 || changed)
		mysql_wr_string(w, ok->info);
	if (changed)
		mysql_wr_string(w, ok->state_changes);
}

static const struct {
	const char	*name;		/* the manual's, without COM_ */
	const char	*text;		/* as the list of processes has it */
} commands[UINT8_MAX + 1] = {
	[MYSQL_COM_QUIT] = { "quit", "Quit" },
	[MYSQL_COM_INIT_DB] = { "init_db", "Init DB" },
	[MYSQL_COM_QUERY] = { "query", "Query" },
	[MYSQL_COM_FIELD_LIST] = { "field_list", "Field List" },
	[MYSQL_COM_CREATE_DB] = { "create_db", "Create DB" },
	[MYSQL_COM_DROP_DB] = { "drop_db", "Drop DB" },
	[MYSQL_COM_REFRESH] = { "refresh", "Refresh" },
	[MYSQL_COM_SHUTDOWN] = { "shutdown", "Shutdown" },
	[MYSQL_COM_STATISTICS] = { "statistics", "Statistics" },
	[MYSQL_COM_PROCESS_INFO] = { "process_info", "Processlist" },
	[MYSQL_COM_PROCESS_KILL] = { "process_kill", "Kill" },
	[MYSQL_COM_DEBUG] = { "debug", "Debug" },
	[MYSQL_COM_PING] = { "ping", "Ping" },
	[MYSQL_COM_CHANGE_USER] = { "change_user", "Change user" },
	[MYSQL_COM_BINLOG_DUMP] = { "binlog_dump", "Binlog Dump" },
	[MYSQL_COM_REGISTER_SLAVE] = { "register_slave", "Register Slave" },
	[MYSQL_COM_STMT_PREPARE] = { "stmt_prepare", "Prepare" },
	[MYSQL_COM_STMT_EXECUTE] = { "stmt_execute", "Execute" },
	[MYSQL_COM_STMT_SEND_LONG_DATA] = { "stmt_send_long_data",
	    "Long Data" },
	[MYSQL_COM_STMT_CLOSE] = { "stmt_close", "Close stmt" },
	[MYSQL_COM_STMT_RESET] = { "stmt_reset", "Reset stmt" },
	[MYSQL_COM_SET_OPTION] = { "set_option", "Set option" },
	[MYSQL_COM_STMT_FETCH] = { "stmt_fetch", "Fetch" },
	[MYSQL_COM_BINLOG_DUMP_GTID] = { "binlog_dump_gtid",
	    "Binlog Dump GTID" },
	[MYSQL_COM_RESET_CONNECTION] = { "reset_connection",
	    "Reset Connection" },
	[MYSQL_COM_CLONE] = { "clone", "Clone" },
	[MYSQL_COM_STMT_BULK_EXECUTE] = { "stmt_bulk_execute", "Bulk_execute" },
};

const char *
mysql_command_text(uint8_t command)
{
	return commands[command].text;
}

const char *
mysql_command_name(uint8_t command)
{
	return commands[command].name;
}

int
mysql_command_find(const char *name)
{
	for (int i = 0; i <= UINT8_MAX; i++)
		if (commands[i].name != NULL &&
		    strcmp(commands[i].name, name) == 0)
			return i;
	return -1;
}
