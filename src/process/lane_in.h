/*
 * lane_in.h - the reading end of a lane: lines of the log, or records.
 */
#ifndef PROCESS_LANE_IN_H
#define PROCESS_LANE_IN_H

#include <sys/types.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "process/setup.h"

/* From now on it tells who sends. */
void	 lane_watch(const struct setup_lane *lane);

/*
 * Receive one datagram and who sent it, or that no more will come: *end.
 * Its bytes; or -1 with errno, EAGAIN when there is none.
 */
ssize_t	 lane_receive(const struct setup_lane *lane, void *data, size_t size,
	    pid_t *pid, bool *end);

/* So many found no room since it was asked last. */
uint64_t lane_dropped(const struct setup_lane *lane);

#endif
