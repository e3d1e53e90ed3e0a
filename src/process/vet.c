#include <openssl/err.h>
#include <openssl/ocsp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>

#include <string.h>
#include <time.h>

#include "process/vet.h"
#include "wire/tunnel_keys.h"

#define SOON_DAYS	14	/* until a certificate expires */
#define RSA_BITS_MAX	8192	/* see SIGN_SIGNATURE_MAX in sign.h */
#define DATE_MAX	32
#define PASSWORD_MAX	255	/* bytes */

static const char *
reason(void)
{
	const char	*text = ERR_reason_error_string(ERR_peek_last_error());

	return text != NULL ? text : "unknown error";
}

static void
complain(const struct vet *v, const struct conf_file *f, const char *what)
{
	conf_complain(v->report, "%s: %s: \"%s\": %s", f->where, f->key,
	    f->path, what);
}

static void
complain_why(const struct vet *v, const struct conf_file *f, const char *want)
{
	conf_complain(v->report, "%s: %s: \"%s\": want %s: %s", f->where,
	    f->key, f->path, want, reason());
}

static void
warn(const struct vet *v, const struct conf_file *f, const char *what,
    const ASN1_TIME *when)
{
	struct tm	 tm;
	char		 date[DATE_MAX] = "?";

	if (ASN1_TIME_to_tm(when, &tm) == 1)
		(void)strftime(date, sizeof(date), "%Y-%m-%d %H:%M UTC",
		    &tm);
	conf_warn(v->report, "%s: %s: \"%s\": %s %s", f->where, f->key,
	    f->path, what, date);
}

/* Seconds until then, a day's worth exact; negative when it was. */
static int64_t
seconds_until(const ASN1_TIME *when)
{
	int	 days = 0, seconds = 0;

	if (ASN1_TIME_diff(&days, &seconds, NULL, when) != 1)
		return -1;
	return (int64_t)days * 86400 + seconds;
}

/* Nobody is there to type one; *ctx remembers that it was wanted. */
static int
on_passphrase(char *buf, int size, int writing, void *ctx)
{
	(void)buf;
	(void)size;
	(void)writing;
	*(bool *)ctx = true;
	return -1;
}

/* Is it the end of the file, after at least one was read? */
static bool
is_all(int n)
{
	unsigned long	 e = ERR_peek_last_error();

	return n > 0 && ERR_GET_LIB(e) == ERR_LIB_PEM &&
	    ERR_GET_REASON(e) == PEM_R_NO_START_LINE;
}

/* All certificates, or NULL having said why. */
static STACK_OF(X509) *
read_certificates(const struct vet *v, const struct conf_file *f, BIO *in)
{
	STACK_OF(X509)	*all = sk_X509_new_null();
	bool		 asked = false;
	X509		*x;

	while ((x = PEM_read_bio_X509(in, NULL, on_passphrase, &asked)) !=
	    NULL)
		if (sk_X509_push(all, x) == 0)
			X509_free(x);
	if (is_all(sk_X509_num(all)))
		return all;
	complain_why(v, f, "certificates in PEM");
	sk_X509_pop_free(all, X509_free);
	return NULL;
}

/* A limit of OpenSSL's that would only show when a process serves. */
static void
check_strength(const struct vet *v, const struct conf_file *f, X509 *x)
{
	const struct conf_listener	*l;
	SSL_CTX				*ctx = SSL_CTX_new(TLS_method());

	if (ctx == NULL)
		return;
	if (f->kind == CONF_FILE_CERTIFICATE) {
		l = &v->conf->listeners[f->owner];
		if (l->tls.ciphers[0] != '\0')	/* has a security level */
			(void)SSL_CTX_set_cipher_list(ctx, l->tls.ciphers);
	}
	ERR_clear_error();
	if (SSL_CTX_use_certificate(ctx, x) != 1)
		complain_why(v, f, "one that OpenSSL finds strong enough");
	SSL_CTX_free(ctx);
}

