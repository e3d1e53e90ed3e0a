#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "process/channel.h"
#include "process/code_ask.h"
#include "process/line.h"

struct code_line {
	struct line	*line;
	uint32_t	 generation;
};

static void
put_text(struct wr *w, const void *p, size_t len)
{
	wr_u8(w, (uint8_t)len);
	wr_bytes(w, p, len);
}

static int
get_text(struct rd *r, struct mysql_bytes *b, size_t max)
{
	b->len = rd_u8(r);
	b->p = rd_take(r, b->len);
	return rd_ok(r) && b->len <= max ? 0 : -1;
}

static void
get_rest(struct rd *r, struct mysql_bytes *b)
{
	b->len = r->left;
	b->p = rd_take(r, b->len);
}

int
code_check_encode(struct wr *w, const struct code_check *c)
{
	wr_u32(w, c->generation);
	wr_u32(w, c->listener);
	wr_bytes(w, c->source.bytes, sizeof(c->source.bytes));
	wr_u8(w, (uint8_t)c->answer.how);
	wr_bytes(w, c->answer.nonce, sizeof(c->answer.nonce));
	put_text(w, c->user, strlen(c->user));
	wr_u8(w, c->apart);
	if (c->apart) {
		wr_u8(w, (uint8_t)c->code.how);
		wr_bytes(w, c->code.nonce, sizeof(c->code.nonce));
		if (c->code.bytes.len > CODE_APART_MAX)
			return -1;
		put_text(w, c->code.bytes.p, c->code.bytes.len);
	}
	wr_bytes(w, c->answer.bytes.p, c->answer.bytes.len);
	return wr_ok(w) && c->answer.bytes.len <= PROVE_ANSWER_MAX ? 0 : -1;
}

static int
get_apart(struct rd *r, struct code_check *c)
{
	uint8_t		 apart = rd_u8(r), how;
	const uint8_t	*nonce;

	c->apart = apart == 1;
	if (!c->apart)
		return rd_ok(r) && apart == 0 ? 0 : -1;
	how = rd_u8(r);
	nonce = rd_take(r, sizeof(c->code.nonce));
	if (get_text(r, &c->code.bytes, CODE_APART_MAX) == -1 ||
	    how > PROVE_CLEAR)
		return -1;
	c->code.how = (enum prove_how)how;
	memcpy(c->code.nonce, nonce, sizeof(c->code.nonce));
	return 0;
}

int
code_check_decode(struct rd *r, struct code_check *c)
{
	const uint8_t		*source, *nonce;
	struct mysql_bytes	 user;
	uint8_t			 how;

	c->generation = rd_u32(r);
	c->listener = rd_u32(r);
	source = rd_take(r, sizeof(c->source.bytes));
	how = rd_u8(r);
	nonce = rd_take(r, sizeof(c->answer.nonce));
	if (get_text(r, &user, sizeof(c->user) - 1) == -1 ||
	    how > PROVE_CLEAR || memchr(user.p, '\0', user.len) != NULL ||
	    get_apart(r, c) == -1 || r->left > PROVE_ANSWER_MAX)
		return -1;
	memcpy(c->source.bytes, source, sizeof(c->source.bytes));
	c->answer.how = (enum prove_how)how;
	memcpy(c->answer.nonce, nonce, sizeof(c->answer.nonce));
	memcpy(c->user, user.p, user.len);
	c->user[user.len] = '\0';
	get_rest(r, &c->answer.bytes);
	return 0;
}

int
code_pass_encode(struct wr *w, const struct code_pass *p)
{
	wr_u8(w, (uint8_t)p->verdict);
	wr_u32(w, p->wait_s);
	wr_u32(w, p->account);
	wr_u64(w, p->grant);
	wr_bytes(w, p->stored, sizeof(p->stored));
	return wr_ok(w) ? 0 : -1;
}

