/*
 * Files, made here by OpenSSL, as they are loaded, found wrong, told of, and
 * given to a role.
 */
#include <sys/mman.h>
#include <sys/stat.h>

#include <openssl/ocsp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "process/files.h"
#include "process/proc.h"
#include "process/setup.h"
#include "unit.h"

#define DAY	(24 * 3600L)

static struct conf		*conf;
static struct conf_report	 report;
static struct files		 files;
static const char		*folder;

/* Made once: keys, an authority, and what it has signed. */
static EVP_PKEY			*ca_key, *ec, *rsa, *ed, *small, *x25519;
static X509			*ca, *leaf;

static X509 *
make_certificate(EVP_PKEY *key, const char *name, X509 *by, EVP_PKEY *by_key,
    long from, long to)
{
	static long	 serial = 100;
	X509		*x = X509_new();
	X509_NAME	*subject;
	const EVP_MD	*md = EVP_PKEY_is_a(by_key, "ED25519") ? NULL :
			    EVP_sha256();

	ck_assert_ptr_nonnull(x);
	ck_assert_int_eq(X509_set_version(x, X509_VERSION_3), 1);
	ck_assert_int_eq(ASN1_INTEGER_set(X509_get_serialNumber(x),
	    serial++), 1);
	X509_gmtime_adj(X509_getm_notBefore(x), from);
	X509_gmtime_adj(X509_getm_notAfter(x), to);
	subject = X509_get_subject_name(x);
	ck_assert_int_eq(X509_NAME_add_entry_by_txt(subject, "CN",
	    MBSTRING_ASC, (const unsigned char *)name, -1, -1, 0), 1);
	ck_assert_int_eq(X509_set_issuer_name(x, by == NULL ? subject :
	    X509_get_subject_name(by)), 1);
	ck_assert_int_eq(X509_set_pubkey(x, key), 1);
	ck_assert_int_gt(X509_sign(x, by_key, md), 0);
	return x;
}

static void
make_all(void)
{
	ca_key = EVP_EC_gen("P-256");
	ec = EVP_EC_gen("P-256");
	rsa = EVP_RSA_gen(2048);
	small = EVP_RSA_gen(512);
	ed = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	x25519 = EVP_PKEY_Q_keygen(NULL, NULL, "X25519");
	ca = make_certificate(ca_key, "ca", NULL, ca_key, -DAY, 99 * DAY);
	leaf = make_certificate(ec, "leaf", ca, ca_key, -DAY, 99 * DAY);
}

static void
free_all(void)
{
	EVP_PKEY	*keys[] = { ca_key, ec, rsa, small, ed, x25519 };

	for (size_t i = 0; i < nitems(keys); i++)
		EVP_PKEY_free(keys[i]);
	X509_free(ca);
	X509_free(leaf);
}

static void
set_up(void)
{
	conf = conf_new();
	report = (struct conf_report){ .errors = NULL };
	folder = unit_folder();
}

static void
tear_down(void)
{
	files_release(&files);
	conf_report_free(&report);
	conf_free(&conf);
	unit_folder_remove();
}

static FILE *
create(const char *name)
{
	char	*path = mem_printf("%s/%s", folder, name);
	FILE	*f;

	(void)unlink(path);
	f = fopen(path, "we");
	ck_assert_ptr_nonnull(f);
	ck_assert_int_eq(chmod(path, 0600), 0);
	free(path);
	return f;
}

#define TEXT(s)	(s), sizeof(s) - 1

static void
put_text(const char *name, const char *text)
{
	FILE	*f = create(name);

	ck_assert_int_ge(fputs(text, f), 0);
	ck_assert_int_eq(fclose(f), 0);
}

static void
put_certificates(const char *name, X509 *one, X509 *two)
{
	FILE	*f = create(name);

	ck_assert_int_eq(PEM_write_X509(f, one), 1);
	if (two != NULL)
		ck_assert_int_eq(PEM_write_X509(f, two), 1);
	ck_assert_int_eq(fclose(f), 0);
}

