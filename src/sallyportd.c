/*
 * sallyportd - the command line, and the table of roles.
 */
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config.h"

#include "base/log.h"
#include "base/mem.h"
#include "policy/conf.h"
#include "policy/conf_check.h"
#include "policy/conf_keys.h"
#include "policy/conf_value.h"
#include "policy/ini.h"
#include "process/channel.h"
#include "process/limits.h"
#include "process/master.h"
#include "process/role.h"
#include "process/upgrade.h"
#include "tunnel_flags.h"

#define DEFAULT_FILE	SYSCONFDIR "/sallyportd.conf"
#define PATHS		6	/* flags that name files */

#ifdef HAVE_LIBMARIADB
#define WRITES_TABLES	true
#else
#define WRITES_TABLES	false
#endif

/* In the order they are started.  Workers are forked by spawners. */
const struct role	 roles[] = {
	{ .name = "logger", .id = ROLE_LOGGER, .main = logger_main },
	{ .name = "keeper", .id = ROLE_KEEPER, .main = keeper_main,
	    .may_lag = true },
	{ .name = "control", .id = ROLE_CONTROL, .main = control_main,
	    .needed = control_needed },
	{ .name = "carrier", .id = ROLE_CARRIER, .main = carrier_main,
	    .own_root = true, .needed = carriers_needed },
	{ .name = "dbclient", .id = ROLE_DBCLIENT, .main = dbclient_main,
	    .may_lag = true, .as_auth = true, .needed = dbclient_needed },
	{ .name = "auth", .id = ROLE_AUTH, .main = auth_main,
	    .own_root = true, .as_auth = true, .needed = auth_needed },
	{ .name = "broker", .id = ROLE_BROKER, .main = broker_main,
	    .own_root = true, .needed = broker_needed },
	{ .name = "signer", .id = ROLE_SIGNER, .main = signer_main,
	    .per_pool = true, .lasting = true, .own_root = true,
	    .as_auth = true, .wanted = signer_wanted },
	{ .name = "spawner", .id = ROLE_SPAWNER, .main = spawner_main,
	    .per_pool = true, .own_root = true },
	{ .name = "link", .id = ROLE_LINK, .main = link_main,
	    .per_pool = true, .own_root = true, .wanted = link_wanted },
	{ .name = NULL },
};

struct options {
	const char	*file;
	bool		 test;
	bool		 print;
	bool		 daemon;
	bool		 verbose;
	const char	*log_to;
	const char	*bind;
	const char	*backend;
	const char	*conf;		/* portproxy's */
	const char	*protocol;
	const char	*buffer;
	struct tunnel_flags tunnel;
};

enum {
	OPT_HELP = 256,
	OPT_VERSION,
	OPT_DAEMON,
	OPT_VERBOSE,
	OPT_LOG_TO,
	OPT_BIND,
	OPT_BACKEND,
	OPT_PROTOCOL,
	OPT_BUFFER,
	OPT_CONF,
	OPT_HUB,
	OPT_AGENT,
	OPT_HOST,
	OPT_PORT,
	OPT_UUID,
	OPT_SECRET_FILE,
	OPT_PIN,
	OPT_CERTIFICATE,
	OPT_KEY,
	OPT_ACCEPT,
	OPT_LISTENER,
	OPT_PEER_LISTENER,
};

