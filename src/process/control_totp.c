#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "process/channel.h"
#include "process/control.h"
#include "process/totp_ask.h"

#define TOTP_MS		2000	/* for auth to answer, the disk included */
#define LIST_MS		10000

static const struct {
	const char	*action;
	enum totp_what	 what;
	const char	*argument;	/* member of the request, or NULL */
} actions[] = {
	{ "add",	TOTP_ADD,	"options" },
	{ "remove",	TOTP_REMOVE,	NULL },
	{ "list",	TOTP_LIST,	NULL },
	{ "check",	TOTP_CHECK,	"code" },
	{ "recovery",	TOTP_RECOVERY,	NULL },
};

/* What a client asked of auth. */
struct totp {
	enum totp_what	 what;
	char		 name[UINT8_MAX + 1];
	size_t		 told;		/* lines of a list */
};

static int	 ask(struct control *, struct client *, const struct totp *,
		    const char *, size_t);

/* A line "NAME key=value ..." as an object. */
static void
say_person(struct client *c, char *line)
{
	json_t	*o = json_object();
	char	*next, *value;

	next = strchr(line, ' ');
	if (next != NULL)
		*next++ = '\0';
	json_object_set_new(o, "user", client_text(line));
	while (next != NULL) {
		line = next;
		next = strchr(line, ' ');
		if (next != NULL)
			*next++ = '\0';
		value = strchr(line, '=');
		if (value == NULL)
			continue;
		*value++ = '\0';
		if (strcmp(line, "algorithm") == 0)
			json_object_set_new(o, line, client_text(value));
		else
			json_object_set_new(o, line,
			    json_integer(strtol(value, NULL, 10)));
	}
	client_say(c, json_pack("{so}", "person", o));
}

/* Some of them have come; ask for those behind, or that was all. */
static void
hear_list(struct control *ct, struct client *c, struct totp *t, char *text)
{
	char		*line, *end;
	size_t		 n = 0;
	char		 from[24];

	for (line = text; *line != '\0'; line = end + 1) {
		end = strchr(line, '\n');
		if (end == NULL)
			break;
		*end = '\0';
		say_person(c, line);
		n++;
	}
	t->told += n;
	if (n == 0) {
		client_done(c, json_pack("{so}", "users",
		    client_count(t->told)), 0);
		return;
	}
	snprintf(from, sizeof(from), "%zu", t->told);
	if (ask(ct, c, t, from, strlen(from)) == -1)
		client_refuse(c, 1, "auth does not listen");
}

static void
hear_lines(struct client *c, char *text)
{
	char	*line, *end;

	for (line = text; line != NULL && *line != '\0'; line = end) {
		end = strchr(line, '\n');
		if (end != NULL)
			*end++ = '\0';
		client_say(c, json_pack("{so}", "line", client_text(line)));
	}
	client_done(c, NULL, 0);
}

static int
on_answer(void *ctx, uint64_t job, struct rd *r)
{
	struct control	*ct = ctx;
	struct client	*c = clients_find_job(&ct->clients, job);
	char		 text[MSG_PAYLOAD_MAX + 1] = "";
	uint8_t		 failed = r != NULL ? rd_u8(r) : 1;
	struct totp	*t;

	if (r != NULL) {
		snprintf(text, sizeof(text), "%.*s", (int)r->left,
		    (const char *)r->p);
		(void)rd_take(r, r->left);
	}
	if (c == NULL)
		return 0;
	t = c->job.state;
	if (r == NULL)
		client_refuse(c, 1, "auth does not answer");
	else if (failed != 0)
		client_refuse(c, 1, "%s", text);
	else if (t->what == TOTP_LIST)
		hear_list(ct, c, t, text);
	else if (t->what == TOTP_REMOVE)
		control_kill_user(ct, c, t->name);
	else
		hear_lines(c, text);
	explicit_bzero(text, sizeof(text));
	return 0;
}

