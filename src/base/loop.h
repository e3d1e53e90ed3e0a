/*
 * loop.h - one process that attends to many descriptors and many times.
 *
 * For roles that must not wait for any one of those they speak with.  A
 * watch and a timer live in their owner's memory, zeroed to begin with,
 * and must be taken out before that memory goes.  Handlers may change and
 * take out any of them, also the one that is running: one event is taken
 * from the kernel at a time, so none can be about what is gone.
 */
#ifndef BASE_LOOP_H
#define BASE_LOOP_H

#include <bsd/sys/tree.h>

#include <stdbool.h>
#include <stdint.h>

struct loop;

struct watch {
	int	 fd;
	bool	 on;
	void	(*run)(void *ctx, uint32_t events);	/* EPOLLIN ... */
	void	*ctx;
};

struct timer {
	int64_t			 at;		/* io_now_ms() */
	bool			 on;
	void			(*run)(void *ctx);
	void			*ctx;
	RB_ENTRY(timer)		 link;
};

/* NULL with errno.  loop_free() forgets what is still in it. */
struct loop	*loop_new(void);
void		 loop_free(struct loop **loop);

/*
 * Have w->run called while the descriptor w->fd shows any of the events (of
 * epoll_ctl(2), level-triggered; EPOLLHUP and EPOLLERR always).  Again, for
 * other events, also where another descriptor has that number by now.  0, or
 * -1 with errno.
 */
int	 loop_watch(struct loop *loop, struct watch *w, uint32_t events);

/* No more of it; to be called before the descriptor is closed. */
void	 loop_unwatch(struct loop *loop, struct watch *w);

/* Have t->run called once when it is `at'; replaces an earlier time. */
void	 loop_set(struct loop *loop, struct timer *t, int64_t at);
void	 loop_unset(struct loop *loop, struct timer *t);

/*
 * Wait for one event, hearing signals, and run what it and the time ask for.
 * Returns 0, also when a signal came, or -1 with errno.
 */
int	 loop_turn(struct loop *loop);

#endif
