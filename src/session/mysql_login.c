#include <sys/random.h>
#include <sys/socket.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/io.h"
#include "base/mem.h"
#include "session/mysql_login.h"
#include "session/mysql_tap.h"
#include "wire/mysql_auth.h"

#define SERVER_STATUS_AUTOCOMMIT	0x0002

#define ER_CON_COUNT			1040
#define ER_HANDSHAKE			1043
#define ER_UNKNOWN			1105
#define ER_NET_READ			1158
#define ER_NET_READ_INTERRUPTED		1159
#define ER_CONNECT_TO_FOREIGN		1429
#define ER_SECURE_TRANSPORT_REQUIRED	3159
#define ER_SERVER_SHUTDOWN		1053

/* A plugin that no account has: the server then names the account's own. */
/* Who is sure to be denied; see probe.c. */
#define NOBODY		"sallyport-check"
#define RESPONSE_MORE	128	/* bytes of it that are no text */

/*
 * What servers of the last years can, for a greeting before one was met: of
 * MySQL from 5.7.5 on, and MariaDB from 10.2 on.
 */
static const struct mysql_known	 usual = {
	.caps = MYSQL_CAP_LONG_PASSWORD | MYSQL_CAP_FOUND_ROWS |
	    MYSQL_CAP_LONG_FLAG | MYSQL_CAP_CONNECT_WITH_DB |
	    MYSQL_CAP_NO_SCHEMA | MYSQL_CAP_ODBC | MYSQL_CAP_LOCAL_FILES |
	    MYSQL_CAP_IGNORE_SPACE | MYSQL_CAP_PROTOCOL_41 |
	    MYSQL_CAP_INTERACTIVE | MYSQL_CAP_IGNORE_SIGPIPE |
	    MYSQL_CAP_TRANSACTIONS | MYSQL_CAP_SECURE_CONNECTION |
	    MYSQL_CAP_MULTI_STATEMENTS | MYSQL_CAP_MULTI_RESULTS |
	    MYSQL_CAP_PS_MULTI_RESULTS | MYSQL_CAP_PLUGIN_AUTH |
	    MYSQL_CAP_CONNECT_ATTRS | MYSQL_CAP_PLUGIN_AUTH_LENENC |
	    MYSQL_CAP_SESSION_TRACK | MYSQL_CAP_DEPRECATE_EOF,
	.charset = 45,			/* utf8mb4_general_ci */
	.version = "8.0.0",
};

/* Both sides must mean the same by these, or read different packets. */
#define LAYOUT	(MYSQL_CAP_CONNECT_WITH_DB | MYSQL_CAP_PROTOCOL_41 | \
    MYSQL_CAP_SECURE_CONNECTION | MYSQL_CAP_PLUGIN_AUTH | \
    MYSQL_CAP_CONNECT_ATTRS | MYSQL_CAP_PLUGIN_AUTH_LENENC | MYSQL_CAP_ZSTD)

struct run {
	struct mysql_login		*l;
	const struct mysql_rules	*r;
	struct mysql_exchange		*x;
	enum end			*end;
	struct mysql_dialled		 dialled;
	uint32_t			 offered;	/* to the client */
	uint32_t			 offered_mariadb;
	struct mysql_greeting		 server;	/* its greeting */
	uint8_t				 nonce[MYSQL_NONCE_LEN];	/* of a
						   greeting of ours */
	struct mysql_response		 client;	/* its answer */
	bool				 answered;	/* client is set */
	bool				 greeted;	/* the client is */
};

static struct mysql_bytes
bytes(const char *text)
{
	return (struct mysql_bytes){ (const uint8_t *)text, strlen(text) };
}

static int
refuse(struct run *u, enum end how, uint16_t code, const char *state,
    const char *text)
{
	return mysql_exchange_refuse(u->x, u->end, how, code, state, "%s",
	    text);
}

