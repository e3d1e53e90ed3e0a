/*
 * record_lane.h - records on their way from workers to whoever writes them.
 *
 * As with lines of the log (log.h), all processes of a pool share one socket
 * and a page with counts; there is one lane for each receiver.
 */
#ifndef PROCESS_RECORD_LANE_H
#define PROCESS_RECORD_LANE_H

#include <stdint.h>

#include "base/log.h"
#include "session/end.h"
#include "session/told.h"
#include "wire/query_record.h"

enum record_receiver {
	RECORD_TO_LOG,			/* the logger: log, files, syslog */
	RECORD_TO_TABLE,		/* dbclient */
	RECORD_RECEIVERS,
};

enum record_overflow {			/* as enum conf_overflow */
	RECORD_DROP,
	RECORD_WAIT,
	RECORD_CLOSE,
};

struct record_lane {
	int		 fd;		/* or -1: there is none */
	struct log_lane	*page;
};

struct record_lanes {
	struct record_lane	 to[RECORD_RECEIVERS];
};

/*
 * Send one.  What finds no room is dropped and counted; or waited for, at most
 * wait_ms, hearing signals; or refused.  0; or -1 with *end when the session
 * is to end: END_RECORD, or what told.h says.
 */
int	 record_send(const struct record_lanes *lanes,
	    enum record_receiver to, const struct query_record *q,
	    enum record_overflow overflow, const struct told *told,
	    int64_t wait_ms, enum end *end);

#endif
