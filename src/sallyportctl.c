/*
 * sallyportctl - the command line, and the table of commands.
 */
#include "config.h"

#include <ctype.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "ctl/command.h"
#include "ctl/hub.h"
#include "ctl/link.h"
#include "ctl/show.h"
#include "ctl/totp.h"
#include "policy/conf.h"

#define DEFAULT_FILE	SYSCONFDIR "/sallyportd.conf"
#define DEFAULT_SOCKET	RUNSTATEDIR "/sallyport/control.sock"
#define WATCH_MS	2000
#define WATCH_MAX_S	3600
#define LIMIT_MAX	1000000

/* Options that not every command takes. */
enum {
	TAKES_LISTENER = 1,
	TAKES_SOURCE = 2,
	TAKES_SERVER = 4,
	TAKES_SORT = 8,
	TAKES_LIMIT = 16,
	TAKES_WATCH = 32,
	TAKES_WHEN_IDLE = 64,
	TAKES_USER = 128,
	TAKES_TLS = 256,
};

static const struct {
	const char	*name;
	unsigned int	 takes;
	int		 min, max;	/* arguments */
	command_run	*run;
} commands[] = {
	{ "status",	0,		0, 0, command_status },
	{ "sessions",	TAKES_LISTENER | TAKES_SOURCE | TAKES_SERVER |
			TAKES_USER | TAKES_SORT | TAKES_LIMIT | TAKES_WATCH,
					0, 0, command_sessions },
	{ "kill",	TAKES_LISTENER | TAKES_SOURCE | TAKES_USER,
					0, 1, command_kill },
	{ "servers",	0,		0, 1, command_servers },
	{ "server",	0,		2, 3, command_server },
	{ "limits",	0,		0, 0, command_limits },
	{ "totp",	0,		1, 16, command_totp },
	{ "unlock",	0,		1, 1, command_unlock },
	{ "agents",	0,		0, 0, command_agents },
	{ "topics",	0,		0, 0, command_topics },
	{ "drain",	0,		1, 1, command_drain },
	{ "undrain",	0,		1, 1, command_undrain },
	{ "mappings",	0,		0, 0, command_mappings },
	{ "map",	TAKES_TLS,	2, 2, command_map },
	{ "unmap",	0,		1, 1, command_unmap },
	{ "open",	0,		1, 1, command_open },
	{ "close",	0,		1, 1, command_close },
	{ "secret",	0,		1, 1, command_secret },
	{ "pin",	0,		1, 1, command_pin },
	{ "check",	0,		0, 0, command_check },
	{ "reload",	0,		0, 0, command_reload },
	{ "reopen",	0,		0, 0, command_reopen },
	{ "upgrade",	0,		0, 0, command_upgrade },
	{ "stop",	TAKES_WHEN_IDLE, 0, 0, command_stop },
};

enum {
	OPT_HELP = 256,
	OPT_VERSION,
	OPT_JSON,
	OPT_LISTENER,
	OPT_SOURCE,
	OPT_SERVER,
	OPT_USER,
	OPT_SORT,
	OPT_LIMIT,
	OPT_WATCH,
	OPT_WHEN_IDLE,
	OPT_TLS,
};

static const struct option	 long_options[] = {
	{ "socket",	required_argument,	NULL,	's' },
	{ "json",	no_argument,		NULL,	OPT_JSON },
	{ "help",	no_argument,		NULL,	OPT_HELP },
	{ "version",	no_argument,		NULL,	OPT_VERSION },
	{ "listener",	required_argument,	NULL,	OPT_LISTENER },
	{ "source",	required_argument,	NULL,	OPT_SOURCE },
	{ "server",	required_argument,	NULL,	OPT_SERVER },
	{ "user",	required_argument,	NULL,	OPT_USER },
	{ "sort",	required_argument,	NULL,	OPT_SORT },
	{ "limit",	required_argument,	NULL,	OPT_LIMIT },
	{ "watch",	optional_argument,	NULL,	OPT_WATCH },
	{ "when-idle",	no_argument,		NULL,	OPT_WHEN_IDLE },
	{ "tls",	no_argument,		NULL,	OPT_TLS },
	{ NULL, 0, NULL, 0 },
};

