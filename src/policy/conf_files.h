/*
 * conf_files.h - the files that a configuration names for roles to have.
 *
 * Certificates, keys and what belongs to them, in an order that follows from
 * the configuration alone: listeners first and then backends, as they are
 * written.  So whoever has read the same configuration calls a file by the
 * same number, and the number is all that messages between them say.
 */
#ifndef POLICY_CONF_FILES_H
#define POLICY_CONF_FILES_H

#include <stdbool.h>
#include <stddef.h>

#include "policy/conf.h"

enum conf_file_kind {
	/* Of a listener: for each certificate, these in a row. */
	CONF_FILE_CERTIFICATE,
	CONF_FILE_CHAIN,
	CONF_FILE_KEY,
	/* Of a listener. */
	CONF_FILE_CLIENT_CA,
	CONF_FILE_CLIENT_CRL,
	CONF_FILE_OCSP,
	/* Of a backend. */
	CONF_FILE_BACKEND_CA,
	CONF_FILE_BACKEND_CERTIFICATE,
	CONF_FILE_BACKEND_KEY,
	CONF_FILE_SERVER_PUBLIC_KEY,
	/* Of the whole. */
	CONF_FILE_TABLE_PASSWORD,
	CONF_FILE_OTP_PASSWORD,
	/* Of an account. */
	CONF_FILE_ACCOUNT_PASSWORD,
	/* Of an agent, or a hub. */
	CONF_FILE_AGENT_SECRET,
	CONF_FILE_AGENT_PASSWORD,
	CONF_FILE_HUB_SECRET,
	CONF_FILE_HUB_PASSWORD,
};

/*
 * In place of a path: the authorities that the system trusts.  Where they are
 * is for who reads them to find out; nobody else may look.
 */
#define CONF_SYSTEM_CA	"(system)"

struct conf_file {
	enum conf_file_kind	 kind;
	size_t			 owner;		/* listener, backend, account,
						   agent, hub, or 0 */
	size_t			 position;	/* of the certificate */
	const char		*path;		/* or CONF_SYSTEM_CA */
	const char		*where;		/* "file:line" of the owner */
	const char		*key;		/* "tls.certificate" */
};

/*
 * All of them, and in *n how many; to be freed.  Their texts belong to the
 * configuration, which is finished.  A file that is of no use, as with mode
 * "off" or of a backend that no listener leads to, is not among them.
 */
struct conf_file	*conf_files(const struct conf *conf, size_t *n);

/* The number of that file, or CONF_NOWHERE; position 0 where it has none. */
size_t	 conf_files_find(const struct conf_file *files, size_t n,
	    enum conf_file_kind kind, size_t owner, size_t position);

/* Is it a private key, or a password? */
bool	 conf_file_is_secret(const struct conf_file *file);

/* Does who logs in to databases need it? */
bool	 conf_file_is_for_dbclient(const struct conf_file *file);

/* Does who answers servers for accounts need it? */
bool	 conf_file_is_for_auth(const struct conf_file *file);

/* Does who keeps the link of that pool need it? */
bool	 conf_file_is_for_link(const struct conf *conf,
	    const struct conf_file *file, const char *pool);

/* Does a listener of the pool need it? */
bool	 conf_file_is_for(const struct conf *conf,
	    const struct conf_file *file, const char *pool);

#endif
