#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/tcp.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/net.h"
#include "unit.h"

#define P107	"/2345678901234567890123456789012345678901234567890123" \
		"456789012345678901234567890123456789012345678901234567"

static const struct {
	const char	*text;
	enum net_kind	 kind;
	uint16_t	 port;
	const char	*again;		/* NULL: as it was */
} good[] = {
	{ "127.0.0.1:80",		NET_ADDR, 80,	NULL },
	{ "0.0.0.0:1",			NET_ADDR, 1,	NULL },
	{ "255.255.255.255:65535",	NET_ADDR, 65535, NULL },
	{ "10.1.2.3:00080",		NET_ADDR, 80,	"10.1.2.3:80" },
	{ "[::1]:443",			NET_ADDR, 443,	NULL },
	{ "[::]:443",			NET_ADDR, 443,	NULL },
	{ "[2001:DB8:0:0::1]:9",	NET_ADDR, 9,	"[2001:db8::1]:9" },
	{ "[::ffff:1.2.3.4]:5",		NET_ADDR, 5,	"1.2.3.4:5" },
	{ "unix:/run/x",		NET_ADDR, 0,	NULL },
	{ "unix:/with:colon:80",	NET_ADDR, 0,	NULL },
	{ "unix:@name",			NET_ADDR, 0,	NULL },
	{ "unix:" P107,			NET_ADDR, 0,	NULL },
	{ ":80",			NET_ANY, 80,	NULL },
	{ "*:80",			NET_ANY, 80,	NULL },
	{ "localhost:80",		NET_NAME, 80,	NULL },
	{ "db-1.example.org.:3306",	NET_NAME, 3306,	NULL },
	{ "a_b:1",			NET_NAME, 1,	NULL },
	{ "3com.com:1",			NET_NAME, 1,	NULL },
};

START_TEST(a_good_address_is_read_and_written_again)
{
	const char	*text = good[_i].text, *why = "", *colon;
	char		 again[NET_TEXT_MAX];
	struct net_spec	 s;

	ck_assert_msg(net_parse(text, false, &s, &why) == 0, "%s: %s", text,
	    why);
	ck_assert_int_eq(s.kind, good[_i].kind);
	ck_assert_uint_eq(s.port, good[_i].port);
	if (s.kind == NET_NAME) {
		colon = strrchr(text, ':');
		ck_assert_uint_eq(strlen(s.name), (size_t)(colon - text));
		ck_assert_mem_eq(s.name, text, strlen(s.name));
	} else
		ck_assert_str_eq(s.name, "");
	if (s.kind == NET_ADDR)
		ck_assert_str_eq(net_text(&s.addr, again, sizeof(again)),
		    good[_i].again != NULL ? good[_i].again : text);
}
END_TEST

#define WANT_PORT	"the port must be a number from 1 to 65535"
#define WANT_FORM	"want host:port, :port, [v6]:port or unix:/path"
#define WANT_UNIX	"want unix:/path or unix:@name"
#define WANT_HOST	"not an IPv4 address or a host name"
#define WANT_V6		"not an IPv6 address between [ and ]"
#define LONG_PATH	"the path of a socket has at most 107 characters"

static const struct {
	const char	*text;
	const char	*why;
} bad[] = {
	{ "",			WANT_FORM },
	{ "127.0.0.1",		WANT_FORM },
	{ "host",		WANT_FORM },
	{ "host:",		WANT_PORT },
	{ "host:0",		WANT_PORT },
	{ "host:65536",		WANT_PORT },
	{ "host:100000",	WANT_PORT },
	{ "host:000080",	WANT_PORT },
	{ "host:18446744073709551696", WANT_PORT },	/* wraps to 80 */
	{ "host:-1",		WANT_PORT },
	{ "host:+1",		WANT_PORT },
	{ "host: 1",		WANT_PORT },
	{ "host:1 ",		WANT_PORT },
	{ "host:http",		WANT_PORT },
	{ "host:0x50",		WANT_PORT },
	{ "[::1]",		WANT_PORT },
	{ "::1:80",		"an IPv6 address stands between [ and ]" },
	{ "[::1:80",		"the address after [ does not end with ]" },
	{ "[::1]x:80",		"the address after [ does not end with ]" },
	{ "[:80",		"the address after [ does not end with ]" },
	{ "[]:80",		WANT_V6 },
	{ "[127.0.0.1]:80",	WANT_V6 },
	{ "[::1%lo]:80",	WANT_V6 },
	{ "[0000:0000:0000:0000:0000:0000:255.255.255.2555]:80", WANT_V6 },
	{ "[" P107 P107 P107 "]:80", WANT_V6 },
	{ "10.0.0.300:80",	WANT_HOST },
	{ "10.0.0:80",		WANT_HOST },
	{ "010.0.0.1:80",	WANT_HOST },
	{ "-host:80",		WANT_HOST },
	{ ".host:80",		WANT_HOST },
	{ "ho st:80",		WANT_HOST },
	{ "host/x:80",		WANT_HOST },
	{ "h\xc3\xb6st:80",	WANT_HOST },
	{ " host:80",		WANT_HOST },
	{ "**:80",		WANT_HOST },
	{ "unix:",		WANT_UNIX },
	{ "unix:/",		WANT_UNIX },
	{ "unix:@",		WANT_UNIX },
	{ "unix:run/x",		WANT_UNIX },
	{ "unix:" P107 "8",	LONG_PATH },
	{ "unix:@" P107,	LONG_PATH },
};

