/* Agents, topics and users, with time as it is said. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "policy/conf.h"
#include "policy/registry.h"
#include "unit.h"

#define AGENTS	4
#define USERS	2000

/* What the registry was heard to say. */
static struct agent {
	struct reg_link		*link;
	size_t			 asked;		/* tickets */
	enum tunnel_code	 evicted;	/* TUNNEL_OK: it was not */
} agents[AGENTS];

static struct user {
	struct reg_user		*handle;
	struct agent		*got;
	void			*parked;
	size_t			 pairs;
	int			 refused;	/* code, or -1 */
} users[USERS];

static const struct reg_limits	 no_limits;
static char		 connections[100000];	/* each a parked one */
static size_t		 nconnections, nunparked, nalarms, ntakeovers;
static struct reg_rule	 rule;
static struct registry	*r;
static int64_t		 now;

static void
op_rule(void *ctx, const char *topic, struct reg_rule *out)
{
	(void)ctx;
	(void)topic;
	*out = rule;
}

static void
op_pair(void *ctx, void *user, void *parked, void *link)
{
	struct user	*u = user;

	(void)ctx;
	u->got = link;
	u->parked = parked;
	u->pairs++;
}

static void
op_refuse(void *ctx, void *user, enum tunnel_code code)
{
	struct user	*u = user;

	(void)ctx;
	u->refused = (int)code;
	u->handle = NULL;
}

static void
op_need(void *ctx, void *link, size_t n)
{
	(void)ctx;
	((struct agent *)link)->asked += n;
}

static void
op_evict(void *ctx, void *link, enum tunnel_code code)
{
	struct agent	*a = link;

	(void)ctx;
	a->evicted = code;
	a->link = NULL;
	a->asked = 0;
}

static void
op_unpark(void *ctx, void *parked)
{
	(void)ctx;
	(void)parked;
	nunparked++;
}

static void
op_tell(void *ctx, const char *topic, const char *from, const char *to,
    bool frozen)
{
	(void)ctx;
	(void)topic;
	ck_assert_str_ne(from, to);
	nalarms += frozen;
	ntakeovers += !frozen;
}

static uint32_t
op_random(void *ctx)
{
	(void)ctx;
	return 12345;
}

static void
set_up(void)
{
	static const struct registry_ops	 ops = {
		op_rule, op_pair, op_refuse, op_need, op_evict, op_unpark,
		op_tell, op_random,
	};

	memset(agents, 0, sizeof(agents));
	memset(users, 0, sizeof(users));
	for (size_t i = 0; i < USERS; i++)
		users[i].refused = -1;
	nconnections = nunparked = nalarms = ntakeovers = 0;
	rule = (struct reg_rule){
		.policy = CONF_POLICY_REPLACE, .hold_ms = 5000,
		.wait_ms = 5000, .waiting = 4096,
	};
	now = 1000000;
	r = registry_new(&ops, NULL);
}

static void
tear_down(void)
{
	registry_free(&r);
	ck_assert_ptr_null(r);
}

static void
join(size_t i)
{
	char	 id[8];

	snprintf(id, sizeof(id), "agent%zu", i);
	agents[i].evicted = TUNNEL_OK;
	agents[i].asked = 0;
	agents[i].link = registry_join(r, &agents[i], id, &no_limits,
	    now);
}

static enum tunnel_code
offer(size_t i, const char *topic)
{
	return registry_register(r, agents[i].link, topic, 1, now);
}

/* The agent does as it was asked. */
static void
park_all(size_t i)
{
	while (agents[i].asked > 0 && agents[i].link != NULL) {
		agents[i].asked--;
		registry_park(r, agents[i].link,
		    &connections[nconnections++], now);
	}
}

static void
want(size_t i, const char *topic)
{
	users[i].handle = registry_open(r, &users[i], topic, now);
	if (users[i].refused != -1)
		users[i].handle = NULL;
}

static void
leave(size_t i)
{
	registry_close(r, users[i].handle, now);
	users[i].handle = NULL;
}

static void
pass(int64_t ms)
{
	int64_t	 until = now + ms, next;

	while (now < until) {
		next = registry_tick(r, now);
		ck_assert_int_gt(next, now);
		now = next < until ? next : until;
	}
	(void)registry_tick(r, now);
}

