#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "policy/conf.h"
#include "policy/conf_assign.h"
#include "policy/conf_include.h"
#include "policy/conf_tunnel.h"
#include "unit.h"

static struct conf		*conf;
static struct conf_report	 report;

static void
set_up(void)
{
	conf = conf_new();
	report = (struct conf_report){ .errors = NULL };
}

static void
tear_down_conf(void)
{
	conf_report_free(&report);
	conf_free(&conf);
	ck_assert_ptr_null(conf);
	conf_free(&conf);
}

static void
tear_down(void)
{
	tear_down_conf();
	unit_folder_remove();
}

static int
take(const char *text)
{
	conf_read_text(conf, "f", text, strlen(text), &report);
	return conf_finish(conf, &report);
}

static void
expect_good(int rc)
{
	ck_assert_msg(rc == 0 && report.nerrors == 0, "%s",
	    report.nerrors > 0 ? report.errors[0] : "-1 without an error");
}

static void
expect_errors(const char *const *want, size_t n)
{
	for (size_t i = 0; i < n && i < report.nerrors; i++)
		ck_assert_str_eq(report.errors[i], want[i]);
	ck_assert_uint_eq(report.nerrors, n);
}

static char *
printed(const struct conf *c)
{
	char	*text = NULL;
	size_t	 len;
	FILE	*out = open_memstream(&text, &len);

	ck_assert_ptr_nonnull(out);
	conf_print(c, out);
	ck_assert_int_eq(fclose(out), 0);
	return text;
}

static void
expect_same_ways(const struct conf_listener *a, const struct conf_listener *b)
{
	ck_assert_uint_eq(a->backend, b->backend);
	ck_assert_uint_eq(a->tls.routes.n, b->tls.routes.n);
	for (size_t i = 0; i < a->tls.routes.n; i++)
		ck_assert_uint_eq(a->tls.routes.v[i].backend,
		    b->tls.routes.v[i].backend);
}

/* Read back, what was printed prints the same. */
static void
expect_stable(void)
{
	struct conf	*again = conf_new();
	char		*one = printed(conf), *two;

	conf_read_text(again, "printed", one, strlen(one), &report);
	expect_good(conf_finish(again, &report));
	two = printed(again);
	ck_assert_str_eq(one, two);
	ck_assert_uint_eq(again->nbackends, conf->nbackends);
	ck_assert_uint_eq(again->nlisteners, conf->nlisteners);
	ck_assert_uint_eq(again->nservers, conf->nservers);
	for (size_t i = 0; i < conf->nlisteners; i++)
		expect_same_ways(&conf->listeners[i], &again->listeners[i]);
	free(one);
	free(two);
	conf_free(&again);
}

#define COMMANDS	\
	"quit init_db query field_list create_db drop_db refresh shutdown " \
	"statistics process_info process_kill debug ping change_user " \
	"binlog_dump register_slave stmt_prepare stmt_execute " \
	"stmt_send_long_data stmt_close stmt_reset set_option stmt_fetch " \
	"binlog_dump_gtid reset_connection clone stmt_bulk_execute"
#define ALIKE	\
	"want false, or tls.mode \"require\" for clients and servers " \
	"alike, or TLS and local sockets for neither: else logins could " \
	"not be looked after"

#define A	"listeners = ( { name = \"a\"; listen = \":1\"; " \
		"forward = \"h:1\"; } );"

/* Every key that the other does not set. */
#define ALL	\
	"auth_user = \"x\";\n" \
	"control = { path = \"/run/c\"; group = \"adm\"; };\n" \
	"backends = ( { name = \"b\"; balance = \"leastconn\"; retries = 0;\n" \
	"  servers = ( \"h:1\", { address = \"10.0.0.1:2\"; weight = 256;\n" \
	"    backup = true; max_sessions = 7; send_proxy = 2; },\n" \
	"    { address = \"unix:/x\"; weight = 0; } );\n" \
	"  queue = { size = 65535; timeout = \"90s\"; };\n" \
	"  bind = \"10.0.0.9\"; check = { type = \"expect\"; rise = 1;\n" \
	"    fall = 100; interval = \"100ms\"; timeout = \"10ms\";\n" \
	"    send = \"a\\r\\n\"; expect = \"\\x01\\\"\"; }; },\n" \
	"  { name = \"c\"; servers = { address = \"[::1]:9\"; };\n" \
	"  bind = \"::2\"; check = { type = \"mysql\"; };\n" \
	"  tls = { mode = \"require\"; ca = \"/ca\"; verify = \"ca\";\n" \
	"    server_name = \"db.example\"; certificate = \"/c\";\n" \
	"    key = \"/k\"; min_version = \"TLSv1.3\"; }; },\n" \
	"  { name = \"d\"; servers = \"h:3\"; server_public_key = \"/p\";\n" \
	"  tls = { mode = \"prefer\"; }; } );\n" \
	"listeners = ( { name = \"a\"; listen = \":1\"; pool = \"p\";\n" \
	"  forward = \"backend:b\"; allow = \"10.0.0.0/8\";\n" \
	"  deny = [ \"10.1.0.0/16\", \"unix\", \"2001:db8::/32\" ];\n" \
	"  max_sessions = 1; max_sessions_per_source = 1000000;\n" \
	"  rate_per_source = \"10/60s\"; penalty = \"1d\"; handshakes = 3;\n" \
	"  proxy_protocol = { accept = true; from = \"127.0.0.1/32\"; };\n" \
	"  backlog = 1; keepalive = { idle = 30; interval = \"9h\";\n" \
	"    count = 127; }; user_timeout = \"24d\"; nodelay = false;\n" \
	"  v6only = false; device = \"eth0\"; transparent = true;\n" \
	"  fast_open = 65535; defer_accept = \"1h\";\n" \
	"  tls = { mode = \"require\"; certificate = ( \"/c1\", \"/c2\" );\n" \
	"    key = ( \"/k1\", \"/k2\" ); chain = ( \"\", \"/i\" );\n" \
	"    min_version = \"TLSv1.3\"; ciphers = \"ALL:@SECLEVEL=0\";\n" \
	"    ciphersuites = \"TLS_AES_256_GCM_SHA384\"; curves = \"X25519\";\n" \
	"    client_verify = \"optional\"; client_ca = \"/ca\";\n" \
	"    client_crl = \"/crl\"; ocsp = \"/ocsp\"; tickets = false;\n" \
	"    alpn = [ \"h2\", \"\\x01\" ]; routes = (\n" \
	"      { server_name = \"a.example\"; forward = \"backend:c\"; },\n" \
	"      { server_name = \"*.Example\"; alpn = \"h2\";\n" \
	"        forward = \"h:9\"; },\n" \
	"      { alpn = \"\\x01\"; forward = \"unix:/x\"; } ); }; },\n" \
	"  { name = \"m\"; listen = \":2\"; protocol = \"mysql\";\n" \
	"  forward = \"backend:d\"; greeting = \"server\";\n" \
	"  local_infile = false; tls = {\n" \
	"    mode = \"offer\"; certificate = \"/c\"; key = \"/k\"; }; },\n" \
	"  { name = \"n\"; listen = \":3\"; protocol = \"mysql\";\n" \
	"  forward = \"h:5\"; compression = true; },\n" \
	"  { name = \"o\"; listen = \":4\"; protocol = \"mysql\";\n" \
	"  forward = \"h:6\"; deny_commands = (\"shutdown\", \"clone\");\n" \
	"  query_log = { to = \"/q\"; format = \"json\";\n" \
	"    max_statement = \"1m\"; on_overflow = \"wait\";\n" \
	"    commands = (\"query\", \"stmt_execute\");\n" \
	"    redact = false; }; },\n" \
	"  { name = \"p\"; listen = \":5\"; protocol = \"mysql\";\n" \
	"  forward = \"h:7\"; query_log = { to = \"table\"; }; } );\n" \
	"query_table = { server = \"unix:/t\"; user = \"u\";\n" \
	"  password_file = \"/pw\"; database = \"d\"; name = \"n\";\n" \
	"  tls = \"verify\"; ca = \"/ca\"; };"

static const char *const	 good[] = {
	A,
	/* All there is. */
	"user = \"nobody\"; pid_file = \"/run/x.pid\";\n"
	"log = { to = \"/var/log/x\"; level = \"debug\"; format = \"json\"; };\n"
	"workers = { spare = 1; max = 10; reuse = 5; };\n"
	"timeouts = { connect = 3; handshake = \"4s\"; idle = \"1h\";\n"
	"  half_closed = \"10ms\"; session = \"2d\"; drain = 0; };\n"
	"backends = ( { name = \"b\"; servers = (\"h1:1\", \"10.0.0.1:2\",\n"
	"  \"[::1]:3\", \"unix:/x\"); }, { name = \"c\"; servers = \"h2:1\"; } );\n"
	"listeners = ( { name = \"x\"; listen = [\":1\", \"[::1]:2\"];\n"
	"  protocol = \"tcp\"; forward = \"backend:c\"; buffer = 4096; },\n"
	"  { name = \"y\"; listen = (\"unix:/x\", \"unix:@x\");\n"
	"  forward = \"backend:b\"; buffer = \"1m\"; } );",
	ALL,
	/* The other ways to write a setting. */
	"user : \"nobody\"\n# comment\n// another\n/* and one more */\n" A,
	"workers : { spare : 0x10, max : 20L };" A,
	"user = \"no\" \"body\";" A,
	"log = { };" A,
	"backends = ( );" A,
	/* Several listeners to one backend, some without one. */
	"backends = ( { name = \"b\"; servers = \"h:1\"; } );"
	"listeners = ( { name = \"a\"; listen = \":1\"; forward = \"backend:b\"; },"
	" { name = \"b\"; listen = \":2\"; forward = \"backend:b\"; },"
	" { name = \"c\"; listen = \":3\"; forward = \"unix:/x\"; } );",
	/* Bytes that need quoting. */
	"user = \"a\\\"b\\\\c\\n\\x01\\x7f \xc3\xa9\";" A,
	/* One backend and one listener may have the same name. */
	"backends = ( { name = \"a\"; servers = \"h:1\"; } );" A,
};

START_TEST(a_good_file_is_taken_and_prints_the_same_when_read_back)
{
	expect_good(take(good[_i]));
	expect_stable();
}
END_TEST

START_TEST(a_good_file_is_understood)
{
	struct conf_listener	*l;

	expect_good(take(good[1]));
	ck_assert_str_eq(conf->user, "nobody");
	ck_assert_str_eq(conf->pid_file, "/run/x.pid");
	ck_assert_str_eq(conf->log.to, "/var/log/x");
	ck_assert_int_eq(conf->log.level, 3);
	ck_assert_int_eq(conf->log.format, CONF_LOG_JSON);
	ck_assert_int_eq(conf->workers.spare, 1);
	ck_assert_int_eq(conf->workers.max, 10);
	ck_assert_int_eq(conf->workers.reuse, 5);
	ck_assert_int_eq(conf->timeouts.connect, 3000);
	ck_assert_int_eq(conf->timeouts.handshake, 4000);
	ck_assert_int_eq(conf->timeouts.idle, 3600000);
	ck_assert_int_eq(conf->timeouts.half_closed, 10);
	ck_assert_int_eq(conf->timeouts.session, 172800000);
	ck_assert_int_eq(conf->timeouts.drain, 0);
	ck_assert_uint_eq(conf->nbackends, 2);
	ck_assert_uint_eq(conf->nlisteners, 2);
	l = &conf->listeners[0];
	ck_assert_str_eq(l->name, "x");
	ck_assert_str_eq(l->where, "f:8");
	ck_assert_str_eq(l->pool, "tcp");
	ck_assert_uint_eq(l->listen.n, 2);
	ck_assert_uint_eq(l->backend, 1);
	ck_assert_int_eq(l->buffer, 4096);
	ck_assert_uint_eq(conf->listeners[1].backend, 0);
	ck_assert_int_eq(conf->listeners[1].buffer, 1048576);
	/* Servers are counted over all backends. */
	ck_assert_uint_eq(conf->nservers, 5);
	for (size_t i = 0; i < 4; i++)
		ck_assert_uint_eq(conf->backends[0].servers.v[i].index, i);
	ck_assert_uint_eq(conf->backends[1].servers.v[0].index, 4);
}
END_TEST

