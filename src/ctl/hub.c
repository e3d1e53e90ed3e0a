#include <sys/random.h>

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "ctl/answer.h"
#include "ctl/hub.h"
#include "ctl/link.h"
#include "ctl/show.h"

#define HUB_MS		15000
#define SECRET_BYTES	32

static int
list(const struct command_options *o, const char *command,
    void (*show)(const json_t *, FILE *))
{
	struct answer	 a = { .o = o };
	int		 status = answer_get(&a, answer_request(o, command),
			    HUB_MS);

	if (o->json)
		answer_print(a.objects);
	else if (status == CTL_OK)
		show(a.objects, stdout);
	json_decref(a.objects);
	return status;
}

int
command_agents(const struct command_options *o)
{
	return list(o, "agents", show_agents);
}

int
command_topics(const struct command_options *o)
{
	return list(o, "topics", show_topics);
}

int
command_mappings(const struct command_options *o)
{
	return list(o, "mappings", show_mappings);
}

/* The port is told, as the daemon may have chosen it. */
static int
set_mapping(const struct command_options *o, const char *command)
{
	struct answer	 a = { .o = o };
	json_t		*r = answer_request(o, command);
	const char	*at;
	int		 status;

	answer_set(r, "address", o->args[0]);
	if (o->nargs > 1)
		answer_set(r, "topic", o->args[1]);
	if (o->tls)
		json_object_set_new(r, "tls", json_true());
	status = answer_get(&a, r, HUB_MS);
	at = json_string_value(json_object_get(answer_last(&a), "mapping"));
	if (o->json)
		answer_print(a.objects);
	else if (status == CTL_OK && o->nargs > 1 && at != NULL)
		puts(at);
	json_decref(a.objects);
	return status;
}

int
command_map(const struct command_options *o)
{
	return set_mapping(o, "map");
}

int
command_unmap(const struct command_options *o)
{
	return set_mapping(o, "unmap");
}

int
command_open(const struct command_options *o)
{
	return set_mapping(o, "open");
}

int
command_close(const struct command_options *o)
{
	return set_mapping(o, "close");
}

static int
drain(const struct command_options *o, const char *command)
{
	struct answer	 a = { .o = o };
	json_t		*r = answer_request(o, command);
	int		 status;

	answer_set(r, "name", o->args[0]);
	status = answer_get(&a, r, HUB_MS);
	if (o->json)
		answer_print(a.objects);
	json_decref(a.objects);
	return status;
}

int
command_drain(const struct command_options *o)
{
	return drain(o, "drain");
}

int
command_undrain(const struct command_options *o)
{
	return drain(o, "undrain");
}

static int
complain(const char *path, const char *what)
{
	fprintf(stderr, "sallyportctl: %s: %s\n", path, what);
	return CTL_FAILED;
}

/* A new one is never written over one that agents may have. */
int
command_secret(const struct command_options *o)
{
	const char	*path = o->args[0];
	uint8_t		 secret[SECRET_BYTES];
	char		 text[2 * SECRET_BYTES + 2];
	int		 fd, rc;

	if (getrandom(secret, sizeof(secret), 0) != (ssize_t)sizeof(secret))
		return complain("getrandom", strerror(errno));
	for (size_t i = 0; i < sizeof(secret); i++)
		snprintf(text + 2 * i, 3, "%02x", secret[i]);
	text[2 * SECRET_BYTES] = '\n';
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd == -1)
		return complain(path, errno == EEXIST ? "there is such a "
		    "file; remove it first if nobody uses it" :
		    strerror(errno));
	rc = io_write_all(fd, text, 2 * SECRET_BYTES + 1);
	if (close(fd) == -1 || rc == -1) {
		rc = complain(path, strerror(errno));
		(void)unlink(path);
	} else
		rc = CTL_OK;
	explicit_bzero(secret, sizeof(secret));
	explicit_bzero(text, sizeof(text));
	return rc;
}

/* SHA-256 of the public key, as the certificate has it. */
int
command_pin(const struct command_options *o)
{
	const char	*path = o->args[0];
	FILE		*in = fopen(path, "r");
	unsigned char	 hash[EVP_MAX_MD_SIZE], *der = NULL;
	unsigned int	 len = 0;
	X509		*x;
	int		 n;

	if (in == NULL)
		return complain(path, strerror(errno));
	x = PEM_read_X509(in, NULL, NULL, NULL);
	(void)fclose(in);
	if (x == NULL)
		return complain(path, "want a certificate in PEM: that of "
		    "the hub's listener, its tls.certificate");
	n = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(x), &der);
	X509_free(x);
	if (n <= 0 || EVP_Digest(der, (size_t)n, hash, &len, EVP_sha256(),
	    NULL) != 1)
		return complain(path, "OpenSSL cannot read its key");
	OPENSSL_free(der);
	printf("sha256:");
	for (unsigned int i = 0; i < len; i++)
		printf("%02x", hash[i]);
	putchar('\n');
	return CTL_OK;
}
