/*
 * What the keeper does for sessions: servers that are down, counts and
 * limits, queues, names whose addresses change, and its own death.
 */
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "rig.h"

#define CONNS_MAX	512

/*
 * A server in a process of its own: says its letter to whoever connects and
 * holds on until they leave.  Checks are welcome too.
 */
struct server {
	char	 letter;
	int	 port;
	pid_t	 pid;
};

static void
farm(int lfd, char letter)
{
	struct pollfd	 p[CONNS_MAX] = { { .fd = lfd, .events = POLLIN } };
	nfds_t		 n = 1;
	char		 c;

	for (;;) {
		if (poll(p, n, -1) == -1)
			_exit(1);
		for (nfds_t i = n - 1; i > 0; i--) {
			if (p[i].revents == 0 || read(p[i].fd, &c, 1) > 0)
				continue;
			close(p[i].fd);
			p[i] = p[--n];
		}
		if (p[0].revents == 0 || n == CONNS_MAX)
			continue;
		p[n] = (struct pollfd){
			.fd = accept(lfd, NULL, NULL), .events = POLLIN,
		};
		if (p[n].fd != -1 && send(p[n].fd, &letter, 1,
		    MSG_NOSIGNAL) == 1)
			n++;
	}
}

/* Have it serve, at the port that it had before. */
static void
start(struct server *s, char letter)
{
	struct sockaddr_in	 sin = { .sin_family = AF_INET };
	const int		 on = 1;
	int			 fd;

	if (s->port == 0)
		s->port = rig_port();
	s->letter = letter;
	sin.sin_port = htons((uint16_t)s->port);
	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	ck_assert_int_eq(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on,
	    sizeof(on)), 0);
	ck_assert_int_eq(bind(fd, (void *)&sin, sizeof(sin)), 0);
	ck_assert_int_eq(listen(fd, 4096), 0);
	s->pid = check_fork();
	if (s->pid == 0)
		farm(fd, letter);
	close(fd);
}

static void
stop(struct server *s)
{
	ck_assert_int_eq(kill(s->pid, SIGKILL), 0);
	ck_assert_int_eq(waitpid(s->pid, NULL, 0), s->pid);
}

/* A client from 127.0.0.`last'. */
static int
dial_from(int last, int port)
{
	struct sockaddr_in	 sin = { .sin_family = AF_INET };
	int			 fd = socket(AF_INET,
				    SOCK_STREAM | SOCK_CLOEXEC, 0);

	sin.sin_addr.s_addr = htonl(0x7f000000u | (unsigned int)last);
	ck_assert_int_eq(bind(fd, (void *)&sin, sizeof(sin)), 0);
	sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	sin.sin_port = htons((uint16_t)port);
	ck_assert_int_eq(connect(fd, (void *)&sin, sizeof(sin)), 0);
	return fd;
}

/* The letter of who answers, or '-' when nobody does and it is closed. */
static char
answer(int fd)
{
	struct pollfd	 p = { .fd = fd, .events = POLLIN };
	char		 c;

	if (poll(&p, 1, rig_patience(RIG_MS)) != 1)
		ck_abort_msg("neither a server nor an end");
	return recv(fd, &c, 1, 0) == 1 ? c : '-';
}

/* One session, over at once; who served it. */
static char
visit(int port)
{
	int	 fd = rig_dial(port);
	char	 c;

	ck_assert_int_ne(fd, -1);
	c = answer(fd);
	close(fd);
	return c;
}

/* Visit until nobody but these serve, or those all have. */
static void
visit_until(int port, const char *only)
{
	int64_t	 deadline = rig_now() + rig_patience(RIG_MS);
	int	 in_a_row = 0;

	while (in_a_row < 12) {
		ck_assert_int_lt(rig_now(), deadline);
		in_a_row = strchr(only, visit(port)) != NULL ?
		    in_a_row + 1 : 0;
	}
}

static int
local_port(int fd)
{
	struct sockaddr_in	 sin;
	socklen_t		 len = sizeof(sin);

	ck_assert_int_eq(getsockname(fd, (void *)&sin, &len), 0);
	return ntohs(sin.sin_port);
}

/* The worker that serves this client. */
static pid_t
worker_of(const struct daemon *d, int fd)
{
	char	 title[64];

	snprintf(title, sizeof(title), ":%d", local_port(fd));
	return rig_pid(d, title);
}

