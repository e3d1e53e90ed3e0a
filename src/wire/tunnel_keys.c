#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/kdf.h>

#include <string.h>

#include "base/buf.h"
#include "wire/tunnel_keys.h"

static int
digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

int
tunnel_secret_decode(const char *text, size_t len,
    uint8_t secret[TUNNEL_SECRET])
{
	size_t	 n = 0;

	while (n < len && text[n] != '\n' && text[n] != '\r')
		n++;
	if (n != 2 * TUNNEL_SECRET)
		return -1;
	for (size_t i = 0; i < TUNNEL_SECRET; i++) {
		int	 high = digit(text[2 * i]);
		int	 low = digit(text[2 * i + 1]);

		if (high == -1 || low == -1)
			return -1;
		secret[i] = (uint8_t)(high << 4 | low);
	}
	return 0;
}

static int
prove(const uint8_t *secret, const char *label, const struct tunnel_seen *s,
    uint8_t *out)
{
	uint8_t		 said[64 + sizeof(s->frames) + sizeof(s->exporter)];
	struct wr	 w;

	wr_init(&w, said, sizeof(said));
	wr_bytes(&w, label, strlen(label));
	wr_bytes(&w, s->frames, sizeof(s->frames));
	wr_bytes(&w, s->exporter, sizeof(s->exporter));
	return wr_ok(&w) && HMAC(EVP_sha256(), secret, TUNNEL_SECRET, said,
	    wr_len(&w), out, NULL) != NULL ? 0 : -1;
}

int
tunnel_proofs(const uint8_t secret[TUNNEL_SECRET],
    const struct tunnel_seen *seen, uint8_t agent[TUNNEL_PROOF],
    uint8_t hub[TUNNEL_PROOF])
{
	if (prove(secret, "sallyport/1 agent", seen, agent) == -1)
		return -1;
	return prove(secret, "sallyport/1 hub", seen, hub);
}

static int
hkdf(const uint8_t key[TUNNEL_KEY], const uint8_t *salt, size_t salt_len,
    const uint8_t *info, size_t info_len, uint8_t *out, size_t len)
{
	EVP_PKEY_CTX	*ctx = EVP_PKEY_CTX_new_id(EVP_PKEY_HKDF, NULL);
	int		 rc = -1;

	if (ctx != NULL && EVP_PKEY_derive_init(ctx) == 1 &&
	    EVP_PKEY_CTX_set_hkdf_md(ctx, EVP_sha256()) == 1 &&
	    EVP_PKEY_CTX_set1_hkdf_key(ctx, key, TUNNEL_KEY) == 1 &&
	    EVP_PKEY_CTX_set1_hkdf_salt(ctx, salt, (int)salt_len) == 1 &&
	    EVP_PKEY_CTX_add1_hkdf_info(ctx, info, (int)info_len) == 1 &&
	    EVP_PKEY_derive(ctx, out, &len) == 1)
		rc = 0;
	EVP_PKEY_CTX_free(ctx);
	return rc;
}

int
tunnel_link_keys(const uint8_t secret[TUNNEL_SECRET],
    const struct tunnel_seen *seen, struct tunnel_link_keys *keys)
{
	static const char	 label[] = "sallyport/1 link";
	uint8_t			 info[sizeof(label) - 1 +
				    sizeof(seen->exporter)];

	memcpy(info, label, sizeof(label) - 1);
	memcpy(info + sizeof(label) - 1, seen->exporter,
	    sizeof(seen->exporter));
	return hkdf(secret, seen->frames, sizeof(seen->frames), info,
	    sizeof(info), keys->tickets, sizeof(*keys));
}

int
tunnel_ticket_keys(const uint8_t tickets[TUNNEL_KEY],
    const uint8_t ticket[TUNNEL_TICKET], struct tunnel_ticket_keys *keys)
{
	static const char	 label[] = "sallyport/1 ticket";

	return hkdf(tickets, ticket, TUNNEL_TICKET, (const uint8_t *)label,
	    sizeof(label) - 1, keys->psk, sizeof(*keys));
}

static int
mac(const uint8_t *key, uint64_t number, const uint8_t *frame, size_t len,
    uint8_t *out)
{
	uint8_t		 said[8 + TUNNEL_FRAME_MAX];
	uint8_t		 hash[TUNNEL_HASH];
	struct wr	 w;

	wr_init(&w, said, sizeof(said));
	wr_u64(&w, number);
	wr_bytes(&w, frame, len);
	if (!wr_ok(&w) || HMAC(EVP_sha256(), key, TUNNEL_KEY, said,
	    wr_len(&w), hash, NULL) == NULL)
		return -1;
	memcpy(out, hash, TUNNEL_MAC);
	return 0;
}

ssize_t
tunnel_seal(const uint8_t key[TUNNEL_KEY], uint64_t number, uint8_t *frame,
    size_t len)
{
	size_t		 whole = len + TUNNEL_MAC;
	struct wr	 w;

	if (whole > TUNNEL_FRAME_MAX)
		return -1;
	frame[1] = TUNNEL_FLAG_MAC;
	wr_init(&w, frame + 2, 2);
	wr_u16(&w, (uint16_t)(whole - TUNNEL_HEADER));
	return mac(key, number, frame, len, frame + len) == 0 ?
	    (ssize_t)whole : -1;
}

bool
tunnel_is_sealed(const uint8_t key[TUNNEL_KEY], uint64_t number,
    const uint8_t *frame, size_t len)
{
	uint8_t	 want[TUNNEL_MAC];

	return len >= TUNNEL_HEADER + TUNNEL_MAC && len <= TUNNEL_FRAME_MAX &&
	    frame[1] == TUNNEL_FLAG_MAC &&
	    mac(key, number, frame, len - TUNNEL_MAC, want) == 0 &&
	    CRYPTO_memcmp(want, frame + len - TUNNEL_MAC, TUNNEL_MAC) == 0;
}
