#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "policy/conf_files.h"
#include "process/vault.h"
#include "unit.h"

#define NOW	1600000000
#define SECRET	"JBSWY3DPEHPK3PXP"
#define RAW	"Hello!\xde\xad\xbe\xef"

static const char	 text[] =
	"totp = { file = \"/f\"; state = \"/s\"; tries = 3; lock = \"60s\"; };"
	"groups = ( { name = \"few\"; users = ( \"bob\" ); } );"
	"accounts = ( { users = ( \"alice\", \"@few\" ); account = \"rw\";"
	"  password_file = \"/p\"; listeners = \"db\"; },"
	"  { users = \"carl\"; account = \"ro\"; } );"
	"listeners = ( { name = \"db\"; listen = \":1\"; protocol = \"mysql\";"
	"  forward = \"h:1\"; login = \"totp\"; },"
	"  { name = \"plain\"; listen = \":2\"; protocol = \"mysql\"; "
	"  forward = \"h:1\"; } );";

static const struct onetime_rule	 usual = {
	.digits = 6, .period = 30, .hash = ONETIME_SHA1, .window = 1,
};
static const uint8_t			 nonce[MYSQL_NONCE_LEN] =
					    "abcdefghijklmnopqrst";
static const struct access_source	 here = { "here" };
static const struct access_source	 there = { "there" };
static struct setup_generation		 gen;
static struct vault			*vault;
static int64_t				 now_ms;
static char				 why[VAULT_WHY_MAX];

static int
file_of(const char *content)
{
	int	 fd = memfd_create("store", MFD_CLOEXEC);

	ck_assert_int_eq(write(fd, content, strlen(content)),
	    (ssize_t)strlen(content));
	return fd;
}

static void
make_vault(void)
{
	static const uint8_t	 seed[32] = "secret";

	vault = vault_new(seed);
	gen.files[0] = (struct setup_file){ mem_strdup("sekret\nrest"), 11 };
	ck_assert_int_eq(vault_add(vault, &gen, why), 0);
	ck_assert_ptr_null(gen.files[0].data);
	vault_use(vault, 1, NOW);
}

static void
set_up(void)
{
	struct conf_report	 report = { .nerrors = 0 };
	struct conf		*conf = conf_new();
	size_t			 n;

	log_init("test", LOGLINE_ERROR);
	conf_read_text(conf, "f", text, strlen(text), &report);
	ck_assert_msg(conf_finish(conf, &report) == 0, "%s",
	    report.nerrors > 0 ? report.errors[0] : "");
	conf_report_free(&report);
	free(conf_files(conf, &n));
	ck_assert_uint_eq(n, 1);
	gen = (struct setup_generation){
		.number = 1, .conf = conf, .nfiles = 1,
		.files = mem_calloc(1, sizeof(struct setup_file)),
		.stores = {
			file_of("alice " SECRET "\nbob " SECRET "\n"
			    "carl " SECRET "\ndora " SECRET "\n"),
			file_of("clean\n"),
		},
	};
	now_ms = 1000;
	make_vault();
}

static void
tear_down(void)
{
	vault_free(&vault);
	for (size_t i = 0; i < STORES; i++)
		if (gen.stores[i] != -1)
			close(gen.stores[i]);
	free(gen.files);
	conf_free(&gen.conf);
}

static const char *
code_at(int64_t now)
{
	static char	 code[ONETIME_CODE_MAX];

	ck_assert_int_eq(onetime_code(&usual, (const uint8_t *)RAW, 10,
	    now / 30, code), 0);
	return code;
}

/* Somebody says "NAME CODE", joined, by native. */
static struct vault_result
said(const char *name, const char *code, const struct access_source *source,
    int64_t now)
{
	struct code_check	 c = {
		.generation = 1, .listener = 0, .source = *source,
		.answer.how = PROVE_NATIVE,
	};
	char			 password[128];
	uint8_t			 answer[MYSQL_NATIVE_LEN];
	struct mysql_bytes	 b = { (const uint8_t *)password, 0 };
	struct vault_result	 r;

	snprintf(password, sizeof(password), "%s%s", name, code);
	snprintf(c.user, sizeof(c.user), "%s", name);
	b.len = strlen(password);
	memcpy(c.answer.nonce, nonce, sizeof(nonce));
	ck_assert_int_eq(mysql_native_scramble(b, nonce, answer), 0);
	c.answer.bytes = (struct mysql_bytes){ answer, sizeof(answer) };
	ck_assert_int_eq(vault_check(vault, &c, source, false, now, now_ms,
	    &r), 0);
	return r;
}