START_TEST(every_other_key_is_understood)
{
	struct conf_backend	*b;
	struct conf_listener	*l;

	expect_good(take(ALL));
	ck_assert_uint_eq(report.nwarnings, 0);
	ck_assert_str_eq(conf->control.path, "/run/c");
	ck_assert_str_eq(conf->control.group, "adm");
	b = &conf->backends[0];
	ck_assert_int_eq(b->balance, BALANCE_LEASTCONN);
	ck_assert(b->placed);
	ck_assert_int_eq(b->retries, 0);
	ck_assert_uint_eq(b->servers.n, 3);
	ck_assert_str_eq(b->servers.v[0].text, "h:1");
	ck_assert_int_eq(b->servers.v[0].weight, 1);
	ck_assert_str_eq(b->servers.v[1].text, "10.0.0.1:2");
	ck_assert_int_eq(b->servers.v[1].weight, 256);
	ck_assert(b->servers.v[1].backup);
	ck_assert_int_eq(b->servers.v[1].max_sessions, 7);
	ck_assert_int_eq(b->servers.v[1].send_proxy, 2);
	ck_assert_int_eq(b->servers.v[1].spec.port, 2);
	ck_assert_int_eq(b->servers.v[2].weight, 0);
	ck_assert_int_eq(b->queue.size, 65535);
	ck_assert_int_eq(b->queue.timeout, 90000);
	ck_assert_int_eq(b->source.u.in.sin_family, AF_INET);
	ck_assert_int_eq(b->check.type, CONF_CHECK_EXPECT);
	ck_assert_int_eq(b->check.interval, 100);
	ck_assert_int_eq(b->check.timeout, 10);
	ck_assert_int_eq(b->check.rise, 1);
	ck_assert_int_eq(b->check.fall, 100);
	ck_assert_str_eq(b->check.send, "a\r\n");
	ck_assert_str_eq(b->check.expect, "\x01\"");
	ck_assert(!conf->backends[1].placed);
	ck_assert_int_eq(conf->backends[1].source.u.in6.sin6_family, AF_INET6);
	l = &conf->listeners[0];
	ck_assert_str_eq(l->pool, "p");
	ck_assert_uint_eq(l->allow.n, 1);
	ck_assert_uint_eq(l->deny.n, 3);
	ck_assert_int_eq(l->max_sessions, 1);
	ck_assert_int_eq(l->max_sessions_per_source, 1000000);
	ck_assert_int_eq(l->rate_per_source.count, 10);
	ck_assert_int_eq(l->rate_per_source.ms, 60000);
	ck_assert_int_eq(l->penalty, 86400000);
	ck_assert_int_eq(l->handshakes, 3);
	ck_assert(l->proxy_protocol.accept);
	ck_assert_uint_eq(l->proxy_protocol.from.n, 1);
	ck_assert_int_eq(l->backlog, 1);
	ck_assert_int_eq(l->keepalive.idle, 30000);
	ck_assert_int_eq(l->keepalive.interval, 32400000);
	ck_assert_int_eq(l->keepalive.count, 127);
	ck_assert_int_eq(l->user_timeout, 2073600000);
	ck_assert(!l->nodelay);
	ck_assert(!l->v6only);
	ck_assert_str_eq(l->device, "eth0");
	ck_assert(l->transparent);
	ck_assert_int_eq(l->fast_open, 65535);
	ck_assert_int_eq(l->defer_accept, 3600000);
	ck_assert(l->admitted);
}
END_TEST

START_TEST(what_is_said_of_tls_is_understood)
{
	const struct conf_listener	*l;
	const struct conf_backend	*b;

	expect_good(take(ALL));
	ck_assert_str_eq(conf->auth_user, "x");
	b = &conf->backends[1];
	ck_assert_int_eq(b->tls.mode, CONF_TLS_REQUIRE);
	ck_assert_str_eq(b->tls.ca, "/ca");
	ck_assert_int_eq(b->tls.verify, CONF_VERIFY_CA);
	ck_assert_str_eq(b->tls.server_name, "db.example");
	ck_assert_str_eq(b->tls.certificate, "/c");
	ck_assert_str_eq(b->tls.key, "/k");
	ck_assert_int_eq(b->tls.min_version, CONF_TLS_1_3);
	ck_assert_int_eq(conf->backends[2].tls.mode, CONF_TLS_PREFER);
	ck_assert_str_eq(conf->backends[2].server_public_key, "/p");
	l = &conf->listeners[0];
	ck_assert_int_eq(l->tls.mode, CONF_TLS_REQUIRE);
	ck_assert_uint_eq(l->tls.certificate.n, 2);
	ck_assert_str_eq(l->tls.certificate.v[1], "/c2");
	ck_assert_uint_eq(l->tls.key.n, 2);
	ck_assert_str_eq(l->tls.key.v[0], "/k1");
	ck_assert_uint_eq(l->tls.chain.n, 2);
	ck_assert_str_eq(l->tls.chain.v[0], "");
	ck_assert_int_eq(l->tls.min_version, CONF_TLS_1_3);
	ck_assert_str_eq(l->tls.ciphers, "ALL:@SECLEVEL=0");
	ck_assert_str_eq(l->tls.ciphersuites, "TLS_AES_256_GCM_SHA384");
	ck_assert_str_eq(l->tls.curves, "X25519");
	ck_assert_int_eq(l->tls.client_verify, CONF_CLIENT_OPTIONAL);
	ck_assert_str_eq(l->tls.client_ca, "/ca");
	ck_assert_str_eq(l->tls.client_crl, "/crl");
	ck_assert_str_eq(l->tls.ocsp, "/ocsp");
	ck_assert(!l->tls.tickets);
	ck_assert_uint_eq(l->tls.alpn.n, 2);
	ck_assert_str_eq(l->tls.alpn.v[1], "\x01");
	l++;
	ck_assert_int_eq(l->protocol, CONF_MYSQL);
	ck_assert_str_eq(l->pool, "mysql");
	ck_assert_int_eq(l->tls.mode, CONF_TLS_OFFER);
	ck_assert_int_eq(l->greeting, CONF_GREETING_SERVER);
	ck_assert(!l->local_infile);
	ck_assert(conf->listeners[2].compression);
	l = &conf->listeners[3];
	ck_assert_str_eq(l->query_log.to, "/q");
	ck_assert_int_eq(l->query_log.kind, CONF_RECORD_FILE);
	ck_assert_int_eq(l->query_log.format, CONF_LOG_JSON);
	ck_assert_int_eq(l->query_log.max_statement, 1 << 20);
	ck_assert_int_eq(l->query_log.on_overflow, CONF_OVERFLOW_WAIT);
	ck_assert(!l->query_log.redact);
	ck_assert_uint_eq(l->deny_commands.n, 2);
	ck_assert_int_eq(l[1].query_log.kind, CONF_RECORD_TABLE);
	ck_assert(conf->query_table.wanted);
	ck_assert_int_eq(conf->query_table.spec.addr.u.sa.sa_family, AF_UNIX);
	ck_assert_str_eq(conf->query_table.password_file, "/pw");
	ck_assert_int_eq(conf->query_table.tls, CONF_TABLE_VERIFY);
	for (int i = 0; i < MYSQL_COMMANDS; i++) {
		ck_assert_int_eq(l->query_log.set.bits[i / 8] >> i % 8 & 1,
		    i == MYSQL_COM_QUERY || i == MYSQL_COM_STMT_EXECUTE);
		ck_assert_int_eq(l->denied.bits[i / 8] >> i % 8 & 1,
		    i == MYSQL_COM_SHUTDOWN || i == MYSQL_COM_CLONE);
	}
}
END_TEST

START_TEST(a_route_leads_to_a_backend_of_the_list_or_to_one_of_its_own)
{
	const struct conf_listener	*l;

	expect_good(take(ALL));
	l = &conf->listeners[0];
	ck_assert_uint_eq(l->tls.routes.n, 3);
	ck_assert_ptr_eq(conf_backend_of(conf, l, 0), &conf->backends[0]);
	ck_assert_ptr_eq(conf_backend_of(conf, l, 1), &conf->backends[1]);
	ck_assert_str_eq(conf_backend_of(conf, l, 2)->servers.v[0].text,
	    "h:9");
	ck_assert_str_eq(conf_backend_of(conf, l, 3)->servers.v[0].text,
	    "unix:/x");
	ck_assert_ptr_null(conf_backend_of(conf, l, 4));
	ck_assert_str_eq(l->tls.routes.v[1].server_name, "*.Example");
	ck_assert_str_eq(l->tls.routes.v[1].alpn, "h2");
	ck_assert_str_eq(l->tls.routes.v[0].alpn, "");
}
END_TEST

START_TEST(what_is_not_set_has_its_default)
{
	expect_good(take(A));
	ck_assert_str_eq(conf->user, "_sallyport");
	ck_assert_str_eq(conf->auth_user, "_sallyauth");
	ck_assert_int_eq(conf->timeouts.connect, 5000);
	ck_assert_int_eq(conf->listeners[0].buffer, 65536);
	ck_assert_int_eq(conf->listeners[0].protocol, CONF_TCP);
	ck_assert_int_eq(conf->listeners[0].tls.mode, CONF_TLS_OFF);
	ck_assert_int_eq(conf->listeners[0].tls.min_version, CONF_TLS_1_2);
	ck_assert_int_eq(conf->listeners[0].greeting, CONF_GREETING_OWN);
	ck_assert(conf->listeners[0].local_infile);
	ck_assert(!conf->listeners[0].compression);
	ck_assert_int_eq(conf->listeners[0].query_log.kind,
	    CONF_RECORD_NONE);
	ck_assert_int_eq(conf->listeners[0].query_log.max_statement, 65536);
	ck_assert(conf->listeners[0].query_log.redact);
	ck_assert_int_eq(conf->backends[0].tls.mode, CONF_TLS_OFF);
	ck_assert_int_eq(conf->backends[0].tls.verify, CONF_VERIFY_FULL);
	ck_assert_uint_eq(conf->nbackends, 1);
	ck_assert(conf->backends[0].implicit);
}
END_TEST

START_TEST(there_are_never_more_spare_workers_than_workers)
{
	expect_good(take("workers = { spare = 100; max = 3; };" A));
	ck_assert_int_eq(conf->workers.spare, 3);
}
END_TEST

#define TIME_TAIL	" (units ms, s, m, h, d; a bare number is seconds)"
#define TOP_KEYS	"no such key; there are user auth_user pid_file sandbox " \
			"conf_d log query_table otp_table totp groups " \
			"accounts agents agents_max topics hubs publish " \
			"workers carriers timeouts control backends listeners"
#define ADDRS		"want an address in quotes, or a list of them: " \
			"(\"...\", \"...\")"
#define GROUPS		"want a list of groups: ( { ... }, ... )"

#define L1(more)	"listeners = ( { name = \"a\"; listen = \":1\"; " \
			"forward = \"h:1\"; " more " } );"
#define B1(more)	"backends = ( { name = \"b\"; " more " } );" A
#define WANT_BOOL	"want true or false, without quotes"
#define WANT_RATE	"want a rate like \"10/s\", \"100/m\" or " \
			"\"20/10s\", or \"0\" for no limit"
#define SERVERS		"want an address in quotes, a group: { address = " \
			"\"...\"; ... }, or a list of these: ( ..., ... )"

#define HUBL	"listeners = ( { name = \"h\"; listen = \":1\"; " \
		"protocol = \"hub\"; } ); "
#define AGENT(id, publish) "agents = ( { id = \"" id "\"; secret_file = " \
		"\"/s\"; publish = " publish "; } ); "
#define KNOWN(more) "hubs = ( { name = \"b\"; address = \"h:1\"; id = " \
		"\"a\"; secret_file = \"/s\"; " more " } ); "
#define PIN	"pin = \"sha256:0123456789abcdef0123456789abcdef" \
		"0123456789abcdef0123456789ABCDEF\";"

/* Of a listener with TLS; of one in front of a backend. */
#define TLS(keys)	L1("tls = { " keys " };")
#define ON(keys)	TLS("mode = \"require\"; " keys)
#define CK		"certificate = \"/c\"; key = \"/k\"; "
#define ROUTE(name, p)	"routes = { server_name = \"" name "\"; alpn = \"" p \
			"\"; forward = \"h:1\"; };"
#define MYSQL(more)	L1("protocol = \"mysql\"; " more)
#define RECORD(where, more)	\
			MYSQL("query_log = { to = \"" where "\"; " more " };")
#define WRITER		"query_table = { user = \"u\"; database = \"d\"; "
#define NO_RECORD	"without query_log.to it is of no effect"
#define MIXED		"f:1: query_log.format: not that of log.format, so " \
			"lines of both are in one log"
#define LOOKED_AT	"f:1: carry: sessions whose commands are looked at " \
			"stay in the processes that do so"
#define LINK(word, of)	"backends = ( { name = \"b\"; servers = \"h:1\"; " of \
			" } ); listeners = ( { name = \"a\"; listen = \":1\"; " \
			"protocol = \"" word "\"; forward = \"backend:b\"; }, " \
			"{ name = \"c\"; listen = \":2\"; protocol = \"" word \
			"\"; forward = \"backend:b\"; } );"
#define HOST		"want the name of a host, or \"*.\" and a name for " \
			"all below that"
#define PATHS		"want an absolute path in quotes, or a list of them: " \
			"(\"...\", \"...\")"
#define ROUTES		"want a group: { server_name = \"...\"; forward = " \
			"\"...\"; }, or a list of these: ( ..., ... )"

