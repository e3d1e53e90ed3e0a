/*
 * mysql_login.h - a MySQL session from its first byte until the server has
 * let the client in, with TLS ended on either side.
 *
 * Two ways to greet.  With the server's own greeting, which takes a server
 * first; the client then has the server's thread id.  Or with one of ours,
 * made from what is known of the servers: then nothing reaches a server
 * before the client has answered, and scanners cost it nothing.  The server
 * then has to ask the client once more, as the client's first answer was made
 * for our nonce.
 *
 * What the client is offered and what it answers with are cut down to what
 * all three can do; the server hears the same capabilities in both packets
 * that have them.
 */
#ifndef SESSION_MYSQL_LOGIN_H
#define SESSION_MYSQL_LOGIN_H

#include <openssl/evp.h>

#include <stdbool.h>
#include <stdint.h>

#include "session/end.h"
#include "session/mysql_code.h"
#include "session/mysql_exchange.h"
#include "session/stream.h"
#include "session/tls.h"
#include "session/told.h"

#define MYSQL_VERSION_MAX	64	/* bytes with the NUL, which may cut */

/* What a greeting of ours says: the least that all servers can. */
struct mysql_known {
	uint32_t	 caps, mariadb_caps;
	uint8_t		 charset;
	char		 version[MYSQL_VERSION_MAX];
};

enum mysql_back_tls {
	MYSQL_BACK_PLAIN,
	MYSQL_BACK_PREFER,		/* where the server offers it */
	MYSQL_BACK_REQUIRE,
};

/* A connection to a server. */
struct mysql_dialled {
	int			 fd;		/* stays the caller's */
	bool			 local;		/* it keeps a secret as it is */
	const char		*name;		/* that its certificate must
						   have, or NULL */
	/* A stream over it already, which the login takes over; or NULL. */
	struct stream		*tunnel;
	const char		*tunnel_tls;	/* its version, or NULL */
};

struct mysql_rules {
	const struct mysql_known *known;	/* NULL: the server greets */
	struct tls_server	*tls;		/* NULL: none is offered */
	bool			 tls_required;
	bool			 compression, local_infile;
	bool			 followed;	/* nothing that mysql_tap.h
						   cannot see through */
	enum mysql_back_tls	 back_tls;
	struct tls_client	*back_client;	/* with back_tls */
	EVP_PKEY		*server_key;	/* pinned, or NULL */
	/* Connect to a server: 0, or -1 with *end and *why. */
	int			 (*dial)(void *ctx, struct mysql_dialled *d,
				    enum end *end, const char **why);
	/* Close that connection, for another one is dialled.  With codes. */
	void			 (*hang_up)(void *ctx);
	void			*ctx;
	uint32_t		 thread_id;	/* of a greeting of ours */
	const struct mysql_codes *codes;	/* NULL: the server knows who
						   may; else we greet */
};

struct mysql_login {
	struct stream		*front, *back;	/* the caller's to free */
	struct tls_facts	 front_tls;	/* version NULL: plain */
	struct tls_facts	 back_tls;
	uint32_t		 caps, mariadb_caps;	/* agreed on */
	uint32_t		 back_caps;	/* as the server was told */
	uint32_t		 thread_id;
	struct mysql_who	 who;
	char			 account[MYSQL_USER_MAX];	/* with codes,
						   whom it has become */
	char			 why[MYSQL_EXCHANGE_WHY_MAX];
	bool			 server_vouched;	/* see signed_ok */
	struct mysql_known	 server;	/* its greeting; version ""
						   until there was one */
	struct mysql_exchange	 x;		/* goes on for CHANGE_USER */
};

/*
 * Log in whoever is at `front', until `deadline' (io_now_ms), hearing signals.
 * 0: both streams are at the first command.  Or -1 with *end and l->why; the
 * client has been told why, and the streams that there are may be closed
 * in order.  mysql_login_end() in either case, before the streams are freed.
 */
int	 mysql_login_run(struct mysql_login *l, const struct mysql_rules *r,
	    int front, bool front_local, int64_t deadline,
	    const struct told *told, enum end *end);
void	 mysql_login_end(struct mysql_login *l);

/*
 * Tell a client that waits for a greeting why there is none, if it takes
 * that without a wait.
 */
void	 mysql_login_deny(int front, uint16_t code, const char *text);

#endif