static void
put_key(const char *name, EVP_PKEY *key, const char *passphrase)
{
	FILE	*f = create(name);

	ck_assert_int_eq(PEM_write_PKCS8PrivateKey(f, key,
	    passphrase != NULL ? EVP_aes_128_cbc() : NULL, passphrase,
	    passphrase != NULL ? (int)strlen(passphrase) : 0, NULL, NULL), 1);
	ck_assert_int_eq(fclose(f), 0);
}

static void
put_public(const char *name, EVP_PKEY *key)
{
	FILE	*f = create(name);

	ck_assert_int_eq(PEM_write_PUBKEY(f, key), 1);
	ck_assert_int_eq(fclose(f), 0);
}

static void
put_crl(const char *name, long next)
{
	FILE		*f = create(name);
	X509_CRL	*crl = X509_CRL_new();
	ASN1_TIME	*t = ASN1_TIME_new();

	X509_CRL_set_issuer_name(crl, X509_get_subject_name(ca));
	X509_gmtime_adj(t, -9 * DAY);
	X509_CRL_set1_lastUpdate(crl, t);
	X509_gmtime_adj(t, next);
	X509_CRL_set1_nextUpdate(crl, t);
	ck_assert_int_gt(X509_CRL_sign(crl, ca_key, EVP_sha256()), 0);
	ck_assert_int_eq(PEM_write_X509_CRL(f, crl), 1);
	ck_assert_int_eq(fclose(f), 0);
	ASN1_TIME_free(t);
	X509_CRL_free(crl);
}

static void
put_ocsp(const char *name, X509 *of, int status, long next)
{
	FILE		*f = create(name);
	OCSP_BASICRESP	*basic = OCSP_BASICRESP_new();
	OCSP_CERTID	*id = OCSP_cert_to_id(EVP_sha1(), of, ca);
	ASN1_TIME	*now = X509_gmtime_adj(NULL, -9 * DAY);
	ASN1_TIME	*then = X509_gmtime_adj(NULL, next);
	OCSP_RESPONSE	*r;
	unsigned char	*der = NULL;
	int		 len;

	ck_assert_ptr_nonnull(OCSP_basic_add1_status(basic, id, status,
	    0, now, now, then));
	ck_assert_int_eq(OCSP_basic_sign(basic, ca, ca_key, EVP_sha256(),
	    NULL, 0), 1);
	r = OCSP_response_create(OCSP_RESPONSE_STATUS_SUCCESSFUL, basic);
	len = i2d_OCSP_RESPONSE(r, &der);
	ck_assert_int_gt(len, 0);
	ck_assert_uint_eq(fwrite(der, 1, (size_t)len, f), (size_t)len);
	ck_assert_int_eq(fclose(f), 0);
	OPENSSL_free(der);
	ASN1_TIME_free(now);
	ASN1_TIME_free(then);
	OCSP_CERTID_free(id);
	OCSP_BASICRESP_free(basic);
	OCSP_RESPONSE_free(r);
}

/* All that the configuration below names, as it should be. */
static void
put_good(void)
{
	X509	*other = make_certificate(rsa, "rsa", NULL, rsa, -DAY,
		    99 * DAY);

	put_certificates("cert", leaf, NULL);
	put_certificates("chain", ca, NULL);
	put_key("key", ec, NULL);
	put_certificates("rsa_cert", other, NULL);
	put_key("rsa_key", rsa, NULL);
	put_certificates("ca", ca, other);
	put_crl("crl", DAY);
	put_ocsp("ocsp", leaf, V_OCSP_CERTSTATUS_GOOD, DAY);
	put_public("public", rsa);
	X509_free(other);
}

/* Every "~" in the text is the folder. */
static void
take(const char *text)
{
	char	*whole = NULL;
	size_t	 len;
	FILE	*out = open_memstream(&whole, &len);

	ck_assert_ptr_nonnull(out);
	for (; *text != '\0'; text++)
		if (*text == '~')
			fputs(folder, out);
		else
			fputc(*text, out);
	ck_assert_int_eq(fclose(out), 0);
	conf_read_text(conf, "f", whole, len, &report);
	ck_assert_msg(conf_finish(conf, &report) == 0, "%s",
	    report.nerrors > 0 ? report.errors[0] : "no reason");
	ck_assert_uint_eq(report.nwarnings, 0);
	free(whole);
}

