/*
 * vet.h - is what the configuration says of TLS what OpenSSL takes it for?
 *
 * Whoever loads a configuration looks before anyone depends on it: that a
 * file holds what its key is for, that what belongs together fits, and that
 * the names of ciphers mean something.  What is wrong goes into the report,
 * as the place, the key, the path and what would be right.
 */
#ifndef PROCESS_VET_H
#define PROCESS_VET_H

#include <openssl/x509.h>

#include <stddef.h>

#include "policy/conf_files.h"

/* What is remembered from file to file; begins with the first two set. */
struct vet {
	const struct conf	*conf;
	struct conf_report	*report;
	X509			*first;		/* of the same owner */
	X509			*last;		/* of the same position */
	const struct conf_file	*file;		/* that had it */
};

/* In the order of conf_files(): what it says hangs on those before. */
void	 vet_file(struct vet *v, const struct conf_file *file,
	    const void *data, size_t len);
void	 vet_end(struct vet *v);

/* Ciphers, ciphersuites and curves of all listeners. */
void	 vet_words(const struct conf *conf, struct conf_report *report);

#endif