static const struct {
	const char	*text;
	const char	*error[4];
} bad[] = {
	/* What libconfig finds. */
	{ "user = \"x\"\n\nlog = {", { "f:3: syntax error" } },
	{ "user = \"a\";\nuser = \"b\";",
	    { "f:2: duplicate setting name" } },
	{ "log = {\n to = \"a\";\n to = \"b\";\n};" A,
	    { "f:3: duplicate setting name" } },
	{ "\n@include \"nowhere\"\n" A,
	    { "f:2: @include: nowhere: No such file or directory" } },
	{ A "\n @include x", { "f:2: syntax error" } },
	{ A " @include \"x\"", { "f:1: syntax error" } },
	/* Keys that are none. */
	{ "usr = \"x\";" A, { "f:1: usr: " TOP_KEYS } },
	{ A "\nlog = { To = \"stderr\"; };",
	    { "f:2: log.To: no such key; there are to level format" } },
	{ "workers = {\n min = 1; };" A, { "f:2: workers.min: no such key; "
	    "there are spare max reuse" } },
	{ "timeouts = { tls = 1; };" A, { "f:1: timeouts.tls: no such key; "
	    "there are connect handshake idle half_closed session drain" } },
	{ "backends = ( { name = \"b\"; servers = \"h:1\"; port = 1; } );" A,
	    { "f:1: backends[0].port: no such key; there are name servers "
	    "balance retries queue bind check tls server_public_key" } },
	{ "listeners = ( { name = \"a\"; listen = \":1\"; forward = \"h:1\";\n"
	    "port = 1; } );", { "f:2: listeners[0].port: no such key; "
	    "there are name listen protocol forward pool carry buffer allow "
	    "deny max_sessions max_sessions_per_source rate_per_source penalty "
	    "handshakes proxy_protocol backlog keepalive user_timeout nodelay "
	    "v6only device transparent fast_open defer_accept data_address "
	    "tls login greeting "
	    "local_infile compression query_log deny_commands" } },
	/* Of the wrong type. */
	{ "user = 1;" A, { "f:1: user: want a string in quotes" } },
	{ "user = { };" A, { "f:1: user: want a string in quotes" } },
	{ "user = (\"x\");" A, { "f:1: user: want a string in quotes" } },
	{ "log = 1;" A, { "f:1: log: want a group: { ... }" } },
	{ "log = ( );" A, { "f:1: log: want a group: { ... }" } },
	{ "backends = { };" A, { "f:1: backends: " GROUPS } },
	{ "backends = 1;" A, { "f:1: backends: " GROUPS } },
	{ "backends = [1];" A, { "f:1: backends: " GROUPS } },
	{ "backends = ( 1 );" A, { "f:1: backends[0]: " GROUPS } },
	{ "workers = { max = \"8\"; };" A, { "f:1: workers.max: want a number "
	    "from 1 to 32768, without quotes" } },
	{ "workers = { max = 1.5; };" A,
	    { "f:1: workers.max: want a number from 1 to 32768" } },
	{ "workers = { max = true; };" A,
	    { "f:1: workers.max: want a number from 1 to 32768" } },
	{ "timeouts = { idle = 1.5; };" A, { "f:1: timeouts.idle: want a "
	    "time from \"1ms\" to \"24d\"" TIME_TAIL } },
	{ "log = { level = 1; };" A, { "f:1: log.level: want \"error\", "
	    "\"warn\", \"info\" or \"debug\"" } },
	{ "listeners = ( { name = \"a\"; listen = 80; forward = \"h:1\"; } );",
	    { "f:1: listeners[0].listen: " ADDRS } },
	{ "listeners = ( { name = \"a\"; listen = { }; forward = \"h:1\"; } );",
	    { "f:1: listeners[0].listen: " ADDRS } },
	{ "listeners = ( { name = \"a\"; listen = (\":1\", 2); "
	    "forward = \"h:1\"; } );",
	    { "f:1: listeners[0].listen[1]: " ADDRS } },
	{ "listeners = ( { name = \"a\"; listen = ( ( \":1\" ) ); "
	    "forward = \"h:1\"; } );",
	    { "f:1: listeners[0].listen[0]: " ADDRS } },
	{ "listeners = ( { name = 1; listen = \":1\"; forward = \"h:1\"; } );",
	    { "f:1: listeners[0].name: want 1 to 32 letters, digits, \"_\", "
	    "\"-\" or \".\"" } },
	{ "listeners = ( { name = \"a\"; listen = \":1\"; forward = \"h:1\"; "
	    "buffer = true; } );", { "f:1: listeners[0].buffer: want a size "
	    "from \"512\" to \"16m\" (units k, m, g; a bare number is bytes)"
	    } },
	/* Values out of range. */
	{ "workers = { max = 0; };" A,
	    { "f:1: workers.max: \"0\": want a number from 1 to 32768" } },
	{ "workers = { max = -1; };" A,
	    { "f:1: workers.max: \"-1\": want a number from 1 to 32768" } },
	{ "workers = { max = 5000000000L; };" A, { "f:1: workers.max: "
	    "\"5000000000\": want a number from 1 to 32768" } },
	{ "timeouts = { connect = \"1y\"; };" A, { "f:1: timeouts.connect: "
	    "\"1y\": want a time from \"1ms\" to \"10m\"" TIME_TAIL } },
	{ "timeouts = { session = \"366d\"; };" A, { "f:1: timeouts.session: "
	    "\"366d\": want a time from \"0\" to \"365d\"" TIME_TAIL } },
	{ "log = { format = \"xml\"; };" A,
	    { "f:1: log.format: \"xml\": want \"text\" or \"json\"" } },
	{ "backends = ( { name = \"a b\"; servers = \"h:1\"; } );" A,
	    { "f:1: backends[0].name: \"a b\": want 1 to 32 letters, digits, "
	    "\"_\", \"-\" or \".\"" } },
	/* Addresses. */
	{ "listeners = ( { name = \"a\"; listen = \"80\"; forward = \"h:1\"; "
	    "} );", { "f:1: listeners[0].listen: \"80\": want host:port, "
	    ":port, [v6]:port or unix:/path" } },
	{ "listeners = ( { name = \"a\"; listen = \"h:1\"; forward = \"h:1\"; "
	    "} );", { "f:1: listeners[0].listen: \"h:1\": listen takes an "
	    "address and no name, because root looks up nothing in the DNS" }
	    },
	{ "listeners = ( { name = \"a\"; listen = ( ); forward = \"h:1\"; } );",
	    { "f:1: listeners[0].listen: the list is empty" } },
	{ "backends = ( { name = \"b\"; servers = [ ]; } );" A,
	    { "f:1: backends[0].servers: the list is empty" } },
	{ "backends = ( { name = \"b\"; servers = \":1\"; } );" A,
	    { "f:1: backends[0].servers: \":1\": a server needs a host before "
	    "the port" } },
	/* What is missing. */
	{ "", { "f: listeners: there is none, so nothing to do" } },
	{ "listeners = ( );",
	    { "f: listeners: there is none, so nothing to do" } },
	{ "listeners = (\n{ } );", {
	    "f:2: listeners[0]: needs the key name",
	    "f:2: listeners[0]: needs the key listen",
	    "f:2: listeners[0]: needs the key forward" } },
	{ "backends = ( { } );" A, {
	    "f:1: backends[0]: needs the key name",
	    "f:1: backends[0]: needs the key servers" } },
	/* What only the whole can tell. */
	{ "listeners = ( { name = \"a\"; listen = \":1\"; "
	    "forward = \"backend:b\"; } );", { "f:1: forward: \"backend:b\": "
	    "there is no backend of that name" } },
	{ "listeners = ( { name = \"a\"; listen = \":1\"; "
	    "forward = \"backend:\"; } );", { "f:1: forward: \"backend:\": "
	    "there is no backend of that name" } },
	/* A backend made from a forward has no name. */
	{ "listeners = ( { name = \"a\"; listen = \":1\"; forward = \"h:1\"; "
	    "}, { name = \"b\"; listen = \":2\"; forward = \"backend:h:1\"; "
	    "} );", { "f:1: forward: \"backend:h:1\": there is no backend of "
	    "that name" } },
	{ "listeners = ( { name = \"a\"; listen = \":1\"; forward = \":2\"; } "
	    ");", { "f:1: forward: \":2\": a server needs a host before the "
	    "port" } },
	{ "listeners = ( { name = \"a\"; listen = \":1\"; forward = \"\"; } );",
	    { "f:1: forward: \"\": want host:port, :port, [v6]:port or "
	    "unix:/path" } },
	{ "listeners = (\n{ name = \"a\"; listen = \":1\"; forward = \"h:1\"; "
	    "},\n{ name = \"a\"; listen = \":2\"; forward = \"h:1\"; } );",
	    { "f:3: name: \"a\" is the name of an earlier listener, f:2" } },
	{ "listeners = (\n{ name = \"a\"; listen = \":1\"; forward = \"h:1\"; "
	    "},\n{ name = \"b\"; listen = \":1\"; forward = \"h:1\"; } );",
	    { "f:3: listen: \":1\" is taken by f:2" } },
	{ "listeners = ( { name = \"a\"; listen = (\":1\", \":2\", \":1\"); "
	    "forward = \"h:1\"; } );",
	    { "f:1: listen: \":1\" is taken by f:1" } },
	{ "backends = (\n{ name = \"b\"; servers = \"h:1\"; },\n"
	    "{ name = \"b\"; servers = \"h:2\"; } );" A,
	    { "f:3: name: \"b\" is the name of an earlier backend, f:2" } },
	{ "log = { to = \"file\"; };" A, { "f:1: log.to: \"file\": want \"stdout\", "
	    "\"stderr\", \"syslog\" or the absolute path of a file" } },
	{ "log = { to = \"\"; };" A, { "f:1: log.to: \"\": want \"stdout\", "
	    "\"stderr\", \"syslog\" or the absolute path of a file" } },
	{ "pid_file = \"x.pid\";" A,
	    { "f:1: pid_file: \"x.pid\": want an absolute path, "
	    "or \"\"" } },
	/* Of the wrong type, further in. */
	{ L1("nodelay = \"true\";"), { "f:1: listeners[0].nodelay: "
	    WANT_BOOL } },
	{ L1("nodelay = 1;"), { "f:1: listeners[0].nodelay: " WANT_BOOL } },
	{ L1("max_sessions = true;"), { "f:1: listeners[0].max_sessions: want "
	    "a number from 0 to 1000000" } },
	{ L1("rate_per_source = 5;"), { "f:1: listeners[0].rate_per_source: "
	    "\"5\": " WANT_RATE } },
	{ L1("rate_per_source = true;"),
	    { "f:1: listeners[0].rate_per_source: " WANT_RATE } },
	{ L1("allow = 10;"), { "f:1: listeners[0].allow: want a network in "
	    "quotes, or a list of them: (\"...\", \"...\")" } },
	{ L1("allow = \"10.0.0.1/8\";"), { "f:1: listeners[0].allow: "
	    "\"10.0.0.1/8\": the address has bits beyond its prefix: "
	    "10.0.0.0/8 is a network, 10.0.0.1 a host in it" } },
	{ L1("deny = ( \"unix\", \"x\" );"), { "f:1: listeners[0].deny[1]: "
	    "\"x\": want an address, a network such as 10.0.0.0/8 or "
	    "2001:db8::/32, or unix" } },
	{ L1("keepalive = 30;"),
	    { "f:1: listeners[0].keepalive: want a group: { ... }" } },
	{ L1("keepalive = {\nidl = 30; };"), { "f:2: listeners[0].keepalive."
	    "idl: no such key; there are idle interval count" } },
	{ L1("keepalive = { idle = \"1500ms\"; };"), { "f:1: listeners[0]."
	    "keepalive.idle: \"1500ms\": want a time from \"0\" to \"9h\" in "
	    "whole seconds" TIME_TAIL } },
	{ L1("proxy_protocol = { to = 1; };"), { "f:1: listeners[0]."
	    "proxy_protocol.to: no such key; there are accept from" } },
	{ L1("device = \"abcdefghijklmnop\";"), { "f:1: listeners[0].device: "
	    "\"abcdefghijklmnop\": want a string of at most 15 characters in "
	    "quotes" } },
	{ "control = { path = \"x\"; };" A, { "f:1: control.path: \"x\": want "
	    "an absolute path, or \"\"" } },
	{ "control = { user = \"x\"; };" A, { "f:1: control.user: no such key; "
	    "there are path group" } },
	{ B1("servers = 1;"), { "f:1: backends[0].servers: " SERVERS } },
	{ B1("servers = ( \"h:1\", 2 );"),
	    { "f:1: backends[0].servers[1]: " SERVERS } },
	{ B1("servers = ( \"h:1\",\n{ weight = 2; } );"),
	    { "f:2: backends[0].servers[1]: needs the key address" } },
	{ B1("servers = { address = \":1\"; };"), { "f:1: backends[0].servers."
	    "address: \":1\": a server needs a host before the port" } },
	{ B1("servers = { address = 1; };"), { "f:1: backends[0].servers."
	    "address: want an address in quotes" } },
	{ B1("servers = { address = \"h:1\"; weight = 257; };"),
	    { "f:1: backends[0].servers.weight: \"257\": want a number from 0 "
	    "to 256" } },
	{ B1("servers = ( { address = \"h:1\"; port = 1; } );"),
	    { "f:1: backends[0].servers[0].port: no such key; there are "
	    "address weight backup max_sessions send_proxy" } },
	{ B1("servers = \"h:1\"; balance = \"fair\";"),
	    { "f:1: backends[0].balance: \"fair\": want \"roundrobin\", "
	    "\"leastconn\", \"source\", \"first\" or \"random\"" } },
	{ B1("servers = \"h:1\"; queue = { max = 1; };"), { "f:1: backends[0]."
	    "queue.max: no such key; there are size timeout" } },
	{ B1("servers = \"h:1\"; check = { type = \"http\"; };"),
	    { "f:1: backends[0].check.type: \"http\": want \"none\", "
	    "\"tcp\", \"mysql\", \"tls\" or \"expect\"" } },
	{ B1("servers = \"h:1\"; check = { port = 1; };"),
	    { "f:1: backends[0].check.port: no such key; there are type "
	    "interval timeout rise fall send expect" } },
	/* What does not go together. */
	{ B1("servers = ( \"h:1\", \"g:1\", { address = \"h:1\"; } );"),
	    { "f:1: servers: \"h:1\" is there twice" } },
	{ B1("servers = ( { address = \"h:1\"; weight = 0; } );"),
	    { "f:1: servers: all have weight 0, so none would take a session"
	    } },
	{ B1("servers = \"h:1\"; bind = \"10.0.0.1:1\";"), { "f:1: bind: "
	    "\"10.0.0.1:1\": want an IPv4 or IPv6 address without a port, or "
	    "\"\"" } },
	{ B1("servers = ( \"h:1\", \"unix:/x\", \"[::1]:1\" ); "
	    "bind = \"10.0.0.1\";"), { "f:1: bind: \"10.0.0.1\" cannot reach "
	    "\"[::1]:1\": one is IPv4, the other IPv6" } },
	{ B1("servers = \"10.0.0.1:1\"; bind = \"::1\";"), { "f:1: bind: "
	    "\"::1\" cannot reach \"10.0.0.1:1\": one is IPv4, the other "
	    "IPv6" } },
	{ B1("servers = \"h:1\"; check = { type = \"expect\"; };"),
	    { "f:1: check.expect: type \"expect\" needs it" } },
	{ B1("servers = \"h:1\"; check = { send = \"x\"; expect = \"y\"; };"),
	    { "f:1: check.expect: only type \"expect\" awaits it",
	    "f:1: check.send: only type \"expect\" says it" } },
	{ L1("allow = (\"10.0.0.0/8\", \"::/0\", \"10.0.0.0/8\");"),
	    { "f:1: allow: \"10.0.0.0/8\" is there twice" } },
	{ L1("deny = (\"1.2.3.4\", \"1.2.3.4/32\");"),
	    { "f:1: deny: \"1.2.3.4\" is there twice" } },
	{ L1("proxy_protocol = { from = (\"unix\", \"unix\"); };"),
	    { "f:1: proxy_protocol.from: \"unix\" is there twice" } },
	{ L1("proxy_protocol = { accept = true; };"), { "f:1: "
	    "proxy_protocol.from: accept needs it, or nobody may send a "
	    "header" } },
	/* TLS of listeners. */
	{ TLS("mode = \"on\";"), { "f:1: listeners[0].tls.mode: \"on\": want "
	    "\"off\", \"offer\" or \"require\"" } },
	{ TLS("cert = \"/c\";"), { "f:1: listeners[0].tls.cert: no such key; "
	    "there are mode certificate key chain min_version ciphers "
	    "ciphersuites curves client_verify client_ca client_crl ocsp "
	    "tickets alpn routes" } },
	{ TLS("certificate = \"c\";"), { "f:1: listeners[0].tls.certificate: "
	    "\"c\": " PATHS } },
	{ TLS("certificate = ( \"/c\", 1 );"),
	    { "f:1: listeners[0].tls.certificate[1]: " PATHS } },
	{ TLS("certificate = { };"),
	    { "f:1: listeners[0].tls.certificate: " PATHS } },
	{ TLS("client_ca = \"c\";"), { "f:1: listeners[0].tls.client_ca: "
	    "\"c\": want an absolute path, or \"\"" } },
	{ TLS("min_version = \"1.2\";"), { "f:1: listeners[0].tls."
	    "min_version: \"1.2\": want \"TLSv1\", \"TLSv1.1\", "
	    "\"TLSv1.2\" or \"TLSv1.3\"" } },
	{ TLS("alpn = \"\";"), { "f:1: listeners[0].tls.alpn: \"\": want a "
	    "string of 1 to 255 characters in quotes, or a list of them: "
	    "(\"...\", \"...\")" } },
	{ TLS("routes = \"a\";"), { "f:1: listeners[0].tls.routes: \"a\": "
	    ROUTES } },
	{ TLS("routes = ( 1 );"),
	    { "f:1: listeners[0].tls.routes[0]: " ROUTES } },
	{ TLS("routes = ( { alpn = \"a\"; } );"), { "f:1: listeners[0].tls."
	    "routes[0]: needs the key forward" } },
	{ TLS("routes = { name = \"a\"; forward = \"h:1\"; };"),
	    { "f:1: listeners[0].tls.routes.name: no such key; there are "
	    "server_name alpn forward",
	    "f:1: tls.routes[0]: needs the key server_name or alpn; where "
	    "all others go is said by forward" } },
	{ TLS("mode = \"require\";"),
	    { "f:1: tls.certificate: mode \"require\" needs it" } },
	{ TLS("mode = \"offer\"; certificate = \"/c\"; key = \"/k\";"),
	    { "f:1: tls.mode: \"offer\": want \"off\" or \"require\", "
	    "because with protocol \"tcp\" a client either speaks TLS from "
	    "the first byte or never" } },
	{ MYSQL("tls = { mode = \"offer\"; };"),
	    { "f:1: tls.certificate: mode \"offer\" needs it" } },
	{ ON("certificate = \"/c\";"), { "f:1: tls.key: want as many as of "
	    "tls.certificate, 1 and not 0" } },
	{ ON("key = \"/k\";"), { "f:1: tls.certificate: mode \"require\" "
	    "needs it", "f:1: tls.key: want as many as of tls.certificate, "
	    "0 and not 1" } },
	{ ON("certificate = ( \"/c\", \"/d\" ); key = ( \"/k\", \"/l\" ); "
	    "chain = \"/i\";"), { "f:1: tls.chain: want none, or as many as "
	    "of tls.certificate, 2 and not 1, \"\" where one has none" } },
	{ ON("certificate = \"\"; key = \"\";"), {
	    "f:1: tls.certificate: \"\": want an absolute path",
	    "f:1: tls.key: \"\": want an absolute path" } },
	{ ON("certificate = ( \"/c\", \"/c\" ); key = ( \"/k\", \"/k\" );"),
	    { "f:1: tls.certificate: \"/c\" is there twice" } },
	{ ON(CK "client_verify = \"require\";"), { "f:1: tls.client_ca: "
	    "client_verify needs it, or no certificate would be good" } },
	{ ON(CK ROUTE("x_y.-a", "")), { "f:1: tls.routes[0].server_name: "
	    "\"x_y.-a\": " HOST } },
	{ ON(CK ROUTE("*", "")), { "f:1: tls.routes[0].server_name: \"*\": "
	    HOST } },
	{ ON(CK ROUTE("a.*.b", "")), { "f:1: tls.routes[0].server_name: "
	    "\"a.*.b\": " HOST } },
	{ ON(CK ROUTE("a..b", "")), { "f:1: tls.routes[0].server_name: "
	    "\"a..b\": " HOST } },
	{ ON(CK ROUTE("a", "h2")), { "f:1: tls.routes[0].alpn: \"h2\": want "
	    "one of tls.alpn, or no client gets there" } },
	{ ON(CK "routes = ( { server_name = \"a\"; forward = \"h:1\"; }, "
	    "{ server_name = \"A\"; forward = \"h:2\"; } );"), { "f:1: "
	    "tls.routes[1]: the same as tls.routes[0], which comes first" } },
	{ ON(CK "routes = { server_name = \"a\"; forward = \"backend:x\"; "
	    "};"), { "f:1: tls.routes[0].forward: \"backend:x\": there is no "
	    "backend of that name" } },
	{ ON(CK "routes = { server_name = \"a\"; forward = \":1\"; };"),
	    { "f:1: tls.routes[0].forward: \":1\": a server needs a host "
	    "before the port" } },
	{ MYSQL("tls = { mode = \"require\"; " CK "alpn = \"h2\"; "
	    ROUTE("a", "") " };"), { "f:1: tls.alpn: only with protocol "
	    "\"tcp\" is there a choice", "f:1: tls.routes: only with "
	    "protocol \"tcp\" is there a choice" } },
	/* What only MySQL has. */
	{ L1("greeting = \"server\"; local_infile = false; "
	    "compression = true;"), {
	    "f:1: greeting: only protocol \"mysql\" has one",
	    "f:1: local_infile: only protocol \"mysql\" knows of it",
	    "f:1: compression: only protocol \"mysql\" knows of it" } },
	{ MYSQL("compression = true; tls = { mode = \"require\"; " CK " };"),
	    { "f:1: compression: " ALIKE } },
	{ MYSQL("compression = true; tls = { mode = \"offer\"; " CK " };"),
	    { "f:1: compression: " ALIKE } },
	{ "listeners = ( { name = \"a\"; listen = \":1\"; "
	    "protocol = \"mysql\"; forward = \"unix:/x\"; "
	    "compression = true; } );", { "f:1: compression: " ALIKE } },
	{ "listeners = ( { name = \"a\"; listen = \"unix:/x\"; "
	    "protocol = \"mysql\"; forward = \"h:1\"; "
	    "compression = true; } );", { "f:1: compression: " ALIKE } },
	{ L1("query_log = { to = \"log\"; }; deny_commands = \"ping\";"), {
	    "f:1: query_log: only protocol \"mysql\" has a record",
	    "f:1: deny_commands: only protocol \"mysql\" has commands" } },
	{ MYSQL("query_log = { to = \"q.log\"; };"), { "f:1: query_log.to: "
	    "\"q.log\": want \"log\", \"syslog\", \"table\" or the absolute path "
	    "of a file" } },
	{ "query_table = { server = \"h\"; };\n" MYSQL("query_log = { to = "
	    "\"table\"; };"), { "f: query_table.server: \"h\": want "
	    "host:port, :port, [v6]:port or unix:/path", "f: query_table.user: query_log.to \"table\" needs it",
	    "f: query_table.database: query_log.to \"table\" needs it" } },
	{ "query_table = { server = \":1\"; };" A, { "f: query_table.server: "
	    "\":1\": a server needs a host before the port" } },
	{ MYSQL("query_log = { to = \"log\"; }; compression = true;"), {
	    "f:1: compression: must be false with query_log or "
	    "deny_commands, which do not see through it" } },
	{ MYSQL("deny_commands = \"ping\"; compression = true;"), {
	    "f:1: compression: must be false with query_log or "
	    "deny_commands, which do not see through it" } },
	{ MYSQL("query_log = { to = \"log\"; commands = (\"query\", "
	    "\"Query\"); }; deny_commands = (\"quit\", \"all\");"), {
	    "f:1: query_log.commands: \"Query\": no such command; there are "
	    COMMANDS, "f:1: deny_commands: \"all\": no such command; there "
	    "are " COMMANDS, "f:1: deny_commands: \"quit\": a client may "
	    "always leave" } },
	{ "log = { to = \"/x\"; };" MYSQL("query_log = { to = \"/x\"; };"), {
	    "f:1: query_log.to: \"/x\" is the file of log.to: want \"log\", "
	    "or another file" } },
	{ "listeners = ( { name = \"a\"; listen = \":1\"; "
	    "protocol = \"mysql\"; forward = \"h:1\"; query_log = { "
	    "to = \"/q\"; }; },\n{ name = \"b\"; listen = \":2\"; "
	    "protocol = \"mysql\"; forward = \"h:1\"; query_log = { "
	    "to = \"/q\"; format = \"json\"; on_overflow = \"close\"; }; } "
	    ");", { "f:2: query_log.format: another one is written to \"/q\" "
	    "by f:1", "f:2: query_log.on_overflow: another one is set for "
	    "\"/q\" by f:1" } },
	{ MYSQL("query_log = { max_statement = 255; };"), { "f:1: "
	    "listeners[0].query_log.max_statement: \"255\": want a size "
	    "from \"256\" to \"16m\" (units k, m, g; a bare number is "
	    "bytes)" } },
	{ MYSQL("greeting = \"mine\";"), { "f:1: listeners[0].greeting: "
	    "\"mine\": want \"own\" or \"server\"" } },
	/* TLS of backends. */
	{ B1("servers = \"h:1\"; tls = { mode = \"offer\"; };"), { "f:1: "
	    "backends[0].tls.mode: \"offer\": want \"off\", \"prefer\" or "
	    "\"require\"" } },
	{ B1("servers = \"h:1\"; tls = { crl = 1; };"), { "f:1: backends[0]."
	    "tls.crl: no such key; there are mode ca verify server_name "
	    "certificate key min_version" } },
	{ B1("servers = \"h:1\"; server_public_key = \"k\";"), { "f:1: "
	    "backends[0].server_public_key: \"k\": want an absolute path, or "
	    "\"\"" } },
	{ B1("servers = \"h:1\"; tls = { mode = \"require\"; "
	    "verify = \"yes\"; };"), { "f:1: backends[0].tls.verify: \"yes\": "
	    "want \"full\", \"ca\" or \"none\"" } },
	{ B1("servers = \"h:1\"; tls = { mode = \"require\"; "
	    "certificate = \"/c\"; };"),
	    { "f:1: tls.key: tls.certificate needs it" } },
	{ B1("servers = \"h:1\"; tls = { mode = \"require\"; "
	    "key = \"/k\"; };"),
	    { "f:1: tls.certificate: tls.key needs it" } },
	{ B1("servers = \"unix:/s\"; tls = { mode = \"require\"; };"),
	    { "f:1: tls.server_name: verify \"full\" needs it, because a "
	    "server on a local socket has no name; or want verify \"ca\"" } },
	{ B1("servers = \"h:1\"; tls = { mode = \"require\"; "
	    "server_name = \"a b\"; };"), { "f:1: tls.server_name: \"a b\": "
	    "want the name of a host" } },
	{ LINK("tcp", "tls = { mode = \"prefer\"; }; "
	    "server_public_key = \"/k\";"), {
	    "f:1: tls.mode: \"prefer\": want \"off\" or \"require\", because "
	    "listener a has protocol \"tcp\", in which no server says "
	    "whether it knows TLS",
	    "f:1: server_public_key: listener a has protocol \"tcp\", which "
	    "knows no passwords" } },
	/* Hubs, agents and topics. */
	{ HUBL AGENT("a b", "\"*\""), { "f:1: agents[0].id: \"a b\": "
	    "want 1 to 32 letters, digits, \"_\", \"-\" or \".\"",
	    } },
	{ HUBL AGENT("a", "\"x..y\"") , { "f:1: publish: \"x..y\": want a "
	    "topic, as words of letters, digits, \"_\" and \"-\" with dots "
	    "between; \"a.*\" for all below a; or \"*\"" } },
	{ HUBL "agents = ( { id = \"a\"; publish = \"*\"; }, { id = \"a\"; "
	    "secret_file = \"/s\"; publish = \"*\"; } );", { "f:1: "
	    "secret_file: agent a needs one; \"sallyportctl secret FILE\" "
	    "makes it", "f:1: id: \"a\" is the id of an earlier agent, "
	    "f:1" } },
	{ HUBL AGENT("a", "\"*\"") "topics = ( { name = \"a b\"; }, { name = "
	    "\"t\"; policy = \"share\"; } );", { "f:1: topics[1].policy: "
	    "\"share\": want \"replace\", \"group\", \"standby\" or "
	    "\"reject\"", "f:1: name: \"a b\": want words of letters, "
	    "digits, \"_\" and \"-\" with dots between, at most 64 "
	    "characters" } },
	{ KNOWN("") A, { "f:1: pin: how shall hub b be known?  \"sallyportctl "
	    "pin CERTIFICATE\" tells the pin, at the hub; or name a file as "
	    "tls.ca" } },
	{ KNOWN("pin = \"sha256:12\";") A, { "f:1: pin: \"sha256:12\": want "
	    "\"sha256:\" and 64 hexadecimal digits, as \"sallyportctl pin\" "
	    "tells at the hub" } },
	{ KNOWN(PIN) "publish = ( { topic = \"t\"; hub = \"c\"; forward = "
	    "\"h:1\"; } );", { "f:1: hub: \"c\": there is no hub of that "
	    "name" } },
	{ KNOWN(PIN) "publish = ( { topic = \"t\"; hub = \"b\"; forward = "
	    "\"topic:u@b\"; } );", { "f:1: forward: \"topic:u@b\": want a "
	    "service" } },
	{ KNOWN(PIN) "listeners = ( { name = \"a\"; listen = \":1\"; forward "
	    "= ( \"h:1\", \"topic:x@c\" ); } );", { "f:1: forward: "
	    "\"topic:x@c\": there is no hub of that name" } },
	{ "listeners = ( { name = \"a\"; listen = \":1\"; forward = "
	    "\"topic:x\"; } );", { "f:1: forward: \"topic:x\": want "
	    "\"topic:NAME@HUB\" with the name of a hub, or a listener of "
	    "protocol \"hub\" here" } },
	{ AGENT("a", "\"*\"") "listeners = ( { name = \"h\"; listen = \":1\"; "
	    "protocol = \"hub\"; forward = \"h:1\"; data_address = "
	    "\"x:1\"; } );", { "f:1: forward: sessions at a hub go to agents, "
	    "and not to \"h:1\"", "f:1: data_address: \"x:1\": want an "
	    "address and a port, without a name" } },
	/* All mistakes of one run. */
	{ "usr = 1;\nworkers = { max = 0; };\nlog = { to = \"x\"; };\n"
	    "listeners = ( { name = \"a\"; listen = \":1\";\n"
	    "forward = \"backend:b\"; } );", {
	    "f:1: usr: " TOP_KEYS,
	    "f:2: workers.max: \"0\": want a number from 1 to 32768",
	    "f:3: log.to: \"x\": want \"stdout\", \"stderr\", \"syslog\" or the "
	    "absolute path of a file",
	    "f:4: forward: \"backend:b\": there is no backend of that name" }
	    },
};

