#include <openssl/err.h>
#include <openssl/sha.h>
#include <openssl/x509.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "session/tls_context.h"

/* All that a system trusts in one file, in the order of how common it is. */
static const char	*const bundles[] = {
	"/etc/ssl/certs/ca-certificates.crt",	/* Debian, Alpine, Arch */
	"/etc/pki/tls/certs/ca-bundle.crt",	/* Red Hat */
	"/etc/ssl/ca-bundle.pem",		/* SUSE */
	"/etc/ssl/cert.pem",
};

const char *
tls_system_ca(void)
{
	const char	*path = getenv(X509_get_default_cert_file_env());

	if (path != NULL)
		return path;
	for (size_t i = 0; i < nitems(bundles); i++)
		if (access(bundles[i], R_OK) == 0)
			return bundles[i];
	return X509_get_default_cert_file();
}

/* For OpenSSL: 1, or 0 for another key. */
static int
on_pinned(X509_STORE_CTX *store, void *ctx)
{
	const struct tls_client	*c = ctx;
	X509			*x = X509_STORE_CTX_get0_cert(store);
	X509_PUBKEY		*key = x != NULL ? X509_get_X509_PUBKEY(x) :
				    NULL;
	unsigned char		*der = NULL;
	unsigned char		 hash[SHA256_DIGEST_LENGTH];
	int			 n = key != NULL ? i2d_X509_PUBKEY(key, &der) :
				    -1;
	bool			 good;

	good = n > 0 && SHA256(der, (size_t)n, hash) != NULL &&
	    CRYPTO_memcmp(hash, c->pin, sizeof(c->pin)) == 0;
	OPENSSL_free(der);
	if (!good)
		X509_STORE_CTX_set_error(store, X509_V_ERR_CERT_UNTRUSTED);
	return good;
}

static void
use_pin(struct tls_client *c, const uint8_t *pin)
{
	c->pinned = true;
	memcpy(c->pin, pin, sizeof(c->pin));
	SSL_CTX_set_verify(c->ctx, SSL_VERIFY_PEER, NULL);
	SSL_CTX_set_cert_verify_callback(c->ctx, on_pinned, c);
}

/* As RFC 7301 has it. */
static int
use_alpn(SSL_CTX *ctx, const char *protocol)
{
	uint8_t	 list[1 + UINT8_MAX];
	size_t	 len = strlen(protocol);

	if (len > UINT8_MAX)
		return -1;
	list[0] = (uint8_t)len;
	memcpy(list + 1, protocol, len);
	return SSL_CTX_set_alpn_protos(ctx, list, (unsigned int)len + 1) == 0 ?
	    0 : -1;
}

static int
use_ca(SSL_CTX *ctx, const struct tls_client_options *o, char *why)
{
	X509_STORE	*store = SSL_CTX_get_cert_store(ctx);

	if (!o->verify_chain) {
		SSL_CTX_set_verify(ctx, SSL_VERIFY_NONE, NULL);
		return 0;
	}
	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
	if (o->ca.data != NULL)
		return tls_pem_trust(store, &o->ca, &(struct tls_pem){ 0 },
		    why);
	ERR_clear_error();
	if (X509_STORE_load_file(store, tls_system_ca()) == 1)
		return 0;
	tls_why_error(why, tls_system_ca());
	return -1;
}

static int
use_identity(SSL_CTX *ctx, const struct tls_identity *id, char *why)
{
	struct tls_own	 own = { 0 };
	int		 rc;

	if (id == NULL)
		return 0;
	rc = tls_own_init(&own, id, "certificate", why);
	if (rc == 0)
		rc = tls_own_use(ctx, &own, "certificate", why);
	tls_own_end(&own);
	return rc;
}

struct tls_client *
tls_client_new(const struct tls_client_options *o, char *why)
{
	struct tls_client	*c = NULL;

	if (o->verify_name && !o->verify_chain) {
		snprintf(why, TLS_WHY_MAX, "a name in a certificate that "
		    "anybody may have signed proves nothing");
		return NULL;
	}
	c = mem_calloc(1, sizeof(*c));
	c->verify_name = o->verify_name;
	c->ctx = tls_context_new(TLS_client_method(), o->min_version, why);
	if (c->ctx == NULL || use_ca(c->ctx, o, why) == -1 ||
	    use_identity(c->ctx, o->identity, why) == -1) {
		tls_client_free(&c);
		return NULL;
	}
	if (o->pin != NULL)
		use_pin(c, o->pin);
	if (o->alpn != NULL && use_alpn(c->ctx, o->alpn) == -1) {
		snprintf(why, TLS_WHY_MAX, "ALPN: out of memory");
		tls_client_free(&c);
		return NULL;
	}
	(void)SSL_CTX_set_session_cache_mode(c->ctx, SSL_SESS_CACHE_OFF);
	return c;
}

void
tls_client_free(struct tls_client **cp)
{
	struct tls_client	*c = *cp;

	if (c == NULL)
		return;
	SSL_CTX_free(c->ctx);
	free(c);
	*cp = NULL;
}