#define ALL	\
	"backends = ( { name = \"b\"; servers = \"h:1\"; tls = { " \
	"mode = \"require\"; ca = \"~/ca\"; certificate = \"~/rsa_cert\"; " \
	"key = \"~/rsa_key\"; }; server_public_key = \"~/public\"; } );\n" \
	"listeners = (\n{ name = \"a\"; listen = \":1\"; protocol = \"mysql\";" \
	" forward = \"backend:b\"; tls = { mode = \"require\"; " \
	"certificate = ( \"~/cert\", \"~/rsa_cert\" ); " \
	"key = ( \"~/key\", \"~/rsa_key\" ); chain = ( \"~/chain\", \"\" ); " \
	"client_verify = \"require\"; client_ca = \"~/ca\"; " \
	"client_crl = \"~/crl\"; ocsp = \"~/ocsp\"; }; } );\n"

static void
expect_loaded(void)
{
	ck_assert_msg(files_load(&files, conf, &report) == 0, "%s",
	    report.nerrors > 0 ? report.errors[0] : "no reason");
	ck_assert_uint_eq(report.nerrors, 0);
}

/* A line that has its place, the key, the path of that file and the text. */
static void
expect_line(char **lines, size_t n, const char *where, const char *name,
    const char *text)
{
	char	*head = mem_printf("%s: \"%s/%s\": ", where, folder, name);

	for (size_t i = 0; i < n; i++)
		if (strncmp(lines[i], head, strlen(head)) == 0 &&
		    strstr(lines[i], text) != NULL) {
			free(head);
			return;
		}
	ck_abort_msg("want \"%s...%s\", got %zu: \"%s\"", head, text, n,
	    n > 0 ? lines[0] : "");
}

START_TEST(good_files_are_kept_as_copies_that_nobody_can_change)
{
	char	 data[8192], want[8192], path[512];
	ssize_t	 n;
	int	 fd, had = unit_count_fds();

	put_good();
	take(ALL);
	expect_loaded();
	ck_assert_uint_eq(report.nwarnings, 0);
	ck_assert_uint_eq(files.n, 12);
	ck_assert_int_eq(unit_count_fds(), had + 12);
	snprintf(path, sizeof(path), "%s/cert", folder);
	ck_assert_str_eq(files.v[0].path, path);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = read(fd, want, sizeof(want));
	ck_assert_int_gt(n, 100);
	ck_assert_int_eq(pread(files.copies[0].fd, data, sizeof(data), 0), n);
	ck_assert_mem_eq(data, want, (size_t)n);
	close(fd);
	ck_assert_int_eq(pwrite(files.copies[0].fd, "x", 1, 0), -1);
	ck_assert_int_eq(errno, EPERM);
	ck_assert_int_eq(ftruncate(files.copies[0].fd, 0), -1);
	ck_assert_int_eq(fcntl(files.copies[0].fd, F_GETFD), FD_CLOEXEC);
	files_release(&files);
	ck_assert_int_eq(unit_count_fds(), had);
	ck_assert_uint_eq(files.n, 0);
}
END_TEST

/* What stands in place of one of the files. */
static void
put_nothing(const char *name)
{
	char	*path = mem_printf("%s/%s", folder, name);

	ck_assert_int_eq(unlink(path), 0);
	free(path);
}

static void
put_folder(const char *name)
{
	char	*path = mem_printf("%s/%s", folder, name);

	ck_assert_int_eq(unlink(path), 0);
	ck_assert_int_eq(mkdir(path, 0700), 0);
	free(path);
}

static void
put_pipe(const char *name)
{
	char	*path = mem_printf("%s/%s", folder, name);

	ck_assert_int_eq(unlink(path), 0);
	ck_assert_int_eq(mkfifo(path, 0600), 0);
	free(path);
}

static void
put_long(const char *name)
{
	char	*path = mem_printf("%s/%s", folder, name);

	ck_assert_int_eq(truncate(path, FILES_BYTES_MAX + 1), 0);
	free(path);
}

static void
put_empty(const char *name)
{
	put_text(name, "");
}

static void
put_prose(const char *name)
{
	put_text(name, "hello\n");
}