START_TEST(a_bad_file_is_refused_with_each_of_its_mistakes)
{
	size_t	 n = 0;

	while (n < nitems(bad[_i].error) && bad[_i].error[n] != NULL)
		n++;
	ck_assert_int_eq(take(bad[_i].text), -1);
	expect_errors(bad[_i].error, n);
}
END_TEST

static const struct {
	const char	*text;
	const char	*warning;	/* NULL: none */
} doubtful[] = {
	{ A, NULL },
	{ "timeouts = { handshake = 4; };" A, "f: timeouts.handshake: shorter "
	    "than timeouts.connect, which is never reached" },
	{ "timeouts = { handshake = 5; };" A, NULL },
	{ "control = { group = \"adm\"; };" A, "f: control.group: without "
	    "control.path it is of no effect" },
	{ "control = { group = \"adm\"; path = \"/c\"; };" A, NULL },
	/* The record. */
	{ RECORD("log", ""), NULL },
	{ RECORD("log", "format = \"json\";"), NULL },	/* to syslog */
	{ "log = { to = \"/l\"; };" RECORD("log", ""), NULL },
	{ "log = { to = \"/l\"; };" RECORD("log", "format = \"json\";"),
	    MIXED },
	{ "log = { to = \"/l\"; format = \"json\"; };" RECORD("log", ""),
	    MIXED },
	{ "log = { to = \"/l\"; format = \"json\"; };" RECORD("log",
	    "format = \"json\";"), NULL },
	{ "log = { to = \"/l\"; format = \"json\"; };" RECORD("/q", ""),
	    NULL },
	{ RECORD("", "format = \"json\";"), "f:1: query_log.format: "
	    NO_RECORD },
	{ RECORD("", "max_statement = \"1k\";"), "f:1: "
	    "query_log.max_statement: " NO_RECORD },
	{ RECORD("", "on_overflow = \"wait\";"), "f:1: "
	    "query_log.on_overflow: " NO_RECORD },
	{ RECORD("", "commands = \"all\";"), "f:1: query_log.commands: "
	    NO_RECORD },
	{ RECORD("", "redact = false;"), "f:1: query_log.redact: "
	    NO_RECORD },
	{ MYSQL("query_log = { to = \"log\"; }; carry = \"always\";"),
	    LOOKED_AT },
	{ MYSQL("deny_commands = \"ping\"; carry = \"always\";"), LOOKED_AT },
	{ MYSQL("carry = \"always\";"), NULL },
	{ "query_table = { name = \"t\"; };" A, "f: query_table.name: "
	    "without query_log.to \"table\" it is of no effect" },
	{ WRITER "};" RECORD("table", ""), NULL },
	{ WRITER "tls = \"require\"; ca = \"/ca\"; };" RECORD("table", ""),
	    NULL },
	{ WRITER "ca = \"/ca\"; };" RECORD("table", ""), "f: "
	    "query_table.ca: with tls \"off\" it is of no effect" },
	{ WRITER "};" RECORD("table", "format = \"json\";"), "f:1: "
	    "query_log.format: in a table it is of no effect" },
	{ B1("servers = { address = \"h:1\"; backup = true; };"), "f:1: "
	    "servers: all are backup, which is the same as none" },
	{ B1("servers = \"h:1\"; check = { type = \"tcp\"; interval = 1;\n"
	    "timeout = 2; };"), "f:1: check.timeout: longer than "
	    "check.interval, so a server that hangs is checked less often" },
	{ B1("servers = \"h:1\"; check = { interval = 1; timeout = 2; };"),
	    NULL },
	{ L1("allow = \"10.0.0.0/8\"; deny = \"10.0.0.0/8\";"), "f:1: allow: "
	    "\"10.0.0.0/8\" is denied too, and so denied" },
	{ L1("allow = \"10.1.0.0/16\"; deny = \"10.0.0.0/8\";"), NULL },
	{ L1("proxy_protocol = { from = \"::1\"; };"), "f:1: "
	    "proxy_protocol.from: without accept it is of no effect" },
	{ L1("penalty = 1;"), "f:1: penalty: without rate_per_source nobody "
	    "exceeds it" },
	{ L1("penalty = 1; rate_per_source = \"1/s\";"), NULL },
	{ "listeners = ( { name = \"a\"; listen = \":7\"; forward = "
	    "\"127.0.0.1:7\"; } );", "f:1: forward: \"127.0.0.1:7\" is where "
	    "it listens itself" },
	{ "listeners = ( { name = \"a\"; listen = \"[::1]:7\"; forward = "
	    "\"[::1]:7\"; } );", "f:1: forward: \"[::1]:7\" is where it "
	    "listens itself" },
	{ "listeners = ( { name = \"a\"; listen = \"127.0.0.2:7\"; forward = "
	    "\"127.0.0.1:7\"; } );", NULL },
	{ "listeners = ( { name = \"a\"; listen = \":7\"; forward = "
	    "\"127.0.0.1:8\"; } );", NULL },
	{ ON(CK), NULL },
	{ ON("certificate = ( \"/c\", \"/d\" ); key = ( \"/k\", \"/k\" ); "
	    "chain = ( \"/i\", \"/i\" );"), NULL },
	{ ON(CK ROUTE("*.a-b.c1", "") " client_verify = \"optional\"; "
	    "client_ca = \"/ca\";"), NULL },
	{ ON(CK "alpn = \"h2\"; " ROUTE("", "h2")), NULL },
	{ TLS("certificate = \"/c\";"), "f:1: tls.certificate: with mode "
	    "\"off\" it is of no effect" },
	{ TLS("tickets = false;"), "f:1: tls.tickets: with mode \"off\" it is "
	    "of no effect" },
	{ TLS(ROUTE("a", "")), "f:1: tls.routes: with mode \"off\" it is of "
	    "no effect" },
	{ ON(CK "client_ca = \"/ca\";"), "f:1: tls.client_ca: without "
	    "client_verify it is of no effect" },
	{ ON(CK "client_crl = \"/crl\";"), "f:1: tls.client_crl: without "
	    "client_verify it is of no effect" },
	{ ON(CK "min_version = \"TLSv1.1\";"), "f:1: tls.min_version: versions "
	    "before TLSv1.2 are broken, see RFC 8996" },
	{ L1("carry = \"always\"; tls = { mode = \"require\"; " CK "};"),
	    "f:1: carry: sessions with TLS stay in the processes that have "
	    "their keys" },
	{ "listeners = ( { name = \"a\"; listen = \":7\"; forward = \"h:1\"; "
	    "tls = { mode = \"require\"; " CK "routes = { server_name = "
	    "\"a\"; forward = \"127.0.0.1:7\"; }; }; } );", "f:1: tls.routes: "
	    "\"127.0.0.1:7\" is where it listens itself" },
	{ LINK("mysql", "tls = { mode = \"prefer\"; }; "
	    "server_public_key = \"/k\";"), NULL },
	{ LINK("tcp", "tls = { mode = \"require\"; };"), NULL },
	{ B1("servers = \"h:1\"; tls = { verify = \"none\"; };"), "f:1: "
	    "tls.verify: with mode \"off\" it is of no effect" },
	{ B1("servers = \"h:1\"; tls = { mode = \"require\"; "
	    "verify = \"none\"; };"), "f:1: tls.verify: with \"none\" whoever "
	    "is on the way to a server can pass for it" },
	{ B1("servers = \"unix:/s\"; tls = { mode = \"require\"; "
	    "verify = \"ca\"; };"), NULL },
	{ B1("servers = \"unix:/s\"; tls = { mode = \"require\"; "
	    "server_name = \"db\"; };"), NULL },
	{ B1("servers = \"h:1\"; tls = { mode = \"prefer\"; "
	    "min_version = \"TLSv1\"; };"), "f:1: tls.min_version: versions "
	    "before TLSv1.2 are broken, see RFC 8996" },
};