/* A side is gone, or its time is over: u->end has which. */
static int
lose(struct run *u, const char *why)
{
	switch (*u->end) {
	case END_TIMEOUT:
		return refuse(u, *u->end, ER_NET_READ_INTERRUPTED, "08S01",
		    why);
	case END_SHUTDOWN:
	case END_KILLED:
		return refuse(u, *u->end, ER_SERVER_SHUTDOWN, "08S01", why);
	case END_PROTOCOL:
		return refuse(u, *u->end, ER_HANDSHAKE, "08S01", why);
	default:
		return refuse(u, *u->end, ER_NET_READ, "08S01", why);
	}
}

static int
read_front(struct run *u)
{
	const char	*why = "";

	if (mysql_side_read(&u->x->front, u->x->deadline, u->x->told, u->end,
	    &why) == -1)
		return lose(u, why);
	return 0;
}

static int
read_back(struct run *u)
{
	const char	*why = "";

	if (mysql_side_read(&u->x->back, u->x->deadline, u->x->told, u->end,
	    &why) == -1) {
		u->x->settled = true;
		return lose(u, why);
	}
	u->x->server_waits = true;
	return 0;
}

static int
write_front(struct run *u, const struct wr *w)
{
	const char	*why = "";

	if (!wr_ok(w))
		return refuse(u, END_INTERNAL, ER_UNKNOWN, "HY000",
		    "a packet is too long");
	if (mysql_side_write(&u->x->front, w->start, wr_len(w),
	    u->x->deadline, u->x->told, u->end, &why) == -1)
		return lose(u, why);
	return 0;
}

static int
write_back(struct run *u, const struct wr *w)
{
	const char	*why = "";

	if (!wr_ok(w))
		return refuse(u, END_INTERNAL, ER_UNKNOWN, "HY000",
		    "a packet is too long");
	if (mysql_side_write(&u->x->back, w->start, wr_len(w),
	    u->x->deadline, u->x->told, u->end, &why) == -1) {
		u->x->settled = true;
		return lose(u, why);
	}
	return 0;
}

/* The server would not even greet: its reason is the client's too. */
static int
pass_on_error(struct run *u)
{
	struct mysql_error	 e;
	struct rd		 r;

	rd_init(&r, mysql_side_payload(&u->x->back), u->x->back.len);
	if (mysql_error_decode(&r, &e) == -1)
		return refuse(u, END_PROTOCOL, ER_HANDSHAKE, "08S01",
		    "the server's error is not understood");
	u->x->settled = true;
	return mysql_exchange_refuse(u->x, u->end, END_LOGIN, e.code,
	    e.code == ER_CON_COUNT ? "08004" : "HY000", "%.*s",
	    (int)(e.text.len < 200 ? e.text.len : 200),
	    (const char *)e.text.p);
}

static void
note_server(struct run *u)
{
	const struct mysql_greeting	*g = &u->server;
	struct mysql_known		*k = &u->l->server;

	u->l->thread_id = g->thread_id;
	*k = (struct mysql_known){
		.caps = g->caps, .mariadb_caps = g->mariadb_caps,
		.charset = g->charset,
	};
	snprintf(k->version, sizeof(k->version), "%.*s",
	    (int)(g->version.len < sizeof(k->version) ? g->version.len :
	    sizeof(k->version)), (const char *)g->version.p);
}

