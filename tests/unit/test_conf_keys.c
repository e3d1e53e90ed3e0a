#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "policy/conf.h"
#include "policy/conf_keys.h"
#include "policy/conf_value.h"
#include "unit.h"

/* Room for any of the structures that keys set members of. */
static union {
	struct conf		 conf;
	struct conf_backend	 backend;
	struct conf_server	 server;
	struct conf_listener	 listener;
	struct conf_route	 route;
} base;
static char	 why[512];

static void
set_up(void)
{
	memset(&base, 0, sizeof(base));
	why[0] = '\0';
}

static void
release(const struct conf_key *k)
{
	conf_keys_release(k->section, &base);
}

static const struct conf_key *
key(enum conf_section section, const char *name)
{
	const struct conf_key	*k = conf_key_find(section, name);

	ck_assert_ptr_nonnull(k);
	return k;
}

static int
set(const struct conf_key *k, const char *text)
{
	return conf_key_set(k, &base, text, why, sizeof(why));
}

static int64_t
number(const struct conf_key *k)
{
	int64_t	 v;

	memcpy(&v, (char *)&base + k->offset, sizeof(v));
	return v;
}

/* What conf_key_print() writes, in memory of its own. */
static char *
printed(const struct conf_key *k)
{
	char	*text = NULL;
	size_t	 len;
	FILE	*out = open_memstream(&text, &len);

	ck_assert_ptr_nonnull(out);
	conf_key_print(k, &base, out);
	ck_assert_int_eq(fclose(out), 0);
	return text;
}

static void
expect_printed(const struct conf_key *k, const char *want)
{
	char	*text = printed(k);

	ck_assert_str_eq(text, want);
	free(text);
}

static bool
is_quantity(const struct conf_key *k)
{
	return k->type == CONF_INT || k->type == CONF_TIME ||
	    k->type == CONF_SIZE;
}

START_TEST(a_key_is_found_in_its_section_only)
{
	for (const struct conf_key *k = conf_keys; k->name != NULL; k++)
		ck_assert_ptr_eq(conf_key_find(k->section, k->name), k);
	ck_assert_ptr_null(conf_key_find(CONF_TOP, "spare"));
	ck_assert_ptr_null(conf_key_find(CONF_WORKERS, "user"));
	ck_assert_ptr_null(conf_key_find(CONF_TOP, ""));
	ck_assert_ptr_null(conf_key_find(CONF_TOP, "User"));
}
END_TEST

START_TEST(every_key_says_what_it_does)
{
	for (const struct conf_key *k = conf_keys; k->name != NULL; k++) {
		ck_assert_ptr_nonnull(k->help);
		ck_assert_uint_gt(strlen(k->help), 3);
		ck_assert_int_eq(k->type == CONF_ENUM, k->choices != NULL);
		if (is_quantity(k))
			ck_assert_int_lt(k->min, k->max);
	}
}
END_TEST

/* A scalar as text, out of the quotes if it has them. */
static void
unquote(char *text)
{
	size_t	 len = strlen(text);

	if (len >= 2 && text[0] == '"') {
		memmove(text, text + 1, len - 2);
		text[len - 2] = '\0';
	}
}

START_TEST(every_default_is_taken_printed_and_read_back)
{
	for (const struct conf_key *k = conf_keys; k->name != NULL; k++) {
		char	*first, *text;

		if (k->preset == NULL || k->type == CONF_GROUP ||
		    k->type == CONF_LIST || k->type == CONF_NETS ||
		    k->type == CONF_TEXTS || k->type == CONF_PATHS ||
		    conf_key_is_list(k))
			continue;
		set_up();
		ck_assert_msg(set(k, k->preset) == 0, "%s: %s", k->name, why);
		first = printed(k);
		text = mem_strdup(first);
		unquote(text);
		release(k);
		set_up();
		ck_assert_msg(set(k, text) == 0, "%s: %s", k->name, why);
		expect_printed(k, first);
		release(k);
		free(first);
		free(text);
	}
}
END_TEST

