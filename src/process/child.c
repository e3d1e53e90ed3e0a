#include <sys/syscall.h>
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "base/mem.h"
#include "policy/conf_tunnel.h"
#include "process/channel.h"
#include "process/child.h"

#define HAND_MS		5000	/* to take what it is given */
#define READY_MS	30000	/* for a role to serve */
#define STOP_MS		2000	/* from TERM to KILL */
#define BACKOFF_MIN_MS	1000	/* for what dies young, doubling */
#define BACKOFF_MAX_MS	60000
#define FULL_MS		1000	/* until there may be a slot again */
#define CHILDREN_MAX	SETUP_BOARDS_MAX

/* A child that is handed its things, and until when. */
struct giving {
	int	 fd;
	int64_t	 deadline;
};

static int
give(const struct giving *g, uint16_t type, const void *data, size_t len,
    int fd1, int fd2)
{
	const int	 fds[2] = { fd1, fd2 };
	size_t		 n = fd1 == -1 ? 0 : fd2 == -1 ? 1 : 2;

	return channel_send_by(g->fd, type, data, len, fds, n, g->deadline);
}

static int
give_u32(const struct giving *g, uint16_t type, uint32_t number, int fd)
{
	uint8_t		 buf[4];
	struct wr	 w;

	wr_init(&w, buf, sizeof(buf));
	wr_u32(&w, number);
	return give(g, type, buf, sizeof(buf), fd, -1);
}

static int
give_meet(const struct giving *g, unsigned int role, const char *pool,
    int in, int more)
{
	uint8_t		 buf[4 + SETUP_NAME_MAX];
	char		 name[SETUP_NAME_MAX] = "";
	struct wr	 w;

	snprintf(name, sizeof(name), "%s", pool);
	wr_init(&w, buf, sizeof(buf));
	wr_u32(&w, role);
	wr_bytes(&w, name, sizeof(name));
	return give(g, MSG_MEET, buf, sizeof(buf), in, more);
}

/* Both of a lane's descriptors with a number. */
static int
give_lane(const struct giving *g, uint16_t type, uint32_t number, int end,
    const struct lane *lane)
{
	uint8_t		 buf[4];
	struct wr	 w;

	wr_init(&w, buf, sizeof(buf));
	wr_u32(&w, number);
	return give(g, type, buf, sizeof(buf), end, lane->page_fd);
}

static int
give_lane_in(const struct giving *g, const struct lane *lane, bool records)
{
	return give_lane(g, MSG_LANE_IN, records, lane->in, lane);
}

static bool
speaks_mysql(const struct generation *gen, const struct pool *pool)
{
	const struct conf	*c = gen->conf;

	for (size_t i = 0; i < c->nlisteners; i++)
		if (strcmp(c->listeners[i].pool, pool->name) == 0 &&
		    c->listeners[i].protocol == CONF_MYSQL)
			return true;
	return false;
}

/* Only MySQL's clients are recorded. */
static int
give_records(const struct giving *g, const struct generation *gen,
    const struct pool *pool)
{
	if (!speaks_mysql(gen, pool))
		return 0;
	for (uint32_t i = 0; i < RECORD_RECEIVERS; i++)
		if (give_lane(g, MSG_RECORDS, i, pool->records[i].out,
		    &pool->records[i]) == -1)
			return -1;
	return 0;
}

static bool
needs_book(unsigned int role)
{
	return role != ROLE_LOGGER && role != ROLE_SIGNER &&
	    role != ROLE_DBCLIENT && role != ROLE_AUTH &&
	    role != ROLE_BROKER;
}

static int
give_book(const struct giving *g, unsigned int role,
    const struct generation *gen)
{
	int	 book = role == ROLE_KEEPER || gen->book_read_fd == -1 ?
		    gen->book_fd : gen->book_read_fd;

	return give_u32(g, MSG_BOOK, gen->number, book);
}

static int
give_file(const struct giving *g, uint32_t generation, uint32_t number,
    int fd)
{
	uint8_t		 buf[8];
	struct wr	 w;

	wr_init(&w, buf, sizeof(buf));
	wr_u32(&w, generation);
	wr_u32(&w, number);
	return give(g, MSG_FILE, buf, sizeof(buf), fd, -1);
}

/*
 * Private keys go to who signs, the password to who writes the table, and all
 * else to who serves.
 */
