/*
 * tls_pem.h - certificates from the bytes of files.
 *
 * All that is no certificate, or no CRL, is skipped: a private key often
 * stands in the same file.  What is returned is the caller's to free.
 */
#ifndef SESSION_TLS_PEM_H
#define SESSION_TLS_PEM_H

#include <openssl/x509.h>

#include <stddef.h>

/* A file's bytes. */
struct tls_pem {
	const char	*data;		/* NULL: none */
	size_t		 len;
};

/*
 * The certificates of pem in their order, at least one.  NULL with `why', of
 * TLS_WHY_MAX bytes, which begins with `what'.
 */
STACK_OF(X509)	*tls_pem_certificates(const struct tls_pem *pem,
		    const char *what, char *why);

/*
 * Trust in the certificates of ca, and in none that the CRLs of crl take
 * back; with a CRL, each certificate of a chain needs one by its issuer.
 * 0, or -1 with `why'.
 */
int		 tls_pem_trust(X509_STORE *store, const struct tls_pem *ca,
		    const struct tls_pem *crl, char *why);

#endif
