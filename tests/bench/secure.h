/*
 * secure.h - one connection of a client with TLS 1.3, for the load.
 *
 * TLS itself is the proof that a proxy is on the way, for the server behind
 * has none.  The certificate must be the one that is expected, and who brings
 * a ticket must be resumed: any other handshake ends the program, so that
 * none is measured as what it was not.
 */
#ifndef BENCH_SECURE_H
#define BENCH_SECURE_H

#include <openssl/ssl.h>

#include <stdbool.h>
#include <stdint.h>

#include "load.h"

/* What all have in common. */
struct secure_kind {
	const struct load	*load;
	SSL_CTX			*ctx;
	X509			*certificate;	/* the server's */
	bool			 resume;	/* wherever there is a ticket */
	struct message		 m;
};

struct secure {
	struct session		 s;
	struct secure_kind	*kind;
	SSL			*ssl;		/* NULL: closed */
	SSL_SESSION		*ticket;	/* outlives the connection */
	bool			 resumes;
	enum {
		SECURE_DIAL, SECURE_SHAKE, SECURE_HEAR
	}			 at;
};

void		 secure_init(struct secure_kind *k, const struct load *l,
		    enum verb verb);
void		 secure_end(struct secure_kind *k);
/* Start to dial, from the nth source, with the ticket that it may have. */
void		 secure_dial(struct secure *c, struct secure_kind *k,
		    unsigned nth);
/*
 * Go on: connect, shake hands, say the message and hear its echo.  Returns the
 * events of epoll to wait for, or 0: the stream ended after the whole reply.
 */
uint32_t	 secure_step(struct secure *c);
/* Send the next message. */
void		 secure_say(struct secure *c);
bool		 secure_is_answered(const struct secure *c);
void		 secure_close(struct secure *c);
/* Close all that is open, and end them. */
void		 secure_free(struct secure *v, unsigned n);

#endif