START_TEST(a_number_in_its_range_is_taken_and_one_outside_is_not)
{
	char	 text[32];

	for (const struct conf_key *k = conf_keys; k->name != NULL; k++) {
		const char	*unit = k->type == CONF_TIME ? "ms" : "";

		if (!is_quantity(k))
			continue;
		set_up();
		snprintf(text, sizeof(text), "%" PRId64 "%s", k->min, unit);
		ck_assert_msg(set(k, text) == 0, "%s: %s", k->name, why);
		ck_assert_int_eq(number(k), k->min);
		snprintf(text, sizeof(text), "%" PRId64 "%s", k->max, unit);
		ck_assert_msg(set(k, text) == 0, "%s: %s", k->name, why);
		ck_assert_int_eq(number(k), k->max);
		/* What is refused changes nothing. */
		snprintf(text, sizeof(text), "%" PRId64 "%s", k->max + 1,
		    unit);
		ck_assert_msg(set(k, text) == -1, "%s: %s", k->name, text);
		snprintf(text, sizeof(text), "%" PRId64 "%s", k->min - 1,
		    unit);
		ck_assert_msg(set(k, text) == -1, "%s: %s", k->name, text);
		ck_assert_int_eq(number(k), k->max);
	}
}
END_TEST

START_TEST(what_a_key_is_said_to_want_it_takes)
{
	for (const struct conf_key *k = conf_keys; k->name != NULL; k++) {
		char	 wants[256], min[32], max[32];

		conf_key_wants(k, wants, sizeof(wants));
		ck_assert_int_eq(strncmp(wants, "want ", 5), 0);
		ck_assert_uint_lt(strlen(wants), sizeof(wants) - 1);
		if (!is_quantity(k))
			continue;
		ck_assert_int_eq(sscanf(strstr(wants, "from ") + 5,
		    k->type == CONF_INT ? "%31s to %31s" :
		    "\"%31[^\"]\" to \"%31[^\"]\"", min, max), 2);
		set_up();
		ck_assert_int_eq(set(k, min), 0);
		ck_assert_int_eq(number(k), k->min);
		ck_assert_int_eq(set(k, max), 0);
		ck_assert_int_eq(number(k), k->max);
	}
}
END_TEST

START_TEST(a_switch_is_true_or_false)
{
	const struct conf_key	*k = key(CONF_LISTENER, "nodelay");

	ck_assert_int_eq(set(k, "true"), 0);
	ck_assert(base.listener.nodelay);
	expect_printed(k, "true");
	ck_assert_int_eq(set(k, "false"), 0);
	ck_assert(!base.listener.nodelay);
	expect_printed(k, "false");
}
END_TEST

#define IDLE	CONF_TIMEOUTS, "idle"
#define BUFFER	CONF_LISTENER, "buffer"
#define MAX	CONF_WORKERS, "max"

static const struct {
	enum conf_section	 section;
	const char		*name;
	const char		*text;
	int64_t			 value;
	const char		*printed;
} good[] = {
	{ IDLE,		"1ms",		1,		"\"1ms\"" },
	{ IDLE,		"1500ms",	1500,		"\"1500ms\"" },
	{ IDLE,		"2000ms",	2000,		"\"2s\"" },
	{ IDLE,		"7",		7000,		"\"7s\"" },
	{ IDLE,		"7s",		7000,		"\"7s\"" },
	{ IDLE,		"90s",		90000,		"\"90s\"" },
	{ IDLE,		"60",		60000,		"\"1m\"" },
	{ IDLE,		"5m",		300000,		"\"5m\"" },
	{ IDLE,		"90m",		5400000,	"\"90m\"" },
	{ IDLE,		"8h",		28800000,	"\"8h\"" },
	{ IDLE,		"28800",	28800000,	"\"8h\"" },
	{ IDLE,		"24d",		2073600000,	"\"24d\"" },
	{ IDLE,		"007",		7000,		"\"7s\"" },
	{ BUFFER,	"512",		512,		"\"512\"" },
	{ BUFFER,	"1000",		1000,		"\"1000\"" },
	{ BUFFER,	"4096",		4096,		"\"4k\"" },
	{ BUFFER,	"64k",		65536,		"\"64k\"" },
	{ BUFFER,	"1m",		1048576,	"\"1m\"" },
	{ BUFFER,	"1536k",	1572864,	"\"1536k\"" },
	{ MAX,		"1",		1,		"1" },
	{ MAX,		"32768",	32768,		"32768" },
	{ CONF_TIMEOUTS, "session", "0", 0,		"\"0\"" },
	{ CONF_TIMEOUTS, "session", "0h", 0,		"\"0\"" },
	{ CONF_TIMEOUTS, "session", "365d", 31536000000, "\"365d\"" },
};