static bool
needs_file(const struct post *p, const struct generation *gen,
    const struct conf_file *f)
{
	switch (p->role->id) {
	case ROLE_SIGNER:
	case ROLE_SPAWNER:
		return conf_file_is_secret(f) == (p->role->id == ROLE_SIGNER) &&
		    conf_file_is_for(gen->conf, f, p->pool->name);
	case ROLE_LINK:
		return conf_file_is_for_link(gen->conf, f, p->pool->name);
	case ROLE_DBCLIENT:
		return conf_file_is_for_dbclient(f);
	case ROLE_AUTH:
		return conf_file_is_for_auth(f);
	default:
		return false;
	}
}

static int
give_files(const struct giving *g, const struct post *p,
    const struct generation *gen)
{
	for (size_t i = 0; i < gen->files.n; i++) {
		if (needs_file(p, gen, &gen->files.v[i]) &&
		    give_file(g, gen->number, (uint32_t)i,
		    gen->files.copies[i].fd) == -1)
			return -1;
	}
	return 0;
}

static int
give_store(const struct giving *g, uint32_t generation, uint32_t which,
    int fd)
{
	uint8_t		 buf[8];
	struct wr	 w;

	wr_init(&w, buf, sizeof(buf));
	wr_u32(&w, generation);
	wr_u32(&w, which);
	return give(g, MSG_STORE, buf, sizeof(buf), fd, -1);
}

static int
give_stores(const struct giving *g, const struct post *p,
    const struct generation *gen)
{
	if (p->role->id != ROLE_AUTH)
		return 0;
	for (uint32_t i = 0; i < STORES; i++)
		if (gen->stores[i] != -1 && give_store(g, gen->number, i,
		    gen->stores[i]) == -1)
			return -1;
	return 0;
}

/* The text of a generation, and to those who want it the rest. */
static int
give_generation(const struct giving *g, const struct post *p,
    const struct generation *gen)
{
	if (give_u32(g, MSG_CONF, gen->number, gen->conf_fd) == -1 ||
	    (needs_book(p->role->id) &&
	    give_book(g, p->role->id, gen) == -1))
		return -1;
	return give_files(g, p, gen) == -1 ? -1 : give_stores(g, p, gen);
}

static int
give_board(const struct giving *g, const struct child *c, int page,
    int channel)
{
	struct setup_board	 board;

	memset(&board, 0, sizeof(board));
	board.workers = c->records;
	board.stride = SB_STRIDE_DENSE;
	board.spawner = c->pid;
	if (c->post->pool != NULL) {
		board.generation = c->post->gen->number;
		board.stride = SB_STRIDE_PAGE;
		snprintf(board.pool, sizeof(board.pool), "%s",
		    c->post->pool->name);
	}
	return give(g, MSG_BOARD, &board, sizeof(board), page, channel);
}

static int
show_board(const struct giving *g, const struct child *spawner)
{
	int	 page = proc_memfd_readonly(spawner->board_fd), rc;

	rc = give_board(g, spawner, page != -1 ? page : spawner->board_fd,
	    spawner->orders_fd);
	if (page != -1)
		close(page);
	return rc;
}

static bool
has_signer(const struct master *m, const struct pool *pool)
{
	for (size_t i = 0; i < m->nposts; i++)
		if (m->posts[i]->role->id == ROLE_SIGNER &&
		    m->posts[i]->pool == pool)
			return true;
	return false;
}

/* What sessions take that go by hubs and topics; and by codes. */
static int
give_tunnel(const struct giving *g, const struct conf *conf,
    const struct pool *pool)
{
	if ((conf->totp.wanted || conf_pool_has_proofs(conf, pool->name)) &&
	    give_u32(g, MSG_SERVICE, ROLE_AUTH, pool->auth.out) == -1)
		return -1;
	if (conf_pool_has_broker(conf, pool->name) &&
	    give_u32(g, MSG_SERVICE, ROLE_BROKER, pool->broker.out) == -1)
		return -1;
	if (conf_pool_publishes(conf, pool->name) == CONF_NOWHERE &&
	    conf_mapped_listener(conf, pool->name) == CONF_NOWHERE)
		return 0;
	return give_u32(g, MSG_SERVICE, ROLE_LINK, pool->jobs.in);
}