static void
check_dates(const struct vet *v, const struct conf_file *f, const X509 *x)
{
	const ASN1_TIME	*from = X509_get0_notBefore(x);
	const ASN1_TIME	*to = X509_get0_notAfter(x);

	if (seconds_until(from) > 0)
		warn(v, f, "is not valid before", from);
	if (seconds_until(to) < 0)
		warn(v, f, "has expired on", to);
	else if (seconds_until(to) < SOON_DAYS * 86400)
		warn(v, f, "expires on", to);
}

static void
forget_last(struct vet *v)
{
	X509_free(v->last);
	v->last = NULL;
	v->file = NULL;
}

static void
vet_certificate(struct vet *v, const struct conf_file *f, BIO *in)
{
	STACK_OF(X509)	*all;

	forget_last(v);
	if (f->position == 0) {
		X509_free(v->first);
		v->first = NULL;
	}
	all = read_certificates(v, f, in);
	if (all == NULL)
		return;
	v->last = sk_X509_shift(all);
	v->file = f;
	if (f->position == 0 && X509_up_ref(v->last) == 1)
		v->first = v->last;
	check_strength(v, f, v->last);
	check_dates(v, f, v->last);
	sk_X509_pop_free(all, X509_free);
}

static void
vet_chain(const struct vet *v, const struct conf_file *f, BIO *in)
{
	STACK_OF(X509)	*all = read_certificates(v, f, in);

	if (all != NULL && v->last != NULL &&
	    X509_check_issued(sk_X509_value(all, 0), v->last) != X509_V_OK)
		conf_warn(v->report, "%s: %s: \"%s\": the first certificate "
		    "is not of who signed \"%s\"", f->where, f->key, f->path,
		    v->file->path);
	sk_X509_pop_free(all, X509_free);
}

static void
vet_authorities(const struct vet *v, const struct conf_file *f, BIO *in)
{
	sk_X509_pop_free(read_certificates(v, f, in), X509_free);
}

/* What the signer can sign with; see sign.h. */
static bool
is_known(const EVP_PKEY *key)
{
	return ((EVP_PKEY_is_a(key, "RSA") || EVP_PKEY_is_a(key, "RSA-PSS")) &&
	    EVP_PKEY_get_bits(key) <= RSA_BITS_MAX) ||
	    EVP_PKEY_is_a(key, "EC") || EVP_PKEY_is_a(key, "ED25519");
}

static void
vet_key(const struct vet *v, const struct conf_file *f, BIO *in)
{
	bool		 asked = false;
	EVP_PKEY	*key;

	key = PEM_read_bio_PrivateKey(in, NULL, on_passphrase, &asked);
	if (key == NULL && asked)
		complain(v, f, "it has a passphrase, which nobody is there to "
		    "type; \"openssl pkey -in FILE -out OTHER\" takes it off");
	else if (key == NULL)
		complain_why(v, f, "a private key in PEM");
	else if (!is_known(key))
		complain(v, f, "want a key of RSA with at most 8192 bits, "
		    "ECDSA or Ed25519");
	else if (v->last != NULL && X509_check_private_key(v->last, key) != 1)
		conf_complain(v->report, "%s: %s: \"%s\": it is not the key "
		    "of certificate \"%s\"", f->where, f->key, f->path,
		    v->file->path);
	EVP_PKEY_free(key);
}

static void
vet_crls(const struct vet *v, const struct conf_file *f, BIO *in)
{
	const ASN1_TIME	*next;
	bool		 asked = false;
	X509_CRL	*crl;
	int		 n = 0;

	while ((crl = PEM_read_bio_X509_CRL(in, NULL, on_passphrase,
	    &asked)) != NULL) {
		n++;
		next = X509_CRL_get0_nextUpdate(crl);
		if (next != NULL && seconds_until(next) < 0)
			warn(v, f, "no client is let in, for it is out of "
			    "date since", next);
		X509_CRL_free(crl);
	}
	if (!is_all(n))
		complain_why(v, f, "revocation lists in PEM");
}

