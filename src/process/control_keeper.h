/*
 * control_keeper.h - control's line to the keeper.
 *
 * Dialled when something is first asked, and again when the keeper was
 * replaced.  Answers come in the order of the questions, so none needs a name.
 * A keeper that does not answer in time is given up, with all that was
 * asked of it.
 */
#ifndef PROCESS_CONTROL_KEEPER_H
#define PROCESS_CONTROL_KEEPER_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

#define KEEPER_LINE_MAX		64	/* questions under way */
#define KEEPER_LINE_MS		900	/* to answer one */
#define KEEPER_LINE_BYTES	16	/* of a question's payload */

/* The answer; r is NULL when there is none.  -1 when it is malformed. */
typedef int	 keeper_answer(void *ctx, uint64_t job, struct rd *r);

struct keeper_question {
	uint16_t	 type;
	uint8_t		 payload[KEEPER_LINE_BYTES];
	size_t		 len;
	uint64_t	 job;
	keeper_answer	*answer;
	int64_t		 deadline;
};

struct keeper_line {
	int			 rendezvous;	/* -1: there is no keeper */
	int			 fd;		/* -1: not dialled */
	struct keeper_question	 asked[KEEPER_LINE_MAX];	/* oldest
								   first */
	size_t			 n;
	void			*ctx;		/* of the answers */
};

void	 keeper_line_init(struct keeper_line *k, int rendezvous, void *ctx);

/*
 * Ask for a job; the payload has at most KEEPER_LINE_BYTES.  0; or -1
 * with why, and `answer' is not called.
 */
int	 keeper_line_ask(struct keeper_line *k, uint16_t type,
	    const void *payload, size_t len, uint64_t job,
	    keeper_answer *answer, const char **why);

/* poll(2) has shown something. */
void	 keeper_line_hear(struct keeper_line *k);

/* Give up what is late; when to look again, io_now_ms(). */
int64_t	 keeper_line_look(struct keeper_line *k);

#endif
