#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509_vfy.h>

#include <limits.h>
#include <stdbool.h>
#include <stdio.h>

#include "session/tls_pem.h"
#include "session/tls_why.h"

/* One that is empty: without, OpenSSL would ask at a terminal. */
static char	 password[] = "";

static BIO *
open_pem(const struct tls_pem *pem, const char *what, char *why)
{
	BIO	*bio;

	if (pem->data == NULL || pem->len == 0 || pem->len > INT_MAX) {
		snprintf(why, TLS_WHY_MAX, "%s: %s", what,
		    pem->len > INT_MAX ? "too long" : "it is empty");
		return NULL;
	}
	ERR_clear_error();
	bio = BIO_new_mem_buf(pem->data, (int)pem->len);
	if (bio == NULL)
		tls_why_error(why, what);
	return bio;
}

/* After a read that gave nothing: was it the end, with something before? */
static bool
is_end(int n, const char *what, const char *kind, char *why)
{
	unsigned long	 error = ERR_peek_last_error();

	if (ERR_GET_LIB(error) != ERR_LIB_PEM ||
	    ERR_GET_REASON(error) != PEM_R_NO_START_LINE) {
		tls_why_error(why, what);
		return false;
	}
	ERR_clear_error();
	if (n > 0)
		return true;
	snprintf(why, TLS_WHY_MAX, "%s: no %s in it", what, kind);
	return false;
}

STACK_OF(X509) *
tls_pem_certificates(const struct tls_pem *pem, const char *what, char *why)
{
	BIO		*bio = open_pem(pem, what, why);
	STACK_OF(X509)	*all;
	X509		*x;

	if (bio == NULL)
		return NULL;
	all = sk_X509_new_null();
	while ((x = PEM_read_bio_X509(bio, NULL, NULL, password)) != NULL)
		if (sk_X509_push(all, x) <= 0) {
			X509_free(x);
			break;
		}
	BIO_free(bio);
	if (!is_end(sk_X509_num(all), what, "certificate", why)) {
		sk_X509_pop_free(all, X509_free);
		return NULL;
	}
	return all;
}

static int
trust_certificates(X509_STORE *store, const struct tls_pem *ca, char *why)
{
	STACK_OF(X509)	*all = tls_pem_certificates(ca, "CA", why);
	int		 rc = 0;

	if (all == NULL)
		return -1;
	for (int i = 0; i < sk_X509_num(all) && rc == 0; i++)
		if (X509_STORE_add_cert(store, sk_X509_value(all, i)) != 1) {
			tls_why_error(why, "CA");
			rc = -1;
		}
	sk_X509_pop_free(all, X509_free);
	return rc;
}

static int
add_crls(X509_STORE *store, const struct tls_pem *pem, char *why)
{
	BIO		*bio = open_pem(pem, "CRL", why);
	X509_CRL	*crl;
	int		 n = 0, added = 1;

	if (bio == NULL)
		return -1;
	while (added == 1 &&
	    (crl = PEM_read_bio_X509_CRL(bio, NULL, NULL, password)) != NULL) {
		added = X509_STORE_add_crl(store, crl);
		X509_CRL_free(crl);
		n++;
	}
	BIO_free(bio);
	if (!is_end(n, "CRL", "CRL", why))
		return -1;
	X509_STORE_set_flags(store,
	    X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL);
	return 0;
}

int
tls_pem_trust(X509_STORE *store, const struct tls_pem *ca,
    const struct tls_pem *crl, char *why)
{
	/* Who lists an intermediate CA, or a server, trusts that. */
	X509_STORE_set_flags(store, X509_V_FLAG_PARTIAL_CHAIN);
	if (trust_certificates(store, ca, why) == -1)
		return -1;
	return crl->data == NULL ? 0 : add_crls(store, crl, why);
}
