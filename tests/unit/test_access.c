#include <sys/socket.h>

#include <arpa/inet.h>

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/net.h"
#include "policy/access.h"
#include "unit.h"

static const struct {
	const char	*text;
	int		 family;
	unsigned int	 prefix;
	const char	*again;		/* NULL: as it was */
} good[] = {
	{ "10.0.0.0/8",		AF_INET, 8,	NULL },
	{ "0.0.0.0/0",		AF_INET, 0,	NULL },
	{ "0.0.0.0",		AF_INET, 32,	NULL },
	{ "128.0.0.0/1",	AF_INET, 1,	NULL },
	{ "192.0.2.7",		AF_INET, 32,	NULL },
	{ "192.0.2.7/32",	AF_INET, 32,	"192.0.2.7" },
	{ "192.0.2.6/31",	AF_INET, 31,	NULL },
	{ "172.16.0.0/12",	AF_INET, 12,	NULL },
	{ "::1",		AF_INET6, 128,	NULL },
	{ "::/0",		AF_INET6, 0,	NULL },
	{ "::/95",		AF_INET6, 95,	NULL },
	{ "2001:db8::/29",	AF_INET6, 29,	NULL },
	{ "2001:db8::/32",	AF_INET6, 32,	NULL },
	{ "2001:DB8:0:0::/33",	AF_INET6, 33,	"2001:db8::/33" },
	{ "2001:0db8::1/128",	AF_INET6, 128,	"2001:db8::1" },
	{ "fe80::/10",		AF_INET6, 10,	NULL },
	{ "64:ff9b::1.2.3.4",	AF_INET6, 128,	"64:ff9b::102:304" },
	{ "unix",		AF_UNIX, 0,	NULL },
};

START_TEST(a_good_network_is_read_and_written_again)
{
	const char		*why = "";
	char			 text[ACCESS_TEXT_MAX];
	struct access_net	 net, again;

	ck_assert_msg(access_net_parse(good[_i].text, &net, &why) == 0,
	    "%s: %s", good[_i].text, why);
	ck_assert_int_eq(net.family, good[_i].family);
	ck_assert_uint_eq(net.prefix, good[_i].prefix);
	ck_assert_str_eq(access_net_text(&net, text, sizeof(text)),
	    good[_i].again != NULL ? good[_i].again : good[_i].text);
	ck_assert_int_eq(access_net_parse(text, &again, &why), 0);
	ck_assert_mem_eq(&again, &net, sizeof(net));
}
END_TEST

#define WANT_FORM	"want an address, a network such as 10.0.0.0/8 or " \
			"2001:db8::/32, or unix"
#define WANT_V4		"the prefix of an IPv4 network is a number from 0 to 32"
#define WANT_V6		"the prefix of an IPv6 network is a number from 0 " \
			"to 128"
#define BEYOND		"the address has bits beyond its prefix: 10.0.0.0/8 " \
			"is a network, 10.0.0.1 a host in it"
#define MAPPED		"an IPv4 network is written without ::ffff:"

