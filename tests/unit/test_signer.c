/*
 * The signer is this program's own child, and the test its master and its
 * workers.  What a line does when the other end errs is tried with a child
 * that does what the test scripts.
 */
#include <sys/wait.h>

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

#include <errno.h>
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
#include "policy/conf_files.h"
#include "process/channel.h"
#include "process/keyring.h"
#include "process/proc.h"
#include "process/role.h"
#include "process/sign_ask.h"
#include "unit.h"

/* Files by number: the certificates of m and t, and the keys behind them. */
enum { M_KEY = 1, T_EC = 3, T_RSA = 5, NFILES };

static const char	 text[] =
	"listeners = ( { name = \"m\"; listen = \":1\"; protocol = \"mysql\"; "
	"forward = \"h:1\"; tls = { mode = \"offer\"; certificate = \"/mc\"; "
	"key = \"/mk\"; }; }, { name = \"t\"; listen = \":2\"; "
	"forward = \"h:1\"; tls = { mode = \"require\"; "
	"certificate = ( \"/c0\", \"/c1\" ); key = ( \"/k0\", \"/k1\" ); }; "
	"} );";
static const char	 plain[] =
	"listeners = ( { name = \"t\"; listen = \":2\"; forward = \"h:1\"; "
	"} );";

static EVP_PKEY		*ec, *rsa;
static char		*pem[NFILES];
static int		 meet[2];	/* the workers' end, the signer's */
static int		 master;	/* our end of its channel, or -1 */
static pid_t		 signer;
static struct sign_line	*line;

static char *
to_pem(EVP_PKEY *key)
{
	BIO	*out = BIO_new(BIO_s_mem());
	char	*data, *copy;
	long	 len;

	ck_assert_int_eq(PEM_write_bio_PrivateKey(out, key, NULL, NULL, 0,
	    NULL, NULL), 1);
	len = BIO_get_mem_data(out, &data);
	copy = mem_calloc(1, (size_t)len + 1);
	memcpy(copy, data, (size_t)len);
	BIO_free(out);
	return copy;
}

static void
make_keys(void)
{
	ck_assert_ptr_nonnull(ec = EVP_EC_gen("P-256"));
	ck_assert_ptr_nonnull(rsa = EVP_RSA_gen(2048));
	pem[T_EC] = to_pem(ec);
	pem[T_RSA] = to_pem(rsa);
}

static void
free_keys(void)
{
	free(pem[T_EC]);
	free(pem[T_RSA]);
	EVP_PKEY_free(ec);
	EVP_PKEY_free(rsa);
}

static void
open_all(void)
{
	static const int	 signals[] = { SIGTERM, SIG_ORPHAN, 0 };

	sig_init(signals);
	ck_assert_int_eq(channel_pair(meet), 0);
	master = -1;
	signer = -1;
	line = sign_ask_new(meet[0], 1);
	ck_assert_int_eq(sign_init(sign_ask_signature, line), 0);
}

static void
kill_signer(void)
{
	if (signer != -1) {
		(void)kill(signer, SIGKILL);
		(void)waitpid(signer, NULL, 0);
	}
	signer = -1;
	if (master != -1)
		close(master);
	master = -1;
}

static void
close_all(void)
{
	kill_signer();
	sign_ask_free(&line);
	ck_assert_ptr_null(line);
	close(meet[0]);
	close(meet[1]);
}

/* --- the master's part */

static struct rd
numbers(uint8_t *buf, uint32_t a, uint32_t b, size_t len)
{
	struct wr	 w;
	struct rd	 r;

	wr_init(&w, buf, 8);
	wr_u32(&w, a);
	wr_u32(&w, b);
	rd_init(&r, buf, len);
	return r;
}

static int
memory(const char *data)
{
	int	 fd = proc_memfd_copy("unit", data, strlen(data));

	ck_assert_int_ne(fd, -1);
	return fd;
}

/* Those two take the message as it would come by the channel. */
static void
take_conf(struct setup *s, uint32_t number, const char *conf)
{
	uint8_t		 buf[8];
	struct rd	 r = numbers(buf, number, 0, 4);
	int		 fds[] = { memory(conf), -1, -1 };

	ck_assert_int_eq(setup_on_conf(s, &r, fds), 0);
	close(fds[0]);
}

