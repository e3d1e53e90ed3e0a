/*
 * query_record.h - one command that a MySQL user ran, for the record: as a
 * message between our processes, as a line of text, as a line of JSON.
 *
 * A worker encodes it when the command is over, or when the session is.  It
 * may be longer than one message, so it travels in parts: session, 8 bytes;
 * number of the part from 0 on, 4; number of parts, 4; bytes of the whole.
 *
 * What users wrote may hold any byte: a line stays one line, its fields cannot
 * be imitated, and JSON stays valid.
 */
#ifndef WIRE_QUERY_RECORD_H
#define WIRE_QUERY_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "wire/mysql_packet.h"

#define MSG_RECORD	92	/* type of the messages, see channel.h */
#define QUERY_RECORD_PART	(48 * 1024)	/* bytes of one, at most */
#define QUERY_RECORD_PART_HEAD	16		/* bytes in front of them */
/* Of a whole: the longest statement, as many bytes of values, and names. */
#define QUERY_RECORD_MAX	(2 * 16 * 1024 * 1024 + 8192)

enum query_outcome {
	QUERY_UNANSWERED,	/* the session was over before the answer */
	QUERY_DONE,		/* OK, or a command that nobody answers */
	QUERY_ROWS,		/* a result set, or several */
	QUERY_ERROR,		/* the server said no */
	QUERY_DENIED,		/* we said no */
};

/*
 * A value of a prepared statement, as a list of them is kept: kind, 1 byte;
 * true length, 8 bytes; bytes that are kept, 4; the bytes.
 */
enum query_value {
	QUERY_NULL,
	QUERY_NUMBER,		/* digits, "-", one point, an exponent */
	QUERY_TEXT,		/* a string, a blob, a date: any bytes */
	QUERY_NEXT_ROW,		/* of a bulk: no value, but a border */
	QUERY_UNKNOWN,		/* one that could not be told */
	QUERY_SECRET,		/* not for the record */
};

struct query_record {
	uint64_t		 session;
	uint64_t		 began_us;	/* io_wall_us() */
	uint64_t		 first_us;	/* until its first answer */
	uint64_t		 total_us;	/* until its last */
	uint8_t			 command;	/* MYSQL_COM_* */
	enum query_outcome	 outcome;
	uint16_t		 error;		/* code, with QUERY_ERROR and
						   QUERY_DENIED */
	uint64_t		 rows;		/* sent to the client */
	uint64_t		 affected;
	uint32_t		 number;	/* statement id, or of a KILL */
	uint16_t		 bind_port;	/* that the client came to; 0 */
	struct mysql_bytes	 listener;	/* its name */
	struct mysql_bytes	 client;	/* "192.0.2.7:29110" */
	struct mysql_bytes	 server;
	struct mysql_bytes	 user;
	struct mysql_bytes	 database;
	struct mysql_bytes	 charset;	/* client's: "utf8mb4" */
	struct mysql_bytes	 statement;	/* SQL, schema, table; cut */
	uint64_t		 statement_len;	/* its true one */
	struct mysql_bytes	 values;	/* a list; len 0: none */
	bool			 values_cut;	/* there were more */
};

/* Encode; wr_ok() tells whether it fitted.  QUERY_RECORD_MAX always does. */
void	 query_record_encode(struct wr *w, const struct query_record *q);
/* Bytes that it takes. */
size_t	 query_record_size(const struct query_record *q);
/* 0, or -1 when it is malformed; strings point into r's bytes. */
int	 query_record_decode(struct rd *r, struct query_record *q);

/* One value of a list; false at its end.  Of a decoded record none is bad. */
struct query_value_at {
	enum query_value	 kind;
	uint64_t		 len;		/* true length */
	struct mysql_bytes	 bytes;		/* what is kept of it */
};
bool	 query_value_next(struct rd *list, struct query_value_at *v);
/* Add one to a list of values. */
void	 query_value_add(struct wr *list, enum query_value kind,
	    const void *bytes, size_t kept, uint64_t len);

/*
 * Render one line with its newline into buf of query_record_room() bytes,
 * without a NUL.  Returns the bytes.
 *
 * Text is what users of portproxy know, and a tab, which nothing before it
 * can hold, with what was not told there:
 *
 *	2017/01/12 17:27:32 From 10.0.21.7:29110 To 10.0.21.5:3301; Query: \
 *	select 1<tab>id=... user=app db=shop rows=1 first_ms=0.210 ms=0.233
 */
size_t	 query_record_room(const struct query_record *q);
size_t	 query_record_text(const struct query_record *q, bool stamp,
	    char *buf);
size_t	 query_record_json(const struct query_record *q, char *buf);

/* "Query", "Prepare Query": what portproxy calls the command; never NULL. */
const char	*query_record_label(uint8_t command);

/*
 * What stands behind the label: the statement, or what says the same of a
 * command that has none.  Into buf of query_record_room() bytes, any bytes,
 * nothing escaped; the bytes.  It is what the table's sql_string holds.
 */
size_t	 query_record_string(const struct query_record *q, char *buf);

#endif
