#include <sys/random.h>

#include <stdio.h>
#include <string.h>

#include "session/mysql_code.h"
#include "wire/mysql_auth.h"

#define ER_ACCESS_DENIED		1045
#define ER_NOT_SUPPORTED_AUTH_MODE	1251
#define ER_HANDSHAKE			1043
#define ER_UNKNOWN			1105
#define ER_SECURE_TRANSPORT_REQUIRED	3159
#define ER_BLOCKED_BY_PASSWORD_LOCK	3955

#define ROUNDS	8		/* packets of the server */

static const char	 native_plugin[] = "mysql_native_password";
static const char	 sha2_plugin[] = "caching_sha2_password";
static const uint8_t	 fast_ok[] = { MYSQL_MORE_DATA, MYSQL_SHA2_FAST_OK };

static int
lose(struct mysql_exchange *x, enum end *end, const char *why)
{
	return mysql_exchange_refuse(x, end, *end, 1158, "08S01", "%s", why);
}

static int
read_front(struct mysql_exchange *x, enum end *end)
{
	const char	*why = "";

	return mysql_side_read(&x->front, x->deadline, x->told, end, &why) ==
	    -1 ? lose(x, end, why) : 0;
}

static int
write_front(struct mysql_exchange *x, const void *p, size_t len,
    enum end *end)
{
	const char	*why = "";

	return mysql_side_write(&x->front, p, len, x->deadline, x->told, end,
	    &why) == -1 ? lose(x, end, why) : 0;
}

static int
read_back(struct mysql_exchange *x, enum end *end)
{
	const char	*why = "";

	if (mysql_side_read(&x->back, x->deadline, x->told, end, &why) ==
	    -1) {
		x->settled = true;
		return lose(x, end, why);
	}
	x->server_waits = true;
	return 0;
}

static int
write_back(struct mysql_exchange *x, const void *p, size_t len,
    enum end *end)
{
	const char	*why = "";

	x->server_waits = false;
	if (mysql_side_write(&x->back, p, len, x->deadline, x->told, end,
	    &why) == -1) {
		x->settled = true;
		return lose(x, end, why);
	}
	return 0;
}

/* --- the client */

/* Letters, as servers send: a NUL would end it for some clients. */
static int
make_nonce(uint8_t *nonce)
{
	if (getrandom(nonce, MYSQL_NONCE_LEN, 0) != MYSQL_NONCE_LEN)
		return -1;
	for (size_t i = 0; i < MYSQL_NONCE_LEN; i++)
		nonce[i] = (uint8_t)('A' + nonce[i] % 26 +
		    (nonce[i] & 0x80 ? 32 : 0));
	return 0;
}

/* Have the client answer by another plugin, or once more; it is read then. */
static int
ask_by(struct mysql_exchange *x, const char *plugin, bool next_factor,
    struct mysql_code_said *said, enum end *end)
{
	struct mysql_switch	 s = {
		.plugin = { (const uint8_t *)plugin, strlen(plugin) },
		.data = { said->nonce, sizeof(said->nonce) },
	};
	uint8_t			 buf[128];
	struct wr		 w;

	if (make_nonce(said->nonce) == -1)
		return mysql_exchange_refuse(x, end, END_INTERNAL, ER_UNKNOWN,
		    "HY000", "no random numbers");
	said->by = strcmp(plugin, sha2_plugin) == 0 ? MYSQL_CODE_BY_SHA2 :
	    MYSQL_CODE_BY_NATIVE;
	wr_init(&w, buf, sizeof(buf));
	if (next_factor)
		mysql_next_factor_encode(&w, &s);
	else
		mysql_switch_encode(&w, &s);
	if (write_front(x, buf, wr_len(&w), end) == -1 ||
	    read_front(x, end) == -1)
		return -1;
	said->answer = (struct mysql_bytes){ mysql_side_payload(&x->front),
	    x->front.len };
	return 0;
}

/* Have a client of MariaDB ask its user, who then types it. */
static int
ask_user(struct mysql_exchange *x, struct mysql_code_said *said,
    enum end *end)
{
	static const char	 question[] = "\3One-time code: ";
	struct mysql_switch	 s = {
		.plugin = { (const uint8_t *)"dialog", 6 },
		.data = { (const uint8_t *)question, sizeof(question) - 1 },
	};
	uint8_t			 buf[128];
	struct wr		 w;