static void
take_file(struct setup *s, uint32_t generation, uint32_t number,
    const char *data)
{
	uint8_t		 buf[8];
	struct rd	 r = numbers(buf, generation, number, 8);
	int		 fds[] = { memory(data), -1, -1 };

	ck_assert_int_eq(setup_on_file(s, &r, fds), 0);
	close(fds[0]);
}

static _Noreturn void
be_signer(int channel)
{
	static struct setup	 s = {
		.start.pool = "tcp", .log_fd = -1, .live_fd = -1,
	};

	s.channel = channel;
	take_conf(&s, 1, text);
	take_file(&s, 1, T_EC, pem[T_EC]);
	take_file(&s, 1, T_RSA, pem[T_RSA]);
	s.meets = mem_calloc(1, sizeof(*s.meets));
	s.meets[0] = (struct setup_meet){
		.role = ROLE_WORKER, .pool = "tcp", .fd = meet[1],
		.more_fd = -1,
	};
	s.nmeets = 1;
	signer_main(&s);
}

/* Its next word must be of that type, about that generation; the rest. */
static const char *
hear_signer(uint16_t type, uint32_t number)
{
	static uint8_t	 buf[MSG_HEADER + MSG_PAYLOAD_MAX + 1];
	int		 fds[MSG_FDS_MAX];
	struct msg	 m;
	struct rd	 r;
	ssize_t		 n;

	ck_assert_int_ne(unit_wait(master, POLLIN, UNIT_MS), 0);
	n = fdpass_recv(master, buf, sizeof(buf) - 1, fds);
	ck_assert_int_gt(n, 0);
	ck_assert_int_eq(msg_decode(buf, (size_t)n, &m), 0);
	ck_assert_int_eq(m.type, type);
	if (type == MSG_READY)
		return "";
	rd_init(&r, m.payload, m.len);
	ck_assert_uint_eq(rd_u32(&r), number);
	buf[n] = '\0';
	return (const char *)r.p;
}

static void
start_signer(void)
{
	int	 ends[2];

	ck_assert_int_eq(channel_pair(ends), 0);
	signer = check_fork();
	if (signer == 0) {
		close(ends[0]);
		be_signer(ends[1]);
	}
	close(ends[1]);
	master = ends[0];
	(void)hear_signer(MSG_READY, 0);
}

static void
send_conf(uint32_t number, const char *conf)
{
	uint8_t	 buf[8];
	int	 fd = memory(conf);

	(void)numbers(buf, number, 0, 4);
	ck_assert_int_eq(channel_send(master, MSG_CONF, buf, 4, &fd, 1), 0);
	close(fd);
}

static void
send_file(uint32_t generation, uint32_t number, const char *data)
{
	uint8_t	 buf[8];
	int	 fd = memory(data);

	(void)numbers(buf, generation, number, 8);
	ck_assert_int_eq(channel_send(master, MSG_FILE, buf, 8, &fd, 1), 0);
	close(fd);
}

/* --- the workers' part */

/* Sign with the key of that file, through OpenSSL; is it good? */
static bool
is_signed(EVP_PKEY *real, uint32_t number)
{
	static const char	 said[] = "what was said";
	EVP_PKEY		*key = sign_key_new(real, number);
	EVP_MD_CTX		*m = EVP_MD_CTX_new();
	uint8_t			 sig[SIGN_SIGNATURE_MAX];
	size_t			 len = sizeof(sig);
	bool			 good;

	ck_assert_ptr_nonnull(key);
	good = EVP_DigestSignInit_ex(m, NULL, "SHA256", NULL, NULL, key,
	    NULL) == 1 && EVP_DigestSign(m, sig, &len,
	    (const uint8_t *)said, sizeof(said)) == 1;
	EVP_MD_CTX_free(m);
	EVP_PKEY_free(key);
	if (!good)
		return false;
	m = EVP_MD_CTX_new();
	ck_assert_int_eq(EVP_DigestVerifyInit_ex(m, NULL, "SHA256", NULL,
	    NULL, real, NULL), 1);
	ck_assert_int_eq(EVP_DigestVerify(m, sig, len, (const uint8_t *)said,
	    sizeof(said)), 1);
	EVP_MD_CTX_free(m);
	return true;
}

