#include <sys/syscall.h>

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "base/mem.h"
#include "ctl/answer.h"
#include "ctl/command.h"
#include "ctl/link.h"
#include "ctl/show.h"
#include "ctl/text.h"

#define QUICK_MS	5000	/* for what the daemon answers at once */
#define KILL_MS		12000
#define FILE_MS		70000	/* to read a configuration, and take it */
#define UPGRADE_MS	190000	/* for a new program to be ready */
#define STOP_MS		30000	/* for a daemon to be gone */
#define LOOK_MS		200	/* between looks whether it is */
#define PROGRESS_MS	1000

/* Ask and show the answer as a table, or as it is. */
static int
ask_and_show(const struct command_options *o, json_t *request,
    void (*show)(const json_t *, FILE *))
{
	struct answer	 a = { .o = o };
	int		 status = answer_get(&a, request, QUICK_MS);

	if (o->json)
		answer_print(a.objects);
	else if (status == CTL_OK || json_array_size(a.objects) > 1)
		show(a.objects, stdout);	/* what there is of it */
	json_decref(a.objects);
	return status;
}

/*
 * Ask and print the lines of the answer while they come; `fine' is said when
 * there was none and that is good.
 */
static int
ask_and_follow(const struct command_options *o, const char *command, int ms,
    const char *fine)
{
	struct answer	 a = { .o = o, .live = true };
	int		 status;

	status = answer_get(&a, answer_request(o, command), ms);
	if (status == CTL_OK && json_array_size(a.objects) == 1 && !o->json &&
	    fine != NULL)
		puts(fine);
	json_decref(a.objects);
	return status;
}

int
command_status(const struct command_options *o)
{
	return ask_and_show(o, answer_request(o, "status"), show_status);
}

static void
print_sessions(const struct command_options *o, const json_t *objects)
{
	const char	*key = o->sort != NULL ? o->sort : "age";
	json_t		*sorted = show_sort(objects, key, o->limit);

	if (o->json)
		answer_print(sorted);
	else
		show_sessions(sorted, o->watch_ms > 0, stdout);
	json_decref(sorted);
}

static void
next_screen(const struct command_options *o, bool first)
{
	if (o->json)
		return;
	if (isatty(STDOUT_FILENO))
		fputs("\033[H\033[2J", stdout);
	else if (!first)
		fputc('\n', stdout);
}

static int
watch(const struct command_options *o)
{
	json_t	*before = NULL;
	int64_t	 then = 0, now;
	int	 status;

	for (;;) {
		struct answer	 a = { .o = o };

		status = answer_get(&a, answer_request(o, "sessions"),
		    QUICK_MS);
		if (status != CTL_OK) {
			json_decref(a.objects);
			break;
		}
		now = io_now_ms();
		show_add_rates(a.objects, before, now - then);
		next_screen(o, before == NULL);
		print_sessions(o, a.objects);
		json_decref(before);
		before = a.objects;
		then = now;
		if (fflush(stdout) != 0) {
			status = CTL_FAILED;
			break;
		}
		(void)poll(NULL, 0, o->watch_ms);
	}
	json_decref(before);
	return status;
}

int
command_sessions(const struct command_options *o)
{
	struct answer	 a = { .o = o };
	int		 status;

	if (o->watch_ms > 0)
		return watch(o);
	status = answer_get(&a, answer_request(o, "sessions"), QUICK_MS);
	if (status == CTL_OK || o->json)
		print_sessions(o, a.objects);
	json_decref(a.objects);
	return status;
}

static void
tell_killed(const json_t *last)
{
	const json_t	*left = json_object_get(last, "left"), *id;
	int64_t		 n;
	size_t		 i;

	n = json_integer_value(json_object_get(last, "killed"));
	printf("%" PRId64 " %s killed\n", n, n == 1 ? "session" : "sessions");
	json_array_foreach(left, i, id) {
		char	*safe = text_safe(json_string_value(id));

		fprintf(stderr, "sallyportctl: %s is still there\n", safe);
		free(safe);
	}
}

int
command_kill(const struct command_options *o)
{
	struct answer	 a = { .o = o };
	json_t		*r = answer_request(o, "kill");
	int		 status;

	if (o->nargs > 0)
		answer_set(r, "session", o->args[0]);
	status = answer_get(&a, r, KILL_MS);
	if (o->json)
		answer_print(a.objects);
	else if (json_object_get(answer_last(&a), "killed") != NULL)
		tell_killed(answer_last(&a));
	json_decref(a.objects);
	return status;
}