/* Connect, and hear the server's greeting. */
static int
open_back(struct run *u)
{
	struct mysql_exchange	*x = u->x;
	const char		*why = "";
	struct rd		 r;

	if (u->r->dial(u->r->ctx, &u->dialled, u->end, &why) == -1)
		return refuse(u, *u->end, *u->end == END_LIMIT ?
		    ER_CON_COUNT : ER_CONNECT_TO_FOREIGN, *u->end ==
		    END_LIMIT ? "08004" : "HY000", why);
	x->back_secure = u->dialled.local;
	u->l->back_tls.version = u->dialled.tunnel_tls;
	u->l->back = x->back.stream = u->dialled.tunnel != NULL ?
	    u->dialled.tunnel : stream_new_plain(u->dialled.fd);
	if (read_back(u) == -1)
		return -1;
	if (x->back.len > 0 && mysql_side_payload(&x->back)[0] == MYSQL_ERR)
		return pass_on_error(u);
	rd_init(&r, mysql_side_payload(&x->back), x->back.len);
	if (mysql_greeting_decode(&r, &u->server) == -1)
		return refuse(u, END_PROTOCOL, ER_HANDSHAKE, "08S01",
		    "what the server sent is no greeting of MySQL");
	note_server(u);
	mysql_exchange_set_plugin(x, u->server.plugin, (struct mysql_bytes){
	    u->server.nonce, sizeof(u->server.nonce) });
	return 0;
}

static uint32_t
mask(const struct run *u, uint32_t caps)
{
	caps &= ~MYSQL_CAP_SSL;
	if (u->r->tls != NULL)
		caps |= MYSQL_CAP_SSL;
	if (!u->r->compression)
		caps &= ~(MYSQL_CAP_COMPRESS | MYSQL_CAP_ZSTD);
	if (!u->r->local_infile)
		caps &= ~MYSQL_CAP_LOCAL_FILES;
	if (u->r->followed)
		caps &= ~MYSQL_TAP_BLIND;
	if (u->r->codes != NULL)
		caps &= ~MYSQL_CAP_MULTI_FACTOR;
	if (u->r->codes != NULL && u->r->codes->apart)
		caps |= MYSQL_CAP_MULTI_FACTOR;
	return caps;
}

static int
say_greeting(struct run *u, struct mysql_greeting *g)
{
	uint8_t		 buf[1024];
	struct wr	 w;

	g->caps = u->offered = mask(u, g->caps);
	if (u->r->followed)
		g->mariadb_caps &= MYSQL_TAP_MARIADB;
	u->offered_mariadb = g->mariadb_caps;
	wr_init(&w, buf, sizeof(buf));
	mysql_greeting_encode(&w, g);
	if (write_front(u, &w) == -1)
		return -1;
	u->greeted = true;
	return 0;
}

/* Clients that ask for MariaDB's certificate check take no other plugin. */
static int
greet_ourselves(struct run *u)
{
	const struct mysql_known	*k = u->r->known != NULL ?
					    u->r->known : &usual;
	struct mysql_greeting		 g = {
		.version = bytes(k->version), .thread_id = u->r->thread_id,
		.caps = k->caps, .mariadb_caps = k->mariadb_caps,
		.charset = k->charset, .status = SERVER_STATUS_AUTOCOMMIT,
		.plugin = bytes("mysql_native_password"),
	};

	if (getrandom(g.nonce, sizeof(g.nonce), 0) !=
	    (ssize_t)sizeof(g.nonce))
		return refuse(u, END_INTERNAL, ER_UNKNOWN, "HY000",
		    "no random numbers");
	/* Letters, as servers send: a NUL would end it for some clients. */
	for (size_t i = 0; i < sizeof(g.nonce); i++)
		g.nonce[i] = (uint8_t)('A' + g.nonce[i] % 26 +
		    (g.nonce[i] & 0x80 ? 32 : 0));
	memcpy(u->nonce, g.nonce, sizeof(u->nonce));
	return say_greeting(u, &g);
}

static int
greet_as_server(struct run *u)
{
	struct mysql_greeting	 g = u->server;

	return say_greeting(u, &g);
}

static int
start_tls(struct run *u)
{
	struct mysql_login	*l = u->l;
	char			 why[TLS_WHY_MAX] = "";
	struct stream		*tls;

	tls = tls_accept(u->r->tls, l->front->fd, u->x->deadline, u->x->told,
	    &l->front_tls, u->end, why);
	if (tls == NULL) {
		/* Nothing can be told to who does not speak TLS. */
		(void)mysql_exchange_refuse(u->x, u->end, *u->end, 0, "",
		    "%s", why);
		return -1;
	}
	stream_free(&l->front);
	l->front = u->x->front.stream = tls;
	u->x->front_secure = true;
	return 0;
}

