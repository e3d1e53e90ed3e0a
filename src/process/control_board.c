#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "process/control_board.h"

int
boards_add(struct boards *bs, const struct setup_board *info, int page_fd,
    int channel)
{
	struct board	 b = { .info = *info, .channel = channel };
	int		 rc = -1, saved;

	b.info.pool[sizeof(b.info.pool) - 1] = '\0';
	errno = EINVAL;
	if (bs->n < BOARDS_MAX && info->workers <= BOARDS_PAGES_MAX &&
	    info->stride >= sizeof(struct sb_worker) &&
	    info->stride <= SB_STRIDE_PAGE)
		rc = scoreboard_map(&b.sb, page_fd, info->workers,
		    info->stride);
	saved = errno;
	close(page_fd);
	if (rc == -1) {
		close(channel);
		errno = saved;
		return -1;
	}
	b.serial = ++bs->last;
	bs->v = mem_resize(bs->v, bs->n + 1, sizeof(*bs->v));
	bs->v[bs->n++] = b;
	return 0;
}

void
boards_remove(struct boards *bs, size_t i)
{
	scoreboard_unmap(&bs->v[i].sb);
	close(bs->v[i].channel);
	bs->n--;
	memmove(&bs->v[i], &bs->v[i + 1], (bs->n - i) * sizeof(*bs->v));
}

const struct board *
boards_find(const struct boards *bs, uint64_t serial)
{
	for (size_t i = 0; i < bs->n; i++)
		if (bs->v[i].serial == serial)
			return &bs->v[i];
	return NULL;
}

/* Of a carrier, which has records for many more sessions than it has. */
static bool
is_carriers(const struct board *b)
{
	return b->info.pool[0] == '\0';
}

/* What lies beyond would be made by looking at it. */
static size_t
records_of(const struct board *b)
{
	size_t	 used = atomic_load(&b->sb.pool->used);

	return is_carriers(b) && used < b->sb.workers ? used : b->sb.workers;
}

static bool
look(const struct board *b, uint32_t slot, struct board_session *out)
{
	const struct sb_worker	*w = scoreboard_worker(&b->sb, slot);

	if (!sb_has_session(w) || !sb_read(w, &out->s))
		return false;
	out->serial = b->serial;
	out->slot = slot;
	out->generation = is_carriers(b) ? out->s.generation :
	    b->info.generation;
	out->pool = b->info.pool;
	out->pid = atomic_load(&w->pid);
	out->up = atomic_load(&w->up);
	out->down = atomic_load(&w->down);
	return true;
}

bool
boards_next(const struct boards *bs, struct board_cursor *at, size_t *pages,
    struct board_session *out)
{
	for (size_t i = 0; i < bs->n; i++) {
		const struct board	*b = &bs->v[i];

		if (b->serial < at->serial)
			continue;
		if (b->serial > at->serial)
			*at = (struct board_cursor){ .serial = b->serial };
		while (at->slot < records_of(b)) {
			if (*pages == 0)
				return false;
			(*pages)--;
			if (look(b, at->slot++, out))
				return true;
		}
	}
	at->end = true;
	return false;
}

bool
boards_has(const struct boards *bs, uint64_t serial, uint32_t slot,
    uint64_t id)
{
	const struct board	*b = boards_find(bs, serial);
	struct board_session	 now;

	return b != NULL && slot < records_of(b) && look(b, slot, &now) &&
	    now.s.id == id;
}

void
board_count(const struct board *b, struct board_totals *t)
{
	for (size_t i = 0; i < records_of(b); i++) {
		const struct sb_worker	*w = scoreboard_worker(&b->sb, i);

		if (atomic_load(&w->pid) == 0)
			continue;
		t->workers += !is_carriers(b);
		t->idle += atomic_load(&w->state) == SB_IDLE;
		t->sessions += sb_has_session(w);
	}
}