	if (!x->front_secure)
		return mysql_exchange_refuse(x, end, END_LOGIN,
		    ER_SECURE_TRANSPORT_REQUIRED, "HY000", "the code is asked "
		    "for, which takes TLS: connect with it");
	wr_init(&w, buf, sizeof(buf));
	mysql_switch_encode(&w, &s);
	if (write_front(x, buf, wr_len(&w), end) == -1 ||
	    read_front(x, end) == -1)
		return -1;
	said->by = MYSQL_CODE_BY_CLEAR;
	said->answer = (struct mysql_bytes){ mysql_side_payload(&x->front),
	    x->front.len };
	/* The NUL is not typed. */
	if (said->answer.len > 0 &&
	    said->answer.p[said->answer.len - 1] == '\0')
		said->answer.len--;
	return 0;
}

/* A code that is not in the password. */
static int
ask_apart(struct mysql_code *c, struct mysql_exchange *x,
    const struct mysql_response *client, struct mysql_code_said *said,
    enum end *end)
{
	if ((client->caps & MYSQL_CAP_MULTI_FACTOR) == 0)
		return ask_user(x, said, end);
	if (c->sha2 && write_front(x, fast_ok, sizeof(fast_ok), end) == -1)
		return -1;
	return ask_by(x, sha2_plugin, true, said, end);
}

static bool
is_native(const struct mysql_response *r)
{
	return r->plugin.p == NULL || r->plugin.len == 0 ||
	    mysql_plugin_is(r->plugin, native_plugin);
}

/* The text is the same, whatever it was. */
static int
deny(const struct mysql_code *c, struct mysql_exchange *x, const char *user,
    bool with_password, enum end *end)
{
	if (c->pass.wait_s > 0)
		return mysql_exchange_refuse(x, end, END_LOGIN,
		    ER_BLOCKED_BY_PASSWORD_LOCK, "HY000", "Access denied for "
		    "user '%s'@'%s': too many wrong passwords; try again in "
		    "%u seconds", user, c->codes->from, c->pass.wait_s);
	return mysql_exchange_refuse(x, end, END_LOGIN, ER_ACCESS_DENIED,
	    "28000", "Access denied for user '%s'@'%s' (using password: %s)",
	    user, c->codes->from, with_password ? "YES" : "NO");
}

/* The first answer, in memory of ours: the packet is read over. */
static int
ask_password(struct mysql_code *c, struct mysql_exchange *x,
    const struct mysql_response *client, const uint8_t *nonce,
    struct mysql_code_said *said, uint8_t *to, size_t size, enum end *end)
{
	c->sha2 = mysql_plugin_is(client->plugin, sha2_plugin);
	if (is_native(client) && client->auth.len == MYSQL_NATIVE_LEN) {
		memcpy(said->nonce, nonce, sizeof(said->nonce));
		said->by = MYSQL_CODE_BY_NATIVE;
		said->answer = client->auth;
	} else if (ask_by(x, c->sha2 ? sha2_plugin : native_plugin, false,
	    said, end) == -1)
		return -1;
	if (said->answer.len > size)
		said->answer.len = 0;
	if (said->answer.len > 0)
		memcpy(to, said->answer.p, said->answer.len);
	said->answer.p = to;
	memcpy(c->nonce, said->nonce, sizeof(c->nonce));
	return 0;
}

int
mysql_code_prove(struct mysql_code *c, struct mysql_exchange *x,
    const struct mysql_response *client, const uint8_t *nonce, enum end *end)
{
	struct mysql_code_try	 t = { .user = { NULL, 0 } };
	char			 user[MYSQL_USER_MAX];
	uint8_t			 password[MYSQL_SHA2_LEN];
	struct mysql_who	 who;

	/* The packet that it points into is read over. */
	mysql_who_set(&who, client->user, client->user, 0);
	memcpy(user, who.user, sizeof(user));
	t.user = (struct mysql_bytes){ (const uint8_t *)user,
	    client->user.len < sizeof(user) ? strlen(user) : SIZE_MAX };
	c->pass = (struct mysql_code_pass){ .right = false };
	if (ask_password(c, x, client, nonce, &t.password, password,
	    sizeof(password), end) == -1)
		return -1;
	/* Without a password there is nothing to guess, nor to look up. */
	if (t.password.answer.len < MYSQL_NATIVE_LEN || t.user.len == 0 ||
	    t.user.len == SIZE_MAX)
		return deny(c, x, user, t.password.answer.len > 1, end);
	if (c->codes->apart && ask_apart(c, x, client, &t.code, end) == -1)
		return -1;
	if (c->codes->check(c->codes->ctx, &t, &c->pass) == -1)
		return mysql_exchange_refuse(x, end, END_INTERNAL, ER_UNKNOWN,
		    "HY000", "codes cannot be checked now; try again");
	if (!c->pass.right)
		return deny(c, x, user, true, end);
	/* Its last plugin: what an OK has to follow. */
	c->sha2 = c->codes->apart ? t.code.by == MYSQL_CODE_BY_SHA2 : c->sha2;
	c->vouch = t.password.by == MYSQL_CODE_BY_NATIVE;
	return 0;
}

