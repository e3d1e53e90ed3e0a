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
static void
hand_sockets(const struct ports *ports)
{
	char	*names = mem_strdup(""), *longer, text[32];
	int	*high, n = 0;

	high = mem_calloc(ports->n + 1, sizeof(*high));
	/* First out of the way of each other, then in order. */
	for (size_t i = 0; i < ports->n; i++)
		if (ports->v[i]->close_by == 0)
			high[n++] = fcntl(ports->v[i]->fd, F_DUPFD_CLOEXEC,
			    FIRST_FD + 2 * (int)ports->n);
	for (int i = 0; i < n; i++) {
		(void)dup2(high[i], FIRST_FD + i);
		longer = mem_printf("%s%ssallyport", names, i > 0 ? ":" : "");
		free(names);
		names = longer;
	}
	snprintf(text, sizeof(text), "%d", n);
	(void)setenv("LISTEN_FDS", text, 1);
	snprintf(text, sizeof(text), "%d", (int)getpid());
	(void)setenv("LISTEN_PID", text, 1);
	(void)setenv("LISTEN_FDNAMES", names, 1);
	free(names);
	free(high);
}

static _Noreturn void
execute(const struct master *m, int fd)
{
	char	 text[32];
	int	 high;

	/* Where nobody reads what it says before it has a log, we do. */
	if (m->background && dup2(fd, STDERR_FILENO) == -1)
		_exit(EXIT_RUNTIME);
	high = fcntl(fd, F_DUPFD, FIRST_FD + 3 * (int)m->ports.n + 10);
	snprintf(text, sizeof(text), "%d", high);
	(void)setenv(UPGRADE_ENV, text, 1);
	notify_hand_on();
	hand_sockets(&m->ports);
	execv(m->path, m->argv);
	fprintf(stderr, "%s: %s\n", m->path, strerror(errno));
	_exit(EXIT_RUNTIME);
}

void
upgrade_begin(struct master *m, struct asker who)
{
	struct upgrade	*u = &m->upgrade;
	int		 ends[2];

	u->who = who;
	log_info("upgrade: starting %s", m->path);
	reload_report(m, who, "starting the program on disk");
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == -1) {
		u->fd = -1;
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
	notify_mainpid(u->pid);
	u->done = true;
	(void)!send(u->fd, &yours, 1, MSG_NOSIGNAL);
	close(u->fd);
	u->fd = -1;
	log_info("upgrade: process %d has taken over; ending with the last "
	    "session", (int)u->pid);
	reload_report(m, u->who, "it serves, and the old one ends with its "
	    "last session");
	reload_answer(m, u->who, EXIT_OK);
}

void
upgrade_hear(struct master *m)
{
	char	 buf[1024], *line, *end;
	ssize_t	 n = recv(m->upgrade.fd, buf, sizeof(buf) - 1, MSG_DONTWAIT);

	if (n == -1 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		/* Its status, which is about to come, tells more. */
		(void)kill(m->upgrade.pid, SIGTERM);
		m->upgrade.deaf = true;
		return;
	}
	buf[n] = '\0';
	for (line = buf; line != NULL && *line != '\0'; line = end) {
		if (*line == UPGRADE_READY) {
			hand_over(m);
			return;
		}
		end = strchr(line, '\n');
		if (end != NULL)
			*end++ = '\0';
		log_warn("upgrade: the new program says: %s", line);
		reload_report(m, m->upgrade.who, line);
	}
}

int64_t
upgrade_look_after(struct master *m)
{
	struct upgrade	*u = &m->upgrade;

	if (u->fd == -1)
		return INT64_MAX;
	if (io_left_ms(u->deadline) > 0)
		return u->deadline;
	if (u->pid != 0)
		(void)kill(u->pid, SIGKILL);
	u->pid = 0;
	fail(m, "the new program did not get ready in time");
	return INT64_MAX;
}

bool
upgrade_bury(struct master *m, pid_t pid, int status)
{
	struct upgrade	*u = &m->upgrade;
	char		 why[128];

	if (pid != u->pid || pid == 0)
		return false;
	if (u->fd != -1)
		upgrade_hear(m);	/* what it said last */
	u->pid = 0;
	if (u->done || u->fd == -1)
		return true;
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

int
upgrade_take_over(int fd)
{
	const char	 ready = UPGRADE_READY;
	char		 answer = 0;
	int64_t		 deadline = io_now_ms() + ANSWER_MS;

	if (send(fd, &ready, 1, MSG_NOSIGNAL) != 1)
		return -1;
	while (io_left_ms(deadline) > 0) {
		if (io_wait(fd, POLLIN, deadline) == -1 && errno == EINTR)
			continue;
		if (recv(fd, &answer, 1, MSG_DONTWAIT) == -1 &&
		    errno == EAGAIN)
			continue;
		break;
	}
	return answer == UPGRADE_YOURS ? 0 : -1;
}
