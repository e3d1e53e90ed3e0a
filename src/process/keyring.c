#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "policy/conf_files.h"
#include "process/keyring.h"

#define LOCKED_BYTES	(4 * 1024 * 1024)	/* a key of RSA takes 4 KiB */
#define LOCKED_LEAST	64
#define HASH		32

/* A file of a generation. */
struct entry {
	uint32_t	 generation;
	uint32_t	 number;
	uint8_t		 hash[HASH];	/* SHA-256 of its bytes */
	EVP_PKEY	*key;		/* others may have it, too */
};

struct keyring {
	struct entry	*v;
	size_t		 n;
};

bool
keyring_lock_memory(void)
{
	return CRYPTO_secure_malloc_init(LOCKED_BYTES, LOCKED_LEAST) == 1;
}

struct keyring *
keyring_new(void)
{
	return mem_calloc(1, sizeof(struct keyring));
}

void
keyring_free(struct keyring **keyring)
{
	struct keyring	*k = *keyring;

	if (k == NULL)
		return;
	for (size_t i = 0; i < k->n; i++)
		EVP_PKEY_free(k->v[i].key);
	free(k->v);
	free(k);
	*keyring = NULL;
}

bool
keyring_is_needed(const struct conf *conf, const char *pool)
{
	size_t			 n;
	struct conf_file	*files = conf_files(conf, &n);
	bool			 needed = false;

	for (size_t i = 0; i < n; i++)
		needed |= conf_file_is_secret(&files[i]) &&
		    conf_file_is_for(conf, &files[i], pool);
	free(files);
	return needed;
}

bool
keyring_is_given(const struct setup_generation *g, const char *pool)
{
	size_t			 n;
	struct conf_file	*files = conf_files(g->conf, &n);
	bool			 given = true;

	for (size_t i = 0; i < n; i++)
		given &= g->files[i].data != NULL ||
		    !conf_file_is_secret(&files[i]) ||
		    !conf_file_is_for(g->conf, &files[i], pool);
	free(files);
	return given;
}

/* Nobody is there to type it. */
static int
on_passphrase(char *buf, int size, int writing, void *ctx)
{
	(void)buf;
	(void)size;
	(void)writing;
	(void)ctx;
	return -1;
}

static EVP_PKEY *
read_key(const struct setup_file *f)
{
	BIO		*in = BIO_new_mem_buf(f->data, (int)f->len);
	EVP_PKEY	*key = NULL;

	if (in != NULL)
		key = PEM_read_bio_PrivateKey(in, NULL, on_passphrase, NULL);
	BIO_free(in);
	ERR_clear_error();
	return key;
}

/* A key that is there already, whatever generation it is of; or NULL. */
static EVP_PKEY *
find_same(const struct keyring *k, const uint8_t *hash)
{
	for (size_t i = 0; i < k->n; i++)
		if (memcmp(k->v[i].hash, hash, HASH) == 0 &&
		    EVP_PKEY_up_ref(k->v[i].key) == 1)
			return k->v[i].key;
	return NULL;
}

static int
add(struct keyring *k, uint32_t generation, uint32_t number,
    const struct setup_file *f)
{
	struct entry	 e = { .generation = generation, .number = number };

	if (EVP_Digest(f->data, f->len, e.hash, NULL, EVP_sha256(), NULL) != 1)
		return -1;
	e.key = find_same(k, e.hash);
	if (e.key == NULL)
		e.key = read_key(f);
	if (e.key == NULL)
		return -1;
	k->v = mem_resize(k->v, k->n + 1, sizeof(*k->v));
	k->v[k->n++] = e;
	return 0;
}

int
keyring_add(struct keyring *k, struct setup_generation *g, char *why)
{
	size_t			 n;
	struct conf_file	*files = conf_files(g->conf, &n);
	int			 rc = 0;

	for (size_t i = 0; i < n; i++) {
		struct setup_file	*f = &g->files[i];

		if (f->data == NULL || !conf_file_is_secret(&files[i]))
			continue;
		if (rc == 0 && add(k, g->number, (uint32_t)i, f) == -1) {
			snprintf(why, KEYRING_WHY_MAX, "%s: %s: \"%.256s\": "
			    "no private key that can be used",
			    files[i].where, files[i].key, files[i].path);
			rc = -1;
		}
		setup_forget_file(f);
	}
	free(files);
	if (rc == -1)
		keyring_forget(k, g->number);
	return rc;
}

void
keyring_forget(struct keyring *k, uint32_t generation)
{
	for (size_t i = k->n; i-- > 0;)
		if (k->v[i].generation == generation) {
			EVP_PKEY_free(k->v[i].key);
			k->v[i] = k->v[--k->n];
		}
}

size_t
keyring_count(const struct keyring *k)
{
	size_t	 n = 0, j;

	for (size_t i = 0; i < k->n; i++) {
		for (j = 0; j < i && k->v[j].key != k->v[i].key; j++)
			continue;
		n += j == i;
	}
	return n;
}

ptrdiff_t
keyring_sign(const struct keyring *k, uint32_t generation,
    const struct sign_request *rq, uint8_t *sig)
{
	for (size_t i = 0; i < k->n; i++)
		if (k->v[i].generation == generation &&
		    k->v[i].number == rq->key)
			return sign_make(k->v[i].key, rq, sig);
	return -1;
}
