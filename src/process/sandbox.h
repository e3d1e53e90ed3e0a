/*
 * sandbox.h - the last step before a process meets the outside.
 */
#ifndef PROCESS_SANDBOX_H
#define PROCESS_SANDBOX_H

/*
 * Confine this process to what its role needs, for good.  Called once by
 * each role when all it was given is open and mapped, and by each worker.
 * Today: no core dump and no debugger of the same user.
 */
void	 sandbox_enter(void);

#endif
