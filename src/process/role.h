/*
 * role.h - the processes that the master starts, one entry each.
 *
 * A new role is a file with its main function and a line in the table in
 * sallyportd.c; the master starts them in the table's order, waits for each
 * to be ready, and starts again what dies.
 */
#ifndef PROCESS_ROLE_H
#define PROCESS_ROLE_H

#include <stdbool.h>

#include "policy/conf.h"
#include "process/setup.h"

struct role {
	const char	*name;
	unsigned int	 id;		/* ROLE_LOGGER and so on */
	void		(*main)(struct setup *) __attribute__((noreturn));
	bool		 per_pool;	/* one for each, else one */
	bool		 lasting;	/* and for all generations */
	bool		 own_root;	/* lives in an empty one if it can */
	bool		 may_lag;	/* the next need not wait for it */
	bool		 as_auth;	/* becomes auth_user, not user */
	/* How many are needed; NULL: one, or one for each pool. */
	size_t		(*needed)(const struct conf *);
	/* Does that pool have one?  NULL: each has. */
	bool		(*wanted)(const struct conf *, const char *pool);
};

extern const struct role	 roles[];	/* ends with a NULL name */

/* Not _Noreturn, which for clang is no part of the type. */
void	 logger_main(struct setup *s) __attribute__((noreturn));
void	 keeper_main(struct setup *s) __attribute__((noreturn));
void	 carrier_main(struct setup *s) __attribute__((noreturn));
void	 spawner_main(struct setup *s) __attribute__((noreturn));
void	 control_main(struct setup *s) __attribute__((noreturn));
void	 signer_main(struct setup *s) __attribute__((noreturn));
void	 auth_main(struct setup *s) __attribute__((noreturn));
void	 dbclient_main(struct setup *s) __attribute__((noreturn));
void	 broker_main(struct setup *s) __attribute__((noreturn));
void	 link_main(struct setup *s) __attribute__((noreturn));

size_t	 control_needed(const struct conf *conf);
size_t	 carriers_needed(const struct conf *conf);
size_t	 auth_needed(const struct conf *conf);
size_t	 dbclient_needed(const struct conf *conf);
size_t	 broker_needed(const struct conf *conf);
bool	 signer_wanted(const struct conf *conf, const char *pool);
bool	 link_wanted(const struct conf *conf, const char *pool);

#endif
