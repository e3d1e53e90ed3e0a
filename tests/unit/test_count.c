#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "base/mem.h"
#include "base/sig.h"
#include "policy/conf.h"
#include "process/count.h"
#include "process/proc.h"
#include "unit.h"

#define CLIENTS	8

/* What the last answer to a client was. */
struct answer {
	int			 admitted, placed, yielded;	/* times */
	enum ask_verdict	 verdict;
	size_t			 place;
};

static struct loop	*loop;
static struct servers	*servers;
static struct count	*count;
static struct client	 clients[CLIENTS];
static struct answer	 answers[CLIENTS];
static struct server	*reported;
static struct conf	*confs[8];
static int		 books[8];

static void
on_admitted(void *ctx, struct client *c, enum ask_verdict verdict)
{
	struct answer	*a = &answers[c - clients];

	(void)ctx;
	a->admitted++;
	a->verdict = verdict;
}

static void
on_placed(void *ctx, struct client *c, enum ask_verdict verdict,
    size_t place, uint32_t index)
{
	struct answer	*a = &answers[c - clients];

	(void)ctx;
	(void)index;
	a->placed++;
	a->verdict = verdict;
	a->place = place;
}

static void
on_yield(void *ctx, struct client *c)
{
	(void)ctx;
	answers[c - clients].yielded++;
}

static void
on_failed(void *ctx, struct server *s)
{
	(void)ctx;
	reported = s;
	server_set_state(servers, s, BOOK_FAILED, "so it is said");
}

static void
on_server(void *ctx, struct server *s)
{
	(void)ctx;
	(void)s;
}

static void
on_room(void *ctx, struct group *g)
{
	(void)ctx;
	if (count != NULL)
		count_room(count, g);
}

/* Serve one more generation; in effect at once. */
static void
add(uint32_t number, const char *text)
{
	struct conf_report	 report = { .nerrors = 0 };
	struct conf		*c = conf_new();

	conf_read_text(c, "test", text, strlen(text), &report);
	ck_assert_msg(conf_finish(c, &report) == 0, "%s",
	    report.nerrors > 0 ? report.errors[0] : "?");
	conf_report_free(&report);
	confs[number] = c;
	books[number] = proc_memfd("book", book_size(c->nservers));
	ck_assert_int_ne(books[number], -1);
	ck_assert_int_eq(servers_add(servers, number, c, books[number]), 0);
	servers_commit(servers, number);
}

static void
forget(uint32_t number)
{
	servers_forget(servers, number);
	count_sweep(count);
	conf_free(&confs[number]);
	close(books[number]);
}

static void
open_all(const char *text)
{
	const struct servers_hooks	 hooks = {
		on_server, on_server, on_room, NULL,
	};
	const struct count_hooks	 replies = {
		on_admitted, on_placed, on_yield, on_failed, NULL,
	};
	static const int		 none[] = { 0 };

	sig_init(none);
	memset(clients, 0, sizeof(clients));
	memset(answers, 0, sizeof(answers));
	memset(confs, 0, sizeof(confs));
	count = NULL;
	reported = NULL;
	loop = loop_new();
	servers = servers_new(loop, &hooks);
	add(1, text);
	count = count_new(loop, servers, &replies);
	for (size_t i = 0; i < CLIENTS; i++)
		strcpy(clients[i].pool, "tcp");
}

static void
close_all(void)
{
	for (size_t i = 0; i < CLIENTS; i++)
		count_release(count, &clients[i]);
	for (uint32_t i = 0; i < nitems(confs); i++)
		if (confs[i] != NULL)
			forget(i);
	count_free(&count);
	servers_free(&servers);
	loop_free(&loop);
}

static struct access_source
source(uint8_t last)
{
	struct access_source	 s = { .bytes = { 4, 192, 0, 2, last } };

	return s;
}

static enum ask_verdict
admit(size_t i, uint8_t last)
{
	struct access_source	 s = source(last);
	int			 before = answers[i].admitted;

	ck_assert_int_eq(count_admit(count, &clients[i], 1, 0, &s), 0);
	ck_assert_int_eq(answers[i].admitted, before + 1);
	return answers[i].verdict;
}

/* Ask for a server; its place, or minus one and the verdict. */
static int
place(size_t i)
{
	int	 before = answers[i].placed;

	ck_assert_int_eq(count_place(count, &clients[i], 1, 0, 0, 0), 0);
	if (answers[i].placed == before)
		return -1;
	return answers[i].verdict == ASK_OK ? (int)answers[i].place :
	    -1 - (int)answers[i].verdict;
}