/* Letters stand here too: else getopt_long_only() takes them for prefixes. */
static const struct option	 long_options[] = {
	{ "f",		required_argument,	NULL,	'f' },
	{ "t",		no_argument,		NULL,	't' },
	{ "T",		no_argument,		NULL,	'T' },
	{ "h",		no_argument,		NULL,	OPT_HELP },
	{ "file",	required_argument,	NULL,	'f' },
	{ "help",	no_argument,		NULL,	OPT_HELP },
	{ "version",	no_argument,		NULL,	OPT_VERSION },
	{ "daemon",	optional_argument,	NULL,	OPT_DAEMON },
	{ "verbose",	optional_argument,	NULL,	OPT_VERBOSE },
	{ "log-to",	required_argument,	NULL,	OPT_LOG_TO },
	{ "logTo",	required_argument,	NULL,	OPT_LOG_TO },
	{ "bind",	required_argument,	NULL,	OPT_BIND },
	{ "backend",	required_argument,	NULL,	OPT_BACKEND },
	{ "protocol",	required_argument,	NULL,	OPT_PROTOCOL },
	{ "buffer",	required_argument,	NULL,	OPT_BUFFER },
	{ "conf",	required_argument,	NULL,	OPT_CONF },
	{ "hub",	no_argument,		NULL,	OPT_HUB },
	{ "agent",	no_argument,		NULL,	OPT_AGENT },
	{ "host",	required_argument,	NULL,	OPT_HOST },
	{ "port",	required_argument,	NULL,	OPT_PORT },
	{ "uuid",	required_argument,	NULL,	OPT_UUID },
	{ "secret-file", required_argument,	NULL,	OPT_SECRET_FILE },
	{ "pin",	required_argument,	NULL,	OPT_PIN },
	{ "certificate", required_argument,	NULL,	OPT_CERTIFICATE },
	{ "key",	required_argument,	NULL,	OPT_KEY },
	{ "accept-assign", required_argument,	NULL,	OPT_ACCEPT },
	{ "listener",	required_argument,	NULL,	OPT_LISTENER },
	{ "peer_listener", required_argument,	NULL,	OPT_PEER_LISTENER },
	{ NULL, 0, NULL, 0 },
};

static const char	 help[] =
"Usage: sallyportd [-f FILE] [-t | -T] [--daemon] [--log-to=WHERE] [--verbose]\n"
"  or:  sallyportd --bind=ADDR --backend=ADDR [--protocol=tcp] [--buffer=BYTES]\n"
"                  [--conf=FILE] [-t | -T] [--daemon] [--log-to=WHERE]\n"
"                  [--verbose]\n"
"  or:  sallyportd --hub [--host=ADDR] [--port=N] [--uuid=ID]\n"
"                  [--secret-file=FILE] [--certificate=FILE [--key=FILE]]\n"
"                  --listener=JSON | --peer_listener=JSON ...\n"
"  or:  sallyportd --agent [--host=HOST] [--port=N] [--uuid=ID]\n"
"                  [--secret-file=FILE] [--pin=PIN] --accept-assign=RULE ...\n"
"Relay TCP ports to servers, each session in an unprivileged process.\n"
"\n"
"  -f FILE            read the configuration from FILE\n"
"                     (" DEFAULT_FILE ")\n"
"  -t                 check the configuration and exit: 0, or 78\n"
"  -T                 print the configuration in effect and exit\n"
"      --daemon       run in the background; return when ports are served\n"
"      --log-to=WHERE stdout, stderr, syslog or a file\n"
"      --verbose      log debugging lines too\n"
"      --bind=ADDR    without a file: accept here (:8002)\n"
"      --backend=ADDR and connect to here (127.0.0.1:8003)\n"
"      --protocol=tcp what is spoken there: tcp or mysql\n"
"      --buffer=BYTES held for each direction of a session (64k)\n"
"      --conf=FILE    portproxy's file of accounts: its users log in with\n"
"                     one-time codes, and its table has what they run\n"
"      --hub          without a file: agents connect to --host and --port\n"
"                     (0.0.0.0, 925) as --uuid (idste), and --listener has\n"
"                     us listen and it forward, --peer_listener the reverse;\n"
"                     see sallyportd(8) for what JSON they take\n"
"      --agent        without a file: connect to such a hub (127.0.0.1),\n"
"                     and do what it says as far as --accept-assign goes\n"
"      --secret-file=FILE  what both know (" SYSCONFDIR "/sallyport/ID.secret)\n"
"      --certificate=FILE  the hub's, for TLS; its key may be in --key\n"
"      --pin=PIN      what an agent knows that by: \"sallyportctl pin FILE\"\n"
"      --help         print this and exit\n"
"      --version      print the version and exit\n"
"\n"
"ADDR is host:port, :port, [v6]:port or unix:/path.  One dash does for long\n"
"options too.  Exit: 0, 1 runtime, 2 usage, 77 permission, 78 configuration.\n"
"See sallyportd(8), sallyportd.conf(5) and sallyport(7).\n";