static int
give_link(const struct giving *g, const struct pool *pool)
{
	if (give(g, MSG_LANE, NULL, 0, pool->lane.out,
	    pool->lane.page_fd) == -1 ||
	    give_u32(g, MSG_SERVICE, ROLE_AUTH, pool->auth.out) == -1)
		return -1;
	return give_u32(g, MSG_SERVICE, ROLE_LINK, pool->jobs.out);
}

static int
give_spawner(const struct giving *g, const struct master *m,
    const struct child *c, int orders)
{
	const struct generation	*gen = c->post->gen;
	const struct pool	*pool = c->post->pool;

	if (give(g, MSG_LANE, NULL, 0, pool->lane.out,
	    pool->lane.page_fd) == -1 ||
	    give_records(g, gen, pool) == -1 ||
	    give(g, MSG_LIVE, NULL, 0, pool->live_fd, -1) == -1 ||
	    give_u32(g, MSG_SERVICE, ROLE_KEEPER, pool->keeper.out) == -1 ||
	    give_u32(g, MSG_SERVICE, ROLE_CARRIER,
	    pool->carriers.out) == -1 ||
	    give_board(g, c, c->board_fd, orders) == -1 ||
	    (has_signer(m, pool) && give_u32(g, MSG_SERVICE, ROLE_SIGNER,
	    pool->signer.out) == -1) ||
	    (gen->conf->totp.wanted && give_u32(g, MSG_SERVICE,
	    ROLE_DBCLIENT, pool->dbclient.out) == -1) ||
	    give_tunnel(g, gen->conf, pool) == -1)
		return -1;
	for (size_t i = 0; i < gen->nbindings; i++) {
		size_t	 l = gen->bindings[i].listener;

		if (strcmp(gen->conf->listeners[l].pool, pool->name) == 0 &&
		    give_u32(g, MSG_LISTENER, (uint32_t)l,
		    gen->bindings[i].bound->fd) == -1)
			return -1;
	}
	return 0;
}

static int
give_signer(const struct giving *g, const struct pool *pool)
{
	if (give(g, MSG_LANE, NULL, 0, pool->lane.out,
	    pool->lane.page_fd) == -1)
		return -1;
	return give_meet(g, ROLE_WORKER, pool->name, pool->signer.in, -1);
}

/* What a role that outlives generations must know of a pool. */
static int
give_pool(const struct giving *g, unsigned int role, const struct pool *p)
{
	switch (role) {
	case ROLE_LOGGER:
		return give_lane_in(g, &p->lane, false) == -1 ? -1 :
		    give_lane_in(g, &p->records[RECORD_TO_LOG], true);
	case ROLE_DBCLIENT:
		return give_lane_in(g, &p->records[RECORD_TO_TABLE], true) ==
		    -1 ? -1 : give_meet(g, ROLE_WORKER, p->name,
		    p->dbclient.in, -1);
	case ROLE_KEEPER:
		return give_meet(g, ROLE_WORKER, p->name, p->keeper.in, -1);
	case ROLE_AUTH:
		return give_meet(g, ROLE_WORKER, p->name, p->auth.in, -1);
	case ROLE_BROKER:
		return give_meet(g, ROLE_WORKER, p->name, p->broker.in,
		    p->jobs.out);
	case ROLE_CARRIER:
		return give_meet(g, ROLE_WORKER, p->name, p->carriers.in,
		    p->keeper.out);
	}
	return 0;
}

static int
give_logger(const struct giving *g, const struct master *m)
{
	if (give_lane_in(g, &m->lane, false) == -1)
		return -1;
	for (size_t i = 0; i < m->npools; i++)
		if (give_pool(g, ROLE_LOGGER, m->pools[i]) == -1)
			return -1;
	return 0;
}

static int
give_dbclient(const struct giving *g, const struct master *m)
{
	if (give_meet(g, ROLE_AUTH, "", m->dbclient.in, -1) == -1)
		return -1;
	for (size_t i = 0; i < m->npools; i++)
		if (give_pool(g, ROLE_DBCLIENT, m->pools[i]) == -1)
			return -1;
	return 0;
}

static int
give_keeper(const struct giving *g, const struct master *m)
{
	if (give_meet(g, ROLE_CONTROL, "", m->keeper.in, -1) == -1)
		return -1;
	for (size_t i = 0; i < m->npools; i++)
		if (give_pool(g, ROLE_KEEPER, m->pools[i]) == -1)
			return -1;
	return 0;
}