#define LISTENER "listeners = ( { name = \"l\"; listen = \"127.0.0.1:%d\"; " \
	"forward = \"backend:db\"; %s } );\n"

static struct daemon	 d;
static struct server	 a, b, c;
static int		 port;

/* The log has the text so often; the daemon may have said it early. */
static void
until_said(const char *text, size_t times)
{
	int64_t	 deadline = rig_now() + rig_patience(RIG_MS);

	while (rig_count(&d, text) < times) {
		if (rig_now() > deadline)
			ck_abort_msg("not said %zu times: %s", times, text);
		(void)poll(NULL, 0, 2);
	}
}

/* A daemon in front of the three, which are up. */
static void
up(const char *listener, const char *backend)
{
	port = rig_port();
	start(&a, 'a');
	start(&b, 'b');
	start(&c, 'c');
	rig_up(&d, LISTENER "backends = ( { name = \"db\"; servers = ( "
	    "\"127.0.0.1:%d\", \"127.0.0.1:%d\", \"127.0.0.1:%d\" ); %s } );"
	    "\n", port, listener, a.port, b.port, c.port, backend);
}

/* In front of one, with its own keys. */
static void
up_one(const char *listener, const char *server, const char *backend)
{
	port = rig_port();
	start(&a, 'a');
	rig_up(&d, LISTENER "backends = ( { name = \"db\"; servers = ( { "
	    "address = \"127.0.0.1:%d\"; %s } ); %s } );\n", port, listener,
	    a.port, server, backend);
}

#define CHECK "check = { type = \"tcp\"; interval = \"100ms\"; " \
	"timeout = \"500ms\"; rise = 2; fall = 2; };"

START_TEST(of_three_servers_one_is_down_and_comes_back)
{
	up("", CHECK);
	stop(&b);
	(void)rig_line(&d, "is down: connect: Connection refused");
	for (int i = 0; i < 12; i++)
		ck_assert_int_ne(visit(port), 'b');
	start(&b, 'b');
	(void)rig_line(&d, "is up again after");
	for (int i = 0; i < 3; i++)
		if (visit(port) == 'b')
			break;
	/* Nobody has met a dead server but the checks. */
	ck_assert_uint_eq(rig_count(&d, "end=unreachable"), 0);
	rig_down(&d);
}
END_TEST

START_TEST(a_server_that_is_down_at_the_start_is_known_by_the_first_check)
{
	int64_t	 begin = rig_now();

	port = rig_port();
	start(&a, 'a');
	rig_up(&d, LISTENER "backends = ( { name = \"db\"; servers = ( "
	    "\"127.0.0.1:%d\", \"127.0.0.1:%d\" ); check = { type = "
	    "\"tcp\"; interval = \"1h\"; }; } );\n", port, "", rig_port(),
	    a.port);
	until_said("is down: connect: Connection refused", 1);
	ck_assert_int_lt(rig_now() - begin, rig_patience(3000));
	for (int i = 0; i < 8; i++)
		ck_assert_int_eq(visit(port), 'a');
	rig_down(&d);
}
END_TEST

START_TEST(a_server_that_flaps_is_up_only_after_it_rose)
{
	up("", "check = { type = \"expect\"; expect = \"b\"; "
	    "interval = \"100ms\"; timeout = \"500ms\"; rise = 3; "
	    "fall = 3; };");
	/* Two of the three say another letter. */
	until_said("is down: no answer in time", 2);
	visit_until(port, "b");
	/* Others than those who fall three times in a row stay up. */
	ck_assert_uint_eq(rig_count(&d, "is down"), 2);
	stop(&b);
	(void)rig_line(&d, "is down: connect: Connection refused");
	ck_assert_int_eq(visit(port), '-');
	(void)rig_line(&d, "end=unreachable");
	start(&b, 'b');
	(void)rig_line(&d, "is up again");
	ck_assert_int_eq(visit(port), 'b');
	rig_down(&d);
}
END_TEST

