/*
 * The broker is this program's own child, and the test speaks to it as workers
 * do, also as some that are broken.
 */
#include <sys/socket.h>
#include <sys/wait.h>

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fdpass.h"
#include "base/io.h"
#include "base/mem.h"
#include "base/sig.h"
#include "policy/grant.h"
#include "process/broker_ask.h"
#include "process/channel.h"
#include "process/role.h"
#include "unit.h"

/* What is in effect, and what is about to be. */
static const char *const	 agents[] = {
	"agents = ( { id = \"one\"; secret_file = \"/s\"; "
	"publish = \"a.*\"; }, { id = \"two\"; secret_file = \"/s\"; "
	"subscribe = \"a.b\"; } );",
	"agents = ( { id = \"one\"; secret_file = \"/s\"; "
	"publish = \"a.*\"; }, { id = \"four\"; secret_file = \"/s\"; "
	"publish = \"a.*\"; } );",
};
static const char	 rest[] =
	"topics = ( { name = \"a.b\"; hold = 0; bandwidth = \"5k\"; }, "
	"{ name = \"a.c\"; } );"
	"listeners = ( { name = \"h\"; listen = \":1\"; protocol = \"hub\"; },"
	"{ name = \"t\"; listen = \":2\"; forward = \"topic:a.c\"; } );";
static int		 paces;		/* that came with a connection */
static const uint8_t	 grant_key[GRANT_KEY] = { 1, 2, 3 };
static const uint8_t	 tickets[TUNNEL_KEY] = { 4, 5, 6 };

enum { HUB, TCP, POOLS };
static const char *const pools[POOLS] = { "hub", "tcp" };

static int		 meets[POOLS];
static int		 master;
static pid_t		 broker;
static uint64_t		 serial;

static struct setup_generation
generation(uint32_t number)
{
	struct conf_report	 report = { .errors = NULL };
	struct conf		*conf = conf_new();
	char			*text = mem_printf("%s%s", agents[number - 1],
				    rest);

	conf_read_text(conf, "f", text, strlen(text), &report);
	if (conf_finish(conf, &report) == -1)
		_exit(9);
	conf_report_free(&report);
	free(text);
	return (struct setup_generation){
		.number = number, .conf = conf, .book_fd = -1,
		.stores = { -1, -1 },
	};
}

static _Noreturn void
be_broker(int channel, int *ends)
{
	static struct setup_generation	 gens[2];
	static struct setup_meet	*given;
	static struct setup		 s;

	given = mem_calloc(POOLS, sizeof(*given));
	gens[0] = generation(1);
	gens[1] = generation(2);
	for (size_t i = 0; i < POOLS; i++) {
		given[i] = (struct setup_meet){
			.role = ROLE_WORKER, .fd = ends[i], .more_fd = -1,
		};
		snprintf(given[i].pool, sizeof(given[i].pool), "%s",
		    pools[i]);
	}
	s = (struct setup){
		.channel = channel, .conf = gens[1].conf, .generations = gens,
		.ngenerations = 2, .committed = 1, .meets = given,
		.nmeets = POOLS,
	};
	memcpy(s.start.grant_key, grant_key, sizeof(grant_key));
	if (freopen("/dev/null", "w", stderr) == NULL)
		_exit(9);
	broker_main(&s);
}

static void
set_up(void)
{
	static const int	 signals[] = { SIGTERM, 0 };
	int			 channel[2], pair[2], theirs[POOLS];

	sig_init(signals);
	ck_assert_int_eq(channel_pair(channel), 0);
	for (size_t i = 0; i < POOLS; i++) {
		ck_assert_int_eq(channel_pair(pair), 0);
		meets[i] = pair[0];
		theirs[i] = pair[1];
	}
	(void)fflush(NULL);
	broker = fork();
	ck_assert_int_ne(broker, -1);
	if (broker == 0) {
		close(channel[0]);
		be_broker(channel[1], theirs);
	}
	close(channel[1]);
	for (size_t i = 0; i < POOLS; i++)
		close(theirs[i]);
	master = channel[0];
	ck_assert_int_ne(unit_wait(master, POLLIN, UNIT_MS), 0);	/* ready */
}

static void
tear_down(void)
{
	int	 status;

	close(master);
	ck_assert_int_eq(waitpid(broker, &status, 0), broker);
	ck_assert(WIFEXITED(status));
	ck_assert_int_eq(WEXITSTATUS(status), 0);
	for (size_t i = 0; i < POOLS; i++)
		close(meets[i]);
}

