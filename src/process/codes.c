#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/io.h"
#include "base/log.h"
#include "base/sig.h"
#include "process/channel.h"
#include "process/code_ask.h"
#include "process/codes.h"
#include "process/line.h"

#define WARM_MS	4000	/* for a login that others do */

static struct mysql_bytes
bytes(const char *text)
{
	return (struct mysql_bytes){ (const uint8_t *)text, strlen(text) };
}

/* The account is named by the number that auth chose. */
static int
become(struct session *ss, uint32_t number, struct mysql_code_pass *p)
{
	const struct conf_accounts	*list = &ss->s->router.conf->accounts;

	if (number >= list->n)
		return -1;
	p->account = bytes(list->v[number].account);
	if (list->v[number].database[0] != '\0')
		p->database = bytes(list->v[number].database);
	return 0;
}

static struct prove_answer
said(const struct mysql_code_said *s)
{
	static const enum prove_how	 hows[] = {
		[MYSQL_CODE_BY_NATIVE] = PROVE_NATIVE,
		[MYSQL_CODE_BY_SHA2] = PROVE_SHA2,
		[MYSQL_CODE_BY_CLEAR] = PROVE_CLEAR,
	};
	struct prove_answer		 a = {
		.how = hows[s->by], .bytes = s->answer,
	};

	memcpy(a.nonce, s->nonce, sizeof(a.nonce));
	return a;
}

static int
check(void *ctx, const struct mysql_code_try *t, struct mysql_code_pass *p)
{
	struct session		*ss = ctx;
	struct code_check	 c = {
		.listener = (uint32_t)ss->listener, .source = ss->source,
		.answer = said(&t->password), .apart = ss->codes.apart,
		.code = said(&t->code),
	};
	struct code_pass	 pass;

	/* What no user can be called is nobody's. */
	if (t->user.len >= sizeof(c.user) ||
	    t->password.answer.len > PROVE_ANSWER_MAX ||
	    t->code.answer.len > CODE_APART_MAX)
		return 0;
	memcpy(c.user, t->user.p, t->user.len);
	if (code_ask_check(ss->s->codes, &c, ss->front.fd, &pass) == -1)
		return -1;
	if (pass.verdict == CODE_LATER)
		return -1;
	p->right = pass.verdict == CODE_OK;
	p->wait_s = pass.verdict == CODE_WAIT ? pass.wait_s : 0;
	if (!p->right)
		return 0;
	memcpy(p->stored, pass.stored, sizeof(p->stored));
	ss->grant = pass.grant;
	ss->account = pass.account;
	memcpy(ss->s->code_user, c.user, sizeof(ss->s->code_user));
	return become(ss, pass.account, p);
}

static ssize_t
answer(void *ctx, enum mysql_code_how how, struct mysql_bytes nonce,
    struct mysql_bytes more, uint8_t *out)
{
	static const enum code_answer	 hows[] = {
		[MYSQL_CODE_NATIVE] = CODE_NATIVE,
		[MYSQL_CODE_SHA2] = CODE_SHA2,
		[MYSQL_CODE_SHA2_SEALED] = CODE_SHA2_SEALED,
		[MYSQL_CODE_PARSEC] = CODE_PARSEC,
		[MYSQL_CODE_ED25519] = CODE_ED25519,
	};
	struct session			*ss = ctx;
	const struct code_question	 q = {
		.grant = ss->grant, .how = hows[how], .nonce = nonce,
		.more = more,
	};

	return code_ask_answer(ss->s->codes, &q, out);
}

/* Whoever has the password says it to the server, by a login of its own. */
static int
warm(void *ctx, const char **why)
{
	struct session	*ss = ctx;
	uint32_t	 server;
	struct line	*line;
	uint8_t		 buf[12];
	char		 text[LINE_WHY_MAX];
	ptrdiff_t	 n;
	struct wr	 w;

	if (ss->backend->topic != NULL) {
		*why = "a server behind an agent cannot be told the password "
		    "in advance";
		return -1;
	}
	server = (uint32_t)ss->backend->servers.v[ss->back.server].index;
	wr_init(&w, buf, sizeof(buf));
	wr_u32(&w, ss->s->generation);
	wr_u32(&w, ss->account);
	wr_u32(&w, server);
	line = line_new(ss->s->dbclient_fd, ROLE_DBCLIENT, "dbclient");
	n = line_ask(line, MSG_WARM, buf, wr_len(&w), -1, WARM_MS,
	    (uint8_t *)ss->text, sizeof(ss->text) - 1, text);
	line_free(&line);
	ss->text[n > 0 ? n : 0] = '\0';
	if (n == -1)
		snprintf(ss->text, sizeof(ss->text), "%s", text);
	*why = ss->text;
	return n == 0 ? 0 : -1;
}

const struct mysql_codes *
codes_of(struct session *ss)
{
	if (ss->l->login != CONF_LOGIN_TOTP || ss->s->codes == NULL)
		return NULL;
	if (ss->front.client.u.sa.sa_family == AF_UNIX)
		memcpy(ss->from, "localhost", sizeof("localhost"));
	else
		net_host_text(&ss->front.client, ss->from, sizeof(ss->from));
	ss->codes = (struct mysql_codes){
		.check = check, .answer = answer, .warm = warm, .ctx = ss,
		.from = ss->from,
		.apart = ss->s->router.conf->totp.code == CONF_CODE_ASKED,
	};
	return &ss->codes;
}

/* Its signals wake the session as those of the keeper do. */
void
codes_watch(const struct session *ss)
{
	struct sigevent		 how = {
		.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGIO,
	};
	const struct itimerspec	 each = {
		.it_interval.tv_sec = CODES_LOOK_S,
		.it_value.tv_sec = CODES_LOOK_S,
	};
	timer_t			 timer;

	/* Whoever logs in by code has a process of its own: it ends with it. */
	if (ss->s->code_user[0] == '\0')
		return;
	ss->s->code_look_at = io_now_ms() + CODES_LOOK_S * 1000;
	if (timer_create(CLOCK_MONOTONIC, &how, &timer) == -1 ||
	    timer_settime(timer, 0, &each, NULL) == -1)
		log_warn("there is no timer, so %s stays until the session "
		    "ends", ss->s->code_user);
}

void
codes_look(struct server *s)
{
	if (s->code_user[0] == '\0' || io_left_ms(s->code_look_at) > 1000)
		return;
	s->code_look_at = io_now_ms() + CODES_LOOK_S * 1000;
	if (code_ask_still(s->codes, s->code_user) == 0) {
		/* As if an administrator had said so. */
		atomic_store(&s->board->victim, s->told.id);
		sig_raise(SIG_KILLED);
	}
	code_ask_hang_up(s->codes);
}