START_TEST(a_hub_and_its_agents_are_read_and_printed)
{
	const struct conf_listener	*l;
	const struct conf_backend	*b;

	expect_good(take(KNOWN(PIN) "publish = ( { topic = \"t.u\"; hub = "
	    "\"b\"; forward = \"h:1\"; weight = 3; } ); "
	    AGENT("a", "( \"x.*\", \"y\" )") "topics = ( { name = \"x.y\"; "
	    "policy = \"group\"; hold = 0; rate = \"5/s\"; } ); "
	    "listeners = ( { name = \"h\"; listen = \":1\"; protocol = "
	    "\"hub\"; }, { name = \"i\"; listen = \":2\"; forward = ( "
	    "\"topic:x.y\", \"topic:z@b\", \"h:3\" ); } );"));
	expect_stable();
	ck_assert_uint_eq(conf->nlisteners, 4);
	l = &conf->listeners[1];
	ck_assert_uint_eq(l->nfallbacks, 2);
	b = conf_backend_of(conf, l, 0);
	ck_assert_str_eq(b->topic, "x.y");
	ck_assert_uint_eq(b->hub, CONF_NOWHERE);
	b = conf_backend_of(conf, l, 1);
	ck_assert_str_eq(b->topic, "z");
	ck_assert_uint_eq(b->hub, 0);
	ck_assert_uint_eq(b->servers.n, 1);
	ck_assert_ptr_null(conf_backend_of(conf, l, 2)->topic);
	ck_assert_ptr_null(conf_backend_of(conf, l, 3));
	/* What serves mappings has none either. */
	ck_assert_uint_eq(conf_mapped_listener(conf, "hub"), 2);
	ck_assert_uint_eq(conf_mapped_listener(conf, "tcp"), CONF_NOWHERE);
	l = &conf->listeners[2];
	ck_assert_uint_eq(l->listen.n, 0);
	ck_assert_str_eq(l->pool, "hub");
	ck_assert_uint_eq(l->hub, 0);
	/* What is published is a listener without an address. */
	l = &conf->listeners[3];
	ck_assert_str_eq(l->name, "t.u@b");
	ck_assert_uint_eq(l->listen.n, 0);
	ck_assert_str_eq(l->pool, "agent-b");
	ck_assert_uint_eq(conf_pool_publishes(conf, "agent-b"), 0);
	ck_assert_uint_eq(conf_pool_publishes(conf, "tcp"), CONF_NOWHERE);
	ck_assert(conf_pool_has_broker(conf, "hub"));
	ck_assert(conf_pool_has_broker(conf, "tcp"));
	ck_assert(!conf_pool_has_broker(conf, "agent-b"));
	ck_assert(conf_pool_knows_hub(conf, "tcp", 0));
	ck_assert(conf_pool_may_open(conf, "tcp", "x.y"));
	ck_assert(!conf_pool_may_open(conf, "tcp", "z"));
	ck_assert(!conf_pool_may_open(conf, "hub", "x.y"));
	ck_assert(conf_allows_topic(&conf->agents.v[0].publish, "x.anything"));
	ck_assert(conf_allows_topic(&conf->agents.v[0].publish, "y"));
	ck_assert(!conf_allows_topic(&conf->agents.v[0].publish, "x"));
	ck_assert(!conf_allows_topic(&conf->agents.v[0].publish, "xx.y"));
	ck_assert(!conf_allows_topic(&conf->agents.v[0].subscribe, "y"));
}
END_TEST