static const struct book_entry *
entry(uint32_t generation, size_t index)
{
	return &servers_generation(servers, generation)->book[index];
}

#define LISTENER(extra)							\
	"listeners = ({ name = \"in\"; listen = \"127.0.0.1:1000\"; "	\
	"forward = \"backend:db\"; " extra " });"
#define BACKEND(extra)							\
	"backends = ({ name = \"db\"; " extra " });"
#define SERVERS2 "servers = (\"127.0.0.1:1\", \"127.0.0.1:2\"); "

START_TEST(max_sessions_counts_live_ones)
{
	open_all(LISTENER("max_sessions = 2;") BACKEND(SERVERS2));
	ck_assert_int_eq(admit(0, 1), ASK_OK);
	ck_assert_int_eq(admit(1, 2), ASK_OK);
	ck_assert_int_eq(admit(2, 3), ASK_SESSIONS);
	count_release(count, &clients[0]);
	ck_assert_int_eq(admit(2, 3), ASK_OK);
	close_all();
}
END_TEST

START_TEST(a_source_has_no_more_than_its_sessions)
{
	open_all(LISTENER("max_sessions_per_source = 1;") BACKEND(SERVERS2));
	ck_assert_int_eq(admit(0, 1), ASK_OK);
	ck_assert_int_eq(admit(1, 1), ASK_SOURCE_SESSIONS);
	ck_assert_int_eq(admit(2, 2), ASK_OK);
	count_release(count, &clients[0]);
	ck_assert_int_eq(admit(1, 1), ASK_OK);
	close_all();
}
END_TEST

START_TEST(a_source_that_is_too_fast_is_held)
{
	struct count_source	 list[4];
	uint32_t		 total;

	open_all(LISTENER("rate_per_source = \"2/1m\"; penalty = \"1m\";")
	    BACKEND(SERVERS2));
	ck_assert_int_eq(admit(0, 1), ASK_OK);
	count_release(count, &clients[0]);
	ck_assert_int_eq(admit(0, 1), ASK_OK);
	count_release(count, &clients[0]);
	ck_assert_int_eq(admit(0, 1), ASK_SOURCE_RATE);
	ck_assert_int_eq(admit(0, 1), ASK_SOURCE_HELD);
	ck_assert_int_eq(admit(1, 2), ASK_OK);
	ck_assert_uint_eq(count_sources(count, 0, list, 4, &total), 2);
	ck_assert_uint_eq(total, 2);
	for (size_t i = 0; i < 2; i++) {
		bool	 bad = list[i].source.bytes[4] == 1;

		ck_assert_uint_eq(list[i].listener, 0);
		ck_assert_uint_eq(list[i].live, bad ? 0 : 1);
		ck_assert_uint_eq(list[i].refused, bad ? 2 : 0);
		ck_assert_int_eq(list[i].held_ms > 50000, bad);
	}
	ck_assert_uint_eq(count_sources(count, 1, list, 4, &total), 1);
	ck_assert_uint_eq(count_sources(count, 2, list, 4, &total), 0);
	close_all();
}
END_TEST

START_TEST(the_oldest_handshake_gives_way)
{
	open_all(LISTENER("handshakes = 2;") BACKEND(SERVERS2));
	ck_assert_int_eq(admit(0, 1), ASK_OK);
	ck_assert_int_eq(admit(1, 1), ASK_OK);
	ck_assert_int_eq(count_established(count, &clients[0]), 0);
	ck_assert_int_eq(admit(2, 1), ASK_OK);
	ck_assert_int_eq(answers[0].yielded + answers[1].yielded, 0);
	ck_assert_int_eq(admit(3, 1), ASK_OK);
	ck_assert_int_eq(answers[0].yielded, 0);
	ck_assert_int_eq(answers[1].yielded, 1);
	/* It is told once, and its end is no room for another. */
	count_release(count, &clients[1]);
	ck_assert_int_eq(admit(4, 1), ASK_OK);
	ck_assert_int_eq(answers[2].yielded, 1);
	close_all();
}
END_TEST

