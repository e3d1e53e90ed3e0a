/*
 * mysql_code.h - a MySQL login whose password has a one-time code in it.
 *
 * Of the client's answer somebody else says whether it is right; nothing
 * reaches a server before that.  The server is then logged in to with an
 * account whose password is not here either: its nonce is passed on to who
 * knows, and what comes back to it.
 *
 * Clients are greeted with mysql_native_password, which all of them know or
 * answer with caching_sha2_password, and then are asked to use that.
 *
 * Source: MySQL Source Code Documentation, "Authentication Method Change".
 */
#ifndef SESSION_MYSQL_CODE_H
#define SESSION_MYSQL_CODE_H

#include <sys/types.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "session/mysql_exchange.h"
#include "wire/mysql_handshake.h"
#include "wire/mysql_scramble.h"

#define MYSQL_CODE_ANSWER_MAX	1024	/* bytes */

enum mysql_code_by {
	MYSQL_CODE_BY_NATIVE,
	MYSQL_CODE_BY_SHA2,
	MYSQL_CODE_BY_CLEAR,
};

/* A client's answer. */
struct mysql_code_said {
	enum mysql_code_by	 by;
	uint8_t			 nonce[MYSQL_NONCE_LEN];
	struct mysql_bytes	 answer;
};

struct mysql_code_try {
	struct mysql_bytes	 user;
	struct mysql_code_said	 password;
	struct mysql_code_said	 code;		/* if asked for apart */
};

/* What is said of it. */
struct mysql_code_pass {
	bool			 right;
	uint32_t		 wait_s;	/* unread: too many tries */
	struct mysql_bytes	 account;	/* that it becomes */
	struct mysql_bytes	 database;	/* if it names none */
	uint8_t			 stored[MYSQL_SHA1_LEN];	/* of its
						   password */
};

/* What a server is answered for the account. */
enum mysql_code_how {
	MYSQL_CODE_NATIVE,
	MYSQL_CODE_SHA2,
	MYSQL_CODE_SHA2_SEALED,		/* to the key that is pinned */
	MYSQL_CODE_PARSEC,
	MYSQL_CODE_ED25519,
};

struct mysql_codes {
	/* 0; or -1 when nobody can say. */
	int		(*check)(void *ctx, const struct mysql_code_try *t,
			    struct mysql_code_pass *p);
	/* Into MYSQL_CODE_ANSWER_MAX bytes; its length, or -1. */
	ssize_t		(*answer)(void *ctx, enum mysql_code_how how,
			    struct mysql_bytes nonce, struct mysql_bytes more,
			    uint8_t *out);
	/*
	 * Have the server of the last dial told the password by others: 0, or
	 * -1 with *why.
	 */
	int		(*warm)(void *ctx, const char **why);
	bool		 apart;		/* the code is not in the password: a
					   second factor, or a question */
	void		*ctx;
	const char	*from;		/* the client's host, for what it is
					   told */
};

/* A login with a code, between its two halves. */
struct mysql_code {
	const struct mysql_codes *codes;
	struct mysql_code_pass	 pass;
	bool			 sha2;		/* the client's plugin */
	bool			 vouch;		/* it may check the OK */
	bool			 cold;		/* the server wants the password
						   itself */
	uint8_t			 nonce[MYSQL_NONCE_LEN];	/* its last */
};

/*
 * The front half: from the client's first answer to our greeting, which had
 * that nonce, until it is known who it is.  0, or -1 with *end and x's why and
 * refusal.
 */
int	 mysql_code_prove(struct mysql_code *c, struct mysql_exchange *x,
	    const struct mysql_response *client, const uint8_t *nonce,
	    enum end *end);

/*
 * The back half: after the server was told the account, until it has said its
 * OK, and the client has it too.  With -1 and `cold' nothing was said to the
 * client yet, and the server that was told meanwhile is to be logged in to once
 * more.  `caps' are agreed on.  `certificate' is the
 * SHA-256 of ours, if the client came by TLS, or NULL.
 */
int	 mysql_code_serve(struct mysql_code *c, struct mysql_exchange *x,
	    uint32_t caps, const uint8_t *certificate, enum end *end);

#endif