static const uint8_t	 digest[32] = "any digest";

static struct sign_request
request(uint32_t key, enum sign_scheme scheme)
{
	return (struct sign_request){
		.key = key, .scheme = scheme, .digest = "SHA256",
		.data = digest, .len = sizeof(digest),
	};
}

static bool
asks(uint32_t generation, const struct sign_request *rq)
{
	struct sign_line	*l = sign_ask_new(meet[0], generation);
	uint8_t			 sig[SIGN_SIGNATURE_MAX];
	ptrdiff_t		 n = sign_ask_signature(l, rq, sig);

	sign_ask_free(&l);
	return n > 0;
}

/* Say hello; the other end. */
static int
hello(void)
{
	int	 ends[2];

	ck_assert_int_eq(channel_pair(ends), 0);
	ck_assert_int_eq(channel_send(meet[0], MSG_HELLO, NULL, 0, &ends[1],
	    1), 0);
	close(ends[1]);
	return ends[0];
}

static size_t
encode(uint8_t *buf, uint32_t generation, const struct sign_request *rq)
{
	struct wr	 w;

	wr_init(&w, buf, MSG_PAYLOAD_MAX);
	ck_assert_int_eq(sign_ask_encode(&w, generation, rq), 0);
	return wr_len(&w);
}

/* --- messages */

START_TEST(a_request_reads_back_as_it_was_written)
{
	static const uint8_t	 most[SIGN_DATA_MAX + 1] = "all of it";
	struct sign_request	 rq = request(7, SIGN_RSA_PSS), back;
	uint8_t			 buf[MSG_PAYLOAD_MAX];
	struct wr		 w;
	struct rd		 r;
	uint32_t		 generation;
	size_t			 len;

	rq.data = most;
	rq.len = SIGN_DATA_MAX;
	len = encode(buf, 9, &rq);
	ck_assert_uint_eq(len, SIGN_ASK_HEAD + SIGN_DATA_MAX);
	rd_init(&r, buf, len);
	ck_assert_int_eq(sign_ask_decode(&r, &generation, &back), 0);
	ck_assert(rd_end(&r));
	ck_assert_uint_eq(generation, 9);
	ck_assert_uint_eq(back.key, 7);
	ck_assert_int_eq(back.scheme, SIGN_RSA_PSS);
	ck_assert_str_eq(back.digest, "SHA256");
	ck_assert_uint_eq(back.len, SIGN_DATA_MAX);
	ck_assert_mem_eq(back.data, most, SIGN_DATA_MAX);
	rq.len++;
	wr_init(&w, buf, sizeof(buf));
	ck_assert_int_eq(sign_ask_encode(&w, 9, &rq), -1);
}
END_TEST

START_TEST(what_is_no_request_is_not_taken_for_one)
{
	struct sign_request	 rq = request(7, SIGN_ED25519), back;
	uint8_t			 buf[MSG_PAYLOAD_MAX], bad[MSG_PAYLOAD_MAX];
	struct rd		 r;
	uint32_t		 generation;
	size_t			 len = encode(buf, 9, &rq);

	for (size_t cut = 0; cut < SIGN_ASK_HEAD; cut++) {
		rd_init(&r, buf, cut);
		ck_assert_int_eq(sign_ask_decode(&r, &generation, &back), -1);
	}
	memcpy(bad, buf, len);
	bad[11]++;				/* a scheme that is none */
	rd_init(&r, bad, len);
	ck_assert_int_eq(sign_ask_decode(&r, &generation, &back), -1);
	memcpy(bad, buf, len);
	memset(bad + 12, 'a', sizeof(rq.digest));
	rd_init(&r, bad, len);
	ck_assert_int_eq(sign_ask_decode(&r, &generation, &back), -1);
	memset(bad, 0, sizeof(bad));
	rd_init(&r, bad, SIGN_ASK_HEAD + SIGN_DATA_MAX);
	ck_assert_int_eq(sign_ask_decode(&r, &generation, &back), 0);
	rd_init(&r, bad, SIGN_ASK_HEAD + SIGN_DATA_MAX + 1);
	ck_assert_int_eq(sign_ask_decode(&r, &generation, &back), -1);
}
END_TEST

