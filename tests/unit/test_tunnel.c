/* Frames, proofs and grants of the tunnel. */
#include <arpa/inet.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "policy/grant.h"
#include "unit.h"
#include "wire/tls_hello.h"
#include "wire/tunnel_keys.h"

#define HAS(tag)	TUNNEL_HAS(TUNNEL_T_##tag)

static uint8_t	 bytes[64];		/* something to point at */
static uint8_t	 buf[TUNNEL_FRAME_MAX];

static void
set_up(void)
{
	unit_paint(bytes, sizeof(bytes), 0);
}

static struct net_addr
address(const char *host, uint16_t port)
{
	struct net_addr	 a = { .len = 0 };

	if (strchr(host, ':') == NULL) {
		a.len = sizeof(a.u.in);
		a.u.in.sin_family = AF_INET;
		inet_pton(AF_INET, host, &a.u.in.sin_addr);
		a.u.in.sin_port = htons(port);
	} else {
		a.len = sizeof(a.u.in6);
		a.u.in6.sin6_family = AF_INET6;
		inet_pton(AF_INET6, host, &a.u.in6.sin6_addr);
		a.u.in6.sin6_port = htons(port);
	}
	return a;
}

/* One of each kind, with all that it may have. */
static struct tunnel_frame
full(unsigned int type)
{
	static const uint32_t	 has[TUNNEL_TYPES] = {
		[TUNNEL_HELLO] = HAS(VERSION) | HAS(ID) | HAS(INSTANCE) |
		    HAS(NONCE) | HAS(MODE) | HAS(CAPS),
		[TUNNEL_CHALLENGE] = HAS(NONCE),
		[TUNNEL_AUTH] = HAS(PROOF),
		[TUNNEL_WELCOME] = HAS(VERSION) | HAS(PROOF) | HAS(TIMERS) |
		    HAS(CAPS) | HAS(ADDRESS),
		[TUNNEL_REJECT] = HAS(CODE) | HAS(RETRY) | HAS(TEXT),
		[TUNNEL_REGISTER] = HAS(NUMBER) | HAS(TOPIC) | HAS(WEIGHT),
		[TUNNEL_REGISTERED] = HAS(NUMBER),
		[TUNNEL_REFUSED] = HAS(NUMBER) | HAS(CODE) | HAS(TEXT),
		[TUNNEL_WITHDRAW] = HAS(NUMBER) | HAS(TOPIC),
		[TUNNEL_HEALTH] = HAS(TOPIC) | HAS(UP),
		[TUNNEL_NEED] = HAS(TICKETS),
		[TUNNEL_PING] = HAS(NUMBER),
		[TUNNEL_PONG] = HAS(NUMBER),
		[TUNNEL_GOAWAY] = HAS(CODE) | HAS(RETRY) | HAS(TEXT),
		[TUNNEL_SUBSCRIBE] = HAS(TOPIC) | HAS(SESSION) | HAS(SOURCE) |
		    HAS(DESTINATION) | HAS(CAPS),
		[TUNNEL_OPEN] = HAS(TOPIC) | HAS(SESSION) | HAS(SOURCE) |
		    HAS(DESTINATION) | HAS(CAPS) | HAS(ADDRESS),
		[TUNNEL_OPEN_OK] = HAS(CAPS),
		[TUNNEL_OPEN_NO] = HAS(CODE) | HAS(TEXT),
		[TUNNEL_DATA] = HAS(TICKETS),
		[TUNNEL_MAP] = HAS(NUMBER) | HAS(TOPIC) | HAS(ADDRESS) |
		    HAS(MAP),
		[TUNNEL_MAPPED] = HAS(NUMBER) | HAS(ADDRESS),
		[TUNNEL_ASSIGN] = HAS(NUMBER) | HAS(TOPIC) | HAS(ADDRESS) |
		    HAS(MAP),
	};

	return (struct tunnel_frame){
		.type = (uint8_t)type, .has = has[type],
		.version = { 1, 3 }, .id = tunnel_text_of("branch1"),
		.instance = bytes, .nonce = bytes + 1,
		.mode = TUNNEL_CONTROL, .caps = 0x01020304,
		.proof = bytes + 2, .heartbeat = 10000, .dead = 25000,
		.park = 300000, .code = TUNNEL_NO_AGENT, .retry = 1000,
		.text = tunnel_text_of("no, for a reason"), .number = 7,
		.topic = tunnel_text_of("db.main"), .weight = 3,
		.tickets = bytes, .ntickets = 2, .session = bytes + 3,
		.source = address("192.0.2.7", 40004),
		.destination = address("2001:db8::1", 3306), .up = 1,
		.address = tunnel_text_of("192.0.2.1:443"),
		.map = TUNNEL_MAP_OPEN | TUNNEL_MAP_TLS,
	};
}

