/* What a hub assigns, and what an agent lets be done, read and compared. */
#include <string.h>

#include "policy/assign.h"
#include "unit.h"

static struct net_addr
addr(const char *text)
{
	struct net_spec	 spec;
	const char	*why;

	ck_assert_int_eq(net_parse(text, false, &spec, &why), 0);
	ck_assert_int_eq(spec.kind, NET_ADDR);
	return spec.addr;
}

static const struct {
	const char	*rule;
	bool		 listen;
	const char	*address;
	bool		 allowed;
} cases[] = {
	{ "forward 127.0.0.1:3389", false, "127.0.0.1:3389", true },
	{ "forward 127.0.0.1:3389", false, "127.0.0.1:3390", false },
	{ "forward 127.0.0.1:3389", false, "127.0.0.2:3389", false },
	{ "forward 127.0.0.1:3389", true, "127.0.0.1:3389", false },
	{ "listen 127.0.0.1:3389", true, "127.0.0.1:3389", true },
	{ "listen 127.0.0.1:80", true, "127.0.0.1:80", true },
	{ "listen *:*", true, "127.0.0.1:1024", true },
	{ "listen *:*", true, "127.0.0.1:1023", false },
	{ "listen *:1-65535", true, "127.0.0.1:1023", true },
	{ "listen any", true, "[::1]:1024", true },
	{ "listen any", true, "0.0.0.0:80", false },
	{ "listen any", true, "unix:/run/x", false },
	{ "listen any", true, "unix:@x", false },
	{ "forward any", false, "127.0.0.1:22", true },
	{ "forward *:*", false, "127.0.0.1:22", true },
	{ "forward *:*", false, "unix:/run/x", false },
	{ "forward 10.0.0.0/8:20-22", false, "10.1.2.3:22", true },
	{ "forward 10.0.0.0/8:20-22", false, "10.1.2.3:23", false },
	{ "forward 10.0.0.0/8:20-22", false, "11.1.2.3:22", false },
	{ "forward [::1]:*", false, "[::1]:9", true },
	{ "forward [::1]:*", false, "127.0.0.1:9", false },
	{ "forward [2001:db8::/32]:9", false, "[2001:db8::1]:9", true },
	{ "forward unix:/run/x", false, "unix:/run/x", true },
	{ "forward unix:/run/x", false, "unix:/run/xy", false },
	{ "forward unix:/run/x", false, "127.0.0.1:9", false },
	{ "forward unix:/run/*", false, "unix:/run/x", true },
	{ "forward unix:/run/*", false, "unix:/run/x/y", false },
	{ "forward unix:/run/*", false, "unix:/run/", false },
	{ "forward unix:/run/*", false, "unix:/runx", false },
};

START_TEST(a_rule_allows_what_it_says_and_no_more)
{
	struct net_addr		 a = addr(cases[_i].address);
	struct assign_rule	 rule;
	const char		*why = "";

	ck_assert_msg(assign_rule_parse(cases[_i].rule, &rule, &why) == 0,
	    "%s: %s", cases[_i].rule, why);
	ck_assert_msg(assign_rule_allows(&rule, cases[_i].listen, &a) ==
	    cases[_i].allowed, "%s: %s", cases[_i].rule, cases[_i].address);
}
END_TEST

START_TEST(what_is_no_rule_is_refused)
{
	static const char	*const bad[] = {
		"", "any", "127.0.0.1:3389", "listen", "listen ",
		"listen 127.0.0.1", "listen :80", "listen localhost:80",
		"listen 127.0.0.1:0", "listen 127.0.0.1:80-", "forward x",
		"listen 127.0.0.1:9-8", "listen unix:", "listen unix:run/x",
		"listen unix:/run/", "listen unix:/*/x", "listen unix:80",
		"listen 10.0.0.1/8:80", "forward  127.0.0.1:80",
		"listen 127.0.0.1:65536", "listen unix:/*x",
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct assign_rule	 rule;
		const char		*why = NULL;

		ck_assert_msg(assign_rule_parse(bad[i], &rule, &why) == -1,
		    "\"%s\" is taken", bad[i]);
		ck_assert_ptr_nonnull(why);
	}
}
END_TEST

START_TEST(a_side_is_the_hub_or_the_agent)
{
	const char	*address;
	bool		 agent;

	ck_assert_int_eq(assign_side_parse("hub:1.2.3.4:5", &agent,
	    &address), 0);
	ck_assert(!agent);
	ck_assert_str_eq(address, "1.2.3.4:5");
	ck_assert_int_eq(assign_side_parse("agent:unix:/x", &agent,
	    &address), 0);
	ck_assert(agent);
	ck_assert_str_eq(address, "unix:/x");
	ck_assert_int_eq(assign_side_parse("1.2.3.4:5", &agent, &address),
	    -1);
	ck_assert_int_eq(assign_side_parse("agent:", &agent, &address), -1);
}
END_TEST

START_TEST(each_pair_has_a_topic_of_its_own)
{
	char	 a[65], b[65];

	assign_topic("c", "hub::1", "agent:x:1", a, sizeof(a));
	assign_topic("c", "hub::1", "agent:x:1", b, sizeof(b));
	ck_assert_str_eq(a, b);
	ck_assert_uint_eq(strlen(a), strlen("assign.c.") + 16);
	assign_topic("c", "hub::1", "agent:x:2", b, sizeof(b));
	ck_assert_str_ne(a, b);
	assign_topic("c", "hub::1a", "gent:x:1", b, sizeof(b));
	ck_assert_str_ne(a, b);
	assign_topic("d", "hub::1", "agent:x:1", b, sizeof(b));
	ck_assert_str_ne(a, b);
}
END_TEST

int
main(void)
{
	Suite	*s = suite_create("assign");
	TCase	*tc = tcase_create("assign");

	tcase_add_loop_test(tc, a_rule_allows_what_it_says_and_no_more, 0,
	    (int)(sizeof(cases) / sizeof(cases[0])));
	tcase_add_test(tc, what_is_no_rule_is_refused);
	tcase_add_test(tc, a_side_is_the_hub_or_the_agent);
	tcase_add_test(tc, each_pair_has_a_topic_of_its_own);
	suite_add_tcase(s, tc);
	return unit_run(s);
}
