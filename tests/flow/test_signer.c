/*
 * Where private keys are, and where not; what there is when who has them
 * comes, goes or dies.
 */
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "crowd.h"
#include "rig.h"

#define BACK_MS		3000	/* from a kill to the next one that serves */
#define SECRET_MAX	256	/* bytes of a number */
#define SECRETS_MAX	3	/* numbers of a key */
#define REGION_MAX	(64L << 20)	/* of memory, to look through */

enum { EC_KEY_PAIR, RSA_KEY_PAIR, NPAIRS };

/* Numbers that are nowhere but in a private key, as memory has them. */
struct secret {
	size_t	 n;
	size_t	 len[SECRETS_MAX];
	uint8_t	 low_first[SECRETS_MAX][SECRET_MAX];
	uint8_t	 high_first[SECRETS_MAX][SECRET_MAX];
	char	 line[65];		/* of its file, in base64 */
};

static char		 folder[64];
static struct secret	 secrets[NPAIRS];

static X509 *
certify(EVP_PKEY *key)
{
	X509		*x = X509_new();
	X509_NAME	*name = X509_get_subject_name(x);

	ck_assert_int_eq(X509_set_version(x, X509_VERSION_3), 1);
	ck_assert_int_eq(ASN1_INTEGER_set(X509_get_serialNumber(x), 1), 1);
	X509_gmtime_adj(X509_getm_notBefore(x), -60);
	X509_gmtime_adj(X509_getm_notAfter(x), 60L * 24 * 3600);
	ck_assert_int_eq(X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
	    (const unsigned char *)"flow", -1, -1, 0), 1);
	ck_assert_int_eq(X509_set_issuer_name(x, name), 1);
	ck_assert_int_eq(X509_set_pubkey(x, key), 1);
	ck_assert_int_ne(X509_sign(x, key, EVP_sha256()), 0);
	return x;
}

static void
remember_number(struct secret *s, const EVP_PKEY *key, const char *name)
{
	BIGNUM	*n = NULL;
	size_t	 len;

	ck_assert_int_eq(EVP_PKEY_get_bn_param(key, name, &n), 1);
	len = (size_t)BN_num_bytes(n);
	ck_assert_uint_le(len, SECRET_MAX);
	s->len[s->n] = len;
	BN_bn2lebinpad(n, s->low_first[s->n], (int)len);
	BN_bn2bin(n, s->high_first[s->n]);
	s->n++;
	BN_clear_free(n);
}

static FILE *
create(int pair, const char *what)
{
	char	 path[128];
	FILE	*f;

	snprintf(path, sizeof(path), "%s/%d.%s", folder, pair, what);
	ck_assert_ptr_nonnull(f = fopen(path, "w"));
	ck_assert_int_eq(fchmod(fileno(f), 0600), 0);
	return f;
}

static void
write_pair(int pair, EVP_PKEY *key)
{
	X509	*x = certify(key);
	FILE	*f = create(pair, "pem");

	ck_assert_int_eq(PEM_write_X509(f, x), 1);
	ck_assert_int_eq(fclose(f), 0);
	f = create(pair, "key");
	ck_assert_int_eq(PEM_write_PrivateKey(f, key, NULL, NULL, 0, NULL,
	    NULL), 1);
	ck_assert_int_eq(fclose(f), 0);
	X509_free(x);
	EVP_PKEY_free(key);
}

static void
remember_line(int pair)
{
	struct secret	*s = &secrets[pair];
	char		 path[128], first[128];
	FILE		*f;

	snprintf(path, sizeof(path), "%s/%d.key", folder, pair);
	ck_assert_ptr_nonnull(f = fopen(path, "r"));
	ck_assert_ptr_nonnull(fgets(first, sizeof(first), f));
	ck_assert_uint_eq(fread(s->line, 1, 64, f), 64);
	fclose(f);
}