static const char	 help[] =
"Usage: sallyportctl [-s PATH] [--json] COMMAND [ARGUMENT...] [OPTION...]\n"
"Ask a running sallyportd what it does, and have it do something else.\n"
"\n"
"  status             its processes, how they are confined, its pools\n"
"  sessions           who is connected to what, for how long; with\n"
"                       --listener=NAME --source=NETWORK --server=ADDRESS\n"
"                       --user=NAME\n"
"                       --sort=KEY --limit=N --watch[=SECONDS]\n"
"                     by age, up, down, bytes, rate, id, listener, client\n"
"                     or server\n"
"  kill ID            end a session, or all with --listener=NAME,\n"
"                     --source=NETWORK and --user=NAME; those that have all\n"
"  servers [BACKEND]  servers, their state and their sessions\n"
"  server [BACKEND/]NAME ready|drain|maint\n"
"  server [BACKEND/]NAME weight N\n"
"                     what a server is to be used for from now on\n"
"  limits             sessions and sources against what limits them\n"
"  totp add USER [KEY=VALUE...]\n"
"                     give somebody one-time codes: a QR code for a phone\n"
"  totp remove USER   take them away, and end that user's sessions\n"
"  totp list          who has codes\n"
"  totp check USER CODE\n"
"                     is it right?\n"
"  totp recovery USER ten codes for a lost phone, each of which works once\n"
"  unlock USER|ADDRESS\n"
"                     let somebody try again at once\n"
"  agents             agents that are connected to this hub\n"
"  topics             what they offer, and who gets the users\n"
"  drain AGENT|TOPIC  no new users for it\n"
"  undrain AGENT|TOPIC\n"
"                     takes that back\n"
"  mappings           ports of this hub that lead to topics\n"
"  map ADDRESS TOPIC  open one; with --tls for users who speak TLS\n"
"  unmap ADDRESS|PORT end one\n"
"  open ADDRESS|PORT  let users in by it\n"
"  close ADDRESS|PORT let none in until it is opened\n"
"  secret FILE        make a secret for an agent, in a new file\n"
"  pin CERTIFICATE    what agents know a hub by: its key\n"
"  check              have the configuration on disk checked\n"
"  reload             have it take effect; tells what changes\n"
"  reopen             open the log file again\n"
"  upgrade            replace the program by the one on disk\n"
"  stop               end the daemon; with --when-idle after its sessions\n"
"\n"
"  -s, --socket=PATH  the daemon's control.path (that of\n"
"                     " DEFAULT_FILE ", else\n"
"                     " DEFAULT_SOCKET ")\n"
"      --json         print the answer's objects, one a line\n"
"      --help         print this and exit\n"
"      --version      print the version and exit\n"
"\n"
"Exit: 0, 1 refused or failed, 2 usage, 3 not running or not permitted.\n"
"See sallyportctl(8).\n";

static _Noreturn void	 usage(const char *, ...)
			    __attribute__((format(printf, 1, 2)));

static _Noreturn void
usage(const char *fmt, ...)
{
	va_list	 ap;

	if (fmt != NULL) {
		fprintf(stderr, "sallyportctl: ");
		va_start(ap, fmt);
		vfprintf(stderr, fmt, ap);
		va_end(ap);
		fputc('\n', stderr);
	}
	fprintf(stderr, "Try 'sallyportctl --help' for more information.\n");
	exit(CTL_USAGE);
}

/* A number from 1 to max; anything else is a mistake. */
static int64_t
parse_number(const char *name, const char *text, int64_t max)
{
	char	*end;
	int64_t	 n = strtoll(text, &end, 10);

	if (!isdigit((unsigned char)text[0]) || *end != '\0' || n < 1 ||
	    n > max)
		usage("%s: \"%s\": want a number from 1 to %lld", name, text,
		    (long long)max);
	return n;
}

static void
parse_watch(struct command_options *o, char **argv)
{
	const char	*text = optarg;

	/* "--watch 5" too: sessions takes no arguments. */
	if (text == NULL && argv[optind] != NULL &&
	    isdigit((unsigned char)argv[optind][0]))
		text = argv[optind++];
	o->watch_ms = text == NULL ? WATCH_MS :
	    (int)parse_number("--watch", text, WATCH_MAX_S) * 1000;
}

