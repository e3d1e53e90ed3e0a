/*
 * control_line.h - control's line to a service: the keeper, or auth.
 *
 * Dialled when something is first asked, and again when the service was
 * replaced.  Answers come in the order of the questions, so none needs a name.
 * A service that does not answer in time is given up, with all that was
 * asked of it.
 */
#ifndef PROCESS_CONTROL_LINE_H
#define PROCESS_CONTROL_LINE_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

#define SERVICE_LINE_MAX	64	/* questions under way */
#define SERVICE_LINE_MS		900	/* to answer one */
#define SERVICE_LINE_BYTES	800	/* of a question's payload */

/* The answer; r is NULL when there is none.  -1 when it is malformed. */
typedef int	 service_answer(void *ctx, uint64_t job, struct rd *r);

struct service_question {
	uint16_t	 type;
	uint8_t		 payload[SERVICE_LINE_BYTES];
	size_t		 len;
	uint64_t	 job;
	service_answer	*answer;
	int64_t		 deadline;
};

struct service_line {
	int			 rendezvous;	/* -1: there is none */
	unsigned int		 role;		/* of it, ROLE_ */
	int			 fd;		/* -1: not dialled */
	struct service_question	 asked[SERVICE_LINE_MAX];	/* oldest
								   first */
	size_t			 n;
	void			*ctx;		/* of the answers */
};

void	 service_line_init(struct service_line *k, int rendezvous,
	    unsigned int role, void *ctx);

/*
 * Ask for a job; the payload has at most SERVICE_LINE_BYTES.  0; or -1
 * with why, and `answer' is not called.
 */
int	 service_line_ask(struct service_line *k, uint16_t type,
	    const void *payload, size_t len, uint64_t job,
	    service_answer *answer, const char **why);

/* poll(2) has shown something. */
void	 service_line_hear(struct service_line *k);

/* Give up what is late; when to look again, io_now_ms(). */
int64_t	 service_line_look(struct service_line *k);

#endif
