#include <sys/socket.h>
#include <sys/wait.h>

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "base/mem.h"
#include "base/net.h"
#include "process/notify.h"
#include "unit.h"

static char	 where[NET_TEXT_MAX];

static void
clear(void)
{
	unsetenv("NOTIFY_SOCKET");
	unsetenv("WATCHDOG_USEC");
	unsetenv("WATCHDOG_PID");
}

/* The manager's end: a path, or an abstract name. */
static int
manage(int kind)
{
	struct net_spec	 s;
	const char	*why = "";
	int		 fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (kind == 0)
		snprintf(where, sizeof(where), "unix:%s/notify",
		    unit_folder());
	else
		snprintf(where, sizeof(where), "unix:@sallyport-notify-%d",
		    (int)getpid());
	ck_assert_int_eq(net_parse(where, false, &s, &why), 0);
	ck_assert_int_eq(bind(fd, &s.addr.u.sa, s.addr.len), 0);
	setenv("NOTIFY_SOCKET", where + strlen("unix:"), 1);
	return fd;
}

static const char *
heard(int fd)
{
	static char	 buf[1024];
	ssize_t		 n;

	ck_assert_msg(unit_wait(fd, POLLIN, UNIT_MS) != 0, "nothing came");
	n = recv(fd, buf, sizeof(buf) - 1, MSG_DONTWAIT);
	ck_assert_int_ge(n, 0);
	buf[n] = '\0';
	return buf;
}

START_TEST(a_manager_hears_each_state)
{
	const char	*text, *when = "RELOADING=1\nMONOTONIC_USEC=";
	int		 fd = manage(_i);
	int64_t		 us, now = io_now_us();

	ck_assert_int_eq(notify_init(), 0);
	notify_ready("2 listeners");
	ck_assert_str_eq(heard(fd), "READY=1\nSTATUS=2 listeners");
	notify_reloading();
	text = heard(fd);
	ck_assert_mem_eq(text, when, strlen(when));
	us = strtoll(text + strlen(when), NULL, 10);
	ck_assert_int_ge(us, now);
	ck_assert_int_le(us, io_now_us());
	notify_status("%d of %s", 3, "four");
	ck_assert_str_eq(heard(fd), "STATUS=3 of four");
	notify_mainpid(4711);
	ck_assert_str_eq(heard(fd), "MAINPID=4711");
	notify_watchdog();
	ck_assert_str_eq(heard(fd), "WATCHDOG=1");
	notify_stopping();
	ck_assert_str_eq(heard(fd), "STOPPING=1");
	close(fd);
}
END_TEST

START_TEST(a_status_is_one_line_and_cut_to_its_room)
{
	char	 text[1000];
	int	 fd = manage(1);

	ck_assert_int_eq(notify_init(), 0);
	notify_ready("a\nMAINPID=1\nb");
	ck_assert_str_eq(heard(fd), "READY=1\nSTATUS=a MAINPID=1 b");
	notify_status("a\nMAINPID=1\nb");
	ck_assert_str_eq(heard(fd), "STATUS=a MAINPID=1 b");
	memset(text, 'x', sizeof(text));
	text[sizeof(text) - 1] = '\0';
	notify_status("%s", text);
	ck_assert_uint_eq(strlen(heard(fd)), strlen("STATUS=") + 255);
	close(fd);
}
END_TEST

START_TEST(children_inherit_nothing)
{
	int	 fd = manage(1), before;

	setenv("WATCHDOG_USEC", "1000", 1);
	setenv("WATCHDOG_PID", "1", 1);
	ck_assert_int_eq(notify_init(), 0);
	ck_assert_ptr_null(getenv("NOTIFY_SOCKET"));
	ck_assert_ptr_null(getenv("WATCHDOG_USEC"));
	ck_assert_ptr_null(getenv("WATCHDOG_PID"));
	before = unit_count_fds();
	notify_ready("");
	ck_assert_int_eq(unit_count_fds(), before);
	close(fd);
}
END_TEST

/* All of it on behalf of a process that is about to be another program. */
START_TEST(what_was_taken_is_handed_on_to_a_successor)
{
	char	 text[24];
	int	 fd = manage(1);

	snprintf(text, sizeof(text), "%d", (int)getpid());
	setenv("WATCHDOG_USEC", "4000000", 1);
	setenv("WATCHDOG_PID", text, 1);
	ck_assert_int_eq(notify_init(), 0);
	notify_hand_on();
	ck_assert_str_eq(getenv("NOTIFY_SOCKET"), where + strlen("unix:"));
	ck_assert_str_eq(getenv("WATCHDOG_USEC"), "4000000");
	ck_assert_str_eq(getenv("WATCHDOG_PID"), text);
	close(fd);
}
END_TEST

