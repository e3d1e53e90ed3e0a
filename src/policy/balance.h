/*
 * balance.h - in which order a session tries the servers of a backend.
 *
 * Nothing is remembered between calls.  All that a method needs comes with
 * the call: the state of the servers and one number, the key, so processes
 * that share no more than a counter spread sessions as one would.  Equal
 * arguments give the same order, in every process and on every machine.
 */
#ifndef POLICY_BALANCE_H
#define POLICY_BALANCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BALANCE_SERVERS_MAX	64
#define BALANCE_WEIGHT_MAX	256

/* What each makes of the key stands beside it. */
enum balance_method {
	BALANCE_ROUNDROBIN,	/* a counter: each session the next number */
	BALANCE_LEASTCONN,	/* a counter: servers alike take turns */
	BALANCE_SOURCE,		/* balance_hash() of what names the client */
	BALANCE_FIRST,		/* nothing: as they stand, while they last */
	BALANCE_RANDOM,		/* 64 random bits */
};

struct balance_server {
	uint32_t	 weight;	/* to BALANCE_WEIGHT_MAX; 0: never */
	bool		 backup;	/* for when no other is left */
	bool		 up;
	bool		 usable;	/* false, in maintenance: never */
	uint32_t	 sessions;	/* it has now */
	uint32_t	 max_sessions;	/* it may have; 0 for no limit */
};

/*
 * Write the indices of those of n servers, at most BALANCE_SERVERS_MAX, that
 * may be tried into order[], which has room for n, first choice first.
 * Servers that are up come before backups that are up; then, unless
 * `up_only', the others that are not and the backups that are not: what is
 * taken for down may still answer.  Within these four the method decides:
 *
 *	roundrobin  A server of weight w has turns at (2j + 1) / 2w of each
 *		    round, j from 0 to w - 1, so they lie evenly and mix;
 *		    at equal times the lower index goes first.  The key
 *		    numbers the turns.  After the server whose turn it is
 *		    the others follow as theirs come.
 *	leastconn   Fewest sessions for their weight.
 *	source	    Weighted rendezvous hashing: each server draws a number
 *		    from the key and its own ids[], the best goes first.  So
 *		    a server that comes or goes moves no clients but its own.
 *	random	    Drawn by weight, those that were drawn left out.
 *
 * A server that has max_sessions is left out.  `sessions' and max_sessions
 * are 0 where nobody counts.  `ids' are needed for source alone: something
 * that stays with a server, such as balance_hash() of its address.
 * Returns how many there are, 0 when no server may be tried.
 */
size_t	 balance_order(enum balance_method method,
	    const struct balance_server *servers, size_t n, uint64_t key,
	    const uint64_t *ids, bool up_only, size_t *order);

/* A hash that is the same everywhere: FNV-1a, its bits then mixed. */
uint64_t balance_hash(const void *data, size_t len);

#endif
