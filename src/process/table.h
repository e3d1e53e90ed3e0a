/*
 * table.h - rows on their way into a table of a database, which may be slow,
 * or away.
 *
 * Nothing here waits: rows are kept, up to a bound, and written many at a time
 * when the database takes them.
 */
#ifndef PROCESS_TABLE_H
#define PROCESS_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/loop.h"
#include "policy/conf.h"
#include "wire/query_record.h"

#define TABLE_ROWS_MAX	20000			/* that may wait */
#define TABLE_BYTES_MAX	((size_t)32 * 1024 * 1024)	/* of these */

struct dblib;
struct table;

/* Runs in the loop, by a libmariadb that stays loaded. */
struct table	*table_new(struct loop *loop, const struct dblib *lib);

/*
 * Where to, and the password.  It keeps copies: sessions of a generation that
 * is no more may have been the last to fill it.
 */
void		 table_configure(struct table *t, const struct conf_table *to,
		    const char *password);

/* Take a record; false when there is no room. */
bool		 table_add(struct table *t, const struct query_record *q);
/* One that had no room was given up; it is told when there is room again. */
void		 table_lost(struct table *t, uint64_t n);

/* Is there anything that has not been written? */
bool		 table_is_empty(const struct table *t);
/* What could not be written until now is lost. */
void		 table_free(struct table **t);

#endif