static void
put_cut(const char *name)
{
	put_text(name, "-----BEGIN CERTIFICATE-----\nMIIB\n");
}

static void
put_good_and_cut(const char *name)
{
	FILE	*f = create(name);

	ck_assert_int_eq(PEM_write_X509(f, leaf), 1);
	fputs("-----BEGIN CERTIFICATE-----\nMIIB\n", f);
	ck_assert_int_eq(fclose(f), 0);
}

static void
put_both(const char *name)
{
	FILE	*f = create(name);

	ck_assert_int_eq(PEM_write_X509(f, leaf), 1);
	ck_assert_int_eq(PEM_write_PrivateKey(f, ec, NULL, NULL, 0, NULL,
	    NULL), 1);
	ck_assert_int_eq(fclose(f), 0);
}

static void
put_weak(const char *name)
{
	X509	*x = make_certificate(small, "small", ca, ca_key, -DAY,
		    99 * DAY);

	put_certificates(name, x, NULL);
	put_key("key", small, NULL);
	X509_free(x);
}

static void
put_other_key(const char *name)
{
	put_key(name, ed, NULL);
}

static void
put_x25519(const char *name)
{
	put_key(name, x25519, NULL);
}

static void
put_locked(const char *name)
{
	put_key(name, ec, "secret");
}

static void
put_cert(const char *name)
{
	put_certificates(name, leaf, NULL);
}

static void
put_ec_public(const char *name)
{
	put_public(name, ec);
}


static void
put_ca_ocsp(const char *name)
{
	put_ocsp(name, ca, V_OCSP_CERTSTATUS_GOOD, DAY);
}

static void
put_unknown_ocsp(const char *name)
{
	put_ocsp(name, leaf, V_OCSP_CERTSTATUS_UNKNOWN, DAY);
}

/* tryLater, which has no more to it. */
static void
put_later_ocsp(const char *name)
{
	put_text(name, "\x30\x03\x0a\x01\x03");
}

#define FRONT	"f:3: tls."
#define BACK	"f:1: "

static const struct {
	const char	*where, *name;
	void		(*put)(const char *name);
	const char	*error;
} bad[] = {
	{ FRONT "certificate", "cert", put_nothing, "No such file" },
	{ FRONT "certificate", "cert", put_folder, "Is a directory" },
	{ FRONT "certificate", "cert", put_pipe, "not a regular file" },
	{ FRONT "certificate", "cert", put_long, "longer than 1 MiB" },
	{ FRONT "certificate", "cert", put_empty, "it is empty" },
	{ FRONT "certificate", "cert", put_prose, "want certificates in PEM: "
	    "no start line" },
	{ FRONT "certificate", "cert", put_cut, "want certificates in PEM: " },
	{ FRONT "certificate", "cert", put_good_and_cut,
	    "want certificates in PEM: " },
	{ FRONT "certificate", "cert", put_both, "there is a private key in "
	    "it, which must be in a file of its own" },
	{ FRONT "certificate", "cert", put_weak, "want one that OpenSSL finds "
	    "strong enough: ee key too small" },
	{ FRONT "chain", "chain", put_prose, "want certificates in PEM" },
	{ FRONT "chain", "chain", put_both, "there is a private key in it" },
	{ FRONT "key", "key", put_nothing, "No such file" },
	{ FRONT "key", "key", put_pipe, "not a regular file" },
	{ FRONT "key", "key", put_prose, "want a private key in PEM: " },
	{ FRONT "key", "key", put_cert, "want a private key in PEM: " },
	{ FRONT "key", "key", put_locked, "it has a passphrase, which nobody "
	    "is there to type" },
	{ FRONT "key", "key", put_x25519, "want a key of RSA with at most "
	    "8192 bits, ECDSA or Ed25519" },
	{ FRONT "key", "key", put_other_key,
	    "it is not the key of certificate \"" },
	{ FRONT "key", "rsa_key", put_other_key,
	    "it is not the key of certificate \"" },
	{ FRONT "client_ca", "ca", put_prose, "want certificates in PEM" },
	{ FRONT "client_crl", "crl", put_prose, "want revocation lists in "
	    "PEM: no start line" },
	{ FRONT "client_crl", "crl", put_cert, "want revocation lists in PEM"
	    },
	{ FRONT "ocsp", "ocsp", put_prose, "want an OCSP response in DER" },
	{ FRONT "ocsp", "ocsp", put_ca_ocsp, "it is not about the first "
	    "tls.certificate" },
	{ FRONT "ocsp", "ocsp", put_unknown_ocsp, "it does not say that the "
	    "certificate is good" },
	{ FRONT "ocsp", "ocsp", put_later_ocsp, "this says that there is "
	    "none" },
	{ BACK "tls.ca", "ca", put_cut, "want certificates in PEM" },
	{ BACK "tls.certificate", "rsa_cert", put_prose, "want certificates "
	    "in PEM" },
	{ BACK "tls.key", "rsa_key", put_locked, "it has a passphrase" },
	{ BACK "server_public_key", "public", put_nothing, "No such file" },
	{ BACK "server_public_key", "public", put_ec_public,
	    "want a key of RSA" },
	{ BACK "server_public_key", "public", put_cert, "want a public key in "
	    "PEM" },
};

