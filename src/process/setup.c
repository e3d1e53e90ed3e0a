#include <sys/mman.h>
#include <sys/stat.h>

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "base/mem.h"
#include "base/sig.h"
#include "policy/conf_files.h"
#include "policy/conf_include.h"
#include "process/channel.h"
#include "process/setup.h"

#define SETUP_MS	10000
#define SETUP_CONF_MAX	(8 * CONF_TOTAL_MAX)

/* What is gathered while messages come in. */
struct gather {
	struct setup	*s;
	const char	*role;
	int		 dir;		/* the empty root, or -1 */
	bool		 started;
};

static int
keep(int *place)
{
	int	 fd = *place;

	*place = -1;
	return fd;
}

/* Others may be reading through the same open file: no shared offset. */
static char *
read_shared(int fd, size_t max, size_t *len)
{
	struct stat	 st;
	char		*text;
	ssize_t		 n;

	if (fstat(fd, &st) == -1)
		return NULL;
	if (st.st_size < 0 || (size_t)st.st_size > max) {
		errno = EFBIG;
		return NULL;
	}
	*len = (size_t)st.st_size;
	text = mem_calloc(1, *len + 1);
	n = pread(fd, text, *len, 0);
	if (n >= 0 && (size_t)n == *len)
		return text;
	explicit_bzero(text, *len);
	free(text);
	return NULL;
}

struct setup_generation *
setup_generation(const struct setup *s, uint32_t number)
{
	for (size_t i = 0; i < s->ngenerations; i++)
		if (s->generations[i].number == number)
			return &s->generations[i];
	return NULL;
}

static struct conf *
parse(const char *text, size_t len)
{
	struct conf_report	 report = { .errors = NULL };
	struct conf		*conf = conf_new();

	conf_read_text(conf, "configuration", text, len, &report);
	if (conf_finish(conf, &report) == -1) {
		log_error("%s", report.errors[0]);
		conf_free(&conf);
	}
	conf_report_free(&report);
	return conf;
}

int
setup_on_conf(void *ctx, struct rd *r, int *fds)
{
	struct setup	*s = ctx;
	uint32_t	 number = rd_u32(r);
	struct conf	*conf = NULL;
	char		*text;
	size_t		 len, nfiles;

	text = read_shared(fds[0], SETUP_CONF_MAX, &len);
	if (text == NULL)
		log_error("configuration: %s", strerror(errno));
	else
		conf = parse(text, len);
	free(text);
	if (conf == NULL)
		return -1;
	free(conf_files(conf, &nfiles));
	s->generations = mem_resize(s->generations, s->ngenerations + 1,
	    sizeof(*s->generations));
	s->generations[s->ngenerations++] = (struct setup_generation){
		.number = number, .conf = conf, .book_fd = -1,
		.stores = { -1, -1 },
		.files = mem_calloc(nfiles + 1, sizeof(struct setup_file)),
		.nfiles = nfiles,
	};
	s->conf = conf;
	return 0;
}

static int
on_conf(void *ctx, struct rd *r, int *fds)
{
	struct gather	*g = ctx;

	if (setup_on_conf(g->s, r, fds) == -1)
		log_fatal(1, "%s: no configuration", g->role);
	log_init(g->role, (enum logline_level)g->s->conf->log.level);
	return 0;
}

int
setup_on_book(void *ctx, struct rd *r, int *fds)
{
	struct setup_generation	*gen = setup_generation(ctx, rd_u32(r));

	if (gen == NULL || gen->book_fd != -1)
		return -1;
	gen->book_fd = keep(&fds[0]);
	return 0;
}

int
setup_on_file(void *ctx, struct rd *r, int *fds)
{
	struct setup_generation	*gen = setup_generation(ctx, rd_u32(r));
	uint32_t		 number = rd_u32(r);
	struct setup_file	*f;

	if (!rd_ok(r) || gen == NULL || number >= gen->nfiles)
		return -1;
	f = &gen->files[number];
	if (f->data != NULL)
		return -1;
	f->data = read_shared(fds[0], SETUP_FILE_MAX, &f->len);
	return f->data == NULL ? -1 : 0;
}

