/*
 * conf_value.h - the value of a key: from text, to text, preset, released.
 *
 * `base' is the structure that the key's section stands for: a struct conf,
 * conf_backend, conf_server or conf_listener.
 */
#ifndef POLICY_CONF_VALUE_H
#define POLICY_CONF_VALUE_H

#include <stddef.h>
#include <stdio.h>

#include "policy/conf_keys.h"
#include "policy/conf_quantity.h"

struct conf_server;

/*
 * Set the member of `base' that the key stands for from text.  For LISTEN,
 * SERVERS and NETS it is added to the list.  Returns 0, or -1 with what
 * would be right in why.
 */
int	 conf_key_set(const struct conf_key *key, void *base, const char *text,
	    char *why, size_t size);

/* The unit of an INT, TIME or SIZE. */
enum conf_unit	 conf_key_unit(const struct conf_key *key);

/* What values the key takes: "a time from 1ms to 1d". */
void	 conf_key_wants(const struct conf_key *key, char *buf, size_t size);

/*
 * Write the member's value as the file has it: 16, "30s", ("a", "b").
 * Nothing for GROUP, LIST and SERVERS, which are sections.
 */
void	 conf_key_print(const struct conf_key *key, const void *base,
	    FILE *out);

/* Set every key of the section that has a default to it. */
void	 conf_keys_preset(enum conf_section section, void *base);

/* Free what the keys of the section own. */
void	 conf_keys_release(enum conf_section section, void *base);

/*
 * Add a server with every default and no address to the member of `base'
 * that the key stands for; NULL when there are CONF_ADDRS_MAX already.
 */
struct conf_server	*conf_key_add_server(const struct conf_key *key,
			    void *base);

#endif
