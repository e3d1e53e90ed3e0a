#include <string.h>

#include "policy/conf.h"
#include "policy/conf_keys.h"

#define SECOND	((int64_t)1000)
#define MINUTE	(60 * SECOND)
#define HOUR	(60 * MINUTE)
#define DAY	(24 * HOUR)
#define KIB	((int64_t)1024)
#define MIB	(1024 * KIB)

#define SESSIONS_MAX	1000000

static const char *const levels[] = { "error", "warn", "info", "debug", NULL };
static const char *const formats[] = { "text", "json", NULL };
static const char *const overflows[] = {
	[CONF_OVERFLOW_DROP] = "drop", [CONF_OVERFLOW_WAIT] = "wait",
	[CONF_OVERFLOW_CLOSE] = "close", NULL,
};
static const char *const table_tls[] = {
	[CONF_TABLE_PLAIN] = "off", [CONF_TABLE_ENCRYPT] = "require",
	[CONF_TABLE_VERIFY] = "verify", NULL,
};
static const char *const carries[] = { "auto", "always", "never", NULL };
static const char *const protocols[] = {
	[CONF_TCP] = "tcp", [CONF_MYSQL] = "mysql", NULL,
};
static const char *const front_modes[] = {
	[CONF_TLS_OFF] = "off", [CONF_TLS_OFFER] = "offer",
	[CONF_TLS_REQUIRE] = "require", NULL,
};
static const char *const back_modes[] = {
	[CONF_TLS_OFF] = "off", [CONF_TLS_PREFER] = "prefer",
	[CONF_TLS_REQUIRE] = "require", NULL,
};
static const char *const versions[] = {
	[CONF_TLS_1_0] = "TLSv1", [CONF_TLS_1_1] = "TLSv1.1",
	[CONF_TLS_1_2] = "TLSv1.2", [CONF_TLS_1_3] = "TLSv1.3", NULL,
};
static const char *const client_verifies[] = {
	[CONF_CLIENT_NONE] = "none", [CONF_CLIENT_OPTIONAL] = "optional",
	[CONF_CLIENT_REQUIRE] = "require", NULL,
};
static const char *const verifies[] = {
	[CONF_VERIFY_FULL] = "full", [CONF_VERIFY_CA] = "ca",
	[CONF_VERIFY_NONE] = "none", NULL,
};
static const char *const greetings[] = {
	[CONF_GREETING_OWN] = "own", [CONF_GREETING_SERVER] = "server", NULL,
};

static const char *const balances[] = {
	[BALANCE_ROUNDROBIN] = "roundrobin", [BALANCE_LEASTCONN] = "leastconn",
	[BALANCE_SOURCE] = "source", [BALANCE_FIRST] = "first",
	[BALANCE_RANDOM] = "random", NULL,
};
static const char *const checks[] = {
	[CONF_CHECK_NONE] = "none", [CONF_CHECK_TCP] = "tcp",
	[CONF_CHECK_MYSQL] = "mysql", [CONF_CHECK_TLS] = "tls",
	[CONF_CHECK_EXPECT] = "expect", NULL,
};

#define TOP(member)		offsetof(struct conf, member)
#define BACKEND(member)		offsetof(struct conf_backend, member)
#define SERVER(member)		offsetof(struct conf_server, member)
#define LISTENER(member)	offsetof(struct conf_listener, member)
#define ROUTE(member)		offsetof(struct conf_route, member)

