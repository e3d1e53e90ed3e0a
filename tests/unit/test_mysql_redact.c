#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "unit.h"
#include "wire/mysql_redact.h"

static const struct {
	const char	*sql, *want;
} secrets[] = {
	{ "CREATE USER u IDENTIFIED BY 'password1'",
	  "CREATE USER u IDENTIFIED BY '<secret>'" },
	{ "create user 'u'@'h' identified by 'a', 'v' identified by 'abcd'",
	  "create user 'u'@'h' identified by '*', 'v' identified by '***'" },
	{ "IDENTIFIED BY ''", "IDENTIFIED BY ''" },
	{ "IDENTIFIED BY '1234567'", "IDENTIFIED BY '***'" },
	{ "IDENTIFIED BY '12345678'", "IDENTIFIED BY '<secret>'" },
	{ "IDENTIFIED BY \"12345678\"", "IDENTIFIED BY \"<secret>\"" },
	{ "IDENTIFIED BY PASSWORD '*0123456789' REQUIRE SUBJECT '/CN=x'",
	  "IDENTIFIED BY PASSWORD '<secret>' REQUIRE SUBJECT '/CN=x'" },
	{ "IDENTIFIED WITH 'plugin_01' AS 'abcdefgh'",
	  "IDENTIFIED WITH 'plugin_01' AS '<secret>'" },
	{ "IDENTIFIED WITH p BY 'abcdefgh' REPLACE 'ijklmnop' RETAIN",
	  "IDENTIFIED WITH p BY '<secret>' REPLACE '<secret>' RETAIN" },
	{ "IDENTIFIED VIA `ed` USING PASSWORD('abcdefgh') OR p AS 'abcdefgh'",
	  "IDENTIFIED VIA `ed` USING PASSWORD('<secret>') OR p AS '<secret>'" },
	{ "IDENTIFIED VIA a OR b AS 'abcdefgh'",
	  "IDENTIFIED VIA a OR b AS '<secret>'" },
	{ "IDENTIFIED BY RANDOM PASSWORD REPLACE 'abcdefgh'",
	  "IDENTIFIED BY RANDOM PASSWORD REPLACE '<secret>'" },
	{ "GRANT ALL ON *.* TO 'u'@'%' IDENTIFIED BY 'abcdefgh'",
	  "GRANT ALL ON *.* TO 'u'@'%' IDENTIFIED BY '<secret>'" },
	{ "SET PASSWORD = 'abcdefgh'", "SET PASSWORD = '<secret>'" },
	{ "SET PASSWORD := 'abcdefgh'", "SET PASSWORD := '<secret>'" },
	{ "SET PASSWORD TO 'abcdefgh'", "SET PASSWORD TO '<secret>'" },
	{ "SET PASSWORD FOR 'user_name'@`host.name` = 'abcdefgh'",
	  "SET PASSWORD FOR 'user_name'@`host.name` = '<secret>'" },
	{ "SET PASSWORD FOR CURRENT_USER() = 'abcdefgh'",
	  "SET PASSWORD FOR CURRENT_USER() = '<secret>'" },
	{ "SET PASSWORD FOR u@h.example TO 'abcdefgh'",
	  "SET PASSWORD FOR u@h.example TO '<secret>'" },
	{ "SET PASSWORD FOR CURRENT_USER() = PASSWORD('abcdefgh')",
	  "SET PASSWORD FOR CURRENT_USER() = PASSWORD('<secret>')" },
	{ "SET PASSWORD FOR password = OLD_PASSWORD('abcdefgh')",
	  "SET PASSWORD FOR password = OLD_PASSWORD('<secret>')" },
	{ "SELECT PASSWORD(CONCAT('abcdefgh', \"ijklmnop\")), 'other_one'",
	  "SELECT PASSWORD(CONCAT('<secret>', \"<secret>\")), 'other_one'" },
	{ "SELECT ENCRYPT('abcdefgh','salt')", "SELECT ENCRYPT('<secret>','***')" },
	{ "CHANGE MASTER TO MASTER_USER='user_name', MASTER_PASSWORD='abcdefgh',"
	  " MASTER_HOST='host_name'",
	  "CHANGE MASTER TO MASTER_USER='user_name', MASTER_PASSWORD='<secret>',"
	  " MASTER_HOST='host_name'" },
	{ "SOURCE_PASSWORD = 'abcdefgh'", "SOURCE_PASSWORD = '<secret>'" },
	{ "OPTIONS (USER 'user_name', PASSWORD 'abcdefgh')",
	  "OPTIONS (USER 'user_name', PASSWORD '<secret>')" },
	{ "WHERE u.`password` <> 'abcdefgh' OR password='ijklmnop' OR a='b'",
	  "WHERE u.`password` <> '<secret>' OR password='<secret>' OR a='b'" },
	{ "password = SHA2('abcdefgh', 256) AND name = 'name_of_it'",
	  "password = SHA2('<secret>', 256) AND name = 'name_of_it'" },
	{ "password = ('abcdefgh')", "password = ('<secret>')" },
	{ "AES_ENCRYPT('some text', SHA2('abcdefgh', 1), 'iv_of_it'), 'others'",
	  "AES_ENCRYPT('some text', SHA2('<secret>', 1), '<secret>'), 'others'" },
	{ "AES_DECRYPT(f(c, 'd'), 'abcdefgh')",
	  "AES_DECRYPT(f(c, 'd'), '<secret>')" },
	{ "ENCODE('text', 'abcdefgh')", "ENCODE('text', '<secret>')" },
	{ "DECODE(c, 'abcdefgh')", "DECODE(c, '<secret>')" },
	{ "DES_ENCRYPT(c, 'abcdefgh')", "DES_ENCRYPT(c, '<secret>')" },
	{ "AES_ENCRYPT(PASSWORD('abcdefgh'), @k)",
	  "AES_ENCRYPT(PASSWORD('<secret>'), @k)" },
	/* Comments and white space. */
	{ "identified/*x*/by -- '\n#'\n\t'abcdefgh'",
	  "identified/*x*/by -- '\n#'\n\t'<secret>'" },
	{ "/*!50001 IDENTIFIED */ BY 'abcdefgh'",
	  "/*!50001 IDENTIFIED */ BY '<secret>'" },
	{ "/*!50001IDENTIFIED*/ BY 'abcdefgh'",
	  "/*!50001IDENTIFIED*/ BY '<secret>'" },
	{ "SELECT 5--PASSWORD('abcdefgh')", "SELECT 5--PASSWORD('<secret>')" },
	{ "/*M!100100 IDENTIFIED /* ' */ BY*/'abcdefgh'",
	  "/*M!100100 IDENTIFIED /* ' */ BY*/'<secret>'" },
	{ "2*/*'*/3; identified by--\n'abcdefgh'",
	  "2*/*'*/3; identified by--\n'<secret>'" },
	/* Strings of all kinds; in backquotes nothing is escaped. */
	{ "`a\\` IDENTIFIED BY 'abcdefgh'", "`a\\` IDENTIFIED BY '<secret>'" },
	{ "IDENTIFIED BY 'a''b\\'cdefgh' 'i'\n\"jklmnopq\" x",
	  "IDENTIFIED BY '<secret>' '*'\n\"<secret>\" x" },
	{ "IDENTIFIED BY 'abc\\\\' 'd'", "IDENTIFIED BY '***' '*'" },
	{ "IDENTIFIED WITH p AS 0xABCDEF012345 x",
	  "IDENTIFIED WITH p AS 0xsecret x" },
	{ "IDENTIFIED WITH p AS 0xAB'c'", "IDENTIFIED WITH p AS 0xse'*'" },
	{ "IDENTIFIED WITH p AS x'0123456789'",
	  "IDENTIFIED WITH p AS x'<secret>'" },
	{ "PASSWORD = _utf8 'abcdefgh', N'b'",
	  "PASSWORD = _utf8 '<secret>', N'b'" },
	{ "PASSWORD = _utf8mb4'abcdefgh' _utf8'i'",
	  "PASSWORD = _utf8mb4'<secret>' _utf8'*'" },
	{ "PASSWORD = BINARY N'abcdefgh'", "PASSWORD = BINARY N'<secret>'" },
	/* Cut at the end. */
	{ "IDENTIFIED BY 'abcdefghi", "IDENTIFIED BY '<secret>" },
	{ "IDENTIFIED BY 'abc\\", "IDENTIFIED BY '***" },
	{ "IDENTIFIED BY '", "IDENTIFIED BY '" },
	/* Placeholders. */
	{ "SET PASSWORD = ?", "SET PASSWORD = ?" },
	{ "SELECT AES_ENCRYPT(?, ?)", "SELECT AES_ENCRYPT(?, ?)" },
	{ "PASSWORD(?)", "PASSWORD(?)" },
};