START_TEST(leastconn_takes_the_one_with_fewest)
{
	int	 first, second;

	open_all(LISTENER("") BACKEND(SERVERS2 "balance = \"leastconn\";"));
	first = place(0);
	second = place(1);
	ck_assert_int_eq(first + second, 1);
	ck_assert_int_ge(place(2), 0);
	count_release(count, &clients[0]);
	count_release(count, &clients[2]);
	/* Now only the second has one. */
	ck_assert_int_eq(place(3), first);
	ck_assert_uint_eq(atomic_load(&entry(1, 0)->sessions), 1);
	ck_assert_uint_eq(atomic_load(&entry(1, 1)->sessions), 1);
	close_all();
}
END_TEST

START_TEST(a_freed_place_goes_to_the_first_in_the_queue)
{
	open_all(LISTENER("") BACKEND("servers = ({ address = "
	    "\"127.0.0.1:1\"; max_sessions = 1; }); "
	    "queue = { size = 2; timeout = \"1h\"; };"));
	ck_assert_int_eq(place(0), 0);
	ck_assert_int_eq(place(1), -1);
	ck_assert_int_eq(place(2), -1);
	ck_assert_int_eq(place(3), -1 - ASK_QUEUE_FULL);
	ck_assert_uint_eq(atomic_load(&entry(1, 0)->queued), 2);
	count_release(count, &clients[0]);
	ck_assert_int_eq(answers[1].placed, 1);
	ck_assert_int_eq(answers[1].verdict, ASK_OK);
	ck_assert_int_eq(answers[2].placed, 0);
	/* Who goes while it waits leaves the queue. */
	count_release(count, &clients[2]);
	ck_assert_uint_eq(atomic_load(&entry(1, 0)->queued), 0);
	count_release(count, &clients[1]);
	ck_assert_int_eq(answers[2].placed, 0);
	ck_assert_uint_eq(atomic_load(&entry(1, 0)->sessions), 0);
	close_all();
}
END_TEST

START_TEST(the_queue_ends_at_its_timeout)
{
	int64_t	 start;

	open_all(LISTENER("") BACKEND("servers = ({ address = "
	    "\"127.0.0.1:1\"; max_sessions = 1; }); "
	    "queue = { size = 2; timeout = \"50ms\"; };"));
	ck_assert_int_eq(place(0), 0);
	start = io_now_ms();
	ck_assert_int_eq(place(1), -1);
	while (answers[1].placed == 0 && io_now_ms() < start + UNIT_MS)
		ck_assert_int_eq(loop_turn(loop), 0);
	ck_assert_int_eq(answers[1].verdict, ASK_QUEUE_TIMEOUT);
	ck_assert_int_ge(io_now_ms() - start, 49);
	close_all();
}
END_TEST

START_TEST(one_that_failed_is_the_last_resort_and_full_is_no_failure)
{
	open_all(LISTENER("") BACKEND("servers = ({ address = "
	    "\"127.0.0.1:1\"; max_sessions = 1; }, \"127.0.0.1:2\"); "
	    "balance = \"first\"; queue = { size = 2; };"));
	ck_assert_int_eq(count_failed(count, &clients[7], 1, 1), 0);
	ck_assert_ptr_nonnull(reported);
	ck_assert_int_eq(place(0), 0);
	ck_assert_int_eq(place(1), -1);		/* waits for the good one */
	server_set_state(servers, reported, BOOK_UP, NULL);
	ck_assert_int_eq(answers[1].verdict, ASK_OK);
	ck_assert_uint_eq(answers[1].place, 1);
	close_all();
}
END_TEST

START_TEST(who_fails_there_has_no_place_there)
{
	open_all(LISTENER("") BACKEND(SERVERS2 "balance = \"leastconn\";"));
	ck_assert_int_eq(place(0), 0);
	ck_assert_int_eq(count_failed(count, &clients[0], 1, 0), 0);
	ck_assert_uint_eq(atomic_load(&entry(1, 0)->sessions), 0);
	ck_assert_uint_eq(atomic_load(&entry(1, 0)->state), BOOK_FAILED);
	ck_assert_int_eq(place(0), 1);
	/* What it has tried it does not get. */
	ck_assert_int_eq(count_place(count, &clients[0], 1, 0, 0, 3), 0);
	ck_assert_int_eq(answers[0].verdict, ASK_NO_SERVER);
	close_all();
}
END_TEST

