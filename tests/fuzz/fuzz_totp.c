/*
 * What is read of people and of used codes says the same when it is written
 * and read again, and messages of auth do.
 *
 * The first byte says which of the four it is.
 */
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "policy/people.h"
#include "policy/used.h"
#include "process/code_ask.h"

static const struct onetime_rule	 usual = {
	.digits = 6, .period = 30, .hash = ONETIME_SHA1, .window = 1,
};

static void
ignore(void *ctx, unsigned int line, const char *why)
{
	(void)ctx;
	if (line == 0 || why == NULL)
		abort();
}

static void
check_person(const struct person *p, const char *text, size_t len)
{
	char			 line[PEOPLE_LINE_MAX];
	int			 n = people_line(p, &usual, line);
	struct people		*again;
	const struct person	*q;

	if (!totp_is_name(p->name, strlen(p->name)) || p->at + p->len > len ||
	    p->nsecret < ONETIME_SECRET_MIN)
		abort();
	for (size_t i = 0; i < p->nrecovery; i++)
		if (memcmp(text + p->recovery_at[i], p->recovery[i],
		    PEOPLE_RECOVERY_LEN) != 0)
			abort();
	if (n == -1)
		return;
	again = people_parse(line, (size_t)n, &usual, ignore, NULL);
	q = people_find(again, p->name);
	if (q == NULL || q->nsecret != p->nsecret ||
	    memcmp(q->secret, p->secret, p->nsecret) != 0 ||
	    strcmp(q->password, p->password) != 0 ||
	    q->nrecovery != p->nrecovery ||
	    memcmp(&q->rule, &p->rule, sizeof(p->rule)) != 0)
		abort();
	people_free(&again);
}

static void
try_people(const char *text, size_t len)
{
	struct people	*people = people_parse(text, len, &usual, ignore,
			    NULL);

	for (size_t i = 0; i < people_count(people); i++) {
		const struct person	*p = people_at(people, i);

		if (people_find(people, p->name) != p)
			abort();
		check_person(p, text, len);
	}
	people_free(&people);
}

static void
try_used(const char *text, size_t len)
{
	struct used	*used = used_new();
	char		*first, *second;
	size_t		 nfirst, nsecond;

	if (used_read(used, text, len) == 0) {
		first = used_text(used, 0, &nfirst);
		if (used_read(used, first, nfirst) == -1)
			abort();
		second = used_text(used, 0, &nsecond);
		if (nfirst != nsecond || memcmp(first, second, nfirst) != 0)
			abort();
		free(first);
		free(second);
	}
	used_free(&used);
}

static void
try_check(struct rd *r, const uint8_t *data, size_t len)
{
	struct code_check	 c;
	uint8_t			 buf[1024];
	struct wr		 w;

	if (code_check_decode(r, &c) == -1)
		return;
	wr_init(&w, buf, sizeof(buf));
	if (code_check_encode(&w, &c) == -1 || wr_len(&w) != len ||
	    memcmp(buf, data, len) != 0)
		abort();
}

static void
try_question(struct rd *r, const uint8_t *data, size_t len)
{
	struct code_question	 q;
	uint8_t			 buf[256];
	struct wr		 w;

	if (code_question_decode(r, &q) == -1)
		return;
	wr_init(&w, buf, sizeof(buf));
	if (code_question_encode(&w, &q) == -1 || wr_len(&w) != len ||
	    memcmp(buf, data, len) != 0)
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct rd	 r;

	if (size == 0)
		return 0;
	rd_init(&r, data + 1, size - 1);
	switch (data[0] & 3) {
	case 0:
		try_people((const char *)data + 1, size - 1);
		break;
	case 1:
		try_used((const char *)data + 1, size - 1);
		break;
	case 2:
		try_check(&r, data + 1, size - 1);
		break;
	default:
		try_question(&r, data + 1, size - 1);
	}
	return 0;
}