START_TEST(a_bad_address_is_refused_with_its_reason)
{
	const char	*why = NULL;
	struct net_spec	 s;

	ck_assert_int_eq(net_parse(bad[_i].text, false, &s, &why), -1);
	ck_assert_str_eq(why, bad[_i].why);
}
END_TEST

START_TEST(a_name_has_at_most_253_characters)
{
	char		 text[NET_NAME_MAX + 8];
	const char	*why;
	struct net_spec	 s;

	memset(text, 'a', sizeof(text));
	strcpy(text + NET_NAME_MAX, ":80");
	ck_assert_int_eq(net_parse(text, false, &s, &why), 0);
	ck_assert_uint_eq(strlen(s.name), NET_NAME_MAX);
	text[NET_NAME_MAX] = 'a';
	strcpy(text + NET_NAME_MAX + 1, ":80");
	ck_assert_int_eq(net_parse(text, false, &s, &why), -1);
	ck_assert_str_eq(why, WANT_HOST);
}
END_TEST

START_TEST(port_zero_is_taken_where_it_may_be)
{
	const char	*why;
	struct net_spec	 s;

	ck_assert_int_eq(net_parse("127.0.0.1:0", true, &s, &why), 0);
	ck_assert_uint_eq(s.port, 0);
	ck_assert_int_eq(net_parse("127.0.0.1:65536", true, &s, &why), -1);
}
END_TEST

static struct net_spec
spec(const char *text)
{
	const char	*why = "";
	struct net_spec	 s;

	ck_assert_msg(net_parse(text, true, &s, &why) == 0, "%s: %s", text,
	    why);
	return s;
}

START_TEST(addresses_are_compared_with_their_port)
{
	struct net_spec	 a = spec("1.2.3.4:5"), b = spec("1.2.3.4:6");
	struct net_spec	 c = spec("[::1]:5"), d = spec("unix:/x");
	struct net_spec	 e = spec("unix:/xy"), f = spec("unix:@x");
	struct net_spec	 g = spec("unix:@xy");

	ck_assert(net_same(&a.addr, &a.addr));
	ck_assert(!net_same(&a.addr, &b.addr));
	ck_assert(!net_same(&a.addr, &c.addr));
	ck_assert(!net_same(&d.addr, &e.addr));
	ck_assert(!net_same(&d.addr, &f.addr));
	ck_assert(!net_same(&f.addr, &g.addr));
	net_set_port(&b.addr, 5);
	ck_assert(net_same(&a.addr, &b.addr));
	net_set_port(&c.addr, 7);
	ck_assert_uint_eq(ntohs(c.addr.u.in6.sin6_port), 7);
	b = d;
	net_set_port(&d.addr, 7);
	ck_assert(net_same(&b.addr, &d.addr));
}
END_TEST

START_TEST(only_a_path_is_one)
{
	struct net_spec	 a = spec("1.2.3.4:5"), d = spec("unix:/x");
	struct net_spec	 f = spec("unix:@x");
	struct net_addr	 unnamed = { .len = sizeof(sa_family_t) };

	unnamed.u.sa.sa_family = AF_UNIX;
	ck_assert(!net_is_path(&a.addr));
	ck_assert(net_is_path(&d.addr));
	ck_assert(!net_is_path(&f.addr));
	ck_assert(!net_is_path(&unnamed));
}
END_TEST

START_TEST(text_is_cut_to_its_room)
{
	char		 buf[NET_TEXT_MAX];
	struct net_addr	 odd = { .len = sizeof(sa_family_t) };
	struct net_spec	 a = spec("100.200.100.200:50000");

	ck_assert_str_eq(net_text(&a.addr, buf, 8), "100.200");
	odd.u.sa.sa_family = AF_UNIX;
	ck_assert_str_eq(net_text(&odd, buf, sizeof(buf)), "unix:");
	odd.u.sa.sa_family = AF_NETLINK;
	ck_assert_str_eq(net_text(&odd, buf, sizeof(buf)), "?");
}
END_TEST

static const struct net_listen	 plain = {
	.tcp.nodelay = true, .backlog = 16, .v6only = true,
};