/* --- the server */

static int
cannot(struct mysql_exchange *x, enum end *end, const char *plugin)
{
	return mysql_exchange_refuse(x, end, END_LOGIN,
	    ER_NOT_SUPPORTED_AUTH_MODE, "08004", "the server wants plugin "
	    "%.64s for the account behind this login, which is not possible "
	    "here", plugin);
}

static const struct {
	const char		*plugin;
	enum mysql_code_how	 how;
} plugins[] = {
	{ native_plugin,	MYSQL_CODE_NATIVE },
	{ sha2_plugin,		MYSQL_CODE_SHA2 },
	{ "client_ed25519",	MYSQL_CODE_ED25519 },
};

/* Of a 21st byte, a NUL, nothing is to be hashed. */
static struct mysql_bytes
nonce_of(const struct mysql_exchange *x)
{
	return (struct mysql_bytes){ x->data, x->ndata };
}

static int
answer(struct mysql_code *c, struct mysql_exchange *x,
    enum mysql_code_how how, struct mysql_bytes more, enum end *end)
{
	uint8_t	 out[MYSQL_CODE_ANSWER_MAX];
	ssize_t	 n = c->codes->answer(c->codes->ctx, how, nonce_of(x), more,
		    out);
	int	 rc;

	if (n == -1)
		return mysql_exchange_refuse(x, end, END_INTERNAL, ER_UNKNOWN,
		    "HY000", "there is no answer for the server's %s",
		    x->plugin);
	rc = write_back(x, out, (size_t)n, end);
	explicit_bzero(out, sizeof(out));
	return rc;
}

static int
on_switch(struct mysql_code *c, struct mysql_exchange *x, enum end *end)
{
	struct mysql_switch	 s;
	struct mysql_bytes	 none = { (const uint8_t *)"", 0 };
	struct rd		 r;

	rd_init(&r, mysql_side_payload(&x->back), x->back.len);
	if (mysql_switch_decode(&r, &s) == -1)
		return mysql_exchange_refuse(x, end, END_PROTOCOL,
		    ER_HANDSHAKE, "08S01", "the server asked for a plugin in "
		    "a way that is not understood");
	mysql_exchange_set_plugin(x, s.plugin, s.data);
	/* It has the server say its salt first. */
	if (mysql_plugin_is(s.plugin, "parsec"))
		return write_back(x, "", 0, end);
	for (size_t i = 0; i < sizeof(plugins) / sizeof(plugins[0]); i++)
		if (mysql_plugin_is(s.plugin, plugins[i].plugin))
			return answer(c, x, plugins[i].how, none, end);
	return cannot(x, end, x->plugin);
}

/* The server does not remember the password, and would have it itself. */
static int
on_full(struct mysql_code *c, struct mysql_exchange *x, enum end *end)
{
	struct mysql_bytes	 none = { (const uint8_t *)"", 0 };

	const char		*why = "";

	if (x->server_key != NULL && !x->back_secure)
		return answer(c, x, MYSQL_CODE_SHA2_SEALED, none, end);
	if (!c->cold && x->back_secure) {
		c->cold = c->codes->warm(c->codes->ctx, &why) == 0;
		return mysql_exchange_refuse(x, end, END_LOGIN,
		    ER_NOT_SUPPORTED_AUTH_MODE, "08004", "the server has to "
		    "be told the password of the account behind this login: "
		    "%s", why);
	}
	return mysql_exchange_refuse(x, end, END_LOGIN,
	    ER_NOT_SUPPORTED_AUTH_MODE, "08004", "the server has to be told "
	    "the password of the account behind this login once after its "
	    "start: set server_public_key or tls in its backend");
}

