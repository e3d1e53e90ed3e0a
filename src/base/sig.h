/*
 * sig.h - signals as flags, heard only while a process waits.
 *
 * All signals that a role uses stay blocked but for the moment inside
 * sig_ppoll() and sig_epoll_wait(), so none can interrupt anything else and
 * none is lost between a look at its flag and the wait.
 */
#ifndef BASE_SIG_H
#define BASE_SIG_H

#include <sys/epoll.h>

#include <poll.h>
#include <signal.h>
#include <stdbool.h>

/*
 * Between our processes: such as nobody types, as "pkill -USR2" is typed and
 * tells all.  The parent has died; the session is to end.
 */
#define SIG_ORPHAN	SIGPWR
#define SIG_KILLED	SIGVTALRM

/*
 * Block every signal of the list (it ends with 0) and have each set its
 * flag.  Of the others, SIGPIPE, SIGHUP, SIGINT, SIGUSR1 and SIGUSR2 are
 * ignored and the rest get their default action.  Flags start unset.  May be
 * called again, after fork, with another list.
 */
void	 sig_init(const int *signals);

/* Has the signal come?  sig_take() also unsets the flag. */
bool	 sig_is_set(int signo);
bool	 sig_take(int signo);

/* Unset the flag, and take back a signal that has come and was not heard. */
void	 sig_forget(int signo);

/*
 * Have the signal come to this process, by a timer: a worker may signal nobody
 * by kill(2), itself included.
 */
void	 sig_raise(int signo);

/*
 * poll(2) and epoll_wait(2) during which the signals are heard; timeout in
 * milliseconds, -1 for none.  -1 with EINTR when one came.
 */
int	 sig_ppoll(struct pollfd *fds, nfds_t nfds, int timeout);
int	 sig_epoll_wait(int ep, struct epoll_event *events, int size,
	    int timeout);

#endif
