/*
 * channel.h - requests between our processes: sent, received, dispatched.
 *
 * A receiver lists in one table all that may be asked of it: type, by which
 * roles, with how many descriptors.  What is not listed is refused, and the
 * channel that it came by is at fault.
 */
#ifndef PROCESS_CHANNEL_H
#define PROCESS_CHANNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/msg.h"

/*
 * All but MSG_LOG (2, see log.h) and MSG_RECORD (92, see query_record.h).
 * Requests are even, an answer is its request plus one.  A pool, where one is
 * named, is SETUP_NAME_MAX bytes.
 */
enum {
	/* The master to a role: before it begins, and those marked + later. */
	MSG_CONF = 4,		/* + generation u32; its text, 1 fd */
	MSG_BOOK = 6,		/* + generation u32; its address book, 1 fd */
	MSG_LANE = 8,		/* socket and page to log by, 2 fds */
	MSG_LANE_IN = 10,	/* + 0, or 1 for one of records, u32; the
				   reader's ends of one, 2 fds */
	MSG_LISTENER = 12,	/* index of a listener u32, 1 fd */
	MSG_LIVE = 14,		/* the counts of the pool, 1 fd */
	MSG_BOARD = 16,		/* + struct setup_board; scoreboard, and a
				   channel between spawner and control, 2 fds */
	MSG_SERVICE = 18,	/* role u32; where to send MSG_HELLO, 1 fd */
	MSG_MEET = 20,		/* + role u32, pool; whence they come, 1 fd */
	MSG_SOCKET = 22,	/* control's listening socket, 1 fd */
	MSG_START = 24,		/* struct setup_start; that was all */

	/* The master to a role that serves. */
	MSG_STOP = 26,		/* end now */
	MSG_DRAIN = 28,		/* take nothing new, end when idle */
	MSG_REOPEN = 30,	/* open the log file again */
	MSG_COMMIT = 32,	/* generation u32 is in effect */
	MSG_FORGET = 34,	/* generation u32 is used by nobody */

	/* The master to a role, as those at the beginning. */
	MSG_FILE = 36,		/* + generation u32, number u32 of the file
				   by conf_files.h; its bytes, 1 fd */

	MSG_RECORDS = 38,	/* receiver u32, record_lane.h; socket and
				   page to record by, 2 fds */

	/* A role to the master. */
	MSG_READY = 40,		/* serving now */
	MSG_PREPARED = 42,	/* generation u32 can be served */
	MSG_REFUSED = 44,	/* generation u32 cannot; why, to the end */
	MSG_CRASHED = 46,	/* spawner: a worker died by a signal */
	MSG_ASK = 48,		/* control: enum ask_what u32, tag u32 */

	/* The master to control, on MSG_ASK. */
	MSG_REPORT = 50,	/* tag u32; a line of text to the end */
	MSG_CHILD = 52,		/* tag u32; struct setup_child */
	MSG_ASKED = 54,		/* tag u32; exit status u32; that was all */

	/* By a rendezvous: opens a channel, the other end of which is 1 fd. */
	MSG_HELLO = 60,

	/* A worker to the keeper; see ask.h. */
	MSG_ADMIT = 62,
	MSG_ESTABLISHED = 64,
	MSG_PLACE = 66,
	MSG_FAILED = 68,
	MSG_RELEASE = 70,
	MSG_HOLD = 72,
	MSG_YIELD = 74,		/* the keeper, unasked: give way */

	/* By a rendezvous, a worker to any carrier; see handover.h. */
	MSG_CARRY = 76,

	/* A worker to the signer; see sign_ask.h. */
	MSG_SIGN = 78,

	/* A worker to auth; see code_ask.h. */
	MSG_CODE_CHECK = 94,
	MSG_CODE_ANSWER = 96,
	MSG_CODE_STILL = 102,

	/* auth to dbclient: a name, to the end; answer: enum secret_result
	   u8; the secret, to the end */
	MSG_SECRET = 106,

	/* A worker to dbclient: generation, account and server by their
	   numbers, all u32, are to meet; answer: why not, to the end */
	MSG_WARM = 104,

	/* control to auth; see totp_ask.h. */
	MSG_TOTP = 98,

	/* A worker, or an agent's link, to auth; see proof_ask.h. */
	MSG_PROOF_HUB = 108,
	MSG_PROOF_AGENT = 110,

	/* A worker to the broker; see broker_ask.h. */
	MSG_AGENT_JOIN = 112,
	MSG_AGENT_REGISTER = 114,
	MSG_AGENT_WITHDRAW = 116,
	MSG_AGENT_HEALTH = 118,
	MSG_DATA_JOIN = 124,
	MSG_TOPIC_OPEN = 126,
	MSG_TOPIC_AGAIN = 128,

	/* The broker, unasked, to the worker that has an agent's link. */
	MSG_AGENT_NEED = 120,
	MSG_AGENT_GOODBYE = 122,