/* --- the role */

START_TEST(what_workers_ask_for_is_signed)
{
	start_signer();
	ck_assert(is_signed(ec, T_EC));
	ck_assert(is_signed(rsa, T_RSA));
	sign_ask_hang_up(line);
	ck_assert(is_signed(ec, T_EC));
}
END_TEST

START_TEST(what_is_not_in_its_table_is_not_signed)
{
	struct sign_request	 rq = request(T_EC, SIGN_ECDSA);

	start_signer();
	ck_assert(asks(1, &rq));
	ck_assert(!asks(2, &rq));
	rq.key = M_KEY;				/* of another pool */
	ck_assert(!asks(1, &rq));
	rq.key = T_EC - 1;			/* its certificate */
	ck_assert(!asks(1, &rq));
	rq.key = UINT32_MAX;
	ck_assert(!asks(1, &rq));
	rq = request(T_EC, SIGN_RSA_PSS);
	ck_assert(!asks(1, &rq));
	rq = request(T_RSA, SIGN_RSA_PKCS1);
	ck_assert(asks(1, &rq));
	rq.len--;
	ck_assert(!asks(1, &rq));
	rq = request(T_RSA, SIGN_RSA_PKCS1);
	rq.digest[0] = '\0';
	ck_assert(!asks(1, &rq));
	/* All that is but an answer, after which the next may be asked. */
	ck_assert(is_signed(ec, T_EC));
}
END_TEST

START_TEST(who_says_what_it_may_not_is_dropped_alone)
{
	uint8_t	 buf[SIGN_ASK_HEAD] = { 0 };
	int	 bad[4];

	start_signer();
	ck_assert(is_signed(ec, T_EC));
	for (size_t i = 0; i < nitems(bad); i++)
		bad[i] = hello();
	ck_assert_int_eq(channel_send_id(bad[0], MSG_SIGN, 1, buf,
	    SIGN_ASK_HEAD - 1), 0);
	ck_assert_int_eq(channel_send_id(bad[1], MSG_CONF, 1, buf, 4), 0);
	ck_assert_int_eq(channel_send(bad[2], MSG_SIGN, buf, SIGN_ASK_HEAD,
	    &meet[0], 1), 0);
	unit_write(bad[3], "?", 1);
	for (size_t i = 0; i < nitems(bad); i++) {
		ck_assert_int_ne(unit_wait(bad[i], POLLHUP, UNIT_MS), 0);
		close(bad[i]);
	}
	/* At the rendezvous, which is everybody's. */
	ck_assert_int_eq(channel_send(meet[0], MSG_SIGN, buf, SIGN_ASK_HEAD,
	    NULL, 0), 0);
	ck_assert_int_eq(channel_send(meet[0], MSG_HELLO, NULL, 0, NULL, 0),
	    0);
	ck_assert_int_eq(channel_send(meet[0], MSG_HELLO, NULL, 0,
	    &(int){ STDERR_FILENO }, 1), 0);
	ck_assert(is_signed(ec, T_EC));
	sign_ask_hang_up(line);
	ck_assert(is_signed(rsa, T_RSA));
}
END_TEST

START_TEST(who_takes_no_answers_is_dropped_and_others_are_served)
{
	struct sign_request	 rq = request(T_EC, SIGN_ECDSA);
	uint8_t			 buf[MSG_PAYLOAD_MAX];
	size_t			 len = encode(buf, 1, &rq);
	int			 fd;
	int64_t			 until = io_now_ms() + 4L * UNIT_MS;

	start_signer();
	fd = hello();
	while (channel_send_id(fd, MSG_SIGN, 1, buf, len) == 0 ||
	    errno == EAGAIN) {
		ck_assert_int_lt(io_now_ms(), until);
		(void)unit_wait(fd, POLLOUT, 100);
	}
	ck_assert(is_signed(ec, T_EC));
	close(fd);
}
END_TEST

