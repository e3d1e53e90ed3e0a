#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <openssl/err.h>
#include <openssl/ocsp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "base/mem.h"
#include "base/sig.h"
#include "tls_kit.h"
#include "unit.h"

#define DAY	(24 * 60 * 60)

static long			 serials;
static struct kit_report	*report;
static pid_t			 child = -1;

static EVP_PKEY *
make_key(enum kit_key kind)
{
	static EVP_PKEY	*rsa;
	EVP_PKEY	*key;

	if (kind == KIT_P256)
		key = EVP_EC_gen("P-256");
	else {
		if (rsa == NULL)
			rsa = EVP_RSA_gen(2048);
		key = rsa;
		EVP_PKEY_up_ref(key);
	}
	ck_assert_ptr_nonnull(key);
	return key;
}

void *
kit_keep(void *p)
{
	static struct kept {
		struct kept	*next;
		void		*p;
	}		*all;
	struct kept	*k = mem_calloc(1, sizeof(*k));

	*k = (struct kept){ all, p };
	all = k;
	return p;
}

static struct tls_pem
take_bytes(BIO *bio)
{
	struct tls_pem	 pem;
	char		*data, *copy;
	long		 len = BIO_get_mem_data(bio, &data);

	ck_assert_int_gt(len, 0);
	copy = kit_keep(mem_calloc(1, (size_t)len));
	memcpy(copy, data, (size_t)len);
	pem = (struct tls_pem){ copy, (size_t)len };
	BIO_free(bio);
	return pem;
}

static void
extend(X509 *x, X509 *issuer, int nid, const char *value)
{
	X509V3_CTX	 ctx;
	X509_EXTENSION	*e;

	X509V3_set_ctx_nodb(&ctx);
	X509V3_set_ctx(&ctx, issuer, x, NULL, NULL, 0);
	e = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
	ck_assert_ptr_nonnull(e);
	ck_assert_int_eq(X509_add_ext(x, e, -1), 1);
	X509_EXTENSION_free(e);
}

static void
name(X509_NAME *n, const char *cn)
{
	ck_assert_int_eq(X509_NAME_add_entry_by_txt(n, "CN", MBSTRING_ASC,
	    (const unsigned char *)cn, -1, -1, 0), 1);
}

const struct kit_cert *
kit_cert(const struct kit_spec *spec)
{
	struct kit_cert		*c = kit_keep(mem_calloc(1, sizeof(*c)));
	const struct kit_cert	*by = spec->by != NULL ? spec->by : c;
	BIO			*bio = BIO_new(BIO_s_mem());

	c->key = make_key(spec->key);
	c->x = X509_new();
	X509_set_version(c->x, X509_VERSION_3);
	ASN1_INTEGER_set(X509_get_serialNumber(c->x), ++serials);
	X509_gmtime_adj(X509_getm_notBefore(c->x), -DAY);
	X509_gmtime_adj(X509_getm_notAfter(c->x), spec->until != 0 ?
	    spec->until : DAY);
	X509_set_pubkey(c->x, c->key);
	name(X509_get_subject_name(c->x), spec->cn);
	X509_set_issuer_name(c->x, X509_get_subject_name(by->x));
	extend(c->x, by->x, NID_basic_constraints, spec->ca ?
	    "critical,CA:TRUE" : "CA:FALSE");
	extend(c->x, by->x, NID_subject_key_identifier, "hash");
	if (spec->by != NULL)
		extend(c->x, by->x, NID_authority_key_identifier, "keyid");
	if (spec->san != NULL)
		extend(c->x, by->x, NID_subject_alt_name, spec->san);
	ck_assert_int_gt(X509_sign(c->x, by->key, EVP_sha256()), 0);
	ck_assert_int_eq(PEM_write_bio_X509(bio, c->x), 1);
	c->pem = take_bytes(bio);
	return c;
}

struct tls_pem
kit_crl(const struct kit_cert *ca, const struct kit_cert *revoked)
{
	X509_CRL	*crl = X509_CRL_new();
	X509_REVOKED	*r = X509_REVOKED_new();
	ASN1_TIME	*at = X509_gmtime_adj(NULL, -10);
	BIO		*bio = BIO_new(BIO_s_mem());

	X509_CRL_set_version(crl, X509_CRL_VERSION_2);
	X509_CRL_set_issuer_name(crl, X509_get_subject_name(ca->x));
	X509_CRL_set1_lastUpdate(crl, at);
	if (revoked != NULL) {
		X509_REVOKED_set_serialNumber(r,
		    X509_get_serialNumber(revoked->x));
		X509_REVOKED_set_revocationDate(r, at);
		ck_assert_int_eq(X509_CRL_add0_revoked(crl, r), 1);
	} else
		X509_REVOKED_free(r);
	X509_gmtime_adj(at, DAY);
	X509_CRL_set1_nextUpdate(crl, at);
	ck_assert_int_gt(X509_CRL_sign(crl, ca->key, EVP_sha256()), 0);
	ck_assert_int_eq(PEM_write_bio_X509_CRL(bio, crl), 1);
	ASN1_TIME_free(at);
	X509_CRL_free(crl);
	return take_bytes(bio);
}

