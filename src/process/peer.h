/*
 * peer.h - those who speak with the keeper, each by a channel of its own.
 *
 *	worker	MSG_ADMIT MSG_ESTABLISHED MSG_PLACE MSG_FAILED MSG_RELEASE
 *		MSG_HOLD
 *	control	MSG_SERVER_SET MSG_SOURCES
 *
 * Whoever says what it may not, or does not take its answers, is dropped,
 * and what it held is free.  Nothing here waits.
 */
#ifndef PROCESS_PEER_H
#define PROCESS_PEER_H

#include "process/check.h"
#include "process/count.h"
#include "process/setup.h"

struct peers;

/* They live as long as the process does. */
struct peers	*peers_new(struct loop *loop, struct servers *servers,
		    struct checks *checks);

/* One more; see meet_hello in meet.h. */
bool		 peers_hello(void *peers, unsigned int role, const char *pool,
		    int fd);

/* What is counted for them. */
struct count	*peers_count(const struct peers *peers);

#endif
