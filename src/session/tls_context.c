#include <openssl/err.h>

#include <stdio.h>
#include <string.h>

#include "session/tls_context.h"

/*
 * Bytes that the chain begins or ends with a second time are left out: it is
 * common to give the file that has all as both.
 */
static bool
has(STACK_OF(X509) *all, const X509 *x)
{
	for (int i = 0; i < sk_X509_num(all); i++)
		if (X509_cmp(sk_X509_value(all, i), x) == 0)
			return true;
	return false;
}

static int
add_chain(struct tls_own *own, STACK_OF(X509) *more)
{
	X509	*x;

	while ((x = sk_X509_shift(more)) != NULL)
		if (X509_cmp(own->certificate, x) == 0 || has(own->chain, x))
			X509_free(x);
		else if (sk_X509_push(own->chain, x) <= 0) {
			X509_free(x);
			return -1;
		}
	return 0;
}

static int
read_chain(struct tls_own *own, const struct tls_identity *id,
    const char *what, char *why)
{
	STACK_OF(X509)	*all;
	int		 rc;

	all = tls_pem_certificates(&id->certificate, what, why);
	if (all == NULL)
		return -1;
	own->certificate = sk_X509_shift(all);
	own->chain = sk_X509_new_null();
	rc = add_chain(own, all);
	sk_X509_pop_free(all, X509_free);
	if (rc == -1 || id->chain.data == NULL)
		return rc;
	all = tls_pem_certificates(&id->chain, what, why);
	if (all == NULL)
		return -1;
	rc = add_chain(own, all);
	sk_X509_pop_free(all, X509_free);
	return rc;
}

int
tls_own_init(struct tls_own *own, const struct tls_identity *id,
    const char *what, char *why)
{
	*own = (struct tls_own){ 0 };
	snprintf(why, TLS_WHY_MAX, "%s: out of memory", what);
	if (read_chain(own, id, what, why) == -1)
		return -1;
	if (id->key == NULL || EVP_PKEY_up_ref(id->key) != 1) {
		snprintf(why, TLS_WHY_MAX, "%s: it has no key", what);
		return -1;
	}
	own->key = id->key;
	return 0;
}

int
tls_own_use(SSL_CTX *ctx, const struct tls_own *own, const char *what,
    char *why)
{
	ERR_clear_error();
	if (SSL_CTX_use_cert_and_key(ctx, own->certificate, own->key,
	    own->chain, 1) == 1)
		return 0;
	tls_why_error(why, what);
	return -1;
}

void
tls_own_end(struct tls_own *own)
{
	X509_free(own->certificate);
	sk_X509_pop_free(own->chain, X509_free);
	EVP_PKEY_free(own->key);
	*own = (struct tls_own){ 0 };
}

SSL_CTX *
tls_context_new(const SSL_METHOD *method, int min_version, char *why)
{
	SSL_CTX	*ctx;

	ERR_clear_error();
	ctx = SSL_CTX_new(method);
	if (ctx == NULL || SSL_CTX_set_min_proto_version(ctx,
	    min_version) != 1) {
		tls_why_error(why, "TLS");
		SSL_CTX_free(ctx);
		return NULL;
	}
	/* What is signed before TLS 1.2 is signed with SHA-1. */
	if (min_version != 0 && min_version < TLS1_2_VERSION)
		SSL_CTX_set_security_level(ctx, 0);
	(void)SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION |
	    SSL_OP_NO_COMPRESSION | SSL_OP_IGNORE_UNEXPECTED_EOF |
	    SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA);
	(void)SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE |
	    SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS |
	    SSL_MODE_NO_AUTO_CHAIN);
	/*
	 * A read that finds no data in a record comes back, so that who sends
	 * nothing but key updates cannot keep us in it, deaf to signals.
	 */
	(void)SSL_CTX_clear_mode(ctx, SSL_MODE_AUTO_RETRY);
	/* One recv(2) a record and not two: nothing plain follows TLS. */
	SSL_CTX_set_read_ahead(ctx, 1);
	return ctx;
}

int
tls_context_mark(SSL *ssl, void *unused)
{
	X509		*x = SSL_get_certificate(ssl);
	unsigned char	 hash[EVP_MAX_MD_SIZE];
	unsigned int	 len;

	(void)unused;
	if (SSL_session_reused(ssl))
		return 1;		/* it has its mark */
	return x != NULL && X509_digest(x, EVP_sha256(), hash, &len) == 1 &&
	    SSL_SESSION_set1_ticket_appdata(SSL_get_session(ssl), hash,
	    len) == 1;
}