START_TEST(a_unit_is_understood_and_the_largest_is_printed)
{
	const struct conf_key	*k = key(good[_i].section, good[_i].name);

	ck_assert_msg(set(k, good[_i].text) == 0, "%s", why);
	ck_assert_int_eq(number(k), good[_i].value);
	expect_printed(k, good[_i].printed);
}
END_TEST

#define WANT_TIME	"want a time from \"1ms\" to \"24d\" (units ms, s, " \
			"m, h, d; a bare number is seconds)"
#define WANT_SIZE	"want a size from \"512\" to \"16m\" (units k, m, g; " \
			"a bare number is bytes)"
#define WANT_MAX	"want a number from 1 to 32768"
#define WANT_LOG_TO	"want \"stdout\", \"stderr\", \"syslog\" or the " \
			"absolute path of a file"
#define WANT_NAME	"want 1 to 32 letters, digits, \"_\", \"-\" or \".\""
#define X32		"abcdefghijklmnopqrstuvwxyz012345"

#define RATE		CONF_LISTENER, "rate_per_source"
#define WANT_RATE	"want a rate like \"10/s\", \"100/m\" or " \
			"\"20/10s\", or \"0\" for no limit"
#define DEFER		CONF_LISTENER, "defer_accept"
#define WANT_DEFER	"want a time from \"0\" to \"1h\" in whole seconds " \
			"(units ms, s, m, h, d; a bare number is seconds)"
#define WANT_BOOL	"want true or false, without quotes"

static const struct {
	const char	*text;
	int64_t		 count, ms;
	const char	*printed;
} rates[] = {
	{ "0",		0,	0,		"\"0\"" },
	{ "10/s",	10,	1000,		"\"10/s\"" },
	{ "10/1s",	10,	1000,		"\"10/s\"" },
	{ "10/1",	10,	1000,		"\"10/s\"" },
	{ "10/1000ms",	10,	1000,		"\"10/s\"" },
	{ "100/m",	100,	60000,		"\"100/m\"" },
	{ "100/60s",	100,	60000,		"\"100/m\"" },
	{ "20/10s",	20,	10000,		"\"20/10s\"" },
	{ "20/10m",	20,	600000,		"\"20/10m\"" },
	{ "1/ms",	1,	1,		"\"1/ms\"" },
	{ "1/12ms",	1,	12,		"\"1/12ms\"" },
	{ "5/h",	5,	3600000,	"\"5/h\"" },
	{ "1000000/d",	1000000, 86400000,	"\"1000000/d\"" },
	{ "007/007",	7,	7000,		"\"7/7s\"" },
};

START_TEST(a_rate_is_understood_and_printed_short)
{
	const struct conf_key	*k = key(RATE);

	ck_assert_msg(set(k, rates[_i].text) == 0, "%s", why);
	ck_assert_int_eq(base.listener.rate_per_source.count,
	    rates[_i].count);
	ck_assert_int_eq(base.listener.rate_per_source.ms, rates[_i].ms);
	expect_printed(k, rates[_i].printed);
}
END_TEST

