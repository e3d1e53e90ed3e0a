/*
 * command.h - the commands of sallyportctl: ask, and tell the answer.
 */
#ifndef CTL_COMMAND_H
#define CTL_COMMAND_H

#include <stdbool.h>
#include <stddef.h>

/* As they were typed; what was not is NULL or 0. */
struct command_options {
	const char	*path;		/* of the socket */
	bool		 json;
	const char	*listener, *source, *server;
	const char	*sort;
	size_t		 limit;
	int		 watch_ms;
	bool		 when_idle;
	char		**args;		/* behind the command */
	int		 nargs;
};

/* Returns an exit code, having said what is wrong. */
typedef int	 command_run(const struct command_options *o);

command_run	 command_status, command_sessions, command_kill,
		 command_servers, command_server, command_limits,
		 command_check, command_reload, command_reopen,
		 command_upgrade, command_stop;

#endif