static const struct {
	const char	*text;
	const char	*why;
} bad[] = {
	{ "",			WANT_FORM },
	{ "/8",			WANT_FORM },
	{ "unix/0",		WANT_FORM },
	{ "unix:",		WANT_FORM },
	{ "UNIX",		WANT_FORM },
	{ "all",		WANT_FORM },
	{ "localhost",		WANT_FORM },
	{ "10",			WANT_FORM },
	{ "10/8",		WANT_FORM },
	{ "10.0.0/8",		WANT_FORM },
	{ "10.0.0.0.0/8",	WANT_FORM },
	{ "10.0.0.256",		WANT_FORM },
	{ "010.0.0.0/8",	WANT_FORM },
	{ "10.00.0.0/8",	WANT_FORM },
	{ " 10.0.0.0/8",	WANT_FORM },
	{ "10.0.0.0 /8",	WANT_FORM },
	{ "10.0.0.1:80",	WANT_FORM },
	{ "[::1]",		WANT_FORM },
	{ "[::1]/128",		WANT_FORM },
	{ "fe80::1%lo",		WANT_FORM },
	{ "1::2::3",		WANT_FORM },
	{ "12345::/16",		WANT_FORM },
	{ "0000:0000:0000:0000:0000:0000:255.255.255.2555", WANT_FORM },
	{ "10.0.0.0/",		WANT_V4 },
	{ "10.0.0.0/33",	WANT_V4 },
	{ "10.0.0.0/08",	WANT_V4 },
	{ "0.0.0.0/00",		WANT_V4 },
	{ "10.0.0.0/8 ",	WANT_V4 },
	{ "10.0.0.0/ 8",	WANT_V4 },
	{ "10.0.0.0/+8",	WANT_V4 },
	{ "10.0.0.0/-8",	WANT_V4 },
	{ "10.0.0.0/8/8",	WANT_V4 },
	{ "10.0.0.0/x",		WANT_V4 },
	{ "10.0.0.0/4294967304", WANT_V4 },		/* wraps to 8 */
	{ "10.0.0.0/255.0.0.0",	WANT_V4 },
	{ "::/129",		WANT_V6 },
	{ "::/",		WANT_V6 },
	{ "::/032",		WANT_V6 },
	{ "::/1000",		WANT_V6 },
	{ "10.0.0.1/8",		BEYOND },
	{ "10.0.0.1/31",	BEYOND },
	{ "10.0.0.0/6",		BEYOND },
	{ "0.0.0.1/0",		BEYOND },
	{ "192.0.2.0/22",	BEYOND },
	{ "2001:db8::1/32",	BEYOND },
	{ "2001:db8::/28",	BEYOND },
	{ "::1/0",		BEYOND },
	{ "::1/127",		BEYOND },
	{ "::ffff:10.0.0.0/104", MAPPED },
	{ "::ffff:10.0.0.1",	MAPPED },
	{ "::ffff:0:0/96",	MAPPED },
};

START_TEST(a_bad_network_is_refused_with_its_reason)
{
	const char		*why = "";
	struct access_net	 net;

	ck_assert_int_eq(access_net_parse(bad[_i].text, &net, &why), -1);
	ck_assert_str_eq(why, bad[_i].why);
}
END_TEST

START_TEST(text_is_cut_to_its_room)
{
	const char		*why;
	char			 buf[8];
	struct access_net	 net;

	ck_assert_int_eq(access_net_parse("192.0.2.0/24", &net, &why), 0);
	ck_assert_str_eq(access_net_text(&net, buf, sizeof(buf)), "192.0.2");
	ck_assert_int_eq(access_net_parse("unix", &net, &why), 0);
	ck_assert_str_eq(access_net_text(&net, buf, 3), "un");
}
END_TEST

static struct access_net
net_of(const char *text)
{
	const char		*why = "";
	struct access_net	 net;

	ck_assert_msg(access_net_parse(text, &net, &why) == 0, "%s: %s",
	    text, why);
	return net;
}

/* A client by its bare address; "unix" came unnamed to a local socket. */
static struct net_addr
client_of(const char *text)
{
	struct net_addr	 a;

	memset(&a, 0xa5, sizeof(a));	/* what does not count */
	if (strcmp(text, "unix") == 0) {
		a.u.sa.sa_family = AF_UNIX;
		a.len = sizeof(sa_family_t);
	} else if (inet_pton(AF_INET, text, &a.u.in.sin_addr) == 1) {
		a.u.in.sin_family = AF_INET;
		a.len = sizeof(a.u.in);
	} else {
		ck_assert_int_eq(inet_pton(AF_INET6, text,
		    &a.u.in6.sin6_addr), 1);
		a.u.in6.sin6_family = AF_INET6;
		a.len = sizeof(a.u.in6);
	}
	return a;
}