static int
decode_response(struct run *u)
{
	struct rd	 r;

	rd_init(&r, mysql_side_payload(&u->x->front), u->x->front.len);
	if (mysql_response_decode(&r, u->offered, &u->client) == -1)
		return refuse(u, END_PROTOCOL, ER_HANDSHAKE, "08S01",
		    "Bad handshake");
	u->answered = true;
	return 0;
}

/* The client's answer, after TLS if it asks for that. */
static int
read_response(struct run *u)
{
	struct mysql_side	*front = &u->x->front;
	uint32_t		 asked;
	bool			 ssl;

	if (read_front(u) == -1)
		return -1;
	ssl = mysql_is_ssl_request(mysql_side_payload(front), front->len);
	if (!ssl && u->r->tls_required && !u->x->front_secure)
		/* Not a byte of its credentials is looked at. */
		return refuse(u, END_LOGIN, ER_SECURE_TRANSPORT_REQUIRED,
		    "HY000", "Connections using insecure transport are "
		    "prohibited: connect with TLS");
	if (ssl && u->r->tls == NULL)
		return refuse(u, END_PROTOCOL, ER_HANDSHAKE, "08S01",
		    "the client asked for TLS, which was not offered");
	if (decode_response(u) == -1)
		return -1;
	if (ssl) {
		asked = u->client.caps;
		u->answered = false;
		if (start_tls(u) == -1 || read_front(u) == -1 ||
		    decode_response(u) == -1)
			return -1;
		if (((asked ^ u->client.caps) & LAYOUT) != 0)
			return refuse(u, END_PROTOCOL, ER_HANDSHAKE, "08S01",
			    "the client's two answers differ");
	}
	mysql_who_set(&u->l->who, u->client.user, u->client.database,
	    u->client.charset);
	return 0;
}

/* TLS to the server, if it is wanted and offered. */
static int
start_back_tls(struct run *u, const struct mysql_response *a)
{
	struct mysql_login	*l = u->l;
	char			 why[TLS_WHY_MAX] = "";
	uint8_t			 buf[64];
	struct stream		*tls;
	struct wr		 w;

	wr_init(&w, buf, sizeof(buf));
	mysql_ssl_request_encode(&w, a);
	if (write_back(u, &w) == -1)
		return -1;
	u->x->server_waits = false;
	tls = tls_connect(u->r->back_client, l->back->fd, u->dialled.name,
	    u->x->deadline, u->x->told, &l->back_tls, u->end, why);
	if (tls == NULL) {
		u->x->settled = true;	/* there is no way to speak to it */
		return mysql_exchange_refuse(u->x, u->end, *u->end,
		    ER_CONNECT_TO_FOREIGN, "HY000", "TLS with the server: %s",
		    why);
	}
	stream_free(&l->back);
	l->back = u->x->back.stream = tls;
	u->x->back_secure = true;
	return 0;
}

static bool
wants_back_tls(const struct run *u)
{
	return u->r->back_tls != MYSQL_BACK_PLAIN &&
	    (u->server.caps & MYSQL_CAP_SSL) != 0 &&
	    u->r->back_client != NULL;
}

static int
send_response(struct run *u, const struct mysql_response *a)
{
	size_t		 size = RESPONSE_MORE + a->user.len + a->auth.len +
			    a->database.len + a->plugin.len +
			    a->attributes.len;
	uint8_t		*buf = mem_calloc(1, size);
	struct wr	 w;
	int		 rc;

	wr_init(&w, buf, size);
	mysql_response_encode(&w, a);
	rc = write_back(u, &w);
	explicit_bzero(buf, size);
	free(buf);
	u->x->server_waits = false;
	return rc;
}

