/*
 * control - answers sallyportctl.
 *
 *	from	may ask
 *	master	MSG_CONF, MSG_BOOK, MSG_COMMIT, MSG_FORGET, MSG_BOARD,
 *		MSG_REPORT, MSG_CHILD, MSG_ASKED, MSG_STOP, MSG_DRAIN
 *	users	the commands of commands[], as JSON over control.path
 *
 * It sees what all do and does nothing itself: sessions are ended by their
 * spawner, servers belong to the keeper, and the rest is the master's.  None
 * of them is waited for.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/io.h"
#include "base/mem.h"
#include "base/sig.h"
#include "policy/access.h"
#include "process/channel.h"
#include "process/control.h"
#include "process/role.h"
#include "process/sandbox.h"

#define PAUSE_MS	100	/* when the system lacks descriptors */

static const struct {
	const char	*name;
	bool		 changes;	/* leaves a line in the log */
	client_run	*run;
} commands[] = {
	{ "status",	false,	control_status },
	{ "sessions",	false,	control_sessions },
	{ "kill",	true,	control_kill },
	{ "servers",	false,	control_servers },
	{ "server",	true,	control_server },
	{ "limits",	false,	control_limits },
	{ "totp",	true,	control_totp },
	{ "unlock",	true,	control_unlock },
	{ "agents",	false,	control_agents },
	{ "topics",	false,	control_topics },
	{ "drain",	true,	control_drain },
	{ "undrain",	true,	control_undrain },
	{ "mappings",	false,	control_mappings },
	{ "map",	true,	control_map },
	{ "unmap",	true,	control_unmap },
	{ "open",	true,	control_open },
	{ "close",	true,	control_close },
	{ "check",	false,	control_check },
	{ "reload",	true,	control_reload },
	{ "reopen",	true,	control_reopen },
	{ "upgrade",	true,	control_upgrade },
	{ "stop",	true,	control_stop },
};

size_t
control_needed(const struct conf *conf)
{
	return conf->control.path[0] != '\0';
}

struct setup_generation *
control_now(const struct control *ct)
{
	struct setup_generation	*g = setup_generation(ct->s, ct->generation);

	return g != NULL ? g : &ct->s->generations[ct->s->ngenerations - 1];
}

int
control_string(struct client *c, const json_t *request, const char *key,
    const char **text)
{
	const json_t	*v = json_object_get(request, key);

	*text = json_string_value(v);
	if (v == NULL || *text != NULL)
		return 0;
	client_refuse(c, 2, "%s: want a text", key);
	return -1;
}

/* Who changed what: a line that is never taken for a repeat. */
static void
log_change(const struct client *c, const char *command, const json_t *request)
{
	static const char *const	 keys[] = {
		"session", "source", "listener", "server", "mode", "action",
		"user", "who", "name", "address", "topic",
	};
	static const char *const	 flags[] = { "when_idle", "tls" };
	struct logline			 l = { .level = LOGLINE_INFO };
	char				 uid[16], pid[16];
	char				 text[nitems(keys)][256], weight[32];
	const json_t			*number = json_object_get(request,
					    "weight");
	const char			*value;

	l.event = logline_string("control");
	l.text = logline_string("");
	snprintf(uid, sizeof(uid), "%u", (unsigned)c->cred.uid);
	snprintf(pid, sizeof(pid), "%d", (int)c->cred.pid);
	logline_add(&l, LOGLINE_STRING, "command", command);
	logline_add(&l, LOGLINE_NUMBER, "uid", uid);
	logline_add(&l, LOGLINE_NUMBER, "pid", pid);
	for (size_t i = 0; i < nitems(keys); i++) {
		value = json_string_value(json_object_get(request, keys[i]));
		if (value == NULL)
			continue;
		snprintf(text[i], sizeof(text[i]), "%s", value);
		logline_add(&l, LOGLINE_STRING, keys[i], text[i]);
	}
	if (json_is_integer(number)) {
		snprintf(weight, sizeof(weight), "%" JSON_INTEGER_FORMAT,
		    json_integer_value(number));
		logline_add(&l, LOGLINE_NUMBER, "weight", weight);
	}
	for (size_t i = 0; i < nitems(flags); i++)
		if (json_is_true(json_object_get(request, flags[i])))
			logline_add(&l, LOGLINE_STRING, flags[i], "true");
	log_event(&l);
}