static const struct {
	const char	*net;
	const char	*client;
	bool		 in;
} matches[] = {
	{ "10.0.0.0/8",		"10.0.0.0",		true },
	{ "10.0.0.0/8",		"10.255.255.255",	true },
	{ "10.0.0.0/8",		"11.0.0.0",		false },
	{ "10.0.0.0/8",		"9.255.255.255",	false },
	{ "172.16.0.0/12",	"172.31.255.255",	true },
	{ "172.16.0.0/12",	"172.32.0.0",		false },
	{ "172.16.0.0/12",	"172.15.255.255",	false },
	{ "192.0.2.6/31",	"192.0.2.7",		true },
	{ "192.0.2.6/31",	"192.0.2.8",		false },
	{ "192.0.2.7",		"192.0.2.7",		true },
	{ "192.0.2.7",		"192.0.2.6",		false },
	{ "0.0.0.0/0",		"255.255.255.255",	true },
	{ "0.0.0.0/0",		"::ffff:1.2.3.4",	true },
	{ "0.0.0.0/0",		"::1",			false },
	{ "0.0.0.0/0",		"::",			false },
	{ "0.0.0.0/0",		"unix",			false },
	{ "10.0.0.0/8",		"::ffff:10.1.2.3",	true },
	{ "10.0.0.0/8",		"::ffff:11.1.2.3",	false },
	{ "10.0.0.0/8",		"::10.1.2.3",		false },
	{ "10.0.0.0/8",		"a00::",		false },
	{ "::/0",		"2001:db8::1",		true },
	{ "::/0",		"::ffff:1.2.3.4",	false },
	{ "::/0",		"1.2.3.4",		false },
	{ "::/0",		"unix",			false },
	{ "::1",		"::1",			true },
	{ "::1",		"::2",			false },
	{ "2001:db8::/32",	"2001:db8:ffff:ffff:ffff::ffff", true },
	{ "2001:db8::/32",	"2001:db9::",		false },
	{ "2001:db8::/33",	"2001:db8:7fff::",	true },
	{ "2001:db8::/33",	"2001:db8:8000::",	false },
	{ "unix",		"unix",			true },
	{ "unix",		"0.0.0.0",		false },
	{ "unix",		"::",			false },
};

START_TEST(a_network_holds_its_clients_and_no_others)
{
	struct access_net	 net = net_of(matches[_i].net);
	struct net_addr		 client = client_of(matches[_i].client);

	ck_assert_msg(access_matches(&net, &client) == matches[_i].in,
	    "%s in %s", matches[_i].client, matches[_i].net);
}
END_TEST

static const struct {
	const char	*allow[3];
	const char	*deny[3];
	const char	*client;
	bool		 may;
} rules[] = {
	{ { NULL }, { NULL },				"192.0.2.7", true },
	{ { NULL }, { NULL },				"unix", true },
	{ { "10.0.0.0/8" }, { NULL },			"10.1.2.3", true },
	{ { "10.0.0.0/8" }, { NULL },			"11.1.2.3", false },
	{ { "10.0.0.0/8" }, { NULL },			"::1", false },
	{ { "10.0.0.0/8" }, { NULL },			"unix", false },
	{ { "10.0.0.0/8", "unix" }, { NULL },		"unix", true },
	{ { "10.0.0.0/8", "::1" }, { NULL },		"::1", true },
	{ { NULL }, { "10.0.0.0/8" },			"10.1.2.3", false },
	{ { NULL }, { "10.0.0.0/8" },			"11.1.2.3", true },
	{ { NULL }, { "10.0.0.0/8" },			"unix", true },
	{ { NULL }, { "unix" },				"unix", false },
	{ { "unix" }, { "unix" },			"unix", false },
	{ { "10.0.0.0/8" }, { "10.0.0.0/8" },		"10.1.2.3", false },
	{ { "10.0.0.0/8" }, { "10.1.0.0/16" },		"10.1.2.3", false },
	{ { "10.0.0.0/8" }, { "10.1.0.0/16" },		"10.2.2.3", true },
	{ { "10.1.0.0/16" }, { "10.0.0.0/8" },		"10.1.2.3", true },
	{ { "10.1.0.0/16" }, { "10.0.0.0/8" },		"10.2.2.3", false },
	{ { "10.1.0.0/16" }, { "10.0.0.0/8" },		"11.2.2.3", false },
	{ { "0.0.0.0/0" }, { "10.0.0.0/8" },		"11.2.2.3", true },
	{ { "0.0.0.0/0" }, { "0.0.0.0/0" },		"11.2.2.3", false },
	{ { "10.0.0.0/8", "10.1.2.0/24" }, { "10.1.0.0/16" },
							"10.1.2.3", true },
	{ { "10.1.2.0/24", "10.0.0.0/8" }, { "10.1.0.0/16" },
							"10.1.2.3", true },
	{ { "10.0.0.0/8", "10.1.2.0/24" }, { "10.1.0.0/16", "10.1.2.3" },
							"10.1.2.3", false },
	{ { "10.0.0.0/8", "10.1.2.0/24" }, { "10.1.2.3", "10.1.0.0/16" },
							"10.1.2.3", false },
	{ { "10.0.0.0/8", "10.1.2.0/24" }, { "10.1.2.3", "10.1.0.0/16" },
							"10.1.2.4", true },
	/* A longer prefix counts only where it matches. */
	{ { "10.0.0.0/8" }, { "192.168.0.0/16" },	"10.1.2.3", true },
	{ { "2001:db8::/32" }, { "0.0.0.0/0" },		"2001:db8::1", true },
	{ { "2001:db8::/32" }, { "2001:db8:1::/48" },	"2001:db8:1::1",
							false },
	{ { "10.0.0.0/8" }, { NULL },			"::ffff:10.1.2.3",
							true },
	{ { NULL }, { "10.0.0.0/8" },			"::ffff:10.1.2.3",
							false },
};

