/* Ports and who has them, by a master that is slow or not. */
#include <arpa/inet.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "policy/mappings.h"
#include "unit.h"

#define PEERS	8
#define TAKEN	40000		/* by another program */

static struct mappings	*m;
static int64_t		 now;
static uint16_t		 low, high;	/* that agents may have */
static bool		 slow;		/* the master is */

/* Ports that are bound, by id. */
static struct {
	bool		 on;
	struct net_addr	 addr;
} bound[4096];

static struct {
	uint32_t	 id;
	struct net_addr	 addr;
} pending[64];
static size_t	 npending;

static struct {
	enum tunnel_code	 code;
	uint16_t		 port;
	size_t			 times;
} answers[PEERS];
static int	 peers[PEERS];

static bool
op_may(void *ctx, const char *agent, const struct net_addr *a)
{
	(void)ctx;
	if (agent[0] == '\0')
		return net_port(a) >= 1024;
	return net_port(a) >= low && net_port(a) <= high;
}

static void
decide(uint32_t id, const struct net_addr *a)
{
	bool	 busy = net_port(a) == TAKEN;

	for (size_t i = 0; i < nitems(bound); i++)
		busy |= bound[i].on && net_same(&bound[i].addr, a);
	if (busy) {
		mappings_failed(m, id, TUNNEL_PORT_TAKEN);
		return;
	}
	bound[id].on = true;
	bound[id].addr = *a;
	if (!mappings_bound(m, id, &bound[id]))
		bound[id].on = false;
}

static void
settle(void)
{
	while (npending > 0) {
		uint32_t	 id = pending[0].id;
		struct net_addr	 a = pending[0].addr;

		memmove(pending, pending + 1,
		    --npending * sizeof(pending[0]));
		decide(id, &a);
	}
}

static void
op_bind(void *ctx, uint32_t id, const char *agent, const struct net_addr *a)
{
	(void)ctx;
	(void)agent;
	ck_assert_uint_lt(id, nitems(bound));
	pending[npending].id = id;
	pending[npending++].addr = *a;
	ck_assert_uint_lt(npending, nitems(pending));
}

static void
op_unbind(void *ctx, uint32_t id, void *port)
{
	(void)ctx;
	ck_assert_ptr_eq(port, &bound[id]);
	ck_assert(bound[id].on);
	bound[id].on = false;
}

static void
op_answer(void *ctx, const struct mappings_asker *asker,
    enum tunnel_code code, const struct net_addr *a)
{
	size_t	 i = (size_t)((int *)asker->owner - peers);

	(void)ctx;
	ck_assert_uint_lt(i, PEERS);
	answers[i].code = code;
	answers[i].port = a != NULL ? net_port(a) : 0;
	answers[i].times++;
}

static const struct mappings_ops	 ops = {
	.may = op_may, .bind = op_bind, .unbind = op_unbind,
	.answer = op_answer,
};

static void
setup(void)
{
	memset(bound, 0, sizeof(bound));
	memset(answers, 0, sizeof(answers));
	npending = 0;
	slow = false;
	now = 1000;
	low = 13000;
	high = 13099;
	m = mappings_new(&ops, NULL);
}

static void
teardown(void)
{
	mappings_free(&m);
}

/* What an agent asks for; its port, or 0. */
static uint16_t
ask(int peer, const char *agent, const char *topic, const char *at,
    bool open)
{
	struct mappings_want	 w = {
		.agent = agent, .pool = "hub", .topic = topic, .open = open,
	};
	struct mappings_asker	 asker = { &peers[peer], 7 };
	const char		*why;

	ck_assert_int_eq(port_want_parse(at, &w.at, &why), 0);
	answers[peer].times = 0;
	mappings_map(m, &w, &asker);
	if (!slow) {
		settle();
		ck_assert_uint_eq(answers[peer].times, 1);
	}
	return answers[peer].port;
}

static size_t
count(void)
{
	struct mappings_facts	 f;
	size_t			 n = 0;

	for (uint32_t id = 0; mappings_next(m, id, &f); id = f.id)
		n++;
	return n;
}

static size_t
open_ports(void)
{
	size_t	 n = 0;

	for (size_t i = 0; i < nitems(bound); i++)
		n += bound[i].on;
	return n;
}

static struct net_addr
address(const char *at)
{
	struct port_want	 w;
	const char		*why;

	ck_assert_int_eq(port_want_parse(at, &w, &why), 0);
	net_set_port(&w.addr, w.low);
	return w.addr;
}

