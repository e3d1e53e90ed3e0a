#include <sys/socket.h>

#include <errno.h>
#include <poll.h>
#include <stdlib.h>

#include "base/io.h"
#include "base/mem.h"
#include "base/msg.h"
#include "base/sig.h"
#include "process/record_lane.h"

/* Wait for room, hearing signals.  0, or -1 with *end. */
static int
wait_for_room(int fd, const struct told *told, int64_t deadline,
    enum end *end)
{
	struct pollfd	 p = { .fd = fd, .events = POLLOUT };
	int		 n;

	while ((n = sig_ppoll(&p, 1, io_left_ms(deadline))) != 1) {
		*end = END_RECORD;
		if (n == 0 || (errno != EINTR) || told_to_end(told, end))
			return -1;
	}
	return 0;
}

/* 0; 1 when there is no room; or -1 when there is no receiver. */
static int
send_part(int fd, const uint8_t *part, size_t len)
{
	ssize_t	 n;

	do
		n = send(fd, part, len, MSG_DONTWAIT | MSG_NOSIGNAL);
	while (n == -1 && errno == EINTR);
	if (n != -1)
		return 0;
	return errno == EAGAIN || errno == ENOBUFS || errno == ENOMEM ? 1 :
	    -1;
}

/* Whose parts they are, which of them this is and how many there are. */
struct parts {
	uint64_t	 session;
	uint32_t	 n;
};

static size_t
encode_part(uint8_t *buf, const struct parts *parts, uint32_t i,
    const uint8_t *p, size_t len)
{
	struct wr	 w;

	msg_encode_header(buf, MSG_RECORD, QUERY_RECORD_PART_HEAD + len, 0);
	wr_init(&w, buf + MSG_HEADER, QUERY_RECORD_PART_HEAD + len);
	wr_u64(&w, parts->session);
	wr_u32(&w, i);
	wr_u32(&w, parts->n);
	wr_bytes(&w, p, len);
	return MSG_HEADER + QUERY_RECORD_PART_HEAD + len;
}

static int
send_whole(int fd, const uint8_t *p, size_t len, uint64_t session,
    enum record_overflow overflow, const struct told *told, int64_t wait_ms,
    enum end *end)
{
	uint8_t			 buf[MSG_HEADER + QUERY_RECORD_PART_HEAD +
				    QUERY_RECORD_PART];
	const struct parts	 parts = {
		session, (uint32_t)((len + QUERY_RECORD_PART - 1) /
		    QUERY_RECORD_PART),
	};
	size_t			 n, some;
	int			 rc;

	for (uint32_t i = 0; i < parts.n; i++, p += some, len -= some) {
		some = len < QUERY_RECORD_PART ? len : QUERY_RECORD_PART;
		n = encode_part(buf, &parts, i, p, some);
		while ((rc = send_part(fd, buf, n)) != 0) {
			*end = END_RECORD;
			if (rc == -1 || overflow != RECORD_WAIT)
				return -1;
			if (wait_for_room(fd, told, io_now_ms() + wait_ms,
			    end) == -1)
				return -1;
		}
	}
	return 0;
}

int
record_send(const struct record_lanes *lanes, enum record_receiver to,
    const struct query_record *q, enum record_overflow overflow,
    const struct told *told, int64_t wait_ms, enum end *end)
{
	const struct record_lane	*lane = &lanes->to[to];
	size_t				 size = query_record_size(q);
	uint8_t				*whole = mem_calloc(1, size);
	struct wr			 w;
	int				 rc;

	wr_init(&w, whole, size);
	query_record_encode(&w, q);
	rc = wr_ok(&w) ? send_whole(lane->fd, whole, wr_len(&w), q->session,
	    overflow, told, wait_ms, end) : -1;
	free(whole);
	if (rc == 0)
		return 0;
	atomic_fetch_add(&lane->page->dropped, 1);
	return overflow == RECORD_DROP ? 0 : -1;
}
