/*
 * ini.h - portproxy's file of accounts: [backend] dsn, [onlineread] user and
 * pass.
 *
 * Names have no case, a value follows "=" or ":", lines that begin with "#",
 * ";" or "rem " say nothing, nor does what follows " #" or " ;" in a line, and
 * a line that begins with a space goes on with the value before it.
 *
 * Source: robfig/config, as portproxy uses it; go-sql-driver/mysql, "DSN".
 */
#ifndef POLICY_INI_H
#define POLICY_INI_H

#include <stddef.h>

/*
 * The value of a key, to be cleansed and freed; NULL when there is none.  Of
 * several the last one counts.
 */
char	*ini_value(const char *text, size_t len, const char *section,
	    const char *key);

/* user:password@tcp(host:port)/database?parameters, in parts. */
struct ini_dsn {
	char	*user, *password;
	char	*server;		/* "host:port", or "unix:/path" */
	char	*database;
};

/* 0 with what is to be released; or -1 with *why. */
int	 ini_dsn_parse(const char *text, struct ini_dsn *dsn,
	    const char **why);
void	 ini_dsn_release(struct ini_dsn *dsn);

#endif
