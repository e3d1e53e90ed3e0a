#include <string.h>

#include "policy/conf_check.h"
#include "policy/conf_check_mysql.h"

/* What clients do all the time and what tells nothing of data. */
static const uint8_t	 unusual[] = {
	MYSQL_COM_PING, MYSQL_COM_STATISTICS, MYSQL_COM_STMT_CLOSE,
	MYSQL_COM_STMT_RESET, MYSQL_COM_STMT_SEND_LONG_DATA,
	MYSQL_COM_STMT_FETCH, MYSQL_COM_SET_OPTION,
};

static void
add(struct conf_commands *set, int command)
{
	set->bits[command / 8] |= (uint8_t)(1 << command % 8);
}

/* "no such command; there are a, b, c" */
static void
complain_command(const struct conf_listener *l, const char *key,
    const char *name, struct conf_report *report)
{
	char	 text[1024] = "";
	size_t	 n = 0;

	for (int i = 0; i < MYSQL_COMMANDS && n < sizeof(text); i++)
		if (mysql_command_name((uint8_t)i) != NULL)
			n += (size_t)snprintf(text + n, sizeof(text) - n,
			    " %s", mysql_command_name((uint8_t)i));
	conf_complain(report, "%s: %s: \"%s\": no such command; there "
	    "are%s", l->where, key, name, text);
}

static void
resolve(const struct conf_listener *l, const char *key,
    const struct conf_texts *names, struct conf_commands *set,
    struct conf_report *report)
{
	int	 command;

	for (size_t i = 0; i < names->n; i++) {
		command = mysql_command_find(names->v[i]);
		if (command == -1)
			complain_command(l, key, names->v[i], report);
		else
			add(set, command);
	}
}

static bool
is_all(const struct conf_texts *names)
{
	return names->n == 1 && strcmp(names->v[0], "all") == 0;
}

static void
resolve_recorded(struct conf_listener *l, struct conf_report *report)
{
	const struct conf_texts	*names = &l->query_log.commands;
	struct conf_commands	*set = &l->query_log.set;

	*set = (struct conf_commands){ .bits = { 0 } };
	if (names->n > 0 && !is_all(names)) {
		resolve(l, "query_log.commands", names, set, report);
		return;
	}
	memset(set->bits, 0xff, sizeof(set->bits));
	if (names->n == 0)
		for (size_t i = 0; i < sizeof(unusual); i++)
			set->bits[unusual[i] / 8] &=
			    (uint8_t)~(1 << unusual[i] % 8);
}

/*
 * Who has an account of ours, and not of his own, is to do nothing to the
 * server as such, nor become another.
 */
static const uint8_t	 not_with_codes[] = {
	MYSQL_COM_SHUTDOWN, MYSQL_COM_DEBUG, MYSQL_COM_CHANGE_USER,
	MYSQL_COM_BINLOG_DUMP, MYSQL_COM_REGISTER_SLAVE,
	MYSQL_COM_BINLOG_DUMP_GTID,
};

static void
resolve_denied(struct conf_listener *l, struct conf_report *report)
{
	l->denied = (struct conf_commands){ .bits = { 0 } };
	if (l->login == CONF_LOGIN_TOTP)
		for (size_t i = 0; i < sizeof(not_with_codes); i++)
			add(&l->denied, not_with_codes[i]);
	resolve(l, "deny_commands", &l->deny_commands, &l->denied, report);
	if (l->denied.bits[0] >> MYSQL_COM_QUIT & 1)
		conf_complain(report, "%s: deny_commands: \"quit\": a client "
		    "may always leave", l->where);
}

static int
kind_of(const struct conf_listener *l, struct conf_report *report)
{
	static const struct {
		const char	*to;
		int		 kind;
	} words[] = {
		{ "", CONF_RECORD_NONE }, { "log", CONF_RECORD_LOG },
		{ "syslog", CONF_RECORD_SYSLOG },
		{ "table", CONF_RECORD_TABLE },
	};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (strcmp(l->query_log.to, words[i].to) == 0)
			return words[i].kind;
	if (l->query_log.to[0] != '/')
		conf_complain(report, "%s: query_log.to: \"%s\": want "
		    "\"log\", \"syslog\", \"table\" or the absolute path of a "
		    "file", l->where, l->query_log.to);
	return CONF_RECORD_FILE;
}

/* One file has one format, and one way with what finds no room. */
static void
check_same_file(const struct conf *conf, const struct conf_listener *l,
    struct conf_report *report)
{
	for (const struct conf_listener *o = conf->listeners; o < l; o++) {
		if (o->query_log.kind != CONF_RECORD_FILE ||
		    strcmp(o->query_log.to, l->query_log.to) != 0)
			continue;
		if (o->query_log.format != l->query_log.format)
			conf_complain(report, "%s: query_log.format: another "
			    "one is written to \"%s\" by %s", l->where,
			    l->query_log.to, o->where);
		if (o->query_log.on_overflow != l->query_log.on_overflow)
			conf_complain(report, "%s: query_log.on_overflow: "
			    "another one is set for \"%s\" by %s", l->where,
			    l->query_log.to, o->where);
		return;
	}
}