static void
run(void *ctx, struct client *c, json_t *request)
{
	struct names	 names = { .n = 0 };
	const char	*name;

	if (control_string(c, request, "command", &name) == -1)
		return;
	for (size_t i = 0; name != NULL && i < nitems(commands); i++) {
		if (strcmp(commands[i].name, name) != 0)
			continue;
		if (commands[i].changes)
			log_change(c, name, request);
		commands[i].run(ctx, c, request);
		return;
	}
	for (size_t i = 0; i < nitems(commands); i++)
		names_add(&names, commands[i].name);
	names_refuse(&names, c, "command", name != NULL ? name : "(none)");
}

/* What setup has gathered becomes ours. */
static void
take_boards(struct control *ct)
{
	struct setup	*s = ct->s;

	for (size_t i = 0; i < s->nboards; i++)
		if (boards_add(&ct->boards, &s->boards[i], s->board_fds[i][0],
		    s->board_fds[i][1]) == -1)
			log_error("scoreboard of spawner %d: %s",
			    (int)s->boards[i].spawner, strerror(errno));
	s->nboards = 0;
}

static int
on_conf(void *ctx, struct rd *r, int *fds)
{
	struct control	*ct = ctx;
	struct setup	*s = ct->s;

	if (setup_on_conf(s, r, fds) == -1)
		return -1;
	return channel_send_u32(s->channel, MSG_PREPARED,
	    s->generations[s->ngenerations - 1].number);
}

static int
on_book(void *ctx, struct rd *r, int *fds)
{
	return setup_on_book(((struct control *)ctx)->s, r, fds);
}

static int
on_forget(void *ctx, struct rd *r, int *fds)
{
	return setup_on_forget(((struct control *)ctx)->s, r, fds);
}

static int
on_commit(void *ctx, struct rd *r, int *fds)
{
	struct control	*ct = ctx;

	(void)fds;
	ct->generation = rd_u32(r);
	log_init("control", (enum logline_level)control_now(ct)->conf->
	    log.level);
	return 0;
}

static int
on_board(void *ctx, struct rd *r, int *fds)
{
	struct control	*ct = ctx;

	if (setup_on_board(ct->s, r, fds) == -1)
		return -1;
	take_boards(ct);
	return 0;
}

static int
on_report(void *ctx, struct rd *r, int *fds)
{
	uint32_t	 tag = rd_u32(r);
	char		 line[MSG_PAYLOAD_MAX + 1];

	(void)fds;
	snprintf(line, sizeof(line), "%.*s", (int)r->left,
	    (const char *)r->p);
	(void)rd_take(r, r->left);
	control_hear_report(ctx, tag, line);
	return 0;
}

static int
on_child(void *ctx, struct rd *r, int *fds)
{
	uint32_t		 tag = rd_u32(r);
	const uint8_t		*p = rd_take(r, sizeof(struct setup_child));
	struct setup_child	 child;

	(void)fds;
	if (p == NULL)
		return -1;
	memcpy(&child, p, sizeof(child));
	child.role[sizeof(child.role) - 1] = '\0';
	child.pool[sizeof(child.pool) - 1] = '\0';
	control_hear_child(ctx, tag, &child);
	return 0;
}

static int
on_asked(void *ctx, struct rd *r, int *fds)
{
	uint32_t	 tag = rd_u32(r);

	(void)fds;
	control_hear_asked(ctx, tag, rd_u32(r));
	return 0;
}

static _Noreturn void
finish(struct control *ct)
{
	clients_end(&ct->clients);
	exit(0);
}

static int
on_stop(void *ctx, struct rd *r, int *fds)
{
	(void)r;
	(void)fds;
	finish(ctx);
}

static const struct channel_rule requests[] = {
	{ MSG_CONF,	ROLE_MASTER,	1,	on_conf },
	{ MSG_BOOK,	ROLE_MASTER,	1,	on_book },
	{ MSG_COMMIT,	ROLE_MASTER,	0,	on_commit },
	{ MSG_FORGET,	ROLE_MASTER,	0,	on_forget },
	{ MSG_BOARD,	ROLE_MASTER,	2,	on_board },
	{ MSG_REPORT,	ROLE_MASTER,	0,	on_report },
	{ MSG_CHILD,	ROLE_MASTER,	0,	on_child },
	{ MSG_ASKED,	ROLE_MASTER,	0,	on_asked },
	{ MSG_STOP,	ROLE_MASTER,	0,	on_stop },
	{ MSG_DRAIN,	ROLE_MASTER,	0,	on_stop },
};