static size_t
nets_of(const char *const *texts, struct access_net *nets)
{
	size_t	 n = 0;

	for (; n < 3 && texts[n] != NULL; n++)
		nets[n] = net_of(texts[n]);
	return n;
}

START_TEST(the_longest_prefix_decides)
{
	struct access_net	 allow[3], deny[3];
	size_t			 nallow = nets_of(rules[_i].allow, allow);
	size_t			 ndeny = nets_of(rules[_i].deny, deny);
	struct net_addr		 client = client_of(rules[_i].client);

	ck_assert(access_allows(allow, nallow, deny, ndeny, &client) ==
	    rules[_i].may);
}
END_TEST

START_TEST(a_client_of_an_unknown_family_passes_no_rule)
{
	struct access_net	 net = net_of("10.0.0.0/8");
	struct net_addr		 client = client_of("10.1.2.3");

	client.u.sa.sa_family = AF_NETLINK;
	ck_assert(!access_matches(&net, &client));
	ck_assert(access_allows(NULL, 0, NULL, 0, &client));
	ck_assert(!access_allows(&net, 1, NULL, 0, &client));
	ck_assert(!access_allows(NULL, 0, &net, 1, &client));
}
END_TEST

static struct access_source
source_of(const char *text)
{
	struct net_addr		 client = client_of(text);
	struct access_source	 source;

	memset(&source, 0xa5, sizeof(source));
	access_source_of(&client, &source);
	return source;
}

static const struct {
	const char	*client;
	const char	*source;
} sources[] = {
	{ "192.0.2.7",			"192.0.2.7" },
	{ "::ffff:192.0.2.7",		"192.0.2.7" },
	{ "0.0.0.0",			"0.0.0.0" },
	{ "2001:db8::1",		"2001:db8::/64" },
	{ "2001:db8:0:0:ffff:ffff:ffff:ffff", "2001:db8::/64" },
	{ "2001:db8:1:2:3:4:5:6",	"2001:db8:1:2::/64" },
	{ "::1",			"::/64" },
	{ "unix",			"unix" },
};

START_TEST(a_source_has_a_text)
{
	struct access_source	 source = source_of(sources[_i].client);
	char			 text[ACCESS_TEXT_MAX];

	ck_assert_str_eq(access_source_text(&source, text, sizeof(text)),
	    sources[_i].source);
}
END_TEST

