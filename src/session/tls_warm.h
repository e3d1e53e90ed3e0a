/*
 * tls_warm.h - have OpenSSL do once what it puts off until it is needed.
 *
 * It looks up algorithms, and allocates for them, when a handshake first
 * wants them.  A process that forks others, each for one session, does that
 * for all of them here: they share what comes of it.
 */
#ifndef SESSION_TLS_WARM_H
#define SESSION_TLS_WARM_H

/* Handshakes with ourselves, and a key made for them.  What fails is left. */
void	 tls_warm(void);

#endif