START_TEST(down_drained_and_weightless_servers_take_nobody)
{
	struct generation	*g;

	open_all(LISTENER("") BACKEND(SERVERS2 "balance = \"leastconn\";"));
	g = servers_generation(servers, 1);
	server_set_state(servers, g->servers[0], BOOK_DOWN, "test");
	server_set_mode(servers, g->servers[1], BOOK_DRAIN);
	ck_assert_int_eq(place(0), -1 - ASK_NO_SERVER);
	server_set_mode(servers, g->servers[1], BOOK_READY);
	ck_assert_int_eq(place(0), 1);
	server_set_weight(servers, g->servers[1], 0);
	ck_assert_int_eq(place(1), -1 - ASK_NO_SERVER);
	server_set_state(servers, g->servers[0], BOOK_UP, NULL);
	ck_assert_int_eq(place(1), 0);
	close_all();
}
END_TEST

START_TEST(nobody_may_name_what_its_pool_has_not)
{
	struct access_source	 s = source(1);
	struct client		*c = &clients[0];

	open_all(
	    "listeners = ({ name = \"in\"; listen = \"127.0.0.1:1000\"; "
	    "forward = \"backend:db\"; }, { name = \"other\"; pool = \"b\"; "
	    "listen = \"127.0.0.1:1001\"; forward = \"127.0.0.1:9\"; });"
	    BACKEND(SERVERS2));
	ck_assert_int_eq(count_admit(count, c, 2, 0, &s), -1);
	ck_assert_int_eq(count_admit(count, c, 1, 1, &s), -1);
	ck_assert_int_eq(count_admit(count, c, 1, 2, &s), -1);
	ck_assert_int_eq(count_place(count, c, 2, 0, 0, 0), -1);
	ck_assert_int_eq(count_place(count, c, 1, 1, 0, 0), -1);
	ck_assert_int_eq(count_place(count, c, 1, 2, 0, 0), -1);
	ck_assert_int_eq(count_failed(count, c, 1, 2), -1);
	ck_assert_int_eq(count_failed(count, c, 1, 3), -1);
	ck_assert_int_eq(count_failed(count, c, 2, 0), -1);
	ck_assert_int_eq(count_hold(count, c, 1, 1, &s, UINT32_MAX, true),
	    -1);
	ck_assert_int_eq(count_hold(count, c, 1, 0, &s, 2, true), -1);
	ck_assert_int_eq(count_hold(count, c, 3, 0, &s, 0, true), -1);
	ck_assert_ptr_null(reported);
	/* Nor may it have two. */
	ck_assert_int_eq(admit(0, 1), ASK_OK);
	ck_assert_int_eq(count_admit(count, c, 1, 0, &s), -1);
	ck_assert_int_eq(count_hold(count, c, 1, 0, &s, 0, true), -1);
	close_all();
}
END_TEST

START_TEST(what_was_held_before_counts_before_anybody_is_let_in)
{
	struct access_source	 s = source(1);
	int64_t			 start = io_now_ms();

	open_all(LISTENER("max_sessions = 1; max_sessions_per_source = 1;")
	    BACKEND("servers = ({ address = \"127.0.0.1:1\"; "
	    "max_sessions = 1; }); queue = { size = 0; };"));
	count_settle(count);
	ck_assert_int_eq(count_admit(count, &clients[0], 1, 0, &s), 0);
	ck_assert_int_eq(count_place(count, &clients[1], 1, 0, 0, 0), 0);
	ck_assert_int_eq(count_admit(count, &clients[3], 1, 0, &s), 0);
	count_release(count, &clients[3]);	/* it waits no more */
	ck_assert_int_eq(count_hold(count, &clients[2], 1, 0, &s, 0, true),
	    0);
	ck_assert_int_eq(answers[0].admitted, 0);
	while (answers[1].placed == 0 && io_now_ms() < start + UNIT_MS)
		ck_assert_int_eq(loop_turn(loop), 0);
	ck_assert_int_eq(answers[0].verdict, ASK_SESSIONS);
	ck_assert_int_eq(answers[1].verdict, ASK_QUEUE_FULL);
	ck_assert_int_eq(answers[3].admitted, 0);
	count_release(count, &clients[2]);
	ck_assert_int_eq(admit(0, 1), ASK_OK);
	ck_assert_int_eq(place(1), 0);
	close_all();
}
END_TEST

