/*
 * broker_ask.h - a worker's line to the broker, who knows agents and topics.
 *
 *	MSG_AGENT_JOIN	a grant, GRANT_SEALED
 *			-> code u8; then the line is an agent's
 *	MSG_AGENT_REGISTER	number u32, weight u8, topic to the end
 *			-> number u32, code u8
 *	MSG_AGENT_WITHDRAW	number u32, topic to the end
 *	MSG_AGENT_HEALTH	up u8, topic to the end
 *	MSG_AGENT_NEED	tickets, TUNNEL_TICKET each; not answered
 *	MSG_AGENT_GOODBYE	code u8: the agent is not known any more
 *	MSG_DATA_JOIN	TLS u8, ticket 16 bytes, and without TLS the frame
 *			that it came in; the connection, whose bytes with TLS
 *			are all unread
 *			-> code u8
 *	MSG_TOPIC_OPEN	user's grant or none: u8 and so many bytes; topic, to
 *			the end
 *			-> code u8; with TUNNEL_OK also struct broker_found
 *			and the connection, and behind that, when it is paced,
 *			the memory of paces.h
 *	MSG_TOPIC_AGAIN	u8: 0, that one was dead; 1, the agent does not reach
 *			its service.  Answered as MSG_TOPIC_OPEN
 *	MSG_AGENTS	name after which to begin
 *			-> lines "NAME key=value ...", to the end
 *	MSG_TOPICS	the same
 *	MSG_AGENT_MAP	struct map_ask
 *			-> struct map_answer, now or later; again, when the
 *			port is taken away
 *	MSG_NETROXY_JOIN	a grant, GRANT_SEALED; struct netroxy_port
 *			-> as MSG_AGENT_MAP, by number the port; then the line
 *			is that port's link
 *	MSG_NETROXY_DATA	struct netroxy_port; the connection, unread
 *			behind TRS
 *			-> code u8
 *	MSG_MAPPINGS	as MSG_TOPICS, by the address behind which to begin
 *	MSG_MAPPING_SET	struct map_set
 *			-> code u8; with TUNNEL_OK the address, to the end
 *	MSG_AGENT_DRAIN	0 u8, or 1; name of an agent or a topic, to the end
 *			-> code u8
 *
 * The line is open as long as the agent or the session is there: it is what
 * the broker counts.
 */
#ifndef PROCESS_BROKER_ASK_H
#define PROCESS_BROKER_ASK_H

#include <stdbool.h>
#include <stdint.h>

#include "policy/grant.h"
#include "policy/port_range.h"
#include "process/paces.h"
#include "session/end.h"
#include "session/told.h"
#include "wire/tunnel_keys.h"

#define BROKER_ASK_MS	3000	/* for what it knows at once */
#define BROKER_WHY_MAX	128

/* As one build hands it to itself. */
struct broker_found {
	uint8_t				 ticket[TUNNEL_TICKET];
	struct tunnel_ticket_keys	 keys;
	bool				 tls;
	bool				 raw;		/* reached: nothing is
							   to be said first */
	bool				 counted;	/* by max_sessions or a
							   bandwidth: not to be
							   carried */
	struct paces_found		 paces;
	char				 agent[TUNNEL_ID_MAX + 1];
};

struct map_ask {
	uint32_t		 number;
	bool			 open, tls;
	struct port_want	 at;
	char			 topic[TUNNEL_TOPIC_MAX + 1];
};

struct map_answer {
	uint32_t	 number;
	uint8_t		 code;		/* enum tunnel_code */
	struct net_addr	 addr;		/* with TUNNEL_OK */
};

/* A Netroxy client's port, which is a link and a topic of its own. */
struct netroxy_port {
	uint8_t		 token[TUNNEL_TICKET];	/* of its connection */
	uint16_t	 port;
	bool		 open;			/* of MSG_NETROXY_JOIN */
};

/* What an operator does. */
enum map_what {
	MAP_ADD,
	MAP_DROP,
	MAP_OPEN,
	MAP_CLOSE,
};

struct map_set {
	uint8_t			 what;		/* enum map_what */
	bool			 tls;		/* of MAP_ADD */
	struct port_want	 at;		/* others than MAP_ADD: addr.len
						   may be 0, for any address */
	char			 topic[TUNNEL_TOPIC_MAX + 1];
};

struct broker_line {
	int	 rendezvous;
	int	 fd;			/* or -1 */
	char	 why[BROKER_WHY_MAX];
};

void	 broker_line_init(struct broker_line *b, int rendezvous);
void	 broker_line_hang_up(struct broker_line *b);

/* Dial it, until `deadline'.  0, or -1 with *end and b->why. */
int	 broker_dial(struct broker_line *b, int64_t deadline,
	    const struct told *told, enum end *end);

/* Its code for a grant, or -1 with *end and b->why; the line is dialled. */
int	 broker_join(struct broker_line *b, const uint8_t *grant,
	    int64_t deadline, const struct told *told, enum end *end);

/*
 * Give it a parked connection, which stays the caller's to close; frame NULL
 * with TLS.  Its code, or -1.
 */
int	 broker_park(struct broker_line *b, int fd, const uint8_t *ticket,
	    const uint8_t *frame, size_t frame_len, int64_t deadline,
	    const struct told *told, enum end *end);

/* Ask for a port, on a line of its own; the answer is not waited for. */
int	 broker_netroxy_join(struct broker_line *b, const uint8_t *grant,
	    const struct netroxy_port *port, int64_t deadline,
	    const struct told *told, enum end *end);
/* As broker_park(), of a connection that begins with TRS. */
int	 broker_netroxy_park(struct broker_line *b, int fd,
	    const struct netroxy_port *port, int64_t deadline,
	    const struct told *told, enum end *end);

/* What is wanted: a topic, or after that another connection for it. */
enum broker_want {
	BROKER_TOPIC,
	BROKER_ALIVE,		/* as the last was dead */
	BROKER_ELSEWHERE,	/* of another agent: the last cannot dial */
};

/*
 * A connection for a topic.  While it waits the front is watched: who is gone
 * wants none.  TUNNEL_OK with *fd and, or -1, *paces, which are the caller's;
 * another code; or -1 with *end and b->why.
 */
int	 broker_open(struct broker_line *b, enum broker_want want,
	    const char *topic, const uint8_t *grant, int front,
	    int64_t deadline, const struct told *told,
	    struct broker_found *found, int *fd, int *paces, enum end *end);

#endif
