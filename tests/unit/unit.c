#include <sys/socket.h>

#include <arpa/inet.h>
#include <netinet/in.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "unit.h"

static char	 folder[64];

int
unit_run(Suite *s)
{
	SRunner	*sr = srunner_create(s);
	int	 failed;

	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? 0 : 1;
}

bool
unit_under_valgrind(void)
{
	const char	*preload = getenv("LD_PRELOAD");

	return preload != NULL && strstr(preload, "vgpreload") != NULL;
}

int
unit_count_fds(void)
{
	DIR	*d = opendir("/proc/self/fd");
	int	 n = -3;		/* ".", ".." and the folder itself */

	ck_assert_ptr_nonnull(d);
	while (readdir(d) != NULL)
		n++;
	closedir(d);
	return n;
}

static void
set_nonblocking(int fd)
{
	int	 flags = fcntl(fd, F_GETFL);

	ck_assert_int_ne(flags, -1);
	ck_assert_int_ne(fcntl(fd, F_SETFL, flags | O_NONBLOCK), -1);
}

void
unit_local_pair(int ends[2])
{
	ck_assert_int_eq(socketpair(AF_UNIX,
	    SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends), 0);
}

int
unit_tcp_listen(int backlog, uint16_t *port)
{
	struct sockaddr_in	 a = { .sin_family = AF_INET };
	socklen_t		 len = sizeof(a);
	int			 fd;

	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	ck_assert_int_ne(fd, -1);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	ck_assert_int_eq(listen(fd, backlog), 0);
	ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&a, &len), 0);
	*port = ntohs(a.sin_port);
	return fd;
}

int
unit_tcp6_listen(int backlog, uint16_t *port)
{
	struct sockaddr_in6	 a = { .sin6_family = AF_INET6 };
	socklen_t		 len = sizeof(a);
	int			 fd;

	a.sin6_addr = in6addr_loopback;
	fd = socket(AF_INET6, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd == -1)
		return -1;
	if (bind(fd, (struct sockaddr *)&a, sizeof(a)) == -1 ||
	    listen(fd, backlog) == -1 ||
	    getsockname(fd, (struct sockaddr *)&a, &len) == -1) {
		close(fd);
		return -1;
	}
	*port = ntohs(a.sin6_port);
	return fd;
}

int
unit_accept(int fd)
{
	int	 s;

	ck_assert_int_ne(unit_wait(fd, POLLIN, UNIT_MS), 0);
	s = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	ck_assert_int_ne(s, -1);
	return s;
}