int
command_servers(const struct command_options *o)
{
	json_t	*r = answer_request(o, "servers");

	if (o->nargs > 0)
		answer_set(r, "backend", o->args[0]);
	return ask_and_show(o, r, show_servers);
}

static bool
is_weight(const char *text)
{
	size_t	 len = strlen(text);

	return len > 0 && len < 10 && strspn(text, "0123456789") == len;
}

int
command_server(const struct command_options *o)
{
	struct answer	 a = { .o = o };
	json_t		*r = answer_request(o, "server");
	bool		 weight = strcmp(o->args[1], "weight") == 0;
	int		 status;

	if (weight != (o->nargs == 3) ||
	    (weight && !is_weight(o->args[2]))) {
		answer_complain("server: want a name, then ready, drain, "
		    "maint or weight and a number");
		json_decref(r);
		return CTL_USAGE;
	}
	answer_set(r, "server", o->args[0]);
	if (weight)
		json_object_set_new(r, "weight",
		    json_integer(strtol(o->args[2], NULL, 10)));
	else
		answer_set(r, "mode", o->args[1]);
	status = answer_get(&a, r, QUICK_MS);
	if (o->json)
		answer_print(a.objects);
	json_decref(a.objects);
	return status;
}

int
command_limits(const struct command_options *o)
{
	return ask_and_show(o, answer_request(o, "limits"), show_limits);
}

int
command_check(const struct command_options *o)
{
	return ask_and_follow(o, "check", FILE_MS, "ok");
}

int
command_reload(const struct command_options *o)
{
	return ask_and_follow(o, "reload", FILE_MS, NULL);
}

int
command_reopen(const struct command_options *o)
{
	return ask_and_follow(o, "reopen", QUICK_MS, NULL);
}

int
command_upgrade(const struct command_options *o)
{
	return ask_and_follow(o, "upgrade", UPGRADE_MS, NULL);
}

/* How many sessions are left, for somebody who waits at a terminal. */
static void
tell_left(const struct command_options *o)
{
	struct answer	 a = { .o = o, .quiet = true };
	const json_t	*object;
	size_t		 i;

	(void)answer_get(&a, answer_request(o, "status"), PROGRESS_MS);
	json_array_foreach(a.objects, i, object) {
		const json_t	*d = json_object_get(object, "daemon");

		if (d != NULL)
			fprintf(stderr, "\r%" JSON_INTEGER_FORMAT
			    " sessions left   ", json_integer_value(
			    json_object_get(d, "sessions")));
	}
	json_decref(a.objects);
}

/* Without a descriptor of the process its socket must tell. */
static bool
is_gone(const struct command_options *o, int pidfd)
{
	struct pollfd	 p = { .fd = pidfd, .events = POLLIN };
	struct answer	 a = { .o = o, .quiet = true };
	int		 status;

	if (pidfd != -1)
		return poll(&p, 1, LOOK_MS) == 1;
	(void)poll(NULL, 0, LOOK_MS);
	status = answer_get(&a, answer_request(o, "status"), PROGRESS_MS);
	json_decref(a.objects);
	return status == CTL_NOT_RUNNING;
}

/* Until the master, whose id the answer had, is there no more. */
static int
wait_until_gone(const struct command_options *o, pid_t pid)
{
	int64_t	 deadline = io_now_ms() + STOP_MS, told = 0;
	bool	 progress = isatty(STDERR_FILENO) && !o->json;
	int	 pidfd = (int)syscall(SYS_pidfd_open, pid, 0);

	if (pidfd == -1 && errno == ESRCH)
		return CTL_OK;
	while (!is_gone(o, pidfd)) {
		/* Sessions may take as long as timeouts.drain lets them. */
		if (!o->when_idle && io_left_ms(deadline) == 0) {
			answer_complain("it is still there");
			return CTL_FAILED;
		}
		if (!progress || io_now_ms() < told + PROGRESS_MS)
			continue;
		tell_left(o);
		told = io_now_ms();
	}
	if (told != 0)
		fputc('\n', stderr);
	if (pidfd != -1)
		close(pidfd);
	return CTL_OK;
}

int
command_stop(const struct command_options *o)
{
	struct answer	 a = { .o = o, .live = true };
	json_t		*r = answer_request(o, "stop");
	pid_t		 pid;
	int		 status;

	if (o->when_idle)
		json_object_set_new(r, "when_idle", json_true());
	status = answer_get(&a, r, QUICK_MS);
	pid = (pid_t)json_integer_value(json_object_get(answer_last(&a),
	    "pid"));
	json_decref(a.objects);
	return status == CTL_OK ? wait_until_gone(o, pid) : status;
}