static void
expect_text(const struct tunnel_text *is, const struct tunnel_text *want)
{
	ck_assert_uint_eq(is->len, want->len);
	ck_assert_mem_eq(is->p, want->p, want->len);
}

static void
expect_same(const struct tunnel_frame *f, const struct tunnel_frame *w)
{
	ck_assert_uint_eq(f->type, w->type);
	ck_assert_uint_eq(f->has, w->has);
	if (w->has & HAS(VERSION))
		ck_assert_mem_eq(f->version, w->version, 2);
	if (w->has & HAS(ID))
		expect_text(&f->id, &w->id);
	if (w->has & HAS(INSTANCE))
		ck_assert_mem_eq(f->instance, w->instance, TUNNEL_INSTANCE);
	if (w->has & HAS(NONCE))
		ck_assert_mem_eq(f->nonce, w->nonce, TUNNEL_NONCE);
	if (w->has & HAS(MODE))
		ck_assert_uint_eq(f->mode, w->mode);
	if (w->has & HAS(CAPS))
		ck_assert_uint_eq(f->caps, w->caps);
	if (w->has & HAS(PROOF))
		ck_assert_mem_eq(f->proof, w->proof, TUNNEL_PROOF);
	if (w->has & HAS(TIMERS)) {
		ck_assert_uint_eq(f->heartbeat, w->heartbeat);
		ck_assert_uint_eq(f->dead, w->dead);
		ck_assert_uint_eq(f->park, w->park);
	}
	if (w->has & HAS(CODE))
		ck_assert_uint_eq(f->code, w->code);
	if (w->has & HAS(RETRY))
		ck_assert_uint_eq(f->retry, w->retry);
	if (w->has & HAS(TEXT))
		expect_text(&f->text, &w->text);
	if (w->has & HAS(NUMBER))
		ck_assert_uint_eq(f->number, w->number);
	if (w->has & HAS(TOPIC))
		expect_text(&f->topic, &w->topic);
	if (w->has & HAS(WEIGHT))
		ck_assert_uint_eq(f->weight, w->weight);
	if (w->has & HAS(TICKETS)) {
		ck_assert_uint_eq(f->ntickets, w->ntickets);
		ck_assert_mem_eq(f->tickets, w->tickets,
		    w->ntickets * TUNNEL_TICKET);
	}
	if (w->has & HAS(SESSION))
		ck_assert_mem_eq(f->session, w->session, TUNNEL_SESSION);
	if (w->has & HAS(SOURCE))
		ck_assert(net_same(&f->source, &w->source));
	if (w->has & HAS(DESTINATION))
		ck_assert(net_same(&f->destination, &w->destination));
	if (w->has & HAS(UP))
		ck_assert_uint_eq(f->up, w->up);
	if (w->has & HAS(ADDRESS))
		expect_text(&f->address, &w->address);
	if (w->has & HAS(MAP))
		ck_assert_uint_eq(f->map, w->map);
}

START_TEST(each_frame_is_read_as_it_was_written)
{
	struct tunnel_frame	 w = full((unsigned)_i), f;
	ssize_t			 n = tunnel_encode(&w, buf, sizeof(buf));
	uint8_t			*exact;

	ck_assert_int_gt(n, 0);
	exact = unit_exact(buf, (size_t)n);
	ck_assert_int_eq(tunnel_frame_len(exact, TUNNEL_EARLY_MAX), n);
	ck_assert_int_eq(tunnel_decode(exact, (size_t)n, &f), 0);
	expect_same(&f, &w);
	free(exact);
}
END_TEST

