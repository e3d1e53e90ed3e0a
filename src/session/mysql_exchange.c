#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/io.h"
#include "base/mem.h"
#include "base/sig.h"
#include "session/mysql_exchange.h"
#include "session/mysql_rsa.h"
#include "wire/mysql_auth.h"

#define GIVE_UP_MS	1000
#define GIVE_UP_ROUNDS	4

#define ER_NOT_SUPPORTED_AUTH_MODE	1251
#define ER_SECURE_TRANSPORT_REQUIRED	3159
#define ER_HANDSHAKE			1043

/* They send a hash of the password, or nothing that tells of it. */
static const char *const hashes[] = {
	"mysql_native_password", "caching_sha2_password", "client_ed25519",
	"parsec", NULL,
};
/* They send it as it was typed, or a token that is as good. */
static const char *const clear[] = {
	"mysql_clear_password", "dialog",
	"authentication_openid_connect_client", "authentication_oci_client",
	NULL,
};
/* They need not be looked after: what they send is good once or sealed. */
static const char *const others[] = {
	"sha256_password", "mysql_old_password", "auth_gssapi_client",
	"authentication_ldap_sasl_client", "authentication_kerberos_client",
	"authentication_fido_client", "authentication_webauthn_client", NULL,
};

static void
copy(char *to, size_t size, struct mysql_bytes b)
{
	size_t	 n = b.len < size - 1 ? b.len : size - 1;

	if (n > 0)
		memcpy(to, b.p, n);
	to[n] = '\0';
}

void
mysql_who_set(struct mysql_who *who, struct mysql_bytes user,
    struct mysql_bytes schema, uint8_t charset)
{
	copy(who->user, sizeof(who->user), user);
	copy(who->schema, sizeof(who->schema), schema);
	who->charset = charset;
}

static bool
is_among(struct mysql_bytes plugin, const char *const *names)
{
	for (; *names != NULL; names++)
		if (mysql_plugin_is(plugin, *names))
			return true;
	return false;
}

bool
mysql_exchange_is_hash(struct mysql_bytes plugin)
{
	return plugin.p == NULL || plugin.len == 0 ||
	    is_among(plugin, hashes);
}

void
mysql_exchange_init(struct mysql_exchange *x, int64_t deadline,
    const struct told *told)
{
	*x = (struct mysql_exchange){ .deadline = deadline, .told = told };
	mysql_side_init(&x->front, NULL, END_CLIENT_RESET);
	mysql_side_init(&x->back, NULL, END_SERVER_RESET);
}

static void
forget_password(struct mysql_exchange *x)
{
	if (x->password != NULL)
		explicit_bzero(x->password, x->npassword);
	free(x->password);
	x->password = NULL;
	x->npassword = 0;
}

void
mysql_exchange_end(struct mysql_exchange *x)
{
	mysql_side_end(&x->front);
	mysql_side_end(&x->back);
	forget_password(x);
	EVP_PKEY_free(x->pair);
	x->pair = NULL;
}

int
mysql_exchange_refuse(struct mysql_exchange *x, enum end *end, enum end how,
    uint16_t code, const char *state, const char *fmt, ...)
{
	va_list	 ap;

	*end = how;
	x->refusal.code = code;
	x->refusal.state = state;
	va_start(ap, fmt);
	vsnprintf(x->why, sizeof(x->why), fmt, ap);
	va_end(ap);
	memcpy(x->refusal.text, x->why, sizeof(x->refusal.text));
	return -1;
}

void
mysql_exchange_set_plugin(struct mysql_exchange *x,
    struct mysql_bytes plugin, struct mysql_bytes data)
{
	size_t	 n = plugin.len < sizeof(x->plugin) - 1 ? plugin.len :
		    sizeof(x->plugin) - 1;

	memset(x->plugin, 0, sizeof(x->plugin));
	if (n > 0)
		memcpy(x->plugin, plugin.p, n);
	x->ndata = data.len < sizeof(x->data) ? data.len : sizeof(x->data);
	if (x->ndata > 0)
		memcpy(x->data, data.p, x->ndata);
	x->full = false;
	forget_password(x);
}

void
mysql_exchange_rename_plugin(struct mysql_exchange *x,
    struct mysql_bytes plugin)
{
	uint8_t	 data[MYSQL_PLUGIN_DATA_MAX];
	size_t	 n = x->ndata;

	memcpy(data, x->data, n);
	mysql_exchange_set_plugin(x, plugin, (struct mysql_bytes){ data, n });
}

struct mysql_bytes
mysql_exchange_nobodys_plugin(void)
{
	static const char	 name[] = "sallyport_none";

	return (struct mysql_bytes){
		(const uint8_t *)name, sizeof(name) - 1 };
}