START_TEST(a_user_gets_what_is_parked_and_more_is_asked_for)
{
	join(0);
	ck_assert_uint_eq(agents[0].asked, 0);
	ck_assert_int_eq(offer(0, "a"), TUNNEL_OK);
	ck_assert_uint_eq(agents[0].asked, REGISTRY_PARKED_MIN);
	park_all(0);
	want(0, "a");
	ck_assert_ptr_eq(users[0].got, &agents[0]);
	ck_assert_uint_ge(agents[0].asked, 1);
}
END_TEST

START_TEST(a_user_waits_for_an_agent_and_then_for_a_connection)
{
	want(0, "a");
	ck_assert_ptr_null(users[0].got);
	pass(3000);
	join(0);
	ck_assert_int_eq(offer(0, "a"), TUNNEL_OK);
	ck_assert_uint_ge(agents[0].asked, 1);
	ck_assert_ptr_null(users[0].got);
	park_all(0);
	ck_assert_ptr_eq(users[0].got, &agents[0]);
	ck_assert_int_eq(users[0].refused, -1);
}
END_TEST

START_TEST(nobody_waits_longer_than_is_said)
{
	want(0, "a");
	pass(4900);
	ck_assert_int_eq(users[0].refused, -1);
	pass(300);
	ck_assert_int_eq(users[0].refused, TUNNEL_NO_AGENT);
	join(0);
	(void)offer(0, "a");
	want(1, "a");
	pass(5200);
	ck_assert_int_eq(users[1].refused, TUNNEL_NO_ANSWER);
	rule.hold_ms = 0;
	want(2, "other");
	ck_assert_int_eq(users[2].refused, TUNNEL_NO_AGENT);
}
END_TEST

START_TEST(a_thousand_users_at_once_are_all_served)
{
	join(0);
	(void)offer(0, "a");
	park_all(0);
	for (size_t i = 0; i < 1000; i++)
		want(i, "a");
	for (size_t turn = 0; turn < 1000; turn++) {
		/* At most so many are on their way at a time. */
		ck_assert_uint_le(agents[0].asked, REGISTRY_PARKED_MAX);
		now++;
		park_all(0);
	}
	for (size_t i = 0; i < 1000; i++) {
		ck_assert_uint_eq(users[i].pairs, 1);
		ck_assert_int_eq(users[i].refused, -1);
	}
}
END_TEST

START_TEST(each_connection_is_given_to_one_user)
{
	join(0);
	(void)offer(0, "a");
	park_all(0);
	for (size_t i = 0; i < 200; i++) {
		want(i, "a");
		park_all(0);
	}
	for (size_t i = 0; i < 200; i++)
		for (size_t j = 0; j < i; j++)
			ck_assert_ptr_ne(users[i].parked, users[j].parked);
}
END_TEST

START_TEST(who_came_first_is_served_first)
{
	join(0);
	(void)offer(0, "a");
	(void)offer(0, "b");
	for (size_t i = 0; i < 6; i++) {
		want(i, i % 2 == 0 ? "a" : "b");
		now++;
	}
	for (size_t i = 0; i < 6; i++) {
		registry_park(r, agents[0].link, &connections[i], now);
		ck_assert_ptr_eq(users[i].parked, &connections[i]);
	}
}
END_TEST

START_TEST(a_link_that_returns_takes_its_own_place_at_once)
{
	struct agent	*old = &agents[0];

	join(0);
	(void)offer(0, "a");
	park_all(0);
	agents[1] = *old;	/* the same agent, by another link */
	agents[1].link = registry_join(r, &agents[1], "agent0",
	    &no_limits, now);
	ck_assert_int_eq(old->evicted, TUNNEL_SUPERSEDED);
	ck_assert_uint_eq(nunparked, 2);
	agents[1].asked = 0;
	ck_assert_int_eq(offer(1, "a"), TUNNEL_OK);
	ck_assert_uint_eq(ntakeovers, 0);
	park_all(1);
	want(0, "a");
	ck_assert_ptr_eq(users[0].got, &agents[1]);
}
END_TEST