START_TEST(each_prefix_of_a_frame_is_refused)
{
	struct tunnel_frame	 w = full((unsigned)_i), f;
	ssize_t			 n = tunnel_encode(&w, buf, sizeof(buf));

	for (size_t len = 0; len < (size_t)n; len++) {
		uint8_t	*cut = unit_exact(buf, len);

		ck_assert_int_eq(tunnel_decode(cut, len, &f), -1);
		free(cut);
	}
	/* Nor is it taken when its length is mended: what it must have lacks,
	 * or a field is cut. */
	for (size_t len = TUNNEL_HEADER; len < (size_t)n; len++) {
		uint8_t	*cut = unit_exact(buf, len);
		struct wr	 l;

		wr_init(&l, cut + 2, 2);
		wr_u16(&l, (uint16_t)(len - TUNNEL_HEADER));
		if (tunnel_decode(cut, len, &f) == 0) {
			/* Then what was cut off was what it may have. */
			ck_assert_uint_ne(f.has, w.has);
			ck_assert_uint_eq(f.has & ~w.has, 0);
		}
		free(cut);
	}
}
END_TEST

static const struct bad {
	const char	*why;
	uint8_t		 frame[40];
	size_t		 len;
} bad[] = {
	{ "a type that there is not", { 0, 0, 0, 0 }, 4 },
	{ "one that is newer", { TUNNEL_TYPES, 0, 0, 0 }, 4 },
	{ "flags that there are not", { TUNNEL_PING, 2, 0, 0 }, 4 },
	{ "more than its length says", { TUNNEL_PING, 0, 0, 0, 9 }, 5 },
	{ "less than its length says", { TUNNEL_PING, 0, 0, 9 }, 4 },
	{ "a MAC for which there is no room",
	    { TUNNEL_PING, 1, 0, 4, 1, 2, 3, 4 }, 8 },
	{ "no topic", { TUNNEL_HEALTH, 0, 0, 4, 0x93, 0, 1, 1 }, 8 },
	{ "an empty topic", { TUNNEL_SUBSCRIBE, 0, 0, 3, 0x8d, 0, 0 }, 7 },
	{ "a topic of dots",
	    { TUNNEL_SUBSCRIBE, 0, 0, 6, 0x8d, 0, 3, 'a', '.', '.' }, 10 },
	{ "a topic with a space",
	    { TUNNEL_SUBSCRIBE, 0, 0, 6, 0x8d, 0, 3, 'a', ' ', 'b' }, 10 },
	{ "a field that goes beyond",
	    { TUNNEL_SUBSCRIBE, 0, 0, 4, 0x8d, 0, 9, 'a' }, 8 },
	{ "the same twice", { TUNNEL_PING, 0, 0, 14, 12, 0, 4, 0, 0, 0, 1,
	    12, 0, 4, 0, 0, 0, 1 }, 18 },
	{ "a number with a byte more",
	    { TUNNEL_PING, 0, 0, 8, 12, 0, 5, 0, 0, 0, 1, 2 }, 12 },
	{ "a number with a byte less",
	    { TUNNEL_PING, 0, 0, 6, 12, 0, 3, 0, 0, 1 }, 10 },
	{ "what must be known and is not",
	    { TUNNEL_PING, 0, 0, 3, 0xff, 0, 0 }, 7 },
	{ "what must be known and is of another frame",
	    { TUNNEL_PING, 0, 0, 4, 0x93, 0, 1, 1 }, 8 },
	{ "half a ticket", { TUNNEL_NEED, 0, 0, 11, 0x8f, 0, 8, 1, 2, 3, 4, 5,
	    6, 7, 8 }, 15 },
	{ "no ticket", { TUNNEL_NEED, 0, 0, 3, 0x8f, 0, 0 }, 7 },
	{ "an address of no family", { TUNNEL_SUBSCRIBE, 0, 0, 14, 0x8d, 0, 1,
	    'a', 17, 0, 7, 5, 1, 2, 3, 4, 0, 80 }, 18 },
	{ "an address that is too short", { TUNNEL_SUBSCRIBE, 0, 0, 13, 0x8d,
	    0, 1, 'a', 17, 0, 6, 4, 1, 2, 3, 4, 0 }, 17 },
	{ "up that is neither", { TUNNEL_HEALTH, 0, 0, 8, 0x8d, 0, 1, 'a',
	    0x93, 0, 1, 2 }, 12 },
};

