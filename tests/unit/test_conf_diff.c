#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "policy/conf_diff.h"
#include "unit.h"

static struct conf	*old, *now;
static char		*told;		/* all lines, each with a newline */

static void
set_up(void)
{
	old = conf_new();
	now = conf_new();
	told = mem_strdup("");
}

static void
tear_down(void)
{
	conf_free(&old);
	conf_free(&now);
	free(told);
}

static void
take(struct conf *conf, const char *text)
{
	struct conf_report	 report = { .errors = NULL };

	conf_read_text(conf, "f", text, strlen(text), &report);
	ck_assert_msg(conf_finish(conf, &report) == 0, "%s",
	    report.nerrors > 0 ? report.errors[0] : "no reason");
	conf_report_free(&report);
}

static void
add_line(void *ctx, const char *line)
{
	char	*more = mem_printf("%s%s\n", told, line);

	ck_assert_ptr_eq(ctx, &told);
	free(told);
	told = more;
}

static void
expect(const char *want)
{
	conf_diff(old, now, add_line, &told);
	ck_assert_str_eq(told, want);
}

#define L(name, more)	"{ name = \"" name "\"; listen = \":" name "\"; " \
			"forward = \"h:1\"; " more " }"
#define S(name, more)	"{ name = \"" name "\"; servers = ( " more " ); }"
#define TLS(path, more)	"tls = { mode = \"require\"; certificate = \"" path \
			"\"; key = \"/k\"; " more " };"
#define M		"protocol = \"mysql\"; "
#define R(name, p, to)	"{ server_name = \"" name "\"; alpn = \"" p \
			"\"; forward = \"h:" to "\"; }"
#define WITH(lists)	"listeners = ( " lists " );"
#define A		WITH(L("1", ""))
#define B(list)		"backends = ( " list " ); " A

