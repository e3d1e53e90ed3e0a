/*
 * topic.h - a session's back side, when it is a topic and no server.
 *
 * Here or at another hub: each finds it a connection to an agent, over which
 * the agent has said that its service is reached.  Both set back.fd,
 * back_stream (NULL without TLS) and tunnel_tls, as dial_server() does.
 */
#ifndef PROCESS_TOPIC_H
#define PROCESS_TOPIC_H

#include "process/session.h"

/*
 * By our own broker; with a grant for the user of an agent, else for one of
 * the pool's own.  0; or -1 with ss->end, why and tunnel_code.
 */
int	 topic_by_broker(struct session *ss, const char *topic,
	    const uint8_t *grant);

/* Does our configuration let agents compress what is said of that topic? */
bool	 topic_may_pack(const struct session *ss, const char *topic);

/* At a hub that back.fd has reached: the topic of the session's backend. */
int	 topic_by_hub(struct session *ss);

#endif
