#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "session/mysql_statements.h"

static struct mysql_statement **
place(struct mysql_statements *m, uint32_t id)
{
	struct mysql_statement	**at = &m->hash[id % MYSQL_STATEMENTS_HASH];

	while (*at != NULL && (*at)->id != id)
		at = &(*at)->next;
	return at;
}

static void
count_bytes(struct mysql_statements *m, struct mysql_statement *s, size_t n)
{
	s->bytes += n;
	m->bytes += n;
}

void
mysql_statements_forget_ahead(struct mysql_statements *m,
    struct mysql_statement *s)
{
	struct mysql_long_data	*d;

	if (s->long_data == NULL)
		return;
	for (size_t i = 0; i < s->nparams; i++) {
		d = &s->long_data[i];
		s->bytes -= d->kept.len;
		m->bytes -= d->kept.len;
		free((void *)(uintptr_t)d->kept.p);
		*d = (struct mysql_long_data){ .is_sent = false };
	}
}

static void
drop(struct mysql_statements *m, struct mysql_statement **at)
{
	struct mysql_statement	*s = *at;

	mysql_statements_forget_ahead(m, s);
	*at = s->next;
	m->n--;
	m->bytes -= s->bytes;
	free(s->long_data);
	free(s->types);
	free(s->sql);
	free(s);
}

static void
drop_oldest(struct mysql_statements *m)
{
	struct mysql_statement	**oldest = NULL, **at;

	for (size_t i = 0; i < MYSQL_STATEMENTS_HASH; i++)
		for (at = &m->hash[i]; *at != NULL; at = &(*at)->next)
			if (oldest == NULL || (*at)->used < (*oldest)->used)
				oldest = at;
	if (oldest != NULL)
		drop(m, oldest);
}

struct mysql_statement *
mysql_statements_add(struct mysql_statements *m,
    const struct mysql_prepared *p, const char *sql, size_t len)
{
	struct mysql_statement	**at = place(m, p->id), *s;

	if (*at != NULL)
		drop(m, at);
	while (m->n > 0 && (m->n == MYSQL_STATEMENTS_MAX ||
	    m->bytes + len > MYSQL_STATEMENTS_BYTES))
		drop_oldest(m);
	s = mem_calloc(1, sizeof(*s));
	s->id = p->id;
	s->used = ++m->count;
	s->sql = mem_calloc(len + 1, 1);
	if (len > 0)
		memcpy(s->sql, sql, len);
	s->len = len;
	s->true_len = len;
	s->nparams = p->params;
	if (s->nparams > 0)
		s->types = mem_calloc(s->nparams, sizeof(*s->types));
	s->next = m->hash[s->id % MYSQL_STATEMENTS_HASH];
	m->hash[s->id % MYSQL_STATEMENTS_HASH] = s;
	m->n++;
	count_bytes(m, s, sizeof(*s) + len + s->nparams * sizeof(*s->types));
	m->last = s->id;
	m->has_last = true;
	return s;
}

void
mysql_statements_none(struct mysql_statements *m)
{
	m->has_last = false;
}

struct mysql_statement *
mysql_statements_find(struct mysql_statements *m, uint32_t id)
{
	struct mysql_statement	*s;

	if (id == MYSQL_LAST_PREPARED && m->has_last)
		id = m->last;
	s = *place(m, id);
	if (s != NULL)
		s->used = ++m->count;
	return s;
}

void
mysql_statements_ahead(struct mysql_statements *m, uint32_t id, size_t param,
    const uint8_t *p, size_t n, uint64_t total, size_t max)
{
	struct mysql_statement	*s = mysql_statements_find(m, id);
	struct mysql_long_data	*d;
	uint8_t			*kept;

	if (s == NULL || param >= s->nparams)
		return;
	if (s->long_data == NULL) {
		s->long_data = mem_calloc(s->nparams, sizeof(*s->long_data));
		count_bytes(m, s, s->nparams * sizeof(*s->long_data));
	}
	d = &s->long_data[param];
	d->is_sent = true;
	d->len += total;
	if (n > max - d->kept.len)
		n = max - d->kept.len;
	if (n == 0 || m->bytes + n > 2 * MYSQL_STATEMENTS_BYTES)
		return;
	kept = mem_resize((void *)(uintptr_t)d->kept.p, d->kept.len + n, 1);
	memcpy(kept + d->kept.len, p, n);
	d->kept.p = kept;
	d->kept.len += n;
	count_bytes(m, s, n);
}

void
mysql_statements_close(struct mysql_statements *m, uint32_t id)
{
	struct mysql_statement	**at = place(m, id);

	if (*at != NULL)
		drop(m, at);
}

void
mysql_statements_clear(struct mysql_statements *m)
{
	for (size_t i = 0; i < MYSQL_STATEMENTS_HASH; i++)
		while (m->hash[i] != NULL)
			drop(m, &m->hash[i]);
	m->has_last = false;
}
