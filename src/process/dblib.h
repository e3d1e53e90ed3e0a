/*
 * dblib.h - libmariadb, loaded when it is first needed, by the one process
 * that has it.
 */
#ifndef PROCESS_DBLIB_H
#define PROCESS_DBLIB_H

#include <mysql.h>

#include <stdint.h>

#include "policy/conf.h"

/* What of it is used; the loader fills it in. */
struct dblib {
	__typeof__(mysql_init)			*init;
	__typeof__(mysql_options)		*options;
	__typeof__(mysql_real_connect_start)	*connect_start;
	__typeof__(mysql_real_connect_cont)	*connect_cont;
	__typeof__(mysql_real_query_start)	*query_start;
	__typeof__(mysql_real_query_cont)	*query_cont;
	__typeof__(mysql_get_socket)		*get_socket;
	__typeof__(mysql_get_timeout_value_ms)	*get_timeout;
	__typeof__(mysql_errno)			*get_errno;
	__typeof__(mysql_error)			*get_error;
	__typeof__(mysql_sqlstate)		*get_sqlstate;
	__typeof__(mysql_close)			*close;
	__typeof__(mysql_store_result_start)	*store_start;
	__typeof__(mysql_store_result_cont)	*store_cont;
	__typeof__(mysql_fetch_row)		*fetch_row;
	__typeof__(mysql_free_result)		*free_result;
};

/* The same each time; NULL and *why when there is none. */
const struct dblib	*dblib_load(const char **why);

/* A server as connect_start wants it; points into what it was made of. */
struct dblib_place {
	const char	*host;		/* or NULL */
	const char	*path;		/* of its socket, or NULL */
	uint16_t	 port;
	char		 text[NET_TEXT_MAX];
};

/* Of a server that was given as `text', which is that spec. */
void	 dblib_find(const struct net_spec *spec, const char *text,
	    struct dblib_place *at);

/*
 * What holds for any connection to there: nobody waits for it, and each thing
 * that the database does may take so many seconds.
 */
void	 dblib_options(const struct dblib *lib, MYSQL *db,
	    const struct dblib_place *at, unsigned int seconds);

/*
 * Begin to connect to where a table is, as connect_start does, with such
 * options.
 */
int	 dblib_connect(const struct dblib *lib, MYSQL **ret, MYSQL *db,
	    const struct conf_table *t, const char *password,
	    unsigned int seconds);

/* What it waits for, MYSQL_WAIT_, as events of epoll(7); and back. */
uint32_t	 dblib_events(int status);
int		 dblib_status(uint32_t events);

#endif