	/* control to the broker; see broker_ask.h. */
	MSG_AGENTS = 130,
	MSG_TOPICS = 132,
	MSG_AGENT_DRAIN = 134,

	/* An agent's link to any worker of its pool; see job.h. */
	MSG_JOB = 136,

	/* The same by the broker or a link: a user of a mapping, or of what the
	   hub assigns; see job.h, 1 fd. */
	MSG_CALLER = 138,

	/* A worker, or control, to the broker; see broker_ask.h. */
	MSG_AGENT_MAP = 140,
	MSG_MAPPINGS = 142,
	MSG_MAPPING_SET = 144,

	/* A worker to the broker, of Netroxy clients; see broker_ask.h. */
	MSG_NETROXY_JOIN = 154,
	MSG_NETROXY_DATA = 156,		/* 1 fd */

	/* The broker, or a link, to the master: struct bind_ask, mapped.h. */
	MSG_BIND = 146,
	MSG_UNBIND = 148,	/* its id u32 */
	/* The master answers. */
	MSG_BOUND = 150,	/* id u32; the socket, 1 fd */
	MSG_NOT_BOUND = 152,	/* id u32, errno u32 */

	/* control to the keeper. */
	MSG_SERVER_SET = 80,	/* generation, server, mode, weight, all u32,
				   ~0 for as it is; answer: 0 or 1, u32 */
	MSG_SOURCES = 82,	/* first u32; answer: see ask.h */

	/* The master to auth: before it begins, and later. */
	MSG_STORE = 100,	/* generation u32, enum store u32; the file,
				   1 fd */

	/* control to a spawner or a carrier. */
	MSG_KILL = 90,		/* slot u32, session u64 */
};

enum {
	ROLE_MASTER = 1,
	ROLE_LOGGER = 2,
	ROLE_KEEPER = 4,
	ROLE_SPAWNER = 8,
	ROLE_WORKER = 16,
	ROLE_CONTROL = 32,
	ROLE_CARRIER = 64,
	ROLE_SIGNER = 128,
	ROLE_DBCLIENT = 256,
	ROLE_AUTH = 512,
	ROLE_BROKER = 1024,
	ROLE_LINK = 2048,
	ROLE_ANY = 4095,
};

/* What control may ask of the master for its users. */
enum ask_what {
	ASK_STATUS,		/* MSG_CHILD for each process */
	ASK_CHECK,		/* read the configuration on disk */
	ASK_RELOAD,		/* and take it; what changes, or errors */
	ASK_REOPEN,
	ASK_UPGRADE,
	ASK_STOP,
	ASK_DRAIN,		/* stop when the sessions are over */
};

/*
 * Runs one request.  It takes over what it wants of the descriptors by
 * setting their place to -1; the rest is closed after it.  Returns -1 when
 * the content is not as it must be.
 */
typedef int	 channel_handler(void *ctx, struct rd *payload, int *fds);

struct channel_rule {
	uint16_t		 type;
	unsigned int		 from;		/* roles that may ask */
	size_t			 nfds;
	channel_handler		*run;
};

/*
 * Send one message without waiting.  The descriptors stay the caller's.
 * 0, or -1 with errno.
 */
int	 channel_send(int fd, uint16_t type, const void *payload, size_t len,
	    const int *fds, size_t nfds);

/* A request with an id, or the answer to it with the same (msg.h). */
int	 channel_send_id(int fd, uint16_t type, uint32_t id,
	    const void *payload, size_t len);

/* The same with descriptors. */
int	 channel_send_id_fds(int fd, uint16_t type, uint32_t id,
	    const void *payload, size_t len, const int *fds, size_t nfds);

/* The same for a payload that is but a number. */
int	 channel_send_u32(int fd, uint16_t type, uint32_t number);

/* The same, but waiting until io_now_ms() is `deadline' for room. */
int	 channel_send_by(int fd, uint16_t type, const void *payload,
	    size_t len, const int *fds, size_t nfds, int64_t deadline);

/*
 * Receive one request, which a poll has announced, from a peer of the role
 * `from', and run it by the table.  Returns 1; 0 when the peer is gone; -1
 * when it sent what it may not, or something broke: drop it.
 */
int	 channel_dispatch(int fd, unsigned int from,
	    const struct channel_rule *rules, size_t nrules, void *ctx);

/* The same; *id is the message's when the handler runs, for the answer. */
int	 channel_dispatch_id(int fd, unsigned int from,
	    const struct channel_rule *rules, size_t nrules, void *ctx,
	    uint32_t *id);

/* Is it one of ours, and not what would have us wait?  Others sent it. */
bool	 channel_is_one(int fd);

/* Two connected ends, close-on-exec.  0, or -1 with errno. */
int	 channel_pair(int ends[2]);

#endif
