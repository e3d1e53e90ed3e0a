/*
 * mysql_statements.h - the statements that a client has prepared and not
 * closed: what they say, of which types their parameters are, and what was
 * sent ahead for these.
 *
 * There is room for so many; the one that was used longest ago gives way.
 */
#ifndef SESSION_MYSQL_STATEMENTS_H
#define SESSION_MYSQL_STATEMENTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wire/mysql_values.h"

#define MYSQL_STATEMENTS_MAX	4096
#define MYSQL_STATEMENTS_BYTES	((size_t)8 * 1024 * 1024)	/* in all */
#define MYSQL_STATEMENTS_HASH	64
#define MYSQL_LAST_PREPARED	0xffffffffu	/* MariaDB: whichever it was */

struct mysql_statement {
	struct mysql_statement	*next;
	uint32_t		 id;
	uint64_t		 used;		/* when, by count */
	char			*sql;		/* as it is recorded; no NUL */
	size_t			 len;
	uint64_t		 true_len;
	bool			 secret;	/* its values are */
	size_t			 nparams;
	uint16_t		*types;
	bool			 have_types;
	struct mysql_long_data	*long_data;	/* of each, or NULL */
	size_t			 bytes;		/* that it takes */
};

/* Begins as all zero. */
struct mysql_statements {
	struct mysql_statement	*hash[MYSQL_STATEMENTS_HASH];
	size_t			 n;
	size_t			 bytes;		/* of all */
	uint64_t		 count;		/* of uses */
	uint32_t		 last;		/* prepared */
	bool			 has_last;
};

/*
 * One more, or another of that id.  `secret' and `true_len' are set by the
 * caller in what is returned, which is valid until the next is added.
 */
struct mysql_statement	*mysql_statements_add(struct mysql_statements *m,
			    const struct mysql_prepared *p, const char *sql,
			    size_t len);
/* The last one could not be prepared. */
void	 mysql_statements_none(struct mysql_statements *m);

/* NULL: none, or not any more. */
struct mysql_statement	*mysql_statements_find(struct mysql_statements *m,
			    uint32_t id);

/*
 * What is sent ahead for a parameter: n bytes at p, of `total'; no more than
 * `max' are kept of all.
 */
void	 mysql_statements_ahead(struct mysql_statements *m, uint32_t id,
	    size_t param, const uint8_t *p, size_t n, uint64_t total,
	    size_t max);
/* That is no more, as it was run or reset. */
void	 mysql_statements_forget_ahead(struct mysql_statements *m,
	    struct mysql_statement *s);

void	 mysql_statements_close(struct mysql_statements *m, uint32_t id);
void	 mysql_statements_clear(struct mysql_statements *m);

#endif