static const char *
reason(const char *name, const char *code)
{
	struct vault_result	 r = said(name, code, &here, NOW);

	ck_assert_int_eq(r.pass.verdict == CODE_OK, r.reason == NULL);
	return r.reason != NULL ? r.reason : "right";
}

START_TEST(each_becomes_what_is_for_them)
{
	struct vault_result	 r = said("alice", code_at(NOW), &here, NOW);

	ck_assert_int_eq(r.pass.verdict, CODE_OK);
	ck_assert_uint_eq(r.pass.account, 0);
	r = said("bob", code_at(NOW), &here, NOW);
	ck_assert_uint_eq(r.pass.account, 0);
	r = said("carl", code_at(NOW), &here, NOW);
	ck_assert_uint_eq(r.pass.account, 1);
	ck_assert_str_eq(reason("dora", code_at(NOW)), "no_account");
	ck_assert_str_eq(reason("emil", code_at(NOW)), "unknown_user");
	ck_assert_str_eq(reason("alice", "000000"), "wrong_code");
}
END_TEST

START_TEST(a_code_is_spent)
{
	ck_assert_str_eq(reason("alice", code_at(NOW)), "right");
	/* Which is no guess. */
	for (int i = 0; i < 10; i++)
		ck_assert_str_eq(reason("alice", code_at(NOW)), "code_spent");
	ck_assert_str_eq(reason("alice", code_at(NOW - 30)), "code_spent");
	ck_assert_str_eq(reason("alice", code_at(NOW + 30)), "right");
	ck_assert_str_eq(reason("bob", code_at(NOW)), "right");
}
END_TEST

START_TEST(guesses_are_counted_by_user_and_by_source)
{
	struct vault_result	 r;

	ck_assert_str_eq(reason("alice", "1"), "wrong_code");
	ck_assert_str_eq(reason("alice", "2"), "wrong_code");
	r = said("alice", "3", &here, NOW);
	ck_assert(r.locked);
	ck_assert_int_eq(r.lock_ms, 60000);
	/* Not even the right one, nor from elsewhere; nor others from there. */
	ck_assert_str_eq(reason("alice", code_at(NOW)), "too_soon");
	r = said("alice", code_at(NOW), &there, NOW);
	ck_assert_str_eq(r.reason, "too_soon");
	ck_assert_uint_eq(r.pass.wait_s, 60);
	ck_assert_str_eq(reason("bob", code_at(NOW)), "too_soon");
	ck_assert_int_eq(said("bob", code_at(NOW), &there,
	    NOW).pass.verdict, CODE_OK);
	/* What is not looked at does not lengthen it. */
	now_ms += 60000;
	ck_assert_str_eq(reason("alice", code_at(NOW)), "right");
}
END_TEST

START_TEST(one_that_is_unlocked_may_try)
{
	for (int i = 0; i < 3; i++)
		(void)reason("alice", "1");
	ck_assert_int_eq(vault_unlock(vault, "alice", why), 0);
	ck_assert_int_eq(vault_unlock(vault, "alice", why), -1);
	ck_assert_str_eq(why, "nothing is held against \"alice\"");
	ck_assert_int_eq(said("alice", code_at(NOW), &there,
	    NOW).pass.verdict, CODE_OK);
	ck_assert_int_eq(vault_unlock(vault, "192.0.2.1", why), -1);
}
END_TEST

START_TEST(what_is_no_question_is_refused)
{
	struct code_check	 c = { .generation = 1, .listener = 1 };
	struct vault_result	 r;

	ck_assert_int_eq(vault_check(vault, &c, &here, false, NOW, 0, &r),
	    -1);
	c.listener = 2;
	ck_assert_int_eq(vault_check(vault, &c, &here, false, NOW, 0, &r),
	    -1);
	c = (struct code_check){ .generation = 2 };
	ck_assert_int_eq(vault_check(vault, &c, &here, false, NOW, 0, &r),
	    -1);
}
END_TEST

