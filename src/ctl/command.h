/*
 * command.h - the commands of sallyportctl: ask, and tell the answer.
 */
#ifndef CTL_COMMAND_H
#define CTL_COMMAND_H

#include "ctl/options.h"

/* Returns an exit code, having said what is wrong. */
typedef int	 command_run(const struct command_options *o);

command_run	 command_status, command_sessions, command_kill,
		 command_servers, command_server, command_limits,
		 command_check, command_reload, command_reopen,
		 command_upgrade, command_stop;

#endif