static struct net_addr
numeric(const char *text)
{
	struct net_spec	 spec;
	const char	*why;

	ck_assert_int_eq(net_parse(text, false, &spec, &why), 0);
	return spec.addr;
}

START_TEST(agents_may_have_the_ports_that_are_named)
{
	static const struct {
		const char	*at;
		bool		 may;
	} ports[] = {
		{ "0.0.0.0:80", true }, { "0.0.0.0:81", false },
		{ "127.0.0.1:13000", false }, { "10.0.0.1:13000", true },
		{ "10.0.0.1:13099", true }, { "10.0.0.1:13100", false },
		{ "10.0.0.1:12999", false }, { "[::1]:80", false },
	};
	struct net_addr		 a;

	expect_good(take("agents = ( { id = \"a\"; secret_file = \"/s\"; "
	    "publish = \"*\"; ports = ( \"80\", \"13000-13099\" ); "
	    "addresses = ( \"0.0.0.0\", \"10.0.0.0/8\" ); } ); "
	    "listeners = ( { name = \"h\"; listen = \":1\"; protocol = "
	    "\"hub\"; } );"));
	expect_stable();
	for (size_t i = 0; i < nitems(ports); i++) {
		a = numeric(ports[i].at);
		ck_assert_int_eq(conf_may_map(&conf->agents.v[0], &a),
		    ports[i].may);
	}
	/* An operator. */
	a = numeric("0.0.0.0:1023");
	ck_assert(!conf_may_map(NULL, &a));
	a = numeric("0.0.0.0:1024");
	ck_assert(conf_may_map(NULL, &a));
	a = (struct net_addr){ .len = 0 };
	ck_assert(!conf_may_map(NULL, &a));
}
END_TEST

START_TEST(ports_and_maps_that_are_none_are_told)
{
	static const char *const	 want[] = {
		"f:1: ports: \"0\": want a port, as \"443\", or the first and "
		    "the last, as \"13000-13999\"",
		"f:1: ports: \"9-8\": want a port, as \"443\", or the first "
		    "and the last, as \"13000-13999\"",
		"f:1: map: \"b:80\": want an address of the hub, and no name",
		"f:1: map: \"80\": want an address, a colon, and a port, two "
		    "with \"-\" between them, or 0 for any",
	};

	ck_assert_int_eq(take(KNOWN(PIN) "publish = ( { topic = \"t\"; hub = "
	    "\"b\"; forward = \"h:1\"; map = \"b:80\"; }, { topic = \"u\"; "
	    "hub = \"b\"; forward = \"h:1\"; map = \"80\"; } ); agents = ( "
	    "{ id = \"a\"; secret_file = \"/s\"; publish = \"*\"; ports = ( "
	    "\"0\", \"9-8\", \"7\" ); } ); listeners = ( { name = \"h\"; "
	    "listen = \":1\"; protocol = \"hub\"; } );"), -1);
	expect_errors(want, nitems(want));
}
END_TEST

START_TEST(a_hub_assigns_both_ways)
{
	const struct conf_assign	*a;

	expect_good(take(HUBL "agents = ( { id = \"n\"; secret_file = "
	    "\"/s\"; assign = ( { listen = \"hub:127.0.0.1:2\"; forward = "
	    "\"agent:127.0.0.1:3\"; }, { listen = \"agent:unix:/x\"; "
	    "forward = \"hub:db:4\"; } ); } );"));
	expect_stable();
	a = conf->agents.v[0].assign.v;
	ck_assert(!a[0].by_agent);
	ck_assert_str_eq(conf_assign_address(&a[0]), "127.0.0.1:3");
	ck_assert_str_eq(conf->listeners[a[0].listener].listen.v[0].text,
	    "127.0.0.1:2");
	ck_assert(a[1].by_agent);
	ck_assert_str_eq(conf_assign_address(&a[1]), "unix:/x");
	ck_assert_uint_eq(conf->listeners[a[1].listener].listen.n, 0);
	ck_assert_ptr_eq(conf_assign_find(conf, "n", a[1].topic), &a[1]);
	ck_assert_ptr_eq(conf_assign_find(conf, NULL, a[0].topic), &a[0]);
	ck_assert_ptr_null(conf_assign_find(conf, "m", a[0].topic));
}
END_TEST

START_TEST(an_agent_accepts_what_it_says)
{
	const struct conf_hub	*h;
	struct net_spec		 spec;
	const char		*why;

	expect_good(take("hubs = ( { name = \"b\"; id = \"n\"; address = "
	    "\"h:1\"; secret_file = \"/s\"; tls = { ca = \"/c\"; }; "
	    "accept_assign = ( \"listen *:*\", \"forward unix:/run/*\" ); "
	    "} );"));
	expect_stable();
	h = &conf->hubs.v[0];
	ck_assert_int_eq(net_parse("127.0.0.1:1024", false, &spec, &why), 0);
	ck_assert(conf_accepts(h, true, &spec.addr));
	ck_assert(!conf_accepts(h, false, &spec.addr));
	ck_assert(conf_accepts_paths(h));
	ck_assert_uint_eq(conf_pool_publishes(conf, "agent-b"), 0);
	ck_assert_uint_ne(conf_assigned_listener(conf, "agent-b"),
	    CONF_NOWHERE);
}
END_TEST

START_TEST(what_cannot_be_assigned_is_told)
{
	static const char *const	 want[] = {
		"f:1: assign: listen = \"hub::2\", forward = \"hub::3\": want "
		    "\"hub:ADDRESS\" for the one and \"agent:ADDRESS\" for "
		    "the other",
		"f:1: assign: \"agent:db:3\": want an address and a port "
		    "without names, or \"unix:\" and a path",
		"f:1: assign: listen = \"agent:1.2.3.4:5\" is there twice",
		"f:1: listen: \":1\" is taken by f:1",
	};

	ck_assert_int_eq(take(HUBL "agents = ( { id = \"n\"; secret_file = "
	    "\"/s\"; assign = ( { listen = \"hub::2\"; forward = "
	    "\"hub::3\"; }, { listen = \"hub::2\"; forward = "
	    "\"agent:db:3\"; }, { listen = \"agent:1.2.3.4:5\"; forward = "
	    "\"hub:h:3\"; }, { listen = \"agent:1.2.3.4:5\"; forward = "
	    "\"hub:h:3\"; }, { listen = \"hub::1\"; forward = "
	    "\"agent:1.2.3.4:5\"; } ); } );"), -1);
	expect_errors(want, nitems(want));
}
END_TEST

#define NETROXYL	"listeners = ( { name = \"h\"; listen = \":1\"; " \
			"protocol = \"netroxy\"; } ); "

START_TEST(a_netroxy_client_has_ports_and_links)
{
	const struct conf_agent	*a;

	expect_good(take(NETROXYL "agents = ( { id = \"n\"; "
	    "netroxy_password_file = \"/p\"; ports = \"80\"; }, { id = "
	    "\"a\"; secret_file = \"/s\"; publish = \"*\"; } );"));
	expect_stable();
	a = &conf->agents.v[0];
	ck_assert_ptr_eq(conf_agent_of(conf, "n:80"), a);
	ck_assert_ptr_eq(conf_agent_of(conf, "n"), a);
	ck_assert_ptr_eq(conf_agent_of(conf, "a"), a + 1);
	ck_assert_ptr_null(conf_agent_of(conf, "a:80"));
	ck_assert_ptr_null(conf_agent_of(conf, ":80"));
	ck_assert_ptr_null(conf_agent_of(conf, "0123456789012345678901234567"
	    "89012:80"));
	ck_assert_str_eq(conf->listeners[0].pool, "netroxy");
	ck_assert_uint_ne(conf_mapped_listener(conf, "netroxy"),
	    CONF_NOWHERE);
	ck_assert(conf_pool_has_broker(conf, "netroxy"));
	ck_assert(conf_pool_has_proofs(conf, "netroxy"));
}
END_TEST

START_TEST(what_no_netroxy_client_can_have_is_told)
{
	static const char *const	 want[] = {
		"f:1: netroxy_password_file: agent a has a secret_file; a "
		    "Netroxy client is an agent of its own, as its password "
		    "may be read on the way",
		"f:1: id: \"b23456789012345678901234567\": want at most 26 "
		    "characters for a Netroxy client",
		"f:1: subscribe: Netroxy clients know no topics; ports are "
		    "what agent c may have",
		"f:1: secret_file: agent d needs one; \"sallyportctl secret "
		    "FILE\" makes it",
	};

	ck_assert_int_eq(take(NETROXYL "agents = ( { id = \"a\"; secret_file "
	    "= \"/s\"; netroxy_password_file = \"/p\"; ports = \"1\"; }, "
	    "{ id = \"b23456789012345678901234567\"; "
	    "netroxy_password_file = \"/p\"; ports = \"1\"; }, { id = "
	    "\"c\"; netroxy_password_file = \"/p\"; ports = \"1\"; "
	    "subscribe = \"x\"; }, { id = \"d\"; } );"), -1);
	expect_errors(want, nitems(want));
}
END_TEST

