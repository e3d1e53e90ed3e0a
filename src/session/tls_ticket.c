#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/rand.h>

#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>

#include "session/tls_ticket.h"

#define TRIES	100		/* a writer may have died half-way */

int
tls_ticket_rotate(struct tls_tickets *t)
{
	struct tls_ticket_key	 fresh[TLS_TICKET_KEYS];
	uint32_t		 version = atomic_load(&t->version);
	bool			 first = version <= 1;

	/* Zeros are no key: whoever guesses them could seal tickets. */
	if (RAND_priv_bytes((unsigned char *)fresh, sizeof(fresh)) != 1)
		return -1;
	if (!first)
		memcpy(fresh + 1, t->keys,
		    (TLS_TICKET_KEYS - 1) * sizeof(fresh[0]));
	version |= 1;
	atomic_store(&t->version, version);
	atomic_thread_fence(memory_order_release);
	memcpy(t->keys, fresh, sizeof(fresh));
	/* 0 means that there are none: left out after 2^32. */
	atomic_store(&t->version, version + 1 == 0 ? 2 : version + 1);
	OPENSSL_cleanse(fresh, sizeof(fresh));
	return 0;
}

/* A copy of all keys that no rotation has torn. */
static bool
copy_keys(const struct tls_tickets *t, struct tls_ticket_key *keys)
{
	uint32_t	 version;

	for (int i = 0; i < TRIES; i++) {
		version = atomic_load(&t->version);
		if (version == 0)
			return false;
		if (version % 2 == 0) {
			memcpy(keys, t->keys, sizeof(t->keys));
			atomic_thread_fence(memory_order_acquire);
			if (atomic_load(&t->version) == version)
				return true;
		}
		(void)sched_yield();
	}
	return false;
}

/* Which key has that name; -1: none any more. */
static int
find_key(const struct tls_ticket_key *keys, const unsigned char *name)
{
	for (int i = 0; i < TLS_TICKET_KEYS; i++)
		if (memcmp(keys[i].name, name, sizeof(keys[i].name)) == 0)
			return i;
	return -1;
}

static bool
set_mac(EVP_MAC_CTX *mac, struct tls_ticket_key *key)
{
	char		 digest[] = "SHA256";
	OSSL_PARAM	 params[] = {
		OSSL_PARAM_octet_string(OSSL_MAC_PARAM_KEY, key->hmac,
		    sizeof(key->hmac)),
		OSSL_PARAM_utf8_string(OSSL_MAC_PARAM_DIGEST, digest,
		    sizeof(digest) - 1),
		OSSL_PARAM_END,
	};

	return EVP_MAC_CTX_set_params(mac, params) == 1;
}

static bool
seal(struct tls_ticket_key *key, unsigned char *name, unsigned char *iv,
    EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac)
{
	memcpy(name, key->name, sizeof(key->name));
	return RAND_bytes(iv, EVP_CIPHER_get_iv_length(
	    EVP_aes_256_cbc())) == 1 &&
	    EVP_EncryptInit_ex2(cipher, EVP_aes_256_cbc(), key->aes, iv,
	    NULL) == 1 && set_mac(mac, key);
}

/*
 * For OpenSSL: 1 good, 2 good and to be sealed anew, 0 none, -1 failure.
 * With TLS 1.3 clients use a ticket once, and get another for it.
 */
static int
on_ticket(SSL *ssl, unsigned char *name, unsigned char *iv,
    EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac, int sealing)
{
	const struct tls_tickets *t = SSL_CTX_get_app_data(
				    SSL_get_SSL_CTX(ssl));
	struct tls_ticket_key	 keys[TLS_TICKET_KEYS];
	int			 rc = 0, i;

	if (!copy_keys(t, keys))
		return 0;
	if (sealing)
		rc = seal(&keys[0], name, iv, cipher, mac) ? 1 : -1;
	else if ((i = find_key(keys, name)) != -1)
		rc = EVP_DecryptInit_ex2(cipher, EVP_aes_256_cbc(),
		    keys[i].aes, iv, NULL) != 1 ||
		    !set_mac(mac, &keys[i]) ? -1 :
		    i == 0 && SSL_version(ssl) < TLS1_3_VERSION ? 1 : 2;
	OPENSSL_cleanse(keys, sizeof(keys));
	return rc;
}

void
tls_ticket_use(SSL_CTX *ctx, const struct tls_tickets *t)
{
	(void)SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	if (t == NULL) {
		/* The option alone leaves TLS 1.3 with tickets of a cache. */
		(void)SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET);
		(void)SSL_CTX_set_num_tickets(ctx, 0);
		return;
	}
	(void)SSL_CTX_set_app_data(ctx, (void *)(uintptr_t)t);
	(void)SSL_CTX_set_tlsext_ticket_key_evp_cb(ctx, on_ticket);
}
