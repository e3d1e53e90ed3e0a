/*
 * io.h - clocks, and waits that end at an absolute deadline.
 *
 * A deadline is a time of io_now_ms(); a phase takes one at its start and
 * hands it to all it calls, so that many small waits cannot add up to more.
 */
#ifndef BASE_IO_H
#define BASE_IO_H

#include <sys/types.h>

#include <stddef.h>
#include <stdint.h>

/* Since some fixed moment, unmoved by changes of the clock. */
int64_t	 io_now_ms(void);
int64_t	 io_now_us(void);

/* Of the calendar: microseconds since 1970. */
uint64_t io_wall_us(void);

/* What is left until a deadline, as poll(2) wants it: 0 to INT_MAX ms. */
int	 io_left_ms(int64_t deadline);

/*
 * Wait until one of the poll(2) events shows, hearing signals.  Returns
 * what showed; 0 when the deadline passed; -1 with EINTR on a signal.
 */
int	 io_wait(int fd, short events, int64_t deadline);

/*
 * Read a file whole, at most max bytes, into memory that ends with a NUL
 * not counted in *len.  NULL with errno; EFBIG when it is longer.
 */
char	*io_read_file(int fd, size_t max, size_t *len);

/*
 * Write all of it.  0, or -1 with errno; EAGAIN when a non-blocking fd had no
 * room for a second.
 */
int	 io_write_all(int fd, const void *data, size_t len);

#endif