static int
on_more_data(struct mysql_code *c, struct mysql_exchange *x, enum end *end)
{
	const uint8_t		*p = mysql_side_payload(&x->back);
	struct mysql_bytes	 more = { p + 1, x->back.len - 1 };

	if (strcmp(x->plugin, "parsec") == 0)
		return answer(c, x, MYSQL_CODE_PARSEC, more, end);
	if (strcmp(x->plugin, sha2_plugin) != 0 || more.len != 1)
		return cannot(x, end, x->plugin);
	if (more.p[0] == MYSQL_SHA2_FULL)
		return on_full(c, x, end);
	x->server_waits = false;	/* an OK follows, or an error */
	return 0;
}

/*
 * The client has shown who it is, so it may know what is wrong, but for what
 * the server says of the account.
 */
static int
on_error(struct mysql_exchange *x, enum end *end)
{
	struct mysql_error	 e;
	struct rd		 r;

	x->settled = true;
	x->error = ER_HANDSHAKE;
	rd_init(&r, mysql_side_payload(&x->back), x->back.len);
	if (mysql_error_decode(&r, &e) == -1)
		return mysql_exchange_refuse(x, end, END_PROTOCOL,
		    ER_HANDSHAKE, "08S01", "the server's error is not "
		    "understood");
	x->error = e.code;
	if (e.code == ER_SECURE_TRANSPORT_REQUIRED)
		(void)mysql_exchange_refuse(x, end, END_LOGIN, e.code, "HY000",
		    "the server demands TLS, which the proxy does not speak "
		    "to it: set tls in its backend");
	else if (e.code == ER_ACCESS_DENIED)
		(void)mysql_exchange_refuse(x, end, END_LOGIN, e.code, "28000",
		    "the server refuses the account behind this login; your "
		    "code was right");
	else
		return mysql_exchange_refuse(x, end, END_LOGIN, e.code,
		    e.state[0] != '\0' ? "42000" : "HY000", "%.*s",
		    (int)(e.text.len < 200 ? e.text.len : 200),
		    (const char *)e.text.p);
	/* The log has the server's words. */
	snprintf(x->why, sizeof(x->why), "the server refuses the account: %u: "
	    "%.*s", e.code, (int)(e.text.len < 160 ? e.text.len : 160),
	    (const char *)e.text.p);
	return -1;
}

/* Vouch for our certificate with the password that the client used. */
static int
pass_ok(struct mysql_code *c, struct mysql_exchange *x, uint32_t caps,
    const uint8_t *certificate, enum end *end)
{
	const uint8_t		*p = mysql_side_payload(&x->back);
	uint8_t			 info[MYSQL_VOUCH_LEN], buf[2048];
	struct mysql_ok		 ok;
	struct rd		 r;
	struct wr		 w;

	x->settled = true;
	if (c->sha2 && write_front(x, fast_ok, sizeof(fast_ok), end) == -1)
		return -1;
	rd_init(&r, p, x->back.len);
	if (!c->vouch || certificate == NULL ||
	    mysql_ok_decode(&r, caps, &ok) == -1 ||
	    mysql_vouch(c->pass.stored, c->nonce, certificate, info) == -1)
		return write_front(x, p, x->back.len, end);
	ok.info = (struct mysql_bytes){ info, sizeof(info) };
	wr_init(&w, buf, sizeof(buf));
	mysql_ok_encode(&w, caps, &ok);
	if (!wr_ok(&w))
		return write_front(x, p, x->back.len, end);
	return write_front(x, buf, wr_len(&w), end);
}

int
mysql_code_serve(struct mysql_code *c, struct mysql_exchange *x,
    uint32_t caps, const uint8_t *certificate, enum end *end)
{
	const uint8_t	*p;
	int		 rc;

	x->settled = false;
	for (int i = 0; i < ROUNDS; i++) {
		if (read_back(x, end) == -1)
			return -1;
		p = mysql_side_payload(&x->back);
		if (x->back.len == 0)
			return cannot(x, end, x->plugin);
		switch (p[0]) {
		case MYSQL_OK:
			return pass_ok(c, x, caps, certificate, end);
		case MYSQL_ERR:
			return on_error(x, end);
		case MYSQL_SWITCH:
			rc = on_switch(c, x, end);
			break;
		case MYSQL_MORE_DATA:
			rc = on_more_data(c, x, end);
			break;
		default:
			return cannot(x, end, "of a second factor");
		}
		if (rc == -1)
			return -1;
	}
	return mysql_exchange_refuse(x, end, END_PROTOCOL, ER_HANDSHAKE,
	    "08S01", "the server's login took more than %d packets", ROUNDS);
}
