/* Both ends of the tunnel, one of them in a child. */
#include <sys/socket.h>
#include <sys/wait.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "base/sig.h"
#include "session/tls_psk.h"
#include "session/tunnel_login.h"
#include "tls_kit.h"
#include "unit.h"

static const uint8_t	 the_secret[TUNNEL_SECRET] = { 1, 2, 3 };
static const uint8_t	 wrong_secret[TUNNEL_SECRET] = { 3, 2, 1 };
static const uint8_t	 instance[TUNNEL_INSTANCE] = { 7 };
static int		 ends[2];
static pid_t		 child;

static void
set_up(void)
{
	static const int	 signals[] = { SIGTERM, 0 };

	sig_init(signals);
	unit_tcp_pair(ends);
	child = -1;
}

static void
tear_down(void)
{
	int	 status;

	if (child != -1) {
		(void)kill(child, SIGKILL);
		(void)waitpid(child, &status, 0);
	}
}

/* The child has the other end; it is to end with 0. */
static bool
fork_peer(void)
{
	(void)fflush(NULL);
	child = fork();
	ck_assert_int_ne(child, -1);
	if (child == 0) {
		close(ends[0]);
		return true;
	}
	close(ends[1]);
	return false;
}

static void
expect_child(int want)
{
	int	 status;

	ck_assert_int_eq(waitpid(child, &status, 0), child);
	child = -1;
	ck_assert(WIFEXITED(status));
	ck_assert_int_eq(WEXITSTATUS(status), want);
}

/* --- by a key */

static const uint8_t	 identity[16] = "a ticket of some";
static const uint8_t	 psk[TLS_PSK_KEY] = { 5, 6, 7 };
static const uint8_t	 other_psk[TLS_PSK_KEY] = { 7, 6, 5 };

static _Noreturn void
be_client(const uint8_t *key, const char *name, int ms)
{
	const struct tls_psk_key	 k = {
		(const uint8_t *)name, sizeof(identity), key,
	};
	char				 why[TLS_WHY_MAX], text[16] = "";
	struct tls_psk			*p = tls_psk_new("proto/1", why);
	struct stream			*s;
	enum end			 end;

	s = tls_psk_connect(p, ends[1], &k, io_now_ms() + ms, NULL, &end,
	    why);
	if (s == NULL)
		_exit(1);
	if (stream_read_all(s, text, 5, io_now_ms() + UNIT_MS, NULL,
	    END_SERVER_RESET, &end) == -1 || strcmp(text, "first") != 0 ||
	    stream_write_all(s, "then", 4, io_now_ms() + UNIT_MS, NULL,
	    END_SERVER_RESET, &end) == -1)
		_exit(2);
	_exit(0);
}

static struct stream *
accept_psk(const uint8_t *key, int ms, enum end *end)
{
	const struct tls_psk_key	 k = {
		identity, sizeof(identity), key,
	};
	char				 why[TLS_WHY_MAX];
	struct tls_psk			*p = tls_psk_new("proto/1", why);
	struct stream			*s;

	ck_assert_ptr_nonnull(p);
	s = tls_psk_accept(p, ends[0], &k, "first", 5, io_now_ms() + ms, NULL,
	    end, why);
	tls_psk_free(&p);
	return s;
}

START_TEST(a_key_is_enough_and_the_server_speaks_first)
{
	struct stream	*s;
	enum end	 end;
	char		 text[8] = "";

	if (fork_peer())
		be_client(psk, (const char *)identity, UNIT_MS);
	s = accept_psk(psk, UNIT_MS, &end);
	ck_assert_ptr_nonnull(s);
	ck_assert_int_eq(stream_read_all(s, text, 4, io_now_ms() + UNIT_MS,
	    NULL, END_CLIENT_RESET, &end), 0);
	ck_assert_str_eq(text, "then");
	expect_child(0);
	stream_free(&s);
}
END_TEST

START_TEST(who_has_another_key_is_refused)
{
	enum end	 end;

	if (fork_peer())
		be_client(other_psk, (const char *)identity, UNIT_MS);
	ck_assert_ptr_null(accept_psk(psk, UNIT_MS, &end));
	ck_assert_int_eq(end, END_TLS);
	close(ends[0]);
	expect_child(1);
}
END_TEST