/* A backlog that is full swallows what comes next. */
static int
black_hole(int *hole)
{
	struct sockaddr_in	 sin = { .sin_family = AF_INET };
	int			 fd = socket(AF_INET,
				    SOCK_STREAM | SOCK_CLOEXEC, 0);

	*hole = rig_port();
	sin.sin_port = htons((uint16_t)*hole);
	sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	ck_assert_int_eq(bind(fd, (void *)&sin, sizeof(sin)), 0);
	ck_assert_int_eq(listen(fd, 0), 0);
	for (int i = 0; i < 4; i++) {
		int	 filler = socket(AF_INET, SOCK_STREAM |
			    SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

		(void)connect(filler, (void *)&sin, sizeof(sin));
	}
	return fd;
}

START_TEST(a_black_hole_is_down_for_sessions_too)
{
	int64_t	 begin;
	int	 hole;

	port = rig_port();
	start(&a, 'a');
	(void)black_hole(&hole);
	rig_up(&d, LISTENER "backends = ( { name = \"db\"; servers = ( "
	    "\"127.0.0.1:%d\", \"127.0.0.1:%d\" ); " CHECK " } );\n", port,
	    "", hole, a.port);
	until_said("is down: connect: Connection timed out", 1);
	begin = rig_now();
	for (int i = 0; i < 8; i++)
		ck_assert_int_eq(visit(port), 'a');
	ck_assert_int_lt(rig_now() - begin, rig_patience(1000));
	rig_down(&d);
}
END_TEST

/* A network of its own, where nobody else counts; false without root. */
static bool
own_network(int more)
{
	struct ifreq	 ifr = { .ifr_flags = IFF_UP | IFF_RUNNING };
	int		 fd;

	if (geteuid() != 0 || unshare(CLONE_NEWNET | more) == -1)
		return false;
	strcpy(ifr.ifr_name, "lo");
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	ck_assert_int_eq(ioctl(fd, SIOCSIFFLAGS, &ifr), 0);
	close(fd);
	return true;
}

/* Dials that were refused, of all in this network. */
static long
refused_dials(void)
{
	char	 line[2][1024];
	long	 v[7] = { 0 };
	FILE	*f = fopen("/proc/self/net/snmp", "r");

	ck_assert_ptr_nonnull(f);
	while (fgets(line[0], sizeof(line[0]), f) != NULL)
		if (strncmp(line[0], "Tcp:", 4) == 0 &&
		    fgets(line[1], sizeof(line[1]), f) != NULL) {
			/* The seventh is AttemptFails. */
			ck_assert_int_eq(sscanf(line[1],
			    "Tcp: %ld %ld %ld %ld %ld %ld %ld", &v[0], &v[1],
			    &v[2], &v[3], &v[4], &v[5], &v[6]), 7);
			break;
		}
	fclose(f);
	return v[6];
}

START_TEST(a_hundred_workers_learn_of_a_dead_server_from_one)
{
	int	 fds[100];
	long	 before, after;
	int64_t	 begin;

	if (!own_network(0))
		return;
	port = rig_port();
	start(&a, 'a');
	rig_up(&d, "workers = { spare = 100; max = 300; };\n" LISTENER
	    "backends = ( { name = \"db\"; servers = ( \"127.0.0.1:%d\", "
	    "\"127.0.0.1:%d\" ); } );\n", port, "", rig_port(), a.port);
	rig_until(&d, "worker tcp: idle", 100);
	before = refused_dials();
	begin = rig_now();
	for (int i = 0; i < 100; i++)
		fds[i] = rig_dial(port);
	for (int i = 0; i < 100; i++)
		ck_assert_int_eq(answer(fds[i]), 'a');
	after = refused_dials();
	fprintf(stderr, "%ld refused dials in %ld ms\n", after - before,
	    (long)(rig_now() - begin));
	/* One period: the keeper dials again after a second, and two. */
	if (rig_now() - begin < 900)
		ck_assert_int_le(after - before, 3);
	(void)rig_line(&d, "does not answer: a session could not be");
	ck_assert_uint_eq(rig_count(&d, "does not answer"), 1);
	rig_down(&d);
}
END_TEST

START_TEST(a_server_that_failed_serves_again_once_it_answers)
{
	port = rig_port();
	start(&a, 'a');
	start(&b, 'b');
	rig_up(&d, LISTENER "backends = ( { name = \"db\"; servers = ( "
	    "\"127.0.0.1:%d\", \"127.0.0.1:%d\" ); balance = \"first\"; } );"
	    "\n", port, "", a.port, b.port);
	ck_assert_int_eq(visit(port), 'a');
	stop(&a);
	ck_assert_int_eq(visit(port), 'b');
	(void)rig_line(&d, "does not answer");
	start(&a, 'a');
	(void)rig_line_ms(&d, "is up again after", 4000);
	ck_assert_int_eq(visit(port), 'a');
	rig_down(&d);
}
END_TEST

START_TEST(leastconn_is_right_after_a_worker_was_killed)
{
	int	 fds[6], victim = -1;
	char	 letters[7] = "";
	pid_t	 pid;

	up("carry = \"never\";", "balance = \"leastconn\";");
	for (int i = 0; i < 6; i++) {
		fds[i] = rig_dial(port);
		letters[i] = answer(fds[i]);
		if (letters[i] == 'b')
			victim = i;
	}
	for (const char *l = "abc"; *l != '\0'; l++) {
		ck_assert_ptr_nonnull(strchr(letters, *l));
		ck_assert_ptr_ne(strchr(letters, *l), strrchr(letters, *l));
	}
	pid = worker_of(&d, fds[victim]);
	ck_assert_int_eq(kill(pid, SIGKILL), 0);
	rig_until_buried(pid);
	ck_assert_int_eq(answer(rig_dial(port)), 'b');
	rig_down(&d);
}
END_TEST

START_TEST(a_full_server_has_a_queue_and_the_queue_an_end)
{
	int	 first, second, third;

	up_one("", "max_sessions = 1;",
	    "queue = { size = 1; timeout = \"300ms\"; };");
	first = rig_dial(port);
	ck_assert_int_eq(answer(first), 'a');
	second = rig_dial(port);
	(void)worker_of(&d, second);
	third = rig_dial(port);
	/* One of the two waits, the other finds the queue full. */
	(void)rig_line(&d, "and the queue is full");
	(void)rig_line(&d, "no server had room in time");
	ck_assert_int_eq(answer(second), '-');
	ck_assert_int_eq(answer(third), '-');
	ck_assert_uint_eq(rig_count(&d, "end=limit"), 2);
	second = rig_dial(port);
	(void)worker_of(&d, second);
	close(first);
	ck_assert_int_eq(answer(second), 'a');
	rig_down(&d);
}
END_TEST

START_TEST(limits_of_a_listener_are_for_all_and_for_each_source)
{
	int	 fds[3];

	up_one("max_sessions = 3; max_sessions_per_source = 2;", "", "");
	fds[0] = dial_from(2, port);
	ck_assert_int_eq(answer(fds[0]), 'a');
	fds[1] = dial_from(2, port);
	ck_assert_int_eq(answer(fds[1]), 'a');
	ck_assert_int_eq(answer(dial_from(2, port)), '-');
	(void)rig_line(&d, "more than max_sessions_per_source");
	fds[2] = dial_from(3, port);
	ck_assert_int_eq(answer(fds[2]), 'a');
	ck_assert_int_eq(answer(dial_from(4, port)), '-');
	(void)rig_line(&d, "more than max_sessions");
	close(fds[0]);
	(void)rig_line(&d, "end=done");
	ck_assert_int_eq(answer(dial_from(4, port)), 'a');
	rig_down(&d);
}
END_TEST

START_TEST(a_source_that_is_too_fast_pays_for_it)
{
	int64_t	 deadline = rig_now() + rig_patience(RIG_MS);

	up_one("rate_per_source = \"2/1s\"; penalty = \"500ms\";", "", "");
	ck_assert_int_eq(visit(port), 'a');
	ck_assert_int_eq(visit(port), 'a');
	ck_assert_int_eq(visit(port), '-');
	(void)rig_line(&d, "more than rate_per_source");
	ck_assert_int_eq(visit(port), '-');
	(void)rig_line(&d, "within the penalty of its source");
	ck_assert_int_eq(answer(dial_from(9, port)), 'a');
	/* Whoever is quiet for the penalty's time is let in again. */
	(void)poll(NULL, 0, 600);
	ck_assert_int_eq(visit(port), 'a');
	ck_assert_int_lt(rig_now(), deadline);
	rig_down(&d);
}
END_TEST

START_TEST(the_oldest_handshake_gives_way_to_a_new_one)
{
	struct pollfd	 p[2] = { { .events = POLLIN }, { .events = POLLIN } };
	int		 hole;

	port = rig_port();
	(void)black_hole(&hole);
	rig_up(&d, LISTENER "backends = ( { name = \"db\"; servers = ( "
	    "\"127.0.0.1:%d\" ); } );\n", port, "handshakes = 1;", hole);
	p[0].fd = rig_dial(port);
	(void)worker_of(&d, p[0].fd);
	p[1].fd = rig_dial(port);
	(void)rig_line(&d, "others wait while the handshake takes this long");
	/* Whichever asked first; the other is still at it. */
	ck_assert_int_eq(poll(p, 2, rig_patience(RIG_MS)), 1);
	ck_assert_int_eq(answer(p[0].revents != 0 ? p[0].fd : p[1].fd), '-');
	ck_assert_uint_eq(rig_count(&d, "end=limit"), 1);
	rig_down(&d);
}
END_TEST

START_TEST(a_killed_keeper_cuts_nobody_and_counts_come_back)
{
	int	 fds[10], more;
	pid_t	 keeper;

	up_one("max_sessions_per_source = 10;", "max_sessions = 10;",
	    "queue = { size = 0; };");
	for (int i = 0; i < 10; i++) {
		fds[i] = rig_dial(port);
		ck_assert_int_eq(answer(fds[i]), 'a');
	}
	keeper = rig_pid(&d, "keeper: ");
	ck_assert_int_eq(kill(keeper, SIGKILL), 0);
	/* Who comes now waits for the next keeper, and for the others. */
	ck_assert_int_eq(answer(dial_from(2, port)), '-');
	(void)rig_line(&d, "every server has max_sessions");
	ck_assert_int_eq(visit(port), '-');
	(void)rig_line(&d, "more than max_sessions_per_source");
	/* Nobody was cut off, and who goes is counted out. */
	for (int i = 0; i < 10; i++) {
		struct pollfd	 p = { .fd = fds[i], .events = POLLIN };

		ck_assert_int_eq(poll(&p, 1, 0), 0);
	}
	ck_assert_uint_eq(rig_count(&d, "end=done"), 0);
	close(fds[0]);
	(void)rig_line(&d, "end=done");
	more = rig_dial(port);
	ck_assert_int_eq(answer(more), 'a');
	ck_assert_int_eq(visit(port), '-');
	rig_down(&d);
}
END_TEST

/*
 * A DNS server for one name: *last is the last number of its address
 * 127.0.0.x, 0 for a name that is gone, -1 for no answer.
 */
static void
dns(int fd, const volatile int *last)
{
	struct sockaddr_storage	 from;
	socklen_t		 len;
	unsigned char		 q[512];
	ssize_t			 n;

	for (;;) {
		len = sizeof(from);
		n = recvfrom(fd, q, sizeof(q) - 16, 0, (void *)&from, &len);
		if (n < 17 || *last == -1)
			continue;
		q[2] = 0x84;			/* an answer, and ours */
		q[3] = *last == 0 ? 3 : 0;	/* NXDOMAIN */
		/* Nothing behind the question, as EDNS, comes back. */
		q[8] = q[9] = q[10] = q[11] = 0;
		if (*last > 0 && q[n - 3] == 1) {
			const unsigned char	 rr[] = {
				0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 1, 0, 4,
				127, 0, 0, (unsigned char)*last,
			};

			memcpy(q + n, rr, sizeof(rr));
			n += (ssize_t)sizeof(rr);
			q[7] = 1;
		}
		(void)sendto(fd, q, (size_t)n, 0, (void *)&from, len);
	}
}

/* Such a server, asked by all from here on; NULL without root. */
static volatile int *
own_dns(const char *dir)
{
	struct sockaddr_in	 sin = {
		.sin_family = AF_INET, .sin_port = htons(53),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	volatile int		*last;
	char			 path[128];
	FILE			*f;
	int			 fd;

	if (!own_network(CLONE_NEWNS) ||
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == -1)
		return NULL;
	snprintf(path, sizeof(path), "%s/resolv.conf", dir);
	f = fopen(path, "w");
	ck_assert_ptr_nonnull(f);
	fprintf(f, "nameserver 127.0.0.1\n");
	fclose(f);
	ck_assert_int_eq(chmod(dir, 0755), 0);
	if (mount(path, "/etc/resolv.conf", NULL, MS_BIND, NULL) == -1)
		return NULL;
	last = mmap(NULL, sizeof(int), PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	ck_assert_int_eq(bind(fd, (void *)&sin, sizeof(sin)), 0);
	if (check_fork() == 0)
		dns(fd, last);
	close(fd);
	return last;
}

/* Where 127.0.0.x is, by the log: servers listen at all of them. */
START_TEST(a_name_is_looked_up_by_its_time_to_live)
{
	char		 dir[] = "/tmp/sallyport-dns.XXXXXX";
	volatile int	*last;
	int64_t		 begin;

	ck_assert_ptr_nonnull(mkdtemp(dir));
	last = own_dns(dir);
	if (last == NULL)
		return;
	*last = 5;
	port = rig_port();
	start(&a, 'a');
	rig_up(&d, LISTENER "backends = ( { name = \"db\"; servers = ( "
	    "\"db.example:%d\" ); } );\n", port, "", a.port);
	/* It was known before anybody was served. */
	ck_assert_uint_eq(rig_count(&d, " is 127.0.0.5:"), 1);
	ck_assert_int_eq(visit(port), 'a');
	(void)rig_line(&d, "server=127.0.0.5:");
	*last = 6;
	(void)rig_line(&d, " is 127.0.0.6:");
	ck_assert_int_eq(visit(port), 'a');
	(void)rig_line(&d, "server=127.0.0.6:");
	/* One that vanishes keeps what it had, and says so once. */
	*last = 0;
	(void)rig_line(&d, "its last addresses stay in use");
	ck_assert_int_eq(visit(port), 'a');
	(void)rig_line(&d, "server=127.0.0.6:");
	*last = 6;
	(void)rig_line(&d, " is 127.0.0.6:");
	ck_assert_uint_eq(rig_count(&d, "stay in use"), 1);
	/* A dead DNS server delays nothing else. */
	*last = -1;
	(void)rig_line_ms(&d, "its last addresses stay in use", 10000);
	begin = rig_now();
	ck_assert_int_eq(visit(port), 'a');
	ck_assert_int_lt(rig_now() - begin, rig_patience(500));
	rig_down(&d);
}
END_TEST

static void
leave_none(void)
{
	const struct server	*all[] = { &a, &b, &c };

	for (size_t i = 0; i < 3; i++)
		if (all[i]->pid > 0)
			(void)kill(all[i]->pid, SIGKILL);
}

int
main(void)
{
	Suite	*s = suite_create("keeper");
	TCase	*plain = tcase_create("plain"), *seen = tcase_create("seen");

	suite_add_tcase(s, plain);
	suite_add_tcase(s, seen);
	tcase_set_timeout(plain, 120);
	tcase_set_timeout(seen, 60);
	tcase_add_checked_fixture(plain, NULL, leave_none);
	tcase_add_checked_fixture(seen, NULL, leave_none);
	tcase_add_test(plain, of_three_servers_one_is_down_and_comes_back);
	tcase_add_test(plain,
	    a_server_that_is_down_at_the_start_is_known_by_the_first_check);
	tcase_add_test(plain, a_server_that_flaps_is_up_only_after_it_rose);
	tcase_add_test(plain, a_black_hole_is_down_for_sessions_too);
	tcase_add_test(plain,
	    a_server_that_failed_serves_again_once_it_answers);
	tcase_add_test(plain,
	    limits_of_a_listener_are_for_all_and_for_each_source);
	tcase_add_test(plain, a_name_is_looked_up_by_its_time_to_live);
	tcase_add_test(seen, a_source_that_is_too_fast_pays_for_it);
	tcase_add_test(seen, a_full_server_has_a_queue_and_the_queue_an_end);
	tcase_add_test(seen, the_oldest_handshake_gives_way_to_a_new_one);
	tcase_add_test(seen, leastconn_is_right_after_a_worker_was_killed);
	tcase_add_test(seen, a_killed_keeper_cuts_nobody_and_counts_come_back);
	tcase_add_test(seen,
	    a_hundred_workers_learn_of_a_dead_server_from_one);
	return rig_run(s);
}
