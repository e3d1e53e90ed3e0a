#include "config.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/io.h"
#include "process/channel.h"
#include "process/control.h"

#define STATUS_MS	900	/* for the master to answer what is quick */
#define FILE_MS		60000	/* to read a configuration, and take it */
#define UPGRADE_MS	180000	/* for a new program to be ready */

static const char	 silent[] = "the master does not answer";
static const char	 pending[] = "the master has not answered yet; what "
			    "was asked for may still happen";

/* Ask the master for a client, who then waits. */
static void
ask(struct control *ct, struct client *c, const char *name,
    enum ask_what what, int ms, const char *late)
{
	uint8_t		 buf[8];
	struct wr	 w;

	if (++ct->last_tag == 0)
		ct->last_tag = 1;
	wr_init(&w, buf, sizeof(buf));
	wr_u32(&w, (uint32_t)what);
	wr_u32(&w, ct->last_tag);
	if (channel_send(ct->s->channel, MSG_ASK, buf, sizeof(buf), NULL,
	    0) == -1) {
		client_refuse(c, 1, "the master is busy; try again");
		return;
	}
	client_begin(c, name, NULL, NULL, ms, late);
	c->job.tag = ct->last_tag;
}

/* What /proc/PID/status says of a process, for whoever may look. */
struct confinement {
	bool	 known;
	long	 uid;			/* effective */
	bool	 no_new_privs;
	int	 seccomp;		/* mode; 2: filtered */
	bool	 capable;		/* has some capability */
};

static int
read_proc(pid_t pid, const char *file, char *buf, size_t size)
{
	char	 path[64];
	ssize_t	 n;
	int	 fd;

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, file);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd == -1)
		return -1;
	n = read(fd, buf, size - 1);
	close(fd);
	buf[n > 0 ? n : 0] = '\0';
	return n > 0 ? 0 : -1;
}

static const char *
field(const char *status, const char *name)
{
	const char	*p = strstr(status, name);

	return p != NULL ? p + strlen(name) : "";
}

static void
read_confinement(pid_t pid, struct confinement *cf)
{
	char	 status[4096], *end;

	memset(cf, 0, sizeof(*cf));
	if (read_proc(pid, "status", status, sizeof(status)) == -1)
		return;
	cf->known = true;
	(void)strtol(field(status, "\nUid:"), &end, 10);
	cf->uid = strtol(end, NULL, 10);
	cf->no_new_privs = strtol(field(status, "\nNoNewPrivs:"), NULL,
	    10) == 1;
	cf->seccomp = (int)strtol(field(status, "\nSeccomp:"), NULL, 10);
	cf->capable = strtoull(field(status, "\nCapEff:"), NULL, 16) != 0;
}

static void
add_confinement(json_t *o, pid_t pid)
{
	struct confinement	 cf;

	read_confinement(pid, &cf);
	if (!cf.known)
		return;
	json_object_set_new(o, "uid", json_integer(cf.uid));
	json_object_set_new(o, "no_new_privs",
	    json_boolean(cf.no_new_privs));
	json_object_set_new(o, "seccomp", json_integer(cf.seccomp));
	json_object_set_new(o, "capabilities", json_boolean(cf.capable));
}

static int64_t
up_ms(int64_t started_us)
{
	int64_t	 now = io_now_us();

	return started_us > 0 && started_us < now ? (now - started_us) / 1000 :
	    0;
}

static void
say_child(struct client *c, const struct setup_child *child)
{
	json_t	*o = json_object();

	json_object_set_new(o, "role", client_text(child->role));
	json_object_set_new(o, "pool", client_text(child->pool));
	json_object_set_new(o, "pid", json_integer(child->pid));
	json_object_set_new(o, "generation",
	    json_integer(child->generation));
	json_object_set_new(o, "state", json_string(child->ending ?
	    "ending" : child->ready ? "serving" : "starting"));
	json_object_set_new(o, "uptime_ms",
	    json_integer(up_ms(child->started_us)));
	json_object_set_new(o, "own_root", json_boolean(child->own_root));
	add_confinement(o, child->pid);
	client_say(c, json_pack("{so}", "role", o));
}

void
control_hear_child(struct control *ct, uint32_t tag,
    const struct setup_child *child)
{
	struct client	*c = clients_find_tag(&ct->clients, tag);

	if (c != NULL)
		say_child(c, child);
}

