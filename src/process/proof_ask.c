#include <openssl/crypto.h>
#include <openssl/evp.h>

#include <string.h>

#include "base/log.h"
#include "process/channel.h"
#include "process/line.h"
#include "process/proof_ask.h"

static int
copy(struct rd *r, void *out, size_t len)
{
	const uint8_t	*p = rd_take(r, len);

	if (p == NULL)
		return -1;
	memcpy(out, p, len);
	return 0;
}

int
proof_secret_of(const char *password, size_t len,
    uint8_t secret[TUNNEL_SECRET])
{
	return EVP_Digest(password, len, secret, NULL, EVP_sha256(),
	    NULL) == 1 ? 0 : -1;
}

int
proof_check_encode(struct wr *w, const struct proof_check *c)
{
	wr_u32(w, c->generation);
	wr_u32(w, c->listener);
	wr_bytes(w, c->source.bytes, sizeof(c->source.bytes));
	wr_u8(w, (uint8_t)c->mode);
	wr_u8(w, c->tls);
	wr_bytes(w, c->seen.frames, sizeof(c->seen.frames));
	wr_bytes(w, c->seen.exporter, sizeof(c->seen.exporter));
	wr_bytes(w, c->proof, sizeof(c->proof));
	wr_bytes(w, c->id, strlen(c->id));
	return wr_ok(w) ? 0 : -1;
}

int
proof_check_decode(struct rd *r, struct proof_check *c)
{
	uint8_t	 mode;

	memset(c, 0, sizeof(*c));
	c->generation = rd_u32(r);
	c->listener = rd_u32(r);
	if (copy(r, c->source.bytes, sizeof(c->source.bytes)) == -1)
		return -1;
	mode = rd_u8(r);
	c->tls = rd_u8(r) != 0;
	if (copy(r, c->seen.frames, sizeof(c->seen.frames)) == -1 ||
	    copy(r, c->seen.exporter, sizeof(c->seen.exporter)) == -1 ||
	    copy(r, c->proof, sizeof(c->proof)) == -1 || r->left == 0 ||
	    r->left > TUNNEL_ID_MAX ||
	    (mode != TUNNEL_CONTROL && mode != TUNNEL_USER))
		return -1;
	c->mode = (enum tunnel_mode)mode;
	return copy(r, c->id, r->left);
}

int
proof_pass_encode(struct wr *w, const struct proof_pass *p)
{
	wr_u8(w, (uint8_t)p->code);
	wr_u32(w, p->wait_ms);
	wr_bytes(w, p->proved.hub, sizeof(p->proved.hub));
	wr_bytes(w, p->proved.keys.agent_mac, TUNNEL_KEY);
	wr_bytes(w, p->proved.keys.hub_mac, TUNNEL_KEY);
	wr_bytes(w, p->grant, sizeof(p->grant));
	return wr_ok(w) ? 0 : -1;
}

int
proof_pass_decode(struct rd *r, struct proof_pass *p)
{
	uint8_t	 code;

	memset(p, 0, sizeof(*p));
	code = rd_u8(r);
	p->wait_ms = rd_u32(r);
	if (copy(r, p->proved.hub, sizeof(p->proved.hub)) == -1 ||
	    copy(r, p->proved.keys.agent_mac, TUNNEL_KEY) == -1 ||
	    copy(r, p->proved.keys.hub_mac, TUNNEL_KEY) == -1 ||
	    copy(r, p->grant, sizeof(p->grant)) == -1 ||
	    code >= TUNNEL_CODES)
		return -1;
	p->code = (enum tunnel_code)code;
	return rd_end(r) ? 0 : -1;
}

int
proof_ask_check(struct line *line, const struct proof_check *c, int client,
    struct proof_pass *pass)
{
	uint8_t		 buf[512], out[512];
	char		 why[LINE_WHY_MAX] = "";
	ptrdiff_t	 n;
	struct rd	 r;
	struct wr	 w;
	int		 rc = -1;

	wr_init(&w, buf, sizeof(buf));
	if (proof_check_encode(&w, c) == -1)
		return -1;
	n = line_ask(line, MSG_PROOF_HUB, buf, wr_len(&w), client,
	    PROOF_ASK_MS, out, sizeof(out), why);
	if (n != -1) {
		rd_init(&r, out, (size_t)n);
		rc = proof_pass_decode(&r, pass);
	}
	if (rc == -1)
		log_warn("nobody can tell whether it is agent %s: %s", c->id,
		    n == -1 ? why : "auth answers nonsense");
	OPENSSL_cleanse(out, sizeof(out));
	return rc;
}

int
proof_ask_prove(struct line *line, uint32_t generation, uint32_t hub,
    const struct tunnel_seen *seen, struct tunnel_proved *proved)
{
	uint8_t		 buf[128], out[1 + sizeof(*proved)];
	char		 why[LINE_WHY_MAX] = "";
	ptrdiff_t	 n;
	struct wr	 w;
	int		 rc = -1;

	wr_init(&w, buf, sizeof(buf));
	wr_u32(&w, generation);
	wr_u32(&w, hub);
	wr_bytes(&w, seen->frames, sizeof(seen->frames));
	wr_bytes(&w, seen->exporter, sizeof(seen->exporter));
	n = line_ask(line, MSG_PROOF_AGENT, buf, wr_len(&w), -1, PROOF_ASK_MS,
	    out, sizeof(out), why);
	if (n == (ptrdiff_t)sizeof(out) && out[0] == 1) {
		memcpy(proved, out + 1, sizeof(*proved));
		rc = 0;
	} else
		log_warn("nobody can prove to a hub who we are: %s", n == -1 ?
		    why : "auth has no secret for it");
	OPENSSL_cleanse(out, sizeof(out));
	return rc;
}