START_TEST(what_is_likely_a_slip_is_warned_of_and_taken)
{
	expect_good(take(doubtful[_i].text));
	ck_assert_uint_eq(report.nwarnings, doubtful[_i].warning != NULL);
	if (doubtful[_i].warning != NULL)
		ck_assert_str_eq(report.warnings[0], doubtful[_i].warning);
}
END_TEST

START_TEST(listeners_have_the_pool_of_their_protocol_or_the_one_they_name)
{
	expect_good(take("listeners = ( { name = \"a\"; listen = \":1\"; "
	    "forward = \"h:1\"; pool = \"p\"; }, { name = \"b\"; "
	    "listen = \":2\"; forward = \"h:1\"; pool = \"\"; } );"));
	ck_assert_str_eq(conf->listeners[0].pool, "p");
	ck_assert_str_eq(conf->listeners[1].pool, "tcp");
}
END_TEST

START_TEST(a_pool_has_one_protocol)
{
	static const char *const	 want[] = {
		"f:2: pool: \"p\" has listeners of another protocol, as f:1",
	};

	ck_assert_int_eq(take("listeners = ( { name = \"a\"; "
	    "listen = \":1\"; forward = \"h:1\"; pool = \"p\"; "
	    "protocol = \"mysql\"; },\n{ name = \"b\"; listen = \":2\"; "
	    "forward = \"h:1\"; pool = \"p\"; } );"), -1);
	expect_errors(want, 1);
}
END_TEST

static const struct {
	const char	*text;
	bool		 admitted, placed;
} kept[] = {
	{ A, false, false },
	{ L1("max_sessions = 1;"), true, false },
	{ L1("max_sessions_per_source = 1;"), true, false },
	{ L1("rate_per_source = \"1/s\";"), true, false },
	{ L1("handshakes = 1;"), true, false },
	{ L1("penalty = 1; allow = \"::/0\"; backlog = 1;"), false, false },
	{ B1("servers = \"h:1\"; balance = \"leastconn\";"), false, true },
	{ B1("servers = \"h:1\"; balance = \"source\";"), false, false },
	{ B1("servers = ( \"h:1\", { address = \"h:2\"; "
	    "max_sessions = 1; } );"), false, true },
};

START_TEST(sessions_ask_the_keeper_only_where_counts_matter)
{
	expect_good(take(kept[_i].text));
	ck_assert_int_eq(conf->listeners[0].admitted, kept[_i].admitted);
	ck_assert_int_eq(conf->backends[0].placed, kept[_i].placed);
}
END_TEST

/* What libconfig would misread is not given to it; see test_conf_text. */
START_TEST(a_text_that_would_be_misread_is_refused)
{
	static const struct {
		const char	*text, *error;
	} texts[] = {
		{ "\nworkers = { max = 4294967298; };" A, "f:2: a number "
		    "beyond 2147483647 would be read as another; an L behind "
		    "it helps" },
		{ "user = \"nobody\\x00x\";" A,
		    "f:1: \\x00 would end the string there" },
		{ "workers = { max = 010; };" A, "f:1: a number that begins "
		    "with 0 would be read as decimal: "
	    "write it without" },
	};

	conf_read_text(conf, "f", texts[_i].text, strlen(texts[_i].text),
	    &report);
	expect_errors(&texts[_i].error, 1);
	ck_assert_int_eq(conf_finish(conf, &report), -1);
}
END_TEST

START_TEST(a_nul_byte_is_refused_with_its_line)
{
	static const char		 text[] = "user = \"a\";\n\n\0" A;
	static const char *const	 want[] = {
		"f:3: a NUL byte; a configuration is text",
	};

	conf_read_text(conf, "f", text, sizeof(text) - 1, &report);
	expect_errors(want, 1);
	ck_assert_int_eq(conf_finish(conf, &report), -1);
	ck_assert_str_eq(conf->user, "_sallyport");
}
END_TEST

START_TEST(the_report_is_not_longer_than_anyone_reads)
{
	char	*text = NULL;
	size_t	 len;
	FILE	*out = open_memstream(&text, &len);

	for (int i = 0; i < 200; i++)
		fprintf(out, "key%d = 1;\n", i);
	fclose(out);
	ck_assert_int_eq(take(text), -1);
	ck_assert_uint_eq(report.nerrors, 100);
	ck_assert_ptr_nonnull(strstr(report.errors[98], "key98: no such"));
	ck_assert_str_eq(report.errors[99], "and there are more");
	free(text);
}
END_TEST

/* One list of n, each with what fmt makes of its number, twice. */
static char *
many(const char *name, const char *fmt, int n)
{
	char	*text = NULL;
	size_t	 len;
	FILE	*out = open_memstream(&text, &len);

	fprintf(out, "%s = (", name);
	for (int i = 1; i <= n; i++) {
		fprintf(out, "%s\n", i > 1 ? "," : "");
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
		fprintf(out, fmt, i, i);
#pragma GCC diagnostic pop
	}
	fprintf(out, ");");
	fclose(out);
	return text;
}

#define L	"{ name = \"l%d\"; listen = \":%d\"; forward = \"h:1\"; }"
#define S	"{ name = \"b%d\"; servers = \"h:%d\"; }"

static const struct {
	const char	*name, *fmt;
	int		 max;
	const char	*error;
} limits[] = {
	{ "listeners", L, CONF_LISTENERS_MAX,
	    "f:1: listeners: at most 256 of them" },
	{ "backends", S, CONF_BACKENDS_MAX,
	    "f:1: backends: at most 512 of them" },
};

START_TEST(there_are_limits_to_listeners_and_backends)
{
	char	*text = many(limits[_i].name, limits[_i].fmt,
		    limits[_i].max);

	conf_read_text(conf, "f", text, strlen(text), &report);
	free(text);
	if (_i != 0)
		conf_read_text(conf, "g", A, strlen(A), &report);
	expect_good(conf_finish(conf, &report));
	expect_stable();
	tear_down();
	set_up();
	text = many(limits[_i].name, limits[_i].fmt, limits[_i].max + 1);
	conf_read_text(conf, "f", text, strlen(text), &report);
	free(text);
	expect_errors(&limits[_i].error, 1);
}
END_TEST

START_TEST(there_is_a_limit_to_pools)
{
	static const char *const	 want[] = {
		"f:65: pool: more than 63 pools",
	};
	char	*text = many("listeners", "{ name = \"l%1$d\"; listen = \":%1$d\"; "
		    "forward = \"h:1\"; pool = \"p%1$d\"; }",
		    CONF_POOLS_MAX + _i);

	if (_i == 0)
		expect_good(take(text));
	else {
		ck_assert_int_eq(take(text), -1);
		expect_errors(want, 1);
	}
	free(text);
}
END_TEST

START_TEST(there_is_a_limit_to_addresses)
{
	char	*list = many("backends = ( { name = \"b\"; servers", "\"h%d:%d\"",
		    CONF_ADDRS_MAX + _i), *text = NULL;

	text = mem_printf("%s } );" A, list);
	if (_i == 0)
		expect_good(take(text));
	else {
		static const char *const	 want[] = {
			"f:66: backends[0].servers[64]: more than 64 "
			"servers",
		};

		ck_assert_int_eq(take(text), -1);
		expect_errors(want, 1);
	}
	free(list);
	free(text);
}
END_TEST

START_TEST(there_is_a_limit_to_networks)
{
	static const char *const	 want[] = {
		"f:1: listeners[0].deny[1024]: more than 1024 networks",
	};
	char	*text = NULL;
	size_t	 len;
	FILE	*out = open_memstream(&text, &len);

	ck_assert_ptr_nonnull(out);
	fputs("listeners = ( { name = \"a\"; listen = \":1\"; "
	    "forward = \"h:1\"; deny = (", out);
	for (int i = 0; i < CONF_NETS_MAX + _i; i++)
		fprintf(out, "%s\"10.0.%d.%d\"", i > 0 ? ", " : "", i / 256,
		    i % 256);
	fputs("); } );", out);
	fclose(out);
	if (_i == 0) {
		expect_good(take(text));
		expect_stable();
	} else {
		ck_assert_int_eq(take(text), -1);
		expect_errors(want, 1);
	}
	free(text);
}
END_TEST

START_TEST(there_is_a_limit_to_all_servers)
{
	static const char *const	 want[] = {
		"f:66: servers: more than 4096 in all backends",
	};
	char	*text = NULL;
	size_t	 len;
	FILE	*out = open_memstream(&text, &len);

	ck_assert_ptr_nonnull(out);
	fputs("backends = (", out);
	for (int i = 0; i < 64; i++) {
		fprintf(out, "%s\n{ name = \"b%d\"; servers = (", i > 0 ? "," :
		    "", i);
		for (int j = 1; j <= 64; j++)
			fprintf(out, "%s\"h:%d\"", j > 1 ? ", " : "", j);
		fputs("); }", out);
	}
	/* The forward of the listener makes one more. */
	fprintf(out, ");\n%s", _i == 0 ? "listeners = ( { name = \"a\"; "
	    "listen = \":1\"; forward = \"backend:b63\"; } );" : A);
	fclose(out);
	if (_i == 0) {
		expect_good(take(text));
		ck_assert_uint_eq(conf->nservers, CONF_SERVERS_MAX);
		expect_stable();
	} else {
		ck_assert_int_eq(take(text), -1);
		expect_errors(want, 1);
	}
	free(text);
}
END_TEST

static char *
write_file(const char *folder, const char *name, const char *text, size_t len)
{
	char	*path = mem_printf("%s/%s", folder, name);
	FILE	*out = fopen(path, "we");

	ck_assert_ptr_nonnull(out);
	ck_assert_uint_eq(fwrite(text, 1, len, out), len);
	ck_assert_int_eq(fclose(out), 0);
	return path;
}

static char *
write_text(const char *folder, const char *name, const char *text)
{
	return write_file(folder, name, text, strlen(text));
}

START_TEST(a_file_is_read)
{
	char	*path = write_text(unit_folder(), "conf", good[1]), *where;

	conf_read_file(conf, path, &report);
	expect_good(conf_finish(conf, &report));
	where = mem_printf("%s:8", path);
	ck_assert_str_eq(conf->listeners[0].where, where);
	free(where);
	free(path);
}
END_TEST

START_TEST(a_file_that_cannot_be_read_is_told)
{
	static const char *const	 want[] = {
		"/nonexistent/conf: No such file or directory",
		"/: Is a directory",
		"/dev/null: not a regular file",
	};

	conf_read_file(conf, "/nonexistent/conf", &report);
	conf_read_file(conf, "/", &report);
	conf_read_file(conf, "/dev/null", &report);
	expect_errors(want, 3);
}
END_TEST

START_TEST(a_file_that_is_too_large_is_refused)
{
	size_t	 size = CONF_FILE_MAX + (size_t)_i;
	char	*text = mem_calloc(1, size), *path, *want;

	memset(text, '\n', size);
	memcpy(text, A, strlen(A));
	path = write_file(unit_folder(), "conf", text, size);
	conf_read_file(conf, path, &report);
	if (_i == 0)
		expect_good(conf_finish(conf, &report));
	else {
		want = mem_printf("%s: longer than 1 MiB, so no "
		    "configuration", path);
		expect_errors((const char *const[]){ want }, 1);
		free(want);
	}
	free(path);
	free(text);
}
END_TEST

/* Nor waited for: whoever reads a FIFO waits for its writer. */
START_TEST(a_fifo_is_not_waited_for)
{
	char	*path = mem_printf("%s/fifo", unit_folder());

	ck_assert_int_eq(mkfifo(path, 0600), 0);
	conf_read_file(conf, path, &report);
	ck_assert_int_eq(conf_finish(conf, &report), -1);
	free(path);
}
END_TEST

static const struct {
	const char	*outer, *inner;
	const char	*error[3];
} includes[] = {
	{ "foo = 1;\n@include \"inner\"\nbar = 1;\n", "\nusr = 1;\n",
	    { "outer:1: foo: " TOP_KEYS, "inner:2: usr: " TOP_KEYS,
	    "outer:3: bar: " TOP_KEYS } },
	{ "@include \"inner\"\n" A, "\n\nusr = ;\n",
	    { "inner:3: syntax error" } },
	{ "\n@include \"inner\"\n" A "\n\nusr = ;\n", "user = \"u\";",
	    { "outer:5: syntax error" } },
	{ "@include \"inner\"\nlog = { };\n" A, "user = \"u\";\n"
	    "log = { };", { "outer:2: duplicate setting name" } },
	{ "log = { };\n@include \"inner\"\n" A, "user = \"u\";\n"
	    "log = { };", { "inner:2: duplicate setting name" } },
	{ "@include \"inner\"\n" A, "workers = { max = 4294967298; };",
	    { "inner:1: a number beyond 2147483647 would be read as another; "
	    "an L behind it helps" } },
	{ "listeners = (\n@include \"inner\"\n);\n",
	    "\n{ name = \"a\"; listen = \":1\"; forward = \"h:1\"; },\n"
	    "{ name = \"b\"; listen = \":2\"; forward = \"backend:x\"; }",
	    { "inner:3: forward: \"backend:x\": there is no backend of that "
	    "name" } },
};