static bool
uses(const struct mysql_exchange *x, const char *plugin)
{
	return strcmp(x->plugin, plugin) == 0;
}

static struct mysql_bytes
nonce_of(const struct mysql_exchange *x)
{
	return (struct mysql_bytes){ x->data, x->ndata };
}

static int
write_front(struct mysql_exchange *x, const void *payload, size_t len,
    enum end *end)
{
	const char	*why = "";
	int		 rc = mysql_side_write(&x->front, payload, len,
			    x->deadline, x->told, end, &why);

	if (rc == -1)
		snprintf(x->why, sizeof(x->why), "%s", why);
	return rc;
}

static int
write_back(struct mysql_exchange *x, const void *payload, size_t len,
    enum end *end)
{
	const char	*why = "";
	int		 rc = mysql_side_write(&x->back, payload, len,
			    x->deadline, x->told, end, &why);

	x->server_waits = false;
	if (rc == -1)
		snprintf(x->why, sizeof(x->why), "%s", why);
	return rc;
}

/* Both keep a secret, or the plugin tells none. */
static int
check_plugin(struct mysql_exchange *x, struct mysql_bytes plugin,
    enum end *end)
{
	bool	 in_clear = is_among(plugin, clear);
	bool	 known = in_clear || is_among(plugin, hashes) ||
		    is_among(plugin, others);

	if (in_clear && !x->front_secure)
		return mysql_exchange_refuse(x, end, END_LOGIN,
		    ER_NOT_SUPPORTED_AUTH_MODE, "08004", "plugin %.*s sends "
		    "the password in clear: connect with TLS",
		    (int)plugin.len, (const char *)plugin.p);
	if (!x->back_secure && (in_clear || (!known && x->front_secure)))
		return mysql_exchange_refuse(x, end, END_LOGIN,
		    ER_NOT_SUPPORTED_AUTH_MODE, "08004", "plugin %.*s %s "
		    "send the password in clear to the server: set tls in its "
		    "backend", (int)plugin.len, (const char *)plugin.p,
		    in_clear ? "would" : "might");
	return 0;
}

static int
on_switch(struct mysql_exchange *x, bool next_factor, enum end *end)
{
	struct mysql_switch	 s;
	struct rd		 r;

	rd_init(&r, mysql_side_payload(&x->back), x->back.len);
	if ((next_factor ? mysql_next_factor_decode(&r, &s) :
	    mysql_switch_decode(&r, &s)) == -1)
		return mysql_exchange_refuse(x, end, END_PROTOCOL,
		    ER_HANDSHAKE, "08S01", "the server asked for a plugin in "
		    "a way that is not understood");
	if (check_plugin(x, s.plugin, end) == -1)
		return -1;
	mysql_exchange_set_plugin(x, s.plugin, s.data);
	return write_front(x, mysql_side_payload(&x->back), x->back.len, end);
}

static int
on_error(struct mysql_exchange *x, enum end *end)
{
	struct mysql_error	 e;
	struct rd		 r;

	*end = END_LOGIN;
	x->settled = true;
	x->error = ER_HANDSHAKE;
	rd_init(&r, mysql_side_payload(&x->back), x->back.len);
	if (mysql_error_decode(&r, &e) == -1)
		return mysql_exchange_refuse(x, end, END_PROTOCOL,
		    ER_HANDSHAKE, "08S01", "the server's error is not "
		    "understood");
	x->error = e.code;
	if (e.code == ER_SECURE_TRANSPORT_REQUIRED && !x->back_secure)
		return mysql_exchange_refuse(x, end, END_LOGIN, e.code,
		    e.state[0] != '\0' ? "08004" : "HY000", "the server "
		    "demands TLS, which the proxy does not speak to it: set "
		    "tls in its backend");
	if (write_front(x, mysql_side_payload(&x->back), x->back.len,
	    end) == -1)
		return -1;
	*end = END_LOGIN;
	snprintf(x->why, sizeof(x->why), "the server said %u: %.*s", e.code,
	    (int)(e.text.len < 160 ? e.text.len : 160),
	    (const char *)e.text.p);
	return -1;
}

/* The server's key has come: the password goes to it. */
static int
send_sealed(struct mysql_exchange *x, EVP_PKEY *key, enum end *end)
{
	uint8_t	 sealed[MYSQL_RSA_MAX];
	ssize_t	 n = -1;

	if (key != NULL)
		n = mysql_rsa_encrypt(key, (struct mysql_bytes){ x->password,
		    x->npassword }, nonce_of(x), sealed);
	forget_password(x);
	if (n == -1)
		return mysql_exchange_refuse(x, end, END_LOGIN,
		    ER_HANDSHAKE, "08S01", key == NULL ? "the server has no "
		    "RSA key to encrypt the password to: set tls in its "
		    "backend" : "the password is too long for the server's "
		    "RSA key: set tls in its backend");
	return write_back(x, sealed, (size_t)n, end);
}