/* When a process was started, io_now_us(); 0 where /proc is not there. */
static int64_t
started_us(pid_t pid)
{
	struct timespec	 ts;
	char		 stat[1024], *p;
	int64_t		 ticks = 0, since_boot;

	if (read_proc(pid, "stat", stat, sizeof(stat)) == -1 ||
	    (p = strrchr(stat, ')')) == NULL)
		return 0;
	/* It is the 22nd field, and the one that ends here the second. */
	for (int i = 2; i < 22 && p != NULL; i++)
		p = strchr(p + 1, ' ');
	if (p != NULL)
		ticks = strtoll(p, NULL, 10);
	clock_gettime(CLOCK_BOOTTIME, &ts);
	since_boot = (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
	return io_now_us() - (since_boot -
	    ticks * 1000000 / sysconf(_SC_CLK_TCK));
}

/* One object for each pool, whatever spawners it has; returns sessions. */
static uint64_t
say_pools(const struct control *ct, struct client *c)
{
	const struct boards	*bs = &ct->boards;
	uint64_t		 sessions = 0;

	for (size_t i = 0; i < bs->n; i++) {
		const char		*pool = bs->v[i].info.pool;
		struct board_totals	 t = { .workers = 0 };
		bool			 told = false;

		for (size_t j = 0; j < i; j++)
			told |= strcmp(bs->v[j].info.pool, pool) == 0;
		for (size_t j = i; j < bs->n && !told; j++)
			if (strcmp(bs->v[j].info.pool, pool) == 0)
				board_count(&bs->v[j], &t);
		if (told)
			continue;
		sessions += t.sessions;
		client_say(c, json_pack("{s{so si si si}}", "pool",
		    "pool", client_text(pool), "workers", (int)t.workers,
		    "idle", (int)t.idle, "sessions", (int)t.sessions));
	}
	return sessions;
}

static void
finish_status(struct control *ct, struct client *c, uint32_t status)
{
	const struct conf	*conf = control_now(ct)->conf;
	pid_t			 master = ct->s->start.master;
	int64_t			 uptime = up_ms(started_us(master));
	json_t			*o = json_object();

	json_object_set_new(o, "version", json_string(PACKAGE_VERSION));
	json_object_set_new(o, "pid", json_integer(master));
	json_object_set_new(o, "uptime_ms", json_integer(uptime));
	json_object_set_new(o, "generation", json_integer(ct->generation));
	json_object_set_new(o, "listeners",
	    client_count(conf->nlisteners));
	json_object_set_new(o, "sessions",
	    client_count(say_pools(ct, c)));
	client_say(c, json_pack("{so}", "daemon", o));
	client_done(c, NULL, (int)status);
}

/* The master tells of its children; of itself we know. */
void
control_status(void *ctx, struct client *c, json_t *request)
{
	struct control		*ct = ctx;
	struct setup_child	 master = {
		.pid = ct->s->start.master, .ready = true,
		.generation = ct->generation, .role = "master",
	};

	(void)request;
	master.started_us = started_us(master.pid);
	say_child(c, &master);
	ask(ct, c, "status", ASK_STATUS, STATUS_MS, silent);
}

void
control_hear_report(struct control *ct, uint32_t tag, const char *line)
{
	struct client	*c = clients_find_tag(&ct->clients, tag);

	if (c != NULL)
		client_say(c, json_pack("{so}", "line", client_text(line)));
}

void
control_hear_asked(struct control *ct, uint32_t tag, uint32_t status)
{
	struct client	*c = clients_find_tag(&ct->clients, tag);

	/* Of the daemon's own exit codes users of ours know but 0 and 1. */
	status = status == 0 ? 0 : 1;
	if (c == NULL)
		return;
	if (strcmp(c->job.name, "status") == 0)
		finish_status(ct, c, status);
	else
		client_done(c, json_pack("{si}", "pid",
		    (int)ct->s->start.master), (int)status);
}

void
control_check(void *ctx, struct client *c, json_t *request)
{
	(void)request;
	ask(ctx, c, "check", ASK_CHECK, FILE_MS, silent);
}

void
control_reload(void *ctx, struct client *c, json_t *request)
{
	(void)request;
	ask(ctx, c, "reload", ASK_RELOAD, FILE_MS, pending);
}

void
control_reopen(void *ctx, struct client *c, json_t *request)
{
	(void)request;
	ask(ctx, c, "reopen", ASK_REOPEN, STATUS_MS, pending);
}

void
control_upgrade(void *ctx, struct client *c, json_t *request)
{
	(void)request;
	ask(ctx, c, "upgrade", ASK_UPGRADE, UPGRADE_MS, pending);
}

void
control_stop(void *ctx, struct client *c, json_t *request)
{
	bool	 idle = json_is_true(json_object_get(request, "when_idle"));

	ask(ctx, c, "stop", idle ? ASK_DRAIN : ASK_STOP, STATUS_MS,
	    pending);
}
