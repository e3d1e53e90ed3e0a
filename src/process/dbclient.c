/*
 * dbclient - writes records into a table of a database.
 *
 *	from	may ask
 *	master	MSG_CONF, MSG_FILE, MSG_COMMIT, MSG_FORGET, MSG_LANE_IN
 *	worker	MSG_RECORD, over the lanes
 *
 * Who waits for a database waits here: lanes are read on meanwhile, as far as
 * there is room for what comes.
 */
#include <sys/epoll.h>
#include <sys/mman.h>

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config.h"

#include "base/io.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/mem.h"
#include "base/msg.h"
#include "base/sig.h"
#include "policy/conf_files.h"
#include "process/channel.h"
#include "process/lane_in.h"
#include "process/record_in.h"
#include "process/role.h"
#include "process/sandbox.h"
#include "process/table.h"

#define BATCH		64	/* records of a lane before the next one */
#define AGAIN_MS	100	/* until a lane that waits for room is read */
#define LAST_WORDS_MS	3000	/* to write on once the master is gone */

struct dbclient;

struct lane {
	struct dbclient		*all;
	struct setup_lane	 in;
	struct watch		 watch;
	uint8_t			*held;		/* finds no room; or NULL */
	size_t			 nheld;
};

struct dbclient {
	struct setup		*s;
	struct loop		*loop;
	struct table		*table;
	struct watch		 master;
	struct timer		 again;
	struct record_in	 in;
	struct lane		*lanes[SETUP_LANES_MAX];
	size_t			 nlanes;
	bool			 over;
};

size_t
dbclient_needed(const struct conf *conf)
{
	return conf->query_table.wanted;
}

#ifdef HAVE_LIBMARIADB

/* Would its listener rather wait than lose a record? */
static bool
must_wait(const struct dbclient *d, struct mysql_bytes listener)
{
	const struct conf_listener	*l = record_in_listener(&d->in,
					    listener);

	return l != NULL &&
	    l->query_log.on_overflow != CONF_OVERFLOW_DROP;
}

/* False when it must be tried again. */
static bool
take(struct dbclient *d, const uint8_t *p, size_t len)
{
	struct query_record	 q;
	struct rd		 r;

	rd_init(&r, p, len);
	if (query_record_decode(&r, &q) == -1) {
		d->in.malformed++;
		return true;
	}
	if (table_add(d->table, &q))
		return true;
	if (must_wait(d, q.listener) && !d->over)
		return false;
	table_lost(d->table, 1);
	return true;
}

static void
hold(struct lane *l, const uint8_t *p, size_t len)
{
	l->held = mem_calloc(1, len);
	memcpy(l->held, p, len);
	l->nheld = len;
	loop_unwatch(l->all->loop, &l->watch);
	loop_set(l->all->loop, &l->all->again, io_now_ms() + AGAIN_MS);
}

/* False when no more can be read now. */
static bool
on_part(struct lane *l, const uint8_t *data, size_t size, pid_t pid)
{
	struct dbclient	*d = l->all;
	struct msg	 m;
	const uint8_t	*p;
	size_t		 len;
	int		 rc = -1;

	if (msg_decode(data, size, &m) == 0 && m.type == MSG_RECORD)
		rc = record_in_part(&d->in, pid, m.payload, m.len, &p, &len);
	if (rc == -1)
		d->in.malformed++;
	if (rc != 1 || take(d, p, len))
		return true;
	hold(l, p, len);
	return false;
}

static void
report(struct lane *l)
{
	uint64_t	 n = lane_dropped(&l->in);

	if (n > 0)
		log_error("%ju records were dropped: they came faster than "
		    "they could be written", (uintmax_t)n);
	if (l->all->in.malformed > 0)
		log_error("%ju records were lost: they did not arrive whole",
		    (uintmax_t)l->all->in.malformed);
	l->all->in.malformed = 0;
}

static void
read_lane(struct lane *l)
{
	static uint8_t	 data[MSG_HEADER + QUERY_RECORD_PART_HEAD +
			    QUERY_RECORD_PART];
	ssize_t		 n;
	pid_t		 pid;
	bool		 end;

	for (int i = 0; i < BATCH; i++) {
		n = lane_receive(&l->in, data, sizeof(data), &pid, &end);
		if (n >= 0 && !end) {
			if (!on_part(l, data, (size_t)n, pid))
				return;
		} else if (n == -1 && errno == EINTR)
			continue;
		else {
			/* Its pool is no more. */
			if (end)
				loop_unwatch(l->all->loop, &l->watch);
			report(l);
			return;
		}
	}
}

static void
on_lane(void *ctx, uint32_t events)
{
	(void)events;
	read_lane(ctx);
}

/* Those that hold a record try whether it finds room now. */
static void
on_again(void *ctx)
{
	struct dbclient	*d = ctx;

	for (size_t i = 0; i < d->nlanes; i++) {
		struct lane	*l = d->lanes[i];

		if (l->held == NULL)
			continue;
		if (!take(d, l->held, l->nheld)) {
			loop_set(d->loop, &d->again, io_now_ms() + AGAIN_MS);
			continue;
		}
		free(l->held);
		l->held = NULL;
		(void)loop_watch(d->loop, &l->watch, EPOLLIN);
	}
}

