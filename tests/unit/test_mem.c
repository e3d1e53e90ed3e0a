#include <sys/mman.h>

#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "unit.h"

#define CHUNKS		2000
#define SIZES		64
#define STACK_USED	(100 * 1024)

/* Tests of what only glibc's malloc does; a checker has put its own there. */
static bool
malloc_is_known(void)
{
#ifdef __GLIBC__
	void	*p = malloc(100);
	bool	 known = mallinfo2().uordblks >= 100;

	free(p);
	return known;
#else
	return false;
#endif
}

static char	*chunks[CHUNKS];
static char	*highest;

/* Every second of many chunks is free, of all sizes up to some kilobytes. */
static void
make_holes(void)
{
	for (size_t i = 0; i < CHUNKS; i++) {
		chunks[i] = malloc(16 + i * 7 % 3000);
		ck_assert_ptr_nonnull(chunks[i]);
		if (chunks[i] > highest)
			highest = chunks[i];
	}
	for (size_t i = 0; i < CHUNKS; i += 2)
		free(chunks[i]);
}

START_TEST(what_is_allocated_after_holes_were_filled_lies_behind_all)
{
	char	*last = NULL;

	if (!malloc_is_known())
		return;
	make_holes();
	mem_fill_holes();
	for (size_t i = 1; i < SIZES; i++) {
		char	*p = malloc(i * 16);

		ck_assert_ptr_nonnull(p);
		ck_assert(p > highest);
		ck_assert(last == NULL || p > last);
		last = p;
	}
}
END_TEST

START_TEST(holes_are_filled_once_and_what_is_left_stays_usable)
{
	make_holes();
	mem_fill_holes();
	mem_fill_holes();
	for (size_t i = 1; i < CHUNKS; i += 2) {
		memset(chunks[i], 1, 16);
		free(chunks[i]);
	}
}
END_TEST

/* Use much of the stack, and tell where it was the deepest. */
static __attribute__((noinline)) void
go_deep(uintptr_t *deepest)
{
	volatile char	 deep[STACK_USED];

	for (size_t i = 0; i < sizeof(deep); i++)
		deep[i] = 1;
	*deepest = (uintptr_t)&deep[0];
}

static bool
is_resident(uintptr_t at)
{
	uintptr_t	 page = (uintptr_t)sysconf(_SC_PAGESIZE);
	unsigned char	 there = 0;

	ck_assert_int_eq(mincore((void *)(at / page * page), page, &there),
	    0);
	return there & 1;
}

START_TEST(the_stack_that_was_needed_is_given_back)
{
	uintptr_t	 deepest;

	go_deep(&deepest);
	ck_assert(is_resident(deepest));
	mem_give_back();
	ck_assert(!is_resident(deepest));
	ck_assert(is_resident((uintptr_t)__builtin_frame_address(0)));
}
END_TEST

START_TEST(the_heap_that_was_needed_is_given_back)
{
	char		*p[CHUNKS], *fence;
	uintptr_t	 middle;

	if (!malloc_is_known())
		return;
	for (size_t i = 0; i < CHUNKS; i++) {
		p[i] = malloc(1000);
		memset(p[i], 1, 1000);
	}
	/* Or all would go back by itself: too large for what is free. */
	fence = malloc(100000);
	ck_assert(fence > p[CHUNKS / 2]);
	middle = (uintptr_t)p[CHUNKS / 2];
	for (size_t i = 0; i < CHUNKS; i++)
		free(p[i]);
	ck_assert(is_resident(middle));
	mem_give_back();
	ck_assert(!is_resident(middle));
	free(fence);
}
END_TEST

int
main(void)
{
	Suite	*s = suite_create("mem");
	TCase	*tc = tcase_create("mem");

	suite_add_tcase(s, tc);
	tcase_add_test(tc,
	    what_is_allocated_after_holes_were_filled_lies_behind_all);
	tcase_add_test(tc,
	    holes_are_filled_once_and_what_is_left_stays_usable);
	tcase_add_test(tc, the_stack_that_was_needed_is_given_back);
	tcase_add_test(tc, the_heap_that_was_needed_is_given_back);
	return unit_run(s);
}
