/*
 * load.h - a load generator for TCP relays, and the server behind them.
 *
 * The first byte of a session tells the server what to do with it, so one
 * port serves all modes and a proxy needs no more than one listener.  Every
 * byte that comes back is compared, in bulk a few of each piece.  Whatever
 * goes wrong ends the program with a message and status 1: a figure that is
 * printed is that of a run without a single fault.
 */
#ifndef BENCH_LOAD_H
#define BENCH_LOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/net.h"

#define STALL_MS	10000	/* no run may stand still for longer */
#define MESSAGE_MIN	16	/* bytes */
#define MESSAGE_MAX	32768	/* bytes; what sockets hold without a reader */
#define EVENTS		256

/* What a session asks for with its first byte. */
enum verb {
	VERB_ECHO	= 'e',	/* send back all that comes */
	VERB_CLOSE	= 'c',	/* send back one message, then close */
	VERB_BULK	= 'b',	/* send the pattern until the client goes */
	VERB_WHO	= 'w',	/* send the address that the server sees */
};

struct load {
	struct net_addr	 to;
	bool		 direct;	/* no proxy is expected between */
	unsigned	 sessions;
	unsigned	 idle;		/* held beside them */
	size_t		 size;		/* bytes of a message */
	int64_t		 warm_ns;
	int64_t		 time_ns;	/* measured, after the warm-up */
	int		 cpu_fd;	/* counts the proxy's CPU time, or -1 */
	unsigned	 sources;	/* addresses from 127.0.0.1 to dial from */
	const char	*certificate;	/* that a TLS server must have, or NULL */
	bool		 resume;
};

/* --- message.c: what is sent, and whether that is what came back */

/*
 * Every message has a head, verb and size, a stamp of session and number,
 * and a filler; so one of another session or another time is not mistaken.
 */
struct message {
	size_t	 size;
	uint8_t	 bytes[MESSAGE_MAX];
};

void	 message_init(struct message *m, enum verb verb, size_t size);
void	 message_stamp(struct message *m, uint32_t session, uint32_t number);
/* Read the head that message_init() wrote; -1 when len is too short. */
int	 message_head(const uint8_t *p, size_t len, enum verb *verb,
	    size_t *size);

/*
 * The pattern of bulk streams has a prime period, so what is lost or doubled
 * moves it.  Returns len bytes from an offset of the stream; len may be up
 * to PATTERN_MAX.
 */
#define PATTERN_MAX	131072

void		 pattern_init(void);
const uint8_t	*pattern_at(uint64_t offset);

/* --- tally.c: what happened within the time that counts */

struct tally {
	const struct load	*load;
	int64_t			 begin, end;	/* ns; planned, then real */
	bool			 began, over;
	uint64_t		 all;		/* events, warm-up included */
	uint64_t		 bytes;
	uint64_t		 cpu_ns;	/* of the proxy, in that time */
	uint32_t		*ns;		/* each event's own */
	size_t			 n, room;
};

int64_t	 now_ns(void);
void	 tally_init(struct tally *t, const struct load *load);
void	 tally_free(struct tally *t);
/* Does what ends now count?  To be called with each event. */
bool	 tally_counts(struct tally *t, int64_t now);
/* An event that counts, and took so long. */
void	 tally_add(struct tally *t, int64_t took_ns);
/* Print one line of key=value. */
void	 tally_print(struct tally *t, const char *mode);

/* --- session.c: one connection of a client */

struct session {
	int		 fd;
	uint32_t	 id;
	uint32_t	 number;	/* of the message on its way */
	size_t		 got;		/* bytes of its reply */
	int64_t		 since;		/* ns; when it was sent, or dialled */
};

/* Start to dial, from the nth source.  True when that is done already. */
bool	 session_dial(struct session *s, const struct load *l, unsigned nth);
void	 session_dialled(const struct session *s);
/* Send the next message; m is stamped for it. */
void	 session_say(struct session *s, struct message *m);
/*
 * Read what is there of the reply.  1 when it is whole, 0 when there is more
 * to come, -1 when the stream ended after a whole reply.
 */
int	 session_hear(struct session *s, struct message *m);
/* Bytes that came are the next of the reply, or all is over. */
void	 session_compare(struct session *s, struct message *m,
	    const uint8_t *p, size_t n);
/* Say, and wait for the whole reply. */
void	 session_ask(struct session *s, struct message *m);
void	 session_close(struct session *s);
/* Dial and ask once.  Sessions are opened one after the other. */
struct session *sessions_open(const struct load *l, unsigned n,
	    struct message *m);
void	 sessions_ask(struct session *v, unsigned n, struct message *m);
void	 sessions_free(struct session *v, unsigned n);
void	 session_wait(const struct session *s, short events);
/* Is there a proxy between us and the server, as there should be? */
void	 check_way(const struct load *l);

/* --- watch.c: epoll, where nothing may fail or stand still */

int	 watch_new(void);
void	 watch_add(int ep, int fd, uint32_t events, void *ctx);
void	 watch_change(int ep, int fd, uint32_t events, void *ctx);
struct epoll_event;
int	 watch_wait(int ep, struct epoll_event *ev);

/* --- the modes */

void	 serve(const struct net_spec *at) __attribute__((noreturn));
void	 run_pingpong(const struct load *l);
void	 run_hold(const struct load *l);
/* Say that all are held, and return when standard input has ended. */
void	 hold_begin(const struct load *l);
/* All have answered once more. */
void	 hold_end(const struct load *l);
void	 run_connect(const struct load *l);
void	 run_bulk(const struct load *l);
void	 run_handshake(const struct load *l);
void	 run_keep(const struct load *l);

#endif