/* A copy without a byte more; to free(). */
static char *
redact(const char *sql, size_t *len, bool *any)
{
	char	*p = (char *)unit_exact(sql, *len);

	*len = mysql_redact(p, *len, any);
	return p;
}

START_TEST(secrets_are_replaced)
{
	const char	*want = secrets[_i].want;
	size_t		 len = strlen(secrets[_i].sql);
	bool		 any;
	char		*p = redact(secrets[_i].sql, &len, &any);

	ck_assert_msg(len == strlen(want) && memcmp(p, want, len) == 0,
	    "%.*s", (int)len, p);
	ck_assert(any);
	free(p);
}
END_TEST

START_TEST(twice_is_as_once)
{
	size_t	 len = strlen(secrets[_i].want);
	bool	 any;
	char	*p = redact(secrets[_i].want, &len, &any);

	ck_assert_uint_eq(len, strlen(secrets[_i].want));
	ck_assert_mem_eq(p, secrets[_i].want, len);
	free(p);
}
END_TEST

/* Of any beginning of a statement: nothing grows, nothing is read beyond. */
START_TEST(a_statement_may_be_cut_anywhere)
{
	const char	*sql = secrets[_i].sql;
	bool		 any;

	for (size_t cut = 0; cut <= strlen(sql); cut++) {
		size_t	 len = cut;
		char	*p = redact(sql, &len, &any);

		ck_assert_uint_le(len, cut);
		ck_assert_ptr_null(memmem(p, len, "abcdefg", 7));
		ck_assert_ptr_null(memmem(p, len, "ijklmno", 7));
		free(p);
	}
}
END_TEST