static struct broker_line
dial(int pool)
{
	struct broker_line	 b;
	enum end		 end;

	broker_line_init(&b, meets[pool]);
	ck_assert_int_eq(broker_dial(&b, io_now_ms() + UNIT_MS, NULL, &end),
	    0);
	return b;
}

static void
make_grant(uint8_t *sealed, const char *id, enum tunnel_mode mode,
    const char *pool, int64_t ms)
{
	struct grant_text	 g = {
		.serial = ++serial, .until = io_now_ms() + ms,
		.mode = (uint8_t)mode, .tls = false,
	};

	snprintf(g.id, sizeof(g.id), "%s", id);
	snprintf(g.pool, sizeof(g.pool), "%s", pool);
	memcpy(g.tickets, tickets, sizeof(tickets));
	ck_assert_int_eq(grant_seal(grant_key, &g, sealed), 0);
}

static int
join(struct broker_line *b, const uint8_t *grant)
{
	enum end	 end;

	return broker_join(b, grant, io_now_ms() + UNIT_MS, NULL, &end);
}

/* What an agent of that name is told when it comes. */
static int
come_as(const char *agent)
{
	struct broker_line	 b = dial(HUB);
	uint8_t			 grant[GRANT_SEALED];
	int			 code;

	make_grant(grant, agent, TUNNEL_CONTROL, "hub", UNIT_MS);
	code = join(&b, grant);
	broker_line_hang_up(&b);
	return code;
}

static int
open_topic(struct broker_line *b, const char *topic, const uint8_t *grant,
    struct broker_found *found, int *fd)
{
	enum end	 end;

	return broker_open(b, BROKER_TOPIC, topic, grant, -1, io_now_ms() +
	    UNIT_MS, NULL, found, fd, &paces, &end);
}

/* As the topic says, both ways by a bucket of its own. */
static void
expect_paced(const struct broker_found *found)
{
	struct pace	 pace[2];
	void		*map;

	ck_assert(found->counted);
	ck_assert_int_ne(paces, -1);
	map = paces_map(paces, &found->paces, pace);
	ck_assert_ptr_nonnull(map);
	for (size_t i = 0; i < 2; i++) {
		ck_assert_ptr_null(pace[i].bucket[0]);
		ck_assert_int_eq(pace[i].rate[1], 5 * 1024);
		ck_assert_int_ne(pace_take(&pace[i], 4000), 0);
	}
	ck_assert_ptr_ne(pace[0].bucket[1], pace[1].bucket[1]);
	paces_unmap(map);
	close(paces);
}

/* It is heard no more. */
static void
expect_ended(const struct broker_line *b)
{
	ck_assert(b->fd == -1 ||
	    (unit_wait(b->fd, POLLIN, UNIT_MS) & POLLHUP) != 0);
}

/* The payload of the next message, which is of that type. */
static size_t
hear(const struct broker_line *b, uint16_t type, uint8_t *buf, size_t size)
{
	static uint8_t	 all[MSG_HEADER + MSG_PAYLOAD_MAX];
	int		 fds[MSG_FDS_MAX];
	struct msg	 m;
	ssize_t		 n;

	ck_assert_int_ne(unit_wait(b->fd, POLLIN, UNIT_MS), 0);
	n = fdpass_recv(b->fd, all, sizeof(all), fds);
	ck_assert_int_gt(n, 0);
	ck_assert_int_eq(msg_decode(all, (size_t)n, &m), 0);
	ck_assert_uint_eq(m.type, type);
	ck_assert_uint_le(m.len, size);
	memcpy(buf, m.payload, m.len);
	return m.len;
}

static void
offer(const struct broker_line *b, const char *topic)
{
	uint8_t		 buf[128];
	struct wr	 w;

	wr_init(&w, buf, sizeof(buf));
	wr_u32(&w, 7);
	wr_u8(&w, 1);
	wr_bytes(&w, topic, strlen(topic));
	ck_assert_int_eq(channel_send(b->fd, MSG_AGENT_REGISTER, buf,
	    wr_len(&w), NULL, 0), 0);
}

static struct broker_line
be_agent(uint8_t *asked, size_t *nasked)
{
	struct broker_line	 b = dial(HUB);
	uint8_t			 grant[GRANT_SEALED], buf[64];

	make_grant(grant, "one", TUNNEL_CONTROL, "hub", UNIT_MS);
	ck_assert_int_eq(join(&b, grant), TUNNEL_OK);
	offer(&b, "a.b");
	*nasked = hear(&b, MSG_AGENT_NEED, asked, 1024);
	ck_assert_uint_eq(hear(&b, MSG_AGENT_REGISTER + 1, buf, sizeof(buf)),
	    5);
	ck_assert_uint_eq(buf[3], 7);
	ck_assert_uint_eq(buf[4], TUNNEL_OK);
	return b;
}