const struct conf_key	 conf_keys[] = {
	{ CONF_TOP, "user", CONF_STRING, TOP(user),
	    .preset = CONF_USER_PRESET, .restart = true,
	    .help = "user that all processes but the master become" },
	{ CONF_TOP, "auth_user", CONF_STRING, TOP(auth_user),
	    .preset = CONF_AUTH_USER_PRESET, .restart = true,
	    .help = "user that those become who hold secrets" },
	{ CONF_TOP, "pid_file", CONF_PATH, TOP(pid_file), .preset = "",
	    .restart = true,
	    .help = "file that holds the master's process id" },
	{ CONF_TOP, "conf_d", CONF_STRING, TOP(conf_d), .preset = "",
	    .help = "folder of files with more backends and listeners" },
	{ CONF_TOP, "log", CONF_GROUP, 0, .preset = "", .inner = CONF_LOG,
	    .help = "where lines go, which, and how they look" },
	{ CONF_TOP, "query_table", CONF_GROUP, 0, .preset = "",
	    .inner = CONF_QUERY_TABLE,
	    .help = "the table that records may go to" },
	{ CONF_TOP, "workers", CONF_GROUP, 0, .preset = "",
	    .inner = CONF_WORKERS, .help = "how many processes serve" },
	{ CONF_TOP, "carriers", CONF_GROUP, 0, .preset = "",
	    .inner = CONF_CARRIERS,
	    .help = "processes that have many sessions each" },
	{ CONF_TOP, "timeouts", CONF_GROUP, 0, .preset = "",
	    .inner = CONF_TIMEOUTS, .help = "how long each phase may last" },
	{ CONF_TOP, "control", CONF_GROUP, 0, .preset = "",
	    .inner = CONF_CONTROL, .help = "where sallyportctl is heard" },
	{ CONF_TOP, "backends", CONF_LIST, 0, .preset = "",
	    .inner = CONF_BACKEND, .help = "named sets of servers" },
	{ CONF_TOP, "listeners", CONF_LIST, 0, .inner = CONF_LISTENER,
	    .help = "addresses that users connect to" },

	{ CONF_LOG, "to", CONF_LOG_TO, TOP(log.to), .preset = "syslog",
	    .help = "\"stdout\", \"stderr\", \"syslog\" or a file" },
	{ CONF_LOG, "level", CONF_ENUM, TOP(log.level), .preset = "info",
	    .choices = levels, .help = "the least important line written" },
	{ CONF_LOG, "format", CONF_ENUM, TOP(log.format), .preset = "text",
	    .choices = formats, .help = "how a line looks" },

	{ CONF_WORKERS, "spare", CONF_INT, TOP(workers.spare), 1, 4096, "8",
	    .help = "idle workers kept for the next connections" },
	{ CONF_WORKERS, "max", CONF_INT, TOP(workers.max), 1, 32768, "4096",
	    .help = "workers, and so sessions, at the most" },
	{ CONF_WORKERS, "reuse", CONF_INT, TOP(workers.reuse), 1, 1000000000,
	    "10000", .help = "sessions after which a worker is replaced" },

	{ CONF_CARRIERS, "count", CONF_INT, TOP(carriers.count), 0, 64, "0",
	    .restart = true, .help = "how many; 0 for one a CPU" },
	{ CONF_CARRIERS, "sessions", CONF_INT, TOP(carriers.sessions), 1,
	    65536, "32768", .restart = true,
	    .help = "sessions that one carries at the most" },

	{ CONF_TIMEOUTS, "connect", CONF_TIME, TOP(timeouts.connect), 1,
	    10 * MINUTE, "5s", .help = "to find a server that answers" },
	{ CONF_TIMEOUTS, "handshake", CONF_TIME, TOP(timeouts.handshake), 1,
	    10 * MINUTE, "10s",
	    .help = "from accept until bytes are relayed" },
	{ CONF_TIMEOUTS, "idle", CONF_TIME, TOP(timeouts.idle), 1, 24 * DAY,
	    "8h", .help = "without a byte in either direction" },
	{ CONF_TIMEOUTS, "half_closed", CONF_TIME, TOP(timeouts.half_closed),
	    1, 24 * DAY, "5m",
	    .help = "without a byte once one side has ended its stream" },
	{ CONF_TIMEOUTS, "session", CONF_TIME, TOP(timeouts.session), 0,
	    365 * DAY, "0", .help = "a session in all; 0 for no limit" },
	{ CONF_TIMEOUTS, "drain", CONF_TIME, TOP(timeouts.drain), 0, 30 * DAY,
	    "1h", .help = "for sessions to end by themselves after QUIT" },

	{ CONF_CONTROL, "path", CONF_PATH, TOP(control.path), .preset = "",
	    .restart = true, .help = "socket of sallyportctl" },
	{ CONF_CONTROL, "group", CONF_STRING, TOP(control.group),
	    .preset = "", .restart = true,
	    .help = "group that may use it beside root" },

	{ CONF_BACKEND, "name", CONF_NAME, BACKEND(name),
	    .help = "what forward = \"backend:NAME\" refers to" },
	{ CONF_BACKEND, "servers", CONF_SERVERS, BACKEND(servers),
	    .inner = CONF_SERVER, .help = "addresses to dial" },
	{ CONF_BACKEND, "balance", CONF_ENUM, BACKEND(balance),
	    .preset = "roundrobin", .choices = balances,
	    .help = "how a session finds its server" },
	{ CONF_BACKEND, "retries", CONF_INT, BACKEND(retries), 0, 64, "3",
	    .help = "servers tried after the first did not answer" },
	{ CONF_BACKEND, "queue", CONF_GROUP, 0, .preset = "",
	    .inner = CONF_QUEUE, .help = "sessions that wait for a server" },
	{ CONF_BACKEND, "bind", CONF_STRING, BACKEND(bind), .preset = "",
	    .help = "address that servers are dialled from" },
	{ CONF_BACKEND, "check", CONF_GROUP, 0, .preset = "",
	    .inner = CONF_CHECK, .help = "how a server is found to be up" },
	{ CONF_BACKEND, "tls", CONF_GROUP, 0, .preset = "",
	    .inner = CONF_BACK_TLS, .help = "how servers are spoken to" },
	{ CONF_BACKEND, "server_public_key", CONF_PATH,
	    BACKEND(server_public_key), .preset = "",
	    .help = "the only RSA key that passwords are encrypted to" },

	{ CONF_SERVER, "address", CONF_ADDRESS, SERVER(text),
	    .help = "where the server is" },
	{ CONF_SERVER, "weight", CONF_INT, SERVER(weight), 0, 256, "1",
	    .help = "its share of the sessions" },
	{ CONF_SERVER, "backup", CONF_BOOL, SERVER(backup),
	    .preset = "false", .help = "only for when no other is up" },
	{ CONF_SERVER, "max_sessions", CONF_INT, SERVER(max_sessions), 0,
	    SESSIONS_MAX, "0", .help = "at a time; 0 for no limit" },
	{ CONF_SERVER, "send_proxy", CONF_INT, SERVER(send_proxy), 0, 2, "0",
	    .help = "version of the PROXY header sent first; 0 for none" },

	{ CONF_QUEUE, "size", CONF_INT, BACKEND(queue.size), 0, 65535,
	    "1024", .help = "sessions that may wait; 0 for none" },
	{ CONF_QUEUE, "timeout", CONF_TIME, BACKEND(queue.timeout), 1, HOUR,
	    "5s", .help = "how long each may" },

	{ CONF_CHECK, "type", CONF_ENUM, BACKEND(check.type),
	    .preset = "none", .choices = checks,
	    .help = "what a server must do to be up" },
	{ CONF_CHECK, "interval", CONF_TIME, BACKEND(check.interval), 100,
	    HOUR, "2s", .help = "from one check to the next" },
	{ CONF_CHECK, "timeout", CONF_TIME, BACKEND(check.timeout), 10,
	    10 * MINUTE, "1s", .help = "for one check" },
	{ CONF_CHECK, "rise", CONF_INT, BACKEND(check.rise), 1, 100, "2",
	    .help = "good checks in a row until it is up" },
	{ CONF_CHECK, "fall", CONF_INT, BACKEND(check.fall), 1, 100, "3",
	    .help = "bad checks in a row until it is down" },
	{ CONF_CHECK, "send", CONF_STRING, BACKEND(check.send), .preset = "",
	    .help = "bytes that are said first" },
	{ CONF_CHECK, "expect", CONF_STRING, BACKEND(check.expect),
	    .preset = "", .help = "bytes that must be answered" },

	{ CONF_BACK_TLS, "mode", CONF_ENUM, BACKEND(tls.mode),
	    .preset = "off", .choices = back_modes,
	    .help = "whether servers are spoken to in TLS" },
	{ CONF_BACK_TLS, "ca", CONF_PATH, BACKEND(tls.ca), .preset = "",
	    .help = "who may have signed a server's certificate" },
	{ CONF_BACK_TLS, "verify", CONF_ENUM, BACKEND(tls.verify),
	    .preset = "full", .choices = verifies,
	    .help = "what of a server's certificate must be right" },
	{ CONF_BACK_TLS, "server_name", CONF_STRING,
	    BACKEND(tls.server_name), 0, 253, "",
	    .help = "the name that it must have" },
	{ CONF_BACK_TLS, "certificate", CONF_PATH, BACKEND(tls.certificate),
	    .preset = "", .help = "what servers know us by" },
	{ CONF_BACK_TLS, "key", CONF_PATH, BACKEND(tls.key), .preset = "",
	    .help = "the private key of that certificate" },
	{ CONF_BACK_TLS, "min_version", CONF_ENUM, BACKEND(tls.min_version),
	    .preset = "TLSv1.2", .choices = versions,
	    .help = "the oldest version that is spoken" },

	{ CONF_LISTENER, "name", CONF_NAME, LISTENER(name),
	    .help = "what the log calls it" },
	{ CONF_LISTENER, "listen", CONF_LISTEN, LISTENER(listen),
	    .help = "addresses to accept on" },
	{ CONF_LISTENER, "protocol", CONF_ENUM, LISTENER(protocol),
	    .preset = "tcp", .choices = protocols,
	    .help = "what is spoken there" },
	{ CONF_LISTENER, "forward", CONF_STRING, LISTENER(forward),
	    .help = "\"host:port\", \"unix:/path\" or \"backend:NAME\"" },
	{ CONF_LISTENER, "pool", CONF_NAME, LISTENER(pool), .preset = "",
	    .help = "the processes that serve it" },
	{ CONF_LISTENER, "carry", CONF_ENUM, LISTENER(carry),
	    .preset = "auto", .choices = carries,
	    .help = "when a session leaves its process for a carrier" },
	{ CONF_LISTENER, "buffer", CONF_SIZE, LISTENER(buffer), 512, 16 * MIB,
	    "64k", .help = "bytes held for each direction of a session" },
	{ CONF_LISTENER, "allow", CONF_NETS, LISTENER(allow), .preset = "",
	    .help = "networks of those who may connect" },
	{ CONF_LISTENER, "deny", CONF_NETS, LISTENER(deny), .preset = "",
	    .help = "networks of those who may not" },
	{ CONF_LISTENER, "max_sessions", CONF_INT, LISTENER(max_sessions), 0,
	    SESSIONS_MAX, "0", .help = "at a time; 0 for no limit" },
	{ CONF_LISTENER, "max_sessions_per_source", CONF_INT,
	    LISTENER(max_sessions_per_source), 0, SESSIONS_MAX, "0",
	    .help = "of one client at a time; 0 for no limit" },
	{ CONF_LISTENER, "rate_per_source", CONF_RATE,
	    LISTENER(rate_per_source), .preset = "0",
	    .help = "new sessions of one client; 0 for no limit" },
	{ CONF_LISTENER, "penalty", CONF_TIME, LISTENER(penalty), 0, DAY,
	    "0", .help = "for a client that exceeded its rate" },
	{ CONF_LISTENER, "handshakes", CONF_INT, LISTENER(handshakes), 0,
	    SESSIONS_MAX, "0",
	    .help = "sessions not yet relayed; 0 for no limit" },
	{ CONF_LISTENER, "proxy_protocol", CONF_GROUP, 0, .preset = "",
	    .inner = CONF_PROXY, .help = "who names the client in a header" },
	{ CONF_LISTENER, "backlog", CONF_INT, LISTENER(backlog), 1, 65535,
	    "4096", .help = "connections that wait to be accepted" },
	{ CONF_LISTENER, "keepalive", CONF_GROUP, 0, .preset = "",
	    .inner = CONF_KEEPALIVE, .help = "when a silent peer is probed" },
	{ CONF_LISTENER, "user_timeout", CONF_TIME, LISTENER(user_timeout),
	    0, 24 * DAY, "0", .help = "until unacknowledged bytes end it" },
	{ CONF_LISTENER, "nodelay", CONF_BOOL, LISTENER(nodelay),
	    .preset = "true", .help = "small packets are sent at once" },
	{ CONF_LISTENER, "v6only", CONF_BOOL, LISTENER(v6only),
	    .preset = "true", .help = "an IPv6 address takes no IPv4" },
	{ CONF_LISTENER, "device", CONF_STRING, LISTENER(device), 0, 15, "",
	    .help = "the only network interface to accept from" },
	{ CONF_LISTENER, "transparent", CONF_BOOL, LISTENER(transparent),
	    .preset = "false", .help = "the address need not be ours" },
	{ CONF_LISTENER, "fast_open", CONF_INT, LISTENER(fast_open), 0, 65535,
	    "0", .help = "clients whose first packet may bring bytes" },
	{ CONF_LISTENER, "defer_accept", CONF_TIME, LISTENER(defer_accept), 0,
	    HOUR, "0", .step = SECOND,
	    .help = "how long to wait for a client's first bytes" },
	{ CONF_LISTENER, "tls", CONF_GROUP, 0, .preset = "",
	    .inner = CONF_FRONT_TLS, .help = "how clients are spoken to" },
	{ CONF_LISTENER, "greeting", CONF_ENUM, LISTENER(greeting),
	    .preset = "own", .choices = greetings,
	    .help = "whose greeting a MySQL client sees" },
	{ CONF_LISTENER, "local_infile", CONF_BOOL, LISTENER(local_infile),
	    .preset = "true",
	    .help = "MySQL clients may be asked for their files" },
	{ CONF_LISTENER, "compression", CONF_BOOL, LISTENER(compression),
	    .preset = "false", .help = "MySQL packets may be compressed" },

	{ CONF_LISTENER, "query_log", CONF_GROUP, 0, .preset = "",
	    .inner = CONF_QUERY_LOG,
	    .help = "the record of what MySQL clients do" },
	{ CONF_LISTENER, "deny_commands", CONF_TEXTS,
	    LISTENER(deny_commands), 1, 32, "",
	    .help = "commands of MySQL clients that are refused" },

	{ CONF_QUERY_LOG, "to", CONF_STRING, LISTENER(query_log.to),
	    .preset = "", .help = "where the record goes" },
	{ CONF_QUERY_LOG, "format", CONF_ENUM, LISTENER(query_log.format),
	    .preset = "text", .choices = formats,
	    .help = "how its lines look" },
	{ CONF_QUERY_LOG, "max_statement", CONF_SIZE,
	    LISTENER(query_log.max_statement), 256, 16 * MIB, "64k",
	    .help = "what is kept of a statement, and of its values" },
	{ CONF_QUERY_LOG, "on_overflow", CONF_ENUM,
	    LISTENER(query_log.on_overflow), .preset = "drop",
	    .choices = overflows,
	    .help = "what happens when a line finds no room" },
	{ CONF_QUERY_LOG, "commands", CONF_TEXTS,
	    LISTENER(query_log.commands), 1, 32, "",
	    .help = "commands that are recorded, or \"all\"" },
	{ CONF_QUERY_LOG, "redact", CONF_BOOL, LISTENER(query_log.redact),
	    .preset = "true", .help = "passwords in statements are hidden" },

	{ CONF_QUERY_TABLE, "server", CONF_STRING, TOP(query_table.server),
	    .preset = "127.0.0.1:3306", .help = "where the database is" },
	{ CONF_QUERY_TABLE, "user", CONF_STRING, TOP(query_table.user),
	    .preset = "", .help = "the account that writes" },
	{ CONF_QUERY_TABLE, "password_file", CONF_PATH,
	    TOP(query_table.password_file), .preset = "",
	    .help = "the file whose first line is its password" },
	{ CONF_QUERY_TABLE, "database", CONF_STRING,
	    TOP(query_table.database), 0, 64, "",
	    .help = "where the table is" },
	{ CONF_QUERY_TABLE, "name", CONF_NAME, TOP(query_table.name),
	    .preset = "query_log", .help = "what it is called" },
	{ CONF_QUERY_TABLE, "tls", CONF_ENUM, TOP(query_table.tls),
	    .preset = "off", .choices = table_tls,
	    .help = "whether it is spoken to in TLS" },
	{ CONF_QUERY_TABLE, "ca", CONF_PATH, TOP(query_table.ca),
	    .preset = "", .help = "who may have signed its certificate" },

	{ CONF_PROXY, "accept", CONF_BOOL, LISTENER(proxy_protocol.accept),
	    .preset = "false", .help = "connections begin with a header" },
	{ CONF_PROXY, "from", CONF_NETS, LISTENER(proxy_protocol.from),
	    .preset = "", .help = "networks of those who may send it" },

	{ CONF_KEEPALIVE, "idle", CONF_TIME, LISTENER(keepalive.idle), 0,
	    9 * HOUR, "0", .step = SECOND,
	    .help = "silence before the first probe" },
	{ CONF_KEEPALIVE, "interval", CONF_TIME, LISTENER(keepalive.interval),
	    0, 9 * HOUR, "0", .step = SECOND,
	    .help = "from one probe to the next" },
	{ CONF_KEEPALIVE, "count", CONF_INT, LISTENER(keepalive.count), 0,
	    127, "0", .help = "probes without answer that end it" },

	{ CONF_FRONT_TLS, "mode", CONF_ENUM, LISTENER(tls.mode),
	    .preset = "off", .choices = front_modes,
	    .help = "whether clients may, or must, use TLS" },
	{ CONF_FRONT_TLS, "certificate", CONF_PATHS,
	    LISTENER(tls.certificate), .preset = "",
	    .help = "what clients know us by" },
	{ CONF_FRONT_TLS, "key", CONF_PATHS, LISTENER(tls.key), .preset = "",
	    .help = "the private key of each certificate" },
	{ CONF_FRONT_TLS, "chain", CONF_PATHS, LISTENER(tls.chain),
	    .preset = "", .help = "what each was signed by" },
	{ CONF_FRONT_TLS, "min_version", CONF_ENUM,
	    LISTENER(tls.min_version), .preset = "TLSv1.2",
	    .choices = versions, .help = "the oldest version that is spoken" },
	{ CONF_FRONT_TLS, "ciphers", CONF_STRING, LISTENER(tls.ciphers),
	    .preset = "", .help = "ciphers up to TLS 1.2" },
	{ CONF_FRONT_TLS, "ciphersuites", CONF_STRING,
	    LISTENER(tls.ciphersuites), .preset = "",
	    .help = "ciphers of TLS 1.3" },
	{ CONF_FRONT_TLS, "curves", CONF_STRING, LISTENER(tls.curves),
	    .preset = "", .help = "groups that keys are agreed on in" },
	{ CONF_FRONT_TLS, "client_verify", CONF_ENUM,
	    LISTENER(tls.client_verify), .preset = "none",
	    .choices = client_verifies,
	    .help = "whether a client may, or must, have a certificate" },
	{ CONF_FRONT_TLS, "client_ca", CONF_PATH, LISTENER(tls.client_ca),
	    .preset = "", .help = "who may have signed it" },
	{ CONF_FRONT_TLS, "client_crl", CONF_PATH, LISTENER(tls.client_crl),
	    .preset = "", .help = "those that are valid no more" },
	{ CONF_FRONT_TLS, "ocsp", CONF_PATH, LISTENER(tls.ocsp),
	    .preset = "", .help = "the word of our CA that we are valid" },
	{ CONF_FRONT_TLS, "tickets", CONF_BOOL, LISTENER(tls.tickets),
	    .preset = "true", .help = "clients may resume a session" },
	{ CONF_FRONT_TLS, "alpn", CONF_TEXTS, LISTENER(tls.alpn), 1, 255,
	    "", .help = "protocols that a client may choose from" },
	{ CONF_FRONT_TLS, "routes", CONF_ROUTES, LISTENER(tls.routes),
	    .preset = "", .inner = CONF_ROUTE,
	    .help = "where a client gets by what it asks for" },

	{ CONF_ROUTE, "server_name", CONF_STRING, ROUTE(server_name), 0, 253,
	    "", .help = "the host that a client asks for" },
	{ CONF_ROUTE, "alpn", CONF_STRING, ROUTE(alpn), 0, 255, "",
	    .help = "the protocol that was agreed on" },
	{ CONF_ROUTE, "forward", CONF_STRING, ROUTE(forward),
	    .help = "where such a client gets" },
	{ .name = NULL },
};

const struct conf_key *
conf_key_find(enum conf_section section, const char *name)
{
	const struct conf_key	*k;

	for (k = conf_keys; k->name != NULL; k++)
		if (k->section == section && strcmp(k->name, name) == 0)
			return k;
	return NULL;
}