/* The response about that certificate, or NULL. */
static OCSP_SINGLERESP *
find_response(OCSP_BASICRESP *basic, const X509 *x)
{
	OCSP_SINGLERESP	*one;
	ASN1_INTEGER	*serial;
	OCSP_CERTID	*id = OCSP_CERTID_new();
	OCSP_SINGLERESP	*found = NULL;

	for (int i = 0; i < OCSP_resp_count(basic) && id != NULL; i++) {
		one = OCSP_resp_get0(basic, i);
		OCSP_CERTID_free(id);
		id = OCSP_CERTID_dup(OCSP_SINGLERESP_get0_id(one));
		if (id != NULL && OCSP_id_get0_info(NULL, NULL, NULL,
		    &serial, id) == 1 && ASN1_INTEGER_cmp(serial,
		    X509_get0_serialNumber(x)) == 0)
			found = one;
	}
	OCSP_CERTID_free(id);
	return found;
}

static void
vet_response(const struct vet *v, const struct conf_file *f,
    OCSP_BASICRESP *basic)
{
	OCSP_SINGLERESP		*one;
	ASN1_GENERALIZEDTIME	*next = NULL;
	int			 status;

	if (v->first == NULL)
		return;			/* that was told */
	one = find_response(basic, v->first);
	if (one == NULL) {
		complain(v, f, "it is not about the first tls.certificate");
		return;
	}
	status = OCSP_single_get0_status(one, NULL, NULL, NULL, &next);
	if (status != V_OCSP_CERTSTATUS_GOOD)
		complain(v, f, "it does not say that the certificate is good");
	if (next != NULL && seconds_until(next) < 0)
		warn(v, f, "is out of date since", next);
}

static void
vet_ocsp(const struct vet *v, const struct conf_file *f, BIO *in)
{
	OCSP_RESPONSE	*r = d2i_OCSP_RESPONSE_bio(in, NULL);
	OCSP_BASICRESP	*basic = NULL;

	if (r == NULL)
		complain_why(v, f, "an OCSP response in DER");
	else if (OCSP_response_status(r) != OCSP_RESPONSE_STATUS_SUCCESSFUL)
		complain(v, f, "want a response that is one; this says that "
		    "there is none");
	else if ((basic = OCSP_response_get1_basic(r)) == NULL)
		complain_why(v, f, "a basic OCSP response");
	else
		vet_response(v, f, basic);
	OCSP_BASICRESP_free(basic);
	OCSP_RESPONSE_free(r);
}

static void
vet_public_key(const struct vet *v, const struct conf_file *f, BIO *in)
{
	bool		 asked = false;
	EVP_PKEY	*key;

	key = PEM_read_bio_PUBKEY(in, NULL, on_passphrase, &asked);
	if (key == NULL)
		complain_why(v, f, "a public key in PEM");
	else if (!EVP_PKEY_is_a(key, "RSA"))
		complain(v, f, "want a key of RSA");
	EVP_PKEY_free(key);
}

/* As who uses it takes it: up to an end of line of either kind. */
static void
vet_password(const struct vet *v, const struct conf_file *f, const char *data,
    size_t len)
{
	size_t	 n = 0;

	while (n < len && data[n] != '\n' && data[n] != '\r')
		n++;
	if (n == 0)
		complain(v, f, "want a password in the first line");
	else if (n > PASSWORD_MAX)
		complain(v, f, "the first line is too long for a password");
	else if (memchr(data, '\0', n) != NULL)
		complain(v, f, "there is a NUL byte in the first line, where "
		    "the password would end");
}

static void
vet_secret(const struct vet *v, const struct conf_file *f, const char *data,
    size_t len)
{
	uint8_t	 secret[TUNNEL_SECRET];

	if (tunnel_secret_decode(data, len, secret) == -1)
		complain(v, f, "want 64 hexadecimal digits in the first line; "
		    "\"sallyportctl secret FILE\" makes such a file");
	OPENSSL_cleanse(secret, sizeof(secret));
}

