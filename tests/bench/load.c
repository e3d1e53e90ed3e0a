#include <sys/resource.h>

#include <err.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "load.h"

#define SPARE_FDS	16	/* beside those of sessions */

static const struct {
	const char	*name;
	void		(*run)(const struct load *l);
	bool		 tls;
} modes[] = {
	{ "pingpong",	run_pingpong,	false },
	{ "connect",	run_connect,	false },
	{ "bulk",	run_bulk,	false },
	{ "hold",	run_hold,	false },
	{ "handshake",	run_handshake,	true },
	{ "keep",	run_keep,	true },
};

static const char	usage_text[] =
"Usage: load server ADDRESS\n"
"       load pingpong|connect|bulk|hold [-d] [-n sessions] [-i idle]\n"
"            [-b bytes] [-t seconds] [-w warm-up] [-c cpu-file]\n"
"            [-s sources] ADDRESS\n"
"       load handshake|keep -C certificate [-r] [-n sessions] [-b bytes]\n"
"            [-t seconds] [-w warm-up] [-c cpu-file] [-s sources] ADDRESS\n"
"\n"
"server    serves all modes, until it is killed; port 0 is any, and printed\n"
"pingpong  each session sends a message and waits for its echo, over and\n"
"          over; with -i beside so many that do nothing\n"
"connect   so many at a time connect, ping once, and see the server close\n"
"bulk      streams from the server\n"
"hold      opens sessions and holds them until standard input ends\n"
"handshake so many at a time connect with TLS 1.3, ping once, and see the\n"
"          server close\n"
"keep      as hold, with TLS\n"
"-d        there is no proxy on the way; else it is an error if there is none\n"
"-c        a cgroup's cpuacct.usage or cpu.stat, to be read when the time\n"
"          begins and ends\n"
"-s        addresses from 127.0.0.1 on, to dial from in turn\n"
"-C        who ends TLS on the way must have this certificate, in PEM\n"
"-r        each session resumes the one before it, all but the first\n";

static _Noreturn void
usage(void)
{
	fputs(usage_text, stderr);
	exit(2);
}

static unsigned
number(const char *text, unsigned min, unsigned max)
{
	char		*rest;
	unsigned long	 n = strtoul(text, &rest, 10);

	if (*text == '\0' || *rest != '\0' || n < min || n > max)
		errx(2, "\"%s\": want a number from %u to %u", text, min,
		    max);
	return (unsigned)n;
}

static int64_t
seconds(const char *text)
{
	char	*rest;
	double	 s = strtod(text, &rest);

	if (*text == '\0' || *rest != '\0' || !(s >= 0 && s <= 3600))
		errx(2, "\"%s\": want seconds, 0 to 3600", text);
	return (int64_t)(s * 1e9);
}

static void
read_options(struct load *l, int argc, char *argv[])
{
	int	 c;

	while ((c = getopt(argc, argv, "C:b:c:di:n:rs:t:w:")) != -1)
		switch (c) {
		case 'C':
			l->certificate = optarg;
			break;
		case 'b':
			l->size = number(optarg, MESSAGE_MIN, MESSAGE_MAX);
			break;
		case 'c':
			l->cpu_fd = open(optarg, O_RDONLY | O_CLOEXEC);
			if (l->cpu_fd == -1)
				err(1, "%s", optarg);
			break;
		case 'd':
			l->direct = true;
			break;
		case 'i':
			l->idle = number(optarg, 0, 1000000);
			break;
		case 'n':
			l->sessions = number(optarg, 1, 1000000);
			break;
		case 'r':
			l->resume = true;
			break;
		case 's':
			l->sources = number(optarg, 1, 254);
			break;
		case 't':
			l->time_ns = seconds(optarg);
			break;
		case 'w':
			l->warm_ns = seconds(optarg);
			break;
		default:
			usage();
		}
}

static void
read_address(const char *text, struct net_spec *spec)
{
	const char	*why;

	if (net_parse(text, true, spec, &why) == -1)
		errx(2, "%s: %s", text, why);
	if (spec->kind != NET_ADDR)
		errx(2, "%s: want a numeric address", text);
}

/* As many descriptors as we may have; are those enough? */
static void
raise_limit(unsigned sessions)
{
	struct rlimit	 rl;

	if (getrlimit(RLIMIT_NOFILE, &rl) == -1)
		err(1, "getrlimit");
	rl.rlim_cur = rl.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &rl) == -1)
		err(1, "setrlimit");
	if (rl.rlim_max < sessions + SPARE_FDS)
		errx(1, "%u sessions need more descriptors than %ju, the "
		    "hard limit", sessions, (uintmax_t)rl.rlim_max);
}

int
main(int argc, char *argv[])
{
	struct load	 l = {
		.sessions = 1, .size = 64, .sources = 1, .cpu_fd = -1,
		.warm_ns = 300000000, .time_ns = 1000000000,
	};
	struct net_spec	 spec;

	if (argc < 3)
		usage();
	read_options(&l, argc - 1, argv + 1);
	if (optind + 1 != argc - 1)
		usage();
	read_address(argv[argc - 1], &spec);
	raise_limit(l.sessions + l.idle);
	if (strcmp(argv[1], "server") == 0)
		serve(&spec);
	l.to = spec.addr;
	for (size_t i = 0; i < nitems(modes); i++)
		if (strcmp(argv[1], modes[i].name) == 0) {
			if (modes[i].tls != (l.certificate != NULL))
				usage();
			if (!modes[i].tls)
				check_way(&l);
			modes[i].run(&l);
			return 0;
		}
	usage();
}
