#include <signal.h>
#include <string.h>
#include <time.h>

#include "base/sig.h"

static volatile sig_atomic_t	 flags[NSIG];
static sigset_t			 waiting;	/* the mask during a wait */

static void
on_signal(int signo)
{
	flags[signo] = 1;
}

void
sig_init(const int *signals)
{
	/* "pkill -HUP sallyportd" means the master but tells all. */
	static const int	 ignored[] = {
		SIGPIPE, SIGHUP, SIGINT, SIGUSR1, SIGUSR2,
	};
	struct sigaction	 sa = { .sa_handler = SIG_DFL };
	sigset_t		 block;

	sigemptyset(&sa.sa_mask);
	for (int s = 1; s < NSIG; s++) {
		flags[s] = 0;
		if (s != SIGKILL && s != SIGSTOP)
			(void)sigaction(s, &sa, NULL);
	}
	sa.sa_handler = SIG_IGN;
	for (size_t i = 0; i < sizeof(ignored) / sizeof(ignored[0]); i++)
		(void)sigaction(ignored[i], &sa, NULL);
	sa.sa_handler = on_signal;	/* no SA_RESTART: waits must end */
	sigemptyset(&block);
	for (; *signals != 0; signals++) {
		sigaddset(&block, *signals);
		(void)sigaction(*signals, &sa, NULL);
	}
	sigprocmask(SIG_SETMASK, &block, NULL);
	sigemptyset(&waiting);
}

bool
sig_is_set(int signo)
{
	return flags[signo] != 0;
}

bool
sig_take(int signo)
{
	bool	 was = flags[signo] != 0;

	flags[signo] = 0;
	return was;
}

void
sig_forget(int signo)
{
	const struct timespec	 none = { 0, 0 };
	sigset_t		 set;

	sigemptyset(&set);
	sigaddset(&set, signo);
	while (sigtimedwait(&set, NULL, &none) == signo)
		continue;
	flags[signo] = 0;
}

/*
 * The kernel hears no signal when a wait finds something ready at once, so
 * a busy process would be deaf; now and then it is asked for signals only.
 */
static bool
heard_now_and_then(void)
{
	static unsigned int	 waits;
	const struct timespec	 none = { 0, 0 };

	return ++waits % 128 == 0 && ppoll(NULL, 0, &none, &waiting) == -1;
}

int
sig_ppoll(struct pollfd *fds, nfds_t nfds, int timeout)
{
	struct timespec	 ts = {
		.tv_sec = timeout / 1000,
		.tv_nsec = (long)(timeout % 1000) * 1000000,
	};

	if (heard_now_and_then())
		return -1;
	return ppoll(fds, nfds, timeout < 0 ? NULL : &ts, &waiting);
}

int
sig_epoll_wait(int ep, struct epoll_event *events, int size, int timeout)
{
	if (heard_now_and_then())
		return -1;
	return epoll_pwait(ep, events, size, timeout, &waiting);
}

void
sig_raise(int signo)
{
	const struct itimerspec	 now = { .it_value = { 0, 1 } };
	struct sigevent		 how = {
		.sigev_notify = SIGEV_SIGNAL, .sigev_signo = signo,
	};
	timer_t			 timer;

	/* It stays: what it is for is the end of a session. */
	if (timer_create(CLOCK_MONOTONIC, &how, &timer) == 0)
		(void)timer_settime(timer, 0, &now, NULL);
}
