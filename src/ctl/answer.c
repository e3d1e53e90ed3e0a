#include <stdio.h>
#include <stdlib.h>

#include "ctl/answer.h"
#include "ctl/link.h"
#include "ctl/text.h"

void
answer_complain(const char *why)
{
	char	*safe = text_safe(why);

	fprintf(stderr, "sallyportctl: %s\n", safe);
	free(safe);
}

static void
print_json(const json_t *o)
{
	char	*line = json_dumps(o, JSON_COMPACT | JSON_ENSURE_ASCII);

	if (line != NULL)
		puts(line);
	free(line);
}

static void
print_line(const char *line)
{
	char	*safe = text_safe(line);

	puts(safe);
	free(safe);
}

static void
on_object(void *ctx, json_t *object)
{
	struct answer	*a = ctx;
	const char	*line, *error;

	json_array_append(a->objects, object);
	line = json_string_value(json_object_get(object, "line"));
	error = json_string_value(json_object_get(object, "error"));
	if (a->quiet)
		return;
	if (a->live && a->o->json)
		print_json(object);
	else if (a->live && line != NULL)
		print_line(line);
	if (error != NULL)
		answer_complain(error);
	/* Whoever waits wants to see how far it is. */
	if (a->live)
		(void)fflush(stdout);
}

int
answer_get(struct answer *a, json_t *request, int ms)
{
	char	 why[512];
	int	 status;

	a->objects = json_array();
	status = link_ask(a->o->path, request, ms, on_object, a, why,
	    sizeof(why));
	json_decref(request);
	if (why[0] != '\0' && !a->quiet)
		answer_complain(why);
	return status;
}

void
answer_print(const json_t *objects)
{
	const json_t	*o;
	size_t		 i;

	json_array_foreach(objects, i, o)
		print_json(o);
}

const json_t *
answer_last(const struct answer *a)
{
	size_t	 n = json_array_size(a->objects);

	return n > 0 ? json_array_get(a->objects, n - 1) : NULL;
}

/* What was typed need not be UTF-8, as JSON is. */
void
answer_set(json_t *request, const char *key, const char *value)
{
	char	*safe;

	if (value == NULL)
		return;
	if (json_object_set_new(request, key, json_string(value)) == 0)
		return;
	safe = text_safe(value);
	json_object_set_new(request, key, json_string(safe));
	free(safe);
}

json_t *
answer_request(const struct command_options *o, const char *command)
{
	json_t	*r = json_object();

	answer_set(r, "command", command);
	answer_set(r, "listener", o->listener);
	answer_set(r, "source", o->source);
	answer_set(r, "server", o->server);
	answer_set(r, "user", o->user);
	return r;
}
