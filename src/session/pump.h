/*
 * pump.h - two flows between two descriptors, until the session is over.
 *
 * Waits with sig_ppoll(), so the signals of told.h are heard while it relays.
 */
#ifndef SESSION_PUMP_H
#define SESSION_PUMP_H

#include "session/end.h"
#include "session/flow.h"
#include "session/told.h"

struct pump {
	struct flow	 up;		/* front to back */
	struct flow	 down;		/* back to front */
	bool		 front_gone;	/* seen while nothing was to do */
	bool		 back_gone;
	const struct told *told;	/* NULL: nobody hears SIGIO */
	int		 idle_ms;	/* without a byte either way */
	int		 half_closed_ms;	/* the same, one side gone */
};

/*
 * Relay until both flows are done or something ends them.  The descriptors
 * stay open.  END_CLIENT_RESET and END_SERVER_RESET tell who broke off; what
 * is to become of the other side is the caller's.  Silence may last up to
 * twice as long when signals come meanwhile.
 */
enum end	pump_run(struct pump *p);

#endif