START_TEST(who_has_another_identity_is_refused)
{
	enum end	 end;

	if (fork_peer())
		be_client(psk, "a ticket of none", UNIT_MS);
	ck_assert_ptr_null(accept_psk(psk, UNIT_MS, &end));
	ck_assert_int_eq(end, END_TLS);
	close(ends[0]);
	expect_child(1);
}
END_TEST

START_TEST(a_client_that_is_dead_is_not_waited_for)
{
	int64_t		 began = io_now_ms();
	enum end	 end;

	/* Nothing was said: it is a connection that ended unseen. */
	ck_assert_ptr_null(accept_psk(psk, 100, &end));
	ck_assert_int_eq(end, END_TIMEOUT);
	ck_assert_int_lt(io_now_ms() - began, UNIT_MS / 2);
}
END_TEST

/* --- logins */

struct known {
	const uint8_t	*secret;
};

static int
prove(void *ctx, const struct tunnel_seen *seen, struct tunnel_proved *p)
{
	const struct known	*k = ctx;

	return tunnel_proofs(k->secret, seen, p->agent, p->hub) == 0 &&
	    tunnel_link_keys(k->secret, seen, &p->keys) == 0 ? 0 : -1;
}

static enum tunnel_code
check(void *ctx, const char *id, enum tunnel_mode mode,
    const struct tunnel_seen *seen, const uint8_t *proof,
    struct tunnel_proved *proved, uint32_t *retry_ms)
{
	*retry_ms = 1234;
	if (strcmp(id, "branch1") != 0 || mode != TUNNEL_CONTROL ||
	    prove(ctx, seen, proved) == -1 ||
	    memcmp(proved->agent, proof, TUNNEL_PROOF) != 0)
		return TUNNEL_BAD_LOGIN;
	return TUNNEL_OK;
}

/* An agent in the child: what it comes to, and a frame each way. */
static _Noreturn void
be_agent(const uint8_t *secret, const char *id)
{
	static struct tunnel_line	 line;
	struct known			 k = { secret };
	struct stream			*s = stream_new_plain(ends[1]);
	struct tunnel_agent		 a = {
		.id = id, .instance = instance, .mode = TUNNEL_CONTROL,
		.prove = prove, .ctx = &k,
	};
	struct tunnel_terms		 terms;
	struct tunnel_proved		 proved;
	struct tunnel_frame		 f = { .type = TUNNEL_PING };
	enum end			 end;
	int64_t				 deadline = io_now_ms() + UNIT_MS;

	tunnel_line_init(&line, s, NULL, END_SERVER_RESET);
	if (tunnel_login(&line, false, &a, &terms, &proved, deadline,
	    &end) == -1)
		_exit(a.code == TUNNEL_BAD_LOGIN && a.retry_ms == 1234 &&
		    end == END_LOGIN ? 10 : end == END_LOGIN ? 11 : 1);
	if (terms.heartbeat_ms != 10 || strcmp(terms.address, "there:1") != 0)
		_exit(2);
	if (tunnel_say(&line, &f, deadline, &end) == -1 ||
	    tunnel_hear(&line, &f, deadline, &end) == -1 ||
	    f.type != TUNNEL_PONG)
		_exit(3);
	_exit(0);
}

static int
let_in(const uint8_t *secret, struct tunnel_hub *h, struct tunnel_line *line,
    enum end *end)
{
	static struct known	 k;

	k.secret = secret;
	*h = (struct tunnel_hub){
		.terms = { 10, 25, 300, "there:1" }, .check = check,
		.ctx = &k,
	};
	tunnel_line_init(line, stream_new_plain(ends[0]), NULL,
	    END_CLIENT_RESET);
	return tunnel_let_in(line, false, h, io_now_ms() + UNIT_MS, end);
}