/*
 * Log in as nobody, so that the server ends the handshake itself.  With a
 * plugin, or a server that has no old ones takes it for one more handshake
 * that was broken off.
 */
static void
give_up_back(struct run *u)
{
	const struct mysql_response	 nobody = {
		.caps = (MYSQL_CAP_PROTOCOL_41 | MYSQL_CAP_SECURE_CONNECTION |
		    MYSQL_CAP_LONG_PASSWORD | MYSQL_CAP_PLUGIN_AUTH) &
		    u->server.caps,
		.max_packet = 1 << 24, .charset = u->server.charset,
		.user = bytes(NOBODY),
		.plugin = mysql_exchange_nobodys_plugin(),
	};

	if (*u->end == END_SHUTDOWN || *u->end == END_CRASHED)
		return;
	/* Our time for the client may be over; the server gets its own. */
	u->x->deadline = io_now_ms() + 1000;
	u->x->told = NULL;
	if (u->x->back.seq == 1 && u->x->server_waits && !u->x->settled &&
	    send_response(u, &nobody) == -1)
		return;
	mysql_exchange_give_up(u->x);
}

static bool
is_own(const struct run *u)
{
	return u->r->known != NULL || u->r->codes != NULL;
}

/* What the client answered, as the server is to have it. */
static int
answer(struct run *u)
{
	struct mysql_response	 a = u->client;
	bool			 tls = wants_back_tls(u);
	uint32_t		 lacking;

	if (u->r->back_tls == MYSQL_BACK_REQUIRE && !tls &&
	    !u->x->back_secure)
		return refuse(u, END_LOGIN, ER_SECURE_TRANSPORT_REQUIRED,
		    "HY000", "the server offers no TLS, which its backend "
		    "requires");
	a.caps &= u->offered & ~MYSQL_CAP_SSL;
	a.mariadb_caps &= u->offered_mariadb;
	/* That one tells MySQL's from MariaDB's, and every server takes it. */
	lacking = a.caps & ~u->server.caps & ~MYSQL_CAP_LONG_PASSWORD;
	if (lacking != 0 || (a.mariadb_caps & ~u->server.mariadb_caps) != 0)
		return mysql_exchange_refuse(u->x, u->end, END_LOGIN,
		    ER_HANDSHAKE, "08S01", "this server lacks what the "
		    "others of its backend can (capabilities %08x)",
		    lacking);
	u->l->caps = a.caps;
	u->l->mariadb_caps = a.mariadb_caps;
	if (is_own(u) || !mysql_exchange_is_hash(a.plugin)) {
		a.caps |= u->server.caps & MYSQL_CAP_PLUGIN_AUTH;
		a.plugin = mysql_exchange_nobodys_plugin();
		a.auth = bytes("");
	}
	u->l->back_caps = a.caps;
	if (tls) {
		a.caps |= MYSQL_CAP_SSL;
		if (start_back_tls(u, &a) == -1)
			return -1;
	}
	return send_response(u, &a);
}

/* A copy of what points into a packet that will be read over. */
static struct mysql_bytes
keep(struct mysql_bytes b, uint8_t *to, size_t size)
{
	if (b.p == NULL || b.len > size)
		return (struct mysql_bytes){ NULL, 0 };
	memcpy(to, b.p, b.len);
	return (struct mysql_bytes){ to, b.len };
}

/* It had its refused login; the next one is by another connection. */
static void
close_back(struct run *u)
{
	mysql_exchange_give_up(u->x);
	(void)stream_shut(u->l->back);
	u->r->hang_up(u->r->ctx);
	stream_free(&u->l->back);
	mysql_side_end(&u->x->back);
	mysql_side_init(&u->x->back, NULL, END_SERVER_RESET);
	u->x->refusal.code = 0;
	u->x->settled = u->x->server_waits = false;
}

