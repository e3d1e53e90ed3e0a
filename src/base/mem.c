#include <sys/mman.h>

#include <malloc.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"

#define STACK_DEEP	(256 * 1024)	/* what is called goes that deep */

static _Noreturn void
out_of_memory(void)
{
	static const char	 text[] = "sallyportd: out of memory\n";

	/* No stdio here: it may want memory too. */
	if (write(STDERR_FILENO, text, sizeof(text) - 1) == -1)
		_exit(1);
	_exit(1);
}

void *
mem_calloc(size_t n, size_t size)
{
	void	*p = calloc(n > 0 ? n : 1, size > 0 ? size : 1);

	if (p == NULL)
		out_of_memory();
	return p;
}

void *
mem_resize(void *p, size_t n, size_t size)
{
	p = reallocarray(p, n > 0 ? n : 1, size);
	if (p == NULL)
		out_of_memory();
	return p;
}

char *
mem_strdup(const char *s)
{
	char	*p = strdup(s);

	if (p == NULL)
		out_of_memory();
	return p;
}

char *
mem_printf(const char *fmt, ...)
{
	va_list	 ap;
	char	*p;
	int	 n;

	va_start(ap, fmt);
	n = vasprintf(&p, fmt, ap);
	va_end(ap);
	if (n == -1)
		out_of_memory();
	return p;
}

#ifdef __GLIBC__
#define PIECE_MAX	1024	/* larger holes are filled in pieces */
#define PIECE_STEP	16	/* as malloc has sizes */

/*
 * Take pieces of `size' as long as they come from below `top', `most' bytes
 * in all.  They hang on each other: no checker takes them for leaks.
 * Returns the bytes that were there.
 */
static size_t
fill(size_t size, const char *top, size_t most)
{
	static void	*taken;
	size_t		 sum = 0;
	void		*p;

	while (sum < most && (p = malloc(size)) != NULL) {
		*(void **)p = taken;
		taken = p;
		if ((char *)p >= top)
			break;
		sum += size;
	}
	return sum < most ? sum : most;
}

void
mem_fill_holes(void)
{
	struct mallinfo2	 info = mallinfo2();
	const char		*top = (char *)sbrk(0) - info.keepcost;
	/* Nothing where malloc is another's, as a sanitizer's. */
	size_t			 left = info.arena;

	for (size_t size = PIECE_MAX; size > 0; size -= PIECE_STEP)
		left -= fill(size, top, left);
}

static void
give_back_heap(void)
{
	(void)malloc_trim(0);
}
#else
void
mem_fill_holes(void)
{
}

static void
give_back_heap(void)
{
}
#endif

void
mem_give_back(void)
{
	uintptr_t	 page = (uintptr_t)sysconf(_SC_PAGESIZE);
	uintptr_t	 end = (uintptr_t)__builtin_frame_address(0);

	give_back_heap();
	/* We and what we call have no more than the next page. */
	end = end / page * page - page;
	/* Beyond the stack is its gap, and an error that tells nothing. */
	(void)madvise((void *)(end - STACK_DEEP), STACK_DEEP, MADV_DONTNEED);
}
