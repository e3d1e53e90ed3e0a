/*
 * rig.h - a real daemon between scripted clients and servers.
 *
 * Every wait has a deadline and ends the test when it passes; nothing
 * sleeps.  The daemon is $SALLYPORTD (./sallyportd), run under
 * $SALLYPORT_WRAP if that is set (valgrind ...), its log is read from its
 * standard output.  As root it serves as nobody, else as whoever runs this.
 */
#ifndef FLOW_RIG_H
#define FLOW_RIG_H

#include <sys/types.h>

#include <check.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RIG_MS	5000		/* patience with what should be quick */

struct daemon {
	pid_t	 pid;			/* the master, or the wrapper of it */
	int	 log_fd;
	char	*log;			/* all that was read so far */
	size_t	 log_len;
	size_t	 seen;			/* what expectations have passed */
	char	 dir[64];		/* a scratch folder all may write */
	int	 status;		/* after rig_wait(): waitpid()'s */
};

/* Run a suite; what main() returns. */
int	 rig_run(Suite *s);

/* Milliseconds of a steady clock; a figure as it is under the wrapper. */
int64_t	 rig_now(void);
int	 rig_patience(int ms);

/* Is the daemon run under something that makes times meaningless? */
bool	 rig_is_slow(void);

/* A port that nobody has; each call another. */
int	 rig_port(void);

/*
 * Make d->dir, write the configuration there and start a daemon with it;
 * rig_up() also waits until it serves.  `%D' in the text is d->dir.  User and
 * log are added.
 */
void	 rig_start(struct daemon *d, const char *fmt, ...)
	    __attribute__((format(printf, 2, 3)));
void	 rig_up(struct daemon *d, const char *fmt, ...)
	    __attribute__((format(printf, 2, 3)));

/* Another configuration at the same place, for whoever reads it next. */
void	 rig_conf(struct daemon *d, const char *fmt, ...)
	    __attribute__((format(printf, 2, 3)));

/* One listener on `port' in front of `forward'; all else by default. */
void	 rig_up_simple(struct daemon *d, int port, const char *forward);

/* Signal the master. */
void	 rig_kill(struct daemon *d, int signo);

/* Wait for its end and return the exit code, -signal if one ended it. */
int	 rig_wait(struct daemon *d, int ms);

/* TERM, wait, expect 0, remove the folder. */
void	 rig_down(struct daemon *d);

/*
 * Another process has become the master: once those before it have ended it
 * is a child of this test, which must have called rig_adopt() before.
 */
void	 rig_adopt(void);
void	 rig_follow(struct daemon *d, pid_t pid);

/*
 * The next line with `text' in it that no earlier call has passed; the test
 * fails when none comes.  Valid until the next call of any rig function.
 */
const char *rig_line(struct daemon *d, const char *text);
const char *rig_line_ms(struct daemon *d, const char *text, int ms);

/* Read what the log has by now; how many lines hold the text. */
size_t	 rig_count(struct daemon *d, const char *text);

/* The value of key=value in a line, as a number. */
double	 rig_number(const char *line, const char *key);

/* Sockets, all blocking but bounded by deadlines here. */
int	 rig_listen(int *port);
int	 rig_listen_unix(const char *path);	/* '@' first: abstract */
int	 rig_accept(int lfd);
int	 rig_dial(int port);
/* Wait until nobody listens there any more. */
void	 rig_until_refused(int port);
int	 rig_dial_unix(const char *path);
int	 rig_dial_v6(int port);
void	 rig_send(int fd, const void *data, size_t len);
void	 rig_say(int fd, const char *text);
void	 rig_hear(int fd, const char *text);
void	 rig_hear_bytes(int fd, void *data, size_t len);
void	 rig_end(int fd);			/* shutdown(SHUT_WR) */
void	 rig_hear_end(int fd);
void	 rig_hear_reset(int fd);
void	 rig_hear_nothing(int fd);		/* just now */
void	 rig_reset(int fd);			/* close with a reset */

/*
 * Processes of the daemon whose title holds `text'.  rig_pids() returns how
 * many, the first `max' in pids; rig_pid() waits until there is one.
 */
size_t	 rig_pids(const struct daemon *d, const char *text, pid_t *pids,
	    size_t max);
pid_t	 rig_pid(const struct daemon *d, const char *text);
/* Wait until exactly so many have such a title, or none at all. */
void	 rig_until(const struct daemon *d, const char *text, size_t n);
void	 rig_until_gone(pid_t pid, int ms);
/* The same, and its parent knows. */
void	 rig_until_buried(pid_t pid);

/* What a process holds: descriptors, and kilobytes that are no file's. */
size_t	 rig_descriptors(pid_t pid);
long	 rig_memory(pid_t pid);

/* The file below /proc/PID; "" when there is none. */
char	*rig_proc(pid_t pid, const char *file, char *buf, size_t size);

#endif
