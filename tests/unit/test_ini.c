#include <stdlib.h>
#include <string.h>

#include "policy/ini.h"
#include "unit.h"

static void
expect(const char *text, const char *section, const char *key,
    const char *want)
{
	uint8_t	*p = unit_exact(text, strlen(text));
	char	*value = ini_value((char *)p, strlen(text), section, key);

	if (want == NULL)
		ck_assert_ptr_null(value);
	else {
		ck_assert_ptr_nonnull(value);
		ck_assert_str_eq(value, want);
	}
	free(value);
	free(p);
}

START_TEST(values_are_found_as_portproxy_finds_them)
{
	static const char	 text[] =
		"; accounts\n"
		"[Backend]\r\n"
		"DSN = u:p@tcp(h:1)/db?charset=utf8 ; the table\r\n"
		"# dsn = other\n"
		"rem dsn = other\n"
		"[onlineread]\n"
		"user:real\n"
		"pass = a;b#c\n"
		"  d\n"
		"empty =\n"
		"pass2=x";

	expect(text, "backend", "dsn", "u:p@tcp(h:1)/db?charset=utf8");
	expect(text, "onlineread", "user", "real");
	expect(text, "onlineread", "pass", "a;b#c\nd");
	expect(text, "onlineread", "empty", "");
	expect(text, "onlineread", "pass2", "x");
	expect(text, "onlineread", "dsn", NULL);
	expect(text, "other", "dsn", NULL);
	expect("", "backend", "dsn", NULL);
	expect("dsn = x", "backend", "dsn", NULL);
	expect("[backend]\ndsn=1\ndsn=2\n", "backend", "dsn", "2");
	expect("[backend]\n\n\n=", "backend", "dsn", NULL);
	expect("[", "backend", "dsn", NULL);
}
END_TEST

START_TEST(a_dsn_has_its_parts)
{
	static const struct {
		const char	*text, *user, *password, *server, *database;
	} good[] = {
		{ "u:p@tcp(h:1)/db?charset=utf8", "u", "p", "h:1", "db" },
		{ "u:p@:/w@tcp(10.0.0.1)/db", "u", "p@:/w", "10.0.0.1:3306",
		    "db" },
		{ "u@unix(/run/s)/db", "u", "", "unix:/run/s", "db" },
		{ "u:p@/db", "u", "p", "127.0.0.1:3306", "db" },
		{ "u:p@tcp/", "u", "p", "127.0.0.1:3306", "" },
		{ "u:p@tcp([::1]:5)/db", "u", "p", "[::1]:5", "db" },
	};
	static const char *const	 bad[] = {
		"", "u:p", "u:p@tcp(h:1)", "/db", "u:p@udp(h:1)/db",
		"u:p@tcp(h:1/db", "u:p@unix()/db",
	};
	struct ini_dsn			 dsn;
	const char			*why;

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		ck_assert_int_eq(ini_dsn_parse(good[i].text, &dsn, &why), 0);
		ck_assert_str_eq(dsn.user, good[i].user);
		ck_assert_str_eq(dsn.password, good[i].password);
		ck_assert_str_eq(dsn.server, good[i].server);
		ck_assert_str_eq(dsn.database, good[i].database);
		ini_dsn_release(&dsn);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		ck_assert_msg(ini_dsn_parse(bad[i], &dsn, &why) == -1, "%s",
		    bad[i]);
		ini_dsn_release(&dsn);
	}
}
END_TEST

int
main(void)
{
	Suite	*s = suite_create("ini");
	TCase	*t = tcase_create("plain");

	tcase_add_test(t, values_are_found_as_portproxy_finds_them);
	tcase_add_test(t, a_dsn_has_its_parts);
	suite_add_tcase(s, t);
	return unit_run(s);
}
