/*
 * options.h - what was typed.
 */
#ifndef CTL_OPTIONS_H
#define CTL_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>

/* What was not typed is NULL or 0. */
struct command_options {
	const char	*path;		/* of the socket */
	bool		 json;
	const char	*listener, *source, *server, *user;
	const char	*sort;
	size_t		 limit;
	int		 watch_ms;
	bool		 when_idle, tls;
	char		**args;		/* behind the command */
	int		 nargs;
};

#endif