START_TEST(with_replace_the_newcomer_gets_users_and_the_old_one_returns)
{
	join(0);
	(void)offer(0, "a");
	park_all(0);
	want(0, "a");
	join(1);
	ck_assert_int_eq(offer(1, "a"), TUNNEL_OK);
	park_all(1);
	ck_assert_uint_eq(ntakeovers, 1);
	want(1, "a");
	ck_assert_ptr_eq(users[0].got, &agents[0]);
	ck_assert_ptr_eq(users[1].got, &agents[1]);
	registry_leave(r, agents[1].link, now);
	want(2, "a");
	ck_assert_ptr_eq(users[2].got, &agents[0]);
	leave(1);			/* its link is gone already */
}
END_TEST

START_TEST(with_standby_the_first_keeps_it_until_it_goes)
{
	rule.policy = CONF_POLICY_STANDBY;
	join(0);
	join(1);
	(void)offer(0, "a");
	ck_assert_int_eq(offer(1, "a"), TUNNEL_OK);
	park_all(0);
	park_all(1);
	want(0, "a");
	ck_assert_ptr_eq(users[0].got, &agents[0]);
	registry_leave(r, agents[0].link, now);
	want(1, "a");
	ck_assert_ptr_eq(users[1].got, &agents[1]);
}
END_TEST

START_TEST(with_reject_the_second_is_refused)
{
	rule.policy = CONF_POLICY_REJECT;
	join(0);
	join(1);
	(void)offer(0, "a");
	ck_assert_int_eq(offer(1, "a"), TUNNEL_TAKEN);
	ck_assert_int_eq(offer(0, "a"), TUNNEL_OK);	/* it is its own */
	registry_leave(r, agents[0].link, now);
	ck_assert_int_eq(offer(1, "a"), TUNNEL_OK);
}
END_TEST

START_TEST(a_group_is_served_by_weight_and_by_who_is_up)
{
	size_t	 got[2] = { 0, 0 };

	rule.policy = CONF_POLICY_GROUP;
	join(0);
	join(1);
	(void)registry_register(r, agents[0].link, "a", 1, now);
	(void)registry_register(r, agents[1].link, "a", 3, now);
	for (size_t i = 0; i < 400; i++) {
		want(i, "a");
		for (size_t j = 0; users[i].got == NULL && j < 10; j++) {
			park_all(0);
			park_all(1);
		}
		park_all(0);
		park_all(1);
		got[users[i].got - agents]++;
	}
	ck_assert_uint_ge(got[1], 290);
	ck_assert_uint_le(got[1], 310);
	registry_health(r, agents[1].link, "a", false, now);
	want(400, "a");
	ck_assert_ptr_eq(users[400].got, &agents[0]);
	registry_health(r, agents[1].link, "a", true, now);
	for (size_t i = 0; i < 400; i++)
		leave(i);
}
END_TEST

START_TEST(two_who_fight_for_ten_minutes_are_told_apart)
{
	join(0);
	(void)offer(0, "a");
	for (int second = 0; second < 600; second++) {
		size_t	 i = (size_t)second % 2;

		/* Each comes back as soon as the other has it. */
		join(i);
		(void)offer(i, "a");
		pass(1000);
	}
	/* Three a minute, and then a minute's peace. */
	ck_assert_uint_le(ntakeovers, 30);
	ck_assert_uint_gt(nalarms, 0);
}
END_TEST

START_TEST(one_that_was_dead_is_made_good_by_a_fresh_one)
{
	size_t	 asked;

	join(0);
	(void)offer(0, "a");
	park_all(0);
	want(0, "a");
	ck_assert_uint_eq(users[0].pairs, 1);
	park_all(0);
	asked = nunparked;
	registry_again(r, users[0].handle, now);
	/* Those that lie there are as old as that one, and go. */
	ck_assert_uint_gt(nunparked, asked);
	ck_assert_uint_eq(users[0].pairs, 1);
	ck_assert_uint_ge(agents[0].asked, 1);
	park_all(0);
	ck_assert_uint_eq(users[0].pairs, 2);
	leave(0);
}
END_TEST

START_TEST(what_dies_or_is_old_is_replaced)
{
	join(0);
	(void)offer(0, "a");
	park_all(0);
	registry_parked_died(r, &connections[0], now);
	ck_assert_uint_eq(nunparked, 1);
	ck_assert_uint_eq(agents[0].asked, 1);
	park_all(0);
	/* A day, with the clock as it says: neither drift nor leak. */
	for (int hour = 0; hour < 24; hour++) {
		for (int minute = 0; minute < 60; minute++) {
			pass(60000);
			park_all(0);
		}
		ck_assert_uint_le(nconnections - nunparked, 4);
	}
	ck_assert_uint_ge(nunparked, 2 * 24 * 3600 / 290);
	ck_assert_uint_le(nunparked, 2 * 24 * 3600 / 190);
}
END_TEST