/* Those who parse what strangers send are given this file. */
static bool
has_secret(const struct conf_file *f, const void *data, size_t len)
{
	return !conf_file_is_secret(f) && f->kind != CONF_FILE_OCSP &&
	    memmem(data, len, "PRIVATE KEY-----", 16) != NULL;
}

static void
look(struct vet *v, const struct conf_file *f, BIO *in, const void *data,
    size_t len)
{
	switch (f->kind) {
	case CONF_FILE_CERTIFICATE:
	case CONF_FILE_BACKEND_CERTIFICATE:
		vet_certificate(v, f, in);
		break;
	case CONF_FILE_CHAIN:
		vet_chain(v, f, in);
		break;
	case CONF_FILE_KEY:
	case CONF_FILE_BACKEND_KEY:
		vet_key(v, f, in);
		break;
	case CONF_FILE_CLIENT_CA:
	case CONF_FILE_BACKEND_CA:
		vet_authorities(v, f, in);
		break;
	case CONF_FILE_CLIENT_CRL:
		vet_crls(v, f, in);
		break;
	case CONF_FILE_OCSP:
		vet_ocsp(v, f, in);
		break;
	case CONF_FILE_SERVER_PUBLIC_KEY:
		vet_public_key(v, f, in);
		break;
	case CONF_FILE_AGENT_SECRET:
	case CONF_FILE_HUB_SECRET:
		vet_secret(v, f, data, len);
		break;
	case CONF_FILE_TABLE_PASSWORD:
	case CONF_FILE_OTP_PASSWORD:
	case CONF_FILE_ACCOUNT_PASSWORD:
	case CONF_FILE_AGENT_PASSWORD:
	case CONF_FILE_HUB_PASSWORD:
		vet_password(v, f, data, len);
		break;
	}
}

void
vet_file(struct vet *v, const struct conf_file *f, const void *data,
    size_t len)
{
	BIO	*in = BIO_new_mem_buf(data, (int)len);

	ERR_clear_error();
	if (has_secret(f, data, len))
		complain(v, f, "there is a private key in it, which must be "
		    "in a file of its own, because other processes get this "
		    "one");
	else if (in == NULL)
		complain(v, f, reason());
	else
		look(v, f, in, data, len);
	BIO_free(in);
	ERR_clear_error();
}

void
vet_end(struct vet *v)
{
	forget_last(v);
	X509_free(v->first);
	v->first = NULL;
}

static void
check_words(const struct conf_listener *l, SSL_CTX *ctx,
    struct conf_report *report)
{
	const struct conf_words {
		const char	*key, *text;
		bool		 good;
	} words[] = {
		{ "ciphers", l->tls.ciphers, l->tls.ciphers[0] == '\0' ||
		    SSL_CTX_set_cipher_list(ctx, l->tls.ciphers) == 1 },
		{ "ciphersuites", l->tls.ciphersuites,
		    l->tls.ciphersuites[0] == '\0' ||
		    SSL_CTX_set_ciphersuites(ctx, l->tls.ciphersuites) == 1 },
		{ "curves", l->tls.curves, l->tls.curves[0] == '\0' ||
		    SSL_CTX_set1_curves_list(ctx, l->tls.curves) == 1 },
	};

	for (size_t i = 0; i < 3; i++)
		if (!words[i].good)
			conf_complain(report, "%s: tls.%s: \"%s\": want names "
			    "that OpenSSL knows, with \":\" between",
			    l->where, words[i].key, words[i].text);
}

void
vet_words(const struct conf *conf, struct conf_report *report)
{
	SSL_CTX	*ctx;

	for (size_t i = 0; i < conf->nlisteners; i++) {
		if (conf->listeners[i].tls.mode == CONF_TLS_OFF)
			continue;
		ctx = SSL_CTX_new(TLS_method());
		if (ctx != NULL)
			check_words(&conf->listeners[i], ctx, report);
		SSL_CTX_free(ctx);
		ERR_clear_error();
	}
}
