#include <stdlib.h>
#include <string.h>

#include "policy/guess.h"
#include "policy/used.h"
#include "unit.h"

#define NOW	1600000000
#define STEP	(NOW / 30)

static const struct onetime_rule	 rule = {
	.digits = 6, .period = 30, .window = 1,
};
static const struct access_source	 here = { "here" };
static const struct access_source	 there = { "there" };
static struct used			*used;

static void
set_up(void)
{
	used = used_new();
}

static void
tear_down(void)
{
	used_free(&used);
	ck_assert_ptr_null(used);
}

static enum used_verdict
take(const char *name, int64_t step, const struct access_source *source,
    int64_t reuse_s, int64_t now_s)
{
	return used_take(used, name, &rule, step, source, reuse_s, now_s);
}

START_TEST(a_code_works_once)
{
	ck_assert_int_eq(take("a", STEP, &here, 0, NOW), USED_OK);
	ck_assert_int_eq(take("a", STEP, &here, 0, NOW), USED_SPENT);
	ck_assert_int_eq(take("a", STEP - 1, &here, 0, NOW), USED_SPENT);
	ck_assert_int_eq(take("b", STEP, &here, 0, NOW), USED_OK);
	ck_assert_int_eq(take("a", STEP + 1, &here, 0, NOW), USED_OK);
	ck_assert_uint_eq(used_count(used), 2);
}
END_TEST

START_TEST(reuse_is_for_a_while_and_from_there)
{
	ck_assert_int_eq(take("a", STEP, &here, 30, NOW), USED_OK);
	ck_assert_int_eq(take("a", STEP, &here, 30, NOW + 29), USED_AGAIN);
	ck_assert_int_eq(take("a", STEP, &there, 30, NOW + 1), USED_SPENT);
	ck_assert_int_eq(take("a", STEP - 1, &here, 30, NOW + 1),
	    USED_SPENT);
	ck_assert_int_eq(take("a", STEP, &here, 30, NOW + 30), USED_SPENT);
	/* A clock that was set back lengthens nothing. */
	ck_assert_int_eq(take("a", STEP, &here, 30, NOW - 1), USED_SPENT);
}
END_TEST

START_TEST(what_may_have_been_used_is_spent)
{
	used_until(used, NOW + 30);
	ck_assert_int_eq(take("a", STEP + 1, &here, 0, NOW), USED_SPENT);
	ck_assert_int_eq(take("a", STEP + 2, &here, 0, NOW), USED_OK);
	used_until(used, NOW);
	ck_assert_int_eq(take("b", STEP + 1, &here, 0, NOW), USED_SPENT);
}
END_TEST

START_TEST(it_comes_back_from_its_text)
{
	char	*text;
	size_t	 len;

	used_until(used, NOW - 60);
	ck_assert_int_eq(take("a", STEP, &here, 30, NOW), USED_OK);
	ck_assert_int_eq(take("b\xc3\xa4", STEP + 1, &here, 0, NOW), USED_OK);
	ck_assert_int_eq(take("old", STEP - 100, &here, 0, NOW), USED_SPENT);
	text = used_text(used, NOW, &len);
	used_free(&used);
	used = used_new();
	ck_assert_int_eq(used_read(used, text, len), 0);
	ck_assert_uint_eq(used_count(used), 2);
	ck_assert_int_eq(take("a", STEP, &here, 30, NOW), USED_SPENT);
	ck_assert_int_eq(take("a", STEP + 1, &here, 0, NOW), USED_OK);
	ck_assert_int_eq(take("b\xc3\xa4", STEP + 1, &here, 0, NOW),
	    USED_SPENT);
	ck_assert_int_eq(take("c", STEP - 2, &here, 0, NOW), USED_SPENT);
	free(text);
}
END_TEST

START_TEST(what_is_too_old_is_forgotten)
{
	char	*text;
	size_t	 len;

	ck_assert_int_eq(take("a", STEP, &here, 0, NOW), USED_OK);
	text = used_text(used, NOW + 3600, &len);
	ck_assert_uint_eq(used_count(used), 0);
	ck_assert_str_eq(text, "until 0\n");
	free(text);
}
END_TEST

START_TEST(text_that_is_none_changes_nothing)
{
	static const char *const	 bad[] = {
		"until x\n", "until -1\n", "1 2\n", "1 2 \n", "1 2 a b\n",
		"a 2 b\n", "1 b c\n", "-1 2 a\n", "1 2 a", "1 2 a\n1 2 a\n",
		"\n",
	};

	ck_assert_int_eq(take("a", STEP, &here, 0, NOW), USED_OK);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		uint8_t	*p = unit_exact(bad[i], strlen(bad[i]));

		ck_assert_msg(used_read(used, (char *)p,
		    strlen(bad[i])) == -1, "%zu: %s", i, bad[i]);
		free(p);
	}
	ck_assert_int_eq(used_read(used, "1 2 a\0b\n", 8), -1);
	ck_assert_int_eq(take("a", STEP, &here, 0, NOW), USED_SPENT);
}
END_TEST

