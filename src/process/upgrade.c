#include <sys/socket.h>
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "base/mem.h"
#include "process/child.h"
#include "process/notify.h"
#include "process/reload.h"
#include "process/upgrade.h"

#define UPGRADE_MS	60000	/* for the new one to serve */
#define ANSWER_MS	5000	/* for the old one to let go */
#define FIRST_FD	3	/* sd_listen_fds(3) */

static void
fail(struct master *m, const char *why)
{
	struct upgrade	*u = &m->upgrade;

	log_error("upgrade: %s; nothing has changed", why);
	reload_report(m, u->who, why);
	reload_answer(m, u->who, EXIT_RUNTIME);
	close(u->fd);
	u->fd = -1;
}

/* Descriptors in a row from FIRST_FD, with names, for one process. */
static int
hand_sockets(const struct ports *ports)
{
	char	*names = mem_strdup(""), *longer, text[32];
	int	*high, n = 0;

	high = mem_calloc(ports->n + 1, sizeof(*high));
	/* First out of the way of each other, then in order. */
	for (size_t i = 0; i < ports->n; i++) {
		const struct bound	*b = ports->v[i];

		if (b->close_by != 0)
			continue;
		high[n] = fcntl(b->fd, F_DUPFD_CLOEXEC,
		    FIRST_FD + (int)ports->n);
		if (high[n] == -1)
			return -1;
		longer = mem_printf("%s%s%s", names, n > 0 ? ":" : "",
		    b->lent ? "lent" : BIND_OURS);
		free(names);
		names = longer;
		n++;
	}
	for (int i = 0; i < n; i++)
		if (dup2(high[i], FIRST_FD + i) == -1)
			return -1;
	snprintf(text, sizeof(text), "%d", n);
	(void)setenv("LISTEN_FDS", text, 1);
	snprintf(text, sizeof(text), "%d", (int)getpid());
	(void)setenv("LISTEN_PID", text, 1);
	(void)setenv("LISTEN_FDNAMES", names, 1);
	free(names);
	free(high);
	return 0;
}

/* It is to begin with signals as any program finds them. */
static void
reset_signals(void)
{
	sigset_t	 none;

	for (int s = 1; s < NSIG; s++)
		(void)signal(s, SIG_DFL);
	sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
}

static _Noreturn void
execute(const struct master *m, int fd)
{
	char	 text[512];
	int	 high;

	/* Where nobody reads what it says before it has a log, we do. */
	if (m->background && dup2(fd, STDERR_FILENO) == -1)
		_exit(EXIT_RUNTIME);
	high = fcntl(fd, F_DUPFD, FIRST_FD + 2 * (int)m->ports.n);
	snprintf(text, sizeof(text), "%d", high);
	(void)setenv(UPGRADE_ENV, text, 1);
	notify_hand_on();
	if (high != -1 && hand_sockets(&m->ports) == 0) {
		reset_signals();
		execv(m->path, m->argv);
	}
	snprintf(text, sizeof(text), "%s: %s", m->path, strerror(errno));
	upgrade_tell(high, text);
	_exit(EXIT_RUNTIME);
}

void
upgrade_begin(struct master *m, struct asker who)
{
	struct upgrade	*u = &m->upgrade;
	int		 ends[2];

	*u = (struct upgrade){ .who = who, .fd = -1 };
	log_info("upgrade: starting %s", m->path);
	reload_report(m, who, "starting the program on disk");
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == -1) {
		log_error("upgrade: socketpair: %s", strerror(errno));
		reload_answer(m, who, EXIT_RUNTIME);
		return;
	}
	u->fd = ends[0];
	(void)fcntl(u->fd, F_SETFL, O_NONBLOCK);
	u->deadline = io_now_ms() + UPGRADE_MS;
	u->pid = fork();
	if (u->pid == 0)
		execute(m, ends[1]);
	close(ends[1]);
	if (u->pid == -1) {
		u->pid = 0;
		fail(m, strerror(errno));
	}
}

/* From here on it serves, and we do not. */
static void
hand_over(struct master *m)
{
	struct upgrade	*u = &m->upgrade;
	const char	 yours = UPGRADE_YOURS;

	if (m->pidfile != NULL)
		(void)pidfile_close(m->pidfile);
	m->pidfile = NULL;
	if (send(u->fd, &yours, 1, MSG_NOSIGNAL) != 1) {
		/* It died with the word on its lips. */
		u->deaf = true;
		if (plan_lock_pidfile(m, m->now->conf) == 0 &&
		    m->pidfile != NULL)
			(void)pidfile_write(m->pidfile);
		return;
	}
	notify_mainpid(u->pid);
	u->done = true;
	close(u->fd);
	u->fd = -1;
	log_info("upgrade: process %d has taken over; ending with the last "
	    "session", (int)u->pid);
	reload_report(m, u->who, "it serves, and the old one ends with its "
	    "last session");
	reload_answer(m, u->who, EXIT_OK);
}

