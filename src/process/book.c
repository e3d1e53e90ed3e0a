#include <sys/mman.h>

#include <string.h>

#include "process/book.h"

size_t
book_size(size_t servers)
{
	return (servers > 0 ? servers : 1) * sizeof(struct book_entry);
}

static void *
map(int fd, size_t servers, int prot)
{
	void	*p = mmap(NULL, book_size(servers), prot, MAP_SHARED, fd, 0);

	return p == MAP_FAILED ? NULL : p;
}

struct book_entry *
book_map_writable(int fd, size_t servers)
{
	return map(fd, servers, PROT_READ | PROT_WRITE);
}

const struct book_entry *
book_map(int fd, size_t servers)
{
	return map(fd, servers, PROT_READ);
}

void
book_write(struct book_entry *e, const struct net_addr *addrs, size_t n)
{
	uint32_t	 odd;

	if (n > BOOK_ADDRS_MAX)
		n = BOOK_ADDRS_MAX;
	/* Odd it may be already, if another writer died in here. */
	odd = atomic_load(&e->version) | 1;
	atomic_store(&e->version, odd);
	atomic_thread_fence(memory_order_release);
	if (n > 0)
		memcpy(e->addrs, addrs, n * sizeof(*addrs));
	e->n = (uint32_t)n;
	atomic_store(&e->version, odd + 1);
}

bool
book_is_written(const struct book_entry *e)
{
	return atomic_load(&e->version) != 0;
}

size_t
book_read(const struct book_entry *e, struct net_addr *addrs, size_t max)
{
	uint32_t	 before;
	size_t		 n;

	/* The writer takes a moment; one that died in it may be for ever. */
	for (int tries = 0; tries < 1000; tries++) {
		before = atomic_load(&e->version);
		n = e->n < max ? e->n : max;
		if (n > BOOK_ADDRS_MAX)
			n = BOOK_ADDRS_MAX;
		memcpy(addrs, e->addrs, n * sizeof(*addrs));
		atomic_thread_fence(memory_order_acquire);
		if (before % 2 == 0 && atomic_load(&e->version) == before)
			return n;
	}
	return 0;
}