static int
give_auth(const struct giving *g, const struct master *m)
{
	if (give_meet(g, ROLE_CONTROL, "", m->auth.in, -1) == -1 ||
	    give_u32(g, MSG_SERVICE, ROLE_DBCLIENT, m->dbclient.out) == -1)
		return -1;
	for (size_t i = 0; i < m->npools; i++)
		if (give_pool(g, ROLE_AUTH, m->pools[i]) == -1)
			return -1;
	return 0;
}

static int
give_broker(const struct giving *g, const struct master *m)
{
	if (give_meet(g, ROLE_CONTROL, "", m->broker.in, -1) == -1)
		return -1;
	for (size_t i = 0; i < m->npools; i++)
		if (give_pool(g, ROLE_BROKER, m->pools[i]) == -1)
			return -1;
	return 0;
}

static int
give_carrier(const struct giving *g, const struct master *m,
    const struct child *c, int orders)
{
	for (size_t i = 0; i < m->npools; i++)
		if (give_pool(g, ROLE_CARRIER, m->pools[i]) == -1)
			return -1;
	return give_board(g, c, c->board_fd, orders);
}

static int
give_control(const struct giving *g, const struct master *m)
{
	if (give_u32(g, MSG_SERVICE, ROLE_KEEPER, m->keeper.out) == -1 ||
	    give_u32(g, MSG_SERVICE, ROLE_AUTH, m->auth.out) == -1 ||
	    give_u32(g, MSG_SERVICE, ROLE_BROKER, m->broker.out) == -1 ||
	    give(g, MSG_SOCKET, NULL, 0, m->control->fd, -1) == -1)
		return -1;
	for (size_t i = 0; i < m->nchildren; i++)
		if (m->children[i].board_fd != -1 &&
		    show_board(g, &m->children[i]) == -1)
			return -1;
	return 0;
}

static int
give_start(const struct giving *g, const struct master *m,
    const struct child *c)
{
	struct setup_start	 start;
	const struct post	*p = c->post;
	int			 dir = -1, rc;

	memset(&start, 0, sizeof(start));	/* the padding too */
	start.user = p->role->as_auth ? m->auth_user : m->user;
	start.background = m->background;
	start.slot = c->slot;
	start.generation = p->gen != NULL ? p->gen->number : 0;
	start.master = getpid();
	if ((p->role->id & (ROLE_AUTH | ROLE_BROKER)) != 0)
		memcpy(start.grant_key, m->grant_key,
		    sizeof(start.grant_key));
	if (p->pool != NULL)
		snprintf(start.pool, sizeof(start.pool), "%s", p->pool->name);
	if (p->own_root && m->powers.chroot) {
		dir = proc_empty_dir();
		if (dir == -1)
			return -1;
	}
	rc = give(g, MSG_START, &start, sizeof(start), dir, -1);
	explicit_bzero(&start, sizeof(start));
	if (dir != -1)
		close(dir);
	return rc;
}

/* Nobody gets what its role has no use for. */
static int
give_all(const struct master *m, const struct child *c, int orders)
{
	const struct giving	 g = {
		c->channel, io_now_ms() + HAND_MS,
	};
	unsigned int		 id = c->post->role->id;
	int			 rc = 0;

	for (size_t i = 0; i < m->ngens && rc == 0; i++)
		if (c->post->gen == NULL || c->post->gen == m->gens[i])
			rc = give_generation(&g, c->post, m->gens[i]);
	if (rc == 0 && c->post->gen == NULL && m->now != NULL)
		rc = give_u32(&g, MSG_COMMIT, m->now->number, -1);
	if (rc == 0 && id != ROLE_LOGGER && c->post->pool == NULL)
		rc = give(&g, MSG_LANE, NULL, 0, m->lane.out,
		    m->lane.page_fd);
	if (rc == 0 && id == ROLE_LOGGER)
		rc = give_logger(&g, m);
	if (rc == 0 && id == ROLE_DBCLIENT)
		rc = give_dbclient(&g, m);
	if (rc == 0 && id == ROLE_KEEPER)
		rc = give_keeper(&g, m);
	if (rc == 0 && id == ROLE_AUTH)
		rc = give_auth(&g, m);
	if (rc == 0 && id == ROLE_CONTROL)
		rc = give_control(&g, m);
	if (rc == 0 && id == ROLE_CARRIER)
		rc = give_carrier(&g, m, c, orders);
	if (rc == 0 && id == ROLE_SIGNER)
		rc = give_signer(&g, c->post->pool);
	if (rc == 0 && id == ROLE_BROKER)
		rc = give_broker(&g, m);
	if (rc == 0 && id == ROLE_LINK)
		rc = give_link(&g, c->post->pool);
	if (rc == 0 && id == ROLE_SPAWNER)
		rc = give_spawner(&g, m, c, orders);
	return rc == 0 ? give_start(&g, m, c) : -1;
}