static void
make_keys(void)
{
	EVP_PKEY	*ec = EVP_EC_gen("P-256"), *rsa = EVP_RSA_gen(2048);

	snprintf(folder, sizeof(folder), "/tmp/sallyport-keys.XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(folder));
	memset(secrets, 0, sizeof(secrets));
	remember_number(&secrets[EC_KEY_PAIR], ec, OSSL_PKEY_PARAM_PRIV_KEY);
	remember_number(&secrets[RSA_KEY_PAIR], rsa, OSSL_PKEY_PARAM_RSA_D);
	remember_number(&secrets[RSA_KEY_PAIR], rsa,
	    OSSL_PKEY_PARAM_RSA_FACTOR1);
	remember_number(&secrets[RSA_KEY_PAIR], rsa,
	    OSSL_PKEY_PARAM_RSA_FACTOR2);
	write_pair(EC_KEY_PAIR, ec);
	write_pair(RSA_KEY_PAIR, rsa);
	for (int i = 0; i < NPAIRS; i++)
		remember_line(i);
}

static void
remove_keys(void)
{
	static const char *const	 whats[] = { "pem", "key" };
	char				 path[128];

	for (int i = 0; i < NPAIRS; i++)
		for (int j = 0; j < 2; j++) {
			snprintf(path, sizeof(path), "%s/%d.%s", folder, i,
			    whats[j]);
			(void)unlink(path);
		}
	(void)rmdir(folder);
}

/* --- memory */

#define LINE	(1u << SECRETS_MAX)

/* Which of the key's numbers are among those bytes, a bit for each; or LINE. */
static unsigned int
look(const uint8_t *p, size_t len, const struct secret *s)
{
	unsigned int	 found;

	found = memmem(p, len, s->line, 64) != NULL ? LINE : 0;
	for (size_t i = 0; i < s->n; i++)
		if (memmem(p, len, s->low_first[i], s->len[i]) != NULL ||
		    memmem(p, len, s->high_first[i], s->len[i]) != NULL)
			found |= 1u << i;
	return found;
}

/* Which are in the memory of that process that it can write to. */
static unsigned int
find(pid_t pid, const struct secret *s)
{
	char		 path[64], line[512], mode[8];
	unsigned long	 from, to;
	unsigned int	 found = 0;
	uint8_t		*copy;
	FILE		*maps;
	ssize_t		 n;
	int		 fd, regions = 0;

	snprintf(path, sizeof(path), "/proc/%d/mem", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	snprintf(path, sizeof(path), "/proc/%d/maps", (int)pid);
	maps = fopen(path, "r");
	ck_assert(fd != -1 && maps != NULL);
	while (fgets(line, sizeof(line), maps) != NULL) {
		if (sscanf(line, "%lx-%lx %7s", &from, &to, mode) != 3 ||
		    strncmp(mode, "rw", 2) != 0 ||
		    to - from > (unsigned long)REGION_MAX)
			continue;
		copy = malloc(to - from);
		n = pread(fd, copy, to - from, (off_t)from);
		/* Guards of the locked heap split it, or cut a region short. */
		if (n > 0) {
			found |= look(copy, (size_t)n, s);
			regions++;
		}
		free(copy);
	}
	fclose(maps);
	close(fd);
	ck_assert_int_gt(regions, 3);
	return found;
}

static unsigned int
all_of(const struct secret *s)
{
	return (1u << s->n) - 1;
}

/* --- daemons */

struct stage {
	struct daemon	 d;
	int		 plain, secure;		/* ports, of one pool */
	int		 other;			/* of another */
	int		 server;
	int		 reloads;		/* so that each changes something */
};

/* ( "/0.pem", "/1.pem" ) */
static const char *
list(char *buf, size_t size, int npairs, const char *what)
{
	int	 n = 0;

	for (int i = 0; i < npairs; i++)
		n += snprintf(buf + n, size - (size_t)n, "%s\"%s/%d.%s\"",
		    i > 0 ? ", " : "", folder, i, what);
	return buf;
}

/* `secure' has the first so many keys, or no TLS. */
static const char *
text(const struct stage *s, int npairs)
{
	static char	 buf[2048];
	char		 tls[1024] = "", certificates[256], keys[256];

	if (npairs > 0)
		snprintf(tls, sizeof(tls), "tls = { mode = \"require\"; "
		    "certificate = ( %s ); key = ( %s ); };",
		    list(certificates, sizeof(certificates), npairs, "pem"),
		    list(keys, sizeof(keys), npairs, "key"));
	snprintf(buf, sizeof(buf), "timeouts = { connect = \"%ds\"; };\n"
	    "listeners = (\n{ name = \"plain\"; "
	    "listen = \"127.0.0.1:%d\"; forward = \"127.0.0.1:%d\"; "
	    "carry = \"never\"; },\n{ name = \"other\"; protocol = "
	    "\"mysql\"; listen = \"127.0.0.1:%d\"; forward = "
	    "\"127.0.0.1:%d\"; },\n{ name = \"secure\"; listen = "
	    "\"127.0.0.1:%d\"; forward = \"127.0.0.1:%d\"; %s } );\n",
	    s->reloads + 1, s->plain, s->server, s->other, s->server, s->secure, s->server,
	    tls);
	return buf;
}

static void
open_stage(struct stage *s, int npairs)
{
	memset(s, 0, sizeof(*s));
	s->plain = rig_port();
	s->secure = rig_port();
	s->other = rig_port();
	s->server = crowd_server('a');
	rig_up(&s->d, "%s", text(s, npairs));
}

static void
reload(struct stage *s, int npairs)
{
	s->reloads++;
	rig_conf(&s->d, "%s", text(s, npairs));
	rig_kill(&s->d, SIGHUP);
	(void)rig_line(&s->d, "is in effect");
}

START_TEST(only_pools_with_keys_have_a_signer)
{
	struct stage	 s;

	open_stage(&s, 2);
	rig_until(&s.d, "signer tcp: 2 keys", 1);
	rig_until(&s.d, "sallyportd: signer", 1);
	rig_down(&s.d);
}
END_TEST

START_TEST(a_signer_comes_and_goes_with_the_keys)
{
	struct stage	 s;
	pid_t		 first;
	int		 session;

	open_stage(&s, 0);
	rig_until(&s.d, "sallyportd: signer", 0);
	session = crowd_session(s.plain);
	reload(&s, 1);
	first = rig_pid(&s.d, "signer tcp: 1 key");
	reload(&s, 2);
	ck_assert_int_eq(rig_pid(&s.d, "signer tcp: 2 keys"), first);
	close(session);
	session = crowd_session(s.plain);
	reload(&s, 0);
	/* That session, of one with keys, might want something signed yet. */
	ck_assert_int_eq(rig_pid(&s.d, "signer tcp: "), first);
	crowd_check(session);
	close(session);
	rig_until_gone(first, RIG_MS);
	ck_assert_uint_eq(rig_count(&s.d, "signer"), 0);
	reload(&s, 1);
	rig_until(&s.d, "signer tcp: 1 key", 1);
	rig_down(&s.d);
}
END_TEST

/* The master has told it to end, once the last who needed it is buried. */
static bool
is_told_to_end(pid_t pid)
{
	char	 buf[4096], *line;

	line = strstr(rig_proc(pid, "status", buf, sizeof(buf)), "ShdPnd:");
	return line != NULL && (strtoull(line + 7, NULL, 16) &
	    1ULL << (SIGTERM - 1)) != 0;
}

/* One that no generation needs, and that does not end as it was told. */
static pid_t
stop_unneeded(struct stage *s)
{
	pid_t	 pid = rig_pid(&s->d, "signer tcp: 1 key");
	int	 session = crowd_session(s->plain);
	int64_t	 until = rig_now() + RIG_MS;

	reload(s, 0);
	ck_assert_int_eq(kill(pid, SIGSTOP), 0);
	close(session);			/* the last one that has need of it */
	while (!is_told_to_end(pid)) {
		ck_assert_int_lt(rig_now(), until);
		(void)poll(NULL, 0, 5);
	}
	return pid;
}

START_TEST(one_that_is_needed_no_more_holds_nothing_up)
{
	struct stage	 s;
	pid_t		 pid;

	open_stage(&s, 1);
	pid = stop_unneeded(&s);
	reload(&s, 0);
	ck_assert_int_eq(rig_pid(&s.d, "signer tcp: 1 key"), pid);
	rig_until_gone(pid, RIG_MS);
	reload(&s, 1);
	rig_until(&s.d, "signer tcp: 1 key", 1);
	rig_down(&s.d);
}
END_TEST

START_TEST(one_that_is_wanted_again_before_it_has_ended_has_a_successor)
{
	struct stage	 s;
	pid_t		 pid;

	open_stage(&s, 1);
	pid = stop_unneeded(&s);
	reload(&s, 1);
	rig_until(&s.d, "signer tcp: 1 key", 2);
	rig_until_gone(pid, RIG_MS);
	reload(&s, 2);
	rig_until(&s.d, "signer tcp: 2 keys", 1);
	rig_down(&s.d);
}
END_TEST

START_TEST(a_killed_signer_is_replaced)
{
	struct stage	 s;
	pid_t		 pid;
	int		 session;
	int64_t		 begun;

	open_stage(&s, 2);
	session = crowd_session(s.plain);
	pid = rig_pid(&s.d, "signer tcp: 2 keys");
	begun = rig_now();
	ck_assert_int_eq(kill(pid, SIGKILL), 0);
	(void)rig_line(&s.d, "starting another");
	rig_until_gone(pid, RIG_MS);
	(void)rig_pid(&s.d, "signer tcp: 2 keys");
	ck_assert_int_lt(rig_now() - begun, rig_patience(BACK_MS));
	crowd_check(session);
	close(session);
	/* And it is told of what comes. */
	reload(&s, 1);
	rig_until(&s.d, "signer tcp: 1 key", 1);
	rig_down(&s.d);
}
END_TEST

START_TEST(keys_are_in_the_signer_and_in_nobody_who_serves)
{
	const struct secret	*key = &secrets[_i];
	struct stage		 s;
	pid_t			 pids[64], signer;
	char			 title[256];
	size_t			 n;

	if (geteuid() != 0)
		return;			/* only root may look */
	open_stage(&s, 2);
	signer = rig_pid(&s.d, "signer tcp: 2 keys");
	/* This is what shows that they would be found; the text has gone. */
	ck_assert_uint_eq(find(signer, key), all_of(key));
	rig_until(&s.d, "worker tcp: idle", 8);
	n = rig_pids(&s.d, "sallyportd: ", pids, 64);
	ck_assert_uint_ge(n, 12);
	for (size_t i = 0; i < n; i++)
		/* The master has copies of all files, to give them. */
		if (pids[i] != signer && pids[i] != s.d.pid)
			ck_assert_msg(find(pids[i], key) == 0, "process of "
			    "\"%s\" has it", rig_proc(pids[i], "cmdline",
			    title, sizeof(title)));
	rig_down(&s.d);
}
END_TEST

/* --- TLS */

struct tls_session {
	SSL_CTX	*ctx;
	SSL	*ssl;
	int	 fd;
};

/* False when it does not come about. */
static bool
try_tls(struct tls_session *t, int port)
{
	const struct timeval	 patience = { .tv_sec = RIG_MS / 1000 };
	char			 id;

	t->fd = rig_dial(port);
	ck_assert_int_eq(setsockopt(t->fd, SOL_SOCKET, SO_RCVTIMEO, &patience,
	    sizeof(patience)), 0);
	ck_assert_ptr_nonnull(t->ctx = SSL_CTX_new(TLS_client_method()));
	ck_assert_ptr_nonnull(t->ssl = SSL_new(t->ctx));
	ck_assert_int_eq(SSL_set_fd(t->ssl, t->fd), 1);
	return SSL_connect(t->ssl) == 1 && SSL_read(t->ssl, &id, 1) == 1 &&
	    id == 'a';
}

static void
check_tls(struct tls_session *t)
{
	char	 buf[5];

	ck_assert_int_eq(SSL_write(t->ssl, "hello", 5), 5);
	for (int n = 0; n < 5; n++)
		ck_assert_int_eq(SSL_read(t->ssl, buf + n, 1), 1);
	ck_assert_mem_eq(buf, "hello", 5);
}

static void
close_tls(struct tls_session *t)
{
	(void)SSL_shutdown(t->ssl);
	SSL_free(t->ssl);
	SSL_CTX_free(t->ctx);
	close(t->fd);
}

/* Of this session, for there is no other. */
static pid_t
worker_of(const struct stage *s)
{
	return rig_pid(&s->d, "worker tcp: secure");
}

START_TEST(no_worker_has_a_key_when_it_serves_with_it)
{
	struct stage		 s;
	struct tls_session	 t;
	pid_t			 worker;

	if (geteuid() != 0)
		return;			/* only root may look */
	open_stage(&s, 2);
	ck_assert(try_tls(&t, s.secure));
	check_tls(&t);
	worker = worker_of(&s);
	for (int i = 0; i < NPAIRS; i++) {
		ck_assert_uint_eq(find(worker, &secrets[i]), 0);
		ck_assert_uint_eq(find(rig_pid(&s.d, "signer tcp"),
		    &secrets[i]), all_of(&secrets[i]));
	}
	check_tls(&t);
	close_tls(&t);
	rig_down(&s.d);
}
END_TEST

START_TEST(sessions_outlive_the_signer_and_the_next_is_served)
{
	struct stage		 s;
	struct tls_session	 old, t;
	pid_t			 pid;
	int64_t			 begun;

	open_stage(&s, 2);
	ck_assert(try_tls(&old, s.secure));
	pid = rig_pid(&s.d, "signer tcp");
	begun = rig_now();
	ck_assert_int_eq(kill(pid, SIGKILL), 0);
	check_tls(&old);
	/* Its handshake waits for the next one, and nobody is turned away. */
	ck_assert(try_tls(&t, s.secure));
	ck_assert_int_lt(rig_now() - begun, rig_patience(BACK_MS));
	check_tls(&t);
	check_tls(&old);
	close_tls(&t);
	close_tls(&old);
	rig_down(&s.d);
}
END_TEST

START_TEST(a_signer_that_does_not_answer_fails_a_handshake_in_its_time)
{
	struct stage		 s;
	struct tls_session	 t;
	pid_t			 pid;

	open_stage(&s, 1);
	pid = rig_pid(&s.d, "signer tcp");
	ck_assert_int_eq(kill(pid, SIGSTOP), 0);
	ck_assert(!try_tls(&t, s.secure));
	close_tls(&t);
	(void)rig_line(&s.d, "no signature: the signer does not answer");
	(void)rig_line(&s.d, " end=tls");
	ck_assert_int_eq(kill(pid, SIGCONT), 0);
	ck_assert(try_tls(&t, s.secure));
	check_tls(&t);
	close_tls(&t);
	rig_down(&s.d);
}
END_TEST

START_TEST(a_session_keeps_no_line_to_the_signer)
{
	struct stage		 s;
	struct tls_session	 t[8];
	pid_t			 pid;
	size_t			 before;

	open_stage(&s, 1);
	pid = rig_pid(&s.d, "signer tcp");
	before = rig_descriptors(pid);
	for (int i = 0; i < 8; i++)
		ck_assert(try_tls(&t[i], s.secure));
	/* It has to hear of the end of each. */
	for (int64_t until = rig_now() + RIG_MS; rig_descriptors(pid) !=
	    before; (void)poll(NULL, 0, 5))
		ck_assert_int_lt(rig_now(), until);
	for (int i = 0; i < 8; i++) {
		check_tls(&t[i]);
		close_tls(&t[i]);
	}
	rig_down(&s.d);
}
END_TEST

START_TEST(handshakes_go_on_from_one_generation_to_the_next)
{
	struct stage		 s;
	struct tls_session	 t;

	open_stage(&s, 1);
	for (int i = 0; i < 4; i++) {
		reload(&s, 1 + i % 2);
		/* Whichever generation takes it. */
		ck_assert(try_tls(&t, s.secure));
		check_tls(&t);
		close_tls(&t);
	}
	ck_assert_uint_eq(rig_count(&s.d, "no signature"), 0);
	rig_down(&s.d);
}
END_TEST

int
main(void)
{
	Suite	*s = suite_create("signer");
	TCase	*tc = tcase_create("seen");

	suite_add_tcase(s, tc);
	tcase_set_timeout(tc, 60);
	tcase_add_unchecked_fixture(tc, make_keys, remove_keys);
	tcase_add_test(tc, only_pools_with_keys_have_a_signer);
	tcase_add_test(tc, a_signer_comes_and_goes_with_the_keys);
	tcase_add_test(tc, one_that_is_needed_no_more_holds_nothing_up);
	tcase_add_test(tc,
	    one_that_is_wanted_again_before_it_has_ended_has_a_successor);
	tcase_add_test(tc, a_killed_signer_is_replaced);
	tcase_add_loop_test(tc, keys_are_in_the_signer_and_in_nobody_who_serves, 0,
	    NPAIRS);
	tcase_add_test(tc, no_worker_has_a_key_when_it_serves_with_it);
	tcase_add_test(tc, sessions_outlive_the_signer_and_the_next_is_served);
	tcase_add_test(tc,
	    a_signer_that_does_not_answer_fails_a_handshake_in_its_time);
	tcase_add_test(tc, a_session_keeps_no_line_to_the_signer);
	tcase_add_test(tc, handshakes_go_on_from_one_generation_to_the_next);
	return rig_run(s);
}
