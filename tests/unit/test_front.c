#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "base/mem.h"
#include "base/sig.h"
#include "session/front.h"
#include "unit.h"
#include "wire/proxy_header.h"

#define FROM	"192.0.2.7:1000"
#define TO	"198.51.100.9:3306"
#define LINE	"PROXY TCP4 192.0.2.7 198.51.100.9 1000 3306\r\n"
#define SIGNED	"\r\n\r\n\0\r\nQUIT\n"

static int			 client, fd;
static struct net_addr		 peer;
static struct access_net	 from[2], allow[3], deny[3];
static struct front_rules	 rules;
static struct front		 f;
static enum end			 end;
static int64_t			 begun;
static pid_t			 child;

static struct net_addr
address(const char *text)
{
	struct net_spec	 s;
	const char	*why = "";

	ck_assert_msg(net_parse(text, true, &s, &why) == 0, "%s", why);
	return s.addr;
}

static struct access_net
net(const char *text)
{
	struct access_net	 n;
	const char		*why = "";

	ck_assert_msg(access_net_parse(text, &n, &why) == 0, "%s", why);
	return n;
}

static void
open_common(const int ends[2])
{
	static const int	 signals[] = {
		SIGTERM, SIG_ORPHAN, SIG_KILLED, SIGUSR2, SIGIO, 0
	};

	sig_init(signals);
	client = ends[0];
	fd = ends[1];
	child = -1;
	peer.len = sizeof(peer.u);
	ck_assert_int_eq(getpeername(fd, &peer.u.sa, &peer.len), 0);
	from[0] = net("127.0.0.0/8");
	from[1] = net("unix");
	rules = (struct front_rules){
		.proxy_accept = true, .proxy_from = from, .nfrom = 2,
	};
}

static void
open_tcp(void)
{
	int	 ends[2];

	unit_tcp_pair(ends);
	open_common(ends);
}

static void
open_local(void)
{
	int	 ends[2];

	unit_local_pair(ends);
	open_common(ends);
}

static void
close_all(void)
{
	if (client != -1)
		close(client);
	close(fd);
	if (child != -1)
		ck_assert_int_eq(waitpid(child, NULL, 0), child);
}

static int
open_front(int ms)
{
	begun = io_now_ms();
	end = END_DONE;
	front_init(&f, fd, &peer);
	return front_open(&f, &rules, begun + ms, NULL, &end);
}

static int
took(void)
{
	return (int)(io_now_ms() - begun);
}

static void
expect_refused(int ms, enum end how, const char *why)
{
	ck_assert_int_eq(open_front(ms), -1);
	ck_assert_str_eq(end_text(end), end_text(how));
	ck_assert_str_eq(f.why, why);
}

static void
expect_client(const char *who, const char *to)
{
	char	 text[NET_TEXT_MAX];

	ck_assert(f.proxied);
	ck_assert_str_eq(net_text(&f.client, text, sizeof(text)), who);
	ck_assert_str_eq(net_text(front_to(&f), text, sizeof(text)), to);
	ck_assert(net_same(&f.peer, &peer));
}

/* A header of version 2 as our own side writes it. */
static size_t
block(uint8_t *buf)
{
	struct net_addr	 a = address(FROM), b = address(TO);

	return proxy_header_encode(2, &a, &b, "session", 7, buf);
}

/* One of the two versions. */
static size_t
header(int version, uint8_t *buf)
{
	if (version == 2)
		return block(buf);
	memcpy(buf, LINE, sizeof(LINE) - 1);
	return sizeof(LINE) - 1;
}

START_TEST(without_a_rule_nothing_is_asked_of_the_system)
{
	struct net_addr	 here;

	rules = (struct front_rules){ .proxy_accept = false };
	front_init(&f, -1, &peer);
	ck_assert_int_eq(front_open(&f, &rules, 0, NULL, &end), 0);
	ck_assert(net_same(&f.client, &peer));
	ck_assert(!f.proxied);
	ck_assert_ptr_null(front_to(&f));
	ck_assert_int_eq(errno, EBADF);
	f.fd = fd;
	ck_assert_int_eq(net_local(fd, &here), 0);
	ck_assert(net_same(front_to(&f), &here));
	close(client);
	client = -1;
	ck_assert(net_same(front_to(&f), &here));
}
END_TEST

