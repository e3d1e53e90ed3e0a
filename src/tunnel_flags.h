/*
 * tunnel_flags.h - a hub or an agent by flags alone, as goproxy's users type
 * them: a configuration made of them, to be read like any other.
 */
#ifndef TUNNEL_FLAGS_H
#define TUNNEL_FLAGS_H

#include <stdbool.h>
#include <stddef.h>

#define TUNNEL_FLAGS_MAX	64	/* of one that may be repeated */

struct tunnel_flags_list {
	const char	*v[TUNNEL_FLAGS_MAX];
	size_t		 n;
};

struct tunnel_flags {
	bool				 hub, agent;
	const char			*host;		/* or NULL; the others
							   likewise */
	const char			*port;
	const char			*uuid;
	const char			*secret_file;
	const char			*pin;		/* agent */
	const char			*certificate;	/* hub */
	const char			*key;
	struct tunnel_flags_list	 accept;	/* agent: rules */
	struct tunnel_flags_list	 listener;	/* hub: JSON */
	struct tunnel_flags_list	 peer_listener;	/* likewise */
};

/*
 * The text, for free(3); paths are made absolute.  NULL with what is wrong in
 * why, of `size' bytes.
 */
char	*tunnel_flags_text(const struct tunnel_flags *f, char *why,
	    size_t size);

#endif
