#include "relay_cases.h"
#include "session/pump.h"
#include "unit.h"

static enum end
pump(struct relay *r, size_t buffer, const struct told *told)
{
	static uint8_t	 buf[2 * BUFFER_MAX];
	struct pump	 p = { .relay = *r, .told = told };
	struct pipes	*pipes = pipes_new(2);
	int		 fds = unit_count_fds();
	enum end	 end;

	p.relay.up.buf = buf;
	p.relay.down.buf = buf + BUFFER_MAX;
	p.relay.up.size = p.relay.down.size = buffer;
	p.relay.up.pipes = p.relay.down.pipes = pipes;
	end = pump_run(&p);
	pipes_trim(pipes);
	if (unit_count_fds() != fds)
		end = END_INTERNAL;	/* a flow has kept one */
	pipes_free(&pipes);
	*r = p.relay;
	return end;
}

int
main(void)
{
	return unit_run(relay_cases("pump", pump));
}