/* A data connection by that ticket; the other end, or -1 with the code. */
static int
park(const uint8_t *ticket, const uint8_t *key, int *code)
{
	struct broker_line	 b = dial(HUB);
	struct tunnel_frame	 f = {
		.type = TUNNEL_DATA, .has = TUNNEL_HAS(TUNNEL_T_TICKETS),
		.tickets = ticket, .ntickets = 1,
	};
	uint8_t			 frame[256];
	ssize_t			 n = tunnel_encode(&f, frame, sizeof(frame));
	enum end		 end;
	int			 ends[2];

	n = tunnel_seal(key, 0, frame, (size_t)n);
	unit_local_pair(ends);
	*code = broker_park(&b, ends[0], ticket, frame, (size_t)n,
	    io_now_ms() + UNIT_MS, NULL, &end);
	broker_line_hang_up(&b);
	close(ends[0]);
	return ends[1];
}

START_TEST(a_user_gets_the_connection_of_an_agent)
{
	uint8_t				 asked[1024], grant[GRANT_SEALED];
	size_t				 n;
	struct broker_line		 agent = be_agent(asked, &n), user;
	struct tunnel_ticket_keys	 keys;
	struct broker_found		 found;
	int				 other, code, fd;

	ck_assert_uint_eq(n, 2 * TUNNEL_TICKET);
	ck_assert_int_eq(tunnel_ticket_keys(tickets, asked, &keys), 0);
	other = park(asked, keys.agent_mac, &code);
	ck_assert_int_eq(code, TUNNEL_OK);
	user = dial(HUB);
	make_grant(grant, "two", TUNNEL_USER, "hub", UNIT_MS);
	ck_assert_int_eq(open_topic(&user, "a.b", grant, &found, &fd),
	    TUNNEL_OK);
	ck_assert_str_eq(found.agent, "one");
	ck_assert(!found.tls);
	ck_assert_mem_eq(found.ticket, asked, TUNNEL_TICKET);
	expect_paced(&found);
	ck_assert_mem_eq(&found.keys, &keys, sizeof(keys));
	unit_write(fd, "through", 7);
	unit_expect(other, "through", 7);
	broker_line_hang_up(&user);
	broker_line_hang_up(&agent);
}
END_TEST

START_TEST(a_ticket_is_good_once_and_by_its_key)
{
	const uint8_t			 none[TUNNEL_TICKET] = { 0 };
	const uint8_t			 wrong[TUNNEL_KEY] = { 0 };
	uint8_t				 asked[1024];
	size_t				 n;
	struct broker_line		 agent = be_agent(asked, &n);
	struct tunnel_ticket_keys	 keys;
	int				 code;

	ck_assert_int_eq(tunnel_ticket_keys(tickets, asked, &keys), 0);
	unit_expect_end(park(none, keys.agent_mac, &code));
	ck_assert_int_eq(code, TUNNEL_WRONG_HUB);
	unit_expect_end(park(asked, wrong, &code));
	ck_assert_int_eq(code, TUNNEL_WRONG_HUB);
	(void)park(asked, keys.agent_mac, &code);
	ck_assert_int_eq(code, TUNNEL_OK);
	unit_expect_end(park(asked, keys.agent_mac, &code));
	ck_assert_int_eq(code, TUNNEL_WRONG_HUB);
	broker_line_hang_up(&agent);
}
END_TEST

START_TEST(a_grant_that_is_none_ends_the_line)
{
	struct broker_line	 b = dial(_i == 1 ? TCP : HUB);
	uint8_t			 grant[GRANT_SEALED];

	make_grant(grant, "one", _i == 2 ? TUNNEL_USER : TUNNEL_CONTROL,
	    "hub", _i == 3 ? -1000 : UNIT_MS);
	if (_i == 0)
		grant[40] ^= 1;		/* forged; of another pool; for another
					   use; too late */
	ck_assert_int_eq(join(&b, grant), -1);
	expect_ended(&b);
}
END_TEST