START_TEST(what_is_no_frame_is_refused)
{
	const struct bad	*b = &bad[_i];
	uint8_t			*exact = unit_exact(b->frame, b->len);
	struct tunnel_frame	 f;

	ck_assert_msg(tunnel_decode(exact, b->len, &f) == -1, "%s", b->why);
	free(exact);
}
END_TEST

START_TEST(a_field_that_need_not_be_known_is_skipped)
{
	static const uint8_t	 frame[] = {
		TUNNEL_PING, 0, 0, 13, 0x70, 0, 3, 1, 2, 3,
		12, 0, 4, 0, 0, 1, 2,
	};
	struct tunnel_frame	 f;

	ck_assert_int_eq(tunnel_decode(frame, sizeof(frame), &f), 0);
	ck_assert_uint_eq(f.number, 258);
	ck_assert_uint_eq(f.has, HAS(NUMBER));
}
END_TEST

START_TEST(a_length_is_judged_before_anything_is_read)
{
	static const uint8_t	 early[] = { TUNNEL_HELLO, 0, 0x03, 0xfc };
	static const uint8_t	 longer[] = { TUNNEL_HELLO, 0, 0x03, 0xfd };
	static const uint8_t	 longest[] = { TUNNEL_HELLO, 0, 0xff, 0xff };

	ck_assert_int_eq(tunnel_frame_len(early, TUNNEL_EARLY_MAX), 1024);
	ck_assert_int_eq(tunnel_frame_len(longer, TUNNEL_EARLY_MAX), -1);
	ck_assert_int_eq(tunnel_frame_len(longer, TUNNEL_FRAME_MAX), 1025);
	ck_assert_int_eq(tunnel_frame_len(longest, TUNNEL_FRAME_MAX), -1);
}
END_TEST

START_TEST(what_does_not_fit_or_is_not_whole_is_not_written)
{
	struct tunnel_frame	 f = full(TUNNEL_HELLO);
	ssize_t			 n = tunnel_encode(&f, buf, sizeof(buf));

	for (size_t size = 0; size < (size_t)n; size++)
		ck_assert_int_eq(tunnel_encode(&f, buf, size), -1);
	f.has &= ~HAS(ID);
	ck_assert_int_eq(tunnel_encode(&f, buf, sizeof(buf)), -1);
	f = full(TUNNEL_PING);
	f.has |= HAS(TOPIC);
	ck_assert_int_eq(tunnel_encode(&f, buf, sizeof(buf)), -1);
	f.type = TUNNEL_TYPES;
	ck_assert_int_eq(tunnel_encode(&f, buf, sizeof(buf)), -1);
}
END_TEST

START_TEST(topics_are_words_with_dots_between)
{
	static const char *const	 good[] = {
		"a", "a.b", "mysql", "db-1.main_2.X",
		"0123456789012345678901234567890123456789012345678901234567890123",
	};
	static const char *const	 wrong[] = {
		"", ".", ".a", "a.", "a..b", "a b", "a/b", "\xc3\xa4", "a*",
		"01234567890123456789012345678901234567890123456789012345678901234",
	};

	for (size_t i = 0; i < nitems(good); i++)
		ck_assert_msg(tunnel_is_topic(good[i], strlen(good[i])), "%s",
		    good[i]);
	for (size_t i = 0; i < nitems(wrong); i++)
		ck_assert_msg(!tunnel_is_topic(wrong[i], strlen(wrong[i])),
		    "%s", wrong[i]);
}
END_TEST

