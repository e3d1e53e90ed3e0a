/*
 * held.h - what a session holds, in the numbers of another generation.
 *
 * The keeper knows listeners and servers by name, but is told of them by
 * their numbers in a generation.  A carried session may outlive that.
 */
#ifndef PROCESS_HELD_H
#define PROCESS_HELD_H

#include "policy/conf.h"
#include "process/ask.h"

/*
 * `from' is the configuration of held->generation, `to' that of `number'.
 * What is not in the new one is held no more.
 */
void	 held_renumber(struct ask_held *held, const struct conf *from,
	    const struct conf *to, uint32_t number);

#endif
