#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "ctl/answer.h"
#include "ctl/link.h"
#include "ctl/qr.h"
#include "ctl/text.h"
#include "ctl/totp.h"

#define TOTP_MS	15000

static json_t *
request_of(const struct command_options *o)
{
	json_t	*r = answer_request(o, "totp");

	answer_set(r, "action", o->args[0]);
	if (o->nargs > 1)
		answer_set(r, "user", o->args[1]);
	return r;
}

/* The first line of the answer, or NULL. */
static const char *
first_line(const struct answer *a)
{
	return json_string_value(json_object_get(json_array_get(a->objects,
	    0), "line"));
}

static void
print_lines(const struct answer *a)
{
	const json_t	*o;
	size_t		 i;

	json_array_foreach(a->objects, i, o) {
		const char	*line = json_string_value(json_object_get(o,
				    "line"));
		char		*safe;

		if (line == NULL)
			continue;
		safe = text_safe(line);
		puts(safe);
		free(safe);
	}
}

/* The secret behind "secret=" of an otpauth: URI, for typing it. */
static void
print_secret(const char *uri)
{
	const char	*secret = strstr(uri, "secret=");

	if (secret == NULL)
		return;
	secret += strlen("secret=");
	fputs("\nOr type this key:", stdout);
	for (size_t i = 0, n = strcspn(secret, "&"); i < n; i++)
		printf("%s%c", i % 4 == 0 ? " " : "", secret[i]);
	puts("");
}

static void
show_added(const struct answer *a)
{
	const char	*uri = first_line(a);

	if (uri == NULL)
		return;
	if (qr_print(uri, stdout) == 0)
		puts("\nScan this with an authenticator app.  It is not shown "
		    "again.");
	puts(uri);
	print_secret(uri);
}

/* "secret=..." goes apart, everything else is an option; see the manual. */
static int
add_options(json_t *r, const struct command_options *o)
{
	char	*options = mem_strdup(""), *more;

	for (int i = 2; i < o->nargs; i++) {
		if (strncmp(o->args[i], "secret=", 7) == 0) {
			answer_set(r, "secret", o->args[i] + 7);
			continue;
		}
		if (strchr(o->args[i], '=') == NULL) {
			answer_complain("totp add: want USER and then "
			    "KEY=VALUE: secret, digits, period, algorithm, "
			    "window, password");
			free(options);
			return -1;
		}
		more = mem_printf("%s%s%s", options, options[0] != '\0' ?
		    " " : "", o->args[i]);
		free(options);
		options = more;
	}
	answer_set(r, "options", options);
	free(options);
	return 0;
}

static void
show_people(const struct answer *a)
{
	const json_t	*o, *p;
	size_t		 i;

	printf("%-32s %6s %6s %-9s %6s %8s\n", "USER", "DIGITS", "PERIOD",
	    "ALGORITHM", "WINDOW", "RECOVERY");
	json_array_foreach(a->objects, i, o) {
		char	*name;

		p = json_object_get(o, "person");
		if (p == NULL)
			continue;
		name = text_safe(json_string_value(json_object_get(p,
		    "user")));
		printf("%-32s %6" JSON_INTEGER_FORMAT " %6"
		    JSON_INTEGER_FORMAT " %-9s %6" JSON_INTEGER_FORMAT " %8"
		    JSON_INTEGER_FORMAT "\n", name,
		    json_integer_value(json_object_get(p, "digits")),
		    json_integer_value(json_object_get(p, "period")),
		    json_string_value(json_object_get(p, "algorithm")),
		    json_integer_value(json_object_get(p, "window")),
		    json_integer_value(json_object_get(p, "recovery")));
		free(name);
	}
}

static void
show_removed(const struct answer *a)
{
	int64_t	 n = json_integer_value(json_object_get(answer_last(a),
		    "killed"));

	printf("%" PRId64 " %s ended\n", n, n == 1 ? "session" : "sessions");
}

static const struct {
	const char	*name;
	int		 min, max;	/* arguments, the name included */
	const char	*want;
	void		(*show)(const struct answer *);
} actions[] = {
	{ "add",	2, 16, "USER [KEY=VALUE...]",	show_added },
	{ "remove",	2, 2, "USER",		show_removed },
	{ "list",	1, 1, "",		show_people },
	{ "check",	3, 3, "USER CODE",	print_lines },
	{ "recovery",	2, 2, "USER",		print_lines },
};

static int
run(const struct command_options *o, size_t action)
{
	struct answer	 a = { .o = o };
	json_t		*r = request_of(o);
	int		 status;

	if (strcmp(o->args[0], "check") == 0)
		answer_set(r, "code", o->args[2]);
	if (strcmp(o->args[0], "add") == 0 && add_options(r, o) == -1) {
		json_decref(r);
		return CTL_USAGE;
	}
	status = answer_get(&a, r, TOTP_MS);
	if (o->json)
		answer_print(a.objects);
	else if (status == CTL_OK)
		actions[action].show(&a);
	json_decref(a.objects);
	return status;
}

int
command_totp(const struct command_options *o)
{
	char	*want;

	for (size_t i = 0; i < nitems(actions); i++) {
		if (strcmp(actions[i].name, o->args[0]) != 0)
			continue;
		if (o->nargs >= actions[i].min && o->nargs <= actions[i].max)
			return run(o, i);
		want = mem_printf("want: totp %s %s", actions[i].name,
		    actions[i].want);
		answer_complain(want);
		free(want);
		return CTL_USAGE;
	}
	answer_complain("totp: want add, remove, list, check or recovery");
	return CTL_USAGE;
}

int
command_unlock(const struct command_options *o)
{
	struct answer	 a = { .o = o };
	json_t		*r = answer_request(o, "unlock");
	int		 status;

	answer_set(r, "who", o->args[0]);
	status = answer_get(&a, r, TOTP_MS);
	if (o->json)
		answer_print(a.objects);
	json_decref(a.objects);
	return status;
}
