/*
 * conf_keys.h - every key there is: type, range, default, and what it does.
 *
 * Reading, checking, printing and the test that the manual names each key
 * all walk this one table.  A new key is a member in conf.h, a line here
 * and a paragraph in sallyportd.conf(5).
 */
#ifndef POLICY_CONF_KEYS_H
#define POLICY_CONF_KEYS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum conf_type {
	CONF_STRING,		/* char * */
	CONF_PATH,		/* char *: absolute, or "" for none */
	CONF_LOG_TO,		/* char *: a path, or one of three words */
	CONF_NAME,		/* char *: letters, digits, "_", "-", "." */
	CONF_BOOL,		/* bool */
	CONF_INT,		/* int64_t */
	CONF_TIME,		/* int64_t, milliseconds */
	CONF_SIZE,		/* int64_t, bytes */
	CONF_ENUM,		/* int, an index into choices */
	CONF_RATE,		/* struct conf_rate */
	CONF_NETS,		/* struct conf_nets: one or a list */
	CONF_LISTEN,		/* struct conf_addrs: one or a list */
	CONF_ADDRESS,		/* text and spec of a struct conf_server */
	CONF_SERVERS,		/* struct conf_servers: one or a list, each
				   an address or { } of section `inner' */
	CONF_TEXTS,		/* struct conf_texts: one or a list */
	CONF_PATHS,		/* the same, each absolute or "" */
	CONF_ROUTES,		/* struct conf_routes: { } of the section
				   `inner', one or a list */
	CONF_ACCOUNTS,		/* struct conf_accounts, likewise */
	CONF_GROUPS,		/* struct conf_groups, likewise */
	CONF_AGENTS,		/* struct conf_agents */
	CONF_TOPICS,		/* struct conf_topics */
	CONF_HUBS,		/* struct conf_hubs */
	CONF_PUBLISHES,		/* struct conf_publishes */
	CONF_ASSIGNS,		/* struct conf_assigns */
	CONF_GROUP,		/* { } of the section `inner' */
	CONF_LIST,		/* ( { }, ... ) of the section `inner' */
};

enum conf_section {
	CONF_TOP,
	CONF_LOG,
	CONF_WORKERS,
	CONF_CARRIERS,
	CONF_TIMEOUTS,
	CONF_CONTROL,
	CONF_BACKEND,
	CONF_SERVER,
	CONF_QUEUE,
	CONF_CHECK,
	CONF_BACK_TLS,
	CONF_LISTENER,
	CONF_PROXY,
	CONF_KEEPALIVE,
	CONF_FRONT_TLS,
	CONF_ROUTE,
	CONF_QUERY_LOG,
	CONF_QUERY_TABLE,
	CONF_OTP_TABLE,
	CONF_TOTP,
	CONF_ACCOUNT,
	CONF_USERS,
	CONF_AN_AGENT,
	CONF_A_TOPIC,
	CONF_A_HUB,
	CONF_HUB_TLS,
	CONF_A_PUBLISH,
	CONF_AN_ASSIGN,
};

struct conf_key {
	enum conf_section	 section;
	const char		*name;
	enum conf_type		 type;
	size_t			 offset;	/* of the member it sets */
	int64_t			 min, max;	/* INT, TIME, SIZE; STRING and
						   TEXTS: characters, 0 for
						   any */
	const char		*preset;	/* default; NULL: required */
	int64_t			 step;		/* TIME: a multiple of it */
	const char *const	*choices;	/* ENUM; ends with NULL */
	enum conf_section	 inner;		/* GROUP, LIST, SERVERS to
						   ASSIGNS */
	bool			 restart;	/* a reload cannot change it */
	const char		*help;		/* half a sentence */
};

extern const struct conf_key	 conf_keys[];	/* ends with a NULL name */

/* The key of that name in the section, or NULL. */
const struct conf_key	*conf_key_find(enum conf_section section,
			    const char *name);

#endif