static int
ask(struct control *ct, struct client *c, const struct totp *t,
    const char *argument, size_t len)
{
	uint8_t		 buf[SERVICE_LINE_BYTES];
	const char	*why;
	struct wr	 w;

	wr_init(&w, buf, sizeof(buf));
	wr_u8(&w, (uint8_t)t->what);
	wr_u8(&w, (uint8_t)strlen(t->name));
	wr_bytes(&w, t->name, strlen(t->name));
	wr_bytes(&w, argument, len);
	return service_line_ask(&ct->auth, MSG_TOTP, buf, wr_len(&w),
	    c->job.id, on_answer, &why);
}

static void
begin(struct control *ct, struct client *c, enum totp_what what,
    const char *name, const char *argument, size_t len)
{
	struct totp	*t = mem_calloc(1, sizeof(*t));

	t->what = what;
	snprintf(t->name, sizeof(t->name), "%s", name);
	client_begin(c, "totp", NULL, t, what == TOTP_LIST ? LIST_MS :
	    TOTP_MS, "auth does not answer");
	if (ask(ct, c, t, argument, len) == -1)
		client_refuse(c, 1, "auth does not listen: has a listener "
		    "login \"totp\"?");
}

/* "secret" and "options", with a NUL between. */
static int
read_argument(struct client *c, const json_t *request, const char *key,
    char *argument, size_t *len)
{
	const char	*text = NULL, *secret = NULL;

	if (key == NULL)
		return 0;
	if (control_string(c, request, key, &text) == -1 ||
	    control_string(c, request, "secret", &secret) == -1)
		return -1;
	if (text == NULL)
		text = "";
	if (secret == NULL)
		secret = "";
	if (strlen(text) + strlen(secret) + 1 >= TOTP_ARGUMENT_MAX) {
		client_refuse(c, 2, "%s: longer than %d bytes", key,
		    TOTP_ARGUMENT_MAX);
		return -1;
	}
	if (strcmp(key, "options") == 0)
		*len = (size_t)snprintf(argument, TOTP_ARGUMENT_MAX,
		    "%s%c%s", secret, '\0', text);
	else
		*len = (size_t)snprintf(argument, TOTP_ARGUMENT_MAX, "%s",
		    text);
	return 0;
}

/* Is there somebody to be asked about? */
static int
read_name(struct client *c, const json_t *request, const char *key,
    const char **name)
{
	if (control_string(c, request, key, name) == -1)
		return -1;
	if (*name != NULL && strlen(*name) > 0 &&
	    strlen(*name) <= UINT8_MAX)
		return 0;
	client_refuse(c, 2, "want the name of a user");
	return -1;
}

void
control_totp(void *ctx, struct client *c, json_t *request)
{
	struct names	 names = { .n = 0 };
	char		 argument[TOTP_ARGUMENT_MAX] = "";
	size_t		 len = 0;
	const char	*action, *name = "";

	if (control_string(c, request, "action", &action) == -1)
		return;
	for (size_t i = 0; action != NULL && i < nitems(actions); i++) {
		if (strcmp(actions[i].action, action) != 0)
			continue;
		if ((actions[i].what == TOTP_LIST ||
		    read_name(c, request, "user", &name) == 0) &&
		    read_argument(c, request, actions[i].argument, argument,
		    &len) == 0)
			begin(ctx, c, actions[i].what, name, argument, len);
		explicit_bzero(argument, sizeof(argument));
		return;
	}
	for (size_t i = 0; i < nitems(actions); i++)
		names_add(&names, actions[i].action);
	names_refuse(&names, c, "action", action != NULL ? action : "(none)");
}

void
control_unlock(void *ctx, struct client *c, json_t *request)
{
	const char	*who;

	if (read_name(c, request, "who", &who) == 0)
		begin(ctx, c, TOTP_UNLOCK, who, "", 0);
}
