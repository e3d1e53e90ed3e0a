/*
 * end.h - why a session ended: one word each, as the log has them.
 *
 * sallyportd(8) lists them with what each side saw; a new one is a change
 * of that page too.
 */
#ifndef SESSION_END_H
#define SESSION_END_H

enum end {
	END_DONE,		/* both sides ended their streams */
	END_CLIENT_RESET,
	END_SERVER_RESET,
	END_IDLE,
	END_HALF_CLOSED,
	END_TIMEOUT,		/* the session's or the handshake's time */
	END_DENIED,		/* not one who may connect */
	END_LIMIT,		/* too many of something, or too fast */
	END_PROXY_HEADER,	/* none, or not one, where it was due */
	END_PROTOCOL,		/* what was said is not of the protocol */
	END_LOGIN,		/* the login was refused */
	END_TLS,		/* no TLS came about where it was due */
	END_RECORD,		/* what is done could not be recorded */
	END_UNREACHABLE,	/* no server answered */
	END_KILLED,		/* somebody wanted it ended */
	END_SHUTDOWN,		/* the daemon stops */
	END_CRASHED,		/* the worker died, or its spawner */
	END_INTERNAL,		/* our own lack of something */
};

const char	*end_text(enum end end);

#endif