START_TEST(an_agent_has_the_port_that_it_may_have)
{
	struct mappings_facts	 f;

	ck_assert_uint_eq(ask(0, "a", "rdp", "0.0.0.0:13001", true), 13001);
	ck_assert(mappings_next(m, 0, &f));
	ck_assert_str_eq(f.topic, "rdp");
	ck_assert_str_eq(f.agent, "a");
	ck_assert(f.open && f.here);
	ck_assert(mappings_lead(m, "hub", "rdp"));
	ck_assert(!mappings_lead(m, "other", "rdp"));
	ck_assert_uint_eq(ask(0, "a", "rdp", "0.0.0.0:14000", true), 0);
	ck_assert_int_eq(answers[0].code, TUNNEL_PORT_DENIED);
	ck_assert_uint_eq(open_ports(), 1);
}
END_TEST

START_TEST(one_port_is_for_one_topic)
{
	(void)ask(0, "a", "rdp", "0.0.0.0:13001", true);
	ck_assert_uint_eq(ask(1, "b", "ssh", "0.0.0.0:13001", true), 0);
	ck_assert_int_eq(answers[1].code, TUNNEL_PORT_TAKEN);
	/* Of the same topic it is shared, until both have left. */
	ck_assert_uint_eq(ask(1, "b", "rdp", "0.0.0.0:13001", true), 13001);
	ck_assert_uint_eq(open_ports(), 1);
	mappings_withdraw(m, "a", "rdp");
	ck_assert_uint_eq(open_ports(), 1);
	mappings_withdraw(m, "b", "ssh");
	ck_assert_uint_eq(open_ports(), 1);
	mappings_withdraw(m, "b", "rdp");
	ck_assert_uint_eq(open_ports(), 0);
	ck_assert_uint_eq(count(), 0);
}
END_TEST

START_TEST(who_asks_twice_has_it_once)
{
	(void)ask(0, "a", "rdp", "0.0.0.0:13001", true);
	ck_assert_uint_eq(ask(0, "a", "rdp", "0.0.0.0:13001", true), 13001);
	ck_assert_uint_eq(count(), 1);
	/* Its own it may have lead elsewhere. */
	ck_assert_uint_eq(ask(0, "a", "ssh", "0.0.0.0:13001", true), 13001);
	ck_assert(mappings_lead(m, "hub", "ssh"));
	ck_assert(!mappings_lead(m, "hub", "rdp"));
}
END_TEST

START_TEST(of_a_range_one_that_is_free_is_found)
{
	low = TAKEN;
	high = TAKEN + 10;
	ck_assert_uint_eq(ask(0, "a", "rdp", "0.0.0.0:0", true), TAKEN + 1);
	ck_assert_uint_eq(ask(1, "b", "ssh", "0.0.0.0:40000-40005", true),
	    TAKEN + 2);
	/* Who comes again has the same; another address is another port. */
	ck_assert_uint_eq(ask(0, "a", "rdp", "0.0.0.0:0", true), TAKEN + 1);
	ck_assert_uint_eq(ask(0, "a", "rdp", "127.0.0.1:0", true),
	    TAKEN + 1);
	ck_assert_uint_eq(ask(2, "c", "x", "0.0.0.0:50000-50010", true), 0);
	high = TAKEN;
	ck_assert_uint_eq(ask(2, "c", "x", "0.0.0.0:0", true), 0);
	ck_assert_int_eq(answers[2].code, TUNNEL_PORT_TAKEN);
	ck_assert_uint_eq(open_ports(), 3);
}
END_TEST

START_TEST(a_port_outlives_a_short_absence)
{
	(void)ask(0, "a", "rdp", "0.0.0.0:13001", true);
	mappings_forget(m, &peers[0]);
	mappings_leave(m, "a", 30000, now);
	ck_assert_int_eq(mappings_tick(m, now + 29999), now + 30000);
	ck_assert_uint_eq(open_ports(), 1);
	mappings_join(m, "a", now += 29999);
	(void)mappings_tick(m, now + MAPPINGS_CLAIM_MS - 1);
	(void)ask(0, "a", "rdp", "0.0.0.0:13001", true);
	(void)mappings_tick(m, now + 1000000);
	ck_assert_uint_eq(open_ports(), 1);
	/* Who is back and does not ask for it has no use for it. */
	mappings_leave(m, "a", 30000, now);
	mappings_join(m, "a", now);
	(void)mappings_tick(m, now + MAPPINGS_CLAIM_MS);
	ck_assert_uint_eq(open_ports(), 0);
	(void)ask(0, "a", "rdp", "0.0.0.0:13001", true);
	mappings_leave(m, "a", 30000, now);
	(void)mappings_tick(m, now + 30000);
	ck_assert_uint_eq(open_ports(), 0);
}
END_TEST

