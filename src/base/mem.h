/*
 * mem.h - memory that is there or the process is not.
 *
 * A process that cannot get a few bytes at start or for one session cannot
 * serve; it ends with a message on standard error and status 1, and its
 * parent decides what follows.  What is returned is freed with free().
 */
#ifndef BASE_MEM_H
#define BASE_MEM_H

#include <stddef.h>

#define nitems(a)	(sizeof(a) / sizeof((a)[0]))

/* n items of size bytes, zeroed.  The product may not overflow. */
void	*mem_calloc(size_t n, size_t size);
/* Resize to n items of size bytes; what is new is not zeroed. */
void	*mem_resize(void *p, size_t n, size_t size);
char	*mem_strdup(const char *s);
char	*mem_printf(const char *fmt, ...)
	    __attribute__((format(printf, 1, 2)));
/*
 * Take what is free between allocations, for good, so that what is allocated
 * from now on lies together behind all that is there.  For a process that
 * forks many: each page in which one of them fills a hole is copied for it.
 * Does nothing with a malloc that is not glibc's.
 */
void	 mem_fill_holes(void);

/*
 * Return to the system what was needed and is free: pages of the heap, and
 * of the stack below the caller.  Only for the first thread of a process: its
 * stack alone has nothing of others near it.
 */
void	 mem_give_back(void);

#endif