/*
 * Where AppArmor holds this program and has a profile for the role, it is that
 * one's from its first instruction on: apparmor(7), aa_change_onexec(3).
 */
static void
choose_profile(const struct role *role)
{
	char	 text[64];
	int	 fd = open("/proc/self/attr/apparmor/exec", O_WRONLY |
		    O_CLOEXEC);
	size_t	 len;

	if (fd == -1)
		return;
	len = (size_t)snprintf(text, sizeof(text), "exec sallyportd//%s",
	    role->name);
	/* It has none: then it is the master's. */
	(void)!write(fd, text, len);
	close(fd);
}

static _Noreturn void
execute(const struct master *m, const struct role *role, int channel)
{
	char	 arg[64], name[] = "sallyportd";
	char	*argv[] = { name, arg, NULL };

	snprintf(arg, sizeof(arg), "--role=%s", role->name);
	if (channel == SETUP_FD)
		(void)fcntl(channel, F_SETFD, 0);
	else if (dup2(channel, SETUP_FD) == -1)
		_exit(1);
	choose_profile(role);
	/* By descriptor: the file on disk may be a newer build by now. */
	syscall(SYS_execveat, m->self, "", argv, environ, AT_EMPTY_PATH);
	fprintf(stderr, "sallyportd: cannot execute itself: %s\n",
	    strerror(errno));
	_exit(1);
}

/* Room for so many sessions; a carrier finds that of the one before it. */
static int
board_for(const struct master *m, struct child *c)
{
	struct post	*p = c->post;

	if (p->gen != NULL) {
		c->records = (uint32_t)conf_pool_workers(p->gen->conf,
		    p->pool->name);
		return scoreboard_create(c->records, SB_STRIDE_PAGE);
	}
	/* That takes a restart, so all generations have the same. */
	c->records = (uint32_t)m->gens[0]->conf->carriers.sessions;
	if (p->board_fd == -1)
		p->board_fd = scoreboard_create(c->records, SB_STRIDE_DENSE);
	return p->board_fd == -1 ? -1 :
	    fcntl(p->board_fd, F_DUPFD_CLOEXEC, 10);
}

/* The memory and channel of those who have sessions; *orders is its end. */
static int
make_board(const struct master *m, struct child *c, int *orders)
{
	int	 ends[2];

	*orders = c->board_fd = c->orders_fd = -1;
	if ((c->post->role->id & (ROLE_SPAWNER | ROLE_CARRIER)) == 0)
		return 0;
	c->board_fd = board_for(m, c);
	if (c->board_fd == -1 || channel_pair(ends) == -1)
		return -1;
	c->orders_fd = ends[0];
	*orders = ends[1];
	return 0;
}

static void
close_all(struct child *c)
{
	int	*fds[] = { &c->channel, &c->board_fd, &c->orders_fd };

	for (size_t i = 0; i < nitems(fds); i++) {
		if (*fds[i] != -1)
			close(*fds[i]);
		*fds[i] = -1;
	}
}

/* 0, or -1 with errno; then there is no child. */
static int
launch(const struct master *m, struct child *c)
{
	int	 ends[2] = { -1, -1 }, orders, saved, rc = -1;

	c->channel = -1;
	if (make_board(m, c, &orders) == 0 && channel_pair(ends) == 0) {
		c->channel = ends[0];
		c->pid = fork();
		if (c->pid == 0)
			execute(m, c->post->role, ends[1]);
		close(ends[1]);
		if (c->pid != -1)
			rc = give_all(m, c, orders);
	}
	saved = errno;
	if (orders != -1)
		close(orders);
	/* It finds its channel closed and ends, and nobody misses it. */
	if (rc == -1)
		close_all(c);
	errno = saved;
	return rc;
}

struct child *
child_newest(const struct master *m, const struct post *post)
{
	struct child	*best = NULL;

	for (size_t i = 0; i < m->nchildren; i++) {
		struct child	*c = &m->children[i];

		if (c->post == post && !c->ending &&
		    (best == NULL || c->started >= best->started))
			best = c;
	}
	return best;
}