START_TEST(who_leaves_takes_no_ports_of_others)
{
	char	 agent[8], topic[16], at[32];

	for (unsigned int i = 0; i < 100; i++) {
		snprintf(agent, sizeof(agent), "a%u", i % 20);
		snprintf(topic, sizeof(topic), "t%u", i);
		snprintf(at, sizeof(at), "0.0.0.0:%u", 13000 + i);
		ck_assert_uint_eq(ask(0, agent, topic, at, true), 13000 + i);
	}
	for (size_t gone = 1; gone <= 20; gone++) {
		snprintf(agent, sizeof(agent), "a%zu", gone - 1);
		mappings_leave(m, agent, 0, now);
		(void)mappings_tick(m, now);
		ck_assert_uint_eq(open_ports(), 100 - 5 * gone);
	}
}
END_TEST

START_TEST(a_closed_one_keeps_its_port_from_others)
{
	struct net_addr		 a = address("0.0.0.0:13001");
	struct mappings_asker	 op = { &peers[5], 1 };

	ck_assert_uint_eq(ask(0, "a", "rdp", "0.0.0.0:13001", false), 13001);
	ck_assert_uint_eq(open_ports(), 0);
	ck_assert_uint_eq(ask(1, "b", "ssh", "0.0.0.0:13001", true), 0);
	mappings_set_open(m, &a, true, &op);
	settle();
	ck_assert_int_eq(answers[5].code, TUNNEL_OK);
	ck_assert_uint_eq(open_ports(), 1);
	/* Back with the same wish, what the operator did stands. */
	(void)ask(0, "a", "rdp", "0.0.0.0:13001", false);
	ck_assert_uint_eq(open_ports(), 1);
	mappings_set_open(m, &a, false, &op);
	settle();
	(void)ask(0, "a", "rdp", "0.0.0.0:13001", true);
	ck_assert_uint_eq(open_ports(), 1);
	mappings_unmap(m, &a, &op);
	ck_assert_uint_eq(open_ports(), 0);
	mappings_unmap(m, &a, &op);
	ck_assert_int_eq(answers[5].code, TUNNEL_NO_AGENT);
}
END_TEST

START_TEST(an_operators_stays_and_is_found_by_its_port)
{
	struct net_addr		 a = address("0.0.0.0:13001");
	struct mappings_asker	 op = { &peers[5], 1 };

	ck_assert_uint_eq(ask(5, "", "rdp", "127.0.0.1:13001", true), 13001);
	ck_assert_uint_eq(ask(5, "", "rdp", "127.0.0.1:80", true), 0);
	ck_assert_int_eq(answers[5].code, TUNNEL_PORT_DENIED);
	(void)mappings_tick(m, now + 1000000);
	mappings_review(m);
	ck_assert_uint_eq(open_ports(), 1);
	(void)ask(5, "", "rdp", "[::1]:13001", true);
	/* Which of the two? */
	mappings_unmap(m, &a, &op);
	ck_assert_int_eq(answers[5].code, TUNNEL_NO_AGENT);
	a = address("[::1]:13001");
	mappings_unmap(m, &a, &op);
	ck_assert_int_eq(answers[5].code, TUNNEL_OK);
	a = address("0.0.0.0:13001");
	mappings_unmap(m, &a, &op);
	ck_assert_int_eq(answers[5].code, TUNNEL_OK);
	ck_assert_uint_eq(count(), 0);
}
END_TEST

START_TEST(what_ends_while_it_is_bound_is_given_back)
{
	slow = true;
	(void)ask(0, "a", "rdp", "0.0.0.0:13001", true);
	mappings_withdraw(m, "a", NULL);
	(void)ask(0, "a", "rdp", "0.0.0.0:13001", true);
	settle();
	ck_assert_uint_eq(open_ports(), 1);
	ck_assert_int_eq(answers[0].code, TUNNEL_OK);
	/* Who asked is gone: nobody is told. */
	mappings_withdraw(m, "a", NULL);
	(void)ask(0, "a", "rdp", "0.0.0.0:13001", true);
	mappings_forget(m, &peers[0]);
	settle();
	ck_assert_uint_eq(answers[0].times, 0);
}
END_TEST

START_TEST(what_is_closed_while_it_is_bound_is_closed)
{
	struct net_addr		 a = address("0.0.0.0:13001");
	struct mappings_asker	 op = { &peers[5], 1 };

	slow = true;
	(void)ask(0, "a", "rdp", "0.0.0.0:13001", true);
	mappings_set_open(m, &a, false, &op);
	settle();
	ck_assert_uint_eq(open_ports(), 0);
	mappings_set_open(m, &a, true, &op);
	mappings_set_open(m, &a, false, &op);
	mappings_set_open(m, &a, true, &op);
	settle();
	ck_assert_uint_eq(open_ports(), 1);
}
END_TEST

