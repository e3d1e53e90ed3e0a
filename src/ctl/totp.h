/*
 * totp.h - the commands of sallyportctl that are about one-time codes.
 */
#ifndef CTL_TOTP_H
#define CTL_TOTP_H

#include "ctl/command.h"

command_run	 command_totp, command_unlock;

#endif
