#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "policy/conf_files.h"
#include "unit.h"

static struct conf		*conf;
static struct conf_file		*files;
static size_t			 n;

static void
set_up(void)
{
	conf = conf_new();
	files = NULL;
}

static void
tear_down(void)
{
	free(files);
	conf_free(&conf);
}

static void
take(const char *text)
{
	struct conf_report	 report = { .errors = NULL };

	conf_read_text(conf, "f", text, strlen(text), &report);
	ck_assert_msg(conf_finish(conf, &report) == 0, "%s",
	    report.nerrors > 0 ? report.errors[0] : "no reason");
	conf_report_free(&report);
	free(files);
	files = conf_files(conf, &n);
}

#define TLS(mode)	"tls = { mode = \"" mode "\"; certificate = ( \"/c0\", " \
			"\"/c1\" ); key = ( \"/k0\", \"/k1\" ); chain = ( \"\", " \
			"\"/i1\" ); client_verify = \"require\"; client_ca = " \
			"\"/ca\"; client_crl = \"/crl\"; ocsp = \"/o\"; };"
#define BACK(name, p)	"{ name = \"" name "\"; servers = \"h:1\"; tls = { " \
			"mode = \"require\"; ca = \"/" p "ca\"; certificate = " \
			"\"/" p "c\"; key = \"/" p "k\"; }; }"

/*
 * Two pools; backends a and b of one, b by a route, and d of nobody.  The
 * backend at the place of a listener is of the other pool.
 */
static const char	 two[] =
	"backends = ( " BACK("d", "d") ", " BACK("b", "b") ", "
	"{ name = \"m\"; servers = \"h:2\"; server_public_key = \"/p\"; }, "
	BACK("a", "a") " );\n"
	"listeners = (\n{ name = \"m\"; listen = \":1\"; protocol = \"mysql\"; "
	"forward = \"backend:m\"; tls = { mode = \"offer\"; "
	"certificate = \"/mc\"; key = \"/mk\"; }; },\n"
	"{ name = \"off\"; listen = \":2\"; forward = \"h:1\"; " TLS("off")
	" },\n{ name = \"t\"; listen = \":3\"; forward = \"backend:a\"; "
	"tls = { mode = \"require\"; certificate = ( \"/c0\", \"/c1\" ); "
	"key = ( \"/k0\", \"/k1\" ); chain = ( \"\", \"/i1\" ); "
	"client_verify = \"require\"; client_ca = \"/ca\"; "
	"client_crl = \"/crl\"; ocsp = \"/o\"; routes = ( { "
	"server_name = \"x\"; forward = \"backend:b\"; } ); }; } );";

static const struct {
	enum conf_file_kind	 kind;
	size_t			 owner, position;
	const char		*path, *where, *key;
	bool			 secret;
	const char		*pool;
} want[] = {
	{ CONF_FILE_CERTIFICATE, 0, 0, "/mc", "f:3", "tls.certificate",
	    false, "mysql" },
	{ CONF_FILE_KEY, 0, 0, "/mk", "f:3", "tls.key", true, "mysql" },
	{ CONF_FILE_CERTIFICATE, 2, 0, "/c0", "f:5", "tls.certificate",
	    false, "tcp" },
	{ CONF_FILE_KEY, 2, 0, "/k0", "f:5", "tls.key", true, "tcp" },
	{ CONF_FILE_CERTIFICATE, 2, 1, "/c1", "f:5", "tls.certificate",
	    false, "tcp" },
	{ CONF_FILE_CHAIN, 2, 1, "/i1", "f:5", "tls.chain", false, "tcp" },
	{ CONF_FILE_KEY, 2, 1, "/k1", "f:5", "tls.key", true, "tcp" },
	{ CONF_FILE_CLIENT_CA, 2, 0, "/ca", "f:5", "tls.client_ca", false,
	    "tcp" },
	{ CONF_FILE_CLIENT_CRL, 2, 0, "/crl", "f:5", "tls.client_crl",
	    false, "tcp" },
	{ CONF_FILE_OCSP, 2, 0, "/o", "f:5", "tls.ocsp", false, "tcp" },
	{ CONF_FILE_BACKEND_CA, 1, 0, "/bca", "f:1", "tls.ca", false,
	    "tcp" },
	{ CONF_FILE_BACKEND_CERTIFICATE, 1, 0, "/bc", "f:1",
	    "tls.certificate", false, "tcp" },
	{ CONF_FILE_BACKEND_KEY, 1, 0, "/bk", "f:1", "tls.key", true,
	    "tcp" },
	{ CONF_FILE_SERVER_PUBLIC_KEY, 2, 0, "/p", "f:1",
	    "server_public_key", false, "mysql" },
	{ CONF_FILE_BACKEND_CA, 3, 0, "/aca", "f:1", "tls.ca", false,
	    "tcp" },
	{ CONF_FILE_BACKEND_CERTIFICATE, 3, 0, "/ac", "f:1",
	    "tls.certificate", false, "tcp" },
	{ CONF_FILE_BACKEND_KEY, 3, 0, "/ak", "f:1", "tls.key", true,
	    "tcp" },
};

