/*
 * Which certificate a client gets: OpenSSL has the first of each kind of key
 * and chooses among them by what the client can check.  Where the client
 * names a host, those for that name take their place.
 */
#include <openssl/err.h>
#include <openssl/ocsp.h>
#include <openssl/sha.h>
#include <openssl/x509v3.h>

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/mem.h"
#include "session/tls_context.h"

static bool
is_for(const struct tls_own *own, const char *name)
{
	return X509_check_host(own->certificate, name, 0,
	    X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS, NULL) == 1;
}

/* Of several for one kind of key the first is to stay. */
static int
present(SSL *ssl, const struct tls_server *s, const char *name)
{
	SSL_certs_clear(ssl);
	for (size_t i = s->nown; i-- > 0;) {
		const struct tls_own	*own = &s->own[i];

		if (name != NULL && !is_for(own, name))
			continue;
		if (SSL_use_cert_and_key(ssl, own->certificate, own->key,
		    own->chain, 1) != 1)
			return 0;
	}
	return 1;
}

static bool
can_check(SSL *ssl, const struct tls_own *own)
{
	return (SSL_check_chain(ssl, own->certificate, own->key,
	    own->chain) & CERT_PKEY_SIGN) != 0;
}

/* For OpenSSL: 1, or 0 for failure. */
static int
on_certificate(SSL *ssl, void *ctx)
{
	const struct tls_server	*s = ctx;
	const char		*name = SSL_get_servername(ssl,
				    TLSEXT_NAMETYPE_host_name);

	if (name == NULL || s->nown == 1)
		return 1;
	for (size_t i = 0; i < s->nown; i++)
		if (is_for(&s->own[i], name) && can_check(ssl, &s->own[i]))
			return present(ssl, s, name);
	return 1;
}

/* A name is heard, whatever it is: so the session remembers it. */
static int
on_name(SSL *ssl, int *alert, void *ctx)
{
	(void)ssl;
	(void)alert;
	(void)ctx;
	return SSL_TLSEXT_ERR_OK;
}

static int
on_alpn(SSL *ssl, const unsigned char **out, unsigned char *len,
    const unsigned char *in, unsigned int in_len, void *ctx)
{
	const struct tls_server	*s = ctx;
	unsigned char		*chosen;

	(void)ssl;
	if (SSL_select_next_proto(&chosen, len, s->alpn,
	    (unsigned int)s->alpn_len, in, in_len) != OPENSSL_NPN_NEGOTIATED)
		return SSL_TLSEXT_ERR_ALERT_FATAL;
	*out = chosen;
	return SSL_TLSEXT_ERR_OK;
}

static int
on_status(SSL *ssl, void *ctx)
{
	const struct tls_server	*s = ctx;
	unsigned char		*copy;

	/* One that is too old is worse than none: clients refuse it. */
	if (SSL_get_certificate(ssl) != s->stapled ||
	    (int64_t)time(NULL) >= s->ocsp_until)
		return SSL_TLSEXT_ERR_NOACK;
	copy = OPENSSL_memdup(s->ocsp, s->ocsp_len);
	if (copy == NULL || SSL_set_tlsext_status_ocsp_resp(ssl, copy,
	    (long)s->ocsp_len) != 1) {
		OPENSSL_free(copy);
		return SSL_TLSEXT_ERR_NOACK;
	}
	return SSL_TLSEXT_ERR_OK;
}

/* A client's certificate may have expired since its session began. */
static SSL_TICKET_RETURN
on_resume(SSL *ssl, SSL_SESSION *session, const unsigned char *name,
    size_t len, SSL_TICKET_STATUS status, void *ctx)
{
	X509	*x;

	(void)ssl;
	(void)name;
	(void)len;
	(void)ctx;
	if (status != SSL_TICKET_SUCCESS && status != SSL_TICKET_SUCCESS_RENEW)
		return SSL_TICKET_RETURN_IGNORE_RENEW;
	x = SSL_SESSION_get0_peer(session);
	if (x != NULL && X509_cmp_current_time(X509_get0_notAfter(x)) <= 0)
		return SSL_TICKET_RETURN_IGNORE_RENEW;
	return status == SSL_TICKET_SUCCESS ? SSL_TICKET_RETURN_USE :
	    SSL_TICKET_RETURN_USE_RENEW;
}