static const struct {
	enum conf_section	 section;
	const char		*name;
	const char		*text;
	const char		*wants;
} bad[] = {
	{ IDLE,		"",		WANT_TIME },
	{ IDLE,		"0",		WANT_TIME },
	{ IDLE,		"0ms",		WANT_TIME },
	{ IDLE,		"-1",		WANT_TIME },
	{ IDLE,		"+1",		WANT_TIME },
	{ IDLE,		" 1",		WANT_TIME },
	{ IDLE,		"1 ",		WANT_TIME },
	{ IDLE,		"1 s",		WANT_TIME },
	{ IDLE,		"1.5s",		WANT_TIME },
	{ IDLE,		"s",		WANT_TIME },
	{ IDLE,		"1S",		WANT_TIME },
	{ IDLE,		"1w",		WANT_TIME },
	{ IDLE,		"1sec",		WANT_TIME },
	{ IDLE,		"1h30m",	WANT_TIME },
	{ IDLE,		"0x10",		WANT_TIME },
	{ IDLE,		"25d",		WANT_TIME },
	{ IDLE,		"9223372036854775807",	WANT_TIME },
	{ IDLE,		"9223372036854775807d",	WANT_TIME },
	{ IDLE,		"99999999999999999999",	WANT_TIME },
	{ IDLE,		"213503982334602d",	WANT_TIME },	/* wraps */
	{ BUFFER,	"511",		WANT_SIZE },
	{ BUFFER,	"0k",		WANT_SIZE },
	{ BUFFER,	"17m",		WANT_SIZE },
	{ BUFFER,	"1g",		WANT_SIZE },
	{ BUFFER,	"64K",		WANT_SIZE },
	{ BUFFER,	"64kb",		WANT_SIZE },
	{ BUFFER,	"17179869185g",	WANT_SIZE },		/* wraps */
	{ MAX,		"0",		WANT_MAX },
	{ MAX,		"32769",	WANT_MAX },
	{ MAX,		"1k",		WANT_MAX },
	{ MAX,		"many",		WANT_MAX },
	{ CONF_LOG, "level",	"loud",	"want \"error\", \"warn\", \"info\" "
	    "or \"debug\"" },
	{ CONF_LOG, "level",	"",	"want \"error\", \"warn\", \"info\" "
	    "or \"debug\"" },
	{ CONF_LOG, "level",	"INFO",	"want \"error\", \"warn\", \"info\" "
	    "or \"debug\"" },
	{ CONF_LOG, "format",	"xml",	"want \"text\" or \"json\"" },
	{ CONF_LISTENER, "protocol", "udp",
	    "want \"tcp\", \"mysql\", \"hub\" or \"netroxy\"" },
	{ CONF_LOG, "to",	"",	WANT_LOG_TO },
	{ CONF_LOG, "to",	"file",	WANT_LOG_TO },
	{ CONF_LOG, "to",	"STDOUT", WANT_LOG_TO },
	{ CONF_LISTENER, "nodelay", "yes", WANT_BOOL },
	{ CONF_LISTENER, "nodelay", "True", WANT_BOOL },
	{ CONF_LISTENER, "nodelay", "1", WANT_BOOL },
	{ CONF_LISTENER, "nodelay", "", WANT_BOOL },
	{ CONF_LISTENER, "device", "abcdefghijklmnop",
	    "want a string of at most 15 characters in quotes" },
	{ CONF_LISTENER, "pool", "a b", WANT_NAME },
	{ RATE,		"",		WANT_RATE },
	{ RATE,		"5",		WANT_RATE },
	{ RATE,		"5/",		WANT_RATE },
	{ RATE,		"/s",		WANT_RATE },
	{ RATE,		"0/s",		WANT_RATE },
	{ RATE,		"-1/s",		WANT_RATE },
	{ RATE,		"5/0s",		WANT_RATE },
	{ RATE,		"5/w",		WANT_RATE },
	{ RATE,		"5/s/s",	WANT_RATE },
	{ RATE,		"5 /s",		WANT_RATE },
	{ RATE,		"5/ s",		WANT_RATE },
	{ RATE,		"5/-1s",	WANT_RATE },
	{ RATE,		"5/2d",		WANT_RATE },
	{ RATE,		"1000001/s",	WANT_RATE },
	{ RATE,		"99999999999999999999/s", WANT_RATE },
	{ RATE,		"1/00000000000000000000000000000001s", WANT_RATE },
	{ RATE,		"00000000000000000000000000000001/s", WANT_RATE },
	{ DEFER,	"1500ms",	WANT_DEFER },
	{ DEFER,	"1ms",		WANT_DEFER },
	{ DEFER,	"2h",		WANT_DEFER },
	{ CONF_TOP, "pid_file",	"x.pid", "want an absolute path, or \"\"" },
	{ CONF_FRONT_TLS, "key", "k",	"want an absolute path in quotes, or a "
	    "list of them: (\"...\", \"...\")" },
	{ CONF_FRONT_TLS, "alpn", "",	"want a string of 1 to 255 characters "
	    "in quotes, or a list of them: (\"...\", \"...\")" },
	{ CONF_FRONT_TLS, "mode", "on",	"want \"off\", \"offer\" or "
	    "\"require\"" },
	{ CONF_BACK_TLS, "min_version", "TLSv1.0", "want \"TLSv1\", "
	    "\"TLSv1.1\", \"TLSv1.2\" or \"TLSv1.3\"" },
	{ CONF_BACKEND, "name",	"",	WANT_NAME },
	{ CONF_BACKEND, "name",	"a b",	WANT_NAME },
	{ CONF_BACKEND, "name",	"a/b",	WANT_NAME },
	{ CONF_BACKEND, "name",	"\xc3\xa9", WANT_NAME },
	{ CONF_BACKEND, "name",	X32 "6", WANT_NAME },
};

