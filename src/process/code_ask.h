/*
 * code_ask.h - a worker's line to auth, who has the secrets and the accounts.
 *
 *	MSG_CODE_CHECK	generation u32, listener u32, source 9 bytes, how u8
 *			(enum prove_how), nonce 20 bytes, user u8 and so many
 *			bytes; 0 u8, or 1 and how u8, nonce 20 bytes, u8 and so
 *			many bytes for a code that came apart; what the client
 *			answered, to the end; the client's socket
 *			-> verdict u8 (enum code_verdict), seconds u32 until
 *			it may be tried again, account u32 (its number in the
 *			configuration), grant u64, 20 bytes of
 *			mysql_native_stored()
 *	MSG_CODE_ANSWER	grant u64, how u8 (enum code_answer), nonce u8 and so
 *			many bytes; what else the server said, to the end
 *			-> what to answer; nothing: it is not answered
 *	MSG_CODE_STILL	user, to the end
 *			-> does that one have codes: 0 or 1, u8
 *
 * A grant is for the line that it came by, once for each `how' (twice for
 * CODE_SHA2, see warm.h) and for half a minute: whose it is auth alone decides.
 */
#ifndef PROCESS_CODE_ASK_H
#define PROCESS_CODE_ASK_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "policy/access.h"
#include "policy/prove.h"

#define CODE_ASK_MS		3000	/* that an answer may take */
#define CODE_STILL_MS		300	/* the same, while a session waits */
#define CODE_NONCE_MAX		64	/* bytes of a server's */
#define CODE_APART_MAX		64	/* of a code that came apart */
#define CODE_MORE_MAX		64	/* and of what else it says */
#define CODE_ANSWER_MAX		1024	/* RSA of 8192 bits */

enum code_verdict {
	CODE_OK,
	CODE_DENIED,
	CODE_WAIT,			/* too many tries */
	CODE_LATER,			/* the secret cannot be had now */
};

enum code_answer {
	CODE_NATIVE,			/* mysql_native_password */
	CODE_SHA2,			/* caching_sha2_password */
	CODE_SHA2_SEALED,		/* the same, to the pinned key */
	CODE_PARSEC,
	CODE_ED25519,
	CODE_ANSWERS,			/* so many there are */
};

struct code_check {
	uint32_t		 generation, listener;
	struct access_source	 source;
	char			 user[TOTP_NAME_MAX];
	struct prove_answer	 answer;
	bool			 apart;
	struct prove_answer	 code;		/* if it is */
};

struct code_pass {
	enum code_verdict	 verdict;
	uint32_t		 wait_s;
	uint32_t		 account;
	uint64_t		 grant;
	uint8_t			 stored[MYSQL_SHA1_LEN];
};

struct code_question {
	uint64_t		 grant;
	enum code_answer	 how;
	struct mysql_bytes	 nonce, more;
};

struct code_line;

struct code_line	*code_ask_new(int rendezvous, uint32_t generation);
void			 code_ask_free(struct code_line **line);
/* The login is over. */
void			 code_ask_hang_up(struct code_line *line);

/*
 * Is that who it says?  The generation is filled in; `client' is its socket.
 * 0, or -1 when nobody answers, which was logged.
 */
int	 code_ask_check(struct code_line *line, struct code_check *check,
	    int client, struct code_pass *pass);

/* The answer to a server, into CODE_ANSWER_MAX bytes; its length, or -1. */
ptrdiff_t	 code_ask_answer(struct code_line *line,
		    const struct code_question *q, uint8_t *out);

/* Does a user who is logged in still have codes?  1, 0, or -1: none says. */
int	 code_ask_still(struct code_line *line, const char *user);

/* Payloads; 0, or -1.  What was decoded points into what was read. */
int	 code_check_encode(struct wr *w, const struct code_check *check);
int	 code_check_decode(struct rd *r, struct code_check *check);
int	 code_pass_encode(struct wr *w, const struct code_pass *pass);
int	 code_pass_decode(struct rd *r, struct code_pass *pass);
int	 code_question_encode(struct wr *w, const struct code_question *q);
int	 code_question_decode(struct rd *r, struct code_question *q);

#endif
