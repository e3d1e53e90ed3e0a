/*
 * dbclient - writes records into a table of a database, and logs in to servers
 * that have forgotten a password.
 *
 *	from	may ask
 *	master	MSG_CONF, MSG_FILE, MSG_COMMIT, MSG_FORGET, MSG_LANE_IN,
 *		MSG_MEET
 *	worker	MSG_RECORD, over the lanes; to log in with an account of its
 *		pool: MSG_WARM
 *	auth	the secret of a user: MSG_SECRET
 *
 * Who waits for a database waits here: lanes are read on meanwhile, as far as
 * there is room for what comes.
 */
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include <bsd/sys/queue.h>

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
#include "policy/totp_text.h"
#include "process/channel.h"
#include "process/lane_in.h"
#include "process/meet.h"
#include "process/record_in.h"
#include "process/role.h"
#include "process/sandbox.h"
#ifdef HAVE_LIBMARIADB
#include "process/dblib.h"
#include "process/lookup.h"
#include "process/table.h"
#include "process/warm.h"
#endif

#define BATCH		64	/* records of a lane before the next one */
#define AGAIN_MS	100	/* until a lane that waits for room is read */
#define PEERS_MAX	64	/* workers that ask at a time */
#define LAST_WORDS_MS	3000	/* to write on once the master is gone */

struct dbclient;

/* A name that auth wants to know the secret of. */
struct wish {
	struct peer		*peer;
	uint32_t		 id;		/* of the message */
	LIST_ENTRY(wish)	 link;
};

/* A line to a worker, or to auth. */
struct peer {
	struct dbclient		*all;
	struct watch		 watch;
	unsigned int		 role;
	char			 pool[SETUP_NAME_MAX];
	LIST_HEAD(, wish)	 wishes;
	uint32_t		 id;		/* of the message in work */
	struct warm		*warm;		/* or NULL */
	uint32_t		 asked;		/* the message that it is for */
};

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
	const struct dblib	*lib;		/* or NULL */
	struct lookup		*lookup;	/* or NULL */
	struct meets		*meets;
	size_t			 npeers;
	struct lane		*lanes[SETUP_LANES_MAX];
	size_t			 nlanes;
	bool			 over;
};

size_t
dbclient_needed(const struct conf *conf)
{
	return conf->query_table.wanted || conf->totp.wanted;
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

/* Workers of a generation are there a moment before it is in effect. */
static bool
is_expected(const struct dbclient *d)
{
	const struct setup	*s = d->s;

	for (size_t i = 0; i < s->ngenerations; i++)
		if (s->generations[i].number > s->committed &&
		    s->generations[i].conf->query_table.wanted)
			return true;
	return false;
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
	if (d->table == NULL) {
		if (is_expected(d) && !d->over)
			return false;
		d->in.malformed++;	/* of a generation that is no more */
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

/* False when its pool is no more. */
static bool
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
				return true;
		} else if (n == -1 && errno == EINTR)
			continue;
		else {
			report(l);
			return !end;
		}
	}
	return true;
}

static void
end_lane(struct lane *l)
{
	struct dbclient	*d = l->all;
	size_t		 i = 0;

	loop_unwatch(d->loop, &l->watch);
	close(l->in.fd);
	(void)munmap(l->in.lane, sizeof(*l->in.lane));
	while (d->lanes[i] != l)
		i++;
	d->lanes[i] = d->lanes[--d->nlanes];
	free(l);
}