START_TEST(a_bad_file_is_refused_with_its_place_and_reason)
{
	int	 had = unit_count_fds();

	put_good();
	bad[_i].put(bad[_i].name);
	take(ALL);
	ck_assert_int_eq(files_load(&files, conf, &report), -1);
	expect_line(report.errors, report.nerrors, bad[_i].where,
	    bad[_i].name, bad[_i].error);
	ck_assert_uint_eq(files.n, 0);
	ck_assert_int_eq(unit_count_fds(), had);
}
END_TEST

static void
put_expired(const char *name)
{
	X509	*x = make_certificate(ec, "x", ca, ca_key, -9 * DAY, -60);

	put_certificates(name, x, NULL);
	put_ocsp("ocsp", x, V_OCSP_CERTSTATUS_GOOD, DAY);
	X509_free(x);
}

static void
put_expiring(const char *name)
{
	X509	*x = make_certificate(ec, "x", ca, ca_key, -DAY, 14 * DAY - 60);

	put_certificates(name, x, NULL);
	put_ocsp("ocsp", x, V_OCSP_CERTSTATUS_GOOD, DAY);
	X509_free(x);
}

static void
put_early(const char *name)
{
	X509	*x = make_certificate(ec, "x", ca, ca_key, 60, 99 * DAY);

	put_certificates(name, x, NULL);
	put_ocsp("ocsp", x, V_OCSP_CERTSTATUS_GOOD, DAY);
	X509_free(x);
}

static void
put_old_crl(const char *name)
{
	put_crl(name, -60);
}


static void
put_old_ocsp(const char *name)
{
	put_ocsp(name, leaf, V_OCSP_CERTSTATUS_GOOD, -60);
}

static void
put_open_key(const char *name)
{
	char	*path = mem_printf("%s/%s", folder, name);

	ck_assert_int_eq(chmod(path, 0644), 0);
	free(path);
}

static void
put_group_key(const char *name)
{
	char	*path = mem_printf("%s/%s", folder, name);

	ck_assert_int_eq(chmod(path, 0640), 0);
	free(path);
}

static void
put_fifteen_days(const char *name)
{
	X509	*x = make_certificate(ec, "x", ca, ca_key, -DAY, 15 * DAY);

	put_certificates(name, x, NULL);
	put_ocsp("ocsp", x, V_OCSP_CERTSTATUS_GOOD, DAY);
	X509_free(x);
}

#define TABLE	\
	"query_table = { user = \"u\"; database = \"d\"; " \
	"password_file = \"~/password\"; };\n" \
	"listeners = ( { name = \"a\"; listen = \":1\"; protocol = \"mysql\";" \
	" forward = \"h:1\"; query_log = { to = \"table\"; }; } );\n"

#define X15	"xxxxxxxxxxxxxxx"
#define X60	X15 X15 X15 X15
#define X255	X60 X60 X60 X60 X15
#define NO_PASSWORD	"want a password in the first line"

