#include <sys/mman.h>
#include <sys/stat.h>

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "process/proc.h"
#include "process/scoreboard.h"

#define PAGE	((size_t)4096)
/* What all share comes first, on pages of its own. */
#define SHARED	((sizeof(struct sb_pool) + PAGE - 1) / PAGE * PAGE)

_Static_assert(sizeof(struct sb_worker) <= 4096, "one page a worker");

static size_t
size_of(size_t workers, size_t stride)
{
	return SHARED + workers * stride;
}

int
scoreboard_create(size_t workers, size_t stride)
{
	return proc_memfd("scoreboard", size_of(workers, stride));
}

int
scoreboard_open(struct scoreboard *sb, int fd, size_t workers, size_t stride)
{
	size_t	 size = size_of(workers, stride);
	void	*p;

	sb->workers = workers;
	sb->stride = stride;
	sb->fd = fd;
	p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (p == MAP_FAILED)
		return -1;
	sb->pool = p;
	return madvise(p, size, MADV_DONTFORK);
}

struct sb_worker *
scoreboard_worker(const struct scoreboard *sb, size_t i)
{
	return (struct sb_worker *)(void *)((char *)sb->pool + SHARED +
	    i * sb->stride);
}

void
scoreboard_clear(const struct scoreboard *sb, size_t i)
{
	memset(scoreboard_worker(sb, i), 0, sizeof(struct sb_worker));
}

int
scoreboard_enter(struct scoreboard *sb, size_t i, struct sb_pool **pool,
    struct sb_worker **me)
{
	void	*p, *q;

	p = mmap(NULL, SHARED, PROT_READ | PROT_WRITE, MAP_SHARED, sb->fd,
	    0);
	q = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, sb->fd,
	    (off_t)(SHARED + i * PAGE));
	if (p == MAP_FAILED || q == MAP_FAILED)
		return -1;
	close(sb->fd);
	*pool = p;
	*me = q;
	atomic_store(&(*me)->pid, getpid());
	return 0;
}

int
scoreboard_map(struct scoreboard *sb, int fd, size_t workers, size_t stride)
{
	size_t		 size = size_of(workers, stride);
	struct stat	 st;
	void		*p;

	if (fstat(fd, &st) == -1)
		return -1;
	if (st.st_size < 0 || (size_t)st.st_size < size) {
		errno = EINVAL;
		return -1;
	}
	p = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);
	if (p == MAP_FAILED)
		return -1;
	*sb = (struct scoreboard){
		.fd = -1, .workers = workers, .stride = stride, .pool = p,
	};
	return 0;
}

void
scoreboard_unmap(struct scoreboard *sb)
{
	if (sb->pool != NULL)
		(void)munmap(sb->pool, size_of(sb->workers,
		    sb->stride));
	sb->pool = NULL;
}

struct sb_live *
scoreboard_map_live(int fd)
{
	void	*p = mmap(NULL, sizeof(struct sb_live),
		    PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (p == MAP_FAILED ||
	    madvise(p, sizeof(struct sb_live), MADV_DONTFORK) == -1)
		return NULL;
	return p;
}

const struct sb_live *
scoreboard_show_live(int fd)
{
	void	*p = mmap(NULL, sizeof(struct sb_live), PROT_READ, MAP_SHARED,
		    fd, 0);

	return p == MAP_FAILED ? NULL : p;
}

bool
sb_has_session(const struct sb_worker *w)
{
	uint32_t	 state = atomic_load(&w->state);

	return state == SB_BUSY || state == SB_OFFERED;
}

void
sb_write_begin(struct sb_worker *w)
{
	atomic_fetch_add(&w->version, 1);
	atomic_thread_fence(memory_order_release);
}

void
sb_write_end(struct sb_worker *w)
{
	atomic_fetch_add(&w->version, 1);
}

static void
end_texts(struct sb_session *s)
{
	s->listener[SB_LISTENER_MAX - 1] = '\0';
	s->client[SB_ADDR_MAX - 1] = '\0';
	s->via[SB_ADDR_MAX - 1] = '\0';
	s->user[SB_USER_MAX - 1] = '\0';
	s->tls[SB_TLS_MAX - 1] = '\0';
	s->account[SB_USER_MAX - 1] = '\0';
	s->server_tls[SB_TLS_MAX - 1] = '\0';
	s->server[SB_ADDR_MAX - 1] = '\0';
}

void
sb_tame(struct sb_session *s)
{
	int64_t	 now = io_now_us();

	end_texts(s);
	if (s->accepted_us < 0 || s->accepted_us > now)
		s->accepted_us = now;
	if (s->connected_us < s->accepted_us || s->connected_us > now)
		s->connected_us = 0;
}

bool
sb_read(const struct sb_worker *w, struct sb_session *copy)
{
	uint32_t	 before;

	for (int tries = 0; tries < 5; tries++) {
		before = atomic_load(&w->version);
		memcpy(copy, &w->session, sizeof(*copy));
		end_texts(copy);
		atomic_thread_fence(memory_order_acquire);
		if (before % 2 == 0 && atomic_load(&w->version) == before)
			return true;
	}
	return false;
}

bool
sb_address(const char *text, struct net_addr *a)
{
	struct net_spec	 spec;
	const char	*why;

	if (net_parse(text, true, &spec, &why) == 0 &&
	    spec.kind == NET_ADDR) {
		*a = spec.addr;
		return true;
	}
	/* A local client has no address but who it is. */
	memset(a, 0, sizeof(*a));
	a->u.sa.sa_family = AF_UNIX;
	a->len = sizeof(a->u.un);
	return strncmp(text, "unix:", 5) == 0;
}