START_TEST(a_lost_ticket_is_made_good)
{
	join(0);
	(void)offer(0, "a");
	agents[0].asked = 0;
	registry_lost(r, agents[0].link, now);
	ck_assert_uint_eq(agents[0].asked, 1);
}
END_TEST

START_TEST(nothing_is_parked_where_a_connection_is_for_who_waits)
{
	const struct reg_limits	 on_demand = { .on_demand = true };
	struct reg_link_facts	 f;

	agents[0].link = registry_join(r, &agents[0], "agent0", &on_demand,
	    now);
	(void)offer(0, "a");
	ck_assert_uint_eq(agents[0].asked, 0);
	want(0, "a");
	ck_assert_uint_eq(agents[0].asked, 1);
	want(1, "a");
	ck_assert_uint_eq(agents[0].asked, 2);
	park_all(0);
	ck_assert_ptr_nonnull(users[0].parked);
	ck_assert_ptr_nonnull(users[1].parked);
	/* Who it was for has left: the next one is not given it. */
	want(2, "a");
	registry_close(r, users[2].handle, now);
	park_all(0);
	ck_assert(registry_next_link(r, "", &f, now));
	ck_assert_uint_eq(f.parked, 0);
}
END_TEST

START_TEST(limits_hold_for_agents_topics_and_who_waits)
{
	const struct reg_limits	 two = { .max_sessions = 2 };
	struct reg_link_facts	 f;

	rule.max_sessions = 3;
	join(0);
	(void)offer(0, "a");
	for (size_t i = 0; i < 4; i++) {
		park_all(0);
		want(i, "a");
	}
	ck_assert_int_eq(users[2].refused, -1);
	ck_assert_int_eq(users[3].refused, TUNNEL_TOO_MANY);
	leave(0);
	want(4, "a");
	ck_assert_int_eq(users[4].refused, -1);
	rule.max_sessions = 0;
	agents[1].link = registry_join(r, &agents[1], "agent1", &two, now);
	(void)offer(1, "b");
	for (size_t i = 10; i < 13; i++) {
		park_all(1);
		want(i, "b");
	}
	ck_assert_int_eq(users[11].refused, -1);
	ck_assert_int_eq(users[12].refused, TUNNEL_TOO_MANY);
	rule.waiting = 5;
	rule.rate_count = 0;
	for (size_t i = 20; i < 26; i++)
		want(i, "nobody.has.it");
	ck_assert_int_eq(users[24].refused, -1);
	ck_assert_int_eq(users[25].refused, TUNNEL_TOO_MANY);
	ck_assert(registry_next_link(r, "", &f, now));
	ck_assert_str_eq(f.id, "agent0");
	ck_assert_uint_eq(f.sessions, 3);
	ck_assert(registry_next_link(r, "agent0", &f, now));
	ck_assert_str_eq(f.id, "agent1");
	ck_assert(!registry_next_link(r, "agent1", &f, now));
}
END_TEST

START_TEST(an_agent_is_given_users_no_faster_than_it_may_be)
{
	const struct reg_limits	 slow = { .rate_count = 2, .rate_ms = 1000 };

	rule.policy = CONF_POLICY_GROUP;
	agents[0].link = registry_join(r, &agents[0], "agent0", &slow, now);
	join(1);
	(void)offer(0, "a");
	(void)offer(1, "a");
	for (size_t i = 0; i < 20; i++) {
		park_all(0);
		park_all(1);
		want(i, "a");
		ck_assert_uint_eq(users[i].pairs, 1);
		/* Who comes then is the other one's. */
		if (i > 3)
			ck_assert_ptr_eq(users[i].got, &agents[1]);
	}
	registry_leave(r, agents[1].link, now);
	want(30, "a");
	ck_assert_int_eq(users[30].refused, TUNNEL_TOO_MANY);
	pass(500);
	park_all(0);
	want(31, "a");
	ck_assert_ptr_eq(users[31].got, &agents[0]);
	want(32, "a");
	ck_assert_int_eq(users[32].refused, TUNNEL_TOO_MANY);
}
END_TEST

