/*
 * What a tap tells of a session does not depend on the pieces in which the
 * bytes come, and no more of a command is kept than was sent.
 *
 * The first four bytes are capabilities, then one of MariaDB's.  Then, by
 * turns, both sides speak: a byte that says who (bit 7) and how much, and so
 * many bytes.
 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "fuzz.h"
#include "session/mysql_tap.h"

#define HEAD	5
#define KEEP	64
#define TOLD_MAX	8192

struct side {
	const uint8_t	*p;		/* said and not passed */
	size_t		 len;
	uint8_t		 held[64 * 1024];
	bool		 stop;
};

struct run {
	struct mysql_tap	 tap;
	struct side		 sides[2];
	uint64_t		 hash;
	uint64_t		 answered[TOLD_MAX];	/* the hash after each */
	size_t			 nanswered;
	bool			 failed, waited;
	size_t			 said;		/* by the client */
};

static struct run	 whole, apart;

static void
must(bool so)
{
	if (!so)
		abort();
}

static void
mix(struct run *r, uint64_t v)
{
	r->hash = (r->hash ^ v) * 1099511628211u;
}

static bool
on_done(void *ctx, struct mysql_tap_command *c)
{
	struct run	*r = ctx;

	must(c->len <= KEEP && c->len <= c->total);
	must(c->len <= r->said);
	mix(r, c->command);
	mix(r, c->total);
	mix(r, (uint64_t)c->outcome);
	mix(r, c->rows);
	mix(r, c->affected);
	mix(r, c->error);
	for (size_t i = 0; i < c->len; i++)
		mix(r, c->payload[i]);
	for (size_t i = 0; i < c->schema.len; i++)
		mix(r, c->schema.p[i]);
	if (c->outcome != QUERY_UNANSWERED && r->nanswered < TOLD_MAX)
		r->answered[r->nanswered++] = r->hash;
	return true;
}

static void
come(struct run *r, int who, const uint8_t *p, size_t n)
{
	struct side	*s = &r->sides[who];
	size_t		 passed;

	if (s->len + n > sizeof(s->held))
		return;
	if (n > 0)
		memcpy(s->held + s->len, p, n);
	s->len += n;
	if (s->stop)
		return;
	passed = who == 0 ?
	    mysql_tap_client(&r->tap, s->held, s->len, &s->stop) :
	    mysql_tap_server(&r->tap, s->held, s->len, &s->stop);
	must(passed <= s->len);
	memmove(s->held, s->held + passed, s->len - passed);
	s->len -= passed;
	r->waited |= r->tap.stop == MYSQL_TAP_WAIT;
}

/* What stopped the client is over; others do what is not the tap's. */
static void
go_on(struct run *r)
{
	struct mysql_tap	*tap = &r->tap;

	while (r->sides[0].stop && tap->stop == MYSQL_TAP_WAIT &&
	    mysql_tap_is_ready(tap)) {
		r->sides[0].stop = false;
		come(r, 0, NULL, 0);
	}
}

static void
run(struct run *r, const uint8_t *data, size_t len, size_t piece)
{
	static const uint8_t	 deny[32] = { 1 << MYSQL_COM_DROP_DB };
	size_t			 n, some;
	int			 who;

	memset(r, 0, sizeof(*r));
	memcpy(&r->tap.caps, data, sizeof(r->tap.caps));
	r->tap.mariadb_caps = data[4] & MYSQL_TAP_MARIADB;
	r->tap.keep = KEEP;
	r->tap.deny = deny;
	r->tap.done = on_done;
	r->tap.ctx = r;
	for (size_t at = HEAD; at < len; at += n) {
		who = data[at] >> 7;
		n = data[at++] & 0x7f;
		if (n > len - at)
			n = len - at;
		if (who == 0)
			r->said += n;
		for (size_t k = 0; k < n; k += some) {
			some = n - k < piece ? n - k : piece;
			come(r, who, data + at + k, some);
			go_on(r);
		}
		if (r->tap.stop == MYSQL_TAP_FAILED)
			break;
	}
	must(r->tap.ncommands <= MYSQL_TAP_COMMANDS);
	must(r->tap.kept <= KEEP * (size_t)MYSQL_TAP_COMMANDS);
	r->failed = r->tap.stop == MYSQL_TAP_FAILED;
	mysql_tap_end(&r->tap);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	if (len < HEAD || len > 16 * 1024)
		return 0;
	run(&whole, data, len, SIZE_MAX);
	run(&apart, data, len, 1);
	/*
	 * Where a client waits, a server that answers what it has not heard
	 * yet may be found out or not, as the client has gone on or not.
	 */
	if (whole.waited || apart.waited)
		return 0;
	if (!whole.failed && !apart.failed)
		must(whole.nanswered == apart.nanswered &&
		    whole.hash == apart.hash);
	for (size_t i = 0; i < whole.nanswered && i < apart.nanswered; i++)
		must(whole.answered[i] == apart.answered[i]);
	return 0;
}
