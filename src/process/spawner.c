/*
 * spawner - forks the workers of one pool, counts them and buries them.
 *
 *	from	may ask
 *	master	MSG_STOP, MSG_DRAIN
 *	control	MSG_KILL
 *
 * It has given up everything before the first fork and holds only what its
 * workers need, so that a fork is cheap.  It keeps `spare' idle ones: a
 * worker that takes a session sees in the shared page whether too few are
 * left, and wakes the spawner through an eventfd only then.
 */
#include <sys/eventfd.h>
#include <sys/wait.h>

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "base/mem.h"
#include "base/sig.h"
#include "policy/conf_tunnel.h"
#include "process/channel.h"
#include "process/contexts.h"
#include "process/role.h"
#include "process/sandbox.h"
#include "process/serve.h"
#include "process/sign_ask.h"
#include "process/worker.h"
#include "session/end.h"
#include "session/tls_warm.h"

#define TICK_MS		1000	/* to look for too many idle workers */
#define FULL_MS		100	/* to look whether there is room again */
#define PAUSE_MS	500	/* when workers cannot be forked or die young */
#define YOUNG_DEATHS	8	/* in a row, before that */
#define KILL_MS		500	/* from TERM to KILL */
#define ROTATE_MS	(3600 * 1000)	/* a key of session tickets */
#define CALM_TICKS	10	/* of too many idle ones, before some go */

enum phase {
	SERVING,
	DRAINING,		/* end with the last session */
	STOPPING,		/* sessions were told to end */
};

struct spawner {
	struct setup		*s;
	struct contexts		*contexts;
	struct sign_line	*signer;	/* or NULL */
	struct sandbox		*sandbox;	/* of workers */
	struct scoreboard	 sb;
	const struct book_entry	*book;
	struct sb_live		*live;
	const struct guess	*crashers;	/* that is in it, for workers */
	pid_t			*pids;		/* by slot; 0: free */
	size_t			 nworkers;
	size_t			 max;
	uint32_t		 forked;	/* ever */
	uint32_t		 stillborn;	/* died before they were idle */
	unsigned int		 young_deaths;	/* in a row */
	int			 kick;
	int			 orders;	/* from control, or -1 */
	enum phase		 phase;
	int64_t			 no_fork_until;
	int64_t			 kill_at;	/* STOPPING */
	bool			 ready;
	bool			 said_full;
	bool			 again;		/* look once more at once */
	int32_t			 idle_off;	/* as last recounted */
	int32_t			 starting_off;
	int32_t			 least_idle;	/* in the last ticks */
	unsigned int		 ticks;
	int64_t			 next_tick;
	int64_t			 rotate_at;
};

/* Workers of the pool, those of other spawners included. */
static size_t
pool_workers(const struct spawner *sp)
{
	size_t	 n = sp->nworkers;

	for (size_t i = 0; i < SB_SPAWNERS_MAX; i++)
		if (i != sp->s->start.slot)
			n += atomic_load(&sp->live->workers[i]);
	return n;
}

static void
count_changed(struct spawner *sp)
{
	atomic_store(&sp->live->workers[sp->s->start.slot],
	    (uint32_t)sp->nworkers);
	atomic_store(&sp->sb.pool->workers, (int32_t)sp->nworkers);
	proc_title("spawner %s: %zu workers, generation %u%s",
	    sp->s->start.pool, sp->nworkers, sp->s->start.generation,
	    sp->phase == SERVING ? "" : ", ending");
}

static void
fork_worker(struct spawner *sp, size_t slot)
{
	struct worker_start	 start = {
		.s = sp->s, .book = sp->book, .sb = &sp->sb, .slot = slot,
		.kick = sp->kick, .spawner = getpid(),
		.contexts = sp->contexts, .signer = sp->signer,
		.sandbox = sp->sandbox, .crashers = sp->crashers,
	};
	pid_t			 pid;

	scoreboard_clear(&sp->sb, slot);
	pid = fork();
	if (pid == 0)
		worker_main(&start);
	if (pid == -1) {
		log_warn("fork: %s; %zu workers serve on", strerror(errno),
		    sp->nworkers);
		sp->no_fork_until = io_now_ms() + PAUSE_MS;
		return;
	}
	sp->pids[slot] = pid;
	sp->nworkers++;
	sp->forked++;
}