START_TEST(a_grant_is_taken_once)
{
	struct broker_line	 first = dial(HUB), second = dial(HUB);
	uint8_t			 grant[GRANT_SEALED];

	make_grant(grant, "one", TUNNEL_CONTROL, "hub", UNIT_MS);
	ck_assert_int_eq(join(&first, grant), TUNNEL_OK);
	ck_assert_int_eq(join(&second, grant), -1);
	expect_ended(&second);
	broker_line_hang_up(&first);
}
END_TEST

START_TEST(an_agent_that_is_not_configured_is_refused)
{
	ck_assert_int_eq(come_as("three"), TUNNEL_BAD_LOGIN);
}
END_TEST

START_TEST(an_agent_that_will_be_configured_is_to_come_again)
{
	int64_t	 until = io_now_ms() + UNIT_MS;
	int	 code;

	ck_assert_int_eq(come_as("four"), TUNNEL_BUSY);
	ck_assert_int_eq(channel_send_u32(master, MSG_COMMIT, 2), 0);
	do
		code = come_as("four");
	while (code == TUNNEL_BUSY && io_now_ms() < until);
	ck_assert_int_eq(code, TUNNEL_OK);
	ck_assert_int_eq(come_as("two"), TUNNEL_BAD_LOGIN);
}
END_TEST

/* A pool that comes and goes, more often than there may be at a time. */
START_TEST(pools_that_are_no_more_leave_no_trace)
{
	uint8_t		 buf[4 + SETUP_NAME_MAX];
	struct wr	 w;

	for (int i = 0; i < SETUP_LANES_MAX + 10; i++) {
		char	 pool[SETUP_NAME_MAX] = "";
		int	 one[2], two[2], fds[2];

		ck_assert_int_eq(channel_pair(one), 0);
		ck_assert_int_eq(channel_pair(two), 0);
		snprintf(pool, sizeof(pool), "p%d", i);
		wr_init(&w, buf, sizeof(buf));
		wr_u32(&w, ROLE_WORKER);
		wr_bytes(&w, pool, sizeof(pool));
		fds[0] = one[0];
		fds[1] = two[0];
		ck_assert_int_eq(channel_send_by(master, MSG_MEET, buf,
		    sizeof(buf), fds, 2, io_now_ms() + UNIT_MS), 0);
		close(one[0]);
		close(two[0]);
		close(one[1]);
		/* It is closed there, too. */
		ck_assert_int_ne(unit_wait(two[1], POLLIN, UNIT_MS) &
		    POLLHUP, 0);
		close(two[1]);
	}
	ck_assert_int_eq(come_as("one"), TUNNEL_OK);
}
END_TEST

START_TEST(a_topic_of_others_is_refused)
{
	uint8_t			 asked[1024], grant[GRANT_SEALED], buf[64];
	size_t			 n;
	struct broker_line	 agent = be_agent(asked, &n), b;
	struct broker_found	 found;
	int			 fd;

	offer(&agent, "b.other");
	(void)hear(&agent, MSG_AGENT_REGISTER + 1, buf, sizeof(buf));
	ck_assert_uint_eq(buf[4], TUNNEL_NOT_ALLOWED);
	b = dial(HUB);
	make_grant(grant, "two", TUNNEL_USER, "hub", UNIT_MS);
	ck_assert_int_eq(open_topic(&b, "a.c", grant, &found, &fd),
	    TUNNEL_NOT_ALLOWED);
	broker_line_hang_up(&b);
	broker_line_hang_up(&agent);
}
END_TEST

START_TEST(a_pool_has_the_topics_that_it_leads_to_and_no_other)
{
	struct broker_line	 b = dial(TCP);
	struct broker_found	 found;
	int			 fd;

	ck_assert_int_eq(open_topic(&b, "a.b", NULL, &found, &fd), -1);
	expect_ended(&b);
	b = dial(HUB);
	/* There, a mapping may have ended meanwhile. */
	fd = -1;
	ck_assert_int_eq(open_topic(&b, "a.c", NULL, &found, &fd),
	    TUNNEL_NO_AGENT);
	ck_assert_int_eq(fd, -1);
	broker_line_hang_up(&b);
	/* The one that is its own waits, for nobody offers it. */
	b = dial(TCP);
	ck_assert_int_eq(channel_send(b.fd, MSG_TOPIC_OPEN, "\0a.c", 4, NULL,
	    0), 0);
	ck_assert_int_eq(unit_wait(b.fd, POLLIN, 50), 0);
	broker_line_hang_up(&b);
}
END_TEST