int
setup_on_store(void *ctx, struct rd *r, int *fds)
{
	struct setup_generation	*gen = setup_generation(ctx, rd_u32(r));
	uint32_t		 which = rd_u32(r);

	if (!rd_end(r) || gen == NULL || which >= STORES ||
	    gen->stores[which] != -1)
		return -1;
	gen->stores[which] = keep(&fds[0]);
	return 0;
}

void
setup_forget_file(struct setup_file *f)
{
	if (f->data != NULL)
		explicit_bzero(f->data, f->len);
	free(f->data);
	*f = (struct setup_file){ .data = NULL };
}

int
setup_on_forget(void *ctx, struct rd *r, int *fds)
{
	struct setup		*s = ctx;
	struct setup_generation	*gen = setup_generation(s, rd_u32(r));
	size_t			 i;

	(void)fds;
	if (gen == NULL || s->ngenerations == 1)
		return -1;
	if (gen->book_fd != -1)
		close(gen->book_fd);
	for (i = 0; i < STORES; i++)
		if (gen->stores[i] != -1)
			close(gen->stores[i]);
	for (i = 0; i < gen->nfiles; i++)
		setup_forget_file(&gen->files[i]);
	free(gen->files);
	conf_free(&gen->conf);
	i = (size_t)(gen - s->generations);
	memmove(gen, gen + 1, (--s->ngenerations - i) * sizeof(*gen));
	s->conf = s->generations[s->ngenerations - 1].conf;
	return 0;
}

/* Bytes of a message as the structure they are. */
static int
take(struct rd *r, void *data, size_t len)
{
	const uint8_t	*p = rd_take(r, len);

	if (p == NULL)
		return -1;
	memcpy(data, p, len);
	return 0;
}

int
setup_on_meet(void *ctx, struct rd *r, int *fds)
{
	struct setup		*s = ctx;
	struct setup_meet	 meet = { .role = rd_u32(r) };

	if (take(r, meet.pool, sizeof(meet.pool)) == -1 ||
	    s->nmeets == SETUP_LANES_MAX)
		return -1;
	meet.pool[sizeof(meet.pool) - 1] = '\0';
	meet.fd = keep(&fds[0]);
	meet.more_fd = keep(&fds[1]);
	s->meets = mem_resize(s->meets, s->nmeets + 1, sizeof(*s->meets));
	s->meets[s->nmeets++] = meet;
	return 0;
}

int
setup_on_board(void *ctx, struct rd *r, int *fds)
{
	struct setup		*s = ctx;
	struct setup_board	 board;

	if (take(r, &board, sizeof(board)) == -1 ||
	    s->nboards == SETUP_BOARDS_MAX)
		return -1;
	board.pool[sizeof(board.pool) - 1] = '\0';
	s->boards = mem_resize(s->boards, s->nboards + 1, sizeof(*s->boards));
	s->board_fds = mem_resize(s->board_fds, s->nboards + 1,
	    sizeof(*s->board_fds));
	s->boards[s->nboards] = board;
	s->board_fds[s->nboards][0] = keep(&fds[0]);
	s->board_fds[s->nboards][1] = keep(&fds[1]);
	s->nboards++;
	return 0;
}