START_TEST(a_header_names_the_client_and_what_follows_is_left)
{
	uint8_t	 buf[PROXY_HEADER_OUT_MAX + 16];
	size_t	 len = header(_i, buf);

	memcpy(buf + len, "hello", 5);
	unit_write(client, buf, len + 5);
	ck_assert_int_eq(open_front(UNIT_MS), 0);
	expect_client(FROM, TO);
	unit_expect(fd, "hello", 5);
	ck_assert_int_eq(unit_wait(fd, POLLIN, 0), 0);
}
END_TEST

START_TEST(a_header_alone_is_enough)
{
	uint8_t	 buf[PROXY_HEADER_OUT_MAX];
	size_t	 len = header(_i, buf);

	unit_write(client, buf, len);
	ck_assert_int_eq(open_front(UNIT_MS), 0);
	expect_client(FROM, TO);
	ck_assert_int_eq(unit_wait(fd, POLLIN, 0), 0);
}
END_TEST

/* Bytes like those of a header may follow one, and are the client's. */
START_TEST(only_one_header_is_read)
{
	unit_write(client, LINE LINE, 2 * (sizeof(LINE) - 1));
	ck_assert_int_eq(open_front(UNIT_MS), 0);
	unit_expect(fd, LINE, sizeof(LINE) - 1);
}
END_TEST

START_TEST(every_header_that_is_cut_off_is_refused)
{
	uint8_t	 buf[PROXY_HEADER_OUT_MAX];
	size_t	 len = header(_i, buf);
	int	 ends[2];

	for (size_t n = 0; n < len; n++) {
		unit_local_pair(ends);
		unit_write(ends[0], buf, n);
		close(ends[0]);
		close(fd);
		fd = ends[1];
		peer = address("unix:/x");
		expect_refused(UNIT_MS, END_PROXY_HEADER, n == 0 ?
		    "the stream ended before a PROXY header" :
		    "the stream ended within the PROXY header");
	}
}
END_TEST

START_TEST(a_stream_that_ends_within_a_header_is_refused_while_we_wait)
{
	unit_write(client, LINE, 20);
	shutdown(client, SHUT_WR);
	expect_refused(UNIT_MS, END_PROXY_HEADER,
	    "the stream ended within the PROXY header");
	ck_assert_int_lt(took(), UNIT_MS / 2);
}
END_TEST

/* A child that sends in steps of so many bytes, and then the rest. */
static void
send_slowly(const void *data, size_t len, size_t step, int ms)
{
	const uint8_t	*p = data;

	child = check_fork();
	if (child != 0)
		return;
	for (size_t n = 0; n < len; n += step) {
		size_t	 some = len - n < step ? len - n : step;

		(void)poll(NULL, 0, ms);
		unit_write(client, p + n, some);
	}
	_exit(0);
}

static long
cpu_ms(const struct rusage *ru)
{
	return (ru->ru_utime.tv_sec + ru->ru_stime.tv_sec) * 1000 +
	    (ru->ru_utime.tv_usec + ru->ru_stime.tv_usec) / 1000;
}

/* Each byte wakes us once: poll(2) must not find old ones unread. */
START_TEST(a_header_that_comes_byte_by_byte_costs_one_wait_each)
{
	uint8_t		 buf[PROXY_HEADER_OUT_MAX + 16];
	size_t		 len = header(_i, buf);
	struct rusage	 before, after;

	memcpy(buf + len, "hello", 5);
	send_slowly(buf, len + 5, 1, 5);
	getrusage(RUSAGE_SELF, &before);
	ck_assert_int_eq(open_front(UNIT_MS), 0);
	getrusage(RUSAGE_SELF, &after);
	expect_client(FROM, TO);
	ck_assert_int_ge(took(), 3 * (int)len);
	if (!unit_under_valgrind()) {
		ck_assert_int_le(after.ru_nvcsw - before.ru_nvcsw,
		    2 * (long)len);
		ck_assert_int_lt(cpu_ms(&after) - cpu_ms(&before),
		    took() / 4);
	}
	unit_expect(fd, "hello", 5);
}
END_TEST