/* Every pair of the table: one source just when it is one text. */
START_TEST(clients_of_one_source_are_the_same_and_no_others)
{
	struct access_source	 a, b;
	bool			 same;

	for (size_t i = 0; i < nitems(sources); i++)
		for (size_t j = 0; j < nitems(sources); j++) {
			a = source_of(sources[i].client);
			b = source_of(sources[j].client);
			same = strcmp(sources[i].source,
			    sources[j].source) == 0;
			ck_assert(access_source_same(&a, &b) == same);
			ck_assert((access_source_hash(&a, 7) ==
			    access_source_hash(&b, 7)) == same);
		}
}
END_TEST

START_TEST(local_clients_are_one_source_whatever_their_name)
{
	struct net_addr		 client = client_of("unix");
	struct access_source	 a = source_of("unix"), b;

	strcpy(client.u.un.sun_path, "/run/client");
	client.len = sizeof(client.u.un);
	access_source_of(&client, &b);
	ck_assert(access_source_same(&a, &b));
}
END_TEST

START_TEST(an_unknown_client_is_a_source_of_its_own)
{
	struct net_addr		 client = client_of("0.0.0.0");
	struct access_source	 a, b = source_of("unix");
	char			 text[ACCESS_TEXT_MAX];

	client.u.sa.sa_family = AF_NETLINK;
	memset(&a, 0xa5, sizeof(a));
	access_source_of(&client, &a);
	ck_assert(!access_source_same(&a, &b));
	access_source_of(&client, &b);
	ck_assert(access_source_same(&a, &b));
	b = source_of("0.0.0.0");
	ck_assert(!access_source_same(&a, &b));
	ck_assert_str_eq(access_source_text(&a, text, sizeof(text)), "?");
}
END_TEST

/* 4,096 neighbours in as many chains: about 1/e of these stay empty. */
START_TEST(the_hash_spreads_neighbours_by_its_low_bits)
{
	static bool		 taken[4096];
	struct net_addr		 client = client_of("10.0.0.0");
	struct access_source	 source;
	size_t			 chains = 0;

	memset(taken, 0, sizeof(taken));
	for (uint32_t i = 0; i < nitems(taken); i++) {
		client.u.in.sin_addr.s_addr = htonl(0x0a000000 + i);
		access_source_of(&client, &source);
		taken[access_source_hash(&source, (uint64_t)_i) %
		    nitems(taken)] = true;
	}
	for (size_t i = 0; i < nitems(taken); i++)
		chains += taken[i];
	ck_assert_uint_ge(chains, 2450);
	ck_assert_uint_le(chains, 2730);
}
END_TEST

START_TEST(the_seed_changes_the_hash)
{
	struct access_source	 a = source_of("192.0.2.7");

	ck_assert(access_source_hash(&a, 1) != access_source_hash(&a, 2));
	ck_assert(access_source_hash(&a, 1) == access_source_hash(&a, 1));
}
END_TEST

int
main(void)
{
	Suite	*s = suite_create("access");
	TCase	*tc = tcase_create("access");

	suite_add_tcase(s, tc);
	tcase_add_loop_test(tc, a_good_network_is_read_and_written_again, 0,
	    (int)nitems(good));
	tcase_add_loop_test(tc, a_bad_network_is_refused_with_its_reason, 0,
	    (int)nitems(bad));
	tcase_add_test(tc, text_is_cut_to_its_room);
	tcase_add_loop_test(tc, a_network_holds_its_clients_and_no_others, 0,
	    (int)nitems(matches));
	tcase_add_loop_test(tc, the_longest_prefix_decides, 0,
	    (int)nitems(rules));
	tcase_add_test(tc, a_client_of_an_unknown_family_passes_no_rule);
	tcase_add_loop_test(tc, a_source_has_a_text, 0,
	    (int)nitems(sources));
	tcase_add_test(tc, clients_of_one_source_are_the_same_and_no_others);
	tcase_add_test(tc, local_clients_are_one_source_whatever_their_name);
	tcase_add_test(tc, an_unknown_client_is_a_source_of_its_own);
	tcase_add_loop_test(tc, the_hash_spreads_neighbours_by_its_low_bits,
	    0, 8);
	tcase_add_test(tc, the_seed_changes_the_hash);
	return unit_run(s);
}