static int
on_server_key(struct mysql_exchange *x, enum end *end)
{
	EVP_PKEY	*key = mysql_rsa_public(mysql_side_payload(&x->back) +
			    1, x->back.len - 1);
	int		 rc = send_sealed(x, key, end);

	EVP_PKEY_free(key);
	return rc;
}

static int
on_more_data(struct mysql_exchange *x, enum end *end)
{
	const uint8_t	*p = mysql_side_payload(&x->back);

	if (x->password != NULL)
		return on_server_key(x, end);
	if (uses(x, "caching_sha2_password") && x->back.len == 2)
		x->full = p[1] == MYSQL_SHA2_FULL;
	return write_front(x, p, x->back.len, end);
}

/* SHA-256 of a certificate, in hexadecimal, behind a byte 1; see manual. */
static bool
has_signature(const struct mysql_exchange *x)
{
	const uint8_t	*p = mysql_side_payload(&x->back);
	size_t		 n = 0;

	for (size_t i = 0; i < x->back.len; i++) {
		n = (p[i] >= '0' && p[i] <= '9') ||
		    (p[i] >= 'A' && p[i] <= 'F') ? n + 1 : 0;
		if (n == 64 && i >= 64 && p[i - 64] == 1)
			return true;
	}
	return false;
}

/* A packet of the server: 1 when the login is over, 0, or -1. */
static int
hear_back(struct mysql_exchange *x, enum end *end)
{
	const uint8_t	*p = mysql_side_payload(&x->back);

	if (x->back.len == 0)
		return write_front(x, p, 0, end);
	switch (p[0]) {
	case MYSQL_OK:
		x->settled = true;
		x->signed_ok = has_signature(x);
		return write_front(x, p, x->back.len, end) == -1 ? -1 : 1;
	case MYSQL_ERR:
		return on_error(x, end);
	case MYSQL_SWITCH:
		return on_switch(x, false, end);
	case MYSQL_NEXT_FACTOR:
		return on_switch(x, true, end);
	case MYSQL_MORE_DATA:
		return on_more_data(x, end);
	default:
		return write_front(x, p, x->back.len, end);
	}
}

/* The client has sent its password, which is not to go on as it is. */
static int
seal(struct mysql_exchange *x, uint8_t ask, enum end *end)
{
	x->npassword = x->front.len;
	x->password = mem_calloc(1, x->npassword + 1);
	memcpy(x->password, mysql_side_payload(&x->front), x->npassword);
	if (x->server_key != NULL)
		return send_sealed(x, x->server_key, end);
	return write_back(x, &ask, 1, end);
}

static int
give_key(struct mysql_exchange *x, enum end *end)
{
	uint8_t	 answer[4096] = { MYSQL_MORE_DATA };
	ssize_t	 n = -1;

	if (x->pair == NULL)
		x->pair = mysql_rsa_pair();
	if (x->pair != NULL)
		n = mysql_rsa_pem(x->pair, answer + 1, sizeof(answer) - 1);
	if (n == -1)
		return mysql_exchange_refuse(x, end, END_INTERNAL,
		    ER_HANDSHAKE, "08S01", "no RSA key can be made");
	return write_front(x, answer, (size_t)n + 1, end);
}

static int
unseal(struct mysql_exchange *x, enum end *end)
{
	uint8_t	 password[MYSQL_PASSWORD_MAX];
	ssize_t	 n = -1;
	int	 rc;

	if (x->pair != NULL)
		n = mysql_rsa_decrypt(x->pair, (struct mysql_bytes){
		    mysql_side_payload(&x->front), x->front.len },
		    nonce_of(x), password);
	if (n == -1)
		return mysql_exchange_refuse(x, end, END_LOGIN,
		    ER_HANDSHAKE, "08S01", "the password is encrypted to "
		    "another key than the proxy's: connect with TLS, or "
		    "without a key of the server");
	rc = write_back(x, password, (size_t)n, end);
	explicit_bzero(password, sizeof(password));
	return rc;
}

/* Does it say that there is no password? */
static bool
is_empty(const struct mysql_exchange *x)
{
	return x->front.len == 0 || (x->front.len == 1 &&
	    mysql_side_payload(&x->front)[0] == '\0');
}

static bool
is_byte(const struct mysql_exchange *x, uint8_t byte)
{
	return x->front.len == 1 && mysql_side_payload(&x->front)[0] == byte;
}