START_TEST(a_new_generation_is_signed_for_beside_the_old_one)
{
	struct sign_request	 one = request(T_EC, SIGN_ECDSA);

	start_signer();
	send_conf(2, text);
	send_file(2, T_RSA, pem[T_RSA]);
	ck_assert(!asks(2, &one));
	send_file(2, T_EC, pem[T_EC]);
	(void)hear_signer(MSG_PREPARED, 2);
	ck_assert(asks(2, &one));
	ck_assert(asks(1, &one));
	ck_assert_int_eq(channel_send_u32(master, MSG_COMMIT, 2), 0);
	ck_assert_int_eq(channel_send_u32(master, MSG_FORGET, 1), 0);
	/* One without TLS needs no file; its answer says that we are heard. */
	send_conf(3, plain);
	(void)hear_signer(MSG_PREPARED, 3);
	ck_assert(!asks(1, &one));
	ck_assert(asks(2, &one));
}
END_TEST

START_TEST(a_key_that_is_none_is_refused_and_the_old_ones_stay)
{
	struct sign_request	 one = request(T_EC, SIGN_ECDSA);
	const char		*why;

	start_signer();
	send_conf(2, text);
	send_file(2, T_EC, pem[T_EC]);
	send_file(2, T_RSA, "-----BEGIN PRIVATE KEY-----\nnonsense\n");
	why = hear_signer(MSG_REFUSED, 2);
	ck_assert_msg(strstr(why, "tls.key: \"/k1\"") != NULL, "%s", why);
	ck_assert(!asks(2, &one));
	ck_assert(asks(1, &one));
	ck_assert_int_eq(channel_send_u32(master, MSG_FORGET, 2), 0);
	send_conf(3, plain);
	(void)hear_signer(MSG_PREPARED, 3);
	ck_assert(asks(1, &one));
}
END_TEST

START_TEST(the_next_signer_signs_on)
{
	start_signer();
	ck_assert(is_signed(ec, T_EC));
	kill_signer();
	start_signer();
	ck_assert(is_signed(ec, T_EC));
}
END_TEST

START_TEST(it_ends_with_the_master)
{
	int	 status;

	start_signer();
	close(master);
	master = -1;
	ck_assert_int_eq(waitpid(signer, &status, 0), signer);
	ck_assert_int_eq(status, 0);
	signer = -1;
}
END_TEST

/* --- the keys */

static void
make_generation(struct setup *s, uint32_t number)
{
	take_conf(s, number, text);
	take_file(s, number, T_EC, pem[T_EC]);
	take_file(s, number, T_RSA, pem[T_RSA]);
}

START_TEST(keys_that_generations_share_are_there_once)
{
	struct setup		 s = { .generations = NULL };
	struct keyring		*k = keyring_new();
	struct sign_request	 rq = request(T_EC, SIGN_ECDSA);
	uint8_t			 sig[SIGN_SIGNATURE_MAX];
	char			 why[KEYRING_WHY_MAX];
	uint8_t			 buf[8];
	struct rd		 r;

	for (uint32_t i = 0; i < 2; i++) {
		make_generation(&s, i + 1);
		ck_assert(keyring_is_given(&s.generations[i], "tcp"));
		ck_assert(!keyring_is_given(&s.generations[i], "mysql"));
		ck_assert_int_eq(keyring_add(k, &s.generations[i], why), 0);
		/* Nothing stays of what they were read from. */
		ck_assert(!keyring_is_given(&s.generations[i], "tcp"));
		ck_assert_uint_eq(keyring_count(k), 2);
	}
	keyring_forget(k, 1);
	ck_assert_uint_eq(keyring_count(k), 2);
	ck_assert_int_eq(keyring_sign(k, 1, &rq, sig), -1);
	ck_assert_int_gt(keyring_sign(k, 2, &rq, sig), 0);
	keyring_forget(k, 2);
	ck_assert_uint_eq(keyring_count(k), 0);
	keyring_free(&k);
	r = numbers(buf, 1, 0, 4);
	ck_assert_int_eq(setup_on_forget(&s, &r, NULL), 0);
	free(s.generations[0].files);
	conf_free(&s.generations[0].conf);
	free(s.generations);
}
END_TEST