/* A count that workers keep, held to what is possible. */
static int32_t
plausible(const struct spawner *sp, int32_t n)
{
	if (n < 0)
		return 0;
	return n > (int32_t)sp->nworkers ? (int32_t)sp->nworkers : n;
}

static int32_t
starting_workers(const struct spawner *sp)
{
	return plausible(sp, (int32_t)(sp->forked - sp->stillborn -
	    atomic_load(&sp->sb.pool->arrived)));
}

static int32_t
idle_workers(const struct spawner *sp)
{
	return plausible(sp, atomic_load(&sp->sb.pool->idle));
}

/*
 * How many more workers should wait for connections.  One that arrives
 * meanwhile is in both counts, not in neither.
 */
static int32_t
wanted(const struct spawner *sp)
{
	int32_t	 starting = starting_workers(sp);

	return (int32_t)sp->s->conf->workers.spare - starting -
	    idle_workers(sp);
}

/* Has the master said something that we have not heard? */
static bool
is_spoken_to(const struct spawner *sp)
{
	struct pollfd	 p = { sp->s->channel, POLLIN, 0 };

	return poll(&p, 1, 0) > 0;
}

static void
fork_wanted(struct spawner *sp)
{
	size_t	 before = sp->nworkers, slot = 0;
	int32_t	 want = wanted(sp);
	bool	 full = false, was_full;

	sp->again = false;
	if (sp->phase != SERVING || io_now_ms() < sp->no_fork_until)
		return;
	/* Before it shuts the listeners, so that workers leave, it says so. */
	if (want > 0 && is_spoken_to(sp))
		return;
	for (; want > 0 && io_now_ms() >= sp->no_fork_until; want--) {
		/* One at least, or those before us could never end. */
		full = sp->nworkers > 0 && pool_workers(sp) >= sp->max;
		if (full)
			break;
		while (sp->pids[slot] != 0)
			slot++;
		fork_worker(sp, slot);
	}
	/* Who saw it set until now did not kick. */
	was_full = atomic_exchange(&sp->sb.pool->full, full);
	sp->again = was_full && !full && wanted(sp) > 0;
	if (full && !sp->said_full && idle_workers(sp) == 0) {
		log_warn("all %zu workers of pool %s are busy: more "
		    "connections wait in the listeners' queues", sp->max,
		    sp->s->start.pool);
		sp->said_full = true;
	} else if (!full)
		sp->said_full = false;
	if (sp->nworkers != before)
		count_changed(sp);
}

static void
signal_workers(const struct spawner *sp, int signo)
{
	for (size_t i = 0; i < sp->max; i++)
		if (sp->pids[i] != 0)
			(void)kill(sp->pids[i], signo);
}

/* Who crashes one worker after the other may be guessing at addresses. */
static void
blame(const struct spawner *sp, const struct sb_worker *w)
{
	static const struct guess_rule	 rule = {
		.tries = 9, .lock_ms = 60000, .memory_ms = 600000,
	};
	struct guess			*crashers;
	struct sb_session		 session;
	struct access_source		 source;
	struct net_addr			 client;
	char				 text[ACCESS_TEXT_MAX];
	bool				 locked;
	int64_t				 ms;

	if (atomic_load(&w->state) != SB_BUSY || !sb_read(w, &session) ||
	    !sb_address(session.client, &client))
		return;
	access_source_of(&client, &source);
	crashers = guess_in(sp->live->crashers, SB_CRASHERS);
	ms = guess_failed(crashers, access_source_hash(&source, 0), &rule,
	    io_now_ms(), &locked);
	guess_free(&crashers);
	if (ms > 0)
		log_warn("sessions of %s made workers crash: it is refused for "
		    "%lld s", access_source_text(&source, text, sizeof(text)),
		    (long long)ms / 1000);
}

