/*
 * tunnel.h - frames of the protocol between an agent and a hub.
 *
 * A frame is a header of 4 bytes (type, flags, length of what follows, all
 * big-endian) and fields, each a tag, a length u16 and so many bytes.  A tag
 * that is not known is skipped, unless its highest bit says that it must be
 * known; a type that is not known ends the connection.  No field stands twice.
 * On a plain link the last 16 bytes are a MAC; see tunnel_keys.h.
 *
 * Source: sallyport-protocol(7), which is the definition.
 */
#ifndef WIRE_TUNNEL_H
#define WIRE_TUNNEL_H

#include <sys/types.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/net.h"

#define TUNNEL_VERSION		1
#define TUNNEL_HEADER		4	/* bytes */
#define TUNNEL_EARLY_MAX	1024	/* bytes of a frame before login */
#define TUNNEL_FRAME_MAX	16384	/* and after */
#define TUNNEL_MAC		16	/* bytes */
#define TUNNEL_NONCE		32
#define TUNNEL_PROOF		32
#define TUNNEL_TICKET		16
#define TUNNEL_INSTANCE		16
#define TUNNEL_SESSION		16
#define TUNNEL_ID_MAX		32	/* of an agent */
#define TUNNEL_TOPIC_MAX	64
#define TUNNEL_TEXT_MAX		128
#define TUNNEL_TICKETS_MAX	64	/* in one frame */

#define TUNNEL_ALPN		"sallyport/1"
#define TUNNEL_ALPN_DATA	"sallyport-data/1"

#define TUNNEL_FLAG_MAC		1	/* the last 16 bytes are a MAC */

enum tunnel_type {
	TUNNEL_HELLO = 1,
	TUNNEL_CHALLENGE,
	TUNNEL_AUTH,
	TUNNEL_WELCOME,
	TUNNEL_REJECT,
	TUNNEL_REGISTER,
	TUNNEL_REGISTERED,
	TUNNEL_REFUSED,
	TUNNEL_WITHDRAW,
	TUNNEL_HEALTH,
	TUNNEL_NEED,
	TUNNEL_PING,
	TUNNEL_PONG,
	TUNNEL_GOAWAY,
	TUNNEL_SUBSCRIBE,
	TUNNEL_OPEN,
	TUNNEL_OPEN_OK,
	TUNNEL_OPEN_NO,
	TUNNEL_DATA,
	TUNNEL_MAP,
	TUNNEL_MAPPED,
	TUNNEL_ASSIGN,
	TUNNEL_TYPES
};

/* The tags, without the highest bit. */
enum tunnel_tag {
	TUNNEL_T_VERSION = 1,	/* lowest u8, highest u8 */
	TUNNEL_T_ID,		/* text */
	TUNNEL_T_INSTANCE,	/* 16 bytes */
	TUNNEL_T_NONCE,		/* 32 bytes */
	TUNNEL_T_MODE,		/* u8, enum tunnel_mode */
	TUNNEL_T_CAPS,		/* u32, TUNNEL_CAP_* */
	TUNNEL_T_PROOF,		/* 32 bytes */
	TUNNEL_T_TIMERS,	/* heartbeat, dead, park, each u32 ms */
	TUNNEL_T_CODE,		/* u16, enum tunnel_code */
	TUNNEL_T_RETRY,		/* u32 ms */
	TUNNEL_T_TEXT,		/* text */
	TUNNEL_T_NUMBER,	/* u32, of a request */
	TUNNEL_T_TOPIC,		/* text */
	TUNNEL_T_WEIGHT,	/* u8 */
	TUNNEL_T_TICKETS,	/* 16 bytes each */
	TUNNEL_T_SESSION,	/* 16 bytes */
	TUNNEL_T_SOURCE,	/* address */
	TUNNEL_T_DESTINATION,	/* address */
	TUNNEL_T_UP,		/* u8, 0 or 1 */
	TUNNEL_T_ADDRESS,	/* text, host:port */
	TUNNEL_T_MAP,		/* u8, TUNNEL_MAP_* */
	TUNNEL_TAGS
};

#define TUNNEL_HAS(tag)	((uint32_t)1 << (tag))

#define TUNNEL_CAP_ZSTD	1	/* after OPEN_OK: RFC 8878, both ways */

