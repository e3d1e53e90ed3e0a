#include <sys/eventfd.h>

#include <errno.h>
#include <signal.h>
#include <unistd.h>

#include "base/io.h"
#include "base/sig.h"
#include "unit.h"

static const int	 list[] = { SIGTERM, SIGUSR1, SIGALRM, 0 };

START_TEST(a_signal_is_heard_only_while_waiting)
{
	sig_init(list);
	ck_assert_int_eq(raise(SIGTERM), 0);
	ck_assert(!sig_is_set(SIGTERM));
	errno = 0;
	ck_assert_int_eq(sig_ppoll(NULL, 0, UNIT_MS), -1);
	ck_assert_int_eq(errno, EINTR);
	ck_assert(sig_is_set(SIGTERM));
	ck_assert(!sig_is_set(SIGUSR1));
}
END_TEST

START_TEST(a_process_may_raise_its_own)
{
	static const int	 signals[] = { SIG_KILLED, 0 };

	sig_init(signals);
	sig_raise(SIG_KILLED);
	ck_assert_int_eq(sig_ppoll(NULL, 0, 5000), -1);
	ck_assert(sig_is_set(SIG_KILLED));
}
END_TEST

START_TEST(an_epoll_wait_hears_signals_too)
{
	struct epoll_event	 ev;
	int			 ep = epoll_create1(EPOLL_CLOEXEC);

	sig_init(list);
	ck_assert_int_eq(raise(SIGUSR1), 0);
	errno = 0;
	ck_assert_int_eq(sig_epoll_wait(ep, &ev, 1, UNIT_MS), -1);
	ck_assert_int_eq(errno, EINTR);
	ck_assert(sig_is_set(SIGUSR1));
	close(ep);
}
END_TEST

START_TEST(taking_a_flag_unsets_it)
{
	sig_init(list);
	ck_assert_int_eq(raise(SIGTERM), 0);
	(void)sig_ppoll(NULL, 0, UNIT_MS);
	ck_assert(sig_take(SIGTERM));
	ck_assert(!sig_take(SIGTERM));
	ck_assert(!sig_is_set(SIGTERM));
}
END_TEST

START_TEST(a_forgotten_signal_does_not_come_later)
{
	sig_init(list);
	ck_assert_int_eq(raise(SIGALRM), 0);
	sig_forget(SIGALRM);
	ck_assert_int_eq(sig_ppoll(NULL, 0, 0), 0);
	ck_assert(!sig_is_set(SIGALRM));
	/* The flag goes as well, and others stay. */
	ck_assert_int_eq(raise(SIGALRM), 0);
	ck_assert_int_eq(raise(SIGTERM), 0);
	/* One wait hears both, or valgrind has it hear one. */
	for (int i = 0; i < 2; i++)
		if (!sig_is_set(SIGALRM) || !sig_is_set(SIGTERM))
			(void)sig_ppoll(NULL, 0, UNIT_MS);
	ck_assert(sig_is_set(SIGALRM));
	sig_forget(SIGALRM);
	ck_assert(!sig_is_set(SIGALRM));
	ck_assert(sig_is_set(SIGTERM));
}
END_TEST

START_TEST(beginning_again_forgets_the_flags_and_the_old_list)
{
	static const int	 other[] = { SIGUSR2, 0 };
	sigset_t		 mask;
	struct sigaction	 sa;

	sig_init(list);
	ck_assert_int_eq(raise(SIGTERM), 0);
	(void)sig_ppoll(NULL, 0, UNIT_MS);
	sig_init(other);
	ck_assert(!sig_is_set(SIGTERM));
	ck_assert_int_eq(sigprocmask(SIG_BLOCK, NULL, &mask), 0);
	ck_assert_int_eq(sigismember(&mask, SIGUSR2), 1);
	ck_assert_int_eq(sigismember(&mask, SIGTERM), 0);
	ck_assert_int_eq(sigaction(SIGTERM, NULL, &sa), 0);
	ck_assert(sa.sa_handler == SIG_DFL);
	ck_assert_int_eq(sigaction(SIGPIPE, NULL, &sa), 0);
	ck_assert(sa.sa_handler == SIG_IGN);
}
END_TEST