START_TEST(a_value_that_is_wrong_is_refused_with_what_would_be_right)
{
	const struct conf_key	*k = key(bad[_i].section, bad[_i].name);
	char			 want[512];

	ck_assert_int_eq(set(k, bad[_i].text), -1);
	snprintf(want, sizeof(want), "\"%s\": %s", bad[_i].text,
	    bad[_i].wants);
	ck_assert_str_eq(why, want);
	release(k);
}
END_TEST

START_TEST(a_name_has_up_to_32_characters)
{
	const struct conf_key	*k = key(CONF_BACKEND, "name");

	ck_assert_int_eq(set(k, X32), 0);
	ck_assert_str_eq(base.backend.name, X32);
	ck_assert_int_eq(set(k, "_A-z.9"), 0);
	ck_assert_str_eq(base.backend.name, "_A-z.9");
	/* What is refused changes nothing. */
	ck_assert_int_eq(set(k, "a b"), -1);
	ck_assert_str_eq(base.backend.name, "_A-z.9");
	release(k);
}
END_TEST

START_TEST(a_path_is_absolute_or_none_and_a_log_may_be_a_word)
{
	static const char *const	 logs[] = {
		"stdout", "stderr", "syslog", "/x",
	};

	ck_assert_int_eq(set(key(CONF_TOP, "pid_file"), "/x"), 0);
	ck_assert_int_eq(set(key(CONF_TOP, "pid_file"), ""), 0);
	for (size_t i = 0; i < nitems(logs); i++) {
		ck_assert_int_eq(set(key(CONF_LOG, "to"), logs[i]), 0);
		ck_assert_str_eq(base.conf.log.to, logs[i]);
	}
	conf_keys_release(CONF_TOP, &base);
}
END_TEST

START_TEST(a_choice_is_its_place_in_the_list)
{
	const struct conf_key	*k = key(CONF_LOG, "level");

	for (int i = 0; k->choices[i] != NULL; i++) {
		ck_assert_int_eq(set(k, k->choices[i]), 0);
		ck_assert_int_eq(base.conf.log.level, i);
	}
}
END_TEST

static const struct {
	const char	*raw, *printed;
} strings[] = {
	{ "",			"\"\"" },
	{ "plain",		"\"plain\"" },
	{ "a \"b\" \\c",	"\"a \\\"b\\\" \\\\c\"" },
	{ "\n\t\x01\x7f",	"\"\\x0a\\x09\\x01\\x7f\"" },
	{ "\xc3\xa9",		"\"\xc3\xa9\"" },
};

START_TEST(a_string_is_quoted_for_reading_it_back)
{
	const struct conf_key	*k = key(CONF_TOP, "user");

	ck_assert_int_eq(set(k, strings[_i].raw), 0);
	ck_assert_str_eq(base.conf.user, strings[_i].raw);
	expect_printed(k, strings[_i].printed);
	release(k);
}
END_TEST

#define LISTEN	CONF_LISTENER, "listen"
#define SERVERS	CONF_BACKEND, "servers"
#define ADDRESS	CONF_SERVER, "address"
#define NO_NAME	"listen takes an address and no name, because root looks " \
		"up nothing in the DNS"

static const struct {
	enum conf_section	 section;
	const char		*name;
	const char		*text;
	const char		*fault;		/* NULL: none */
} addresses[] = {
	{ LISTEN,	":80",			NULL },
	{ LISTEN,	"*:80",			NULL },
	{ LISTEN,	"127.0.0.1:80",		NULL },
	{ LISTEN,	"[::1]:80",		NULL },
	{ LISTEN,	"unix:/run/x",		NULL },
	{ LISTEN,	"unix:@x",		NULL },
	{ LISTEN,	"localhost:80",		NULL },
	{ LISTEN,	"example.org:80",	NO_NAME },
	{ LISTEN,	"localhost.:80",	NO_NAME },
	{ LISTEN,	"localhost:",
	    "the port must be a number from 1 to 65535" },
	{ LISTEN,	"localhost:0",
	    "the port must be a number from 1 to 65535" },
	{ LISTEN,	"localhost:80000000000000000000000000000",
	    "the port must be a number from 1 to 65535" },
	{ LISTEN,	"127.0.0.1:0",
	    "the port must be a number from 1 to 65535" },
	{ LISTEN,	"127.0.0.1",
	    "want host:port, :port, [v6]:port or unix:/path" },
	{ ADDRESS,	"127.0.0.1:80",		NULL },
	{ ADDRESS,	"example.org:80",	NULL },
	{ ADDRESS,	"localhost:80",		NULL },
	{ ADDRESS,	"unix:/run/x",		NULL },
	{ ADDRESS,	":80",	"a server needs a host before the port" },
	{ ADDRESS,	"*:80",	"a server needs a host before the port" },
	{ ADDRESS,	"",
	    "want host:port, :port, [v6]:port or unix:/path" },
};

