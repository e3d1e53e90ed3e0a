#include <openssl/err.h>
#include <openssl/x509_vfy.h>

#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "session/tls_why.h"

/* Texts that begin with a space are about the peer. */
struct words {
	int		 reason;	/* SSL_R_ or SSL_AD_ */
	const char	*text;
};

static const struct words	 reasons[] = {
	{ SSL_R_HTTP_REQUEST, "not TLS at all: an HTTP request" },
	{ SSL_R_HTTPS_PROXY_REQUEST, "not TLS at all: an HTTP request" },
	{ SSL_R_WRONG_VERSION_NUMBER, "not TLS at all" },
	{ SSL_R_UNKNOWN_PROTOCOL, "not TLS at all" },
	{ SSL_R_NO_SHARED_CIPHER,
	    "no shared cipher, or none that our certificates are for" },
	{ SSL_R_NO_SUITABLE_SIGNATURE_ALGORITHM,
	    " cannot check signatures of our certificates' kind" },
	{ SSL_R_NO_SHARED_SIGNATURE_ALGORITHMS,
	    "no shared signature algorithm" },
	{ SSL_R_NO_SHARED_GROUPS, "no shared curve" },
	{ SSL_R_NO_SUITABLE_KEY_SHARE, "no shared curve" },
	{ SSL_R_NO_SUITABLE_GROUPS, "no shared curve" },
	{ SSL_R_NO_APPLICATION_PROTOCOL, "no shared ALPN protocol" },
	{ SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE,
	    " sent no certificate" },
	{ SSL_R_DH_KEY_TOO_SMALL, " uses a DH key that is too small" },
	{ SSL_R_EE_KEY_TOO_SMALL, " uses a key that is too small" },
};

/* RFC 8446 section 6. */
static const struct words	 alerts[] = {
	{ SSL_AD_UNKNOWN_CA, " does not trust our certificate" },
	{ SSL_AD_BAD_CERTIFICATE, " does not trust our certificate" },
	{ SSL_AD_CERTIFICATE_EXPIRED,
	    " does not trust our certificate" },
	{ SSL_AD_CERTIFICATE_REVOKED,
	    " does not trust our certificate" },
	{ SSL_AD_CERTIFICATE_UNKNOWN,
	    " does not trust our certificate" },
	{ SSL_AD_UNSUPPORTED_CERTIFICATE,
	    " does not trust our certificate" },
	{ SSL_AD_BAD_CERTIFICATE_STATUS_RESPONSE,
	    " does not trust our OCSP response" },
	{ TLS1_AD_UNKNOWN_PSK_IDENTITY, " does not know our key" },
	{ SSL_AD_ACCESS_DENIED, " does not let us in" },
	{ SSL_AD_PROTOCOL_VERSION,
	    " speaks no version of TLS that we do" },
	{ SSL_AD_HANDSHAKE_FAILURE,
	    " found no cipher or certificate that both can use" },
	{ SSL_AD_INSUFFICIENT_SECURITY,
	    " wants stronger ciphers than we offer" },
	{ SSL_AD_CERTIFICATE_REQUIRED,
	    " wants a certificate from us" },
	{ SSL_AD_UNRECOGNIZED_NAME, " does not know that name" },
	{ SSL_AD_NO_APPLICATION_PROTOCOL,
	    " speaks none of the ALPN protocols" },
};

static const struct words	 versions[] = {
	{ TLS1_VERSION, "TLSv1.0" },
	{ TLS1_1_VERSION, "TLSv1.1" },
	{ TLS1_2_VERSION, "TLSv1.2" },
	{ TLS1_3_VERSION, "TLSv1.3" },
	{ SSL3_VERSION, "SSLv3" },
};

static const char *
find(const struct words *w, size_t n, int reason)
{
	for (size_t i = 0; i < n; i++)
		if (w[i].reason == reason)
			return w[i].text;
	return NULL;
}

const char *
tls_why_version(int version)
{
	const char	*text = find(versions, nitems(versions), version);

	return text != NULL ? text : "";
}

static const char *
reason_text(unsigned long error)
{
	const char	*text;

	if (ERR_SYSTEM_ERROR(error))
		return strerror(ERR_GET_REASON(error));
	text = ERR_reason_error_string(error);
	return text != NULL ? text : "unknown error";
}

void
tls_why_error(char *why, const char *what)
{
	unsigned long	 error = ERR_peek_error();

	snprintf(why, TLS_WHY_MAX, "%s: %s", what, reason_text(error));
	ERR_clear_error();
}


/* The alert by its name in RFC 8446, for who searches for it. */
static void
add_alert(char *why, int alert)
{
	size_t	 at = strlen(why);

	snprintf(why + at, TLS_WHY_MAX - at, " (alert %s)",
	    SSL_alert_desc_string_long(alert));
	for (at += strlen(" (alert "); why[at] != '\0'; at++)
		why[at] = why[at] == ' ' ? '_' :
		    (char)tolower((unsigned char)why[at]);
}

static void
say(char *why, const char *peer, const char *text)
{
	bool	 about = text[0] == ' ';

	snprintf(why, TLS_WHY_MAX, "%s%s%s", about ? "the " : "",
	    about ? peer : "", text);
}

static void
say_version(char *why, SSL *ssl, const char *peer)
{
	const char	*least = tls_why_version(
			    (int)SSL_get_min_proto_version(ssl));
	const char	*theirs = tls_why_version(SSL_client_version(ssl));

	if (SSL_is_server(ssl) && theirs[0] != '\0')
		snprintf(why, TLS_WHY_MAX, "the client speaks %s, min_version "
		    "is %s", theirs, least);
	else
		snprintf(why, TLS_WHY_MAX, "the %s does not speak %s, "
		    "min_version, or later", peer, least);
}

static void
say_reason(char *why, SSL *ssl, const char *peer, unsigned long error)
{
	const char	*text = find(reasons, nitems(reasons),
			    ERR_GET_REASON(error));

	switch (ERR_GET_REASON(error)) {
	case SSL_R_UNSUPPORTED_PROTOCOL:
	case SSL_R_VERSION_TOO_LOW:
		say_version(why, ssl, peer);
		break;
	case SSL_R_CERTIFICATE_VERIFY_FAILED:
		snprintf(why, TLS_WHY_MAX, "the %s's certificate: %s", peer,
		    X509_verify_cert_error_string(
		    SSL_get_verify_result(ssl)));
		break;
	default:
		say(why, peer, text != NULL ? text : reason_text(error));
	}
}

void
tls_why_failed(char *why, SSL *ssl, unsigned long error)
{
	const char	*peer = SSL_is_server(ssl) ? "client" : "server";
	const char	*text;
	int		 reason = ERR_GET_REASON(error), alert;

	if (ERR_GET_LIB(error) != ERR_LIB_SSL) {
		say(why, peer, reason_text(error));
		return;
	}
	if (reason < SSL_AD_REASON_OFFSET) {
		say_reason(why, ssl, peer, error);
		return;
	}
	/* Such an error is an alert that came from the peer. */
	alert = reason - SSL_AD_REASON_OFFSET;
	text = find(alerts, nitems(alerts), alert);
	say(why, peer, text != NULL ? text : " broke off");
	add_alert(why, alert);
}