struct child *
child_of(const struct master *m, unsigned int role_id)
{
	for (size_t i = 0; i < m->nposts; i++)
		if (m->posts[i]->role->id == role_id)
			return child_newest(m, m->posts[i]);
	return NULL;
}

bool
child_serves(const struct master *m, const struct generation *gen)
{
	for (size_t i = 0; i < m->nchildren; i++)
		if (m->children[i].post->gen == gen)
			return true;
	return false;
}

/* Who has a place in the pool's counts? */
static bool
is_counted(const struct post *p)
{
	return p->role->id == ROLE_SPAWNER;
}

/* The next of those; SB_SPAWNERS_MAX when all are taken. */
static uint32_t
free_slot(const struct master *m, const struct post *post)
{
	bool		 used[SB_SPAWNERS_MAX] = { false };
	uint32_t	 slot = 0;

	if (!is_counted(post))
		return 0;
	for (size_t i = 0; i < m->nchildren; i++)
		if (m->children[i].post->pool == post->pool &&
		    is_counted(m->children[i].post))
			used[m->children[i].slot] = true;
	while (slot < SB_SPAWNERS_MAX && used[slot])
		slot++;
	return slot;
}

static void
try_later(struct post *p)
{
	p->backoff_ms = p->backoff_ms == 0 ? BACKOFF_MIN_MS :
	    p->backoff_ms * 2;
	if (p->backoff_ms > BACKOFF_MAX_MS)
		p->backoff_ms = BACKOFF_MAX_MS;
	p->start_at = io_now_ms() + p->backoff_ms;
}

int
child_start(struct master *m, struct post *p)
{
	struct child	 c = {
		.post = p, .slot = free_slot(m, p),
		.started = io_now_ms(),
	};

	p->start_at = 0;
	if (c.slot == SB_SPAWNERS_MAX || m->nchildren == CHILDREN_MAX) {
		/* Old ones still have sessions; the newest serves on. */
		p->start_at = io_now_ms() + FULL_MS;
		return 0;
	}
	c.given = m->ngens > 0 ? m->gens[m->ngens - 1]->number : 0;
	c.prepared = c.given;		/* as soon as it is ready */
	if (launch(m, &c) == -1) {
		log_error("cannot start %s: %s", p->role->name,
		    strerror(errno));
		try_later(p);
		return -1;
	}
	m->children = mem_resize(m->children, m->nchildren + 1,
	    sizeof(*m->children));
	m->children[m->nchildren++] = c;
	if (c.board_fd != -1)
		child_show(m, &c);
	return 0;
}

static void
not_listening(const struct child *c)
{
	int	 error = errno;

	if (error == EPIPE)
		return;			/* its end is about to be heard of */
	log_warn("%s %d does not listen: %s", c->post->role->name,
	    (int)c->pid, strerror(error));
	/* What it missed is told to the next one. */
	if (error == EAGAIN || error == ETIMEDOUT)
		child_kill(c);
}

void
child_tell(const struct child *c, uint16_t type)
{
	if (c->channel != -1 &&
	    channel_send(c->channel, type, NULL, 0, NULL, 0) == -1)
		not_listening(c);
}

void
child_tell_u32(const struct child *c, uint16_t type, uint32_t number)
{
	if (c->channel != -1 &&
	    channel_send_u32(c->channel, type, number) == -1)
		not_listening(c);
}

int
child_give(const struct master *m, struct child *c,
    const struct generation *gen)
{
	const struct giving	 g = {
		c->channel, io_now_ms() + HAND_MS,
	};
	unsigned int		 id = c->post->role->id;
	uint32_t		 had = c->given;
	int			 rc;

	rc = give_u32(&g, MSG_CONF, gen->number, gen->conf_fd);
	if (rc == -1)
		return -1;
	/* From here on it knows the number, to be told to forget it. */
	c->given = gen->number;
	if (needs_book(id))
		rc = give_book(&g, id, gen);
	if (rc == 0)
		rc = give_files(&g, c->post, gen);
	if (rc == 0)
		rc = give_stores(&g, c->post, gen);
	for (size_t i = 0; i < m->npools && rc == 0; i++) {
		const struct pool	*p = m->pools[i];

		if (p->since > had)
			rc = give_pool(&g, id, p);
	}
	return rc;
}