START_TEST(an_address_is_taken_where_it_makes_sense)
{
	const struct conf_key	*k = key(addresses[_i].section,
				    addresses[_i].name);
	const char		*text = addresses[_i].text;
	const bool		 listen = k->type == CONF_LISTEN;
	char			 want[512];

	if (addresses[_i].fault == NULL) {
		ck_assert_msg(set(k, text) == 0, "%s", why);
		if (listen)
			ck_assert_uint_eq(base.listener.listen.n, 1);
		ck_assert_str_eq(listen ? base.listener.listen.v[0].text :
		    base.server.text, text);
		snprintf(want, sizeof(want), listen ? "( \"%s\" )" :
		    "\"%s\"", text);
		expect_printed(k, want);
	} else {
		ck_assert_int_eq(set(k, text), -1);
		ck_assert(!listen || base.listener.listen.n == 0);
		ck_assert(listen || base.server.text == NULL);
		snprintf(want, sizeof(want), "\"%s\": %s", text,
		    addresses[_i].fault);
		ck_assert_str_eq(why, want);
	}
	release(k);
}
END_TEST

START_TEST(localhost_is_loopback_without_a_look_up)
{
	const struct conf_key	*k = key(LISTEN);
	struct net_spec		 want;
	const char		*fault;

	ck_assert_int_eq(net_parse("127.0.0.1:80", false, &want, &fault), 0);
	ck_assert_int_eq(set(k, "localhost:80"), 0);
	ck_assert_int_eq(base.listener.listen.v[0].spec.kind, NET_ADDR);
	ck_assert(net_same(&base.listener.listen.v[0].spec.addr,
	    &want.addr));
	release(k);
	ck_assert_int_eq(set(key(SERVERS), "localhost:80"), 0);
	ck_assert_int_eq(base.backend.servers.v[0].spec.kind, NET_NAME);
	release(key(SERVERS));
}
END_TEST

START_TEST(addresses_are_added_up_to_a_limit)
{
	const struct conf_key	*k = key(SERVERS);
	char			 text[32];

	for (int i = 0; i < CONF_ADDRS_MAX; i++) {
		snprintf(text, sizeof(text), "10.0.0.1:%d", i + 1);
		ck_assert_int_eq(set(k, text), 0);
	}
	ck_assert_uint_eq(base.backend.servers.n, CONF_ADDRS_MAX);
	ck_assert_uint_eq(base.backend.servers.v[1].spec.port, 2);
	ck_assert_int_eq(set(k, "10.0.0.1:9999"), -1);
	ck_assert_str_eq(why, "more than 64 servers");
	ck_assert_uint_eq(base.backend.servers.n, CONF_ADDRS_MAX);
	release(k);
	ck_assert_uint_eq(base.backend.servers.n, 0);
}
END_TEST

START_TEST(strings_are_added_up_to_a_limit_and_printed_as_a_list)
{
	const struct conf_key	*k = key(CONF_FRONT_TLS, "certificate");

	expect_printed(k, "( )");
	ck_assert_int_eq(set(k, "/a\"b"), 0);
	ck_assert_int_eq(set(k, ""), 0);
	expect_printed(k, "( \"/a\\\"b\", \"\" )");
	for (int i = 2; i < CONF_TEXTS_MAX; i++)
		ck_assert_int_eq(set(k, "/x"), 0);
	ck_assert_int_eq(set(k, "/x"), -1);
	ck_assert_str_eq(why, "more than 64 of them");
	release(k);
	ck_assert_uint_eq(base.listener.tls.certificate.n, 0);
}
END_TEST

