/*
 * unit.h - what the unit tests share: peers, patience, descriptors.
 *
 * Nothing sleeps: whatever is waited for has UNIT_MS to come, and a test
 * fails when it does not.  Sockets made here are non-blocking.
 */
#ifndef UNIT_H
#define UNIT_H

#include <sys/types.h>

#include <check.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define UNIT_MS		5000	/* for anything that is sure to come */

/* Run a suite; what main() returns. */
int	 unit_run(Suite *s);

/* Is the kernel not the one that answers? */
bool	 unit_under_valgrind(void);

/* Descriptors that this process holds now. */
int	 unit_count_fds(void);

/* Two connected ends: a local socketpair, or TCP over 127.0.0.1. */
void	 unit_local_pair(int ends[2]);
void	 unit_tcp_pair(int ends[2]);
/* A listener on 127.0.0.1, or -1 for [::1] where the kernel has none. */
int	 unit_tcp_listen(int backlog, uint16_t *port);
int	 unit_tcp6_listen(int backlog, uint16_t *port);
/* The next connection of a listener. */
int	 unit_accept(int fd);

/* A port of 127.0.0.1 where nobody listens; held until *fd is closed. */
uint16_t unit_dead_port(int *fd);

/* Wait for poll(2) events; what showed, 0 when nothing did in ms. */
short	 unit_wait(int fd, short events, int ms);

/* Write all of it; read exactly so much and compare. */
void	 unit_write(int fd, const void *data, size_t len);
void	 unit_expect(int fd, const void *data, size_t len);
/* Read on until the end of the stream or a reset; bytes that came. */
size_t	 unit_drain(int fd, bool *reset);
/* The peer has ended its stream, orderly; or it has broken it off. */
void	 unit_expect_end(int fd);
void	 unit_expect_reset(int fd);
/* Write without end until nothing more is taken for ms; bytes written. */
size_t	 unit_fill(int fd, int ms);
/* A pattern that shows lost, doubled and swapped bytes, from byte `at'. */
void	 unit_paint(uint8_t *p, size_t len, size_t at);
/* A copy without a byte more, so that a sanitizer sees the edge; to free(). */
uint8_t	*unit_exact(const void *data, size_t len);
/* Close with a reset. */
void	 unit_reset(int fd);

/* A folder of its own for a test; removed with what is in it. */
const char	*unit_folder(void);
void		 unit_folder_remove(void);

#endif