static const char *const	 harmless[] = {
	"",
	"SELECT 1",
	"select 'identified by ''x'''",
	"select \"identified by 'x'\"",
	"select 'it\\'s identified by', 'x'",
	"select `a``b identified by 'x'` from t",
	"SELECT identified FROM t ORDER BY 'abcdefgh'",
	"SELECT /* identified by */ 'abcdefgh'",
	"SELECT -- identified by\n 'abcdefgh'",
	"SELECT # identified by\n 'abcdefgh'",
	"SELECT password, 'abcdefgh' FROM t",
	"INSERT INTO t (password) VALUES ('abcdefgh')",
	"SELECT a FROM t WHERE password = b AND c = 'abcdefgh'",
	"SELECT passwords = 'abcdefgh'",
	"SELECT AES_ENCRYPT('abcdefgh')",
	"SELECT ENCODE, 'abcdefgh'",
	"SET PASSWORD = @x; SELECT 'abcdefgh'",
	"SELECT PASSWORD(; SELECT 'abcdefgh'",
	"SELECT ')' ), 'abcdefgh'",
	"SELECT (((((('abcdefgh'))))))",
	"ALTER USER u PASSWORD EXPIRE COMMENT 'abcdefgh'",
	"SELECT 'a' FROM t -- it's",
	"/*! SELECT 'abcdefgh' */",
	"IDENTIFIED",
	"IDENTIFIED BY",
	"IDENTIFIED BY 0x",
};

START_TEST(what_is_no_secret_is_left_alone)
{
	size_t	 len = strlen(harmless[_i]);
	bool	 any;
	char	*p = redact(harmless[_i], &len, &any);

	ck_assert_uint_eq(len, strlen(harmless[_i]));
	ck_assert_mem_eq(p, harmless[_i], len);
	ck_assert(!any);
	free(p);
}
END_TEST

START_TEST(deep_parentheses_hide_nothing)
{
	char	 sql[2048];
	size_t	 len, n = 0;
	bool	 any;
	char	*p;

	for (; n < 600; n++)
		sql[n] = '(';
	strcpy(sql + n, "password('abcdefgh'), 'x'");
	len = strlen(sql);
	p = redact(sql, &len, &any);
	ck_assert(any);
	ck_assert_ptr_null(memmem(p, len, "abcdefgh", 8));
	free(p);
}
END_TEST

START_TEST(any_byte_may_stand_in_it)
{
	static const char	 sql[] = "\0 IDENTIFIED BY 'ab\0\xff" "cdefgh'\0;";
	static const char	 want[] = "\0 IDENTIFIED BY '<secret>'\0;";
	size_t			 len = sizeof(sql);
	bool			 any;
	char			*p = redact(sql, &len, &any);

	ck_assert_uint_eq(len, sizeof(want));
	ck_assert_mem_eq(p, want, len);
	free(p);
	ck_assert_uint_eq(mysql_redact(NULL, 0, &any), 0);
}
END_TEST

int
main(void)
{
	Suite	*s = suite_create("mysql_redact");
	TCase	*tc = tcase_create("mysql_redact");

	suite_add_tcase(s, tc);
	tcase_add_loop_test(tc, secrets_are_replaced, 0, nitems(secrets));
	tcase_add_loop_test(tc, twice_is_as_once, 0, nitems(secrets));
	tcase_add_loop_test(tc, a_statement_may_be_cut_anywhere, 0,
	    nitems(secrets));
	tcase_add_loop_test(tc, what_is_no_secret_is_left_alone, 0,
	    nitems(harmless));
	tcase_add_test(tc, deep_parentheses_hide_nothing);
	tcase_add_test(tc, any_byte_may_stand_in_it);
	return unit_run(s);
}