struct tls_pem
kit_ocsp(const struct kit_cert *ca, const struct kit_cert *cert, long until)
{
	OCSP_BASICRESP	*basic = OCSP_BASICRESP_new();
	OCSP_CERTID	*id = OCSP_cert_to_id(NULL, cert->x, ca->x);
	ASN1_TIME	*from = X509_gmtime_adj(NULL, -DAY);
	ASN1_TIME	*to = X509_gmtime_adj(NULL, until);
	OCSP_RESPONSE	*response;
	unsigned char	*der = NULL;
	BIO		*bio = BIO_new(BIO_s_mem());
	int		 len;

	ck_assert_ptr_nonnull(OCSP_basic_add1_status(basic, id,
	    V_OCSP_CERTSTATUS_GOOD, 0, NULL, from, to));
	ck_assert_int_eq(OCSP_basic_sign(basic, ca->x, ca->key, EVP_sha256(),
	    NULL, 0), 1);
	response = OCSP_response_create(OCSP_RESPONSE_STATUS_SUCCESSFUL,
	    basic);
	len = i2d_OCSP_RESPONSE(response, &der);
	ck_assert_int_gt(len, 0);
	ck_assert_int_eq(BIO_write(bio, der, len), len);
	OPENSSL_free(der);
	OCSP_RESPONSE_free(response);
	OCSP_BASICRESP_free(basic);
	OCSP_CERTID_free(id);
	ASN1_TIME_free(from);
	ASN1_TIME_free(to);
	return take_bytes(bio);
}

struct tls_identity
kit_identity(const struct kit_cert *cert, const struct kit_cert *chain)
{
	struct tls_identity	 id = {
		.certificate = cert->pem, .key = cert->key,
	};

	if (chain != NULL)
		id.chain = chain->pem;
	return id;
}

static SSL_CTX *
new_context(const SSL_METHOD *method)
{
	SSL_CTX	*ctx = SSL_CTX_new(method);

	ck_assert_ptr_nonnull(ctx);
	/* It can do what our side is to refuse. */
	SSL_CTX_set_security_level(ctx, 0);
	SSL_CTX_set_min_proto_version(ctx, TLS1_VERSION);
	SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE |
	    SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	return ctx;
}

SSL_CTX *
kit_client(const struct kit_cert *ca)
{
	SSL_CTX	*ctx = new_context(TLS_client_method());

	if (ca != NULL) {
		X509_STORE_add_cert(SSL_CTX_get_cert_store(ctx), ca->x);
		SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
	}
	return ctx;
}

SSL_CTX *
kit_server(const struct kit_cert *cert)
{
	SSL_CTX	*ctx = new_context(TLS_server_method());

	kit_use(ctx, cert);
	return ctx;
}

void
kit_use(SSL_CTX *ctx, const struct kit_cert *cert)
{
	ck_assert_int_eq(SSL_CTX_use_cert_and_key(ctx, cert->x, cert->key,
	    NULL, 1), 1);
}

SSL *
kit_open(SSL_CTX *ctx, int fd, bool server)
{
	SSL	*ssl = SSL_new(ctx);

	ck_assert_ptr_nonnull(ssl);
	ck_assert_int_eq(SSL_set_fd(ssl, fd), 1);
	if (server)
		SSL_set_accept_state(ssl);
	else
		SSL_set_connect_state(ssl);
	return ssl;
}

/* After a call that gave nothing: wait if that is all, or what it was. */
static int
wait_or_fail(SSL *ssl, int rc)
{
	int	 error = SSL_get_error(ssl, rc);

	if (error != SSL_ERROR_WANT_READ && error != SSL_ERROR_WANT_WRITE)
		return error;
	ck_assert_msg(unit_wait(SSL_get_fd(ssl), error == SSL_ERROR_WANT_READ ?
	    POLLIN : POLLOUT, UNIT_MS) != 0, "nothing came from the stream");
	return 0;
}

void
kit_name(SSL *ssl, const char *name)
{
	ck_assert_int_eq(SSL_ctrl(ssl, SSL_CTRL_SET_TLSEXT_HOSTNAME,
	    TLSEXT_NAMETYPE_host_name, (void *)(uintptr_t)name), 1);
}