static int
use_identities(struct tls_server *s, const struct tls_server_options *o,
    char *why)
{
	char	 what[40];

	if (o->nidentities == 0) {
		snprintf(why, TLS_WHY_MAX, "no certificate");
		return -1;
	}
	s->own = mem_calloc(o->nidentities, sizeof(*s->own));
	for (size_t i = 0; i < o->nidentities; i++) {
		snprintf(what, sizeof(what), "certificate %zu", i + 1);
		s->nown++;
		if (tls_own_init(&s->own[i], &o->identities[i], what,
		    why) == -1)
			return -1;
	}
	/* As in present(). */
	for (size_t i = s->nown; i-- > 0;) {
		snprintf(what, sizeof(what), "certificate %zu", i + 1);
		if (tls_own_use(s->ctx, &s->own[i], what, why) == -1)
			return -1;
	}
	SSL_CTX_set_cert_cb(s->ctx, on_certificate, s);
	(void)SSL_CTX_set_tlsext_servername_callback(s->ctx, on_name);
	return 0;
}

/* OpenSSL's own macro takes no constant text. */
static int
use_curves(SSL_CTX *ctx, const char *curves)
{
	char	*text = mem_strdup(curves);
	int	 rc = (int)SSL_CTX_set1_groups_list(ctx, text);

	free(text);
	return rc;
}

static int
use_ciphers(SSL_CTX *ctx, const struct tls_server_options *o, char *why)
{
	ERR_clear_error();
	if (o->ciphers != NULL && o->ciphers[0] != '\0' &&
	    SSL_CTX_set_cipher_list(ctx, o->ciphers) != 1) {
		tls_why_error(why, "ciphers");
		return -1;
	}
	if (o->ciphersuites != NULL && o->ciphersuites[0] != '\0' &&
	    SSL_CTX_set_ciphersuites(ctx, o->ciphersuites) != 1) {
		tls_why_error(why, "ciphersuites");
		return -1;
	}
	if (o->curves != NULL && o->curves[0] != '\0' &&
	    use_curves(ctx, o->curves) != 1) {
		snprintf(why, TLS_WHY_MAX, "curves: unknown, or twice the "
		    "same");
		ERR_clear_error();
		return -1;
	}
	return 0;
}

/* Clients with several certificates choose by the names of these. */
static int
name_cas(SSL_CTX *ctx, const struct tls_pem *ca, char *why)
{
	STACK_OF(X509)	*all = tls_pem_certificates(ca, "CA", why);
	int		 ok = 1;

	if (all == NULL)
		return -1;
	for (int i = 0; i < sk_X509_num(all) && ok == 1; i++)
		ok = SSL_CTX_add_client_CA(ctx, sk_X509_value(all, i));
	sk_X509_pop_free(all, X509_free);
	if (ok != 1)
		tls_why_error(why, "CA");
	return ok == 1 ? 0 : -1;
}

static int
use_client_ca(SSL_CTX *ctx, const struct tls_server_options *o, char *why)
{
	int	 mode = SSL_VERIFY_PEER;

	if (o->verify == TLS_CLIENT_NONE)
		return 0;
	if (tls_pem_trust(SSL_CTX_get_cert_store(ctx), &o->client_ca,
	    &o->client_crl, why) == -1 ||
	    name_cas(ctx, &o->client_ca, why) == -1)
		return -1;
	if (o->verify == TLS_CLIENT_REQUIRE)
		mode |= SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
	SSL_CTX_set_verify(ctx, mode, NULL);
	return 0;
}

static void
feed(EVP_MD_CTX *md, const void *data, size_t len)
{
	uint64_t	 n = len;

	/* The length first: no two lists of parts look the same. */
	(void)EVP_DigestUpdate(md, &n, sizeof(n));
	(void)EVP_DigestUpdate(md, data, len);
}

/*
 * Sessions are resumed only where the same would have been asked of the
 * client: at this listener, and under the same CA and CRL.
 */
static int
use_name(SSL_CTX *ctx, const struct tls_server_options *o, char *why)
{
	EVP_MD_CTX	*md = EVP_MD_CTX_new();
	unsigned char	 hash[EVP_MAX_MD_SIZE];
	unsigned int	 len = 0;
	int		 ok;

	_Static_assert(SSL_MAX_SID_CTX_LENGTH >= SHA256_DIGEST_LENGTH,
	    "a hash is no id");
	ok = md != NULL && EVP_DigestInit_ex(md, EVP_sha256(), NULL) == 1;
	if (ok) {
		feed(md, o->name, strlen(o->name));
		feed(md, &o->verify, sizeof(o->verify));
		feed(md, o->client_ca.data, o->client_ca.data == NULL ? 0 :
		    o->client_ca.len);
		feed(md, o->client_crl.data, o->client_crl.data == NULL ? 0 :
		    o->client_crl.len);
		ok = EVP_DigestFinal_ex(md, hash, &len) == 1 &&
		    SSL_CTX_set_session_id_context(ctx, hash, len) == 1;
	}
	EVP_MD_CTX_free(md);
	if (!ok)
		tls_why_error(why, "session id");
	return ok ? 0 : -1;
}