START_TEST(each_code_and_type_has_words)
{
	for (unsigned int i = 0; i < TUNNEL_CODES; i++)
		ck_assert_ptr_nonnull(tunnel_code_text(i));
	for (unsigned int i = 1; i < TUNNEL_TYPES; i++)
		ck_assert_ptr_null(strstr(tunnel_type_text(i), "unknown"));
	ck_assert_ptr_nonnull(tunnel_code_text(60000));
	ck_assert_ptr_nonnull(tunnel_type_text(60000));
}
END_TEST

START_TEST(a_text_of_a_peer_is_printed_without_control_characters)
{
	const struct tunnel_text	 t = {
		(const uint8_t *)"a\n\x1b\xff" "b", 5,
	};
	char				 text[8], small[4];

	ck_assert_str_eq(tunnel_string(&t, text, sizeof(text)), "a???b");
	ck_assert_str_eq(tunnel_string(&t, small, sizeof(small)), "a??");
}
END_TEST

/* --- keys */

START_TEST(a_secret_is_64_digits_in_the_first_line)
{
	char	 text[80] = "000102030405060708090a0b0c0d0e0f"
		    "101112131415161718191A1B1C1D1E1F\nmore";
	uint8_t	 secret[TUNNEL_SECRET];

	ck_assert_int_eq(tunnel_secret_decode(text, strlen(text), secret), 0);
	for (uint8_t i = 0; i < TUNNEL_SECRET; i++)
		ck_assert_uint_eq(secret[i], i);
	ck_assert_int_eq(tunnel_secret_decode(text, 64, secret), 0);
	ck_assert_int_eq(tunnel_secret_decode(text, 63, secret), -1);
	ck_assert_int_eq(tunnel_secret_decode(text, 0, secret), -1);
	text[64] = '0';
	ck_assert_int_eq(tunnel_secret_decode(text, 66, secret), -1);
	text[64] = '\r';
	ck_assert_int_eq(tunnel_secret_decode(text, 66, secret), 0);
	text[3] = 'g';
	ck_assert_int_eq(tunnel_secret_decode(text, 66, secret), -1);
}
END_TEST

START_TEST(proofs_depend_on_all_that_they_are_about)
{
	uint8_t			 secret[TUNNEL_SECRET] = { 1 };
	struct tunnel_seen	 seen = { { 2 }, { 3 } };
	uint8_t			 agent[2][TUNNEL_PROOF], hub[2][TUNNEL_PROOF];
	struct tunnel_link_keys	 keys[2];

	ck_assert_int_eq(tunnel_proofs(secret, &seen, agent[0], hub[0]), 0);
	ck_assert_int_eq(tunnel_link_keys(secret, &seen, &keys[0]), 0);
	ck_assert_mem_ne(agent[0], hub[0], TUNNEL_PROOF);
	ck_assert_mem_ne(keys[0].agent_mac, keys[0].hub_mac, TUNNEL_KEY);
	ck_assert_mem_ne(keys[0].agent_mac, keys[0].tickets, TUNNEL_KEY);
	for (int i = 0; i < 3; i++) {
		uint8_t	*changed = i == 0 ? secret : i == 1 ? seen.frames :
			    seen.exporter;

		changed[31] ^= 1;
		ck_assert_int_eq(tunnel_proofs(secret, &seen, agent[1],
		    hub[1]), 0);
		ck_assert_int_eq(tunnel_link_keys(secret, &seen, &keys[1]),
		    0);
		changed[31] ^= 1;
		ck_assert_mem_ne(agent[0], agent[1], TUNNEL_PROOF);
		ck_assert_mem_ne(hub[0], hub[1], TUNNEL_PROOF);
		ck_assert_mem_ne(keys[0].tickets, keys[1].tickets,
		    TUNNEL_KEY);
	}
}
END_TEST