START_TEST(the_account_answers)
{
	static const uint8_t	 n20[MYSQL_NONCE_LEN] = "12345678901234567890";
	struct mysql_bytes	 password = { (const uint8_t *)"sekret", 6 };
	struct code_question	 q = {
		.how = CODE_NATIVE, .nonce = { n20, sizeof(n20) },
	};
	uint8_t			 out[CODE_ANSWER_MAX], want[64];

	ck_assert_int_eq(vault_answer(vault, 1, 0, 0, &q, out),
	    MYSQL_NATIVE_LEN);
	ck_assert_int_eq(mysql_native_scramble(password, n20, want), 0);
	ck_assert_mem_eq(out, want, MYSQL_NATIVE_LEN);
	q.how = CODE_SHA2;
	ck_assert_int_eq(vault_answer(vault, 1, 0, 0, &q, out),
	    MYSQL_SHA2_LEN);
	ck_assert_int_eq(mysql_sha2_scramble(password, n20, want), 0);
	ck_assert_mem_eq(out, want, MYSQL_SHA2_LEN);
	/* No key is pinned. */
	q.how = CODE_SHA2_SEALED;
	ck_assert_int_eq(vault_answer(vault, 1, 0, 0, &q, out), -1);
	q.how = CODE_NATIVE;
	q.nonce.len = 19;
	ck_assert_int_eq(vault_answer(vault, 1, 0, 0, &q, out), -1);
	q.nonce.len = 20;
	ck_assert_int_eq(vault_answer(vault, 1, 0, 2, &q, out), -1);
	ck_assert_int_eq(vault_answer(vault, 2, 0, 0, &q, out), -1);
}
END_TEST

static char *
content(int which)
{
	static char	 buf[4096];
	ssize_t		 n = pread(gen.stores[which], buf, sizeof(buf) - 1,
			    0);

	ck_assert_int_ge(n, 0);
	buf[n] = '\0';
	return buf;
}

static void
restart(void)
{
	vault_free(&vault);
	make_vault();
}

START_TEST(codes_stay_used_over_an_end_in_order)
{
	ck_assert_str_eq(reason("alice", code_at(NOW)), "right");
	ck_assert_int_eq(strncmp(content(STORE_USED), "in use by ", 10), 0);
	vault_end(vault, NOW);
	ck_assert_int_eq(strncmp(content(STORE_USED), "clean\n", 6), 0);
	restart();
	ck_assert_str_eq(reason("alice", code_at(NOW)), "code_spent");
	ck_assert_str_eq(reason("bob", code_at(NOW)), "right");
}
END_TEST

START_TEST(all_are_used_after_an_end_that_was_none)
{
	restart();
	ck_assert_str_eq(reason("alice", code_at(NOW)), "code_spent");
	ck_assert_str_eq(reason("alice", code_at(NOW + 30)), "code_spent");
	ck_assert_int_eq(said("alice", code_at(NOW + 120), &here,
	    NOW + 120).pass.verdict, CODE_OK);
}
END_TEST

/* As in an upgrade: the one that ends later knows less. */
START_TEST(who_comes_after_us_has_the_state)
{
	struct vault	*old = vault;

	make_vault();
	vault_end(old, NOW);
	ck_assert_int_eq(strncmp(content(STORE_USED), "in use by ", 10), 0);
	vault_free(&old);
}
END_TEST

START_TEST(without_a_state_all_are_used_at_first)
{
	close(gen.stores[STORE_USED]);
	gen.stores[STORE_USED] = -1;
	restart();
	ck_assert_str_eq(reason("alice", code_at(NOW)), "code_spent");
	/* It is not so anew at each reload. */
	vault_use(vault, 1, NOW + 3600);
	ck_assert_int_eq(said("alice", code_at(NOW + 3600), &here,
	    NOW + 3600).pass.verdict, CODE_OK);
}
END_TEST

