/*
 * A client that does what clients of MySQL do, for the record to tell:
 * record_client PORT USER PASSWORD FILE, where FILE is one to load.
 *
 * What it does is written to standard output as MySQL's names for it, and
 * anything that it did not expect ends it.
 */
#include <mysql.h>

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ODD	"select 'it''s \\\" \\\\ \n\t\x1b\x7f \xc3\xa4 \xff'"

static MYSQL	*m;
static bool	 mariadb;

static void __attribute__((noreturn))
die(const char *what)
{
	fprintf(stderr, "%s: %u %s\n", what, mysql_errno(m), mysql_error(m));
	exit(1);
}

static void
must(bool ok, const char *what)
{
	if (!ok)
		die(what);
}

/* Run it, and read all that comes. */
static void
run(const char *sql, size_t len)
{
	MYSQL_RES	*r;
	int		 rc;

	must(mysql_real_query(m, sql, len) == 0, sql);
	do {
		r = mysql_store_result(m);
		mysql_free_result(r);
		rc = mysql_next_result(m);
	} while (rc == 0);
	must(rc == -1, sql);
}

static void
query(const char *sql)
{
	run(sql, strlen(sql));
}

static void
fails(const char *sql)
{
	if (mysql_query(m, sql) == 0)
		die("it did not fail");
}

static void
statements(void)
{
	query("select 1");
	query("create table r (i bigint, u bigint unsigned, d double, s text, "
	    "t datetime(6), b blob, y tinyint)");
	run(ODD, sizeof(ODD) - 1);
	run("select 'a\0b'", 12);
	query("insert into r (i) values (1), (2), (3)");
	query("update r set i = i + 1 where i > 1");
	query("select * from r");
	query("select 1; select 2; do 3");
	fails("select nonsense");
	fails("");
	query("start transaction");
	query("delete from r");
	query("rollback");
	query("create procedure p() begin select 1; select i from r; end");
	query("call p()");
	must(mysql_select_db(m, "demo") == 0, "select_db");
	mysql_free_result(mysql_list_fields(m, "r", NULL));
	must(mysql_ping(m) == 0, "ping");
	must(mysql_stat(m) != NULL, "stat");
}

static MYSQL_STMT *
prepare(const char *sql)
{
	MYSQL_STMT	*s = mysql_stmt_init(m);

	must(mysql_stmt_prepare(s, sql, strlen(sql)) == 0, sql);
	return s;
}

static void
execute(MYSQL_STMT *s)
{
	if (mysql_stmt_execute(s) != 0) {
		fprintf(stderr, "execute: %s\n", mysql_stmt_error(s));
		exit(1);
	}
	(void)mysql_stmt_store_result(s);
	(void)mysql_stmt_free_result(s);
}

static MYSQL_BIND
bound(enum enum_field_types type, void *p, unsigned long *len)
{
	MYSQL_BIND	 b;

	memset(&b, 0, sizeof(b));
	b.buffer_type = type;
	b.buffer = p;
	if (len != NULL) {
		b.buffer_length = *len;
		b.length = len;
	}
	return b;
}

static void
values(void)
{
	MYSQL_STMT	*s = prepare("insert into r (i, u, d, s, t, b, y) "
			    "values (?, ?, ?, ?, ?, ?, ?)");
	int64_t		 i = -17;
	uint64_t	 u = UINT64_MAX;
	double		 d = 0.1;
	char		 text[] = "it's \" \\ \n\t\x1b \xc3\xa4";
	char		 blob[] = "\1\2\xff\xfe'x'";
	signed char	 y = -3;
	unsigned long	 ntext = sizeof(text) - 1, nblob = sizeof(blob) - 1;
	MYSQL_TIME	 t = {
		.year = 2026, .month = 11, .day = 26, .hour = 7, .minute = 5,
		.second = 9, .second_part = 1234,
		.time_type = MYSQL_TIMESTAMP_DATETIME,
	};
	MYSQL_BIND	 b[7];

	b[0] = bound(MYSQL_TYPE_LONGLONG, &i, NULL);
	b[1] = bound(MYSQL_TYPE_LONGLONG, &u, NULL);
	b[1].is_unsigned = 1;
	b[2] = bound(MYSQL_TYPE_DOUBLE, &d, NULL);
	b[3] = bound(MYSQL_TYPE_STRING, text, &ntext);
	b[4] = bound(MYSQL_TYPE_DATETIME, &t, NULL);
	b[5] = bound(MYSQL_TYPE_BLOB, blob, &nblob);
	b[6] = bound(MYSQL_TYPE_TINY, &y, NULL);
	must(mysql_stmt_bind_param(s, b) == 0, "bind");
	execute(s);
	/* The same types, which are not sent again. */
	i = 4711;
	ntext = 4;
	execute(s);
	b[3] = bound(MYSQL_TYPE_NULL, NULL, NULL);
	b[0] = bound(MYSQL_TYPE_SHORT, &y, NULL);
	must(mysql_stmt_bind_param(s, b) == 0, "bind again");
	i = 5;
	b[0] = bound(MYSQL_TYPE_LONGLONG, &i, NULL);
	must(mysql_stmt_bind_param(s, b) == 0, "bind again");
	execute(s);
	must(mysql_stmt_close(s) == 0, "close");
}

