/*
 * pump.h - a relay that has a process to itself.
 *
 * Waits with sig_ppoll(), so the signals of told.h are heard while it relays.
 */
#ifndef SESSION_PUMP_H
#define SESSION_PUMP_H

#include "session/relay.h"
#include "session/told.h"

struct pump {
	struct relay	 relay;
	const struct told *told;	/* NULL: nobody hears SIGIO */
	/*
	 * Unless NULL: asked, while nothing is held in either direction, when
	 * pause_ms have passed without a byte (unless that is 0), then when
	 * it is quiet for quiet_ms, which is more, and each second from
	 * then on; or after `turns' waits.
	 * True: the relay goes on elsewhere, and pump_run() returns.
	 */
	bool		 (*hand_over)(void *ctx, bool quiet);
	void		 *ctx;
	int		 pause_ms;
	int		 quiet_ms;
	unsigned int	 turns;
	bool		 carried;	/* it did */
	/*
	 * Unless NULL: called once in a silence, after its first quiet_ms,
	 * if nothing is held in the buffers.  They need not keep their bytes.
	 */
	void		 (*rest)(void *ctx);
	/*
	 * Called when somebody who looks has stopped a flow: to do what must be
	 * done between the two, and flow_resume().  False: it is over, with
	 * *end.
	 */
	bool		 (*stopped)(void *ctx, struct relay *r,
			    enum end *end);
};

/*
 * Relay until both flows are done or something ends them.  The descriptors
 * stay open.  Silence may last up to twice as long when signals come
 * meanwhile.
 */
enum end	pump_run(struct pump *p);

#endif