START_TEST(people_come_and_go)
{
	char	 uri[VAULT_URI_MAX], line[VAULT_WHY_MAX];

	ck_assert_int_eq(vault_add_person(vault, "zoe", "", "digits=8", uri,
	    why), 0);
	ck_assert_ptr_nonnull(strstr(uri, "otpauth://totp/sallyport:zoe?"));
	ck_assert_ptr_nonnull(strstr(uri, "&digits=8&"));
	ck_assert_uint_eq(vault_count(vault), 5);
	ck_assert_int_eq(vault_person_text(vault, 4, line), 1);
	ck_assert_str_eq(line, "zoe digits=8 period=30 algorithm=SHA1 "
	    "window=1 recovery=0");
	ck_assert_int_eq(vault_person_text(vault, 5, line), 0);
	ck_assert_int_eq(vault_remove_person(vault, "alice", why), 0);
	ck_assert(!vault_has(vault, "alice"));
	ck_assert(vault_has(vault, "zoe"));
	ck_assert_ptr_null(strstr(content(STORE_PEOPLE), "alice"));
	ck_assert_int_eq(vault_remove_person(vault, "alice", why), -1);
	ck_assert_str_eq(why, "there is no user \"alice\"");
	ck_assert_int_eq(vault_add_person(vault, "a b", "", "", uri, why),
	    -1);
	ck_assert_str_eq(why, TOTP_WANT_NAME);
	ck_assert_int_eq(vault_add_person(vault, "x", "ABC", "", uri, why),
	    -1);
	ck_assert_int_eq(vault_add_person(vault, "x", SECRET, "digits=7",
	    uri, why), -1);
	ck_assert_str_eq(why, "digits: want 6 or 8");
	/* Nobody slips another line in. */
	ck_assert_int_eq(vault_add_person(vault, "x", SECRET,
	    "\ny " SECRET, uri, why), -1);
	ck_assert(!vault_has(vault, "y"));
}
END_TEST

/* Of what control is told nothing is a secret that is in no file. */
START_TEST(without_room_in_the_file_nobody_is_added)
{
	const struct rlimit	 none = { 0, 0 };
	char			 out[VAULT_URI_MAX + VAULT_WHY_MAX] = "";

	ck_assert(signal(SIGXFSZ, SIG_IGN) != SIG_ERR);
	ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &none), 0);
	ck_assert_int_eq(vault_add_person(vault, "zoe", "", "", out, out),
	    -1);
	ck_assert_ptr_null(strstr(out, "otpauth"));
	ck_assert_ptr_nonnull(strstr(out, "File too large"));
	ck_assert(!vault_has(vault, "zoe"));
}
END_TEST

START_TEST(a_new_secret_takes_the_place_of_the_old_one)
{
	char	 uri[VAULT_URI_MAX];

	ck_assert_str_eq(reason("bob", code_at(NOW)), "right");
	ck_assert_int_eq(vault_add_person(vault, "bob", "", "", uri, why),
	    0);
	ck_assert_uint_eq(vault_count(vault), 4);
	ck_assert_str_eq(reason("bob", code_at(NOW + 30)), "wrong_code");
	ck_assert_ptr_null(strstr(content(STORE_PEOPLE), "bob " SECRET));
}
END_TEST

START_TEST(recovery_codes_work_once_each)
{
	char	 codes[VAULT_CODES_MAX], first[16];

	ck_assert_int_eq(vault_recovery(vault, "alice", codes, why), 0);
	ck_assert_uint_eq(strlen(codes), 130);
	snprintf(first, sizeof(first), "%.12s", codes);
	ck_assert_str_eq(reason("alice", first), "right");
	ck_assert_str_eq(reason("alice", first), "wrong_code");
	ck_assert_ptr_null(strstr(content(STORE_PEOPLE), first));
	/* Also for who starts anew. */
	vault_end(vault, NOW);
	restart();
	ck_assert_str_eq(reason("alice", first), "wrong_code");
	snprintf(first, sizeof(first), "%.12s", codes + 13);
	ck_assert_str_eq(reason("alice", first), "right");
	ck_assert_int_eq(vault_recovery(vault, "nobody", codes, why), -1);
}
END_TEST

START_TEST(a_file_that_somebody_changes_is_read_again)
{
	static const char	 more[] = "fritz " SECRET "\n";

	ck_assert(!vault_has(vault, "fritz"));
	ck_assert_int_eq(lseek(gen.stores[STORE_PEOPLE], 0, SEEK_END) > 0, 1);
	ck_assert_int_eq(write(gen.stores[STORE_PEOPLE], more, strlen(more)),
	    (ssize_t)strlen(more));
	ck_assert(vault_has(vault, "fritz"));
}
END_TEST

