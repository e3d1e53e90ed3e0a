/*
 * mysql_recorder.h - from what a MySQL client did and the server answered to
 * records: with the statement that was prepared and its values, the user, the
 * schema in use.
 */
#ifndef SESSION_MYSQL_RECORDER_H
#define SESSION_MYSQL_RECORDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "session/mysql_statements.h"
#include "session/mysql_tap.h"
#include "wire/query_record.h"

/* Begins as all zero but for the tap's first four, and these. */
struct mysql_recorder {
	struct mysql_tap	 tap;		/* done and ctx are ours */
	const uint8_t		*commands;	/* bit n: record command n;
						   NULL: record nothing */
	bool			 redact;
	struct query_record	 q;		/* what all have in common:
						   session to charset; strings
						   are the caller's */
	/* False: end the session. */
	bool			 (*send)(void *ctx,
				    const struct query_record *q);
	void			*ctx;
	uint8_t			 deny[MYSQL_COMMANDS / 8]; /* of the tap */
	/* The rest is mysql_recorder.c's. */
	uint8_t			 schema[MYSQL_TAP_SCHEMA];
	struct mysql_statements	 statements;
	uint8_t			*values;	/* room for those of one */
};

/* `schema' is the one that the login named; none: p NULL. */
void	 mysql_recorder_begin(struct mysql_recorder *r,
	    struct mysql_bytes schema);

/* COM_CHANGE_USER was led by others; r->q.user is set by the caller. */
bool	 mysql_recorder_changed(struct mysql_recorder *r,
	    struct mysql_bytes schema, enum query_outcome outcome,
	    uint16_t error);

/* The session is over.  Records what is left and frees it all. */
void	 mysql_recorder_end(struct mysql_recorder *r);

#endif
