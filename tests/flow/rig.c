#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

#include <netinet/in.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "rig.h"

/* What a test leaves behind goes with its process, in sanitizer builds too. */
const char	*__asan_default_options(void);

const char *
__asan_default_options(void)
{
	return "detect_leaks=0";
}

int
rig_run(Suite *s)
{
	SRunner	*sr = srunner_create(s);
	int	 failed;

	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

int64_t
rig_now(void)
{
	struct timespec	 ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

bool
rig_is_slow(void)
{
	const char	*wrap = getenv("SALLYPORT_WRAP");

	return wrap != NULL && wrap[0] != '\0';
}

int
rig_patience(int ms)
{
	return rig_is_slow() ? ms * 10 : ms;
}

/* Give others a moment, as part of a wait that has a deadline. */
static void
yield(void)
{
	(void)poll(NULL, 0, 2);
}

static struct sockaddr_in
loopback(int port)
{
	return (struct sockaddr_in){
		.sin_family = AF_INET, .sin_port = htons((uint16_t)port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
}

int
rig_listen(int *port)
{
	struct sockaddr_in	 sin = loopback(0);
	socklen_t		 len = sizeof(sin);
	int			 fd = socket(AF_INET, SOCK_STREAM |
				    SOCK_CLOEXEC, 0);

	ck_assert_int_ne(fd, -1);
	ck_assert_int_eq(bind(fd, (void *)&sin, sizeof(sin)), 0);
	ck_assert_int_eq(listen(fd, 4096), 0);
	ck_assert_int_eq(getsockname(fd, (void *)&sin, &len), 0);
	*port = ntohs(sin.sin_port);
	return fd;
}

/* Below 30000, from where on tests with whole ranges have theirs. */
#define PORT_MIN	12000
#define PORT_MAX	30000

int
rig_port(void)
{
	static int		 port;
	struct sockaddr_in	 sin;
	int			 fd, rc;

	if (port == 0)
		port = PORT_MIN + getpid() * 37 % (PORT_MAX - PORT_MIN);
	for (int tries = 0; tries < 1000; tries++) {
		port = port + 1 < PORT_MAX ? port + 1 : PORT_MIN;
		sin = loopback(port);
		fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		rc = bind(fd, (void *)&sin, sizeof(sin));
		close(fd);
		if (rc == 0)
			return port;
	}
	ck_abort_msg("no port is free");
	return -1;
}

static socklen_t
unix_addr(struct sockaddr_un *un, const char *path)
{
	memset(un, 0, sizeof(*un));
	un->sun_family = AF_UNIX;
	ck_assert_uint_lt(strlen(path), sizeof(un->sun_path));
	memcpy(un->sun_path, path, strlen(path));
	if (path[0] == '@') {
		un->sun_path[0] = '\0';
		return (socklen_t)(offsetof(struct sockaddr_un, sun_path) +
		    strlen(path));
	}
	return sizeof(*un);
}

int
rig_listen_unix(const char *path)
{
	struct sockaddr_un	 un;
	socklen_t		 len = unix_addr(&un, path);
	int			 fd = socket(AF_UNIX, SOCK_STREAM |
				    SOCK_CLOEXEC, 0);

	ck_assert_int_eq(bind(fd, (void *)&un, len), 0);
	if (path[0] == '/')
		ck_assert_int_eq(chmod(path, 0666), 0);
	ck_assert_int_eq(listen(fd, 64), 0);
	return fd;
}

static void
wait_for(int fd, short events)
{
	struct pollfd	 p = { .fd = fd, .events = events };

	if (poll(&p, 1, rig_patience(RIG_MS)) != 1)
		ck_abort_msg("nothing within %d ms", rig_patience(RIG_MS));
}

int
rig_accept(int lfd)
{
	int	 fd;

	wait_for(lfd, POLLIN);
	fd = accept4(lfd, NULL, NULL, SOCK_CLOEXEC);
	ck_assert_int_ne(fd, -1);
	return fd;
}

static int
dial(int family, const void *addr, socklen_t len)
{
	int	 fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	ck_assert_int_ne(fd, -1);
	if (connect(fd, addr, len) == -1) {
		close(fd);
		return -1;
	}
	return fd;
}

int
rig_dial(int port)
{
	struct sockaddr_in	 sin = loopback(port);

	return dial(AF_INET, &sin, sizeof(sin));
}

void
rig_until_refused(int port)
{
	const int64_t	 end = rig_now() + RIG_MS;
	int		 fd;

	while ((fd = rig_dial(port)) != -1) {
		close(fd);
		if (rig_now() > end)
			ck_abort_msg("port %d is still listened on", port);
		yield();
	}
}

int
rig_dial_v6(int port)
{
	struct sockaddr_in6	 sin6 = {
		.sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port),
		.sin6_addr = IN6ADDR_LOOPBACK_INIT,
	};

	return dial(AF_INET6, &sin6, sizeof(sin6));
}

int
rig_dial_unix(const char *path)
{
	struct sockaddr_un	 un;
	socklen_t		 len = unix_addr(&un, path);

	return dial(AF_UNIX, &un, len);
}

void
rig_send(int fd, const void *data, size_t len)
{
	const char	*p = data;
	ssize_t		 n;

	while (len > 0) {
		wait_for(fd, POLLOUT);
		n = send(fd, p, len, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n == -1 && errno == EAGAIN)
			continue;
		if (n == -1)
			ck_abort_msg("send: %s", strerror(errno));
		p += n;
		len -= (size_t)n;
	}
}

void
rig_say(int fd, const char *text)
{
	rig_send(fd, text, strlen(text));
}

void
rig_hear_bytes(int fd, void *data, size_t len)
{
	char	*p = data;
	ssize_t	 n;

	while (len > 0) {
		wait_for(fd, POLLIN);
		n = recv(fd, p, len, MSG_DONTWAIT);
		if (n == -1 && errno == EAGAIN)
			continue;
		if (n <= 0)
			ck_abort_msg("%zu bytes missing: %s", len, n == 0 ?
			    "end of stream" : strerror(errno));
		p += n;
		len -= (size_t)n;
	}
}

void
rig_hear(int fd, const char *text)
{
	char	 buf[256];
	size_t	 len = strlen(text);

	ck_assert_uint_lt(len, sizeof(buf));
	rig_hear_bytes(fd, buf, len);
	buf[len] = '\0';
	ck_assert_str_eq(buf, text);
}

void
rig_end(int fd)
{
	ck_assert_int_eq(shutdown(fd, SHUT_WR), 0);
}

void
rig_hear_end(int fd)
{
	char	 c;
	ssize_t	 n;

	wait_for(fd, POLLIN);
	n = recv(fd, &c, 1, 0);
	if (n != 0)
		ck_abort_msg("want the end of the stream, got %s", n == 1 ?
		    "a byte" : strerror(errno));
}

void
rig_hear_reset(int fd)
{
	char	 c;
	ssize_t	 n;

	wait_for(fd, POLLIN);
	n = recv(fd, &c, 1, 0);
	if (n != -1 || errno != ECONNRESET)
		ck_abort_msg("want a reset, got %s", n == 0 ?
		    "the end of the stream" : n == 1 ? "a byte" :
		    strerror(errno));
}

void
rig_hear_nothing(int fd)
{
	struct pollfd	 p = { .fd = fd, .events = POLLIN };

	ck_assert_int_eq(poll(&p, 1, 0), 0);
}

void
rig_reset(int fd)
{
	const struct linger	 now = { 1, 0 };

	ck_assert_int_eq(setsockopt(fd, SOL_SOCKET, SO_LINGER, &now,
	    sizeof(now)), 0);
	close(fd);
}

static const char *
program(void)
{
	const char	*path = getenv("SALLYPORTD");

	return path != NULL ? path : "./sallyportd";
}

/* The configuration with %D filled in, and what every one has. */
static void
write_conf(const struct daemon *d, const char *text)
{
	char	 path[128];
	FILE	*f;

	snprintf(path, sizeof(path), "%s/conf", d->dir);
	f = fopen(path, "w");
	ck_assert_ptr_nonnull(f);
	fprintf(f, "user = \"nobody\";\n");
	/* valgrind makes system calls of its own in every process. */
	if (rig_is_slow())
		fprintf(f, "sandbox = \"off\";\n");
	if (strstr(text, "log = {") == NULL)
		fprintf(f, "log = { to = \"stdout\"; level = \"debug\"; };\n");
	for (; *text != '\0'; text++) {
		if (text[0] == '%' && text[1] == 'D') {
			fputs(d->dir, f);
			text++;
		} else
			fputc(*text, f);
	}
	ck_assert_int_eq(fclose(f), 0);
}

static _Noreturn void
execute(const struct daemon *d, int out)
{
	char	 file[128], wrap[1024] = "";
	char	*argv[32], *save = NULL, prog[1024];
	size_t	 n = 0;

	snprintf(prog, sizeof(prog), "%s", program());
	snprintf(file, sizeof(file), "%s/conf", d->dir);
	if (rig_is_slow())
		snprintf(wrap, sizeof(wrap), "%s", getenv("SALLYPORT_WRAP"));
	for (char *p = strtok_r(wrap, " ", &save); p != NULL && n < 28;
	    p = strtok_r(NULL, " ", &save))
		argv[n++] = p;
	argv[n++] = prog;
	argv[n++] = (char[]){ "-f" };
	argv[n++] = file;
	argv[n] = NULL;
	/* However the test ends, the daemon ends with it. */
	(void)prctl(PR_SET_PDEATHSIG, SIGTERM);
	dup2(out, STDOUT_FILENO);
	execvp(argv[0], argv);
	_exit(99);
}

static void
start(struct daemon *d, const char *text)
{
	int	 ends[2];

	memset(d, 0, sizeof(*d));
	snprintf(d->dir, sizeof(d->dir), "/tmp/sallyport-flow.XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(d->dir));
	ck_assert_int_eq(chmod(d->dir, 0777), 0);
	write_conf(d, text);
	ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
	(void)fcntl(ends[1], F_SETPIPE_SZ, 1024 * 1024);
	ck_assert_int_ne(fcntl(ends[0], F_SETFL, O_NONBLOCK), -1);
	d->pid = fork();
	ck_assert_int_ne(d->pid, -1);
	if (d->pid == 0)
		execute(d, ends[1]);
	close(ends[1]);
	d->log_fd = ends[0];
}

void
rig_start(struct daemon *d, const char *fmt, ...)
{
	char	 text[8192];
	va_list	 ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	start(d, text);
}

void
rig_up(struct daemon *d, const char *fmt, ...)
{
	char	 text[8192];
	va_list	 ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	start(d, text);
	(void)rig_line(d, "ready: ");
}

void
rig_conf(struct daemon *d, const char *fmt, ...)
{
	char	 text[16384];
	va_list	 ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	write_conf(d, text);
}

void
rig_up_simple(struct daemon *d, int port, const char *forward)
{
	rig_up(d, "listeners = ( { name = \"l\"; listen = \"127.0.0.1:%d\"; "
	    "forward = \"%s\"; } );\n", port, forward);
}

void
rig_kill(struct daemon *d, int signo)
{
	ck_assert_int_eq(kill(d->pid, signo), 0);
}

static void
read_log(struct daemon *d)
{
	ssize_t	 n;

	do {
		d->log = realloc(d->log, d->log_len + 65537);
		ck_assert_ptr_nonnull(d->log);
		n = read(d->log_fd, d->log + d->log_len, 65536);
		if (n > 0)
			d->log_len += (size_t)n;
		d->log[d->log_len] = '\0';
	} while (n > 0);
}

int
rig_wait(struct daemon *d, int ms)
{
	int64_t	 deadline = rig_now() + rig_patience(ms);

	while (waitpid(d->pid, &d->status, WNOHANG) == 0) {
		if (rig_now() >= deadline)
			ck_abort_msg("the daemon still runs after %d ms", ms);
		read_log(d);
		yield();
	}
	read_log(d);
	return WIFEXITED(d->status) ? WEXITSTATUS(d->status) :
	    -WTERMSIG(d->status);
}

void
rig_down(struct daemon *d)
{
	char	 cmd[128];

	rig_kill(d, SIGTERM);
	ck_assert_int_eq(rig_wait(d, RIG_MS), 0);
	snprintf(cmd, sizeof(cmd), "rm -r '%s'", d->dir);
	ck_assert_int_eq(system(cmd), 0);
	close(d->log_fd);
	free(d->log);
}

void
rig_adopt(void)
{
	ck_assert_int_eq(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
}

void
rig_follow(struct daemon *d, pid_t pid)
{
	int64_t	 deadline = rig_now() + rig_patience(RIG_MS);

	if (pid == d->pid)
		return;
	while (waitpid(d->pid, &d->status, WNOHANG) == 0) {
		if (rig_now() >= deadline)
			ck_abort_msg("master %d still runs", (int)d->pid);
		read_log(d);
		yield();
	}
	ck_assert_int_eq(d->status, 0);
	d->pid = pid;
}

static const char *
find_line(struct daemon *d, const char *text)
{
	static char	 line[8192];
	const char	*p = d->log + d->seen, *end;

	for (; (end = strchr(p, '\n')) != NULL; p = end + 1) {
		snprintf(line, sizeof(line), "%.*s", (int)(end - p), p);
		if (strstr(line, text) == NULL)
			continue;
		d->seen = (size_t)(end + 1 - d->log);
		return line;
	}
	return NULL;
}

/* With the end of what there was instead. */
static void
complain(const struct daemon *d, const char *text)
{
	size_t	 from = d->log_len > 4000 ? d->log_len - 4000 : 0;

	ck_abort_msg("no line with \"%s\" after:\n%s", text,
	    d->log + (d->seen > from ? d->seen : from));
}

const char *
rig_line_ms(struct daemon *d, const char *text, int ms)
{
	int64_t		 deadline = rig_now() + rig_patience(ms);
	struct pollfd	 p = { .fd = d->log_fd, .events = POLLIN };
	const char	*line;

	for (;;) {
		read_log(d);
		line = find_line(d, text);
		if (line != NULL)
			return line;
		if (rig_now() >= deadline)
			complain(d, text);
		(void)poll(&p, 1, 10);
	}
}

const char *
rig_line(struct daemon *d, const char *text)
{
	return rig_line_ms(d, text, RIG_MS);
}

size_t
rig_count(struct daemon *d, const char *text)
{
	size_t	 n = 0;

	read_log(d);
	for (size_t i = 0; i < d->log_len; i++)
		if (strncmp(d->log + i, text, strlen(text)) == 0)
			n++;
	return n;
}

double
rig_number(const char *line, const char *key)
{
	char		 pattern[64];
	const char	*p;

	snprintf(pattern, sizeof(pattern), " %s=", key);
	p = strstr(line, pattern);
	if (p == NULL)
		ck_abort_msg("no %s in: %s", key, line);
	return strtod(p + strlen(pattern), NULL);
}

char *
rig_proc(pid_t pid, const char *file, char *buf, size_t size)
{
	char	 path[64];
	ssize_t	 n = -1;
	int	 fd;

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, file);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd != -1) {
		n = read(fd, buf, size - 1);
		close(fd);
	}
	buf[n > 0 ? n : 0] = '\0';
	return buf;
}

size_t
rig_descriptors(pid_t pid)
{
	char	 path[64];
	size_t	 n = 0;
	DIR	*dir;

	snprintf(path, sizeof(path), "/proc/%d/fd", (int)pid);
	dir = opendir(path);
	ck_assert_ptr_nonnull(dir);
	while (readdir(dir) != NULL)
		n++;
	closedir(dir);
	return n - 2;		/* . and .. */
}

long
rig_memory(pid_t pid)
{
	/* Pss would tell how many others share the libraries just now. */
	static const char	*const kinds[] = { "\nRssAnon:",
				    "\nRssShmem:" };
	char			 buf[4096];
	const char		*p;
	long			 sum = 0;

	rig_proc(pid, "status", buf, sizeof(buf));
	for (size_t i = 0; i < 2; i++) {
		p = strstr(buf, kinds[i]);
		ck_assert_ptr_nonnull(p);
		sum += strtol(p + strlen(kinds[i]), NULL, 10);
	}
	return sum;
}

/* Is `pid' the daemon or one that descends from it?  Bounded depth. */
static bool
is_ours(const struct daemon *d, pid_t pid)
{
	char	 buf[512];
	char	*p;

	for (int depth = 0; depth < 6 && pid > 1; depth++) {
		if (pid == d->pid)
			return true;
		rig_proc(pid, "stat", buf, sizeof(buf));
		p = strrchr(buf, ')');
		if (p == NULL)
			return false;
		pid = (pid_t)strtol(p + 4, NULL, 10);
	}
	return false;
}

size_t
rig_pids(const struct daemon *d, const char *text, pid_t *pids, size_t max)
{
	struct dirent	*e;
	size_t		 n = 0;
	DIR		*proc = opendir("/proc");

	ck_assert_ptr_nonnull(proc);
	while ((e = readdir(proc)) != NULL) {
		char	 title[512];
		pid_t	 pid = (pid_t)strtol(e->d_name, NULL, 10);

		if (pid <= 1 || strstr(rig_proc(pid, "cmdline", title,
		    sizeof(title)), text) == NULL || !is_ours(d, pid))
			continue;
		if (n < max)
			pids[n] = pid;
		n++;
	}
	closedir(proc);
	return n;
}

pid_t
rig_pid(const struct daemon *d, const char *text)
{
	int64_t	 deadline = rig_now() + rig_patience(RIG_MS);
	pid_t	 pid;

	while (rig_pids(d, text, &pid, 1) == 0) {
		if (rig_now() >= deadline)
			ck_abort_msg("no process \"%s\"", text);
		yield();
	}
	return pid;
}

void
rig_until(const struct daemon *d, const char *text, size_t want)
{
	int64_t	 deadline = rig_now() + rig_patience(RIG_MS);
	size_t	 n;

	while ((n = rig_pids(d, text, NULL, 0)) != want) {
		if (rig_now() >= deadline)
			ck_abort_msg("%zu processes \"%s\", want %zu", n,
			    text, want);
		yield();
	}
}

void
rig_until_gone(pid_t pid, int ms)
{
	int64_t	 deadline = rig_now() + rig_patience(ms);
	char	 buf[512];
	char	*state;

	/* A zombie that nobody has buried yet is gone too. */
	while (*rig_proc(pid, "stat", buf, sizeof(buf)) != '\0' &&
	    (state = strrchr(buf, ')')) != NULL && state[2] != 'Z') {
		if (rig_now() >= deadline)
			ck_abort_msg("process %d is still there", (int)pid);
		yield();
	}
}

void
rig_until_buried(pid_t pid)
{
	int64_t	 deadline = rig_now() + rig_patience(RIG_MS);
	char	 buf[512];

	while (*rig_proc(pid, "stat", buf, sizeof(buf)) != '\0') {
		if (rig_now() >= deadline)
			ck_abort_msg("nobody buries process %d", (int)pid);
		yield();
	}
}
