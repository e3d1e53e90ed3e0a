/*
 * mysql_exchange.h - the part of a MySQL login that a plugin leads: from the
 * client's first answer, or COM_CHANGE_USER, to the server's OK or error.
 *
 * Packets go from side to side as they come, whoever speaks; each side has
 * its own sequence numbers.  Where TLS is on one side only, the two do not
 * speak of the same thing, and we speak for each of them:
 *
 *	front TLS, back plain	the client sends its password, as it would to
 *				the server by TLS.  We ask the server for
 *				its key, or have it, and pass the password on
 *				encrypted.
 *	front plain, back TLS	the client asks for a key, which the server
 *				gives by plain connections only.  It is given
 *				one of ours, made for it, and the server the
 *				password, inside TLS.
 *
 * Plugins that send a password in clear are let through only where both sides
 * keep a secret.
 */
#ifndef SESSION_MYSQL_EXCHANGE_H
#define SESSION_MYSQL_EXCHANGE_H

#include <openssl/evp.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "session/end.h"
#include "session/mysql_side.h"
#include "session/told.h"

#define MYSQL_EXCHANGE_ROUNDS	32	/* packets of both, at the most */
#define MYSQL_EXCHANGE_WHY_MAX	256	/* bytes */
#define MYSQL_PLUGIN_MAX	64	/* bytes of a plugin's name, and NUL */
#define MYSQL_PLUGIN_DATA_MAX	256
#define MYSQL_USER_MAX		129	/* bytes with the NUL; 32 characters */
#define MYSQL_SCHEMA_MAX	257	/* bytes with the NUL; 64 characters */

/* What a client says of itself with a login. */
struct mysql_who {
	char	 user[MYSQL_USER_MAX];		/* may be cut */
	char	 schema[MYSQL_SCHEMA_MAX];	/* "" for none */
	uint8_t	 charset;			/* a collation's number */
};

/* What a client is told when it is we who say no. */
struct mysql_refusal {
	uint16_t	 code;		/* 0: nothing */
	const char	*state;		/* SQLSTATE, 5 characters */
	char		 text[MYSQL_EXCHANGE_WHY_MAX];
};

struct mysql_exchange {
	struct mysql_side	 front, back;
	bool			 front_secure;	/* TLS, or a local socket */
	bool			 back_secure;
	EVP_PKEY		*server_key;	/* pinned, or NULL */
	int64_t			 deadline;	/* io_now_ms() */
	const struct told	*told;
	/* What it was at when it ended. */
	struct mysql_refusal	 refusal;
	char			 why[MYSQL_EXCHANGE_WHY_MAX];
	bool			 signed_ok;	/* the OK vouches for a
						   certificate */
	uint16_t		 error;		/* code of the server's, or 0 */
	/* The rest is mysql_exchange.c's. */
	char			 plugin[MYSQL_PLUGIN_MAX];
	uint8_t			 data[MYSQL_PLUGIN_DATA_MAX];
	size_t			 ndata;
	bool			 full;		/* caching_sha2_password wants
						   the password itself */
	bool			 server_waits;	/* for a packet from us */
	bool			 settled;	/* the server has said its OK
						   or error */
	uint8_t			*password;	/* until the server's key is
						   here */
	size_t			 npassword;
	EVP_PKEY		*pair;		/* that the client was given */
};

/* Both sides' streams are set later, as they come to be. */
void	 mysql_exchange_init(struct mysql_exchange *x, int64_t deadline,
	    const struct told *told);
/* Frees, and wipes, what it has; streams are the caller's. */
void	 mysql_exchange_end(struct mysql_exchange *x);

/*
 * The plugin that the server named, with what it sent for it: of its greeting
 * or of a switch.
 */
void	 mysql_exchange_set_plugin(struct mysql_exchange *x,
	    struct mysql_bytes plugin, struct mysql_bytes data);

/* Another one, with the data of the last: of a client that changes its user. */
void	 mysql_exchange_rename_plugin(struct mysql_exchange *x,
	    struct mysql_bytes plugin);

/* Fill in what a login said; strings that are too long are cut. */
void	 mysql_who_set(struct mysql_who *who, struct mysql_bytes user,
	    struct mysql_bytes schema, uint8_t charset);

/*
 * A name that is no plugin's: a server that hears it asks for the one that
 * the account has.
 */
struct mysql_bytes	 mysql_exchange_nobodys_plugin(void);

/* May what this plugin answers at first be passed to the server as it is? */
bool	 mysql_exchange_is_hash(struct mysql_bytes plugin);

/*
 * Pass on what is said until the server has said OK or error, which is passed
 * on too.  0 after OK; or -1 with *end and x->why, and x->refusal if the
 * client has yet to be told.  END_LOGIN: the server or we said no.
 */
int	 mysql_exchange_run(struct mysql_exchange *x, enum end *end);

/* Set *end, x->why and what the client is told.  Returns -1. */
int	 mysql_exchange_refuse(struct mysql_exchange *x, enum end *end,
	    enum end how, uint16_t code, const char *state,
	    const char *fmt, ...) __attribute__((format(printf, 6, 7)));

/*
 * Tell the client x->refusal, if there is one and it takes it without a wait.
 * Before it knows of capabilities, an error has no state.
 */
void	 mysql_exchange_tell(struct mysql_exchange *x, enum end end,
	    bool with_state);

/*
 * The client is lost while the server waits for it: have the server deny the
 * login, for about a second.  One that is broken off it would count
 * against this host, which it blocks after max_connect_errors of them.
 */
void	 mysql_exchange_give_up(struct mysql_exchange *x);

#endif
