/*
 * netroxy.h - commands of Netroxy's protocol, version 0.3, as text lines.
 *
 * A command is a word and then its fields, each ended by one "\n" and nothing
 * else, without a NUL; booleans are "true" and "false", numbers decimal.
 *
 *	ATH	client name, user name, password	client to server
 *	ARS	true, timeout in s, token; or false	server to client
 *	MAP	port, address, whether it is open	client to server
 *	MRS	port, whether it is so			server to client
 *	TRQ	port: a connection is wanted		server to client
 *	TRS	token, port; then what is relayed	client to server
 *	SRQ, SRS	are you there; yes		client to server, back
 *
 * Source: what Netroxy's own programs say to each other; sallyport(7) has it.
 */
#ifndef WIRE_NETROXY_H
#define WIRE_NETROXY_H

#include <sys/types.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NETROXY_LINE_MAX	256	/* bytes of one, its end included */
#define NETROXY_MAX		(4 * NETROXY_LINE_MAX)	/* of a command */
#define NETROXY_TOKEN_MAX	64	/* bytes; 32 are usual */

enum netroxy_command {
	NETROXY_OTHER,		/* a line that is none: to be passed over */
	NETROXY_ATH,
	NETROXY_ARS,
	NETROXY_MAP,
	NETROXY_MRS,
	NETROXY_TRQ,
	NETROXY_TRS,
	NETROXY_SRQ,
	NETROXY_SRS,
	NETROXY_COMMANDS
};

struct netroxy_text {
	const char	*p;
	size_t		 len;
};

struct netroxy {
	enum netroxy_command	 command;
	struct netroxy_text	 client, user, password;	/* ATH */
	bool			 ok;		/* ARS, MAP (open), MRS */
	uint32_t		 timeout;	/* ARS, s */
	struct netroxy_text	 token;		/* ARS, TRS */
	uint32_t		 port;		/* MAP, MRS, TRQ, TRS */
	struct netroxy_text	 address;	/* MAP */
};

/*
 * The command that the bytes begin with: how many it has; 0 when there are to
 * be more; -1 when it is none, or a line is too long.  Texts point into buf.
 */
ssize_t	 netroxy_decode(const char *buf, size_t len, struct netroxy *m);

/* Its length; -1 when it does not fit, or a text has what no line can. */
ssize_t	 netroxy_encode(const struct netroxy *m, char *buf, size_t size);

/* Is the text that string? */
bool	 netroxy_is(const struct netroxy_text *t, const char *s);

#endif
