#include <sys/socket.h>

#include <string.h>
#include <unistd.h>

#include "relay_cases.h"
#include "session/pump.h"
#include "unit.h"

static enum end
pump(struct relay *r, size_t buffer, const struct told *told)
{
	static uint8_t	 buf[2 * BUFFER_MAX];
	struct pump	 p = { .relay = *r, .told = told };
	struct pipes	*pipes = pipes_new(2);
	int		 fds = unit_count_fds();
	enum end	 end;

	p.relay.up.buf = buf;
	p.relay.down.buf = buf + BUFFER_MAX;
	p.relay.up.size = p.relay.down.size = buffer;
	p.relay.up.pipes = p.relay.down.pipes = pipes;
	end = pump_run(&p);
	pipes_trim(pipes);
	if (unit_count_fds() != fds)
		end = END_INTERNAL;	/* a flow has kept one */
	pipes_free(&pipes);
	*r = p.relay;
	return end;
}

/* --- what is done in a silence */

#define SMALL	4096

static uint8_t		 buffers[2 * SMALL];
static int		 client, server;	/* the far ends */
static unsigned int	 rests;

static void
count_rest(void *ctx)
{
	(void)ctx;
	rests++;
}

/* The bytes of buffers are lost; then something is to move. */
static void
lose_and_go_on(void *ctx)
{
	(void)ctx;
	memset(buffers, 0xff, sizeof(buffers));
	switch (++rests) {
	case 1:
		unit_write(client, "more", 4);
		break;
	case 2:
		shutdown(client, SHUT_WR);
		shutdown(server, SHUT_WR);
	}
}

static void
connect_far_ends(int *front, int *back)
{
	int	 ends[2];

	unit_local_pair(ends);
	client = ends[0];
	*front = ends[1];
	unit_local_pair(ends);
	server = ends[0];
	*back = ends[1];
	rests = 0;
}

static enum end
pump_with_rest(void (*rest)(void *), int front, int back, int idle_ms)
{
	flow_count	 up = 0, down = 0;
	struct pump	 p = {
		.relay.idle_ms = idle_ms, .relay.half_closed_ms = idle_ms,
		.rest = rest, .quiet_ms = 1,
	};
	enum end	 end;

	flow_init(&p.relay.up, front, back, buffers, SMALL, &up);
	flow_init(&p.relay.down, back, front, buffers + SMALL, SMALL, &down);
	end = pump_run(&p);
	close(front);
	close(back);
	return end;
}

START_TEST(a_silence_has_one_rest)
{
	int	 front, back;

	connect_far_ends(&front, &back);
	/* Longer than after what it would be offered once more. */
	ck_assert_int_eq(pump_with_rest(count_rest, front, back, 1200),
	    END_IDLE);
	ck_assert_uint_eq(rests, 1);
}
END_TEST

START_TEST(bytes_pass_after_a_rest_and_the_next_silence_has_one_too)
{
	int	 front, back;

	connect_far_ends(&front, &back);
	ck_assert_int_eq(pump_with_rest(lose_and_go_on, front, back,
	    UNIT_MS), END_DONE);
	ck_assert_uint_eq(rests, 2);
	unit_expect(server, "more", 4);
	unit_expect_end(server);
}
END_TEST

START_TEST(who_holds_bytes_does_not_rest)
{
	int	 front, back;

	connect_far_ends(&front, &back);
	unit_fill(back, 1);
	unit_write(client, "held", 4);
	ck_assert_int_eq(pump_with_rest(count_rest, front, back, 50),
	    END_IDLE);
	ck_assert_uint_eq(rests, 0);
}
END_TEST

int
main(void)
{
	Suite	*s = relay_cases("pump", pump);
	TCase	*tc = tcase_create("rest");

	suite_add_tcase(s, tc);
	tcase_add_test(tc, a_silence_has_one_rest);
	tcase_add_test(tc,
	    bytes_pass_after_a_rest_and_the_next_silence_has_one_too);
	tcase_add_test(tc, who_holds_bytes_does_not_rest);
	return unit_run(s);
}