START_TEST(who_cannot_be_served_is_tried_with_another)
{
	rule.policy = CONF_POLICY_GROUP;
	for (size_t i = 0; i < 3; i++) {
		join(i);
		(void)offer(i, "a");
		park_all(i);
	}
	want(0, "a");
	for (size_t i = 0; i < 2; i++) {
		struct agent	*before = users[0].got;

		registry_elsewhere(r, users[0].handle, now);
		ck_assert_uint_eq(users[0].pairs, i + 2);
		ck_assert_ptr_ne(users[0].got, before);
	}
	/* Not with the first one again. */
	registry_elsewhere(r, users[0].handle, now);
	ck_assert_int_eq(users[0].refused, TUNNEL_NO_SERVICE);
	ck_assert_uint_eq(users[0].pairs, 3);
}
END_TEST

/* Whose turn it was when he came has none; whose turn it is now has. */
START_TEST(who_waits_for_a_group_takes_what_comes)
{
	rule.policy = CONF_POLICY_GROUP;
	for (size_t i = 0; i < 2; i++) {
		join(i);
		(void)offer(i, "a");
	}
	park_all(1);
	want(0, "a");
	want(1, "a");
	park_all(0);
	ck_assert_uint_eq(users[0].pairs, 1);
	ck_assert_uint_eq(users[1].pairs, 1);
	for (size_t i = 2; i < 40; i++) {
		want(i, "a");
		want(i + 40, "a");
		if (i >= 4)
			leave(i % 2 == 0 ? i + 38 : i - 2);
		park_all(i % 2);
		park_all(1 - i % 2);
		ck_assert_uint_eq(users[i].pairs, 1);
		ck_assert_uint_eq(users[i + 40].pairs, 1);
	}
}
END_TEST

START_TEST(who_is_tried_with_another_waits_for_its_connection)
{
	rule.policy = CONF_POLICY_STANDBY;
	join(0);
	(void)offer(0, "a");
	join(1);
	(void)offer(1, "a");
	park_all(0);
	want(0, "a");
	registry_elsewhere(r, users[0].handle, now);
	ck_assert_uint_eq(users[0].pairs, 1);
	/* The first one's are for others. */
	park_all(0);
	ck_assert_uint_eq(users[0].pairs, 1);
	want(1, "a");
	park_all(0);
	ck_assert_uint_eq(users[1].pairs, 1);
	ck_assert_ptr_eq(users[1].got, &agents[0]);
	park_all(1);
	ck_assert_uint_eq(users[0].pairs, 2);
	ck_assert_ptr_eq(users[0].got, &agents[1]);
	leave(0);
	/* An agent that has left meanwhile is none that did not serve. */
	want(2, "a");
	registry_leave(r, agents[0].link, now);
	registry_elsewhere(r, users[2].handle, now);
	park_all(1);
	ck_assert_ptr_eq(users[2].got, &agents[1]);
}
END_TEST

START_TEST(users_come_no_faster_than_they_may)
{
	size_t	 let_in = 0;

	rule.rate_count = 10;
	rule.rate_ms = 1000;
	join(0);
	(void)offer(0, "a");
	for (size_t i = 0; i < 600; i++) {
		want(i, "a");
		let_in += users[i].refused != TUNNEL_TOO_MANY;
		/* Ten at once, and then one each tenth of a second. */
		if (i < 12)
			ck_assert_uint_eq(let_in, i < 10 ? i + 1 : 10);
		else
			pass(50);
		park_all(0);
	}
	ck_assert_uint_ge(let_in, 295);
	ck_assert_uint_le(let_in, 310);
}
END_TEST

START_TEST(topics_are_told_in_order_and_forgotten_when_nobody_cares)
{
	struct reg_topic_facts	 f;

	join(0);
	(void)offer(0, "b");
	(void)offer(0, "a");
	ck_assert(registry_next_topic(r, "", &f, now));
	ck_assert_str_eq(f.name, "a");
	ck_assert_str_eq(f.agent, "agent0");
	ck_assert(registry_next_topic(r, "a", &f, now));
	ck_assert_str_eq(f.name, "b");
	ck_assert(!registry_next_topic(r, "b", &f, now));
	registry_withdraw(r, agents[0].link, "a", now);
	registry_withdraw(r, agents[0].link, "never", now);
	want(0, "c");
	leave(0);
	pass(61000);
	ck_assert(registry_next_topic(r, "", &f, now));
	ck_assert_str_eq(f.name, "b");
	ck_assert(!registry_next_topic(r, "b", &f, now));
}
END_TEST