static const struct {
	const char	*text;
	size_t		 len;
	const char	*error;		/* NULL: none */
} passwords[] = {
	{ TEXT("secret\n"), NULL },
	{ TEXT("secret\r\n"), NULL },
	{ TEXT("secret"), NULL },
	{ TEXT("a\nb\n\0"), NULL },
	{ TEXT("-----BEGIN PRIVATE KEY-----\n"), NULL },
	{ TEXT(X255 "\n"), NULL },
	{ TEXT(X255 "x\n"), "the first line is too long for a password" },
	{ TEXT("\nsecret\n"), NO_PASSWORD },
	{ TEXT("\r\nsecret\r\n"), NO_PASSWORD },
	{ TEXT("\0\n"), "there is a NUL byte in the first line" },
	{ TEXT("a\0b\n"), "there is a NUL byte in the first line" },
	{ TEXT(""), "it is empty" },
};

START_TEST(a_password_stands_in_the_first_line_of_its_file)
{
	FILE	*f = create("password");

	ck_assert_uint_eq(fwrite(passwords[_i].text, 1, passwords[_i].len, f),
	    passwords[_i].len);
	ck_assert_int_eq(fclose(f), 0);
	take(TABLE);
	if (passwords[_i].error == NULL) {
		expect_loaded();
		ck_assert_uint_eq(files.n, 1);
		ck_assert_uint_eq(report.nwarnings, 0);
		return;
	}
	ck_assert_int_eq(files_load(&files, conf, &report), -1);
	expect_line(report.errors, report.nerrors,
	    "f: query_table.password_file", "password", passwords[_i].error);
}
END_TEST

START_TEST(a_password_that_everybody_can_read_is_warned_of)
{
	put_text("password", "secret\n");
	put_open_key("password");
	take(TABLE);
	expect_loaded();
	ck_assert_uint_eq(report.nwarnings, 1);
	expect_line(report.warnings, report.nwarnings,
	    "f: query_table.password_file", "password", "everybody can read "
	    "it, by its mode of 0644");
}
END_TEST

static const struct {
	const char	*where, *name;
	void		(*put)(const char *name);
	const char	*warning;	/* NULL: none */
} doubtful[] = {
	{ FRONT "certificate", "cert", put_expired, "has expired on 20" },
	{ FRONT "certificate", "cert", put_expiring, "expires on 20" },
	{ FRONT "certificate", "cert", put_early, "is not valid before 20" },
	{ FRONT "certificate", "cert", put_fifteen_days, NULL },
	{ FRONT "chain", "chain", put_cert, "the first certificate is not of "
	    "who signed \"" },
	{ FRONT "key", "key", put_open_key, "everybody can read it, by its "
	    "mode of 0644" },
	{ FRONT "key", "key", put_group_key, NULL },
	{ FRONT "certificate", "cert", put_open_key, NULL },
	{ FRONT "client_crl", "crl", put_old_crl, "no client is let in, for "
	    "it is out of date since 20" },
	{ FRONT "ocsp", "ocsp", put_old_ocsp, "is out of date since 20" },
};

START_TEST(a_doubtful_file_is_warned_of_and_taken)
{
	put_good();
	doubtful[_i].put(doubtful[_i].name);
	take(ALL);
	expect_loaded();
	if (doubtful[_i].warning != NULL)
		expect_line(report.warnings, report.nwarnings,
		    doubtful[_i].where, doubtful[_i].name,
		    doubtful[_i].warning);
	ck_assert_uint_eq(report.nwarnings, doubtful[_i].warning != NULL);
}
END_TEST

/* What is too weak at the level that a listener does without is not. */
START_TEST(a_certificate_is_strong_enough_for_the_level_of_its_listener)
{
	put_good();
	put_weak("cert");
	put_nothing("ocsp");
	take("listeners = ( { name = \"a\"; listen = \":1\"; "
	    "forward = \"h:1\"; tls = { mode = \"require\"; "
	    "certificate = \"~/cert\"; key = \"~/key\"; "
	    "ciphers = \"ALL:@SECLEVEL=0\"; }; } );");
	expect_loaded();
}
END_TEST