static _Noreturn void
usage(const char *why)
{
	if (why != NULL)
		fprintf(stderr, "sallyportd: %s\n", why);
	fprintf(stderr, "Try 'sallyportd --help' for more information.\n");
	exit(EXIT_USAGE);
}

/* A flag as Go has it: bare, =true or =false. */
static bool
parse_bool(const char *name, const char *text)
{
	static const char	*const yes[] = { "true", "1", "t", "yes" };
	static const char	*const no[] = { "false", "0", "f", "no" };
	char			 why[128];

	if (text == NULL)
		return true;
	for (size_t i = 0; i < nitems(yes); i++) {
		if (strcasecmp(text, yes[i]) == 0)
			return true;
		if (strcasecmp(text, no[i]) == 0)
			return false;
	}
	snprintf(why, sizeof(why), "--%s=%s: want true or false", name, text);
	usage(why);
}

static void
add_flag(struct tunnel_flags_list *list, const char *name)
{
	char	 why[64];

	if (list->n == TUNNEL_FLAGS_MAX) {
		snprintf(why, sizeof(why), "more than %d of --%s",
		    TUNNEL_FLAGS_MAX, name);
		usage(why);
	}
	list->v[list->n++] = optarg;
}

/* False: it is none of them. */
static bool
parse_tunnel_option(struct tunnel_flags *t, int c)
{
	switch (c) {
	case OPT_HUB:
		t->hub = true;
		break;
	case OPT_AGENT:
		t->agent = true;
		break;
	case OPT_HOST:
		t->host = optarg;
		break;
	case OPT_PORT:
		t->port = optarg;
		break;
	case OPT_UUID:
		t->uuid = optarg;
		break;
	case OPT_SECRET_FILE:
		t->secret_file = optarg;
		break;
	case OPT_PIN:
		t->pin = optarg;
		break;
	case OPT_CERTIFICATE:
		t->certificate = optarg;
		break;
	case OPT_KEY:
		t->key = optarg;
		break;
	case OPT_ACCEPT:
		add_flag(&t->accept, "accept-assign");
		break;
	case OPT_LISTENER:
		add_flag(&t->listener, "listener");
		break;
	case OPT_PEER_LISTENER:
		add_flag(&t->peer_listener, "peer_listener");
		break;
	default:
		return false;
	}
	return true;
}

static void
parse_option(struct options *o, int c)
{
	if (parse_tunnel_option(&o->tunnel, c))
		return;
	switch (c) {
	case 'f':
		o->file = optarg;
		break;
	case 't':
		o->test = true;
		break;
	case 'T':
		o->print = true;
		break;
	case OPT_DAEMON:
		o->daemon = parse_bool("daemon", optarg);
		break;
	case OPT_VERBOSE:
		o->verbose = parse_bool("verbose", optarg);
		break;
	case OPT_LOG_TO:
		o->log_to = optarg;
		break;
	case OPT_BIND:
		o->bind = optarg;
		break;
	case OPT_BACKEND:
		o->backend = optarg;
		break;
	case OPT_PROTOCOL:
		o->protocol = optarg;
		break;
	case OPT_BUFFER:
		o->buffer = optarg;
		break;
	case OPT_CONF:
		o->conf = optarg;
		break;
	case OPT_HELP:
		fputs(help, stdout);
		exit(EXIT_OK);
	case OPT_VERSION:
		puts("sallyportd " PACKAGE_VERSION);
		exit(EXIT_OK);
	default:
		usage(NULL);
	}
}

static bool
has_flags(const struct options *o)
{
	return o->bind != NULL || o->backend != NULL || o->protocol != NULL ||
	    o->buffer != NULL || o->conf != NULL;
}

static bool
without_file(const struct options *o)
{
	return has_flags(o) || o->tunnel.hub || o->tunnel.agent;
}

static bool
has_tunnel_flags(const struct tunnel_flags *t)
{
	return t->host != NULL || t->port != NULL || t->uuid != NULL ||
	    t->secret_file != NULL || t->pin != NULL ||
	    t->certificate != NULL || t->key != NULL || t->accept.n > 0 ||
	    t->listener.n > 0 || t->peer_listener.n > 0;
}