static void
parse_sort(struct command_options *o)
{
	if (!show_can_sort(optarg))
		usage("--sort: \"%s\": want age, up, down, bytes, rate, id, "
		    "listener, client or server", optarg);
	o->sort = optarg;
}

/* What not every command takes; returns its bit. */
static unsigned int
parse_special(struct command_options *o, int c, char **argv)
{
	switch (c) {
	case OPT_LISTENER:
		o->listener = optarg;
		return TAKES_LISTENER;
	case OPT_SOURCE:
		o->source = optarg;
		return TAKES_SOURCE;
	case OPT_USER:
		o->user = optarg;
		return TAKES_USER;
	case OPT_SERVER:
		o->server = optarg;
		return TAKES_SERVER;
	case OPT_SORT:
		parse_sort(o);
		return TAKES_SORT;
	case OPT_LIMIT:
		o->limit = (size_t)parse_number("--limit", optarg, LIMIT_MAX);
		return TAKES_LIMIT;
	case OPT_WATCH:
		parse_watch(o, argv);
		return TAKES_WATCH;
	case OPT_TLS:
		o->tls = true;
		return TAKES_TLS;
	case OPT_WHEN_IDLE:
		o->when_idle = true;
		return TAKES_WHEN_IDLE;
	default:
		usage(NULL);
	}
}

/* Returns the TAKES_ bits of what was given. */
static unsigned int
parse_options(struct command_options *o, int argc, char **argv)
{
	unsigned int	 given = 0;
	int		 c;

	while ((c = getopt_long(argc, argv, "s:h", long_options, NULL)) != -1)
		switch (c) {
		case 's':
			o->path = optarg;
			break;
		case OPT_JSON:
			o->json = true;
			break;
		case 'h':
		case OPT_HELP:
			fputs(help, stdout);
			exit(CTL_OK);
		case OPT_VERSION:
			puts("sallyportctl " PACKAGE_VERSION);
			exit(CTL_OK);
		default:
			given |= parse_special(o, c, argv);
		}
	return given;
}

/* Where the daemon of this system listens, as far as we may know. */
static char *
default_socket(void)
{
	struct conf_report	 report = { .nerrors = 0 };
	struct conf		*conf = conf_new();
	char			*path = NULL;

	/* A file with mistakes may still tell. */
	if (access(DEFAULT_FILE, R_OK) == 0)
		conf_read_file(conf, DEFAULT_FILE, &report);
	if (conf->control.path != NULL && conf->control.path[0] != '\0')
		path = mem_strdup(conf->control.path);
	conf_report_free(&report);
	conf_free(&conf);
	return path != NULL ? path : mem_strdup(DEFAULT_SOCKET);
}

static int
run(const struct command_options *o, const char *name, unsigned int given)
{
	for (size_t i = 0; i < nitems(commands); i++) {
		if (strcmp(commands[i].name, name) != 0)
			continue;
		if ((given & ~commands[i].takes) != 0)
			usage("%s does not take that option", name);
		if (o->nargs < commands[i].min)
			usage("%s: an argument is missing", name);
		if (o->nargs > commands[i].max)
			usage("%s: \"%s\" is one argument too many", name,
			    o->args[commands[i].max]);
		return commands[i].run(o);
	}
	usage("no command \"%s\"", name);
}

int
main(int argc, char **argv)
{
	struct command_options	 o = { .path = NULL };
	unsigned int		 given = parse_options(&o, argc, argv);
	char			*found = NULL;
	int			 status;

	if (optind == argc)
		usage("want a command");
	if (o.sort != NULL && strcmp(o.sort, "rate") == 0 && o.watch_ms == 0)
		usage("--sort=rate needs --watch: it is told from two looks");
	o.args = argv + optind + 1;
	o.nargs = argc - optind - 1;
	if (o.path == NULL)
		o.path = found = default_socket();
	status = run(&o, argv[optind], given);
	free(found);
	if (fflush(stdout) != 0 && status == CTL_OK)
		status = CTL_FAILED;
	return status;
}
