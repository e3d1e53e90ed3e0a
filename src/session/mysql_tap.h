/*
 * mysql_tap.h - what goes on in a MySQL session after its login: which
 * commands the client gives, and what the server answers to each.
 *
 * It follows both directions, as only both together tell what a packet is:
 * what a client sends is a command, unless the server has asked for a file.
 * Commands may be sent before earlier ones are answered; answers come in the
 * order of commands, and one that nobody answers is over when those before it
 * are.
 *
 * Where it cannot follow any more, the session must end: a command that it
 * does not see would be missing in the record.
 *
 * Source: MySQL Internals, "Command Phase", "Text Resultset", "COM_QUERY
 * Response"; MariaDB, "Result Set Packets".
 */
#ifndef SESSION_MYSQL_TAP_H
#define SESSION_MYSQL_TAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wire/mysql_packet.h"
#include "wire/mysql_values.h"
#include "wire/query_record.h"

#define MYSQL_TAP_COMMANDS	64	/* not yet answered, at a time */
#define MYSQL_TAP_HEAD		512	/* bytes of an answer that are read */
#define MYSQL_TAP_SCHEMA	256	/* of a name; 64 characters */

/* What a session that is followed must not agree on. */
#define MYSQL_TAP_BLIND	(MYSQL_CAP_COMPRESS | MYSQL_CAP_ZSTD | \
    MYSQL_CAP_OPTIONAL_METADATA)
/* And what of MariaDB's it may: progress, bulks, metadata. */
#define MYSQL_TAP_MARIADB	0x3du

struct mysql_tap_command {
	uint8_t			 command;	/* MYSQL_COM_* */
	uint8_t			*payload;	/* kept, behind that byte */
	size_t			 len, room;
	uint64_t		 total;		/* its true length */
	uint64_t		 began_wall_us;	/* io_wall_us() */
	int64_t			 began_us;	/* io_now_us() */
	int64_t			 first_us;	/* 0: no answer */
	int64_t			 done_us;
	enum query_outcome	 outcome;
	uint16_t		 error;		/* code of QUERY_ERROR */
	uint64_t		 rows, affected;
	struct mysql_prepared	 prepared;	/* of STMT_PREPARE */
	struct mysql_bytes	 schema;	/* the server says that this one
						   is in use now; p NULL: it
						   says nothing; until `done'
						   returns */
};

/* Told of each command once, in their order.  False: end the session. */
typedef bool	 mysql_tap_done(void *ctx, struct mysql_tap_command *c);

/* Why the client's bytes are stopped. */
enum mysql_tap_stop {
	MYSQL_TAP_NOT,
	MYSQL_TAP_WAIT,		/* until earlier ones are answered */
	MYSQL_TAP_CHANGE_USER,	/* a login goes on: mysql_watch.h */
	MYSQL_TAP_DENY,		/* a command of tap->deny */
	MYSQL_TAP_FAILED,	/* see tap->why */
};

/* One direction. */
struct mysql_tap_side {
	uint8_t	 header[MYSQL_HEADER_LEN];
	size_t	 nheader;		/* bytes of it that came */
	uint32_t left;			/* of the packet */
	uint32_t len;			/* of the packet */
	bool	 goes_on;		/* in the next one */
	bool	 inside;		/* a message has begun */
	uint8_t	 seq;			/* of the next, in a message */
};

/* Begins as all zero but for the first four. */
struct mysql_tap {
	uint32_t		 caps, mariadb_caps;	/* agreed on */
	size_t			 keep;		/* bytes of a command */
	const uint8_t		*deny;		/* bit n: command n; or NULL */
	mysql_tap_done		*done;
	void			*ctx;
	enum mysql_tap_stop	 stop;
	const char		*why;		/* it failed */
	/* The rest is mysql_tap.c's. */
	struct mysql_tap_side	 client, server;
	struct mysql_tap_command commands[MYSQL_TAP_COMMANDS];
	size_t			 first, ncommands;
	size_t			 kept;		/* bytes of all of them */
	bool			 receiving;	/* the last one */
	bool			 file;		/* the client sends one */
	int			 at;		/* in the answer */
	uint32_t		 definitions;	/* to come */
	uint8_t			 head[MYSQL_TAP_HEAD];	/* of an answer */
	size_t			 nhead;
	uint64_t		 total;		/* its packets that are over */
	uint8_t			 schema[MYSQL_TAP_SCHEMA];
};

/* Two flow_look()s; ctx is the tap. */
size_t	 mysql_tap_client(void *ctx, const uint8_t *p, size_t n, bool *stop);
size_t	 mysql_tap_server(void *ctx, const uint8_t *p, size_t n, bool *stop);

/* Is there an answer to such a command? */
bool	 mysql_tap_is_answered(uint8_t command);

/* Has come what the client's bytes were stopped for? */
bool	 mysql_tap_is_ready(struct mysql_tap *tap);

/*
 * A command that the client's bytes were stopped for was led by others: told
 * of as if the tap had.  What may be kept of it, and its true length, the
 * byte of the command left out.
 */
bool	 mysql_tap_others(struct mysql_tap *tap, uint8_t command,
	    struct mysql_bytes payload, uint64_t total,
	    enum query_outcome outcome, uint16_t error);

/*
 * The session is over: tell of those commands that were not answered.  Frees
 * what the tap holds.
 */
void	 mysql_tap_end(struct mysql_tap *tap);

#endif