static void
check_options(const struct options *o)
{
	bool	 tunnel = o->tunnel.hub || o->tunnel.agent;

	if (o->test && o->print)
		usage("-t and -T exclude each other");
	if (strcmp(o->file, DEFAULT_FILE) != 0 && (has_flags(o) || tunnel))
		usage("-f names a file; --bind, --backend, --protocol, "
		    "--buffer, --conf, --hub and --agent are for doing "
		    "without one");
	if (tunnel && has_flags(o))
		usage("--hub and --agent do not go with --bind, --backend, "
		    "--protocol, --buffer and --conf");
	if (!tunnel && has_tunnel_flags(&o->tunnel))
		usage("--host, --port, --uuid, --listener and what goes with "
		    "them take --hub or --agent");
}

static void
parse_options(struct options *o, int argc, char **argv)
{
	int	 c;

	while ((c = getopt_long_only(argc, argv, "f:tT", long_options,
	    NULL)) != -1)
		parse_option(o, c);
	if (optind < argc) {
		fprintf(stderr, "sallyportd: %s: not an option\n",
		    argv[optind]);
		usage(NULL);
	}
	check_options(o);
}

/* Files named on the command line are meant from where it was typed. */
static char *
absolute(const char *where)
{
	char	*cwd, *path;

	if (where[0] == '/' || strcmp(where, "stdout") == 0 ||
	    strcmp(where, "stderr") == 0 || strcmp(where, "syslog") == 0)
		return mem_strdup(where);
	cwd = getcwd(NULL, 0);
	path = mem_printf("%s/%s", cwd != NULL ? cwd : "", where);
	free(cwd);
	return path;
}

/* Both tables are where the dsn says. */
static void
set_tables(struct conf *conf, const struct ini_dsn *dsn,
    struct conf_report *report)
{
	static const char *const	 groups[] = {
		"query_table", "otp_table",
	};
	const struct {
		const char	*key, *value;
	} values[] = {
		{ "server", dsn->server }, { "user", dsn->user },
		{ "database", dsn->database }, { "password_file",
		    dsn->password[0] != '\0' ? conf->ini : "" },
	};
	char				 key[64];

	for (size_t i = 0; i < nitems(groups); i++)
		for (size_t j = 0; j < nitems(values); j++) {
			snprintf(key, sizeof(key), "%s.%s", groups[i],
			    values[j].key);
			conf_set(conf, "--conf", key, values[j].value,
			    report);
		}
}

/* Whoever has a code becomes that. */
static void
add_account(struct conf *conf, const char *user, const char *pass,
    struct conf_report *report)
{
	const struct conf_key	*k = conf_key_find(CONF_TOP, "accounts");
	void			*item = conf_key_add_item(k, conf);
	const struct {
		const char	*key, *value;
	} values[] = {
		{ "users", "*" }, { "account", user },
		{ "password_file", pass[0] != '\0' ? conf->ini : "" },
	};
	char			 why[512];

	*conf_key_where(k, item) = mem_strdup("--conf");
	for (size_t i = 0; i < nitems(values); i++)
		if (conf_key_set(conf_key_find(CONF_ACCOUNT, values[i].key),
		    item, values[i].value, why, sizeof(why)) == -1)
			conf_complain(report, "--conf: [onlineread] %s: %s",
			    values[i].key, why);
}

static void
set_from_ini_text(struct conf *conf, const char *text, size_t len,
    struct conf_report *report)
{
	char		*dsn_text = ini_value(text, len, "backend", "dsn");
	char		*user = ini_value(text, len, "onlineread", "user");
	char		*pass = ini_value(text, len, "onlineread", "pass");
	const char	*why = "it is missing";
	struct ini_dsn	 dsn = { .user = NULL };

	if (dsn_text == NULL || ini_dsn_parse(dsn_text, &dsn, &why) == -1)
		conf_complain(report, "%s: [backend] dsn: %s", conf->ini,
		    why);
	else
		set_tables(conf, &dsn, report);
	if (user == NULL || pass == NULL)
		conf_complain(report, "%s: [onlineread] %s: it is missing",
		    conf->ini, user == NULL ? "user" : "pass");
	else
		add_account(conf, user, pass, report);
	ini_dsn_release(&dsn);
	free(dsn_text);
	free(user);
	free(pass);
}