START_TEST(rights_that_are_gone_end_it)
{
	(void)ask(0, "a", "rdp", "0.0.0.0:13001", true);
	(void)ask(0, "a", "ssh", "0.0.0.0:13050", true);
	low = 13040;
	mappings_review(m);
	ck_assert_int_eq(answers[0].code, TUNNEL_PORT_DENIED);
	ck_assert_uint_eq(open_ports(), 1);
	ck_assert_uint_eq(count(), 1);
}
END_TEST

START_TEST(there_are_bounds)
{
	char	 topic[16], agent[16];

	high = 65535;
	low = 1;
	for (int i = 0; i < MAPPINGS_AGENT_MAX + 1; i++) {
		snprintf(topic, sizeof(topic), "t%d", i);
		(void)ask(0, "a", topic, "0.0.0.0:50000-60000", true);
	}
	ck_assert_int_eq(answers[0].code, TUNNEL_TOO_MANY);
	ck_assert_uint_eq(count(), MAPPINGS_AGENT_MAX);
	for (int i = 0; i < MAPPINGS_MAX; i++) {
		snprintf(agent, sizeof(agent), "b%d", i);
		(void)ask(0, agent, agent, "0.0.0.0:50000-60000", true);
	}
	ck_assert_int_eq(answers[0].code, TUNNEL_TOO_MANY);
	ck_assert_uint_eq(count(), MAPPINGS_MAX);
	for (int i = 0; i < MAPPINGS_HOLDERS_MAX + 1; i++) {
		snprintf(agent, sizeof(agent), "c%d", i);
		(void)ask(0, agent, "t0", "0.0.0.0:50000", true);
	}
	ck_assert_int_eq(answers[0].code, TUNNEL_TOO_MANY);
}
END_TEST

START_TEST(ports_are_read)
{
	static const struct {
		const char	*text;
		int		 rc;
		uint16_t	 low, high;
	} cases[] = {
		{ "0.0.0.0:1", 0, 1, 1 }, { "[::]:80-90", 0, 80, 90 },
		{ ":0", 0, 1, 65535 }, { "127.0.0.1:65535", 0, 65535, 65535 },
		{ "", -1, 0, 0 }, { "80", -1, 0, 0 }, { ":", -1, 0, 0 },
		{ "1.2.3.4:", -1, 0, 0 }, { "1.2.3.4:65536", -1, 0, 0 },
		{ "1.2.3.4:9-8", -1, 0, 0 }, { "1.2.3.4:8-", -1, 0, 0 },
		{ "1.2.3.4:-8", -1, 0, 0 }, { "host:80", -1, 0, 0 },
		{ "unix:/a:80", -1, 0, 0 }, { "1.2.3.4:08", -1, 0, 0 },
		{ "1.2.3.4:0-8", -1, 0, 0 }, { "1.2.3.4:8 ", -1, 0, 0 },
	};
	struct port_want	 w;
	const char		*why;

	for (size_t i = 0; i < nitems(cases); i++) {
		ck_assert_int_eq(port_want_parse(cases[i].text, &w, &why),
		    cases[i].rc);
		if (cases[i].rc == -1)
			continue;
		ck_assert_uint_eq(w.low, cases[i].low);
		ck_assert_uint_eq(w.high, cases[i].high);
		ck_assert_uint_eq(net_port(&w.addr), 0);
	}
}
END_TEST

int
main(void)
{
	Suite	*s = suite_create("mappings");
	TCase	*tc = tcase_create("mappings");

	suite_add_tcase(s, tc);
	tcase_set_timeout(tc, 30);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, an_agent_has_the_port_that_it_may_have);
	tcase_add_test(tc, one_port_is_for_one_topic);
	tcase_add_test(tc, who_asks_twice_has_it_once);
	tcase_add_test(tc, of_a_range_one_that_is_free_is_found);
	tcase_add_test(tc, a_port_outlives_a_short_absence);
	tcase_add_test(tc, who_leaves_takes_no_ports_of_others);
	tcase_add_test(tc, a_closed_one_keeps_its_port_from_others);
	tcase_add_test(tc, an_operators_stays_and_is_found_by_its_port);
	tcase_add_test(tc, what_ends_while_it_is_bound_is_given_back);
	tcase_add_test(tc, what_is_closed_while_it_is_bound_is_closed);
	tcase_add_test(tc, rights_that_are_gone_end_it);
	tcase_add_test(tc, there_are_bounds);
	tcase_add_test(tc, ports_are_read);
	return unit_run(s);
}