START_TEST(an_agent_with_the_secret_is_let_in_and_frames_are_sealed)
{
	static struct tunnel_line	 line;
	struct tunnel_hub		 h;
	struct tunnel_frame		 f;
	enum end			 end;

	if (fork_peer())
		be_agent(the_secret, "branch1");
	ck_assert_int_eq(let_in(the_secret, &h, &line, &end), 0);
	ck_assert_str_eq(h.id, "branch1");
	ck_assert_mem_eq(h.instance, instance, sizeof(instance));
	ck_assert(line.sealed);
	ck_assert_int_eq(tunnel_hear(&line, &f, io_now_ms() + UNIT_MS, &end),
	    0);
	ck_assert_uint_eq(f.type, TUNNEL_PING);
	f = (struct tunnel_frame){ .type = TUNNEL_PONG };
	ck_assert_int_eq(tunnel_say(&line, &f, io_now_ms() + UNIT_MS, &end),
	    0);
	expect_child(0);
	stream_free(&line.s);
}
END_TEST

START_TEST(a_wrong_secret_and_no_such_agent_are_refused_alike)
{
	static struct tunnel_line	 line;
	struct tunnel_hub		 h;
	enum end			 end;

	if (fork_peer())
		be_agent(_i == 0 ? wrong_secret : the_secret, _i == 0 ?
		    "branch1" : "branch2");
	ck_assert_int_eq(let_in(the_secret, &h, &line, &end), -1);
	ck_assert_int_eq(end, END_LOGIN);
	ck_assert_int_eq(h.code, TUNNEL_BAD_LOGIN);
	expect_child(10);
	stream_free(&line.s);
}
END_TEST

/* One that lets anybody in, as it does not know the secret. */
static enum tunnel_code
let_anybody(void *ctx, const char *id, enum tunnel_mode mode,
    const struct tunnel_seen *seen, const uint8_t *proof,
    struct tunnel_proved *proved, uint32_t *retry_ms)
{
	(void)id;
	(void)mode;
	(void)proof;
	(void)retry_ms;
	return prove(ctx, seen, proved) == 0 ? TUNNEL_OK : TUNNEL_BUSY;
}

START_TEST(a_hub_without_the_secret_is_found_out)
{
	static struct tunnel_line	 line;
	struct known			 k = { wrong_secret };
	struct tunnel_hub		 h = {
		.check = let_anybody, .ctx = &k,
	};
	enum end			 end;

	if (fork_peer())
		be_agent(the_secret, "branch1");
	tunnel_line_init(&line, stream_new_plain(ends[0]), NULL,
	    END_CLIENT_RESET);
	ck_assert_int_eq(tunnel_let_in(&line, false, &h, io_now_ms() +
	    UNIT_MS, &end), 0);
	/* Its WELCOME has a MAC that is none: no frame of the agent follows. */
	expect_child(1);
	stream_free(&line.s);
}
END_TEST

START_TEST(a_frame_that_comes_twice_is_not_taken_twice)
{
	static struct tunnel_line	 out, in;
	const uint8_t			 key[TUNNEL_KEY] = { 4 };
	struct tunnel_frame		 f = { .type = TUNNEL_PING };
	uint8_t				 bytes[64];
	enum end			 end;
	ssize_t				 n;

	tunnel_line_init(&out, stream_new_plain(ends[0]), NULL,
	    END_CLIENT_RESET);
	tunnel_line_init(&in, stream_new_plain(ends[1]), NULL,
	    END_CLIENT_RESET);
	tunnel_line_seal(&out, key, key);
	tunnel_line_seal(&in, key, key);
	ck_assert_int_eq(tunnel_say(&out, &f, io_now_ms() + UNIT_MS, &end),
	    0);
	ck_assert_int_ne(unit_wait(ends[1], POLLIN, UNIT_MS), 0);
	n = recv(ends[1], bytes, sizeof(bytes), MSG_PEEK);
	ck_assert_int_gt(n, 0);
	unit_write(ends[0], bytes, (size_t)n);
	ck_assert_int_eq(tunnel_hear(&in, &f, io_now_ms() + UNIT_MS, &end),
	    0);
	ck_assert_int_eq(tunnel_hear(&in, &f, io_now_ms() + UNIT_MS, &end),
	    -1);
	ck_assert_int_eq(end, END_PROTOCOL);
	stream_free(&out.s);
	stream_free(&in.s);
}
END_TEST