struct log_lane *
setup_map_lane(int fd)
{
	void	*p = mmap(NULL, sizeof(struct log_lane),
		    PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	return p == MAP_FAILED ? NULL : p;
}

static int
on_lane(void *ctx, struct rd *r, int *fds)
{
	struct gather	*g = ctx;
	struct log_lane	*lane = setup_map_lane(fds[1]);

	(void)r;
	if (lane == NULL)
		return -1;
	g->s->log_fd = keep(&fds[0]);
	log_open(g->s->log_fd, lane);
	return 0;
}

int
setup_on_lane_in(void *ctx, struct rd *r, int *fds)
{
	struct setup	*s = ctx;
	struct log_lane	*lane = setup_map_lane(fds[1]);
	uint32_t	 records = rd_u32(r);

	if (lane == NULL || !rd_end(r) || s->nlanes == SETUP_LANES_MAX)
		return -1;
	s->lanes = mem_resize(s->lanes, s->nlanes + 1, sizeof(*s->lanes));
	s->lanes[s->nlanes++] = (struct setup_lane){
		.fd = keep(&fds[0]), .lane = lane, .records = records != 0,
	};
	return 0;
}

static int
on_records(void *ctx, struct rd *r, int *fds)
{
	struct setup	*s = ((struct gather *)ctx)->s;
	struct log_lane	*page = setup_map_lane(fds[1]);
	uint32_t	 to = rd_u32(r);

	if (page == NULL || !rd_end(r) || to >= RECORD_RECEIVERS)
		return -1;
	s->records.to[to] = (struct record_lane){ keep(&fds[0]), page };
	return 0;
}

static int
on_listener(void *ctx, struct rd *r, int *fds)
{
	struct setup		*s = ((struct gather *)ctx)->s;
	struct setup_listener	*l;

	if (s->nlisteners == SETUP_ADDRS_MAX)
		return -1;
	s->listeners = mem_resize(s->listeners, s->nlisteners + 1,
	    sizeof(*s->listeners));
	l = &s->listeners[s->nlisteners++];
	l->listener = rd_u32(r);
	l->fd = keep(&fds[0]);
	return 0;
}

static int
on_live(void *ctx, struct rd *r, int *fds)
{
	(void)r;
	((struct gather *)ctx)->s->live_fd = keep(&fds[0]);
	return 0;
}

static int
on_service(void *ctx, struct rd *r, int *fds)
{
	struct setup	*s = ((struct gather *)ctx)->s;

	switch (rd_u32(r)) {
	case ROLE_KEEPER:
		s->keeper_fd = keep(&fds[0]);
		return 0;
	case ROLE_CARRIER:
		s->carrier_fd = keep(&fds[0]);
		return 0;
	case ROLE_SIGNER:
		s->signer_fd = keep(&fds[0]);
		return 0;
	case ROLE_DBCLIENT:
		s->dbclient_fd = keep(&fds[0]);
		return 0;
	case ROLE_AUTH:
		s->auth_fd = keep(&fds[0]);
		return 0;
	case ROLE_BROKER:
		s->broker_fd = keep(&fds[0]);
		return 0;
	case ROLE_LINK:
		s->jobs_fd = keep(&fds[0]);
		return 0;
	}
	return -1;
}

static int
on_socket(void *ctx, struct rd *r, int *fds)
{
	(void)r;
	((struct gather *)ctx)->s->socket_fd = keep(&fds[0]);
	return 0;
}

static int
on_commit(void *ctx, struct rd *r, int *fds)
{
	(void)fds;
	((struct gather *)ctx)->s->committed = rd_u32(r);
	return 0;
}

/* What may come later too has handlers that know the setup alone. */
static int
on_book(void *ctx, struct rd *r, int *fds)
{
	return setup_on_book(((struct gather *)ctx)->s, r, fds);
}

static int
on_file(void *ctx, struct rd *r, int *fds)
{
	return setup_on_file(((struct gather *)ctx)->s, r, fds);
}

static int
on_store(void *ctx, struct rd *r, int *fds)
{
	return setup_on_store(((struct gather *)ctx)->s, r, fds);
}

static int
on_lane_in(void *ctx, struct rd *r, int *fds)
{
	return setup_on_lane_in(((struct gather *)ctx)->s, r, fds);
}

static int
on_meet(void *ctx, struct rd *r, int *fds)
{
	return setup_on_meet(((struct gather *)ctx)->s, r, fds);
}

static int
on_board(void *ctx, struct rd *r, int *fds)
{
	return setup_on_board(((struct gather *)ctx)->s, r, fds);
}

static int
start(struct gather *g, struct rd *r)
{
	if (take(r, &g->s->start, sizeof(g->s->start)) == -1)
		return -1;
	g->started = true;
	return 0;
}

static int
on_start(void *ctx, struct rd *r, int *fds)
{
	(void)fds;
	return start(ctx, r);
}

static int
on_start_in(void *ctx, struct rd *r, int *fds)
{
	((struct gather *)ctx)->dir = keep(&fds[0]);
	return start(ctx, r);
}

/* Until a role has begun, only the master speaks to it. */
static const struct channel_rule requests[] = {
	{ MSG_CONF,	ROLE_MASTER,	1,	on_conf },
	{ MSG_LANE,	ROLE_MASTER,	2,	on_lane },
	{ MSG_LANE_IN,	ROLE_MASTER,	2,	on_lane_in },
	{ MSG_RECORDS,	ROLE_MASTER,	2,	on_records },
	{ MSG_LISTENER,	ROLE_MASTER,	1,	on_listener },
	{ MSG_BOOK,	ROLE_MASTER,	1,	on_book },
	{ MSG_FILE,	ROLE_MASTER,	1,	on_file },
	{ MSG_STORE,	ROLE_MASTER,	1,	on_store },
	{ MSG_LIVE,	ROLE_MASTER,	1,	on_live },
	{ MSG_BOARD,	ROLE_MASTER,	2,	on_board },
	{ MSG_SERVICE,	ROLE_MASTER,	1,	on_service },
	{ MSG_MEET,	ROLE_MASTER,	1,	on_meet },
	{ MSG_MEET,	ROLE_MASTER,	2,	on_meet },
	{ MSG_SOCKET,	ROLE_MASTER,	1,	on_socket },
	{ MSG_COMMIT,	ROLE_MASTER,	0,	on_commit },
	{ MSG_START,	ROLE_MASTER,	0,	on_start },
	{ MSG_START,	ROLE_MASTER,	1,	on_start_in },
};

/* Whoever started a daemon may wait for the end of its standard error. */
static void
leave_terminal(const struct setup *s)
{
	if (s->start.background)
		(void)dup2(STDIN_FILENO, STDERR_FILENO);
}

struct setup *
setup_receive(const char *role)
{
	static const int	 none[] = { SIGTERM, SIGQUIT, SIGCHLD, 0 };
	static struct setup	 setup;		/* there is but one */
	struct setup		*s = &setup;
	struct gather		 g = { .s = s, .role = role, .dir = -1 };
	int64_t			 deadline = io_now_ms() + SETUP_MS;

	log_init(role, LOGLINE_INFO);
	sig_init(none);
	s->channel = SETUP_FD;
	s->log_fd = s->live_fd = s->keeper_fd = -1;
	s->carrier_fd = s->signer_fd = s->auth_fd = s->socket_fd = -1;
	s->dbclient_fd = s->broker_fd = s->jobs_fd = -1;
	for (size_t i = 0; i < RECORD_RECEIVERS; i++)
		s->records.to[i].fd = -1;
	while (!g.started) {
		int	 n = io_wait(s->channel, POLLIN, deadline);

		if (n == -1 && errno == EINTR && !sig_is_set(SIGTERM))
			continue;
		if (n <= 0)
			log_fatal(1, "%s: the master said nothing", role);
		n = channel_dispatch(s->channel, ROLE_MASTER, requests,
		    nitems(requests), &g);
		if (n != 1)
			_exit(1);	/* the master is gone, or not ours */
	}
	if (s->conf == NULL)
		log_fatal(1, "%s: started without a configuration", role);
	(void)setsid();			/* a terminal is the master's alone */
	if (s->log_fd != -1)
		leave_terminal(s);
	proc_drop(&s->start.user, g.dir);
	proc_die_with(s->start.master, SIGTERM);
	if (g.dir != -1)
		close(g.dir);
	return s;
}

void
setup_ready(const struct setup *s)
{
	leave_terminal(s);
	if (channel_send(s->channel, MSG_READY, NULL, 0, NULL, 0) == -1)
		log_fatal(1, "cannot reach the master: %s", strerror(errno));
}
