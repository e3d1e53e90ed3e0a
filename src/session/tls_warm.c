#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <stdbool.h>

#include "session/tls_context.h"
#include "session/tls_ticket.h"
#include "session/tls_warm.h"

#define ROUNDS	20		/* of both sides: a handshake takes few */
#define SECONDS	60		/* that the certificate is good for */

static X509 *
certify(EVP_PKEY *key)
{
	X509		*x = X509_new();
	X509_NAME	*name = x != NULL ? X509_get_subject_name(x) : NULL;

	if (x == NULL || X509_set_version(x, X509_VERSION_3) != 1 ||
	    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
	    (const unsigned char *)"warm", -1, -1, 0) != 1 ||
	    X509_set_issuer_name(x, name) != 1 ||
	    X509_gmtime_adj(X509_getm_notBefore(x), 0) == NULL ||
	    X509_gmtime_adj(X509_getm_notAfter(x), SECONDS) == NULL ||
	    X509_set_pubkey(x, key) != 1 ||
	    X509_sign(x, key, EVP_sha256()) == 0) {
		X509_free(x);
		return NULL;
	}
	return x;
}

/* Each in turn, until there is nothing left to do. */
static void
shake(SSL *server, SSL *client)
{
	char	 byte = 'x';
	size_t	 n;

	for (int i = 0; i < ROUNDS; i++) {
		int	 rc = SSL_do_handshake(client);

		if (SSL_do_handshake(server) == 1 && rc == 1)
			break;
	}
	/* Tickets are read with what follows them. */
	if (SSL_write_ex(server, &byte, 1, &n) == 1)
		(void)SSL_read_ex(client, &byte, 1, &n);
	if (SSL_write_ex(client, &byte, 1, &n) == 1)
		(void)SSL_read_ex(server, &byte, 1, &n);
}

static void
talk(SSL_CTX *server_ctx, SSL_CTX *client_ctx, int version)
{
	SSL	*server = SSL_new(server_ctx), *client = SSL_new(client_ctx);
	BIO	*a, *b;

	if (server != NULL && client != NULL &&
	    SSL_set_max_proto_version(client, version) == 1 &&
	    BIO_new_bio_pair(&a, 0, &b, 0) == 1) {
		SSL_set_bio(server, a, a);
		SSL_set_bio(client, b, b);
		SSL_set_accept_state(server);
		SSL_set_connect_state(client);
		shake(server, client);
	}
	SSL_free(server);
	SSL_free(client);
}

void
tls_warm(void)
{
	char			 why[TLS_WHY_MAX];
	struct tls_tickets	 tickets = { 0 };
	SSL_CTX			*server, *client;
	EVP_PKEY		*key = EVP_EC_gen("P-256");
	X509			*x = key != NULL ? certify(key) : NULL;

	server = tls_context_new(TLS_server_method(), TLS1_2_VERSION, why);
	client = tls_context_new(TLS_client_method(), TLS1_2_VERSION, why);
	if (x != NULL && server != NULL && client != NULL &&
	    tls_ticket_rotate(&tickets) == 0 &&
	    SSL_CTX_use_certificate(server, x) == 1 &&
	    SSL_CTX_use_PrivateKey(server, key) == 1) {
		tls_ticket_use(server, &tickets);
		talk(server, client, TLS1_2_VERSION);
		talk(server, client, TLS1_3_VERSION);
	}
	SSL_CTX_free(server);
	SSL_CTX_free(client);
	X509_free(x);
	EVP_PKEY_free(key);
	ERR_clear_error();
}