#define TUNNEL_MAP_OPEN	1	/* from the start */
#define TUNNEL_MAP_TLS	2	/* users speak TLS with the hub */
#define TUNNEL_MAP_LISTEN 4	/* of ASSIGN: the agent is to listen */

enum tunnel_mode {
	TUNNEL_CONTROL = 1,	/* it publishes: a control link */
	TUNNEL_USER,		/* one session of a subscriber */
};

/* Why not.  Numbers stay what they are. */
enum tunnel_code {
	TUNNEL_OK = 0,
	TUNNEL_BAD_VERSION = 1,
	TUNNEL_BAD_LOGIN = 2,	/* no such agent, or a wrong proof */
	TUNNEL_THROTTLED = 3,	/* too many wrong ones from there */
	TUNNEL_NOT_ALLOWED = 4,	/* the topic is not for this agent */
	TUNNEL_TAKEN = 5,	/* the topic's policy keeps who has it */
	TUNNEL_TOO_MANY = 6,
	TUNNEL_NO_AGENT = 7,	/* nobody publishes it */
	TUNNEL_NO_SERVICE = 8,	/* the service could not be dialled */
	TUNNEL_NO_ANSWER = 9,	/* the agent did not answer */
	TUNNEL_SUPERSEDED = 10,	/* the agent logged in again */
	TUNNEL_SHUTDOWN = 11,
	TUNNEL_RELOAD = 12,	/* come back at once */
	TUNNEL_WRONG_HUB = 13,	/* no such ticket here */
	TUNNEL_BROKEN = 14,	/* a frame was not as it must be */
	TUNNEL_BUSY = 15,
	TUNNEL_PORT_DENIED = 16,	/* the port is not for this agent */
	TUNNEL_PORT_TAKEN = 17,	/* somebody has it */
	TUNNEL_NO_ADDRESS = 18,	/* it is none of the hub's */
	TUNNEL_NO_CERTIFICATE = 19,	/* for a port with TLS */
	TUNNEL_NOT_ACCEPTED = 20,	/* the agent does not do that */
	TUNNEL_CODES
};

struct tunnel_text {
	const uint8_t	*p;
	size_t		 len;
};

struct tunnel_frame {
	uint8_t			 type;
	uint32_t		 has;		/* TUNNEL_HAS() of each */
	uint8_t			 version[2];
	struct tunnel_text	 id;
	const uint8_t		*instance;
	const uint8_t		*nonce;
	uint8_t			 mode;
	uint32_t		 caps;
	const uint8_t		*proof;
	uint32_t		 heartbeat, dead, park;		/* ms */
	uint16_t		 code;
	uint32_t		 retry;				/* ms */
	struct tunnel_text	 text;
	uint32_t		 number;
	struct tunnel_text	 topic;
	uint8_t			 weight;
	const uint8_t		*tickets;
	size_t			 ntickets;
	const uint8_t		*session;
	struct net_addr		 source, destination;	/* IPv4 or IPv6 */
	uint8_t			 up;
	struct tunnel_text	 address;
	uint8_t			 map;
};

/*
 * The length of the frame that the header begins, header included: what
 * must be read.  -1 when it is longer than max, or says what it may not.
 */
ssize_t	 tunnel_frame_len(const uint8_t header[TUNNEL_HEADER], size_t max);

/*
 * Decode a whole frame of len bytes; without its MAC, which is judged before.
 * What it has points into it.  Returns 0, or -1 when it is malformed, not
 * known, or lacks what its type must have.
 */
int	 tunnel_decode(const uint8_t *frame, size_t len,
	    struct tunnel_frame *f);

/*
 * Encode a frame into buf: what `has' says, in the order of tags.  Returns its
 * length, or -1 when it does not fit or has what cannot be encoded.
 */
ssize_t	 tunnel_encode(const struct tunnel_frame *f, uint8_t *buf,
	    size_t size);

/* Words: a topic is of letters, digits, "_" and "-", with dots between. */
bool	 tunnel_is_topic(const char *text, size_t len);

/* For the log, and for people. */
const char	*tunnel_code_text(unsigned int code);
const char	*tunnel_type_text(unsigned int type);

/* A text as a string, cut to size, what is not printable as "?". */
char	*tunnel_string(const struct tunnel_text *t, char *buf, size_t size);

/* Members for an encoder. */
struct tunnel_text	 tunnel_text_of(const char *s);

#endif
