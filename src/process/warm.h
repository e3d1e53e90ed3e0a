/*
 * warm.h - log in to a server once with an account, so that it remembers the
 * password.
 *
 * A server whose caching_sha2_password has not seen a password since its start
 * wants it in clear, inside TLS or over a local socket.  A worker never has
 * it; so this is done beside, and the worker tries again.  It is never sent
 * over a connection that others can read, nor to a server whose certificate
 * is not as its backend says.
 *
 * Source: MySQL Reference Manual, "Caching SHA-2 Pluggable Authentication".
 */
#ifndef PROCESS_WARM_H
#define PROCESS_WARM_H

#include "base/loop.h"
#include "policy/conf.h"
#include "process/dblib.h"

#define WARM_MAX	16	/* at a time */
#define WARM_WHY_MAX	256	/* bytes */

/* How it went: why is "" when the login was let in. */
typedef void	 warm_done(void *ctx, const char *why);

struct warm;

/*
 * Begin to log in; `done' is called once, not from in here.  NULL with `why' of
 * WARM_WHY_MAX bytes: it is not possible for that backend, or too many are
 * under way.
 */
struct warm	*warm_begin(struct loop *loop, const struct dblib *lib,
		    const struct conf_backend *backend,
		    const struct conf_server *server, const char *account,
		    const char *password, warm_done *done, void *ctx,
		    char *why);

/* Nobody waits any more; `done' is not called. */
void		 warm_forget(struct warm *w);

#endif