START_TEST(a_sealed_frame_is_known_by_key_number_and_bytes)
{
	struct tunnel_frame	 w = full(TUNNEL_OPEN), f;
	uint8_t			 key[TUNNEL_KEY] = { 9 };
	ssize_t			 n = tunnel_encode(&w, buf, sizeof(buf));

	ck_assert(!tunnel_is_sealed(key, 0, buf, (size_t)n));
	n = tunnel_seal(key, 5, buf, (size_t)n);
	ck_assert_int_gt(n, 0);
	ck_assert(tunnel_is_sealed(key, 5, buf, (size_t)n));
	ck_assert_int_eq(tunnel_decode(buf, (size_t)n, &f), 0);
	expect_same(&f, &w);
	ck_assert(!tunnel_is_sealed(key, 6, buf, (size_t)n));
	ck_assert(!tunnel_is_sealed(key, 5, buf, (size_t)n - 1));
	ck_assert(!tunnel_is_sealed(key, 5, buf, 3));
	for (size_t i = 0; i < (size_t)n; i++) {
		buf[i] ^= 0x40;
		ck_assert(!tunnel_is_sealed(key, 5, buf, (size_t)n));
		buf[i] ^= 0x40;
	}
	key[0] = 8;
	ck_assert(!tunnel_is_sealed(key, 5, buf, (size_t)n));
}
END_TEST

START_TEST(a_grant_is_opened_by_its_key_alone)
{
	uint8_t			 key[GRANT_KEY] = { 1 }, sealed[GRANT_SEALED];
	struct grant_text	 g = {
		.serial = 77, .until = 123456789012, .mode = TUNNEL_USER,
		.tls = true, .id = "laptop7", .pool = "hub",
		.tickets = { 1, 2, 3 },
	}, is;

	ck_assert_int_eq(grant_seal(key, &g, sealed), 0);
	ck_assert_int_eq(grant_open(key, sealed, &is), 0);
	ck_assert_uint_eq(is.serial, g.serial);
	ck_assert_int_eq(is.until, g.until);
	ck_assert_uint_eq(is.mode, g.mode);
	ck_assert(is.tls);
	ck_assert_str_eq(is.id, g.id);
	ck_assert_str_eq(is.pool, g.pool);
	ck_assert_mem_eq(is.tickets, g.tickets, sizeof(g.tickets));
	for (size_t i = 0; i < sizeof(sealed); i++) {
		sealed[i] ^= 1;
		ck_assert_int_eq(grant_open(key, sealed, &is), -1);
		sealed[i] ^= 1;
	}
	key[5] = 1;
	ck_assert_int_eq(grant_open(key, sealed, &is), -1);
}
END_TEST

/* --- the manual's example */

static size_t
unhex(const char *text, uint8_t *out, size_t size)
{
	size_t		 n = 0;
	unsigned int	 byte;

	while (n < size && sscanf(text + 2 * n, "%2x", &byte) == 1 &&
	    strlen(text + 2 * n) >= 2)
		out[n++] = (uint8_t)byte;
	return n;
}

/* "NAME hex" of the page, the lines of one name together. */
static size_t
example(const char *name, uint8_t *out, size_t size)
{
	const char	*dir = getenv("srcdir");
	char		 path[512], line[256], word[64], hex[200];
	size_t		 n = 0;
	FILE		*in;

	snprintf(path, sizeof(path), "%s/man/sallyport-protocol.7",
	    dir != NULL ? dir : ".");
	in = fopen(path, "r");
	ck_assert_msg(in != NULL, "%s", path);
	while (fgets(line, sizeof(line), in) != NULL)
		if (sscanf(line, "%63s %199s", word, hex) == 2 &&
		    strcmp(word, name) == 0)
			n += unhex(hex, out + n, size - n);
	(void)fclose(in);
	ck_assert_msg(n > 0, "%s is not in the page", name);
	return n;
}

static void
expect_example(const char *name, const void *is, size_t len)
{
	uint8_t	 want[512];

	ck_assert_uint_eq(example(name, want, sizeof(want)), len);
	ck_assert_mem_eq(is, want, len);
}

static void
expect_frame(const char *name, const struct tunnel_frame *f)
{
	ssize_t	 n = tunnel_encode(f, buf, sizeof(buf));

	ck_assert_int_gt(n, 0);
	expect_example(name, buf, (size_t)n);
}

