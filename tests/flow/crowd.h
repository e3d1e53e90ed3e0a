/*
 * crowd.h - servers that answer and clients that never rest.
 *
 * They are processes of their own, so that a test can look at something else
 * while they speak; they end with the test.
 */
#ifndef FLOW_CROWD_H
#define FLOW_CROWD_H

#include <sys/types.h>

#include <stddef.h>
#include <stdint.h>

struct load {
	pid_t	 pid;
	int	 fd;
};

/*
 * A server that says `id', one byte, to whoever comes, and then what it
 * hears.  Returns its port.
 */
int	 crowd_server(char id);

/*
 * A client that comes to `port' over and over and checks what it hears, and
 * one session beside it whose bytes never pause.  crowd_rest() ends both and
 * fails the test when one was refused or cut, or heard something else;
 * returns how many sessions there were.
 */
void	 crowd_load(struct load *l, int port);
size_t	 crowd_rest(struct load *l);

/* A session that has heard from a server; fails when there is none. */
int	 crowd_session(int port);

/* Which server answers there: its byte, 0 if it is refused or cut. */
char	 crowd_who(int port);
char	 crowd_who_unix(const char *path);

/* Wait until that one answers there; how many ms it took. */
int64_t	 crowd_until(int port, char who);

/* Say something on a session and hear it back. */
void	 crowd_check(int fd);

#endif