/* Which it had not, but whoever keeps its file may want. */
static void
set_tls(struct conf *conf, const char *text, size_t len,
    struct conf_report *report)
{
	char	*certificate = ini_value(text, len, "tls", "certificate");
	char	*key = ini_value(text, len, "tls", "key");

	if (certificate != NULL && key != NULL) {
		conf_set(conf, "--conf", "listener.tls.mode", "offer",
		    report);
		conf_set(conf, "--conf", "listener.tls.certificate",
		    certificate, report);
		conf_set(conf, "--conf", "listener.tls.key", key, report);
	} else if (certificate != NULL || key != NULL)
		conf_complain(report, "%s: [tls] %s: it is missing",
		    conf->ini, certificate == NULL ? "certificate" : "key");
	free(certificate);
	free(key);
}

/*
 * What portproxy did with that file: codes from a table, and what users run
 * into another, beside the log.
 */
static void
set_from_ini(struct conf *conf, const char *path, struct conf_report *report)
{
	static const char *const	 settings[][2] = {
		{ "listener.protocol", "mysql" },
		{ "listener.login", "totp" },
		{ "totp.secrets", "table" },
	};
	char				*text = NULL;
	size_t				 size = 0;
	ssize_t				 len;
	FILE				*in;

	conf->ini = absolute(path);
	for (size_t i = 0; i < nitems(settings); i++)
		conf_set(conf, "--conf", settings[i][0], settings[i][1],
		    report);
	conf_set(conf, "--conf", "listener.query_log.to", "table", report);
	in = fopen(conf->ini, "re");
	len = in != NULL ? getdelim(&text, &size, '\0', in) : -1;
	if (len == -1)
		conf_complain(report, "--conf: \"%s\": %s", conf->ini,
		    in == NULL ? strerror(errno) : "it is empty");
	else {
		set_from_ini_text(conf, text, (size_t)len, report);
		set_tls(conf, text, (size_t)len, report);
		explicit_bzero(text, size);
	}
	free(text);
	if (in != NULL)
		fclose(in);
}

/* What --bind and --backend mean, the defaults of portproxy included. */
static void
set_from_flags(struct conf *conf, const struct options *o,
    struct conf_report *report)
{
	conf_set(conf, "--bind, --backend", "listener.name", "main", report);
	conf_set(conf, "--bind", "listener.listen",
	    o->bind != NULL ? o->bind : ":8002", report);
	conf_set(conf, "--backend", "listener.forward",
	    o->backend != NULL ? o->backend : "127.0.0.1:8003", report);
	if (o->protocol != NULL)
		conf_set(conf, "--protocol", "listener.protocol",
		    o->protocol, report);
	if (o->buffer != NULL)
		conf_set(conf, "--buffer", "listener.buffer", o->buffer,
		    report);
	conf_set(conf, "--log-to", "log.to", "stdout", report);
	if (o->conf != NULL)
		set_from_ini(conf, o->conf, report);
}

/* What --hub and --agent mean. */
static void
set_from_tunnel(struct conf *conf, const struct tunnel_flags *t,
    struct conf_report *report)
{
	char	 why[1024];
	char	*text = tunnel_flags_text(t, why, sizeof(why));

	if (text == NULL)
		conf_complain(report, "%s", why);
	else
		conf_read_text(conf, t->hub ? "--hub" : "--agent", text,
		    strlen(text), report);
	free(text);
}

/* A daemon has no standard output that anyone would read. */
static void
move_log(struct conf *conf, struct conf_report *report)
{
	if (strcmp(conf->log.to, "stdout") != 0 &&
	    strcmp(conf->log.to, "stderr") != 0)
		return;
	conf_warn(report, "--daemon leaves nobody to read %s; logging to "
	    "syslog", conf->log.to);
	conf_set(conf, "--daemon", "log.to", "syslog", report);
}