START_TEST(whoever_is_no_agent_offers_nothing)
{
	struct broker_line	 b = dial(TCP);
	uint8_t			 buf[64];

	offer(&b, "a.b");
	(void)hear(&b, MSG_AGENT_REGISTER + 1, buf, sizeof(buf));
	ck_assert_uint_ne(buf[4], TUNNEL_OK);
	broker_line_hang_up(&b);
}
END_TEST

static const struct nonsense {
	uint16_t	 type;
	const char	*payload;
	size_t		 len;
} nonsense[] = {
	{ MSG_AGENT_JOIN, "", 0 },
	{ MSG_AGENT_JOIN, "short", 5 },
	{ MSG_AGENT_REGISTER, "\0\0\0\1\1", 5 },
	{ MSG_AGENT_REGISTER, "\0\0\0\1\1a..b", 9 },
	{ MSG_AGENT_WITHDRAW, "\0\0", 2 },
	{ MSG_AGENT_HEALTH, "\2a", 2 },
	{ MSG_DATA_JOIN, "\1ticket", 7 },
	{ MSG_TOPIC_OPEN, "\5a", 2 },
	{ MSG_TOPIC_OPEN, "\0", 1 },
	{ MSG_TOPIC_AGAIN, "", 0 },
	{ MSG_TOPIC_AGAIN, "\0", 1 },
	{ MSG_TOPIC_AGAIN, "\1", 1 },
	{ MSG_AGENTS, "", 0 },
	{ MSG_AGENT_DRAIN, "\1a", 2 },
	{ MSG_STOP, "", 0 },
};

START_TEST(nonsense_ends_the_line_that_it_came_by)
{
	const struct nonsense	*n = &nonsense[_i];
	struct broker_line	 b = dial(TCP), other = dial(HUB);
	uint8_t			 grant[GRANT_SEALED];

	ck_assert_int_eq(channel_send(b.fd, n->type, n->payload, n->len, NULL,
	    0), 0);
	expect_ended(&b);
	make_grant(grant, "one", TUNNEL_CONTROL, "hub", UNIT_MS);
	ck_assert_int_eq(join(&other, grant), TUNNEL_OK);
	broker_line_hang_up(&other);
}
END_TEST

START_TEST(an_address_that_is_none_ends_the_line)
{
	static const struct net_addr	 bad[] = {
		{ .len = 0 },
		{ .len = sizeof(struct sockaddr_in),
		    .u.in6.sin6_family = AF_INET6 },
		{ .len = UINT32_MAX, .u.in.sin_family = AF_INET },
		{ .len = UINT32_MAX, .u.un = { AF_UNIX, "/tmp/x" } },
	};
	struct broker_line		 b = dial(HUB);
	struct map_ask			 ask;
	uint8_t				 grant[GRANT_SEALED];

	make_grant(grant, "one", TUNNEL_CONTROL, "hub", UNIT_MS);
	ck_assert_int_eq(join(&b, grant), TUNNEL_OK);
	memset(&ask, 0, sizeof(ask));
	ask.at.addr = bad[_i];
	ask.at.low = ask.at.high = 13000;
	memcpy(ask.topic, "a.b", 4);
	ck_assert_int_eq(channel_send(b.fd, MSG_AGENT_MAP, &ask, sizeof(ask),
	    NULL, 0), 0);
	expect_ended(&b);
}
END_TEST

int
main(void)
{
	Suite	*s = suite_create("broker");
	TCase	*tc = tcase_create("broker");

	suite_add_tcase(s, tc);
	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, set_up, tear_down);
	tcase_add_test(tc, a_user_gets_the_connection_of_an_agent);
	tcase_add_test(tc, a_ticket_is_good_once_and_by_its_key);
	tcase_add_loop_test(tc, a_grant_that_is_none_ends_the_line, 0, 4);
	tcase_add_test(tc, a_grant_is_taken_once);
	tcase_add_loop_test(tc, an_address_that_is_none_ends_the_line, 0, 4);
	tcase_add_test(tc, an_agent_that_is_not_configured_is_refused);
	tcase_add_test(tc, an_agent_that_will_be_configured_is_to_come_again);
	tcase_add_test(tc, pools_that_are_no_more_leave_no_trace);
	tcase_add_test(tc, a_topic_of_others_is_refused);
	tcase_add_test(tc,
	    a_pool_has_the_topics_that_it_leads_to_and_no_other);
	tcase_add_test(tc, whoever_is_no_agent_offers_nothing);
	tcase_add_loop_test(tc, nonsense_ends_the_line_that_it_came_by, 0,
	    nitems(nonsense));
	return unit_run(s);
}