static const struct {
	const char	*keys;
	const char	*error;		/* NULL: none */
} words[] = {
	{ "ciphers = \"ECDHE+AESGCM:!SHA1\"; curves = \"X25519:P-256\"; "
	    "ciphersuites = \"TLS_AES_128_GCM_SHA256\"; ", NULL },
	{ "ciphers = \"none such\"; ", "f:3: tls.ciphers: \"none such\": want "
	    "names that OpenSSL knows, with \":\" between" },
	{ "ciphersuites = \"TLS_X\"; ", "f:3: tls.ciphersuites: \"TLS_X\": "
	    "want names that OpenSSL knows, with \":\" between" },
	{ "curves = \"P-256:P-255\"; ", "f:3: tls.curves: \"P-256:P-255\": "
	    "want names that OpenSSL knows, with \":\" between" },
};

START_TEST(words_that_openssl_does_not_know_are_refused)
{
	char	*text = mem_printf("backends = ( { name = \"b\"; "
		    "servers = \"h:1\"; } );\nlisteners = (\n"
		    "{ name = \"a\"; listen = \":1\"; forward = \"h:1\"; "
		    "tls = { mode = \"require\"; certificate = \"~/cert\"; "
		    "key = \"~/key\"; %s }; } );", words[_i].keys);

	put_good();
	take(text);
	free(text);
	if (words[_i].error == NULL) {
		expect_loaded();
		return;
	}
	ck_assert_int_eq(files_load(&files, conf, &report), -1);
	ck_assert_uint_eq(report.nerrors, 1);
	ck_assert_str_eq(report.errors[0], words[_i].error);
}
END_TEST

static char	*told;

static void
add_line(void *ctx, const char *line)
{
	char	*more = mem_printf("%s%s\n", told, line);

	ck_assert_ptr_eq(ctx, &told);
	free(told);
	told = more;
}

START_TEST(a_file_that_has_changed_is_told_of_wherever_it_is_used)
{
	struct files	 now = { .v = NULL };
	char		*want;

	put_good();
	take(ALL);
	expect_loaded();
	told = mem_strdup("");
	ck_assert_int_eq(files_load(&now, conf, &report), 0);
	files_diff(&files, &now, conf, add_line, &told);
	ck_assert_str_eq(told, "");
	files_release(&now);
	put_certificates("ca", ca, leaf);
	ck_assert_int_eq(files_load(&now, conf, &report), 0);
	files_diff(&files, &now, conf, add_line, &told);
	want = mem_printf("listener a: tls.client_ca: \"%s/ca\" has changed\n"
	    "backend b: tls.ca: \"%s/ca\" has changed\n", folder, folder);
	ck_assert_str_eq(told, want);
	files_release(&now);
	free(want);
	free(told);
}
END_TEST

START_TEST(a_password_that_has_changed_is_told_of_as_the_tables)
{
	struct files	 now = { .v = NULL };
	char		*want;

	put_text("password", "secret\n");
	take(TABLE);
	expect_loaded();
	told = mem_strdup("");
	put_text("password", "other\n");
	ck_assert_int_eq(files_load(&now, conf, &report), 0);
	files_diff(&files, &now, conf, add_line, &told);
	want = mem_printf("query_table.password_file: \"%s/password\" has "
	    "changed\n", folder);
	ck_assert_str_eq(told, want);
	files_release(&now);
	free(want);
	free(told);
}
END_TEST

static struct setup	 setup;

static void
give_conf(uint32_t number)
{
	uint8_t		 buf[4];
	struct wr	 w;
	struct rd	 r;
	char		*text = NULL;
	size_t		 len;
	FILE		*out = open_memstream(&text, &len);
	int		 fd;

	ck_assert_ptr_nonnull(out);
	conf_print(conf, out);
	ck_assert_int_eq(fclose(out), 0);
	fd = proc_memfd_copy("configuration", text, len);
	ck_assert_int_ne(fd, -1);
	wr_init(&w, buf, sizeof(buf));
	wr_u32(&w, number);
	rd_init(&r, buf, sizeof(buf));
	ck_assert_int_eq(setup_on_conf(&setup, &r, &fd), 0);
	close(fd);
	free(text);
}