/* What this process was told to serve, now and at each reload. */
static struct options	 options = { .file = DEFAULT_FILE };

/* A configuration is as good or bad as the next, but not to this program. */
static int
check_build(const struct conf *conf, struct conf_report *report)
{
	if (WRITES_TABLES ||
	    (!conf->query_table.wanted && !conf->otp_table.wanted))
		return 0;
	conf_complain(report, "%s%s%s: this sallyportd was built without "
	    "libmariadb, which speaks to databases", CONF_FILE(conf),
	    conf->query_table.wanted ? "query_table" : "otp_table");
	return -1;
}

static struct conf *
load(struct files *files, struct conf_report *report)
{
	const struct options	*o = &options;
	struct conf		*conf = conf_new();
	char			*to;

	if (o->tunnel.hub || o->tunnel.agent)
		set_from_tunnel(conf, &o->tunnel, report);
	else if (has_flags(o))
		set_from_flags(conf, o, report);
	else
		conf_read_file(conf, o->file, report);
	if (o->log_to != NULL) {
		to = absolute(o->log_to);
		conf_set(conf, "--log-to", "log.to", to, report);
		free(to);
	}
	if (o->verbose)
		conf_set(conf, "--verbose", "log.level", "debug", report);
	if (o->daemon)
		move_log(conf, report);
	/* To print it nobody need be able to read its files. */
	if (conf_finish(conf, report) == -1 ||
	    check_build(conf, report) == -1 ||
	    (!o->print && files_load(files, conf, report) == -1))
		conf_free(&conf);
	else
		limits_check(conf, report);
	return conf;
}

/* The first time whoever typed the command is told, or whoever runs now. */
static struct conf *
load_first(struct files *files, struct conf_report *report, int predecessor)
{
	struct conf	*conf = load(files, report);
	/* Else they are for the log. */
	bool		 warn = conf == NULL || options.test || options.print;

	for (size_t i = 0; i < report->nwarnings && warn; i++)
		fprintf(stderr, "sallyportd: warning: %s\n",
		    report->warnings[i]);
	for (size_t i = 0; i < report->nerrors; i++) {
		fprintf(stderr, "sallyportd: %s\n", report->errors[i]);
		if (predecessor != -1 && !options.daemon)
			upgrade_tell(predecessor, report->errors[i]);
	}
	return conf;
}

/* The end of the pipe at which the command that started us waits. */
static int	 waiting = -1;

static void
announce(int status)
{
	char	 byte = (char)status;
	int	 null;

	if (!options.daemon)
		return;
	if (waiting != -1) {
		(void)!write(waiting, &byte, 1);
		close(waiting);
		waiting = -1;
	}
	if (status != EXIT_OK)
		return;
	/* The terminal is not ours any more. */
	null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (null != -1)
		(void)dup2(null, STDERR_FILENO);
}

/* Go to the background; the caller's process waits for announce(). */
static void
become_daemon(void)
{
	char	 byte = EXIT_RUNTIME;
	int	 ends[2], null;

	if (pipe2(ends, O_CLOEXEC) == -1)
		log_fatal(EXIT_RUNTIME, "pipe: %s", strerror(errno));
	switch (fork()) {
	case -1:
		log_fatal(EXIT_RUNTIME, "fork: %s", strerror(errno));
	case 0:
		break;
	default:
		close(ends[1]);
		(void)!read(ends[0], &byte, 1);
		_exit(byte);
	}
	close(ends[0]);
	waiting = ends[1];
	(void)setsid();
	null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (chdir("/") == -1 || null == -1 ||
	    dup2(null, STDIN_FILENO) == -1 || dup2(null, STDOUT_FILENO) == -1)
		log_fatal(EXIT_RUNTIME, "/dev/null: %s", strerror(errno));
}

/* The master executes us with this to make us one of its roles. */
static void
run_role(const char *name)
{
	struct stat	 st;

	/* Executed by descriptor, it would have a number for a name. */
	(void)prctl(PR_SET_NAME, "sallyportd");
	for (const struct role *r = roles; r->name != NULL; r++)
		if (strcmp(r->name, name) == 0 &&
		    fstat(SETUP_FD, &st) == 0 && S_ISSOCK(st.st_mode))
			r->main(setup_receive(r->name));
	usage("--role is between the master and its children");
}