void
child_show(const struct master *m, const struct child *spawner)
{
	const struct child	*control = child_of(m, ROLE_CONTROL);
	const struct giving	 g = {
		control != NULL ? control->channel : -1,
		io_now_ms() + HAND_MS,
	};

	if (g.fd != -1 && show_board(&g, spawner) == -1)
		not_listening(control);
}

void
child_drain(struct child *c)
{
	c->ending = true;
	child_tell(c, MSG_DRAIN);
}

void
child_stop(struct child *c)
{
	c->ending = true;
	child_tell(c, MSG_STOP);
	/* For one that hears no messages just now. */
	(void)kill(c->pid, SIGTERM);
}

void
child_kill(const struct child *c)
{
	log_warn("killing %s %d", c->post->role->name, (int)c->pid);
	if (kill(c->pid, SIGKILL) == -1)
		log_error("cannot kill it: %s", strerror(errno));
}

static const char *
death(int status, char *buf, size_t size)
{
	if (WIFSIGNALED(status))
		snprintf(buf, size, "died by signal %d (%s)",
		    WTERMSIG(status), strsignal(WTERMSIG(status)));
	else
		snprintf(buf, size, "ended with status %d",
		    WEXITSTATUS(status));
	return buf;
}

/* Have another started, unless there is one. */
static bool
fill_again(struct master *m, const struct child *c)
{
	struct post	*p = c->post;

	if (child_newest(m, p) != NULL)
		return false;		/* its successor is there already */
	if (c->ready && io_now_ms() - c->started >= BACKOFF_MIN_MS) {
		p->backoff_ms = 0;
		p->start_at = io_now_ms();
	} else
		try_later(p);
	return true;
}

/* Is it there only for what is being loaded? */
static bool
is_of_next(const struct master *m, const struct post *p)
{
	return m->next != NULL && (p->gen == m->next ||
	    (p->gen == NULL && p->since == m->next->number));
}

void
child_bury(struct master *m, size_t i, int status)
{
	struct child	 c = m->children[i];
	char		 how[128];
	bool		 again;

	m->children[i] = m->children[--m->nchildren];
	close_all(&c);
	if (is_counted(c.post))
		atomic_store(&c.post->pool->live->workers[c.slot], 0);
	if (c.post->role->id == ROLE_LINK)
		bind_orphan(&m->ports, c.pid);
	if (c.ending || m->phase >= STOPPING)
		return;
	if (m->phase == STARTING) {
		/* It has said why on standard error. */
		m->status = WIFEXITED(status) && WEXITSTATUS(status) != 0 ?
		    WEXITSTATUS(status) : EXIT_RUNTIME;
		if (WIFSIGNALED(status))
			log_error("%s %s", c.post->role->name,
			    death(status, how, sizeof(how)));
		return;
	}
	if (c.post->role->id == ROLE_BROKER)
		bind_orphan(&m->ports, 0);
	again = is_of_next(m, c.post) ? false : fill_again(m, &c);
	log_error("%s %d %s%s", c.post->role->name, (int)c.pid,
	    death(status, how, sizeof(how)), again ?
	    "; starting another" : "");
	if (is_of_next(m, c.post))
		m->reload.failed = "a process of the new generation ended";
}

static int64_t
look_after_child(struct child *c)
{
	if (c->kill_at != 0 && io_now_ms() >= c->kill_at) {
		child_kill(c);
		c->kill_at = io_now_ms() + STOP_MS;
	}
	if (c->kill_at != 0)
		return c->kill_at;
	if (c->ready || c->ending || c->post->role->may_lag)
		return INT64_MAX;
	if (io_now_ms() < c->started + READY_MS)
		return c->started + READY_MS;
	child_kill(c);
	c->kill_at = io_now_ms() + STOP_MS;
	return c->kill_at;
}

int64_t
child_look_after(struct master *m)
{
	int64_t	 next = INT64_MAX, t;

	for (size_t i = 0; i < m->nposts; i++) {
		struct post	*p = m->posts[i];

		if (p->start_at != 0 && io_now_ms() >= p->start_at)
			(void)child_start(m, p);
		if (p->start_at != 0 && p->start_at < next)
			next = p->start_at;
	}
	for (size_t i = 0; i < m->nchildren; i++) {
		t = look_after_child(&m->children[i]);
		if (t < next)
			next = t;
	}
	return next;
}