START_TEST(a_large_header_comes_in_pieces)
{
	static uint8_t	 buf[PROXY_HEADER_MAX + 5];

	/* One TLV of no meaning fills it up to what is allowed. */
	memcpy(buf, SIGNED "\x21\x11\x10\x00", 16);
	memcpy(buf + 16, "\xc0\0\2\7\xc6\x33\x64\x09\x03\xe8\x0c\xea", 12);
	buf[28] = 0xe0;
	buf[29] = (uint8_t)((PROXY_HEADER_MAX - 31) >> 8);
	buf[30] = (uint8_t)((PROXY_HEADER_MAX - 31) & 0xff);
	memcpy(buf + PROXY_HEADER_MAX, "hello", 5);
	send_slowly(buf, sizeof(buf), 1000, 10);
	ck_assert_int_eq(open_front(UNIT_MS), 0);
	expect_client(FROM, TO);
	unit_expect(fd, "hello", 5);
}
END_TEST

START_TEST(a_header_of_a_source_that_may_not_send_one_is_not_read)
{
	rules.nfrom = 0;
	unit_write(client, LINE, sizeof(LINE) - 1);
	expect_refused(UNIT_MS, END_DENIED, "not among proxy_protocol.from");
	ck_assert(!f.proxied);
	unit_expect(fd, LINE, sizeof(LINE) - 1);
	from[0] = net("127.0.0.2");
	from[1] = net("::/0");
	rules.nfrom = 2;
	expect_refused(UNIT_MS, END_DENIED, "not among proxy_protocol.from");
}
END_TEST

static const struct {
	const char	*text;
	size_t		 len;
} garbage[] = {
#define BYTES(s)	{ s, sizeof(s) - 1 }
	BYTES("G"),
	BYTES("GET / HTTP/1.0\r\n\r\n"),
	BYTES("\x16\x03\x01\x02\x00"),
	BYTES("PROXX"),
	BYTES("PROXY TCP5"),
	BYTES("PROXY TCP4 192.0.2.7 198.51.100.9 1000 33060000\r\n"),
	BYTES("\r\nQ"),
	BYTES(SIGNED "\x31\x11\0\x0c"),
	BYTES(SIGNED "\x21\x12\0\x0c"),
	BYTES(SIGNED "\x21\x11\xff\xff"),
	BYTES(SIGNED "\x21\x11\0\x04" "abcd"),
};

/* At once, although the client waits for our answer. */
START_TEST(what_is_no_header_is_refused_before_more_has_come)
{
	unit_write(client, garbage[_i].text, garbage[_i].len);
	ck_assert_int_eq(open_front(UNIT_MS), -1);
	ck_assert_int_lt(took(), UNIT_MS / 2);
	ck_assert_int_eq(end, END_PROXY_HEADER);
	ck_assert_str_ne(f.why, "");
	ck_assert(!f.proxied);
	ck_assert(net_same(&f.client, &peer));
}
END_TEST

START_TEST(a_line_without_end_is_refused)
{
	char	 text[300];

	memset(text, 'x', sizeof(text));
	memcpy(text, "PROXY UNKNOWN ", 14);
	unit_write(client, text, sizeof(text));
	ck_assert_int_eq(open_front(UNIT_MS), -1);
	ck_assert_int_eq(end, END_PROXY_HEADER);
	ck_assert_int_lt(took(), UNIT_MS / 2);
}
END_TEST

START_TEST(a_client_that_says_nothing_has_until_the_deadline)
{
	struct rusage	 before, after;

	unit_write(client, LINE, (size_t)_i * 10);
	getrusage(RUSAGE_SELF, &before);
	expect_refused(300, END_TIMEOUT,
	    "the PROXY header did not come in time");
	getrusage(RUSAGE_SELF, &after);
	ck_assert_int_ge(took(), 299);
	ck_assert_int_lt(took(), 1500);
	ck_assert_int_lt(cpu_ms(&after) - cpu_ms(&before), 150);
}
END_TEST

START_TEST(bytes_do_not_put_the_deadline_off)
{
	uint8_t	 buf[PROXY_HEADER_OUT_MAX];
	size_t	 len = block(buf);

	send_slowly(buf, len, 1, 20);
	expect_refused(300, END_TIMEOUT,
	    "the PROXY header did not come in time");
	ck_assert_int_lt(took(), 700);
	close(client);
	client = -1;
	close(fd);			/* the child need not finish */
	fd = -1;
	kill(child, SIGKILL);
}
END_TEST