START_TEST(the_example_of_the_manual_is_what_is_done)
{
	uint8_t				 secret[TUNNEL_SECRET], frames[1024];
	uint8_t				 nonce[2][TUNNEL_NONCE];
	uint8_t				 instance[TUNNEL_INSTANCE];
	uint8_t				 agent[TUNNEL_PROOF], hub[TUNNEL_PROOF];
	uint8_t				 ticket[TUNNEL_TICKET];
	struct tunnel_seen		 seen = { { 0 }, { 0 } };
	struct tunnel_link_keys		 keys;
	struct tunnel_ticket_keys	 tk;
	struct tunnel_frame		 f = full(TUNNEL_HELLO);
	size_t				 n;
	ssize_t				 len;

	(void)example("secret", secret, sizeof(secret));
	(void)example("agent-nonce", nonce[0], sizeof(nonce[0]));
	(void)example("hub-nonce", nonce[1], sizeof(nonce[1]));
	(void)example("instance", instance, sizeof(instance));
	(void)example("ticket", ticket, sizeof(ticket));
	f.version[1] = 1;
	f.caps = 0;
	f.instance = instance;
	f.nonce = nonce[0];
	expect_frame("HELLO", &f);
	f = full(TUNNEL_CHALLENGE);
	f.nonce = nonce[1];
	expect_frame("CHALLENGE", &f);
	n = example("HELLO", frames, sizeof(frames));
	n += example("CHALLENGE", frames + n, sizeof(frames) - n);
	(void)example("frames-hash", seen.frames, sizeof(seen.frames));
	ck_assert_int_eq(tunnel_proofs(secret, &seen, agent, hub), 0);
	ck_assert_int_eq(tunnel_link_keys(secret, &seen, &keys), 0);
	expect_example("agent-proof", agent, sizeof(agent));
	expect_example("hub-proof", hub, sizeof(hub));
	expect_example("ticket-key", keys.tickets, TUNNEL_KEY);
	expect_example("agent-mac-key", keys.agent_mac, TUNNEL_KEY);
	expect_example("hub-mac-key", keys.hub_mac, TUNNEL_KEY);
	f = full(TUNNEL_AUTH);
	f.proof = agent;
	expect_frame("AUTH", &f);
	f = (struct tunnel_frame){
		.type = TUNNEL_REGISTER, .number = 0,
		.has = HAS(NUMBER) | HAS(TOPIC) | HAS(WEIGHT),
		.topic = tunnel_text_of("mysql"), .weight = 1,
	};
	len = tunnel_encode(&f, buf, sizeof(buf));
	len = tunnel_seal(keys.agent_mac, 0, buf, (size_t)len);
	expect_example("REGISTER", buf, (size_t)len);
	ck_assert_int_eq(tunnel_ticket_keys(keys.tickets, ticket, &tk), 0);
	expect_example("ticket-psk", tk.psk, TUNNEL_KEY);
	expect_example("ticket-agent-mac-key", tk.agent_mac, TUNNEL_KEY);
	expect_example("ticket-hub-mac-key", tk.hub_mac, TUNNEL_KEY);
	f = (struct tunnel_frame){
		.type = TUNNEL_DATA, .has = HAS(TICKETS), .tickets = ticket,
		.ntickets = 1,
	};
	len = tunnel_encode(&f, buf, sizeof(buf));
	len = tunnel_seal(tk.agent_mac, 0, buf, (size_t)len);
	expect_example("DATA", buf, (size_t)len);
}
END_TEST

/* --- ClientHello */

/* With server name "h", ALPN "ab" and "c", and two identities. */
static const uint8_t	 hello[] = {
	0x16, 3, 1, 0, 105,
	1, 0, 0, 101, 3, 3,
	0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15,
	16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31,
	0,
	0, 2, 0x13, 0x01,
	1, 0,
	0, 58,
	0, 0, 0, 6, 0, 4, 0, 0, 1, 'h',
	0, 16, 0, 7, 0, 5, 2, 'a', 'b', 1, 'c',
	0, 43, 0, 3, 2, 3, 4,
	0, 41, 0, 26, 0, 19, 0, 4, 'w', 'x', 'y', 'z', 0, 0, 0, 0,
	0, 3, 'n', 'o', 't', 0, 0, 0, 0,
	0, 3, 2, 7, 7,
};