static void
ahead(void)
{
	MYSQL_STMT	*s = prepare("insert into r (s, b) values (?, ?)");
	char		 text[] = "short";
	unsigned long	 len = sizeof(text) - 1, none = 0;
	MYSQL_BIND	 b[2];

	b[0] = bound(MYSQL_TYPE_STRING, text, &len);
	b[1] = bound(MYSQL_TYPE_BLOB, NULL, &none);
	must(mysql_stmt_bind_param(s, b) == 0, "bind");
	for (int i = 0; i < 3; i++)
		must(mysql_stmt_send_long_data(s, 1, "piece ", 6) == 0,
		    "long data");
	execute(s);
	must(mysql_stmt_send_long_data(s, 1, "gone", 4) == 0, "long data");
	must(mysql_stmt_reset(s) == 0, "reset");
	must(mysql_stmt_send_long_data(s, 1, "there", 5) == 0, "long data");
	execute(s);
	must(mysql_stmt_close(s) == 0, "close");
}

static void
cursor(void)
{
	MYSQL_STMT	*s = prepare("select i from r where i > ?");
	unsigned long	 type = CURSOR_TYPE_READ_ONLY, rows = 2;
	int		 least = 0, got = 0;
	MYSQL_BIND	 b = bound(MYSQL_TYPE_LONG, &least, NULL);
	MYSQL_BIND	 out = bound(MYSQL_TYPE_LONG, &got, NULL);

	must(mysql_stmt_attr_set(s, STMT_ATTR_CURSOR_TYPE, &type) == 0 &&
	    mysql_stmt_attr_set(s, STMT_ATTR_PREFETCH_ROWS, &rows) == 0,
	    "attr");
	must(mysql_stmt_bind_param(s, &b) == 0, "bind");
	must(mysql_stmt_execute(s) == 0, "execute");
	must(mysql_stmt_bind_result(s, &out) == 0, "bind result");
	while (mysql_stmt_fetch(s) == 0)
		continue;
	must(mysql_stmt_close(s) == 0, "close");
}

/* Several rows at once, and a statement that is run before it has a number. */
static void
maria(void)
{
	MYSQL_STMT	*s = prepare("insert into r (i, s) values (?, ?)");
	int		 i[3] = { 7, 8, 9 };
	const char	*text[3] = { "seven", "", "nine's" };
	unsigned long	 len[3] = { 5, 0, 6 };
	char		 how[3] = {
		STMT_INDICATOR_NONE, STMT_INDICATOR_NULL, STMT_INDICATOR_NONE,
	};
	unsigned int	 n = 3;
	MYSQL_BIND	 b[2];

	memset(b, 0, sizeof(b));
	b[0].buffer_type = MYSQL_TYPE_LONG;
	b[0].buffer = i;
	b[1].buffer_type = MYSQL_TYPE_STRING;
	b[1].buffer = text;
	b[1].length = len;
	b[1].u.indicator = how;
	must(mysql_stmt_attr_set(s, STMT_ATTR_ARRAY_SIZE, &n) == 0, "array");
	must(mysql_stmt_bind_param(s, b) == 0, "bind");
	execute(s);
	must(mysql_stmt_close(s) == 0, "close");
	s = mysql_stmt_init(m);
	must(mariadb_stmt_execute_direct(s, "select 'direct'",
	    strlen("select 'direct'")) == 0, "direct");
	(void)mysql_stmt_store_result(s);
	must(mysql_stmt_close(s) == 0, "close");
}

static void
load(const char *file)
{
	char	 sql[512];

	snprintf(sql, sizeof(sql), "load data local infile '%s' into table r "
	    "(s)", file);
	query("delete from r");
	query(sql);
	query("select count(*) from r");
}

int
main(int argc, char *argv[])
{
	unsigned int	 yes = 1;

	if (argc != 5)
		return 2;
	m = mysql_init(NULL);
	mysql_options(m, MYSQL_OPT_LOCAL_INFILE, &yes);
	must(mysql_real_connect(m, "127.0.0.1", argv[2], argv[3], "demo",
	    (unsigned int)atoi(argv[1]), NULL, CLIENT_MULTI_STATEMENTS) !=
	    NULL, "connect");
	mariadb = strstr(mysql_get_server_info(m), "MariaDB") != NULL;
	query("drop table if exists r");
	query("drop procedure if exists p");
	statements();
	values();
	ahead();
	cursor();
	if (mariadb)
		maria();
	load(argv[4]);
	must(mysql_change_user(m, argv[2], argv[3], "demo") == 0, "change");
	query("select 'again'");
	must(mysql_reset_connection(m) == 0, "reset");
	query("select 'reset'");
	mysql_close(m);
	puts("ok");
	return 0;
}
