/*
 * conf_value.h - the value of a key: from text, to text, preset, released.
 *
 * `base' is the structure that the key's section stands for: a struct conf,
 * conf_backend, conf_server, conf_listener or conf_route.
 */
#ifndef POLICY_CONF_VALUE_H
#define POLICY_CONF_VALUE_H

#include <stddef.h>
#include <stdio.h>

#include "policy/conf_keys.h"
#include "policy/conf_quantity.h"

/*
 * Set the member of `base' that the key stands for from text.  For LISTEN,
 * SERVERS, NETS, TEXTS and PATHS it is added to the list.  Returns 0, or -1
 * with what would be right in why.
 */
int	 conf_key_set(const struct conf_key *key, void *base, const char *text,
	    char *why, size_t size);

/* The unit of an INT, TIME or SIZE. */
enum conf_unit	 conf_key_unit(const struct conf_key *key);

/* What values the key takes: "a time from 1ms to 1d". */
void	 conf_key_wants(const struct conf_key *key, char *buf, size_t size);

/*
 * Write the member's value as the file has it: 16, "30s", ("a", "b").
 * Nothing for GROUP, LIST and SERVERS to PUBLISHES, which are sections.
 */
void	 conf_key_print(const struct conf_key *key, const void *base,
	    FILE *out);

/* What conf_key_print() writes, to be freed. */
char	*conf_key_text(const struct conf_key *key, const void *base);

/* Set every key of the section that has a default to it. */
void	 conf_keys_preset(enum conf_section section, void *base);

/* Free what the keys of the section own. */
void	 conf_keys_release(enum conf_section section, void *base);

/*
 * Is it one of SERVERS to PUBLISHES?  For those: how many the member of
 * `base' has and may have; the one at that place; one more with every default,
 * or NULL when there are as many as may be; one less.
 */
bool	 conf_key_is_list(const struct conf_key *key);
size_t	 conf_key_count(const struct conf_key *key, const void *base);
size_t	 conf_key_count_max(const struct conf_key *key);
const void *conf_key_item(const struct conf_key *key, const void *base,
	    size_t i);
void	*conf_key_add_item(const struct conf_key *key, void *base);
void	 conf_key_drop_item(const struct conf_key *key, void *base);
/* Where "file:line" of such an item is kept, or NULL. */
char	**conf_key_where(const struct conf_key *key, void *item);

/* A text in place of the one there, or of NULL. */
void	 conf_set_text(char **place, const char *text);

#endif