static void
bury(struct spawner *sp, size_t slot, int status)
{
	const struct sb_worker	*w = scoreboard_worker(&sp->sb, slot);
	bool			 clean = WIFEXITED(status) &&
				    WEXITSTATUS(status) == 0;

	sp->pids[slot] = 0;
	sp->nworkers--;
	/* Its page is the only witness, and may lie: see recount(). */
	if (atomic_load(&w->state) == SB_IDLE)
		atomic_fetch_sub(&sp->sb.pool->idle, 1);
	if (atomic_load(&w->state) == SB_STARTING) {
		sp->stillborn++;
		sp->young_deaths++;
	} else
		sp->young_deaths = 0;
	if (sp->young_deaths >= YOUNG_DEATHS)
		sp->no_fork_until = io_now_ms() + PAUSE_MS;
	if (clean)
		return;
	if (WIFEXITED(status)) {
		log_warn("worker ended with status %d", WEXITSTATUS(status));
		return;
	}
	if (sp->phase == STOPPING && WTERMSIG(status) == SIGKILL) {
		serve_log_lost(w, END_SHUTDOWN, NULL);	/* that was us */
		return;
	}
	log_error("worker died by signal %d (%s)", WTERMSIG(status),
	    strsignal(WTERMSIG(status)));
	serve_log_lost(w, END_CRASHED, strsignal(WTERMSIG(status)));
	/* Not when somebody killed it, or the kernel for want of memory. */
	if (WTERMSIG(status) != SIGKILL)
		blame(sp, w);
	/* Who made it crash learnt our addresses: have others forked. */
	(void)channel_send(sp->s->channel, MSG_CRASHED, NULL, 0, NULL, 0);
}

static size_t
slot_of(const struct spawner *sp, pid_t pid)
{
	size_t	 i = 0;

	while (i < sp->max && sp->pids[i] != pid)
		i++;
	return i;
}

static void
reap(struct spawner *sp)
{
	size_t	 before = sp->nworkers, slot;
	int	 status;
	pid_t	 pid;

	(void)sig_take(SIGCHLD);
	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		slot = slot_of(sp, pid);
		if (slot == sp->max)
			continue;
		bury(sp, slot, status);
		/* Nobody shall see there what has ended. */
		scoreboard_clear(&sp->sb, slot);
	}
	if (sp->nworkers != before)
		count_changed(sp);
}

/*
 * Workers count themselves; one that was killed at the wrong moment, or
 * lies, leaves a count wrong.  The pages tell.  A difference is mended when
 * it is seen twice: once may be a worker that is just changing.
 */
static void
recount(struct spawner *sp)
{
	int32_t	 idle = 0, starting = 0;
	int32_t	 said = atomic_load(&sp->sb.pool->idle);

	for (size_t i = 0; i < sp->max; i++) {
		if (sp->pids[i] == 0)
			continue;
		switch (atomic_load(&scoreboard_worker(&sp->sb, i)->state)) {
		case SB_IDLE:
			idle++;
			break;
		case SB_STARTING:
			starting++;
		}
	}
	if (said != plausible(sp, said)) {
		atomic_store(&sp->sb.pool->idle, idle);
		said = idle;
	}
	idle -= said;
	starting -= starting_workers(sp);
	if (idle != 0 && idle == sp->idle_off)
		atomic_fetch_add(&sp->sb.pool->idle, idle);
	if (starting != 0 && starting == sp->starting_off)
		sp->stillborn -= (uint32_t)starting;
	sp->idle_off = idle;
	sp->starting_off = starting;
}

/* Let `n' idle workers go. */
static void
retire(const struct spawner *sp, int32_t n)
{
	for (size_t i = sp->max; i-- > 0 && n > 0;)
		if (sp->pids[i] != 0 && atomic_load(
		    &scoreboard_worker(&sp->sb, i)->state) == SB_IDLE) {
			(void)kill(sp->pids[i], SIGQUIT);
			n--;
		}
}