static void
on_lane(void *ctx, uint32_t events)
{
	(void)events;
	if (!read_lane(ctx))
		end_lane(ctx);
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

/* What setup was given is ours from here on.  -1: more than there may be. */
static int
take_lanes(struct dbclient *d)
{
	while (d->s->nlanes > 0) {
		if (d->nlanes == SETUP_LANES_MAX)
			return -1;
		add_lane(d, &d->s->lanes[--d->s->nlanes]);
	}
	return 0;
}

/* The first line of the file, in place. */
static char *
password_of(struct setup_generation *gen, enum conf_file_kind kind,
    size_t owner)
{
	static char	 none[] = "";
	size_t		 n;
	struct conf_file *files = conf_files(gen->conf, &n);
	size_t		 i = conf_files_find(files, n,
			    kind, owner, 0);

	free(files);
	if (i >= gen->nfiles || gen->files[i].data == NULL)
		return none;
	gen->files[i].data[strcspn(gen->files[i].data, "\r\n")] = '\0';
	return gen->files[i].data;
}

/* What is in effect now, or will be soon. */
static void
use(struct dbclient *d)
{
	struct setup_generation	*gen = setup_generation(d->s,
				    d->s->committed);

	if (gen == NULL)
		gen = &d->s->generations[d->s->ngenerations - 1];
	log_init("dbclient", (enum logline_level)gen->conf->log.level);
	if (d->lookup != NULL)
		lookup_configure(d->lookup, gen->conf->otp_table.wanted ?
		    &gen->conf->otp_table : NULL, password_of(gen,
		    CONF_FILE_OTP_PASSWORD, 0));
	if (!gen->conf->query_table.wanted) {
		proc_title("dbclient");
		return;
	}
	if (d->table == NULL && d->lib != NULL)
		d->table = table_new(d->loop, d->lib);
	if (d->table == NULL)
		log_fatal(1, "libmariadb, which writes tables, is not here");
	table_configure(d->table, &gen->conf->query_table, password_of(gen,
	    CONF_FILE_TABLE_PASSWORD, 0));
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
	struct dbclient	*d = ctx;

	(void)fds;
	d->s->committed = rd_u32(r);
	use(d);
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

	return setup_on_lane_in(d->s, r, fds) == -1 ? -1 : take_lanes(d);
}

/* --- logins */

static void
drop(struct peer *p)
{
	struct wish	*w, *next;

	loop_unwatch(p->all->loop, &p->watch);
	close(p->watch.fd);
	if (p->warm != NULL)
		warm_forget(p->warm);
	LIST_FOREACH_SAFE(w, &p->wishes, link, next) {
		lookup_forget(p->all->lookup, w);
		free(w);
	}
	p->all->npeers--;
	free(p);
}

static int
answer(struct peer *p, uint32_t id, const char *why)
{
	if (channel_send_id(p->watch.fd, MSG_WARM + 1, id, why,
	    strlen(why)) == 0)
		return 0;
	(void)shutdown(p->watch.fd, SHUT_RDWR);
	return 0;
}

static void
on_warm_done(void *ctx, const char *why)
{
	struct peer	*p = ctx;

	p->warm = NULL;
	if (why[0] != '\0')
		log_warn("a login for pool %s failed: %s", p->pool, why);
	(void)answer(p, p->asked, why);
}

/* Does the pool have a listener where users become that, at that server? */
static const struct conf_backend *
find_backend(const struct conf *conf, const char *pool,
    const struct conf_account *account, uint32_t server)
{
	for (size_t i = 0; i < conf->nlisteners; i++) {
		const struct conf_listener	*l = &conf->listeners[i];

		if (strcmp(l->pool, pool) != 0 ||
		    !conf_account_is_at(account, l))
			continue;
		for (size_t j = 0; j < conf_ways(l); j++) {
			const struct conf_backend	*b =
			    conf_backend_of(conf, l, j);

			if (conf_backend_has(b, server))
				return b;
		}
	}
	return NULL;
}

static int
begin_login(struct peer *p, uint32_t generation, uint32_t number,
    uint32_t server, char *why)
{
	struct dbclient			*d = p->all;
	struct setup_generation		*gen = setup_generation(d->s,
					    generation);
	const struct conf_account	*a;
	const struct conf_backend	*b = NULL;

	if (gen != NULL && number < gen->conf->accounts.n)
		b = find_backend(gen->conf, p->pool,
		    &gen->conf->accounts.v[number], server);
	if (b == NULL || p->warm != NULL)
		return -1;
	a = &gen->conf->accounts.v[number];
	if (d->lib == NULL) {
		snprintf(why, WARM_WHY_MAX, "libmariadb is not here");
		return 0;
	}
	p->asked = p->id;
	p->warm = warm_begin(d->loop, d->lib, b, &b->servers.v[server -
	    b->servers.v[0].index], a->account, password_of(gen,
	    CONF_FILE_ACCOUNT_PASSWORD, number), on_warm_done, p, why);
	return 0;
}

static int
on_warm(void *ctx, struct rd *r, int *fds)
{
	struct peer	*p = ctx;
	uint32_t	 generation = rd_u32(r), account = rd_u32(r);
	uint32_t	 server = rd_u32(r);
	char		 why[WARM_WHY_MAX] = "";

	(void)fds;
	if (!rd_end(r) || begin_login(p, generation, account, server, why) ==
	    -1)
		return -1;
	return p->warm != NULL ? 0 : answer(p, p->id, why);
}

static void
on_secret_known(void *ctx, enum secret_result result, const char *secret)
{
	struct wish	*w = ctx;
	struct peer	*p = w->peer;
	uint8_t		 buf[512];
	struct wr	 o;

	wr_init(&o, buf, sizeof(buf));
	wr_u8(&o, (uint8_t)result);
	wr_bytes(&o, secret, strlen(secret));
	if (channel_send_id(p->watch.fd, MSG_SECRET + 1, w->id, buf,
	    wr_len(&o)) == -1)
		(void)shutdown(p->watch.fd, SHUT_RDWR);
	explicit_bzero(buf, sizeof(buf));
	LIST_REMOVE(w, link);
	free(w);
}

static int
on_secret(void *ctx, struct rd *r, int *fds)
{
	struct peer	*p = ctx;
	struct wish	*w;
	char		 name[TOTP_NAME_MAX] = "";
	size_t		 len = r->left;

	(void)fds;
	if (len == 0 || len >= sizeof(name))
		return -1;
	memcpy(name, rd_take(r, len), len);
	w = mem_calloc(1, sizeof(*w));
	w->peer = p;
	w->id = p->id;
	LIST_INSERT_HEAD(&p->wishes, w, link);
	/* What nobody can be called would be none in the table either. */
	if (p->all->lookup == NULL || !totp_is_name(name, strlen(name)))
		on_secret_known(w, SECRET_AWAY, "");
	else
		lookup_ask(p->all->lookup, name, on_secret_known, w);
	return 0;
}

static const struct channel_rule requests[] = {
	{ MSG_WARM,	ROLE_WORKER,	0,	on_warm },
	{ MSG_SECRET,	ROLE_AUTH,	0,	on_secret },
};

static void
on_peer(void *ctx, uint32_t events)
{
	struct peer	*p = ctx;

	(void)events;
	switch (channel_dispatch_id(p->watch.fd, p->role, requests,
	    nitems(requests), p, &p->id)) {
	case 1:
		return;
	case -1:
		log_warn("a process of pool %s said what it may not and is "
		    "heard no more", p->pool);
	}
	drop(p);
}

static bool
on_hello(void *ctx, unsigned int role, const char *pool, int fd)
{
	struct dbclient	*d = ctx;
	struct peer	*p;

	if (d->npeers >= PEERS_MAX && role == ROLE_WORKER)
		return false;
	p = mem_calloc(1, sizeof(*p));
	p->all = d;
	p->role = role;
	memcpy(p->pool, pool, sizeof(p->pool));
	LIST_INIT(&p->wishes);
	p->watch = (struct watch){ .fd = fd, .run = on_peer, .ctx = p };
	if (loop_watch(d->loop, &p->watch, EPOLLIN) == -1) {
		free(p);
		return false;
	}
	d->npeers++;
	return true;
}

static int
on_meet_given(void *ctx, struct rd *r, int *fds)
{
	struct dbclient	*d = ctx;

	return setup_on_meet(d->s, r, fds) == -1 ? -1 :
	    meets_take(d->meets, d->s);
}

/* --- the master */

static const struct channel_rule orders[] = {
	{ MSG_CONF,	ROLE_MASTER,	1,	on_conf },
	{ MSG_FILE,	ROLE_MASTER,	1,	on_file },
	{ MSG_COMMIT,	ROLE_MASTER,	0,	on_commit },
	{ MSG_FORGET,	ROLE_MASTER,	0,	on_forget },
	{ MSG_LANE_IN,	ROLE_MASTER,	2,	on_lane_in },
	{ MSG_MEET,	ROLE_MASTER,	1,	on_meet_given },
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
		(void)read_lane(d->lanes[i]);
	loop_set(d->loop, &d->again, deadline);
	while (d->table != NULL && !table_is_empty(d->table) &&
	    io_left_ms(deadline) > 0)
		(void)loop_turn(d->loop);
	if (d->table != NULL)
		table_free(&d->table);
	lookup_free(&d->lookup);
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
	d->lib = dblib_load(&why);
	if (d->lib == NULL)
		log_warn("libmariadb is not here: %s", why);
	else
		d->lookup = lookup_new(d->loop, d->lib);
	use(d);
	d->meets = meets_new(d->loop, ROLE_WORKER | ROLE_AUTH, on_hello, d);
	if (meets_take(d->meets, s) == -1)
		log_fatal(1, "epoll: %s", strerror(errno));
	(void)take_lanes(d);
	d->master = (struct watch){ .fd = s->channel, .run = on_master,
	    .ctx = d };
	if (loop_watch(d->loop, &d->master, EPOLLIN) == -1)
		log_fatal(1, "epoll: %s", strerror(errno));
	sandbox_enter(ROLE_DBCLIENT, s->conf, NULL);
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
