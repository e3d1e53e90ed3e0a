#include <string.h>

#include "process/code_ask.h"
#include "process/codes.h"

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

static int
check(void *ctx, const struct mysql_code_try *t, struct mysql_code_pass *p)
{
	struct session		*ss = ctx;
	struct code_check	 c = {
		.listener = (uint32_t)ss->listener, .source = ss->source,
		.answer = {
			.how = t->sha2 ? PROVE_SHA2 : PROVE_NATIVE,
			.bytes = t->answer,
		},
	};
	struct code_pass	 pass;

	/* What no user can be called is nobody's. */
	if (t->user.len >= sizeof(c.user) ||
	    t->answer.len > PROVE_ANSWER_MAX)
		return 0;
	memcpy(c.user, t->user.p, t->user.len);
	memcpy(c.answer.nonce, t->nonce, sizeof(c.answer.nonce));
	if (code_ask_check(ss->s->codes, &c, ss->front.fd, &pass) == -1)
		return -1;
	p->right = pass.verdict == CODE_OK;
	p->wait_s = pass.verdict == CODE_WAIT ? pass.wait_s : 0;
	if (!p->right)
		return 0;
	memcpy(p->stored, pass.stored, sizeof(p->stored));
	ss->grant = pass.grant;
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
		.check = check, .answer = answer, .ctx = ss,
		.from = ss->from,
	};
	return &ss->codes;
}