/* Spawners say nothing to us but their end. */
static void
hear_boards(struct control *ct, const struct pollfd *p, size_t n)
{
	for (size_t i = n; i-- > 0;)
		if (p[i].revents != 0)
			boards_remove(&ct->boards, i);
}

static void
accept_clients(struct control *ct)
{
	for (int i = 0; i < CLIENTS_MAX; i++)
		if (clients_accept(&ct->clients, ct->s->socket_fd) == -1) {
			if (errno == EAGAIN || errno == ECONNABORTED ||
			    errno == EINTR)
				return;
			log_warn("accept: %s; trying again", strerror(errno));
			ct->no_accept_until = io_now_ms() + PAUSE_MS;
			return;
		}
}

static int
time_to_wait(struct control *ct)
{
	/* First: jobs may have something to say when a keeper is given up. */
	int64_t	 keeper = service_line_look(&ct->keeper);
	int64_t	 auth = service_line_look(&ct->auth);
	int64_t	 broker = service_line_look(&ct->broker);
	int64_t	 next = clients_next(&ct->clients);

	if (keeper < next)
		next = keeper;
	if (auth < next)
		next = auth;
	if (broker < next)
		next = broker;
	if (ct->no_accept_until != 0 && ct->no_accept_until < next)
		next = ct->no_accept_until;
	return io_left_ms(next);
}

enum {				/* places of what is polled */
	AT_MASTER,
	AT_SOCKET,
	AT_KEEPER,
	AT_AUTH,
	AT_BROKER,
	AT_CLIENTS,
};

static void
serve_once(struct control *ct)
{
	struct pollfd	 p[AT_CLIENTS + CLIENTS_MAX + BOARDS_MAX];
	/* First: it may hang up on the keeper. */
	int		 ms = time_to_wait(ct);
	size_t		 nc = ct->clients.n, nb = ct->boards.n;

	if (io_now_ms() >= ct->no_accept_until)
		ct->no_accept_until = 0;
	p[AT_MASTER] = (struct pollfd){ ct->s->channel, POLLIN, 0 };
	p[AT_SOCKET] = (struct pollfd){ ct->no_accept_until == 0 ?
	    ct->s->socket_fd : -1, POLLIN, 0 };
	p[AT_KEEPER] = (struct pollfd){ ct->keeper.fd, POLLIN, 0 };
	p[AT_AUTH] = (struct pollfd){ ct->auth.fd, POLLIN, 0 };
	p[AT_BROKER] = (struct pollfd){ ct->broker.fd, POLLIN, 0 };
	for (size_t i = 0; i < nc; i++)
		p[AT_CLIENTS + i] = client_pollfd(ct->clients.v[i]);
	for (size_t i = 0; i < nb; i++)
		p[AT_CLIENTS + nc + i] = (struct pollfd){
		    ct->boards.v[i].channel, POLLIN, 0 };
	if (sig_ppoll(p, AT_CLIENTS + nc + nb, ms) == -1) {
		if (sig_is_set(SIGTERM))
			finish(ct);
		return;
	}
	hear_boards(ct, p + AT_CLIENTS + nc, nb);
	if (p[AT_KEEPER].revents != 0)
		service_line_hear(&ct->keeper);
	if (p[AT_AUTH].revents != 0)
		service_line_hear(&ct->auth);
	if (p[AT_BROKER].revents != 0)
		service_line_hear(&ct->broker);
	if (p[AT_MASTER].revents != 0 && channel_dispatch(ct->s->channel,
	    ROLE_MASTER, requests, nitems(requests), ct) != 1)
		finish(ct);
	clients_go_on(&ct->clients, p + AT_CLIENTS, nc, run, ct);
	if (p[AT_SOCKET].revents != 0)
		accept_clients(ct);
}

void
control_main(struct setup *s)
{
	static const int	 signals[] = { SIGTERM, 0 };
	static struct control	 control;
	struct control		*ct = &control;

	if (s->socket_fd == -1)
		log_fatal(1, "control: started without a socket");
	ct->s = s;
	ct->generation = s->committed;
	sig_init(signals);
	take_boards(ct);
	service_line_init(&ct->keeper, s->keeper_fd, ROLE_KEEPER, ct);
	service_line_init(&ct->auth, s->auth_fd, ROLE_AUTH, ct);
	service_line_init(&ct->broker, s->broker_fd, ROLE_BROKER, ct);
	sandbox_enter(ROLE_CONTROL, s->conf, NULL);
	proc_title("control: %s", control_now(ct)->conf->control.path);
	setup_ready(s);
	for (;;)
		serve_once(ct);
}