static int
option(int fd, int level, int name)
{
	int		 v = -1;
	socklen_t	 len = sizeof(v);

	ck_assert_int_eq(getsockopt(fd, level, name, &v, &len), 0);
	return v;
}

static void
expect_flags(int fd)
{
	ck_assert_int_eq(fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
	ck_assert_int_eq(fcntl(fd, F_GETFL) & O_NONBLOCK, O_NONBLOCK);
}

static int
must_listen(const char *text, struct net_addr *at)
{
	struct net_spec	 s = spec(text);
	const char	*why = "";
	int		 fd = net_listen(&s, &plain, &why);

	ck_assert_msg(fd != -1, "%s: %s: %s", text, why, strerror(errno));
	expect_flags(fd);
	ck_assert_int_eq(net_local(fd, at), 0);
	return fd;
}

/* Dial and wait for the outcome; the descriptor, or -1 with errno. */
static int
dial(const struct net_addr *a)
{
	bool	 pending;
	int	 error, fd = net_dial(a, NULL, &plain.tcp, &pending);

	if (fd == -1 || !pending)
		return fd;
	ck_assert_int_ne(unit_wait(fd, POLLOUT, UNIT_MS), 0);
	error = net_dial_result(fd);
	if (error != 0) {
		close(fd);
		errno = error;
		return -1;
	}
	return fd;
}

static void
expect_service(int l, const struct net_addr *a)
{
	int	 front = dial(a), back;

	ck_assert_msg(front != -1, "dial: %s", strerror(errno));
	expect_flags(front);
	back = unit_accept(l);
	if (a->u.sa.sa_family != AF_UNIX) {
		ck_assert_int_ne(option(front, IPPROTO_TCP, TCP_NODELAY), 0);
		ck_assert_int_ne(option(front, SOL_SOCKET, SO_KEEPALIVE), 0);
		ck_assert_int_ne(option(back, IPPROTO_TCP, TCP_NODELAY), 0);
		ck_assert_int_ne(option(back, SOL_SOCKET, SO_KEEPALIVE), 0);
	}
	unit_write(front, "up", 2);
	unit_expect(back, "up", 2);
	close(front);
	close(back);
}

START_TEST(a_listener_is_dialled)
{
	struct net_addr	 a;
	int		 fd = must_listen("127.0.0.1:0", &a);

	expect_service(fd, &a);
	close(fd);
}
END_TEST

static bool
has_ipv6(void)
{
	uint16_t	 port;
	int		 fd = unit_tcp6_listen(1, &port);

	if (fd != -1)
		close(fd);
	return fd != -1;
}

START_TEST(an_ipv6_listener_serves_ipv6_only)
{
	struct net_addr	 a;
	struct net_spec	 v4 = spec("127.0.0.1:1");
	int		 fd;

	if (!has_ipv6())
		return;
	fd = must_listen("[::]:0", &a);
	ck_assert_int_eq(option(fd, IPPROTO_IPV6, IPV6_V6ONLY), 1);
	a.u.in6.sin6_addr = in6addr_loopback;
	expect_service(fd, &a);
	net_set_port(&v4.addr, ntohs(a.u.in6.sin6_port));
	ck_assert_int_eq(dial(&v4.addr), -1);
	ck_assert_int_eq(errno, ECONNREFUSED);
	close(fd);
}
END_TEST

START_TEST(a_listener_without_a_host_serves_ipv4_and_ipv6)
{
	struct net_addr	 a;
	struct net_spec	 v4 = spec("127.0.0.1:1"), v6 = spec("[::1]:1");
	uint16_t	 port;
	int		 fd = must_listen(":0", &a);

	port = ntohs(a.u.sa.sa_family == AF_INET6 ? a.u.in6.sin6_port :
	    a.u.in.sin_port);
	net_set_port(&v4.addr, port);
	net_set_port(&v6.addr, port);
	expect_service(fd, &v4.addr);
	if (has_ipv6())
		expect_service(fd, &v6.addr);
	close(fd);
}
END_TEST

START_TEST(an_address_that_is_taken_is_refused_at_bind)
{
	struct net_addr	 a;
	struct net_spec	 s = { .kind = NET_ADDR };
	const char	*why = "";
	int		 before, fd = must_listen("127.0.0.1:0", &a);

	before = unit_count_fds();
	s.addr = a;
	ck_assert_int_eq(net_listen(&s, &plain, &why), -1);
	ck_assert_int_eq(errno, EADDRINUSE);
	ck_assert_str_eq(why, "bind");
	ck_assert_int_eq(unit_count_fds(), before);
	close(fd);
}
END_TEST

START_TEST(an_abstract_listener_is_dialled)
{
	char		 text[64];
	struct net_addr	 a;
	int		 fd;

	snprintf(text, sizeof(text), "unix:@sallyport-unit-%d",
	    (int)getpid());
	fd = must_listen(text, &a);
	expect_service(fd, &a);
	close(fd);
}
END_TEST

START_TEST(a_path_is_taken_over_from_a_dead_daemon)
{
	char		 text[128];
	const char	*path;
	struct net_spec	 s;
	struct stat	 st;
	const char	*why = "";
	int		 old, fd;

	snprintf(text, sizeof(text), "unix:%s/sock", unit_folder());
	path = text + 5;
	s = spec(text);
	for (int i = 0; i < 2; i++) {
		old = net_listen(&s, &plain, &why);
		ck_assert_int_ne(old, -1);
		close(old);
		ck_assert_int_eq(lstat(path, &st), 0);
		ck_assert(S_ISSOCK(st.st_mode));
	}
	fd = net_listen(&s, &plain, &why);
	ck_assert_int_ne(fd, -1);
	ck_assert_int_eq(lstat(path, &st), 0);
	ck_assert_uint_eq(st.st_mode & 0777, 0666);
	expect_service(fd, &s.addr);
	close(fd);
}
END_TEST

START_TEST(a_path_where_another_listens_is_left_to_it)
{
	char		 text[128];
	struct net_spec	 s;
	const char	*why = "";
	int		 before, fd;

	snprintf(text, sizeof(text), "unix:%s/sock", unit_folder());
	s = spec(text);
	fd = net_listen(&s, &plain, &why);
	ck_assert_int_ne(fd, -1);
	before = unit_count_fds();
	ck_assert_int_eq(net_listen(&s, &plain, &why), -1);
	ck_assert_int_eq(errno, EADDRINUSE);
	ck_assert_str_eq(why, "another process listens there");
	ck_assert_int_eq(unit_count_fds(), before);
	expect_service(fd, &s.addr);
	close(fd);
}
END_TEST

START_TEST(a_path_where_something_else_stands_is_left_alone)
{
	char		 text[128];
	struct net_spec	 s;
	struct stat	 st;
	const char	*why = "";
	int		 before, fd;

	snprintf(text, sizeof(text), "unix:%s/file", unit_folder());
	fd = open(text + 5, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	ck_assert_int_ne(fd, -1);
	close(fd);
	s = spec(text);
	before = unit_count_fds();
	ck_assert_int_eq(net_listen(&s, &plain, &why), -1);
	ck_assert_int_eq(errno, EEXIST);
	ck_assert_str_eq(why, "not a socket, so it is left alone");
	ck_assert_int_eq(lstat(text + 5, &st), 0);
	ck_assert(S_ISREG(st.st_mode));
	ck_assert_int_eq(unit_count_fds(), before);
}
END_TEST

START_TEST(a_path_in_no_folder_is_refused)
{
	struct net_spec	 s = spec("unix:/nonexistent/folder/sock");
	const char	*why = "";

	ck_assert_int_eq(net_listen(&s, &plain, &why), -1);
	ck_assert_int_eq(errno, ENOENT);
	ck_assert_str_eq(why, "bind");
}
END_TEST

/* Whatever net_parse() takes for a path can be listened on. */
START_TEST(a_path_of_the_greatest_length_can_be_served)
{
	char		 text[5 + 107 + 1];
	const char	*why = "", *dir = unit_folder();
	struct net_spec	 s;
	int		 fd;

	memset(text, 'x', sizeof(text));
	memcpy(text, "unix:", 5);
	memcpy(text + 5, dir, strlen(dir));
	text[5 + strlen(dir)] = '/';
	text[sizeof(text) - 1] = '\0';
	s = spec(text);
	fd = net_listen(&s, &plain, &why);
	ck_assert_msg(fd != -1, "%s: %s", why, strerror(errno));
	expect_service(fd, &s.addr);
	close(fd);
}
END_TEST

START_TEST(a_dial_to_a_dead_port_is_refused)
{
	struct net_spec	 s = spec("127.0.0.1:1");
	int		 held, before = unit_count_fds();

	net_set_port(&s.addr, unit_dead_port(&held));
	ck_assert_int_eq(dial(&s.addr), -1);
	ck_assert_int_eq(errno, ECONNREFUSED);
	close(held);
	ck_assert_int_eq(unit_count_fds(), before);
}
END_TEST

START_TEST(a_dial_to_no_socket_fails_at_once)
{
	struct net_spec	 s = spec("unix:/nonexistent/sock");
	int		 before = unit_count_fds();
	bool		 pending = true;

	ck_assert_int_eq(net_dial(&s.addr, NULL, &plain.tcp, &pending), -1);
	ck_assert_int_eq(errno, ENOENT);
	ck_assert(!pending);
	ck_assert_int_eq(unit_count_fds(), before);
}
END_TEST

START_TEST(a_dial_to_a_full_local_queue_can_be_tried_again)
{
	char		 text[64];
	const struct net_listen	 none = { .backlog = 0 };
	struct net_spec		 s;
	const char		*why = "";
	bool			 pending;
	int			 fd, first, second;

	snprintf(text, sizeof(text), "unix:@sallyport-full-%d",
	    (int)getpid());
	s = spec(text);
	fd = net_listen(&s, &none, &why);
	ck_assert_int_ne(fd, -1);
	first = net_dial(&s.addr, NULL, &plain.tcp, &pending);
	ck_assert_int_ne(first, -1);
	while ((second = net_dial(&s.addr, NULL, &plain.tcp, &pending)) != -1)
		continue;		/* some kernels hold one more */
	ck_assert_int_eq(errno, EAGAIN);
	close(first);
	close(fd);
}
END_TEST

static const struct net_listen	 rich = {
	.tcp = {
		.keepalive_idle = 11, .keepalive_interval = 12,
		.keepalive_count = 13, .user_timeout = 14000,
	},
	.backlog = 5, .fast_open = 6, .defer_accept = 1, .device = "lo",
	.v6only = true,
};

static void
expect_rich(int fd)
{
	ck_assert_int_ne(option(fd, SOL_SOCKET, SO_KEEPALIVE), 0);
	ck_assert_int_eq(option(fd, IPPROTO_TCP, TCP_NODELAY), 0);
	ck_assert_int_eq(option(fd, IPPROTO_TCP, TCP_KEEPIDLE), 11);
	ck_assert_int_eq(option(fd, IPPROTO_TCP, TCP_KEEPINTVL), 12);
	ck_assert_int_eq(option(fd, IPPROTO_TCP, TCP_KEEPCNT), 13);
	ck_assert_int_eq(option(fd, IPPROTO_TCP, TCP_USER_TIMEOUT), 14000);
}

static void
expect_device(int fd, const char *want)
{
	char		 have[IFNAMSIZ] = "";
	socklen_t	 len = sizeof(have);

	ck_assert_int_eq(getsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, have,
	    &len), 0);
	ck_assert_str_eq(have, want);
}

static void
expect_rich_listener(int fd)
{
	expect_rich(fd);
	ck_assert_int_eq(option(fd, IPPROTO_TCP, TCP_FASTOPEN), 6);
	ck_assert_int_ne(option(fd, IPPROTO_TCP, TCP_DEFER_ACCEPT), 0);
	expect_device(fd, "lo");
}

static const char *const	 families[] = { "127.0.0.1:0", "[::1]:0" };

static bool
lacks_family(int i)
{
	return i == 1 && !has_ipv6();
}

START_TEST(accepted_sockets_have_the_options_of_their_listener)
{
	struct net_spec	 s = spec(families[_i]);
	struct net_addr	 a;
	const char	*why = "";
	int		 fd, front, back;

	if (lacks_family(_i))
		return;
	fd = net_listen(&s, &rich, &why);
	ck_assert_msg(fd != -1, "%s: %s", why, strerror(errno));
	expect_rich_listener(fd);
	ck_assert_int_eq(net_local(fd, &a), 0);
	front = dial(&a);
	ck_assert_int_ne(front, -1);
	unit_write(front, "x", 1);	/* deferred until then */
	back = unit_accept(fd);
	expect_rich(back);
	close(front);
	close(back);
	close(fd);
}
END_TEST

/* An option of /proc/sys that a socket has while it has none of its own. */
static void
expect_system(int fd)
{
	int	 fresh = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	ck_assert_int_ne(fresh, -1);
	for (size_t i = 0; i < 4; i++) {
		static const int	 names[] = {
			TCP_KEEPIDLE, TCP_KEEPINTVL, TCP_KEEPCNT,
			TCP_USER_TIMEOUT,
		};

		ck_assert_int_eq(option(fd, IPPROTO_TCP, names[i]),
		    option(fresh, IPPROTO_TCP, names[i]));
	}
	close(fresh);
}

START_TEST(a_listener_in_use_takes_other_options_and_gives_them_up_again)
{
	struct net_spec	 s = spec(families[_i]);
	struct net_addr	 a;
	const char	*why = "";
	int		 fd;

	if (lacks_family(_i))
		return;
	fd = net_listen(&s, &plain, &why);
	ck_assert_int_ne(fd, -1);
	expect_system(fd);
	expect_device(fd, "");
	ck_assert_msg(net_listen_again(fd, &s, &rich, &why) == 0, "%s: %s",
	    why, strerror(errno));
	expect_rich_listener(fd);
	if (net_listen_again(fd, &s, &plain, &why) == -1) {
		/* Without the capability it stays at its device. */
		ck_assert_int_eq(errno, EPERM);
		ck_assert_str_eq(why, "SO_BINDTODEVICE");
	} else
		expect_device(fd, "");
	expect_system(fd);
	ck_assert_int_eq(option(fd, IPPROTO_TCP, TCP_FASTOPEN), 0);
	ck_assert_int_eq(option(fd, IPPROTO_TCP, TCP_DEFER_ACCEPT), 0);
	ck_assert_int_ne(option(fd, IPPROTO_TCP, TCP_NODELAY), 0);
	ck_assert_int_eq(net_local(fd, &a), 0);
	expect_service(fd, &a);
	close(fd);
}
END_TEST

START_TEST(a_listener_in_use_takes_another_backlog)
{
	struct net_listen	 wide = plain, narrow = plain;
	struct net_spec		 s;
	char			 text[64];
	const char		*why = "";
	bool			 pending;
	int			 fd, held[8], n = 0;

	narrow.backlog = 0;
	snprintf(text, sizeof(text), "unix:@sallyport-wider-%d",
	    (int)getpid());
	s = spec(text);
	fd = net_listen(&s, &narrow, &why);
	ck_assert_int_ne(fd, -1);
	while ((held[n] = net_dial(&s.addr, NULL, NULL, &pending)) != -1)
		n++;
	ck_assert_int_lt(n, 4);
	ck_assert_int_eq(net_listen_again(fd, &s, &wide, &why), 0);
	held[n] = net_dial(&s.addr, NULL, NULL, &pending);
	ck_assert_int_ne(held[n], -1);
	for (; n >= 0; n--)
		close(held[n]);
	close(fd);
}
END_TEST

START_TEST(v6only_cannot_change_in_use)
{
	struct net_listen	 both = plain;
	struct net_spec		 s = spec("[::]:0");
	const char		*why = "";
	int			 fd;

	if (!has_ipv6())
		return;
	both.v6only = false;
	fd = net_listen(&s, &both, &why);
	ck_assert_int_ne(fd, -1);
	ck_assert_int_eq(option(fd, IPPROTO_IPV6, IPV6_V6ONLY), 0);
	ck_assert_int_eq(net_listen_again(fd, &s, &plain, &why), -1);
	ck_assert_int_eq(errno, EINVAL);
	ck_assert_str_eq(why,
	    "v6only cannot change while the address is in use");
	ck_assert_int_eq(net_listen_again(fd, &s, &both, &why), 0);
	close(fd);
}
END_TEST

/* As systemd may hand it over. */
START_TEST(an_inherited_listener_becomes_one_of_ours)
{
	struct net_addr	 a;
	struct net_spec	 s = { .kind = NET_ADDR };
	const char	*why = "";
	int		 before, fd = must_listen("127.0.0.1:0", &a);

	s.addr = a;
	ck_assert_int_eq(fcntl(fd, F_SETFD, 0), 0);
	ck_assert_int_eq(fcntl(fd, F_SETFL, 0), 0);
	before = unit_count_fds();
	ck_assert_int_eq(net_listen_again(fd, &s, &plain, &why), 0);
	ck_assert_int_eq(unit_count_fds(), before);
	expect_flags(fd);
	expect_service(fd, &a);
	close(fd);
	ck_assert_int_eq(net_listen_again(fd, &s, &plain, &why), -1);
}
END_TEST

START_TEST(an_option_that_fails_is_named)
{
	struct net_listen	 wrong = plain;
	struct net_spec		 s = spec("127.0.0.1:0");
	const char		*why = "";
	int			 before = unit_count_fds();

	wrong.device = "no-such-device";
	ck_assert_int_eq(net_listen(&s, &wrong, &why), -1);
	ck_assert_str_eq(why, "SO_BINDTODEVICE");
	wrong = plain;
	wrong.tcp.keepalive_idle = 100000;
	ck_assert_int_eq(net_listen(&s, &wrong, &why), -1);
	ck_assert_int_eq(errno, EINVAL);
	ck_assert_str_eq(why, "TCP_KEEPIDLE");
	ck_assert_int_eq(unit_count_fds(), before);
}
END_TEST

START_TEST(a_transparent_listener_serves_addresses_of_others)
{
	struct net_listen	 open = plain;
	struct net_spec		 s = spec(_i == 0 ? "192.0.2.1:0" :
				    "[2001:db8::1]:0");
	const char		*why = "";
	int			 fd;

	if (lacks_family(_i))
		return;
	ck_assert_int_eq(net_listen(&s, &open, &why), -1);
	ck_assert_int_eq(errno, EADDRNOTAVAIL);
	open.transparent = true;
	fd = net_listen(&s, &open, &why);
	if (fd == -1)			/* without the capability */
		ck_assert_int_eq(errno, EPERM);
	else
		close(fd);
}
END_TEST

/* What a socket that listens at the first says to the second. */
static const struct {
	const char	*at, *asked;
	bool		 v6only;
	bool		 answer;
} places[] = {
	{ "127.0.0.1:0",	"127.0.0.1:0",	true,	true },
	{ "127.0.0.1:0",	"127.0.0.2:0",	true,	false },
	{ "127.0.0.1:0",	":0",		true,	false },
	{ "127.0.0.1:0",	"localhost:0",	true,	false },
	{ "127.0.0.1:0",	"unix:@x",	true,	false },
	{ "0.0.0.0:0",		"0.0.0.0:0",	true,	true },
	{ "0.0.0.0:0",		":0",		true,	true },
	{ "0.0.0.0:0",		"[::]:0",	true,	false },
	{ ":0",			":0",		true,	true },
	{ ":0",			"127.0.0.1:0",	true,	false },
	{ "[::]:0",		":0",		true,	false },
	{ "[::]:0",		":0",		false,	true },
	{ "[::]:0",		"[::]:0",	true,	true },
	{ "[::1]:0",		"[::1]:0",	true,	true },
	{ "[::1]:0",		"[::2]:0",	true,	false },
	{ "[::1]:0",		":0",		true,	false },
	{ "unix:@sallyport-at",	"unix:@sallyport-at", true, true },
	{ "unix:@sallyport-at",	"unix:@sallyport-a", true, false },
	{ "unix:@sallyport-at",	":0",		true,	false },
};

/* The port that the kernel chose, for the one that was asked for. */
static void
adopt_port(struct net_spec *s, int fd)
{
	struct net_addr	 a;

	ck_assert_int_eq(net_local(fd, &a), 0);
	if (a.u.sa.sa_family == AF_UNIX)
		return;
	s->port = ntohs(a.u.sa.sa_family == AF_INET6 ? a.u.in6.sin6_port :
	    a.u.in.sin_port);
	if (s->kind == NET_ADDR)
		net_set_port(&s->addr, s->port);
}

START_TEST(a_socket_tells_whether_it_listens_there)
{
	struct net_listen	 l = plain;
	struct net_spec		 s = spec(places[_i].at);
	struct net_spec		 asked = spec(places[_i].asked);
	const char		*why = "";
	int			 fd;

	if (places[_i].at[0] == '[' && !has_ipv6())
		return;
	l.v6only = places[_i].v6only;
	fd = net_listen(&s, &l, &why);
	ck_assert_msg(fd != -1, "%s: %s", why, strerror(errno));
	adopt_port(&asked, fd);
	ck_assert_int_eq(net_listens_at(fd, &asked), places[_i].answer);
	asked.port ^= 1;
	net_set_port(&asked.addr, asked.port);
	if (asked.addr.u.sa.sa_family != AF_UNIX)
		ck_assert(!net_listens_at(fd, &asked));
	close(fd);
}
END_TEST

START_TEST(a_path_tells_whether_it_is_listened_on)
{
	char		 text[128];
	struct net_spec	 s, other;
	const char	*why = "";
	int		 fd;

	snprintf(text, sizeof(text), "unix:%s/sock", unit_folder());
	s = spec(text);
	text[strlen(text) - 1] = '\0';
	other = spec(text);
	fd = net_listen(&s, &plain, &why);
	ck_assert_int_ne(fd, -1);
	ck_assert(net_listens_at(fd, &s));
	ck_assert(!net_listens_at(fd, &other));
	close(fd);
}
END_TEST

START_TEST(what_does_not_listen_listens_nowhere)
{
	struct net_spec	 s = spec("127.0.0.1:0");
	int		 fd, ends[2];

	net_set_port(&s.addr, unit_dead_port(&fd));
	ck_assert(!net_listens_at(fd, &s));
	close(fd);
	ck_assert(!net_listens_at(fd, &s));
	unit_tcp_pair(ends);
	ck_assert_int_eq(net_local(ends[1], &s.addr), 0);
	ck_assert(!net_listens_at(ends[1], &s));
	close(ends[0]);
	close(ends[1]);
	fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	ck_assert(!net_listens_at(fd, &s));
	close(fd);
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	ck_assert_int_eq(bind(fd, &s.addr.u.sa, s.addr.len), 0);
	ck_assert(!net_listens_at(fd, &s));
	close(fd);
}
END_TEST

START_TEST(a_dial_comes_from_its_source)
{
	struct net_spec	 source = spec(_i == 0 ? "127.0.0.5:0" : "[::1]:0");
	struct net_addr	 a, seen;
	bool		 pending;
	int		 fd, front;

	if (lacks_family(_i))
		return;
	fd = must_listen(families[_i], &a);
	front = net_dial(&a, &source.addr, &rich.tcp, &pending);
	ck_assert_int_ne(front, -1);
	ck_assert_int_ne(unit_wait(front, POLLOUT, UNIT_MS), 0);
	ck_assert_int_eq(net_dial_result(front), 0);
	expect_rich(front);
	ck_assert_int_ne(option(front, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT),
	    0);
	ck_assert_int_eq(net_local(front, &seen), 0);
	net_set_port(&seen, 0);
	ck_assert(net_same(&seen, &source.addr));
	close(front);
	close(fd);
}
END_TEST

START_TEST(a_source_that_is_not_ours_fails_the_dial)
{
	struct net_spec	 a = spec("127.0.0.1:1"), u = spec("unix:@nobody");
	struct net_spec	 strange = spec("192.0.2.1:0"), v6 = spec("[::1]:0");
	bool		 pending;
	int		 before = unit_count_fds();

	ck_assert_int_eq(net_dial(&a.addr, &strange.addr, &plain.tcp,
	    &pending), -1);
	ck_assert_int_eq(errno, EADDRNOTAVAIL);
	ck_assert_int_eq(net_dial(&a.addr, &v6.addr, &plain.tcp, &pending),
	    -1);
	ck_assert_int_eq(errno, EAFNOSUPPORT);
	/* A local socket has none, and so none that is wrong. */
	ck_assert_int_eq(net_dial(&u.addr, &v6.addr, &plain.tcp, &pending),
	    -1);
	ck_assert_int_eq(errno, ECONNREFUSED);
	ck_assert_int_eq(unit_count_fds(), before);
}
END_TEST

START_TEST(an_abort_is_a_reset_for_the_peer)
{
	int	 ends[2], local[2];

	unit_tcp_pair(ends);
	net_abort(ends[0]);
	unit_expect_reset(ends[1]);
	close(ends[1]);
	unit_local_pair(local);
	net_abort(local[0]);
	unit_expect_end(local[1]);
	close(local[1]);
}
END_TEST

int
main(void)
{
	Suite	*s = suite_create("net");
	TCase	*tc = tcase_create("net");

	suite_add_tcase(s, tc);
	tcase_add_checked_fixture(tc, NULL, unit_folder_remove);
	tcase_add_loop_test(tc, a_good_address_is_read_and_written_again, 0,
	    (int)nitems(good));
	tcase_add_loop_test(tc, a_bad_address_is_refused_with_its_reason, 0,
	    (int)nitems(bad));
	tcase_add_test(tc, a_name_has_at_most_253_characters);
	tcase_add_test(tc, port_zero_is_taken_where_it_may_be);
	tcase_add_test(tc, addresses_are_compared_with_their_port);
	tcase_add_test(tc, only_a_path_is_one);
	tcase_add_test(tc, text_is_cut_to_its_room);
	tcase_add_test(tc, a_listener_is_dialled);
	tcase_add_test(tc, an_ipv6_listener_serves_ipv6_only);
	tcase_add_test(tc, a_listener_without_a_host_serves_ipv4_and_ipv6);
	tcase_add_test(tc, an_address_that_is_taken_is_refused_at_bind);
	tcase_add_test(tc, an_abstract_listener_is_dialled);
	tcase_add_test(tc, a_path_is_taken_over_from_a_dead_daemon);
	tcase_add_test(tc, a_path_where_another_listens_is_left_to_it);
	tcase_add_test(tc, a_path_where_something_else_stands_is_left_alone);
	tcase_add_test(tc, a_path_in_no_folder_is_refused);
	tcase_add_test(tc, a_path_of_the_greatest_length_can_be_served);
	tcase_add_test(tc, a_dial_to_a_dead_port_is_refused);
	tcase_add_test(tc, a_dial_to_no_socket_fails_at_once);
	tcase_add_test(tc, a_dial_to_a_full_local_queue_can_be_tried_again);
	tcase_add_loop_test(tc,
	    accepted_sockets_have_the_options_of_their_listener, 0, 2);
	tcase_add_loop_test(tc,
	    a_listener_in_use_takes_other_options_and_gives_them_up_again, 0,
	    2);
	tcase_add_test(tc, a_listener_in_use_takes_another_backlog);
	tcase_add_test(tc, v6only_cannot_change_in_use);
	tcase_add_test(tc, an_inherited_listener_becomes_one_of_ours);
	tcase_add_test(tc, an_option_that_fails_is_named);
	tcase_add_loop_test(tc,
	    a_transparent_listener_serves_addresses_of_others, 0, 2);
	tcase_add_loop_test(tc, a_socket_tells_whether_it_listens_there, 0,
	    (int)nitems(places));
	tcase_add_test(tc, a_path_tells_whether_it_is_listened_on);
	tcase_add_test(tc, what_does_not_listen_listens_nowhere);
	tcase_add_loop_test(tc, a_dial_comes_from_its_source, 0, 2);
	tcase_add_test(tc, a_source_that_is_not_ours_fails_the_dial);
	tcase_add_test(tc, an_abort_is_a_reset_for_the_peer);
	return unit_run(s);
}