/* Pass on what it says; true at the word that it is ready. */
static bool
pass_on(const struct master *m, char *text)
{
	static const char	 word[] = { UPGRADE_READY, '\0' };
	char			*ready = strpbrk(text, word), *line, *save;

	if (ready != NULL)
		*ready = '\0';
	for (line = strtok_r(text, "\n", &save); line != NULL;
	    line = strtok_r(NULL, "\n", &save)) {
		log_one_of(LOGLINE_WARN, "upgrade: the new program says: "
		    "%s", line);
		reload_report(m, m->upgrade.who, line);
	}
	return ready != NULL;
}

/* 1 for the word, 0 for none yet, -1 when no more will come. */
static int
hear(struct master *m)
{
	char	 buf[1024];
	ssize_t	 n = recv(m->upgrade.fd, buf, sizeof(buf) - 1, MSG_DONTWAIT);

	if (n == -1 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n <= 0)
		return -1;
	buf[n] = '\0';
	return pass_on(m, buf);
}

void
upgrade_hear(struct master *m)
{
	switch (hear(m)) {
	case 1:
		hand_over(m);
		break;
	case -1:
		/* Its status, which is about to come, tells more. */
		(void)kill(m->upgrade.pid, SIGTERM);
		m->upgrade.deaf = true;
	}
}

static void
give_up(struct master *m, const char *why)
{
	struct upgrade	*u = &m->upgrade;

	/* Not TERM: it must not take our end for leave to begin. */
	if (u->pid != 0)
		(void)kill(u->pid, SIGKILL);
	u->pid = 0;
	fail(m, why);
}

void
upgrade_abort(struct master *m, const char *why)
{
	if (m->upgrade.fd != -1)
		give_up(m, why);
}

int64_t
upgrade_look_after(struct master *m)
{
	struct upgrade	*u = &m->upgrade;

	if (u->fd == -1)
		return INT64_MAX;
	if (io_left_ms(u->deadline) > 0)
		return u->deadline;
	give_up(m, "the new program did not get ready in time");
	return INT64_MAX;
}

static bool
is_readable(int fd)
{
	return io_wait(fd, POLLIN, io_now_ms()) > 0;
}

bool
upgrade_bury(struct master *m, pid_t pid, int status)
{
	struct upgrade	*u = &m->upgrade;
	char		 why[128];

	if (pid != u->pid || pid == 0)
		return false;
	u->pid = 0;
	if (u->fd == -1) {
		log_error("upgrade: process %d, which had taken over, has "
		    "ended", (int)pid);
		return true;
	}
	while (!u->deaf && hear(m) == 0 && is_readable(u->fd))
		continue;		/* what it said last */
	if (WIFEXITED(status))
		snprintf(why, sizeof(why), "the new program ended with status "
		    "%d", WEXITSTATUS(status));
	else
		snprintf(why, sizeof(why), "the new program died by signal "
		    "%d (%s)", WTERMSIG(status), strsignal(WTERMSIG(status)));
	fail(m, why);
	return true;
}

int
upgrade_predecessor(void)
{
	const char	*text = getenv(UPGRADE_ENV);
	int		 fd;

	if (text == NULL)
		return -1;
	fd = atoi(text);
	(void)unsetenv(UPGRADE_ENV);
	if (fd <= STDERR_FILENO || fcntl(fd, F_SETFD, FD_CLOEXEC) == -1)
		return -1;
	return fd;
}

void
upgrade_tell(int predecessor, const char *text)
{
	char	*line = mem_printf("%s\n", text);

	(void)!send(predecessor, line, strlen(line), MSG_NOSIGNAL);
	free(line);
}

int
upgrade_take_over(int fd)
{
	const char	 ready = UPGRADE_READY;
	char		 answer = 0;
	int64_t		 deadline = io_now_ms() + ANSWER_MS;
	ssize_t		 n = -1;

	if (send(fd, &ready, 1, MSG_NOSIGNAL) != 1)
		return errno == EPIPE ? 1 : -1;
	while (n == -1 && io_left_ms(deadline) > 0) {
		(void)io_wait(fd, POLLIN, deadline);
		n = recv(fd, &answer, 1, MSG_DONTWAIT);
		if (n == -1 && errno == ECONNRESET)
			n = 0;		/* gone, with our word unread */
	}
	if (n == 0)
		return 1;
	/* A word that comes from here on must not be taken for heard. */
	if (n == -1 && shutdown(fd, SHUT_RD) == 0)
		(void)!recv(fd, &answer, 1, MSG_DONTWAIT);
	return answer == UPGRADE_YOURS ? 0 : -1;
}
