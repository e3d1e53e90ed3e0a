#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "crowd.h"
#include "rig.h"

#define GUESTS_MAX	512
#define BLOCK		4096
#define PAUSE_MS	2		/* others work on this machine */

static pid_t
start(void)
{
	pid_t	 pid = fork();

	ck_assert_int_ne(pid, -1);
	if (pid == 0)
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	return pid;
}

/* One turn of a guest; false when it has left. */
static bool
answer(int fd)
{
	char	 buf[BLOCK];
	ssize_t	 n = recv(fd, buf, sizeof(buf), MSG_DONTWAIT);

	if (n == -1 && errno == EAGAIN)
		return true;
	/* What a guest has not read it is not to say more than: no deadlock. */
	return n > 0 && send(fd, buf, (size_t)n, MSG_NOSIGNAL) == n;
}

static _Noreturn void
serve(int lfd, char id)
{
	static struct pollfd	 p[GUESTS_MAX];
	nfds_t			 n = 1;

	p[0] = (struct pollfd){ lfd, POLLIN, 0 };
	for (;;) {
		p[0].events = n < GUESTS_MAX ? POLLIN : 0;
		(void)poll(p, n, -1);
		for (nfds_t i = n; i-- > 1;)
			if (p[i].revents != 0 && !answer(p[i].fd)) {
				close(p[i].fd);
				p[i] = p[--n];
			}
		if ((p[0].revents & POLLIN) == 0)
			continue;
		p[n] = (struct pollfd){
			accept(lfd, NULL, NULL), POLLIN, 0
		};
		if (p[n].fd != -1 && send(p[n].fd, &id, 1, MSG_NOSIGNAL) == 1)
			n++;
		else if (p[n].fd != -1)
			close(p[n].fd);
	}
}

int
crowd_server(char id)
{
	int	 port, lfd = rig_listen(&port);

	if (start() == 0)
		serve(lfd, id);
	close(lfd);
	return port;
}

static bool
hear(int fd, void *data, size_t len)
{
	char	*p = data;
	ssize_t	 n;

	for (; len > 0; p += n, len -= (size_t)n) {
		struct pollfd	 ready = { fd, POLLIN, 0 };

		if (poll(&ready, 1, rig_patience(RIG_MS)) != 1)
			return false;
		n = recv(fd, p, len, 0);
		if (n <= 0)
			return false;
	}
	return true;
}

/* Bytes that depend on all that was said before. */
static bool
exchange(int fd, uint32_t *seed)
{
	unsigned char	 said[BLOCK], heard[BLOCK];
	size_t		 len;

	for (size_t i = 0; i < sizeof(said); i++) {
		*seed = *seed * 1103515245 + 12345;
		said[i] = (unsigned char)(*seed >> 16);
	}
	len = *seed % sizeof(said) + 1;
	return send(fd, said, len, MSG_NOSIGNAL) == (ssize_t)len &&
	    hear(fd, heard, len) && memcmp(said, heard, len) == 0;
}

static const char *
visit(int port)
{
	uint32_t	 seed = (uint32_t)getpid();
	const char	*why = NULL;
	char		 id;
	int		 fd = rig_dial(port);

	if (fd == -1)
		return "refused";
	if (!hear(fd, &id, 1))
		why = "cut before a server spoke";
	else if (!exchange(fd, &seed))
		why = "cut";
	close(fd);
	return why;
}

static _Noreturn void
visit_until(int port, int stop)
{
	struct pollfd	 p = { stop, POLLIN, 0 };
	const char	*why = NULL;
	uint32_t	 seed = 1;
	size_t		 n = 0;
	char		 id;
	int		 held = rig_dial(port);

	if (held == -1 || !hear(held, &id, 1))
		why = "no long session";
	while (why == NULL && poll(&p, 1, PAUSE_MS) == 0) {
		why = visit(port);
		n++;
		if (why == NULL && !exchange(held, &seed))
			why = "the long session was cut";
	}
	if (why != NULL)
		fprintf(stderr, "session %zu: %s: %s\n", n, why,
		    strerror(errno));
	(void)!write(stop, &n, sizeof(n));
	_exit(why != NULL);
}

void
crowd_load(struct load *l, int port)
{
	int	 ends[2];

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0,
	    ends), 0);
	l->pid = start();
	if (l->pid == 0)
		visit_until(port, ends[1]);
	close(ends[1]);
	l->fd = ends[0];
}

size_t
crowd_rest(struct load *l)
{
	size_t	 n = 0;
	int	 status;

	(void)!send(l->fd, "", 1, MSG_NOSIGNAL);
	ck_assert(hear(l->fd, &n, sizeof(n)));
	ck_assert_int_eq(waitpid(l->pid, &status, 0), l->pid);
	ck_assert_int_eq(status, 0);
	close(l->fd);
	return n;
}

static char
who(int fd)
{
	char	 id = 0;

	if (fd == -1)
		return 0;
	if (!hear(fd, &id, 1))
		id = 0;
	close(fd);
	return id;
}

char
crowd_who(int port)
{
	return who(rig_dial(port));
}

char
crowd_who_unix(const char *path)
{
	return who(rig_dial_unix(path));
}

int64_t
crowd_until(int port, char want)
{
	int64_t	 began = rig_now();
	char	 is;

	while ((is = crowd_who(port)) != want) {
		if (rig_now() - began >= rig_patience(RIG_MS))
			ck_abort_msg("port %d: %d answers, want %d", port,
			    is, want);
		(void)poll(NULL, 0, 1);
	}
	return rig_now() - began;
}

int
crowd_session(int port)
{
	char	 id;
	int	 fd = rig_dial(port);

	ck_assert_int_ne(fd, -1);
	rig_hear_bytes(fd, &id, 1);
	crowd_check(fd);
	return fd;
}

void
crowd_check(int fd)
{
	rig_say(fd, "still there?");
	rig_hear(fd, "still there?");
}