START_TEST(items_are_added_up_to_a_limit_and_dropped_from_the_end)
{
	const struct conf_key	*k = key(CONF_FRONT_TLS, "routes");
	struct conf_route	*r;

	for (size_t i = 0; i < CONF_ROUTES_MAX; i++) {
		r = conf_key_add_item(k, &base);
		ck_assert_ptr_nonnull(r);
		ck_assert_str_eq(r->server_name, "");
		ck_assert_ptr_null(r->forward);
		ck_assert_uint_eq(conf_key_count(k, &base), i + 1);
		ck_assert_ptr_eq(conf_key_item(k, &base, i), r);
	}
	ck_assert_ptr_null(conf_key_add_item(k, &base));
	conf_key_drop_item(k, &base);
	ck_assert_uint_eq(conf_key_count(k, &base), CONF_ROUTES_MAX - 1);
	ck_assert_uint_eq(conf_key_count_max(k), CONF_ROUTES_MAX);
	release(k);
	ck_assert_uint_eq(conf_key_count(k, &base), 0);
}
END_TEST

START_TEST(a_long_value_does_not_hide_what_would_be_right)
{
	const struct conf_key	*k = key(IDLE);
	char			 text[2000];

	memset(text, 'x', sizeof(text));
	text[sizeof(text) - 1] = '\0';
	ck_assert_int_eq(set(k, text), -1);
	ck_assert_ptr_nonnull(strstr(why, "want a time"));
	ck_assert_int_eq(set(key(LISTEN), text), -1);
	ck_assert_ptr_nonnull(strstr(why, "want host:port"));
}
END_TEST

START_TEST(presets_fill_a_section_and_release_empties_it)
{
	conf_keys_preset(CONF_TOP, &base);
	ck_assert_str_eq(base.conf.user, "_sallyport");
	ck_assert_str_eq(base.conf.log.to, "syslog");
	ck_assert_int_eq(base.conf.timeouts.idle, 28800000);
	ck_assert_int_eq(base.conf.workers.max, 4096);
	conf_keys_release(CONF_TOP, &base);
	ck_assert_ptr_null(base.conf.user);
	ck_assert_ptr_null(base.conf.log.to);
	set_up();
	conf_keys_preset(CONF_LISTENER, &base);
	ck_assert_int_eq(base.listener.buffer, 65536);
	ck_assert_ptr_null(base.listener.name);
	ck_assert_uint_eq(base.listener.forward.n, 0);
	conf_keys_release(CONF_LISTENER, &base);
}
END_TEST

int
main(void)
{
	Suite	*s = suite_create("conf_keys");
	TCase	*tc = tcase_create("conf_keys");

	suite_add_tcase(s, tc);
	tcase_add_checked_fixture(tc, set_up, NULL);
	tcase_add_test(tc, a_key_is_found_in_its_section_only);
	tcase_add_test(tc, every_key_says_what_it_does);
	tcase_add_test(tc, every_default_is_taken_printed_and_read_back);
	tcase_add_test(tc,
	    a_number_in_its_range_is_taken_and_one_outside_is_not);
	tcase_add_test(tc, what_a_key_is_said_to_want_it_takes);
	tcase_add_test(tc, a_switch_is_true_or_false);
	tcase_add_loop_test(tc,
	    a_unit_is_understood_and_the_largest_is_printed, 0,
	    (int)nitems(good));
	tcase_add_loop_test(tc, a_rate_is_understood_and_printed_short, 0,
	    (int)nitems(rates));
	tcase_add_loop_test(tc,
	    a_value_that_is_wrong_is_refused_with_what_would_be_right, 0,
	    (int)nitems(bad));
	tcase_add_test(tc, a_name_has_up_to_32_characters);
	tcase_add_test(tc,
	    a_path_is_absolute_or_none_and_a_log_may_be_a_word);
	tcase_add_test(tc, a_choice_is_its_place_in_the_list);
	tcase_add_loop_test(tc, a_string_is_quoted_for_reading_it_back, 0,
	    (int)nitems(strings));
	tcase_add_loop_test(tc, an_address_is_taken_where_it_makes_sense, 0,
	    (int)nitems(addresses));
	tcase_add_test(tc, localhost_is_loopback_without_a_look_up);
	tcase_add_test(tc, addresses_are_added_up_to_a_limit);
	tcase_add_test(tc,
	    strings_are_added_up_to_a_limit_and_printed_as_a_list);
	tcase_add_test(tc,
	    items_are_added_up_to_a_limit_and_dropped_from_the_end);
	tcase_add_test(tc, a_long_value_does_not_hide_what_would_be_right);
	tcase_add_test(tc, presets_fill_a_section_and_release_empties_it);
	return unit_run(s);
}
