/*
 * session.h - what one session is made of while a worker has it.
 *
 * serve.c leads it; dial.c finds it a server, secure.c speaks TLS and MySQL
 * for it.
 */
#ifndef PROCESS_SESSION_H
#define PROCESS_SESSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/net.h"
#include "policy/grant.h"
#include "process/serve.h"
#include "session/back.h"
#include "session/end.h"
#include "session/front.h"
#include "session/mysql_login.h"
#include "session/mysql_watch.h"
#include "session/pace.h"
#include "session/stream.h"

struct mysql_recorder;

#define SESSION_ANSWER_MS	2000	/* for the keeper to answer */
#define SESSION_WHY_MAX		256	/* bytes */
#define SESSION_ID_MAX		20	/* bytes of session_id_text() */

struct session {
	struct server			*s;
	const struct conf_listener	*l;
	const struct conf_backend	*backend;	/* of the listener, or
							   of a route */
	size_t				 backend_index;
	size_t				 fallbacks;	/* that were taken */
	struct mysql_rules		*rules;		/* of its login */
	const struct net_addr		*only;	/* to be dialled, in place of
						   any server; or NULL */
	size_t				 listener;	/* index */
	struct net_tcp			 tcp;		/* for its dials */
	struct access_source		 source;
	struct front			 front;
	struct back			 back;
	/* NULL where bytes go between the sockets as they are. */
	struct stream			*front_stream, *back_stream;
	struct mysql_login		 mysql;		/* its login */
	struct mysql_codes		 codes;		/* see codes.h */
	uint64_t			 grant;		/* auth's */
	uint32_t			 account;	/* that it chose */
	bool				 again;	/* dial the same server */
	bool				 suspect;	/* workers crash */
	uint8_t				 granted[GRANT_SEALED];	/* an agent's
						   user, to the broker */
	const char			*tunnel_tls;	/* TLS version of the
						   back, a tunnel; or NULL */
	enum tunnel_code		 tunnel_code;	/* why there is none */
	bool				 packed;	/* a stream compresses,
						   also without TLS */
	struct pace			 pace[2];	/* up, down */
	void				*paces;	/* mapped, if it has any */
	bool				 stays;	/* others count it: not to be
						   carried */
	char				 from[NET_TEXT_MAX];
	struct mysql_watch		 watch;		/* for another one */
	struct mysql_recorder		*recorder;	/* or NULL */
	bool				 watched;	/* one of the two */
	int64_t				 deadline;	/* to be relayed by */
	int64_t				 end_by;	/* or 0 */
	bool				 asked;	/* the keeper counts it */
	bool				 counted;	/* and holds a place */
	bool				 carried;	/* not ours any more */
	bool				 told;	/* the client knows why: close
						   in order */
	enum end			 end;
	const char			*why;	/* for the log: text below, or
						   of front or back, or fixed */
	char				 text[SESSION_WHY_MAX];
};

/* What serve() does of it, for who leads it otherwise. */
void	 session_begin(struct session *ss, int fd,
	    const struct net_addr *peer);
void	 session_note_client(struct session *ss);
/* All of it, from its rules to its line. */
void	 session_serve(struct session *ss);
void	 session_relay(struct session *ss);
/* For hours that may follow: what it took to begin is not needed. */
void	 session_rest(const struct session *ss);
void	 session_close_front(struct session *ss);
void	 session_finish(struct session *ss);
struct net_tcp	 session_tcp(const struct conf_listener *l);

/*
 * What the stream says is compressed from here on; NULL becomes one, of the
 * socket.  0, or -1 without memory.
 */
int	 session_pack(struct stream **stream, int fd);

/* Sixteen hexadecimal digits, as the log has them. */
void	 session_id_text(uint64_t id, char *buf, size_t size);

/* Is its source kept out for its crashes?  0, or -1 when it is refused. */
int	 session_suspect(struct session *ss);

/* How it ends and why.  Returns -1. */
int	 session_refuse(struct session *ss, enum end end, const char *why);

#endif