START_TEST(not_a_byte_beyond_a_frame_is_read)
{
	static struct tunnel_line	 line;
	static const uint8_t		 said[] = {
		TUNNEL_OPEN_OK, 0, 0, 0, 'b', 'a', 'n', 'n', 'e', 'r',
	};
	struct tunnel_frame		 f;
	enum end			 end;

	tunnel_line_init(&line, stream_new_plain(ends[0]), NULL,
	    END_SERVER_RESET);
	unit_write(ends[1], said, sizeof(said));
	ck_assert_int_eq(tunnel_hear(&line, &f, io_now_ms() + UNIT_MS, &end),
	    0);
	ck_assert_uint_eq(f.type, TUNNEL_OPEN_OK);
	unit_expect(ends[0], "banner", 6);
	stream_free(&line.s);
}
END_TEST

/* --- pins */

static void
pin_of(const struct kit_cert *c, uint8_t *pin)
{
	unsigned char	*der = NULL;
	int		 n = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(c->x),
			    &der);
	unsigned int	 len;

	ck_assert_int_gt(n, 0);
	ck_assert_int_eq(EVP_Digest(der, (size_t)n, pin, &len, EVP_sha256(),
	    NULL), 1);
	OPENSSL_free(der);
}

START_TEST(a_pinned_key_is_taken_and_no_other)
{
	const struct kit_cert		*c = kit_cert(&(struct kit_spec){
					    .cn = "hub" });
	SSL_CTX				*ctx = kit_server(c);
	uint8_t				 pin[TLS_PIN_LEN];
	const struct tls_client_options	 o = {
		.min_version = TLS1_3_VERSION, .pin = pin, .alpn = "x/1",
	};
	char				 why[TLS_WHY_MAX] = "";
	struct tls_client		*client;
	struct tls_facts		 facts;
	struct stream			*s;
	uint8_t				 out[32];
	enum end			 end;

	pin_of(c, pin);
	pin[0] ^= (uint8_t)_i;		/* the second time it is another */
	if (fork_peer()) {
		SSL	*ssl = kit_open(ctx, ends[1], true);

		_exit(kit_shake(ssl) ? 0 : 1);
	}
	client = tls_client_new(&o, why);
	ck_assert_msg(client != NULL, "%s", why);
	s = tls_connect(client, ends[0], "hub", io_now_ms() + UNIT_MS, NULL,
	    &facts, &end, why);
	ck_assert_int_eq(s != NULL, _i == 0);
	if (s != NULL)
		ck_assert_int_eq(tls_export(s, TUNNEL_EXPORTER, out,
		    sizeof(out)), 0);
	else
		ck_assert_int_eq(end, END_TLS);
	stream_free(&s);
	tls_client_free(&client);
	close(ends[0]);
	SSL_CTX_free(ctx);
}
END_TEST

int
main(void)
{
	Suite	*s = suite_create("tunnel_login");
	TCase	*tc = tcase_create("tunnel_login");

	suite_add_tcase(s, tc);
	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, set_up, tear_down);
	tcase_add_test(tc, a_key_is_enough_and_the_server_speaks_first);
	tcase_add_test(tc, who_has_another_key_is_refused);
	tcase_add_test(tc, who_has_another_identity_is_refused);
	tcase_add_test(tc, a_client_that_is_dead_is_not_waited_for);
	tcase_add_test(tc,
	    an_agent_with_the_secret_is_let_in_and_frames_are_sealed);
	tcase_add_loop_test(tc,
	    a_wrong_secret_and_no_such_agent_are_refused_alike, 0, 2);
	tcase_add_test(tc, a_hub_without_the_secret_is_found_out);
	tcase_add_test(tc, a_frame_that_comes_twice_is_not_taken_twice);
	tcase_add_test(tc, not_a_byte_beyond_a_frame_is_read);
	tcase_add_loop_test(tc, a_pinned_key_is_taken_and_no_other, 0, 2);
	return unit_run(s);
}
