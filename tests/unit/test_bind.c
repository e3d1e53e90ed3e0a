/* Who has a socket that is mapped, and for how long: with real ones. */
#include <sys/socket.h>

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "base/net.h"
#include "process/bind.h"
#include "unit.h"

#define OLD	1001		/* links: of one generation, */
#define NEW	1002		/* of the next, */
#define OTHER	1003		/* and of that one too, at another hub */
#define BROKER	0

static struct ports	 ports;
static struct net_addr	 addr;

static void
open_ports(void)
{
	int	 fd;

	memset(&ports, 0, sizeof(ports));
	memset(&addr, 0, sizeof(addr));
	addr.len = sizeof(addr.u.in);
	addr.u.in.sin_family = AF_INET;
	addr.u.in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	addr.u.in.sin_port = htons(unit_dead_port(&fd));
	close(fd);
}

static void
close_ports(void)
{
	bind_free(&ports, false);
}

static struct bound *
map(pid_t owner, uint32_t id)
{
	const struct bound_claim	 who = {
		owner, id, owner == BROKER ? 0 : owner == OLD ? 6 : 7,
	};

	errno = 0;
	return bind_map(&ports, &addr, &who);
}

/* Does it listen, and is it to? */
static bool
stays(void)
{
	int	 on = 0;
	socklen_t len = sizeof(on);

	if (ports.n == 0 || bind_tidy(&ports) != INT64_MAX)
		return false;
	return getsockopt(ports.v[0]->fd, SOL_SOCKET, SO_ACCEPTCONN, &on,
	    &len) == 0 && on;
}

START_TEST(what_two_generations_want_outlives_the_first)
{
	struct bound	*b = map(OLD, 1);

	ck_assert_ptr_nonnull(b);
	ck_assert_ptr_eq(map(NEW, 1), b);
	bind_orphan(&ports, OLD);
	ck_assert(stays());
}
END_TEST

START_TEST(it_outlives_the_first_though_that_asked_last)
{
	struct bound	*b = map(OLD, 1);

	ck_assert_ptr_eq(map(NEW, 5), b);
	/* It has heard from its hub once more. */
	ck_assert_ptr_eq(map(OLD, 2), b);
	bind_orphan(&ports, OLD);
	ck_assert(stays());
	ck_assert_uint_eq(b->nclaims, 1);
	ck_assert_uint_eq(b->claims[0].id, 5);
}
END_TEST

START_TEST(it_is_closed_when_the_last_wants_it_no_more)
{
	ck_assert_ptr_nonnull(map(OLD, 1));
	ck_assert_ptr_nonnull(map(NEW, 2));
	bind_unmap(&ports, OLD, 2);	/* not its number */
	bind_unmap(&ports, NEW, 2);
	ck_assert(stays());
	bind_unmap(&ports, OLD, 1);
	ck_assert_uint_eq(ports.n, 0);
}
END_TEST

START_TEST(who_comes_after_one_that_died_has_it_again)
{
	struct bound	*b = map(OLD, 1);
	int64_t		 now = io_now_ms(), next;

	bind_orphan(&ports, OLD);
	next = bind_tidy(&ports);
	ck_assert_int_gt(next, now);
	ck_assert_int_le(next, now + 60000);
	/* A hub's name may be another by now. */
	ck_assert_ptr_eq(map(OTHER, 1), b);
	ck_assert(stays());
}
END_TEST

START_TEST(two_that_have_nothing_in_common_do_not_share)
{
	ck_assert_ptr_nonnull(map(NEW, 1));
	ck_assert_ptr_null(map(OTHER, 1));
	ck_assert_int_eq(errno, EADDRINUSE);
	ck_assert_ptr_null(map(BROKER, 1));
	ck_assert_int_eq(errno, EADDRINUSE);
	bind_unmap(&ports, NEW, 1);
	ck_assert_ptr_nonnull(map(BROKER, 1));
	ck_assert_ptr_null(map(NEW, 2));
	ck_assert_int_eq(errno, EADDRINUSE);
	ck_assert(stays());
}
END_TEST

START_TEST(a_new_broker_has_what_the_one_before_it_had)
{
	struct bound	*b = map(BROKER, 1);

	ck_assert_ptr_eq(map(BROKER, 9), b);
	ck_assert_uint_eq(b->nclaims, 1);
	bind_unmap(&ports, BROKER, 1);
	ck_assert(stays());
	bind_unmap(&ports, BROKER, 9);
	ck_assert_uint_eq(ports.n, 0);
}
END_TEST

START_TEST(no_more_have_it_than_there_is_room_for)
{
	struct bound_claim	 who = { .owner = 2000 };

	for (uint32_t i = 1; i <= BIND_CLAIMS_MAX; i++) {
		who = (struct bound_claim){ 2000 + (pid_t)i, i, i };
		ck_assert_ptr_nonnull(bind_map(&ports, &addr, &who));
	}
	who = (struct bound_claim){ 3000, 1, 3000 };
	ck_assert_ptr_null(bind_map(&ports, &addr, &who));
	ck_assert_int_eq(errno, EADDRINUSE);
	bind_orphan(&ports, 2003);
	ck_assert_ptr_nonnull(bind_map(&ports, &addr, &who));
	ck_assert(stays());
}
END_TEST

int
main(void)
{
	Suite	*s = suite_create("bind");
	TCase	*tc = tcase_create("mapped");

	suite_add_tcase(s, tc);
	tcase_add_checked_fixture(tc, open_ports, close_ports);
	tcase_add_test(tc, what_two_generations_want_outlives_the_first);
	tcase_add_test(tc, it_outlives_the_first_though_that_asked_last);
	tcase_add_test(tc, it_is_closed_when_the_last_wants_it_no_more);
	tcase_add_test(tc, who_comes_after_one_that_died_has_it_again);
	tcase_add_test(tc, two_that_have_nothing_in_common_do_not_share);
	tcase_add_test(tc, a_new_broker_has_what_the_one_before_it_had);
	tcase_add_test(tc, no_more_have_it_than_there_is_room_for);
	return unit_run(s);
}