/* The kernel delivers nothing when a wait finds something ready at once. */
START_TEST(a_process_that_never_has_to_wait_hears_a_signal_all_the_same)
{
	struct pollfd		 p = { .events = POLLIN };
	struct epoll_event	 ev = { .events = EPOLLIN };
	int			 ep = epoll_create1(EPOLL_CLOEXEC), n = 0;

	sig_init(list);
	p.fd = eventfd(1, EFD_CLOEXEC);
	ck_assert_int_ne(p.fd, -1);
	ck_assert_int_eq(epoll_ctl(ep, EPOLL_CTL_ADD, p.fd, &ev), 0);
	ck_assert_int_eq(raise(SIGTERM), 0);
	while (!sig_is_set(SIGTERM)) {
		ck_assert_int_lt(n++, 1000);
		if (_i == 0)
			(void)sig_ppoll(&p, 1, UNIT_MS);
		else
			(void)sig_epoll_wait(ep, &ev, 1, UNIT_MS);
	}
	close(p.fd);
	close(ep);
}
END_TEST

START_TEST(a_wait_without_signals_ends_in_its_time)
{
	int64_t	 start = io_now_ms();

	sig_init(list);
	ck_assert_int_eq(sig_ppoll(NULL, 0, 30), 0);
	ck_assert_int_ge(io_now_ms() - start, 29);
	ck_assert_int_lt(io_now_ms() - start, UNIT_MS);
}
END_TEST

START_TEST(a_wait_for_one_descriptor_tells_events_deadline_and_signal)
{
	int	 fd = eventfd(0, EFD_CLOEXEC);

	sig_init(list);
	ck_assert_int_eq(io_wait(fd, POLLOUT, io_now_ms() + UNIT_MS),
	    POLLOUT);
	ck_assert_int_eq(io_wait(fd, POLLIN, io_now_ms() + 10), 0);
	/* A deadline that has passed still looks once. */
	ck_assert_int_eq(io_wait(fd, POLLOUT, io_now_ms() - 10), POLLOUT);
	ck_assert_int_eq(raise(SIGTERM), 0);
	errno = 0;
	ck_assert_int_eq(io_wait(fd, POLLIN, io_now_ms() + UNIT_MS), -1);
	ck_assert_int_eq(errno, EINTR);
	close(fd);
}
END_TEST

START_TEST(what_is_left_is_neither_negative_nor_too_large)
{
	ck_assert_int_eq(io_left_ms(io_now_ms() - 1000), 0);
	ck_assert_int_eq(io_left_ms(0), 0);
	ck_assert_int_eq(io_left_ms(INT64_MAX), INT32_MAX);
	ck_assert_int_gt(io_left_ms(io_now_ms() + 1000), 0);
	ck_assert_int_le(io_left_ms(io_now_ms() + 1000), 1000);
}
END_TEST

int
main(void)
{
	Suite	*s = suite_create("sig");
	TCase	*tc = tcase_create("sig");

	suite_add_tcase(s, tc);
	tcase_add_test(tc, a_signal_is_heard_only_while_waiting);
	tcase_add_test(tc, a_process_may_raise_its_own);
	tcase_add_test(tc, an_epoll_wait_hears_signals_too);
	tcase_add_test(tc, taking_a_flag_unsets_it);
	tcase_add_test(tc, a_forgotten_signal_does_not_come_later);
	tcase_add_test(tc,
	    beginning_again_forgets_the_flags_and_the_old_list);
	tcase_add_loop_test(tc,
	    a_process_that_never_has_to_wait_hears_a_signal_all_the_same,
	    0, 2);
	tcase_add_test(tc, a_wait_without_signals_ends_in_its_time);
	tcase_add_test(tc,
	    a_wait_for_one_descriptor_tells_events_deadline_and_signal);
	tcase_add_test(tc, what_is_left_is_neither_negative_nor_too_large);
	return unit_run(s);
}
