/*
 * Of what is accepted, the encoding is the same; text is one line with one
 * tab and no other control byte; JSON is strict, and its statement is the one
 * that was sent, byte for byte.
 */
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "json.h"
#include "wire/query_record.h"

static void
must(bool so)
{
	if (!so)
		abort();
}

struct seen {
	const struct query_record	*q;
	size_t				 statements;
};

static void
on_member(void *ctx, const char *name, size_t name_len, bool raw,
    const char *value, size_t len)
{
	struct seen	*s = ctx;

	if (name_len != 9 || memcmp(name, "statement", 9) != 0)
		return;
	s->statements++;
	must(!raw && len == s->q->statement.len &&
	    memcmp(value, s->q->statement.p, len) == 0);
}

static void
check_text(const struct query_record *q, char *line)
{
	size_t	 n = query_record_text(q, true, line), tabs = 0;

	must(n > 0 && n <= query_record_room(q) && line[n - 1] == '\n');
	for (size_t i = 0; i + 1 < n; i++) {
		must((unsigned char)line[i] >= ' ' || line[i] == '\t');
		must(line[i] != 0x7f);
		tabs += line[i] == '\t';
	}
	must(tabs == 1);
}

static void
check_json(const struct query_record *q, char *line)
{
	size_t		 n = query_record_json(q, line);
	struct seen	 s = { q, 0 };

	must(n > 0 && n <= query_record_room(q) && line[n - 1] == '\n');
	must(json_object(line, n - 1, on_member, &s));
	must(s.statements == (q->statement.len > 0 ? 1 : 0));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct query_record	 q;
	struct rd		 r;
	struct wr		 w;
	uint8_t			*again;
	char			*line;

	rd_init(&r, data, len);
	if (len > 64 * 1024 || query_record_decode(&r, &q) == -1)
		return 0;
	must(query_record_size(&q) == len);
	again = malloc(len);
	line = malloc(query_record_room(&q));
	must(again != NULL && line != NULL);
	wr_init(&w, again, len);
	query_record_encode(&w, &q);
	must(wr_ok(&w) && wr_len(&w) == len && memcmp(again, data, len) == 0);
	check_text(&q, line);
	check_json(&q, line);
	must(query_record_string(&q, line) <= query_record_room(&q));
	free(again);
	free(line);
	return 0;
}