START_TEST(pools_without_keys_need_no_signer)
{
	struct setup	 s = { .generations = NULL };

	take_conf(&s, 1, text);
	ck_assert(signer_wanted(s.conf, "tcp"));
	ck_assert(signer_wanted(s.conf, "mysql"));
	ck_assert(!signer_wanted(s.conf, "other"));
	free(s.generations[0].files);
	conf_free(&s.generations[0].conf);
	s.ngenerations = 0;
	take_conf(&s, 1, plain);
	ck_assert(!signer_wanted(s.conf, "tcp"));
	free(s.generations[0].files);
	conf_free(&s.generations[0].conf);
	free(s.generations);
}
END_TEST

/* --- the line, against a script */

static int
hear_hello(void)
{
	uint8_t		 buf[64];
	int		 fds[MSG_FDS_MAX];

	if (unit_wait(meet[1], POLLIN, UNIT_MS) == 0 ||
	    fdpass_recv(meet[1], buf, sizeof(buf), fds) <= 0)
		_exit(1);
	return fds[0];
}

static uint32_t
hear_question(int fd)
{
	uint8_t		 buf[MSG_HEADER + MSG_PAYLOAD_MAX];
	int		 fds[MSG_FDS_MAX];
	struct msg	 m;
	ssize_t		 n;

	if (unit_wait(fd, POLLIN, UNIT_MS) == 0)
		_exit(2);
	n = fdpass_recv(fd, buf, sizeof(buf), fds);
	if (n <= 0 || msg_decode(buf, (size_t)n, &m) == -1 ||
	    m.type != MSG_SIGN)
		_exit(3);
	return m.id;
}

static void
expect_end(void)
{
	int	 status;

	ck_assert_int_eq(waitpid(signer, &status, 0), signer);
	ck_assert_int_eq(status, 0);
	signer = -1;
}

START_TEST(a_signer_that_dies_over_a_question_is_asked_again)
{
	struct sign_request	 rq = request(T_EC, SIGN_ECDSA);
	uint8_t			 sig[SIGN_SIGNATURE_MAX];
	uint32_t		 id;
	int			 fd;

	signer = check_fork();
	if (signer == 0) {
		fd = hear_hello();
		(void)hear_question(fd);
		close(fd);
		fd = hear_hello();
		id = hear_question(fd);
		/* Not to that question, and so not heard. */
		(void)channel_send_id(fd, MSG_SIGN + 1, id - 1, "no", 2);
		(void)channel_send_id(fd, MSG_SIGN + 1, id, "yes", 3);
		_exit(0);
	}
	ck_assert_int_eq(sign_ask_signature(line, &rq, sig), 3);
	ck_assert_mem_eq(sig, "yes", 3);
	expect_end();
}
END_TEST

START_TEST(no_answer_is_waited_for_beyond_its_time)
{
	struct sign_request	 rq = request(T_EC, SIGN_ECDSA);
	uint8_t			 sig[SIGN_SIGNATURE_MAX];
	int64_t			 begun = io_now_ms();
	int			 fd;

	signer = check_fork();
	if (signer == 0) {
		fd = hear_hello();
		(void)hear_question(fd);
		_exit(unit_wait(fd, POLLHUP, 2 * UNIT_MS) == 0);
	}
	ck_assert_int_eq(sign_ask_signature(line, &rq, sig), -1);
	ck_assert_int_ge(io_now_ms(), begun + SIGN_ASK_MS - 10);
	ck_assert_int_lt(io_now_ms(), begun + SIGN_ASK_MS + UNIT_MS);
	/* It hung up, or the answer would come to what is asked next. */
	expect_end();
}
END_TEST

