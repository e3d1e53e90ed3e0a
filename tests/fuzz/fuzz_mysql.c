/*
 * What a decoder of MySQL's packets points to lies within the payload, and
 * what it took and is encoded again is decoded to the same.
 *
 * The first byte chooses the decoder, the next four are capabilities.
 */
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "wire/mysql_auth.h"
#include "wire/mysql_handshake.h"

#define HEAD	5

static const uint8_t	*begin;
static size_t		 size;
static uint8_t		 again[256 * 1024];

static void
must(bool so)
{
	if (!so)
		abort();
}

static void
inside(struct mysql_bytes b)
{
	must(b.p != NULL || b.len == 0);
	if (b.p != NULL)
		must(b.p >= begin && (size_t)(b.p - begin) <= size &&
		    b.len <= size - (size_t)(b.p - begin));
}

static void
same(struct mysql_bytes a, struct mysql_bytes b)
{
	must(a.len == b.len);
	must(a.len == 0 || memcmp(a.p, b.p, a.len) == 0);
}

/* What was just encoded, to be read; false when it did not fit. */
static bool
reread(const struct wr *w, struct rd *r)
{
	if (!wr_ok(w))
		return false;
	rd_init(r, again, wr_len(w));
	return true;
}

static void
greeting(struct rd *r, struct wr *w)
{
	struct mysql_greeting	 a, b;

	if (mysql_greeting_decode(r, &a) == -1)
		return;
	inside(a.version);
	inside(a.plugin);
	mysql_greeting_encode(w, &a);
	if (!reread(w, r))
		return;
	must(mysql_greeting_decode(r, &b) == 0);
	same(a.version, b.version);
	must(a.thread_id == b.thread_id && a.charset == b.charset &&
	    a.status == b.status);
	must(memcmp(a.nonce, b.nonce, sizeof(a.nonce)) == 0);
}

static void
response(struct rd *r, struct wr *w, uint32_t caps)
{
	struct mysql_response	 a, b;

	if (mysql_response_decode(r, caps, &a) == -1)
		return;
	inside(a.user);
	inside(a.auth);
	inside(a.database);
	inside(a.plugin);
	inside(a.attributes);
	inside(a.tail);
	must((a.caps & ~caps) == 0);
	mysql_response_encode(w, &a);
	if (!reread(w, r))
		return;
	must(mysql_response_decode(r, a.caps, &b) == 0);
	same(a.user, b.user);
	same(a.auth, b.auth);
	same(a.database, b.database);
	same(a.plugin, b.plugin);
	must(a.caps == b.caps && a.max_packet == b.max_packet &&
	    a.charset == b.charset);
}

static void
next_plugin(struct rd *r, struct wr *w, bool factor)
{
	struct mysql_switch	 a, b;

	if ((factor ? mysql_next_factor_decode(r, &a) :
	    mysql_switch_decode(r, &a)) == -1)
		return;
	inside(a.plugin);
	inside(a.data);
	if (factor)
		mysql_next_factor_encode(w, &a);
	else
		mysql_switch_encode(w, &a);
	if (!reread(w, r))
		return;
	must((factor ? mysql_next_factor_decode(r, &b) :
	    mysql_switch_decode(r, &b)) == 0);
	same(a.plugin, b.plugin);
	same(a.data, b.data);
}

static void
change_user(struct rd *r, struct wr *w, uint32_t caps)
{
	struct mysql_change_user	 a, b;

	if (mysql_change_user_decode(r, caps, &a) == -1)
		return;
	inside(a.user);
	inside(a.auth);
	inside(a.database);
	inside(a.plugin);
	inside(a.attributes);
	mysql_change_user_encode(w, caps, &a);
	if (!reread(w, r))
		return;
	must(mysql_change_user_decode(r, caps, &b) == 0);
	same(a.user, b.user);
	same(a.auth, b.auth);
	same(a.database, b.database);
	same(a.plugin, b.plugin);
}

static void
answer(struct rd *r, struct wr *w, uint32_t caps, bool error)
{
	struct mysql_error	 e, f;
	struct mysql_ok		 a, b;

	if (error) {
		if (mysql_error_decode(r, &e) == -1)
			return;
		inside(e.text);
		must(strlen(e.state) == 0 || strlen(e.state) == 5);
		mysql_error_encode(w, &e);
		if (!reread(w, r))
			return;
		must(mysql_error_decode(r, &f) == 0);
		must(e.code == f.code && strcmp(e.state, f.state) == 0);
		same(e.text, f.text);
		return;
	}
	if (mysql_ok_decode(r, caps, &a) == -1)
		return;
	inside(a.info);
	inside(a.state_changes);
	mysql_ok_encode(w, caps, &a);
	if (!reread(w, r))
		return;
	must(mysql_ok_decode(r, caps, &b) == 0);
	must(a.affected == b.affected && a.insert_id == b.insert_id &&
	    a.status == b.status && a.warnings == b.warnings);
	same(a.info, b.info);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct rd	 r;
	struct wr	 w;
	uint32_t	 caps;

	if (len < HEAD || len > 64 * 1024)
		return 0;
	memcpy(&caps, data + 1, sizeof(caps));
	begin = data + HEAD;
	size = len - HEAD;
	rd_init(&r, begin, size);
	wr_init(&w, again, sizeof(again));
	switch (data[0] % 7) {
	case 0:
		greeting(&r, &w);
		break;
	case 1:
		/* Nobody offers less than the protocol of 4.1. */
		response(&r, &w, caps | MYSQL_CAP_PROTOCOL_41);
		break;
	case 2:
	case 3:
		next_plugin(&r, &w, data[0] % 7 == 3);
		break;
	case 4:
		change_user(&r, &w, caps);
		break;
	case 5:
	case 6:
		answer(&r, &w, caps, data[0] % 7 == 6);
		break;
	}
	return 0;
}