/* The client is not who the server gets to know. */
static int
log_in_by_code(struct run *u)
{
	struct mysql_login	*l = u->l;
	struct mysql_code	 code = { .codes = u->r->codes };
	uint8_t			 database[MYSQL_SCHEMA_MAX];
	uint8_t			 attributes[4096], sum[MYSQL_SHA256_LEN];
	struct mysql_bytes	 none = { NULL, 0 };
	bool			 warmed = false;

	if (greet_ourselves(u) == -1 || read_response(u) == -1)
		return -1;
	u->client.database = keep(u->client.database, database,
	    sizeof(database));
	u->client.attributes = keep(u->client.attributes, attributes,
	    sizeof(attributes));
	if (mysql_code_prove(&code, u->x, &u->client, u->nonce, u->end) == -1)
		return -1;
	/* That was between us. */
	u->client.caps &= ~MYSQL_CAP_MULTI_FACTOR;
	u->client.user = code.pass.account;
	u->client.tail = none;
	snprintf(l->account, sizeof(l->account), "%.*s",
	    (int)code.pass.account.len, (const char *)code.pass.account.p);
	if (u->client.database.len == 0 && code.pass.database.p != NULL) {
		u->client.database = code.pass.database;
		u->client.caps |= MYSQL_CAP_CONNECT_WITH_DB;
		snprintf(l->who.schema, sizeof(l->who.schema), "%.*s",
		    (int)code.pass.database.len,
		    (const char *)code.pass.database.p);
	}
	for (;;) {
		if (open_back(u) == -1 || answer(u) == -1)
			return -1;
		if (mysql_code_serve(&code, u->x, l->caps,
		    tls_own_fingerprint(l->front, sum) == 0 ? sum : NULL,
		    u->end) == 0)
			return 0;
		if (!code.cold || warmed)
			return -1;
		warmed = true;
		close_back(u);
	}
}

static int
log_in(struct run *u)
{
	if (u->r->codes != NULL)
		return log_in_by_code(u);
	if (is_own(u)) {
		if (greet_ourselves(u) == -1 || read_response(u) == -1 ||
		    open_back(u) == -1)
			return -1;
	} else if (open_back(u) == -1 || greet_as_server(u) == -1 ||
	    read_response(u) == -1)
		return -1;
	if (answer(u) == -1)
		return -1;
	return mysql_exchange_run(u->x, u->end);
}

int
mysql_login_run(struct mysql_login *l, const struct mysql_rules *r,
    int front, bool front_local, int64_t deadline, const struct told *told,
    enum end *end)
{
	struct run	 u = { .l = l, .r = r, .x = &l->x, .end = end };
	int		 rc;

	*l = (struct mysql_login){ .front = stream_new_plain(front) };
	mysql_exchange_init(&l->x, deadline, told);
	l->x.front.stream = l->front;
	l->x.front_secure = front_local;
	l->x.server_key = r->server_key;
	rc = log_in(&u);
	if (rc == -1) {
		mysql_exchange_tell(&l->x, *end, u.greeted);
		give_up_back(&u);
	}
	memcpy(l->why, l->x.why, sizeof(l->why));
	l->server_vouched = l->x.signed_ok;
	return rc;
}

void
mysql_login_end(struct mysql_login *l)
{
	mysql_exchange_end(&l->x);
}

void
mysql_login_deny(int front, uint16_t code, const char *text)
{
	const struct mysql_error	 e = { .code = code,
					    .text = bytes(text) };
	uint8_t				 buf[512];
	struct mysql_header		 h = { .seq = 0 };
	struct wr			 w;

	wr_init(&w, buf + MYSQL_HEADER_LEN, sizeof(buf) - MYSQL_HEADER_LEN);
	mysql_error_encode(&w, &e);
	if (!wr_ok(&w))
		return;
	h.len = (uint32_t)wr_len(&w);
	mysql_header_encode(buf, &h);
	(void)send(front, buf, MYSQL_HEADER_LEN + h.len,
	    MSG_DONTWAIT | MSG_NOSIGNAL);
}
