/*
 * balance.h - in which order a session tries the servers of a backend.
 */
#ifndef POLICY_BALANCE_H
#define POLICY_BALANCE_H

enum balance_method {
	BALANCE_ROUNDROBIN,
	BALANCE_LEASTCONN,
	BALANCE_SOURCE,
	BALANCE_FIRST,
	BALANCE_RANDOM,
};

#endif