void
kit_groups(SSL_CTX *ctx, const char *list)
{
	ck_assert_int_eq(SSL_CTX_ctrl(ctx, SSL_CTRL_SET_GROUPS_LIST, 0,
	    (void *)(uintptr_t)list), 1);
}

void
kit_sigalgs(SSL_CTX *ctx, const char *list)
{
	ck_assert_int_eq(SSL_CTX_ctrl(ctx, SSL_CTRL_SET_SIGALGS_LIST, 0,
	    (void *)(uintptr_t)list), 1);
}

bool
kit_shake(SSL *ssl)
{
	int	 rc;

	do {
		ERR_clear_error();
		rc = SSL_do_handshake(ssl);
	} while (rc != 1 && wait_or_fail(ssl, rc) == 0);
	return rc == 1;
}

void
kit_write(SSL *ssl, const void *data, size_t len)
{
	const char	*p = data;
	size_t		 n;
	int		 rc;

	while (len > 0) {
		ERR_clear_error();
		rc = SSL_write_ex(ssl, p, len, &n);
		if (rc != 1) {
			ck_assert_int_eq(wait_or_fail(ssl, rc), 0);
			continue;
		}
		p += n;
		len -= n;
	}
}

void
kit_expect(SSL *ssl, const void *data, size_t len)
{
	const char	*p = data;
	char		 buf[20000];
	size_t		 n;
	int		 rc;

	while (len > 0) {
		ERR_clear_error();
		rc = SSL_read_ex(ssl, buf, len < sizeof(buf) ? len :
		    sizeof(buf), &n);
		if (rc != 1) {
			ck_assert_msg(wait_or_fail(ssl, rc) == 0,
			    "the stream is over, %zu bytes missing", len);
			continue;
		}
		ck_assert_mem_eq(buf, p, n);
		p += n;
		len -= n;
	}
}

int
kit_drain(SSL *ssl, size_t *len)
{
	char	 buf[20000];
	size_t	 n;
	int	 rc, error;

	*len = 0;
	for (;;) {
		ERR_clear_error();
		rc = SSL_read_ex(ssl, buf, sizeof(buf), &n);
		if (rc == 1)
			*len += n;
		else if ((error = wait_or_fail(ssl, rc)) != 0)
			return error;
	}
}

void
kit_expect_end(SSL *ssl)
{
	size_t	 len;

	ck_assert_int_eq(kit_drain(ssl, &len), SSL_ERROR_ZERO_RETURN);
	ck_assert_uint_eq(len, 0);
}

static void
echo(struct stream *s, struct kit_report *r)
{
	const int64_t	 deadline = io_now_ms() + 4 * UNIT_MS;
	char		 buf[20000];
	ssize_t		 n;
	enum end	 end;

	(void)r;
	for (;;) {
		n = stream_read(s, buf, sizeof(buf));
		if (n == 0)
			break;
		if (n == -1 && (errno != EAGAIN || stream_wait(s->fd,
		    s->read_wants, deadline, NULL, &end) == -1))
			return;
		if (n > 0 && stream_write_all(s, buf, (size_t)n, deadline,
		    NULL, END_CLIENT_RESET, &end) == -1)
			return;
	}
	(void)stream_shut(s);
}

static _Noreturn void
serve(struct tls_server *server, int fd, int ms, kit_then *then)
{
	static const int	 signals[] = { SIGTERM, 0 };
	bool			 reset;
	struct stream		*s;

	sig_init(signals);
	s = tls_accept(server, fd, io_now_ms() + ms, NULL, &report->facts,
	    &report->end, report->why);
	report->ok = s != NULL;
	if (s != NULL) {
		report->fingerprinted = tls_own_fingerprint(s,
		    report->fingerprint) == 0;
		then(s, report);
		tls_stream_why(s, report->broke);
	} else {
		/* Bytes left unread would take the alert with them. */
		shutdown(fd, SHUT_WR);
		(void)unit_drain(fd, &reset);
	}
	stream_free(&s);
	close(fd);
	_exit(0);
}

int
kit_serve(struct tls_server *server, int ms, kit_then *then)
{
	int	 ends[2];

	if (report == NULL)
		report = mmap(NULL, sizeof(*report), PROT_READ | PROT_WRITE,
		    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ck_assert(report != MAP_FAILED);
	memset(report, 0, sizeof(*report));
	unit_tcp_pair(ends);
	child = check_fork();
	if (child == 0) {
		close(ends[0]);
		serve(server, ends[1], ms, then != NULL ? then : echo);
	}
	close(ends[1]);
	return ends[0];
}

const struct kit_report *
kit_served(void)
{
	int	 status;

	ck_assert_int_eq(waitpid(child, &status, 0), child);
	child = -1;
	ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0,
	    "our side died, status %d", status);
	return report;
}

pid_t
kit_child(void)
{
	return child;
}