/* Descriptors 0, 1 and 2 must be taken, or a socket would become one. */
static void
fill_standard(void)
{
	int	 fd;

	do
		fd = open("/dev/null", O_RDWR);
	while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd > STDERR_FILENO)
		close(fd);
}

/* Where a newer program will be: as it was called, if that tells. */
static char *
program(const char *called)
{
	char	 path[4096];
	ssize_t	 n;

	if (strchr(called, '/') != NULL)
		return absolute(called);
	n = readlink("/proc/self/exe", path, sizeof(path) - 1);
	path[n > 0 ? n : 0] = '\0';
	return mem_strdup(n > 0 ? path : called);
}

/* Room for PATHS more is left: see make_absolute(). */
static char **
copy_words(int argc, char **argv)
{
	char	**copy = mem_calloc((size_t)argc + PATHS + 1, sizeof(*copy));

	for (int i = 0; i < argc; i++)
		copy[i] = mem_strdup(argv[i]);
	return copy;
}

/* What was typed from a folder that the daemon leaves. */
static void
make_absolute(struct master_order *order, int argc)
{
	struct tunnel_flags	*t = &options.tunnel;
	const struct {
		const char	*flag, **path;
	} paths[PATHS] = {
		{ "file", without_file(&options) ? NULL : &options.file },
		{ "conf", &options.conf }, { "log-to", &options.log_to },
		{ "secret-file", &t->secret_file },
		{ "certificate", &t->certificate }, { "key", &t->key },
	};

	for (size_t i = 0; i < nitems(paths); i++) {
		char	*path;

		if (paths[i].path == NULL || *paths[i].path == NULL)
			continue;
		path = absolute(*paths[i].path);
		if (strcmp(path, *paths[i].path) != 0)
			order->argv[argc++] = mem_printf("--%s=%s",
			    paths[i].flag, path);
		*paths[i].path = path;
	}
}

static int
check_only(struct conf *conf)
{
	if (options.print && conf->ini != NULL)
		fprintf(stderr, "sallyportd: warning: before this is used as "
		    "a file: password_file is a file with nothing but the "
		    "password in it, which \"%s\" is not\n", conf->ini);
	if (options.print)
		conf_print(conf, stdout);
	else
		printf("%s: ok\n", without_file(&options) ? "configuration" :
		    options.file);
	conf_free(&conf);
	return fflush(stdout) == 0 ? EXIT_OK : EXIT_RUNTIME;
}

#ifdef WITH_GCOV
/* In place of _exit(2), which writes nothing of what was run. */
void		 __gcov_dump(void);
_Noreturn void	 __real__exit(int status);
_Noreturn void	 __wrap__exit(int status);

void
__wrap__exit(int status)
{
	__gcov_dump();
	__real__exit(status);
}
#endif

int
main(int argc, char **argv)
{
	/* What it has until the end is kept where leak checkers see it. */
	static struct master_order	 order = {
		.load = load, .announce = announce, .predecessor = -1,
	};
	static struct conf_report	 report;
	int				 status;

	fill_standard();
	order.path = program(argv[0]);
	order.argv = copy_words(argc, argv);
	/* So that the next one finds itself, wherever it is started. */
	free(order.argv[0]);
	order.argv[0] = mem_strdup(order.path);
	proc_title_init(argc, argv, environ);
	if (argc == 2 && strncmp(argv[1], "--role=", 7) == 0)
		run_role(argv[1] + 7);
	parse_options(&options, argc, argv);
	order.predecessor = upgrade_predecessor();
	order.conf = load_first(&order.files, &report, order.predecessor);
	order.report = &report;
	if (order.conf == NULL)
		return EXIT_CONFIG;
	if (options.print || options.test)
		return check_only(order.conf);
	order.background = options.daemon;
	if (options.daemon) {
		make_absolute(&order, argc);
		if (order.predecessor == -1)
			become_daemon();
	}
	status = master_run(&order);
	if (status != EXIT_OK)
		announce(status);
	return status;
}