START_TEST(an_answer_that_is_too_long_is_none)
{
	static const uint8_t	 much[SIGN_SIGNATURE_MAX + 1];
	struct sign_request	 rq = request(T_EC, SIGN_ECDSA);
	uint8_t			 sig[SIGN_SIGNATURE_MAX];
	uint32_t		 id;
	int			 fd;

	signer = check_fork();
	if (signer == 0) {
		fd = hear_hello();
		id = hear_question(fd);
		(void)channel_send_id(fd, MSG_SIGN + 1, id, much,
		    sizeof(much));
		fd = hear_hello();
		id = hear_question(fd);
		(void)channel_send_id(fd, MSG_SIGN + 1, id, much,
		    sizeof(much) - 1);
		_exit(0);
	}
	ck_assert_int_eq(sign_ask_signature(line, &rq, sig),
	    SIGN_SIGNATURE_MAX);
	expect_end();
}
END_TEST

static const int	 enough[] = { SIGTERM, SIG_ORPHAN };

START_TEST(a_session_that_ends_waits_for_no_signature)
{
	struct sign_request	 rq = request(T_EC, SIGN_ECDSA);
	uint8_t			 sig[SIGN_SIGNATURE_MAX];
	int64_t			 begun = io_now_ms();
	pid_t			 us = getpid();

	signer = check_fork();
	if (signer == 0) {
		(void)hear_question(hear_hello());
		(void)kill(us, enough[_i]);
		_exit(0);
	}
	ck_assert_int_eq(sign_ask_signature(line, &rq, sig), -1);
	ck_assert_int_lt(io_now_ms(), begun + SIGN_ASK_MS - 500);
	ck_assert(sig_is_set(enough[_i]));
	expect_end();
}
END_TEST

START_TEST(a_rendezvous_that_is_full_is_waited_for)
{
	struct sign_request	 rq = request(T_EC, SIGN_ECDSA);
	uint8_t			 sig[SIGN_SIGNATURE_MAX];

	while (channel_send(meet[0], MSG_HELLO, NULL, 0, NULL, 0) == 0)
		continue;
	ck_assert_int_eq(errno, EAGAIN);
	ck_assert_int_eq(sign_ask_signature(line, &rq, sig), -1);
	/* Whoever comes then has to work off what is there. */
	start_signer();
	ck_assert(is_signed(ec, T_EC));
}
END_TEST

int
main(void)
{
	Suite	*s = suite_create("signer");
	TCase	*tc = tcase_create("signer");

	suite_add_tcase(s, tc);
	tcase_set_timeout(tc, 60);
	tcase_add_unchecked_fixture(tc, make_keys, free_keys);
	tcase_add_checked_fixture(tc, open_all, close_all);
	tcase_add_test(tc, a_request_reads_back_as_it_was_written);
	tcase_add_test(tc, what_is_no_request_is_not_taken_for_one);
	tcase_add_test(tc, what_workers_ask_for_is_signed);
	tcase_add_test(tc, what_is_not_in_its_table_is_not_signed);
	tcase_add_test(tc, who_says_what_it_may_not_is_dropped_alone);
	tcase_add_test(tc,
	    who_takes_no_answers_is_dropped_and_others_are_served);
	tcase_add_test(tc, a_new_generation_is_signed_for_beside_the_old_one);
	tcase_add_test(tc, a_key_that_is_none_is_refused_and_the_old_ones_stay);
	tcase_add_test(tc, the_next_signer_signs_on);
	tcase_add_test(tc, it_ends_with_the_master);
	tcase_add_test(tc, keys_that_generations_share_are_there_once);
	tcase_add_test(tc, pools_without_keys_need_no_signer);
	tcase_add_test(tc, a_signer_that_dies_over_a_question_is_asked_again);
	tcase_add_test(tc, no_answer_is_waited_for_beyond_its_time);
	tcase_add_test(tc, an_answer_that_is_too_long_is_none);
	tcase_add_loop_test(tc, a_session_that_ends_waits_for_no_signature, 0,
	    (int)nitems(enough));
	tcase_add_test(tc, a_rendezvous_that_is_full_is_waited_for);
	return unit_run(s);
}
