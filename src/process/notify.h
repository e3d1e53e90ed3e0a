/*
 * notify.h - what the service manager is told, as by sd_notify(3).
 *
 * A datagram to the local socket of NOTIFY_SOCKET, sent without waiting.
 * Nothing that fails here is fatal or said: a daemon serves whether or not
 * somebody listens to its state.  Without NOTIFY_SOCKET nothing is sent.
 */
#ifndef PROCESS_NOTIFY_H
#define PROCESS_NOTIFY_H

#include <sys/types.h>

/*
 * Read NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID, and take them out of
 * the environment, as what they ask for is not for children.  Returns 0, or
 * -1 with errno when there is a NOTIFY_SOCKET that cannot be used.
 */
int	 notify_init(void);

/*
 * Put the variables back, for the calling process: in a child that is about
 * to execute what is to be the service from then on.
 */
void	 notify_hand_on(void);

/* The service serves; also when it has done so again after a reload. */
void	 notify_ready(const char *status);
/* It reads its configuration anew; notify_ready() comes next. */
void	 notify_reloading(void);
void	 notify_stopping(void);
/* One line for "systemctl status". */
void	 notify_status(const char *fmt, ...)
	    __attribute__((format(printf, 1, 2)));
/* Another process is the service from now on. */
void	 notify_mainpid(pid_t pid);

/*
 * How often notify_watchdog() is due: half of what the manager waits, in ms,
 * 1 at the least; -1 when it does not, or not for this process.
 */
int	 notify_watchdog_ms(void);
void	 notify_watchdog(void);

#endif
