/*
 * hub.h - the commands of sallyportctl that are about hubs and agents.
 */
#ifndef CTL_HUB_H
#define CTL_HUB_H

#include "ctl/command.h"

command_run	 command_agents, command_topics, command_drain,
		 command_undrain, command_mappings, command_map,
		 command_unmap, command_open, command_close, command_secret,
		 command_pin;

#endif
