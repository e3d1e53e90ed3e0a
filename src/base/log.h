/*
 * log.h - what a process has to say, sent to the logger and never waited for.
 *
 * Before log_open() lines go to standard error, as they are.  After it they
 * go to the logger through a socket that the processes of a pool share; when
 * its queue is full the line is dropped and counted in the lane, a
 * page that the logger maps too and reports from.
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/logline.h"

/* Shared between those who write to one log socket and the logger. */
struct log_lane {
	_Atomic uint64_t	 dropped;	/* lines; never goes down */
	_Atomic uint64_t	 reported;	/* of them, by the logger */
};

#define MSG_LOG	2	/* type of the messages, see logline.h for payload */

/* Who speaks: "worker"; must live on.  Lines below `level' are not sent. */
void	 log_init(const char *role, enum logline_level level);

/* Use the socket and the lane from now on; takes over neither. */
void	 log_open(int sock, struct log_lane *lane);

/* Would a line of that level be sent? */
bool	 log_wants(enum logline_level level);

/* Prose.  Lines with the same format are repeats of each other. */
void	 log_error(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void	 log_warn(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void	 log_info(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void	 log_debug(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/*
 * Wait until the lane has room, at most ms; what is left of them.  For who
 * has many lines at once and would lose them.
 */
int	 log_wait(int ms);

/* Prose that is one line of several about one thing, so never a repeat. */
void	 log_one_of(enum logline_level level, const char *fmt, ...)
	    __attribute__((format(printf, 2, 3)));

/* An event with fields; role and time are filled in here. */
void	 log_event(struct logline *l);

/* Say why and end this process, only this one, with the status. */
_Noreturn void	 log_fatal(int status, const char *fmt, ...)
	    __attribute__((format(printf, 2, 3)));

#endif
