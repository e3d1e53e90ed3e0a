#include "session/end.h"

const char *
end_text(enum end end)
{
	switch (end) {
	case END_DONE:
		return "done";
	case END_CLIENT_RESET:
		return "client_reset";
	case END_SERVER_RESET:
		return "server_reset";
	case END_IDLE:
		return "idle";
	case END_HALF_CLOSED:
		return "half_closed";
	case END_TIMEOUT:
		return "timeout";
	case END_DENIED:
		return "denied";
	case END_LIMIT:
		return "limit";
	case END_PROXY_HEADER:
		return "proxy_header";
	case END_PROTOCOL:
		return "protocol";
	case END_LOGIN:
		return "login";
	case END_TLS:
		return "tls";
	case END_RECORD:
		return "record";
	case END_UNREACHABLE:
		return "unreachable";
	case END_KILLED:
		return "killed";
	case END_SHUTDOWN:
		return "shutdown";
	case END_CRASHED:
		return "crashed";
	case END_INTERNAL:
		return "internal";
	}
	return "internal";
}