START_TEST(who_has_a_new_secret_begins_anew)
{
	ck_assert_int_eq(take("a", STEP, &here, 0, NOW), USED_OK);
	used_forget(used, "a");
	ck_assert_int_eq(take("a", STEP, &here, 0, NOW), USED_OK);
}
END_TEST

/* --- guess.h */

static const struct guess_rule	 guesses = { .tries = 6, .lock_ms = 60000,
	.memory_ms = 90000 };

START_TEST(the_wait_doubles_until_the_lock)
{
	static const int64_t	 wait[] = { 0, 0, 1000, 2000, 4000, 60000,
				    60000 };
	struct guess		*g = guess_new(64);
	int64_t			 now = 1000;
	bool			 locked;

	for (size_t i = 0; i < sizeof(wait) / sizeof(wait[0]); i++) {
		ck_assert_int_eq(guess_wait(g, 7, now), 0);
		ck_assert_int_eq(guess_failed(g, 7, &guesses, now, &locked),
		    wait[i]);
		ck_assert(locked == (i >= 5));
		ck_assert_int_eq(guess_wait(g, 7, now), wait[i]);
		ck_assert_int_eq(guess_wait(g, 8, now), 0);
		now += wait[i];
	}
	/* Quiet for long enough, and it begins anew. */
	now += 90000;
	ck_assert_int_eq(guess_failed(g, 7, &guesses, now, &locked), 60000);
	now += 60000 + 90002;
	ck_assert_int_eq(guess_failed(g, 7, &guesses, now, &locked), 0);
	guess_free(&g);
}
END_TEST

START_TEST(a_key_is_forgotten_when_asked)
{
	struct guess	*g = guess_new(64);
	bool		 locked;

	for (int i = 0; i < 10; i++)
		(void)guess_failed(g, 7, &guesses, 1, &locked);
	ck_assert(locked);
	ck_assert(guess_forget(g, 7));
	ck_assert(!guess_forget(g, 8));
	ck_assert_int_eq(guess_wait(g, 7, 1), 0);
	ck_assert_int_eq(guess_failed(g, 7, &guesses, 1, &locked), 0);
	guess_free(&g);
}
END_TEST

START_TEST(who_maps_its_memory_knows_what_it_knows)
{
	static _Alignas(8) uint8_t	 memory[GUESS_BYTES(64)];
	struct guess			*g = guess_in(memory, 64);
	const struct guess		*other = guess_of(memory, 64);
	bool				 locked;

	ck_assert_int_eq(guess_wait(other, 7, 1), 0);
	for (int i = 0; i < 3; i++)
		(void)guess_failed(g, 7, &guesses, 1, &locked);
	ck_assert_int_eq(guess_wait(other, 7, 1), 1000);
	guess_free(&g);
	g = guess_in(memory, 64);
	ck_assert_int_eq(guess_failed(g, 7, &guesses, 1, &locked), 2000);
	guess_free(&g);
	guess_free((struct guess **)(uintptr_t)&other);
}
END_TEST

START_TEST(a_flood_does_not_free_who_is_locked)
{
	struct guess	*g = guess_new(64);
	bool		 locked;

	for (int i = 0; i < 10; i++)
		(void)guess_failed(g, 7, &guesses, 1, &locked);
	for (uint64_t key = 100; key < 10000; key++)
		(void)guess_failed(g, key, &guesses, 1, &locked);
	ck_assert_int_eq(guess_wait(g, 7, 1), 60000);
	guess_free(&g);
}
END_TEST

int
main(void)
{
	Suite	*s = suite_create("used");
	TCase	*t = tcase_create("plain");

	tcase_add_checked_fixture(t, set_up, tear_down);
	tcase_add_test(t, a_code_works_once);
	tcase_add_test(t, reuse_is_for_a_while_and_from_there);
	tcase_add_test(t, what_may_have_been_used_is_spent);
	tcase_add_test(t, it_comes_back_from_its_text);
	tcase_add_test(t, what_is_too_old_is_forgotten);
	tcase_add_test(t, text_that_is_none_changes_nothing);
	tcase_add_test(t, who_has_a_new_secret_begins_anew);
	tcase_add_test(t, the_wait_doubles_until_the_lock);
	tcase_add_test(t, a_key_is_forgotten_when_asked);
	tcase_add_test(t, who_maps_its_memory_knows_what_it_knows);
	tcase_add_test(t, a_flood_does_not_free_who_is_locked);
	suite_add_tcase(s, t);
	return unit_run(s);
}