START_TEST(without_a_manager_nothing_happens)
{
	int	 before = unit_count_fds();

	ck_assert_int_eq(notify_init(), 0);
	ck_assert_int_eq(notify_watchdog_ms(), -1);
	notify_ready("x");
	notify_reloading();
	notify_stopping();
	notify_status("x");
	notify_mainpid(1);
	notify_watchdog();
	notify_hand_on();
	ck_assert_ptr_null(getenv("NOTIFY_SOCKET"));
	ck_assert_int_eq(unit_count_fds(), before);
}
END_TEST

START_TEST(a_manager_that_is_gone_or_does_not_read_is_no_matter)
{
	int64_t	 begun = io_now_ms();
	int	 fd = manage(1);

	ck_assert_int_eq(notify_init(), 0);
	for (int i = 0; i < 10000; i++)
		notify_status("%d", i);
	ck_assert_str_eq(heard(fd), "STATUS=0");
	close(fd);
	notify_ready("x");
	ck_assert_int_lt(io_now_ms() - begun, UNIT_MS);
}
END_TEST

static const char *const	 strange[] = {
	"", "@", "relative/path", "vsock:2:1234", "/",
	"/23456789012345678901234567890123456789012345678901234567890"
	"23456789012345678901234567890123456789012345678901234567890",
	"@23456789012345678901234567890123456789012345678901234567890"
	"23456789012345678901234567890123456789012345678901234567890"
	"23456789012345678901234567890123456789012345678901234567890",
};

START_TEST(an_address_of_no_known_kind_is_told)
{
	int	 before = unit_count_fds();

	setenv("NOTIFY_SOCKET", strange[_i], 1);
	ck_assert_int_eq(notify_init(), -1);
	ck_assert_int_eq(errno, EAFNOSUPPORT);
	ck_assert_ptr_null(getenv("NOTIFY_SOCKET"));
	notify_ready("x");
	ck_assert_int_eq(unit_count_fds(), before);
}
END_TEST

static const struct {
	const char	*usec;
	int		 pid;		/* 0: not named; 1: ours; 2: not ours */
	int		 ms;
} dogs[] = {
	{ "30000000",			0,	15000 },
	{ "30000000",			1,	15000 },
	{ "30000000",			2,	-1 },
	{ "1000",			0,	1 },
	{ "9223372036854775807",	0,	INT32_MAX },
	{ "9223372036854775808",	0,	-1 },
	{ "0",				0,	-1 },
	{ "-1",				0,	-1 },
	{ "",				0,	-1 },
	{ " 1000",			0,	-1 },
	{ "1000s",			0,	-1 },
};

START_TEST(a_watchdog_is_fed_twice_as_often_as_it_asks)
{
	char	 text[24];

	setenv("WATCHDOG_USEC", dogs[_i].usec, 1);
	snprintf(text, sizeof(text), "%d", (int)(dogs[_i].pid == 1 ?
	    getpid() : getppid()));
	if (dogs[_i].pid != 0)
		setenv("WATCHDOG_PID", text, 1);
	ck_assert_int_eq(notify_init(), 0);
	ck_assert_int_eq(notify_watchdog_ms(), dogs[_i].ms);
}
END_TEST

int
main(void)
{
	Suite	*s = suite_create("notify");
	TCase	*tc = tcase_create("notify");

	suite_add_tcase(s, tc);
	tcase_add_checked_fixture(tc, clear, unit_folder_remove);
	tcase_add_loop_test(tc, a_manager_hears_each_state, 0, 2);
	tcase_add_test(tc, a_status_is_one_line_and_cut_to_its_room);
	tcase_add_test(tc, children_inherit_nothing);
	tcase_add_test(tc, what_was_taken_is_handed_on_to_a_successor);
	tcase_add_test(tc, without_a_manager_nothing_happens);
	tcase_add_test(tc,
	    a_manager_that_is_gone_or_does_not_read_is_no_matter);
	tcase_add_loop_test(tc, an_address_of_no_known_kind_is_told, 0,
	    (int)nitems(strange));
	tcase_add_loop_test(tc, a_watchdog_is_fed_twice_as_often_as_it_asks,
	    0, (int)nitems(dogs));
	return unit_run(s);
}
