#include <sys/epoll.h>

#include <dlfcn.h>
#include <stdbool.h>
#include <string.h>

#include "base/mem.h"
#include "process/dblib.h"

static bool
find(void *handle, void *to, const char *name)
{
	void	*p = dlsym(handle, name);

	/* POSIX has a data pointer hold a function's. */
	memcpy(to, &p, sizeof(p));
	return p != NULL;
}

const struct dblib *
dblib_load(const char **why)
{
	static const char *const	 names[] = {
		"libmariadb.so.3", "libmariadb.so",
	};
	static struct dblib		 lib;
	static void			*h;

	for (size_t i = 0; i < nitems(names) && h == NULL; i++)
		h = dlopen(names[i], RTLD_NOW | RTLD_LOCAL);
	if (h == NULL ||
	    !find(h, &lib.init, "mysql_init") ||
	    !find(h, &lib.options, "mysql_options") ||
	    !find(h, &lib.connect_start, "mysql_real_connect_start") ||
	    !find(h, &lib.connect_cont, "mysql_real_connect_cont") ||
	    !find(h, &lib.query_start, "mysql_real_query_start") ||
	    !find(h, &lib.query_cont, "mysql_real_query_cont") ||
	    !find(h, &lib.get_socket, "mysql_get_socket") ||
	    !find(h, &lib.get_timeout, "mysql_get_timeout_value_ms") ||
	    !find(h, &lib.get_errno, "mysql_errno") ||
	    !find(h, &lib.get_error, "mysql_error") ||
	    !find(h, &lib.get_sqlstate, "mysql_sqlstate") ||
	    !find(h, &lib.close, "mysql_close") ||
	    !find(h, &lib.store_start, "mysql_store_result_start") ||
	    !find(h, &lib.store_cont, "mysql_store_result_cont") ||
	    !find(h, &lib.fetch_row, "mysql_fetch_row") ||
	    !find(h, &lib.free_result, "mysql_free_result")) {
		*why = dlerror();
		return NULL;
	}
	return &lib;
}

void
dblib_find(const struct net_spec *spec, const char *text,
    struct dblib_place *at)
{
	*at = (struct dblib_place){ .port = spec->port };
	if (spec->kind == NET_NAME)
		at->host = spec->name;
	else if (spec->addr.u.sa.sa_family == AF_UNIX)
		at->path = text + strlen("unix:");
	else {
		at->port = net_port(&spec->addr);
		at->host = net_host_text(&spec->addr, at->text,
		    sizeof(at->text));
	}
}

void
dblib_options(const struct dblib *lib, MYSQL *db,
    const struct dblib_place *at, unsigned int seconds)
{
	const unsigned int	 tcp = MYSQL_PROTOCOL_TCP;

	lib->options(db, MYSQL_OPT_NONBLOCK, NULL);
	lib->options(db, MYSQL_OPT_CONNECT_TIMEOUT, &seconds);
	lib->options(db, MYSQL_OPT_READ_TIMEOUT, &seconds);
	lib->options(db, MYSQL_OPT_WRITE_TIMEOUT, &seconds);
	/* Else it takes "localhost" for a socket that it knows itself. */
	if (at->host != NULL)
		lib->options(db, MYSQL_OPT_PROTOCOL, &tcp);
}

static void
set_options(const struct dblib *lib, MYSQL *db, const struct conf_table *t)
{
	const char	 yes = 1;
	const char	*begin = "SET SESSION sql_mode = '', time_zone = "
			    "'SYSTEM'";

	lib->options(db, MYSQL_SET_CHARSET_NAME, "utf8mb4");
	/* A value that a column cannot hold is cut, and no error. */
	lib->options(db, MYSQL_INIT_COMMAND, begin);
	if (t->tls == CONF_TABLE_PLAIN)
		return;
	lib->options(db, MYSQL_OPT_SSL_ENFORCE, &yes);
	if (t->tls == CONF_TABLE_VERIFY)
		lib->options(db, MYSQL_OPT_SSL_VERIFY_SERVER_CERT, &yes);
	if (t->ca[0] != '\0')
		lib->options(db, MYSQL_OPT_SSL_CA, t->ca);
}

int
dblib_connect(const struct dblib *lib, MYSQL **ret, MYSQL *db,
    const struct conf_table *t, const char *password, unsigned int seconds)
{
	struct dblib_place	 at;

	dblib_find(&t->spec, t->server, &at);
	dblib_options(lib, db, &at, seconds);
	set_options(lib, db, t);
	return lib->connect_start(ret, db, at.host, t->user, password,
	    t->database, at.port, at.path, 0);
}

uint32_t
dblib_events(int status)
{
	uint32_t	 events = 0;

	if (status & MYSQL_WAIT_READ)
		events |= EPOLLIN;
	if (status & MYSQL_WAIT_WRITE)
		events |= EPOLLOUT;
	if (status & MYSQL_WAIT_EXCEPT)
		events |= EPOLLPRI;
	return events;
}

int
dblib_status(uint32_t events)
{
	int	 status = 0;

	if (events & (EPOLLIN | EPOLLHUP | EPOLLERR))
		status |= MYSQL_WAIT_READ;
	if (events & EPOLLOUT)
		status |= MYSQL_WAIT_WRITE;
	if (events & EPOLLPRI)
		status |= MYSQL_WAIT_EXCEPT;
	return status;
}