START_TEST(files_are_listed_in_the_order_of_listeners_and_backends)
{
	take(two);
	ck_assert_uint_eq(n, nitems(want));
	for (size_t i = 0; i < n; i++) {
		ck_assert_str_eq(files[i].path, want[i].path);
		ck_assert_int_eq(files[i].kind, want[i].kind);
		ck_assert_uint_eq(files[i].owner, want[i].owner);
		ck_assert_uint_eq(files[i].position, want[i].position);
		ck_assert_str_eq(files[i].where, want[i].where);
		ck_assert_str_eq(files[i].key, want[i].key);
		ck_assert_int_eq(conf_file_is_secret(&files[i]),
		    want[i].secret);
	}
}
END_TEST

START_TEST(a_file_is_for_the_pools_that_use_it_and_for_no_other)
{
	static const char *const	 pools[] = { "tcp", "mysql", "x" };

	take(two);
	for (size_t i = 0; i < n; i++)
		for (size_t j = 0; j < nitems(pools); j++)
			ck_assert_int_eq(conf_file_is_for(conf, &files[i],
			    pools[j]), strcmp(want[i].pool, pools[j]) == 0);
}
END_TEST

START_TEST(a_file_is_found_by_what_it_is)
{
	take(two);
	for (size_t i = 0; i < n; i++)
		ck_assert_uint_eq(conf_files_find(files, n, want[i].kind,
		    want[i].owner, want[i].position), i);
	ck_assert_uint_eq(conf_files_find(files, n, CONF_FILE_CHAIN, 2, 0),
	    CONF_NOWHERE);
	ck_assert_uint_eq(conf_files_find(files, n, CONF_FILE_CERTIFICATE, 1,
	    0), CONF_NOWHERE);
}
END_TEST

#define TABLE(to)	"query_table = { user = \"u\"; database = \"d\"; " \
			"password_file = \"/p\"; }; listeners = ( { " \
			"name = \"a\"; listen = \":1\"; protocol = \"mysql\"; " \
			"forward = \"h:1\"; query_log = { to = \"" to "\"; }; } );"

START_TEST(the_password_of_a_table_is_a_secret_and_of_no_pool)
{
	take(TABLE("table"));
	ck_assert_uint_eq(n, 1);
	ck_assert_int_eq(files[0].kind, CONF_FILE_TABLE_PASSWORD);
	ck_assert_str_eq(files[0].path, "/p");
	ck_assert_str_eq(files[0].where, "f");
	ck_assert_str_eq(files[0].key, "query_table.password_file");
	ck_assert(conf_file_is_secret(&files[0]));
	ck_assert(!conf_file_is_for(conf, &files[0], "mysql"));
}
END_TEST

START_TEST(a_table_that_no_record_goes_to_has_no_files)
{
	take(TABLE("log"));
	ck_assert_uint_eq(n, 0);
}
END_TEST

/* The number is what the master and a role both know a file by. */
START_TEST(what_is_printed_and_read_back_lists_the_same)
{
	struct conf_file	*first;
	char			*text = NULL;
	size_t			 len;
	FILE			*out = open_memstream(&text, &len);
	struct conf		*old;

	take(two);
	old = conf;
	first = files;
	ck_assert_ptr_nonnull(out);
	conf_print(conf, out);
	ck_assert_int_eq(fclose(out), 0);
	set_up();
	take(text);
	ck_assert_uint_eq(n, nitems(want));
	for (size_t i = 0; i < n; i++) {
		ck_assert_str_eq(files[i].path, first[i].path);
		ck_assert_int_eq(files[i].kind, first[i].kind);
		ck_assert_uint_eq(files[i].owner, first[i].owner);
		ck_assert_uint_eq(files[i].position, first[i].position);
	}
	free(text);
	free(first);
	conf_free(&old);
}
END_TEST

START_TEST(what_is_not_looked_at_is_not_listed)
{
	take("backends = ( { name = \"b\"; servers = \"h:1\"; tls = { "
	    "mode = \"require\"; verify = \"none\"; ca = \"/ca\"; }; } );"
	    "listeners = ( { name = \"a\"; listen = \":1\"; "
	    "forward = \"backend:b\"; tls = { mode = \"require\"; "
	    "certificate = \"/c\"; key = \"/k\"; client_ca = \"/ca\"; "
	    "client_crl = \"/crl\"; }; } );");
	ck_assert_uint_eq(n, 2);
	ck_assert_str_eq(files[0].path, "/c");
	ck_assert_str_eq(files[1].path, "/k");
	tear_down();
	set_up();
	take("listeners = ( { name = \"a\"; listen = \":1\"; "
	    "forward = \"h:1\"; } );");
	ck_assert_uint_eq(n, 0);
}
END_TEST

int
main(void)
{
	Suite	*s = suite_create("conf_files");
	TCase	*tc = tcase_create("conf_files");

	suite_add_tcase(s, tc);
	tcase_add_checked_fixture(tc, set_up, tear_down);
	tcase_add_test(tc,
	    files_are_listed_in_the_order_of_listeners_and_backends);
	tcase_add_test(tc,
	    a_file_is_for_the_pools_that_use_it_and_for_no_other);
	tcase_add_test(tc,
	    the_password_of_a_table_is_a_secret_and_of_no_pool);
	tcase_add_test(tc, a_table_that_no_record_goes_to_has_no_files);
	tcase_add_test(tc, a_file_is_found_by_what_it_is);
	tcase_add_test(tc, what_is_printed_and_read_back_lists_the_same);
	tcase_add_test(tc, what_is_not_looked_at_is_not_listed);
	return unit_run(s);
}