/* Whatever comes in whatever order: counts hold, and nothing is left. */
START_TEST(a_long_life_at_random_leaves_nothing)
{
	uint32_t	 seed = 1;
	size_t		 next = 0;

	for (int step = 0; step < 30000; step++) {
		size_t	 a, u;

		seed = seed * 1664525 + 1013904223;
		a = seed >> 8 & 3;
		u = seed >> 12 & 127;
		switch (seed >> 24 & 7) {
		case 0:
			if (agents[a].link == NULL)
				join(a);
			(void)offer(a, (seed & 0x100000) != 0 ? "a" : "b");
			break;
		case 1:
			if (agents[a].link != NULL && (seed & 0x70000) == 0) {
				registry_leave(r, agents[a].link, now);
				agents[a].link = NULL;
				agents[a].asked = 0;
			}
			break;
		case 2:
		case 3:
			if (nconnections > 99000)
				nconnections = 0;
			park_all(a);
			break;
		case 4:
		case 5:
			if (users[u].handle == NULL) {
				users[u].refused = -1;
				want(u, (seed & 0x100000) != 0 ? "a" : "b");
			}
			break;
		case 6:
			if (users[u].handle != NULL)
				leave(u);
			break;
		case 7:
			if (users[u].handle != NULL && (seed & 0x30000) == 0)
				registry_again(r, users[u].handle, now);
			pass(seed & 0x3ff);
		}
		next = (next + 1) % USERS;
	}
	for (size_t i = 0; i < USERS; i++)
		if (users[i].handle != NULL)
			leave(i);
	for (size_t i = 0; i < AGENTS; i++)
		if (agents[i].link != NULL)
			registry_leave(r, agents[i].link, now);
	pass(61000);
	ck_assert(!registry_next_topic(r, "", &(struct reg_topic_facts){
	    .name = NULL }, now));
}
END_TEST

int
main(void)
{
	Suite	*s = suite_create("registry");
	TCase	*tc = tcase_create("registry");

	suite_add_tcase(s, tc);
	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, set_up, tear_down);
	tcase_add_test(tc,
	    a_user_gets_what_is_parked_and_more_is_asked_for);
	tcase_add_test(tc,
	    a_user_waits_for_an_agent_and_then_for_a_connection);
	tcase_add_test(tc, nobody_waits_longer_than_is_said);
	tcase_add_test(tc, a_thousand_users_at_once_are_all_served);
	tcase_add_test(tc, each_connection_is_given_to_one_user);
	tcase_add_test(tc, who_came_first_is_served_first);
	tcase_add_test(tc, a_link_that_returns_takes_its_own_place_at_once);
	tcase_add_test(tc,
	    with_replace_the_newcomer_gets_users_and_the_old_one_returns);
	tcase_add_test(tc, with_standby_the_first_keeps_it_until_it_goes);
	tcase_add_test(tc, with_reject_the_second_is_refused);
	tcase_add_test(tc, a_group_is_served_by_weight_and_by_who_is_up);
	tcase_add_test(tc, two_who_fight_for_ten_minutes_are_told_apart);
	tcase_add_test(tc, one_that_was_dead_is_made_good_by_a_fresh_one);
	tcase_add_test(tc, what_dies_or_is_old_is_replaced);
	tcase_add_test(tc, a_lost_ticket_is_made_good);
	tcase_add_test(tc, nothing_is_parked_where_a_connection_is_for_who_waits);
	tcase_add_test(tc, limits_hold_for_agents_topics_and_who_waits);
	tcase_add_test(tc, users_come_no_faster_than_they_may);
	tcase_add_test(tc, an_agent_is_given_users_no_faster_than_it_may_be);
	tcase_add_test(tc, who_waits_for_a_group_takes_what_comes);
	tcase_add_test(tc, who_cannot_be_served_is_tried_with_another);
	tcase_add_test(tc,
	    who_is_tried_with_another_waits_for_its_connection);
	tcase_add_test(tc,
	    topics_are_told_in_order_and_forgotten_when_nobody_cares);
	tcase_add_test(tc, a_long_life_at_random_leaves_nothing);
	return unit_run(s);
}