/* A packet of the client. */
static int
hear_front(struct mysql_exchange *x, enum end *end)
{
	bool	 sha256 = uses(x, "sha256_password");
	uint8_t	 ask = sha256 ? MYSQL_SHA256_ASK_KEY : MYSQL_SHA2_ASK_KEY;
	bool	 secret = x->front_secure != x->back_secure &&
		    (sha256 || x->full) && !is_empty(x);

	if (secret && x->front_secure)
		return seal(x, ask, end);
	if (secret && is_byte(x, ask))
		return give_key(x, end);
	if (secret)
		return unseal(x, end);
	return write_back(x, mysql_side_payload(&x->front), x->front.len,
	    end);
}

static int
wait_for_either(struct mysql_exchange *x, struct pollfd p[2], enum end *end)
{
	int	 rc;

	for (;;) {
		rc = sig_ppoll(p, 2, io_left_ms(x->deadline));
		if (rc > 0)
			return 0;
		if (rc == 0)
			return mysql_exchange_refuse(x, end, END_TIMEOUT, 1159,
			    "08S01", "the login took too long");
		if (errno != EINTR)
			return mysql_exchange_refuse(x, end, END_INTERNAL,
			    1105, "HY000", "poll: %s", strerror(errno));
		if (!told_to_end(x->told, end))
			continue;
		return mysql_exchange_refuse(x, end, *end, 1053, "08S01",
		    "%s", *end == END_LIMIT ? TOLD_GIVE_WAY : "");
	}
}

/* Whose packet is next?  NULL: it is over. */
static struct mysql_side *
next_speaker(struct mysql_exchange *x, enum end *end)
{
	struct pollfd	 p[2] = {
		{ .fd = x->back.stream->fd, .events = POLLIN },
		{ .fd = x->front.stream->fd, .events = POLLIN },
	};

	if (stream_pending(x->back.stream))
		return &x->back;
	if (stream_pending(x->front.stream) || x->front.nearly > 0)
		return &x->front;
	if (wait_for_either(x, p, end) == -1)
		return NULL;
	/* An answer that is there already is worth more than a hang-up. */
	return p[0].revents != 0 ? &x->back : &x->front;
}

int
mysql_exchange_run(struct mysql_exchange *x, enum end *end)
{
	struct mysql_side	*side;
	const char		*why = "";
	int			 rc;

	x->settled = x->full = false;
	x->error = 0;
	forget_password(x);
	for (int i = 0; i < MYSQL_EXCHANGE_ROUNDS; i++) {
		side = next_speaker(x, end);
		if (side == NULL)
			return -1;
		if (mysql_side_read(side, x->deadline, x->told, end,
		    &why) == -1) {
			x->settled |= side == &x->back;
			return mysql_exchange_refuse(x, end, *end, 1158,
			    "08S01", "%s", why);
		}
		if (side == &x->back) {
			x->server_waits = true;
			rc = hear_back(x, end);
		} else
			rc = hear_front(x, end);
		if (rc != 0)
			return rc == 1 ? 0 : -1;
	}
	return mysql_exchange_refuse(x, end, END_PROTOCOL, ER_HANDSHAKE,
	    "08S01", "the login took more than %d packets",
	    MYSQL_EXCHANGE_ROUNDS);
}

void
mysql_exchange_tell(struct mysql_exchange *x, enum end end, bool with_state)
{
	const struct mysql_refusal	*no = &x->refusal;
	struct mysql_error		 e = {
		.code = no->code,
		.text = { (const uint8_t *)no->text, strlen(no->text) },
	};
	uint8_t				 buf[512];
	const char			*why;
	struct wr			 w;

	if (no->code == 0 || end == END_CLIENT_RESET ||
	    x->front.stream == NULL)
		return;
	if (with_state)
		snprintf(e.state, sizeof(e.state), "%s", no->state);
	wr_init(&w, buf, sizeof(buf));
	mysql_error_encode(&w, &e);
	if (wr_ok(&w))
		(void)mysql_side_write(&x->front, buf, wr_len(&w),
		    io_now_ms(), NULL, &end, &why);
}

/* Did the server say its last word? */
static bool
is_settled(const struct mysql_side *back)
{
	return back->len > 0 && (mysql_side_payload(back)[0] == MYSQL_ERR ||
	    mysql_side_payload(back)[0] == MYSQL_OK);
}

void
mysql_exchange_give_up(struct mysql_exchange *x)
{
	int64_t		 deadline = io_now_ms() + GIVE_UP_MS;
	const char	*why;
	enum end	 end;

	if (x->back.stream == NULL)
		return;
	for (int i = 0; i < GIVE_UP_ROUNDS && !x->settled; i++) {
		if (x->server_waits && mysql_side_write(&x->back, "", 0,
		    deadline, NULL, &end, &why) == -1)
			return;
		if (mysql_side_read(&x->back, deadline, NULL, &end,
		    &why) == -1)
			return;
		x->server_waits = true;
		x->settled = is_settled(&x->back);
	}
}