START_TEST(a_code_is_tried_without_being_used)
{
	char	 said_of[VAULT_CODES_MAX];

	ck_assert_int_eq(vault_try_code(vault, "alice", code_at(NOW), NOW,
	    said_of, why), 0);
	ck_assert_str_eq(said_of, "right");
	ck_assert_int_eq(vault_try_code(vault, "alice", code_at(NOW - 30),
	    NOW, said_of, why), 0);
	ck_assert_str_eq(said_of, "right, but its clock is about 30 seconds "
	    "behind");
	ck_assert_int_eq(vault_try_code(vault, "alice", "1", NOW, said_of,
	    why), -1);
	ck_assert_str_eq(reason("alice", code_at(NOW)), "right");
}
END_TEST

/* --- code_ask.h */

START_TEST(messages_come_back_and_no_prefix_of_them_does)
{
	struct code_check	 c = {
		.generation = 7, .listener = 9, .source = { "source" },
		.user = "alice", .answer = {
			.how = PROVE_SHA2,
			.bytes = { (const uint8_t *)"0123456789", 10 },
		},
	}, back;
	struct code_pass	 p = {
		.verdict = CODE_WAIT, .wait_s = 3, .account = 4, .grant = 5,
		.stored = "stored",
	}, p2;
	uint8_t			 buf[256], *exact;
	struct wr		 w;
	struct rd		 r;
	size_t			 n;

	wr_init(&w, buf, sizeof(buf));
	ck_assert_int_eq(code_check_encode(&w, &c), 0);
	n = wr_len(&w);
	rd_init(&r, buf, n);
	ck_assert_int_eq(code_check_decode(&r, &back), 0);
	ck_assert_str_eq(back.user, "alice");
	ck_assert_uint_eq(back.answer.bytes.len, 10);
	ck_assert_uint_eq(back.listener, 9);
	for (size_t i = 0; i < n - 10; i++) {
		exact = unit_exact(buf, i);
		rd_init(&r, exact, i);
		ck_assert_int_eq(code_check_decode(&r, &back), -1);
		free(exact);
	}
	wr_init(&w, buf, sizeof(buf));
	ck_assert_int_eq(code_pass_encode(&w, &p), 0);
	n = wr_len(&w);
	rd_init(&r, buf, n);
	ck_assert_int_eq(code_pass_decode(&r, &p2), 0);
	ck_assert_uint_eq(p2.grant, 5);
	for (size_t i = 0; i < n; i++) {
		exact = unit_exact(buf, i);
		rd_init(&r, exact, i);
		ck_assert_int_eq(code_pass_decode(&r, &p2), -1);
		free(exact);
	}
}
END_TEST

int
main(void)
{
	Suite	*s = suite_create("vault");
	TCase	*t = tcase_create("plain");

	tcase_add_checked_fixture(t, set_up, tear_down);
	tcase_add_test(t, each_becomes_what_is_for_them);
	tcase_add_test(t, a_code_is_spent);
	tcase_add_test(t, guesses_are_counted_by_user_and_by_source);
	tcase_add_test(t, one_that_is_unlocked_may_try);
	tcase_add_test(t, what_is_no_question_is_refused);
	tcase_add_test(t, the_account_answers);
	tcase_add_test(t, codes_stay_used_over_an_end_in_order);
	tcase_add_test(t, all_are_used_after_an_end_that_was_none);
	tcase_add_test(t, who_comes_after_us_has_the_state);
	tcase_add_test(t, without_a_state_all_are_used_at_first);
	tcase_add_test(t, people_come_and_go);
	tcase_add_test(t, without_room_in_the_file_nobody_is_added);
	tcase_add_test(t, a_new_secret_takes_the_place_of_the_old_one);
	tcase_add_test(t, recovery_codes_work_once_each);
	tcase_add_test(t, a_file_that_somebody_changes_is_read_again);
	tcase_add_test(t, a_code_is_tried_without_being_used);
	tcase_add_test(t, messages_come_back_and_no_prefix_of_them_does);
	suite_add_tcase(s, t);
	return unit_run(s);
}