START_TEST(a_mistake_is_placed_in_the_file_that_has_it)
{
	const char	*folder = unit_folder();
	char		*want[3] = { NULL }, *path;
	size_t		 n = 0;

	free(write_text(folder, "inner", includes[_i].inner));
	path = write_text(folder, "outer", includes[_i].outer);
	conf_read_file(conf, path, &report);
	(void)conf_finish(conf, &report);
	for (; n < 3 && includes[_i].error[n] != NULL; n++)
		want[n] = mem_printf("%s/%s", folder, includes[_i].error[n]);
	expect_errors((const char *const *)want, n);
	for (size_t i = 0; i < n; i++)
		free(want[i]);
	free(path);
}
END_TEST

START_TEST(what_a_file_includes_is_as_if_it_stood_there)
{
	const char	*folder = unit_folder();
	char		*path;

	free(write_text(folder, "user", "user = \"inner\";"));
	free(write_text(folder, "one", "{ name = \"a\"; listen = \":1\"; "
	    "forward = \"h:1\"; }"));
	path = write_text(folder, "outer", "@include \"user\"\nlisteners = "
	    "(\n@include \"one\"\n);");
	ck_assert_int_eq(chdir("/"), 0);
	conf_read_file(conf, path, &report);
	expect_good(conf_finish(conf, &report));
	ck_assert_str_eq(conf->user, "inner");
	ck_assert_uint_eq(conf->nlisteners, 1);
	expect_stable();
	free(path);
}
END_TEST

/* A main file with conf_d, and what is in that folder; where they are. */
static const char *
take_folder(const char *const (*files)[2], size_t n)
{
	const char	*folder = unit_folder();
	char		*path = mem_printf("%s/d", folder);

	ck_assert_int_eq(mkdir(path, 0700), 0);
	free(path);
	for (size_t i = 0; i < n; i++)
		free(write_text(folder, files[i][0], files[i][1]));
	path = write_text(folder, "main",
	    "user = \"u\";\nconf_d = \"d\";\n" A "\n");
	ck_assert_int_eq(chdir("/"), 0);
	conf_read_file(conf, path, &report);
	(void)conf_finish(conf, &report);
	free(path);
	return folder;
}

START_TEST(files_of_a_folder_are_read_in_order)
{
	static const char *const	 files[][2] = {
		{ "d/b.conf", "listeners = ( { name = \"b\"; "
		    "listen = \":3\"; forward = \"backend:x\"; } );" },
		{ "d/B.conf", "listeners = ( { name = \"B\"; "
		    "listen = \":2\"; forward = \"backend:x\"; } );" },
		{ "d/z.conf", "@include \"x\"\n" },
		{ "d/x", "backends = ( { name = \"x\"; "
		    "servers = \"h:1\"; } );" },
		{ "d/.hidden.conf", "nonsense" },
		{ "d/.conf", "nonsense" },
		{ "d/a.conf~", "nonsense" },
		{ "d/conf", "nonsense" },
	};

	take_folder(files, nitems(files));
	expect_good(0);
	ck_assert_uint_eq(conf->nlisteners, 3);
	ck_assert_str_eq(conf->listeners[0].name, "a");
	ck_assert_str_eq(conf->listeners[1].name, "B");
	ck_assert_str_eq(conf->listeners[2].name, "b");
	ck_assert_uint_eq(conf->listeners[1].backend, 0);
	/* What the folder held is printed, so it is not to be read again. */
	ck_assert_str_eq(conf->conf_d, "");
	expect_stable();
}
END_TEST

static const struct {
	const char	*file[2];
	const char	*error;
} bad_extras[] = {
	{ { "d/x.conf", "\nuser = \"x\";" }, "2: user: a file of "
	    "conf_d may hold backends and listeners only" },
	{ { "d/x.conf", "conf_d = \"x\";" }, "1: conf_d: a file "
	    "of conf_d may hold backends and listeners only" },
	{ { "d/x.conf", "usr = 1;" }, "1: usr: " TOP_KEYS },
	{ { "d/x.conf", "listeners = {" }, "1: syntax error" },
	{ { "d/x.conf", "a = 010;" }, "1: a number that begins "
	    "with 0 would be read as decimal: write it without" },
};

START_TEST(a_mistake_in_a_folder_is_placed_there)
{
	const char	*folder = take_folder(&bad_extras[_i].file, 1);
	char		*want = mem_printf("%s/%s:%s", folder,
			    bad_extras[_i].file[0], bad_extras[_i].error);

	expect_errors((const char *const *)&want, 1);
	free(want);
}
END_TEST

START_TEST(a_name_that_two_files_have_is_told_with_both)
{
	static const char *const	 files[][2] = {
		{ "d/x.conf", "\n" A },
	};
	const char	*folder = take_folder(files, 1);
	char		*want[2];

	want[0] = mem_printf("%s/d/x.conf:2: name: \"a\" is the name of an "
	    "earlier listener, %s/main:3", folder, folder);
	want[1] = mem_printf("%s/d/x.conf:2: listen: \":1\" is taken by "
	    "%s/main:3", folder, folder);
	expect_errors((const char *const *)want, 2);
	free(want[0]);
	free(want[1]);
}
END_TEST

START_TEST(a_folder_that_cannot_be_read_is_told)
{
	static const char *const	 want[] = {
		"f:2: conf_d: /nonexistent: No such file or directory",
	};

	ck_assert_int_eq(take("\nconf_d = \"/nonexistent\";" A), -1);
	expect_errors(want, 1);
}
END_TEST

START_TEST(there_is_a_limit_to_the_files_of_a_folder)
{
	const char	*folder = unit_folder();
	char		 name[24], *text, *want;

	for (int i = 0; i < 1000; i++) {
		snprintf(name, sizeof(name), "%d.conf", i);
		free(write_text(folder, name, ""));
	}
	text = mem_printf("conf_d = \"%s\";" A, folder);
	expect_good(take(text));
	free(write_text(folder, "x.conf", ""));
	tear_down_conf();
	set_up();
	conf_read_text(conf, "f", text, strlen(text), &report);
	want = mem_printf("f:1: conf_d: %s: more than 1000 files", folder);
	expect_errors((const char *const *)&want, 1);
	free(want);
	free(text);
}
END_TEST

START_TEST(something_else_with_the_name_of_a_file_is_told)
{
	const char	*folder = unit_folder();
	char		*dir = mem_printf("%s/x.conf", folder), *text, *want;

	ck_assert_int_eq(mkdir(dir, 0700), 0);
	text = mem_printf("conf_d = \"%s\";" A, folder);
	ck_assert_int_eq(take(text), -1);
	want = mem_printf("%s: Is a directory", dir);
	expect_errors((const char *const *)&want, 1);
	free(want);
	free(text);
	free(dir);
}
END_TEST

static void
flag(const char *name, const char *key, const char *value)
{
	conf_set(conf, name, key, value, &report);
}

START_TEST(flags_make_a_configuration)
{
	flag("--bind", "listener.name", "main");
	flag("--bind", "listener.listen", ":8002");
	flag("--backend", "listener.forward", "127.0.0.1:8003");
	flag("--buffer", "listener.buffer", "4096");
	flag("--log-to", "log.to", "stdout");
	flag("--user", "user", "nobody");
	expect_good(conf_finish(conf, &report));
	ck_assert_uint_eq(conf->nlisteners, 1);
	ck_assert_str_eq(conf->listeners[0].name, "main");
	ck_assert_int_eq(conf->listeners[0].buffer, 4096);
	ck_assert_str_eq(conf->log.to, "stdout");
	ck_assert_str_eq(conf->user, "nobody");
	expect_stable();
}
END_TEST

START_TEST(a_flag_that_is_wrong_is_named)
{
	static const char *const	 want[] = {
		"--bind: \"8002\": want host:port, :port, [v6]:port or "
		"unix:/path",
		"--buffer: \"1\": want a size from \"512\" to \"16m\" (units "
		"k, m, g; a bare number is bytes)",
		"--protocol: \"udp\": want \"tcp\", \"mysql\", \"hub\" or "
		    "\"netroxy\"",
		"--bind: forward: \"x\": want host:port, :port, [v6]:port or "
		"unix:/path",
	};

	flag("--bind", "listener.name", "main");
	flag("--bind", "listener.listen", "8002");
	flag("--backend", "listener.forward", "x");
	flag("--buffer", "listener.buffer", "1");
	flag("--protocol", "listener.protocol", "udp");
	ck_assert_int_eq(conf_finish(conf, &report), -1);
	expect_errors(want, 4);
}
END_TEST

START_TEST(a_flag_overrides_the_file)
{
	conf_read_text(conf, "f", "log = { to = \"stderr\"; };" A,
	    strlen("log = { to = \"stderr\"; };" A), &report);
	flag("--log-to", "log.to", "/x");
	flag("--verbose", "log.level", "debug");
	expect_good(conf_finish(conf, &report));
	ck_assert_str_eq(conf->log.to, "/x");
	ck_assert_int_eq(conf->log.level, 3);
}
END_TEST

int
main(void)
{
	Suite	*s = suite_create("conf");
	TCase	*tc = tcase_create("conf");

	suite_add_tcase(s, tc);
	tcase_add_checked_fixture(tc, set_up, tear_down);
	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc,
	    a_good_file_is_taken_and_prints_the_same_when_read_back, 0,
	    (int)nitems(good));
	tcase_add_test(tc, a_good_file_is_understood);
	tcase_add_test(tc, every_other_key_is_understood);
	tcase_add_test(tc, what_is_said_of_tls_is_understood);
	tcase_add_test(tc,
	    a_route_leads_to_a_backend_of_the_list_or_to_one_of_its_own);
	tcase_add_test(tc, what_is_not_set_has_its_default);
	tcase_add_test(tc, there_are_never_more_spare_workers_than_workers);
	tcase_add_loop_test(tc,
	    a_bad_file_is_refused_with_each_of_its_mistakes, 0,
	    (int)nitems(bad));
	tcase_add_test(tc, a_hub_and_its_agents_are_read_and_printed);
	tcase_add_test(tc, agents_may_have_the_ports_that_are_named);
	tcase_add_test(tc, ports_and_maps_that_are_none_are_told);
	tcase_add_test(tc, a_netroxy_client_has_ports_and_links);
	tcase_add_test(tc, what_no_netroxy_client_can_have_is_told);
	tcase_add_test(tc, a_hub_assigns_both_ways);
	tcase_add_test(tc, an_agent_accepts_what_it_says);
	tcase_add_test(tc, what_cannot_be_assigned_is_told);
	tcase_add_loop_test(tc, what_is_likely_a_slip_is_warned_of_and_taken,
	    0, (int)nitems(doubtful));
	tcase_add_test(tc,
	    listeners_have_the_pool_of_their_protocol_or_the_one_they_name);
	tcase_add_test(tc, a_pool_has_one_protocol);
	tcase_add_loop_test(tc,
	    sessions_ask_the_keeper_only_where_counts_matter, 0,
	    (int)nitems(kept));
	tcase_add_loop_test(tc, a_text_that_would_be_misread_is_refused, 0,
	    3);
	tcase_add_test(tc, a_nul_byte_is_refused_with_its_line);
	tcase_add_test(tc, the_report_is_not_longer_than_anyone_reads);
	tcase_add_loop_test(tc, there_are_limits_to_listeners_and_backends, 0,
	    (int)nitems(limits));
	tcase_add_loop_test(tc, there_is_a_limit_to_pools, 0, 2);
	tcase_add_loop_test(tc, there_is_a_limit_to_addresses, 0, 2);
	tcase_add_loop_test(tc, there_is_a_limit_to_networks, 0, 2);
	tcase_add_loop_test(tc, there_is_a_limit_to_all_servers, 0, 2);
	tcase_add_test(tc, a_file_is_read);
	tcase_add_test(tc, a_file_that_cannot_be_read_is_told);
	tcase_add_loop_test(tc, a_file_that_is_too_large_is_refused, 0, 2);
	tcase_add_test(tc, a_fifo_is_not_waited_for);
	tcase_add_loop_test(tc, a_mistake_is_placed_in_the_file_that_has_it,
	    0, (int)nitems(includes));
	tcase_add_test(tc, what_a_file_includes_is_as_if_it_stood_there);
	tcase_add_test(tc, files_of_a_folder_are_read_in_order);
	tcase_add_loop_test(tc, a_mistake_in_a_folder_is_placed_there, 0,
	    (int)nitems(bad_extras));
	tcase_add_test(tc, a_name_that_two_files_have_is_told_with_both);
	tcase_add_test(tc, a_folder_that_cannot_be_read_is_told);
	tcase_add_test(tc, there_is_a_limit_to_the_files_of_a_folder);
	tcase_add_test(tc, something_else_with_the_name_of_a_file_is_told);
	tcase_add_test(tc, flags_make_a_configuration);
	tcase_add_test(tc, a_flag_that_is_wrong_is_named);
	tcase_add_test(tc, a_flag_overrides_the_file);
	return unit_run(s);
}