static void
add_lane(struct dbclient *d, const struct setup_lane *in)
{
	struct lane	*l = mem_calloc(1, sizeof(*l));

	l->all = d;
	l->in = *in;
	l->watch = (struct watch){ .fd = in->fd, .run = on_lane, .ctx = l };
	lane_watch(in);
	if (loop_watch(d->loop, &l->watch, EPOLLIN) == -1)
		log_fatal(1, "a lane cannot be watched: %s", strerror(errno));
	d->lanes[d->nlanes++] = l;
}

/* The first line of the file, in place. */
static char *
password_of(struct setup_generation *gen)
{
	static char	 none[] = "";
	size_t		 n;
	struct conf_file *files = conf_files(gen->conf, &n);
	size_t		 i = conf_files_find(files, n,
			    CONF_FILE_TABLE_PASSWORD, 0, 0);

	free(files);
	if (i >= gen->nfiles || gen->files[i].data == NULL)
		return none;
	gen->files[i].data[strcspn(gen->files[i].data, "\r\n")] = '\0';
	return gen->files[i].data;
}

/* What is in effect now, or will be soon. */
static void
use(struct dbclient *d, uint32_t number)
{
	struct setup_generation	*gen = setup_generation(d->s, number);

	if (gen == NULL)
		gen = &d->s->generations[d->s->ngenerations - 1];
	log_init("dbclient", (enum logline_level)gen->conf->log.level);
	table_configure(d->table, gen->conf, password_of(gen));
	proc_title("dbclient: %s.%s at %s", gen->conf->query_table.database,
	    gen->conf->query_table.name, gen->conf->query_table.server);
}

static int
on_conf(void *ctx, struct rd *r, int *fds)
{
	struct dbclient	*d = ctx;

	if (setup_on_conf(d->s, r, fds) == -1)
		return -1;
	return channel_send_u32(d->s->channel, MSG_PREPARED,
	    d->s->generations[d->s->ngenerations - 1].number);
}

static int
on_file(void *ctx, struct rd *r, int *fds)
{
	return setup_on_file(((struct dbclient *)ctx)->s, r, fds);
}

static int
on_commit(void *ctx, struct rd *r, int *fds)
{
	(void)fds;
	use(ctx, rd_u32(r));
	return 0;
}

static int
on_forget(void *ctx, struct rd *r, int *fds)
{
	return setup_on_forget(((struct dbclient *)ctx)->s, r, fds);
}

static int
on_lane_in(void *ctx, struct rd *r, int *fds)
{
	struct dbclient	*d = ctx;

	if (setup_on_lane_in(d->s, r, fds) == -1)
		return -1;
	add_lane(d, &d->s->lanes[d->s->nlanes - 1]);
	return 0;
}

static const struct channel_rule orders[] = {
	{ MSG_CONF,	ROLE_MASTER,	1,	on_conf },
	{ MSG_FILE,	ROLE_MASTER,	1,	on_file },
	{ MSG_COMMIT,	ROLE_MASTER,	0,	on_commit },
	{ MSG_FORGET,	ROLE_MASTER,	0,	on_forget },
	{ MSG_LANE_IN,	ROLE_MASTER,	2,	on_lane_in },
};

static void
on_master(void *ctx, uint32_t events)
{
	struct dbclient	*d = ctx;

	(void)events;
	if (channel_dispatch(d->s->channel, ROLE_MASTER, orders,
	    nitems(orders), d) == 1)
		return;
	loop_unwatch(d->loop, &d->master);
	d->over = true;
}

/* What has come is written, if that does not take long. */
static _Noreturn void
finish(struct dbclient *d)
{
	int64_t	 deadline = io_now_ms() + LAST_WORDS_MS;

	d->over = true;
	on_again(d);
	for (size_t i = 0; i < d->nlanes; i++)
		read_lane(d->lanes[i]);
	loop_set(d->loop, &d->again, deadline);
	while (!table_is_empty(d->table) && io_left_ms(deadline) > 0)
		(void)loop_turn(d->loop);
	table_free(&d->table);
	exit(0);
}

void
dbclient_main(struct setup *s)
{
	static const int	 signals[] = { SIGTERM, 0 };
	static struct dbclient	 dbclient;
	struct dbclient		*d = &dbclient;
	const char		*why;

	d->s = s;
	d->in.setup = s;
	sig_init(signals);
	d->loop = loop_new();
	if (d->loop == NULL)
		log_fatal(1, "epoll: %s", strerror(errno));
	d->again = (struct timer){ .run = on_again, .ctx = d };
	d->table = table_new(d->loop, &why);
	if (d->table == NULL)
		log_fatal(1, "libmariadb, which writes tables, is not here: "
		    "%s", why);
	use(d, s->committed);
	for (size_t i = 0; i < s->nlanes; i++)
		add_lane(d, &s->lanes[i]);
	d->master = (struct watch){ .fd = s->channel, .run = on_master,
	    .ctx = d };
	if (loop_watch(d->loop, &d->master, EPOLLIN) == -1)
		log_fatal(1, "epoll: %s", strerror(errno));
	sandbox_enter();
	setup_ready(s);
	while (!d->over && !sig_is_set(SIGTERM))
		(void)loop_turn(d->loop);
	finish(d);
}

#else

void
dbclient_main(struct setup *s)
{
	(void)s;
	log_fatal(1, "built without libmariadb");
}

#endif