START_TEST(a_client_that_breaks_off_is_one_that_did)
{
	unit_write(client, LINE, 10);
	child = check_fork();
	if (child == 0) {
		(void)poll(NULL, 0, 50);
		unit_reset(client);
		_exit(0);
	}
	close(client);
	client = -1;
	expect_refused(UNIT_MS, END_CLIENT_RESET, "");
	ck_assert_int_lt(took(), UNIT_MS / 2);
}
END_TEST

static const struct {
	const char	*text;
	size_t		 len;
} locals[] = {
	BYTES("PROXY UNKNOWN\r\n"),
	BYTES("PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n"),
	BYTES(SIGNED "\x20\x11\0\x0c" "\1\2\3\4\5\6\7\x08\0\1\0\2"),
	BYTES(SIGNED "\x20\0\0\0"),
	BYTES(SIGNED "\x21\0\0\0"),
};

START_TEST(a_proxy_that_speaks_for_itself_is_the_client)
{
	struct net_addr	 here;

	unit_write(client, locals[_i].text, locals[_i].len);
	unit_write(client, "hello", 5);
	ck_assert_int_eq(open_front(UNIT_MS), 0);
	ck_assert(!f.proxied);
	ck_assert(net_same(&f.client, &peer));
	ck_assert_int_eq(net_local(fd, &here), 0);
	ck_assert(net_same(front_to(&f), &here));
	unit_expect(fd, "hello", 5);
}
END_TEST

START_TEST(a_client_may_be_of_any_family)
{
	static const char *const	 who[][2] = {
		{ "[2001:db8::7]:1", "[2001:db8::9]:2" },
		{ "unix:/a", "unix:/b" },
	};
	struct net_addr	 a = address(who[_i][0]), b = address(who[_i][1]);
	uint8_t		 buf[PROXY_HEADER_OUT_MAX];

	unit_write(client, buf, proxy_header_encode(2, &a, &b, NULL, 0, buf));
	ck_assert_int_eq(open_front(UNIT_MS), 0);
	expect_client(who[_i][0], who[_i][1]);
}
END_TEST

/* By the rules the client of the header is judged, 192.0.2.7. */
static const struct {
	const char	*allow[3], *deny[3];
	const char	*why;		/* NULL: let in */
} judgements[] = {
	{ { "192.0.2.0/24" },	{ NULL },		NULL },
	{ { "127.0.0.0/8" },	{ NULL },		"not in allow" },
	{ { NULL },		{ "127.0.0.0/8" },	NULL },
	{ { NULL },		{ "192.0.0.0/8" },
		"denied by 192.0.0.0/8" },
	{ { NULL },		{ "192.0.0.0/8", "192.0.2.7", "unix" },
		"denied by 192.0.2.7" },
	{ { "192.0.2.7" },	{ "192.0.0.0/8" },	NULL },
	{ { "192.0.0.0/8" },	{ "192.0.2.0/24" },
		"denied by 192.0.2.0/24" },
	{ { "192.0.2.7" },	{ "192.0.2.7" },
		"denied by 192.0.2.7" },
	{ { "unix", "::/0" },	{ "10.0.0.0/8" },	"not in allow" },
};

static size_t
list(struct access_net *out, const char *const *texts)
{
	size_t	 n = 0;

	while (n < 3 && texts[n] != NULL) {
		out[n] = net(texts[n]);
		n++;
	}
	return n;
}

START_TEST(the_client_of_the_header_is_judged)
{
	rules.allow = allow;
	rules.nallow = list(allow, judgements[_i].allow);
	rules.deny = deny;
	rules.ndeny = list(deny, judgements[_i].deny);
	unit_write(client, LINE "hello", sizeof(LINE) + 4);
	if (judgements[_i].why == NULL)
		ck_assert_int_eq(open_front(UNIT_MS), 0);
	else
		expect_refused(UNIT_MS, END_DENIED, judgements[_i].why);
	/* And the same one without a header. */
	rules.proxy_accept = false;
	peer = address(FROM);
	if (judgements[_i].why == NULL)
		ck_assert_int_eq(open_front(UNIT_MS), 0);
	else
		expect_refused(UNIT_MS, END_DENIED, judgements[_i].why);
	unit_expect(fd, "hello", 5);
}
END_TEST