/* After a rush there are more idle workers than need be: let them go slowly. */
static void
tick(struct spawner *sp)
{
	int32_t	 idle = idle_workers(sp);
	int32_t	 extra;

	sp->next_tick = io_now_ms() + TICK_MS;
	if (sp->phase != SERVING)
		return;
	if (io_now_ms() >= sp->rotate_at && contexts_has_tickets(
	    sp->contexts)) {
		contexts_rotate(sp->contexts);
		sp->rotate_at = io_now_ms() + ROTATE_MS;
	}
	recount(sp);
	if (sp->ticks == 0 || idle < sp->least_idle)
		sp->least_idle = idle;
	if (++sp->ticks < CALM_TICKS)
		return;
	sp->ticks = 0;
	extra = sp->least_idle - (int32_t)sp->s->conf->workers.spare;
	if (extra > 0)
		retire(sp, (extra + 1) / 2);
}

static void
drain(struct spawner *sp)
{
	if (sp->phase != SERVING)
		return;
	sp->phase = DRAINING;
	signal_workers(sp, SIGQUIT);
	count_changed(sp);
}

static void
stop(struct spawner *sp)
{
	if (sp->phase == STOPPING)
		return;
	sp->phase = STOPPING;
	sp->kill_at = io_now_ms() + KILL_MS;
	signal_workers(sp, SIGTERM);
	count_changed(sp);
}

static int
on_stop(void *ctx, struct rd *r, int *fds)
{
	(void)r;
	(void)fds;
	stop(ctx);
	return 0;
}

static int
on_drain(void *ctx, struct rd *r, int *fds)
{
	(void)r;
	(void)fds;
	drain(ctx);
	return 0;
}

/* End one session, if it is still the one that was meant. */
static int
on_kill(void *ctx, struct rd *r, int *fds)
{
	const struct spawner	*sp = ctx;
	uint32_t		 slot = rd_u32(r);
	uint64_t		 id = rd_u64(r);
	struct sb_worker	*w;
	struct sb_session	 session;

	(void)fds;
	if (slot >= sp->max)
		return -1;
	w = scoreboard_worker(&sp->sb, slot);
	if (sp->pids[slot] != 0 && sb_has_session(w) &&
	    sb_read(w, &session) && session.id == id) {
		atomic_store(&w->victim, id);
		(void)kill(sp->pids[slot], SIG_KILLED);
	}
	return 0;
}

static const struct channel_rule requests[] = {
	{ MSG_STOP,	ROLE_MASTER,	0,	on_stop },
	{ MSG_DRAIN,	ROLE_MASTER,	0,	on_drain },
	{ MSG_KILL,	ROLE_CONTROL,	0,	on_kill },
};

/* Certificates are read once, here; workers share what comes of them. */
static void
prepare_tls(struct spawner *sp)
{
	struct setup	*s = sp->s;
	char		 why[TLS_WHY_MAX] = "";

	if (s->signer_fd != -1)
		sp->signer = sign_ask_new(s->signer_fd, s->start.generation);
	if (sign_init(sign_ask_signature, sp->signer) == -1)
		log_fatal(1, "OpenSSL takes no keys that are elsewhere");
	sp->contexts = contexts_new(s, why);
	if (sp->contexts == NULL)
		log_fatal(1, "%s", why);
	if (contexts_any(sp->contexts))
		tls_warm();
	sp->rotate_at = io_now_ms() + ROTATE_MS;
}