static const struct {
	const char	*old, *now, *lines;
} changes[] = {
	{ A, A, "" },
	/* What is written otherwise and means the same. */
	{ A, "timeouts = { idle = \"480m\"; }; " A, "" },
	{ A, WITH(L("1", "pool = \"tcp\"; rate_per_source = \"0\";")), "" },
	{ B(S("b", "\"h:1\"")), B(S("b", "{ address = \"h:1\"; weight = 1; }")),
	    "" },
	/* Values. */
	{ A, "log = { level = \"debug\"; format = \"json\"; }; " A,
	    "log.level: \"info\" -> \"debug\"\n"
	    "log.format: \"text\" -> \"json\"\n" },
	{ "workers = { max = 7; spare = 1; }; " A,
	    "workers = { max = 8; spare = 1; }; " A, "workers.max: 7 -> 8\n" },
	{ A, "timeouts = { session = \"1d\"; }; " A,
	    "timeouts.session: \"0\" -> \"1d\"\n" },
	{ A, "user = \"u\"; pid_file = \"/p\"; control = { path = \"/c\"; "
	    "group = \"g\"; }; " A,
	    "user: \"_sallyport\" -> \"u\": takes a restart\n"
	    "pid_file: \"\" -> \"/p\": takes a restart\n"
	    "control.path: \"\" -> \"/c\": takes a restart\n"
	    "control.group: \"\" -> \"g\": takes a restart\n" },
	/* Listeners. */
	{ A, WITH(L("1", "") ", " L("2", "")), "listener 2: added\n" },
	{ WITH(L("1", "") ", " L("2", "")), A, "listener 2: removed\n" },
	{ A, WITH(L("2", "")), "listener 1: removed\nlistener 2: added\n" },
	{ WITH(L("1", "") ", " L("2", "")), WITH(L("2", "") ", " L("1", "")),
	    "listeners: in another order\n" },
	{ WITH(L("1", "") ", " L("2", "") ", " L("3", "")),
	    WITH(L("4", "") ", " L("2", "") ", " L("3", "nodelay = false;")),
	    "listener 1: removed\nlistener 4: added\n"
	    "listener 3: nodelay: true -> false\n" },
	{ A, WITH(L("1", "max_sessions = 100; pool = \"p\"; rate_per_source = "
	    "\"60/60s\"; keepalive = { idle = 30; };")),
	    "listener 1: pool: \"tcp\" -> \"p\"\n"
	    "listener 1: max_sessions: 0 -> 100\n"
	    "listener 1: rate_per_source: \"0\" -> \"60/m\"\n"
	    "listener 1: keepalive.idle: \"0\" -> \"30s\"\n" },
	{ WITH(L("1", "allow = \"10.0.0.0/8\"; deny = (\"unix\", \"::1\");")),
	    WITH(L("1", "allow = \"10.0.0.0/9\"; deny = (\"::1\", \"unix\"); "
	    "proxy_protocol = { from = \"::1\"; };")),
	    "listener 1: allow: 10.0.0.0/8: removed\n"
	    "listener 1: allow: 10.0.0.0/9: added\n"
	    "listener 1: deny: in another order\n"
	    "listener 1: proxy_protocol.from: ::1: added\n" },
	{ WITH("{ name = \"a\"; listen = (\":1\", \":2\"); "
	    "forward = \"h:1\"; }"),
	    WITH("{ name = \"a\"; listen = (\":3\", \":1\"); "
	    "forward = \"h:2\"; }"),
	    "listener a: listen: :2: removed\n"
	    "listener a: listen: :3: added\n"
	    "listener a: forward: ( \"h:1\" ) -> ( \"h:2\" )\n" },
	/* Backends. */
	{ A, B(S("b", "\"h:1\"")), "backend b: added\n" },
	{ B(S("b", "\"h:1\"")), A, "backend b: removed\n" },
	{ B(S("b", "\"h:1\", { address = \"h:2\"; weight = 5; }, \"h:3\"")),
	    B(S("b", "\"h:3\", \"h:2\", \"h:4\"")),
	    "backend b: server h:1: removed\n"
	    "backend b: server h:4: added\n"
	    "backend b: servers: in another order\n"
	    "backend b: server h:2: weight: 5 -> 1\n" },
	{ B("{ name = \"b\"; servers = \"h:1\"; }"),
	    B("{ name = \"b\"; servers = \"h:1\"; balance = \"random\"; queue = "
	    "{ size = 1; }; check = { type = \"tcp\"; }; bind = \"::1\"; }"),
	    "backend b: balance: \"roundrobin\" -> \"random\"\n"
	    "backend b: queue.size: 1024 -> 1\n"
	    "backend b: bind: \"\" -> \"::1\"\n"
	    "backend b: check.type: \"none\" -> \"tcp\"\n" },
	/* The record. */
	{ WITH(L("1", M "query_log = { to = \"log\"; };")),
	    WITH(L("1", M "query_log = { to = \"/q\"; format = \"json\"; "
	    "commands = ( \"ping\", \"query\" ); on_overflow = \"close\"; "
	    "}; deny_commands = \"clone\";")),
	    "listener 1: query_log.to: \"log\" -> \"/q\"\n"
	    "listener 1: query_log.format: \"text\" -> \"json\"\n"
	    "listener 1: query_log.on_overflow: \"drop\" -> \"close\"\n"
	    "listener 1: query_log.commands: ( ) -> ( \"ping\", "
	    "\"query\" )\n"
	    "listener 1: deny_commands: ( ) -> ( \"clone\" )\n" },
	{ A, "query_table = { server = \"h:1\"; name = \"t\"; "
	    "tls = \"require\"; }; " A,
	    "query_table.server: \"127.0.0.1:3306\" -> \"h:1\"\n"
	    "query_table.name: \"query_log\" -> \"t\"\n"
	    "query_table.tls: \"off\" -> \"require\"\n" },
	/* TLS: what stands in pairs is told whole, routes one by one. */
	{ A, "auth_user = \"u\"; " A,
	    "auth_user: \"_sallyauth\" -> \"u\": takes a restart\n" },
	{ WITH(L("1", TLS("/a", "chain = \"/i\";"))),
	    WITH(L("1", "tls = { mode = \"require\"; certificate = "
	    "(\"/a\", \"/b\"); key = (\"/k\", \"/k\"); "
	    "chain = (\"/i\", \"/i\"); min_version = \"TLSv1.3\"; };")),
	    "listener 1: tls.certificate: ( \"/a\" ) -> ( \"/a\", \"/b\" )\n"
	    "listener 1: tls.key: ( \"/k\" ) -> ( \"/k\", \"/k\" )\n"
	    "listener 1: tls.chain: ( \"/i\" ) -> ( \"/i\", \"/i\" )\n"
	    "listener 1: tls.min_version: \"TLSv1.2\" -> \"TLSv1.3\"\n" },
	{ WITH(L("1", TLS("/a", "alpn = \"h2\"; routes = ( " R("a", "", "1")
	    ", " R("", "h2", "1") " );"))),
	    WITH(L("1", TLS("/a", "alpn = (\"h2\"); routes = ( "
	    R("a", "h2", "1") ", " R("", "h2", "3") ", " R("a", "", "2")
	    " );"))),
	    "listener 1: tls.route a (h2): added\n"
	    "listener 1: tls.routes: in another order\n"
	    "listener 1: tls.route (h2): forward: \"h:1\" -> \"h:3\"\n"
	    "listener 1: tls.route a: forward: \"h:1\" -> \"h:2\"\n" },
	{ B(S("b", "\"h:1\"")), B("{ name = \"b\"; servers = \"h:1\"; tls = { "
	    "mode = \"require\"; ca = \"/ca\"; }; }"),
	    "backend b: tls.mode: \"off\" -> \"require\"\n"
	    "backend b: tls.ca: \"\" -> \"/ca\"\n" },
	/* Neighbours that have the same name are no relations. */
	{ B(S("1", "\"h:1\"")), A, "backend 1: removed\n" },
};

START_TEST(what_differs_is_told)
{
	take(old, changes[_i].old);
	take(now, changes[_i].now);
	expect(changes[_i].lines);
}
END_TEST

START_TEST(nothing_differs_from_itself)
{
	take(now, changes[_i].now);
	conf_diff(now, now, add_line, &told);
	ck_assert_str_eq(told, "");
	take(old, changes[_i].now);
	expect("");
}
END_TEST

START_TEST(a_long_value_is_cut)
{
	char	 name[301], *text, *want;

	memset(name, 'x', 300);
	name[300] = '\0';
	text = mem_printf("user = \"%s\"; " A, name);
	take(old, A);
	take(now, text);
	want = mem_printf("user: \"_sallyport\" -> \"%.199s...: takes a "
	    "restart\n", name);
	expect(want);
	free(text);
	free(want);
}
END_TEST

int
main(void)
{
	Suite	*s = suite_create("conf_diff");
	TCase	*tc = tcase_create("conf_diff");

	suite_add_tcase(s, tc);
	tcase_add_checked_fixture(tc, set_up, tear_down);
	tcase_add_loop_test(tc, what_differs_is_told, 0,
	    (int)nitems(changes));
	tcase_add_loop_test(tc, nothing_differs_from_itself, 0,
	    (int)nitems(changes));
	tcase_add_test(tc, a_long_value_is_cut);
	return unit_run(s);
}