START_TEST(a_peer_of_no_known_family_is_denied_by_any_rule)
{
	memset(&peer, 0, sizeof(peer));
	peer.len = sizeof(sa_family_t);
	rules = (struct front_rules){ .deny = deny, .ndeny = 1 };
	deny[0] = net("10.0.0.0/8");
	expect_refused(UNIT_MS, END_DENIED, "an address of an unknown kind");
}
END_TEST

static void
tell_parent(int signo)
{
	child = check_fork();
	if (child == 0) {
		(void)poll(NULL, 0, 50);
		kill(getppid(), signo);
		_exit(0);
	}
}

static const struct {
	int		 signo;
	enum end	 end;
	const char	*why;
} endings[] = {
	{ SIGTERM, END_SHUTDOWN, "" },
	{ SIG_ORPHAN, END_CRASHED, "" },
	{ SIG_KILLED, END_KILLED, "" },
	{ SIGIO, END_LIMIT, TOLD_GIVE_WAY },
	{ SIGUSR2, END_TIMEOUT, "the PROXY header did not come in time" },
};

static bool
give_way(void *ctx)
{
	*(bool *)ctx = true;
	return true;
}

START_TEST(signals_are_heard_while_it_waits)
{
	bool		 heard = false;
	struct told	 told = { .heard = give_way, .ctx = &heard };

	unit_write(client, LINE, 10);
	tell_parent(endings[_i].signo);
	begun = io_now_ms();
	front_init(&f, fd, &peer);
	ck_assert_int_eq(front_open(&f, &rules, begun + 400, &told, &end),
	    -1);
	ck_assert_str_eq(end_text(end), end_text(endings[_i].end));
	ck_assert_str_eq(f.why, endings[_i].why);
	ck_assert_int_eq(took() < 390, endings[_i].end != END_TIMEOUT);
	ck_assert_int_eq(heard, endings[_i].signo == SIGIO);
}
END_TEST

static void
add_common(TCase *tc)
{
	tcase_set_timeout(tc, 30);
	tcase_add_test(tc, without_a_rule_nothing_is_asked_of_the_system);
	tcase_add_loop_test(tc,
	    a_header_names_the_client_and_what_follows_is_left, 1, 3);
	tcase_add_loop_test(tc, a_header_alone_is_enough, 1, 3);
	tcase_add_test(tc, only_one_header_is_read);
	tcase_add_loop_test(tc, every_header_that_is_cut_off_is_refused, 1,
	    3);
	tcase_add_test(tc,
	    a_stream_that_ends_within_a_header_is_refused_while_we_wait);
	tcase_add_loop_test(tc,
	    a_header_that_comes_byte_by_byte_costs_one_wait_each, 1, 3);
	tcase_add_test(tc, a_large_header_comes_in_pieces);
	tcase_add_test(tc,
	    a_header_of_a_source_that_may_not_send_one_is_not_read);
	tcase_add_loop_test(tc,
	    what_is_no_header_is_refused_before_more_has_come, 0,
	    (int)nitems(garbage));
	tcase_add_test(tc, a_line_without_end_is_refused);
	tcase_add_loop_test(tc,
	    a_client_that_says_nothing_has_until_the_deadline, 0, 3);
	tcase_add_test(tc, bytes_do_not_put_the_deadline_off);
	tcase_add_loop_test(tc, a_proxy_that_speaks_for_itself_is_the_client,
	    0, (int)nitems(locals));
	tcase_add_loop_test(tc, a_client_may_be_of_any_family, 0, 2);
	tcase_add_loop_test(tc, the_client_of_the_header_is_judged, 0,
	    (int)nitems(judgements));
	tcase_add_test(tc, a_peer_of_no_known_family_is_denied_by_any_rule);
	tcase_add_loop_test(tc, signals_are_heard_while_it_waits, 0,
	    (int)nitems(endings));
}

int
main(void)
{
	Suite	*s = suite_create("front");
	TCase	*tc = tcase_create("tcp");

	suite_add_tcase(s, tc);
	tcase_add_checked_fixture(tc, open_tcp, close_all);
	add_common(tc);
	tcase_add_test(tc, a_client_that_breaks_off_is_one_that_did);

	tc = tcase_create("local");
	suite_add_tcase(s, tc);
	tcase_add_checked_fixture(tc, open_local, close_all);
	add_common(tc);
	return unit_run(s);
}
