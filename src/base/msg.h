/*
 * msg.h - the envelope of every message between our own processes.
 *
 * One datagram of a SOCK_SEQPACKET socket is one message: a header of 8
 * bytes, big-endian (type, 2 bytes; length of the payload, 2; request id,
 * 4), then the payload.  Requests have even types, an answer has the type
 * of its request plus one and the same id.  Messages never leave the
 * machine and carry no version: one set of processes is one build.
 */
#ifndef BASE_MSG_H
#define BASE_MSG_H

#include <stddef.h>
#include <stdint.h>

#define MSG_HEADER	8	/* bytes */
#define MSG_PAYLOAD_MAX	4096	/* bytes, for all but log lines */
#define MSG_FDS_MAX	3	/* descriptors with one message */

struct msg {
	uint16_t	 type;
	uint32_t	 id;
	size_t		 len;			/* bytes of payload */
	const uint8_t	*payload;		/* inside what was decoded */
};

/*
 * Write the header of a message with len bytes of payload to buf, which
 * has room for MSG_HEADER bytes.
 */
void	 msg_encode_header(uint8_t *buf, uint16_t type, size_t len,
	    uint32_t id);

/*
 * Decode one datagram of size bytes.  Returns 0, or -1 when it is shorter
 * than a header, or its length is not what the header says.
 */
int	 msg_decode(const void *data, size_t size, struct msg *m);

#endif