static struct spawner *
prepare(struct setup *s)
{
	static struct spawner	 spawner;
	struct spawner		*sp = &spawner;
	const struct sb_live	*shown;

	sp->s = s;
	sp->max = conf_pool_workers(s->conf, s->start.pool);
	sp->pids = mem_calloc(sp->max, sizeof(*sp->pids));
	if (s->nboards != 1 || s->ngenerations != 1 ||
	    scoreboard_open(&sp->sb, s->board_fds[0][0], sp->max,
	    SB_STRIDE_PAGE) == -1)
		log_fatal(1, "scoreboard: %s", strerror(errno));
	sp->orders = s->board_fds[0][1];
	sp->live = scoreboard_map_live(s->live_fd);
	shown = scoreboard_show_live(s->live_fd);
	if (sp->live == NULL || shown == NULL)
		log_fatal(1, "counts of the pool: %s", strerror(errno));
	sp->crashers = guess_of(shown->crashers, SB_CRASHERS);
	close(s->live_fd);
	sp->book = book_map(s->generations[0].book_fd, s->conf->nservers);
	if (sp->book == NULL)
		log_fatal(1, "address book: %s", strerror(errno));
	close(s->generations[0].book_fd);
	sp->kick = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (sp->kick == -1)
		log_fatal(1, "eventfd: %s", strerror(errno));
	prepare_tls(sp);
	return sp;
}

static int
time_to_wait(const struct spawner *sp)
{
	int64_t	 until = sp->next_tick;

	if (sp->again)
		return 0;
	if (sp->phase == STOPPING)
		until = sp->kill_at;
	else if (atomic_load(&sp->sb.pool->full) && until > io_now_ms() +
	    FULL_MS)
		until = io_now_ms() + FULL_MS;
	else if (sp->no_fork_until > io_now_ms())
		until = sp->no_fork_until;
	return io_left_ms(until);
}

static void
hear(struct spawner *sp, const struct pollfd *p)
{
	uint64_t	 kicks;

	if (p[0].revents != 0 && channel_dispatch(sp->s->channel, ROLE_MASTER,
	    requests, nitems(requests), sp) != 1) {
		sp->s->channel = -1;	/* the master is gone: so are we */
		stop(sp);
	}
	if (p[1].revents != 0)
		(void)!read(sp->kick, &kicks, sizeof(kicks));
	if (p[2].revents != 0 && channel_dispatch(sp->orders, ROLE_CONTROL,
	    requests, nitems(requests), sp) != 1) {
		/* No control can order anything here any more. */
		close(sp->orders);
		sp->orders = -1;
	}
}

void
spawner_main(struct setup *s)
{
	static const int	 signals[] = { SIGCHLD, SIGTERM, SIGQUIT, 0 };
	struct spawner		*sp = prepare(s);

	sig_init(signals);
	sp->sandbox = sandbox_worker_new(s->conf);
	sandbox_enter(ROLE_SPAWNER, s->conf, s->start.pool);
	/* Last, for each worker would write to what is free by now. */
	mem_fill_holes();
	sp->next_tick = io_now_ms() + TICK_MS;
	for (;;) {
		struct pollfd	 p[3] = {
			{ s->channel, POLLIN, 0 }, { sp->kick, POLLIN, 0 },
			{ sp->orders, POLLIN, 0 },
		};

		/* First: who kicks from here on is counted below, or anew. */
		atomic_store(&sp->sb.pool->kicked, 0);
		fork_wanted(sp);
		if (sp->phase != SERVING && sp->nworkers == 0)
			exit(0);
		if (sig_ppoll(p, 3, time_to_wait(sp)) > 0)
			hear(sp, p);
		if (sig_take(SIGTERM))
			stop(sp);
		if (sig_take(SIGQUIT))
			drain(sp);
		reap(sp);
		if (!sp->ready && sp->phase == SERVING &&
		    atomic_load(&sp->sb.pool->arrived) > 0) {
			sp->ready = true;
			setup_ready(s);
		}
		if (sp->phase == STOPPING && io_now_ms() >= sp->kill_at) {
			signal_workers(sp, SIGKILL);
			sp->kill_at = io_now_ms() + KILL_MS;
		} else if (io_now_ms() >= sp->next_tick)
			tick(sp);
	}
}