/* A key that nothing comes of is a mistake more often than not. */
static void
check_use(const struct conf *conf, const struct conf_listener *l,
    struct conf_report *report)
{
	const int	 kind = l->query_log.kind;

	if (kind == CONF_RECORD_NONE)
		conf_check_unused(l->where, "query_log",
		    "without query_log.to", CONF_QUERY_LOG, l, report);
	if (kind == CONF_RECORD_TABLE && l->query_log.format != CONF_LOG_TEXT)
		conf_warn(report, "%s: query_log.format: in a table it is of "
		    "no effect", l->where);
	/* Syslog gets lines of text, whatever log.format says. */
	if (kind == CONF_RECORD_LOG && strcmp(conf->log.to, "syslog") != 0 &&
	    l->query_log.format != conf->log.format)
		conf_warn(report, "%s: query_log.format: not that of "
		    "log.format, so lines of both are in one log", l->where);
	if (l->carry == CONF_CARRY_ALWAYS && (kind != CONF_RECORD_NONE ||
	    l->deny_commands.n > 0))
		conf_warn(report, "%s: carry: sessions whose commands are "
		    "looked at stay in the processes that do so", l->where);
}

static void
check_file(const struct conf *conf, const struct conf_listener *l,
    struct conf_report *report)
{
	if (l->query_log.kind != CONF_RECORD_FILE)
		return;
	if (strcmp(l->query_log.to, conf->log.to) == 0)
		conf_complain(report, "%s: query_log.to: \"%s\" is the file "
		    "of log.to: want \"log\", or another file", l->where,
		    l->query_log.to);
	check_same_file(conf, l, report);
}

void
conf_check_listener_mysql(const struct conf *conf, struct conf_listener *l,
    struct conf_report *report)
{
	l->query_log.kind = kind_of(l, report);
	resolve_recorded(l, report);
	resolve_denied(l, report);
	if (l->protocol != CONF_MYSQL) {
		if (l->query_log.kind != CONF_RECORD_NONE)
			conf_complain(report, "%s: query_log: only protocol "
			    "\"mysql\" has a record", l->where);
		if (l->deny_commands.n > 0)
			conf_complain(report, "%s: deny_commands: only "
			    "protocol \"mysql\" has commands", l->where);
		return;
	}
	if (l->compression && (l->query_log.kind != CONF_RECORD_NONE ||
	    l->deny_commands.n > 0))
		conf_complain(report, "%s: compression: must be false with "
		    "query_log or deny_commands, which do not see through it",
		    l->where);
	check_file(conf, l, report);
	check_use(conf, l, report);
}

static void
check_server(const struct conf *conf, const char *key, struct conf_table *t,
    struct conf_report *report)
{
	const char	*fault;

	if (net_parse(t->server, false, &t->spec, &fault) == -1)
		conf_complain(report, "%s%s%s.server: \"%s\": %s",
		    CONF_FILE(conf), key, t->server, fault);
	else if (t->spec.kind == NET_ANY)
		conf_complain(report, "%s%s%s.server: \"%s\": a server needs "
		    "a host before the port", CONF_FILE(conf), key,
		    t->server);
}

/* `wanted' by what, as "query_log.to \"table\"". */
static void
check_table(const struct conf *conf, const char *key,
    enum conf_section section, struct conf_table *t, const char *by,
    struct conf_report *report)
{
	const char	*where = conf->file != NULL ? conf->file :
			    "configuration";
	char		 because[64];

	check_server(conf, key, t, report);
	if (!t->wanted) {
		snprintf(because, sizeof(because), "without %s", by);
		conf_check_unused(where, key, because, section, conf, report);
		return;
	}
	if (t->tls == CONF_TABLE_PLAIN && t->ca[0] != '\0')
		conf_warn(report, "%s: %s.ca: with tls \"off\" it is of no "
		    "effect", where, key);
	if (t->user[0] == '\0')
		conf_complain(report, "%s%s%s.user: %s needs it",
		    CONF_FILE(conf), key, by);
	if (t->database[0] == '\0')
		conf_complain(report, "%s%s%s.database: %s needs it",
		    CONF_FILE(conf), key, by);
}

void
conf_check_tables(struct conf *conf, struct conf_report *report)
{
	conf->query_table.wanted = conf->otp_table.wanted = false;
	for (size_t i = 0; i < conf->nlisteners; i++) {
		const struct conf_listener	*l = &conf->listeners[i];

		conf->query_table.wanted |=
		    l->query_log.kind == CONF_RECORD_TABLE;
		conf->otp_table.wanted |= l->login == CONF_LOGIN_TOTP &&
		    conf->totp.secrets == CONF_SECRETS_TABLE;
	}
	check_table(conf, "query_table", CONF_QUERY_TABLE,
	    &conf->query_table, "query_log.to \"table\"", report);
	check_table(conf, "otp_table", CONF_OTP_TABLE, &conf->otp_table,
	    "totp.secrets \"table\"", report);
}
