/*
 * conf_keys.h - every key there is: type, range, default, and what it does.
 *
 * Reading, checking, printing and the test that the manual names each key
 * all walk this one table.  A new key is a member in conf.h, a line here
 * and a paragraph in sallyportd.conf(5).
 */
#ifndef POLICY_CONF_KEYS_H
#define POLICY_CONF_KEYS_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum conf_type {
	CONF_STRING,		/* char * */
	CONF_PATH,		/* char *: absolute, or "" for none */
	CONF_LOG_TO,		/* char *: a path, or one of three words */
	CONF_NAME,		/* char *: letters, digits, "_", "-", "." */
	CONF_INT,		/* int64_t */
	CONF_TIME,		/* int64_t, milliseconds */
	CONF_SIZE,		/* int64_t, bytes */
	CONF_ENUM,		/* int, an index into choices */
	CONF_LISTEN,		/* struct conf_addrs: one or a list */
	CONF_SERVERS,		/* struct conf_addrs: one or a list */
	CONF_GROUP,		/* { } of the section `inner' */
	CONF_LIST,		/* ( { }, ... ) of the section `inner' */
};

enum conf_section {
	CONF_TOP,
	CONF_LOG,
	CONF_WORKERS,
	CONF_TIMEOUTS,
	CONF_BACKEND,
	CONF_LISTENER,
};

struct conf_key {
	enum conf_section	 section;
	const char		*name;
	enum conf_type		 type;
	size_t			 offset;	/* of the member it sets */
	int64_t			 min, max;	/* INT, TIME and SIZE */
	const char		*preset;	/* default; NULL: required */
	const char *const	*choices;	/* ENUM; ends with NULL */
	enum conf_section	 inner;		/* GROUP and LIST */
	const char		*help;		/* half a sentence */
};

extern const struct conf_key	 conf_keys[];	/* ends with a NULL name */

/* The key of that name in the section, or NULL. */
const struct conf_key	*conf_key_find(enum conf_section section,
			    const char *name);

/*
 * Set the member of `base' that the key stands for from text.  For LISTEN
 * and SERVERS the address is added to the list.  Returns 0, or -1 with what
 * would be right in why.
 */
int	 conf_key_set(const struct conf_key *key, void *base, const char *text,
	    char *why, size_t size);

/* What values the key takes: "a time from 1ms to 1d". */
void	 conf_key_wants(const struct conf_key *key, char *buf, size_t size);

/* Write the member's value as the file has it: 16, "30s", ("a", "b"). */
void	 conf_key_print(const struct conf_key *key, const void *base,
	    FILE *out);

/* Set every key of the section that has a default to it. */
void	 conf_keys_preset(enum conf_section section, void *base);

/* Free what the keys of the section own. */
void	 conf_keys_release(enum conf_section section, void *base);

#endif