START_TEST(a_hello_tells_its_name_protocols_and_identity)
{
	uint8_t			*exact = unit_exact(hello, sizeof(hello));
	struct tls_hello	 h;
	size_t			 want;

	ck_assert_int_eq(tls_hello_decode(exact, sizeof(hello), &h, &want),
	    sizeof(hello));
	ck_assert_uint_eq(h.server_name_len, 1);
	ck_assert_mem_eq(h.server_name, "h", 1);
	ck_assert_uint_eq(h.psk_len, 4);
	ck_assert_mem_eq(h.psk, "wxyz", 4);
	ck_assert(tls_hello_offers(&h, "ab"));
	ck_assert(tls_hello_offers(&h, "c"));
	ck_assert(!tls_hello_offers(&h, "a"));
	ck_assert(!tls_hello_offers(&h, "abc"));
	free(exact);
}
END_TEST

START_TEST(each_prefix_of_a_hello_wants_more)
{
	struct tls_hello	 h;
	size_t			 want;

	for (size_t len = 0; len < sizeof(hello); len++) {
		uint8_t	*cut = unit_exact(hello, len);

		ck_assert_int_eq(tls_hello_decode(cut, len, &h, &want), 0);
		ck_assert_uint_eq(want, len < 5 ? 5 : sizeof(hello));
		free(cut);
	}
}
END_TEST

/* Whatever is cut or too long inside is refused, or tells less. */
START_TEST(a_hello_that_is_broken_is_survived)
{
	struct tls_hello	 h;
	size_t			 want;

	for (size_t i = 0; i < sizeof(hello); i++)
		for (unsigned int v = 0; v < 256; v += 15) {
			uint8_t	*exact = unit_exact(hello, sizeof(hello));
			ssize_t	 n;

			exact[i] = (uint8_t)v;
			n = tls_hello_decode(exact, sizeof(hello), &h, &want);
			if (n > 0)
				(void)tls_hello_offers(&h, "none");
			ck_assert_int_le(n, (ssize_t)sizeof(hello));
			free(exact);
		}
	ck_assert_int_eq(tls_hello_decode((const uint8_t *)"SSH-2", 5, &h,
	    &want), -1);
	ck_assert_int_eq(tls_hello_decode((const uint8_t *)
	    "\x16\x03\x01\xff\xff", 5, &h, &want), -1);
}
END_TEST

int
main(void)
{
	Suite	*s = suite_create("tunnel");
	TCase	*tc = tcase_create("tunnel");

	suite_add_tcase(s, tc);
	tcase_add_unchecked_fixture(tc, set_up, NULL);
	tcase_add_checked_fixture(tc, set_up, NULL);
	tcase_add_loop_test(tc, each_frame_is_read_as_it_was_written, 1,
	    TUNNEL_TYPES);
	tcase_add_loop_test(tc, each_prefix_of_a_frame_is_refused, 1,
	    TUNNEL_TYPES);
	tcase_add_loop_test(tc, what_is_no_frame_is_refused, 0, nitems(bad));
	tcase_add_test(tc, a_field_that_need_not_be_known_is_skipped);
	tcase_add_test(tc, a_length_is_judged_before_anything_is_read);
	tcase_add_test(tc, what_does_not_fit_or_is_not_whole_is_not_written);
	tcase_add_test(tc, topics_are_words_with_dots_between);
	tcase_add_test(tc, each_code_and_type_has_words);
	tcase_add_test(tc,
	    a_text_of_a_peer_is_printed_without_control_characters);
	tcase_add_test(tc, a_secret_is_64_digits_in_the_first_line);
	tcase_add_test(tc, proofs_depend_on_all_that_they_are_about);
	tcase_add_test(tc, a_sealed_frame_is_known_by_key_number_and_bytes);
	tcase_add_test(tc, a_grant_is_opened_by_its_key_alone);
	tcase_add_test(tc, the_example_of_the_manual_is_what_is_done);
	tcase_add_test(tc, a_hello_tells_its_name_protocols_and_identity);
	tcase_add_test(tc, each_prefix_of_a_hello_wants_more);
	tcase_add_test(tc, a_hello_that_is_broken_is_survived);
	return unit_run(s);
}