int
code_pass_decode(struct rd *r, struct code_pass *p)
{
	uint8_t		 verdict = rd_u8(r);
	const uint8_t	*stored;

	p->wait_s = rd_u32(r);
	p->account = rd_u32(r);
	p->grant = rd_u64(r);
	stored = rd_take(r, sizeof(p->stored));
	if (!rd_end(r) || verdict > CODE_LATER)
		return -1;
	p->verdict = (enum code_verdict)verdict;
	memcpy(p->stored, stored, sizeof(p->stored));
	return 0;
}

int
code_question_encode(struct wr *w, const struct code_question *q)
{
	if (q->nonce.len > CODE_NONCE_MAX || q->more.len > CODE_MORE_MAX)
		return -1;
	wr_u64(w, q->grant);
	wr_u8(w, (uint8_t)q->how);
	put_text(w, q->nonce.p, q->nonce.len);
	wr_bytes(w, q->more.p, q->more.len);
	return wr_ok(w) ? 0 : -1;
}

int
code_question_decode(struct rd *r, struct code_question *q)
{
	uint8_t	 how;

	q->grant = rd_u64(r);
	how = rd_u8(r);
	if (get_text(r, &q->nonce, CODE_NONCE_MAX) == -1 ||
	    how >= CODE_ANSWERS || r->left > CODE_MORE_MAX)
		return -1;
	q->how = (enum code_answer)how;
	get_rest(r, &q->more);
	return 0;
}

struct code_line *
code_ask_new(int rendezvous, uint32_t generation)
{
	struct code_line	*l = mem_calloc(1, sizeof(*l));

	l->line = line_new(rendezvous, ROLE_AUTH, "auth");
	l->generation = generation;
	return l;
}

void
code_ask_free(struct code_line **line)
{
	if (*line == NULL)
		return;
	line_free(&(*line)->line);
	free(*line);
	*line = NULL;
}

void
code_ask_hang_up(struct code_line *l)
{
	line_hang_up(l->line);
}

int
code_ask_check(struct code_line *l, struct code_check *check, int client,
    struct code_pass *pass)
{
	uint8_t		 buf[1024], out[64];
	char		 why[LINE_WHY_MAX] = "the answer is too long";
	ptrdiff_t	 n = -1;
	struct wr	 w;
	struct rd	 r;

	check->generation = l->generation;
	wr_init(&w, buf, sizeof(buf));
	if (code_check_encode(&w, check) == 0)
		n = line_ask(l->line, MSG_CODE_CHECK, buf, wr_len(&w), client,
		    CODE_ASK_MS, out, sizeof(out), why);
	if (n >= 0) {
		rd_init(&r, out, (size_t)n);
		if (code_pass_decode(&r, pass) == 0)
			return 0;
		line_hang_up(l->line);
	}
	log_warn("no code can be checked: %s", n >= 0 ? "auth answers "
	    "something else" : why);
	return -1;
}

ptrdiff_t
code_ask_answer(struct code_line *l, const struct code_question *q,
    uint8_t *out)
{
	uint8_t		 buf[256];
	char		 why[LINE_WHY_MAX] = "the server says too much";
	ptrdiff_t	 n = -1;
	struct wr	 w;

	wr_init(&w, buf, sizeof(buf));
	if (code_question_encode(&w, q) == 0)
		n = line_ask(l->line, MSG_CODE_ANSWER, buf, wr_len(&w), -1,
		    CODE_ASK_MS, out, CODE_ANSWER_MAX, why);
	if (n > 0)
		return n;
	log_warn("no answer for the server: %s", n == 0 ? "auth has none" :
	    why);
	return -1;
}

int
code_ask_still(struct code_line *l, const char *user)
{
	char		 why[LINE_WHY_MAX];
	uint8_t		 out[1];
	ptrdiff_t	 n = line_ask(l->line, MSG_CODE_STILL, user,
			    strlen(user), -1, CODE_STILL_MS, out,
			    sizeof(out), why);

	if (n == sizeof(out))
		return out[0] != 0;
	log_debug("nobody says whether %s still has codes: %s", user,
	    n == -1 ? why : "no answer");
	return -1;
}