static int
give_file(uint32_t generation, uint32_t number, int fd)
{
	uint8_t		 buf[8];
	struct wr	 w;
	struct rd	 r;

	wr_init(&w, buf, sizeof(buf));
	wr_u32(&w, generation);
	wr_u32(&w, number);
	rd_init(&r, buf, sizeof(buf));
	return setup_on_file(&setup, &r, &fd);
}

static int
forget(uint32_t generation)
{
	uint8_t		 buf[4];
	struct wr	 w;
	struct rd	 r;

	wr_init(&w, buf, sizeof(buf));
	wr_u32(&w, generation);
	rd_init(&r, buf, sizeof(buf));
	return setup_on_forget(&setup, &r, NULL);
}

START_TEST(a_role_has_the_bytes_of_what_it_was_given_until_it_forgets)
{
	const struct setup_generation	*gen;
	char				 want[8192];
	int				 big;
	ssize_t				 n;

	put_good();
	take(ALL);
	expect_loaded();
	give_conf(7);
	give_conf(8);
	gen = setup_generation(&setup, 7);
	ck_assert_uint_eq(gen->nfiles, 12);
	ck_assert_int_eq(give_file(7, 2, files.copies[2].fd), 0);
	ck_assert_int_eq(give_file(8, 11, files.copies[11].fd), 0);
	n = pread(files.copies[2].fd, want, sizeof(want), 0);
	ck_assert_uint_eq(gen->files[2].len, (size_t)n);
	ck_assert_mem_eq(gen->files[2].data, want, (size_t)n);
	ck_assert_int_eq(gen->files[2].data[n], '\0');
	ck_assert_ptr_null(gen->files[11].data);
	/* What is not as it must be. */
	ck_assert_int_eq(give_file(7, 2, files.copies[2].fd), -1);
	ck_assert_int_eq(give_file(7, 12, files.copies[2].fd), -1);
	ck_assert_int_eq(give_file(9, 1, files.copies[2].fd), -1);
	big = proc_memfd("big", SETUP_FILE_MAX + 1);
	ck_assert_int_eq(give_file(7, 3, big), -1);
	close(big);
	ck_assert_int_eq(forget(7), 0);
	ck_assert_ptr_null(setup_generation(&setup, 7));
	gen = setup_generation(&setup, 8);
	ck_assert_ptr_nonnull(gen->files[11].data);
	setup_forget_file(&gen->files[11]);
	ck_assert_ptr_null(gen->files[11].data);
	setup_forget_file(&gen->files[11]);
	/* The last is kept, so the test lets go of it. */
	ck_assert_int_eq(forget(8), -1);
	free(setup.generations[0].files);
	conf_free(&setup.generations[0].conf);
	free(setup.generations);
}
END_TEST

int
main(void)
{
	Suite	*s = suite_create("files");
	TCase	*tc = tcase_create("files");

	suite_add_tcase(s, tc);
	/* Once for all, because it takes a while. */
	tcase_add_unchecked_fixture(tc, make_all, free_all);
	tcase_add_checked_fixture(tc, set_up, tear_down);
	tcase_add_test(tc,
	    good_files_are_kept_as_copies_that_nobody_can_change);
	tcase_add_loop_test(tc,
	    a_bad_file_is_refused_with_its_place_and_reason, 0,
	    (int)nitems(bad));
	tcase_add_loop_test(tc, a_doubtful_file_is_warned_of_and_taken, 0,
	    (int)nitems(doubtful));
	tcase_add_loop_test(tc,
	    a_password_stands_in_the_first_line_of_its_file, 0,
	    (int)nitems(passwords));
	tcase_add_test(tc, a_password_that_everybody_can_read_is_warned_of);
	tcase_add_test(tc,
	    a_password_that_has_changed_is_told_of_as_the_tables);
	tcase_add_test(tc,
	    a_certificate_is_strong_enough_for_the_level_of_its_listener);
	tcase_add_loop_test(tc, words_that_openssl_does_not_know_are_refused,
	    0, (int)nitems(words));
	tcase_add_test(tc,
	    a_file_that_has_changed_is_told_of_wherever_it_is_used);
	tcase_add_test(tc,
	    a_role_has_the_bytes_of_what_it_was_given_until_it_forgets);
	return unit_run(s);
}
