#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>

#include <string.h>

#include "base/buf.h"
#include "policy/grant.h"

#define NONCE	12
#define TAG	16
#define TEXT	(GRANT_SEALED - NONCE - TAG)

static int
encode(const struct grant_text *g, uint8_t text[TEXT])
{
	struct wr	 w;

	wr_init(&w, text, TEXT);
	wr_u64(&w, g->serial);
	wr_u64(&w, (uint64_t)g->until);
	wr_u8(&w, g->mode);
	wr_u8(&w, g->tls);
	wr_bytes(&w, g->id, sizeof(g->id));
	wr_bytes(&w, g->pool, sizeof(g->pool));
	wr_bytes(&w, g->tickets, sizeof(g->tickets));
	return wr_ok(&w) && w.left == 0 ? 0 : -1;
}

static int
decode(const uint8_t text[TEXT], struct grant_text *g)
{
	const uint8_t	*id, *pool, *tickets;
	struct rd	 r;

	rd_init(&r, text, TEXT);
	g->serial = rd_u64(&r);
	g->until = (int64_t)rd_u64(&r);
	g->mode = rd_u8(&r);
	g->tls = rd_u8(&r) != 0;
	id = rd_take(&r, sizeof(g->id));
	pool = rd_take(&r, sizeof(g->pool));
	tickets = rd_take(&r, sizeof(g->tickets));
	if (!rd_end(&r))
		return -1;
	memcpy(g->id, id, sizeof(g->id));
	memcpy(g->pool, pool, sizeof(g->pool));
	memcpy(g->tickets, tickets, sizeof(g->tickets));
	g->id[sizeof(g->id) - 1] = '\0';
	g->pool[sizeof(g->pool) - 1] = '\0';
	return 0;
}

int
grant_seal(const uint8_t key[GRANT_KEY], const struct grant_text *g,
    uint8_t *sealed)
{
	EVP_CIPHER_CTX	*ctx = EVP_CIPHER_CTX_new();
	uint8_t		 text[TEXT];
	int		 n, rc = -1;

	if (ctx != NULL && encode(g, text) == 0 &&
	    RAND_bytes(sealed, NONCE) == 1 &&
	    EVP_EncryptInit_ex(ctx, EVP_aes_256_gcm(), NULL, key, sealed) ==
	    1 && EVP_EncryptUpdate(ctx, sealed + NONCE + TAG, &n, text,
	    TEXT) == 1 && n == TEXT &&
	    EVP_EncryptFinal_ex(ctx, sealed + NONCE + TAG + n, &n) == 1 &&
	    EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_GCM_GET_TAG, TAG,
	    sealed + NONCE) == 1)
		rc = 0;
	EVP_CIPHER_CTX_free(ctx);
	OPENSSL_cleanse(text, sizeof(text));
	return rc;
}

int
grant_open(const uint8_t key[GRANT_KEY], const uint8_t *sealed,
    struct grant_text *g)
{
	EVP_CIPHER_CTX	*ctx = EVP_CIPHER_CTX_new();
	uint8_t		 text[TEXT], tag[TAG];
	int		 n, rc = -1;

	memcpy(tag, sealed + NONCE, sizeof(tag));
	if (ctx != NULL && EVP_DecryptInit_ex(ctx, EVP_aes_256_gcm(), NULL,
	    key, sealed) == 1 && EVP_DecryptUpdate(ctx, text, &n,
	    sealed + NONCE + TAG, TEXT) == 1 && n == TEXT &&
	    EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_GCM_SET_TAG, TAG, tag) == 1 &&
	    EVP_DecryptFinal_ex(ctx, text + n, &n) == 1)
		rc = decode(text, g);
	EVP_CIPHER_CTX_free(ctx);
	OPENSSL_cleanse(text, sizeof(text));
	return rc;
}