START_TEST(counts_and_what_was_set_outlive_a_generation)
{
	open_all(LISTENER("max_sessions = 2;") BACKEND(SERVERS2
	    "balance = \"leastconn\";"));
	ck_assert_int_eq(admit(0, 1), ASK_OK);
	ck_assert_int_eq(place(0), 0);
	server_set_weight(servers, servers_generation(servers, 1)->servers[1],
	    7);
	/* The same servers the other way round, and one more. */
	add(2, LISTENER("max_sessions = 1;") BACKEND("servers = "
	    "(\"127.0.0.1:3\", \"127.0.0.1:2\", \"127.0.0.1:1\"); "
	    "balance = \"leastconn\";"));
	ck_assert_uint_eq(atomic_load(&entry(2, 2)->sessions), 1);
	ck_assert_uint_eq(atomic_load(&entry(2, 1)->weight), 7);
	ck_assert_uint_eq(atomic_load(&entry(2, 0)->weight), 1);
	ck_assert_int_eq(count_admit(count, &clients[1], 2, 0,
	    &clients[0].source), 0);
	ck_assert_int_eq(answers[1].verdict, ASK_SESSIONS);
	forget(1);
	ck_assert_uint_eq(atomic_load(&entry(2, 2)->sessions), 1);
	count_release(count, &clients[0]);
	ck_assert_uint_eq(atomic_load(&entry(2, 2)->sessions), 0);
	/* A weight that the file changes counts again. */
	add(3, LISTENER("") BACKEND("servers = ({ address = "
	    "\"127.0.0.1:2\"; weight = 3; });"));
	ck_assert_uint_eq(atomic_load(&entry(3, 0)->weight), 3);
	ck_assert_uint_eq(atomic_load(&entry(2, 1)->weight), 3);
	close_all();
}
END_TEST

START_TEST(a_server_that_nobody_has_lives_until_its_last_session)
{
	open_all(LISTENER("") BACKEND(SERVERS2 "balance = \"leastconn\";"));
	ck_assert_int_eq(place(0), 0);
	add(2, LISTENER("") BACKEND("servers = (\"127.0.0.1:3\");"));
	forget(1);
	ck_assert_ptr_nonnull(clients[0].place.server);
	count_release(count, &clients[0]);
	close_all();
}
END_TEST

/* The next keeper finds what the last one knew in the book. */
START_TEST(a_book_that_was_written_is_taken_over)
{
	const struct servers_hooks	 hooks = {
		on_server, on_server, on_room, NULL,
	};
	struct servers			*first;
	struct generation		*g;

	open_all(LISTENER("") BACKEND(SERVERS2));
	ck_assert(!servers_inherited(servers));
	g = servers_generation(servers, 1);
	server_set_mode(servers, g->servers[0], BOOK_DRAIN);
	server_set_weight(servers, g->servers[0], 9);
	server_set_state(servers, g->servers[1], BOOK_DOWN, "test");
	first = servers;
	servers = servers_new(loop, &hooks);
	ck_assert_int_eq(servers_add(servers, 1, confs[1], books[1]), 0);
	servers_commit(servers, 1);
	ck_assert(servers_inherited(servers));
	g = servers_generation(servers, 1);
	ck_assert_int_eq(g->servers[0]->mode, BOOK_DRAIN);
	ck_assert_uint_eq(g->servers[0]->weight, 9);
	ck_assert_int_eq(g->servers[1]->state, BOOK_DOWN);
	servers_free(&servers);
	servers = first;
	close_all();
}
END_TEST

int
main(void)
{
	Suite	*s = suite_create("count");
	TCase	*tc = tcase_create("count");

	suite_add_tcase(s, tc);
	tcase_add_test(tc, max_sessions_counts_live_ones);
	tcase_add_test(tc, a_source_has_no_more_than_its_sessions);
	tcase_add_test(tc, a_source_that_is_too_fast_is_held);
	tcase_add_test(tc, the_oldest_handshake_gives_way);
	tcase_add_test(tc, leastconn_takes_the_one_with_fewest);
	tcase_add_test(tc, a_freed_place_goes_to_the_first_in_the_queue);
	tcase_add_test(tc, the_queue_ends_at_its_timeout);
	tcase_add_test(tc,
	    one_that_failed_is_the_last_resort_and_full_is_no_failure);
	tcase_add_test(tc, who_fails_there_has_no_place_there);
	tcase_add_test(tc, down_drained_and_weightless_servers_take_nobody);
	tcase_add_test(tc, nobody_may_name_what_its_pool_has_not);
	tcase_add_test(tc,
	    what_was_held_before_counts_before_anybody_is_let_in);
	tcase_add_test(tc, counts_and_what_was_set_outlive_a_generation);
	tcase_add_test(tc,
	    a_server_that_nobody_has_lives_until_its_last_session);
	tcase_add_test(tc, a_book_that_was_written_is_taken_over);
	return unit_run(s);
}