void
unit_tcp_pair(int ends[2])
{
	struct sockaddr_in	 a;
	socklen_t		 len = sizeof(a);
	uint16_t		 port;
	int			 l = unit_tcp_listen(1, &port);

	ends[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	ck_assert_int_ne(ends[0], -1);
	ck_assert_int_eq(getsockname(l, (struct sockaddr *)&a, &len), 0);
	ck_assert_int_eq(connect(ends[0], (struct sockaddr *)&a, len), 0);
	set_nonblocking(ends[0]);
	ends[1] = unit_accept(l);
	close(l);
}

uint16_t
unit_dead_port(int *fd)
{
	struct sockaddr_in	 a = { .sin_family = AF_INET };
	socklen_t		 len = sizeof(a);

	/* Bound and not listening: refused, and nobody else's. */
	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	*fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	ck_assert_int_ne(*fd, -1);
	ck_assert_int_eq(bind(*fd, (struct sockaddr *)&a, sizeof(a)), 0);
	ck_assert_int_eq(getsockname(*fd, (struct sockaddr *)&a, &len), 0);
	return ntohs(a.sin_port);
}

short
unit_wait(int fd, short events, int ms)
{
	struct pollfd	 p = { .fd = fd, .events = events };
	int		 n;

	do
		n = poll(&p, 1, ms);
	while (n == -1 && errno == EINTR);
	ck_assert_int_ne(n, -1);
	return n == 0 ? 0 : p.revents;
}

void
unit_write(int fd, const void *data, size_t len)
{
	const char	*p = data;
	ssize_t		 n;

	while (len > 0) {
		ck_assert_int_ne(unit_wait(fd, POLLOUT, UNIT_MS), 0);
		n = send(fd, p, len, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n == -1 && errno == EAGAIN)
			continue;
		ck_assert_msg(n != -1, "send: %s", strerror(errno));
		p += n;
		len -= (size_t)n;
	}
}

void
unit_expect(int fd, const void *data, size_t len)
{
	const char	*p = data;
	char		 buf[65536];
	ssize_t		 n;

	while (len > 0) {
		ck_assert_msg(unit_wait(fd, POLLIN, UNIT_MS) != 0,
		    "%zu bytes did not come", len);
		n = recv(fd, buf, len < sizeof(buf) ? len : sizeof(buf),
		    MSG_DONTWAIT);
		ck_assert_msg(n > 0, "recv: %s, %zu bytes missing",
		    n == 0 ? "end of stream" : strerror(errno), len);
		ck_assert_mem_eq(buf, p, (size_t)n);
		p += n;
		len -= (size_t)n;
	}
}

size_t
unit_drain(int fd, bool *reset)
{
	static char	 buf[65536];
	size_t		 all = 0;
	ssize_t		 n;

	for (;;) {
		ck_assert_msg(unit_wait(fd, POLLIN, UNIT_MS) != 0,
		    "neither bytes nor an end came");
		n = recv(fd, buf, sizeof(buf), MSG_DONTWAIT);
		if (n > 0) {
			all += (size_t)n;
			continue;
		}
		*reset = n == -1;
		ck_assert(n == 0 || errno == ECONNRESET || errno == EPIPE);
		return all;
	}
}

void
unit_expect_end(int fd)
{
	bool	 reset;

	ck_assert_uint_eq(unit_drain(fd, &reset), 0);
	ck_assert_msg(!reset, "a reset instead of an orderly end");
}

void
unit_expect_reset(int fd)
{
	bool	 reset;

	(void)unit_drain(fd, &reset);
	ck_assert_msg(reset, "an orderly end instead of a reset");
}

size_t
unit_fill(int fd, int ms)
{
	static const char	 zeros[65536];
	size_t			 all = 0;
	ssize_t			 n;
	bool			 waited = false;

	/* One with little room takes it although poll says it has none. */
	for (;;) {
		n = send(fd, zeros, sizeof(zeros),
		    MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n > 0) {
			all += (size_t)n;
			waited = false;
			continue;
		}
		if (errno != EAGAIN || waited)
			break;
		waited = unit_wait(fd, POLLOUT, ms) == 0;
	}
	return all;
}

void
unit_paint(uint8_t *p, size_t len, size_t at)
{
	for (size_t i = 0; i < len; i++, at++)
		p[i] = (uint8_t)(at ^ at >> 8 ^ at >> 16);
}

uint8_t *
unit_exact(const void *data, size_t len)
{
	uint8_t	*p = malloc(len > 0 ? len : 1);

	ck_assert_ptr_nonnull(p);
	if (len > 0)
		memcpy(p, data, len);
	return p;
}

void
unit_reset(int fd)
{
	const struct linger	 now = { .l_onoff = 1, .l_linger = 0 };

	ck_assert_int_eq(setsockopt(fd, SOL_SOCKET, SO_LINGER, &now,
	    sizeof(now)), 0);
	close(fd);
}

const char *
unit_folder(void)
{
	strcpy(folder, "/tmp/sallyport-unit.XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(folder));
	return folder;
}

void
unit_folder_remove(void)
{
	char		 path[512];
	struct dirent	*e;
	DIR		*d;

	if (folder[0] == '\0' || (d = opendir(folder)) == NULL)
		return;
	while ((e = readdir(d)) != NULL) {
		snprintf(path, sizeof(path), "%s/%s", folder, e->d_name);
		if (e->d_name[0] != '.')
			(void)remove(path);
	}
	closedir(d);
	(void)remove(folder);
	folder[0] = '\0';
}