static int
use_alpn(struct tls_server *s, const char *const *names, char *why)
{
	size_t	 len;

	if (names == NULL || names[0] == NULL)
		return 0;
	for (; *names != NULL; names++) {
		len = strlen(*names);
		if (len == 0 || len > UINT8_MAX) {
			snprintf(why, TLS_WHY_MAX, "ALPN: a protocol of %zu "
			    "bytes", len);
			return -1;
		}
		s->alpn = mem_resize(s->alpn, s->alpn_len + 1 + len, 1);
		s->alpn[s->alpn_len] = (uint8_t)len;
		memcpy(s->alpn + s->alpn_len + 1, *names, len);
		s->alpn_len += 1 + len;
	}
	SSL_CTX_set_alpn_select_cb(s->ctx, on_alpn, s);
	return 0;
}

/* Until when an answer holds; without a date, for ever. */
static int64_t
until(OCSP_SINGLERESP *single)
{
	ASN1_GENERALIZEDTIME	*next;
	struct tm		 tm;

	(void)OCSP_single_get0_status(single, NULL, NULL, NULL, &next);
	if (next == NULL)
		return INT64_MAX;
	return ASN1_TIME_to_tm(next, &tm) == 1 ? (int64_t)timegm(&tm) : 0;
}

/* Whose certificate is the response about? */
static int
find_subject(struct tls_server *s, OCSP_BASICRESP *basic)
{
	ASN1_INTEGER	*serial;
	OCSP_SINGLERESP	*single;

	for (int i = 0; i < OCSP_resp_count(basic); i++) {
		single = OCSP_resp_get0(basic, i);
		if (OCSP_id_get0_info(NULL, NULL, NULL, &serial,
		    (OCSP_CERTID *)(uintptr_t)OCSP_SINGLERESP_get0_id(
		    single)) != 1)
			continue;
		for (size_t j = 0; j < s->nown; j++)
			if (ASN1_INTEGER_cmp(serial, X509_get0_serialNumber(
			    s->own[j].certificate)) == 0) {
				s->stapled = s->own[j].certificate;
				s->ocsp_until = until(single);
				return 0;
			}
	}
	return -1;
}

static int
use_ocsp(struct tls_server *s, const struct tls_pem *der, char *why)
{
	const unsigned char	*p = (const unsigned char *)der->data;
	OCSP_RESPONSE		*response = NULL;
	OCSP_BASICRESP		*basic = NULL;
	const char		*fault = NULL;

	if (der->data == NULL)
		return 0;
	if (der->len <= INT_MAX)
		response = d2i_OCSP_RESPONSE(NULL, &p, (long)der->len);
	if (response == NULL)
		fault = "not an OCSP response in DER";
	else if (OCSP_response_status(response) !=
	    OCSP_RESPONSE_STATUS_SUCCESSFUL ||
	    (basic = OCSP_response_get1_basic(response)) == NULL)
		fault = "the responder could not answer";
	else if (find_subject(s, basic) == -1)
		fault = "it is about none of the certificates";
	OCSP_BASICRESP_free(basic);
	OCSP_RESPONSE_free(response);
	ERR_clear_error();
	if (fault != NULL) {
		snprintf(why, TLS_WHY_MAX, "OCSP: %s", fault);
		return -1;
	}
	s->ocsp = mem_calloc(1, der->len);
	memcpy(s->ocsp, der->data, der->len);
	s->ocsp_len = der->len;
	(void)SSL_CTX_set_tlsext_status_cb(s->ctx, on_status);
	(void)SSL_CTX_set_tlsext_status_arg(s->ctx, s);
	return 0;
}

struct tls_server *
tls_server_new(const struct tls_server_options *o, char *why)
{
	struct tls_server	*s = mem_calloc(1, sizeof(*s));

	s->ctx = tls_context_new(TLS_server_method(), o->min_version, why);
	if (s->ctx == NULL || use_ciphers(s->ctx, o, why) == -1 ||
	    use_identities(s, o, why) == -1 ||
	    use_client_ca(s->ctx, o, why) == -1 ||
	    use_name(s->ctx, o, why) == -1 ||
	    use_alpn(s, o->alpn, why) == -1 ||
	    use_ocsp(s, &o->ocsp, why) == -1) {
		tls_server_free(&s);
		return NULL;
	}
	tls_ticket_use(s->ctx, o->tickets);
	(void)SSL_CTX_set_session_ticket_cb(s->ctx, tls_context_mark,
	    on_resume, NULL);
	return s;
}

void
tls_server_free(struct tls_server **sp)
{
	struct tls_server	*s = *sp;

	if (s == NULL)
		return;
	SSL_CTX_free(s->ctx);
	for (size_t i = 0; i < s->nown; i++)
		tls_own_end(&s->own[i]);
	free(s->own);
	free(s->alpn);
	free(s->ocsp);
	free(s);
	*sp = NULL;
}
